/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics - what Prometheus and its like collect.
 *
 * Two spellings of the same: OpenMetrics, for who asks for it, and the older
 * text format.  No label says who watches, from where, or what.
 */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include <stdbool.h>
#include <stdio.h>

#include "agent/sums.h"
#include "wire/load.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_OPEN_TYPE                                                      \
	"application/openmetrics-text; version=1.0.0; charset=utf-8"

/* SUMS may be NULL: without a server there are no counts of it. */
void metrics_print(FILE *out, bool open, const struct load_report *report,
    const struct sums *sums);

#endif
