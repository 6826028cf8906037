/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop - the event loop: descriptors, timers, signals, the monotonic clock.
 *
 * One loop per process, on one thread.  Watches and timers are embedded in
 * the structures of those who use them; the loop allocates nothing for them.
 * Timers have the resolution LOOP_TICK_US: all that expire within one tick
 * are called in one go, so that work of many sessions can be batched; the
 * function given to loop_after() is called once behind them.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOP_TICK_US UINT64_C(10000)

struct loop; /* opaque */

typedef void loop_ready(void *context, uint32_t events); /* EPOLLIN … */
typedef void loop_expired(void *context, uint64_t now_us);
typedef void loop_signalled(void *context, int signal);

struct loop_watch { /* zero-initialised; not moved while it is added */
	int fd;
	bool added;
	loop_ready *ready;
	void *context;
};

struct loop_timer { /* zero-initialised; not moved while it is set */
	struct loop_timer *next, **self; /* self: NULL when not set */
	uint64_t at_us;
	loop_expired *expired;
	void *context;
};

int loop_new(struct loop **out); /* 0 or -errno */
void loop_free(struct loop *loop); /* accepts NULL */

/*
 * EVENTS as for epoll_ctl(2), EPOLLET and EPOLLEXCLUSIVE included.  A removed
 * watch is not called any more, not even for events already fetched.
 * 0 or -errno.  loop_remove() accepts a watch that is not added.
 */
int loop_add(struct loop *loop, struct loop_watch *watch, int fd,
    uint32_t events, loop_ready *ready, void *context);
int loop_modify(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_remove(struct loop *loop, struct loop_watch *watch);

/*
 * Call EXPIRED at the first tick that is not before AT_US (monotonic); one
 * that lies in the past is called at the next tick.  Setting a set timer moves
 * it.
 */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_us,
    loop_expired *expired, void *context);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);
static inline bool
loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->self != NULL;
}

/* Called once in each turn, behind all ready descriptors and expired timers. */
void loop_after(struct loop *loop, loop_expired *after, void *context);

/*
 * SIGNALS are blocked and read through the loop from now on; they stay blocked
 * behind loop_free(), which may be called in a forked child: it takes nothing
 * from the parent's loop.  Calling it again replaces the set that is read.
 * 0 or -errno.
 */
int loop_signals(struct loop *loop, const sigset_t *signals,
    loop_signalled *signalled, void *context);

/* Runs until loop_stop() is called; returns what that was given, or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int result);

/* The time of this turn; fetched once per turn.  clock_monotonic_us() asks
 * anew. */
uint64_t loop_now_us(const struct loop *loop);
uint64_t clock_monotonic_us(void);
uint64_t clock_wall_us(void); /* since 1970-01-01; logs, Date: and RTCP only */

#endif
