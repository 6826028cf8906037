/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * So far what a node's agent can say.  A step is a row: what is looked at, and
 * what is to be done when it is wrong.
 */
#include "balancer/diagnose.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/ask.h"
#include "balancer/ipvs.h"
#include "base/base.h"

static bool
serves(const struct load_report *report)
{
	return report->state != LOAD_DOWN;
}

static bool
answers_rtsp(const struct load_report *report)
{
	return report->rtsp_ok != 0;
}

static bool
has_vip(const struct load_report *report)
{
	return report->vip_on_lo != 0;
}

static bool
keeps_still(const struct load_report *report)
{
	return report->arp_ignore != 0;
}

static bool
announces_itself(const struct load_report *report)
{
	return report->arp_announce == 2;
}

/* clang-format off */
static const struct step {
	bool (*is_right)(const struct load_report *report);
	const char *right, *wrong;
} steps[] = {
	{ serves, "vodd runs",
	    "vodd does not serve; see its log on the node" },
	{ answers_rtsp, "vodd answers RTSP",
	    "vodd does not answer RTSP; is vodagent's setting rtsp right?" },
	{ has_vip, "the virtual address is on lo",
	    "the virtual address is not on lo; setup-realserver" },
	{ keeps_still, "it answers no ARP for the virtual address",
	    "it answers ARP for the virtual address: arp_ignore is 0; "
	    "setup-realserver" },
	{ announces_itself, "it asks ARP from its own address",
	    "it asks ARP from the virtual address: arp_announce is not 2; "
	    "setup-realserver" },
};
/* clang-format on */

static bool
print(const char *node, bool right, const char *what)
{
	printf("%-5s  %s: %s\n", right ? "ok" : "WRONG", node, what);
	return right;
}

/* Returns how many steps are wrong. */
static size_t
look(const struct ask_agent *agent)
{
	char node[SOCK_TEXT_MAX];
	size_t wrong = 0;

	sock_address_text(&agent->address, true, node);
	if (agent->trouble != NULL) {
		print(node, false, agent->trouble);
		return 1;
	}
	print(node, true, "its agent answers");
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
		bool right = steps[i].is_right(&agent->report);

		wrong += !print(
		    node, right, right ? steps[i].right : steps[i].wrong);
	}
	return wrong;
}

/* --- which nodes -----------------------------------------------------------
 */
struct nodes {
	struct ask_agent *agents; /* owned */
	size_t count;
};

static int
nodes_of_service(const struct config *config,
    const struct rules_service *service, struct nodes *nodes)
{
	size_t count = nodes->count + service->count;
	struct ask_agent *agents =
	    reallocarray(nodes->agents, count + 1, sizeof(*agents));

	if (agents == NULL)
		return -ENOMEM;
	nodes->agents = agents;
	for (size_t i = 0; i < service->count; i++) {
		const union sock_address *host = &service->servers[i].address;

		agents[nodes->count++].address = config_agent_of(
		    config, config_node_find(config, host), host);
	}
	return 0;
}

static int
nodes_of_table(const struct config *config, struct nodes *nodes)
{
	char error[SETTINGS_ERROR_MAX] = "";
	struct rules rules;
	struct ipvs ipvs;
	int result = ipvs_open(&ipvs, config->ipvsadm);

	if (result == 0)
		result = ipvs_read(&ipvs, &rules, error);
	ipvs_close(&ipvs);
	if (result != 0) {
		print("director", false,
		    error[0] == '\0' ? strerror(-result) : error);
		return result;
	}
	for (unsigned i = 0; i < config->services.count && result == 0; i++) {
		const char *name = config->services.text[i];
		const struct rules_service *service = rules_find(&rules, name);

		if (service != NULL)
			result = nodes_of_service(config, service, nodes);
		else if (!print(name, false,
			     "there is no such service; "
			     "setup-director"))
			result = -ENOENT;
	}
	rules_free(&rules);
	return result;
}

static int
nodes_find(const struct config *config, const char *node, struct nodes *nodes)
{
	if (node == NULL)
		return nodes_of_table(config, nodes);
	if ((nodes->agents = calloc(1, sizeof(*nodes->agents))) == NULL)
		return -ENOMEM;
	nodes->count = 1;
	if (config_agent_address(config, node, &nodes->agents->address))
		return 0;
	print(node, false, "is no numeric address");
	return -EINVAL;
}

static void
asked(void *context)
{
	loop_stop(context, 0);
}

int
diagnose_run(const struct config *config, const char *node)
{
	struct nodes nodes = { .count = 0 };
	struct loop *loop = NULL;
	struct ask ask = { .count = 0 };
	size_t wrong = 1;
	int result = nodes_find(config, node, &nodes);

	if (result == 0 && (result = loop_new(&loop)) == 0) {
		ask_start(&ask, loop, nodes.agents, nodes.count,
		    config->timeout_us, asked, loop);
		result = loop_run(loop);
		ask_stop(&ask);
	}
	loop_free(loop);
	if (result == 0) {
		wrong = 0;
		for (size_t i = 0; i < nodes.count; i++)
			wrong += look(&nodes.agents[i]);
	}
	free(nodes.agents);
	return wrong == 0 ? 0 : 1;
}
