/* SPDX-License-Identifier: BSD-2-Clause */
/* Script commands and captions: in order, once, and as they are read. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "player/script.h"

static struct script script;

static void
add(uint32_t at_ms, const char *type, const char *text)
{
	uint8_t body[8192];
	size_t size = 0;

	for (size_t i = 0; i <= strlen(type); i++) {
		body[size++] = (uint8_t)type[i];
		body[size++] = 0;
	}
	for (size_t i = 0; i <= strlen(text); i++) {
		body[size++] = (uint8_t)text[i];
		body[size++] = 0;
	}
	script_add(&script, at_ms, body, size);
}

static const char *
text_of(unsigned number)
{
	return script.texts + script.commands[number].text;
}

static void
empty(void)
{
	memset(&script, 0, sizeof(script));
}

START_TEST(commands_of_a_stream_stand_in_order)
{
	add(2000, "caption", "second");
	add(1000, "caption", "first");
	add(2000, "text", "third");

	ck_assert_uint_eq(script.count, 3);
	ck_assert_str_eq(text_of(0), "first");
	ck_assert_str_eq(text_of(1), "second");
	ck_assert_str_eq(text_of(2), "third");
	ck_assert_str_eq(script.texts + script.commands[2].type, "text");
	ck_assert_uint_eq(script_find(&script, 1001), 1);
}
END_TEST

START_TEST(what_comes_again_behind_a_seek_is_there_once)
{
	add(1000, "caption", "one");
	add(1000, "caption", "other");
	add(1000, "caption", "one");
	ck_assert_uint_eq(script.count, 2);
}
END_TEST

START_TEST(a_text_that_is_cut_off_ends_where_it_does)
{
	static const uint8_t cut[] = { 'a', 0, 'b', 0, 'c' };

	script_add(&script, 0, cut, sizeof(cut));
	script_add(&script, 1, cut, 0);
	ck_assert_uint_eq(script.count, 2);
	ck_assert_str_eq(text_of(0), "");
	ck_assert_str_eq(text_of(1), "");
}
END_TEST

START_TEST(a_stream_without_end_finds_room)
{
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (uint32_t i = 0; i < 5 * SCRIPT_COMMANDS_MOST; i++)
		add(i, "caption", i % 100 == 0 ? text : "short");
	ck_assert_uint_gt(script.count, 0);
	ck_assert_uint_le(script.count, SCRIPT_COMMANDS_MOST);
	ck_assert_uint_eq(script.commands[script.count - 1].at_ms,
	    5 * SCRIPT_COMMANDS_MOST - 1);
}
END_TEST

START_TEST(marks_are_not_read_out)
{
	static const char *const texts[][2] = {
		{ "<center>sub 4</center>", "sub 4" },
		{ "a<BR>b", "a\nb" },
		{ "1 < 2 &amp;&amp; 3 > 2", "1 < 2 && 3 > 2" },
		{ "<font color=\"red\">R</font>", "R" },
		{ "an end <b", "an end <b" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *text = strdup(texts[i][0]);

		script_plain(text);
		ck_assert_str_eq(text, texts[i][1]);
		free(text);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("script");
	TCase *tests = tcase_create("commands");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, empty, NULL);
	tcase_add_test(tests, commands_of_a_stream_stand_in_order);
	tcase_add_test(tests, what_comes_again_behind_a_seek_is_there_once);
	tcase_add_test(tests, a_text_that_is_cut_off_ends_where_it_does);
	tcase_add_test(tests, a_stream_without_end_finds_room);
	tcase_add_test(tests, marks_are_not_read_out);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
