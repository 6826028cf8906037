/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_reader - rules of the reader threads and the pool.  The loop is played
 * by the test: it waits for what comes back and calls those who waited.
 */
#include "media/reader.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "asf_build.h"
#include "base/base.h"
#include "media/title.h"
#include "scarce.h"

#define PACKET 8192u
#define PER_BLOCK (READER_BLOCK_BYTES / PACKET)
#define BLOCKS 20u
#define PATIENCE_MS 10000

static char folder[64];
static struct reader *reader;

/* --- titles --------------------------------------------------------------- */

static void
write_title(const char *name, unsigned packets, uint32_t packet_bytes)
{
	struct build_properties properties = { .packets = packets,
		.play_100ns = 10000000,
		.flags = 2,
		.least = packet_bytes,
		.most = packet_bytes };
	struct build build = build_new();
	size_t began = build_header_begin(&build);
	char path[128];
	int fd;

	build_file_properties(&build, &properties);
	build_video(&build, 1);
	build_end(&build, began);
	build_data_begin(
	    &build, 50 + (uint64_t)packets * packet_bytes, packets);
	for (unsigned i = 0; i < packets; i++) {
		struct build_payload payload = { 0x81, i, 0, 100, i, 100 };

		build_packet(&build, packet_bytes, i * 10, 10, &payload, 1);
	}
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_eq(write(fd, build.data, build.at), (ssize_t)build.at);
	close(fd);
	free(build.data);
}

static struct title *
open_title(const char *name)
{
	int root = open(folder, O_PATH | O_DIRECTORY);
	struct title *title;
	enum asf_result reason;

	ck_assert_int_eq(title_open(root, name, &title, &reason), 0);
	close(root);
	return title;
}

static struct title *
new_title(const char *name)
{
	write_title(name, BLOCKS * PER_BLOCK, PACKET);
	return open_title(name);
}

static void
cut_file(const char *name, off_t bytes)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ck_assert_int_eq(truncate(path, bytes), 0);
}

