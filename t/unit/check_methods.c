/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_methods - rules of answers, as a client sees them: the matrix of states
 * and methods, each refusal, requests in pieces and in a row, and the account
 * of bytes that the table keeps of a connection.  The lane is real, clients
 * speak TCP to it; titles are those of media/ and some made here.
 */
#include "server/methods.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "asf_build.h"
#include "base/base.h"
#include "lane.h"
#include "server/connection.h"

#define TITLE "sample.wmv" /* audio and video */
#define UDP_1 "Transport: RTP/AVP;unicast;client_port=40000-40001\r\n"
#define UDP_2 "Transport: RTP/AVP;unicast;client_port=40002-40003\r\n"
#define TCP_1 "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
#define TCP_2 "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n"

static struct test_lane test;
static struct test_client one, other;

static void
begin(void)
{
	test_lane_begin(&test, NULL);
	test_client_open(&one, &test, AF_INET);
	test_client_open(&other, &test, AF_INET);
}

static void
end(void)
{
	test_client_close(&one);
	test_client_close(&other);
	test_lane_end(&test);
}

static uint64_t
counter(enum table_counter which)
{
	return table_counter(test.lane.table, 0, which);
}

static unsigned
ask(const char *method, const char *path, const char *headers)
{
	return test_client_ask(&one, method, path, headers);
}

static void
expect(
    unsigned status, const char *method, const char *path, const char *headers)
{
	unsigned got = ask(method, path, headers);

	ck_assert_msg(got == status, "%s %s %s: %u, not %u", method, path,
	    headers, got, status);
}

static struct session *
the_session(void)
{
	struct session *session = test_client_session(&one);

	ck_assert_ptr_nonnull(session);
	return session;
}

/* A header of the last reply is there, and is VALUE unless that is NULL. */
static void
expect_header(const char *name, const char *value)
{
	struct rtsp_text text = test_client_header(&one, name);

	ck_assert_msg(text.at != NULL, "no %s", name);
	if (value != NULL)
		ck_assert_msg(rtsp_text_is(text, value), "%s: %.*s", name,
		    (int)text.length, text.at);
}

/* --- states and methods --------------------------------------------------- */

static void
enter(enum table_session_state state)
{
	if (state == TABLE_SESSION_INIT)
		return;
	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	if (state == TABLE_SESSION_READY)
		return;
	expect(200, "PLAY", TITLE, "");
	if (state == TABLE_SESSION_PAUSED)
		expect(200, "PAUSE", TITLE, "");
}

static const struct {
	const char *method, *path, *headers;
	unsigned status[4]; /* by state; without a session in the first */
} cells[] = {
	{ "OPTIONS", "*", "", { 200, 200, 200, 200 } },
	{ "OPTIONS", TITLE, "", { 200, 200, 200, 200 } },
	{ "DESCRIBE", TITLE, "", { 200, 200, 200, 200 } },
	{ "SETUP", TITLE "/stream=2", UDP_1, { 200, 200, 455, 200 } },
	{ "SETUP", TITLE "/rtx", UDP_2, { 200, 200, 455, 200 } },
	{ "PLAY", TITLE, "", { 454, 200, 200, 200 } },
	{ "PLAY", TITLE "/stream=1", "", { 454, 200, 200, 200 } },
	{ "PAUSE", TITLE, "", { 454, 455, 200, 455 } },
	{ "TEARDOWN", TITLE, "", { 454, 200, 200, 200 } },
	{ "GET_PARAMETER", TITLE, "", { 200, 200, 200, 200 } },
	{ "SET_PARAMETER", TITLE, "", { 200, 200, 200, 200 } },
	{ "ANNOUNCE", TITLE, "", { 405, 405, 405, 405 } },
	{ "RECORD", TITLE, "", { 405, 405, 405, 405 } },
	{ "REDIRECT", TITLE, "", { 405, 405, 405, 405 } },
	{ "JUMP", TITLE, "", { 501, 501, 501, 501 } },
};

START_TEST(each_method_is_answered_as_its_state_says)
{
	for (unsigned state = 0; state < 4; state++) {
		test_client_close(&one);
		test_client_open(&one, &test, AF_INET);
		enter((enum table_session_state)state);
		expect(cells[_i].status[state], cells[_i].method,
		    cells[_i].path, cells[_i].headers);
	}
}
END_TEST

START_TEST(answers_say_who_we_are_what_we_can_and_to_which_request)
{
	expect(200, "OPTIONS", "*", "");
	ck_assert_uint_eq(one.reply.cseq, 1);
	expect_header("Public",
	    "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, "
	    "GET_PARAMETER, SET_PARAMETER");
	ck_assert_int_eq(
	    strncmp(test_client_header(&one, "Server").at, "WMServer/", 9), 0);
	expect(405, "RECORD", TITLE, "");
	ck_assert_uint_eq(one.reply.cseq, 2);
	expect_header("Allow", NULL);
}
END_TEST

/* --- refusals ------------------------------------------------------------- */

