/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * playlist_read - the entries of a play list's text: .asx, .wax and .wvx in
 * their XML and their [Reference] form, and .m3u.  What it is, is told by the
 * text, not by a name.  Anybody may have written it: there are limits, and
 * nothing is allocated.
 */
#ifndef PLAYER_PLAYLIST_READ_H
#define PLAYER_PLAYLIST_READ_H

#include <stdbool.h>
#include <stddef.h>

#define PLAYLIST_BYTES_MAX ((size_t)256 * 1024)
#define PLAYLIST_ENTRIES_MAX 1000
#define PLAYLIST_URL_MAX 2048 /* with the 0; longer ones are left out */
#define PLAYLIST_TITLE_MAX 256 /* longer ones are cut */

struct playlist_entry {
	const char *url; /* as it stands there: it may be relative to BASE */
	const char *base; /* "": to the list's own address */
	const char *title; /* "" if not told */
	/* To be played only when the one before could not be. */
	bool is_alternative;
	bool is_list; /* of another play list */
};

/* Texts are the reader's, and gone when the function returns. */
typedef void playlist_entry_function(
    void *context, const struct playlist_entry *entry);

/*
 * The number of entries told, or -EBADMSG: this is not a play list.  Entries
 * beyond the limit, and bytes beyond theirs, are left out.
 */
int playlist_read(const char *text, size_t length,
    playlist_entry_function *entry, void *context);

#endif
