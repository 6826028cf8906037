/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_news - what is told comes in order, behind the function that caused it,
 * and who is told may do what he likes.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "player/news.h"

static struct news *news;
static char told[256];
static bool ends; /* the next one who is told frees it */

static void
end(void)
{
	news_free(news);
	news = NULL;
}

static void
tell(const char *text)
{
	strcat(told, text);
	strcat(told, ";");
	if (ends)
		end();
}

static void
on_state(void *context, enum engine_state state, enum engine_failure failure,
    const char *reason)
{
	ck_assert_ptr_eq(context, told);
	ck_assert((state == ENGINE_FAILED) == (failure == ENGINE_LOST));
	tell(state == ENGINE_FAILED ? reason : "state");
}

static void
on_picture(void *context, uint64_t position_us)
{
	char text[32];

	ck_assert_ptr_eq(context, told);
	g_snprintf(text, sizeof(text), "%u", (unsigned)position_us);
	tell(text);
}

static void
on_script(void *context, const char *type, const char *text)
{
	ck_assert_ptr_eq(context, told);
	tell(type);
	if (news != NULL)
		tell(text);
}

static void
begin(void)
{
	static const struct engine_events events = {
		.state = on_state,
		.picture = on_picture,
		.script = on_script,
	};

	told[0] = '\0';
	ends = false;
	news = news_new(&events, told);
}

static void
listen_to_all(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		continue;
}

START_TEST(it_comes_in_order_and_later)
{
	char text[] = "words";

	news_state(news, ENGINE_BUFFERING, ENGINE_NO_FAILURE, "");
	news_picture(news, 40);
	news_script(news, "TEXT", text);
	news_state(news, ENGINE_FAILED, ENGINE_LOST, "Lost.");
	memset(text, 'x', sizeof(text) - 1);
	ck_assert_str_eq(told, "");
	listen_to_all();
	ck_assert_str_eq(told, "state;40;TEXT;words;Lost.;");
	news_picture(news, 80);
	listen_to_all();
	ck_assert(g_str_has_suffix(told, "Lost.;80;"));
}
END_TEST

START_TEST(what_nobody_wants_to_know_is_not_told)
{
	news_buffered(news, 40);
	news_information(news);
	news_notice(news, "No sound.");
	listen_to_all();
	ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(who_is_told_may_end_it)
{
	ends = true;
	news_script(news, "TEXT", "words");
	news_picture(news, 40);
	listen_to_all();
	ck_assert_str_eq(told, "TEXT;");
	ck_assert_ptr_null(news);
}
END_TEST

START_TEST(what_is_left_is_not_told)
{
	news_picture(news, 40);
	end();
	listen_to_all();
	ck_assert_str_eq(told, "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("news");
	TCase *tests = tcase_create("news");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, it_comes_in_order_and_later);
	tcase_add_test(tests, what_nobody_wants_to_know_is_not_told);
	tcase_add_test(tests, who_is_told_may_end_it);
	tcase_add_test(tests, what_is_left_is_not_told);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
