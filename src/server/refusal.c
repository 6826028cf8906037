/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Refuses connections in a few places of its own.  Why somebody is refused, and
 * who says so in the log, is the worker's business.
 */
#include "server/refusal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/exchange.h"

#define REQUEST_MAX 4096
#define REPLY_MAX 1024

struct refusal {
	struct refusals *refusals;
	struct loop_watch watch;
	struct loop_timer timer;
	int fd; /* -1: the place is free */
	bool answered;
};

struct refusals {
	struct loop *loop;
	struct refusal places[REFUSALS_MAX];
	int kept[REFUSALS_KEPT]; /* descriptors of nothing; -1: lent */
};

/* Those that were lent come back when there are any. */
static void
keep_descriptors(struct refusals *refusals)
{
	for (size_t i = 0; i < REFUSALS_KEPT; i++)
		if (refusals->kept[i] == -1)
			refusals->kept[i] = eventfd(0, EFD_CLOEXEC);
}

int
refusals_new(struct loop *loop, struct refusals **out)
{
	struct refusals *refusals = calloc(1, sizeof(*refusals));

	if (refusals == NULL)
		return -ENOMEM;
	refusals->loop = loop;
	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		refusals->places[i].refusals = refusals;
		refusals->places[i].fd = -1;
	}
	for (size_t i = 0; i < REFUSALS_KEPT; i++)
		refusals->kept[i] = -1;
	keep_descriptors(refusals);
	*out = refusals;
	return 0;
}

static void
end(struct refusal *refusal)
{
	struct refusals *refusals = refusal->refusals;

	loop_timer_clear(refusals->loop, &refusal->timer);
	loop_remove(refusals->loop, &refusal->watch);
	close(refusal->fd);
	refusal->fd = -1;
	keep_descriptors(refusals);
}

void
refusals_free(struct refusals *refusals)
{
	if (refusals == NULL)
		return;
	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		if (refusals->places[i].fd != -1)
			end(&refusals->places[i]);
	}
	for (size_t i = 0; i < REFUSALS_KEPT; i++)
		if (refusals->kept[i] != -1)
			close(refusals->kept[i]);
	free(refusals);
}

/* One that is no good is answered too. */
static bool
answer(const struct refusal *refusal, const struct rtsp_message *request)
{
	uint8_t reply[REPLY_MAX];
	struct exchange exchange = {
		.request = request,
		.reply = bytes_writer(reply, sizeof(reply)),
	};

	(void)exchange_refuse_for_now(
	    &exchange, "Too many connections, please try again later");
	/* Into an empty buffer: it goes out whole. */
	return send(refusal->fd, reply, exchange.reply.at,
		   MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)exchange.reply.at &&
	       shutdown(refusal->fd, SHUT_WR) == 0;
}

/* False: it ends. */
static bool
read_request(struct refusal *refusal)
{
	uint8_t data[REQUEST_MAX];
	struct rtsp_message request;
	ssize_t size =
	    recv(refusal->fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);

	if (size <= 0)
		return size == -1 && errno == EAGAIN;
	switch (rtsp_parse(data, (size_t)size, &request)) {
	case RTSP_MORE:
		return (size_t)size < sizeof(data);
	case RTSP_DONE:
	case RTSP_BAD:
		refusal->answered = true;
		return answer(refusal, &request);
	default:
		return false;
	}
}

/* What is left unread would reset the peer and eat the answer. */
static bool
discard(const struct refusal *refusal)
{
	ssize_t taken;

	do
		taken =
		    recv(refusal->fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
	while (taken > 0);
	return taken == -1 && errno == EAGAIN;
}

static void
ready(void *context, uint32_t events)
{
	struct refusal *refusal = context;

	(void)events;
	if (!refusal->answered && !read_request(refusal))
		end(refusal);
	else if (refusal->answered && !discard(refusal))
		end(refusal);
}

static void
expired(void *context, uint64_t now_us)
{
	(void)now_us;
	end(context);
}

static size_t
free_place(const struct refusals *refusals)
{
	size_t place = 0;

	while (place < REFUSALS_MAX && refusals->places[place].fd != -1)
		place++;
	return place;
}

bool
refusals_full(const struct refusals *refusals)
{
	return free_place(refusals) == REFUSALS_MAX;
}

void
refusals_take(struct refusals *refusals, int fd)
{
	size_t place = free_place(refusals);
	struct refusal *refusal = &refusals->places[place];

	if (place == REFUSALS_MAX ||
	    loop_add(refusals->loop, &refusal->watch, fd,
		EPOLLIN | EPOLLRDHUP | EPOLLET, ready, refusal) != 0) {
		close(fd);
		keep_descriptors(refusals);
		return;
	}
	refusal->fd = fd;
	refusal->answered = false;
	loop_timer_set(refusals->loop, &refusal->timer,
	    loop_now_us(refusals->loop) + REFUSAL_LIMIT_US, expired, refusal);
}

bool
refusals_accept(struct refusals *refusals, int listener)
{
	union sock_address peer, local;
	size_t i = 0;
	int fd;

	while (i < REFUSALS_KEPT && refusals->kept[i] == -1)
		i++;
	if (i == REFUSALS_KEPT)
		return false;
	close(refusals->kept[i]);
	refusals->kept[i] = -1;
	fd = sock_accept(listener, &peer, &local);
	if (fd >= 0)
		refusals_take(refusals, fd);
	else
		keep_descriptors(refusals);
	return fd >= 0;
}
