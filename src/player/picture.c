/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A GstVideoSink that converts and scales by itself: while the title stands
 * still what is due is made anew in another size, for which an element before
 * the sink would have to be given it again.
 */
#include "player/picture.h"

#include <gst/video/gstvideosink.h>
#include <gst/video/video.h>
#include <math.h>
#include <stdbool.h>

#include "base/base.h"
#include "player/canvas.h"

/* Decoders tell 135/136 of 480 x 272; scaled by so little it is only worse. */
#define AS_GOOD_AS_SQUARE 0.02

struct picture {
	GstVideoSink parent;
	void (*redraw)(void *context);
	void *context;
	GMutex lock; /* of all that follows */
	GstVideoInfo info; /* of what is due */
	GstBuffer *due; /* owned; NULL: nothing */
	/* Owned: the way to what is seen, and what is in the middle of it. */
	GstVideoConverter *way[2];
	GstBuffer *between;
	GstVideoInfo between_info, seen;
	struct canvas *canvas; /* owned; NULL: GTK draws all */
	GdkRectangle area; /* on the canvas; no width: nowhere */
	cairo_surface_t *surface; /* owned; what GTK drew last */
	guint asker; /* source */
};

struct picture_class {
	GstVideoSinkClass parent;
};

/* As GObject's macros want them. */
typedef struct picture Picture;
typedef struct picture_class PictureClass;

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
	GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE(GST_VIDEO_FORMATS_ALL)));

GType picture_get_type(void);
G_DEFINE_TYPE(Picture, picture, GST_TYPE_VIDEO_SINK)

static inline struct picture *
picture_of(gpointer object)
{
	return object;
}

/* ---- pixels ---- */

#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define PIXELS GST_VIDEO_FORMAT_BGRA /* cairo's ARGB32 */
#else
#define PIXELS GST_VIDEO_FORMAT_ARGB
#endif

/* Where what is due is seen in WIDTH x HEIGHT. */
static GdkRectangle
seen_in(const struct picture *picture, int width, int height)
{
	const GstVideoInfo *info = &picture->info;
	double pixel = (double)info->par_n / info->par_d;
	double shape = (double)info->width / info->height *
		       (fabs(pixel - 1.0) < AS_GOOD_AS_SQUARE ? 1.0 : pixel);
	GdkRectangle seen = {
		.width = (int)MIN_OF(height * shape + 0.5, (double)width),
		.height = (int)MIN_OF(width / shape + 0.5, (double)height),
	};

	seen.width = MAX_OF(seen.width, 1);
	seen.height = MAX_OF(seen.height, 1);
	seen.x = (width - seen.width) / 2;
	seen.y = (height - seen.height) / 2;
	return seen;
}

static void
forget_way(struct picture *picture)
{
	for (size_t i = 0; i < ARRAY_LENGTH(picture->way); i++)
		if (picture->way[i] != NULL)
			gst_video_converter_free(picture->way[i]);
	picture->way[0] = picture->way[1] = NULL;
	gst_buffer_replace(&picture->between, NULL);
}

static void
set_info(GstVideoInfo *out, const GstVideoInfo *info, GstVideoFormat format,
    int width, int height)
{
	gst_video_info_set_format(out, format, (guint)width, (guint)height);
	out->fps_n = info->fps_n;
	out->fps_d = info->fps_d;
	out->interlace_mode = info->interlace_mode;
	if (format == GST_VIDEO_INFO_FORMAT(info)) {
		out->colorimetry = info->colorimetry;
		out->chroma_site = info->chroma_site;
	}
}

static GstVideoConverter *
make_converter(GstVideoInfo *from, GstVideoInfo *to)
{
	return gst_video_converter_new(from, to,
	    gst_structure_new("options",
		GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD,
		GST_TYPE_VIDEO_RESAMPLER_METHOD,
		GST_VIDEO_RESAMPLER_METHOD_LINEAR, NULL));
}

/*
 * To another size it is scaled before or behind the conversion, whichever
 * leaves fewer pixels to convert: both at once take a converter up to twice as
 * long.
 */
