/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_table - the rules of table: who may write what, that a kill or a
 * neighbour never shows half a record, that memory is asked for before it is
 * used, and that nothing found in an object harms a reader.
 */
#include "table/table.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define KILLS 1500
#define NOBODY 65534
#define NO_GROUP ((gid_t)-1)
#define FAULTED 42 /* exit status of a child that hit read-only memory */
#define UNABLE 77

/* One object for all tests: made by main, named after its process. */
static char name[TABLE_NAME_MAX];

static const struct table_limits small = {
	.lanes = 2,
	.lane_sessions = 70,
	.lane_connections = 80,
	.lane_titles = 65,
	.max_bandwidth_bps = 1000,
	.max_sessions = 100,
};

/* Any record, as words and as what it is; one word is to spare. */
union view {
	struct table_connection connection;
	struct table_session session;
	struct table_session_cold cold;
	struct table_title title;
	uint64_t words[sizeof(struct table_title) / 8 + 1];
};

static const size_t view_words[TABLE_KIND_COUNT] = {
	[TABLE_CONNECTION] = sizeof(struct table_connection) / 8,
	[TABLE_SESSION] = sizeof(struct table_session) / 8,
	[TABLE_SESSION_COLD] = sizeof(struct table_session_cold) / 8,
	[TABLE_TITLE] = sizeof(struct table_title) / 8,
};

static const enum table_kind claimable[] = {
	TABLE_CONNECTION,
	TABLE_SESSION,
	TABLE_TITLE,
};

static struct table *
table_of(const struct table_limits *limits)
{
	struct table *table;

	ck_assert_int_eq(table_create(name, limits, NO_GROUP, &table), 0);
	return table;
}

static struct table *
table_with_lane_0(void)
{
	struct table *table = table_of(&small);

	ck_assert_int_eq(table_lane_open(table, 0), 0);
	return table;
}

static struct table *
reader_open(void)
{
	struct table *reader;

	ck_assert_int_eq(table_open(name, &reader), 0);
	return reader;
}

static uint32_t
claim(struct table *table, enum table_kind kind)
{
	uint32_t record;

	ck_assert_int_eq(table_claim(table, 0, kind, &record), 0);
	return record;
}

static struct stat
object_status(void)
{
	struct stat status;
	int fd = shm_open(name, O_RDONLY, 0);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fstat(fd, &status), 0);
	close(fd);
	return status;
}

static uint64_t
object_allocated(void)
{
	return (uint64_t)object_status().st_blocks * 512;
}

/* xorshift64*: the same numbers in each run. */
static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static void
wait_ns(uint64_t ns)
{
	struct timespec now;
	uint64_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + ns;
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec < end);
}

/* --- a child that works on a lane ------------------------------------------
 */

typedef void child_work(struct table *table); /* for ever, or returns */

static pid_t
child_start(struct table *table, child_work *work)
{
	pid_t pid = fork();

	ck_assert_int_ne(pid, -1);
	if (pid != 0)
		return pid;
	work(table);
	_exit(EXIT_SUCCESS);
}

static int
child_status(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void
child_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	status = child_status(pid);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	    "the child ended by itself: %#x", status);
}

static int
child_exit(struct table *table, child_work *work)
{
	int status = child_status(child_start(table, work));

	ck_assert_msg(WIFEXITED(status), "child died: %#x", status);
	return WEXITSTATUS(status);
}

static void
child_check(bool true_here)
{
	if (!true_here)
		_exit(EXIT_FAILURE);
}

static void
faulted(int signal)
{
	(void)signal;
	_exit(FAULTED);
}

static void
faults_are_told(void)
{
	signal(SIGSEGV, faulted);
	signal(SIGBUS, faulted);
}

/* --- making and opening -----------------------------------------------------
 */

START_TEST(a_reader_finds_what_the_master_says)
{
	struct table *table = table_of(&small);
	struct table *reader = reader_open();
	struct table_info info;

	table_set_master(table, 4711, 3, true);
	table_lane_set_pid(table, 1, 4712);
	table_info(reader, &info);
	ck_assert_uint_eq(info.limits.lanes, small.lanes);
	ck_assert_uint_eq(info.limits.lane_sessions, small.lane_sessions);
	ck_assert_uint_eq(info.limits.lane_connections, small.lane_connections);
	ck_assert_uint_eq(info.limits.lane_titles, small.lane_titles);
	ck_assert_uint_eq(info.limits.max_bandwidth_bps, 1000);
	ck_assert_uint_eq(info.limits.max_sessions, 100);
	ck_assert_int_eq(info.master_pid, 4711);
	ck_assert_uint_eq(info.generation, 3);
	ck_assert_uint_eq(info.draining, 1);
	ck_assert_uint_eq(info.bytes, (uint64_t)object_status().st_size);
	ck_assert_uint_eq(info.started_wall_us / US_PER_SECOND / 60,
	    (uint64_t)time(NULL) / 60);
	ck_assert_int_eq(table_lane_pid(reader, 0), 0);
	ck_assert_int_eq(table_lane_pid(reader, 1), 4712);
	ck_assert_uint_eq(table_capacity(reader, TABLE_CONNECTION), 80);
	ck_assert_uint_eq(table_capacity(reader, TABLE_SESSION_COLD), 70);

	table_set_maxima(table, 2000, 50);
	table_info(reader, &info);
	ck_assert_uint_eq(info.limits.max_bandwidth_bps, 2000);
	ck_assert_uint_eq(info.limits.max_sessions, 50);
	table_close(reader);
	table_close(table);
}
END_TEST

START_TEST(the_mode_is_0640_whatever_the_umask)
{
	mode_t old = umask(077);
	struct table *table;

	ck_assert_int_eq(table_create(name, &small, getegid(), &table), 0);
	umask(old);
	ck_assert_uint_eq(object_status().st_mode & 07777, 0640);
	ck_assert_uint_eq(object_status().st_gid, getegid());
	table_close(table);
}
END_TEST

