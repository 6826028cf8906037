/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_port - connect, read, closed: the load report for whoever may ask.
 *
 * Who may not is closed without a byte.  What a client sends is never looked
 * at.  At most LOAD_PORT_CLIENTS are held, each until it closes or
 * LOAD_PORT_LIMIT_US; one more takes the place of the oldest, who has been
 * answered long since.
 */
#ifndef AGENT_LOAD_PORT_H
#define AGENT_LOAD_PORT_H

#include "agent/agent.h"
#include "base/loop.h"

#define LOAD_PORT_CLIENTS 64
#define LOAD_PORT_LIMIT_US UINT64_C(2000000)

struct load_port; /* opaque */

/* LISTENER is taken, also on failure.  0 or -errno. */
int load_port_open(struct agent *agent, struct loop *loop, int listener,
    struct load_port **out);
void load_port_close(struct load_port *port); /* accepts NULL */

#endif
