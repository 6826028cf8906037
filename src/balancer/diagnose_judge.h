/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diagnose_judge - what is wrong with a cluster by direct routing, and what to
 * do about it, from what was seen of it.
 *
 * A fault is named once: what cannot be seen because of another one is not
 * checked.  No I/O but the findings.
 */
#ifndef BALANCER_DIAGNOSE_JUDGE_H
#define BALANCER_DIAGNOSE_JUDGE_H

#include <net/ethernet.h>
#include <stdbool.h>
#include <stdint.h>

#include "balancer/ask.h"
#include "balancer/diagnose_finding.h"
#include "balancer/diagnose_marks.h"
#include "balancer/diagnose_viewers.h"
#include "balancer/diagnose_visit.h"
#include "balancer/rules.h"

/* A session lasts so long without a word, unless a node says otherwise. */
#define JUDGE_SESSION_S 60u
/* Some reports of a viewer (RTCP) in a row. */
#define JUDGE_UDP_S 30u
/* A capacity is what the weight says, more or less this part of it. */
#define JUDGE_CAPACITY_PART 0.1
/* An agent's numbers are from a server that gave a sign of life since. */
#define JUDGE_HEARTBEAT_MS 5000u
/* So many viewers without an answer are no chance, if nobody has one. */
#define JUDGE_WAITING 3u

struct judge_director {
	bool timeouts_known;
	unsigned tcp_s, udp_s; /* IPVS timeouts */
	uint32_t session_s; /* the longest of the nodes' sessions; 0: unknown */
	int expire_nodest; /* sysctl; -1: it could not be read */
};

struct judge_service {
	const char *name;
	const struct rules *rules; /* NULL: they could not be read */
	const struct rules_service *service; /* NULL: not among them */
	const char *vip; /* "192.0.2.100"; NULL: a mark's, which has none */
	const char *unseen; /* what ARP and visits need; NULL: they were made */
	bool vip_is_here; /* an address of this machine */
	unsigned vip_others; /* machines that answer for it, but for nodes */
	struct ether_addr vip_other; /* the first of them */
	const char *marks_unseen; /* what that needs; NULL: they are known */
	struct marks marks;
	const char *title; /* "": none to play */
};

struct judge_node {
	const struct rules_server *server;
	const struct ask_agent *agent;
	bool has_machine; /* ARP for its address was answered */
	struct ether_addr machine;
	bool answers_vip; /* and that for VIP was, too */
	struct visit own, vip; /* of its address, of VIP */
	struct viewers viewers; /* whom the director gave it */
	uint64_t weight; /* configured; 0: none */
	uint64_t fair_bps; /* capacity by that weight; 0: not known */
};

/* What the capacities of nodes with weights would be, by those of most. */
void judge_capacities(struct judge_node *nodes, size_t count);

void judge_director(
    struct findings *findings, const struct judge_director *director);
void judge_service(
    struct findings *findings, const struct judge_service *service);
void judge_node(struct findings *findings, const struct judge_service *service,
    const struct judge_node *node);

#endif
