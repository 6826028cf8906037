/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue.  Buffering begins with the first packet, or where it ran dry, and
 * ends when the target is there or nothing more is to come.
 */
#include "player/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* Of the target, not yet taken. */
#define UNTAKEN_MOST_MS 1000
/* So many times the target is enough though all of it is taken: where a stream
 * brings nothing, queues behind us are never full. */
#define TARGETS_TAKEN_MOST 2
/* Of a brief one, all told. */
#define BRIEF_MS 500
/* Decoders and the queues before them hold at least as much. */
#define PATIENCE_LEAST_US (US_PER_SECOND / 4)
#define PATIENCE_MOST_US (3 * US_PER_SECOND)
/* A picture that was taken may be due long after; so much of it is not certain,
 * and no more is believed. */
#define TAKEN_UNSURE_US (2 * US_PER_SECOND)
#define TAKEN_MOST_US (60 * US_PER_SECOND)

void
queue_init(struct queue *queue, uint32_t target_ms)
{
	*queue = (struct queue){ .is_buffering = true,
		.is_first = true,
		.target_ms = MAX_OF(target_ms, UINT32_C(1)) };
	queue->last = &queue->first;
}

void
queue_clear(struct queue *queue)
{
	struct client_packet *packet;

	while ((packet = queue->first) != NULL) {
		queue->first = packet->next;
		free(packet);
	}
	queue_init(queue, queue->target_ms);
}

/* From BASE on, or 0 when times ran backwards. */
static uint32_t
span(uint32_t base_ms, uint32_t to_ms)
{
	return to_ms > base_ms ? to_ms - base_ms : 0;
}

int
queue_put(
    struct queue *queue, const uint8_t *data, size_t size, uint32_t send_ms)
{
	struct client_packet *packet = malloc(sizeof(*packet) + size);

	if (packet == NULL)
		return -ENOMEM;
	packet->next = NULL;
	packet->is_first = queue->is_first;
	packet->send_ms = send_ms;
	packet->size = size;
	memcpy(packet->data, data, size);
	*queue->last = packet;
	queue->last = &packet->next;
	queue->bytes += size;
	queue->is_gap = false;
	queue->is_first = false;
	if (queue->has_newest)
		queue->spacing_ms =
		    MAX_OF(queue->spacing_ms - queue->spacing_ms / 16,
			span(queue->newest_ms, send_ms));
	queue->newest_ms =
	    queue->has_newest ? MAX_OF(queue->newest_ms, send_ms) : send_ms;
	queue->has_newest = true;
	if (!queue->has_base) {
		queue->has_base = true;
		queue->base_ms = send_ms;
	}
	if (queue_percent(queue) == 100)
		queue->is_buffering = false;
	return 0;
}

void
queue_end(struct queue *queue)
{
	queue->has_ended = true;
	queue->is_buffering = false;
}

void
queue_gap(struct queue *queue)
{
	queue->is_gap = true;
	queue->is_buffering = false;
}

static void
note_taken(struct queue *queue, uint32_t send_ms, uint64_t now_us)
{
	uint64_t step_us = 0;

	if (queue->has_taken)
		step_us = span(queue->taken_ms, send_ms) * US_PER_MS;
	queue->due_us = MIN_OF(
	    MAX_OF(queue->due_us, now_us) + step_us, now_us + TAKEN_MOST_US);
	queue->taken_ms = send_ms;
	queue->has_taken = true;
}

struct client_packet *
queue_take(struct queue *queue, uint64_t now_us)
{
	struct client_packet *packet = queue->first;

	if (packet == NULL)
		return NULL;
	queue->first = packet->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	queue->bytes -= packet->size;
	note_taken(queue, packet->send_ms, now_us);
	return packet;
}

uint64_t
queue_patience_us(const struct queue *queue, uint64_t now_us)
{
	uint64_t usual_us = 2 * queue->spacing_ms * US_PER_MS;
	uint64_t sure_us = now_us + TAKEN_UNSURE_US;

	usual_us = MAX_OF(usual_us, PATIENCE_LEAST_US);
	usual_us = MIN_OF(usual_us, PATIENCE_MOST_US);
	return queue->due_us > sure_us
		   ? MAX_OF(usual_us, queue->due_us - sure_us)
		   : usual_us;
}

void
queue_run_dry(struct queue *queue, bool briefly)
{
	if (queue->has_ended || queue->is_buffering || queue->is_gap)
		return;
	queue->is_buffering = true;
	queue->is_brief = briefly;
	queue->has_base = false;
}

uint32_t
queue_reserve_ms(const struct queue *queue)
{
	if (queue->first == NULL)
		return 0;
	return span(queue->has_taken ? queue->taken_ms : queue->first->send_ms,
	    queue->newest_ms);
}

static unsigned
percent_of(uint32_t there_ms, uint32_t wanted_ms)
{
	return (unsigned)MIN_OF(
	    (uint64_t)there_ms * 100 / wanted_ms, UINT64_C(100));
}

unsigned
queue_percent(const struct queue *queue)
{
	const uint32_t brief_ms = BRIEF_MS, untaken_most_ms = UNTAKEN_MOST_MS;
	uint32_t target_ms = queue->target_ms, there_ms = 0;

	if (!queue->is_buffering)
		return 100;
	if (queue->has_base)
		there_ms = span(queue->base_ms, queue->newest_ms);
	if (queue->is_brief)
		return percent_of(there_ms, MIN_OF(target_ms, brief_ms));
	if (there_ms / TARGETS_TAKEN_MOST >= target_ms)
		return 100;
	return MIN_OF(percent_of(there_ms, target_ms),
	    percent_of(
		queue_reserve_ms(queue), MIN_OF(target_ms, untaken_most_ms)));
}
