/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker dies after its N-th call of a function, for many N and all functions
 * that a request or a packet passes through; what the viewer gets is what he
 * gets when nobody dies, byte for byte.
 *
 * The same short dialogue is held with a server of its own for each point, and
 * several of them side by side, since most of it is waiting.
 */
#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"
#include "doomed.h"
#include "pieces.h"
#include "server/stream.h"
#include "unit/asf_build.h"

#define SHARDS 12
#define PERFORMANCES 3
/* With a number as argument: so many. */
#define POINTS_FEW 60
/* Calls of one function that are looked at, evenly chosen of all. */
#define POINT_ROOM 8192
#define FULL_AFTER_US (30 * US_PER_MS)
#define PLACE_S 60 /* no try takes longer */

/*
 * The title: bursts of packets, each as long as a blink, and between them so
 * much time that nothing is sent before the viewer asks for more.
 */
#define SPEED 16
#define BURSTS 3
#define BURST_PACKETS 12
#define BURST_EVERY_MS 1600000u
#define PACKET_EVERY_MS 80u
/* In the last one, so that sender reports come again. */
#define PAUSE_MS 5000u
#define PAUSE_BEFORE 6

static const struct title_made {
	const char *name;
	uint32_t packet_bytes;
	unsigned video_bytes; /* of a packet, at least */
} titles[] = {
	{ "bursts.wmv", 1400, 700 },
	{ "large.wmv", 60000, 55000 }, /* more than a socket takes */
};

struct show {
	struct served served;
	const char *title;
	struct viewer viewer;
	struct dying_plan *plan;
	char sessions[2][64];
	char said[4096];
	size_t said_bytes;
	size_t before_play; /* packets */
	unsigned opened; /* descriptors of the master before */
};

static struct served home; /* of the title */
static struct pieces undisturbed[PERFORMANCES];
static uint32_t counted[PERFORMANCES][DYING_CALL_COUNT];
static _Atomic unsigned *reached; /* shared with the shards */

#define CALL_NAME(name) #name,
static const char *const call_names[] = { DYING_CALLS(CALL_NAME) };
static const char *const when_names[] = { "before", "within", "after" };

/* --- the title ------------------------------------------------------------ */

static uint32_t
send_ms(unsigned burst, unsigned number)
{
	bool late = burst == BURSTS - 1 && number >= PAUSE_BEFORE;

	return burst * BURST_EVERY_MS + number * PACKET_EVERY_MS +
	       (late ? PAUSE_MS : 0);
}

static void
build_bursts(struct build *media, const struct title_made *title)
{
	unsigned object = 0;

	for (unsigned burst = 0; burst < BURSTS; burst++) {
		for (unsigned i = 0; i < BURST_PACKETS; i++, object++) {
			uint32_t at_ms = send_ms(burst, i);
			/* Sizes vary, so that the last fragments do. */
			unsigned video = title->video_bytes + 31 * (object % 7);
			const struct build_payload payloads[] = {
				{ 0x81, object, 0, video, at_ms, video },
				{ 0x82, object, 0, 300, at_ms, 300 },
			};

			build_packet(media, title->packet_bytes, at_ms, 0,
			    payloads, ARRAY_LENGTH(payloads));
		}
	}
}

static void
make_title(const struct title_made *title)
{
	struct build_properties properties = {
		.packets = BURSTS * BURST_PACKETS,
		.play_100ns = BURSTS * BURST_EVERY_MS * UINT64_C(10000),
		.flags = 2,
		.least = title->packet_bytes,
		.most = title->packet_bytes,
	};
	struct build media = build_new();
	size_t began = build_header_begin(&media);

	build_file_properties(&media, &properties);
	build_video(&media, 1);
	build_audio(&media, 2);
	/* The description fits into the large outbox only. */
	build_filler(&media, DISK_EXTENDED_CONTENT, 2500);
	build_end(&media, began);
	build_data_begin(&media, 50 + properties.packets * title->packet_bytes,
	    properties.packets);
	build_bursts(&media, title);
	served_write(&home, title->name, media.data, media.at);
	free(media.data);
}

