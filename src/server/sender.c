/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sender: pace, reading and batches.  What a packet looks like is the
 * stream's business, how it leaves the transport's.
 */
#include "server/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/blame.h"

/* Items of one batch, and the bytes of their heads. */
#define ITEMS_MAX 1024
#define HEADS_BYTES (ITEMS_MAX * 32)
#define COPIES_BYTES (640u * 1024)
/* Sessions whose packets stand in one batch. */
#define BATCH_MAX 1024
/* Of one session in one turn: packets read at a time, and vectors of a writev.
 */
#define READ_BYTES_MAX (128u * 1024)
#define READ_PACKETS_MAX 64u
#define VECTORS_MAX 1024
#define TCP_ITEMS_MAX (VECTORS_MAX / 2)
/* The fragments of the largest packet, and reports, are fewer. */
#define UDP_ITEMS_MAX 96
/* Later than this: catch up at twice the rate instead of all at once. */
#define CATCH_UP_AFTER_US (100 * US_PER_MS)
/* Nothing is waited for longer without a look at what stands behind it. */
#define LOOK_AGAIN_US US_PER_SECOND
/* So much later than the next one: a wrong time. */
#define OUT_OF_ORDER_MS 1000
/* BYE must not overtake the last packet (wire reference 10). */
#define BYE_DELAY_US (300 * US_PER_MS)
/* Of a lane that has little to send: 80 kB in two ticks. */
#define CALM_BPS UINT64_C(32000000)

struct sender {
	struct lane *lane;
	sender_report *report;
	struct stream_output output;
	uint8_t *arena;
	size_t arena_used;
	struct session *batch[BATCH_MAX];
	size_t batch_count;
	uint64_t now_us;
	struct iovec vectors[VECTORS_MAX];
};

int
sender_new(struct lane *lane, sender_report *report, struct sender **out)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	struct stream_output *output;

	if (sender == NULL)
		return -ENOMEM;
	output = &sender->output;
	sender->lane = lane;
	sender->report = report;
	output->item_limit = ITEMS_MAX;
	output->heads_size = HEADS_BYTES;
	output->copies_size = COPIES_BYTES;
	output->items = calloc(ITEMS_MAX, sizeof(*output->items));
	output->heads = malloc(HEADS_BYTES);
	output->copies = malloc(COPIES_BYTES);
	sender->arena = malloc(LANE_ARENA_BYTES);
	if (output->items == NULL || output->heads == NULL ||
	    output->copies == NULL || sender->arena == NULL) {
		sender_free(sender);
		return -ENOMEM;
	}
	*out = sender;
	return 0;
}

void
sender_free(struct sender *sender)
{
	if (sender == NULL)
		return;
	free(sender->output.items);
	free(sender->output.heads);
	free(sender->output.copies);
	free(sender->arena);
	free(sender);
}

/* --- gathering ------------------------------------------------------------ */

enum gathered {
	GATHERED_ALL, /* the next packet is due later: next_us */
	GATHERED_END, /* up to the last packet */
	GATHERED_WAITS, /* for the disk; the waiter will call */
	GATHERED_FULL, /* no room: send, then go on */
	GATHERED_FAILED, /* the file cannot be read */
	GATHERED_CHANGED, /* the file has become shorter */
	GATHERED_LATE, /* over TCP, and the viewer too slow */
};

struct gathering {
	struct session *session;
	struct table_session
	    cursor; /* hot, as it is behind what was gathered */
	uint32_t end; /* the packet where it ends */
	const uint8_t *behind; /* the packet behind this one; NULL: not read */
	uint64_t next_us;
	bool forced; /* the first packet is half sent: whatever its time */
};

static size_t
stride_of(uint32_t packet_bytes)
{
	return (packet_bytes + STREAM_ROOM + 15) & ~(size_t)15;
}

