/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header that a demultiplexer gets.  media/asf says what is in the one
 * that came; here its streams are written down again, each length within
 * bounds that GStreamer's asfdemux only asserts.  Differences on purpose:
 *
 * - Preroll is 0, and subtracted from the times in the packets (assemble.c).
 *   asfdemux holds everything back until each stream is beyond the preroll, or
 *   half a second; how much is buffered is decided by the source.
 * - The number of packets is the largest there is: with 0, asfdemux takes every
 *   packet that it can for the beginning of another header.
 */
#include "player/prologue.h"

#include <string.h>

#include "base/base.h"
#include "base/bytes.h"

#define OBJECT_MOST (UINT32_C(16) * 1024 * 1024)
#define STREAMS_MOST 32 /* asfdemux has room for so many */
#define EXTENSIONS_MOST 16
#define LEVELS 2 /* header, header extension */
#define BEHIND_MOST_MS 60000 /* the end that was told */
#define WAVE_BYTES 18
#define VIDEO_FRONT_BYTES 11
#define BITMAP_BYTES 40
#define SPREAD_BYTES 8
#define FRAME_TIME_MOST UINT64_C(100000000) /* 10 s in 100 ns */

#define GUID_BYTES 16
/* As they are on disk (ASF reference 2). */
/* clang-format off */
#define GUID_OF(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
	{ 0x##a, 0x##b, 0x##c, 0x##d, 0x##e, 0x##f, 0x##g, 0x##h, \
	  0x##i, 0x##j, 0x##k, 0x##l, 0x##m, 0x##n, 0x##o, 0x##p }
typedef const uint8_t guid_bytes[GUID_BYTES];
static guid_bytes header_guid =
    GUID_OF(30,26,b2,75,8e,66,cf,11,a6,d9,00,aa,00,62,ce,6c);
static guid_bytes data_guid =
    GUID_OF(36,26,b2,75,8e,66,cf,11,a6,d9,00,aa,00,62,ce,6c);
static guid_bytes file_guid =
    GUID_OF(a1,dc,ab,8c,47,a9,cf,11,8e,e4,00,c0,0c,20,53,65);
static guid_bytes stream_guid =
    GUID_OF(91,07,dc,b7,b7,a9,cf,11,8e,e6,00,c0,0c,20,53,65);
static guid_bytes extension_guid =
    GUID_OF(b5,03,bf,5f,2e,a9,cf,11,8e,e3,00,c0,0c,20,53,65);
static guid_bytes reserved_guid =
    GUID_OF(11,d2,d3,ab,ba,a9,cf,11,8e,e6,00,c0,0c,20,53,65);
static guid_bytes extended_guid =
    GUID_OF(cb,a5,e6,14,72,c6,32,43,83,99,a9,69,52,06,5b,5a);
static guid_bytes metadata_guid =
    GUID_OF(ea,cb,f8,c5,af,5b,77,48,84,67,aa,8c,44,fa,4c,ca);
static guid_bytes languages_guid =
    GUID_OF(a9,46,43,7c,e0,ef,fc,4b,b2,29,39,3e,de,41,5c,85);
static guid_bytes script_guid =
    GUID_OF(30,1a,fb,1e,62,0b,d0,11,a3,9b,00,a0,c9,03,48,f6);
static guid_bytes audio_guid =
    GUID_OF(40,9e,69,f8,4d,5b,cf,11,a8,fd,00,80,5f,5c,44,2b);
static guid_bytes video_guid =
    GUID_OF(c0,ef,19,bc,4d,5b,cf,11,a8,fd,00,80,5f,5c,44,2b);
static guid_bytes no_correction_guid =
    GUID_OF(00,57,fb,20,55,5b,cf,11,a8,fd,00,80,5f,5c,44,2b);
static guid_bytes spread_guid =
    GUID_OF(50,cd,c3,bf,8f,61,cf,11,8b,b2,00,aa,00,b4,e2,20);
/* clang-format on */

static bool
is_guid(const uint8_t *at, const uint8_t *guid)
{
	return memcmp(at, guid, GUID_BYTES) == 0;
}

/* What the walk finds of a stream; pointers into the header that came. */
struct found {
	const uint8_t *properties; /* body of Stream Properties; NULL: none */
	size_t properties_bytes;
	bool is_extended; /* it has Extended Stream Properties: */
	uint64_t frame_time;
	unsigned extension_count;
	struct {
		const uint8_t *guid;
		uint16_t bytes;
	} extensions[EXTENSIONS_MOST];
	uint16_t language;
	bool has_language;
	uint32_t aspect_x, aspect_y; /* 0: not told */
};

struct survey {
	struct found streams[ASF_STREAMS];
	const uint8_t *languages; /* body of the Language List */
	size_t languages_bytes;
	const uint8_t *script; /* body of the Script Command Object */
	size_t script_bytes;
};

/* ---- what is there ---- */

/* A Stream Properties Object's body, GUID and size cut off. */
static void
find_stream(struct survey *survey, const uint8_t *body, size_t size)
{
	struct bytes_reader reader = bytes_reader(body, size);
	unsigned number;

	bytes_skip(&reader, 48);
	number = bytes_u16le(&reader) & 0x7F;
	if (reader.failed || number == 0 ||
	    survey->streams[number].properties != NULL)
		return;
	survey->streams[number].properties = body;
	survey->streams[number].properties_bytes = size;
}

static void
find_extensions(
    struct found *stream, struct bytes_reader *reader, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *guid = bytes_take(reader, GUID_BYTES);
		uint16_t bytes = bytes_u16le(reader);

		bytes_skip(reader, bytes_u32le(reader));
		if (reader->failed)
			return;
		if (stream->extension_count == EXTENSIONS_MOST)
			continue;
		stream->extensions[stream->extension_count].guid = guid;
		stream->extensions[stream->extension_count++].bytes = bytes;
	}
}

