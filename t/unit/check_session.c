/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_session - rules of one session: states, ids, streams and destinations,
 * bit rate, counters, goodbye.  The lane and the title are real.
 */
#include "server/session.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "asf_build.h"
#include "base/base.h"
#include "lane.h"

#define PACKET 800
#define PACKETS 50
#define AUDIO 1
#define VIDEO 2
#define COMMAND 3

static struct test_lane test;
static char folder[64];
static struct titles_entry *title;
static union sock_address peer, local;

/* Audio 1, video 2, commands 3: 50 packets, 100 ms apart. */
static struct build
build_with_commands(void)
{
	struct build_properties properties = { .packets = PACKETS,
		.preroll_ms = 1000,
		.flags = 2,
		.least = PACKET,
		.most = PACKET };
	struct build build = build_new();
	size_t began = build_header_begin(&build);

	build_file_properties(&build, &properties);
	build_audio(&build, AUDIO);
	build_video(&build, VIDEO);
	build_command(&build, COMMAND);
	build_end(&build, began);
	build_data_begin(&build, 50 + PACKETS * PACKET, PACKETS);
	for (unsigned i = 0; i < PACKETS; i++) {
		uint32_t at_ms = i * 100;
		struct build_payload payloads[] = {
			{ AUDIO, i, 0, 50, at_ms + 1000, 50 },
			{ 0x80 | VIDEO, i, 0, 150, at_ms + 1000, 150 },
			{ COMMAND, i, 0, 10, at_ms + 1000, 10 },
		};

		build_packet(&build, PACKET, at_ms, 100, payloads, 3);
	}
	return build;
}

static void
begin(void)
{
	struct build build = build_with_commands();

	test_folder_make(folder);
	test_folder_store(folder, "title.wmv", build.data, build.at);
	free(build.data);
	test_lane_begin(&test, folder);
	title = test_lane_title(&test, "title.wmv");
	ck_assert_int_eq(sock_address_parse("127.0.0.1:5000", &peer), 0);
	ck_assert_int_eq(sock_address_parse("127.0.0.1:554", &local), 0);
}

static void
end(void)
{
	titles_drop(title);
	test_lane_end(&test);
	test_folder_remove(folder);
}

static struct session *
new_session(void)
{
	struct session *session = NULL;

	ck_assert_int_eq(session_new(&test.lane, title, 0, NULL, &peer, &local,
			     RTSP_TEXT("Lavf58"), &session),
	    0);
	/* As SETUP does before. */
	table_counter_add(test.lane.table, 0, TABLE_SESSIONS, 1);
	session->cold.transport = TABLE_UDP;
	session->cold.payload_limit = 1400;
	return session;
}

static uint64_t
counter(enum table_counter which)
{
	return table_counter(test.lane.table, 0, which);
}

/* --- states --------------------------------------------------------------- */

