/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_titles - rules of a worker's open titles.  Time passes for the sweep
 * alone, which is told what time it is.
 */
#include "server/titles.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "asf_build.h"
#include "base/base.h"
#include "lane.h"

#define PACKETS 40u
#define PACKET 400u

static struct test_lane test;
static char folder[64];

static void
store_title(const char *name, uint32_t first_ms)
{
	struct build_properties properties = { .packets = PACKETS,
		.play_100ns = 40000000,
		.flags = 2,
		.least = PACKET,
		.most = PACKET };
	struct build build = build_new();
	size_t began = build_header_begin(&build);

	build_file_properties(&build, &properties);
	build_video(&build, 1);
	build_end(&build, began);
	build_data_begin(&build, 50 + PACKETS * PACKET, PACKETS);
	for (unsigned i = 0; i < PACKETS; i++) {
		uint32_t at_ms = first_ms + i * 100;
		struct build_payload payload = { 0x81, i, 0, 100, at_ms, 100 };

		build_packet(&build, PACKET, at_ms, 10, &payload, 1);
	}
	test_folder_store(folder, name, build.data, build.at);
	free(build.data);
}

/* As those who publish do: the new one has another name until it is whole. */
static void
replace_title(const char *name, uint32_t first_ms)
{
	char from[128], to[128];

	store_title("new", first_ms);
	snprintf(from, sizeof(from), "%s/new", folder);
	snprintf(to, sizeof(to), "%s/%s", folder, name);
	ck_assert_int_eq(rename(from, to), 0);
}

static void
begin(void)
{
	test_folder_make(folder);
	test_lane_begin(&test, folder);
}

static void
end(void)
{
	test_lane_end(&test);
	test_folder_remove(folder);
}

struct caller {
	struct waiter waiter;
	unsigned calls;
};

static void
called(struct waiter *waiter)
{
	CONTAINER_OF(waiter, struct caller, waiter)->calls++;
}

static bool
was_called(void *context)
{
	return ((struct caller *)context)->calls > 0;
}

static int
ask(const char *path, struct caller *caller, struct titles_entry **out)
{
	const char *reason = NULL;
	int error;

	*caller = (struct caller){ .waiter = { .ready = called } };
	error =
	    titles_get(test.lane.titles, path, &caller->waiter, out, &reason);
	ck_assert((reason != NULL) == (error != 0 && error != -EINPROGRESS));
	return error;
}

/* Until it is known. */
static int
get(const char *path, struct titles_entry **out)
{
	struct caller caller;
	int error;

	while ((error = ask(path, &caller, out)) == -EINPROGRESS)
		ck_assert(test_lane_until(&test, was_called, &caller));
	return error;
}

static void
sweep_in(uint64_t us)
{
	titles_sweep(test.lane.titles, loop_now_us(test.lane.loop) + us);
}

static unsigned
used_records(void)
{
	struct table_title view;
	unsigned used = 0;
	uint32_t record,
	    most = table_high_water(test.lane.table, 0, TABLE_TITLE);

	for (record = 0; record < most; record++) {
		ck_assert(
		    table_read(test.lane.table, 0, TABLE_TITLE, record, &view));
		used += view.state == TABLE_USED;
	}
	return used;
}

/* --- opening -------------------------------------------------------------- */

START_TEST(a_title_is_opened_once_for_all_who_ask)
{
	struct titles_entry *first, *second;
	struct caller one, two;

	store_title("a.wmv", 0);
	ck_assert_int_eq(ask("a.wmv", &one, &first), -EINPROGRESS);
	ck_assert_int_eq(ask("a.wmv", &two, &second), -EINPROGRESS);
	ck_assert(test_lane_until(&test, was_called, &one));
	ck_assert_uint_eq(one.calls, 1);
	ck_assert_uint_eq(two.calls, 1);
	ck_assert_int_eq(ask("a.wmv", &one, &first), 0);
	ck_assert_int_eq(ask("a.wmv", &two, &second), 0);
	ck_assert_ptr_eq(first, second);
	ck_assert_uint_eq(title_packets(titles_title(first)), PACKETS);
	ck_assert_str_eq(titles_path(first), "a.wmv");
}
END_TEST

