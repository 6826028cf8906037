/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file system whose reads hang, or fail: who watches what is on it waits, or
 * is told; nobody else notices.
 */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"
#include "moment.h"

#define FUSE_MAGIC 0x65735546
#define SKIPPED 77
/* Send-ahead is behind us, a tick may be before us. */
#define LATE_US (70 * US_PER_MS)
/* The machine's own hiccups; what hangs here does so for a second and more. */
#define LATE_PACKETS 3
#define LATE_MOST_US (300 * US_PER_MS)

static struct served served;
static char mountpoint[] = "/tmp/stall.XXXXXX";
static pid_t stallfs;

/* --- the file system ------------------------------------------------------ */

static bool
is_mounted(void)
{
	struct statfs about;

	return statfs(mountpoint, &about) == 0 && about.f_type == FUSE_MAGIC;
}

static void
unmount(void)
{
	char command[PATH_MAX];

	if (umount2(mountpoint, MNT_DETACH) == 0)
		return;
	snprintf(command, sizeof(command), "fusermount3 -u -z %s 2>/dev/null",
	    mountpoint);
	(void)!system(command);
}

static void
unmount_stallfs(void)
{
	kill(stallfs, SIGKILL); /* what hangs, fails now */
	waitpid(stallfs, NULL, 0);
	unmount();
}

static bool
mount_stallfs(const char *source)
{
	char program[PATH_MAX];
	int status;

	snprintf(program, sizeof(program), "%s/t/stallfs", getenv("builddir"));
	if (is_mounted() || errno == ENOTCONN)
		unmount(); /* of a test that failed */
	stallfs = fork();
	if (stallfs == 0) {
		execl(program, program, source, mountpoint, NULL);
		_exit(127);
	}
	for (unsigned i = 0; i < 5000; i++) {
		if (is_mounted())
			return true;
		if (waitpid(stallfs, &status, WNOHANG) != 0)
			return false;
		poll(NULL, 0, 1);
	}
	return false;
}

static void
begin_to(const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "bad.wmv.%s", what);
	served_write(&served, name, "", 0);
}

static void
cease_to(const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "bad.wmv.%s", what);
	served_remove(&served, name);
}

/* --- viewers -------------------------------------------------------------- */

#define VIEWERS_MAX 8
/* The good ones are never late, whatever befalls the bad. */
static struct viewer good[2], bad[VIEWERS_MAX];
static size_t begun_at; /* packets of the first, when it had started */

static void
watch(struct viewer *viewer, const char *title, enum viewer_transport transport,
    const char *how)
{
	viewer_open(viewer, &served, title, transport);
	viewer_setup(viewer, 1, 0);
	viewer_setup(viewer, 2, 0);
	viewer_ask(viewer, "PLAY", 0, how, 200);
}

/* Everything that comes to everybody within DURATION_MS. */
static void
pass(struct viewer *viewer, unsigned duration_ms)
{
	uint64_t until_us = clock_monotonic_us() + duration_ms * US_PER_MS;

	while (clock_monotonic_us() < until_us) {
		(void)viewer_take(&good[0], 2);
		(void)viewer_take(&good[1], 2);
		if (viewer != NULL)
			(void)viewer_take(viewer, 2);
	}
}

static void
pass_until_silent(struct viewer *viewer)
{
	size_t before;

	do {
		before = viewer->packet_count;
		pass(viewer, 300);
	} while (viewer->packet_count > before);
}

