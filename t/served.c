/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A real vodd and real viewers of it.  What they show is judged by the tests.
 */
#include "served.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"
#include "unit/asf_build.h"

#define SETTINGS_MAX 16
#define ASK_MAX 2048
/* A viewer that is slow on purpose: window and segments. */
#define NARROW_WINDOW 4096
#define NARROW_SEGMENT 536

static uint64_t
deadline_us(void)
{
	return clock_monotonic_us() + SERVED_PATIENCE_MS * UINT64_C(1000);
}

static void
nap(void)
{
	poll(NULL, 0, 1);
}

/* --- files ---------------------------------------------------------------- */

void
served_folder(struct served *served, const char *base)
{
	if (base == NULL)
		base = getenv("TMPDIR");
	snprintf(served->folder, sizeof(served->folder), "%s/served.XXXXXX",
	    base != NULL ? base : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(served->folder));
	/* Workers may run as another user. */
	ck_assert_int_eq(chmod(served->folder, 0755), 0);
}

void
served_write(
    struct served *served, const char *name, const void *data, size_t size)
{
	char path[2 * PATH_MAX];
	const uint8_t *from = data;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", served->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fchmod(fd, 0644), 0);
	while (size > 0) {
		ssize_t written = write(fd, from, size);

		ck_assert_int_gt(written, 0);
		from += written;
		size -= (size_t)written;
	}
	close(fd);
}

void
served_write_film(
    struct served *served, const char *name, const struct served_film *film)
{
	struct build_properties properties = { .packets = film->packets,
		.play_100ns = film->packets * film->every_ms * UINT64_C(10000),
		.flags = 2,
		.least = film->packet_bytes,
		.most = film->packet_bytes };
	struct build media = build_new();
	size_t began = build_header_begin(&media);

	build_file_properties(&media, &properties);
	build_video(&media, 1);
	build_end(&media, began);
	build_data_begin(&media,
	    50 + film->packets * (uint64_t)film->packet_bytes, film->packets);
	for (unsigned i = 0; i < film->packets; i++) {
		unsigned bytes = film->frame_bytes - film->less * i;
		struct build_payload payload = { 0x81, i, 0, bytes,
			i * film->every_ms, bytes };

		build_packet(&media, film->packet_bytes, i * film->every_ms, 0,
		    &payload, 1);
	}
	served_write(served, name, media.data, media.at);
	free(media.data);
}

void
served_copy(struct served *served, const char *shipped, const char *name)
{
	char path[PATH_MAX];
	struct stat about;
	void *data;
	int fd;

	snprintf(path, sizeof(path), "%s/media/%s", getenv("srcdir"), shipped);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd != -1 && fstat(fd, &about) == 0, "%s", path);
	data = malloc((size_t)about.st_size);
	ck_assert_int_eq(read(fd, data, (size_t)about.st_size), about.st_size);
	close(fd);
	served_write(served, name, data, (size_t)about.st_size);
	free(data);
}

void
served_remove(const struct served *served, const char *name)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", served->folder, name);
	ck_assert_int_eq(unlink(path), 0);
}

static void
remove_folder(const char *folder)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
		(void)unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory != NULL)
		closedir(directory);
	(void)rmdir(folder);
}

/* --- the server ----------------------------------------------------------- */

