/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * picture - the window's video sink: it holds the picture that is due, in what
 * the decoder made, and turns it into the pixels that are seen.
 *
 * Where it is not seen through something the streaming thread puts each picture
 * straight on the window (canvas.h); else GTK is asked to draw it.  All but the
 * sink's own work is the window's thread's.  Lengths are pixels of the screen.
 */
#ifndef PLAYER_PICTURE_H
#define PLAYER_PICTURE_H

#include <gdk/gdk.h>
#include <gst/gst.h>

/*
 * A floating element.  WINDOW is borrowed for as long as it lives.  REDRAW is
 * called from the default main context when GTK should draw it anew.
 */
GstElement *picture_new(
    GdkWindow *window, void (*redraw)(void *context), void *context);

/*
 * It draws on the window by itself in AREA, as far as that is PART (of the
 * window); NULL: nowhere.  Behind it nothing is drawn that was before.
 */
void picture_aim(GstElement *picture, const GdkRectangle *area,
    const cairo_region_t *part);
/* Once more what is due there: GTK drew something else. */
void picture_repeat(GstElement *picture);

/* In WIDTH x HEIGHT at 0, 0, in the middle, of its proportions. */
void picture_draw(GstElement *picture, cairo_t *cr, int width, int height);

#endif
