/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record is the session: from a session's two records and the file alone,
 * read by another process at any moment, the next packets are built, and they
 * are those that the viewer gets next, byte for byte.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"
#include "moment.h"

#define FULL_AFTER_US (100 * US_PER_MS)

static struct served served;

static struct built_list built;

static void
thaw(void)
{
	served_thaw(&served);
}

static void
let_go(void)
{
	served_let_go(&served);
}

/* The worker stands still: build COUNT packets, and see them come. */
static void
compare_frozen(struct viewer *viewer, size_t count, void (*go)(void))
{
	struct moment moment;

	moment_read(viewer, &moment);
	if (!viewer->tcp)
		moment_drain(viewer, &moment);
	moment_build(&served, &moment, count, &built);
	go();
	moment_expect(viewer, &moment, &built);
}

static void
compare_now(struct viewer *viewer, size_t count)
{
	served_freeze(&served);
	compare_frozen(viewer, count, thaw);
	ck_assert_uint_eq(built.count, count);
}

/* --- media ---------------------------------------------------------------- */

/* Of packets that are more fragments than the server sends at once. */
static const struct served_film big_film = { .packets = 64,
	.packet_bytes = 60000,
	.every_ms = 200,
	.frame_bytes = 59000,
	.less = 300 };

static void
start(const char *media)
{
	/* A worker that stands still is not replaced. */
	static const char *const settings[] = { "stall_timeout=4 min",
		"payload_limit=512 bytes", "max_speed=16", "send_ahead=0 s",
		NULL };

	served_start(&served, media, settings);
}

static void
start_shipped(void)
{
	char media[PATH_MAX];

	served_folder(&served, NULL);
	snprintf(media, sizeof(media), "%s/media", getenv("srcdir"));
	start(media);
}

static void
start_big(void)
{
	served_folder(&served, NULL);
	served_write_film(&served, "big.wmv", &big_film);
	start(served.folder);
}

static void
end(void)
{
	served_end(&served);
}

/* --- rules ---------------------------------------------------------------- */

static const enum viewer_transport transports[] = { VIEWER_UDP, VIEWER_TCP };

START_TEST(the_next_packets_are_known_before_and_after_a_seek)
{
	struct viewer viewer;

	viewer_open(&viewer, &served, "sample.wmv", transports[_i]);
	viewer_setup(&viewer, 1, 0);
	viewer_setup(&viewer, 2, 1);
	viewer_ask(&viewer, "PLAY", 0, "Range: npt=0-\r\nSpeed: 8\r\n", 200);
	for (unsigned i = 0; i < 4; i++) {
		viewer_take_packets(&viewer, 17);
		compare_now(&viewer, 60);
	}
	viewer_ask(&viewer, "PAUSE", 0, "", 200);
	viewer_ask(&viewer, "PLAY", 0, "Range: npt=9-\r\nSpeed: 8\r\n", 200);
	for (unsigned i = 0; i < 4; i++) {
		viewer_take_packets(&viewer, 1 + 16 * i);
		compare_now(&viewer, 60);
	}
	viewer_close(&viewer);
}
END_TEST

/* The first packet, from the record's on, that reports stand before. */
static uint32_t
packet_of_reports(const struct moment *moment)
{
	struct title *title = moment_title(&served, moment);
	uint32_t packet = moment->hot.packet, send_ms = 0;

	for (; send_ms < moment->hot.sr_due_ms; packet++)
		ck_assert_int_eq(title_send_ms(title, packet, &send_ms), 0);
	title_close(title);
	return packet - 1;
}

/* Stop where reports come next; where that packet goes out with others there
 * is another a few seconds later. */
static void
freeze_before_reports(struct viewer *viewer)
{
	struct moment moment;
	uint32_t wanted;

	moment_read(viewer, &moment);
	wanted = packet_of_reports(&moment);
	while (moment.hot.packet != wanted) {
		viewer_take_packets(viewer, 1);
		moment_read(viewer, &moment);
		if (moment.hot.packet > wanted)
			wanted = packet_of_reports(&moment);
		if (moment.hot.packet != wanted)
			continue;
		served_freeze(&served);
		moment_read(viewer, &moment);
		if (moment.hot.packet != wanted)
			served_thaw(&served);
	}
	ck_assert_uint_eq(moment.hot.item, 0);
}

START_TEST(a_report_that_stands_before_a_packet_is_known)
{
	struct viewer viewer;

	viewer_open(&viewer, &served, "lecture.wmv", transports[_i]);
	viewer_setup(&viewer, 1, 0);
	viewer_setup(&viewer, 2, 1);
	viewer_ask(&viewer, "PLAY", 0, "Range: npt=30-\r\nSpeed: 8\r\n", 200);
	/* On a loaded machine the worker may stop a packet later. */
	for (unsigned i = 0; i < 4; i++) {
		viewer_take_packets(&viewer, 5);
		freeze_before_reports(&viewer);
		compare_frozen(&viewer, 12, thaw);
		if (built.at[0].rtcp)
			break;
	}
	ck_assert(built.at[0].rtcp);
	viewer_close(&viewer);
}
END_TEST

