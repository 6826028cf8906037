/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_sender - rules of what leaves when.  The lane, its sockets and titles
 * are real; the clock is the test's own: a turn of the sender is told what time
 * it is, so that a stall of seconds takes no time.
 */
#include "server/sender.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "asf_build.h"
#include "base/base.h"
#include "lane.h"

#define PACKET 1000
#define PACKETS 700
#define PACKET_MS 20
#define TICK_US (10 * US_PER_MS)
#define BEGIN_US (UINT64_C(1) << 40)
#define PAYLOAD_BYTES 800

static struct test_lane test;
static struct test_client client;
static struct sock_pair receiver;
static char folder[64];
static uint64_t now_us;

/* What was sent: of each packet, when, and its send time. */
static struct {
	uint64_t at_us;
	uint32_t send_ms;
} sent[PACKETS + 1];
static unsigned sent_count;
static uint16_t first_sequence;

/* --- the kernel's queue --------------------------------------------------- */

/* Loopback takes every datagram: what a slow link refuses ends here. */
static size_t room = SIZE_MAX;

int
sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	int done;

	if (room == 0) {
		errno = EAGAIN;
		return -1;
	}
	done = (int)syscall(
	    SYS_sendmmsg, fd, messages, (unsigned)MIN_OF(count, room), flags);
	if (done > 0 && room != SIZE_MAX)
		room -= (size_t)done;
	return done;
}

/* --- title and session ---------------------------------------------------- */

/* Behind packet GAP nothing is sent for so long. */
#define GAP 100
static uint32_t gap_ms;

static uint32_t
send_ms_of(unsigned packet)
{
	return packet * PACKET_MS + (packet > GAP ? gap_ms : 0);
}

/*
 * Video 1, one packet each 20 ms: 400 kbit/s, 14 s.  Packet WRONG says that it
 * is sent at WRONG_MS.
 */
static void
store_title(unsigned wrong, uint32_t wrong_ms)
{
	struct build_properties properties = { .packets = PACKETS,
		.preroll_ms = 1000,
		.flags = 2,
		.least = PACKET,
		.most = PACKET };
	struct build build = build_new();
	size_t began = build_header_begin(&build);

	build_file_properties(&build, &properties);
	build_video(&build, 1);
	build_end(&build, began);
	build_data_begin(&build, 50 + PACKETS * PACKET, PACKETS);
	for (unsigned i = 0; i < PACKETS; i++) {
		struct build_payload payload = { 0x81, i, 0, PAYLOAD_BYTES,
			send_ms_of(i) + 1000, PAYLOAD_BYTES };

		build_packet(&build, PACKET,
		    i == wrong ? wrong_ms : send_ms_of(i), PACKET_MS, &payload,
		    1);
	}
	test_folder_store(folder, "title.wmv", build.data, build.at);
	free(build.data);
}

