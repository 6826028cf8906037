/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_rtp - any bytes as an RTP packet with an ASF payload, and as RTCP.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "wire/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_asf_header(const uint8_t *data, size_t size)
{
	struct rtp_asf_header header;
	uint8_t again[RTP_ASF_HEADER_BYTES];

	if (!rtp_parse_asf_header(data, size, &header))
		return;
	assert(header.header_bytes >= RTP_ASF_HEADER_BYTES);
	assert(header.header_bytes <= 16 && header.header_bytes <= size);
	rtp_write_asf_header(again, &header);
	assert(again[0] == (data[0] & 0xC0));
	assert(memcmp(again + 1, data + 1, 3) == 0);
}

static void
try_rtp(const uint8_t *data, size_t size)
{
	struct rtp_header header;
	const uint8_t *payload;
	size_t bytes;
	uint8_t again[RTP_HEADER_BYTES];

	if (!rtp_parse(data, size, &header, &payload, &bytes))
		return;
	assert(payload >= data + RTP_HEADER_BYTES);
	assert(payload + bytes <= data + size);
	rtp_write_header(again, &header);
	assert((again[0] & 0xE0) == (data[0] & 0xE0));
	assert(memcmp(again + 1, data + 1, sizeof(again) - 1) == 0);
	try_asf_header(payload, bytes);
}

static void
try_rtcp(const uint8_t *data, size_t size)
{
	struct rtcp_summary summary, again;
	uint8_t packet[RTCP_MAX], same[RTCP_MAX];
	size_t bytes;

	if (!rtcp_parse(data, size, &summary))
		return;
	assert(size % 4 == 0 && size > 0);
	assert(summary.report_count <= ARRAY_LENGTH(summary.reports));
	for (unsigned i = 0; i < summary.report_count; i++) {
		bytes = rtcp_write_rr(
		    packet, summary.sender_ssrc, &summary.reports[i]);
		assert(rtcp_parse(packet, bytes, &again));
		assert(again.report_count == 1);
		rtcp_write_rr(same, again.sender_ssrc, &again.reports[0]);
		assert(memcmp(packet, same, bytes) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_rtp(data, size);
	try_rtcp(data, size);
	try_asf_header(data, size);
	return 0;
}
