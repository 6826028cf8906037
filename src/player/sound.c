/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GStreamer looks for a device itself; what is done here is to find out
 * whether it found one, and to make good what it does otherwise than a viewer
 * needs it.
 */
#include "player/sound.h"

#include <gst/audio/gstaudiobasesink.h>
#include <stdbool.h>

GstElement *
sound_new_silent(void)
{
	GstElement *sink = gst_element_factory_make("fakesink", NULL);

	if (sink != NULL)
		g_object_set(sink, "sync", TRUE, NULL);
	return sink;
}

GstElement *
sound_new(void)
{
	GstElement *sink = gst_element_factory_make("autoaudiosink", NULL);

	if (sink == NULL)
		return sound_new_silent();
	/* The first title need not wait for it. */
	gst_element_set_state(sink, GST_STATE_READY);
	return sink;
}

/* The device's own sink in what found it; owned. */
static GstElement *
find_device(GstElement *sink)
{
	GstIterator *children;
	GValue value = G_VALUE_INIT;
	GstElement *device = NULL;

	if (!GST_IS_BIN(sink))
		return gst_object_ref(sink);
	children = gst_bin_iterate_sinks(GST_BIN(sink));
	if (gst_iterator_next(children, &value) == GST_ITERATOR_OK) {
		device = g_value_dup_object(&value);
		g_value_unset(&value);
	}
	gst_iterator_free(children);
	return device;
}

static bool
is_made_by(GstElement *device, const char *name)
{
	GstElementFactory *factory =
	    device != NULL ? gst_element_get_factory(device) : NULL;

	return factory != NULL && g_str_equal(GST_OBJECT_NAME(factory), name);
}

/*
 * libpulse 16 counts a stream's time from when it was made, though it was not
 * started: all would stand still for as long as was buffered before.  So the
 * stream is made when it is needed.
 */
static void
make_stream_anew(GstAudioBaseSink *device)
{
	GstAudioRingBuffer *ring = device->ringbuffer;
	GstCaps *caps;

	if (!gst_audio_ring_buffer_is_acquired(ring))
		return; /* nothing of it came */
	caps = gst_caps_ref(ring->spec.caps);
	gst_audio_ring_buffer_activate(ring, FALSE);
	gst_audio_ring_buffer_release(ring);
	/* What stands there is what the device made of it. */
	ring->spec.buffer_time = device->buffer_time;
	ring->spec.latency_time = device->latency_time;
	gst_audio_ring_buffer_parse_caps(&ring->spec, caps);
	if (gst_audio_ring_buffer_acquire(ring, &ring->spec))
		gst_audio_ring_buffer_activate(ring, TRUE);
	gst_caps_unref(caps);
}

bool
sound_begin(GstElement *sink, bool *is_silent)
{
	GstElement *device;
	bool was_silent = *is_silent;

	if (GST_STATE(sink) < GST_STATE_PAUSED)
		return false; /* a title without sound */
	device = find_device(sink);
	if (is_made_by(device, "pulsesink"))
		make_stream_anew(GST_AUDIO_BASE_SINK(device));
	*is_silent = is_made_by(device, "fakesink");
	g_clear_object(&device);
	return *is_silent && !was_silent;
}
