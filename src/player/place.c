/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way to a server: what its name stands for, and a connection.  Neither is
 * waited for longer than there is time, or when the client is to stop.
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base.h"
#include "player/client_parts.h"

/* ---- its name ---- */

struct lookup {
	struct client *client;
	GCancellable *cancellable;
	GList *found; /* of GInetAddress */
	bool is_over, is_late;
};

static void
on_answer(GObject *resolver, GAsyncResult *result, gpointer context)
{
	struct lookup *lookup = context;

	lookup->found = g_resolver_lookup_by_name_finish(
	    G_RESOLVER(resolver), result, NULL);
	lookup->is_over = true;
}

static gboolean
on_late(gpointer context)
{
	struct lookup *lookup = context;

	lookup->is_late = true;
	g_cancellable_cancel(lookup->cancellable);
	return G_SOURCE_REMOVE;
}

static gboolean
on_wake(gint wake, GIOCondition condition, gpointer context)
{
	struct lookup *lookup = context;
	eventfd_t value;

	(void)condition;
	eventfd_read(wake, &value);
	if (client_is_stopping(lookup->client))
		g_cancellable_cancel(lookup->cancellable);
	return G_SOURCE_CONTINUE;
}

static GSource *
watch(GMainContext *context, GSource *source, GSourceFunc function,
    struct lookup *lookup)
{
	g_source_set_callback(source, function, lookup, NULL);
	g_source_attach(source, context);
	return source;
}

static void
unwatch(GSource *source)
{
	g_source_destroy(source);
	g_source_unref(source);
}

/* The system's resolver knows no limit but its own; it is left alone then. */
static void
ask(struct lookup *lookup, uint64_t until_us)
{
	struct client *client = lookup->client;
	uint64_t now_us = client_now_us();
	uint64_t left_us = until_us - MIN_OF(until_us, now_us);
	GMainContext *context = g_main_context_new();
	GResolver *resolver = g_resolver_get_default();
	GSource *late, *wake;

	g_main_context_push_thread_default(context);
	lookup->cancellable = g_cancellable_new();
	late =
	    watch(context, g_timeout_source_new((guint)(left_us / US_PER_MS)),
		on_late, lookup);
	wake = watch(context, g_unix_fd_source_new(client->wake, G_IO_IN),
	    G_SOURCE_FUNC(on_wake), lookup);
	g_resolver_lookup_by_name_async(resolver, client->place->url.host,
	    lookup->cancellable, on_answer, lookup);
	while (!lookup->is_over)
		g_main_context_iteration(context, TRUE);
	unwatch(wake);
	unwatch(late);
	g_object_unref(lookup->cancellable);
	g_object_unref(resolver);
	g_main_context_pop_thread_default(context);
	g_main_context_unref(context);
}

static void
put_address(struct place *place, GInetAddress *found)
{
	GSocketAddress *address =
	    g_inet_socket_address_new(found, place->url.port);

	if (g_socket_address_to_native(address,
		&place->addresses[place->address_count],
		sizeof(place->addresses[0]), NULL))
		place->address_count++;
	g_object_unref(address);
}

/* Once; a cluster has one address for all its nodes. */
static bool
look_up(struct client *client, uint64_t until_us)
{
	struct lookup lookup = { .client = client };
	struct place *place = client->place;

	if (place->address_count > 0)
		return true;
	ask(&lookup, until_us);
	for (GList *at = lookup.found;
	     at != NULL && place->address_count < ADDRESSES_MOST; at = at->next)
		put_address(place, at->data);
	g_resolver_free_addresses(lookup.found);
	place->address = 0;
	if (place->address_count > 0)
		return true;
	failure_set(&client->failure, FAILURE_NO_CONNECTION,
	    lookup.is_late
		? "Where the server %.150s is could not be found out in time."
		: "The server %.150s is not known.",
	    place->url.host);
	return false;
}

/* ---- the connection ---- */

static void
not_connected(struct client *client, int error)
{
	const struct place *place = client->place;

	if (error == ECONNREFUSED)
		failure_set(&client->failure, FAILURE_NO_CONNECTION,
		    "There is no server at %.150s, port %u.", place->url.host,
		    place->url.port);
	else if (error == ETIMEDOUT)
		failure_set(&client->failure, FAILURE_NO_CONNECTION,
		    "The server %.150s does not answer.", place->url.host);
	else
		failure_set(&client->failure, FAILURE_NO_CONNECTION,
		    "The server %.150s cannot be reached (%s).",
		    place->url.host, strerror(error));
}

/* Waits for a connection, or for somebody who wants us to stop. */
static int
wait_connected(struct client *client, int fd, uint64_t until_us)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLOUT },
		{ .fd = client->wake, .events = POLLIN } };
	int error = 0;
	socklen_t length = sizeof(error);
	uint64_t now_us;

	while ((now_us = client_now_us()) < until_us) {
		eventfd_t value;

		poll(fds, 2, (int)((until_us - now_us) / US_PER_MS) + 1);
		if (fds[1].revents != 0)
			eventfd_read(client->wake, &value);
		if (client_is_stopping(client))
			return -EINTR;
		if (fds[0].revents == 0)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
			error = errno;
		return -error;
	}
	return -ETIMEDOUT;
}

/* A descriptor, or -errno. */
static int
connect_to(
    struct client *client, const union sock_address *address, uint64_t until_us)
{
	int fd = sock_connect(address), error;

	if (fd < 0)
		return fd;
	error = wait_connected(client, fd, until_us);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

static void
tell_server(struct client *client, const union sock_address *address)
{
	char text[SOCK_TEXT_MAX];

	sock_address_text(address, true, text);
	pthread_mutex_lock(&client->mutex);
	memcpy(client->status.server, text, sizeof(text));
	pthread_mutex_unlock(&client->mutex);
}

int
place_connect(struct client *client, uint64_t step_us, uint64_t until_us,
    union sock_address *peer)
{
	struct place *place = client->place;
	int fd;

	if (!look_up(client, MIN_OF(client_now_us() + step_us, until_us)))
		return -1;
	for (unsigned i = 0; i < place->address_count; i++) {
		/* The one that answered last is first. */
		*peer = place->addresses[place->address];
		fd = connect_to(
		    client, peer, MIN_OF(client_now_us() + step_us, until_us));
		if (fd >= 0) {
			tell_server(client, peer);
			return fd;
		}
		/* Given up: why it was lost was told then. */
		if (client_is_stopping(client) ||
		    (client->had_data && client_now_us() >= until_us))
			return -1;
		not_connected(client, -fd);
		place->address = (place->address + 1) % place->address_count;
	}
	return -1;
}
