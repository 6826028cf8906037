/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * adopt - what a predecessor left in a lane goes on: connections, their
 * sessions, their titles (architecture, sections 2 and 3).
 */
#ifndef SERVER_ADOPT_H
#define SERVER_ADOPT_H

#include "server/lane.h"

/* A descriptor that the master kept; -1: none of this record. */
struct adopt_given {
	uint64_t cookie;
	int fd;
};

/*
 * The lane is ours (table_lane_open()).  GIVEN, by connection record, are
 * taken; what belongs to no living record is shut down, what has no descriptor
 * is ended.  FAULT: the predecessor died of his own.
 */
void adopt_lane(struct lane *lane, struct adopt_given *given, bool fault);
/*
 * Requests that wait are read, media is due.  The worker is ready by then: what
 * brings him down now is not his birth.
 */
void adopt_go_on(struct lane *lane);

#endif