START_TEST(titles_are_made)
{
	served_folder(&home, NULL);
	for (size_t i = 0; i < ARRAY_LENGTH(titles); i++)
		make_title(&titles[i]);
}
END_TEST

/* --- the dialogue --------------------------------------------------------- */

/* SESSION: 0, 1, or -1 for none.  Nothing leaves before send_said(). */
static void
say(struct show *show, const char *method, unsigned stream, int session,
    const char *headers)
{
	char url[32] = "", id[128] = "";

	if (stream != 0)
		snprintf(url, sizeof(url), "/stream=%u", stream);
	if (session != -1)
		snprintf(
		    id, sizeof(id), "Session: %s\r\n", show->sessions[session]);
	show->said_bytes += (size_t)snprintf(show->said + show->said_bytes,
	    sizeof(show->said) - show->said_bytes,
	    "%s rtsp://127.0.0.1:%u/%s%s RTSP/1.0\r\nCSeq: %u\r\n%s%s\r\n",
	    method, show->served.port, show->title, url,
	    ++show->viewer.sequence, id, headers);
	ck_assert_uint_lt(show->said_bytes, sizeof(show->said));
}

/* As interleaved frame, or as the bytes of a datagram: a receiver report. */
static size_t
put_report(const struct show *show, char *out, unsigned channel)
{
	static const uint8_t head[] = { 0x81, 201, 0, 7, 1, 2, 3, 4 };
	const struct viewer *viewer = &show->viewer;
	const uint8_t *ssrc = NULL;
	size_t prefix = viewer->tcp ? 4 : 0;

	for (size_t i = 0; i < viewer->packet_count && ssrc == NULL; i++)
		if (!viewer->packets[i].rtcp &&
		    viewer->packets[i].flow == channel / 2)
			ssrc = viewer->packets[i].bytes + prefix + 8;
	ck_assert_ptr_nonnull(ssrc);
	memset(out, 0, prefix + 32);
	if (viewer->tcp)
		memcpy(out, (const char[]){ '$', (char)channel, 0, 32 }, 4);
	memcpy(out + prefix, head, sizeof(head));
	memcpy(out + prefix + 8, ssrc, 4);
	return prefix + 32;
}

static void
say_report(struct show *show, unsigned channel)
{
	show->said_bytes +=
	    put_report(show, show->said + show->said_bytes, channel);
}

/* The first BYTES of what was said; what is left goes out with the next. */
static void
send_part(struct show *show, size_t bytes)
{
	bytes = MIN_OF(bytes, show->said_bytes);
	/* Nobody is there any more when a connection was lost. */
	(void)send(show->viewer.control, show->said, bytes, MSG_NOSIGNAL);
	show->said_bytes -= bytes;
	memmove(show->said, show->said + bytes, show->said_bytes);
}

static void
send_said(struct show *show)
{
	send_part(show, SIZE_MAX);
}

static void
await(struct show *show, bool (*there)(const struct show *show, uint64_t what),
    uint64_t what, const char *text)
{
	uint64_t until_us =
	    clock_monotonic_us() + SERVED_PATIENCE_MS * US_PER_MS;

	while (!there(show, what)) {
		if (clock_monotonic_us() > until_us)
			served_fail(&show->served, "never came: %s", text);
		if (!viewer_take(&show->viewer, 100) && show->viewer.closed &&
		    !there(show, what))
			served_fail(
			    &show->served, "closed, waiting for %s", text);
	}
}

static bool
replies_are_there(const struct show *show, uint64_t what)
{
	(void)what;
	return show->viewer.replies >= show->viewer.sequence;
}

static void
await_replies(struct show *show)
{
	await(show, replies_are_there, 0, "a reply");
	ck_assert_msg(show->viewer.status == 200, "%s", show->viewer.reply);
}

static bool
packets_are_there(const struct show *show, uint64_t what)
{
	return show->viewer.packet_count >= what;
}

