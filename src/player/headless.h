/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * headless - plays one title without display and sound, and tells what
 * happens: for scripts and tests.
 */
#ifndef PLAYER_HEADLESS_H
#define PLAYER_HEADLESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

enum headless_exit {
	HEADLESS_PLAYED, /* to the end, or as long as was asked */
	HEADLESS_NOT_PLAYED, /* nothing came of it */
	HEADLESS_USAGE,
	HEADLESS_BROKE_OFF, /* behind the first picture or sound */
};

struct headless_options {
	const char *url;
	bool json;
	bool commands; /* read from stdin, one a line */
	uint64_t seek_us;
	bool has_duration;
	uint64_t duration_us;
	const char *frames_to, *frame_hashes; /* NULL: none */
	unsigned latency_ms, give_up_ms; /* 0: the engine's own */
};

enum headless_exit headless_run(const struct headless_options *options);

#endif
