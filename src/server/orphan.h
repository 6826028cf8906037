/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * orphan - what a worker does when its master has died: it serves on, and hands
 * what it holds to the next master, who knocks at the lane's door.
 *
 * The door is a listening socket beside the pid file, made by the master and
 * inherited by each worker of the lane.  The connection made there becomes the
 * worker's new channel: first an estate, then a PUT for each connection, then
 * READY; from then on it is as any other.
 */
#ifndef SERVER_ORPHAN_H
#define SERVER_ORPHAN_H

#include <stdint.h>
#include <sys/types.h>

#include "server/lane.h"

struct orphan { /* the first part is filled by the worker, at its birth ... */
	struct lane *lane;
	int door; /* -1: none; nobody will come */
	uid_t master; /* who may come, besides root */
	pid_t master_pid; /* as the table says */
	/* lane->channel leads to another master: watch it. */
	void (*adopted)(void *context);
	/* Behind orphan_wait(): the lane is ours, or another's for good. */
	void (*waited)(void *context, bool ours);
	void *context;
	/* ... and before orphan_begin() */
	bool closing; /* the lane takes no more connections */
	unsigned listener_count;
	int listeners[SETTINGS_LIST_MAX]; /* borrowed */

	struct loop_watch watch;
	struct loop_timer storing, waiting;
	uint64_t wait_until_us;
	uint32_t next; /* connection to be stored */
};

/* The lane is ours now: who knocks is told our pid, who waits waits on. */
void orphan_own_lane(const struct orphan *orphan);
/*
 * The master has died before the lane was ours.  If its predecessor was just
 * leaving we are the only one to have its connections: wait for its end.
 */
void orphan_wait(struct orphan *orphan);
/* There is no master (any more); lane->orphan and lane->channel say so. */
void orphan_begin(struct orphan *orphan);

#endif
