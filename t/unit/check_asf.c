/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_asf - rules of the ASF parser.  Everything here is built in the test;
 * the packets marked "worked" are examples of the ASF and wire references.
 */
#include "media/asf.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asf_build.h"

/* Memory of SIZE bytes and no more, so that a sanitizer sees overruns. */
static uint8_t *
exactly(const void *data, size_t size)
{
	uint8_t *bytes = malloc(size > 0 ? size : 1);

	ck_assert_ptr_nonnull(bytes);
	if (size > 0)
		memcpy(bytes, data, size);
	return bytes;
}

static const struct build_properties usual = {
	.file_bytes = 12345,
	.packets = 3,
	.play_100ns = 100000000,
	.send_100ns = 70000000,
	.preroll_ms = 3000,
	.flags = 2,
	.least = 200,
	.most = 200,
	.rate = 300000,
};

static struct asf_set
every_stream(void)
{
	return (struct asf_set){ { UINT64_MAX, UINT64_MAX } };
}

static struct asf_set
only(unsigned stream)
{
	struct asf_set set = { { 0, 0 } };

	asf_set_add(&set, stream);
	return set;
}

/* A header of one audio and one video stream; more may be put before. */
static struct build
usual_header(const struct build_properties *properties)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build);

	build_file_properties(&build, properties);
	build_audio(&build, 1);
	build_video(&build, 2);
	build_end(&build, began);
	return build;
}

static enum asf_result
parse(struct build *build, struct asf_header *out)
{
	enum asf_result result = asf_header_parse(build->data, build->at, out);

	free(build->data);
	return result;
}

static enum asf_result
parse_with(const struct build_properties *properties)
{
	struct build build = usual_header(properties);
	struct asf_header header;

	return parse(&build, &header);
}

START_TEST(a_header_tells_its_fields)
{
	struct build build = usual_header(&usual);
	struct asf_header header;

	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert_uint_eq(header.packet_bytes, 200);
	ck_assert_uint_eq(header.declared_packets, 3);
	ck_assert_uint_eq(header.preroll_ms, 3000);
	ck_assert_uint_eq(header.play_duration_us, 10000000);
	ck_assert_uint_eq(header.send_duration_us, 7000000);
	ck_assert(header.seekable && !header.broadcast && !header.encrypted);
	ck_assert_uint_eq(header.stream_count, 2);
	ck_assert_uint_eq(header.audio_count, 1);
	ck_assert_uint_eq(header.video_count, 1);
	ck_assert_int_eq(header.streams[1].kind, ASF_AUDIO);
	ck_assert_uint_eq(header.streams[1].codec, 0x161);
	ck_assert_uint_eq(header.streams[1].channels, 2);
	ck_assert_uint_eq(header.streams[1].sample_rate, 44100);
	ck_assert_uint_eq(header.streams[1].bit_rate_bps, 32000);
	ck_assert_int_eq(header.streams[2].kind, ASF_VIDEO);
	ck_assert_int_eq(header.streams[2].width, 320);
	ck_assert_int_eq(header.streams[2].height, 240);
	ck_assert_uint_eq(header.streams[2].codec, 0x32564d57); /* WMV2 */
	ck_assert_str_eq(header.title, "");
}
END_TEST

START_TEST(streams_may_come_before_file_properties)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build);
	struct asf_header header;

	build_filler(&build, "an unknown GUID!", 7);
	build_video(&build, 4);
	build_file_properties(&build, &usual);
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert(header.streams[4].there && !header.streams[4].hidden);
}
END_TEST

START_TEST(a_hidden_stream_is_found)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build), extension, extended;
	struct asf_header header;

	build_file_properties(&build, &usual);
	build_audio(&build, 1);
	extension = build_extension_begin(&build);
	extended = build_extended_begin(&build, 5, 64000);
	/* one name, one extension system before it */
	build_put_at(&build, extended + 84, 1, 2);
	build_put_at(&build, extended + 86, 1, 2);
	build_number(&build, 0, 2);
	build_number(&build, 4, 2);
	build_bytes(&build, "a\0b\0", 4);
	build_zeros(&build, 18);
	build_number(&build, 3, 4);
	build_bytes(&build, "xyz", 3);
	build_audio(&build, 5);
	build_end(&build, extended);
	build_extension_end(&build, extension);
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert_uint_eq(header.stream_count, 2);
	ck_assert(header.streams[5].there && header.streams[5].hidden);
	ck_assert_uint_eq(header.streams[5].language, 3);
	ck_assert_uint_eq(header.streams[5].frame_time_us, 40000);
	ck_assert_uint_eq(header.streams[5].bit_rate_bps, 64000);
	ck_assert_uint_eq(header.streams[1].bit_rate_bps, 32000);
}
END_TEST

START_TEST(stream_bit_rates_go_before_other_rates)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build), rates;
	struct asf_header header;

	build_file_properties(&build, &usual);
	rates = build_begin(&build, DISK_STREAM_BITRATES);
	build_number(&build, 1, 2);
	build_number(&build, 1, 2);
	build_number(&build, 33333, 4);
	build_end(&build, rates);
	build_audio(&build, 1);
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert_uint_eq(header.streams[1].bit_rate_bps, 33333);
}
END_TEST

/* Content Description with TITLE alone, BYTES of UTF-16. */
static void
build_title(struct build *build, const void *title, unsigned bytes)
{
	size_t began = build_begin(build, DISK_CONTENT_DESCRIPTION);

	build_number(build, bytes, 2);
	build_zeros(build, 8);
	build_bytes(build, title, bytes);
	build_end(build, began);
}

START_TEST(the_best_pictures_have_the_highest_bit_rate)
{
	static const struct {
		uint32_t bps[3]; /* of streams 2 to 4 */
		unsigned best;
	} cases[] = {
		{ { 100, 200, 300 }, 4 },
		{ { 300, 200, 100 }, 2 },
		{ { 100, 300, 300 }, 3 },
		{ { 0, 0, 0 }, 2 },
	};

	for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct build build = usual_header(&usual);
		struct asf_header header;

		ck_assert_int_eq(parse(&build, &header), ASF_OK);
		ck_assert_uint_eq(asf_best_video(&header), 2);
		header.streams[1].bit_rate_bps = 1000; /* sound */
		for (unsigned j = 0; j < 3; j++) {
			header.streams[2 + j] = header.streams[2];
			header.streams[2 + j].bit_rate_bps = cases[i].bps[j];
		}
		ck_assert_uint_eq(asf_best_video(&header), cases[i].best);
		header.streams[2].there = header.streams[3].there = false;
		ck_assert_uint_eq(asf_best_video(&header), 4);
		header.streams[4].kind = ASF_AUDIO;
		ck_assert_uint_eq(asf_best_video(&header), 0);
	}
}
END_TEST

