/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ASF packets out of RTP payloads.  Fragments are put together when nothing is
 * missing between them; a packet is given out when everything in it is within
 * bounds and of streams that the prologue names.
 */
#include "player/assemble.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "wire/rtp.h"

struct assemble {
	const struct prologue *prologue;
	assemble_deliver *deliver;
	void *context;
	struct assemble_counts counts;
	uint32_t packet_bytes;
	bool collecting; /* fragments, SIZE bytes so far */
	uint32_t size;
	struct asf_packet parsed;
	uint8_t packet[]; /* packet_bytes */
};

int
assemble_new(const struct prologue *prologue, assemble_deliver *deliver,
    void *context, struct assemble **out)
{
	uint32_t packet_bytes = prologue->header.packet_bytes;
	struct assemble *assemble = calloc(1, sizeof(*assemble) + packet_bytes);

	if (assemble == NULL)
		return -ENOMEM;
	assemble->prologue = prologue;
	assemble->deliver = deliver;
	assemble->context = context;
	assemble->packet_bytes = packet_bytes;
	*out = assemble;
	return 0;
}

void
assemble_free(struct assemble *assemble)
{
	free(assemble);
}

void
assemble_restart(struct assemble *assemble)
{
	assemble->collecting = false;
}

struct assemble_counts
assemble_counts(const struct assemble *assemble)
{
	return assemble->counts;
}

/* ---- one packet ---- */

/* Of a field whose length type is that (ASF reference 5). */
static unsigned
field_bytes(unsigned type)
{
	return (1u << (type & 3)) >> 1;
}

/*
 * Make the packet SIZE bytes long to whoever reads it with the fixed size: one
 * that was cut says so itself, others cut padding off and left its length away
 * (wire reference 7.2).  False: there is no room to say it.
 */
static bool
tell_length(struct assemble *assemble)
{
	struct asf_packet *parsed = &assemble->parsed;
	uint8_t *at = assemble->packet + parsed->flags_at + 2;
	uint32_t size = parsed->used_bytes;
	unsigned sequence = field_bytes(parsed->flags >> 1);
	unsigned padding = field_bytes(parsed->flags >> 3);
	unsigned front = 2 + sequence; /* length, sequence; no padding field */

	if ((parsed->flags & 0x60) != 0 ||
	    assemble->size == assemble->packet_bytes)
		return true;
	if (size + 2 - padding > assemble->packet_bytes)
		return false;
	/* Sequence stays, the padding field goes, the rest moves. */
	memmove(at + 2, at, sequence);
	memmove(at + front, at + sequence + padding,
	    size - (size_t)(at - assemble->packet) - sequence - padding);
	size = size + 2 - padding;
	at[0] = (uint8_t)size;
	at[1] = (uint8_t)(size >> 8);
	at[-2] = (uint8_t)((parsed->flags & ~0x78u) | 0x40u);
	assemble->size = size;
	return size <= UINT16_MAX;
}

static bool
is_sound(const struct assemble *assemble, const struct asf_payload *payload)
{
	uint32_t most = assemble->prologue->object_most[payload->stream];

	if (most == 0) /* not looked at */
		return true;
	if (payload->presentation_ms > assemble->prologue->latest_ms)
		return false;
	if (payload->compressed) /* objects of 255 bytes at most */
		return true;
	if (payload->object_bytes == 0)
		return payload->data_bytes <= most;
	return payload->object_bytes <= most &&
	       payload->object_offset <= payload->object_bytes &&
	       payload->data_bytes <=
		   payload->object_bytes - payload->object_offset;
}

/* The whole of a compressed payload is made of lengths and bytes (5.4). */
static bool
is_used_up(const uint8_t *packet, const struct asf_payload *payload)
{
	uint32_t at = payload->data_at;
	uint32_t end = at + payload->data_bytes;

	while (at < end)
		at += 1u + packet[at];
	return at == end;
}

static bool
check(struct assemble *assemble)
{
	struct asf_packet *parsed = &assemble->parsed;

	if (asf_packet_parse(assemble->packet, assemble->size, parsed) !=
		ASF_OK ||
	    parsed->dropped || parsed->send_ms > assemble->prologue->latest_ms)
		return false;
	for (unsigned i = 0; i < parsed->payload_count; i++) {
		const struct asf_payload *payload = &parsed->payloads[i];

		if (!is_sound(assemble, payload) ||
		    (payload->compressed &&
			!is_used_up(assemble->packet, payload)))
			return false;
	}
	return true;
}

static uint32_t
media_time(uint32_t time_ms, uint32_t preroll_ms)
{
	time_ms = time_ms > preroll_ms ? time_ms - preroll_ms : 0;
	return MIN_OF(time_ms, UINT32_MAX - PROLOGUE_SHIFT_MS) +
	       PROLOGUE_SHIFT_MS;
}

