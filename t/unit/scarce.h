/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scarce - memory that runs short when a test says so.  Programs that use it
 * are linked with short_ldflags (Makefile.am).
 */
#ifndef UNIT_SCARCE_H
#define UNIT_SCARCE_H

/* Of all threads the first GRANTED allocations succeed, then FAILING fail. */
void scarce_begin(unsigned granted, unsigned failing);
void scarce_end(void);

#endif
