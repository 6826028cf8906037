/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hiccups - how late this machine lets somebody run who only waits for the
 * time: what it does to him, it may do to a server too, and that is no fault of
 * the server's.
 */
#ifndef T_HICCUPS_H
#define T_HICCUPS_H

#include <stdint.h>

/* Watches in a thread, from _begin() to _end(). */
void hiccups_begin(void);
/* How late the machine itself made what happened at AT_US (monotonic), at most;
 * 0: it did not. */
uint64_t hiccups_at_us(uint64_t at_us);
/* The longest since _begin(). */
uint64_t hiccups_worst_us(void);
void hiccups_end(void);

#endif
