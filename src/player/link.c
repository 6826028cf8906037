/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection to a server: sockets, clocks, and what is asked when.  What a
 * title is, and what becomes of its packets, is client.c's.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base.h"
#include "player/client_parts.h"
#include "wire/rtp.h"

/* A beginning that takes longer is none; when it is tried anew there is less
 * patience, since others may be quicker. */
#define CONNECT_US (3 * US_PER_SECOND)
#define CONNECT_AGAIN_US (US_PER_SECOND / 2)
#define BEGIN_US (6 * US_PER_SECOND)
#define BEGIN_AGAIN_US (2 * US_PER_SECOND)
#define ALL_BEGIN_US (8 * US_PER_SECOND)
/* Without a packet for so long the server is asked whether it is there; while
 * it sends nothing anyway, in a gap of the title or when it was paused, there
 * is more time for an answer. */
#define SILENCE_US (US_PER_SECOND / 2)
#define ANSWER_US (US_PER_SECOND / 2)
#define ANSWER_GAP_US (3 * US_PER_SECOND / 2)
#define ANSWER_PAUSED_US (3 * US_PER_SECOND)
/* UDP that brings nothing at all. */
#define UDP_SILENCE_US (5 * US_PER_SECOND / 2)
#define REPORT_US (5 * US_PER_SECOND)
#define COUNT_US (US_PER_SECOND / 5)
#define TURN_US (US_PER_SECOND / 10)
/* The server is asked to pause above, and to go on below. */
#define RESERVE_MOST_MS 15000
#define RESERVE_LEAST_MS 8000
/* But not before it has sent for so long: the rest of what is sent all at once
 * is there by then, and its end. */
#define PLAY_LEAST_US US_PER_SECOND
/* It is asked to send faster until there is so much, beyond what it takes to
 * begin. */
#define RESERVE_FAST_MS 3000
#define FAST_MILLI 2000
/* Thin titles, whose key frames take long, by as much as any line bears. */
#define FASTEST_MILLI 4000
#define ANY_LINE_BPS UINT64_C(400000)
#define DATAGRAMS_AT_ONCE 64
#define RECEIVE_BUFFER (1024 * 1024)

enum phase {
	PHASE_CONNECTING,
	PHASE_DESCRIBING,
	PHASE_SETTING_UP,
	PHASE_STARTING, /* PLAY from a position was asked */
	PHASE_PLAYING,
	PHASE_PAUSING,
	PHASE_PAUSED,
	PHASE_ENDED, /* all came */
};

struct link {
	struct client *client;
	enum phase phase;
	bool again; /* the title was there before */
	int fd; /* RTSP; -1 */
	union sock_address peer;
	struct sock_pair pair; /* family 0: none */
	struct dialogue *dialogue;
	bool is_fast, from_start; /* the PLAY under way: has a position */
	uint32_t ssrc; /* ours */
	uint64_t begun_us, playing_us, heard_us;
	bool is_gap; /* nothing is due */
	bool is_probed; /* it was asked, which dialogue does not wait for */
	uint64_t answered_us; /* until then nothing was left to answer */
	uint64_t bye_us; /* 0: none came */
	uint64_t keep_alive_us; /* when it was done last */
	uint64_t report_us, count_us;
	size_t input_bytes;
	uint8_t input[DIALOGUE_INPUT_MAX];
};

static enum link_end
lost(struct link *link, enum failure_kind kind, const char *sentence)
{
	failure_set(&link->client->failure, kind, "%s", sentence);
	return LINK_LOST;
}

/* NOW_US may be a little older than what happened since. */
static uint64_t
passed_us(uint64_t since_us, uint64_t now_us)
{
	return now_us > since_us ? now_us - since_us : 0;
}

/* When to give up, whatever is under way: it did not begin, or go on. */
static uint64_t
give_up_us(const struct client *client)
{
	if (!client->had_data)
		return client->opened_us + ALL_BEGIN_US;
	if (client->lost_us != 0)
		return client->lost_us + client->options.give_up_ms * US_PER_MS;
	return UINT64_MAX;
}

