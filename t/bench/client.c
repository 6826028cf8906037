/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dialogue of one client and the interleaved frames on its connection.
 * Reads answers as far as a well-behaved server sends them and ends the
 * client at anything else; does not know other clients.
 */
#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT_MAX 65536

void
client_fail(struct client *client, const char *format, ...)
{
	va_list arguments;

	if (client->state == CLIENT_FAILED)
		return;
	va_start(arguments, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not */
	vsnprintf(client->failure_text, sizeof(client->failure_text), format,
	    arguments);
	va_end(arguments);
	client->failure = client->failure_text;
	client_close(client);
	client->state = CLIENT_FAILED;
}

void
client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	free(client->text);
	client->text = NULL;
	client->text_bytes = 0;
	if (client->state != CLIENT_FAILED)
		client->state = CLIENT_CLOSED;
}

bool
client_is_started(const struct client *client)
{
	for (unsigned i = 0; i < client->flow_count; i++)
		if (client->flows[i].started)
			return true;
	return false;
}

uint64_t
client_first_packet_us(const struct client *client)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < client->flow_count; i++) {
		const struct flow *flow = &client->flows[i];

		if (flow->started && (first == 0 || flow->first_us < first))
			first = flow->first_us;
	}
	return first;
}

/* Asking. */

static void __attribute__((format(printf, 4, 5))) ask(struct client *client,
    const char *method, const char *url, const char *headers, ...)
{
	char text[4096], more[2048];
	va_list arguments;
	int size;

	va_start(arguments, headers);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not */
	vsnprintf(more, sizeof(more), headers, arguments);
	va_end(arguments);
	size = snprintf(text, sizeof(text),
	    "%s %s RTSP/1.0\r\nCSeq: %u\r\nUser-Agent: vodload\r\n%s%s%s%s\r\n",
	    method, url, ++client->cseq,
	    client->session[0] != '\0' ? "Session: " : "", client->session,
	    client->session[0] != '\0' ? "\r\n" : "", more);
	client->asked_us = clock_us();
	if (send(client->fd, text, (size_t)size, MSG_NOSIGNAL) != size)
		client_fail(
		    client, "%s: not sent: %s", method, strerror(errno));
}

/* A control may be absolute, else it hangs below the base. */
static void
control_url(const struct client *client, const char *control,
    char out[static CLIENT_URL_MAX])
{
	size_t end = strlen(client->base);

	if (strncasecmp(control, "rtsp://", 7) == 0)
		snprintf(out, CLIENT_URL_MAX, "%s", control);
	else
		snprintf(out, CLIENT_URL_MAX, "%.250s%s%.250s", client->base,
		    end > 0 && client->base[end - 1] == '/' ? "" : "/",
		    control);
}

static void
ask_setup(struct client *client)
{
	const struct client_stream *stream = &client->streams[client->setup_at];
	char url[CLIENT_URL_MAX];

	control_url(client, stream->control, url);
	client->state = CLIENT_SETUP;
	if (client->port == NULL)
		ask(client, "SETUP", url,
		    "Transport: RTP/AVP/TCP;unicast;interleaved=%u-%u;"
		    "mode=play\r\n",
		    2 * client->setup_at, 2 * client->setup_at + 1);
	else if (client->asf)
		ask(client, "SETUP", url,
		    "Transport: RTP/AVP/UDP;unicast;client_port=%u;"
		    "mode=play\r\n",
		    client->port->number);
	else
		ask(client, "SETUP", url,
		    "Transport: RTP/AVP;unicast;client_port=%u-%u\r\n",
		    client->port->number, client->port->number + 1U);
}

static void
ask_rtx(struct client *client)
{
	char url[CLIENT_URL_MAX];

	control_url(client, client->rtx, url);
	client->state = CLIENT_SETUP_RTX;
	ask(client, "SETUP", url,
	    "Transport: RTP/AVP/UDP;unicast;client_port=%u-%u;mode=play\r\n",
	    client->port->number, client->port->number + 1U);
}