/* About as many packets as will be due, and one to see when the next is. */
static uint32_t
packets_wanted(const struct sender *sender, const struct session *session)
{
	const struct title *title = titles_title(session->title);
	uint64_t bits = title_average_bps(title) / 1000 *
			session->hot.speed_milli / 1000 *
			sender->lane->config->send_ahead_us / 1000;
	uint64_t packets = bits / 8 / title_packet_bytes(title) + 2;

	packets = MIN_OF(packets, READ_PACKETS_MAX);
	return (uint32_t)MIN_OF(
	    packets, MAX_OF(READ_BYTES_MAX / title_packet_bytes(title), 2));
}

static int
read_packets(struct sender *sender, struct session *session, uint32_t first,
    uint32_t count, uint8_t *into, size_t stride)
{
	const struct title *title = titles_title(session->title);
	struct lane *lane = sender->lane;
	int got;

	if (title_can_nowait(title)) {
		got = title_try_packets(title, first, count, into, stride);
		if (got != -EAGAIN && got != -EOPNOTSUPP)
			return got;
	}
	got = reader_packets(
	    lane->reader, title, first, count, into, stride, &session->waiter);
	if (got == -EAGAIN)
		table_counter_add(
		    lane->table, lane->number, TABLE_COLD_READS, 1);
	return got;
}

static void
note_lateness(struct sender *sender, uint64_t due_us)
{
	struct lane *lane = sender->lane;
	uint64_t late_us =
	    sender->now_us > due_us ? sender->now_us - due_us : 0;

	table_histogram_add(lane->table, lane->number, TABLE_LATENESS, late_us);
	if (late_us > LOOP_TICK_US)
		table_counter_add(
		    lane->table, lane->number, TABLE_LATE_PACKETS, 1);
}

/*
 * The packet is late.  Over TCP that may be the viewer's doing: has he been
 * behind for longer than he may, without getting nearer?
 */
static bool
too_slow(const struct sender *sender, const struct gathering *gathering,
    uint32_t send_ms)
{
	struct session *session = gathering->session;
	uint64_t late_us = sender->now_us - stream_due_without_catching_up_us(
						&gathering->cursor, send_ms);

	if (session->behind_since_us == 0) {
		session->behind_since_us = sender->now_us;
		session->behind_us = late_us;
	}
	return session->cold.transport == TABLE_TCP &&
	       late_us >= session->behind_us &&
	       sender->now_us - session->behind_since_us >
		   sender->lane->config->write_timeout_us;
}

/*
 * Packets come in the order of their send times.  Between two that are in order
 * one that isn't has a wrong time, which must not hold up the stream: too late,
 * it would be waited for; too early, what follows would be caught up with.
 */
static uint32_t
paced_ms(
    const struct gathering *gathering, uint32_t packet_bytes, uint32_t send_ms)
{
	uint32_t before_ms = gathering->cursor.position_ms, behind_ms;

	if (gathering->behind == NULL ||
	    asf_packet_send_time(gathering->behind, packet_bytes, &behind_ms) !=
		ASF_OK)
		behind_ms = UINT32_MAX;
	if (behind_ms < before_ms)
		return send_ms;
	if (send_ms > behind_ms && send_ms - behind_ms > OUT_OF_ORDER_MS)
		return behind_ms;
	return MAX_OF(send_ms, before_ms);
}

/*
 * A predecessor may have sent it, and never published that: at once, however
 * late, since its number must not be given to another packet.
 */
static bool
is_sent_again(const struct gathering *gathering, uint64_t due_us)
{
	const struct session *session = gathering->session;

	return session->resends && due_us <= session->lane->inherited_us;
}

/* By what stands behind it; if that is not known the time may be wrong. */
static bool
is_right(const struct gathering *gathering, uint32_t at_ms, uint32_t send_ms)
{
	return at_ms == send_ms &&
	       (gathering->behind != NULL ||
		   gathering->cursor.packet + 1 >= gathering->end);
}

/*
 * Nothing is sent before this packet, for long: where the session stands, and
 * reports.  -ENOBUFS: there is no room.
 */
static int
gather_reports(
    struct sender *sender, struct gathering *gathering, uint32_t send_ms)
{
	struct table_session *cursor = &gathering->cursor;
	const struct table_session_cold *cold = &gathering->session->cold;
	uint32_t before_ms = cursor->position_ms;
	uint32_t now_ms = stream_time_ms(cursor, sender->now_us);
	uint32_t gap_ms = stream_gap_ms(cursor);