/* On a file system that knows RWF_NOWAIT, or on one that doesn't. */
static void
make_folder(const char *where)
{
	snprintf(folder, sizeof(folder), "%s/check_reader.XXXXXX", where);
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void
start(unsigned threads, size_t pool_bytes)
{
	make_folder("/tmp");
	ck_assert_int_eq(reader_new(threads, pool_bytes, &reader), 0);
}

static void
end(void)
{
	reader_free(reader);
	remove_folder();
}

/* --- the loop ------------------------------------------------------------- */

static bool
collect(int timeout_ms)
{
	struct pollfd event = { .fd = reader_fd(reader), .events = POLLIN };

	if (poll(&event, 1, timeout_ms) != 1)
		return false;
	reader_collect(reader);
	return true;
}

struct caller { /* counts how often he was called */
	struct waiter waiter;
	unsigned calls;
};

static void
called(struct waiter *waiter)
{
	CONTAINER_OF(waiter, struct caller, waiter)->calls++;
}

static void
wait_called(const struct caller *caller, unsigned calls)
{
	while (caller->calls < calls)
		ck_assert(collect(PATIENCE_MS));
	ck_assert_uint_eq(caller->calls, calls);
}

static uint8_t got[64 * 65536];

static int
ask(const struct title *title, uint32_t first, uint32_t count,
    struct caller *caller)
{
	caller->waiter.ready = called;
	return reader_packets(reader, title, first, count, got,
	    title_packet_bytes(title), &caller->waiter);
}

/* Until it is there. */
static int
get(const struct title *title, uint32_t first, uint32_t count)
{
	struct caller caller = { .calls = 0 };
	int result;

	while ((result = ask(title, first, count, &caller)) == -EAGAIN)
		wait_called(&caller, caller.calls + 1);
	return result;
}

static void
expect_equal(const struct title *title, uint32_t first, uint32_t count)
{
	size_t bytes = (size_t)count * title_packet_bytes(title);
	uint8_t *wanted = malloc(bytes);

	ck_assert_int_eq(title_read_packets(title, first, count, wanted,
			     title_packet_bytes(title)),
	    (int)count);
	ck_assert_mem_eq(got, wanted, bytes);
	free(wanted);
}

/* --- jobs ----------------------------------------------------------------- */

struct task {
	struct reader_job job;
	sem_t *go; /* NULL: at once */
	pthread_t worked_on, done_on;
	bool done;
};

static _Atomic unsigned running;

static void
work(struct reader_job *job)
{
	struct task *task = CONTAINER_OF(job, struct task, job);

	running++;
	if (task->go != NULL)
		sem_wait(task->go);
	running--;
	task->worked_on = pthread_self();
}

static void
done(struct reader_job *job)
{
	struct task *task = CONTAINER_OF(job, struct task, job);

	task->done_on = pthread_self();
	task->done = true;
}

static void
submit(struct task *task, uint64_t group, sem_t *go)
{
	*task = (struct task){
		.job = { .work = work, .done = done, .group = group }, .go = go
	};
	reader_submit(reader, &task->job);
}

static void
wait_done(const struct task *task)
{
	while (!task->done)
		ck_assert(collect(PATIENCE_MS));
}

static void
wait_running(unsigned count)
{
	for (unsigned i = 0; i < PATIENCE_MS && running != count; i++)
		poll(NULL, 0, 1);
	ck_assert_uint_eq(running, count);
}

static void
wait_running_at_least(unsigned count)
{
	for (unsigned i = 0; i < PATIENCE_MS && running < count; i++)
		poll(NULL, 0, 1);
	ck_assert_uint_ge(running, count);
}

/* All threads are at work; block reads queue up behind. */
static void
occupy(struct task *tasks, unsigned count, sem_t *go)
{
	for (unsigned i = 0; i < count; i++)
		submit(&tasks[i], 0, go);
	wait_running(count);
}

static void
let_go(sem_t *go, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		sem_post(go);
}

START_TEST(jobs_run_on_threads_and_come_back_to_the_loop)
{
	struct task tasks[200];

	start(3, 0);
	for (unsigned i = 0; i < ARRAY_LENGTH(tasks); i++)
		submit(&tasks[i], i % 5, NULL);
	for (unsigned i = 0; i < ARRAY_LENGTH(tasks); i++) {
		wait_done(&tasks[i]);
		ck_assert(pthread_equal(tasks[i].done_on, pthread_self()));
		ck_assert(!pthread_equal(tasks[i].worked_on, pthread_self()));
	}
	end();
}
END_TEST

START_TEST(jobs_of_one_group_leave_half_of_the_threads)
{
	struct task stuck[6], other;
	sem_t go;

	sem_init(&go, 0, 0);
	start(4, 0);
	for (unsigned i = 0; i < ARRAY_LENGTH(stuck); i++)
		submit(&stuck[i], 7, &go);
	wait_running(2);
	submit(&other, 8, NULL);
	wait_done(&other);
	submit(&other, 0, NULL);
	wait_done(&other);
	ck_assert_uint_eq(running, 2);
	let_go(&go, ARRAY_LENGTH(stuck));
	for (unsigned i = 0; i < ARRAY_LENGTH(stuck); i++)
		wait_done(&stuck[i]);
	end();
}
END_TEST

static void
sweep(unsigned seconds)
{
	while (seconds-- > 0)
		(void)reader_sweep(reader);
}

/* Title after title hangs: those that don't get on as before. */
START_TEST(threads_that_hang_are_replaced)
{
	enum { HUNG = 20 };
	struct task stuck[HUNG], more[2], others[3];
	sem_t go, other_go;

	sem_init(&go, 0, 0);
	sem_init(&other_go, 0, 0);
	start(4, 0);
	/* Of each title one: a second would not be begun behind the first. */
	for (unsigned i = 0; i < HUNG; i++)
		submit(&stuck[i], 1 + i, &go);
	for (unsigned i = 0; i < HUNG / 4; i++) {
		/* Who began between two sweeps may be replaced already. */
		wait_running_at_least(4 * (i + 1));
		sweep(3);
	}
	ck_assert_uint_eq(reader_sweep(reader).stuck, HUNG);
	/* No more of those, and of others as many at once as ever. */
	submit(&more[0], 1, &go);
	submit(&more[1], HUNG, &go);
	for (unsigned i = 0; i < 3; i++)
		submit(&others[i], 100 + i, &other_go);
	wait_running(HUNG + 3);
	let_go(&other_go, 3);
	for (unsigned i = 0; i < 3; i++)
		wait_done(&others[i]);
	ck_assert(!more[0].done && !more[1].done);
	let_go(&go, HUNG + 2);
	for (unsigned i = 0; i < HUNG; i++)
		wait_done(&stuck[i]);
	wait_done(&more[0]);
	wait_done(&more[1]);
	ck_assert_uint_eq(reader_sweep(reader).stuck, 0);
	end();
}
END_TEST

START_TEST(threads_that_came_back_do_not_add_up)
{
	struct task stuck[4], later[9];
	sem_t go;

	sem_init(&go, 0, 0);
	start(4, 0);
	for (unsigned i = 0; i < 4; i++)
		submit(&stuck[i], 1 + i, &go);
	wait_running(4);
	sweep(3);
	let_go(&go, 4);
	for (unsigned i = 0; i < 4; i++)
		wait_done(&stuck[i]);
	for (unsigned i = 0; i < 9; i++)
		submit(&later[i], 10 + i, &go);
	wait_running(4);
	poll(NULL, 0, 50);
	ck_assert_uint_eq(running, 4);
	let_go(&go, 9);
	for (unsigned i = 0; i < 9; i++)
		wait_done(&later[i]);
	end();
}
END_TEST

/* More hang than there can be threads: all there are, and no one more. */
START_TEST(threads_have_a_limit_when_all_hang)
{
	struct task stuck[READER_THREADS_MAX + 8];
	sem_t go;

	sem_init(&go, 0, 0);
	start(16, 0);
	for (unsigned i = 0; i < ARRAY_LENGTH(stuck); i++)
		submit(&stuck[i], 1 + i, &go);
	for (unsigned i = 16; i <= READER_THREADS_MAX; i += 16) {
		wait_running_at_least(i);
		sweep(3);
	}
	ck_assert_uint_eq(running, READER_THREADS_MAX);
	let_go(&go, ARRAY_LENGTH(stuck));
	for (unsigned i = 0; i < ARRAY_LENGTH(stuck); i++)
		wait_done(&stuck[i]);
	end();
}
END_TEST

START_TEST(stopping_waits_so_long_and_no_longer)
{
	struct task stuck;
	sem_t go;

	sem_init(&go, 0, 0);
	start(2, 0);
	submit(&stuck, 1, &go);
	wait_running(1);
	ck_assert(!reader_stop(reader, 50));
	let_go(&go, 1);
	ck_assert(reader_stop(reader, PATIENCE_MS));
	end();
}
END_TEST

START_TEST(jobs_that_wait_are_dropped_at_the_end)
{
	struct task stuck[2];
	sem_t go;

	sem_init(&go, 0, 0);
	start(1, 0);
	submit(&stuck[0], 0, &go);
	wait_running(1);
	submit(&stuck[1], 0, &go);
	ck_assert(!reader_stop(reader, 0));
	let_go(&go, 1);
	end();
	ck_assert(!stuck[0].done && !stuck[1].done);
}
END_TEST

/* --- blocks --------------------------------------------------------------- */

START_TEST(packets_come_as_they_stand_in_the_file)
{
	static const uint32_t firsts[] = { 0, 5, PER_BLOCK - 1, PER_BLOCK,
		7 * PER_BLOCK + 3, BLOCKS * PER_BLOCK - 1 };
	struct title *title;

	start(2, 4 << 20);
	title = new_title("a");
	for (size_t i = 0; i < ARRAY_LENGTH(firsts); i++) {
		/* Up to the end of a block, in one go. */
		uint32_t count = PER_BLOCK - firsts[i] % PER_BLOCK;

		ck_assert_int_eq(
		    get(title, firsts[i], 3), (int)MIN_OF(count, UINT32_C(3)));
		expect_equal(title, firsts[i], MIN_OF(count, UINT32_C(3)));
	}
	ck_assert_int_eq(get(title, BLOCKS * PER_BLOCK, 1), -ESTALE);
	ck_assert(reader_release(reader, title));
	title_close(title);
	end();
}
END_TEST

START_TEST(the_largest_packets_are_read_too)
{
	struct title *title;

	start(2, 0);
	write_title("a", 9, 65536);
	title = open_title("a");
	for (uint32_t packet = 0; packet < 9; packet++) {
		ck_assert_int_eq(get(title, packet, 1), 1);
		expect_equal(title, packet, 1);
	}
	ck_assert(reader_release(reader, title));
	title_close(title);
	end();
}
END_TEST

START_TEST(who_waits_is_called_once_unless_he_gave_up)
{
	struct caller one = { .calls = 0 }, two = { .calls = 0 },
		      gone = { .calls = 0 };
	struct task stuck[2];
	struct title *title;
	sem_t go;

	sem_init(&go, 0, 0);
	start(2, 1 << 20);
	title = new_title("a");
	occupy(stuck, 2, &go);
	ck_assert_int_eq(ask(title, 0, 1, &one), -EAGAIN);
	ck_assert_int_eq(ask(title, 3, 1, &two), -EAGAIN);
	ck_assert_int_eq(ask(title, 3, 1, &two), -EAGAIN); /* again */
	ck_assert_int_eq(ask(title, 4, 1, &gone), -EAGAIN);
	ck_assert_int_eq(
	    reader_packets(reader, title, 5, 1, got, PACKET, NULL), -EAGAIN);
	waiter_forget(&gone.waiter);
	let_go(&go, 2);
	wait_called(&one, 1);
	wait_done(&stuck[0]);
	wait_done(&stuck[1]);
	ck_assert_uint_eq(two.calls, 1);
	ck_assert_uint_eq(gone.calls, 0);
	ck_assert_int_eq(ask(title, 5, 1, &one), 1);
	ck_assert(reader_release(reader, title));
	title_close(title);
	end();
}
END_TEST

/* Two blocks fit. */
START_TEST(what_was_used_longest_ago_makes_room)
{
	struct caller caller = { .calls = 0 };
	struct title *title;

	start(2, 0);
	title = new_title("a");
	ck_assert_int_eq(get(title, 0, 1), 1);
	ck_assert_int_eq(get(title, 1 * PER_BLOCK, 1), 1);
	ck_assert_int_eq(ask(title, 0, 1, &caller), 1);
	ck_assert_int_eq(get(title, 2 * PER_BLOCK, 1), 1);
	ck_assert_int_eq(ask(title, 0, 1, &caller), 1);
	ck_assert_int_eq(ask(title, PER_BLOCK, 1, &caller), -EAGAIN);
	wait_called(&caller, 1);
	ck_assert_int_eq(ask(title, PER_BLOCK, 1, &caller), 1);
	expect_equal(title, PER_BLOCK, 1);
	ck_assert(reader_release(reader, title));
	title_close(title);
	end();
}
END_TEST

START_TEST(what_hangs_of_one_title_leaves_half_of_the_pool)
{
	struct caller callers[4] = { 0 };
	struct title *hangs, *other;
	struct task stuck[2];
	sem_t go;

	sem_init(&go, 0, 0);
	start(2, 4 * READER_BLOCK_BYTES);
	hangs = new_title("hangs");
	other = new_title("other");
	occupy(stuck, 2, &go);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(
		    ask(hangs, i * PER_BLOCK, 1, &callers[i]), -EAGAIN);
	ck_assert_int_eq(ask(other, 0, 1, &callers[3]), -EAGAIN);
	let_go(&go, 2);
	/* The third's read has not begun: he is called to ask again. */
	wait_called(&callers[3], 1);
	for (unsigned i = 0; i < 3; i++)
		while (callers[i].calls == 0)
			ck_assert(collect(PATIENCE_MS));
	ck_assert_int_eq(ask(other, 0, 1, &callers[3]), 1);
	ck_assert_int_eq(ask(hangs, 0, 1, &callers[0]), 1);
	ck_assert_int_eq(ask(hangs, PER_BLOCK, 1, &callers[1]), 1);
	ck_assert_int_eq(ask(hangs, 2 * PER_BLOCK, 1, &callers[2]), -EAGAIN);
	wait_called(&callers[2], callers[2].calls + 1);
	ck_assert(reader_release(reader, hangs));
	ck_assert(reader_release(reader, other));
	title_close(hangs);
	title_close(other);
	end();
}
END_TEST

/* Title after title hangs, as much of each as can be asked for. */
START_TEST(what_hangs_of_several_titles_leaves_some_of_the_pool)
{
	struct caller callers[4 * BLOCKS] = { 0 };
	struct title *titles[5];
	unsigned asked = 0, got_block = 0;
	struct task stuck[2];
	char name[8];
	sem_t go;

	sem_init(&go, 0, 0);
	start(2, 32 * READER_BLOCK_BYTES);
	occupy(stuck, 2, &go);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%u", i);
		titles[i] = new_title(name);
		for (uint32_t block = 0; block < BLOCKS; block++)
			ck_assert_int_eq(ask(titles[i], block * PER_BLOCK, 1,
					     &callers[asked++]),
			    -EAGAIN);
	}
	titles[4] = new_title("other");
	/* Not in the pool: nothing is to be had.  In it: it comes when the
	 * threads are free, and before what hangs is. */
	for (uint32_t block = 0; block < 2; block++)
		ck_assert_int_eq(reader_packets(reader, titles[4],
				     block * PER_BLOCK, 1, got, PACKET, NULL),
		    -EAGAIN);
	let_go(&go, 2);
	while (collect(500))
		;
	for (uint32_t block = 0; block < 2; block++)
		got_block +=
		    ask(titles[4], block * PER_BLOCK, 1, &callers[block]) == 1;
	ck_assert_uint_ge(got_block, 1);
	while (collect(500))
		;
	for (unsigned i = 0; i < 5; i++) {
		ck_assert(reader_release(reader, titles[i]));
		title_close(titles[i]);
	}
	end();
}
END_TEST

