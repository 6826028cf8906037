/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_lane - rules of what a worker finds when it is born and of what it
 * tells the master.  The predecessor is a process of its own that is killed.
 */
#include "server/lane.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"

static struct lane lane;
static int master;

static void
begin(void)
{
	static const struct table_limits limits = { .lanes = 2,
		.lane_sessions = 8,
		.lane_connections = 8,
		.lane_titles = 8 };
	char name[TABLE_NAME_MAX];
	int channel[2];

	log_set_level(LOG_LEVEL_ERROR);
	memset(&lane, 0, sizeof(lane));
	snprintf(name, sizeof(name), "/vodd.check-lane-%d", (int)getpid());
	ck_assert_int_eq(
	    table_create(name, &limits, (gid_t)-1, &lane.table), 0);
	ck_assert_int_eq(table_unlink(name), 0);
	ck_assert_int_eq(sock_seqpacket_pair(channel), 0);
	lane.channel = channel[0];
	lane.number = 1;
	master = channel[1];
}

static void
end(void)
{
	table_close(lane.table);
	close(lane.channel);
	close(master);
}

/* --- a predecessor -------------------------------------------------------- */

static void
leave(enum table_kind kind, const void *view)
{
	uint32_t record;

	if (table_claim(lane.table, lane.number, kind, &record) != 0)
		_exit(1);
	if (view != NULL)
		table_publish(lane.table, lane.number, kind, record, view);
}

static void
leave_session(void)
{
	struct table_session hot = { .state = TABLE_USED,
		.session_state = TABLE_SESSION_PLAYING,
		.committed_bps = 1000 };
	struct table_session_cold cold = { .id = "0123456789abcdef" };
	uint32_t record;

	if (table_claim(lane.table, lane.number, TABLE_SESSION, &record) != 0)
		_exit(1);
	table_publish(
	    lane.table, lane.number, TABLE_SESSION_COLD, record, &cold);
	table_publish(lane.table, lane.number, TABLE_SESSION, record, &hot);
}

/* In the middle of things: records used and merely claimed, counts of all. */
static void
live_and_die(void)
{
	const struct table_connection connection = { .state = TABLE_USED };
	const struct table_title title = { .state = TABLE_USED };

	if (table_lane_open(lane.table, lane.number) != 0)
		_exit(1);
	for (unsigned i = 0; i < 8; i++) {
		leave(TABLE_CONNECTION, i % 3 == 0 ? NULL : &connection);
		leave(TABLE_TITLE, i % 3 == 1 ? NULL : &title);
		if (i % 3 == 2)
			leave(TABLE_SESSION, NULL);
		else
			leave_session();
	}
	table_release(lane.table, lane.number, TABLE_SESSION, 5);
	for (unsigned i = 0; i < TABLE_COUNTER_COUNT; i++)
		table_counter_set(
		    lane.table, lane.number, (enum table_counter)i, 1000 + i);
	raise(SIGKILL);
}

static void
have_had_a_predecessor(void)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		live_and_die();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(table_lane_open(lane.table, lane.number), 0);
}

static unsigned
count_used(enum table_kind kind)
{
	union {
		uint32_t state;
		struct table_connection connection;
		struct table_session session;
		struct table_title title;
	} view;
	unsigned used = 0;

	for (uint32_t i = 0;
	     i < table_high_water(lane.table, lane.number, kind); i++) {
		ck_assert(table_read(lane.table, lane.number, kind, i, &view));
		used += view.state != TABLE_FREE;
	}
	return used;
}

START_TEST(what_a_predecessor_left_is_free_again)
{
	static const enum table_kind kinds[] = { TABLE_CONNECTION,
		TABLE_SESSION, TABLE_TITLE };

	have_had_a_predecessor();
	ck_assert_uint_eq(count_used(TABLE_CONNECTION), 8);
	ck_assert_uint_eq(count_used(TABLE_SESSION), 7);
	ck_assert_uint_eq(count_used(TABLE_TITLE), 8);
	lane_clear(&lane);
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		uint32_t record;

		ck_assert_uint_eq(count_used(kinds[i]), 0);
		for (uint32_t k = 0; k < 8; k++) {
			ck_assert_int_eq(table_claim(lane.table, lane.number,
					     kinds[i], &record),
			    0);
			ck_assert_uint_eq(record, k);
		}
	}
}
END_TEST

START_TEST(counts_of_what_is_there_start_at_nothing_and_sums_go_on)
{
	have_had_a_predecessor();
	lane_clear(&lane);
	for (unsigned i = 0; i < TABLE_COUNTER_COUNT; i++) {
		bool present = i == TABLE_BLAME || i == TABLE_CONNECTIONS ||
			       i == TABLE_SESSIONS || i == TABLE_COMMITTED_BPS;

		ck_assert_uint_eq(table_counter(lane.table, lane.number,
				      (enum table_counter)i),
		    present ? 0 : 1000 + i);
	}
}
END_TEST

