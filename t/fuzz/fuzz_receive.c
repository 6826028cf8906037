/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_receive - any bytes as an ASF header, and as the RTP packets that bring
 * the rest: pieces of two bytes' length each, the first one the header.  What
 * comes out must be fit for a demultiplexer.
 */
#include <assert.h>
#include <string.h>

#include "base/base.h"
#include "base/bytes.h"
#include "player/assemble.h"
#include "player/landing.h"
#include "player/reorder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct prologue prologue;
static struct landing *landing;
static struct assemble *assemble;

static void
on_landed(void *context, const uint8_t *packet, uint32_t send_ms)
{
	static struct asf_packet parsed;

	(void)context;
	(void)send_ms;
	assert(asf_packet_parse(
		   packet, prologue.header.packet_bytes, &parsed) == ASF_OK);
	assert(!parsed.dropped);
}

static void
on_packet(void *context, const uint8_t *packet, const struct asf_packet *parsed)
{
	(void)context;
	on_landed(NULL, packet, parsed->send_ms);
	landing_put(landing, packet, parsed->send_ms);
}

static void
on_payload(void *context, const struct rtp_header *header,
    const uint8_t *payload, size_t size, bool gap)
{
	(void)context;
	assemble_put(assemble, payload, size, header->marker, gap);
}

static void
receive(struct bytes_reader *reader, struct reorder *reorder)
{
	uint64_t now_us = 0;

	while (bytes_left(reader) > 2) {
		size_t bytes = bytes_u16be(reader);
		const uint8_t *at;

		bytes = MIN_OF(bytes, bytes_left(reader));
		at = bytes_take(reader, bytes);
		reorder_put(reorder, at, bytes, now_us);
		now_us += 20 * US_PER_MS;
		reorder_expire(reorder, now_us);
	}
	reorder_flush(reorder);
	landing_flush(landing);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes_reader reader = bytes_reader(data, size);
	size_t bytes = bytes_u16be(&reader);
	const uint8_t *header;
	struct asf_header again;
	struct reorder *reorder;
	uint64_t header_bytes;

	bytes = MIN_OF(bytes, bytes_left(&reader));
	header = bytes_take(&reader, bytes);
	if (header == NULL || prologue_make(header, bytes, NULL, US_PER_SECOND,
				  &prologue) != ASF_OK)
		return 0;
	assert(asf_header_size(prologue.bytes, &header_bytes) == ASF_OK);
	assert(header_bytes + ASF_DATA_HEADER_BYTES == prologue.size);
	assert(asf_header_parse(prologue.bytes, (size_t)header_bytes, &again) ==
	       ASF_OK);
	if (assemble_new(&prologue, on_packet, NULL, &assemble) != 0 ||
	    landing_new(&prologue, on_landed, NULL, &landing) != 0 ||
	    reorder_new(100 * US_PER_MS, on_payload, NULL, &reorder) != 0)
		return 0;
	landing_restart(landing);
	receive(&reader, reorder);
	reorder_free(reorder);
	landing_free(landing);
	assemble_free(assemble);
	return 0;
}
