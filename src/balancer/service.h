/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service - a virtual service, its nodes, and the rounds that weigh them.
 *
 * A round: what the kernel's table says (service_take), what the agents say
 * (service_hear), what the law makes of it (service_weigh), and what is to be
 * written (service_changes, service_written).  No I/O but the log.
 *
 * A weight that is neither what was read before nor what we wrote is somebody
 * else's: it is left alone until it is what we wrote, or the server appears
 * anew; or, if weights are our OWN, written again.
 */
#ifndef BALANCER_SERVICE_H
#define BALANCER_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "balancer/ask.h"
#include "balancer/config.h"
#include "balancer/ipvs.h"
#include "balancer/rules.h"
#include "balancer/state.h"
#include "balancer/weight.h"

/* So often has a server not to answer RTSP before its node is down. */
#define SERVICE_RTSP_FAILURES 2

struct service_node {
	struct rules_server server; /* as it was read last */
	const struct config_node *configured; /* borrowed; NULL: nothing is */
	uint32_t written; /* what we wrote last; before that, what was read */
	bool foreign; /* its weight is somebody else's */
	unsigned rtsp_failures; /* one after the other */
	const char *trouble; /* why there is no report; NULL: there is one */
	struct load_report report; /* the last there was */
	uint32_t before; /* weight before the last round */
	int64_t tracked; /* weight in its track file; -1: none yet */
};

struct service {
	char name[RULES_NAME_MAX];
	char scheduler[RULES_WORD_MAX];
	bool found; /* it is in the table */
	struct weight_law law;
	/* Side by side, in the table's order; owned. */
	struct service_node *nodes;
	struct weight_node *weights;
	size_t count;
};

/* NAME is one of rules_name(). */
void service_begin(struct service *service, const char *name);
void service_end(struct service *service);
/*
 * CONFIG is another one.  Weights of others are ours again from the next round
 * on.
 */
void service_reload(struct service *service, const struct config *config);

/*
 * RULES as they are now.  FRESH: what newly appears did so just now, and is not
 * what was there when we came.  0 or -ENOMEM, then nothing has changed.
 */
int service_take(struct service *service, const struct rules *rules,
    const struct config *config, const struct state *state, bool fresh);
/* Where the agents of its nodes are, into the first COUNT of AGENTS. */
void service_agents(const struct service *service, const struct config *config,
    struct ask_agent *agents);
/* What they said; capacities are noted in STATE. */
void service_hear(struct service *service, const struct ask_agent *agents,
    struct state *state);
void service_weigh(
    struct service *service, const struct config *config, uint64_t now_us);

/* What a report means for the law. */
struct weight_report service_report(
    const struct load_report *report, bool rtsp_failed);

/*
 * What the table should have instead of what was read, into OUT, which has room
 * for COUNT.  Returns how many.
 */
size_t service_changes(const struct service *service, struct ipvs_change *out);
/* They have been written, or it was tried. */
void service_written(struct service *service);

#endif
