/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers as processes: replaced, given what their predecessors stored, held
 * back when they die too early or too often.  The processes are real; they run
 * the worker below, which does what a good one never does, on command.
 */
#include "server/crew.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "server/worker.h"

#define LIMIT_US (20 * US_PER_SECOND)
#define EVENTS_MAX 32

static enum {
	SERVES,
	DIES_EARLY,
	DIES_READY,
	STORES_AND_DIES, /* the one that is given something serves */
	HANGS, /* in its first life */
} behaviour;

static int stored[2]; /* a pipe: what is stored is its writing end */

static struct loop *loop;
static struct crew *crew;
static struct table *table;
static struct config config;
static struct resources resources;
static struct privileges privileges;
static char table_name[TABLE_NAME_MAX];

static struct {
	enum crew_event event;
	uint64_t at_us;
	pid_t pid;
	char how[64];
} events[EVENTS_MAX];
static unsigned event_count, wanted_count;
static struct loop_timer limit;

/* --- the worker
 * ---------------------------------------------------------------- */
static int
serve(const struct worker_birth *birth, bool beats)
{
	struct fdstore_message message;
	struct pollfd channel = { .fd = birth->channel, .events = POLLIN };
	int fd, got = -1;

	for (;;) {
		if (beats)
			table_counter_set(birth->table, birth->lane,
			    TABLE_HEARTBEAT_US, clock_monotonic_us());
		poll(&channel, 1, 100);
		got = fdstore_receive(birth->channel, &message, &fd);
		if (got == 0)
			return 9;
		if (got == 1 && message.kind == FDSTORE_GIVE) {
			(void)!write(fd, &message.cookie, 1);
			close(fd);
		}
		if (got == 1 && message.kind == FDSTORE_RETIRE)
			return 0;
		if (got == 1 && message.kind == FDSTORE_STOP)
			return 0;
	}
}

static bool
is_given_something(int channel)
{
	struct pollfd word = { .fd = channel, .events = POLLIN };
	struct fdstore_message message;
	int fd;

	poll(&word, 1, 5000);
	if (fdstore_receive(channel, &message, &fd) != 1 ||
	    message.kind != FDSTORE_GIVE)
		return false;
	(void)!write(fd, &message.cookie, 1);
	return true;
}

static void
say(int channel, enum fdstore_kind kind, uint32_t connection, int fd)
{
	const struct fdstore_message message = {
		.kind = kind, .connection = connection, .cookie = 'c'
	};

	if (fdstore_send(channel, &message, fd) != 0)
		_exit(7);
}

int
worker_run(const struct worker_birth *birth)
{
	bool successor;

	if (table_lane_open(birth->table, birth->lane) != 0)
		return 8;
	successor =
	    table_counter(birth->table, birth->lane, TABLE_SESSIONS_BEGUN) != 0;
	table_counter_add(birth->table, birth->lane, TABLE_SESSIONS_BEGUN, 1);
	if (behaviour == DIES_EARLY)
		return 1;
	say(birth->channel, FDSTORE_READY, 0, -1);
	if (behaviour == DIES_READY)
		return 1;
	if (behaviour == STORES_AND_DIES &&
	    !is_given_something(birth->channel)) {
		say(birth->channel, FDSTORE_PUT, 3, stored[1]);
		say(birth->channel, FDSTORE_PUT, 4, stored[1]);
		say(birth->channel, FDSTORE_DROP, 4, -1);
		raise(SIGKILL);
	}
	return serve(birth, behaviour != HANGS || successor);
}

/* --- the master's part
 * ---------------------------------------------------------- */
static void
happened(void *context, uint32_t lane, enum crew_event event, const char *how)
{
	(void)context;
	ck_assert_uint_lt(event_count, EVENTS_MAX);
	events[event_count].event = event;
	events[event_count].at_us = clock_monotonic_us();
	events[event_count].pid = table_lane_pid(table, lane);
	snprintf(events[event_count].how, sizeof(events[0].how), "%s", how);
	if (++event_count == wanted_count)
		loop_stop(loop, 0);
}

static void
child_died(void *context, int signal)
{
	(void)context;
	(void)signal;
	crew_reap(crew);
}

static void
too_long(void *context, uint64_t now_us)
{
	(void)context;
	(void)now_us;
	loop_stop(loop, 1);
}

/* Until COUNT events have happened since the beginning. */
static void
await(unsigned count)
{
	wanted_count = count;
	if (event_count >= count)
		return;
	loop_timer_set(
	    loop, &limit, clock_monotonic_us() + LIMIT_US, too_long, NULL);
	ck_assert_msg(
	    loop_run(loop) == 0, "only %u events happened", event_count);
	loop_timer_clear(loop, &limit);
}

static void
in_child(void *context)
{
	(void)context;
}