/* RFC 2326 A.2, with PAUSE leading to a state of its own; -: 455. */
START_TEST(methods_lead_where_the_rfc_says)
{
	static const enum rtsp_method columns[] = { RTSP_SETUP, RTSP_PLAY,
		RTSP_PAUSE, RTSP_TEARDOWN };
	static const char *const rows[] = {
		[TABLE_SESSION_INIT] = "R--I",
		[TABLE_SESSION_READY] = "RP-I",
		[TABLE_SESSION_PLAYING] = "-PDI",
		[TABLE_SESSION_PAUSED] = "DP-I",
	};
	static const char names[] = "IRPD";
	struct session *session = new_session();

	ck_assert_uint_eq(session->hot.session_state, TABLE_SESSION_INIT);
	for (unsigned state = 0; state < 4; state++) {
		session_enter(session, (enum table_session_state)state);
		ck_assert_uint_eq(session->hot.session_state, state);
		for (unsigned i = 0; i < ARRAY_LENGTH(columns); i++) {
			char wanted = rows[state][i];
			int next = session_next_state(session, columns[i]);

			ck_assert_msg((wanted == '-') == (next == -1) &&
					  (next == -1 || names[next] == wanted),
			    "state %c, %s", names[state],
			    rtsp_method_name(columns[i]));
		}
	}
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(every_cause_of_an_end_has_a_text_of_its_own)
{
	for (unsigned a = 0; a < SESSION_CAUSE_COUNT; a++) {
		const char *text = session_cause_text((enum session_cause)a);

		ck_assert_ptr_nonnull(text);
		for (unsigned b = 0; b < a; b++)
			ck_assert_str_ne(
			    text, session_cause_text((enum session_cause)b));
	}
}
END_TEST

/* --- ids ------------------------------------------------------------------ */

#define IDS 100000

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

START_TEST(no_id_is_given_twice)
{
	uint8_t(*ids)[16] = calloc(IDS, sizeof(*ids));

	ck_assert_ptr_nonnull(ids);
	for (unsigned i = 0; i < IDS; i++) {
		struct session *session = NULL;

		ck_assert_int_eq(session_new(&test.lane, title, 0, NULL, &peer,
				     &local, RTSP_TEXT(""), &session),
		    0);
		memcpy(ids[i], session->cold.id, sizeof(ids[i]));
		session_end(session, SESSION_TEARDOWN);
	}
	qsort(ids, IDS, sizeof(*ids), compare_ids);
	for (unsigned i = 1; i < IDS; i++)
		ck_assert_int_ne(memcmp(ids[i - 1], ids[i], 16), 0);
	free(ids);
	/* They were begun without SETUP's count. */
	table_counter_set(test.lane.table, 0, TABLE_SESSIONS, 0);
}
END_TEST

START_TEST(an_id_with_one_wrong_character_finds_nothing)
{
	struct session *one = new_session(), *other = new_session();
	char text[SESSION_ID_CHARS + 1], wrong[SESSION_ID_CHARS + 1];
	struct rtsp_text id = { wrong, SESSION_ID_CHARS };

	session_id_text(one, text);
	ck_assert_uint_eq(strlen(text), SESSION_ID_CHARS);
	for (size_t i = 0; i < SESSION_ID_CHARS; i++) {
		memcpy(wrong, text, sizeof(wrong));
		for (unsigned c = 0; c < 256; c++) {
			wrong[i] = (char)c;
			ck_assert_ptr_eq(session_find(&test.lane, id),
			    wrong[i] == text[i] ? one : NULL);
		}
	}
	session_id_text(other, wrong);
	ck_assert_ptr_eq(session_find(&test.lane, id), other);
	session_end(one, SESSION_TEARDOWN);
	session_end(other, SESSION_TEARDOWN);
	ck_assert_ptr_null(session_find(&test.lane, id));
}
END_TEST

START_TEST(an_id_of_another_length_finds_nothing)
{
	struct session *session = new_session();
	char text[SESSION_ID_CHARS + 2];

	session_id_text(session, text);
	text[SESSION_ID_CHARS] = '0';
	for (size_t length = 0; length <= SESSION_ID_CHARS + 1; length++) {
		struct rtsp_text id = { text, length };

		ck_assert_ptr_eq(session_find(&test.lane, id),
		    length == SESSION_ID_CHARS ? session : NULL);
	}
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

/* --- streams and destinations --------------------------------------------- */

static struct table_destination
to(uint16_t rtp)
{
	return (struct table_destination){ rtp, (uint16_t)(rtp + 1) };
}

static bool
flow_carries(const struct session *session, unsigned flow, unsigned stream)
{
	return (session->cold.flow_streams[flow][stream / 64] >> stream % 64 &
		   1) != 0;
}

START_TEST(streams_with_one_destination_share_a_flow)
{
	struct session *session = new_session();

	ck_assert_int_eq(session_add_stream(session, AUDIO, to(5000)), 0);
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5000)), 0);
	ck_assert_uint_eq(session->hot.flow_count, 1);
	ck_assert_uint_eq(session_stream_count(session), 2);
	ck_assert(flow_carries(session, 0, AUDIO));
	ck_assert(flow_carries(session, 0, VIDEO));
	ck_assert(session_has_stream(session, AUDIO));
	ck_assert(!session_has_stream(session, 77));
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(streams_with_other_destinations_have_flows_of_their_own)
{
	struct session *session = new_session();

	ck_assert_int_eq(session_add_stream(session, AUDIO, to(5000)), 0);
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5002)), 0);
	ck_assert_uint_eq(session->hot.flow_count, 2);
	ck_assert(flow_carries(session, 0, AUDIO));
	ck_assert(!flow_carries(session, 0, VIDEO));
	ck_assert(flow_carries(session, 1, VIDEO));
	ck_assert_uint_eq(session->cold.destination[1].rtcp, 5003);
	ck_assert_uint_ne(
	    session->hot.flows[0].ssrc, session->hot.flows[1].ssrc);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(a_stream_set_up_again_moves)
{
	struct session *session = new_session();

	ck_assert_int_eq(session_add_stream(session, AUDIO, to(5000)), 0);
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5002)), 0);
	ck_assert_int_eq(session_add_stream(session, AUDIO, to(5002)), 0);
	ck_assert_uint_eq(session->hot.flow_count, 1);
	ck_assert_uint_eq(session->cold.destination[0].rtp, 5002);
	ck_assert(flow_carries(session, 0, AUDIO));
	ck_assert(flow_carries(session, 0, VIDEO));
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5004)), 0);
	ck_assert_uint_eq(session->hot.flow_count, 2);
	ck_assert(!flow_carries(session, 0, VIDEO));
	ck_assert_uint_eq(session_stream_count(session), 2);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

