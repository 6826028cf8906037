/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SETUP.  A session begins when its first stream is set up, and not before
 * everything about that stream is known to be right.
 */
#include "server/setup.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

/* Ports below are not for media (RFC 6335: system ports). */
#define LEAST_CLIENT_PORT 1024

/* 453 and 503 in words that a player can show. */
static bool
refuse_full(struct exchange *exchange, const struct exchange_found *found,
    bool retry, const char *phrase)
{
	struct lane *lane = exchange->lane;

	table_counter_add(lane->table, lane->number, TABLE_REFUSED_SESSIONS, 1);
	exchange_log_refused(exchange, "admission", found->url.path, phrase);
	return retry ? exchange_refuse_for_now(exchange, phrase)
		     : exchange_refuse_with(
			   exchange, RTSP_SERVICE_UNAVAILABLE, phrase);
}

/* Sessions of PEER's host, on all lanes. */
static uint64_t
count_sessions_of(const struct lane *lane, const union sock_address *peer)
{
	struct table_info info;
	struct table_session hot;
	struct table_session_cold cold;
	uint64_t count = 0;

	table_info(lane->table, &info);
	for (uint32_t number = 0; number < info.limits.lanes; number++) {
		uint32_t used =
		    table_high_water(lane->table, number, TABLE_SESSION);

		for (uint32_t record = 0; record < used; record++)
			count += table_read(lane->table, number, TABLE_SESSION,
				     record, &hot) &&
				 hot.state == TABLE_USED &&
				 table_read(lane->table, number,
				     TABLE_SESSION_COLD, record, &cold) &&
				 sock_address_same_host(&cold.peer, peer);
	}
	return count;
}

static bool
address_is_full(const struct exchange *exchange)
{
	uint64_t limit = exchange->lane->config->max_sessions_per_address;

	return limit != 0 &&
	       count_sessions_of(exchange->lane, exchange->peer) >= limit;
}

/*
 * A new session on this connection.  False: refused, and answered.
 */
static bool
begin_session(struct exchange *exchange, struct exchange_found *found)
{
	static const char too_many_viewers[] =
	    "Too many viewers, please try again later";
	struct lane *lane = exchange->lane;
	int error;

	if (lane->draining)
		return !refuse_full(exchange, found, true,
		    "This server is being taken out of service");
	if (address_is_full(exchange))
		return !refuse_full(
		    exchange, found, false, "Too many streams to your address");
	if (*exchange->session_count == TABLE_SESSIONS_PER_CONNECTION)
		return !refuse_full(exchange, found, false,
		    "Too many sessions on this connection");
	if (!table_reserve(lane->table, lane->number, TABLE_SESSIONS, 1,
		lane->config->max_sessions))
		return !refuse_full(exchange, found, true, too_many_viewers);
	error = session_new(lane, found->title, exchange->connection,
	    exchange->link, exchange->peer, exchange->local,
	    exchange->request->header[RTSP_USER_AGENT], &found->session);
	if (error != 0) {
		table_counter_add(
		    lane->table, lane->number, TABLE_SESSIONS, -1);
		if (error == -EUSERS)
			return !refuse_full(
			    exchange, found, true, too_many_viewers);
		log_shortage("admission", "no memory for a session: %s",
		    strerror(-error));
		return !refuse_full(exchange, found, true, EXCHANGE_SHORTAGE);
	}
	exchange->sessions[(*exchange->session_count)++] = found->session;
	return true;
}

void
setup_forget(struct exchange *exchange, struct session *session)
{
	for (unsigned i = 0; i < *exchange->session_count; i++)
		if (exchange->sessions[i] == session)
			exchange->sessions[i] =
			    exchange->sessions[--*exchange->session_count];
}

static bool
channel_is_free(const struct exchange *exchange, unsigned channel,
    const struct session *but)
{
	for (unsigned i = 0; i < *exchange->session_count; i++)
		if (exchange->sessions[i] != but &&
		    session_uses_channel(exchange->sessions[i], channel))
			return false;
	return true;
}

/* The client named none: the first two that nobody uses. */
static bool
choose_channels(
    const struct exchange *exchange, struct rtsp_transport *transport)
{
	for (unsigned channel = 0; channel < 254; channel += 2) {
		if (!channel_is_free(exchange, channel, NULL) ||
		    !channel_is_free(exchange, channel + 1, NULL))
			continue;
		transport->has_interleaved = true;
		transport->interleaved[0] = (uint8_t)channel;
		transport->interleaved[1] = (uint8_t)(channel + 1);
		return true;
	}
	return false;
}

/*
 * What the client asked for, checked against what we have.  0, or the status.
 */
static unsigned
find_transport(const struct exchange *exchange,
    const struct exchange_found *found, struct rtsp_transport *transport)
{
	const struct lane *lane = exchange->lane;
	struct rtsp_text header = exchange->request->header[RTSP_TRANSPORT];
	bool udp = lane->config->udp &&
		   lane_pair(lane, exchange->peer->family) != NULL;
	bool malformed = false;

	if (header.at == NULL)
		return RTSP_BAD_REQUEST;
	if (!rtsp_parse_transport(
		header, udp, lane->config->tcp, transport, &malformed))
		return malformed ? RTSP_BAD_REQUEST
				 : RTSP_UNSUPPORTED_TRANSPORT;
	if (transport->kind == RTSP_TRANSPORT_UDP)
		return transport->has_client_port &&
			       transport->client_port[0] >= LEAST_CLIENT_PORT
			   ? 0
			   : RTSP_UNSUPPORTED_TRANSPORT;
	if (!transport->has_interleaved &&
	    !choose_channels(exchange, transport))
		return RTSP_UNSUPPORTED_TRANSPORT;
	for (unsigned i = 0; i < 2; i++)
		if (!channel_is_free(
			exchange, transport->interleaved[i], found->session))
			return RTSP_UNSUPPORTED_TRANSPORT;
	return 0;
}