START_TEST(the_group_is_the_one_asked_for)
{
	struct table *table;
	gid_t group = 1;
	int error;

	while (group_member(group))
		group++;
	error = table_create(name, &small, group, &table);
	if (geteuid() != 0) { /* nothing half made is left */
		ck_assert_int_eq(error, -EPERM);
		ck_assert_int_eq(table_open(name, &table), -ENOENT);
		return;
	}
	ck_assert_int_eq(error, 0);
	ck_assert_uint_eq(object_status().st_gid, group);
	table_close(table);
}
END_TEST

START_TEST(a_new_table_replaces_the_old_one_and_harms_no_reader)
{
	struct table *old = table_with_lane_0();
	struct table *reader = reader_open();
	ino_t inode = object_status().st_ino;
	struct table_info info;
	struct table *table;

	table_set_master(old, 1, 1, false);
	table_counter_set(old, 0, TABLE_REQUESTS, 5);
	table = table_of(&small);
	ck_assert_uint_ne(object_status().st_ino, inode);
	ck_assert_uint_eq(table_counter(table, 0, TABLE_REQUESTS), 0);
	ck_assert_uint_eq(table_counter(reader, 0, TABLE_REQUESTS), 5);
	table_set_master(table, 2, 1, false);
	table_info(reader, &info);
	ck_assert_int_eq(info.master_pid, 1);
	table_close(reader);
	table_close(old);
	table_close(table);
}
END_TEST

static void
replace_as_nobody(struct table *table)
{
	struct table *other;

	if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 ||
	    setuid(NOBODY) != 0)
		_exit(UNABLE);
	child_check(table_create(name, &small, NO_GROUP, &other) == -EPERM);
	child_check(table_open(name, &other) == -EACCES);
	(void)table;
}

START_TEST(another_users_table_is_not_replaced)
{
	struct table *table;
	int fd;

	if (geteuid() != 0) {
		puts("skipped: another_users_table_is_not_replaced: not root");
		return;
	}
	table = table_of(&small);
	ck_assert_int_eq(child_exit(table, replace_as_nobody), EXIT_SUCCESS);
	table_close(table);

	/* Not by one who could, either. */
	fd = shm_open(name, O_RDWR, 0);
	ck_assert_int_eq(fchown(fd, NOBODY, NOBODY), 0);
	close(fd);
	ck_assert_int_eq(table_create(name, &small, NO_GROUP, &table), -EPERM);
	ck_assert_uint_eq(object_status().st_uid, NOBODY);
	ck_assert_int_eq(table_unlink(name), 0);
}
END_TEST

START_TEST(a_table_outlives_its_master_in_the_next_ones_hands)
{
	struct table *table = table_of(&small), *taken, *reader;
	int fd = fcntl(table_descriptor(table), F_DUPFD_CLOEXEC, 0);
	struct table_info info;

	table_set_master(table, 4711, 3, true);
	table_close(table);
	ck_assert_int_eq(table_take(fd, &taken), 0);
	ck_assert_int_eq(table_descriptor(taken), fd);
	/* Header and lanes are written as before, and read by the name. */
	reader = reader_open();
	table_set_master(taken, 4712, 4, false);
	table_info(reader, &info);
	ck_assert_int_eq(info.master_pid, 4712);
	ck_assert_uint_eq(info.limits.lane_titles, small.lane_titles);
	ck_assert_int_eq(table_lane_open(taken, 1), 0);
	table_counter_set(taken, 1, TABLE_REQUESTS, 5);
	ck_assert_uint_eq(table_counter(reader, 1, TABLE_REQUESTS), 5);
	table_close(reader);
	table_close(taken);
}
END_TEST

