/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file's settings as a simulated cluster, the table of policies, and a look
 * at the nodes.
 */
#include "balancer/scenario.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "balancer/compare.h"
#include "base/base.h"
#include "base/program.h"
#include "base/settings.h"

#define KINDS_MAX ((size_t)64) /* of nodes, and of titles */
#define NODES_MAX ((size_t)1000)
#define MINUTE_US (60 * US_PER_SECOND)
#define HOUR_US (60 * MINUTE_US)
#define TBIT UINT64_C(1000000000000)

struct kind_of_node {
	uint64_t count, capacity_bps;
};

struct kind_of_title {
	uint64_t bit_rate_bps, length_us;
};

struct scenario {
	uint64_t node_count, title_count; /* of kinds */
	struct kind_of_node nodes[KINDS_MAX];
	struct kind_of_title titles[KINDS_MAX];
	double load, stale;
	uint64_t interval_us, jitter_us, delay_us;
	bool refuse;
	uint64_t policy, runs, lengths;

	/* What follows from these. */
	uint64_t capacities_bps[NODES_MAX];
	struct simulate_title simulated[KINDS_MAX];
	struct compare compare;
};

/* The first is all of them, the others as enum simulate_policy. */
static const char *const policies[] = { "all", "rr", "lc", "wlc", "wlc-idle",
	"wrr-idle", "vodbalance", "oracle", NULL };
_Static_assert(ARRAY_LENGTH(policies) == SIMULATE_POLICY_COUNT + 2,
    "all, one for each policy, NULL");

/* clang-format off */
#define NODE_ROW(name, type, field, text, ...) \
	{ name, type, offsetof(struct kind_of_node, field), text, __VA_ARGS__ }
static const struct settings_row node_rows[] = {
	NODE_ROW("count", SETTINGS_COUNT, count, "1", 1, NODES_MAX, NULL,
	    "Nodes like this."),
	NODE_ROW("capacity", SETTINGS_RATE, capacity_bps, "1 Gbit/s",
	    1000, TBIT, NULL, "What each can serve."),
};
#define TITLE_ROW(name, type, field, text, ...) \
	{ name, type, offsetof(struct kind_of_title, field), text, __VA_ARGS__ }
static const struct settings_row title_rows[] = {
	TITLE_ROW("bit_rate", SETTINGS_RATE, bit_rate_bps, "1 Mbit/s",
	    1000, UINT32_MAX, NULL, "What a session of it needs."),
	TITLE_ROW("length", SETTINGS_TIME, length_us, "10 min",
	    US_PER_SECOND, 24 * HOUR_US, NULL,
	    "How long it is watched, on the mean."),
};
static const struct settings_groups node_groups = {
	node_rows, ARRAY_LENGTH(node_rows), sizeof(struct kind_of_node),
	offsetof(struct scenario, nodes),
};
static const struct settings_groups title_groups = {
	title_rows, ARRAY_LENGTH(title_rows), sizeof(struct kind_of_title),
	offsetof(struct scenario, titles),
};

#define ROW(name, type, field, text, ...) \
	{ name, type, offsetof(struct scenario, field), text, __VA_ARGS__ }
static const struct settings_row rows[] = {
	ROW("nodes", SETTINGS_GROUPS, node_count, "", 0, KINDS_MAX,
	    &node_groups, "Kinds of nodes: count, capacity."),
	ROW("titles", SETTINGS_GROUPS, title_count, "", 0, KINDS_MAX,
	    &title_groups, "Kinds of titles: bit_rate, length."),
	ROW("load", SETTINGS_NUMBER, load, "0.8", 0, 4, NULL,
	    "What is asked for, as a part of all capacity."),
	ROW("policy", SETTINGS_CHOICE, policy, "all",
	    0, SIMULATE_POLICY_COUNT, policies, "Which to look at."),
	ROW("interval", SETTINGS_TIME, interval_us, "1 s",
	    100 * US_PER_MS, 10 * MINUTE_US, NULL, "How often nodes are asked."),
	ROW("jitter", SETTINGS_TIME, jitter_us, "100 ms", 0, MINUTE_US, NULL,
	    "So much earlier or later, at most."),
	ROW("delay", SETTINGS_TIME, delay_us, "500 ms", 0, MINUTE_US, NULL,
	    "Until weights are set after that, at most."),
	ROW("stale", SETTINGS_NUMBER, stale, "0.05", 0, 1, NULL,
	    "Part of the answers that are those of the round before."),
	ROW("refuse", SETTINGS_BOOL, refuse, "true", 0, 0, NULL,
	    "Nodes refuse what is above their capacity."),
	ROW("runs", SETTINGS_COUNT, runs, "5", 1, 1000, NULL,
	    "Runs, each with other viewers."),
	ROW("lengths", SETTINGS_COUNT, lengths, "20", 1, 1000, NULL,
	    "How long a run is, in mean sessions."),
};
/* clang-format on */