static struct table_destination
destination_of(const struct rtsp_transport *transport)
{
	if (transport->kind == RTSP_TRANSPORT_TCP)
		return (struct table_destination){ transport->interleaved[0],
			transport->interleaved[1] };
	return (struct table_destination){ transport->client_port[0],
		transport->client_port[1] };
}

static bool
is_fresh(const struct session *session)
{
	return session_stream_count(session) == 0 && !session->cold.has_rtx;
}

/* One m= line each: audio and video streams, and the retransmission. */
static unsigned
count_media_lines(const struct title *title)
{
	const struct asf_header *header = title_header(title);

	return header->audio_count + header->video_count + 1;
}

/* The stream goes there from now on.  0, or the status. */
static unsigned
set_up(struct exchange *exchange, struct exchange_found *found,
    const struct rtsp_transport *transport)
{
	struct session *session = found->session;
	struct table_session_cold *cold = &session->cold;
	const struct config *config = exchange->lane->config;
	uint32_t kind =
	    transport->kind == RTSP_TRANSPORT_TCP ? TABLE_TCP : TABLE_UDP;
	unsigned lines, said;

	if (!is_fresh(session) && cold->transport != kind)
		return RTSP_UNSUPPORTED_TRANSPORT;
	cold->transport = kind;
	cold->payload_limit =
	    (uint32_t)(cold->peer.family == AF_INET
			   ? config->payload_limit_bytes
			   : config->payload_limit_ipv6_bytes);
	if (found->stream == EXCHANGE_RETRANSMISSION)
		session_set_rtx(session, destination_of(transport));
	else if (session_add_stream(
		     session, found->stream, destination_of(transport)) != 0)
		return RTSP_UNSUPPORTED_TRANSPORT;
	lines = count_media_lines(titles_title(found->title));
	said = session->hot.flow_count + cold->has_rtx;
	cold->bye_extra = lines > said ? lines - said : 0;
	return 0;
}

static void
put_transport(struct exchange *exchange, const struct exchange_found *found,
    struct rtsp_transport *transport)
{
	const struct session *session = found->session;
	const struct sock_pair *pair;
	int flow = session_flow(session, found->stream);

	transport->has_ssrc = true;
	transport->ssrc = session->hot.flows[flow == -1 ? 0 : flow].ssrc;
	transport->mode_play = true;
	if (transport->kind == RTSP_TRANSPORT_UDP) {
		pair = lane_pair(exchange->lane, session->cold.peer.family);
		transport->has_server_port = true;
		transport->server_port[0] = pair->port;
		transport->server_port[1] = (uint16_t)(pair->port + 1);
	}
	bytes_put_text(&exchange->reply, "Transport: ");
	rtsp_format_transport(&exchange->reply, transport);
	bytes_put_text(&exchange->reply, "\r\n");
}

static bool
stream_is_there(const struct exchange_found *found)
{
	const struct asf_header *header;

	if (found->stream == EXCHANGE_RETRANSMISSION)
		return true;
	header = title_header(titles_title(found->title));
	return header->streams[found->stream].there &&
	       (header->streams[found->stream].kind == ASF_AUDIO ||
		   header->streams[found->stream].kind == ASF_VIDEO);
}

/* Everything that can be refused before a session is begun.  0, or the status.
 */
static unsigned
check_setup(const struct exchange *exchange, const struct exchange_found *found,
    struct rtsp_transport *transport)
{
	if (!found->names_stream)
		return RTSP_AGGREGATE_NOT_ALLOWED;
	if (!stream_is_there(found))
		return RTSP_NOT_FOUND;
	if (found->session != NULL) {
		if (strcmp(titles_path(found->session->title),
			found->url.path) != 0)
			return RTSP_AGGREGATE_NOT_ALLOWED;
		if (session_next_state(found->session, RTSP_SETUP) == -1)
			return RTSP_NOT_VALID_IN_STATE;
	}
	return find_transport(exchange, found, transport);
}

bool
setup_answer(struct exchange *exchange, struct exchange_found *found)
{
	struct rtsp_transport transport;
	bool fresh = found->session == NULL;
	unsigned status = check_setup(exchange, found, &transport);
	int next;

	if (status != 0)
		return exchange_refuse(exchange, status);
	if (fresh && !begin_session(exchange, found))
		return true;
	next = session_next_state(found->session, RTSP_SETUP);
	if ((status = set_up(exchange, found, &transport)) != 0) {
		if (fresh) {
			setup_forget(exchange, found->session);
			session_end(found->session, SESSION_TEARDOWN);
		}
		return exchange_refuse(exchange, status);
	}
	session_enter(found->session, (enum table_session_state)next);
	exchange->changed = found->session;
	exchange_begin(exchange, RTSP_OK, NULL);
	exchange_put_session(exchange, found->session);
	put_transport(exchange, found, &transport);
	return exchange_end(exchange);
}