START_TEST(a_lanes_lock_ends_with_its_owner)
{
	struct table *table = table_of(&small);
	int locked[2];
	char byte = 'l';
	pid_t pid;

	ck_assert_int_eq(pipe(locked), 0);
	ck_assert_int_ne(pid = fork(), -1);
	if (pid == 0) {
		if (table_lane_lock(table, 1) != 0 ||
		    write(locked[1], &byte, 1) != 1)
			_exit(EXIT_FAILURE);
		pause();
	}
	ck_assert_int_eq(read(locked[0], &byte, 1), 1);
	ck_assert_int_eq(table_lane_lock(table, 1), -EAGAIN);
	ck_assert_int_eq(table_lane_lock(table, 0), 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(table_lane_lock(table, 1), 0);
	close(locked[0]);
	close(locked[1]);
	table_close(table);
}
END_TEST

START_TEST(what_is_no_table_is_not_taken)
{
	struct table *table = table_of(&small), *taken;
	int fd = fcntl(table_descriptor(table), F_DUPFD_CLOEXEC, 0);
	int other = memfd_create("other", MFD_CLOEXEC);

	table_close(table);
	ck_assert_int_eq(table_take(other, &taken), -ENOENT);
	ck_assert_int_eq(ftruncate(other, 1 << 20), 0);
	ck_assert_int_eq(table_take(other, &taken), -ENOENT);
	ck_assert_int_eq(pwrite(other, "\nvodxxxx", 8, 0), 8);
	ck_assert_int_eq(table_take(other, &taken), -EPROTO);
	ck_assert_int_eq(ftruncate(fd, object_status().st_size - 1), 0);
	ck_assert_int_eq(table_take(fd, &taken), -EPROTO);
	/* They are still ours. */
	ck_assert_int_eq(close(other), 0);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(an_unlinked_table_is_not_found)
{
	struct table *table = table_of(&small);

	ck_assert_int_eq(table_unlink(name), 0);
	ck_assert_int_eq(table_unlink(name), -ENOENT);
	table_close(table);
	ck_assert_int_eq(table_open(name, &table), -ENOENT);
}
END_TEST

START_TEST(only_plain_names_are_taken)
{
	static const char *const names[] = { "", "/", "vodd", "/a/b",
		"/../dev/null" };
	char long_name[TABLE_NAME_MAX + 1];
	struct table *table;

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		ck_assert_int_eq(
		    table_create(names[i], &small, NO_GROUP, &table), -EINVAL);
		ck_assert_int_eq(table_open(names[i], &table), -EINVAL);
		ck_assert_int_eq(table_unlink(names[i]), -EINVAL);
	}
	memset(long_name, 'a', sizeof(long_name));
	long_name[0] = '/';
	long_name[TABLE_NAME_MAX] = '\0';
	ck_assert_int_eq(table_open(long_name, &table), -ENAMETOOLONG);
}
END_TEST

START_TEST(limits_outside_their_bounds_are_refused)
{
	struct table_limits limits[] = { small, small, small, small, small,
		small, small };
	struct table *table;

	limits[0].lanes = 0;
	limits[1].lanes = TABLE_LANES_MAX + 1;
	limits[2].lane_sessions = 0;
	limits[3].lane_connections = UINT32_MAX;
	limits[4].lane_titles = 0;
	limits[5].lane_titles = UINT32_MAX;
	limits[6].spare_lanes = TABLE_LANES_MAX - small.lanes + 1;
	for (size_t i = 0; i < ARRAY_LENGTH(limits); i++)
		ck_assert_int_eq(
		    table_create(name, &limits[i], NO_GROUP, &table), -EINVAL);
}
END_TEST

/* --- claim, publish, read, release ------------------------------------------
 */

START_TEST(the_lowest_free_record_is_claimed)
{
	struct table *table = table_with_lane_0();
	enum table_kind kind = claimable[_i];

	for (uint32_t i = 0; i < 65; i++)
		ck_assert_uint_eq(claim(table, kind), i);
	ck_assert_uint_eq(table_high_water(table, 0, kind), 65);
	table_release(table, 0, kind, 64);
	table_release(table, 0, kind, 7);
	table_release(table, 0, kind, 3);
	ck_assert_uint_eq(claim(table, kind), 3);
	ck_assert_uint_eq(claim(table, kind), 7);
	ck_assert_uint_eq(claim(table, kind), 64);
	ck_assert_uint_eq(table_high_water(table, 0, kind), 65);
	ck_assert_uint_eq(table_high_water(table, 1, kind), 0);
	table_close(table);
}
END_TEST

START_TEST(a_full_lane_is_eusers_and_goes_on_after_a_release)
{
	struct table *table = table_with_lane_0();
	enum table_kind kind = claimable[_i];
	uint32_t capacity = table_capacity(table, kind);
	uint32_t record = 4711;

	for (uint32_t i = 0; i < capacity; i++)
		ck_assert_uint_eq(claim(table, kind), i);
	ck_assert_int_eq(table_claim(table, 0, kind, &record), -EUSERS);
	ck_assert_uint_eq(record, 4711);
	table_release(table, 0, kind, capacity - 1);
	ck_assert_uint_eq(claim(table, kind), capacity - 1);
	ck_assert_int_eq(table_claim(table, 0, kind, &record), -EUSERS);
	table_close(table);
}
END_TEST

START_TEST(what_is_published_is_what_everybody_reads)
{
	struct table *table = table_with_lane_0();
	struct table *reader = reader_open();
	enum table_kind kind = (enum table_kind)_i;
	uint32_t record =
	    claim(table, kind == TABLE_SESSION_COLD ? TABLE_SESSION : kind);
	size_t bytes = view_words[kind] * 8;
	union view in = { 0 }, out = { 0 };

	for (uint64_t round = 1; round <= 5; round++) {
		for (size_t i = 0; i < view_words[kind]; i++)
			in.words[i] = (round << 32 | i) + 1;
		table_publish(table, 0, kind, record, &in);
		ck_assert(table_read(table, 0, kind, record, &out));
		ck_assert_mem_eq(&in, &out, bytes);
		memset(&out, 0, bytes);
		ck_assert(table_read(reader, 0, kind, record, &out));
		ck_assert_mem_eq(&in, &out, bytes);
	}
	ck_assert_uint_eq(out.words[view_words[kind]], 0);
	table_close(reader);
	table_close(table);
}
END_TEST

START_TEST(a_claimed_record_shows_nothing_of_the_one_before)
{
	struct table *table = table_with_lane_0();
	enum table_kind kind = claimable[_i];
	uint32_t record = claim(table, kind);
	union view view, zeros = { 0 };

	memset(&view, 0xee, sizeof(view));
	table_publish(table, 0, kind, record, &view);
	if (kind == TABLE_SESSION)
		table_publish(table, 0, TABLE_SESSION_COLD, record, &view);
	table_release(table, 0, kind, record);
	ck_assert(table_read(table, 0, kind, record, &view));
	ck_assert_mem_eq(&view, &zeros, view_words[kind] * 8);

	ck_assert_uint_eq(claim(table, kind), record);
	ck_assert(table_read(table, 0, kind, record, &view));
	zeros.connection.state = TABLE_CLAIMED; /* the first of each kind */
	ck_assert_mem_eq(&view, &zeros, view_words[kind] * 8);
	zeros.connection.state = 0;
	if (kind == TABLE_SESSION) {
		ck_assert(
		    table_read(table, 0, TABLE_SESSION_COLD, record, &view));
		ck_assert_mem_eq(&view.cold, &zeros, sizeof(view.cold));
	}
	table_close(table);
}
END_TEST

START_TEST(what_was_never_claimed_cannot_be_read)
{
	struct table *table = table_with_lane_0();
	union view view;

	for (int kind = 0; kind < TABLE_KIND_COUNT; kind++)
		ck_assert(
		    !table_read(table, 0, (enum table_kind)kind, 0, &view));
	ck_assert_ptr_null(table_outbox(table, 0, 0, false));
	claim(table, TABLE_SESSION);
	memset(&view, 0xee, sizeof(view));
	ck_assert(!table_read(table, 0, TABLE_SESSION, 1, &view));
	ck_assert(!table_read(table, 0, TABLE_SESSION, TABLE_NONE, &view));
	ck_assert(!table_read(table, 1, TABLE_SESSION, 0, &view));
	ck_assert(!table_read(table, TABLE_NONE, TABLE_SESSION, 0, &view));
	ck_assert_uint_eq(view.words[0], UINT64_C(0xeeeeeeeeeeeeeeee));
	ck_assert(table_read(table, 0, TABLE_SESSION_COLD, 0, &view));
	table_close(table);
}
END_TEST

START_TEST(every_connection_has_an_outbox_of_its_own)
{
	struct table *table = table_with_lane_0();
	struct table *reader = reader_open();
	uint8_t *large;

	for (uint32_t i = 0; i < small.lane_connections; i++) {
		claim(table, TABLE_CONNECTION);
		memset(table_outbox(table, 0, i, false), (int)i + 1,
		    TABLE_OUTBOX_BYTES);
	}
	large = table_outbox(table, 0, 3, true);
	memset(large, 0xff, TABLE_LARGE_OUTBOX_BYTES);
	for (uint32_t i = 0; i < small.lane_connections; i++) {
		const uint8_t *outbox = table_outbox(reader, 0, i, false);

		for (size_t at = 0; at < TABLE_OUTBOX_BYTES; at++)
			ck_assert_uint_eq(outbox[at], i + 1);
	}
	table_close(reader);
	table_close(table);
}
END_TEST

/* --- memory -----------------------------------------------------------------
 */

START_TEST(four_thousand_sessions_need_at_most_32_mib)
{
	struct table_limits limits = {
		.lanes = 2,
		.lane_sessions = 4000,
		.lane_connections = 6000,
		.lane_titles = 4000,
	};
	struct table *table = table_of(&limits);
	uint32_t record;

	for (uint32_t lane = 0; lane < 2; lane++)
		ck_assert_int_eq(table_lane_open(table, lane), 0);
	for (uint32_t i = 0; i < 4000; i++)
		for (size_t kind = 0; kind < ARRAY_LENGTH(claimable); kind++)
			ck_assert_int_eq(
			    table_claim(table, i % 2, claimable[kind], &record),
			    0);
	ck_assert_uint_le(object_allocated(), 32 << 20);
	ck_assert_uint_ge(object_allocated(), 4000 * (4096 + 512)); /* true? */
	table_close(table);
}
END_TEST

START_TEST(an_idle_table_is_small)
{
	struct table_limits limits = small;
	struct table *table;

	limits.lane_sessions = limits.lane_connections = 100000;
	table = table_of(&limits);
	ck_assert_uint_le(object_allocated(), 4 * TABLE_LARGE_OUTBOX_BYTES);
	ck_assert_uint_ge((uint64_t)object_status().st_size, 500 << 20);
	table_close(table);
}
END_TEST

static void
everything_read(struct table *reader)
{
	uint64_t buckets[TABLE_HISTOGRAM_BUCKETS];
	struct table_info info;
	union view view;

	table_info(reader, &info);
	for (uint32_t lane = 0; lane < info.limits.lanes; lane++) {
		for (int kind = 0; kind < TABLE_KIND_COUNT; kind++)
			for (uint32_t i = 0;
			     i <= table_capacity(reader, (enum table_kind)kind);
			     i++)
				table_read(reader, lane, (enum table_kind)kind,
				    i, &view);
		for (int i = 0; i < TABLE_HISTOGRAM_COUNT; i++)
			table_histogram_read(
			    reader, lane, (enum table_histogram)i, buckets);
		for (int i = 0; i < TABLE_COUNTER_COUNT; i++)
			table_counter_sum(reader, (enum table_counter)i);
		table_lane_pid(reader, lane);
		for (uint32_t i = 0; i <= info.limits.lane_connections; i++)
			table_outbox(reader, lane, i, false);
	}
}

START_TEST(readers_allocate_nothing)
{
	struct table_limits limits = small;
	struct table *table, *reader;
	uint64_t allocated;

	limits.lane_sessions = limits.lane_titles = 5000;
	table = table_of(&limits);
	ck_assert_int_eq(table_lane_open(table, 0), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(claimable); i++)
		claim(table, claimable[i]);
	allocated = object_allocated();
	reader = reader_open();
	everything_read(reader);
	ck_assert_uint_eq(object_allocated(), allocated);
	table_close(reader);
	table_close(table);
}
END_TEST

START_TEST(spare_lanes_take_no_memory_until_they_are_added)
{
	struct table_limits limits = small;
	struct table *table, *reader;
	struct table_info info;
	uint64_t before;

	limits.spare_lanes = TABLE_LANES_MAX - limits.lanes;
	table = table_of(&small);
	before = object_allocated();
	table_close(table);
	table = table_of(&limits);
	reader = reader_open();
	table_info(reader, &info);
	ck_assert_uint_eq(info.limits.lanes, 2);
	ck_assert_uint_eq(info.limits.spare_lanes, TABLE_LANES_MAX - 2);
	ck_assert_int_eq(table_lane_open(table, 2), -EINVAL);
	everything_read(reader);
	ck_assert_uint_eq(object_allocated(), before);

	ck_assert_int_eq(table_grow(table, 3), 0);
	ck_assert_int_eq(table_lane_open(table, 2), 0);
	table_lane_set_pid(table, 2, 4712);
	table_counter_add(table, 2, TABLE_SESSIONS, 5);
	table_info(reader, &info);
	ck_assert_uint_eq(info.limits.lanes, 3);
	ck_assert_int_eq(table_lane_pid(reader, 2), 4712);
	ck_assert_uint_eq(table_counter_sum(reader, TABLE_SESSIONS), 5);
	ck_assert_int_eq(table_grow(table, TABLE_LANES_MAX), 0);
	ck_assert_int_eq(table_grow(table, TABLE_LANES_MAX + 1), -EINVAL);
	table_close(reader);
	table_close(table);
}
END_TEST

/* In a mount namespace of its own, where /dev/shm has 2 MiB. */
static void
fill_a_small_shm(struct table *unused)
{
	static const struct table_limits limits = { .lanes = 2,
		.lane_sessions = 4000,
		.lane_connections = 4000,
		.lane_titles = 4000 };
	struct table *table;
	uint32_t count = 0, record;
	union view view;
	int error;

	(void)unused;
	faults_are_told();
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("shm", "/dev/shm", "tmpfs", 0, "size=2m") != 0)
		_exit(UNABLE);
	child_check(table_create(name, &limits, NO_GROUP, &table) == 0);
	child_check(table_lane_open(table, 0) == 0);
	while ((error = table_claim(table, 0, TABLE_TITLE, &record)) == 0)
		child_check(record == count++);
	child_check(error == -ENOSPC && count >= 64 && count % 64 == 0);

	/* What there is goes on; what there isn't was not promised. */
	child_check(table_high_water(table, 0, TABLE_TITLE) == count);
	memset(&view, 0xee, sizeof(view));
	for (record = 0; record < count; record++) {
		table_publish(table, 0, TABLE_TITLE, record, &view);
		table_publish(table, 0, TABLE_TITLE, record, &view);
	}
	while ((error = table_claim(table, 0, TABLE_SESSION, &record)) == 0)
		;
	child_check(error == -ENOSPC);
	table_release(table, 0, TABLE_TITLE, 5);
	child_check(table_claim(table, 0, TABLE_TITLE, &record) == 0);
	child_check(record == 5);
	child_check(table_claim(table, 0, TABLE_TITLE, &record) == -ENOSPC);
	everything_read(table);

	/* A successor finds the same. */
	child_check(table_lane_open(table, 0) == 0);
	child_check(table_claim(table, 0, TABLE_TITLE, &record) == -ENOSPC);
	/* Nor is there a table that has no memory for its header. */
	child_check(table_create("/vodd.second",
			&(struct table_limits){ .lanes = 64,
			    .lane_sessions = 1,
			    .lane_connections = 1,
			    .lane_titles = 1 },
			NO_GROUP, &table) == -ENOSPC);
	child_check(table_open("/vodd.second", &table) == -ENOENT);
}

