/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config - the server's settings, one table: name, unit, default, limits, help.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/program.h"
#include "base/settings.h"

struct config {
	/* where */
	char media_root[SETTINGS_TEXT_MAX];
	struct settings_list listen; /* ":554" */
	struct settings_range rtp_ports; /* 0-0: the kernel's choice */
	char user[SETTINGS_TEXT_MAX], group[SETTINGS_TEXT_MAX];
	/* processes */
	uint64_t workers; /* 0: one per processor */
	uint64_t reader_threads;
	uint64_t read_pool_bytes; /* per worker */
	uint64_t stall_timeout_us; /* heartbeat older than this: killed */
	/* limits */
	uint64_t max_sessions;
	uint64_t max_sessions_per_address; /* 0: none */
	uint64_t max_connections; /* 0: 1.5 x max_sessions */
	uint64_t max_bandwidth_bps; /* 0: none */
	double max_speed;
	/* times */
	uint64_t session_timeout_us, request_timeout_us, write_timeout_us;
	uint64_t drain_grace_us, drain_timeout_us;
	/* media */
	uint64_t send_ahead_us;
	uint64_t payload_limit_bytes, payload_limit_ipv6_bytes;
	bool udp, tcp, udp_segmentation;
	/* log */
	uint64_t log_level; /* enum log_level */
	uint64_t log_target; /* enum log_target; no setting: follows from -f and
				log_file */
	char log_file[SETTINGS_TEXT_MAX];
};

extern const struct settings_row config_rows[];
extern const size_t config_row_count;

/*
 * What file and options say, one by one and against each other.  0, or -errno
 * with ERROR set, OUT untouched.
 */
int config_load(const struct program_options *options, struct config *out,
    char error[static SETTINGS_ERROR_MAX]);

/* How many lanes, thus workers, CONFIG asks for on this machine. */
uint32_t config_lanes(const struct config *config);
/* max_connections with its 0 resolved. */
uint64_t config_connections(const struct config *config);

/* What it takes for a changed setting to be in force; they add up as bits. */
enum config_effect {
	CONFIG_AT_ONCE = 1, /* the running processes are told */
	CONFIG_NUMBER = 2, /* workers come or go */
	CONFIG_WORKERS = 4, /* workers are relieved */
};
enum config_effect config_effect(size_t row);

/*
 * The effects, as bits, of what differs between A and B, whose names go to
 * NAMES, separated by ", ".
 */
unsigned config_compare(const struct config *a, const struct config *b,
    char *names, size_t names_size);

#endif
