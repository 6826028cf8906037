/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_load - the load report: written as its readers expect it, read back,
 * and refused when it is anything else.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "wire/load.h"

static const char whole[] = "ready 73%\n"
			    "version 1\n"
			    "node cache-3.example\n"
			    "state ready\n"
			    "capacity_bps 1000000000\n"
			    "committed_bps 260000000\n"
			    "sessions 812\n"
			    "sessions_playing 790\n"
			    "max_sessions 4000\n"
			    "pressure 0.01\n"
			    "load1 1.25\n"
			    "heartbeat_age_ms 212\n"
			    "vip_on_lo 1\n"
			    "arp_ignore 1\n"
			    "arp_announce 2\n"
			    "rtsp_ok 1\n"
			    "end\n";

static struct load_report
example(void)
{
	return (struct load_report){ .percent = 73,
		.node = "cache-3.example",
		.state = LOAD_READY,
		.capacity_bps = 1000000000,
		.committed_bps = 260000000,
		.sessions = 812,
		.sessions_playing = 790,
		.max_sessions = 4000,
		.pressure_percent = 1,
		.load1_percent = 125,
		.heartbeat_age_ms = 212,
		.vip_on_lo = 1,
		.arp_ignore = 1,
		.arp_announce = 2,
		.rtsp_ok = 1 };
}

/* REPORT as text, terminated. */
static const char *
text_of(const struct load_report *report)
{
	static char text[LOAD_REPORT_MAX + 1];
	struct bytes_writer out = bytes_writer(text, LOAD_REPORT_MAX);

	load_format(&out, report);
	ck_assert(!out.failed);
	text[out.at] = '\0';
	return text;
}

static enum load_result
parse(const char *text)
{
	struct load_report out, before;
	enum load_result result;

	memset(&out, 0x5a, sizeof(out));
	before = out;
	result = load_parse(text, strlen(text), &out);
	if (result != LOAD_DONE)
		ck_assert_mem_eq(&out, &before, sizeof(out));
	return result;
}

/* The example with its first FROM as TO. */
static enum load_result
parse_with(const char *from, const char *to)
{
	const char *at = strstr(whole, from);
	char text[2 * sizeof(whole)];

	ck_assert_ptr_nonnull(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, to,
	    at + strlen(from));
	return parse(text);
}

START_TEST(a_report_is_written_line_by_line)
{
	struct load_report report = example();

	ck_assert_str_eq(text_of(&report), whole);
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
	struct load_report report;

	memset(&report, 0, sizeof(report));
	ck_assert_int_eq(load_parse(whole, strlen(whole), &report), LOAD_DONE);
	ck_assert_str_eq(text_of(&report), whole);
}
END_TEST

START_TEST(the_first_line_is_an_agent_check)
{
	struct load_report report = example();

	report.says_up = true;
	ck_assert(strncmp(text_of(&report), "ready 73% up\n", 13) == 0);
	ck_assert_int_eq(parse(text_of(&report)), LOAD_DONE);

	report.state = LOAD_DRAIN;
	ck_assert(strncmp(text_of(&report), "drain\n", 6) == 0);
	ck_assert_int_eq(parse(text_of(&report)), LOAD_DONE);

	report.state = LOAD_DOWN;
	strcpy(report.reason, "no server");
	ck_assert(strncmp(text_of(&report), "down #no server\n", 16) == 0);
	ck_assert_int_eq(parse(text_of(&report)), LOAD_DONE);
}
END_TEST

START_TEST(half_a_report_is_no_answer)
{
	char text[sizeof(whole)];

	for (size_t size = 0; size < strlen(whole); size++) {
		memcpy(text, whole, size);
		text[size] = '\0';
		ck_assert_int_eq(parse(text), LOAD_MORE);
	}
}
END_TEST

