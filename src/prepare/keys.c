/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys - a look at every packet of a title: where its key frames begin and
 * which times it has.
 *
 * Makes the Simple Index Object out of that.  Not responsible for files that
 * are written.
 */
#include "prepare/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "prepare/progress.h"

#define CHUNK_BYTES (512u * 1024)
#define INDEX_FRONT 56
#define ENTRY_BYTES 6
#define ENTRIES_MOST (1u << 20) /* a parser need not take more */

static const uint8_t simple_index[16] = { 0x90, 0x08, 0x00, 0x33, 0xb1, 0xe5,
	0xcf, 0x11, 0x89, 0xf4, 0x00, 0xa0, 0xc9, 0x03, 0x49, 0xcb };

static bool
keys_make_room(struct keys *keys)
{
	size_t room = keys->room != 0 ? keys->room * 2 : 256;
	struct key *grown;

	if (keys->count < keys->room)
		return true;
	grown = reallocarray(keys->keys, room, sizeof(*grown));
	if (grown == NULL)
		return false;
	keys->keys = grown;
	keys->room = room;
	return true;
}

static int
key_add(struct keys *keys, uint32_t packet, const struct asf_payload *payload)
{
	if (!keys_make_room(keys))
		return -ENOMEM;
	keys->keys[keys->count++] = (struct key){
		.packet = packet,
		.presentation_ms = payload->presentation_ms,
		.packets = 1,
	};
	keys->object = payload->object_number;
	keys->last_packet = packet;
	return 0;
}

/* A piece of a key frame: its start, or one more packet of it. */
static int
take_piece(
    struct keys *keys, uint32_t packet, const struct asf_payload *payload)
{
	struct key *last;

	if (payload->starts_object)
		return key_add(keys, packet, payload);
	if (keys->count == 0 || payload->object_number != keys->object ||
	    packet == keys->last_packet)
		return 0;
	last = &keys->keys[keys->count - 1];
	if (last->packets < UINT16_MAX)
		last->packets++;
	keys->last_packet = packet;
	return 0;
}

int
keys_add_packet(
    struct keys_table *table, uint32_t number, const struct asf_packet *packet)
{
	uint64_t end_ms = (uint64_t)packet->send_ms + packet->duration_ms;
	int error = 0;

	if (!table->seen)
		table->first_send_ms = packet->send_ms;
	table->seen = true;
	end_ms = MIN_OF(end_ms, UINT32_MAX);
	table->end_send_ms = MAX_OF(table->end_send_ms, (uint32_t)end_ms);
	for (unsigned i = 0; i < packet->payload_count; i++) {
		const struct asf_payload *payload = &packet->payloads[i];

		table->last_ms =
		    MAX_OF(table->last_ms, payload->presentation_ms);
		if (payload->starts_object) {
			table->begun[payload->stream].object =
			    payload->object_number;
			table->begun[payload->stream].packet = number;
		}
		if (!payload->key)
			continue;
		for (unsigned j = 0; j < table->count && error == 0; j++)
			if (table->streams[j].stream == payload->stream)
				error = take_piece(
				    &table->streams[j], number, payload);
	}
	return error;
}

static int
scan_packets(const struct title *title, struct keys_table *table,
    uint8_t *buffer, uint32_t room)
{
	uint32_t bytes = title_packet_bytes(title), all = title_packets(title);
	struct progress progress;
	struct asf_packet packet;
	int got = 0;

	progress_start(&progress, "looking for key frames");
	for (uint32_t at = 0; at < all; at += (uint32_t)got) {
		progress_tell(&progress, at, all);
		got = title_read_packets(title, at, room, buffer, bytes);
		for (int i = 0; i < got; i++) {
			if (asf_packet_parse(buffer + (size_t)i * bytes, bytes,
				&packet) != ASF_OK) {
				table->unreadable++;
				continue;
			}
			if (keys_add_packet(table, at + (uint32_t)i, &packet) !=
			    0)
				got = -ENOMEM;
		}
		if (got <= 0)
			break;
	}
	progress_stop(&progress);
	return got > 0 ? 0 : got < 0 ? got : -EIO;
}

int
keys_scan(const struct title *title, struct keys_table *out)
{
	const struct asf_header *header = title_header(title);
	uint32_t room = MAX_OF(CHUNK_BYTES / header->packet_bytes, 1u);
	uint8_t *buffer;
	int error;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (header->streams[i].there &&
		    header->streams[i].kind == ASF_VIDEO)
			out->streams[out->count++].stream = i;
	buffer = malloc((size_t)room * header->packet_bytes);
	if (buffer == NULL)
		return -ENOMEM;
	error = scan_packets(title, out, buffer, room);
	free(buffer);
	return error;
}

void
keys_free(struct keys_table *table)
{
	for (unsigned i = 0; i < table->count; i++)
		free(table->streams[i].keys);
}

static uint32_t
entry_count(uint64_t end_ms)
{
	uint64_t count = end_ms / (KEYS_INTERVAL_100NS / 10000) + 1;

	return (uint32_t)MIN_OF(count, ENTRIES_MOST);
}

size_t
keys_index_bytes(uint64_t end_ms)
{
	return INDEX_FRONT + (size_t)entry_count(end_ms) * ENTRY_BYTES;
}

static uint16_t
most_packets(const struct keys *keys)
{
	uint16_t most = 1;

	for (size_t i = 0; i < keys->count; i++)
		most = MAX_OF(most, keys->keys[i].packets);
	return most;
}

static uint32_t
key_ms(const struct key *key, uint32_t base_ms)
{
	return key->presentation_ms > base_ms ? key->presentation_ms - base_ms
					      : 0;
}

void
keys_index_put(struct bytes_writer *out, const struct keys *keys,
    const uint8_t file_id[static 16], uint32_t base_ms, uint64_t end_ms)
{
	uint32_t count = entry_count(end_ms);
	uint64_t at_ms;
	size_t next = 0;

	bytes_put(out, simple_index, sizeof(simple_index));
	bytes_put_u64le(out, keys_index_bytes(end_ms));
	bytes_put(out, file_id, 16);
	bytes_put_u64le(out, KEYS_INTERVAL_100NS);
	bytes_put_u32le(out, most_packets(keys));
	bytes_put_u32le(out, count);
	for (uint32_t i = 0; i < count; i++) {
		at_ms = i * (KEYS_INTERVAL_100NS / 10000);
		while (next < keys->count &&
		       key_ms(&keys->keys[next], base_ms) <= at_ms)
			next++;
		/* Before the first key frame: from the start up to it. */
		bytes_put_u32le(
		    out, next > 0 ? keys->keys[next - 1].packet : 0);
		bytes_put_u16le(
		    out, keys->count == 0
			     ? 1
			     : keys->keys[MAX_OF(next, 1u) - 1].packets);
	}
}
