/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wrappers of t/dying_vodd: they count and, where the plan says so, die.
 * What is done otherwise is the product's.
 */
#include "dying.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base.h"
#include "media/title.h"
#include "server/worker.h"
#include "table/table.h"
#include "wire/rtsp.h"

#define RANDOM_BYTE 0x5a

static struct dying_plan *plan;
static __thread bool in_loop; /* of a worker, not of a reader or the master */
static uint32_t unstored; /* accepted, not yet sent to the master */

#define WRAPPED(type, name, ...)                                               \
	type __real_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__)

/* The plan is opened while the server may still open files. */
static void __attribute__((constructor)) open_plan(void)
{
	const char *path = getenv("VODD_DYING");
	void *mapped;
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	mapped = mmap(
	    NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		abort();
	close(fd);
	plan = mapped;
}

static _Noreturn void
die(int how)
{
	plan->lost_connections += unstored;
	plan->deaths++;
	/* kill(2) is more than the sandbox allows. */
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), how);
	for (;;)
		poll(NULL, 0, -1);
}

/* The point's signal, or 0. */
static int
death_at(enum dying_call call, uint32_t nth, enum dying_when when)
{
	const struct dying_point *point;

	if (nth == 0 || plan->deaths >= plan->point_count)
		return 0;
	point = &plan->points[plan->deaths];
	return point->call == call && point->nth == nth && point->when == when
		   ? point->signal
		   : 0;
}

static void
die_if_planned(enum dying_call call, uint32_t nth, enum dying_when when)
{
	int how = death_at(call, nth, when);

	if (how != 0)
		die(how);
}

/* Which call it is; 0: not one that counts. */
static uint32_t
enter(enum dying_call call)
{
	uint32_t nth;

	if (!in_loop || plan == NULL || !plan->armed)
		return 0;
	nth = ++plan->counted[call];
	die_if_planned(call, nth, DYING_BEFORE);
	return nth;
}

static void
leave(enum dying_call call, uint32_t nth)
{
	int error = errno;

	die_if_planned(call, nth, DYING_AFTER);
	errno = error;
}

/* The machine has too little of something. */
static bool
is_short(enum dying_call call)
{
	int error = plan != NULL && in_loop && plan->short_call == call
			? plan->short_error
			: 0;

	if (error == 0)
		return false;
	plan->short_calls++;
	errno = error;
	return true;
}

/* A reader thread may be the one. */
static void
have_fault(enum dying_fault fault)
{
	if (plan == NULL || plan->fault != fault || plan->faults_left == 0)
		return;
	plan->faults_left--;
	plan->faults++;
	if (plan->fault_signal != 0)
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid),
		    plan->fault_signal);
	for (;;)
		poll(NULL, 0, -1);
}

static void
begin_counting(void)
{
	in_loop = true;
	for (size_t i = 0; plan != NULL && i < DYING_CALL_COUNT; i++)
		plan->counted[i] = 0;
}

WRAPPED(int, worker_run, const struct worker_birth *birth)
{
	if (!birth->spare)
		begin_counting();
	return __real_worker_run(birth);
}

/* A spare's turn has come. */
WRAPPED(int, table_lane_open, struct table *table, uint32_t lane)
{
	if (!in_loop)
		begin_counting();
	return __real_table_lane_open(table, lane);
}

WRAPPED(ssize_t, getrandom, void *out, size_t size, unsigned flags)
{
	if (plan == NULL)
		return __real_getrandom(out, size, flags);
	memset(out, RANDOM_BYTE, size);
	return (ssize_t)size;
}

/* --- calls that can be done by half --------------------------------------- */

static bool
is_stream(int fd)
{
	socklen_t length = sizeof(int);
	int type;

	return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type,
		   &length) == 0 &&
	       type == SOCK_STREAM;
}

