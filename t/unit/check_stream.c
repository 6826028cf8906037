/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_stream - rules of pace and of what a packet looks like on the wire.
 * Pace is simulated with a clock of the test's own; what is emitted is taken
 * apart again.  The properties hold for each packet of the files in media/
 * and of the folder VODD_TEST_MEDIA names.
 */
#include "server/stream.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "asf_build.h"
#include "base/base.h"
#include "media/title.h"
#include "server/quirks.h"

#define ITEMS 2048
#define LIMIT 1400 /* payload bytes */

static struct stream_item item_room[ITEMS];
static uint8_t head_room[ITEMS * STREAM_HEAD_MAX];
static uint8_t copy_room[10 * (ASF_PACKET_MOST + ASF_REWRITE_ROOM)];
static struct stream_output output;

/* A packet with room in front, as a reader leaves it. */
static uint8_t packet_room[STREAM_ROOM + ASF_PACKET_MOST];
static uint8_t *const packet = packet_room + STREAM_ROOM;

static void
begin_output(void)
{
	output = (struct stream_output){
		.items = item_room,
		.item_limit = ITEMS,
		.heads = head_room,
		.heads_size = sizeof(head_room),
		.copies = copy_room,
		.copies_size = sizeof(copy_room),
	};
}

static struct table_session
session_at(uint32_t first_ms, uint32_t speed_milli)
{
	return (struct table_session){
		.state = TABLE_USED,
		.first_ms = first_ms,
		.base_us = 100 * US_PER_SECOND,
		.base_wall_us = UINT64_C(1700000000) * US_PER_SECOND,
		.speed_milli = speed_milli,
		.sr_due_ms = UINT32_MAX,
		.flow_count = 1,
		.flows = { { .ssrc = 0x11111111, .sequence = 1000 },
		    { .ssrc = 0x22222222, .sequence = 2000 },
		    { .ssrc = 0x33333333, .sequence = 3000 } },
	};
}

static struct table_session_cold
cold_of(enum table_transport transport)
{
	return (struct table_session_cold){
		.transport = transport,
		.payload_limit = LIMIT,
		.flow_streams = { { UINT64_MAX, UINT64_MAX } },
		.destination = { { 0, 1 }, { 2, 3 }, { 4, 5 } },
		.quirks = QUIRK_RESYNC,
	};
}

/* --- pace ----------------------------------------------------------------- */

START_TEST(a_packet_is_due_by_its_send_time)
{
	const struct table_session session = session_at(3000, 1000);
	uint64_t base_us = session.base_us;

	ck_assert_uint_eq(stream_due_us(&session, 3000), base_us);
	ck_assert_uint_eq(stream_due_us(&session, 3001), base_us + 1000);
	ck_assert_uint_eq(
	    stream_due_us(&session, 13000), base_us + 10 * US_PER_SECOND);
	ck_assert(stream_is_on_time(&session, 3000));
}
END_TEST

START_TEST(speed_stretches_and_shortens_the_time_line)
{
	struct table_session session = session_at(3000, 500);

	ck_assert_uint_eq(
	    stream_due_us(&session, 4000), session.base_us + 2 * US_PER_SECOND);
	session.speed_milli = 2000;
	ck_assert_uint_eq(
	    stream_due_us(&session, 4000), session.base_us + US_PER_SECOND / 2);
	session.speed_milli = 3000; /* no third of a microsecond is lost */
	ck_assert_uint_eq(stream_due_us(&session, 3000 + 3000000),
	    session.base_us + 1000 * US_PER_SECOND);
}
END_TEST

START_TEST(send_times_before_the_first_are_due_at_once)
{
	struct table_session session = session_at(3000, 1000);

	ck_assert_uint_eq(stream_due_us(&session, 2999), session.base_us);
	ck_assert_uint_eq(stream_due_us(&session, 0), session.base_us);
	stream_catch_up(&session, session.base_us + 7 * US_PER_SECOND, 5000);
	ck_assert_uint_eq(
	    stream_due_us(&session, 4999), session.base_us + 7 * US_PER_SECOND);
}
END_TEST

START_TEST(extreme_send_times_do_not_wrap)
{
	struct table_session session = session_at(0, 100);
	uint64_t before_us = 0;

	for (uint64_t at = 0; at <= UINT32_MAX; at += UINT32_MAX / 255) {
		uint64_t due_us = stream_due_us(&session, (uint32_t)at);

		ck_assert_uint_eq(due_us - session.base_us, at * 10000);
		ck_assert_uint_ge(due_us, before_us);
		before_us = due_us;
	}
	session.first_ms = UINT32_MAX;
	ck_assert_uint_eq(stream_due_us(&session, 0), session.base_us);
	ck_assert_uint_eq(stream_due_us(&session, UINT32_MAX), session.base_us);
	session.speed_milli = 16000;
	stream_catch_up(&session, UINT64_MAX / 2, 0);
	ck_assert_uint_gt(stream_due_us(&session, UINT32_MAX), UINT64_MAX / 2);
}
END_TEST

START_TEST(catching_up_takes_half_the_time_between_packets)
{
	struct table_session session = session_at(0, 1000);
	uint64_t now_us = session.base_us + 12 * US_PER_SECOND;

	stream_catch_up(&session, now_us, 10000); /* 2 s late */
	ck_assert(!stream_is_on_time(&session, 10000));
	ck_assert_uint_eq(stream_due_us(&session, 10000), now_us);
	ck_assert_uint_eq(
	    stream_due_us(&session, 10100), now_us + 50 * US_PER_MS);
	/* 4 s of media in 2 s: there the lines meet. */
	ck_assert(!stream_is_on_time(&session, 13999));
	ck_assert(stream_is_on_time(&session, 14000));
	ck_assert_uint_eq(stream_due_us(&session, 14000),
	    session.base_us + 14 * US_PER_SECOND);
	ck_assert_uint_eq(stream_due_us(&session, 15000),
	    session.base_us + 15 * US_PER_SECOND);
	ck_assert_uint_eq(stream_due_without_catching_up_us(&session, 12000),
	    session.base_us + 12 * US_PER_SECOND);
}
END_TEST

