/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sdp - the description of a title as text, both directions.  The order of
 * the lines is the one of Windows Media servers, and which lines there are is
 * what players were seen to need.  What is in the ASF header that a
 * description carries is not known here.
 */
#include "wire/sdp.h"

#include <string.h>

#include "base/base.h"
#include "wire/rtsp.h"

#define ASF_FORMAT "x-asf-pf/1000"
#define RTX_FORMAT "x-wms-rtx/1000"
#define RTX_NUMBER 65536
#define STREAM_NUMBER_MAX 127
#define PGMPU "pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,"

static const char *const media_names[] = {
	[SDP_AUDIO] = "audio",
	[SDP_VIDEO] = "video",
	[SDP_APPLICATION] = "application",
};

/* ---- formatting ---- */

/* NAME, the text without control characters, and the line's end. */
static void
put_text_line(struct bytes_writer *out, const char *name, const char *text,
    size_t text_size)
{
	size_t length = strnlen(text, text_size);
	size_t from;

	bytes_put_text(out, name);
	from = out->at;
	bytes_put(out, text, length);
	for (size_t i = from; i < out->at; i++)
		if (out->data[i] < 0x20 || out->data[i] == 0x7F)
			out->data[i] = ' ';
	bytes_put_text(out, "\r\n");
}

/* b=AS is in kbit/s, RFC 4566 5.8; rounded up. */
static void
put_bit_rate(struct bytes_writer *out, uint64_t bit_rate_bps)
{
	if (bit_rate_bps != 0)
		bytes_printf(out, "b=AS:%llu\r\n",
		    (unsigned long long)(bit_rate_bps / 1000 +
					 (bit_rate_bps % 1000 != 0)));
}

static void
put_session(struct bytes_writer *out, const struct sdp_description *description)
{
	bool is_ipv6 = memchr(description->address, ':',
			   sizeof(description->address)) != NULL;
	unsigned long long id = description->session_id;

	bytes_put_text(out, "v=0\r\n");
	bytes_printf(out, "o=- %llu %llu IN ", id, id);
	put_text_line(out, is_ipv6 ? "IP6 " : "IP4 ", description->address,
	    sizeof(description->address));
	put_text_line(out,
	    "s=", description->title[0] != '\0' ? description->title : "-",
	    description->title[0] != '\0' ? sizeof(description->title) : 1);
	bytes_put_text(
	    out, is_ipv6 ? "c=IN IP6 ::\r\n" : "c=IN IP4 0.0.0.0\r\n");
	put_bit_rate(out, description->bit_rate_bps);
	bytes_printf(
	    out, "a=maxps:%u\r\n", (unsigned)description->packet_bytes);
	bytes_put_text(out, "t=0 0\r\n");
	if (description->control[0] != '\0')
		put_text_line(out, "a=control:", description->control,
		    sizeof(description->control));
	if (description->asf_header_bytes > SDP_ASF_HEADER_MAX)
		out->failed = true;
	if (description->asf_header_bytes != 0) {
		bytes_put_text(out, "a=" PGMPU);
		bytes_put_base64(out, description->asf_header,
		    description->asf_header_bytes);
		bytes_put_text(out, "\r\n");
	}
}

static void
put_media(struct bytes_writer *out, enum sdp_media media, const char *format,
    const struct sdp_stream *stream)
{
	bytes_printf(out, "m=%s 0 RTP/AVP 96\r\n", media_names[media]);
	put_bit_rate(out, stream->bit_rate_bps);
	bytes_printf(out, "a=rtpmap:96 %s\r\n", format);
	put_text_line(
	    out, "a=control:", stream->control, sizeof(stream->control));
	bytes_printf(out, "a=stream:%u\r\n", (unsigned)stream->number);
}

void
sdp_format(struct bytes_writer *out, const struct sdp_description *description)
{
	static const struct sdp_stream rtx = { .number = RTX_NUMBER,
		.control = "rtx" };
	char npt[RTSP_NPT_MAX];

	put_session(out, description);
	for (unsigned i = 0;
	     i < description->stream_count && i < SDP_STREAMS_MAX; i++) {
		const struct sdp_stream *stream = &description->streams[i];

		put_media(out, stream->media, ASF_FORMAT, stream);
		/* At session level it would make GStreamer buffer, and hang. */
		if (description->has_duration)
			bytes_printf(out, "a=range:npt=0.000-%s\r\n",
			    rtsp_npt_text(description->duration_us, npt));
		if (i == 0)
			put_media(out, SDP_APPLICATION, RTX_FORMAT, &rtx);
	}
}

/* ---- parsing ---- */

