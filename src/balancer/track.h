/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * track - a file per node of a service with its weight, as keepalived's
 * track_file reads them.
 */
#ifndef BALANCER_TRACK_H
#define BALANCER_TRACK_H

#include <stdint.h>

#include "balancer/rules.h"

#define TRACK_NAME_MAX (RULES_NAME_MAX + RULES_WORD_MAX)

/* "tcp_192.0.2.100_554-192.0.2.11_554" */
void track_name(
    const char *service, const char *server, char out[static TRACK_NAME_MAX]);
/* As a whole or not at all.  0 or -errno. */
int track_write(const char *folder, const char *service, const char *server,
    uint32_t weight);

#endif
