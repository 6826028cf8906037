/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * program - what our daemons share before they serve: their options, what -t
 * prints, the way into the background.
 *
 *	-f foreground   -t test   -c FILE   -n INSTANCE   -o NAME=VALUE
 *	-p PID_FILE     -V version      -h help
 */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"
#include "base/settings.h"

struct option; /* getopt_long(3) */

/* What an option returns when it was no reason to exit. */
#define PROGRAM_GOES_ON (-1)
#define PROGRAM_USAGE 2 /* status after wrong usage or settings */

/*
 * One option of a program's own: PROGRAM_GOES_ON, or the status to exit with.
 */
typedef int program_take(void *context, int option, const char *value);

struct program {
	const char *name; /* "vodd" */
	const char *usage; /* what -h prints */
	const char *file; /* the configuration unless -c names another */
	const char
	    *instance; /* unless -n names another; NULL: there is no -n */
	bool detaches; /* by program_detach(): there is -p */
	const char *letters; /* its own options, as for getopt(3) */
	const struct option *words; /* its own long ones, or NULL */
	program_take *take;
};

struct program_options {
	struct settings_source settings;
	const char *instance; /* its name is valid */
	const char *pid_file; /* NULL: none */
	int pid_fd; /* of it, or -1 */
	bool foreground, test;
};

/*
 * PROGRAM_GOES_ON with OUT filled, or the status to exit with.  OUT, and what
 * it points to, lives until the process ends.
 */
int program_options(const struct program *program, int argc, char **argv,
    void *context, struct program_options *out);

/*
 * A setting that has an option of its own: it stands above those by -o.  VALUE
 * may be NULL: not given.
 */
void program_set(
    struct program_options *options, const char *name, const char *value);

/* Says on stderr what is wrong with the options.  PROGRAM_USAGE. */
int program_refuse(const struct program *program, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* From the root: a daemon leaves its folder, but looks there again. */
const char *program_path(const char *path);

/* [A-Za-z0-9_-], 1 to 32 of them. */
#define PROGRAM_INSTANCE_MAX 32
bool program_instance_is_valid(const char *name);

/* -t: which file, and all settings as TARGET has them. */
void program_print(const struct program_options *options,
    const struct settings_row *rows, size_t count, const void *target);

/*
 * To be called while the program may still write where its file for init
 * scripts (-p) is to be.  0, or -errno, said on stderr.
 */
int program_prepare(
    const struct program *program, struct program_options *options);

/*
 * Into the background, with the log in syslog and the process's number in the
 * file.  0, or -errno, said on stderr: so whatever can be refused is to be
 * refused before.
 */
int program_detach(
    const struct program *program, const struct program_options *options);

#endif
