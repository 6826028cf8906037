/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a reload keeps of listeners and lanes, what it opens, and how far limits
 * can be raised.
 */
#include "server/resources.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

static struct config config;
static struct resources resources;
static char error[SETTINGS_ERROR_MAX];
static char folder[] = "/tmp/check-resources-XXXXXX";

static void
listen_at(unsigned count, const char *const addresses[])
{
	config.listen.count = count;
	for (unsigned i = 0; i < count; i++)
		snprintf(config.listen.text[i], sizeof(config.listen.text[i]),
		    "%s", addresses[i]);
}

#define LISTEN(...)                                                            \
	listen_at(ARRAY_LENGTH(((const char *const[]){ __VA_ARGS__ })),        \
	    (const char *const[]){ __VA_ARGS__ })

static void
open_two_lanes(void)
{
	settings_defaults(config_rows, config_row_count, &config);
	strcpy(config.media_root, "/");
	config.workers = 2;
	LISTEN("127.0.0.1:0", "127.0.0.2:0");
	resources_init(&resources, NULL);
	ck_assert_msg(resources_open(&config, 2, NULL, &resources, error) == 0,
	    "%s", error);
}

static void
close_lanes(void)
{
	resources_close(&resources);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* What is shared under CONFIG, in place of what was. */
static void
change(struct resources_shared *before)
{
	struct resources_shared next;

	*before = resources.shared;
	ck_assert_msg(
	    resources_share(&config, before, &next, error) == 0, "%s", error);
	resources.shared = next;
}

START_TEST(a_listener_that_stays_keeps_its_descriptor)
{
	struct resources_shared before;
	const struct resources_shared *now = &resources.shared;
	int gone;

	LISTEN("127.0.0.3:0", "127.0.0.2:0");
	change(&before);
	ck_assert_int_eq(now->listeners[1].fd, before.listeners[1].fd);
	ck_assert(!resources_has_listener(&before, now->listeners[0].fd));
	ck_assert(!resources_has_listener(now, before.listeners[0].fd));
	ck_assert_int_eq(now->media_root, before.media_root);

	gone = before.listeners[0].fd;
	resources_unshare(&before, now);
	ck_assert(!is_open(gone));
	ck_assert(is_open(now->listeners[1].fd));
	ck_assert(is_open(now->media_root));
}
END_TEST

START_TEST(the_same_port_asked_for_by_its_number_is_the_same_listener)
{
	struct resources_shared before;
	char address[SOCK_TEXT_MAX];

	sock_address_text(&resources.shared.listeners[1].bound, true, address);
	LISTEN(address);
	change(&before);
	ck_assert_uint_eq(resources.shared.listener_count, 1);
	ck_assert_int_eq(
	    resources.shared.listeners[0].fd, before.listeners[1].fd);
	resources_unshare(&before, &resources.shared);
}
END_TEST

START_TEST(what_cannot_be_opened_leaves_everything_as_it_was)
{
	struct resources_shared next = { .media_root = -1 };
	char address[SOCK_TEXT_MAX];
	int before, after;

	snprintf(address, sizeof(address), "0.0.0.0:%u",
	    sock_address_port(&resources.shared.listeners[0].bound));
	LISTEN("127.0.0.3:0", "127.0.0.2:0", address);
	before = open("/", O_PATH);
	close(before);
	ck_assert_int_eq(
	    resources_share(&config, &resources.shared, &next, error),
	    -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(error, "overlaps"));
	ck_assert_int_eq(next.media_root, -1);
	strcpy(config.media_root, "/nowhere-at-all");
	ck_assert_int_eq(
	    resources_share(&config, &resources.shared, &next, error), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error, "/nowhere-at-all"));
	/* No descriptor was left open. */
	after = open("/", O_PATH);
	close(after);
	ck_assert_int_eq(after, before);
	for (unsigned i = 0; i < 2; i++)
		ck_assert(is_open(resources.shared.listeners[i].fd));
}
END_TEST

