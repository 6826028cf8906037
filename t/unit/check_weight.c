/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_weight - rules of the law: first with loads that are made up, then in
 * a simulated cluster of four nodes.
 */
#include "balancer/weight.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "balancer/simulate.h"
#include "base/base.h"

#define NODES 4
#define GBIT UINT64_C(1000000000)
#define INTERVAL_US US_PER_SECOND
#define MINUTE_US (60 * US_PER_SECOND)
#define SESSION_US (10 * MINUTE_US)
/* Nothing moves any more after so many rounds with the same loads. */
#define SETTLED 200

/* --- made-up loads -------------------------------------------------------- */

static struct weight_law law;
static struct weight_node nodes[NODES];
static uint64_t now_us;

static struct weight_report
ready(uint64_t capacity_bps, uint64_t sessions, uint64_t session_bps)
{
	return (struct weight_report){
		.answer = WEIGHT_READY,
		.capacity_bps = capacity_bps,
		.committed_bps = sessions * session_bps,
		.sessions = sessions,
	};
}

static void
begin(void)
{
	law = (struct weight_law){
		.interval_us = INTERVAL_US,
		.session_us = SESSION_US,
	};
	now_us = 1000 * US_PER_SECOND;
	for (size_t i = 0; i < NODES; i++) {
		weight_node_begin(&nodes[i], 0, 0, 1, false);
		nodes[i].report = ready(GBIT, 500, 1000000);
	}
}

/* Begins it again; what it says stays. */
static void
again(size_t i, uint64_t configured_bps, uint32_t weight, bool fresh)
{
	struct weight_report report = nodes[i].report;

	weight_node_begin(&nodes[i], configured_bps, 0, weight, fresh);
	nodes[i].report = report;
}

/* Returns how many weights changed. */
static size_t
rounds(size_t count)
{
	size_t changed = 0;

	for (size_t i = 0; i < count; i++) {
		struct weight_report reports[NODES];

		for (size_t k = 0; k < NODES; k++)
			reports[k] = nodes[k].report;
		now_us += INTERVAL_US;
		changed += weight_round(&law, nodes, NODES, now_us);
		for (size_t k = 0; k < NODES; k++)
			nodes[k].report = reports[k];
	}
	return changed;
}

static void
all_say(enum weight_answer answer)
{
	for (size_t i = 0; i < NODES; i++)
		nodes[i].report.answer = answer;
}

static bool
is_about(uint32_t weight, double expected)
{
	return fabs(weight - expected) <=
	       MAX_OF(expected, weight) * WEIGHT_DEAD_BAND + 1;
}

START_TEST(weights_go_by_capacity)
{
	nodes[2].report.capacity_bps = 2 * GBIT;
	nodes[3].report.capacity_bps = GBIT / 10;
	rounds(1);

	ck_assert_uint_eq(nodes[0].weight, WEIGHT_FULL / 2);
	ck_assert_uint_eq(nodes[1].weight, WEIGHT_FULL / 2);
	ck_assert_uint_eq(nodes[2].weight, WEIGHT_FULL);
	ck_assert_uint_eq(nodes[3].weight, WEIGHT_FULL / 20);
}
END_TEST

START_TEST(weights_go_against_the_bit_rate_of_sessions)
{
	nodes[3].report.committed_bps *= 2;
	rounds(SETTLED);

	ck_assert_uint_eq(nodes[0].weight, WEIGHT_FULL);
	ck_assert(is_about(nodes[3].weight, WEIGHT_FULL / 2.0));
	ck_assert_int_eq(nodes[3].cause, WEIGHT_BY_LOAD);
}
END_TEST

START_TEST(a_few_sessions_say_little)
{
	nodes[3].report = ready(GBIT, 1, 100000000);
	rounds(SETTLED);
	/* 1 of 100 Mbit/s, 8 of 1 Mbit/s: 12 */
	ck_assert(is_about(nodes[3].weight,
	    MAX_OF(WEIGHT_FULL / 12.0, WEIGHT_FULL * WEIGHT_CORRECTION_MIN)));

	nodes[3].report = ready(GBIT, 0, 0);
	rounds(SETTLED);
	ck_assert(is_about(nodes[3].weight, WEIGHT_FULL));
}
END_TEST

