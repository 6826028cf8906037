/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options to values.  What they mean is the programs' business, and so are the
 * options that only one of them has.
 */
#include "base/program.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* The rest of the source's places are for options that are settings, too. */
#define OVERRIDES_MAX 64

int
program_refuse(const struct program *program, const char *format, ...)
{
	va_list list;

	fprintf(stderr, "%s: ", program->name);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fprintf(stderr, "\n%s: -h prints the options\n", program->name);
	return PROGRAM_USAGE;
}

const char *
program_path(const char *path)
{
	char folder[4096], *result;

	if (path[0] == '/' || getcwd(folder, sizeof(folder)) == NULL ||
	    asprintf(&result, "%s/%s", folder, path) == -1)
		return path;
	return result;
}

bool
program_instance_is_valid(const char *name)
{
	size_t length =
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789_-");

	return length >= 1 && length <= PROGRAM_INSTANCE_MAX &&
	       name[length] == '\0';
}

void
program_set(
    struct program_options *options, const char *name, const char *value)
{
	struct settings_source *source = &options->settings;
	char *text;

	if (value == NULL)
		return;
	assert(source->override_count < SETTINGS_OVERRIDES_MAX);
	if (asprintf(&text, "%s=%s", name, value) == -1)
		abort();
	source->overrides[source->override_count++] = text;
}

/* ---- parsing ---- */

/* The option that getopt_long(3) complains about, as it was written. */
static int
refuse_option(const struct program *program, char **argv, const char *before,
    const char *after)
{
	if (optopt > ' ' && optopt < 0x7f)
		return program_refuse(
		    program, "%s-%c%s", before, optopt, after);
	return program_refuse(
	    program, "%s%s%s", before, argv[optind - 1], after);
}

static int
take_override(const struct program *program, struct settings_source *source,
    const char *text)
{
	if (source->override_count == OVERRIDES_MAX)
		return program_refuse(
		    program, "more than %d times -o", OVERRIDES_MAX);
	source->overrides[source->override_count++] = text;
	return PROGRAM_GOES_ON;
}

static int
take_option(const struct program *program, int option, const char *value,
    struct program_options *out)
{
	switch (option) {
	case 'f':
		out->foreground = true;
		return PROGRAM_GOES_ON;
	case 't':
		out->test = true;
		return PROGRAM_GOES_ON;
	case 'c':
		out->settings.file = program_path(value);
		out->settings.file_optional = false;
		return PROGRAM_GOES_ON;
	case 'n':
		out->instance = value;
		return PROGRAM_GOES_ON;
	case 'p':
		out->pid_file = program_path(value);
		return PROGRAM_GOES_ON;
	case 'o':
		return take_override(program, &out->settings, value);
	case 'V':
		printf("%s %s\n", program->name, PACKAGE_VERSION);
		return 0;
	default: /* 'h' */
		fputs(program->usage, stdout);
		return 0;
	}
}

static int
take_all(const struct program *program, int argc, char **argv, void *context,
    struct program_options *out)
{
	static const struct option no_words[] = { { NULL, 0, NULL, 0 } };
	int result = PROGRAM_GOES_ON, option;
	char common[32], letters[128];

	snprintf(common, sizeof(common), "ftc:o:Vh%s%s",
	    program->instance != NULL ? "n:" : "",
	    program->detaches ? "p:" : "");
	snprintf(letters, sizeof(letters), ":%s%s", common, program->letters);
	while (result == PROGRAM_GOES_ON &&
	       (option = getopt_long(argc, argv, letters,
		    program->words != NULL ? program->words : no_words,
		    NULL)) != -1) {
		if (option == ':')
			return refuse_option(
			    program, argv, "", " needs a value");
		if (option == '?')
			return refuse_option(
			    program, argv, "unknown option ", "");
		if (option < 0x7f && strchr(common, option) != NULL)
			result = take_option(program, option, optarg, out);
		else
			result = program->take(context, option, optarg);
	}
	return result;
}

int
program_options(const struct program *program, int argc, char **argv,
    void *context, struct program_options *out)
{
	int result;

	*out = (struct program_options){ .instance = program->instance,
		.pid_fd = -1,
		.settings = { .file = program->file, .file_optional = true } };
	result = take_all(program, argc, argv, context, out);
	if (result != PROGRAM_GOES_ON)
		return result;
	if (optind < argc)
		return program_refuse(
		    program, "unknown argument %s", argv[optind]);
	if (out->instance != NULL && !program_instance_is_valid(out->instance))
		return program_refuse(program,
		    "-n %s: a name has 1 to %d of A-Z a-z 0-9 _ -",
		    out->instance, PROGRAM_INSTANCE_MAX);
	return PROGRAM_GOES_ON;
}

/* ---- what they do ---- */

void
program_print(const struct program_options *options,
    const struct settings_row *rows, size_t count, const void *target)
{
	const char *file = options->settings.file;

	printf("# %s\n",
	    access(file, F_OK) == 0 ? file : "no configuration file: defaults");
	settings_print(rows, count, target, stdout);
}

int
program_prepare(const struct program *program, struct program_options *options)
{
	if (options->pid_file == NULL || options->foreground)
		return 0;
	options->pid_fd = open(options->pid_file,
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (options->pid_fd != -1)
		return 0;
	fprintf(stderr, "%s: cannot write %s: %s\n", program->name,
	    options->pid_file, strerror(errno));
	return -errno;
}

static int
write_number(int fd, pid_t number)
{
	if (fd == -1)
		return 0;
	if (ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", (int)number) < 0)
		return -errno;
	close(fd);
	return 0;
}

/*
 * As daemon(3), but the number is in the file when the one that was started
 * ends: an init script asks at once.
 */
static int
go_on_behind(const struct program_options *options)
{
	pid_t child = fork();
	int error;

	if (child == -1)
		return -errno;
	if (child > 0) {
		error = write_number(options->pid_fd, child);
		if (error == 0)
			_exit(0);
		kill(child, SIGKILL);
		return error;
	}
	/* Who has given up root is not to write there any more. */
	if (options->pid_fd != -1)
		close(options->pid_fd);
	if (setsid() == -1 || chdir("/") != 0)
		return -errno;
	return 0;
}

static int
let_go_of_terminal(void)
{
	int error = 0, fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1)
		return -errno;
	for (int i = 0; i <= 2; i++)
		if (dup2(fd, i) == -1)
			error = -errno;
	if (fd > 2)
		close(fd);
	return error;
}

int
program_detach(
    const struct program *program, const struct program_options *options)
{
	int error = log_open(LOG_TO_SYSLOG, program->name, NULL);

	if (error == 0)
		error = go_on_behind(options);
	if (error == 0)
		error = let_go_of_terminal();
	if (error != 0)
		fprintf(stderr, "%s: cannot become a daemon: %s\n",
		    program->name, strerror(-error));
	return error;
}
