/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The session: state, streams and flows, admission's arithmetic, end.  What
 * it sends and when is the sender's business, requests are methods'.
 */
#include "server/session.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/quirks.h"

/* UDP and IP headers of a packet, for admission. */
#define UDP_IPV4_BYTES 28
#define UDP_IPV6_BYTES 48
/* The frame's four bytes; TCP and IP headers are shared by several frames. */
#define TCP_FRAME_BYTES 24

/* RFC 2326 A.2.  An empty cell is 455 Method Not Valid in This State. */
#define TO(state) ((int)(state) + 1)
/* clang-format off */
static const int
    next_state[TABLE_SESSION_PAUSED + 1][RTSP_METHOD_COUNT] = {
	[TABLE_SESSION_INIT] = {
		[RTSP_SETUP]    = TO(TABLE_SESSION_READY),
		[RTSP_TEARDOWN] = TO(TABLE_SESSION_INIT),
	},
	[TABLE_SESSION_READY] = {
		[RTSP_SETUP]    = TO(TABLE_SESSION_READY),
		[RTSP_PLAY]     = TO(TABLE_SESSION_PLAYING),
		[RTSP_TEARDOWN] = TO(TABLE_SESSION_INIT),
	},
	[TABLE_SESSION_PLAYING] = {
		[RTSP_PLAY]     = TO(TABLE_SESSION_PLAYING),
		[RTSP_PAUSE]    = TO(TABLE_SESSION_PAUSED),
		[RTSP_TEARDOWN] = TO(TABLE_SESSION_INIT),
	},
	[TABLE_SESSION_PAUSED] = {
		[RTSP_SETUP]    = TO(TABLE_SESSION_PAUSED),
		[RTSP_PLAY]     = TO(TABLE_SESSION_PLAYING),
		[RTSP_TEARDOWN] = TO(TABLE_SESSION_INIT),
	},
};

static const char *const cause_texts[SESSION_CAUSE_COUNT] = {
	[SESSION_TEARDOWN]          = "teardown",
	[SESSION_CONNECTION_CLOSED] = "connection-closed",
	[SESSION_TIMED_OUT]         = "timed-out",
	[SESSION_TOO_SLOW]          = "viewer-too-slow",
	[SESSION_FILE_FAILED]       = "file-unreadable",
	[SESSION_FILE_CHANGED]      = "file-changed",
	[SESSION_STOPPED]           = "server-stopped",
	[SESSION_LOST]              = "worker-died",
	[SESSION_BLAMED]            = "workers-died-over-it",
};
/* clang-format on */

const char *
session_cause_text(enum session_cause cause)
{
	return cause_texts[cause];
}

int
session_next_state(const struct session *session, enum rtsp_method method)
{
	return next_state[session->hot.session_state][method] - 1;
}

void
session_enter(struct session *session, enum table_session_state state)
{
	session->hot.session_state = state;
}

/* --- records -------------------------------------------------------------- */

void
session_publish_hot(const struct session *session)
{
	table_publish(session->lane->table, session->lane->number,
	    TABLE_SESSION, session->record, &session->hot);
}

void
session_publish(const struct session *session)
{
	const struct table_change changes[] = {
		{ TABLE_SESSION_COLD, session->record, &session->cold },
		{ TABLE_SESSION, session->record, &session->hot },
	};

	table_publish_all(session->lane->table, session->lane->number, changes,
	    ARRAY_LENGTH(changes));
}

static void
write_id(uint32_t lane, uint32_t record, const uint8_t id[static 16],
    char text[static SESSION_ID_CHARS + 1])
{
	snprintf(text, SESSION_ID_CHARS + 1, "%02" PRIx32 "%06" PRIx32,
	    lane & 0xff, record & 0xffffff);
	for (size_t i = 0; i < 16; i++)
		snprintf(text + 8 + 2 * i, 3, "%02x", id[i]);
}

void
session_id_text(
    const struct session *session, char text[static SESSION_ID_CHARS + 1])
{
	write_id(
	    session->lane->number, session->record, session->cold.id, text);
}

