/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection: accounting of bytes in and out, the outbox, limits of time.
 * What a request means is the methods' business.
 */
#include "server/connection.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/blame.h"
#include "server/fdstore.h"
#include "server/methods.h"
#include "server/play.h"

/* Requests answered in one go, before others get their turn. */
#define REQUESTS_PER_TURN 16
/* Interleaved frames of a client that are worth reading: RTCP. */
#define FRAME_READ_MAX 2048
/* How long who holds the lane's large outbox may take nothing of it. */
#define LARGE_STALL_US US_PER_SECOND
/* How long the master may take nothing when we leave connections to it. */
#define LEAVE_WAIT_MS 1000
/* How long a connection that was answered for the last time may take to end. */
#define LINGER_US (2 * US_PER_SECOND)

enum connection_phase {
	CONNECTION_ADOPTED, /* its titles may not be open yet */
	CONNECTION_OPEN,
	CONNECTION_LAST_REPLY, /* close when the outbox is empty */
	CONNECTION_LINGERING, /* write side shut, input is thrown away */
};

struct connection {
	struct lane *lane;
	uint32_t record;
	struct table_connection view; /* as published */
	int fd;
	enum connection_phase phase;
	struct loop_watch watch;
	struct loop_timer timer;
	struct transport_link link;
	uint64_t consumed; /* input taken from the socket */
	uint32_t outbox_sent; /* of view.outbox_bytes */
	bool waiting; /* the request waits for the disk */
	bool partial; /* the request is not all there */
	bool input_ended; /* the client has shut its side */
	bool stored; /* the master has a duplicate */
	bool stalled; /* in the lane's list: waits for a frame's end */
	struct connection *stalled_next;
	struct waiter waiter;
	struct play_seek *seek;
	uint64_t last_request_us, request_begun_us, linger_us;
	uint64_t waiting_since_us;
	struct session *sessions[TABLE_SESSIONS_PER_CONNECTION];
	unsigned session_count;
};

static void process(struct connection *connection);

static void
write_view(struct connection *connection)
{
	struct table_connection *view = &connection->view;

	view->session_count = connection->session_count;
	for (unsigned i = 0; i < connection->session_count; i++)
		view->sessions[i] = connection->sessions[i]->record;
}

static void
publish(struct connection *connection)
{
	write_view(connection);
	table_publish(connection->lane->table, connection->lane->number,
	    TABLE_CONNECTION, connection->record, &connection->view);
}

/* The connection together with CHANGE of one of its sessions. */
static void
publish_with(struct connection *connection, struct table_change change)
{
	const struct table_change changes[] = {
		{ TABLE_CONNECTION, connection->record, &connection->view },
		change,
	};

	write_view(connection);
	table_publish_all(connection->lane->table, connection->lane->number,
	    changes, ARRAY_LENGTH(changes));
}

struct connection *
connection_of(const struct session *session)
{
	return session->lane->connections[session->cold.connection];
}

/* --- end ------------------------------------------------------------------ */

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

static void
forget(struct connection *connection)
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
connection_close(struct connection *connection, enum session_cause cause)
{
	struct lane *lane = connection->lane;

	while (connection->session_count > 0)
		session_end(
		    connection->sessions[--connection->session_count], cause);
	close_socket(connection);
	table_release(
	    lane->table, lane->number, TABLE_CONNECTION, connection->record);
	table_counter_add(lane->table, lane->number, TABLE_CONNECTIONS, -1);
	forget(connection);
}

void
connection_end_session(struct session *session, enum session_cause cause)
{
	struct connection *connection = connection_of(session);

	if (connection->link.writer == session) {
		connection_close(connection, cause);
		return;
	}
	for (unsigned i = 0; i < connection->session_count; i++)
		if (connection->sessions[i] == session)
			connection->sessions[i] =
			    connection->sessions[--connection->session_count];
	publish_with(connection,
	    (struct table_change){ TABLE_SESSION, session->record, NULL });
	session_free(session, cause);
}

/* A close with unread input would reset the peer and eat the reply. */
static void
begin_lingering(struct connection *connection)
{
	connection->phase = CONNECTION_LINGERING;
	connection->linger_us = loop_now_us(connection->lane->loop) + LINGER_US;
	shutdown(connection->fd, SHUT_WR);
}

/* --- output --------------------------------------------------------------- */

