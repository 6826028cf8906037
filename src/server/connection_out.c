/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The output side of a connection: the outbox, in which a reply stands before
 * its first byte is written, and the turn of its sessions' frames.
 */
#include "server/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "server/connection_parts.h"
#include "server/fdstore.h"

/* Before SESSION's first frame behind another's, or behind none. */
void
connection_announce_writer(struct transport_link *link, uint32_t session)
{
	struct connection *connection =
	    CONTAINER_OF(link, struct connection, link);

	connection->view.writer = session;
	connection_publish(connection);
}

void
connection_wake_sessions(struct connection *connection)
{
	for (unsigned i = 0; i < connection->session_count; i++) {
		struct session *session = connection->sessions[i];

		if (session->cold.transport == TABLE_TCP &&
		    session->hot.session_state == TABLE_SESSION_PLAYING &&
		    !loop_timer_is_set(&session->timer) &&
		    !waiter_is_waiting(&session->waiter))
			session_set_due(session);
	}
}

static void
empty_outbox(struct connection *connection)
{
	struct lane *lane = connection->lane;

	if (lane->large_owner == connection)
		lane->large_owner = NULL;
	connection->view.outbox_bytes = 0;
	connection->view.outbox_large = 0;
	connection->outbox_sent = 0;
	connection->link.outbox = false;
	connection_publish(connection);
	connection_wake_sessions(connection);
}

void
connection_lose_master(struct connection *connection)
{
	connection->stored = false;
}

/* A connection is known to the master before the client hears of it. */
bool
connection_store(struct connection *connection)
{
	struct lane *lane = connection->lane;
	struct fdstore_message message = {
		.kind = FDSTORE_PUT,
		.connection = connection->record,
		.cookie = connection->view.cookie,
	};

	if (connection->stored || lane->orphan)
		return true;
	switch (fdstore_send(lane->channel, &message, connection->fd)) {
	case 0:
		connection->stored = true;
		return true;
	case -EPIPE:
	case -ECONNRESET: /* no master; the channel's end will be seen */
		return true;
	default:
		connection_retry_later(connection);
		return false;
	}
}

/* False: there is more to write, or the connection is gone (*gone). */
bool
connection_write_outbox(struct connection *connection, bool *gone)
{
	struct table_connection *view = &connection->view;
	struct lane *lane = connection->lane;
	const uint8_t *outbox = table_outbox(lane->table, lane->number,
	    connection->record, view->outbox_large != 0);
	ssize_t sent;

	if (!connection_store(connection))
		return false;
	while (connection->outbox_sent < view->outbox_bytes) {
		sent = send(connection->fd, outbox + connection->outbox_sent,
		    view->outbox_bytes - connection->outbox_sent,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent == -1 && errno == EAGAIN) {
			connection->link.full = true;
			return false;
		}
		if (sent == -1) {
			connection_close(connection, SESSION_CONNECTION_CLOSED);
			*gone = true;
			return false;
		}
		connection->outbox_sent += (uint32_t)sent;
		connection->link.written += (uint64_t)sent;
		connection->link.progress_us = loop_now_us(lane->loop);
	}
	empty_outbox(connection);
	return true;
}

/* SIZE bytes of REPLY into the outbox; not yet published. */
void
connection_fill_outbox(
    struct connection *connection, const uint8_t *reply, size_t size)
{
	struct lane *lane = connection->lane;
	bool large = size > TABLE_OUTBOX_BYTES;

	if (large)
		lane->large_owner = connection;
	memcpy(
	    table_outbox(lane->table, lane->number, connection->record, large),
	    reply, size);
	connection->view.outbox_bytes = (uint32_t)size;
	connection->view.outbox_large = large;
	connection->view.out_done = connection->link.written;
	connection->outbox_sent = 0;
	connection->link.outbox = true;
	connection->link.progress_us = loop_now_us(lane->loop);
}

void
connection_say_bye(struct session *session)
{
	struct connection *connection = connection_of(session);
	uint8_t frames[SESSION_BYE_MAX];
	size_t size;
	bool gone = false;

	if (session->cold.transport == TABLE_UDP) {
		session_bye_udp(session);
		return;
	}
	/* The connection wakes its sessions when it is free again. */
	if (connection->link.outbox || connection->link.writer != NULL)
		return;
	size = session_bye_frames(session, frames);
	if (size == 0)
		return;
	connection_fill_outbox(
	    connection, frames, MIN_OF(size, TABLE_OUTBOX_BYTES));
	connection_publish_with(
	    connection, (struct table_change){
			    TABLE_SESSION, session->record, &session->hot });
	(void)connection_write_outbox(connection, &gone);
}
