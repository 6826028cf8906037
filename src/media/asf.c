/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asf - the bytes of ASF files: header objects, data packets, simple index.
 *
 * Responsible for what every size, count and number in them may be; whatever
 * leaves this file points inside the bytes that came in.  Not responsible for
 * reading files, for seeking, nor for what a media object holds: codec data
 * is passed on unseen.
 */
#include "media/asf.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/bytes.h"

#define HEADER_FRONT 30 /* Header Object: GUID, size, count, reserved */
#define EXTENSION_FRONT 46 /* Header Extension up to its objects */
#define FILE_PROPERTIES_BYTES 104
#define STREAM_PROPERTIES_FRONT 78
#define EXTENDED_PROPERTIES_FRONT 88
#define INDEX_FRONT 56
#define INDEX_ENTRY 6
#define INDEX_ENTRIES_MOST (1u << 20) /* 12 days at one a second */

#define FLAG_BROADCAST 1u
#define FLAG_SEEKABLE 2u

/* clang-format off */
#define GUID(a, b, c, d, e) { \
	(a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24 & 0xff, \
	(b) & 0xff, (b) >> 8 & 0xff, (c) & 0xff, (c) >> 8 & 0xff, \
	(d) >> 8 & 0xff, (d) & 0xff, \
	(e) >> 40 & 0xff, (e) >> 32 & 0xff, (e) >> 24 & 0xff, \
	(e) >> 16 & 0xff, (e) >> 8 & 0xff, (e) & 0xff }

enum guid {
	GUID_UNKNOWN,
	GUID_HEADER, GUID_DATA, GUID_SIMPLE_INDEX, GUID_INDEX,
	GUID_MEDIA_OBJECT_INDEX, GUID_TIMECODE_INDEX,
	GUID_FILE_PROPERTIES, GUID_STREAM_PROPERTIES, GUID_HEADER_EXTENSION,
	GUID_CODEC_LIST, GUID_SCRIPT_COMMAND, GUID_MARKER,
	GUID_BITRATE_EXCLUSION, GUID_ERROR_CORRECTION,
	GUID_CONTENT_DESCRIPTION, GUID_EXTENDED_CONTENT_DESCRIPTION,
	GUID_CONTENT_BRANDING, GUID_STREAM_BITRATES,
	GUID_CONTENT_ENCRYPTION, GUID_EXTENDED_CONTENT_ENCRYPTION,
	GUID_DIGITAL_SIGNATURE, GUID_PADDING,
	GUID_EXTENDED_STREAM_PROPERTIES, GUID_ADVANCED_EXCLUSION,
	GUID_GROUP_EXCLUSION, GUID_STREAM_PRIORITIZATION,
	GUID_BANDWIDTH_SHARING, GUID_LANGUAGE_LIST, GUID_METADATA,
	GUID_METADATA_LIBRARY, GUID_INDEX_PARAMETERS,
	GUID_MEDIA_OBJECT_INDEX_PARAMETERS, GUID_TIMECODE_INDEX_PARAMETERS,
	GUID_COMPATIBILITY, GUID_ADVANCED_CONTENT_ENCRYPTION,
	GUID_INDEX_PLACEHOLDER,
	GUID_AUDIO, GUID_VIDEO, GUID_COMMAND,
	GUID_COUNT
};

/*
 * What asf_header_copy() leaves out, in this order, until the header fits.
 * An unknown object is worth no more than a list of languages.
 */
enum worth {
	WORTH_PADDING = 1, WORTH_METADATA_LIBRARY, WORTH_EXTENDED_CONTENT,
	WORTH_METADATA, WORTH_BRANDING, WORTH_SIGNATURE, WORTH_PLACEHOLDER,
	WORTH_MARKER, WORTH_SCRIPT, WORTH_CODEC_LIST, WORTH_COMPATIBILITY,
	WORTH_LANGUAGES, WORTH_UNKNOWN, WORTH_INDEX_PARAMETERS, WORTH_SHARING,
	WORTH_DESCRIPTION, WORTH_NEEDED
};