START_TEST(a_full_shm_is_enospc_and_never_a_signal)
{
	int status = child_exit(NULL, fill_a_small_shm);

	if (status == UNABLE)
		puts("skipped: a_full_shm_is_enospc_and_never_a_signal: "
		     "may not mount");
	else
		ck_assert_int_eq(status, EXIT_SUCCESS);
}
END_TEST

/* --- who may write ----------------------------------------------------------
 */

static void
write_own_lane(struct table *table)
{
	uint32_t record;

	faults_are_told();
	child_check(table_lane_open(table, 0) == 0);
	child_check(table_claim(table, 0, TABLE_CONNECTION, &record) == 0);
	*table_outbox(table, 0, record, false) = 1;
	*table_outbox(table, 0, record, true) = 1;
	table_counter_set(table, 0, TABLE_BLAME, 1);
}

static void
write_foreign_lane(struct table *table)
{
	faults_are_told();
	child_check(table_lane_open(table, 0) == 0);
	child_check(table_outbox(table, 1, 0, false) != NULL);
	*table_outbox(table, 1, 0, false) = 1;
}

static void
write_header(struct table *table)
{
	faults_are_told();
	child_check(table_lane_open(table, 0) == 0);
	table_set_master(table, 1, 1, true);
}

static void
write_as_reader(struct table *table)
{
	struct table *reader;

	(void)table;
	faults_are_told();
	child_check(table_open(name, &reader) == 0);
	child_check(table_lane_open(reader, 0) == -EACCES);
	table_set_master(reader, 1, 1, true);
}

