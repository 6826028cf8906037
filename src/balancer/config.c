/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of settings, and what no row can check.
 */
#include "balancer/config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "balancer/rules.h"
#include "base/base.h"
#include "base/log.h"

#define MINUTE_US (60 * US_PER_SECOND)
#define HOUR_US (60 * MINUTE_US)

/* clang-format off */
#define NODE_ROW(name, type, field, text, ...) \
	{ name, type, offsetof(struct config_node, field), text, __VA_ARGS__ }
static const struct settings_row node_rows[] = {
	NODE_ROW("address", SETTINGS_TEXT, address, "", 0, 0, NULL,
	    "Address of the real server."),
	NODE_ROW("weight", SETTINGS_COUNT, weight, "0", 0, UINT16_MAX, NULL,
	    "Its part among nodes that have one; 0: by capacity."),
	NODE_ROW("agent", SETTINGS_TEXT, agent, "", 0, 0, NULL,
	    "Where its agent listens; empty: at the server's address."),
};
static const struct settings_groups node_groups = {
	.rows = node_rows,
	.count = ARRAY_LENGTH(node_rows),
	.size = sizeof(struct config_node),
	.offset = offsetof(struct config, nodes),
};

#define ROW(name, type, field, text, ...) \
	{ name, type, offsetof(struct config, field), text, __VA_ARGS__ }
const struct settings_row config_rows[] = {
	ROW("services", SETTINGS_TEXT_LIST, services, "", 0, 0, NULL,
	    "Virtual services to weigh: \"tcp:VIP:PORT\", \"fwmark:N\"."),
	ROW("nodes", SETTINGS_GROUPS, node_count, "", 0, CONFIG_NODES_MAX,
	    &node_groups,
	    "Nodes of which more is to be said than the table does."),
	ROW("interval", SETTINGS_TIME, interval_us, "1 s",
	    100 * US_PER_MS, MINUTE_US, NULL,
	    "How often agents are asked."),
	ROW("timeout", SETTINGS_TIME, timeout_us, "700 ms",
	    10 * US_PER_MS, MINUTE_US, NULL,
	    "An agent that answers later does not answer."),
	ROW("agent_port", SETTINGS_COUNT, agent_port, "3333",
	    1, UINT16_MAX, NULL,
	    "Port that agents listen on."),
	ROW("session", SETTINGS_TIME, session_us, "10 min",
	    US_PER_SECOND, 24 * HOUR_US, NULL,
	    "Mean length of a session: how slowly a fresh node is filled."),
	ROW("own", SETTINGS_BOOL, own, "false", 0, 0, NULL,
	    "Weights that somebody else sets are set again."),
	ROW("ipvsadm", SETTINGS_TEXT, ipvsadm, "/sbin/ipvsadm", 0, 0, NULL,
	    "The program that reads and writes the kernel's table."),
	ROW("state", SETTINGS_TEXT, state, "/var/lib/vodbalance/state",
	    0, 0, NULL,
	    "File that keeps the nodes' capacities; empty: none."),
	ROW("track_files", SETTINGS_TEXT, track_files, "", 0, 0, NULL,
	    "Folder for a file per node with its weight; empty: none."),
	ROW("user", SETTINGS_TEXT, user, "vodd", 0, 0, NULL,
	    "User that the balancer runs as when started by root."),
	ROW("diagnose_title", SETTINGS_TEXT, diagnose_title, "", 0, 0, NULL,
	    "Title that --diagnose plays for a moment; empty: none."),
	ROW("log_level", SETTINGS_CHOICE, log_level, "info", 0, 3,
	    log_level_names,
	    "The least important level that is logged."),
};
/* clang-format on */
const size_t config_row_count = ARRAY_LENGTH(config_rows);

static bool
is_named_before(const struct settings_list *services, unsigned which)
{
	for (unsigned i = 0; i < which; i++) {
		if (strcmp(services->text[i], services->text[which]) == 0)
			return true;
	}
	return false;
}

