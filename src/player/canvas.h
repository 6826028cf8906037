/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * canvas - pixels on an X window past GTK, through memory that the X server
 * reads too.
 *
 * It has a connection of its own, so that any thread may use it, one at a time.
 * What GTK draws there later is over it.
 */
#ifndef PLAYER_CANVAS_H
#define PLAYER_CANVAS_H

#include <gdk/gdk.h>
#include <stdint.h>

struct canvas; /* opaque */

/*
 * NULL where it cannot be done: no X server, or one that is elsewhere or has
 * other pixels.  WINDOW is borrowed until the end; close accepts NULL.
 */
struct canvas *canvas_open(GdkWindow *window);
void canvas_close(struct canvas *canvas);

/*
 * Room for WIDTH x HEIGHT pixels of cairo's CAIRO_FORMAT_ARGB32 without gaps,
 * to be filled and then shown; NULL: it can no longer be done.
 */
uint8_t *canvas_pixels(struct canvas *canvas, int width, int height);
void canvas_show(struct canvas *canvas, int x, int y);
/* Only in PART of the window, once it returns. */
void canvas_clip(struct canvas *canvas, const cairo_region_t *part);

#endif
