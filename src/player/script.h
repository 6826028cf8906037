/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * script - script commands and captions of a title, of its header (ASF
 * reference 3.8) or of a stream of them: what is due when.  No I/O.
 */
#ifndef PLAYER_SCRIPT_H
#define PLAYER_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#define SCRIPT_COMMANDS_MOST 1024
#define SCRIPT_TEXT_MOST 65536

struct script_command {
	uint32_t at_ms; /* media time, preroll subtracted */
	uint32_t type, text; /* where they begin in texts[] */
};

struct script {
	unsigned count;
	struct script_command commands[SCRIPT_COMMANDS_MOST]; /* by time */
	size_t used;
	char texts[SCRIPT_TEXT_MOST]; /* UTF-8, each with its NUL */
};

/*
 * BODY: of a Script Command Object, behind GUID and size.  What is cut off or
 * too much is left out.
 */
void script_parse(
    const uint8_t *body, size_t size, uint32_t preroll_ms, struct script *out);
/*
 * BODY: an object of a command stream, type and text as WCHARs with their NULs.
 * What is there already is not added again; one that is full is emptied first.
 */
void script_add(
    struct script *script, uint32_t at_ms, const uint8_t *body, size_t size);
/* TEXT as it is read: captions may have marks like <b> and &amp; in them. */
void script_plain(char *text);
/* The first command at AT_MS or later; COUNT when there is none. */
unsigned script_find(const struct script *script, uint32_t at_ms);

#endif
