/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtp - RTP and RTCP packets as bytes, both directions, and the header that
 * precedes an ASF packet inside RTP.  What a packet carries and when it is
 * due is not known here; nor is what a report means.
 */
#include "wire/rtp.h"

#include <string.h>

#include "base/base.h"
#include "base/bytes.h"

#define RTP_VERSION 2
#define RTCP_CNAME 1 /* SDES item, RFC 3550 6.5.1 */
#define RTCP_CNAME_MAX 63
#define NTP_MINUS_UNIX_SECONDS UINT64_C(2208988800)

enum rtcp_type { /* RFC 3550 12.1 */
	RTCP_SR = 200,
	RTCP_RR = 201,
	RTCP_SDES = 202,
	RTCP_BYE = 203,
};

enum asf_flag { /* MS-RTSP 2.2.1.3 */
	ASF_KEY_FRAME = 0x80,
	ASF_WHOLE = 0x40,
	ASF_RELATIVE_TIMESTAMP = 0x20,
	ASF_DURATION = 0x10,
	ASF_LOCATION = 0x08,
};

static void
put_u16(uint8_t *out, uint16_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

static void
put_u32(uint8_t *out, uint32_t value)
{
	put_u16(out, (uint16_t)(value >> 16));
	put_u16(out + 2, (uint16_t)value);
}

void
rtp_write_header(
    uint8_t out[static RTP_HEADER_BYTES], const struct rtp_header *header)
{
	out[0] = (uint8_t)(RTP_VERSION << 6 | (header->padding ? 0x20 : 0));
	out[1] = (uint8_t)((header->marker ? 0x80 : 0) |
			   (header->payload_type & 0x7F));
	put_u16(out + 2, header->sequence);
	put_u32(out + 4, header->timestamp);
	put_u32(out + 8, header->ssrc);
}

bool
rtp_parse(const uint8_t *data, size_t size, struct rtp_header *out,
    const uint8_t **payload, size_t *payload_bytes)
{
	struct bytes_reader reader = bytes_reader(data, size);
	struct rtp_header header;
	uint8_t first = bytes_u8(&reader);
	uint8_t second = bytes_u8(&reader);
	size_t padding = 0;

	header.padding = (first & 0x20) != 0;
	header.marker = (second & 0x80) != 0;
	header.payload_type = second & 0x7F;
	header.sequence = bytes_u16be(&reader);
	header.timestamp = bytes_u32be(&reader);
	header.ssrc = bytes_u32be(&reader);
	bytes_skip(&reader, (first & 0x0F) * UINT64_C(4)); /* CSRCs */
	if ((first & 0x10) != 0) { /* RFC 3550 5.3.1 */
		bytes_u16be(&reader);
		bytes_skip(&reader, bytes_u16be(&reader) * UINT64_C(4));
	}
	if (reader.failed || first >> 6 != RTP_VERSION)
		return false;
	if (header.padding) { /* its last byte counts itself too: 5.1 */
		padding = data[size - 1];
		if (padding == 0 || padding > bytes_left(&reader))
			return false;
	}

	*out = header;
	*payload = data + reader.at;
	*payload_bytes = bytes_left(&reader) - padding;
	return true;
}

void
rtp_write_asf_header(uint8_t out[static RTP_ASF_HEADER_BYTES],
    const struct rtp_asf_header *header)
{
	put_u32(out, header->length_or_offset & 0xFFFFFF);
	out[0] = (uint8_t)((header->key_frame ? ASF_KEY_FRAME : 0) |
			   (header->whole ? ASF_WHOLE : 0));
}

bool
rtp_parse_asf_header(
    const uint8_t *payload, size_t size, struct rtp_asf_header *out)
{
	struct bytes_reader reader = bytes_reader(payload, size);
	uint32_t word = bytes_u32be(&reader);
	uint8_t flags = (uint8_t)(word >> 24);
	struct rtp_asf_header header = {
		.key_frame = (flags & ASF_KEY_FRAME) != 0,
		.whole = (flags & ASF_WHOLE) != 0,
		.length_or_offset = word & 0xFFFFFF,
		.has_relative_timestamp = (flags & ASF_RELATIVE_TIMESTAMP) != 0,
		.has_duration = (flags & ASF_DURATION) != 0,
		.has_location = (flags & ASF_LOCATION) != 0,
	};

	if (header.has_relative_timestamp)
		header.relative_timestamp = bytes_u32be(&reader);
	if (header.has_duration)
		header.duration = bytes_u32be(&reader);
	if (header.has_location)
		header.location = bytes_u32be(&reader);
	if (reader.failed)
		return false;

	header.header_bytes = reader.at;
	*out = header;
	return true;
}

/* BYTES: of the whole packet, a multiple of 4.  RFC 3550 6.4.1. */
static void
put_rtcp_header(
    struct bytes_writer *out, enum rtcp_type type, unsigned count, size_t bytes)
{
	bytes_put_u8(out, (uint8_t)(RTP_VERSION << 6 | count));
	bytes_put_u8(out, (uint8_t)type);
	bytes_put_u16be(out, (uint16_t)(bytes / 4 - 1));
}

static void
put_sdes(struct bytes_writer *out, uint32_t ssrc, const char *cname)
{
	size_t length = strnlen(cname, RTCP_CNAME_MAX);
	/* An item list ends with one to four zeros, at a multiple of 4: 6.5. */
	size_t zeros = 4 - (2 + length) % 4;

	put_rtcp_header(out, RTCP_SDES, 1, 4 + 4 + 2 + length + zeros);
	bytes_put_u32be(out, ssrc);
	bytes_put_u8(out, RTCP_CNAME);
	bytes_put_u8(out, (uint8_t)length);
	bytes_put(out, cname, length);
	bytes_put(out, (const uint8_t[4]){ 0 }, zeros);
}

size_t
rtcp_write_sr_sdes(uint8_t out[static RTCP_MAX],
    const struct rtcp_sender *sender, const char *cname)
{
	struct bytes_writer writer = bytes_writer(out, RTCP_MAX);
	uint64_t seconds =
	    sender->wall_us / US_PER_SECOND + NTP_MINUS_UNIX_SECONDS;
	uint64_t fraction =
	    ((sender->wall_us % US_PER_SECOND) << 32) / US_PER_SECOND;

	put_rtcp_header(&writer, RTCP_SR, 0, 28);
	bytes_put_u32be(&writer, sender->ssrc);
	bytes_put_u32be(&writer, (uint32_t)seconds); /* wraps in 2036: 4 */
	bytes_put_u32be(&writer, (uint32_t)fraction);
	bytes_put_u32be(&writer, sender->rtp_timestamp);
	bytes_put_u32be(&writer, sender->packets);
	bytes_put_u32be(&writer, sender->octets);
	put_sdes(&writer, sender->ssrc, cname);
	return writer.at;
}

size_t
rtcp_write_rr_bye(uint8_t out[static RTCP_MAX], uint32_t ssrc)
{
	struct bytes_writer writer = bytes_writer(out, RTCP_MAX);

	put_rtcp_header(&writer, RTCP_RR, 0, 8);
	bytes_put_u32be(&writer, ssrc);
	put_rtcp_header(&writer, RTCP_BYE, 1, 8);
	bytes_put_u32be(&writer, ssrc);
	return writer.at;
}

size_t
rtcp_write_rr(uint8_t out[static RTCP_MAX], uint32_t ssrc,
    const struct rtcp_report *report)
{
	struct bytes_writer writer = bytes_writer(out, RTCP_MAX);
	int32_t lost;

	put_rtcp_header(
	    &writer, RTCP_RR, report != NULL, report != NULL ? 32 : 8);
	bytes_put_u32be(&writer, ssrc);
	if (report == NULL)
		return writer.at;

	lost = MIN_OF(MAX_OF(report->lost, -0x800000), 0x7FFFFF);
	bytes_put_u32be(&writer, report->ssrc);
	bytes_put_u32be(&writer, (uint32_t)report->fraction_lost << 24 |
				     ((uint32_t)lost & 0xFFFFFF));
	bytes_put_u32be(&writer, report->highest_sequence);
	bytes_put_u32be(&writer, report->jitter);
	bytes_put_u32be(&writer, report->last_sr);
	bytes_put_u32be(&writer, report->delay_since_sr);
	return writer.at;
}

static void
read_report(struct bytes_reader *reader, struct rtcp_report *out)
{
	uint32_t word;

	out->ssrc = bytes_u32be(reader);
	word = bytes_u32be(reader);
	out->fraction_lost = (uint8_t)(word >> 24);
	out->lost = (int32_t)(word & 0x7FFFFF) - (int32_t)(word & 0x800000);
	out->highest_sequence = bytes_u32be(reader);
	out->jitter = bytes_u32be(reader);
	out->last_sr = bytes_u32be(reader);
	out->delay_since_sr = bytes_u32be(reader);
}

/* SR and RR, RFC 3550 6.4.  What follows the blocks is a profile's affair. */
static bool
parse_reports(struct bytes_reader *body, enum rtcp_type type, unsigned count,
    bool is_first, struct rtcp_summary *out)
{
	uint32_t ssrc = bytes_u32be(body);
	uint64_t ntp;
	struct rtcp_report report;

	if (is_first)
		out->sender_ssrc = ssrc;
	if (type == RTCP_SR) {
		ntp = (uint64_t)bytes_u32be(body) << 32;
		ntp |= bytes_u32be(body);
		out->has_sender_report = true;
		out->sr_ntp = ntp;
		out->sr_rtp_timestamp = bytes_u32be(body);
		bytes_skip(body, 8); /* counts of packets and octets */
	}
	for (; count > 0; count--) {
		read_report(body, &report);
		if (out->report_count < ARRAY_LENGTH(out->reports))
			out->reports[out->report_count++] = report;
	}
	return !body->failed;
}

static bool
parse_bye(struct bytes_reader *body, unsigned count, struct rtcp_summary *out)
{
	if (count > 0 && !out->has_bye) {
		out->bye_ssrc = bytes_u32be(body);
		out->has_bye = true;
		count--;
	}
	bytes_skip(body, count * UINT64_C(4));
	if (!body->failed && bytes_left(body) > 0)
		bytes_skip(body, bytes_u8(body)); /* the reason */
	return !body->failed;
}

bool
rtcp_parse(const uint8_t *data, size_t size, struct rtcp_summary *out)
{
	struct bytes_reader reader = bytes_reader(data, size);
	struct bytes_reader body;
	struct rtcp_summary summary = { 0 };
	bool is_first = true;

	if (size == 0)
		return false;
	while (bytes_left(&reader) > 0) {
		uint8_t first = bytes_u8(&reader);
		uint8_t type = bytes_u8(&reader);
		size_t bytes = bytes_u16be(&reader) * (size_t)4;
		const uint8_t *at = bytes_take(&reader, bytes);
		unsigned count = first & 0x1F;

		if (reader.failed || first >> 6 != RTP_VERSION)
			return false;
		if ((first & 0x20) != 0) { /* padding: in the last one only */
			if (bytes_left(&reader) != 0 || bytes == 0 ||
			    at[bytes - 1] == 0 || at[bytes - 1] > bytes)
				return false;
			bytes -= at[bytes - 1];
		}
		body = bytes_reader(at, bytes);
		if (type == RTCP_SR || type == RTCP_RR) {
			if (!parse_reports(
				&body, type, count, is_first, &summary))
				return false;
			is_first = false;
		} else if (type == RTCP_BYE) {
			if (!parse_bye(&body, count, &summary))
				return false;
		}
	}

	*out = summary;
	return true;
}
