/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's settings: the table itself, the sample file against it, and what
 * takes more than one value to check.
 */
#include "server/config.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"

static char file[64];
static char error[SETTINGS_ERROR_MAX];

static void
make_file(void)
{
	int fd;

	strcpy(file, "/tmp/check-config-XXXXXX");
	ck_assert_int_ge(fd = mkstemp(file), 0);
	close(fd);
	error[0] = '\0';
}

static void
remove_file(void)
{
	unlink(file);
}

static void
write_file(const char *text)
{
	FILE *stream = fopen(file, "w");

	ck_assert_ptr_nonnull(stream);
	fputs(text, stream);
	fclose(stream);
}

static int
load(const char *text, struct config *out)
{
	const struct program_options options = { .settings.file = file };

	write_file(text);
	return config_load(&options, out, error);
}

static void
assert_refused(const char *text, const char *word)
{
	struct config config;

	ck_assert_int_eq(load(text, &config), -EINVAL);
	ck_assert_msg(
	    strstr(error, word) != NULL, "\"%s\" not in: %s", word, error);
	ck_assert_msg(strncmp(error, file, strlen(file)) == 0,
	    "the file is not named: %s", error);
}

/* --- the table ---------------------------------------------------------------
 */
START_TEST(every_default_is_within_its_limits)
{
	struct config config;

	ck_assert_int_eq(load("", &config), 0);
	ck_assert_str_eq(config.media_root, "/srv/vodd");
	ck_assert_uint_eq(config.listen.count, 1);
	ck_assert_str_eq(config.listen.text[0], ":554");
	ck_assert_uint_eq(config.rtp_ports.last, 0);
	ck_assert_uint_eq(config.max_sessions, 4000);
	ck_assert_uint_eq(config.max_sessions_per_address, 0);
	ck_assert_uint_eq(config.max_bandwidth_bps, 0);
	ck_assert_uint_eq(config.session_timeout_us, 60 * US_PER_SECOND);
	ck_assert_uint_eq(config.send_ahead_us, 50 * US_PER_MS);
	ck_assert_uint_eq(config.payload_limit_bytes, 1448);
	ck_assert_uint_eq(config.payload_limit_ipv6_bytes, 1200);
	ck_assert(config.udp && config.tcp);
	ck_assert_uint_eq(config.log_level, LOG_LEVEL_INFO);
	ck_assert_uint_eq(config.log_target, LOG_TO_SYSLOG);
}
END_TEST

START_TEST(names_stand_once_and_say_what_they_are_for)
{
	for (size_t i = 0; i < config_row_count; i++) {
		ck_assert_int_gt((int)strlen(config_rows[i].help), 10);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(
			    config_rows[i].name, config_rows[k].name);
	}
}
END_TEST

static bool
is_number(const struct settings_row *row)
{
	return row->type == SETTINGS_COUNT || row->type == SETTINGS_RATE ||
	       row->type == SETTINGS_SIZE || row->type == SETTINGS_TIME ||
	       row->type == SETTINGS_NUMBER;
}

/* libconfig would wrap the first two silently. */
START_TEST(no_number_takes_what_is_none)
{
	static const char *const values[] = { "4294967297", "10000000000", "-1",
		"\"1e3\"", "\"-1\"", "\"4294967297000000000000\"", "true",
		"\"\"" };
	char text[128];
	struct config config;

	for (size_t i = 0; i < config_row_count; i++) {
		if (!is_number(&config_rows[i]))
			continue;
		for (size_t k = 0; k < ARRAY_LENGTH(values); k++) {
			snprintf(text, sizeof(text), "\n%s = %s;\n",
			    config_rows[i].name, values[k]);
			ck_assert_msg(
			    load(text, &config) == -EINVAL, "taken: %s", text);
			ck_assert_msg(strstr(error, ":2: ") != NULL,
			    "no line: %s", error);
			ck_assert_msg(
			    strstr(error, config_rows[i].name) != NULL,
			    "no name: %s", error);
		}
	}
}
END_TEST

START_TEST(an_unknown_setting_is_refused_with_its_line)
{
	assert_refused("udp = true;\n\nmax_session = 5;\n", ":3: ");
}
END_TEST

/* --- the sample file
 * ----------------------------------------------------------- */
static FILE *
open_sample(void)
{
	const char *folder = getenv("srcdir");
	char path[4096];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/etc/vodd.conf",
	    folder != NULL ? folder : ".");
	stream = fopen(path, "r");
	ck_assert_msg(stream != NULL, "cannot open %s", path);
	return stream;
}

