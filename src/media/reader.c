/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader threads and the pool of blocks.  Threads take jobs and give them
 * back; everything else, the pool included, belongs to the loop's thread.
 */
#include "media/reader.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "media/title.h"

#define BUCKETS 1024 /* a power of two */
/* Blocks get so small when many streams share the pool, ... */
#define BLOCK_LEAST (16u * 1024)
/* ... and larger again after the pool was turned over so often in peace. */
#define CALM_TURNS 32
/* Evictions that tell something. */
#define TURN_LEAST 32
/* Sweeps that a block survives unused. */
#define IDLE_SWEEPS 15
/* A job that saw so many hangs: one second and more. */
#define STUCK_SWEEPS 2

enum block_state { BLOCK_READING, BLOCK_READ };

/* Whole packets of a title. */
struct block {
	struct reader_job job;
	struct reader *reader;
	struct block *chain; /* of its bucket */
	struct block *newer, *older;
	const struct title *title;
	uint32_t first, wanted; /* packets */
	uint32_t count; /* packets there; fewer than wanted: ... */
	uint32_t taken; /* packets up to the last that somebody took */
	enum block_state state;
	struct block *reading_next, **reading_self; /* while it is read */
	int error; /* ... for this reason */
	struct waiter *waiters;
	uint8_t *data;
	size_t size;
	unsigned used; /* the sweep before which it was used last */
};

struct job_queue {
	struct reader_job *first, **last;
};

struct thread {
	pthread_t handle;
	bool busy;
	bool stuck; /* its job takes so long that it counts no more */
	uint64_t group; /* of its job; 0: none */
	unsigned since; /* the sweep before which its job began */
};

struct reader {
	pthread_mutex_t lock; /* over all up to ending; sweeps are set in it */
	pthread_cond_t work;
	struct job_queue waiting, finished;
	struct thread threads[READER_THREADS_MAX];
	unsigned thread_count, busy_count, stuck_count;
	unsigned at_once, per_group; /* most jobs that run, not stuck */
	bool ending;
	int event;
	/* The loop's thread only: */
	struct block *buckets[BUCKETS];
	struct block *newest, *oldest; /* by last use */
	size_t pool_bytes, used_bytes, reading_bytes;
	struct block *reading; /* list */
	size_t block_bytes;
	/* Of this turn of the pool: blocks evicted, those before their end. */
	size_t evicted, wasted;
	unsigned calm_turns;
	unsigned sweeps;
	struct waiter *room; /* wait for any block to be done */
	bool lacks_memory;
};

