/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe - asks the node's own server OPTIONS, again and again.
 *
 * One connection at a time, in the loop; a question begins every
 * PROBE_INTERVAL_US, or when the one before has ended.
 */
#ifndef AGENT_PROBE_H
#define AGENT_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/sock.h"

#define PROBE_INTERVAL_US UINT64_C(1000000)
#define PROBE_REPLY_MAX 2048

struct probe {
	struct loop *loop; /* borrowed, as the address */
	const union sock_address *address;
	uint64_t timeout_us;
	bool ok; /* the last question that ended was answered, with 200 */
	int fd; /* -1: none is on its way */
	bool asked;
	struct loop_watch watch;
	struct loop_timer timer; /* of the next question, or of giving up */
	uint64_t next_us;
	char reply[PROBE_REPLY_MAX];
	size_t size;
};

void probe_start(struct probe *probe, struct loop *loop,
    const union sock_address *address, uint64_t timeout_us);
void probe_stop(struct probe *probe);

#endif