/* ---- asking ---- */

/* From where, so that nothing of what is missing is left out. */
static uint64_t
position_us(const struct client *client)
{
	const struct asf_header *header = &client->prologue.header;
	uint32_t at_ms = client->resume_ms;

	if (!client->has_resume)
		return client->start_us;
	/* Of sound alone every packet will do: by its send time. */
	if (!client_plays(client, ASF_VIDEO))
		return at_ms * US_PER_MS;
	/*
	 * Else it begins with the last key frame presented by then, which is
	 * sent before: by the presentation of what came last, or of the key
	 * frame that came last.
	 */
	if (client->has_key)
		at_ms = MAX_OF(at_ms, client->key_ms);
	return at_ms > header->preroll_ms
		   ? (at_ms - header->preroll_ms) * US_PER_MS
		   : 0;
}

/* Not all that encoders write tells the rate of each stream. */
static unsigned
fast_milli(const struct client *client)
{
	const struct asf_header *header = &client->prologue.header;
	uint64_t bps = 0, least = FAST_MILLI, most = FASTEST_MILLI;

	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (asf_set_has(client->prologue.streams, i))
			bps += header->streams[i].bit_rate_bps;
	bps = MAX_OF(bps, header->maximum_bit_rate_bps);
	return bps == 0 ? FAST_MILLI
			: (unsigned)MAX_OF(
			      MIN_OF(ANY_LINE_BPS * 1000 / bps, most), least);
}

static void
start(struct link *link)
{
	struct client *client = link->client;

	client->is_skipping = client->has_resume;
	client->reached.ms = 0;
	link->phase = PHASE_STARTING;
	link->is_fast = true;
	link->from_start = true;
	link->begun_us = client_now_us();
	dialogue_play(
	    link->dialogue, true, position_us(client), fast_milli(client));
}

/* The same, on the same connection, in another rhythm. */
static void
go_on(struct link *link, unsigned speed_milli)
{
	link->from_start = false;
	link->is_fast = speed_milli > 1000;
	dialogue_play(link->dialogue, false, 0, speed_milli);
}

static enum link_end
set_up(struct link *link)
{
	struct client *client = link->client;
	struct dialogue_setup setup = { .udp = client->udp,
		.tcp = client->tcp };
	int error;

	if (!client_describe(client, dialogue_description(link->dialogue)))
		return LINK_FAILED;
	setup.streams = client_streams(client);
	if (setup.udp) {
		error = sock_pair_open(link->peer.family, 0, 0, &link->pair);
		if (error == 0) {
			setup.port = link->pair.port;
			sock_receive_buffer(link->pair.rtp, RECEIVE_BUFFER);
		} else if (setup.tcp) {
			setup.udp = false;
		} else {
			return lost(link, FAILURE_NO_CONNECTION,
			    "There is no port left to receive at.");
		}
	}
	reorder_forget(client->reorder);
	assemble_restart(client->assemble);
	link->phase = PHASE_SETTING_UP;
	dialogue_setup(link->dialogue, &setup);
	if (!dialogue_is_waiting(link->dialogue)) {
		failure_set(&client->failure, FAILURE_CANNOT_PLAY,
		    "The server's description of this title contradicts "
		    "itself.");
		return LINK_FAILED;
	}
	return LINK_GOES_ON;
}

static void
send_rtcp(struct link *link, const uint8_t *data, size_t size)
{
	const struct dialogue_transport *transport =
	    dialogue_transport(link->dialogue);
	union sock_address to = link->peer;

	if (!transport->is_udp) {
		dialogue_put_frame(
		    link->dialogue, transport->channel[1], data, size);
		return;
	}
	if (transport->server_port[1] == 0)
		return;
	sock_address_set_port(&to, transport->server_port[1]);
	sendto(link->pair.rtcp, data, size, MSG_DONTWAIT | MSG_NOSIGNAL,
	    &to.any, sock_address_length(&to));
}