/* Without a session. */
static const struct {
	unsigned status;
	const char *method, *path, *headers;
} refusals[] = {
	{ 400, "DESCRIBE", "%zz", "" },
	{ 400, "DESCRIBE", "a%00b", "" },
	{ 400, "SETUP", TITLE "/stream=1", "" },
	{ 400, "SETUP", TITLE "/stream=1", "Transport: nonsense\r\n" },
	{ 400, "SETUP", TITLE "/stream=1", "Transport: RTP/AVP;unicast\r\n" },
	{ 404, "DESCRIBE", "absent.wmv", "" },
	{ 404, "DESCRIBE", "", "" },
	{ 404, "DESCRIBE", "../etc/passwd", "" },
	{ 404, "DESCRIBE", "%2e%2e/%2e%2e/etc/passwd", "" },
	{ 404, "DESCRIBE", "*", "" },
	{ 404, "SETUP", TITLE "/stream=99", UDP_1 },
	{ 404, "SETUP", TITLE "/stream=0", UDP_1 },
	{ 404, "SETUP", TITLE "/stream=128", UDP_1 },
	{ 404, "SETUP", TITLE "/stream=1x", UDP_1 },
	{ 404, "SETUP", "absent.wmv/stream=1", UDP_1 },
	{ 406, "DESCRIBE", TITLE, "Accept: text/html\r\n" },
	{ 415, "DESCRIBE", "README", "" },
	{ 454, "PLAY", TITLE, "Session: 0123456789abcdef\r\n" },
	{ 454, "OPTIONS", TITLE, "Session: 0123456789abcdef\r\n" },
	{ 454, "SETUP", TITLE "/stream=1",
	    UDP_1 "Session: 0123456789abcdef\r\n" },
	{ 454, "PLAY", TITLE, "Session: \x01\r\n" },
	{ 459, "SETUP", TITLE, UDP_1 },
	{ 461, "SETUP", TITLE "/stream=1",
	    "Transport: RTP/AVP;multicast;client_port=4000-4001\r\n" },
	{ 461, "SETUP", TITLE "/stream=1",
	    "Transport: RTP/SAVP;unicast;client_port=4000-4001\r\n" },
	{ 461, "SETUP", TITLE "/stream=1",
	    "Transport: RTP/AVP;unicast;client_port=1023-1024\r\n" },
	{ 551, "OPTIONS", "*", "Require: feature\r\n" },
	{ 551, "DESCRIBE", TITLE, "Proxy-Require: feature\r\n" },
};

START_TEST(what_cannot_be_is_refused_and_leaves_nothing_behind)
{
	expect(refusals[_i].status, refusals[_i].method, refusals[_i].path,
	    refusals[_i].headers);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
	/* The connection goes on. */
	expect(200, "OPTIONS", "*", "");
}
END_TEST

START_TEST(an_option_that_is_required_is_named)
{
	expect(551, "PLAY", TITLE, "Require: some-feature\r\n");
	expect_header("Unsupported", "some-feature");
}
END_TEST

/* Raw bytes; does the connection go on behind the answer? */
static const struct {
	unsigned status;
	bool goes_on;
	const char *text;
} broken[] = {
	{ 400, true, "OPTIONS * RTSP/1.0\r\n\r\n" },
	{ 400, true, "OPTIONS * RTSP/1.0\r\nCSeq: x\r\n\r\n" },
	{ 400, true,
	    "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nSession: 12345678\r\n"
	    "Session: 87654321\r\n\r\n" },
	{ 400, false, "\x16\x03\x01\x02" },
	{ 400, true, "GET / HTTP/1.1\r\nHost: x\r\n\r\n" },
	{ 505, true, "OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n" },
	{ 413, false,
	    "SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\n"
	    "Content-Length: 65537\r\n\r\n" },
	{ 413, false,
	    "SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\n"
	    "Content-Length: 18446744073709551615\r\n\r\n" },
};

static bool
has_ended(void *context)
{
	struct test_client *client = context;

	while (test_client_receive(client))
		;
	return client->ended;
}

START_TEST(what_is_no_request_is_answered_where_it_can_be)
{
	unsigned status;

	test_client_text(&one, broken[_i].text);
	status = test_client_reply(&one);
	ck_assert_msg(
	    status == broken[_i].status, "%s: %u", broken[_i].text, status);
	if (broken[_i].goes_on)
		expect(200, "OPTIONS", "*", "");
	else
		ck_assert(test_lane_until(&test, has_ended, &one));
	ck_assert_uint_eq(test_client_ask(&other, "OPTIONS", "*", ""), 200);
}
END_TEST

START_TEST(a_url_too_long_is_414_whatever_is_too_long_in_it)
{
	static const size_t lengths[] = { 1024, 2000, 4090, 5000 };
	char path[5001];

	memset(path, 'x', sizeof(path));
	path[lengths[_i]] = '\0';
	expect(414, "DESCRIBE", path, "");
	path[1000] = '\0';
	if (!one.ended)
		expect(404, "DESCRIBE", path, "");
}
END_TEST

START_TEST(a_head_without_end_is_refused)
{
	char line[1024];

	memset(line, 'x', sizeof(line));
	memcpy(line, "X: ", 3);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	test_client_text(&one, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n");
	for (unsigned i = 0; i < 20; i++)
		test_client_send(&one, line, sizeof(line));
	ck_assert_uint_eq(test_client_reply(&one), 400);
	ck_assert(test_lane_until(&test, has_ended, &one));
}
END_TEST

START_TEST(parameters_are_not_known_but_those_of_windows_media)
{
	static const char body[] = "position\r\n";
	char headers[256];

	snprintf(headers, sizeof(headers), "Content-Length: %zu\r\n",
	    sizeof(body) - 1);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const heads[] = {
			"GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\n",
			"SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\n"
			"Content-Type: text/parameters\r\n",
			"SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\n"
			"Content-Type: application/x-wms-logstats\r\n",
		};

		test_client_text(&one, heads[i]);
		test_client_text(&one, headers);
		test_client_text(&one, "\r\n");
		test_client_text(&one, body);
		ck_assert_uint_eq(test_client_reply(&one), i < 2 ? 451 : 200);
	}
	expect(200, "OPTIONS", "*", "");
}
END_TEST