/* A flow that ends leaves the others where their numbers don't tell. */
START_TEST(flows_never_share_a_source_however_streams_move)
{
	struct session *session = new_session();

	ck_assert_int_eq(session_add_stream(session, AUDIO, to(5000)), 0);
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5002)), 0);
	for (unsigned i = 2; i < 5000; i++) {
		ck_assert_int_eq(
		    session_add_stream(session, i % 2 == 0 ? AUDIO : VIDEO,
			to((uint16_t)(5000 + 2 * i))),
		    0);
		ck_assert_uint_ne(
		    session->hot.flows[0].ssrc, session->hot.flows[1].ssrc);
	}
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(commands_ride_along_in_the_first_flow_alone)
{
	struct session *session = new_session();

	ck_assert_int_eq(session_add_stream(session, AUDIO, to(5000)), 0);
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5002)), 0);
	ck_assert(flow_carries(session, 0, COMMAND));
	ck_assert(!flow_carries(session, 1, COMMAND));
	/* They are in no m= line: nobody sets them up. */
	ck_assert(!session_has_stream(session, COMMAND));
	ck_assert_uint_eq(session_stream_count(session), 2);
	session_remove_stream(session, AUDIO);
	ck_assert_uint_eq(session->hot.flow_count, 1);
	ck_assert_uint_eq(session->cold.destination[0].rtp, 5002);
	ck_assert(flow_carries(session, 0, COMMAND));
	session_remove_stream(session, VIDEO);
	ck_assert_uint_eq(session->hot.flow_count, 0);
	ck_assert_uint_eq(session_stream_count(session), 0);
	session_remove_stream(session, VIDEO);
	session_remove_stream(session, COMMAND);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(a_flow_that_goes_leaves_the_others_as_they_are)
{
	struct session *session = new_session();
	uint32_t ssrcs[4];

	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(session_add_stream(session, 10 + i,
				     to((uint16_t)(5000 + 2 * i))),
		    0);
		ssrcs[i] = session->hot.flows[i].ssrc;
		session->lost[i] = 100 + i;
	}
	session_remove_stream(session, 11);
	ck_assert_uint_eq(session->hot.flow_count, 3);
	for (unsigned i = 0, was = 0; i < 3; i++, was++) {
		was += was == 1;
		ck_assert_uint_eq(session->hot.flows[i].ssrc, ssrcs[was]);
		ck_assert_uint_eq(
		    session->cold.destination[i].rtp, 5000 + 2 * was);
		ck_assert(flow_carries(session, i, 10 + was));
		ck_assert_uint_eq(session->lost[i], 100 + was);
	}
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(a_destination_too_many_changes_nothing)
{
	struct session *session = new_session();
	struct table_session hot;
	struct table_session_cold cold;

	for (unsigned i = 0; i < TABLE_FLOWS_MAX; i++)
		ck_assert_int_eq(session_add_stream(session, 10 + i,
				     to((uint16_t)(5000 + 2 * i))),
		    0);
	ck_assert_int_eq(session_add_stream(session, 70, to(5000)), 0);
	hot = session->hot;
	cold = session->cold;
	/* A new one, and one that shares its flow and would move. */
	ck_assert_int_eq(session_add_stream(session, 71, to(6000)), -ENOSPC);
	ck_assert_int_eq(session_add_stream(session, 70, to(6000)), -ENOSPC);
	ck_assert_mem_eq(&session->hot, &hot, sizeof(hot));
	ck_assert_mem_eq(&session->cold, &cold, sizeof(cold));
	/* One that leaves its flow empty makes room for itself. */
	ck_assert_int_eq(session_add_stream(session, 11, to(6000)), 0);
	ck_assert_uint_eq(session->hot.flow_count, TABLE_FLOWS_MAX);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(an_ssrc_finds_its_session_and_no_sequence_begins_with_0)
{
	struct session *sessions[20];

	for (unsigned i = 0; i < 20; i++) {
		sessions[i] = new_session();
		for (unsigned flow = 0; flow < TABLE_FLOWS_MAX; flow++) {
			const struct table_flow *new;

			ck_assert_int_eq(
			    session_add_stream(sessions[i], 10 + flow,
				to((uint16_t)(5000 + 2 * flow))),
			    0);
			new = &sessions[i]->hot.flows[flow];
			ck_assert_ptr_eq(
			    session_find_ssrc(&test.lane, new->ssrc),
			    sessions[i]);
			ck_assert_ptr_null(session_find_ssrc(
			    &test.lane, new->ssrc ^ 1U << 31));
			ck_assert_uint_ge(new->sequence, 1);
			ck_assert_uint_le(new->sequence, 0x8000);
		}
	}
	for (unsigned i = 0; i < 20; i++)
		session_end(sessions[i], SESSION_TEARDOWN);
}
END_TEST

/* As many sessions as an instance may have, all on one lane. */
START_TEST(an_ssrc_finds_the_last_of_the_most_sessions_too)
{
	enum { MOST = 500000, FLOW = TABLE_FLOWS_MAX - 1 };
	struct session **slots = calloc(MOST, sizeof(struct session *));
	struct session *session = new_session();
	struct lane lane = test.lane;
	uint32_t ssrc;

	lane.sessions = slots;
	lane.session_slots = MOST;
	slots[MOST - 1] = session;
	session->record += MOST - 1;
	for (uint16_t flow = 0; flow <= FLOW; flow++)
		ck_assert_int_eq(session_add_stream(session, 10U + flow,
				     to((uint16_t)(5000 + 2 * flow))),
		    0);
	session->record -= MOST - 1;
	ssrc = session->hot.flows[FLOW].ssrc;
	ck_assert_ptr_eq(session_find_ssrc(&lane, ssrc), session);
	session_end(session, SESSION_TEARDOWN);
	free(slots);
}
END_TEST

START_TEST(channels_are_used_by_tcp_alone_rtx_included)
{
	struct session *session = new_session();

	ck_assert_int_eq(session_add_stream(session, AUDIO, to(4)), 0);
	session_set_rtx(session, to(8));
	ck_assert(!session_uses_channel(session, 4));
	session->cold.transport = TABLE_TCP;
	for (unsigned channel = 0; channel < 256; channel++)
		ck_assert(session_uses_channel(session, channel) ==
			  (channel == 4 || channel == 5 || channel == 8 ||
			      channel == 9));
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

/* --- bit rate ------------------------------------------------------------- */

/* One packet of the file is one packet of UDP with so many more bytes. */
static uint64_t
with_headers(uint64_t media_bps, uint64_t packets, uint64_t header_bytes)
{
	return media_bps + media_bps * packets * header_bytes / PACKET;
}

START_TEST(the_rate_counts_the_streams_set_up_with_all_headers)
{
	struct session *session = new_session();
	const struct title *file = titles_title(title);
	uint64_t audio_bps = title_stream_bps(file, AUDIO);
	uint64_t video_bps = title_stream_bps(file, VIDEO);

	ck_assert_uint_gt(audio_bps, 0);
	ck_assert_uint_gt(video_bps, 0);
	ck_assert_uint_eq(session_rate_bps(session, 1000), 0);
	ck_assert_int_eq(session_add_stream(session, AUDIO, to(5000)), 0);
	ck_assert_uint_eq(session_rate_bps(session, 1000),
	    with_headers(audio_bps, 1, 16 + 8 + 20));
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5000)), 0);
	ck_assert_uint_eq(session_rate_bps(session, 1000),
	    with_headers(audio_bps + video_bps, 1, 16 + 8 + 20));
	/* IPv6, fragments, TCP. */
	ck_assert_int_eq(sock_address_parse("[::1]:1", &session->cold.peer), 0);
	ck_assert_uint_eq(session_rate_bps(session, 1000),
	    with_headers(audio_bps + video_bps, 1, 16 + 8 + 40));
	session->cold.payload_limit = 204; /* 200 bytes of the packet in each */
	ck_assert_uint_eq(session_rate_bps(session, 1000),
	    with_headers(audio_bps + video_bps, 4, 16 + 8 + 40));
	session->cold.transport = TABLE_TCP;
	ck_assert_uint_eq(session_rate_bps(session, 1000),
	    with_headers(audio_bps + video_bps, 4, 16 + 4 + 20));
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(the_rate_goes_with_speed)
{
	struct session *session = new_session();
	uint64_t usual_bps;

	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5000)), 0);
	usual_bps = session_rate_bps(session, 1000);
	ck_assert_uint_eq(session_rate_bps(session, 2000), 2 * usual_bps);
	ck_assert_uint_eq(session_rate_bps(session, 500), usual_bps / 2);
	ck_assert_uint_eq(session_rate_bps(session, 16000), 16 * usual_bps);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

