/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens what workers inherit, and finds out how much of everything an instance
 * takes.  Socket options are base/sock's, the table is the master's.
 */
#include "server/resources.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

#define BACKLOG 4096
/* Logs, epoll, timers, the table, standard streams, and some to spare. */
#define OTHER_DESCRIPTORS 128

/* --- sizes ------------------------------------------------------------------
 */
/*
 * Connections are not spread evenly, hence a lane holds twice its share and
 * some; it never needs more than all.
 */
void
resources_table_limits(const struct config *config, struct table_limits *out)
{
	uint32_t lanes = config_lanes(config);
	uint64_t share = (config->max_sessions + lanes - 1) / lanes;
	uint64_t sessions = MIN_OF(config->max_sessions, 2 * share + 256);
	/* Any lane may get all those that were asked for. */
	uint64_t connections = config->max_connections != 0
				   ? config->max_connections
				   : sessions + (sessions + 1) / 2;

	*out = (struct table_limits){
		.lanes = lanes,
		.lane_sessions = (uint32_t)sessions,
		.lane_connections = (uint32_t)connections,
		.lane_titles = (uint32_t)sessions,
		.max_bandwidth_bps = config->max_bandwidth_bps,
		.max_sessions = config->max_sessions,
	};
}

uint64_t
resources_descriptors(const struct config *config)
{
	struct table_limits limits;
	uint64_t master, worker;

	resources_table_limits(config, &limits);
	/* A duplicate of each connection; a channel and two pairs per lane. */
	master = MIN_OF(config_connections(config),
	    (uint64_t)limits.lanes * limits.lane_connections);
	master += 5 * (uint64_t)limits.lanes;
	worker = (uint64_t)limits.lane_connections + limits.lane_titles;
	return MAX_OF(master, worker) + OTHER_DESCRIPTORS;
}

/* CONFIG with SESSIONS; connections are lowered with them. */
static struct config
with_sessions(const struct config *config, uint64_t sessions)
{
	struct config lowered = *config;
	uint64_t most = sessions + (sessions + 1) / 2;

	lowered.max_sessions = sessions;
	if (lowered.max_connections > most)
		lowered.max_connections = most;
	return lowered;
}

int
resources_fit(struct config *config, char note[static SETTINGS_ERROR_MAX])
{
	uint64_t wanted = resources_descriptors(config);
	uint64_t allowed = sock_raise_file_limit(wanted);
	uint64_t fits = 0, too_many = config->max_sessions;
	struct config lowered;

	note[0] = '\0';
	if (allowed >= wanted)
		return 0;
	while (fits + 1 < too_many) {
		uint64_t middle = fits + (too_many - fits) / 2;

		lowered = with_sessions(config, middle);
		if (resources_descriptors(&lowered) <= allowed)
			fits = middle;
		else
			too_many = middle;
	}
	if (fits == 0) {
		snprintf(note, SETTINGS_ERROR_MAX,
		    "%" PRIu64 " descriptors are allowed, too few for one "
		    "session (ulimit -n, LimitNOFILE=)",
		    allowed);
		return -EMFILE;
	}
	snprintf(note, SETTINGS_ERROR_MAX,
	    "max_sessions is lowered from %" PRIu64 " to %" PRIu64 ": %" PRIu64
	    " descriptors are allowed, %" PRIu64
	    " would be needed (ulimit -n, LimitNOFILE=)",
	    config->max_sessions, fits, allowed, wanted);
	*config = with_sessions(config, fits);
	return 0;
}

/* --- opening ----------------------------------------------------------------
 */
