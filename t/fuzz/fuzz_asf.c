/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_asf - any bytes as a file: its header, the copy for SDP, each packet
 * whole and cut down to streams, the index behind the data.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/asf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKETS_MOST 64
#define SDP_MOST 12249

static void
must(bool is)
{
	if (!is)
		abort();
}

/* What goes out of a packet is a packet, of these streams and no others. */
static void
check_cut(const uint8_t *packet, uint32_t bytes,
    const struct asf_packet *parsed, struct asf_set wanted)
{
	uint8_t *room = malloc(ASF_REWRITE_ROOM + bytes), *at = NULL;
	uint8_t *copy = malloc(ASF_REWRITE_ROOM + bytes);
	bool key = false, key_again = false;
	struct asf_packet again;
	uint32_t length;

	memcpy(room + ASF_REWRITE_ROOM, packet, bytes);
	length = asf_packet_copy(packet, bytes, parsed, wanted, copy, &key);
	must(length <= bytes);
	must(asf_packet_rewrite(room + ASF_REWRITE_ROOM, bytes, parsed, wanted,
		 &at, &key_again) == length);
	if (length != 0) {
		must(at >= room &&
		     at + length <= room + ASF_REWRITE_ROOM + bytes);
		must(memcmp(at, copy, length) == 0 && key == key_again);
		must(asf_packet_parse(copy, length, &again) == ASF_OK);
		must(again.send_ms == parsed->send_ms && !again.dropped);
		for (unsigned i = 0; i < again.payload_count; i++)
			must(asf_set_has(wanted, again.payloads[i].stream));
	}
	free(copy);
	free(room);
}

static void
check_packet(const uint8_t *packet, uint32_t bytes)
{
	struct asf_set all = { { UINT64_MAX, UINT64_MAX } }, one = { { 0 } };
	struct asf_packet parsed;
	uint32_t send_ms;

	asf_packet_send_time(packet,
	    bytes < ASF_SEND_TIME_BYTES ? bytes : ASF_SEND_TIME_BYTES,
	    &send_ms);
	if (asf_packet_parse(packet, bytes, &parsed) != ASF_OK)
		return;
	must(parsed.payload_count >= 1 &&
	     parsed.payload_count <= ASF_PAYLOADS_MAX);
	must(parsed.used_bytes + parsed.padding_bytes == bytes);
	for (unsigned i = 0; i < parsed.payload_count; i++)
		must(parsed.payloads[i].data_at +
			 (uint32_t)parsed.payloads[i].data_bytes <=
		     parsed.used_bytes);
	check_cut(packet, bytes, &parsed, all);
	asf_set_add(&one, parsed.payloads[0].stream);
	check_cut(packet, bytes, &parsed, one);
}

static void
check_copy(const uint8_t *data, size_t header_size, const uint8_t *data_head)
{
	struct asf_header header;
	uint8_t *out = malloc(SDP_MOST);
	size_t used = asf_header_copy(
	    data, header_size, data_head, 7, 1000000, out, SDP_MOST);

	must(used <= SDP_MOST);
	if (used != 0) {
		must(asf_header_parse(
			 out, used - ASF_DATA_HEADER_BYTES, &header) == ASF_OK);
		must(!header.broadcast && header.declared_packets == 7);
	}
	free(out);
}

static void
check_file(const uint8_t *data, size_t size)
{
	struct asf_header header;
	struct asf_index index;
	uint64_t packets, at;

	if (asf_header_parse(data, size, &header) != ASF_OK ||
	    size - header.header_bytes < ASF_DATA_HEADER_BYTES)
		return;
	data += header.header_bytes;
	size -= (size_t)header.header_bytes;
	check_copy(
	    data - header.header_bytes, (size_t)header.header_bytes, data);
	if (asf_data_parse(
		data, &header, header.header_bytes + size, &packets) != ASF_OK)
		return;
	must(packets * header.packet_bytes + ASF_DATA_HEADER_BYTES <= size);
	for (uint64_t i = 0; i < packets && i < PACKETS_MOST; i++)
		check_packet(
		    data + ASF_DATA_HEADER_BYTES + i * header.packet_bytes,
		    header.packet_bytes);
	at = ASF_DATA_HEADER_BYTES + packets * header.packet_bytes;
	if (asf_index_parse(data + at, size - (size_t)at, &index) == ASF_OK)
		asf_index_free(&index);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct asf_index index;
	uint64_t header_bytes;
	char text[64];

	if (size >= 30)
		asf_header_size(data, &header_bytes);
	check_file(data, size);
	/* and the same bytes as a packet, an index, a text */
	if (size <= 4096) {
		uint8_t *exact = malloc(size + 1);

		must(exact != NULL);
		memcpy(exact, data, size);
		check_packet(exact, (uint32_t)size);
		asf_text(exact, size, text, sizeof(text));
		must(strlen(text) < sizeof(text));
		free(exact);
	}
	if (asf_index_parse(data, size, &index) == ASF_OK)
		asf_index_free(&index);
	return 0;
}
