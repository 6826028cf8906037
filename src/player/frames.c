/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hashes and pictures.  A picture is hashed as ffmpeg lays it out: plane behind
 * plane, without what is added to rows for alignment.
 */
#include "player/frames.h"

#include <errno.h>
#include <gst/audio/audio.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define PNG_TIMEOUT (5 * GST_SECOND)

enum kind { VIDEO, AUDIO, KIND_COUNT };

struct frames {
	GMutex mutex;
	const char *folder; /* borrowed */
	FILE *hashes; /* owned; NULL: none */
	bool has_head, has_stream[KIND_COUNT];
	bool has_limit, has_first;
	uint64_t limit_us;
	uint64_t last_us; /* media time, the most so far */
	uint64_t picture_us; /* when the last one was shown */
	struct frames_counts counts;
	int error; /* -errno of writing, 0: none */
};

int
frames_new(const char *folder, const char *hashes, struct frames **out)
{
	struct frames *frames;
	int error;

	if (folder != NULL && g_mkdir_with_parents(folder, 0777) != 0)
		return -errno;
	frames = g_new0(struct frames, 1);
	g_mutex_init(&frames->mutex);
	frames->folder = folder;
	if (hashes != NULL) {
		frames->hashes = fopen(hashes, "we");
		if (frames->hashes == NULL) {
			error = -errno;
			frames_free(frames);
			return error;
		}
	}
	*out = frames;
	return 0;
}

int
frames_free(struct frames *frames)
{
	int error;

	if (frames == NULL)
		return 0;
	error = frames->error;
	if (frames->hashes != NULL && fclose(frames->hashes) != 0 && error == 0)
		error = -errno;
	g_mutex_clear(&frames->mutex);
	g_free(frames);
	return error;
}

/* ---- hashes ---- */

static void
note_error(struct frames *frames, int error)
{
	if (frames->error == 0)
		frames->error = -error;
}

static void
write_head(struct frames *frames, enum kind kind, const char *dimensions)
{
	if (!frames->has_head)
		fputs("#format: frame checksums\n#version: 2\n#hash: MD5\n",
		    frames->hashes);
	frames->has_head = true;
	if (frames->has_stream[kind])
		return;
	frames->has_stream[kind] = true;
	fprintf(frames->hashes, "#tb %d: 1/1000\n#media_type %d: %s\n#%s\n",
	    kind, kind, kind == VIDEO ? "video" : "audio", dimensions);
}

static void
write_hash(struct frames *frames, enum kind kind, GstBuffer *buffer,
    size_t bytes, GChecksum *sum)
{
	long long at = GST_BUFFER_PTS_IS_VALID(buffer)
			   ? (long long)(GST_BUFFER_PTS(buffer) / GST_MSECOND)
			   : 0;
	long long duration =
	    GST_BUFFER_DURATION_IS_VALID(buffer)
		? (long long)(GST_BUFFER_DURATION(buffer) / GST_MSECOND)
		: 0;

	if (fprintf(frames->hashes, "%d, %10lld, %10lld, %8lld, %8zu, %s\n",
		kind, at, at, duration, bytes, g_checksum_get_string(sum)) < 0)
		note_error(frames, errno);
}

static size_t
add_plane(GChecksum *sum, const GstVideoFrame *frame, unsigned plane)
{
	const GstVideoFormatInfo *format = frame->info.finfo;
	const uint8_t *row = GST_VIDEO_FRAME_PLANE_DATA(frame, plane);
	unsigned component = 0;
	size_t bytes, rows;

	while (GST_VIDEO_FORMAT_INFO_PLANE(format, component) != plane)
		component++;
	bytes = (size_t)GST_VIDEO_FRAME_COMP_WIDTH(frame, component) *
		(size_t)GST_VIDEO_FRAME_COMP_PSTRIDE(frame, component);
	rows = (size_t)GST_VIDEO_FRAME_COMP_HEIGHT(frame, component);
	for (size_t i = 0; i < rows; i++) {
		g_checksum_update(sum, row, (gssize)bytes);
		row += GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane);
	}
	return bytes * rows;
}

static void
hash_picture(struct frames *frames, GstBuffer *buffer, const GstVideoInfo *info)
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_MD5);
	GstVideoInfo copy = *info;
	GstVideoFrame frame;
	char head[128];
	size_t bytes = 0;

	snprintf(head, sizeof(head), "dimensions 0: %dx%d\n#format 0: %s",
	    GST_VIDEO_INFO_WIDTH(info), GST_VIDEO_INFO_HEIGHT(info),
	    GST_VIDEO_INFO_NAME(info));
	write_head(frames, VIDEO, head);
	if (gst_video_frame_map(&frame, &copy, buffer, GST_MAP_READ)) {
		for (unsigned i = 0; i < GST_VIDEO_FRAME_N_PLANES(&frame); i++)
			bytes += add_plane(sum, &frame, i);
		gst_video_frame_unmap(&frame);
		write_hash(frames, VIDEO, buffer, bytes, sum);
	}
	g_checksum_free(sum);
}

/* Channels behind each other are hashed sample by sample, as ffmpeg does. */
static size_t
add_samples(GChecksum *sum, const GstAudioBuffer *sound)
{
	size_t channels = (size_t)GST_AUDIO_BUFFER_CHANNELS(sound);
	size_t bytes = (size_t)GST_AUDIO_BUFFER_BPS(sound);
	size_t size = sound->n_samples * channels * bytes;
	uint8_t *woven;

	if (sound->n_planes <= 1) {
		g_checksum_update(sum, sound->planes[0], (gssize)size);
		return size;
	}
	woven = g_malloc(size);
	for (size_t i = 0; i < sound->n_samples; i++)
		for (size_t channel = 0; channel < channels; channel++)
			memcpy(woven + (i * channels + channel) * bytes,
			    (uint8_t *)sound->planes[channel] + i * bytes,
			    bytes);
	g_checksum_update(sum, woven, (gssize)size);
	g_free(woven);
	return size;
}

