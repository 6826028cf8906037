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
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

#define BACKLOG 4096
/* Logs, epoll, timers, the table, standard streams, and some to spare. */
#define CONNECTIONS_MAX 1000000 /* as max_connections */
#define OTHER_DESCRIPTORS 128
#define LANE_DESCRIPTORS UINT64_C(7) /* of the master */

/* --- sizes ------------------------------------------------------------------
 */
void
resources_table_limits(const struct config *config, struct table_limits *out)
{
	uint32_t lanes = config_lanes(config);

	*out = (struct table_limits){
		.lanes = lanes,
		.spare_lanes = TABLE_LANES_MAX - lanes,
		.lane_sessions = (uint32_t)(2 * config->max_sessions),
		.lane_connections = (uint32_t)config_connections(config),
		.lane_titles = (uint32_t)(2 * config->max_sessions),
		.max_bandwidth_bps = config->max_bandwidth_bps,
		.max_sessions = config->max_sessions,
	};
	/* Then it follows max_sessions, which may be raised. */
	if (config->max_connections == 0)
		out->lane_connections =
		    MIN_OF(2 * out->lane_connections, CONNECTIONS_MAX);
}

void
resources_fit_table(struct config *config, const struct table_limits *limits,
    char note[static SETTINGS_ERROR_MAX])
{
	uint64_t lanes = config_lanes(config);
	uint64_t sessions = lanes * limits->lane_sessions;
	uint64_t connections = lanes * limits->lane_connections;
	bool many_sessions = config->max_sessions > sessions;
	bool many_connections = config->max_connections > connections;

	note[0] = '\0';
	if (many_sessions)
		config->max_sessions = sessions;
	if (many_connections)
		config->max_connections = connections;
	if (many_sessions || many_connections)
		snprintf(note, SETTINGS_ERROR_MAX,
		    "the table holds %" PRIu64 " sessions and %" PRIu64
		    " connections with %" PRIu64
		    " workers, more needs a restart%s%s",
		    sessions, connections, lanes,
		    many_sessions ? ": max_sessions" : "",
		    many_connections ? ": max_connections" : "");
}

/*
 * Connections are not spread evenly, hence a lane is expected to hold twice its
 * share and some, and titles as many as sessions; it never needs more than all.
 */
static uint64_t
worker_descriptors(const struct config *config)
{
	uint64_t share = config->max_sessions / config_lanes(config) + 1;
	uint64_t sessions = MIN_OF(config->max_sessions, 2 * share + 256);
	/* Any lane may get all those that were asked for. */
	uint64_t connections = config->max_connections != 0
				   ? config->max_connections
				   : sessions + (sessions + 1) / 2;

	return connections + sessions;
}

