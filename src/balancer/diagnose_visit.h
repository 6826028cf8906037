/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diagnose_visit - a short visit to a node's RTSP server, by its own address as
 * anybody may, or by the virtual address as a viewer whom the director hands
 * on.
 */
#ifndef BALANCER_DIAGNOSE_VISIT_H
#define BALANCER_DIAGNOSE_VISIT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "balancer/diagnose_segment.h"
#include "base/sock.h"

#define VISIT_CONTROL_MAX 80 /* with NUL */

struct visit { /* zeroes are none */
	const char *trouble; /* why OPTIONS got no 200; NULL: it did */
	bool connected;
	bool refused; /* nobody listens; the address is there, though */
	/* Of DESCRIBE, SETUP and PLAY the last; 0: nothing came of them. */
	unsigned status;
	char control[VISIT_CONTROL_MAX]; /* of the title's first stream */
	uint16_t server_port; /* 0: SETUP was not answered with 200 */
	uint32_t timeout_s; /* of the session; 0: it was not said */
	bool played; /* PLAY was answered with 200 */
	bool media; /* and some came, from: */
	struct in_addr media_from;
	uint16_t media_from_port;
};

/* OPTIONS; and of TITLE, unless it is "", DESCRIBE, SETUP and TEARDOWN. */
void visit_node(struct visit *visit, const union sock_address *node,
    const char *title, uint64_t limit_us);

/*
 * OPTIONS; and, unless CONTROL is "", SETUP of that stream, PLAY until media
 * comes, and TEARDOWN.  LIMIT_US is for each answer.
 */
#define VISIT_MEDIA_US UINT64_C(2000000)
void visit_vip(struct visit *visit, const struct segment *segment,
    const struct ether_addr *node, const union sock_address *vip,
    const char *title, const char *control, uint64_t limit_us);

#endif