START_TEST(a_constant_load_changes_nothing)
{
	for (size_t i = 0; i < NODES; i++)
		nodes[i].report =
		    ready(GBIT * (i + 1), 300 + 70 * i, 900000 + 110000 * i);
	rounds(SETTLED);

	ck_assert_uint_eq(rounds(10000), 0);
}
END_TEST

START_TEST(what_all_titles_do_changes_nothing)
{
	rounds(SETTLED);
	for (size_t i = 0; i < NODES; i++)
		nodes[i].report.committed_bps =
		    nodes[i].report.sessions * 1900000;

	ck_assert_uint_eq(rounds(SETTLED), 0);
}
END_TEST

START_TEST(small_changes_are_none_and_large_ones_take_steps)
{
	rounds(SETTLED);
	nodes[0].report.committed_bps += nodes[0].report.committed_bps / 40;
	ck_assert_uint_eq(rounds(SETTLED), 0);

	nodes[0].report.capacity_bps /= 10;
	ck_assert_uint_eq(rounds(1), 1);
	ck_assert_uint_eq(
	    nodes[0].weight, (uint32_t)(WEIGHT_FULL * (1 - WEIGHT_STEP)));
}
END_TEST

START_TEST(a_step_of_capacity_is_followed_within_ten_rounds)
{
	/* as parts of 8: steps down, then up */
	static const uint64_t steps[] = { 8, 4, 2, 1, 8, 2, 12, 32, 8, 1 };

	rounds(SETTLED);
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
		nodes[1].report.capacity_bps = GBIT / 8 * steps[i];
		rounds(10);
		ck_assert_msg(is_about(nodes[1].weight,
				  WEIGHT_FULL / 8.0 * (double)steps[i]),
		    "step %zu: %u", i, nodes[1].weight);
		ck_assert_uint_eq(rounds(SETTLED), 0);
	}
	ck_assert_uint_eq(nodes[0].weight, WEIGHT_FULL);
}
END_TEST

START_TEST(another_unit_keeps_proportions)
{
	rounds(SETTLED);
	nodes[0].report.answer = WEIGHT_SILENT;
	nodes[1].report.capacity_bps = 100 * GBIT;
	rounds(1);

	ck_assert_uint_eq(nodes[1].weight, WEIGHT_FULL);
	ck_assert_uint_eq(nodes[2].weight, WEIGHT_FULL / 100);
	ck_assert_uint_le(nodes[0].weight, WEIGHT_FULL);
	ck_assert_uint_gt(nodes[0].weight, 0);
	rounds(SETTLED);
	ck_assert(is_about(nodes[0].weight, WEIGHT_FULL / 100.0));
}
END_TEST

/* --- fail static ---------------------------------------------------------- */

START_TEST(a_silent_node_keeps_its_weight_then_gets_the_configured)
{
	again(0, GBIT, 1, false);
	nodes[0].report.capacity_bps = GBIT / 2;
	rounds(SETTLED);
	ck_assert_uint_eq(nodes[0].weight, WEIGHT_FULL / 2);

	nodes[0].report.answer = WEIGHT_SILENT;
	ck_assert_uint_eq(rounds(WEIGHT_PATIENCE_ROUNDS), 0);
	rounds(10);
	ck_assert(is_about(nodes[0].weight, WEIGHT_FULL));
	ck_assert_int_eq(nodes[0].cause, WEIGHT_BY_SILENCE);
	ck_assert_uint_eq(rounds(SETTLED), 0);

	nodes[0].report.answer = WEIGHT_READY;
	rounds(10);
	ck_assert(is_about(nodes[0].weight, WEIGHT_FULL / 2.0));
}
END_TEST

