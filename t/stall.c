/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file system whose reads hang, or fail: who watches what is on it waits, or
 * is told; nobody else notices.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
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
#include "neighbours.h"

#define FUSE_MAGIC 0x65735546
#define SKIPPED 77

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
begin_to(const char *what, const char *name)
{
	char order[64];

	snprintf(order, sizeof(order), "%s.%s", name, what);
	served_write(&served, order, "", 0);
}

static void
cease_to(const char *what, const char *name)
{
	char order[64];

	snprintf(order, sizeof(order), "%s.%s", name, what);
	served_remove(&served, order);
}

/* --- a disk -----------------------------------------------------------------
 */

/* What hangs, or fails; and the file whose name orders it to. */
static const char *bad_title, *bad_file;

/*
 * A file system that has RWF_NOWAIT, on a disk that is a file of stallfs: with
 * bad.wmv, as MOUNTPOINT/disk.  False: this machine cannot, or we may not.
 */
static bool
run(const char *command)
{
	setenv("FOLDER", served.folder, 1);
	setenv("MOUNTPOINT", mountpoint, 1);
	return system(command) == 0;
}

static bool
make_disk(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       run("cd $FOLDER && mkdir disk image && mv bad.wmv image && "
		   "mkfs.ext4 -q -O ^has_journal -d image disk.img 4M "
		   "2>/dev/null && rm -r image") &&
	       mount_stallfs(served.folder) &&
	       run("mount -o loop,ro $MOUNTPOINT/disk.img $MOUNTPOINT/disk "
		   "2>/dev/null");
}