/* COUNT since PLAY; they may be there already. */
static void
await_packets(struct show *show, size_t count)
{
	await(show, packets_are_there, show->before_play + count, "packets");
}

/* WHAT: channel, then the timestamp of the burst's last packet. */
static bool
burst_is_there(const struct show *show, uint64_t what)
{
	const struct viewer *viewer = &show->viewer;
	size_t prefix = viewer->tcp ? 4 : 0;

	for (size_t i = viewer->packet_count; i-- > 0;) {
		const struct viewer_packet *packet = &viewer->packets[i];
		const uint8_t *rtp = packet->bytes + prefix;
		uint32_t timestamp = (uint32_t)rtp[4] << 24 |
				     (uint32_t)rtp[5] << 16 |
				     (uint32_t)rtp[6] << 8 | rtp[7];

		if (!packet->rtcp && packet->flow == what >> 33 &&
		    timestamp == (uint32_t)what && (rtp[1] & 0x80) != 0)
			return true;
	}
	return false;
}

static void
await_burst(struct show *show, unsigned channel, unsigned burst)
{
	uint32_t last_ms = send_ms(burst, BURST_PACKETS - 1);

	await(show, burst_is_there, (uint64_t)channel << 32 | last_ms,
	    "the end of a burst");
}

/* A report and a BYE for each m= line, the retransmission's too. */
static bool
byes_are_there(const struct show *show, uint64_t what)
{
	const struct viewer *viewer = &show->viewer;
	size_t prefix = viewer->tcp ? 4 : 0;

	for (size_t i = 0; i < viewer->packet_count; i++)
		what -= viewer->packets[i].rtcp &&
			viewer->packets[i].bytes[prefix + 1] == 201 && what > 0;
	return what == 0;
}

static bool
end_is_there(const struct show *show, uint64_t what)
{
	(void)what;
	return show->viewer.closed;
}

static bool
death_is_there(const struct show *show, uint64_t what)
{
	return show->plan->deaths >= what;
}

static void
keep_session(struct show *show, int session)
{
	memcpy(show->sessions[session], show->viewer.session,
	    sizeof(show->sessions[0]));
}

/*
 * The first words.  A worker that dies before it told the master of the
 * connection takes it with it: the viewer comes again.
 */
static void
open_and_describe(struct show *show, enum viewer_transport transport)
{
	struct viewer *viewer = &show->viewer;

	for (unsigned tries = 0;; tries++) {
		viewer_open(viewer, &show->served, show->title, transport);
		say(show, "OPTIONS", 0, -1, "");
		say(show, "DESCRIBE", 0, -1, "Accept: application/sdp\r\n");
		send_said(show);
		while (!viewer->closed && viewer->stream_bytes == 0)
			(void)viewer_take(viewer, 100);
		if (!viewer->closed || viewer->stream_bytes > 0)
			break;
		ck_assert_msg(tries < show->plan->lost_connections,
		    "a connection was lost that the master knew");
		viewer_close(viewer);
	}
	await_replies(show);
}

#define PLAY_FROM_START "Range: npt=0-\r\nSpeed: 16\r\n"
#define PLAY_ON "Speed: 16\r\n"
#define PLAY_NEXT "Range: npt=1600-\r\nSpeed: 16\r\n"
/* The last burst, whose first packet is sent at 3,200 s. */
#define PLAY_LAST "Range: npt=3200-\r\nSpeed: 16\r\n"

