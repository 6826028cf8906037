/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settings - reads a libconfig file against a program's table of settings.
 *
 * A setting is a row: name, type, unit kind, limits, default, help.  What is
 * unknown, of the wrong type or outside its limits is an error that names file,
 * line, setting and what would be right.  Nothing of the target changes on an
 * error.
 *
 * Rates, sizes and times are strings with units ("8 Gbit/s", "2 MiB",
 * "50 ms") or "0"; a plain integer is taken for counts only, and one
 * of more than 9 digits is refused, because libconfig 1.5 wraps large integers
 * silently. Every number is written in decimal digits, a unit's number may have
 * a fraction ("1.5 s").
 */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Rates count in powers of 1000, KiB to GiB in powers of 1024. */
/* clang-format off */
enum settings_type {
	SETTINGS_COUNT,     /* uint64_t; 4000 */
	SETTINGS_RATE,      /* uint64_t, bit/s; bit/s kbit/s Mbit/s Gbit/s */
	SETTINGS_SIZE,      /* uint64_t, bytes; bytes KiB MiB GiB kB MB GB */
	SETTINGS_TIME,      /* uint64_t, microseconds; us ms s min h */
	SETTINGS_BOOL,      /* bool; true false */
	SETTINGS_TEXT,      /* char[SETTINGS_TEXT_MAX] */
	SETTINGS_TEXT_LIST, /* struct settings_list; ( "a", "b" ) or "a" */
	SETTINGS_RANGE,     /* struct settings_range; "40000-40999", "": none */
	SETTINGS_CHOICE,    /* uint64_t: index into choices */
	SETTINGS_NUMBER,    /* double; 1.5 or an integer */
	SETTINGS_GROUPS,    /* uint64_t: so many; ( { a = 1; }, { a = 2; } ) */
};
/* clang-format on */

#define SETTINGS_TEXT_MAX 1024
#define SETTINGS_LIST_MAX 16

struct settings_list {
	unsigned count;
	char text[SETTINGS_LIST_MAX][256];
};
struct settings_range {
	uint16_t first, last;
};

struct settings_row {
	const char *name;
	enum settings_type type;
	size_t offset; /* of the value in the target structure */
	/* As in the file, without quotes: "8 Gbit/s"; of a list one text. */
	const char *default_text;
	uint64_t least, most; /* in the type's unit; not for texts */
	/*
	 * Of SETTINGS_CHOICE const char *const *, its choices and NULL; of
	 * SETTINGS_GROUPS const struct settings_groups *; else NULL.
	 */
	const void *detail;
	const char *help; /* one sentence */
};

/*
 * Groups have settings of their own, but no groups; each is a structure in an
 * array with room for the row's MOST.  Only a file can set them.
 */
struct settings_groups {
	const struct settings_row *rows;
	size_t count;
	size_t size; /* of a group's structure */
	size_t offset; /* of the first one in the target structure */
};

/* The longest message, NUL included. */
#define SETTINGS_ERROR_MAX 512

/*
 * Every row's default into TARGET.  A default outside its limits is our bug:
 * asserted.
 */
void settings_defaults(
    const struct settings_row *rows, size_t count, void *target);

/*
 * FILE into TARGET, whose other settings stay as they are.  0, or -errno with
 * ERROR set: -ENOENT etc. from opening, -EISDIR, -EFBIG above 1 MiB, -EINVAL
 * "FILE:LINE: NAME: what is wrong; what would be right".  @include is refused.
 */
int settings_read(const struct settings_row *rows, size_t count,
    const char *file, void *target, char error[static SETTINGS_ERROR_MAX]);

/*
 * "NAME=VALUE" as given by -o; VALUE as in the file, but quotes may be left
 * out and a list may be a,b.  0 or -EINVAL "-o NAME: what is wrong; ...".
 */
int settings_override(const struct settings_row *rows, size_t count,
    const char *assignment, void *target,
    char error[static SETTINGS_ERROR_MAX]);

/* Where a program's settings come from; all borrowed. */
#define SETTINGS_OVERRIDES_MAX 72
struct settings_source {
	const char *file;
	bool file_optional; /* the default file may be missing */
	unsigned override_count;
	/* As given by -o; a later one stands above those before it. */
	const char *overrides[SETTINGS_OVERRIDES_MAX];
};

/*
 * Defaults, then the file, then the overrides, into TARGET, which is nothing
 * whole after an error.  0, or -errno with ERROR set.
 */
int settings_load(const struct settings_row *rows, size_t count,
    const struct settings_source *source, void *target,
    char error[static SETTINGS_ERROR_MAX]);

/*
 * ERROR for what is wrong with NAME although its row takes it: the line of the
 * file is named unless an override stands above it.  -EINVAL.
 */
int settings_blame(const struct settings_source *source, const char *name,
    const char *what, char error[static SETTINGS_ERROR_MAX]);

/* Has the setting of ROW the same value in A and B? */
bool settings_same(
    const struct settings_row *row, const void *a, const void *b);

/*
 * Prints all settings as they are now in the syntax of the file, each below
 * its help, with a comment where it differs from the default.
 */
void settings_print(const struct settings_row *rows, size_t count,
    const void *target, FILE *out);

#endif
