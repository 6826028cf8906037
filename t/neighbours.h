/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neighbours - two viewers of a good title, one by UDP, one by TCP, who get
 * every packet at its time, whatever befalls other titles of their server.
 */
#ifndef T_NEIGHBOURS_H
#define T_NEIGHBOURS_H

#include "served.h"

/* They watch TITLE; returns when they are served at the pace. */
void neighbours_begin(struct served *served, const char *title);
/* All that comes to them, and to ALSO (NULL: nobody), within DURATION_MS. */
void neighbours_pass(struct viewer *also, unsigned duration_ms);
/* Until nothing comes to ALSO any more. */
void neighbours_pass_until_silent(struct viewer *also);
/* Until READY says so; fails when that takes too long. */
void neighbours_pass_until(bool (*ready)(void *context), void *context);
/*
 * Since the last time all packets came, in order, and none of them late by more
 * than GAP_MS, which an adoption may take; 0: none at all.  Prints what was
 * measured, as WHAT.
 */
void neighbours_expect_punctual(const char *what, unsigned gap_ms);
void neighbours_end(void);

#endif
