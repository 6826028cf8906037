/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader - a few threads that wait for the disk so that the loop does not.
 *
 * Two things are done there: jobs (open a title, seek in it), and blocks,
 * pieces of titles read ahead into a bounded pool for what is not in the page
 * cache and for file systems without RWF_NOWAIT.  Readers never touch the table
 * or a socket; what they finished comes back through reader_fd() on the loop's
 * thread.
 *
 * A title that hangs leaves something for the others: its jobs run on at most
 * half of the threads, and what is being read of it takes at most half of what
 * other reads leave of the pool.  A thread that hangs for a second is counted
 * out: another takes its place, up to READER_THREADS_MAX, and its title gets no
 * more until it comes back.
 */
#ifndef MEDIA_READER_H
#define MEDIA_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/waiter.h"

struct reader;
struct title;

#define READER_BLOCK_BYTES (128u * 1024)
#define READER_THREADS_MAX 64

/* Embedded by those who ask; not moved until it came back. */
struct reader_job {
	struct reader_job *next;
	/* On a reader thread; then on the loop's, in reader_collect(). */
	void (*work)(struct reader_job *job);
	void (*done)(struct reader_job *job);
	/* Jobs of one group (a title; 0: none) are capped together. */
	uint64_t group;
	/* Of who asks; what reader_thread_mark() says meanwhile. */
	uint64_t mark;
};

/*
 * The mark of the job that runs on this thread, 0 without one.  False: it is no
 * reader thread.  For signal handlers too.
 */
bool reader_thread_mark(uint64_t *out);

/* THREADS jobs at a time, a pool of at most POOL_BYTES.  0 or -errno. */
int reader_new(unsigned threads, size_t pool_bytes, struct reader **out);
/*
 * No more jobs.  False: one still runs after LIMIT_MS, on a disk that does not
 * answer; then the reader, and what its jobs use, cannot be freed.
 */
bool reader_stop(struct reader *reader, unsigned limit_ms);
/* Waits for jobs that run; drops those that wait (their done is not called). */
void reader_free(struct reader *reader);
/* Readable when something came back; then call reader_collect(). */
int reader_fd(const struct reader *reader);
void reader_collect(struct reader *reader);
void reader_submit(struct reader *reader, struct reader_job *job);

/*
 * Packets FIRST.. of TITLE from the pool, as title_try_packets() does from the
 * page cache. Whole packets copied, or -EAGAIN: their block is being read (READ
 * AHEAD starts the next one too) and WAITER, if not NULL, is called once when
 * it is there or failed; -EIO, -ESTALE.
 */
int reader_packets(struct reader *reader, const struct title *title,
    uint32_t first, uint32_t count, uint8_t *into, size_t stride,
    struct waiter *waiter);
/* The title is about to be closed: drop its blocks.  False: a read is running;
 * ask again later. */
bool reader_release(struct reader *reader, const struct title *title);
/*
 * Once a second: gives back what was not used for a while, replaces threads
 * that hang, calls who waits for memory.  What is wrong, for the log.
 */
struct reader_trouble {
	unsigned stuck; /* threads that hang */
	bool lacks_memory; /* since the last time */
};
struct reader_trouble reader_sweep(struct reader *reader);

#endif
