/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state - what nodes reported as their capacity, kept beyond the process.
 *
 *	vodbalance 1
 *	node 192.0.2.11 capacity_bps 1000000000
 *	end
 *
 * So a balancer that starts while an agent is silent knows that node's weight.
 */
#ifndef BALANCER_STATE_H
#define BALANCER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/settings.h"
#include "base/sock.h"

#define STATE_NODES_MAX 4096
#define STATE_FILE_MAX ((size_t)1 << 20)

struct state_node {
	union sock_address host; /* port 0 */
	uint64_t capacity_bps;
};

struct state { /* zeroes are an empty one */
	struct state_node *nodes; /* owned */
	size_t count;
	bool changed; /* since it was read or written */
};

/* 0, or -EBADMSG with the line in ERROR, -ENOMEM; OUT is untouched then. */
int state_parse(const char *text, size_t size, struct state *out,
    char error[static SETTINGS_ERROR_MAX]);
/* The same of FILE; -ENOENT and the like too. */
int state_read(
    const char *file, struct state *out, char error[static SETTINGS_ERROR_MAX]);
/* As a whole or not at all.  0 or -errno. */
int state_write(const char *file, struct state *state);
void state_free(struct state *state);

/* 0: not known.  Ports are not looked at. */
uint64_t state_capacity(
    const struct state *state, const union sock_address *host);
uint64_t state_largest(const struct state *state); /* 0: none is known */
/* Beyond STATE_NODES_MAX, or without memory, a node is not kept. */
void state_note(
    struct state *state, const union sock_address *host, uint64_t capacity_bps);

#endif