START_TEST(a_session_belongs_to_its_title)
{
	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	expect(404, "PLAY", "noindex.wmv", "");
	expect(459, "SETUP", "noindex.wmv/stream=1", UDP_1);
	expect(404, "PLAY", TITLE "/stream=9", "");
	expect(200, "PLAY", TITLE, "");
}
END_TEST

START_TEST(several_streams_play_and_pause_together)
{
	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	expect(200, "SETUP", TITLE "/stream=2", UDP_1);
	expect(460, "PLAY", TITLE "/stream=1", "");
	ck_assert_uint_eq(
	    the_session()->hot.session_state, TABLE_SESSION_READY);
	expect(200, "PLAY", TITLE "/", "");
	expect(460, "PAUSE", TITLE "/stream=2", "");
	expect(200, "PAUSE", TITLE, "");
	/* A session of the retransmission alone has nothing to play. */
	one.session[0] = '\0';
	expect(200, "SETUP", TITLE "/rtx", UDP_2);
	expect(455, "PLAY", TITLE, "");
}
END_TEST

START_TEST(a_range_that_cannot_be_is_457)
{
	static const char *const ranges[] = { "npt=nan-", "npt=5-1", "npt=-",
		"smpte=10:07:00-", "clock=19961108T142300Z-", "npt=100000-",
		"npt=1e3-", "npt=99999999999999999999-" };
	char header[128];

	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
		snprintf(header, sizeof(header), "Range: %s\r\n", ranges[i]);
		expect(457, "PLAY", TITLE, header);
		ck_assert_uint_eq(
		    the_session()->hot.session_state, TABLE_SESSION_READY);
	}
	expect(200, "PLAY", TITLE, "Range: npt=0-\r\n");
}
END_TEST

START_TEST(one_session_has_one_kind_of_transport)
{
	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	expect(461, "SETUP", TITLE "/stream=2", TCP_1);
	ck_assert(session_has_stream(the_session(), 1));
	expect(200, "SETUP", TITLE "/stream=2", UDP_1);
	ck_assert_uint_eq(the_session()->hot.flow_count, 1);
}
END_TEST

START_TEST(what_the_configuration_forbids_is_461)
{
	test.config.udp = false;
	expect(461, "SETUP", TITLE "/stream=1", UDP_1);
	expect(200, "SETUP", TITLE "/stream=1",
	    "Transport: RTP/AVP;unicast;client_port=40000-40001,"
	    "RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
	expect_header("Transport", NULL);
	ck_assert_uint_eq(the_session()->cold.transport, TABLE_TCP);
	test.config.tcp = false;
	one.session[0] = '\0';
	expect(461, "SETUP", TITLE "/stream=1", TCP_2);
}
END_TEST

START_TEST(a_channel_has_one_session)
{
	expect(200, "SETUP", TITLE "/stream=1", TCP_1);
	one.session[0] = '\0';
	expect(461, "SETUP", TITLE "/stream=1", TCP_1);
	expect(461, "SETUP", TITLE "/stream=1",
	    "Transport: RTP/AVP/TCP;unicast;interleaved=1-2\r\n");
	/* Without a wish: the first that are free. */
	expect(200, "SETUP", TITLE "/stream=1",
	    "Transport: RTP/AVP/TCP;unicast\r\n");
	ck_assert_uint_eq(the_session()->cold.destination[0].rtp, 2);
	ck_assert_uint_eq(the_session()->cold.destination[0].rtcp, 3);
}
END_TEST

/* --- admission ------------------------------------------------------------ */

START_TEST(bandwidth_that_is_not_there_is_453_at_play)
{
	test.config.max_bandwidth_bps = 1000;
	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	expect(453, "PLAY", TITLE, "");
	ck_assert_uint_eq(
	    the_session()->hot.session_state, TABLE_SESSION_READY);
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), 0);
	ck_assert_uint_eq(counter(TABLE_REFUSED_BANDWIDTH), 1);
	ck_assert_uint_gt(one.reply.reason.length, 0);
	test.config.max_bandwidth_bps = session_rate_bps(the_session(), 1000);
	expect(200, "PLAY", TITLE, "");
	/* It plays on when there is not enough for twice the speed. */
	expect(453, "PLAY", TITLE, "Speed: 2\r\n");
	ck_assert_uint_eq(
	    the_session()->hot.session_state, TABLE_SESSION_PLAYING);
	ck_assert_uint_eq(
	    counter(TABLE_COMMITTED_BPS), test.config.max_bandwidth_bps);
}
END_TEST

START_TEST(bit_rate_is_committed_while_a_session_plays_or_pauses)
{
	uint64_t both_bps, one_bps;

	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	one_bps = session_rate_bps(the_session(), 1000);
	expect(200, "SETUP", TITLE "/stream=2", UDP_1);
	both_bps = session_rate_bps(the_session(), 1000);
	ck_assert_uint_gt(both_bps, one_bps);
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), 0);
	expect(200, "PLAY", TITLE, "");
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), both_bps);
	expect(200, "PLAY", TITLE, "Speed: 2\r\n");
	expect_header("Speed", "2.000");
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), 2 * both_bps);
	expect(200, "PLAY", TITLE, "Speed: 1\r\n");
	expect(200, "PAUSE", TITLE, "");
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), both_bps);
	/* A stream that is torn down needs nothing any more. */
	expect(200, "TEARDOWN", TITLE "/stream=2", "");
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), one_bps);
	expect(200, "TEARDOWN", TITLE, "");
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), 0);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
}
END_TEST

