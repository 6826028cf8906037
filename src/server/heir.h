/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heir - how a master comes to what its predecessor held: it knocks at the
 * lanes' doors and collects what the orphans behind them have, or it is left an
 * estate by exec; and how it leaves one itself.
 */
#ifndef SERVER_HEIR_H
#define SERVER_HEIR_H

#include <stdint.h>

#include "server/config.h"
#include "server/estate.h"
#include "server/instance.h"
#include "server/resources.h"

/*
 * INSTANCE is claimed by the caller: its master is dead for sure.  OUT, which
 * the caller closes, has each orphan as its lane's worker: pid, process and
 * channel.  Those that cannot be taken over (silent for PATIENCE_US, of another
 * version, of another table) are ended, and have ended, with the reason logged.
 * 0; -ENOMEM.
 */
int heir_collect(
    const struct instance *instance, uint64_t patience_us, struct estate *out);

/*
 * Tell all orphans to say goodbye and end, kill those that don't; closes
 * ESTATE.  How many there were.
 */
unsigned heir_dismiss(struct estate *estate, const char *why);

/*
 * The descriptors of listeners, media root and lanes, from ESTATE into the
 * empty OUT, which owns them then.  CONFIG tells what the listeners had been
 * asked for.
 */
void heir_take_shared(struct estate *estate, const struct config *config,
    struct resources_shared *out);
void heir_take_resources(
    struct estate *estate, const struct config *config, struct resources *out);
/*
 * Lanes that have records in TABLE, but no worker any more, are to be served,
 * so that their sessions are ended properly.
 */
void heir_find_lost(struct estate *estate, const struct table *table);
/* The same into OUT, which owns nothing of it. */
void heir_leave_resources(
    const struct resources *resources, struct estate *out);

#endif
