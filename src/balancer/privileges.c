/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users and capabilities.
 */
#include "balancer/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Only a folder that is missing is made: what is there is its owner's. */
static void
folder_make(const char *file, const struct passwd *entry)
{
	char folder[PATH_MAX];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", file);
	if ((slash = strrchr(folder, '/')) == NULL || slash == folder)
		return;
	*slash = '\0';
	if (mkdir(folder, 0755) == 0 && entry != NULL)
		(void)!chown(folder, entry->pw_uid, entry->pw_gid);
}

/*
 * The bounding set goes first, as long as that is allowed (a container may have
 * taken it): nothing comes back by an exec.
 */
static int
become(const struct passwd *entry)
{
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD,
	    CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
	    CAP_NET_ADMIN);
	(void)capng_apply(CAPNG_SELECT_BOUNDS);
	if (capng_change_id((int)entry->pw_uid, (int)entry->pw_gid,
		CAPNG_INIT_SUPP_GRP) != 0)
		return -EPERM;
	capng_update(
	    CAPNG_ADD, CAPNG_INHERITABLE | CAPNG_AMBIENT, CAP_NET_ADMIN);
	if (capng_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT) != 0)
		return -EPERM;
	return 0;
}

int
privileges_limit(
    const char *user, const char *state, char error[static SETTINGS_ERROR_MAX])
{
	const struct passwd *entry = NULL;
	bool stays = geteuid() != 0 || strcmp(user, "root") == 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	if (!stays && (entry = getpwnam(user)) == NULL) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "user: there is no user %.64s; to make it: "
		    "systemd-sysusers, or useradd --system --user-group "
		    "--home-dir / --shell /usr/sbin/nologin %.64s",
		    user, user);
		return -ENOENT;
	}
	folder_make(state, entry);
	if (stays)
		return 0;
	if (become(entry) != 0) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "user: cannot become %.64s and keep CAP_NET_ADMIN", user);
		return -EPERM;
	}
	return 0;
}
