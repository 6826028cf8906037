/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * progress - says on a terminal how far a longer piece of work is.
 *
 * Knows nothing of the work; leaves the line empty behind it.
 */
#include "prepare/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define FIRST_US US_PER_SECOND
#define AGAIN_US (US_PER_SECOND / 4)

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * US_PER_SECOND +
	       (uint64_t)now.tv_nsec / 1000;
}

void
progress_start(struct progress *progress, const char *what)
{
	*progress = (struct progress){
		.what = what,
		.silent = isatty(STDERR_FILENO) != 1,
		.next_us = now_us() + FIRST_US,
	};
}

void
progress_tell(struct progress *progress, uint64_t done, uint64_t all)
{
	uint64_t now;

	if (progress->silent || (now = now_us()) < progress->next_us)
		return;
	progress->next_us = now + AGAIN_US;
	progress->shown = true;
	fprintf(stderr, "\rvodasf: %s, %3u %%", progress->what,
	    all != 0 ? (unsigned)((double)done * 100 / (double)all) : 100);
	fflush(stderr);
}

void
progress_stop(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
