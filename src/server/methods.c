/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The methods.  Each answer checks, does, and formats; it never writes to a
 * socket and never waits: what needs the disk is asked for, and the same
 * request is answered again when it is there.
 */
#include "server/methods.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "wire/sdp.h"

/*
 * Clients play x-asf-pf from servers of this name only (wire reference, 2).
 */
#define SERVER_NAME "WMServer/9.1.1.5001 (vodd/" PACKAGE_VERSION ")"
#define RETRY_AFTER_S 30
#define RETRANSMISSION_STREAM 0 /* "rtx" in a URL; no ASF stream has it */
#define LEAST_SPEED_MILLI 100
/* Ports below are not for media (RFC 6335: system ports). */
#define LEAST_CLIENT_PORT 1024

/* What is known of a request beyond its head, found by `needs`. */
struct found {
	struct rtsp_url url; /* the path without the stream's part */
	bool names_stream;
	unsigned stream; /* RETRANSMISSION_STREAM: rtx */
	struct titles_entry *title;
	struct session *session;
};

/* --- formatting ----------------------------------------------------------- */

static void
begin(struct methods_exchange *exchange, unsigned status, const char *reason)
{
	struct bytes_writer *out = &exchange->reply;

	exchange->status = status;
	out->at = 0;
	out->failed = false;
	rtsp_format_status(out, status, reason);
	rtsp_format_header(out, "Server", "%s", SERVER_NAME);
	if (exchange->request->has_cseq)
		rtsp_format_header(
		    out, "CSeq", "%" PRIu32, exchange->request->cseq);
}

static void
put_session(struct methods_exchange *exchange, const struct session *session)
{
	char id[SESSION_ID_CHARS + 1];

	session_id_text(session, id);
	/* No blank before the parameter: FFmpeg compares the text. */
	rtsp_format_header(&exchange->reply, "Session", "%s;timeout=%" PRIu64,
	    id, exchange->lane->config->session_timeout_us / US_PER_SECOND);
}

static bool
end(struct methods_exchange *exchange)
{
	rtsp_format_end(&exchange->reply);
	return true;
}

static bool
refuse_with(
    struct methods_exchange *exchange, unsigned status, const char *reason)
{
	begin(exchange, status, reason);
	return end(exchange);
}

static bool
refuse(struct methods_exchange *exchange, unsigned status)
{
	return refuse_with(exchange, status, NULL);
}

void
methods_refuse(struct methods_exchange *exchange, unsigned status)
{
	(void)refuse(exchange, status);
}

static void
log_refused(const struct methods_exchange *exchange, const char *area,
    const char *path, const char *reason)
{
	char peer[SOCK_TEXT_MAX];

	log_info(area, "refused peer=%s method=%s title=\"%s\" reason=\"%s\"",
	    sock_address_text(exchange->peer, true, peer),
	    rtsp_method_name(exchange->request->method),
	    LOG_TEXT(path, strlen(path)), reason);
}

/* --- what a request is about ---------------------------------------------- */

/* "a/b.wmv/stream=2" and "a/b.wmv/rtx" name a stream of a/b.wmv. */
static void
split_stream(struct found *found)
{
	char *slash = strrchr(found->url.path, '/');
	struct rtsp_text number;
	uint64_t stream;

	if (slash == NULL)
		return;
	if (strcmp(slash + 1, "rtx") == 0) {
		found->stream = RETRANSMISSION_STREAM;
	} else if (strncmp(slash + 1, "stream=", 7) == 0) {
		number = (struct rtsp_text){ slash + 8, strlen(slash + 8) };
		if (!rtsp_parse_u64(number, &stream) || stream == 0 ||
		    stream >= ASF_STREAMS)
			return;
		found->stream = (unsigned)stream;
	} else {
		return;
	}
	found->names_stream = true;
	*slash = '\0';
}

