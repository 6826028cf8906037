/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_adopt - rules of what goes on behind the death of a worker, and what it
 * costs whom.  The lane is real and lives on in this process: who dies forgets
 * all that is not in the table, and descriptors come back from the channel as a
 * master would keep them.  Death at any instruction is t/kill_points' matter.
 */
#include "server/adopt.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "lane.h"
#include "server/blame.h"
#include "server/connection.h"

#define TITLE "sample.wmv" /* audio and video */
#define UDP_1 "Transport: RTP/AVP;unicast;client_port=40000-40001\r\n"
#define TCP_1 "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
#define TCP_2 "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n"
#define SLOTS 64
#define DEATHS_MAX 4

static struct test_lane test;
static struct test_client one, other;
static struct adopt_given stored[SLOTS]; /* as the master keeps them */
static struct titles *forgotten[DEATHS_MAX];
static unsigned deaths;

static void
begin(void)
{
	test_lane_begin(&test, NULL);
	for (unsigned i = 0; i < SLOTS; i++)
		stored[i].fd = -1;
	deaths = 0;
	test_client_open(&one, &test, AF_INET);
	test_client_open(&other, &test, AF_INET);
}

static void
end(void)
{
	test_client_close(&one);
	test_client_close(&other);
	test_lane_end(&test);
	while (deaths > 0)
		titles_free(forgotten[--deaths]);
	for (unsigned i = 0; i < SLOTS; i++)
		if (stored[i].fd != -1)
			close(stored[i].fd);
}

static void
take_stored(void)
{
	struct fdstore_message message;
	int fd;

	while (fdstore_receive(test.master, &message, &fd) == 1) {
		struct adopt_given *slot = &stored[message.connection];

		ck_assert_uint_lt(message.connection, SLOTS);
		if (slot->fd != -1)
			close(slot->fd);
		*slot = (struct adopt_given){ message.cookie, fd };
	}
}

/* What is asked of readers comes back to who asked. */
static bool
readers_are_idle(void *context)
{
	const struct lane *lane = context;

	for (uint32_t i = 0; i < lane->session_slots; i++)
		if (lane->sessions[i] != NULL &&
		    titles_ready(lane->sessions[i]->title, NULL) ==
			-EINPROGRESS)
			return false;
	return true;
}

static void
die(void)
{
	struct lane *lane = &test.lane;

	ck_assert(test_lane_until(&test, readers_are_idle, lane));
	for (uint32_t i = 0; i < lane->connection_slots; i++)
		if (lane->connections[i] != NULL)
			connection_leave(lane->connections[i]);
	take_stored();
	ck_assert_uint_lt(deaths, DEATHS_MAX);
	forgotten[deaths++] = lane->titles;
	ck_assert_int_eq(titles_new(lane, &lane->titles), 0);
}

static void
come_after(bool fault)
{
	struct adopt_given given[SLOTS];

	for (unsigned i = 0; i < SLOTS; i++)
		given[i] = (struct adopt_given){ stored[i].cookie,
			stored[i].fd == -1 ? -1 : dup(stored[i].fd) };
	ck_assert_int_eq(table_lane_open(test.lane.table, 0), 0);
	adopt_lane(&test.lane, given, fault);
	adopt_go_on(&test.lane);
}

static void
be_replaced(bool fault)
{
	die();
	come_after(fault);
}

static unsigned
ask(struct test_client *client, const char *method, const char *headers)
{
	return test_client_ask(client, method,
	    strcmp(method, "SETUP") == 0 ? TITLE "/stream=1" : TITLE, headers);
}

static void
watch(struct test_client *client, const char *transport)
{
	ck_assert_uint_eq(ask(client, "SETUP", transport), 200);
	ck_assert_uint_eq(ask(client, "PLAY", ""), 200);
}

static uint64_t
counter(enum table_counter which)
{
	return table_counter(test.lane.table, 0, which);
}

static bool
has_sent(void *context)
{
	(void)context;
	return counter(TABLE_PACKETS_SENT) > 0;
}

static bool
has_one_connection(void *context)
{
	(void)context;
	return counter(TABLE_CONNECTIONS) == 1;
}

/* --- what goes on --------------------------------------------------------- */