/* What the sender does with these functions, on a clock of our own. */
#define PACKET_MS 20
#define TICK_US (10 * US_PER_MS)
#define AHEAD_US (50 * US_PER_MS)
#define LATE_US (100 * US_PER_MS)
#define STALL_US (2 * US_PER_SECOND)
#define RUN_US (12 * US_PER_SECOND)

struct run {
	struct table_session session;
	uint64_t now_us, sent_at_us[4096];
	uint32_t next;
};

static void
send_due(struct run *run)
{
	for (;; run->next++) {
		uint32_t send_ms =
		    run->session.first_ms + run->next * PACKET_MS;
		uint64_t due_us = stream_due_us(&run->session, send_ms);

		if (due_us > run->now_us + AHEAD_US)
			return;
		ck_assert_uint_lt(run->next, ARRAY_LENGTH(run->sent_at_us));
		/* Never more than send-ahead early. */
		ck_assert_uint_ge(run->now_us + AHEAD_US,
		    stream_due_without_catching_up_us(&run->session, send_ms));
		if (due_us + LATE_US < run->now_us)
			stream_catch_up(&run->session, run->now_us, send_ms);
		run->sent_at_us[run->next] = run->now_us;
	}
}

/* Packets that left in a window are no more than twice the rate allows. */
static void
check_rate_since(const struct run *run, uint64_t from_us)
{
	uint64_t packet_us = PACKET_MS * 1000 * 1000 / run->session.speed_milli;

	for (uint32_t a = 0; a < run->next; a++) {
		if (run->sent_at_us[a] < from_us)
			continue;
		for (uint32_t b = a; b < run->next; b += 7) {
			uint64_t window_us =
			    run->sent_at_us[b] - run->sent_at_us[a];
			uint64_t media_us = (b - a) * packet_us;

			ck_assert_uint_le(media_us,
			    2 * (window_us + AHEAD_US + TICK_US) + packet_us);
		}
	}
}

START_TEST(a_stall_is_caught_up_at_twice_the_rate)
{
	static const uint32_t speeds[] = { 500, 1000, 2000 };
	static struct run run;
	uint64_t begun_us, stalled_us, late_us;

	run = (struct run){ .session = session_at(77, speeds[_i]) };
	begun_us = run.now_us = run.session.base_us;
	for (; run.now_us < begun_us + 3 * US_PER_SECOND; run.now_us += TICK_US)
		send_due(&run);
	stalled_us = run.now_us += STALL_US;
	for (; run.now_us < begun_us + RUN_US; run.now_us += TICK_US)
		send_due(&run);
	check_rate_since(&run, stalled_us);
	/* Twice the rate makes up a second each second. */
	for (uint32_t i = 0; i < run.next; i++) {
		late_us = stream_due_without_catching_up_us(
		    &run.session, 77 + i * PACKET_MS);
		late_us = run.sent_at_us[i] > late_us
			      ? run.sent_at_us[i] - late_us
			      : 0;
		if (run.sent_at_us[i] > stalled_us + STALL_US + TICK_US)
			ck_assert_uint_le(late_us, TICK_US);
		ck_assert_uint_le(late_us, STALL_US + TICK_US);
	}
	/* Nothing was left out. */
	ck_assert_uint_ge(run.next,
	    (RUN_US - TICK_US) / 1000 * speeds[_i] / 1000 / PACKET_MS);
}
END_TEST

/* --- what is emitted ------------------------------------------------------ */

/* One item as it goes out, its padding included. */
static size_t
datagram_of(const struct stream_item *item, uint8_t *out)
{
	size_t at = item->head_bytes;

	memcpy(out, item->head, item->head_bytes);
	if (item->body_bytes > 0)
		memcpy(out + at, item->body, item->body_bytes);
	at += item->body_bytes;
	memset(out + at, 0, item->padding);
	at += item->padding;
	if (item->padding > 0)
		out[at - 1] = item->padding;
	return at;
}

struct seen {
	struct rtp_header rtp;
	struct rtp_asf_header asf;
	const uint8_t *data;
	size_t data_bytes, all_bytes;
};

/* Item I taken apart; interleaved ones behind their four bytes. */
static struct seen
see(size_t i, bool interleaved)
{
	static uint8_t datagram[4 + RTP_HEADERS_BYTES + ASF_PACKET_MOST];
	const uint8_t *payload, *at = datagram;
	size_t payload_bytes, all;
	struct seen seen;

	ck_assert_uint_lt(i, output.item_count);
	ck_assert(!output.items[i].rtcp);
	all = datagram_of(&output.items[i], datagram);
	ck_assert_uint_eq(all, stream_item_bytes(&output.items[i]));
	if (interleaved) {
		ck_assert_uint_eq(at[0], '$');
		ck_assert_uint_eq((size_t)at[2] << 8 | at[3], all - 4);
		at += 4;
		all -= 4;
	}
	ck_assert(rtp_parse(at, all, &seen.rtp, &payload, &payload_bytes));
	ck_assert(rtp_parse_asf_header(payload, payload_bytes, &seen.asf));
	ck_assert_uint_eq(seen.asf.header_bytes, RTP_ASF_HEADER_BYTES);
	ck_assert_uint_eq(seen.rtp.payload_type, RTP_PAYLOAD_TYPE);
	seen.data = payload + RTP_ASF_HEADER_BYTES;
	seen.data_bytes = payload_bytes - RTP_ASF_HEADER_BYTES;
	seen.all_bytes = all;
	return seen;
}

/*
 * An ASF packet of PACKET_BYTES whose payloads, of streams 1 and 2, leave so
 * much that without padding it has BYTES bytes.
 */
