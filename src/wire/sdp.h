/*
 * sdp - the description of a title, both directions (RFC 4566; MS-RTSP
 * 2.2.5; section 3 of the wire reference).
 */
#ifndef WIRE_SDP_H
#define WIRE_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define SDP_STREAMS_MAX 128
/*
 * The longest ASF header (Data Object's first 50 bytes included) that
 * FFmpeg takes in one line: wire reference 3.2.
 */
#define SDP_ASF_HEADER_MAX 12249
/* An SDP of ours never gets larger than this: header in base64 and SDP_STREAMS_MAX streams. */
#define SDP_MAX (48 * 1024)

enum sdp_media { SDP_AUDIO, SDP_VIDEO, SDP_APPLICATION };
struct sdp_stream {
	enum sdp_media media;
	uint32_t number;      /* ASF stream number; 65536: retransmission */
	uint64_t bit_rate_bps; /* 0: no b=AS */
	char control[80];     /* relative, "stream=2" or what the parser found */
};
struct sdp_description {
	uint64_t session_id; /* o= */
	char title[256];     /* s=, UTF-8, control characters become blanks; "-" when empty */
	char address[64];    /* o=; "192.0.2.1" or "2001:db8::1" */
	char control[1200];  /* session level a=control (absolute URL), "" for none */
	uint64_t bit_rate_bps;
	uint32_t packet_bytes; /* a=maxps */
	bool has_duration;
	uint64_t duration_us; /* a=range at media level */
	const uint8_t *asf_header; /* borrowed; format: <= SDP_ASF_HEADER_MAX */
	size_t asf_header_bytes;
	unsigned stream_count;
	struct sdp_stream streams[SDP_STREAMS_MAX];
};
/* The retransmission line (x-wms-rtx, control "rtx", a=stream:65536) is added by the formatter behind the first stream. */
void sdp_format(struct bytes_writer *out, const struct sdp_description *description);

/*
 * Text of any size, hostile included.  ASF_HEADER receives the decoded bytes of pgmpu (NULL, 0 to skip);
 * out->asf_header points into it.  False: no SDP, broken base64, header longer
 * than the buffer, no x-asf-pf stream.  More than SDP_STREAMS_MAX streams: false.
 */
bool sdp_parse(const char *text, size_t size, uint8_t *asf_header, size_t asf_header_size,
    struct sdp_description *out);

#endif