/* The part of the id that logs and vodstat show; gives no right to anything. */
static void
short_id(const struct session *session, char text[SESSION_SHORT_CHARS + 1])
{
	for (size_t i = 0; i < SESSION_SHORT_CHARS / 2; i++)
		snprintf(text + 2 * i, 3, "%02x", session->cold.id[i]);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Lane and record that ID begins with. */
static bool
read_place(struct rtsp_text id, uint32_t *lane, uint32_t *record)
{
	uint32_t place = 0;

	if (id.length != SESSION_ID_CHARS)
		return false;
	for (size_t i = 0; i < 8; i++) {
		if (hex_digit(id.at[i]) == -1)
			return false;
		place = place << 4 | (uint32_t)hex_digit(id.at[i]);
	}
	*lane = place >> 24;
	*record = place & 0xffffff;
	return true;
}

/* In constant time. */
static bool
ids_are_equal(struct rtsp_text id, const char text[static SESSION_ID_CHARS])
{
	int difference = 0;

	for (size_t i = 0; i < SESSION_ID_CHARS; i++)
		difference |= text[i] ^ id.at[i];
	return difference == 0;
}

struct session *
session_find(const struct lane *lane, struct rtsp_text id)
{
	char text[SESSION_ID_CHARS + 1];
	uint32_t number, record;
	struct session *session;

	if (!read_place(id, &number, &record) || number != lane->number ||
	    record >= lane->session_slots ||
	    (session = lane->sessions[record]) == NULL)
		return NULL;
	session_id_text(session, text);
	return ids_are_equal(id, text) ? session : NULL;
}

uint32_t
session_find_elsewhere(const struct lane *lane, struct rtsp_text id,
    const union sock_address *peer)
{
	char text[SESSION_ID_CHARS + 1];
	struct table_session_cold cold;
	struct table_session hot;
	uint32_t number, record;

	if (!read_place(id, &number, &record) || number == lane->number ||
	    !table_read(lane->table, number, TABLE_SESSION, record, &hot) ||
	    hot.state != TABLE_USED ||
	    !table_read(
		lane->table, number, TABLE_SESSION_COLD, record, &cold) ||
	    !sock_address_same_host(&cold.peer, peer))
		return TABLE_NONE;
	write_id(number, record, cold.id, text);
	return ids_are_equal(id, text) ? number : TABLE_NONE;
}

static void
copy_text(char *out, size_t size, struct rtsp_text text)
{
	size_t length = text.at == NULL ? 0 : MIN_OF(text.length, size - 1);

	if (length > 0)
		memcpy(out, text.at, length);
	out[length] = '\0';
}

static void
waited(struct waiter *waiter)
{
	session_set_due(CONTAINER_OF(waiter, struct session, waiter));
}

int
session_new(struct lane *lane, struct titles_entry *title, uint32_t connection,
    struct transport_link *link, const union sock_address *peer,
    const union sock_address *local, struct rtsp_text user_agent,
    struct session **out)
{
	struct session *session = calloc(1, sizeof(*session));
	int error;

	if (session == NULL)
		return -ENOMEM;
	error = table_claim(
	    lane->table, lane->number, TABLE_SESSION, &session->record);
	if (error != 0) {
		free(session);
		return error;
	}
	session->lane = lane;
	session->link = link;
	session->waiter.ready = waited;
	session->title = title;
	titles_hold(title);
	session->hot.state = TABLE_USED;
	session->hot.speed_milli = 1000;
	session->hot.end_packet = title_packets(titles_title(title));
	session->hot.first_ms = titles_first_ms(title);
	session->hot.position_ms = titles_first_ms(title);
	session->cold.connection = connection;
	session->cold.title = titles_record(title);
	session->cold.pair_lane = lane->number;
	session->cold.peer = *peer;
	session->cold.local = *local;
	session->cold.created_wall_us = clock_wall_us();
	copy_text(session->cold.user_agent, sizeof(session->cold.user_agent),
	    user_agent);
	session->cold.quirks = quirks_of(session->cold.user_agent);
	lane_random(session->cold.id, sizeof(session->cold.id));
	session_enter(session, TABLE_SESSION_INIT);
	session_hear(session);
	lane->sessions[session->record] = session;
	table_counter_add(lane->table, lane->number, TABLE_SESSIONS_BEGUN, 1);
	*out = session;
	return 0;
}

struct session *
session_adopt(struct lane *lane, uint32_t record, uint32_t connection,
    struct transport_link *link)
{
	struct session *session;
	int error = -ENOENT;

	if (record >= lane->session_slots || lane->sessions[record] != NULL ||
	    (session = calloc(1, sizeof(*session))) == NULL)
		return NULL;
	session->lane = lane;
	session->record = record;
	session->link = link;
	session->waiter.ready = waited;
	if (table_read(lane->table, lane->number, TABLE_SESSION, record,
		&session->hot) &&
	    table_read(lane->table, lane->number, TABLE_SESSION_COLD, record,
		&session->cold) &&
	    session->hot.state == TABLE_USED &&
	    session->hot.flow_count <= TABLE_FLOWS_MAX &&
	    session->cold.connection == connection)
		error = titles_adopt(
		    lane->titles, session->cold.title, &session->title);
	if (error != 0) {
		free(session);
		return NULL;
	}
	titles_hold(session->title);
	session->started = session->hot.packets_sent > 0;
	session->resends =
	    session->cold.transport == TABLE_UDP &&
	    session->hot.session_state == TABLE_SESSION_PLAYING &&
	    session->hot.end == TABLE_END_NONE;
	lane->sessions[record] = session;
	return session;
}

void
session_go_on(struct session *session)
{
	const struct table_session *hot = &session->hot;
	uint64_t next_us = stream_due_us(hot, hot->position_ms);

	if (hot->session_state != TABLE_SESSION_PLAYING)
		return;
	if (next_us <= clock_monotonic_us() + LOOP_TICK_US ||
	    hot->end != TABLE_END_NONE || session->link->writer == session)
		session_set_due(session);
	else
		session_set_due_at(session, next_us);
}

static void
log_ended(const struct session *session, enum session_cause cause)
{
	const struct table_session *hot = &session->hot;
	const struct table_session_cold *cold = &session->cold;
	const char *path = titles_path(session->title);
	uint64_t wall_us = clock_wall_us();
	uint64_t since_us = cold->play_wall_us;
	char peer[SOCK_TEXT_MAX], id[SESSION_SHORT_CHARS + 1];

	short_id(session, id);
	log_info("session",
	    "ended peer=%s session=%s title=\"%s\" transport=%s "
	    "start=%" PRIu32 ".%03" PRIu32 " seconds=%.1f bytes=%" PRIu64
	    " packets=%" PRIu64 " lost=%" PRIu32 " agent=\"%s\" cause=%s",
	    sock_address_text(&cold->peer, true, peer), id,
	    LOG_TEXT(path, strlen(path)),
	    cold->transport == TABLE_TCP ? "tcp" : "udp", cold->start_ms / 1000,
	    cold->start_ms % 1000,
	    since_us == 0 || wall_us < since_us
		? 0.0
		: (double)(wall_us - since_us) / 1e6,
	    hot->bytes_sent, hot->packets_sent, hot->packets_lost,
	    LOG_TEXT(cold->user_agent, strlen(cold->user_agent)),
	    session_cause_text(cause));
}

static struct session **
due_list(struct session *session)
{
	return &session->lane->due[session->cold.transport == TABLE_TCP];
}

static void
leave_due_list(struct session *session)
{
	struct session **at = due_list(session);

	if (!session->due)
		return;
	while (*at != session)
		at = &(*at)->due_next;
	*at = session->due_next;
	session->due = false;
}

void
session_end(struct session *session, enum session_cause cause)
{
	struct lane *lane = session->lane;

	table_release(
	    lane->table, lane->number, TABLE_SESSION, session->record);
	session_free(session, cause);
}

void
session_free(struct session *session, enum session_cause cause)
{
	struct lane *lane = session->lane;

	log_ended(session, cause);
	table_counter_add(lane->table, lane->number, TABLE_COMMITTED_BPS,
	    -(int64_t)session->hot.committed_bps);
	table_counter_add(lane->table, lane->number, TABLE_SESSIONS, -1);
	table_counter_add(lane->table, lane->number, TABLE_SESSIONS_ENDED, 1);
	session_leave(session);
}

void
session_leave(struct session *session)
{
	struct lane *lane = session->lane;

	session_pause(session);
	lane->sessions[session->record] = NULL;
	titles_drop(session->title);
	free(session);
}

void
session_hear(struct session *session)
{
	session->hot.deadline_us = loop_now_us(session->lane->loop) +
				   session->lane->config->session_timeout_us;
}

/* --- streams and flows ---------------------------------------------------- */

static bool
flow_has(const struct session *session, unsigned flow, unsigned stream)
{
	return (session->cold.flow_streams[flow][stream / 64] >> (stream % 64) &
		   1) != 0;
}

static bool
flow_is_empty(const struct session *session, unsigned flow)
{
	return session->cold.flow_streams[flow][0] == 0 &&
	       session->cold.flow_streams[flow][1] == 0;
}

bool
session_has_stream(const struct session *session, unsigned stream)
{
	return (session->cold.setup_streams[stream / 64] >> (stream % 64) &
		   1) != 0;
}

unsigned
session_stream_count(const struct session *session)
{
	return (unsigned)__builtin_popcountll(session->cold.setup_streams[0]) +
	       (unsigned)__builtin_popcountll(session->cold.setup_streams[1]);
}

static int
flow_of(const struct session *session, unsigned stream)
{
	for (unsigned flow = 0; flow < session->hot.flow_count; flow++)
		if (flow_has(session, flow, stream))
			return (int)flow;
	return -1;
}

int
session_flow(const struct session *session, unsigned stream)
{
	int flow = flow_of(session, stream);

	return flow > 0 && (session->cold.quirks & QUIRK_ONE_FLOW) != 0 ? 0
									: flow;
}

bool
session_uses_channel(const struct session *session, unsigned channel)
{
	const struct table_session_cold *cold = &session->cold;

	if (cold->transport != TABLE_TCP)
		return false;
	if (cold->has_rtx &&
	    (cold->rtx.rtp == channel || cold->rtx.rtcp == channel))
		return true;
	for (unsigned flow = 0; flow < session->hot.flow_count; flow++)
		if (cold->destination[flow].rtp == channel ||
		    cold->destination[flow].rtcp == channel)
			return true;
	return false;
}

static void
flow_delete(struct session *session, unsigned flow)
{
	struct table_session *hot = &session->hot;
	struct table_session_cold *cold = &session->cold;
	unsigned behind = hot->flow_count - flow - 1;

	memmove(&hot->flows[flow], &hot->flows[flow + 1],
	    behind * sizeof(hot->flows[0]));
	memmove(&cold->flow_streams[flow], &cold->flow_streams[flow + 1],
	    behind * sizeof(cold->flow_streams[0]));
	memmove(&cold->destination[flow], &cold->destination[flow + 1],
	    behind * sizeof(cold->destination[0]));
	memmove(&session->lost[flow], &session->lost[flow + 1],
	    behind * sizeof(session->lost[0]));
	hot->flow_count--;
}

/*
 * A command stream (captions, script commands) has no m= line, since no
 * client would set it up; its payloads go along in the first flow.
 */
static void
add_commands(struct session *session)
{
	const struct asf_header *header =
	    title_header(titles_title(session->title));

	if (session->hot.flow_count == 0)
		return;
	for (unsigned stream = 1; stream < ASF_STREAMS; stream++)
		if (header->streams[stream].there &&
		    header->streams[stream].kind == ASF_COMMAND)
			session->cold.flow_streams[0][stream / 64] |=
			    UINT64_C(1) << (stream % 64);
}

static bool
flow_is_idle(const struct session *session, unsigned flow)
{
	for (unsigned i = 0; i < 2; i++)
		if ((session->cold.flow_streams[flow][i] &
			session->cold.setup_streams[i]) != 0)
			return false;
	return true;
}

void
session_remove_stream(struct session *session, unsigned stream)
{
	int flow = flow_of(session, stream);

	if (flow == -1)
		return;
	session->cold.flow_streams[flow][stream / 64] &=
	    ~(UINT64_C(1) << (stream % 64));
	session->cold.setup_streams[stream / 64] &=
	    ~(UINT64_C(1) << (stream % 64));
	if (flow_is_empty(session, (unsigned)flow) ||
	    flow_is_idle(session, (unsigned)flow))
		flow_delete(session, (unsigned)flow);
	add_commands(session);
}

/*
 * SSRC: random bits, the record, a number of the flow: so that a report that
 * arrives on the lane's one RTCP socket finds its session.
 */
#define SSRC_FLOW_BITS 3
#define SSRC_RECORD_BITS 20
#define SSRC_RECORDS (UINT32_C(1) << SSRC_RECORD_BITS)
_Static_assert(TABLE_FLOWS_MAX <= 1 << SSRC_FLOW_BITS, "each flow has one");

struct session *
session_find_ssrc(const struct lane *lane, uint32_t ssrc)
{
	uint32_t record = ssrc >> SSRC_FLOW_BITS & (SSRC_RECORDS - 1);
	struct session *session =
	    record < lane->session_slots ? lane->sessions[record] : NULL;

	if (session == NULL)
		return NULL;
	for (unsigned flow = 0; flow < session->hot.flow_count; flow++)
		if (session->hot.flows[flow].ssrc == ssrc)
			return session;
	return NULL;
}

/* The lowest number that no other flow's SSRC ends in: they move up. */
static uint32_t
spare_number(const struct session *session, unsigned flow)
{
	uint32_t taken = 0, number = 0;

	for (unsigned i = 0; i < session->hot.flow_count; i++)
		if (i != flow)
			taken |= UINT32_C(1) << (session->hot.flows[i].ssrc &
						 ((1u << SSRC_FLOW_BITS) - 1));
	while ((taken >> number & 1) != 0)
		number++;
	return number;
}

static void
flow_begin(struct session *session, unsigned flow)
{
	struct table_flow *new = &session->hot.flows[flow];
	uint32_t number = spare_number(session, flow), random[2];

	lane_random(random, sizeof(random));
	memset(new, 0, sizeof(*new));
	assert(session->record < SSRC_RECORDS);
	new->ssrc = random[0] << (SSRC_RECORD_BITS + SSRC_FLOW_BITS) |
		    session->record << SSRC_FLOW_BITS | number;
	/* FFmpeg takes a first number of 0 for "nothing received yet". */
	new->sequence = (uint16_t)(1 + (random[1] & 0x7fff));
}

/* The flow with this destination; as many as there are: none has it. */
static unsigned
flow_to(const struct session *session, struct table_destination destination)
{
	unsigned flow = 0;

	while (flow < session->hot.flow_count &&
	       session->cold.destination[flow].rtp != destination.rtp)
		flow++;
	return flow;
}

/* All flows are taken, but STREAM may leave one that has no other. */
static bool
has_room_for(const struct session *session, unsigned stream,
    struct table_destination destination)
{
	uint64_t others[2];
	int flow = flow_of(session, stream);

	if (flow_to(session, destination) < TABLE_FLOWS_MAX)
		return true;
	if (flow == -1)
		return false;
	for (unsigned i = 0; i < 2; i++)
		others[i] = session->cold.flow_streams[flow][i] &
			    session->cold.setup_streams[i];
	others[stream / 64] &= ~(UINT64_C(1) << (stream % 64));
	return others[0] == 0 && others[1] == 0;
}

/* There is room for it. */
static unsigned
flow_for(struct session *session, struct table_destination destination)
{
	unsigned flow = flow_to(session, destination);

	if (flow < session->hot.flow_count)
		return flow;
	session->hot.flow_count = flow + 1;
	session->cold.destination[flow] = destination;
	session->cold.flow_streams[flow][0] = 0;
	session->cold.flow_streams[flow][1] = 0;
	session->lost[flow] = 0;
	flow_begin(session, flow);
	return flow;
}

int
session_add_stream(struct session *session, unsigned stream,
    struct table_destination destination)
{
	unsigned flow;

	if (!has_room_for(session, stream, destination))
		return -ENOSPC;
	session_remove_stream(session, stream);
	flow = flow_for(session, destination);
	session->cold.flow_streams[flow][stream / 64] |= UINT64_C(1)
							 << (stream % 64);
	session->cold.setup_streams[stream / 64] |= UINT64_C(1)
						    << (stream % 64);
	add_commands(session);
	return 0;
}

void
session_set_rtx(struct session *session, struct table_destination destination)
{
	session->cold.has_rtx = 1;
	session->cold.rtx = destination;
}

uint64_t
session_rate_bps(const struct session *session, uint32_t speed_milli)
{
	const struct title *title = titles_title(session->title);
	uint32_t packet_bytes = title_packet_bytes(title);
	uint64_t media_bps = 0, header_bytes;

	for (unsigned stream = 1; stream < ASF_STREAMS; stream++)
		if (session_has_stream(session, stream))
			media_bps += title_stream_bps(title, stream);
	header_bytes =
	    RTP_HEADERS_BYTES +
	    (session->cold.transport == TABLE_TCP      ? TCP_FRAME_BYTES
		: session->cold.peer.family == AF_INET ? UDP_IPV4_BYTES
						       : UDP_IPV6_BYTES);
	header_bytes *=
	    stream_fragments(packet_bytes, session->cold.payload_limit);
	media_bps += media_bps * header_bytes / packet_bytes;
	return media_bps * speed_milli / 1000;
}

bool
session_reserve_rate(struct session *session, uint32_t speed_milli)
{
	struct lane *lane = session->lane;
	uint64_t wanted = session_rate_bps(session, speed_milli);
	uint64_t had = session->hot.committed_bps;

	if (wanted > had &&
	    !table_reserve(lane->table, lane->number, TABLE_COMMITTED_BPS,
		wanted - had, lane->config->max_bandwidth_bps))
		return false;
	if (wanted < had)
		table_counter_add(lane->table, lane->number,
		    TABLE_COMMITTED_BPS, -(int64_t)(had - wanted));
	session->hot.committed_bps = wanted;
	return true;
}

/* --- playing -------------------------------------------------------------- */

void
session_set_due(struct session *session)
{
	struct session **list = due_list(session);

	if (session->due)
		return;
	session->due = true;
	session->due_next = *list;
	*list = session;
}

static void
come_due(void *context, uint64_t now_us)
{
	(void)now_us;
	session_set_due(context);
}

void
session_set_due_at(struct session *session, uint64_t at_us)
{
	loop_timer_set(session->lane->loop, &session->timer,
	    at_us - LOOP_TICK_US + 1, come_due, session);
}

void
session_play(struct session *session, uint32_t packet, uint32_t send_ms,
    uint32_t end_packet, uint32_t speed_milli)
{
	struct table_session *hot = &session->hot;

	/* Whoever got packets before may be in the middle of one. */
	hot->resync = hot->packets_sent > 0;
	hot->packet = packet;
	hot->item = 0;
	hot->end_packet = end_packet;
	hot->end = TABLE_END_NONE;
	hot->first_ms = send_ms;
	hot->position_ms = send_ms;
	hot->sr_due_ms = send_ms;
	hot->base_us = loop_now_us(session->lane->loop);
	hot->base_wall_us = clock_wall_us();
	hot->catch_us = 0;
	hot->catch_ms = 0;
	hot->speed_milli = speed_milli;
	if (session->link != NULL && session->cold.transport == TABLE_TCP)
		hot->out_done = session->link->written;
	if (session->cold.play_wall_us == 0) {
		session->cold.play_wall_us = hot->base_wall_us;
		session->cold.start_ms = send_ms;
	}
	session->started = false;
	session->behind_since_us = 0;
	session->behind_us = 0;
	session_set_due(session);
}

void
session_pause(struct session *session)
{
	leave_due_list(session);
	loop_timer_clear(session->lane->loop, &session->timer);
	waiter_forget(&session->waiter);
}

void
session_report(struct session *session, const struct rtcp_summary *summary)
{
	struct table_session *hot = &session->hot;
	uint32_t total = 0;

	for (unsigned i = 0; i < summary->report_count; i++) {
		const struct rtcp_report *report = &summary->reports[i];

		for (unsigned flow = 0; flow < hot->flow_count; flow++) {
			if (hot->flows[flow].ssrc != report->ssrc)
				continue;
			/* Negative: duplicates arrived (RFC 3550 A.3). */
			session->lost[flow] = (uint32_t)MAX_OF(report->lost, 0);
			hot->jitter_ms = report->jitter;
		}
	}
	for (unsigned flow = 0; flow < hot->flow_count; flow++)
		total += session->lost[flow];
	hot->packets_lost = MAX_OF(hot->packets_lost, total);
	session_hear(session);
	session_publish_hot(session);
}

/* --- end of stream -------------------------------------------------------- */

/* Calls SAY once per m= line: where to, with which SSRC. */
static void
each_bye(struct session *session,
    void (*say)(struct session *session, struct table_destination to,
	uint32_t ssrc, void *context),
    void *context)
{
	const struct table_session_cold *cold = &session->cold;
	const struct table_flow *flows = session->hot.flows;
	bool one = (cold->quirks & QUIRK_ONE_FLOW) != 0;
	unsigned flow;

	if (session->hot.flow_count == 0)
		return;
	for (flow = 0; flow < session->hot.flow_count; flow++)
		say(session, cold->destination[flow],
		    flows[one ? 0 : flow].ssrc, context);
	if (cold->has_rtx)
		say(session, cold->rtx, flows[0].ssrc, context);
	for (uint32_t i = 0; i < cold->bye_extra; i++)
		say(session, cold->destination[0], flows[0].ssrc, context);
}

static void
say_udp(struct session *session, struct table_destination to, uint32_t ssrc,
    void *context)
{
	struct transport_path path = {
		.peer = &session->cold.peer,
		.local = &session->cold.local,
		.ports = to,
	};
	uint8_t bye[RTCP_MAX];
	size_t size = rtcp_write_rr_bye(bye, ssrc);

	(void)context;
	/* One that does not get out is as good as one lost on the way. */
	(void)transport_send_rtcp(session->lane->transport, &path, bye, size);
}

void
session_bye_udp(struct session *session)
{
	each_bye(session, say_udp, NULL);
	session->hot.end = TABLE_END_SAID;
	session_publish_hot(session);
}

static void
say_frame(struct session *session, struct table_destination to, uint32_t ssrc,
    void *context)
{
	struct bytes_writer *out = context;
	uint8_t bye[RTCP_MAX];
	size_t size = rtcp_write_rr_bye(bye, ssrc);

	(void)session;
	bytes_put_u8(out, '$');
	bytes_put_u8(out, (uint8_t)to.rtcp);
	bytes_put_u16be(out, (uint16_t)size);
	bytes_put(out, bye, size);
}

size_t
session_bye_frames(struct session *session, uint8_t out[static SESSION_BYE_MAX])
{
	struct bytes_writer writer = bytes_writer(out, SESSION_BYE_MAX);

	each_bye(session, say_frame, &writer);
	session->hot.end = TABLE_END_SAID;
	return writer.at;
}
