/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * assemble - ASF packets out of the payloads of RTP packets (MS-RTSP 2.2.1.3),
 * each one checked and brought to the title's packet size, or dropped: what
 * goes out is safe for a demultiplexer to read.
 *
 * No I/O and no clock.  Payloads come in the order of their sequence numbers.
 */
#ifndef PLAYER_ASSEMBLE_H
#define PLAYER_ASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "player/prologue.h"

struct assemble; /* opaque */

/* PACKET has the title's packet size; both are borrowed for the call. */
typedef void assemble_deliver(
    void *context, const uint8_t *packet, const struct asf_packet *parsed);

/* PROLOGUE is borrowed: it outlives the assembler. */
int assemble_new(const struct prologue *prologue, assemble_deliver *deliver,
    void *context, struct assemble **out); /* 0 or -errno */
void assemble_free(struct assemble *assemble); /* accepts NULL */
void assemble_restart(struct assemble *assemble); /* a half packet is dropped */

/* GAP: RTP packets before this one are lost.  MARKER: the packet ends here. */
void assemble_put(struct assemble *assemble, const uint8_t *payload,
    size_t size, bool marker, bool gap);

struct assemble_counts {
	uint64_t packets; /* given out */
	uint64_t damaged; /* dropped */
};
struct assemble_counts assemble_counts(const struct assemble *assemble);

#endif