struct parser {
	struct sdp_description *out;
	uint8_t *asf_header;
	size_t asf_header_size;
	bool has_version;
	bool has_header;
	bool in_media; /* behind the first m= line */
	struct sdp_stream stream; /* of the m= line being read */
	bool is_asf;
};

/* Cut PREFIX off TEXT; without regard to case. */
static bool
take_prefix(struct rtsp_text *text, const char *prefix)
{
	size_t length = strlen(prefix);

	if (text->length < length ||
	    !rtsp_text_is_nocase(
		(struct rtsp_text){ text->at, length }, prefix))
		return false;
	*text = (struct rtsp_text){ text->at + length, text->length - length };
	return true;
}

/* Cut what is before the next END, and all of those behind it, off TEXT. */
static struct rtsp_text
take_until(struct rtsp_text *text, char end)
{
	struct rtsp_text word = { text->at, 0 };
	size_t at;

	for (at = 0; at < text->length && text->at[at] != end; at++)
		word.length++;
	while (at < text->length && text->at[at] == end)
		at++;
	*text = (struct rtsp_text){ text->at + at, text->length - at };
	return word;
}

static struct rtsp_text
take_word(struct rtsp_text *text)
{
	return take_until(text, ' ');
}

/* A text of people: cut to fit at a whole character, made harmless. */
static void
copy_title(struct rtsp_text text, char *out, size_t size)
{
	size_t at = 0, bytes, length = 0;

	while (at < text.length) {
		bytes = rtsp_utf8_bytes(text.at + at, text.length - at);
		if (length + MAX_OF(bytes, (size_t)1) >= size)
			break;
		if (bytes == 0)
			out[length] = '?';
		else if ((unsigned char)text.at[at] < 0x20 ||
			 text.at[at] == 0x7F)
			out[length] = ' ';
		else
			memcpy(out + length, text.at + at, bytes);
		length += MAX_OF(bytes, (size_t)1);
		at += MAX_OF(bytes, (size_t)1);
	}
	out[length] = '\0';
}

/* A text of machines: whole and printable, or false. */
static bool
copy_name(struct rtsp_text text, char *out, size_t size)
{
	if (text.length >= size)
		return false;
	for (size_t i = 0; i < text.length; i++)
		if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7F)
			return false;
	memcpy(out, text.at, text.length);
	out[text.length] = '\0';
	return true;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 4; the padding may be missing.  False: broken, or too long. */
static bool
decode_base64(struct rtsp_text text, struct bytes_writer *out)
{
	uint32_t group = 0;
	unsigned bits = 0;

	for (int i = 0; i < 2 && text.length > 0; i++)
		if (text.at[text.length - 1] == '=')
			text.length--;
	for (size_t i = 0; i < text.length; i++) {
		int value = base64_value(text.at[i]);

		if (value < 0)
			return false;
		group = (group << 6 | (uint32_t)value) & 0xFFFF;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			bytes_put_u8(out, (uint8_t)(group >> bits));
		}
	}
	/* A single character of a group of four makes no byte. */
	return text.length % 4 != 1 && !out->failed;
}

static bool
parse_header(struct rtsp_text text, struct parser *parser)
{
	struct bytes_writer writer =
	    bytes_writer(parser->asf_header, parser->asf_header_size);

	if (parser->has_header || parser->asf_header == NULL)
		return true;
	parser->has_header = true;
	if (!decode_base64(text, &writer))
		return false;
	parser->out->asf_header = parser->asf_header;
	parser->out->asf_header_bytes = writer.at;
	return true;
}

/* "96 maxps=1444;config=MCay..." is what GStreamer's payloader says instead. */
static bool
parse_format(struct rtsp_text text, struct parser *parser)
{
	struct rtsp_text one;

	take_word(&text);
	while (text.length > 0) {
		one = take_until(&text, ';');
		while (take_prefix(&one, " "))
			continue;
		if (take_prefix(&one, "config="))
			return parse_header(one, parser);
	}
	return true;
}

/* The stream of the m= line that ends here. */
static bool
finish_media(struct parser *parser)
{
	struct sdp_description *out = parser->out;
	const struct sdp_stream *stream = &parser->stream;

	if (!parser->is_asf || stream->control[0] == '\0' ||
	    stream->number > STREAM_NUMBER_MAX)
		return true;
	for (unsigned i = 0; i < out->stream_count; i++)
		if (out->streams[i].number == stream->number)
			return true;
	if (out->stream_count == SDP_STREAMS_MAX)
		return false;
	out->streams[out->stream_count++] = *stream;
	return true;
}

