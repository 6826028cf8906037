/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MIT-SHM extension: two images in turn, each filled again only when the
 * server said that it has read it.  A window that is gone is an error that the
 * server tells of, and nothing else.
 */
#include "player/canvas.h"

#include "base/base.h"

#if defined(GDK_WINDOWING_X11) && defined(HAVE_XCB_SHM)
#include <gdk/gdkx.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>

#define IMAGES 2
#define PARTS_MAX 64 /* round a handful of rectangles */

struct image {
	xcb_shm_seg_t segment;
	void *pixels; /* NULL: there is none */
};

struct canvas {
	xcb_connection_t *server;
	xcb_window_t window;
	xcb_gcontext_t gc;
	uint8_t depth, read_event;
	uint16_t width, height; /* of each image */
	struct image images[IMAGES];
	unsigned next; /* image to be filled */
	unsigned unread; /* shown, and not yet read by the server */
};

/* ---- images ---- */

static size_t
image_bytes(const struct canvas *canvas)
{
	return (size_t)canvas->width * canvas->height * 4;
}

/* Until the server has yet to read no more than LEFT images. */
static void
wait_for_server(struct canvas *canvas, unsigned left)
{
	while (canvas->unread > left) {
		xcb_generic_event_t *event = xcb_wait_for_event(canvas->server);

		if (event == NULL) {
			canvas->unread = 0; /* it is gone */
			return;
		}
		if (event->response_type == 0 || /* it could not be shown */
		    (event->response_type & 0x7f) == canvas->read_event)
			canvas->unread--;
		free(event);
	}
}

static void
free_images(struct canvas *canvas)
{
	wait_for_server(canvas, 0);
	for (size_t i = 0; i < IMAGES; i++) {
		struct image *image = &canvas->images[i];

		if (image->pixels == NULL)
			continue;
		xcb_shm_detach(canvas->server, image->segment);
		munmap(image->pixels, image_bytes(canvas));
		image->pixels = NULL;
	}
	canvas->width = canvas->height = 0;
}

/* The server gets the memory itself: nothing of it has a name. */
static bool
make_image(struct canvas *canvas, struct image *image)
{
	size_t bytes = image_bytes(canvas);
	int fd = memfd_create("vodplay", MFD_CLOEXEC);
	xcb_generic_error_t *error;
	void *pixels;

	if (fd == -1)
		return false;
	if (ftruncate(fd, (off_t)bytes) == -1) {
		close(fd);
		return false;
	}
	pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (pixels == MAP_FAILED) {
		close(fd);
		return false;
	}
	image->segment = xcb_generate_id(canvas->server);
	error = xcb_request_check(
	    canvas->server, xcb_shm_attach_fd_checked(canvas->server,
				image->segment, fd, 1)); /* it closes it */
	if (error != NULL || xcb_connection_has_error(canvas->server)) {
		free(error);
		munmap(pixels, bytes);
		return false;
	}
	image->pixels = pixels;
	return true;
}

static bool
make_images(struct canvas *canvas, int width, int height)
{
	if (width <= 0 || width > INT16_MAX || height <= 0 ||
	    height > INT16_MAX)
		return false;
	free_images(canvas);
	canvas->width = (uint16_t)width;
	canvas->height = (uint16_t)height;
	for (size_t i = 0; i < IMAGES; i++)
		if (!make_image(canvas, &canvas->images[i])) {
			free_images(canvas);
			return false;
		}
	return true;
}

uint8_t *
canvas_pixels(struct canvas *canvas, int width, int height)
{
	if ((width != canvas->width || height != canvas->height) &&
	    !make_images(canvas, width, height))
		return NULL;
	wait_for_server(canvas, IMAGES - 1);
	if (xcb_connection_has_error(canvas->server))
		return NULL;
	return canvas->images[canvas->next].pixels;
}

void
canvas_show(struct canvas *canvas, int x, int y)
{
	xcb_shm_put_image(canvas->server, canvas->window, canvas->gc,
	    canvas->width, canvas->height, 0, 0, canvas->width, canvas->height,
	    (int16_t)x, (int16_t)y, canvas->depth, XCB_IMAGE_FORMAT_Z_PIXMAP, 1,
	    canvas->images[canvas->next].segment, 0);
	xcb_flush(canvas->server);
	canvas->next = (canvas->next + 1) % IMAGES;
	canvas->unread++;
}

