/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session - the RTSP state machine of one session (RFC 2326 A.2), and its
 * records in the table.
 *
 * `hot` and `cold` are the session; what stands beside them only finds things
 * faster (the open title, the connection) or can be had again (timer, waiter).
 * A session belongs to one connection, which ends it.
 */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/waiter.h"
#include "server/lane.h"
#include "server/titles.h"
#include "server/transport.h"
#include "wire/rtp.h"
#include "wire/rtsp.h"

/* Lane and record, then 128 random bits, in hexadecimal. */
#define SESSION_ID_CHARS 40
#define SESSION_SHORT_CHARS 8

struct session {
	struct lane *lane;
	uint32_t record;
	struct table_session hot;
	struct table_session_cold cold;
	struct transport_link *link; /* borrowed from the connection */
	struct titles_entry *title; /* held */
	struct loop_timer timer;
	struct waiter waiter;
	struct session *due_next;
	bool due; /* in the lane's list */
	bool failed; /* part of its batch could not be sent */
	bool started; /* something was sent since PLAY */
	bool resends; /* adopted: the last tick is still to be sent again */
	uint32_t lost[TABLE_FLOWS_MAX]; /* cumulative, as last reported */
	uint64_t behind_since_us; /* late since then (0: not) ... */
	uint64_t behind_us; /* ... by so much at first */
};

/* Why a session ended; session_cause_text() says it in the log. */
enum session_cause {
	SESSION_TEARDOWN,
	SESSION_CONNECTION_CLOSED,
	SESSION_TIMED_OUT,
	SESSION_TOO_SLOW,
	SESSION_FILE_FAILED,
	SESSION_FILE_CHANGED,
	SESSION_STOPPED,
	SESSION_LOST, /* its worker died, and its connection or title with it */
	SESSION_BLAMED, /* workers died over it */
	SESSION_CAUSE_COUNT
};

/*
 * A session for TITLE (held from now on) on the connection with record
 * CONNECTION, whose ends are PEER and LOCAL.  State INIT.  Not published before
 * session_publish(). -EUSERS: the lane is full; -ENOSPC, -ENOMEM.
 */
int session_new(struct lane *lane, struct titles_entry *title,
    uint32_t connection, struct transport_link *link,
    const union sock_address *peer, const union sock_address *local,
    struct rtsp_text user_agent, struct session **out);
/*
 * What a predecessor left in RECORD goes on, on the connection with record
 * CONNECTION; nothing is sent before its title is open again (titles_ready()).
 * NULL: the record holds no session of this connection, or no memory.
 */
struct session *session_adopt(struct lane *lane, uint32_t record,
    uint32_t connection, struct transport_link *link);
/*
 * With an open title: one that plays sends when it is time for its next packet,
 * so that nobody who is late waits for others who are not; what was half sent,
 * at once.
 */
void session_go_on(struct session *session);
/* Logs the one line of an ended session, releases everything. */
void session_end(struct session *session, enum session_cause cause);
/* The same for one whose record its caller has released. */
void session_free(struct session *session, enum session_cause cause);
/* Forget it; its record stays, for who adopts it. */
void session_leave(struct session *session);

/* Both records, or the one that packets change. */
void session_publish(const struct session *session);
void session_publish_hot(const struct session *session);

void session_id_text(
    const struct session *session, char text[static SESSION_ID_CHARS + 1]);
/* The session that ID names, with the right to it; NULL. */
struct session *session_find(const struct lane *lane, struct rtsp_text id);
/* The other lane whose session of PEER's host ID names, with the right to it;
 * TABLE_NONE. */
uint32_t session_find_elsewhere(const struct lane *lane, struct rtsp_text id,
    const union sock_address *peer);
/* The one of which a flow has this SSRC; NULL. */
struct session *session_find_ssrc(const struct lane *lane, uint32_t ssrc);

/* The state METHOD leads to; -1: 455 Method Not Valid in This State. */
int session_next_state(const struct session *session, enum rtsp_method method);
/* The one function that assigns the state.  Does not publish. */
void session_enter(struct session *session, enum table_session_state state);

/*
 * Streams.  session_add_stream: STREAM goes to DESTINATION from now on; one
 * that was set up before moves there.  Streams with equal destinations share a
 * flow. -ENOSPC: more than TABLE_FLOWS_MAX destinations.
 */
int session_add_stream(struct session *session, unsigned stream,
    struct table_destination destination);
void session_remove_stream(struct session *session, unsigned stream);
void session_set_rtx(
    struct session *session, struct table_destination destination);
bool session_has_stream(const struct session *session, unsigned stream);
unsigned session_stream_count(const struct session *session);
/* The flow that carries STREAM; -1. */
int session_flow(const struct session *session, unsigned stream);
/* Any flow, or rtx, with this interleaved channel? */
bool session_uses_channel(const struct session *session, unsigned channel);

/* Bit rate to be reserved while playing or paused, headers included. */
uint64_t session_rate_bps(const struct session *session, uint32_t speed_milli);
/* Take that, or give back what is too much.  False: not enough for all. */
bool session_reserve_rate(struct session *session, uint32_t speed_milli);

/*
 * Play from PACKET, whose send time is SEND_MS, to END_PACKET; first packet at
 * once.  The caller reserved its bit rate.
 */
void session_play(struct session *session, uint32_t packet, uint32_t send_ms,
    uint32_t end_packet, uint32_t speed_milli);
void session_pause(struct session *session);

/* Something was heard of the client: RFC 2326 12.37. */
void session_hear(struct session *session);
/* Report blocks of a receiver report about this session. */
void session_report(
    struct session *session, const struct rtcp_summary *summary);

/* To be looked at by the sender in this turn. */
void session_set_due(struct session *session);
/* In the tick that ends before AT_US: early by a tick, never late. */
void session_set_due_at(struct session *session, uint64_t at_us);

/*
 * End of stream (wire reference 10): an RR and a BYE for each m= line.  UDP:
 * sends them. TCP: the frames, to be written by the connection; *SIZE bytes.
 * State: END_SAID.
 */
void session_bye_udp(struct session *session);
/* Whole frames that fit into an outbox; a title of more lines gets these. */
#define SESSION_BYE_MAX (TABLE_OUTBOX_BYTES / (16 + 4) * (16 + 4))
size_t session_bye_frames(
    struct session *session, uint8_t out[static SESSION_BYE_MAX]);

const char *session_cause_text(enum session_cause cause);

#endif
