/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_rtp - what RTP, RTCP and ASF payload headers look like on the wire.
 * The hostile half holds no exact bytes: it walks through lengths that lie.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "wire/rtp.h"

#define SSRC 0x11FBF5B3

START_TEST(a_header_is_twelve_bytes_in_network_order)
{
	static const uint8_t first[] = { 0x80, 0x60, 0x11, 0xEB, 0x00, 0x00,
		0x00, 0x2E, 0x11, 0xFB, 0xF5, 0xB3 };
	struct rtp_header header = { .payload_type = RTP_PAYLOAD_TYPE,
		.sequence = 4587,
		.timestamp = 46,
		.ssrc = SSRC };
	uint8_t out[RTP_HEADER_BYTES];

	rtp_write_header(out, &header);
	ck_assert_mem_eq(out, first, sizeof(first));

	header.marker = true;
	rtp_write_header(out, &header);
	ck_assert_uint_eq(out[1], 0xE0);

	header.padding = true;
	rtp_write_header(out, &header);
	ck_assert_uint_eq(out[0], 0xA0);
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
	uint8_t packet[RTP_HEADER_BYTES + 5] = {
		[12] = 'h', 'e', 'l', 'l', 'o'
	};
	struct rtp_header in = { .marker = true,
		.payload_type = 96,
		.sequence = 65535,
		.timestamp = 0xFFFFFFFE,
		.ssrc = 0x80000001 };
	struct rtp_header out;
	const uint8_t *payload;
	size_t bytes;

	rtp_write_header(packet, &in);
	ck_assert(rtp_parse(packet, sizeof(packet), &out, &payload, &bytes));
	ck_assert(out.marker && !out.padding);
	ck_assert_uint_eq(out.payload_type, in.payload_type);
	ck_assert_uint_eq(out.sequence, in.sequence);
	ck_assert_uint_eq(out.timestamp, in.timestamp);
	ck_assert_uint_eq(out.ssrc, in.ssrc);
	ck_assert_ptr_eq(payload, packet + 12);
	ck_assert_uint_eq(bytes, 5);
}
END_TEST

START_TEST(sources_extension_and_padding_are_not_payload)
{
	/* Two CSRCs, an extension of one word, 2 bytes payload, 3 padding. */
	static const uint8_t packet[] = { 0xB2, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0,
		3, 1, 1, 1, 1, 2, 2, 2, 2, 0xBE, 0xDE, 0, 1, 9, 9, 9, 9, 'o',
		'k', 0, 0, 3 };
	struct rtp_header out;
	const uint8_t *payload;
	size_t bytes;

	ck_assert(rtp_parse(packet, sizeof(packet), &out, &payload, &bytes));
	ck_assert(out.padding);
	ck_assert_uint_eq(bytes, 2);
	ck_assert_mem_eq(payload, "ok", 2);

	/* Each cut takes a byte of something that was announced. */
	for (size_t size = 0; size < 28; size++)
		ck_assert(!rtp_parse(packet, size, &out, &payload, &bytes));
}
END_TEST

START_TEST(a_header_that_lies_is_refused_and_leaves_the_result_alone)
{
	uint8_t packet[13] = { 0x80, 0x60, [12] = 1 };
	struct rtp_header out = { .ssrc = 77 };
	const uint8_t *payload = NULL;
	size_t bytes = 99;

	packet[0] = 0x40; /* version 1 */
	ck_assert(!rtp_parse(packet, 13, &out, &payload, &bytes));
	packet[0] = 0xA0;
	packet[12] = 0; /* padding that does not count itself */
	ck_assert(!rtp_parse(packet, 13, &out, &payload, &bytes));
	packet[12] = 2; /* more padding than there is */
	ck_assert(!rtp_parse(packet, 13, &out, &payload, &bytes));
	/* No payload: the last byte belongs to the header. */
	ck_assert(!rtp_parse(packet, 12, &out, &payload, &bytes));
	ck_assert_uint_eq(out.ssrc, 77);
	ck_assert_ptr_null(payload);
	ck_assert_uint_eq(bytes, 99);

	packet[12] = 1; /* nothing but padding is allowed */
	ck_assert(rtp_parse(packet, 13, &out, &payload, &bytes));
	ck_assert_uint_eq(bytes, 0);
}
END_TEST

