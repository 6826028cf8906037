/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_loop - the rules of base/loop.
 */
#include "base/loop.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

/* A timer that notes when it was called, and may end the loop. */
struct alarm {
	struct loop_timer timer;
	unsigned calls;
	uint64_t called_us;
	bool stops;
	struct alarm *clears, *sets; /* from its callback; NULL: none */
};

static struct loop *loop;

static void
setup(void)
{
	ck_assert_int_eq(loop_new(&loop), 0);
}

static void
teardown(void)
{
	loop_free(loop);
}

static void alarm_set(struct alarm *alarm, uint64_t at_us);

static void
alarm_called(void *context, uint64_t now_us)
{
	struct alarm *alarm = context;

	alarm->calls++;
	alarm->called_us = now_us;
	if (alarm->clears != NULL)
		loop_timer_clear(loop, &alarm->clears->timer);
	if (alarm->sets != NULL)
		alarm_set(alarm->sets, now_us);
	if (alarm->stops)
		loop_stop(loop, 7);
}

static void
alarm_set(struct alarm *alarm, uint64_t at_us)
{
	loop_timer_set(loop, &alarm->timer, at_us, alarm_called, alarm);
}

/* Runs until AT_US has passed. */
static void
run_until(uint64_t at_us)
{
	struct alarm end = { .stops = true };

	alarm_set(&end, at_us);
	ck_assert_int_eq(loop_run(loop), 7);
	ck_assert_uint_eq(end.calls, 1);
}

/* The process does not get to its loop for that long. */
static void
stall(uint64_t time_us)
{
	struct timespec time = { .tv_sec = (time_t)(time_us / US_PER_SECOND),
		.tv_nsec = (long)(time_us % US_PER_SECOND) * 1000 };

	while (nanosleep(&time, &time) != 0)
		;
}

START_TEST(timers_are_called_once_and_never_early)
{
	struct alarm alarms[20] = { { .calls = 0 } };
	uint64_t now_us = loop_now_us(loop);

	for (size_t i = 0; i < ARRAY_LENGTH(alarms); i++)
		alarm_set(&alarms[i], now_us + i * 3333);
	ck_assert(loop_timer_is_set(&alarms[3].timer));
	run_until(now_us + 100 * US_PER_MS);
	for (size_t i = 0; i < ARRAY_LENGTH(alarms); i++) {
		ck_assert_uint_eq(alarms[i].calls, 1);
		ck_assert_uint_ge(alarms[i].called_us, now_us + i * 3333);
		ck_assert(!loop_timer_is_set(&alarms[i].timer));
	}
}
END_TEST

START_TEST(a_timer_that_is_set_again_moves)
{
	struct alarm alarm = { 0 };
	uint64_t now_us = loop_now_us(loop);

	alarm_set(&alarm, now_us + 10 * US_PER_MS);
	alarm_set(&alarm, now_us + 60 * US_PER_MS);
	run_until(now_us + 80 * US_PER_MS);
	ck_assert_uint_eq(alarm.calls, 1);
	ck_assert_uint_ge(alarm.called_us, now_us + 60 * US_PER_MS);
}
END_TEST

START_TEST(a_cleared_timer_is_not_called)
{
	struct alarm alarm = { 0 };

	alarm_set(&alarm, loop_now_us(loop) + 10 * US_PER_MS);
	loop_timer_clear(loop, &alarm.timer);
	loop_timer_clear(loop, &alarm.timer);
	run_until(loop_now_us(loop) + 40 * US_PER_MS);
	ck_assert_uint_eq(alarm.calls, 0);
}
END_TEST

START_TEST(a_timer_in_the_past_is_called_at_the_next_tick)
{
	struct alarm past = { 0 }, zero = { 0 };

	stall(25 * US_PER_MS);
	alarm_set(&past, loop_now_us(loop) - 1);
	alarm_set(&zero, 0);
	run_until(loop_now_us(loop));
	ck_assert_uint_eq(past.calls, 1);
	ck_assert_uint_eq(zero.calls, 1);
}
END_TEST

