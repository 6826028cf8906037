/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_agent - what the agent makes of a table and of a machine: states,
 * pressure, capacity, who may ask, metrics.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/allow.h"
#include "agent/config.h"
#include "agent/host.h"
#include "agent/metrics.h"
#include "agent/report.h"
#include "base/base.h"

/* --- who may ask -----------------------------------------------------------
 */
static struct allow
allow_of(const char *first, const char *second)
{
	struct settings_list list = { .count = second == NULL ? 1 : 2 };
	struct allow allow;

	strcpy(list.text[0], first);
	if (second != NULL)
		strcpy(list.text[1], second);
	ck_assert_ptr_null(allow_parse(&list, &allow));
	return allow;
}

static bool
may(const struct allow *allow, const char *host)
{
	bool is_ipv6 = strchr(host, ':') != NULL;
	union sock_address peer;
	char text[80];

	snprintf(text, sizeof(text), is_ipv6 ? "[%s]:1" : "%s:1", host);
	ck_assert_int_eq(sock_address_parse(text, &peer), 0);
	return allow_has(allow, &peer);
}

START_TEST(private_is_what_no_router_of_the_internet_forwards)
{
	static const char *const in[] = { "127.0.0.1", "::1", "10.255.255.255",
		"172.16.0.0", "172.31.255.255", "192.168.7.1", "169.254.1.1",
		"100.64.0.1", "fd00::1", "fe80::1", "::ffff:10.0.0.1" };
	static const char *const out[] = { "172.32.0.0", "172.15.255.255",
		"192.0.2.1", "11.0.0.1", "8.8.8.8", "2001:db8::1", "::2",
		"::ffff:11.0.0.1", "100.128.0.1" };
	struct allow allow = allow_of("private", NULL);

	for (size_t i = 0; i < ARRAY_LENGTH(in); i++)
		ck_assert_msg(may(&allow, in[i]), "%s", in[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(out); i++)
		ck_assert_msg(!may(&allow, out[i]), "%s", out[i]);
}
END_TEST

START_TEST(networks_have_bits)
{
	struct allow allow = allow_of("192.0.2.128/25", "2001:db8::/33");

	ck_assert(may(&allow, "192.0.2.128"));
	ck_assert(may(&allow, "::ffff:192.0.2.255"));
	ck_assert(!may(&allow, "192.0.2.127"));
	ck_assert(may(&allow, "2001:db8:7fff::1"));
	ck_assert(!may(&allow, "2001:db8:8000::1"));
	ck_assert(!may(&allow, "127.0.0.1"));
	allow = allow_of("192.0.2.7", "any");
	ck_assert(may(&allow, "8.8.8.8") && may(&allow, "2001:db8::1"));
	allow = allow_of("0.0.0.0/0", NULL);
	ck_assert(may(&allow, "8.8.8.8") && !may(&allow, "2001:db8::1"));
}
END_TEST

START_TEST(what_is_no_network_is_named)
{
	static const char *const wrong[] = { "", "host", "10.0.0.0/33",
		"10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "::/129", "::1/1x",
		"10.0.0.0/0000000000000000000000000000000000000000000000" };

	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		struct settings_list list = { .count = 1 };
		struct allow allow;

		strcpy(list.text[0], wrong[i]);
		ck_assert_ptr_eq(allow_parse(&list, &allow), list.text[0]);
	}
}
END_TEST

/* --- the report ------------------------------------------------------------
 */
static struct sums
served(void)
{
	struct sums sums = { .workers = 2, .heartbeat_age_us = 200000 };

	sums.info.limits.max_sessions = 4000;
	sums.sessions = 3;
	sums.by_state[TABLE_SESSION_PLAYING] = 2;
	sums.counters[TABLE_COMMITTED_BPS] = 250;
	return sums;
}

static struct load_report
report_of(const struct sums *sums, int error)
{
	static const struct host host = { .load1_percent = 120,
		.arp_ignore = 1 };
	struct load_report report;

	report_make(&(struct report_input){ .sums = sums,
			.error = error,
			.host = &host,
			.node = "n1",
			.capacity_bps = 1000,
			.heartbeat_limit_us = 2000000,
			.pressure = 0.2 },
	    &report);
	return report;
}

