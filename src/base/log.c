/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log - puts lines together and hands each to its target in one piece.
 *
 * Several processes write to one target: a line is one write(2), and nothing
 * is buffered but the count of repeats.  Threads that read files never log,
 * so there is no lock.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define ELLIPSIS "\xe2\x80\xa6"
#define REPEAT_WINDOW_NS INT64_C(1000000000)
/* Shortages that are remembered, and for how long. */
#define SHORTAGES 8
#define SHORTAGE_NS INT64_C(60000000000)

/* clang-format off */
const char *const log_level_names[] = {
	[LOG_LEVEL_ERROR]   = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO]    = "info",
	[LOG_LEVEL_DEBUG]   = "debug",
	NULL
};
/* of syslog and the journal */
static const int priorities[] = {
	[LOG_LEVEL_ERROR]   = LOG_ERR,
	[LOG_LEVEL_WARNING] = LOG_WARNING,
	[LOG_LEVEL_INFO]    = LOG_INFO,
	[LOG_LEVEL_DEBUG]   = LOG_DEBUG,
};
/* clang-format on */

/* A line as it is given, before its target is known. */
struct line {
	enum log_level level;
	char text[LOG_LINE_MAX]; /* "area: message" */
};

struct shortage {
	struct line line; /* empty text: none */
	struct timespec told_at;
	unsigned more; /* times since, not logged */
};

/* What a log has by nature one of per process. */
static struct {
	enum log_level level;
	enum log_target target;
	int fd; /* LOG_TO_FILE; owned */
	char file[PATH_MAX];
	bool journal; /* stderr is read by journald */

	struct line last; /* the line that was logged last */
	struct timespec last_at;
	unsigned repeats; /* of it since, not logged */

	unsigned lost; /* lines that could not be written, not told yet */
	int lost_error;
	bool cut; /* what was written last is no whole line */

	struct shortage shortages[SHORTAGES];
	pid_t pid; /* of the process that counted all this */
} state = { .level = LOG_LEVEL_INFO, .target = LOG_TO_STDERR, .fd = -1 };

/* ---- targets ---- */

/* systemd.exec(5): JOURNAL_STREAM names the device and inode of the stream;
 * it is inherited by those whose stderr has become something else. */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return stream != NULL &&
	       sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

static int
file_open(const char *file)
{
	int fd;

	fd = open(
	    file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return fd == -1 ? -errno : fd;
}

int
log_open(enum log_target target, const char *ident, const char *file)
{
	int fd = -1;

	if (target == LOG_TO_FILE) {
		if (strlen(file) >= sizeof(state.file))
			return -ENAMETOOLONG;
		if ((fd = file_open(file)) < 0)
			return fd;
	}
	log_flush();
	state.last.text[0] = '\0'; /* the new target has not seen it */
	if (state.fd != -1)
		close(state.fd);
	state.fd = fd;
	state.cut = false;
	state.target = target;
	if (target == LOG_TO_FILE && file != state.file)
		strcpy(state.file, file);
	closelog();
	/* At once: behind a sandbox there is no way to /dev/log. */
	if (target == LOG_TO_SYSLOG)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	state.journal = target == LOG_TO_STDERR && stderr_is_journal();
	return 0;
}

int
log_reopen(void)
{
	if (state.target != LOG_TO_FILE)
		return 0;
	return log_open(LOG_TO_FILE, NULL, state.file);
}

int
log_descriptor(void)
{
	return state.target == LOG_TO_FILE ? state.fd : -1;
}

void
log_take(int fd)
{
	if (state.target != LOG_TO_FILE) {
		close(fd);
		return;
	}
	log_flush();
	close(state.fd);
	state.fd = fd;
	state.cut = false;
}

void
log_resume(const char *file, int fd)
{
	snprintf(state.file, sizeof(state.file), "%s", file);
	state.fd = fd;
	state.target = LOG_TO_FILE;
}

/* "2026-01-31T23:59:59.123Z " */
static size_t
timestamp_format(char *text, size_t size)
{
	struct timespec now;
	struct tm utc;
	size_t length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	length = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &utc);
	return length + (size_t)snprintf(text + length, size - length,
			    ".%03uZ ", (unsigned)(now.tv_nsec / 1000000));
}

