/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The RTSP client as a state machine: a request is under way, its answer moves
 * it on.  Sockets, time and media are not known here.
 */
#include "player/dialogue.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/bytes.h"

#define DEFAULT_PORT 554
#define DEFAULT_TIMEOUT_S 60 /* RFC 2326 12.37 */
#define OUTPUT_MAX 16384
#define SESSION_MAX 129

struct dialogue {
	struct dialogue_url url;
	char base[DIALOGUE_URL_MAX], aggregate[DIALOGUE_URL_MAX];
	char location[DIALOGUE_URL_MAX];
	char software[64];
	char session[SESSION_MAX]; /* "" before SETUP */
	uint32_t cseq;
	enum rtsp_method waiting; /* RTSP_UNKNOWN: for nothing */
	uint32_t waiting_cseq;
	bool has_alive; /* a keep-alive is under way */
	uint32_t alive_cseq;
	bool knows_get_parameter;
	struct sdp_description sdp;
	struct dialogue_setup setup;
	unsigned stream; /* of the SDP, that is set up */
	struct dialogue_transport transport;
	bool is_playing;
	struct { /* what PLAY is to be asked */
		bool has_start;
		uint64_t start_us;
		unsigned speed_milli;
	} play;
	struct dialogue_play_answer answer;
	struct failure failure;
	unsigned status;
	uint8_t output[OUTPUT_MAX];
	size_t output_bytes;
	uint8_t asf_header[DIALOGUE_HEADER_MAX];
};

/* ---- URLs ---- */

/* clang-format off */
static const struct {
	const char *scheme;
	bool udp, tcp;
} schemes[] = {
	{ "rtsp://",  true,  true },
	{ "rtspu://", true,  false },
	{ "rtspt://", false, true },
};
/* clang-format on */

/* Host and port, from "host", "host:port", "[address]:port". */
static bool
parse_authority(const char *text, size_t length, struct dialogue_url *out)
{
	const char *end = text + length, *host = text, *host_end = end;
	const char *port = NULL;
	uint64_t number = DEFAULT_PORT;

	for (const char *at = text; at < end; at++)
		if (*at == '@')
			host = at + 1; /* a name and password: nobody asks */
	if (host < end && *host == '[') {
		host_end = memchr(host, ']', (size_t)(end - host));
		if (host_end == NULL)
			return false;
		if (host_end + 1 < end && host_end[1] != ':')
			return false;
		port = host_end + 1 < end ? host_end + 2 : NULL;
		host++;
	} else if (host < end) {
		port = memchr(host, ':', (size_t)(end - host));
		if (port != NULL)
			host_end = port++;
	}
	if (host >= host_end || (size_t)(host_end - host) >= sizeof(out->host))
		return false;
	if (port != NULL &&
	    (!rtsp_parse_u64(
		 (struct rtsp_text){ port, (size_t)(end - port) }, &number) ||
		number == 0 || number > UINT16_MAX))
		return false;
	memcpy(out->host, host, (size_t)(host_end - host));
	out->host[host_end - host] = '\0';
	out->port = (uint16_t)number;
	return true;
}

/* As it may stand in a request: blanks and the like are written as %XX. */
static void
put_path(struct bytes_writer *out, const char *path)
{
	for (; *path != '\0' && *path != '#'; path++) {
		unsigned char c = (unsigned char)*path;

		if (c <= ' ' || c >= 0x7F || strchr("\"<>\\^`{|}", c) != NULL)
			bytes_printf(out, "%%%02X", c);
		else
			bytes_put_u8(out, c);
	}
}

bool
dialogue_parse_url(const char *text, struct dialogue_url *out)
{
	struct dialogue_url url = { .port = 0 };
	struct bytes_writer request =
	    bytes_writer(url.request, sizeof(url.request) - 1);
	const char *rest = NULL, *path;

	for (size_t i = 0; i < ARRAY_LENGTH(schemes) && rest == NULL; i++) {
		size_t length = strlen(schemes[i].scheme);

		if (!rtsp_text_is_nocase(
			(struct rtsp_text){ text, strnlen(text, length) },
			schemes[i].scheme))
			continue;
		rest = text + length;
		url.udp = schemes[i].udp;
		url.tcp = schemes[i].tcp;
	}
	if (rest == NULL)
		return false;
	path = rest + strcspn(rest, "/?#");
	if (!parse_authority(rest, (size_t)(path - rest), &url))
		return false;
	for (const char *at = url.host; *at != '\0'; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7F)
			return false;
	bytes_printf(&request,
	    strchr(url.host, ':') != NULL ? "rtsp://[%s]:%u" : "rtsp://%s:%u",
	    url.host, url.port);
	if (*path != '/')
		bytes_put_u8(&request, '/');
	put_path(&request, path);
	if (request.failed)
		return false;
	*out = url;
	return true;
}

