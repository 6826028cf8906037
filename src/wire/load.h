/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load - the load report, both directions: what the agent of a node says and
 * the balancer reads.
 *
 *	ready 73%               or "drain", or "down #why"
 *	version 1
 *	node cache-3
 *	state ready
 *	capacity_bps 1000000000
 *	...
 *	end
 *
 * The first line is HAProxy's agent-check, so that others understand it as it
 * is ("ready 73% up" for those who would leave a node down without the "up").
 * Each line behind it is there once, in the order of struct load_report; a
 * report without "end" is no answer.
 */
#ifndef WIRE_LOAD_H
#define WIRE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define LOAD_VERSION 1
#define LOAD_REPORT_MAX 1024 /* no report is longer */
#define LOAD_NODE_MAX 64 /* with NUL, as the reason's */
#define LOAD_REASON_MAX 128
#define LOAD_BPS_MAX UINT64_C(1000000000000000)
#define LOAD_COUNT_MAX UINT64_C(1000000000)

enum load_state { LOAD_READY, LOAD_DRAIN, LOAD_DOWN, LOAD_STATE_COUNT };
const char *load_state_name(enum load_state state);

struct load_report {
	/* The first line; what it says of the state stands again below. */
	unsigned percent; /* 1..100 while ready, else 0 */
	bool says_up; /* while ready */
	char reason[LOAD_REASON_MAX]; /* printable ASCII; of LOAD_DOWN */

	char node[LOAD_NODE_MAX]; /* letters, digits, '.', '-', '_' */
	enum load_state state;
	uint64_t capacity_bps, committed_bps;
	uint64_t sessions, sessions_playing, max_sessions;
	uint64_t pressure_percent; /* 0..100; on the wire 0.00..1.00 */
	uint64_t load1_percent; /* 100 is a load of 1.00, as on the wire */
	uint64_t heartbeat_age_ms;
	uint64_t vip_on_lo; /* 0, 1 */
	uint64_t arp_ignore, arp_announce; /* 0..8, 0..2 */
	uint64_t rtsp_ok; /* 0, 1 */
};

/*
 * 100 x (1 - committed / capacity) x (1 - pressure), rounded down, at least 1.
 */
unsigned load_percent(
    uint64_t capacity_bps, uint64_t committed_bps, uint64_t pressure_percent);

/*
 * At most LOAD_REPORT_MAX bytes.  Numbers above their limits are written as the
 * limit, other characters in texts as '_'; so what is written can be read.
 */
void load_format(struct bytes_writer *out, const struct load_report *report);

enum load_result {
	LOAD_MORE, /* no "end" yet: no answer, if no more comes */
	LOAD_DONE,
	LOAD_BAD,
};
/* All SIZE bytes are one report.  OUT is untouched but by LOAD_DONE. */
enum load_result load_parse(
    const void *data, size_t size, struct load_report *out);

#endif
