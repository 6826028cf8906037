/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_reorder - the jitter buffer: order, what is waited for, what is given
 * up on, and what a receiver report says of it.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "player/reorder.h"

#define LATENCY_US (200 * US_PER_MS)
#define SSRC 0x01020304u

static struct reorder *reorder;
static uint64_t now_us;
static uint16_t got[70000];
static unsigned got_count, gaps;

static void
on_packet(void *context, const struct rtp_header *header,
    const uint8_t *payload, size_t size, bool gap)
{
	(void)context;
	ck_assert_uint_eq(size, 1);
	ck_assert_uint_eq(payload[0], header->sequence & 0xFF);
	got[got_count++] = header->sequence;
	gaps += gap;
}

static void
put_from(uint32_t ssrc, unsigned sequence)
{
	uint8_t data[RTP_HEADER_BYTES + 1];

	rtp_write_header(
	    data, &(struct rtp_header){ .sequence = (uint16_t)sequence,
		      .timestamp = (uint32_t)(now_us / US_PER_MS),
		      .ssrc = ssrc });
	data[RTP_HEADER_BYTES] = (uint8_t)sequence;
	reorder_put(reorder, data, sizeof(data), now_us);
}

static void
put(unsigned sequence)
{
	put_from(SSRC, sequence);
}