/* --- playing -------------------------------------------------------------- */

START_TEST(play_begins_the_time_line_anew)
{
	struct session *session = new_session();
	uint64_t now_us = loop_now_us(test.lane.loop);

	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5000)), 0);
	session->hot.item = 7;
	session->hot.end = TABLE_END_SAID;
	session->hot.catch_us = 99;
	session_play(session, 20, 2000, 40, 2000);
	ck_assert_uint_eq(session->hot.packet, 20);
	ck_assert_uint_eq(session->hot.item, 0);
	ck_assert_uint_eq(session->hot.end, TABLE_END_NONE);
	ck_assert_uint_eq(session->hot.end_packet, 40);
	ck_assert_uint_eq(session->hot.first_ms, 2000);
	ck_assert_uint_eq(session->hot.sr_due_ms, 2000);
	ck_assert_uint_eq(session->hot.base_us, now_us);
	ck_assert_uint_eq(session->hot.catch_us, 0);
	ck_assert_uint_eq(session->hot.speed_milli, 2000);
	ck_assert_uint_eq(stream_due_us(&session->hot, 2000), now_us);
	/* Nobody is in the middle of a packet yet. */
	ck_assert_uint_eq(session->hot.resync, 0);
	ck_assert_uint_eq(session->cold.start_ms, 2000);
	ck_assert_ptr_eq(test.lane.due[TABLE_UDP], session);
	session->hot.packets_sent = 1;
	session_play(session, 30, 3000, 40, 1000);
	ck_assert_uint_eq(session->hot.resync, 1);
	ck_assert_uint_eq(session->cold.start_ms, 2000); /* the first one's */
	session_end(session, SESSION_TEARDOWN);
	ck_assert_ptr_null(test.lane.due[TABLE_UDP]);
}
END_TEST

