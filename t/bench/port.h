/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port - one UDP port pair shared by several sessions; the SSRC and the
 * server's port tell which flow a packet belongs to.
 */
#ifndef BENCH_PORT_H
#define BENCH_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"

#define PORT_FLOWS_MAX 1024 /* a power of two */

struct port {
	int rtp, rtcp;
	uint16_t number; /* even */
	size_t flow_count;
	struct flow *flows[2 * PORT_FLOWS_MAX]; /* by SSRC, open addressing */
	struct flow *alone; /* takes any SSRC when it is the only one */
	uint64_t packets, bytes, strays; /* strays: no flow has that SSRC */
};

/* PORT is all zeros.  Ends the program when it cannot. */
void port_open(struct port *port, bool gro);
/* False: too many, or the SSRC is taken by one from the same port. */
bool port_add(struct port *port, struct flow *flow);
/* Take all that came; with COUNT_ONLY it is not looked at. */
void port_receive(struct port *port, bool count_only);
void port_drain_rtcp(struct port *port);
/* Datagrams that the socket's buffer had no room for. */
uint64_t port_drops(const struct port *port);

uint64_t clock_us(void);

#endif
