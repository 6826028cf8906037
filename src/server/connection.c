/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection: its beginning and end, and its limits of time.
 */
#include "server/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/connection_parts.h"
#include "server/play.h"

/* How long a connection that was answered for the last time may take to end. */
#define LINGER_US (2 * US_PER_SECOND)

void
connection_write_view(struct connection *connection)
{
	struct table_connection *view = &connection->view;

	/* Whoever wrote frames before this has published so; he may end now. */
	if (connection->link.writer == NULL && view->outbox_bytes == 0)
		view->out_done = connection->link.written;
	view->session_count = connection->session_count;
	for (unsigned i = 0; i < connection->session_count; i++)
		view->sessions[i] = connection->sessions[i]->record;
}

void
connection_publish(struct connection *connection)
{
	connection_write_view(connection);
	table_publish(connection->lane->table, connection->lane->number,
	    TABLE_CONNECTION, connection->record, &connection->view);
}

/* The connection together with CHANGE of one of its sessions. */
void
connection_publish_with(
    struct connection *connection, struct table_change change)
{
	const struct table_change changes[] = {
		{ TABLE_CONNECTION, connection->record, &connection->view },
		change,
	};

	connection_write_view(connection);
	table_publish_all(connection->lane->table, connection->lane->number,
	    changes, ARRAY_LENGTH(changes));
}

struct connection *
connection_of(const struct session *session)
{
	return session->lane->connections[session->cold.connection];
}

static bool
leave_list(struct connection **at, const struct connection *connection)
{
	while (*at != NULL && *at != connection)
		at = &(*at)->stalled_next;
	if (*at == NULL)
		return false;
	*at = connection->stalled_next;
	return true;
}

static void
leave_stalled(struct connection *connection)
{
	struct lane *lane = connection->lane;

	if (connection->stalled && !leave_list(&lane->stalled, connection))
		(void)leave_list(&lane->resuming, connection);
	connection->stalled = false;
}

/*
 * close() alone ends nothing while the master holds a duplicate
 * (architecture, section 2).
 */
static void
close_socket(struct connection *connection)
{
	struct lane *lane = connection->lane;

	loop_remove(lane->loop, &connection->watch);
	shutdown(connection->fd, SHUT_RDWR);
	close(connection->fd);
	if (connection->stored)
		lane_tell_dropped(
		    lane, connection->record, connection->view.cookie);
}

void
connection_forget(struct connection *connection)
{
	struct lane *lane = connection->lane;

	loop_timer_clear(lane->loop, &connection->timer);
	waiter_forget(&connection->waiter);
	play_seek_abandon(connection->seek);
	leave_stalled(connection);
	if (lane->large_owner == connection)
		lane->large_owner = NULL;
	lane->connections[connection->record] = NULL;
	free(connection);
}

void
connection_release(struct connection *connection)
{
	struct lane *lane = connection->lane;

	table_release(
	    lane->table, lane->number, TABLE_CONNECTION, connection->record);
	table_counter_add(lane->table, lane->number, TABLE_CONNECTIONS, -1);
	connection_forget(connection);
}

void
connection_close(struct connection *connection, enum session_cause cause)
{
	while (connection->session_count > 0)
		session_end(
		    connection->sessions[--connection->session_count], cause);
	close_socket(connection);
	connection_release(connection);
}

void
connection_remove_session(
    struct connection *connection, const struct session *session)
{
	for (unsigned i = 0; i < connection->session_count; i++)
		if (connection->sessions[i] == session)
			connection->sessions[i] =
			    connection->sessions[--connection->session_count];
}

void
connection_end_session(struct session *session, enum session_cause cause)
{
	struct connection *connection = connection_of(session);

	if (connection->link.writer == session) {
		connection_close(connection, cause);
		return;
	}
	connection_remove_session(connection, session);
	connection_publish_with(connection,
	    (struct table_change){ TABLE_SESSION, session->record, NULL });
	session_free(session, cause);
}

/* A close with unread input would reset the peer and eat the reply. */
void
connection_begin_lingering(struct connection *connection)
{
	connection->phase = CONNECTION_LINGERING;
	connection->linger_us = loop_now_us(connection->lane->loop) + LINGER_US;
	shutdown(connection->fd, SHUT_WR);
}