/* Else a viewer who was behind before PAUSE is "too slow" at the first
 * packet that is late for another reason. */
START_TEST(who_was_behind_before_play_is_not_behind_after_it)
{
	struct session *session = new_session();

	session->behind_since_us = 1;
	session->behind_us = 1;
	session_play(session, 0, 0, 40, 1000);
	ck_assert_uint_eq(session->behind_since_us, 0);
	ck_assert_uint_eq(session->behind_us, 0);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(a_paused_session_is_due_no_more)
{
	struct session *sessions[3];

	for (unsigned i = 0; i < 3; i++) {
		sessions[i] = new_session();
		session_play(sessions[i], 0, 0, 40, 1000);
	}
	session_pause(sessions[1]);
	ck_assert(!sessions[1]->due);
	ck_assert_ptr_eq(test.lane.due[TABLE_UDP], sessions[2]);
	ck_assert_ptr_eq(test.lane.due[TABLE_UDP]->due_next, sessions[0]);
	ck_assert_ptr_null(test.lane.due[TABLE_UDP]->due_next->due_next);
	session_set_due(sessions[2]); /* once is enough */
	ck_assert_ptr_eq(test.lane.due[TABLE_UDP]->due_next, sessions[0]);
	for (unsigned i = 0; i < 3; i++)
		session_end(sessions[i], SESSION_TEARDOWN);
	ck_assert_ptr_null(test.lane.due[TABLE_UDP]);
}
END_TEST

/* --- receiver reports ----------------------------------------------------- */

START_TEST(reported_loss_is_summed_over_flows_and_never_sinks)
{
	struct session *session = new_session();
	struct rtcp_summary summary = { .report_count = 2 };

	ck_assert_int_eq(session_add_stream(session, AUDIO, to(5000)), 0);
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(5002)), 0);
	for (unsigned i = 0; i < 2; i++)
		summary.reports[i] = (struct rtcp_report){
			.ssrc = session->hot.flows[i].ssrc,
			.lost = 10 * (int32_t)(i + 1),
			.jitter = 33,
		};
	session->hot.deadline_us = 0;
	session_report(session, &summary);
	ck_assert_uint_eq(session->hot.packets_lost, 30);
	ck_assert_uint_eq(session->hot.jitter_ms, 33);
	ck_assert_uint_gt(session->hot.deadline_us, 0); /* it was heard */
	/* Late duplicates make it negative (RFC 3550 A.3). */
	summary.reports[0].lost = -5;
	session_report(session, &summary);
	ck_assert_uint_eq(session->hot.packets_lost, 30);
	summary.reports[0].ssrc ^= 1U << 31; /* nobody's */
	summary.reports[0].lost = 1000;
	session_report(session, &summary);
	ck_assert_uint_eq(session->hot.packets_lost, 30);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