static bool
make_way(struct picture *picture, int width, int height)
{
	GstVideoInfo *info = &picture->info, *between = &picture->between_info;
	bool grows = width * height > info->width * info->height;

	if (picture->way[1] != NULL && picture->seen.width == width &&
	    picture->seen.height == height)
		return true;
	forget_way(picture);
	set_info(&picture->seen, info, PIXELS, width, height);
	if (width == info->width && height == info->height) {
		picture->way[1] = make_converter(info, &picture->seen);
		return picture->way[1] != NULL;
	}
	set_info(between, info, grows ? PIXELS : GST_VIDEO_INFO_FORMAT(info),
	    grows ? info->width : width, grows ? info->height : height);
	picture->between = gst_buffer_new_allocate(NULL, between->size, NULL);
	picture->way[0] = make_converter(info, between);
	picture->way[1] = make_converter(between, &picture->seen);
	return picture->way[0] != NULL && picture->way[1] != NULL;
}

static bool
go_between(
    struct picture *picture, const GstVideoFrame *due, GstVideoFrame *out)
{
	GstVideoFrame between;

	if (!gst_video_frame_map(&between, &picture->between_info,
		picture->between, GST_MAP_READWRITE))
		return false;
	gst_video_converter_frame(picture->way[0], due, &between);
	gst_video_converter_frame(picture->way[1], &between, out);
	gst_video_frame_unmap(&between);
	return true;
}

/* What is due, to OUT, which has no gaps between its lines. */
static bool
make_pixels(struct picture *picture, int width, int height, uint8_t *out)
{
	GstVideoFrame due, seen = { .data = { out } };
	bool is_made = true;

	if (!make_way(picture, width, height) ||
	    !gst_video_frame_map(
		&due, &picture->info, picture->due, GST_MAP_READ))
		return false;
	seen.info = picture->seen;
	if (picture->way[0] == NULL)
		gst_video_converter_frame(picture->way[1], &due, &seen);
	else
		is_made = go_between(picture, &due, &seen);
	gst_video_frame_unmap(&due);
	return is_made;
}

/* ---- past GTK ---- */

/* False: it is for GTK to do. */
static bool
put(struct picture *picture)
{
	GdkRectangle seen;
	uint8_t *pixels;

	if (picture->area.width == 0)
		return false;
	seen = seen_in(picture, picture->area.width, picture->area.height);
	pixels = canvas_pixels(picture->canvas, seen.width, seen.height);
	if (pixels == NULL ||
	    !make_pixels(picture, seen.width, seen.height, pixels))
		return false;
	canvas_show(picture->canvas, picture->area.x + seen.x,
	    picture->area.y + seen.y);
	return true;
}

void
picture_aim(GstElement *element, const GdkRectangle *area,
    const cairo_region_t *part)
{
	static const GdkRectangle nowhere;
	struct picture *picture = picture_of(element);

	if (picture->canvas == NULL)
		return;
	g_mutex_lock(&picture->lock);
	picture->area = area != NULL ? *area : nowhere;
	canvas_clip(picture->canvas, part);
	g_mutex_unlock(&picture->lock);
}

void
picture_repeat(GstElement *element)
{
	struct picture *picture = picture_of(element);

	g_mutex_lock(&picture->lock);
	if (picture->due != NULL)
		put(picture);
	g_mutex_unlock(&picture->lock);
}

/* ---- by GTK ---- */

static gboolean
on_ask(gpointer context)
{
	struct picture *picture = context;

	g_mutex_lock(&picture->lock);
	picture->asker = 0;
	g_mutex_unlock(&picture->lock);
	picture->redraw(picture->context);
	return G_SOURCE_REMOVE;
}

static void
ask(struct picture *picture)
{
	if (picture->asker == 0)
		picture->asker =
		    g_idle_add_full(G_PRIORITY_DEFAULT, on_ask, picture, NULL);
}

static cairo_surface_t *
surface_of(struct picture *picture, int width, int height)
{
	cairo_surface_t *surface = picture->surface;

	if (surface == NULL ||
	    cairo_image_surface_get_width(surface) != width ||
	    cairo_image_surface_get_height(surface) != height) {
		g_clear_pointer(&picture->surface, cairo_surface_destroy);
		picture->surface = cairo_image_surface_create(
		    CAIRO_FORMAT_RGB24, width, height);
	}
	return picture->surface;
}

static void
draw(struct picture *picture, cairo_t *cr, int width, int height)
{
	GdkRectangle seen = seen_in(picture, width, height);
	cairo_surface_t *surface = surface_of(picture, seen.width, seen.height);
	uint8_t *pixels;

	cairo_surface_flush(surface);
	pixels = cairo_image_surface_get_data(surface);
	if (pixels == NULL ||
	    !make_pixels(picture, seen.width, seen.height, pixels))
		return;
	cairo_surface_mark_dirty(surface);
	cairo_set_source_surface(cr, surface, seen.x, seen.y);
	cairo_paint(cr);
}