struct connection *
connection_new(struct lane *lane, uint32_t record, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return NULL;
	connection->lane = lane;
	connection->record = record;
	connection->fd = fd;
	connection->link.fd = fd;
	connection->link.announced = TABLE_NONE;
	connection->link.announce = connection_announce_writer;
	connection->link.progress_us = loop_now_us(lane->loop);
	connection->last_request_us = connection->link.progress_us;
	connection->waiter.ready = connection_wait_over;
	return connection;
}

int
connection_watch(struct connection *connection)
{
	struct lane *lane = connection->lane;

	lane->connections[connection->record] = connection;
	return loop_add(lane->loop, &connection->watch, connection->fd,
	    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection_ready,
	    connection);
}

/* PROGRESS: what went in and out on it before it was ours. */
static int
open_at(struct lane *lane, int fd, const union sock_address *peer,
    const union sock_address *local, struct sock_progress progress)
{
	struct connection *connection = NULL;
	uint32_t record;
	int error;

	if (!table_reserve(lane->table, lane->number, TABLE_CONNECTIONS, 1,
		config_connections(lane->config)))
		return -EUSERS;
	error =
	    table_claim(lane->table, lane->number, TABLE_CONNECTION, &record);
	if (error != 0)
		goto fail_reserved;
	if ((connection = connection_new(lane, record, fd)) == NULL) {
		table_release(
		    lane->table, lane->number, TABLE_CONNECTION, record);
		error = -ENOMEM;
		goto fail_reserved;
	}
	connection->phase = CONNECTION_OPEN;
	connection->consumed = progress.consumed;
	connection->link.written = progress.accepted;
	connection->view = (struct table_connection){
		.state = TABLE_USED,
		.cookie = sock_cookie(fd),
		.in_done = progress.consumed,
		.out_done = progress.accepted,
		.writer = TABLE_NONE,
		.accepted_us = connection->link.progress_us,
		.peer = *peer,
		.local = *local,
	};
	connection_publish(connection);
	if ((error = connection_watch(connection)) != 0) {
		connection_release(connection);
		return error;
	}
	(void)connection_store(
	    connection); /* asked again before it is answered */
	return 0;

fail_reserved:
	table_counter_add(lane->table, lane->number, TABLE_CONNECTIONS, -1);
	return error;
}

int
connection_open(struct lane *lane, int fd, const union sock_address *peer,
    const union sock_address *local)
{
	return open_at(lane, fd, peer, local, (struct sock_progress){ 0 });
}

int
connection_take(struct lane *lane, int fd)
{
	struct sock_progress progress;
	union sock_address peer, local;
	int error = sock_ends(fd, &peer, &local);

	if (error == 0)
		error = sock_progress(fd, &progress);
	if (error == 0)
		error = open_at(lane, fd, &peer, &local, progress);
	if (error == 0)
		return 0;
	shutdown(fd, SHUT_RDWR);
	close(fd);
	return error;
}

/* Nothing more is to come of it, by the limits of time. */
static bool
is_overdue(const struct connection *connection, uint64_t now_us)
{
	const struct config *config = connection->lane->config;
	bool idle = connection->session_count == 0 && !connection->waiting;

	if (connection->phase == CONNECTION_LINGERING)
		return now_us > connection->linger_us;
	if (connection->link.full &&
	    now_us - connection->link.progress_us > config->write_timeout_us)
		return true;
	if (connection->request_begun_us != 0 &&
	    now_us - connection->request_begun_us > config->request_timeout_us)
		return true;
	/* Hardly anybody is left to hear the answer. */
	if (connection->waiting && connection->input_ended &&
	    now_us - connection->waiting_since_us > LINGER_US)
		return true;
	return idle && now_us - connection->last_request_us >
			   config->request_timeout_us;
}

static void
end_silent_sessions(struct connection *connection, uint64_t now_us)
{
	for (unsigned i = connection->session_count; i > 0; i--) {
		struct session *session = connection->sessions[i - 1];

		if (now_us <= session->hot.deadline_us)
			continue;
		if (connection->link.writer == session) {
			connection_close(connection, SESSION_TIMED_OUT);
			return;
		}
		connection_end_session(session, SESSION_TIMED_OUT);
	}
}

void
connection_sweep(struct connection *connection, uint64_t now_us)
{
	if (is_overdue(connection, now_us))
		connection_close(connection, connection->link.full
						 ? SESSION_TOO_SLOW
						 : SESSION_TIMED_OUT);
	else
		end_silent_sessions(connection, now_us);
}
