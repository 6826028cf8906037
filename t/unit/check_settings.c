/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_settings - the rules of base/settings.
 */
#include "base/settings.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

struct group {
	uint64_t count;
	char text[SETTINGS_TEXT_MAX];
};

struct target {
	uint64_t group_count;
	struct group groups[3];
	uint64_t count, rate, size, time, choice;
	bool truth;
	char text[SETTINGS_TEXT_MAX];
	struct settings_list list;
	struct settings_range range;
	double number;
};

#define AT(field) offsetof(struct target, field)

static const char *const choices[] = { "error", "info", NULL };

/* clang-format off */
static const struct settings_row group_rows[] = {
	{ "count", SETTINGS_COUNT, offsetof(struct group, count), "7", 1, 9,
	    NULL, "How many." },
	{ "text", SETTINGS_TEXT, offsetof(struct group, text), "", 0, 0,
	    NULL, "Where." },
};
static const struct settings_groups groups = {
	group_rows, ARRAY_LENGTH(group_rows), sizeof(struct group), AT(groups),
};
static const struct settings_row rows[] = {
	{ "count", SETTINGS_COUNT, AT(count), "4000", 1, 999999999, NULL,
	    "How many." },
	{ "rate", SETTINGS_RATE, AT(rate), "0", 0, UINT64_MAX, NULL,
	    "How fast." },
	{ "size", SETTINGS_SIZE, AT(size), "16 MiB", 512, UINT64_C(1) << 40,
	    NULL, "How large." },
	{ "time", SETTINGS_TIME, AT(time), "60 s", 1000000, 3600000000, NULL,
	    "How long." },
	{ "truth", SETTINGS_BOOL, AT(truth), "true", 0, 1, NULL,
	    "Whether." },
	{ "text", SETTINGS_TEXT, AT(text), "/srv", 0, 0, NULL,
	    "Where." },
	{ "list", SETTINGS_TEXT_LIST, AT(list), ":554", 0, 0, NULL,
	    "Where to." },
	{ "range", SETTINGS_RANGE, AT(range), "", 1024, 65535, NULL,
	    "From where." },
	{ "choice", SETTINGS_CHOICE, AT(choice), "info", 0, 1, choices,
	    "Which." },
	{ "number", SETTINGS_NUMBER, AT(number), "2.0", 1, 16, NULL,
	    "How much." },
	{ "groups", SETTINGS_GROUPS, AT(group_count), "", 0, 3, &groups,
	    "Several." },
};
/* clang-format on */

static const char *const numbers[] = { "count", "rate", "size", "time",
	"number" };

#define FILE_TEMPLATE "/tmp/check_settings.XXXXXX"

static char file[] = FILE_TEMPLATE;
static char error[SETTINGS_ERROR_MAX];
static struct target target, untouched;

static void
setup(void)
{
	int fd;

	strcpy(file, FILE_TEMPLATE);
	fd = mkstemp(file);
	ck_assert_int_ne(fd, -1);
	close(fd);
	settings_defaults(rows, ARRAY_LENGTH(rows), &target);
	untouched = target;
}

static void
teardown(void)
{
	unlink(file);
}

static void
file_write(const void *text, size_t size)
{
	int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

	ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
	close(fd);
}

static void
text_write(const char *text)
{
	file_write(text, strlen(text));
}

static int
read_text(const char *text)
{
	text_write(text);
	memset(error, 0, sizeof(error));
	return settings_read(rows, ARRAY_LENGTH(rows), file, &target, error);
}

static int
override(const char *assignment)
{
	memset(error, 0, sizeof(error));
	return settings_override(
	    rows, ARRAY_LENGTH(rows), assignment, &target, error);
}

/* TEXT is refused on LINE; the message begins and contains as said. */
static void
expect_refused(const char *text, unsigned line, const char *contained)
{
	char start[128];

	ck_assert_int_eq(read_text(text), -EINVAL);
	snprintf(start, sizeof(start), "%s:%u: ", file, line);
	ck_assert_msg(strncmp(error, start, strlen(start)) == 0,
	    "\"%s\" does not begin with \"%s\"", error, start);
	ck_assert_msg(strstr(error, contained) != NULL,
	    "\"%s\" does not contain \"%s\"", error, contained);
	ck_assert_mem_eq(&target, &untouched, sizeof(target));
}

