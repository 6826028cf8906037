/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_address - the rules of player/address.
 */
#include "player/address.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static struct address
parse(const char *text)
{
	struct address address;

	address_parse(text, &address);
	if (address.kind == ADDRESS_BAD)
		ck_assert_ptr_nonnull(address.sentence);
	return address;
}

START_TEST(titles_keep_what_was_typed)
{
	static const char *const titles[] = { "rtsp://server/title.wmv",
		"rtspt://server:8554/a%20b.asf", "rtspu://[::1]:554/x",
		"http://server/film.wmv?x=.asx#y", "file:///tmp/a.wmv",
		"/tmp/a.wmv", "./a b.wmv", "rtsp://user:secret@server/x" };

	for (size_t i = 0; i < ARRAY_LENGTH(titles); i++) {
		struct address address = parse(titles[i]);

		ck_assert_msg(address.kind == ADDRESS_TITLE, "%s", titles[i]);
		ck_assert_str_eq(address.url, titles[i]);
		ck_assert_ptr_null(address.sentence);
	}
}
END_TEST

START_TEST(play_lists_are_known_by_their_ending)
{
	static const char *const lists[] = { "http://server/list.asx",
		"http://server/LIST.WAX?id=3", "/tmp/a.m3u", "./b.m3u8",
		"file:///tmp/c.wvx" };

	for (size_t i = 0; i < ARRAY_LENGTH(lists); i++)
		ck_assert_msg(
		    parse(lists[i]).kind == ADDRESS_LIST, "%s", lists[i]);
	ck_assert_int_eq(parse("rtsp://server/asx").kind, ADDRESS_TITLE);
	ck_assert_int_eq(parse("/.asx").kind, ADDRESS_LIST);
}
END_TEST

START_TEST(blanks_around_it_are_no_part_of_it)
{
	ck_assert_str_eq(
	    parse(" \n rtsp://server/a \r\n").url, "rtsp://server/a");
}
END_TEST

START_TEST(schemes_are_of_any_case_and_mms_is_rtsp)
{
	ck_assert_str_eq(parse("RTSP://Server/A").url, "rtsp://Server/A");
	ck_assert_str_eq(parse("mms://server/a").url, "rtsp://server/a");
	ck_assert_str_eq(parse("mmst://server/a").url, "rtspt://server/a");
	ck_assert_str_eq(parse("MMSU://server/a").url, "rtspu://server/a");
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
	static const struct {
		const char *text, *sentence;
	} wrong[] = {
		{ "", "Type the address of a title." },
		{ "  ", "Type the address of a title." },
		{ "server/title", "An address begins with rtsp://, or is the "
				  "path of a file." },
		{ "gopher://server/x",
		    "Only rtsp://, rtspt://, rtspu://, http:// and files can "
		    "be played." },
		{ "rtsp:///x", "The name of the server is missing." },
		{ "rtsp://:554/x", "The name of the server is missing." },
		{ "rtsp://my server/x", "The name of a server has no blanks." },
		{ "rtsp://[::1/x", "An address in [ ] is not complete." },
		{ "rtsp://[]/x", "An address in [ ] is not complete." },
		{ "rtsp://a:0/x", "The port is not a number from 1 to 65535." },
		{ "rtsp://a:/x", "The port is not a number from 1 to 65535." },
		{ "rtsp://a:65536/x",
		    "The port is not a number from 1 to 65535." },
		{ "rtsp://a:5a/x",
		    "The port is not a number from 1 to 65535." },
		{ "rtsp://[::1]x/",
		    "The port is not a number from 1 to 65535." },
		{ "rtsp://a/\001", "This address holds something that cannot "
				   "be typed." },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		struct address address = parse(wrong[i].text);

		ck_assert_msg(address.kind == ADDRESS_BAD, "%s", wrong[i].text);
		ck_assert_str_eq(address.sentence, wrong[i].sentence);
	}
}
END_TEST

START_TEST(length_has_a_limit)
{
	char text[ADDRESS_MAX + 1];

	memset(text, 'a', sizeof(text));
	memcpy(text, "rtsp://", 7);
	text[ADDRESS_MAX] = '\0';
	ck_assert_str_eq(parse(text).sentence, "This address is too long.");
	text[ADDRESS_MAX - 1] = '\0';
	ck_assert_int_eq(parse(text).kind, ADDRESS_TITLE);
	memcpy(text, "mmst://", 7); /* becomes one longer */
	ck_assert_str_eq(parse(text).sentence, "This address is too long.");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("address");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, rules);
	tcase_add_test(rules, titles_keep_what_was_typed);
	tcase_add_test(rules, play_lists_are_known_by_their_ending);
	tcase_add_test(rules, blanks_around_it_are_no_part_of_it);
	tcase_add_test(rules, schemes_are_of_any_case_and_mms_is_rtsp);
	tcase_add_test(rules, what_is_wrong_is_said);
	tcase_add_test(rules, length_has_a_limit);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
