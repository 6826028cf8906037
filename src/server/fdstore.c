/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The master's store of descriptors, by lane and record, and the messages by
 * which it is filled and handed on.  What is stored is never read from or
 * written to here.
 */
#include "server/fdstore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

struct stored {
	uint64_t cookie;
	int fd; /* -1: none */
	uint32_t given_to; /* the last receiver */
};

/* On its way to a lane that has not put it yet. */
struct moved {
	struct moved *next;
	struct stored stored;
	bool sent; /* to the lane's living worker */
	unsigned tries; /* workers it was sent to */
};

/* Who was sent it has ended without putting it: it may be of its doing. */
#define MOVED_TRIES 2

struct fdstore_lane {
	struct moved *moved; /* list, owned */
	uint32_t count;
	uint32_t end; /* records from here on were never stored */
	struct stored *stored;
};

struct fdstore {
	uint32_t lane_count, capacity;
	struct fdstore_lane lanes[];
};

int
fdstore_new(uint32_t lanes, uint32_t connections_per_lane, struct fdstore **out)
{
	struct fdstore *store;

	store = calloc(1, sizeof(*store) + lanes * sizeof(store->lanes[0]));
	if (store == NULL)
		return -ENOMEM;
	store->lane_count = lanes;
	store->capacity = connections_per_lane;
	for (uint32_t i = 0; i < lanes; i++) {
		store->lanes[i].stored = calloc(
		    connections_per_lane, sizeof(store->lanes[i].stored[0]));
		if (store->lanes[i].stored == NULL) {
			fdstore_free(store);
			return -ENOMEM;
		}
	}
	*out = store;
	return 0;
}

static void
forget_moved(struct fdstore_lane *lane, uint64_t cookie)
{
	struct moved **at = &lane->moved, *moved;

	while (*at != NULL && (*at)->stored.cookie != cookie)
		at = &(*at)->next;
	if ((moved = *at) == NULL)
		return;
	*at = moved->next;
	close(moved->stored.fd);
	free(moved);
}

void
fdstore_free(struct fdstore *store)
{
	if (store == NULL)
		return;
	for (uint32_t i = 0; i < store->lane_count; i++) {
		struct fdstore_lane *lane = &store->lanes[i];

		for (uint32_t k = 0; k < lane->end; k++)
			if (lane->stored[k].fd != -1)
				close(lane->stored[k].fd);
		free(lane->stored);
		while (lane->moved != NULL)
			forget_moved(lane, lane->moved->stored.cookie);
	}
	free(store);
}

int
fdstore_put(struct fdstore *store, uint32_t lane_number, uint32_t connection,
    uint64_t cookie, int fd)
{
	struct fdstore_lane *lane;
	struct stored *stored;

	if (lane_number >= store->lane_count || connection >= store->capacity) {
		close(fd);
		return -ERANGE;
	}
	lane = &store->lanes[lane_number];
	forget_moved(lane, cookie);
	while (lane->end <= connection)
		lane->stored[lane->end++].fd = -1;
	stored = &lane->stored[connection];
	if (stored->fd != -1)
		close(stored->fd);
	else
		lane->count++;
	*stored = (struct stored){ .cookie = cookie, .fd = fd };
	return 0;
}

/* Out of the store; -1: there is none with this cookie. */
static int
take_out(struct fdstore *store, uint32_t lane_number, uint32_t connection,
    uint64_t cookie)
{
	struct fdstore_lane *lane;
	struct stored *stored;
	int fd;

	if (lane_number >= store->lane_count)
		return -1;
	lane = &store->lanes[lane_number];
	if (connection >= lane->end)
		return -1;
	stored = &lane->stored[connection];
	/* A late message about an earlier connection of the same record. */
	if (stored->fd == -1 || stored->cookie != cookie)
		return -1;
	fd = stored->fd;
	stored->fd = -1;
	lane->count--;
	return fd;
}

bool
fdstore_drop(
    struct fdstore *store, uint32_t lane, uint32_t connection, uint64_t cookie)
{
	int fd = take_out(store, lane, connection, cookie);

	if (fd == -1)
		return false;
	close(fd);
	return true;
}

bool
fdstore_move(struct fdstore *store, uint32_t lane, uint32_t connection,
    uint64_t cookie, uint32_t to)
{
	struct moved *moved;
	int fd;

	if (to >= store->lane_count ||
	    (moved = calloc(1, sizeof(*moved))) == NULL)
		return false;
	if ((fd = take_out(store, lane, connection, cookie)) == -1) {
		free(moved);
		return false;
	}
	moved->stored = (struct stored){ .cookie = cookie, .fd = fd };
	moved->next = store->lanes[to].moved;
	store->lanes[to].moved = moved;
	return true;
}

