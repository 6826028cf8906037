/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records: which are free, and how one is changed and read so that it is whole
 * at every instruction at which its writer may die or its reader may look.
 * What stands in a record is the server's business.
 *
 * The writer fills the copy that the version does not name, then moves the
 * version.  Free is a state that stands in the record like any other, so the
 * list of free records is only a memory aid of its owner, made anew from the
 * records by whoever owns the lane next.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "table/layout.h"
#include "table/table.h"

/*
 * A copy takes well under a microsecond and an owner publishes a record once in
 * milliseconds: a second try is rare, this many mean that something is wrong.
 */
#define READ_TRIES 256

static const uint32_t view_words[TABLE_KIND_COUNT] = {
	[TABLE_CONNECTION] = sizeof(struct table_connection) / 8,
	[TABLE_SESSION] = sizeof(struct table_session) / 8,
	[TABLE_SESSION_COLD] = sizeof(struct table_session_cold) / 8,
	[TABLE_TITLE] = sizeof(struct table_title) / 8,
};

_Static_assert(offsetof(struct table_connection, state) == 0, "state first");
_Static_assert(offsetof(struct table_session, state) == 0, "state first");
_Static_assert(offsetof(struct table_title, state) == 0, "state first");

/* Hot and cold part of a session live and die together. */
static enum table_kind
claimed_as(enum table_kind kind)
{
	return kind == TABLE_SESSION_COLD ? TABLE_SESSION : kind;
}

static struct table_slot *
slot_at(const struct table *table, uint32_t lane, enum table_kind kind,
    uint32_t record)
{
	const struct table_geometry *geometry = &table->geometry;

	return (
	    struct table_slot *)(void *)(table_lane(table, lane) +
					 geometry->records[kind] +
					 geometry->slot_bytes[kind] * record);
}

/* Where the copy begins that VERSION names, of a record of so many words. */
static size_t
copy_at(uint32_t version, size_t words)
{
	return version % 2 * words;
}

/* VIEW into the copy that the version does not name; the version to name it. */
static uint32_t
slot_fill(struct table_slot *slot, const void *view, uint32_t words)
{
	uint32_t next =
	    atomic_load_explicit(&slot->version, memory_order_relaxed) + 1;
	_Atomic uint64_t *copy = slot->words + copy_at(next, words);
	const uint8_t *from = view;
	uint64_t word;

	/* A reader that sees a new word below also sees the last version. */
	atomic_thread_fence(memory_order_release);
	for (uint32_t i = 0; i < words; i++) {
		memcpy(&word, from + sizeof(word) * i, sizeof(word));
		atomic_store_explicit(&copy[i], word, memory_order_relaxed);
	}
	return next;
}

static void
slot_turn(struct table_slot *slot, uint32_t version)
{
	atomic_store_explicit(&slot->version, version, memory_order_release);
}

static void
slot_publish(struct table_slot *slot, const void *view, uint32_t words)
{
	slot_turn(slot, slot_fill(slot, view, words));
}

static bool
slot_read(const struct table_slot *slot, void *view, uint32_t words)
{
	uint64_t whole[TABLE_WORDS_MAX];

	for (unsigned tries = 0; tries < READ_TRIES; tries++) {
		uint32_t version =
		    atomic_load_explicit(&slot->version, memory_order_acquire);
		const _Atomic uint64_t *copy =
		    slot->words + copy_at(version, words);

		for (uint32_t i = 0; i < words; i++)
			whole[i] = atomic_load_explicit(
			    &copy[i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(
			&slot->version, memory_order_relaxed) == version) {
			memcpy(view, whole, sizeof(*whole) * words);
			return true;
		}
	}
	return false;
}

/* Of a record that nobody writes now. */
static uint32_t
slot_state(const struct table_slot *slot, uint32_t words)
{
	uint32_t version =
	    atomic_load_explicit(&slot->version, memory_order_acquire);
	uint64_t word = atomic_load_explicit(
	    &slot->words[copy_at(version, words)], memory_order_relaxed);
	uint32_t state;

	memcpy(&state, &word, sizeof(state));
	return state;
}

static void
slot_set_state(struct table_slot *slot, uint32_t state, uint32_t words)
{
	uint64_t view[TABLE_WORDS_MAX] = { 0 };

	memcpy(view, &state, sizeof(state));
	slot_publish(slot, view, words);
}

/* --- which records are free ----------------------------------------------- */

static int
claims_rebuild(struct table *table, uint32_t lane, enum table_kind kind)
{
	struct table_claims *claims = &table->claims[lane][kind];
	uint32_t capacity = table->geometry.capacity[kind];
	uint32_t high_water = table_high_water(table, lane, kind);
	uint32_t words = (capacity + 63) / 64;

	free(claims->used);
	*claims = (struct table_claims){ .used_words = words };
	claims->used = calloc(words, sizeof(*claims->used));
	if (claims->used == NULL)
		return -ENOMEM;
	if (capacity % 64 != 0)
		claims->used[words - 1] = UINT64_MAX << (capacity % 64);
	for (uint32_t record = 0; record < high_water; record++)
		if (slot_state(slot_at(table, lane, kind, record),
			view_words[kind]) != TABLE_FREE)
			claims->used[record / 64] |= UINT64_C(1)
						     << (record % 64);
	/* The mark moves only after its whole chunk got memory. */
	claims->allocated = MIN_OF(capacity,
	    (high_water + TABLE_CHUNK - 1) / TABLE_CHUNK * TABLE_CHUNK);
	return 0;
}

int
table_claims_rebuild(struct table *table, uint32_t lane)
{
	static const enum table_kind kinds[] = {
		TABLE_CONNECTION,
		TABLE_SESSION,
		TABLE_TITLE,
	};

	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		int error = claims_rebuild(table, lane, kinds[i]);

		if (error != 0)
			return error;
	}
	return 0;
}

