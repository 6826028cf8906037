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

/* The device's own sink in what found it; NULL: there is none. */
static GstElement *
find_device(GstElement *sink)
{
	GstIterator *children = gst_bin_iterate_sinks(GST_BIN(sink));
	GValue value = G_VALUE_INIT;
	GstElement *device = NULL;

	if (gst_iterator_next(children, &value) == GST_ITERATOR_OK) {
		device = g_value_dup_object(&value);
		g_value_unset(&value);
	}
	gst_iterator_free(children);
	return device;
}

static bool
has_device(GstElement *sink)
{
	GstElement *device = find_device(sink);
	bool is_there = device != NULL &&
			!g_str_has_prefix(GST_OBJECT_NAME(device), "fake");

	g_clear_object(&device);
	return is_there;
}

GstElement *
sound_new(void)
{
	GstElement *sink = gst_element_factory_make("autoaudiosink", NULL);

	if (sink == NULL)
		return NULL;
	if (gst_element_set_state(sink, GST_STATE_READY) !=
		GST_STATE_CHANGE_FAILURE &&
	    has_device(sink))
		return sink;
	gst_element_set_state(sink, GST_STATE_NULL);
	gst_object_unref(gst_object_ref_sink(sink));
	return NULL;
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
		return; /* a title without sound */
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

void
sound_begin(GstElement *sink)
{
	GstElement *device = GST_IS_BIN(sink) ? find_device(sink) : NULL;
	GstElementFactory *factory =
	    device != NULL ? gst_element_get_factory(device) : NULL;

	if (factory != NULL &&
	    g_str_equal(GST_OBJECT_NAME(factory), "pulsesink"))
		make_stream_anew(GST_AUDIO_BASE_SINK(device));
	g_clear_object(&device);
}
