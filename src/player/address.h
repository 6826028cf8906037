/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * address - what a viewer types or a play list says, made out: a title, a play
 * list, or a sentence on what is wrong with it.  Looks at nothing but the text.
 */
#ifndef PLAYER_ADDRESS_H
#define PLAYER_ADDRESS_H

#define ADDRESS_MAX 2048 /* bytes, with the 0 */

enum address_kind { ADDRESS_BAD, ADDRESS_TITLE, ADDRESS_LIST };

struct address {
	enum address_kind kind;
	char url[ADDRESS_MAX]; /* a path without a scheme is left a path */
	const char *sentence; /* for the viewer, if bad; else NULL */
};

void address_parse(const char *text, struct address *out);

#endif
