/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_lane - rules of what a worker tells the master.
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