/* Before SESSION's first frame behind another's, or behind none. */
static void
announce_writer(struct transport_link *link, uint32_t session)
{
	struct connection *connection =
	    CONTAINER_OF(link, struct connection, link);

	connection->view.writer = session;
	connection->view.out_done = link->written;
	publish(connection);
}

static void
wake_sessions(struct connection *connection)
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
	connection->view.out_done = connection->link.written;
	connection->view.outbox_bytes = 0;
	connection->view.outbox_large = 0;
	connection->outbox_sent = 0;
	connection->link.outbox = false;
	publish(connection);
	wake_sessions(connection);
}

static void
retry_store(void *context, uint64_t now_us)
{
	(void)now_us;
	process(context);
}

/*
 * A connection is known to the master before the client hears of it.  False:
 * the master is behind, the reply waits.
 */
static bool
store(struct connection *connection)
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
		loop_timer_set(lane->loop, &connection->timer,
		    loop_now_us(lane->loop) + LOOP_TICK_US, retry_store,
		    connection);
		return false;
	}
}

/* False: there is more to write, or the connection is gone (*gone). */
static bool
write_outbox(struct connection *connection, bool *gone)
{
	struct table_connection *view = &connection->view;
	struct lane *lane = connection->lane;
	const uint8_t *outbox = table_outbox(lane->table, lane->number,
	    connection->record, view->outbox_large != 0);
	ssize_t sent;

	if (!store(connection))
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
static void
fill_outbox(struct connection *connection, const uint8_t *reply, size_t size)
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
	fill_outbox(connection, frames, MIN_OF(size, TABLE_OUTBOX_BYTES));
	publish_with(connection, (struct table_change){ TABLE_SESSION,
				     session->record, &session->hot });
	(void)write_outbox(connection, &gone);
}

/* --- input ---------------------------------------------------------------- */

/*
 * What was answered is taken from the socket.  False: not all of it is there
 * yet (a body), or the connection is gone (*gone).
 */
static bool
consume(struct connection *connection, bool *gone)
{
	while (connection->consumed < connection->view.in_done) {
		uint64_t left = connection->view.in_done - connection->consumed;
		/* MSG_TRUNC: thrown away in the kernel. */
		ssize_t taken = recv(connection->fd, NULL,
		    (size_t)MIN_OF(left, UINT64_C(1) << 20),
		    MSG_TRUNC | MSG_DONTWAIT);

		if (taken == -1 && errno == EAGAIN)
			return false;
		if (taken <= 0) {
			connection_close(connection, SESSION_CONNECTION_CLOSED);
			*gone = true;
			return false;
		}
		connection->consumed += (uint64_t)taken;
	}
	return true;
}

