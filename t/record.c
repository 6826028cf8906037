/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record is the session: from a session's two records and the file alone,
 * read by another process at any moment, the next packets are built, and they
 * are those that the viewer gets next, byte for byte.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"
#include "media/title.h"
#include "served.h"
#include "server/stream.h"
#include "unit/asf_build.h"

#define BUILT_MAX 160
#define BUILT_BYTES (4 + RTP_HEADERS_BYTES + 8948)
/* A title whose packets are more fragments than the server sends at once. */
#define BIG_PACKET 60000u
#define BIG_PACKETS 64u
#define BIG_EVERY_MS 200u
#define FULL_AFTER_US (100 * US_PER_MS)

static struct served served;

/* What another process sees of a session. */
struct moment {
	struct table_session hot;
	struct table_session_cold cold;
	struct table_title title;
	struct table_connection connection;
};

static struct built {
	unsigned flow;
	bool rtcp;
	size_t size;
	uint8_t bytes[BUILT_BYTES];
} built[BUILT_MAX];
static size_t built_count;

static void
read_moment(uint32_t record, struct moment *out)
{
	ck_assert(
	    table_read(served.table, 0, TABLE_SESSION, record, &out->hot));
	ck_assert(table_read(
	    served.table, 0, TABLE_SESSION_COLD, record, &out->cold));
	ck_assert(table_read(
	    served.table, 0, TABLE_TITLE, out->cold.title, &out->title));
	ck_assert(table_read(served.table, 0, TABLE_CONNECTION,
	    out->cold.connection, &out->connection));
	ck_assert_uint_eq(out->hot.state, TABLE_USED);
}

/*
 * Where the session's next frame begins in what the connection carries: where
 * its own last one ended, or behind the replies that followed it.
 */
static uint64_t
boundary(const struct moment *moment)
{
	return MAX_OF(moment->hot.out_done,
	    moment->connection.out_done + moment->connection.outbox_bytes);
}

