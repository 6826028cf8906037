/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The input side of a connection: requests are peeked, answered one after the
 * other and only then taken from the socket.  What a request means is the
 * methods' business.
 */
#include "server/connection.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "server/blame.h"
#include "server/connection_parts.h"
#include "server/methods.h"
#include "server/play.h"

/* Requests answered in one go, before others get their turn. */
#define REQUESTS_PER_TURN 16
/* Interleaved frames of a client that are worth reading: RTCP. */
#define FRAME_READ_MAX 2048
/* How long who holds the lane's large outbox may take nothing of it. */
#define LARGE_STALL_US US_PER_SECOND

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

void
connection_wait_for(struct connection *connection)
{
	connection->waiting = true;
	connection->waiting_since_us = loop_now_us(connection->lane->loop);
}

void
connection_wait_over(struct waiter *waiter)
{
	struct connection *connection =
	    CONTAINER_OF(waiter, struct connection, waiter);

	connection->waiting = false;
	connection_process(connection);
}

static void
try_again(void *context, uint64_t now_us)
{
	(void)now_us;
	connection_process(context);
}

/* Ask again in the next tick. */
void
connection_retry_later(struct connection *connection)
{
	struct lane *lane = connection->lane;

	loop_timer_set(lane->loop, &connection->timer,
	    loop_now_us(lane->loop) + LOOP_TICK_US, try_again, connection);
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

	connection_write_view(connection);
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
	connection_fill_outbox(
	    connection, exchange->reply.data, exchange->reply.at);
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
		.elsewhere = TABLE_NONE,
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
	connection_retry_later(connection);
	return true;
}

void
connection_refuse_request(struct connection *connection,
    const struct rtsp_message *request, unsigned status)
{
	struct exchange exchange = exchange_for(connection, request);

	(void)exchange_refuse(&exchange, status);
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
		if (exchange.joins != NULL)
			return connection_join(
			    connection, request, exchange.joins);
		if (exchange.elsewhere != TABLE_NONE)
			return connection_hand_over(
			    connection, request, exchange.elsewhere);
		connection_wait_for(connection);
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

struct session *
connection_session_of_channel(
    const struct connection *connection, unsigned channel)
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
	session = connection_session_of_channel(connection, frame.channel);
	if (frame.length <= FRAME_READ_MAX && session != NULL) {
		if (size < RTSP_FRAME_HEAD + (size_t)frame.length)
			return false;
		if (rtcp_parse(data + RTSP_FRAME_HEAD, frame.length, &summary))
			session_report(session, &summary);
	}
	connection->partial = false;
	connection->view.in_done += RTSP_FRAME_HEAD + (uint64_t)frame.length;
	connection_publish(connection);
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
		connection_refuse_request(connection, &request, request.status);
		return true;
	case RTSP_DONE:
		break;
	}
	if (body_is_too_large(&request)) { /* a reply's has no limit else */
		connection_refuse_request(connection, &request, request.status);
		return true;
	}
	if (request.is_reply) { /* to nothing that we asked */
		connection->view.in_done +=
		    request.head_length + request.content_length;
		connection_publish(connection);
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
 * Sequence numbers may have been sent that no record tells of.  They are,
 * before a request gives those that follow to other packets: in this turn, not
 * when it is their time.
 */
static bool
resends(const struct connection *connection)
{
	bool any = false;

	for (unsigned i = 0; i < connection->session_count; i++) {
		struct session *session = connection->sessions[i];

		any |= session->resends;
		if (session->resends && loop_timer_is_set(&session->timer))
			session_set_due(session);
	}
	return any;
}

/* Is there something that must be done before the next request? */
static bool
is_busy(struct connection *connection, bool *gone)
{
	if (connection->phase == CONNECTION_ADOPTED &&
	    (connection->waiting ||
		!connection_finish_adoption(connection, gone)))
		return true;
	if (connection->link.outbox &&
	    !connection_write_outbox(connection, gone))
		return true;
	if (!consume(connection, gone))
		return true;
	if (connection->phase == CONNECTION_LAST_REPLY)
		connection_begin_lingering(connection);
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
void
connection_process(struct connection *connection)
{
	struct lane *lane = connection->lane;
	uint32_t record = connection->record;
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
		if (resends(connection)) {
			stall(connection);
			return;
		}
		connection->partial = false;
		went_on = take_message(connection, lane->input, (size_t)peeked);
		blame_nobody(lane);
		if (!went_on) {
			if (lane->connections[record] == NULL)
				return; /* another lane's now */
			if (connection->partial && connection->input_ended)
				connection_close(
				    connection, SESSION_CONNECTION_CLOSED);
			return;
		}
	}
	/* More may be there already: go on in the next turn. */
	loop_timer_set(lane->loop, &connection->timer, loop_now_us(lane->loop),
	    try_again, connection);
}

void
connection_ready(void *context, uint32_t events)
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
		connection_wake_sessions(connection);
	}
	connection_process(connection);
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
		connection_process(connection);
	}
}
