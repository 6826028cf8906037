/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dialogues: what is asked, and what has to come before the next is asked.
 * What came is judged by others.
 */
#include "show.h"

#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"
#include "doomed.h"
#include "server/stream.h"
#include "unit/asf_build.h"

/* Overdue by so much: the socket is full. */
#define FULL_AFTER_US (30 * US_PER_MS)
/* So late is who has to catch up. */
#define LATE_MS 150

/*
 * A title is bursts of packets, each as long as a blink, and between them so
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

static struct served home; /* of the titles */

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

void
show_make_titles(void)
{
	served_folder(&home, NULL);
	for (size_t i = 0; i < ARRAY_LENGTH(titles); i++)
		make_title(&titles[i]);
}

void
show_remove_titles(void)
{
	served_end(&home);
}

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

static int
connect_and_ask(const struct show *show)
{
	static const char ask[] = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(show->served.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { SERVED_PATIENCE_MS / 1000, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ck_assert_int_eq(
	    connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)send(fd, ask, strlen(ask), MSG_NOSIGNAL);
	return fd;
}

static bool
is_answered(int fd)
{
	char reply[1024] = "";
	size_t size = 0;
	ssize_t got;

	while (strstr(reply, "\r\n\r\n") == NULL) {
		got = recv(fd, reply + size, sizeof(reply) - 1 - size, 0);
		if (got <= 0)
			return false;
		size += (size_t)got;
	}
	return true;
}

/*
 * From now on the viewer speaks over another connection, which is not with the
 * worker of its session: that one stands still meanwhile.
 */
static void
speak_elsewhere(struct show *show)
{
	unsigned lane = (unsigned)(show->sessions[0][1] - '0');
	pid_t owner = table_lane_pid(show->served.table, lane);
	unsigned lost = show->plan->lost_connections;
	int fd;

	if (owner != 0)
		kill(owner, SIGSTOP);
	for (fd = connect_and_ask(show); !is_answered(fd);
	     fd = connect_and_ask(show)) {
		ck_assert_uint_lt(lost++, show->plan->lost_connections);
		close(fd);
	}
	if (owner != 0)
		kill(owner, SIGCONT);
	show->aside = show->viewer.control;
	show->viewer.control = fd;
}

static void
speak_here(struct show *show)
{
	int fd = show->aside;

	show->aside = show->viewer.control;
	show->viewer.control = fd;
}

/* Requests come by a connection that goes to another worker for it. */
static void
perform_elsewhere(struct show *show)
{
	struct sockaddr_in reports;

	set_up_udp(show, &reports);
	say(show, "PLAY", 0, 0, PLAY_FROM_START);
	send_said(show);
	await_burst(show, 0, 0);
	await_replies(show);
	speak_elsewhere(show);
	say(show, "GET_PARAMETER", 0, 0, "");
	say(show, "PAUSE", 0, 0, "");
	say(show, "PLAY", 0, 0, PLAY_LAST);
	send_part(show, 150);
	send_said(show);
	await_burst(show, 0, BURSTS - 1);
	await_replies(show);
	speak_here(show);
	finish_udp(show);
}

/*
 * A tick was sent and not published when a PAUSE and a PLAY come to who adopts:
 * the numbers of that tick are taken.
 */
static void
perform_late(struct show *show)
{
	struct sockaddr_in reports;

	show->plan->armed = 0;
	show->plan->point_count = 1;
	show->plan->points[0] =
	    (struct dying_point){ DYING_sendmmsg, 5, DYING_AFTER, SIGKILL };
	set_up_udp(show, &reports);
	show->plan->armed = 1;
	kill(show->served.master, SIGSTOP); /* no successor yet */
	say(show, "PLAY", 0, 0, PLAY_FROM_START);
	send_said(show);
	await(show, death_is_there, 1, "a death");
	while (viewer_take(&show->viewer, 0))
		;
	show->before_play = show->viewer.packet_count;
	say(show, "PAUSE", 0, 0, "");
	say(show, "PLAY", 0, 0, PLAY_LAST);
	send_said(show);
	poll(NULL, 0, LATE_MS);
	kill(show->served.master, SIGCONT);
	finish_udp(show);
}

static const struct show_dialogue {
	void (*perform)(struct show *show);
	const char *workers;
} dialogues[SHOW_COUNT] = {
	[SHOW_TCP] = { perform_tcp, "1" },
	[SHOW_UDP] = { perform_udp, "1" },
	[SHOW_NARROW] = { perform_narrow, "1" },
	[SHOW_ELSEWHERE] = { perform_elsewhere, "2" },
	[SHOW_LATE] = { perform_late, "1" },
};

void
show_perform(struct show *show)
{
	dialogues[show->kind].perform(show);
}

void
show_cut(const struct show *show, struct pieces *out)
{
	static const struct pieces_bursts bursts = {
		.every_ms = BURST_EVERY_MS,
		.last_ms = (BURST_PACKETS - 1) * PACKET_EVERY_MS,
		.late = BURSTS - 1,
	};

	pieces_cut(out, &show->viewer, SPEED, &bursts);
}

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

/* Those of its children that wait for a worker's death. */
static unsigned
count_spares(pid_t master)
{
	char path[64], name[16];
	unsigned count = 0;
	FILE *list, *comm;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)master,
	    (int)master);
	list = fopen(path, "r");
	ck_assert_ptr_nonnull(list);
	while (fscanf(list, "%d", &child) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/comm", child);
		if ((comm = fopen(path, "r")) == NULL)
			continue;
		count += fgets(name, sizeof(name), comm) != NULL &&
			 strncmp(name, "vodd spare", 10) == 0;
		fclose(comm);
	}
	fclose(list);
	return count;
}

/* Of the master; it holds one more for each spare that there is just now. */
static unsigned
count_held(pid_t master)
{
	return count_descriptors(master) - count_spares(master);
}

static bool
is_as_before(const struct show *show)
{
	return doomed_is_idle(&show->served) &&
	       served_log_lines(&show->served, "worker died lane=") ==
		   show->plan->deaths &&
	       count_held(show->served.master) <= show->opened;
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
			    count_held(show->served.master), show->opened);
		usleep(1000);
	}
}

void
show_begin(struct show *show, enum show_kind kind)
{
	static const char *const settings[] = { "payload_limit=512 bytes",
		"max_speed=16", "send_ahead=0 s", NULL };

	memset(show, 0, sizeof(*show));
	show->title = titles[0].name;
	show->aside = -1;
	show->kind = kind;
	show->served.workers = dialogues[kind].workers;
	served_folder(&show->served, NULL);
	show->plan = doomed_start(&show->served, home.folder, settings);
	show->opened = count_held(show->served.master);
}

void
show_end(struct show *show)
{
	static const char *const bad[] = { "worker-died", "timed-out",
		"too-slow", "file-", "Assertion", "Sanitizer",
		"server-stopped" };
	struct served *served = &show->served;

	viewer_close(&show->viewer);
	if (show->aside != -1)
		close(show->aside);
	show->plan->armed = 0; /* who comes now lives */
	await_as_before(show);
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		if (served_log_lines(served, bad[i]) != 0)
			served_fail(served, "in the log: %s", bad[i]);
	ck_assert_uint_eq(
	    served_log_lines(served, "worker died lane="), show->plan->deaths);
	served_end(served);
}
