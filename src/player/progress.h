/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * progress - whether a title gets on.  A server that sends and sends while the
 * title does not begin, or does not go on, sends something else than was
 * described.  Arithmetic only.
 */
#ifndef PLAYER_PROGRESS_H
#define PLAYER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_LOOK_MS 500 /* between two looks, at most */

struct progress {
	/* When position or percent were last more: */
	uint64_t position_us, bytes;
	unsigned percent; /* the most since it buffers */
	uint64_t since_us; /* without times when nothing came */
	/* At the last look. */
	uint64_t looked_us, looked_bytes;
};

struct progress_look {
	uint64_t now_us, position_us;
	uint64_t bytes; /* that came */
	uint64_t wanted_bps; /* the bit rate of what plays; 0: not told */
	unsigned percent; /* of what is to be buffered */
	bool plays; /* else it is about to */
	bool waits; /* it need not get on */
};

void progress_begin(struct progress *progress, uint64_t now_us);
/* True: it is stuck. */
bool progress_look(struct progress *progress, const struct progress_look *look);

#endif