uint64_t
resources_descriptors(const struct config *config)
{
	/* A duplicate of each connection; of each lane a channel, two pairs,
	 * the door and the media root, and twice as many lanes while old ones
	 * close. */
	uint64_t master = config_connections(config) +
			  LANE_DESCRIPTORS * 2 * config_lanes(config);

	return MAX_OF(master, worker_descriptors(config)) + OTHER_DESCRIPTORS;
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

/* --- what all lanes have in common
 * -----------------------------------------------
 */
static int
open_media_root(const struct config *config, int *out,
    char error[static SETTINGS_ERROR_MAX])
{
	/* Without O_PATH the folder itself would have to be readable by us. */
	int fd = open(config->media_root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "media root %.200s: %s; -r or media_root names the folder "
		    "to serve",
		    config->media_root, strerror(errno));
		return -ENOENT;
	}
	*out = fd;
	return 0;
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

/* ":554" and "192.0.2.1:554" exclude each other, and the old one listens. */
static const char *
overlap_hint(const struct resources_shared *now,
    const union sock_address *address, char text[static 128])
{
	char other[SOCK_TEXT_MAX];

	for (unsigned i = 0; now != NULL && i < now->listener_count; i++) {
		const union sock_address *bound = &now->listeners[i].bound;

		if (sock_address_port(bound) != sock_address_port(address))
			continue;
		snprintf(text, 128,
		    "this instance listens at %s, which overlaps; that needs a "
		    "restart",
		    sock_address_text(bound, true, other));
		return text;
	}
	return NULL;
}

static bool
same_address(const union sock_address *a, const union sock_address *b)
{
	return a->family == b->family && sock_address_same_host(a, b) &&
	       sock_address_port(a) == sock_address_port(b);
}

/* One of NOW that stands for ADDRESS and that OUT has not taken yet. */
static const struct resources_listener *
find_listener(const struct resources_shared *now,
    const union sock_address *address, const struct resources_shared *out)
{
	for (unsigned i = 0; now != NULL && i < now->listener_count; i++) {
		const struct resources_listener *one = &now->listeners[i];

		if ((same_address(&one->asked, address) ||
			same_address(&one->bound, address)) &&
		    !resources_has_listener(out, one->fd))
			return one;
	}
	return NULL;
}

static int
open_listener(const char *text, const struct resources_shared *now,
    struct resources_shared *out, char error[static SETTINGS_ERROR_MAX])
{
	struct resources_listener *listener =
	    &out->listeners[out->listener_count];
	const struct resources_listener *old;
	socklen_t length = sizeof(listener->bound);
	const char *hint = NULL;
	char room[128];
	int result;

	result = sock_address_parse(text, &listener->asked);
	if (result == 0 &&
	    (old = find_listener(now, &listener->asked, out)) != NULL) {
		out->listeners[out->listener_count++] = *old;
		return 0;
	}
	if (result == 0)
		result = sock_listen(&listener->asked, BACKLOG);
	if (result < 0) {
		if (result == -EADDRINUSE)
			hint = overlap_hint(now, &listener->asked, room);
		if (hint == NULL)
			hint = listen_hint(
			    result, room, sock_address_port(&listener->asked));
		snprintf(error, SETTINGS_ERROR_MAX, "cannot listen on %s: %s",
		    text, hint);
		return result;
	}
	listener->fd = result;
	out->listener_count++;
	return getsockname(listener->fd, &listener->bound.any, &length) == 0
		   ? 0
		   : -errno;
}

int
resources_share(const struct config *config, const struct resources_shared *now,
    struct resources_shared *out, char error[static SETTINGS_ERROR_MAX])
{
	struct resources_shared shared = { .media_root = -1 };
	int result = 0;

	snprintf(shared.media_root_name, sizeof(shared.media_root_name), "%s",
	    config->media_root);
	if (now != NULL &&
	    strcmp(now->media_root_name, shared.media_root_name) == 0)
		shared.media_root = now->media_root;
	else
		result = open_media_root(config, &shared.media_root, error);
	for (unsigned i = 0; result == 0 && i < config->listen.count; i++)
		result =
		    open_listener(config->listen.text[i], now, &shared, error);
	if (result != 0) {
		resources_unshare(&shared, now);
		return result;
	}
	*out = shared;
	return 0;
}

void
resources_unshare(
    struct resources_shared *gone, const struct resources_shared *kept)
{
	for (unsigned i = 0; i < gone->listener_count; i++)
		if (kept == NULL ||
		    !resources_has_listener(kept, gone->listeners[i].fd))
			close(gone->listeners[i].fd);
	if (gone->media_root != -1 &&
	    (kept == NULL || gone->media_root != kept->media_root))
		close(gone->media_root);
	gone->listener_count = 0;
	gone->media_root = -1;
}

bool
resources_has_listener(const struct resources_shared *shared, int fd)
{
	for (unsigned i = 0; i < shared->listener_count; i++)
		if (shared->listeners[i].fd == fd)
			return true;
	return false;
}

/* --- lanes
 * ------------------------------------------------------------------------
 */
static int
open_pair(const struct config *config, int family, struct sock_pair *pair,
    char error[static SETTINGS_ERROR_MAX])
{
	int result = sock_pair_open(
	    family, config->rtp_ports.first, config->rtp_ports.last, pair);

	/* A machine without IPv6, or without IPv4. */
	if (result == -EAFNOSUPPORT || result == -EADDRNOTAVAIL)
		return 0;
	if (result == -EADDRINUSE && config->rtp_ports.last != 0)
		snprintf(error, SETTINGS_ERROR_MAX,
		    "rtp_ports: %u-%u has fewer free pairs than %u",
		    config->rtp_ports.first, config->rtp_ports.last,
		    config_lanes(config));
	else if (result != 0)
		snprintf(error, SETTINGS_ERROR_MAX, "UDP ports: %s",
		    strerror(-result));
	return result;
}

static int
open_pairs(const struct config *config, struct resources_lane *lane,
    char error[static SETTINGS_ERROR_MAX])
{
	static const int families[2] = { AF_INET, AF_INET6 };
	int result = 0;

	for (int i = 0; config->udp && result == 0 && i < 2; i++)
		if (lane->pairs[i].family == 0)
			result = open_pair(
			    config, families[i], &lane->pairs[i], error);
	return result;
}

int
resources_try_ports(
    const struct config *config, char error[static SETTINGS_ERROR_MAX])
{
	struct resources tried;
	int result = 0;

	resources_init(&tried, NULL);
	for (uint32_t i = 0; result == 0 && i < config_lanes(config); i++)
		result = open_pairs(config, &tried.lanes[i], error);
	resources_close(&tried);
	return result;
}

static int
open_door(struct resources *resources, uint32_t lane,
    char error[static SETTINGS_ERROR_MAX])
{
	char path[INSTANCE_FILE_MAX];
	int fd;

	if (resources->instance == NULL || resources->lanes[lane].door != -1)
		return 0;
	instance_door(resources->instance, lane, path);
	if ((fd = sock_local_listen(path)) < 0) {
		snprintf(
		    error, SETTINGS_ERROR_MAX, "%s: %s", path, strerror(-fd));
		return fd;
	}
	resources->lanes[lane].door = fd;
	return 0;
}

int
resources_open_lane(const struct config *config, uint32_t number,
    struct resources *resources, char error[static SETTINGS_ERROR_MAX])
{
	struct resources_lane *lane = &resources->lanes[number];
	int result;

	if (lane->media_root == -1)
		lane->media_root =
		    fcntl(resources->shared.media_root, F_DUPFD_CLOEXEC, 0);
	if (lane->media_root == -1) {
		snprintf(error, SETTINGS_ERROR_MAX, "media root: %s",
		    strerror(errno));
		return -errno;
	}
	result = open_pairs(config, lane, error);
	if (result == 0)
		result = open_door(resources, number, error);
	return result;
}

static void
close_lane(const struct resources_lane *lane)
{
	for (int i = 0; i < 2; i++) {
		struct sock_pair pair = lane->pairs[i];

		sock_pair_close(&pair);
	}
	if (lane->media_root != -1)
		close(lane->media_root);
	if (lane->door != -1)
		close(lane->door);
}

static void
lane_init(struct resources_lane *lane)
{
	*lane = (struct resources_lane){ .media_root = -1, .door = -1 };
	for (int i = 0; i < 2; i++)
		lane->pairs[i] = (struct sock_pair){ .rtp = -1, .rtcp = -1 };
}

void
resources_close_lane(struct resources *resources, uint32_t lane)
{
	char path[INSTANCE_FILE_MAX];

	if (resources->lanes[lane].door != -1) {
		instance_door(resources->instance, lane, path);
		unlink(path);
	}
	close_lane(&resources->lanes[lane]);
	lane_init(&resources->lanes[lane]);
}

void
resources_keep_lane(const struct resources *resources, uint32_t lane)
{
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		if (i != lane)
			close_lane(&resources->lanes[i]);
	/* The lane has its own. */
	if (resources->shared.media_root != -1)
		close(resources->shared.media_root);
}

static bool
same_file(int a, int b)
{
	struct stat left, right;

	return fstat(a, &left) == 0 && fstat(b, &right) == 0 &&
	       left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

bool
resources_lane_suits(const struct resources *resources, uint32_t number,
    const struct config *config)
{
	const struct resources_lane *lane = &resources->lanes[number];
	const struct settings_range *range = &config->rtp_ports;

	for (int i = 0; i < 2; i++) {
		const struct sock_pair *pair = &lane->pairs[i];

		if (pair->family == 0)
			continue;
		if (!config->udp ||
		    (range->last != 0 && (pair->port < range->first ||
					     pair->port >= range->last)))
			return false;
	}
	return same_file(lane->media_root, resources->shared.media_root);
}

/* --- all of it
 * ------------------------------------------------------------------------
 */
void
resources_init(struct resources *out, const struct instance *instance)
{
	out->instance = instance;
	out->shared = (struct resources_shared){ .media_root = -1 };
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		lane_init(&out->lanes[i]);
}

int
resources_open(const struct config *config, uint32_t count,
    const struct resources_shared *now, struct resources *out,
    char error[static SETTINGS_ERROR_MAX])
{
	int result;

	result = resources_share(config, now, &out->shared, error);
	for (uint32_t i = 0; result == 0 && i < count; i++)
		result = resources_open_lane(config, i, out, error);
	if (result != 0)
		resources_close(out);
	return result;
}

void
resources_close(struct resources *resources)
{
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++) {
		close_lane(&resources->lanes[i]);
		lane_init(&resources->lanes[i]);
	}
	resources_unshare(&resources->shared, NULL);
}

const char *
resources_listen_text(
    const struct resources_shared *shared, char *text, size_t size)
{
	char address[SOCK_TEXT_MAX];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < shared->listener_count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
		    i == 0 ? "" : " ",
		    sock_address_text(
			&shared->listeners[i].bound, true, address));
	return text;
}