START_TEST(when_nobody_answers_nothing_changes)
{
	rounds(SETTLED);
	all_say(WEIGHT_SILENT);
	ck_assert_uint_eq(rounds(SETTLED), 0);
}
END_TEST

START_TEST(when_nobody_ever_answered_nothing_changes)
{
	static const uint32_t found[NODES] = { 7, 0, 1, 300 };

	all_say(WEIGHT_SILENT);
	for (size_t i = 0; i < NODES; i++)
		again(i, 0, found[i], false);
	ck_assert_uint_eq(rounds(SETTLED), 0);
	for (size_t i = 0; i < NODES; i++)
		ck_assert_uint_eq(nodes[i].weight, found[i]);
}
END_TEST

START_TEST(a_takeover_keeps_what_the_silent_had)
{
	/* keepalived's weights; two agents do not answer */
	static const uint32_t found[NODES] = { 10, 10, 5, 20 };

	for (size_t i = 0; i < NODES; i++)
		again(i, 0, found[i], false);
	nodes[2].report.answer = nodes[3].report.answer = WEIGHT_SILENT;
	rounds(1);

	ck_assert_uint_eq(nodes[0].weight, WEIGHT_FULL);
	ck_assert_uint_eq(nodes[2].weight, WEIGHT_FULL / 2);
	ck_assert_uint_eq(nodes[3].weight, UINT64_C(2) * WEIGHT_FULL);
}
END_TEST

START_TEST(only_drain_and_down_mean_0_and_at_once)
{
	rounds(SETTLED);
	nodes[0].report.answer = WEIGHT_DRAIN;
	nodes[1].report.answer = WEIGHT_DOWN;
	ck_assert_uint_eq(rounds(1), 2);
	ck_assert_uint_eq(nodes[0].weight, 0);
	ck_assert_int_eq(nodes[0].cause, WEIGHT_BY_DRAIN);
	ck_assert_uint_eq(nodes[1].weight, 0);
	ck_assert_int_eq(nodes[1].cause, WEIGHT_BY_DOWN);

	/* the last word stands */
	nodes[0].report.answer = nodes[1].report.answer = WEIGHT_SILENT;
	ck_assert_uint_eq(rounds(SETTLED), 0);

	/* whatever else is the matter */
	nodes[2].report.pressure = 1;
	nodes[2].report.capacity_bps = 1;
	nodes[2].report.committed_bps = 50;
	nodes[3].report.committed_bps = 90 * GBIT;
	rounds(SETTLED);
	ck_assert_uint_ge(nodes[2].weight, 1);
	ck_assert_uint_ge(nodes[3].weight, 1);
}
END_TEST

START_TEST(never_all_at_0)
{
	rounds(SETTLED);
	nodes[0].report.answer = WEIGHT_DRAIN;
	rounds(1);
	for (size_t i = 1; i < NODES; i++)
		nodes[i].report.answer = WEIGHT_DOWN;
	ck_assert_uint_eq(rounds(SETTLED), 0);
	ck_assert_uint_eq(nodes[1].weight, WEIGHT_FULL);

	/* one comes back: the others may go */
	nodes[0].report.answer = WEIGHT_READY;
	rounds(1);
	ck_assert_uint_gt(nodes[0].weight, 0);
	for (size_t i = 1; i < NODES; i++)
		ck_assert_uint_eq(nodes[i].weight, 0);
}
END_TEST

START_TEST(found_all_at_0_they_are_not_left_so)
{
	for (size_t i = 0; i < NODES; i++)
		weight_node_begin(&nodes[i], 0, GBIT, 0, false);
	all_say(WEIGHT_DOWN);
	rounds(1);
	for (size_t i = 0; i < NODES; i++)
		ck_assert_uint_eq(nodes[i].weight, WEIGHT_FULL);
	ck_assert_int_eq(nodes[0].cause, WEIGHT_BY_NEED);
	ck_assert_uint_eq(rounds(SETTLED), 0);
}
END_TEST