/* --- memory --------------------------------------------------------------- */

/* The checks themselves need some. */
static int
ask_without_memory(const struct title *title, uint32_t first,
    struct caller *caller, unsigned times)
{
	int result;

	scarce_begin(0, times);
	result = ask(title, first, 1, caller);
	scarce_end();
	return result;
}

START_TEST(without_memory_a_reader_waits_and_gets_on)
{
	struct caller caller = { .calls = 0 };
	struct title *title;

	start(2, 1 << 20);
	title = new_title("a");
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(
		    ask_without_memory(title, 0, &caller, UINT_MAX), -EAGAIN);
		ck_assert(reader_sweep(reader).lacks_memory);
		ck_assert_uint_eq(caller.calls, i + 1);
	}
	ck_assert_int_eq(get(title, 0, 1), 1);
	/* Once there is a block, its memory is used again. */
	ck_assert_int_eq(
	    ask_without_memory(title, PER_BLOCK, &caller, 1), -EAGAIN);
	wait_called(&caller, 4);
	ck_assert_int_eq(ask(title, PER_BLOCK, 1, &caller), 1);
	ck_assert_int_eq(ask(title, 0, 1, &caller), -EAGAIN);
	wait_called(&caller, 5);
	ck_assert(reader_sweep(reader).lacks_memory);
	ck_assert(!reader_sweep(reader).lacks_memory);
	ck_assert(reader_release(reader, title));
	title_close(title);
	end();
}
END_TEST

