/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * waiter - lists of those who wait for one thing, each called once.
 *
 * Embedded in who waits; belongs to one thread; nothing is allocated.
 */
#ifndef BASE_WAITER_H
#define BASE_WAITER_H

#include <stdbool.h>
#include <stddef.h>

struct waiter { /* zero-initialised; not moved while it waits */
	struct waiter *next, **self; /* self: NULL when it does not wait */
	void (*ready)(struct waiter *waiter);
};

static inline bool
waiter_is_waiting(const struct waiter *waiter)
{
	return waiter->self != NULL;
}

/* WAITER may be NULL, or wait already: then it stays where it is. */
static inline void
waiter_add(struct waiter **list, struct waiter *waiter)
{
	if (waiter == NULL || waiter->self != NULL)
		return;
	waiter->next = *list;
	waiter->self = list;
	if (waiter->next != NULL)
		waiter->next->self = &waiter->next;
	*list = waiter;
}

static inline void
waiter_forget(struct waiter *waiter)
{
	if (waiter->self == NULL)
		return;
	*waiter->self = waiter->next;
	if (waiter->next != NULL)
		waiter->next->self = waiter->self;
	waiter->next = NULL;
	waiter->self = NULL;
}

/* Call those who wait now; who waits again meanwhile is called another time. */
static inline void
waiter_call_all(struct waiter **list)
{
	struct waiter *called = *list, *waiter;

	*list = NULL;
	if (called != NULL)
		called->self = &called;
	while ((waiter = called) != NULL) {
		waiter_forget(waiter);
		waiter->ready(waiter);
	}
}

#endif
