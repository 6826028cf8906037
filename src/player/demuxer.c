/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes at a demultiplexer's pads; all of it on its streaming thread.
 */
#include "player/demuxer.h"

#include <stdbool.h>

#include "base/base.h"

/*
 * Nothing is shown before each stream has decoded something.  Where one passes
 * for so long and another brings nothing, its decoder is told of a gap.
 */
#define PICTURE_LATE_US ((gint64)US_PER_SECOND)

struct demuxer {
	GList *silent; /* owned: pads, from a segment to a buffer or gap */
	gint64 begun_us; /* when the first was no longer; 0: not yet */
	gint64 sound_late_us;
	atomic_bool *has_media;
	GstClockTime start; /* the segment's */
};

static bool
is_picture(GstPad *pad)
{
	return g_str_has_prefix(GST_OBJECT_NAME(pad), "video");
}

/* ---- streams that bring nothing ---- */

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
tell_gaps(struct demuxer *demuxer, gint64 passed_us)
{
	GList *next;

	for (GList *link = demuxer->silent; link != NULL; link = next) {
		GstPad *pad = link->data;

		next = link->next;
		if (passed_us < (is_picture(pad) ? PICTURE_LATE_US
						 : demuxer->sound_late_us))
			continue;
		gst_pad_push_event(pad,
		    gst_event_new_gap(demuxer->start, GST_CLOCK_TIME_NONE));
		forget(demuxer, pad);
	}
}

static GstPadProbeReturn
on_buffer(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	struct demuxer *demuxer = context;
	gint64 now_us;

	(void)info;
	atomic_store(demuxer->has_media, true);
	if (demuxer->silent == NULL)
		return GST_PAD_PROBE_OK;
	forget(demuxer, pad);
	now_us = g_get_monotonic_time();
	if (demuxer->begun_us == 0)
		demuxer->begun_us = now_us;
	tell_gaps(demuxer, now_us - demuxer->begun_us);
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
	demuxer->begun_us = 0;
	if (g_list_find(demuxer->silent, pad) == NULL)
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
	gst_pad_add_probe(
	    pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, context, NULL);
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
demuxer_watch(
    GstElement *element, uint64_t sound_late_us, atomic_bool *has_media)
{
	struct demuxer *demuxer = g_new0(struct demuxer, 1);

	demuxer->sound_late_us = (gint64)sound_late_us;
	demuxer->has_media = has_media;
	g_signal_connect_data(element, "pad-added", G_CALLBACK(on_pad_added),
	    demuxer, demuxer_free, 0);
	g_signal_connect(
	    element, "pad-removed", G_CALLBACK(on_pad_removed), demuxer);
}
