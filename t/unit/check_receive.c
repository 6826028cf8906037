/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_receive - prologue, assemble, landing, queue and script: what becomes
 * of a title on its way from RTP to a demultiplexer.  The title is
 * media/sample.wmv.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "player/assemble.h"
#include "player/landing.h"
#include "player/queue.h"
#include "player/script.h"
#include "unit/asf_build.h"
#include "wire/rtp.h"

static uint8_t *file;
static size_t file_bytes, header_bytes;
static uint32_t packet_bytes;
static struct prologue prologue;
static struct assemble *assemble;
static struct asf_packet parsed;
static uint8_t got[65536];
static unsigned got_count;

static const uint8_t *
packet(unsigned number)
{
	return file + header_bytes + ASF_DATA_HEADER_BYTES +
	       number * (size_t)packet_bytes;
}

static void
on_packet(void *context, const uint8_t *data, const struct asf_packet *packet_)
{
	(void)context;
	(void)packet_;
	memcpy(got, data, packet_bytes);
	got_count++;
	/* What goes out is sound, at its full size. */
	ck_assert_int_eq(asf_packet_parse(got, packet_bytes, &parsed), ASF_OK);
	ck_assert(!parsed.dropped);
}

static void
set_up(void)
{
	char path[4096];
	uint64_t bytes;
	FILE *in;

	snprintf(path, sizeof(path), "%s/media/sample.wmv", getenv("srcdir"));
	in = fopen(path, "rb");
	ck_assert_ptr_nonnull(in);
	file = malloc(BUILD_MOST * 2);
	file_bytes = fread(file, 1, BUILD_MOST * 2, in);
	fclose(in);
	ck_assert_int_eq(asf_header_size(file, &bytes), ASF_OK);
	header_bytes = (size_t)bytes;
	ck_assert_int_eq(prologue_make(file, file_bytes, NULL,
			     20 * US_PER_SECOND, &prologue),
	    ASF_OK);
	packet_bytes = prologue.header.packet_bytes;
	got_count = 0;
	ck_assert_int_eq(
	    assemble_new(&prologue, on_packet, NULL, &assemble), 0);
}

static void
tear_down(void)
{
	assemble_free(assemble);
	free(file);
}

/* One RTP payload with the header before it. */
static void
put(bool whole, uint32_t length_or_offset, const uint8_t *data, size_t size,
    bool marker, bool gap)
{
	uint8_t payload[70000];

	rtp_write_asf_header(
	    payload, &(struct rtp_asf_header){ .whole = whole,
			 .length_or_offset = length_or_offset });
	memcpy(payload + RTP_ASF_HEADER_BYTES, data, size);
	assemble_put(
	    assemble, payload, RTP_ASF_HEADER_BYTES + size, marker, gap);
}

static uint64_t
damaged(void)
{
	return assemble_counts(assemble).damaged;
}

/* ---- prologue ---- */

START_TEST(a_prologue_is_a_header_of_the_same_streams)
{
	struct asf_header again;
	uint64_t bytes;

	ck_assert_int_eq(asf_header_size(prologue.bytes, &bytes), ASF_OK);
	ck_assert_uint_eq(bytes + ASF_DATA_HEADER_BYTES, prologue.size);
	ck_assert_int_eq(
	    asf_header_parse(prologue.bytes, (size_t)bytes, &again), ASF_OK);
	ck_assert_uint_eq(again.packet_bytes, packet_bytes);
	ck_assert_uint_eq(again.preroll_ms, 0);
	ck_assert_uint_eq(again.video_count, 1);
	ck_assert_uint_eq(again.audio_count, 1);
	ck_assert_uint_eq(
	    again.streams[1].codec, prologue.header.streams[1].codec);
	ck_assert_int_eq(
	    again.streams[1].width, prologue.header.streams[1].width);
	ck_assert_uint_eq(again.streams[2].sample_rate,
	    prologue.header.streams[2].sample_rate);
}
END_TEST

