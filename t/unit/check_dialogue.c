/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_dialogue - the client's half of RTSP: what is asked, and what becomes
 * of answers, right and wrong.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "player/dialogue.h"

static struct dialogue *dialogue;
static struct dialogue_url url;
static char asked[20000];
static struct rtsp_frame frame;
static const uint8_t *payload;

static const char sdp[] =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\r\na=maxps:1444\r\n"
    "a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,AAECAwQF\r\n"
    "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"
    "a=control:stream=2\r\na=stream:2\r\n"
    "m=application 0 RTP/AVP 96\r\na=rtpmap:96 x-wms-rtx/1000\r\n"
    "a=control:rtx\r\na=stream:65536\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"
    "a=control:stream=1\r\na=stream:1\r\n";

static void
set_up(void)
{
	ck_assert(dialogue_parse_url("rtsp://host/a b.wmv", &url));
	ck_assert_int_eq(dialogue_new(&url, &dialogue), 0);
}

static void
tear_down(void)
{
	dialogue_free(dialogue);
}

/* What is to be sent, which is sent then. */
static const char *
sent(void)
{
	size_t size;
	const uint8_t *data = dialogue_output(dialogue, &size);

	asked[0] = '\0';
	if (data == NULL)
		return asked;
	ck_assert_uint_lt(size, sizeof(asked));
	memcpy(asked, data, size);
	asked[size] = '\0';
	dialogue_sent(dialogue, size);
	return asked;
}

static unsigned
cseq(void)
{
	const char *at = strstr(asked, "CSeq: ");

	ck_assert_ptr_nonnull(at);
	return (unsigned)atoi(at + 6);
}

static enum dialogue_event
take(const char *text)
{
	size_t used;
	enum dialogue_event event = dialogue_take(dialogue,
	    (const uint8_t *)text, strlen(text), &used, &frame, &payload);

	if (event != DIALOGUE_MORE && event != DIALOGUE_FAILED)
		ck_assert_uint_eq(used, strlen(text));
	return event;
}

/* STATUS, CSeq, HEADERS (each with its end), BODY */
static enum dialogue_event
answer(const char *status, const char *headers, const char *body)
{
	char text[8192];

	snprintf(text, sizeof(text),
	    "RTSP/1.0 %s\r\nCSeq: %u\r\n%sContent-Length: %zu\r\n\r\n%s",
	    status, cseq(), headers, strlen(body), body);
	return take(text);
}

static void
describe(void)
{
	ck_assert_ptr_nonnull(
	    strstr(sent(), "DESCRIBE rtsp://host:554/a%20b.wmv"
			   " RTSP/1.0\r\n"));
	ck_assert_int_eq(
	    answer("200 OK", "Content-Base: rtsp://host/a%20b.wmv/\r\n", sdp),
	    DIALOGUE_DESCRIBED);
}

static void
begin_setup(bool udp, bool tcp)
{
	struct dialogue_setup setup = { .udp = udp, .tcp = tcp, .port = 5000 };

	asf_set_add(&setup.streams, 1);
	asf_set_add(&setup.streams, 2);
	dialogue_setup(dialogue, &setup);
}

static void
set_up_tcp(void)
{
	describe();
	begin_setup(false, true);
	ck_assert_ptr_nonnull(
	    strstr(sent(), "SETUP rtsp://host/a%20b.wmv/stream=2 "));
	ck_assert_ptr_nonnull(strstr(asked, "interleaved=0-1"));
	ck_assert_ptr_null(strstr(asked, "Session"));
	ck_assert_int_eq(answer("200 OK",
			     "Session: abcdefgh;timeout=20\r\n"
			     "Transport: RTP/AVP/TCP;interleaved=0-1\r\n",
			     ""),
	    DIALOGUE_PROGRESS);
	ck_assert_ptr_nonnull(strstr(sent(), "/stream=1 "));
	ck_assert_ptr_nonnull(strstr(asked, "Session: abcdefgh\r\n"));
	ck_assert_int_eq(answer("200 OK",
			     "Session: abcdefgh\r\n"
			     "Transport: RTP/AVP/TCP;interleaved=0-1\r\n",
			     ""),
	    DIALOGUE_READY);
	ck_assert_uint_eq(dialogue_transport(dialogue)->timeout_s, 20);
}