START_TEST(a_connection_without_a_session_goes_on)
{
	ck_assert_uint_eq(ask(&one, "OPTIONS", ""), 200);
	be_replaced(false);
	ck_assert_uint_eq(ask(&one, "OPTIONS", ""), 200);
	ck_assert_uint_eq(ask(&other, "OPTIONS", ""), 200);
	ck_assert_uint_eq(counter(TABLE_CONNECTIONS), 2);
}
END_TEST

START_TEST(a_request_half_sent_is_answered_by_the_successor)
{
	test_client_text(&one, "OPTIONS * RTSP/1.0\r\nCS");
	test_lane_pass(&test, 20 * US_PER_MS);
	be_replaced(false);
	test_lane_pass(&test, 20 * US_PER_MS);
	test_client_text(&one, "eq: 7\r\n\r\nOPTIONS * RTSP/1.0\r\n"
			       "CSeq: 8\r\n\r\n");
	ck_assert_uint_eq(test_client_reply(&one), 200);
	ck_assert_uint_eq(one.reply.cseq, 7);
	ck_assert_uint_eq(test_client_reply(&one), 200);
	ck_assert_uint_eq(one.reply.cseq, 8);
}
END_TEST

START_TEST(a_request_sent_while_nobody_listened_is_answered)
{
	die();
	test_client_text(&one, "OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n");
	come_after(false);
	ck_assert_uint_eq(test_client_reply(&one), 200);
	ck_assert_uint_eq(one.reply.cseq, 9);
}
END_TEST

/* Frames on channel 0 follow each other without gap; how many there are. */
static unsigned
check_frames(const struct test_client *client, unsigned *sequence)
{
	unsigned count = 0;
	size_t at = 0;

	while (at + 4 + 12 <= client->input_bytes) {
		const uint8_t *frame = client->input + at;
		size_t bytes = 4 + ((size_t)frame[2] << 8 | frame[3]);
		unsigned number = (unsigned)frame[6] << 8 | frame[7];

		ck_assert_uint_eq(frame[0], '$');
		if (at + bytes > client->input_bytes)
			break;
		at += bytes;
		if (frame[1] != 0)
			continue;
		if (*sequence != 0)
			ck_assert_uint_eq(number, *sequence + 1);
		*sequence = number;
		count++;
	}
	return count;
}

START_TEST(frames_follow_each_other_behind_deaths)
{
	unsigned sequence = 0, count;

	watch(&one, TCP_1);
	one.input_bytes -= one.reply_bytes;
	memmove(one.input, one.input + one.reply_bytes, one.input_bytes);
	one.reply_bytes = 0;
	for (unsigned i = 0; i < DEATHS_MAX - 1; i++) {
		test_lane_pass(&test, 150 * US_PER_MS);
		be_replaced(false);
	}
	test_lane_pass(&test, 300 * US_PER_MS);
	while (test_client_receive(&one))
		;
	count = check_frames(&one, &sequence);
	ck_assert_uint_gt(count, 20);
	ck_assert_uint_eq(ask(&one, "TEARDOWN", ""), 200);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
}
END_TEST

START_TEST(counts_are_made_anew_and_sums_go_on)
{
	uint64_t committed_bps, sent;

	watch(&one, UDP_1);
	ck_assert(test_lane_until(&test, has_sent, NULL));
	committed_bps = counter(TABLE_COMMITTED_BPS);
	sent = counter(TABLE_PACKETS_SENT);
	ck_assert_uint_gt(committed_bps, 0);
	ck_assert_uint_gt(sent, 0);
	table_counter_set(test.lane.table, 0, TABLE_SESSIONS, 77);
	table_counter_set(test.lane.table, 0, TABLE_COMMITTED_BPS, 77);
	be_replaced(false);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 1);
	ck_assert_uint_eq(counter(TABLE_CONNECTIONS), 2);
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), committed_bps);
	ck_assert_uint_ge(counter(TABLE_PACKETS_SENT), sent);
}
END_TEST