/* Two sessions on a connection, all within it. */
static void
perform_tcp(struct show *show)
{
	open_and_describe(show, VIEWER_TCP);
	say(show, "SETUP", 1, -1,
	    "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
	send_said(show);
	await_replies(show);
	keep_session(show, 0);
	say(show, "SETUP", 2, 0,
	    "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n");
	send_part(show, 50);
	say(show, "GET_PARAMETER", 0, 0, "");
	send_said(show);
	await_replies(show);
	say(show, "SETUP", 1, -1,
	    "Transport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n");
	send_said(show);
	await_replies(show);
	keep_session(show, 1);

	say(show, "PLAY", 0, 0, PLAY_FROM_START);
	say(show, "PLAY", 0, 1, PLAY_FROM_START);
	send_said(show);
	await_packets(show, 12);
	say_report(show, 1);
	send_part(show, 7);
	await_packets(show, 24);
	say(show, "GET_PARAMETER", 0, 0, "");
	send_part(show, 80);
	await_packets(show, 36);
	send_said(show);
	await_burst(show, 0, 0);
	await_burst(show, 2, 0);
	await_burst(show, 4, 0);

	say(show, "PAUSE", 0, 0, "");
	say(show, "PAUSE", 0, 1, "");
	send_said(show);
	await_replies(show);
	show->before_play = show->viewer.packet_count;
	say(show, "PLAY", 0, 0, PLAY_LAST);
	say(show, "PLAY", 0, 1, PLAY_NEXT);
	send_said(show);
	await_packets(show, 12);
	say_report(show, 5);
	say(show, "OPTIONS", 0, -1, "");
	send_said(show);
	await_burst(show, 4, 1);
	say(show, "PLAY", 0, 1, PLAY_ON);
	say(show, "TEARDOWN", 0, 1, "");
	send_said(show);
	await(show, byes_are_there, 3, "the end of the stream");
	await_replies(show);
	say(show, "OPTIONS", 0, -1, "Connection: close\r\n");
	send_said(show);
	await(show, end_is_there, 0, "the end of the connection");
	ck_assert_uint_eq(show->viewer.replies, show->viewer.sequence);
}

/* To the port that SETUP told. */
static void
send_report(struct show *show, const struct sockaddr_in *to)
{
	char report[64];
	size_t size = put_report(show, report, 0);

	ck_assert_int_eq(sendto(show->viewer.sockets[0][1], report, size, 0,
			     (const struct sockaddr *)to, sizeof(*to)),
	    (ssize_t)size);
}

static struct sockaddr_in
reports_address(const struct show *show)
{
	const char *ports = strstr(show->viewer.reply, "server_port=");

	ck_assert_ptr_nonnull(ports);
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port =
		    htons((uint16_t)(strtoul(ports + 12, NULL, 10) + 1)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* *REPORTS: where receiver reports go. */
static void
set_up_udp(struct show *show, struct sockaddr_in *reports)
{
	char transport[128];

	open_and_describe(show, VIEWER_UDP);
	snprintf(transport, sizeof(transport),
	    "Transport: RTP/AVP;unicast;client_port=%u-%u\r\n",
	    show->viewer.ports[0][0], show->viewer.ports[0][1]);
	say(show, "SETUP", 1, -1, transport);
	send_said(show);
	await_replies(show);
	keep_session(show, 0);
	*reports = reports_address(show);
	say(show, "SETUP", 2, 0, transport);
	send_part(show, 50);
	send_said(show);
	await_replies(show);
}

static void
finish_udp(struct show *show)
{
	await_burst(show, 0, BURSTS - 1);
	await(show, byes_are_there, 3, "the end of the stream");
	say(show, "TEARDOWN", 0, 0, "");
	send_said(show);
	await_replies(show);
}

static void
perform_udp(struct show *show)
{
	struct sockaddr_in reports;

	set_up_udp(show, &reports);
	say(show, "PLAY", 0, 0, PLAY_FROM_START);
	send_said(show);
	await_packets(show, 12);
	send_report(show, &reports);
	say(show, "GET_PARAMETER", 0, 0, "");
	send_part(show, 80);
	await_packets(show, 24);
	send_said(show);
	await_burst(show, 0, 0);

	say(show, "PAUSE", 0, 0, "");
	say(show, "PLAY", 0, 0, PLAY_LAST);
	send_said(show);
	finish_udp(show);
}

/*
 * Nobody reads: media is overdue, since the socket takes no more.  Behind a
 * death it may be for lack of a worker.
 */
static void
await_full(struct show *show)
{
	uint64_t until_us =
	    clock_monotonic_us() + SERVED_PATIENCE_MS * US_PER_MS;
	struct table_session hot = { .packet = 0 };

	while (hot.flow_count == 0 ||
	       hot.session_state != TABLE_SESSION_PLAYING ||
	       stream_due_us(&hot, send_ms(0, hot.packet)) + FULL_AFTER_US >
		   clock_monotonic_us()) {
		ck_assert(clock_monotonic_us() < until_us);
		ck_assert_uint_lt(hot.packet, BURST_PACKETS);
		usleep(1000);
		ck_assert(
		    table_read(show->served.table, 0, TABLE_SESSION, 0, &hot));
	}
}

/* Frames end where the socket happens to be full. */
static void
perform_narrow(struct show *show)
{
	show->title = titles[1].name;
	open_and_describe(show, VIEWER_TCP_NARROW);
	say(show, "SETUP", 1, -1,
	    "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
	send_said(show);
	await_replies(show);
	keep_session(show, 0);
	say(show, "SETUP", 1, -1,
	    "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n");
	send_said(show);
	await_replies(show);
	keep_session(show, 1);
	say(show, "PLAY", 0, 0, PLAY_FROM_START);
	say(show, "PLAY", 0, 1, PLAY_FROM_START);
	send_said(show);
	await_full(show);
	await_packets(show, 200);
	say_report(show, 1);
	say(show, "GET_PARAMETER", 0, 0, "");
	send_said(show);
	await_burst(show, 0, 0);
	await_burst(show, 2, 0);
	say(show, "TEARDOWN", 0, 1, "");
	say(show, "OPTIONS", 0, -1, "Connection: close\r\n");
	send_said(show);
	await(show, end_is_there, 0, "the end of the connection");
	ck_assert_uint_eq(show->viewer.replies, show->viewer.sequence);
}

static void (*const performances[PERFORMANCES])(
    struct show *show) = { perform_tcp, perform_udp, perform_narrow };
static const char *const performance_names[PERFORMANCES] = { "TCP", "UDP",
	"narrow" };

/* --- a server, and what is left of it ------------------------------------- */

static unsigned
count_descriptors(pid_t pid)
{
	char path[64];
	unsigned count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	ck_assert_ptr_nonnull(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static bool
is_as_before(const struct show *show)
{
	return doomed_is_idle(&show->served) &&
	       served_log_lines(&show->served, "worker died lane=") ==
		   show->plan->deaths &&
	       count_descriptors(show->served.master) <= show->opened;
}

static void
await_as_before(struct show *show)
{
	uint64_t until_us =
	    clock_monotonic_us() + SERVED_PATIENCE_MS * US_PER_MS;

	while (!is_as_before(show)) {
		if (clock_monotonic_us() > until_us)
			served_fail(&show->served,
			    "something is left; descriptors %u, before %u",
			    count_descriptors(show->served.master),
			    show->opened);
		usleep(1000);
	}
}

static void
begin(struct show *show)
{
	static const char *const settings[] = { "payload_limit=512 bytes",
		"max_speed=16", "send_ahead=0 s", NULL };

	memset(show, 0, sizeof(*show));
	show->title = titles[0].name;
	served_folder(&show->served, NULL);
	show->plan = doomed_start(&show->served, home.folder, settings);
	show->opened = count_descriptors(show->served.master);
}

/* Also that nothing else went wrong. */
static void
end(struct show *show)
{
	static const char *const bad[] = { "worker-died", "timed-out",
		"too-slow", "file-", "Assertion", "Sanitizer",
		"server-stopped" };
	struct served *served = &show->served;

	viewer_close(&show->viewer);
	show->plan->armed = 0; /* who comes now lives */
	await_as_before(show);
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		if (served_log_lines(served, bad[i]) != 0)
			served_fail(served, "in the log: %s", bad[i]);
	ck_assert_uint_eq(
	    served_log_lines(served, "worker died lane="), show->plan->deaths);
	served_end(served);
}

/* --- points --------------------------------------------------------------- */

/* The successor may die too: while it adopts, mostly. */
struct place {
	unsigned performance;
	struct dying_point points[2];
	unsigned point_count;
};

static struct place places[POINT_ROOM];
static size_t place_count;

static bool
can_be_half_done(uint32_t call)
{
	return call == DYING_send || call == DYING_sendmsg ||
	       call == DYING_sendmmsg || call == DYING_recv;
}

/* Behind all calls, within those that can be, before the first of each. */
static void
list_places(unsigned performance)
{
	for (uint32_t call = 0; call < DYING_CALL_COUNT; call++)
		for (uint32_t nth = 1; nth <= counted[performance][call]; nth++)
			for (uint32_t when = 0; when <= DYING_AFTER; when++) {
				if ((when == DYING_BEFORE && nth > 1) ||
				    (when == DYING_WITHIN &&
					!can_be_half_done(call)) ||
				    place_count == POINT_ROOM)
					continue;
				places[place_count++] = (struct place){
					performance,
					{ { call, nth, when, SIGKILL } },
					1,
				};
			}
}

/* COUNT of all of them, evenly spread, with all ways to die. */
static void
choose_places(size_t count)
{
	static const int signals[] = { SIGKILL, SIGSEGV, SIGABRT };
	size_t all = place_count;

	count = MIN_OF(count, all);
	for (size_t i = 0; i < count; i++) {
		struct place *chosen = &places[i];
		uint32_t turn = (uint32_t)i / 2;

		*chosen = places[i * all / count];
		chosen->points[0].signal = signals[i % ARRAY_LENGTH(signals)];
		if (i % 2 == 0)
			continue;
		chosen->point_count = 2;
		chosen->points[1] = (struct dying_point){
			turn % DYING_CALL_COUNT,
			1 + turn / DYING_CALL_COUNT % 4,
			DYING_AFTER,
			SIGKILL,
		};
	}
	place_count = count;
}

static struct place *place; /* that is tried */

START_TEST(a_death_is_not_noticed)
{
	struct pieces pieces;
	struct show show;

	begin(&show);
	show.plan->point_count = place->point_count;
	memcpy(show.plan->points, place->points, sizeof(place->points));
	show.plan->armed = 1;
	performances[place->performance](&show);
	pieces_cut(&pieces, &show.viewer, SPEED, BURST_EVERY_MS);
	pieces_compare(
	    &pieces, &undisturbed[place->performance], show.plan->deaths);
	end(&show);
	*reached += show.plan->deaths;
	pieces_free(&pieces);
}
END_TEST

/*
 * A tick was sent and not published when a PAUSE and a PLAY come to who adopts:
 * the numbers of that tick are taken.
 */
START_TEST(a_request_waits_for_what_was_sent)
{
	struct sockaddr_in reports;
	struct pieces pieces;
	struct show show;

	begin(&show);
	show.plan->point_count = 1;
	show.plan->points[0] =
	    (struct dying_point){ DYING_sendmmsg, 5, DYING_AFTER, SIGKILL };
	set_up_udp(&show, &reports);
	show.plan->armed = 1;
	kill(show.served.master, SIGSTOP); /* no successor yet */
	say(&show, "PLAY", 0, 0, PLAY_FROM_START);
	send_said(&show);
	await(&show, death_is_there, 1, "a death");
	while (viewer_take(&show.viewer, 0))
		;
	show.before_play = show.viewer.packet_count;
	say(&show, "PAUSE", 0, 0, "");
	say(&show, "PLAY", 0, 0, PLAY_LAST);
	send_said(&show);
	kill(show.served.master, SIGCONT);
	finish_udp(&show);
	pieces_cut(&pieces, &show.viewer, SPEED, BURST_EVERY_MS);
	pieces_check_numbers(&pieces);
	end(&show);
	pieces_free(&pieces);
}
END_TEST

START_TEST(nobody_dies)
{
	struct show show;

	begin(&show);
	show.plan->armed = 1;
	performances[_i](&show);
	pieces_cut(&undisturbed[_i], &show.viewer, SPEED, BURST_EVERY_MS);
	end(&show);
	for (size_t call = 0; call < DYING_CALL_COUNT; call++)
		counted[_i][call] = show.plan->counted[call];
}
END_TEST

/* --- running -------------------------------------------------------------- */

/* In this process.  How many failed; their messages were printed. */
static int
run(const TTest *test, int count)
{
	Suite *suite = suite_create("kill points");
	TCase *rules = tcase_create("kill points");
	SRunner *runner;
	TestResult **failures;
	int failed;

	tcase_add_loop_test(rules, test, 0, count);
	suite_add_tcase(suite, rules);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	failures = srunner_failures(runner);
	for (int i = 0; i < failed; i++)
		printf("%s:%d: %s\n", tr_lfile(failures[i]),
		    tr_lno(failures[i]), tr_msg(failures[i]));
	free(failures);
	srunner_free(runner);
	return failed;
}

static uint32_t
index_of(const char *name, const char *const *names, size_t count)
{
	size_t i = 0;

	while (i < count && strcmp(name, names[i]) != 0)
		i++;
	if (i == count) {
		fprintf(stderr, "kill_points: %s?\n", name);
		exit(2);
	}
	return (uint32_t)i;
}

static struct dying_point
point_of(char **words)
{
	return (struct dying_point){
		.when =
		    index_of(words[0], when_names, ARRAY_LENGTH(when_names)),
		.call = index_of(words[1], call_names, DYING_CALL_COUNT),
		.nth = (uint32_t)strtoul(words[2], NULL, 10),
		.signal = (int)strtol(words[3], NULL, 10),
	};
}

/* As print_place() prints it. */
static void
take_place(int count, char **words)
{
	places[0].performance =
	    index_of(words[0], performance_names, PERFORMANCES);
	places[0].points[0] = point_of(words + 1);
	if (count > 8)
		places[0].points[1] = point_of(words + 5);
	places[0].point_count = count > 8 ? 2 : 1;
	place_count = 1;
}

static void
print_place(const struct place *which)
{
	printf(
	    "that was kill_points %s", performance_names[which->performance]);
	for (unsigned i = 0; i < which->point_count; i++)
		printf(" %s %s %u %d", when_names[which->points[i].when],
		    call_names[which->points[i].call], which->points[i].nth,
		    which->points[i].signal);
	puts("");
}

static bool
try_place(struct place *which)
{
	int status;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		alarm(PLACE_S);
		place = which;
		exit(run(a_death_is_not_noticed, 1) != 0);
	}
	waitpid(pid, &status, 0);
	if (status != 0)
		print_place(which);
	return status == 0;
}

static bool
try_places(void)
{
	pid_t pids[SHARDS];
	bool failed = false;
	int status;

	fflush(stdout);
	for (unsigned shard = 0; shard < SHARDS; shard++) {
		if ((pids[shard] = fork()) != 0)
			continue;
		for (size_t i = shard; i < place_count; i += SHARDS)
			failed |= !try_place(&places[i]);
		exit(failed);
	}
	for (unsigned shard = 0; shard < SHARDS; shard++) {
		waitpid(pids[shard], &status, 0);
		failed |= status != 0;
	}
	return !failed;
}

int
main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : POINTS_FEW;
	bool well;

	reached = mmap(NULL, sizeof(*reached), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	well =
	    run(titles_are_made, 1) == 0 && run(nobody_dies, PERFORMANCES) == 0;
	if (well) {
		for (unsigned i = 0; i < PERFORMANCES; i++)
			list_places(i);
		printf("%zu places to die at\n", place_count);
		if (argc > 5)
			take_place(argc - 1, argv + 1);
		else
			choose_places(count);
		well = try_places() &&
		       run(a_request_waits_for_what_was_sent, 1) == 0;
		printf("%zu tried, %u deaths\n", place_count, *reached);
	}
	served_end(&home);
	return well ? 0 : 1;
}
