/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_rtsp - RTSP messages and header values: what clients write is
 * understood, what nobody should write is refused with the right status.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "wire/rtsp.h"

#define HEAD "OPTIONS * RTSP/1.0\r\n"

static struct rtsp_text
text_of(const char *string)
{
	return (struct rtsp_text){ string, strlen(string) };
}

static enum rtsp_result
parse(const char *string, struct rtsp_message *out)
{
	return rtsp_parse(string, strlen(string), out);
}

/* The status that STRING is refused with; 0: it is not refused. */
static unsigned
refusal(const char *string)
{
	struct rtsp_message message;

	return parse(string, &message) == RTSP_BAD ? message.status : 0;
}

static void
assert_text(struct rtsp_text text, const char *expected)
{
	ck_assert_msg(rtsp_text_is(text, expected), "\"%.*s\" is not \"%s\"",
	    (int)text.length, text.at, expected);
}

/* ---- messages ---- */

START_TEST(a_request_is_taken_apart)
{
	const char *request =
	    "SETUP rtsp://h:8554/clip.asf/audio RTSP/1.0\r\n"
	    "Transport: RTP/AVP/UDP;unicast;client_port=16194\r\n"
	    "CSeq: 4\r\n"
	    "User-Agent: Lavf59.27.100\r\n"
	    "Session:  15613997197135203 \r\n"
	    "ClientChallenge: 9e26d33f\r\n"
	    "Content-Length: 5\r\n"
	    "\r\n";
	struct rtsp_message m;

	ck_assert_int_eq(parse(request, &m), RTSP_DONE);
	ck_assert(!m.is_reply);
	ck_assert_int_eq(m.method, RTSP_SETUP);
	assert_text(m.method_text, "SETUP");
	assert_text(m.url, "rtsp://h:8554/clip.asf/audio");
	ck_assert_uint_eq(m.version_major, 1);
	ck_assert_uint_eq(m.version_minor, 0);
	ck_assert(m.has_cseq);
	ck_assert_uint_eq(m.cseq, 4);
	assert_text(m.header[RTSP_SESSION], "15613997197135203");
	assert_text(m.header[RTSP_USER_AGENT], "Lavf59.27.100");
	ck_assert_ptr_null(m.header[RTSP_RANGE].at);
	ck_assert_uint_eq(m.content_length, 5);
	ck_assert_uint_eq(m.head_length, strlen(request));
}
END_TEST