START_TEST(a_read_that_failed_is_tried_again_by_the_next)
{
	struct title *title;
	off_t bytes;

	start(2, 0);
	title = new_title("a");
	bytes = (off_t)title_packet_offset(title, BLOCKS * PER_BLOCK);
	cut_file("a", (off_t)title_packet_offset(title, 4 * PER_BLOCK));
	ck_assert_int_eq(get(title, 4 * PER_BLOCK, 1), -ESTALE);
	cut_file("a", bytes);
	ck_assert_int_eq(get(title, 4 * PER_BLOCK, 1), 1);
	/* The half of a block that is there is of use. */
	cut_file("a", (off_t)title_packet_offset(title, 5 * PER_BLOCK + 4));
	ck_assert_int_eq(get(title, 5 * PER_BLOCK + 2, 9), 2);
	ck_assert_int_eq(get(title, 5 * PER_BLOCK + 4, 1), -ESTALE);
	ck_assert(reader_release(reader, title));
	title_close(title);
	end();
}
END_TEST

/* A bad spot on the disk, from this byte on. */
static off_t bad_from = INT64_MAX;

ssize_t
preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
	struct iovec first = *vectors;

	if (offset >= bad_from) {
		errno = EIO;
		return -1;
	}
	if (bad_from !=
	    INT64_MAX) { /* what there is before it, as kernels do */
		count = 1;
		first.iov_len =
		    MIN_OF(first.iov_len, (size_t)(bad_from - offset));
	}
	return syscall(SYS_preadv2, fd, count == 1 ? &first : vectors, count,
	    offset, 0L, flags);
}