/* Extended Stream Properties (ASF reference 3.5). */
static void
find_extended(struct survey *survey, const uint8_t *body, size_t size)
{
	struct bytes_reader reader = bytes_reader(body, size);
	unsigned number, names, extensions;
	struct found *stream;
	uint64_t bytes;

	bytes_skip(&reader, 48);
	number = bytes_u16le(&reader) & 0x7F;
	stream = &survey->streams[number];
	stream->language = bytes_u16le(&reader);
	stream->frame_time = bytes_u64le(&reader);
	names = bytes_u16le(&reader);
	extensions = bytes_u16le(&reader);
	if (reader.failed || number == 0)
		return;
	stream->has_language = stream->is_extended = true;
	for (; names > 0 && !reader.failed; names--) {
		bytes_u16le(&reader);
		bytes_skip(&reader, bytes_u16le(&reader));
	}
	find_extensions(stream, &reader, extensions);
	if (reader.failed || bytes_left(&reader) < ASF_OBJECT_BYTES ||
	    !is_guid(body + reader.at, stream_guid))
		return;
	bytes_skip(&reader, GUID_BYTES);
	bytes = bytes_u64le(&reader);
	if (bytes < ASF_OBJECT_BYTES)
		return;
	find_stream(survey, body + reader.at,
	    (size_t)MIN_OF(
		bytes - ASF_OBJECT_BYTES, (uint64_t)bytes_left(&reader)));
}