START_TEST(timers_of_one_tick_may_clear_each_other)
{
	struct alarm a = { 0 }, b = { 0 };
	uint64_t at_us = loop_now_us(loop) + 10 * US_PER_MS;

	a.clears = &b;
	b.clears = &a;
	alarm_set(&a, at_us);
	alarm_set(&b, at_us);
	run_until(at_us + 30 * US_PER_MS);
	ck_assert_uint_eq(a.calls + b.calls, 1);
}
END_TEST

/* Were it called again in the same turn, the turn would never end. */
START_TEST(a_timer_that_sets_itself_is_called_once_per_turn)
{
	struct alarm self = { 0 };
	uint64_t now_us = loop_now_us(loop);
	uint64_t ticks;

	self.sets = &self;
	alarm_set(&self, 0);
	run_until(now_us + 100 * US_PER_MS);
	ticks = (loop_now_us(loop) - now_us) / LOOP_TICK_US + 1;
	ck_assert_uint_ge(self.calls, 1);
	ck_assert_uint_le(self.calls, ticks);
	loop_timer_clear(loop, &self.timer);
}
END_TEST

START_TEST(after_a_stall_all_missed_ticks_are_worked_off)
{
	struct alarm alarms[10] = { { .calls = 0 } };
	uint64_t now_us = loop_now_us(loop), called_us;

	for (size_t i = 0; i < ARRAY_LENGTH(alarms); i++)
		alarm_set(&alarms[i], now_us + i * LOOP_TICK_US);
	stall(150 * US_PER_MS);
	run_until(0);
	called_us = alarms[0].called_us;
	for (size_t i = 0; i < ARRAY_LENGTH(alarms); i++) {
		ck_assert_uint_eq(alarms[i].calls, 1);
		ck_assert_uint_eq(alarms[i].called_us, called_us);
	}
}
END_TEST

/* Slots are shared by timers whole revolutions apart. */
START_TEST(a_timer_revolutions_away_is_not_called_with_its_slot)
{
	uint64_t revolution_us = 1024 * LOOP_TICK_US;
	uint64_t at_us = loop_now_us(loop) + 30 * US_PER_MS;
	struct alarm far[3] = { { .calls = 0 } }, near = { 0 };

	alarm_set(&far[0], at_us + revolution_us);
	alarm_set(&near, at_us);
	alarm_set(&far[1], at_us + 2 * revolution_us);
	alarm_set(&far[2], UINT64_MAX);
	run_until(at_us + 30 * US_PER_MS);
	ck_assert_uint_eq(near.calls, 1);
	for (size_t i = 0; i < ARRAY_LENGTH(far); i++) {
		ck_assert_uint_eq(far[i].calls, 0);
		ck_assert(loop_timer_is_set(&far[i].timer));
		loop_timer_clear(loop, &far[i].timer);
	}
}
END_TEST

static void
count_turn(void *context, uint64_t now_us)
{
	unsigned *turns = context;

	(void)now_us;
	++*turns;
}

START_TEST(nothing_wakes_an_idle_loop)
{
	struct alarm far[200] = { { .calls = 0 } },
		     cleared[50] = { { .calls = 0 } };
	uint64_t now_us = loop_now_us(loop);
	unsigned turns = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(far); i++)
		alarm_set(
		    &far[i], now_us + 65 * US_PER_SECOND + i * LOOP_TICK_US);
	for (size_t i = 0; i < ARRAY_LENGTH(cleared); i++)
		alarm_set(&cleared[i], now_us + i * LOOP_TICK_US);
	for (size_t i = 0; i < ARRAY_LENGTH(cleared); i++)
		loop_timer_clear(loop, &cleared[i].timer);
	loop_after(loop, count_turn, &turns);
	run_until(now_us + 300 * US_PER_MS);
	ck_assert_uint_le(turns, 2);
}
END_TEST