/* 0: found; otherwise the status to refuse with. */
static unsigned
find_session(struct methods_exchange *exchange, struct found *found)
{
	struct rtsp_text header = exchange->request->header[RTSP_SESSION], id;
	uint32_t timeout_s;

	if (header.at == NULL)
		return 0;
	if (!rtsp_parse_session(header, &id, &timeout_s))
		return RTSP_SESSION_NOT_FOUND;
	found->session = session_find(exchange->lane, id);
	if (found->session == NULL ||
	    found->session->cold.connection != exchange->connection) {
		found->session = NULL;
		return RTSP_SESSION_NOT_FOUND;
	}
	return 0;
}

static unsigned
status_of_error(int error)
{
	switch (error) {
	case -ENOENT:
		return RTSP_NOT_FOUND;
	case -EBADMSG:
		return RTSP_UNSUPPORTED_MEDIA_TYPE;
	case -ENOSPC:
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
		return RTSP_SERVICE_UNAVAILABLE;
	default:
		return RTSP_INTERNAL_ERROR;
	}
}

/* The title of the URL.  False: wait. */
static bool
find_title(
    struct methods_exchange *exchange, struct found *found, unsigned *status)
{
	const char *reason = "";
	int error = titles_get(exchange->lane->titles, found->url.path,
	    exchange->waiter, &found->title, &reason);

	if (error == -EINPROGRESS)
		return false;
	*status = error == 0 ? 0 : status_of_error(error);
	if (error != 0)
		log_refused(exchange, "title", found->url.path, reason);
	return true;
}

/* --- OPTIONS, parameters -------------------------------------------------- */

static void put_public(struct bytes_writer *out, const char *header);

static bool
answer_options(struct methods_exchange *exchange, struct found *found)
{
	begin(exchange, RTSP_OK, NULL);
	put_public(&exchange->reply, "Public");
	if (found->session != NULL)
		put_session(exchange, found->session);
	return end(exchange);
}

/* Without a body it keeps a session alive (RFC 2326 10.8). */
static bool
answer_get_parameter(struct methods_exchange *exchange, struct found *found)
{
	if (exchange->request->content_length > 0)
		return refuse(exchange, RTSP_PARAMETER_NOT_UNDERSTOOD);
	begin(exchange, RTSP_OK, NULL);
	if (found->session != NULL)
		put_session(exchange, found->session);
	return end(exchange);
}

/* Logs of Windows Media Player are taken and not read (wire reference 14). */
static bool
answer_set_parameter(struct methods_exchange *exchange, struct found *found)
{
	static const char known[] = "application/x-wms-";
	struct rtsp_text type = exchange->request->header[RTSP_CONTENT_TYPE];

	if (exchange->request->content_length > 0 &&
	    (type.length < sizeof(known) - 1 ||
		strncasecmp(type.at, known, sizeof(known) - 1) != 0))
		return refuse(exchange, RTSP_PARAMETER_NOT_UNDERSTOOD);
	begin(exchange, RTSP_OK, NULL);
	if (found->session != NULL)
		put_session(exchange, found->session);
	return end(exchange);
}

/* --- DESCRIBE ------------------------------------------------------------- */

static bool
accepts_sdp(struct rtsp_text accept)
{
	static const char *const types[] = { "application/sdp", "application/*",
		"*/*" };

	if (accept.at == NULL)
		return true;
	for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
		if (memmem(accept.at, accept.length, types[i],
			strlen(types[i])) != NULL)
			return true;
	return false;
}

/*
 * The presentation's URL without a slash at its end, as the client wrote it;
 * a bare path gets our address.
 */