START_TEST(defaults_are_read_from_the_table)
{
	ck_assert_uint_eq(target.count, 4000);
	ck_assert_uint_eq(target.rate, 0);
	ck_assert_uint_eq(target.size, 16 << 20);
	ck_assert_uint_eq(target.time, 60000000);
	ck_assert(target.truth);
	ck_assert_str_eq(target.text, "/srv");
	ck_assert_uint_eq(target.list.count, 1);
	ck_assert_str_eq(target.list.text[0], ":554");
	ck_assert_uint_eq(target.range.last, 0);
	ck_assert_uint_eq(target.choice, 1);
	ck_assert_double_eq(target.number, 2);
}
END_TEST

START_TEST(an_empty_file_changes_nothing)
{
	ck_assert_int_eq(read_text(""), 0);
	ck_assert_int_eq(read_text("# only\n// comments\n/* are\nhere */"), 0);
	ck_assert_mem_eq(&target, &untouched, sizeof(target));
}
END_TEST

START_TEST(each_type_is_read)
{
	ck_assert_int_eq(
	    read_text("count = 999999999;\n"
		      "rate = \"8 Gbit/s\"; # comment 99999999999\n"
		      "size : \"2 MiB\"\n"
		      "time = \"1.5 s\";\n"
		      "truth = FALSE;\n"
		      "text = \"a \\\"b\\\" 10000000000 # \" \"c\";\n"
		      "list = ( \":554\", \"[::1]:8554\" );\n"
		      "range = \"40000-40999\";\n"
		      "choice = \"error\";\n"
		      "number = 1.05;\n"),
	    0);
	ck_assert_uint_eq(target.count, 999999999);
	ck_assert_uint_eq(target.rate, UINT64_C(8000000000));
	ck_assert_uint_eq(target.size, 2 << 20);
	ck_assert_uint_eq(target.time, 1500000);
	ck_assert(!target.truth);
	ck_assert_str_eq(target.text, "a \"b\" 10000000000 # c");
	ck_assert_uint_eq(target.list.count, 2);
	ck_assert_str_eq(target.list.text[1], "[::1]:8554");
	ck_assert_uint_eq(target.range.first, 40000);
	ck_assert_uint_eq(target.range.last, 40999);
	ck_assert_uint_eq(target.choice, 0);
	ck_assert_double_eq_tol(target.number, 1.05, 1e-12);
}
END_TEST

static const struct {
	const char *assignment;
	size_t at;
	uint64_t wanted;
} quantities[] = {
	{ "rate=1 bit/s", AT(rate), 1 },
	{ "rate=1 kbit/s", AT(rate), 1000 },
	{ "rate=1 Mbit/s", AT(rate), 1000000 },
	{ "rate=0.5 Gbit/s", AT(rate), 500000000 },
	{ "rate=18446744073 Gbit/s", AT(rate), UINT64_C(18446744073000000000) },
	{ "rate=18446744073709551614 bit/s", AT(rate), UINT64_MAX - 1 },
	{ "size=512 bytes", AT(size), 512 },
	{ "size=1 KiB", AT(size), 1024 },
	{ "size=1.5 KiB", AT(size), 1536 },
	{ "size=1 GiB", AT(size), UINT64_C(1) << 30 },
	{ "size=1024 GiB", AT(size), UINT64_C(1) << 40 },
	{ "size=1 kB", AT(size), 1000 },
	{ "size=1 MB", AT(size), 1000000 },
	{ "size=1 GB", AT(size), 1000000000 },
	{ "time=1000000 us", AT(time), 1000000 },
	{ "time=1500ms", AT(time), 1500000 },
	{ "time=\"1.000001 s\"", AT(time), 1000001 },
	{ "time=2 min", AT(time), 120000000 },
	{ "time=1 h", AT(time), UINT64_C(3600000000) },
	{ "time=0.5 h", AT(time), 1800000000 },
	{ "count=1", AT(count), 1 },
};

