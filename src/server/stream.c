/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stream: times and bytes of what a session sends.  It knows records and
 * ASF packets; sockets, files and the clock are others' business.
 */
#include "server/stream.h"

#include <errno.h>
#include <string.h>

#include "server/quirks.h"

/* CNAME of our sender reports (RFC 3550 6.5.1); says nothing about the host. */
#define STREAM_CNAME "vodd"

void
stream_output_reset(struct stream_output *output)
{
	output->item_count = 0;
	output->heads_used = 0;
	output->copies_used = 0;
}

static uint64_t
scaled_us(uint32_t from_ms, uint32_t to_ms, uint32_t speed_milli)
{
	/* Send times do not decrease in real files; where they do: at once. */
	uint64_t span_ms = to_ms > from_ms ? to_ms - from_ms : 0;

	return span_ms * 1000 * 1000 / speed_milli;
}

uint64_t
stream_due_without_catching_up_us(
    const struct table_session *session, uint32_t send_ms)
{
	return session->base_us +
	       scaled_us(session->first_ms, send_ms, session->speed_milli);
}

static uint64_t
catching_up_us(const struct table_session *session, uint32_t send_ms)
{
	if (session->catch_us == 0)
		return 0;
	return session->catch_us +
	       scaled_us(session->catch_ms, send_ms, 2 * session->speed_milli);
}

uint64_t
stream_due_us(const struct table_session *session, uint32_t send_ms)
{
	uint64_t due_us = stream_due_without_catching_up_us(session, send_ms);
	uint64_t catch_us = catching_up_us(session, send_ms);

	return MAX_OF(due_us, catch_us);
}

bool
stream_is_on_time(const struct table_session *session, uint32_t send_ms)
{
	return catching_up_us(session, send_ms) <=
	       stream_due_without_catching_up_us(session, send_ms);
}

void
stream_catch_up(
    struct table_session *session, uint64_t now_us, uint32_t send_ms)
{
	session->catch_us = now_us;
	session->catch_ms = send_ms;
}

static uint64_t
passed_ms(uint64_t since_us, uint64_t now_us, uint64_t speed_milli)
{
	uint64_t us = now_us > since_us ? now_us - since_us : 0;

	return (us / 1000 * speed_milli + us % 1000 * speed_milli / 1000) /
	       1000;
}

uint32_t
stream_time_ms(const struct table_session *session, uint64_t now_us)
{
	uint64_t speed = session->speed_milli;
	uint64_t at_ms =
	    session->first_ms + passed_ms(session->base_us, now_us, speed);

	if (session->catch_us != 0)
		at_ms = MIN_OF(
		    at_ms, session->catch_ms +
			       passed_ms(session->catch_us, now_us, 2 * speed));
	return (uint32_t)MIN_OF(at_ms, UINT32_MAX);
}

unsigned
stream_fragments(uint32_t packet_bytes, uint32_t payload_limit)
{
	uint32_t room = payload_limit - RTP_ASF_HEADER_BYTES;

	return (packet_bytes + room - 1) / room;
}

/*
 * Fragments are of equal size, measured by the file's packet size, so that
 * those of several packets are segments of one message.
 */
static uint32_t
fragment_bytes(uint32_t packet_bytes, uint32_t payload_limit)
{
	unsigned count = stream_fragments(packet_bytes, payload_limit);

	return (packet_bytes + count - 1) / count;
}

void
stream_advance(struct table_session *session, const struct stream_item *item)
{
	struct table_flow *flow = &session->flows[item->flow];

	session->packet = item->packet;
	session->item = item->item;
	session->sr_due_ms = item->sr_due_ms;
	session->resync = item->resync;
	if (item->rtcp)
		return;
	flow->sequence++;
	flow->packets++;
	flow->octets += item->body_bytes + RTP_ASF_HEADER_BYTES;
	session->packets_sent++;
	session->bytes_sent +=
	    RTP_HEADERS_BYTES + item->body_bytes + item->padding;
}

/* One packet on its way into items. */
struct emission {
	struct table_session *session;
	const struct table_session_cold *cold;
	struct stream_output *output;
	uint32_t packet_bytes, send_ms;
	uint32_t position; /* of the next item */
	uint32_t sr_due_ms; /* behind this packet */
	bool interleaved;
	struct stream_item *last;
};

