/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * news - what an engine's user is told, in order and soon, but not from within
 * a function that he called.
 */
#ifndef PLAYER_NEWS_H
#define PLAYER_NEWS_H

#include "player/engine.h"

struct news; /* opaque */

struct news *news_new(const struct engine_events *events, void *context);
void news_free(struct news *news); /* accepts NULL; what is left is not told */

void news_state(struct news *news, enum engine_state state,
    enum engine_failure failure, const char *sentence);
void news_buffered(struct news *news, unsigned percent);
void news_picture(struct news *news, uint64_t position_us);
void news_information(struct news *news);
void news_script(void *news, const char *type, const char *text);
void news_notice(struct news *news, const char *sentence);

#endif