	if (cursor->item == 0 && send_ms > before_ms &&
	    send_ms - before_ms > gap_ms)
		cursor->sr_due_ms =
		    MIN_OF(cursor->sr_due_ms, before_ms + gap_ms);
	cursor->position_ms = MAX_OF(before_ms, MIN_OF(now_ms, send_ms));
	while (stream_is_gap(cursor, cold, send_ms)) {
		uint64_t due_us = stream_due_us(cursor, cursor->sr_due_ms);

		if (due_us > sender->now_us && !gathering->forced) {
			gathering->next_us = MIN_OF(gathering->next_us, due_us);
			return 0;
		}
		if (stream_emit_reports(
			cursor, cold, now_ms, &sender->output) != 0)
			return -ENOBUFS;
		gathering->forced = false;
	}
	return 0;
}

/*
 * One packet of the arena.  GATHERED_END: it was taken, go on with the next;
 * anything else ends the gathering.
 */
static enum gathered
gather_packet(struct sender *sender, struct gathering *gathering,
    uint8_t *packet, uint32_t packet_bytes)
{
	struct table_session *cursor = &gathering->cursor;
	uint32_t send_ms, at_ms;
	uint64_t due_us;

	if (asf_packet_send_time(packet, packet_bytes, &send_ms) != ASF_OK) {
		cursor->packet++;
		cursor->item = 0;
		return GATHERED_END;
	}
	if (send_ms >
	    title_latest_send_ms(titles_title(gathering->session->title)))
		send_ms = cursor->position_ms;
	at_ms = paced_ms(gathering, packet_bytes, send_ms);
	due_us = stream_due_us(cursor, at_ms);
	gathering->next_us = MIN_OF(due_us, sender->now_us + LOOK_AGAIN_US);
	if (gathering->next_us == due_us)
		cursor->position_ms = at_ms;
	if (due_us > sender->now_us + sender->lane->config->send_ahead_us) {
		if ((gathering->forced ||
			is_right(gathering, at_ms, send_ms)) &&
		    gather_reports(sender, gathering, at_ms) != 0)
			return GATHERED_FULL;
		if (!gathering->forced)
			return GATHERED_ALL;
	}
	if (due_us + CATCH_UP_AFTER_US < sender->now_us &&
	    !is_sent_again(gathering, due_us)) {
		if (too_slow(sender, gathering, at_ms))
			return GATHERED_LATE;
		stream_catch_up(cursor, sender->now_us, at_ms);
	} else if (stream_is_on_time(cursor, at_ms)) {
		gathering->session->behind_since_us = 0;
	}
	note_lateness(sender, stream_due_without_catching_up_us(cursor, at_ms));
	if (stream_emit(cursor, &gathering->session->cold, packet, packet_bytes,
		send_ms, &sender->output) != 0)
		return GATHERED_FULL;
	gathering->forced = false;
	return GATHERED_END;
}

/* One read's worth of packets; GATHERED_END: all of them were taken. */
static enum gathered
gather_some(struct sender *sender, struct gathering *gathering, uint32_t wanted)
{
	const struct title *title = titles_title(gathering->session->title);
	uint32_t packet_bytes = title_packet_bytes(title);
	size_t stride = stride_of(packet_bytes);
	uint8_t *at = sender->arena + sender->arena_used + STREAM_ROOM;
	enum gathered gathered = GATHERED_END;
	int got;

	wanted = (uint32_t)MIN_OF(
	    wanted, (LANE_ARENA_BYTES - sender->arena_used) / stride);
	if (wanted == 0)
		return GATHERED_FULL;
	got = read_packets(sender, gathering->session, gathering->cursor.packet,
	    wanted, at, stride);
	if (got == -EAGAIN)
		return GATHERED_WAITS;
	if (got <= 0)
		return got == -ESTALE ? GATHERED_CHANGED : GATHERED_FAILED;
	sender->arena_used += (size_t)got * stride;
	for (int i = 0; i < got && gathered == GATHERED_END; i++) {
		uint8_t *packet = at + (size_t)i * stride;

		gathering->behind = i + 1 < got ? packet + stride : NULL;
		gathered =
		    gather_packet(sender, gathering, packet, packet_bytes);
	}
	return gathered;
}