static void
ask_play(struct client *client)
{
	double room = client->duration_s - client->play_s, start = 0;

	if (client->start_part > 0 && room > 0)
		start = client->start_part * room;
	client->state = CLIENT_PLAY;
	ask(client, "PLAY", client->base, "Range: npt=%.3f-\r\n", start);
}

void
client_keep_alive(struct client *client, uint64_t now_us)
{
	uint64_t after_us = (uint64_t)client->timeout_s * 500000;

	if (client->state == CLIENT_PLAYING && after_us > 0 &&
	    now_us - client->asked_us > after_us)
		ask(client, "GET_PARAMETER", client->base, "%s", "");
}

void
client_teardown(struct client *client)
{
	if (client->state != CLIENT_PLAYING)
		return;
	client->state = CLIENT_TEARDOWN;
	ask(client, "TEARDOWN", client->base, "%s", "");
}

/* Answers. */

/* The value of a header in a reply, up to its line's end; false: none. */
static bool
header(const char *text, const char *name, char *out, size_t out_size)
{
	size_t length = strlen(name);

	for (const char *line = strstr(text, "\r\n");
	     line != NULL && strncmp(line, "\r\n\r\n", 4) != 0;
	     line = strstr(line + 2, "\r\n")) {
		const char *value = line + 2 + length;
		size_t bytes;

		if (strncasecmp(line + 2, name, length) != 0 || *value != ':')
			continue;
		value += 1 + strspn(value + 1, " \t");
		bytes = strcspn(value, "\r\n");
		if (bytes >= out_size)
			return false;
		memcpy(out, value, bytes);
		out[bytes] = '\0';
		return true;
	}
	return false;
}

/* NAME=NUMBER among the parameters of a header. */
static bool
parameter(const char *value, const char *name, int base, uint32_t *out)
{
	size_t length = strlen(name);

	for (const char *at = value; (at = strcasestr(at, name)) != NULL;
	     at += length) {
		if ((at == value || strchr("; ,", at[-1]) != NULL) &&
		    at[length] == '=') {
			*out = (uint32_t)strtoul(at + length + 1, NULL, base);
			return true;
		}
	}
	return false;
}

struct media {
	char control[CLIENT_URL_MAX], encoding[64];
	uint32_t clock_hz;
};

static void
take_media(struct client *client, const struct media *media)
{
	struct client_stream *stream = &client->streams[client->stream_count];

	if (media->control[0] == '\0' || media->encoding[0] == '\0')
		return;
	if (strcasecmp(media->encoding, "x-wms-rtx") == 0) {
		memcpy(client->rtx, media->control, sizeof(client->rtx));
		return;
	}
	if (client->stream_count == CLIENT_STREAMS_MAX || media->clock_hz == 0)
		return;
	if (strcasecmp(media->encoding, "x-asf-pf") == 0)
		client->asf = true;
	memcpy(stream->control, media->control, sizeof(stream->control));
	stream->clock_hz = media->clock_hz;
	client->stream_count++;
}

static void
take_description(struct client *client, char *body)
{
	struct media media = { .clock_hz = 0 };
	char *rest = NULL;

	for (char *line = strtok_r(body, "\r\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\r\n", &rest)) {
		if (strncmp(line, "m=", 2) == 0) {
			take_media(client, &media);
			media = (struct media){ .clock_hz = 0 };
			continue;
		}
		if (strncmp(line, "a=control:", 10) == 0)
			snprintf(media.control, sizeof(media.control), "%s",
			    line + 10);
		sscanf(line, "a=rtpmap:%*u %63[^/ ]/%u", media.encoding,
		    &media.clock_hz);
		sscanf(line, "a=range:npt=%*[^-]-%lf", &client->duration_s);
	}
	take_media(client, &media);
}

static void
on_description(struct client *client, const char *text, char *body)
{
	if (!header(text, "Content-Base", client->base, sizeof(client->base)))
		memcpy(client->base, client->url, sizeof(client->base));
	take_description(client, body);
	if (client->stream_count == 0)
		client_fail(client, "no stream in the description");
	else if (client->port != NULL && client->rtx[0] != '\0')
		ask_rtx(client);
	else
		ask_setup(client);
}

