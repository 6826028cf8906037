/*
 * worker - one worker: accepts, adopts; owns its connections, sessions and
 * titles.
 *
 * Runs in a process of its own, forked by the master, until it is told to end.
 * When the master dies it serves on (orphan.h).
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

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
	int door; /* of the lane (orphan.h); -1: none */
	uid_t master; /* the master's user */
	bool spare; /* waits until a predecessor dies (crew.h) */
	unsigned listener_count;
	int listeners[WORKER_LISTENERS_MAX];
	struct sock_pair pairs[2]; /* IPv4, IPv6; family 0: none */
	uint64_t hash_seed; /* of address hashes; the same in all workers */
};

/* Never returns before the end; what the process exits with. */
int worker_run(const struct worker_birth *birth);

#endif
