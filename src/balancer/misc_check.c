/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The law with one node, no memory, and weights that fit an exit status.
 */
#include "balancer/misc_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "balancer/ask.h"
#include "balancer/service.h"
#include "balancer/state.h"
#include "base/base.h"

int
misc_check_status(const struct weight_report *report, uint64_t largest_bps)
{
	struct weight_law law = { .interval_us = US_PER_SECOND,
		.session_us = US_PER_SECOND };
	struct weight_node node;
	double part;

	weight_node_begin(&node, 0, 0, WEIGHT_FULL, false);
	node.report = *report;
	(void)weight_round(&law, &node, 1, 0);
	switch (node.report.answer) {
	case WEIGHT_SILENT:
		return MISC_CHECK_KEEP;
	case WEIGHT_DOWN:
		return MISC_CHECK_DOWN;
	case WEIGHT_DRAIN:
		return MISC_CHECK_WEIGHT;
	case WEIGHT_READY:
		break;
	}
	part = (double)report->capacity_bps * node.relief /
	       (double)MAX_OF(largest_bps, report->capacity_bps);
	return MISC_CHECK_WEIGHT +
	       (int)MAX_OF(lround(part * MISC_CHECK_WEIGHT_MAX), 1);
}

static uint64_t
largest_known(const struct config *config)
{
	struct state state = { .count = 0 };
	char error[SETTINGS_ERROR_MAX];
	uint64_t largest_bps;

	if (config->state[0] != '\0')
		(void)state_read(config->state, &state, error);
	largest_bps = state_largest(&state);
	state_free(&state);
	return largest_bps;
}

int
misc_check_run(const struct config *config, const char *node)
{
	struct ask_agent agent = { .connected = false };
	struct weight_report report;
	int error;

	if (!config_agent_address(config, node, &agent.address)) {
		fprintf(stderr, "vodbalance: %s is no numeric address\n", node);
		return MISC_CHECK_KEEP;
	}
	error = ask_one(&agent, config->timeout_us);
	if (error != 0)
		fprintf(stderr, "vodbalance: %s\n", strerror(-error));
	else if (agent.trouble != NULL)
		fprintf(stderr, "vodbalance: %s: %s\n", node, agent.trouble);
	if (error != 0)
		return MISC_CHECK_KEEP;
	if (agent.trouble != NULL)
		return agent.connected ? MISC_CHECK_KEEP : MISC_CHECK_DOWN;
	report = service_report(&agent.report, agent.report.rtsp_ok == 0);
	return misc_check_status(&report, largest_known(config));
}
