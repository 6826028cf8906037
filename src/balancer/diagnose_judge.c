/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is wrong with a director and its services: one function a check, and
 * each puts one finding.
 */
#include "balancer/diagnose_judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "balancer/diagnose_words.h"
#include "base/base.h"

/* --- the director ----------------------------------------------------------
 */
static void
timeouts_check(struct findings *findings, const struct judge_director *director)
{
	unsigned session_s =
	    director->session_s == 0 ? JUDGE_SESSION_S : director->session_s;
	const char *remedy = "ipvsadm --set 900 30 300";

	if (!director->timeouts_known)
		finding_unseen(findings, "root", "IPVS does not tell them");
	else if (director->tcp_s < 2 * session_s)
		finding_wrong(findings, remedy,
		    "IPVS forgets a connection after %u s of silence; viewers "
		    "may be silent for %u s",
		    director->tcp_s, session_s);
	else if (director->udp_s < JUDGE_UDP_S)
		finding_wrong(findings, remedy,
		    "IPVS forgets UDP after %u s; viewers may report every "
		    "%u s",
		    director->udp_s, JUDGE_UDP_S);
	else
		finding_ok(findings, "%u s for connections, %u s for UDP",
		    director->tcp_s, director->udp_s);
}

static void
nodest_check(struct findings *findings, const struct judge_director *director)
{
	const char *name = "net.ipv4.vs.expire_nodest_conn";

	if (director->expire_nodest == -1)
		finding_unseen(
		    findings, "modprobe ip_vs", "there is no %s", name);
	else if (director->expire_nodest == 0)
		finding_wrong(findings,
		    "sysctl -w net.ipv4.vs.expire_nodest_conn=1",
		    "viewers of a node that is gone are not told (%s=0)", name);
	else
		finding_ok(findings, "%s=1", name);
}

void
judge_director(struct findings *findings, const struct judge_director *director)
{
	findings->where = "director";
	findings->check = "timeouts";
	timeouts_check(findings, director);
	findings->check = "nodest";
	nodest_check(findings, director);
}

/* --- a service -------------------------------------------------------------
 */
static void
servers_check(struct findings *findings, const struct judge_service *service)
{
	char option[WORDS_MAX], remedy[WORDS_MAX];

	words_service(option, service->name);
	if (service->rules == NULL)
		return; /* somebody said so */
	if (service->service == NULL)
		finding_wrong(findings,
		    words_make(remedy,
			"setup-director, or: ipvsadm -A %s -s wlc", option),
		    "it is not in IPVS");
	else if (service->service->count == 0)
		finding_wrong(findings,
		    words_make(remedy,
			"setup-director, or: ipvsadm -a %s -r NODE:PORT -g",
			option),
		    "it has no servers");
	else
		finding_ok(findings, "servers: %zu", service->service->count);
}

static void
scheduler_check(struct findings *findings, const struct judge_service *service)
{
	static const char *const weightless[] = { "rr", "lc", "dh" };
	const char *scheduler = service->service->scheduler;
	char option[WORDS_MAX], remedy[WORDS_MAX];

	words_service(option, service->name);
	for (size_t i = 0; i < ARRAY_LENGTH(weightless); i++) {
		if (strcmp(scheduler, weightless[i]) != 0)
			continue;
		finding_wrong(findings,
		    words_make(remedy, "ipvsadm -E %s -s wlc", option),
		    "%s does not look at weights", scheduler);
		return;
	}
	finding_ok(findings, "%s looks at weights", scheduler);
}

static void
persistence_check(
    struct findings *findings, const struct judge_service *service)
{
	char option[WORDS_MAX], remedy[WORDS_MAX];

	words_service(option, service->name);
	if (service->service->persistent)
		finding_wrong(findings,
		    words_make(remedy, "ipvsadm -E %s -s %s", option,
			service->service->scheduler),
		    "all viewers behind one address go to one node, whatever "
		    "its weight");
	else
		finding_ok(findings, "none");
}

