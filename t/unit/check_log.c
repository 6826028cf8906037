/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_log - the rules of base/log.
 */
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int reader; /* of what is written to stderr */
static int own_stderr;
#define FOLDER_TEMPLATE "/tmp/check_log.XXXXXX"

static char folder[] = FOLDER_TEMPLATE;
static char file[64], rotated[64];

static void
setup(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	own_stderr = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
	ck_assert_int_eq(log_open(LOG_TO_STDERR, "check", NULL), 0);
	strcpy(folder, FOLDER_TEMPLATE);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/log", folder);
	snprintf(rotated, sizeof(rotated), "%s/log.1", folder);
}

static void
teardown(void)
{
	log_flush();
	dup2(own_stderr, STDERR_FILENO);
	close(own_stderr);
	close(reader);
	log_set_level(LOG_LEVEL_INFO);
	unsetenv("JOURNAL_STREAM");
	unlink(file);
	unlink(rotated);
	rmdir(folder);
}

/* What was written to stderr since the last time. */
static const char *
written(void)
{
	static char text[8192];
	ssize_t length = read(reader, text, sizeof(text) - 1);

	text[length > 0 ? length : 0] = '\0';
	return text;
}

static const char *
content(const char *name)
{
	static char text[8192];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	ck_assert_int_ne(fd, -1);
	length = read(fd, text, sizeof(text) - 1);
	ck_assert_int_ge(length, 0);
	text[length] = '\0';
	close(fd);
	return text;
}

static unsigned
count_of(const char *text, const char *part)
{
	unsigned count = 0;

	while ((text = strstr(text, part)) != NULL) {
		text += strlen(part);
		count++;
	}
	return count;
}

/* The clock goes ahead by SECONDS. */
static time_t ahead;

static void
later(time_t seconds)
{
	ahead += seconds;
}

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	int result = (int)syscall(SYS_clock_gettime, clock, out);

	if (clock == CLOCK_MONOTONIC)
		out->tv_sec += ahead;
	return result;
}

START_TEST(a_line_names_level_and_area)
{
	log_error("area", "code=%d", 1);
	log_warning("area", "code=%d", 2);
	log_info("session", "ended peer=%s", "192.0.2.1:4711");
	log_debug("area", "nobody wants to know");
	ck_assert_str_eq(written(),
	    "error area: code=1\n"
	    "warning area: code=2\n"
	    "info session: ended peer=192.0.2.1:4711\n");
}
END_TEST

START_TEST(the_level_decides_what_is_logged)
{
	ck_assert_int_eq(log_get_level(), LOG_LEVEL_INFO);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("area", "now");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("area", "not now");
	log_error("area", "always");
	ck_assert_str_eq(written(), "debug area: now\nerror area: always\n");
}
END_TEST

START_TEST(each_level_has_its_name)
{
	ck_assert_str_eq(log_level_names[LOG_LEVEL_ERROR], "error");
	ck_assert_str_eq(log_level_names[LOG_LEVEL_WARNING], "warning");
	ck_assert_str_eq(log_level_names[LOG_LEVEL_INFO], "info");
	ck_assert_str_eq(log_level_names[LOG_LEVEL_DEBUG], "debug");
	ck_assert_ptr_null(log_level_names[LOG_LEVEL_DEBUG + 1]);
}
END_TEST

START_TEST(a_line_stays_a_line)
{
	log_info("area", "one\nerror area: two\r\x1b[0m\tthree");
	ck_assert_str_eq(
	    written(), "info area: one error area: two  [0m three\n");
}
END_TEST

START_TEST(a_line_that_is_too_long_is_cut)
{
	char text[2 * LOG_LINE_MAX];
	const char *line;
	size_t length;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("area", "%s", text);
	line = written();
	length = strlen(line);
	ck_assert_uint_le(length, LOG_LINE_MAX);
	ck_assert_uint_gt(length, LOG_LINE_MAX - 16);
	ck_assert_str_eq(line + length - 5, "x\xe2\x80\xa6\n");
}
END_TEST

