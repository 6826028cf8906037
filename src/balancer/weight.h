/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * weight - the law by which loads become weights.
 *
 * The kernel's wlc picks the server with the least connections / weight.  With
 *
 *     weight = S * C / ((B + m * b0) / (n + m))
 *
 * (C capacity, B committed bit rate, n sessions, b0 what is typical of the
 * cluster, m a prior of some sessions) that is the least committed bit rate /
 * capacity: the kernel balances bit rate at every connection, at once, and
 * what is done here only corrects the slow mean of a node's titles.
 *
 * Arithmetic only: a report of each node and the time go in, weights come out.
 * Whatever is in a report and however the clock jumps, weights are sane.
 * Weights that should not change do not: see the limits below.
 *
 * Fail static: a silent node keeps its weight for some rounds and then gets
 * the configured one; one that said that it drains or is down stays at 0 until
 * it says otherwise; and never are all nodes at 0, but those that others hold
 * there.
 */
#ifndef BALANCER_WEIGHT_H
#define BALANCER_WEIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ipvsadm takes no more. */
#define WEIGHT_MAX 65535u
/* Of the node with the largest capacity, more or less. */
#define WEIGHT_FULL 10000u

/* What a round does to a node at most.  Parts of 1. */
/* A change that is less than this part of the weight is none. */
#define WEIGHT_DEAD_BAND 0.03
/* Of the larger of the configured weight and the present one. */
#define WEIGHT_STEP 0.25
/* Of what a new mean bit rate differs by. */
#define WEIGHT_SMOOTHING 0.3
/* Sessions of the typical bit rate that each node is thought to have, too. */
#define WEIGHT_PRIOR_SESSIONS 8.0
/*
 * How far a node's titles may move its weight from what its capacity says.
 * Upwards it is also what a node gains that reports sessions of no bit rate.
 */
#define WEIGHT_CORRECTION_MIN 0.25
#define WEIGHT_CORRECTION_MAX 1.25
/* A fresh node begins here. */
#define WEIGHT_SLOW_START 0.01
/* So much of its weight remains to a node however late its packets are. */
#define WEIGHT_RELIEF_MIN 0.1
/* Rounds that a silent node keeps its weight. */
#define WEIGHT_PATIENCE_ROUNDS 10

enum weight_answer {
	WEIGHT_SILENT, /* none, or one that makes no sense */
	WEIGHT_READY,
	WEIGHT_DRAIN,
	WEIGHT_DOWN, /* or its RTSP check failed */
};

/* What a node says of itself; the numbers count only if it is ready. */
struct weight_report {
	enum weight_answer answer;
	uint64_t capacity_bps, committed_bps;
	uint64_t sessions;
	double pressure; /* 0..1 */
};

/* Why a weight is what it is now, for the log. */
enum weight_cause {
	WEIGHT_BY_NOBODY, /* as it was found */
	WEIGHT_BY_LOAD,
	WEIGHT_BY_SLOW_START,
	WEIGHT_BY_PRESSURE,
	WEIGHT_BY_SILENCE,
	WEIGHT_BY_DRAIN,
	WEIGHT_BY_DOWN,
	WEIGHT_BY_NEED, /* else all were 0 */
	WEIGHT_CAUSE_COUNT,
};
const char *weight_cause_name(enum weight_cause cause);

/* Plain values; begun by weight_node_begin(), moved and copied as one likes. */
struct weight_node {
	/* in, before each round */
	struct weight_report report;
	bool held; /* the weight is somebody else's: it stays */

	/* out, after it */
	uint32_t weight;
	enum weight_cause cause;

	/* the law's own */
	uint64_t configured_bps; /* no node gains more; 0: what it reports */
	uint64_t capacity_bps; /* last reported; 0: never */
	double mean_bps; /* of a session, smoothed; 0: none yet */
	double relief; /* by pressure; 1: none */
	double started; /* part of the slow start that is over */
	bool unmeasured; /* it is not known where that begins */
	unsigned silent_rounds;
	enum weight_answer word; /* the last that it said */
	uint32_t next; /* weight, while a round is made */
};

/*
 * WEIGHT is what the node has now.  It is FRESH when it just appeared among
 * others: then it gets its part slowly.  CONFIGURED_BPS and CAPACITY_BPS may be
 * 0: not configured, not known from an earlier time.
 */
void weight_node_begin(struct weight_node *node, uint64_t configured_bps,
    uint64_t capacity_bps, uint32_t weight, bool fresh);

/* Of a service.  Zeroes begin it, but for the first two. */
struct weight_law {
	uint64_t interval_us; /* between rounds */
	uint64_t session_us; /* the mean length of a session */

	/* the law's own */
	uint64_t last_us;
	double reference_bps; /* the capacity that has WEIGHT_FULL */
	double typical_bps; /* of a session in this cluster; 0: not known */
	double slowness; /* of fresh nodes, as long as they are few */
};

/* One round at NOW_US (monotonic).  Returns how many weights it changed. */
size_t weight_round(struct weight_law *law, struct weight_node *nodes,
    size_t count, uint64_t now_us);

/* How the last round came to a node's weight, to be told. */
struct weight_parts {
	double full; /* what its capacity makes */
	double started; /* times this while it is fresh */
	double correction; /* times this for the mean bit rate of its titles */
	double relief; /* times this for late packets */
	double target; /* is where its weight goes */
	unsigned silent_rounds;
};
struct weight_parts weight_parts(
    const struct weight_law *law, const struct weight_node *node);

#endif
