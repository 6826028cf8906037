/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demuxer - what GStreamer's demultiplexer for ASF does otherwise than a viewer
 * needs it, made good at its pads: the time behind a seek, streams that begin
 * later than others, or never, and which of several pictures is the best.
 */
#ifndef PLAYER_DEMUXER_H
#define PLAYER_DEMUXER_H

#include <gst/gst.h>
#include <stdatomic.h>
#include <stdbool.h>

struct demuxer_seen {
	atomic_bool has_media; /* something comes out */
	atomic_uint best_video; /* place among the pads for pictures, or 0 */
};

/*
 * DEMUXER, an asfdemux, is about to get a title, from a server or (IS_FILE)
 * anything else.  It is watched as long as it lives; what is SEEN is set by
 * GStreamer's threads.
 */
void demuxer_watch(
    GstElement *demuxer, bool is_file, struct demuxer_seen *seen);

#endif