START_TEST(a_whole_asf_packet_counts_its_header_in_the_length)
{
	/* 668 bytes, not a key frame: 12 + 668 = 680. */
	static const uint8_t whole[] = { 0x68, 0x00, 0x02, 0xA8, 0, 0, 0, 0, 0,
		0, 0, 5 };
	static const uint8_t small[] = { 0x40, 0x00, 0x02, 0xA0 };
	struct rtp_asf_header header = { .whole = true,
		.length_or_offset = RTP_ASF_HEADER_BYTES + 668 };
	uint8_t out[RTP_ASF_HEADER_BYTES];

	rtp_write_asf_header(out, &header);
	ck_assert_mem_eq(out, small, sizeof(small));

	ck_assert(rtp_parse_asf_header(whole, sizeof(whole), &header));
	ck_assert(header.whole && !header.key_frame);
	ck_assert_uint_eq(header.length_or_offset, 680);
	ck_assert(header.has_relative_timestamp && !header.has_duration);
	ck_assert(header.has_location);
	ck_assert_uint_eq(header.location, 5);
	ck_assert_uint_eq(header.header_bytes, 12);
}
END_TEST

START_TEST(a_fragment_carries_its_offset)
{
	static const uint8_t read[3][12] = {
		{ 0xA8, 0x00, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0, 3 },
		{ 0xA8, 0x00, 0x05, 0x6C, 0, 0, 0, 0, 0, 0, 0, 3 },
		{ 0xA8, 0x00, 0x0A, 0xD8, 0, 0, 0, 0, 0, 0, 0, 3 },
	};
	static const uint32_t offsets[3] = { 0, 1388, 2776 };
	static const uint8_t written[3][4] = { { 0x80, 0x00, 0x00, 0x00 },
		{ 0x80, 0x00, 0x05, 0x6C }, { 0x80, 0x00, 0x0A, 0xD8 } };

	for (size_t i = 0; i < ARRAY_LENGTH(offsets); i++) {
		struct rtp_asf_header in = { .key_frame = true,
			.length_or_offset = offsets[i] };
		struct rtp_asf_header out;
		uint8_t bytes[RTP_ASF_HEADER_BYTES];

		rtp_write_asf_header(bytes, &in);
		ck_assert_mem_eq(bytes, written[i], sizeof(bytes));
		ck_assert(rtp_parse_asf_header(read[i], 12, &out));
		ck_assert(out.key_frame && !out.whole);
		ck_assert_uint_eq(out.length_or_offset, offsets[i]);
		ck_assert_uint_eq(out.relative_timestamp, 0);
		ck_assert_uint_eq(out.location, 3);
	}
}
END_TEST

START_TEST(an_asf_header_needs_every_field_that_its_flags_name)
{
	static const uint8_t all[16] = { 0xF8, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 0,
		0, 0, 2, 0, 0, 0, 3 };
	struct rtp_asf_header out;

	for (size_t size = 0; size < sizeof(all); size++)
		ck_assert(!rtp_parse_asf_header(all, size, &out));
	ck_assert(rtp_parse_asf_header(all, sizeof(all), &out));
	ck_assert_uint_eq(out.length_or_offset, 0xFFFFFF);
	ck_assert_uint_eq(out.relative_timestamp, 1);
	ck_assert_uint_eq(out.duration, 2);
	ck_assert_uint_eq(out.location, 3);
	ck_assert_uint_eq(out.header_bytes, 16);
}
END_TEST

START_TEST(the_end_is_a_receiver_report_and_a_bye_of_sixteen_bytes)
{
	static const uint8_t expected[] = { 0x80, 0xC9, 0x00, 0x01, 0x11, 0xFB,
		0xF5, 0xB3, 0x81, 0xCB, 0x00, 0x01, 0x11, 0xFB, 0xF5, 0xB3 };
	uint8_t out[RTCP_MAX];
	struct rtcp_summary summary;

	ck_assert_uint_eq(rtcp_write_rr_bye(out, SSRC), sizeof(expected));
	ck_assert_mem_eq(out, expected, sizeof(expected));

	ck_assert(rtcp_parse(out, sizeof(expected), &summary));
	ck_assert_uint_eq(summary.sender_ssrc, SSRC);
	ck_assert(summary.has_bye && !summary.has_sender_report);
	ck_assert_uint_eq(summary.bye_ssrc, SSRC);
	ck_assert_uint_eq(summary.report_count, 0);
}
END_TEST