static void
expect(unsigned count, const unsigned *sequences)
{
	ck_assert_uint_eq(got_count, count);
	for (unsigned i = 0; i < count; i++)
		ck_assert_uint_eq(got[i], sequences[i]);
	got_count = 0;
}
#define EXPECT(...)                                                            \
	expect(sizeof((unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned),         \
	    (const unsigned[]){ __VA_ARGS__ })

static struct reorder_counts
counts(void)
{
	struct reorder_counts counts;

	reorder_counts(reorder, &counts);
	return counts;
}

static void
set_up(void)
{
	now_us = US_PER_SECOND;
	got_count = gaps = 0;
	ck_assert_int_eq(reorder_new(LATENCY_US, on_packet, NULL, &reorder), 0);
}

static void
tear_down(void)
{
	reorder_free(reorder);
}

START_TEST(what_is_in_order_goes_through_at_once)
{
	put(65534);
	put(65535);
	put(0);
	put(1);
	EXPECT(65534, 65535, 0, 1);
	ck_assert_uint_eq(reorder_due_us(reorder), UINT64_MAX);
	ck_assert_uint_eq(counts().packets, 4);
	ck_assert_uint_eq(counts().lost, 0);
}
END_TEST

START_TEST(an_early_packet_waits_for_the_missing_one)
{
	put(10);
	put(12);
	put(13);
	EXPECT(10);
	put(11);
	EXPECT(11, 12, 13);
	ck_assert_uint_eq(counts().reordered, 1);
	ck_assert_uint_eq(counts().recovered, 1);
	ck_assert_uint_eq(gaps, 0);
}
END_TEST

START_TEST(what_does_not_come_in_time_is_lost)
{
	put(10);
	put(12);
	ck_assert_uint_eq(reorder_due_us(reorder), now_us + LATENCY_US);
	now_us += LATENCY_US - 1;
	reorder_expire(reorder, now_us);
	EXPECT(10);
	now_us++;
	reorder_expire(reorder, now_us);
	EXPECT(12);
	ck_assert_uint_eq(gaps, 1);
	ck_assert_uint_eq(counts().lost, 1);
	put(11); /* too late */
	ck_assert_uint_eq(got_count, 0);
	ck_assert_uint_eq(counts().reordered, 1);
	ck_assert_uint_eq(counts().recovered, 0);
}
END_TEST

START_TEST(a_duplicate_is_given_out_once)
{
	put(10);
	put(10);
	put(12);
	put(12);
	put(11);
	put(11);
	EXPECT(10, 11, 12);
	ck_assert_uint_eq(counts().duplicates, 3);
}
END_TEST

START_TEST(without_latency_nothing_is_waited_for)
{
	reorder_free(reorder);
	ck_assert_int_eq(reorder_new(0, on_packet, NULL, &reorder), 0);
	put(1);
	put(5);
	EXPECT(1, 5);
	ck_assert_uint_eq(counts().lost, 3);
}
END_TEST

START_TEST(a_gap_that_is_too_wide_is_not_waited_for)
{
	put(0);
	put(2);
	put(2000);
	now_us += LATENCY_US;
	reorder_expire(reorder, now_us);
	EXPECT(0, 2, 2000);
	ck_assert_uint_eq(counts().lost, 1998);
}
END_TEST

START_TEST(another_row_of_numbers_needs_two_packets_in_a_row)
{
	put(10);
	put(40000);
	put(11);
	EXPECT(10, 11);
	put(40000);
	put(40001);
	put(40002);
	EXPECT(40001, 40002);
	ck_assert_uint_eq(counts().foreign, 2);
}
END_TEST

START_TEST(another_source_needs_two_packets_in_a_row)
{
	put(10);
	put_from(7, 500);
	put(11);
	put_from(7, 501);
	put_from(7, 502);
	EXPECT(10, 11, 502);
	ck_assert_uint_eq(reorder_ssrc(reorder), 7);
}
END_TEST

START_TEST(behind_a_seek_what_was_before_is_left_out)
{
	put(10);
	put(12);
	reorder_restart(reorder, true, 14);
	put(13);
	put(11);
	put(15);
	put(14);
	EXPECT(10, 14, 15);
	reorder_forget(reorder);
	put_from(9, 3);
	EXPECT(3);
}
END_TEST

START_TEST(at_the_end_everything_goes_out)
{
	put(1);
	put(3);
	put(6);
	reorder_flush(reorder);
	EXPECT(1, 3, 6);
	ck_assert_uint_eq(counts().lost, 3);
}
END_TEST

/* RFC 3550 A.3 */
START_TEST(a_report_tells_of_loss_since_the_last_one)
{
	struct rtcp_report report;

	for (unsigned i = 65500; i < 65600; i++)
		if (i % 4 != 0)
			put(i & 0xFFFF);
	reorder_report(reorder, now_us, &report);
	ck_assert_uint_eq(report.ssrc, SSRC);
	/* 65501 to 65599, of which 24 are missing */
	ck_assert_int_eq(report.lost, 24);
	ck_assert_uint_eq(report.fraction_lost, 24 * 256 / 99);
	ck_assert_uint_eq(report.highest_sequence, 0x10000 + 63);
	put(64);
	reorder_report(reorder, now_us, &report);
	ck_assert_uint_eq(report.fraction_lost, 0);
	ck_assert_int_eq(report.lost, 24);
}
END_TEST

START_TEST(a_report_names_the_last_sender_report)
{
	struct rtcp_report report;

	put(1);
	reorder_sender_report(reorder, UINT64_C(0x1122334455667788), now_us);
	reorder_report(reorder, now_us + 1500 * US_PER_MS, &report);
	ck_assert_uint_eq(report.last_sr, 0x33445566);
	ck_assert_uint_eq(report.delay_since_sr, 3 * 65536 / 2);
}
END_TEST

/* RFC 3550 A.8: each packet 16 ms later or earlier than the one before */
START_TEST(jitter_is_the_mean_of_differences)
{
	struct rtcp_report report;
	uint8_t data[RTP_HEADER_BYTES + 1];

	for (unsigned i = 0; i < 400; i++) {
		rtp_write_header(
		    data, &(struct rtp_header){ .sequence = (uint16_t)i,
			      .timestamp = i * 20,
			      .ssrc = SSRC });
		data[RTP_HEADER_BYTES] = (uint8_t)i;
		reorder_put(reorder, data, sizeof(data),
		    (i * 20 + i % 2 * 16) * US_PER_MS);
	}
	reorder_report(reorder, now_us, &report);
	ck_assert_uint_ge(report.jitter, 14);
	ck_assert_uint_le(report.jitter, 16);
	ck_assert_uint_eq(counts().jitter_us, report.jitter * 1000);
}
END_TEST

/* Bounded waiting and no loss of order, whatever comes. */
START_TEST(any_mixture_comes_out_in_order)
{
	unsigned seed = (unsigned)_i * 7919 + 1;
	unsigned in = 0;

	for (unsigned i = 0; i < 3000; i++) {
		seed = seed * 1103515245 + 12345;
		if (seed >> 16 & 7)
			put((in + (seed >> 20) % 8) & 0xFFFF);
		if (seed >> 16 & 1)
			in++;
		now_us += 7 * US_PER_MS;
		reorder_expire(reorder, now_us);
	}
	for (unsigned i = 1; i < got_count; i++)
		ck_assert_int_gt((int16_t)(got[i] - got[i - 1]), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reorder");
	TCase *order = tcase_create("order");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, order);
	tcase_add_checked_fixture(order, set_up, tear_down);
	tcase_add_test(order, what_is_in_order_goes_through_at_once);
	tcase_add_test(order, an_early_packet_waits_for_the_missing_one);
	tcase_add_test(order, what_does_not_come_in_time_is_lost);
	tcase_add_test(order, a_duplicate_is_given_out_once);
	tcase_add_test(order, without_latency_nothing_is_waited_for);
	tcase_add_test(order, a_gap_that_is_too_wide_is_not_waited_for);
	tcase_add_test(
	    order, another_row_of_numbers_needs_two_packets_in_a_row);
	tcase_add_test(order, another_source_needs_two_packets_in_a_row);
	tcase_add_test(order, behind_a_seek_what_was_before_is_left_out);
	tcase_add_test(order, at_the_end_everything_goes_out);
	tcase_add_test(order, a_report_tells_of_loss_since_the_last_one);
	tcase_add_test(order, a_report_names_the_last_sender_report);
	tcase_add_test(order, jitter_is_the_mean_of_differences);
	tcase_add_loop_test(order, any_mixture_comes_out_in_order, 0, 50);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