/* The items that are due for a session, appended to the output. */
static enum gathered
gather(struct sender *sender, struct gathering *gathering)
{
	const struct session *session = gathering->session;
	uint32_t wanted = packets_wanted(sender, session);
	enum gathered gathered;

	gathering->end = MIN_OF(session->hot.end_packet,
	    title_packets(titles_title(session->title)));
	while (gathering->cursor.packet < gathering->end) {
		gathered = gather_some(sender, gathering,
		    MIN_OF(wanted, gathering->end - gathering->cursor.packet));
		if (gathered != GATHERED_END)
			return gathered;
	}
	return GATHERED_END;
}

/* --- afterwards ----------------------------------------------------------- */

static void
note_start(struct sender *sender, struct session *session)
{
	struct lane *lane = sender->lane;

	if (session->started)
		return;
	session->started = true;
	table_histogram_add(lane->table, lane->number, TABLE_START_DELAY,
	    clock_monotonic_us() - session->hot.base_us);
}

/* The position of SESSION is AFTER now; tell the table. */
static void
move_to(struct sender *sender, struct session *session,
    const struct table_session *after)
{
	struct lane *lane = sender->lane;

	table_counter_add(lane->table, lane->number, TABLE_BYTES_SENT,
	    (int64_t)(after->bytes_sent - session->hot.bytes_sent));
	table_counter_add(lane->table, lane->number, TABLE_PACKETS_SENT,
	    (int64_t)(after->packets_sent - session->hot.packets_sent));
	session->hot = *after;
}

/*
 * When packets that are due at DUE_US are sent: waking up costs a calm lane
 * more than sending does, so it wakes every other tick.  With much to send
 * that would be bursts, and save nothing.
 */
static uint64_t
wake_us(const struct lane *lane, uint64_t due_us)
{
	uint64_t committed_bps =
	    table_counter(lane->table, lane->number, TABLE_COMMITTED_BPS);

	if (committed_bps >= CALM_BPS)
		return due_us;
	return due_us - due_us % (2 * LOOP_TICK_US);
}

/* What is to be done when all that was gathered has gone. */
static void
go_on(struct sender *sender, struct session *session, enum gathered gathered,
    uint64_t next_us)
{
	switch (gathered) {
	case GATHERED_ALL:
		session_set_due_at(session, wake_us(sender->lane, next_us));
		break;
	case GATHERED_FULL:
		session_set_due(session);
		break;
	case GATHERED_END:
		if (session->hot.end == TABLE_END_NONE)
			session->hot.end = TABLE_END_REACHED;
		session_set_due_at(session, sender->now_us + BYE_DELAY_US);
		break;
	case GATHERED_WAITS:
	case GATHERED_FAILED: /* reported by the caller */
	case GATHERED_CHANGED:
	case GATHERED_LATE:
		break;
	}
}

/* --- UDP ------------------------------------------------------------------ */

static void
mark_failed(void *owner)
{
	struct session *session = owner;

	session->failed = true;
}

/* Back to the position that was published; again in the next tick. */
static void
take_back(struct sender *sender, struct session *session)
{
	struct lane *lane = sender->lane;
	struct table_session before;

	session->failed = false;
	if (table_read(lane->table, lane->number, TABLE_SESSION,
		session->record, &before))
		move_to(sender, session, &before);
	session_pause(session); /* else a full socket would hold the turn */
	session_set_due_at(session, sender->now_us + LOOP_TICK_US);
}

static void
flush_udp(struct sender *sender)
{
	struct transport_counts before, after;
	struct lane *lane = sender->lane;

	transport_read_counts(lane->transport, &before);
	transport_flush(lane->transport, mark_failed);
	transport_read_counts(lane->transport, &after);
	if (after.errors != before.errors)
		table_counter_add(lane->table, lane->number, TABLE_SEND_ERRORS,
		    (int64_t)(after.errors - before.errors));
	for (size_t i = 0; i < sender->batch_count; i++) {
		struct session *session = sender->batch[i];

		if (session->failed) {
			take_back(sender, session);
			continue;
		}
		note_start(sender, session);
		session_publish_hot(session);
	}
	sender->batch_count = 0;
	sender->arena_used = 0;
	stream_output_reset(&sender->output);
}

