/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of settings, and what no row can check.  What the machine adds (the
 * link's speed) is not looked at here.
 */
#include "agent/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/log.h"

#define TBIT UINT64_C(1000000000000)
#define MINUTE_US (60 * US_PER_SECOND)

/* clang-format off */
#define ROW(name, type, field, text, ...) \
	{ name, type, offsetof(struct config, field), text, __VA_ARGS__ }
const struct settings_row config_rows[] = {
	ROW("listen", SETTINGS_TEXT, listen, ":3333", 0, 0, NULL,
	    "Address and TCP port that answers how loaded the node is."),
	ROW("http", SETTINGS_TEXT, http, ":9554", 0, 0, NULL,
	    "Address and port of /metrics and /status.json; empty: none."),
	ROW("allow", SETTINGS_TEXT_LIST, allow, "private", 0, 0, NULL,
	    "Who may ask: \"private\", \"any\", addresses and networks."),
	ROW("say_up", SETTINGS_BOOL, say_up, "false", 0, 0, NULL,
	    "Ready is \"up\" too, for HAProxy: it takes back who was down."),
	ROW("node", SETTINGS_TEXT, node, "", 0, 0, NULL,
	    "Name of the node; empty: the machine's."),
	ROW("capacity", SETTINGS_RATE, capacity_bps, "0", 0, 100 * TBIT, NULL,
	    "Bit rate that the node can serve; 0: the speed of its link."),
	ROW("interface", SETTINGS_TEXT, interface, "", 0, 0, NULL,
	    "Link that leads to the viewers; empty: the default route's."),
	ROW("vip", SETTINGS_TEXT_LIST, vip, "", 0, 0, NULL,
	    "Virtual addresses expected on lo; empty: any."),
	ROW("rtsp", SETTINGS_TEXT, rtsp, "127.0.0.1:554", 0, 0, NULL,
	    "Where the node's own server answers RTSP."),
	ROW("rtsp_timeout", SETTINGS_TIME, rtsp_timeout_us, "1 s",
	    10 * US_PER_MS, MINUTE_US, NULL,
	    "A server that answers later does not answer."),
	ROW("heartbeat_limit", SETTINGS_TIME, heartbeat_limit_us, "2 s",
	    US_PER_SECOND, MINUTE_US, NULL,
	    "A server whose workers are silent for longer is down."),
	ROW("user", SETTINGS_TEXT, user, "vodd", 0, 0, NULL,
	    "User that the agent runs as when started by root."),
	ROW("log_level", SETTINGS_CHOICE, log_level, "info", 0, 3,
	    log_level_names,
	    "The least important level that is logged."),
};
/* clang-format on */
const size_t config_row_count = ARRAY_LENGTH(config_rows);

/* What is wrong with the addresses of a setting. */
struct fault {
	const char *name, *text, *what;
};

/* TEXT may be empty where OUT may be none. */
static bool
take_address(const char *name, const char *text, bool optional,
    union sock_address *out, struct fault *fault)
{
	memset(out, 0, sizeof(*out));
	if ((text[0] == '\0' && optional) || sock_address_parse(text, out) == 0)
		return true;
	*fault = (struct fault){ name, text,
		"no numeric address and port, such as \":3333\", "
		"\"192.0.2.1:3333\" or \"[2001:db8::1]:3333\"" };
	return false;
}

static bool
is_address(const char *text)
{
	struct allow_network network;

	return strchr(text, '/') == NULL && allow_parse_network(text, &network);
}

/* Fills in what follows from the texts; false with FAULT set. */
static bool
config_derive(struct config *config, struct fault *fault)
{
	const char *wrong;

	if (!take_address("listen", config->listen, false,
		&config->listen_address, fault) ||
	    !take_address(
		"http", config->http, true, &config->http_address, fault) ||
	    !take_address(
		"rtsp", config->rtsp, false, &config->rtsp_address, fault))
		return false;
	if ((wrong = allow_parse(&config->allow, &config->allowed)) != NULL) {
		*fault = (struct fault){ "allow", wrong,
			"neither \"private\" nor \"any\" nor an address or "
			"network, such as \"192.0.2.0/24\"" };
		return false;
	}
	for (unsigned i = 0; i < config->vip.count; i++) {
		if (is_address(config->vip.text[i]))
			continue;
		*fault = (struct fault){ "vip", config->vip.text[i],
			"no numeric address" };
		return false;
	}
	if (strchr(config->interface, '/') != NULL) {
		*fault = (struct fault){ "interface", config->interface,
			"no interface" };
		return false;
	}
	return true;
}

int
config_load(const struct settings_source *source, struct config *out,
    char error[static SETTINGS_ERROR_MAX])
{
	char what[SETTINGS_ERROR_MAX];
	struct config config;
	struct fault fault;
	int result;

	memset(&config, 0, sizeof(config));
	result = settings_load(
	    config_rows, config_row_count, source, &config, error);
	if (result != 0)
		return result;
	if (!config_derive(&config, &fault)) {
		snprintf(what, sizeof(what), "'%.100s' is %s", fault.text,
		    fault.what);
		return settings_blame(source, fault.name, what, error);
	}
	*out = config;
	return 0;
}
