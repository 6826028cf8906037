/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The object that holds a table: making it, checking one that somebody else
 * made, mapping it with as little right to write as possible; and the words of
 * header and lane blocks, which are true alone.  Records are in record.c.
 */
#include "table/table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "table/layout.h"

static const uint32_t view_bytes[TABLE_KIND_COUNT] = {
	[TABLE_CONNECTION] = sizeof(struct table_connection),
	[TABLE_SESSION] = sizeof(struct table_session),
	[TABLE_SESSION_COLD] = sizeof(struct table_session_cold),
	[TABLE_TITLE] = sizeof(struct table_title),
};

/* Published for every batch: 256 bytes now, two copies in eight lines. */
_Static_assert(sizeof(struct table_session) <= 256, "hot record is small");
_Static_assert(sizeof(struct table_connection) % 8 == 0, "whole words");
_Static_assert(sizeof(struct table_session) % 8 == 0, "whole words");
_Static_assert(sizeof(struct table_session_cold) % 8 == 0, "whole words");
_Static_assert(sizeof(struct table_title) % 8 == 0, "whole words");
_Static_assert(sizeof(struct table_session_cold) <= sizeof(struct table_title),
    "TABLE_WORDS_MAX is for the largest");
_Static_assert(sizeof(struct table_header) <= 4096, "header is a page");
_Static_assert(sizeof(struct table_lane_block) <= 4096, "block is a page");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "words are plain in memory");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "no lock hides in the table");

static size_t
round_up(size_t value, size_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static bool
limits_valid(const struct table_limits *limits)
{
	return limits->lanes >= 1 && limits->lanes <= TABLE_LANES_MAX &&
	       limits->spare_lanes <= TABLE_LANES_MAX - limits->lanes &&
	       limits->lane_sessions >= 1 &&
	       limits->lane_sessions <= TABLE_RECORDS_MAX &&
	       limits->lane_connections >= 1 &&
	       limits->lane_connections <= TABLE_RECORDS_MAX &&
	       limits->lane_titles >= 1 &&
	       limits->lane_titles <= TABLE_RECORDS_MAX;
}

/* LIMITS are valid: less than 2^40 bytes, nothing overflows. */
static void
geometry_compute(const struct table_limits *limits, struct table_geometry *out)
{
	struct table_geometry geometry = {
		.page_bytes = (size_t)sysconf(_SC_PAGESIZE),
		.capacity = {
			[TABLE_CONNECTION] = limits->lane_connections,
			[TABLE_SESSION] = limits->lane_sessions,
			[TABLE_SESSION_COLD] = limits->lane_sessions,
			[TABLE_TITLE] = limits->lane_titles,
		},
	};
	size_t page = geometry.page_bytes;
	size_t at;

	geometry.header_bytes = round_up(sizeof(struct table_header), page);
	at = round_up(sizeof(struct table_lane_block), page);
	geometry.large_outbox = at;
	at = round_up(at + TABLE_LARGE_OUTBOX_BYTES, page);
	geometry.fixed_bytes = at;
	for (size_t kind = 0; kind < TABLE_KIND_COUNT; kind++) {
		geometry.slot_bytes[kind] = round_up(
		    sizeof(struct table_slot) + 2 * (size_t)view_bytes[kind],
		    TABLE_CACHE_LINE);
		geometry.records[kind] = at;
		at += geometry.slot_bytes[kind] * geometry.capacity[kind];
		at = round_up(at, page);
	}
	geometry.outboxes = at;
	at += (size_t)TABLE_OUTBOX_BYTES * limits->lane_connections;
	geometry.lane_bytes = round_up(at, page);
	geometry.bytes =
	    geometry.header_bytes +
	    geometry.lane_bytes * (limits->lanes + limits->spare_lanes);
	*out = geometry;
}

uint64_t
table_size(const struct table_limits *limits)
{
	struct table_geometry geometry;

	geometry_compute(limits, &geometry);
	return geometry.bytes;
}

static int
name_check(const char *name)
{
	if (name[0] != '/' || name[1] == '\0' || strchr(name + 1, '/') != NULL)
		return -EINVAL;
	if (strlen(name) >= TABLE_NAME_MAX)
		return -ENAMETOOLONG;
	return 0;
}

int
table_allocate(int fd, size_t offset, size_t bytes)
{
	int error;

	do /* leaves what is there as it is; an error leaves nothing new */
		error = posix_fallocate(fd, (off_t)offset, (off_t)bytes);
	while (error == EINTR);
	return -error;
}

static int
table_map(int fd, size_t bytes, uint8_t **out)
{
	void *base =
	    mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	*out = base;
	return 0;
}

/* An old table of ours makes room; readers of it keep what they have. */
static int
old_remove(const char *name)
{
	struct stat status;
	int fd;

	fd = shm_open(name, O_RDONLY, 0);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1) /* ours would be readable */
		return errno == EACCES ? -EPERM : -errno;
	if (fstat(fd, &status) == -1)
		status.st_uid = (uid_t)-1;
	close(fd);
	if (status.st_uid != geteuid())
		return -EPERM;
	if (shm_unlink(name) == -1 && errno != ENOENT)
		return -errno;
	return 0;
}

