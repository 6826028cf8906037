/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop - waits for descriptors, timers and signals, and calls who asked.
 *
 * Timers lie in a hashed wheel: slot = tick modulo the wheel's size.  Setting
 * and clearing are O(1), which is what thousands of streams that set theirs
 * twenty times a second need; nothing is ever sorted.  What the callbacks do,
 * and closing of descriptors, is not the loop's business.
 */
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define WHEEL_SLOTS 1024 /* one revolution: 10.24 s */
#define WORD_BITS 64
#define EVENTS_MAX 256 /* fetched at once */
#define NEVER UINT64_MAX

struct loop {
	int epoll;
	bool without_pwait2; /* Linux before 5.11, or forbidden */
	bool stopped;
	int result;

	uint64_t now_us; /* of this turn */
	uint64_t tick; /* the last one that was worked off */
	struct loop_timer *slots[WHEEL_SLOTS];
	/*
	 * No timer of the slot is due before this tick.  Thanks to it timers
	 * more than a revolution away neither wake the process nor get looked
	 * at.  It may be too low after a timer was cleared whose slot holds
	 * others: that costs one turn with nothing to do.
	 */
	uint64_t earliest[WHEEL_SLOTS];
	uint64_t occupied[WHEEL_SLOTS / WORD_BITS]; /* a bit per slot */

	loop_expired *after;
	void *after_context;

	struct loop_watch signal_watch;
	loop_signalled *signalled;
	void *signalled_context;

	struct epoll_event events[EVENTS_MAX];
	int event_at, event_count; /* those before event_at were called */
};

static uint64_t
clock_us(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * US_PER_SECOND +
	       (uint64_t)time.tv_nsec / 1000;
}

uint64_t
clock_monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

int
loop_new(struct loop **out)
{
	struct loop *loop;
	int error;

	if ((loop = calloc(1, sizeof(*loop))) == NULL)
		return -ENOMEM;
	if ((loop->epoll = epoll_create1(EPOLL_CLOEXEC)) == -1) {
		error = -errno;
		free(loop);
		return error;
	}
	loop->now_us = clock_monotonic_us();
	loop->tick = loop->now_us / LOOP_TICK_US;
	*out = loop;
	return 0;
}

/* Watches are not removed one by one: in a forked child that would remove
 * those of the parent, who shares the epoll instance. */
void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->signal_watch.added)
		close(loop->signal_watch.fd);
	close(loop->epoll);
	free(loop);
}

uint64_t
loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

void
loop_after(struct loop *loop, loop_expired *after, void *context)
{
	loop->after = after;
	loop->after_context = context;
}

void
loop_stop(struct loop *loop, int result)
{
	loop->stopped = true;
	loop->result = result;
}

/* ---- descriptors ---- */

int
loop_add(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events,
    loop_ready *ready, void *context)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	assert(!watch->added);
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		return -errno;
	*watch = (struct loop_watch){
		.fd = fd, .added = true, .ready = ready, .context = context
	};
	return 0;
}

int
loop_modify(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	assert(watch->added);
	if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event) != 0)
		return -errno;
	return 0;
}

void
loop_remove(struct loop *loop, struct loop_watch *watch)
{
	int removed;

	if (!watch->added)
		return;
	/*
	 * A descriptor closed too early leaves an entry behind when it has a
	 * duplicate, and that entry points to a watch which may be gone.
	 */
	removed = epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	assert(removed == 0);
	watch->added = false;
	for (int i = loop->event_at; i < loop->event_count; i++)
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
}

static void
call_ready(struct loop *loop)
{
	while (loop->event_at < loop->event_count) {
		const struct epoll_event *event =
		    &loop->events[loop->event_at++];
		struct loop_watch *watch = event->data.ptr;

		if (watch != NULL)
			watch->ready(watch->context, event->events);
	}
}

/* ---- timers ---- */

/* The first tick that is not before AT_US; rounds up without overflow. */
static uint64_t
tick_of(uint64_t at_us)
{
	return at_us / LOOP_TICK_US + (at_us % LOOP_TICK_US != 0);
}

static void
slot_mark(struct loop *loop, size_t slot)
{
	loop->occupied[slot / WORD_BITS] |= UINT64_C(1) << slot % WORD_BITS;
}

static void
slot_unmark(struct loop *loop, size_t slot)
{
	loop->occupied[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
}

static void
timer_unlink(struct loop_timer *timer)
{
	*timer->self = timer->next;
	if (timer->next != NULL)
		timer->next->self = timer->self;
	timer->next = NULL;
	timer->self = NULL;
}

static void
timer_link(struct loop *loop, struct loop_timer *timer)
{
	uint64_t tick = tick_of(timer->at_us);
	size_t slot = tick % WHEEL_SLOTS;
	struct loop_timer **head = &loop->slots[slot];

	if (*head == NULL || tick < loop->earliest[slot])
		loop->earliest[slot] = tick;
	slot_mark(loop, slot);
	timer->next = *head;
	timer->self = head;
	if (*head != NULL)
		(*head)->self = &timer->next;
	*head = timer;
}

/*
 * What lies in the past goes to the tick after this turn's time, so that a
 * callback which sets its own timer can never keep the turn from ending.
 */
void
loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_us,
    loop_expired *expired, void *context)
{
	uint64_t soonest_us = (loop->now_us / LOOP_TICK_US + 1) * LOOP_TICK_US;

	loop_timer_clear(loop, timer);
	timer->at_us = MAX_OF(at_us, soonest_us);
	timer->expired = expired;
	timer->context = context;
	timer_link(loop, timer);
}

