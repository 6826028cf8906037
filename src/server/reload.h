/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload - puts a changed configuration in force while the instance serves.
 *
 * The new configuration is read and checked, and what it needs is opened; when
 * something of this fails it is refused and nothing has changed.  Then lanes
 * are opened, relieved and closed one after the other.  When not even the first
 * worker comes up with it, all is put back.
 *
 * A lane keeps its media root and UDP ports as long as it has sessions, for
 * these live by them.  So when one of them changes new lanes are opened, and
 * the old ones are closed.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include <stdbool.h>

#include "base/loop.h"
#include "server/config.h"
#include "server/crew.h"
#include "server/instance.h"
#include "server/privileges.h"
#include "server/resources.h"
#include "table/table.h"

/* What an instance lives by, beside its resources. */
struct reload_terms {
	struct config asked; /* as the configuration says */
	struct config config; /* as far as machine and table allow */
	struct privileges privileges;
};

/* How a reload ended; MESSAGE is one line. */
typedef void reload_finished(
    void *context, enum instance_outcome outcome, const char *message);

struct reload_birth { /* all borrowed until reload_free() */
	const struct program_options *options;
	struct loop *loop;
	struct crew *crew;
	struct table *table;
	struct reload_terms *terms; /* replaced, as is what is shared of ... */
	struct resources *resources;
	reload_finished *finished;
	void *context;
};

struct reload; /* opaque */

int reload_new(const struct reload_birth *birth, struct reload **out);
void reload_free(struct reload *reload); /* accepts NULL */

/* None is active.  FINISHED may be called before this returns. */
void reload_begin(struct reload *reload);
/*
 * All workers are replaced, whatever has changed: they are another master's, or
 * run another program.  WHY, borrowed for ever, stands in the message.
 */
void reload_renew(struct reload *reload, const char *why);
bool reload_is_active(const struct reload *reload);
/* Something happened in the crew. */
void reload_happened(struct reload *reload, uint32_t lane,
    enum crew_event event, const char *how);
/* The instance ends: as far as it came, FINISHED is not called. */
void reload_stop(struct reload *reload);
/* In a fresh worker: close what it has no part in. */
void reload_in_child(struct reload *reload);

#endif