/* Memory of what every reader of LANE looks at. */
static int
lane_allocate(int fd, const struct table_geometry *geometry, uint32_t lane)
{
	return table_allocate(fd,
	    geometry->header_bytes + geometry->lane_bytes * lane,
	    geometry->fixed_bytes);
}

/* Length, memory of what every reader looks at, group and mode. */
static int
object_prepare(
    int fd, const struct table_geometry *geometry, uint32_t lanes, gid_t group)
{
	int error;

	if (ftruncate(fd, (off_t)geometry->bytes) == -1)
		return -errno;
	error = table_allocate(fd, 0, geometry->header_bytes);
	for (uint32_t lane = 0; error == 0 && lane < lanes; lane++)
		error = lane_allocate(fd, geometry, lane);
	if (error != 0)
		return error;
	if (group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) == -1)
		return -errno;
	if (fchmod(fd, 0640) == -1) /* whatever the umask is */
		return -errno;
	return 0;
}

static uint64_t
wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * US_PER_SECOND +
	       (uint64_t)now.tv_nsec / 1000;
}

static void
header_write(struct table *table, const struct table_limits *limits)
{
	struct table_header *header = table_header(table);

	header->layout = TABLE_LAYOUT;
	header->page_bytes = (uint32_t)table->geometry.page_bytes;
	memcpy(header->view_bytes, view_bytes, sizeof(view_bytes));
	header->counter_count = TABLE_COUNTER_COUNT;
	header->histogram_count = TABLE_HISTOGRAM_COUNT;
	header->lanes_max = limits->lanes + limits->spare_lanes;
	atomic_init(&header->lanes, limits->lanes);
	header->lane_sessions = limits->lane_sessions;
	header->lane_connections = limits->lane_connections;
	header->lane_titles = limits->lane_titles;
	header->bytes = table->geometry.bytes;
	header->started_wall_us = wall_us();
	table_set_maxima(
	    table, limits->max_bandwidth_bps, limits->max_sessions);
	atomic_store_explicit(
	    &header->magic, TABLE_MAGIC, memory_order_release);
}

static struct table *
table_new(const struct table_limits *limits)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->fd = -1;
	table->lanes_max = limits->lanes + limits->spare_lanes;
	geometry_compute(limits, &table->geometry);
	return table;
}

int
table_create(const char *name, const struct table_limits *limits, gid_t group,
    struct table **out)
{
	struct table *table;
	int error;

	if ((error = name_check(name)) != 0)
		return error;
	if (!limits_valid(limits))
		return -EINVAL;
	if ((error = old_remove(name)) != 0)
		return error;
	if ((table = table_new(limits)) == NULL)
		return -ENOMEM;