/* Nothing of it is in the page cache. */
static void
make_cold(void)
{
	char path[2 * PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", served.files, bad_title);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

/* --- viewers -------------------------------------------------------------- */

#define VIEWERS_MAX 8
static struct viewer bad[VIEWERS_MAX]; /* of what hangs */

static void
watch(struct viewer *viewer, const char *title, enum viewer_transport transport,
    const char *how)
{
	viewer_open(viewer, &served, title, transport);
	viewer_setup(viewer, 1, 0);
	viewer_setup(viewer, 2, 0);
	viewer_ask(viewer, "PLAY", 0, how, 200);
}

static uint64_t
counter(enum table_counter which)
{
	return table_counter(served.table, 0, which);
}

struct wanted {
	enum table_counter which;
	uint64_t value;
};

static bool
counter_is(void *context)
{
	const struct wanted *wanted = context;

	return counter(wanted->which) == wanted->value;
}

static void
pass_until_counter_is(enum table_counter which, uint64_t value)
{
	neighbours_pass_until(counter_is, &(struct wanted){ which, value });
}

static void
make_files(void)
{
	served_folder(&served, NULL);
	served_copy(&served, "sample.wmv", "bad.wmv");
	served_copy(&served, "sample.wmv", "good.wmv");
	served_copy(&served, "sample.wmv", "other.wmv");
}

static void
serve(void)
{
	static const char *const settings[] = { "max_speed=16", NULL };

	served_start(&served, mountpoint, settings);
	neighbours_begin(&served, "good.wmv");
}

static void
begin(void)
{
	make_files();
	ck_assert(mount_stallfs(served.folder));
	bad_title = bad_file = "bad.wmv";
	strcpy(served.files, served.folder);
	serve();
}

static void
end(void)
{
	neighbours_end();
	served_end(&served);
	unmount_stallfs();
}

/* False: it cannot be had here. */
static bool
begin_on_disk(void)
{
	make_files();
	if (!make_disk()) {
		puts("stall: no disk can be made here");
		return false;
	}
	bad_title = "disk/bad.wmv";
	bad_file = "disk.img";
	strcpy(served.files, mountpoint);
	serve();
	return true;
}

static void
end_on_disk(void)
{
	neighbours_end();
	served_stop_within(&served, SERVED_PATIENCE_MS);
	ck_assert(run("umount $MOUNTPOINT/disk && rmdir $FOLDER/disk"));
	served_end(&served);
	unmount_stallfs();
}

/* --- rules ---------------------------------------------------------------- */

static const enum viewer_transport transports[] = { VIEWER_UDP, VIEWER_TCP };
static struct built_list built;

static void
hang_and_go_on(const char *what, enum viewer_transport transport)
{
	struct moment moment, later;

	watch(&bad[0], bad_title, transport, "Speed: 8\r\n");
	neighbours_pass(&bad[0], 200);
	moment_read(&bad[0], &moment);
	moment_build(&served, &moment, 600, &built);
	make_cold();
	begin_to("stall", bad_file);
	neighbours_pass_until_silent(&bad[0]);
	neighbours_pass(&bad[0], 1000);
	moment_read(&bad[0], &later);
	ck_assert_int_eq(later.hot.session_state, TABLE_SESSION_PLAYING);
	ck_assert_uint_lt(later.hot.packet + 50, later.hot.end_packet);
	cease_to("stall", bad_file);
	moment_expect(&bad[0], &moment, &built);
	neighbours_pass(&bad[0], 200);
	viewer_close(&bad[0]);
	neighbours_expect_punctual(what, 0);
}

START_TEST(one_title_that_hangs_waits_alone_and_goes_on)
{
	hang_and_go_on(__func__, transports[_i]);
}
END_TEST

static void
fail_and_end(const char *what, enum viewer_transport transport)
{
	watch(&bad[0], bad_title, transport, "Speed: 8\r\n");
	neighbours_pass(&bad[0], 100);
	make_cold();
	begin_to("error", bad_file);
	pass_until_counter_is(TABLE_SESSIONS, 2);
	served_wait_log(&served, "cause=file-unreadable");
	ck_assert_uint_eq(
	    served_log_lines(&served, "cause=file-unreadable"), 1);
	neighbours_pass(NULL, 300);
	neighbours_expect_punctual(what, 0);
	viewer_close(&bad[0]);
}

START_TEST(a_read_that_fails_ends_the_session_alone)
{
	fail_and_end(__func__, transports[_i]);
}
END_TEST

/* The same where what is cached needs no reader, and what isn't does. */
START_TEST(a_disk_that_hangs_or_fails_costs_its_viewers_alone)
{
	if (!begin_on_disk())
		return;
	hang_and_go_on("a disk that hangs", transports[_i]);
	fail_and_end("a disk that fails", transports[1 - _i]);
	cease_to("error", bad_file);
	end_on_disk();
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
	neighbours_pass(&bad[0], 100);
	begin_to("stall", "bad.wmv");
	neighbours_pass_until_silent(&bad[0]);
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		snprintf(range, sizeof(range), "Range: npt=%u-\r\n", 2 + 2 * i);
		viewer_send(&bad[i], "PLAY", 0, range);
	}
	neighbours_pass(NULL, 300);
	asked_us = clock_monotonic_us();
	watch(&other, "other.wmv", VIEWER_UDP, "Range: npt=3-\r\n");
	viewer_take_packets(&other, 10);
	ck_assert_uint_lt(clock_monotonic_us() - asked_us, US_PER_SECOND);
	viewer_close(&other);
	cease_to("stall", "bad.wmv");
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		viewer_wait_reply(&bad[i], 200);
		viewer_take_packets(&bad[i], 10);
		viewer_close(&bad[i]);
		neighbours_pass(NULL, 10);
	}
	neighbours_expect_punctual(__func__, 0);
}
END_TEST

static bool
has_some(void *context)
{
	return ((const struct viewer *)context)->packet_count >= 10;
}

/* As many titles as have to be, each of which takes what it can. */
START_TEST(many_titles_that_hang_leave_readers_for_others)
{
	char name[16];
	struct viewer last;

	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		snprintf(name, sizeof(name), "bad%u.wmv", i);
		served_copy(&served, "sample.wmv", name);
		watch(&bad[i], name, transports[i % 2], "Speed: 16\r\n");
		neighbours_pass(&bad[i], 50);
		begin_to("stall", name);
	}
	for (unsigned i = 0; i < VIEWERS_MAX; i++)
		neighbours_pass_until_silent(&bad[i]);
	watch(&last, "other.wmv", VIEWER_UDP, "Range: npt=3-\r\n");
	while (!has_some(&last))
		neighbours_pass(&last, 10);
	viewer_close(&last);
	served_wait_log(&served, "warning worker: reads hang");
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		snprintf(name, sizeof(name), "bad%u.wmv", i);
		cease_to("stall", name);
		viewer_take_packets(&bad[i], 10);
		viewer_close(&bad[i]);
	}
	neighbours_expect_punctual(__func__, 0);
}
END_TEST

