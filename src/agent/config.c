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

#define TBIT UINT64_C(1000000000000)
#define MINUTE_US (60 * US_PER_SECOND)

static const char *const log_levels[] = { "error", "warning", "info", "debug",
	NULL };

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
	ROW("log_level", SETTINGS_CHOICE, log_level, "info", 0, 3, log_levels,
	    "The least important level that is logged."),
};
/* clang-format on */
const size_t config_row_count = ARRAY_LENGTH(config_rows);

static int
blame(const char *name, const char *text, const char *what,
    char error[static SETTINGS_ERROR_MAX])
{
	snprintf(
	    error, SETTINGS_ERROR_MAX, "%s: '%.100s' is %s", name, text, what);
	return -EINVAL;
}

/* TEXT may be empty where OUT may be none. */
static int
take_address(const char *name, const char *text, bool optional,
    union sock_address *out, char error[static SETTINGS_ERROR_MAX])
{
	memset(out, 0, sizeof(*out));
	if (text[0] == '\0' && optional)
		return 0;
	if (sock_address_parse(text, out) == 0)
		return 0;
	return blame(name, text,
	    "no numeric address and port, such as \":3333\", "
	    "\"192.0.2.1:3333\" or \"[2001:db8::1]:3333\"",
	    error);
}

static int
config_check(struct config *config, char error[static SETTINGS_ERROR_MAX])
{
	const char *wrong;
	int result;

	if ((result = take_address("listen", config->listen, false,
		 &config->listen_address, error)) != 0 ||
	    (result = take_address("http", config->http, true,
		 &config->http_address, error)) != 0 ||
	    (result = take_address("rtsp", config->rtsp, false,
		 &config->rtsp_address, error)) != 0)
		return result;
	if ((wrong = allow_parse(&config->allow, &config->allowed)) != NULL)
		return blame("allow", wrong,
		    "neither \"private\" nor \"any\" nor an address or "
		    "network, such as \"192.0.2.0/24\"",
		    error);
	for (unsigned i = 0; i < config->vip.count; i++) {
		struct allow_network vip;

		wrong = config->vip.text[i];
		if (wrong[0] != '\0' && (strchr(wrong, '/') != NULL ||
					    !allow_parse_network(wrong, &vip)))
			return blame("vip", wrong, "no numeric address", error);
	}
	if (strchr(config->interface, '/') != NULL)
		return blame(
		    "interface", config->interface, "no interface", error);
	return 0;
}

static int
take_option(const char *value, char out[static SETTINGS_TEXT_MAX],
    const char *name, char error[static SETTINGS_ERROR_MAX])
{
	if (value == NULL)
		return 0;
	if (strlen(value) >= SETTINGS_TEXT_MAX)
		return blame(name, value, "too long", error);
	strcpy(out, value);
	return 0;
}

int
config_load(const struct config_source *source, struct config *out,
    char error[static SETTINGS_ERROR_MAX])
{
	struct config config;
	int result;

	memset(&config, 0, sizeof(config));
	settings_defaults(config_rows, config_row_count, &config);
	result = settings_read(
	    config_rows, config_row_count, source->file, &config, error);
	if (result == -ENOENT && source->file_optional)
		result = 0;
	for (unsigned i = 0; result == 0 && i < source->override_count; i++)
		result = settings_override(config_rows, config_row_count,
		    source->overrides[i], &config, error);
	if (result == 0)
		result =
		    take_option(source->listen, config.listen, "listen", error);
	if (result == 0)
		result = take_option(source->http, config.http, "http", error);
	if (result == 0)
		result = config_check(&config, error);
	if (result == 0)
		*out = config;
	return result;
}