static void
queue_init(struct job_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static void
queue_put(struct job_queue *queue, struct reader_job *job)
{
	job->next = NULL;
	*queue->last = job;
	queue->last = &job->next;
}

static bool
group_is_busy(const struct reader *reader, uint64_t group)
{
	unsigned running = 0;

	if (group == 0)
		return false;
	for (unsigned i = 0; i < reader->thread_count; i++) {
		if (reader->threads[i].group != group)
			continue;
		if (reader->threads[i].stuck)
			return true; /* the next one would get stuck too */
		running++;
	}
	return running >= reader->per_group;
}

/* The first job whose group may run. */
static struct reader_job *
queue_take(struct reader *reader)
{
	struct job_queue *queue = &reader->waiting;
	struct reader_job **at, *job;

	if (reader->busy_count - reader->stuck_count >= reader->at_once)
		return NULL;
	for (at = &queue->first; (job = *at) != NULL; at = &job->next) {
		if (group_is_busy(reader, job->group))
			continue;
		*at = job->next;
		if (queue->last == &job->next)
			queue->last = at;
		return job;
	}
	return NULL;
}

static _Thread_local bool is_reader_thread;
static _Thread_local volatile uint64_t thread_mark;

bool
reader_thread_mark(uint64_t *out)
{
	*out = thread_mark;
	return is_reader_thread;
}

struct thread_birth {
	struct reader *reader;
	struct thread *thread;
};

static void
run_job(struct reader *reader, struct thread *thread, struct reader_job *job)
{
	uint64_t one = 1;
	ssize_t written;

	thread->busy = true;
	thread->group = job->group;
	thread->since = reader->sweeps;
	reader->busy_count++;
	pthread_mutex_unlock(&reader->lock);
	thread_mark = job->mark;
	job->work(job);
	thread_mark = 0;
	pthread_mutex_lock(&reader->lock);
	reader->busy_count--;
	reader->stuck_count -= thread->stuck;
	thread->busy = thread->stuck = false;
	thread->group = 0;
	queue_put(&reader->finished, job);
	/* Cannot fail: the counter never gets near its limit. */
	written = write(reader->event, &one, sizeof(one));
	(void)written;
	/* What may run now is taken by this thread itself. */
	if (reader->ending)
		pthread_cond_broadcast(&reader->work);
}

static void *
thread_main(void *argument)
{
	struct thread_birth birth = *(struct thread_birth *)argument;
	struct reader *reader = birth.reader;
	struct reader_job *job;

	free(argument);
	is_reader_thread = true;
	pthread_mutex_lock(&reader->lock);
	while (!reader->ending) {
		if ((job = queue_take(reader)) != NULL)
			run_job(reader, birth.thread, job);
		else
			pthread_cond_wait(&reader->work, &reader->lock);
	}
	pthread_mutex_unlock(&reader->lock);
	return NULL;
}

/* Signals are for the loop's thread, but for what a thread does itself. */
static void
block_signals(sigset_t *before)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
		SIGABRT };
	sigset_t others;

	sigfillset(&others);
	for (size_t i = 0; i < ARRAY_LENGTH(faults); i++)
		sigdelset(&others, faults[i]);
	pthread_sigmask(SIG_BLOCK, &others, before);
}

static int
start_thread(struct reader *reader)
{
	struct thread *thread = &reader->threads[reader->thread_count];
	struct thread_birth *birth = malloc(sizeof(*birth));
	sigset_t before;
	int error;

	if (birth == NULL)
		return -ENOMEM;
	*birth = (struct thread_birth){ reader, thread };
	block_signals(&before);
	error = pthread_create(&thread->handle, NULL, thread_main, birth);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		free(birth);
		return -error;
	}
	reader->thread_count++;
	return 0;
}

/* Limits of time are those of the monotonic clock. */
static void
init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

/*
 * An arena of its own keeps what a thread has read last, a block and more; the
 * threads' few allocations do not contend.
 */
static void
share_one_heap(void)
{
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 1);
#endif
}

int
reader_new(unsigned threads, size_t pool_bytes, struct reader **out)
{
	struct reader *reader;
	int error = 0;

	if (threads < 1 || threads > READER_THREADS_MAX)
		return -EINVAL;
	if ((reader = calloc(1, sizeof(*reader))) == NULL)
		return -ENOMEM;
	share_one_heap();
	pthread_mutex_init(&reader->lock, NULL);
	init_condition(&reader->work);
	queue_init(&reader->waiting);
	queue_init(&reader->finished);
	reader->pool_bytes = MAX_OF(pool_bytes, 2 * READER_BLOCK_BYTES);
	reader->block_bytes = READER_BLOCK_BYTES;
	reader->at_once = threads;
	reader->per_group = threads > 1 ? threads / 2 : 1;
	reader->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (reader->event == -1)
		error = -errno;
	pthread_mutex_lock(&reader->lock);
	while (error == 0 && reader->thread_count < threads)
		error = start_thread(reader);
	pthread_mutex_unlock(&reader->lock);
	if (error != 0) {
		reader_free(reader);
		return error;
	}
	*out = reader;
	return 0;
}

bool
reader_stop(struct reader *reader, unsigned limit_ms)
{
	struct timespec until;
	int error = 0;
	bool idle;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += limit_ms / 1000;
	until.tv_nsec += (long)(limit_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&reader->lock);
	reader->ending = true;
	pthread_cond_broadcast(&reader->work);
	while (reader->busy_count > 0 && error == 0)
		error = pthread_cond_timedwait(
		    &reader->work, &reader->lock, &until);
	idle = reader->busy_count == 0;
	pthread_mutex_unlock(&reader->lock);
	return idle;
}