static bool
plays(void *context)
{
	struct moment moment;

	moment_read(context, &moment);
	return moment.hot.session_state == TABLE_SESSION_PLAYING;
}

/* Some clients get a packet that brings them into step behind a jump. */
static const char *const agents[] = { "record", "Lavf59.27.100" };

/* Published, and neither the reply nor a packet has left. */
START_TEST(the_first_packet_behind_a_jump_is_known_before_the_reply)
{
	struct moment moment;
	struct viewer viewer;
	size_t came;

	viewer_open(&viewer, &served, "sample.wmv", transports[_i / 2]);
	viewer.agent = agents[_i % 2];
	viewer_setup(&viewer, 1, 0);
	viewer_setup(&viewer, 2, 1);
	viewer_ask(&viewer, "PLAY", 0, "Range: npt=0-\r\n", 200);
	viewer_take_packets(&viewer, 20);
	viewer_ask(&viewer, "PAUSE", 0, "", 200);
	moment_read(&viewer, &moment);
	moment_drain(&viewer, &moment);
	came = viewer.packet_count;
	if (!served_trace(&served)) {
		fputs("record: may not trace, left out\n", stderr);
		viewer_close(&viewer);
		return;
	}
	viewer_send(&viewer, "PLAY", 0, "Range: npt=12-\r\n");
	served_run_until(&served, plays, &viewer);
	(void)viewer_take(&viewer, 0);
	ck_assert_uint_eq(viewer.packet_count, came);
	ck_assert_uint_lt(viewer.replies, viewer.sequence);
	moment_read(&viewer, &moment);
	ck_assert_int_eq(moment.hot.item, 0);
	ck_assert((moment.cold.quirks != 0) == (_i % 2 == 1));
	compare_frozen(&viewer, 40, let_go);
	ck_assert(built.at[0].rtcp);
	viewer_close(&viewer);
}
END_TEST

static bool
in_a_packet(void *context)
{
	struct moment moment;

	moment_read(context, &moment);
	return moment.hot.session_state == TABLE_SESSION_PLAYING &&
	       moment.hot.item > 0;
}

/*
 * Over UDP the record stands there between two batches of one turn only: the
 * worker is caught at a system call.
 */
START_TEST(the_next_fragment_of_a_packet_is_known_over_udp)
{
	struct viewer viewer;
	struct moment moment;

	viewer_open(&viewer, &served, "big.wmv", VIEWER_UDP);
	viewer_setup(&viewer, 1, 0);
	viewer_ask(&viewer, "PLAY", 0, "Range: npt=0-\r\nSpeed: 4\r\n", 200);
	for (unsigned i = 0; i < 4; i++) {
		if (i == 2) {
			viewer_ask(&viewer, "PAUSE", 0, "", 200);
			viewer_ask(&viewer, "PLAY", 0,
			    "Range: npt=2-\r\nSpeed: 4\r\n", 200);
		}
		viewer_take_packets(&viewer, 20);
		if (!served_trace(&served)) {
			fputs("record: may not trace, left out\n", stderr);
			break;
		}
		served_run_until(&served, in_a_packet, &viewer);
		moment_read(&viewer, &moment);
		compare_frozen(&viewer, 100, let_go);
		/* Not the first fragment: its offset says so. */
		ck_assert_mem_ne(
		    built.at[0].bytes + RTP_HEADER_BYTES + 1, "\0\0\0", 3);
	}
	viewer_close(&viewer);
}
END_TEST

/* Media is overdue: the socket takes no more. */
static void
wait_until_full(const struct viewer *viewer)
{
	struct moment moment;
	struct title *title;
	uint32_t send_ms;

	do {
		usleep(1000);
		moment_read(viewer, &moment);
		title = moment_title(&served, &moment);
		ck_assert_int_eq(
		    title_send_ms(title, moment.hot.packet, &send_ms), 0);
		title_close(title);
	} while (stream_due_us(&moment.hot, send_ms) + FULL_AFTER_US >
		 clock_monotonic_us());
}

/* A viewer who does not read stops the server within a frame. */
START_TEST(the_rest_of_half_a_frame_is_known)
{
	struct viewer viewer;
	struct moment moment;
	unsigned halves = 0, fragments = 0;

	viewer_open(&viewer, &served, "big.wmv", VIEWER_TCP_NARROW);
	viewer_setup(&viewer, 1, 0);
	viewer_ask(&viewer, "PLAY", 0, "Range: npt=0-\r\nSpeed: 16\r\n", 200);
	for (unsigned i = 0; i < 4; i++) {
		if (i == 2) {
			viewer_ask(&viewer, "PAUSE", 0, "", 200);
			viewer_ask(&viewer, "PLAY", 0,
			    "Range: npt=1-\r\nSpeed: 16\r\n", 200);
		}
		viewer_take_packets(&viewer, 5);
		wait_until_full(&viewer);
		served_freeze(&served);
		moment_read(&viewer, &moment);
		moment_drain(&viewer, &moment);
		halves += viewer.stream_bytes > moment_boundary(&moment);
		fragments += moment.hot.item > 0;
		compare_frozen(&viewer, 30, thaw);
	}
	ck_assert_uint_gt(halves, 0);
	ck_assert_uint_gt(fragments, 0);
	viewer_close(&viewer);
}
END_TEST

