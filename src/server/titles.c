/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The open titles.  Opening and looking again whether a path still means the
 * same file happen on reader threads; this keeps the books.
 */
#include "server/titles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/blame.h"

#define BUCKETS 1024 /* a power of two */
/* Entries beyond the table's titles: those that failed, for a second at most.
 */
#define FAILED_MAX 4096

enum entry_state { ENTRY_OPENING, ENTRY_OPEN, ENTRY_FAILED };

struct titles_entry {
	struct reader_job job;
	struct titles *titles;
	struct titles_entry *chain;
	struct waiter *waiters;
	enum entry_state state;
	unsigned references;
	bool looking; /* the job runs */
	bool replaced; /* the path means another file by now */
	bool adopted; /* a predecessor had this file open: */
	struct title_identity identity;
	uint64_t checked_us, used_us;
	/* Workers died over it: refused, remembered. */
	uint64_t refused_until_us, kept_until_us;
	struct title *title;
	uint32_t record, first_ms; /* record: TABLE_NONE where opening failed */
	int error;
	enum asf_result reason;
	/* What the job brings back. */
	struct title *found;
	uint32_t found_first_ms;
	int found_error;
	bool found_same; /* the file that is open already */
	enum asf_result found_reason;
	char path[];
};

struct titles {
	struct lane *lane;
	struct titles_entry *buckets[BUCKETS];
	struct titles_entry *closing; /* list: a job closes them */
	unsigned count;
	size_t search; /* bucket in which to look next for one that failed */
};

int
titles_new(struct lane *lane, struct titles **out)
{
	struct titles *titles = calloc(1, sizeof(*titles));

	if (titles == NULL)
		return -ENOMEM;
	titles->lane = lane;
	*out = titles;
	return 0;
}

static void
free_list(struct titles_entry *entry)
{
	struct titles_entry *next;

	for (; entry != NULL; entry = next) {
		next = entry->chain;
		title_close(entry->title);
		free(entry);
	}
}

