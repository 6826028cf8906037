/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vodd and its plan.
 */
#include "doomed.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"

static struct dying_plan *
make_plan(struct served *served)
{
	struct dying_plan nothing = { .armed = 0 }, *plan;
	char path[PATH_MAX + 8];
	int fd;

	served_write(served, "plan", &nothing, sizeof(nothing));
	snprintf(path, sizeof(path), "%s/plan", served->folder);
	setenv("VODD_DYING", path, 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	plan = mmap(
	    NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(plan, MAP_FAILED);
	close(fd);
	return plan;
}

static bool
has_records(const struct table *table, uint32_t lane, enum table_kind kind)
{
	union {
		uint32_t state;
		struct table_connection connection;
		struct table_session session;
	} view;

	for (uint32_t i = 0; i < table_high_water(table, lane, kind); i++)
		if (table_read(table, lane, kind, i, &view) && view.state != 0)
			return true;
	return false;
}

static bool
is_idle(const struct table *table, uint32_t lane)
{
	static const enum table_counter counters[] = { TABLE_CONNECTIONS,
		TABLE_SESSIONS, TABLE_COMMITTED_BPS };

	for (size_t i = 0; i < ARRAY_LENGTH(counters); i++)
		if (table_counter(table, lane, counters[i]) != 0)
			return false;
	return table_lane_pid(table, lane) != 0 &&
	       !has_records(table, lane, TABLE_CONNECTION) &&
	       !has_records(table, lane, TABLE_SESSION);
}

bool
doomed_is_idle(const struct served *served)
{
	struct table_info info;

	table_info(served->table, &info);
	for (uint32_t lane = 0; lane < info.limits.lanes; lane++)
		if (!is_idle(served->table, lane))
			return false;
	return true;
}

static void
await_service(struct served *served)
{
	uint64_t until_us =
	    clock_monotonic_us() + SERVED_PATIENCE_MS * UINT64_C(1000);
	struct viewer viewer;

	served_wait_log(served, "serving instance="); /* all are ready */
	viewer_open(&viewer, served, "any", VIEWER_TCP);
	viewer_ask(&viewer, "OPTIONS", 0, "", 200);
	viewer_close(&viewer);
	while (!doomed_is_idle(served)) {
		if (clock_monotonic_us() > until_us)
			served_fail(served, "it is never idle");
		usleep(1000);
	}
}

struct dying_plan *
doomed_start(
    struct served *served, const char *media, const char *const settings[])
{
	struct dying_plan *plan = make_plan(served);

	served->program = "t/dying_vodd";
	served_start(served, media, settings);
	await_service(served);
	return plan;
}