START_TEST(addresses_are_taken_apart)
{
	struct dialogue_url out;

	ck_assert(dialogue_parse_url("RTSPU://[::1]:8554/x?y=1#z", &out));
	ck_assert_str_eq(out.host, "::1");
	ck_assert_uint_eq(out.port, 8554);
	ck_assert(out.udp && !out.tcp);
	ck_assert_str_eq(out.request, "rtsp://[::1]:8554/x?y=1");
	ck_assert(dialogue_parse_url("rtspt://me:secret@h", &out));
	ck_assert_str_eq(out.request, "rtsp://h:554/");
	ck_assert(!out.udp && out.tcp);
	ck_assert(!dialogue_parse_url("http://h/", &out));
	ck_assert(!dialogue_parse_url("rtsp://", &out));
	ck_assert(!dialogue_parse_url("rtsp://h:0/", &out));
	ck_assert(!dialogue_parse_url("rtsp://h:65536/", &out));
	ck_assert(!dialogue_parse_url("rtsp://h:1x/", &out));
	ck_assert(!dialogue_parse_url("rtsp://[::1/", &out));
	ck_assert(!dialogue_parse_url("rtsp://a b/", &out));
	ck_assert(!dialogue_parse_url("rtsp", &out));
	ck_assert(!dialogue_parse_url("", &out));
}
END_TEST

START_TEST(a_title_is_described_set_up_and_played)
{
	set_up_tcp();
	dialogue_play(dialogue, true, 1500 * US_PER_MS, 2000);
	ck_assert_ptr_nonnull(strstr(sent(), "PLAY rtsp://host/a%20b.wmv/ "));
	ck_assert_ptr_nonnull(strstr(asked, "Range: npt=1.500-\r\n"));
	ck_assert_ptr_nonnull(strstr(asked, "Speed: 2.000\r\n"));
	ck_assert_int_eq(answer("200 OK",
			     "Range: npt=1.2-20\r\nSpeed: 2.0\r\n"
			     "RTP-Info: url=x;seq=77;rtptime=5\r\n",
			     ""),
	    DIALOGUE_PLAYING);
	ck_assert_uint_eq(
	    dialogue_play_answer(dialogue)->start_us, 1200 * US_PER_MS);
	ck_assert_uint_eq(dialogue_play_answer(dialogue)->sequence, 77);
	ck_assert_uint_eq(dialogue_play_answer(dialogue)->speed_milli, 2000);
}
END_TEST

START_TEST(a_stream_may_have_an_address_of_its_own)
{
	char there[300], control[330], text[1000];

	memset(there, 'x', sizeof(there) - 1);
	there[sizeof(there) - 1] = '\0';
	snprintf(control, sizeof(control), "rtsp://other/%s/1", there);
	snprintf(text, sizeof(text),
	    "v=0\r\n"
	    "a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,AAEC\r\n"
	    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"
	    "a=control:%s\r\na=stream:1\r\n",
	    control);
	sent();
	ck_assert_int_eq(answer("200 OK", "", text), DIALOGUE_DESCRIBED);
	begin_setup(true, false);
	snprintf(text, sizeof(text), "SETUP %s RTSP/1.0\r\n", control);
	ck_assert_ptr_nonnull(strstr(sent(), text));
}
END_TEST

