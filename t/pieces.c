/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cuts what came into pieces, and compares those of two viewers.
 */
#include "pieces.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/loop.h"

#define FRAME_HEAD 4
#define SENDER_REPORT 200
/* NTP fractions are rounded. */
#define NTP_SLACK_US 2
/* What the server sends in one go comes within it. */
#define TOGETHER_US (2 * LOOP_TICK_US)

static void
row_add(
    struct pieces_row *row, const uint8_t *bytes, size_t size, uint64_t at_us)
{
	if (row->count == row->room) {
		row->room = 2 * row->room + 64;
		row->at = realloc(row->at, row->room * sizeof(*row->at));
		ck_assert_ptr_nonnull(row->at);
	}
	row->at[row->count] = (struct piece){ size, malloc(size + 1), at_us };
	memcpy(row->at[row->count].bytes, bytes, size);
	row->at[row->count++].bytes[size] = '\0';
}

void
pieces_free(struct pieces *pieces)
{
	for (size_t kind = 0; kind < PIECES_KINDS; kind++) {
		struct pieces_row *row = &pieces->rows[kind];

		for (size_t i = 0; i < row->count; i++)
			free(row->at[i].bytes);
		free(row->at);
	}
	memset(pieces, 0, sizeof(*pieces));
}

/* --- cutting -------------------------------------------------------------- */

static size_t
reply_bytes(const uint8_t *at, size_t left)
{
	static const char name[] = "\r\nContent-Length: ";
	const uint8_t *end = memmem(at, left, "\r\n\r\n", 4);
	const char *length;
	size_t head;

	ck_assert_msg(end != NULL && memcmp(at, "RTSP/1.0 ", 9) == 0,
	    "neither a frame nor a reply: %.60s", (const char *)at);
	head = (size_t)(end - at) + 4;
	length = memmem(at, head, name, sizeof(name) - 1);
	if (length == NULL)
		return head;
	return head + strtoul(length + sizeof(name) - 1, NULL, 10);
}

static void
cut_stream(struct pieces *pieces, const struct viewer *viewer)
{
	size_t at = 0, size, kind;

	while (at < viewer->stream_bytes) {
		const uint8_t *bytes = viewer->stream + at;
		size_t left = viewer->stream_bytes - at;

		if (*bytes == '$') {
			size = left < FRAME_HEAD
				   ? SIZE_MAX
				   : FRAME_HEAD +
					 ((size_t)bytes[2] << 8 | bytes[3]);
			kind = left > 1 ? bytes[1] : 0;
			ck_assert_uint_lt(kind, PIECES_CHANNELS);
		} else {
			size = reply_bytes(bytes, left);
			kind = PIECES_REPLY;
		}
		ck_assert_msg(size <= left, "cut short at byte %zu of %zu", at,
		    viewer->stream_bytes);
		row_add(&pieces->rows[kind], bytes, size, 0);
		at += size;
	}
}

/* The digits of an address' port, or of the header's ports, behind WHAT. */
static void
blot_digits(struct piece *reply, const char *what)
{
	char *at = (char *)reply->bytes;

	while ((at = strstr(at, what)) != NULL) {
		at += strlen(what);
		for (; (*at >= '0' && *at <= '9') || *at == '-'; at++)
			*at = '#';
	}
}

static uint32_t
u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

static uint64_t
ntp_us(const uint8_t *at)
{
	return u32(at) * US_PER_SECOND + (u32(at + 4) * US_PER_SECOND >> 32);
}

static bool
is_in_gap(uint64_t ms, const struct pieces_bursts *bursts)
{
	return ms / bursts->every_ms != bursts->late &&
	       ms % bursts->every_ms >= bursts->last_ms;
}

/* Times behind WHAT, in SECONDS with a fraction or in milliseconds, if they are
 * in a gap. */
