/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asf_build - puts ASF files together for tests, field by field, right or
 * wrong on purpose.  Little-endian, as ASF is.
 */
#ifndef UNIT_ASF_BUILD_H
#define UNIT_ASF_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BUILD_MOST (4u * 1024 * 1024)

struct build {
	uint8_t *data; /* BUILD_MOST bytes */
	size_t at;
};

/* Text of a GUID as it stands on disk. */
#define DISK_HEADER                                                            \
	"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c"
#define DISK_DATA "\x36\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c"
#define DISK_SIMPLE_INDEX                                                      \
	"\x90\x08\0\x33\xb1\xe5\xcf\x11\x89\xf4\0\xa0\xc9\x03\x49\xcb"
#define DISK_FILE_PROPERTIES                                                   \
	"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\0\xc0\x0c\x20\x53\x65"
#define DISK_STREAM_PROPERTIES                                                 \
	"\x91\x07\xdc\xb7\xb7\xa9\xcf\x11\x8e\xe6\0\xc0\x0c\x20\x53\x65"
#define DISK_HEADER_EXTENSION                                                  \
	"\xb5\x03\xbf\x5f\x2e\xa9\xcf\x11\x8e\xe3\0\xc0\x0c\x20\x53\x65"
#define DISK_EXTENDED_STREAM_PROPERTIES                                        \
	"\xcb\xa5\xe6\x14\x72\xc6\x32\x43\x83\x99\xa9\x69\x52\x06\x5b\x5a"
#define DISK_STREAM_BITRATES                                                   \
	"\xce\x75\xf8\x7b\x8d\x46\xd1\x11\x8d\x82\0\x60\x97\xc9\xa2\xb2"
#define DISK_CONTENT_DESCRIPTION                                               \
	"\x33\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c"
#define DISK_EXTENDED_CONTENT                                                  \
	"\x40\xa4\xd0\xd2\x07\xe3\xd2\x11\x97\xf0\0\xa0\xc9\x5e\xa8\x50"
#define DISK_PADDING                                                           \
	"\x74\xd4\x06\x18\xdf\xca\x09\x45\xa4\xba\x9a\xab\xcb\x96\xaa\xe8"
#define DISK_METADATA_LIBRARY                                                  \
	"\x94\x1c\x23\x44\x98\x94\xd1\x49\xa1\x41\x1d\x13\x4e\x45\x70\x54"
#define DISK_CONTENT_ENCRYPTION                                                \
	"\xfb\xb3\x11\x22\x23\xbd\xd2\x11\xb4\xb7\0\xa0\xc9\x55\xfc\x6e"
#define DISK_AUDIO                                                             \
	"\x40\x9e\x69\xf8\x4d\x5b\xcf\x11\xa8\xfd\0\x80\x5f\x5c\x44\x2b"
#define DISK_VIDEO                                                             \
	"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\0\x80\x5f\x5c\x44\x2b"
#define DISK_COMMAND                                                           \
	"\xc0\xcf\xda\x59\xe6\x59\xd0\x11\xa3\xac\0\xa0\xc9\x03\x48\xf6"
#define DISK_NO_CORRECTION                                                     \
	"\0\x57\xfb\x20\x55\x5b\xcf\x11\xa8\xfd\0\x80\x5f\x5c\x44\x2b"

static inline struct build
build_new(void)
{
	return (struct build){ .data = calloc(1, BUILD_MOST) };
}

static inline void
build_bytes(struct build *build, const void *data, size_t count)
{
	if (count > BUILD_MOST - build->at)
		abort();
	memcpy(build->data + build->at, data, count);
	build->at += count;
}

static inline void
build_zeros(struct build *build, size_t count)
{
	if (count > BUILD_MOST - build->at)
		abort();
	memset(build->data + build->at, 0, count);
	build->at += count;
}

static inline void
build_number(struct build *build, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * i));

		build_bytes(build, &byte, 1);
	}
}

static inline void
build_put_at(struct build *build, size_t at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		build->data[at + i] = (uint8_t)(value >> (8 * i));
}

/* GUID and a size to be filled in by build_end(); returns where it began. */
static inline size_t
build_begin(struct build *build, const char *guid)
{
	size_t at = build->at;

	build_bytes(build, guid, 16);
	build_number(build, 0, 8);
	return at;
}

static inline void
build_end(struct build *build, size_t began)
{
	build_put_at(build, began + 16, build->at - began, 8);
}

static inline void
build_filler(struct build *build, const char *guid, size_t bytes)
{
	size_t began = build_begin(build, guid);

	build_zeros(build, bytes);
	build_end(build, began);
}

static inline size_t
build_header_begin(struct build *build)
{
	size_t began = build_begin(build, DISK_HEADER);

	build_number(build, 0, 4); /* object count: a hint at best */
	build_number(build, 1, 1);
	build_number(build, 2, 1);
	return began;
}

struct build_properties {
	uint64_t file_bytes, packets, play_100ns, send_100ns, preroll_ms;
	uint32_t flags, least, most, rate;
};

static inline size_t
build_file_properties(
    struct build *build, const struct build_properties *properties)
{
	size_t began = build_begin(build, DISK_FILE_PROPERTIES);

