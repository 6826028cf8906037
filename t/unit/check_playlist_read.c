/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_playlist_read - the rules of player/playlist_read.
 */
#include "player/playlist_read.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* Entries as lines: [+|*]url[ (base)][ "title"]; + alternative, * list. */
static char told[64 * 1024];

static void
note(void *context, const struct playlist_entry *entry)
{
	size_t at = strlen(told);

	(void)context;
	if (sizeof(told) - at < 3 * PLAYLIST_URL_MAX)
		return;
	at += (size_t)sprintf(told + at, "%s%s%s",
	    entry->is_alternative ? "+" : "", entry->is_list ? "*" : "",
	    entry->url);
	if (entry->base[0] != '\0')
		at += (size_t)sprintf(told + at, " (%s)", entry->base);
	if (entry->title[0] != '\0')
		at += (size_t)sprintf(told + at, " \"%s\"", entry->title);
	sprintf(told + at, "\n");
}

static int
read_text(const char *text)
{
	told[0] = '\0';
	return playlist_read(text, strlen(text), note, NULL);
}

static void
expect(const char *text, const char *entries)
{
	ck_assert_int_ge(read_text(text), 0);
	ck_assert_str_eq(told, entries);
}

START_TEST(an_asx_has_entries_with_titles)
{
	expect("<ASX version=\"3.0\">\n<TITLE>All</TITLE>\n"
	       "<Entry><Title>One &amp; only</Title>"
	       "<REF HREF=\"rtsp://a/1.wmv\" /></Entry>\n"
	       "<entry><ref href='mms://a/2.wmv'/><title>Two</title></entry>\n"
	       "<ENTRY><REF HREF=http://a/3.wmv></ENTRY>\n</ASX>",
	    "rtsp://a/1.wmv \"One & only\"\nmms://a/2.wmv\nhttp://a/3.wmv\n");
}
END_TEST

START_TEST(a_second_reference_is_an_alternative)
{
	expect("<asx><entry><title>T</title><ref href=\"rtspu://a/1\"/>"
	       "<ref href=\"http://a/1\"/></entry>"
	       "<entry><ref href=\"rtsp://a/2\"/></entry></asx>",
	    "rtspu://a/1 \"T\"\n+http://a/1 \"T\"\nrtsp://a/2\n");
}
END_TEST

START_TEST(lists_name_lists_and_have_a_base)
{
	expect("<asx><base href=\"http://a/films/\"/><entryref "
	       "href=\"more.asx\" clientbind=\"no\"/></asx>",
	    "*more.asx (http://a/films/)\n");
}
END_TEST

START_TEST(what_stands_in_comments_is_not_there)
{
	expect("<?xml version=\"1.0\"?>\n<!-- <asx> -->\n<asx>"
	       "<!-- <entry><ref href=\"a\"/></entry> > -->"
	       "<entry><ref href=\"b\"/></entry><!-- <ref href=\"c\"/>",
	    "b\n");
}
END_TEST

START_TEST(quotes_hold_greater_than_signs)
{
	expect("<asx><ref href=\"http://a/?x>y&amp;z&nbsp;\"/></asx>",
	    "http://a/?x>y&z&nbsp;\n");
	expect("<asx><ref href=\"open><ref href='b'/></asx>", "open\n+b\n");
}
END_TEST

START_TEST(the_ini_form_is_one_entry_with_alternatives)
{
	expect("[Reference]\r\nRef1=http://a/1.asf?x=1\r\n"
	       "Ref2=http://a:80/1.asf\r\nOther=3\r\nReference=4\r\n",
	    "http://a/1.asf?x=1\n+http://a:80/1.asf\n");
}
END_TEST

START_TEST(an_m3u_is_a_line_each)
{
	expect("\xef\xbb\xbf#EXTM3U\r\n#EXTINF:12,A  title\r\n"
	       "rtsp://a/1\r\n\r\n# word\r\nfilms/2.wmv\r\n",
	    "rtsp://a/1 \"A title\"\nfilms/2.wmv\n");
	expect("rtsp://a/1", "rtsp://a/1\n");
}
END_TEST