/* AspectRatioX and AspectRatioY, all that is wanted of it. */
static void
find_metadata(struct survey *survey, const uint8_t *body, size_t size)
{
	struct bytes_reader reader = bytes_reader(body, size);
	unsigned count = bytes_u16le(&reader);

	for (; count > 0 && !reader.failed; count--) {
		unsigned number, name_bytes;
		const uint8_t *name, *value;
		uint32_t value_bytes;
		char text[16];

		bytes_u16le(&reader);
		number = bytes_u16le(&reader) & 0x7F;
		name_bytes = bytes_u16le(&reader);
		bytes_u16le(&reader);
		value_bytes = bytes_u32le(&reader);
		name = bytes_take(&reader, name_bytes);
		value = bytes_take(&reader, value_bytes);
		if (reader.failed || value_bytes < 4)
			continue;
		asf_text(name, name_bytes, text, sizeof(text));
		if (strcmp(text, "AspectRatioX") == 0)
			survey->streams[number].aspect_x = value[0];
		else if (strcmp(text, "AspectRatioY") == 0)
			survey->streams[number].aspect_y = value[0];
	}
}

static void find_objects(
    struct survey *survey, const uint8_t *data, size_t size, int levels);

static void
find_object(struct survey *survey, const uint8_t *guid, const uint8_t *body,
    size_t size, int levels)
{
	if (is_guid(guid, stream_guid)) {
		find_stream(survey, body, size);
	} else if (is_guid(guid, extended_guid)) {
		find_extended(survey, body, size);
	} else if (is_guid(guid, metadata_guid)) {
		find_metadata(survey, body, size);
	} else if (is_guid(guid, languages_guid)) {
		survey->languages = body;
		survey->languages_bytes = size;
	} else if (is_guid(guid, script_guid)) {
		survey->script = body;
		survey->script_bytes = size;
	} else if (is_guid(guid, extension_guid) && size >= 22 && levels > 0) {
		find_objects(survey, body + 22, size - 22, levels - 1);
	}
}

/* The objects side by side in DATA; one may run over its end, and is cut. */
static void
find_objects(
    struct survey *survey, const uint8_t *data, size_t size, int levels)
{
	struct bytes_reader reader = bytes_reader(data, size);

	while (bytes_left(&reader) >= ASF_OBJECT_BYTES) {
		const uint8_t *guid = bytes_take(&reader, GUID_BYTES);
		uint64_t bytes = bytes_u64le(&reader);
		size_t body;

		if (bytes < ASF_OBJECT_BYTES)
			return;
		body = (size_t)MIN_OF(
		    bytes - ASF_OBJECT_BYTES, (uint64_t)bytes_left(&reader));
		find_object(survey, guid, data + reader.at, body, levels);
		bytes_skip(&reader, body);
	}
}

/* "en-us" becomes "en". */
static void
find_language(const struct survey *survey, unsigned index, char out[16])
{
	struct bytes_reader reader =
	    bytes_reader(survey->languages, survey->languages_bytes);
	unsigned count = bytes_u16le(&reader);

	for (unsigned i = 0; i < count && !reader.failed; i++) {
		size_t bytes = bytes_u8(&reader);
		const uint8_t *text = bytes_take(&reader, bytes);

		if (reader.failed || i != index)
			continue;
		asf_text(text, bytes, out, 16);
		out[strcspn(out, "-_")] = '\0';
		return;
	}
}

/* ---- what is written ---- */

/* Returns where its size is written, by end_object(). */
static size_t
begin_object(struct bytes_writer *out, const uint8_t *guid)
{
	size_t at = out->at;

	bytes_put(out, guid, GUID_BYTES);
	bytes_put_u64le(out, 0);
	return at;
}

static void
end_object(struct bytes_writer *out, size_t at)
{
	struct bytes_writer size;

	if (out->failed)
		return;
	size = bytes_writer(out->data + at + GUID_BYTES, 8);
	bytes_put_u64le(&size, out->at - at);
}

static void
put_zeros(struct bytes_writer *out, size_t count)
{
	for (; count > 0; count--)
		bytes_put_u8(out, 0);
}