int
fdstore_send_moved(struct fdstore *store, uint32_t lane, int channel)
{
	struct moved *moved;
	int error;

	for (moved = store->lanes[lane].moved; moved != NULL;
	     moved = moved->next) {
		const struct fdstore_message take = {
			.kind = FDSTORE_TAKE,
			.cookie = moved->stored.cookie,
		};

		if (moved->sent)
			continue;
		error = fdstore_send(channel, &take, moved->stored.fd);
		if (error != 0)
			return error;
		moved->sent = true;
		moved->tries++;
	}
	return 0;
}

bool
fdstore_has_moved(const struct fdstore *store, uint32_t lane)
{
	return store->lanes[lane].moved != NULL;
}

void
fdstore_clear(struct fdstore *store, uint32_t lane_number)
{
	struct fdstore_lane *lane = &store->lanes[lane_number];

	for (uint32_t i = 0; i < lane->end; i++) {
		if (lane->stored[i].fd != -1)
			close(lane->stored[i].fd);
		lane->stored[i].fd = -1;
	}
	lane->count = 0;
}

uint32_t
fdstore_count(const struct fdstore *store, uint32_t lane)
{
	return lane < store->lane_count ? store->lanes[lane].count : 0;
}

void
fdstore_each(struct fdstore *store, uint32_t lane,
    void (*each)(void *context, uint32_t connection, uint64_t cookie, int fd),
    void *context)
{
	if (lane >= store->lane_count)
		return;
	for (uint32_t i = 0; i < store->lanes[lane].end; i++) {
		const struct stored *stored = &store->lanes[lane].stored[i];

		if (stored->fd != -1)
			each(context, i, stored->cookie, stored->fd);
	}
}

/* Who was sent them is not there any more. */
static void
unsend_moved(struct fdstore_lane *lane)
{
	struct moved *moved, *next;

	for (moved = lane->moved; moved != NULL; moved = next) {
		next = moved->next;
		moved->sent = false;
		if (moved->tries == MOVED_TRIES)
			forget_moved(lane, moved->stored.cookie);
	}
}

int
fdstore_supply(
    struct fdstore *store, uint32_t lane_number, struct fdstore_receiver *to)
{
	struct fdstore_lane *lane = &store->lanes[lane_number];
	int error;

	for (; to->next < lane->end; to->next++) {
		struct stored *stored = &lane->stored[to->next];
		const struct fdstore_message give = {
			.kind = FDSTORE_GIVE,
			.connection = to->next,
			.cookie = stored->cookie,
		};

		if (stored->fd == -1 || stored->given_to == to->number)
			continue;
		error = fdstore_send(to->channel, &give, stored->fd);
		if (error != 0)
			return error;
		stored->given_to = to->number;
	}
	return 0;
}

int
fdstore_give(struct fdstore *store, uint32_t lane_number,
    struct fdstore_receiver *to, bool fault)
{
	const struct fdstore_message given = { .kind = FDSTORE_GIVEN,
		.connection = fault };
	int error;

	unsend_moved(&store->lanes[lane_number]);
	error = fdstore_supply(store, lane_number, to);
	return error != 0 ? error : fdstore_send(to->channel, &given, -1);
}

/* --- messages ----------------------------------------------------------------
 */
int
fdstore_send(int channel, const struct fdstore_message *message, int fd)
{
	int error = sock_send_fds(
	    channel, message, sizeof(*message), &fd, fd == -1 ? 0 : 1);

	switch (error) {
	case -ENOBUFS:
	case -ENOMEM:
	case -ETOOMANYREFS: /* too many of this user's are on their way */
		log_shortage(
		    "channel", "a message has to wait: %s", strerror(-error));
		return -EAGAIN;
	default:
		return error;
	}
}

/* Which messages come with a descriptor. */
static bool
is_whole(const struct fdstore_message *message, ssize_t size, size_t fd_count)
{
	if (size != (ssize_t)sizeof(*message))
		return false;
	switch (message->kind) {
	case FDSTORE_PUT:
	case FDSTORE_GIVE:
	case FDSTORE_TAKE:
		return fd_count == 1;
	case FDSTORE_LOG:
		return true;
	default:
		return fd_count == 0;
	}
}

int
fdstore_receive(int channel, struct fdstore_message *out, int *fd)
{
	struct fdstore_message message;
	size_t count = 0;
	ssize_t size;
	int received = -1;

	/*
	 * The kernel reports a peer that died with unread messages as an error,
	 * once, ahead of what that peer had sent; that is still there.
	 */
	do {
		size = sock_receive_fds(
		    channel, &message, sizeof(message), &received, 1, &count);
		if (size == -EMFILE)
			log_shortage("channel",
			    "a connection's descriptor is lost: %s",
			    strerror(EMFILE));
	} while (size == -ECONNRESET || size == -EINTR || size == -EMFILE);
	if (size == -EMSGSIZE)
		return -EBADMSG;
	if (size <= 0)
		return (int)size;
	if (!is_whole(&message, size, count)) {
		if (count == 1)
			close(received);
		return -EBADMSG;
	}
	*out = message;
	*fd = count == 1 ? received : -1;
	return 1;
}