/* The file that the record names, and it is the one that was opened. */
static struct title *
open_title(const struct moment *moment)
{
	const struct title_identity *identity;
	int root = open(served.media, O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum asf_result reason;
	struct title *title;

	ck_assert_int_eq(
	    title_open(root, moment->title.path, &title, &reason), 0);
	close(root);
	identity = title_identity(title);
	ck_assert_uint_eq(identity->inode, moment->title.inode);
	ck_assert_uint_eq(identity->bytes, moment->title.bytes);
	ck_assert_uint_eq(
	    identity->change_time_us, moment->title.change_time_us);
	return title;
}

static void
take_item(const struct stream_item *item)
{
	struct built *next = &built[built_count++];
	uint8_t *at = next->bytes;

	ck_assert_uint_le(stream_item_bytes(item), sizeof(next->bytes));
	next->flow = item->flow;
	next->rtcp = item->rtcp;
	next->size = stream_item_bytes(item);
	memcpy(at, item->head, item->head_bytes);
	at += item->head_bytes;
	if (item->body_bytes > 0)
		memcpy(at, item->body, item->body_bytes);
	if (item->padding > 0) { /* RFC 3550 5.1 */
		memset(at + item->body_bytes, 0, item->padding);
		next->bytes[next->size - 1] = item->padding;
	}
}

/* The next LIMIT packets and reports of a session, fewer at the end. */
static void
build(const struct moment *moment, size_t limit)
{
	static uint8_t heads[BUILT_MAX * STREAM_HEAD_MAX];
	static uint8_t copies[(TABLE_FLOWS_MAX + 1) *
			      (ASF_PACKET_MOST + ASF_REWRITE_ROOM)];
	static uint8_t room[ASF_REWRITE_ROOM + ASF_PACKET_MOST];
	struct stream_item items[BUILT_MAX];
	struct stream_output output = { .items = items,
		.heads = heads,
		.heads_size = sizeof(heads),
		.copies = copies,
		.copies_size = sizeof(copies) };
	struct table_session hot = moment->hot;
	struct title *title = open_title(moment);
	uint32_t bytes = title_packet_bytes(title), send_ms;
	uint8_t *packet = room + ASF_REWRITE_ROOM;

	built_count = 0;
	while (built_count < limit && hot.packet < hot.end_packet) {
		ck_assert_int_eq(
		    title_read_packets(title, hot.packet, 1, packet, bytes), 1);
		ck_assert_int_eq(
		    asf_packet_send_time(packet, bytes, &send_ms), ASF_OK);
		stream_output_reset(&output);
		output.item_limit = limit - built_count;
		(void)stream_emit(
		    &hot, &moment->cold, packet, bytes, send_ms, &output);
		for (size_t i = 0; i < output.item_count; i++)
			take_item(&items[i]);
	}
	title_close(title);
}

/* --- what arrives --------------------------------------------------------- */

static uint16_t
sequence_of(const uint8_t *packet)
{
	return (uint16_t)(packet[2] << 8 | packet[3]);
}

/* RTP by its sequence number, a report by its RTP timestamp. */
static bool
means_the_same(const struct built *wanted, const struct viewer_packet *packet)
{
	if (packet->flow != wanted->flow || packet->rtcp != wanted->rtcp)
		return false;
	if (!wanted->rtcp)
		return sequence_of(packet->bytes) == sequence_of(wanted->bytes);
	return packet->size == wanted->size &&
	       memcmp(packet->bytes + 16, wanted->bytes + 16, 4) == 0;
}

static const struct viewer_packet *
find_arrived(const struct viewer *viewer, const struct built *wanted)
{
	for (size_t i = viewer->packet_count; i-- > 0;)
		if (means_the_same(wanted, &viewer->packets[i]))
			return &viewer->packets[i];
	return NULL;
}

static void
expect_datagrams(struct viewer *viewer)
{
	for (size_t i = 0; i < built_count; i++) {
		const struct viewer_packet *packet;

		while ((packet = find_arrived(viewer, &built[i])) == NULL)
			viewer_take_packets(viewer, 1);
		ck_assert_uint_eq(packet->size, built[i].size);
		ck_assert_mem_eq(packet->bytes, built[i].bytes, packet->size);
	}
}

/* Nothing lies between what came and what was built. */
static void
expect_no_gap(const struct viewer *viewer, const struct moment *moment)
{
	for (unsigned flow = 0; flow < moment->hot.flow_count; flow++) {
		const struct viewer_packet *last = NULL;

		for (size_t i = 0; i < viewer->packet_count; i++)
			if (viewer->packets[i].flow == flow &&
			    !viewer->packets[i].rtcp)
				last = &viewer->packets[i];
		if (last == NULL)
			continue;
		/* Behind it, or before it: sent and not yet published. */
		ck_assert_int_le((int16_t)(moment->hot.flows[flow].sequence -
					   sequence_of(last->bytes)),
		    1);
	}
}

/* From the boundary that the record names, frame behind frame. */
static void
expect_frames(struct viewer *viewer, const struct moment *moment)
{
	uint64_t at = boundary(moment);

	for (size_t i = 0; i < built_count; i++) {
		while (viewer->stream_bytes < at + built[i].size)
			viewer_take_packets(viewer, 1);
		ck_assert_mem_eq(
		    viewer->stream + at, built[i].bytes, built[i].size);
		at += built[i].size;
	}
}

/*
 * The worker stands still: what it has sent arrives.  Over TCP up to the
 * boundary, and one byte more if there is one.
 */
static void
drain(struct viewer *viewer, const struct moment *moment)
{
	uint64_t until = viewer->tcp ? boundary(moment) : 0;

	while (viewer->tcp && viewer->stream_bytes < until)
		ck_assert(viewer_take(viewer, SERVED_PATIENCE_MS));
	while (viewer_take(viewer, viewer->tcp ? 100 : 0) &&
	       !(viewer->tcp && viewer->stream_bytes > until))
		;
}

/* The worker stands still: build COUNT packets, and see them come. */
static void
compare_frozen(struct viewer *viewer, size_t count, void (*go)(void))
{
	struct moment moment;

	read_moment(viewer_record(viewer), &moment);
	if (!viewer->tcp) {
		drain(viewer, &moment);
		expect_no_gap(viewer, &moment);
	}
	build(&moment, count);
	go();
	if (viewer->tcp)
		expect_frames(viewer, &moment);
	else
		expect_datagrams(viewer);
}

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

static void
compare_now(struct viewer *viewer, size_t count)
{
	served_freeze(&served);
	compare_frozen(viewer, count, thaw);
	ck_assert_uint_eq(built_count, count);
}

/* --- media ---------------------------------------------------------------- */

/* One frame of video in each packet, cut into payloads of 64 KiB at most. */
static void
write_big_title(void)
{
	struct build_properties properties = { .packets = BIG_PACKETS,
		.play_100ns = BIG_PACKETS * BIG_EVERY_MS * UINT64_C(10000),
		.flags = 2,
		.least = BIG_PACKET,
		.most = BIG_PACKET };
	struct build media = build_new();
	size_t began = build_header_begin(&media);

	build_file_properties(&media, &properties);
	build_video(&media, 1);
	build_end(&media, began);
	build_data_begin(
	    &media, 50 + BIG_PACKETS * (uint64_t)BIG_PACKET, BIG_PACKETS);
	for (unsigned i = 0; i < BIG_PACKETS; i++) {
		unsigned bytes = 59000 - 300 * i;
		struct build_payload payload = { 0x81, i, 0, bytes,
			i * BIG_EVERY_MS, bytes };

		build_packet(
		    &media, BIG_PACKET, i * BIG_EVERY_MS, 0, &payload, 1);
	}
	served_write(&served, "big.wmv", media.data, media.at);
	free(media.data);
}

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
	write_big_title();
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
	struct title *title = open_title(moment);
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

	read_moment(viewer_record(viewer), &moment);
	wanted = packet_of_reports(&moment);
	while (moment.hot.packet != wanted) {
		viewer_take_packets(viewer, 1);
		read_moment(viewer_record(viewer), &moment);
		if (moment.hot.packet > wanted)
			wanted = packet_of_reports(&moment);
		if (moment.hot.packet != wanted)
			continue;
		served_freeze(&served);
		read_moment(viewer_record(viewer), &moment);
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
	viewer_take_packets(&viewer, 5);
	freeze_before_reports(&viewer);
	compare_frozen(&viewer, 12, thaw);
	ck_assert(built[0].rtcp);
	viewer_close(&viewer);
}
END_TEST

static bool
plays(void *context)
{
	struct moment moment;

	read_moment(viewer_record(context), &moment);
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
	read_moment(viewer_record(&viewer), &moment);
	drain(&viewer, &moment);
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
	read_moment(viewer_record(&viewer), &moment);
	ck_assert_int_eq(moment.hot.item, 0);
	ck_assert((moment.cold.spare_stream != 0) == (_i % 2 == 1));
	compare_frozen(&viewer, 40, let_go);
	ck_assert(built[0].rtcp);
	viewer_close(&viewer);
}
END_TEST

static bool
in_a_packet(void *context)
{
	struct moment moment;

	read_moment(viewer_record(context), &moment);
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
		read_moment(viewer_record(&viewer), &moment);
		compare_frozen(&viewer, 100, let_go);
		/* Not the first fragment: its offset says so. */
		ck_assert_mem_ne(
		    built[0].bytes + RTP_HEADER_BYTES + 1, "\0\0\0", 3);
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
		read_moment(viewer_record(viewer), &moment);
		title = open_title(&moment);
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
		read_moment(viewer_record(&viewer), &moment);
		drain(&viewer, &moment);
		halves += viewer.stream_bytes > boundary(&moment);
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
			read_moment(viewer_record(&viewer), &moments[j]);
		}
		writer = moments;
		strcpy(viewer.session, sessions[0]);
		if (moments[0].connection.writer != viewer_record(&viewer)) {
			strcpy(viewer.session, sessions[1]);
			writer++;
		}
		ck_assert_uint_eq(
		    writer->connection.writer, viewer_record(&viewer));
		drain(&viewer, writer);
		halves += viewer.stream_bytes > boundary(writer);
		/* ... follow; how many of them is a matter of time. */
		build(writer, 1);
		thaw();
		for (unsigned j = 0; j < built_count; j++)
			built[j].flow = (unsigned)(writer - moments);
		expect_frames(&viewer, writer);
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
	read_moment(viewer_record(&viewer), &before);
	usleep(50 * 1000);
	asked_us = clock_monotonic_us();
	viewer_ask(&viewer, "GET_PARAMETER", 0, "", 200);
	read_moment(viewer_record(&viewer), &after);
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
