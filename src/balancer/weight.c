/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * weight - loads to weights.  No I/O, no clock, no allocation; who asks the
 * nodes and who tells the kernel is elsewhere.
 *
 * A round goes over all nodes: hear what they say, find what is typical, and
 * for each one the weight it should have and how far it may go there.  Only
 * when all that is done is it known whether any node is left.
 */
#include "balancer/weight.h"

#include <assert.h>
#include <math.h>

#include "base/base.h"

/* More is no answer but noise. */
#define CAPACITY_MAX_BPS UINT64_C(1000000000000)
#define SESSIONS_MAX UINT64_C(100000000)
/* A node's capacity may have been cut, and its sessions go on. */
#define COMMITTED_MAX 100

/*
 * Below this, packets are as late as they are everywhere; and less pressure
 * than before is believed only if it is so much less, and then slowly.
 */
#define PRESSURE_IGNORED 0.05
#define PRESSURE_HYSTERESIS 0.10
#define PRESSURE_RECOVERY 0.02 /* a round */

/* Slow start goes in so many steps, each a change of weight. */
#define SLOW_START_STEPS 256
/* Where its curve would end, so that it comes to 1: after three sessions. */
#define SLOW_START_AIM 1.05

/* The reference is as good as any while the largest node is so near. */
#define REFERENCE_RANGE 4.0

/* clang-format off */
static const char *const cause_names[WEIGHT_CAUSE_COUNT] = {
	[WEIGHT_BY_NOBODY]     = "found",
	[WEIGHT_BY_LOAD]       = "load",
	[WEIGHT_BY_SLOW_START] = "slow start",
	[WEIGHT_BY_PRESSURE]   = "late packets",
	[WEIGHT_BY_SILENCE]    = "no answer",
	[WEIGHT_BY_DRAIN]      = "drain",
	[WEIGHT_BY_DOWN]       = "down",
	[WEIGHT_BY_NEED]       = "no other node",
};
/* clang-format on */

const char *
weight_cause_name(enum weight_cause cause)
{
	assert(cause < WEIGHT_CAUSE_COUNT);
	return cause_names[cause];
}

static double
clamp(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

void
weight_node_begin(struct weight_node *node, uint64_t configured_bps,
    uint64_t capacity_bps, uint32_t weight, bool fresh)
{
	bool starts = fresh || weight == 0;

	*node = (struct weight_node){
		.weight = weight,
		.configured_bps = configured_bps,
		.capacity_bps = MIN_OF(capacity_bps, CAPACITY_MAX_BPS),
		.relief = 1,
		.started = starts ? 0 : 1,
		.unmeasured = starts,
	};
}

static bool
report_makes_sense(const struct weight_report *report)
{
	if (report->answer != WEIGHT_READY)
		return report->answer == WEIGHT_DRAIN ||
		       report->answer == WEIGHT_DOWN;
	return report->capacity_bps > 0 &&
	       report->capacity_bps <= CAPACITY_MAX_BPS &&
	       report->committed_bps / COMMITTED_MAX <= report->capacity_bps &&
	       report->sessions <= SESSIONS_MAX &&
	       (report->sessions > 0 || report->committed_bps == 0) &&
	       report->pressure >= 0 && report->pressure <= 1; /* no NaN */
}

static void
node_hear(struct weight_node *node)
{
	if (!report_makes_sense(&node->report)) {
		node->report.answer = WEIGHT_SILENT;
		if (node->silent_rounds <= WEIGHT_PATIENCE_ROUNDS)
			node->silent_rounds++;
		return;
	}
	node->silent_rounds = 0;
	node->word = node->report.answer;
	if (node->word == WEIGHT_READY) {
		node->capacity_bps = node->report.capacity_bps;
	} else {
		node->started = 0;
		node->unmeasured = true;
		node->mean_bps = 0;
	}
}

static bool
is_ready(const struct weight_node *node)
{
	return node->report.answer == WEIGHT_READY;
}

/* What a node is good for; 0: not known. */
static double
node_capacity(const struct weight_node *node)
{
	if (node->configured_bps == 0)
		return (double)node->capacity_bps;
	if (is_ready(node) && node->capacity_bps < node->configured_bps)
		return (double)node->capacity_bps;
	return (double)node->configured_bps;
}

/* The weight by capacity alone. */
static double
node_full(const struct weight_law *law, const struct weight_node *node)
{
	return law->reference_bps > 0
		   ? WEIGHT_FULL * node_capacity(node) / law->reference_bps
		   : 0;
}

/* True: weights have another unit from now on. */
static bool
reference_set(
    struct weight_law *law, const struct weight_node *nodes, size_t count)
{
	double largest_bps = 0;

	for (size_t i = 0; i < count; i++)
		largest_bps = MAX_OF(largest_bps, node_capacity(&nodes[i]));
	if (largest_bps <= 0 ||
	    (largest_bps <= law->reference_bps * REFERENCE_RANGE &&
		largest_bps >= law->reference_bps / REFERENCE_RANGE))
		return false;
	law->reference_bps = largest_bps;
	return true;
}

/* (B + m * b0) / (n + m); 0: nothing is known. */
static double
session_bps(const struct weight_law *law, const struct weight_node *node)
{
	double prior = law->typical_bps > 0 ? WEIGHT_PRIOR_SESSIONS : 0;
	double sessions = (double)node->report.sessions + prior;

	if (sessions <= 0)
		return 0;
	return ((double)node->report.committed_bps + prior * law->typical_bps) /
	       sessions;
}

static void
node_smooth(const struct weight_law *law, struct weight_node *node)
{
	double bps = is_ready(node) ? session_bps(law, node) : 0;

	if (bps <= 0)
		return;
	if (node->mean_bps <= 0)
		node->mean_bps = bps;
	node->mean_bps += WEIGHT_SMOOTHING * (bps - node->mean_bps);
}

static bool
is_telling(const struct weight_node *node)
{
	return is_ready(node) && node->report.sessions > 0 &&
	       node->mean_bps > 0;
}

/*
 * The median of the nodes' means: one node that lies moves it little.  Found by
 * halving, so that nothing need be sorted.
 */
static void
typical_set(
    struct weight_law *law, const struct weight_node *nodes, size_t count)
{
	double low = 0, high = 0;
	size_t telling = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_telling(&nodes[i]))
			continue;
		high = MAX_OF(high, nodes[i].mean_bps);
		telling++;
	}
	if (telling == 0)
		return;
	while (high - low > high / 4096) {
		double middle = low + (high - low) / 2;
		size_t below = 0;

		for (size_t i = 0; i < count; i++)
			below += is_telling(&nodes[i]) &&
				 nodes[i].mean_bps <= middle;
		if (2 * below >= telling)
			high = middle;
		else
			low = middle;
	}
	law->typical_bps = high;
}