START_TEST(too_many_sessions_are_503_with_a_time_to_come_back)
{
	test.config.max_sessions = 1;
	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	ck_assert_uint_eq(
	    test_client_ask(&other, "SETUP", TITLE "/stream=1", UDP_1), 503);
	ck_assert_ptr_nonnull(test_client_header(&other, "Retry-After").at);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 1);
	ck_assert_uint_eq(counter(TABLE_REFUSED_SESSIONS), 1);
	/* More streams of a session that is there are none more. */
	expect(200, "SETUP", TITLE "/stream=2", UDP_1);
	expect(200, "TEARDOWN", TITLE, "");
	ck_assert_uint_eq(
	    test_client_ask(&other, "SETUP", TITLE "/stream=1", UDP_1), 200);
}
END_TEST

START_TEST(too_many_of_one_address_are_503_without)
{
	test.config.max_sessions_per_address = 1;
	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	ck_assert_uint_eq(
	    test_client_ask(&other, "SETUP", TITLE "/stream=1", UDP_1), 503);
	ck_assert_ptr_null(test_client_header(&other, "Retry-After").at);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 1);
}
END_TEST

START_TEST(a_connection_has_so_many_sessions)
{
	for (unsigned i = 0; i < TABLE_SESSIONS_PER_CONNECTION; i++) {
		one.session[0] = '\0';
		expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	}
	one.session[0] = '\0';
	expect(503, "SETUP", TITLE "/stream=1", UDP_1);
	ck_assert_uint_eq(
	    counter(TABLE_SESSIONS), TABLE_SESSIONS_PER_CONNECTION);
	ck_assert_uint_eq(
	    test_client_ask(&other, "SETUP", TITLE "/stream=1", UDP_1), 200);
}
END_TEST

START_TEST(a_lane_that_is_drained_begins_no_session_and_ends_none)
{
	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	test.lane.draining = true;
	expect(200, "SETUP", TITLE "/stream=2", UDP_1);
	expect(200, "PLAY", TITLE, "");
	ck_assert_uint_eq(
	    test_client_ask(&other, "SETUP", TITLE "/stream=1", UDP_1), 503);
	ck_assert_uint_eq(test_client_ask(&other, "DESCRIBE", TITLE, ""), 200);
}
END_TEST

/* --- where PLAY begins ---------------------------------------------------- */

START_TEST(now_is_where_the_session_is)
{
	static const char *const ranges[] = { "", "Range: npt=now-\r\n",
		"Range: npt=now-15\r\n" };
	uint32_t paused;

	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	expect(200, "PLAY", TITLE, "Range: npt=5-\r\n");
	paused = the_session()->hot.packet;
	ck_assert_uint_gt(paused, 0);
	expect(200, "PAUSE", TITLE, "");
	paused = the_session()->hot.packet;
	expect(200, "PLAY", TITLE, ranges[_i]);
	/* It goes on there: at most a key frame before, and forward. */
	ck_assert_uint_ge(the_session()->hot.packet, paused);
	if (_i < 2)
		ck_assert_uint_eq(the_session()->hot.end_packet,
		    title_packets(titles_title(the_session()->title)));
	else
		ck_assert_uint_lt(the_session()->hot.end_packet,
		    title_packets(titles_title(the_session()->title)));
}
END_TEST

START_TEST(play_while_it_plays_goes_on)
{
	uint64_t base_us;

	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	expect(200, "PLAY", TITLE, "");
	base_us = the_session()->hot.base_us;
	test_lane_pass(&test, 30000);
	expect(200, "PLAY", TITLE, "");
	ck_assert_uint_eq(the_session()->hot.base_us, base_us);
	ck_assert_uint_eq(the_session()->hot.resync, 0);
}
END_TEST

START_TEST(speed_is_kept_within_its_limits)
{
	static const struct {
		const char *header, *said;
		uint32_t milli;
	} speeds[] = {
		{ "Speed: 0.5\r\n", "0.500", 500 },
		{ "Speed: 2\r\n", "2.000", 2000 },
		{ "Speed: 100\r\n", "4.000", 4000 },
		{ "Speed: 0.0001\r\n", "1.000", 1000 },
		{ "Speed: 0.01\r\n", "0.100", 100 },
		{ "Speed: -1\r\n", "1.000", 1000 },
		{ "Speed: nan\r\n", "1.000", 1000 },
	};

	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	for (size_t i = 0; i < ARRAY_LENGTH(speeds); i++) {
		expect(200, "PLAY", TITLE, speeds[i].header);
		expect_header("Speed", speeds[i].said);
		ck_assert_uint_eq(
		    the_session()->hot.speed_milli, speeds[i].milli);
	}
}
END_TEST

/* --- pieces and rows ------------------------------------------------------ */

