/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes packets apart until the first key frame is whole.
 */
#include "player/landing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* No key frame by then: there will not be one. */
#define WAITING_MOST 512

struct waiting {
	struct waiting *next;
	uint32_t send_ms;
	uint8_t packet[];
};

struct landing {
	const struct prologue *prologue;
	landing_deliver *deliver;
	void *context;
	struct asf_set pictures, others;
	bool is_active;
	unsigned waiting_count;
	struct waiting *first, **last; /* owned */
	bool has_key; /* its beginning came */
	uint32_t key_number, key_left; /* bytes of it to come */
	struct asf_packet parsed;
	uint8_t room[]; /* a packet, and what a copy may need more */
};

int
landing_new(const struct prologue *prologue, landing_deliver *deliver,
    void *context, struct landing **out)
{
	size_t room = prologue->header.packet_bytes + ASF_REWRITE_ROOM;
	struct landing *landing = calloc(1, sizeof(*landing) + room);

	if (landing == NULL)
		return -ENOMEM;
	landing->prologue = prologue;
	landing->deliver = deliver;
	landing->context = context;
	landing->last = &landing->first;
	for (unsigned i = 1; i < ASF_STREAMS; i++) {
		/* Commands come along with whatever was chosen. */
		if (!asf_set_has(prologue->streams, i) &&
		    prologue->header.streams[i].kind != ASF_COMMAND)
			continue;
		asf_set_add(prologue->header.streams[i].kind == ASF_VIDEO
				? &landing->pictures
				: &landing->others,
		    i);
	}
	*out = landing;
	return 0;
}

static void
drop_waiting(struct landing *landing)
{
	struct waiting *waiting;

	while ((waiting = landing->first) != NULL) {
		landing->first = waiting->next;
		free(waiting);
	}
	landing->last = &landing->first;
	landing->waiting_count = 0;
}

void
landing_free(struct landing *landing)
{
	if (landing == NULL)
		return;
	drop_waiting(landing);
	free(landing);
}

void
landing_restart(struct landing *landing)
{
	drop_waiting(landing);
	landing->has_key = false;
	landing->is_active = !asf_set_is_empty(landing->pictures);
}

void
landing_flush(struct landing *landing)
{
	for (struct waiting *at = landing->first; at != NULL; at = at->next)
		landing->deliver(landing->context, at->packet, at->send_ms);
	drop_waiting(landing);
	landing->is_active = false;
}

/* What the packet has of the streams WANTED, in room[]; false: nothing. */
static bool
cut(struct landing *landing, const uint8_t *packet, struct asf_set wanted)
{
	uint32_t packet_bytes = landing->prologue->header.packet_bytes;
	bool key;
	uint32_t bytes = asf_packet_copy(packet, packet_bytes, &landing->parsed,
	    wanted, landing->room, &key);

	if (bytes == 0)
		return false;
	if (bytes < packet_bytes)
		memset(landing->room + bytes, 0, packet_bytes - bytes);
	return true;
}

static void
keep(struct landing *landing, uint32_t send_ms)
{
	uint32_t packet_bytes = landing->prologue->header.packet_bytes;
	struct waiting *waiting = malloc(sizeof(*waiting) + packet_bytes);

	if (waiting == NULL)
		return; /* as if it were lost */
	waiting->next = NULL;
	waiting->send_ms = send_ms;
	memcpy(waiting->packet, landing->room, packet_bytes);
	*landing->last = waiting;
	landing->last = &waiting->next;
	landing->waiting_count++;
}

/* Pictures from before the key frame are left out of what was parsed. */
static void
leave_out(struct landing *landing)
{
	struct asf_packet *parsed = &landing->parsed;
	bool has_key = landing->has_key;
	unsigned kept = 0;

	for (unsigned i = 0; i < parsed->payload_count; i++) {
		const struct asf_payload *payload = &parsed->payloads[i];
		bool is_picture =
		    asf_set_has(landing->pictures, payload->stream);

		has_key = has_key || (is_picture && payload->key &&
					 payload->starts_object);
		if (!is_picture || has_key)
			parsed->payloads[kept++] = *payload;
	}
	parsed->dropped = parsed->dropped || kept < parsed->payload_count;
	parsed->payload_count = kept;
}

/* Is the key frame whole with what is in this packet? */
static bool
has_arrived(struct landing *landing)
{
	for (unsigned i = 0; i < landing->parsed.payload_count; i++) {
		const struct asf_payload *payload =
		    &landing->parsed.payloads[i];

		if (!asf_set_has(landing->pictures, payload->stream))
			continue;
		if (payload->key && payload->starts_object) {
			landing->has_key = true;
			landing->key_number = payload->object_number;
			landing->key_left = payload->object_bytes;
		}
		if (!landing->has_key ||
		    payload->object_number != landing->key_number)
			continue;
		landing->key_left -=
		    MIN_OF(landing->key_left, (uint32_t)payload->data_bytes);
		if (landing->key_left == 0)
			return true;
	}
	return false;
}

void
landing_put(struct landing *landing, const uint8_t *packet, uint32_t send_ms)
{
	bool arrived;

	if (!landing->is_active ||
	    asf_packet_parse(packet, landing->prologue->header.packet_bytes,
		&landing->parsed) != ASF_OK) {
		landing->deliver(landing->context, packet, send_ms);
		return;
	}
	leave_out(landing);
	arrived =
	    has_arrived(landing) || landing->waiting_count >= WAITING_MOST;
	if (cut(landing, packet, landing->pictures))
		landing->deliver(landing->context, landing->room, send_ms);
	if (cut(landing, packet, landing->others))
		keep(landing, send_ms);
	if (arrived)
		landing_flush(landing);
}
