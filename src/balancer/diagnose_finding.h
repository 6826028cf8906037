/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diagnose_finding - what came of each check, a line each: as text for people
 * or a JSON object.
 */
#ifndef BALANCER_DIAGNOSE_FINDING_H
#define BALANCER_DIAGNOSE_FINDING_H

#include <stdbool.h>
#include <stdio.h>

#include "base/base.h"

#define FINDING_TEXT_MAX 512 /* with NUL; what is longer is cut off */

struct findings {
	FILE *out; /* borrowed */
	bool json;
	unsigned wrong; /* how many were */

	/* What is looked at now; borrowed. */
	const char *where; /* "director", a service or a node */
	const char *check; /* one word */
};

void finding_ok(struct findings *findings, const char *format, ...)
    PRINTF_LIKE(2, 3);
/* REMEDY is what to do about it. */
void finding_wrong(struct findings *findings, const char *remedy,
    const char *format, ...) PRINTF_LIKE(3, 4);
/* It could not be seen; NEEDS is what that takes. */
void finding_unseen(struct findings *findings, const char *needs,
    const char *format, ...) PRINTF_LIKE(3, 4);

#endif