/* The head's bytes are at HEAD, or, when that is NULL, in the output. */
static struct stream_item *
item_new(struct emission *emission, uint8_t *head, size_t head_bytes)
{
	struct stream_output *output = emission->output;
	struct stream_item *item;

	if (output->item_count == output->item_limit ||
	    output->heads_size - output->heads_used < head_bytes)
		return NULL;
	item = &output->items[output->item_count++];
	memset(item, 0, sizeof(*item));
	item->head = head;
	if (head == NULL) {
		item->head = output->heads + output->heads_used;
		output->heads_used += head_bytes;
	}
	item->head_bytes = (uint16_t)head_bytes;
	item->packet = emission->session->packet;
	item->item = emission->position + 1;
	item->sr_due_ms = emission->session->sr_due_ms;
	item->resync = emission->session->resync;
	emission->last = item;
	return item;
}

/* RFC 2326 10.12.  Returns where the packet itself begins. */
static uint8_t *
frame_prefix(uint8_t *head, bool interleaved, uint16_t channel, size_t bytes)
{
	if (!interleaved)
		return head;
	head[0] = '$';
	head[1] = (uint8_t)channel;
	head[2] = (uint8_t)(bytes >> 8);
	head[3] = (uint8_t)bytes;
	return head + 4;
}

static int
emit_report(struct emission *emission, unsigned flow)
{
	struct table_session *session = emission->session;
	const struct table_flow *sent = &session->flows[flow];
	struct rtcp_sender sender = {
		.ssrc = sent->ssrc,
		.wall_us = session->base_wall_us + scaled_us(session->first_ms,
						       emission->send_ms,
						       session->speed_milli),
		.rtp_timestamp = emission->send_ms,
		.packets = sent->packets,
		.octets = sent->octets,
	};
	uint8_t report[RTCP_MAX];
	size_t bytes = rtcp_write_sr_sdes(report, &sender, STREAM_CNAME);
	struct stream_item *item;
	uint8_t *at;

	at = emission->output->heads + emission->output->heads_used;
	item =
	    item_new(emission, NULL, bytes + (emission->interleaved ? 4 : 0));
	if (item == NULL)
		return -ENOBUFS;
	item->flow = (uint8_t)flow;
	item->rtcp = true;
	at = frame_prefix(at, emission->interleaved,
	    emission->cold->destination[flow].rtcp, bytes);
	memcpy(at, report, bytes);
	stream_advance(session, item);
	return 0;
}

/* All is for the first destination? (quirks.h) */
static bool
is_for_the_first(const struct table_session_cold *cold)
{
	return (cold->quirks & QUIRK_ONE_FLOW) != 0;
}

static unsigned
flows_of(
    const struct table_session *session, const struct table_session_cold *cold)
{
	unsigned count = session->flow_count;

	return is_for_the_first(cold) ? MIN_OF(count, 1u) : count;
}

static unsigned
flows_sent(const struct emission *emission)
{
	return flows_of(emission->session, emission->cold);
}

/* The packet as one flow gets it. */
struct cut {
	uint8_t *data;
	bool has_room; /* for the first head, in front */
	uint32_t bytes;
	bool key;
};

/* Octets that make this RTP packet as long as its neighbours; 0 if too many. */
static uint8_t
padding_for(const struct emission *emission, uint32_t bytes, uint32_t full)
{
	uint32_t missing = full - bytes;

	/* Over TCP nothing is gained; of several flows no two are alike. */
	if (emission->interleaved || flows_sent(emission) > 1)
		return 0;
	return missing <= RTP_PADDING_MAX ? (uint8_t)missing : 0;
}

static int
emit_fragment(struct emission *emission, unsigned flow, const struct cut *cut,
    uint32_t at, uint32_t full)
{
	const struct table_session *session = emission->session;
	uint32_t bytes = MIN_OF(full, cut->bytes - at);
	bool whole = bytes == cut->bytes;
	size_t head_bytes = RTP_HEADERS_BYTES + (emission->interleaved ? 4 : 0);
	/* Head and body side by side are one piece for the kernel. */
	bool beside = at == 0 && cut->has_room;
	uint8_t *head =
	    beside ? cut->data - head_bytes
		   : emission->output->heads + emission->output->heads_used;
	struct stream_item *item =
	    item_new(emission, beside ? head : NULL, head_bytes);

	if (item == NULL)
		return -ENOBUFS;
	item->flow = (uint8_t)flow;
	item->body = cut->data + at;
	item->body_bytes = bytes;
	item->padding = padding_for(emission, bytes, full);
	head = frame_prefix(head, emission->interleaved,
	    emission->cold->destination[flow].rtp, RTP_HEADERS_BYTES + bytes);
	rtp_write_header(
	    head, &(struct rtp_header){ .marker = at + bytes == cut->bytes,
		      .padding = item->padding != 0,
		      .payload_type = RTP_PAYLOAD_TYPE,
		      .sequence = session->flows[flow].sequence,
		      .timestamp = emission->send_ms,
		      .ssrc = session->flows[flow].ssrc });
	rtp_write_asf_header(head + RTP_HEADER_BYTES,
	    &(struct rtp_asf_header){ .key_frame = cut->key,
		.whole = whole,
		.length_or_offset =
		    whole ? bytes + RTP_ASF_HEADER_BYTES : at });
	stream_advance(emission->session, item);
	return 0;
}

