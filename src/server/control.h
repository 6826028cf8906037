/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control - vodd -s: tell a running master something and wait until it is
 * done.
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include "server/instance.h"

#define CONTROL_ORDERS "stop, reload, upgrade, drain or undrain"
/* Is ORDER one of them? */
bool control_knows(const char *order);
/*
 * Prints what happened on stdout, what went wrong on stderr; the exit status.
 * Waits 30 s at most.
 */
int control_run(const struct instance *instance, const char *order);

#endif
