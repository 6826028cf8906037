/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What they say is heard, so that their channels never fill, but not used: for
 * what they would store there is no successor.  Whether they hang cannot be
 * seen, since their heartbeats are in their table.
 */
#include "server/former.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "server/fdstore.h"
#include "server/process.h"

#define STOP_US (5 * US_PER_SECOND)

struct former_worker {
	struct former *former;
	pid_t pid; /* 0: it has ended */
	int channel, process; /* -1: none */
	struct loop_watch channel_watch, process_watch;
};

struct former {
	struct loop *loop;
	void (*emptied)(void *context);
	void *context;
	struct loop_timer stop;
	struct former_worker workers[TABLE_LANES_MAX];
};

/* A child is known by its number only so far. */
static int
open_processes(struct estate *estate)
{
	for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
		struct estate_lane *lane = &estate->lanes[i];

		if (lane->pid == 0 || lane->process != -1)
			continue;
		lane->process = process_open(lane->pid);
		if (lane->process < 0) {
			int error = lane->process;

			lane->process = -1;
			return error;
		}
	}
	return 0;
}

int
former_new(struct estate *estate, struct former **out)
{
	struct former *former = calloc(1, sizeof(*former));
	int error;

	if (former == NULL)
		return -ENOMEM;
	if ((error = open_processes(estate)) != 0) {
		free(former);
		return error;
	}
	for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
		struct estate_lane *lane = &estate->lanes[i];

		former->workers[i] = (struct former_worker){ .former = former,
			.pid = lane->pid,
			.channel = lane->channel,
			.process = lane->process };
		lane->pid = 0;
		lane->channel = lane->process = -1;
	}
	*out = former;
	return 0;
}

static void
close_all(struct former_worker *worker)
{
	if (worker->channel != -1)
		close(worker->channel);
	if (worker->process != -1)
		close(worker->process);
	worker->channel = worker->process = -1;
	worker->pid = 0;
}

static void
let_go(struct former_worker *worker)
{
	struct loop *loop = worker->former->loop;

	if (loop != NULL) {
		loop_remove(loop, &worker->channel_watch);
		loop_remove(loop, &worker->process_watch);
	}
	close_all(worker);
}

void
former_in_child(struct former *former)
{
	for (size_t i = 0; former != NULL && i < TABLE_LANES_MAX; i++)
		close_all(&former->workers[i]);
}

void
former_free(struct former *former)
{
	if (former == NULL)
		return;
	if (former->loop != NULL)
		loop_timer_clear(former->loop, &former->stop);
	for (size_t i = 0; i < TABLE_LANES_MAX; i++)
		let_go(&former->workers[i]);
	free(former);
}

static void
hear(void *context, uint32_t events)
{
	struct former_worker *worker = context;
	struct fdstore_message message;
	int fd, result;

	(void)events;
	while (
	    (result = fdstore_receive(worker->channel, &message, &fd)) == 1 ||
	    result == -EBADMSG)
		if (result == 1 && fd != -1)
			close(fd);
	if (result != -EAGAIN)
		loop_remove(worker->former->loop, &worker->channel_watch);
}

static void
ended(void *context, uint32_t events)
{
	struct former_worker *worker = context;
	struct former *former = worker->former;

	(void)events;
	log_info("master", "worker of the former table has ended pid=%d",
	    (int)worker->pid);
	let_go(worker);
	if (former_alive(former) == 0)
		former->emptied(former->context);
}

void
former_begin(struct former *former, struct loop *loop,
    void (*emptied)(void *context), void *context)
{
	if (former == NULL)
		return;
	former->loop = loop;
	former->emptied = emptied;
	former->context = context;
	for (size_t i = 0; i < TABLE_LANES_MAX; i++) {
		struct former_worker *worker = &former->workers[i];

		if (worker->pid == 0)
			continue;
		loop_add(loop, &worker->channel_watch, worker->channel, EPOLLIN,
		    hear, worker);
		loop_add(loop, &worker->process_watch, worker->process, EPOLLIN,
		    ended, worker);
	}
}

static void
tell_all(struct former *former, enum fdstore_kind kind)
{
	const struct fdstore_message message = { .kind = kind };

	for (size_t i = 0; former != NULL && i < TABLE_LANES_MAX; i++)
		if (former->workers[i].pid != 0)
			(void)fdstore_send(
			    former->workers[i].channel, &message, -1);
}

void
former_close(struct former *former)
{
	tell_all(former, FDSTORE_CLOSE);
}

static void
stop_late(void *context, uint64_t now_us)
{
	(void)now_us;
	former_kill(context);
}

void
former_stop(struct former *former)
{
	if (former == NULL)
		return;
	tell_all(former, FDSTORE_STOP);
	loop_timer_set(former->loop, &former->stop,
	    clock_monotonic_us() + STOP_US, stop_late, former);
}

void
former_kill(struct former *former)
{
	for (size_t i = 0; former != NULL && i < TABLE_LANES_MAX; i++)
		if (former->workers[i].pid != 0)
			process_signal(former->workers[i].process, SIGKILL);
}

unsigned
former_alive(const struct former *former)
{
	unsigned count = 0;

	for (size_t i = 0; former != NULL && i < TABLE_LANES_MAX; i++)
		count += former->workers[i].pid != 0;
	return count;
}
