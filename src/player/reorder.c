/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The jitter buffer.  A ring of slots, one for each sequence number that may
 * come next; the slot of the next one is always empty.  What is in the packets
 * is not looked at.
 */
#include "player/reorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define SLOTS 1024
/* A jump further than this is another row of numbers, if a second packet says
 * so (RFC 3550 A.1). */
#define JUMP_MOST 3000
#define DATAGRAM_MOST 65536

struct slot {
	uint8_t *data; /* owned; NULL: empty */
	size_t size;
	uint64_t arrived_us;
};

struct reorder {
	reorder_deliver *deliver;
	void *context;
	uint64_t latency_us;
	struct slot slots[SLOTS];
	unsigned kept;
	/* Of the last SLOTS numbers before NEXT: did it come? */
	bool came[SLOTS];
	bool begun, gap; /* gap: to be told with the next packet */
	bool has_first;
	uint16_t next; /* valid when begun or has_first */
	/* Probation of another source, or of another row of numbers. */
	bool has_candidate;
	uint32_t candidate_ssrc;
	uint16_t candidate_next;
	/* RFC 3550 A.3 */
	uint32_t ssrc;
	bool has_ssrc;
	uint32_t cycles, base, expected_before, received, received_before;
	uint16_t highest;
	uint32_t timestamp; /* of the highest */
	/* A.8; times in units of 1/16 ms, as the jitter is kept */
	bool has_transit;
	uint32_t transit;
	uint32_t jitter;
	uint32_t last_sr;
	uint64_t last_sr_us;
	struct reorder_counts counts;
};

int
reorder_new(uint64_t latency_us, reorder_deliver *deliver, void *context,
    struct reorder **out)
{
	struct reorder *reorder = calloc(1, sizeof(*reorder));

	if (reorder == NULL)
		return -ENOMEM;
	reorder->latency_us = latency_us;
	reorder->deliver = deliver;
	reorder->context = context;
	*out = reorder;
	return 0;
}

static void
drop_all(struct reorder *reorder)
{
	for (unsigned i = 0; i < SLOTS && reorder->kept > 0; i++) {
		struct slot *slot = &reorder->slots[i];

		if (slot->data == NULL)
			continue;
		free(slot->data);
		slot->data = NULL;
		reorder->kept--;
	}
}

void
reorder_free(struct reorder *reorder)
{
	if (reorder == NULL)
		return;
	drop_all(reorder);
	free(reorder);
}

void
reorder_restart(struct reorder *reorder, bool has_sequence, uint16_t sequence)
{
	drop_all(reorder);
	memset(reorder->came, 0, sizeof(reorder->came));
	reorder->begun = reorder->gap = false;
	reorder->has_candidate = false;
	reorder->has_transit = false;
	reorder->has_first = has_sequence;
	reorder->next = sequence;
}

void
reorder_forget(struct reorder *reorder)
{
	reorder_restart(reorder, false, 0);
	reorder->has_ssrc = false;
}

/* ---- statistics ---- */

static void
source_begin(struct reorder *reorder, uint32_t ssrc, uint16_t sequence)
{
	reorder->has_ssrc = true;
	reorder->ssrc = ssrc;
	reorder->base = sequence;
	reorder->highest = sequence;
	reorder->cycles = 0;
	reorder->received = reorder->received_before = 0;
	reorder->expected_before = 0;
	reorder->last_sr = 0;
	reorder->has_transit = false;
	reorder->jitter = 0;
}

static void
count_jitter(struct reorder *reorder, uint32_t timestamp, uint64_t now_us)
{
	uint32_t arrival = (uint32_t)(now_us / US_PER_MS); /* RTP_CLOCK_HZ */
	uint32_t transit = arrival - timestamp;
	int64_t difference = (int32_t)(transit - reorder->transit);

	if (reorder->has_transit) {
		if (difference < 0)
			difference = -difference;
		difference = MIN_OF(difference, INT64_C(1) << 20);
		reorder->jitter += (uint32_t)difference;
		reorder->jitter -= (reorder->jitter + 8) >> 4;
	}
	reorder->has_transit = true;
	reorder->transit = transit;
}