static void
base_url(const struct methods_exchange *exchange, const struct found *found,
    char *out, size_t size)
{
	struct rtsp_text url = exchange->request->url;
	struct bytes_writer writer = bytes_writer(out, size - 1);
	char local[SOCK_TEXT_MAX];
	size_t length = 0;

	while (length < url.length && url.at[length] != '?' &&
	       url.at[length] != '#')
		length++;
	while (length > 0 && url.at[length - 1] == '/')
		length--;
	if (found->names_stream)
		while (length > 0 && url.at[--length] != '/')
			;
	if (found->url.host.at == NULL || found->url.host.length == 0) {
		bytes_put_text(&writer, "rtsp://");
		bytes_put_text(
		    &writer, sock_address_text(exchange->local, true, local));
	}
	bytes_put(&writer, url.at, length);
	out[writer.failed ? 0 : writer.at] = '\0';
}

static void
describe_stream(struct sdp_description *sdp, const struct title *title,
    unsigned number, const struct asf_stream *stream)
{
	struct sdp_stream *out;

	if (!stream->there || sdp->stream_count == SDP_STREAMS_MAX ||
	    (stream->kind != ASF_AUDIO && stream->kind != ASF_VIDEO))
		return;
	out = &sdp->streams[sdp->stream_count++];
	out->media = stream->kind == ASF_AUDIO ? SDP_AUDIO : SDP_VIDEO;
	out->number = number;
	out->bit_rate_bps = title_stream_bps(title, number);
	snprintf(out->control, sizeof(out->control), "stream=%u", number);
	sdp->bit_rate_bps += out->bit_rate_bps;
}

static void
describe(const struct methods_exchange *exchange, const struct title *title,
    const char *base, struct sdp_description *sdp)
{
	const struct asf_header *header = title_header(title);
	const struct title_identity *identity = title_identity(title);
	char address[SOCK_TEXT_MAX];

	memset(sdp, 0, sizeof(*sdp));
	sdp->session_id = identity->inode ^ identity->change_time_us;
	snprintf(sdp->title, sizeof(sdp->title), "%s", header->title);
	snprintf(sdp->address, sizeof(sdp->address), "%.63s",
	    sock_address_text(exchange->local, false, address));
	if (strlen(base) + 2 <= sizeof(sdp->control))
		snprintf(sdp->control, sizeof(sdp->control), "%s/", base);
	sdp->packet_bytes = title_packet_bytes(title);
	sdp->has_duration = true;
	sdp->duration_us = title_duration_us(title);
	sdp->asf_header = title_sdp_header(title, &sdp->asf_header_bytes);
	for (unsigned number = 1; number < ASF_STREAMS; number++)
		describe_stream(sdp, title, number, &header->streams[number]);
}

static bool
answer_describe(struct methods_exchange *exchange, struct found *found)
{
	struct bytes_writer *out = &exchange->reply;
	struct sdp_description sdp;
	char base[RTSP_URL_MAX + SOCK_TEXT_MAX + 16];
	uint8_t body[SDP_MAX];
	struct bytes_writer text = bytes_writer(body, sizeof(body));

	if (!accepts_sdp(exchange->request->header[RTSP_ACCEPT]))
		return refuse(exchange, RTSP_NOT_ACCEPTABLE);
	base_url(exchange, found, base, sizeof(base));
	describe(exchange, titles_title(found->title), base, &sdp);
	sdp_format(&text, &sdp);
	if (text.failed)
		return refuse(exchange, RTSP_INTERNAL_ERROR);
	begin(exchange, RTSP_OK, NULL);
	rtsp_format_header(out, "Content-Type", "application/sdp");
	rtsp_format_header(out, "Content-Base", "%s/", base);
	rtsp_format_header(out, "Content-Length", "%zu", text.at);
	rtsp_format_end(out);
	bytes_put(out, body, text.at);
	return true;
}

/* --- SETUP ---------------------------------------------------------------- */