/* Frames of two sessions never mix; the connection's record says whose ... */
START_TEST(of_two_sessions_on_a_connection_the_writer_is_known)
{
	struct viewer viewer;
	struct moment moments[2], *writer;
	char sessions[2][64];
	unsigned halves = 0;

	viewer_open(&viewer, &served, "big.wmv", VIEWER_TCP_NARROW);
	for (unsigned i = 0; i < 2; i++) {
		viewer_forget_session(&viewer);
		viewer_setup(&viewer, 1, i);
		strcpy(sessions[i], viewer.session);
	}
	for (unsigned i = 0; i < 2; i++) {
		strcpy(viewer.session, sessions[i]);
		viewer_send(
		    &viewer, "PLAY", 0, "Range: npt=0-\r\nSpeed: 16\r\n");
	}
	viewer_wait_reply(&viewer, 200);
	for (unsigned i = 0; i < 4; i++) {
		viewer_take_packets(&viewer, 60);
		wait_until_full(&viewer);
		served_freeze(&served);
		for (unsigned j = 0; j < 2; j++) {
			strcpy(viewer.session, sessions[j]);
			moment_read(&viewer, &moments[j]);
		}
		writer = moments;
		strcpy(viewer.session, sessions[0]);
		if (moments[0].connection.writer != viewer_record(&viewer)) {
			strcpy(viewer.session, sessions[1]);
			writer++;
		}
		ck_assert_uint_eq(
		    writer->connection.writer, viewer_record(&viewer));
		moment_drain(&viewer, writer);
		/* Behind a whole frame it may be the other one's turn. */
		if (viewer.stream_bytes == moment_boundary(writer)) {
			thaw();
			continue;
		}
		halves++;
		/* ... follow; how many of them is a matter of time. */
		moment_build(&served, writer, 1, &built);
		thaw();
		for (unsigned j = 0; j < built.count; j++)
			built.at[j].flow = (unsigned)(writer - moments);
		moment_expect(&viewer, writer, &built);
	}
	ck_assert_uint_gt(halves, 0);
	viewer_close(&viewer);
}
END_TEST

START_TEST(every_request_moves_the_deadline_in_the_record)
{
	struct moment before, after;
	struct viewer viewer;
	uint64_t asked_us;

	viewer_open(&viewer, &served, "lecture.wmv", VIEWER_UDP);
	viewer_setup(&viewer, 1, 0);
	viewer_ask(&viewer, "PLAY", 0, "Range: npt=0-\r\n", 200);
	viewer_ask(&viewer, "PAUSE", 0, "", 200);
	moment_read(&viewer, &before);
	usleep(50 * 1000);
	asked_us = clock_monotonic_us();
	viewer_ask(&viewer, "GET_PARAMETER", 0, "", 200);
	moment_read(&viewer, &after);
	ck_assert_uint_ge(
	    after.hot.deadline_us, before.hot.deadline_us + 40 * US_PER_MS);
	/* The loop's time is that of its turn: hardly before we asked. */
	ck_assert_uint_ge(after.hot.deadline_us + 20 * US_PER_MS,
	    asked_us + 60 * US_PER_SECOND);
	viewer_close(&viewer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("record");
	TCase *shipped = tcase_create("shipped titles");
	TCase *big = tcase_create("titles of large packets");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(shipped, start_shipped, end);
	tcase_set_timeout(shipped, 60);
	tcase_add_loop_test(
	    shipped, the_next_packets_are_known_before_and_after_a_seek, 0, 2);
	tcase_add_loop_test(
	    shipped, a_report_that_stands_before_a_packet_is_known, 0, 2);
	tcase_add_loop_test(shipped,
	    the_first_packet_behind_a_jump_is_known_before_the_reply, 0, 4);
	tcase_add_test(shipped, every_request_moves_the_deadline_in_the_record);
	suite_add_tcase(suite, shipped);
	tcase_add_checked_fixture(big, start_big, end);
	tcase_set_timeout(big, 60);
	tcase_add_test(big, the_next_fragment_of_a_packet_is_known_over_udp);
	tcase_add_test(big, the_rest_of_half_a_frame_is_known);
	tcase_add_test(
	    big, of_two_sessions_on_a_connection_the_writer_is_known);
	suite_add_tcase(suite, big);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
