/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * simulate - a cluster in numbers, to hold the law against other policies.
 *
 * Viewers arrive as they like (Poisson), each for one of some titles, for half
 * to one and a half times the title's mean length.  The kernel's scheduler, as
 * ip_vs_rr, _lc, _wlc and _wrr do it, gives each one to a node, which refuses
 * what would be above its capacity.  The balancer asks every interval, early or
 * late, and some answers are those of the round before.  The same seed is the
 * same run.
 */
#ifndef BALANCER_SIMULATE_H
#define BALANCER_SIMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "balancer/weight.h"

struct simulate;

struct simulate_title {
	uint32_t bps;
	uint64_t mean_us;
};

enum simulate_policy {
	SIMULATE_RR,
	SIMULATE_LC,
	SIMULATE_WLC, /* weights by capacity, for ever */
	SIMULATE_WLC_IDLE, /* weights by capacity times what is idle of it */
	SIMULATE_WRR_IDLE,
	SIMULATE_LAW, /* wlc with the weights of the law */
	SIMULATE_ORACLE, /* knows everything at once */
	SIMULATE_POLICY_COUNT,
};
const char *simulate_policy_name(enum simulate_policy policy);

/* What happens, for who wants to see it happen elsewhere. */
enum simulate_event {
	SIMULATE_WEIGHT, /* the node has the weight VALUE from now on */
	SIMULATE_ARRIVAL, /* the node is given a session of VALUE bit/s */
	SIMULATE_END, /* one of these ends, of VALUE bit/s */
};
typedef void simulate_trace(
    void *user, enum simulate_event event, size_t node, uint32_t value);

struct simulate_setup {
	enum simulate_policy policy;
	const uint64_t *capacities_bps; /* borrowed by simulate_new() */
	size_t nodes;
	const struct simulate_title *titles; /* borrowed until the end */
	size_t title_count;
	unsigned directors; /* side by side, with the same weights; 0: 1 */
	double load; /* what arrives, as a part of all capacity */
	uint64_t interval_us, jitter_us, delay_us; /* the last two: at most */
	double stale; /* part of answers that are of the round before */
	bool admits_all; /* nodes refuse nobody */
	uint64_t seed;
	simulate_trace *trace; /* may be NULL; USER is its own */
	void *user;
};

/* May falsify what a node reports; USER is its own. */
typedef void simulate_twist(struct weight_report *report, void *user);

/* To be looked at and, where it says so, changed between runs. */
struct simulate_node {
	uint64_t capacity_bps; /* may be changed */
	simulate_twist *twist; /* may be changed */
	void *user;
	uint64_t committed_bps;
	uint64_t sessions;
	uint64_t arrivals, refusals; /* since simulate_measure() */
	struct weight_report report; /* the last */
	double utilisation_sum;
};

/* Since simulate_measure(). */
struct simulate_result {
	double busiest; /* the mean utilisation of the node with the most */
	double peak; /* the mean, over time, of the busiest at each second */
	double spread; /* the same of busiest minus idlest */
	double writes_a_minute;
	uint64_t arrivals, refusals;
	/*
	 * How idle the idlest node was, at the worst, when another was given
	 * more than it can do; 1 if none was.
	 */
	double idlest_beside_full;
};

/* NULL: no memory. */
struct simulate *simulate_new(const struct simulate_setup *setup);
void simulate_free(struct simulate *simulate); /* accepts NULL */
struct simulate_node *simulate_nodes(struct simulate *simulate);
struct weight_node *simulate_weights(struct simulate *simulate);
/* Goes on for DURATION_US.  0 or -ENOMEM. */
int simulate_run(struct simulate *simulate, uint64_t duration_us);
/* What follows is measured. */
void simulate_measure(struct simulate *simulate);
struct simulate_result simulate_result(const struct simulate *simulate);

#endif
