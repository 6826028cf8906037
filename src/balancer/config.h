/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config - the balancer's settings, one table: name, unit, default, limits,
 * help.
 */
#ifndef BALANCER_CONFIG_H
#define BALANCER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/settings.h"
#include "base/sock.h"

#define CONFIG_NODES_MAX 512

struct config_node {
	char address[SETTINGS_TEXT_MAX], agent[SETTINGS_TEXT_MAX];
	uint64_t weight; /* 0: by capacity */

	/* What follows from the texts above. */
	union sock_address host, agent_address; /* of no family: none */
};

struct config {
	struct settings_list services; /* as rules_name() writes them */
	uint64_t node_count;
	struct config_node nodes[CONFIG_NODES_MAX];
	uint64_t interval_us, timeout_us;
	uint64_t agent_port;
	uint64_t session_us;
	bool own;
	char ipvsadm[SETTINGS_TEXT_MAX];
	char state[SETTINGS_TEXT_MAX]; /* "": none */
	char track_files[SETTINGS_TEXT_MAX]; /* "": none */
	char user[SETTINGS_TEXT_MAX];
	char diagnose_title[SETTINGS_TEXT_MAX]; /* "": none */
	uint64_t log_level; /* enum log_level */
};

extern const struct settings_row config_rows[];
extern const size_t config_row_count;

/* 0, or -errno with ERROR set, OUT in no state to be used. */
int config_load(const struct settings_source *source, struct config *out,
    char error[static SETTINGS_ERROR_MAX]);

/* What is said of the node with the address HOST; NULL: nothing. */
const struct config_node *config_node_find(
    const struct config *config, const union sock_address *host);

/* Where the agent of HOST is; NODE is what is said of it, or NULL. */
union sock_address config_agent_of(const struct config *config,
    const struct config_node *node, const union sock_address *host);

/* TEXT is "ADDRESS" or "ADDRESS:PORT" of an agent; false: neither. */
bool config_agent_address(
    const struct config *config, const char *text, union sock_address *out);

#endif
