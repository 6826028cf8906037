/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the master by its lock, signals exactly that process (by pidfd, so that
 * a number used again hurts nobody), and waits for the outcome in the status
 * file.
 */
#include "server/control.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"
#include "server/heir.h"
#include "server/process.h"
#include "table/table.h"

#define WAIT_US (30 * US_PER_SECOND)
#define LOOK_MS 20
#define ORPHANS_US (5 * US_PER_SECOND)

struct order {
	const struct instance *instance;
	int process; /* pidfd */
	pid_t pid;
};

/* True when the process ended within LIMIT_MS. */
static bool
has_ended(const struct order *order, int limit_ms)
{
	struct pollfd ended = { .fd = order->process, .events = POLLIN };

	return poll(&ended, 1, limit_ms) == 1;
}

static int
send_signal(const struct order *order, int signal)
{
	int error = process_signal(order->process, signal);

	if (error == 0)
		return 0;
	fprintf(stderr, "vodd: cannot signal pid %d: %s\n", (int)order->pid,
	    strerror(-error));
	return 1;
}

static int
do_stop(const struct order *order)
{
	if (send_signal(order, SIGTERM) != 0)
		return 1;
	if (!has_ended(order, (int)(WAIT_US / US_PER_MS))) {
		fprintf(stderr,
		    "vodd: instance %s, pid %d, has not ended after 30 s\n",
		    order->instance->name, (int)order->pid);
		return 1;
	}
	printf("vodd: instance %s has stopped\n", order->instance->name);
	return 0;
}

static bool
is(const struct instance_status *status, const char *state)
{
	return strcmp(status->state, state) == 0;
}

/*
 * Until DONE of the status; what it did not do is WHAT.  0: *STATUS is that
 * one.
 */
static int
await_status(const struct order *order,
    bool (*done)(const struct instance_status *status, uint64_t begun),
    uint64_t begun, const char *what, struct instance_status *status)
{
	uint64_t until_us = clock_monotonic_us() + WAIT_US;

	while (clock_monotonic_us() < until_us) {
		if (instance_read_status(order->instance, status) == 0 &&
		    done(status, begun))
			return 0;
		if (has_ended(order, LOOK_MS)) {
			fprintf(stderr, "vodd: instance %s has ended\n",
			    order->instance->name);
			return 1;
		}
	}
	fprintf(stderr, "vodd: instance %s %s after 30 s\n",
	    order->instance->name, what);
	return 1;
}

static bool
has_started(const struct instance_status *status, uint64_t begun)
{
	(void)begun;
	return !is(status, "starting");
}

/* It is waited for while it starts.  False: not in its state, and said so. */
static bool
can(const struct order *order, const char *what, struct instance_status *status)
{
	const struct instance *instance = order->instance;

	if (instance_read_status(instance, status) != 0) {
		fprintf(
		    stderr, "vodd: %s cannot be read\n", instance->status_file);
		return false;
	}
	if (await_status(order, has_started, 0, "has not started", status) != 0)
		return false;
	if (is(status, "serving") || is(status, "draining"))
		return true;
	fprintf(stderr, "vodd: instance %s is %s, it cannot %s\n",
	    instance->name, status->state, what);
	return false;
}

/* Of an order whose outcome stands in the status file. */
struct change {
	int signal;
	const char *noun, *verb, *past;
};

static int
report_change(const struct order *order, const struct change *change,
    const struct instance_status *status)
{
	const char *name = order->instance->name;

	if (status->outcome == INSTANCE_REFUSED) {
		fprintf(stderr,
		    "vodd: %s of instance %s refused, it goes on as it was: "
		    "%s\n",
		    change->noun, name, status->message);
		return 1;
	}
	if (status->outcome == INSTANCE_FAILED) {
		fprintf(stderr, "vodd: instance %s has %s, but: %s\n", name,
		    change->past, status->message);
		return 1;
	}
	printf("vodd: instance %s has %s, generation %" PRIu64 ": %s\n", name,
	    change->past, status->generation, status->message);
	return 0;
}

