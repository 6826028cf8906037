/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane - a worker's share: its range of table records, its UDP pairs, its end
 * of the channel to the master; and with it what all parts of a worker use.
 *
 * The structure is the worker's context, passed down to connections, methods
 * and sessions.  It is owned by the worker (worker_run) and lives as long as
 * the process.
 */
#ifndef SERVER_LANE_H
#define SERVER_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "media/reader.h"
#include "server/config.h"
#include "server/fdstore.h"
#include "table/table.h"

/* A request head, or an interleaved frame that is worth reading. */
#define LANE_INPUT_BYTES 16384
/* Packets of one gathering: read, cut, sent, forgotten. */
#define LANE_ARENA_BYTES (128u * 1024)

struct connection;
struct session;
struct titles;
struct transport;

/* A message to the master that did not fit into the channel. */
struct lane_drop {
	struct lane_drop *next;
	struct fdstore_message message;
};

struct lane {
	const struct config *config;
	struct table *table;
	uint32_t number;
	struct loop *loop;
	struct reader *reader;
	struct titles *titles;
	struct transport *transport;
	int media_root, channel;
	struct sock_pair pairs[2]; /* IPv4, IPv6 */
	uint64_t hash_seed;
	bool draining;
	bool orphan; /* there is no master now */
	/* Workers died while it was read: its sessions end at adoption. */
	uint32_t ended_title; /* record, or TABLE_NONE */
	/* By record; NULL where the record is free.  Owned. */
	struct session **sessions;
	struct connection **connections;
	uint32_t session_slots, connection_slots;
	/* Whose reply stands in the large outbox. */
	struct connection *large_owner;
	/* Lists: wait for the end of a frame; had it, are looked after now. */
	struct connection *stalled, *resuming;
	/* List: to be told to the master, the oldest first. */
	struct lane_drop *drops, **drops_end;
	/* What was due then may be sent already, by who died (adopt.c). */
	uint64_t inherited_us;
	/* Lists by enum table_transport: what is to be sent in this turn. */
	struct session *due[2];
	uint8_t *input; /* LANE_INPUT_BYTES; a peeked request */
	uint8_t *reply; /* TABLE_LARGE_OUTBOX_BYTES; a reply being written */
};

/* The pair of FAMILY, or NULL. */
const struct sock_pair *lane_pair(const struct lane *lane, int family);

/* Tell the master that a stored connection has ended; kept until it can be
 * said. */
void lane_tell_dropped(struct lane *lane, uint32_t connection, uint64_t cookie);
void lane_tell_again(struct lane *lane);

/* Random bytes; never fails (getrandom(2) waits for the pool at most once at
 * boot). */
void lane_random(void *out, size_t size);

#endif