static void
put_packet(uint32_t packet_bytes, uint32_t bytes, uint32_t send_ms, bool key)
{
	struct build build = build_new();
	/* Front 14, each payload 17; without the padding's length as long. */
	uint32_t data = bytes - 14 - 2 * 17;
	struct build_payload payloads[] = {
		{ 1, 1, 0, 20, send_ms + 3000, 20 },
		{ key ? 0x82 : 2, 1, 0, data - 20, send_ms + 3000, data - 20 },
	};

	build_packet(&build, packet_bytes, send_ms, 40, payloads, 2);
	memcpy(packet, build.data, packet_bytes);
	free(build.data);
}

/* Emits it; what a client would put together again must be the cut packet. */
static int
emit(struct table_session *session, const struct table_session_cold *cold,
    uint32_t packet_bytes, uint32_t send_ms)
{
	begin_output();
	return stream_emit(
	    session, cold, packet, packet_bytes, send_ms, &output);
}

static uint32_t
cut_of(uint32_t packet_bytes, struct asf_set wanted, uint8_t *out)
{
	struct asf_packet parsed;
	bool key;

	ck_assert_int_eq(
	    asf_packet_parse(packet, packet_bytes, &parsed), ASF_OK);
	return asf_packet_copy(
	    packet, packet_bytes, &parsed, wanted, out, &key);
}

static const struct asf_set every_stream = { { UINT64_MAX, UINT64_MAX } };

START_TEST(a_packet_that_fits_goes_whole)
{
	struct table_session session = session_at(0, 1000);
	const struct table_session_cold cold = cold_of(TABLE_UDP);
	uint8_t cut[2000];
	uint32_t bytes;
	struct seen seen;

	put_packet(1000, 1000, 123456, true);
	bytes = cut_of(1000, every_stream, cut);
	ck_assert_int_eq(emit(&session, &cold, 1000, 123456), 0);
	ck_assert_uint_eq(output.item_count, 1);
	seen = see(0, false);
	ck_assert(seen.rtp.marker);
	ck_assert(!seen.rtp.padding);
	ck_assert_uint_eq(seen.rtp.sequence, 1000);
	ck_assert_uint_eq(seen.rtp.timestamp, 123456);
	ck_assert_uint_eq(seen.rtp.ssrc, 0x11111111);
	ck_assert(seen.asf.whole);
	ck_assert(seen.asf.key_frame);
	ck_assert_uint_eq(seen.asf.length_or_offset, bytes + 4);
	ck_assert_uint_eq(seen.data_bytes, bytes);
	ck_assert_mem_eq(seen.data, cut, bytes);
	ck_assert_uint_eq(session.packet, 1);
	ck_assert_uint_eq(session.item, 0);
	ck_assert_uint_eq(session.flows[0].sequence, 1001);
	ck_assert_uint_eq(session.flows[0].octets, bytes + 4);
	ck_assert_uint_eq(session.bytes_sent, 16 + bytes);
	put_packet(1000, 1000, 123456, false);
	ck_assert_int_eq(emit(&session, &cold, 1000, 123456), 0);
	ck_assert(!see(0, false).asf.key_frame);
}
END_TEST

START_TEST(fragments_are_equally_long_and_make_the_packet)
{
	static uint8_t cut[ASF_PACKET_MOST + ASF_REWRITE_ROOM], got[1 << 17];
	static const uint32_t sizes[] = { 1396, 1397, 2792, 2793, 3200, 16000,
		65535 };
	struct table_session session = session_at(0, 1000);
	const struct table_session_cold cold =
	    cold_of(_i % 2 == 0 ? TABLE_UDP : TABLE_TCP);
	uint32_t packet_bytes = sizes[_i / 2], bytes, at = 0;
	size_t count = (packet_bytes + 1395) / 1396;
	uint32_t full = (uint32_t)((packet_bytes + count - 1) / count);

	put_packet(packet_bytes, packet_bytes, 5, true);
	bytes = cut_of(packet_bytes, every_stream, cut);
	ck_assert_int_eq(emit(&session, &cold, packet_bytes, 5), 0);
	ck_assert_uint_eq(output.item_count, count);
	ck_assert_uint_eq(stream_fragments(packet_bytes, LIMIT), count);
	for (size_t i = 0; i < count; i++) {
		struct seen seen = see(i, cold.transport == TABLE_TCP);

		ck_assert_uint_le(seen.data_bytes + 4, LIMIT);
		if (i < count - 1)
			ck_assert_uint_eq(seen.data_bytes, full);
		ck_assert(seen.asf.key_frame);
		ck_assert(seen.asf.whole == (count == 1));
		ck_assert_uint_eq(
		    seen.asf.length_or_offset, count == 1 ? bytes + 4 : at);
		ck_assert(seen.rtp.marker == (i == count - 1));
		ck_assert_uint_eq(seen.rtp.timestamp, 5);
		ck_assert_uint_eq(seen.rtp.sequence, 1000 + i);
		memcpy(got + at, seen.data, seen.data_bytes);
		at += (uint32_t)seen.data_bytes;
	}
	ck_assert_uint_eq(at, bytes);
	ck_assert_mem_eq(got, cut, bytes);
}
END_TEST

START_TEST(rtp_padding_makes_one_flow_over_udp_equally_long)
{
	for (uint32_t missing = 0; missing <= 300; missing++) {
		struct table_session session = session_at(0, 1000);
		const struct table_session_cold cold = cold_of(TABLE_UDP);
		struct seen seen;

		put_packet(1000, 1000 - missing, 5, true);
		ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
		seen = see(0, false);
		ck_assert_uint_eq(seen.data_bytes, 1000 - missing);
		ck_assert_uint_eq(output.items[0].padding,
		    missing <= RTP_PADDING_MAX ? missing : 0);
		ck_assert(seen.rtp.padding == (output.items[0].padding != 0));
		ck_assert_uint_eq(seen.all_bytes,
		    16 + (missing <= RTP_PADDING_MAX ? 1000 : 1000 - missing));
		/* Padding is no octet of a sender report (RFC 3550 6.4.1). */
		ck_assert_uint_eq(session.flows[0].octets, 1004 - missing);
	}
}
END_TEST