START_TEST(a_server_that_serves_is_ready)
{
	struct sums sums = served();
	struct load_report report = report_of(&sums, 0);

	ck_assert_int_eq(report.state, LOAD_READY);
	ck_assert_uint_eq(report.percent, 60);
	ck_assert_uint_eq(report.pressure_percent, 20);
	ck_assert_uint_eq(report.sessions, 3);
	ck_assert_uint_eq(report.sessions_playing, 2);
	ck_assert_uint_eq(report.max_sessions, 4000);
	ck_assert_uint_eq(report.heartbeat_age_ms, 200);
	ck_assert_str_eq(report.node, "n1");
}
END_TEST

START_TEST(a_server_that_drains_says_so_unless_it_is_dead)
{
	struct sums sums = served();

	sums.info.draining = 1;
	ck_assert_int_eq(report_of(&sums, 0).state, LOAD_DRAIN);
	sums.heartbeat_age_us = 2000001;
	ck_assert_int_eq(report_of(&sums, 0).state, LOAD_DOWN);
}
END_TEST

START_TEST(what_is_no_server_is_down_and_says_why)
{
	struct sums sums = served();

	ck_assert_str_eq(
	    report_of(NULL, -ENOENT).reason, "no server runs here");
	ck_assert_ptr_nonnull(
	    strstr(report_of(NULL, -EPROTO).reason, "version"));
	ck_assert_str_ne(report_of(NULL, -ENOMEM).reason, "");
	ck_assert_uint_eq(report_of(NULL, -ENOENT).capacity_bps, 1000);
	sums.heartbeat_age_us = UINT64_MAX;
	ck_assert_str_eq(report_of(&sums, 0).reason, "no worker is alive");
	sums.workers = 0;
	ck_assert_int_eq(report_of(&sums, 0).state, LOAD_DOWN);
}
END_TEST

/* --- pressure --------------------------------------------------------------
 */
/* A second in which 100 packets were sent, LATE of them late. */
static void
second(struct pressure *pressure, struct sums *sums, uint64_t late)
{
	sums->taken_us += US_PER_SECOND;
	sums->counters[TABLE_PACKETS_SENT] += 100;
	sums->counters[TABLE_LATE_PACKETS] += late;
	pressure_update(pressure, sums);
}

START_TEST(pressure_is_the_share_of_late_packets_of_the_last_seconds)
{
	struct pressure pressure = { 0 };
	struct sums sums = { .taken_us = 1 };

	sums.counters[TABLE_PACKETS_SENT] = 1000000;
	sums.counters[TABLE_LATE_PACKETS] = 900000; /* long ago */
	pressure_update(&pressure, &sums);
	ck_assert_double_eq(pressure.ratio, 0);
	second(&pressure, &sums, 50);
	ck_assert_double_eq_tol(pressure.ratio, 0.5 / 6, 1e-9);
	for (int i = 0; i < 60; i++)
		second(&pressure, &sums, 50);
	ck_assert_double_eq_tol(pressure.ratio, 0.5, 0.001);
	for (int i = 0; i < 60; i++)
		second(&pressure, &sums, 0);
	ck_assert_double_eq_tol(pressure.ratio, 0, 0.001);
}
END_TEST

START_TEST(pressure_ends_when_nothing_is_sent)
{
	struct pressure pressure = { 0 };
	struct sums sums = { .taken_us = 1 };

	pressure_update(&pressure, &sums);
	for (int i = 0; i < 60; i++)
		second(&pressure, &sums, 200); /* more than were sent */
	ck_assert_double_eq_tol(pressure.ratio, 1, 0.001);
	for (int i = 0; i < 60; i++) {
		sums.taken_us += US_PER_SECOND;
		pressure_update(&pressure, &sums);
	}
	ck_assert_double_eq_tol(pressure.ratio, 0, 0.001);
}
END_TEST

START_TEST(another_server_begins_without_pressure)
{
	struct pressure pressure = { 0 };
	struct sums sums = { .taken_us = 1 };
	double before;

	pressure_update(&pressure, &sums);
	second(&pressure, &sums, 90);
	before = pressure.ratio;
	ck_assert_double_gt(before, 0);
	/* restarted between two looks: counters begin anew */
	sums.taken_us += US_PER_SECOND;
	sums.counters[TABLE_PACKETS_SENT] = 0;
	sums.counters[TABLE_LATE_PACKETS] = 0;
	pressure_update(&pressure, &sums);
	ck_assert_double_eq(pressure.ratio, before);
	second(&pressure, &sums, 0);
	ck_assert_double_lt(pressure.ratio, before);
	pressure_update(&pressure, NULL);
	ck_assert_double_eq(pressure.ratio, 0);
}
END_TEST

/* --- the machine -----------------------------------------------------------
 */