START_TEST(a_paused_session_plays_on_where_it_stood)
{
	uint32_t packet;

	watch(&one, UDP_1);
	test_lane_pass(&test, 100 * US_PER_MS);
	ck_assert_uint_eq(ask(&one, "PAUSE", ""), 200);
	packet = test_client_session(&one)->hot.packet;
	be_replaced(false);
	test_lane_pass(&test, 50 * US_PER_MS);
	ck_assert_uint_eq(test_client_session(&one)->hot.packet, packet);
	ck_assert_uint_eq(ask(&one, "PLAY", ""), 200);
	ck_assert_uint_ge(test_client_session(&one)->hot.packet, packet);
}
END_TEST

START_TEST(a_session_half_set_up_is_set_up_further)
{
	ck_assert_uint_eq(ask(&one, "SETUP", TCP_1), 200);
	be_replaced(false);
	ck_assert_uint_eq(
	    test_client_ask(&one, "SETUP", TITLE "/stream=2", TCP_2), 200);
	ck_assert_uint_eq(ask(&one, "PLAY", ""), 200);
	ck_assert_uint_eq(test_client_session(&one)->hot.flow_count, 2);
}
END_TEST

/* --- what ends ------------------------------------------------------------ */

START_TEST(without_its_descriptor_a_session_ends)
{
	struct fdstore_message message;
	int fd;

	watch(&one, UDP_1);
	die();
	for (unsigned i = 0; i < SLOTS; i++) {
		if (stored[i].fd == -1)
			continue;
		close(stored[i].fd);
		stored[i].fd = -1;
	}
	come_after(false);
	ck_assert_uint_eq(test_lane_used(&test, TABLE_CONNECTION), 0);
	ck_assert_uint_eq(test_lane_used(&test, TABLE_SESSION), 0);
	ck_assert_uint_eq(test_lane_used(&test, TABLE_TITLE), 0);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), 0);
	/* It may be with the master, and only have been lost on its way. */
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(
		    fdstore_receive(test.master, &message, &fd), 1);
		ck_assert_uint_eq(message.kind, FDSTORE_DROP);
		ck_assert_uint_eq(
		    message.cookie, stored[message.connection].cookie);
	}
}
END_TEST

START_TEST(a_descriptor_of_another_cookie_is_shut_down)
{
	struct fdstore_message message;
	int fd;

	die();
	stored[one.record].cookie++;
	come_after(false);
	ck_assert_uint_eq(test_client_reply(&one), 0);
	ck_assert_uint_eq(ask(&other, "OPTIONS", ""), 200);
	ck_assert_int_eq(fdstore_receive(test.master, &message, &fd), 1);
	ck_assert_uint_eq(message.kind, FDSTORE_DROP);
	ck_assert_uint_eq(message.connection, one.record);
}
END_TEST

START_TEST(records_that_were_only_claimed_are_free_again)
{
	uint32_t record;

	ck_assert_int_eq(
	    table_claim(test.lane.table, 0, TABLE_SESSION, &record), 0);
	ck_assert_int_eq(
	    table_claim(test.lane.table, 0, TABLE_CONNECTION, &record), 0);
	ck_assert_int_eq(
	    table_claim(test.lane.table, 0, TABLE_TITLE, &record), 0);
	be_replaced(false);
	ck_assert_uint_eq(test_lane_used(&test, TABLE_SESSION), 0);
	ck_assert_uint_eq(test_lane_used(&test, TABLE_CONNECTION), 2);
	ck_assert_uint_eq(test_lane_used(&test, TABLE_TITLE), 0);
}
END_TEST

/* Bytes that nobody can account for: the stream would be wrong. */
START_TEST(a_connection_whose_bytes_do_not_agree_is_ended)
{
	watch(&one, TCP_1);
	die();
	ck_assert_int_gt(send(stored[one.record].fd, "x", 1, 0), 0);
	ck_assert_int_gt(send(stored[other.record].fd, "x", 1, 0), 0);
	come_after(false);
	/* Behind `one` frames follow, which are taken for what was sent. */
	ck_assert_ptr_nonnull(test.lane.connections[one.record]);
	ck_assert_ptr_null(test.lane.connections[other.record]);
}
END_TEST

/* --- blame ---------------------------------------------------------------- */

