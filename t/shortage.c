/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel has too little of and no test can take from it: buffers for
 * packets, files of the whole machine.  Calls fail as they would then; viewers
 * lose nothing, and it is said in the log, once.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/loop.h"
#include "doomed.h"
#include "moment.h"

#define SHORT_MS 1000

static struct served served;
static struct dying_plan *plan;
static struct built_list built[2];
static struct viewer viewers[2];

static void
begin(void)
{
	static const char *const settings[] = { "max_speed=16", NULL };

	served_folder(&served, NULL);
	served_copy(&served, "sample.wmv", "clip.wmv");
	plan = doomed_start(&served, served.folder, settings);
}

static void
end(void)
{
	served_end(&served);
}

static void
watch(struct viewer *viewer, enum viewer_transport transport)
{
	viewer_open(viewer, &served, "clip.wmv", transport);
	viewer_setup(viewer, 1, 0);
	viewer_setup(viewer, 2, 0);
	viewer_ask(viewer, "PLAY", 0, "", 200);
	viewer_take_packets(viewer, 10);
}

static void
take_from_both(unsigned duration_ms)
{
	uint64_t until_us = clock_monotonic_us() + duration_ms * US_PER_MS;

	while (clock_monotonic_us() < until_us) {
		(void)viewer_take(&viewers[0], 2);
		(void)viewer_take(&viewers[1], 2);
	}
}

static void
be_short(enum dying_call call, int error)
{
	plan->short_call = call;
	plan->short_error = error;
}

static const struct {
	int error;
	const char *text;
} full[] = { { ENOBUFS, "No buffer space available" },
	{ ENOMEM, "Cannot allocate memory" },
	{ EAGAIN, "the network takes less" } };

START_TEST(packets_that_find_no_buffer_are_sent_later)
{
	struct moment moments[2];
	char line[128];

	for (unsigned i = 0; i < 2; i++) {
		watch(&viewers[i], i == 0 ? VIEWER_UDP : VIEWER_TCP);
		moment_read(&viewers[i], &moments[i]);
		moment_build(&served, &moments[i], 70, &built[i]);
	}
	be_short(DYING_sendmmsg, full[_i].error);
	take_from_both(SHORT_MS);
	be_short(DYING_sendmmsg, 0);
	/* Each tick, and not over and over. */
	ck_assert_uint_ge(plan->short_calls, 10);
	ck_assert_uint_le(plan->short_calls, 10 * SHORT_MS / 10);
	for (unsigned i = 0; i < 2; i++)
		moment_expect(&viewers[i], &moments[i], &built[i]);
	snprintf(line, sizeof(line),
	    "warning worker: packets are sent later: %s", full[_i].text);
	served_wait_log(&served, line);
	ck_assert_uint_eq(served_log_lines(&served, "warning worker:"), 1);
	ck_assert_uint_eq(served_log_lines(&served, "cause="), 0);
	for (unsigned i = 0; i < 2; i++)
		viewer_close(&viewers[i]);
}
END_TEST

/* Not one of those that a worker keeps for it helps then. */
START_TEST(who_cannot_be_accepted_is_served_when_it_is_over)
{
	watch(&viewers[0], VIEWER_UDP);
	be_short(DYING_accept4, ENFILE);
	viewer_open(&viewers[1], &served, "clip.wmv", VIEWER_TCP);
	viewer_send(&viewers[1], "OPTIONS", 0, "");
	take_from_both(SHORT_MS);
	ck_assert_uint_eq(viewers[1].replies, 0);
	ck_assert(!viewers[1].closed);
	/* At each placement, and not over and over. */
	ck_assert_uint_ge(plan->short_calls, 2);
	ck_assert_uint_le(plan->short_calls, 4 * SHORT_MS / 50);
	be_short(DYING_accept4, 0);
	viewer_wait_reply(&viewers[1], 200);
	viewer_take_packets(&viewers[0], 10);
	served_wait_log(&served, "warning worker: connections are refused: "
				 "Too many open files in system");
	ck_assert_uint_eq(served_log_lines(&served, "warning worker:"), 1);
	for (unsigned i = 0; i < 2; i++)
		viewer_close(&viewers[i]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shortage");
	TCase *rules = tcase_create("shortage");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, begin, end);
	tcase_set_timeout(rules, 60);
	tcase_add_loop_test(rules, packets_that_find_no_buffer_are_sent_later,
	    0, ARRAY_LENGTH(full));
	tcase_add_test(rules, who_cannot_be_accepted_is_served_when_it_is_over);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
