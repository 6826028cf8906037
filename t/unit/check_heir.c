/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Orphans are collected at their doors, also when some of them do what they
 * should not.  The processes are real; they stand for workers whose master is
 * dead.
 */
#include "server/heir.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "base/loop.h"
#include "server/fdstore.h"

#define PATIENCE_US (200 * US_PER_MS)
#define STOPPED 42 /* exit status: was told to stop */

static struct instance instance;
static struct estate found;
static int table;

enum behaviour {
	HANDS_OVER,
	IS_SILENT,
	HANGS_UP,
	TALKS_NONSENSE,
	HAS_ANOTHER_VERSION,
	HAS_ANOTHER_TABLE,
	FOLLOWS, /* waits for the end of another, who owns the door */
};

/* --- the orphan -------------------------------------------------------------
 */
static void
wait_for(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	if (poll(&wait, 1, 10000) != 1)
		_exit(1);
}

/* False: who knocked is gone. */
static bool
hand_over(int channel, int door, uint32_t lane, int its_table)
{
	const struct fdstore_message ready = { .kind = FDSTORE_READY };
	struct estate estate;

	estate_init(&estate);
	estate.table = its_table;
	estate.hash_seed = 7;
	estate.lanes[lane].door = door;
	return estate_send(&estate, channel) == 0 &&
	       fdstore_send(channel, &ready, -1) == 0;
}

/* False: who has knocked has gone without a word. */
static bool
await_stop(int channel)
{
	struct fdstore_message message;
	int fd, got;

	wait_for(channel);
	got = fdstore_receive(channel, &message, &fd);
	if (got == 1 && message.kind == FDSTORE_STOP)
		_exit(STOPPED);
	return got != 0;
}

/* Another owns the door and ends; who knocks meanwhile is told of that one. */
static _Noreturn void
follow(int door, uint32_t lane)
{
	pid_t other = fork();
	int channel;

	if (other == 0)
		_exit(sock_local_own(door));
	waitpid(other, NULL, 0);
	wait_for(door);
	if (sock_local_own(door) != 0)
		_exit(7);
	do {
		wait_for(door);
		if ((channel = sock_local_accept(door)) < 0)
			_exit(4);
	} while (
	    !hand_over(channel, door, lane, table) || !await_stop(channel));
	_exit(3);
}

static _Noreturn void
be_orphan(enum behaviour behaviour, int door, uint32_t lane)
{
	static const struct {
		uint64_t magic;
		uint32_t version, item_bytes;
	} future = { UINT64_C(0x65746174736564ff), 1000, 24 };
	int channel;

	alarm(20); /* whatever happens to the test */
	if (behaviour == IS_SILENT)
		for (;;)
			pause();
	if (behaviour == FOLLOWS)
		follow(door, lane);
	wait_for(door);
	if ((channel = sock_local_accept(door)) < 0)
		_exit(4);
	switch (behaviour) {
	case HANGS_UP:
		close(channel);
		pause();
		break;
	case TALKS_NONSENSE:
		(void)!send(channel, "nonsense", 8, 0);
		pause();
		break;
	case HAS_ANOTHER_VERSION:
		(void)!send(channel, &future, sizeof(future), 0);
		break;
	case HAS_ANOTHER_TABLE:
		(void)hand_over(channel, door, lane, memfd_create("other", 0));
		break;
	default:
		(void)hand_over(channel, door, lane, table);
	}
	(void)await_stop(channel);
	_exit(5);
}

static pid_t
orphan(uint32_t lane, enum behaviour behaviour)
{
	char path[INSTANCE_FILE_MAX];
	int door, owned[2];
	char byte = 'o';
	pid_t pid;

	instance_door(&instance, lane, path);
	door = sock_local_listen(path);
	ck_assert_int_ge(door, 0);
	ck_assert_int_eq(pipe(owned), 0);
	ck_assert_int_ne(pid = fork(), -1);
	if (pid == 0) {
		if (sock_local_own(door) != 0 || write(owned[1], &byte, 1) != 1)
			_exit(6);
		be_orphan(behaviour, door, lane);
	}
	ck_assert_int_eq(read(owned[0], &byte, 1), 1);
	close(owned[0]);
	close(owned[1]);
	close(door);
	return pid;
}

static int
status_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* --- the rules --------------------------------------------------------------
 */
static void
begin(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	instance.lock = -1;
	snprintf(instance.pid_file, sizeof(instance.pid_file),
	    "/tmp/check-heir-%d.pid", (int)getpid());
	table = memfd_create("table", 0);
	estate_init(&found);
}

