/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bytes - reading and writing of bytes that never leaves their bounds.
 *
 * Knows byte orders and nothing else: what the fields mean is the business of
 * the layers above.
 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const uint8_t *
bytes_take(struct bytes_reader *reader, size_t count)
{
	const uint8_t *taken;

	/* Once failed, nothing that follows stands where it seems to. */
	if (reader->failed || count > bytes_left(reader)) {
		reader->failed = true;
		return NULL;
	}
	/* Not NULL for 0 bytes of nothing: NULL means failed. */
	if (reader->data == NULL)
		return (const uint8_t *)"";
	taken = reader->data + reader->at;
	reader->at += count;
	return taken;
}

bool
bytes_skip(struct bytes_reader *reader, uint64_t count)
{
	if (reader->failed || count > bytes_left(reader)) {
		reader->failed = true;
		return false;
	}
	reader->at += (size_t)count;
	return true;
}

static uint64_t
little_endian(struct bytes_reader *reader, size_t count)
{
	const uint8_t *at = bytes_take(reader, count);
	uint64_t value = 0;

	if (at == NULL)
		return 0;
	while (count-- > 0)
		value = value << 8 | at[count];
	return value;
}

static uint64_t
big_endian(struct bytes_reader *reader, size_t count)
{
	const uint8_t *at = bytes_take(reader, count);
	uint64_t value = 0;

	if (at == NULL)
		return 0;
	for (size_t i = 0; i < count; i++)
		value = value << 8 | at[i];
	return value;
}

uint8_t
bytes_u8(struct bytes_reader *reader)
{
	return (uint8_t)little_endian(reader, 1);
}

uint16_t
bytes_u16le(struct bytes_reader *reader)
{
	return (uint16_t)little_endian(reader, 2);
}

uint32_t
bytes_u32le(struct bytes_reader *reader)
{
	return (uint32_t)little_endian(reader, 4);
}

uint64_t
bytes_u64le(struct bytes_reader *reader)
{
	return little_endian(reader, 8);
}

uint16_t
bytes_u16be(struct bytes_reader *reader)
{
	return (uint16_t)big_endian(reader, 2);
}

uint32_t
bytes_u32be(struct bytes_reader *reader)
{
	return (uint32_t)big_endian(reader, 4);
}

/* Where COUNT bytes go; NULL, and failed, when they do not fit. */
static uint8_t *
claim(struct bytes_writer *writer, size_t count)
{
	uint8_t *place;

	if (writer->failed || count > writer->size - writer->at) {
		writer->failed = true;
		return NULL;
	}
	if (count == 0)
		return NULL;
	place = writer->data + writer->at;
	writer->at += count;
	return place;
}

void
bytes_put(struct bytes_writer *writer, const void *data, size_t count)
{
	uint8_t *place = claim(writer, count);

	if (place != NULL)
		memcpy(place, data, count);
}

static void
put_little_endian(struct bytes_writer *writer, uint64_t value, size_t count)
{
	uint8_t *place = claim(writer, count);

	if (place == NULL)
		return;
	for (size_t i = 0; i < count; i++, value >>= 8)
		place[i] = (uint8_t)value;
}

static void
put_big_endian(struct bytes_writer *writer, uint64_t value, size_t count)
{
	uint8_t *place = claim(writer, count);

	if (place == NULL)
		return;
	for (; count > 0; value >>= 8)
		place[--count] = (uint8_t)value;
}

void
bytes_put_u8(struct bytes_writer *writer, uint8_t value)
{
	put_little_endian(writer, value, 1);
}

void
bytes_put_u16le(struct bytes_writer *writer, uint16_t value)
{
	put_little_endian(writer, value, 2);
}

void
bytes_put_u32le(struct bytes_writer *writer, uint32_t value)
{
	put_little_endian(writer, value, 4);
}

void
bytes_put_u64le(struct bytes_writer *writer, uint64_t value)
{
	put_little_endian(writer, value, 8);
}

void
bytes_put_u16be(struct bytes_writer *writer, uint16_t value)
{
	put_big_endian(writer, value, 2);
}

void
bytes_put_u32be(struct bytes_writer *writer, uint32_t value)
{
	put_big_endian(writer, value, 4);
}

void
bytes_put_text(struct bytes_writer *writer, const char *text)
{
	bytes_put(writer, text, strlen(text));
}

void
bytes_printf(struct bytes_writer *writer, const char *format, ...)
{
	size_t room = writer->size - writer->at;
	va_list arguments;
	int length;

	if (writer->failed || room == 0) {
		writer->failed = true;
		return;
	}
	va_start(arguments, format);
	length = vsnprintf(
	    (char *)writer->data + writer->at, room, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= room) {
		writer->failed = true;
		return;
	}
	writer->at += (size_t)length;
}

void
bytes_put_base64(struct bytes_writer *writer, const void *data, size_t count)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const uint8_t *from = data;
	uint8_t *to;

	/* So that the length below cannot wrap. */
	if (count > SIZE_MAX / 2) {
		writer->failed = true;
		return;
	}
	if ((to = claim(writer, (count + 2) / 3 * 4)) == NULL)
		return;
	for (; count > 0; from += 3, to += 4) {
		uint32_t group = (uint32_t)from[0] << 16;

		if (count > 1)
			group |= (uint32_t)from[1] << 8;
		if (count > 2)
			group |= from[2];
		to[0] = (uint8_t)digits[group >> 18];
		to[1] = (uint8_t)digits[group >> 12 & 63];
		to[2] = (uint8_t)(count > 1 ? digits[group >> 6 & 63] : '=');
		to[3] = (uint8_t)(count > 2 ? digits[group & 63] : '=');
		if (count <= 3)
			break;
		count -= 3;
	}
}
