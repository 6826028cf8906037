/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that name a session of another connection, with the right to it: the
 * session comes here, or the connection goes to its lane.
 */
#include "server/connection.h"

#include <errno.h>
#include <unistd.h>

#include "server/connection_parts.h"
#include "server/fdstore.h"

static bool
has_room_for(const struct connection *connection, const struct session *session)
{
	if (connection->session_count == TABLE_SESSIONS_PER_CONNECTION)
		return false;
	if (session->cold.transport == TABLE_UDP)
		return true;
	for (unsigned channel = 0; channel <= UINT8_MAX; channel++)
		if (session_uses_channel(session, channel) &&
		    connection_session_of_channel(connection, channel) != NULL)
			return false;
	return true;
}

static void
move_session(struct session *session, struct connection *to)
{
	struct connection *from = connection_of(session);
	const struct table_change changes[] = {
		{ TABLE_CONNECTION, from->record, &from->view },
		{ TABLE_CONNECTION, to->record, &to->view },
		{ TABLE_SESSION_COLD, session->record, &session->cold },
		{ TABLE_SESSION, session->record, &session->hot },
	};

	connection_remove_session(from, session);
	to->sessions[to->session_count++] = session;
	session->cold.connection = to->record;
	session->link = &to->link;
	if (session->cold.transport == TABLE_TCP)
		session->hot.out_done = to->link.written;
	connection_write_view(from);
	connection_write_view(to);
	table_publish_all(
	    to->lane->table, to->lane->number, changes, ARRAY_LENGTH(changes));
	session_go_on(session); /* it may have waited for the other's socket */
}

/*
 * The request names SESSION of another connection of this lane: it lives on
 * this one from now on.  True: go on; false: wait.
 */
bool
connection_join(struct connection *connection,
    const struct rtsp_message *request, struct session *session)
{
	int error = titles_ready(session->title, &connection->waiter);

	if (error == -EINPROGRESS) {
		connection_wait_for(connection);
		return false;
	}
	if (error != 0 || !has_room_for(connection, session)) {
		connection_refuse_request(connection, request,
		    error != 0 ? RTSP_SESSION_NOT_FOUND
			       : RTSP_AGGREGATE_NOT_ALLOWED);
		return true;
	}
	/* Frames end on the connection on which they began. */
	if (connection_of(session)->link.writer == session) {
		connection_retry_later(connection);
		return false;
	}
	move_session(session, connection);
	return true;
}

/*
 * The request names a session of lane TO: the connection goes there, unless it
 * carries sessions of its own.  True: it was refused; false: it is gone, or the
 * master has to be waited for.
 */
bool
connection_hand_over(struct connection *connection,
    const struct rtsp_message *request, uint32_t to)
{
	struct lane *lane = connection->lane;
	const struct fdstore_message message = {
		.kind = FDSTORE_MOVE,
		.connection = connection->record,
		.cookie = connection->view.cookie,
		.lane = to,
	};

	if (connection->session_count > 0 || lane->orphan) {
		connection_refuse_request(connection, request,
		    lane->orphan ? RTSP_SERVICE_UNAVAILABLE
				 : RTSP_AGGREGATE_NOT_ALLOWED);
		return true;
	}
	if (!connection_store(connection))
		return false;
	if (!connection->stored ||
	    fdstore_send(lane->channel, &message, -1) != 0) {
		connection_retry_later(connection);
		return false;
	}
	loop_remove(lane->loop, &connection->watch);
	close(connection->fd); /* what it has not answered is still in there */
	connection_release(connection);
	return false;
}
