/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * master - fork, watch, replace, reload, stop; never reads a byte from the
 * network.
 */
#ifndef SERVER_MASTER_H
#define SERVER_MASTER_H

#include "server/config.h"
#include "server/estate.h"
#include "server/instance.h"
#include "server/privileges.h"
#include "server/resources.h"
#include "server/upgrade.h"

struct master_birth { /* all borrowed until master_run() returns */
	const struct program_options *options; /* read again by a reload */
	const struct config *asked; /* as OPTIONS say */
	const struct config *config; /* as it is: max_sessions may be lower */
	struct instance *instance;
	struct resources *resources; /* initialised; the master opens them */
	const struct privileges *privileges;
	const struct upgrade_origin *origin;
	/* Left by another program in this process, with the lock; or NULL. */
	const struct estate *estate;
	/*
	 * Where a daemon's parent waits: one byte 'R' when all workers are
	 * ready, else the reason as text.  Closed by the master; -1: none.
	 */
	int ready_pipe;
};

/*
 * Runs the instance until it is told to stop; what the process exits with.
 * The log is open already; the standard streams of a daemon lead nowhere.
 */
int master_run(const struct master_birth *birth);

#endif
