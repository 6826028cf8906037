/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue - ASF packets between the thread that receives and the one that plays,
 * and how much of them there has to be before it plays.
 *
 * Not locked: client.c does that.  Times are send times.
 */
#ifndef PLAYER_QUEUE_H
#define PLAYER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "player/client.h"

struct queue {
	struct client_packet *first, **last; /* owned */
	size_t bytes;
	bool has_newest, has_taken, has_ended, is_first;
	uint32_t newest_ms, taken_ms;
	/*
	 * It plays when there is TARGET_MS from BASE_MS on, and some of it not
	 * yet taken: decoders and queues behind us take their fill first.
	 */
	bool is_buffering, has_base, is_brief, is_gap;
	uint32_t base_ms, target_ms;
	uint32_t spacing_ms; /* the longest from packet to packet, of late */
	uint64_t due_us; /* what was taken lasts till then, if it is playing */
};

void queue_init(struct queue *queue, uint32_t target_ms);
/* Empty; it buffers anew. */
void queue_clear(struct queue *queue);
/* 0, or -ENOMEM: as if the packet were lost. */
int queue_put(
    struct queue *queue, const uint8_t *packet, size_t size, uint32_t send_ms);
void queue_end(struct queue *queue); /* nothing more comes */
/* Nothing comes for now, however long it is waited for. */
void queue_gap(struct queue *queue);
/* NULL: none is there. */
struct client_packet *queue_take(struct queue *queue, uint64_t now_us);
/* How long it is normal, or no matter, that none is there. */
uint64_t queue_patience_us(const struct queue *queue, uint64_t now_us);
/*
 * None was there for longer: it buffers again, unless the end was reached; for
 * a moment only where what comes then comes faster than it is played.
 */
void queue_run_dry(struct queue *queue, bool briefly);
/* How long it goes on by what is in it. */
uint32_t queue_reserve_ms(const struct queue *queue);
unsigned queue_percent(const struct queue *queue);

#endif
