/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * info - what a file holds, for people or as JSON.
 */
#ifndef PREPARE_INFO_H
#define PREPARE_INFO_H

#include <stdbool.h>

/* 0, or 1 when the file could not be served; the reason is printed. */
int info_run(const char *path, bool json);

#endif
