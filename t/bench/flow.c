/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks RTP (RFC 3550) and the ASF payload header (MS-RTSP 2.2.1.3) of one
 * flow, and measures lateness.  Does not know where the packets come from.
 */
#include "flow.h"

#include <math.h>
#include <string.h>

#define WINDOW 64

void
histogram_add(struct histogram *histogram, double ms)
{
	double units = ms * 10;
	unsigned bucket = 0;

	/* 0..7 by one unit, then eight buckets to each power of two. */
	if (units >= 8) {
		int exponent;
		double fraction = frexp(units, &exponent); /* 0.5..1 */

		bucket = (unsigned)(exponent - 3) * 8 +
			 (unsigned)((fraction - 0.5) * 16);
	} else if (units > 0) {
		bucket = (unsigned)units;
	}
	if (bucket >= HISTOGRAM_BUCKETS)
		bucket = HISTOGRAM_BUCKETS - 1;
	histogram->count[bucket]++;
	histogram->total++;
}

double
histogram_ms(const struct histogram *histogram, double part)
{
	double want = part * (double)histogram->total, sum = 0;
	unsigned bucket = 0;

	if (histogram->total == 0)
		return 0;
	for (; bucket < HISTOGRAM_BUCKETS; bucket++) {
		sum += histogram->count[bucket];
		if (sum >= want)
			break;
	}
	if (bucket < 8)
		return (bucket + 1) / 10.0;
	return ldexp(0.5 + (bucket % 8 + 1) / 16.0, (int)(bucket / 8) + 3) / 10;
}

static uint32_t
u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

uint32_t
flow_ssrc(const uint8_t *head)
{
	return u32(head + 8);
}

static void
count_missing_first(struct flow *flow)
{
	if (flow->is_expecting)
		flow->lost += (uint16_t)(flow->first - flow->expected);
	flow->is_expecting = false;
}

void
flow_expect(struct flow *flow, uint16_t sequence)
{
	flow->expected = sequence;
	flow->is_expecting = true;
	if (flow->started)
		count_missing_first(flow);
}

/* A repeat that ends before the latest packet is none. */
static void
end_repeat(struct flow *flow)
{
	flow->duplicate += flow->again;
	flow->again = 0;
}

static void
take_again(struct flow *flow, uint16_t sequence)
{
	if (sequence != flow->again_next)
		end_repeat(flow);
	flow->again++;
	flow->again_next = (uint16_t)(sequence + 1);
	if (sequence != flow->highest)
		return;
	flow->repeats++;
	flow->repeated += flow->again;
	flow->again = 0;
}

/* Loss is what was expected less what came (RFC 3550 A.3). */
static void
take_sequence(struct flow *flow, uint16_t sequence)
{
	uint16_t ahead = (uint16_t)(sequence - flow->highest);
	uint16_t behind = (uint16_t)(flow->highest - sequence);

	if (!flow->started || (ahead != 0 && ahead < 0x8000))
		end_repeat(flow);
	if (!flow->started) {
		flow->first = flow->highest = sequence;
		flow->window = 1;
		count_missing_first(flow);
	} else if (ahead != 0 && ahead < 0x8000) {
		flow->lost += ahead - 1U;
		flow->window = ahead < WINDOW ? flow->window << ahead : 0;
		flow->window |= 1;
		flow->highest = sequence;
	} else if (behind < WINDOW && (flow->window >> behind & 1) == 0) {
		flow->window |= (uint64_t)1 << behind;
		flow->reordered++;
		if (flow->lost > 0)
			flow->lost--;
	} else {
		take_again(flow, sequence);
	}
}

/* An ASF packet with an explicit Packet Length (ASF 5.2.2) says its own size.
 */
static bool
asf_length_is(const uint8_t *asf, size_t head_bytes, size_t size)
{
	if (head_bytes < 9 || asf[0] != 0x82)
		return true; /* nothing here to hold it against */
	switch (asf[3] & 0x60) {
	case 0x40:
		return size == (size_t)(asf[5] | asf[6] << 8);
	case 0x60:
		return size == (asf[5] | (size_t)asf[6] << 8 |
				   (size_t)asf[7] << 16 | (size_t)asf[8] << 24);
	default:
		return true;
	}
}

