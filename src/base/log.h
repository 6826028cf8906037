/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log - one line per event, to stderr or syslog.
 *
 *	info session: ended peer=192.0.2.1:4711 session=1a2b… title=a.wmv …
 *
 * The log, with its level, is the only global of the project.  A line is one
 * write(2), and SIGPIPE is the program's to ignore.  Lines that cannot be
 * written (a full disk) are lost; how many is logged when there is room again.
 * Text that came from a client goes through LOG_TEXT (below), so that a line
 * stays a line.  A line that repeats within a second is counted, and the count
 * is logged instead of the repeats.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};
/* "error", "warning", "info", "debug", NULL: the choices of a setting. */
extern const char *const log_level_names[];
enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE };

/* Longest line; what is longer ends in "…". */
#define LOG_LINE_MAX 2048

/*
 * Where lines go from now on.  FILE is used by LOG_TO_FILE only and is opened
 * for appending; log_reopen() opens it again (logrotate).  IDENT is borrowed
 * for ever.  0 or -errno (the old target stays).
 */
int log_open(enum log_target target, const char *ident, const char *file);
int log_reopen(void);
/*
 * A process that may not open the file itself is given the new one by one that
 * may: the descriptor of LOG_TO_FILE (borrowed; -1: another target), and take
 * it (FD is closed when there is no file to replace).
 */
int log_descriptor(void);
void log_take(int fd);
/* LOG_TO_FILE goes on with what another program opened: FD is taken. */
void log_resume(const char *file, int fd);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/*
 * Logs the counts, of repeats and of lines lost, that wait for another line.
 * To be called now and then, and before the process ends.
 */
void log_flush(void);

void log_line(enum log_level level, const char *area, const char *format, ...)
    PRINTF_LIKE(3, 4);
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * What the machine runs short of, which may last and happens often meanwhile: a
 * warning whose text is logged at once, then not for a minute, whatever else
 * is logged; log_flush() tells at its end how often it was since.  So: no
 * text that is another each time.
 */
void log_shortage(const char *area, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Client text, made printable: \xHH for everything outside 0x21..0x7e, for
 * quotes and backslash; cut at 255 characters with "...".  LOG_TEXT gives it a
 * buffer that lives until the end of the enclosing block.
 */
struct log_text {
	char text[300];
};
const char *log_escape(
    struct log_text *buffer, const void *text, size_t length);
#define LOG_TEXT(text, length)                                                 \
	log_escape(&(struct log_text){ { 0 } }, text, length)

#endif
