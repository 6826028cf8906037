/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upgrade - another program, mostly a newer one of the same name, goes on in
 * the master's process: exec(2) in place, which keeps pid, children and
 * descriptors.
 *
 * Before that a child runs the program with --check-upgrade, which tells by a
 * line whether it could go on.  Behind it the program finds the estate in
 * a memfd whose number stands in the environment.  Should it fail then, that is
 * as a master's death.
 */
#ifndef SERVER_UPGRADE_H
#define SERVER_UPGRADE_H

#include <stdbool.h>

#include "base/loop.h"
#include "server/config.h"
#include "server/estate.h"

/* How this program was started. */
struct upgrade_origin {
	char *const *arguments; /* borrowed; main's */
	char program[4096]; /* absolute; as it was called: a link may move */
	char folder[4096]; /* for arguments that are relative */
};
/* At the very beginning, before anything changes folder. */
void upgrade_remember(char *const *arguments, struct upgrade_origin *out);

/* --- the old program --- */
struct upgrade_birth { /* all borrowed until upgrade_free() */
	struct loop *loop;
	const struct upgrade_origin *origin;
	/*
	 * All that there is, into an initialised OUT; when it is FOR_GOOD, exec
	 * follows at once.  -EAGAIN: not just now.
	 */
	int (*leave)(void *context, bool for_good, struct estate *out);
	/* Everything is as before; WHY is one line. */
	void (*refused)(void *context, const char *why);
	void *context;
};

struct upgrade; /* opaque */

int upgrade_new(const struct upgrade_birth *birth, struct upgrade **out);
void upgrade_free(struct upgrade *upgrade); /* accepts NULL */
/*
 * None is active.  REFUSED follows, or nothing any more in this program.  The
 * check's process is reaped by whoever reaps all.
 */
void upgrade_begin(struct upgrade *upgrade);
bool upgrade_is_active(const struct upgrade *upgrade);
void upgrade_stop(struct upgrade *upgrade); /* REFUSED is not called */

/* --- the new program --- */
/* Is it only asked?  Takes the word out of ARGUMENTS. */
bool upgrade_is_asked(int *count, char **arguments);
/*
 * The answer of one whose CONFIG is right: can it read what it would get, or,
 * where its table has another layout, serve beside it?  0; else -errno with
 * ERROR set.
 */
int upgrade_answer(
    const struct config *config, char error[static SETTINGS_ERROR_MAX]);
/*
 * What the old program left, once, into an initialised OUT.  1; 0: nobody left
 * anything; -errno: OUT->fault.
 */
int upgrade_inherit(struct estate *out);

#endif
