/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adds up what the table says.  Locks nothing and writes nothing; a session
 * that changes each time it is looked at is left out of this look.
 */
#include "agent/sums.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
sessions_add(const struct table *table, uint32_t lane, struct sums *sums)
{
	uint32_t end = table_high_water(table, lane, TABLE_SESSION);

	for (uint32_t record = 0; record < end; record++) {
		struct table_session session;

		if (!table_read(table, lane, TABLE_SESSION, record, &session) ||
		    session.state != TABLE_USED ||
		    session.session_state == TABLE_SESSION_INIT ||
		    session.session_state > TABLE_SESSION_PAUSED)
			continue;
		sums->sessions++;
		sums->by_state[session.session_state]++;
	}
}

static void
histograms_add(const struct table *table, uint32_t lane, struct sums *sums)
{
	uint64_t buckets[TABLE_HISTOGRAM_BUCKETS];

	for (unsigned i = 0; i < TABLE_HISTOGRAM_COUNT; i++) {
		table_histogram_read(
		    table, lane, (enum table_histogram)i, buckets);
		for (unsigned k = 0; k < TABLE_HISTOGRAM_BUCKETS; k++)
			sums->histograms[i][k] += buckets[k];
	}
}

static void
heartbeat_take(const struct table *table, uint32_t lane, struct sums *sums)
{
	uint64_t beat_us = table_counter(table, lane, TABLE_HEARTBEAT_US);
	uint64_t age_us;

	if (table_lane_pid(table, lane) == 0)
		return;
	sums->workers++;
	if (beat_us == 0)
		return;
	age_us = beat_us < sums->taken_us ? sums->taken_us - beat_us : 0;
	if (age_us < sums->heartbeat_age_us)
		sums->heartbeat_age_us = age_us;
}

int
sums_take(const char *instance, uint64_t now_us, struct sums *out)
{
	char name[sizeof("/vodd.") + TABLE_NAME_MAX];
	struct sums sums;
	struct table *table;
	int error;

	if (strlen(instance) >= TABLE_NAME_MAX)
		return -EINVAL;
	snprintf(name, sizeof(name), "/vodd.%s", instance);
	if ((error = table_open(name, &table)) != 0)
		return error;
	memset(&sums, 0, sizeof(sums));
	sums.taken_us = now_us;
	sums.heartbeat_age_us = UINT64_MAX;
	table_info(table, &sums.info);
	for (unsigned i = 0; i < TABLE_COUNTER_COUNT; i++)
		sums.counters[i] =
		    table_counter_sum(table, (enum table_counter)i);
	for (uint32_t lane = 0; lane < sums.info.limits.lanes; lane++) {
		heartbeat_take(table, lane, &sums);
		sessions_add(table, lane, &sums);
		histograms_add(table, lane, &sums);
	}
	table_close(table);
	*out = sums;
	return 0;
}