/* Against a plain list, over random sets, moves and clears. */
START_TEST(the_wheel_agrees_with_a_list)
{
	struct alarm alarms[500] = { { .calls = 0 } };
	uint64_t wanted_us[ARRAY_LENGTH(alarms)] = { 0 };
	uint64_t start_us = loop_now_us(loop);

	srand(4711);
	for (unsigned i = 0; i < 5000; i++) {
		size_t which = (size_t)rand() % ARRAY_LENGTH(alarms);

		if (rand() % 4 == 0) {
			loop_timer_clear(loop, &alarms[which].timer);
			wanted_us[which] = 0;
			continue;
		}
		wanted_us[which] =
		    start_us +
		    (uint64_t)rand() % (rand() % 2 ? 200000 : 30000000);
		alarm_set(&alarms[which], wanted_us[which]);
	}
	run_until(start_us + 200 * US_PER_MS);
	for (size_t i = 0; i < ARRAY_LENGTH(alarms); i++) {
		bool due = wanted_us[i] != 0 &&
			   wanted_us[i] <= start_us + 200 * US_PER_MS;

		if (due)
			ck_assert_uint_ge(alarms[i].called_us, wanted_us[i]);
		ck_assert_uint_eq(alarms[i].calls, due);
		ck_assert(loop_timer_is_set(&alarms[i].timer) ==
			  (wanted_us[i] != 0 && !due));
	}
}
END_TEST

/* A descriptor that is always ready. */
struct source {
	struct loop_watch watch;
	unsigned calls;
	struct source *removes;
};

static void
source_ready(void *context, uint32_t events)
{
	struct source *source = context;

	ck_assert(events & EPOLLIN);
	source->calls++;
	if (source->removes != NULL)
		loop_remove(loop, &source->removes->watch);
}

static void
source_open(struct source *source)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(
	    loop_add(loop, &source->watch, fd, EPOLLIN, source_ready, source),
	    0);
}

static void
source_close(struct source *source)
{
	loop_remove(loop, &source->watch);
	loop_remove(loop, &source->watch);
	close(source->watch.fd);
}

static void
stop_turn(void *context, uint64_t now_us)
{
	(void)context;
	(void)now_us;
	loop_stop(loop, 3);
}

START_TEST(ready_descriptors_are_called_in_each_turn)
{
	struct source source = { 0 };

	source_open(&source);
	loop_after(loop, stop_turn, NULL);
	ck_assert_int_eq(loop_run(loop), 3);
	ck_assert_uint_eq(source.calls, 1);
	ck_assert_int_eq(loop_run(loop), 3);
	ck_assert_uint_eq(source.calls, 2);
	ck_assert_int_eq(loop_modify(loop, &source.watch, EPOLLOUT), 0);
	ck_assert_int_eq(loop_modify(loop, &source.watch, EPOLLIN), 0);
	source_close(&source);
}
END_TEST

START_TEST(a_removed_watch_is_not_called_for_what_was_fetched)
{
	struct source a = { 0 }, b = { 0 };

	source_open(&a);
	source_open(&b);
	a.removes = &b;
	b.removes = &a;
	loop_after(loop, stop_turn, NULL);
	ck_assert_int_eq(loop_run(loop), 3);
	ck_assert_uint_eq(a.calls + b.calls, 1);
	a.removes = b.removes = NULL;
	source_close(&a);
	source_close(&b);
}
END_TEST

START_TEST(a_descriptor_that_cannot_be_watched_is_refused)
{
	struct loop_watch watch = { 0 };

	ck_assert_int_eq(
	    loop_add(loop, &watch, -1, EPOLLIN, source_ready, NULL), -EBADF);
	ck_assert(!watch.added);
}
END_TEST

/* What the order is within a turn. */
static char order[4];

static void
order_ready(void *context, uint32_t events)
{
	(void)context;
	(void)events;
	strcat(order, "r");
}

static void
order_expired(void *context, uint64_t now_us)
{
	(void)context;
	(void)now_us;
	strcat(order, "t");
}

