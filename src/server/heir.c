/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks at all doors at once and waits for all answers together, before there
 * is a loop; and moves descriptors between estate and resources.  How the
 * collected workers are replaced is the crew's work.
 */
#include "server/heir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "base/loop.h"
#include "server/fdstore.h"
#include "server/process.h"

/* Between STOP and SIGKILL, and behind it. */
#define GOODBYE_US (5 * US_PER_SECOND)
#define KILLED_US US_PER_SECOND
/* For a lane that was changing hands when its master died. */
#define SUCCESSION_MS 2500
#define KNOCK_MS 20
#define ASKED_MAX 3

/* --- ending ----------------------------------------------------------------
 */
/* Until all have ended, at most for LIMIT_US; the ended, and nobody, are -1. */
static void
await_ends(int processes[static TABLE_LANES_MAX], uint64_t limit_us)
{
	uint64_t until_us = clock_monotonic_us() + limit_us, now_us;
	struct pollfd waits[TABLE_LANES_MAX];
	unsigned left;

	while ((now_us = clock_monotonic_us()) < until_us) {
		left = 0;
		for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
			waits[i] = (struct pollfd){ .fd = processes[i],
				.events = POLLIN };
			left += processes[i] != -1;
		}
		if (left == 0)
			return;
		/* It passes over -1. */
		poll(waits, TABLE_LANES_MAX,
		    (int)((until_us - now_us) / US_PER_MS) + 1);
		for (size_t i = 0; i < TABLE_LANES_MAX; i++)
			if (waits[i].revents != 0)
				processes[i] = -1;
	}
}

static void
kill_all(const int processes[static TABLE_LANES_MAX])
{
	for (size_t i = 0; i < TABLE_LANES_MAX; i++)
		if (processes[i] != -1)
			process_signal(processes[i], SIGKILL);
}

/* Those without a channel do not listen. */
static void
end_all(struct estate *estate)
{
	static const struct fdstore_message stop = { .kind = FDSTORE_STOP };
	int processes[TABLE_LANES_MAX];

	for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
		const struct estate_lane *lane = &estate->lanes[i];

		processes[i] = lane->process;
		if (lane->channel != -1)
			(void)fdstore_send(lane->channel, &stop, -1);
		else if (lane->process != -1)
			process_signal(lane->process, SIGKILL);
	}
	await_ends(processes, GOODBYE_US);
	kill_all(processes);
	await_ends(processes, KILLED_US);
	estate_close(estate);
}

unsigned
heir_dismiss(struct estate *estate, const char *why)
{
	unsigned count = 0;

	for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
		if (estate->lanes[i].pid == 0)
			continue;
		count++;
		log_warning("master",
		    "a dead master's worker is ended lane=%zu pid=%d: %s", i,
		    (int)estate->lanes[i].pid, why);
	}
	end_all(estate);
	return count;
}

/* --- collecting -------------------------------------------------------------
 */
struct call { /* at one door; the part's lane says who answers there */
	struct estate part;
	struct estate_lane worker; /* pid 0: nobody */
	int result; /* estate_receive()'s; -EAGAIN: go on listening */
};

/* 0; -ENOENT, -ECONNREFUSED: nobody is there; -ESRCH: he has ended. */
static int
knock(const char *path, struct estate_lane *out)
{
	struct sock_peer peer;
	int channel, process, error;

	if ((channel = sock_local_connect(path)) < 0)
		return channel;
	/* The kernel's word, not the orphan's. */
	error = sock_local_peer(channel, &peer);
	process = error != 0 ? error : process_open(peer.pid);
	if (process >= 0 && process_has_ended(process)) {
		close(process);
		process = -ESRCH;
	}
	if (process < 0) {
		close(channel);
		return process;
	}
	out->pid = peer.pid;
	out->channel = channel;
	out->process = process;
	return 0;
}

/*
 * Who listened last has ended, but somebody has the door: who was to follow
 * him, and will (orphan_wait()) or ends.  Until then knocks pile up there.
 */
static int
knock_again(const char *path, struct estate_lane *out)
{
	int error = knock(path, out);

	for (unsigned tries = 0; (error == -ESRCH || error == -EAGAIN) &&
				 tries < SUCCESSION_MS / KNOCK_MS;
	     tries++) {
		poll(NULL, 0, KNOCK_MS);
		error = knock(path, out);
	}
	return error;
}

