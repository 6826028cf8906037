/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balance - the table of policies: how well each one fills simulated clusters.
 *
 * Nothing is measured here but arithmetic: the figures are the same on every
 * machine.  An argument N leaves out clusters of more than N nodes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/simulate.h"
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
	unsigned runs, sessions; /* so many runs of so many mean lengths */
} clusters[] = {
	{ "4 nodes, 80 % load, asked every second",
	  4, { 1000, 1000, 1000, 1000 }, 0.80, US_PER_SECOND, 20, 20 },
	{ "4 nodes, 80 % load, asked every 15 seconds",
	  4, { 1000, 1000, 1000, 1000 }, 0.80, 15 * US_PER_SECOND, 20, 20 },
	{ "4 nodes of 1, 1, 2 and 4 Gbit/s, 95 % load",
	  4, { 1000, 1000, 2000, 4000 }, 0.95, US_PER_SECOND, 20, 20 },
	{ "1,000 nodes, 80 % load, a million sessions at once",
	  1000, { 2980, 2980, 2980, 2980 }, 0.80, US_PER_SECOND, 1, 1 },
};
/* clang-format on */

static int
measure(const struct cluster *cluster, enum simulate_policy policy,
    uint64_t seed, struct simulate_result *out)
{
	uint64_t capacities_bps[NODES_MAX];
	struct simulate *simulate;
	int error;

	for (size_t i = 0; i < cluster->nodes; i++)
		capacities_bps[i] =
		    cluster->mbps[i % ARRAY_LENGTH(cluster->mbps)] * MBIT;
	simulate = simulate_new(&(struct simulate_setup){
	    .policy = policy,
	    .capacities_bps = capacities_bps,
	    .nodes = cluster->nodes,
	    .titles = titles,
	    .title_count = ARRAY_LENGTH(titles),
	    .load = cluster->load,
	    .interval_us = cluster->interval_us,
	    .jitter_us = cluster->interval_us / 10,
	    .delay_us = US_PER_SECOND / 2,
	    .stale = 0.05,
	    .seed = seed,
	});
	if (simulate == NULL)
		return -ENOMEM;
	/* the longest session has ended: all is as it will be */
	error = simulate_run(simulate, SESSION_US * 9 / 4);
	simulate_measure(simulate);
	if (error == 0)
		error = simulate_run(simulate, cluster->sessions * SESSION_US);
	*out = simulate_result(simulate);
	simulate_free(simulate);
	return error;
}

static int
row(const struct cluster *cluster, enum simulate_policy policy)
{
	struct simulate_result sum = { .peak = 0 };
	double runs = cluster->runs;

	for (unsigned run = 0; run < cluster->runs; run++) {
		struct simulate_result one;
		int error = measure(cluster, policy, run + 1, &one);

		if (error != 0)
			return error;
		sum.busiest += one.busiest / runs;
		sum.peak += one.peak / runs;
		sum.spread += one.spread / runs;
		sum.writes_a_minute += one.writes_a_minute / runs;
		sum.arrivals += one.arrivals;
		sum.refusals += one.refusals;
	}
	printf("  %-16s %8.4f %8.4f %8.4f %8.3f %% %9.1f\n",
	    simulate_policy_name(policy), sum.busiest, sum.peak, sum.spread,
	    100 * (double)sum.refusals / (double)sum.arrivals,
	    sum.writes_a_minute);
	fflush(stdout);
	return 0;
}

int
main(int argc, char **argv)
{
	size_t nodes_max = argc > 1 ? strtoul(argv[1], NULL, 10) : NODES_MAX;

	for (size_t i = 0; i < ARRAY_LENGTH(clusters); i++) {
		if (clusters[i].nodes > nodes_max)
			continue;
		printf("%s\n  %-16s %8s %8s %8s %10s %9s\n", clusters[i].what,
		    "", "busiest", "peak", "spread", "refused", "writes/m");
		for (int policy = 0; policy < SIMULATE_POLICY_COUNT; policy++) {
			int error =
			    row(&clusters[i], (enum simulate_policy)policy);

			if (error != 0) {
				fprintf(
				    stderr, "balance: %s\n", strerror(-error));
				return EXIT_FAILURE;
			}
		}
	}
	return EXIT_SUCCESS;
}