static void
queue_items(struct sender *sender, struct session *session, size_t from)
{
	const struct stream_output *output = &sender->output;
	struct transport_path path = {
		.peer = &session->cold.peer,
		.local = &session->cold.local,
		.owner = session,
	};

	for (; from < output->item_count; from++) {
		path.ports =
		    session->cold.destination[output->items[from].flow];
		transport_add(
		    sender->lane->transport, &path, &output->items[from]);
	}
}

static enum gathered
send_udp(struct sender *sender, struct session *session)
{
	struct gathering gathering = { .session = session,
		.cursor = session->hot };
	struct stream_output *output = &sender->output;
	enum gathered gathered;
	size_t from;

	if (!transport_has_room(sender->lane->transport,
		session->cold.peer.family, UDP_ITEMS_MAX) ||
	    output->item_count + UDP_ITEMS_MAX > ITEMS_MAX)
		flush_udp(sender);
	from = output->item_count;
	output->item_limit = from + UDP_ITEMS_MAX;
	gathered = gather(sender, &gathering);
	if (gathered != GATHERED_WAITS && gathered != GATHERED_FULL)
		session->resends = false;
	queue_items(sender, session, from);
	move_to(sender, session, &gathering.cursor);
	sender->batch[sender->batch_count++] = session;
	go_on(sender, session, gathered, gathering.next_us);
	if (gathered == GATHERED_FULL)
		flush_udp(sender);
	return gathered;
}

/* --- TCP ------------------------------------------------------------------ */

/* Frames wholly taken by the socket move the position; half a one doesn't. */
static void
account(struct sender *sender, struct gathering *gathering, size_t taken)
{
	const struct stream_output *output = &sender->output;
	struct session *session = gathering->session;
	struct transport_link *link = session->link;
	struct table_session after = session->hot;
	size_t i;

	for (i = 0; i < output->item_count; i++) {
		size_t bytes = stream_item_bytes(&output->items[i]);

		if (taken < bytes)
			break;
		taken -= bytes;
		stream_advance(&after, &output->items[i]);
	}
	if (i == output->item_count)
		after = gathering->cursor;
	after.catch_us = gathering->cursor.catch_us;
	after.catch_ms = gathering->cursor.catch_ms;
	after.out_done = link->written - taken;
	link->writer = taken > 0 ? session : NULL;
	move_to(sender, session, &after);
}

/*
 * -EAGAIN: the socket is full; other -errno: it is of no use any more.  What
 * the socket took already is skipped: half a frame, or behind an adoption all
 * that the predecessor did not live to publish.
 */
