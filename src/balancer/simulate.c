/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * simulate - viewers, nodes, the kernel's schedulers and the balancer's rounds
 * as events in time.  What the law does is weight's; here is only the world
 * around it, as badly behaved as the real one.
 */
#include "balancer/simulate.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/base.h"

/* A closed connection is inactive so long (IPVS, tcpfin). */
#define INACTIVE_US (120 * US_PER_SECOND)
/* As ip_vs_dest_conn_overhead(). */
#define ACTIVE_OVERHEAD 256
/* What operators write for static weights. */
#define STATIC_FULL 100.0

/* The end of a session, or (0 bps) of a connection that is inactive. */
struct end {
	uint64_t at_us;
	uint32_t slot, bps; /* slot: of the node in its director's view */
};

struct simulate {
	struct simulate_setup setup;
	struct simulate_node *nodes;
	struct weight_node *law_nodes;
	struct weight_law law;
	double largest_bps;

	/* the kernel's view: one after the other in memory */
	uint64_t *overhead; /* of each director's nodes, in slots */
	size_t view; /* the slot at which the present director's begin */
	uint32_t *weight;
	size_t last; /* rr, wrr */
	uint32_t wrr_current, wrr_divisor, wrr_max;

	struct end *ends; /* a heap */
	size_t end_count, end_room;
	uint64_t random;
	uint64_t now_us, arrival_us, ask_us, apply_us, second_us;
	double arrivals_a_us;

	/* measured */
	uint64_t arrivals, refusals, writes, since_us, seconds;
	double peak_sum, spread_sum, idlest_beside_full;
};

/* --- chance --------------------------------------------------------------- */

/* 0 < x < 1; xorshift64* */
static double
chance(struct simulate *simulate)
{
	uint64_t x = simulate->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	simulate->random = x;
	x *= UINT64_C(2685821657736338717);
	return ((double)(x >> 12) + 0.5) / (double)(UINT64_C(1) << 52);
}

static uint64_t
chance_up_to(struct simulate *simulate, uint64_t most)
{
	return (uint64_t)(chance(simulate) * (double)most);
}

/* --- what ends, in the order of time -------------------------------------- */

static int
ends_push(struct simulate *simulate, struct end end)
{
	struct end *ends = simulate->ends;
	size_t at = simulate->end_count;

	if (at == simulate->end_room) {
		size_t room = MAX_OF(2 * at, 1024);

		ends = reallocarray(ends, room, sizeof(*ends));
		if (ends == NULL)
			return -ENOMEM;
		simulate->ends = ends;
		simulate->end_room = room;
	}
	simulate->end_count++;
	for (; at > 0 && ends[(at - 1) / 2].at_us > end.at_us;
	     at = (at - 1) / 2)
		ends[at] = ends[(at - 1) / 2];
	ends[at] = end;
	return 0;
}

static struct end
ends_pop(struct simulate *simulate)
{
	struct end *ends = simulate->ends, first = ends[0];
	size_t count = --simulate->end_count, at = 0, child;
	struct end moved = ends[count];

	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count &&
		    ends[child + 1].at_us < ends[child].at_us)
			child++;
		if (moved.at_us <= ends[child].at_us)
			break;
		ends[at] = ends[child];
		at = child;
	}
	ends[at] = moved;
	return first;
}

static void
tell(const struct simulate *simulate, enum simulate_event event, size_t node,
    uint32_t value)
{
	if (simulate->setup.trace != NULL)
		simulate->setup.trace(simulate->setup.user, event, node, value);
}

static void
weight_set(struct simulate *simulate, size_t node, uint32_t weight)
{
	if (simulate->weight[node] == weight)
		return;
	simulate->weight[node] = weight;
	tell(simulate, SIMULATE_WEIGHT, node, weight);
}

/* --- the kernel's schedulers ---------------------------------------------- */

/* Each returns a node, or the number of nodes if all are at weight 0. */
typedef size_t pick(struct simulate *simulate, uint32_t bps);

static size_t
pick_rr(struct simulate *simulate, uint32_t bps)
{
	size_t count = simulate->setup.nodes;

	(void)bps;
	for (size_t i = 1; i <= count; i++) {
		size_t at = (simulate->last + i) % count;

		if (simulate->weight[at] > 0)
			return simulate->last = at;
	}
	return count;
}