static void
open_crew(void)
{
	const struct table_limits limits = { .lanes = 1,
		.lane_sessions = 8,
		.lane_connections = 8,
		.lane_titles = 8 };
	struct crew_birth birth;
	sigset_t set;

	log_set_level(LOG_LEVEL_ERROR);
	event_count = 0;
	settings_defaults(config_rows, config_row_count, &config);
	config.workers = 1;
	config.stall_timeout_us = US_PER_SECOND;
	resources = (struct resources){ .media_root = -1, .lane_count = 1 };
	snprintf(table_name, sizeof(table_name), "/vodd.check-crew-%d",
	    (int)getpid());
	ck_assert_int_eq(
	    table_create(table_name, &limits, (gid_t)-1, &table), 0);
	ck_assert_int_eq(loop_new(&loop), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	ck_assert_int_eq(loop_signals(loop, &set, child_died, NULL), 0);
	ck_assert_int_eq(pipe2(stored, O_CLOEXEC | O_NONBLOCK), 0);
	birth = (struct crew_birth){ .loop = loop,
		.config = &config,
		.table = table,
		.resources = &resources,
		.privileges = &privileges,
		.happened = happened,
		.in_child = in_child };
	ck_assert_int_eq(crew_new(&birth, &crew), 0);
}

static void
close_crew(void)
{
	crew_kill(crew);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	crew_free(crew);
	loop_free(loop);
	table_unlink(table_name);
	table_close(table);
	for (int i = 0; i < 2; i++)
		if (stored[i] != -1)
			close(stored[i]);
}

/* --- the rules
 * ------------------------------------------------------------------- */
START_TEST(a_killed_worker_is_replaced)
{
	pid_t first;

	behaviour = SERVES;
	crew_start(crew);
	await(1);
	ck_assert_int_eq(events[0].event, CREW_READY);
	first = events[0].pid;
	ck_assert_int_ne(first, 0);
	kill(first, SIGKILL);
	await(3);
	ck_assert_int_eq(events[1].event, CREW_DIED);
	ck_assert_str_eq(events[1].how, "signal KILL");
	ck_assert_int_eq(events[2].event, CREW_READY);
	ck_assert_int_ne(events[2].pid, first);
	ck_assert_uint_eq(crew_alive(crew), 1);
	ck_assert_uint_eq(crew_ready(crew), 1);
}
END_TEST

START_TEST(one_that_dies_early_is_tried_more_and_more_slowly)
{
	behaviour = DIES_EARLY;
	crew_start(crew);
	await(4);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(events[i].event, CREW_DIED_EARLY);
	for (unsigned i = 1; i < 4; i++)
		ck_assert_uint_ge(events[i].at_us - events[i - 1].at_us,
		    (50 * US_PER_MS) << i);
}
END_TEST

START_TEST(the_sixth_death_in_five_seconds_costs_a_second)
{
	behaviour = DIES_READY;
	crew_start(crew);
	await(13); /* ready, died, six times; ready */
	ck_assert_int_eq(events[11].event, CREW_DIED);
	ck_assert_int_eq(events[12].event, CREW_READY);
	ck_assert_uint_ge(
	    events[12].at_us - events[11].at_us, US_PER_SECOND - LOOP_TICK_US);
}
END_TEST

START_TEST(the_successor_is_given_what_the_dead_one_stored)
{
	char byte = 0;

	behaviour = STORES_AND_DIES;
	crew_start(crew);
	await(3);
	ck_assert_int_eq(events[1].event, CREW_DIED);
	ck_assert_uint_eq(crew_descriptors(crew), 1);
	close(stored[1]);
	stored[1] = -1;
	ck_assert_int_eq(
	    poll(
		&(struct pollfd){ .fd = stored[0], .events = POLLIN }, 1, 5000),
	    1);
	ck_assert_int_eq(read(stored[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'c');
}
END_TEST

START_TEST(one_that_hangs_is_killed_and_replaced)
{
	behaviour = HANGS;
	crew_start(crew);
	await(3);
	ck_assert_int_eq(events[1].event, CREW_DIED);
	ck_assert_str_eq(events[1].how, "signal KILL");
	ck_assert_uint_ge(
	    events[1].at_us - events[0].at_us, US_PER_SECOND * 9 / 10);
	ck_assert_int_eq(events[2].event, CREW_READY);
}
END_TEST

START_TEST(one_that_is_to_be_replaced_ends_by_itself)
{
	behaviour = SERVES;
	crew_start(crew);
	await(1);
	crew_replace(crew, 0);
	await(3);
	ck_assert_str_eq(events[1].how, "exit status 0");
	ck_assert_int_eq(events[2].event, CREW_READY);
	ck_assert_int_ne(events[2].pid, events[0].pid);
}
END_TEST

START_TEST(told_to_stop_nobody_is_replaced)
{
	behaviour = SERVES;
	crew_start(crew);
	await(1);
	crew_stop(crew);
	await(2);
	ck_assert_str_eq(events[1].how, "exit status 0");
	ck_assert_uint_eq(crew_alive(crew), 0);
	ck_assert_int_eq(table_lane_pid(table, 0), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("crew");
	TCase *cases = tcase_create("crew");
	SRunner *runner;
	int failed;

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, open_crew, close_crew);
	tcase_add_test(cases, a_killed_worker_is_replaced);
	tcase_add_test(
	    cases, one_that_dies_early_is_tried_more_and_more_slowly);
	tcase_add_test(cases, the_sixth_death_in_five_seconds_costs_a_second);
	tcase_add_test(cases, the_successor_is_given_what_the_dead_one_stored);
	tcase_add_test(cases, one_that_hangs_is_killed_and_replaced);
	tcase_add_test(cases, one_that_is_to_be_replaced_ends_by_itself);
	tcase_add_test(cases, told_to_stop_nobody_is_replaced);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
