/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * misc_check - one question to one node, answered by the exit status as
 * keepalived's misc_dynamic reads it.
 *
 * Weights of 0 to 253 by capacity, as a part of the largest that is known, and
 * by how late packets are; what the law corrects by titles it knows only who
 * asks all nodes.
 */
#ifndef BALANCER_MISC_CHECK_H
#define BALANCER_MISC_CHECK_H

#include <stdint.h>

#include "balancer/config.h"
#include "balancer/weight.h"

#define MISC_CHECK_KEEP 0 /* all is well, and the weight as it is */
#define MISC_CHECK_DOWN 1
#define MISC_CHECK_WEIGHT 2 /* plus the weight */
#define MISC_CHECK_WEIGHT_MAX 253u

/* LARGEST_BPS is of all nodes; 0: not known. */
int misc_check_status(const struct weight_report *report, uint64_t largest_bps);

/*
 * Asks NODE, "ADDRESS" or "ADDRESS:PORT".  A node that cannot be reached at all
 * is down; one whose agent does not answer keeps its weight.
 */
int misc_check_run(const struct config *config, const char *node);

#endif