START_TEST(a_stream_without_a_number_is_the_whole_title)
{
	sent();
	ck_assert_int_eq(
	    answer("200 OK", "Content-Base: rtsp://h/a/\r\n",
		"v=0\r\na=control:*\r\nm=application 0 RTP/AVP 96\r\n"
		"a=rtpmap:96 X-ASF-PF/1000\r\n"
		"a=fmtp:96 maxps=1444;config=AAEC\r\n"
		"a=control:stream=0\r\n"),
	    DIALOGUE_DESCRIBED);
	begin_setup(false, true);
	ck_assert_ptr_nonnull(strstr(sent(), "SETUP rtsp://h/a/stream=0 "));
	ck_assert_int_eq(answer("200 OK",
			     "Session: abcdefgh\r\n"
			     "Transport: RTP/AVP/TCP;interleaved=0-1\r\n",
			     ""),
	    DIALOGUE_READY);
	dialogue_play(dialogue, true, 0, 1000);
	ck_assert_ptr_nonnull(strstr(sent(), "PLAY rtsp://h/a/ "));
}
END_TEST

/* With a base and a stream's address relative to it of so many bytes. */
static enum dialogue_event
describe_long(int base_bytes, int control_bytes)
{
	static char xs[2000];
	char headers[2000], body[4000];

	memset(xs, 'x', sizeof(xs) - 1);
	snprintf(headers, sizeof(headers), "Content-Base: rtsp://h/%.*s/\r\n",
	    base_bytes - 10, xs);
	snprintf(body, sizeof(body),
	    "%sm=video 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"
	    "a=control:%.*s\r\na=stream:3\r\n",
	    sdp, control_bytes, xs);
	sent();
	return answer("200 OK", headers, body);
}

START_TEST(an_address_may_be_as_long_as_there_is_room)
{
	ck_assert_int_eq(
	    describe_long(700, DIALOGUE_URL_MAX - 1 - 700), DIALOGUE_DESCRIBED);
}
END_TEST

static void
check_too_long(int base_bytes, int control_bytes)
{
	ck_assert_int_eq(
	    describe_long(base_bytes, control_bytes), DIALOGUE_FAILED);
	ck_assert_int_eq(dialogue_failure(dialogue)->kind, FAILURE_BAD_SERVER);
	ck_assert_ptr_nonnull(
	    strstr(dialogue_failure(dialogue)->sentence, "too long."));
}

START_TEST(an_address_that_is_too_long_together_is_the_end)
{
	check_too_long(700, DIALOGUE_URL_MAX - 700);
}
END_TEST

START_TEST(a_base_that_is_too_long_is_the_end)
{
	check_too_long(DIALOGUE_URL_MAX, 1);
}
END_TEST

START_TEST(a_seek_pauses_first)
{
	set_up_tcp();
	dialogue_play(dialogue, true, 0, 1000);
	sent();
	ck_assert_int_eq(answer("200 OK", "", ""), DIALOGUE_PLAYING);
	dialogue_play(dialogue, true, US_PER_SECOND, 1000);
	ck_assert_ptr_nonnull(strstr(sent(), "PAUSE "));
	ck_assert_int_eq(answer("200 OK", "", ""), DIALOGUE_PROGRESS);
	ck_assert_ptr_nonnull(strstr(sent(), "PLAY "));
	ck_assert_ptr_null(strstr(asked, "Speed"));
	ck_assert_int_eq(answer("200 OK", "", ""), DIALOGUE_PLAYING);
	/* Another rhythm only: neither PAUSE nor Range. */
	dialogue_play(dialogue, false, 0, 1000);
	ck_assert_ptr_nonnull(strstr(sent(), "PLAY "));
	ck_assert_ptr_null(strstr(asked, "Range"));
}
END_TEST

START_TEST(a_speed_that_is_refused_is_given_up)
{
	set_up_tcp();
	dialogue_play(dialogue, true, 0, 2000);
	sent();
	ck_assert_int_eq(
	    answer("453 Not Enough Bandwidth", "", ""), DIALOGUE_PROGRESS);
	ck_assert_ptr_null(strstr(sent(), "Speed"));
	ck_assert_int_eq(
	    answer("453 Not Enough Bandwidth", "", ""), DIALOGUE_FAILED);
	ck_assert_int_eq(dialogue_failure(dialogue)->kind, FAILURE_SERVER_FULL);
	ck_assert_uint_eq(dialogue_status(dialogue), 453);
}
END_TEST