static void
discard_input(struct connection *connection)
{
	ssize_t taken;

	do
		taken = recv(
		    connection->fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
	while (taken > 0);
	if (taken == 0 || errno != EAGAIN)
		connection_close(connection, SESSION_CONNECTION_CLOSED);
}

static void
wait_over(struct waiter *waiter)
{
	struct connection *connection =
	    CONTAINER_OF(waiter, struct connection, waiter);

	connection->waiting = false;
	process(connection);
}

static void
log_request(const struct connection *connection,
    const struct rtsp_message *request, unsigned status)
{
	char peer[SOCK_TEXT_MAX];

	if (log_get_level() < LOG_LEVEL_DEBUG)
		return;
	log_debug("rtsp", "request peer=%s method=%s url=%s status=%u",
	    sock_address_text(&connection->view.peer, true, peer),
	    LOG_TEXT(request->method_text.at, request->method_text.length),
	    LOG_TEXT(request->url.at, request->url.length), status);
}

/* A reply, its effect and the end of its request are one. */
static void
publish_reply(struct connection *connection, const struct exchange *exchange)
{
	struct table_change changes[TABLE_CHANGES_MAX];
	unsigned count = 0;

	write_view(connection);
	changes[count++] = (struct table_change){ TABLE_CONNECTION,
		connection->record, &connection->view };
	for (unsigned i = 0; i < connection->session_count; i++) {
		struct session *session = connection->sessions[i];

		session_hear(session);
		changes[count++] = (struct table_change){ TABLE_SESSION,
			session->record, &session->hot };
	}
	if (exchange->changed != NULL)
		changes[count++] = (struct table_change){ TABLE_SESSION_COLD,
			exchange->changed->record, &exchange->changed->cold };
	if (exchange->ended != NULL)
		changes[count++] = (struct table_change){ TABLE_SESSION,
			exchange->ended->record, NULL };
	table_publish_all(
	    connection->lane->table, connection->lane->number, changes, count);
}

/* The reply is complete: it is published with its effect, then written. */
static void
reply(struct connection *connection, struct exchange *exchange,
    uint64_t input_bytes)
{
	struct lane *lane = connection->lane;

	log_request(connection, exchange->request, exchange->status);
	fill_outbox(connection, exchange->reply.data, exchange->reply.at);
	connection->view.in_done += input_bytes;
	connection->view.last = connection->phase == CONNECTION_LAST_REPLY;
	connection->view.blame = 0;
	connection->last_request_us = loop_now_us(lane->loop);
	connection->request_begun_us = 0;
	publish_reply(connection, exchange);
	if (exchange->ended != NULL)
		session_free(exchange->ended, SESSION_TEARDOWN);
	table_counter_add(lane->table, lane->number, TABLE_REQUESTS, 1);
}

static struct exchange
exchange_for(struct connection *connection, const struct rtsp_message *request)
{
	struct lane *lane = connection->lane;

	return (struct exchange){
		.lane = lane,
		.request = request,
		.connection = connection->record,
		.peer = &connection->view.peer,
		.local = &connection->view.local,
		.link = &connection->link,
		.sessions = connection->sessions,
		.session_count = &connection->session_count,
		.waiter = &connection->waiter,
		.seek = &connection->seek,
		.reply = bytes_writer(lane->reply, TABLE_LARGE_OUTBOX_BYTES),
	};
}

/*
 * A large reply while another is being written: again in the next tick.  There
 * is one large outbox: who doesn't read loses it to who waits.
 */
static bool
large_outbox_is_taken(struct connection *connection, size_t size)
{
	struct lane *lane = connection->lane;
	struct connection *owner = lane->large_owner;
	uint64_t now_us = loop_now_us(lane->loop);

	if (size <= TABLE_OUTBOX_BYTES || owner == NULL)
		return false;
	if (now_us - owner->link.progress_us > LARGE_STALL_US) {
		connection_close(owner, SESSION_TOO_SLOW);
		return false;
	}
	loop_timer_set(lane->loop, &connection->timer, now_us + LOOP_TICK_US,
	    retry_store, connection);
	return true;
}

static void
refuse_request(
    struct connection *connection, const struct rtsp_message *request)
{
	struct exchange exchange = exchange_for(connection, request);

	(void)exchange_refuse(&exchange, request->status);
	if (request->head_length == 0)
		connection->phase = CONNECTION_LAST_REPLY;
	reply(connection, &exchange,
	    request->head_length + request->content_length);
}

/* False: it waits. */
static bool
answer_request(
    struct connection *connection, const struct rtsp_message *request)
{
	struct exchange exchange = exchange_for(connection, request);
	struct lane *lane = connection->lane;
	uint64_t began_us = clock_monotonic_us();

	if (!methods_answer(&exchange)) {
		connection->waiting = true;
		connection->waiting_since_us = loop_now_us(lane->loop);
		return false;
	}
	play_seek_abandon(connection->seek);
	connection->seek = NULL;
	if (large_outbox_is_taken(connection, exchange.reply.at))
		return false;
	if (rtsp_text_is_nocase(request->header[RTSP_CONNECTION], "close"))
		connection->phase = CONNECTION_LAST_REPLY;
	reply(connection, &exchange,
	    request->head_length + request->content_length);
	table_histogram_add(lane->table, lane->number, TABLE_REQUEST_DURATION,
	    clock_monotonic_us() - began_us);
	return true;
}

static struct session *
session_of_channel(const struct connection *connection, unsigned channel)
{
	for (unsigned i = 0; i < connection->session_count; i++)
		if (session_uses_channel(connection->sessions[i], channel))
			return connection->sessions[i];
	return NULL;
}

/*
 * A frame from the client: RTCP, or nothing for us (wire reference 2).  False:
 * it is not all there yet.
 */
static bool
take_frame(struct connection *connection, const uint8_t *data, size_t size)
{
	struct rtcp_summary summary;
	struct rtsp_frame frame;
	struct session *session;

	connection->partial = true;
	if (rtsp_parse_frame(data, size, &frame) == RTSP_MORE)
		return false;
	session = session_of_channel(connection, frame.channel);
	if (frame.length <= FRAME_READ_MAX && session != NULL) {
		if (size < RTSP_FRAME_HEAD + (size_t)frame.length)
			return false;
		if (rtcp_parse(data + RTSP_FRAME_HEAD, frame.length, &summary))
			session_report(session, &summary);
	}
	connection->partial = false;
	connection->view.in_done += RTSP_FRAME_HEAD + (uint64_t)frame.length;
	publish(connection);
	return true;
}

static bool
body_is_too_large(struct rtsp_message *request)
{
	if (request->content_length <= RTSP_BODY_MAX)
		return false;
	request->status = RTSP_ENTITY_TOO_LARGE;
	request->head_length = 0; /* the connection cannot go on */
	request->content_length = 0;
	return true;
}

/* False: wait for more input, the disk, or the master. */
static bool
take_message(struct connection *connection, const uint8_t *data, size_t size)
{
	struct rtsp_message request;

	blame_mark(connection->lane, connection->record, TABLE_NONE);
	switch (rtsp_parse(data, size, &request)) {
	case RTSP_MORE:
		connection->partial = true;
		if (connection->request_begun_us == 0)
			connection->request_begun_us =
			    loop_now_us(connection->lane->loop);
		return false;
	case RTSP_FRAME:
		return take_frame(connection, data, size);
	case RTSP_BAD:
		(void)body_is_too_large(&request);
		refuse_request(connection, &request);
		return true;
	case RTSP_DONE:
		break;
	}
	if (body_is_too_large(&request)) { /* a reply's has no limit else */
		refuse_request(connection, &request);
		return true;
	}
	if (request.is_reply) { /* to nothing that we asked */
		connection->view.in_done +=
		    request.head_length + request.content_length;
		publish(connection);
		return true;
	}
	return answer_request(connection, &request);
}

static void
stall(struct connection *connection)
{
	if (connection->stalled)
		return;
	connection->stalled = true;
	connection->stalled_next = connection->lane->stalled;
	connection->lane->stalled = connection;
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
			connection->waiting = true;
			connection->waiting_since_us =
			    loop_now_us(connection->lane->loop);
			return false;
		}
		*gone = connection->link.writer == session;
		connection_end_session(session, error == -EBUSY ? SESSION_BLAMED
						: error == -ESTALE
						    ? SESSION_FILE_CHANGED
						    : SESSION_FILE_FAILED);
		if (*gone)
			return false;
	}
	return true;
}

