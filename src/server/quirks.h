/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quirks - what clients of certain names need beyond the protocol, because of
 * defects that stay in the field for years.  Everybody else gets plain RTP.
 */
#ifndef SERVER_QUIRKS_H
#define SERVER_QUIRKS_H

#include <stdint.h>

/* Bits of table_session_cold.quirks. */
enum quirk {
	/* Behind a jump its demultiplexer is out of step (stream.c). */
	QUIRK_RESYNC = 1,
	/*
	 * It names a destination for each stream, but its demultiplexer gives
	 * out nothing until every kind of stream in the header has begun or the
	 * flow has ended: of flows of one stream each it shows the first
	 * picture at the end of the title.  Everything goes to the first
	 * destination (stream.c).
	 */
	QUIRK_ONE_FLOW = 2,
	/*
	 * It takes the end in the answer's Range for the last RTP timestamp and
	 * stops there by its own clock; but send times go on behind the last
	 * presentation time less preroll, in some files for seconds.  And its
	 * jitter buffer hangs for ever when the timer for that is first set by
	 * the last packet.  An end that it did not ask for is not told
	 * (play.c).
	 */
	QUIRK_STOPS_AT_END = 4,
};

/* By User-Agent; 0 for most. */
uint32_t quirks_of(const char *user_agent);

#endif