static const struct known {
	uint8_t guid[16];
	const char *name;
	enum worth worth;
} known[GUID_COUNT] = {
	[GUID_UNKNOWN] = { { 0 }, NULL, WORTH_UNKNOWN },
	[GUID_HEADER] = {
	    GUID(0x75B22630u, 0x668E, 0x11CF, 0xA6D9, 0x00AA0062CE6Cu),
	    "Header", WORTH_UNKNOWN },
	[GUID_DATA] = {
	    GUID(0x75B22636u, 0x668E, 0x11CF, 0xA6D9, 0x00AA0062CE6Cu),
	    "Data", WORTH_UNKNOWN },
	[GUID_SIMPLE_INDEX] = {
	    GUID(0x33000890u, 0xE5B1, 0x11CF, 0x89F4, 0x00A0C90349CBu),
	    "Simple Index", WORTH_UNKNOWN },
	[GUID_INDEX] = {
	    GUID(0xD6E229D3u, 0x35DA, 0x11D1, 0x9034, 0x00A0C90349BEu),
	    "Index", WORTH_UNKNOWN },
	[GUID_MEDIA_OBJECT_INDEX] = {
	    GUID(0xFEB103F8u, 0x12AD, 0x4C64, 0x840F, 0x2A1D2F7AD48Cu),
	    "Media Object Index", WORTH_UNKNOWN },
	[GUID_TIMECODE_INDEX] = {
	    GUID(0x3CB73FD0u, 0x0C4A, 0x4803, 0x953D, 0xEDF7B6228F0Cu),
	    "Timecode Index", WORTH_UNKNOWN },
	[GUID_FILE_PROPERTIES] = {
	    GUID(0x8CABDCA1u, 0xA947, 0x11CF, 0x8EE4, 0x00C00C205365u),
	    "File Properties", WORTH_NEEDED },
	[GUID_STREAM_PROPERTIES] = {
	    GUID(0xB7DC0791u, 0xA9B7, 0x11CF, 0x8EE6, 0x00C00C205365u),
	    "Stream Properties", WORTH_NEEDED },
	[GUID_HEADER_EXTENSION] = {
	    GUID(0x5FBF03B5u, 0xA92E, 0x11CF, 0x8EE3, 0x00C00C205365u),
	    "Header Extension", WORTH_NEEDED },
	[GUID_CODEC_LIST] = {
	    GUID(0x86D15240u, 0x311D, 0x11D0, 0xA3A4, 0x00A0C90348F6u),
	    "Codec List", WORTH_CODEC_LIST },
	[GUID_SCRIPT_COMMAND] = {
	    GUID(0x1EFB1A30u, 0x0B62, 0x11D0, 0xA39B, 0x00A0C90348F6u),
	    "Script Command", WORTH_SCRIPT },
	[GUID_MARKER] = {
	    GUID(0xF487CD01u, 0xA951, 0x11CF, 0x8EE6, 0x00C00C205365u),
	    "Marker", WORTH_MARKER },
	[GUID_BITRATE_EXCLUSION] = {
	    GUID(0xD6E229DCu, 0x35DA, 0x11D1, 0x9034, 0x00A0C90349BEu),
	    "Bitrate Mutual Exclusion", WORTH_NEEDED },
	[GUID_ERROR_CORRECTION] = {
	    GUID(0x75B22635u, 0x668E, 0x11CF, 0xA6D9, 0x00AA0062CE6Cu),
	    "Error Correction", WORTH_SHARING },
	[GUID_CONTENT_DESCRIPTION] = {
	    GUID(0x75B22633u, 0x668E, 0x11CF, 0xA6D9, 0x00AA0062CE6Cu),
	    "Content Description", WORTH_DESCRIPTION },
	[GUID_EXTENDED_CONTENT_DESCRIPTION] = {
	    GUID(0xD2D0A440u, 0xE307, 0x11D2, 0x97F0, 0x00A0C95EA850u),
	    "Extended Content Description", WORTH_EXTENDED_CONTENT },
	[GUID_CONTENT_BRANDING] = {
	    GUID(0x2211B3FAu, 0xBD23, 0x11D2, 0xB4B7, 0x00A0C955FC6Eu),
	    "Content Branding", WORTH_BRANDING },
	[GUID_STREAM_BITRATES] = {
	    GUID(0x7BF875CEu, 0x468D, 0x11D1, 0x8D82, 0x006097C9A2B2u),
	    "Stream Bitrate Properties", WORTH_NEEDED },
	[GUID_CONTENT_ENCRYPTION] = {
	    GUID(0x2211B3FBu, 0xBD23, 0x11D2, 0xB4B7, 0x00A0C955FC6Eu),
	    "Content Encryption", WORTH_NEEDED },
	[GUID_EXTENDED_CONTENT_ENCRYPTION] = {
	    GUID(0x298AE614u, 0x2622, 0x4C17, 0xB935, 0xDAE07EE9289Cu),
	    "Extended Content Encryption", WORTH_NEEDED },
	[GUID_DIGITAL_SIGNATURE] = {
	    GUID(0x2211B3FCu, 0xBD23, 0x11D2, 0xB4B7, 0x00A0C955FC6Eu),
	    "Digital Signature", WORTH_SIGNATURE },
	[GUID_PADDING] = {
	    GUID(0x1806D474u, 0xCADF, 0x4509, 0xA4BA, 0x9AABCB96AAE8u),
	    "Padding", WORTH_PADDING },
	[GUID_EXTENDED_STREAM_PROPERTIES] = {
	    GUID(0x14E6A5CBu, 0xC672, 0x4332, 0x8399, 0xA96952065B5Au),
	    "Extended Stream Properties", WORTH_NEEDED },
	[GUID_ADVANCED_EXCLUSION] = {
	    GUID(0xA08649CFu, 0x4775, 0x4670, 0x8A16, 0x6E35357566CDu),
	    "Advanced Mutual Exclusion", WORTH_NEEDED },
	[GUID_GROUP_EXCLUSION] = {
	    GUID(0xD1465A40u, 0x5A79, 0x4338, 0xB71B, 0xE36B8FD6C249u),
	    "Group Mutual Exclusion", WORTH_NEEDED },
	[GUID_STREAM_PRIORITIZATION] = {
	    GUID(0xD4FED15Bu, 0x88D3, 0x454F, 0x81F0, 0xED5C45999E24u),
	    "Stream Prioritization", WORTH_SHARING },
	[GUID_BANDWIDTH_SHARING] = {
	    GUID(0xA69609E6u, 0x517B, 0x11D2, 0xB6AF, 0x00C04FD908E9u),
	    "Bandwidth Sharing", WORTH_SHARING },
	[GUID_LANGUAGE_LIST] = {
	    GUID(0x7C4346A9u, 0xEFE0, 0x4BFC, 0xB229, 0x393EDE415C85u),
	    "Language List", WORTH_LANGUAGES },
	[GUID_METADATA] = {
	    GUID(0xC5F8CBEAu, 0x5BAF, 0x4877, 0x8467, 0xAA8C44FA4CCAu),
	    "Metadata", WORTH_METADATA },
	[GUID_METADATA_LIBRARY] = {
	    GUID(0x44231C94u, 0x9498, 0x49D1, 0xA141, 0x1D134E457054u),
	    "Metadata Library", WORTH_METADATA_LIBRARY },
	[GUID_INDEX_PARAMETERS] = {
	    GUID(0xD6E229DFu, 0x35DA, 0x11D1, 0x9034, 0x00A0C90349BEu),
	    "Index Parameters", WORTH_INDEX_PARAMETERS },
	[GUID_MEDIA_OBJECT_INDEX_PARAMETERS] = {
	    GUID(0x6B203BADu, 0x3F11, 0x48E4, 0xACA8, 0xD7613DE2CFA7u),
	    "Media Object Index Parameters", WORTH_INDEX_PARAMETERS },
	[GUID_TIMECODE_INDEX_PARAMETERS] = {
	    GUID(0xF55E496Du, 0x9797, 0x4B5D, 0x8C8B, 0x604DFE9BFB24u),
	    "Timecode Index Parameters", WORTH_INDEX_PARAMETERS },
	[GUID_COMPATIBILITY] = {
	    GUID(0x26F18B5Du, 0x4584, 0x47EC, 0x9F5F, 0x0E651F0452C9u),
	    "Compatibility", WORTH_COMPATIBILITY },
	[GUID_ADVANCED_CONTENT_ENCRYPTION] = {
	    GUID(0x43058533u, 0x6981, 0x49E6, 0x9B74, 0xAD12CB86D58Cu),
	    "Advanced Content Encryption", WORTH_NEEDED },
	[GUID_INDEX_PLACEHOLDER] = {
	    GUID(0xD9AADE20u, 0x7C17, 0x4F9C, 0xBC28, 0x8555DD98E2A2u),
	    "Index Placeholder", WORTH_PLACEHOLDER },
	[GUID_AUDIO] = {
	    GUID(0xF8699E40u, 0x5B4D, 0x11CF, 0xA8FD, 0x00805F5C442Bu),
	    "Audio", WORTH_UNKNOWN },
	[GUID_VIDEO] = {
	    GUID(0xBC19EFC0u, 0x5B4D, 0x11CF, 0xA8FD, 0x00805F5C442Bu),
	    "Video", WORTH_UNKNOWN },
	[GUID_COMMAND] = {
	    GUID(0x59DACFC0u, 0x59E6, 0x11D0, 0xA3AC, 0x00A0C90348F6u),
	    "Command", WORTH_UNKNOWN },
};