static void
count_arrival(struct reorder *reorder, const struct rtp_header *header,
    size_t size, uint64_t now_us)
{
	uint16_t ahead = (uint16_t)(header->sequence - reorder->highest);

	reorder->received++;
	reorder->counts.packets++;
	reorder->counts.bytes += size;
	if (ahead < 0x8000) {
		if (header->sequence < reorder->highest)
			reorder->cycles += 0x10000;
		reorder->highest = header->sequence;
		reorder->timestamp = header->timestamp;
	}
	count_jitter(reorder, header->timestamp, now_us);
}

void
reorder_counts(const struct reorder *reorder, struct reorder_counts *out)
{
	*out = reorder->counts;
	out->jitter_us = (unsigned)((reorder->jitter >> 4) * US_PER_MS);
}

bool
reorder_has_begun(const struct reorder *reorder)
{
	return reorder->begun;
}

uint32_t
reorder_ssrc(const struct reorder *reorder)
{
	return reorder->ssrc;
}

uint32_t
reorder_timestamp(const struct reorder *reorder)
{
	return reorder->timestamp;
}

/* RFC 3550 A.3 */
void
reorder_report(
    struct reorder *reorder, uint64_t now_us, struct rtcp_report *out)
{
	uint32_t highest = reorder->cycles + reorder->highest;
	uint32_t expected = highest - reorder->base + 1;
	uint32_t expected_now = expected - reorder->expected_before;
	uint32_t received_now = reorder->received - reorder->received_before;

	*out = (struct rtcp_report){ .ssrc = reorder->ssrc,
		.lost = (int32_t)(expected - reorder->received),
		.highest_sequence = highest,
		.jitter = reorder->jitter >> 4,
		.last_sr = reorder->last_sr };
	if (expected_now > received_now)
		out->fraction_lost = (uint8_t)MIN_OF(
		    ((uint64_t)(expected_now - received_now) << 8) /
			expected_now,
		    UINT64_C(255));
	if (reorder->last_sr != 0) /* in 1/65536 s */
		out->delay_since_sr =
		    (uint32_t)(((now_us - reorder->last_sr_us) << 16) /
			       US_PER_SECOND);
	reorder->expected_before = expected;
	reorder->received_before = reorder->received;
}

void
reorder_sender_report(struct reorder *reorder, uint64_t ntp, uint64_t now_us)
{
	reorder->last_sr = (uint32_t)(ntp >> 16);
	reorder->last_sr_us = now_us;
}

/* ---- order ---- */

static void
step(struct reorder *reorder, bool came)
{
	reorder->came[reorder->next % SLOTS] = came;
	reorder->next++;
}

static void
give(struct reorder *reorder, const struct rtp_header *header,
    const uint8_t *payload, size_t size)
{
	bool gap = reorder->gap;

	reorder->gap = false;
	step(reorder, true);
	reorder->deliver(reorder->context, header, payload, size, gap);
}

/* What is kept and now in order. */
static void
give_kept(struct reorder *reorder)
{
	while (reorder->kept > 0) {
		struct slot *slot = &reorder->slots[reorder->next % SLOTS];
		struct slot kept = *slot;
		struct rtp_header header;
		const uint8_t *payload;
		size_t size;

		if (kept.data == NULL)
			break;
		slot->data = NULL;
		reorder->kept--;
		/* It was parsed when it came. */
		if (rtp_parse(kept.data, kept.size, &header, &payload, &size))
			give(reorder, &header, payload, size);
		free(kept.data);
	}
}

/* The first number that is there; there is one. */
static void
give_up(struct reorder *reorder)
{
	while (reorder->slots[reorder->next % SLOTS].data == NULL) {
		step(reorder, false);
		reorder->counts.lost++;
		reorder->gap = true;
	}
	give_kept(reorder);
}

static void
keep(struct reorder *reorder, uint16_t sequence, const uint8_t *data,
    size_t size, uint64_t now_us)
{
	struct slot *slot = &reorder->slots[sequence % SLOTS];

	if (slot->data != NULL) {
		reorder->counts.duplicates++;
		return;
	}
	slot->data = malloc(size);
	if (slot->data == NULL)
		return; /* as if it were lost */
	memcpy(slot->data, data, size);
	slot->size = size;
	slot->arrived_us = now_us;
	reorder->kept++;
}