void
reader_free(struct reader *reader)
{
	struct block *block;

	if (reader == NULL)
		return;
	(void)reader_stop(reader, 0);
	for (unsigned i = 0; i < reader->thread_count; i++)
		pthread_join(reader->threads[i].handle, NULL);
	while ((block = reader->newest) != NULL) {
		reader->newest = block->older;
		free(block->data);
		free(block);
	}
	if (reader->event != -1)
		close(reader->event);
	pthread_cond_destroy(&reader->work);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
}

int
reader_fd(const struct reader *reader)
{
	return reader->event;
}

void
reader_submit(struct reader *reader, struct reader_job *job)
{
	pthread_mutex_lock(&reader->lock);
	queue_put(&reader->waiting, job);
	pthread_cond_signal(&reader->work);
	pthread_mutex_unlock(&reader->lock);
}

void
reader_collect(struct reader *reader)
{
	struct reader_job *job, *next;
	uint64_t count;

	if (read(reader->event, &count, sizeof(count)) == -1)
		return;
	pthread_mutex_lock(&reader->lock);
	job = reader->finished.first;
	queue_init(&reader->finished);
	pthread_mutex_unlock(&reader->lock);
	for (; job != NULL; job = next) {
		next = job->next;
		job->done(job);
	}
}

/* --- blocks --------------------------------------------------------------- */

static uint32_t
packets_per_block(const struct reader *reader, const struct title *title)
{
	uint32_t packets =
	    (uint32_t)(reader->block_bytes / title_packet_bytes(title));

	return MAX_OF(packets, UINT32_C(1));
}

/* Where the block begins that a packet stands in. */
static uint32_t
block_first(
    const struct reader *reader, const struct title *title, uint32_t packet)
{
	return packet - packet % packets_per_block(reader, title);
}

static struct block **
bucket_of(struct reader *reader, const struct title *title, uint32_t first)
{
	uint64_t key = (uint64_t)(uintptr_t)title / 64 + first;

	key *= UINT64_C(0x9e3779b97f4a7c15);
	return &reader->buckets[key >> 54 & (BUCKETS - 1)];
}

/* A smaller one, of another time, may begin at the same packet. */
static struct block *
block_find(struct reader *reader, const struct title *title, uint32_t packet)
{
	uint32_t first = block_first(reader, title, packet);
	struct block *block = *bucket_of(reader, title, first);

	while (
	    block != NULL && (block->title != title || block->first != first ||
				 packet - first >= block->wanted))
		block = block->chain;
	return block;
}

static void
use_unlink(struct reader *reader, struct block *block)
{
	*(block->newer != NULL ? &block->newer->older : &reader->newest) =
	    block->older;
	*(block->older != NULL ? &block->older->newer : &reader->oldest) =
	    block->newer;
}

static void
use_link(struct reader *reader, struct block *block)
{
	block->newer = NULL;
	block->older = reader->newest;
	*(reader->newest != NULL ? &reader->newest->newer : &reader->oldest) =
	    block;
	reader->newest = block;
}

static void
block_free(struct reader *reader, struct block *block)
{
	struct block **at = bucket_of(reader, block->title, block->first);

	while (*at != block)
		at = &(*at)->chain;
	*at = block->chain;
	use_unlink(reader, block);
	reader->used_bytes -= block->size;
	free(block->data);
	free(block);
}

/*
 * Blocks that many streams use at once must all fit into the pool, else each
 * is read again and again.  When many are evicted before their end they are too
 * large.
 */
static void
note_eviction(struct reader *reader, const struct block *block)
{
	size_t turn = MAX_OF(
	    reader->pool_bytes / reader->block_bytes, (size_t)TURN_LEAST);

	reader->evicted++;
	reader->wasted += block->taken < block->count;
	if (reader->evicted < turn)
		return;
	reader->calm_turns =
	    reader->wasted > turn / 32 ? 0 : reader->calm_turns + 1;
	if (reader->wasted > turn / 4 && reader->block_bytes > BLOCK_LEAST)
		reader->block_bytes /= 2;
	if (reader->calm_turns == CALM_TURNS) {
		reader->calm_turns = 0;
		if (reader->block_bytes < READER_BLOCK_BYTES)
			reader->block_bytes *= 2;
	}
	reader->evicted = 0;
	reader->wasted = 0;
}

