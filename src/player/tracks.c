/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two sources of knowledge, one list.
 */
#include "player/tracks.h"

#include <stdlib.h>

#include "base/base.h"
#include "player/source.h"
#include "player/tags.h"

/* Of an ASF header; kinds and numbers are its own. */
static void
describe_stream(const struct prologue *prologue, unsigned number,
    struct asf_set chosen, struct engine_track *out)
{
	const struct asf_stream *stream = &prologue->header.streams[number];

	*out = (struct engine_track){
		.kind = stream->kind == ASF_AUDIO ? ENGINE_AUDIO : ENGINE_VIDEO,
		.number = number,
		.chosen = asf_set_has(chosen, number),
		.bit_rate_bps = stream->bit_rate_bps,
		.channels = stream->channels,
		.sample_rate_hz = stream->sample_rate,
		.width = (unsigned)abs(stream->width),
		.height = (unsigned)abs(stream->height),
	};
	g_strlcpy(
	    out->language, prologue->languages[number], sizeof(out->language));
}

static size_t
list_of_source(GstElement *source, struct engine_track *tracks)
{
	const struct prologue *prologue = source_prologue(source);
	struct asf_set chosen = source_chosen(source);
	size_t count = 0;

	if (prologue == NULL)
		return 0;
	for (unsigned i = 1; i < ASF_STREAMS && count < ENGINE_TRACKS_MAX;
	     i++) {
		const struct asf_stream *stream = &prologue->header.streams[i];

		if (stream->there &&
		    (stream->kind == ASF_AUDIO || stream->kind == ASF_VIDEO))
			describe_stream(prologue, i, chosen, &tracks[count++]);
	}
	return count;
}

/* Of playbin's; numbers count from 0 within the kind. */
static const struct {
	const char *count, *current, *get_tags, *codec;
} kinds[] = {
	[ENGINE_AUDIO] = { "n-audio", "current-audio", "get-audio-tags",
	    GST_TAG_AUDIO_CODEC },
	[ENGINE_VIDEO] = { "n-video", "current-video", "get-video-tags",
	    GST_TAG_VIDEO_CODEC },
};

static void
describe_track(GstElement *playbin, enum engine_kind kind, int number,
    struct engine_track *out)
{
	GstTagList *tags = NULL;
	guint rate;

	g_signal_emit_by_name(playbin, kinds[kind].get_tags, number, &tags);
	*out =
	    (struct engine_track){ .kind = kind, .number = (unsigned)number };
	if (tags == NULL)
		return;
	tags_copy(
	    tags, GST_TAG_LANGUAGE_CODE, out->language, sizeof(out->language));
	tags_copy(tags, kinds[kind].codec, out->codec, sizeof(out->codec));
	if (gst_tag_list_get_uint(tags, GST_TAG_BITRATE, &rate))
		out->bit_rate_bps = rate;
	gst_tag_list_unref(tags);
}

static size_t
list_of_playbin(GstElement *playbin, struct engine_track *tracks)
{
	size_t count = 0;

	for (unsigned kind = 0; kind < ARRAY_LENGTH(kinds); kind++) {
		int number, current;

		g_object_get(playbin, kinds[kind].count, &number,
		    kinds[kind].current, &current, NULL);
		for (int i = 0; i < number && count < ENGINE_TRACKS_MAX; i++) {
			describe_track(
			    playbin, (enum engine_kind)kind, i, &tracks[count]);
			tracks[count++].chosen = i == current;
		}
	}
	return count;
}

size_t
tracks_list(GstElement *playbin, GstElement *source,
    struct engine_track tracks[static ENGINE_TRACKS_MAX])
{
	return source != NULL ? list_of_source(source, tracks)
			      : list_of_playbin(playbin, tracks);
}

uint64_t
tracks_bps(GstElement *playbin, GstElement *source)
{
	struct engine_track tracks[ENGINE_TRACKS_MAX];
	size_t count = tracks_list(playbin, source, tracks);
	uint64_t bps = 0;

	for (size_t i = 0; i < count; i++)
		if (tracks[i].chosen)
			bps += tracks[i].bit_rate_bps;
	return bps;
}

struct asf_set
tracks_with(GstElement *source, enum engine_kind kind, unsigned number)
{
	struct engine_track tracks[ENGINE_TRACKS_MAX];
	size_t count = list_of_source(source, tracks);
	struct asf_set chosen = { { 0 } };

	for (size_t i = 0; i < count; i++)
		if (tracks[i].kind == kind ? tracks[i].number == number
					   : tracks[i].chosen)
			asf_set_add(&chosen, tracks[i].number);
	return chosen;
}

void
tracks_choose(GstElement *playbin, enum engine_kind kind, unsigned number)
{
	g_object_set(playbin, kinds[kind].current, (int)number, NULL);
}