ssize_t
pread(int fd, void *into, size_t size, off_t offset)
{
	const struct iovec vector = { into, size };

	return preadv2(fd, &vector, 1, offset, 0);
}

START_TEST(a_bad_spot_is_told_from_a_changed_file)
{
	struct title *title;

	start(2, 0);
	title = new_title("a");
	bad_from = (off_t)title_packet_offset(title, 5 * PER_BLOCK + 4) + 7;
	ck_assert_int_eq(get(title, 5 * PER_BLOCK + 2, 9), 2);
	ck_assert_int_eq(get(title, 5 * PER_BLOCK + 4, 1), -EIO);
	ck_assert_int_eq(get(title, 6 * PER_BLOCK, 1), -EIO);
	bad_from = INT64_MAX;
	ck_assert_int_eq(get(title, 5 * PER_BLOCK + 4, 1), 1);
	ck_assert_int_eq(get(title, 6 * PER_BLOCK, 1), 1);
	ck_assert(reader_release(reader, title));
	title_close(title);
	end();
}
END_TEST

START_TEST(a_title_is_released_when_no_read_of_it_runs)
{
	struct caller caller = { .calls = 0 };
	struct title *title, *other;
	struct task stuck[2];
	sem_t go;

	sem_init(&go, 0, 0);
	start(2, 1 << 20);
	title = new_title("a");
	other = new_title("b");
	ck_assert_int_eq(get(other, 0, 1), 1);
	occupy(stuck, 2, &go);
	ck_assert_int_eq(ask(title, 0, 1, &caller), -EAGAIN);
	ck_assert(!reader_release(reader, title));
	let_go(&go, 2);
	wait_called(&caller, 1);
	ck_assert(reader_release(reader, title));
	ck_assert_int_eq(ask(title, 0, 1, &caller), -EAGAIN);
	ck_assert_int_eq(ask(other, 0, 1, &caller), 1); /* is still there */
	wait_called(&caller, 2);
	ck_assert(reader_release(reader, title));
	ck_assert(reader_release(reader, other));
	title_close(title);
	title_close(other);
	end();
}
END_TEST