void
table_claims_free(struct table *table, uint32_t lane)
{
	for (size_t kind = 0; kind < TABLE_KIND_COUNT; kind++)
		free(table->claims[lane][kind].used);
}

static bool
claims_find(struct table_claims *claims, uint32_t *out)
{
	while (claims->full_words < claims->used_words) {
		uint64_t spare = ~claims->used[claims->full_words];

		if (spare != 0) {
			*out = claims->full_words * 64 +
			       (uint32_t)__builtin_ctzll(spare);
			return true;
		}
		claims->full_words++;
	}
	return false;
}

/* --- memory --------------------------------------------------------------- */

static int
part_allocate(struct table *table, uint32_t lane, size_t part, size_t unit,
    uint32_t first, uint32_t count)
{
	size_t lane_offset = (size_t)(table_lane(table, lane) - table->base);

	return table_allocate(
	    table->fd, lane_offset + part + unit * first, unit * count);
}

/* Memory for the next chunk of records; none of them is zeroed. */
static int
lane_grow(struct table *table, uint32_t lane, enum table_kind kind)
{
	const struct table_geometry *geometry = &table->geometry;
	struct table_claims *claims = &table->claims[lane][kind];
	uint32_t first = claims->allocated;
	uint32_t count = MIN_OF(TABLE_CHUNK, geometry->capacity[kind] - first);
	int error;

	error = part_allocate(table, lane, geometry->records[kind],
	    geometry->slot_bytes[kind], first, count);
	if (error == 0 && kind == TABLE_SESSION)
		error = part_allocate(table, lane,
		    geometry->records[TABLE_SESSION_COLD],
		    geometry->slot_bytes[TABLE_SESSION_COLD], first, count);
	if (error == 0 && kind == TABLE_CONNECTION)
		error = part_allocate(table, lane, geometry->outboxes,
		    TABLE_OUTBOX_BYTES, first, count);
	if (error == 0)
		claims->allocated += count;
	return error;
}

/* --- the interface -------------------------------------------------------- */

uint32_t
table_capacity(const struct table *table, enum table_kind kind)
{
	assert(kind < TABLE_KIND_COUNT);
	return table->geometry.capacity[kind];
}

uint32_t
table_high_water(const struct table *table, uint32_t lane, enum table_kind kind)
{
	uint32_t mark;

	assert(lane < table_lanes(table) && kind < TABLE_KIND_COUNT);
	mark = atomic_load_explicit(
	    &table_lane_block(table, lane)->high_water[claimed_as(kind)],
	    memory_order_acquire);
	return MIN_OF(mark, table->geometry.capacity[kind]);
}

int
table_claim(
    struct table *table, uint32_t lane, enum table_kind kind, uint32_t *out)
{
	struct table_claims *claims;
	uint32_t record;

	assert(lane < table_lanes(table) && table->owned[lane]);
	assert(kind < TABLE_KIND_COUNT && kind != TABLE_SESSION_COLD);
	claims = &table->claims[lane][kind];
	if (!claims_find(claims, &record))
		return -EUSERS;
	if (record >= claims->allocated) {
		int error = lane_grow(table, lane, kind);

		if (error != 0)
			return error;
	}
	/* Free until the claim below, wherever we die: first the mark. */
	if (record >= table_high_water(table, lane, kind))
		atomic_store_explicit(
		    &table_lane_block(table, lane)->high_water[kind],
		    record + 1, memory_order_release);
	if (kind == TABLE_SESSION) /* no claimed record shows an old owner's */
		slot_set_state(slot_at(table, lane, TABLE_SESSION_COLD, record),
		    0, view_words[TABLE_SESSION_COLD]);
	slot_set_state(slot_at(table, lane, kind, record), TABLE_CLAIMED,
	    view_words[kind]);
	claims->used[record / 64] |= UINT64_C(1) << (record % 64);
	*out = record;
	return 0;
}

