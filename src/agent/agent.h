/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * agent - what the agent knows at the moment, and keeping it fresh.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/config.h"
#include "agent/host.h"
#include "agent/probe.h"
#include "agent/report.h"
#include "agent/sums.h"
#include "base/loop.h"

/* Looks at the table no more often, however often it is asked. */
#define AGENT_FRESH_US UINT64_C(50000)
#define AGENT_TICK_US UINT64_C(1000000)

struct agent {
	const struct config *config; /* borrowed, as the instance */
	const char *instance;
	struct loop *loop;
	char node[LOAD_NODE_MAX];
	char interface[IF_NAMESIZE]; /* "": none leads to the viewers */
	uint64_t capacity_bps;
	struct host host;
	bool found; /* sums are those of the last look */
	struct sums sums;
	struct pressure pressure;
	struct probe probe;
	struct load_report report;
	uint64_t looked_us; /* 0: not yet */
	struct loop_timer tick;
	void (*ticked)(void); /* after each tick; may be NULL */
};

/*
 * Node, link and capacity.  -EINVAL with ERROR set: there is no capacity, and
 * what to set.
 */
int agent_init(struct agent *agent, const struct config *config,
    const char *instance, char error[static SETTINGS_ERROR_MAX]);
void agent_start(struct agent *agent, struct loop *loop);
void agent_stop(struct agent *agent);
/* Looks again unless it has just looked. */
const struct load_report *agent_report(struct agent *agent);

#endif