static void
put_file_properties(struct bytes_writer *out, const struct asf_header *header,
    uint64_t duration_us)
{
	size_t at = begin_object(out, file_guid);

	bytes_put(out, header->file_id, GUID_BYTES);
	bytes_put_u64le(out, 0);
	bytes_put_u64le(out, 0);
	bytes_put_u64le(out, UINT32_MAX);
	/* A little more: what is behind the end is cut off. */
	bytes_put_u64le(
	    out, duration_us == 0 ? 0 : (duration_us + US_PER_SECOND) * 10);
	bytes_put_u64le(out, duration_us * 10);
	bytes_put_u64le(out, 0); /* preroll */
	bytes_put_u32le(out, 2); /* seekable */
	bytes_put_u32le(out, header->packet_bytes);
	bytes_put_u32le(out, header->packet_bytes);
	bytes_put_u32le(out, header->maximum_bit_rate_bps);
	end_object(out, at);
}

/* The fixed part of Stream Properties, and the lengths of what follows. */
static void
put_stream_front(struct bytes_writer *out, const uint8_t *type,
    const uint8_t *correction, unsigned number, size_t specific, size_t errors)
{
	bytes_put(out, type, GUID_BYTES);
	bytes_put(out, correction, GUID_BYTES);
	bytes_put_u64le(out, 0);
	bytes_put_u32le(out, (uint32_t)specific);
	bytes_put_u32le(out, (uint32_t)errors);
	bytes_put_u16le(out, (uint16_t)number);
	bytes_put_u32le(out, 0);
}

/* How sound is spread over objects, if it is in a way that can be undone. */
struct spread {
	uint8_t span;
	uint16_t packet_bytes, chunk_bytes;
};

static struct spread
read_spread(struct bytes_reader *errors)
{
	struct spread spread = { .span = bytes_u8(errors) };

	spread.packet_bytes = bytes_u16le(errors);
	spread.chunk_bytes = bytes_u16le(errors);
	if (errors->failed || spread.span <= 1 || spread.chunk_bytes == 0 ||
	    spread.packet_bytes % spread.chunk_bytes != 0 ||
	    spread.packet_bytes / spread.chunk_bytes <= 1)
		return (struct spread){ .span = 1 };
	return spread;
}

/* Returns the largest object that can be decoded, 0: none can. */
static uint32_t
put_audio(struct bytes_writer *out, const struct found *stream, unsigned number)
{
	struct bytes_reader reader =
	    bytes_reader(stream->properties, stream->properties_bytes);
	const uint8_t *correction, *wave;
	struct bytes_reader errors;
	struct spread spread = { .span = 1 };
	size_t specific, extra;

	bytes_skip(&reader, GUID_BYTES);
	correction = bytes_take(&reader, GUID_BYTES);
	bytes_skip(&reader, 8);
	specific = bytes_u32le(&reader);
	bytes_skip(&reader, 10);
	wave = bytes_take(&reader, specific);
	if (reader.failed || specific < WAVE_BYTES - 2)
		return 0;
	extra = specific < WAVE_BYTES
		    ? 0
		    : MIN_OF((size_t)(wave[16] | wave[17] << 8),
			  specific - WAVE_BYTES);
	errors = reader;
	if (is_guid(correction, spread_guid))
		spread = read_spread(&errors);

	put_stream_front(out, audio_guid, spread_guid, number,
	    WAVE_BYTES + extra, SPREAD_BYTES);
	bytes_put(out, wave, WAVE_BYTES - 2);
	bytes_put_u16le(out, (uint16_t)extra);
	if (extra > 0)
		bytes_put(out, wave + WAVE_BYTES, extra);
	bytes_put_u8(out, spread.span);
	bytes_put_u16le(out, spread.packet_bytes);
	bytes_put_u16le(out, spread.chunk_bytes);
	bytes_put_u16le(out, 1);
	bytes_put_u8(out, 0);
	return spread.span > 1 ? spread.span * (uint32_t)spread.packet_bytes
			       : OBJECT_MOST;
}