static void
report(struct link *link, uint64_t now_us)
{
	struct client *client = link->client;
	uint8_t data[RTCP_MAX];
	struct rtcp_report block;
	bool has_block = reorder_has_begun(client->reorder);

	if (has_block)
		reorder_report(client->reorder, now_us, &block);
	send_rtcp(link, data,
	    rtcp_write_rr(data, link->ssrc, has_block ? &block : NULL));
	link->report_us = now_us + REPORT_US;
}

/* What comes back to these ports is let through by firewalls then. */
static void
punch(struct link *link)
{
	const struct dialogue_transport *transport =
	    dialogue_transport(link->dialogue);
	static const uint8_t nothing[RTP_HEADER_BYTES] = { 0x80, 0x60 };
	union sock_address to = link->peer;

	report(link, client_now_us());
	if (!transport->is_udp || transport->server_port[0] == 0)
		return;
	sock_address_set_port(&to, transport->server_port[0]);
	sendto(link->pair.rtp, nothing, sizeof(nothing),
	    MSG_DONTWAIT | MSG_NOSIGNAL, &to.any, sock_address_length(&to));
}

/* ---- what came ---- */

static void
set_software(struct client *client, const char *software)
{
	pthread_mutex_lock(&client->mutex);
	memcpy(client->status.software, software, strlen(software) + 1);
	pthread_mutex_unlock(&client->mutex);
}

static void
hear(struct link *link, bool is_gap, uint64_t now_us)
{
	link->heard_us = now_us;
	link->is_gap = is_gap;
	link->is_probed = false;
}

static void
playing(struct link *link)
{
	const struct dialogue_play_answer *answer =
	    dialogue_play_answer(link->dialogue);
	struct client *client = link->client;
	uint64_t now_us = client_now_us();

	link->is_fast = answer->speed_milli > 1000;
	link->playing_us = now_us;
	hear(link, false, now_us);
	link->bye_us = 0;
	link->phase = PHASE_PLAYING;
	set_software(client, dialogue_software(link->dialogue));
	if (!link->from_start)
		return;
	reorder_restart(
	    client->reorder, answer->has_sequence, answer->sequence);
	assemble_restart(client->assemble);
}

static enum link_end
refused(struct link *link)
{
	struct client *client = link->client;
	unsigned status = dialogue_status(link->dialogue);

	client->failure = *dialogue_failure(link->dialogue);
	if (status == RTSP_INVALID_RANGE && client->had_data) {
		client_end(client); /* there is nothing behind this position */
		return LINK_LOST;
	}
	/* What may be otherwise at the next try, on another node. */
	if (client->had_data &&
	    (status == RTSP_SESSION_NOT_FOUND ||
		status == RTSP_NOT_ENOUGH_BANDWIDTH || status >= 500))
		return LINK_LOST;
	return LINK_FAILED;
}

static enum link_end
redirected(struct link *link)
{
	struct client *client = link->client;
	struct place *target = &client->target;
	struct dialogue_url url;

	if (!dialogue_parse_url(dialogue_location(link->dialogue), &url)) {
		failure_set(&client->failure, FAILURE_BAD_SERVER,
		    "The server points to a place that is no address.");
		return LINK_FAILED;
	}
	if (url.port != target->url.port ||
	    strcmp(url.host, target->url.host) != 0)
		target->address_count = 0;
	target->url = url;
	client->place = target;
	return LINK_REDIRECTED;
}

static bool
takes_media(const struct link *link)
{
	return link->phase == PHASE_PLAYING || link->phase == PHASE_PAUSING ||
	       link->phase == PHASE_PAUSED;
}

static void
take_rtp(struct link *link, const uint8_t *data, size_t size, uint64_t now_us)
{
	if (!takes_media(link))
		return;
	client_arrived(link->client, now_us, size);
	hear(link, false, now_us);
	reorder_put(link->client->reorder, data, size, now_us);
}