static const char *const result_texts[ASF_RESULT_COUNT] = {
	[ASF_OK] = "good",
	[ASF_NOT_ASF] = "not an ASF file",
	[ASF_TRUNCATED] = "the file ends inside its header",
	[ASF_BAD_OBJECT] = "an object of the header has an impossible size",
	[ASF_HEADER_TOO_LARGE] = "the header is too large",
	[ASF_NO_FILE_PROPERTIES] = "the header has no file properties",
	[ASF_BAD_PACKET_SIZE] = "the packet size is not fixed or outside 32 to 65536 bytes",
	[ASF_NO_STREAMS] = "the header names no stream",
	[ASF_DUPLICATE_STREAM] = "two streams have the same number",
	[ASF_BAD_PREROLL] = "the preroll is above an hour",
	[ASF_NO_DATA] = "there is no whole data packet behind the header",
	[ASF_BAD_PACKET] = "the data packet is broken",
};
/* clang-format on */

static inline uint16_t
load_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t
load_u32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static inline uint64_t
load_u64(const uint8_t *at)
{
	return load_u32(at) | (uint64_t)load_u32(at + 4) << 32;
}

static inline void
store_u16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static inline void
store_u32(uint8_t *at, uint32_t value)
{
	store_u16(at, value);
	store_u16(at + 2, value >> 16);
}

static inline void
store_u64(uint8_t *at, uint64_t value)
{
	store_u32(at, (uint32_t)value);
	store_u32(at + 4, (uint32_t)(value >> 32));
}

static enum guid
guid_find(const uint8_t guid[static 16])
{
	for (unsigned i = GUID_UNKNOWN + 1; i < GUID_COUNT; i++)
		if (memcmp(known[i].guid, guid, 16) == 0)
			return (enum guid)i;
	return GUID_UNKNOWN;
}

const char *
asf_result_text(enum asf_result result)
{
	return (unsigned)result < ASF_RESULT_COUNT ? result_texts[result]
						   : "unknown";
}

const char *
asf_guid_name(const uint8_t guid[static 16])
{
	return known[guid_find(guid)].name;
}

enum asf_object
asf_object_kind(const uint8_t guid[static 16])
{
	switch (guid_find(guid)) {
	case GUID_HEADER:
		return ASF_OBJECT_HEADER;
	case GUID_DATA:
		return ASF_OBJECT_DATA;
	case GUID_SIMPLE_INDEX:
		return ASF_OBJECT_SIMPLE_INDEX;
	case GUID_INDEX:
		return ASF_OBJECT_INDEX;
	default:
		return ASF_OBJECT_OTHER;
	}
}

/* ---- the header ---- */

/* An object, clamped to its parent. */
struct object {
	enum guid kind;
	const uint8_t *data; /* with GUID and size */
	size_t bytes;
	bool clamped;
};

struct walk {
	const uint8_t *at, *end;
	enum asf_result result;
};

/*
 * The next object of a level; false at its end or, with walk->result set, at
 * one that cannot be.  Every turn goes on by 24 bytes or more.
 */
static bool
walk_next(struct walk *walk, struct object *out)
{
	size_t left = (size_t)(walk->end - walk->at);
	uint64_t size;

	if (left < ASF_OBJECT_BYTES)
		return false;
	size = load_u64(walk->at + 16);
	if (size < ASF_OBJECT_BYTES || size > UINT32_MAX) {
		walk->result = ASF_BAD_OBJECT;
		return false;
	}
	out->kind = guid_find(walk->at);
	out->data = walk->at;
	out->clamped = size > left;
	out->bytes = out->clamped ? left : (size_t)size;
	walk->at += out->bytes;
	return true;
}

static struct walk
walk_header(const uint8_t *header, size_t size)
{
	return (struct walk){ header + HEADER_FRONT, header + size, ASF_OK };
}

/* The smaller of both lengths counts; an extension cut short is empty. */
static struct walk
walk_extension(const struct object *object)
{
	size_t bytes;

	if (object->bytes < EXTENSION_FRONT)
		return (struct walk){ object->data, object->data, ASF_OK };
	bytes = MIN_OF(
	    object->bytes - EXTENSION_FRONT, load_u32(object->data + 42));
	return (struct walk){ object->data + EXTENSION_FRONT,
		object->data + EXTENSION_FRONT + bytes, ASF_OK };
}

/* What is told of streams apart from their Stream Properties. */
struct rates {
	uint32_t with_overhead[ASF_STREAMS]; /* Stream Bitrate Properties */
	uint32_t data[ASF_STREAMS]; /* Extended Stream Properties */
	uint32_t format[ASF_STREAMS]; /* WAVEFORMATEX */
	bool has_file_properties;
};

enum asf_result
asf_header_size(const uint8_t first[static 30], uint64_t *out)
{
	uint64_t size;

	if (memcmp(first, known[GUID_HEADER].guid, 16) != 0)
		return ASF_NOT_ASF;
	size = load_u64(first + 16);
	if (size < HEADER_FRONT)
		return ASF_BAD_OBJECT;
	if (size > ASF_HEADER_MOST)
		return ASF_HEADER_TOO_LARGE;
	*out = size;
	return ASF_OK;
}

