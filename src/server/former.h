/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * former - workers whose session table is of a layout that this program does
 * not know: nobody can adopt their sessions.  They end these as they are, while
 * the crew begins new ones with a table of its own.
 */
#ifndef SERVER_FORMER_H
#define SERVER_FORMER_H

#include "base/loop.h"
#include "server/estate.h"

struct former; /* opaque; all but former_new() accept NULL */

/* Takes the lanes' workers out of ESTATE.  0 or -errno: they are still there.
 */
int former_new(struct estate *estate, struct former **out);
void former_free(struct former *former);

/* In a fresh worker: close what it has no part in. */
void former_in_child(struct former *former);
/* EMPTIED is called when the last one has ended. */
void former_begin(struct former *former, struct loop *loop,
    void (*emptied)(void *context), void *context);
/* Accept no more, end with the last connection. */
void former_close(struct former *former);
/* Say goodbye and end; who does not within 5 s is killed. */
void former_stop(struct former *former);
void former_kill(struct former *former);
unsigned former_alive(const struct former *former);

#endif