START_TEST(requests_in_a_row_are_answered_in_order)
{
	static const char row[] =
	    "OPTIONS * RTSP/1.0\r\nCSeq: 11\r\n\r\n"
	    "DESCRIBE rtsp://h/" TITLE " RTSP/1.0\r\nCSeq: 12\r\n\r\n"
	    "DESCRIBE rtsp://h/absent RTSP/1.0\r\nCSeq: 13\r\n\r\n"
	    "SETUP rtsp://h/" TITLE "/stream=1 RTSP/1.0\r\nCSeq: 14\r\n" UDP_1
	    "\r\n"
	    "JUMP * RTSP/1.0\r\nCSeq: 15\r\n\r\n";
	static const unsigned statuses[] = { 200, 200, 404, 200, 501 };

	test_client_text(&one, row);
	for (unsigned i = 0; i < ARRAY_LENGTH(statuses); i++) {
		ck_assert_uint_eq(test_client_reply(&one), statuses[i]);
		ck_assert_uint_eq(one.reply.cseq, 11 + i);
	}
}
END_TEST

START_TEST(a_hundred_requests_in_a_row_delay_nobody)
{
	char request[64];

	for (unsigned i = 1; i <= 100; i++) {
		snprintf(request, sizeof(request),
		    "OPTIONS * RTSP/1.0\r\nCSeq: %u\r\n\r\n", i);
		test_client_text(&one, request);
	}
	test_client_text(&other, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
	test_lane_turn(&test);
	test_lane_turn(&test);
	ck_assert_uint_eq(test_client_reply(&other), 200);
	ck_assert_uint_lt(counter(TABLE_REQUESTS), 100);
	for (unsigned i = 1; i <= 100; i++) {
		ck_assert_uint_eq(test_client_reply(&one), 200);
		ck_assert_uint_eq(one.reply.cseq, i);
	}
}
END_TEST

/* What the table says of the bytes when all is answered. */
static void
check_account(const struct test_client *client)
{
	struct table_connection view = test_client_view(client);

	ck_assert_uint_eq(view.in_done, client->sent);
	ck_assert_uint_eq(view.out_done, client->received);
	ck_assert_uint_eq(view.outbox_bytes, 0);
	ck_assert_uint_eq(view.outbox_large, 0);
}

static const char *const conversation[] = {
	"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
	"DESCRIBE rtsp://h/" TITLE " RTSP/1.0\r\nCSeq: 2\r\n\r\n",
	"SET_PARAMETER * RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 9\r\n\r\n"
	"body body",
	"SETUP rtsp://h/" TITLE "/stream=1 RTSP/1.0\r\nCSeq: 4\r\n" UDP_1
	"\r\n",
	"$\1\0\4abcd",
	"\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 5\r\n\r\n",
};

static size_t
conversation_bytes(size_t i)
{
	return i == 4 ? 8 : strlen(conversation[i]);
}

static bool
is_settled(void *context)
{
	struct test_client *client = context;

	while (test_client_receive(client))
		;
	return client->ended ||
	       test_client_view(client).in_done == client->sent;
}

START_TEST(all_bytes_are_accounted_for)
{
	for (size_t i = 0; i < ARRAY_LENGTH(conversation); i++) {
		test_client_send(&one, conversation[i], conversation_bytes(i));
		if (i != 4)
			ck_assert_uint_gt(test_client_reply(&one), 0);
		ck_assert(test_lane_until(&test, is_settled, &one));
		check_account(&one);
	}
	ck_assert_uint_eq(test_client_view(&one).session_count, 1);
}
END_TEST

/* Each request in two pieces, wherever they part. */
START_TEST(a_request_may_be_cut_at_every_byte)
{
	const char *text = conversation[_i];
	size_t bytes = conversation_bytes((size_t)_i);
	uint64_t requests;

	for (size_t cut = 1; cut < bytes; cut++) {
		one.session[0] = '\0';
		requests = counter(TABLE_REQUESTS);
		test_client_send(&one, text, cut);
		test_lane_turn(&test);
		/* The head is answered before the body is there. */
		if (memmem(text, cut, "\r\n\r\n", 4) == NULL)
			ck_assert_uint_eq(counter(TABLE_REQUESTS), requests);
		test_client_send(&one, text + cut, bytes - cut);
		if (_i != 4)
			ck_assert_uint_gt(test_client_reply(&one), 0);
		ck_assert(test_lane_until(&test, is_settled, &one));
		check_account(&one);
		ck_assert_uint_eq(
		    counter(TABLE_REQUESTS), requests + (_i != 4));
		if (_i == 3) { /* eight sessions are enough */
			snprintf(one.session, sizeof(one.session), "%.*s",
			    SESSION_ID_CHARS,
			    test_client_header(&one, "Session").at);
			expect(200, "TEARDOWN", TITLE, "");
		}
	}
}
END_TEST

START_TEST(byte_by_byte_is_as_good_as_at_once)
{
	for (size_t i = 0; i < ARRAY_LENGTH(conversation); i++) {
		for (size_t at = 0; at < conversation_bytes(i); at++) {
			test_client_send(&one, conversation[i] + at, 1);
			test_lane_turn(&test);
		}
		if (i != 4)
			ck_assert_uint_gt(test_client_reply(&one), 0);
	}
	ck_assert(test_lane_until(&test, is_settled, &one));
	check_account(&one);
	ck_assert_uint_eq(one.reply.cseq, 5);
}
END_TEST

/* Nobody sends us replies; their bodies are no requests either. */
START_TEST(replies_of_a_client_are_passed_over)
{
	test_client_text(&one,
	    "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 31\r\n\r\n"
	    "OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n");
	test_client_text(&one, "OPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n");
	ck_assert_uint_eq(test_client_reply(&one), 200);
	ck_assert_uint_eq(one.reply.cseq, 2);
	ck_assert(test_lane_until(&test, is_settled, &one));
	check_account(&one);
}
END_TEST

START_TEST(a_reply_with_an_endless_body_ends_the_connection)
{
	static const char *const sizes[] = { "65537", "18446744073709551615",
		"18446744073709551550" };
	char text[128];

	snprintf(text, sizeof(text),
	    "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: %s\r\n\r\n",
	    sizes[_i]);
	test_client_text(&one, text);
	ck_assert(test_lane_until(&test, has_ended, &one));
}
END_TEST

/* --- the large outbox ----------------------------------------------------- */

static bool
owns_the_large_outbox(void *context)
{
	(void)context;
	return test.lane.large_owner != NULL;
}

/* More than the buffers of both ends hold. */
#define MANY 1000

/* DESCRIBEs in a row, and nobody who reads the answers. */
static void
block_the_large_outbox(unsigned count)
{
	char request[128];

	for (unsigned i = 1; i <= count; i++) {
		snprintf(request, sizeof(request),
		    "DESCRIBE rtsp://h/" TITLE " RTSP/1.0\r\nCSeq: %u\r\n\r\n",
		    i);
		test_client_text(&one, request);
	}
	ck_assert(test_lane_until(&test, owns_the_large_outbox, NULL));
	ck_assert_ptr_eq(
	    test.lane.large_owner, test.lane.connections[one.record]);
}

START_TEST(large_replies_follow_one_another_unharmed)
{
	char body[8192];
	size_t bytes;

	ck_assert_uint_eq(test_client_ask(&other, "DESCRIBE", TITLE, ""), 200);
	bytes = test_client_body(&other).length;
	ck_assert_uint_gt(bytes, TABLE_OUTBOX_BYTES);
	ck_assert_uint_le(bytes, sizeof(body));
	memcpy(body, test_client_body(&other).at, bytes);

	block_the_large_outbox(MANY);
	/* Who asks for something small does not notice. */
	ck_assert_uint_eq(test_client_ask(&other, "OPTIONS", "*", ""), 200);
	/* Who asks for something large waits, and gets it. */
	test_client_text(&other,
	    "DESCRIBE rtsp://test/" TITLE " RTSP/1.0\r\nCSeq: 77\r\n\r\n");
	for (unsigned i = 1; i <= MANY; i++) {
		ck_assert_uint_eq(test_client_reply(&one), 200);
		ck_assert_uint_eq(one.reply.cseq, i);
		ck_assert_uint_gt(one.reply.content_length, bytes - 64);
	}
	ck_assert_uint_eq(test_client_reply(&other), 200);
	ck_assert_uint_eq(other.reply.cseq, 77);
	ck_assert_uint_eq(other.reply.content_length, bytes);
	ck_assert_mem_eq(test_client_body(&other).at, body, bytes);
	ck_assert_ptr_null(test.lane.large_owner);
	check_account(&one);
	check_account(&other);
}
END_TEST

START_TEST(who_goes_away_leaves_the_large_outbox_free)
{
	block_the_large_outbox(MANY);
	close(one.fd);
	one.fd = -1;
	ck_assert_uint_eq(test_client_ask(&other, "DESCRIBE", TITLE, ""), 200);
}
END_TEST

/* --- ends ----------------------------------------------------------------- */

static bool
no_connections(void *context)
{
	(void)context;
	return counter(TABLE_CONNECTIONS) == 0;
}

START_TEST(with_its_connection_a_session_ends_and_is_counted_no_more)
{
	static const char *const transports[] = { UDP_1, TCP_1 };

	expect(200, "SETUP", TITLE "/stream=1", transports[_i]);
	expect(200, "PLAY", TITLE, "");
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 1);
	test_lane_pass(&test, 30000);
	close(one.fd);
	close(other.fd);
	one.fd = other.fd = -1;
	ck_assert(test_lane_until(&test, no_connections, NULL));
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), 0);
	ck_assert_uint_eq(counter(TABLE_SESSIONS_BEGUN), 1);
	ck_assert_uint_eq(counter(TABLE_SESSIONS_ENDED), 1);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_ptr_null(test.lane.due[i]);
}
END_TEST