/* CONTROL as a URL, relative to BASE (RFC 2326 C.1.1).  False: too long. */
static bool
resolve(const char *base, const char *control, char out[DIALOGUE_URL_MAX])
{
	size_t length = strlen(base);
	int bytes;

	if (strstr(control, "://") != NULL)
		bytes = snprintf(out, DIALOGUE_URL_MAX, "%s", control);
	else if (control[0] == '\0' || strcmp(control, "*") == 0)
		bytes = snprintf(out, DIALOGUE_URL_MAX, "%s", base);
	else
		bytes = snprintf(out, DIALOGUE_URL_MAX, "%s%s%s", base,
		    length > 0 && base[length - 1] == '/' ? "" : "/", control);
	return bytes < DIALOGUE_URL_MAX;
}

/* ---- asking ---- */

static struct bytes_writer
output(struct dialogue *dialogue)
{
	struct bytes_writer out =
	    bytes_writer(dialogue->output, sizeof(dialogue->output));

	out.at = dialogue->output_bytes;
	return out;
}

static struct bytes_writer
begin_request(
    struct dialogue *dialogue, enum rtsp_method method, const char *url)
{
	struct bytes_writer out = output(dialogue);

	rtsp_format_request(&out, method, url);
	rtsp_format_header(&out, "CSeq", "%u", ++dialogue->cseq);
	rtsp_format_header(&out, "User-Agent", "vodplay/" PACKAGE_VERSION);
	if (dialogue->session[0] != '\0')
		rtsp_format_header(&out, "Session", "%s", dialogue->session);
	return out;
}

/* What does not fit is not sent, and not answered then. */
static void
end_request(struct dialogue *dialogue, struct bytes_writer *out)
{
	rtsp_format_end(out);
	if (!out->failed)
		dialogue->output_bytes = out->at;
}

/* It is the one that is under way. */
static void
send_request(struct dialogue *dialogue, enum rtsp_method method,
    struct bytes_writer *out)
{
	end_request(dialogue, out);
	dialogue->waiting = method;
	dialogue->waiting_cseq = dialogue->cseq;
}

static void
ask_describe(struct dialogue *dialogue)
{
	struct bytes_writer out =
	    begin_request(dialogue, RTSP_DESCRIBE, dialogue->url.request);

	rtsp_format_header(&out, "Accept", "application/sdp");
	send_request(dialogue, RTSP_DESCRIBE, &out);
}

static void
ask_setup(struct dialogue *dialogue)
{
	const struct sdp_stream *stream =
	    &dialogue->sdp.streams[dialogue->stream];
	const struct dialogue_setup *setup = &dialogue->setup;
	char url[DIALOGUE_URL_MAX];
	struct bytes_writer out;
	bool fits = resolve(dialogue->base, stream->control, url);

	assert(fits); /* take_addresses() */
	out = begin_request(dialogue, RTSP_SETUP, url);
	if (setup->udp)
		rtsp_format_header(&out, "Transport",
		    "RTP/AVP/UDP;unicast;client_port=%u-%u;mode=play",
		    setup->port, setup->port + 1u);
	else
		rtsp_format_header(&out, "Transport",
		    "RTP/AVP/TCP;unicast;interleaved=0-1;mode=play");
	send_request(dialogue, RTSP_SETUP, &out);
}

/* The next stream that is wanted, from dialogue->stream on; false: none. */
static bool
find_stream(struct dialogue *dialogue)
{
	for (; dialogue->stream < dialogue->sdp.stream_count;
	     dialogue->stream++) {
		unsigned number =
		    dialogue->sdp.streams[dialogue->stream].number;

		if (number == 0 || asf_set_has(dialogue->setup.streams, number))
			return true;
	}
	return false;
}