static void
vip_check(struct findings *findings, const struct judge_service *service)
{
	bool here = service->vip_is_here;
	char other[WORDS_MAX];

	words_machine(other, &service->vip_other);
	if (service->unseen != NULL && here)
		finding_ok(findings,
		    "%s is here; who else has it was not looked for",
		    service->vip);
	else if (service->unseen != NULL)
		finding_unseen(findings, service->unseen,
		    "%s is not here, and who has it was not seen",
		    service->vip);
	else if (!here && service->vip_others == 0)
		finding_wrong(findings, "setup-director, or start keepalived",
		    "no director has %s", service->vip);
	else if (service->vip_others > 1 || (here && service->vip_others > 0))
		finding_wrong(findings,
		    "ip addr del, on all directors but one; or let their "
		    "keepalived hear each other",
		    "%s is %s%s", service->vip,
		    here ? "here and at " : "at several machines, as ", other);
	else if (here)
		finding_ok(findings, "%s is here", service->vip);
	else
		finding_ok(findings, "%s has %s; this director waits", other,
		    service->vip);
}

static void
ranges_check(struct findings *findings, const struct judge_service *service)
{
	const struct marks_rule *a, *b;

	if (service->marks_unseen != NULL)
		finding_unseen(
		    findings, service->marks_unseen, "marks could not be read");
	else if (service->marks.count == 0)
		finding_wrong(findings, "setup-director VIP NODE=FIRST-LAST...",
		    "no UDP to %s is marked: viewers' RTCP is lost",
		    service->vip);
	else if (marks_overlap(&service->marks, &a, &b))
		finding_wrong(findings,
		    "give each node a range of its own (setup-realserver), and "
		    "tell setup-director",
		    "ports %u-%u have mark %" PRIu32
		    ", and %u-%u mark %" PRIu32,
		    a->first, a->last, a->mark, b->first, b->last, b->mark);
	else
		finding_ok(findings,
		    "ranges of ports: %zu, none within another",
		    service->marks.count);
}

typedef void service_check(
    struct findings *findings, const struct judge_service *service);

/* clang-format off */
static const struct {
	const char *name;
	service_check *check;
	bool of_service, of_vip; /* there has to be one */
} checks[] = {
	{ "service",     servers_check,     false, false },
	{ "scheduler",   scheduler_check,   true,  false },
	{ "persistence", persistence_check, true,  false },
	{ "vip",         vip_check,         false, true },
	{ "marks",       ranges_check,      false, true },
};
/* clang-format on */

void
judge_service(struct findings *findings, const struct judge_service *service)
{
	findings->where = service->name;
	for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
		if ((checks[i].of_service && service->service == NULL) ||
		    (checks[i].of_vip && service->vip == NULL))
			continue;
		findings->check = checks[i].name;
		checks[i].check(findings, service);
	}
}

/* --- capacities ------------------------------------------------------------
 */
static double
bps_of_weight(const struct judge_node *node)
{
	if (node->weight == 0 || node->agent->trouble != NULL)
		return 0;
	return (double)node->agent->report.capacity_bps / (double)node->weight;
}

/* The median: the first that as many are above as below. */
static double
usual_bps_of_weight(const struct judge_node *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		double one = bps_of_weight(&nodes[i]);
		size_t below = 0, above = 0, same = 0;

		for (size_t k = 0; k < count; k++) {
			double other = bps_of_weight(&nodes[k]);

			below += other > 0 && other < one;
			above += other > one;
			same += other >= one && other <= one;
		}
		if (one > 0 && below < above + same && above < below + same)
			return one;
	}
	return 0;
}

void
judge_capacities(struct judge_node *nodes, size_t count)
{
	double usual_bps = usual_bps_of_weight(nodes, count);

	for (size_t i = 0; i < count; i++)
		nodes[i].fair_bps =
		    (uint64_t)(usual_bps * (double)nodes[i].weight);
}
