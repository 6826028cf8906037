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
#define ROW(name, type, field, text, ...) \
	{ name, type, offsetof(struct config, field), text, __VA_ARGS__ }
const struct settings_row config_rows[] = {
	ROW("services", SETTINGS_TEXT_LIST, services, "", 0, 0, NULL,
	    "Virtual services to weigh: \"tcp:VIP:PORT\", \"fwmark:N\"."),
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

int
config_load(const struct settings_source *source, struct config *out,
    char error[static SETTINGS_ERROR_MAX])
{
	struct config config;
	int result;

	memset(&config, 0, sizeof(config));
	result = settings_load(
	    config_rows, config_row_count, source, &config, error);
	if (result == 0)
		result = services_check(&config, source, error);
	if (result == 0)
		result = paths_check(&config, source, error);
	if (result == 0)
		*out = config;
	return result;
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

	if (text[0] == '\0' || text[0] == ':' || strlen(text) >= SOCK_TEXT_MAX)
		return false;
	if (has_port)
		return sock_address_parse(text, out) == 0;
	snprintf(with_port, sizeof(with_port), "%s%s%s:%u", open, text,
	    open[0] == '\0' ? "" : "]", (unsigned)config->agent_port);
	return sock_address_parse(with_port, out) == 0;
}