/* Whatever the remainder, no half of a character is left. */
START_TEST(a_long_line_is_cut_between_characters)
{
	char text[2 * LOG_LINE_MAX] = "";
	const char *line;
	size_t length;

	memset(text, 'x', (size_t)_i);
	for (size_t at = (size_t)_i; at + 2 < sizeof(text); at += 2)
		memcpy(text + at, "\xc3\xa4", 3);
	log_info("area", "%s", text);
	line = written();
	length = strlen(line);
	ck_assert_str_eq(line + length - 6, "\xc3\xa4\xe2\x80\xa6\n");
}
END_TEST

START_TEST(repeats_are_counted_not_repeated)
{
	for (unsigned i = 0; i < 18; i++)
		log_warning("udp", "no buffer");
	ck_assert_str_eq(written(), "warning udp: no buffer\n");
	log_info("udp", "no buffer");
	ck_assert_str_eq(written(), "warning udp: last line repeated 17 times\n"
				    "info udp: no buffer\n");
	log_info("udp", "no buffer");
	log_flush();
	log_flush();
	ck_assert_str_eq(written(), "info udp: last line repeated 1 times\n");
}
END_TEST

START_TEST(a_line_is_told_again_after_a_second)
{
	struct timespec pause = { .tv_sec = 1, .tv_nsec = 1000000 };

	log_info("udp", "no buffer");
	log_info("udp", "no buffer");
	while (nanosleep(&pause, &pause) != 0)
		;
	log_info("udp", "no buffer");
	ck_assert_str_eq(written(), "info udp: no buffer\n"
				    "info udp: last line repeated 1 times\n"
				    "info udp: no buffer\n");
}
END_TEST