static int
services_check(struct config *config, const struct settings_source *source,
    char error[static SETTINGS_ERROR_MAX])
{
	char what[SETTINGS_ERROR_MAX], name[RULES_NAME_MAX];
	struct settings_list *services = &config->services;

	if (services->count == 1 && services->text[0][0] == '\0')
		services->count = 0;
	for (unsigned i = 0; i < services->count; i++) {
		bool good = rules_name(services->text[i], name);

		if (good)
			strcpy(services->text[i], name);
		if (good && !is_named_before(services, i))
			continue;
		snprintf(what, sizeof(what),
		    good ? "'%.100s' is named twice"
			 : "'%.100s' is no service, such as "
			   "\"tcp:192.0.2.100:554\", "
			   "\"tcp:[2001:db8::1]:554\" or \"fwmark:1\"",
		    services->text[i]);
		return settings_blame(source, "services", what, error);
	}
	return 0;
}

static int
paths_check(const struct config *config, const struct settings_source *source,
    char error[static SETTINGS_ERROR_MAX])
{
	const struct {
		const char *name, *text;
		bool optional;
	} paths[] = {
		{ "ipvsadm", config->ipvsadm, false },
		{ "state", config->state, true },
		{ "track_files", config->track_files, true },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
		if (paths[i].text[0] == '/' ||
		    (paths[i].text[0] == '\0' && paths[i].optional))
			continue;
		return settings_blame(source, paths[i].name,
		    "is to be a path that begins with /", error);
	}
	return 0;
}

static bool
has_port(const char *address)
{
	const char *colon = strchr(address, ':');

	return address[0] == '[' ||
	       (colon != NULL && colon == strrchr(address, ':'));
}

/* NULL, or what is wrong with the node that is the number WHICH. */
static const char *
node_derive(struct config *config, uint64_t which)
{
	struct config_node *node = &config->nodes[which];

	if (has_port(node->address) ||
	    !config_agent_address(config, node->address, &node->host))
		return "address is to be numeric, without a port";
	config->node_count = which; /* those before it */
	if (config_node_find(config, &node->host) != NULL)
		return "its address is named twice";
	if (node->agent[0] != '\0' &&
	    !config_agent_address(config, node->agent, &node->agent_address))
		return "agent is to be a numeric address, with or without a "
		       "port";
	return NULL;
}

static int
nodes_check(struct config *config, const struct settings_source *source,
    char error[static SETTINGS_ERROR_MAX])
{
	uint64_t count = config->node_count;
	char what[SETTINGS_ERROR_MAX];

	for (uint64_t i = 0; i < count; i++) {
		const char *wrong = node_derive(config, i);

		if (wrong == NULL)
			continue;
		snprintf(what, sizeof(what), "the group with '%.100s': %s",
		    config->nodes[i].address, wrong);
		return settings_blame(source, "nodes", what, error);
	}
	config->node_count = count;
	return 0;
}

int
config_load(const struct settings_source *source, struct config *out,
    char error[static SETTINGS_ERROR_MAX])
{
	int result;

	memset(out, 0, sizeof(*out));
	result =
	    settings_load(config_rows, config_row_count, source, out, error);
	if (result == 0)
		result = services_check(out, source, error);
	if (result == 0)
		result = paths_check(out, source, error);
	if (result == 0)
		result = nodes_check(out, source, error);
	return result;
}

const struct config_node *
config_node_find(const struct config *config, const union sock_address *host)
{
	for (uint64_t i = 0; i < config->node_count; i++) {
		if (sock_address_same_host(&config->nodes[i].host, host))
			return &config->nodes[i];
	}
	return NULL;
}

union sock_address
config_agent_of(const struct config *config, const struct config_node *node,
    const union sock_address *host)
{
	union sock_address address = *host;

	if (node != NULL && node->agent_address.family != 0)
		return node->agent_address;
	sock_address_set_port(&address, (uint16_t)config->agent_port);
	return address;
}

bool
config_agent_address(
    const struct config *config, const char *text, union sock_address *out)
{
	bool is_ipv6 = strchr(text, ':') != strrchr(text, ':');
	bool has_port =
	    is_ipv6 ? strstr(text, "]:") != NULL : strchr(text, ':') != NULL;
	const char *open = is_ipv6 && text[0] != '[' ? "[" : "";
	char with_port[2 * SOCK_TEXT_MAX];

	if (text[0] == '\0' || (text[0] == ':' && !is_ipv6) ||
	    strlen(text) >= SOCK_TEXT_MAX)
		return false;
	if (has_port)
		return sock_address_parse(text, out) == 0;
	snprintf(with_port, sizeof(with_port), "%s%s%s:%u", open, text,
	    open[0] == '\0' ? "" : "]", (unsigned)config->agent_port);
	return sock_address_parse(with_port, out) == 0;
}
