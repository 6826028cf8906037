/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host - what the machine says of itself: its link, its load, and whether it is
 * set up to be a node behind direct routing.
 *
 * ROOT stands before /proc and /sys: "" but in tests.
 */
#ifndef AGENT_HOST_H
#define AGENT_HOST_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/settings.h"

struct host {
	uint64_t load1_percent;
	/* Of "all" and of INTERFACE the larger counts, as in the kernel. */
	uint64_t arp_ignore, arp_announce;
	bool vip_on_lo;
};

/* The default route's with the least metric; -ENOENT: there is none. */
int host_route_interface(const char *root, char out[static IF_NAMESIZE]);
/* -ENODATA: the link has no speed, as virtual ones do. */
int host_link_bps(const char *root, const char *interface, uint64_t *out);
/*
 * INTERFACE may be "".  VIPS: all of them must be on lo; if there are none, any
 * address that is not loopback's own.  What cannot be read is 0.
 */
void host_read(const char *root, const char *interface,
    const struct settings_list *vips, struct host *out);

#endif
