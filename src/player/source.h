/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source - vodsrc, the GStreamer element that brings titles over RTSP: a byte
 * stream of ASF (video/x-ms-asf), seekable in time.
 *
 * As a plugin it has no rank, so that others choose it by name only; within
 * vodplay it is the first choice for rtsp:// and its like.
 *
 * It tells the application with element messages of its own:
 *   vodsrc-state   state (string: connecting, streaming, reconnecting, failed),
 *                  reason (string: a sentence or ""), failure (int, failure.h)
 *   vodsrc-title   the description of the title came
 * and with BUFFERING as any network source does.  A title that does not begin
 * ends in an error, with a sentence for the viewer as message and the kind of
 * failure in a field of its details.  One that breaks off ends as at its end,
 * behind what was received, with a warning that says why.
 */
#ifndef PLAYER_SOURCE_H
#define PLAYER_SOURCE_H

#include <gst/gst.h>
#include <stdbool.h>

#include "player/client.h"

#define SOURCE_NAME "vodsrc"
#define SOURCE_STATE_MESSAGE "vodsrc-state"
#define SOURCE_TITLE_MESSAGE "vodsrc-title"
#define SOURCE_FAILURE_FIELD "failure"

/* The element in PLUGIN, or in this process when that is NULL. */
bool source_register(GstPlugin *plugin, unsigned rank);
bool source_is_ours(GstElement *element);

/* Of the connection; false: there is none. */
bool source_status(GstElement *source, struct client_status *out);
/* What is known of the title, borrowed until the element stops; NULL: not yet.
 */
const struct prologue *source_prologue(GstElement *source);
/* Which streams to take, before it starts; an empty set: one of each kind. */
void source_choose(GstElement *source, const struct asf_set *streams);
/* Where to begin, before it starts: at the key frame there or before. */
void source_begin_at(GstElement *source, uint64_t position_us);
/* Those that it takes. */
struct asf_set source_chosen(GstElement *source);

#endif