static size_t
pick_lc(struct simulate *simulate, uint32_t bps)
{
	const uint64_t *overhead = simulate->overhead + simulate->view;
	size_t count = simulate->setup.nodes, least = count;

	(void)bps;
	for (size_t i = 0; i < count; i++) {
		if (simulate->weight[i] > 0 &&
		    (least == count || overhead[i] < overhead[least]))
			least = i;
	}
	return least;
}

static size_t
pick_wlc(struct simulate *simulate, uint32_t bps)
{
	const uint64_t *overhead = simulate->overhead + simulate->view;
	const uint32_t *weight = simulate->weight;
	size_t count = simulate->setup.nodes, least = 0;

	(void)bps;
	while (least < count && weight[least] == 0)
		least++;
	for (size_t i = least + 1; i < count; i++) {
		if (overhead[least] * weight[i] > overhead[i] * weight[least])
			least = i;
	}
	return least;
}

/* When weights change, as ip_vs_wrr_dest_changed(). */
static void
wrr_changed(struct simulate *simulate)
{
	uint32_t divisor = 0, max = 0;

	for (size_t i = 0; i < simulate->setup.nodes; i++) {
		uint32_t a = simulate->weight[i], b = divisor;

		max = MAX_OF(max, a);
		while (b != 0) {
			uint32_t rest = a % b;

			a = b;
			b = rest;
		}
		divisor = a;
	}
	simulate->wrr_divisor = MAX_OF(divisor, 1);
	simulate->wrr_max = max == 0 ? 0 : max - (simulate->wrr_divisor - 1);
	if (simulate->wrr_current > simulate->wrr_max ||
	    simulate->wrr_current == 0)
		simulate->wrr_current = simulate->wrr_max;
	else if (simulate->wrr_divisor > 1)
		simulate->wrr_current = simulate->wrr_current /
					    simulate->wrr_divisor *
					    simulate->wrr_divisor +
					1;
}

static size_t
pick_wrr(struct simulate *simulate, uint32_t bps)
{
	size_t count = simulate->setup.nodes, at = simulate->last;

	(void)bps;
	if (simulate->wrr_max == 0)
		return count;
	for (;;) {
		if (++at >= count) {
			at = 0;
			simulate->wrr_current =
			    simulate->wrr_current > simulate->wrr_divisor
				? simulate->wrr_current - simulate->wrr_divisor
				: simulate->wrr_max;
		}
		if (simulate->weight[at] >= simulate->wrr_current &&
		    simulate->weight[at] > 0)
			return simulate->last = at;
	}
}

static double
utilisation_with(const struct simulate_node *node, uint32_t bps)
{
	return (double)(node->committed_bps + bps) / (double)node->capacity_bps;
}

/* With BPS more; multiplied, for divisions are dear. */
static bool
is_less_used(
    const struct simulate_node *a, const struct simulate_node *b, uint32_t bps)
{
	return (double)(a->committed_bps + bps) * (double)b->capacity_bps <
	       (double)(b->committed_bps + bps) * (double)a->capacity_bps;
}

static size_t
pick_oracle(struct simulate *simulate, uint32_t bps)
{
	const struct simulate_node *nodes = simulate->nodes;
	size_t least = 0;

	for (size_t i = 1; i < simulate->setup.nodes; i++) {
		if (is_less_used(&nodes[i], &nodes[least], bps))
			least = i;
	}
	return least;
}

/* --- the balancer --------------------------------------------------------- */

/* Sets weights by the nodes' reports; returns how many. */
typedef size_t feedback(struct simulate *simulate);

static size_t
feed_law(struct simulate *simulate)
{
	size_t count = simulate->setup.nodes, changed;

	for (size_t i = 0; i < count; i++)
		simulate->law_nodes[i].report = simulate->nodes[i].report;
	changed = weight_round(
	    &simulate->law, simulate->law_nodes, count, simulate->now_us);
	for (size_t i = 0; i < count; i++)
		weight_set(simulate, i, simulate->law_nodes[i].weight);
	return changed;
}