static bool
is_replaced(void *context)
{
	pid_t worker = served_worker(&served);

	return worker != 0 && worker != *(const pid_t *)context;
}

/*
 * A thread that hangs in a read keeps its process from ending, and so from
 * being waited for; its descriptors stay open, too.
 */
static const struct {
	int signal;
	unsigned gap_ms; /* until somebody looks, and it is adopted */
} deaths[] = { { SIGKILL, 3500 }, { SIGSTOP, 8000 } };

START_TEST(a_worker_dies_while_a_read_hangs_and_all_sessions_go_on)
{
	static struct built_list next[2];
	struct moment moments[2];
	pid_t worker = served_worker(&served);

	for (unsigned i = 0; i < 2; i++) {
		watch(&bad[i], "bad.wmv", transports[i], "Speed: 8\r\n");
		neighbours_pass(&bad[i], 200);
	}
	begin_to("stall", "bad.wmv");
	for (unsigned i = 0; i < 2; i++) {
		neighbours_pass_until_silent(&bad[i]);
		moment_read(&bad[i], &moments[i]);
		moment_build(&served, &moments[i], 200, &next[i]);
	}
	ck_assert_int_eq(kill(worker, deaths[_i].signal), 0);
	neighbours_pass_until(is_replaced, &worker);
	neighbours_pass(NULL, deaths[_i].gap_ms); /* they catch up */
	neighbours_expect_punctual(__func__, deaths[_i].gap_ms);
	for (unsigned i = 0; i < 2; i++) {
		moment_read(&bad[i], &moments[i]);
		ck_assert_int_eq(
		    moments[i].hot.session_state, TABLE_SESSION_PLAYING);
	}
	cease_to("stall", "bad.wmv");
	for (unsigned i = 0; i < 2; i++) {
		moment_expect(&bad[i], &moments[i], &next[i]);
		viewer_close(&bad[i]);
	}
	neighbours_pass(NULL, 1000);
	neighbours_expect_punctual(__func__, 0);
}
END_TEST

START_TEST(sessions_that_wait_for_a_read_can_be_ended)
{
	watch(&bad[0], "bad.wmv", VIEWER_UDP, "Speed: 8\r\n");
	watch(&bad[1], "bad.wmv", VIEWER_TCP, "Speed: 8\r\n");
	viewer_open(&bad[2], &served, "bad.wmv", VIEWER_UDP);
	viewer_setup(&bad[2], 1, 0);
	begin_to("stall", "bad.wmv");
	neighbours_pass_until_silent(&bad[0]);
	viewer_send(&bad[2], "PLAY", 0, "Range: npt=7-\r\n");
	viewer_ask(&bad[0], "TEARDOWN", 0, "", 200);
	pass_until_counter_is(TABLE_SESSIONS, 4);
	for (unsigned i = 0; i < 3; i++)
		viewer_close(&bad[i]);
	pass_until_counter_is(TABLE_SESSIONS, 2);
	pass_until_counter_is(TABLE_CONNECTIONS, 2);
	cease_to("stall", "bad.wmv");
	neighbours_pass(NULL, 200);
	neighbours_expect_punctual(__func__, 0);
	watch(&bad[0], "bad.wmv", VIEWER_TCP, "Range: npt=9-\r\n");
	viewer_take_packets(&bad[0], 20);
	viewer_close(&bad[0]);
}
END_TEST

START_TEST(a_file_cut_short_ends_the_session_alone)
{
	char path[PATH_MAX];

	watch(&bad[0], "bad.wmv", transports[_i], "Speed: 8\r\n");
	neighbours_pass(&bad[0], 100);
	snprintf(path, sizeof(path), "%.4000s/bad.wmv", served.folder);
	ck_assert_int_eq(truncate(path, 400000), 0);
	pass_until_counter_is(TABLE_SESSIONS, 2);
	ck_assert_uint_eq(served_log_lines(&served, "title=\"bad.wmv\""), 1);
	ck_assert_uint_eq(served_log_lines(&served, "cause=file-"), 1);
	neighbours_pass(NULL, 300);
	neighbours_expect_punctual(__func__, 0);
	viewer_close(&bad[0]);
}
END_TEST

