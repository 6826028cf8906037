/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RTSP, one question at a time.  What the answers mean for the cluster is
 * decided elsewhere.
 */
#include "balancer/diagnose_visit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/bytes.h"
#include "base/loop.h"
#include "wire/rtsp.h"
#include "wire/sdp.h"

#define REPLY_MAX (RTSP_HEAD_MAX + SDP_MAX)
#define SESSION_MAX 129 /* with NUL */
#define URL_MAX 700 /* so that a request is one packet */

struct talk {
	struct segment_link *link; /* borrowed; NULL: it is FD */
	int fd; /* owned */
	uint64_t limit_us;
	char base[URL_MAX]; /* of the title */
	uint16_t client_port;
	char session[SESSION_MAX]; /* "": none */
	uint32_t cseq;
	char request[SEGMENT_SEND_MAX + 1];
	char reply[REPLY_MAX + SEGMENT_RECEIVE_MAX];
	size_t size;
	struct rtsp_message message; /* borrows from reply */
};

static const char *
trouble_text(int error)
{
	switch (error) {
	case -ECONNREFUSED:
		return "nobody listens there";
	case -ETIMEDOUT:
		return "it does not answer in time";
	case -EBADMSG:
		return "what it answers is no RTSP";
	case -EPIPE:
	case -ECONNRESET:
		return "it ends the connection";
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return "no way there";
	default:
		return "the connection failed";
	}
}

/* --- a connection of the kernel's ------------------------------------------
 */
static int
fd_wait(int fd, short events, uint64_t until_us)
{
	struct pollfd polled = { fd, events, 0 };
	uint64_t now_us = clock_monotonic_us();
	int count = 0;

	if (now_us < until_us)
		count = poll(
		    &polled, 1, (int)((until_us - now_us) / US_PER_MS + 1));
	if (count == -1 && errno != EINTR)
		return -errno;
	return count == 0 ? -ETIMEDOUT : 0;
}