static uint32_t
put_video(struct bytes_writer *out, const struct found *stream, unsigned number)
{
	struct bytes_reader reader =
	    bytes_reader(stream->properties, stream->properties_bytes);
	const uint8_t *video;
	size_t specific, bitmap;

	bytes_skip(&reader, 40);
	specific = bytes_u32le(&reader);
	bytes_skip(&reader, 10);
	video = bytes_take(&reader, specific);
	if (reader.failed || specific < VIDEO_FRONT_BYTES + BITMAP_BYTES)
		return 0;
	bitmap = (size_t)(video[9] | video[10] << 8);
	bitmap = MIN_OF(bitmap, specific - VIDEO_FRONT_BYTES);
	if (bitmap < BITMAP_BYTES)
		return 0;

	put_stream_front(out, video_guid, no_correction_guid, number,
	    VIDEO_FRONT_BYTES + bitmap, 0);
	bytes_put(out, video, VIDEO_FRONT_BYTES - 2);
	bytes_put_u16le(out, (uint16_t)bitmap);
	bytes_put_u32le(out, (uint32_t)bitmap);
	bytes_put(out, video + VIDEO_FRONT_BYTES + 4, bitmap - 4);
	return OBJECT_MOST;
}

/* False: nothing that could be decoded. */
static bool
put_stream(struct bytes_writer *out, const struct found *stream,
    const struct asf_stream *parsed, unsigned number, struct prologue *prologue)
{
	struct bytes_writer before = *out;
	size_t at = begin_object(out, stream_guid);
	uint32_t most = parsed->kind == ASF_AUDIO
			    ? put_audio(out, stream, number)
			    : put_video(out, stream, number);

	if (most == 0) {
		*out = before;
		return false;
	}
	end_object(out, at);
	prologue->object_most[number] = most;
	asf_set_add(&prologue->streams, number);
	return true;
}

static void
put_extended(
    struct bytes_writer *out, const struct found *stream, unsigned number)
{
	size_t at = begin_object(out, extended_guid);
	bool sane = stream->frame_time <= FRAME_TIME_MOST;

	put_zeros(out, 48);
	bytes_put_u16le(out, (uint16_t)number);
	bytes_put_u16le(out, UINT16_MAX); /* no language */
	bytes_put_u64le(out, sane ? stream->frame_time : 0);
	bytes_put_u16le(out, 0);
	bytes_put_u16le(out, (uint16_t)stream->extension_count);
	for (unsigned i = 0; i < stream->extension_count; i++) {
		bytes_put(out, stream->extensions[i].guid, GUID_BYTES);
		bytes_put_u16le(out, stream->extensions[i].bytes);
		bytes_put_u32le(out, 0);
	}
	end_object(out, at);
}

/* "AspectRatioX" or "…Y" of one stream. */
static void
put_aspect(struct bytes_writer *out, unsigned number, char axis, uint32_t value)
{
	static const char name[] = "AspectRatio";

	bytes_put_u16le(out, 0);
	bytes_put_u16le(out, (uint16_t)number);
	bytes_put_u16le(out, (sizeof(name) + 1) * 2);
	bytes_put_u16le(out, 3);
	bytes_put_u32le(out, 4);
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		bytes_put_u16le(out, (uint8_t)name[i]);
	bytes_put_u16le(out, (uint8_t)axis);
	bytes_put_u16le(out, 0);
	bytes_put_u32le(out, value);
}

static void
put_metadata(struct bytes_writer *out, const struct survey *survey,
    const struct prologue *prologue)
{
	size_t at = begin_object(out, metadata_guid);
	size_t count_at = out->at;
	unsigned count = 0;

	bytes_put_u16le(out, 0);
	for (unsigned i = 1; i < ASF_STREAMS; i++) {
		const struct found *stream = &survey->streams[i];

		if (!asf_set_has(prologue->streams, i) ||
		    stream->aspect_x == 0 || stream->aspect_y == 0)
			continue;
		put_aspect(out, i, 'X', stream->aspect_x);
		put_aspect(out, i, 'Y', stream->aspect_y);
		count += 2;
	}
	end_object(out, at);
	if (!out->failed)
		out->data[count_at] = (uint8_t)count; /* at most 64 */
}

