/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store of descriptors, and the messages between master and worker over a
 * real channel.
 */
#include "server/fdstore.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LANES 2
#define RECORDS 8

static struct fdstore *store;
static int ends[2]; /* master's, worker's */

static void
open_all(void)
{
	ck_assert_int_eq(fdstore_new(LANES, RECORDS, &store), 0);
	ck_assert_int_eq(sock_seqpacket_pair(ends), 0);
}

static void
close_all(void)
{
	fdstore_free(store);
	for (int i = 0; i < 2; i++)
		if (ends[i] != -1)
			close(ends[i]);
}

/* A pipe's end to store; the other end sees it close. */
static int
storable(int *watched)
{
	int pipe_ends[2];

	ck_assert_int_eq(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
	*watched = pipe_ends[0];
	return pipe_ends[1];
}

static bool
is_closed(int watched)
{
	char byte;

	return read(watched, &byte, 1) == 0;
}

static bool
same_file(int a, int b)
{
	struct stat left, right;

	ck_assert_int_eq(fstat(a, &left), 0);
	ck_assert_int_eq(fstat(b, &right), 0);
	return left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

static void
count_one(void *context, uint32_t connection, uint64_t cookie, int fd)
{
	uint64_t *seen = context;

	ck_assert_int_ne(fd, -1);
	seen[connection] = cookie;
}

/* --- the store ---------------------------------------------------------------
 */
START_TEST(what_is_put_is_found_in_its_lane_only)
{
	uint64_t seen[RECORDS] = { 0 }, other[RECORDS] = { 0 };
	int watched;

	ck_assert_int_eq(fdstore_put(store, 1, 3, 77, storable(&watched)), 0);
	ck_assert_uint_eq(fdstore_count(store, 0), 0);
	ck_assert_uint_eq(fdstore_count(store, 1), 1);
	fdstore_each(store, 1, count_one, seen);
	fdstore_each(store, 0, count_one, other);
	for (int i = 0; i < RECORDS; i++) {
		ck_assert_uint_eq(seen[i], i == 3 ? 77 : 0);
		ck_assert_uint_eq(other[i], 0);
	}
	ck_assert(!is_closed(watched));
	close(watched);
}
END_TEST

START_TEST(dropping_closes_the_descriptor)
{
	int watched;

	fdstore_put(store, 0, 0, 5, storable(&watched));
	ck_assert(fdstore_drop(store, 0, 0, 5));
	ck_assert(is_closed(watched));
	ck_assert_uint_eq(fdstore_count(store, 0), 0);
	ck_assert(!fdstore_drop(store, 0, 0, 5));
	close(watched);
}
END_TEST

START_TEST(a_late_drop_with_another_cookie_closes_nothing)
{
	int watched;

	fdstore_put(store, 0, 2, 6, storable(&watched));
	ck_assert(!fdstore_drop(store, 0, 2, 5));
	ck_assert(!is_closed(watched));
	ck_assert_uint_eq(fdstore_count(store, 0), 1);
	close(watched);
}
END_TEST

START_TEST(a_record_used_again_closes_what_stood_there)
{
	int first, second;

	fdstore_put(store, 0, 4, 1, storable(&first));
	fdstore_put(store, 0, 4, 2, storable(&second));
	ck_assert(is_closed(first));
	ck_assert(!is_closed(second));
	ck_assert_uint_eq(fdstore_count(store, 0), 1);
	close(first);
	close(second);
}
END_TEST

START_TEST(records_that_do_not_exist_are_refused_and_closed)
{
	int watched;

	ck_assert_int_eq(
	    fdstore_put(store, 0, RECORDS, 1, storable(&watched)), -ERANGE);
	ck_assert(is_closed(watched));
	close(watched);
	ck_assert_int_eq(
	    fdstore_put(store, LANES, 0, 1, storable(&watched)), -ERANGE);
	ck_assert(is_closed(watched));
	close(watched);
	ck_assert(!fdstore_drop(store, 0, UINT32_MAX, 1));
	ck_assert(!fdstore_drop(store, LANES, 0, 1));
}
END_TEST

START_TEST(freeing_the_store_closes_everything)
{
	int watched[LANES];

	for (uint32_t i = 0; i < LANES; i++)
		fdstore_put(store, i, i, 1, storable(&watched[i]));
	fdstore_free(store);
	store = NULL;
	for (int i = 0; i < LANES; i++) {
		ck_assert(is_closed(watched[i]));
		close(watched[i]);
	}
}
END_TEST

/* --- the messages ------------------------------------------------------------
 */
START_TEST(a_message_arrives_with_its_descriptor)
{
	const struct fdstore_message put = {
		.kind = FDSTORE_PUT, .connection = 9, .cookie = 1ull << 40
	};
	struct fdstore_message got;
	int watched, sent = storable(&watched), fd;

	ck_assert_int_eq(fdstore_send(ends[1], &put, sent), 0);
	ck_assert_int_eq(fdstore_receive(ends[0], &got, &fd), 1);
	ck_assert_uint_eq(got.kind, FDSTORE_PUT);
	ck_assert_uint_eq(got.connection, 9);
	ck_assert_uint_eq(got.cookie, 1ull << 40);
	ck_assert(same_file(fd, sent));
	ck_assert_int_eq(fdstore_receive(ends[0], &got, &fd), -EAGAIN);
	close(sent);
	close(watched);
}
END_TEST

START_TEST(a_message_without_its_descriptor_is_bad)
{
	const struct fdstore_message put = { .kind = FDSTORE_PUT };
	const struct fdstore_message ready = { .kind = FDSTORE_READY };
	struct fdstore_message got;
	int watched, extra = storable(&watched), fd;

	ck_assert_int_eq(fdstore_send(ends[1], &put, -1), 0);
	ck_assert_int_eq(fdstore_send(ends[1], &ready, extra), 0);
	ck_assert_int_eq(write(ends[1], "short", 5), 5);
	ck_assert_int_eq(fdstore_send(ends[1], &ready, -1), 0);
	close(extra);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(fdstore_receive(ends[0], &got, &fd), -EBADMSG);
	ck_assert(is_closed(watched));
	ck_assert_int_eq(fdstore_receive(ends[0], &got, &fd), 1);
	ck_assert_uint_eq(got.kind, FDSTORE_READY);
	ck_assert_int_eq(fd, -1);
	close(watched);
}
END_TEST

START_TEST(what_a_dead_worker_sent_is_read_to_its_end)
{
	const struct fdstore_message drop = { .kind = FDSTORE_DROP };
	struct fdstore_message got;
	int fd, status;
	pid_t child;

	/* It dies with a message to it unread: the kernel reports an error. */
	ck_assert_int_eq(fdstore_send(ends[0], &drop, -1), 0);
	if ((child = fork()) == 0) {
		for (int i = 0; i < 100; i++)
			if (fdstore_send(ends[1], &drop, -1) != 0)
				_exit(1);
		_exit(0);
	}
	close(ends[1]);
	ends[1] = -1;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(fdstore_receive(ends[0], &got, &fd), 1);
	ck_assert_int_eq(fdstore_receive(ends[0], &got, &fd), 0);
}
END_TEST

START_TEST(the_successor_is_given_all_then_told_that_it_was_all)
{
	struct fdstore_message got;
	struct fdstore_receiver to = { .channel = ends[0], .number = 1 };
	int watched[3], fd;

	for (uint32_t i = 0; i < 3; i++)
		fdstore_put(store, 1, 2 * i, 100 + i, storable(&watched[i]));
	ck_assert_int_eq(fdstore_give(store, 1, &to, true), 0);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(fdstore_receive(ends[1], &got, &fd), 1);
		ck_assert_uint_eq(got.kind, FDSTORE_GIVE);
		ck_assert_uint_eq(got.connection, 2 * i);
		ck_assert_uint_eq(got.cookie, 100 + i);
		ck_assert_int_ne(fd, -1);
		close(fd);
		close(watched[i]);
	}
	ck_assert_int_eq(fdstore_receive(ends[1], &got, &fd), 1);
	ck_assert_uint_eq(got.kind, FDSTORE_GIVEN);
	ck_assert_uint_eq(fdstore_count(store, 1), 3);
}
END_TEST

static void
assert_receives(enum fdstore_kind kind, uint64_t cookie)
{
	struct fdstore_message got;
	int fd;

	ck_assert_int_eq(fdstore_receive(ends[1], &got, &fd), 1);
	ck_assert_uint_eq(got.kind, kind);
	ck_assert_uint_eq(got.cookie, cookie);
	if (fd != -1)
		close(fd);
}

START_TEST(what_was_given_already_is_not_given_again)
{
	struct fdstore_receiver relief = { .channel = ends[0], .number = 1 };
	int watched;

	fdstore_put(store, 1, 2, 77, storable(&watched));
	fdstore_put(store, 1, 3, 78, storable(&watched));
	fdstore_put(store, 1, 4, 79, storable(&watched));
	ck_assert_int_eq(fdstore_supply(store, 1, &relief), 0);
	assert_receives(FDSTORE_GIVE, 77);
	assert_receives(FDSTORE_GIVE, 78);
	assert_receives(FDSTORE_GIVE, 79);
	/* Before its turn comes one ends, one is another, one is new. */
	fdstore_drop(store, 1, 2, 77);
	fdstore_drop(store, 1, 3, 78);
	fdstore_put(store, 1, 3, 80, storable(&watched));
	fdstore_put(store, 1, 5, 81, storable(&watched));
	relief.next = 0;
	ck_assert_int_eq(fdstore_give(store, 1, &relief, false), 0);
	assert_receives(FDSTORE_GIVE, 80);
	assert_receives(FDSTORE_GIVE, 81);
	assert_receives(FDSTORE_GIVEN, 0);
	/* The next one is another process. */
	relief = (struct fdstore_receiver){ .channel = ends[0], .number = 2 };
	ck_assert_int_eq(fdstore_give(store, 1, &relief, false), 0);
	assert_receives(FDSTORE_GIVE, 80);
	assert_receives(FDSTORE_GIVE, 79);
	assert_receives(FDSTORE_GIVE, 81);
	assert_receives(FDSTORE_GIVEN, 0);
}
END_TEST

START_TEST(what_is_moved_waits_until_it_is_put_there)
{
	struct fdstore_receiver to = { .channel = ends[0], .number = 1 };
	int watched;

	fdstore_put(store, 0, 2, 77, storable(&watched));
	ck_assert(!fdstore_move(store, 0, 2, 78, 1));
	ck_assert(!fdstore_move(store, 0, 2, 77, 1000));
	ck_assert(fdstore_move(store, 0, 2, 77, 1));
	ck_assert_uint_eq(fdstore_count(store, 0), 0);
	ck_assert(fdstore_has_moved(store, 1));
	ck_assert_int_eq(fdstore_send_moved(store, 1, ends[0]), 0);
	assert_receives(FDSTORE_TAKE, 77);
	ck_assert_int_eq(fdstore_send_moved(store, 1, ends[0]), 0);

	/* That worker died; the next one takes it. */
	ck_assert_int_eq(fdstore_give(store, 1, &to, false), 0);
	ck_assert_int_eq(fdstore_send_moved(store, 1, ends[0]), 0);
	assert_receives(FDSTORE_GIVEN, 0);
	assert_receives(FDSTORE_TAKE, 77);
	fdstore_put(store, 1, 5, 77, storable(&watched));
	ck_assert(!fdstore_has_moved(store, 1));
	ck_assert_uint_eq(fdstore_count(store, 1), 1);
}
END_TEST

START_TEST(what_two_workers_died_over_is_closed)
{
	struct fdstore_receiver to = { .channel = ends[0] };
	int watched;

	fdstore_put(store, 0, 2, 77, storable(&watched));
	ck_assert(fdstore_move(store, 0, 2, 77, 1));
	for (int i = 0; i < 2; i++) {
		ck_assert(fdstore_has_moved(store, 1));
		ck_assert_int_eq(fdstore_send_moved(store, 1, ends[0]), 0);
		assert_receives(FDSTORE_TAKE, 77);
		to.number++;
		to.next = 0;
		ck_assert_int_eq(fdstore_give(store, 1, &to, false), 0);
		assert_receives(FDSTORE_GIVEN, 0);
	}
	ck_assert(!fdstore_has_moved(store, 1));
	ck_assert(is_closed(watched));
}
END_TEST

START_TEST(giving_more_than_the_channel_holds_goes_on_where_it_stopped)
{
	enum { MANY = 500 };
	struct fdstore *large;
	struct fdstore_message got = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), small = 4096;
	int fd, result, pauses = 0;
	struct fdstore_receiver to = { .channel = ends[0], .number = 1 };
	uint32_t expected = 0;

	ck_assert_int_eq(
	    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
	    0);
	ck_assert_int_eq(fdstore_new(1, MANY, &large), 0);
	for (uint32_t i = 0; i < MANY; i++)
		fdstore_put(large, 0, i, i, dup(null));
	do {
		result = fdstore_give(large, 0, &to, false);
		ck_assert(result == 0 || result == -EAGAIN);
		pauses += result == -EAGAIN;
		while (fdstore_receive(ends[1], &got, &fd) == 1) {
			if (got.kind == FDSTORE_GIVEN)
				continue;
			ck_assert_uint_eq(got.connection, expected++);
			close(fd);
		}
	} while (result == -EAGAIN);
	ck_assert_int_gt(pauses, 0);
	ck_assert_uint_eq(expected, MANY);
	ck_assert_uint_eq(got.kind, FDSTORE_GIVEN);
	fdstore_free(large);
	close(null);
}
END_TEST