/* Is this the second packet in a row of another source or row of numbers? */
static bool
is_proven(struct reorder *reorder, const struct rtp_header *header)
{
	bool proven = reorder->has_candidate &&
		      reorder->candidate_ssrc == header->ssrc &&
		      reorder->candidate_next == header->sequence;

	reorder->has_candidate = !proven;
	reorder->candidate_ssrc = header->ssrc;
	reorder->candidate_next = (uint16_t)(header->sequence + 1);
	return proven;
}

/* False: not of this flow, so far. */
static bool
accept_source(struct reorder *reorder, const struct rtp_header *header)
{
	int distance = (int16_t)(header->sequence - reorder->next);

	if (!reorder->has_ssrc || (!reorder->begun && !reorder->has_first)) {
		source_begin(reorder, header->ssrc, header->sequence);
		return true;
	}
	if (header->ssrc == reorder->ssrc && distance > -JUMP_MOST &&
	    distance < JUMP_MOST) {
		reorder->has_candidate = false;
		return true;
	}
	if (!is_proven(reorder, header))
		return false;
	source_begin(reorder, header->ssrc, header->sequence);
	reorder_restart(reorder, false, 0);
	reorder->gap = true;
	return true;
}

static void
put_late(struct reorder *reorder, const struct rtp_header *header, int distance)
{
	bool *came = &reorder->came[header->sequence % SLOTS];

	if (distance < -SLOTS)
		return;
	if (*came) {
		reorder->counts.duplicates++;
		return;
	}
	/* Given up on, and here it is; or from before the first one. */
	reorder->counts.reordered++;
	*came = true;
}

void
reorder_put(
    struct reorder *reorder, const uint8_t *data, size_t size, uint64_t now_us)
{
	struct rtp_header header;
	const uint8_t *payload;
	size_t payload_bytes;
	int distance;

	if (size > DATAGRAM_MOST ||
	    !rtp_parse(data, size, &header, &payload, &payload_bytes) ||
	    !accept_source(reorder, &header)) {
		reorder->counts.foreign++;
		return;
	}
	distance = (int16_t)(header.sequence - reorder->next);
	if (!reorder->begun) {
		if (reorder->has_first && distance < 0)
			return; /* of what was before */
		if (!reorder->has_first)
			reorder->next = header.sequence;
		reorder->begun = true;
		distance = (int16_t)(header.sequence - reorder->next);
	}
	count_arrival(reorder, &header, size, now_us);
	if (distance < 0) {
		put_late(reorder, &header, distance);
		return;
	}
	if (header.sequence != reorder->highest) {
		reorder->counts.reordered++;
		reorder->counts.recovered++;
	}
	while (distance >= SLOTS) { /* no room to wait any longer */
		if (reorder->kept > 0) {
			give_up(reorder);
		} else {
			reorder->gap = true;
			reorder->counts.lost += (uint64_t)distance;
			memset(reorder->came, 0, sizeof(reorder->came));
			reorder->next = header.sequence;
		}
		distance = (int16_t)(header.sequence - reorder->next);
	}
	if (distance > 0) {
		keep(reorder, header.sequence, data, size, now_us);
		if (reorder->latency_us == 0)
			reorder_expire(reorder, now_us);
		return;
	}
	give(reorder, &header, payload, payload_bytes);
	give_kept(reorder);
}

/* The one that came first of those that wait. */
static uint64_t
oldest_us(const struct reorder *reorder)
{
	uint64_t oldest = UINT64_MAX;

	for (unsigned i = 0; i < SLOTS; i++)
		if (reorder->slots[i].data != NULL)
			oldest = MIN_OF(oldest, reorder->slots[i].arrived_us);
	return oldest;
}

void
reorder_expire(struct reorder *reorder, uint64_t now_us)
{
	while (reorder->kept > 0 &&
	       oldest_us(reorder) + reorder->latency_us <= now_us)
		give_up(reorder);
}

uint64_t
reorder_due_us(const struct reorder *reorder)
{
	return reorder->kept > 0 ? oldest_us(reorder) + reorder->latency_us
				 : UINT64_MAX;
}

void
reorder_flush(struct reorder *reorder)
{
	while (reorder->kept > 0)
		give_up(reorder);
}