/* Stream 2, then 1, set up at places of their own; nothing at the third. */
static void
set_up_apart(struct table_session *session, struct table_session_cold *cold)
{
	memset(cold->flow_streams, 0, sizeof(cold->flow_streams));
	cold->flow_streams[0][0] = 1 << 2;
	cold->flow_streams[1][0] = 1 << 1;
	cold->flow_streams[2][0] = 1 << 3;
	session->flow_count = 3;
}

START_TEST(nothing_is_padded_over_tcp_or_in_several_flows)
{
	struct table_session session = session_at(0, 1000);
	struct table_session_cold cold = cold_of(TABLE_TCP);

	put_packet(1000, 900, 5, true);
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	ck_assert_uint_eq(output.items[0].padding, 0);
	ck_assert(!see(0, true).rtp.padding);

	cold = cold_of(TABLE_UDP);
	set_up_apart(&session, &cold);
	put_packet(1000, 900, 5, true);
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	ck_assert_uint_eq(output.item_count, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(output.items[i].padding, 0);
		ck_assert(!see(i, false).rtp.padding);
	}
}
END_TEST

START_TEST(frames_name_the_channels_of_their_flow)
{
	struct table_session session = session_at(0, 1000);
	struct table_session_cold cold = cold_of(TABLE_TCP);
	static const uint8_t channels[] = { 7, 255, 5, 6, 200 };

	set_up_apart(&session, &cold);
	cold.destination[0] = (struct table_destination){ 6, 7 };
	cold.destination[1] = (struct table_destination){ 200, 255 };
	session.sr_due_ms = 0;
	put_packet(1000, 900, 5, true);
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	ck_assert_uint_eq(output.item_count, ARRAY_LENGTH(channels));
	for (size_t i = 0; i < ARRAY_LENGTH(channels); i++)
		ck_assert_uint_eq(output.items[i].head[1], channels[i]);
}
END_TEST

START_TEST(each_flow_gets_its_streams_alone)
{
	struct table_session session = session_at(0, 1000);
	struct table_session_cold cold = cold_of(TABLE_UDP);
	uint8_t cut[3][1008];
	uint32_t bytes[3];

	set_up_apart(&session, &cold);
	put_packet(1000, 900, 5, true);
	for (unsigned flow = 0; flow < 3; flow++)
		bytes[flow] = cut_of(1000,
		    (struct asf_set){ { cold.flow_streams[flow][0], 0 } },
		    cut[flow]);
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	ck_assert_uint_eq(output.item_count, 2);
	for (unsigned flow = 0; flow < 2; flow++) {
		struct seen seen = see(flow, false);

		ck_assert_uint_eq(output.items[flow].flow, flow);
		ck_assert_uint_eq(seen.rtp.ssrc, session.flows[flow].ssrc);
		ck_assert_uint_eq(seen.rtp.sequence, (flow + 1) * 1000);
		ck_assert_uint_eq(seen.data_bytes, bytes[flow]);
		ck_assert_mem_eq(seen.data, cut[flow], bytes[flow]);
		/* The key frame is the second stream's. */
		ck_assert(seen.asf.key_frame == (flow == 0));
	}
	/* Nothing for it was in the packet: its sequence stands. */
	ck_assert_uint_eq(session.flows[2].sequence, 3000);
	ck_assert_uint_eq(session.flows[2].packets, 0);
}
END_TEST

START_TEST(who_shows_one_flow_alone_gets_all_streams_in_the_first)
{
	struct table_session session = session_at(0, 1000);
	struct table_session_cold cold = cold_of(TABLE_UDP);
	uint8_t cut[1008];
	uint32_t bytes;
	struct seen seen;

	set_up_apart(&session, &cold);
	cold.quirks = QUIRK_ONE_FLOW | QUIRK_RESYNC;
	session.sr_due_ms = 0;
	session.resync = 1;
	put_packet(1000, 900, 5, true);
	bytes = cut_of(1000, every_stream, cut);
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	/* report, two that resync, packet */
	ck_assert_uint_eq(output.item_count, 4);
	seen = see(3, false);
	ck_assert_uint_eq(seen.data_bytes, bytes);
	ck_assert_mem_eq(seen.data, cut, bytes);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(output.items[i].flow, 0);
	ck_assert_uint_eq(session.flows[0].sequence, 1003);
	ck_assert_uint_eq(session.flows[1].sequence, 2000);
}
END_TEST

START_TEST(streams_that_were_not_set_up_are_taken_out)
{
	struct table_session session = session_at(0, 1000);
	struct table_session_cold cold = cold_of(TABLE_UDP);
	uint8_t cut[1008];
	uint32_t bytes;
	struct seen seen;

	cold.flow_streams[0][0] = 1 << (1 + _i);
	cold.flow_streams[0][1] = 0;
	put_packet(1000, 900, 5, true);
	bytes = cut_of(
	    1000, (struct asf_set){ { UINT64_C(1) << (1 + _i), 0 } }, cut);
	ck_assert_uint_lt(bytes, 900);
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	ck_assert_uint_eq(output.item_count, 1);
	seen = see(0, false);
	ck_assert_uint_eq(seen.data_bytes, bytes);
	ck_assert_mem_eq(seen.data, cut, bytes);
	/* The key frame is the second stream's. */
	ck_assert(seen.asf.key_frame == (_i == 1));
}
END_TEST

