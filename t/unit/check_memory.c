/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_memory - what the window remembers, whatever became of its file.
 */
#include "player/memory.h"

#include <check.h>
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "player/address.h"

static char state[64], folder[96], path[128];

/* Each test is a process of its own, and has a folder of its own. */
static void
set_up(void)
{
	strcpy(state, "/tmp/check_memory-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(state));
	snprintf(folder, sizeof(folder), "%s/vodplay", state);
	snprintf(path, sizeof(path), "%s/window", folder);
	ck_assert_int_eq(setenv("XDG_STATE_HOME", state, 1), 0);
}

static void
tear_down(void)
{
	g_remove(path);
	g_rmdir(folder);
	g_rmdir(state);
}

static void
write_file(const char *text, size_t length)
{
	ck_assert_int_eq(g_mkdir_with_parents(folder, 0700), 0);
	ck_assert(g_file_set_contents(path, text, (gssize)length, NULL));
}

/* What there is when TEXT is read. */
static struct memory *
memory_of(const char *text)
{
	write_file(text, strlen(text));
	return memory_new();
}

static void
expect_nothing(struct memory *memory)
{
	ck_assert_ptr_null(memory_recent_url(memory, 0));
	ck_assert_ptr_null(memory_recent_title(memory, 0));
	ck_assert(memory_volume(memory) == 1.0);
	ck_assert(!memory_is_dark(memory));
}

START_TEST(without_a_file_there_is_nothing)
{
	struct memory *memory = memory_new();

	expect_nothing(memory);
	memory_forget_recent(memory);
	memory_free(memory);
	memory_free(NULL);
}
END_TEST

START_TEST(what_was_written_is_there_the_next_time)
{
	struct memory *memory = memory_new();
	struct stat status;

	memory_set_volume(memory, 0.25);
	memory_set_dark(memory, true);
	memory_add_recent(memory, "rtsp://a/1", "One\n[two]=\xC3\xA9");
	memory_add_recent(memory, "rtsp://a/2;x=#", "");
	ck_assert_int_eq(memory_write(memory), 0);
	memory_free(memory);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(folder, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0700);

	memory = memory_new();
	ck_assert(memory_volume(memory) == 0.25);
	ck_assert(memory_is_dark(memory));
	ck_assert_str_eq(memory_recent_url(memory, 0), "rtsp://a/2;x=#");
	ck_assert_str_eq(memory_recent_title(memory, 0), "");
	ck_assert_str_eq(memory_recent_url(memory, 1), "rtsp://a/1");
	ck_assert_str_eq(memory_recent_title(memory, 1), "One\n[two]=\xC3\xA9");
	ck_assert_ptr_null(memory_recent_url(memory, 2));
	memory_free(memory);
}
END_TEST

START_TEST(the_latest_is_first_and_there_once)
{
	struct memory *memory = memory_new();

	memory_add_recent(memory, "a", "A");
	memory_add_recent(memory, "b", "B");
	memory_add_recent(memory, "a", "");
	ck_assert_str_eq(memory_recent_url(memory, 0), "a");
	ck_assert_str_eq(memory_recent_title(memory, 0), "A");
	ck_assert_str_eq(memory_recent_url(memory, 1), "b");
	ck_assert_ptr_null(memory_recent_url(memory, 2));
	/* as the window does it: with what is the memory's own */
	memory_add_recent(memory, memory_recent_url(memory, 1),
	    memory_recent_title(memory, 1));
	ck_assert_str_eq(memory_recent_url(memory, 0), "b");
	ck_assert_str_eq(memory_recent_title(memory, 0), "B");
	memory_add_recent(memory, "b", "C");
	ck_assert_str_eq(memory_recent_title(memory, 0), "C");
	memory_free(memory);
}
END_TEST

START_TEST(the_eldest_goes)
{
	struct memory *memory = memory_new();
	char url[32];

	for (int i = 0; i < 3 * MEMORY_RECENT_MAX; i++) {
		snprintf(url, sizeof(url), "rtsp://a/%d", i);
		memory_add_recent(memory, url, url);
	}
	ck_assert_int_eq(memory_write(memory), 0);
	memory_free(memory);
	memory = memory_new();
	for (int i = 0; i < MEMORY_RECENT_MAX; i++) {
		snprintf(url, sizeof(url), "rtsp://a/%d",
		    3 * MEMORY_RECENT_MAX - 1 - i);
		ck_assert_str_eq(memory_recent_url(memory, (size_t)i), url);
	}
	ck_assert_ptr_null(memory_recent_url(memory, MEMORY_RECENT_MAX));
	memory_forget_recent(memory);
	ck_assert_ptr_null(memory_recent_url(memory, 0));
	memory_free(memory);
}
END_TEST

START_TEST(a_file_that_is_not_ours_is_nothing_and_replaced)
{
	static const char *const texts[] = { "", "\n", "<html>Not ours</html>",
		"[window", "[window]\nvolume", "volume=1\n", "\177ELF",
		"[window]\nvolume=\xff\ndark=\xff\n",
		"[window]\nvolume=loud\ndark=maybe\n[recent 1]\ntitle=x\n",
		"[window]\nvolume=nan\n", "[window]\nvolume=-0.1\n",
		"[window]\nvolume=1e9\n", "[window]\nvolume=inf\n" };
	struct memory *memory;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		memory = memory_of(texts[i]);
		expect_nothing(memory);
		memory_add_recent(memory, "rtsp://a/1", "One");
		ck_assert_int_eq(memory_write(memory), 0);
		memory_free(memory);
		memory = memory_new();
		ck_assert_str_eq(memory_recent_url(memory, 0), "rtsp://a/1");
		memory_free(memory);
	}
	write_file("[window]\nvolume=0.5\n\0[recent 1]\naddress=x\n", 42);
	memory_free(memory_new());
}
END_TEST