static bool
finish_adoption(struct connection *connection, bool *gone)
{
	if (!titles_are_open(connection, gone))
		return false;
	connection->phase =
	    connection->view.last ? CONNECTION_LAST_REPLY : CONNECTION_OPEN;
	for (unsigned i = 0; i < connection->session_count; i++)
		session_go_on(connection->sessions[i]);
	return true;
}

/* Is there something that must be done before the next request? */
static bool
is_busy(struct connection *connection, bool *gone)
{
	if (connection->phase == CONNECTION_ADOPTED &&
	    (connection->waiting || !finish_adoption(connection, gone)))
		return true;
	if (connection->link.outbox && !write_outbox(connection, gone))
		return true;
	if (!consume(connection, gone))
		return true;
	if (connection->phase == CONNECTION_LAST_REPLY)
		begin_lingering(connection);
	if (connection->phase == CONNECTION_LINGERING) {
		*gone = true;
		discard_input(connection);
		return true;
	}
	if (connection->link.writer != NULL) {
		stall(connection);
		return true;
	}
	return connection->waiting;
}

/* One request after another, until something has to be waited for. */
static void
process(struct connection *connection)
{
	struct lane *lane = connection->lane;
	bool gone = false, went_on;
	ssize_t peeked;

	for (unsigned i = 0; i < REQUESTS_PER_TURN; i++) {
		if (is_busy(connection, &gone))
			return;
		peeked = recv(connection->fd, lane->input, LANE_INPUT_BYTES,
		    MSG_PEEK | MSG_DONTWAIT);
		if (peeked == -1 && errno == EAGAIN)
			return;
		if (peeked <= 0) {
			connection_close(connection, SESSION_CONNECTION_CLOSED);
			return;
		}
		connection->partial = false;
		went_on = take_message(connection, lane->input, (size_t)peeked);
		blame_nobody(lane);
		if (!went_on) {
			if (connection->partial && connection->input_ended)
				connection_close(
				    connection, SESSION_CONNECTION_CLOSED);
			return;
		}
	}
	/* More may be there already: go on in the next turn. */
	loop_timer_set(lane->loop, &connection->timer, loop_now_us(lane->loop),
	    retry_store, connection);
}