START_TEST(units_multiply)
{
	uint64_t value;

	ck_assert_int_eq(override(quantities[_i].assignment), 0);
	memcpy(&value, (char *)&target + quantities[_i].at, sizeof(value));
	ck_assert_uint_eq(value, quantities[_i].wanted);
}
END_TEST

/* Both as they are and in quotes, whatever a setting expects. */
static const char *const bad_numbers[] = {
	"4294967297",
	"10000000000",
	"99999999999999999999",
	"-1",
	"+1",
	"1e3",
	"1E3",
	"0x10",
	"010",
	"00",
	"1L",
	"1.",
	".5",
	"-",
	"1.0000000001",
	"",
	" 5",
	"5 ",
	"5 parsecs",
	"5  s",
	"s",
	"5 S",
	"99999999999999999999 s",
	"99999999999999999999 GiB",
	"99999999999999999999 Gbit/s",
	"99999999999999999999 bytes",
	"-1 s",
	"-1 KiB",
	"-1 bit/s",
	"1e3 s",
	"0x10 s",
	"1,5 s",
	"nan",
	"inf",
	"0.0000005 s",
	"18446744073709551615 us",
	"18446744073710 s",
	"5 s s",
	"5 s\t",
};

START_TEST(what_is_no_number_is_no_number_anywhere)
{
	const char *bad = bad_numbers[_i];

	for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
		char text[256];

		snprintf(
		    text, sizeof(text), "\n%s = \"%s\";\n", numbers[i], bad);
		expect_refused(text, 2, numbers[i]);
		snprintf(text, sizeof(text), "%s=%s", numbers[i], bad);
		ck_assert_int_eq(override(text), -EINVAL);
		snprintf(text, sizeof(text), "-o %s: ", numbers[i]);
		ck_assert_int_eq(strncmp(error, text, strlen(text)), 0);
		ck_assert_mem_eq(&target, &untouched, sizeof(target));

		snprintf(text, sizeof(text), "%s = %s;\n", numbers[i], bad);
		if (strcmp(bad, " 5") == 0 || strcmp(bad, "5 ") == 0)
			continue; /* blanks around a number are none of it */
		expect_refused(text, 1, "");
	}
}
END_TEST

START_TEST(a_number_is_refused_where_a_unit_is_needed)
{
	expect_refused("rate = 5;", 1, "rate: 5 is not a bit rate; write \"8");
	expect_refused("size = 5;", 1, "size: 5 is not a size; write \"2 MiB");
	expect_refused("time = 0;", 1, "time: 0 is not a time; write \"50 ms");
	expect_refused("time = \"5\";", 1, "\"5\" is not a time; write");
	expect_refused("time = 1.5;", 1, "1.5 is not a time; write");
	expect_refused("count = \"5\";", 1, "\"5\" is not a count; write");
	expect_refused("count = 5.0;", 1, "5 is not a count; write");
}
END_TEST

START_TEST(limits_are_kept_and_named)
{
	expect_refused("count = 0;", 1,
	    "count: 0 is outside its limits; write 1 to 999999999");
	expect_refused("time = \"0\";", 1,
	    "\"0\" is outside its limits; write \"1 s\" to \"1 h\"");
	expect_refused("time = \"999999 us\";", 1, "outside");
	expect_refused("time = \"3600000001 us\";", 1, "outside");
	expect_refused(
	    "size = \"511 bytes\";", 1, "write \"512 bytes\" to \"1024 GiB\"");
	expect_refused("number = 0.9;", 1,
	    "0.9 is outside its limits; "
	    "write 1 to 16");
	expect_refused("number = 17;", 1, "outside");
	expect_refused("number = -2;", 1, "outside");
	expect_refused("range = \"1000-2000\";", 1, "write 1024 to 65535");
	expect_refused("range = \"2000-65536\";", 1, "outside");
	ck_assert_int_eq(read_text("number = 16;"), 0);
	ck_assert_int_eq(read_text("number = 1;"), 0);
	ck_assert_int_eq(read_text("time = \"1 s\";"), 0);
	ck_assert_int_eq(read_text("time = \"1 h\";"), 0);
}
END_TEST