static uint32_t
static_weight(const struct simulate *simulate, uint64_t capacity_bps)
{
	double weight =
	    STATIC_FULL * (double)capacity_bps / simulate->largest_bps;

	return (uint32_t)MAX_OF(lround(weight), 1);
}

static size_t
feed_idle(struct simulate *simulate)
{
	size_t changed = 0;

	for (size_t i = 0; i < simulate->setup.nodes; i++) {
		const struct weight_report *report = &simulate->nodes[i].report;
		uint64_t busy_bps =
		    MIN_OF(report->committed_bps, report->capacity_bps);
		uint32_t weight =
		    static_weight(simulate, report->capacity_bps - busy_bps);

		changed += weight != simulate->weight[i];
		weight_set(simulate, i, weight);
	}
	wrr_changed(simulate);
	return changed;
}

/* clang-format off */
static const struct policy {
	const char *name;
	pick *pick;
	feedback *feed; /* NULL: weights stay */
} policies[SIMULATE_POLICY_COUNT] = {
	[SIMULATE_RR]       = { "rr",             pick_rr,     NULL },
	[SIMULATE_LC]       = { "lc",             pick_lc,     NULL },
	[SIMULATE_WLC]      = { "wlc, static",    pick_wlc,    NULL },
	[SIMULATE_WLC_IDLE] = { "wlc, idle %",    pick_wlc,    feed_idle },
	[SIMULATE_WRR_IDLE] = { "wrr, idle %",    pick_wrr,    feed_idle },
	[SIMULATE_LAW]      = { "wlc, vodbalance", pick_wlc,   feed_law },
	[SIMULATE_ORACLE]   = { "oracle",         pick_oracle, NULL },
};
/* clang-format on */

const char *
simulate_policy_name(enum simulate_policy policy)
{
	assert(policy < SIMULATE_POLICY_COUNT);
	return policies[policy].name;
}

static void
node_report(struct simulate_node *node)
{
	node->report = (struct weight_report){
		.answer = WEIGHT_READY,
		.capacity_bps = node->capacity_bps,
		.committed_bps = node->committed_bps,
		.sessions = node->sessions,
	};
	if (node->twist != NULL)
		node->twist(&node->report, node->user);
}

static void
ask(struct simulate *simulate)
{
	const struct simulate_setup *setup = &simulate->setup;

	for (size_t i = 0; i < setup->nodes; i++) {
		if (simulate->nodes[i].report.capacity_bps == 0 ||
		    chance(simulate) >= setup->stale)
			node_report(&simulate->nodes[i]);
	}
	simulate->apply_us =
	    simulate->ask_us + chance_up_to(simulate, setup->delay_us);
}

static void
apply(struct simulate *simulate)
{
	const struct simulate_setup *setup = &simulate->setup;
	feedback *feed = policies[setup->policy].feed;

	if (feed != NULL)
		simulate->writes += feed(simulate);
	simulate->ask_us = simulate->now_us + setup->interval_us +
			   chance_up_to(simulate, 2 * setup->jitter_us) -
			   setup->jitter_us;
	simulate->apply_us = UINT64_MAX;
}

/* --- viewers -------------------------------------------------------------- */

static double
idlest(const struct simulate *simulate)
{
	double least = 1;

	for (size_t i = 0; i < simulate->setup.nodes; i++)
		least = MIN_OF(least, utilisation_with(&simulate->nodes[i], 0));
	return least;
}

static int
refuse(struct simulate *simulate, size_t which)
{
	simulate->refusals++;
	simulate->nodes[which].refusals++;
	simulate->overhead[simulate->view + which]++;
	return ends_push(simulate, (struct end){ simulate->now_us + INACTIVE_US,
				       (uint32_t)(simulate->view + which), 0 });
}

/* Routers spread connections evenly; each director counts its own. */
static void
choose_director(struct simulate *simulate)
{
	const struct simulate_setup *setup = &simulate->setup;

	if (setup->directors > 1)
		simulate->view =
		    chance_up_to(simulate, setup->directors) * setup->nodes;
}

