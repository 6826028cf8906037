/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sender - sends what is due: one batch in each turn of the loop, for all
 * sessions in the lane's list.
 *
 * It reads exactly the due packets into its arena, has `stream` make items of
 * them, hands them to `transport`, publishes the new positions and forgets the
 * bytes. Nothing is kept per session but its record.
 */
#ifndef SERVER_SENDER_H
#define SERVER_SENDER_H

#include "server/session.h"

struct sender; /* opaque */

/* What the sender cannot do itself. */
enum sender_outcome {
	SENDER_BYE, /* end of stream: say BYE for it on its connection */
	SENDER_TOO_SLOW, /* ends: the viewer takes less than the media's rate */
	SENDER_FILE_FAILED, /* ends: the file cannot be read any more */
	SENDER_FILE_CHANGED, /* ends: it is not what it was */
	SENDER_BROKEN, /* ends: its connection cannot be written to */
};
typedef void sender_report(
    struct session *session, enum sender_outcome outcome);

/* REPORT is called between sessions, never within the work on one.  0 or
 * -ENOMEM. */
int sender_new(struct lane *lane, sender_report *report, struct sender **out);
void sender_free(struct sender *sender); /* accepts NULL */

/* Once in each turn of the loop. */
void sender_run(struct sender *sender, uint64_t now_us);

#endif