START_TEST(a_worker_can_write_its_own_lane_alone)
{
	struct table *table = table_of(&small);
	uint32_t record;

	ck_assert_int_eq(table_lane_open(table, 1), 0);
	ck_assert_int_eq(table_claim(table, 1, TABLE_CONNECTION, &record), 0);
	ck_assert_int_eq(table_lane_open(table, 2), -EINVAL);
	table_close(table);

	/* As the master is: without a lane. */
	table = table_of(&small);
	ck_assert_int_eq(child_exit(table, write_own_lane), EXIT_SUCCESS);
	ck_assert_uint_eq(table_counter(table, 0, TABLE_BLAME), 1);
	ck_assert_uint_eq(*table_outbox(table, 0, 0, false), 1);
	ck_assert_int_eq(child_exit(table, write_header), FAULTED);
	ck_assert_int_eq(child_exit(table, write_as_reader), FAULTED);
	table_set_master(table, 1, 1, true); /* the master still may */
	table_close(table);
}
END_TEST

static void
claim_in_lane_1(struct table *table)
{
	uint32_t record;

	child_check(table_lane_open(table, 1) == 0);
	child_check(table_claim(table, 1, TABLE_CONNECTION, &record) == 0);
}

START_TEST(a_wild_store_into_a_foreign_lane_is_caught)
{
	struct table *table = table_of(&small);

	ck_assert_int_eq(child_exit(table, claim_in_lane_1), EXIT_SUCCESS);
	ck_assert_int_eq(child_exit(table, write_foreign_lane), FAULTED);
	ck_assert_uint_eq(*table_outbox(table, 1, 0, false), 0);
	table_close(table);
}
END_TEST

/* --- killed at any instruction ----------------------------------------------
 */

/* Each word follows from the first and its place: half a record is seen. */
static void
view_fill(union view *view, size_t words, uint32_t turn)
{
	view->words[0] = (uint64_t)turn << 32 | TABLE_USED;
	for (size_t i = 1; i < words; i++)
		view->words[i] = view->words[0] * 31 + i;
}

static bool
view_whole(const union view *view, size_t words)
{
	for (size_t i = 1; i < words; i++)
		if (view->words[i] != view->words[0] * 31 + i)
			return false;
	return true;
}

/* Record 0 of each kind was claimed before; goes on with its turn. */
static void
publish_for_ever(struct table *table)
{
	uint32_t turn;
	union view view;

	child_check(table_lane_open(table, 0) == 0);
	turn = (uint32_t)table_counter(table, 0, TABLE_REQUESTS);
	for (;;) {
		turn++;
		for (int kind = 0; kind < TABLE_KIND_COUNT; kind++) {
			view_fill(&view, view_words[kind], turn);
			table_publish(
			    table, 0, (enum table_kind)kind, 0, &view);
		}
		table_counter_set(table, 0, TABLE_REQUESTS, turn);
	}
}

static void
counter_moved(const struct table *table, uint64_t from)
{
	while (table_counter(table, 0, TABLE_REQUESTS) == from)
		sched_yield();
}

static struct table *
table_with_record_0(void)
{
	struct table *table = table_with_lane_0();
	union view view;

	for (size_t i = 0; i < ARRAY_LENGTH(claimable); i++)
		ck_assert_uint_eq(claim(table, claimable[i]), 0);
	for (int kind = 0; kind < TABLE_KIND_COUNT; kind++) {
		view_fill(&view, view_words[kind], 0);
		table_publish(table, 0, (enum table_kind)kind, 0, &view);
	}
	return table;
}