static int
write_frames(struct sender *sender, struct gathering *gathering)
{
	struct stream_output *output = &sender->output;
	struct transport_link *link = gathering->session->link;
	size_t skip =
	    (size_t)(link->written - gathering->session->hot.out_done);
	size_t all = 0;
	struct msghdr message = { .msg_iov = sender->vectors };
	ssize_t taken;

	if (link->announced != gathering->session->record) {
		link->announced = gathering->session->record;
		link->announce(link, link->announced);
	}
	for (size_t i = 0; i < output->item_count; i++)
		all += stream_item_bytes(&output->items[i]);
	if (skip >= all) {
		account(sender, gathering, skip);
		return 0;
	}
	message.msg_iovlen = transport_frames(output->items, output->item_count,
	    skip, sender->vectors, VECTORS_MAX);
	taken = sendmsg(link->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (taken == -1) {
		link->full = errno == EAGAIN;
		return -errno;
	}
	link->written += (uint64_t)taken;
	link->progress_us = sender->now_us;
	account(sender, gathering, skip + (size_t)taken);
	session_hear(gathering->session); /* RFC 2326 10.12: the peer lives */
	if (skip + (size_t)taken == all)
		return 0;
	link->full = true;
	return -EAGAIN;
}

static enum gathered
send_tcp(struct sender *sender, struct session *session)
{
	struct transport_link *link = session->link;
	struct gathering gathering = {
		.session = session,
		.cursor = session->hot,
		.forced = link->writer == session,
	};
	enum gathered gathered;
	int error = 0;

	/* The connection makes us due again when it is free. */
	if (link->full || link->outbox)
		return GATHERED_WAITS;
	/* Nobody tells us when another's frame is whole. */
	if (link->writer != NULL && link->writer != session) {
		session_set_due_at(session, sender->now_us + LOOP_TICK_US);
		return GATHERED_WAITS;
	}
	/* Replies may have gone out since our last frame. */
	if (!gathering.forced)
		gathering.cursor.out_done = session->hot.out_done =
		    link->written;
	sender->output.item_limit = TCP_ITEMS_MAX;
	gathered = gather(sender, &gathering);
	if (sender->output.item_count > 0)
		error = write_frames(sender, &gathering);
	else
		move_to(sender, session, &gathering.cursor);
	if (error == 0)
		go_on(sender, session, gathered, gathering.next_us);
	note_start(sender, session);
	session_publish_hot(session);
	sender->arena_used = 0;
	stream_output_reset(&sender->output);
	if (error != 0 && error != -EAGAIN) {
		sender->report(session, SENDER_BROKEN);
		return GATHERED_WAITS;
	}
	return error == 0 ? gathered : GATHERED_WAITS;
}

/* --- a turn --------------------------------------------------------------- */

/* True: the session has ended. */
static bool
report_trouble(
    struct sender *sender, struct session *session, enum gathered gathered)
{
	static const enum sender_outcome outcomes[] = {
		[GATHERED_FAILED] = SENDER_FILE_FAILED,
		[GATHERED_CHANGED] = SENDER_FILE_CHANGED,
		[GATHERED_LATE] = SENDER_TOO_SLOW,
	};

	if (gathered != GATHERED_FAILED && gathered != GATHERED_CHANGED &&
	    gathered != GATHERED_LATE)
		return false;
	flush_udp(sender);
	sender->report(session, outcomes[gathered]);
	return true;
}

static bool
at_end(struct sender *sender, struct session *session)
{
	if (session->hot.end == TABLE_END_NONE)
		return false;
	if (session->hot.end == TABLE_END_REACHED)
		sender->report(session, SENDER_BYE);
	return true;
}

/* While one session's packets are read, the next one comes into the cache. */
static void
prefetch(const struct session *session)
{
	for (size_t at = 0; at < sizeof(*session); at += 64)
		__builtin_prefetch((const char *)session + at);
}

static struct session *
take_due(struct session **list)
{
	struct session *session = *list;

	if (session == NULL)
		return NULL;
	*list = session->due_next;
	session->due = false;
	if (*list != NULL)
		prefetch(*list);
	return session;
}

static void
run_transport(struct sender *sender, uint32_t transport,
    enum gathered (*send_due)(struct sender *, struct session *))
{
	struct lane *lane = sender->lane;
	struct session *session;
	enum gathered gathered;

	while ((session = take_due(&lane->due[transport])) != NULL) {
		if (session->hot.session_state != TABLE_SESSION_PLAYING ||
		    at_end(sender, session))
			continue;
		blame_mark(lane, TABLE_NONE, session->cold.title);
		gathered = send_due(sender, session);
		if (report_trouble(sender, session, gathered))
			continue;
		if (sender->batch_count == BATCH_MAX)
			flush_udp(sender);
	}
}

void
sender_run(struct sender *sender, uint64_t now_us)
{
	sender->now_us = now_us;
	table_counter_set(
	    sender->lane->table, sender->lane->number, TABLE_TURN_US, now_us);
	transport_begin_turn(sender->lane->transport);
	run_transport(sender, TABLE_UDP, send_udp);
	flush_udp(sender);
	run_transport(sender, TABLE_TCP, send_tcp);
	blame_nobody(sender->lane);
}