static void
calls_begin(struct call *calls)
{
	for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
		estate_init(&calls[i].part);
		calls[i].worker = calls[i].part.lanes[i];
		calls[i].result = -EAGAIN;
	}
}

static void
knock_at_all(const struct instance *instance, struct call *calls)
{
	char path[INSTANCE_FILE_MAX];
	int error;

	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++) {
		if (calls[i].worker.pid != 0)
			continue;
		instance_door(instance, i, path);
		error = knock_again(path, &calls[i].worker);
		if (error != 0 && error != -ENOENT && error != -ECONNREFUSED)
			log_error("master", "cannot knock at %s: %s", path,
			    strerror(-error));
	}
}

/*
 * Whoever ended when the door had been knocked at did not answer himself, and
 * his follower is asked anew.  Are there any?
 */
static bool
hang_up_ended(struct call *calls)
{
	bool any = false;

	for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
		struct estate_lane *worker = &calls[i].worker;

		if (worker->pid == 0 || !process_has_ended(worker->process))
			continue;
		any = true;
		close(worker->channel);
		close(worker->process);
		estate_close(&calls[i].part);
		*worker = calls[i].part.lanes[i];
		calls[i].result = -EAGAIN;
	}
	return any;
}

static void
listen_to_all(struct call *calls, uint64_t until_us)
{
	struct pollfd waits[TABLE_LANES_MAX];
	uint64_t now_us;
	unsigned left;

	while ((now_us = clock_monotonic_us()) < until_us) {
		left = 0;
		for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
			bool waiting = calls[i].worker.pid != 0 &&
				       calls[i].result == -EAGAIN;

			waits[i] = (struct pollfd){
				.fd = waiting ? calls[i].worker.channel : -1,
				.events = POLLIN
			};
			left += waiting;
		}
		if (left == 0)
			return;
		poll(waits, TABLE_LANES_MAX,
		    (int)((until_us - now_us) / US_PER_MS) + 1);
		for (size_t i = 0; i < TABLE_LANES_MAX; i++)
			if (waits[i].revents != 0)
				calls[i].result =
				    estate_receive(waits[i].fd, &calls[i].part);
	}
}

/* Why it cannot be taken over; NULL: it was. */
static const char *
take_over(struct call *call, uint32_t lane, struct estate *out)
{
	struct estate_lane *taken = &out->lanes[lane];

	if (call->result == -EAGAIN)
		return "it does not answer";
	if (call->result != 1)
		return call->part.fault;
	if (!estate_merge(out, &call->part, lane))
		return "it serves another table";
	taken->pid = call->worker.pid;
	taken->process = call->worker.process;
	taken->channel = call->worker.channel;
	return NULL;
}

/* Into REFUSED, whose workers are ended together. */
static void
refuse(
    struct call *call, uint32_t lane, const char *why, struct estate *refused)
{
	struct estate_lane *worker = &call->worker;

	log_error("master",
	    "a dead master's worker cannot be taken over, it is ended "
	    "lane=%" PRIu32 " pid=%d: %s",
	    lane, (int)worker->pid, why);
	/* Any version knows STOP. */
	if (call->result != 1 && call->result != -EPROTO) {
		close(worker->channel);
		worker->channel = -1;
	}
	refused->lanes[lane] = *worker;
	estate_close(&call->part);
}

int
heir_collect(
    const struct instance *instance, uint64_t patience_us, struct estate *out)
{
	struct call *calls = calloc(TABLE_LANES_MAX, sizeof(*calls));
	struct estate refused;
	const char *why;

	if (calls == NULL)
		return -ENOMEM;
	estate_init(out);
	estate_init(&refused);
	calls_begin(calls);
	for (unsigned tries = 0; tries < ASKED_MAX; tries++) {
		knock_at_all(instance, calls);
		listen_to_all(calls, clock_monotonic_us() + patience_us);
		if (!hang_up_ended(calls))
			break;
	}
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++) {
		if (calls[i].worker.pid == 0)
			continue;
		if ((why = take_over(&calls[i], i, out)) != NULL)
			refuse(&calls[i], i, why, &refused);
	}
	end_all(&refused);
	free(calls);
	return 0;
}

