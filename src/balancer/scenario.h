/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scenario - a cluster described in a file: what policies would make of it, and
 * which weights the law would give its nodes.
 */
#ifndef BALANCER_SCENARIO_H
#define BALANCER_SCENARIO_H

/* Prints on stdout.  The status to exit with; what is wrong is on stderr. */
int scenario_run(const char *file);

#endif