/* The payload header against the datagram; fragments against each other. */
static bool
payload_is_right(struct flow *flow, const uint8_t *head, size_t head_bytes,
    size_t payload_bytes, bool marker, bool is_next)
{
	uint32_t number;
	size_t header;

	if (head_bytes < 4 || payload_bytes < 5)
		return false;
	number = u32(head) & 0xffffff;
	header = 4U + 4U * (unsigned)((head[0] >> 5 & 1) + (head[0] >> 4 & 1) +
				      (head[0] >> 3 & 1));
	if (payload_bytes <= header || head_bytes < header)
		return false;
	if ((head[0] & 0x40) != 0) { /* L: a whole packet, and its length */
		flow->fragment_at = 0;
		return marker && number == payload_bytes &&
		       asf_length_is(head + header, head_bytes - header,
			   payload_bytes - header);
	}
	if (number != flow->fragment_at && is_next) {
		flow->fragment_at = 0;
		return false;
	}
	flow->fragment_at =
	    marker ? 0 : (uint32_t)(number + payload_bytes - header);
	return true;
}

static bool
packet_is_right(
    struct flow *flow, const uint8_t *head, size_t size, uint8_t last)
{
	size_t padding = 0, header;
	bool is_next = flow->started && (uint16_t)(head[2] << 8 | head[3]) ==
					    (uint16_t)(flow->highest + 1);

	if (size < 12 || head[0] >> 6 != 2)
		return false;
	header = 12 + 4 * (size_t)(head[0] & 15);
	if ((head[0] & 0x20) != 0) {
		padding = last;
		if (padding == 0)
			return false;
	}
	if (header + padding >= size || (head[0] & 0x10) != 0)
		return false;
	if (!flow->asf || header != 12)
		return !flow->asf;
	return payload_is_right(flow, head + header,
	    (size < FLOW_HEAD_BYTES ? size : FLOW_HEAD_BYTES) - header,
	    size - header - padding, (head[1] & 0x80) != 0, is_next);
}

static void
take_time(struct flow *flow, uint32_t timestamp, uint64_t now_us)
{
	double media_ms, lateness_ms;

	if (!flow->started) {
		flow->first_us = now_us;
		flow->first_timestamp = timestamp;
	}
	media_ms = (double)(int32_t)(timestamp - flow->first_timestamp) *
		   1000.0 / flow->clock_hz;
	lateness_ms = (double)(now_us - flow->first_us) / 1000.0 - media_ms;
	histogram_add(&flow->session->lateness, lateness_ms);
	if (lateness_ms > FLOW_LATE_MS)
		flow->late++;
	if (lateness_ms > flow->late_ms)
		flow->late_ms = lateness_ms;
	if (-lateness_ms > flow->early_ms)
		flow->early_ms = -lateness_ms;
	if (media_ms > flow->media_ms)
		flow->media_ms = media_ms;
	if (now_us - flow->session->last_us > flow->session->gap_us)
		flow->session->gap_us = now_us - flow->session->last_us;
	if (now_us - flow->session->last_us >= FLOW_BURST_US)
		flow->session->bursts++;
	flow->session->last_us = now_us;
	if (flow->session->behind_us == 0)
		flow->session->behind_us = now_us;
}

void
flow_take(struct flow *flow, const uint8_t *head, size_t size, uint8_t last,
    uint64_t now_us)
{
	struct trace *trace = flow->session->trace;

	if (!packet_is_right(flow, head, size, last)) {
		flow->malformed++;
		return;
	}
	take_sequence(flow, (uint16_t)(head[2] << 8 | head[3]));
	take_time(flow, u32(head + 4), now_us);
	flow->started = true;
	flow->packets++;
	flow->bytes += size;
	if (trace != NULL && trace->count < TRACE_MAX)
		trace->sizes[trace->count++] = (uint16_t)size;
}