START_TEST(connection_close_is_answered_and_then_done)
{
	expect(200, "OPTIONS", "*", "Connection: close\r\n");
	ck_assert(test_lane_until(&test, has_ended, &one));
}
END_TEST

START_TEST(a_client_that_closes_in_the_middle_of_a_search_is_forgotten)
{
	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	test_client_text(&one,
	    "PLAY rtsp://test/" TITLE " RTSP/1.0\r\nCSeq: 9\r\nSession: ");
	test_client_text(&one, one.session);
	test_client_text(&one, "\r\nRange: npt=5-\r\n\r\n");
	test_lane_turn(&test);
	connection_close(
	    test.lane.connections[one.record], SESSION_CONNECTION_CLOSED);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
	ck_assert_uint_eq(test_client_ask(&other, "DESCRIBE", TITLE, ""), 200);
}
END_TEST

static bool
sweep_ends(const struct test_client *client, uint64_t later_us)
{
	struct lane *lane = &test.lane;

	connection_sweep(lane->connections[client->record],
	    loop_now_us(lane->loop) + later_us);
	return lane->connections[client->record] == NULL;
}

START_TEST(a_connection_that_asks_nothing_ends)
{
	uint64_t limit_us = test.config.request_timeout_us;

	test_lane_turn(&test);
	ck_assert(!sweep_ends(&other, limit_us - US_PER_SECOND));
	ck_assert(sweep_ends(&other, limit_us + US_PER_SECOND));
	/* Half a request is no request, though its bytes go on coming. */
	test_client_text(&one, "OPTIONS * RTSP/1.0\r\n");
	test_lane_pass(&test, 20000);
	test_client_text(&one, "CSeq: 1\r\n");
	test_lane_pass(&test, 20000);
	ck_assert(!sweep_ends(&one, limit_us - US_PER_SECOND));
	ck_assert(sweep_ends(&one, limit_us - 30000));
}
END_TEST