/* In front of the streams: asfdemux asks for it while it reads them. */
static size_t
put_extension(struct bytes_writer *out)
{
	size_t at = begin_object(out, extension_guid);

	bytes_put(out, reserved_guid, GUID_BYTES);
	bytes_put_u16le(out, 6);
	bytes_put_u32le(out, 0);
	return at;
}

static void
end_extension(struct bytes_writer *out, size_t at)
{
	struct bytes_writer length;

	end_object(out, at);
	if (out->failed)
		return;
	length = bytes_writer(out->data + at + 42, 4);
	bytes_put_u32le(&length, (uint32_t)(out->at - at - 46));
}

static void
put_data_head(struct bytes_writer *out, const struct asf_header *header)
{
	bytes_put(out, data_guid, GUID_BYTES);
	bytes_put_u64le(out, ASF_DATA_HEADER_BYTES);
	bytes_put(out, header->file_id, GUID_BYTES);
	bytes_put_u64le(out, UINT32_MAX);
	bytes_put_u16le(out, 0x0101);
}

static bool
is_wanted(const struct prologue *prologue, const struct survey *survey,
    const struct asf_set *chosen, unsigned number)
{
	const struct asf_stream *stream = &prologue->header.streams[number];

	return stream->there &&
	       (stream->kind == ASF_AUDIO || stream->kind == ASF_VIDEO) &&
	       survey->streams[number].properties != NULL &&
	       (chosen == NULL || asf_set_has(*chosen, number));
}

/* The objects of the header's own level, but the first; how many. */
static unsigned
put_objects(struct bytes_writer *out, const struct survey *survey,
    const struct asf_set *chosen, struct prologue *prologue)
{
	/* Which streams there are is known when they are written. */
	uint8_t room[64 * 1024];
	struct bytes_writer streams = bytes_writer(room, sizeof(room));
	unsigned count = 0;
	size_t at;

	for (unsigned i = 1; i < ASF_STREAMS && count < STREAMS_MOST; i++) {
		struct bytes_writer before = streams;

		if (!is_wanted(prologue, survey, chosen, i))
			continue;
		count += put_stream(&streams, &survey->streams[i],
		    &prologue->header.streams[i], i, prologue);
		if (!streams.failed)
			continue;
		streams = before; /* codec data out of all proportion */
		prologue->object_most[i] = 0;
		prologue->streams.bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
		count--;
	}
	at = put_extension(out);
	put_metadata(out, survey, prologue);
	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (asf_set_has(prologue->streams, i) &&
		    survey->streams[i].is_extended)
			put_extended(out, &survey->streams[i], i);
	end_extension(out, at);
	bytes_put(out, room, streams.at);
	return count;
}

/* A decoder that is told of a picture in a week shows it in a week. */
static uint32_t
latest_ms(const struct asf_header *header, uint64_t duration_us)
{
	uint64_t latest =
	    duration_us / US_PER_MS + header->preroll_ms + BEHIND_MOST_MS;

	return duration_us == 0 || latest > UINT32_MAX ? UINT32_MAX
						       : (uint32_t)latest;
}

