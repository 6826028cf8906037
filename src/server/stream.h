/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream - one playing stream: which packet is due when, and what it looks
 * like.
 *
 * An RTP packet is a pure function of (file, record): everything here depends
 * on the session's two records and the bytes of an ASF packet, on nothing else.
 * A successor, or a test in another process, gets the same bytes from the same
 * records.  No I/O, no clock, no logging.
 *
 * What a session sends for one ASF packet are its items, numbered from 0: when
 * sender reports are due one for each flow; behind a jump, what gets a
 * demultiplexer back into step (stream.c); then the packet or its fragments,
 * for each flow.
 */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/asf.h"
#include "table/table.h"
#include "wire/rtp.h"

/* Between sender reports, media time (RFC 3550 6.2: 5 s at least). */
#define STREAM_REPORT_MS 5000
/* Writable bytes in front of a packet: it may grow by some, and gets a head. */
#define STREAM_ROOM 32
/* Interleaved prefix, RTP header, payload header; or a whole SR with SDES. */
#define STREAM_HEAD_MAX (4 + RTCP_MAX)

/* One datagram or frame: head, then body, then padding. */
struct stream_item {
	uint8_t flow;
	bool rtcp;
	uint8_t padding; /* RTP padding octets behind the body (UDP only) */
	uint16_t head_bytes;
	uint32_t body_bytes;
	const uint8_t *head;
	const uint8_t *body; /* in the ASF packet */
	/* The position behind it. */
	uint32_t packet, item, sr_due_ms, resync;
};

/* Where items go.  Arrays are the caller's. */
struct stream_output {
	struct stream_item *items;
	size_t item_count, item_limit;
	uint8_t *heads; /* room for heads */
	size_t heads_used, heads_size;
	uint8_t *copies; /* room for packets cut for one of several flows */
	size_t copies_used, copies_size;
};
void stream_output_reset(struct stream_output *output);

/* When send time SEND_MS is due, monotonic: by base and Speed, slowed while
 * catching up. */
uint64_t stream_due_us(const struct table_session *session, uint32_t send_ms);

/* The same, had there been no need to catch up. */
uint64_t stream_due_without_catching_up_us(
    const struct table_session *session, uint32_t send_ms);
/* Not, or no longer, catching up at SEND_MS? */
bool stream_is_on_time(const struct table_session *session, uint32_t send_ms);

/*
 * From now on catch up at twice the rate: called when the next packet is later
 * than allowed.
 */
void stream_catch_up(
    struct table_session *session, uint64_t now_us, uint32_t send_ms);

/*
 * Append the items of ASF packet session->packet, from session->item on, and
 * move SESSION behind them (stream_advance).  PACKET (PACKET_BYTES bytes,
 * STREAM_ROOM writable bytes in front) is cut in place and is borrowed by
 * the items.  A packet that does not parse, or holds nothing for this session,
 * has no items.  0, or -ENOBUFS: OUTPUT is full (SESSION stands before the item
 * that did not fit; PACKET may be cut already and must be read again).
 */
int stream_emit(struct table_session *session,
    const struct table_session_cold *cold, uint8_t *packet,
    uint32_t packet_bytes, uint32_t send_ms, struct stream_output *output);

/* At NOW_US it has come so far: what is sent then is due. */
uint32_t stream_time_ms(const struct table_session *session, uint64_t now_us);

/*
 * Before packet session->packet, sent at SEND_MS, reports stand alone, the next
 * ones at session->sr_due_ms: nothing else is sent for longer than these are
 * apart, which is a second, or stream_gap_ms() of media time.  A viewer tells a
 * gap from trouble by them.  stream_emit_reports() appends them and has the
 * next ones due behind NOT_BEFORE_MS.  0, or -ENOBUFS as stream_emit().
 */
uint32_t stream_gap_ms(const struct table_session *session);
bool stream_is_gap(const struct table_session *session,
    const struct table_session_cold *cold, uint32_t send_ms);
int stream_emit_reports(struct table_session *session,
    const struct table_session_cold *cold, uint32_t not_before_ms,
    struct stream_output *output);

/* The one function that moves a session's position: ITEM has been sent. */
void stream_advance(
    struct table_session *session, const struct stream_item *item);

static inline size_t
stream_item_bytes(const struct stream_item *item)
{
	return (size_t)item->head_bytes + item->body_bytes + item->padding;
}

/* Largest RTP packets of a title for this session, per ASF packet: for
 * admission. */
unsigned stream_fragments(uint32_t packet_bytes, uint32_t payload_limit);

#endif
