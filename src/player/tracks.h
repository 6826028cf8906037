/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tracks - the streams of a title, and which of them play.  Over the network
 * they are what the ASF header says, and a server sends those that were set up;
 * of anything else playbin knows.
 */
#ifndef PLAYER_TRACKS_H
#define PLAYER_TRACKS_H

#include "media/asf.h"
#include "player/engine.h"

/* SOURCE: ours (source.h), or NULL.  The count of those in TRACKS. */
size_t tracks_list(GstElement *playbin, GstElement *source,
    struct engine_track tracks[static ENGINE_TRACKS_MAX]);
/* Of those that play, together; 0: not told. */
uint64_t tracks_bps(GstElement *playbin, GstElement *source);

/* What a server is asked for when NUMBER is chosen, and else nothing new. */
struct asf_set tracks_with(
    GstElement *source, enum engine_kind kind, unsigned number);
void tracks_choose(GstElement *playbin, enum engine_kind kind, unsigned number);

#endif
