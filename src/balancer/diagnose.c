/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks: first at what needs rights, then, without them, at what comes from
 * other machines.  What it means is diagnose_judge's business.
 */
#include "balancer/diagnose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "balancer/command.h"
#include "balancer/diagnose_judge.h"
#include "balancer/ipvs.h"
#include "balancer/privileges.h"
#include "base/base.h"
#include "base/loop.h"

#define NODEST_FILE "/proc/sys/net/ipv4/vs/expire_nodest_conn"

struct look { /* at a service */
	char name[RULES_NAME_MAX];
	char vip_text[SOCK_TEXT_MAX];
	union sock_address vip;
	struct segment segment;
	struct judge_service seen;
	struct judge_node *nodes; /* parts of the diagnosis' */
	struct ask_agent *agents;
	size_t count;
};

struct diagnosis {
	const struct config *config;
	const char *wanted_text; /* NULL: all nodes */
	union sock_address wanted;
	struct ipvs ipvs;
	struct rules rules;
	bool rules_known;
	struct rules_service stand_in; /* when the table could not be read */
	struct rules_server stand_in_server;
	struct judge_director director;
	struct look *looks; /* owned */
	size_t count;
	struct judge_node *nodes; /* owned; of all, one behind another */
	struct ask_agent *agents; /* the same */
	size_t nodes_used;
	struct findings findings;
};

static bool
is_root(void)
{
	return geteuid() == 0;
}

/* --- with rights -----------------------------------------------------------
 */
static void
table_read(struct diagnosis *diagnosis)
{
	static char error[SETTINGS_ERROR_MAX];

	diagnosis->rules_known =
	    ipvs_read(&diagnosis->ipvs, &diagnosis->rules, error) == 0;
	diagnosis->findings.where = "director";
	diagnosis->findings.check = "table";
	if (diagnosis->rules_known)
		return;
	if (is_root())
		finding_wrong(
		    &diagnosis->findings, "modprobe ip_vs", "%s", error);
	else
		finding_unseen(&diagnosis->findings, "root", "%s", error);
}

/* What a program says, into the text of ipvs; false: it failed. */
static bool
said(struct ipvs *ipvs, const char *const *words, size_t *size)
{
	char error[SETTINGS_ERROR_MAX];
	struct command command = { .words = words, .limit_us = IPVS_LIMIT_US };

	return command_run(
		   &command, ipvs->text, RULES_TEXT_MAX - 1, size, error) == 0;
}

static void
director_look(struct diagnosis *diagnosis)
{
	struct judge_director *director = &diagnosis->director;
	const char *words[] = { diagnosis->ipvs.program, "-L", "--timeout",
		NULL };
	size_t size = 0;
	FILE *file = fopen(NODEST_FILE, "re");

	if (said(&diagnosis->ipvs, words, &size)) {
		diagnosis->ipvs.text[size] = '\0';
		director->timeouts_known =
		    sscanf(diagnosis->ipvs.text,
			"Timeout (tcp tcpfin udp): %9u %*u %9u",
			&director->tcp_s, &director->udp_s) == 2;
	}
	director->expire_nodest = -1;
	if (file == NULL)
		return;
	if (fscanf(file, "%9d", &director->expire_nodest) != 1)
		director->expire_nodest = -1;
	fclose(file);
}

/* Both kinds of rules may stand side by side, and a kernel may lack one. */
static void
marks_look(struct diagnosis *diagnosis, struct judge_service *seen)
{
	static const char *const nft[] = { "/usr/sbin/nft", "-n", "list",
		"ruleset", NULL };
	static const char *const iptables[] = {
		"/usr/sbin/iptables-legacy-save", "-t", "mangle", NULL
	};
	struct ipvs *ipvs = &diagnosis->ipvs;
	bool known = false;
	size_t size;

	if (strchr(seen->vip, ':') != NULL) {
		seen->marks_unseen = "IPv4";
		return;
	}
	if (said(ipvs, nft, &size)) {
		known = true;
		marks_read_nft(ipvs->text, size, seen->vip, &seen->marks);
	}
	if (said(ipvs, iptables, &size)) {
		known = true;
		marks_read_iptables(ipvs->text, size, seen->vip, &seen->marks);
	}
	if (seen->marks.count == 0 && !(known && is_root()))
		seen->marks_unseen = "nft or iptables-legacy, and root";
}

