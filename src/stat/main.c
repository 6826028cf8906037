/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodstat: options, finding the instance, looking once or again and again.
 * Reads the table alone; asks no process for anything and changes nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "stat/print.h"
#include "stat/snapshot.h"
#include "table/table.h"

#define TABLE_PREFIX "/vodd."
#define WATCH_DEFAULT_US (2 * US_PER_SECOND)
#define WATCH_LEAST_S 0.1
#define WATCH_MOST_S 86400.0

enum exit_status { EXIT_OK, EXIT_OTHER, EXIT_USAGE, EXIT_NO_INSTANCE };

struct options {
	const char *instance;
	bool json, sessions, watch;
	uint64_t watch_us;
};

static void
usage_print(FILE *out)
{
	fputs("usage: vodstat [-n INSTANCE] [--json] [--sessions] "
	      "[--watch [S]] [-V] [--help]\n",
	    out);
}

static void
help_print(void)
{
	usage_print(stdout);
	fputs("\nShow what an instance of vodd is doing.\n\n"
	      "  -n, --instance INSTANCE  which one (default: vodd)\n"
	      "      --json               one JSON object, see vodstat(1)\n"
	      "      --sessions           list the sessions\n"
	      "      --watch [S]          again every S seconds (default: 2)\n"
	      "  -V, --version            print the version\n"
	      "  -h, --help               print this\n\n"
	      "Exit status: 0; 1 for errors; 2 for wrong usage; 3 when there "
	      "is no such instance.\n",
	    stdout);
}

static bool
interval_parse(const char *text, uint64_t *out)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end != '\0' || !(s >= WATCH_LEAST_S) ||
	    s > WATCH_MOST_S)
		return false;
	*out = (uint64_t)(s * (double)US_PER_SECOND);
	return true;
}

/* "--watch 5" as well as "--watch=5": getopt(3) knows only the latter. */
static const char *
interval_argument(char **argv)
{
	const char *next = argv[optind];

	if (optarg != NULL || next == NULL || next[0] < '0' || next[0] > '9')
		return optarg;
	optind++;
	return next;
}

