/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demuxer - what GStreamer's demultiplexer for ASF does otherwise than a viewer
 * needs it, made good at its pads: the time behind a seek, and streams that
 * begin later than others, or never.
 */
#ifndef PLAYER_DEMUXER_H
#define PLAYER_DEMUXER_H

#include <gst/gst.h>
#include <stdatomic.h>
#include <stdint.h>

/* DEMUXER, an asfdemux, is about to get a title.  It is watched as long as it
 * lives, and HAS_MEDIA set when something comes out.  A picture waits so long
 * for sound, at least. */
void demuxer_watch(
    GstElement *demuxer, uint64_t sound_late_us, atomic_bool *has_media);

#endif
