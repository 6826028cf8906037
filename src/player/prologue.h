/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prologue - what stands before the data packets: made anew from the ASF header
 * that a server sent.
 *
 * A demultiplexer trusts a header more than one should trust a server, and
 * waits for every stream that stands in it.  So what it gets has nothing but
 * what is needed to decode the streams that were chosen, with every length
 * checked.  No I/O.
 */
#ifndef PLAYER_PROLOGUE_H
#define PLAYER_PROLOGUE_H

#include <stddef.h>
#include <stdint.h>

#include "media/asf.h"
#include "player/script.h"

/* The longest ASF header that is read, and that is made. */
#define PROLOGUE_MAX (256 * 1024)

/* All presentation times behind it are media times and so much. */
#define PROLOGUE_SHIFT_MS 501

struct prologue {
	struct asf_header header; /* as the server sent it */
	struct asf_set streams; /* those that are in it */
	/* The largest media object of a stream; 0: no such stream. */
	uint32_t object_most[ASF_STREAMS];
	uint32_t latest_ms; /* nothing can be sent or shown behind it */
	char languages[ASF_STREAMS][16]; /* "en"; "" if not told */
	struct script script;
	size_t size;
	uint8_t bytes[PROLOGUE_MAX]; /* Header Object, head of the Data Object
				      */
};

/*
 * Of the header as it came, SIZE bytes with or without the Data Object's head.
 * ASF_NO_STREAMS: none of those that are there can be decoded.  Without
 * CHOSEN, which may be NULL, every stream of sound and pictures is taken.
 * DURATION_US: 0 when not known.
 */
enum asf_result prologue_make(const uint8_t *header, size_t size,
    const struct asf_set *chosen, uint64_t duration_us, struct prologue *out);
/*
 * A packet of the title's size: of each stream the beginning of a media object
 * that never goes on.  asfdemux drops it when the first real one comes, and
 * takes its time for where something begins.
 *
 * Behind the prologue, without BEFORE, it is the title that begins, at
 * PROLOGUE_SHIFT_MS.  Without it asfdemux would let nothing out before each
 * kind of stream is half a second beyond its preroll.
 *
 * Behind a segment it is the segment, at the earliest time in the packet
 * BEFORE that it is put in front of.  Without it that would be the latest.
 */
void prologue_mark(
    const struct prologue *prologue, const uint8_t *before, uint8_t *out);

#endif