static bool
has_changed(const struct instance_status *status, uint64_t begun)
{
	return status->reloads_done > begun;
}

/*
 * Of a change that began before our signal it is not known which configuration
 * it read; the one that begins next is ours.
 */
static int
do_change(const struct order *order, const struct change *change)
{
	struct instance_status status;
	char late[64];

	if (!can(order, change->verb, &status))
		return 1;
	snprintf(late, sizeof(late), "has not %s", change->past);
	if (send_signal(order, change->signal) != 0 ||
	    await_status(
		order, has_changed, status.reloads_begun, late, &status) != 0)
		return 1;
	return report_change(order, change, &status);
}

static int
do_reload(const struct order *order)
{
	static const struct change reload = { SIGHUP, "reload", "reload",
		"reloaded" };

	return do_change(order, &reload);
}

static int
do_upgrade(const struct order *order)
{
	static const struct change upgrade = { SIGUSR2, "upgrade",
		"be upgraded", "been upgraded" };

	return do_change(order, &upgrade);
}

static bool
is_draining(const struct instance_status *status, uint64_t begun)
{
	(void)begun;
	return is(status, "draining");
}

static int
do_drain(const struct order *order)
{
	struct instance_status status;

	if (!can(order, "drain", &status) ||
	    send_signal(order, SIGRTMIN + INSTANCE_DRAIN) != 0 ||
	    await_status(order, is_draining, 0, "does not drain", &status) != 0)
		return 1;
	printf("vodd: instance %s drains, its sessions go on\n",
	    order->instance->name);
	return 0;
}

static bool
is_serving(const struct instance_status *status, uint64_t begun)
{
	(void)begun;
	return is(status, "serving");
}

static int
do_undrain(const struct order *order)
{
	struct instance_status status;

	if (!can(order, "undrain", &status) ||
	    send_signal(order, SIGRTMIN + INSTANCE_UNDRAIN) != 0 ||
	    await_status(order, is_serving, 0, "still drains", &status) != 0)
		return 1;
	printf("vodd: instance %s serves\n", order->instance->name);
	return 0;
}

/* What a master that was killed has left.  How many workers that were. */
static unsigned
stop_orphans(const struct instance *found)
{
	struct instance instance = *found;
	struct estate estate;
	unsigned count = 0;

	if (instance_claim(&instance) != 0)
		return 0;
	if (heir_collect(&instance, ORPHANS_US, &estate) == 0)
		count = heir_dismiss(&estate, "told to");
	if (count > 0)
		table_unlink(instance.table);
	instance_release(&instance);
	return count;
}

static int
run_without_master(const struct instance *instance, const char *name)
{
	unsigned count = strcmp(name, "stop") == 0 ? stop_orphans(instance) : 0;

	if (count > 0) {
		printf("vodd: instance %s had no master, its %u workers have "
		       "stopped\n",
		    instance->name, count);
		return 0;
	}
	fprintf(stderr,
	    "vodd: no instance %s is running (no master holds %s)\n",
	    instance->name, instance->pid_file);
	return 1;
}

static const struct {
	const char *name;
	int (*action)(const struct order *order);
} actions[] = {
	{ "stop", do_stop },
	{ "reload", do_reload },
	{ "upgrade", do_upgrade },
	{ "drain", do_drain },
	{ "undrain", do_undrain },
};

bool
control_knows(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return true;
	return false;
}

int
control_run(const struct instance *instance, const char *name)
{
	struct order order = { .instance = instance };
	int result = 1;

	order.pid = instance_master(instance);
	if (order.pid == 0)
		return run_without_master(instance, name);
	order.process = order.pid < 0 ? -1 : process_open(order.pid);
	/* Still the same: then the descriptor is the master's. */
	if (order.process < 0 || instance_master(instance) != order.pid) {
		fprintf(stderr,
		    "vodd: the master of instance %s cannot be reached\n",
		    instance->name);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			result = actions[i].action(&order);
	close(order.process);
	return result;
}