WRAPPED(ssize_t, send, int fd, const void *data, size_t size, int flags)
{
	uint32_t nth = enter(DYING_send);
	int how = death_at(DYING_send, nth, DYING_WITHIN);
	ssize_t result = __real_send(
	    fd, data, how != 0 && is_stream(fd) ? size / 2 : size, flags);

	if (how != 0)
		die(how);
	leave(DYING_send, nth);
	return result;
}

WRAPPED(ssize_t, recv, int fd, void *data, size_t size, int flags)
{
	uint32_t nth = enter(DYING_recv);
	int how = death_at(DYING_recv, nth, DYING_WITHIN);
	ssize_t result =
	    __real_recv(fd, data, how != 0 ? size / 2 : size, flags);

	if (how != 0)
		die(how);
	leave(DYING_recv, nth);
	return result;
}

/* Half of a stream's bytes. */
static void
send_half(int fd, const struct msghdr *message, int flags)
{
	struct iovec half[64];
	struct msghdr part = *message;
	size_t bytes = 0, count = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++)
		bytes += message->msg_iov[i].iov_len;
	for (bytes /= 2; bytes > 0 && count < ARRAY_LENGTH(half); count++) {
		half[count] = message->msg_iov[count];
		half[count].iov_len = MIN_OF(half[count].iov_len, bytes);
		bytes -= half[count].iov_len;
	}
	part.msg_iov = half;
	part.msg_iovlen = count;
	(void)syscall(SYS_sendmsg, fd, &part, flags);
}

WRAPPED(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
	uint32_t nth = enter(DYING_sendmsg);
	int how = death_at(DYING_sendmsg, nth, DYING_WITHIN);
	ssize_t result;

	if (how != 0) {
		if (is_stream(fd))
			send_half(fd, message, flags);
		die(how);
	}
	result = __real_sendmsg(fd, message, flags);
	/* Only connections go to the master with a descriptor. */
	if (result != -1 && in_loop && message->msg_controllen > 0 &&
	    message->msg_name == NULL && unstored > 0)
		unstored--;
	leave(DYING_sendmsg, nth);
	return result;
}

WRAPPED(
    int, sendmmsg, int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	uint32_t nth = enter(DYING_sendmmsg);
	int how = death_at(DYING_sendmmsg, nth, DYING_WITHIN);
	int result = 0;

	if (is_short(DYING_sendmmsg))
		return -1;
	if (how == 0 || count > 1)
		result = __real_sendmmsg(
		    fd, messages, how != 0 ? count / 2 : count, flags);
	if (how != 0)
		die(how);
	leave(DYING_sendmmsg, nth);
	return result;
}

/* --- all others ----------------------------------------------------------- */

WRAPPED(
    int, accept4, int fd, struct sockaddr *peer, socklen_t *length, int flags)
{
	uint32_t nth = enter(DYING_accept4);
	int result = is_short(DYING_accept4)
			 ? -1
			 : __real_accept4(fd, peer, length, flags);

	if (result != -1)
		unstored++;
	leave(DYING_accept4, nth);
	return result;
}

WRAPPED(int, ioctl, int fd, unsigned long request, void *argument)
{
	uint32_t nth = enter(DYING_ioctl);
	int result = __real_ioctl(fd, request, argument);

	leave(DYING_ioctl, nth);
	return result;
}