/* Only where nothing else reads ahead. */
START_TEST(the_next_block_is_read_ahead_without_rwf_nowait)
{
	struct caller caller = { .calls = 0 };
	struct title *title;
	uint8_t packet[PACKET];

	make_folder("/dev/shm");
	ck_assert_int_eq(reader_new(2, 4 << 20, &reader), 0);
	title = new_title("a");
	ck_assert(title_can_nowait(title));
	if (title_try_packets(title, 0, 1, packet, PACKET) == -EOPNOTSUPP) {
		ck_assert(!title_can_nowait(title));
		ck_assert_int_eq(get(title, 3, 1), 1);
		ck_assert(collect(PATIENCE_MS));
		ck_assert_int_eq(ask(title, PER_BLOCK + 3, 1, &caller), 1);
		ck_assert(collect(PATIENCE_MS));
		ck_assert_int_eq(ask(title, 2 * PER_BLOCK, 1, &caller), 1);
		ck_assert(collect(PATIENCE_MS));
	}
	ck_assert(reader_release(reader, title));
	title_close(title);
	end();
}
END_TEST

/*
 * As a worker does it: who was called asks in the same turn.  Each of many
 * reads a title of his own through a pool of two blocks, packet by packet.
 */
START_TEST(everybody_gets_on_however_small_the_pool)
{
	struct caller callers[7] = { 0 };
	struct title *titles[7];
	uint32_t at[7] = { 0 };
	unsigned seen[7] = { 0 }, finished = 0, turns = 0;
	char name[8];

	make_folder("/dev/shm");
	ck_assert_int_eq(reader_new(2, 0, &reader), 0);
	for (unsigned i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "%u", i);
		write_title(name, 4 * PER_BLOCK, PACKET);
		titles[i] = open_title(name);
		(void)title_try_packets(titles[i], 0, 1, got, PACKET);
		callers[i].calls = 1;
	}
	while (finished < 7) {
		for (unsigned i = 0; i < 7; i++) {
			int result;

			if (callers[i].calls == seen[i] ||
			    at[i] == 4 * PER_BLOCK)
				continue;
			seen[i] = callers[i].calls;
			result = ask(titles[i], at[i], 4, &callers[i]);
			if (result == -EAGAIN)
				continue;
			ck_assert_int_gt(result, 0);
			at[i] += (uint32_t)result;
			finished += at[i] == 4 * PER_BLOCK;
			callers[i].calls++; /* has more to do next turn */
		}
		ck_assert_uint_lt(++turns, 2000);
		(void)collect(finished < 7 ? 20 : 0);
	}
	while (collect(100))
		;
	for (unsigned i = 0; i < 7; i++) {
		ck_assert(reader_release(reader, titles[i]));
		title_close(titles[i]);
	}
	end();
}
END_TEST