static enum asf_result
parse_file_properties(
    const struct object *object, struct asf_header *out, struct rates *rates)
{
	const uint8_t *data = object->data;
	uint32_t flags, least, most;
	uint64_t preroll;

	if (object->bytes < FILE_PROPERTIES_BYTES || rates->has_file_properties)
		return ASF_BAD_OBJECT;
	rates->has_file_properties = true;
	flags = load_u32(data + 88);
	least = load_u32(data + 92);
	most = load_u32(data + 96);
	preroll = load_u64(data + 80);
	if (least != most || most < ASF_PACKET_LEAST || most > ASF_PACKET_MOST)
		return ASF_BAD_PACKET_SIZE;
	if (preroll > ASF_PREROLL_MOST_MS)
		return ASF_BAD_PREROLL;
	memcpy(out->file_id, data + 24, sizeof(out->file_id));
	out->declared_file_bytes = load_u64(data + 40);
	out->broadcast = (flags & FLAG_BROADCAST) != 0;
	out->seekable = (flags & FLAG_SEEKABLE) != 0;
	if (!out->broadcast) {
		out->declared_packets = load_u64(data + 56);
		out->play_duration_us = load_u64(data + 64) / 10;
		out->send_duration_us = load_u64(data + 72) / 10;
	}
	out->preroll_ms = (uint32_t)preroll;
	out->packet_bytes = most;
	out->maximum_bit_rate_bps = load_u32(data + 100);
	return ASF_OK;
}

/* WAVEFORMATEX. */
static void
parse_audio(const uint8_t *data, uint32_t bytes, struct asf_stream *stream,
    uint32_t *rate_bps)
{
	uint64_t rate;

	stream->kind = ASF_AUDIO;
	if (bytes < 12)
		return;
	stream->codec = load_u16(data);
	stream->channels = load_u16(data + 2);
	stream->sample_rate = load_u32(data + 4);
	rate = (uint64_t)load_u32(data + 8) * 8;
	*rate_bps = (uint32_t)MIN_OF(rate, UINT32_MAX);
}

/* Width and height, then at 11 a BITMAPINFOHEADER. */
static void
parse_video(const uint8_t *data, uint32_t bytes, struct asf_stream *stream)
{
	stream->kind = ASF_VIDEO;
	if (bytes < 11 + 20)
		return;
	stream->width = (int32_t)load_u32(data);
	stream->height = (int32_t)load_u32(data + 4);
	stream->codec = load_u32(data + 11 + 16);
}

static enum asf_result
parse_stream_properties(const struct object *object, bool hidden,
    struct asf_header *out, struct rates *rates)
{
	const uint8_t *data = object->data;
	struct asf_stream *stream;
	uint32_t type_bytes, correction_bytes;
	unsigned number;

	if (object->clamped || object->bytes < STREAM_PROPERTIES_FRONT)
		return ASF_BAD_OBJECT;
	type_bytes = load_u32(data + 64);
	correction_bytes = load_u32(data + 68);
	if ((uint64_t)STREAM_PROPERTIES_FRONT + type_bytes + correction_bytes >
	    object->bytes)
		return ASF_BAD_OBJECT;
	number = data[72] & 0x7f;
	if (number == 0) /* illegal; its payloads are skipped */
		return ASF_OK;
	stream = &out->streams[number];
	if (stream->there)
		return ASF_DUPLICATE_STREAM;
	stream->there = true;
	stream->hidden = hidden;
	stream->encrypted = (data[73] & 0x80) != 0;
	out->encrypted = out->encrypted || stream->encrypted;
	switch (guid_find(data + 24)) {
	case GUID_AUDIO:
		parse_audio(data + STREAM_PROPERTIES_FRONT, type_bytes, stream,
		    &rates->format[number]);
		out->audio_count++;
		break;
	case GUID_VIDEO:
		parse_video(data + STREAM_PROPERTIES_FRONT, type_bytes, stream);
		out->video_count++;
		break;
	case GUID_COMMAND:
		stream->kind = ASF_COMMAND;
		break;
	default:
		stream->kind = ASF_OTHER;
		break;
	}
	out->stream_count++;
	return ASF_OK;
}

/* Behind names and extension systems a Stream Properties Object may hide. */
static enum asf_result
parse_extended_properties(
    const struct object *object, struct asf_header *out, struct rates *rates)
{
	struct bytes_reader reader = bytes_reader(object->data, object->bytes);
	const uint8_t *data = object->data;
	unsigned number, names, systems;
	struct object inner;
	struct walk walk;

	if (object->bytes < EXTENDED_PROPERTIES_FRONT)
		return ASF_BAD_OBJECT;
	number = load_u16(data + 72) & 0x7f;
	rates->data[number] = load_u32(data + 40);
	out->streams[number].language = load_u16(data + 74);
	out->streams[number].frame_time_us = load_u64(data + 76) / 10;
	names = load_u16(data + 84);
	systems = load_u16(data + 86);
	bytes_skip(&reader, EXTENDED_PROPERTIES_FRONT);
	for (unsigned i = 0; i < names && !reader.failed; i++) {
		bytes_skip(&reader, 2);
		bytes_skip(&reader, bytes_u16le(&reader));
	}
	for (unsigned i = 0; i < systems && !reader.failed; i++) {
		bytes_skip(&reader, 18);
		bytes_skip(&reader, bytes_u32le(&reader));
	}
	if (reader.failed)
		return ASF_OK; /* nothing can hide there */
	walk = (struct walk){ data + reader.at, data + object->bytes, ASF_OK };
	if (walk_next(&walk, &inner) && inner.kind == GUID_STREAM_PROPERTIES)
		return parse_stream_properties(&inner, true, out, rates);
	return walk.result;
}

static void
parse_bit_rates(const struct object *object, struct rates *rates)
{
	struct bytes_reader reader = bytes_reader(object->data, object->bytes);
	unsigned count, number;
	uint32_t rate;

	bytes_skip(&reader, ASF_OBJECT_BYTES);
	count = bytes_u16le(&reader);
	for (unsigned i = 0; i < count; i++) {
		number = bytes_u16le(&reader) & 0x7f;
		rate = bytes_u32le(&reader);
		if (reader.failed)
			return;
		rates->with_overhead[number] = rate;
	}
}

