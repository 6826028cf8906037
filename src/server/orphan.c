/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker's side of its master's death.  What a new master makes of what it
 * is handed is that one's business (heir); nothing changes for clients.
 */
#include "server/orphan.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "server/connection.h"
#include "server/estate.h"

/* For a predecessor that was told to leave. */
#define WAIT_US (2 * US_PER_SECOND)

/*
 * Where a reader thread of the predecessor hangs in the kernel it has the lock
 * until it is gone; the master knows better then.
 */
void
orphan_own_lane(const struct orphan *orphan)
{
	const struct lane *lane = orphan->lane;
	int error = orphan->door == -1 ? 0 : sock_local_own(orphan->door);

	(void)table_lane_lock(lane->table, lane->number);
	if (error != 0)
		log_error("worker", "cannot own the door lane=%" PRIu32 ": %s",
		    lane->number, strerror(-error));
}

/* --- waiting ----------------------------------------------------------------
 */
static bool
is_master_another(const struct orphan *orphan)
{
	struct table_info info;

	table_info(orphan->lane->table, &info);
	return info.master_pid != orphan->master_pid;
}

static void
look_at_predecessor(void *context, uint64_t now_us)
{
	struct orphan *orphan = context;
	struct lane *lane = orphan->lane;
	bool ended = table_lane_lock(lane->table, lane->number) == 0;

	/* A new master's relief is not us.  Asked behind the lock: he is there
	 * before he has anybody leave a lane. */
	if (!is_master_another(orphan) && !ended &&
	    now_us < orphan->wait_until_us)
		loop_timer_set(lane->loop, &orphan->waiting,
		    now_us + LOOP_TICK_US, look_at_predecessor, orphan);
	else
		orphan->waited(
		    orphan->context, ended && !is_master_another(orphan));
}

void
orphan_wait(struct orphan *orphan)
{
	uint64_t now_us = clock_monotonic_us();

	orphan->wait_until_us = now_us + WAIT_US;
	look_at_predecessor(orphan, now_us);
}

/* --- handing over -----------------------------------------------------------
 */
static int
send_estate(const struct orphan *orphan, int channel)
{
	const struct lane *lane = orphan->lane;
	struct estate_lane *own;
	struct estate estate;

	estate_init(&estate); /* owns nothing of what is put in here */
	estate.table = table_descriptor(lane->table);
	estate.hash_seed = lane->hash_seed;
	estate.listener_count = orphan->listener_count;
	memcpy(estate.listeners, orphan->listeners, sizeof(estate.listeners));
	own = &estate.lanes[lane->number];
	own->state = ESTATE_SERVED | (orphan->closing ? ESTATE_CLOSING : 0u);
	own->media_root = lane->media_root;
	own->door = orphan->door;
	for (size_t i = 0; i < 2; i++)
		if (lane->pairs[i].family != 0)
			own->pairs[i] = lane->pairs[i];
	return estate_send(&estate, channel);
}

static void
forget_old_master(const struct lane *lane)
{
	for (uint32_t i = 0; i < lane->connection_slots; i++)
		if (lane->connections[i] != NULL)
			connection_lose_master(lane->connections[i]);
}

/* As many as the channel takes; READY says that those were all. */
static void
store_connections(void *context, uint64_t now_us)
{
	const struct fdstore_message ready = { .kind = FDSTORE_READY };
	struct orphan *orphan = context;
	struct lane *lane = orphan->lane;
	bool behind = false;

	for (; orphan->next < lane->connection_slots; orphan->next++) {
		struct connection *connection = lane->connections[orphan->next];

		behind = connection != NULL && !connection_store(connection);
		if (behind)
			break;
	}
	if (!behind)
		behind = fdstore_send(lane->channel, &ready, -1) == -EAGAIN;
	/* A master who has died is noticed where the channel is read. */
	if (behind)
		loop_timer_set(lane->loop, &orphan->storing,
		    now_us + LOOP_TICK_US, store_connections, orphan);
}

/* Who is at the door gets the estate, if he may: a descriptor or -errno. */
static int
answer(const struct orphan *orphan, struct sock_peer *peer)
{
	int fd = sock_local_accept(orphan->door);
	int error;

	if (fd < 0)
		return fd;
	error = sock_local_peer(fd, peer);
	if (error == 0 && peer->uid != 0 && peer->uid != orphan->master)
		error = -EPERM;
	if (error == 0)
		error = send_estate(orphan, fd);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

static void
knocked(void *context, uint32_t events)
{
	struct orphan *orphan = context;
	struct lane *lane = orphan->lane;
	struct sock_peer peer = { 0 };
	int fd = answer(orphan, &peer);

	(void)events;
	if (fd < 0) {
		log_warning("worker",
		    "nothing was handed over lane=%" PRIu32
		    " pid=%d uid=%u: %s",
		    lane->number, (int)peer.pid, (unsigned)peer.uid,
		    strerror(-fd));
		return;
	}
	log_info("worker", "there is a new master lane=%" PRIu32 " pid=%d",
	    lane->number, (int)peer.pid);
	loop_remove(lane->loop, &orphan->watch);
	lane->channel = fd;
	lane->orphan = false;
	forget_old_master(lane);
	orphan->next = 0;
	orphan->adopted(orphan->context);
	if (!lane->orphan)
		store_connections(orphan, loop_now_us(lane->loop));
}

void
orphan_begin(struct orphan *orphan)
{
	struct lane *lane = orphan->lane;
	int error;

	loop_timer_clear(lane->loop, &orphan->storing);
	if (orphan->door == -1)
		return;
	error = loop_add(
	    lane->loop, &orphan->watch, orphan->door, EPOLLIN, knocked, orphan);
	if (error != 0)
		log_error("worker",
		    "cannot watch the door lane=%" PRIu32 ": %s", lane->number,
		    strerror(-error));
}
