/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the kernel's table of connections.  Counts nothing.
 */
#include "balancer/diagnose_viewers.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static union sock_address
address_make(unsigned host, unsigned port)
{
	union sock_address address = { .in4.sin_family = AF_INET };

	address.in4.sin_addr.s_addr = htonl(host);
	address.in4.sin_port = htons((uint16_t)port);
	return address;
}

bool
viewers_parse(const char *line, struct viewers_connection *out)
{
	unsigned to, to_port, node, node_port;
	char state[16];

	if (sscanf(line, "TCP %*8[0-9A-F] %*4[0-9A-F] %8x %4x %8x %4x %15s ",
		&to, &to_port, &node, &node_port, state) != 5)
		return false;
	out->to = address_make(to, to_port);
	out->node = address_make(node, node_port);
	out->waiting = strcmp(state, "SYN_RECV") == 0;
	return true;
}
