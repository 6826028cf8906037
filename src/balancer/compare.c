/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs and their means.  What happens in a run is simulate's.
 */
#include "balancer/compare.h"

#include <assert.h>
#include <errno.h>

#include "base/base.h"

/* The longest session has ended: all is as it will be. */
uint64_t
compare_warm_us(const struct compare *compare)
{
	const struct simulate_setup *setup = &compare->setup;
	uint64_t longest_us = 0;

	for (size_t i = 0; i < setup->title_count; i++)
		longest_us = MAX_OF(longest_us, setup->titles[i].mean_us);
	return longest_us + longest_us / 2;
}

uint64_t
compare_run_us(const struct compare *compare)
{
	const struct simulate_setup *setup = &compare->setup;
	uint64_t sum_us = 0;

	assert(setup->title_count > 0);
	for (size_t i = 0; i < setup->title_count; i++)
		sum_us += setup->titles[i].mean_us;
	return sum_us / setup->title_count * compare->lengths;
}

static int
run(const struct compare *compare, enum simulate_policy policy, uint64_t seed,
    struct simulate_result *out)
{
	struct simulate_setup setup = compare->setup;
	struct simulate *simulate;
	int error;

	setup.policy = policy;
	setup.seed = seed;
	if ((simulate = simulate_new(&setup)) == NULL)
		return -ENOMEM;
	error = simulate_run(simulate, compare_warm_us(compare));
	simulate_measure(simulate);
	if (error == 0)
		error = simulate_run(simulate, compare_run_us(compare));
	*out = simulate_result(simulate);
	simulate_free(simulate);
	return error;
}

void
compare_print_head(FILE *out)
{
	fprintf(out, "  %-16s %8s %8s %8s %10s %9s\n", "", "busiest", "peak",
	    "spread", "refused", "writes/m");
}

int
compare_print(
    const struct compare *compare, enum simulate_policy policy, FILE *out)
{
	struct simulate_result sum = { .peak = 0 };
	double runs = compare->runs;

	for (unsigned i = 0; i < compare->runs; i++) {
		struct simulate_result one;
		int error = run(compare, policy, i + 1, &one);

		if (error != 0)
			return error;
		sum.busiest += one.busiest / runs;
		sum.peak += one.peak / runs;
		sum.spread += one.spread / runs;
		sum.writes_a_minute += one.writes_a_minute / runs;
		sum.arrivals += one.arrivals;
		sum.refusals += one.refusals;
	}
	fprintf(out, "  %-16s %8.4f %8.4f %8.4f %8.3f %% %9.1f\n",
	    simulate_policy_name(policy), sum.busiest, sum.peak, sum.spread,
	    100 * (double)sum.refusals / (double)MAX_OF(sum.arrivals, 1),
	    sum.writes_a_minute);
	fflush(out);
	return 0;
}
