/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that looks at the clock each few milliseconds, and notes when it was
 * kept from it.
 */
#include "hiccups.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "base/base.h"
#include "base/loop.h"

#define LOOK_US (5 * US_PER_MS)
/* Shorter ones are within what is punctual. */
#define HICCUP_US (5 * US_PER_MS)
/* Who was kept waiting has this to catch up. */
#define CATCH_UP_US (500 * US_PER_MS)
#define HICCUPS_MAX 16384 /* two minutes of nothing else */

struct hiccup {
	uint64_t from_us, to_us;
};

static struct hiccup hiccups[HICCUPS_MAX];
static atomic_size_t hiccup_count;
static atomic_bool ends;
static pthread_t watcher;

static void
sleep_until(uint64_t at_us)
{
	struct timespec at = {
		.tv_sec = (time_t)(at_us / US_PER_SECOND),
		.tv_nsec = (long)(at_us % US_PER_SECOND * 1000),
	};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void *
watch(void *unused)
{
	uint64_t due_us = clock_monotonic_us(), now_us;
	size_t count;

	(void)unused;
	while (!atomic_load(&ends)) {
		due_us += LOOK_US;
		sleep_until(due_us);
		now_us = clock_monotonic_us();
		count = atomic_load(&hiccup_count);
		if (now_us - due_us > HICCUP_US && count < HICCUPS_MAX) {
			hiccups[count] = (struct hiccup){ due_us, now_us };
			atomic_store(&hiccup_count, count + 1);
		}
		due_us = now_us;
	}
	return NULL;
}

void
hiccups_begin(void)
{
	atomic_store(&ends, false);
	atomic_store(&hiccup_count, 0);
	ck_assert_int_eq(pthread_create(&watcher, NULL, watch, NULL), 0);
}

uint64_t
hiccups_at_us(uint64_t at_us)
{
	uint64_t result_us = 0;

	for (size_t i = 0; i < atomic_load(&hiccup_count); i++)
		if (at_us >= hiccups[i].from_us &&
		    at_us <= hiccups[i].to_us + CATCH_UP_US)
			result_us += hiccups[i].to_us - hiccups[i].from_us;
	return result_us;
}

uint64_t
hiccups_worst_us(void)
{
	uint64_t worst_us = 0;

	for (size_t i = 0; i < atomic_load(&hiccup_count); i++)
		worst_us =
		    MAX_OF(worst_us, hiccups[i].to_us - hiccups[i].from_us);
	return worst_us;
}

void
hiccups_end(void)
{
	atomic_store(&ends, true);
	ck_assert_int_eq(pthread_join(watcher, NULL), 0);
}
