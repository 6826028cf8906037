/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adoption: every descriptor that was given meets its record, everything else
 * that the records name is ended, and the lane's present counts are made anew.
 */
#include "server/adopt.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "server/blame.h"
#include "server/connection.h"

static uint32_t
adopt_connections(struct lane *lane, struct adopt_given *given)
{
	uint32_t adopted = 0;

	for (uint32_t record = 0; record < lane->connection_slots; record++) {
		uint64_t cookie = given[record].cookie;
		int error;

		if (given[record].fd == -1)
			continue;
		blame_mark(lane, record, TABLE_NONE);
		error =
		    connection_adopt(lane, record, cookie, given[record].fd);
		given[record].fd = -1;
		if (error == 0)
			adopted++;
		else if (error == -ENOENT)
			lane_tell_dropped(lane, record, cookie);
		else
			log_warning("worker",
			    "connection not adopted lane=%" PRIu32
			    " record=%" PRIu32 ": %s",
			    lane->number, record, strerror(-error));
	}
	blame_nobody(lane);
	return adopted;
}

static uint32_t
release_connections(struct lane *lane)
{
	uint32_t used =
	    table_high_water(lane->table, lane->number, TABLE_CONNECTION);
	struct table_connection view;
	uint32_t lost = 0;

	for (uint32_t record = 0; record < used; record++) {
		if (lane->connections[record] != NULL ||
		    !table_read(lane->table, lane->number, TABLE_CONNECTION,
			record, &view) ||
		    view.state == TABLE_FREE)
			continue;
		/* The master may have it: it was lost on its way here. */
		if (view.state == TABLE_USED) {
			lane_tell_dropped(lane, record, view.cookie);
			lost++;
		}
		table_release(
		    lane->table, lane->number, TABLE_CONNECTION, record);
	}
	return lost;
}

/* With its connection, or its title, no session can go on. */
static void
release_session(struct lane *lane, uint32_t record)
{
	struct table_session_cold cold;
	struct table_session hot;
	char peer[SOCK_TEXT_MAX];

	if (!table_read(
		lane->table, lane->number, TABLE_SESSION, record, &hot) ||
	    hot.state == TABLE_FREE)
		return;
	if (hot.state == TABLE_USED && table_read(lane->table, lane->number,
					   TABLE_SESSION_COLD, record, &cold)) {
		log_info("session",
		    "ended peer=%s session=%02x%02x%02x%02x bytes=%" PRIu64
		    " packets=%" PRIu64 " lost=%" PRIu32 " cause=%s",
		    sock_address_text(&cold.peer, true, peer), cold.id[0],
		    cold.id[1], cold.id[2], cold.id[3], hot.bytes_sent,
		    hot.packets_sent, hot.packets_lost,
		    session_cause_text(SESSION_LOST));
		table_counter_add(
		    lane->table, lane->number, TABLE_SESSIONS_ENDED, 1);
	}
	table_release(lane->table, lane->number, TABLE_SESSION, record);
}

static void
release_sessions(struct lane *lane)
{
	uint32_t used =
	    table_high_water(lane->table, lane->number, TABLE_SESSION);

	for (uint32_t record = 0; record < used; record++)
		if (lane->sessions[record] == NULL)
			release_session(lane, record);
}

/* What there is now; the other counters go on. */
static void
count_present(struct lane *lane)
{
	uint64_t connections = 0, sessions = 0, committed_bps = 0;

	for (uint32_t i = 0; i < lane->connection_slots; i++)
		connections += lane->connections[i] != NULL;
	for (uint32_t i = 0; i < lane->session_slots; i++) {
		if (lane->sessions[i] == NULL)
			continue;
		sessions++;
		committed_bps += lane->sessions[i]->hot.committed_bps;
	}
	table_counter_set(
	    lane->table, lane->number, TABLE_CONNECTIONS, connections);
	table_counter_set(lane->table, lane->number, TABLE_SESSIONS, sessions);
	table_counter_set(
	    lane->table, lane->number, TABLE_COMMITTED_BPS, committed_bps);
}

static uint32_t
count_sessions(const struct lane *lane)
{
	return (uint32_t)table_counter(
	    lane->table, lane->number, TABLE_SESSIONS);
}

void
adopt_lane(struct lane *lane, struct adopt_given *given, bool fault)
{
	uint64_t began_us = clock_monotonic_us();
	uint32_t adopted, lost;

	table_counter_set(lane->table, lane->number, TABLE_TITLES_REFUSED, 0);
	lane->inherited_us =
	    table_counter(lane->table, lane->number, TABLE_TURN_US) +
	    lane->config->send_ahead_us;
	blame_judge(lane, fault);
	adopted = adopt_connections(lane, given);
	lost = release_connections(lane);
	release_sessions(lane);
	titles_release_others(lane->titles);
	count_present(lane);
	if (adopted + lost > 0)
		log_info("worker",
		    "adopted lane=%" PRIu32 " connections=%" PRIu32
		    " sessions=%" PRIu32 " lost=%" PRIu32 " ms=%.1f",
		    lane->number, adopted, count_sessions(lane), lost,
		    (double)(clock_monotonic_us() - began_us) / 1000);
}

void
adopt_go_on(struct lane *lane)
{
	for (uint32_t record = 0; record < lane->connection_slots; record++)
		if (lane->connections[record] != NULL)
			connection_go_on(lane->connections[record]);
}
