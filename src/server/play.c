/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PLAY.  The packet to begin with is searched on a reader thread; the request
 * is answered when it is found.
 */
#include "server/play.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/quirks.h"

#define LEAST_SPEED_MILLI 100

struct play_seek {
	struct reader_job job;
	struct waiter *waiters;
	struct titles_entry *title; /* held */
	bool running, abandoned;
	/* Asked. */
	uint64_t start_us, end_us;
	struct asf_set wanted;
	/* Found. */
	int error;
	uint32_t packet, send_ms, end_packet;
	uint64_t reached_us;
};

static void
seek_free(struct play_seek *seek)
{
	titles_drop(seek->title);
	free(seek);
}

void
play_seek_abandon(struct play_seek *seek)
{
	if (seek == NULL)
		return;
	if (seek->running)
		seek->abandoned = true;
	else
		seek_free(seek);
}

static void
seek_work(struct reader_job *job)
{
	struct play_seek *seek = CONTAINER_OF(job, struct play_seek, job);
	const struct title *title = titles_title(seek->title);

	seek->error = title_seek(title, seek->start_us, seek->wanted,
	    &seek->packet, &seek->reached_us);
	if (seek->error == 0)
		seek->error =
		    title_send_ms(title, seek->packet, &seek->send_ms);
	if (seek->error == 0)
		seek->error =
		    title_end_packet(title, seek->end_us, &seek->end_packet);
}

static void
seek_done(struct reader_job *job)
{
	struct play_seek *seek = CONTAINER_OF(job, struct play_seek, job);

	seek->running = false;
	if (seek->abandoned)
		seek_free(seek);
	else
		waiter_call_all(&seek->waiters);
}

static bool
seek_start(struct exchange *exchange, const struct session *session,
    uint64_t start_us, uint64_t end_us)
{
	struct play_seek *seek = calloc(1, sizeof(*seek));

	if (seek == NULL)
		return false;
	seek->title = session->title;
	titles_hold(seek->title);
	seek->start_us = start_us;
	seek->end_us = end_us;
	memcpy(seek->wanted.bits, session->cold.setup_streams,
	    sizeof(seek->wanted.bits));
	seek->job.work = seek_work;
	seek->job.done = seek_done;
	seek->job.group = titles_group(seek->title);
	seek->job.mark = table_mark(TABLE_NONE, titles_record(seek->title));
	seek->running = true;
	waiter_add(&seek->waiters, exchange->waiter);
	*exchange->seek = seek;
	reader_submit(exchange->lane->reader, &seek->job);
	return true;
}

/* Where to begin and end; what PLAY is about. */
struct play {
	bool has_end, goes_on; /* an end before the title's; from where it is */
	uint64_t start_us, end_us;
	uint32_t speed_milli;
	uint32_t packet, send_ms, end_packet;
};

/* Where it stands, as media time. */
static uint64_t
position_us(const struct session *session)
{
	uint32_t first_ms = titles_first_ms(session->title);
	uint32_t at_ms = session->hot.position_ms;

	return at_ms > first_ms ? (at_ms - first_ms) * US_PER_MS : 0;
}

static unsigned
find_range(const struct exchange *exchange, const struct session *session,
    struct play *play)
{
	struct rtsp_text header = exchange->request->header[RTSP_RANGE];
	uint64_t duration_us = title_duration_us(titles_title(session->title));
	struct rtsp_range range;

	play->end_us = duration_us;
	if (header.at == NULL) {
		/* RFC 2326 10.5: from where PAUSE stopped. */
		play->goes_on = session->hot.end == TABLE_END_NONE;
		return 0;
	}
	if (rtsp_parse_range(header, &range) != RTSP_RANGE_OK)
		return RTSP_INVALID_RANGE;
	play->has_end = range.has_end && range.end_us < duration_us;
	if (play->has_end)
		play->end_us = range.end_us;
	if (!range.has_start) {
		play->goes_on = true;
		return play->end_us < position_us(session) ? RTSP_INVALID_RANGE
							   : 0;
	}
	if (range.start_us > duration_us)
		return RTSP_INVALID_RANGE;
	play->start_us = range.start_us;
	return 0;
}

static uint32_t
find_speed(const struct exchange *exchange)
{
	struct rtsp_text header = exchange->request->header[RTSP_SPEED];
	int64_t most = (int64_t)(exchange->lane->config->max_speed * 1000);
	int64_t speed;

	if (header.at == NULL || !rtsp_parse_milli(header, &speed) ||
	    speed <= 0)
		return 1000;
	return (uint32_t)MAX_OF(MIN_OF(speed, most), LEAST_SPEED_MILLI);
}

/* From the packet that would have been next. */
static void
go_on(const struct session *session, struct play *play)
{
	play->packet = session->hot.packet;
	play->send_ms = session->hot.position_ms;
	play->start_us = position_us(session);
}

/*
 * From the search, or from what is known without one.  False: wait.
 */
static bool
find_packets(struct exchange *exchange, struct session *session,
    struct play *play, unsigned *status)
{
	struct play_seek *seek = *exchange->seek;

