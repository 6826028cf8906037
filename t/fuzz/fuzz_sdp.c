/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_sdp - any bytes as a description.  One that is accepted can be written,
 * and reads then as it did before.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "wire/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* B is A after it was written and read. */
static void
check_same(const struct sdp_description *a, const struct sdp_description *b)
{
	assert(a->session_id == b->session_id);
	assert(strcmp(a->title[0] != '\0' ? a->title : "-", b->title) == 0);
	assert(strcmp(a->control, b->control) == 0);
	assert(a->bit_rate_bps == b->bit_rate_bps);
	assert(a->packet_bytes == b->packet_bytes);
	assert(a->has_duration == b->has_duration);
	assert(a->duration_us / US_PER_MS == b->duration_us / US_PER_MS);
	assert(a->asf_header_bytes == b->asf_header_bytes);
	if (a->asf_header_bytes > 0)
		assert(memcmp(a->asf_header, b->asf_header,
			   a->asf_header_bytes) == 0);
	assert(a->stream_count == b->stream_count);
	for (unsigned i = 0; i < a->stream_count; i++) {
		assert(a->streams[i].number == b->streams[i].number);
		assert(
		    a->streams[i].bit_rate_bps == b->streams[i].bit_rate_bps);
		assert(
		    strcmp(a->streams[i].control, b->streams[i].control) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t header[SDP_ASF_HEADER_MAX];
	static uint8_t again_header[SDP_ASF_HEADER_MAX];
	static char text[SDP_MAX + SDP_STREAMS_MAX * SDP_CONTROL_MAX];
	static struct sdp_description description, again;
	struct bytes_writer out = bytes_writer(text, sizeof(text));

	if (!sdp_parse(
		(const char *)data, size, header, sizeof(header), &description))
		return 0;
	assert(description.stream_count > 0);
	assert(description.stream_count <= SDP_STREAMS_MAX);
	assert(description.media_count >= description.stream_count);
	assert(
	    memchr(description.title, '\0', sizeof(description.title)) != NULL);
	assert(memchr(description.address, '\0', sizeof(description.address)) !=
	       NULL);

	sdp_format(&out, &description);
	assert(!out.failed);
	assert(sdp_parse(
	    text, out.at, again_header, sizeof(again_header), &again));
	check_same(&description, &again);
	return 0;
}