static uint32_t
timestamp_of(const struct viewer_packet *packet)
{
	const uint8_t *at = packet->bytes + (packet->bytes[0] == '$' ? 8 : 4);

	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

/* Of a packet that the first viewer got. */
static uint64_t
lateness_us(size_t number)
{
	const struct viewer_packet *packet = &good[0].packets[number];
	struct moment moment;
	uint64_t due_us;

	moment_read(&good[0], &moment);
	due_us = stream_due_without_catching_up_us(
	    &moment.hot, timestamp_of(packet));
	return packet->at_us - MIN_OF(packet->at_us, due_us);
}

/* Over TCP, where the kernel doesn't tell when what came: up to now. */
static void
expect_up_to_date(const struct viewer *viewer)
{
	const struct viewer_packet *last =
	    &viewer->packets[viewer->packet_count - 1];
	struct moment moment;

	moment_read(viewer, &moment);
	ck_assert_uint_gt(
	    stream_due_without_catching_up_us(&moment.hot, timestamp_of(last)) +
		300 * US_PER_MS,
	    clock_monotonic_us());
}

/* All packets of the good viewers since the test began came at their time. */
static void
expect_punctual(void)
{
	size_t late = 0, count;
	uint64_t worst_us = 0;

	pass(NULL, 50);
	count = good[0].packet_count - begun_at;
	ck_assert_uint_gt(count, 20);
	for (size_t i = begun_at; i < good[0].packet_count; i++) {
		uint64_t late_us = good[0].packets[i].rtcp ? 0 : lateness_us(i);

		late += late_us > LATE_US;
		worst_us = MAX_OF(worst_us, late_us);
	}
	ck_assert_msg(
	    late <= LATE_PACKETS + count / 100 && worst_us < LATE_MOST_US,
	    "%zu of %zu packets late, one by %u ms", late, count,
	    (unsigned)(worst_us / US_PER_MS));
	expect_up_to_date(&good[1]);
}

static uint64_t
counter(enum table_counter which)
{
	return table_counter(served.table, 0, which);
}

static void
pass_until_counter_is(enum table_counter which, uint64_t wanted)
{
	for (unsigned i = 0; i < 100 && counter(which) != wanted; i++)
		pass(NULL, 50);
	ck_assert_uint_eq(counter(which), wanted);
}

static void
begin(void)
{
	static const char *const settings[] = { "max_speed=16", NULL };

	served_folder(&served, NULL);
	served_copy(&served, "sample.wmv", "bad.wmv");
	served_copy(&served, "sample.wmv", "good.wmv");
	served_copy(&served, "sample.wmv", "other.wmv");
	ck_assert(mount_stallfs(served.folder));
	strcpy(served.files, served.folder);
	served_start(&served, mountpoint, settings);
	watch(&good[0], "good.wmv", VIEWER_UDP, "Range: npt=0-\r\n");
	watch(&good[1], "good.wmv", VIEWER_TCP, "Range: npt=5-\r\n");
	/* The first block is read when it is needed, the others ahead. */
	do {
		pass(NULL, 100);
		begun_at = good[0].packet_count;
	} while (begun_at < 10 || lateness_us(begun_at - 1) > 0);
}

static void
end(void)
{
	viewer_close(&good[0]);
	viewer_close(&good[1]);
	served_end(&served);
	unmount_stallfs();
}

/* --- rules ---------------------------------------------------------------- */

static const enum viewer_transport transports[] = { VIEWER_UDP, VIEWER_TCP };
static struct built_list built;

START_TEST(one_title_that_hangs_waits_alone_and_goes_on)
{
	struct moment moment;

	watch(&bad[0], "bad.wmv", transports[_i], "Speed: 8\r\n");
	pass(&bad[0], 200);
	begin_to("stall");
	pass_until_silent(&bad[0]);
	pass(&bad[0], 1000);
	moment_read(&bad[0], &moment);
	ck_assert_int_eq(moment.hot.session_state, TABLE_SESSION_PLAYING);
	moment_build(&served, &moment, 200, &built);
	cease_to("stall");
	moment_expect(&bad[0], &moment, &built);
	pass(&bad[0], 200);
	viewer_close(&bad[0]);
	expect_punctual();
}
END_TEST

/* Who opens it, seeks in it, plays it at many places: all of them wait. */
START_TEST(many_viewers_of_what_hangs_leave_readers_for_others)
{
	struct viewer other;
	uint64_t asked_us;
	char range[64];

	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		viewer_open(&bad[i], &served, "bad.wmv", transports[i % 2]);
		viewer_setup(&bad[i], 1, 0);
		viewer_setup(&bad[i], 2, 0);
	}
	for (unsigned i = 0; i < VIEWERS_MAX / 2; i++)
		viewer_ask(&bad[i], "PLAY", 0, "Speed: 16\r\n", 200);
	pass(&bad[0], 100);
	begin_to("stall");
	pass_until_silent(&bad[0]);
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		snprintf(range, sizeof(range), "Range: npt=%u-\r\n", 2 + 2 * i);
		viewer_send(&bad[i], "PLAY", 0, range);
	}
	pass(NULL, 300);
	asked_us = clock_monotonic_us();
	watch(&other, "other.wmv", VIEWER_UDP, "Range: npt=3-\r\n");
	viewer_take_packets(&other, 10);
	ck_assert_uint_lt(clock_monotonic_us() - asked_us, US_PER_SECOND);
	viewer_close(&other);
	cease_to("stall");
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		viewer_wait_reply(&bad[i], 200);
		viewer_take_packets(&bad[i], 10);
		viewer_close(&bad[i]);
		pass(NULL, 10);
	}
	expect_punctual();
}
END_TEST