static int
arrive(struct simulate *simulate)
{
	const struct simulate_setup *setup = &simulate->setup;
	const struct simulate_title *title =
	    &setup->titles[chance_up_to(simulate, setup->title_count)];
	uint64_t length_us =
	    title->mean_us / 2 + chance_up_to(simulate, title->mean_us);
	struct simulate_node *node;
	size_t which;

	choose_director(simulate);
	which = policies[setup->policy].pick(simulate, title->bps);
	assert(which < setup->nodes); /* never all at 0 */
	node = &simulate->nodes[which];
	simulate->arrival_us +=
	    (uint64_t)(-log(chance(simulate)) / simulate->arrivals_a_us);
	simulate->arrivals++;
	node->arrivals++;
	tell(simulate, SIMULATE_ARRIVAL, which, title->bps);
	if (utilisation_with(node, title->bps) > 1) {
		simulate->idlest_beside_full =
		    MIN_OF(simulate->idlest_beside_full, idlest(simulate));
		if (!setup->admits_all)
			return refuse(simulate, which);
	}
	node->committed_bps += title->bps;
	node->sessions++;
	simulate->overhead[simulate->view + which] += ACTIVE_OVERHEAD;
	return ends_push(
	    simulate, (struct end){ simulate->now_us + length_us,
			  (uint32_t)(simulate->view + which), title->bps });
}

static int
leave(struct simulate *simulate)
{
	struct end end = ends_pop(simulate);
	size_t which = end.slot % simulate->setup.nodes;
	struct simulate_node *node = &simulate->nodes[which];

	if (end.bps == 0) {
		simulate->overhead[end.slot]--;
		return 0;
	}
	tell(simulate, SIMULATE_END, which, end.bps);
	node->committed_bps -= end.bps;
	node->sessions--;
	simulate->overhead[end.slot] -= ACTIVE_OVERHEAD - 1;
	return ends_push(simulate,
	    (struct end){ simulate->now_us + INACTIVE_US, end.slot, 0 });
}

/* --- the run -------------------------------------------------------------- */

static void
look(struct simulate *simulate)
{
	double most = 0, least = INFINITY;

	for (size_t i = 0; i < simulate->setup.nodes; i++) {
		struct simulate_node *node = &simulate->nodes[i];
		double utilisation = utilisation_with(node, 0);

		node->utilisation_sum += utilisation;
		most = MAX_OF(most, utilisation);
		least = MIN_OF(least, utilisation);
	}
	simulate->peak_sum += most;
	simulate->spread_sum += most - least;
	simulate->seconds++;
	simulate->second_us += US_PER_SECOND;
}

int
simulate_run(struct simulate *simulate, uint64_t duration_us)
{
	uint64_t until_us = simulate->now_us + duration_us;

	for (;;) {
		uint64_t end_us = simulate->end_count > 0
				      ? simulate->ends[0].at_us
				      : UINT64_MAX;
		uint64_t next_us = MIN_OF(simulate->arrival_us, end_us);
		int error = 0;

		next_us = MIN_OF(next_us, simulate->ask_us);
		next_us = MIN_OF(next_us, simulate->apply_us);
		next_us = MIN_OF(next_us, simulate->second_us);
		if (next_us > until_us)
			break;
		simulate->now_us = next_us;
		if (next_us == end_us)
			error = leave(simulate);
		else if (next_us == simulate->arrival_us)
			error = arrive(simulate);
		else if (next_us == simulate->second_us)
			look(simulate);
		else if (next_us == simulate->apply_us)
			apply(simulate);
		else {
			ask(simulate);
			simulate->ask_us = UINT64_MAX;
		}
		if (error != 0)
			return error;
	}
	simulate->now_us = until_us;
	return 0;
}

void
simulate_measure(struct simulate *simulate)
{
	for (size_t i = 0; i < simulate->setup.nodes; i++) {
		simulate->nodes[i].arrivals = 0;
		simulate->nodes[i].refusals = 0;
		simulate->nodes[i].utilisation_sum = 0;
	}
	simulate->arrivals = simulate->refusals = simulate->writes = 0;
	simulate->seconds = 0;
	simulate->since_us = simulate->now_us;
	simulate->peak_sum = simulate->spread_sum = 0;
	simulate->idlest_beside_full = 1;
}

