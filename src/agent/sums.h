/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sums - one look at the table of an instance, all lanes added up.
 */
#ifndef AGENT_SUMS_H
#define AGENT_SUMS_H

#include <stdint.h>

#include "table/table.h"

struct sums {
	uint64_t taken_us; /* monotonic */
	struct table_info info;
	uint32_t workers; /* lanes that a process serves */
	/* Of the worker that was heard of last; UINT64_MAX: of none yet. */
	uint64_t heartbeat_age_us;
	uint64_t sessions, by_state[TABLE_SESSION_PAUSED + 1];
	uint64_t counters[TABLE_COUNTER_COUNT];
	uint64_t histograms[TABLE_HISTOGRAM_COUNT][TABLE_HISTOGRAM_BUCKETS];
};

/*
 * Opens the table anew: a restarted server has another one of the same name.
 * Errors are table_open()'s; OUT is untouched then.
 */
int sums_take(const char *instance, uint64_t now_us, struct sums *out);

#endif