START_TEST(large_integers_are_refused_before_they_wrap)
{
	expect_refused("\n\ncount = 4294967297;", 3,
	    "count: 4294967297 has more than 9 digits; write a smaller");
	expect_refused("count = 10000000000L;", 1, "10000000000L");
	expect_refused("count =\n\n1234567890\n;", 3, "count: 1234567890");
	expect_refused(
	    "/*\n*/ text = \"a\n\"; count = 1234567890;", 3, "count");
	expect_refused("list = ( 1234567890 );", 1, "list: 1234567890");
	ck_assert_int_eq(override("count=1234567890"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error,
	    "-o count: 1234567890 has more than 9 digits; write a smaller"));
}
END_TEST

START_TEST(unknown_settings_are_refused)
{
	expect_refused("count = 5;\ncuont = 6;", 2,
	    "cuont: unknown setting; is \"count\" meant?");
	expect_refused(
	    "something_else = 6;", 1, "something_else: unknown setting; see");
	expect_refused("group : { count = 5; };", 1, "group: unknown");
	ck_assert_int_eq(override("tim=5 s"), -EINVAL);
	ck_assert_str_eq(error, "-o tim: unknown setting; is \"time\" meant?");
	ck_assert_int_eq(override("=5 s"), -EINVAL);
	ck_assert_int_eq(override("time"), -EINVAL);
	ck_assert_str_eq(error, "-o time: no value; write NAME=VALUE");
	ck_assert_int_eq(override(""), -EINVAL);
}
END_TEST

START_TEST(a_setting_that_stands_twice_is_refused)
{
	expect_refused("count = 5;\ntime = \"5 s\";\ncount = 5; size = \"1 "
		       "MiB\";\n",
	    3, "count: is a duplicate of the one in line 1; remove one");
	expect_refused("other = 5; other = 6;", 1, "duplicate");
}
END_TEST

START_TEST(an_error_anywhere_changes_nothing)
{
	expect_refused("count = 5; text = \"x\"; time = \"2 s\";\n"
		       "truth = \"yes\";\n",
	    2, "truth: \"yes\" is not a yes or no; write true or false");
}
END_TEST

START_TEST(wrong_types_are_refused)
{
	expect_refused("truth = 1;", 1, "truth: 1 is not");
	expect_refused("text = 5;", 1, "text: 5 is not a text; write it in");
	expect_refused("text = true;", 1, "text: true is not a text");
	expect_refused("text = ( \"a\" );", 1, "text: a list of texts is not");
	expect_refused("text = { a = 1; };", 1, "text: a group");
	expect_refused("count = ( 1 );", 1, "count: a group, or a list");
	expect_refused("list = ( \"a\", 1 );", 1, "list: a group, or a list");
	expect_refused("list = true;", 1, "list: true is not a text or list");
	expect_refused("choice = 1;", 1,
	    "choice: 1 is not one of its choices; "
	    "write \"error\", \"info\"");
	expect_refused("choice = \"Info\";", 1, "choice: \"Info\" is not");
	expect_refused("choice = \"\";", 1, "choice: \"\" is not");
}
END_TEST

static const char *const bad_ranges[] = { "5000", "5000-", "-5000", "5000-4000",
	"5000 - 6000", "5000-6000-7000", "5000-6000 ", "1e3-2e3", "5000.5-6000",
	"5000-6000.5", "a-b", "-" };

START_TEST(what_is_no_range_is_refused)
{
	char text[64];

	snprintf(text, sizeof(text), "range = \"%s\";", bad_ranges[_i]);
	expect_refused(text, 1, "write \"FIRST-LAST\"");
}
END_TEST