START_TEST(titles_become_utf8)
{
	/* "aé€" U+1F600, a lone half of a pair, then NUL and rubbish */
	static const uint8_t text[] = { 'a', 0, 0xe9, 0, 0xac, 0x20, 0x3d, 0xd8,
		0x00, 0xde, 0x00, 0xdc, 0, 0, 'x', 0 };
	struct build build = build_new();
	size_t began = build_header_begin(&build);
	struct asf_header header;

	build_file_properties(&build, &usual);
	build_audio(&build, 1);
	build_title(&build, text, sizeof(text));
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert_str_eq(
	    header.title, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd");
	ck_assert_str_eq(header.author, "");
}
END_TEST

START_TEST(long_titles_are_cut_between_characters)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build);
	uint8_t text[1000];
	struct asf_header header;

	for (unsigned i = 0; i < sizeof(text); i += 2) {
		text[i] = 0xac; /* the euro sign: three bytes */
		text[i + 1] = 0x20;
	}
	build_file_properties(&build, &usual);
	build_audio(&build, 1);
	build_title(&build, text, sizeof(text));
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert_uint_eq(strlen(header.title), 255);
	ck_assert_str_eq(header.title + 252, "\xe2\x82\xac");
}
END_TEST

START_TEST(text_fits_even_into_one_byte)
{
	char out[8];

	memset(out, 'x', sizeof(out));
	asf_text((const uint8_t *)"a\0b\0", 4, out, 1);
	ck_assert_str_eq(out, "");
	asf_text((const uint8_t *)"a\0b\0c", 5, out, 3);
	ck_assert_str_eq(out, "ab");
}
END_TEST

START_TEST(impossible_packet_sizes_are_refused)
{
	static const uint32_t sizes[][2] = { { 0, 0 }, { 1, 1 }, { 31, 31 },
		{ 65537, 65537 }, { UINT32_MAX, UINT32_MAX }, { 200, 201 },
		{ 0, 200 } };
	static const uint32_t good[] = { 32, 65536 };
	struct build_properties properties = usual;

	for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++) {
		properties.least = sizes[i][0];
		properties.most = sizes[i][1];
		ck_assert_int_eq(parse_with(&properties), ASF_BAD_PACKET_SIZE);
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(good); i++) {
		properties.least = properties.most = good[i];
		ck_assert_int_eq(parse_with(&properties), ASF_OK);
	}
}
END_TEST

START_TEST(a_preroll_above_an_hour_is_refused)
{
	struct build_properties properties = usual;

	properties.preroll_ms = ASF_PREROLL_MOST_MS;
	ck_assert_int_eq(parse_with(&properties), ASF_OK);
	properties.preroll_ms++;
	ck_assert_int_eq(parse_with(&properties), ASF_BAD_PREROLL);
	properties.preroll_ms = UINT64_MAX;
	ck_assert_int_eq(parse_with(&properties), ASF_BAD_PREROLL);
}
END_TEST

START_TEST(broadcast_numbers_are_not_believed)
{
	struct build_properties properties = usual;
	struct asf_header header;
	struct build build;

	properties.flags = 1;
	build = usual_header(&properties);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert(header.broadcast);
	ck_assert_uint_eq(header.declared_packets, 0);
	ck_assert_uint_eq(header.play_duration_us, 0);
}
END_TEST

/* ASF-1: sizes that cannot be, at each place where an object may stand. */
START_TEST(impossible_object_sizes_are_refused)
{
	static const uint64_t sizes[] = { 0, 1, 23, UINT64_C(1) << 32,
		UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 23 };

	for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++) {
		for (unsigned place = 0; place < 4; place++) {
			struct build build = build_new();
			size_t began = build_header_begin(&build), extension,
			       extended, at[4];
			struct asf_header header;

			at[0] = build.at;
			build_filler(&build, DISK_PADDING, 10);
			at[1] = build_file_properties(&build, &usual);
			build_audio(&build, 1);
			extension = build_extension_begin(&build);
			at[2] = build.at;
			build_filler(&build, DISK_PADDING, 10);
			extended = build_extended_begin(&build, 5, 1);
			at[3] = build.at;
			build_audio(&build, 5);
			build_end(&build, extended);
			build_extension_end(&build, extension);
			build_end(&build, began);
			build_put_at(&build, at[place] + 16, sizes[i], 8);
			ck_assert_int_eq(
			    parse(&build, &header), ASF_BAD_OBJECT);
		}
	}
}
END_TEST

START_TEST(an_object_larger_than_its_parent_is_clamped)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build), filler;
	struct asf_header header;

	build_file_properties(&build, &usual);
	build_audio(&build, 1);
	filler = build.at;
	build_filler(&build, DISK_PADDING, 10);
	build_end(&build, began);
	build_put_at(&build, filler + 16, 100000, 8);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
}
END_TEST

START_TEST(clamped_stream_properties_are_refused)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build), stream;
	struct asf_header header;

	build_file_properties(&build, &usual);
	stream = build.at;
	build_audio(&build, 1);
	build_end(&build, began);
	build_put_at(&build, stream + 16, 100000, 8);
	ck_assert_int_eq(parse(&build, &header), ASF_BAD_OBJECT);
}
END_TEST

START_TEST(type_specific_data_stays_inside_its_object)
{
	static const uint32_t lengths[] = { 19, 0x7fffffff, 0xffffffff,
		0xffffffff - 77 };

	for (unsigned i = 0; i < ARRAY_LENGTH(lengths); i++) {
		struct build build = build_new();
		size_t began = build_header_begin(&build), stream;
		struct asf_header header;

		build_file_properties(&build, &usual);
		stream = build.at;
		build_audio(&build, 1);
		build_end(&build, began);
		build_put_at(&build, stream + 64, lengths[i], 4);
		ck_assert_int_eq(parse(&build, &header), ASF_BAD_OBJECT);
	}
}
END_TEST