/* Another connection may be served before what was sent here. */
void
canvas_clip(struct canvas *canvas, const cairo_region_t *part)
{
	int count = MIN_OF(cairo_region_num_rectangles(part), PARTS_MAX);
	xcb_rectangle_t rectangles[PARTS_MAX];

	for (int i = 0; i < count; i++) {
		cairo_rectangle_int_t one;

		cairo_region_get_rectangle(part, i, &one);
		rectangles[i] = (xcb_rectangle_t){ .x = (int16_t)one.x,
			.y = (int16_t)one.y,
			.width = (uint16_t)one.width,
			.height = (uint16_t)one.height };
	}
	xcb_set_clip_rectangles(canvas->server, XCB_CLIP_ORDERING_YX_BANDED,
	    canvas->gc, 0, 0, (uint32_t)count, rectangles);
	wait_for_server(canvas, 0);
}

/* ---- from beginning to end ---- */

/* Red, green and blue of a byte each, in cairo's order. */
static bool
has_our_pixels(const struct canvas *canvas, GdkVisual *visual)
{
	const xcb_setup_t *setup = xcb_get_setup(canvas->server);
	const xcb_format_t *format = xcb_setup_pixmap_formats(setup);
	guint32 red, green, blue;

	gdk_visual_get_red_pixel_details(visual, &red, NULL, NULL);
	gdk_visual_get_green_pixel_details(visual, &green, NULL, NULL);
	gdk_visual_get_blue_pixel_details(visual, &blue, NULL, NULL);
	if (red != 0xff0000 || green != 0xff00 || blue != 0xff ||
	    (setup->image_byte_order == XCB_IMAGE_ORDER_LSB_FIRST) !=
		(G_BYTE_ORDER == G_LITTLE_ENDIAN))
		return false;
	for (int i = 0; i < xcb_setup_pixmap_formats_length(setup); i++)
		if (format[i].depth == canvas->depth)
			return format[i].bits_per_pixel == 32;
	return false;
}

/* From 1.2 on it takes memory by descriptor. */
static bool
can_share(struct canvas *canvas)
{
	const xcb_query_extension_reply_t *extension =
	    xcb_get_extension_data(canvas->server, &xcb_shm_id);
	xcb_shm_query_version_reply_t *version;
	bool can;

	if (extension == NULL || !extension->present)
		return false;
	canvas->read_event =
	    (uint8_t)(extension->first_event + XCB_SHM_COMPLETION);
	version = xcb_shm_query_version_reply(
	    canvas->server, xcb_shm_query_version(canvas->server), NULL);
	can = version != NULL &&
	      (version->major_version > 1 || version->minor_version >= 2);
	free(version);
	return can;
}

struct canvas *
canvas_open(GdkWindow *window)
{
	GdkVisual *visual = gdk_window_get_visual(window);
	struct canvas *canvas;

	if (!GDK_IS_X11_WINDOW(window))
		return NULL;
	canvas = g_new0(struct canvas, 1);
	canvas->server = xcb_connect(
	    gdk_display_get_name(gdk_window_get_display(window)), NULL);
	canvas->window = (xcb_window_t)gdk_x11_window_get_xid(window);
	canvas->depth = (uint8_t)gdk_visual_get_depth(visual);
	if (xcb_connection_has_error(canvas->server) ||
	    !has_our_pixels(canvas, visual) || !can_share(canvas) ||
	    !make_images(canvas, 1, 1)) {
		canvas_close(canvas);
		return NULL;
	}
	canvas->gc = xcb_generate_id(canvas->server);
	xcb_create_gc(canvas->server, canvas->gc, canvas->window,
	    XCB_GC_GRAPHICS_EXPOSURES, (const uint32_t[]){ 0 });
	return canvas;
}

void
canvas_close(struct canvas *canvas)
{
	if (canvas == NULL)
		return;
	free_images(canvas);
	xcb_disconnect(canvas->server);
	g_free(canvas);
}

#else

struct canvas *
canvas_open(GdkWindow *window)
{
	(void)window;
	return NULL;
}

void
canvas_close(struct canvas *canvas)
{
	(void)canvas;
}

uint8_t *
canvas_pixels(struct canvas *canvas, int width, int height)
{
	(void)canvas;
	(void)width;
	(void)height;
	return NULL;
}

void
canvas_show(struct canvas *canvas, int x, int y)
{
	(void)canvas;
	(void)x;
	(void)y;
}

void
canvas_clip(struct canvas *canvas, const cairo_region_t *part)
{
	(void)canvas;
	(void)part;
}
#endif