static bool
begin_media(struct rtsp_text text, struct parser *parser)
{
	struct rtsp_text type = take_word(&text);

	if (!finish_media(parser))
		return false;
	parser->in_media = true;
	parser->is_asf = false;
	memset(&parser->stream, 0, sizeof(parser->stream));
	parser->stream.media = SDP_APPLICATION;
	if (rtsp_text_is_nocase(type, "audio"))
		parser->stream.media = SDP_AUDIO;
	else if (rtsp_text_is_nocase(type, "video"))
		parser->stream.media = SDP_VIDEO;
	if (parser->out->media_count < UINT32_MAX)
		parser->out->media_count++;
	return true;
}

/* o=- ID VERSION IN IP4 ADDRESS; what is not understood stays empty. */
static void
parse_origin(struct rtsp_text text, struct sdp_description *out)
{
	uint64_t number;

	take_word(&text);
	if (rtsp_parse_u64(take_word(&text), &number))
		out->session_id = number;
	take_word(&text);
	take_word(&text);
	take_word(&text);
	copy_name(take_word(&text), out->address, sizeof(out->address));
}

static void
parse_range(struct rtsp_text text, struct sdp_description *out)
{
	struct rtsp_range range;

	if (rtsp_parse_range(text, &range) != RTSP_RANGE_OK || !range.has_end)
		return;
	out->has_duration = true;
	out->duration_us = MAX_OF(out->duration_us, range.end_us);
}

static bool
parse_attribute(struct rtsp_text text, struct parser *parser)
{
	struct sdp_description *out = parser->out;
	uint64_t number;

	if (take_prefix(&text, PGMPU))
		return parse_header(text, parser);
	if (take_prefix(&text, "range:")) {
		parse_range(text, out);
	} else if (take_prefix(&text, "maxps:")) {
		if (rtsp_parse_u64(text, &number) && number <= UINT32_MAX)
			out->packet_bytes = (uint32_t)number;
	} else if (take_prefix(&text, "control:")) {
		return parser->in_media
			   ? copy_name(text, parser->stream.control,
				 sizeof(parser->stream.control))
			   : copy_name(
				 text, out->control, sizeof(out->control));
	} else if (take_prefix(&text, "stream:")) {
		if (rtsp_parse_u64(text, &number) && number <= RTX_NUMBER)
			parser->stream.number = (uint32_t)number;
	} else if (take_prefix(&text, "rtpmap:")) {
		take_word(&text);
		if (rtsp_text_is_nocase(take_word(&text), ASF_FORMAT))
			parser->is_asf = parser->in_media;
	} else if (parser->is_asf && take_prefix(&text, "fmtp:")) {
		return parse_format(text, parser);
	}
	return true;
}

static void
parse_bit_rate(struct rtsp_text text, struct parser *parser)
{
	uint64_t kilobits;

	if (!take_prefix(&text, "AS:") || !rtsp_parse_u64(text, &kilobits) ||
	    kilobits > UINT64_MAX / 1000)
		return;
	if (parser->in_media)
		parser->stream.bit_rate_bps = kilobits * 1000;
	else
		parser->out->bit_rate_bps = kilobits * 1000;
}

static bool
parse_line(struct rtsp_text line, struct parser *parser)
{
	if (take_prefix(&line, "v=")) {
		parser->has_version = true;
	} else if (!parser->has_version) {
		return false; /* RFC 4566 5: it stands first */
	} else if (take_prefix(&line, "o=")) {
		parse_origin(line, parser->out);
	} else if (take_prefix(&line, "s=")) {
		copy_title(
		    line, parser->out->title, sizeof(parser->out->title));
	} else if (take_prefix(&line, "b=")) {
		parse_bit_rate(line, parser);
	} else if (take_prefix(&line, "m=")) {
		return begin_media(line, parser);
	} else if (take_prefix(&line, "a=")) {
		return parse_attribute(line, parser);
	}
	return true;
}

bool
sdp_parse(const char *text, size_t size, uint8_t *asf_header,
    size_t asf_header_size, struct sdp_description *out)
{
	struct sdp_description description = { 0 };
	struct parser parser = { .out = &description,
		.asf_header = asf_header,
		.asf_header_size = asf_header_size };

	while (size > 0) {
		const char *feed = memchr(text, '\n', size);
		size_t length = feed != NULL ? (size_t)(feed - text) : size;
		struct rtsp_text line = { text, length };

		text += length + (feed != NULL);
		size -= length + (feed != NULL);
		if (line.length > 0 && line.at[line.length - 1] == '\r')
			line.length--;
		if (!parse_line(line, &parser))
			return false;
	}
	if (!finish_media(&parser) || description.stream_count == 0)
		return false;
	*out = description;
	return true;
}