START_TEST(a_session_that_is_silent_ends_and_any_request_keeps_it)
{
	uint64_t limit_us = test.config.session_timeout_us;
	struct table_session hot;
	uint64_t deadline_us;

	expect(200, "SETUP", TITLE "/stream=1", UDP_1);
	deadline_us = the_session()->hot.deadline_us;
	test_lane_pass(&test, 20000);
	expect(200, "GET_PARAMETER", TITLE, "");
	ck_assert_uint_gt(the_session()->hot.deadline_us, deadline_us);
	/* In the record too: a successor goes by it. */
	ck_assert(table_read(
	    test.lane.table, 0, TABLE_SESSION, the_session()->record, &hot));
	ck_assert_uint_eq(hot.deadline_us, the_session()->hot.deadline_us);
	ck_assert(!sweep_ends(&one, limit_us - US_PER_SECOND));
	ck_assert_ptr_nonnull(test_client_session(&one));
	ck_assert(!sweep_ends(&one, limit_us + US_PER_SECOND));
	ck_assert_ptr_null(test_client_session(&one));
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
	expect(454, "PLAY", TITLE, "");
}
END_TEST

/* --- the end of a title --------------------------------------------------- */

#define PACKET 800

/* Audio 1 and video 2, a fifth of a second. */
static void
store_short_title(const char *folder)
{
	struct build_properties properties = { .packets = 3,
		.preroll_ms = 100,
		.flags = 2,
		.least = PACKET,
		.most = PACKET };
	struct build build = build_new();
	size_t began = build_header_begin(&build);

	build_file_properties(&build, &properties);
	build_audio(&build, 1);
	build_video(&build, 2);
	build_end(&build, began);
	build_data_begin(&build, 50 + 3 * PACKET, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct build_payload payloads[] = {
			{ 1, i, 0, 50, i * 50 + 100, 50 },
			{ 0x82, i, 0, 500, i * 50 + 100, 500 },
		};

		build_packet(&build, PACKET, i * 50, 50, payloads, 2);
	}
	test_folder_store(folder, "short.wmv", build.data, build.at);
	free(build.data);
}

