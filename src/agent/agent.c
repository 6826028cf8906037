/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks when asked, and once a second in any case: pressure is of the last
 * seconds, and a state that changes is logged when it does.
 */
#include "agent/agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define NO_ROOT "" /* /proc and /sys are where they are */

static void
node_name(const struct config *config, char out[static LOAD_NODE_MAX])
{
	char name[256] = "";

	if (config->node[0] != '\0')
		snprintf(out, LOAD_NODE_MAX, "%.63s", config->node);
	else if (gethostname(name, sizeof(name) - 1) == 0)
		snprintf(out, LOAD_NODE_MAX, "%.63s", name);
	else
		snprintf(out, LOAD_NODE_MAX, "unknown");
}

/* The link's speed may change (a cable, a bond); an unknown one does not. */
static void
capacity_follow(struct agent *agent)
{
	uint64_t bps;

	if (agent->config->capacity_bps != 0 ||
	    host_link_bps(NO_ROOT, agent->interface, &bps) != 0 ||
	    bps == agent->capacity_bps)
		return;
	log_info("agent",
	    "the link's speed has changed interface=%s "
	    "capacity_bps=%ju",
	    agent->interface, (uintmax_t)bps);
	agent->capacity_bps = bps;
}

int
agent_init(struct agent *agent, const struct config *config,
    const char *instance, char error[static SETTINGS_ERROR_MAX])
{
	memset(agent, 0, sizeof(*agent));
	agent->config = config;
	agent->instance = instance;
	node_name(config, agent->node);
	if (config->interface[0] != '\0')
		snprintf(agent->interface, sizeof(agent->interface), "%.15s",
		    config->interface);
	else
		(void)host_route_interface(NO_ROOT, agent->interface);
	agent->capacity_bps = config->capacity_bps;
	if (agent->capacity_bps != 0)
		return 0;
	if (agent->interface[0] == '\0')
		snprintf(error, SETTINGS_ERROR_MAX,
		    "capacity: no default route leads to the viewers; set "
		    "interface, or capacity to the bit rate that this node "
		    "can serve, such as \"1 Gbit/s\"");
	else if (host_link_bps(
		     NO_ROOT, agent->interface, &agent->capacity_bps) != 0)
		snprintf(error, SETTINGS_ERROR_MAX,
		    "capacity: the link %s does not say its speed; set "
		    "capacity to the bit rate that this node can serve, such "
		    "as \"1 Gbit/s\"",
		    agent->interface);
	else
		return 0;
	return -EINVAL;
}

static void
change_log(const struct load_report *report)
{
	if (report->state == LOAD_DOWN)
		log_warning("agent", "down: %s", report->reason);
	else
		log_info("agent", "%s", load_state_name(report->state));
}

static void
look(struct agent *agent)
{
	struct load_report before = agent->report;
	bool first = agent->looked_us == 0;
	int error;

	agent->looked_us = clock_monotonic_us();
	error = sums_take(agent->instance, agent->looked_us, &agent->sums);
	agent->found = error == 0;
	pressure_update(&agent->pressure, agent->found ? &agent->sums : NULL);
	report_make(
	    &(struct report_input){
		.sums = agent->found ? &agent->sums : NULL,
		.error = error,
		.host = &agent->host,
		.node = agent->node,
		.capacity_bps = agent->capacity_bps,
		.heartbeat_limit_us = agent->config->heartbeat_limit_us,
		.pressure = agent->pressure.ratio,
		.rtsp_ok = agent->probe.ok,
		.say_up = agent->config->say_up,
	    },
	    &agent->report);
	if (first || agent->report.state != before.state ||
	    strcmp(agent->report.reason, before.reason) != 0)
		change_log(&agent->report);
}

const struct load_report *
agent_report(struct agent *agent)
{
	if (clock_monotonic_us() - agent->looked_us >= AGENT_FRESH_US)
		look(agent);
	return &agent->report;
}

static void
tick(void *context, uint64_t now_us)
{
	struct agent *agent = context;

	host_read(NO_ROOT, agent->interface, &agent->config->vip, &agent->host);
	capacity_follow(agent);
	(void)agent_report(agent);
	log_flush();
	if (agent->ticked != NULL)
		agent->ticked();
	loop_timer_set(
	    agent->loop, &agent->tick, now_us + AGENT_TICK_US, tick, agent);
}

void
agent_start(struct agent *agent, struct loop *loop)
{
	agent->loop = loop;
	probe_start(&agent->probe, loop, &agent->config->rtsp_address,
	    agent->config->rtsp_timeout_us);
	tick(agent, clock_monotonic_us());
}

void
agent_stop(struct agent *agent)
{
	probe_stop(&agent->probe);
	loop_timer_clear(agent->loop, &agent->tick);
}
