/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a service from round to round.  Which weight a node should
 * have is the law's business; here is whose weight it is, and what is told.
 */
#include "balancer/service.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* As long as no capacity is known; only parts of it matter then. */
#define UNKNOWN_UNIT_BPS 1e6

void
service_begin(struct service *service, const char *name)
{
	assert(strlen(name) < sizeof(service->name));
	*service = (struct service){ .count = 0 };
	strcpy(service->name, name);
}

void
service_end(struct service *service)
{
	free(service->nodes);
	free(service->weights);
	service->nodes = NULL;
	service->weights = NULL;
	service->count = 0;
}

void
service_reload(struct service *service, const struct config *config)
{
	for (size_t i = 0; i < service->count; i++) {
		struct service_node *node = &service->nodes[i];

		node->configured =
		    config_node_find(config, &node->server.address);
		if (!node->foreign)
			continue; /* and what we wrote is not read yet */
		node->foreign = false;
		node->written = node->server.weight;
		service->weights[i].held = false;
	}
}

/* --- what the table says ---------------------------------------------------
 */

/* The order of a table seldom changes: begin where it should be. */
static size_t
node_find(const struct service *service, const char *name, size_t near)
{
	for (size_t i = 0; i < service->count; i++) {
		size_t at = (near + i) % service->count;

		if (strcmp(service->nodes[at].server.name, name) == 0)
			return at;
	}
	return service->count;
}

static void
node_appear(struct service_node *node, struct weight_node *weight,
    const struct rules_server *server, const struct config *config,
    const struct state *state, bool fresh)
{
	*node = (struct service_node){
		.server = *server,
		.configured = config_node_find(config, &server->address),
		.written = server->weight,
		.before = server->weight,
		.tracked = -1,
		.trouble = "not asked yet",
	};
	weight_node_begin(weight, 0, state_capacity(state, &server->address),
	    server->weight, fresh);
}

/* READ: as it stands in the table now. */
static void
foreign_check(const struct service *service, struct service_node *node,
    const struct rules_server *read, bool own)
{
	if (read->weight == node->written) {
		if (node->foreign)
			log_info("weight",
			    "is ours again service=%s node=%s weight=%u",
			    service->name, read->name, read->weight);
		node->foreign = false;
		return;
	}
	if (read->weight == node->server.weight)
		return; /* not written yet, or already known */
	log_warning("weight",
	    "somebody else set it, %s service=%s node=%s "
	    "ours=%u theirs=%u",
	    own ? "it is set again" : "it is left alone", service->name,
	    read->name, node->written, read->weight);
	node->foreign = !own;
}

static void
node_stay(const struct service *service, struct service_node *node,
    struct weight_node *weight, const struct rules_server *server, bool own)
{
	foreign_check(service, node, server, own);
	node->server = *server;
	weight->held = node->foreign;
	if (node->foreign)
		weight->weight = server->weight;
}

static void
gone_tell(const struct service *service, const bool *stays)
{
	for (size_t i = 0; i < service->count; i++) {
		if (!stays[i])
			log_info("service", "node is gone service=%s node=%s",
			    service->name, service->nodes[i].server.name);
	}
}

static void
found_tell(struct service *service, const struct rules_service *found)
{
	if (found != NULL && (!service->found || strcmp(service->scheduler,
						     found->scheduler) != 0)) {
		log_info("service", "found service=%s scheduler=%s nodes=%zu",
		    service->name, found->scheduler, found->count);
		if (strcmp(found->scheduler, "wlc") != 0)
			log_warning("service",
			    "weights are made for the scheduler wlc "
			    "service=%s scheduler=%s",
			    service->name, found->scheduler);
		if (found->persistent)
			log_warning("service",
			    "persistence overrides weights service=%s",
			    service->name);
		strcpy(service->scheduler, found->scheduler);
	}
	if (found == NULL && service->found)
		log_warning("service", "is gone service=%s", service->name);
	service->found = found != NULL;
}

static void
nodes_move(struct service *service, const struct rules_service *found,
    const struct config *config, const struct state *state, bool fresh,
    struct service *next, bool *stays)
{
	for (size_t i = 0; i < next->count; i++) {
		const struct rules_server *server = &found->servers[i];
		size_t at = node_find(service, server->name, i);

		if (at < service->count && !stays[at]) {
			stays[at] = true;
			next->nodes[i] = service->nodes[at];
			next->weights[i] = service->weights[at];
			node_stay(service, &next->nodes[i], &next->weights[i],
			    server, config->own);
			continue;
		}
		node_appear(&next->nodes[i], &next->weights[i], server, config,
		    state, fresh);
		if (fresh)
			log_info("service",
			    "node appears service=%s node=%s weight=%u",
			    service->name, server->name, server->weight);
	}
}

int
service_take(struct service *service, const struct rules *rules,
    const struct config *config, const struct state *state, bool fresh)
{
	const struct rules_service *found = rules_find(rules, service->name);
	struct service next = *service;
	bool *stays;

	next.count = found == NULL ? 0 : found->count;
	next.nodes = calloc(next.count + 1, sizeof(*next.nodes));
	next.weights = calloc(next.count + 1, sizeof(*next.weights));
	stays = calloc(service->count + 1, sizeof(*stays));
	if (next.nodes == NULL || next.weights == NULL || stays == NULL) {
		service_end(&next);
		free(stays);
		return -ENOMEM;
	}
	nodes_move(service, found, config, state, fresh, &next, stays);
	gone_tell(service, stays);
	free(stays);
	service_end(service);
	*service = next;
	found_tell(service, found);
	return 0;
}

/* --- what the agents say ---------------------------------------------------
 */
