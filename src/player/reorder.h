/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reorder - the jitter buffer: RTP packets of one flow as they come in, once
 * each and in the order of their sequence numbers as they go out; and what RTCP
 * wants to know about them (RFC 3550 6.4.1, A.1, A.3, A.8).
 *
 * No I/O and no clock: the caller says when it is.  Packets that come in order
 * are not copied; those that come early are kept until the missing ones are
 * there, or have been waited for long enough.
 */
#ifndef PLAYER_REORDER_H
#define PLAYER_REORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/rtp.h"

struct reorder; /* opaque */

/* PAYLOAD is borrowed for the call.  GAP: packets before this one are lost. */
typedef void reorder_deliver(void *context, const struct rtp_header *header,
    const uint8_t *payload, size_t size, bool gap);

/* Packets with an early one in front are waited for so long, 0: never. */
int reorder_new(uint64_t latency_us, reorder_deliver *deliver, void *context,
    struct reorder **out); /* 0 or -errno */
void reorder_free(struct reorder *reorder); /* accepts NULL */

/*
 * What comes next begins anew: behind PLAY, and for a new flow.  What is kept
 * is dropped.  HAS_SEQUENCE: packets before SEQUENCE are of what was before.
 */
void reorder_restart(
    struct reorder *reorder, bool has_sequence, uint16_t sequence);

/* Another source is to come, of another session. */
void reorder_forget(struct reorder *reorder);

/* A datagram or frame; one that is no RTP is counted and dropped. */
void reorder_put(
    struct reorder *reorder, const uint8_t *data, size_t size, uint64_t now_us);
/* Give up on what has been waited for long enough. */
void reorder_expire(struct reorder *reorder, uint64_t now_us);
/* When that has something to do; UINT64_MAX: not before a packet comes. */
uint64_t reorder_due_us(const struct reorder *reorder);
/* Everything that is kept goes out: the flow has ended. */
void reorder_flush(struct reorder *reorder);

struct reorder_counts { /* since reorder_new() */
	uint64_t packets, bytes; /* RTP packets of the flow */
	uint64_t lost; /* given up on */
	uint64_t reordered; /* came behind a later one */
	uint64_t recovered; /* of these: in time */
	uint64_t duplicates;
	uint64_t foreign; /* no RTP, or of another source */
	unsigned jitter_us;
};
void reorder_counts(const struct reorder *reorder, struct reorder_counts *out);

/* Has a packet come since the last restart? */
bool reorder_has_begun(const struct reorder *reorder);
/* The flow's source, and the time of its last packet in order; valid when one
 * has come. */
uint32_t reorder_ssrc(const struct reorder *reorder);
uint32_t reorder_timestamp(const struct reorder *reorder);
/* For a receiver report; the fraction is of what came since the last call. */
void reorder_report(
    struct reorder *reorder, uint64_t now_us, struct rtcp_report *out);
/* A sender report came: what the next ones say of it. */
void reorder_sender_report(
    struct reorder *reorder, uint64_t ntp, uint64_t now_us);

#endif