/* --- what the machine has too little of ----------------------------------- */

/* What this process, or its child, logs from now on. */
static void
log_is_read(int *reader)
{
	int pipe_ends[2];

	ck_assert_int_eq(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(pipe_ends[1], STDERR_FILENO), STDERR_FILENO);
	close(pipe_ends[1]);
	*reader = pipe_ends[0];
}

static void
expect_logged_once(int reader, const char *text)
{
	char logged[4096];
	ssize_t size = read(reader, logged, sizeof(logged) - 1);

	ck_assert_int_gt(size, 0);
	logged[size] = '\0';
	ck_assert_msg(strstr(logged, text) != NULL, "%s", logged);
	ck_assert_ptr_eq(strchr(logged, '\n'), logged + size - 1);
}

START_TEST(a_descriptor_that_cannot_be_opened_is_lost_and_nothing_else)
{
	const struct fdstore_message put = { .kind = FDSTORE_PUT };
	const struct fdstore_message ready = { .kind = FDSTORE_READY };
	struct rlimit limit, tight;
	struct fdstore_message got;
	int watched, sent = storable(&watched), log, fd;

	log_is_read(&log);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(fdstore_send(ends[1], &put, sent), 0);
	ck_assert_int_eq(fdstore_send(ends[1], &ready, -1), 0);
	ck_assert_int_eq(fdstore_send(ends[1], &put, sent), 0);
	close(sent);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	ck_assert_int_eq(fdstore_receive(ends[0], &got, &fd), 1);
	ck_assert_uint_eq(got.kind, FDSTORE_READY);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect_logged_once(log, "descriptor is lost: Too many open files");
	ck_assert_int_eq(fdstore_receive(ends[0], &got, &fd), 1);
	ck_assert_uint_eq(got.kind, FDSTORE_PUT);
	ck_assert(!is_closed(watched));
	close(fd);
	ck_assert(is_closed(watched));
	close(watched);
}
END_TEST

