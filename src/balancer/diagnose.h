/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diagnose - finds the step of a cluster's set-up that is wrong, and names it.
 */
#ifndef BALANCER_DIAGNOSE_H
#define BALANCER_DIAGNOSE_H

#include "balancer/config.h"

/*
 * Looks at NODE, "ADDRESS" or "ADDRESS:PORT" of its agent; NULL: at all real
 * servers of the services, for which the kernel's table has to be read.  Prints
 * a line for each step.  The status to exit with: 0 nothing is wrong.
 */
int diagnose_run(const struct config *config, const char *node);

#endif
