/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What engine.c (what the viewer wants), engine_messages.c (what the pipeline
 * says) and engine_statistics.c share; nobody else includes it.
 */
#ifndef PLAYER_ENGINE_PARTS_H
#define PLAYER_ENGINE_PARTS_H

#include "player/captions.h"
#include "player/demuxer.h"
#include "player/engine.h"
#include "player/failure.h"
#include "player/news.h"
#include "player/progress.h"
#include "player/sinks.h"

struct engine {
	struct engine_options options;
	struct news *news; /* owned */
	GstElement *playbin; /* owned */
	struct sinks sinks;
	GstElement *source; /* owned; NULL: none, or not ours */
	guint bus_watch, looker;
	char *url;
	enum engine_state state;
	bool wants_play; /* else to pause */
	bool has_arrived; /* something of the title did */
	bool has_prerolled, is_buffering, is_reconnecting;
	bool is_silent; /* for want of a device; it was said */
	bool has_lost_sound; /* this title */
	const char *lacking; /* a sentence, to be said when it plays */
	struct demuxer_seen seen; /* of this title */
	unsigned percent;
	bool is_seeking, has_next_seek;
	uint64_t seek_us, next_seek_us;
	uint64_t start_us; /* where it begins, until it has prerolled */
	uint64_t last_us; /* where it ended */
	struct progress progress;
	struct failure breaking; /* it ends behind what is buffered */
	double volume;
	bool is_muted;
	bool has_chosen;
	struct asf_set chosen;
	struct engine_tags tags;
	struct captions *captions; /* owned */
	/* The longest that it stood still though the viewer wanted to play. */
	bool has_played;
	uint64_t stood_since_us, viewer_gap_us; /* 0: it does not stand */
};

/* engine_messages.c: CONTEXT is the engine. */
gboolean engine_on_message(GstBus *bus, GstMessage *message, gpointer context);

/* engine.c, for engine_messages.c */
void engine_enter(struct engine *engine, enum engine_state state,
    enum engine_failure failure, const char *sentence);
void engine_fail(
    struct engine *engine, enum engine_failure failure, const char *sentence);
bool engine_is_over(const struct engine *engine);
/* What the viewer wants, as far as it can be. */
void engine_pursue(struct engine *engine);
void engine_seek_now(struct engine *engine, uint64_t position_us);
/* On from here with another device, or without one. */
void engine_lose_sound(struct engine *engine);
void engine_look_later(struct engine *engine);

/* engine.c, for engine_statistics.c: it may stand still right now. */
uint64_t engine_viewer_gap_us(const struct engine *engine);

/* Of titles whose server sends what it likes. */
#define ENGINE_UNDECODABLE "What the server sends cannot be decoded."

#endif
