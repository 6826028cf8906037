/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is wrong with a node: one function a check, and each puts one finding.
 */
#include "balancer/diagnose_judge.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "balancer/diagnose_words.h"
#include "base/base.h"

/* --- a node ----------------------------------------------------------------
 */
struct node_view {
	struct findings *findings;
	const struct judge_service *service;
	const struct judge_node *node;
	const struct load_report *report; /* NULL: there is none */
};

static const char *
address_text(struct in_addr address, char text[static INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
}

static void
forwarding_check(const struct node_view *view)
{
	const struct rules_server *server = view->node->server;
	char option[WORDS_MAX], remedy[WORDS_MAX];

	if (view->service->service == NULL)
		return;
	words_service(option, view->service->name);
	if (strncmp(server->options, "-g", 2) == 0)
		finding_ok(view->findings, "direct routing");
	else
		finding_wrong(view->findings,
		    words_make(remedy, "ipvsadm -e %s -r %s -g -w %u", option,
			server->name, server->weight),
		    "%s, not direct routing: media comes from another address "
		    "or through here",
		    strncmp(server->options, "-i", 2) == 0 ? "a tunnel"
							   : "masquerading");
}

static void
segment_check(const struct node_view *view)
{
	char machine[WORDS_MAX];

	if (view->service->unseen != NULL)
		finding_unseen(view->findings, view->service->unseen,
		    "whether it is on this segment was not seen");
	else if (view->node->has_machine)
		finding_ok(view->findings, "%s",
		    words_machine(machine, &view->node->machine));
	else
		finding_wrong(view->findings,
		    "switch it on; direct routing needs one Ethernet segment",
		    "nobody answers ARP for its address");
}

/* Of a report that is not understood; 0: it names none. */
static unsigned
agent_version(const struct ask_agent *agent)
{
	const char *line;
	unsigned version = 0;

	if (agent->size == 0 || agent->size >= sizeof(agent->text) ||
	    memchr(agent->text, '\0', agent->size) != NULL)
		return 0;
	line = memmem(agent->text, agent->size, "\nversion ", 9);
	if (line == NULL ||
	    memchr(line + 1, '\n',
		agent->size - (size_t)(line + 1 - agent->text)) == NULL ||
	    sscanf(line, "\nversion %6u\n", &version) != 1)
		return 0;
	return version;
}

static void
agent_check(const struct node_view *view)
{
	const struct ask_agent *agent = view->node->agent;
	unsigned version = agent_version(agent);

	if (view->report != NULL)
		finding_ok(view->findings, "node %s, %s", view->report->node,
		    load_state_name(view->report->state));
	else if (version != 0 && version != LOAD_VERSION)
		finding_wrong(view->findings,
		    "install the same version on both",
		    "its agent speaks version %u, this is %u", version,
		    LOAD_VERSION);
	else
		finding_wrong(view->findings,
		    "on the node: start vodagent; allow this director in "
		    "vodagent.conf",
		    "no report from its agent: %s", agent->trouble);
}

static void
capacity_check(const struct node_view *view)
{
	double fair_bps = (double)view->node->fair_bps, said_bps;

	if (view->report == NULL) {
		finding_unseen(
		    view->findings, "its agent", "only its agent knows");
		return;
	}
	said_bps = (double)view->report->capacity_bps;
	if (fair_bps > 0 &&
	    fabs(said_bps - fair_bps) > JUDGE_CAPACITY_PART * fair_bps)
		finding_wrong(view->findings,
		    "capacity in its vodagent.conf, or weight in "
		    "vodbalance.conf",
		    "its agent says %.1f Mbit/s; beside the others its weight "
		    "makes %.1f",
		    said_bps / 1e6, fair_bps / 1e6);
	else
		finding_ok(view->findings, "%.1f Mbit/s", said_bps / 1e6);
}

/* NULL: nothing. */
static const char *
server_fault(const struct node_view *view)
{
	const struct load_report *report = view->report;
	const struct judge_node *node = view->node;

	if (report != NULL && report->state == LOAD_DOWN)
		return report->reason;
	if (node->own.trouble != NULL)
		return node->own.trouble;
	if (report != NULL && report->heartbeat_age_ms > JUDGE_HEARTBEAT_MS)
		return "its workers gave no sign of life for long";
	if (report != NULL && report->rtsp_ok == 0)
		return "it does not answer its own agent (rtsp in "
		       "vodagent.conf)";
	if (node->vip.connected && node->vip.trouble != NULL)
		return node->vip.trouble;
	return NULL;
}

static void
server_check(const struct node_view *view)
{
	const char *fault = server_fault(view);

	if (fault != NULL)
		finding_wrong(view->findings,
		    "on the node: start vodd, vodd -t, its log", "RTSP: %s",
		    fault);
	else
		finding_ok(view->findings, "answers OPTIONS%s",
		    view->report != NULL && view->report->state == LOAD_DRAIN
			? "; it drains and gets no new viewers"
			: "");
}

static void
lo_check(const struct node_view *view)
{
	const struct visit *visit = &view->node->vip;
	const char *vip = view->service->vip;
	bool visited = view->service->unseen == NULL;
	char remedy[WORDS_MAX];

	words_make(remedy, "on the node: setup-realserver %s FIRST-LAST", vip);
	if (visit->connected || visit->refused)
		finding_ok(view->findings, "it takes what comes for %s", vip);
	else if (view->report != NULL && view->report->vip_on_lo == 0)
		finding_wrong(
		    view->findings, remedy, "%s is not on its lo", vip);
	else if (visited)
		finding_wrong(view->findings, remedy,
		    "it does not take what comes for %s%s", vip,
		    view->report == NULL
			? ""
			: ", although its agent sees an address on lo");
	else if (view->report != NULL)
		finding_ok(view->findings, "its agent sees it on lo");
	else
		finding_unseen(view->findings, "its agent, or CAP_NET_RAW here",
		    "whether it has the address was not seen");
}

static void
arp_check(const struct node_view *view)
{
	const struct load_report *report = view->report;
	const char *remedy =
	    "on the node: sysctl -w net.ipv4.conf.all.arp_ignore=1";
	char machine[WORDS_MAX];

	if (view->node->answers_vip)
		finding_wrong(view->findings, remedy,
		    "%s answers ARP for %s: viewers go past the director",
		    words_machine(machine, &view->node->machine),
		    view->service->vip);
	else if (report != NULL && report->arp_ignore == 0)
		finding_wrong(view->findings, remedy,
		    "it would answer ARP for %s: arp_ignore is 0",
		    view->service->vip);
	else if (view->service->unseen == NULL)
		finding_ok(view->findings, "it does not answer for %s",
		    view->service->vip);
	else if (report != NULL)
		finding_ok(view->findings, "arp_ignore is %" PRIu64,
		    report->arp_ignore);
	else
		finding_unseen(view->findings, "its agent, or CAP_NET_RAW here",
		    "whether it answers was not seen");
}

static void
announce_check(const struct node_view *view)
{
	if (view->report == NULL)
		finding_unseen(view->findings, "its agent",
		    "only its agent knows arp_announce");
	else if (view->report->arp_announce != 2)
		finding_wrong(view->findings,
		    "on the node: sysctl -w net.ipv4.conf.all.arp_announce=2",
		    "it tells others that %s is there: arp_announce is "
		    "%" PRIu64,
		    view->service->vip, view->report->arp_announce);
	else
		finding_ok(view->findings, "arp_announce is 2");
}

/* --- RTCP's way to it ------------------------------------------------------
 */
static const struct rules_service *
mark_service(const struct judge_service *service, uint32_t mark)
{
	char name[RULES_NAME_MAX];

	snprintf(name, sizeof(name), "fwmark:%" PRIu32, mark);
	return rules_find(service->rules, name);
}

static bool
mark_leads_here(const struct node_view *view, uint32_t mark)
{
	const struct rules_service *service = mark_service(view->service, mark);

	return service != NULL && service->count == 1 &&
	       sock_address_same_host(
		   &service->servers[0].address, &view->node->server->address);
}

/* The first mark that leads here; NULL: none. */
static const struct marks_rule *
mark_of_node(const struct node_view *view)
{
	const struct marks *marks = &view->service->marks;

	for (size_t i = 0; i < marks->count; i++) {
		if (mark_leads_here(view, marks->rules[i].mark))
			return &marks->rules[i];
	}
	return NULL;
}

/* RULE is for ports of this node, and does not lead here. */
static void
mark_misleads(const struct node_view *view, const struct marks_rule *rule)
{
	const struct rules_service *service =
	    mark_service(view->service, rule->mark);
	char host[SOCK_TEXT_MAX];
	char remedy[WORDS_MAX];

	if (service != NULL && service->count > 0) {
		finding_wrong(view->findings,
		    "give each node a range of its own: setup-realserver, "
		    "setup-director",
		    "ports %u-%u have mark %" PRIu32 ", which leads to %s%s",
		    rule->first, rule->last, rule->mark,
		    service->servers[0].name,
		    service->count > 1 ? " and others" : "");
		return;
	}
	sock_address_text(&view->node->server->address, false, host);
	words_make(remedy,
	    "ipvsadm -A -f %" PRIu32 " -s rr; ipvsadm -a -f %" PRIu32
	    " -r %s:0 -g",
	    rule->mark, rule->mark, host);
	finding_wrong(view->findings, remedy,
	    "ports %u-%u have mark %" PRIu32 ", which leads nowhere in IPVS",
	    rule->first, rule->last, rule->mark);
}

/* Of the port that its server was seen to send from. */
static void
port_check(const struct node_view *view, uint16_t port)
{
	uint16_t rtcp_port = (uint16_t)(port + 1);
	const struct marks_rule *first = NULL, *rule;
	char remedy[WORDS_MAX];
	size_t at = 0;

	while ((rule = marks_find(&view->service->marks, rtcp_port, &at)) !=
	       NULL) {
		if (mark_leads_here(view, rule->mark)) {
			finding_ok(view->findings,
			    "RTCP to port %u has mark %" PRIu32
			    ", which leads here",
			    rtcp_port, rule->mark);
			return;
		}
		if (first == NULL)
			first = rule;
	}
	if (first != NULL) {
		mark_misleads(view, first);
		return;
	}
	finding_wrong(view->findings,
	    words_make(remedy,
		"setup-director %s NODE=FIRST-LAST... with its rtp_ports",
		view->service->vip),
	    "RTCP to port %u, as its viewers send it, has no mark and is lost",
	    rtcp_port);
}

static void
mark_check(const struct node_view *view)
{
	const struct judge_service *service = view->service;
	uint16_t port = view->node->own.server_port;
	const struct marks_rule *rule;

	if (service->rules == NULL || service->marks_unseen != NULL) {
		finding_unseen(view->findings,
		    service->marks_unseen != NULL ? service->marks_unseen
						  : "root",
		    "marks could not be read");
		return;
	}
	if (service->marks.count == 0) {
		finding_unseen(
		    view->findings, "marks", "there are no marks at all");
		return;
	}
	if (port != 0) {
		port_check(view, port);
		return;
	}
	if ((rule = mark_of_node(view)) != NULL)
		finding_ok(view->findings,
		    "ports %u-%u have mark %" PRIu32 ", which leads here; "
		    "whether it sends from them was not seen",
		    rule->first, rule->last, rule->mark);
	else
		finding_wrong(view->findings,
		    "setup-director VIP NODE=FIRST-LAST...",
		    "no mark leads to it: its viewers' RTCP is lost");
}

/* --- media -----------------------------------------------------------------
 */
/* Why there can be no media; NULL: there should be. */
static const char *
media_unseen(const struct node_view *view, const char **needs)
{
	const struct judge_node *node = view->node;

	if (view->service->unseen != NULL) {
		*needs = view->service->unseen;
		return "it was not visited as viewers do";
	}
	if (view->service->title[0] == '\0') {
		*needs = "diagnose_title in vodbalance.conf";
		return "there is no title to play";
	}
	if (!node->vip.connected || node->vip.trouble != NULL) {
		*needs = "a server that answers at the virtual address";
		return "no connection";
	}
	if (node->own.server_port == 0 && node->own.status != 404) {
		*needs = "a node with room for a viewer";
		return "it does not give the title now";
	}
	return NULL;
}

static void
media_check(const struct node_view *view)
{
	const struct visit *visit = &view->node->vip;
	char address[INET_ADDRSTRLEN];
	const char *needs = NULL, *unseen = media_unseen(view, &needs);

	address_text(visit->media_from, address);
	if (unseen != NULL)
		finding_unseen(view->findings, needs, "%s", unseen);
	else if (view->node->own.server_port == 0)
		finding_wrong(view->findings,
		    "on the node: media_root of vodd.conf", "it has no %s",
		    view->service->title);
	else if (!visit->played)
		finding_wrong(view->findings, "on the node: vodd's log",
		    "at %s it does not play what it has: %u",
		    view->service->vip, visit->status);
	else if (!visit->media)
		finding_wrong(view->findings,
		    "on the node: look for a filter of UDP",
		    "it plays, and no media comes");
	else if (strcmp(address, view->service->vip) != 0 ||
		 visit->media_from_port != visit->server_port)
		finding_wrong(view->findings,
		    "on the node: take out what changes addresses of what "
		    "leaves (iptables -t nat -S, nft list ruleset)",
		    "its media comes from %s:%u, not from %s:%u", address,
		    visit->media_from_port, view->service->vip,
		    visit->server_port);
	else
		finding_ok(view->findings, "comes from %s:%u", address,
		    visit->media_from_port);
}

/*
 * A visitor on the segment is answered and they are not: the node drops what
 * comes from them, or its answers go astray.
 */
static void
viewers_check(const struct node_view *view)
{
	const struct viewers *viewers = &view->node->viewers;
	const struct visit *visit = &view->node->vip;

	if (viewers->answered > 0 || viewers->waiting < JUDGE_WAITING)
		finding_ok(view->findings,
		    "%zu connections of viewers were answered, %zu wait",
		    viewers->answered, viewers->waiting);
	else if (!visit->connected || visit->trouble != NULL)
		finding_unseen(view->findings,
		    "a server that answers at the virtual address",
		    "%zu viewers wait", viewers->waiting);
	else
		finding_wrong(view->findings,
		    "on the node: its route to the viewers; where that leaves "
		    "by another interface, sysctl -w "
		    "net.ipv4.conf.all.rp_filter=2",
		    "it answers here, but none of %zu viewers",
		    viewers->waiting);
}

/* --- all of a node ---------------------------------------------------------
 */
typedef void node_check(const struct node_view *view);

/* clang-format off */
static const struct check {
	const char *name;
	node_check *check;
	bool asks; /* the node, which has to be there */
	bool of_vip; /* there has to be one */
} checks[] = {
	{ "forwarding", forwarding_check, false, false },
	{ "segment",    segment_check,    false, true },
	{ "agent",      agent_check,      true,  false },
	{ "capacity",   capacity_check,   true,  false },
	{ "server",     server_check,     true,  false },
	{ "vip",        lo_check,         true,  true },
	{ "arp",        arp_check,        true,  true },
	{ "announce",   announce_check,   true,  true },
	{ "mark",       mark_check,       false, true },
	{ "media",      media_check,      true,  true },
	{ "viewers",    viewers_check,    true,  true },
};
/* clang-format on */

void
judge_node(struct findings *findings, const struct judge_service *service,
    const struct judge_node *node)
{
	const struct node_view view = {
		.findings = findings,
		.service = service,
		.node = node,
		.report =
		    node->agent->trouble == NULL ? &node->agent->report : NULL,
	};
	bool gone = service->unseen == NULL && !node->has_machine;

	findings->where = node->server->name;
	for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
		if (checks[i].of_vip && service->vip == NULL)
			continue;
		findings->check = checks[i].name;
		if (checks[i].asks && gone)
			finding_unseen(findings, "the node", "it is gone");
		else
			checks[i].check(&view);
	}
}
