/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ipvs - the kernel's table of virtual services, through ipvsadm.
 *
 * Only weights of real servers are ever changed: none is added or removed, and
 * all else about them stays.  The caller waits for ipvsadm, at most
 * IPVS_LIMIT_US.
 */
#ifndef BALANCER_IPVS_H
#define BALANCER_IPVS_H

#include "balancer/rules.h"
#include "base/base.h"

#define IPVS_LIMIT_US (3 * US_PER_SECOND)

struct ipvs {
	const char *program; /* borrowed: the path of ipvsadm */
	char *text; /* owned; of RULES_TEXT_MAX bytes */
};

/* 0 or -ENOMEM. */
int ipvs_open(struct ipvs *ipvs, const char *program);
void ipvs_close(struct ipvs *ipvs);

/* All services there are, for rules_free().  0, or -errno with ERROR set. */
int ipvs_read(struct ipvs *ipvs, struct rules *out,
    char error[static SETTINGS_ERROR_MAX]);

/* The weight that one server is to have. */
struct ipvs_change {
	const char *service; /* its name */
	struct rules_server server; /* as it was read */
	uint32_t weight;
};
/*
 * All in one go, thresholds kept.  Whatever error there is, some may have been
 * made: who reads the table again knows.
 */
int ipvs_write(struct ipvs *ipvs, struct ipvs_change *changes, size_t count,
    char error[static SETTINGS_ERROR_MAX]);

#endif