void
titles_free(struct titles *titles)
{
	if (titles == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		free_list(titles->buckets[i]);
	free_list(titles->closing);
	free(titles);
}

static struct titles_entry **
bucket_of(struct titles *titles, const char *path)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (; *path != '\0'; path++)
		hash = (hash ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
	return &titles->buckets[hash & (BUCKETS - 1)];
}

static struct titles_entry *
entry_find(struct titles *titles, const char *path)
{
	struct titles_entry *entry = *bucket_of(titles, path);

	while (entry != NULL &&
	       (entry->replaced || strcmp(entry->path, path) != 0))
		entry = entry->chain;
	return entry;
}

static bool
same_file(const struct title_identity *now, const struct title_identity *then)
{
	return now->device == then->device && now->inode == then->inode &&
	       now->bytes == then->bytes &&
	       now->change_time_us == then->change_time_us;
}

/* What was found is what is open, or was when a predecessor had it open. */
static bool
found_same(const struct titles_entry *entry)
{
	const struct title_identity *then = entry->title != NULL
						? title_identity(entry->title)
						: &entry->identity;

	return entry->found != NULL &&
	       same_file(title_identity(entry->found), then);
}

/* On a reader thread. */
static void
look(struct reader_job *job)
{
	struct titles_entry *entry =
	    CONTAINER_OF(job, struct titles_entry, job);

	entry->found = NULL;
	entry->found_reason = ASF_OK;
	entry->found_error = title_open(entry->titles->lane->media_root,
	    entry->path, &entry->found, &entry->found_reason);
	if (entry->found_error == 0)
		entry->found_error =
		    title_send_ms(entry->found, 0, &entry->found_first_ms);
	/* Only one is kept; closing may wait for the file system too. */
	entry->found_same = found_same(entry);
	if (entry->found_error == 0 && entry->adopted && !entry->found_same)
		entry->found_error = -ESTALE;
	if (entry->found_error != 0 || entry->title != NULL) {
		title_close(entry->found);
		entry->found = NULL;
	}
}

/*
 * The record names the title before it is opened, so that it can be blamed;
 * then the file too.
 */
static void
publish_record(const struct titles_entry *entry)
{
	const struct lane *lane = entry->titles->lane;
	struct table_title view = { 0 };

	/* What it was charged with stays. */
	(void)table_read(
	    lane->table, lane->number, TABLE_TITLE, entry->record, &view);
	view.state = TABLE_USED;
	view.device = entry->identity.device;
	view.inode = entry->identity.inode;
	view.bytes = entry->identity.bytes;
	view.change_time_us = entry->identity.change_time_us;
	strncpy(view.path, entry->path, sizeof(view.path) - 1);
	table_publish(
	    lane->table, lane->number, TABLE_TITLE, entry->record, &view);
}

static void
drop_record(struct titles_entry *entry)
{
	struct lane *lane = entry->titles->lane;

	if (entry->record != TABLE_NONE)
		table_release(
		    lane->table, lane->number, TABLE_TITLE, entry->record);
	entry->record = TABLE_NONE;
}

static void
enter_failed(struct titles_entry *entry, int error, enum asf_result reason)
{
	entry->state = ENTRY_FAILED;
	entry->error = error;
	entry->reason = reason;
	/* Who holds it, or is refused it, finds it by the record. */
	if (entry->references == 0 && entry->refused_until_us == 0)
		drop_record(entry);
}

static void
enter_open(struct titles_entry *entry)
{
	entry->title = entry->found;
	entry->first_ms = entry->found_first_ms;
	entry->found = NULL;
	entry->identity = *title_identity(entry->title);
	title_set_mark(entry->title, table_mark(TABLE_NONE, entry->record));
	publish_record(entry);
	entry->state = ENTRY_OPEN;
}

/* A look that failed for want of something, or by the disk, doesn't tell. */
static bool
means_another_file(const struct titles_entry *entry)
{
	switch (entry->found_error) {
	case 0:
		return !entry->found_same;
	case -ENOENT:
	case -EBADMSG:
	case -ESTALE:
		return true;
	default:
		return false;
	}
}

/* Back on the loop's thread. */
static void
looked(struct reader_job *job)
{
	struct titles_entry *entry =
	    CONTAINER_OF(job, struct titles_entry, job);

	entry->looking = false;
	entry->checked_us = loop_now_us(entry->titles->lane->loop);
	entry->used_us = entry->checked_us;
	if (entry->state == ENTRY_OPEN) {
		/* Its sessions go on with the file they have. */
		entry->replaced = means_another_file(entry);
	} else if (entry->found_error != 0) {
		enter_failed(entry, entry->found_error, entry->found_reason);
		entry->replaced = entry->found_error == -ESTALE;
	} else {
		entry->adopted = false; /* from now on it is ours */
		enter_open(entry);
	}
	waiter_call_all(&entry->waiters);
}

/* Do the titles of another lane say that workers died over PATH? */
static bool
is_refused_elsewhere(const struct titles *titles, const char *path)
{
	const struct table *table = titles->lane->table;
	uint64_t now_us = loop_now_us(titles->lane->loop);
	struct table_title view;
	struct table_info info;

	if (table_counter_sum(table, TABLE_TITLES_REFUSED) == 0)
		return false;
	table_info(table, &info);
	for (uint32_t lane = 0; lane < info.limits.lanes; lane++) {
		uint32_t used = table_high_water(table, lane, TABLE_TITLE);

		if (lane == titles->lane->number) /* its entry says so */
			continue;
		for (uint32_t record = 0; record < used; record++)
			if (table_read(
				table, lane, TABLE_TITLE, record, &view) &&
			    view.state == TABLE_USED &&
			    view.refused_until_us > now_us &&
			    strncmp(view.path, path, sizeof(view.path)) == 0)
				return true;
	}
	return false;
}

/* 0: it is being opened.  -EBUSY, -EUSERS ...: it is not, and failed. */
static int
start_looking(struct titles_entry *entry)
{
	struct lane *lane = entry->titles->lane;
	int error = 0;

	if (is_refused_elsewhere(entry->titles, entry->path)) {
		error = -EBUSY;
	} else if (entry->record == TABLE_NONE) {
		error = table_claim(
		    lane->table, lane->number, TABLE_TITLE, &entry->record);
		if (error == 0)
			publish_record(entry);
	}
	if (error != 0) {
		entry->checked_us = entry->used_us = loop_now_us(lane->loop);
		enter_failed(entry, error, ASF_OK);
		return error;
	}
	entry->looking = true;
	entry->job.work = look;
	entry->job.done = looked;
	entry->job.group = titles_group(entry);
	entry->job.mark = table_mark(TABLE_NONE, entry->record);
	reader_submit(lane->reader, &entry->job);
	return 0;
}

static struct titles_entry *
entry_new(struct titles *titles, const char *path)
{
	struct titles_entry **bucket = bucket_of(titles, path);
	size_t length = strlen(path) + 1;
	struct titles_entry *entry = calloc(1, sizeof(*entry) + length);

	if (entry == NULL)
		return NULL;
	memcpy(entry->path, path, length);
	entry->titles = titles;
	entry->record = TABLE_NONE;
	entry->state = ENTRY_OPENING;
	entry->chain = *bucket;
	*bucket = entry;
	titles->count++;
	return entry;
}

static const char *
error_text(int error, enum asf_result reason)
{
	switch (error) {
	case -EBADMSG:
		return asf_result_text(reason);
	case -EBUSY:
		return "workers died over it";
	case -EUSERS:
		return "too many titles are open";
	default:
		return strerror(-error);
	}
}

static bool
is_full(const struct titles *titles)
{
	return titles->count >=
	       table_capacity(titles->lane->table, TABLE_TITLE) + FAILED_MAX;
}

/* Nobody needs to know any more that there is no such title. */
static bool
is_forgettable(const struct titles_entry *entry, uint64_t now_us)
{
	return entry->state == ENTRY_FAILED && entry->references == 0 &&
	       !entry->looking && entry->record == TABLE_NONE &&
	       now_us >= entry->kept_until_us;
}

/* One that failed makes room, wherever the search for the last one ended. */
static void
forget_failed(struct titles *titles)
{
	uint64_t now_us = loop_now_us(titles->lane->loop);
	struct titles_entry **at, *entry;

	for (size_t i = 0; i < BUCKETS; i++) {
		at = &titles->buckets[titles->search++ % BUCKETS];
		while ((entry = *at) != NULL && !is_forgettable(entry, now_us))
			at = &entry->chain;
		if (entry == NULL)
			continue;
		*at = entry->chain;
		free(entry);
		titles->count--;
		return;
	}
}

/* The entry of PATH, looked at not too long ago or being looked at; NULL. */
static struct titles_entry *
find_fresh(struct titles *titles, const char *path)
{
	uint64_t now_us = loop_now_us(titles->lane->loop);
	struct titles_entry *entry = entry_find(titles, path);

	if (entry == NULL) {
		if (is_full(titles))
			forget_failed(titles);
		if (!is_full(titles))
			entry = entry_new(titles, path);
		if (entry != NULL)
			(void)start_looking(entry);
	} else if (!entry->looking &&
		   now_us - entry->checked_us > TITLES_FRESH_US) {
		if (entry->state == ENTRY_FAILED)
			entry->state = ENTRY_OPENING;
		(void)start_looking(entry);
	}
	return entry;
}

int
titles_get(struct titles *titles, const char *path, struct waiter *waiter,
    struct titles_entry **out, const char **reason)
{
	uint64_t now_us = loop_now_us(titles->lane->loop);
	struct titles_entry *entry = entry_find(titles, path);
	int error = 0;

	if (entry != NULL && entry->refused_until_us > now_us)
		error = -EBUSY;
	else if ((entry = find_fresh(titles, path)) == NULL)
		error = is_full(titles) ? -EUSERS : -ENOMEM;
	else if (entry->looking)
		waiter_add(&entry->waiters, waiter);
	else if (entry->state == ENTRY_FAILED)
		error = entry->error;
	if (error != 0) {
		*reason =
		    error_text(error, entry != NULL ? entry->reason : ASF_OK);
		return error;
	}
	if (entry->looking)
		return -EINPROGRESS;
	entry->used_us = now_us;
	*out = entry;
	return 0;
}

/* --- adoption ------------------------------------------------------------- */

static struct titles_entry *
find_record(struct titles *titles, uint32_t record, const char *path)
{
	struct titles_entry *entry = *bucket_of(titles, path);

	while (entry != NULL && entry->record != record)
		entry = entry->chain;
	return entry;
}

/* An entry for what a predecessor's record says; not yet looked at. */
static struct titles_entry *
entry_of_record(
    struct titles *titles, uint32_t record, const struct table_title *view)
{
	struct lane *lane = titles->lane;
	uint64_t now_us = loop_now_us(lane->loop);
	struct titles_entry *entry = entry_new(titles, view->path);

	if (entry == NULL)
		return NULL;
	entry->record = record;
	entry->adopted = view->inode != 0;
	entry->identity = (struct title_identity){ view->device, view->inode,
		view->bytes, view->change_time_us };
	if (view->blame > 0)
		entry->kept_until_us = view->blamed_us + BLAME_US;
	if (view->refused_until_us > now_us) {
		entry->refused_until_us = view->refused_until_us;
		entry->kept_until_us = view->refused_until_us;
		table_counter_add(
		    lane->table, lane->number, TABLE_TITLES_REFUSED, 1);
	}
	return entry;
}

static bool
read_record(
    const struct titles *titles, uint32_t record, struct table_title *view)
{
	const struct lane *lane = titles->lane;

	if (!table_read(lane->table, lane->number, TABLE_TITLE, record, view) ||
	    view->state != TABLE_USED)
		return false;
	view->path[sizeof(view->path) - 1] = '\0';
	return true;
}

int
titles_adopt(struct titles *titles, uint32_t record, struct titles_entry **out)
{
	struct table_title view;
	struct titles_entry *entry;

	if (!read_record(titles, record, &view))
		return -ENOENT;
	entry = find_record(titles, record, view.path);
	if (entry == NULL) {
		if ((entry = entry_of_record(titles, record, &view)) == NULL)
			return -ENOMEM;
		titles_hold(entry); /* a failure must not take the record */
		if (record == titles->lane->ended_title)
			enter_failed(entry, -EBUSY, ASF_OK);
		else
			(void)start_looking(entry);
		titles_drop(entry);
	}
	*out = entry;
	return 0;
}

int
titles_ready(struct titles_entry *entry, struct waiter *waiter)
{
	if (entry->title != NULL)
		return 0;
	if (!entry->looking)
		return entry->error;
	waiter_add(&entry->waiters, waiter);
	return -EINPROGRESS;
}

/* A record that nobody adopted: kept as long as it is charged with a death. */
static void
release_other(struct titles *titles, uint32_t record, uint64_t now_us)
{
	struct lane *lane = titles->lane;
	struct table_title view;
	struct titles_entry *entry = NULL;

	if (read_record(titles, record, &view)) {
		if (find_record(titles, record, view.path) != NULL)
			return;
		if (view.blame > 0 && now_us < view.blamed_us + BLAME_US)
			entry = entry_of_record(titles, record, &view);
	}
	if (entry != NULL) {
		entry->state = ENTRY_FAILED;
		entry->error = -EBUSY;
	} else if (table_read(
		       lane->table, lane->number, TABLE_TITLE, record, &view) &&
		   view.state != TABLE_FREE) {
		table_release(lane->table, lane->number, TABLE_TITLE, record);
	}
}

void
titles_release_others(struct titles *titles)
{
	const struct lane *lane = titles->lane;
	uint64_t now_us = loop_now_us(lane->loop);
	uint32_t used =
	    table_high_water(lane->table, lane->number, TABLE_TITLE);

	for (uint32_t record = 0; record < used; record++)
		release_other(titles, record, now_us);
}

/* --- use ------------------------------------------------------------------ */

void
titles_hold(struct titles_entry *entry)
{
	entry->references++;
}

void
titles_drop(struct titles_entry *entry)
{
	if (entry == NULL)
		return;
	entry->references--;
	entry->used_us = loop_now_us(entry->titles->lane->loop);
}

const struct title *
titles_title(const struct titles_entry *entry)
{
	return entry->title;
}

const char *
titles_path(const struct titles_entry *entry)
{
	return entry->path;
}

uint32_t
titles_record(const struct titles_entry *entry)
{
	return entry->record;
}

uint64_t
titles_group(const struct titles_entry *entry)
{
	return (uint64_t)(entry->title != NULL ? (uintptr_t)entry->title
					       : (uintptr_t)entry);
}

uint32_t
titles_first_ms(const struct titles_entry *entry)
{
	return entry->first_ms;
}

static bool
may_go(const struct titles_entry *entry, uint64_t now_us)
{
	uint64_t idle_us = entry->state == ENTRY_FAILED ? US_PER_SECOND
			   : entry->replaced		? 0
							: TITLES_IDLE_US;

	if (entry->references > 0 || entry->looking || entry->waiters != NULL ||
	    now_us < entry->kept_until_us || now_us - entry->used_us < idle_us)
		return false;
	return entry->title == NULL ||
	       reader_release(entry->titles->lane->reader, entry->title);
}

/* On a reader thread: the file system may take its time. */
static void
close_aside(struct reader_job *job)
{
	struct titles_entry *entry =
	    CONTAINER_OF(job, struct titles_entry, job);

	title_close(entry->title);
	entry->title = NULL;
}

static void
closed(struct reader_job *job)
{
	struct titles_entry *entry =
	    CONTAINER_OF(job, struct titles_entry, job);
	struct titles_entry **at = &entry->titles->closing;

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	free(entry);
}

static void
start_closing(struct titles_entry *entry)
{
	struct titles *titles = entry->titles;

	entry->chain = titles->closing;
	titles->closing = entry;
	entry->job.work = close_aside;
	entry->job.done = closed;
	entry->job.group = titles_group(entry);
	reader_submit(titles->lane->reader, &entry->job);
}

/* Its minute is over. */
static void
end_refusal(struct titles_entry *entry, uint64_t now_us)
{
	struct lane *lane = entry->titles->lane;

	if (entry->refused_until_us == 0 || now_us < entry->refused_until_us)
		return;
	entry->refused_until_us = 0;
	table_counter_add(lane->table, lane->number, TABLE_TITLES_REFUSED, -1);
}

void
titles_sweep(struct titles *titles, uint64_t now_us)
{
	struct titles_entry **at, *entry;

	for (size_t i = 0; i < BUCKETS; i++) {
		at = &titles->buckets[i];
		while ((entry = *at) != NULL) {
			end_refusal(entry, now_us);
			if (!may_go(entry, now_us)) {
				at = &entry->chain;
				continue;
			}
			*at = entry->chain;
			drop_record(entry);
			start_closing(entry);
			titles->count--;
		}
	}
}
