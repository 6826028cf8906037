/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crew - the workers of an instance as processes: one per lane, forked, heard,
 * watched, replaced.
 *
 * The crew keeps every lane served until it is told to end; what happens is
 * told to the master, who decides nothing about a single process.
 */
#ifndef SERVER_CREW_H
#define SERVER_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "server/config.h"
#include "server/fdstore.h"
#include "server/privileges.h"
#include "server/resources.h"
#include "table/table.h"

enum crew_event {
	CREW_READY, /* the lane's worker serves */
	CREW_DIED, /* it had been ready */
	CREW_DIED_EARLY, /* it had not */
};
typedef void crew_happened(
    void *context, uint32_t lane, enum crew_event event, const char *how);

struct crew_birth { /* all borrowed until crew_free() */
	struct loop *loop;
	const struct config *config; /* as it is when a worker is forked */
	struct table *table;
	struct resources *resources;
	const struct privileges *privileges;
	crew_happened *happened;
	/* In a fresh child: let go of what is the master's. */
	void (*in_child)(void *context);
	void *context;
};

struct crew;

int crew_new(const struct crew_birth *birth, struct crew **out);
/* The workers' processes have ended, or see their channels close. */
void crew_free(struct crew *crew); /* accepts NULL */

/* Fork all; each is then kept alive. */
void crew_start(struct crew *crew);
/* SIGCHLD came. */
void crew_reap(struct crew *crew);
unsigned crew_alive(const struct crew *crew);
unsigned crew_ready(const struct crew *crew);
uint32_t crew_descriptors(const struct crew *crew); /* stored, all lanes */

/* Successors follow, one after the other is the master's business. */
void crew_replace(struct crew *crew, uint32_t lane);
/* No new sessions, successors included. */
void crew_drain(struct crew *crew);
/*
 * Log at this level; FD: the log file, opened anew; duplicated, -1: as it is.
 */
void crew_log(struct crew *crew, uint32_t level, int fd);
/* Say goodbye and end; nobody is replaced from now on. */
void crew_stop(struct crew *crew);
void crew_kill(struct crew *crew);

#endif
