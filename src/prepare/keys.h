/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys - a look at every packet of a title: where its key frames begin and
 * which times it has.
 */
#ifndef PREPARE_KEYS_H
#define PREPARE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "media/title.h"

#define KEYS_INTERVAL_100NS UINT64_C(10000000) /* entries: one a second */

struct key {
	uint32_t packet, presentation_ms;
	uint16_t packets; /* with a piece of it */
};

struct keys {
	unsigned stream;
	uint32_t object; /* number of the key frame that was last seen */
	uint32_t last_packet; /* that was counted for it */
	struct key *keys;
	size_t count, room;
};

struct keys_table {
	struct keys streams[ASF_STREAMS]; /* video, in ascending order */
	unsigned count;
	bool seen; /* a packet that parses */
	uint32_t first_send_ms, end_send_ms; /* last packet's duration in it */
	uint32_t last_ms; /* the latest presentation time */
	struct {
		uint32_t object, packet;
	} begun[ASF_STREAMS]; /* the last object that began, and where */
	uint32_t unreadable; /* packets that do not parse */
};

/* What was found so far must be freed even on failure.  0 or -errno. */
int keys_scan(const struct title *title, struct keys_table *out);
/* One more packet behind those of the title.  0 or -ENOMEM. */
int keys_add_packet(
    struct keys_table *table, uint32_t number, const struct asf_packet *packet);
void keys_free(struct keys_table *table);

/*
 * The Simple Index Object of KEYS for times from 0 to END_MS (preroll included,
 * as BASE_MS is taken off): ASF reference 6.1.  Its size is
 * keys_index_bytes().
 */
size_t keys_index_bytes(uint64_t end_ms);
void keys_index_put(struct bytes_writer *out, const struct keys *keys,
    const uint8_t file_id[static 16], uint32_t base_ms, uint64_t end_ms);

#endif