START_TEST(what_is_damaged_is_left_out)
{
	struct memory *memory =
	    memory_of("[window]\nvolume=0.5\n"
		      "[recent 1]\naddress=\ntitle=None\n"
		      "[recent 2]\naddress=rtsp://a/2\ntitle=\xff\n"
		      "[recent 3]\naddress=\xff\xfe\ntitle=Damaged\n"
		      "[recent 4]\naddress=rtsp://a/2\ntitle=Twice\n"
		      "[recent 5]\naddress=rtsp://a/5\n");

	ck_assert(memory_volume(memory) == 0.5);
	ck_assert_str_eq(memory_recent_url(memory, 0), "rtsp://a/2");
	ck_assert_str_eq(memory_recent_title(memory, 0), "");
	ck_assert_str_eq(memory_recent_url(memory, 1), "rtsp://a/5");
	ck_assert_str_eq(memory_recent_title(memory, 1), "");
	ck_assert_ptr_null(memory_recent_url(memory, 2));
	memory_free(memory);
}
END_TEST

START_TEST(an_address_too_long_to_be_opened_is_left_out)
{
	GString *text = g_string_new("[recent 1]\naddress=rtsp://a/");
	struct memory *memory;

	while (text->len < ADDRESS_MAX + 100)
		g_string_append_c(text, 'x');
	g_string_append(text, "\n[recent 2]\naddress=rtsp://a/2\n");
	memory = memory_of(text->str);
	ck_assert_str_eq(memory_recent_url(memory, 0), "rtsp://a/2");
	ck_assert_ptr_null(memory_recent_url(memory, 1));
	memory_free(memory);
	g_string_free(text, TRUE);
}
END_TEST

START_TEST(more_titles_than_there_may_be_are_left_out)
{
	GString *text = g_string_new(NULL);
	struct memory *memory;

	for (int i = 1; i <= 5000; i++)
		g_string_append_printf(
		    text, "[recent %d]\naddress=rtsp://a/%d\n", i, i);
	memory = memory_of(text->str);
	ck_assert_ptr_nonnull(memory_recent_url(memory, MEMORY_RECENT_MAX - 1));
	ck_assert_ptr_null(memory_recent_url(memory, MEMORY_RECENT_MAX));
	memory_free(memory);
	g_string_free(text, TRUE);
}
END_TEST

START_TEST(what_cannot_be_written_is_an_error_and_no_more)
{
	struct memory *memory = memory_new();

	ck_assert(g_file_set_contents(folder, "a file", -1, NULL));
	ck_assert_int_lt(memory_write(memory), 0);
	ck_assert_int_eq(g_remove(folder), 0);
	ck_assert_int_eq(g_mkdir_with_parents(path, 0700), 0);
	ck_assert_int_lt(memory_write(memory), 0);
	memory_free(memory);
	memory = memory_new(); /* a folder in its place */
	expect_nothing(memory);
	memory_free(memory);
	ck_assert_int_eq(g_rmdir(path), 0);
}
END_TEST

/* The one that ends last is remembered; what there is, is whole. */
START_TEST(two_players_do_not_tear_it)
{
	struct memory *memory = memory_new(), *other;
	pid_t child;
	int status;

	memory_add_recent(memory, "rtsp://a/1", "One");
	ck_assert_int_eq(memory_write(memory), 0);
	child = fork();
	ck_assert_int_ne(child, -1);
	if (child == 0) {
		memory_add_recent(memory, "rtsp://a/2", "Two");
		for (int i = 0; i < 100; i++)
			if (memory_write(memory) != 0)
				_exit(1);
		_exit(0);
	}
	do {
		other = memory_new();
		ck_assert_ptr_nonnull(memory_recent_url(other, 0));
		ck_assert(
		    strcmp(memory_recent_url(other, 0), "rtsp://a/1") == 0 ||
		    (strcmp(memory_recent_url(other, 0), "rtsp://a/2") == 0 &&
			memory_recent_url(other, 1) != NULL));
		ck_assert_int_eq(memory_write(other), 0);
		memory_free(other);
	} while (waitpid(child, &status, WNOHANG) == 0);
	ck_assert_int_eq(status, 0);
	memory_free(memory);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("memory");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, rules);
	tcase_add_checked_fixture(rules, set_up, tear_down);
	tcase_set_timeout(rules, 20);
	tcase_add_test(rules, without_a_file_there_is_nothing);
	tcase_add_test(rules, what_was_written_is_there_the_next_time);
	tcase_add_test(rules, the_latest_is_first_and_there_once);
	tcase_add_test(rules, the_eldest_goes);
	tcase_add_test(rules, a_file_that_is_not_ours_is_nothing_and_replaced);
	tcase_add_test(rules, what_is_damaged_is_left_out);
	tcase_add_test(rules, an_address_too_long_to_be_opened_is_left_out);
	tcase_add_test(rules, more_titles_than_there_may_be_are_left_out);
	tcase_add_test(rules, what_cannot_be_written_is_an_error_and_no_more);
	tcase_add_test(rules, two_players_do_not_tear_it);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
