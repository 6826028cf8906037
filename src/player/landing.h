/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * landing - behind a seek the key frame goes first.
 *
 * asfdemux begins where the first media object that is whole begins.  Often
 * that is a later one of sound, and the key frame that was landed at is not
 * shown; or the last pictures before it, of which nothing can be made.  So
 * packets are taken apart until it is whole: pictures before it are left out,
 * it goes at once, the rest waits for it.  No I/O.
 */
#ifndef PLAYER_LANDING_H
#define PLAYER_LANDING_H

#include "player/prologue.h"

struct landing; /* opaque */

typedef void landing_deliver(
    void *context, const uint8_t *packet, uint32_t send_ms);

/* PROLOGUE is borrowed: it outlives it.  0 or -errno; free accepts NULL. */
int landing_new(const struct prologue *prologue, landing_deliver *deliver,
    void *context, struct landing **out);
void landing_free(struct landing *landing);

/* What comes next is behind a seek. */
void landing_restart(struct landing *landing);
/* A packet of the title's size, sound as assemble gives them. */
void landing_put(
    struct landing *landing, const uint8_t *packet, uint32_t send_ms);
/* Nothing more comes: what waits goes out. */
void landing_flush(struct landing *landing);

#endif