START_TEST(a_prologue_has_only_what_was_chosen)
{
	struct asf_set sound = { { 0 } };
	struct asf_header again;
	uint64_t bytes;

	asf_set_add(&sound, 2);
	ck_assert_int_eq(
	    prologue_make(file, file_bytes, &sound, 0, &prologue), ASF_OK);
	ck_assert(!asf_set_has(prologue.streams, 1));
	ck_assert(asf_set_has(prologue.streams, 2));
	ck_assert_int_eq(asf_header_size(prologue.bytes, &bytes), ASF_OK);
	ck_assert_int_eq(
	    asf_header_parse(prologue.bytes, (size_t)bytes, &again), ASF_OK);
	ck_assert_uint_eq(again.stream_count, 1);
}
END_TEST

START_TEST(the_first_packet_begins_each_stream)
{
	static uint8_t first[65536];

	prologue_mark(&prologue, NULL, first);
	ck_assert_int_eq(
	    asf_packet_parse(first, packet_bytes, &parsed), ASF_OK);
	ck_assert_uint_eq(parsed.payload_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(parsed.payloads[i].stream, i + 1);
		ck_assert_uint_eq(
		    parsed.payloads[i].presentation_ms, PROLOGUE_SHIFT_MS);
		ck_assert_uint_lt(parsed.payloads[i].data_bytes,
		    parsed.payloads[i].object_bytes);
	}
	prologue.header.packet_bytes = 40; /* no room */
	prologue_mark(&prologue, NULL, first);
	ck_assert_uint_eq(first[0], 0);
}
END_TEST

START_TEST(a_mark_has_the_earliest_time_of_what_is_behind_it)
{
	const uint8_t *packet = file + header_bytes + ASF_DATA_HEADER_BYTES;
	static uint8_t mark[65536];
	uint32_t earliest, latest;

	do { /* one with several times in it */
		packet += packet_bytes;
		ck_assert_int_eq(
		    asf_packet_parse(packet, packet_bytes, &parsed), ASF_OK);
		earliest = latest = parsed.payloads[0].presentation_ms;
		for (unsigned i = 1; i < parsed.payload_count; i++) {
			uint32_t at_ms = parsed.payloads[i].presentation_ms;

			earliest = MIN_OF(earliest, at_ms);
			latest = MAX_OF(latest, at_ms);
		}
	} while (earliest == latest);
	prologue_mark(&prologue, packet, mark);
	ck_assert_int_eq(asf_packet_parse(mark, packet_bytes, &parsed), ASF_OK);
	ck_assert_uint_eq(parsed.payload_count, 2);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_uint_eq(parsed.payloads[i].presentation_ms, earliest);
}
END_TEST

START_TEST(no_byte_of_a_header_makes_a_prologue_that_is_none)
{
	static struct prologue other;
	static const uint8_t values[] = { 0, 1, 0x7F, 0x80, 0xFF };
	uint64_t bytes;

	for (size_t at = 0; at < header_bytes; at++) {
		uint8_t before = file[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			file[at] = values[i];
			if (prologue_make(
				file, header_bytes, NULL, 0, &other) != ASF_OK)
				continue;
			ck_assert_int_eq(
			    asf_header_size(other.bytes, &bytes), ASF_OK);
			ck_assert_uint_eq(
			    bytes + ASF_DATA_HEADER_BYTES, other.size);
		}
		file[at] = before;
	}
}
END_TEST

/* ---- assemble ---- */

START_TEST(a_whole_packet_goes_through_less_its_preroll)
{
	static struct asf_packet before;
	uint32_t preroll_ms = prologue.header.preroll_ms;

	ck_assert_int_eq(
	    asf_packet_parse(packet(5), packet_bytes, &before), ASF_OK);
	put(true, packet_bytes + RTP_ASF_HEADER_BYTES, packet(5), packet_bytes,
	    true, false);
	ck_assert_uint_eq(got_count, 1);
	ck_assert_uint_eq(parsed.payload_count, before.payload_count);
	ck_assert_uint_eq(parsed.payloads[0].presentation_ms,
	    before.payloads[0].presentation_ms - preroll_ms +
		PROLOGUE_SHIFT_MS);
	/* Some servers do not count the payload header in the length. */
	put(true, packet_bytes, packet(6), packet_bytes, true, false);
	ck_assert_uint_eq(got_count, 2);
	ck_assert_uint_eq(damaged(), 0);
}
END_TEST