static void
ready(void *context, uint32_t events)
{
	struct connection *connection = context;

	if ((events & EPOLLERR) != 0) {
		connection_close(connection, SESSION_CONNECTION_CLOSED);
		return;
	}
	if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0)
		connection->input_ended = true;
	if ((events & EPOLLOUT) != 0 && connection->link.full) {
		connection->link.full = false;
		wake_sessions(connection);
	}
	process(connection);
}

void
connection_resume_stalled(struct lane *lane)
{
	struct connection *connection;

	lane->resuming = lane->stalled;
	lane->stalled = NULL;
	while ((connection = lane->resuming) != NULL) {
		lane->resuming = connection->stalled_next;
		connection->stalled = false;
		process(connection);
	}
}

/* --- beginning, adoption -------------------------------------------------- */

static struct connection *
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
	connection->link.announce = announce_writer;
	connection->link.progress_us = loop_now_us(lane->loop);
	connection->last_request_us = connection->link.progress_us;
	connection->waiter.ready = wait_over;
	return connection;
}

static int
watch(struct connection *connection)
{
	struct lane *lane = connection->lane;
	int error;

	lane->connections[connection->record] = connection;
	error = loop_add(lane->loop, &connection->watch, connection->fd,
	    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, ready, connection);
	if (error != 0)
		connection_close(connection, SESSION_CONNECTION_CLOSED);
	return error;
}

int
connection_open(struct lane *lane, int fd, const union sock_address *peer,
    const union sock_address *local)
{
	struct connection *connection = NULL;
	uint32_t record;
	int error = -ENOSPC;

	if (!table_reserve(lane->table, lane->number, TABLE_CONNECTIONS, 1,
		config_connections(lane->config)))
		goto fail;
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
	connection->view = (struct table_connection){
		.state = TABLE_USED,
		.cookie = sock_cookie(fd),
		.writer = TABLE_NONE,
		.accepted_us = connection->link.progress_us,
		.peer = *peer,
		.local = *local,
	};
	publish(connection);
	(void)store(connection); /* asked again before it is answered */
	return watch(connection);

fail_reserved:
	table_counter_add(lane->table, lane->number, TABLE_CONNECTIONS, -1);
fail:
	close(fd);
	return error;
}

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

int
connection_adopt(struct lane *lane, uint32_t record, uint64_t cookie, int fd)
{
	struct connection *connection = NULL;
	int error = -ENOENT;

	if (record < lane->connection_slots &&
	    lane->connections[record] == NULL &&
	    (connection = connection_new(lane, record, fd)) != NULL &&
	    table_read(lane->table, lane->number, TABLE_CONNECTION, record,
		&connection->view) &&
	    connection->view.state == TABLE_USED &&
	    connection->view.cookie == cookie && sock_cookie(fd) == cookie)
		error = 0;
	if (error != 0) {
		free(connection);
		shutdown(fd, SHUT_RDWR);
		close(fd);
		return error;
	}
	connection->phase = CONNECTION_ADOPTED;
	connection->stored = true;
	adopt_sessions(connection);
	if ((error = watch(connection)) != 0)
		return error;
	error = connection->view.blame > BLAME_FORGIVEN
		    ? -EBUSY
		    : adopt_bytes(connection);
	if (error != 0)
		connection_close(connection, error == -EBUSY ? SESSION_BLAMED
					     : error == -EPROTO
						 ? SESSION_LOST
						 : SESSION_CONNECTION_CLOSED);
	return error;
}

void
connection_go_on(struct connection *connection)
{
	process(connection);
}

void
connection_leave(struct connection *connection)
{
	struct lane *lane = connection->lane;
	struct pollfd room = { .fd = lane->channel, .events = POLLOUT };

	while (!store(connection) && poll(&room, 1, LEAVE_WAIT_MS) == 1)
		;
	while (connection->session_count > 0)
		session_leave(
		    connection->sessions[--connection->session_count]);
	loop_remove(lane->loop, &connection->watch);
	close(connection->fd); /* the master holds a duplicate */
	forget(connection);
}

/* --- limits of time ------------------------------------------------------- */

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