START_TEST(who_forgot_his_waiter_is_not_called)
{
	struct titles_entry *entry;
	struct caller gone, stays;

	store_title("a.wmv", 0);
	ck_assert_int_eq(ask("a.wmv", &gone, &entry), -EINPROGRESS);
	ck_assert_int_eq(ask("a.wmv", &stays, &entry), -EINPROGRESS);
	waiter_forget(&gone.waiter);
	ck_assert(test_lane_until(&test, was_called, &stays));
	ck_assert_uint_eq(gone.calls, 0);
}
END_TEST

START_TEST(the_table_says_which_file_it_is)
{
	const struct title_identity *identity;
	struct titles_entry *entry;
	struct table_title view;

	store_title("a.wmv", 700);
	ck_assert_int_eq(get("a.wmv", &entry), 0);
	ck_assert_uint_eq(titles_first_ms(entry), 700);
	ck_assert(table_read(
	    test.lane.table, 0, TABLE_TITLE, titles_record(entry), &view));
	identity = title_identity(titles_title(entry));
	ck_assert_uint_eq(view.state, TABLE_USED);
	ck_assert_str_eq(view.path, "a.wmv");
	ck_assert_uint_eq(view.inode, identity->inode);
	ck_assert_uint_eq(view.device, identity->device);
	ck_assert_uint_eq(view.bytes, identity->bytes);
	ck_assert_uint_eq(view.change_time_us, identity->change_time_us);
}
END_TEST

START_TEST(more_titles_than_the_table_holds_are_refused)
{
	uint32_t capacity = table_capacity(test.lane.table, TABLE_TITLE);
	struct titles_entry *entry;
	char name[32];

	for (uint32_t i = 0; i <= capacity; i++) {
		snprintf(name, sizeof(name), "%u.wmv", i);
		store_title(name, 0);
		ck_assert_int_eq(get(name, &entry), i < capacity ? 0 : -EUSERS);
	}
	ck_assert_uint_eq(used_records(), capacity);
}
END_TEST

/* --- failing -------------------------------------------------------------- */

START_TEST(a_failure_is_remembered_for_a_second)
{
	struct titles_entry *entry;
	struct caller caller;

	ck_assert_int_eq(get("a.wmv", &entry), -ENOENT);
	store_title("a.wmv", 0);
	ck_assert_int_eq(ask("a.wmv", &caller, &entry), -ENOENT);
	sweep_in(US_PER_SECOND / 2);
	ck_assert_int_eq(ask("a.wmv", &caller, &entry), -ENOENT);
	sweep_in(US_PER_SECOND + 1);
	ck_assert_int_eq(get("a.wmv", &entry), 0);
}
END_TEST

/* More than are remembered, within a second. */
START_TEST(absent_titles_leave_room_for_those_that_are_there)
{
	struct titles_entry *entry;
	char name[32];

	store_title("a.wmv", 0);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "absent%u.wmv", i);
		ck_assert_int_eq(get(name, &entry), -ENOENT);
	}
	ck_assert_int_eq(get("a.wmv", &entry), 0);
	ck_assert_int_eq(get("absent9999.wmv", &entry), -ENOENT);
}
END_TEST

START_TEST(what_is_no_title_is_refused)
{
	struct titles_entry *entry;

	test_folder_store(folder, "b.wmv", "RIFF....WAVE", 12);
	ck_assert_int_eq(get("b.wmv", &entry), -EBADMSG);
	ck_assert_int_eq(get("../b.wmv", &entry), -ENOENT);
	ck_assert_int_eq(get("", &entry), -ENOENT);
	ck_assert_uint_eq(used_records(), 0);
}
END_TEST

/* --- changing ------------------------------------------------------------- */