START_TEST(a_packet_with_nothing_for_the_session_is_passed_over)
{
	struct table_session session = session_at(0, 1000), before;
	struct table_session_cold cold = cold_of(TABLE_UDP);

	cold.flow_streams[0][0] = 1 << 5;
	cold.flow_streams[0][1] = 0;
	put_packet(1000, 900, 5, true);
	before = session;
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	ck_assert_uint_eq(output.item_count, 0);
	before.packet++;
	ck_assert_mem_eq(&session, &before, sizeof(session));
}
END_TEST

START_TEST(the_sequence_wraps)
{
	struct table_session session = session_at(0, 1000);
	const struct table_session_cold cold = cold_of(TABLE_UDP);

	session.flows[0].sequence = 65534;
	for (unsigned i = 0; i < 4; i++) {
		put_packet(1000, 1000, i, true);
		ck_assert_int_eq(emit(&session, &cold, 1000, i), 0);
		ck_assert_uint_eq(
		    see(0, false).rtp.sequence, (uint16_t)(65534 + i));
	}
	ck_assert_uint_eq(session.flows[0].sequence, 2);
	ck_assert_uint_eq(session.flows[0].packets, 4);
}
END_TEST

/* --- sender reports ------------------------------------------------------- */

static struct rtcp_summary
report_at(size_t i)
{
	const struct stream_item *item = &output.items[i];
	struct rtcp_summary summary;
	size_t prefix;

	ck_assert_uint_lt(i, output.item_count);
	ck_assert(item->rtcp);
	ck_assert_uint_eq(item->body_bytes, 0);
	prefix = item->head[0] == '$' ? 4 : 0; /* interleaved */
	ck_assert(rtcp_parse(
	    item->head + prefix, item->head_bytes - prefix, &summary));
	ck_assert(summary.has_sender_report);
	return summary;
}

static uint64_t
ntp_of(uint64_t wall_us)
{
	uint64_t seconds = wall_us / US_PER_SECOND + UINT64_C(2208988800);

	return seconds << 32 | (wall_us % US_PER_SECOND << 32) / US_PER_SECOND;
}

START_TEST(reports_stand_before_the_first_packet_and_each_five_seconds)
{
	struct table_session session = session_at(1000, 1000);
	struct table_session_cold cold = cold_of(TABLE_UDP);

	set_up_apart(&session, &cold);
	session.flow_count = 2;
	session.sr_due_ms = 1000;
	for (uint32_t at = 1000; at < 20000; at += 100) {
		bool due = (at - 1000) % STREAM_REPORT_MS == 0;

		put_packet(1000, 900, at, true);
		ck_assert_int_eq(emit(&session, &cold, 1000, at), 0);
		ck_assert_uint_eq(output.item_count, due ? 4U : 2U);
		for (unsigned flow = 0; flow < 2; flow++) {
			ck_assert(output.items[flow].rtcp == due);
			ck_assert_uint_eq(output.items[flow].flow, flow);
		}
	}
}
END_TEST

START_TEST(a_report_tells_what_was_sent_and_when_it_is)
{
	static const uint32_t speeds[] = { 500, 1000, 2000 };
	struct table_session session = session_at(1000, speeds[_i]);
	const struct table_session_cold cold = cold_of(TABLE_UDP);
	struct rtcp_summary summary;
	uint64_t wall_us, apart;

	session.flows[0].packets = 7;
	session.flows[0].octets = 7777;
	session.sr_due_ms = 0;
	put_packet(1000, 900, 4000, true);
	ck_assert_int_eq(emit(&session, &cold, 1000, 4000), 0);
	summary = report_at(0);
	ck_assert_uint_eq(summary.sender_ssrc, 0x11111111);
	ck_assert_uint_eq(summary.sr_rtp_timestamp, 4000);
	wall_us = session.base_wall_us + 3 * US_PER_SECOND * 1000 / speeds[_i];
	apart = summary.sr_ntp - ntp_of(wall_us) + (1 << 14);
	ck_assert_uint_le(apart, 1 << 15); /* 4 us */
	/* RFC 3550 6.4.1: counts of packets and octets. */
	ck_assert_uint_eq(output.items[0].head[23], 7);
	ck_assert_uint_eq(
	    (unsigned)output.items[0].head[26] << 8 | output.items[0].head[27],
	    7777);
	/* It has no sequence number and is no packet of the flow. */
	ck_assert_uint_eq(session.flows[0].packets, 8);
	ck_assert_uint_eq(see(1, false).rtp.sequence, 1000);
}
END_TEST

/* Half sent, they go on as what they were, one by one. */
START_TEST(reports_in_a_gap_are_the_same_from_any_of_them_on)
{
	struct table_session start = session_at(1000, 1000), all, one, next;
	struct table_session_cold cold = cold_of(TABLE_TCP);
	struct stream_item whole[3];
	uint8_t bytes[3][STREAM_HEAD_MAX];

	set_up_apart(&start, &cold);
	start.flow_count = 3;
	start.packet = 5;
	start.resync = 1;
	start.sr_due_ms = 3000;
	ck_assert(!stream_is_gap(&start, &cold, 4000));
	ck_assert(stream_is_gap(&start, &cold, 4001));
	all = one = start;
	begin_output();
	ck_assert_int_eq(stream_emit_reports(&all, &cold, 3500, &output), 0);
	ck_assert_uint_eq(output.item_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		whole[i] = output.items[i];
		ck_assert_uint_eq(report_at(i).sr_rtp_timestamp, 3000);
		memcpy(bytes[i], whole[i].head, whole[i].head_bytes);
	}
	ck_assert_uint_eq(all.sr_due_ms, 4500);
	ck_assert_uint_eq(all.packet, 5);
	ck_assert_uint_eq(all.item, 0);
	ck_assert_uint_eq(all.resync, 1);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(stream_is_gap(&one, &cold, 9000));
		begin_output();
		output.item_limit = 1;
		next = one;
		ck_assert_int_eq(
		    stream_emit_reports(&one, &cold, 3500, &output),
		    i < 2 ? -ENOBUFS : 0);
		ck_assert_mem_eq(
		    output.items[0].head, bytes[i], whole[i].head_bytes);
		stream_advance(&next, &output.items[0]);
		ck_assert_mem_eq(&next, &one, sizeof(one));
	}
	ck_assert_mem_eq(&one, &all, sizeof(all));
	/* Behind them the packet has begun, whatever time it tells. */
	one.item = 3;
	ck_assert(!stream_is_gap(&one, &cold, 9000));
}
END_TEST