START_TEST(a_lane_suits_as_long_as_its_sessions_would)
{
	struct resources_shared before;
	/* IPv4, and where there is, IPv6. */
	unsigned port = MAX_OF(
	    resources.lanes[0].pairs[0].port, resources.lanes[0].pairs[1].port);

	ck_assert(resources_lane_suits(&resources, 0, &config));
	config.rtp_ports = (struct settings_range){ 2, UINT16_MAX };
	ck_assert(resources_lane_suits(&resources, 0, &config));
	config.rtp_ports.last = (uint16_t)port;
	ck_assert(!resources_lane_suits(&resources, 0, &config));
	config.rtp_ports = (struct settings_range){ 0, 0 };
	config.udp = false;
	ck_assert(!resources_lane_suits(&resources, 0, &config));
	config.udp = true;
	strcpy(config.media_root, "/tmp");
	change(&before);
	ck_assert(!resources_lane_suits(&resources, 0, &config));
	ck_assert_int_eq(resources_open_lane(&config, 2, &resources, error), 0);
	ck_assert(resources_lane_suits(&resources, 2, &config));
	resources_unshare(&before, &resources.shared);
	/* Another name of the same folder. */
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(
	    config.media_root, sizeof(config.media_root), "%s/link", folder);
	ck_assert_int_eq(symlink("/tmp", config.media_root), 0);
	change(&before);
	ck_assert(resources_lane_suits(&resources, 2, &config));
	resources_unshare(&before, &resources.shared);
	unlink(config.media_root);
	rmdir(folder);
}
END_TEST

START_TEST(a_lane_is_opened_as_far_as_it_lacks_something)
{
	struct resources_lane *lane = &resources.lanes[1];
	struct sock_pair before = lane->pairs[0];
	int root = lane->media_root;

	ck_assert_int_eq(resources_open_lane(&config, 1, &resources, error), 0);
	ck_assert_int_eq(lane->pairs[0].rtp, before.rtp);
	ck_assert_int_eq(lane->media_root, root);
	resources_close_lane(&resources, 1);
	ck_assert(!is_open(before.rtp));
	ck_assert(!is_open(root));
	config.udp = false;
	ck_assert_int_eq(resources_open_lane(&config, 1, &resources, error), 0);
	ck_assert_int_eq(lane->pairs[0].family, 0);
	config.udp = true;
	ck_assert_int_eq(resources_open_lane(&config, 1, &resources, error), 0);
	ck_assert_int_ne(lane->pairs[0].family, 0);
}
END_TEST

START_TEST(limits_can_be_raised_to_what_the_table_holds)
{
	struct table_limits limits;
	char note[SETTINGS_ERROR_MAX];

	config.max_sessions = 10;
	resources_table_limits(&config, &limits);
	ck_assert_uint_eq(limits.lanes, 2);
	ck_assert_uint_eq(limits.lanes + limits.spare_lanes, TABLE_LANES_MAX);
	config.max_sessions = 40;
	resources_fit_table(&config, &limits, note);
	ck_assert_str_eq(note, "");
	ck_assert_uint_eq(config.max_sessions, 40);
	config.max_sessions = 41;
	resources_fit_table(&config, &limits, note);
	ck_assert_ptr_nonnull(strstr(note, "restart: max_sessions"));
	ck_assert_uint_eq(config.max_sessions, 40);
	/* More workers have room for more. */
	config.max_sessions = 41;
	config.workers = 3;
	resources_fit_table(&config, &limits, note);
	ck_assert_str_eq(note, "");
	config.max_connections = 1000;
	resources_fit_table(&config, &limits, note);
	ck_assert_ptr_nonnull(strstr(note, "restart: max_connections"));
}
END_TEST

START_TEST(the_largest_settings_fit_a_table)
{
	struct table_limits limits;

	config.max_sessions = 500000;
	config.max_connections = 1000000;
	resources_table_limits(&config, &limits);
	ck_assert_uint_lt(table_size(&limits), UINT64_C(1) << 40);
	config.max_connections = 0;
	resources_table_limits(&config, &limits);
	ck_assert_uint_lt(table_size(&limits), UINT64_C(1) << 40);
	ck_assert_uint_le(limits.lane_connections, 1000000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("resources");
	TCase *cases = tcase_create("resources");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, open_two_lanes, close_lanes);
	tcase_add_test(cases, a_listener_that_stays_keeps_its_descriptor);
	tcase_add_test(
	    cases, the_same_port_asked_for_by_its_number_is_the_same_listener);
	tcase_add_test(
	    cases, what_cannot_be_opened_leaves_everything_as_it_was);
	tcase_add_test(cases, a_lane_suits_as_long_as_its_sessions_would);
	tcase_add_test(cases, a_lane_is_opened_as_far_as_it_lacks_something);
	tcase_add_test(cases, limits_can_be_raised_to_what_the_table_holds);
	tcase_add_test(cases, the_largest_settings_fit_a_table);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