START_TEST(a_killed_writer_leaves_whole_records)
{
	struct table *table = table_with_record_0();
	uint64_t seed = 1;

	for (int kill = 0; kill < KILLS; kill++) {
		uint64_t turn = table_counter(table, 0, TABLE_REQUESTS);
		pid_t pid = child_start(table, publish_for_ever);
		union view view;

		counter_moved(table, turn);
		wait_ns(random_next(&seed) % 50000);
		child_kill(pid);
		turn = table_counter(table, 0, TABLE_REQUESTS);
		for (int i = 0; i < TABLE_KIND_COUNT; i++) {
			ck_assert(
			    table_read(table, 0, (enum table_kind)i, 0, &view));
			ck_assert_msg(view_whole(&view, view_words[i]),
			    "kill %d tore a record of kind %d", kill, i);
			/* The state before or after: never an older one. */
			ck_assert_uint_ge(view.words[0] >> 32, turn);
			ck_assert_uint_le(view.words[0] >> 32, turn + 1);
		}
	}
	table_close(table);
}
END_TEST

START_TEST(readers_see_whole_records_in_order_while_a_writer_runs)
{
	struct table *table = table_with_record_0();
	struct table *reader = reader_open();
	pid_t pid = child_start(table, publish_for_ever);
	uint64_t last[TABLE_KIND_COUNT] = { 0 };
	unsigned whole = 0;

	counter_moved(reader, 0);
	for (unsigned i = 0; i < 100000; i++) {
		int kind = (int)i % TABLE_KIND_COUNT;
		union view view;

		if (!table_read(reader, 0, (enum table_kind)kind, 0, &view))
			continue;
		whole++;
		ck_assert(view_whole(&view, view_words[kind]));
		ck_assert_uint_ge(view.words[0] >> 32, last[kind]);
		last[kind] = view.words[0] >> 32;
	}
	child_kill(pid);
	/* Nobody publishes this fast, and still few tries are lost. */
	ck_assert_uint_ge(whole, 90000);
	ck_assert_uint_gt(last[0], 1);
	table_close(reader);
	table_close(table);
}
END_TEST

static void
claim_and_release_for_ever(struct table *table)
{
	uint64_t seed = (uint64_t)getpid();
	uint64_t turn = table_counter(table, 0, TABLE_REQUESTS);

	child_check(table_lane_open(table, 0) == 0);
	for (;;) {
		enum table_kind kind =
		    claimable[random_next(&seed) % ARRAY_LENGTH(claimable)];
		uint32_t record =
		    (uint32_t)(random_next(&seed) % small.lane_titles);
		struct table_title view; /* the longest */

		if (random_next(&seed) % 2 == 0)
			table_claim(table, 0, kind, &record);
		else if (table_read(table, 0, kind, record, &view) &&
			 view.state != TABLE_FREE)
			table_release(table, 0, kind, record);
		table_counter_set(table, 0, TABLE_REQUESTS, ++turn);
	}
}

/* What the records say and what the successor may claim is the same. */
static void
successor_agrees(struct table *table, enum table_kind kind)
{
	uint32_t capacity = table_capacity(table, kind);
	uint32_t high_water, next = 0, record;
	bool used[128] = { false };
	union view view;

	ck_assert_int_eq(table_lane_open(table, 0), 0);
	high_water = table_high_water(table, 0, kind);
	for (uint32_t i = 0; i < high_water; i++) {
		ck_assert(table_read(table, 0, kind, i, &view));
		ck_assert_uint_le(view.connection.state, TABLE_CLAIMED);
		used[i] = view.connection.state == TABLE_CLAIMED;
	}
	while (table_claim(table, 0, kind, &record) == 0) {
		while (next < capacity && used[next])
			next++;
		ck_assert_uint_eq(record, next); /* the lowest, each once */
		next++;
	}
	while (next < capacity && used[next])
		next++;
	ck_assert_uint_eq(next, capacity);
	for (record = 0; record < capacity; record++)
		if (!used[record])
			table_release(table, 0, kind, record);
}

START_TEST(a_successor_finds_what_a_killed_owner_claimed)
{
	struct table *table = table_of(&small);
	uint64_t seed = 2;

	ck_assert_int_eq(table_lane_open(table, 0), 0);
	for (int kill = 0; kill < 300; kill++) {
		uint64_t turn = table_counter(table, 0, TABLE_REQUESTS);
		pid_t pid = child_start(table, claim_and_release_for_ever);

		counter_moved(table, turn);
		wait_ns(random_next(&seed) % 50000);
		child_kill(pid);
		for (size_t i = 0; i < ARRAY_LENGTH(claimable); i++)
			successor_agrees(table, claimable[i]);
	}
	table_close(table);
}
END_TEST

START_TEST(counters_go_on_under_a_successor)
{
	struct table *table = table_with_lane_0();

	table_counter_set(table, 0, TABLE_BYTES_SENT, 10);
	table_counter_add(table, 0, TABLE_BYTES_SENT, 5);
	table_counter_add(table, 0, TABLE_BYTES_SENT, -1);
	ck_assert_int_eq(table_lane_open(table, 0), 0);
	ck_assert_uint_eq(table_counter(table, 0, TABLE_BYTES_SENT), 14);
	ck_assert_int_eq(table_lane_open(table, 1), 0);
	table_counter_set(table, 1, TABLE_BYTES_SENT, 100);
	ck_assert_uint_eq(table_counter_sum(table, TABLE_BYTES_SENT), 114);
	ck_assert_uint_eq(table_counter_sum(table, TABLE_PACKETS_SENT), 0);
	table_close(table);
}
END_TEST