/* All fragments of CUT for FLOW that are not before session->item. */
static int
emit_cut(struct emission *emission, unsigned flow, const struct cut *cut)
{
	uint32_t full = fragment_bytes(
	    emission->packet_bytes, emission->cold->payload_limit);
	uint32_t at;
	int error;

	for (at = 0; at < cut->bytes; at += full, emission->position++) {
		if (emission->position < emission->session->item)
			continue;
		error = emit_fragment(emission, flow, cut, at, full);
		if (error != 0)
			return error;
	}
	return 0;
}

static struct asf_set
flow_set(const struct emission *emission, unsigned flow)
{
	const struct table_session_cold *cold = emission->cold;
	struct asf_set set = { { cold->flow_streams[flow][0],
	    cold->flow_streams[flow][1] } };

	for (; is_for_the_first(cold) && flow < emission->session->flow_count;
	     flow++)
		for (unsigned i = 0; i < 2; i++)
			set.bits[i] |= cold->flow_streams[flow][i];
	return set;
}

/* One flow: the packet is cut where it lies, nothing is copied. */
static int
emit_single(
    struct emission *emission, uint8_t *packet, const struct asf_packet *parsed)
{
	struct cut cut = { .has_room = true };

	cut.bytes = asf_packet_rewrite(packet, emission->packet_bytes, parsed,
	    flow_set(emission, 0), &cut.data, &cut.key);
	return cut.bytes == 0 ? 0 : emit_cut(emission, 0, &cut);
}

static int
emit_several(struct emission *emission, const uint8_t *packet,
    const struct asf_packet *parsed)
{
	struct stream_output *output = emission->output;
	struct cut cut = { .has_room = false };
	unsigned flow;
	int error;

	for (flow = 0; flow < emission->session->flow_count; flow++) {
		if (output->copies_size - output->copies_used <
		    emission->packet_bytes + ASF_REWRITE_ROOM)
			return -ENOBUFS;
		cut.data = output->copies + output->copies_used;
		cut.bytes = asf_packet_copy(packet, emission->packet_bytes,
		    parsed, flow_set(emission, flow),
		    output->copies + output->copies_used, &cut.key);
		output->copies_used += cut.bytes;
		error = emit_cut(emission, flow, &cut);
		if (error != 0)
			return error;
	}
	return 0;
}

/*
 * FFmpeg, asked to seek, forgets that it was within an ASF packet, but its
 * demultiplexer doesn't: it takes what comes for the rest of that packet, and
 * decodes garbage, for seconds.
 *
 * So the first packet behind a jump is one of the file's packet size that is
 * zero throughout.  Read as payloads it is empty ones of a stream that there
 * isn't; read as a header, from any byte on, that of a packet that ends beyond
 * it.  Either way whoever has read it waits for the beginning of a packet.
 * It also keeps of each stream the media object that came in part, and when
 * behind the jump the same object comes from its beginning, takes its first
 * pieces for the missing ones.  So the second packet has for each stream a
 * payload without data, of an object of a size that no object has: the part is
 * dropped, and nothing is begun that later pieces could complete.
 */
static const uint8_t forget_head[] = { 0x82, 0, 0, 0x41, 0x5d, /* flags */
	0, 0, /* Packet Length */
	0, 0, 0, 0, 0, 0, /* Send Time, Duration */
	0x80 }; /* number of payloads, 16 bits of length */
static const uint8_t forget_payload[] = { 0, /* stream */
	0, 0, 0, 0, 0, /* number, offset */
	8, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0, /* replicated: size, time */
	0, 0 }; /* length */
#define FORGET_HEAD_LENGTH 5
#define FORGET_HEAD_COUNT 13
#define FORGET_PAYLOADS_MAX 63
#define FORGET_BYTES_MAX                                                       \
	(sizeof(forget_head) + FORGET_PAYLOADS_MAX * sizeof(forget_payload))

static uint32_t
write_forget(uint8_t *out, struct asf_set streams)
{
	uint32_t at = sizeof(forget_head);
	unsigned count = 0;

	memcpy(out, forget_head, sizeof(forget_head));
	for (uint8_t stream = 1; stream < ASF_STREAMS; stream++) {
		if (!asf_set_has(streams, stream) ||
		    count == FORGET_PAYLOADS_MAX)
			continue;
		memcpy(out + at, forget_payload, sizeof(forget_payload));
		out[at] = stream;
		at += (uint32_t)sizeof(forget_payload);
		count++;
	}
	out[FORGET_HEAD_LENGTH] = (uint8_t)at;
	out[FORGET_HEAD_LENGTH + 1] = (uint8_t)(at >> 8);
	out[FORGET_HEAD_COUNT] |= (uint8_t)count;
	return at;
}