static bool
is_wanted(const struct diagnosis *diagnosis, const struct rules_server *server)
{
	return diagnosis->wanted_text == NULL ||
	       sock_address_same_host(&server->address, &diagnosis->wanted);
}

static void
node_add(const struct config *config, struct look *look,
    const struct rules_server *server)
{
	const struct config_node *configured =
	    config_node_find(config, &server->address);
	struct ask_agent *agent = &look->agents[look->count];

	agent->address = config_agent_of(config, configured, &server->address);
	look->nodes[look->count++] = (struct judge_node){
		.server = server,
		.agent = agent,
		.weight = configured == NULL ? 0 : configured->weight,
	};
}

static void
nodes_choose(struct diagnosis *diagnosis, struct look *look)
{
	const struct rules_service *service = look->seen.service;

	if (service == NULL && !diagnosis->rules_known)
		service = &diagnosis->stand_in;
	look->nodes = &diagnosis->nodes[diagnosis->nodes_used];
	look->agents = &diagnosis->agents[diagnosis->nodes_used];
	for (size_t i = 0; service != NULL && i < service->count; i++) {
		if (is_wanted(diagnosis, &service->servers[i]))
			node_add(diagnosis->config, look, &service->servers[i]);
	}
	diagnosis->nodes_used += look->count;
}

static void
viewer_note(struct look *look, const struct viewers_connection *connection)
{
	if (!sock_address_same_host(&connection->to, &look->vip) ||
	    sock_address_port(&connection->to) != sock_address_port(&look->vip))
		return;
	for (size_t i = 0; i < look->count; i++) {
		struct judge_node *node = &look->nodes[i];

		if (!sock_address_same_host(
			&connection->node, &node->server->address))
			continue;
		if (connection->waiting)
			node->viewers.waiting++;
		else
			node->viewers.answered++;
	}
}

static void
viewers_look(struct look *look)
{
	struct viewers_connection connection;
	char line[512];
	FILE *file = fopen(VIEWERS_FILE, "re");

	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (viewers_parse(line, &connection))
			viewer_note(look, &connection);
	}
	fclose(file);
}

static const char *
unseen_text(int error)
{
	switch (error) {
	case 0:
		return NULL;
	case -EPERM:
		return "CAP_NET_RAW, which root has";
	case -EAFNOSUPPORT:
		return "IPv4";
	default:
		return "a way to the nodes";
	}
}

static void
service_look(struct diagnosis *diagnosis, const char *name)
{
	struct look *look = &diagnosis->looks[diagnosis->count++];
	struct judge_service *seen = &look->seen;
	const char *prefix = "tcp:";
	const union sock_address *first;
	char interface[IF_NAMESIZE];

	(void)rules_name(name, look->name);
	look->segment = (struct segment){ .arp = -1, .ip = -1 };
	*seen = (struct judge_service){ .name = look->name,
		.unseen = "a node",
		.title = diagnosis->config->diagnose_title };
	if (diagnosis->rules_known) {
		seen->rules = &diagnosis->rules;
		seen->service = rules_find(&diagnosis->rules, look->name);
	}
	if (strncmp(look->name, prefix, strlen(prefix)) == 0 &&
	    sock_address_parse(look->name + strlen(prefix), &look->vip) == 0) {
		sock_address_text(&look->vip, false, look->vip_text);
		seen->vip = look->vip_text;
		seen->vip_is_here = segment_is_own(&look->vip, interface);
		marks_look(diagnosis, seen);
	}
	nodes_choose(diagnosis, look);
	if (look->count == 0 || seen->vip == NULL)
		return;
	viewers_look(look);
	first = &look->nodes[0].server->address;
	seen->unseen = segment_is_own(first, interface)
			   ? "a node that is another machine"
			   : unseen_text(segment_open(&look->segment, first));
}

