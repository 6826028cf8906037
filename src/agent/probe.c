/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of one request.  Whether an answer in time matters to the state of
 * the node is not decided here.
 */
#include "agent/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "wire/rtsp.h"

static loop_expired begin;

static void
finish(struct probe *probe, bool ok)
{
	loop_timer_clear(probe->loop, &probe->timer);
	loop_remove(probe->loop, &probe->watch);
	if (probe->fd != -1)
		close(probe->fd);
	probe->fd = -1;
	probe->ok = ok;
	loop_timer_set(
	    probe->loop, &probe->timer, probe->next_us, begin, probe);
}

static bool
ask(struct probe *probe)
{
	char request[256];
	struct bytes_writer out = bytes_writer(request, sizeof(request));

	rtsp_format_request(&out, RTSP_OPTIONS, "*");
	rtsp_format_header(&out, "CSeq", "1");
	rtsp_format_header(&out, "User-Agent", "vodagent/%s", PACKAGE_VERSION);
	rtsp_format_header(&out, "Connection", "close");
	rtsp_format_end(&out);
	probe->asked = true;
	/* The first bytes of a connection: they go out whole. */
	return send(probe->fd, request, out.at, MSG_NOSIGNAL) ==
		   (ssize_t)out.at &&
	       loop_modify(probe->loop, &probe->watch, EPOLLIN) == 0;
}

static void
hear(struct probe *probe)
{
	struct rtsp_message reply;
	ssize_t count;

	count = recv(probe->fd, probe->reply + probe->size,
	    sizeof(probe->reply) - probe->size, 0);
	if (count == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		finish(probe, false);
		return;
	}
	probe->size += (size_t)count;
	switch (rtsp_parse(probe->reply, probe->size, &reply)) {
	case RTSP_DONE:
		finish(probe, reply.is_reply && reply.status == RTSP_OK &&
				  reply.has_cseq && reply.cseq == 1);
		break;
	case RTSP_MORE:
		if (probe->size < sizeof(probe->reply))
			break;
		/* fall through */
	default:
		finish(probe, false);
	}
}

static void
ready(void *context, uint32_t events)
{
	struct probe *probe = context;

	(void)events; /* an error is told by send() and recv() */
	if (probe->asked)
		hear(probe);
	else if (!ask(probe))
		finish(probe, false);
}

static void
give_up(void *context, uint64_t now_us)
{
	(void)now_us;
	finish(context, false);
}

static void
begin(void *context, uint64_t now_us)
{
	struct probe *probe = context;
	const union sock_address *address = probe->address;

	probe->next_us = now_us + PROBE_INTERVAL_US;
	probe->asked = false;
	probe->size = 0;
	probe->fd = socket(
	    address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe->fd == -1 ||
	    (connect(probe->fd, &address->any, sock_address_length(address)) !=
		    0 &&
		errno != EINPROGRESS) ||
	    loop_add(probe->loop, &probe->watch, probe->fd, EPOLLOUT, ready,
		probe) != 0) {
		finish(probe, false);
		return;
	}
	loop_timer_set(probe->loop, &probe->timer, now_us + probe->timeout_us,
	    give_up, probe);
}

void
probe_start(struct probe *probe, struct loop *loop,
    const union sock_address *address, uint64_t timeout_us)
{
	*probe = (struct probe){ .loop = loop,
		.address = address,
		.timeout_us = timeout_us,
		.fd = -1 };
	loop_timer_set(loop, &probe->timer, 0, begin, probe);
}

void
probe_stop(struct probe *probe)
{
	loop_timer_clear(probe->loop, &probe->timer);
	loop_remove(probe->loop, &probe->watch);
	if (probe->fd != -1)
		close(probe->fd);
	probe->fd = -1;
}