START_TEST(a_histogram_counts_by_powers_of_two)
{
	static const struct {
		uint64_t us;
		unsigned bucket;
	} cases[] = { { 0, 0 }, { 1, 1 }, { 2, 2 }, { 3, 2 }, { 4, 3 },
		{ 1023, 10 }, { 1024, 11 }, { UINT64_C(1) << 30, 31 },
		{ UINT64_MAX, 31 } };
	struct table *table = table_with_lane_0();
	uint64_t before[TABLE_HISTOGRAM_BUCKETS];
	uint64_t after[TABLE_HISTOGRAM_BUCKETS];

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		table_histogram_read(table, 0, TABLE_LATENESS, before);
		table_histogram_add(table, 0, TABLE_LATENESS, cases[i].us);
		table_histogram_read(table, 0, TABLE_LATENESS, after);
		before[cases[i].bucket]++;
		ck_assert_mem_eq(before, after, sizeof(after));
	}
	table_histogram_read(table, 0, TABLE_START_DELAY, after);
	for (size_t i = 0; i < TABLE_HISTOGRAM_BUCKETS; i++)
		ck_assert_uint_eq(after[i], 0);
	table_close(table);
}
END_TEST

/* --- reserving ---------------------------------------------------------------
 */

START_TEST(what_exceeds_the_limit_is_taken_back)
{
	struct table *table = table_with_lane_0();
	enum table_counter counter = TABLE_COMMITTED_BPS;

	ck_assert_int_eq(table_lane_open(table, 1), 0);
	ck_assert(table_reserve(table, 0, counter, 600, 1000));
	ck_assert(!table_reserve(table, 1, counter, 401, 1000));
	ck_assert_uint_eq(table_counter(table, 1, counter), 0);
	ck_assert(table_reserve(table, 1, counter, 400, 1000));
	ck_assert(!table_reserve(table, 0, counter, 1, 1000));
	ck_assert_uint_eq(table_counter_sum(table, counter), 1000);
	ck_assert(table_reserve(table, 0, counter, 5000, 0));
	ck_assert_uint_eq(table_counter_sum(table, counter), 6000);
	table_close(table);
}
END_TEST

#define RACES 2000

/* Both lanes come to STEP of RACE before either goes on. */
static void
lanes_meet(
    struct table *table, uint32_t lane, enum table_counter step, uint64_t race)
{
	atomic_thread_fence(memory_order_seq_cst);
	table_counter_set(table, lane, step, race);
	for (unsigned i = 1; table_counter(table, 1 - lane, step) < race; i++)
		if (i % 100 == 0)
			sched_yield();
	atomic_thread_fence(memory_order_seq_cst);
}

/* There is room for one of the two: not both may have it. */
static void
race_for_the_last(struct table *table, uint32_t lane)
{
	child_check(table_lane_open(table, lane) == 0);
	for (uint64_t race = 1; race <= RACES; race++) {
		bool won;

		lanes_meet(table, lane, TABLE_REQUESTS, race);
		won = table_reserve(table, lane, TABLE_SESSIONS, 1, 1);
		lanes_meet(table, lane, TABLE_SESSIONS_BEGUN, race);
		child_check(table_counter_sum(table, TABLE_SESSIONS) <= 1);
		child_check(table_counter(table, lane, TABLE_SESSIONS) == won);
		lanes_meet(table, lane, TABLE_SESSIONS_ENDED, race);
		table_counter_set(table, lane, TABLE_SESSIONS, 0);
	}
}

static void
race_in_lane_0(struct table *table)
{
	race_for_the_last(table, 0);
}

static void
race_in_lane_1(struct table *table)
{
	race_for_the_last(table, 1);
}

START_TEST(two_lanes_never_reserve_more_than_there_is)
{
	struct table *table = table_of(&small);
	pid_t first = child_start(table, race_in_lane_0);
	pid_t second = child_start(table, race_in_lane_1);
	int status[2];

	/* One that fails leaves the other waiting: end both. */
	status[0] = child_status(first);
	if (status[0] != 0)
		kill(second, SIGKILL);
	status[1] = child_status(second);
	ck_assert_int_eq(status[0], 0);
	ck_assert_int_eq(status[1], 0);
	table_close(table);
}
END_TEST

/* --- hostile objects ---------------------------------------------------------
 */

static uint8_t *
object_map(size_t bytes)
{
	int fd = shm_open(name, O_RDWR, 0);
	void *map;

	ck_assert_int_ne(fd, -1);
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	close(fd);
	return map;
}

static void
bytes_random(uint8_t *bytes, size_t count, uint64_t *seed)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)random_next(seed);
}

START_TEST(an_object_of_another_length_is_refused)
{
	static const off_t lengths[] = { 1, 8, 4095, 4096, 65536 };
	struct table *table = table_of(&small);
	off_t length = object_status().st_size;
	struct table *reader;
	int fd;

	table_close(table);
	fd = shm_open(name, O_RDWR, 0);
	ck_assert_int_eq(ftruncate(fd, length + 1), 0);
	ck_assert_int_eq(table_open(name, &reader), -EPROTO);
	ck_assert_int_eq(ftruncate(fd, length - 4096), 0);
	ck_assert_int_eq(table_open(name, &reader), -EPROTO);
	for (size_t i = ARRAY_LENGTH(lengths); i-- > 0;) {
		ck_assert_int_eq(ftruncate(fd, lengths[i]), 0);
		ck_assert_int_eq(table_open(name, &reader), -EPROTO);
	}
	close(fd);
}
END_TEST

START_TEST(a_table_that_is_being_made_is_not_there_yet)
{
	struct table *reader;
	int fd;

	table_unlink(name);
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(table_open(name, &reader), -ENOENT);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	ck_assert_int_eq(table_open(name, &reader), -ENOENT);
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	ck_assert_int_eq(table_open(name, &reader), -EPROTO);
	close(fd);
}
END_TEST

START_TEST(a_broken_header_is_refused_or_harmless)
{
	struct table *table = table_with_record_0();
	size_t bytes = (size_t)object_status().st_size;
	uint8_t *map = object_map(bytes);
	uint8_t saved[1024];
	uint64_t seed = 3;
	unsigned refused = 0;

	memcpy(saved, map, sizeof(saved));
	for (unsigned i = 0; i < 4000; i++) {
		struct table *reader;
		size_t at = random_next(&seed) % 128;
		int error;

		if (i % 100 == 0) /* all of it, the magic kept half the time */
			bytes_random(map + (i % 200 == 0 ? 8 : 0),
			    sizeof(saved) - 8, &seed);
		else
			bytes_random(map + at, 1 + i % 8, &seed);
		error = table_open(name, &reader);
		ck_assert(error == 0 || error == -EPROTO);
		if (error == 0) {
			everything_read(reader);
			table_close(reader);
		} else {
			refused++;
		}
		memcpy(map, saved, sizeof(saved));
	}
	ck_assert_uint_ge(refused, 2000);
	munmap(map, bytes);
	table_close(table);
}
END_TEST

