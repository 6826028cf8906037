/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bytes - bounded reader and writer over bytes.
 *
 * An access beyond the end reads as 0, writes nothing, and is remembered: the
 * error sticks until somebody asks for it, so that a parser reads a whole
 * structure and checks once.  Nothing is owned and nothing allocated.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

struct bytes_reader {
	const uint8_t *data;
	size_t size, at;
	bool failed;
};

static inline struct bytes_reader
bytes_reader(const void *data, size_t size)
{
	return (struct bytes_reader){ .data = data, .size = size };
}

static inline size_t
bytes_left(const struct bytes_reader *reader)
{
	return reader->size - reader->at;
}

/* NULL, and failed, when fewer than COUNT bytes are left. */
const uint8_t *bytes_take(struct bytes_reader *reader, size_t count);
bool bytes_skip(struct bytes_reader *reader, uint64_t count);
uint8_t bytes_u8(struct bytes_reader *reader);
uint16_t bytes_u16le(struct bytes_reader *reader);
uint32_t bytes_u32le(struct bytes_reader *reader);
uint64_t bytes_u64le(struct bytes_reader *reader);
uint16_t bytes_u16be(struct bytes_reader *reader);
uint32_t bytes_u32be(struct bytes_reader *reader);

struct bytes_writer {
	uint8_t *data;
	size_t size, at;
	bool failed;
};

static inline struct bytes_writer
bytes_writer(void *data, size_t size)
{
	return (struct bytes_writer){ .data = data, .size = size };
}

void bytes_put(struct bytes_writer *writer, const void *data, size_t count);
void bytes_put_u8(struct bytes_writer *writer, uint8_t value);
void bytes_put_u16le(struct bytes_writer *writer, uint16_t value);
void bytes_put_u32le(struct bytes_writer *writer, uint32_t value);
void bytes_put_u64le(struct bytes_writer *writer, uint64_t value);
void bytes_put_u16be(struct bytes_writer *writer, uint16_t value);
void bytes_put_u32be(struct bytes_writer *writer, uint32_t value);
/* Without the final NUL. */
void bytes_put_text(struct bytes_writer *writer, const char *text);
/* vsnprintf(3) puts a NUL behind: one byte more than the text must be left. */
void bytes_printf(struct bytes_writer *writer, const char *format, ...)
    PRINTF_LIKE(2, 3);
/* RFC 4648 4. */
void bytes_put_base64(
    struct bytes_writer *writer, const void *data, size_t count);

#endif
