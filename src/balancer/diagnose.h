/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diagnose - looks for wrong steps in the set-up of a cluster, from a director:
 * what the kernel has there, what agents say, who answers ARP, and a visit to
 * each node as a viewer's.
 *
 * Changes nothing.  What the rights do not suffice for is said, and not
 * checked.
 */
#ifndef BALANCER_DIAGNOSE_H
#define BALANCER_DIAGNOSE_H

#include <stdbool.h>

#include "balancer/config.h"

/*
 * The services of CONFIG, or all of TCP if it has none; only NODE, "ADDRESS" or
 * "ADDRESS:PORT" of a server, if it is not NULL.  On standard output; the exit
 * status: 0, 1 when something is wrong, 2 if NODE is no address.
 */
int diagnose_run(const struct config *config, const char *node, bool json);

#endif