START_TEST(anything_else_is_no_play_list)
{
	static const char binary[] = { 0x30, 0x26, (char)0xb2, 0x75, 0x00 };

	ck_assert_int_eq(read_text("<html><asx></html>"), -EBADMSG);
	ck_assert_int_eq(read_text(""), -EBADMSG);
	ck_assert_int_eq(read_text(" \n "), -EBADMSG);
	ck_assert_int_eq(read_text("<"), -EBADMSG);
	ck_assert_int_eq(
	    playlist_read(binary, sizeof(binary), note, NULL), -EBADMSG);
}
END_TEST

START_TEST(addresses_are_told_whole_or_not_at_all)
{
	char text[PLAYLIST_URL_MAX + 64];

	memset(text, 'a', sizeof(text));
	text[PLAYLIST_URL_MAX] = '\0';
	expect(text, "");
	text[PLAYLIST_URL_MAX - 1] = '\0';
	ck_assert_int_eq(read_text(text), 1);
	memcpy(text, "<asx><ref href=", 15);
	text[PLAYLIST_URL_MAX - 1] = text[PLAYLIST_URL_MAX] = 'a';
	text[PLAYLIST_URL_MAX + 15] = '>';
	text[PLAYLIST_URL_MAX + 16] = '\0';
	expect(text, "");
	expect("<asx><ref href=\"a\001b\"/><ref href=\"\"/><ref/></asx>", "");
}
END_TEST

START_TEST(titles_are_cut)
{
	char text[2 * PLAYLIST_TITLE_MAX + 16] = "#EXTINF:1,";
	char title[PLAYLIST_TITLE_MAX];

	memset(text + 10, 't', 2 * PLAYLIST_TITLE_MAX);
	strcpy(text + 10 + 2 * PLAYLIST_TITLE_MAX, "\na");
	ck_assert_int_eq(read_text(text), 1);
	memset(title, 't', sizeof(title));
	title[sizeof(title) - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(told, title));
	ck_assert_uint_eq(strlen(told), 1 + 3 + sizeof(title) - 1 + 1);
}
END_TEST

START_TEST(the_number_of_entries_has_a_limit)
{
	size_t size = (PLAYLIST_ENTRIES_MAX + 1) * 2;
	char *text = malloc(size);

	for (size_t i = 0; i < size; i += 2)
		memcpy(text + i, "a\n", 2);
	ck_assert_int_eq(
	    playlist_read(text, size, note, NULL), PLAYLIST_ENTRIES_MAX);
	free(text);
}
END_TEST

/* Cut anywhere it tells no more than the whole, and reads nothing behind. */
START_TEST(a_list_may_be_cut_anywhere)
{
	static const char text[] =
	    "<asx><!-- --><entry><title>&amp;</title><ref href=\"a&quot;b\"/>"
	    "<ref href = 'c'/></entry></asx>";

	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		char *copy = malloc(length + 1);

		memcpy(copy, text, length);
		told[0] = '\0';
		ck_assert_int_le(playlist_read(copy, length, note, NULL), 2);
		free(copy);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("playlist_read");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, rules);
	tcase_add_test(rules, an_asx_has_entries_with_titles);
	tcase_add_test(rules, a_second_reference_is_an_alternative);
	tcase_add_test(rules, lists_name_lists_and_have_a_base);
	tcase_add_test(rules, what_stands_in_comments_is_not_there);
	tcase_add_test(rules, quotes_hold_greater_than_signs);
	tcase_add_test(rules, the_ini_form_is_one_entry_with_alternatives);
	tcase_add_test(rules, an_m3u_is_a_line_each);
	tcase_add_test(rules, anything_else_is_no_play_list);
	tcase_add_test(rules, addresses_are_told_whole_or_not_at_all);
	tcase_add_test(rules, titles_are_cut);
	tcase_add_test(rules, the_number_of_entries_has_a_limit);
	tcase_add_test(rules, a_list_may_be_cut_anywhere);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