/* "#name = value;" -> name, value. */
static bool
take_setting(char *line, char **name, char **value)
{
	char *equals = strstr(line, " = "), *end = strrchr(line, ';');

	if (line[0] != '#' || line[1] < 'a' || line[1] > 'z' ||
	    equals == NULL || end == NULL || end[1] != '\n')
		return false;
	*equals = *end = '\0';
	*name = line + 1;
	*value = equals + 3;
	return true;
}

START_TEST(the_sample_has_every_setting_in_order_with_its_default)
{
	char line[256], *name, *value, plain[256];
	FILE *stream = open_sample();
	size_t row = 0;

	while (fgets(line, sizeof(line), stream) != NULL) {
		if (!take_setting(line, &name, &value))
			continue;
		ck_assert_uint_lt(row, config_row_count);
		ck_assert_str_eq(name, config_rows[row].name);
		snprintf(plain, sizeof(plain), "%s",
		    value[0] == '"' ? value + 1 : value);
		if (value[0] == '"')
			plain[strlen(plain) - 1] = '\0';
		ck_assert_str_eq(plain, config_rows[row].default_text);
		row++;
	}
	ck_assert_uint_eq(row, config_row_count);
	fclose(stream);
}
END_TEST

START_TEST(the_sample_uncommented_is_the_defaults)
{
	char line[256], names[256], text[8192] = "", *name, *value;
	FILE *stream = open_sample();
	struct config defaults, config;

	ck_assert_int_eq(load("", &defaults), 0);
	while (fgets(line, sizeof(line), stream) != NULL)
		if (take_setting(line, &name, &value))
			snprintf(text + strlen(text),
			    sizeof(text) - strlen(text), "%s = %s;\n", name,
			    value);
	fclose(stream);
	ck_assert_msg(load(text, &config) == 0, "%s", error);
	ck_assert_uint_eq(
	    config_compare(&defaults, &config, names, sizeof(names)), 0);
}
END_TEST

static uint64_t
value_of(const struct settings_row *row, const struct config *config)
{
	const char *at = (const char *)config + row->offset;

	return row->type == SETTINGS_NUMBER ? (uint64_t) * (const double *)at
					    : *(const uint64_t *)at;
}

/* The comment's words are put in; they must be the table's limits. */
static void
check_limits(const struct settings_row *row, char *limits)
{
	char text[256], *most = strstr(limits, " to ");
	char *const ends[2] = { limits, most + 4 };
	const uint64_t expected[2] = { row->least, row->most };
	struct config config;

	ck_assert_ptr_nonnull(most);
	*most = '\0';
	*strchr(ends[1], '.') = '\0';
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%s = %s;\n", row->name, ends[i]);
		ck_assert_msg(load(text, &config) == 0, "%s", error);
		ck_assert_msg(value_of(row, &config) == expected[i],
		    "%s: the sample says %s", row->name, ends[i]);
	}
}

START_TEST(the_sample_tells_the_limits)
{
	char line[256], limits[256] = "", *name, *value;
	FILE *stream = open_sample();
	size_t row = 0;

	while (fgets(line, sizeof(line), stream) != NULL) {
		if (strncmp(line, "# Limits: ", 10) == 0)
			strcpy(limits, line + 10);
		if (line[0] == '\n')
			limits[0] = '\0';
		if (!take_setting(line, &name, &value))
			continue;
		if (is_number(&config_rows[row])) {
			ck_assert_msg(limits[0] != '\0', "no limits: %s", name);
			check_limits(&config_rows[row], limits);
		}
		row++;
	}
	fclose(stream);
}
END_TEST

/* --- several values together
 * --------------------------------------------------- */
START_TEST(addresses_are_numeric_and_stand_once)
{
	struct config config;

	ck_assert_msg(load("listen = ( \"127.0.0.1:8554\", \"[::1]:8554\" );\n",
			  &config) == 0,
	    "%s", error);
	ck_assert_uint_eq(config.listen.count, 2);
	assert_refused("udp = true;\nlisten = \"localhost:554\";\n", ":2: ");
	assert_refused("listen = ( \":554\", \":554\" );\n", "twice");
	assert_refused("listen = ( );\n", "listen");
}
END_TEST

START_TEST(each_worker_needs_a_pair_of_ports)
{
	struct config config;

	ck_assert_int_eq(
	    load("workers = 4;\nrtp_ports = \"40000-40007\";\n", &config), 0);
	assert_refused("workers = 5;\nrtp_ports = \"40000-40007\";\n", ":2: ");
	assert_refused("workers = 4;\nrtp_ports = \"40001-40007\";\n", ":2: ");
	assert_refused("rtp_ports = \"40007-40000\";\n", ":1: ");
}
END_TEST

