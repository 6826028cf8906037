/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts the time and the bytes that brought nothing.  When nothing comes, our
 * source knows why; that is no affair of this one.
 */
#include "player/progress.h"

#include "base/base.h"

#define STUCK_US (5 * US_PER_SECOND)

void
progress_begin(struct progress *progress, uint64_t now_us)
{
	*progress =
	    (struct progress){ .since_us = now_us, .looked_us = now_us };
}

/* Of a time in which nobody looked it is not known how much came when. */
static void
leave_out(struct progress *progress, const struct progress_look *look)
{
	uint64_t passed_us = look->now_us - progress->looked_us;

	if (look->bytes != progress->looked_bytes)
		passed_us -= MIN_OF(passed_us, PROGRESS_LOOK_MS * US_PER_MS);
	progress->since_us += passed_us;
	progress->looked_bytes = look->bytes;
	progress->looked_us = look->now_us;
}

bool
progress_look(struct progress *progress, const struct progress_look *look)
{
	uint64_t bits;

	leave_out(progress, look);
	if (look->waits || look->position_us > progress->position_us ||
	    look->percent > progress->percent) {
		progress->position_us = look->position_us;
		progress->since_us = look->now_us;
		progress->bytes = look->bytes;
		progress->percent = look->percent;
		return false;
	}
	bits = (look->bytes - progress->bytes) * 8;
	return look->now_us - progress->since_us >= STUCK_US &&
	       bits * US_PER_SECOND >=
		   look->wanted_bps * STUCK_US * (look->plays ? 8 : 1) / 2;
}