START_TEST(a_reply_is_taken_apart)
{
	const char *reply = "RTSP/1.0 454 Session Not Found\r\n"
			    "CSeq: 7\r\nServer: WMServer/9.1\r\n\r\n";
	struct rtsp_message m;

	ck_assert_int_eq(parse(reply, &m), RTSP_DONE);
	ck_assert(m.is_reply);
	ck_assert_uint_eq(m.status, 454);
	assert_text(m.reason, "Session Not Found");
	ck_assert_uint_eq(m.cseq, 7);
	assert_text(m.header[RTSP_SERVER], "WMServer/9.1");

	/* Clients answer requests of ours without a CSeq or a phrase. */
	ck_assert_int_eq(parse("RTSP/1.0 501\r\n\r\n", &m), RTSP_DONE);
	ck_assert_uint_eq(m.status, 501);
	ck_assert_uint_eq(m.reason.length, 0);
	ck_assert(!m.has_cseq);

	ck_assert_uint_eq(refusal("RTSP/1.0 99 Low\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal("RTSP/1.0 600 High\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal("RTSP/1.0 2x0 OK\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal("RTSP/1.0\r\n\r\n"), 400);
}
END_TEST

START_TEST(each_method_is_known_by_its_exact_name)
{
	struct rtsp_message m;
	char request[64];

	for (int i = 1; i < RTSP_METHOD_COUNT; i++) {
		snprintf(request, sizeof(request),
		    "%s * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		    rtsp_method_name((enum rtsp_method)i));
		ck_assert_int_eq(parse(request, &m), RTSP_DONE);
		ck_assert_int_eq((int)m.method, i);
	}
	ck_assert_int_eq(
	    parse("play * RTSP/1.0\r\nCSeq: 1\r\n\r\n", &m), RTSP_DONE);
	ck_assert_int_eq(m.method, RTSP_UNKNOWN);
	assert_text(m.method_text, "play");
}
END_TEST

START_TEST(a_message_cut_anywhere_needs_more)
{
	const char *request = "\r\nPLAY rtsp://h/a RTSP/1.0\r\nCSeq: 6\r\n"
			      "Range: npt=0.000-\r\n\tfolded\r\n\r\nrest";
	size_t whole = strlen(request) - strlen("rest");
	struct rtsp_message m;

	for (size_t size = 0; size < whole; size++)
		ck_assert_int_eq(rtsp_parse(request, size, &m), RTSP_MORE);
	for (size_t size = whole; size <= strlen(request); size++) {
		ck_assert_int_eq(rtsp_parse(request, size, &m), RTSP_DONE);
		ck_assert_uint_eq(m.head_length, whole);
	}
}
END_TEST

START_TEST(lines_may_end_in_a_bare_line_feed)
{
	struct rtsp_message m;

	ck_assert_int_eq(
	    parse("\n\nOPTIONS * RTSP/1.0\nCSeq: 1\nSession: a\r\n\n", &m),
	    RTSP_DONE);
	ck_assert_uint_eq(m.cseq, 1);
	assert_text(m.header[RTSP_SESSION], "a");
}
END_TEST

START_TEST(sixteen_empty_lines_may_stand_before_a_message)
{
	char text[256] = "";
	struct rtsp_message m;

	for (int i = 0; i < 16; i++)
		strcat(text, "\r\n");
	ck_assert_int_eq(parse(text, &m), RTSP_MORE);
	strcat(text, HEAD "CSeq: 1\r\n\r\n");
	ck_assert_int_eq(parse(text, &m), RTSP_DONE);
	ck_assert_uint_eq(m.head_length, strlen(text));

	memmove(text + 2, text, strlen(text) + 1);
	ck_assert_uint_eq(refusal(text), 400);
}
END_TEST

START_TEST(what_is_no_text_is_refused_at_once)
{
	struct rtsp_message m;

	ck_assert_int_eq(rtsp_parse("\x16\x03\x01", 3, &m), RTSP_BAD);
	ck_assert_uint_eq(m.status, 400);
	ck_assert_uint_eq(m.head_length, 0);
	ck_assert_int_eq(rtsp_parse("\0PLAY", 5, &m), RTSP_BAD);
	ck_assert_int_eq(rtsp_parse(" PLAY", 5, &m), RTSP_BAD);
	ck_assert_int_eq(rtsp_parse("\rP", 2, &m), RTSP_MORE);
	ck_assert_int_eq(rtsp_parse("\r\n\x80", 3, &m), RTSP_BAD);
}
END_TEST

START_TEST(folds_belong_to_their_value)
{
	struct rtsp_transport transport;
	struct rtsp_message m;
	bool malformed;

	ck_assert_int_eq(parse(HEAD "CSeq:\r\n 12\r\n"
				    "Transport: RTP/AVP/TCP;\r\n\tunicast;\r\n"
				    " \r\n  interleaved=2-3\r\n"
				    "Range:npt=0-\r\n\r\n",
			     &m),
	    RTSP_DONE);
	ck_assert_uint_eq(m.cseq, 12);
	ck_assert(rtsp_parse_transport(
	    m.header[RTSP_TRANSPORT], true, true, &transport, &malformed));
	ck_assert_uint_eq(transport.interleaved[0], 2);
	assert_text(m.header[RTSP_RANGE], "npt=0-");

	ck_assert_uint_eq(refusal(HEAD " folded: 1\r\nCSeq: 1\r\n\r\n"), 400);
}
END_TEST

START_TEST(of_a_repeated_header_the_first_counts)
{
	struct rtsp_message m;

	ck_assert_int_eq(parse(HEAD "CSeq: 1\r\nUser-Agent: a\r\n"
				    "user-agent: b\r\nCSEQ: 1\r\n"
				    "Require: x\r\nRequire: y\r\n\r\n",
			     &m),
	    RTSP_DONE);
	assert_text(m.header[RTSP_USER_AGENT], "a");
	assert_text(m.header[RTSP_REQUIRE], "x");
	ck_assert_uint_eq(m.require_count, 2);
}
END_TEST

START_TEST(headers_that_contradict_each_other_are_refused)
{
	struct rtsp_message m;

	/* The sender is answered and heard further. */
	ck_assert_int_eq(
	    parse(HEAD "CSeq: 7\r\nCSeq: 100\r\n\r\n", &m), RTSP_BAD);
	ck_assert_uint_eq(m.status, 400);
	ck_assert(m.has_cseq);
	ck_assert_uint_eq(m.cseq, 7);
	ck_assert_uint_ne(m.head_length, 0);
	ck_assert_int_eq(
	    parse(HEAD
		"CSeq: 7\r\nSession: aaaaaaaa\r\nSession: bbbbbbbb\r\n\r\n",
		&m),
	    RTSP_BAD);
	ck_assert_uint_ne(m.head_length, 0);

	/* Where the next message begins is not known. */
	ck_assert_int_eq(parse(HEAD "CSeq: 7\r\nContent-Length: 41\r\n"
				    "Content-Length: 42\r\n\r\n",
			     &m),
	    RTSP_BAD);
	ck_assert_uint_eq(m.status, 400);
	ck_assert_uint_eq(m.cseq, 7);
	ck_assert_uint_eq(m.head_length, 0);
}
END_TEST

START_TEST(a_content_length_is_digits_that_fit)
{
	static const char *const wrong[] = { "-1", "5 5", "0x5", "", "5,5",
		"1e3", "+5", "18446744073709551616", "99999999999999999999" };
	char request[128];
	struct rtsp_message m;

	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		snprintf(request, sizeof(request),
		    HEAD "CSeq: 1\r\nContent-Length: %s\r\n\r\n", wrong[i]);
		ck_assert_int_eq(parse(request, &m), RTSP_BAD);
		ck_assert_uint_eq(m.status, 400);
		ck_assert_uint_eq(m.head_length, 0);
	}
}
END_TEST

START_TEST(a_large_body_is_refused_in_a_request_only)
{
	static const char *const large[] = { "65537", "2147483647",
		"4294967295", "18446744073709551615" };
	char message[128];
	struct rtsp_message m;

	ck_assert_int_eq(
	    parse(HEAD "CSeq: 1\r\nContent-Length: 65536\r\n\r\n", &m),
	    RTSP_DONE);
	for (size_t i = 0; i < ARRAY_LENGTH(large); i++) {
		snprintf(message, sizeof(message),
		    HEAD "CSeq: 1\r\nContent-Length: %s\r\n\r\n", large[i]);
		ck_assert_int_eq(parse(message, &m), RTSP_BAD);
		ck_assert_uint_eq(m.status, 413);
		ck_assert_uint_eq(m.cseq, 1);
		ck_assert_uint_eq(m.head_length, 0);
		snprintf(message, sizeof(message),
		    "RTSP/1.0 200 OK\r\nContent-Length: %s\r\n\r\n", large[i]);
		ck_assert_int_eq(parse(message, &m), RTSP_DONE);
		ck_assert_uint_eq(
		    m.content_length, strtoull(large[i], NULL, 10));
	}
}
END_TEST

START_TEST(a_request_needs_a_cseq)
{
	struct rtsp_message m;

	ck_assert_int_eq(parse(HEAD "\r\n", &m), RTSP_BAD);
	ck_assert_uint_eq(m.status, 400);
	ck_assert(!m.has_cseq);
	ck_assert_uint_eq(m.head_length, strlen(HEAD "\r\n"));
	ck_assert_uint_eq(refusal(HEAD "CSeq: x\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal(HEAD "CSeq:\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal(HEAD "CSeq: 4294967296\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal(HEAD "CSeq: 4294967295\r\n\r\n"), 0);
	ck_assert_uint_eq(refusal(HEAD "CSeq: 0\r\n\r\n"), 0);
}
END_TEST

START_TEST(a_start_line_is_method_url_and_version)
{
	struct rtsp_message m;

	ck_assert_uint_eq(refusal("OPTIONS\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal("OPTIONS *\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal("OPTIONS RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal("SETUP  RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal("SET,UP * RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal("GET / HTTP/1.1\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal("OPTIONS * RTSP/1\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(
	    refusal("OPTIONS * RTSP/1.0x\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(
	    refusal("OPTIONS a\x1b RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(
	    refusal("OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n"), 505);
	ck_assert_uint_eq(refusal("OPTIONS * RTSP/1.1\r\nCSeq: 1\r\n\r\n"), 0);

	/* The answer goes to whom it belongs. */
	ck_assert_int_eq(
	    parse("OPTIONS * RTSP/2.0\r\nCSeq: 31\r\n\r\n", &m), RTSP_BAD);
	ck_assert_uint_eq(m.cseq, 31);
	ck_assert_uint_ne(m.head_length, 0);
}
END_TEST

START_TEST(a_url_may_hold_blanks)
{
	struct rtsp_message m;

	ck_assert_int_eq(
	    parse(
		"DESCRIBE rtsp://h/my own clip.asf RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		&m),
	    RTSP_DONE);
	assert_text(m.url, "rtsp://h/my own clip.asf");
}
END_TEST

START_TEST(a_header_line_is_a_token_a_colon_and_a_value)
{
	struct rtsp_message m;

	ck_assert_uint_eq(refusal(HEAD "CSeq: 1\r\nnothing\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal(HEAD "CSeq: 1\r\n: nameless\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal(HEAD "CSeq: 1\r\na b: c\r\n\r\n"), 400);
	ck_assert_uint_eq(refusal(HEAD "CSeq: 1\r\nA: b\rC: d\r\n\r\n"), 400);
	ck_assert_int_eq(rtsp_parse(HEAD "CSeq: 1\r\nA: \0\r\n\r\n",
			     strlen(HEAD) + strlen("CSeq: 1\r\nA: ") + 5, &m),
	    RTSP_BAD);
	ck_assert_uint_eq(m.cseq, 1);
	/* The log escapes these; the value of an empty header is empty. */
	ck_assert_int_eq(
	    parse(HEAD "CSeq : 1\r\nUser-Agent: \x1b[1m\xff\r\nSpeed:\r\n\r\n",
		&m),
	    RTSP_DONE);
	assert_text(m.header[RTSP_USER_AGENT], "\x1b[1m\xff");
	ck_assert_ptr_nonnull(m.header[RTSP_SPEED].at);
	ck_assert_uint_eq(m.header[RTSP_SPEED].length, 0);
}
END_TEST

START_TEST(a_hundred_headers_are_enough)
{
	char request[4096] = HEAD "CSeq: 1\r\n";
	struct rtsp_message m;

	for (int i = 1; i < RTSP_HEADERS_MAX; i++)
		strcat(request, "Require: x\r\n");
	strcat(request, "\r\n");
	ck_assert_int_eq(parse(request, &m), RTSP_DONE);
	ck_assert_uint_eq(m.require_count, RTSP_HEADERS_MAX - 1);

	strcpy(request + strlen(request) - 2, "A: b\r\n\r\n");
	ck_assert_uint_eq(refusal(request), 400);
}
END_TEST

/* A request of SIZE bytes, filled up in a header or in the URL. */
static char *
sized_request(size_t size, bool in_url)
{
	const char *start =
	    in_url ? "PLAY /" : "PLAY / RTSP/1.0\r\nCSeq: 1\r\nA: ";
	const char *end = in_url ? " RTSP/1.0\r\nCSeq: 1\r\n\r\n" : "\r\n\r\n";
	char *request = malloc(size + 1);

	ck_assert_ptr_nonnull(request);
	memset(request, 'x', size);
	memcpy(request, start, strlen(start));
	strcpy(request + size - strlen(end), end);
	return request;
}

START_TEST(a_head_has_a_largest_size)
{
	struct rtsp_message m;
	char *request = sized_request(RTSP_HEAD_MAX, false);

	ck_assert_int_eq(rtsp_parse(request, RTSP_HEAD_MAX - 1, &m), RTSP_MORE);
	ck_assert_int_eq(rtsp_parse(request, RTSP_HEAD_MAX, &m), RTSP_DONE);
	free(request);

	request = sized_request(RTSP_HEAD_MAX + 1, false);
	ck_assert_int_eq(rtsp_parse(request, RTSP_HEAD_MAX - 1, &m), RTSP_MORE);
	for (size_t size = RTSP_HEAD_MAX; size <= RTSP_HEAD_MAX + 1; size++) {
		ck_assert_int_eq(rtsp_parse(request, size, &m), RTSP_BAD);
		ck_assert_uint_eq(m.status, 400);
		ck_assert_uint_eq(m.head_length, 0);
	}
	free(request);
}
END_TEST

START_TEST(a_url_has_a_largest_size)
{
	size_t rest = strlen("PLAY  RTSP/1.0\r\nCSeq: 1\r\n\r\n");
	char *request = sized_request(RTSP_URL_MAX + rest, true);

	ck_assert_uint_eq(refusal(request), 0);
	free(request);
	request = sized_request(RTSP_URL_MAX + rest + 1, true);
	ck_assert_uint_eq(refusal(request), 414);
	free(request);
	request = sized_request(1000 * 1000, true);
	ck_assert_uint_eq(refusal(request), 414);
	free(request);
}
END_TEST

START_TEST(a_frame_is_told_from_a_message)
{
	static const uint8_t frame[] = { 0x24, 0x00, 0x05, 0x84, 0x80 };
	struct rtsp_message m;
	struct rtsp_frame out;

	ck_assert_int_eq(rtsp_parse(frame, 1, &m), RTSP_FRAME);
	for (size_t size = 0; size < RTSP_FRAME_HEAD; size++)
		ck_assert_int_eq(
		    rtsp_parse_frame(frame, size, &out), RTSP_MORE);
	ck_assert_int_eq(
	    rtsp_parse_frame(frame, sizeof(frame), &out), RTSP_DONE);
	ck_assert_uint_eq(out.channel, 0);
	ck_assert_uint_eq(out.length, 1412);
	ck_assert_int_eq(rtsp_parse_frame("$\xff\xff\xff", 4, &out), RTSP_DONE);
	ck_assert_uint_eq(out.channel, 255);
	ck_assert_uint_eq(out.length, 65535);
	ck_assert_int_eq(rtsp_parse_frame("PLAY", 4, &out), RTSP_BAD);
}
END_TEST

/* ---- URL ---- */

START_TEST(a_url_becomes_a_path)
{
	static const struct {
		const char *url, *path, *host;
		bool trailing;
	} cases[] = {
		{ "rtsp://h/clip.asf", "clip.asf", "h", false },
		{ "rtsp://h:8554/clip.asf/", "clip.asf", "h:8554", true },
		{ "RTSPT://[::1]:8554/a/b", "a/b", "[::1]:8554", false },
		{ "rtspu://[fe80::1%25eth0]/a", "a", "[fe80::1%25eth0]",
		    false },
		{ "rtsp://h", "", "h", false },
		{ "rtsp://h/", "", "h", true },
		{ "rtsp://h:/", "", "h:", true },
		{ "rtsp://name:word@h:1/a", "a", "h:1", false },
		{ "rtsp://h?a", "", "h", false },
		{ "/", "", "", true },
		{ "///a//b///", "a/b", "", true },
		{ "/a?b/c", "a", "", false },
		{ "/a%3Fb#c", "a?b", "", false },
		{ "/a%20b c", "a b c", "", false },
		{ "/%2e%2E/./a/%2e%2e%2fb", ".././a/../b", "", false },
		{ "/..%5c%252e", "..\\%2e", "", false },
		{ "/%C3%A9\xC3\xA9.wmv", "\xC3\xA9\xC3\xA9.wmv", "", false },
		{ "/a%2F", "a", "", true },
		{ "/stream=0", "stream=0", "", false },
	};
	struct rtsp_url out;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		ck_assert_msg(rtsp_parse_url(text_of(cases[i].url), &out),
		    "%s is a URL", cases[i].url);
		ck_assert_str_eq(out.path, cases[i].path);
		assert_text(out.host, cases[i].host);
		ck_assert_int_eq(out.trailing_slash, cases[i].trailing);
		ck_assert(!out.asterisk);
	}
	ck_assert(rtsp_parse_url(text_of("*"), &out));
	ck_assert(out.asterisk);
	ck_assert_str_eq(out.path, "");
}
END_TEST

START_TEST(what_is_no_url_is_refused)
{
	static const char *const wrong[] = { "", "foo", "**", "?", "http://h/a",
		"rtsp:/h/a", "rtsp://", "rtsp:///a", "rtsp://h:99999/",
		"rtsp://h:0/", "rtsp://h:5 4/", "rtsp://h:x/", "rtsp://[::1/a",
		"rtsp://a b/", "rtsp://h\"/", "/%", "/a%2", "/%zz", "/%00",
		"/a%00b", "/%0a", "/%0D%0A", "/%7f", "/a\x01", "/a\x7f", "/\tb",
		"/\xff", "/%ff", "/%c3", "/\xc3/", "/%c0%af", "/%c0%80",
		"/%e0%80%af", "/%ed%a0%80", "/%f4%90%80%80", "/%f8%80%80%80%80",
		"/%80" };
	struct rtsp_url out = { .path = "kept" };

	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
		ck_assert_msg(!rtsp_parse_url(text_of(wrong[i]), &out),
		    "\"%s\" is no URL", wrong[i]);
	ck_assert(!rtsp_parse_url((struct rtsp_text){ "/a\0b", 4 }, &out));
	ck_assert_str_eq(out.path, "kept");
}
END_TEST

START_TEST(a_path_fills_its_room_and_no_more)
{
	struct rtsp_url out;
	char url[2000] = "/";

	memset(url + 1, 'p', sizeof(out.path) - 1);
	ck_assert(rtsp_parse_url(text_of(url), &out));
	ck_assert_uint_eq(strlen(out.path), sizeof(out.path) - 1);
	strcat(url, "//");
	ck_assert(rtsp_parse_url(text_of(url), &out));
	ck_assert(out.trailing_slash);
	strcat(url, "p");
	ck_assert(!rtsp_parse_url(text_of(url), &out));
}
END_TEST

/* ---- Transport ---- */

static bool
transport_of(const char *value, struct rtsp_transport *out)
{
	bool malformed;

	return rtsp_parse_transport(
	    text_of(value), true, true, out, &malformed);
}

START_TEST(the_transports_of_real_clients_are_understood)
{
	struct rtsp_transport t;

	ck_assert(transport_of(
	    "RTP/AVP/UDP;unicast;client_port=8896-8897;mode=play", &t));
	ck_assert_int_eq(t.kind, RTSP_TRANSPORT_UDP);
	ck_assert(t.has_client_port && !t.client_port_single && t.mode_play);
	ck_assert_uint_eq(t.client_port[0], 8896);
	ck_assert_uint_eq(t.client_port[1], 8897);

	ck_assert(
	    transport_of("RTP/AVP/UDP;unicast;client_port=8898;mode=play", &t));
	ck_assert(t.client_port_single);
	ck_assert_uint_eq(t.client_port[0], 8898);
	ck_assert_uint_eq(t.client_port[1], 8899);

	ck_assert(transport_of("RTP/AVP;unicast;client_port=47190-47191", &t));
	ck_assert_int_eq(t.kind, RTSP_TRANSPORT_UDP);
	ck_assert(!t.mode_play);

	ck_assert(
	    transport_of("RTP/AVP/TCP;unicast;interleaved=0-1;mode=play", &t));
	ck_assert_int_eq(t.kind, RTSP_TRANSPORT_TCP);
	ck_assert(t.has_interleaved);
	ck_assert_uint_eq(t.interleaved[0], 0);
	ck_assert_uint_eq(t.interleaved[1], 1);

	/* RFC 2326 10.12 leaves unicast out, 12.39 puts modes in quotes. */
	ck_assert(transport_of(
	    "rtp/avp/tcp; interleaved = 4 ;mode=\"PLAY,RECORD\";ssrc=ab", &t));
	ck_assert_uint_eq(t.interleaved[0], 4);
	ck_assert_uint_eq(t.interleaved[1], 5);
	ck_assert(t.mode_play && t.has_ssrc);
	ck_assert_uint_eq(t.ssrc, 0xAB);
	ck_assert(transport_of("RTP/AVP/TCP;unicast", &t));
	ck_assert(!t.has_interleaved);
}
END_TEST

START_TEST(the_first_transport_that_is_allowed_counts)
{
	struct rtsp_text value =
	    text_of("RAW/RAW/UDP;unicast;client_port=1-2,"
		    "RTP/AVP;multicast;port=5000-5001,"
		    "RTP/AVP;unicast;client_port=5-4,"
		    "RTP/AVP;unicast;client_port=6000-6001;mode=record,"
		    "RTP/AVP;unicast;client_port=7000-7001,"
		    "RTP/AVP/TCP;unicast;interleaved=2-3");
	struct rtsp_transport t;
	bool malformed;

	ck_assert(rtsp_parse_transport(value, true, true, &t, &malformed));
	ck_assert_uint_eq(t.client_port[0], 7000);
	ck_assert(rtsp_parse_transport(value, false, true, &t, &malformed));
	ck_assert_uint_eq(t.interleaved[0], 2);
	ck_assert(!rtsp_parse_transport(value, false, false, &t, &malformed));
	ck_assert(!malformed);
}
END_TEST

START_TEST(ports_and_channels_are_in_range_and_in_order)
{
	static const char *const wrong[] = { "", ",", "foo", "RTP AVP/UDP",
		"RTP/AVP;unicast", "RTP/AVP;unicast;client_port",
		"RTP/AVP;unicast;client_port=",
		"RTP/AVP;unicast;client_port=0-1",
		"RTP/AVP;unicast;client_port=0",
		"RTP/AVP;unicast;client_port=65535",
		"RTP/AVP;unicast;client_port=65535-65536",
		"RTP/AVP;unicast;client_port=5-4",
		"RTP/AVP;unicast;client_port=5-",
		"RTP/AVP;unicast;client_port=-5",
		"RTP/AVP;unicast;client_port=5-6-7",
		"RTP/AVP;unicast;client_port=rtp",
		"RTP/AVP;unicast;client_port=99999999999999999999",
		"RTP/AVP/TCP;unicast;interleaved=255-256",
		"RTP/AVP/TCP;unicast;interleaved=255",
		"RTP/AVP/TCP;unicast;interleaved=1-0",
		"RTP/AVP/TCP;unicast;interleaved=1-1",
		"RTP/AVP/TCP;unicast;interleaved=1-3",
		"RTP/AVP/TCP;unicast;interleaved=-1" };
	struct rtsp_transport t;
	bool malformed;

	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		malformed = false;
		ck_assert_msg(!rtsp_parse_transport(text_of(wrong[i]), true,
				  true, &t, &malformed),
		    "\"%s\" is a transport", wrong[i]);
		ck_assert_msg(malformed, "\"%s\" is well formed", wrong[i]);
	}
	ck_assert(transport_of("RTP/AVP;unicast;client_port=65534", &t));
	ck_assert(transport_of("RTP/AVP;unicast;client_port=65534-65535", &t));
	ck_assert(transport_of("RTP/AVP;unicast;client_port=1-9", &t));
	ck_assert(transport_of("RTP/AVP/TCP;interleaved=254-255", &t));
	ck_assert_uint_eq(t.interleaved[1], 255);
}
END_TEST

START_TEST(a_foreign_destination_is_told)
{
	struct rtsp_transport t;

	ck_assert(transport_of(
	    "RTP/AVP;unicast;destination=\"192.0.2.9\";client_port=5-6", &t));
	ck_assert(t.has_destination);
	assert_text(t.destination, "192.0.2.9");
	ck_assert(transport_of("RTP/AVP;source=192.0.2.7;client_port=5-6", &t));
	ck_assert(t.has_destination);
}
END_TEST

START_TEST(ten_thousand_transports_are_not_looked_at)
{
	static char value[10000 * 8 + 64];
	struct rtsp_transport t;
	bool malformed;

	for (size_t i = 0; i < 10000; i++)
		memcpy(value + i * 8, "RTP/XXX,", 8);
	strcpy(value + 31 * 8, "RTP/AVP;client_port=5-6");
	ck_assert(transport_of(value, &t));
	memcpy(value + 31 * 8, "RTP/XXX,RTP/AVP;client_port=5-6,", 32);
	ck_assert(
	    !rtsp_parse_transport(text_of(value), true, true, &t, &malformed));
	ck_assert(!malformed);
}
END_TEST

START_TEST(a_transport_is_written_as_clients_want_it)
{
	struct rtsp_transport udp = { .kind = RTSP_TRANSPORT_UDP,
		.has_client_port = true,
		.has_server_port = true,
		.has_ssrc = true,
		.client_port = { 16194, 16195 },
		.server_port = { 39523, 55864 },
		.client_port_single = true,
		.ssrc = 0x0a1b2c3d };
	struct rtsp_transport tcp = { .kind = RTSP_TRANSPORT_TCP,
		.has_interleaved = true,
		.has_ssrc = true,
		.interleaved = { 2, 3 },
		.mode_play = true,
		.ssrc = 0x0a1b2c3d };
	char text[256] = "";
	struct bytes_writer out = bytes_writer(text, sizeof(text));
	struct rtsp_transport back;

	rtsp_format_transport(&out, &udp);
	ck_assert_str_eq(text,
	    "RTP/AVP/UDP;unicast;server_port=39523-55864;client_port=16194;"
	    "ssrc=0a1b2c3d;mode=PLAY");
	ck_assert(transport_of(text, &back));
	ck_assert(back.client_port_single && back.has_server_port);
	ck_assert_uint_eq(back.server_port[1], 55864);
	ck_assert_uint_eq(back.ssrc, 0x0a1b2c3d);

	memset(text, 0, sizeof(text));
	out = bytes_writer(text, sizeof(text));
	udp.client_port_single = false;
	rtsp_format_transport(&out, &udp);
	ck_assert_str_eq(text,
	    "RTP/AVP/UDP;unicast;server_port=39523-55864;"
	    "client_port=16194-16195;ssrc=0a1b2c3d;mode=PLAY");

	memset(text, 0, sizeof(text));
	out = bytes_writer(text, sizeof(text));
	rtsp_format_transport(&out, &tcp);
	ck_assert_str_eq(
	    text, "RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=0a1b2c3d");
}
END_TEST

/* ---- other headers ---- */

START_TEST(a_session_has_an_id_and_perhaps_a_timeout)
{
	struct rtsp_text id;
	uint32_t timeout;
	char name[140];

	ck_assert(rtsp_parse_session(
	    text_of("15613997197135203;timeout=60"), &id, &timeout));
	assert_text(id, "15613997197135203");
	ck_assert_uint_eq(timeout, 60);
	ck_assert(rtsp_parse_session(
	    text_of("Ab9$-_.+ ; x ; TIMEOUT = 10"), &id, &timeout));
	assert_text(id, "Ab9$-_.+");
	ck_assert_uint_eq(timeout, 10);
	ck_assert(rtsp_parse_session(text_of("abcdefgh"), &id, &timeout));
	ck_assert_uint_eq(timeout, 0);
	ck_assert(rtsp_parse_session(
	    text_of("abcdefgh;timeout=4294967296"), &id, &timeout));
	ck_assert_uint_eq(timeout, 0);

	memset(name, 'a', sizeof(name));
	ck_assert(
	    rtsp_parse_session((struct rtsp_text){ name, 128 }, &id, &timeout));
	ck_assert(!rtsp_parse_session(
	    (struct rtsp_text){ name, 129 }, &id, &timeout));
	ck_assert(
	    !rtsp_parse_session((struct rtsp_text){ name, 7 }, &id, &timeout));
	ck_assert(!rtsp_parse_session(text_of(""), &id, &timeout));
	ck_assert(!rtsp_parse_session(text_of("abcd efgh"), &id, &timeout));
	ck_assert(!rtsp_parse_session(text_of("abcdefg/"), &id, &timeout));
}
END_TEST

START_TEST(ranges_in_normal_play_time_are_understood)
{
	static const struct {
		const char *value;
		bool has_start, has_end;
		uint64_t start_us, end_us;
	} cases[] = {
		{ "npt=0.000-", true, false, 0, 0 },
		{ "npt=0-", true, false, 0, 0 },
		{ "npt=0-30.046", true, true, 0, 30046000 },
		{ "npt=20.000-", true, false, 20000000, 0 },
		{ "NPT = 1.5 - 2 ", true, true, 1500000, 2000000 },
		{ "npt=-5", true, true, 0, 5000000 },
		{ "npt=now-", false, false, 0, 0 },
		{ "npt=now-7", false, true, 0, 7000000 },
		{ "npt=1:02:03.5-", true, false, 3723500000, 0 },
		{ "npt=100:00:00-100:00:01", true, true, UINT64_C(360000000000),
		    UINT64_C(360001000000) },
		{ "npt=1.-", true, false, 1000000, 0 },
		{ "npt=0.1234567891-", true, false, 123456, 0 },
		{ "npt=5-5", true, true, 5000000, 5000000 },
		{ "npt=1-2;time=19970123T143720Z", true, true, 1000000,
		    2000000 },
		{ "npt=1-2,npt=3-4,clock=x", true, true, 1000000, 2000000 },
		{ "npt=9007199254.740992-", true, false, UINT64_C(1) << 53, 0 },
	};
	struct rtsp_range range;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		ck_assert_msg(rtsp_parse_range(text_of(cases[i].value),
				  &range) == RTSP_RANGE_OK,
		    "%s is a range", cases[i].value);
		ck_assert_int_eq(range.has_start, cases[i].has_start);
		ck_assert_int_eq(range.has_end, cases[i].has_end);
		ck_assert_uint_eq(range.start_us, cases[i].start_us);
		ck_assert_uint_eq(range.end_us, cases[i].end_us);
	}
}
END_TEST

START_TEST(other_ranges_are_refused)
{
	static const char *const bad[] = { "", "npt", "npt=", "npt=-", "npt=5",
		"npt=10-5", "npt=nan-", "npt=inf-", "npt=1e308-", "npt=--5",
		"npt=-5-", "npt=-5-10", "npt=99999999999999999999-",
		"npt=0-99999999999999999999", "npt=9007199254.740993-",
		"npt=9007199255-", "npt=1:60:00-", "npt=1:00:60-", "npt=1:2-",
		"npt=.5-", "npt=1.5.5-", "npt=0x10-", "npt=+1-", "npt=1-2-3",
		"npt=1 2-", "npt=2600000000000:00:00-", "npt=beginning-" };
	static const char *const other[] = { "smpte=10:07:00-10:07:33:05.01",
		"clock=19961108T142300Z-", "bytes=0-5", "=1-2",
		"clock=x,npt=1-2" };
	struct rtsp_range range = { .start_us = 77 };

	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		ck_assert_msg(
		    rtsp_parse_range(text_of(bad[i]), &range) == RTSP_RANGE_BAD,
		    "\"%s\" is not bad", bad[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(other); i++)
		ck_assert_msg(rtsp_parse_range(text_of(other[i]), &range) ==
				  RTSP_RANGE_OTHER,
		    "\"%s\" is not another unit", other[i]);
	ck_assert_uint_eq(range.start_us, 77);
}
END_TEST

START_TEST(rates_are_plain_decimals)
{
	static const struct {
		const char *value;
		int64_t milli;
	} cases[] = { { "1", 1000 }, { "1.0", 1000 }, { "1.5", 1500 },
		{ "-1", -1000 }, { " 0.25 ", 250 }, { "0", 0 }, { "-0", 0 },
		{ "2.", 2000 }, { "1.23456", 1234 },
		{ "999999999.999", INT64_C(999999999999) } };
	static const char *const wrong[] = { "", "-", ".", ".5", "nan", "inf",
		"1e9", "1E9", "0x1", "1,5", "1 5", "+1", "--1", "1.5x",
		"1000000000", "99999999999999999999" };
	int64_t milli = 77;

	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
		ck_assert_msg(!rtsp_parse_milli(text_of(wrong[i]), &milli),
		    "\"%s\" is a number", wrong[i]);
	ck_assert_int_eq(milli, 77);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		ck_assert(rtsp_parse_milli(text_of(cases[i].value), &milli));
		ck_assert_int_eq(milli, cases[i].milli);
	}
}
END_TEST

START_TEST(rtp_info_names_a_place_in_each_flow)
{
	struct rtsp_text rest =
	    text_of("url=rtsp://h/a, b;c.asf/audio;seq=4587;rtptime=0,\r\n "
		    "url=\"rtsp://h/a/video\"; rtptime=4294967295 ;seq=65536");
	struct rtsp_rtp_info info;

	ck_assert(rtsp_parse_rtp_info(&rest, &info));
	assert_text(info.url, "rtsp://h/a, b;c.asf/audio");
	ck_assert(info.has_sequence && info.has_rtptime);
	ck_assert_uint_eq(info.sequence, 4587);
	ck_assert_uint_eq(info.rtptime, 0);

	ck_assert(rtsp_parse_rtp_info(&rest, &info));
	assert_text(info.url, "rtsp://h/a/video");
	ck_assert(!info.has_sequence && info.has_rtptime);
	ck_assert_uint_eq(info.rtptime, 4294967295);
	ck_assert(!rtsp_parse_rtp_info(&rest, &info));

	rest = text_of("seq=1;url=rtsp://h/a");
	ck_assert(!rtsp_parse_rtp_info(&rest, &info));
	rest = text_of("");
	ck_assert(!rtsp_parse_rtp_info(&rest, &info));
}
END_TEST

/* ---- formatting ---- */

START_TEST(a_reply_is_written_line_by_line)
{
	char text[256] = "";
	struct bytes_writer out = bytes_writer(text, sizeof(text));

	rtsp_format_status(&out, RTSP_OK, NULL);
	rtsp_format_header(&out, "CSeq", "%u", 3U);
	rtsp_format_header(&out, "Session", "%s;timeout=%d", "abcdefgh", 60);
	rtsp_format_end(&out);
	ck_assert(!out.failed);
	ck_assert_str_eq(text, "RTSP/1.0 200 OK\r\nCSeq: 3\r\n"
			       "Session: abcdefgh;timeout=60\r\n\r\n");

	out = bytes_writer(text, sizeof(text));
	rtsp_format_status(&out, 453, "Server is full");
	ck_assert_mem_eq(text, "RTSP/1.0 453 Server is full\r\n", out.at);
	ck_assert_str_eq(rtsp_reason(551), "Option Not Supported");
	ck_assert_str_eq(rtsp_reason(299), "Unknown");
}
END_TEST

START_TEST(a_request_that_is_written_is_understood)
{
	char text[256] = "";
	struct bytes_writer out = bytes_writer(text, sizeof(text));
	struct rtsp_message m;

	rtsp_format_request(&out, RTSP_GET_PARAMETER, "rtsp://h/a/");
	rtsp_format_header(&out, "CSeq", "%d", 9);
	rtsp_format_end(&out);
	ck_assert_int_eq(rtsp_parse(text, out.at, &m), RTSP_DONE);
	ck_assert_int_eq(m.method, RTSP_GET_PARAMETER);
	assert_text(m.url, "rtsp://h/a/");
	ck_assert_uint_eq(m.head_length, out.at);
}
END_TEST

START_TEST(no_text_can_add_a_header)
{
	char text[256] = "";
	struct bytes_writer out = bytes_writer(text, sizeof(text));

	rtsp_format_status(&out, 200, "a\r\nb");
	rtsp_format_header(&out, "A", "%s", "b\r\nSession: c\t");
	ck_assert_str_eq(text, "RTSP/1.0 200 a  b\r\nA: b  Session: c \r\n");
}
END_TEST

START_TEST(a_header_that_does_not_fit_fails_the_writer)
{
	char text[] = "0123456789";
	const char *line = "AB: cd\r\n";

	for (size_t size = 0; size <= 10; size++) {
		struct bytes_writer out = bytes_writer(text, size);

		rtsp_format_header(&out, "AB", "%s", "cd");
		ck_assert_int_eq(out.failed, size < strlen(line));
		ck_assert_uint_le(out.at, size);
	}
	ck_assert_mem_eq(text, line, strlen(line));
}
END_TEST

START_TEST(normal_play_time_has_three_digits)
{
	char text[RTSP_NPT_MAX];

	ck_assert_str_eq(rtsp_npt_text(0, text), "0.000");
	ck_assert_str_eq(rtsp_npt_text(12345678, text), "12.345");
	ck_assert_str_eq(rtsp_npt_text(UINT64_MAX, text), "18446744073709.551");
}
END_TEST

static TCase *
messages(void)
{
	TCase *tests = tcase_create("messages");

	tcase_add_test(tests, a_request_is_taken_apart);
	tcase_add_test(tests, a_reply_is_taken_apart);
	tcase_add_test(tests, each_method_is_known_by_its_exact_name);
	tcase_add_test(tests, a_message_cut_anywhere_needs_more);
	tcase_add_test(tests, lines_may_end_in_a_bare_line_feed);
	tcase_add_test(tests, sixteen_empty_lines_may_stand_before_a_message);
	tcase_add_test(tests, what_is_no_text_is_refused_at_once);
	tcase_add_test(tests, folds_belong_to_their_value);
	tcase_add_test(tests, of_a_repeated_header_the_first_counts);
	tcase_add_test(tests, headers_that_contradict_each_other_are_refused);
	tcase_add_test(tests, a_content_length_is_digits_that_fit);
	tcase_add_test(tests, a_large_body_is_refused_in_a_request_only);
	tcase_add_test(tests, a_request_needs_a_cseq);
	tcase_add_test(tests, a_start_line_is_method_url_and_version);
	tcase_add_test(tests, a_url_may_hold_blanks);
	tcase_add_test(tests, a_header_line_is_a_token_a_colon_and_a_value);
	tcase_add_test(tests, a_hundred_headers_are_enough);
	tcase_add_test(tests, a_head_has_a_largest_size);
	tcase_add_test(tests, a_url_has_a_largest_size);
	tcase_add_test(tests, a_frame_is_told_from_a_message);
	return tests;
}

static TCase *
values(void)
{
	TCase *tests = tcase_create("values");

	tcase_add_test(tests, a_url_becomes_a_path);
	tcase_add_test(tests, what_is_no_url_is_refused);
	tcase_add_test(tests, a_path_fills_its_room_and_no_more);
	tcase_add_test(tests, the_transports_of_real_clients_are_understood);
	tcase_add_test(tests, the_first_transport_that_is_allowed_counts);
	tcase_add_test(tests, ports_and_channels_are_in_range_and_in_order);
	tcase_add_test(tests, a_foreign_destination_is_told);
	tcase_add_test(tests, ten_thousand_transports_are_not_looked_at);
	tcase_add_test(tests, a_session_has_an_id_and_perhaps_a_timeout);
	tcase_add_test(tests, ranges_in_normal_play_time_are_understood);
	tcase_add_test(tests, other_ranges_are_refused);
	tcase_add_test(tests, rates_are_plain_decimals);
	tcase_add_test(tests, rtp_info_names_a_place_in_each_flow);
	return tests;
}

static TCase *
formatting(void)
{
	TCase *tests = tcase_create("formatting");

	tcase_add_test(tests, a_transport_is_written_as_clients_want_it);
	tcase_add_test(tests, a_reply_is_written_line_by_line);
	tcase_add_test(tests, a_request_that_is_written_is_understood);
	tcase_add_test(tests, no_text_can_add_a_header);
	tcase_add_test(tests, a_header_that_does_not_fit_fails_the_writer);
	tcase_add_test(tests, normal_play_time_has_three_digits);
	return tests;
}

int
main(void)
{
	Suite *suite = suite_create("rtsp");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, messages());
	suite_add_tcase(suite, values());
	suite_add_tcase(suite, formatting());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
