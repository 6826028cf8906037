/* SPDX-License-Identifier: BSD-2-Clause */
/* sink - takes what the bare sender sends, by the same means as a client. */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include <stdbool.h>
#include <stddef.h>

/* Prints its ports, then counts until standard input ends. */
int sink_udp(size_t ports, bool gro);
int sink_tcp(void);

#endif