START_TEST(fragments_make_a_packet_when_none_is_missing)
{
	put(false, 0, packet(1), 500, false, false);
	put(false, 500, packet(1) + 500, 500, false, false);
	put(false, 1000, packet(1) + 1000, packet_bytes - 1000, true, false);
	ck_assert_uint_eq(got_count, 1);

	put(false, 0, packet(1), 500, false, false);
	put(false, 1000, packet(1) + 1000, packet_bytes - 1000, true, true);
	ck_assert_uint_eq(got_count, 1);
	ck_assert_uint_eq(damaged(), 1);

	/* And the next one is right again. */
	put(false, 0, packet(2), 500, false, false);
	put(false, 500, packet(2) + 500, packet_bytes - 500, true, false);
	ck_assert_uint_eq(got_count, 2);
}
END_TEST

START_TEST(several_packets_in_one_are_told_apart_in_either_reading)
{
	uint8_t payload[8192];

	for (unsigned counted = 0; counted < 2; counted++) {
		size_t at = 0;

		for (unsigned i = 0; i < 3; i++) {
			rtp_write_asf_header(payload + at,
			    &(struct rtp_asf_header){ .whole = true,
				.length_or_offset =
				    packet_bytes +
				    counted * RTP_ASF_HEADER_BYTES });
			memcpy(payload + at + 4, packet(i), packet_bytes);
			at += 4 + packet_bytes;
		}
		assemble_put(assemble, payload, at, true, false);
		ck_assert_uint_eq(got_count, 3 * (counted + 1));
	}
}
END_TEST

/* As GStreamer's payloader fills its RTP packets up; with marker. */
START_TEST(a_fragment_may_stand_behind_a_whole_packet)
{
	const uint32_t first_bytes = 300;
	uint8_t payload[8192];
	struct rtp_asf_header header = { .whole = true };

	for (unsigned counted = 0; counted < 2; counted++) {
		size_t at = 0;

		header.whole = true;
		header.length_or_offset =
		    packet_bytes + counted * RTP_ASF_HEADER_BYTES;
		rtp_write_asf_header(payload, &header);
		at += RTP_ASF_HEADER_BYTES;
		memcpy(payload + at, packet(1), packet_bytes);
		at += packet_bytes;
		header.whole = false;
		header.length_or_offset = 0;
		rtp_write_asf_header(payload + at, &header);
		at += RTP_ASF_HEADER_BYTES;
		memcpy(payload + at, packet(2), first_bytes);
		assemble_put(assemble, payload, at + first_bytes, true, false);
		ck_assert_uint_eq(got_count, 2 * counted + 1);
		put(false, first_bytes, packet(2) + first_bytes,
		    packet_bytes - first_bytes, true, false);
		ck_assert_uint_eq(got_count, 2 * counted + 2);
	}
	ck_assert_uint_eq(damaged(), 0);
}
END_TEST

/* As the server sends it, and as other servers do: without a length. */
START_TEST(a_packet_whose_padding_was_cut_is_filled_up_again)
{
	static struct asf_packet before;
	static uint8_t room[65536 + ASF_REWRITE_ROOM];
	struct asf_set all = { { UINT64_MAX, UINT64_MAX } };
	unsigned tried = 0;

	for (unsigned i = 0; i < 200; i++) {
		uint32_t bytes;
		bool key;

		ck_assert_int_eq(
		    asf_packet_parse(packet(i), packet_bytes, &before), ASF_OK);
		if (before.padding_bytes == 0)
			continue;
		tried++;
		bytes = asf_packet_copy(
		    packet(i), packet_bytes, &before, all, room, &key);
		put(true, bytes + 4, room, bytes, true, false);
		ck_assert_uint_eq(parsed.payload_count, before.payload_count);

		/* Padding cut, and its length set to nothing. */
		memcpy(room, packet(i), packet_bytes);
		ck_assert_uint_eq(room[3] & 0x60, 0);
		memset(room + 5, 0, (1u << (room[3] >> 3 & 3)) >> 1);
		put(true, before.used_bytes + 4, room, before.used_bytes, true,
		    false);
		ck_assert_uint_eq(parsed.payload_count, before.payload_count);
		ck_assert_uint_eq(parsed.payloads[0].data_bytes,
		    before.payloads[0].data_bytes);
	}
	ck_assert_uint_gt(tried, 0);
	ck_assert_uint_eq(got_count, tried * 2);
}
END_TEST