START_TEST(syntax_errors_name_their_line)
{
	expect_refused("count = 5;\ntime 5;\n", 2, "syntax error");
	expect_refused("count = 5;\n/* no\nend\n", 2, "has no end");
	expect_refused("\ntext = \"no\nend;\n", 2, "no closing quote");
	expect_refused("text = \"no end\\", 1, "no closing quote");
	expect_refused("text = \"a\\x00b\";", 1, "\\x00");
	expect_refused("count = 5;\n@include \"/etc/passwd\"\n", 2, "@include");
	expect_refused("}", 1, "syntax error");
	file_write("count = 5;\0", 11);
	ck_assert_int_eq(
	    settings_read(rows, ARRAY_LENGTH(rows), file, &target, error),
	    -EINVAL);
	ck_assert_ptr_nonnull(strstr(error, "NUL byte"));
}
END_TEST

START_TEST(texts_and_lists_have_a_longest)
{
	char text[2 * SETTINGS_TEXT_MAX];
	size_t length;

	length = (size_t)snprintf(
	    text, sizeof(text), "text=%0*d", SETTINGS_TEXT_MAX - 1, 0);
	ck_assert_int_eq(override(text), 0);
	ck_assert_uint_eq(strlen(target.text), SETTINGS_TEXT_MAX - 1);
	strcpy(text + length, "0");
	ck_assert_int_eq(override(text), -EINVAL);
	ck_assert_str_eq(
	    error, "-o text: the text is too long; write at most 1023 bytes");

	snprintf(text, sizeof(text), "list=a,%0255d", 0);
	ck_assert_int_eq(override(text), 0);
	snprintf(text, sizeof(text), "list=a,%0256d", 0);
	ck_assert_int_eq(override(text), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error, "at most 255 bytes"));

	ck_assert_int_eq(override("list=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
				  "16"),
	    0);
	ck_assert_uint_eq(target.list.count, 16);
	ck_assert_int_eq(override("list=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
				  "16,17"),
	    -EINVAL);
	ck_assert_str_eq(error, "-o list: too many texts; write at most 16");
}
END_TEST

START_TEST(an_option_may_leave_the_quotes_out)
{
	ck_assert_int_eq(override("list=:8554, [::1]:8554"), 0);
	ck_assert_uint_eq(target.list.count, 2);
	ck_assert_str_eq(target.list.text[0], ":8554");
	ck_assert_str_eq(target.list.text[1], "[::1]:8554");
	ck_assert_int_eq(override("list=( \"a\", \"b\" )"), 0);
	ck_assert_uint_eq(target.list.count, 2);
	ck_assert_str_eq(target.list.text[1], "b");
	ck_assert_int_eq(override("list=[::1]:8554"), 0);
	ck_assert_uint_eq(target.list.count, 1);
	ck_assert_str_eq(target.list.text[0], "[::1]:8554");
	ck_assert_int_eq(override("list=[::1]:8554,[::1]"), 0);
	ck_assert_str_eq(target.list.text[0], "[::1]:8554");
	ck_assert_str_eq(target.list.text[1], "[::1]");
	ck_assert_int_eq(override("list="), 0);
	ck_assert_uint_eq(target.list.count, 0);
	ck_assert_int_eq(override("list=\"\""), 0);
	ck_assert_uint_eq(target.list.count, 0);
	ck_assert_int_eq(override("list=a,,b"), -EINVAL);
	ck_assert_str_eq(
	    error, "-o list: a text of the list is empty; leave it out");

	ck_assert_int_eq(override("text=a=b"), 0);
	ck_assert_str_eq(target.text, "a=b");
	ck_assert_int_eq(override("text=\"a b\""), 0);
	ck_assert_str_eq(target.text, "a b");
	ck_assert_int_eq(override("text="), 0);
	ck_assert_str_eq(target.text, "");
	ck_assert_int_eq(override("truth=false"), 0);
	ck_assert(!target.truth);
	ck_assert_int_eq(override("truth=0"), -EINVAL);
	ck_assert_int_eq(override("choice=error"), 0);
	ck_assert_uint_eq(target.choice, 0);
	ck_assert_int_eq(override("number=1.5"), 0);
	ck_assert_double_eq(target.number, 1.5);
}
END_TEST

