/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pieces - all that a viewer got, cut into replies, frames and datagrams, and
 * compared with what another got of another server.
 *
 * Replies come in one order, those of a channel too; how the ones lie between
 * the others is pace.  What differs from server to server is blotted out: its
 * ports, and the wall clock in sender reports, after it has been seen that all
 * reports of one PLAY tell the same time base.  So is what depends on how long
 * it took: in a gap of the title the position of a reply, and reports.
 */
#ifndef T_PIECES_H
#define T_PIECES_H

#include "served.h"

/* Channels as of interleaved frames; over UDP flow N's are 2N and 2N + 1. */
#define PIECES_CHANNELS 16
#define PIECES_REPLY PIECES_CHANNELS
#define PIECES_KINDS (PIECES_CHANNELS + 1)

struct piece {
	size_t size;
	uint8_t *bytes;
	uint64_t at_us; /* when it came, monotonic */
};

struct pieces_row {
	struct piece *at;
	size_t count, room;
};

/* By channel, then the replies. */
struct pieces {
	bool datagrams;
	struct pieces_row rows[PIECES_KINDS];
};

/* Media time: packets of one PLAY lie in one span of EVERY_MS, which begins with
 * them; a gap begins behind LAST_MS of it, but in span LATE is none. */
struct pieces_bursts {
	uint32_t every_ms, last_ms, late;
};

/*
 * SPEED: of all PLAYs.  Wrong framing fails the test.
 */
void pieces_cut(struct pieces *pieces, const struct viewer *viewer,
    unsigned speed, const struct pieces_bursts *bursts);
void pieces_free(struct pieces *pieces);

/*
 * Fails the test unless both are the same.  After DEATHS of workers datagrams
 * may have come twice, as many times: those of one tick.
 */
void pieces_compare(
    const struct pieces *got, const struct pieces *wanted, unsigned deaths);

/*
 * Fails the test if a sequence number is missing on an RTP channel, or came
 * with other bytes again.
 */
void pieces_check_numbers(const struct pieces *pieces);

#endif
