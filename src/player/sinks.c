/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes at the sinks' pads, and questions to the sinks.
 */
#include "player/sinks.h"

#include "base/base.h"

static void
post(struct sinks *sinks, GstStructure *structure)
{
	gst_element_post_message(sinks->playbin,
	    gst_message_new_application(GST_OBJECT(sinks->playbin), structure));
}

/*
 * A segment comes before what it is about.  Of titles that are not our
 * source's that is the first sign; this message is ahead of all that the sink
 * says of it.
 */
static GstPadProbeReturn
on_event(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	(void)pad;
	if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_SEGMENT)
		post(context, gst_structure_new_empty("arrived"));
	return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_picture(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
	guint64 at =
	    GST_BUFFER_PTS_IS_VALID(buffer) ? GST_BUFFER_PTS(buffer) : 0;
	struct sinks *sinks = context;

	(void)pad;
	if (!atomic_exchange(&sinks->has_picture, true))
		post(sinks, gst_structure_new(
				"picture", "at", G_TYPE_UINT64, at, NULL));
	return GST_PAD_PROBE_OK;
}

static void
add_probe(struct sinks *sinks, GstElement *sink, GstPadProbeType type,
    GstPadProbeCallback callback)
{
	GstPad *pad = gst_element_get_static_pad(sink, "sink");

	gst_pad_add_probe(pad, type, callback, sinks, NULL);
	gst_object_unref(pad);
}

void
sinks_set_video(struct sinks *sinks, GstElement *sink)
{
	sinks->video = sink;
	g_object_set(sinks->playbin, "video-sink", sink, NULL);
	add_probe(sinks, sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event);
	add_probe(sinks, sink, GST_PAD_PROBE_TYPE_BUFFER, on_picture);
}

void
sinks_set_audio(struct sinks *sinks, GstElement *sink)
{
	sinks->audio = sink;
	g_object_set(sinks->playbin, "audio-sink", sink, NULL);
	add_probe(sinks, sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event);
}

static bool
has_property(GstElement *sink, const char *name)
{
	return g_object_class_find_property(G_OBJECT_GET_CLASS(sink), name) !=
	       NULL;
}

void
sinks_show_first(struct sinks *sinks, bool shows)
{
	atomic_store(&sinks->has_picture, !shows);
	if (has_property(sinks->video, "show-preroll-frame"))
		g_object_set(sinks->video, "show-preroll-frame", shows, NULL);
}

uint64_t
sinks_position_us(const struct sinks *sinks)
{
	GstElement *const both[] = { sinks->video, sinks->audio };
	gint64 position, least = -1;

	for (size_t i = 0; i < ARRAY_LENGTH(both); i++)
		if (gst_element_query_position(
			both[i], GST_FORMAT_TIME, &position) &&
		    position >= 0 && (least < 0 || position < least))
			least = position;
	return least < 0 ? 0 : (uint64_t)least / GST_USECOND;
}

void
sinks_count_frames(
    const struct sinks *sinks, uint64_t *shown, uint64_t *dropped)
{
	GstStructure *stats = NULL;

	if (!has_property(sinks->video, "stats"))
		return;
	g_object_get(sinks->video, "stats", &stats, NULL);
	if (stats == NULL)
		return;
	gst_structure_get_uint64(stats, "rendered", shown);
	gst_structure_get_uint64(stats, "dropped", dropped);
	gst_structure_free(stats);
}