START_TEST(a_damaged_packet_is_counted_and_dropped)
{
	static uint8_t bad[65536];

	memcpy(bad, packet(3), packet_bytes);
	bad[0] = 0xFF;
	put(true, packet_bytes + 4, bad, packet_bytes, true, false);
	put(true, 50000 + 4, bad, 50000, true, false);
	put(true, 4, bad, 0, true, false);
	assemble_put(assemble, bad, 2, true, false);
	ck_assert_uint_eq(got_count, 0);
	ck_assert_uint_eq(damaged(), 4);
	put(true, packet_bytes + 4, packet(4), packet_bytes, true, false);
	ck_assert_uint_eq(got_count, 1);
}
END_TEST

START_TEST(a_picture_of_next_week_is_damage)
{
	static uint8_t bad[65536];
	static struct asf_packet before;
	const struct asf_payload *payload = &before.payloads[0];

	memcpy(bad, packet(4), packet_bytes);
	ck_assert_int_eq(asf_packet_parse(bad, packet_bytes, &before), ASF_OK);
	/* Stream, number u8, offset u32, replicated length u8, size, time. */
	memset(bad + payload->at + 1 + 1 + 4 + 1 + 4, 0x70, 4);
	put(true, packet_bytes + 4, bad, packet_bytes, true, false);
	ck_assert_uint_eq(got_count, 0);
	ck_assert_uint_eq(damaged(), 1);
}
END_TEST

/* How much there is, and where to go on, is told by send times. */
START_TEST(a_packet_sent_next_week_is_damage)
{
	static uint8_t bad[65536];
	static struct asf_packet before;

	memcpy(bad, packet(4), packet_bytes);
	ck_assert_int_eq(asf_packet_parse(bad, packet_bytes, &before), ASF_OK);
	memset(bad + before.after_lengths_at, 0x70, 4);
	put(true, packet_bytes + 4, bad, packet_bytes, true, false);
	ck_assert_uint_eq(got_count, 0);
	ck_assert_uint_eq(damaged(), 1);
}
END_TEST

START_TEST(no_byte_of_a_packet_brings_out_one_that_is_unsound)
{
	static uint8_t bad[65536];

	for (size_t at = 0; at < 100; at++)
		for (unsigned value = 0; value < 256; value += 5) {
			memcpy(bad, packet((unsigned)at), packet_bytes);
			bad[at] = (uint8_t)value;
			put(true, packet_bytes + 4, bad, packet_bytes, true,
			    false);
		}
	ck_assert_uint_gt(got_count, 0); /* on_packet() looked at them */
	ck_assert_uint_gt(damaged(), 0);
}
END_TEST

/* ---- landing ---- */

static struct {
	unsigned count, sounds_first;
	bool has_picture;
	uint32_t first_picture_ms;
} landed;

static void
on_landed(void *context, const uint8_t *data, uint32_t send_ms)
{
	static struct asf_packet out;

	(void)context;
	(void)send_ms;
	ck_assert_int_eq(asf_packet_parse(data, packet_bytes, &out), ASF_OK);
	landed.count++;
	for (unsigned i = 0; i < out.payload_count; i++) {
		if (out.payloads[i].stream == 2) {
			landed.sounds_first += !landed.has_picture;
		} else if (!landed.has_picture) {
			ck_assert(out.payloads[i].key);
			ck_assert(out.payloads[i].starts_object);
			landed.has_picture = true;
			landed.first_picture_ms =
			    out.payloads[i].presentation_ms;
		}
	}
}

START_TEST(behind_a_seek_a_key_frame_is_first)
{
	struct landing *landing;

	ck_assert_int_eq(landing_new(&prologue, on_landed, NULL, &landing), 0);
	for (unsigned from = 0; from < 700; from += 37) {
		memset(&landed, 0, sizeof(landed));
		landing_restart(landing);
		for (unsigned i = from; i < from + 600; i++)
			landing_put(landing, packet(i), i);
		landing_flush(landing);
		ck_assert(landed.has_picture);
		ck_assert_uint_eq(landed.sounds_first, 0);
	}
	landing_free(landing);
}
END_TEST

START_TEST(without_a_seek_packets_stay_as_they_are)
{
	struct landing *landing;

	memset(&landed, 0, sizeof(landed));
	ck_assert_int_eq(landing_new(&prologue, on_landed, NULL, &landing), 0);
	for (unsigned i = 0; i < 50; i++)
		landing_put(landing, packet(i), i);
	ck_assert_uint_eq(landed.count, 50);
	landing_free(landing);
}
END_TEST