START_TEST(clock_jumps_are_harmless)
{
	/* clang-format off */
	static const int64_t jumps_us[] = {
		-900 * 1000000LL, 0, 3600LL * 24 * 365 * 1000000, INT64_MIN,
		INT64_MAX, -1, 1,
	};
	/* clang-format on */
	double started;

	rounds(SETTLED);
	again(0, 0, WEIGHT_FULL, true);
	nodes[0].report.sessions = nodes[0].report.committed_bps = 0;
	rounds(1);
	for (size_t i = 0; i < ARRAY_LENGTH(jumps_us); i++) {
		started = nodes[0].started;
		now_us += (uint64_t)jumps_us[i];
		rounds(1);
		ck_assert_double_le(nodes[0].started - started, 0.01);
		for (size_t k = 1; k < NODES; k++)
			ck_assert_uint_eq(nodes[k].weight, WEIGHT_FULL);
	}
}
END_TEST

START_TEST(what_makes_no_sense_is_no_answer)
{
	/* clang-format off */
	static const struct weight_report garbage[] = {
		{ WEIGHT_READY, 0, 0, 0, 0 },
		{ WEIGHT_READY, UINT64_MAX, 0, 0, 0 },
		{ WEIGHT_READY, GBIT, UINT64_MAX, 500, 0 },
		{ WEIGHT_READY, GBIT, 1, 0, 0 },
		{ WEIGHT_READY, GBIT, 0, UINT64_MAX, 0 },
		{ WEIGHT_READY, GBIT, 0, 500, -0.1 },
		{ WEIGHT_READY, GBIT, 0, 500, 1.1 },
		{ WEIGHT_READY, GBIT, 0, 500, NAN },
		{ WEIGHT_READY, GBIT, 0, 500, INFINITY },
		{ (enum weight_answer)77, GBIT, 0, 500, 0 },
	};
	/* clang-format on */

	rounds(SETTLED);
	for (size_t i = 0; i < ARRAY_LENGTH(garbage); i++) {
		nodes[0].report = garbage[i];
		ck_assert_uint_eq(rounds(SETTLED), 0);
	}
}
END_TEST

/* Now and then a word of a size that matters. */
static uint64_t
noise(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) +
		 UINT64_C(1442695040888963407);
	return *state >> (*state >> 58);
}

START_TEST(whatever_is_said_weights_are_sane)
{
	uint64_t state = 1;

	for (size_t i = 0; i < 100000; i++) {
		bool any = false;

		for (size_t k = 0; k < NODES; k++)
			nodes[k].report = (struct weight_report){
				(enum weight_answer)(noise(&state) % 5),
				noise(&state),
				noise(&state),
				noise(&state),
				(double)(noise(&state) % 100) / 99,
			};
		weight_round(&law, nodes, NODES, noise(&state));
		for (size_t k = 0; k < NODES; k++) {
			ck_assert_uint_le(nodes[k].weight, WEIGHT_MAX);
			any = any || nodes[k].weight > 0;
		}
		ck_assert(any);
	}
	ck_assert_uint_eq(weight_round(&law, nodes, 0, 0), 0);
}
END_TEST

/* --- pressure, lies, slow start ------------------------------------------- */

START_TEST(late_packets_take_weight_and_give_it_back_slowly)
{
	rounds(SETTLED);
	nodes[0].report.pressure = 0.5;
	rounds(10);
	ck_assert(is_about(nodes[0].weight, WEIGHT_FULL / 2.0));
	ck_assert_int_eq(nodes[0].cause, WEIGHT_BY_PRESSURE);

	/* what comes and goes does not move it */
	for (size_t i = 0; i < 100; i++) {
		nodes[0].report.pressure = i % 2 ? 0.5 : 0.42;
		ck_assert_uint_eq(rounds(1), 0);
	}
	nodes[0].report.pressure = 0;
	rounds(5);
	ck_assert_uint_lt(nodes[0].weight, UINT64_C(7) * WEIGHT_FULL / 10);
	rounds(SETTLED);
	ck_assert(is_about(nodes[0].weight, WEIGHT_FULL));
	for (size_t i = 1; i < NODES; i++)
		ck_assert_uint_eq(nodes[i].weight, WEIGHT_FULL);
}
END_TEST