START_TEST(a_fresh_lane_is_cleared_as_well)
{
	ck_assert_int_eq(table_lane_open(lane.table, lane.number), 0);
	lane_clear(&lane);
	ck_assert_uint_eq(count_used(TABLE_SESSION), 0);
}
END_TEST

/* --- the master's channel ------------------------------------------------- */

static void
expect_dropped(uint32_t connection)
{
	struct fdstore_message message;
	int fd;

	ck_assert_int_eq(fdstore_receive(master, &message, &fd), 1);
	ck_assert_int_eq(fd, -1);
	ck_assert_uint_eq(message.kind, FDSTORE_DROP);
	ck_assert_uint_eq(message.connection, connection);
	ck_assert_uint_eq(message.cookie, 1000 + connection);
}

START_TEST(the_master_is_told_in_order_even_when_he_is_behind)
{
	struct fdstore_message message;
	uint32_t told = 0, kept = 0, heard = 0;
	int fd;

	while (lane.drops == NULL) {
		lane_tell_dropped(&lane, told, 1000 + told);
		told++;
	}
	/* What follows waits behind it, though there is room by now. */
	for (; heard < told - 1; heard++)
		expect_dropped(heard);
	ck_assert_int_eq(fdstore_receive(master, &message, &fd), -EAGAIN);
	for (; kept < 3; kept++)
		lane_tell_dropped(&lane, told + kept, 1000 + told + kept);
	lane_tell_again(&lane);
	ck_assert_ptr_null(lane.drops);
	for (; heard < told + kept; heard++)
		expect_dropped(heard);
}
END_TEST

/* The channel full, and more to tell than one. */
START_TEST(several_that_could_not_be_told_keep_their_order)
{
	uint32_t told = 0, heard = 0;

	while (lane.drops == NULL) {
		lane_tell_dropped(&lane, told, 1000 + told);
		told++;
	}
	for (unsigned i = 0; i < 5; i++, told++)
		lane_tell_dropped(&lane, told, 1000 + told);
	for (; heard < told - 6; heard++)
		expect_dropped(heard);
	lane_tell_again(&lane);
	ck_assert_ptr_null(lane.drops);
	for (; heard < told; heard++)
		expect_dropped(heard);
}
END_TEST

/* --- odds and ends -------------------------------------------------------- */

START_TEST(there_is_a_pair_for_the_families_that_were_given)
{
	lane.pairs[0] = (struct sock_pair){ 3, 4, 5000, AF_INET };
	ck_assert_ptr_eq(lane_pair(&lane, AF_INET), &lane.pairs[0]);
	ck_assert_ptr_null(lane_pair(&lane, AF_INET6));
	lane.pairs[1] = (struct sock_pair){ 5, 6, 5002, AF_INET6 };
	ck_assert_ptr_eq(lane_pair(&lane, AF_INET6), &lane.pairs[1]);
	lane.pairs[0] = (struct sock_pair){ -1, -1, 0, 0 };
	ck_assert_ptr_null(lane_pair(&lane, AF_INET));
}
END_TEST

START_TEST(random_bytes_fill_exactly_what_was_asked_for)
{
	uint8_t data[1002], zeros = 0;

	memset(data, 0, sizeof(data));
	lane_random(data + 1, 1000);
	ck_assert_uint_eq(data[0], 0);
	ck_assert_uint_eq(data[1001], 0);
	for (size_t i = 1; i <= 1000; i++)
		zeros = (uint8_t)(zeros + (data[i] == 0));
	ck_assert_uint_lt(zeros, 60); /* four of a thousand */
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lane");
	TCase *birth = tcase_create("birth"),
	      *channel = tcase_create("channel");
	SRunner *runner;
	int failed;

	tcase_add_test(birth, what_a_predecessor_left_is_free_again);
	tcase_add_test(
	    birth, counts_of_what_is_there_start_at_nothing_and_sums_go_on);
	tcase_add_test(birth, a_fresh_lane_is_cleared_as_well);
	tcase_add_test(birth, there_is_a_pair_for_the_families_that_were_given);
	tcase_add_test(birth, random_bytes_fill_exactly_what_was_asked_for);
	tcase_add_test(
	    channel, the_master_is_told_in_order_even_when_he_is_behind);
	tcase_add_test(
	    channel, several_that_could_not_be_told_keep_their_order);
	tcase_add_checked_fixture(birth, begin, end);
	tcase_add_checked_fixture(channel, begin, end);
	suite_add_tcase(suite, birth);
	suite_add_tcase(suite, channel);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