/* A full disk or pipe may take a part of it. */
static bool
bytes_write(int fd, const char *bytes, size_t length)
{
	ssize_t written;

	do
		written = write(fd, bytes, length);
	while (written == -1 && errno == EINTR);
	if (written == (ssize_t)length) {
		state.cut = false;
		return true;
	}
	state.lost_error = written == -1 ? errno : ENOSPC;
	state.cut |= written > 0;
	return false;
}

static bool
target_write(enum log_level level, const char *text)
{
	char whole[LOG_LINE_MAX + 64];
	int fd = STDERR_FILENO;
	size_t length = 0;

	if (state.target == LOG_TO_SYSLOG) {
		syslog(priorities[level], "%s", text);
		return true;
	}
	if (state.cut)
		whole[length++] = '\n';
	if (state.target == LOG_TO_FILE) {
		fd = state.fd;
		length +=
		    timestamp_format(whole + length, sizeof(whole) - length);
	} else if (state.journal) {
		length += (size_t)snprintf(whole + length,
		    sizeof(whole) - length, "<%d>", priorities[level]);
	}
	length += (size_t)snprintf(whole + length, sizeof(whole) - length,
	    "%s %s\n", log_level_names[level], text);
	return bytes_write(fd, whole, length);
}

/* False: some are not told yet. */
static bool
tell_lost(void)
{
	char text[128];

	if (state.lost == 0)
		return true;
	snprintf(text, sizeof(text), "log: lines lost count=%u: %s", state.lost,
	    strerror(state.lost_error));
	if (!target_write(LOG_LEVEL_WARNING, text))
		return false;
	state.lost = 0;
	return true;
}

/* A line that cannot be written is lost, and told of when one can be. */
static void
line_write(enum log_level level, const char *text)
{
	if (!tell_lost() || !target_write(level, text))
		state.lost++;
}

/* ---- repeats ---- */

/* A forked child has the counts of its parent, who will tell them. */
static void
leave_to_parent(void)
{
	if (state.pid == getpid())
		return;
	state.pid = getpid();
	state.repeats = 0;
	state.lost = 0;
	state.last.text[0] = '\0';
	memset(state.shortages, 0, sizeof(state.shortages));
}

static int64_t
age_ns(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)(now.tv_sec - then->tv_sec) * 1000000000 + now.tv_nsec -
	       then->tv_nsec;
}

/* Those whose minute is over are forgotten, and told again if they lasted. */
static void
expire_shortages(void)
{
	char text[LOG_LINE_MAX];

	for (size_t i = 0; i < SHORTAGES; i++) {
		struct shortage *shortage = &state.shortages[i];

		if (shortage->line.text[0] == '\0' ||
		    age_ns(&shortage->told_at) < SHORTAGE_NS)
			continue;
		snprintf(text, sizeof(text), "%s (%u times more)",
		    shortage->line.text, shortage->more);
		if (shortage->more != 0)
			line_write(shortage->line.level, text);
		shortage->line.text[0] = '\0';
	}
}

void
log_flush(void)
{
	char text[LOG_LINE_MAX];
	const char *area_end = strchr(state.last.text, ':');
	int area_length = 0;

	leave_to_parent();
	(void)tell_lost();
	expire_shortages();
	if (state.repeats == 0)
		return;
	if (area_end != NULL)
		area_length = (int)(area_end - state.last.text);
	snprintf(text, sizeof(text), "%.*s: last line repeated %u times",
	    area_length, state.last.text, state.repeats);
	state.repeats = 0;
	line_write(state.last.level, text);
}

static bool
is_repeat(const struct line *line)
{
	return state.last.level == line->level &&
	       strcmp(state.last.text, line->text) == 0 &&
	       age_ns(&state.last_at) < REPEAT_WINDOW_NS;
}

