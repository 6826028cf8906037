/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * print - a snapshot for people, and for programs.
 */
#ifndef STAT_PRINT_H
#define STAT_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "stat/snapshot.h"

struct print_view {
	const char *instance;
	bool sessions; /* list them */
	bool one_line; /* JSON: the object on one line */
	bool on_screen; /* drawn over the last one */
	bool again; /* not the first of a watch */
	size_t rows; /* of the screen to stay in; 0: no end */
	/* What was sent per second since the last look; 0: not known. */
	uint64_t sending_bps;
};

/* A table; what a terminal would obey in titles is escaped. */
void print_text(
    const struct snapshot *snapshot, const struct print_view *view, FILE *out);
/* One object as vodstat(1) describes it, ASCII only.  0 or -ENOMEM. */
int print_json(
    const struct snapshot *snapshot, const struct print_view *view, FILE *out);

#endif