static void
end(void)
{
	char path[INSTANCE_FILE_MAX];

	heir_dismiss(&found, "the test is over");
	for (uint32_t lane = 0; lane < 3; lane++) {
		instance_door(&instance, lane, path);
		unlink(path);
	}
	close(table);
}

START_TEST(where_nobody_is_nothing_is_found)
{
	uint64_t began_us = clock_monotonic_us();

	ck_assert_int_eq(
	    heir_collect(&instance, 10 * US_PER_SECOND, &found), 0);
	ck_assert(!estate_is_alive(&found));
	ck_assert_uint_lt(clock_monotonic_us() - began_us, US_PER_SECOND);
}
END_TEST

START_TEST(a_door_without_anybody_behind_it_is_nothing)
{
	char path[INSTANCE_FILE_MAX];
	int door;

	instance_door(&instance, 1, path);
	door = sock_local_listen(path);
	ck_assert_int_ge(door, 0);
	close(door);
	ck_assert_int_eq(
	    heir_collect(&instance, 10 * US_PER_SECOND, &found), 0);
	ck_assert(!estate_is_alive(&found));
}
END_TEST

START_TEST(orphans_become_lanes_with_workers)
{
	pid_t first = orphan(0, HANDS_OVER), third = orphan(2, HANDS_OVER);
	struct fdstore_message message;
	int fd;

	ck_assert_int_eq(
	    heir_collect(&instance, 10 * US_PER_SECOND, &found), 0);
	ck_assert_int_eq(found.lanes[0].pid, first);
	ck_assert_int_eq(found.lanes[1].pid, 0);
	ck_assert_int_eq(found.lanes[2].pid, third);
	ck_assert_int_ne(found.lanes[2].process, -1);
	ck_assert_int_ne(found.lanes[2].door, -1);
	ck_assert_int_ne(found.table, -1);
	ck_assert_uint_eq(found.hash_seed, 7);
	/* What comes behind the estate is the crew's. */
	ck_assert_int_eq(
	    fdstore_receive(found.lanes[2].channel, &message, &fd), 1);
	ck_assert_uint_eq(message.kind, FDSTORE_READY);
}
END_TEST

START_TEST(the_dismissed_are_told_to_stop)
{
	pid_t pid = orphan(1, HANDS_OVER);

	ck_assert_int_eq(
	    heir_collect(&instance, 10 * US_PER_SECOND, &found), 0);
	ck_assert_uint_eq(heir_dismiss(&found, "test"), 1);
	ck_assert(!estate_is_alive(&found));
	ck_assert_int_eq(WEXITSTATUS(status_of(pid)), STOPPED);
}
END_TEST

START_TEST(who_follows_one_that_has_ended_is_waited_for)
{
	pid_t pid = orphan(1, FOLLOWS);

	ck_assert_int_eq(
	    heir_collect(&instance, 10 * US_PER_SECOND, &found), 0);
	ck_assert_int_eq(found.lanes[1].pid, pid);
	ck_assert_int_ne(found.lanes[1].door, -1);
}
END_TEST

/* Each beside a good one, which is taken over. */
static const struct {
	enum behaviour behaviour;
	bool killed; /* else told to stop */
} bad[] = {
	{ IS_SILENT, true },
	{ HANGS_UP, true },
	{ TALKS_NONSENSE, true },
	{ HAS_ANOTHER_VERSION, false },
	{ HAS_ANOTHER_TABLE, false },
};

START_TEST(who_cannot_be_taken_over_is_ended)
{
	pid_t good = orphan(0, HANDS_OVER);
	pid_t pid = orphan(1, bad[_i].behaviour);
	int status;

	ck_assert_int_eq(heir_collect(&instance, PATIENCE_US, &found), 0);
	ck_assert_int_eq(found.lanes[0].pid, good);
	ck_assert_int_eq(found.lanes[1].pid, 0);
	ck_assert_int_eq(found.lanes[1].channel, -1);
	status = status_of(pid);
	if (bad[_i].killed)
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	else
		ck_assert_int_eq(WEXITSTATUS(status), STOPPED);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("heir");
	Suite *suite = suite_create("heir");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, where_nobody_is_nothing_is_found);
	tcase_add_test(tests, a_door_without_anybody_behind_it_is_nothing);
	tcase_add_test(tests, orphans_become_lanes_with_workers);
	tcase_add_test(tests, the_dismissed_are_told_to_stop);
	tcase_add_test(tests, who_follows_one_that_has_ended_is_waited_for);
	tcase_add_loop_test(tests, who_cannot_be_taken_over_is_ended, 0,
	    (int)ARRAY_LENGTH(bad));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
