/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * privileges - who the processes are: the master with few capabilities, the
 * workers with none and as another user.
 */
#ifndef SERVER_PRIVILEGES_H
#define SERVER_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/settings.h"

#define PRIVILEGES_GROUPS_MAX 64

struct privileges {
	bool root; /* started as root; else nothing of this is used */
	char user[64];
	uid_t uid;
	gid_t gid;
	gid_t table_group; /* (gid_t)-1: as it is */
	int group_count;
	gid_t groups[PRIVILEGES_GROUPS_MAX];
};

/*
 * Whom workers become.  GROUP "": the user's own.  Where USER does not exist it
 * is nobody, and WARNING says so, else WARNING is empty.  0, or -errno with
 * ERROR set.
 */
int privileges_find(const char *user, const char *group, struct privileges *out,
    char warning[static SETTINGS_ERROR_MAX],
    char error[static SETTINGS_ERROR_MAX]);

/* In the master when all is opened.  0 or -errno. */
int privileges_limit_master(const struct privileges *privileges);
/*
 * In a worker, which then is USER for ever.  0 or -errno.  -EPERM: the
 * master may not change users.
 */
int privileges_drop(const struct privileges *privileges);

#endif
