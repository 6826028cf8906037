/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frames - decoded pictures and sound on their way out of the head-less player:
 * counted, hashed like ffmpeg's framemd5, written as PNG.
 *
 * Its sinks are fed by GStreamer's threads; the functions below may be called
 * from any.
 */
#ifndef PLAYER_FRAMES_H
#define PLAYER_FRAMES_H

#include <gst/gst.h>
#include <stdbool.h>
#include <stdint.h>

struct frames; /* opaque */

/*
 * FOLDER, which is made, and HASHES may be NULL.  0 or -errno.  free accepts
 * NULL, and comes behind the pipeline.
 */
int frames_new(const char *folder, const char *hashes, struct frames **out);
int frames_free(struct frames *frames); /* -errno: not all was written */

/* New, floating; they keep time, and drop nothing. */
GstElement *frames_video_sink(struct frames *frames);
GstElement *frames_audio_sink(struct frames *frames);

/* What lies further than this behind the first one of all is left out. */
void frames_limit(struct frames *frames, uint64_t duration_us);
struct frames_counts {
	uint64_t pictures, sounds;
	uint64_t first_us; /* media time; valid when any */
	uint64_t picture_gap_us; /* the longest from one to the next */
};
struct frames_counts frames_counts(struct frames *frames);

#endif