START_TEST(a_child_does_not_tell_the_repeats_of_its_parent)
{
	int status;
	pid_t child;

	log_info("area", "line");
	log_info("area", "line");
	if ((child = fork()) == 0) {
		log_info("area", "line");
		log_info("area", "child");
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_str_eq(
	    written(), "info area: line\ninfo area: line\ninfo area: child\n");
	log_info("area", "parent");
	ck_assert_str_eq(written(),
	    "info area: last line repeated 1 times\ninfo area: parent\n");
}
END_TEST

/* However often, and whatever else is logged in between. */
START_TEST(what_lasts_is_told_once_a_minute)
{
	for (unsigned i = 0; i < 100; i++) {
		log_shortage("worker", "accept: %s", "no descriptors");
		log_shortage("worker", "accept: %s", "no memory");
		log_info("area", "line %u", i);
	}
	ck_assert_uint_eq(count_of(written(), "warning worker: accept"), 2);
	later(59);
	log_shortage("worker", "accept: %s", "no memory");
	log_flush();
	ck_assert_str_eq(written(), "");
	later(2);
	log_flush();
	ck_assert_str_eq(written(),
	    "warning worker: accept: no descriptors (99 times more)\n"
	    "warning worker: accept: no memory (100 times more)\n");
	log_flush();
	ck_assert_str_eq(written(), "");
	log_shortage("worker", "accept: %s", "no memory");
	ck_assert_str_eq(written(), "warning worker: accept: no memory\n");
}
END_TEST

START_TEST(shortages_beyond_those_remembered_are_told_each_time)
{
	for (unsigned i = 0; i < 20; i++)
		log_shortage("worker", "kind %u", i % 10);
	ck_assert_uint_ge(count_of(written(), "warning worker: kind"), 10);
}
END_TEST

START_TEST(the_journal_gets_priorities)
{
	struct stat status;
	char stream[64];

	ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)status.st_dev,
	    (unsigned long long)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	ck_assert_int_eq(log_open(LOG_TO_STDERR, "check", NULL), 0);
	log_error("area", "bad");
	log_info("area", "good");
	ck_assert_str_eq(written(), "<3>error area: bad\n<6>info area: good\n");

	/* Inherited, but this stderr is not the journal's. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	ck_assert_int_eq(log_open(LOG_TO_STDERR, "check", NULL), 0);
	log_error("area", "bad");
	ck_assert_str_eq(written(), "error area: bad\n");
}
END_TEST

START_TEST(lines_in_a_file_have_the_time)
{
	regex_t pattern;

	ck_assert_int_eq(log_open(LOG_TO_FILE, "check", file), 0);
	log_info("area", "one");
	log_info("area", "two");
	ck_assert_str_eq(written(), "");
	ck_assert_int_eq(
	    regcomp(&pattern,
		"^20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:"
		"[0-6][0-9][.][0-9][0-9][0-9]Z info area: one\n"
		"20[^ ]*Z info area: two\n$",
		REG_EXTENDED | REG_NOSUB),
	    0);
	ck_assert_int_eq(regexec(&pattern, content(file), 0, NULL, 0), 0);
	regfree(&pattern);
}
END_TEST

START_TEST(a_rotated_file_is_opened_again)
{
	ck_assert_int_eq(log_open(LOG_TO_FILE, "check", file), 0);
	log_info("area", "first");
	ck_assert_int_eq(rename(file, rotated), 0);
	log_info("area", "second");
	ck_assert_int_eq(log_reopen(), 0);
	log_info("area", "third");
	ck_assert_ptr_nonnull(strstr(content(rotated), "second"));
	ck_assert_ptr_nonnull(strstr(content(file), "third"));
	ck_assert_ptr_null(strstr(content(file), "second"));
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_changes_nothing)
{
	char name[2 * 4096];

	ck_assert_int_eq(
	    log_open(LOG_TO_FILE, "check", "/nonexistent/log"), -ENOENT);
	log_info("area", "still here");
	ck_assert_str_eq(written(), "info area: still here\n");

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(log_open(LOG_TO_FILE, "check", name), -ENAMETOOLONG);
	ck_assert_int_eq(log_reopen(), 0);
}
END_TEST

#define TIME_LENGTH strlen("2026-01-31T23:59:59.123Z ")

static const char *
behind_times(const char *text)
{
	static char lines[4096];
	size_t used = 0, length;

	for (; *text != '\0'; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		ck_assert_uint_ge(length, TIME_LENGTH);
		used += (size_t)snprintf(lines + used, sizeof(lines) - used,
		    "%.*s\n", (int)(length - TIME_LENGTH), text + TIME_LENGTH);
	}
	return lines;
}

START_TEST(lines_that_could_not_be_written_are_counted_and_told)
{
	ck_assert_int_eq(log_open(LOG_TO_FILE, NULL, "/dev/full"), 0);
	log_info("area", "one");
	log_info("area", "two");
	log_flush(); /* is no line, and not lost */
	log_error("area", "three");
	ck_assert_int_eq(log_open(LOG_TO_FILE, NULL, file), 0);
	log_info("area", "four");
	log_info("area", "five");
	ck_assert_str_eq(behind_times(content(file)),
	    "warning log: lines lost count=3: No space left on device\n"
	    "info area: four\n"
	    "info area: five\n");
	ck_assert_int_eq(log_open(LOG_TO_STDERR, "check", NULL), 0);
}
END_TEST

static void
limit_file(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_line_written_in_part_does_not_run_into_the_next)
{
	ck_assert_int_eq(log_open(LOG_TO_FILE, NULL, file), 0);
	limit_file(100);
	log_info("area", "fits");
	log_info("area", "%s", "is cut where it says xxxxxxxxxxxxxxxxxxxxxxxx");
	log_info("area", "is lost");
	limit_file(RLIM_INFINITY);
	log_flush(); /* however long nothing is logged */
	ck_assert_str_eq(behind_times(content(file)),
	    "info area: fits\n"
	    "info area: is cut where it says xx\n"
	    "warning log: lines lost count=2: File too large\n");
	ck_assert_int_eq(log_open(LOG_TO_STDERR, "check", NULL), 0);
}
END_TEST

