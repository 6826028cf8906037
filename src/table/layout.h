/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout - what a table looks like in memory; private to src/table.
 *
 *	header (one page)                        written by the master
 *	lane 0: block | large outbox | connections | sessions | cold | titles |
 *	        outboxes                         written by the lane's owner
 *	lane 1: ...
 *
 * Every part begins on a page.  The header's page and the first two parts of
 * each lane are allocated when the table is made, those of a spare lane when it
 * is added; all other parts grow with the lane's high-water marks, TABLE_CHUNK
 * records at a time.
 *
 * Sizes are never believed: they follow from the four counts in the header,
 * which are checked once and kept in private memory.  How many lanes have
 * memory is believed up to the number that there may be.
 */
#ifndef TABLE_LAYOUT_H
#define TABLE_LAYOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "table/table.h"

#define TABLE_RECORDS_MAX (UINT32_C(1) << 20) /* of a kind in a lane */
#define TABLE_CHUNK 64
#define TABLE_CACHE_LINE 64
#define TABLE_WORDS_MAX (sizeof(struct table_title) / sizeof(uint64_t))

struct table_header {
	_Atomic uint64_t magic; /* written last */
	uint32_t layout;
	uint32_t page_bytes;
	uint32_t view_bytes[TABLE_KIND_COUNT];
	uint32_t counter_count, histogram_count;
	uint32_t lanes_max, lane_sessions, lane_connections, lane_titles;
	uint64_t bytes;
	uint64_t started_wall_us;
	_Atomic uint64_t max_bandwidth_bps, max_sessions;
	_Atomic uint64_t generation;
	_Atomic int32_t master_pid;
	_Atomic uint32_t draining;
	_Atomic uint32_t lanes; /* have memory; the others are spare */
	_Atomic int32_t lane_pid[TABLE_LANES_MAX];
};

/* A record whose other copy is to be the whole one: of table_publish_all(). */
struct table_turn {
	uint32_t kind, record, version;
};

/*
 * Single words, each true alone: all accesses are relaxed but high_water and
 * turn_count.  As long as turn_count is not 0 the turns are decided, whether
 * they have been made or not.
 */
struct table_lane_block {
	_Atomic uint64_t counters[TABLE_COUNTER_COUNT];
	_Atomic uint64_t
	    histograms[TABLE_HISTOGRAM_COUNT][TABLE_HISTOGRAM_BUCKETS];
	_Atomic uint32_t high_water[TABLE_KIND_COUNT];
	_Atomic uint32_t turn_count;
	struct table_turn turns[TABLE_CHANGES_MAX];
};

/* Whole in copy VERSION % 2, even if its owner died writing. */
struct table_slot {
	_Atomic uint32_t version;
	uint32_t reserved;
	_Atomic uint64_t words[]; /* copy 0, then copy 1 */
};

/* Offsets of a lane's parts are counted from the lane's beginning. */
struct table_geometry {
	size_t page_bytes;
	size_t header_bytes, lane_bytes, bytes;
	size_t fixed_bytes; /* of a lane: block and large outbox */
	size_t large_outbox, outboxes;
	size_t records[TABLE_KIND_COUNT];
	size_t slot_bytes[TABLE_KIND_COUNT];
	uint32_t capacity[TABLE_KIND_COUNT];
};

/* Which records of a lane that we own are in use; private memory. */
struct table_claims {
	uint64_t *used; /* a bit each, those beyond the capacity set; owned */
	uint32_t used_words;
	uint32_t full_words; /* no record below this word is free */
	uint32_t allocated; /* records that have memory */
};

struct table {
	uint8_t *base; /* owned mapping of geometry.bytes */
	int fd; /* owned; -1: opened for reading */
	pid_t creator;
	uint32_t lanes_max;
	struct table_geometry geometry;
	bool owned[TABLE_LANES_MAX];
	struct table_claims claims[TABLE_LANES_MAX][TABLE_KIND_COUNT];
};

static inline struct table_header *
table_header(const struct table *table)
{
	return (struct table_header *)(void *)table->base;
}

static inline uint8_t *
table_lane(const struct table *table, uint32_t lane)
{
	return table->base + table->geometry.header_bytes +
	       table->geometry.lane_bytes * lane;
}

static inline struct table_lane_block *
table_lane_block(const struct table *table, uint32_t lane)
{
	return (struct table_lane_block *)(void *)table_lane(table, lane);
}

/* How many lanes have memory; nobody may touch the others. */
static inline uint32_t
table_lanes(const struct table *table)
{
	uint32_t lanes = atomic_load_explicit(
	    &table_header(table)->lanes, memory_order_acquire);

	return lanes < table->lanes_max ? lanes : table->lanes_max;
}

/* Memory for [OFFSET, OFFSET + BYTES) of the object: 0 or -errno. */
int table_allocate(int fd, size_t offset, size_t bytes);
/* Makes the turns that the last owner had decided and not made. */
void table_turns_finish(struct table *table, uint32_t lane);
/* Finds the records of LANE that are in use: 0 or -ENOMEM. */
int table_claims_rebuild(struct table *table, uint32_t lane);
void table_claims_free(struct table *table, uint32_t lane);

#endif