/* --- goodbye -------------------------------------------------------------- */

static unsigned
count_byes(int fd)
{
	struct rtcp_summary summary;
	uint8_t data[1500];
	unsigned count = 0;
	ssize_t got;

	while ((got = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0) {
		ck_assert(rtcp_parse(data, (size_t)got, &summary));
		ck_assert(summary.has_bye);
		count++;
	}
	return count;
}

START_TEST(over_udp_each_media_line_gets_a_bye)
{
	struct session *session = new_session();
	struct sock_pair one, other, rtx;

	ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &one), 0);
	ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &other), 0);
	ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &rtx), 0);
	ck_assert_int_eq(session_add_stream(session, AUDIO, to(one.port)), 0);
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(other.port)), 0);
	session_set_rtx(session, to(rtx.port));
	session->cold.bye_extra = 2;
	session_bye_udp(session);
	ck_assert_uint_eq(count_byes(one.rtcp), 3);
	ck_assert_uint_eq(count_byes(other.rtcp), 1);
	ck_assert_uint_eq(count_byes(rtx.rtcp), 1);
	ck_assert_uint_eq(count_byes(one.rtp), 0);
	ck_assert_uint_eq(session->hot.end, TABLE_END_SAID);
	sock_pair_close(&one);
	sock_pair_close(&other);
	sock_pair_close(&rtx);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

static unsigned
count_frames(const uint8_t *data, size_t size, unsigned channel)
{
	struct rtcp_summary summary;
	unsigned count = 0;

	for (size_t at = 0; at < size;) {
		size_t length;

		ck_assert_uint_ge(size - at, 4);
		ck_assert_uint_eq(data[at], '$');
		length = (size_t)data[at + 2] << 8 | data[at + 3];
		ck_assert_uint_ge(size - at - 4, length);
		ck_assert(rtcp_parse(data + at + 4, length, &summary));
		ck_assert(summary.has_bye);
		count += data[at + 1] == channel;
		at += 4 + length;
	}
	return count;
}