#define COUNTED(type, name, parameters, arguments)                             \
	WRAPPED(type, name, UNPACKED parameters)                               \
	{                                                                      \
		uint32_t nth = enter(DYING_##name);                            \
		type result = __real_##name arguments;                         \
                                                                               \
		leave(DYING_##name, nth);                                      \
		return result;                                                 \
	}
#define COUNTED_VOID(name, parameters, arguments)                              \
	WRAPPED(void, name, UNPACKED parameters)                               \
	{                                                                      \
		uint32_t nth = enter(DYING_##name);                            \
                                                                               \
		__real_##name arguments;                                       \
		leave(DYING_##name, nth);                                      \
	}
#define UNPACKED(...) __VA_ARGS__

COUNTED(int, close, (int fd), (fd))
COUNTED(int, epoll_ctl,
    (int epoll, int operation, int fd, struct epoll_event *event),
    (epoll, operation, fd, event))
COUNTED(int, epoll_pwait2,
    (int epoll, struct epoll_event *events, int limit,
	const struct timespec *timeout, const sigset_t *signals),
    (epoll, events, limit, timeout, signals))
COUNTED(int, getsockname, (int fd, struct sockaddr *address, socklen_t *length),
    (fd, address, length))
COUNTED(int, getsockopt,
    (int fd, int level, int name, void *value, socklen_t *length),
    (fd, level, name, value, length))
COUNTED(int, setsockopt,
    (int fd, int level, int name, const void *value, socklen_t length),
    (fd, level, name, value, length))
COUNTED(ssize_t, preadv2,
    (int fd, const struct iovec *vectors, int count, off_t at, int flags),
    (fd, vectors, count, at, flags))
COUNTED(ssize_t, recvfrom,
    (int fd, void *data, size_t size, int flags, struct sockaddr *from,
	socklen_t *length),
    (fd, data, size, flags, from, length))
COUNTED(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags),
    (fd, message, flags))
COUNTED(int, shutdown, (int fd, int how), (fd, how))
COUNTED(int, table_claim,
    (struct table * table, uint32_t lane, enum table_kind kind, uint32_t *out),
    (table, lane, kind, out))
COUNTED_VOID(table_counter_add,
    (struct table * table, uint32_t lane, enum table_counter counter,
	int64_t value),
    (table, lane, counter, value))
COUNTED_VOID(table_publish,
    (struct table * table, uint32_t lane, enum table_kind kind, uint32_t record,
	const void *view),
    (table, lane, kind, record, view))
COUNTED_VOID(table_release,
    (struct table * table, uint32_t lane, enum table_kind kind,
	uint32_t record),
    (table, lane, kind, record))
COUNTED(bool, table_reserve,
    (struct table * table, uint32_t lane, enum table_counter counter,
	uint64_t amount, uint64_t limit),
    (table, lane, counter, amount, limit))
COUNTED_VOID(table_publish_all,
    (struct table * table, uint32_t lane, const struct table_change *changes,
	unsigned count),
    (table, lane, changes, count))

/* --- faults --------------------------------------------------------------- */

WRAPPED(int, title_open, int media_root, const char *path, struct title **out,
    enum asf_result *reason)
{
	if (strcmp(path, DYING_TITLE) == 0)
		have_fault(DYING_OF_OPENING);
	return __real_title_open(media_root, path, out, reason);
}

WRAPPED(int, title_seek, const struct title *title, uint64_t at_us,
    struct asf_set wanted, uint32_t *packet, uint64_t *reached_us)
{
	if (title_packet_bytes(title) == DYING_PACKET_BYTES)
		have_fault(DYING_OF_SEEKING);
	return __real_title_seek(title, at_us, wanted, packet, reached_us);
}

WRAPPED(enum asf_result, asf_packet_parse, const uint8_t *packet,
    uint32_t packet_bytes, struct asf_packet *out)
{
	uint32_t send_ms;

	if (in_loop && packet_bytes == DYING_PACKET_BYTES &&
	    asf_packet_send_time(packet, packet_bytes, &send_ms) == ASF_OK &&
	    send_ms >= DYING_SEND_MS)
		have_fault(DYING_OF_SENDING);
	return __real_asf_packet_parse(packet, packet_bytes, out);
}

WRAPPED(enum rtsp_result, rtsp_parse, const void *data, size_t size,
    struct rtsp_message *out)
{
	if (memmem(data, size, DYING_HEADER, strlen(DYING_HEADER)) != NULL)
		have_fault(DYING_OF_PARSING);
	return __real_rtsp_parse(data, size, out);
}