START_TEST(short_type_specific_data_reads_as_nothing)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build), stream;
	struct asf_header header;

	build_file_properties(&build, &usual);
	stream = build_begin(&build, DISK_STREAM_PROPERTIES);
	build_stream_front(&build, DISK_VIDEO, 1, 0);
	build_end(&build, stream);
	stream = build_begin(&build, DISK_STREAM_PROPERTIES);
	build_stream_front(&build, DISK_AUDIO, 2, 0);
	build_end(&build, stream);
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert_uint_eq(header.streams[1].codec, 0);
	ck_assert_uint_eq(header.streams[2].codec, 0);
}
END_TEST

/* ASF-4. */
START_TEST(streams_are_counted_by_their_numbers)
{
	static const struct {
		unsigned streams, first;
		enum asf_result result;
	} cases[] = {
		{ 0, 1, ASF_NO_STREAMS },
		{ 1, 1, ASF_OK },
		{ 1, 0, ASF_NO_STREAMS }, /* number 0 is illegal: skipped */
		{ 127, 1, ASF_OK },
		{ 128, 0, ASF_OK },
		{ 128, 1, ASF_OK }, /* 128 is 0 in seven bits */
		{ 129, 1, ASF_DUPLICATE_STREAM },
		{ 10000, 1, ASF_DUPLICATE_STREAM },
	};

	for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct build build = build_new();
		size_t began = build_header_begin(&build);
		struct asf_header header;

		build_file_properties(&build, &usual);
		for (unsigned j = 0; j < cases[i].streams; j++)
			build_audio(&build, (cases[i].first + j) & 127);
		build_end(&build, began);
		ck_assert_int_eq(parse(&build, &header), cases[i].result);
	}
}
END_TEST

START_TEST(missing_or_double_file_properties_are_refused)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build);
	struct asf_header header;

	build_audio(&build, 1);
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_NO_FILE_PROPERTIES);

	build = build_new();
	began = build_header_begin(&build);
	build_file_properties(&build, &usual);
	build_file_properties(&build, &usual);
	build_audio(&build, 1);
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_BAD_OBJECT);
}
END_TEST

START_TEST(encryption_is_told)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build);
	struct asf_header header;

	build_file_properties(&build, &usual);
	build_audio(&build, 1);
	build_filler(&build, DISK_CONTENT_ENCRYPTION, 16);
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert(header.encrypted);

	build = build_new();
	began = build_header_begin(&build);
	build_file_properties(&build, &usual);
	build_audio(&build, 0x8001);
	build_end(&build, began);
	ck_assert_int_eq(parse(&build, &header), ASF_OK);
	ck_assert(header.encrypted && header.streams[1].encrypted);
}
END_TEST

/* ASF-5: the header's own size lies, both ways. */
START_TEST(header_sizes_are_checked_first)
{
	uint8_t first[30] = { 0 };
	struct build build = usual_header(&usual);
	struct asf_header header;
	uint64_t size;

	ck_assert_int_eq(asf_header_size(first, &size), ASF_NOT_ASF);
	memcpy(first, build.data, sizeof(first));
	ck_assert_int_eq(asf_header_size(first, &size), ASF_OK);
	ck_assert_uint_eq(size, build.at);
	for (unsigned i = 0; i < 30; i++) {
		first[16] = (uint8_t)i;
		first[17] = 0;
		ck_assert_int_eq(asf_header_size(first, &size), ASF_BAD_OBJECT);
	}
	memset(first + 16, 0xff, 8);
	ck_assert_int_eq(asf_header_size(first, &size), ASF_HEADER_TOO_LARGE);

	build_put_at(&build, 16, build.at + 1, 8);
	ck_assert_int_eq(
	    asf_header_parse(build.data, build.at, &header), ASF_TRUNCATED);
	build_put_at(&build, 16, build.at - 60, 8);
	ck_assert_int_eq(
	    asf_header_parse(build.data, build.at, &header), ASF_BAD_OBJECT);
	ck_assert_int_eq(
	    asf_header_parse(build.data, 29, &header), ASF_TRUNCATED);
	free(build.data);
}
END_TEST

START_TEST(every_cut_of_a_header_is_refused)
{
	struct build build = usual_header(&usual);
	struct asf_header header;
	uint8_t *copy;

	for (size_t size = 0; size < build.at; size++) {
		copy = exactly(build.data, size);
		ck_assert_int_ne(asf_header_parse(copy, size, &header), ASF_OK);
		free(copy);
	}
	free(build.data);
}
END_TEST

/* ---- the Data Object ---- */

static enum asf_result
count_packets(bool broadcast, uint64_t declared_header, uint64_t size,
    uint64_t declared, uint64_t file_packets_bytes, uint64_t *out)
{
	struct asf_header header = { .header_bytes = 1000,
		.packet_bytes = 200,
		.broadcast = broadcast,
		.declared_packets = declared_header };
	struct build build = build_new();
	enum asf_result result;

	build_data_begin(&build, size, declared);
	result =
	    asf_data_parse(build.data, &header, 1050 + file_packets_bytes, out);
	free(build.data);
	return result;
}

