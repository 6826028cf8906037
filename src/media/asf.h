/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asf - ASF objects, data packets, index (ASF specification; what real files
 * do is in the ASF reference).  Works on bytes in memory; reads no files.
 *
 * Sizes from a file are compared in 64 bits before they are used.  Times are
 * turned into _us or stay u32 _ms where a packet's own time line (send time,
 * presentation time with preroll) is meant; each name says which.
 */
#ifndef MEDIA_ASF_H
#define MEDIA_ASF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define ASF_PACKET_LEAST 32
#define ASF_PACKET_MOST 65536
#define ASF_HEADER_MOST (UINT64_C(16) * 1024 * 1024) /* art included */
#define ASF_STREAMS 128 /* numbers 1..127 */
#define ASF_PAYLOADS_MAX 63
#define ASF_OBJECT_BYTES 24 /* GUID and size */
#define ASF_DATA_HEADER_BYTES 50
#define ASF_PREROLL_MOST_MS (UINT64_C(3600) * 1000)

enum asf_kind { ASF_AUDIO, ASF_VIDEO, ASF_COMMAND, ASF_OTHER };

struct asf_stream {
	bool there;
	bool encrypted;
	bool hidden; /* its Stream Properties stand only in an Extended Stream
			Properties Object */
	enum asf_kind kind;
	uint32_t bit_rate_bps; /* of Stream Bitrate Properties, else 3.5, else
				  WAVEFORMATEX, else 0 */
	uint16_t language;
	uint32_t codec; /* format tag or FourCC (as a little-endian number) */
	uint32_t sample_rate; /* audio */
	uint16_t channels;
	int32_t width, height; /* video */
	uint64_t frame_time_us; /* Extended Stream Properties, average time per
				   frame; 0 unknown */
};

struct asf_header {
	uint64_t header_bytes; /* where the Data Object begins */
	uint32_t packet_bytes;
	uint64_t declared_packets; /* of File Properties; 0 with the broadcast
				      flag */
	uint64_t declared_file_bytes;
	bool broadcast, seekable, encrypted;
	uint32_t preroll_ms;
	uint64_t play_duration_us; /* preroll included; not to be trusted; 0
				      with the broadcast flag */
	uint64_t send_duration_us;
	uint32_t maximum_bit_rate_bps;
	uint8_t file_id[16];
	unsigned stream_count, video_count, audio_count;
	struct asf_stream streams[ASF_STREAMS]; /* by number */
	/* UTF-8, cut at the end of a character; "" when missing. */
	char title[256], author[256], copyright[256], description[256];
};

enum asf_result {
	ASF_OK,
	ASF_NOT_ASF, /* the first GUID is another one */
	ASF_TRUNCATED, /* the header is not all there */
	ASF_BAD_OBJECT, /* an object of the header is smaller than 24 bytes or
			   larger than its parent */
	ASF_HEADER_TOO_LARGE,
	ASF_NO_FILE_PROPERTIES,
	ASF_BAD_PACKET_SIZE, /* outside the limits, or minimum and maximum
				differ */
	ASF_NO_STREAMS,
	ASF_DUPLICATE_STREAM,
	ASF_BAD_PREROLL,
	ASF_NO_DATA, /* no Data Object behind the header, or no whole packet */
	ASF_BAD_PACKET, /* asf_packet_parse: to be skipped */
	ASF_RESULT_COUNT
};
const char *asf_result_text(
    enum asf_result result); /* a sentence for people, no full stop */

/*
 * How many bytes the header has, from the file's first 30 bytes: HEADER_BYTES.
 * ASF_NOT_ASF, ASF_HEADER_TOO_LARGE, ASF_BAD_OBJECT.
 */
enum asf_result asf_header_size(const uint8_t first[static 30], uint64_t *out);
/* The whole Header Object (SIZE = its size).  *OUT undefined on failure. */
enum asf_result asf_header_parse(
    const uint8_t *data, size_t size, struct asf_header *out);

/* Of the streams of pictures the one with the highest bit rate; 0: none. */
unsigned asf_best_video(const struct asf_header *header);

/*
 * The Data Object's head, 50 bytes.  Packets that are there, by the rule of
 * section 4 of the ASF reference; FILE_BYTES is the file's true length.
 */
enum asf_result asf_data_parse(const uint8_t head[static ASF_DATA_HEADER_BYTES],
    const struct asf_header *header, uint64_t file_bytes,
    uint64_t *out_packets);

/*
 * The copy of the header for SDP: header and the Data Object's 50 bytes, its
 * size set to 50 and its packet count to 0 (both "until the end" to clients,
 * who add up over seeks), minimum packet size = maximum.  Objects that no
 * client needs to play (padding, pictures, metadata, markers, codec list …) are
 * left out, the least needed first, until it fits into SIZE. Broadcast flag
 * cleared; play duration and packet count of File Properties set when PACKETS /
 * PLAY_DURATION_US != 0. Bytes written, or 0: does not fit.
 */
size_t asf_header_copy(const uint8_t *header, size_t header_size,
    const uint8_t data_head[static ASF_DATA_HEADER_BYTES], uint64_t packets,
    uint64_t play_duration_us, uint8_t *out, size_t size);