	table->creator = getpid();
	table->fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (table->fd == -1) {
		error = -errno;
		goto fail;
	}
	error =
	    object_prepare(table->fd, &table->geometry, limits->lanes, group);
	if (error != 0)
		goto fail_unlink;
	error = table_map(table->fd, table->geometry.bytes, &table->base);
	if (error != 0)
		goto fail_unlink;
	if (mprotect(table->base, table->geometry.header_bytes,
		PROT_READ | PROT_WRITE) == -1) {
		error = -errno;
		goto fail_unlink;
	}
	header_write(table, limits);
	*out = table;
	return 0;

fail_unlink:
	shm_unlink(name);
fail:
	table_close(table); /* accepts a half-built table */
	return error;
}

/* Into private memory, so that what was checked cannot change any more. */
static int
header_read(int fd, struct table_header *out, uint64_t *size)
{
	struct stat status;
	ssize_t got;

	if (fstat(fd, &status) == -1)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EPROTO;
	got = pread(fd, out, sizeof(*out), 0);
	if (got == -1)
		return -errno;
	/* Being made, or its maker died: there is no such table (yet). */
	if (got == 0)
		return -ENOENT;
	if ((size_t)got != sizeof(*out))
		return -EPROTO;
	if (atomic_load(&out->magic) == 0)
		return -ENOENT;
	*size = (uint64_t)status.st_size;
	return 0;
}

static int
header_check(
    const struct table_header *header, uint64_t size, struct table_limits *out)
{
	uint32_t lanes = atomic_load(&header->lanes);
	struct table_limits limits = {
		.lanes = lanes,
		.spare_lanes = header->lanes_max - lanes,
		.lane_sessions = header->lane_sessions,
		.lane_connections = header->lane_connections,
		.lane_titles = header->lane_titles,
	};
	struct table_geometry geometry;

	if (atomic_load(&header->magic) != TABLE_MAGIC ||
	    header->layout != TABLE_LAYOUT ||
	    header->page_bytes != (uint32_t)sysconf(_SC_PAGESIZE) ||
	    memcmp(header->view_bytes, view_bytes, sizeof(view_bytes)) != 0 ||
	    header->counter_count != TABLE_COUNTER_COUNT ||
	    header->histogram_count != TABLE_HISTOGRAM_COUNT ||
	    !limits_valid(&limits))
		return -EPROTO;
	geometry_compute(&limits, &geometry);
	if (header->bytes != geometry.bytes || size != geometry.bytes)
		return -EPROTO;
	*out = limits;
	return 0;
}

int
table_open(const char *name, struct table **out)
{
	struct table_header header;
	struct table_limits limits;
	struct table *table = NULL;
	uint64_t size = 0;
	int error, fd;

	if ((error = name_check(name)) != 0)
		return error;
	if ((fd = shm_open(name, O_RDONLY, 0)) == -1)
		return -errno;
	if ((error = header_read(fd, &header, &size)) != 0 ||
	    (error = header_check(&header, size, &limits)) != 0)
		goto fail;
	if ((table = table_new(&limits)) == NULL) {
		error = -ENOMEM;
		goto fail;
	}
	error = table_map(fd, table->geometry.bytes, &table->base);
	if (error != 0)
		goto fail;
	close(fd); /* the mapping stays */
	*out = table;
	return 0;

fail:
	close(fd);
	table_close(table);
	return error;
}

int
table_take(int fd, struct table **out)
{
	struct table_header header;
	struct table_limits limits;
	struct table *table = NULL;
	uint64_t size = 0;
	int error;

	if ((error = header_read(fd, &header, &size)) != 0 ||
	    (error = header_check(&header, size, &limits)) != 0)
		return error;
	if ((table = table_new(&limits)) == NULL)
		return -ENOMEM;
	error = table_map(fd, table->geometry.bytes, &table->base);
	if (error == 0 && mprotect(table->base, table->geometry.header_bytes,
			      PROT_READ | PROT_WRITE) == -1)
		error = -errno;
	if (error != 0) {
		table_close(table);
		return error;
	}
	table->creator = getpid();
	table->fd = fd;
	*out = table;
	return 0;
}