void
service_agents(const struct service *service, const struct config *config,
    struct ask_agent *agents)
{
	for (size_t i = 0; i < service->count; i++) {
		const struct service_node *node = &service->nodes[i];

		agents[i].address = config_agent_of(
		    config, node->configured, &node->server.address);
	}
}

static void
trouble_tell(const struct service *service, const struct service_node *node,
    const char *trouble)
{
	if (trouble == node->trouble)
		return;
	if (trouble != NULL)
		log_warning("agent", "%s service=%s node=%s", trouble,
		    service->name, node->server.name);
	else
		log_info("agent", "answers service=%s node=%s", service->name,
		    node->server.name);
}

/* An agent that has just begun has not asked its server yet. */
static bool
rtsp_fails(struct service_node *node)
{
	if (node->report.rtsp_ok != 0)
		node->rtsp_failures = 0;
	else if (node->rtsp_failures < SERVICE_RTSP_FAILURES)
		node->rtsp_failures++;
	return node->rtsp_failures == SERVICE_RTSP_FAILURES;
}

struct weight_report
service_report(const struct load_report *report, bool rtsp_failed)
{
	static const enum weight_answer answers[LOAD_STATE_COUNT] = {
		[LOAD_READY] = WEIGHT_READY,
		[LOAD_DRAIN] = WEIGHT_DRAIN,
		[LOAD_DOWN] = WEIGHT_DOWN,
	};
	bool fails = rtsp_failed && report->state == LOAD_READY;

	return (struct weight_report){
		.answer = fails ? WEIGHT_DOWN : answers[report->state],
		.capacity_bps = report->capacity_bps,
		.committed_bps = report->committed_bps,
		.sessions = report->sessions,
		.pressure = (double)report->pressure_percent / 100,
	};
}

void
service_hear(struct service *service, const struct ask_agent *agents,
    struct state *state)
{
	for (size_t i = 0; i < service->count; i++) {
		struct service_node *node = &service->nodes[i];
		struct weight_node *weight = &service->weights[i];

		trouble_tell(service, node, agents[i].trouble);
		node->trouble = agents[i].trouble;
		if (node->trouble != NULL) {
			weight->report.answer = WEIGHT_SILENT;
			continue;
		}
		node->report = agents[i].report;
		weight->report =
		    service_report(&node->report, rtsp_fails(node));
		if (weight->report.answer == WEIGHT_READY &&
		    node->report.capacity_bps != weight->capacity_bps)
			state_note(state, &node->server.address,
			    node->report.capacity_bps);
	}
}

/* --- weights ---------------------------------------------------------------
 */

/* Capacity for each 1 of its configured weight; 0: one of them is not known. */
static double
ratio(const struct service *service, size_t which)
{
	const struct config_node *configured = service->nodes[which].configured;

	if (configured == NULL || configured->weight == 0)
		return 0;
	return (double)service->weights[which].capacity_bps /
	       (double)configured->weight;
}

/* The median of these ratios: one node that lies does not move it far. */
static double
weight_unit_bps(const struct service *service)
{
	size_t known = 0;

	for (size_t i = 0; i < service->count; i++)
		known += ratio(service, i) > 0;
	for (size_t i = 0; i < service->count; i++) {
		double one = ratio(service, i);
		size_t below = 0, not_above = 0;

		if (one <= 0)
			continue;
		for (size_t j = 0; j < service->count; j++) {
			double other = ratio(service, j);

			below += other > 0 && other < one;
			not_above += other > 0 && other <= one;
		}
		if (below <= (known - 1) / 2 && not_above > (known - 1) / 2)
			return one;
	}
	return UNKNOWN_UNIT_BPS;
}

/* Weights as they are written are parts; the law compares bit rates. */
static void
configure(struct service *service, const struct config *config)
{
	double unit_bps =
	    config->node_count == 0 ? 0 : weight_unit_bps(service);

	for (size_t i = 0; i < service->count; i++) {
		const struct config_node *configured =
		    service->nodes[i].configured;

		service->weights[i].configured_bps =
		    configured == NULL
			? 0
			: (uint64_t)(unit_bps * (double)configured->weight);
	}
}

void
service_weigh(
    struct service *service, const struct config *config, uint64_t now_us)
{
	struct weight_law *law = &service->law;

	law->interval_us = config->interval_us;
	law->session_us = config->session_us;
	for (size_t i = 0; i < service->count; i++)
		service->nodes[i].before = service->weights[i].weight;
	if (service->count == 0)
		return;
	configure(service, config);
	(void)weight_round(law, service->weights, service->count, now_us);
	for (size_t i = 0; i < service->count; i++) {
		const struct service_node *node = &service->nodes[i];
		const struct weight_node *weight = &service->weights[i];

		if (weight->weight != node->before)
			log_info("weight",
			    "set service=%s node=%s old=%u new=%u cause=\"%s\"",
			    service->name, node->server.name, node->before,
			    weight->weight, weight_cause_name(weight->cause));
	}
}

size_t
service_changes(const struct service *service, struct ipvs_change *out)
{
	size_t count = 0;

	for (size_t i = 0; i < service->count; i++) {
		const struct service_node *node = &service->nodes[i];
		uint32_t weight = service->weights[i].weight;

		if (node->foreign || weight == node->server.weight)
			continue;
		out[count++] = (struct ipvs_change){
			.service = service->name,
			.server = node->server,
			.weight = weight,
		};
	}
	return count;
}

void
service_written(struct service *service)
{
	for (size_t i = 0; i < service->count; i++) {
		if (!service->nodes[i].foreign)
			service->nodes[i].written = service->weights[i].weight;
	}
}
