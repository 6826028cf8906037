/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a table into a snapshot.  Sessions are counted in the records, not
 * taken from a worker's counters: a record is the session, and those of a
 * worker that died an instant ago count too.  How it is shown is not decided
 * here.
 */
#include "stat/snapshot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/loop.h"

const char *
snapshot_state_name(enum table_session_state state)
{
	switch (state) {
	case TABLE_SESSION_READY:
		return "ready";
	case TABLE_SESSION_PLAYING:
		return "playing";
	case TABLE_SESSION_PAUSED:
		return "paused";
	case TABLE_SESSION_INIT:
	default:
		return "init";
	}
}

const char *
snapshot_transport_name(enum table_transport transport)
{
	return transport == TABLE_TCP ? "tcp" : "udp";
}

static bool
id_is_set(const uint8_t id[static 16])
{
	static const uint8_t none[16];

	return memcmp(id, none, sizeof(none)) != 0;
}

static struct snapshot_session *
session_add(struct snapshot *out)
{
	struct snapshot_session *sessions = out->sessions;

	if (out->session_length == out->session_size) {
		size_t size =
		    out->session_size == 0 ? 64 : 2 * out->session_size;

		sessions = reallocarray(sessions, size, sizeof(*sessions));
		if (sessions == NULL)
			return NULL;
		out->sessions = sessions;
		out->session_size = size;
	}
	return memset(&sessions[out->session_length++], 0, sizeof(*sessions));
}

/* What is released while we look is left out: its cold part is zeros. */
static int
session_describe(const struct table *table, uint32_t lane, uint32_t record,
    const struct table_session *hot, struct snapshot *out)
{
	struct snapshot_session *session;
	struct table_session_cold cold;
	struct table_title title;

	if (!table_read(table, lane, TABLE_SESSION_COLD, record, &cold) ||
	    !id_is_set(cold.id))
		return 0;
	if ((session = session_add(out)) == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < SNAPSHOT_ID_DIGITS / 2; i++)
		snprintf(session->id + 2 * i, 3, "%02x", cold.id[i]);
	sock_address_text(&cold.peer, true, session->peer);
	if (table_read(table, lane, TABLE_TITLE, cold.title, &title) &&
	    title.state == TABLE_USED)
		memcpy(session->title, title.path,
		    strnlen(title.path, sizeof(title.path)));
	session->lane = lane;
	session->state = hot->session_state;
	session->transport = cold.transport;
	session->position_ms = hot->position_ms;
	session->packets_lost = hot->packets_lost;
	session->committed_bps = hot->committed_bps;
	session->bytes_sent = hot->bytes_sent;
	session->packets_sent = hot->packets_sent;
	return 0;
}

/* Counts the sessions of LANE in *COUNT. */
static int
lane_take(const struct table *table, uint32_t lane, bool with_sessions,
    struct snapshot *out, uint64_t *count)
{
	uint32_t end = table_high_water(table, lane, TABLE_SESSION);

	*count = 0;
	for (uint32_t record = 0; record < end; record++) {
		struct table_session hot;
		int error;

		if (!table_read(table, lane, TABLE_SESSION, record, &hot) ||
		    hot.state != TABLE_USED ||
		    hot.session_state == TABLE_SESSION_INIT ||
		    hot.session_state > TABLE_SESSION_PAUSED)
			continue;
		++*count;
		out->by_state[hot.session_state]++;
		if (!with_sessions)
			continue;
		error = session_describe(table, lane, record, &hot, out);
		if (error != 0)
			return error;
	}
	out->session_count += *count;
	return 0;
}

static void
worker_describe(const struct table *table, uint32_t lane, int32_t pid,
    uint64_t sessions, struct snapshot *out)
{
	uint64_t heartbeat_us = table_counter(table, lane, TABLE_HEARTBEAT_US);
	uint64_t age_us = 0;

	if (heartbeat_us == 0) /* never heard of since the instance began */
		age_us = out->uptime_s * US_PER_SECOND;
	else if (heartbeat_us < out->taken_us)
		age_us = out->taken_us - heartbeat_us;
	out->workers[out->worker_count++] = (struct snapshot_worker){
		.lane = lane,
		.pid = pid,
		.sessions = sessions,
		.connections = table_counter(table, lane, TABLE_CONNECTIONS),
		.heartbeat_age_ms = age_us / US_PER_MS,
		.committed_bps =
		    table_counter(table, lane, TABLE_COMMITTED_BPS),
		.bytes_sent = table_counter(table, lane, TABLE_BYTES_SENT),
		.packets_sent = table_counter(table, lane, TABLE_PACKETS_SENT),
	};
}

int
snapshot_take(
    const struct table *table, bool with_sessions, struct snapshot *out)
{
	uint64_t now_us = clock_wall_us();

	*out = (struct snapshot){ .taken_us = clock_monotonic_us() };
	table_info(table, &out->info);
	if (now_us > out->info.started_wall_us)
		out->uptime_s =
		    (now_us - out->info.started_wall_us) / US_PER_SECOND;
	out->master_running =
	    out->info.master_pid > 0 &&
	    (kill(out->info.master_pid, 0) == 0 || errno == EPERM);
	out->connections = table_counter_sum(table, TABLE_CONNECTIONS);
	out->committed_bps = table_counter_sum(table, TABLE_COMMITTED_BPS);
	out->bytes_sent = table_counter_sum(table, TABLE_BYTES_SENT);
	out->packets_sent = table_counter_sum(table, TABLE_PACKETS_SENT);
	for (uint32_t lane = 0; lane < out->info.limits.lanes; lane++) {
		int32_t pid = table_lane_pid(table, lane);
		uint64_t sessions;
		int error;

		error = lane_take(table, lane, with_sessions, out, &sessions);
		if (error != 0)
			return error;
		if (pid != 0)
			worker_describe(table, lane, pid, sessions, out);
	}
	return 0;
}

void
snapshot_end(struct snapshot *snapshot)
{
	free(snapshot->sessions);
	snapshot->sessions = NULL;
}