START_TEST(udp_that_is_refused_becomes_tcp)
{
	describe();
	begin_setup(true, true);
	ck_assert_ptr_nonnull(strstr(sent(), "client_port=5000-5001"));
	ck_assert_int_eq(
	    answer("461 Unsupported Transport", "", ""), DIALOGUE_PROGRESS);
	ck_assert_ptr_nonnull(strstr(sent(), "interleaved=0-1"));
}
END_TEST

START_TEST(udp_that_is_refused_is_the_end_when_tcp_is_not_allowed)
{
	describe();
	begin_setup(true, false);
	sent();
	ck_assert_int_eq(
	    answer("461 Unsupported Transport", "", ""), DIALOGUE_FAILED);
	ck_assert_int_eq(dialogue_failure(dialogue)->kind, FAILURE_CANNOT_PLAY);
}
END_TEST

START_TEST(a_session_keeps_its_id)
{
	set_up_tcp();
	dialogue_play(dialogue, true, 0, 1000);
	sent();
	ck_assert_int_eq(
	    answer("200 OK", "Session: another1\r\n", ""), DIALOGUE_FAILED);
	ck_assert_int_eq(dialogue_failure(dialogue)->kind, FAILURE_BAD_SERVER);
}
END_TEST

START_TEST(only_the_answer_that_is_due_counts)
{
	describe();
	begin_setup(false, true);
	sent();
	ck_assert_int_eq(take("RTSP/1.0 404 Not Found\r\nCSeq: 999\r\n\r\n"),
	    DIALOGUE_PROGRESS);
	ck_assert(dialogue_is_waiting(dialogue));
	/* Without a number it can only be that one. */
	ck_assert_int_eq(
	    take("RTSP/1.0 404 Not Found\r\n\r\n"), DIALOGUE_FAILED);
	ck_assert_int_eq(dialogue_failure(dialogue)->kind, FAILURE_NOT_FOUND);
}
END_TEST

START_TEST(keep_alive_stands_beside_the_rest)
{
	unsigned number;

	set_up_tcp();
	dialogue_keep_alive(dialogue);
	ck_assert_ptr_nonnull(strstr(sent(), "GET_PARAMETER "));
	ck_assert(!dialogue_is_waiting(dialogue));
	number = cseq();
	dialogue_play(dialogue, true, 0, 1000);
	sent();
	ck_assert_uint_eq(cseq(), number + 1);
	snprintf(asked, sizeof(asked), "CSeq: %u", number);
	ck_assert_int_eq(answer("501 Not Implemented", "", ""), DIALOGUE_ALIVE);
	dialogue_keep_alive(dialogue);
	ck_assert_ptr_nonnull(strstr(sent(), "OPTIONS "));
	ck_assert_int_eq(
	    answer("454 Session Not Found", "", ""), DIALOGUE_FAILED);
	ck_assert_uint_eq(dialogue_status(dialogue), 454);
}
END_TEST

START_TEST(a_servers_own_requests_are_answered)
{
	sent();
	ck_assert_int_eq(
	    take("SET_PARAMETER rtsp://x/ RTSP/1.0\r\nCSeq: 7\r\n\r\n"),
	    DIALOGUE_PROGRESS);
	ck_assert_ptr_nonnull(strstr(sent(), "RTSP/1.0 200 OK\r\nCSeq: 7"));
	ck_assert_int_eq(take("ANNOUNCE rtsp://x/ RTSP/1.0\r\nCSeq: 8\r\n\r\n"),
	    DIALOGUE_PROGRESS);
	ck_assert_ptr_nonnull(strstr(sent(), "RTSP/1.0 501 "));
}
END_TEST

