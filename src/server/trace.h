/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace - where a worker stands that gives no sign of life, for the log, before
 * it is killed.
 *
 * The master asks /proc about all threads, and the worker's first thread by a
 * signal.  That answers over the channel with bare addresses, one a message:
 * the master, of which the worker is a fork, knows what stands there.
 */
#ifndef SERVER_TRACE_H
#define SERVER_TRACE_H

#include <stdint.h>
#include <sys/types.h>

#include "server/fdstore.h"

/*
 * In a worker, before its sandbox: answer the signal over *CHANNEL, which is
 * borrowed for good.
 */
void trace_answer(const int *channel);

/* In the master: log what is known at once, and ask. */
void trace_ask(uint32_t lane, pid_t pid);
/* What comes as an answer is logged here. */
void trace_log(uint32_t lane, pid_t pid, const struct fdstore_message *message);

#endif
