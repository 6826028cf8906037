/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order of a round, what it does for want of one of its parts, and when the
 * next one is.
 */
#include "balancer/balancer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "balancer/track.h"
#include "base/base.h"
#include "base/log.h"
#include "base/notify.h"

/* Of the interval, either way: balancers of a cluster do not ask as one. */
#define JITTER 0.1

static loop_expired begin;

/* --- troubles --------------------------------------------------------------
 */

/* A trouble that lasts is told once, and so is its end. */
static void
trouble_set(
    char trouble[static SETTINGS_ERROR_MAX], const char *area, const char *what)
{
	if (strcmp(trouble, what) == 0)
		return;
	if (what[0] != '\0')
		log_error(area, "%s", what);
	else
		log_info(area, "all is well again");
	snprintf(trouble, SETTINGS_ERROR_MAX, "%s", what);
}

static uint64_t
jittered(uint64_t interval_us)
{
	uint64_t most = (uint64_t)((double)interval_us * JITTER), number = 0;

	(void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
	return interval_us - most + number % (2 * most + 1);
}

static void
finish(struct balancer *balancer, bool failed)
{
	uint64_t wait_us = jittered(balancer->config->interval_us);

	log_flush();
	notify_alive();
	if (balancer->options.once) {
		loop_stop(balancer->loop, failed ? -EIO : 0);
		return;
	}
	loop_timer_set(balancer->loop, &balancer->timer,
	    balancer->begun_us + wait_us, begin, balancer);
}

/* --- the end of a round ----------------------------------------------------
 */
static int
changes_write(struct balancer *balancer)
{
	char error[SETTINGS_ERROR_MAX] = "";
	size_t count = 0;
	int result;

	for (size_t i = 0; i < balancer->service_count; i++)
		count += service_changes(
		    &balancer->services[i], balancer->changes + count);
	if (balancer->options.dry_run)
		return 0;
	result = count == 0 ? 0
			    : ipvs_write(&balancer->ipvs, balancer->changes,
				  count, error);
	for (size_t i = 0; i < balancer->service_count; i++)
		service_written(&balancer->services[i]);
	trouble_set(balancer->write_trouble, "ipvs", error);
	return result;
}

static void
tracks_write(struct balancer *balancer, struct service *service,
    char what[static SETTINGS_ERROR_MAX])
{
	const char *folder = balancer->config->track_files;

	for (size_t i = 0; i < service->count; i++) {
		struct service_node *node = &service->nodes[i];
		uint32_t weight = service->weights[i].weight;
		int error;

		if (node->tracked == weight)
			continue;
		error = track_write(
		    folder, service->name, node->server.name, weight);
		if (error == 0)
			node->tracked = weight;
		else
			snprintf(what, SETTINGS_ERROR_MAX,
			    "cannot be written in %.300s: %s", folder,
			    strerror(-error));
	}
}

static void
all_tracks_write(struct balancer *balancer)
{
	char what[SETTINGS_ERROR_MAX] = "";

	if (balancer->config->track_files[0] == '\0')
		return;
	for (size_t i = 0; i < balancer->service_count; i++)
		tracks_write(balancer, &balancer->services[i], what);
	trouble_set(balancer->track_trouble, "track", what);
}

static void
state_keep(struct balancer *balancer)
{
	const char *file = balancer->config->state;
	char what[SETTINGS_ERROR_MAX] = "";
	int error;

	if (!balancer->state.changed || file[0] == '\0')
		return;
	error = state_write(file, &balancer->state);
	if (error != 0)
		snprintf(what, sizeof(what), "cannot be written %.300s: %s",
		    file, strerror(-error));
	trouble_set(balancer->state_trouble, "state", what);
}

static void
answered(void *context)
{
	struct balancer *balancer = context;
	const struct ask_agent *agents = balancer->agents;
	int error;

	for (size_t i = 0; i < balancer->service_count; i++) {
		struct service *service = &balancer->services[i];

		service_hear(service, agents, &balancer->state);
		agents += service->count;
		service_weigh(
		    service, balancer->config, loop_now_us(balancer->loop));
	}
	error = changes_write(balancer);
	for (size_t i = 0; i < balancer->service_count; i++)
		explain_service(
		    &balancer->services[i], balancer->options.form, stdout);
	if (!balancer->options.dry_run) {
		all_tracks_write(balancer);
		state_keep(balancer);
	}
	finish(balancer, error != 0);
}

/* --- its beginning ---------------------------------------------------------
 */
static int
table_take(struct balancer *balancer)
{
	char error[SETTINGS_ERROR_MAX] = "";
	struct rules rules;
	int result = ipvs_read(&balancer->ipvs, &rules, error);

	trouble_set(balancer->read_trouble, "ipvs", error);
	if (result != 0)
		return result;
	for (size_t i = 0; i < balancer->service_count && result == 0; i++)
		result = service_take(&balancer->services[i], &rules,
		    balancer->config, &balancer->state, balancer->settled);
	rules_free(&rules);
	balancer->settled = balancer->settled || result == 0;
	return result;
}

/* Room for all nodes there are. */
static int
agents_take(struct balancer *balancer)
{
	struct ask_agent *agents = balancer->agents;
	size_t count = 0;

	for (size_t i = 0; i < balancer->service_count; i++)
		count += balancer->services[i].count;
	if (count != balancer->agent_count || agents == NULL) {
		struct ipvs_change *changes;

		agents = calloc(count + 1, sizeof(*agents));
		changes = calloc(count + 1, sizeof(*changes));
		if (agents == NULL || changes == NULL) {
			free(agents);
			free(changes);
			return -ENOMEM;
		}
		free(balancer->agents);
		free(balancer->changes);
		balancer->agents = agents;
		balancer->changes = changes;
		balancer->agent_count = count;
	}
	for (size_t i = 0; i < balancer->service_count; i++) {
		service_agents(
		    &balancer->services[i], balancer->config, agents);
		agents += balancer->services[i].count;
	}
	return 0;
}

static void
begin(void *context, uint64_t now_us)
{
	struct balancer *balancer = context;

	balancer->begun_us = now_us;
	if (table_take(balancer) != 0 || agents_take(balancer) != 0) {
		finish(balancer, true);
		return;
	}
	ask_start(&balancer->ask, balancer->loop, balancer->agents,
	    balancer->agent_count, balancer->config->timeout_us, answered,
	    balancer);
}

/* --- start, reload, stop ---------------------------------------------------
 */
static void
state_find(struct balancer *balancer)
{
	const char *file = balancer->config->state;
	char error[SETTINGS_ERROR_MAX];
	int result;

	if (file[0] == '\0')
		return;
	result = state_read(file, &balancer->state, error);
	if (result != 0 && result != -ENOENT)
		log_warning("state", "is not used: %s file=%s", error, file);
}

static void
services_begin(struct balancer *balancer)
{
	const struct settings_list *names = &balancer->config->services;

	balancer->service_count = names->count;
	for (unsigned i = 0; i < names->count; i++)
		service_begin(&balancer->services[i], names->text[i]);
}

int
balancer_start(struct balancer *balancer, const struct config *config,
    const struct balancer_options *options, struct loop *loop)
{
	int result;

	*balancer = (struct balancer){
		.config = config, .options = *options, .loop = loop
	};
	if ((result = ipvs_open(&balancer->ipvs, config->ipvsadm)) != 0)
		return result;
	state_find(balancer);
	services_begin(balancer);
	begin(balancer, clock_monotonic_us());
	return 0;
}

void
balancer_reload(struct balancer *balancer, const struct config *config)
{
	struct service before[SETTINGS_LIST_MAX];
	size_t count = balancer->service_count;

	ask_stop(&balancer->ask);
	memcpy(before, balancer->services, sizeof(before));
	balancer->config = config;
	balancer->ipvs.program = config->ipvsadm;
	services_begin(balancer);
	for (size_t i = 0; i < count; i++) {
		size_t at = 0;

		while (at < balancer->service_count &&
		       strcmp(balancer->services[at].name, before[i].name) != 0)
			at++;
		if (at == balancer->service_count) {
			service_end(&before[i]);
			continue;
		}
		balancer->services[at] = before[i];
		service_reload(&balancer->services[at], config);
	}
	loop_timer_set(balancer->loop, &balancer->timer, 0, begin, balancer);
}

void
balancer_stop(struct balancer *balancer)
{
	ask_stop(&balancer->ask);
	loop_timer_clear(balancer->loop, &balancer->timer);
	for (size_t i = 0; i < balancer->service_count; i++)
		service_end(&balancer->services[i]);
	state_free(&balancer->state);
	ipvs_close(&balancer->ipvs);
	free(balancer->agents);
	free(balancer->changes);
}
