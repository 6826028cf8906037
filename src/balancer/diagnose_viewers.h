/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diagnose_viewers - what becomes of viewers' connections, as the director
 * sees: it gets what viewers send, never what they are sent, so who says no
 * more than his first word has had no answer.
 */
#ifndef BALANCER_DIAGNOSE_VIEWERS_H
#define BALANCER_DIAGNOSE_VIEWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/sock.h"

struct viewers { /* of a node; zeroes are none */
	size_t waiting; /* for an answer */
	size_t answered;
};

struct viewers_connection {
	union sock_address to, node;
	bool waiting;
};

#define VIEWERS_FILE "/proc/net/ip_vs_conn"

/* A line of that; false: it is none of TCP over IPv4. */
bool viewers_parse(const char *line, struct viewers_connection *out);

#endif
