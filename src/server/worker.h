/*
 * worker - one worker: accepts, adopts; owns its connections, sessions and
 * titles.
 *
 * Runs in a process of its own, forked by the master, until the master's end
 * of the channel closes or it is told to stop.
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sock.h"
#include "server/config.h"
#include "table/table.h"

#define WORKER_LISTENERS_MAX SETTINGS_LIST_MAX

/* Everything a worker is born with; all descriptors are its own after fork. */
struct worker_birth {
	const struct config *config;
	struct table *table;
	uint32_t lane;
	int media_root;
	int channel; /* SOCK_SEQPACKET to the master */
	unsigned listener_count;
	int listeners[WORKER_LISTENERS_MAX];
	struct sock_pair pairs[2]; /* IPv4, IPv6; family 0: none */
	uint64_t hash_seed; /* of address hashes; the same in all workers */
};

/* Never returns before the end; what the process exits with. */
int worker_run(const struct worker_birth *birth);

#endif