START_TEST(it_is_as_late_as_what_is_due)
{
	static const uint32_t speeds[] = { 500, 1000, 2000 };
	struct table_session session = session_at(1000, speeds[_i]);

	for (uint32_t at = 1000; at < 100000; at += 777) {
		uint64_t due_us = stream_due_us(&session, at);

		/* Microseconds may be rounded down. */
		ck_assert_uint_le(stream_time_ms(&session, due_us), at);
		ck_assert_uint_ge(stream_time_ms(&session, due_us + 2), at);
		if (at == 1000 + 30 * 777)
			stream_catch_up(
			    &session, due_us + 9 * US_PER_SECOND, at);
	}
	ck_assert_uint_eq(stream_time_ms(&session, 0), 1000);
	ck_assert_uint_eq(stream_time_ms(&session, UINT64_MAX), UINT32_MAX);
}
END_TEST

START_TEST(reports_stay_five_seconds_apart_at_the_end_of_all_times)
{
	struct table_session session = session_at(UINT32_MAX - 100, 1000);
	const struct table_session_cold cold = cold_of(TABLE_UDP);
	unsigned reports = 0;

	session.sr_due_ms = session.first_ms;
	for (uint32_t i = 0; i < 10; i++) {
		uint32_t send_ms = session.first_ms + i * 10;

		put_packet(1000, 900, send_ms, true);
		ck_assert_int_eq(emit(&session, &cold, 1000, send_ms), 0);
		reports += output.items[0].rtcp;
	}
	ck_assert_uint_eq(reports, 1);
}
END_TEST

/* --- back into step behind a jump ----------------------------------------- */

START_TEST(the_first_packet_behind_a_jump_is_zero)
{
	static const uint32_t sizes[] = { 100, 1000, 1396, 16000, 65535 };
	static uint8_t got[ASF_PACKET_MOST];
	struct table_session session = session_at(0, 1000);
	struct table_session_cold cold = cold_of(TABLE_UDP);
	uint32_t packet_bytes = sizes[_i], at = 0;
	size_t count = stream_fragments(packet_bytes, LIMIT);

	cold.flow_streams[0][0] = 1 << 1 | 1 << 2 | 1 << 3;
	cold.flow_streams[0][1] = 0;
	session.resync = 1;
	put_packet(packet_bytes, packet_bytes, 5, true);
	ck_assert_int_eq(emit(&session, &cold, packet_bytes, 5), 0);
	ck_assert_uint_eq(output.item_count, 2 * count + 1);
	for (size_t i = 0; i < count; i++) {
		struct seen seen = see(i, false);

		ck_assert_uint_eq(seen.rtp.timestamp, 5);
		ck_assert(!seen.asf.key_frame);
		ck_assert(seen.rtp.marker == (i == count - 1));
		memcpy(got + at, seen.data, seen.data_bytes);
		at += (uint32_t)seen.data_bytes;
	}
	ck_assert_uint_eq(at, packet_bytes);
	for (at = 0; at < packet_bytes; at++)
		ck_assert_uint_eq(got[at], 0);
	ck_assert_uint_eq(session.resync, 0);
	put_packet(packet_bytes, packet_bytes, 5, true);
	ck_assert_int_eq(emit(&session, &cold, packet_bytes, 5), 0);
	ck_assert_uint_eq(output.item_count, count);
}
END_TEST

/* The payloads of item I are of STREAMS, and end every object begun before. */
static void
check_forget(size_t i, const uint8_t *streams, unsigned count)
{
	struct seen seen = see(i, false);
	struct asf_packet parsed;

	ck_assert(seen.asf.whole);
	ck_assert(!seen.asf.key_frame);
	ck_assert_int_eq(
	    asf_packet_parse(seen.data, (uint32_t)seen.data_bytes, &parsed),
	    ASF_OK);
	ck_assert_uint_eq(parsed.used_bytes, seen.data_bytes);
	ck_assert_uint_eq(parsed.payload_count, count);
	for (unsigned n = 0; n < count; n++) {
		const struct asf_payload *payload = &parsed.payloads[n];

		ck_assert_uint_eq(payload->stream, streams[n]);
		ck_assert(payload->starts_object);
		ck_assert_uint_eq(payload->data_bytes, 0);
		ck_assert_uint_gt(payload->object_bytes, 1000000);
		/* What is more is refused, and nothing dropped. */
		ck_assert_uint_lt(payload->object_bytes, 1 << 24);
	}
}

START_TEST(the_second_packet_behind_a_jump_drops_what_came_in_part)
{
	struct table_session session = session_at(0, 1000);
	struct table_session_cold cold = cold_of(TABLE_UDP);
	uint8_t many[63];

	for (unsigned i = 0; i < ARRAY_LENGTH(many); i++)
		many[i] = (uint8_t)(i + 1);
	session.resync = 1;
	put_packet(LIMIT - RTP_ASF_HEADER_BYTES, 1000, 5, true);
	ck_assert_int_eq(
	    emit(&session, &cold, LIMIT - RTP_ASF_HEADER_BYTES, 5), 0);
	check_forget(1, many, ARRAY_LENGTH(many));

	/* Each flow gets what is for its streams. */
	session = session_at(0, 1000);
	set_up_apart(&session, &cold);
	session.resync = 1;
	put_packet(1000, 1000, 5, true);
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	for (unsigned flow = 0; flow < 3; flow++) {
		const uint8_t stream = (const uint8_t[]){ 2, 1, 3 }[flow];

		ck_assert_uint_eq(output.items[2 * flow + 1].flow, flow);
		check_forget(2 * flow + 1, &stream, 1);
	}
}
END_TEST