START_TEST(a_sender_report_names_its_sender)
{
	/* One and a half seconds after 1970. */
	static const uint8_t expected[] = { 0x80, 200, 0, 6, 0x11, 0xFB, 0xF5,
		0xB3, 0x83, 0xAA, 0x7E, 0x81, 0x80, 0, 0, 0, 0, 0, 0x05, 0xDC,
		0, 0, 0, 7, 0, 0, 0x27, 0x10,
		/* SDES, one chunk, CNAME of nine bytes, one zero. */
		0x81, 202, 0, 4, 0x11, 0xFB, 0xF5, 0xB3, 1, 9, 'v', 'o', 'd',
		'd', '@', 'h', 'o', 's', 't', 0 };
	struct rtcp_sender sender = { .ssrc = SSRC,
		.wall_us = 1500000,
		.rtp_timestamp = 1500,
		.packets = 7,
		.octets = 10000 };
	uint8_t out[RTCP_MAX];
	struct rtcp_summary summary;
	size_t size = rtcp_write_sr_sdes(out, &sender, "vodd@host");

	ck_assert_uint_eq(size, sizeof(expected));
	ck_assert_mem_eq(out, expected, sizeof(expected));

	ck_assert(rtcp_parse(out, size, &summary));
	ck_assert(summary.has_sender_report && !summary.has_bye);
	ck_assert_uint_eq(summary.sender_ssrc, SSRC);
	ck_assert_uint_eq(summary.sr_ntp, UINT64_C(0x83AA7E8180000000));
	ck_assert_uint_eq(summary.sr_rtp_timestamp, 1500);
}
END_TEST

START_TEST(every_length_of_cname_fits_and_ends_in_a_zero)
{
	struct rtcp_sender sender = { .ssrc = 1 };
	char cname[101] = "";
	uint8_t out[RTCP_MAX];
	struct rtcp_summary summary;

	for (size_t length = 0; length < sizeof(cname); length++) {
		size_t size, held = length < 63 ? length : 63;

		memset(cname, 'c', length);
		cname[length] = '\0';
		size = rtcp_write_sr_sdes(out, &sender, cname);
		ck_assert_uint_le(size, RTCP_MAX);
		ck_assert_uint_eq(size % 4, 0);
		ck_assert_uint_eq(out[37], held);
		ck_assert_uint_gt(size, 38 + held);
		ck_assert_uint_eq(out[38 + held], 0);
		ck_assert_uint_eq(out[size - 1], 0);
		ck_assert(rtcp_parse(out, size, &summary));
	}
}
END_TEST

START_TEST(losses_are_signed_and_held_in_24_bits)
{
	static const int32_t lost[][2] = { { 0, 0 }, { 5, 5 }, { -1, -1 },
		{ 0x7FFFFF, 0x7FFFFF }, { 0x800000, 0x7FFFFF },
		{ -0x800000, -0x800000 }, { INT32_MIN, -0x800000 },
		{ INT32_MAX, 0x7FFFFF } };

	for (size_t i = 0; i < ARRAY_LENGTH(lost); i++) {
		struct rtcp_report report = { .ssrc = 2,
			.fraction_lost = 200,
			.lost = lost[i][0],
			.highest_sequence = 0x10005,
			.jitter = 9,
			.last_sr = 0xAABBCCDD,
			.delay_since_sr = 65536 };
		struct rtcp_summary summary;
		uint8_t out[RTCP_MAX];

		ck_assert_uint_eq(rtcp_write_rr(out, 1, &report), 32);
		ck_assert(rtcp_parse(out, 32, &summary));
		ck_assert_uint_eq(summary.sender_ssrc, 1);
		ck_assert_uint_eq(summary.report_count, 1);
		ck_assert_uint_eq(summary.reports[0].ssrc, 2);
		ck_assert_uint_eq(summary.reports[0].fraction_lost, 200);
		ck_assert_int_eq(summary.reports[0].lost, lost[i][1]);
		ck_assert_uint_eq(summary.reports[0].highest_sequence, 0x10005);
		ck_assert_uint_eq(summary.reports[0].jitter, 9);
		ck_assert_uint_eq(summary.reports[0].last_sr, 0xAABBCCDD);
		ck_assert_uint_eq(summary.reports[0].delay_since_sr, 65536);
	}
}
END_TEST

START_TEST(a_report_without_a_source_is_eight_bytes)
{
	uint8_t out[RTCP_MAX];

	ck_assert_uint_eq(rtcp_write_rr(out, SSRC, NULL), 8);
	ck_assert_mem_eq(out, "\x80\xC9\x00\x01\x11\xFB\xF5\xB3", 8);
}
END_TEST

START_TEST(unknown_packet_types_are_skipped)
{
	/* A generic NACK (RFC 4585 6.2.1) and an SDES without an end. */
	static const uint8_t compound[] = { 0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0,
		0, 2, 0, 5, 0, 0, 0x81, 202, 0, 2, 0, 0, 0, 1, 1, 200, 'x', 'y',
		0x80, 201, 0, 1, 0, 0, 0, 9 };
	struct rtcp_summary summary;

	ck_assert(rtcp_parse(compound, sizeof(compound), &summary));
	ck_assert_uint_eq(summary.sender_ssrc, 9);
	ck_assert_uint_eq(summary.report_count, 0);
}
END_TEST