/* NULL, or the setting that is wrong, with WHAT. */
static const char *
derive(struct scenario *scenario, const char **what)
{
	size_t nodes = 0;

	for (uint64_t i = 0; i < scenario->node_count; i++) {
		for (uint64_t j = 0; j < scenario->nodes[i].count; j++) {
			if (nodes == NODES_MAX) {
				*what = "more than 1000 of them";
				return "nodes";
			}
			scenario->capacities_bps[nodes++] =
			    scenario->nodes[i].capacity_bps;
		}
	}
	*what = "there have to be some";
	if (nodes == 0)
		return "nodes";
	if (scenario->title_count == 0)
		return "titles";
	*what = "is longer than the interval";
	if (scenario->jitter_us > scenario->interval_us)
		return "jitter";
	for (uint64_t i = 0; i < scenario->title_count; i++)
		scenario->simulated[i] = (struct simulate_title){
			.bps = (uint32_t)scenario->titles[i].bit_rate_bps,
			.mean_us = scenario->titles[i].length_us,
		};
	scenario->compare = (struct compare){
		.runs = (unsigned)scenario->runs,
		.lengths = (unsigned)scenario->lengths,
		.setup = {
			.capacities_bps = scenario->capacities_bps,
			.nodes = nodes,
			.titles = scenario->simulated,
			.title_count = scenario->title_count,
			.load = scenario->load,
			.interval_us = scenario->interval_us,
			.jitter_us = scenario->jitter_us,
			.delay_us = scenario->delay_us,
			.stale = scenario->stale,
			.admits_all = !scenario->refuse,
		},
	};
	return NULL;
}

static int
load(const char *file, struct scenario *scenario)
{
	struct settings_source source = { .file = file };
	char error[SETTINGS_ERROR_MAX];
	const char *wrong, *what;
	int result =
	    settings_load(rows, ARRAY_LENGTH(rows), &source, scenario, error);

	if (result == 0 && (wrong = derive(scenario, &what)) != NULL)
		result = settings_blame(&source, wrong, what, error);
	if (result != 0)
		fprintf(stderr, "vodbalance: %s\n", error);
	return result;
}

static int
print_table(const struct scenario *scenario)
{
	printf("%zu nodes, load %.2f, %u runs\n", scenario->compare.setup.nodes,
	    scenario->load, scenario->compare.runs);
	compare_print_head(stdout);
	for (unsigned i = 0; i < SIMULATE_POLICY_COUNT; i++) {
		int error;

		if (scenario->policy != 0 && scenario->policy != i + 1)
			continue;
		error = compare_print(
		    &scenario->compare, (enum simulate_policy)i, stdout);
		if (error != 0)
			return error;
	}
	return 0;
}

/* One run more, and the weights at its end. */
static int
print_weights(const struct scenario *scenario)
{
	struct simulate_setup setup = scenario->compare.setup;
	uint64_t run_us = compare_run_us(&scenario->compare);
	const struct simulate_node *nodes;
	const struct weight_node *weights;
	struct simulate *simulate;
	int error;

	setup.policy = SIMULATE_LAW;
	setup.seed = 1;
	if ((simulate = simulate_new(&setup)) == NULL)
		return -ENOMEM;
	error = simulate_run(simulate, compare_warm_us(&scenario->compare));
	simulate_measure(simulate);
	if (error == 0)
		error = simulate_run(simulate, run_us);
	nodes = simulate_nodes(simulate);
	weights = simulate_weights(simulate);
	printf("what vodbalance does, at the end of a run\n"
	       "  %-6s %14s %10s %12s %10s %8s\n",
	    "node", "capacity", "sessions", "utilisation", "mean", "weight");
	for (size_t i = 0; i < setup.nodes && error == 0; i++)
		printf("  %-6zu %7.0f Mbit/s %10ju %12.3f %10.3f %8u\n", i + 1,
		    (double)nodes[i].capacity_bps / 1e6,
		    (uintmax_t)nodes[i].sessions,
		    (double)nodes[i].committed_bps /
			(double)nodes[i].capacity_bps,
		    nodes[i].utilisation_sum /
			((double)run_us / (double)US_PER_SECOND),
		    weights[i].weight);
	simulate_free(simulate);
	return error;
}

int
scenario_run(const char *file)
{
	static struct scenario scenario;
	int error;

	if (load(file, &scenario) != 0)
		return PROGRAM_USAGE;
	error = print_table(&scenario);
	if (error == 0)
		error = print_weights(&scenario);
	if (error != 0)
		fprintf(stderr, "vodbalance: %s\n", strerror(-error));
	return error == 0 ? 0 : 1;
}
