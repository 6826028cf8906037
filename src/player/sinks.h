/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sinks - the two ends of a pipeline, where pictures are shown and sound is
 * heard: what arrives there first, and how far they are.
 *
 * The pipeline's application messages tell of it, each once or several times:
 *   arrived   something of the title is on its way to them
 *   picture   the first picture is there; at (uint64): its time in ns
 */
#ifndef PLAYER_SINKS_H
#define PLAYER_SINKS_H

#include <gst/gst.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sinks {
	GstElement *playbin; /* borrowed, and the others are its */
	GstElement *video, *audio;
	atomic_bool has_picture; /* set by GStreamer's threads */
};

/* Takes one, floating; playbin is at rest. */
void sinks_set_video(struct sinks *sinks, GstElement *sink);
void sinks_set_audio(struct sinks *sinks, GstElement *sink);

/* Of the title to come the first picture is shown at once, and told; or else
 * it is something that is passed on the way to where it begins. */
void sinks_show_first(struct sinks *sinks, bool shows);

/* The lesser one; when the title has ended: its end. */
uint64_t sinks_position_us(const struct sinks *sinks);
/* As they are, if the sink does not count. */
void sinks_count_frames(
    const struct sinks *sinks, uint64_t *shown, uint64_t *dropped);

#endif
