/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users, groups and capabilities.  What a worker may do beyond that
 * (Landlock, seccomp) it takes from itself.
 */
#include "server/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/base.h"

#define TABLE_GROUP "vodd"

static int
find_user(const char *user, struct privileges *out,
    char warning[static SETTINGS_ERROR_MAX],
    char error[static SETTINGS_ERROR_MAX])
{
	const struct passwd *entry;

	warning[0] = '\0';
	if ((entry = getpwnam(user)) == NULL) {
		snprintf(warning, SETTINGS_ERROR_MAX,
		    "there is no user %.64s, workers run as nobody; to make "
		    "it: "
		    "systemd-sysusers, or useradd --system --user-group "
		    "--home-dir / --shell /usr/sbin/nologin %.64s",
		    user, user);
		entry = getpwnam("nobody");
	}
	if (entry == NULL) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "user: there is neither %.64s nor nobody", user);
		return -ENOENT;
	}
	if (entry->pw_uid == 0) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "user: workers must not run as %.64s, which is root", user);
		return -EINVAL;
	}
	snprintf(out->user, sizeof(out->user), "%s", entry->pw_name);
	out->uid = entry->pw_uid;
	out->gid = entry->pw_gid;
	return 0;
}

int
privileges_find(const char *user, const char *group, struct privileges *out,
    char warning[static SETTINGS_ERROR_MAX],
    char error[static SETTINGS_ERROR_MAX])
{
	struct privileges found = { .table_group = (gid_t)-1 };
	const struct group *entry;
	int result;

	warning[0] = '\0';
	found.root = geteuid() == 0;
	if (!found.root) {
		*out = found;
		return 0;
	}
	result = find_user(user, &found, warning, error);
	if (result != 0)
		return result;
	if (group[0] != '\0') {
		if ((entry = getgrnam(group)) == NULL) {
			snprintf(error, SETTINGS_ERROR_MAX,
			    "group: there is no group %.64s", group);
			return -ENOENT;
		}
		found.gid = entry->gr_gid;
	}
	/* With a user in more groups than these, the first ones count. */
	found.group_count = PRIVILEGES_GROUPS_MAX;
	if (getgrouplist(
		found.user, found.gid, found.groups, &found.group_count) == -1)
		found.group_count = PRIVILEGES_GROUPS_MAX;
	entry = getgrnam(TABLE_GROUP);
	if (entry != NULL)
		found.table_group = entry->gr_gid;
	*out = found;
	return 0;
}

/*
 * Ports below 1024, workers' users, signals to them; net admin (large send
 * buffers) where it was there.  The bounding set goes with it, so that nothing
 * comes back by an exec.
 */
int
privileges_limit_master(const struct privileges *privileges)
{
	static const unsigned kept[] = { CAP_NET_BIND_SERVICE, CAP_SETUID,
		CAP_SETGID, CAP_KILL, CAP_NET_ADMIN };
	bool had[ARRAY_LENGTH(kept)], may_bound;

	if (!privileges->root)
		return 0;
	if (capng_get_caps_process() != 0)
		return -EPERM;
	for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
		if (had[i])
			capng_update(CAPNG_ADD,
			    CAPNG_EFFECTIVE | CAPNG_PERMITTED |
				CAPNG_BOUNDING_SET,
			    kept[i]);
	/* A container may have taken the right to shrink the bounding set. */
	if (capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) != 0)
		return -EPERM;
	return 0;
}

int
privileges_drop(const struct privileges *privileges)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	if (!privileges->root)
		return 0;
	if (setgroups((size_t)privileges->group_count, privileges->groups) !=
		0 ||
	    setresgid(privileges->gid, privileges->gid, privileges->gid) != 0 ||
	    setresuid(privileges->uid, privileges->uid, privileges->uid) != 0)
		return -errno;
	/* Leaving uid 0 took them; what is left is a kernel we don't know. */
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0 || setuid(0) == 0)
		return -EPERM;
	return 0;
}