static void
hash_sound(struct frames *frames, GstBuffer *buffer, const GstAudioInfo *info)
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_MD5);
	GstAudioBuffer sound;
	char head[160];
	size_t bytes;

	snprintf(head, sizeof(head),
	    "sample_rate 1: %d\n#channels 1: %d\n#format 1: %s",
	    GST_AUDIO_INFO_RATE(info), GST_AUDIO_INFO_CHANNELS(info),
	    GST_AUDIO_INFO_NAME(info));
	write_head(frames, AUDIO, head);
	if (gst_audio_buffer_map(&sound, info, buffer, GST_MAP_READ)) {
		bytes = add_samples(sum, &sound);
		gst_audio_buffer_unmap(&sound);
		write_hash(frames, AUDIO, buffer, bytes, sum);
	}
	g_checksum_free(sum);
}

/* ---- pictures ---- */

static void
write_picture(struct frames *frames, GstBuffer *buffer, GstCaps *caps)
{
	GstCaps *png = gst_caps_new_empty_simple("image/png");
	GstSample *from = gst_sample_new(buffer, caps, NULL, NULL);
	GstSample *to = gst_video_convert_sample(from, png, PNG_TIMEOUT, NULL);
	char *name = g_strdup_printf("%s/%06llu.png", frames->folder,
	    (unsigned long long)frames->counts.pictures);
	GError *error = NULL;
	GstMapInfo map;

	if (to == NULL) {
		note_error(frames, EIO); /* no encoder for PNG */
	} else if (gst_buffer_map(
		       gst_sample_get_buffer(to), &map, GST_MAP_READ)) {
		if (!g_file_set_contents(
			name, (const char *)map.data, (gssize)map.size, &error))
			note_error(frames, EIO);
		gst_buffer_unmap(gst_sample_get_buffer(to), &map);
	}
	g_clear_error(&error);
	g_free(name);
	if (to != NULL)
		gst_sample_unref(to);
	gst_sample_unref(from);
	gst_caps_unref(png);
}

/* ---- sinks ---- */

static void
count_picture(struct frames *frames)
{
	struct frames_counts *counts = &frames->counts;
	uint64_t now_us = (uint64_t)g_get_monotonic_time();

	if (counts->pictures > 0)
		counts->picture_gap_us =
		    MAX_OF(counts->picture_gap_us, now_us - frames->picture_us);
	frames->picture_us = now_us;
	counts->pictures++;
}

/* False: behind the limit. */
static bool
count(struct frames *frames, enum kind kind, GstBuffer *buffer)
{
	struct frames_counts *counts = &frames->counts;
	uint64_t at_us = GST_BUFFER_PTS_IS_VALID(buffer)
			     ? GST_BUFFER_PTS(buffer) / GST_USECOND
			     : frames->last_us;

	if (!frames->has_first)
		counts->first_us = frames->last_us = at_us;
	frames->has_first = true;
	if (frames->has_limit && at_us >= counts->first_us + frames->limit_us)
		return false;
	frames->last_us = MAX_OF(frames->last_us, at_us);
	if (kind == VIDEO)
		count_picture(frames);
	else
		counts->sounds++;
	return true;
}

static void
on_picture(GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer context)
{
	struct frames *frames = context;
	GstCaps *caps = gst_pad_get_current_caps(pad);
	GstVideoInfo info;

	(void)sink;
	g_mutex_lock(&frames->mutex);
	if (count(frames, VIDEO, buffer) && caps != NULL) {
		if (frames->hashes != NULL &&
		    gst_video_info_from_caps(&info, caps))
			hash_picture(frames, buffer, &info);
		if (frames->folder != NULL)
			write_picture(frames, buffer, caps);
	}
	g_mutex_unlock(&frames->mutex);
	if (caps != NULL)
		gst_caps_unref(caps);
}

static void
on_sound(GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer context)
{
	struct frames *frames = context;
	GstCaps *caps = gst_pad_get_current_caps(pad);
	GstAudioInfo info;

	(void)sink;
	g_mutex_lock(&frames->mutex);
	if (count(frames, AUDIO, buffer) && frames->hashes != NULL &&
	    caps != NULL && gst_audio_info_from_caps(&info, caps))
		hash_sound(frames, buffer, &info);
	g_mutex_unlock(&frames->mutex);
	if (caps != NULL)
		gst_caps_unref(caps);
}

static GstElement *
make_sink(GCallback on_frame, struct frames *frames)
{
	GstElement *sink = gst_element_factory_make("fakesink", NULL);

	if (sink == NULL)
		return NULL;
	g_object_set(sink, "sync", TRUE, "qos", FALSE, "max-lateness",
	    G_GINT64_CONSTANT(-1), "signal-handoffs", TRUE,
	    "enable-last-sample", FALSE, NULL);
	g_signal_connect(sink, "handoff", on_frame, frames);
	return sink;
}

GstElement *
frames_video_sink(struct frames *frames)
{
	return make_sink(G_CALLBACK(on_picture), frames);
}

GstElement *
frames_audio_sink(struct frames *frames)
{
	return make_sink(G_CALLBACK(on_sound), frames);
}

void
frames_limit(struct frames *frames, uint64_t duration_us)
{
	frames->has_limit = true;
	frames->limit_us = duration_us;
}

struct frames_counts
frames_counts(struct frames *frames)
{
	struct frames_counts counts;

	g_mutex_lock(&frames->mutex);
	counts = frames->counts;
	g_mutex_unlock(&frames->mutex);
	return counts;
}