static void
blot_positions(struct piece *reply, const char *what, bool seconds,
    const struct pieces_bursts *bursts)
{
	char *at = (char *)reply->bytes;
	uint64_t ms;

	while ((at = strstr(at, what)) != NULL) {
		at += strlen(what);
		ms = seconds ? (uint64_t)(strtod(at, NULL) * 1000 + 0.5)
			     : strtoull(at, NULL, 10);
		if (!is_in_gap(ms, bursts))
			continue;
		for (; (*at >= '0' && *at <= '9') || *at == '.'; at++)
			*at = '#';
	}
}

static bool
is_sender_report(const struct piece *piece, size_t head)
{
	return piece->size >= head + 28 &&
	       piece->bytes[head + 1] == SENDER_REPORT;
}

/* Those in a gap. */
static void
leave_out_reports(
    struct pieces_row *row, size_t head, const struct pieces_bursts *bursts)
{
	size_t count = 0;

	for (size_t i = 0; i < row->count; i++) {
		struct piece *piece = &row->at[i];

		if (is_sender_report(piece, head) &&
		    is_in_gap(u32(piece->bytes + head + 16), bursts))
			free(piece->bytes);
		else
			row->at[count++] = *piece;
	}
	row->count = count;
}

/* One time base for all reports of a PLAY; then it is blotted out. */
static void
blot_reports(
    struct pieces_row *row, size_t head, unsigned speed, uint32_t burst_ms)
{
	uint32_t burst = UINT32_MAX;
	uint64_t base_us = 0, told_us;

	for (size_t i = 0; i < row->count; i++) {
		uint8_t *report = row->at[i].bytes + head;
		uint32_t timestamp;

		if (!is_sender_report(&row->at[i], head))
			continue;
		timestamp = u32(report + 16);
		told_us = ntp_us(report + 8) - timestamp * US_PER_MS / speed;
		if (timestamp / burst_ms == burst)
			ck_assert_msg(told_us + NTP_SLACK_US >= base_us &&
					  told_us <= base_us + NTP_SLACK_US,
			    "the time base moved by %lld us",
			    (long long)(told_us - base_us));
		burst = timestamp / burst_ms;
		base_us = told_us;
		memset(report + 8, 0, 8);
	}
}

void
pieces_cut(struct pieces *pieces, const struct viewer *viewer, unsigned speed,
    const struct pieces_bursts *bursts)
{
	struct pieces_row *replies = &pieces->rows[PIECES_REPLY];
	size_t head = viewer->tcp ? FRAME_HEAD : 0;

	memset(pieces, 0, sizeof(*pieces));
	pieces->datagrams = !viewer->tcp;
	cut_stream(pieces, viewer);
	for (size_t i = 0; i < viewer->packet_count && !viewer->tcp; i++) {
		const struct viewer_packet *packet = &viewer->packets[i];

		row_add(&pieces->rows[2 * packet->flow + packet->rtcp],
		    packet->bytes, packet->size, packet->at_us);
	}
	for (size_t i = 0; i < replies->count; i++) {
		blot_digits(&replies->at[i], "127.0.0.1:");
		blot_digits(&replies->at[i], "server_port=");
		blot_digits(&replies->at[i], "client_port=");
		blot_digits(&replies->at[i], "Session: ");
		blot_positions(&replies->at[i], "npt=", true, bursts);
		blot_positions(&replies->at[i], "rtptime=", false, bursts);
	}
	for (size_t kind = 0; kind < PIECES_CHANNELS; kind++) {
		leave_out_reports(&pieces->rows[kind], head, bursts);
		blot_reports(
		    &pieces->rows[kind], head, speed, bursts->every_ms);
	}
}

/* --- comparing ------------------------------------------------------------ */