/* The block used longest ago.  False: there is none but those being read. */
static bool
evict_one(struct reader *reader)
{
	struct block *block = reader->oldest;

	while (block != NULL && block->state == BLOCK_READING)
		block = block->newer;
	if (block == NULL)
		return false;
	note_eviction(reader, block);
	block_free(reader, block);
	return true;
}

static bool
make_room(struct reader *reader, size_t size)
{
	while (reader->used_bytes + size > reader->pool_bytes)
		if (!evict_one(reader))
			return false;
	return true;
}

/*
 * What is being read cannot be given up, and may hang: of one title that may be
 * as much as half of what the reads of others leave, but always a block.
 */
static bool
has_share(const struct reader *reader, const struct title *title, size_t size)
{
	const struct block *block = reader->reading;
	size_t bytes = 0, left;

	if (reader->reading_bytes + size <= reader->pool_bytes / 2)
		return true;
	for (; block != NULL; block = block->reading_next)
		if (block->title == title)
			bytes += block->size;
	left = reader->pool_bytes - (reader->reading_bytes - bytes);
	return bytes == 0 || bytes + size <= left / 2;
}

static void
reading_link(struct reader *reader, struct block *block)
{
	block->reading_next = reader->reading;
	block->reading_self = &reader->reading;
	if (block->reading_next != NULL)
		block->reading_next->reading_self = &block->reading_next;
	reader->reading = block;
	reader->reading_bytes += block->size;
}

static void
reading_unlink(struct reader *reader, struct block *block)
{
	*block->reading_self = block->reading_next;
	if (block->reading_next != NULL)
		block->reading_next->reading_self = block->reading_self;
	reader->reading_bytes -= block->size;
}

static void
block_read(struct reader_job *job)
{
	struct block *block = CONTAINER_OF(job, struct block, job);
	uint32_t packet_bytes = title_packet_bytes(block->title);
	int got;

	/* In one go, but for what a bad spot, or the end, leaves of it. */
	do {
		got = title_read_packets(block->title,
		    block->first + block->count, block->wanted - block->count,
		    block->data + (size_t)block->count * packet_bytes,
		    packet_bytes);
		block->count += (uint32_t)MAX_OF(got, 0);
	} while (got > 0 && block->count < block->wanted);
	block->error = MIN_OF(got, 0);
}

static void
block_done(struct reader_job *job)
{
	struct block *block = CONTAINER_OF(job, struct block, job);
	struct reader *reader = block->reader;

	reading_unlink(reader, block);
	block->state = BLOCK_READ;
	waiter_call_all(&block->waiters);
	/* The block may be gone by now; who waited for room may try again. */
	waiter_call_all(&reader->room);
}

/* Memory that runs short is taken from what was read ahead. */
static struct block *
block_new(struct reader *reader, size_t size)
{
	struct block *block = NULL;
	uint8_t *data;

	while ((data = malloc(size)) == NULL ||
	       (block = calloc(1, sizeof(*block))) == NULL) {
		free(data);
		reader->lacks_memory = true;
		if (!evict_one(reader))
			return NULL;
	}
	block->data = data;
	return block;
}

/* The block that PACKET stands in. */
static struct block *
block_start(struct reader *reader, const struct title *title, uint32_t packet)
{
	uint32_t first = block_first(reader, title, packet), count;
	struct block *block, **bucket;
	size_t size;

	if (packet >= title_packets(title))
		return NULL;
	count = MIN_OF(
	    packets_per_block(reader, title), title_packets(title) - first);
	size = (size_t)count * title_packet_bytes(title);
	if (!has_share(reader, title, size) || !make_room(reader, size))
		return NULL;
	if ((block = block_new(reader, size)) == NULL)
		return NULL;
	*block = (struct block){
		.job = { .work = block_read,
		    .done = block_done,
		    .group = (uint64_t)(uintptr_t)title,
		    .mark = title_mark(title) },
		.reader = reader,
		.title = title,
		.first = first,
		.wanted = count,
		.state = BLOCK_READING,
		.data = block->data,
		.size = size,
	};
	bucket = bucket_of(reader, title, first);
	block->chain = *bucket;
	*bucket = block;
	use_link(reader, block);
	reading_link(reader, block);
	reader->used_bytes += size;
	block->used = reader->sweeps;
	reader_submit(reader, &block->job);
	return block;
}