void
loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	size_t slot;

	if (timer->self == NULL)
		return;
	timer_unlink(timer);
	slot = tick_of(timer->at_us) % WHEEL_SLOTS;
	if (loop->slots[slot] == NULL)
		slot_unmark(loop, slot);
}

/*
 * Calls the timers of SLOT that are due at LAST or before.  The slot's list
 * is moved to a head of our own first: whatever the callbacks set or clear,
 * each timer is looked at once, and one cleared meanwhile is not called.
 */
static void
slot_expire(struct loop *loop, size_t slot, uint64_t last)
{
	struct loop_timer *timer, *pending = loop->slots[slot];

	loop->slots[slot] = NULL;
	slot_unmark(loop, slot);
	if (pending != NULL)
		pending->self = &pending;
	while ((timer = pending) != NULL) {
		timer_unlink(timer);
		if (tick_of(timer->at_us) > last)
			timer_link(loop, timer);
		else
			timer->expired(timer->context, loop->now_us);
	}
}

/* Works off every tick since the last turn, at most one revolution: further
 * back there are only the same slots again. */
static void
call_expired(struct loop *loop)
{
	uint64_t last = loop->now_us / LOOP_TICK_US;
	uint64_t missed = MIN_OF(last - loop->tick, WHEEL_SLOTS);

	for (uint64_t tick = last - missed + 1; tick <= last; tick++) {
		size_t slot = tick % WHEEL_SLOTS;

		if (loop->slots[slot] != NULL && loop->earliest[slot] <= last)
			slot_expire(loop, slot, last);
	}
	loop->tick = last;
}

/* The tick at which something may be due, NEVER without timers. */
static uint64_t
next_tick(const struct loop *loop)
{
	uint64_t tick = loop->tick + 1, end = tick + WHEEL_SLOTS;
	uint64_t best = NEVER;

	while (tick < end) {
		size_t slot = tick % WHEEL_SLOTS;
		uint64_t word =
		    loop->occupied[slot / WORD_BITS] >> slot % WORD_BITS;

		if (word == 0) {
			tick += WORD_BITS - slot % WORD_BITS;
			continue;
		}
		tick += (uint64_t)__builtin_ctzll(word);
		slot = tick % WHEEL_SLOTS;
		best = MIN_OF(best, loop->earliest[slot]);
		/* All that follow are later, even those of this revolution. */
		if (best <= tick)
			return best;
		tick++;
	}
	return best;
}

/* ---- signals ---- */

static void
signals_ready(void *context, uint32_t events)
{
	struct signalfd_siginfo information[16];
	struct loop *loop = context;
	ssize_t size;

	(void)events;
	size = read(loop->signal_watch.fd, information, sizeof(information));
	for (ssize_t i = 0; i < size / (ssize_t)sizeof(information[0]); i++)
		loop->signalled(
		    loop->signalled_context, (int)information[i].ssi_signo);
}

int
loop_signals(struct loop *loop, const sigset_t *signals,
    loop_signalled *signalled, void *context)
{
	bool added = loop->signal_watch.added;
	int error, fd;

	fd = signalfd(added ? loop->signal_watch.fd : -1, signals,
	    SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd == -1)
		return -errno;
	if (!added) {
		error = loop_add(loop, &loop->signal_watch, fd, EPOLLIN,
		    signals_ready, loop);
		if (error != 0) {
			close(fd);
			return error;
		}
	}
	loop->signalled = signalled;
	loop->signalled_context = context;
	/* Last: nothing is blocked that nobody would read. */
	return -pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* ---- turns ---- */

/* Milliseconds are too coarse for ticks: rounding up adds up to one of ten. */
static int
wait_until(struct loop *loop, uint64_t due_us)
{
	uint64_t now_us, left_us = 0;
	struct timespec timeout;

	if (due_us == NEVER)
		return epoll_wait(loop->epoll, loop->events, EVENTS_MAX, -1);
	now_us = clock_monotonic_us();
	if (due_us > now_us)
		left_us = due_us - now_us;
	if (left_us > 0 && !loop->without_pwait2) {
		int count;

		timeout.tv_sec = (time_t)(left_us / US_PER_SECOND);
		timeout.tv_nsec = (long)(left_us % US_PER_SECOND) * 1000;
		count = epoll_pwait2(
		    loop->epoll, loop->events, EVENTS_MAX, &timeout, NULL);
		if (count != -1 || (errno != ENOSYS && errno != EPERM))
			return count;
		loop->without_pwait2 = true;
	}
	/* Waking too early is cheap, a timer a month away is not an int. */
	left_us = MIN_OF(left_us, 3600 * US_PER_SECOND);
	return epoll_wait(loop->epoll, loop->events, EVENTS_MAX,
	    (int)((left_us + US_PER_MS - 1) / US_PER_MS));
}

static int
loop_turn(struct loop *loop)
{
	uint64_t tick = next_tick(loop);
	int count;

	count = wait_until(
	    loop, tick > NEVER / LOOP_TICK_US ? NEVER : tick * LOOP_TICK_US);
	if (count == -1 && errno != EINTR)
		return -errno;
	loop->now_us = clock_monotonic_us();
	loop->event_at = 0;
	loop->event_count = MAX_OF(count, 0);
	call_ready(loop);
	loop->event_at = loop->event_count = 0;
	call_expired(loop);
	if (loop->after != NULL)
		loop->after(loop->after_context, loop->now_us);
	return 0;
}

int
loop_run(struct loop *loop)
{
	int error;

	while (!loop->stopped)
		if ((error = loop_turn(loop)) != 0)
			return error;
	loop->stopped = false;
	return loop->result;
}