/* 0: talk->fd is connected. */
static int
fd_connect(struct talk *talk, const union sock_address *to)
{
	int fd = sock_connect(to), result, error = 0;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return fd;
	talk->fd = fd;
	result = fd_wait(fd, POLLOUT, clock_monotonic_us() + talk->limit_us);
	if (result == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		return -errno;
	return result == 0 ? -error : result;
}

static ssize_t
fd_receive(int fd, void *data, uint64_t until_us)
{
	for (;;) {
		ssize_t count = recv(fd, data, SEGMENT_RECEIVE_MAX, 0);
		int result;

		if (count >= 0)
			return count;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if ((result = fd_wait(fd, POLLIN, until_us)) != 0)
			return result;
	}
}

/* --- question and answer ---------------------------------------------------
 */
static int
talk_send(struct talk *talk, size_t size)
{
	if (talk->link != NULL)
		return segment_send(talk->link, talk->request, size);
	/* Behind the answer to the last one: it goes out whole. */
	return send(talk->fd, talk->request, size, MSG_NOSIGNAL) ==
		       (ssize_t)size
		   ? 0
		   : -EPIPE;
}

static ssize_t
talk_receive(struct talk *talk, uint64_t until_us)
{
	void *at = talk->reply + talk->size;

	if (talk->size > REPLY_MAX)
		return -EBADMSG;
	return talk->link != NULL ? segment_receive(talk->link, at, until_us)
				  : fd_receive(talk->fd, at, until_us);
}

/* A whole reply, with its body, to the last question.  0 or -errno. */
static int
talk_hear(struct talk *talk)
{
	uint64_t until_us = clock_monotonic_us() + talk->limit_us;

	talk->size = 0;
	for (;;) {
		ssize_t count = talk_receive(talk, until_us);
		enum rtsp_result result;

		if (count <= 0)
			return count == 0 ? -EPIPE : (int)count;
		talk->size += (size_t)count;
		result = rtsp_parse(talk->reply, talk->size, &talk->message);
		if (result == RTSP_MORE)
			continue;
		if (result != RTSP_DONE || !talk->message.is_reply ||
		    !talk->message.has_cseq ||
		    talk->message.cseq != talk->cseq ||
		    talk->message.content_length > (uint64_t)SDP_MAX)
			return -EBADMSG;
		if (talk->size >=
		    talk->message.head_length + talk->message.content_length)
			return 0;
	}
}

/* TRANSPORT is of SETUP.  0: an answer is there, whatever its status. */
static int
talk_ask(struct talk *talk, enum rtsp_method method, const char *url)
{
	struct bytes_writer out =
	    bytes_writer(talk->request, sizeof(talk->request));
	int result;

	rtsp_format_request(&out, method, url);
	rtsp_format_header(&out, "CSeq", "%u", ++talk->cseq);
	rtsp_format_header(
	    &out, "User-Agent", "vodbalance/%s", PACKAGE_VERSION);
	if (method == RTSP_DESCRIBE)
		rtsp_format_header(&out, "Accept", "application/sdp");
	if (method == RTSP_SETUP)
		rtsp_format_header(&out, "Transport",
		    "RTP/AVP;unicast;client_port=%u-%u", talk->client_port,
		    talk->client_port + 1u);
	if (talk->session[0] != '\0')
		rtsp_format_header(&out, "Session", "%s", talk->session);
	rtsp_format_end(&out);
	if (out.failed)
		return -EMSGSIZE;
	result = talk_send(talk, out.at);
	return result == 0 ? talk_hear(talk) : result;
}

/* The same about the title; true: with 200, which VISIT notes. */
static bool
title_ask(struct talk *talk, struct visit *visit, enum rtsp_method method,
    const char *control)
{
	char url[URL_MAX + VISIT_CONTROL_MAX + 1];

	snprintf(url, sizeof(url), "%s%s%s", talk->base,
	    control[0] == '\0' ? "" : "/", control);
	visit->status = 0;
	if (talk_ask(talk, method, url) == 0)
		visit->status = talk->message.status;
	return visit->status == RTSP_OK;
}

/* --- what is asked ---------------------------------------------------------
 */
static void
options_ask(struct talk *talk, struct visit *visit)
{
	int result = talk_ask(talk, RTSP_OPTIONS, "*");

	if (result != 0)
		visit->trouble = trouble_text(result);
	else if (talk->message.status != RTSP_OK)
		visit->trouble = "it does not answer OPTIONS with 200";
	else
		visit->trouble = NULL;
}

static void
describe(struct talk *talk, struct visit *visit)
{
	struct sdp_description description;

	if (!title_ask(talk, visit, RTSP_DESCRIBE, ""))
		return;
	if (!sdp_parse(talk->reply + talk->message.head_length,
		(size_t)talk->message.content_length, NULL, 0, &description) ||
	    description.stream_count == 0 ||
	    strlen(description.streams[0].control) >= sizeof(visit->control))
		return;
	snprintf(visit->control, sizeof(visit->control), "%s",
	    description.streams[0].control);
}

/* For media to ports that the caller keeps. */
static bool
set_up(struct talk *talk, struct visit *visit, const char *control)
{
	struct rtsp_transport transport;
	struct rtsp_text id;
	bool malformed;

	if (!title_ask(talk, visit, RTSP_SETUP, control))
		return false;
	if (!rtsp_parse_transport(talk->message.header[RTSP_TRANSPORT], true,
		false, &transport, &malformed) ||
	    !transport.has_server_port ||
	    !rtsp_parse_session(
		talk->message.header[RTSP_SESSION], &id, &visit->timeout_s))
		return false;
	visit->server_port = transport.server_port[0];
	snprintf(talk->session, sizeof(talk->session), "%.*s", (int)id.length,
	    id.at);
	return true;
}

static void
tear_down(struct talk *talk)
{
	if (talk->session[0] != '\0')
		(void)talk_ask(talk, RTSP_TEARDOWN, talk->base);
}

static void
talk_begin(struct talk *talk, const union sock_address *to, const char *title,
    uint64_t limit_us, uint16_t client_port)
{
	char host[SOCK_TEXT_MAX];

	talk->link = NULL;
	talk->fd = -1;
	talk->limit_us = limit_us;
	talk->client_port = client_port;
	talk->session[0] = '\0';
	talk->cseq = 0;
	snprintf(talk->base, sizeof(talk->base), "rtsp://%s/%s",
	    sock_address_text(to, true, host), title);
}

void
visit_node(struct visit *visit, const union sock_address *node,
    const char *title, uint64_t limit_us)
{
	struct sock_pair pair = { .rtp = -1, .rtcp = -1 };
	struct talk talk;
	int result = sock_pair_open(node->family, 0, 0, &pair);

	*visit = (struct visit){ .connected = false };
	talk_begin(&talk, node, title, limit_us, pair.port);
	if (result == 0)
		result = fd_connect(&talk, node);
	visit->connected = result == 0;
	visit->refused = result == -ECONNREFUSED;
	visit->trouble = trouble_text(result);
	if (visit->connected)
		options_ask(&talk, visit);
	if (visit->trouble == NULL && title[0] != '\0') {
		describe(&talk, visit);
		if (visit->control[0] != '\0')
			(void)set_up(&talk, visit, visit->control);
		tear_down(&talk);
	}
	if (talk.fd != -1)
		close(talk.fd);
	sock_pair_close(&pair);
}

static void
play(struct talk *talk, struct visit *visit, const char *control)
{
	struct segment_link *link = talk->link;

	link->media_port = talk->client_port;
	if (!set_up(talk, visit, control))
		return;
	visit->played = title_ask(talk, visit, RTSP_PLAY, "");
	if (visit->played)
		visit->media = segment_hear_media(
		    link, clock_monotonic_us() + VISIT_MEDIA_US);
	visit->media_from = link->media_from;
	visit->media_from_port = link->media_from_port;
}

void
visit_vip(struct visit *visit, const struct segment *segment,
    const struct ether_addr *node, const union sock_address *vip,
    const char *title, const char *control, uint64_t limit_us)
{
	struct sock_pair pair = { .rtp = -1, .rtcp = -1 };
	struct segment_link link = { .reserved = -1 };
	struct talk talk;
	int result = sock_pair_open(AF_INET, 0, 0, &pair);

	*visit = (struct visit){ .connected = false };
	talk_begin(&talk, vip, title, limit_us, pair.port);
	talk.link = &link;
	if (result == 0)
		result = segment_connect(
		    &link, segment, node, vip, clock_monotonic_us() + limit_us);
	visit->connected = result == 0;
	visit->refused = link.refused;
	visit->trouble = trouble_text(result);
	if (visit->connected)
		options_ask(&talk, visit);
	if (visit->trouble == NULL && control[0] != '\0') {
		play(&talk, visit, control);
		tear_down(&talk);
	}
	segment_hang_up(&link);
	sock_pair_close(&pair);
}