START_TEST(a_liar_gains_no_more_than_its_configured_capacity)
{
	/* clang-format off */
	static const struct weight_report lies[] = {
		{ WEIGHT_READY, 50 * GBIT, 0, 0, 0 },
		{ WEIGHT_READY, 50 * GBIT, 0, 500, 0 },
		{ WEIGHT_READY, 50 * GBIT, 1, 100000000, 0 },
		{ WEIGHT_READY, 50 * GBIT, 40 * GBIT, 1, 0 },
	};
	/* clang-format on */

	for (size_t i = 0; i < NODES; i++)
		again(i, GBIT, 1, false);
	for (size_t i = 0; i < ARRAY_LENGTH(lies); i++) {
		nodes[0].report = lies[i];
		rounds(SETTLED);
		ck_assert_uint_le(nodes[0].weight,
		    (uint32_t)(WEIGHT_FULL * WEIGHT_CORRECTION_MAX));
		for (size_t k = 1; k < NODES; k++)
			ck_assert(is_about(nodes[k].weight, WEIGHT_FULL));
	}
}
END_TEST

START_TEST(a_fresh_node_begins_low_and_is_full_in_the_end)
{
	uint32_t before;

	rounds(SETTLED);
	again(0, 0, WEIGHT_FULL, true);
	nodes[0].report.sessions = nodes[0].report.committed_bps = 0;
	rounds(1);
	ck_assert_uint_eq(nodes[0].weight, WEIGHT_FULL / 100);
	ck_assert_int_eq(nodes[0].cause, WEIGHT_BY_SLOW_START);
	for (uint64_t us = 0; us < 3 * SESSION_US; us += INTERVAL_US) {
		before = nodes[0].weight;
		rounds(1);
		ck_assert_uint_ge(nodes[0].weight, before);
		ck_assert_uint_le(nodes[0].weight, before + WEIGHT_FULL / 100);
	}
	rounds(SETTLED);
	ck_assert(is_about(nodes[0].weight, WEIGHT_FULL));
}
END_TEST

START_TEST(a_node_back_with_its_sessions_goes_on_from_there)
{
	rounds(SETTLED);
	nodes[0].report.answer = WEIGHT_DRAIN;
	rounds(60);
	nodes[0].report = ready(GBIT, 250, 1000000);
	rounds(1);
	ck_assert(is_about(nodes[0].weight, WEIGHT_FULL / 2.0));
}
END_TEST

START_TEST(a_cluster_without_viewers_starts_at_once)
{
	for (size_t i = 0; i < NODES; i++) {
		nodes[i].report = ready(GBIT, 0, 0);
		again(i, 0, 1, true);
	}
	rounds(1);
	for (size_t i = 0; i < NODES; i++)
		ck_assert_uint_eq(nodes[i].weight, WEIGHT_FULL);
}
END_TEST

/* --- a cluster ------------------------------------------------------------ */

static const uint64_t even_bps[NODES] = { GBIT, GBIT, GBIT, GBIT };
static const struct simulate_title titles[] = {
	{ 300000, SESSION_US / 2 },
	{ 1000000, SESSION_US },
	{ 4000000, SESSION_US * 3 / 2 },
};

static struct simulate *
cluster(enum simulate_policy policy, const uint64_t *capacities_bps,
    double load, uint64_t seed)
{
	struct simulate *simulate = simulate_new(&(struct simulate_setup){
	    .policy = policy,
	    .capacities_bps = capacities_bps,
	    .nodes = NODES,
	    .titles = titles,
	    .title_count = ARRAY_LENGTH(titles),
	    .load = load,
	    .interval_us = INTERVAL_US,
	    .jitter_us = INTERVAL_US / 10,
	    .delay_us = INTERVAL_US / 2,
	    .stale = 0.05,
	    .admits_all = true,
	    .seed = seed,
	});

	ck_assert_ptr_nonnull(simulate);
	return simulate;
}

