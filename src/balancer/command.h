/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * command - runs a program that soon ends, with text in and text out.
 *
 * No shell, a small environment, and bounds on what it may take and say.  The
 * caller waits.
 */
#ifndef BALANCER_COMMAND_H
#define BALANCER_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "base/settings.h"

struct command {
	const char *const *words; /* the program's path first; NULL behind */
	const char *input;
	size_t input_size;
	uint64_t limit_us; /* it is killed when it takes longer */
};

/*
 * What it says on standard output goes to OUTPUT, of ROOM bytes, *SIZE of them;
 * all of it if 0 is returned: its exit status was 0.  ERROR is what it said on
 * standard error first, even then; or, with -errno, what else was wrong.
 */
int command_run(const struct command *command, char *output, size_t room,
    size_t *size, char error[static SETTINGS_ERROR_MAX]);

#endif