START_TEST(more_than_31_reports_are_counted_no_further)
{
	uint8_t compound[RTCP_MAX], many[40 * 32];
	struct rtcp_report report = { .ssrc = 5 };
	struct rtcp_summary summary;

	for (size_t i = 0; i < 40; i++) {
		report.jitter = (uint32_t)i;
		ck_assert_uint_eq(rtcp_write_rr(compound, 1, &report), 32);
		memcpy(many + i * 32, compound, 32);
	}
	ck_assert(rtcp_parse(many, sizeof(many), &summary));
	ck_assert_uint_eq(summary.report_count, 31);
	ck_assert_uint_eq(summary.reports[30].jitter, 30);
}
END_TEST

START_TEST(rtcp_lengths_that_lie_are_refused)
{
	static const struct {
		size_t size;
		uint8_t bytes[16];
	} lies[] = {
		{ 0, { 0 } },
		{ 3, { 0x80, 201, 0 } },
		{ 4, { 0x80, 201, 0, 0 } }, /* no SSRC */
		{ 4, { 0x80, 201, 0, 1 } }, /* 4 missing */
		{ 8, { 0x80, 201, 0xFF, 0xFF, 0, 0, 0, 1 } }, /* 64 K */
		{ 8, { 0x81, 201, 0, 1, 0, 0, 0, 1 } }, /* no block */
		{ 8, { 0x80, 200, 0, 1, 0, 0, 0, 1 } }, /* short SR */
		{ 8, { 0x40, 201, 0, 1, 0, 0, 0, 1 } }, /* version 1 */
		{ 8, { 0x82, 203, 0, 1, 0, 0, 0, 1 } }, /* 2 sources */
		{ 12, { 0x81, 203, 0, 2, 0, 0, 0, 1, 4, 'b', 'y', 'e' } },
		{ 9, { 0x80, 201, 0, 1, 0, 0, 0, 1, 0 } }, /* a tail */
		{ 8, { 0xA0, 204, 0, 1, 0, 0, 0, 0 } }, /* padding 0 */
		{ 8, { 0xA0, 204, 0, 1, 0, 0, 0, 5 } }, /* padding 5 */
		{ 4, { 0xA0, 204, 0, 0 } },
		/* Padding that is not in the last packet. */
		{ 12, { 0xA0, 204, 0, 1, 0, 0, 0, 4, 0x80, 204, 0, 0 } },
	};
	struct rtcp_summary summary = { .sender_ssrc = 77 };

	for (size_t i = 0; i < ARRAY_LENGTH(lies); i++)
		ck_assert_msg(
		    !rtcp_parse(lies[i].bytes, lies[i].size, &summary),
		    "lie %zu was believed", i);
	ck_assert_uint_eq(summary.sender_ssrc, 77);
}
END_TEST

START_TEST(a_bye_without_sources_ends_nothing)
{
	static const uint8_t bye[] = { 0x80, 203, 0, 0 };
	struct rtcp_summary summary;

	ck_assert(rtcp_parse(bye, sizeof(bye), &summary));
	ck_assert(!summary.has_bye);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("rtp");
	TCase *wire = tcase_create("wire");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, wire);
	tcase_add_test(wire, a_header_is_twelve_bytes_in_network_order);
	tcase_add_test(wire, what_is_written_is_read_back);
	tcase_add_test(wire, sources_extension_and_padding_are_not_payload);
	tcase_add_test(
	    wire, a_header_that_lies_is_refused_and_leaves_the_result_alone);
	tcase_add_test(
	    wire, a_whole_asf_packet_counts_its_header_in_the_length);
	tcase_add_test(wire, a_fragment_carries_its_offset);
	tcase_add_test(
	    wire, an_asf_header_needs_every_field_that_its_flags_name);
	tcase_add_test(
	    wire, the_end_is_a_receiver_report_and_a_bye_of_sixteen_bytes);
	tcase_add_test(wire, a_sender_report_names_its_sender);
	tcase_add_test(wire, every_length_of_cname_fits_and_ends_in_a_zero);
	tcase_add_test(wire, losses_are_signed_and_held_in_24_bits);
	tcase_add_test(wire, a_report_without_a_source_is_eight_bytes);
	tcase_add_test(wire, unknown_packet_types_are_skipped);
	tcase_add_test(wire, more_than_31_reports_are_counted_no_further);
	tcase_add_test(wire, rtcp_lengths_that_lie_are_refused);
	tcase_add_test(wire, a_bye_without_sources_ends_nothing);

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