START_TEST(a_list_may_be_one_text_or_none)
{
	ck_assert_int_eq(read_text("list = \"a,b\";"), 0);
	ck_assert_uint_eq(target.list.count, 1);
	ck_assert_str_eq(target.list.text[0], "a,b");
	ck_assert_int_eq(read_text("list = [ \"a\", \"b\" ];"), 0);
	ck_assert_uint_eq(target.list.count, 2);
	ck_assert_int_eq(read_text("list = \"\";"), 0);
	ck_assert_uint_eq(target.list.count, 0);
	ck_assert_int_eq(read_text("list = ( );"), 0);
	ck_assert_uint_eq(target.list.count, 0);
	ck_assert_int_eq(read_text("range = \"\";"), 0);
	ck_assert_uint_eq(target.range.last, 0);
}
END_TEST

START_TEST(only_regular_files_of_bounded_size_are_read)
{
	char *large = malloc((1 << 20) + 1);
	char start[128];

	memset(large, '\n', (1 << 20) + 1);
	file_write(large, 1 << 20);
	ck_assert_int_eq(
	    settings_read(rows, ARRAY_LENGTH(rows), file, &target, error), 0);
	file_write(large, (1 << 20) + 1);
	ck_assert_int_eq(
	    settings_read(rows, ARRAY_LENGTH(rows), file, &target, error),
	    -EFBIG);
	snprintf(start, sizeof(start), "%s: is larger than 1 MiB", file);
	ck_assert_str_eq(error, start);
	free(large);

	ck_assert_int_eq(
	    settings_read(rows, ARRAY_LENGTH(rows), "/", &target, error),
	    -EISDIR);
	ck_assert_str_eq(error, "/: is a folder, not a configuration file");
	ck_assert_int_eq(settings_read(rows, ARRAY_LENGTH(rows), "/dev/zero",
			     &target, error),
	    -EINVAL);
	unlink(file);
	ck_assert_int_eq(
	    settings_read(rows, ARRAY_LENGTH(rows), file, &target, error),
	    -ENOENT);
	snprintf(start, sizeof(start), "%s: No such file or directory", file);
	ck_assert_str_eq(error, start);
	/* Nobody writes to it, and nobody waits. */
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	ck_assert_int_eq(
	    settings_read(rows, ARRAY_LENGTH(rows), file, &target, error),
	    -EINVAL);
}
END_TEST

/* What is printed can be read again and says the same. */
START_TEST(groups_have_settings_of_their_own)
{
	target.groups[1].count = 77; /* what was there before */
	ck_assert_int_eq(read_text("count = 5;\n"
				   "groups = ( { count = 2; text = \"a\"; },\n"
				   "           { } );\n"),
	    0);
	ck_assert_uint_eq(target.count, 5);
	ck_assert_uint_eq(target.group_count, 2);
	ck_assert_uint_eq(target.groups[0].count, 2);
	ck_assert_str_eq(target.groups[0].text, "a");
	ck_assert_uint_eq(target.groups[1].count, 7);
	ck_assert_int_eq(read_text("groups = ( );"), 0);
	ck_assert_uint_eq(target.group_count, 0);
	ck_assert_int_eq(read_text("groups = \"\";"), 0);
	ck_assert_int_eq(override("groups="), 0);
	ck_assert_int_eq(override("groups=1"), -EINVAL);
}
END_TEST

START_TEST(what_is_wrong_in_a_group_is_refused)
{
	expect_refused("groups = (\n{ count = 2; },\n{ count = 10; } );", 3,
	    "count: 10 is outside its limits; write 1 to 9");
	expect_refused(
	    "groups = (\n{ rate = \"0\"; } );", 2, "rate: unknown setting");
	expect_refused("groups = ( { text = 1; } );", 1, "text: 1 is not");
	expect_refused("groups = ( { }, { }, { }, { } );", 1,
	    "a list of groups is outside its limits; write 0 to 3");
	expect_refused("groups = ( { }, 1 );", 1, "is not a list of groups");
	expect_refused("groups = ( \"a\" );", 1, "is not a list of groups");
	expect_refused("groups = { count = 2; };", 1, "write ( { NAME");
	expect_refused("list = ( { count = 2; } );", 1, "a list of groups is");
	expect_refused("groups = 1;", 1, "1 is not a list of groups");
}
END_TEST

