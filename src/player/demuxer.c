/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes at a demultiplexer's pads; all of it on its streaming thread.
 */
#include "player/demuxer.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

/* Nothing is shown before each stream has decoded something.  When a picture
 * is there and a sound is not, for so long, the sound's decoder is told that
 * there is a gap. */
#define SOUND_LATE_US ((gint64)US_PER_SECOND / 10)

struct demuxer {
	GList *silent; /* owned: pads of sound, from a segment to a buffer */
	gint64 picture_us; /* the first behind the segment; 0: none yet */
	GstClockTime start;
};

static bool
is_kind(GstPad *pad, const char *kind)
{
	GstCaps *caps = gst_pad_get_current_caps(pad);
	bool is =
	    caps != NULL &&
	    g_str_has_prefix(
		gst_structure_get_name(gst_caps_get_structure(caps, 0)), kind);

	if (caps != NULL)
		gst_caps_unref(caps);
	return is;
}

/* ---- sound that comes later ---- */

static void
forget(struct demuxer *demuxer, GstPad *pad)
{
	GList *link = g_list_find(demuxer->silent, pad);

	if (link == NULL)
		return;
	demuxer->silent = g_list_delete_link(demuxer->silent, link);
	gst_object_unref(pad);
}

static void
tell_gap(struct demuxer *demuxer, GstPad *pad)
{
	gst_pad_push_event(
	    pad, gst_event_new_gap(demuxer->start, GST_CLOCK_TIME_NONE));
	forget(demuxer, pad);
}

static GstPadProbeReturn
on_sound(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	(void)info;
	forget(context, pad);
	return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_picture(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	struct demuxer *demuxer = context;
	gint64 now_us;

	(void)pad;
	(void)info;
	if (demuxer->silent == NULL)
		return GST_PAD_PROBE_OK;
	now_us = g_get_monotonic_time();
	if (demuxer->picture_us == 0)
		demuxer->picture_us = now_us;
	else if (now_us - demuxer->picture_us > SOUND_LATE_US)
		while (demuxer->silent != NULL)
			tell_gap(demuxer, demuxer->silent->data);
	return GST_PAD_PROBE_OK;
}

/* ---- segments ---- */

/*
 * asfdemux adds up running times over seeks as if none of them flushed: the
 * pipeline would stand still for as long as it played before.
 */
static GstEvent *
without_base(GstEvent *event, const GstSegment *segment)
{
	GstSegment better = *segment;
	GstEvent *out;

	better.base = 0;
	out = gst_event_new_segment(&better);
	gst_event_set_seqnum(out, gst_event_get_seqnum(event));
	gst_event_unref(event);
	return out;
}

static GstPadProbeReturn
on_event(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
	struct demuxer *demuxer = context;
	const GstSegment *segment;

	if (GST_EVENT_TYPE(event) != GST_EVENT_SEGMENT)
		return GST_PAD_PROBE_OK;
	gst_event_parse_segment(event, &segment);
	demuxer->start = segment->start;
	demuxer->picture_us = 0;
	if (is_kind(pad, "audio/") && g_list_find(demuxer->silent, pad) == NULL)
		demuxer->silent =
		    g_list_prepend(demuxer->silent, gst_object_ref(pad));
	if (segment->base != 0)
		GST_PAD_PROBE_INFO_DATA(info) = without_base(event, segment);
	return GST_PAD_PROBE_OK;
}

/* ---- its pads ---- */

static void
on_pad_added(GstElement *element, GstPad *pad, gpointer context)
{
	(void)element;
	gst_pad_add_probe(
	    pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, context, NULL);
	if (is_kind(pad, "audio/"))
		gst_pad_add_probe(
		    pad, GST_PAD_PROBE_TYPE_BUFFER, on_sound, context, NULL);
	else if (is_kind(pad, "video/"))
		gst_pad_add_probe(
		    pad, GST_PAD_PROBE_TYPE_BUFFER, on_picture, context, NULL);
}

static void
on_pad_removed(GstElement *element, GstPad *pad, gpointer context)
{
	(void)element;
	forget(context, pad);
}

static void
demuxer_free(gpointer context, GClosure *closure)
{
	struct demuxer *demuxer = context;

	(void)closure;
	g_list_free_full(demuxer->silent, gst_object_unref);
	g_free(demuxer);
}

void
demuxer_watch(GstElement *element)
{
	struct demuxer *demuxer = g_new0(struct demuxer, 1);

	g_signal_connect_data(element, "pad-added", G_CALLBACK(on_pad_added),
	    demuxer, demuxer_free, 0);
	g_signal_connect(
	    element, "pad-removed", G_CALLBACK(on_pad_removed), demuxer);
}
