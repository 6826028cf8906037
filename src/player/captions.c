/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A probe in front of the demultiplexer.  It goes as soon as a header says
 * that nothing is to come.
 */
#include "player/captions.h"

#include <string.h>

#include "base/base.h"

#define OBJECT_MOST 8192

struct captions {
	captions_prologue *prologue;
	void *context;
	uint32_t told_ms; /* commands before are; the engine's thread's */
	GMutex mutex; /* of all below */
	struct script header, passing;
	uint32_t packet_bytes; /* 0: no header came yet */
	uint32_t shift_ms; /* times in packets are media times and so much */
	struct asf_set streams; /* of commands */
	struct {
		unsigned stream;
		uint32_t number, bytes; /* so many are there */
		uint8_t data[OBJECT_MOST];
	} object; /* it comes in pieces */
};

struct captions *
captions_new(captions_prologue *prologue, void *context)
{
	struct captions *captions = g_new0(struct captions, 1);

	captions->prologue = prologue;
	captions->context = context;
	g_mutex_init(&captions->mutex);
	return captions;
}

void
captions_free(struct captions *captions)
{
	if (captions == NULL)
		return;
	g_mutex_clear(&captions->mutex);
	g_free(captions);
}

void
captions_forget(struct captions *captions)
{
	g_mutex_lock(&captions->mutex);
	captions->header.count = captions->passing.count = 0;
	captions->header.used = captions->passing.used = 0;
	captions->packet_bytes = captions->object.bytes = 0;
	captions->streams = (struct asf_set){ { 0 } };
	g_mutex_unlock(&captions->mutex);
}

/* ---- what passes ---- */

static void
take_header(struct captions *captions, const struct prologue *prologue,
    uint32_t shift_ms)
{
	const struct asf_header *header = &prologue->header;

	captions->header = prologue->script;
	captions->packet_bytes = header->packet_bytes;
	captions->shift_ms = shift_ms;
	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (header->streams[i].there &&
		    header->streams[i].kind == ASF_COMMAND)
			asf_set_add(&captions->streams, i);
}

/* DATA may be anything. */
static void
read_header(struct captions *captions, const uint8_t *data, size_t size)
{
	const struct prologue *told;
	struct prologue *own;
	uint64_t bytes;

	if (size < 30 || asf_header_size(data, &bytes) != ASF_OK)
		return;
	told = captions->prologue(captions->context);
	if (told != NULL) {
		take_header(captions, told, PROLOGUE_SHIFT_MS);
		return;
	}
	own = g_new0(struct prologue, 1);
	if (prologue_make(data, size, NULL, 0, own) == ASF_OK)
		take_header(captions, own, own->header.preroll_ms);
	g_free(own);
}

static void
add(struct captions *captions, uint32_t at_ms, const uint8_t *data, size_t size)
{
	uint32_t shift_ms = captions->shift_ms;

	script_add(&captions->passing, at_ms > shift_ms ? at_ms - shift_ms : 0,
	    data, size);
}

/* Several objects, each behind its length (ASF reference 5.4). */
static void
read_compressed(struct captions *captions, const uint8_t *packet,
    const struct asf_payload *payload)
{
	struct bytes_reader reader =
	    bytes_reader(packet + payload->data_at, payload->data_bytes);
	uint32_t at_ms = payload->presentation_ms;

	while (reader.at < reader.size) {
		size_t size = bytes_u8(&reader);
		const uint8_t *data = bytes_take(&reader, size);

		if (reader.failed)
			return;
		add(captions, at_ms, data, size);
		at_ms += payload->step_ms;
	}
}

