/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lane: what a worker finds when it is born, and its word to the master.
 */
#include "server/lane.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

const struct sock_pair *
lane_pair(const struct lane *lane, int family)
{
	const struct sock_pair *pair = &lane->pairs[family == AF_INET6];

	return pair->family == family ? pair : NULL;
}

void
lane_random(void *out, size_t size)
{
	uint8_t *at = out;

	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);

		if (got > 0) {
			at += got;
			size -= (size_t)got;
		}
	}
}

static bool
tell(struct lane *lane, const struct fdstore_message *message)
{
	return fdstore_send(lane->channel, message, -1) == 0;
}

void
lane_tell_dropped(struct lane *lane, uint32_t connection, uint64_t cookie)
{
	struct fdstore_message message = {
		.kind = FDSTORE_DROP, .connection = connection, .cookie = cookie
	};
	struct lane_drop *drop;

	lane_tell_again(lane); /* in order: those that wait go first */
	if (lane->drops == NULL && tell(lane, &message))
		return;
	if ((drop = malloc(sizeof(*drop))) == NULL)
		return; /* the master finds out by the cookie */
	*drop = (struct lane_drop){ .message = message };
	*(lane->drops == NULL ? &lane->drops : lane->drops_end) = drop;
	lane->drops_end = &drop->next;
}

void
lane_tell_again(struct lane *lane)
{
	struct lane_drop *drop;

	while ((drop = lane->drops) != NULL && tell(lane, &drop->message)) {
		lane->drops = drop->next;
		free(drop);
	}
}

static void
clear_sessions(struct lane *lane)
{
	uint32_t used =
	    table_high_water(lane->table, lane->number, TABLE_SESSION);
	struct table_session_cold cold;
	struct table_session hot;
	char peer[SOCK_TEXT_MAX];

	for (uint32_t record = 0; record < used; record++) {
		if (!table_read(lane->table, lane->number, TABLE_SESSION,
			record, &hot) ||
		    hot.state == TABLE_FREE)
			continue;
		if (table_read(lane->table, lane->number, TABLE_SESSION_COLD,
			record, &cold))
			log_info("session",
			    "ended peer=%s session=%02x%02x%02x%02x "
			    "bytes=%" PRIu64 " packets=%" PRIu64
			    " lost=%" PRIu32 " cause=worker-died",
			    sock_address_text(&cold.peer, true, peer),
			    cold.id[0], cold.id[1], cold.id[2], cold.id[3],
			    hot.bytes_sent, hot.packets_sent, hot.packets_lost);
		table_release(lane->table, lane->number, TABLE_SESSION, record);
	}
}

static void
clear_records(struct lane *lane, enum table_kind kind)
{
	uint32_t used = table_high_water(lane->table, lane->number, kind);
	union {
		uint32_t state;
		struct table_connection connection;
		struct table_title title;
	} view;

	for (uint32_t record = 0; record < used; record++)
		if (table_read(
			lane->table, lane->number, kind, record, &view) &&
		    view.state != TABLE_FREE)
			table_release(lane->table, lane->number, kind, record);
}

void
lane_clear(struct lane *lane)
{
	static const enum table_counter present[] = { TABLE_BLAME,
		TABLE_CONNECTIONS, TABLE_SESSIONS, TABLE_COMMITTED_BPS };

	clear_sessions(lane);
	clear_records(lane, TABLE_CONNECTION);
	clear_records(lane, TABLE_TITLE);
	for (size_t i = 0; i < ARRAY_LENGTH(present); i++)
		table_counter_set(lane->table, lane->number, present[i], 0);
}