/* Is RECORD ours and in use? */
static bool
claimed(const struct table *table, uint32_t lane, enum table_kind kind,
    uint32_t record)
{
	return lane < table_lanes(table) && table->owned[lane] &&
	       kind < TABLE_KIND_COUNT &&
	       record < table->geometry.capacity[kind] &&
	       (table->claims[lane][claimed_as(kind)].used[record / 64] >>
		       (record % 64) &
		   1) != 0;
}

void
table_publish(struct table *table, uint32_t lane, enum table_kind kind,
    uint32_t record, const void *view)
{
	uint32_t state;

	assert(claimed(table, lane, kind, record));
	memcpy(&state, view, sizeof(state));
	assert(kind == TABLE_SESSION_COLD || state != TABLE_FREE);
	slot_publish(
	    slot_at(table, lane, kind, record), view, view_words[kind]);
}

static void
claims_give_up(struct table_claims *claims, uint32_t record)
{
	claims->used[record / 64] &= ~(UINT64_C(1) << (record % 64));
	claims->full_words = MIN_OF(claims->full_words, record / 64);
}

void
table_release(
    struct table *table, uint32_t lane, enum table_kind kind, uint32_t record)
{
	assert(kind != TABLE_SESSION_COLD);
	assert(claimed(table, lane, kind, record));
	slot_set_state(
	    slot_at(table, lane, kind, record), TABLE_FREE, view_words[kind]);
	claims_give_up(&table->claims[lane][kind], record);
}

/* The copy of a change is filled; the turn that makes it the whole one. */
static struct table_turn
prepare_turn(
    struct table *table, uint32_t lane, const struct table_change *change)
{
	static const uint64_t free_view[TABLE_WORDS_MAX];

	assert(claimed(table, lane, change->kind, change->record));
	assert(change->view != NULL || change->kind != TABLE_SESSION_COLD);
	return (struct table_turn){
		.kind = change->kind,
		.record = change->record,
		.version = slot_fill(
		    slot_at(table, lane, change->kind, change->record),
		    change->view != NULL ? change->view : free_view,
		    view_words[change->kind]),
	};
}

static void
make_turns(struct table *table, uint32_t lane, uint32_t count)
{
	struct table_lane_block *block = table_lane_block(table, lane);

	for (uint32_t i = 0; i < count; i++) {
		const struct table_turn *turn = &block->turns[i];

		if (turn->kind < TABLE_KIND_COUNT &&
		    turn->record < table->geometry.capacity[turn->kind])
			slot_turn(
			    slot_at(table, lane, (enum table_kind)turn->kind,
				turn->record),
			    turn->version);
	}
	atomic_store_explicit(&block->turn_count, 0, memory_order_release);
}

void
table_publish_all(struct table *table, uint32_t lane,
    const struct table_change *changes, unsigned count)
{
	struct table_lane_block *block = table_lane_block(table, lane);

	assert(count <= TABLE_CHANGES_MAX);
	for (unsigned i = 0; i < count; i++)
		block->turns[i] = prepare_turn(table, lane, &changes[i]);
	/* From here on all of it holds. */
	atomic_store_explicit(&block->turn_count, count, memory_order_release);
	make_turns(table, lane, count);
	for (unsigned i = 0; i < count; i++)
		if (changes[i].view == NULL)
			claims_give_up(&table->claims[lane][changes[i].kind],
			    changes[i].record);
}

void
table_turns_finish(struct table *table, uint32_t lane)
{
	struct table_lane_block *block = table_lane_block(table, lane);
	uint32_t count =
	    atomic_load_explicit(&block->turn_count, memory_order_acquire);

	/* Nothing else was written to the lane since they were decided. */
	make_turns(table, lane, MIN_OF(count, TABLE_CHANGES_MAX));
}

bool
table_read(const struct table *table, uint32_t lane, enum table_kind kind,
    uint32_t record, void *view)
{
	if (lane >= table_lanes(table) || kind >= TABLE_KIND_COUNT ||
	    record >= table_high_water(table, lane, kind))
		return false;
	return slot_read(
	    slot_at(table, lane, kind, record), view, view_words[kind]);
}

uint8_t *
table_outbox(
    struct table *table, uint32_t lane, uint32_t connection, bool large)
{
	if (lane >= table_lanes(table) ||
	    connection >= table_high_water(table, lane, TABLE_CONNECTION))
		return NULL;
	if (large)
		return table_lane(table, lane) + table->geometry.large_outbox;
	return table_lane(table, lane) + table->geometry.outboxes +
	       (size_t)TABLE_OUTBOX_BYTES * connection;
}