START_TEST(over_tcp_each_media_line_gets_a_bye)
{
	struct session *session = new_session();
	uint8_t frames[SESSION_BYE_MAX];
	size_t size;

	session->cold.transport = TABLE_TCP;
	ck_assert_int_eq(session_add_stream(session, AUDIO, to(0)), 0);
	ck_assert_int_eq(session_add_stream(session, VIDEO, to(2)), 0);
	session_set_rtx(session, to(4));
	session->cold.bye_extra = 2;
	size = session_bye_frames(session, frames);
	ck_assert_uint_eq(count_frames(frames, size, 1), 3);
	ck_assert_uint_eq(count_frames(frames, size, 3), 1);
	ck_assert_uint_eq(count_frames(frames, size, 5), 1);
	ck_assert_uint_eq(session->hot.end, TABLE_END_SAID);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

/* What does not fit into an outbox would be cut in the middle of a frame. */
START_TEST(the_byes_of_the_largest_title_fit_into_an_outbox)
{
	struct session *session = new_session();
	uint8_t frames[SESSION_BYE_MAX];
	size_t size;

	session->cold.transport = TABLE_TCP;
	ck_assert_int_eq(session_add_stream(session, AUDIO, to(0)), 0);
	session->cold.bye_extra = ASF_STREAMS;
	size = session_bye_frames(session, frames);
	ck_assert_uint_le(size, TABLE_OUTBOX_BYTES);
	ck_assert_uint_ge(count_frames(frames, size, 1), 100);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(without_streams_nobody_is_said_goodbye_to)
{
	struct session *session = new_session();
	uint8_t frames[SESSION_BYE_MAX];

	session->cold.transport = TABLE_TCP;
	session_set_rtx(session, to(4));
	session->cold.bye_extra = 2;
	ck_assert_uint_eq(session_bye_frames(session, frames), 0);
	ck_assert_uint_eq(session->hot.end, TABLE_END_SAID);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

/* --- records and counters ------------------------------------------------- */

START_TEST(what_is_published_is_what_the_session_is)
{
	struct session *session = new_session();
	struct table_session hot;
	struct table_session_cold cold;

	ck_assert(table_read(
	    test.lane.table, 0, TABLE_SESSION, session->record, &hot));
	ck_assert_uint_eq(hot.state, TABLE_CLAIMED);
	ck_assert_int_eq(session_add_stream(session, AUDIO, to(5000)), 0);
	session_publish(session);
	ck_assert(table_read(
	    test.lane.table, 0, TABLE_SESSION, session->record, &hot));
	ck_assert(table_read(
	    test.lane.table, 0, TABLE_SESSION_COLD, session->record, &cold));
	ck_assert_mem_eq(&hot, &session->hot, sizeof(hot));
	ck_assert_mem_eq(&cold, &session->cold, sizeof(cold));
	ck_assert_str_eq(cold.user_agent, "Lavf58");
	ck_assert_uint_eq(cold.title, titles_record(title));
	session_end(session, SESSION_TEARDOWN);
	ck_assert(table_read(test.lane.table, 0, TABLE_SESSION, 0, &hot));
	ck_assert_uint_eq(hot.state, TABLE_FREE);
}
END_TEST

START_TEST(a_long_user_agent_is_cut)
{
	char agent[300];
	struct session *session = NULL;

	memset(agent, 'x', sizeof(agent));
	ck_assert_int_eq(
	    session_new(&test.lane, title, 0, NULL, &peer, &local,
		(struct rtsp_text){ agent, sizeof(agent) }, &session),
	    0);
	ck_assert_uint_eq(
	    strlen(session->cold.user_agent), TABLE_USER_AGENT_MAX - 1);
	table_counter_add(test.lane.table, 0, TABLE_SESSIONS, 1);
	session_end(session, SESSION_TEARDOWN);
}
END_TEST

START_TEST(what_ends_is_counted_no_more)
{
	struct session *sessions[5];

	for (unsigned i = 0; i < 5; i++) {
		sessions[i] = new_session();
		sessions[i]->hot.committed_bps = 1000 * (i + 1);
		table_counter_add(test.lane.table, 0, TABLE_COMMITTED_BPS,
		    (int64_t)sessions[i]->hot.committed_bps);
	}
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 5);
	ck_assert_uint_eq(counter(TABLE_SESSIONS_BEGUN), 5);
	for (unsigned i = 0; i < 5; i++)
		session_end(sessions[i], SESSION_TIMED_OUT);
	ck_assert_uint_eq(counter(TABLE_SESSIONS), 0);
	ck_assert_uint_eq(counter(TABLE_COMMITTED_BPS), 0);
	ck_assert_uint_eq(counter(TABLE_SESSIONS_ENDED), 5);
}
END_TEST

START_TEST(a_full_lane_takes_no_more_and_holds_nothing_for_it)
{
	struct session *sessions[64], *more = NULL;
	uint32_t count = table_capacity(test.lane.table, TABLE_SESSION);

	ck_assert_uint_le(count, ARRAY_LENGTH(sessions));
	for (uint32_t i = 0; i < count; i++)
		sessions[i] = new_session();
	ck_assert_int_eq(session_new(&test.lane, title, 0, NULL, &peer, &local,
			     RTSP_TEXT(""), &more),
	    -EUSERS);
	ck_assert_ptr_null(more);
	session_end(sessions[7], SESSION_TEARDOWN);
	sessions[7] = new_session();
	ck_assert_uint_eq(sessions[7]->record, 7);
	for (uint32_t i = 0; i < count; i++)
		session_end(sessions[i], SESSION_TEARDOWN);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("session");
	TCase *states = tcase_create("states"), *ids = tcase_create("ids");
	TCase *streams = tcase_create("streams"), *play = tcase_create("play");
	TCase *goodbye = tcase_create("goodbye");
	TCase *records = tcase_create("records");
	TCase *cases[] = { states, ids, streams, play, goodbye, records };
	SRunner *runner;
	int failed;

	tcase_add_test(states, methods_lead_where_the_rfc_says);
	tcase_add_test(states, every_cause_of_an_end_has_a_text_of_its_own);
	tcase_add_test(ids, no_id_is_given_twice);
	tcase_add_test(ids, an_id_with_one_wrong_character_finds_nothing);
	tcase_add_test(ids, an_id_of_another_length_finds_nothing);
	tcase_add_test(streams, streams_with_one_destination_share_a_flow);
	tcase_add_test(
	    streams, streams_with_other_destinations_have_flows_of_their_own);
	tcase_add_test(streams, a_stream_set_up_again_moves);
	tcase_add_test(
	    streams, flows_never_share_a_source_however_streams_move);
	tcase_add_test(streams, commands_ride_along_in_the_first_flow_alone);
	tcase_add_test(streams, a_flow_that_goes_leaves_the_others_as_they_are);
	tcase_add_test(streams, a_destination_too_many_changes_nothing);
	tcase_add_test(
	    streams, an_ssrc_finds_its_session_and_no_sequence_begins_with_0);
	tcase_add_test(
	    streams, an_ssrc_finds_the_last_of_the_most_sessions_too);
	tcase_add_test(streams, channels_are_used_by_tcp_alone_rtx_included);
	tcase_add_test(
	    streams, the_rate_counts_the_streams_set_up_with_all_headers);
	tcase_add_test(streams, the_rate_goes_with_speed);
	tcase_add_test(play, play_begins_the_time_line_anew);
	tcase_add_test(play, who_was_behind_before_play_is_not_behind_after_it);
	tcase_add_test(play, a_paused_session_is_due_no_more);
	tcase_add_test(
	    play, reported_loss_is_summed_over_flows_and_never_sinks);
	tcase_add_test(goodbye, over_udp_each_media_line_gets_a_bye);
	tcase_add_test(goodbye, over_tcp_each_media_line_gets_a_bye);
	tcase_add_test(
	    goodbye, the_byes_of_the_largest_title_fit_into_an_outbox);
	tcase_add_test(goodbye, without_streams_nobody_is_said_goodbye_to);
	tcase_add_test(records, what_is_published_is_what_the_session_is);
	tcase_add_test(records, a_long_user_agent_is_cut);
	tcase_add_test(records, what_ends_is_counted_no_more);
	tcase_add_test(
	    records, a_full_lane_takes_no_more_and_holds_nothing_for_it);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		tcase_add_checked_fixture(cases[i], begin, end);
		tcase_set_timeout(cases[i], 30);
		suite_add_tcase(suite, cases[i]);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
