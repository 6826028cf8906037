/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dying - a vodd whose workers die where a test wants them to.
 *
 * t/dying_vodd is the product linked once more, with the linker's --wrap
 * around the functions below.  The file that VODD_DYING names is the plan; the
 * test has it mapped too.  Without it the server is the product.
 *
 * So that two runs can be compared, getrandom(2) always gives the same there.
 */
#ifndef T_DYING_H
#define T_DYING_H

#include <stdatomic.h>
#include <stdint.h>

/* Each has a line in Makefile.am. */
#define DYING_CALLS(CALL)                                                      \
	CALL(accept4)                                                          \
	CALL(close)                                                            \
	CALL(epoll_ctl)                                                        \
	CALL(epoll_pwait2)                                                     \
	CALL(getsockname)                                                      \
	CALL(getsockopt)                                                       \
	CALL(ioctl)                                                            \
	CALL(preadv2)                                                          \
	CALL(recv)                                                             \
	CALL(recvfrom)                                                         \
	CALL(recvmsg)                                                          \
	CALL(send)                                                             \
	CALL(sendmmsg)                                                         \
	CALL(sendmsg)                                                          \
	CALL(setsockopt)                                                       \
	CALL(shutdown)                                                         \
	CALL(table_claim)                                                      \
	CALL(table_counter_add)                                                \
	CALL(table_publish)                                                    \
	CALL(table_publish_all)                                                \
	CALL(table_release)                                                    \
	CALL(table_reserve)

#define DYING_ENUMERATOR(name) DYING_##name,
enum dying_call { DYING_CALLS(DYING_ENUMERATOR) DYING_CALL_COUNT };

/* WITHIN: half of what was to be written or taken is. */
enum dying_when { DYING_BEFORE, DYING_WITHIN, DYING_AFTER };

/* The NTH (from 1) call that a worker makes on its loop's thread. */
struct dying_point {
	uint32_t call; /* enum dying_call */
	uint32_t nth;
	uint32_t when; /* enum dying_when */
	int32_t signal;
};

/*
 * What a worker is brought down by again and again: opening or seeking in
 * DYING_TITLE, on a reader thread; its packets sent at or behind
 * DYING_SEND_MS, in the loop; a request with DYING_HEADER, in the loop.
 */
enum dying_fault {
	DYING_OF_NOTHING,
	DYING_OF_OPENING,
	DYING_OF_SEEKING,
	DYING_OF_SENDING,
	DYING_OF_PARSING
};
#define DYING_TITLE "bad.wmv"
#define DYING_PACKET_BYTES 1234u /* no other title has packets of this size */
#define DYING_SEND_MS 500u
#define DYING_HEADER "X-Bad: yes"

#define DYING_POINTS_MAX 4
struct dying_plan {
	/* Only then is anything counted; by each worker from its birth, by one
	 * that was a spare from when it takes over. */
	_Atomic uint32_t armed;
	/* So many have died; points[deaths] is the next one's. */
	_Atomic uint32_t deaths;
	uint32_t point_count;
	struct dying_point points[DYING_POINTS_MAX];
	_Atomic uint32_t counted[DYING_CALL_COUNT];
	/*
	 * Connections that a worker took with it: accepted, and not yet told to
	 * the master.  Nobody can adopt them.
	 */
	_Atomic uint32_t lost_connections;
	/* What fails, DYING_accept4 or DYING_sendmmsg, and how; 0: nothing. */
	uint32_t short_call;
	_Atomic int32_t short_error;
	_Atomic uint32_t short_calls; /* that failed */
	uint32_t fault; /* enum dying_fault */
	int32_t fault_signal; /* 0: hangs */
	_Atomic uint32_t faults_left, faults;
};

#endif