START_TEST(a_file_that_took_its_place_is_another_title)
{
	struct titles_entry *old, *again, *new;

	store_title("a.wmv", 0);
	ck_assert_int_eq(get("a.wmv", &old), 0);
	titles_hold(old);
	test_lane_pass(&test, TITLES_FRESH_US + US_PER_SECOND / 10);
	ck_assert_int_eq(get("a.wmv", &again), 0);
	ck_assert_ptr_eq(again, old); /* looked at, and found the same */
	replace_title("a.wmv", 500);
	ck_assert_int_eq(get("a.wmv", &again), 0);
	ck_assert_ptr_eq(again, old); /* it was fresh */
	test_lane_pass(&test, TITLES_FRESH_US + US_PER_SECOND / 10);
	ck_assert_int_eq(get("a.wmv", &new), 0);
	ck_assert_ptr_ne(new, old);
	ck_assert_uint_eq(titles_first_ms(new), 500);
	/* Who has the old one goes on with it. */
	ck_assert_uint_eq(titles_first_ms(old), 0);
	ck_assert_uint_eq(used_records(), 2);
	sweep_in(US_PER_SECOND);
	ck_assert_uint_eq(used_records(), 2);
	titles_drop(old);
	sweep_in(US_PER_SECOND);
	ck_assert_uint_eq(used_records(), 1);
}
END_TEST

/* Whether the path means another file now, it doesn't say. */
START_TEST(a_look_that_fails_for_a_shortage_changes_nothing)
{
	struct titles_entry *open, *again;
	struct rlimit limit, tight;

	store_title("a.wmv", 0);
	ck_assert_int_eq(get("a.wmv", &open), 0);
	test_lane_pass(&test, TITLES_FRESH_US + US_PER_SECOND / 10);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	ck_assert_int_eq(get("a.wmv", &again), 0);
	ck_assert_ptr_eq(again, open);
	ck_assert_int_eq(get("b.wmv", &again), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(get("a.wmv", &again), 0);
	ck_assert_ptr_eq(again, open);
}
END_TEST

/* --- closing -------------------------------------------------------------- */

START_TEST(a_title_that_nobody_used_for_long_is_closed)
{
	struct titles_entry *held, *idle;

	store_title("held.wmv", 0);
	store_title("idle.wmv", 0);
	ck_assert_int_eq(get("held.wmv", &held), 0);
	titles_hold(held);
	titles_hold(held);
	titles_drop(held);
	ck_assert_int_eq(get("idle.wmv", &idle), 0);
	sweep_in(TITLES_IDLE_US - US_PER_SECOND);
	ck_assert_uint_eq(used_records(), 2);
	sweep_in(TITLES_IDLE_US + US_PER_SECOND);
	ck_assert_uint_eq(used_records(), 1);
	ck_assert_uint_eq(title_packets(titles_title(held)), PACKETS);
	/* It can be asked for before its closing has come to an end. */
	ck_assert_int_eq(get("idle.wmv", &idle), 0);
	ck_assert_uint_eq(used_records(), 2);
	titles_drop(held);
	titles_drop(NULL);
	sweep_in(TITLES_IDLE_US + US_PER_SECOND);
	ck_assert_uint_eq(used_records(), 0);
}
END_TEST

/* --- the suite ------------------------------------------------------------ */

int
main(void)
{
	Suite *suite = suite_create("titles");
	TCase *rules = tcase_create("titles");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, begin, end);
	tcase_set_timeout(rules, 30);
	tcase_add_test(rules, a_title_is_opened_once_for_all_who_ask);
	tcase_add_test(rules, who_forgot_his_waiter_is_not_called);
	tcase_add_test(rules, the_table_says_which_file_it_is);
	tcase_add_test(rules, more_titles_than_the_table_holds_are_refused);
	tcase_add_test(rules, a_failure_is_remembered_for_a_second);
	tcase_add_test(
	    rules, absent_titles_leave_room_for_those_that_are_there);
	tcase_add_test(rules, what_is_no_title_is_refused);
	tcase_add_test(rules, a_file_that_took_its_place_is_another_title);
	tcase_add_test(rules, a_look_that_fails_for_a_shortage_changes_nothing);
	tcase_add_test(rules, a_title_that_nobody_used_for_long_is_closed);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