/* ---- queue ---- */

static struct queue queue;
static uint64_t now_us = 5 * US_PER_SECOND; /* when it is taken */

static void
put_at(uint32_t send_ms)
{
	ck_assert_int_eq(queue_put(&queue, packet(0), 10, send_ms), 0);
}

static uint32_t
take(void)
{
	struct client_packet *taken = queue_take(&queue, now_us);
	uint32_t send_ms;

	ck_assert_ptr_nonnull(taken);
	send_ms = taken->send_ms;
	free(taken);
	return send_ms;
}

START_TEST(it_plays_when_there_is_enough)
{
	queue_init(&queue, 2000);
	ck_assert_uint_eq(queue_percent(&queue), 0);
	put_at(100);
	put_at(1100);
	ck_assert_uint_eq(queue_percent(&queue), 50);
	put_at(2100);
	ck_assert_uint_eq(queue_percent(&queue), 100);
	ck_assert_uint_eq(take(), 100);
	ck_assert_uint_eq(queue_reserve_ms(&queue), 2000);
	queue_clear(&queue);
	ck_assert_uint_eq(queue_percent(&queue), 0);
	ck_assert_ptr_null(queue_take(&queue, now_us));
}
END_TEST

START_TEST(what_was_taken_already_is_not_enough)
{
	queue_init(&queue, 2000);
	for (uint32_t i = 0; i <= 2000; i += 500) {
		put_at(i);
		take();
	}
	ck_assert_uint_lt(queue_percent(&queue), 100);
	put_at(2500);
	put_at(3100);
	ck_assert_uint_eq(queue_percent(&queue), 100);
	queue_clear(&queue);
}
END_TEST

START_TEST(one_that_ran_dry_buffers_again_unless_it_ended)
{
	queue_init(&queue, 1000);
	put_at(0);
	put_at(1000);
	ck_assert_uint_eq(queue_percent(&queue), 100);
	take();
	take();
	ck_assert_ptr_null(queue_take(&queue, now_us));
	ck_assert_uint_eq(queue_patience_us(&queue, now_us), 2 * US_PER_SECOND);
	queue_run_dry(&queue, false);
	ck_assert_uint_eq(queue_percent(&queue), 0);
	queue_end(&queue);
	ck_assert_uint_eq(queue_percent(&queue), 100);
	queue_run_dry(&queue, false);
	ck_assert_uint_eq(queue_percent(&queue), 100);
	queue_clear(&queue);
}
END_TEST

START_TEST(what_was_taken_may_last_for_long)
{
	queue_init(&queue, 1000);
	put_at(0);
	take();
	ck_assert_uint_eq(queue_patience_us(&queue, now_us), US_PER_SECOND / 4);
	/* As sound and films are: what is taken lasts as long as usual. */
	for (uint32_t at = 100; at <= 1000; at += 100) {
		put_at(at);
		take();
	}
	ck_assert_uint_eq(queue_patience_us(&queue, now_us), US_PER_SECOND / 4);
	/* As slides are; the rest of this one may be missing yet. */
	put_at(9000);
	put_at(9001);
	take();
	take();
	ck_assert_uint_eq(
	    queue_patience_us(&queue, now_us), 7 * US_PER_SECOND + US_PER_MS);
	ck_assert_uint_eq(queue_patience_us(&queue, now_us + 6 * US_PER_SECOND),
	    3 * US_PER_SECOND);
	/* Nobody waits for days because of a wrong time. */
	put_at(UINT32_MAX);
	take();
	ck_assert_uint_le(
	    queue_patience_us(&queue, now_us), 60 * US_PER_SECOND);
	queue_clear(&queue);
}
END_TEST

START_TEST(a_brief_one_counts_what_was_taken)
{
	queue_init(&queue, 1000);
	put_at(0);
	put_at(1000);
	take();
	take();
	queue_run_dry(&queue, true);
	put_at(2000);
	take();
	put_at(2400);
	take();
	ck_assert_uint_eq(queue_percent(&queue), 80);
	put_at(2500);
	ck_assert_uint_eq(queue_percent(&queue), 100);
	take();
	queue_run_dry(&queue, false);
	put_at(3000);
	put_at(3500);
	ck_assert_uint_eq(queue_percent(&queue), 50);
	queue_clear(&queue);
}
END_TEST