static uint16_t
free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(
	    getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void
become_vodd(const struct served *served, const char *const settings[])
{
	const char *words[16 + 2 * SETTINGS_MAX] = { "vodd", "-f", "-w",
		served->workers != NULL ? served->workers : "1" };
	const char *builddir = getenv("builddir");
	char program[PATH_MAX], listen[32], configuration[PATH_MAX + 8];
	size_t count = 4;
	int log;

	snprintf(program, sizeof(program), "%s/%s",
	    builddir != NULL ? builddir : ".",
	    served->program != NULL ? served->program : "vodd");
	snprintf(
	    configuration, sizeof(configuration), "%s/conf", served->folder);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", served->port);
	words[count++] = "-n";
	words[count++] = served->instance;
	words[count++] = "-r";
	words[count++] = served->media;
	words[count++] = "-l";
	words[count++] = listen;
	words[count++] = "-c";
	words[count++] = configuration;
	for (; *settings != NULL; settings++) {
		words[count++] = "-o";
		words[count++] = *settings;
	}
	log = open(served->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	dup2(log, STDERR_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execv(program, (char **)(uintptr_t)words);
	perror(program);
	_exit(127);
}

static bool
connects(const struct served *served)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(served->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result = connect(fd, (struct sockaddr *)&address, sizeof(address));

	close(fd);
	return result == 0;
}

static void
show_log(const struct served *served)
{
	FILE *log = fopen(served->log, "r");
	char line[1024];

	while (log != NULL && fgets(line, sizeof(line), log) != NULL)
		fputs(line, stderr);
	if (log != NULL)
		fclose(log);
}

void
served_fail(const struct served *served, const char *format, ...)
{
	char text[512];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	show_log(served);
	ck_abort_msg("%s", text);
	abort(); /* not reached */
}

static bool
has_died(const struct served *served)
{
	siginfo_t info = { .si_pid = 0 };

	waitid(P_PID, (id_t)served->master, &info, WEXITED | WNOHANG | WNOWAIT);
	return info.si_pid != 0;
}

void
served_start(
    struct served *served, const char *media, const char *const settings[])
{
	char name[TABLE_NAME_MAX];
	uint64_t until_us = deadline_us();

	served->port = free_port();
	served_write(served, "conf", "", 0);
	if (served->media != media)
		snprintf(served->media, sizeof(served->media), "%s", media);
	snprintf(served->log, sizeof(served->log), "%.*s/log",
	    (int)sizeof(served->log) - 8, served->folder);
	snprintf(served->instance, sizeof(served->instance), "served%d",
	    (int)getpid());
	snprintf(name, sizeof(name), "/vodd.%s", served->instance);
	served->master = fork();
	ck_assert_int_ge(served->master, 0);
	if (served->master == 0)
		become_vodd(served, settings);
	while (table_open(name, &served->table) != 0 || !connects(served) ||
	       served_worker(served) == 0) {
		if (has_died(served) || clock_monotonic_us() > until_us) {
			served_fail(served, "vodd did not start");
		}
		table_close(served->table);
		served->table = NULL;
		nap();
	}
}

void
served_stop_within(struct served *served, unsigned limit_ms)
{
	uint64_t until_us = clock_monotonic_us() + limit_ms * UINT64_C(1000);
	int status = 0;

	kill(served->master, SIGTERM);
	while (waitpid(served->master, &status, WNOHANG) == 0) {
		if (clock_monotonic_us() > until_us) {
			served_fail(
			    served, "vodd did not end within %u ms", limit_ms);
		}
		nap();
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		show_log(served);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "vodd ended with status %#x", (unsigned)status);
	served->master = 0;
}

void
served_end(struct served *served)
{
	if (served->master != 0)
		served_stop_within(served, SERVED_PATIENCE_MS);
	table_close(served->table);
	remove_folder(served->folder);
}

pid_t
served_worker(const struct served *served)
{
	return table_lane_pid(served->table, 0);
}

unsigned
served_log_lines(const struct served *served, const char *text)
{
	FILE *log = fopen(served->log, "r");
	unsigned count = 0;
	char line[2048];

	ck_assert_ptr_nonnull(log);
	while (fgets(line, sizeof(line), log) != NULL)
		count += strstr(line, text) != NULL;
	fclose(log);
	return count;
}

void
served_wait_log(const struct served *served, const char *text)
{
	uint64_t until_us = deadline_us();

	while (served_log_lines(served, text) == 0) {
		if (clock_monotonic_us() > until_us) {
			served_fail(served, "never in the log: %s", text);
		}
		nap();
	}
}

/* --- standing still ------------------------------------------------------- */

static char
state_of(pid_t pid)
{
	char path[64], text[512] = "";
	const char *state;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((stat = fopen(path, "r")) == NULL)
		return '\0';
	(void)!fgets(text, sizeof(text), stat);
	fclose(stat);
	state = strrchr(text, ')');
	return state != NULL ? state[2] : '\0';
}

void
served_freeze(const struct served *served)
{
	uint64_t until_us = deadline_us();

	ck_assert_int_eq(kill(served_worker(served), SIGSTOP), 0);
	while (state_of(served_worker(served)) != 'T') {
		ck_assert_msg(clock_monotonic_us() < until_us,
		    "the worker does not stand still");
		nap();
	}
}

void
served_thaw(const struct served *served)
{
	ck_assert_int_eq(kill(served_worker(served), SIGCONT), 0);
}

static int
wait_traced(const struct served *served)
{
	int status = 0;

	ck_assert_int_eq(waitpid(served_worker(served), &status, __WALL),
	    served_worker(served));
	ck_assert_msg(
	    WIFSTOPPED(status), "the worker died: %#x", (unsigned)status);
	return status;
}

bool
served_trace(const struct served *served)
{
	pid_t worker = served_worker(served);

	if (ptrace(PTRACE_SEIZE, worker, NULL, PTRACE_O_TRACESYSGOOD) != 0)
		return false;
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, worker, NULL, NULL), 0);
	(void)wait_traced(served);
	return true;
}

void
served_run_until(
    const struct served *served, bool (*ready)(void *context), void *context)
{
	pid_t worker = served_worker(served);
	uint64_t until_us = deadline_us();
	int status, signal;

	do {
		ck_assert_msg(clock_monotonic_us() < until_us,
		    "the worker never gets there");
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, worker, NULL, NULL), 0);
		status = wait_traced(served);
		signal = WSTOPSIG(status);
		if (signal != (SIGTRAP | 0x80) && status >> 16 == 0)
			ck_abort_msg("the worker got signal %d", signal);
	} while (!ready(context));
}