static char root[] = "/tmp/check_agent.XXXXXX";

static void
write_below(const char *path, const char *text)
{
	char whole[256];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (char *at = whole + strlen(root) + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		ck_assert(mkdir(whole, 0755) == 0 || errno == EEXIST);
		*at = '/';
	}
	ck_assert_ptr_nonnull(file = fopen(whole, "w"));
	fputs(text, file);
	fclose(file);
}

static void
machine_setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void
machine_teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	ck_assert_int_eq(system(command), 0);
	strcpy(root + strlen(root) - 6, "XXXXXX");
}

START_TEST(the_default_route_of_the_least_metric_leads_to_the_viewers)
{
	char interface[IF_NAMESIZE];

	ck_assert_int_eq(host_route_interface(root, interface), -ENOENT);
	write_below("/proc/net/route",
	    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
	    "eth2\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
	    "eth1\t00000000\t010200C0\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
	    "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
	    "eth3\t00000000\t010200C0\t0000\t0\t0\t1\t00000000\t0\t0\t0\n");
	ck_assert_int_eq(host_route_interface(root, interface), 0);
	ck_assert_str_eq(interface, "eth0");
}
END_TEST

START_TEST(without_ipv4_the_default_route_of_ipv6_counts)
{
#define ANY "00000000000000000000000000000000"
	char interface[IF_NAMESIZE];

	write_below("/proc/net/ipv6_route",
	    ANY " 00 " ANY " 00 " ANY
		" ffffffff 00000001 00000000 00200200       lo\n" ANY " 00 " ANY
		" 00 fe800000000000000000000000000001 00000400 "
		"00000001 00000000 00000003     eth7\n");
	ck_assert_int_eq(host_route_interface(root, interface), 0);
	ck_assert_str_eq(interface, "eth7");
}
END_TEST

START_TEST(capacity_is_the_speed_of_the_link_if_it_says_one)
{
	uint64_t bps = 7;

	ck_assert_int_eq(host_link_bps(root, "eth0", &bps), -ENODATA);
	write_below("/sys/class/net/eth0/speed", "-1\n");
	ck_assert_int_eq(host_link_bps(root, "eth0", &bps), -ENODATA);
	ck_assert_uint_eq(bps, 7);
	write_below("/sys/class/net/eth0/speed", "10000\n");
	ck_assert_int_eq(host_link_bps(root, "eth0", &bps), 0);
	ck_assert_uint_eq(bps, UINT64_C(10000000000));
}
END_TEST

START_TEST(arp_settings_are_the_larger_of_all_and_the_link)
{
	static const struct settings_list none,
	    named = { .count = 1, .text = { "192.0.2.77" } };
	struct host host;

	host_read(root, "eth0", &none, &host);
	ck_assert_uint_eq(host.arp_ignore + host.arp_announce, 0);
	write_below("/proc/loadavg", "1.07 0.5 0.4 1/100 4711\n");
	write_below("/proc/sys/net/ipv4/conf/all/arp_ignore", "0\n");
	write_below("/proc/sys/net/ipv4/conf/eth0/arp_ignore", "1\n");
	write_below("/proc/sys/net/ipv4/conf/all/arp_announce", "2\n");
	write_below("/proc/sys/net/ipv4/conf/eth0/arp_announce", "0\n");
	host_read(root, "eth0", &named, &host);
	ck_assert_uint_eq(host.load1_percent, 107);
	ck_assert_uint_eq(host.arp_ignore, 1);
	ck_assert_uint_eq(host.arp_announce, 2);
	ck_assert(!host.vip_on_lo);
}
END_TEST

/* --- metrics ---------------------------------------------------------------
 */