/* Down at once, up slowly and only when it is worth it. */
static void
node_relieve(struct weight_node *node)
{
	double pressure = node->report.pressure, wanted;

	if (!is_ready(node))
		return;
	wanted = pressure < PRESSURE_IGNORED ? 1 : 1 - pressure;
	wanted = MAX_OF(wanted, WEIGHT_RELIEF_MIN);
	if (wanted < node->relief)
		node->relief = wanted;
	else if (wanted >= 1 || wanted > node->relief + PRESSURE_HYSTERESIS)
		node->relief = MIN_OF(wanted, node->relief + PRESSURE_RECOVERY);
}

/*
 * A fresh node begins with what it already has of its part of all sessions.
 * Where there are none, nobody need be slow.  The part of those that were fresh
 * before is less from now on, so that they have more of it: as much more, if
 * they do have the sessions, that their weight stays.
 */
static void
nodes_measure(
    const struct weight_law *law, struct weight_node *nodes, size_t count)
{
	double sessions = 0, weights = 0, before = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_ready(&nodes[i]))
			continue;
		sessions += (double)nodes[i].report.sessions;
		weights += node_full(law, &nodes[i]);
		before += nodes[i].unmeasured ? 0 : node_full(law, &nodes[i]);
	}
	for (size_t i = 0; before < weights && i < count; i++) {
		struct weight_node *node = &nodes[i];
		double part = 1, most = 1;

		if (!is_ready(node))
			continue;
		if (sessions > 0)
			part = (double)node->report.sessions * weights /
			       (sessions * node_full(law, node));
		if (!node->unmeasured)
			most = MIN_OF(node->started * weights / before, 1);
		node->started = clamp(part, node->started, most);
	}
}

/*
 * Linear over the length of a session would be twice the fair share at its end,
 * when the sessions that came first end and are replaced: hence this curve,
 * along which a node gets 1.05 times its part from beginning to end.
 */
static void
node_start(
    const struct weight_law *law, struct weight_node *node, uint64_t elapsed_us)
{
	if (elapsed_us >= law->session_us)
		node->started = 1;
	else
		node->started += (SLOW_START_AIM - node->started) *
				 (double)elapsed_us / (double)law->session_us;
	node->started = MIN_OF(node->started, 1);
}

/*
 * While a node has little, the others have more than their part, and it would
 * get as much more: what its weight must be less for that.
 */
static double
slowness(
    const struct weight_law *law, const struct weight_node *nodes, size_t count)
{
	double all = 0, fresh = 0, started = 0;

	for (size_t i = 0; i < count; i++) {
		double full = node_full(law, &nodes[i]);

		if (!is_ready(&nodes[i]))
			continue;
		all += full;
		if (nodes[i].started >= 1)
			continue;
		fresh += full;
		started += full * nodes[i].started;
	}
	return fresh < all ? (all - fresh) / (all - started) : 1;
}

struct weight_parts
weight_parts(const struct weight_law *law, const struct weight_node *node)
{
	struct weight_parts parts = {
		.full = node_full(law, node),
		.started = 1,
		.correction = 1,
		.relief = 1,
		.silent_rounds = node->silent_rounds,
	};

	if (node->started < 1)
		parts.started =
		    MAX_OF(node->started * law->slowness, WEIGHT_SLOW_START);
	if (is_ready(node)) {
		parts.relief = node->relief;
		if (node->mean_bps > 0)
			parts.correction =
			    clamp(law->typical_bps / node->mean_bps,
				WEIGHT_CORRECTION_MIN, WEIGHT_CORRECTION_MAX);
	}
	parts.target =
	    parts.full * parts.started * parts.correction * parts.relief;
	return parts;
}

