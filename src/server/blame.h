/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blame - what a worker is working on, so that a title or request that brings
 * its worker down is found out, and who it costs what.
 *
 * The lane's block holds a mark (TABLE_BLAME): before a request is parsed,
 * answered, or a title's packets are taken it names them.  Reader threads have
 * marks of their own (media/reader.h); when one of them faults, its mark counts
 * (TABLE_FAULT).  A successor that hears that his predecessor died of his own
 * fault judges by the mark.
 */
#ifndef SERVER_BLAME_H
#define SERVER_BLAME_H

#include "server/lane.h"

/* Deaths that cost nothing: the next one does. */
#define BLAME_FORGIVEN 1
/* A title's deaths add up only within this, and it is refused for so long. */
#define BLAME_US (60 * US_PER_SECOND)

/* Records, or TABLE_NONE. */
static inline void
blame_mark(struct lane *lane, uint32_t connection, uint32_t title)
{
	table_counter_set(lane->table, lane->number, TABLE_BLAME,
	    table_mark(connection, title));
}

static inline void
blame_nobody(struct lane *lane)
{
	blame_mark(lane, TABLE_NONE, TABLE_NONE);
}

/*
 * From now on SIGSEGV and its like leave the mark of the thread that caused
 * them, and end the process as before.  LANE is borrowed for good.
 */
void blame_watch_faults(struct lane *lane);

/*
 * At adoption, the lane is ours: FAULT says whether the predecessor died of his
 * own fault.  The records that his mark names are charged, and logged;
 * lane->ended_title is set.
 */
void blame_judge(struct lane *lane, bool fault);

#endif
