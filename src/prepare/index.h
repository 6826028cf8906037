/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * index - a copy of a file with a simple index and a true header.
 */
#ifndef PREPARE_INDEX_H
#define PREPARE_INDEX_H

#include <stdbool.h>

/*
 * FILE into OUT, which appears when it is whole; an existing one is replaced
 * only with FORCE, and may then be FILE itself.  0 or 1, with the reason
 * printed.
 */
int index_run(const char *file, const char *out, bool force);

#endif