START_TEST(printed_settings_are_a_file)
{
	static const char *const changes[] = { "count=7", "rate=1500 kbit/s",
		"size=3 GiB", "time=90 s", "truth=false",
		"text=\"quoted\" \\x41 \t\x7f", "list=a,b c", "range=2000-3000",
		"choice=error", "number=1.125" };
	struct target first;
	FILE *stream;

	ck_assert_int_eq(
	    read_text("groups = ( { text = \"a\"; }, { count = 3; } );"), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(changes); i++)
		ck_assert_int_eq(override(changes[i]), 0);
	first = target;
	stream = fopen(file, "we");
	settings_print(rows, ARRAY_LENGTH(rows), &target, stream);
	ck_assert_int_eq(fclose(stream), 0);
	target = untouched;
	ck_assert_int_eq(
	    settings_read(rows, ARRAY_LENGTH(rows), file, &target, error), 0);
	ck_assert_uint_eq(target.count, first.count);
	ck_assert_uint_eq(target.rate, first.rate);
	ck_assert_uint_eq(target.size, first.size);
	ck_assert_uint_eq(target.time, first.time);
	ck_assert(target.truth == first.truth);
	ck_assert_str_eq(target.text, first.text);
	ck_assert_uint_eq(target.list.count, 2);
	ck_assert_str_eq(target.list.text[1], "b c");
	ck_assert_uint_eq(target.range.first, 2000);
	ck_assert_uint_eq(target.range.last, 3000);
	ck_assert_uint_eq(target.choice, 0);
	ck_assert_double_eq(target.number, 1.125);
	ck_assert_uint_eq(target.group_count, 2);
	ck_assert_str_eq(target.groups[0].text, "a");
	ck_assert_uint_eq(target.groups[1].count, 3);
}
END_TEST

START_TEST(printed_settings_say_what_differs)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	ck_assert_int_eq(override("time=90 s"), 0);
	ck_assert_int_eq(override("number=3"), 0);
	settings_print(rows, ARRAY_LENGTH(rows), &target, stream);
	fclose(stream);
	ck_assert_str_eq(text,
	    "# How many.\ncount = 4000;\n"
	    "# How fast.\nrate = \"0\";\n"
	    "# How large.\nsize = \"16 MiB\";\n"
	    "# How long.\ntime = \"90 s\"; # default: \"60 s\"\n"
	    "# Whether.\ntruth = true;\n"
	    "# Where.\ntext = \"/srv\";\n"
	    "# Where to.\nlist = \":554\";\n"
	    "# From where.\nrange = \"\";\n"
	    "# Which.\nchoice = \"info\";\n"
	    "# How much.\nnumber = 3.0; # default: 2.0\n"
	    "# Several.\ngroups = \"\";\n");
	free(text);
}
END_TEST

/* ---- a program's sources ---- */

START_TEST(a_later_source_stands_above_those_before_it)
{
	const struct settings_source source = { .file = file,
		.override_count = 3,
		.overrides = { "count=2", "text=/b", "count=3" } };

	text_write("count = 1;\ntext = \"/a\";\ntruth = false;\n");
	ck_assert_int_eq(
	    settings_load(rows, ARRAY_LENGTH(rows), &source, &target, error),
	    0);
	ck_assert_uint_eq(target.count, 3);
	ck_assert_str_eq(target.text, "/b");
	ck_assert(!target.truth);
	ck_assert_uint_eq(target.size, 16 << 20);
}
END_TEST