/* -1: go on; else the status to exit with. */
static int
options_parse(int argc, char **argv, struct options *out)
{
	static const struct option names[] = {
		{ "instance", required_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ "sessions", no_argument, NULL, 's' },
		{ "watch", optional_argument, NULL, 'w' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *interval;
	int option;

	while ((option = getopt_long(argc, argv, "n:Vh", names, NULL)) != -1) {
		switch (option) {
		case 'n':
			out->instance = optarg;
			break;
		case 'j':
			out->json = true;
			break;
		case 's':
			out->sessions = true;
			break;
		case 'w':
			out->watch = true;
			interval = interval_argument(argv);
			if (interval == NULL ||
			    interval_parse(interval, &out->watch_us))
				break;
			fprintf(stderr,
			    "vodstat: --watch takes %g to %g seconds, not "
			    "'%s'\n",
			    WATCH_LEAST_S, WATCH_MOST_S, interval);
			return EXIT_USAGE;
		case 'V':
			puts("vodstat " PACKAGE_VERSION);
			return EXIT_OK;
		case 'h':
			help_print();
			return EXIT_OK;
		default:
			usage_print(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "vodstat: what is '%s'?\n", argv[optind]);
		usage_print(stderr);
		return EXIT_USAGE;
	}
	return -1;
}

/* --- finding the instance ---------------------------------------------------
 */

/* "; there are tables of: a, b", for a misspelt name; where shm is a file
 * system. */
static void
others_print(FILE *out)
{
	const char *prefix = &TABLE_PREFIX[1]; /* without the slash */
	const char *before = "; there are tables of: ";
	const struct dirent *entry;
	DIR *directory = opendir("/dev/shm");

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL) {
		const char *name = entry->d_name;

		if (strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		name += strlen(prefix);
		if (name[strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789._-")] != '\0')
			continue;
		fprintf(out, "%s%s", before, name);
		before = ", ";
	}
	closedir(directory);
}

static int
open_failed(const char *instance, int error)
{
	switch (error) {
	case -ENOENT:
		fprintf(stderr,
		    "vodstat: no instance '%s' of vodd is running here: start "
		    "it (vodd -n %s), or name another with -n",
		    instance, instance);
		others_print(stderr);
		fputc('\n', stderr);
		return EXIT_NO_INSTANCE;
	case -EACCES:
		fprintf(stderr,
		    "vodstat: may not read the table of '%s', which holds "
		    "clients' addresses: you need to be in group vodd, or "
		    "root\n",
		    instance);
		return EXIT_OTHER;
	case -EPROTO:
		fprintf(stderr,
		    "vodstat: the table of '%s' is not one that vodstat %s "
		    "can read: use the vodstat that came with its vodd\n",
		    instance, PACKAGE_VERSION);
		return EXIT_OTHER;
	case -EINVAL:
	case -ENAMETOOLONG:
		fprintf(stderr, "vodstat: '%s' is no name of an instance\n",
		    instance);
		return EXIT_USAGE;
	default:
		fprintf(stderr, "vodstat: cannot open the table of '%s': %s\n",
		    instance, strerror(-error));
		return EXIT_OTHER;
	}
}

/* --- looking ----------------------------------------------------------------
 */

struct watch {
	uint64_t last_us, last_bytes; /* 0: no look before */
};

static uint64_t
sending_bps(struct watch *watch, const struct snapshot *snapshot)
{
	uint64_t elapsed_us = snapshot->taken_us - watch->last_us;
	uint64_t bps = 0;

	if (watch->last_us != 0 && elapsed_us != 0 &&
	    snapshot->bytes_sent >= watch->last_bytes)
		bps =
		    (uint64_t)((double)(snapshot->bytes_sent -
					watch->last_bytes) *
			       8 * (double)US_PER_SECOND / (double)elapsed_us);
	watch->last_us = snapshot->taken_us;
	watch->last_bytes = snapshot->bytes_sent;
	return bps;
}

/*
 * Over what stands there, line for line: a cleared screen would flicker.  The
 * terminal cuts what is wider than itself.
 */
static void
screen_print(const char *text, FILE *out)
{
	fputs("\033[?7l\033[H", out);
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			fputs("\033[K", out);
		fputc(*text, out);
	}
	fputs("\033[J\033[?7h", out);
}

/* Made whole before it is written, so that each error is told apart. */
static int
snapshot_print(const struct snapshot *snapshot, const struct options *options,
    struct print_view *view)
{
	bool screen = view->on_screen;
	struct winsize size = { 0 };
	char *text = NULL;
	size_t bytes;
	FILE *memory;
	int error = 0;

	if (screen && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		view->rows = size.ws_row;
	if ((memory = open_memstream(&text, &bytes)) == NULL)
		return -ENOMEM;
	if (view->again && !screen && !options->json)
		fputc('\n', memory);
	if (options->json)
		error = print_json(snapshot, view, memory);
	else
		print_text(snapshot, view, memory);
	if (fclose(memory) != 0)
		error = -ENOMEM;
	if (error == 0) {
		if (screen)
			screen_print(text, stdout);
		else
			fwrite(text, 1, bytes, stdout);
		if (fflush(stdout) != 0 || ferror(stdout))
			error = -errno;
	}
	free(text);
	return error;
}

/*
 * Opens anew each time: a restarted instance has another table.  Returns the
 * status to exit with, or -EPIPE: who read us has left (head, a closed pager),
 * which is no error of ours.
 */
static int
look(const struct options *options, struct watch *watch)
{
	struct print_view view = {
		.instance = options->instance,
		.sessions = options->sessions,
		.one_line = options->watch,
		.again = watch->last_us != 0,
		.on_screen =
		    options->watch && !options->json && isatty(STDOUT_FILENO),
	};
	char name[sizeof(TABLE_PREFIX) + TABLE_NAME_MAX];
	struct snapshot snapshot;
	struct table *table;
	int error;

	if (options->instance[0] == '\0' ||
	    strlen(options->instance) >= TABLE_NAME_MAX)
		return open_failed(options->instance, -EINVAL);
	snprintf(name, sizeof(name), TABLE_PREFIX "%s", options->instance);
	if ((error = table_open(name, &table)) != 0)
		return open_failed(options->instance, error);
	error = snapshot_take(table, options->sessions, &snapshot);
	table_close(table);
	view.sending_bps = sending_bps(watch, &snapshot);
	if (error == 0)
		error = snapshot_print(&snapshot, options, &view);
	snapshot_end(&snapshot);
	if (error == 0 || error == -EPIPE)
		return error;
	fprintf(stderr, "vodstat: cannot print: %s\n", strerror(-error));
	return EXIT_OTHER;
}

/* Until a signal says otherwise or the instance is gone. */
static int
watch_run(const struct options *options)
{
	struct timespec interval = {
		.tv_sec = (time_t)(options->watch_us / US_PER_SECOND),
		.tv_nsec = (long)(options->watch_us % US_PER_SECOND * 1000),
	};
	struct watch watch = { 0 };
	sigset_t signals;
	int got, status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGWINCH); /* draw for the new size */
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (;;) {
		status = look(options, &watch);
		if (status != EXIT_OK)
			return status;
		got = sigtimedwait(&signals, NULL, &interval);
		if (got != -1 && got != SIGWINCH)
			return EXIT_OK;
	}
}

int
main(int argc, char **argv)
{
	struct options options = {
		.instance = "vodd",
		.watch_us = WATCH_DEFAULT_US,
	};
	struct watch watch = { 0 };
	int status;

	setlocale(LC_CTYPE, ""); /* what is printable */
	signal(SIGPIPE, SIG_IGN);
	status = options_parse(argc, argv, &options);
	if (status == -1)
		status = options.watch ? watch_run(&options)
				       : look(&options, &watch);
	return status == -EPIPE ? EXIT_OK : status;
}