void
served_let_go(const struct served *served)
{
	ck_assert_int_eq(
	    ptrace(PTRACE_DETACH, served_worker(served), NULL, NULL), 0);
}

/* --- a viewer ------------------------------------------------------------- */

static int
bound_socket(uint16_t port, uint16_t *out)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd, bytes = 4 << 20, on = 1;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ne(fd, -1);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, length) != 0) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&address, &length);
	*out = ntohs(address.sin_port);
	return fd;
}

/* A pair of neighbours, as clients use them. */
static void
open_pair(struct viewer *viewer, unsigned flow)
{
	int *sockets = viewer->sockets[flow];
	uint16_t *ports = viewer->ports[flow];

	for (;;) {
		sockets[0] = bound_socket(0, &ports[0]);
		sockets[1] = bound_socket((uint16_t)(ports[0] + 1), &ports[1]);
		if (sockets[1] != -1)
			return;
		close(sockets[0]);
	}
}

static void
make_narrow(int fd)
{
	int window = NARROW_WINDOW, segment = NARROW_SEGMENT;

	ck_assert_int_eq(
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window)), 0);
	ck_assert_int_eq(
	    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment)),
	    0);
}

void
viewer_open(struct viewer *viewer, struct served *served, const char *title,
    enum viewer_transport transport)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(served->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	memset(viewer, 0, sizeof(*viewer));
	viewer->served = served;
	viewer->tcp = transport != VIEWER_UDP;
	snprintf(viewer->title, sizeof(viewer->title), "%s", title);
	viewer->control = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (transport == VIEWER_TCP_NARROW)
		make_narrow(viewer->control);
	ck_assert_int_eq(connect(viewer->control, (struct sockaddr *)&address,
			     sizeof(address)),
	    0);
	for (unsigned flow = 0; flow < VIEWER_FLOWS && !viewer->tcp; flow++)
		open_pair(viewer, flow);
}

void
viewer_forget_session(struct viewer *viewer)
{
	viewer->session[0] = '\0';
}

void
viewer_close(struct viewer *viewer)
{
	close(viewer->control);
	for (unsigned flow = 0; flow < VIEWER_FLOWS && !viewer->tcp; flow++) {
		close(viewer->sockets[flow][0]);
		close(viewer->sockets[flow][1]);
	}
	for (size_t i = 0; i < viewer->packet_count; i++)
		free(viewer->packets[i].bytes);
	free(viewer->packets);
	free(viewer->stream);
}

static void
keep_packet(struct viewer *viewer, unsigned flow, bool rtcp,
    const uint8_t *bytes, size_t size, uint64_t offset)
{
	struct viewer_packet *packet;

	if (viewer->packet_count == viewer->packet_room) {
		viewer->packet_room = 2 * viewer->packet_room + 64;
		viewer->packets = realloc(viewer->packets,
		    viewer->packet_room * sizeof(*viewer->packets));
		ck_assert_ptr_nonnull(viewer->packets);
	}
	packet = &viewer->packets[viewer->packet_count++];
	*packet = (struct viewer_packet){ .flow = (uint8_t)flow,
		.rtcp = rtcp,
		.bytes = malloc(size),
		.size = size,
		.offset = offset,
		.at_us = clock_monotonic_us() };
	memcpy(packet->bytes, bytes, size);
}

