/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resources - what the master opens and workers inherit: listeners, UDP pairs,
 * doors (orphan.h), the media root.  And how large everything is: descriptors,
 * table.
 */
#ifndef SERVER_RESOURCES_H
#define SERVER_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sock.h"
#include "server/config.h"
#include "server/instance.h"
#include "table/table.h"

struct resources_listener {
	int fd;
	union sock_address asked, bound; /* port 0 has become a real one */
};

/* What all lanes have in common; a reload makes a new one. */
struct resources_shared {
	char media_root_name[SETTINGS_TEXT_MAX];
	int media_root; /* for lanes that are opened; -1: none */
	unsigned listener_count;
	struct resources_listener listeners[SETTINGS_LIST_MAX];
};

/* What a lane keeps until it is closed, since its sessions live by it. */
struct resources_lane {
	int media_root, door; /* -1: none */
	struct sock_pair pairs[2]; /* IPv4, IPv6 */
};

struct resources { /* owns all descriptors */
	const struct instance *instance; /* whose doors; NULL: without */
	struct resources_shared shared;
	struct resources_lane lanes[TABLE_LANES_MAX];
};

/* Nothing is open; INSTANCE is borrowed. */
void resources_init(struct resources *out, const struct instance *instance);
/*
 * The shared part, with what NOW (or NULL) has of it, and the lanes below
 * COUNT, of an initialised OUT.  0, or -errno with ERROR set: a sentence for
 * the person who starts us.
 */
int resources_open(const struct config *config, uint32_t count,
    const struct resources_shared *now, struct resources *out,
    char error[static SETTINGS_ERROR_MAX]);
/* Are there UDP ports for all lanes of CONFIG, beside those in use?  As above.
 */
int resources_try_ports(
    const struct config *config, char error[static SETTINGS_ERROR_MAX]);
/* Doors stay where they are: somebody may wait behind them. */
void resources_close(struct resources *resources);

/*
 * What CONFIG asks for: what NOW has of it has the same descriptors there, the
 * rest is opened.  0, or -errno with ERROR set.
 */
int resources_share(const struct config *config,
    const struct resources_shared *now, struct resources_shared *out,
    char error[static SETTINGS_ERROR_MAX]);
/* Close what GONE has and KEPT hasn't. */
void resources_unshare(
    struct resources_shared *gone, const struct resources_shared *kept);
bool resources_has_listener(const struct resources_shared *shared, int fd);

/* Open what LANE lacks.  0, or -errno with ERROR set. */
int resources_open_lane(const struct config *config, uint32_t lane,
    struct resources *resources, char error[static SETTINGS_ERROR_MAX]);
/* Its door is removed. */
void resources_close_lane(struct resources *resources, uint32_t lane);
/* Could LANE, that is open, have been opened under CONFIG? */
bool resources_lane_suits(const struct resources *resources, uint32_t lane,
    const struct config *config);
/* In a worker: close what is for other lanes. */
void resources_keep_lane(const struct resources *resources, uint32_t lane);

/* "192.0.2.1:554 [::]:554" */
const char *resources_listen_text(
    const struct resources_shared *shared, char *text, size_t size);

/*
 * Of the table of an instance that starts with CONFIG.  All lanes that there
 * may be, and twice the sessions in each: what is not used takes no memory, and
 * a reload may ask for it.
 */
void resources_table_limits(
    const struct config *config, struct table_limits *out);
/*
 * Lower max_sessions and max_connections to what a table of these LIMITS holds
 * in the lanes of CONFIG, and name in NOTE what would be lacking, else it is
 * empty.
 */
void resources_fit_table(struct config *config,
    const struct table_limits *limits, char note[static SETTINGS_ERROR_MAX]);
/* Descriptors that one process of an instance holds at most. */
uint64_t resources_descriptors(const struct config *config);
/*
 * Raise the limit of descriptors; where that is not allowed lower max_sessions
 * (and max_connections) until it is enough, and say so in NOTE, else NOTE is
 * empty.  0; -EMFILE with NOTE set: not even one session.
 */
int resources_fit(struct config *config, char note[static SETTINGS_ERROR_MAX]);

#endif
