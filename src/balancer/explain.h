/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explain - per node what it said, and how its weight came about: for people
 * and, a JSON object on each line, for programs.
 */
#ifndef BALANCER_EXPLAIN_H
#define BALANCER_EXPLAIN_H

#include <stdio.h>

#include "balancer/service.h"

enum explain_form { EXPLAIN_NOTHING, EXPLAIN_TEXT, EXPLAIN_JSON };

/* The last round of SERVICE. */
void explain_service(
    const struct service *service, enum explain_form form, FILE *out);

#endif