struct simulate_result
simulate_result(const struct simulate *simulate)
{
	double seconds = (double)MAX_OF(simulate->seconds, 1);
	double minutes = (double)(simulate->now_us - simulate->since_us) /
			 (60.0 * (double)US_PER_SECOND);
	struct simulate_result result = {
		.peak = simulate->peak_sum / seconds,
		.spread = simulate->spread_sum / seconds,
		.writes_a_minute =
		    minutes > 0 ? (double)simulate->writes / minutes : 0,
		.arrivals = simulate->arrivals,
		.refusals = simulate->refusals,
		.idlest_beside_full = simulate->idlest_beside_full,
	};

	for (size_t i = 0; i < simulate->setup.nodes; i++)
		result.busiest = MAX_OF(result.busiest,
		    simulate->nodes[i].utilisation_sum / seconds);
	return result;
}

/* --- its making ----------------------------------------------------------- */

static void
begin_time(struct simulate *simulate)
{
	const struct simulate_setup *setup = &simulate->setup;
	double capacity_bps = 0, bits_us = 0, length_us = 0;

	for (size_t i = 0; i < setup->nodes; i++)
		capacity_bps += (double)setup->capacities_bps[i];
	for (size_t i = 0; i < setup->title_count; i++) {
		bits_us += (double)setup->titles[i].bps *
			   (double)setup->titles[i].mean_us;
		length_us += (double)setup->titles[i].mean_us;
	}
	bits_us /= (double)setup->title_count;
	simulate->arrivals_a_us = setup->load * capacity_bps / bits_us;
	simulate->law.interval_us = setup->interval_us;
	simulate->law.session_us =
	    (uint64_t)(length_us / (double)setup->title_count);
	simulate->ask_us = setup->interval_us;
	simulate->apply_us = UINT64_MAX;
	simulate->second_us = US_PER_SECOND;
}

static void
begin_nodes(struct simulate *simulate)
{
	const uint64_t *capacities_bps = simulate->setup.capacities_bps;
	size_t count = simulate->setup.nodes;

	for (size_t i = 0; i < count; i++)
		simulate->largest_bps =
		    MAX_OF(simulate->largest_bps, (double)capacities_bps[i]);
	for (size_t i = 0; i < count; i++) {
		simulate->nodes[i].capacity_bps = capacities_bps[i];
		weight_set(
		    simulate, i, static_weight(simulate, capacities_bps[i]));
		weight_node_begin(&simulate->law_nodes[i], capacities_bps[i],
		    capacities_bps[i], simulate->weight[i], false);
	}
	simulate->last = SIZE_MAX; /* the first is next */
	wrr_changed(simulate);
}

struct simulate *
simulate_new(const struct simulate_setup *setup)
{
	struct simulate *simulate = calloc(1, sizeof(*simulate));
	size_t count = setup->nodes;

	if (simulate == NULL)
		return NULL;
	simulate->setup = *setup;
	simulate->random = setup->seed + UINT64_C(0x9e3779b97f4a7c15);
	simulate->nodes = calloc(count, sizeof(*simulate->nodes));
	simulate->law_nodes = calloc(count, sizeof(*simulate->law_nodes));
	simulate->overhead = calloc(
	    count * MAX_OF(setup->directors, 1u), sizeof(*simulate->overhead));
	simulate->weight = calloc(count, sizeof(*simulate->weight));
	if (simulate->nodes == NULL || simulate->law_nodes == NULL ||
	    simulate->overhead == NULL || simulate->weight == NULL) {
		simulate_free(simulate);
		return NULL;
	}
	begin_time(simulate);
	begin_nodes(simulate);
	simulate->setup.capacities_bps = NULL; /* borrowed no longer */
	simulate_measure(simulate);
	return simulate;
}

void
simulate_free(struct simulate *simulate)
{
	if (simulate == NULL)
		return;
	free(simulate->nodes);
	free(simulate->law_nodes);
	free(simulate->overhead);
	free(simulate->weight);
	free(simulate->ends);
	free(simulate);
}

struct simulate_node *
simulate_nodes(struct simulate *simulate)
{
	return simulate->nodes;
}

struct weight_node *
simulate_weights(struct simulate *simulate)
{
	return simulate->law_nodes;
}