START_TEST(frames_and_answers_come_in_any_pieces)
{
	static const uint8_t data[] = "$\1\0\3abcRTSP/1.0 200 OK\r\n\r\n";
	size_t used;

	for (size_t size = 0; size < 7; size++)
		ck_assert_int_eq(dialogue_take(dialogue, data, size, &used,
				     &frame, &payload),
		    DIALOGUE_MORE);
	ck_assert_int_eq(dialogue_take(dialogue, data, sizeof(data) - 1, &used,
			     &frame, &payload),
	    DIALOGUE_FRAME);
	ck_assert_uint_eq(used, 7);
	ck_assert_uint_eq(frame.channel, 1);
	ck_assert_mem_eq(payload, "abc", 3);
}
END_TEST

START_TEST(what_is_not_rtsp_is_the_end)
{
	ck_assert_int_eq(take("HTTP/1.0 200 OK\r\n\r\n"), DIALOGUE_FAILED);
	ck_assert_int_eq(dialogue_failure(dialogue)->kind, FAILURE_BAD_SERVER);
	ck_assert_ptr_nonnull(
	    strchr(dialogue_failure(dialogue)->sentence, '.'));
}
END_TEST

START_TEST(an_answer_that_is_too_long_is_the_end)
{
	sent();
	ck_assert_int_eq(
	    take("RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
	    DIALOGUE_FAILED);
}
END_TEST

START_TEST(a_title_elsewhere_is_told)
{
	sent();
	ck_assert_int_eq(answer("302 Moved", "Location: rtsp://other/\r\n", ""),
	    DIALOGUE_REDIRECTED);
	ck_assert_str_eq(dialogue_location(dialogue), "rtsp://other/");
}
END_TEST

START_TEST(what_a_server_says_is_shown_as_one_line)
{
	sent();
	ck_assert_int_eq(answer("599 \xff\xfe x", "", ""), DIALOGUE_FAILED);
	for (const char *at = dialogue_failure(dialogue)->sentence; *at != '\0';
	     at++)
		ck_assert(
		    (unsigned char)*at >= ' ' && (unsigned char)*at < 0x7F);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dialogue");
	TCase *talk = tcase_create("talk");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, talk);
	tcase_add_checked_fixture(talk, set_up, tear_down);
	tcase_add_test(talk, addresses_are_taken_apart);
	tcase_add_test(talk, a_title_is_described_set_up_and_played);
	tcase_add_test(talk, a_stream_may_have_an_address_of_its_own);
	tcase_add_test(talk, a_stream_without_a_number_is_the_whole_title);
	tcase_add_test(talk, an_address_may_be_as_long_as_there_is_room);
	tcase_add_test(talk, an_address_that_is_too_long_together_is_the_end);
	tcase_add_test(talk, a_base_that_is_too_long_is_the_end);
	tcase_add_test(talk, a_seek_pauses_first);
	tcase_add_test(talk, a_speed_that_is_refused_is_given_up);
	tcase_add_test(talk, udp_that_is_refused_becomes_tcp);
	tcase_add_test(
	    talk, udp_that_is_refused_is_the_end_when_tcp_is_not_allowed);
	tcase_add_test(talk, a_session_keeps_its_id);
	tcase_add_test(talk, only_the_answer_that_is_due_counts);
	tcase_add_test(talk, keep_alive_stands_beside_the_rest);
	tcase_add_test(talk, a_servers_own_requests_are_answered);
	tcase_add_test(talk, frames_and_answers_come_in_any_pieces);
	tcase_add_test(talk, what_is_not_rtsp_is_the_end);
	tcase_add_test(talk, an_answer_that_is_too_long_is_the_end);
	tcase_add_test(talk, a_title_elsewhere_is_told);
	tcase_add_test(talk, what_a_server_says_is_shown_as_one_line);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