/* One payload of a data packet.  Offsets are from the start of the packet. */
struct asf_payload {
	uint8_t stream;
	bool key; /* bit 7 */
	bool compressed; /* replicated data length 1 */
	bool starts_object; /* offset into media object 0, or compressed */
	bool has_time; /* presentation_ms comes from the packet (else send time)
			*/
	uint8_t step_ms; /* compressed: from one of its objects to the next */
	uint32_t object_number;
	uint32_t object_offset; /* bytes; 0 when compressed */
	uint32_t object_bytes; /* 0: unknown */
	uint32_t presentation_ms; /* preroll included */
	uint16_t at,
	    bytes_total; /* the payload with its header, in the packet */
	uint16_t data_at, data_bytes;
};

struct asf_packet {
	uint32_t send_ms;
	uint16_t duration_ms;
	uint32_t used_bytes; /* without padding: where the last payload ends */
	uint32_t padding_bytes; /* packet_bytes - used_bytes */
	uint8_t flags_at; /* of the length type flags: 0, or behind error
			     correction data */
	uint8_t flags, property_flags;
	uint8_t after_lengths_at; /* of the Send Time field */
	uint8_t payloads_at; /* first byte behind duration: payload flags, or
				the single payload */
	bool multiple;
	uint8_t payload_length_type; /* upper two bits of the payload flags, as
					they stand (0xC0) */
	unsigned payload_count; /* at least 1 */
	bool dropped; /* payloads behind a bad one were left out */
	struct asf_payload payloads[ASF_PAYLOADS_MAX];
};

/* Send time only; SIZE bytes of the packet are there, ASF_SEND_TIME_BYTES will
 * do.  ASF_BAD_PACKET: skip it. */
#define ASF_SEND_TIME_BYTES 36
enum asf_result asf_packet_send_time(
    const uint8_t *packet, size_t size, uint32_t *out_ms);
/* PACKET has PACKET_BYTES bytes.  ASF_BAD_PACKET when the table in ASF
 * reference 7 says "skip the packet". */
enum asf_result asf_packet_parse(
    const uint8_t *packet, uint32_t packet_bytes, struct asf_packet *out);

/* A set of stream numbers. */
struct asf_set {
	uint64_t bits[2];
};
static inline bool
asf_set_has(struct asf_set set, unsigned stream)
{
	return stream < ASF_STREAMS &&
	       (set.bits[stream / 64] >> (stream % 64) & 1) != 0;
}
static inline bool
asf_set_is_empty(struct asf_set set)
{
	return (set.bits[0] | set.bits[1]) == 0;
}
static inline void
asf_set_add(struct asf_set *set, unsigned stream)
{
	set->bits[stream / 64] |= UINT64_C(1) << (stream % 64);
}

/*
 * The packet as a flow of the streams in WANTED gets it (wire
 * reference 7.2, 7.3): padding cut, Packet Length explicit where something was
 * cut, payloads of other streams taken out.  IN PLACE: PACKET is changed and
 * the result lies within PACKET - ASF_REWRITE_ROOM … PACKET + packet_bytes; the
 * caller provides ASF_REWRITE_ROOM writable bytes in front.  *OUT_AT may lie
 * before PACKET. Returns its length; 0: no payload for these streams.  *KEY: a
 * payload that is left has the key bit.  Packets that go as they are are not
 * touched.
 */
#define ASF_REWRITE_ROOM 8
uint32_t asf_packet_rewrite(uint8_t *packet, uint32_t packet_bytes,
    const struct asf_packet *parsed, struct asf_set wanted, uint8_t **out_at,
    bool *key);
/* The same into OUT (packet_bytes + ASF_REWRITE_ROOM bytes); PACKET is left
 * alone: for several flows from one packet. */
uint32_t asf_packet_copy(const uint8_t *packet, uint32_t packet_bytes,
    const struct asf_packet *parsed, struct asf_set wanted, uint8_t *out,
    bool *key);

/* Simple Index Object (ASF reference 6.1).  Entries as in the file, clamped to
 * what is there. */
struct asf_index {
	uint64_t interval_us; /* 0: none */
	uint32_t count;
	uint32_t *packets; /* owned by the caller of asf_index_parse */
};
enum asf_result asf_index_parse(const uint8_t *object, size_t size,
    struct asf_index *out); /* allocates packets; count <= size / 6 */
void asf_index_free(struct asf_index *index);

/* Which top-level object this is. */
enum asf_object {
	ASF_OBJECT_HEADER,
	ASF_OBJECT_DATA,
	ASF_OBJECT_SIMPLE_INDEX,
	ASF_OBJECT_INDEX,
	ASF_OBJECT_OTHER
};
enum asf_object asf_object_kind(const uint8_t guid[static 16]);
/* "File Properties" and so on, for people; NULL: unknown. */
const char *asf_guid_name(const uint8_t guid[static 16]);
/* Offset of the File Properties Object (104 bytes there) in a header; 0: none.
 */
size_t asf_file_properties_at(const uint8_t *header, size_t size);
/* UTF-16LE up to its NUL or end as UTF-8 in OUT, cut at the end of a character.
 */
void asf_text(const uint8_t *data, size_t bytes, char *out, size_t size);

#endif
