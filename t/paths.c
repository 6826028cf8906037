/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ways to read: from the page cache, where the file system has
 * RWF_NOWAIT, and through the readers' pool for what is cold and where it
 * hasn't.  Whichever it is, all of a title arrives, byte for byte.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base.h"
#include "moment.h"
#include "neighbours.h"

static struct served served;
static struct built_list built;
static struct viewer viewer;

/* --- where ---------------------------------------------------------------- */

static int
open_clip(int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%.4000s/clip.wmv", served.folder);
	fd = open(path, flags | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	return fd;
}

static bool
knows_nowait(void)
{
	char byte;
	struct iovec vector = { &byte, 1 };
	int fd = open_clip(O_RDONLY);
	bool knows =
	    preadv2(fd, &vector, 1, 0, RWF_NOWAIT) == 1 || errno == EAGAIN;

	close(fd);
	return knows;
}

/* Its pages leave the cache. */
static void
make_cold(void)
{
	int fd = open_clip(O_RDONLY);

	ck_assert_int_eq(fsync(fd), 0);
	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

static void
serve_from(const char *folder)
{
	static const char *const settings[] = { "max_speed=16",
		"stall_timeout=4 min", NULL };

	served_folder(&served, folder);
	served_copy(&served, "sample.wmv", "clip.wmv");
	served_start(&served, served.folder, settings);
}

static uint64_t
cold_reads(void)
{
	return table_counter(served.table, 0, TABLE_COLD_READS);
}

/* --- what comes ----------------------------------------------------------- */

static void
play(enum viewer_transport transport, const char *how)
{
	viewer_open(&viewer, &served, "clip.wmv", transport);
	viewer_setup(&viewer, 1, 0);
	viewer_setup(&viewer, 2, 0);
	viewer_ask(&viewer, "PLAY", 0, how, 200);
	viewer_take_packets(&viewer, 10);
}

/* From here to the end, the file cold when it is asked for. */
static void
expect_all(bool cold)
{
	struct moment moment;

	served_freeze(&served);
	moment_read(&viewer, &moment);
	if (!viewer.tcp)
		moment_drain(&viewer, &moment);
	moment_build(&served, &moment, BUILT_MAX, &built);
	ck_assert_uint_gt(built.count, 300);
	ck_assert_uint_lt(built.count, BUILT_MAX);
	if (cold)
		make_cold();
	served_thaw(&served);
	moment_expect(&viewer, &moment, &built);
	viewer_close(&viewer);
}

static void
expect_both_transports(bool cold)
{
	play(VIEWER_UDP, "Range: npt=9-\r\nSpeed: 16\r\n");
	expect_all(cold);
	play(VIEWER_TCP, "Range: npt=9-\r\nSpeed: 16\r\n");
	expect_all(cold);
}

/* A disk may be quick enough to answer at once; hardly each time. */
#define COLD_TRIES 8

START_TEST(what_is_cold_comes_through_the_readers)
{
	serve_from(getenv("builddir"));
	for (unsigned i = 0; i < COLD_TRIES && cold_reads() == 0; i++) {
		play(i % 2 == 0 ? VIEWER_TCP : VIEWER_UDP,
		    "Range: npt=9-\r\nSpeed: 16\r\n");
		expect_all(true);
	}
	ck_assert_uint_gt(cold_reads(), 0);
	served_end(&served);
}
END_TEST

START_TEST(what_is_cached_needs_no_reader)
{
	serve_from(getenv("builddir"));
	if (knows_nowait()) {
		expect_both_transports(false);
		ck_assert_uint_eq(cold_reads(), 0);
	}
	served_end(&served);
}
END_TEST

START_TEST(without_rwf_nowait_all_comes_through_the_readers)
{
	serve_from("/dev/shm");
	expect_both_transports(false);
	if (!knows_nowait())
		ck_assert_uint_gt(cold_reads(), 0);
	served_end(&served);
}
END_TEST

/* --- files that change ---------------------------------------------------- */

static const enum viewer_transport transports[] = { VIEWER_UDP, VIEWER_TCP };

static void
change(const char *name, const char *what)
{
	char path[2 * PATH_MAX], from[2 * PATH_MAX];
	int result = -1;

	snprintf(path, sizeof(path), "%s/%s", served.folder, name);
	snprintf(from, sizeof(from), "%s/new", served.folder);
	if (strcmp(what, "cut") == 0) {
		result = truncate(path, 300000);
	} else if (strcmp(what, "deleted") == 0) {
		result = unlink(path);
	} else if (strcmp(what, "replaced") == 0) {
		served_copy(&served, "lecture.wmv", "new");
		result = rename(from, path);
	}
	ck_assert_int_eq(result, 0);
}

static void
watch_quickly(
    const char *name, enum viewer_transport transport, const char *range)
{
	served_copy(&served, "sample.wmv", name);
	viewer_open(&viewer, &served, name, transport);
	viewer_setup(&viewer, 1, 0);
	viewer_setup(&viewer, 2, 0);
	viewer_ask(&viewer, "PLAY", 0, range, 200);
	neighbours_pass(&viewer, 200);
}

/* Only the neighbours are left. */
static bool
has_ended(void *context)
{
	(void)context;
	return table_counter(served.table, 0, TABLE_SESSIONS) == 2;
}

static unsigned cut; /* sessions whose files were */

/* All of the file that it had open comes, byte for byte, to its end. */
static void
expect_to_go_on(const char *what, enum viewer_transport transport)
{
	struct moment moment;

	watch_quickly("gone.wmv", transport, "Range: npt=6-\r\nSpeed: 8\r\n");
	moment_read(&viewer, &moment);
	moment_build(&served, &moment, BUILT_MAX, &built);
	ck_assert_uint_gt(built.count, 300);
	ck_assert_uint_lt(built.count, BUILT_MAX);
	change("gone.wmv", what);
	neighbours_pass_until_silent(&viewer);
	moment_expect(&viewer, &moment, &built);
	ck_assert_uint_eq(served_log_lines(&served, "cause=file-"), cut);
	viewer_close(&viewer);
}

static void
expect_to_end(enum viewer_transport transport)
{
	char name[16];

	snprintf(name, sizeof(name), "cut%u.wmv", cut++);
	watch_quickly(name, transport, "Speed: 8\r\n");
	change(name, "cut");
	neighbours_pass_until(has_ended, NULL);
	served_wait_log(&served, name);
	ck_assert_uint_eq(served_log_lines(&served, "cause=file-changed"), cut);
	viewer_close(&viewer);
}

/* Beside two who watch another title from the same file system. */
static void
expect_changes_to_cost_nobody_else(const char *where, int from, int to)
{
	served_copy(&served, "sample.wmv", "good.wmv");
	neighbours_begin(&served, "good.wmv");
	for (int i = from; i < to; i++) {
		expect_to_go_on("deleted", transports[i]);
		expect_to_go_on("replaced", transports[1 - i]);
		expect_to_end(transports[i]);
	}
	neighbours_expect_punctual(where, 0);
	neighbours_end();
	served_end(&served);
}

START_TEST(files_that_change_cost_their_viewers_alone)
{
	serve_from(getenv("builddir"));
	expect_changes_to_cost_nobody_else(
	    knows_nowait() ? "a disk with RWF_NOWAIT" : "builddir", _i, _i + 1);
}
END_TEST

/* --- mounted for the test, seen by it alone --------------------------------
 */

/* False: we may not. */
static bool
mount_here(const char *where, const char *kind)
{
	char folder[4][64], options[256];
	static const char *const names[] = { "lower", "upper", "work" };

	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("paths", where, "tmpfs", 0, "mode=0755") != 0)
		return false;
	if (strcmp(kind, "overlay") != 0)
		return true;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(
		    folder[i], sizeof(folder[i]), "%s/%s", where, names[i]);
		if (mkdir(folder[i], 0755) != 0)
			return false;
	}
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s",
	    folder[0], folder[1], folder[2]);
	return mount("paths", where, "overlay", 0, options) == 0;
}