START_TEST(histograms_add_up_to_infinity)
{
	struct sums sums = served();
	struct load_report report = report_of(&sums, 0);
	char *text;
	size_t size;
	FILE *memory = open_memstream(&text, &size);

	sums.histograms[TABLE_LATENESS][0] = 1;
	sums.histograms[TABLE_LATENESS][10] = 2;
	sums.histograms[TABLE_LATENESS][TABLE_HISTOGRAM_BUCKETS - 1] = 4;
	metrics_print(memory, true, &report, &sums);
	fclose(memory);
	ck_assert_ptr_nonnull(
	    strstr(text, "# TYPE vodd_lateness_seconds histogram\n"
			 "vodd_lateness_seconds_bucket{le=\"0.000001\"} 1\n"
			 "vodd_lateness_seconds_bucket{le=\"0.000002\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(
	    text, "\nvodd_lateness_seconds_bucket{le=\"0.001024\"} 3\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "\nvodd_lateness_seconds_bucket{le=\"+Inf\"} 7\n"));
	free(text);
}
END_TEST

/* --- the sample ------------------------------------------------------------
 */
START_TEST(the_sample_has_every_setting_in_order_with_its_default)
{
	const char *folder = getenv("srcdir");
	char path[4096], line[256], wanted[256];
	const char *quote;
	size_t row = 0;
	FILE *stream;

	snprintf(path, sizeof(path), "%s/etc/vodagent.conf",
	    folder != NULL ? folder : ".");
	ck_assert_ptr_nonnull(stream = fopen(path, "r"));
	while (fgets(line, sizeof(line), stream) != NULL) {
		if (line[0] != '#' || line[1] < 'a' || line[1] > 'z')
			continue;
		ck_assert_uint_lt(row, config_row_count);
		quote = config_rows[row].type == SETTINGS_BOOL ? "" : "\"";
		snprintf(wanted, sizeof(wanted), "#%s = %s%s%s;\n",
		    config_rows[row].name, quote, config_rows[row].default_text,
		    quote);
		ck_assert_str_eq(line, wanted);
		row++;
	}
	ck_assert_uint_eq(row, config_row_count);
	fclose(stream);
}
END_TEST

/* clang-format off */
static const struct {
	const char *option, *says;
} refused[] = {
	{ "listen=localhost:1", "listen: 'localhost:1'" },
	{ "listen=\"\"",        "listen: ''" },
	{ "http=x",             "http: 'x'" },
	{ "rtsp=\"\"",          "rtsp: ''" },
	{ "allow=10.0.0.0/33",  "allow: '10.0.0.0/33'" },
	{ "vip=10.0.0.0/8",     "vip: '10.0.0.0/8'" },
	{ "vip=host",           "vip: 'host'" },
	{ "interface=../x",     "interface: '../x'" },
	{ "capacity=1",         "capacity" },
	{ "nothing=1",          "nothing" },
};
/* clang-format on */

START_TEST(what_is_wrong_in_the_settings_is_named)
{
	struct settings_source source = { .file = "/nowhere/vodagent.conf",
		.file_optional = true,
		.override_count = 1,
		.overrides = { refused[_i].option } };
	char error[SETTINGS_ERROR_MAX];
	struct config config;

	ck_assert_int_ne(config_load(&source, &config, error), 0);
	ck_assert_msg(strstr(error, refused[_i].says) != NULL, "%s", error);
	source.override_count = 0;
	ck_assert_int_eq(config_load(&source, &config, error), 0);
	source.file_optional = false;
	ck_assert_int_eq(config_load(&source, &config, error), -ENOENT);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("agent");
	TCase *tests = tcase_create("agent"),
	      *machine = tcase_create("machine");
	SRunner *runner;
	int failed;

	tcase_add_test(
	    tests, private_is_what_no_router_of_the_internet_forwards);
	tcase_add_test(tests, networks_have_bits);
	tcase_add_test(tests, what_is_no_network_is_named);
	tcase_add_test(tests, a_server_that_serves_is_ready);
	tcase_add_test(tests, a_server_that_drains_says_so_unless_it_is_dead);
	tcase_add_test(tests, what_is_no_server_is_down_and_says_why);
	tcase_add_test(
	    tests, pressure_is_the_share_of_late_packets_of_the_last_seconds);
	tcase_add_test(tests, pressure_ends_when_nothing_is_sent);
	tcase_add_test(tests, another_server_begins_without_pressure);
	tcase_add_test(tests, histograms_add_up_to_infinity);
	tcase_add_test(
	    tests, the_sample_has_every_setting_in_order_with_its_default);
	tcase_add_loop_test(tests, what_is_wrong_in_the_settings_is_named, 0,
	    (int)ARRAY_LENGTH(refused));
	suite_add_tcase(suite, tests);
	tcase_add_checked_fixture(machine, machine_setup, machine_teardown);
	tcase_add_test(machine,
	    the_default_route_of_the_least_metric_leads_to_the_viewers);
	tcase_add_test(machine, without_ipv4_the_default_route_of_ipv6_counts);
	tcase_add_test(
	    machine, capacity_is_the_speed_of_the_link_if_it_says_one);
	tcase_add_test(
	    machine, arp_settings_are_the_larger_of_all_and_the_link);
	suite_add_tcase(suite, machine);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
