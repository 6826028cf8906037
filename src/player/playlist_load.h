/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * playlist_load - fetches a play list from a file or by HTTP, and reads it.
 * Runs on the thread's default main context; whatever GStreamer has a source
 * for can be fetched.
 */
#ifndef PLAYER_PLAYLIST_LOAD_H
#define PLAYER_PLAYLIST_LOAD_H

#include <glib.h>
#include <stdbool.h>

struct playlist_item {
	char *url; /* absolute */
	char *title; /* UTF-8, "" if not told */
	bool is_alternative; /* see playlist_read.h */
	bool is_list;
};

struct playlist_load; /* opaque */

/*
 * ITEMS is taken by the callee: of struct playlist_item, at least one; NULL if
 * it could not be had, and then SENTENCE says why.  The load is gone by then.
 */
typedef void playlist_loaded_function(
    void *context, GPtrArray *items, const char *sentence);

/* URL, or a path; LOADED is called once, later, unless it is stopped. */
struct playlist_load *playlist_load_start(
    const char *url, playlist_loaded_function *loaded, void *context);
void playlist_load_stop(struct playlist_load *load); /* accepts NULL */

#endif
