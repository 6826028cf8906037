/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source - a file given by a person: opens it as a title, or says why not.
 */
#ifndef PREPARE_SOURCE_H
#define PREPARE_SOURCE_H

#include <stddef.h>

#include "media/title.h"

/*
 * Open the file at PATH, which may be any path.  On success *OUT is the
 * caller's (title_close()) and NULL is returned; else a sentence that says why
 * it cannot be served, without full stop.
 */
const char *source_open(const char *path, struct title **out);

/*
 * TEXT in OUT as UTF-8 that a terminal, XML or JSON can show: what is no UTF-8
 * and control characters become '?'.  Cut at the end of a character.
 */
void source_text(const char *text, char *out, size_t size);

#endif