static void
run(struct simulate *simulate, uint64_t duration_us)
{
	ck_assert_int_eq(simulate_run(simulate, duration_us), 0);
}

static struct simulate_result
result_of(enum simulate_policy policy, const uint64_t *capacities_bps,
    double load, uint64_t seed)
{
	struct simulate *simulate = cluster(policy, capacities_bps, load, seed);
	struct simulate_result result;

	run(simulate, 3 * SESSION_US);
	simulate_measure(simulate);
	run(simulate, 20 * SESSION_US);
	result = simulate_result(simulate);
	simulate_free(simulate);
	return result;
}

/* Whom the next arrival goes to. */
static size_t
next_node(struct simulate *simulate)
{
	const struct simulate_node *all = simulate_nodes(simulate);

	simulate_measure(simulate);
	while (simulate_result(simulate).arrivals == 0)
		run(simulate, 100);
	for (size_t i = 0; i < NODES; i++) {
		if (all[i].arrivals > 0)
			return i;
	}
	ck_abort_msg("nobody");
	return NODES;
}

/* As ip_vs_rr, _lc, _wlc and _wrr choose: who comes first wins a draw. */
START_TEST(schedulers_are_the_kernels)
{
	static const uint64_t uneven_bps[NODES] = { GBIT, GBIT, 2 * GBIT,
		4 * GBIT };
	/* clang-format off */
	static const struct {
		enum simulate_policy policy;
		size_t order[9];
	} rows[] = {
		{ SIMULATE_RR,       { 0, 1, 2, 3, 0, 1, 2, 3, 0 } },
		{ SIMULATE_LC,       { 0, 1, 2, 3, 0, 1, 2, 3, 0 } },
		{ SIMULATE_WLC,      { 0, 1, 2, 3, 3, 2, 3, 3, 0 } },
		{ SIMULATE_WRR_IDLE, { 3, 3, 2, 3, 0, 1, 2, 3, 3 } },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct simulate *simulate =
		    cluster(rows[i].policy, uneven_bps, 0.8, 1);

		for (size_t k = 0; k < ARRAY_LENGTH(rows[i].order); k++) {
			size_t which = next_node(simulate);

			ck_assert_msg(which == rows[i].order[k],
			    "%s, arrival %zu: node %zu",
			    simulate_policy_name(rows[i].policy), k, which);
		}
		simulate_free(simulate);
	}
}
END_TEST

START_TEST(the_busiest_node_is_near_the_oracles_with_few_writes)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct simulate_result ours =
		    result_of(SIMULATE_LAW, even_bps, 0.8, seed);
		struct simulate_result oracle =
		    result_of(SIMULATE_ORACLE, even_bps, 0.8, seed);
		struct simulate_result lc =
		    result_of(SIMULATE_LC, even_bps, 0.8, seed);

		ck_assert_double_le(ours.peak, oracle.peak * 1.03);
		ck_assert_double_le(ours.busiest, oracle.busiest * 1.03);
		ck_assert_double_lt(ours.peak, lc.peak);
		ck_assert_double_lt(ours.writes_a_minute, 3);
	}
}
END_TEST

START_TEST(none_is_above_its_capacity_while_another_is_idle)
{
	static const uint64_t uneven_bps[NODES] = { GBIT, GBIT, 2 * GBIT,
		4 * GBIT };

	for (uint64_t seed = 1; seed <= 3; seed++) {
		ck_assert_double_eq(result_of(SIMULATE_LAW, even_bps, 0.8, seed)
					.idlest_beside_full,
		    1);
		ck_assert_double_eq(
		    result_of(SIMULATE_LAW, uneven_bps, 0.8, seed)
			.idlest_beside_full,
		    1);
		ck_assert_double_ge(
		    result_of(SIMULATE_LAW, uneven_bps, 0.95, seed)
			.idlest_beside_full,
		    0.85);
	}
}
END_TEST