START_TEST(one_transport_must_be_left)
{
	assert_refused("udp = false;\ntcp = false;\n", ":2: ");
}
END_TEST

START_TEST(overrides_stand_above_the_file_and_the_last_above_all)
{
	struct program_options options = { .foreground = true,
		.settings = { .file = file,
		    .override_count = 4,
		    .overrides = { "workers=3", "max_sessions=10", "workers=2",
			"media_root=/tmp/a \"quoted\" folder" } } };
	struct config config;

	write_file("workers = 4;\nmax_sessions = 20;\nmax_speed = 4;\n");
	ck_assert_msg(config_load(&options, &config, error) == 0, "%s", error);
	ck_assert_uint_eq(config.workers, 2);
	ck_assert_uint_eq(config.max_sessions, 10);
	ck_assert(config.max_speed > 3.9 && config.max_speed < 4.1);
	ck_assert_str_eq(config.media_root, "/tmp/a \"quoted\" folder");
	ck_assert_uint_eq(config.log_target, LOG_TO_STDERR);

	options.settings.overrides[2] = "workers=65";
	ck_assert_int_eq(config_load(&options, &config, error), -EINVAL);
	ck_assert_uint_eq(config.workers, 2);
}
END_TEST

START_TEST(only_the_default_file_may_be_missing)
{
	struct program_options options = { .settings = { .file = file,
					       .file_optional = true } };
	struct config config;

	unlink(file);
	ck_assert_int_eq(config_load(&options, &config, error), 0);
	options.settings.file_optional = false;
	ck_assert_int_eq(config_load(&options, &config, error), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error, file));
}
END_TEST

/* --- reload
 * ---------------------------------------------------------------------- */
START_TEST(a_difference_is_named_with_what_it_takes)
{
	struct config a, b;
	char names[256];

	ck_assert_int_eq(load("", &a), 0);
	ck_assert_int_eq(load("workers = 3;\nlisten = \":8554\";\n"
			      "log_level = \"debug\";\n",
			     &b),
	    0);
	ck_assert_uint_eq(config_compare(&a, &b, names, sizeof(names)),
	    CONFIG_WORKERS | CONFIG_NUMBER | CONFIG_AT_ONCE);
	ck_assert_str_eq(names, "listen, workers, log_level");
	ck_assert_int_eq(load("send_ahead = \"20 ms\";\n", &b), 0);
	ck_assert_uint_eq(
	    config_compare(&a, &b, names, sizeof(names)), CONFIG_WORKERS);
	ck_assert_str_eq(names, "send_ahead");
}
END_TEST

START_TEST(there_is_a_lane_for_each_worker)
{
	struct config config;

	ck_assert_int_eq(load("workers = 7;\n", &config), 0);
	ck_assert_uint_eq(config_lanes(&config), 7);
	ck_assert_int_eq(load("", &config), 0);
	ck_assert_uint_ge(config_lanes(&config), 1);
	ck_assert_uint_le(config_lanes(&config), 64);
	ck_assert_uint_eq(config_connections(&config), 6000);
}
END_TEST

static void
add_tests(TCase *cases)
{
	tcase_add_test(cases, every_default_is_within_its_limits);
	tcase_add_test(cases, names_stand_once_and_say_what_they_are_for);
	tcase_add_test(cases, no_number_takes_what_is_none);
	tcase_add_test(cases, an_unknown_setting_is_refused_with_its_line);
	tcase_add_test(
	    cases, the_sample_has_every_setting_in_order_with_its_default);
	tcase_add_test(cases, the_sample_uncommented_is_the_defaults);
	tcase_add_test(cases, the_sample_tells_the_limits);
	tcase_add_test(cases, addresses_are_numeric_and_stand_once);
	tcase_add_test(cases, each_worker_needs_a_pair_of_ports);
	tcase_add_test(cases, one_transport_must_be_left);
	tcase_add_test(
	    cases, overrides_stand_above_the_file_and_the_last_above_all);
	tcase_add_test(cases, only_the_default_file_may_be_missing);
	tcase_add_test(cases, a_difference_is_named_with_what_it_takes);
	tcase_add_test(cases, there_is_a_lane_for_each_worker);
}

int
main(void)
{
	Suite *suite = suite_create("config");
	TCase *cases = tcase_create("config");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, make_file, remove_file);
	add_tests(cases);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