static int
emit_resync(struct emission *emission)
{
	struct stream_output *output = emission->output;
	unsigned flows = flows_sent(emission);
	struct cut nothing = { 0 }, forget = { 0 };
	int error = 0;

	if (emission->session->resync == 0 ||
	    (emission->cold->quirks & QUIRK_RESYNC) == 0)
		return 0;
	if (output->copies_size - output->copies_used <
	    emission->packet_bytes + flows * FORGET_BYTES_MAX)
		return -ENOBUFS;
	nothing.data = output->copies + output->copies_used;
	nothing.bytes = emission->packet_bytes;
	memset(nothing.data, 0, nothing.bytes);
	output->copies_used += nothing.bytes;
	for (unsigned flow = 0; flow < flows && error == 0; flow++) {
		error = emit_cut(emission, flow, &nothing);
		if (error != 0)
			break;
		forget.data = output->copies + output->copies_used;
		forget.bytes =
		    write_forget(forget.data, flow_set(emission, flow));
		output->copies_used += forget.bytes;
		error = emit_cut(emission, flow, &forget);
	}
	return error;
}

/* One for each flow; the next ones are due behind NEXT_MS. */
static int
emit_reports(struct emission *emission, uint32_t next_ms, uint32_t apart_ms)
{
	unsigned flow;
	int error;

	emission->sr_due_ms = next_ms + MIN_OF(apart_ms, UINT32_MAX - next_ms);
	for (flow = 0; flow < flows_sent(emission);
	     flow++, emission->position++) {
		if (emission->position < emission->session->item)
			continue;
		error = emit_report(emission, flow);
		if (error != 0)
			return error;
	}
	return 0;
}

/* Behind the last item a packet begins: PACKET. */
static void
finish(struct emission *emission, uint32_t packet)
{
	struct table_session *session = emission->session;

	session->packet = packet;
	session->item = 0;
	session->sr_due_ms = emission->sr_due_ms;
	if (emission->last == NULL)
		return;
	emission->last->packet = packet;
	emission->last->item = 0;
	emission->last->sr_due_ms = emission->sr_due_ms;
	emission->last->resync = session->resync;
}

uint32_t
stream_gap_ms(const struct table_session *session)
{
	return session->speed_milli;
}

/*
 * Behind the reports that stand before it a packet has begun.  Reports are of
 * equal length, those in a gap and those before a packet: half a one is gone on
 * with as either.
 */
bool
stream_is_gap(const struct table_session *session,
    const struct table_session_cold *cold, uint32_t send_ms)
{
	return send_ms > session->sr_due_ms &&
	       send_ms - session->sr_due_ms > stream_gap_ms(session) &&
	       session->item < MAX_OF(flows_of(session, cold), 1u);
}

int
stream_emit_reports(struct table_session *session,
    const struct table_session_cold *cold, uint32_t not_before_ms,
    struct stream_output *output)
{
	struct emission emission = {
		.session = session,
		.cold = cold,
		.output = output,
		.send_ms = session->sr_due_ms,
		.interleaved = cold->transport == TABLE_TCP,
	};
	int error = emit_reports(&emission,
	    MAX_OF(session->sr_due_ms, not_before_ms), stream_gap_ms(session));

	if (error == 0)
		finish(&emission, session->packet);
	return error;
}

int
stream_emit(struct table_session *session,
    const struct table_session_cold *cold, uint8_t *packet,
    uint32_t packet_bytes, uint32_t send_ms, struct stream_output *output)
{
	struct emission emission = {
		.session = session,
		.cold = cold,
		.output = output,
		.packet_bytes = packet_bytes,
		.send_ms = send_ms,
		.sr_due_ms = session->sr_due_ms,
		.interleaved = cold->transport == TABLE_TCP,
	};
	struct asf_packet parsed;
	bool parses = asf_packet_parse(packet, packet_bytes, &parsed) == ASF_OK;
	int error = 0;

	if (parses) {
		if (send_ms >= session->sr_due_ms)
			error =
			    emit_reports(&emission, send_ms, STREAM_REPORT_MS);
		if (error == 0)
			error = emit_resync(&emission);
		if (error == 0)
			error = flows_sent(&emission) == 1
				    ? emit_single(&emission, packet, &parsed)
				    : emit_several(&emission, packet, &parsed);
	}
	if (error != 0)
		return error;

	if (parses)
		session->resync = 0;
	finish(&emission, session->packet + 1);
	return 0;
}
