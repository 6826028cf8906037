/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_progress - a title that does not get on though its server sends.
 */
#include <check.h>
#include <stdlib.h>

#include "base/base.h"
#include "player/progress.h"

#define STEP_US (PROGRESS_LOOK_MS * US_PER_MS)
#define WANTED_BPS UINT64_C(800000)
#define STEP_BYTES (WANTED_BPS / 8 / 2) /* in a step, at that rate */

static struct progress progress;
static struct progress_look look;

static void
begin(void)
{
	look = (struct progress_look){
		.now_us = 1000 * US_PER_SECOND,
		.wanted_bps = WANTED_BPS,
	};
	progress_begin(&progress, look.now_us);
}

/* How many looks it takes until it is stuck; 0: it is not after MOST. */
static unsigned
looks_until_stuck(unsigned most, uint64_t step_us, uint64_t step_bytes)
{
	for (unsigned i = 1; i <= most; i++) {
		look.now_us += step_us;
		look.bytes += step_bytes;
		if (progress_look(&progress, &look))
			return i;
	}
	return 0;
}

START_TEST(five_seconds_of_data_for_nothing_are_enough)
{
	ck_assert_uint_eq(looks_until_stuck(100, STEP_US, STEP_BYTES), 10);
}
END_TEST

START_TEST(what_gets_on_is_not_stuck)
{
	for (unsigned i = 0; i < 100; i++) {
		look.position_us += STEP_US * (i % 5 == 0);
		ck_assert_uint_eq(looks_until_stuck(1, STEP_US, STEP_BYTES), 0);
	}
	for (look.percent = 0; look.percent < 100; look.percent++)
		ck_assert_uint_eq(looks_until_stuck(5, STEP_US, STEP_BYTES), 0);
}
END_TEST

START_TEST(what_need_not_get_on_is_not_stuck)
{
	look.waits = true;
	ck_assert_uint_eq(looks_until_stuck(100, STEP_US, STEP_BYTES), 0);
	look.waits = false;
	ck_assert_uint_eq(looks_until_stuck(100, STEP_US, STEP_BYTES), 10);
}
END_TEST

START_TEST(a_server_that_sends_nothing_is_left_to_the_source)
{
	ck_assert_uint_eq(looks_until_stuck(100, STEP_US, 0), 0);
	/* Nor was it the title that used the time. */
	ck_assert_uint_eq(looks_until_stuck(9, STEP_US, STEP_BYTES), 0);
}
END_TEST

START_TEST(a_little_data_is_waited_through)
{
	/* Until half of what is wanted in five seconds came. */
	ck_assert_uint_eq(looks_until_stuck(99, STEP_US, STEP_BYTES / 20), 0);
	ck_assert_uint_eq(looks_until_stuck(1, STEP_US, STEP_BYTES / 20), 1);
}
END_TEST

START_TEST(what_plays_may_have_much_ahead)
{
	look.plays = true;
	/* Eight times as much. */
	ck_assert_uint_eq(looks_until_stuck(39, STEP_US, STEP_BYTES), 0);
	ck_assert_uint_eq(looks_until_stuck(1, STEP_US, STEP_BYTES), 1);
}
END_TEST

START_TEST(a_time_in_which_nobody_looked_is_left_out)
{
	ck_assert_uint_eq(looks_until_stuck(5, STEP_US, STEP_BYTES), 0);
	ck_assert_uint_eq(
	    looks_until_stuck(1, 60 * US_PER_SECOND, 100 * STEP_BYTES), 0);
	ck_assert_uint_eq(looks_until_stuck(100, STEP_US, STEP_BYTES), 4);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("progress");
	TCase *tests = tcase_create("progress");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, NULL);
	tcase_add_test(tests, five_seconds_of_data_for_nothing_are_enough);
	tcase_add_test(tests, what_gets_on_is_not_stuck);
	tcase_add_test(tests, what_need_not_get_on_is_not_stuck);
	tcase_add_test(
	    tests, a_server_that_sends_nothing_is_left_to_the_source);
	tcase_add_test(tests, a_little_data_is_waited_through);
	tcase_add_test(tests, what_plays_may_have_much_ahead);
	tcase_add_test(tests, a_time_in_which_nobody_looked_is_left_out);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