START_TEST(who_is_in_step_gets_nothing_behind_a_jump)
{
	struct table_session session = session_at(0, 1000);
	struct table_session_cold cold = cold_of(TABLE_UDP);

	session.resync = 1;
	cold.quirks = 0;
	put_packet(1000, 1000, 5, true);
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	ck_assert_uint_eq(output.item_count, 1);
	ck_assert_uint_eq(session.resync, 0);
}
END_TEST

START_TEST(a_packet_that_does_not_parse_is_passed_over)
{
	struct table_session session = session_at(0, 1000);
	struct table_session_cold cold = cold_of(TABLE_UDP);

	cold.flow_streams[0][0] = 1 << 1 | 1 << 2 | 1 << 3;
	cold.flow_streams[0][1] = 0;
	session.resync = 1;
	session.sr_due_ms = 0;
	put_packet(1000, 900, 5, true);
	packet[13] = 0x3f | 0x00; /* payloads without a length */
	ck_assert_int_eq(emit(&session, &cold, 1000, 5), 0);
	ck_assert_uint_eq(output.item_count, 0);
	ck_assert_uint_eq(session.packet, 1);
	/* What stands before the first packet stands before the next. */
	ck_assert_uint_eq(session.sr_due_ms, 0);
	ck_assert_uint_eq(session.resync, 1);
	put_packet(1000, 900, 45, true);
	ck_assert_int_eq(emit(&session, &cold, 1000, 45), 0);
	ck_assert_uint_eq(output.item_count, 4);
}
END_TEST

/* --- emitting bit by bit -------------------------------------------------- */

START_TEST(without_room_the_session_stands_before_what_did_not_fit)
{
	const struct table_session_cold cold = cold_of(TABLE_UDP);
	struct table_session session = session_at(0, 1000);

	begin_output();
	output.heads_size = RTP_HEADERS_BYTES + 3; /* the first has room */
	put_packet(16000, 16000, 5, true);
	ck_assert_int_eq(
	    stream_emit(&session, &cold, packet, 16000, 5, &output), -ENOBUFS);
	ck_assert_uint_eq(output.item_count, 2);
	ck_assert_uint_eq(session.packet, 0);
	ck_assert_uint_eq(session.item, 2);
	ck_assert_uint_eq(session.flows[0].sequence, 1002);

	session = session_at(0, 1000);
	session.resync = 1;
	begin_output();
	output.copies_size = 15999;
	put_packet(16000, 16000, 5, true);
	ck_assert_int_eq(
	    stream_emit(&session, &cold, packet, 16000, 5, &output), -ENOBUFS);
	ck_assert_uint_eq(output.item_count, 0);
	ck_assert_uint_eq(session.item, 0);
	ck_assert_uint_eq(session.resync, 1);
}
END_TEST

/* All that a packet emits, one behind the other, and where each item ends. */
struct flat {
	uint8_t *bytes;
	size_t size, ends[ITEMS], count;
};

static uint8_t whole_bytes[2 << 20], parts_bytes[2 << 20];

static void
flatten(struct flat *flat)
{
	for (size_t i = 0; i < output.item_count; i++) {
		ck_assert_uint_lt(flat->size + ASF_PACKET_MOST, 2 << 20);
		flat->size +=
		    datagram_of(&output.items[i], flat->bytes + flat->size);
		flat->ends[flat->count++] = flat->size;
	}
}

static uint8_t original[ASF_PACKET_MOST];

static int
emit_from(struct table_session *session, const struct table_session_cold *cold,
    uint32_t packet_bytes, uint32_t send_ms, size_t limit)
{
	memcpy(packet, original, packet_bytes);
	begin_output();
	output.item_limit = limit;
	return stream_emit(
	    session, cold, packet, packet_bytes, send_ms, &output);
}

/* From any item on, and one by one, the bytes are those of all at once. */
static void
check_resuming(const struct table_session *start,
    const struct table_session_cold *cold, uint32_t packet_bytes,
    uint32_t send_ms)
{
	static struct flat whole, parts;
	static struct stream_item items[ITEMS];
	struct table_session all = *start, one = *start, from;
	int error;

	whole = (struct flat){ .bytes = whole_bytes };
	parts = (struct flat){ .bytes = parts_bytes };
	ck_assert_int_eq(
	    emit_from(&all, cold, packet_bytes, send_ms, ITEMS), 0);
	memcpy(items, output.items, output.item_count * sizeof(items[0]));
	flatten(&whole);
	do {
		error = emit_from(&one, cold, packet_bytes, send_ms, 1);
		ck_assert(error == 0 || error == -ENOBUFS);
		ck_assert(output.item_count == 1 || error == 0);
		flatten(&parts);
	} while (error != 0);
	ck_assert_uint_eq(parts.count, whole.count);
	ck_assert_uint_eq(parts.size, whole.size);
	ck_assert_mem_eq(parts.bytes, whole.bytes, whole.size);
	ck_assert_mem_eq(&one, &all, sizeof(all));

	from = *start;
	for (size_t i = 0; i < whole.count; i++) {
		struct table_session rest = from;

		parts.size = parts.count = 0;
		ck_assert_int_eq(
		    emit_from(&rest, cold, packet_bytes, send_ms, ITEMS), 0);
		flatten(&parts);
		ck_assert_uint_eq(parts.count, whole.count - i);
		ck_assert_mem_eq(parts.bytes,
		    whole.bytes + (i > 0 ? whole.ends[i - 1] : 0), parts.size);
		ck_assert_mem_eq(&rest, &all, sizeof(all));
		stream_advance(&from, &items[i]);
	}
	if (whole.count > 0)
		ck_assert_mem_eq(&from, &all, sizeof(all));
}