START_TEST(times_that_run_backwards_do_no_harm)
{
	queue_init(&queue, 1000);
	put_at(UINT32_MAX);
	put_at(0);
	put_at(5);
	ck_assert_uint_le(queue_percent(&queue), 100);
	ck_assert_uint_eq(take(), UINT32_MAX);
	queue_clear(&queue);
}
END_TEST

/* ---- script ---- */

static void
build_text(struct build *build, const char *text)
{
	build_number(build, strlen(text), 2);
	for (; *text != '\0'; text++)
		build_number(build, (uint8_t)*text, 2);
}

START_TEST(commands_are_told_by_time)
{
	static struct script script;
	struct build build = build_new();

	build_zeros(&build, 16);
	build_number(&build, 2, 2);
	build_number(&build, 2, 2);
	build_text(&build, "URL");
	build_text(&build, "caption");
	build_number(&build, 7000, 4);
	build_number(&build, 1, 2);
	build_text(&build, "hello");
	build_number(&build, 5500, 4);
	build_number(&build, 0, 2);
	build_text(&build, "http://x/");
	script_parse(build.data, build.at, 5000, &script);
	ck_assert_uint_eq(script.count, 2);
	ck_assert_uint_eq(script.commands[0].at_ms, 500);
	ck_assert_str_eq(script.texts + script.commands[0].type, "URL");
	ck_assert_str_eq(script.texts + script.commands[0].text, "http://x/");
	ck_assert_str_eq(script.texts + script.commands[1].type, "caption");
	ck_assert_uint_eq(script_find(&script, 0), 0);
	ck_assert_uint_eq(script_find(&script, 501), 1);
	ck_assert_uint_eq(script_find(&script, 2001), 2);
	/* Cut anywhere, it is shorter, and nothing else. */
	for (size_t size = 0; size < build.at; size++) {
		uint8_t *cut = malloc(size + 1);

		memcpy(cut, build.data, size);
		script_parse(cut, size, 5000, &script);
		ck_assert_uint_lt(script.count, 2);
		free(cut);
	}
	free(build.data);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("receive");
	TCase *receive = tcase_create("receive");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, receive);
	tcase_set_timeout(receive, 60);
	tcase_add_checked_fixture(receive, set_up, tear_down);
	tcase_add_test(receive, a_prologue_is_a_header_of_the_same_streams);
	tcase_add_test(receive, a_prologue_has_only_what_was_chosen);
	tcase_add_test(receive, the_first_packet_begins_each_stream);
	tcase_add_test(
	    receive, a_mark_has_the_earliest_time_of_what_is_behind_it);
	tcase_add_test(
	    receive, no_byte_of_a_header_makes_a_prologue_that_is_none);
	tcase_add_test(receive, a_whole_packet_goes_through_less_its_preroll);
	tcase_add_test(receive, fragments_make_a_packet_when_none_is_missing);
	tcase_add_test(
	    receive, several_packets_in_one_are_told_apart_in_either_reading);
	tcase_add_test(receive, a_fragment_may_stand_behind_a_whole_packet);
	tcase_add_test(
	    receive, a_packet_whose_padding_was_cut_is_filled_up_again);
	tcase_add_test(receive, a_damaged_packet_is_counted_and_dropped);
	tcase_add_test(receive, a_picture_of_next_week_is_damage);
	tcase_add_test(receive, a_packet_sent_next_week_is_damage);
	tcase_add_test(
	    receive, no_byte_of_a_packet_brings_out_one_that_is_unsound);
	tcase_add_test(receive, behind_a_seek_a_key_frame_is_first);
	tcase_add_test(receive, without_a_seek_packets_stay_as_they_are);
	tcase_add_test(receive, it_plays_when_there_is_enough);
	tcase_add_test(receive, what_was_taken_already_is_not_enough);
	tcase_add_test(receive, one_that_ran_dry_buffers_again_unless_it_ended);
	tcase_add_test(receive, what_was_taken_may_last_for_long);
	tcase_add_test(receive, a_brief_one_counts_what_was_taken);
	tcase_add_test(receive, times_that_run_backwards_do_no_harm);
	tcase_add_test(receive, commands_are_told_by_time);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