START_TEST(a_child_does_not_tell_what_its_parent_lost)
{
	int status;
	pid_t child;

	ck_assert_int_eq(log_open(LOG_TO_FILE, NULL, "/dev/full"), 0);
	log_info("area", "lost");
	ck_assert_int_eq(log_open(LOG_TO_STDERR, "check", NULL), 0);
	child = fork();
	if (child == 0) {
		log_info("area", "of the child");
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_str_eq(written(), "info area: of the child\n");
	log_flush();
	ck_assert_str_eq(written(),
	    "warning log: lines lost count=1: No space left on device\n");
}
END_TEST

START_TEST(logging_leaves_errno_alone)
{
	int closed = STDERR_FILENO;

	close(closed);
	errno = ENOTTY;
	log_info("area", "to nobody");
	ck_assert_int_eq(errno, ENOTTY);
}
END_TEST

START_TEST(client_text_is_made_printable)
{
	static const char text[] = "a \"b\"\\'\0\n\x7f\xff~!";

	ck_assert_str_eq(LOG_TEXT(text, sizeof(text) - 1),
	    "a\\x20\\x22b\\x22\\x5c\\x27\\x00\\x0a\\x7f\\xff~!");
	ck_assert_str_eq(LOG_TEXT(NULL, 0), "");
}
END_TEST

START_TEST(client_text_is_cut)
{
	char text[1000], wanted[260];

	memset(text, 'x', sizeof(text));
	memset(wanted, 'x', sizeof(wanted));
	wanted[255] = '\0';
	ck_assert_str_eq(LOG_TEXT(text, 255), wanted);
	strcpy(wanted + 255, "...");
	ck_assert_str_eq(LOG_TEXT(text, 256), wanted);
	ck_assert_str_eq(LOG_TEXT(text, sizeof(text)), wanted);
	/* An escape is not cut in two. */
	text[253] = '\n';
	strcpy(wanted + 253, "...");
	ck_assert_str_eq(LOG_TEXT(text, sizeof(text)), wanted);
}
END_TEST

static TCase *
line_tests(void)
{
	TCase *tests = tcase_create("lines");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_line_names_level_and_area);
	tcase_add_test(tests, the_level_decides_what_is_logged);
	tcase_add_test(tests, each_level_has_its_name);
	tcase_add_test(tests, a_line_stays_a_line);
	tcase_add_test(tests, a_line_that_is_too_long_is_cut);
	tcase_add_loop_test(tests, a_long_line_is_cut_between_characters, 0, 4);
	tcase_add_test(tests, repeats_are_counted_not_repeated);
	tcase_add_test(tests, a_line_is_told_again_after_a_second);
	tcase_add_test(tests, a_child_does_not_tell_the_repeats_of_its_parent);
	tcase_add_test(tests, what_lasts_is_told_once_a_minute);
	tcase_add_test(
	    tests, shortages_beyond_those_remembered_are_told_each_time);
	tcase_add_test(tests, logging_leaves_errno_alone);
	return tests;
}

static TCase *
target_tests(void)
{
	TCase *tests = tcase_create("targets");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, the_journal_gets_priorities);
	tcase_add_test(tests, lines_in_a_file_have_the_time);
	tcase_add_test(tests, a_rotated_file_is_opened_again);
	tcase_add_test(tests, a_file_that_cannot_be_opened_changes_nothing);
	tcase_add_test(
	    tests, lines_that_could_not_be_written_are_counted_and_told);
	tcase_add_test(
	    tests, a_line_written_in_part_does_not_run_into_the_next);
	tcase_add_test(tests, a_child_does_not_tell_what_its_parent_lost);
	return tests;
}

static TCase *
text_tests(void)
{
	TCase *tests = tcase_create("client text");

	tcase_add_test(tests, client_text_is_made_printable);
	tcase_add_test(tests, client_text_is_cut);
	return tests;
}

int
main(void)
{
	Suite *suite = suite_create("log");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, line_tests());
	suite_add_tcase(suite, target_tests());
	suite_add_tcase(suite, text_tests());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
