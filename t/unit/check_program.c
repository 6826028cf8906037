/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all daemons take as options, and what they say to the others.  Each test
 * is a process of its own, as getopt(3) wants it.
 */
#include "base/program.h"

#include <check.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

static char said[4096]; /* on stderr */

/* Notes what it was given: "108=a " for -l a. */
static int
take(void *context, int option, const char *value)
{
	char *notes = context;

	snprintf(notes + strlen(notes), 64, "%d=%s ", option,
	    value != NULL ? value : "");
	return option == 'x' ? 7 : PROGRAM_GOES_ON;
}

static const struct option words[] = {
	{ "dry-run", no_argument, NULL, 256 },
	{ "check", required_argument, NULL, 257 },
	{ NULL, 0, NULL, 0 },
};
static const struct program plain = {
	.name = "vodtest",
	.usage = "usage: vodtest\n",
	.file = "/etc/vodtest.conf",
	.instance = "usual",
	.letters = "l:x",
	.take = take,
};
static struct program_options options;
static char taken[512];

/* LINE is separated by blanks. */
static int
parse(const struct program *program, const char *line)
{
	static char text[2048];
	char *argv[256] = { text };
	int argc = 0, result;
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	snprintf(text, sizeof(text), "vodtest %s", line);
	for (char *word = strtok(text, " "); word != NULL;
	     word = strtok(NULL, " "))
		argv[argc++] = word;
	ck_assert_int_eq(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
	taken[0] = '\0';
	result = program_options(program, argc, argv, taken, &options);
	rewind(file);
	said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
	fclose(file);
	return result;
}

START_TEST(without_options_the_defaults_are_used)
{
	ck_assert_int_eq(parse(&plain, ""), PROGRAM_GOES_ON);
	ck_assert_str_eq(options.settings.file, "/etc/vodtest.conf");
	ck_assert(options.settings.file_optional);
	ck_assert_uint_eq(options.settings.override_count, 0);
	ck_assert_str_eq(options.instance, "usual");
	ck_assert(!options.foreground && !options.test);
}
END_TEST

START_TEST(each_option_has_its_place)
{
	ck_assert_int_eq(
	    parse(&plain, "-ft -l a -c /x.conf -n other -o a=1 -l b -o b=2"),
	    PROGRAM_GOES_ON);
	ck_assert_str_eq(options.settings.file, "/x.conf");
	ck_assert(!options.settings.file_optional);
	ck_assert_uint_eq(options.settings.override_count, 2);
	ck_assert_str_eq(options.settings.overrides[0], "a=1");
	ck_assert_str_eq(options.settings.overrides[1], "b=2");
	ck_assert_str_eq(options.instance, "other");
	ck_assert(options.foreground && options.test);
	ck_assert_str_eq(taken, "108=a 108=b ");
	program_set(&options, "listen", "b");
	ck_assert_str_eq(options.settings.overrides[2], "listen=b");
}
END_TEST

START_TEST(a_file_is_found_from_another_folder)
{
	char wanted[4200], folder[4096];

	ck_assert_ptr_nonnull(getcwd(folder, sizeof(folder)));
	snprintf(wanted, sizeof(wanted), "%s/x.conf", folder);
	ck_assert_int_eq(parse(&plain, "-c x.conf"), PROGRAM_GOES_ON);
	ck_assert_str_eq(options.settings.file, wanted);
}
END_TEST

START_TEST(an_option_of_its_own_may_end_the_program)
{
	ck_assert_int_eq(parse(&plain, "-x -l a"), 7);
	ck_assert_str_eq(taken, "120= ");
}
END_TEST

START_TEST(long_options_are_taken_where_there_are_some)
{
	struct program program = plain;

	program.words = words;
	program.instance = NULL;
	ck_assert_int_eq(
	    parse(&program, "--dry-run --check node"), PROGRAM_GOES_ON);
	ck_assert_ptr_null(options.instance);
	ck_assert_str_eq(taken, "256= 257=node ");
}
END_TEST

/* clang-format off */
static const struct {
	const char *line, *says;
} refused[] = {
	{ "-y",         "vodtest: unknown option -y\n" },
	{ "-fy",        "vodtest: unknown option -y\n" },
	{ "--dry",      "vodtest: unknown option --dry\n" },
	{ "-c",         "vodtest: -c needs a value\n" },
	{ "-l",         "vodtest: -l needs a value\n" },
	{ "-f file",    "vodtest: unknown argument file\n" },
	{ "-n a/b",     "vodtest: -n a/b: a name has 1 to 32 of "
			"A-Z a-z 0-9 _ -\n" },
};
/* clang-format on */

START_TEST(what_is_wrong_is_named)
{
	ck_assert_int_eq(parse(&plain, refused[_i].line), PROGRAM_USAGE);
	ck_assert_msg(
	    strncmp(said, refused[_i].says, strlen(refused[_i].says)) == 0,
	    "%s", said);
	ck_assert_ptr_nonnull(
	    strstr(said, "\nvodtest: -h prints the options\n"));
}
END_TEST

START_TEST(overrides_have_a_number)
{
	char line[512] = "";

	for (unsigned i = 0; i < 65; i++)
		strcat(line, "-o a=1 ");
	ck_assert_int_eq(parse(&plain, line), PROGRAM_USAGE);
	ck_assert_ptr_nonnull(strstr(said, "more than 64 times -o"));
}
END_TEST

START_TEST(names_have_1_to_32_plain_characters)
{
	ck_assert(program_instance_is_valid("vodd"));
	ck_assert(program_instance_is_valid("A-b_9"));
	ck_assert(
	    program_instance_is_valid("12345678901234567890123456789012"));
	ck_assert(
	    !program_instance_is_valid("123456789012345678901234567890123"));
	ck_assert(!program_instance_is_valid(""));
	ck_assert(!program_instance_is_valid("a/b"));
	ck_assert(!program_instance_is_valid(".."));
	ck_assert(!program_instance_is_valid("a b"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("program");
	TCase *tests = tcase_create("program");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, without_options_the_defaults_are_used);
	tcase_add_test(tests, each_option_has_its_place);
	tcase_add_test(tests, a_file_is_found_from_another_folder);
	tcase_add_test(tests, an_option_of_its_own_may_end_the_program);
	tcase_add_test(tests, long_options_are_taken_where_there_are_some);
	tcase_add_loop_test(
	    tests, what_is_wrong_is_named, 0, (int)ARRAY_LENGTH(refused));
	tcase_add_test(tests, overrides_have_a_number);
	tcase_add_test(tests, names_have_1_to_32_plain_characters);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