int
table_descriptor(const struct table *table)
{
	return table->fd;
}

void
table_close(struct table *table)
{
	if (table == NULL)
		return;
	for (uint32_t lane = 0; lane < table->lanes_max; lane++)
		table_claims_free(table, lane);
	if (table->base != NULL)
		munmap(table->base, table->geometry.bytes);
	if (table->fd != -1)
		close(table->fd);
	free(table);
}

int
table_unlink(const char *name)
{
	int error = name_check(name);

	if (error != 0)
		return error;
	return shm_unlink(name) == 0 ? 0 : -errno;
}

void
table_info(const struct table *table, struct table_info *out)
{
	struct table_header *header = table_header(table);
	const struct table_geometry *geometry = &table->geometry;
	uint32_t lanes = table_lanes(table);

	*out = (struct table_info){
		.limits = {
			.lanes = lanes,
			.spare_lanes = table->lanes_max - lanes,
			.lane_sessions = geometry->capacity[TABLE_SESSION],
			.lane_connections =
			    geometry->capacity[TABLE_CONNECTION],
			.lane_titles = geometry->capacity[TABLE_TITLE],
			.max_bandwidth_bps = atomic_load_explicit(
			    &header->max_bandwidth_bps, memory_order_relaxed),
			.max_sessions = atomic_load_explicit(
			    &header->max_sessions, memory_order_relaxed),
		},
		.generation = atomic_load_explicit(
		    &header->generation, memory_order_relaxed),
		.master_pid = atomic_load_explicit(
		    &header->master_pid, memory_order_relaxed),
		.draining = atomic_load_explicit(
		    &header->draining, memory_order_relaxed),
		.started_wall_us = header->started_wall_us,
		.bytes = geometry->bytes,
	};
}

void
table_set_master(
    struct table *table, int32_t pid, uint64_t generation, bool draining)
{
	struct table_header *header = table_header(table);

	atomic_store_explicit(&header->master_pid, pid, memory_order_relaxed);
	atomic_store_explicit(
	    &header->generation, generation, memory_order_relaxed);
	atomic_store_explicit(
	    &header->draining, draining, memory_order_relaxed);
}

void
table_set_maxima(
    struct table *table, uint64_t max_bandwidth_bps, uint64_t max_sessions)
{
	struct table_header *header = table_header(table);

	atomic_store_explicit(&header->max_bandwidth_bps, max_bandwidth_bps,
	    memory_order_relaxed);
	atomic_store_explicit(
	    &header->max_sessions, max_sessions, memory_order_relaxed);
}

int
table_grow(struct table *table, uint32_t lanes)
{
	if (lanes > table->lanes_max)
		return -EINVAL;
	for (uint32_t lane = table_lanes(table); lane < lanes; lane++) {
		int error = lane_allocate(table->fd, &table->geometry, lane);

		if (error != 0)
			return error;
		atomic_store_explicit(&table_header(table)->lanes, lane + 1,
		    memory_order_release);
	}
	return 0;
}

void
table_lane_set_pid(struct table *table, uint32_t lane, int32_t pid)
{
	assert(lane < table_lanes(table));
	atomic_store_explicit(
	    &table_header(table)->lane_pid[lane], pid, memory_order_relaxed);
}

int32_t
table_lane_pid(const struct table *table, uint32_t lane)
{
	assert(lane < table_lanes(table));
	return atomic_load_explicit(
	    &table_header(table)->lane_pid[lane], memory_order_relaxed);
}

