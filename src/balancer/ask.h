/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ask - asks agents how loaded their nodes are, all side by side.
 *
 * Connect, read until closed, parse; who has not said all of it at the end of
 * the time, or says anything else, has not answered.
 */
#ifndef BALANCER_ASK_H
#define BALANCER_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/sock.h"
#include "wire/load.h"

/* Connections at a time; the next begins when one has ended. */
#define ASK_PARALLEL 512

struct ask;

struct ask_agent {
	/* in */
	union sock_address address;

	/* out; TROUBLE is NULL if REPORT is one, else says why there is none */
	const char *trouble;
	bool connected; /* the node's machine is there, at least */
	struct load_report report;

	/* ask's own */
	struct ask *ask;
	int fd;
	struct loop_watch watch;
	size_t size;
	char text[LOAD_REPORT_MAX + 1];
};

typedef void ask_done(void *context);

struct ask { /* zeroes are one that asks nothing */
	struct loop *loop;
	struct ask_agent *agents;
	size_t count, begun, ended;
	struct loop_timer timer;
	ask_done *done;
	void *context;
};

/*
 * AGENTS are borrowed and not moved until DONE is called, when all have
 * answered or LIMIT_US has gone by, perhaps before this returns; or until
 * ask_stop().
 */
void ask_start(struct ask *ask, struct loop *loop, struct ask_agent *agents,
    size_t count, uint64_t limit_us, ask_done *done, void *context);
void ask_stop(struct ask *ask); /* DONE is not called */

/* Asks one agent and waits for it.  0 or -errno: nobody was asked. */
int ask_one(struct ask_agent *agent, uint64_t limit_us);

#endif