static void
take_reply(struct viewer *viewer, const char *text, size_t size)
{
	const char *session;

	ck_assert_uint_lt(size, sizeof(viewer->reply));
	memcpy(viewer->reply, text, size);
	viewer->reply[size] = '\0';
	viewer->replies++;
	ck_assert_int_eq(
	    sscanf(viewer->reply, "RTSP/1.0 %u", &viewer->status), 1);
	session = strstr(viewer->reply, "\r\nSession: ");
	if (session != NULL)
		(void)sscanf(session + 11, "%63[^;\r]", viewer->session);
}

static size_t
body_bytes(const uint8_t *head, size_t size)
{
	static const char name[] = "\r\nContent-Length: ";
	const char *at = memmem(head, size, name, sizeof(name) - 1);

	return at == NULL ? 0 : strtoul(at + sizeof(name) - 1, NULL, 10);
}

/* One frame or reply behind what was parsed.  False: it is not whole. */
static bool
parse_one(struct viewer *viewer)
{
	const uint8_t *at = viewer->stream + viewer->parsed;
	size_t left = viewer->stream_bytes - viewer->parsed, size;
	const uint8_t *end;

	if (left > 0 && *at == '$') {
		size = left < 4 ? SIZE_MAX : 4 + ((size_t)at[2] << 8 | at[3]);
		if (left < size)
			return false;
		keep_packet(viewer, at[1] / 2, at[1] % 2 != 0, at, size,
		    viewer->parsed);
	} else {
		end = memmem(at, left, "\r\n\r\n", 4);
		if (end == NULL)
			return false;
		size = (size_t)(end - at) + 4;
		ck_assert_msg(memcmp(at, "RTSP/1.0 ", 9) == 0,
		    "neither a frame nor a reply at byte %zu", viewer->parsed);
		if (left < size + body_bytes(at, size))
			return false;
		take_reply(viewer, (const char *)at, size);
		size += body_bytes(at, size);
	}
	viewer->parsed += size;
	return true;
}

static bool
take_stream(struct viewer *viewer)
{
	ssize_t got;

	if (viewer->stream_room - viewer->stream_bytes < 65536) {
		viewer->stream_room = 2 * viewer->stream_room + 131072;
		viewer->stream = realloc(viewer->stream, viewer->stream_room);
		ck_assert_ptr_nonnull(viewer->stream);
	}
	got = recv(viewer->control, viewer->stream + viewer->stream_bytes,
	    65536, MSG_DONTWAIT);
	if (got == 0 || (got == -1 && errno == ECONNRESET))
		viewer->closed = true;
	if (got <= 0)
		return false;
	viewer->stream_bytes += (size_t)got;
	while (parse_one(viewer))
		;
	return true;
}

/* When the kernel got it, whenever we come to look. */
static uint64_t
arrival_us(struct msghdr *message)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	uint64_t age_us = 0, now_wall_us = clock_wall_us();
	struct timespec at;

	if (control != NULL && control->cmsg_type == SCM_TIMESTAMPNS) {
		memcpy(&at, CMSG_DATA(control), sizeof(at));
		age_us = now_wall_us - (uint64_t)at.tv_sec * US_PER_SECOND -
			 (uint64_t)at.tv_nsec / 1000;
	}
	return clock_monotonic_us() - age_us;
}

static bool
take_datagram(struct viewer *viewer, unsigned flow, unsigned kind)
{
	static uint8_t datagram[65536];
	_Alignas(struct cmsghdr) char control[256];
	struct iovec vector = { datagram, sizeof(datagram) };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	ssize_t got =
	    recvmsg(viewer->sockets[flow][kind], &message, MSG_DONTWAIT);

	if (got <= 0)
		return false;
	keep_packet(viewer, flow, kind == 1, datagram, (size_t)got, 0);
	viewer->packets[viewer->packet_count - 1].at_us = arrival_us(&message);
	return true;
}