START_TEST(sessions_that_wait_for_a_read_can_be_ended)
{
	watch(&bad[0], "bad.wmv", VIEWER_UDP, "Speed: 8\r\n");
	watch(&bad[1], "bad.wmv", VIEWER_TCP, "Speed: 8\r\n");
	viewer_open(&bad[2], &served, "bad.wmv", VIEWER_UDP);
	viewer_setup(&bad[2], 1, 0);
	begin_to("stall");
	pass_until_silent(&bad[0]);
	viewer_send(&bad[2], "PLAY", 0, "Range: npt=7-\r\n");
	viewer_ask(&bad[0], "TEARDOWN", 0, "", 200);
	pass_until_counter_is(TABLE_SESSIONS, 4);
	for (unsigned i = 0; i < 3; i++)
		viewer_close(&bad[i]);
	pass_until_counter_is(TABLE_SESSIONS, 2);
	pass_until_counter_is(TABLE_CONNECTIONS, 2);
	cease_to("stall");
	pass(NULL, 200);
	expect_punctual();
	watch(&bad[0], "bad.wmv", VIEWER_TCP, "Range: npt=9-\r\n");
	viewer_take_packets(&bad[0], 20);
	viewer_close(&bad[0]);
}
END_TEST

START_TEST(a_read_that_fails_ends_the_session_alone)
{
	watch(&bad[0], "bad.wmv", transports[_i], "Speed: 8\r\n");
	pass(&bad[0], 100);
	begin_to("error");
	pass_until_counter_is(TABLE_SESSIONS, 2);
	served_wait_log(&served, "cause=file-unreadable");
	ck_assert_uint_eq(
	    served_log_lines(&served, "cause=file-unreadable"), 1);
	pass(NULL, 300);
	expect_punctual();
	viewer_close(&bad[0]);
}
END_TEST

START_TEST(a_file_cut_short_ends_the_session_alone)
{
	char path[PATH_MAX];

	watch(&bad[0], "bad.wmv", transports[_i], "Speed: 8\r\n");
	pass(&bad[0], 100);
	snprintf(path, sizeof(path), "%.4000s/bad.wmv", served.folder);
	ck_assert_int_eq(truncate(path, 400000), 0);
	pass_until_counter_is(TABLE_SESSIONS, 2);
	ck_assert_uint_eq(served_log_lines(&served, "title=\"bad.wmv\""), 1);
	ck_assert_uint_eq(served_log_lines(&served, "cause=file-"), 1);
	pass(NULL, 300);
	expect_punctual();
	viewer_close(&bad[0]);
}
END_TEST

START_TEST(the_server_ends_while_reads_hang)
{
	watch(&bad[0], "bad.wmv", VIEWER_UDP, "Speed: 8\r\n");
	watch(&bad[1], "bad.wmv", VIEWER_TCP, "Range: npt=8-\r\n");
	begin_to("stall");
	pass_until_silent(&bad[0]);
	viewer_send(&bad[1], "PLAY", 0, "Range: npt=7-\r\n");
	pass(NULL, 100);
	served_stop_within(&served, 2000);
	cease_to("stall");
	viewer_close(&bad[0]);
	viewer_close(&bad[1]);
}
END_TEST

/* Closing a file asks the file system too, and waits for its answer. */
START_TEST(a_title_whose_file_system_hangs_is_closed_aside)
{
	watch(&bad[0], "bad.wmv", VIEWER_UDP, "");
	pass(&bad[0], 200);
	viewer_ask(&bad[0], "TEARDOWN", 0, "", 200);
	viewer_close(&bad[0]);
	begin_to("hang");
	pass(NULL, 13000); /* titles are closed when idle for 10 s */
	expect_punctual();
	cease_to("hang");
	pass(NULL, 100);
	watch(&bad[0], "bad.wmv", VIEWER_UDP, "");
	viewer_take_packets(&bad[0], 20);
	viewer_close(&bad[0]);
}
END_TEST