START_TEST(the_smallest_of_the_packet_counts_is_right)
{
	uint64_t n;

	/* size, declared, there */
	ck_assert_int_eq(count_packets(false, 5, 1050, 5, 1000, &n), ASF_OK);
	ck_assert_uint_eq(n, 5);
	ck_assert_int_eq(count_packets(false, 5, 1050, 5, 799, &n), ASF_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(count_packets(false, 5, 850, 5, 1000, &n), ASF_OK);
	ck_assert_uint_eq(n, 4);
	ck_assert_int_eq(count_packets(false, 5, 1050, 2, 1000, &n), ASF_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(count_packets(false, 3, 1050, 0, 1000, &n), ASF_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(
	    count_packets(false, 5, UINT64_MAX, UINT64_MAX, 1000, &n), ASF_OK);
	ck_assert_uint_eq(n, 5);
}
END_TEST

START_TEST(a_data_object_never_filled_in_ends_with_the_file)
{
	uint64_t n;

	for (uint64_t size = 0; size <= 50; size += 10) {
		ck_assert_int_eq(
		    count_packets(true, 0, size, 0, 1999, &n), ASF_OK);
		ck_assert_uint_eq(n, 9);
	}
	/* with the broadcast flag the count is not valid */
	ck_assert_int_eq(count_packets(true, 0, 50, 2, 1999, &n), ASF_OK);
	ck_assert_uint_eq(n, 9);
}
END_TEST

START_TEST(no_whole_packet_is_no_data)
{
	uint64_t n;

	ck_assert_int_eq(count_packets(false, 260, 50, 0, 0, &n), ASF_NO_DATA);
	ck_assert_int_eq(count_packets(false, 1, 250, 1, 199, &n), ASF_NO_DATA);
}
END_TEST

/* ---- the copy for SDP ---- */

static size_t
copy_of(const struct build *build, uint8_t *out, size_t size)
{
	struct build head = build_new();
	size_t used;

	build_data_begin(&head, 12345, 7);
	used = asf_header_copy(
	    build->data, build->at, head.data, 11, 22000000, out, size);
	free(head.data);
	return used;
}

START_TEST(the_copy_for_sdp_is_a_header_with_an_open_data_object)
{
	struct build_properties properties = usual;
	struct asf_header header;
	uint8_t out[2048];
	uint64_t packets;
	struct build build;
	size_t used;

	properties.flags = 1;
	build = usual_header(&properties);
	used = copy_of(&build, out, sizeof(out));
	ck_assert_uint_eq(used, build.at + 50);
	ck_assert_int_eq(asf_header_parse(out, used, &header), ASF_OK);
	ck_assert(!header.broadcast);
	ck_assert_uint_eq(header.header_bytes, used - 50);
	ck_assert_uint_eq(header.declared_packets, 11);
	ck_assert_uint_eq(header.play_duration_us, 22000000);
	ck_assert_uint_eq(out[24], 3); /* objects */
	ck_assert_uint_eq(out[used - 50 + 16], 50);
	ck_assert_int_eq(
	    asf_data_parse(out + used - 50, &header, used + 400, &packets),
	    ASF_OK);
	ck_assert_uint_eq(packets, 2);
	free(build.data);
}
END_TEST

START_TEST(a_large_header_loses_what_no_client_needs)
{
	struct build build = build_new();
	size_t began = build_header_begin(&build), extension, extended;
	struct asf_header header;
	uint8_t out[12249];
	size_t used;

	build_filler(&build, DISK_EXTENDED_CONTENT, 3000000);
	build_file_properties(&build, &usual);
	extension = build_extension_begin(&build);
	build_filler(&build, DISK_PADDING, 5000);
	build_filler(&build, DISK_METADATA_LIBRARY, 100000);
	extended = build_extended_begin(&build, 2, 1);
	build_video(&build, 2);
	build_end(&build, extended);
	build_extension_end(&build, extension);
	build_audio(&build, 1);
	build_filler(&build, "an unknown GUID!", 500);
	build_end(&build, began);
	used = copy_of(&build, out, sizeof(out));
	ck_assert_uint_gt(used, 0);
	ck_assert_int_eq(asf_header_parse(out, used - 50, &header), ASF_OK);
	ck_assert_uint_eq(header.stream_count, 2);
	ck_assert(header.streams[2].hidden);
	ck_assert_uint_eq(out[24], 4); /* the unknown one still fits */
	/* all is left out but what is needed, and then no less */
	used = copy_of(&build, out, 800);
	ck_assert_uint_gt(used, 0);
	ck_assert_uint_le(used, 800);
	ck_assert_int_eq(asf_header_parse(out, used - 50, &header), ASF_OK);
	ck_assert_uint_eq(header.stream_count, 2);
	ck_assert_uint_eq(copy_of(&build, out, used - 1), 0);
	free(build.data);
}
END_TEST

START_TEST(the_copy_makes_clamped_sizes_good)
{
	struct build build = usual_header(&usual);
	size_t filler = build.at, used;
	struct asf_header header;
	uint8_t out[2048];

	build_filler(&build, "an unknown GUID!", 10);
	build_put_at(&build, filler + 16, 99999, 8);
	build_end(&build, 0);
	used = copy_of(&build, out, sizeof(out));
	ck_assert_uint_eq(used, build.at + 50);
	ck_assert_uint_eq(out[filler + 16], 34);
	ck_assert_int_eq(asf_header_parse(out, used - 50, &header), ASF_OK);
	free(build.data);
}
END_TEST

/* ---- packets ---- */

/* ASF reference 5.7: packet 5 of a file of the Windows Media tools of 2000. */
START_TEST(worked_packet_of_the_asf_reference)
{
	static const uint8_t front[] = { 0x82, 0, 0, 0x09, 0x5d, 0x05, 0xe7, 3,
		0, 0, 0xc8, 0, 0x82, 0x01, 0x04, 0xea, 0x11, 0, 0, 0x01, 0x00,
		0x05, 0x00, 0x04, 0, 0, 0, 0, 0x82, 0x01, 0xaf, 0x11, 0, 0,
		0x08, 0x90, 0x1a, 0, 0, 0x47, 0x0d, 0, 0, 0x81, 0x03 };
	uint8_t packet[947] = { 0 };
	struct asf_packet parsed;
	uint32_t send_ms;

	memcpy(packet, front, sizeof(front));
	ck_assert_int_eq(
	    asf_packet_parse(packet, sizeof(packet), &parsed), ASF_OK);
	ck_assert_uint_eq(parsed.send_ms, 999);
	ck_assert_uint_eq(parsed.duration_ms, 200);
	ck_assert_uint_eq(parsed.padding_bytes, 5);
	ck_assert_uint_eq(parsed.used_bytes, 942);
	ck_assert_uint_eq(parsed.payload_count, 2);
	ck_assert(parsed.multiple && !parsed.dropped);
	ck_assert_uint_eq(parsed.payloads[0].stream, 1);
	ck_assert(parsed.payloads[0].compressed);
	ck_assert(parsed.payloads[0].starts_object);
	ck_assert(!parsed.payloads[0].key);
	ck_assert_uint_eq(parsed.payloads[0].presentation_ms, 4586);
	ck_assert_uint_eq(parsed.payloads[0].step_ms, 0);
	ck_assert_uint_eq(parsed.payloads[0].object_number, 4);
	ck_assert_uint_eq(parsed.payloads[0].data_at, 0x17);
	ck_assert_uint_eq(parsed.payloads[0].data_bytes, 5);
	ck_assert_uint_eq(parsed.payloads[1].stream, 2);
	ck_assert(parsed.payloads[1].key);
	ck_assert(!parsed.payloads[1].starts_object);
	ck_assert_uint_eq(parsed.payloads[1].object_offset, 4527);
	ck_assert_uint_eq(parsed.payloads[1].object_bytes, 6800);
	ck_assert_uint_eq(parsed.payloads[1].presentation_ms, 3399);
	ck_assert_uint_eq(parsed.payloads[1].data_at, 0x2d);
	ck_assert_uint_eq(parsed.payloads[1].data_bytes, 897);
	ck_assert_int_eq(
	    asf_packet_send_time(packet, ASF_SEND_TIME_BYTES, &send_ms),
	    ASF_OK);
	ck_assert_uint_eq(send_ms, 999);
}
END_TEST

/* Room in front, then the packet; the bytes behind FRONT count up. */
struct roomy {
	uint8_t room[ASF_REWRITE_ROOM];
	uint8_t packet[3200];
};

/* Like packet 3 and 9 of wire reference 7.2: one payload in a list of one. */
static void
padded_packet(struct roomy *roomy, const uint8_t *front, size_t front_bytes,
    unsigned padding)
{
	uint8_t *at = roomy->packet;
	unsigned data;

	memset(roomy->packet, 0xee, sizeof(roomy->packet));
	memcpy(at, front, front_bytes);
	at += front_bytes;
	memcpy(at, "\x81\x81\x01\0\0\0\0\x08\xff\xff\0\0\x2e\x0c\0\0", 16);
	data = (unsigned)(sizeof(roomy->packet) - front_bytes - 18 - padding);
	at[16] = (uint8_t)data;
	at[17] = (uint8_t)(data >> 8);
	for (unsigned i = 0; i < data; i++)
		at[18 + i] = (uint8_t)i;
}

static void
check_padded(const uint8_t *front, size_t front_bytes, unsigned padding,
    const uint8_t *wanted, size_t wanted_bytes, uint32_t wanted_length)
{
	static struct roomy before, roomy;
	uint8_t copy[3200 + ASF_REWRITE_ROOM], *out;
	struct asf_packet parsed, again;
	uint32_t length;
	bool key = false;

	padded_packet(&roomy, front, front_bytes, padding);
	before = roomy;
	ck_assert_int_eq(asf_packet_parse(roomy.packet, 3200, &parsed), ASF_OK);
	ck_assert_uint_eq(parsed.padding_bytes, padding);

	length = asf_packet_copy(
	    roomy.packet, 3200, &parsed, every_stream(), copy, &key);
	ck_assert_uint_eq(length, wanted_length);
	ck_assert(key);
	ck_assert_mem_eq(copy, wanted, wanted_bytes);
	ck_assert_mem_eq(copy + wanted_bytes, before.packet + front_bytes,
	    wanted_length - wanted_bytes);
	ck_assert_mem_eq(roomy.packet, before.packet, 3200);

	ck_assert_uint_eq(asf_packet_rewrite(roomy.packet, 3200, &parsed,
			      every_stream(), &out, &key),
	    wanted_length);
	ck_assert(out >= roomy.room && out + length <= roomy.packet + 3200);
	ck_assert_mem_eq(out, copy, length);
	/* and it reads as the same packet without padding */
	ck_assert_int_eq(asf_packet_parse(copy, length, &again), ASF_OK);
	ck_assert_uint_eq(again.padding_bytes, 0);
	ck_assert_uint_eq(again.payload_count, parsed.payload_count);
	ck_assert_uint_eq(again.send_ms, parsed.send_ms);
	ck_assert_uint_eq(again.duration_ms, parsed.duration_ms);
	ck_assert_uint_eq(
	    again.payloads[0].data_bytes, parsed.payloads[0].data_bytes);
}

START_TEST(worked_rewrite_with_a_byte_of_padding_length)
{
	static const uint8_t front[] = { 0x82, 0, 0, 0x09, 0x5d, 0xf6, 0x2e, 0,
		0, 0, 0, 0 };
	static const uint8_t wanted[] = { 0x82, 0, 0, 0x41, 0x5d, 0x8b, 0x0b,
		0x2e, 0, 0, 0, 0, 0, 0x81 };

	check_padded(
	    front, sizeof(front), 0xf6, wanted, sizeof(wanted) - 1, 2955);
}
END_TEST

START_TEST(worked_rewrite_with_two_bytes_of_padding_length)
{
	static const uint8_t front[] = { 0x82, 0, 0, 0x11, 0x5d, 0x37, 0x01,
		0x7e, 0, 0, 0, 0, 0 };
	static const uint8_t wanted[] = { 0x82, 0, 0, 0x41, 0x5d, 0x49, 0x0b,
		0x7e, 0, 0, 0, 0, 0 };

	check_padded(front, sizeof(front), 0x137, wanted, sizeof(wanted), 2889);
}
END_TEST

/* Packet 0 of wire reference 7.3: 388 bytes of stream 2, 2800 of stream 1. */
static void
mixed_packet(uint8_t packet[static 3200])
{
	static const uint8_t front[] = { 0x82, 0, 0, 0x01, 0x5d, 0, 0, 0, 0,
		0x2e, 0, 0x82, 0x02, 0x01, 0, 0, 0, 0, 0x08, 0x73, 0x01, 0, 0,
		0x2e, 0x0c, 0, 0, 0x73, 0x01 };
	static const uint8_t second[] = { 0x81, 0x01, 0, 0, 0, 0, 0x08, 0x17,
		0x2f, 0, 0, 0x2e, 0x0c, 0, 0, 0xdf, 0x0a };

	memcpy(packet, front, sizeof(front));
	memset(packet + sizeof(front), 0xa2, 371);
	memcpy(packet + sizeof(front) + 371, second, sizeof(second));
	memset(packet + sizeof(front) + 371 + sizeof(second), 0xa1,
	    3200 - sizeof(front) - 371 - sizeof(second));
}

START_TEST(worked_split_into_streams)
{
	static const uint8_t first[] = { 0x82, 0, 0, 0x41, 0x5d, 0xfe, 0x0a, 0,
		0, 0, 0, 0x2e, 0, 0x81, 0x81, 0x01, 0, 0, 0, 0, 0x08, 0x17,
		0x2f };
	static const uint8_t second[] = { 0x82, 0, 0, 0x41, 0x5d, 0x92, 0x01, 0,
		0, 0, 0, 0x2e, 0, 0x81, 0x02, 0x01, 0, 0, 0, 0, 0x08, 0x73,
		0x01 };
	static struct roomy roomy;
	uint8_t copy[3200 + ASF_REWRITE_ROOM], *out = NULL;
	struct asf_packet parsed;
	bool key = false;

	mixed_packet(roomy.packet);
	ck_assert_int_eq(asf_packet_parse(roomy.packet, 3200, &parsed), ASF_OK);
	ck_assert_uint_eq(parsed.payload_count, 2);
	ck_assert_uint_eq(parsed.payloads[0].bytes_total, 388);
	ck_assert_uint_eq(parsed.payloads[1].bytes_total, 2800);

	ck_assert_uint_eq(
	    asf_packet_copy(roomy.packet, 3200, &parsed, only(1), copy, &key),
	    2814);
	ck_assert_mem_eq(copy, first, sizeof(first));
	ck_assert(key);
	ck_assert_uint_eq(
	    asf_packet_copy(roomy.packet, 3200, &parsed, only(2), copy, &key),
	    402);
	ck_assert_mem_eq(copy, second, sizeof(second));
	ck_assert(!key);
	ck_assert_uint_eq(
	    asf_packet_copy(roomy.packet, 3200, &parsed, only(3), copy, &key),
	    0);

	/* in place, each from a fresh packet */
	ck_assert_uint_eq(asf_packet_rewrite(
			      roomy.packet, 3200, &parsed, only(3), &out, &key),
	    0);
	ck_assert_uint_eq(asf_packet_rewrite(
			      roomy.packet, 3200, &parsed, only(1), &out, &key),
	    2814);
	ck_assert_mem_eq(out, first, sizeof(first));
	ck_assert_uint_eq(out[2813], 0xa1);
	mixed_packet(roomy.packet);
	ck_assert_uint_eq(asf_packet_rewrite(
			      roomy.packet, 3200, &parsed, only(2), &out, &key),
	    402);
	ck_assert_mem_eq(out, second, sizeof(second));
	ck_assert_uint_eq(out[401], 0xa2);
	/* all streams, no padding: as it is */
	mixed_packet(roomy.packet);
	ck_assert_uint_eq(asf_packet_rewrite(roomy.packet, 3200, &parsed,
			      every_stream(), &out, &key),
	    3200);
	ck_assert_ptr_eq(out, roomy.packet);
}
END_TEST

START_TEST(payloads_between_wanted_ones_are_closed_up)
{
	static const struct build_payload payloads[] = {
		{ 1, 1, 0, 10, 100, 10 },
		{ 2, 1, 0, 20, 100, 20 },
		{ 0x81, 2, 0, 11, 100, 11 },
		{ 2, 2, 0, 21, 100, 21 },
		{ 1, 3, 0, 12, 100, 12 },
	};
	struct build build = build_new();
	uint8_t copy[308], *out = NULL;
	struct asf_packet parsed, again;
	uint32_t length;
	bool key;

	build_zeros(&build, ASF_REWRITE_ROOM);
	build_packet(&build, 300, 5, 6, payloads, 5);
	ck_assert_int_eq(
	    asf_packet_parse(build.data + ASF_REWRITE_ROOM, 300, &parsed),
	    ASF_OK);
	length = asf_packet_copy(
	    build.data + ASF_REWRITE_ROOM, 300, &parsed, only(1), copy, &key);
	ck_assert(key);
	ck_assert_int_eq(asf_packet_parse(copy, length, &again), ASF_OK);
	ck_assert_uint_eq(again.payload_count, 3);
	ck_assert_uint_eq(again.padding_bytes, 0);
	ck_assert_uint_eq(again.payloads[1].data_bytes, 11);
	ck_assert_uint_eq(copy[again.payloads[2].data_at + 11], 11);
	ck_assert_uint_eq(asf_packet_rewrite(build.data + ASF_REWRITE_ROOM, 300,
			      &parsed, only(1), &out, &key),
	    length);
	ck_assert_mem_eq(out, copy, length);
	free(build.data);
}
END_TEST

START_TEST(one_byte_of_undeclared_slack_stays)
{
	/* multiple, no padding field: 11 + 1 front, payload 3 + 27, 1 over */
	uint8_t packet[32 + ASF_REWRITE_ROOM] = { 0 }, *at = packet + 8, *out;
	struct asf_packet parsed;
	bool key;

	memcpy(at, "\x01\x40\0\0\0\0\0\0\x41\x05\x15", 11);
	/* flags 01: multiple; property 40: only stream numbers */
	ck_assert_int_eq(asf_packet_parse(at, 32, &parsed), ASF_OK);
	ck_assert_uint_eq(parsed.payload_count, 1);
	ck_assert_uint_eq(parsed.payloads[0].data_bytes, 0x15);
	at[10] = 0x14;
	ck_assert_int_eq(asf_packet_parse(at, 32, &parsed), ASF_OK);
	ck_assert_uint_eq(parsed.padding_bytes, 1);
	ck_assert_uint_eq(
	    asf_packet_rewrite(at, 32, &parsed, every_stream(), &out, &key),
	    32);
	ck_assert_ptr_eq(out, at);
	/* two bytes are worth the length field */
	at[10] = 0x13;
	ck_assert_int_eq(asf_packet_parse(at, 32, &parsed), ASF_OK);
	ck_assert_uint_eq(
	    asf_packet_rewrite(at, 32, &parsed, every_stream(), &out, &key),
	    32);
	ck_assert_ptr_eq(out, at - 2); /* grows into the room */
	ck_assert_uint_eq(out[0], 0x41);
	ck_assert_uint_eq(out[2], 32);
}
END_TEST

START_TEST(a_payload_over_the_end_and_all_behind_it_are_dropped)
{
	static const struct build_payload payloads[] = {
		{ 1, 1, 0, 10, 100, 10 },
		{ 2, 1, 0, 20, 100, 20 },
		{ 1, 2, 0, 10, 100, 10 },
	};
	struct build build = build_new();
	struct asf_packet parsed, again;
	uint8_t copy[208];
	uint32_t length;
	bool key;

	build_packet(&build, 200, 5, 6, payloads, 3);
	ck_assert_int_eq(asf_packet_parse(build.data, 200, &parsed), ASF_OK);
	build_put_at(&build, parsed.payloads[1].data_at - 2u, 0xffff, 2);
	ck_assert_int_eq(asf_packet_parse(build.data, 200, &parsed), ASF_OK);
	ck_assert(parsed.dropped);
	ck_assert_uint_eq(parsed.payload_count, 1);
	length = asf_packet_copy(
	    build.data, 200, &parsed, every_stream(), copy, &key);
	ck_assert_int_eq(asf_packet_parse(copy, length, &again), ASF_OK);
	ck_assert(!again.dropped);
	ck_assert_uint_eq(again.payload_count, 1);
	ck_assert_uint_eq(again.padding_bytes, 0);
	/* into the padding counts as over the end */
	build_put_at(&build, parsed.payloads[0].data_at - 2u, 120, 2);
	ck_assert_int_eq(
	    asf_packet_parse(build.data, 200, &parsed), ASF_BAD_PACKET);
	free(build.data);
}
END_TEST

START_TEST(replicated_data_of_two_to_seven_bytes_is_dropped)
{
	for (unsigned replicated = 0; replicated < 12; replicated++) {
		uint8_t packet[64] = { 0 };
		struct asf_packet parsed;
		enum asf_result result;

		memcpy(packet, "\x82\0\0\x00\x5d\x07\0\0\0\0\0\x83", 12);
		memcpy(packet + 12, "\x09\x05\0\0\0", 5);
		packet[17] = (uint8_t)replicated;
		packet[22] = 42; /* presentation time when long enough */
		result = asf_packet_parse(packet, sizeof(packet), &parsed);
		if (replicated >= 2 && replicated <= 7) {
			ck_assert_int_eq(result, ASF_BAD_PACKET);
			continue;
		}
		ck_assert_int_eq(result, ASF_OK);
		ck_assert(!parsed.multiple);
		ck_assert_uint_eq(parsed.payloads[0].stream, 3);
		ck_assert_uint_eq(
		    parsed.payloads[0].presentation_ms, replicated == 0	  ? 7
							: replicated == 1 ? 5
									  : 42);
		ck_assert(parsed.payloads[0].has_time == (replicated != 0));
		ck_assert_uint_eq(
		    parsed.payloads[0].data_at + 0u, 18u + replicated);
		ck_assert_uint_eq(
		    parsed.payloads[0].data_bytes, 64u - 18 - replicated);
	}
}
END_TEST

/* ASF-8: whatever the flag bytes say, what is parsed lies in the packet. */
START_TEST(every_combination_of_length_types_stays_inside)
{
	static const uint8_t zeros[96];
	uint8_t *packet = exactly(zeros, 96), copy[96 + ASF_REWRITE_ROOM];
	struct asf_packet parsed, again;
	uint32_t seed = 1, length;
	unsigned good = 0;
	bool key;

	for (unsigned flags = 0; flags < 256; flags++) {
		for (unsigned property = 0; property < 256; property++) {
			for (unsigned i = 0; i < 96; i++) {
				seed = seed * 1664525 + 1013904223;
				packet[i] = (uint8_t)(seed >> 24) & 0x1f;
			}
			packet[0] = flags & 0x80 ? 0x82 : (uint8_t)flags;
			if (flags & 0x80)
				packet[3] = flags & 0x7f;
			packet[flags & 0x80 ? 4 : 1] = (uint8_t)property;
			if (asf_packet_parse(packet, 96, &parsed) != ASF_OK)
				continue;
			good++;
			ck_assert_uint_le(parsed.used_bytes, 96);
			ck_assert_uint_ge(parsed.payload_count, 1);
			length = asf_packet_copy(packet, 96, &parsed,
			    only(parsed.payloads[0].stream), copy, &key);
			ck_assert_uint_le(length, 96);
			if (length == 0)
				continue;
			ck_assert_int_eq(
			    asf_packet_parse(copy, length, &again), ASF_OK);
			ck_assert_uint_eq(again.payloads[0].data_bytes,
			    parsed.payloads[0].data_bytes);
		}
	}
	ck_assert_uint_gt(good, 1000);
	free(packet);
}
END_TEST

START_TEST(broken_packets_are_skipped)
{
	static const struct {
		const char *bytes;
		size_t count;
	} broken[] = {
		{ "\xa2\0\0\x00\x5d", 5 }, /* error correction length type */
		{ "\x82\0\0\x08\x5d\xff", 6 }, /* padding above the packet */
		{ "\x82\0\0\x40\x5d\xff\xff", 7 }, /* length above the packet */
		{ "\x82\0\0\x40\x5d\0\0", 7 }, /* length 0 */
		{ "\x82\0\0\x01\x5d\0\0\0\0\0\0\x80", 12 }, /* no payloads */
		{ "\x82\0\0\x01\x5d\0\0\0\0\0\0\x01", 12 }, /* no lengths */
		{ "\x82\0\0\x00\x5d\0\0\0\0\0\0\x01\0\0\0\0\0\xff",
		    18 }, /* replicated data above the packet */
	};

	for (unsigned i = 0; i < ARRAY_LENGTH(broken); i++) {
		uint8_t packet[64] = { 0 };
		struct asf_packet parsed;

		memcpy(packet, broken[i].bytes, broken[i].count);
		ck_assert_int_eq(
		    asf_packet_parse(packet, sizeof(packet), &parsed),
		    ASF_BAD_PACKET);
	}
}
END_TEST

START_TEST(error_correction_may_be_missing_or_longer)
{
	static const struct build_payload payload = { 1, 1, 0, 10, 100, 10 };
	struct build build = build_new();
	uint8_t packet[200 + 13];
	struct asf_packet parsed;

	build_packet(&build, 200, 5, 6, &payload, 1);
	ck_assert_int_eq(
	    asf_packet_parse(build.data + 3, 197, &parsed), ASF_OK);
	ck_assert_uint_eq(parsed.flags_at, 0);
	memset(packet, 0, sizeof(packet));
	packet[0] = 0x8f;
	memcpy(packet + 16, build.data + 3, 197);
	ck_assert_int_eq(
	    asf_packet_parse(packet, sizeof(packet), &parsed), ASF_OK);
	ck_assert_uint_eq(parsed.flags_at, 16);
	ck_assert_uint_eq(parsed.payloads[0].data_bytes, 10);
	free(build.data);
}
END_TEST

START_TEST(short_pieces_have_no_send_time)
{
	static const uint8_t longest[ASF_SEND_TIME_BYTES] = {
		0x8f, [16] = 0x7e, [17] = 0x5d, [30] = 0x78, 0x56, 0x34, 0x12
	};
	uint32_t send_ms = 0;

	for (size_t size = 0; size < 34; size++) {
		uint8_t *piece = exactly(longest, size);

		ck_assert_int_eq(asf_packet_send_time(piece, size, &send_ms),
		    ASF_BAD_PACKET);
		free(piece);
	}
	ck_assert_int_eq(
	    asf_packet_send_time(longest, sizeof(longest), &send_ms), ASF_OK);
	ck_assert_uint_eq(send_ms, 0x12345678);
}
END_TEST

/* ---- simple index ---- */

static enum asf_result
index_of(
    uint64_t interval, uint32_t count, unsigned entries, struct asf_index *out)
{
	struct build build = build_new();
	size_t began = build_begin(&build, DISK_SIMPLE_INDEX);
	enum asf_result result;

	build_zeros(&build, 16);
	build_number(&build, interval, 8);
	build_number(&build, 1, 4);
	build_number(&build, count, 4);
	for (unsigned i = 0; i < entries; i++) {
		build_number(&build, UINT64_C(3) * i, 4);
		build_number(&build, 1, 2);
	}
	build_end(&build, began);
	result = asf_index_parse(build.data, build.at, out);
	free(build.data);
	return result;
}

/* ASF-2. */
START_TEST(an_index_holds_no_more_than_its_bytes)
{
	struct asf_index index;

	ck_assert_int_eq(index_of(10000000, 4, 4, &index), ASF_OK);
	ck_assert_uint_eq(index.count, 4);
	ck_assert_uint_eq(index.interval_us, 1000000);
	ck_assert_uint_eq(index.packets[3], 9);
	asf_index_free(&index);
	ck_assert_int_eq(index_of(10000000, 0xffffffff, 4, &index), ASF_OK);
	ck_assert_uint_eq(index.count, 4);
	asf_index_free(&index);
	ck_assert_int_eq(index_of(10000000, 2, 4, &index), ASF_OK);
	ck_assert_uint_eq(index.count, 2);
	asf_index_free(&index);
	ck_assert_ptr_null(index.packets);
	asf_index_free(&index);
}
END_TEST

START_TEST(an_index_without_interval_or_entries_is_none)
{
	struct asf_index index;

	ck_assert_int_eq(index_of(0, 4, 4, &index), ASF_OK);
	ck_assert_uint_eq(index.count, 0);
	ck_assert_int_eq(index_of(9, 4, 4, &index), ASF_OK);
	ck_assert_uint_eq(index.count, 0);
	ck_assert_int_eq(index_of(10000000, 0, 0, &index), ASF_OK);
	ck_assert_uint_eq(index.count, 0);
	ck_assert_int_eq(
	    asf_index_parse((const uint8_t *)DISK_SIMPLE_INDEX, 16, &index),
	    ASF_BAD_OBJECT);
}
END_TEST

START_TEST(every_result_has_a_text)
{
	for (unsigned i = 0; i < ASF_RESULT_COUNT; i++)
		ck_assert_uint_gt(
		    strlen(asf_result_text((enum asf_result)i)), 3);
	ck_assert_str_eq(asf_guid_name((const uint8_t *)DISK_DATA), "Data");
	ck_assert_ptr_null(asf_guid_name((const uint8_t *)"an unknown GUID!"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("asf");
	SRunner *runner = srunner_create(suite);
	TCase *header = tcase_create("header"), *data = tcase_create("data"),
	      *copy = tcase_create("copy"), *packet = tcase_create("packet"),
	      *index = tcase_create("index");
	int failed;

	suite_add_tcase(suite, header);
	tcase_add_test(header, a_header_tells_its_fields);
	tcase_add_test(header, streams_may_come_before_file_properties);
	tcase_add_test(header, a_hidden_stream_is_found);
	tcase_add_test(header, stream_bit_rates_go_before_other_rates);
	tcase_add_test(header, the_best_pictures_have_the_highest_bit_rate);
	tcase_add_test(header, titles_become_utf8);
	tcase_add_test(header, long_titles_are_cut_between_characters);
	tcase_add_test(header, text_fits_even_into_one_byte);
	tcase_add_test(header, impossible_packet_sizes_are_refused);
	tcase_add_test(header, a_preroll_above_an_hour_is_refused);
	tcase_add_test(header, broadcast_numbers_are_not_believed);
	tcase_add_test(header, impossible_object_sizes_are_refused);
	tcase_add_test(header, an_object_larger_than_its_parent_is_clamped);
	tcase_add_test(header, clamped_stream_properties_are_refused);
	tcase_add_test(header, type_specific_data_stays_inside_its_object);
	tcase_add_test(header, short_type_specific_data_reads_as_nothing);
	tcase_add_test(header, streams_are_counted_by_their_numbers);
	tcase_add_test(header, missing_or_double_file_properties_are_refused);
	tcase_add_test(header, encryption_is_told);
	tcase_add_test(header, header_sizes_are_checked_first);
	tcase_add_test(header, every_cut_of_a_header_is_refused);
	tcase_add_test(header, every_result_has_a_text);
	suite_add_tcase(suite, data);
	tcase_add_test(data, the_smallest_of_the_packet_counts_is_right);
	tcase_add_test(data, a_data_object_never_filled_in_ends_with_the_file);
	tcase_add_test(data, no_whole_packet_is_no_data);
	suite_add_tcase(suite, copy);
	tcase_add_test(
	    copy, the_copy_for_sdp_is_a_header_with_an_open_data_object);
	tcase_add_test(copy, a_large_header_loses_what_no_client_needs);
	tcase_add_test(copy, the_copy_makes_clamped_sizes_good);
	suite_add_tcase(suite, packet);
	tcase_add_test(packet, worked_packet_of_the_asf_reference);
	tcase_add_test(packet, worked_rewrite_with_a_byte_of_padding_length);
	tcase_add_test(packet, worked_rewrite_with_two_bytes_of_padding_length);
	tcase_add_test(packet, worked_split_into_streams);
	tcase_add_test(packet, payloads_between_wanted_ones_are_closed_up);
	tcase_add_test(packet, one_byte_of_undeclared_slack_stays);
	tcase_add_test(
	    packet, a_payload_over_the_end_and_all_behind_it_are_dropped);
	tcase_add_test(
	    packet, replicated_data_of_two_to_seven_bytes_is_dropped);
	tcase_add_test(packet, every_combination_of_length_types_stays_inside);
	tcase_add_test(packet, broken_packets_are_skipped);
	tcase_add_test(packet, error_correction_may_be_missing_or_longer);
	tcase_add_test(packet, short_pieces_have_no_send_time);
	suite_add_tcase(suite, index);
	tcase_add_test(index, an_index_holds_no_more_than_its_bytes);
	tcase_add_test(index, an_index_without_interval_or_entries_is_none);

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
