/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balance - the table of policies: how well each one fills simulated clusters.
 *
 * Nothing is measured here but arithmetic: the figures are the same on every
 * machine.  An argument N leaves out clusters of more than N nodes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/compare.h"
#include "base/base.h"

#define MBIT UINT64_C(1000000)
#define SESSION_US (600 * US_PER_SECOND)
#define NODES_MAX 1000

static const struct simulate_title titles[] = {
	{ 300000, SESSION_US / 2 },
	{ 1000000, SESSION_US },
	{ 4000000, SESSION_US * 3 / 2 },
};

/* clang-format off */
static const struct cluster {
	const char *what;
	size_t nodes;
	uint64_t mbps[4]; /* of the nodes, in turn */
	double load;
	uint64_t interval_us;
	unsigned runs, lengths; /* so many runs of so many mean lengths */
	unsigned directors;
} clusters[] = {
	{ "4 nodes, 80 % load, asked every second",
	  4, { 1000, 1000, 1000, 1000 }, 0.80, US_PER_SECOND, 20, 20, 1 },
	{ "4 nodes, 80 % load, asked every 15 seconds",
	  4, { 1000, 1000, 1000, 1000 }, 0.80, 15 * US_PER_SECOND, 20, 20, 1 },
	{ "4 nodes of 1, 1, 2 and 4 Gbit/s, 95 % load",
	  4, { 1000, 1000, 2000, 4000 }, 0.95, US_PER_SECOND, 20, 20, 1 },
	{ "1,000 nodes, 80 % load, a million sessions at once",
	  1000, { 2980, 2980, 2980, 2980 }, 0.80, US_PER_SECOND, 1, 1, 1 },
	{ "4 nodes behind 4 directors, 80 % load",
	  4, { 1000, 1000, 1000, 1000 }, 0.80, US_PER_SECOND, 20, 20, 4 },
	{ "1,000 nodes behind 4 directors, 80 % load",
	  1000, { 2980, 2980, 2980, 2980 }, 0.80, US_PER_SECOND, 1, 1, 4 },
	{ "1,000 nodes behind 16 directors, 80 % load",
	  1000, { 2980, 2980, 2980, 2980 }, 0.80, US_PER_SECOND, 1, 1, 16 },
};
/* clang-format on */

static struct compare
compare_of(
    const struct cluster *cluster, uint64_t capacities_bps[static NODES_MAX])
{
	for (size_t i = 0; i < cluster->nodes; i++)
		capacities_bps[i] =
		    cluster->mbps[i % ARRAY_LENGTH(cluster->mbps)] * MBIT;
	return (struct compare){
		.runs = cluster->runs,
		.lengths = cluster->lengths,
		.setup = {
			.capacities_bps = capacities_bps,
			.nodes = cluster->nodes,
			.titles = titles,
			.title_count = ARRAY_LENGTH(titles),
			.directors = cluster->directors,
			.load = cluster->load,
			.interval_us = cluster->interval_us,
			.jitter_us = cluster->interval_us / 10,
			.delay_us = US_PER_SECOND / 2,
			.stale = 0.05,
		},
	};
}

static bool
takes_turns(int policy)
{
	return policy == SIMULATE_RR || policy == SIMULATE_WRR_IDLE;
}

int
main(int argc, char **argv)
{
	static uint64_t capacities_bps[NODES_MAX];
	size_t nodes_max = argc > 1 ? strtoul(argv[1], NULL, 10) : NODES_MAX;

	for (size_t i = 0; i < ARRAY_LENGTH(clusters); i++) {
		struct compare compare;

		if (clusters[i].nodes > nodes_max)
			continue;
		compare = compare_of(&clusters[i], capacities_bps);
		printf("%s\n", clusters[i].what);
		compare_print_head(stdout);
		for (int policy = 0; policy < SIMULATE_POLICY_COUNT; policy++) {
			int error;

			/* Whose turn it is is not simulated for each. */
			if (clusters[i].directors > 1 && takes_turns(policy))
				continue;
			error = compare_print(
			    &compare, (enum simulate_policy)policy, stdout);

			if (error != 0) {
				fprintf(
				    stderr, "balance: %s\n", strerror(-error));
				return EXIT_FAILURE;
			}
		}
	}
	return EXIT_SUCCESS;
}