/* Streams with one SSRC on one port are one flow. */
static void
on_setup(struct client *client, const char *text)
{
	struct client_stream *stream = &client->streams[client->setup_at];
	char transport[512];
	uint32_t ssrc = 0, from = 0;
	bool known;

	if (!header(text, "Transport", transport, sizeof(transport))) {
		client_fail(client, "SETUP: no Transport");
		return;
	}
	known = parameter(transport, "ssrc", 16, &ssrc);
	(void)parameter(transport, "server_port", 10, &from);
	for (unsigned i = 0; i < client->flow_count; i++)
		if (client->port != NULL && client->flows[i].ssrc == ssrc)
			stream->flow = &client->flows[i];
	if (stream->flow == NULL) {
		stream->flow = &client->flows[client->flow_count++];
		stream->flow->ssrc = ssrc;
		stream->flow->from = (uint16_t)from;
		stream->flow->asf = client->asf;
		stream->flow->clock_hz = stream->clock_hz;
		stream->flow->session = &client->common;
		if (client->port != NULL && !known)
			client->port->alone = stream->flow;
		else if (client->port != NULL &&
			 !port_add(client->port, stream->flow)) {
			client_fail(client, "SETUP: the SSRC is in use");
			return;
		}
	}
	if (++client->setup_at < client->stream_count)
		ask_setup(client);
	else
		ask_play(client);
}

/* Whether an entry of RTP-Info is about that stream. */
static bool
is_about(const char *entry, const char *control)
{
	const char *found = strstr(entry, control);

	return found != NULL && strchr(";,", found[strlen(control)]) != NULL;
}

static void
on_play(struct client *client, const char *text)
{
	char info[2048], *rest = NULL;
	uint32_t sequence;

	client->state = CLIENT_PLAYING;
	if (!header(text, "RTP-Info", info, sizeof(info)))
		return;
	for (char *entry = strtok_r(info, ",", &rest); entry != NULL;
	     entry = strtok_r(NULL, ",", &rest)) {
		for (unsigned i = 0; i < client->stream_count; i++) {
			struct client_stream *stream = &client->streams[i];

			if (is_about(entry, stream->control) &&
			    parameter(entry, "seq", 10, &sequence))
				flow_expect(stream->flow, (uint16_t)sequence);
		}
	}
}

static void
on_reply(struct client *client, char *text, char *body)
{
	char session[200];
	unsigned status = 0;

	if (sscanf(text, "RTSP/1.0 %u", &status) != 1) {
		client_fail(client, "no RTSP reply: %.20s", text);
		return;
	}
	if (status != 200) {
		if (client->state == CLIENT_TEARDOWN)
			client_close(client);
		else
			client_fail(client, "state %d: %.*s", client->state,
			    (int)strcspn(text, "\r\n"), text);
		return;
	}
	if (client->session[0] == '\0' &&
	    header(text, "Session", session, sizeof(session))) {
		client->timeout_s = 60;
		parameter(session, "timeout", 10, &client->timeout_s);
		session[strcspn(session, "; ")] = '\0';
		snprintf(client->session, sizeof(client->session), "%.150s",
		    session);
	}
	switch (client->state) {
	case CLIENT_OPTIONS:
		client->state = CLIENT_DESCRIBE;
		ask(client, "DESCRIBE", client->url,
		    "Accept: application/sdp\r\n");
		break;
	case CLIENT_DESCRIBE:
		on_description(client, text, body);
		break;
	case CLIENT_SETUP_RTX:
		ask_setup(client);
		break;
	case CLIENT_SETUP:
		on_setup(client, text);
		break;
	case CLIENT_PLAY:
		on_play(client, text);
		break;
	case CLIENT_TEARDOWN:
		client_close(client);
		break;
	default: /* to a keep-alive */
		break;
	}
}

/*
 * Collects a reply; returns the bytes that belong to it.  Answers are rare, so
 * they are copied into a text that ends in a NUL.
 */