static void
ask_play(struct dialogue *dialogue)
{
	struct bytes_writer out =
	    begin_request(dialogue, RTSP_PLAY, dialogue->aggregate);
	char npt[RTSP_NPT_MAX];

	if (dialogue->play.has_start)
		rtsp_format_header(&out, "Range", "npt=%s-",
		    rtsp_npt_text(dialogue->play.start_us, npt));
	if (dialogue->play.speed_milli != 1000)
		rtsp_format_header(&out, "Speed", "%u.%03u",
		    dialogue->play.speed_milli / 1000,
		    dialogue->play.speed_milli % 1000);
	send_request(dialogue, RTSP_PLAY, &out);
}

static void
ask_pause(struct dialogue *dialogue)
{
	struct bytes_writer out =
	    begin_request(dialogue, RTSP_PAUSE, dialogue->aggregate);

	send_request(dialogue, RTSP_PAUSE, &out);
}

int
dialogue_new(const struct dialogue_url *url, struct dialogue **out)
{
	struct dialogue *dialogue = calloc(1, sizeof(*dialogue));

	if (dialogue == NULL)
		return -ENOMEM;
	dialogue->url = *url;
	dialogue->knows_get_parameter = true;
	dialogue->transport.timeout_s = DEFAULT_TIMEOUT_S;
	ask_describe(dialogue);
	*out = dialogue;
	return 0;
}

void
dialogue_free(struct dialogue *dialogue)
{
	free(dialogue);
}

void
dialogue_setup(struct dialogue *dialogue, const struct dialogue_setup *setup)
{
	dialogue->setup = *setup;
	dialogue->stream = 0;
	if (find_stream(dialogue))
		ask_setup(dialogue);
}

void
dialogue_play(struct dialogue *dialogue, bool has_start, uint64_t start_us,
    unsigned speed_milli)
{
	dialogue->play.has_start = has_start;
	dialogue->play.start_us = start_us;
	dialogue->play.speed_milli = speed_milli;
	if (dialogue->is_playing && has_start)
		ask_pause(dialogue); /* whose answer PLAY follows */
	else
		ask_play(dialogue);
}

void
dialogue_pause(struct dialogue *dialogue)
{
	dialogue->play.speed_milli = 0; /* no PLAY behind it */
	ask_pause(dialogue);
}

void
dialogue_keep_alive(struct dialogue *dialogue)
{
	struct bytes_writer out = begin_request(dialogue,
	    dialogue->knows_get_parameter ? RTSP_GET_PARAMETER : RTSP_OPTIONS,
	    dialogue->aggregate);

	end_request(dialogue, &out);
	dialogue->has_alive = true;
	dialogue->alive_cseq = dialogue->cseq;
}

void
dialogue_teardown(struct dialogue *dialogue)
{
	struct bytes_writer out =
	    begin_request(dialogue, RTSP_TEARDOWN, dialogue->aggregate);

	send_request(dialogue, RTSP_TEARDOWN, &out);
}

const uint8_t *
dialogue_output(const struct dialogue *dialogue, size_t *size)
{
	*size = dialogue->output_bytes;
	return dialogue->output_bytes > 0 ? dialogue->output : NULL;
}

void
dialogue_sent(struct dialogue *dialogue, size_t size)
{
	dialogue->output_bytes -= size;
	memmove(
	    dialogue->output, dialogue->output + size, dialogue->output_bytes);
}

void
dialogue_put_frame(struct dialogue *dialogue, uint8_t channel,
    const uint8_t *data, size_t size)
{
	struct bytes_writer out = output(dialogue);

	bytes_put_u8(&out, '$');
	bytes_put_u8(&out, channel);
	bytes_put_u16be(&out, (uint16_t)size);
	bytes_put(&out, data, size);
	if (!out.failed)
		dialogue->output_bytes = out.at;
}

/* ---- answers ---- */

static enum dialogue_event
fail(struct dialogue *dialogue, const char *sentence)
{
	failure_set(&dialogue->failure, FAILURE_BAD_SERVER, "%s", sentence);
	return DIALOGUE_FAILED;
}

static enum dialogue_event
refused(struct dialogue *dialogue, const struct rtsp_message *reply)
{
	dialogue->status = reply->status;
	failure_of_status(&dialogue->failure, reply->status, reply->reason.at,
	    reply->reason.length);
	return DIALOGUE_FAILED;
}

/* False: too long. */
static bool
copy_text(struct rtsp_text text, char *out, size_t size)
{
	if (text.at == NULL || text.length >= size)
		return false;
	memcpy(out, text.at, text.length);
	out[text.length] = '\0';
	return true;
}

