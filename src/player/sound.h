/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sound - the system's sound device, whatever it is, as a sink of GStreamer's.
 */
#ifndef PLAYER_SOUND_H
#define PLAYER_SOUND_H

#include <gst/gst.h>
#include <stdbool.h>

/* Floating, as elements are when they are made; it looks for a device for each
 * title, and without one takes its time, and is not heard.  NULL: there is no
 * such sink. */
GstElement *sound_new(void);
/* Looks for none. */
GstElement *sound_new_silent(void);

/*
 * SINK, one of these, has prerolled for the first time since it was at rest,
 * and is about to play.  *IS_SILENT, kept from title to title, is whether the
 * last one with sound was not heard; true: it is so from now on.
 */
bool sound_begin(GstElement *sink, bool *is_silent);

#endif