/* clang-format off */
static const struct {
	const char *from, *to;
} wrong[] = {
	{ "ready 73%",         "ready 0%" },
	{ "ready 73%",         "ready 101%" },
	{ "ready 73%",         "ready 073%" },
	{ "ready 73%",         "ready" },
	{ "ready 73%",         "ready 73% " },
	{ "ready 73%",         "ready 73% u" },
	{ "ready 73%",         "ready 73% up down" },
	{ "ready 73%",         "up 73%" },
	{ "ready 73%",         "drain" }, /* the state says ready */
	{ "ready 73%",         "down #" },
	{ "ready 73%\n",       "" },
	{ "version 1",         "version 2" },
	{ "version 1",         "version  1" },
	{ "cache-3",           "cache 3" },
	{ "cache-3.example",   "" },
	{ "state ready",       "state drain" },
	{ "1000000000",        "1000000000000001" },
	{ "1000000000",        "99999999999999999999999999999999" },
	{ "1000000000",        "-1" },
	{ "1000000000",        "1e9" },
	{ "1000000000",        "" },
	{ "sessions 812\n",    "" },
	{ "sessions 812\n",    "sessions 812\nsessions 812\n" },
	{ "sessions 812",      "session 812" },
	{ "0.01",              "1.01" },
	{ "0.01",              "0.1" },
	{ "0.01",              "nan" },
	{ "0.01",              "0.0x" },
	{ "vip_on_lo 1",       "vip_on_lo 2" },
	{ "arp_announce 2",    "arp_announce 3" },
	{ "rtsp_ok 1",         "rtsp_ok yes" },
	{ "rtsp_ok 1\n",       "rtsp_ok 1\nmore 1\n" },
	{ "end\n",             "end\nend\n" },
	{ "end\n",             "end\r\n" },
};
/* clang-format on */

START_TEST(garbage_is_refused)
{
	ck_assert_int_eq(parse_with(wrong[_i].from, wrong[_i].to), LOAD_BAD);
}
END_TEST

START_TEST(more_than_a_report_can_be_is_refused_unread)
{
	static const char nothing[LOAD_REPORT_MAX + 1];
	struct load_report report;

	ck_assert_int_eq(
	    load_parse(nothing, sizeof(nothing), &report), LOAD_BAD);
	ck_assert_int_eq(
	    load_parse(nothing, sizeof(nothing) - 1, &report), LOAD_MORE);
}
END_TEST

/* Whatever stands in a report, what is written of it can be read. */
START_TEST(the_largest_report_fits)
{
	struct load_report report;

	memset(&report, 0xff, sizeof(report));
	report.state = LOAD_DOWN;
	ck_assert_int_eq(parse(text_of(&report)), LOAD_DONE);
	memset(&report, 0, sizeof(report));
	ck_assert_int_eq(parse(text_of(&report)), LOAD_DONE);
}
END_TEST

START_TEST(no_text_adds_a_line)
{
	struct load_report report = example();

	strcpy(report.node, "a\nend");
	ck_assert_ptr_nonnull(strstr(text_of(&report), "\nnode a_end\n"));
	report.state = LOAD_DOWN;
	strcpy(report.reason, "a\nend\t\x80");
	ck_assert(strncmp(text_of(&report), "down #a_end__\n", 14) == 0);
}
END_TEST

START_TEST(percent_is_what_is_free_less_pressure)
{
	ck_assert_uint_eq(load_percent(1000, 0, 0), 100);
	ck_assert_uint_eq(load_percent(1000, 270, 0), 73);
	ck_assert_uint_eq(load_percent(1000, 500, 50), 25);
	ck_assert_uint_eq(load_percent(LOAD_BPS_MAX, 1, 0), 99);
	ck_assert_uint_eq(load_percent(UINT64_MAX, 0, 0), 100);
	/* never 0 while ready */
	ck_assert_uint_eq(load_percent(1000, 999, 0), 1);
	ck_assert_uint_eq(load_percent(1000, 1000, 0), 1);
	ck_assert_uint_eq(load_percent(1000, UINT64_MAX, 0), 1);
	ck_assert_uint_eq(load_percent(1000, 0, 100), 1);
	ck_assert_uint_eq(load_percent(1000, 0, UINT64_MAX), 1);
	ck_assert_uint_eq(load_percent(0, 0, 0), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("load");
	TCase *tests = tcase_create("load");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, a_report_is_written_line_by_line);
	tcase_add_test(tests, what_is_written_is_read_back);
	tcase_add_test(tests, the_first_line_is_an_agent_check);
	tcase_add_test(tests, half_a_report_is_no_answer);
	tcase_add_loop_test(
	    tests, garbage_is_refused, 0, (int)ARRAY_LENGTH(wrong));
	tcase_add_test(tests, more_than_a_report_can_be_is_refused_unread);
	tcase_add_test(tests, the_largest_report_fits);
	tcase_add_test(tests, no_text_adds_a_line);
	tcase_add_test(tests, percent_is_what_is_free_less_pressure);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