static size_t
take_text(struct client *client, const uint8_t *data, size_t size)
{
	size_t had = client->text_bytes, head, body = 0;
	char *end, length[32], *text, kept;

	if (had + size >= TEXT_MAX)
		size = TEXT_MAX - 1 - had;
	text = size == 0 ? NULL : realloc(client->text, had + size + 1);
	if (text == NULL) {
		client_fail(client, "reply too long");
		return 0;
	}
	client->text = text;
	memcpy(text + had, data, size);
	client->text_bytes = had + size;
	text[had + size] = '\0';
	end = strstr(text, "\r\n\r\n");
	if (end == NULL)
		return size;
	head = (size_t)(end - text) + 4;
	if (header(text, "Content-Length", length, sizeof(length)))
		body = strtoul(length, NULL, 10);
	if (client->text_bytes < head + body)
		return size;
	kept = text[head + body];
	text[head + body] = '\0';
	client->text = NULL;
	client->text_bytes = 0;
	on_reply(client, text, text + head);
	text[head + body] = kept;
	free(text);
	return head + body - had;
}

/* Takes the bytes of one frame, as many as are there. */
static size_t
take_frame(
    struct client *client, const uint8_t *data, size_t size, uint64_t now_us)
{
	uint8_t *frame = client->frame;
	size_t taken = 0, length, copy;

	while (client->frame_at < 4 && taken < size)
		frame[client->frame_at++] = data[taken++];
	if (client->frame_at < 4)
		return taken;
	length = 4U + (size_t)(frame[2] << 8 | frame[3]);
	if (client->frame_at < sizeof(client->frame)) {
		copy = sizeof(client->frame) - client->frame_at;
		if (copy > length - client->frame_at)
			copy = length - client->frame_at;
		if (copy > size - taken)
			copy = size - taken;
		memcpy(frame + client->frame_at, data + taken, copy);
	}
	copy = length - client->frame_at;
	if (copy > size - taken)
		copy = size - taken;
	client->frame_at += copy;
	taken += copy;
	if (copy > 0)
		client->frame_last = data[taken - 1];
	if (client->frame_at < length)
		return taken;
	client->frame_at = 0;
	if (frame[1] % 2 == 0) { /* odd: RTCP */
		if (frame[1] / 2 >= client->stream_count ||
		    client->streams[frame[1] / 2].flow == NULL)
			client_fail(client, "frame on channel %u", frame[1]);
		else
			flow_take(client->streams[frame[1] / 2].flow, frame + 4,
			    length - 4, client->frame_last, now_us);
	}
	return taken;
}

void
client_read(struct client *client)
{
	static uint8_t data[1 << 18];
	ssize_t got = recv(client->fd, data, sizeof(data), MSG_DONTWAIT);
	uint64_t now_us = clock_us();

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		if (client->state == CLIENT_TEARDOWN)
			client_close(client);
		else
			client_fail(client, "state %d: connection ended: %s",
			    client->state, got < 0 ? strerror(errno) : "EOF");
		return;
	}
	for (size_t at = 0; at < (size_t)got && client->fd >= 0;) {
		size_t left = (size_t)got - at;

		if (client->frame_at > 0 ||
		    (client->text_bytes == 0 && data[at] == '$'))
			at += take_frame(client, data + at, left, now_us);
		else
			at += take_text(client, data + at, left);
	}
}

void
client_connected(struct client *client)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error != 0) {
		client_fail(client, "connect: %s", strerror(error));
		return;
	}
	client->state = CLIENT_OPTIONS;
	ask(client, "OPTIONS", client->url, "%s", "");
}

bool
client_start(struct client *client, const struct sockaddr_in *to)
{
	client->started_us = clock_us();
	client->fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	client->state = CLIENT_CONNECTING;
	if (client->fd < 0 || (connect(client->fd, (const struct sockaddr *)to,
				   sizeof(*to)) != 0 &&
				  errno != EINPROGRESS)) {
		client_fail(client, "connect: %s", strerror(errno));
		return false;
	}
	return true;
}
