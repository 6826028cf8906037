/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory - what the window remembers from one time to the next: recent titles,
 * how loud it was, how it looked.  Below $XDG_STATE_HOME, readable by the
 * viewer only; that it cannot be written is no reason not to play.
 */
#ifndef PLAYER_MEMORY_H
#define PLAYER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define MEMORY_RECENT_MAX 20

struct memory; /* opaque */

struct memory *memory_new(void); /* of the last time */
void memory_free(struct memory *memory); /* accepts NULL */
/* 0 or -errno. */
int memory_write(const struct memory *memory);

double memory_volume(const struct memory *memory);
void memory_set_volume(struct memory *memory, double volume);
bool memory_is_dark(const struct memory *memory);
void memory_set_dark(struct memory *memory, bool dark);

/* The latest first; NULL when there are no more.  The memory's until changed.
 */
const char *memory_recent_url(const struct memory *memory, size_t number);
const char *memory_recent_title(const struct memory *memory, size_t number);
/* It is now the latest; TITLE "" keeps what it was called. */
void memory_add_recent(
    struct memory *memory, const char *url, const char *title);
void memory_forget_recent(struct memory *memory);

#endif