int
table_lane_open(struct table *table, uint32_t lane)
{
	int error;

	if (lane >= table_lanes(table))
		return -EINVAL;
	if (table->fd == -1)
		return -EACCES;
	/* A worker inherits the master's right to the header: not kept. */
	if (getpid() != table->creator &&
	    mprotect(table->base, table->geometry.header_bytes, PROT_READ) ==
		-1)
		return -errno;
	if (mprotect(table_lane(table, lane), table->geometry.lane_bytes,
		PROT_READ | PROT_WRITE) == -1)
		return -errno;
	table_turns_finish(table, lane);
	if ((error = table_claims_rebuild(table, lane)) != 0)
		return error;
	table->owned[lane] = true;
	return 0;
}

static int
lane_lock(const struct table *table, uint32_t lane, short type)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)lane,
		.l_len = 1,
	};

	if (fcntl(table->fd, F_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

int
table_lane_lock(struct table *table, uint32_t lane)
{
	return lane_lock(table, lane, F_WRLCK);
}

void
table_lane_unlock(struct table *table, uint32_t lane)
{
	(void)lane_lock(table, lane, F_UNLCK);
}

static _Atomic uint64_t *
counter_at(const struct table *table, uint32_t lane, enum table_counter counter)
{
	assert(lane < table_lanes(table) && counter < TABLE_COUNTER_COUNT);
	return &table_lane_block(table, lane)->counters[counter];
}

void
table_counter_set(struct table *table, uint32_t lane,
    enum table_counter counter, uint64_t value)
{
	assert(lane < table_lanes(table) && table->owned[lane]);
	atomic_store_explicit(
	    counter_at(table, lane, counter), value, memory_order_relaxed);
}

void
table_counter_add(struct table *table, uint32_t lane,
    enum table_counter counter, int64_t value)
{
	table_counter_set(table, lane, counter,
	    table_counter(table, lane, counter) + (uint64_t)value);
}

uint64_t
table_counter(
    const struct table *table, uint32_t lane, enum table_counter counter)
{
	return atomic_load_explicit(
	    counter_at(table, lane, counter), memory_order_relaxed);
}

uint64_t
table_counter_sum(const struct table *table, enum table_counter counter)
{
	uint64_t sum = 0;

	for (uint32_t lane = 0, end = table_lanes(table); lane < end; lane++)
		sum += table_counter(table, lane, counter);
	return sum;
}

void
table_histogram_add(struct table *table, uint32_t lane,
    enum table_histogram histogram, uint64_t us)
{
	_Atomic uint64_t *bucket;
	unsigned bits = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);

	assert(lane < table_lanes(table) && table->owned[lane]);
	assert(histogram < TABLE_HISTOGRAM_COUNT);
	bits = MIN_OF(bits, TABLE_HISTOGRAM_BUCKETS - 1U);
	bucket = &table_lane_block(table, lane)->histograms[histogram][bits];
	atomic_store_explicit(bucket,
	    atomic_load_explicit(bucket, memory_order_relaxed) + 1,
	    memory_order_relaxed);
}

void
table_histogram_read(const struct table *table, uint32_t lane,
    enum table_histogram histogram,
    uint64_t out[static TABLE_HISTOGRAM_BUCKETS])
{
	const struct table_lane_block *block;

	assert(lane < table_lanes(table) && histogram < TABLE_HISTOGRAM_COUNT);
	block = table_lane_block(table, lane);
	for (size_t i = 0; i < TABLE_HISTOGRAM_BUCKETS; i++)
		out[i] = atomic_load_explicit(
		    &block->histograms[histogram][i], memory_order_relaxed);
}

bool
table_reserve(struct table *table, uint32_t lane, enum table_counter counter,
    uint64_t amount, uint64_t limit)
{
	table_counter_add(table, lane, counter, (int64_t)amount);
	if (limit == 0)
		return true;
	/*
	 * Of two lanes that reserve at once at least one sees the other's
	 * amount; when both do, both step back: never above the limit.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (table_counter_sum(table, counter) <= limit)
		return true;
	table_counter_add(table, lane, counter, -(int64_t)amount);
	return false;
}