void
picture_draw(GstElement *element, cairo_t *cr, int width, int height)
{
	struct picture *picture = picture_of(element);

	cairo_set_source_rgb(cr, 0.0, 0.0, 0.0);
	cairo_paint(cr);
	g_mutex_lock(&picture->lock);
	if (picture->due != NULL)
		draw(picture, cr, width, height);
	g_mutex_unlock(&picture->lock);
}

/* ---- what GStreamer asks for ---- */

static GstFlowReturn
picture_show_frame(GstVideoSink *sink, GstBuffer *buffer)
{
	struct picture *picture = picture_of(sink);

	g_mutex_lock(&picture->lock);
	gst_buffer_replace(&picture->due, buffer);
	if (!put(picture))
		ask(picture);
	g_mutex_unlock(&picture->lock);
	return GST_FLOW_OK;
}

/* Another size has other bars beside it. */
static gboolean
picture_set_caps(GstBaseSink *sink, GstCaps *caps)
{
	struct picture *picture = picture_of(sink);
	GstVideoInfo info;

	if (!gst_video_info_from_caps(&info, caps))
		return FALSE;
	g_mutex_lock(&picture->lock);
	gst_buffer_replace(&picture->due, NULL);
	forget_way(picture);
	picture->info = info;
	GST_VIDEO_SINK_WIDTH(picture) = info.width;
	GST_VIDEO_SINK_HEIGHT(picture) = info.height;
	ask(picture);
	g_mutex_unlock(&picture->lock);
	return TRUE;
}

static gboolean
picture_stop(GstBaseSink *sink)
{
	struct picture *picture = picture_of(sink);

	g_mutex_lock(&picture->lock);
	gst_buffer_replace(&picture->due, NULL);
	ask(picture);
	g_mutex_unlock(&picture->lock);
	return TRUE;
}

/* Decoders need not copy to get rid of what they have between lines. */
static gboolean
picture_propose_allocation(GstBaseSink *sink, GstQuery *query)
{
	(void)sink;
	gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL);
	return TRUE;
}

/*
 * How early a picture was is of no use to decoders: only of one that was late
 * they are told.  It would go through all that is between, for each picture.
 */
static GstPadProbeReturn
on_upstream(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
	GstClockTimeDiff late;

	(void)pad;
	(void)context;
	if (GST_EVENT_TYPE(event) != GST_EVENT_QOS)
		return GST_PAD_PROBE_OK;
	gst_event_parse_qos(event, NULL, NULL, &late, NULL);
	return late > 0 ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

/* ---- from beginning to end ---- */

static void
picture_finalize(GObject *object)
{
	struct picture *picture = picture_of(object);

	if (picture->asker != 0)
		g_source_remove(picture->asker);
	gst_buffer_replace(&picture->due, NULL);
	forget_way(picture);
	canvas_close(picture->canvas);
	g_clear_pointer(&picture->surface, cairo_surface_destroy);
	g_mutex_clear(&picture->lock);
	G_OBJECT_CLASS(picture_parent_class)->finalize(object);
}

static void
picture_class_init(PictureClass *class)
{
	GstElementClass *element_class = GST_ELEMENT_CLASS(class);
	GstBaseSinkClass *base_class = GST_BASE_SINK_CLASS(class);

	G_OBJECT_CLASS(class)->finalize = picture_finalize;
	gst_element_class_add_static_pad_template(
	    element_class, &sink_template);
	gst_element_class_set_static_metadata(element_class,
	    "vodplay's picture", "Sink/Video",
	    "Draws in the window, or has GTK draw", PACKAGE_NAME);
	base_class->set_caps = picture_set_caps;
	base_class->stop = picture_stop;
	base_class->propose_allocation = picture_propose_allocation;
	GST_VIDEO_SINK_CLASS(class)->show_frame = picture_show_frame;
}

static void
picture_init(Picture *picture)
{
	g_mutex_init(&picture->lock);
	g_object_set(picture, "enable-last-sample", FALSE, NULL);
	gst_pad_add_probe(GST_BASE_SINK_PAD(picture),
	    GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_upstream, NULL, NULL);
}

GstElement *
picture_new(GdkWindow *window, void (*redraw)(void *context), void *context)
{
	struct picture *picture = g_object_new(picture_get_type(), NULL);

	picture->redraw = redraw;
	picture->context = context;
	picture->canvas = canvas_open(window);
	return GST_ELEMENT(picture);
}