/* A piece of an object; with the last one it is added. */
static void
read_piece(struct captions *captions, const uint8_t *packet,
    const struct asf_payload *payload)
{
	if (payload->object_offset == 0) {
		captions->object.stream = payload->stream;
		captions->object.number = payload->object_number;
		captions->object.bytes = 0;
	}
	if (captions->object.stream != payload->stream ||
	    captions->object.number != payload->object_number ||
	    captions->object.bytes != payload->object_offset ||
	    payload->data_bytes > OBJECT_MOST - captions->object.bytes)
		return;
	memcpy(captions->object.data + captions->object.bytes,
	    packet + payload->data_at, payload->data_bytes);
	captions->object.bytes += payload->data_bytes;
	if (captions->object.bytes >= payload->object_bytes)
		add(captions, payload->presentation_ms, captions->object.data,
		    captions->object.bytes);
}

static void
read_payload(struct captions *captions, const uint8_t *packet,
    const struct asf_payload *payload)
{
	if (!asf_set_has(captions->streams, payload->stream))
		return;
	if (payload->compressed)
		read_compressed(captions, packet, payload);
	else
		read_piece(captions, packet, payload);
}

static void
read_packets(struct captions *captions, const uint8_t *data, size_t size)
{
	uint32_t packet_bytes = captions->packet_bytes;
	struct asf_packet parsed;

	if (size % packet_bytes != 0)
		return;
	for (; size > 0; data += packet_bytes, size -= packet_bytes)
		if (asf_packet_parse(data, packet_bytes, &parsed) == ASF_OK)
			for (unsigned i = 0; i < parsed.payload_count; i++)
				read_payload(
				    captions, data, &parsed.payloads[i]);
}

static GstPadProbeReturn
on_buffer(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	struct captions *captions = context;
	bool goes_on;
	GstMapInfo map;

	(void)pad;
	if (!gst_buffer_map(
		GST_PAD_PROBE_INFO_BUFFER(info), &map, GST_MAP_READ))
		return GST_PAD_PROBE_OK;
	g_mutex_lock(&captions->mutex);
	if (captions->packet_bytes == 0)
		read_header(captions, map.data, map.size);
	else
		read_packets(captions, map.data, map.size);
	goes_on =
	    captions->packet_bytes == 0 || !asf_set_is_empty(captions->streams);
	g_mutex_unlock(&captions->mutex);
	gst_buffer_unmap(GST_PAD_PROBE_INFO_BUFFER(info), &map);
	return goes_on ? GST_PAD_PROBE_OK : GST_PAD_PROBE_REMOVE;
}

void
captions_watch(struct captions *captions, GstElement *demuxer)
{
	GstPad *pad = gst_element_get_static_pad(demuxer, "sink");

	captions_forget(captions);
	gst_pad_add_probe(pad,
	    GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_PULL |
		GST_PAD_PROBE_TYPE_PUSH,
	    on_buffer, captions, NULL);
	gst_object_unref(pad);
}

/* ---- what is due ---- */

static void
tell_of(const struct script *script, uint32_t from_ms, uint32_t end_ms,
    captions_due *due, void *context)
{
	for (unsigned i = script_find(script, from_ms);
	     i < script->count && script->commands[i].at_ms < end_ms; i++)
		due(context, script->texts + script->commands[i].type,
		    script->texts + script->commands[i].text);
}

bool
captions_may_come(struct captions *captions)
{
	bool result;

	g_mutex_lock(&captions->mutex);
	result =
	    captions->header.count > 0 || !asf_set_is_empty(captions->streams);
	g_mutex_unlock(&captions->mutex);
	return result;
}

void
captions_go_to(struct captions *captions, uint64_t position_us)
{
	captions->told_ms = (uint32_t)(position_us / US_PER_MS);
}

void
captions_tell(struct captions *captions, uint64_t position_us,
    captions_due *due, void *context)
{
	uint32_t end_ms = (uint32_t)(position_us / US_PER_MS) + 1;

	g_mutex_lock(&captions->mutex);
	tell_of(&captions->header, captions->told_ms, end_ms, due, context);
	tell_of(&captions->passing, captions->told_ms, end_ms, due, context);
	g_mutex_unlock(&captions->mutex);
	captions->told_ms = MAX_OF(captions->told_ms, end_ms);
}