START_TEST(the_server_ends_while_reads_hang)
{
	watch(&bad[0], "bad.wmv", VIEWER_UDP, "Speed: 8\r\n");
	watch(&bad[1], "bad.wmv", VIEWER_TCP, "Range: npt=8-\r\n");
	begin_to("stall", "bad.wmv");
	neighbours_pass_until_silent(&bad[0]);
	viewer_send(&bad[1], "PLAY", 0, "Range: npt=7-\r\n");
	neighbours_pass(NULL, 100);
	served_stop_within(&served, 2000);
	cease_to("stall", "bad.wmv");
	viewer_close(&bad[0]);
	viewer_close(&bad[1]);
}
END_TEST

/* Closing a file asks the file system too, and waits for its answer. */
START_TEST(a_title_whose_file_system_hangs_is_closed_aside)
{
	watch(&bad[0], "bad.wmv", VIEWER_UDP, "");
	neighbours_pass(&bad[0], 200);
	viewer_ask(&bad[0], "TEARDOWN", 0, "", 200);
	viewer_close(&bad[0]);
	begin_to("hang", "bad.wmv");
	neighbours_pass(NULL, 13000); /* titles are closed when idle for 10 s */
	neighbours_expect_punctual(__func__, 0);
	cease_to("hang", "bad.wmv");
	neighbours_pass(NULL, 100);
	watch(&bad[0], "bad.wmv", VIEWER_UDP, "");
	viewer_take_packets(&bad[0], 20);
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

/* Short ones for each make check, with SLOW the others and what is the same
 * over TCP. */
static TCase *
file_system_tests(int slow)
{
	TCase *rules = tcase_create("a file system that hangs");

	tcase_add_checked_fixture(rules, begin, end);
	tcase_set_timeout(rules, 60);
	tcase_add_loop_test(rules, one_title_that_hangs_waits_alone_and_goes_on,
	    slow, slow + 1);
	tcase_add_loop_test(
	    rules, a_read_that_fails_ends_the_session_alone, slow, slow + 1);
	if (!slow) {
		tcase_add_test(rules, the_server_ends_while_reads_hang);
		return rules;
	}
	tcase_add_loop_test(
	    rules, a_file_cut_short_ends_the_session_alone, 0, 2);
	tcase_add_test(
	    rules, many_viewers_of_what_hangs_leave_readers_for_others);
	tcase_add_test(rules, many_titles_that_hang_leave_readers_for_others);
	tcase_add_loop_test(rules,
	    a_worker_dies_while_a_read_hangs_and_all_sessions_go_on, 0, 2);
	tcase_add_test(rules, sessions_that_wait_for_a_read_can_be_ended);
	tcase_add_test(rules, a_title_whose_file_system_hangs_is_closed_aside);
	return rules;
}

static TCase *
disk_tests(int slow)
{
	TCase *rules = tcase_create("a disk that does");

	tcase_set_timeout(rules, 60);
	tcase_add_loop_test(rules,
	    a_disk_that_hangs_or_fails_costs_its_viewers_alone, slow, slow + 1);
	return rules;
}

int
main(int argc, char **argv)
{
	int failed, slow = argc > 1 && strcmp(argv[1], "slow") == 0;
	Suite *suite;
	SRunner *runner;

	if (mkdtemp(mountpoint) == NULL || chmod(mountpoint, 0755) != 0)
		return 1;
	if (!can_mount()) {
		puts("no FUSE file system can be mounted here");
		rmdir(mountpoint);
		return SKIPPED;
	}
	suite = suite_create("stall");
	suite_add_tcase(suite, file_system_tests(slow));
	suite_add_tcase(suite, disk_tests(slow));
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	rmdir(mountpoint);
	return failed == 0 ? 0 : 1;
}
