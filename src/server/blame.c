/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blame: marks of faulting threads, and the charge against what they name. What
 * a charge costs is seen where connections and titles are adopted.
 */
#include "server/blame.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "media/reader.h"

/* A mark that names no record that there is. */
#define OF_NOTHING UINT64_MAX

/* The handler's one argument; a process has one lane. */
static struct lane *faulting_lane;

static void
fault(int number)
{
	uint64_t mark;

	/* The loop goes on to mark what it works on, until all threads end. */
	if (reader_thread_mark(&mark))
		table_counter_set(faulting_lane->table, faulting_lane->number,
		    TABLE_FAULT, mark != 0 ? mark : OF_NOTHING);
	/* Whoever sent it, it ends the process when we return. */
	signal(number, SIG_DFL);
	(void)syscall(SYS_tgkill, getpid(), gettid(), number);
}

void
blame_watch_faults(struct lane *lane)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
		SIGABRT };

	faulting_lane = lane;
	for (size_t i = 0; i < ARRAY_LENGTH(faults); i++)
		signal(faults[i], fault);
}

static void
charge_connection(struct lane *lane, uint32_t record)
{
	struct table_connection view;
	char peer[SOCK_TEXT_MAX];

	if (!table_read(
		lane->table, lane->number, TABLE_CONNECTION, record, &view) ||
	    view.state != TABLE_USED)
		return;
	view.blame++;
	table_publish(
	    lane->table, lane->number, TABLE_CONNECTION, record, &view);
	log_error("blame",
	    "a worker died over a request peer=%s deaths=%" PRIu32 "%s",
	    sock_address_text(&view.peer, true, peer), view.blame,
	    view.blame > BLAME_FORGIVEN ? ", its connection is ended" : "");
}

/* True: once too often. */
static bool
charge_title(struct lane *lane, uint32_t record)
{
	uint64_t now_us = clock_monotonic_us();
	struct table_title view;

	if (!table_read(
		lane->table, lane->number, TABLE_TITLE, record, &view) ||
	    view.state != TABLE_USED)
		return false;
	view.blame = now_us - view.blamed_us < BLAME_US ? view.blame + 1 : 1;
	view.blamed_us = now_us;
	if (view.blame > BLAME_FORGIVEN)
		view.refused_until_us = now_us + BLAME_US;
	table_publish(lane->table, lane->number, TABLE_TITLE, record, &view);
	log_error("blame",
	    "a worker died over a title title=\"%s\" bytes=%" PRIu64
	    " inode=%" PRIu64 " deaths=%" PRIu32 "%s",
	    LOG_TEXT(view.path, strnlen(view.path, sizeof(view.path))),
	    view.bytes, view.inode, view.blame,
	    view.blame > BLAME_FORGIVEN ? ", it is refused for a minute" : "");
	return view.blame > BLAME_FORGIVEN;
}

static uint64_t
last_mark(const struct lane *lane)
{
	uint64_t mark = table_counter(lane->table, lane->number, TABLE_FAULT);

	return mark != 0
		   ? mark
		   : table_counter(lane->table, lane->number, TABLE_BLAME);
}

void
blame_judge(struct lane *lane, bool fault)
{
	uint64_t mark = last_mark(lane);
	uint32_t connection = table_mark_connection(mark);
	uint32_t title = table_mark_title(mark);

	lane->ended_title = TABLE_NONE;
	table_counter_set(lane->table, lane->number, TABLE_FAULT, 0);
	blame_nobody(lane);
	if (!fault)
		return;
	if (connection != TABLE_NONE)
		charge_connection(lane, connection);
	/* A request may be at fault itself: others of its title go on. */
	if (title != TABLE_NONE && charge_title(lane, title) &&
	    connection == TABLE_NONE)
		lane->ended_title = title;
}
