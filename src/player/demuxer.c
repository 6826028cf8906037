/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes at a demultiplexer's pads; all of it on its streaming thread.
 */
#include "player/demuxer.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "media/asf.h"

/*
 * Nothing is shown before each stream has decoded something.  Where one passes
 * for so long and another brings nothing, its decoder is told of a gap.
 */
#define PICTURE_LATE_US ((gint64)US_PER_SECOND)
/* Of a file sound is there in a moment; else there is time enough for it, and
 * for its decoder, until what is wanted is buffered. */
#define FILE_SOUND_LATE_US ((gint64)US_PER_SECOND / 10)

struct demuxer {
	GList *silent; /* owned: pads, from a segment to a buffer or gap */
	gint64 begun_us; /* when the first was no longer; 0: not yet */
	gint64 sound_late_us;
	GstClockTime start; /* the segment's */
	unsigned best; /* stream of pictures; 0: not known */
	unsigned pictures; /* pads */
	struct demuxer_seen *seen;
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
	atomic_store(&demuxer->seen->has_media, true);
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

/* ---- the best of several pictures ---- */

static unsigned
best_of(const uint8_t *data, size_t size)
{
	struct asf_header *header = g_new(struct asf_header, 1);
	unsigned best = 0;
	uint64_t bytes;

	if (asf_header_size(data, &bytes) == ASF_OK && bytes <= size &&
	    asf_header_parse(data, (size_t)bytes, header) == ASF_OK)
		best = asf_best_video(header);
	g_free(header);
	return best;
}

/* The header comes in one piece, behind its beginning. */
static GstPadProbeReturn
on_header(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
	struct demuxer *demuxer = context;
	GstMapInfo map;

	(void)pad;
	if (gst_buffer_get_size(buffer) <= 30 ||
	    !gst_buffer_map(buffer, &map, GST_MAP_READ))
		return GST_PAD_PROBE_OK;
	demuxer->best = best_of(map.data, map.size);
	gst_buffer_unmap(buffer, &map);
	return GST_PAD_PROBE_REMOVE;
}

static void
watch_header(struct demuxer *demuxer, GstElement *element)
{
	GstPad *pad = gst_element_get_static_pad(element, "sink");

	gst_pad_add_probe(pad,
	    GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_PULL |
		GST_PAD_PROBE_TYPE_PUSH,
	    on_header, demuxer, NULL);
	gst_object_unref(pad);
}

/* Behind the last / of its name. */
static unsigned
stream_of(GstPad *pad)
{
	char *name = gst_pad_get_stream_id(pad);
	const char *number = name != NULL ? strrchr(name, '/') : NULL;
	unsigned stream =
	    number != NULL ? (unsigned)strtoul(number + 1, NULL, 10) : 0;

	g_free(name);
	return stream;
}

/* ---- its pads ---- */

static void
on_pad_added(GstElement *element, GstPad *pad, gpointer context)
{
	struct demuxer *demuxer = context;

	(void)element;
	if (is_picture(pad)) {
		if (demuxer->best != 0 && stream_of(pad) == demuxer->best)
			atomic_store(
			    &demuxer->seen->best_video, demuxer->pictures);
		demuxer->pictures++;
	}
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
demuxer_watch(GstElement *element, bool is_file, struct demuxer_seen *seen)
{
	struct demuxer *demuxer = g_new0(struct demuxer, 1);

	demuxer->seen = seen;
	if (is_file) {
		demuxer->sound_late_us = FILE_SOUND_LATE_US;
		watch_header(demuxer, element);
	}
	g_signal_connect_data(element, "pad-added", G_CALLBACK(on_pad_added),
	    demuxer, demuxer_free, 0);
	g_signal_connect(
	    element, "pad-removed", G_CALLBACK(on_pad_removed), demuxer);
}
