/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_connection - rules of a lane on which something is short: what a client
 * is told, that nothing is left of what failed, and that it works again.  What
 * connections do otherwise is check_methods' and check_adopt's matter.
 */
#include "server/connection.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "lane.h"
#include "scarce.h"

#define TITLE "sample.wmv"
#define TCP_1 "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"

static struct test_lane test;
static struct test_client client;

/* --- memory --------------------------------------------------------------- */

static void
begin(void)
{
	test_lane_begin(&test, NULL);
	test_client_open(&client, &test, AF_INET);
}

static void
end(void)
{
	test_client_close(&client);
	test_lane_end(&test);
}

/* METHOD with so many allocations, the server's alone. */
static unsigned
ask_with(unsigned allocations, const char *method, const char *path,
    const char *headers)
{
	unsigned status;

	scarce_begin(allocations, UINT_MAX);
	status = test_client_ask(&client, method, path, headers);
	scarce_end();
	return status;
}

static void
expect_told_to_come_back(unsigned status)
{
	struct rtsp_text later = test_client_header(&client, "Retry-After");

	ck_assert_uint_eq(status, 503);
	ck_assert_ptr_nonnull(later.at);
}

static uint64_t
counter(enum table_counter which)
{
	return table_counter(test.lane.table, 0, which);
}

static int
open_one(int fd)
{
	union sock_address nobody = { .in4 = { .sin_family = AF_INET } };

	return connection_open(&test.lane, fd, &nobody, &nobody);
}

/* --- connections ---------------------------------------------------------- */

START_TEST(a_connection_that_fails_leaves_its_socket_and_nothing_else)
{
	int ends[2], error;

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	scarce_begin(0, UINT_MAX);
	error = open_one(ends[0]);
	scarce_end();
	ck_assert_int_eq(error, -ENOMEM);
	ck_assert_uint_eq(test_lane_used(&test, TABLE_CONNECTION), 1);
	ck_assert_uint_eq(counter(TABLE_CONNECTIONS), 1);
	ck_assert_int_eq(open_one(-1), -EBADF); /* not to be watched */
	ck_assert_uint_eq(test_lane_used(&test, TABLE_CONNECTION), 1);
	ck_assert_uint_eq(counter(TABLE_CONNECTIONS), 1);
	test.config.max_connections = 1;
	ck_assert_int_eq(open_one(ends[0]), -EUSERS);
	ck_assert_uint_eq(counter(TABLE_CONNECTIONS), 1);
	test.config.max_connections = 2;
	ck_assert_int_eq(open_one(ends[0]), 0);
	ck_assert_uint_eq(test_lane_used(&test, TABLE_CONNECTION), 2);
	close(ends[1]);
}
END_TEST

START_TEST(a_full_lane_is_no_shortage)
{
	uint32_t record;

	while (table_claim(test.lane.table, 0, TABLE_CONNECTION, &record) == 0)
		;
	ck_assert_int_eq(open_one(client.fd), -EUSERS);
	ck_assert_uint_eq(counter(TABLE_CONNECTIONS), 1);
}
END_TEST

/* --- titles and sessions -------------------------------------------------- */

/* However far it gets. */
START_TEST(a_title_without_memory_is_refused_and_opens_later)
{
	unsigned status, refused = 0;

	for (unsigned i = 0; i < 50; i++) {
		status = ask_with(i, "DESCRIBE", TITLE, "");
		if (status == 200)
			break;
		expect_told_to_come_back(status);
		refused++;
		ck_assert_uint_eq(test_lane_used(&test, TABLE_TITLE), 0);
		/* That it failed is remembered for a second. */
		titles_sweep(test.lane.titles, UINT64_MAX / 2);
	}
	ck_assert_uint_gt(refused, 2);
	ck_assert_uint_eq(status, 200);
}
END_TEST

START_TEST(a_session_without_memory_is_refused_and_begins_later)
{
	ck_assert_uint_eq(test_client_ask(&client, "DESCRIBE", TITLE, ""), 200);
	expect_told_to_come_back(
	    ask_with(0, "SETUP", TITLE "/stream=1", TCP_1));
	ck_assert_uint_eq(test_lane_used(&test, TABLE_SESSION), 0);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
	ck_assert_uint_eq(
	    test_client_ask(&client, "SETUP", TITLE "/stream=1", TCP_1), 200);
}
END_TEST

START_TEST(a_seek_without_memory_is_refused_and_found_later)
{
	ck_assert_uint_eq(
	    test_client_ask(&client, "SETUP", TITLE "/stream=1", TCP_1), 200);
	for (unsigned i = 0; i < 2; i++) {
		expect_told_to_come_back(
		    ask_with(i, "PLAY", TITLE, "Range: npt=3-\r\n"));
		ck_assert_uint_eq(
		    test_client_session(&client)->hot.session_state,
		    TABLE_SESSION_READY);
	}
	ck_assert_uint_eq(
	    test_client_ask(&client, "PLAY", TITLE, "Range: npt=3-\r\n"), 200);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("connection");
	TCase *rules = tcase_create("shortages");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, begin, end);
	tcase_set_timeout(rules, 30);
	tcase_add_test(
	    rules, a_connection_that_fails_leaves_its_socket_and_nothing_else);
	tcase_add_test(rules, a_full_lane_is_no_shortage);
	tcase_add_test(
	    rules, a_title_without_memory_is_refused_and_opens_later);
	tcase_add_test(
	    rules, a_session_without_memory_is_refused_and_begins_later);
	tcase_add_test(rules, a_seek_without_memory_is_refused_and_found_later);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
