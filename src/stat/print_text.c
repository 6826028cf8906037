/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot as a table for people.  Where a screen's rows are given they are
 * kept to: sessions that do not fit are counted.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "base/base.h"
#include "stat/print.h"

#define NUMBER_TEXT_MAX 32

/* 1234567, "B" -> "1.23 MB": three digits, powers of 1000. */
static const char *
scaled(uint64_t value, const char *unit, char text[static NUMBER_TEXT_MAX])
{
	static const char *const prefixes[] = { "", "k", "M", "G", "T", "P",
		"E" };
	double scaled = (double)value;
	size_t i = 0;
	int digits = 0;

	while (scaled >= 999.5 && i + 1 < ARRAY_LENGTH(prefixes)) {
		scaled /= 1000;
		i++;
	}
	if (i > 0 && scaled < 9.995)
		digits = 2;
	else if (i > 0 && scaled < 99.95)
		digits = 1;
	snprintf(text, NUMBER_TEXT_MAX, "%.*f %s%s", digits, scaled,
	    prefixes[i], unit);
	return text;
}

static const char *
clock_text(uint32_t ms, char text[static NUMBER_TEXT_MAX])
{
	uint32_t s = ms / 1000;

	snprintf(text, NUMBER_TEXT_MAX, "%" PRIu32 ":%02" PRIu32 ":%02" PRIu32,
	    s / 3600, s / 60 % 60, s % 60);
	return text;
}

static const char *
uptime_text(uint64_t s, char text[static NUMBER_TEXT_MAX])
{
	uint64_t minutes = s / 60, hours = minutes / 60, days = hours / 24;

	if (minutes == 0)
		snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64 " s", s);
	else if (hours == 0)
		snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64 " min", minutes);
	else if (days == 0)
		snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64 " h %" PRIu64 " min",
		    hours, minutes % 60);
	else
		snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64 " d %" PRIu64 " h",
		    days, hours % 24);
	return text;
}

/* Marks and overrides of writing direction would reorder the line. */
static bool
turns_the_line(wchar_t c)
{
	return c == 0x061c || (c >= 0x200e && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/*
 * File names are bytes, and strangers may have had a part in them: what is not
 * printable here stands as \xHH.
 */
static void
name_print(const char *name, FILE *out)
{
	mbstate_t state = { 0 };
	size_t left = strlen(name);

	while (left > 0) {
		wchar_t c;
		size_t bytes = mbrtowc(&c, name, left, &state);

		if (bytes == (size_t)-1 || bytes == (size_t)-2 ||
		    !iswprint((wint_t)c) || turns_the_line(c) || c == L'\\') {
			fprintf(out, "\\x%02x", (unsigned char)*name);
			state = (mbstate_t){ 0 };
			bytes = 1;
		} else {
			fwrite(name, 1, bytes, out);
		}
		name += bytes;
		left -= bytes;
	}
}

static size_t
head_print(
    const struct snapshot *snapshot, const struct print_view *view, FILE *out)
{
	const struct table_limits *limits = &snapshot->info.limits;
	char text[NUMBER_TEXT_MAX];

	fprintf(out, "instance   %s, master %" PRId32 "%s, up %s%s\n",
	    view->instance, snapshot->info.master_pid,
	    snapshot->master_running ? "" : " (not running)",
	    uptime_text(snapshot->uptime_s, text),
	    snapshot->info.draining ? ", draining" : "");

	fprintf(out, "sessions   %" PRIu64, snapshot->session_count);
	if (limits->max_sessions != 0)
		fprintf(out, " of %" PRIu64, limits->max_sessions);
	fprintf(out,
	    ": %" PRIu64 " playing, %" PRIu64 " paused, %" PRIu64 " ready\n",
	    snapshot->by_state[TABLE_SESSION_PLAYING],
	    snapshot->by_state[TABLE_SESSION_PAUSED],
	    snapshot->by_state[TABLE_SESSION_READY]);

	fprintf(out, "committed  %s",
	    scaled(snapshot->committed_bps, "bit/s", text));
	if (limits->max_bandwidth_bps != 0)
		fprintf(out, " of %s",
		    scaled(limits->max_bandwidth_bps, "bit/s", text));
	fprintf(
	    out, "\nsent       %s", scaled(snapshot->bytes_sent, "B", text));
	fprintf(out, " in %" PRIu64 " packets", snapshot->packets_sent);
	if (view->sending_bps != 0)
		fprintf(
		    out, ", now %s", scaled(view->sending_bps, "bit/s", text));
	fputc('\n', out);
	return 4;
}

static size_t
workers_print(const struct snapshot *snapshot, FILE *out)
{
	fprintf(out, "\n%6s %8s %9s %11s %12s %9s %10s\n", "WORKER", "PID",
	    "SESSIONS", "CONNECTIONS", "COMMITTED", "SENT", "HEARTBEAT");
	for (size_t i = 0; i < snapshot->worker_count; i++) {
		const struct snapshot_worker *worker = &snapshot->workers[i];
		char committed[NUMBER_TEXT_MAX], sent[NUMBER_TEXT_MAX];

		fprintf(out,
		    "%6" PRIu32 " %8" PRId32 " %9" PRIu64 " %11" PRIu64
		    " %12s %9s %7" PRIu64 " ms\n",
		    worker->lane, worker->pid, worker->sessions,
		    worker->connections,
		    scaled(worker->committed_bps, "bit/s", committed),
		    scaled(worker->bytes_sent, "B", sent),
		    worker->heartbeat_age_ms);
	}
	return 2 + snapshot->worker_count;
}

static int
peer_width(const struct snapshot *snapshot)
{
	size_t width = strlen("PEER");

	for (size_t i = 0; i < snapshot->session_length; i++)
		width = MAX_OF(width, strlen(snapshot->sessions[i].peer));
	return (int)width;
}

static void
session_print(const struct snapshot_session *session, int width, FILE *out)
{
	char position[NUMBER_TEXT_MAX], sent[NUMBER_TEXT_MAX];

	fprintf(out,
	    "%-8s  %-*s  %-7s  %-3s %9s %9s %9" PRIu64 " %6" PRIu32 "  ",
	    session->id, width, session->peer,
	    snapshot_state_name(session->state),
	    snapshot_transport_name(session->transport),
	    clock_text(session->position_ms, position),
	    scaled(session->bytes_sent, "B", sent), session->packets_sent,
	    session->packets_lost);
	name_print(session->title, out);
	fputc('\n', out);
}

static void
sessions_print(const struct snapshot *snapshot, const struct print_view *view,
    size_t rows_used, FILE *out)
{
	size_t shown = snapshot->session_length;
	int width = peer_width(snapshot);

	fprintf(out, "\n%-8s  %-*s  %-7s  %-3s %9s %9s %9s %6s  %s\n",
	    "SESSION", width, "PEER", "STATE", "BY", "POSITION", "SENT",
	    "PACKETS", "LOST", "TITLE");
	rows_used += 4; /* these, "... more", and the cursor's */
	if (view->rows != 0)
		shown = MIN_OF(
		    shown, view->rows > rows_used ? view->rows - rows_used : 0);
	for (size_t i = 0; i < shown; i++)
		session_print(&snapshot->sessions[i], width, out);
	if (shown < snapshot->session_length)
		fprintf(
		    out, "... %zu more\n", snapshot->session_length - shown);
}

void
print_text(
    const struct snapshot *snapshot, const struct print_view *view, FILE *out)
{
	size_t rows_used = head_print(snapshot, view, out);

	rows_used += workers_print(snapshot, out);
	if (view->sessions)
		sessions_print(snapshot, view, rows_used, out);
}