static bool
is_same(const struct piece *a, const struct piece *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static _Noreturn void
fail_at(size_t kind, size_t at, const struct pieces_row *got, size_t i,
    const struct pieces_row *wanted)
{
	const struct piece *came = i < got->count ? &got->at[i] : NULL;
	const struct piece *due = at < wanted->count ? &wanted->at[at] : NULL;
	size_t same = 0;

	while (came != NULL && due != NULL &&
	       same < MIN_OF(came->size, due->size) &&
	       came->bytes[same] == due->bytes[same])
		same++;
	if (kind == PIECES_REPLY)
		ck_abort_msg("reply %zu is\n%.2000s\nnot\n%.2000s", at,
		    came != NULL ? (const char *)came->bytes : "none",
		    due != NULL ? (const char *)due->bytes : "none");
	ck_abort_msg("channel %zu: %zu came of %zu; number %zu has %zu bytes, "
		     "not %zu, and differs from byte %zu on",
	    kind, got->count, wanted->count, at, came != NULL ? came->size : 0,
	    due != NULL ? due->size : 0, same);
	abort(); /* not reached */
}

/* Are those from I on the COUNT last ones of what stands before NEXT? */
static bool
is_repeat(const struct pieces_row *got, size_t i,
    const struct pieces_row *wanted, size_t next, size_t count)
{
	const struct piece *first = &got->at[i - count];

	if (i + count > got->count || count > next || count > i ||
	    got->at[i - 1].at_us > first->at_us + TOGETHER_US)
		return false;
	for (size_t k = 0; k < count; k++)
		if (!is_same(&got->at[i + k], &wanted->at[next - count + k]))
			return false;
	return true;
}

/* One row compared with another, and how far they are the same. */
struct comparison {
	const struct pieces_row *got, *wanted;
	size_t got_same, wanted_same;
};

static bool
matches(struct comparison *comparison, size_t i, size_t next, unsigned repeats)
{
	const struct pieces_row *got = comparison->got;
	const struct pieces_row *wanted = comparison->wanted;

	for (;; i++, next++) {
		/* Neighbours may be equal, so that several ways are open. */
		for (size_t count = 1; repeats > 0 && count <= next; count++)
			if (is_repeat(got, i, wanted, next, count) &&
			    matches(comparison, i + count, next, repeats - 1))
				return true;
		if (next > comparison->wanted_same) {
			comparison->got_same = i;
			comparison->wanted_same = next;
		}
		if (i == got->count || next == wanted->count ||
		    !is_same(&got->at[i], &wanted->at[next]))
			return i == got->count && next == wanted->count;
	}
}

static void
compare_row(size_t kind, const struct pieces_row *got,
    const struct pieces_row *wanted, unsigned repeats)
{
	struct comparison comparison = { .got = got, .wanted = wanted };

	if (!matches(&comparison, 0, 0, repeats))
		fail_at(kind, comparison.wanted_same, got, comparison.got_same,
		    wanted);
}

void
pieces_compare(
    const struct pieces *got, const struct pieces *wanted, unsigned deaths)
{
	for (size_t kind = 0; kind < PIECES_KINDS; kind++)
		compare_row(kind, &got->rows[kind], &wanted->rows[kind],
		    got->datagrams && kind != PIECES_REPLY ? deaths : 0);
}

static void
check_row(const struct pieces_row *row, size_t head)
{
	const struct piece *numbered[UINT16_MAX + 1] = { NULL };
	uint16_t first = 0, last = 0;

	for (size_t i = 0; i < row->count; i++) {
		const struct piece *piece = &row->at[i];
		const uint8_t *rtp = piece->bytes + head;
		uint16_t number = (uint16_t)(rtp[2] << 8 | rtp[3]);

		ck_assert_uint_ge(piece->size, head + 12);
		if (i == 0)
			first = last = number;
		if ((int16_t)(number - last) > 0)
			last = number;
		ck_assert_msg(numbered[number] == NULL ||
				  is_same(numbered[number], piece),
		    "number %u came twice, with other bytes", number);
		numbered[number] = piece;
	}
	for (uint16_t i = first; i != last; i++)
		ck_assert_msg(numbered[i] != NULL, "number %u is missing", i);
}

void
pieces_check_numbers(const struct pieces *pieces)
{
	for (size_t kind = 0; kind < PIECES_CHANNELS; kind += 2)
		check_row(
		    &pieces->rows[kind], pieces->datagrams ? 0 : FRAME_HEAD);
}
