/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sound - the system's sound device, whatever it is, as a sink of GStreamer's.
 */
#ifndef PLAYER_SOUND_H
#define PLAYER_SOUND_H

#include <gst/gst.h>

/* Floating, as elements are when they are made; NULL: no device works. */
GstElement *sound_new(void);
/* Takes its time, and is not heard; NULL: there is no such sink. */
GstElement *sound_new_silent(void);

/*
 * SINK, one of these, has prerolled for the first time since it was at rest,
 * and is about to play.
 */
void sound_begin(GstElement *sink);

#endif