static void
rewrite_time(uint8_t *at, unsigned bytes, uint32_t preroll_ms)
{
	uint32_t time_ms = 0;

	for (unsigned i = 0; i < bytes; i++)
		time_ms |= (uint32_t)at[i] << 8 * i;
	time_ms = media_time(time_ms, preroll_ms);
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(time_ms >> 8 * i);
}

/* Times as the prologue promises them. */
static void
rewrite_times(struct assemble *assemble)
{
	uint32_t preroll_ms = assemble->prologue->header.preroll_ms;
	unsigned flags = assemble->parsed.property_flags;
	unsigned number = field_bytes(flags >> 4);
	unsigned offset = field_bytes(flags >> 2);
	unsigned replicated = field_bytes(flags);

	for (unsigned i = 0; i < assemble->parsed.payload_count; i++) {
		const struct asf_payload *payload =
		    &assemble->parsed.payloads[i];
		uint8_t *at = assemble->packet + payload->at + 1 + number;

		if (payload->compressed)
			rewrite_time(at, offset, preroll_ms);
		else if (payload->has_time)
			rewrite_time(
			    at + offset + replicated + 4, 4, preroll_ms);
	}
}

/* What was collected is one packet. */
static void
finish(struct assemble *assemble)
{
	assemble->collecting = false;
	if (!check(assemble)) {
		assemble->counts.damaged++;
		return;
	}
	rewrite_times(assemble);
	if (!tell_length(assemble)) {
		assemble->counts.damaged++;
		return;
	}
	memset(assemble->packet + assemble->size, 0,
	    assemble->packet_bytes - assemble->size);
	assemble->counts.packets++;
	assemble->deliver(
	    assemble->context, assemble->packet, &assemble->parsed);
}

static void
spoil(struct assemble *assemble)
{
	if (assemble->collecting)
		assemble->counts.damaged++;
	assemble->collecting = false;
}

/* ---- payloads ---- */

static void
put_fragment(struct assemble *assemble, const uint8_t *data, size_t size,
    uint32_t offset, bool marker)
{
	if (offset == 0) {
		spoil(assemble);
		assemble->collecting = true;
		assemble->size = 0;
	}
	if (!assemble->collecting)
		return; /* its beginning is lost, and counted */
	if (offset != assemble->size ||
	    size > assemble->packet_bytes - assemble->size) {
		spoil(assemble);
		return;
	}
	memcpy(assemble->packet + assemble->size, data, size);
	assemble->size += (uint32_t)size;
	if (marker)
		finish(assemble);
}

static void
put_whole(struct assemble *assemble, const uint8_t *data, size_t size)
{
	spoil(assemble);
	if (size > assemble->packet_bytes) {
		assemble->counts.damaged++;
		return;
	}
	memcpy(assemble->packet, data, size);
	assemble->size = (uint32_t)size;
	finish(assemble);
}

/*
 * How many bytes the packet at the beginning of PAYLOAD has.  Servers differ in
 * whether its length counts the payload header; for one packet it does not
 * matter, of several each reading is tried (wire reference 6).
 */
static size_t
whole_bytes(
    const struct rtp_asf_header *header, size_t left, bool counts_header)
{
	size_t length = header->length_or_offset;

	if (counts_header)
		length = length > header->header_bytes
			     ? length - header->header_bytes
			     : 0;
	return MIN_OF(length, left - header->header_bytes);
}

/* Does PAYLOAD, read so, end where a packet ends, or with the first fragment of
 * one, which has the same fields before it? */
static bool
is_made_of_packets(const uint8_t *payload, size_t size, bool counts_header)
{
	struct rtp_asf_header header;
	size_t at = 0, front = 0, bytes;

	while (at < size) {
		if (!rtp_parse_asf_header(payload + at, size - at, &header))
			return false;
		if (!header.whole)
			return header.length_or_offset == 0 &&
			       header.header_bytes == front;
		front = header.header_bytes;
		bytes = header.length_or_offset;
		if (!counts_header)
			bytes += header.header_bytes;
		if (bytes <= header.header_bytes || bytes > size - at)
			return false;
		at += bytes;
	}
	return true;
}

void
assemble_put(struct assemble *assemble, const uint8_t *payload, size_t size,
    bool marker, bool gap)
{
	bool counts_header = is_made_of_packets(payload, size, true) ||
			     !is_made_of_packets(payload, size, false);
	struct rtp_asf_header header;
	size_t at = 0, bytes;

	if (gap)
		spoil(assemble);
	while (at < size) {
		if (!rtp_parse_asf_header(payload + at, size - at, &header)) {
			spoil(assemble);
			assemble->counts.damaged++;
			return;
		}
		if (!header.whole) {
			/* The marker may be that of a whole one before it. */
			put_fragment(assemble,
			    payload + at + header.header_bytes,
			    size - at - header.header_bytes,
			    header.length_or_offset, marker && at == 0);
			return;
		}
		bytes = whole_bytes(&header, size - at, counts_header);
		at += header.header_bytes;
		if (bytes == 0) {
			assemble->counts.damaged++;
			return;
		}
		put_whole(assemble, payload + at, bytes);
		at += bytes;
	}
}
