/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtp - RTP and RTCP packets (RFC 3550) and the ASF payload header
 * (MS-RTSP 2.2.1.3).
 */
#ifndef WIRE_RTP_H
#define WIRE_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_HEADER_BYTES 12
#define RTP_PAYLOAD_TYPE 96
#define RTP_CLOCK_HZ 1000
#define RTP_ASF_HEADER_BYTES 4 /* without R, D and I */
#define RTP_HEADERS_BYTES (RTP_HEADER_BYTES + RTP_ASF_HEADER_BYTES)
#define RTP_PADDING_MAX 255

struct rtp_header {
	bool marker, padding;
	uint8_t payload_type;
	uint16_t sequence;
	uint32_t timestamp, ssrc;
};
void rtp_write_header(
    uint8_t out[static RTP_HEADER_BYTES], const struct rtp_header *header);
/*
 * False: not RTP version 2, or too short for what it says.  *PAYLOAD lies
 * behind CSRCs and extension, *PAYLOAD_BYTES without padding.
 */
bool rtp_parse(const uint8_t *data, size_t size, struct rtp_header *out,
    const uint8_t **payload, size_t *payload_bytes);

/* The payload header: S, L and 24 bits (length with this header, or offset). */
struct rtp_asf_header {
	bool key_frame, whole; /* S, L */
	uint32_t length_or_offset;
	/* Only when parsed: */
	bool has_relative_timestamp, has_duration, has_location;
	uint32_t relative_timestamp, duration, location;
	size_t header_bytes; /* 4..16 */
};
void rtp_write_asf_header(uint8_t out[static RTP_ASF_HEADER_BYTES],
    const struct rtp_asf_header *header);
/*
 * False: shorter than its flags say.  LENGTH_OR_OFFSET is as written; servers
 * differ in whether a length counts this header, so the caller holds it against
 * what is there.
 */
bool rtp_parse_asf_header(
    const uint8_t *payload, size_t size, struct rtp_asf_header *out);

/* RTCP (RFC 3550 6).  The writers return the bytes written. */
#define RTCP_MAX 128

struct rtcp_sender {
	uint32_t ssrc;
	uint64_t wall_us; /* since 1970, becomes the NTP timestamp */
	uint32_t rtp_timestamp;
	uint32_t packets, octets;
};
/* Compound: SR without report blocks, SDES with a CNAME (at most 63 bytes). */
size_t rtcp_write_sr_sdes(uint8_t out[static RTCP_MAX],
    const struct rtcp_sender *sender, const char *cname);
/* Compound: RR without blocks, BYE: 16 bytes.  Clients ignore a lone BYE. */
size_t rtcp_write_rr_bye(uint8_t out[static RTCP_MAX], uint32_t ssrc);

struct rtcp_report { /* one report block, RFC 3550 6.4.1 */
	uint32_t ssrc; /* the source reported on */
	uint8_t fraction_lost;
	int32_t lost; /* cumulative, 24 bit signed */
	uint32_t highest_sequence, jitter, last_sr, delay_since_sr;
};
struct rtcp_summary {
	uint32_t sender_ssrc;
	bool has_sender_report, has_bye;
	uint32_t bye_ssrc;
	uint64_t sr_ntp;
	uint32_t sr_rtp_timestamp;
	unsigned report_count; /* at most 31 are kept */
	struct rtcp_report reports[31];
};
/*
 * A compound packet.  Lengths that lie are false; unknown packet types are
 * skipped, and so is what SDES says.  A BYE or an RR need not stand in a
 * compound.  SENDER_SSRC: of the first SR or RR.  A BYE that names no source is
 * none.
 */
bool rtcp_parse(const uint8_t *data, size_t size, struct rtcp_summary *out);
/* REPORT may be NULL: no block.  Its loss is clamped to 24 bits. */
size_t rtcp_write_rr(uint8_t out[static RTCP_MAX], uint32_t ssrc,
    const struct rtcp_report *report);

#endif