/* One code point of UTF-16LE; U+FFFD for half a surrogate pair. */
static uint32_t
utf16_next(const uint8_t *data, size_t bytes, size_t *at)
{
	uint32_t first = load_u16(data + *at), second;

	*at += 2;
	if (first < 0xd800 || first > 0xdfff)
		return first;
	if (first > 0xdbff || bytes - *at < 2)
		return 0xfffd;
	second = load_u16(data + *at);
	if (second < 0xdc00 || second > 0xdfff)
		return 0xfffd;
	*at += 2;
	return 0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
}

static size_t
utf8_put(uint32_t code, uint8_t out[static 4])
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xc0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (uint8_t)(0xe0 | code >> 12);
		out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | code >> 18);
	out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

void
asf_text(const uint8_t *data, size_t bytes, char *out, size_t size)
{
	uint8_t coded[4];
	size_t used = 0, at = 0, count;
	uint32_t code;

	while (bytes - at >= 2) {
		code = utf16_next(data, bytes, &at);
		if (code == 0)
			break;
		count = utf8_put(code, coded);
		if (count >= size - used)
			break;
		memcpy(out + used, coded, count);
		used += count;
	}
	out[used] = '\0';
}

static void
parse_description(const struct object *object, struct asf_header *out)
{
	struct bytes_reader reader = bytes_reader(object->data, object->bytes);
	struct {
		char *text;
		size_t size;
	} const into[] = {
		{ out->title, sizeof(out->title) },
		{ out->author, sizeof(out->author) },
		{ out->copyright, sizeof(out->copyright) },
		{ out->description, sizeof(out->description) },
	};
	uint16_t lengths[5];
	const uint8_t *text;

	bytes_skip(&reader, ASF_OBJECT_BYTES);
	for (unsigned i = 0; i < ARRAY_LENGTH(lengths); i++)
		lengths[i] = bytes_u16le(&reader);
	for (unsigned i = 0; i < ARRAY_LENGTH(into); i++) {
		text = bytes_take(&reader, lengths[i]);
		if (text == NULL)
			return;
		asf_text(text, lengths[i], into[i].text, into[i].size);
	}
}

/* An object of the header or of its extension, whichever it stands in. */
static enum asf_result
parse_object(
    const struct object *object, struct asf_header *out, struct rates *rates)
{
	switch (object->kind) {
	case GUID_FILE_PROPERTIES:
		return parse_file_properties(object, out, rates);
	case GUID_STREAM_PROPERTIES:
		return parse_stream_properties(object, false, out, rates);
	case GUID_EXTENDED_STREAM_PROPERTIES:
		return parse_extended_properties(object, out, rates);
	case GUID_STREAM_BITRATES:
		parse_bit_rates(object, rates);
		return ASF_OK;
	case GUID_CONTENT_DESCRIPTION:
		parse_description(object, out);
		return ASF_OK;
	case GUID_CONTENT_ENCRYPTION:
	case GUID_EXTENDED_CONTENT_ENCRYPTION:
	case GUID_ADVANCED_CONTENT_ENCRYPTION:
		out->encrypted = true;
		return ASF_OK;
	default:
		return ASF_OK;
	}
}

static enum asf_result
parse_extension(
    const struct object *object, struct asf_header *out, struct rates *rates)
{
	struct walk walk = walk_extension(object);
	enum asf_result result;
	struct object inner;

	while (walk_next(&walk, &inner)) {
		result = parse_object(&inner, out, rates);
		if (result != ASF_OK)
			return result;
	}
	return walk.result;
}

/* A rate with the packet overhead in it is the best one there is. */
static void
choose_bit_rates(struct asf_header *out, const struct rates *rates)
{
	for (unsigned i = 0; i < ASF_STREAMS; i++) {
		struct asf_stream *stream = &out->streams[i];

		if (!stream->there) /* told of, but without properties */
			*stream = (struct asf_stream){ 0 };
		else if (rates->with_overhead[i] != 0)
			stream->bit_rate_bps = rates->with_overhead[i];
		else if (rates->data[i] != 0)
			stream->bit_rate_bps = rates->data[i];
		else
			stream->bit_rate_bps = rates->format[i];
	}
}

enum asf_result
asf_header_parse(const uint8_t *data, size_t size, struct asf_header *out)
{
	struct rates rates = { .has_file_properties = false };
	enum asf_result result;
	struct object object;
	struct walk walk;

	memset(out, 0, sizeof(*out));
	if (size < HEADER_FRONT)
		return ASF_TRUNCATED;
	result = asf_header_size(data, &out->header_bytes);
	if (result != ASF_OK)
		return result;
	if (out->header_bytes > size)
		return ASF_TRUNCATED;
	walk = walk_header(data, (size_t)out->header_bytes);
	while (walk_next(&walk, &object)) {
		if (object.kind == GUID_HEADER_EXTENSION)
			result = parse_extension(&object, out, &rates);
		else
			result = parse_object(&object, out, &rates);
		if (result != ASF_OK)
			return result;
	}
	if (walk.result != ASF_OK)
		return walk.result;
	if (!rates.has_file_properties)
		return ASF_NO_FILE_PROPERTIES;
	if (out->stream_count == 0)
		return ASF_NO_STREAMS;
	choose_bit_rates(out, &rates);
	return ASF_OK;
}

unsigned
asf_best_video(const struct asf_header *header)
{
	const struct asf_stream *streams = header->streams;
	unsigned best = 0;

	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (streams[i].there && streams[i].kind == ASF_VIDEO &&
		    (best == 0 ||
			streams[i].bit_rate_bps > streams[best].bit_rate_bps))
			best = i;
	return best;
}

size_t
asf_file_properties_at(const uint8_t *header, size_t size)
{
	struct walk walk = walk_header(header, MAX_OF(size, HEADER_FRONT));
	struct object object;

	if (size < HEADER_FRONT)
		return 0;
	while (walk_next(&walk, &object))
		if (object.kind == GUID_FILE_PROPERTIES &&
		    object.bytes >= FILE_PROPERTIES_BYTES)
			return (size_t)(object.data - header);
	return 0;
}