static uint32_t
whole(double weight)
{
	return (uint32_t)lround(clamp(weight, 1, WEIGHT_MAX));
}

/* FREE: as far as it likes. */
static uint32_t
node_move(
    const struct weight_law *law, const struct weight_node *node, bool is_free)
{
	double target = weight_parts(law, node).target, now = node->weight;
	double full = node_full(law, node);
	double step = WEIGHT_STEP * MAX_OF(full, now);
	double band = node->started < 1 ? full / SLOW_START_STEPS
					: now * WEIGHT_DEAD_BAND;

	if (fabs(target - now) < band)
		return node->weight;
	if (!is_free)
		target = clamp(target, now - step, now + step);
	return whole(target);
}

static bool
keeps(const struct weight_law *law, const struct weight_node *node)
{
	if (is_ready(node))
		return false;
	return node->word == WEIGHT_DRAIN || node->word == WEIGHT_DOWN ||
	       node->silent_rounds <= WEIGHT_PATIENCE_ROUNDS ||
	       node_full(law, node) <= 0;
}

static void
node_decide(
    const struct weight_law *law, struct weight_node *node, bool is_free)
{
	enum weight_answer answer = node->report.answer;
	bool is_out = answer == WEIGHT_DRAIN || answer == WEIGHT_DOWN;

	if (node->held || (!is_out && keeps(law, node)))
		node->next = node->weight;
	else if (is_out)
		node->next = 0;
	else
		node->next = node_move(law, node, is_free || node->unmeasured);
	if (is_ready(node))
		node->unmeasured = false;
}

/* Those who kept a weight of another unit keep what it meant. */
static void
nodes_convert(
    const struct weight_law *law, struct weight_node *nodes, size_t count)
{
	double before = 0, after = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_ready(&nodes[i]) || nodes[i].weight == 0)
			continue;
		before += nodes[i].weight;
		after += nodes[i].next;
	}
	if (before <= 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (nodes[i].weight != 0 && keeps(law, &nodes[i]) &&
		    nodes[i].next != 0 && !nodes[i].held)
			nodes[i].next = whole(nodes[i].weight * after / before);
	}
}

/* A node that is down may not be; without any there is certainly nothing. */
static void
nodes_keep_one(
    const struct weight_law *law, struct weight_node *nodes, size_t count)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (nodes[i].next != 0)
			return;
		any = any || nodes[i].weight != 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (!nodes[i].held)
			nodes[i].next = any ? nodes[i].weight
					    : whole(node_full(law, &nodes[i]));
	}
}

static enum weight_cause
node_cause(const struct weight_node *node)
{
	switch (node->report.answer) {
	case WEIGHT_DRAIN:
		return node->next == 0 ? WEIGHT_BY_DRAIN : WEIGHT_BY_NEED;
	case WEIGHT_DOWN:
		return node->next == 0 ? WEIGHT_BY_DOWN : WEIGHT_BY_NEED;
	case WEIGHT_SILENT:
		return WEIGHT_BY_SILENCE;
	case WEIGHT_READY:
		break;
	}
	if (node->started < 1)
		return WEIGHT_BY_SLOW_START;
	return node->relief < 1 ? WEIGHT_BY_PRESSURE : WEIGHT_BY_LOAD;
}

static size_t
nodes_commit(struct weight_node *nodes, size_t count)
{
	size_t changed = 0;

	for (size_t i = 0; i < count; i++) {
		if (nodes[i].next == nodes[i].weight)
			continue;
		nodes[i].cause = node_cause(&nodes[i]);
		nodes[i].weight = nodes[i].next;
		changed++;
	}
	return changed;
}

/* Whichever way a clock jumps, no more than two rounds went by. */
static uint64_t
time_pass(struct weight_law *law, uint64_t now_us)
{
	uint64_t elapsed_us = now_us - law->last_us;

	law->last_us = now_us;
	return MIN_OF(elapsed_us, 2 * law->interval_us);
}

size_t
weight_round(struct weight_law *law, struct weight_node *nodes, size_t count,
    uint64_t now_us)
{
	uint64_t elapsed_us = time_pass(law, now_us);
	bool is_free;

	for (size_t i = 0; i < count; i++)
		node_hear(&nodes[i]);
	is_free = reference_set(law, nodes, count);
	for (size_t i = 0; i < count; i++)
		node_smooth(law, &nodes[i]);
	typical_set(law, nodes, count);
	nodes_measure(law, nodes, count);
	for (size_t i = 0; i < count; i++) {
		node_start(law, &nodes[i], elapsed_us);
		node_relieve(&nodes[i]);
	}
	law->slowness = slowness(law, nodes, count);
	for (size_t i = 0; i < count; i++)
		node_decide(law, &nodes[i], is_free);
	if (is_free)
		nodes_convert(law, nodes, count);
	nodes_keep_one(law, nodes, count);
	return nodes_commit(nodes, count);
}
