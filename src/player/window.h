/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * window - vodplay as viewers know it: a window with the picture and its
 * controls, on top of the engine.
 */
#ifndef PLAYER_WINDOW_H
#define PLAYER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct window_options {
	const char *address; /* NULL: the viewer opens one */
	uint64_t seek_us;
	unsigned latency_ms, give_up_ms; /* 0: the engine's own */
	bool full_screen;
};

/* Until the viewer closes it.  0, or -errno: there is no display, say. */
int window_run(const struct window_options *options);

#endif