	*status = 0;
	if (play->goes_on && !play->has_end) {
		play->end_packet = session->hot.end_packet;
		go_on(session, play);
		return true;
	}
	if (seek == NULL) {
		if (seek_start(exchange, session, play->start_us, play->end_us))
			return false;
		*status = RTSP_SERVICE_UNAVAILABLE;
		return true;
	}
	*exchange->seek = NULL;
	*status = seek->error == 0	   ? 0
		  : seek->error == -ENOMEM ? RTSP_SERVICE_UNAVAILABLE
					   : RTSP_INTERNAL_ERROR;
	play->packet = seek->packet;
	play->send_ms = seek->send_ms;
	play->end_packet = seek->end_packet;
	play->start_us = seek->reached_us;
	if (play->goes_on)
		go_on(session, play);
	seek_free(seek);
	return true;
}

/*
 * One entry per stream that was set up; left out where a long URL would not
 * fit, since no client depends on it (wire reference 11).
 */
static void
put_rtp_info(struct exchange *exchange, const struct session *session,
    const char *base, uint32_t send_ms)
{
	struct bytes_writer *out = &exchange->reply;
	struct bytes_writer before = *out;
	const char *separator = "RTP-Info: ";

	for (unsigned stream = 1; stream < ASF_STREAMS; stream++) {
		if (!session_has_stream(session, stream))
			continue;
		bytes_printf(out, "%surl=%s/stream=%u;seq=%u;rtptime=%u",
		    separator, base, stream,
		    session->hot.flows[session_flow(session, stream)].sequence,
		    send_ms);
		separator = ",";
	}
	bytes_put_text(out, "\r\n");
	if (out->failed || out->at > TABLE_OUTBOX_BYTES - 64)
		*out = before;
}

static void
put_range(struct bytes_writer *out, const struct session *session,
    const struct play *play)
{
	char start[RTSP_NPT_MAX], stop[RTSP_NPT_MAX] = "";

	if (play->has_end || (session->cold.quirks & QUIRK_STOPS_AT_END) == 0)
		rtsp_npt_text(MAX_OF(play->end_us, play->start_us), stop);
	rtsp_format_header(out, "Range", "npt=%s-%s",
	    rtsp_npt_text(play->start_us, start), stop);
}

static void
put_play_answer(struct exchange *exchange, const struct exchange_found *found,
    const struct play *play)
{
	struct bytes_writer *out = &exchange->reply;
	char base[EXCHANGE_URL_MAX];

	exchange_base_url(exchange, found, base);
	exchange_begin(exchange, RTSP_OK, NULL);
	exchange_put_session(exchange, found->session);
	put_range(out, found->session, play);
	if (exchange->request->header[RTSP_SPEED].at != NULL)
		rtsp_format_header(out, "Speed", "%u.%03u",
		    play->speed_milli / 1000, play->speed_milli % 1000);
	if (exchange->request->header[RTSP_SCALE].at != NULL)
		rtsp_format_header(out, "Scale", "1.0");
	put_rtp_info(exchange, found->session, base, play->send_ms);
	(void)exchange_end(exchange);
}

static bool
refuse_bandwidth(struct exchange *exchange, const struct exchange_found *found)
{
	struct lane *lane = exchange->lane;
	static const char phrase[] =
	    "Not enough bandwidth, please try again later";

	table_counter_add(
	    lane->table, lane->number, TABLE_REFUSED_BANDWIDTH, 1);
	exchange_log_refused(exchange, "admission", found->url.path, phrase);
	return exchange_refuse_with(
	    exchange, RTSP_NOT_ENOUGH_BANDWIDTH, phrase);
}

/* PLAY while it plays, without another range: it goes on. */
static bool
is_playing_on(const struct session *session, const struct play *play)
{
	return play->goes_on && !play->has_end &&
	       session->hot.session_state == TABLE_SESSION_PLAYING &&
	       play->speed_milli == session->hot.speed_milli;
}

bool
play_answer(struct exchange *exchange, struct exchange_found *found)
{
	struct session *session = found->session;
	struct play play = { .speed_milli = find_speed(exchange) };
	unsigned status = find_range(exchange, session, &play);

	if (status != 0)
		return exchange_refuse(exchange, status);
	if (session->hot.flow_count == 0)
		return exchange_refuse(exchange, RTSP_NOT_VALID_IN_STATE);
	if (!find_packets(exchange, session, &play, &status))
		return false;
	if (status == RTSP_SERVICE_UNAVAILABLE) {
		log_shortage("play", "no memory to find a packet");
		return exchange_refuse_for_now(exchange, EXCHANGE_SHORTAGE);
	}
	if (status != 0)
		return exchange_refuse(exchange, status);
	if (!session_reserve_rate(session, play.speed_milli))
		return refuse_bandwidth(exchange, found);
	if (!is_playing_on(session, &play)) {
		session_pause(session);
		session_play(session, play.packet, play.send_ms,
		    play.end_packet, play.speed_milli);
	}
	session_enter(session, TABLE_SESSION_PLAYING);
	exchange->changed = session;
	put_play_answer(exchange, found, &play);
	return true;
}
