/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * instance - one running vodd as others find it: its name, pid file and status
 * file.
 *
 * The proof that a master lives is its lock on the pid file (fcntl(2)): the
 * kernel takes it back with the process, so what a dead master left behind
 * deceives nobody.  The files lie in
 *
 *	/run/vodd		when it can be written (root makes it),
 *	$XDG_RUNTIME_DIR/vodd	else,
 *	/tmp/vodd-UID		else; must be the user's own and closed to
 *others.
 */
#ifndef SERVER_INSTANCE_H
#define SERVER_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/program.h"
#include "base/settings.h"
#include "table/table.h"

#define INSTANCE_FILE_MAX 256

struct instance { /* plain; fill by instance_locate() */
	char name[PROGRAM_INSTANCE_MAX + 1];
	char table[TABLE_NAME_MAX]; /* "/vodd.NAME" */
	char pid_file[INSTANCE_FILE_MAX], status_file[INSTANCE_FILE_MAX];
	int lock; /* the locked pid file; -1: not ours */
};

/*
 * Where the files of NAME are; CREATE: make the folder.  0, or -errno with
 * ERROR set.
 */
int instance_locate(const char *name, bool create, struct instance *out,
    char error[static SETTINGS_ERROR_MAX]);
/*
 * The master's process; 0: none lives.  -1: one lives where this process
 * cannot see it (another pid namespace).
 */
pid_t instance_master(const struct instance *instance);
/* Become the master: lock, write the pid.  -EBUSY: there is one already. */
int instance_claim(struct instance *instance);
/* Remove the files and the doors, then the lock. */
void instance_release(struct instance *instance);
/* In a child of the master: forget the lock, remove nothing. */
void instance_forget(struct instance *instance);

/* Signals to the master beside the named ones, counted from SIGRTMIN. */
#define INSTANCE_DRAIN 1
#define INSTANCE_UNDRAIN 2
/* Where the door of LANE is (orphan.h), beside the pid file. */
void instance_door(const struct instance *instance, uint32_t lane,
    char path[static INSTANCE_FILE_MAX]);

/* What the master says about itself, for -s and for people. */
enum instance_outcome {
	INSTANCE_NOTHING, /* no reload yet */
	INSTANCE_APPLIED,
	INSTANCE_UNCHANGED,
	INSTANCE_REFUSED,
	INSTANCE_FAILED, /* applied, but workers did not come up */
	INSTANCE_OUTCOME_COUNT
};
struct instance_status {
	char state[16]; /* starting, serving, draining, stopping */
	uint64_t generation; /* as in the table */
	/* One counts when a reload begins, one when it is done. */
	uint64_t reloads_begun, reloads_done;
	enum instance_outcome outcome; /* of the last one done */
	char message[SETTINGS_ERROR_MAX]; /* one line */
	char listen[1024]; /* "192.0.2.1:554 [::]:554" */
};
/* As a whole or not at all.  0 or -errno. */
int instance_write_status(
    const struct instance *instance, const struct instance_status *status);
int instance_read_status(
    const struct instance *instance, struct instance_status *out);

#endif