enum asf_result
asf_data_parse(const uint8_t head[static ASF_DATA_HEADER_BYTES],
    const struct asf_header *header, uint64_t file_bytes, uint64_t *out_packets)
{
	uint64_t size = load_u64(head + 16), declared = load_u64(head + 40);
	uint64_t front = header->header_bytes + ASF_DATA_HEADER_BYTES;
	uint64_t room, packets;

	if (memcmp(head, known[GUID_DATA].guid, 16) != 0 || file_bytes < front)
		return ASF_NO_DATA;
	/* Up to 50 it was never filled in: packets up to the file's end. */
	room = file_bytes - front;
	if (size > ASF_DATA_HEADER_BYTES)
		room = MIN_OF(room, size - ASF_DATA_HEADER_BYTES);
	packets = room / header->packet_bytes;
	if (declared == 0)
		declared = header->declared_packets;
	if (!header->broadcast && declared != 0)
		packets = MIN_OF(packets, declared);
	if (packets == 0)
		return ASF_NO_DATA;
	*out_packets = MIN_OF(packets, UINT32_MAX);
	return ASF_OK;
}

/* ---- the copy of the header for SDP ---- */

struct copy {
	uint8_t *out; /* NULL: only count */
	size_t at;
	unsigned objects; /* of the header's own level */
	enum worth least; /* objects worth less are left out */
};

static void
copy_bytes(struct copy *copy, const uint8_t *data, size_t bytes)
{
	if (copy->out != NULL)
		memcpy(copy->out + copy->at, data, bytes);
	copy->at += bytes;
}

/* Sizes that ran over their parent are made good. */
static void
copy_object(struct copy *copy, const struct object *object)
{
	size_t start = copy->at;

	if (known[object->kind].worth < copy->least)
		return;
	copy_bytes(copy, object->data, object->bytes);
	if (copy->out != NULL)
		store_u64(copy->out + start + 16, object->bytes);
}

static void
copy_extension(struct copy *copy, const struct object *object)
{
	struct walk walk = walk_extension(object);
	size_t start = copy->at;
	struct object inner;

	if (object->bytes < EXTENSION_FRONT)
		return;
	copy_bytes(copy, object->data, EXTENSION_FRONT);
	while (walk_next(&walk, &inner))
		copy_object(copy, &inner);
	if (copy->out == NULL)
		return;
	store_u64(copy->out + start + 16, copy->at - start);
	store_u32(copy->out + start + 42,
	    (uint32_t)(copy->at - start - EXTENSION_FRONT));
}

static void
copy_header(struct copy *copy, const uint8_t *header, size_t header_size)
{
	struct walk walk = walk_header(header, header_size);
	struct object object;
	size_t before;

	copy_bytes(copy, header, HEADER_FRONT);
	while (walk_next(&walk, &object)) {
		before = copy->at;
		if (object.kind == GUID_HEADER_EXTENSION)
			copy_extension(copy, &object);
		else
			copy_object(copy, &object);
		copy->objects += copy->at > before;
	}
	if (copy->out == NULL)
		return;
	store_u64(copy->out + 16, copy->at);
	store_u32(copy->out + 24, copy->objects);
	copy->out[28] = 1;
	copy->out[29] = 2;
}

/* Saturates: a duration in 100 ns units. */
static uint64_t
file_time(uint64_t us)
{
	return us > UINT64_MAX / 10 ? UINT64_MAX : us * 10;
}

static void
patch_file_properties(
    uint8_t *properties, uint64_t packets, uint64_t play_duration_us)
{
	store_u32(properties + 88,
	    load_u32(properties + 88) & ~(uint32_t)FLAG_BROADCAST);
	if (packets != 0)
		store_u64(properties + 56, packets);
	if (play_duration_us != 0)
		store_u64(properties + 64, file_time(play_duration_us));
	memcpy(properties + 92, properties + 96, 4);
}

size_t
asf_header_copy(const uint8_t *header, size_t header_size,
    const uint8_t data_head[static ASF_DATA_HEADER_BYTES], uint64_t packets,
    uint64_t play_duration_us, uint8_t *out, size_t size)
{
	struct copy copy = { .out = NULL };
	size_t properties;
	unsigned least;

	if (header_size < HEADER_FRONT)
		return 0;
	for (least = WORTH_PADDING; least <= WORTH_NEEDED; least++) {
		copy = (struct copy){ .least = (enum worth)least };
		copy_header(&copy, header, header_size);
		if (copy.at + ASF_DATA_HEADER_BYTES <= size)
			break;
	}
	if (least > WORTH_NEEDED)
		return 0;
	copy = (struct copy){ .out = out, .least = (enum worth)least };
	copy_header(&copy, header, header_size);
	properties = asf_file_properties_at(out, copy.at);
	if (properties != 0)
		patch_file_properties(
		    out + properties, packets, play_duration_us);
	copy_bytes(&copy, data_head, ASF_DATA_HEADER_BYTES);
	/*
	 * FFmpeg takes the size for the end of all it will ever get, seeks
	 * included; GStreamer the count.  50 and 0 mean "not known" to them.
	 */
	store_u64(
	    out + copy.at - ASF_DATA_HEADER_BYTES + 16, ASF_DATA_HEADER_BYTES);
	store_u64(out + copy.at - ASF_DATA_HEADER_BYTES + 40, 0);
	return copy.at;
}

/* ---- data packets ---- */

/* Bytes of a field of length type 0, 1, 2, 3 (ASF reference 5). */
static inline unsigned
field_bytes(unsigned type)
{
	return (1u << (type & 3)) >> 1;
}

static inline uint32_t
field_load(const uint8_t *at, unsigned type)
{
	switch (type & 3) {
	case 1:
		return at[0];
	case 2:
		return load_u16(at);
	case 3:
		return load_u32(at);
	default:
		return 0;
	}
}

/* Error correction data and payload parsing information, 5.1 and 5.2. */
struct front {
	uint32_t flags_at, send_at;
	uint8_t flags, property_flags;
	bool has_length;
	uint32_t length, padding;
};