static void
take_rtcp(struct link *link, const uint8_t *data, size_t size, uint64_t now_us)
{
	struct reorder *reorder = link->client->reorder;
	struct rtcp_summary summary;

	if (reorder == NULL || !rtcp_parse(data, size, &summary) ||
	    !takes_media(link))
		return;
	if (summary.has_sender_report) {
		reorder_sender_report(reorder, summary.sr_ntp, now_us);
		if (reorder_has_begun(reorder) &&
		    summary.sender_ssrc == reorder_ssrc(reorder) &&
		    client_reported(link->client,
			summary.sr_rtp_timestamp - reorder_timestamp(reorder)))
			hear(link, true, now_us);
	}
	if (summary.has_bye && link->bye_us == 0 &&
	    (!reorder_has_begun(reorder) ||
		summary.bye_ssrc == reorder_ssrc(reorder)))
		link->bye_us = now_us;
}

static void
take_frame(struct link *link, const struct rtsp_frame *frame,
    const uint8_t *payload, uint64_t now_us)
{
	const struct dialogue_transport *transport =
	    dialogue_transport(link->dialogue);

	if (transport->is_udp || link->phase < PHASE_STARTING)
		return;
	if (frame->channel == transport->channel[0])
		take_rtp(link, payload, frame->length, now_us);
	else if (frame->channel == transport->channel[1])
		take_rtcp(link, payload, frame->length, now_us);
}

/* Nothing came between the question and the answer: is it a gap? */
static bool
silent_but_there(struct link *link)
{
	struct client *client = link->client;

	if (link->phase != PHASE_PLAYING || !client->had_data ||
	    client_plays(client, ASF_AUDIO))
		return link->is_gap;
	client_gap(client);
	return true;
}

static enum link_end
on_event(struct link *link, enum dialogue_event event)
{
	struct client *client = link->client;

	switch (event) {
	case DIALOGUE_DESCRIBED:
		return set_up(link);
	case DIALOGUE_READY:
		if (!dialogue_transport(link->dialogue)->is_udp)
			client->udp = false;
		link->keep_alive_us = client_now_us();
		punch(link);
		start(link);
		return LINK_GOES_ON;
	case DIALOGUE_PLAYING:
		playing(link);
		return LINK_GOES_ON;
	case DIALOGUE_PAUSED:
		link->phase = PHASE_PAUSED;
		return LINK_GOES_ON;
	case DIALOGUE_ALIVE:
		hear(link,
		    link->is_probed ? silent_but_there(link) : link->is_gap,
		    client_now_us());
		return LINK_GOES_ON;
	case DIALOGUE_REDIRECTED:
		return redirected(link);
	case DIALOGUE_FAILED:
		return refused(link);
	default:
		return LINK_GOES_ON;
	}
}

static enum link_end
take_input(struct link *link, uint64_t now_us)
{
	enum link_end end = LINK_GOES_ON;
	size_t at = 0, used;

	while (end == LINK_GOES_ON) {
		struct rtsp_frame frame;
		const uint8_t *payload;
		enum dialogue_event event =
		    dialogue_take(link->dialogue, link->input + at,
			link->input_bytes - at, &used, &frame, &payload);

		if (event == DIALOGUE_MORE)
			break;
		if (event == DIALOGUE_FRAME)
			take_frame(link, &frame, payload, now_us);
		else
			end = on_event(link, event);
		at += used;
	}
	link->input_bytes -= at;
	memmove(link->input, link->input + at, link->input_bytes);
	return end;
}

/* That all came is certain if the server said so, or had no more when it was
 * asked anew. */
static enum link_end
closed(struct link *link)
{
	struct client *client = link->client;

	if (link->phase >= PHASE_PLAYING && client_has_all(client) &&
	    (link->bye_us != 0 || client->lost_us != 0)) {
		reorder_flush(client->reorder);
		client_end(client);
		return lost(link, FAILURE_LOST, "");
	}
	return lost(
	    link, FAILURE_BAD_SERVER, "The server closed the connection.");
}