static bool
take_all(struct viewer *viewer)
{
	/* Once: a server that sends as we read would not let us return. */
	bool something = !viewer->closed && take_stream(viewer);

	for (unsigned flow = 0; flow < VIEWER_FLOWS && !viewer->tcp; flow++)
		for (unsigned kind = 0; kind < 2; kind++)
			while (take_datagram(viewer, flow, kind))
				something = true;
	return something;
}

bool
viewer_take(struct viewer *viewer, int timeout_ms)
{
	struct pollfd polled[1 + 2 * VIEWER_FLOWS];
	nfds_t count = 0;

	if (take_all(viewer))
		return true;
	polled[count++] =
	    (struct pollfd){ .fd = viewer->closed ? -1 : viewer->control,
		    .events = POLLIN };
	for (unsigned flow = 0; flow < VIEWER_FLOWS && !viewer->tcp; flow++)
		for (unsigned kind = 0; kind < 2; kind++)
			polled[count++] =
			    (struct pollfd){ .fd = viewer->sockets[flow][kind],
				    .events = POLLIN };
	(void)poll(polled, count, timeout_ms);
	return take_all(viewer);
}

void
viewer_take_packets(struct viewer *viewer, size_t count)
{
	uint64_t until_us = deadline_us();

	count += viewer->packet_count;
	while (viewer->packet_count < count) {
		(void)viewer_take(viewer, 100);
		if (clock_monotonic_us() < until_us && !viewer->closed)
			continue;
		served_fail(viewer->served, "%zu packets of %zu",
		    viewer->packet_count, count);
	}
}

void
viewer_send(struct viewer *viewer, const char *method, unsigned stream,
    const char *headers)
{
	char text[ASK_MAX], which[32] = "";
	int size;

	if (stream != 0)
		snprintf(which, sizeof(which), "/stream=%u", stream);
	size = snprintf(text, sizeof(text),
	    "%s rtsp://127.0.0.1:%u/%s%s RTSP/1.0\r\nCSeq: %u\r\n%s%s%s%s\r\n",
	    method, viewer->served->port, viewer->title, which,
	    ++viewer->sequence, viewer->session[0] != '\0' ? "Session: " : "",
	    viewer->session, viewer->session[0] != '\0' ? "\r\n" : "", headers);
	ck_assert_int_eq(
	    send(viewer->control, text, (size_t)size, MSG_NOSIGNAL), size);
}

void
viewer_wait_reply(struct viewer *viewer, unsigned status)
{
	uint64_t until_us = deadline_us();

	while (viewer->replies < viewer->sequence) {
		(void)viewer_take(viewer, 100);
		if (clock_monotonic_us() < until_us && !viewer->closed)
			continue;
		served_fail(
		    viewer->served, "no reply to request %u", viewer->sequence);
	}
	ck_assert_msg(
	    viewer->status == status, "not %u: %s", status, viewer->reply);
}

void
viewer_ask(struct viewer *viewer, const char *method, unsigned stream,
    const char *headers, unsigned status)
{
	viewer_send(viewer, method, stream, headers);
	viewer_wait_reply(viewer, status);
}

void
viewer_setup(struct viewer *viewer, unsigned stream, unsigned flow)
{
	char transport[128], headers[256];

	if (viewer->tcp)
		snprintf(transport, sizeof(transport),
		    "Transport: RTP/AVP/TCP;unicast;interleaved=%u-%u\r\n",
		    2 * flow, 2 * flow + 1);
	else
		snprintf(transport, sizeof(transport),
		    "Transport: RTP/AVP;unicast;client_port=%u-%u\r\n",
		    viewer->ports[flow][0], viewer->ports[flow][1]);
	snprintf(headers, sizeof(headers), "%s%s%s%s", transport,
	    viewer->agent != NULL ? "User-Agent: " : "",
	    viewer->agent != NULL ? viewer->agent : "",
	    viewer->agent != NULL ? "\r\n" : "");
	viewer_ask(viewer, "SETUP", stream, headers, 200);
}

uint32_t
viewer_record(const struct viewer *viewer)
{
	char digits[7];

	ck_assert_uint_gt(strlen(viewer->session), 8);
	memcpy(digits, viewer->session + 2, 6);
	digits[6] = '\0';
	return (uint32_t)strtoul(digits, NULL, 16);
}
