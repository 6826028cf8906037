/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow - what one RTP flow has received, and whether it was right.
 *
 * Every packet's sequence number, lengths and arrival are looked at; nothing
 * is kept of it but counts.  Only the head of a packet is needed, and its last
 * byte where it has RTP padding.
 */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RTP header without CSRCs, payload header with all options, ASF to its length.
 */
#define FLOW_HEAD_BYTES 40

/* Counts of values in units of 0.1 ms; eight buckets to a power of two. */
#define HISTOGRAM_BUCKETS 128
struct histogram {
	uint32_t count[HISTOGRAM_BUCKETS];
	uint64_t total;
};
void histogram_add(struct histogram *histogram, double ms);
/* The upper end of the bucket in which the part PART (0..1) of all lies; 0 when
 * empty. */
double histogram_ms(const struct histogram *histogram, double part);

/* Sizes of the first packets, in the order they came. */
#define TRACE_MAX 4096
struct trace {
	uint16_t sizes[TRACE_MAX];
	size_t count;
};

/* What the flows of one session have in common. */
struct flow_session {
	struct histogram lateness;
	uint64_t bursts; /* runs of packets less than FLOW_BURST_US apart */
	uint64_t last_us;
	/* Since a mark: the first packet, or 0; the longest time without one.
	 */
	uint64_t behind_us, gap_us;
	struct trace *trace; /* borrowed, may be NULL */
};
#define FLOW_BURST_US 3000

struct flow {
	uint32_t ssrc, clock_hz;
	uint16_t from; /* port of the server; 0: any */
	bool asf; /* else only RTP itself is checked */
	bool started;
	struct flow_session *session; /* borrowed */
	/* What came. */
	uint64_t packets, bytes; /* RTP packets, headers included */
	uint64_t lost, reordered, duplicate, malformed;
	/*
	 * What a worker that died had sent may come once more: not duplicates
	 * but repeats, if in order and up to the latest packet.
	 */
	uint64_t repeats, repeated; /* how often, packets in all */
	uint64_t
	    bursts; /* runs of packets with less than FLOW_BURST_US between */
	uint64_t first_us;
	uint64_t late; /* packets later than FLOW_LATE_MS */
	double early_ms, late_ms; /* the extremes */
	double media_ms; /* RTP time of the last packet since the first */
	/* Its state. */
	uint32_t first_timestamp;
	bool is_expecting;
	uint16_t expected; /* sequence number */
	uint16_t first;
	uint16_t highest;
	uint64_t window; /* bit i: highest - i has come */
	uint64_t again; /* packets of a repeat that has not caught up yet */
	uint16_t again_next;
	uint32_t fragment_at;
};
#define FLOW_LATE_MS 100

/* The first sequence number, as RTP-Info says it, before or after the first
 * packet. */
void flow_expect(struct flow *flow, uint16_t sequence);

/*
 * A packet of SIZE bytes whose first min(SIZE, FLOW_HEAD_BYTES) bytes are at
 * HEAD and whose last byte is LAST.
 */
void flow_take(struct flow *flow, const uint8_t *head, size_t size,
    uint8_t last, uint64_t now_us);

/* The SSRC of a packet that is at least 12 bytes long. */
uint32_t flow_ssrc(const uint8_t *head);

#endif