static void
order_after(void *context, uint64_t now_us)
{
	(void)context;
	(void)now_us;
	strcat(order, "a");
	loop_stop(loop, 0);
}

START_TEST(after_comes_behind_descriptors_and_timers)
{
	struct loop_watch watch = { 0 };
	struct loop_timer timer = { 0 };
	int fd = eventfd(1, EFD_CLOEXEC);

	ck_assert_int_eq(
	    loop_add(loop, &watch, fd, EPOLLIN, order_ready, NULL), 0);
	loop_timer_set(loop, &timer, 0, order_expired, NULL);
	loop_after(loop, order_after, NULL);
	stall(2 * LOOP_TICK_US);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_str_eq(order, "rta");
	loop_remove(loop, &watch);
	close(fd);
}
END_TEST

START_TEST(a_stop_before_the_run_counts)
{
	loop_stop(loop, -EINTR);
	ck_assert_int_eq(loop_run(loop), -EINTR);
}
END_TEST

static void
signalled(void *context, int signal)
{
	sigset_t *seen = context;

	sigaddset(seen, signal);
	if (sigismember(seen, SIGUSR1) && sigismember(seen, SIGHUP))
		loop_stop(loop, 5);
}

START_TEST(signals_arrive_in_the_loop)
{
	sigset_t set, seen;

	sigemptyset(&set);
	sigemptyset(&seen);
	sigaddset(&set, SIGUSR1);
	ck_assert_int_eq(loop_signals(loop, &set, signalled, &seen), 0);
	sigaddset(&set, SIGHUP);
	ck_assert_int_eq(loop_signals(loop, &set, signalled, &seen), 0);
	ck_assert_int_eq(raise(SIGHUP), 0);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_int_eq(loop_run(loop), 5);
}
END_TEST

START_TEST(a_child_may_free_the_loop_of_its_parent)
{
	struct source source = { 0 };
	int status;
	pid_t child;

	source_open(&source);
	if ((child = fork()) == 0) {
		loop_free(loop);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	loop_after(loop, stop_turn, NULL);
	ck_assert_int_eq(loop_run(loop), 3);
	ck_assert_uint_eq(source.calls, 1);
	source_close(&source);
}
END_TEST

START_TEST(the_clocks_tell_the_time)
{
	uint64_t before_us = clock_monotonic_us();

	ck_assert_uint_ge(clock_monotonic_us(), before_us);
	ck_assert_uint_ge(
	    clock_wall_us() / US_PER_SECOND, (uint64_t)time(NULL) - 1);
	loop_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tests = tcase_create("loop");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, timers_are_called_once_and_never_early);
	tcase_add_test(tests, a_timer_that_is_set_again_moves);
	tcase_add_test(tests, a_cleared_timer_is_not_called);
	tcase_add_test(tests, a_timer_in_the_past_is_called_at_the_next_tick);
	tcase_add_test(tests, timers_of_one_tick_may_clear_each_other);
	tcase_add_test(tests, a_timer_that_sets_itself_is_called_once_per_turn);
	tcase_add_test(tests, after_a_stall_all_missed_ticks_are_worked_off);
	tcase_add_test(
	    tests, a_timer_revolutions_away_is_not_called_with_its_slot);
	tcase_add_test(tests, nothing_wakes_an_idle_loop);
	tcase_add_test(tests, the_wheel_agrees_with_a_list);
	tcase_add_test(tests, ready_descriptors_are_called_in_each_turn);
	tcase_add_test(
	    tests, a_removed_watch_is_not_called_for_what_was_fetched);
	tcase_add_test(tests, a_descriptor_that_cannot_be_watched_is_refused);
	tcase_add_test(tests, after_comes_behind_descriptors_and_timers);
	tcase_add_test(tests, a_stop_before_the_run_counts);
	tcase_add_test(tests, signals_arrive_in_the_loop);
	tcase_add_test(tests, a_child_may_free_the_loop_of_its_parent);
	tcase_add_test(tests, the_clocks_tell_the_time);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