static inline bool
front_parse(const uint8_t *packet, size_t size, struct front *out)
{
	unsigned at = 0, length_type, sequence_type, padding_type;

	if (size == 0)
		return false;
	if ((packet[0] & 0x80) != 0) {
		if ((packet[0] & 0x60) != 0)
			return false;
		at = 1u + (packet[0] & 0x0f);
	}
	if (size < at + 2)
		return false;
	out->flags_at = at;
	out->flags = packet[at];
	out->property_flags = packet[at + 1];
	length_type = out->flags >> 5 & 3;
	sequence_type = out->flags >> 1 & 3;
	padding_type = out->flags >> 3 & 3;
	at += 2;
	out->send_at = at + field_bytes(length_type) +
		       field_bytes(sequence_type) + field_bytes(padding_type);
	if (size < out->send_at + 4)
		return false;
	out->has_length = length_type != 0;
	out->length = field_load(packet + at, length_type);
	at += field_bytes(length_type) + field_bytes(sequence_type);
	out->padding = field_load(packet + at, padding_type);
	return true;
}

enum asf_result
asf_packet_send_time(const uint8_t *packet, size_t size, uint32_t *out_ms)
{
	struct front front;

	if (!front_parse(packet, size, &front))
		return ASF_BAD_PACKET;
	*out_ms = load_u32(packet + front.send_at);
	return ASF_OK;
}

/* What stays the same from payload to payload of a packet. */
struct payload_shape {
	unsigned number_type, offset_type, replicated_type, length_type;
	unsigned fixed; /* bytes up to the replicated data */
	bool multiple;
	uint32_t limit; /* where padding begins */
	uint32_t send_ms;
};

/* False: the payload runs over the limit or its times cannot be. */
static inline bool
payload_parse(const uint8_t *packet, uint32_t at,
    const struct payload_shape *shape, struct asf_payload *out)
{
	uint32_t left = shape->limit - at, offset, replicated, length;
	const uint8_t *from = packet + at;
	uint32_t front = shape->fixed;

	if (left < front)
		return false;
	out->at = (uint16_t)at;
	out->stream = from[0] & 0x7f;
	out->key = (from[0] & 0x80) != 0;
	from++;
	out->object_number = field_load(from, shape->number_type);
	from += field_bytes(shape->number_type);
	offset = field_load(from, shape->offset_type);
	from += field_bytes(shape->offset_type);
	replicated = field_load(from, shape->replicated_type);
	from += field_bytes(shape->replicated_type);
	if (replicated > left - front)
		return false;
	front += replicated;
	out->compressed = replicated == 1;
	out->has_time = replicated != 0;
	out->object_offset = offset;
	out->object_bytes = 0;
	out->step_ms = 0;
	out->presentation_ms = shape->send_ms;
	if (replicated >= 8) {
		out->object_bytes = load_u32(from);
		out->presentation_ms = load_u32(from + 4);
	} else if (replicated == 1) {
		out->object_offset = 0;
		out->presentation_ms = offset;
		out->step_ms = from[0];
	} else if (replicated != 0) {
		return false;
	}
	out->starts_object = out->object_offset == 0;
	from += replicated;
	length = left - front;
	if (shape->multiple) {
		if (left - front < field_bytes(shape->length_type))
			return false;
		length = field_load(from, shape->length_type);
		front += field_bytes(shape->length_type);
		if (length > left - front)
			return false;
	}
	out->data_at = (uint16_t)(at + front);
	out->data_bytes = (uint16_t)length;
	out->bytes_total = (uint16_t)(front + length);
	return true;
}

enum asf_result
asf_packet_parse(
    const uint8_t *packet, uint32_t packet_bytes, struct asf_packet *out)
{
	struct payload_shape shape;
	unsigned wanted = 1, count;
	struct front front;
	uint32_t end, at;

	if (packet_bytes > ASF_PACKET_MOST ||
	    !front_parse(packet, packet_bytes, &front))
		return ASF_BAD_PACKET;
	end = front.has_length ? front.length : packet_bytes;
	at = front.send_at + 6;
	if (end > packet_bytes || end < at || front.padding > end - at)
		return ASF_BAD_PACKET;
	shape.limit = end - front.padding;
	shape.send_ms = load_u32(packet + front.send_at);
	shape.multiple = (front.flags & 1) != 0;
	shape.replicated_type = front.property_flags & 3;
	shape.offset_type = front.property_flags >> 2 & 3;
	shape.number_type = front.property_flags >> 4 & 3;
	shape.length_type = 0;
	shape.fixed = 1 + field_bytes(shape.number_type) +
		      field_bytes(shape.offset_type) +
		      field_bytes(shape.replicated_type);

	out->payloads_at = (uint8_t)at;
	out->payload_length_type = 0;
	if (shape.multiple) {
		if (at >= shape.limit)
			return ASF_BAD_PACKET;
		wanted = packet[at] & 0x3f;
		out->payload_length_type = packet[at] & 0xc0;
		shape.length_type = packet[at] >> 6;
		if (shape.length_type == 0) /* payloads without a length */
			return ASF_BAD_PACKET;
		at++;
	}
	for (count = 0; count < wanted; count++) {
		if (!payload_parse(packet, at, &shape, &out->payloads[count]))
			break;
		at += out->payloads[count].bytes_total;
	}
	if (count == 0)
		return ASF_BAD_PACKET;
	out->send_ms = shape.send_ms;
	out->duration_ms = load_u16(packet + front.send_at + 4);
	out->used_bytes = at;
	out->padding_bytes = packet_bytes - at;
	out->flags_at = (uint8_t)front.flags_at;
	out->flags = front.flags;
	out->property_flags = front.property_flags;
	out->after_lengths_at = (uint8_t)front.send_at;
	out->multiple = shape.multiple;
	out->payload_count = count;
	out->dropped = count < wanted;
	return ASF_OK;
}

/* Error correction 16, flags 2, length 4, sequence 4, times 6, count 1. */
#define NEW_FRONT_MOST 33

/* The part of a packet that goes out, before any byte is moved. */
struct cut {
	uint8_t front[NEW_FRONT_MOST];
	uint32_t front_bytes, body_bytes;
	unsigned first, kept;
	bool key;
};

static void
cut_choose(
    const struct asf_packet *parsed, struct asf_set wanted, struct cut *out)
{
	out->body_bytes = 0;
	out->first = out->kept = 0;
	out->key = false;
	for (unsigned i = 0; i < parsed->payload_count; i++) {
		const struct asf_payload *payload = &parsed->payloads[i];

		if (!asf_set_has(wanted, payload->stream))
			continue;
		if (out->kept == 0)
			out->first = i;
		out->kept++;
		out->body_bytes += payload->bytes_total;
		out->key = out->key || payload->key;
	}
}