/* For all services that may be looked at; a service is one only once. */
static int
room_make(struct diagnosis *diagnosis)
{
	const struct settings_list *named = &diagnosis->config->services;
	const struct rules *rules = &diagnosis->rules;
	size_t nodes = named->count * diagnosis->stand_in.count;

	for (size_t i = 0; i < rules->count; i++)
		nodes += rules->services[i].count;
	diagnosis->looks = calloc(
	    MAX_OF(named->count, rules->count) + 1, sizeof(*diagnosis->looks));
	diagnosis->nodes = calloc(nodes + 1, sizeof(*diagnosis->nodes));
	diagnosis->agents = calloc(nodes + 1, sizeof(*diagnosis->agents));
	return diagnosis->looks == NULL || diagnosis->nodes == NULL ||
		       diagnosis->agents == NULL
		   ? -ENOMEM
		   : 0;
}

/* Of the configuration, or else all of TCP. */
static void
services_look(struct diagnosis *diagnosis)
{
	const struct settings_list *named = &diagnosis->config->services;
	const struct rules *rules = &diagnosis->rules;

	for (size_t i = 0; i < named->count; i++)
		service_look(diagnosis, named->text[i]);
	for (size_t i = 0; named->count == 0 && i < rules->count; i++) {
		if (strncmp(rules->services[i].name, "tcp:", 4) == 0)
			service_look(diagnosis, rules->services[i].name);
	}
}

/* --- without ---------------------------------------------------------------
 */
static void
agents_answered(void *context)
{
	loop_stop(context, 0);
}

static int
agents_ask(struct diagnosis *diagnosis, struct look *look)
{
	struct ask ask;
	struct loop *loop;
	int result;

	if (look->count == 0)
		return 0;
	if ((result = loop_new(&loop)) != 0)
		return result;
	ask_start(&ask, loop, look->agents, look->count,
	    diagnosis->config->timeout_us, agents_answered, loop);
	result = loop_run(loop);
	ask_stop(&ask);
	loop_free(loop);
	return result;
}

static struct judge_node *
node_of_machine(struct look *look, const struct ether_addr *machine)
{
	for (size_t i = 0; i < look->count; i++) {
		struct judge_node *node = &look->nodes[i];

		if (node->has_machine &&
		    memcmp(&node->machine, machine, sizeof(*machine)) == 0)
			return node;
	}
	return NULL;
}

static void
answers_note(
    struct look *look, const struct segment_answer *answers, size_t count)
{
	struct judge_service *seen = &look->seen;

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < look->count; k++) {
			struct judge_node *node = &look->nodes[k];

			if (node->server->address.in4.sin_addr.s_addr !=
				answers[i].address.s_addr ||
			    node->has_machine)
				continue;
			node->has_machine = true;
			node->machine = answers[i].from;
		}
	}
	for (size_t i = 0; i < count; i++) {
		struct judge_node *node;

		if (answers[i].address.s_addr != look->vip.in4.sin_addr.s_addr)
			continue;
		if ((node = node_of_machine(look, &answers[i].from)) != NULL)
			node->answers_vip = true;
		else if (seen->vip_others++ == 0)
			seen->vip_other = answers[i].from;
	}
}

static int
segment_look(struct look *look)
{
	size_t room = 2 * look->count + 16;
	struct in_addr *asked;
	struct segment_answer *answers;
	ssize_t count;

	if (look->seen.unseen != NULL)
		return 0;
	asked = calloc(look->count + 1, sizeof(*asked));
	answers = calloc(room, sizeof(*answers));
	if (asked == NULL || answers == NULL) {
		free(asked);
		free(answers);
		return -ENOMEM;
	}
	asked[0] = look->vip.in4.sin_addr;
	for (size_t i = 0; i < look->count; i++)
		asked[i + 1] = look->nodes[i].server->address.in4.sin_addr;
	count =
	    segment_ask(&look->segment, asked, look->count + 1, answers, room);
	if (count < 0)
		look->seen.unseen = unseen_text((int)count);
	else
		answers_note(look, answers, (size_t)count);
	free(asked);
	free(answers);
	return 0;
}

static void
node_visit(
    struct diagnosis *diagnosis, struct look *look, struct judge_node *node)
{
	const struct config *config = diagnosis->config;
	struct judge_director *director = &diagnosis->director;

	if (look->seen.unseen == NULL && !node->has_machine)
		return;
	visit_node(&node->own, &node->server->address, config->diagnose_title,
	    config->timeout_us);
	director->session_s = MAX_OF(director->session_s, node->own.timeout_s);
	if (look->seen.unseen == NULL)
		visit_vip(&node->vip, &look->segment, &node->machine,
		    &look->vip, config->diagnose_title, node->own.control,
		    config->timeout_us);
}

