/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection between two workers: what the one leaves, and how the other
 * finds out where bytes in and out stand (architecture, section 3, Adoption).
 */
#include "server/connection.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/blame.h"
#include "server/connection_parts.h"

/* Of a request that is blamed: what is logged, and how much on a line. */
#define REPRODUCED_BYTES 2048
#define LOGGED_PIECE 60
/* How long the master may take nothing when we leave connections to it. */
#define LEAVE_WAIT_MS 1000

static void
adopt_sessions(struct connection *connection)
{
	const struct table_connection *view = &connection->view;
	uint32_t count =
	    MIN_OF(view->session_count, TABLE_SESSIONS_PER_CONNECTION);

	for (uint32_t i = 0; i < count; i++) {
		struct session *session = session_adopt(connection->lane,
		    view->sessions[i], connection->record, &connection->link);

		if (session != NULL)
			connection->sessions[connection->session_count++] =
			    session;
	}
}

/* A reply stood in the outbox; part of it may have been written. */
static int
adopt_reply(struct connection *connection, uint64_t behind)
{
	struct table_connection *view = &connection->view;

	if (behind > view->outbox_bytes ||
	    view->outbox_bytes > (view->outbox_large != 0
					 ? TABLE_LARGE_OUTBOX_BYTES
					 : TABLE_OUTBOX_BYTES))
		return -EPROTO;
	connection->outbox_sent = (uint32_t)behind;
	connection->link.outbox = true;
	if (view->outbox_large != 0)
		connection->lane->large_owner = connection;
	return 0;
}

/*
 * Frames may follow the boundary: all are the announced writer's, from where
 * its record says; what the socket took of them is skipped by the sender.
 */
static int
adopt_frames(struct connection *connection, uint64_t accepted)
{
	struct table_connection *view = &connection->view;
	uint64_t from = view->out_done;
	struct session *writer = NULL;

	for (unsigned i = 0; i < connection->session_count; i++)
		if (connection->sessions[i]->record == view->writer &&
		    connection->sessions[i]->cold.transport == TABLE_TCP)
			writer = connection->sessions[i];
	if (writer != NULL)
		from = MAX_OF(from, writer->hot.out_done);
	if (accepted < from || (accepted > from && writer == NULL))
		return -EPROTO;
	if (writer != NULL)
		writer->hot.out_done = from;
	if (accepted > from)
		connection->link.writer = writer;
	return 0;
}

/* Where bytes in and out stand (architecture, section 3, Adoption). */
static int
adopt_bytes(struct connection *connection)
{
	struct table_connection *view = &connection->view;
	struct sock_progress progress;
	int error = sock_progress(connection->fd, &progress);

	if (error != 0)
		return error;
	/* Behind the last reply input is thrown away. */
	if (progress.accepted < view->out_done ||
	    (progress.consumed > view->in_done && view->last == 0))
		return -EPROTO;
	connection->consumed = progress.consumed;
	connection->link.written = progress.accepted;
	connection->link.announced = view->writer;
	return view->outbox_bytes != 0
		   ? adopt_reply(connection, progress.accepted - view->out_done)
		   : adopt_frames(connection, progress.accepted);
}

static enum session_cause
cause_of(int error, enum session_cause otherwise)
{
	switch (error) {
	case -EBUSY:
		return SESSION_BLAMED;
	case -EPROTO:
		return SESSION_LOST;
	case -ESTALE:
		return SESSION_FILE_CHANGED;
	default:
		return otherwise;
	}
}

/* What it takes to see a worker die again; escaped, a piece a line. */
static void
log_request(const struct connection *connection)
{
	uint8_t text[REPRODUCED_BYTES];
	ssize_t size =
	    recv(connection->fd, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT);

	for (ssize_t at = 0; at < size; at += LOGGED_PIECE)
		log_error("blame", "record=%" PRIu32 " request[%zd]=\"%s\"",
		    connection->record, at,
		    LOG_TEXT(
			text + at, (size_t)MIN_OF(size - at, LOGGED_PIECE)));
}

/* RECORD as FD's connection, not in the loop yet; NULL: it is not. */
static struct connection *
read_connection(struct lane *lane, uint32_t record, uint64_t cookie, int fd)
{
	struct connection *connection;

	if (record >= lane->connection_slots ||
	    lane->connections[record] != NULL ||
	    (connection = connection_new(lane, record, fd)) == NULL)
		return NULL;
	if (table_read(lane->table, lane->number, TABLE_CONNECTION, record,
		&connection->view) &&
	    connection->view.state == TABLE_USED &&
	    connection->view.cookie == cookie && sock_cookie(fd) == cookie)
		return connection;
	free(connection);
	return NULL;
}

int
connection_adopt(struct lane *lane, uint32_t record, uint64_t cookie, int fd)
{
	struct connection *connection =
	    read_connection(lane, record, cookie, fd);
	int error;

	if (connection == NULL) {
		shutdown(fd, SHUT_RDWR);
		close(fd);
		return -ENOENT;
	}
	connection->phase = CONNECTION_ADOPTED;
	connection->stored = true;
	adopt_sessions(connection);
	error = connection_watch(connection);
	if (connection->view.blame > 0)
		log_request(connection);
	if (error == 0)
		error = connection->view.blame > BLAME_FORGIVEN
			    ? -EBUSY
			    : adopt_bytes(connection);
	if (error != 0)
		connection_close(
		    connection, cause_of(error, SESSION_CONNECTION_CLOSED));
	return error;
}

/*
 * The titles of an adopted connection's sessions; one that cannot be served any
 * more ends its session.  False: one is being opened, or the connection is gone
 * (*gone).
 */
static bool
titles_are_open(struct connection *connection, bool *gone)
{
	for (unsigned i = connection->session_count; i > 0; i--) {
		struct session *session = connection->sessions[i - 1];
		int error = titles_ready(session->title, &connection->waiter);

		if (error == 0)
			continue;
		if (error == -EINPROGRESS) {
			connection_wait_for(connection);
			return false;
		}
		if (error == -EBUSY)
			log_error("blame",
			    "record=%" PRIu32 " packet=%" PRIu32
			    " item=%" PRIu32,
			    session->record, session->hot.packet,
			    session->hot.item);
		*gone = connection->link.writer == session;
		connection_end_session(
		    session, cause_of(error, SESSION_FILE_FAILED));
		if (*gone)
			return false;
	}
	return true;
}

bool
connection_finish_adoption(struct connection *connection, bool *gone)
{
	if (!titles_are_open(connection, gone))
		return false;
	connection->phase =
	    connection->view.last ? CONNECTION_LAST_REPLY : CONNECTION_OPEN;
	for (unsigned i = 0; i < connection->session_count; i++)
		session_go_on(connection->sessions[i]);
	return true;
}

void
connection_go_on(struct connection *connection)
{
	connection_process(connection);
}

void
connection_leave(struct connection *connection)
{
	struct lane *lane = connection->lane;
	struct pollfd room = { .fd = lane->channel, .events = POLLOUT };

	while (
	    !connection_store(connection) && poll(&room, 1, LEAVE_WAIT_MS) == 1)
		;
	while (connection->session_count > 0)
		session_leave(
		    connection->sessions[--connection->session_count]);
	loop_remove(lane->loop, &connection->watch);
	close(connection->fd); /* the master holds a duplicate */
	connection_forget(connection);
}
