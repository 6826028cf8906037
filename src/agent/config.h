/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config - the agent's settings, one table: name, unit, default, limits, help.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/allow.h"
#include "base/settings.h"
#include "base/sock.h"

struct config {
	char listen[SETTINGS_TEXT_MAX];
	char http[SETTINGS_TEXT_MAX]; /* "": none */
	struct settings_list allow;
	bool say_up;
	char node[SETTINGS_TEXT_MAX]; /* "": the machine's name */
	uint64_t capacity_bps; /* 0: the link's speed */
	char interface[SETTINGS_TEXT_MAX]; /* "": the default route's */
	struct settings_list vip;
	char rtsp[SETTINGS_TEXT_MAX];
	uint64_t rtsp_timeout_us, heartbeat_limit_us;
	char user[SETTINGS_TEXT_MAX];
	uint64_t log_level; /* enum log_level */

	/* What follows from the texts above. */
	union sock_address listen_address, rtsp_address;
	union sock_address http_address; /* of no family: none */
	struct allow allowed;
};

extern const struct settings_row config_rows[];
extern const size_t config_row_count;

/* 0, or -errno with ERROR set, OUT untouched. */
int config_load(const struct settings_source *source, struct config *out,
    char error[static SETTINGS_ERROR_MAX]);

#endif
