/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * titles - the open titles of a worker: opened on reader threads, shared by
 * its sessions, closed some time after the last use.
 */
#ifndef SERVER_TITLES_H
#define SERVER_TITLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/waiter.h"
#include "media/title.h"
#include "server/lane.h"

/* An entry is used without another look at the file system for so long ... */
#define TITLES_FRESH_US (2 * US_PER_SECOND)
/* ... and a title nobody uses is closed after that. */
#define TITLES_IDLE_US (10 * US_PER_SECOND)

struct titles; /* opaque: all of a worker's */
struct titles_entry; /* opaque: one, referenced by sessions */

int titles_new(struct lane *lane, struct titles **out);
void titles_free(struct titles *titles); /* accepts NULL */

/*
 * The title at PATH below the media root.  0: *OUT is open and valid until the
 * next turn of the loop unless titles_hold() is called.  -EINPROGRESS: it is
 * being opened; WAITER is called, then ask again.  -ENOENT, -EBADMSG, -EUSERS
 * (too many are open), -EBUSY (workers died over it), other -errno: it cannot
 * be served; a sentence for the log in *REASON.
 */
int titles_get(struct titles *titles, const char *path, struct waiter *waiter,
    struct titles_entry **out, const char **reason);
/*
 * At adoption: the title that a predecessor's record names, opened anew.  Until
 * titles_ready() says 0 nothing but its path is known.  -ENOENT: the record
 * holds none, -ENOMEM.
 */
int titles_adopt(
    struct titles *titles, uint32_t record, struct titles_entry **out);
/*
 * Of an adopted title: 0, -EINPROGRESS (WAITER is called), -ESTALE: the path
 * means another file now, -EBUSY: workers died over it, other -errno.
 */
int titles_ready(struct titles_entry *entry, struct waiter *waiter);
/* Behind adoption: records of titles that nobody adopted are released. */
void titles_release_others(struct titles *titles);
void titles_hold(struct titles_entry *entry);
void titles_drop(struct titles_entry *entry); /* accepts NULL */

const struct title *titles_title(const struct titles_entry *entry);
const char *titles_path(const struct titles_entry *entry);
uint32_t titles_record(const struct titles_entry *entry); /* of the table */
/* Of reader jobs that read it. */
uint64_t titles_group(const struct titles_entry *entry);
uint32_t titles_first_ms(
    const struct titles_entry *entry); /* send time of packet 0 */

/* Once a second: close what nobody used. */
void titles_sweep(struct titles *titles, uint64_t now_us);

#endif