START_TEST(what_no_row_can_check_is_blamed_on_its_line)
{
	struct settings_source source = { .file = file };
	char wanted[128];

	text_write("count = 1;\ntexts = 2;\ntext = \"/a\";\n");
	ck_assert_int_eq(
	    settings_blame(&source, "text", "is no folder", error), -EINVAL);
	snprintf(wanted, sizeof(wanted), "%s:3: text: is no folder", file);
	ck_assert_str_eq(error, wanted);
	settings_blame(&source, "rate", "is odd", error);
	ck_assert_str_eq(error, "rate: is odd");
	source.overrides[source.override_count++] = "text=/b";
	settings_blame(&source, "text", "is no folder", error);
	ck_assert_str_eq(error, "text: is no folder");
}
END_TEST

START_TEST(a_difference_is_seen_in_each_type)
{
	static const char *const others[] = { "count = 1;",
		"rate = \"1 bit/s\";", "size = \"1 MiB\";", "time = \"2 s\";",
		"truth = false;", "text = \"/srw\";",
		"list = ( \":554\", \":555\" );", "range = \"1024-1025\";",
		"choice = \"error\";", "number = 1.5;",
		"groups = ( { }, { } );" };
	const struct settings_row *last = &rows[ARRAY_LENGTH(rows) - 1];

	_Static_assert(
	    ARRAY_LENGTH(others) == ARRAY_LENGTH(rows), "one for each row");
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		ck_assert(settings_same(&rows[i], &target, &untouched));
		ck_assert_int_eq(read_text(others[i]), 0);
		ck_assert(!settings_same(&rows[i], &target, &untouched));
	}
	untouched = target;
	ck_assert(settings_same(last, &target, &untouched));
	ck_assert_int_eq(read_text("groups = ( { }, { count = 3; } );"), 0);
	ck_assert(!settings_same(last, &target, &untouched));
}
END_TEST

static TCase *
source_tests(void)
{
	TCase *tests = tcase_create("sources");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_later_source_stands_above_those_before_it);
	tcase_add_test(tests, what_no_row_can_check_is_blamed_on_its_line);
	tcase_add_test(tests, a_difference_is_seen_in_each_type);
	return tests;
}

static TCase *
reading_tests(void)
{
	TCase *tests = tcase_create("reading");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, defaults_are_read_from_the_table);
	tcase_add_test(tests, an_empty_file_changes_nothing);
	tcase_add_test(tests, each_type_is_read);
	tcase_add_loop_test(
	    tests, units_multiply, 0, (int)ARRAY_LENGTH(quantities));
	tcase_add_test(tests, groups_have_settings_of_their_own);
	tcase_add_test(tests, what_is_wrong_in_a_group_is_refused);
	tcase_add_test(tests, an_option_may_leave_the_quotes_out);
	tcase_add_test(tests, a_list_may_be_one_text_or_none);
	tcase_add_test(tests, printed_settings_are_a_file);
	tcase_add_test(tests, printed_settings_say_what_differs);
	return tests;
}

static TCase *
refusing_tests(void)
{
	TCase *tests = tcase_create("refusing");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, what_is_no_number_is_no_number_anywhere, 0,
	    (int)ARRAY_LENGTH(bad_numbers));
	tcase_add_test(tests, a_number_is_refused_where_a_unit_is_needed);
	tcase_add_test(tests, limits_are_kept_and_named);
	tcase_add_test(tests, large_integers_are_refused_before_they_wrap);
	tcase_add_test(tests, unknown_settings_are_refused);
	tcase_add_test(tests, a_setting_that_stands_twice_is_refused);
	tcase_add_test(tests, an_error_anywhere_changes_nothing);
	tcase_add_test(tests, wrong_types_are_refused);
	tcase_add_loop_test(tests, what_is_no_range_is_refused, 0,
	    (int)ARRAY_LENGTH(bad_ranges));
	tcase_add_test(tests, syntax_errors_name_their_line);
	tcase_add_test(tests, texts_and_lists_have_a_longest);
	tcase_add_test(tests, only_regular_files_of_bounded_size_are_read);
	return tests;
}

int
main(void)
{
	Suite *suite = suite_create("settings");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, reading_tests());
	suite_add_tcase(suite, refusing_tests());
	suite_add_tcase(suite, source_tests());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
