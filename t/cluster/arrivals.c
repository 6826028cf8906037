/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arrivals - what happens in a simulated cluster, for arrivals.py to do the
 * same with a kernel: a line for each event until so many viewers have come.
 *
 *	usage: arrivals static|vodbalance COUNT
 *
 *	weight NODE WEIGHT
 *	arrival NODE
 *	end NODE
 *
 * Nobody is refused, and all of it takes less than the 120 s that a closed
 * connection counts in the kernel.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/simulate.h"
#include "base/base.h"

#define MBIT UINT64_C(1000000)
#define CONNECTION_COUNTS_US (120 * US_PER_SECOND)
#define STEP_US (10 * US_PER_MS)

static const struct simulate_title titles[] = {
	{ 300000, 10 * US_PER_SECOND },
	{ 1000000, 20 * US_PER_SECOND },
	{ 4000000, 30 * US_PER_SECOND },
};
static const uint64_t capacities_bps[] = { 160 * MBIT, 160 * MBIT, 320 * MBIT,
	640 * MBIT };

static void
print(void *user, enum simulate_event event, size_t node, uint32_t value)
{
	unsigned long *left = user;

	if (*left == 0)
		return;
	switch (event) {
	case SIMULATE_WEIGHT:
		printf("weight %zu %u\n", node, value);
		break;
	case SIMULATE_ARRIVAL:
		printf("arrival %zu\n", node);
		--*left;
		break;
	case SIMULATE_END:
		printf("end %zu\n", node);
		break;
	}
}

int
main(int argc, char **argv)
{
	unsigned long left = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	struct simulate *simulate;
	uint64_t passed_us = 0;
	bool is_law;

	if (left == 0) {
		fprintf(stderr, "usage: arrivals static|vodbalance COUNT\n");
		return 2;
	}
	is_law = strcmp(argv[1], "vodbalance") == 0;
	simulate = simulate_new(&(struct simulate_setup){
	    .policy = is_law ? SIMULATE_LAW : SIMULATE_WLC,
	    .capacities_bps = capacities_bps,
	    .nodes = ARRAY_LENGTH(capacities_bps),
	    .titles = titles,
	    .title_count = ARRAY_LENGTH(titles),
	    .load = 0.8,
	    .interval_us = US_PER_SECOND,
	    .jitter_us = US_PER_SECOND / 10,
	    .delay_us = US_PER_SECOND / 2,
	    .admits_all = true,
	    .seed = 1,
	    .trace = print,
	    .user = &left,
	});
	if (simulate == NULL)
		return 1;
	for (; left > 0; passed_us += STEP_US) {
		if (passed_us >= CONNECTION_COUNTS_US ||
		    simulate_run(simulate, STEP_US) != 0) {
			fprintf(stderr, "arrivals: %lu are left\n", left);
			return 1;
		}
	}
	simulate_free(simulate);
	return 0;
}
