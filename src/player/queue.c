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
	queue->is_first = false;
	queue->newest_ms =
	    queue->has_newest ? MAX_OF(queue->newest_ms, send_ms) : send_ms;
	queue->has_newest = true;
	if (!queue->has_base) {
		queue->has_base = true;
		queue->base_ms = send_ms;
	}
	if (span(queue->base_ms, queue->newest_ms) >= queue->target_ms)
		queue->is_buffering = false;
	return 0;
}

void
queue_end(struct queue *queue)
{
	queue->has_ended = true;
	queue->is_buffering = false;
}

struct client_packet *
queue_take(struct queue *queue)
{
	struct client_packet *packet = queue->first;

	if (packet == NULL) {
		if (!queue->has_ended && !queue->is_buffering) {
			queue->is_buffering = true;
			queue->has_base = false;
		}
		return NULL;
	}
	queue->first = packet->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	queue->bytes -= packet->size;
	queue->taken_ms = packet->send_ms;
	queue->has_taken = true;
	return packet;
}

uint32_t
queue_reserve_ms(const struct queue *queue)
{
	if (queue->first == NULL)
		return 0;
	return span(queue->has_taken ? queue->taken_ms : queue->first->send_ms,
	    queue->newest_ms);
}

unsigned
queue_percent(const struct queue *queue)
{
	uint32_t there = 0;

	if (!queue->is_buffering)
		return 100;
	if (queue->has_base)
		there = span(queue->base_ms, queue->newest_ms);
	return (unsigned)MIN_OF(
	    (uint64_t)there * 100 / queue->target_ms, UINT64_C(99));
}