static void
line_log(const struct line *line)
{
	leave_to_parent();
	if (is_repeat(line)) {
		state.repeats++;
		return;
	}
	log_flush();
	line_write(line->level, line->text);
	state.last = *line;
	clock_gettime(CLOCK_MONOTONIC, &state.last_at);
}

/* ---- shortages ---- */

/* The one with this text; else one for it, the oldest in the end. */
static struct shortage *
shortage_of(const struct line *line)
{
	struct shortage *best = &state.shortages[0];

	for (size_t i = 0; i < SHORTAGES; i++) {
		struct shortage *shortage = &state.shortages[i];

		if (strcmp(shortage->line.text, line->text) == 0)
			return shortage;
		if (best->line.text[0] != '\0' &&
		    (shortage->line.text[0] == '\0' ||
			age_ns(&shortage->told_at) > age_ns(&best->told_at)))
			best = shortage;
	}
	best->line.text[0] = '\0';
	return best;
}

static void
shortage_log(const struct line *line)
{
	struct shortage *shortage;

	leave_to_parent();
	expire_shortages();
	shortage = shortage_of(line);
	if (shortage->line.text[0] != '\0') {
		shortage->more++;
		return;
	}
	line_log(line);
	shortage->line = *line;
	shortage->more = 0;
	clock_gettime(CLOCK_MONOTONIC, &shortage->told_at);
}

/* ---- lines ---- */

/* Ends TEXT, of which LENGTH bytes are wanted, in "…" when they do not fit;
 * a character of several bytes is not cut in two. */
static void
text_cut(char *text, size_t size, size_t length)
{
	size_t end = size - sizeof(ELLIPSIS);

	if (length < size)
		return;
	while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	memcpy(text + end, ELLIPSIS, sizeof(ELLIPSIS));
}

static void PRINTF_LIKE(4, 0)
    line_format(enum log_level level, void (*take)(const struct line *line),
	const char *area, const char *format, va_list arguments)
{
	struct line line;
	/* Level, blank and newline belong to the longest line. */
	size_t size = sizeof(line.text) - sizeof("warning \n");
	int saved = errno, length, more;

	if (level > state.level)
		return;
	length = snprintf(line.text, size, "%s: ", area);
	if (length < 0 || (size_t)length >= size)
		return; /* no area is that long */
	errno = saved; /* %m */
	more = vsnprintf(
	    line.text + length, size - (size_t)length, format, arguments);
	if (more < 0)
		return;
	text_cut(line.text, size, (size_t)length + (size_t)more);
	for (char *at = line.text; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' '; /* a line stays a line */
	line.level = level;
	take(&line);
	errno = saved;
}

void
log_line(enum log_level level, const char *area, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line_format(level, line_log, area, format, arguments);
	va_end(arguments);
}

void
log_shortage(const char *area, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line_format(LOG_LEVEL_WARNING, shortage_log, area, format, arguments);
	va_end(arguments);
}

/* ---- levels ---- */

void
log_set_level(enum log_level level)
{
	state.level = level;
}

enum log_level
log_get_level(void)
{
	return state.level;
}

/* ---- client text ---- */

#define ESCAPED_MAX 255

const char *
log_escape(struct log_text *buffer, const void *text, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = text;
	size_t at = 0;

	_Static_assert(sizeof(buffer->text) > ESCAPED_MAX + sizeof("..."), "");
	for (size_t i = 0; i < length; i++) {
		bool plain = from[i] >= 0x21 && from[i] <= 0x7e &&
			     strchr("\"'\\", from[i]) == NULL;

		if (at + (plain ? 1 : 4) > ESCAPED_MAX) {
			memcpy(buffer->text + at, "...", 3);
			at += 3;
			break;
		}
		if (plain) {
			buffer->text[at++] = (char)from[i];
			continue;
		}
		buffer->text[at++] = '\\';
		buffer->text[at++] = 'x';
		buffer->text[at++] = digits[from[i] >> 4];
		buffer->text[at++] = digits[from[i] & 15];
	}
	buffer->text[at] = '\0';
	return buffer->text;
}