START_TEST(random_bytes_in_all_lanes_harm_nobody)
{
	struct table *table = table_with_record_0();
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (size_t)object_status().st_size;
	uint8_t *map = object_map(bytes);
	uint64_t seed = 4;

	for (unsigned round = 0; round < 20; round++) {
		struct table *reader;
		uint32_t record, claims = 0;

		bytes_random(map + page, bytes - page, &seed);
		reader = reader_open();
		everything_read(reader);
		table_close(reader);
		/* A successor works with it as well as it can. */
		for (size_t i = 0; i < ARRAY_LENGTH(claimable); i++) {
			ck_assert_int_eq(table_lane_open(table, 0), 0);
			while (
			    table_claim(table, 0, claimable[i], &record) == 0)
				claims++;
			ck_assert_uint_le(claims, 70 + 80 + 65);
			table_release(table, 0, claimable[i], 0);
			ck_assert_uint_eq(claim(table, claimable[i]), 0);
		}
	}
	munmap(map, bytes);
	table_close(table);
}
END_TEST

/* A foreign owner gone wild moves versions all the time. */
static void
versions_move_for_ever(struct table *table)
{
	size_t bytes = (size_t)object_status().st_size;
	uint8_t *map = object_map(bytes);
	uint32_t turn = 0;

	(void)table;
	for (;;) {
		turn++;
		for (size_t at = 4096; at + 64 <= bytes; at += 64)
			memcpy(map + at, &turn, sizeof(turn));
	}
}

START_TEST(a_record_that_never_rests_does_not_hold_its_reader)
{
	struct table *table = table_with_record_0();
	struct table *reader = reader_open();
	pid_t pid = child_start(table, versions_move_for_ever);

	for (unsigned i = 0; i < 200; i++)
		everything_read(reader); /* returns */
	child_kill(pid);
	table_close(reader);
	table_close(table);
}
END_TEST

/* --- all of them
 * -------------------------------------------------------------- */

static TCase *
object_tests(void)
{
	TCase *tests = tcase_create("object");

	tcase_add_test(tests, a_reader_finds_what_the_master_says);
	tcase_add_test(tests, the_mode_is_0640_whatever_the_umask);
	tcase_add_test(tests, the_group_is_the_one_asked_for);
	tcase_add_test(
	    tests, a_new_table_replaces_the_old_one_and_harms_no_reader);
	tcase_add_test(tests, another_users_table_is_not_replaced);
	tcase_add_test(
	    tests, a_table_outlives_its_master_in_the_next_ones_hands);
	tcase_add_test(tests, a_lanes_lock_ends_with_its_owner);
	tcase_add_test(tests, what_is_no_table_is_not_taken);
	tcase_add_test(tests, an_unlinked_table_is_not_found);
	tcase_add_test(tests, only_plain_names_are_taken);
	tcase_add_test(tests, limits_outside_their_bounds_are_refused);
	tcase_add_test(tests, four_thousand_sessions_need_at_most_32_mib);
	tcase_add_test(tests, an_idle_table_is_small);
	tcase_add_test(tests, readers_allocate_nothing);
	tcase_add_test(tests, spare_lanes_take_no_memory_until_they_are_added);
	tcase_add_test(tests, a_full_shm_is_enospc_and_never_a_signal);
	tcase_add_test(tests, a_worker_can_write_its_own_lane_alone);
	tcase_add_test(tests, a_wild_store_into_a_foreign_lane_is_caught);
	return tests;
}

static TCase *
record_tests(void)
{
	TCase *tests = tcase_create("records");
	int kinds = (int)ARRAY_LENGTH(claimable);

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, the_lowest_free_record_is_claimed, 0, kinds);
	tcase_add_loop_test(
	    tests, a_full_lane_is_eusers_and_goes_on_after_a_release, 0, kinds);
	tcase_add_loop_test(tests, what_is_published_is_what_everybody_reads, 0,
	    TABLE_KIND_COUNT);
	tcase_add_loop_test(
	    tests, a_claimed_record_shows_nothing_of_the_one_before, 0, kinds);
	tcase_add_test(tests, what_was_never_claimed_cannot_be_read);
	tcase_add_test(tests, every_connection_has_an_outbox_of_its_own);
	tcase_add_test(tests, a_killed_writer_leaves_whole_records);
	tcase_add_test(
	    tests, readers_see_whole_records_in_order_while_a_writer_runs);
	tcase_add_test(tests, a_successor_finds_what_a_killed_owner_claimed);
	tcase_add_test(tests, counters_go_on_under_a_successor);
	tcase_add_test(tests, a_histogram_counts_by_powers_of_two);
	tcase_add_test(tests, what_exceeds_the_limit_is_taken_back);
	tcase_add_test(tests, two_lanes_never_reserve_more_than_there_is);
	return tests;
}

static TCase *
hostile_tests(void)
{
	TCase *tests = tcase_create("hostile");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, an_object_of_another_length_is_refused);
	tcase_add_test(tests, a_table_that_is_being_made_is_not_there_yet);
	tcase_add_test(tests, a_broken_header_is_refused_or_harmless);
	tcase_add_test(tests, random_bytes_in_all_lanes_harm_nobody);
	tcase_add_test(
	    tests, a_record_that_never_rests_does_not_hold_its_reader);
	return tests;
}

int
main(void)
{
	Suite *suite = suite_create("table");
	SRunner *runner;
	int failed;

	snprintf(name, sizeof(name), "/vodd.check-table-%d", (int)getpid());
	suite_add_tcase(suite, object_tests());
	suite_add_tcase(suite, record_tests());
	suite_add_tcase(suite, hostile_tests());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	table_unlink(name);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