/*
 * Streams side by side, more of them than blocks of full size fit: soon most
 * packets are there when they are asked for.
 */
START_TEST(many_streams_get_smaller_blocks)
{
	enum { TITLES = 3, STREAMS = 8, SPAN = 375, SMALL = 1024 };
	struct caller caller = { .calls = 0 };
	struct title *titles[TITLES];
	unsigned waits = 0;
	char name[8];

	make_folder("/dev/shm");
	ck_assert_int_eq(reader_new(2, 1 << 20, &reader), 0);
	for (unsigned i = 0; i < TITLES; i++) {
		snprintf(name, sizeof(name), "%u", i);
		write_title(name, STREAMS * SPAN, SMALL);
		titles[i] = open_title(name);
		(void)title_try_packets(titles[i], 0, 1, got, SMALL);
	}
	for (uint32_t at = 0; at < SPAN; at++) {
		for (uint32_t i = 0; i < TITLES * STREAMS; i++) {
			const struct title *title = titles[i % TITLES];
			uint32_t packet = i / TITLES * SPAN + at;
			bool waited = ask(title, packet, 1, &caller) < 0;

			if (waited)
				ck_assert_int_eq(get(title, packet, 1), 1);
			waits += waited && at > SPAN / 2;
			expect_equal(title, packet, 1);
		}
	}
	ck_assert_uint_lt(waits, TITLES * STREAMS * (SPAN / 2) / 8);
	while (collect(100))
		;
	for (unsigned i = 0; i < TITLES; i++) {
		ck_assert(reader_release(reader, titles[i]));
		title_close(titles[i]);
	}
	end();
}
END_TEST

START_TEST(threads_have_a_limit)
{
	struct reader *none = NULL;

	ck_assert_int_eq(reader_new(0, 0, &none), -EINVAL);
	ck_assert_int_eq(reader_new(READER_THREADS_MAX + 1, 0, &none), -EINVAL);
	ck_assert_ptr_null(none);
	reader_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reader");
	TCase *jobs = tcase_create("jobs"), *blocks = tcase_create("blocks");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(jobs, 30);
	tcase_add_test(jobs, jobs_run_on_threads_and_come_back_to_the_loop);
	tcase_add_test(jobs, jobs_of_one_group_leave_half_of_the_threads);
	tcase_add_test(jobs, threads_that_hang_are_replaced);
	tcase_add_test(jobs, threads_that_came_back_do_not_add_up);
	tcase_add_test(jobs, threads_have_a_limit_when_all_hang);
	tcase_add_test(jobs, stopping_waits_so_long_and_no_longer);
	tcase_add_test(jobs, jobs_that_wait_are_dropped_at_the_end);
	tcase_add_test(jobs, threads_have_a_limit);
	suite_add_tcase(suite, jobs);
	tcase_set_timeout(blocks, 30);
	tcase_add_test(blocks, packets_come_as_they_stand_in_the_file);
	tcase_add_test(blocks, the_largest_packets_are_read_too);
	tcase_add_test(blocks, who_waits_is_called_once_unless_he_gave_up);
	tcase_add_test(blocks, what_was_used_longest_ago_makes_room);
	tcase_add_test(blocks, what_hangs_of_one_title_leaves_half_of_the_pool);
	tcase_add_test(
	    blocks, what_hangs_of_several_titles_leaves_some_of_the_pool);
	tcase_add_test(blocks, without_memory_a_reader_waits_and_gets_on);
	tcase_add_test(blocks, a_read_that_failed_is_tried_again_by_the_next);
	tcase_add_test(blocks, a_bad_spot_is_told_from_a_changed_file);
	tcase_add_test(blocks, a_title_is_released_when_no_read_of_it_runs);
	tcase_add_test(blocks, the_next_block_is_read_ahead_without_rwf_nowait);
	tcase_add_test(blocks, everybody_gets_on_however_small_the_pool);
	tcase_add_test(blocks, many_streams_get_smaller_blocks);
	suite_add_tcase(suite, blocks);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