/* Goodbyes to whom: the m= lines set up, by the place they were given. */
static unsigned
byes_at(int fd)
{
	struct rtcp_summary summary;
	uint8_t data[2048];
	unsigned count = 0;
	ssize_t got;

	while ((got = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		count +=
		    rtcp_parse(data, (size_t)got, &summary) && summary.has_bye;
	return count;
}

static unsigned
byes_in(const struct test_client *client)
{
	struct rtcp_summary summary;
	unsigned count = 0;

	for (size_t at = client->reply_bytes; at + 4 < client->input_bytes;) {
		size_t bytes =
		    (size_t)client->input[at + 2] << 8 | client->input[at + 3];

		ck_assert_uint_eq(client->input[at], '$');
		ck_assert_uint_le(at + 4 + bytes, client->input_bytes);
		count += (client->input[at + 1] & 1) != 0 &&
			 rtcp_parse(client->input + at + 4, bytes, &summary) &&
			 summary.has_bye;
		at += 4 + bytes;
	}
	return count;
}

static bool
has_said_goodbye(void *context)
{
	(void)context;
	return test_client_session(&one)->hot.end == TABLE_END_SAID;
}

/* How streams 1 and 2 and the retransmission are set up: at which pair each. */
static const struct {
	bool tcp;
	int pair[3]; /* -1: not at all */
} arrangements[] = {
	{ false, { 0, 0, 1 } }, /* FFmpeg */
	{ false, { 0, 1, -1 } }, /* GStreamer */
	{ false, { 0, -1, -1 } },
	{ false, { 0, 0, -1 } },
	{ false, { 0, 1, 2 } },
	{ true, { 0, 1, -1 } },
	{ true, { 0, 0, -1 } },
	{ true, { -1, 0, -1 } },
	{ true, { 0, 1, 2 } },
};

static void
set_up_at(const char *path, bool tcp, unsigned first)
{
	char header[128];

	snprintf(header, sizeof(header),
	    "Transport: RTP/AVP%s;unicast;%s=%u-%u\r\n", tcp ? "/TCP" : "",
	    tcp ? "interleaved" : "client_port", first, first + 1);
	expect(200, "SETUP", path, header);
}

START_TEST(at_the_end_each_media_line_gets_a_bye)
{
	static const char *const paths[] = { "short.wmv/stream=1",
		"short.wmv/stream=2", "short.wmv/rtx" };
	struct sock_pair pairs[3];
	bool tcp = arrangements[_i].tcp;
	unsigned byes = 0;
	char folder[64];

	end();
	test_folder_make(folder);
	store_short_title(folder);
	test_lane_begin(&test, folder);
	test_client_open(&one, &test, AF_INET);
	test_client_open(&other, &test, AF_INET);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &pairs[i]), 0);
	for (unsigned i = 0; i < 3; i++) {
		int pair = arrangements[_i].pair[i];

		if (pair != -1)
			set_up_at(paths[i], tcp,
			    tcp ? 2 * (unsigned)pair : pairs[pair].port);
	}
	expect(200, "PLAY", "short.wmv", "");
	ck_assert(test_lane_until(&test, has_said_goodbye, NULL));
	while (test_client_receive(&one))
		;
	for (unsigned i = 0; i < 3; i++)
		byes += byes_at(pairs[i].rtcp);
	byes += byes_in(&one);
	/* Two streams and the retransmission are three lines. */
	ck_assert_uint_eq(byes, 3);
	/* It can be played again. */
	expect(200, "PLAY", "short.wmv", "");
	ck_assert_uint_eq(the_session()->hot.end, TABLE_END_NONE);
	for (unsigned i = 0; i < 3; i++)
		sock_pair_close(&pairs[i]);
	test_folder_remove(folder);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("methods");
	TCase *matrix = tcase_create("matrix");
	TCase *refused = tcase_create("refused");
	TCase *admission = tcase_create("admission");
	TCase *play = tcase_create("play"), *bytes = tcase_create("bytes");
	TCase *large = tcase_create("large"), *ends = tcase_create("ends");
	TCase *cases[] = { matrix, refused, admission, play, bytes, large,
		ends };
	SRunner *runner;
	int failed;

	tcase_add_loop_test(matrix, each_method_is_answered_as_its_state_says,
	    0, (int)ARRAY_LENGTH(cells));
	tcase_add_test(
	    matrix, answers_say_who_we_are_what_we_can_and_to_which_request);
	tcase_add_loop_test(refused,
	    what_cannot_be_is_refused_and_leaves_nothing_behind, 0,
	    (int)ARRAY_LENGTH(refusals));
	tcase_add_test(refused, an_option_that_is_required_is_named);
	tcase_add_loop_test(refused,
	    what_is_no_request_is_answered_where_it_can_be, 0,
	    (int)ARRAY_LENGTH(broken));
	tcase_add_loop_test(
	    refused, a_url_too_long_is_414_whatever_is_too_long_in_it, 0, 4);
	tcase_add_test(refused, a_head_without_end_is_refused);
	tcase_add_test(
	    refused, parameters_are_not_known_but_those_of_windows_media);
	tcase_add_test(refused, a_session_belongs_to_its_title);
	tcase_add_test(refused, several_streams_play_and_pause_together);
	tcase_add_test(refused, a_range_that_cannot_be_is_457);
	tcase_add_test(refused, one_session_has_one_kind_of_transport);
	tcase_add_test(refused, what_the_configuration_forbids_is_461);
	tcase_add_test(refused, a_channel_has_one_session);
	tcase_add_test(admission, bandwidth_that_is_not_there_is_453_at_play);
	tcase_add_test(
	    admission, bit_rate_is_committed_while_a_session_plays_or_pauses);
	tcase_add_test(
	    admission, too_many_sessions_are_503_with_a_time_to_come_back);
	tcase_add_test(admission, too_many_of_one_address_are_503_without);
	tcase_add_test(admission, a_connection_has_so_many_sessions);
	tcase_add_test(
	    admission, a_lane_that_is_drained_begins_no_session_and_ends_none);
	tcase_add_loop_test(play, now_is_where_the_session_is, 0, 3);
	tcase_add_test(play, play_while_it_plays_goes_on);
	tcase_add_test(play, speed_is_kept_within_its_limits);
	tcase_add_test(bytes, requests_in_a_row_are_answered_in_order);
	tcase_add_test(bytes, a_hundred_requests_in_a_row_delay_nobody);
	tcase_add_test(bytes, all_bytes_are_accounted_for);
	tcase_add_loop_test(bytes, a_request_may_be_cut_at_every_byte, 0,
	    (int)ARRAY_LENGTH(conversation));
	tcase_add_test(bytes, byte_by_byte_is_as_good_as_at_once);
	tcase_add_test(bytes, replies_of_a_client_are_passed_over);
	tcase_add_loop_test(
	    bytes, a_reply_with_an_endless_body_ends_the_connection, 0, 3);
	tcase_add_test(large, large_replies_follow_one_another_unharmed);
	tcase_add_test(large, who_goes_away_leaves_the_large_outbox_free);
	tcase_add_loop_test(ends,
	    with_its_connection_a_session_ends_and_is_counted_no_more, 0, 2);
	tcase_add_test(ends, connection_close_is_answered_and_then_done);
	tcase_add_test(
	    ends, a_client_that_closes_in_the_middle_of_a_search_is_forgotten);
	tcase_add_test(ends, a_connection_that_asks_nothing_ends);
	tcase_add_test(
	    ends, a_session_that_is_silent_ends_and_any_request_keeps_it);
	tcase_add_loop_test(ends, at_the_end_each_media_line_gets_a_bye, 0,
	    (int)ARRAY_LENGTH(arrangements));
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		tcase_add_checked_fixture(cases[i], begin, end);
		tcase_set_timeout(cases[i], 60);
		suite_add_tcase(suite, cases[i]);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