/* 453 and 503 in words that a player can show. */
static bool
refuse_full(struct methods_exchange *exchange, const struct found *found,
    bool retry, const char *phrase)
{
	struct lane *lane = exchange->lane;

	table_counter_add(lane->table, lane->number, TABLE_REFUSED_SESSIONS, 1);
	log_refused(exchange, "admission", found->url.path, phrase);
	begin(exchange, RTSP_SERVICE_UNAVAILABLE, phrase);
	if (retry)
		rtsp_format_header(
		    &exchange->reply, "Retry-After", "%d", RETRY_AFTER_S);
	return end(exchange);
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
address_is_full(const struct methods_exchange *exchange)
{
	uint64_t limit = exchange->lane->config->max_sessions_per_address;

	return limit != 0 &&
	       count_sessions_of(exchange->lane, exchange->peer) >= limit;
}

/*
 * A new session on this connection.  False: refused, and answered.
 */
static bool
begin_session(struct methods_exchange *exchange, struct found *found)
{
	struct lane *lane = exchange->lane;

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
		return !refuse_full(exchange, found, true,
		    "Too many viewers, please try again later");
	if (session_new(lane, found->title, exchange->connection,
		exchange->link, exchange->peer, exchange->local,
		exchange->request->header[RTSP_USER_AGENT],
		&found->session) != 0) {
		table_counter_add(
		    lane->table, lane->number, TABLE_SESSIONS, -1);
		return !refuse_full(exchange, found, true,
		    "Too many viewers, please try again later");
	}
	exchange->sessions[(*exchange->session_count)++] = found->session;
	return true;
}

static void
forget_session(struct methods_exchange *exchange, struct session *session)
{
	for (unsigned i = 0; i < *exchange->session_count; i++)
		if (exchange->sessions[i] == session)
			exchange->sessions[i] =
			    exchange->sessions[--*exchange->session_count];
}

static bool
channel_is_free(const struct methods_exchange *exchange, unsigned channel,
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
    const struct methods_exchange *exchange, struct rtsp_transport *transport)
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
find_transport(const struct methods_exchange *exchange,
    const struct found *found, struct rtsp_transport *transport)
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
set_up(struct methods_exchange *exchange, struct found *found,
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
	if (found->stream == RETRANSMISSION_STREAM)
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
put_transport(struct methods_exchange *exchange, const struct found *found,
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
stream_is_there(const struct found *found)
{
	const struct asf_header *header;

	if (found->stream == RETRANSMISSION_STREAM)
		return true;
	header = title_header(titles_title(found->title));
	return header->streams[found->stream].there &&
	       (header->streams[found->stream].kind == ASF_AUDIO ||
		   header->streams[found->stream].kind == ASF_VIDEO);
}

/* Everything that can be refused before a session is begun.  0, or the status.
 */
static unsigned
check_setup(const struct methods_exchange *exchange, const struct found *found,
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

static bool
answer_setup(struct methods_exchange *exchange, struct found *found)
{
	struct rtsp_transport transport;
	bool fresh = found->session == NULL;
	unsigned status = check_setup(exchange, found, &transport);
	int next;

	if (status != 0)
		return refuse(exchange, status);
	if (fresh && !begin_session(exchange, found))
		return true;
	next = session_next_state(found->session, RTSP_SETUP);
	if ((status = set_up(exchange, found, &transport)) != 0) {
		if (fresh) {
			forget_session(exchange, found->session);
			session_end(found->session, SESSION_TEARDOWN);
		}
		return refuse(exchange, status);
	}
	session_enter(found->session, (enum table_session_state)next);
	exchange->changed = found->session;
	begin(exchange, RTSP_OK, NULL);
	put_session(exchange, found->session);
	put_transport(exchange, found, &transport);
	return end(exchange);
}

/* --- PLAY ----------------------------------------------------------------- */

struct methods_seek {
	struct reader_job job;
	struct waiter *waiters;
	struct titles_entry *title; /* held */
	bool running, abandoned;
	/* Asked. */
	uint64_t start_us, end_us;
	struct asf_set wanted;
	/* Found. */
	int error;
	uint32_t packet, send_ms, end_packet;
	uint64_t reached_us;
};

static void
seek_free(struct methods_seek *seek)
{
	titles_drop(seek->title);
	free(seek);
}

void
methods_seek_abandon(struct methods_seek *seek)
{
	if (seek == NULL)
		return;
	if (seek->running)
		seek->abandoned = true;
	else
		seek_free(seek);
}

static void
seek_work(struct reader_job *job)
{
	struct methods_seek *seek = CONTAINER_OF(job, struct methods_seek, job);
	const struct title *title = titles_title(seek->title);

	seek->error = title_seek(title, seek->start_us, seek->wanted,
	    &seek->packet, &seek->reached_us);
	if (seek->error == 0)
		seek->error =
		    title_send_ms(title, seek->packet, &seek->send_ms);
	if (seek->error == 0)
		seek->error =
		    title_end_packet(title, seek->end_us, &seek->end_packet);
}

static void
seek_done(struct reader_job *job)
{
	struct methods_seek *seek = CONTAINER_OF(job, struct methods_seek, job);

	seek->running = false;
	if (seek->abandoned)
		seek_free(seek);
	else
		waiter_call_all(&seek->waiters);
}

static bool
seek_start(struct methods_exchange *exchange, const struct session *session,
    uint64_t start_us, uint64_t end_us)
{
	struct methods_seek *seek = calloc(1, sizeof(*seek));

	if (seek == NULL)
		return false;
	seek->title = session->title;
	titles_hold(seek->title);
	seek->start_us = start_us;
	seek->end_us = end_us;
	memcpy(seek->wanted.bits, session->cold.setup_streams,
	    sizeof(seek->wanted.bits));
	seek->job.work = seek_work;
	seek->job.done = seek_done;
	seek->running = true;
	waiter_add(&seek->waiters, exchange->waiter);
	*exchange->seek = seek;
	reader_submit(exchange->lane->reader, &seek->job);
	return true;
}

/* Where to begin and end; what PLAY is about. */
struct play {
	bool has_range, goes_on;
	uint64_t start_us, end_us;
	uint32_t speed_milli;
	uint32_t packet, send_ms, end_packet;
};

static unsigned
find_range(const struct methods_exchange *exchange,
    const struct session *session, struct play *play)
{
	struct rtsp_text header = exchange->request->header[RTSP_RANGE];
	uint64_t duration_us = title_duration_us(titles_title(session->title));
	struct rtsp_range range;

	play->end_us = duration_us;
	play->has_range = header.at != NULL;
	if (!play->has_range) {
		/* RFC 2326 10.5: from where PAUSE stopped. */
		play->goes_on = session->hot.end == TABLE_END_NONE;
		return 0;
	}
	if (rtsp_parse_range(header, &range) != RTSP_RANGE_OK)
		return RTSP_INVALID_RANGE;
	if (range.has_end && range.end_us < duration_us)
		play->end_us = range.end_us;
	if (!range.has_start) {
		play->goes_on = true;
		return 0;
	}
	if (range.start_us > duration_us)
		return RTSP_INVALID_RANGE;
	play->start_us = range.start_us;
	return 0;
}

static uint32_t
find_speed(const struct methods_exchange *exchange)
{
	struct rtsp_text header = exchange->request->header[RTSP_SPEED];
	int64_t most = (int64_t)(exchange->lane->config->max_speed * 1000);
	int64_t speed;

	if (header.at == NULL || !rtsp_parse_milli(header, &speed) ||
	    speed <= 0)
		return 1000;
	return (uint32_t)MAX_OF(MIN_OF(speed, most), LEAST_SPEED_MILLI);
}

/*
 * From the search, or from what is known without one.  False: wait.
 */
static bool
find_packets(struct methods_exchange *exchange, struct session *session,
    struct play *play, unsigned *status)
{
	struct methods_seek *seek = *exchange->seek;

	*status = 0;
	if (play->goes_on && !play->has_range) {
		play->packet = session->hot.packet;
		play->send_ms = session->hot.position_ms;
		play->end_packet = session->hot.end_packet;
		play->start_us = (uint64_t)(play->send_ms -
					    titles_first_ms(session->title)) *
				 US_PER_MS;
		return true;
	}
	if (seek == NULL) {
		if (seek_start(exchange, session, play->start_us, play->end_us))
			return false;
		*status = RTSP_SERVICE_UNAVAILABLE;
		return true;
	}
	*exchange->seek = NULL;
	*status = seek->error == 0 ? 0 : RTSP_INTERNAL_ERROR;
	play->packet = seek->packet;
	play->send_ms = seek->send_ms;
	play->end_packet = seek->end_packet;
	play->start_us = seek->reached_us;
	seek_free(seek);
	return true;
}

/* Take or give back bit rate, so that SESSION has what it needs. */
static bool
reserve_rate(struct lane *lane, struct session *session, uint32_t speed_milli)
{
	uint64_t wanted = session_rate_bps(session, speed_milli);
	uint64_t had = session->hot.committed_bps;

	if (wanted > had &&
	    !table_reserve(lane->table, lane->number, TABLE_COMMITTED_BPS,
		wanted - had, lane->config->max_bandwidth_bps))
		return false;
	if (wanted < had)
		table_counter_add(lane->table, lane->number,
		    TABLE_COMMITTED_BPS, -(int64_t)(had - wanted));
	session->hot.committed_bps = wanted;
	return true;
}

/*
 * One entry per stream that was set up; left out where a long URL would not
 * fit, since no client depends on it (wire reference 11).
 */
static void
put_rtp_info(struct methods_exchange *exchange, const struct session *session,
    const char *base, uint32_t send_ms)
{
	struct bytes_writer *out = &exchange->reply;
	struct bytes_writer before = *out;
	const char *separator = "RTP-Info: ";

	for (unsigned stream = 1; stream < ASF_STREAMS; stream++) {
		if (!session_has_stream(session, stream))
			continue;
		bytes_printf(out, "%surl=%s/stream=%u;seq=%u;rtptime=%u",
		    separator, base, stream,
		    session->hot.flows[session_flow(session, stream)].sequence,
		    send_ms);
		separator = ",";
	}
	bytes_put_text(out, "\r\n");
	if (out->failed || out->at > TABLE_OUTBOX_BYTES - 64)
		*out = before;
}

static void
put_play_answer(struct methods_exchange *exchange, const struct found *found,
    const struct play *play)
{
	struct bytes_writer *out = &exchange->reply;
	char start[RTSP_NPT_MAX], stop[RTSP_NPT_MAX];
	char base[RTSP_URL_MAX + SOCK_TEXT_MAX + 16];

	base_url(exchange, found, base, sizeof(base));
	begin(exchange, RTSP_OK, NULL);
	put_session(exchange, found->session);
	rtsp_format_header(out, "Range", "npt=%s-%s",
	    rtsp_npt_text(play->start_us, start),
	    rtsp_npt_text(MAX_OF(play->end_us, play->start_us), stop));
	if (exchange->request->header[RTSP_SPEED].at != NULL)
		rtsp_format_header(out, "Speed", "%u.%03u",
		    play->speed_milli / 1000, play->speed_milli % 1000);
	if (exchange->request->header[RTSP_SCALE].at != NULL)
		rtsp_format_header(out, "Scale", "1.0");
	put_rtp_info(exchange, found->session, base, play->send_ms);
	(void)end(exchange);
}

static bool
refuse_bandwidth(struct methods_exchange *exchange, const struct found *found)
{
	struct lane *lane = exchange->lane;
	static const char phrase[] =
	    "Not enough bandwidth, please try again later";

	table_counter_add(
	    lane->table, lane->number, TABLE_REFUSED_BANDWIDTH, 1);
	log_refused(exchange, "admission", found->url.path, phrase);
	return refuse_with(exchange, RTSP_NOT_ENOUGH_BANDWIDTH, phrase);
}

/* PLAY while it plays, without a range: it goes on. */
static bool
is_playing_on(const struct session *session, const struct play *play)
{
	return play->goes_on && !play->has_range &&
	       session->hot.session_state == TABLE_SESSION_PLAYING &&
	       play->speed_milli == session->hot.speed_milli;
}

static bool
answer_play(struct methods_exchange *exchange, struct found *found)
{
	struct session *session = found->session;
	struct play play = { .speed_milli = find_speed(exchange) };
	unsigned status = find_range(exchange, session, &play);

	if (status != 0)
		return refuse(exchange, status);
	if (session->hot.flow_count == 0)
		return refuse(exchange, RTSP_NOT_VALID_IN_STATE);
	if (!find_packets(exchange, session, &play, &status))
		return false;
	if (status != 0)
		return refuse(exchange, status);
	if (!reserve_rate(exchange->lane, session, play.speed_milli))
		return refuse_bandwidth(exchange, found);
	if (!is_playing_on(session, &play)) {
		session_pause(session);
		session_play(session, play.packet, play.send_ms,
		    play.end_packet, play.speed_milli);
	}
	session_enter(session, TABLE_SESSION_PLAYING);
	exchange->changed = session;
	put_play_answer(exchange, found, &play);
	return true;
}

/* --- PAUSE, TEARDOWN ------------------------------------------------------ */

static bool
answer_pause(struct methods_exchange *exchange, struct found *found)
{
	session_pause(found->session);
	session_enter(found->session, TABLE_SESSION_PAUSED);
	exchange->changed = found->session;
	begin(exchange, RTSP_OK, NULL);
	put_session(exchange, found->session);
	return end(exchange);
}

/* Of one stream: the session goes on with the others (RFC 2326 10.7). */
static bool
teardown_stream(struct methods_exchange *exchange, struct found *found)
{
	struct session *session = found->session;

	if (found->stream == RETRANSMISSION_STREAM)
		session->cold.has_rtx = 0;
	else if (session_has_stream(session, found->stream))
		session_remove_stream(session, found->stream);
	else
		return refuse(exchange, RTSP_NOT_FOUND);
	session->hot.item = 0; /* items are counted anew */
	exchange->changed = session;
	begin(exchange, RTSP_OK, NULL);
	put_session(exchange, session);
	return end(exchange);
}

static bool
is_last_stream(const struct found *found)
{
	const struct session *session = found->session;
	unsigned others = session_stream_count(session) + session->cold.has_rtx;

	return others == 1 &&
	       (found->stream == RETRANSMISSION_STREAM
		       ? session->cold.has_rtx == 1
		       : session_has_stream(session, found->stream));
}

static bool
answer_teardown(struct methods_exchange *exchange, struct found *found)
{
	if (found->names_stream && !is_last_stream(found))
		return teardown_stream(exchange, found);
	forget_session(exchange, found->session);
	session_end(found->session, SESSION_TEARDOWN);
	found->session = NULL;
	return refuse(exchange, RTSP_OK);
}

/* --- the table ------------------------------------------------------------ */

enum needs { NOTHING, TITLE, SESSION };

/* Every method we answer; the Public header is printed from this table. */
/* clang-format off */
static const struct method {
	enum needs needs; /* found before it is called */
	bool (*answer)(struct methods_exchange *exchange, struct found *found);
} methods[RTSP_METHOD_COUNT] = {
	[RTSP_OPTIONS]       = { NOTHING, answer_options },
	[RTSP_DESCRIBE]      = { TITLE,   answer_describe },
	[RTSP_SETUP]         = { TITLE,   answer_setup },
	[RTSP_PLAY]          = { SESSION, answer_play },
	[RTSP_PAUSE]         = { SESSION, answer_pause },
	[RTSP_TEARDOWN]      = { SESSION, answer_teardown },
	[RTSP_GET_PARAMETER] = { NOTHING, answer_get_parameter },
	[RTSP_SET_PARAMETER] = { NOTHING, answer_set_parameter },
};
/* clang-format on */

static void
put_public(struct bytes_writer *out, const char *header)
{
	const char *separator = "";

	bytes_printf(out, "%s: ", header);
	for (int method = 0; method < RTSP_METHOD_COUNT; method++) {
		if (methods[method].answer == NULL)
			continue;
		bytes_printf(out, "%s%s", separator,
		    rtsp_method_name((enum rtsp_method)method));
		separator = ", ";
	}
	bytes_put_text(out, "\r\n");
}

static bool
refuse_method(struct methods_exchange *exchange)
{
	if (exchange->request->method == RTSP_UNKNOWN)
		return refuse(exchange, RTSP_NOT_IMPLEMENTED);
	begin(exchange, RTSP_METHOD_NOT_ALLOWED, NULL);
	put_public(&exchange->reply, "Allow");
	return end(exchange);
}

static bool
refuse_option(struct methods_exchange *exchange, struct rtsp_text option)
{
	begin(exchange, RTSP_OPTION_NOT_SUPPORTED, NULL);
	if (option.length < 256 &&
	    memchr(option.at, '\n', option.length) == NULL)
		rtsp_format_header(&exchange->reply, "Unsupported", "%.*s",
		    (int)option.length, option.at);
	return end(exchange);
}

/* PLAY and PAUSE of one stream among several (RFC 2326 11.3.8). */
static unsigned
check_aggregate(
    const struct methods_exchange *exchange, const struct found *found)
{
	if (exchange->request->method == RTSP_TEARDOWN || !found->names_stream)
		return 0;
	if (!session_has_stream(found->session, found->stream))
		return RTSP_NOT_FOUND;
	return session_stream_count(found->session) > 1
		   ? RTSP_ONLY_AGGREGATE_ALLOWED
		   : 0;
}

static unsigned
check_session(
    const struct methods_exchange *exchange, const struct found *found)
{
	if (found->session == NULL)
		return RTSP_SESSION_NOT_FOUND;
	if (!found->url.asterisk &&
	    strcmp(titles_path(found->session->title), found->url.path) != 0)
		return RTSP_NOT_FOUND;
	if (session_next_state(found->session, exchange->request->method) == -1)
		return RTSP_NOT_VALID_IN_STATE;
	return check_aggregate(exchange, found);
}

/* The title or session that the method needs, then its answer. */
static bool
answer_found(struct methods_exchange *exchange, const struct method *method,
    struct found *found)
{
	unsigned status = find_session(exchange, found);

	if (status != 0)
		return refuse(exchange, status);
	if (method->needs == TITLE && !find_title(exchange, found, &status))
		return false;
	if (method->needs == SESSION)
		status = check_session(exchange, found);
	if (status != 0)
		return refuse(exchange, status);
	return method->answer(exchange, found);
}

bool
methods_answer(struct methods_exchange *exchange)
{
	const struct rtsp_message *request = exchange->request;
	const struct method *method = &methods[request->method];
	struct found found = { 0 };

	if (!request->has_cseq)
		return refuse(exchange, RTSP_BAD_REQUEST);
	if (method->answer == NULL)
		return refuse_method(exchange);
	if (request->header[RTSP_REQUIRE].at != NULL)
		return refuse_option(exchange, request->header[RTSP_REQUIRE]);
	if (request->header[RTSP_PROXY_REQUIRE].at != NULL)
		return refuse_option(
		    exchange, request->header[RTSP_PROXY_REQUIRE]);
	if (!rtsp_parse_url(request->url, &found.url))
		return refuse(exchange, RTSP_BAD_REQUEST);
	split_stream(&found);
	return answer_found(exchange, method, &found);
}
