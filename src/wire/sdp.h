/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sdp - the description of a title, both directions (RFC 4566; MS-RTSP 2.2.5).
 */
#ifndef WIRE_SDP_H
#define WIRE_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define SDP_STREAMS_MAX 128
/*
 * The longest ASF header, with the Data Object's first 50 bytes: FFmpeg reads
 * at most 16383 characters behind "a=", and 12249 bytes make 16332 of base64.
 */
#define SDP_ASF_HEADER_MAX 12249
/* The longest control, with the 0: as long as any URL of ours. */
#define SDP_CONTROL_MAX 1200
/*
 * No description gets longer than this whose streams have controls of their
 * own, at most SDP_CONTROL_SHORT bytes with the 0: "stream=2".
 */
#define SDP_CONTROL_SHORT 80
#define SDP_MAX (48 * 1024)

enum sdp_media { SDP_AUDIO, SDP_VIDEO, SDP_APPLICATION };
struct sdp_stream {
	enum sdp_media media;
	/* ASF stream number, 1..127; parse only: 0, all that the title has. */
	uint32_t number;
	uint64_t bit_rate_bps; /* 0: no b=AS */
	/* Relative, "stream=2", or absolute if somebody else wrote it. */
	char control[SDP_CONTROL_MAX];
};
struct sdp_description {
	uint64_t session_id; /* o= */
	char title[256]; /* s=, UTF-8; written as "-" when empty */
	char address[64]; /* o=; "192.0.2.1" or "2001:db8::1" */
	char control[SDP_CONTROL_MAX]; /* of the session, absolute; "": none */
	uint64_t bit_rate_bps;
	uint32_t packet_bytes; /* a=maxps */
	bool has_duration;
	uint64_t duration_us; /* a=range at media level */
	const uint8_t *asf_header; /* borrowed; format: <= SDP_ASF_HEADER_MAX */
	size_t asf_header_bytes;
	unsigned media_count; /* parse only: all m= lines, each ends in a BYE */
	unsigned stream_count;
	struct sdp_stream streams[SDP_STREAMS_MAX];
};
/*
 * The retransmission line (x-wms-rtx, control "rtx", a=stream:65536), without
 * which FFmpeg does not begin over UDP, is added behind the first stream.
 * Control characters in texts become blanks, so that none adds a line.  The
 * writer fails if it is full, or asf_header too long.
 */
void sdp_format(
    struct bytes_writer *out, const struct sdp_description *description);

/*
 * Text of any size, hostile included.  ASF_HEADER receives the decoded bytes of
 * the first a=pgmpu, or config= of an x-asf-pf line (NULL, 0 to skip it);
 * out->asf_header points into it, and is NULL if there is none.  Streams are
 * those of x-asf-pf/1000 with a number, or none, and a control of their own;
 * other m= lines, x-wms-rtx too, are left out, but counted in media_count.  The
 * title is UTF-8, a question mark for each byte that was not. False: no SDP,
 * broken base64, header longer than the buffer, a control longer than its room,
 * no stream, more than SDP_STREAMS_MAX.
 */
bool sdp_parse(const char *text, size_t size, uint8_t *asf_header,
    size_t asf_header_size, struct sdp_description *out);

#endif