/* Root may have any number on their way. */
static int
send_too_many(void)
{
	const struct fdstore_message put = { .kind = FDSTORE_PUT };
	const struct rlimit tight = { 20, 20 };
	struct fdstore_message got;
	int fd = STDIN_FILENO, error;
	unsigned sent = 0;

	if (getuid() == 0 && setuid(65534) != 0)
		return 1;
	if (setrlimit(RLIMIT_NOFILE, &tight) != 0)
		return 2;
	while ((error = fdstore_send(ends[1], &put, fd)) == 0)
		if (++sent > 1000)
			return 3;
	if (error != -EAGAIN || fdstore_send(ends[1], &put, fd) != -EAGAIN)
		return 4;
	while (fdstore_receive(ends[0], &got, &fd) == 1)
		close(fd);
	return fdstore_send(ends[1], &put, STDIN_FILENO) == 0 ? 0 : 5;
}

START_TEST(too_many_descriptors_on_their_way_have_to_wait)
{
	int log, status;
	pid_t child;

	log_is_read(&log);
	if ((child = fork()) == 0)
		_exit(send_too_many());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	expect_logged_once(log, "has to wait: Too many references");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fdstore");
	TCase *cases = tcase_create("fdstore");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, open_all, close_all);
	tcase_add_test(cases, what_is_put_is_found_in_its_lane_only);
	tcase_add_test(cases, dropping_closes_the_descriptor);
	tcase_add_test(cases, a_late_drop_with_another_cookie_closes_nothing);
	tcase_add_test(cases, a_record_used_again_closes_what_stood_there);
	tcase_add_test(cases, records_that_do_not_exist_are_refused_and_closed);
	tcase_add_test(cases, freeing_the_store_closes_everything);
	tcase_add_test(cases, a_message_arrives_with_its_descriptor);
	tcase_add_test(cases, a_message_without_its_descriptor_is_bad);
	tcase_add_test(cases, what_a_dead_worker_sent_is_read_to_its_end);
	tcase_add_test(
	    cases, the_successor_is_given_all_then_told_that_it_was_all);
	tcase_add_test(cases, what_was_given_already_is_not_given_again);
	tcase_add_test(cases, what_is_moved_waits_until_it_is_put_there);
	tcase_add_test(cases, what_two_workers_died_over_is_closed);
	tcase_add_test(
	    cases, giving_more_than_the_channel_holds_goes_on_where_it_stopped);
	tcase_add_test(
	    cases, a_descriptor_that_cannot_be_opened_is_lost_and_nothing_else);
	tcase_add_test(cases, too_many_descriptors_on_their_way_have_to_wait);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
