/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A title, or a request, that brings its worker down: the second time it costs
 * the session, or the connection, and the title is refused for a minute; what
 * it takes to see it again is in the log, and neighbours notice nothing.
 */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "base/loop.h"
#include "doomed.h"
#include "pieces.h"

#define MINUTE_S 60
/* Bad at each try, as long as anybody tries. */
#define ALWAYS 1000

static struct served served;
static struct dying_plan *plan;
/* They go on, whatever befalls the bad. */
static struct viewer good[2], bad;

/* --- a server with neighbours --------------------------------------------- */

static const struct served_film bad_title = { .packets = 64,
	.packet_bytes = DYING_PACKET_BYTES,
	.every_ms = 50,
	.frame_bytes = 1000 };

static void
play(struct viewer *viewer, const char *title, enum viewer_transport transport)
{
	viewer_open(viewer, &served, title, transport);
	viewer_setup(viewer, 1, 0);
	viewer_ask(viewer, "PLAY", 0, "", 200);
	viewer_take_packets(viewer, 5);
}

static void
begin(void)
{
	static const char *const settings[] = { "stall_timeout=1 s", NULL };

	served_folder(&served, NULL);
	served_copy(&served, "sample.wmv", "good.wmv");
	served_write_film(&served, DYING_TITLE, &bad_title);
	plan = doomed_start(&served, served.folder, settings);
	play(&good[0], "good.wmv", VIEWER_UDP);
	play(&good[1], "good.wmv", VIEWER_TCP);
}

/* FAULT by SIGNAL from now on, TIMES times. */
static void
plan_fault(enum dying_fault fault, int signal, unsigned times)
{
	plan->fault_signal = signal;
	plan->faults_left = times;
	plan->fault = fault;
}

/* They get more, and all they got is whole. */
static void
expect_neighbours(void)
{
	static const struct pieces_bursts one = { UINT32_MAX, UINT32_MAX,
		UINT32_MAX };

	for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
		struct pieces pieces;

		viewer_take_packets(&good[i], 10);
		viewer_ask(&good[i], "PAUSE", 0, "", 200);
		while (viewer_take(&good[i], 0))
			;
		pieces_cut(&pieces, &good[i], 1, &one);
		pieces_check_numbers(&pieces);
		pieces_free(&pieces);
		viewer_ask(&good[i], "PLAY", 0, "", 200);
	}
}

static void
end(void)
{
	viewer_close(&good[0]);
	viewer_close(&good[1]);
	served_end(&served);
}

/* --- what is expected ----------------------------------------------------- */

static void
expect_refused(void)
{
	static const char setup[] =
	    "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
	unsigned faults = plan->faults;
	struct viewer other;

	viewer_open(&other, &served, DYING_TITLE, VIEWER_TCP);
	viewer_ask(&other, "DESCRIBE", 0, "", 503);
	viewer_ask(&other, "SETUP", 1, setup, 503);
	viewer_close(&other);
	ck_assert_uint_eq(plan->faults, faults);
}

static void
await_sessions(uint64_t count)
{
	for (unsigned i = 0; i < SERVED_PATIENCE_MS; i++) {
		if (served_worker(&served) != 0 &&
		    table_counter(served.table, 0, TABLE_SESSIONS) == count)
			return;
		(void)viewer_take(&good[i % 2], 1);
	}
	served_fail(&served, "never %u sessions", (unsigned)count);
}

/* Each death has a line, and there is no third. */
static void
expect_two_deaths(const char *what)
{
	char text[128];

	snprintf(text, sizeof(text), "worker died over a %s", what);
	ck_assert_uint_eq(served_log_lines(&served, text), 2);
	ck_assert_uint_eq(plan->faults, 2);
}

static const int signals[] = { SIGSEGV, SIGABRT };
static const enum viewer_transport transports[] = { VIEWER_UDP, VIEWER_TCP };

/* --- rules ---------------------------------------------------------------- */

START_TEST(a_title_that_cannot_be_opened_alive_is_refused)
{
	plan_fault(DYING_OF_OPENING, signals[_i], ALWAYS);
	viewer_open(&bad, &served, DYING_TITLE, VIEWER_TCP);
	viewer_ask(&bad, "DESCRIBE", 0, "", 503);
	expect_two_deaths("title title=\"" DYING_TITLE "\"");
	expect_refused();
	viewer_ask(&bad, "OPTIONS", 0, "", 200);
	expect_neighbours();
	viewer_close(&bad);
}
END_TEST

START_TEST(a_title_whose_packets_kill_costs_its_sessions)
{
	play(&bad, DYING_TITLE, transports[_i / 2]);
	plan_fault(DYING_OF_SENDING, signals[_i % 2], ALWAYS);
	await_sessions(2);
	expect_two_deaths("title title=\"" DYING_TITLE "\"");
	ck_assert_uint_eq(
	    served_log_lines(&served, "cause=workers-died-over-it"), 1);
	/* Where in the title it was. */
	ck_assert_uint_eq(served_log_lines(&served, " packet="), 1);
	expect_refused();
	expect_neighbours();
	viewer_close(&bad);
}
END_TEST

