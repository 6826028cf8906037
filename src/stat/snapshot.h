/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot - one look at a table, in private memory: what vodstat prints.
 *
 * Plain values; texts are NUL-terminated, but a title is whatever bytes the
 * file's name has.
 */
#ifndef STAT_SNAPSHOT_H
#define STAT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sock.h"
#include "table/table.h"

#define SNAPSHOT_ID_DIGITS 8

struct snapshot_session {
	char id[SNAPSHOT_ID_DIGITS + 1]; /* the first digits of it */
	char peer[SOCK_TEXT_MAX];
	char title[TABLE_PATH_MAX + 1]; /* "" when it is gone */
	uint32_t lane;
	enum table_session_state state;
	enum table_transport transport;
	uint32_t position_ms;
	uint32_t packets_lost;
	uint64_t committed_bps;
	uint64_t bytes_sent, packets_sent;
};

struct snapshot_worker {
	uint32_t lane;
	int32_t pid;
	uint64_t sessions, connections;
	uint64_t heartbeat_age_ms;
	uint64_t committed_bps;
	uint64_t bytes_sent, packets_sent;
};

struct snapshot {
	struct table_info info;
	bool master_running;
	uint64_t taken_us; /* monotonic */
	uint64_t uptime_s;
	uint64_t session_count;
	uint64_t by_state[TABLE_SESSION_PAUSED + 1];
	uint64_t connections, committed_bps;
	uint64_t bytes_sent, packets_sent;
	size_t worker_count;
	struct snapshot_worker workers[TABLE_LANES_MAX];
	/* When asked for; owned.  In the order of lanes and records. */
	struct snapshot_session *sessions;
	size_t session_length, session_size;
};

/*
 * Looks at TABLE; with WITH_SESSIONS also at each session.  0 or -ENOMEM; ends
 * with snapshot_end() in any case.
 */
int snapshot_take(
    const struct table *table, bool with_sessions, struct snapshot *out);
void snapshot_end(struct snapshot *snapshot);

/* "ready", "tcp"; never NULL. */
const char *snapshot_state_name(enum table_session_state state);
const char *snapshot_transport_name(enum table_transport transport);

#endif