/* The new front: explicit Packet Length, no Padding Length. */
static void
cut_front(
    const uint8_t *packet, const struct asf_packet *parsed, struct cut *cut)
{
	unsigned sequence = field_bytes(parsed->flags >> 1);
	unsigned sequence_at =
	    parsed->flags_at + 2u + field_bytes(parsed->flags >> 5);
	uint32_t length = parsed->flags_at + 2u + 2u + sequence + 6u +
			  parsed->multiple + cut->body_bytes;
	uint8_t *at = cut->front;
	bool wide = length > UINT16_MAX;

	memcpy(at, packet, parsed->flags_at);
	at += parsed->flags_at;
	*at++ = (uint8_t)((parsed->flags & ~0x78u) | (wide ? 0x60u : 0x40u));
	*at++ = parsed->property_flags;
	if (wide)
		store_u32(at, length + 2);
	else
		store_u16(at, length);
	at += wide ? 4 : 2;
	memcpy(at, packet + sequence_at, sequence);
	at += sequence;
	memcpy(at, packet + parsed->after_lengths_at, 6);
	at += 6;
	if (parsed->multiple)
		*at++ = (uint8_t)(parsed->payload_length_type | cut->kept);
	cut->front_bytes = (uint32_t)(at - cut->front);
}

enum cut_way { CUT_NOTHING_LEFT, CUT_AS_IT_IS, CUT_COUNT_ONLY, CUT_REWRITE };

/*
 * A Packet Length field of two bytes may be more than what was cut away: then
 * the packet stays as long as it is, and at most its count is put right.
 */
static enum cut_way
cut_plan(const uint8_t *packet, uint32_t packet_bytes,
    const struct asf_packet *parsed, struct asf_set wanted, struct cut *cut)
{
	bool all;

	cut_choose(parsed, wanted, cut);
	if (cut->kept == 0)
		return CUT_NOTHING_LEFT;
	all = cut->kept == parsed->payload_count;
	if (all && !parsed->dropped && parsed->padding_bytes == 0)
		return CUT_AS_IT_IS;
	cut_front(packet, parsed, cut);
	if (cut->front_bytes + cut->body_bytes <= packet_bytes)
		return CUT_REWRITE;
	if (!all)
		return CUT_NOTHING_LEFT;
	return parsed->dropped ? CUT_COUNT_ONLY : CUT_AS_IT_IS;
}

uint32_t
asf_packet_rewrite(uint8_t *packet, uint32_t packet_bytes,
    const struct asf_packet *parsed, struct asf_set wanted, uint8_t **out_at,
    bool *key)
{
	struct cut cut;
	uint8_t *start, *to;

	switch (cut_plan(packet, packet_bytes, parsed, wanted, &cut)) {
	case CUT_NOTHING_LEFT:
		return 0;
	case CUT_COUNT_ONLY:
		packet[parsed->payloads_at] =
		    (uint8_t)(parsed->payload_length_type | cut.kept);
		/* fallthrough */
	case CUT_AS_IT_IS:
		*out_at = packet;
		*key = cut.key;
		return packet_bytes;
	case CUT_REWRITE:
		break;
	}
	/* The first payload stays, the others move up, the front before. */
	start = to = packet + parsed->payloads[cut.first].at;
	for (unsigned i = cut.first; i < parsed->payload_count; i++) {
		const struct asf_payload *payload = &parsed->payloads[i];

		if (!asf_set_has(wanted, payload->stream))
			continue;
		if (to != packet + payload->at)
			memmove(to, packet + payload->at, payload->bytes_total);
		to += payload->bytes_total;
	}
	start -= cut.front_bytes;
	memcpy(start, cut.front, cut.front_bytes);
	*out_at = start;
	*key = cut.key;
	return cut.front_bytes + cut.body_bytes;
}

uint32_t
asf_packet_copy(const uint8_t *packet, uint32_t packet_bytes,
    const struct asf_packet *parsed, struct asf_set wanted, uint8_t *out,
    bool *key)
{
	struct cut cut;
	enum cut_way way = cut_plan(packet, packet_bytes, parsed, wanted, &cut);
	uint8_t *to;

	if (way == CUT_NOTHING_LEFT)
		return 0;
	*key = cut.key;
	if (way != CUT_REWRITE) {
		memcpy(out, packet, packet_bytes);
		if (way == CUT_COUNT_ONLY)
			out[parsed->payloads_at] =
			    (uint8_t)(parsed->payload_length_type | cut.kept);
		return packet_bytes;
	}
	memcpy(out, cut.front, cut.front_bytes);
	to = out + cut.front_bytes;
	for (unsigned i = cut.first; i < parsed->payload_count; i++) {
		const struct asf_payload *payload = &parsed->payloads[i];

		if (!asf_set_has(wanted, payload->stream))
			continue;
		memcpy(to, packet + payload->at, payload->bytes_total);
		to += payload->bytes_total;
	}
	return (uint32_t)(to - out);
}

/* ---- the simple index ---- */

enum asf_result
asf_index_parse(const uint8_t *object, size_t size, struct asf_index *out)
{
	uint64_t interval;
	size_t count;

	*out = (struct asf_index){ 0 };
	if (size < INDEX_FRONT ||
	    memcmp(object, known[GUID_SIMPLE_INDEX].guid, 16) != 0)
		return ASF_BAD_OBJECT;
	interval = load_u64(object + 40) / 10;
	count = load_u32(object + 52);
	count = MIN_OF(count, (size - INDEX_FRONT) / INDEX_ENTRY);
	count = MIN_OF(count, INDEX_ENTRIES_MOST);
	if (interval == 0 || count == 0) /* written for audio alone */
		return ASF_OK;
	out->packets = malloc(count * sizeof(*out->packets));
	if (out->packets == NULL) /* as good as none: seeks search then */
		return ASF_OK;
	for (size_t i = 0; i < count; i++)
		out->packets[i] =
		    load_u32(object + INDEX_FRONT + i * INDEX_ENTRY);
	out->interval_us = interval;
	out->count = (uint32_t)count;
	return ASF_OK;
}

void
asf_index_free(struct asf_index *index)
{
	free(index->packets);
	*index = (struct asf_index){ 0 };
}
