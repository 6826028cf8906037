/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tags - texts that come with a title.
 */
#ifndef PLAYER_TAGS_H
#define PLAYER_TAGS_H

#include "player/engine.h"

/* The text called NAME; true: OUT is another one now. */
bool tags_copy(
    const GstTagList *list, const char *name, char *out, size_t size);
/* What is in LIST of those; true: any is another one now. */
bool tags_update(struct engine_tags *tags, const GstTagList *list);

#endif
