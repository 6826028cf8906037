/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resources - what the master opens before anybody serves, and every worker
 * inherits: listeners, UDP pairs, the media root.  And how large everything
 * is: descriptors, table.
 */
#ifndef SERVER_RESOURCES_H
#define SERVER_RESOURCES_H

#include <stdint.h>

#include "base/sock.h"
#include "server/config.h"
#include "table/table.h"

struct resources { /* owns all descriptors; -1: none */
	int media_root;
	uint32_t lane_count;
	unsigned listener_count;
	int listeners[SETTINGS_LIST_MAX];
	union sock_address addresses[SETTINGS_LIST_MAX]; /* as bound */
	struct sock_pair pairs[TABLE_LANES_MAX][2]; /* IPv4, IPv6 */
};

/* 0, or -errno with ERROR set: a sentence for the person who starts us. */
int resources_open(const struct config *config, struct resources *out,
    char error[static SETTINGS_ERROR_MAX]);
void resources_close(struct resources *resources);
/* In a worker: close what is for other lanes. */
void resources_keep_lane(struct resources *resources, uint32_t lane);
/* "192.0.2.1:554 [::]:554" */
const char *resources_listen_text(
    const struct resources *resources, char *text, size_t size);

void resources_table_limits(
    const struct config *config, struct table_limits *out);
/* Descriptors that one process of an instance holds at most. */
uint64_t resources_descriptors(const struct config *config);
/*
 * Raise the limit of descriptors; where that is not allowed lower max_sessions
 * (and max_connections) until it is enough, and say so in NOTE, else NOTE is
 * empty.  0; -EMFILE with NOTE set: not even one session.
 */
int resources_fit(struct config *config, char note[static SETTINGS_ERROR_MAX]);

#endif