static uint16_t
sequence_of(const struct viewer_packet *packet)
{
	const uint8_t *at = packet->bytes + (packet->bytes[0] == '$' ? 6 : 2);

	return (uint16_t)(at[0] << 8 | at[1]);
}

/* What a successor sends a second time is no gap. */
static void
expect_no_gap(const struct viewer *viewer)
{
	for (uint8_t flow = 0; flow < VIEWER_FLOWS; flow++) {
		const struct viewer_packet *last = NULL;

		for (size_t i = 0; i < viewer->packet_count; i++) {
			const struct viewer_packet *packet =
			    &viewer->packets[i];

			if (packet->rtcp || packet->flow != flow)
				continue;
			if (last != NULL)
				ck_assert_int_le((int16_t)(sequence_of(packet) -
							   sequence_of(last)),
				    1);
			last = packet;
		}
	}
}

/* A thread that waits for a disk keeps its process from being reaped. */
START_TEST(a_worker_that_dies_while_a_read_hangs_is_succeeded)
{
	static const int signals[] = { SIGKILL, SIGSTOP };
	pid_t worker = served_worker(&served);

	watch(&bad[0], "bad.wmv", transports[_i], "Speed: 8\r\n");
	pass(&bad[0], 200);
	begin_to("stall");
	pass_until_silent(&bad[0]);
	ck_assert_int_eq(kill(worker, signals[_i]), 0);
	for (unsigned i = 0; i < 200 && served_worker(&served) == worker; i++)
		pass(NULL, 50);
	ck_assert_int_ne(served_worker(&served), worker);
	served_wait_log(
	    &served, _i == 0 ? "a thread of it still hangs" : "worker killed");
	viewer_take_packets(&good[0], 50);
	viewer_take_packets(&good[1], 50);
	cease_to("stall");
	viewer_take_packets(&bad[0], 20);
	expect_no_gap(&good[0]);
	expect_no_gap(&good[1]);
	expect_no_gap(&bad[0]);
	viewer_close(&bad[0]);
}
END_TEST

static bool
can_mount(void)
{
	bool result = mount_stallfs("/");

	if (result)
		unmount_stallfs();
	return result;
}

int
main(int argc, char **argv)
{
	TCase *rules;
	Suite *suite;
	SRunner *runner;
	int failed, slow;

	if (mkdtemp(mountpoint) == NULL || chmod(mountpoint, 0755) != 0)
		return 1;
	if (!can_mount()) {
		puts("no FUSE file system can be mounted here");
		rmdir(mountpoint);
		return SKIPPED;
	}
	suite = suite_create("stall");
	rules = tcase_create("a file system that hangs");
	tcase_add_checked_fixture(rules, begin, end);
	tcase_set_timeout(rules, 60);
	/* Short ones for each make check, with "slow" the others and what is
	 * the same over TCP. */
	slow = argc > 1 && strcmp(argv[1], "slow") == 0;
	tcase_add_loop_test(rules, one_title_that_hangs_waits_alone_and_goes_on,
	    slow, slow + 1);
	tcase_add_loop_test(
	    rules, a_read_that_fails_ends_the_session_alone, slow, slow + 1);
	tcase_add_loop_test(rules,
	    a_worker_that_dies_while_a_read_hangs_is_succeeded, slow, slow + 1);
	if (slow) {
		tcase_add_loop_test(
		    rules, a_file_cut_short_ends_the_session_alone, 0, 2);
		tcase_add_test(
		    rules, many_viewers_of_what_hangs_leave_readers_for_others);
		tcase_add_test(
		    rules, sessions_that_wait_for_a_read_can_be_ended);
		tcase_add_test(
		    rules, a_title_whose_file_system_hangs_is_closed_aside);
	} else {
		tcase_add_test(rules, the_server_ends_while_reads_hang);
	}
	suite_add_tcase(suite, rules);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	rmdir(mountpoint);
	return failed == 0 ? 0 : 1;
}
