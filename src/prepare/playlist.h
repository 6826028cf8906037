/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * playlist - a list of everything in a folder that can be served.
 */
#ifndef PREPARE_PLAYLIST_H
#define PREPARE_PLAYLIST_H

#include <stdbool.h>

/* 0, or 1: nothing there or an error, which is printed. */
int playlist_run(const char *folder, const char *base, bool m3u);

#endif