	build_bytes(build, "0123456789abcdef", 16);
	build_number(build, properties->file_bytes, 8);
	build_number(build, 0, 8);
	build_number(build, properties->packets, 8);
	build_number(build, properties->play_100ns, 8);
	build_number(build, properties->send_100ns, 8);
	build_number(build, properties->preroll_ms, 8);
	build_number(build, properties->flags, 4);
	build_number(build, properties->least, 4);
	build_number(build, properties->most, 4);
	build_number(build, properties->rate, 4);
	build_end(build, began);
	return began;
}

static inline void
build_stream_front(
    struct build *build, const char *type, unsigned number, size_t type_bytes)
{
	build_bytes(build, type, 16);
	build_bytes(build, DISK_NO_CORRECTION, 16);
	build_number(build, 0, 8);
	build_number(build, type_bytes, 4);
	build_number(build, 0, 4);
	build_number(build, number, 2);
	build_number(build, 0, 4);
}

static inline void
build_audio(struct build *build, unsigned number)
{
	size_t began = build_begin(build, DISK_STREAM_PROPERTIES);

	build_stream_front(build, DISK_AUDIO, number, 18);
	build_number(build, 0x161, 2);
	build_number(build, 2, 2);
	build_number(build, 44100, 4);
	build_number(build, 4000, 4);
	build_number(build, 768, 2);
	build_number(build, 16, 2);
	build_number(build, 0, 2);
	build_end(build, began);
}

static inline void
build_video(struct build *build, unsigned number)
{
	size_t began = build_begin(build, DISK_STREAM_PROPERTIES);

	build_stream_front(build, DISK_VIDEO, number, 51);
	build_number(build, 320, 4);
	build_number(build, 240, 4);
	build_number(build, 2, 1);
	build_number(build, 40, 2);
	build_number(build, 40, 4);
	build_number(build, 320, 4);
	build_number(build, 240, 4);
	build_number(build, 1, 2);
	build_number(build, 24, 2);
	build_bytes(build, "WMV2", 4);
	build_zeros(build, 20);
	build_end(build, began);
}

static inline void
build_command(struct build *build, unsigned number)
{
	size_t began = build_begin(build, DISK_STREAM_PROPERTIES);

	build_stream_front(build, DISK_COMMAND, number, 0);
	build_end(build, began);
}

/* An Extended Stream Properties Object with its fixed part alone. */
static inline size_t
build_extended_begin(struct build *build, unsigned number, uint32_t rate_bps)
{
	size_t began = build_begin(build, DISK_EXTENDED_STREAM_PROPERTIES);

	build_zeros(build, 16);
	build_number(build, rate_bps, 4);
	build_zeros(build, 28);
	build_number(build, number, 2);
	build_number(build, 3, 2); /* language */
	build_number(build, 400000, 8); /* 40 ms a frame */
	build_number(build, 0, 4);
	return began;
}

static inline size_t
build_extension_begin(struct build *build)
{
	size_t began = build_begin(build, DISK_HEADER_EXTENSION);

	build_zeros(build, 16);
	build_number(build, 6, 2);
	build_number(build, 0, 4);
	return began;
}

static inline void
build_extension_end(struct build *build, size_t began)
{
	build_end(build, began);
	build_put_at(build, began + 42, build->at - began - 46, 4);
}

/* The Data Object's head. */
static inline size_t
build_data_begin(struct build *build, uint64_t size, uint64_t packets)
{
	size_t began = build_begin(build, DISK_DATA);

	build_put_at(build, began + 16, size, 8);
	build_bytes(build, "0123456789abcdef", 16);
	build_number(build, packets, 8);
	build_number(build, 0x101, 2);
	return began;
}

/* One payload as FFmpeg and the Windows encoders write it (property 5D). */
struct build_payload {
	unsigned stream; /* 0x80: key */
	unsigned object;
	uint32_t offset, object_bytes, presentation_ms;
	unsigned data_bytes;
};

/* A packet of several payloads, u16 lengths, u16 padding length. */
static inline void
build_packet(struct build *build, uint32_t packet_bytes, uint32_t send_ms,
    unsigned duration_ms, const struct build_payload *payloads, unsigned count)
{
	size_t began = build->at, padding_at;

	build_bytes(build, "\x82\0\0\x11\x5d", 5);
	padding_at = build->at;
	build_number(build, 0, 2);
	build_number(build, send_ms, 4);
	build_number(build, duration_ms, 2);
	build_number(build, 0x80 | count, 1);
	for (unsigned i = 0; i < count; i++) {
		build_number(build, payloads[i].stream, 1);
		build_number(build, payloads[i].object, 1);
		build_number(build, payloads[i].offset, 4);
		build_number(build, 8, 1);
		build_number(build, payloads[i].object_bytes, 4);
		build_number(build, payloads[i].presentation_ms, 4);
		build_number(build, payloads[i].data_bytes, 2);
		for (unsigned j = 0; j < payloads[i].data_bytes; j++)
			build_number(build, j, 1);
	}
	if (build->at > began + packet_bytes)
		abort();
	build_put_at(build, padding_at, began + packet_bytes - build->at, 2);
	build_zeros(build, began + packet_bytes - build->at);
}

#endif