static void
die_over(uint32_t connection, uint32_t title, bool fault)
{
	ck_assert(test_lane_until(&test, readers_are_idle, &test.lane));
	blame_mark(&test.lane, connection, title);
	be_replaced(fault);
}

START_TEST(a_request_that_kills_twice_costs_its_connection)
{
	ck_assert_uint_eq(ask(&one, "OPTIONS", ""), 200);
	die_over(one.record, TABLE_NONE, true);
	ck_assert_ptr_nonnull(test.lane.connections[one.record]);
	die_over(one.record, TABLE_NONE, true);
	ck_assert_ptr_null(test.lane.connections[one.record]);
	ck_assert_uint_eq(ask(&other, "OPTIONS", ""), 200);
}
END_TEST

START_TEST(a_request_that_was_answered_is_forgiven)
{
	die_over(one.record, TABLE_NONE, true);
	ck_assert_uint_eq(ask(&one, "OPTIONS", ""), 200);
	die_over(one.record, TABLE_NONE, true);
	ck_assert_uint_eq(ask(&one, "OPTIONS", ""), 200);
}
END_TEST

START_TEST(a_death_that_is_nobodys_fault_costs_nothing)
{
	for (unsigned i = 0; i < DEATHS_MAX - 1; i++)
		die_over(one.record, TABLE_NONE, false);
	ck_assert_uint_eq(ask(&one, "OPTIONS", ""), 200);
}
END_TEST

START_TEST(a_title_that_kills_twice_is_refused_and_ends_its_sessions)
{
	uint32_t title;

	watch(&one, UDP_1);
	ck_assert_uint_eq(
	    test_client_ask(&other, "SETUP", "lecture.wmv/stream=1", UDP_1),
	    200);
	title = test_client_session(&one)->cold.title;
	die_over(TABLE_NONE, title, true);
	ck_assert_uint_eq(ask(&one, "GET_PARAMETER", ""), 200);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 2);
	ck_assert_uint_eq(counter(TABLE_TITLES_REFUSED), 0);

	die_over(TABLE_NONE, title, true);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 1);
	ck_assert_uint_eq(counter(TABLE_TITLES_REFUSED), 1);
	one.session[0] = '\0';
	ck_assert_uint_eq(ask(&one, "DESCRIBE", ""), 503);
	ck_assert_uint_eq(ask(&one, "SETUP", UDP_1), 503);
	ck_assert_uint_eq(
	    test_client_ask(&one, "DESCRIBE", "lecture.wmv", ""), 200);
	ck_assert_uint_eq(
	    test_client_ask(&other, "PLAY", "lecture.wmv", ""), 200);

	/* Who comes after a blameless death refuses it too. */
	be_replaced(false);
	ck_assert_uint_eq(ask(&one, "DESCRIBE", ""), 503);
	titles_sweep(test.lane.titles, clock_monotonic_us() + 2 * BLAME_US);
	ck_assert_uint_eq(counter(TABLE_TITLES_REFUSED), 0);
	ck_assert_uint_eq(ask(&one, "DESCRIBE", ""), 200);
}
END_TEST

START_TEST(a_title_blamed_by_a_request_keeps_its_other_viewers)
{
	uint32_t title;

	watch(&one, UDP_1);
	watch(&other, TCP_1);
	title = test_client_session(&one)->cold.title;
	die_over(one.record, title, true);
	die_over(one.record, title, true);
	ck_assert_ptr_null(test.lane.connections[one.record]);
	ck_assert_uint_eq(ask(&other, "GET_PARAMETER", ""), 200);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 1);
	other.session[0] = '\0';
	ck_assert_uint_eq(ask(&other, "DESCRIBE", ""), 503);
}
END_TEST

/* --- sessions that another connection names --------------------------------
 */

START_TEST(a_session_lives_on_the_connection_that_named_it_last)
{
	watch(&one, UDP_1);
	strcpy(other.session, one.session);
	ck_assert_uint_eq(ask(&other, "PAUSE", ""), 200);
	test_client_close(&one);
	ck_assert(test_lane_until(&test, has_one_connection, NULL));
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 1);
	ck_assert_uint_eq(ask(&other, "PLAY", ""), 200);
	be_replaced(false);
	ck_assert_uint_eq(ask(&other, "TEARDOWN", ""), 200);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
}
END_TEST