static int
service_tell(struct diagnosis *diagnosis, struct look *look)
{
	struct findings *findings = &diagnosis->findings;
	int result = agents_ask(diagnosis, look);

	if (result == 0)
		result = segment_look(look);
	if (result != 0)
		return result;
	judge_capacities(look->nodes, look->count);
	if (diagnosis->wanted_text == NULL)
		judge_service(findings, &look->seen);
	for (size_t i = 0; i < look->count; i++) {
		node_visit(diagnosis, look, &look->nodes[i]);
		judge_node(findings, &look->seen, &look->nodes[i]);
		fflush(findings->out);
	}
	return 0;
}

static int
all_tell(struct diagnosis *diagnosis)
{
	size_t nodes = 0;
	int result = 0;

	for (size_t i = 0; result == 0 && i < diagnosis->count; i++) {
		result = service_tell(diagnosis, &diagnosis->looks[i]);
		nodes += diagnosis->looks[i].count;
	}
	if (result == 0 && diagnosis->wanted_text == NULL)
		judge_director(&diagnosis->findings, &diagnosis->director);
	if (nodes == 0 && diagnosis->wanted_text != NULL) {
		diagnosis->findings.where = diagnosis->wanted_text;
		diagnosis->findings.check = "service";
		finding_wrong(&diagnosis->findings, "setup-director with it",
		    "it is in no service");
	}
	return result;
}

/* --- all of it -------------------------------------------------------------
 */

/* A node can be looked at without the table, at the port of the service. */
static void
stand_in_make(struct diagnosis *diagnosis)
{
	const struct settings_list *services = &diagnosis->config->services;
	struct rules_server *server = &diagnosis->stand_in_server;
	union sock_address vip;
	char name[SOCK_TEXT_MAX];

	if (diagnosis->rules_known || diagnosis->wanted_text == NULL ||
	    services->count == 0 ||
	    sock_address_parse(services->text[0] + strlen("tcp:"), &vip) != 0)
		return;
	server->address = diagnosis->wanted;
	sock_address_set_port(&server->address, sock_address_port(&vip));
	sock_address_text(&server->address, true, name);
	snprintf(server->name, sizeof(server->name), "%.63s", name);
	diagnosis->stand_in =
	    (struct rules_service){ .servers = server, .count = 1 };
}

static int
diagnose(struct diagnosis *diagnosis, char error[static SETTINGS_ERROR_MAX])
{
	int result = ipvs_open(&diagnosis->ipvs, diagnosis->config->ipvsadm);

	if (result != 0)
		return result;
	table_read(diagnosis);
	director_look(diagnosis);
	stand_in_make(diagnosis);
	if ((result = room_make(diagnosis)) != 0)
		return result;
	services_look(diagnosis);
	result = privileges_limit(diagnosis->config->user, "", error);
	return result == 0 ? all_tell(diagnosis) : result;
}

static void
diagnosis_end(struct diagnosis *diagnosis)
{
	for (size_t i = 0; i < diagnosis->count; i++)
		segment_close(&diagnosis->looks[i].segment);
	free(diagnosis->looks);
	free(diagnosis->nodes);
	free(diagnosis->agents);
	rules_free(&diagnosis->rules);
	ipvs_close(&diagnosis->ipvs);
}

int
diagnose_run(const struct config *config, const char *node, bool json)
{
	struct diagnosis diagnosis = {
		.config = config,
		.wanted_text = node,
		.findings = { .out = stdout, .json = json },
	};
	char error[SETTINGS_ERROR_MAX] = "";
	int result;

	if (node != NULL &&
	    !config_agent_address(config, node, &diagnosis.wanted)) {
		fprintf(stderr, "vodbalance: %s is no numeric address\n", node);
		return 2;
	}
	result = diagnose(&diagnosis, error);
	if (result != 0)
		fprintf(stderr, "vodbalance: %s\n",
		    error[0] != '\0' ? error : strerror(-result));
	diagnosis_end(&diagnosis);
	return result == 0 && diagnosis.findings.wrong == 0 ? 0 : 1;
}
