/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers load questions.  A client's place is its turn modulo their number:
 * nothing is searched, and nobody can keep others out.
 */
#include "agent/load_port.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/allow.h"
#include "base/log.h"
#include "base/sock.h"
#include "wire/load.h"

#define ACCEPTS 16 /* in one turn of the loop */

struct client {
	struct load_port *port;
	int fd; /* -1: the place is free */
	struct loop_watch watch;
	struct loop_timer timer;
};

struct load_port {
	struct agent *agent;
	struct loop *loop;
	int listener;
	struct loop_watch watch;
	unsigned turn;
	struct client clients[LOAD_PORT_CLIENTS];
};

static void
end(struct client *client)
{
	if (client->fd == -1)
		return;
	loop_timer_clear(client->port->loop, &client->timer);
	loop_remove(client->port->loop, &client->watch);
	close(client->fd);
	client->fd = -1;
}

static void
expired(void *context, uint64_t now_us)
{
	(void)now_us;
	end(context);
}

/* What is left unread when it is closed would reset it and eat the answer. */
static void
discard(void *context, uint32_t events)
{
	struct client *client = context;
	char nothing[4096];
	ssize_t count;

	(void)events;
	count = recv(client->fd, nothing, sizeof(nothing), 0);
	if (count == 0 || (count == -1 && errno != EAGAIN && errno != EINTR))
		end(client);
}

static void
answer(struct load_port *port, int fd)
{
	struct client *client =
	    &port->clients[port->turn++ % LOAD_PORT_CLIENTS];
	char text[LOAD_REPORT_MAX];
	struct bytes_writer out = bytes_writer(text, sizeof(text));

	end(client);
	client->fd = fd;
	load_format(&out, agent_report(port->agent));
	/* Into an empty buffer: it goes out whole. */
	if (send(fd, text, out.at, MSG_NOSIGNAL) != (ssize_t)out.at ||
	    shutdown(fd, SHUT_WR) != 0 ||
	    loop_add(port->loop, &client->watch, fd, EPOLLIN, discard,
		client) != 0) {
		end(client);
		return;
	}
	loop_timer_set(port->loop, &client->timer,
	    loop_now_us(port->loop) + LOAD_PORT_LIMIT_US, expired, client);
}

static void
ready(void *context, uint32_t events)
{
	struct load_port *port = context;
	union sock_address peer, local;
	char text[SOCK_TEXT_MAX];

	(void)events;
	for (unsigned i = 0; i < ACCEPTS; i++) {
		int fd = sock_accept(port->listener, &peer, &local);

		if (fd < 0)
			return;
		if (allow_has(&port->agent->config->allowed, &peer)) {
			answer(port, fd);
			continue;
		}
		close(fd);
		log_warning("load", "refused, allow does not name it peer=%s",
		    sock_address_text(&peer, false, text));
	}
}

int
load_port_open(struct agent *agent, struct loop *loop, int listener,
    struct load_port **out)
{
	struct load_port *port = calloc(1, sizeof(*port));
	int error;

	if (port == NULL) {
		close(listener);
		return -ENOMEM;
	}
	port->agent = agent;
	port->loop = loop;
	port->listener = listener;
	for (unsigned i = 0; i < LOAD_PORT_CLIENTS; i++) {
		port->clients[i].port = port;
		port->clients[i].fd = -1;
	}
	error = loop_add(loop, &port->watch, listener, EPOLLIN, ready, port);
	if (error != 0) {
		load_port_close(port);
		return error;
	}
	*out = port;
	return 0;
}

void
load_port_close(struct load_port *port)
{
	if (port == NULL)
		return;
	for (unsigned i = 0; i < LOAD_PORT_CLIENTS; i++)
		end(&port->clients[i]);
	loop_remove(port->loop, &port->watch);
	close(port->listener);
	free(port);
}
