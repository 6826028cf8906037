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

static unsigned
count_records(const struct table *table, enum table_kind kind)
{
	union {
		uint32_t state;
		struct table_connection connection;
		struct table_session session;
	} view;
	unsigned count = 0;

	for (uint32_t i = 0; i < table_high_water(table, 0, kind); i++)
		count +=
		    table_read(table, 0, kind, i, &view) && view.state != 0;
	return count;
}

bool
doomed_is_idle(const struct served *served)
{
	const struct table *table = served->table;

	return served_worker(served) != 0 &&
	       table_counter(table, 0, TABLE_CONNECTIONS) == 0 &&
	       table_counter(table, 0, TABLE_SESSIONS) == 0 &&
	       table_counter(table, 0, TABLE_COMMITTED_BPS) == 0 &&
	       count_records(table, TABLE_CONNECTION) == 0 &&
	       count_records(table, TABLE_SESSION) == 0;
}

/* Who answers has told the master that he is ready. */
static void
await_service(struct served *served)
{
	uint64_t until_us =
	    clock_monotonic_us() + SERVED_PATIENCE_MS * UINT64_C(1000);
	struct viewer viewer;

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