/* --- resources ---------------------------------------------------------------
 */
/* As the first of CONFIG's that it can be: 0 as a port is any. */
static void
find_asked(const struct config *config, struct resources_listener *listener)
{
	union sock_address wanted, bound = listener->bound;

	listener->asked = listener->bound;
	for (unsigned i = 0; i < config->listen.count; i++) {
		if (sock_address_parse(config->listen.text[i], &wanted) != 0 ||
		    sock_address_port(&wanted) != 0)
			continue;
		sock_address_set_port(&bound, 0);
		if (memcmp(&wanted, &bound, sizeof(wanted)) == 0)
			listener->asked = wanted;
	}
}

static void
take_listeners(struct estate *estate, const struct config *config,
    struct resources_shared *out)
{
	for (unsigned i = 0; i < estate->listener_count; i++) {
		struct resources_listener *listener = &out->listeners[i];
		socklen_t length = sizeof(listener->bound);

		*listener =
		    (struct resources_listener){ .fd = estate->listeners[i] };
		getsockname(listener->fd, &listener->bound.any, &length);
		find_asked(config, listener);
	}
	out->listener_count = estate->listener_count;
	estate->listener_count = 0;
}

static int
take(int *from)
{
	int fd = *from;

	*from = -1;
	return fd;
}

/*
 * Is FD what CONFIG means?  Where it lies below a closed folder, a master that
 * has given up its privileges cannot see another one.
 */
static bool
is_configured_root(const struct config *config, int fd)
{
	struct stat named, held;

	if (stat(config->media_root, &named) != 0)
		return errno == EACCES;
	return fstat(fd, &held) == 0 && named.st_dev == held.st_dev &&
	       named.st_ino == held.st_ino;
}

/* Orphans leave none for new lanes: then a lane's own will do. */
static void
take_media_root(struct estate *estate, const struct config *config,
    struct resources_shared *out)
{
	out->media_root = take(&estate->media_root);
	for (size_t i = 0; out->media_root == -1 && i < TABLE_LANES_MAX; i++)
		if (estate->lanes[i].media_root != -1)
			out->media_root = fcntl(
			    estate->lanes[i].media_root, F_DUPFD_CLOEXEC, 0);
	if (is_configured_root(config, out->media_root))
		snprintf(out->media_root_name, sizeof(out->media_root_name),
		    "%s", config->media_root);
}

void
heir_take_shared(struct estate *estate, const struct config *config,
    struct resources_shared *out)
{
	take_media_root(estate, config, out);
	take_listeners(estate, config, out);
}

void
heir_take_resources(
    struct estate *estate, const struct config *config, struct resources *out)
{
	heir_take_shared(estate, config, &out->shared);
	for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
		struct estate_lane *from = &estate->lanes[i];
		struct resources_lane *lane = &out->lanes[i];

		lane->media_root = take(&from->media_root);
		lane->door = take(&from->door);
		for (size_t k = 0; k < 2; k++) {
			lane->pairs[k] = from->pairs[k];
			from->pairs[k] =
			    (struct sock_pair){ .rtp = -1, .rtcp = -1 };
		}
	}
}

void
heir_find_lost(struct estate *estate, const struct table *table)
{
	struct table_info info;

	table_info(table, &info);
	for (uint32_t i = 0; i < info.limits.lanes; i++)
		if (estate->lanes[i].state == 0 &&
		    (table_counter(table, i, TABLE_CONNECTIONS) != 0 ||
			table_counter(table, i, TABLE_SESSIONS) != 0))
			estate->lanes[i].state = ESTATE_SERVED;
}

void
heir_leave_resources(const struct resources *resources, struct estate *out)
{
	const struct resources_shared *shared = &resources->shared;

	out->media_root = shared->media_root;
	out->listener_count = shared->listener_count;
	for (unsigned i = 0; i < shared->listener_count; i++)
		out->listeners[i] = shared->listeners[i].fd;
	for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
		const struct resources_lane *lane = &resources->lanes[i];

		out->lanes[i].media_root = lane->media_root;
		out->lanes[i].door = lane->door;
		for (size_t k = 0; k < 2; k++)
			if (lane->pairs[k].family != 0)
				out->lanes[i].pairs[k] = lane->pairs[k];
	}
}