static void
is_down(struct weight_report *report, void *user)
{
	(void)user;
	report->answer = WEIGHT_DOWN;
}

START_TEST(a_fresh_node_gets_little_more_than_its_share)
{
	/* so many viewers that a minute's arrivals are more than chance */
	static const uint64_t large_bps[NODES] = { 20 * GBIT, 20 * GBIT,
		20 * GBIT, 20 * GBIT };
	struct simulate *simulate = cluster(SIMULATE_LAW, large_bps, 0.7, 1);
	struct simulate_node *fresh = &simulate_nodes(simulate)[3];
	double most = 0;

	fresh->twist = is_down;
	run(simulate, 4 * SESSION_US);
	ck_assert_uint_eq(fresh->sessions, 0);
	fresh->twist = NULL;
	for (uint64_t us = 0; us < 4 * SESSION_US; us += MINUTE_US) {
		simulate_measure(simulate);
		run(simulate, MINUTE_US);
		most = MAX_OF(
		    most, (double)fresh->arrivals * NODES /
			      (double)simulate_result(simulate).arrivals);
	}
	ck_assert_double_le(most, 1.3);
	ck_assert_double_ge((double)fresh->committed_bps / 20e9, 0.65);
	simulate_free(simulate);
}
END_TEST

/* Of the arrivals of a minute, in parts of what is fair among READY nodes. */
static double
part_of_a_minute(
    struct simulate *simulate, const struct simulate_node *node, size_t ready)
{
	simulate_measure(simulate);
	run(simulate, MINUTE_US);
	return (double)node->arrivals * (double)ready /
	       (double)simulate_result(simulate).arrivals;
}

START_TEST(a_second_fresh_node_does_not_set_back_the_first)
{
	static const uint64_t large_bps[NODES] = { 20 * GBIT, 20 * GBIT,
		20 * GBIT, 20 * GBIT };
	struct simulate *simulate = cluster(SIMULATE_LAW, large_bps, 0.45, 1);
	struct simulate_node *all = simulate_nodes(simulate);
	const struct weight_node *weights = simulate_weights(simulate);
	double most[NODES] = { 0 };
	uint32_t before;

	all[2].twist = all[3].twist = is_down;
	run(simulate, 4 * SESSION_US);
	all[2].twist = NULL;
	for (uint64_t us = 0; us < SESSION_US / 2; us += MINUTE_US)
		most[2] =
		    MAX_OF(most[2], part_of_a_minute(simulate, &all[2], 3));
	before = weights[2].weight;
	all[3].twist = NULL;
	run(simulate, 5 * INTERVAL_US);
	ck_assert_uint_ge(weights[2].weight, before - before / 8);

	for (uint64_t us = 0; us < 2 * SESSION_US; us += MINUTE_US) {
		double part = part_of_a_minute(simulate, &all[3], 4);

		most[3] = MAX_OF(most[3], part);
		part = (double)all[2].arrivals * 4 /
		       (double)simulate_result(simulate).arrivals;
		most[2] = MAX_OF(most[2], part);
	}
	run(simulate, 2 * SESSION_US);
	ck_assert_double_le(most[2], 1.3);
	ck_assert_double_le(most[3], 1.3);
	ck_assert_double_ge((double)all[2].committed_bps / 20e9, 0.4);
	ck_assert_double_ge((double)all[3].committed_bps / 20e9, 0.4);
	simulate_free(simulate);
}
END_TEST

static void
claims_the_moon(struct weight_report *report, void *user)
{
	(void)user;
	report->capacity_bps *= 10;
	report->committed_bps = 0;
}