static void
begin(void)
{
	static const int size = 8 << 20;

	room = SIZE_MAX;
	gap_ms = 0;
	test_folder_make(folder);
	store_title(0, 0);
	test_lane_begin(&test, folder);
	test_client_open(&client, &test, AF_INET);
	ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &receiver), 0);
	/* As an ordinary user as much as there may be. */
	(void)setsockopt(
	    receiver.rtp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(
	    receiver.rtp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	now_us = BEGIN_US;
	sent_count = 0;
}

static void
end(void)
{
	room = SIZE_MAX;
	test_client_close(&client);
	sock_pair_close(&receiver);
	test_lane_end(&test);
	test_folder_remove(folder);
}

/* Set up by RTSP, then played on our clock. */
static struct session *
play(bool tcp, uint32_t speed_milli)
{
	struct session *session;
	char header[128];

	snprintf(header, sizeof(header),
	    "Transport: RTP/AVP%s;unicast;%s=%u-%u\r\n", tcp ? "/TCP" : "",
	    tcp ? "interleaved" : "client_port", tcp ? 0U : receiver.port,
	    tcp ? 1U : receiver.port + 1U);
	ck_assert_uint_eq(
	    test_client_ask(&client, "SETUP", "title.wmv/stream=1", header),
	    200);
	session = test_client_session(&client);
	ck_assert_ptr_nonnull(session);
	session_play(session, 0, 0, PACKETS, speed_milli);
	session_enter(session, TABLE_SESSION_PLAYING);
	session->hot.base_us = now_us;
	first_sequence = session->hot.flows[0].sequence;
	session_publish(session);
	return session;
}

/* --- receiving ------------------------------------------------------------ */

/* An RTP packet: in order; what is sent again is the same. */
static void
note(const uint8_t *data, size_t size)
{
	const uint8_t *payload;
	struct rtp_header header;
	size_t payload_bytes;
	unsigned number;

	ck_assert(rtp_parse(data, size, &header, &payload, &payload_bytes));
	number = (uint16_t)(header.sequence - first_sequence);
	ck_assert_uint_le(number, sent_count);
	ck_assert_uint_lt(number, PACKETS);
	if (number == sent_count) {
		sent[number].at_us = now_us;
		sent[number].send_ms = header.timestamp;
		sent_count++;
	}
	ck_assert_uint_eq(header.timestamp, sent[number].send_ms);
	ck_assert_uint_gt(payload_bytes, PAYLOAD_BYTES);
	/* The payload's last bytes, as built. */
	ck_assert_uint_eq(
	    payload[payload_bytes - 1], (uint8_t)(PAYLOAD_BYTES - 1));
}

static void
receive_udp(void)
{
	static uint8_t data[65536];
	ssize_t got;

	while ((got = recv(receiver.rtp, data, sizeof(data), MSG_DONTWAIT)) > 0)
		note(data, (size_t)got);
}

/* The packets that the disk has to be waited for are waited for. */
static void
run_sender(struct session *session)
{
	struct pollfd ready = { .fd = reader_fd(test.lane.reader),
		.events = POLLIN };

	sender_run(test.sender, now_us);
	while (waiter_is_waiting(&session->waiter)) {
		ck_assert_int_eq(poll(&ready, 1, 5000), 1);
		reader_collect(test.lane.reader);
		sender_run(test.sender, now_us);
	}
}

/* A tick: what is due by the timer is due. */
static void
tick(struct session *session)
{
	session_set_due(session);
	run_sender(session);
}

static void
tick_until(struct session *session, uint64_t until_us)
{
	for (; now_us < until_us; now_us += TICK_US) {
		tick(session);
		receive_udp();
	}
}

/* --- pace ----------------------------------------------------------------- */

static uint64_t
due_us(unsigned number, uint32_t speed_milli)
{
	return BEGIN_US + UINT64_C(1000000) * number * PACKET_MS / speed_milli;
}

static const uint32_t speeds[] = { 500, 1000, 2000 };

START_TEST(nothing_is_late_nor_earlier_than_send_ahead)
{
	uint64_t ahead_us = test.config.send_ahead_us;
	struct session *session = play(false, speeds[_i]);

	tick_until(session, BEGIN_US + 5 * US_PER_SECOND);
	ck_assert_uint_ge(sent_count, 5U * speeds[_i] / PACKET_MS);
	for (unsigned i = 0; i < sent_count; i++) {
		ck_assert_uint_eq(sent[i].send_ms, i * PACKET_MS);
		ck_assert_uint_le(
		    due_us(i, speeds[_i]), sent[i].at_us + ahead_us);
		ck_assert_uint_le(
		    sent[i].at_us, due_us(i, speeds[_i]) + TICK_US);
	}
	ck_assert_uint_eq(
	    table_counter(test.lane.table, 0, TABLE_LATE_PACKETS), 0);
	ck_assert_uint_eq(
	    table_counter(test.lane.table, 0, TABLE_PACKETS_SENT), sent_count);
	ck_assert_uint_eq(session->hot.packets_sent, sent_count);
}
END_TEST

START_TEST(a_stall_is_caught_up_at_twice_the_rate_and_nothing_is_left_out)
{
	uint64_t ahead_us = test.config.send_ahead_us, late_us;
	uint32_t speed_milli = speeds[_i];
	uint64_t packet_us = PACKET_MS * UINT64_C(1000000) / speed_milli;
	struct session *session = play(false, speed_milli);
	unsigned before, after;

	tick_until(session, BEGIN_US + 2 * US_PER_SECOND);
	before = sent_count;
	now_us += 2 * US_PER_SECOND;
	tick_until(session, now_us + US_PER_SECOND);
	after = sent_count;
	/* In any window no more than twice the rate, and what is ahead. */
	for (unsigned a = before; a < after; a++)
		for (unsigned b = a; b < after; b++)
			ck_assert_uint_le((b - a) * packet_us,
			    2 * (sent[b].at_us - sent[a].at_us + ahead_us +
				    TICK_US) +
				packet_us);
	/* In this second it made up one of the two. */
	late_us = now_us - TICK_US - due_us(after - 1, speed_milli);
	ck_assert_uint_le(late_us, US_PER_SECOND + TICK_US + packet_us);
	tick_until(session, now_us + US_PER_SECOND + 2 * TICK_US);
	after = sent_count;
	tick_until(session, now_us + US_PER_SECOND / 2);
	for (unsigned i = after; i < sent_count; i++)
		ck_assert_uint_le(
		    sent[i].at_us, due_us(i, speed_milli) + TICK_US);
	for (unsigned i = 0; i < sent_count; i++)
		ck_assert_uint_eq(sent[i].send_ms, i * PACKET_MS);
	ck_assert_uint_gt(sent_count, before);
}
END_TEST

START_TEST(who_goes_on_waits_for_his_time_unless_he_is_late)
{
	struct session *session = play(false, 1000);
	uint64_t at_us = clock_monotonic_us() + US_PER_SECOND;

	session_pause(session);
	session->hot.base_us = at_us;
	session_go_on(session);
	ck_assert(!session->due);
	ck_assert(loop_timer_is_set(&session->timer));
	ck_assert_uint_le(session->timer.at_us, at_us);
	ck_assert_uint_ge(session->timer.at_us, at_us - TICK_US);
	session_pause(session);
	session->hot.base_us = at_us - US_PER_SECOND;
	session_go_on(session);
	ck_assert(session->due);
	/* Goodbye is said at once. */
	session_pause(session);
	session->hot.base_us = at_us;
	session->hot.end = TABLE_END_REACHED;
	session_go_on(session);
	ck_assert(session->due);
}
END_TEST

START_TEST(goodbye_follows_the_last_packet_after_a_while)
{
	struct session *session = play(false, 1000);
	uint64_t reached_us;

	session->hot.end_packet = 10;
	while (session->hot.end == TABLE_END_NONE) {
		tick(session);
		receive_udp();
		now_us += TICK_US;
	}
	reached_us = now_us - TICK_US;
	ck_assert_uint_eq(sent_count, 10);
	ck_assert_uint_eq(session->hot.end, TABLE_END_REACHED);
	ck_assert(loop_timer_is_set(&session->timer));
	ck_assert_uint_ge(
	    session->timer.at_us, reached_us + 300 * US_PER_MS - TICK_US);
	tick(session);
	ck_assert_uint_eq(session->hot.end, TABLE_END_SAID);
	receive_udp();
	ck_assert_uint_eq(sent_count, 10);
}
END_TEST

/* Of packet NUMBER, which stands amid right ones, or is the last. */
static const struct wrong_time {
	unsigned number;
	uint32_t send_ms;
} wrong_times[] = { { 100, UINT32_MAX }, { 100, 5000000 }, { 100, 12000 },
	{ 100, 0 }, { 100, 1900 }, { 1, UINT32_MAX }, { 1, 9000 }, { 5, 13000 },
	{ 300, 0 }, { PACKETS - 2, UINT32_MAX }, { PACKETS - 1, UINT32_MAX },
	{ PACKETS - 1, 1000000 } };

START_TEST(a_wrong_send_time_holds_nothing_up)
{
	const struct wrong_time *wrong = &wrong_times[_i];
	uint64_t ahead_us = test.config.send_ahead_us;
	struct session *session;

	store_title(wrong->number, wrong->send_ms);
	session = play(false, 1000);
	/* Then all is due by the timer, which is part of what is asked. */
	tick(session);
	while (sent_count < PACKETS) {
		ck_assert_uint_lt(now_us, due_us(PACKETS, 1000));
		receive_udp();
		now_us += TICK_US;
		if (session->due || session->timer.at_us <= now_us)
			tick(session);
	}
	for (unsigned i = 0; i < PACKETS; i++) {
		bool right = i != wrong->number;

		if (right)
			ck_assert_uint_eq(sent[i].send_ms, i * PACKET_MS);
		ck_assert_uint_le(
		    due_us(right ? i : i - 1, 1000), sent[i].at_us + ahead_us);
		ck_assert_uint_le(sent[i].at_us, due_us(i, 1000) + 2 * TICK_US);
	}
	ck_assert_uint_lt(session->hot.sr_due_ms, PACKETS * PACKET_MS + 5000);
}
END_TEST

/* --- gaps ----------------------------------------------------------------- */

/* Sender reports that came: when, and the time they tell. */
static struct {
	uint64_t at_us;
	uint32_t time_ms;
} reported[64];
static unsigned report_count;

static void
receive_reports(void)
{
	struct rtcp_summary summary;
	uint8_t data[1500];
	ssize_t got;

	while (
	    (got = recv(receiver.rtcp, data, sizeof(data), MSG_DONTWAIT)) > 0) {
		ck_assert(rtcp_parse(data, (size_t)got, &summary));
		if (!summary.has_sender_report)
			continue;
		ck_assert_uint_lt(report_count, ARRAY_LENGTH(reported));
		reported[report_count].at_us = now_us;
		reported[report_count++].time_ms = summary.sr_rtp_timestamp;
	}
}

/* By the timer alone, to UNTIL_US. */
static void
play_until(struct session *session, uint64_t until_us)
{
	for (; now_us < until_us; now_us += TICK_US) {
		if (session->due || session->timer.at_us <= now_us)
			tick(session);
		receive_udp();
		receive_reports();
	}
}

/* In front of the gap two have come: at the beginning, and in it. */
static struct session *
play_into_gap(uint32_t speed_milli)
{
	struct session *session;

	gap_ms = 12000;
	report_count = 0;
	store_title(PACKETS, 0);
	session = play(false, speed_milli);
	session_set_due(session);
	return session;
}

START_TEST(reports_tell_in_a_gap_that_the_session_goes_on)
{
	uint32_t last_ms = send_ms_of(GAP), speed = speeds[_i];
	struct session *session = play_into_gap(speed);
	uint64_t last_us = due_us(GAP, speed);
	/* Each second, and the last one leads up to what is sent. */
	unsigned count = gap_ms / speed;

	play_until(session, last_us + UINT64_C(13000) * 1000 * 1000 / speed);
	ck_assert_uint_gt(sent_count, GAP + 1);
	/* One stood at the beginning. */
	ck_assert_uint_ge(report_count, count);
	for (unsigned i = 1; i < count; i++) {
		uint64_t at_us = last_us + i * US_PER_SECOND;

		ck_assert_uint_eq(reported[i].time_ms, last_ms + i * speed);
		ck_assert_uint_ge(reported[i].at_us + TICK_US, at_us);
		ck_assert_uint_le(reported[i].at_us, at_us + 2 * TICK_US);
	}
	ck_assert_uint_le(report_count, count + 2);
	for (unsigned i = 0; i < sent_count; i++)
		ck_assert_uint_eq(sent[i].send_ms, send_ms_of(i));
}
END_TEST

START_TEST(a_session_that_stood_still_in_a_gap_reports_once)
{
	struct session *session = play_into_gap(1000);
	unsigned before;

	play_until(session, BEGIN_US + 4 * US_PER_SECOND);
	before = report_count;
	now_us += 5 * US_PER_SECOND;
	play_until(session, now_us + US_PER_SECOND / 2);
	ck_assert_uint_eq(report_count, before + 1);
}
END_TEST

START_TEST(who_goes_on_in_a_gap_waits_for_the_rest_of_it)
{
	struct session *session = play_into_gap(1000);
	struct table_session *hot = &session->hot;
	uint32_t now_ms = 9000;

	play_until(session, BEGIN_US + now_ms * US_PER_MS);
	ck_assert_uint_eq(sent_count, GAP + 1);
	ck_assert_uint_ge(hot->position_ms + 1000, now_ms);
	ck_assert_uint_le(hot->position_ms, now_ms);
	session_pause(session);
	now_us += US_PER_SECOND;
	session_play(session, hot->packet, hot->position_ms, PACKETS, 1000);
	hot->base_us = now_us;
	play_until(session,
	    now_us + (send_ms_of(GAP + 1) - now_ms + 1200) * US_PER_MS);
	ck_assert_uint_gt(sent_count, GAP + 1);
}
END_TEST

START_TEST(a_wrong_send_time_is_no_gap)
{
	struct session *session;

	report_count = 0;
	store_title(GAP, 13000);
	session = play(false, 1000);
	session_set_due(session);
	play_until(session, BEGIN_US + 8 * US_PER_SECOND);
	/* At the beginning, and before that packet, with its time. */
	ck_assert_uint_eq(report_count, 2);
}
END_TEST

/* --- a full socket -------------------------------------------------------- */

START_TEST(what_did_not_get_out_is_sent_again)
{
	struct session *session = play(false, 1000);
	struct table_session hot;

	for (unsigned turn = 0; now_us < BEGIN_US + 3 * US_PER_SECOND;
	     turn++, now_us += TICK_US) {
		room = turn % 3 == 0 ? 0 : turn % 3 == 1 ? 1 : SIZE_MAX;
		tick(session);
		receive_udp();
	}
	room = SIZE_MAX;
	tick(session);
	receive_udp();
	for (unsigned i = 0; i < sent_count; i++)
		ck_assert_uint_eq(sent[i].send_ms, i * PACKET_MS);
	ck_assert_uint_ge(sent_count, 3000 / PACKET_MS);
	/* Nothing was counted twice. */
	ck_assert_uint_eq(session->hot.packets_sent, sent_count);
	ck_assert_uint_eq(
	    table_counter(test.lane.table, 0, TABLE_PACKETS_SENT), sent_count);
	ck_assert(table_read(
	    test.lane.table, 0, TABLE_SESSION, session->record, &hot));
	ck_assert_mem_eq(&hot, &session->hot, sizeof(hot));
}
END_TEST

/* More than goes into one batch: the turn ends all the same. */
START_TEST(a_full_socket_does_not_keep_the_turn_from_ending)
{
	struct session *session = play(false, 2000);

	test.config.send_ahead_us = 2 * US_PER_SECOND;
	room = 0;
	tick(session);
	receive_udp();
	ck_assert_uint_eq(sent_count, 0);
	ck_assert_uint_eq(session->hot.packet, 0);
	ck_assert_uint_eq(session->hot.packets_sent, 0);
	ck_assert(loop_timer_is_set(&session->timer));
	room = SIZE_MAX;
	now_us += TICK_US;
	tick(session);
	receive_udp();
	ck_assert_uint_ge(sent_count, 4000 / PACKET_MS);
}
END_TEST

/* --- over TCP ------------------------------------------------------------- */

/* Whole frames of the client's input; media on channel 0. */
static void
receive_tcp(size_t most)
{
	size_t at = 0, bytes;
	ssize_t got;

	client.input_bytes -= client.reply_bytes;
	memmove(client.input, client.input + client.reply_bytes,
	    client.input_bytes);
	client.reply_bytes = 0;
	got = recv(client.fd, client.input + client.input_bytes,
	    MIN_OF(most, TEST_INPUT_BYTES - client.input_bytes), MSG_DONTWAIT);
	if (got > 0)
		client.input_bytes += (size_t)got;
	while (client.input_bytes - at >= 4) {
		bytes =
		    (size_t)client.input[at + 2] << 8 | client.input[at + 3];
		ck_assert_uint_eq(client.input[at], '$');
		if (client.input_bytes - at < 4 + bytes)
			break;
		if (client.input[at + 1] == 0)
			note(client.input + at + 4, bytes);
		at += 4 + bytes;
	}
	client.input_bytes -= at;
	memmove(client.input, client.input + at, client.input_bytes);
}

/* The socket takes little, and the viewer reads at any rate. */
START_TEST(frames_are_whole_however_the_socket_cuts_them)
{
	static const int small = 1;
	unsigned state = 815 + (unsigned)_i;
	struct session *session = play(true, 1000);
	unsigned halves = 0;

	ck_assert_int_eq(setsockopt(session->link->fd, SOL_SOCKET, SO_SNDBUF,
			     &small, sizeof(small)),
	    0);
	test.config.write_timeout_us = 1000 * US_PER_SECOND;
	test.config.send_ahead_us = 2 * US_PER_SECOND;
	while (now_us < BEGIN_US + 6 * US_PER_SECOND) {
		state = state * 1103515245 + 12345;
		session->link->full = false; /* as at EPOLLOUT */
		tick(session);
		halves += session->link->writer != NULL;
		receive_tcp(1 + (state >> 16) % 3000);
		now_us += TICK_US;
	}
	ck_assert_uint_gt(halves, 0);
	for (unsigned i = 0; i < 200; i++) {
		session->link->full = false;
		receive_tcp(SIZE_MAX);
		tick(session);
	}
	for (unsigned i = 0; i < sent_count; i++)
		ck_assert_uint_eq(sent[i].send_ms, i * PACKET_MS);
	ck_assert_uint_gt(sent_count, 100);
	ck_assert_uint_eq(session->hot.packets_sent, sent_count);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sender");
	TCase *pace = tcase_create("pace"), *full = tcase_create("full");
	TCase *tcp = tcase_create("tcp"), *gaps = tcase_create("gaps");
	TCase *cases[] = { pace, gaps, full, tcp };
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
	    pace, nothing_is_late_nor_earlier_than_send_ahead, 0, 3);
	tcase_add_loop_test(pace,
	    a_stall_is_caught_up_at_twice_the_rate_and_nothing_is_left_out, 0,
	    3);
	tcase_add_loop_test(gaps,
	    reports_tell_in_a_gap_that_the_session_goes_on, 0,
	    ARRAY_LENGTH(speeds));
	tcase_add_test(gaps, a_session_that_stood_still_in_a_gap_reports_once);
	tcase_add_test(gaps, who_goes_on_in_a_gap_waits_for_the_rest_of_it);
	tcase_add_test(gaps, a_wrong_send_time_is_no_gap);
	tcase_add_loop_test(pace, a_wrong_send_time_holds_nothing_up, 0,
	    ARRAY_LENGTH(wrong_times));
	tcase_add_test(pace, who_goes_on_waits_for_his_time_unless_he_is_late);
	tcase_add_test(pace, goodbye_follows_the_last_packet_after_a_while);
	tcase_add_test(full, what_did_not_get_out_is_sent_again);
	tcase_add_test(full, a_full_socket_does_not_keep_the_turn_from_ending);
	tcase_add_loop_test(
	    tcp, frames_are_whole_however_the_socket_cuts_them, 0, 5);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		tcase_add_checked_fixture(cases[i], begin, end);
		tcase_set_timeout(cases[i], 20);
		suite_add_tcase(suite, cases[i]);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
