/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * privileges - giving up root but for what ipvsadm needs: CAP_NET_ADMIN.
 */
#ifndef BALANCER_PRIVILEGES_H
#define BALANCER_PRIVILEGES_H

#include "base/settings.h"

/*
 * Started by root: becomes USER with CAP_NET_ADMIN, which what it runs has too;
 * the folder of the file STATE ("": none) becomes this user's.  USER "root"
 * stays root.  0, or -errno with ERROR set.
 */
int privileges_limit(
    const char *user, const char *state, char error[static SETTINGS_ERROR_MAX]);

#endif