enum asf_result
prologue_make(const uint8_t *header, size_t size, const struct asf_set *chosen,
    uint64_t duration_us, struct prologue *out)
{
	struct bytes_writer writer = bytes_writer(out->bytes, PROLOGUE_MAX);
	struct survey survey = { 0 };
	struct bytes_writer count_at;
	uint64_t header_bytes;
	enum asf_result result;
	unsigned count;
	size_t at;

	if (size < 30)
		return ASF_TRUNCATED;
	result = asf_header_size(header, &header_bytes);
	if (result != ASF_OK)
		return result;
	if (header_bytes > size)
		return ASF_TRUNCATED;
	out->streams = (struct asf_set){ { 0 } };
	memset(out->object_most, 0, sizeof(out->object_most));
	memset(out->languages, 0, sizeof(out->languages));
	result = asf_header_parse(header, (size_t)header_bytes, &out->header);
	if (result != ASF_OK)
		return result;
	find_objects(
	    &survey, header + 30, (size_t)header_bytes - 30, LEVELS - 1);
	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (survey.streams[i].has_language && survey.languages != NULL)
			find_language(&survey, survey.streams[i].language,
			    out->languages[i]);

	out->latest_ms = latest_ms(&out->header, duration_us);
	script_parse(survey.script, survey.script_bytes, out->header.preroll_ms,
	    &out->script);

	at = begin_object(&writer, header_guid);
	bytes_put_u32le(&writer, 0);
	bytes_put_u8(&writer, 1);
	bytes_put_u8(&writer, 2);
	put_file_properties(&writer, &out->header, duration_us);
	count = put_objects(&writer, &survey, chosen, out);
	end_object(&writer, at);
	put_data_head(&writer, &out->header);
	if (writer.failed)
		return ASF_HEADER_TOO_LARGE;
	if (count == 0)
		return ASF_NO_STREAMS;
	count_at = bytes_writer(out->bytes + 24, 4);
	bytes_put_u32le(&count_at, count + 2);
	out->size = writer.at;
	return ASF_OK;
}

/* Error correction, flags, Packet Length, Send Time, Duration, payload count
 * with two bytes of length (ASF reference 5.1 to 5.3). */
static const uint8_t first_front[] = { 0x82, 0, 0, 0x41, 0x5D, 0, 0, 0, 0, 0, 0,
	0, 0, 0x80 };
#define FIRST_LENGTH_AT 5
#define FIRST_COUNT_AT 13

static void
put_beginning(struct bytes_writer *out, unsigned stream, uint32_t at_ms)
{
	bytes_put_u8(out, (uint8_t)(0x80 | stream)); /* a key frame's */
	bytes_put_u8(out, 0xFF); /* object number */
	bytes_put_u32le(out, 0); /* offset */
	bytes_put_u8(out, 8); /* replicated data: */
	bytes_put_u32le(out, 2); /* object size */
	bytes_put_u32le(out, at_ms);
	bytes_put_u16le(out, 1); /* payload length */
	bytes_put_u8(out, 0);
}

/* In the packet, of streams that are taken. */
static uint32_t
earliest_ms(const struct prologue *prologue, const uint8_t *packet)
{
	struct asf_packet parsed;
	uint32_t earliest = UINT32_MAX;

	if (asf_packet_parse(packet, prologue->header.packet_bytes, &parsed) !=
	    ASF_OK)
		return PROLOGUE_SHIFT_MS;
	for (unsigned i = 0; i < parsed.payload_count; i++)
		if (asf_set_has(prologue->streams, parsed.payloads[i].stream))
			earliest = MIN_OF(
			    earliest, parsed.payloads[i].presentation_ms);
	return earliest != UINT32_MAX ? earliest : parsed.send_ms;
}

void
prologue_mark(
    const struct prologue *prologue, const uint8_t *before, uint8_t *out)
{
	size_t size = prologue->header.packet_bytes;
	struct bytes_writer writer = bytes_writer(out, size);
	uint32_t at_ms =
	    before != NULL ? earliest_ms(prologue, before) : PROLOGUE_SHIFT_MS;
	unsigned count = 0;

	memset(out, 0, size);
	bytes_put(&writer, first_front, sizeof(first_front));
	for (unsigned i = 1; i < ASF_STREAMS; i++) {
		if (!asf_set_has(prologue->streams, i))
			continue;
		put_beginning(&writer, i, at_ms);
		count++;
	}
	if (writer.failed) { /* tiny packets: it begins a little later */
		memset(out, 0, size);
		return;
	}
	out[FIRST_LENGTH_AT] = (uint8_t)writer.at;
	out[FIRST_LENGTH_AT + 1] = (uint8_t)(writer.at >> 8);
	out[FIRST_COUNT_AT] |= (uint8_t)count;
}