START_TEST(containers_are_served_from_too)
{
	static const char *const kinds[] = { "tmpfs", "overlay" };
	char where[] = "/tmp/paths.XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(where));
	if (!mount_here(where, kinds[_i])) {
		printf("paths: may not mount %s: %s\n", kinds[_i],
		    strerror(errno));
	} else {
		serve_from(where);
		expect_both_transports(false);
		if (!knows_nowait())
			ck_assert_uint_gt(cold_reads(), 0);
		expect_changes_to_cost_nobody_else(kinds[_i], 0, 2);
		/* Nothing is left for those outside but the folder. */
		(void)umount2(where, MNT_DETACH);
		(void)umount2(where, MNT_DETACH);
	}
	(void)rmdir(where);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("paths");
	TCase *rules = tcase_create("file systems");
	SRunner *runner = srunner_create(suite);
	/* With "slow": what make check leaves out. */
	int failed, slow = argc > 1 && strcmp(argv[1], "slow") == 0;

	tcase_set_timeout(rules, 60);
	if (slow) {
		tcase_add_loop_test(
		    rules, containers_are_served_from_too, 0, 2);
	} else {
		tcase_add_test(rules, what_is_cold_comes_through_the_readers);
		tcase_add_test(rules, what_is_cached_needs_no_reader);
		tcase_add_test(
		    rules, without_rwf_nowait_all_comes_through_the_readers);
	}
	tcase_add_loop_test(
	    rules, files_that_change_cost_their_viewers_alone, slow, slow + 1);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