START_TEST(a_title_in_which_a_search_kills_is_refused)
{
	viewer_open(&bad, &served, DYING_TITLE, VIEWER_UDP);
	viewer_setup(&bad, 1, 0);
	plan_fault(DYING_OF_SEEKING, signals[_i], ALWAYS);
	viewer_send(&bad, "PLAY", 0, "Range: npt=2-\r\n");
	await_sessions(2);
	expect_two_deaths("title title=\"" DYING_TITLE "\"");
	expect_refused();
	expect_neighbours();
	viewer_close(&bad);
}
END_TEST

START_TEST(a_title_over_which_workers_hang_is_refused)
{
	play(&bad, DYING_TITLE, VIEWER_UDP);
	plan_fault(DYING_OF_SENDING, 0, ALWAYS);
	await_sessions(2);
	expect_two_deaths("title title=\"" DYING_TITLE "\"");
	expect_refused();
	expect_neighbours();
	viewer_close(&bad);
}
END_TEST

static void
await_end(struct viewer *viewer)
{
	uint64_t until_us =
	    clock_monotonic_us() + SERVED_PATIENCE_MS * US_PER_MS;

	while (!viewer->closed) {
		if (clock_monotonic_us() > until_us)
			served_fail(&served, "the connection is not ended");
		(void)viewer_take(viewer, 100);
	}
}

START_TEST(a_request_that_kills_costs_its_connection)
{
	struct viewer other;

	viewer_open(&bad, &served, "good.wmv", VIEWER_TCP);
	plan_fault(DYING_OF_PARSING, signals[_i], ALWAYS);
	viewer_send(&bad, "DESCRIBE", 0, DYING_HEADER "\r\n");
	await_end(&bad);
	expect_two_deaths("request");
	/* The request itself. */
	ck_assert_uint_ge(
	    served_log_lines(&served, "=\"DESCRIBE\\x20rtsp:"), 1);
	viewer_open(&other, &served, "good.wmv", VIEWER_TCP);
	viewer_ask(&other, "DESCRIBE", 0, "", 200);
	viewer_close(&other);
	expect_neighbours();
	viewer_close(&bad);
}
END_TEST

/* Once is an accident. */
START_TEST(one_death_costs_nothing)
{
	play(&bad, DYING_TITLE, transports[_i]);
	plan_fault(DYING_OF_SENDING, SIGSEGV, 1);
	viewer_take_packets(&bad, 20);
	ck_assert_uint_eq(plan->faults, 1);
	viewer_ask(&bad, "DESCRIBE", 0, "", 200);
	expect_neighbours();
	viewer_close(&bad);
}
END_TEST

/* Nor does anybody wait for those who come after. */
START_TEST(nobody_is_blamed_for_a_kill)
{
	uint64_t began_us = clock_monotonic_us();

	plan_fault(DYING_OF_PARSING, SIGKILL, 4);
	viewer_open(&bad, &served, "good.wmv", VIEWER_TCP);
	viewer_ask(&bad, "DESCRIBE", 0, DYING_HEADER "\r\n", 200);
	ck_assert_uint_lt(clock_monotonic_us() - began_us, US_PER_SECOND);
	ck_assert_uint_eq(plan->faults, 4);
	ck_assert_uint_eq(served_log_lines(&served, "blame"), 0);
	expect_neighbours();
	viewer_close(&bad);
}
END_TEST

START_TEST(behind_a_minute_it_is_tried_again)
{
	struct viewer other;

	plan_fault(DYING_OF_OPENING, SIGSEGV, 2);
	viewer_open(&bad, &served, DYING_TITLE, VIEWER_TCP);
	viewer_ask(&bad, "DESCRIBE", 0, "", 503);
	viewer_close(&bad);
	poll(NULL, 0, (MINUTE_S + 1) * 1000);
	viewer_open(&other, &served, DYING_TITLE, VIEWER_TCP);
	viewer_ask(&other, "DESCRIBE", 0, "", 200);
	viewer_close(&other);
}
END_TEST

static void
add_rules(TCase *rules)
{
	tcase_add_loop_test(
	    rules, a_title_that_cannot_be_opened_alive_is_refused, 0, 2);
	tcase_add_loop_test(
	    rules, a_title_whose_packets_kill_costs_its_sessions, 0, 4);
	tcase_add_loop_test(
	    rules, a_title_in_which_a_search_kills_is_refused, 0, 2);
	tcase_add_test(rules, a_title_over_which_workers_hang_is_refused);
	tcase_add_loop_test(
	    rules, a_request_that_kills_costs_its_connection, 0, 2);
	tcase_add_loop_test(rules, one_death_costs_nothing, 0, 2);
	tcase_add_test(rules, nobody_is_blamed_for_a_kill);
}

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("blame");
	TCase *rules = tcase_create("what brings workers down");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, begin, end);
	tcase_set_timeout(rules, 120);
	if (argc > 1 && strcmp(argv[1], "slow") == 0)
		tcase_add_test(rules, behind_a_minute_it_is_tried_again);
	else
		add_rules(rules);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
