/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refusal - connections for which there is nothing but an answer: no
 * descriptor, record or memory is left.  Each is read one request, told 503,
 * and closed.
 *
 * Some descriptors are kept, so that with none left somebody can still be
 * accepted and told.  Nothing is allocated after refusals_new().  These
 * connections are in no table: they end with their worker.
 */
#ifndef SERVER_REFUSAL_H
#define SERVER_REFUSAL_H

#include "base/loop.h"

/* Connections that are being refused at a time, with and without descriptors.
 */
#define REFUSALS_MAX 64
#define REFUSALS_KEPT 8
/* Who has not sent a whole request by then is not answered. */
#define REFUSAL_LIMIT_US US_PER_SECOND

struct refusals; /* opaque: all of a worker's */

/* 0 or -errno; LOOP is borrowed. */
int refusals_new(struct loop *loop, struct refusals **out);
void refusals_free(struct refusals *refusals); /* accepts NULL; closes all */

/* FD, an accepted socket, is taken; closed at once when there are too many. */
void refusals_take(struct refusals *refusals, int fd);
/* There are: nobody should be accepted for now. */
bool refusals_full(const struct refusals *refusals);
/*
 * Accepts one on LISTENER although no descriptor is left.  False: none was kept
 * either, or nobody waits.
 */
bool refusals_accept(struct refusals *refusals, int listener);

#endif