START_TEST(frames_go_where_the_session_is_named)
{
	watch(&one, TCP_1);
	test_lane_pass(&test, 50 * US_PER_MS);
	strcpy(other.session, one.session);
	ck_assert_uint_eq(ask(&other, "GET_PARAMETER", ""), 200);
	other.frames = 0;
	test_lane_pass(&test, 200 * US_PER_MS);
	ck_assert_uint_eq(ask(&other, "GET_PARAMETER", ""), 200);
	ck_assert_uint_gt(other.frames, 3);
	one.session[0] = '\0';
	ck_assert_uint_eq(ask(&one, "OPTIONS", ""), 200);
	one.frames = 0;
	test_lane_pass(&test, 100 * US_PER_MS);
	ck_assert_uint_eq(ask(&one, "OPTIONS", ""), 200);
	ck_assert_uint_eq(one.frames, 0);
}
END_TEST

START_TEST(channels_that_are_taken_cannot_be_brought_along)
{
	watch(&one, TCP_1);
	ck_assert_uint_eq(ask(&other, "SETUP", TCP_1), 200);
	strcpy(other.session, one.session);
	ck_assert_uint_eq(ask(&other, "GET_PARAMETER", ""), 459);
	ck_assert_uint_eq(ask(&one, "GET_PARAMETER", ""), 200);
}
END_TEST

START_TEST(one_digit_wrong_is_no_right)
{
	watch(&one, UDP_1);
	strcpy(other.session, one.session);
	other.session[39] = other.session[39] == '0' ? '1' : '0';
	ck_assert_uint_eq(ask(&other, "TEARDOWN", ""), 454);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("adopt");
	TCase *goes_on = tcase_create("what goes on"),
	      *ends = tcase_create("what ends"), *blame = tcase_create("blame"),
	      *elsewhere = tcase_create("named elsewhere");
	SRunner *runner;
	int failed;

	tcase_add_test(goes_on, a_connection_without_a_session_goes_on);
	tcase_add_test(
	    goes_on, a_request_half_sent_is_answered_by_the_successor);
	tcase_add_test(
	    goes_on, a_request_sent_while_nobody_listened_is_answered);
	tcase_add_test(goes_on, frames_follow_each_other_behind_deaths);
	tcase_add_test(goes_on, counts_are_made_anew_and_sums_go_on);
	tcase_add_test(goes_on, a_paused_session_plays_on_where_it_stood);
	tcase_add_test(goes_on, a_session_half_set_up_is_set_up_further);
	tcase_add_test(ends, without_its_descriptor_a_session_ends);
	tcase_add_test(ends, a_descriptor_of_another_cookie_is_shut_down);
	tcase_add_test(ends, records_that_were_only_claimed_are_free_again);
	tcase_add_test(ends, a_connection_whose_bytes_do_not_agree_is_ended);
	tcase_add_test(blame, a_request_that_kills_twice_costs_its_connection);
	tcase_add_test(blame, a_request_that_was_answered_is_forgiven);
	tcase_add_test(blame, a_death_that_is_nobodys_fault_costs_nothing);
	tcase_add_test(
	    blame, a_title_that_kills_twice_is_refused_and_ends_its_sessions);
	tcase_add_test(
	    blame, a_title_blamed_by_a_request_keeps_its_other_viewers);
	tcase_add_test(
	    elsewhere, a_session_lives_on_the_connection_that_named_it_last);
	tcase_add_test(elsewhere, frames_go_where_the_session_is_named);
	tcase_add_test(
	    elsewhere, channels_that_are_taken_cannot_be_brought_along);
	tcase_add_test(elsewhere, one_digit_wrong_is_no_right);
	tcase_add_checked_fixture(goes_on, begin, end);
	tcase_add_checked_fixture(ends, begin, end);
	tcase_add_checked_fixture(blame, begin, end);
	tcase_add_checked_fixture(elsewhere, begin, end);
	suite_add_tcase(suite, goes_on);
	suite_add_tcase(suite, ends);
	suite_add_tcase(suite, blame);
	suite_add_tcase(suite, elsewhere);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