static enum link_end
read_connection(struct link *link, uint64_t now_us)
{
	ssize_t size = recv(link->fd, link->input + link->input_bytes,
	    sizeof(link->input) - link->input_bytes, MSG_DONTWAIT);

	if (size == 0)
		return closed(link);
	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? LINK_GOES_ON
							 : closed(link);
	link->input_bytes += (size_t)size;
	return take_input(link, now_us);
}

static void
read_datagrams(struct link *link, int fd, uint64_t now_us,
    void (*take)(struct link *, const uint8_t *, size_t, uint64_t))
{
	uint8_t data[65536];

	for (unsigned i = 0; i < DATAGRAMS_AT_ONCE; i++) {
		union sock_address from;
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(
		    fd, data, sizeof(data), MSG_DONTWAIT, &from.any, &length);

		if (size < 0)
			return;
		/* Somebody else's are not even counted. */
		if (size > 0 && sock_address_same_host(&from, &link->peer))
			take(link, data, (size_t)size, now_us);
	}
}

/* False: the connection is gone. */
static bool
write_connection(struct link *link)
{
	const uint8_t *data;
	ssize_t sent;
	size_t size;

	while ((data = dialogue_output(link->dialogue, &size)) != NULL) {
		sent = send(link->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		dialogue_sent(link->dialogue, (size_t)sent);
	}
	return true;
}

/* ---- what time brings ---- */

/* A title begins within some seconds, or it does not begin. */
static enum link_end
watch_beginning(struct link *link, uint64_t now_us)
{
	struct client *client = link->client;
	uint64_t since_us = passed_us(link->begun_us, now_us);

	if (now_us > give_up_us(client))
		return client->had_data
			   ? LINK_LOST /* why was told then */
			   : lost(link, FAILURE_NO_CONNECTION,
				 "The server does not send anything.");
	if (link->phase < PHASE_PLAYING)
		return since_us > (client->had_data ? BEGIN_AGAIN_US : BEGIN_US)
			   ? lost(link, FAILURE_NO_CONNECTION,
				 "The server does not answer.")
			   : LINK_GOES_ON;
	return LINK_GOES_ON;
}

/* Since the server has brought something last, or was asked for it. */
static uint64_t
barren_us(const struct link *link, uint64_t since_us, uint64_t now_us)
{
	return passed_us(MAX_OF(link->playing_us, since_us), now_us);
}

/* Nothing comes: is the server there, and is it the way? */
static enum link_end
watch_silence(struct link *link, uint64_t now_us)
{
	bool is_udp = dialogue_transport(link->dialogue)->is_udp;
	struct client *client = link->client;
	bool has_begun = reorder_has_begun(client->reorder);
	uint64_t since_us = barren_us(link, client->reached.at_us, now_us);

	if (link->phase != PHASE_PLAYING)
		return LINK_GOES_ON;
	if (is_udp && !has_begun && since_us > UDP_SILENCE_US && client->tcp)
		return LINK_TO_TCP;
	if (client->had_data && since_us > client_patience_us(client))
		return lost(link, FAILURE_NO_CONNECTION,
		    "Nothing comes from the server any more.");
	if (passed_us(link->heard_us, now_us) < SILENCE_US || link->is_probed ||
	    dialogue_is_waiting(link->dialogue))
		return LINK_GOES_ON;
	/* It is there: its BYE got lost. */
	if (client_has_all(client) && link->heard_us > client->last_data_us) {
		if (link->bye_us == 0)
			link->bye_us = now_us;
		return LINK_GOES_ON;
	}
	dialogue_keep_alive(link->dialogue);
	link->is_probed = true;
	return LINK_GOES_ON;
}

/* Whatever it was asked; while packets come it is there. */
static enum link_end
watch_answer(struct link *link, uint64_t now_us)
{
	uint64_t since_us, patience_us = ANSWER_PAUSED_US;

	if (link->phase < PHASE_PLAYING)
		return LINK_GOES_ON;
	if (!link->is_probed && !dialogue_is_waiting(link->dialogue))
		link->answered_us = now_us;
	since_us = link->answered_us;
	if (link->phase == PHASE_PLAYING) {
		since_us = MAX_OF(since_us, link->heard_us + SILENCE_US);
		patience_us = link->is_gap ? ANSWER_GAP_US : ANSWER_US;
	}
	return passed_us(since_us, now_us) > patience_us
		   ? lost(link, FAILURE_NO_CONNECTION,
			 "The server does not answer any more.")
		   : LINK_GOES_ON;
}

/*
 * How much there is in the queue.  Near the end PLAY needs a place: a server
 * that has sent everything may take one without for the beginning.
 */
static void
steer_pace(struct link *link, uint64_t now_us)
{
	struct client *client = link->client;
	uint32_t reserve_ms, enough_ms;
	bool full, has_all = client_has_all(client);

	reserve_ms = client_reserve_ms(client, &full);
	enough_ms = client->queue.target_ms + RESERVE_FAST_MS;
	if (link->phase == PHASE_PAUSED) {
		if (reserve_ms >= RESERVE_LEAST_MS || full)
			return;
		if (has_all)
			start(link);
		else
			go_on(link, 1000);
	} else if (link->phase != PHASE_PLAYING || has_all) {
		return;
	} else if (full || (reserve_ms > RESERVE_MOST_MS &&
			       now_us > link->playing_us + PLAY_LEAST_US)) {
		link->phase = PHASE_PAUSING;
		dialogue_pause(link->dialogue);
	} else if (link->is_fast && reserve_ms > enough_ms) {
		go_on(link, 1000);
	}
}

/* The viewer's seeks, and the pace. */
static void
steer(struct link *link, uint64_t now_us)
{
	if (link->phase < PHASE_PLAYING || link->phase == PHASE_PAUSING ||
	    dialogue_is_waiting(link->dialogue))
		return;
	if (!client_wants_seek(link->client)) {
		steer_pace(link, now_us);
		return;
	}
	client_take_seek(link->client);
	link->begun_us = now_us; /* it begins once more */
	start(link);
}

/* BYE may overtake packets: only when nothing comes behind it. */
static void
watch_end(struct link *link, uint64_t now_us)
{
	struct client *client = link->client;
	uint64_t grace_us = dialogue_transport(link->dialogue)->is_udp
				? client->options.latency_ms * US_PER_MS
				: 0;

	if (link->bye_us == 0 || link->phase != PHASE_PLAYING ||
	    now_us < link->bye_us + grace_us ||
	    now_us < client->last_data_us + grace_us)
		return;
	reorder_flush(client->reorder);
	link->phase = PHASE_ENDED;
	client_end(client);
}

static void
keep_alive(struct link *link, uint64_t now_us)
{
	uint64_t each_us =
	    dialogue_transport(link->dialogue)->timeout_s * US_PER_SECOND / 2;

	if (now_us < link->keep_alive_us + each_us)
		return;
	dialogue_keep_alive(link->dialogue);
	link->keep_alive_us = now_us;
}

static enum link_end
keep(struct link *link, uint64_t now_us)
{
	struct client *client = link->client;
	enum link_end end;

	if (client_is_stopping(client))
		return LINK_STOPPED;
	if (now_us >= link->count_us) {
		client_count(
		    client, dialogue_transport(link->dialogue)->is_udp);
		link->count_us = now_us + COUNT_US;
	}
	end = watch_beginning(link, now_us);
	if (end != LINK_GOES_ON || link->phase < PHASE_STARTING)
		return end;
	reorder_expire(client->reorder, now_us);
	watch_end(link, now_us);
	end = watch_answer(link, now_us);
	if (end == LINK_GOES_ON)
		end = watch_silence(link, now_us);
	if (end != LINK_GOES_ON)
		return end;
	if (now_us >= link->report_us)
		report(link, now_us);
	keep_alive(link, now_us);
	steer(link, now_us);
	return LINK_GOES_ON;
}

static int
time_to_wait_ms(const struct link *link, uint64_t now_us)
{
	uint64_t due_us = now_us + TURN_US;

	if (link->client->reorder != NULL)
		due_us = MIN_OF(due_us, reorder_due_us(link->client->reorder));
	return due_us > now_us ? (int)((due_us - now_us) / US_PER_MS) + 1 : 0;
}

/* ---- the connection ---- */

static enum link_end
turn(struct link *link)
{
	bool has_pair = link->pair.family != 0;
	/* What comes before the answer to PLAY waits for it in the kernel. */
	bool has_answer = link->phase >= PHASE_PLAYING;
	enum link_end end = LINK_GOES_ON;
	struct pollfd fds[] = {
		{ .fd = link->client->wake, .events = POLLIN },
		{ .fd = link->fd, .events = POLLIN },
		{ .fd = has_pair && has_answer ? link->pair.rtp : -1,
		    .events = POLLIN },
		{ .fd = has_pair ? link->pair.rtcp : -1, .events = POLLIN },
	};
	uint64_t now_us = client_now_us();
	eventfd_t value;
	size_t size;

	if (!write_connection(link))
		return closed(link);
	if (dialogue_output(link->dialogue, &size) != NULL)
		fds[1].events |= POLLOUT;
	poll(fds, ARRAY_LENGTH(fds), time_to_wait_ms(link, now_us));
	now_us = client_now_us();
	if (fds[0].revents != 0)
		eventfd_read(link->client->wake, &value);
	if (fds[2].revents != 0)
		read_datagrams(link, link->pair.rtp, now_us, take_rtp);
	if (fds[3].revents != 0)
		read_datagrams(link, link->pair.rtcp, now_us, take_rtcp);
	if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		end = read_connection(link, now_us);
	return end != LINK_GOES_ON ? end : keep(link, now_us);
}

static enum link_end
converse(struct link *link)
{
	enum link_end end = LINK_GOES_ON;

	if (dialogue_new(&link->client->place->url, &link->dialogue) != 0)
		return lost(
		    link, FAILURE_CANNOT_PLAY, "There is not enough memory.");
	link->phase = PHASE_DESCRIBING;
	while (end == LINK_GOES_ON)
		end = turn(link);
	if (link->phase == PHASE_PLAYING &&
	    (end == LINK_LOST || end == LINK_TO_TCP))
		client_was_barren(
		    link->client, barren_us(link, link->client->advanced.at_us,
				      client_now_us()));
	client_count(link->client, dialogue_transport(link->dialogue)->is_udp);
	/* The server need not wait for its time-out: told, not asked. */
	if (link->phase >= PHASE_STARTING && end != LINK_LOST) {
		dialogue_teardown(link->dialogue);
		write_connection(link);
	}
	return end;
}

enum link_end
link_run(struct client *client)
{
	struct link *link = calloc(1, sizeof(*link));
	enum link_end end = LINK_LOST;

	if (link == NULL) {
		failure_set(&client->failure, FAILURE_CANNOT_PLAY,
		    "There is not enough memory.");
		return LINK_FAILED;
	}
	link->client = client;
	link->again = client->had_data;
	link->begun_us = client_now_us();
	link->ssrc = (uint32_t)(link->begun_us * UINT64_C(2654435761));
	link->report_us = link->begun_us + US_PER_SECOND;
	if (client_wants_seek(client) && client->assemble != NULL)
		client_take_seek(client);
	link->fd =
	    place_connect(client, link->again ? CONNECT_AGAIN_US : CONNECT_US,
		give_up_us(client), &link->peer);
	if (link->fd >= 0)
		end = converse(link);
	else if (client_is_stopping(client))
		end = LINK_STOPPED;
	dialogue_free(link->dialogue);
	sock_pair_close(&link->pair);
	if (link->fd >= 0)
		close(link->fd);
	free(link);
	return end;
}
