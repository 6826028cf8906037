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

#define BUCKETS 1024 /* a power of two */
/* Entries beyond the table's titles: those that failed, for a second. */
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
	uint64_t checked_us, used_us;
	struct title *title;
	uint32_t record, first_ms;
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
same_file(const struct titles_entry *entry)
{
	const struct title_identity *now, *then;

	if (entry->found == NULL || entry->title == NULL)
		return false;
	now = title_identity(entry->found);
	then = title_identity(entry->title);
	return now->device == then->device && now->inode == then->inode &&
	       now->bytes == then->bytes &&
	       now->change_time_us == then->change_time_us;
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
	entry->found_same = same_file(entry);
	if (entry->found_error != 0 || entry->title != NULL) {
		title_close(entry->found);
		entry->found = NULL;
	}
}

static int
claim_record(struct titles_entry *entry)
{
	struct lane *lane = entry->titles->lane;
	const struct title_identity *identity = title_identity(entry->title);
	struct table_title view = {
		.state = TABLE_USED,
		.device = identity->device,
		.inode = identity->inode,
		.bytes = identity->bytes,
		.change_time_us = identity->change_time_us,
	};
	int error =
	    table_claim(lane->table, lane->number, TABLE_TITLE, &entry->record);

	if (error != 0)
		return error;
	strncpy(view.path, entry->path, sizeof(view.path) - 1);
	table_publish(
	    lane->table, lane->number, TABLE_TITLE, entry->record, &view);
	return 0;
}

static void
enter_failed(struct titles_entry *entry, int error, enum asf_result reason)
{
	entry->state = ENTRY_FAILED;
	entry->error = error;
	entry->reason = reason;
}

static void
enter_open(struct titles_entry *entry)
{
	int error;

	entry->title = entry->found;
	entry->first_ms = entry->found_first_ms;
	entry->found = NULL;
	if ((error = claim_record(entry)) == 0) {
		entry->state = ENTRY_OPEN;
		return;
	}
	title_close(entry->title);
	entry->title = NULL;
	enter_failed(entry, error, ASF_OK);
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
		entry->replaced = !entry->found_same;
	} else if (entry->found_error != 0) {
		enter_failed(entry, entry->found_error, entry->found_reason);
	} else {
		enter_open(entry);
	}
	waiter_call_all(&entry->waiters);
}

static void
start_looking(struct titles_entry *entry)
{
	entry->looking = true;
	entry->job.work = look;
	entry->job.done = looked;
	entry->job.group = titles_group(entry);
	reader_submit(entry->titles->lane->reader, &entry->job);
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
reason_text(const struct titles_entry *entry)
{
	return entry->error == -EBADMSG ? asf_result_text(entry->reason)
					: strerror(-entry->error);
}

int
titles_get(struct titles *titles, const char *path, struct waiter *waiter,
    struct titles_entry **out, const char **reason)
{
	uint64_t now_us = loop_now_us(titles->lane->loop);
	struct titles_entry *entry = entry_find(titles, path);

	if (entry == NULL) {
		if (titles->count >=
		    table_capacity(titles->lane->table, TABLE_TITLE) +
			FAILED_MAX)
			entry = NULL;
		else
			entry = entry_new(titles, path);
		if (entry == NULL) {
			*reason = "too many titles are open";
			return -ENOSPC;
		}
		start_looking(entry);
	} else if (!entry->looking &&
		   now_us - entry->checked_us > TITLES_FRESH_US) {
		if (entry->state == ENTRY_FAILED)
			entry->state = ENTRY_OPENING;
		start_looking(entry);
	}
	if (entry->looking) {
		waiter_add(&entry->waiters, waiter);
		return -EINPROGRESS;
	}
	if (entry->state == ENTRY_FAILED) {
		*reason = reason_text(entry);
		return entry->error;
	}
	entry->used_us = now_us;
	*out = entry;
	return 0;
}

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
	    now_us - entry->used_us < idle_us)
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

void
titles_sweep(struct titles *titles, uint64_t now_us)
{
	struct lane *lane = titles->lane;
	struct titles_entry **at, *entry;

	for (size_t i = 0; i < BUCKETS; i++) {
		at = &titles->buckets[i];
		while ((entry = *at) != NULL) {
			if (!may_go(entry, now_us)) {
				at = &entry->chain;
				continue;
			}
			*at = entry->chain;
			if (entry->record != TABLE_NONE)
				table_release(lane->table, lane->number,
				    TABLE_TITLE, entry->record);
			start_closing(entry);
			titles->count--;
		}
	}
}
