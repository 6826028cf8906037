/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two viewers who must not notice anything, and whether they did.
 */
#include "neighbours.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/loop.h"
#include "hiccups.h"
#include "moment.h"

/* Send-ahead is behind us, a tick may be before us. */
#define LATE_US (70 * US_PER_MS)
/* Beside what the machine itself did; what hangs here does so for a second and
 * more. */
#define LATE_PACKETS 3
#define LATE_MOST_US (300 * US_PER_MS)
#define PACKETS_LEAST 20 /* less would say little */
/* Over TCP nobody but we says when what came. */
#define BEHIND_US (300 * US_PER_MS)

static struct viewer one, other; /* by UDP, by TCP */
static size_t looked_at; /* packets of the first, up to the last look */

static void
watch(struct viewer *viewer, struct served *served, const char *title,
    enum viewer_transport transport, const char *range)
{
	viewer_open(viewer, served, title, transport);
	viewer_setup(viewer, 1, 0);
	viewer_setup(viewer, 2, 0);
	viewer_ask(viewer, "PLAY", 0, range, 200);
}

static uint32_t
timestamp_of(const struct viewer_packet *packet)
{
	const uint8_t *at = packet->bytes + (packet->bytes[0] == '$' ? 8 : 4);

	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

static uint64_t
due_us(const struct viewer *viewer, const struct viewer_packet *packet)
{
	struct moment moment;

	moment_read(viewer, &moment);
	return stream_due_without_catching_up_us(
	    &moment.hot, timestamp_of(packet));
}

/* By the server's doing: the machine's own hiccups are not. */
static uint64_t
lateness_us(const struct viewer_packet *packet)
{
	uint64_t wanted_us = packet->rtcp ? UINT64_MAX : due_us(&one, packet);
	uint64_t late_us = packet->at_us - MIN_OF(packet->at_us, wanted_us);

	return late_us - MIN_OF(late_us, hiccups_at_us(packet->at_us));
}

void
neighbours_begin(struct served *served, const char *title)
{
	hiccups_begin();
	watch(&one, served, title, VIEWER_UDP, "Range: npt=0-\r\n");
	watch(&other, served, title, VIEWER_TCP, "Range: npt=5-\r\n");
	/* The first block is read when it is needed, the others ahead. */
	do {
		neighbours_pass(NULL, 100);
		looked_at = one.packet_count;
	} while (
	    looked_at < 10 || lateness_us(&one.packets[looked_at - 1]) > 0);
}

void
neighbours_pass(struct viewer *also, unsigned duration_ms)
{
	uint64_t until_us = clock_monotonic_us() + duration_ms * US_PER_MS;

	while (clock_monotonic_us() < until_us) {
		(void)viewer_take(&one, 2);
		(void)viewer_take(&other, 2);
		if (also != NULL)
			(void)viewer_take(also, 2);
	}
}

void
neighbours_pass_until_silent(struct viewer *also)
{
	size_t before;

	do {
		before = also->packet_count;
		neighbours_pass(also, 300);
	} while (also->packet_count > before);
}

void
neighbours_pass_until(bool (*ready)(void *context), void *context)
{
	uint64_t until_us =
	    clock_monotonic_us() + SERVED_PATIENCE_MS * US_PER_MS;

	while (!ready(context)) {
		if (clock_monotonic_us() > until_us)
			served_fail(one.served, "it never comes to that");
		neighbours_pass(NULL, 10);
	}
}

static uint16_t
sequence_of(const struct viewer_packet *packet)
{
	const uint8_t *at = packet->bytes + (packet->bytes[0] == '$' ? 4 : 0);

	return (uint16_t)(at[2] << 8 | at[3]);
}

/* None is missing; a tick may come twice behind the death of a worker. */
static void
expect_all(const struct viewer *viewer)
{
	bool begun[VIEWER_FLOWS] = { false };
	uint16_t next[VIEWER_FLOWS] = { 0 };

	for (size_t i = 0; i < viewer->packet_count; i++) {
		const struct viewer_packet *packet = &viewer->packets[i];
		uint16_t sequence = sequence_of(packet);

		if (packet->rtcp)
			continue;
		ck_assert_msg(!begun[packet->flow] ||
				  (int16_t)(sequence - next[packet->flow]) <= 0,
		    "packets %u to %u are missing", next[packet->flow],
		    sequence - 1U);
		if (!begun[packet->flow] || sequence == next[packet->flow])
			next[packet->flow] = (uint16_t)(sequence + 1);
		begun[packet->flow] = true;
	}
}

static bool
has_enough(void *unused)
{
	(void)unused;
	return one.packet_count - looked_at >= PACKETS_LEAST;
}

static void
expect_no_backlog(const struct viewer *viewer)
{
	uint64_t now_us = clock_monotonic_us();

	ck_assert_uint_gt(
	    due_us(viewer, &viewer->packets[viewer->packet_count - 1]) +
		BEHIND_US + hiccups_at_us(now_us),
	    now_us);
}

void
neighbours_expect_punctual(const char *what, unsigned gap_ms)
{
	uint64_t most_us = MAX_OF(LATE_MOST_US, gap_ms * US_PER_MS);
	size_t late = 0, count;
	uint64_t worst_us = 0;

	neighbours_pass(NULL, 50);
	neighbours_pass_until(has_enough, NULL);
	count = one.packet_count - looked_at;
	for (size_t i = looked_at; i < one.packet_count; i++) {
		uint64_t late_us = lateness_us(&one.packets[i]);

		late += late_us > LATE_US;
		worst_us = MAX_OF(worst_us, late_us);
	}
	printf("%s: neighbours: %zu packets, %zu late, latest by %u ms, "
	       "the machine by %u ms\n",
	    what, count, late, (unsigned)(worst_us / US_PER_MS),
	    (unsigned)(hiccups_worst_us() / US_PER_MS));
	ck_assert_msg(worst_us < most_us &&
			  (gap_ms > 0 || late <= LATE_PACKETS + count / 100),
	    "%s: %zu of %zu packets late, one by %u ms", what, late, count,
	    (unsigned)(worst_us / US_PER_MS));
	looked_at = one.packet_count;
	expect_all(&one);
	expect_all(&other);
	expect_no_backlog(&other);
}

void
neighbours_end(void)
{
	viewer_close(&one);
	viewer_close(&other);
	hiccups_end();
}