static int
open_media_root(const struct config *config, struct resources *out,
    char error[static SETTINGS_ERROR_MAX])
{
	/* Without O_PATH the folder itself would have to be readable by us. */
	out->media_root =
	    open(config->media_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (out->media_root != -1)
		return 0;
	snprintf(error, SETTINGS_ERROR_MAX,
	    "media root %.200s: %s; -r or media_root names the folder to serve",
	    config->media_root, strerror(errno));
	return -ENOENT;
}

static const char *
listen_hint(int error, char text[static 128], unsigned port)
{
	switch (error) {
	case -EACCES:
		snprintf(text, 128,
		    "port %u needs root or CAP_NET_BIND_SERVICE; -l names "
		    "another, as -l :8554",
		    port);
		return text;
	case -EADDRINUSE:
		return "another server or instance listens there; -l names "
		       "another port, as -l :8554";
	case -EADDRNOTAVAIL:
		return "this machine has no such address; -l names another";
	case -EAFNOSUPPORT:
		return "this machine does not have this family of addresses";
	default:
		return strerror(-error);
	}
}

static int
open_listener(const char *text, struct resources *out,
    char error[static SETTINGS_ERROR_MAX])
{
	union sock_address *address = &out->addresses[out->listener_count];
	socklen_t length = sizeof(*address);
	char hint[128];
	int fd;

	fd = sock_address_parse(text, address);
	if (fd == 0)
		fd = sock_listen(address, BACKLOG);
	if (fd < 0) {
		snprintf(error, SETTINGS_ERROR_MAX, "cannot listen on %s: %s",
		    text, listen_hint(fd, hint, sock_address_port(address)));
		return fd;
	}
	out->listeners[out->listener_count++] = fd;
	/* Port 0 has become a real one. */
	return getsockname(fd, &address->any, &length) == 0 ? 0 : -errno;
}

static int
open_pairs(const struct config *config, uint32_t lane, struct resources *out,
    char error[static SETTINGS_ERROR_MAX])
{
	static const int families[2] = { AF_INET, AF_INET6 };

	for (int i = 0; i < 2; i++) {
		int result =
		    sock_pair_open(families[i], config->rtp_ports.first,
			config->rtp_ports.last, &out->pairs[lane][i]);

		/* A machine without IPv6, or without IPv4. */
		if (result == -EAFNOSUPPORT || result == -EADDRNOTAVAIL) {
			out->pairs[lane][i] =
			    (struct sock_pair){ .rtp = -1, .rtcp = -1 };
			continue;
		}
		if (result == -EADDRINUSE && config->rtp_ports.last != 0) {
			snprintf(error, SETTINGS_ERROR_MAX,
			    "rtp_ports: %u-%u has fewer than %u free pairs",
			    config->rtp_ports.first, config->rtp_ports.last,
			    out->lane_count);
			return result;
		}
		if (result != 0) {
			snprintf(error, SETTINGS_ERROR_MAX, "UDP ports: %s",
			    strerror(-result));
			return result;
		}
	}
	return 0;
}

int
resources_open(const struct config *config, struct resources *out,
    char error[static SETTINGS_ERROR_MAX])
{
	int result;

	*out = (struct resources){ .media_root = -1,
		.lane_count = config_lanes(config) };
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		for (int k = 0; k < 2; k++)
			out->pairs[i][k] =
			    (struct sock_pair){ .rtp = -1, .rtcp = -1 };

	result = open_media_root(config, out, error);
	for (unsigned i = 0; result == 0 && i < config->listen.count; i++)
		result = open_listener(config->listen.text[i], out, error);
	for (uint32_t i = 0; config->udp && result == 0 && i < out->lane_count;
	     i++)
		result = open_pairs(config, i, out, error);
	if (result != 0)
		resources_close(out);
	return result;
}

static void
close_pairs(struct resources *resources, uint32_t lane)
{
	for (int i = 0; i < 2; i++)
		if (resources->pairs[lane][i].family != 0)
			sock_pair_close(&resources->pairs[lane][i]);
}

void
resources_close(struct resources *resources)
{
	for (uint32_t i = 0; i < resources->lane_count; i++)
		close_pairs(resources, i);
	while (resources->listener_count > 0)
		close(resources->listeners[--resources->listener_count]);
	if (resources->media_root != -1)
		close(resources->media_root);
	resources->media_root = -1;
}

void
resources_keep_lane(struct resources *resources, uint32_t lane)
{
	for (uint32_t i = 0; i < resources->lane_count; i++)
		if (i != lane)
			close_pairs(resources, i);
}

const char *
resources_listen_text(
    const struct resources *resources, char *text, size_t size)
{
	char address[SOCK_TEXT_MAX];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < resources->listener_count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
		    i == 0 ? "" : " ",
		    sock_address_text(&resources->addresses[i], true, address));
	return text;
}
