/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http - /metrics and /status.json, by libmicrohttpd in the agent's loop.
 *
 * Who may not ask is closed without a byte; HTTP_CLIENTS at once, and
 * HTTP_CLIENTS_OF_ONE of one address, each HTTP_LIMIT_S at most.
 */
#ifndef AGENT_HTTP_H
#define AGENT_HTTP_H

#include "agent/agent.h"
#include "base/loop.h"

#define HTTP_CLIENTS 32U
#define HTTP_CLIENTS_OF_ONE 8U
#define HTTP_LIMIT_S 5U

struct http; /* opaque */

/* LISTENER is taken, also on failure.  0 or -errno. */
int http_open(
    struct agent *agent, struct loop *loop, int listener, struct http **out);
void http_close(struct http *http); /* accepts NULL */

#endif
