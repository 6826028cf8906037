/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * compare - policies side by side, each in the same simulated cluster.
 */
#ifndef BALANCER_COMPARE_H
#define BALANCER_COMPARE_H

#include <stdio.h>

#include "balancer/simulate.h"

struct compare {
	/* But for its policy and seed. */
	struct simulate_setup setup;
	unsigned runs; /* with other viewers each */
	unsigned lengths; /* of a session, on the mean, that a run is long */
};

/* How long the simulated cluster runs before, and while it is measured. */
uint64_t compare_warm_us(const struct compare *compare);
uint64_t compare_run_us(const struct compare *compare);

void compare_print_head(FILE *out);
/* The means over all runs.  0 or -ENOMEM. */
int compare_print(
    const struct compare *compare, enum simulate_policy policy, FILE *out);

#endif
