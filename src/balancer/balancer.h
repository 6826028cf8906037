/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balancer - the rounds: read the kernel's table, ask the agents, weigh, write.
 *
 * Whatever fails in a round changes no weight; the next one tries again.
 */
#ifndef BALANCER_BALANCER_H
#define BALANCER_BALANCER_H

#include <stdbool.h>
#include <stddef.h>

#include "balancer/ask.h"
#include "balancer/config.h"
#include "balancer/explain.h"
#include "balancer/ipvs.h"
#include "balancer/service.h"
#include "balancer/state.h"
#include "base/loop.h"

struct balancer_options {
	bool dry_run; /* write nothing */
	bool once; /* one round */
	enum explain_form form; /* of what is printed on stdout */
};

struct balancer {
	const struct config *config; /* borrowed */
	struct balancer_options options;
	struct loop *loop; /* borrowed */

	struct ipvs ipvs;
	struct state state;
	struct service services[SETTINGS_LIST_MAX];
	size_t service_count;
	struct ask ask;
	struct ask_agent
	    *agents; /* owned; of all services, one behind another */
	size_t agent_count;
	struct ipvs_change *changes; /* owned; has room for as many */
	struct loop_timer timer;
	uint64_t begun_us; /* the round */
	bool settled; /* there was a round with a table */
	/* Those that last; "": none. */
	char read_trouble[SETTINGS_ERROR_MAX];
	char write_trouble[SETTINGS_ERROR_MAX];
	char state_trouble[SETTINGS_ERROR_MAX];
	char track_trouble[SETTINGS_ERROR_MAX];
};

/*
 * Begins rounds, the first at once.  0 or -errno.  CONFIG is borrowed until
 * balancer_stop() or another one comes by balancer_reload().
 */
int balancer_start(struct balancer *balancer, const struct config *config,
    const struct balancer_options *options, struct loop *loop);
/* What is known of services that stay is kept; nothing is foreign any more. */
void balancer_reload(struct balancer *balancer, const struct config *config);
void balancer_stop(struct balancer *balancer);

#endif