static uint32_t
copy_packets(struct block *block, uint32_t first, uint32_t count, uint8_t *into,
    size_t stride)
{
	size_t packet_bytes = title_packet_bytes(block->title);
	uint32_t skipped = first - block->first;
	uint32_t there = block->count > skipped ? block->count - skipped : 0;

	count = MIN_OF(count, there);
	for (uint32_t i = 0; i < count; i++)
		memcpy(into + i * stride,
		    block->data + (skipped + i) * packet_bytes, packet_bytes);
	block->taken = MAX_OF(block->taken, skipped + count);
	return count;
}

int
reader_packets(struct reader *reader, const struct title *title, uint32_t first,
    uint32_t count, uint8_t *into, size_t stride, struct waiter *waiter)
{
	struct block *block = block_find(reader, title, first);
	uint32_t copied, next;
	int error;

	if (block == NULL &&
	    (block = block_start(reader, title, first)) == NULL) {
		if (first >= title_packets(title))
			return -ESTALE;
		waiter_add(&reader->room, waiter);
		return -EAGAIN;
	}
	use_unlink(reader, block);
	use_link(reader, block);
	block->used = reader->sweeps;
	if (block->state == BLOCK_READING) {
		waiter_add(&block->waiters, waiter);
		return -EAGAIN;
	}
	copied = copy_packets(block, first, count, into, stride);
	if (copied == 0) {
		error = block->error;
		block_free(reader, block); /* the next who asks tries again */
		return error;
	}
	next = block->first + block->wanted;
	if (!title_can_nowait(title) && block_find(reader, title, next) == NULL)
		block_start(reader, title, next);
	return (int)copied;
}

bool
reader_release(struct reader *reader, const struct title *title)
{
	struct block *block = reader->newest, *older;

	for (; block != NULL; block = older) {
		older = block->older;
		if (block->title != title)
			continue;
		if (block->state == BLOCK_READING)
			return false;
		block_free(reader, block);
	}
	return true;
}

/* With RWF_NOWAIT the page cache has it by now, without it nobody else. */
static unsigned
patience(const struct block *block)
{
	return title_can_nowait(block->title) ? 1 : IDLE_SWEEPS;
}

/*
 * For each thread that hangs another one takes jobs in its place; when there
 * are no more to be had, those that are left must do.
 */
static unsigned
replace_stuck(struct reader *reader)
{
	unsigned stuck, before;

	pthread_mutex_lock(&reader->lock);
	before = reader->stuck_count;
	reader->sweeps++;
	for (unsigned i = 0; i < reader->thread_count; i++) {
		struct thread *thread = &reader->threads[i];

		if (!thread->busy || thread->stuck ||
		    reader->sweeps - thread->since < STUCK_SWEEPS)
			continue;
		thread->stuck = true;
		reader->stuck_count++;
	}
	while (reader->thread_count - reader->stuck_count < reader->at_once &&
	       reader->thread_count < READER_THREADS_MAX &&
	       start_thread(reader) == 0)
		;
	stuck = reader->stuck_count;
	if (stuck > before)
		pthread_cond_broadcast(&reader->work);
	pthread_mutex_unlock(&reader->lock);
	return stuck;
}

struct reader_trouble
reader_sweep(struct reader *reader)
{
	struct block *block = reader->oldest, *newer;
	struct reader_trouble trouble = { .stuck = replace_stuck(reader) };

	for (; block != NULL; block = newer) {
		newer = block->newer;
		if (block->state != BLOCK_READING && block->waiters == NULL &&
		    reader->sweeps - block->used > patience(block))
			block_free(reader, block);
	}
	/* Who found no memory waits for it here. */
	waiter_call_all(&reader->room);
	trouble.lacks_memory = reader->lacks_memory;
	reader->lacks_memory = false;
	return trouble;
}