START_TEST(a_liar_in_a_cluster_is_not_above_its_capacity)
{
	struct simulate *simulate = cluster(SIMULATE_LAW, even_bps, 0.75, 1);
	struct simulate_result result;

	simulate_nodes(simulate)[0].twist = claims_the_moon;
	run(simulate, 3 * SESSION_US);
	simulate_measure(simulate);
	run(simulate, 20 * SESSION_US);
	result = simulate_result(simulate);
	ck_assert_double_le(result.busiest, 1);
	simulate_free(simulate);
}
END_TEST

START_TEST(a_cut_of_capacity_settles_in_a_cluster)
{
	struct simulate *simulate = cluster(SIMULATE_LAW, even_bps, 0.6, 1);
	struct weight_node *weights = simulate_weights(simulate);
	double expected;

	run(simulate, 3 * SESSION_US);
	expected = weights[0].weight / 2.0;
	simulate_nodes(simulate)[0].capacity_bps /= 2;
	run(simulate, 12 * INTERVAL_US); /* one late answer, jitter */
	ck_assert_double_le(fabs(weights[0].weight - expected), expected * 0.1);
	simulate_free(simulate);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("weight");
	TCase *rules = tcase_create("law");
	TCase *simulated = tcase_create("cluster");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, begin, NULL);
	tcase_add_test(rules, weights_go_by_capacity);
	tcase_add_test(rules, weights_go_against_the_bit_rate_of_sessions);
	tcase_add_test(rules, a_few_sessions_say_little);
	tcase_add_test(rules, a_constant_load_changes_nothing);
	tcase_add_test(rules, what_all_titles_do_changes_nothing);
	tcase_add_test(rules, small_changes_are_none_and_large_ones_take_steps);
	tcase_add_test(rules, a_step_of_capacity_is_followed_within_ten_rounds);
	tcase_add_test(rules, another_unit_keeps_proportions);
	tcase_add_test(
	    rules, a_silent_node_keeps_its_weight_then_gets_the_configured);
	tcase_add_test(rules, when_nobody_answers_nothing_changes);
	tcase_add_test(rules, when_nobody_ever_answered_nothing_changes);
	tcase_add_test(rules, a_takeover_keeps_what_the_silent_had);
	tcase_add_test(rules, only_drain_and_down_mean_0_and_at_once);
	tcase_add_test(rules, never_all_at_0);
	tcase_add_test(rules, found_all_at_0_they_are_not_left_so);
	tcase_add_test(rules, clock_jumps_are_harmless);
	tcase_add_test(rules, what_makes_no_sense_is_no_answer);
	tcase_add_test(rules, whatever_is_said_weights_are_sane);
	tcase_add_test(rules, late_packets_take_weight_and_give_it_back_slowly);
	tcase_add_test(
	    rules, a_liar_gains_no_more_than_its_configured_capacity);
	tcase_add_test(rules, a_fresh_node_begins_low_and_is_full_in_the_end);
	tcase_add_test(rules, a_node_back_with_its_sessions_goes_on_from_there);
	tcase_add_test(rules, a_cluster_without_viewers_starts_at_once);
	suite_add_tcase(suite, rules);
	/* Under sanitizers and load they take longer than the usual 4 s. */
	tcase_set_timeout(rules, 60);
	tcase_set_timeout(simulated, 60);
	tcase_add_test(simulated, schedulers_are_the_kernels);
	tcase_add_test(
	    simulated, the_busiest_node_is_near_the_oracles_with_few_writes);
	tcase_add_test(
	    simulated, none_is_above_its_capacity_while_another_is_idle);
	tcase_add_test(simulated, a_fresh_node_gets_little_more_than_its_share);
	tcase_add_test(
	    simulated, a_second_fresh_node_does_not_set_back_the_first);
	tcase_add_test(
	    simulated, a_liar_in_a_cluster_is_not_above_its_capacity);
	tcase_add_test(simulated, a_cut_of_capacity_settles_in_a_cluster);
	suite_add_tcase(suite, simulated);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