static enum dialogue_event
redirected(struct dialogue *dialogue, const struct rtsp_message *reply)
{
	if (!copy_text(reply->header[RTSP_LOCATION], dialogue->location,
		sizeof(dialogue->location)))
		return fail(dialogue,
		    "The server points to another place, but does not say "
		    "where.");
	return DIALOGUE_REDIRECTED;
}

/* What everything is relative to, and whether all that is asked for later is
 * short enough to be asked for. */
static bool
take_addresses(struct dialogue *dialogue, const struct rtsp_message *reply)
{
	const struct sdp_description *sdp = &dialogue->sdp;
	struct rtsp_text base = reply->header[RTSP_CONTENT_BASE];
	char url[DIALOGUE_URL_MAX];

	if (base.at == NULL)
		memcpy(dialogue->base, dialogue->url.request,
		    sizeof(dialogue->base));
	else if (!copy_text(base, dialogue->base, sizeof(dialogue->base)))
		return false;
	for (unsigned i = 0; i < sdp->stream_count; i++)
		if (!resolve(dialogue->base, sdp->streams[i].control, url))
			return false;
	return resolve(dialogue->base, sdp->control, dialogue->aggregate);
}

static enum dialogue_event
take_description(struct dialogue *dialogue, const struct rtsp_message *reply,
    const uint8_t *body)
{
	if (!sdp_parse((const char *)body, (size_t)reply->content_length,
		dialogue->asf_header, sizeof(dialogue->asf_header),
		&dialogue->sdp)) {
		failure_set(&dialogue->failure, FAILURE_CANNOT_PLAY,
		    "The server's description of this title cannot be "
		    "understood.");
		return DIALOGUE_FAILED;
	}
	if (dialogue->sdp.asf_header == NULL) {
		failure_set(&dialogue->failure, FAILURE_CANNOT_PLAY,
		    "The server does not send this title in a format that "
		    "can be played here.");
		return DIALOGUE_FAILED;
	}
	if (!take_addresses(dialogue, reply))
		return fail(dialogue,
		    "An address in the server's description of this title is "
		    "too long.");
	return DIALOGUE_DESCRIBED;
}

/* The session's id is given by the first SETUP and stays. */
static bool
take_session(struct dialogue *dialogue, const struct rtsp_message *reply)
{
	struct rtsp_text value = reply->header[RTSP_SESSION], id;
	uint32_t timeout_s;

	if (value.at == NULL)
		return dialogue->session[0] != '\0';
	if (!rtsp_parse_session(value, &id, &timeout_s)) {
		/* Other servers have shorter ones than RFC 2326 wants. */
		for (id = value;
		     id.length > 0 && memchr(id.at, ';', id.length) != NULL;)
			id.length--;
		timeout_s = 0;
	}
	if (id.length == 0 || id.length >= SESSION_MAX)
		return false;
	if (timeout_s != 0)
		dialogue->transport.timeout_s = timeout_s;
	if (dialogue->session[0] == '\0')
		return copy_text(
		    id, dialogue->session, sizeof(dialogue->session));
	return rtsp_text_is(id, dialogue->session);
}

/* What is not told is as it was asked for. */
static bool
take_transport(struct dialogue *dialogue, const struct rtsp_message *reply)
{
	struct dialogue_transport *out = &dialogue->transport;
	bool is_udp = dialogue->setup.udp, malformed;
	struct rtsp_transport transport;

	out->is_udp = is_udp;
	out->channel[0] = 0;
	out->channel[1] = 1;
	if (!rtsp_parse_transport(reply->header[RTSP_TRANSPORT], is_udp,
		!is_udp, &transport, &malformed))
		return malformed;
	if (transport.has_server_port) {
		out->server_port[0] = transport.server_port[0];
		out->server_port[1] = transport.server_port[1];
	}
	if (!transport.has_interleaved)
		return true;
	if (transport.interleaved[0] != 0 && dialogue->stream > 0)
		return false;
	out->channel[0] = transport.interleaved[0];
	out->channel[1] = transport.interleaved[1];
	return true;
}