/* Streams as clients set them up: at one place, at three, at two. */
static void
spread(struct table_session *session, struct table_session_cold *cold,
    const struct asf_header *header, unsigned way)
{
	unsigned flows = way % 3 == 0 ? 1 : way % 3 == 1 ? 3 : 2, next = 0;

	memset(cold->flow_streams, 0, sizeof(cold->flow_streams));
	session->flow_count = flows;
	for (unsigned stream = 1; stream < ASF_STREAMS; stream++)
		if (header->streams[stream].there)
			cold->flow_streams[next++ % flows][stream / 64] |=
			    UINT64_C(1) << stream % 64;
}

static void
check_title(const struct title *title)
{
	uint32_t packet_bytes = title_packet_bytes(title), send_ms;
	uint32_t packets = title_packets(title);
	uint32_t step = MAX_OF(packets / 40, 1);
	static const uint32_t limits[] = { 1448, 512, 8948, 1200 };
	unsigned way = 0;

	for (uint32_t at = 0; at < packets; at += step, way++) {
		struct table_session session = session_at(0, 1000);
		struct table_session_cold cold =
		    cold_of(way % 2 == 0 ? TABLE_UDP : TABLE_TCP);

		spread(&session, &cold, title_header(title), way);
		ck_assert_int_eq(
		    title_read_packets(title, at, 1, original, packet_bytes),
		    1);
		if (asf_packet_send_time(original, packet_bytes, &send_ms) !=
		    ASF_OK)
			continue;
		cold.quirks = QUIRK_RESYNC;
		if (way % 11 == 0)
			cold.quirks |= QUIRK_ONE_FLOW;
		cold.payload_limit = limits[way / 2 % ARRAY_LENGTH(limits)];
		session.packet = at;
		session.sr_due_ms = way % 5 == 0 ? 0 : UINT32_MAX;
		session.resync = way % 7 == 0;
		session.flows[0].sequence = 65535;
		check_resuming(&session, &cold, packet_bytes, send_ms);
	}
}

static unsigned
check_folder(const char *path)
{
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = opendir(path);
	enum asf_result reason;
	struct dirent *entry;
	struct title *title;
	unsigned count = 0;

	if (folder == NULL)
		return 0;
	while ((entry = readdir(folder)) != NULL) {
		if (title_open(root, entry->d_name, &title, &reason) != 0)
			continue;
		check_title(title);
		title_close(title);
		count++;
	}
	closedir(folder);
	close(root);
	return count;
}

START_TEST(from_any_item_on_the_bytes_are_those_of_all_at_once)
{
	const char *srcdir = getenv("srcdir"),
		   *more = getenv("VODD_TEST_MEDIA");
	char path[4096];

	snprintf(path, sizeof(path), "%s/media", srcdir != NULL ? srcdir : ".");
	ck_assert_uint_ge(check_folder(path), 4);
	if (more != NULL)
		ck_assert_uint_gt(check_folder(more), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stream");
	TCase *pace = tcase_create("pace"), *items = tcase_create("items");
	TCase *reports = tcase_create("reports");
	TCase *resync = tcase_create("resync"), *parts = tcase_create("parts");
	SRunner *runner;
	int failed;

	tcase_add_test(pace, a_packet_is_due_by_its_send_time);
	tcase_add_test(pace, speed_stretches_and_shortens_the_time_line);
	tcase_add_test(pace, send_times_before_the_first_are_due_at_once);
	tcase_add_test(pace, extreme_send_times_do_not_wrap);
	tcase_add_test(pace, catching_up_takes_half_the_time_between_packets);
	tcase_add_loop_test(pace, a_stall_is_caught_up_at_twice_the_rate, 0, 3);
	tcase_add_test(items, a_packet_that_fits_goes_whole);
	tcase_add_loop_test(
	    items, fragments_are_equally_long_and_make_the_packet, 0, 14);
	tcase_add_test(items, rtp_padding_makes_one_flow_over_udp_equally_long);
	tcase_add_test(items, nothing_is_padded_over_tcp_or_in_several_flows);
	tcase_add_test(items, frames_name_the_channels_of_their_flow);
	tcase_add_test(items, each_flow_gets_its_streams_alone);
	tcase_add_test(
	    items, who_shows_one_flow_alone_gets_all_streams_in_the_first);
	tcase_add_loop_test(
	    items, streams_that_were_not_set_up_are_taken_out, 0, 2);
	tcase_add_test(
	    items, a_packet_with_nothing_for_the_session_is_passed_over);
	tcase_add_test(items, the_sequence_wraps);
	tcase_add_test(reports,
	    reports_stand_before_the_first_packet_and_each_five_seconds);
	tcase_add_loop_test(
	    reports, a_report_tells_what_was_sent_and_when_it_is, 0, 3);
	tcase_add_test(
	    reports, reports_in_a_gap_are_the_same_from_any_of_them_on);
	tcase_add_loop_test(reports, it_is_as_late_as_what_is_due, 0, 3);
	tcase_add_test(
	    reports, reports_stay_five_seconds_apart_at_the_end_of_all_times);
	tcase_add_loop_test(
	    resync, the_first_packet_behind_a_jump_is_zero, 0, 5);
	tcase_add_test(
	    resync, the_second_packet_behind_a_jump_drops_what_came_in_part);
	tcase_add_test(resync, who_is_in_step_gets_nothing_behind_a_jump);
	tcase_add_test(resync, a_packet_that_does_not_parse_is_passed_over);
	tcase_add_test(
	    parts, without_room_the_session_stands_before_what_did_not_fit);
	tcase_add_test(
	    parts, from_any_item_on_the_bytes_are_those_of_all_at_once);
	tcase_set_timeout(parts, 60);
	suite_add_tcase(suite, pace);
	suite_add_tcase(suite, items);
	suite_add_tcase(suite, reports);
	suite_add_tcase(suite, resync);
	suite_add_tcase(suite, parts);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
