/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * progress - says on a terminal how far a longer piece of work is.
 */
#ifndef PREPARE_PROGRESS_H
#define PREPARE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "reading" */
	bool silent, shown;
	uint64_t next_us;
};

/* Nothing is shown in the first second, nor when stderr is no terminal. */
void progress_start(struct progress *progress, const char *what);
void progress_tell(struct progress *progress, uint64_t done, uint64_t all);
void progress_stop(struct progress *progress);

#endif