static enum dialogue_event
take_setup(struct dialogue *dialogue, const struct rtsp_message *reply)
{
	if (reply->status == RTSP_UNSUPPORTED_TRANSPORT &&
	    dialogue->setup.udp && dialogue->setup.tcp) {
		dialogue->setup.udp = false;
		dialogue->stream = 0;
		if (find_stream(dialogue))
			ask_setup(dialogue);
		return DIALOGUE_PROGRESS;
	}
	if (reply->status != RTSP_OK)
		return refused(dialogue, reply);
	if (!take_session(dialogue, reply))
		return fail(dialogue,
		    "The server confuses this session with another one.");
	if (reply->header[RTSP_TRANSPORT].at == NULL ||
	    !take_transport(dialogue, reply))
		return fail(dialogue,
		    "The server answers with another transport than it was "
		    "asked for.");
	dialogue->stream++;
	if (!find_stream(dialogue))
		return DIALOGUE_READY;
	ask_setup(dialogue);
	return DIALOGUE_PROGRESS;
}

static enum dialogue_event
take_play(struct dialogue *dialogue, const struct rtsp_message *reply)
{
	struct dialogue_play_answer *answer = &dialogue->answer;
	struct rtsp_text rest = reply->header[RTSP_RTP_INFO];
	struct rtsp_rtp_info info;
	struct rtsp_range range;
	int64_t speed;

	if (reply->status != RTSP_OK) {
		if (dialogue->play.speed_milli == 1000 ||
		    reply->status == RTSP_INVALID_RANGE ||
		    reply->status == RTSP_SESSION_NOT_FOUND)
			return refused(dialogue, reply);
		dialogue->play.speed_milli = 1000;
		ask_play(dialogue);
		return DIALOGUE_PROGRESS;
	}
	*answer = (struct dialogue_play_answer){ .speed_milli = 1000 };
	if (reply->header[RTSP_RANGE].at != NULL &&
	    rtsp_parse_range(reply->header[RTSP_RANGE], &range) ==
		RTSP_RANGE_OK) {
		answer->has_start = range.has_start;
		answer->start_us = range.start_us;
	}
	if (reply->header[RTSP_SPEED].at != NULL &&
	    rtsp_parse_milli(reply->header[RTSP_SPEED], &speed) && speed > 0 &&
	    speed < 100000)
		answer->speed_milli = (unsigned)speed;
	/* One flow: the streams' entries say the same. */
	if (rtsp_parse_rtp_info(&rest, &info)) {
		answer->has_sequence = info.has_sequence;
		answer->sequence = info.sequence;
	}
	dialogue->is_playing = true;
	return DIALOGUE_PLAYING;
}

static enum dialogue_event
take_pause(struct dialogue *dialogue, const struct rtsp_message *reply)
{
	/* 455: it does not play any more, which is as good. */
	if (reply->status != RTSP_OK &&
	    reply->status != RTSP_NOT_VALID_IN_STATE)
		return refused(dialogue, reply);
	dialogue->is_playing = false;
	if (dialogue->play.speed_milli == 0)
		return DIALOGUE_PAUSED;
	ask_play(dialogue);
	return DIALOGUE_PROGRESS;
}

static enum dialogue_event
take_answer(struct dialogue *dialogue, const struct rtsp_message *reply,
    const uint8_t *body)
{
	enum rtsp_method method = dialogue->waiting;

	dialogue->waiting = RTSP_UNKNOWN;
	if (dialogue->session[0] != '\0' && method != RTSP_SETUP &&
	    reply->status == RTSP_OK && !take_session(dialogue, reply))
		return fail(dialogue,
		    "The server confuses this session with another one.");
	switch (method) {
	case RTSP_DESCRIBE:
		if (reply->status >= 300 && reply->status < 400)
			return redirected(dialogue, reply);
		if (reply->status != RTSP_OK)
			return refused(dialogue, reply);
		return take_description(dialogue, reply, body);
	case RTSP_SETUP:
		return take_setup(dialogue, reply);
	case RTSP_PLAY:
		return take_play(dialogue, reply);
	case RTSP_PAUSE:
		return take_pause(dialogue, reply);
	case RTSP_TEARDOWN:
		return DIALOGUE_OVER;
	default:
		return DIALOGUE_PROGRESS;
	}
}

