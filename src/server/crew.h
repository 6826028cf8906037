/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crew - the workers of an instance as processes: one per lane, forked, heard,
 * watched, replaced.
 *
 * The crew keeps every lane that is in use served until it is told to end; what
 * happens is told to the master, who decides nothing about a single process.
 *
 * A lane changes hands in two ways.  Its worker dies: a successor is given what
 * was stored.  It is relieved: another process is born first, says that it is
 * prepared, and only then the worker is told to leave; until that has ended the
 * lane is none of the relief's.
 *
 * Who succeeds the dead is a spare: a process of the lane that was forked, and
 * has prepared itself, beforehand, so that viewers do not wait for that.  One
 * is made behind each worker that is ready; without one a successor is forked.
 * No spare counts as a worker anywhere.
 */
#ifndef SERVER_CREW_H
#define SERVER_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "server/config.h"
#include "server/estate.h"
#include "server/fdstore.h"
#include "server/privileges.h"
#include "server/resources.h"
#include "table/table.h"

enum crew_event {
	CREW_READY, /* the lane's worker serves */
	CREW_DIED, /* it had been ready */
	CREW_DIED_EARLY, /* it had not */
	CREW_RELIEF_DIED, /* before its turn; the worker serves on */
	CREW_SPARE_DIED, /* likewise; there will be another */
	CREW_CLOSED, /* the lane's last connection has ended */
};
typedef void crew_happened(
    void *context, uint32_t lane, enum crew_event event, const char *how);

struct crew_birth { /* all borrowed until crew_free() */
	struct loop *loop;
	const struct config *config; /* as it is when a worker is forked */
	struct table *table;
	const struct resources *resources; /* as they are then */
	const struct privileges *privileges;
	bool spares;
	crew_happened *happened;
	/* In a fresh child: let go of what is the master's. */
	void (*in_child)(void *context);
	void *context;
};

enum crew_state {
	CREW_IDLE, /* nobody serves it */
	CREW_SERVED,
	CREW_CLOSING, /* until its last connection has ended */
};

struct crew;

int crew_new(const struct crew_birth *birth, struct crew **out);
/* The workers' processes have ended, or see their channels close. */
void crew_free(struct crew *crew); /* accepts NULL */

/* From now on those that are silent are noticed. */
void crew_start(struct crew *crew);
/* SIGCHLD came. */
void crew_reap(struct crew *crew);
unsigned crew_alive(const struct crew *crew); /* processes, all there are */
unsigned crew_ready(const struct crew *crew); /* lanes, not those that close */
uint32_t crew_descriptors(const struct crew *crew); /* stored, all lanes */

enum crew_state crew_state(const struct crew *crew, uint32_t lane);
/* LANE is idle, the table and the resources have it: have it served. */
void crew_open(struct crew *crew, uint32_t lane);
/*
 * Have LANE served by a new process; one that was closing stays open.
 * CREW_RELIEF_DIED follows, or, when the new one serves, CREW_READY without
 * crew_is_relieving().  -errno: nothing was done.
 */
int crew_relieve(struct crew *crew, uint32_t lane);
bool crew_is_relieving(const struct crew *crew, uint32_t lane);
/*
 * The birth, and what it points to, is about to change, and may be changed
 * back: no spares are made until that is done.  Those that there are go with
 * the workers that they are to follow.
 */
void crew_change(struct crew *crew, bool changing);
/* No new connections; when the last has ended nobody serves LANE. */
void crew_close(struct crew *crew, uint32_t lane);

/*
 * Lanes, workers and stored connections, from ESTATE into a new crew; the
 * resources have what the lanes need.  Workers may be others' children.
 */
void crew_inherit(struct crew *crew, struct estate *estate);
/* No lane is changing hands: crew_leave() can say all that there is. */
bool crew_is_settled(const struct crew *crew);
/* The same into OUT, which owns nothing of it.  -ENOMEM. */
int crew_leave(const struct crew *crew, struct estate *out);

/* No new sessions, successors included; or new ones again. */
void crew_drain(struct crew *crew, bool draining);
/*
 * Log at this level; FD: the log file, opened anew; duplicated, -1: as it is.
 */
void crew_log(struct crew *crew, uint32_t level, int fd);
/* Say goodbye and end; nobody is replaced from now on. */
void crew_stop(struct crew *crew);
void crew_kill(struct crew *crew);

#endif