static enum dialogue_event
take_reply(struct dialogue *dialogue, const struct rtsp_message *reply,
    const uint8_t *body)
{
	struct rtsp_text software = reply->header[RTSP_SERVER];

	if (reply->status < 200)
		return DIALOGUE_PROGRESS;
	if (software.at != NULL) {
		software.length =
		    MIN_OF(software.length, sizeof(dialogue->software) - 1);
		copy_text(
		    software, dialogue->software, sizeof(dialogue->software));
		for (char *at = dialogue->software; *at != '\0'; at++)
			if (*at < ' ' || *at > '~')
				*at = '?';
	}
	if (dialogue->has_alive && reply->has_cseq &&
	    reply->cseq == dialogue->alive_cseq) {
		dialogue->has_alive = false;
		dialogue->knows_get_parameter =
		    dialogue->knows_get_parameter &&
		    reply->status != RTSP_METHOD_NOT_ALLOWED &&
		    reply->status != RTSP_NOT_IMPLEMENTED;
		if (reply->status == RTSP_SESSION_NOT_FOUND)
			return refused(dialogue, reply);
		return DIALOGUE_ALIVE;
	}
	/* One without a number can only be the answer that is due; one with
	 * another number is none of ours. */
	if (dialogue->waiting == RTSP_UNKNOWN ||
	    (reply->has_cseq && reply->cseq != dialogue->waiting_cseq))
		return DIALOGUE_PROGRESS;
	return take_answer(dialogue, reply, body);
}

/* We were not asked whether we take any; most are about things to be told. */
static enum dialogue_event
take_request(struct dialogue *dialogue, const struct rtsp_message *request)
{
	struct bytes_writer out = output(dialogue);
	bool is_known = request->method == RTSP_OPTIONS ||
			request->method == RTSP_GET_PARAMETER ||
			request->method == RTSP_SET_PARAMETER;

	rtsp_format_status(
	    &out, is_known ? RTSP_OK : RTSP_NOT_IMPLEMENTED, NULL);
	rtsp_format_header(&out, "CSeq", "%u", request->cseq);
	end_request(dialogue, &out);
	return DIALOGUE_PROGRESS;
}

static enum dialogue_event
take_frame(const uint8_t *data, size_t size, size_t *used,
    struct rtsp_frame *frame, const uint8_t **payload)
{
	if (rtsp_parse_frame(data, size, frame) != RTSP_DONE ||
	    size - RTSP_FRAME_HEAD < frame->length)
		return DIALOGUE_MORE;
	*payload = data + RTSP_FRAME_HEAD;
	*used = RTSP_FRAME_HEAD + (size_t)frame->length;
	return DIALOGUE_FRAME;
}

enum dialogue_event
dialogue_take(struct dialogue *dialogue, const uint8_t *data, size_t size,
    size_t *used, struct rtsp_frame *frame, const uint8_t **payload)
{
	struct rtsp_message message;

	*used = 0;
	if (size == 0)
		return DIALOGUE_MORE;
	switch (rtsp_parse(data, size, &message)) {
	case RTSP_MORE:
		return DIALOGUE_MORE;
	case RTSP_FRAME:
		return take_frame(data, size, used, frame, payload);
	case RTSP_BAD:
		return fail(dialogue,
		    "The server's answer cannot be understood: it is not RTSP, "
		    "or damaged.");
	case RTSP_DONE:
		break;
	}
	if (message.content_length > DIALOGUE_BODY_MAX)
		return fail(dialogue, "The server's answer is too long.");
	if (size - message.head_length < message.content_length)
		return DIALOGUE_MORE;
	*used = message.head_length + (size_t)message.content_length;
	if (!message.is_reply)
		return take_request(dialogue, &message);
	return take_reply(dialogue, &message, data + message.head_length);
}

bool
dialogue_is_waiting(const struct dialogue *dialogue)
{
	return dialogue->waiting != RTSP_UNKNOWN;
}

const struct sdp_description *
dialogue_description(const struct dialogue *dialogue)
{
	return &dialogue->sdp;
}

const struct dialogue_transport *
dialogue_transport(const struct dialogue *dialogue)
{
	return &dialogue->transport;
}

const struct dialogue_play_answer *
dialogue_play_answer(const struct dialogue *dialogue)
{
	return &dialogue->answer;
}

const char *
dialogue_location(const struct dialogue *dialogue)
{
	return dialogue->location;
}

const char *
dialogue_software(const struct dialogue *dialogue)
{
	return dialogue->software;
}

const struct failure *
dialogue_failure(const struct dialogue *dialogue)
{
	return &dialogue->failure;
}

unsigned
dialogue_status(const struct dialogue *dialogue)
{
	return dialogue->status;
}
