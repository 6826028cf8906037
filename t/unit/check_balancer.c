/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_balancer - what is between ipvsadm, the agents and the law: rules as
 * text, the state file, whose weight it is, exit statuses for keepalived.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "balancer/command.h"
#include "balancer/config.h"
#include "balancer/misc_check.h"
#include "balancer/rules.h"
#include "balancer/service.h"
#include "balancer/state.h"
#include "balancer/track.h"
#include "base/base.h"

#define GBIT UINT64_C(1000000000)

/* --- rules -----------------------------------------------------------------
 */

/* As ipvsadm 1.31 prints them. */
static const char saved[] =
    "-A -t 10.0.0.100:554 -s wlc\n"
    "-a -t 10.0.0.100:554 -r 127.0.0.1:554 -g -w 100\n"
    "-a -t 10.0.0.100:554 -r 127.0.0.2:554 -i -w 3 --tun-type gue "
    "--tun-port 6080 --tun-nocsum\n"
    "-A -u 10.0.0.100:99 -s wrr -o\n"
    "-A -t [fd00::100]:554 -s mh -b mh-fallback,mh-port\n"
    "-a -t [fd00::100]:554 -r [fd00::1]:554 -g -w 10\n"
    "-A -f 1 -s wlc -p 300\n"
    "-a -f 1 -r 127.0.0.1:0 -g -w 10\n"
    "-A -f 1 -6 -s wlc\n"
    "-a -f 1 -6 -r [fd00::1]:0 -m -w 0\n";

static const char listed[] =
    "IP Virtual Server version 1.2.1 (size=4096)\n"
    "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn "
    "InActConn \n"
    "  -> RemoteAddress:Port\n"
    "TCP  10.0.0.100:554 wlc\n"
    "  -> 127.0.0.1:554                500        400        0          7   "
    "      \n"
    "  -> 127.0.0.2:554                0          0          0          0   "
    "      \n"
    "UDP  10.0.0.100:99 wrr ops\n"
    "TCP  [fd00::100]:554 mh (mh-fallback,mh-port)\n"
    "  -> [fd00::1]:554                5          0          0          0   "
    "      \n"
    "FWM  1 wlc persistent 300\n"
    "  -> 127.0.0.1:0                  0          0          0          0   "
    "      \n"
    "FWM  1 IPv6 wlc\n"
    "  -> [fd00::1]:0                  9          0          0          0   "
    "      \n";

static struct rules
rules_of(const char *text)
{
	char error[SETTINGS_ERROR_MAX] = "";
	struct rules rules;

	ck_assert_msg(
	    rules_parse(text, strlen(text), &rules, error) == 0, "%s", error);
	return rules;
}

static struct rules_service *
service_of(const struct rules *rules, const char *name)
{
	for (size_t i = 0; i < rules->count; i++) {
		if (strcmp(rules->services[i].name, name) == 0)
			return &rules->services[i];
	}
	ck_abort_msg("no service %s", name);
}

START_TEST(rules_are_read_as_ipvsadm_saves_them)
{
	struct rules rules = rules_of(saved);
	const struct rules_service *service;

	ck_assert_uint_eq(rules.count, 5);
	service = service_of(&rules, "tcp:10.0.0.100:554");
	ck_assert_str_eq(service->scheduler, "wlc");
	ck_assert(!service->persistent);
	ck_assert_uint_eq(service->count, 2);
	ck_assert_str_eq(service->servers[0].name, "127.0.0.1:554");
	ck_assert_uint_eq(service->servers[0].weight, 100);
	ck_assert_str_eq(service->servers[0].options, "-g");
	ck_assert_str_eq(service->servers[1].options,
	    "-i --tun-type gue --tun-port 6080 --tun-nocsum");
	ck_assert(service_of(&rules, "fwmark:1")->persistent);
	service = service_of(&rules, "fwmark6:1");
	ck_assert_uint_eq(service->servers[0].weight, 0);
	ck_assert_int_eq(service->servers[0].address.family, AF_INET6);
	ck_assert_ptr_nonnull(rules_find(&rules, "tcp:[fd00::100]:554"));
	ck_assert_ptr_null(rules_find(&rules, "tcp:10.0.0.100:99"));
	rules_free(&rules);
}
END_TEST

static const char *
edit_of(const struct rules_service *service, size_t which, uint32_t weight)
{
	static char text[RULES_LINE_MAX];
	struct bytes_writer out = bytes_writer(text, sizeof(text) - 1);

	rules_format_edit(
	    &out, service->name, &service->servers[which], weight);
	ck_assert(!out.failed);
	text[out.at] = '\0';
	return text;
}

START_TEST(an_edit_changes_the_weight_and_nothing_else)
{
	struct rules rules = rules_of(saved);
	struct rules_service *tcp = service_of(&rules, "tcp:10.0.0.100:554");
	struct rules_service *mark = service_of(&rules, "fwmark6:1");
	char error[SETTINGS_ERROR_MAX] = "";

	ck_assert_int_eq(
	    rules_parse_thresholds(listed, strlen(listed), tcp, error), 0);
	ck_assert_int_eq(
	    rules_parse_thresholds(listed, strlen(listed), mark, error), 0);
	ck_assert_str_eq(edit_of(tcp, 0, 7),
	    "-e -t 10.0.0.100:554 -r 127.0.0.1:554 -g -w 7 -x 500 -y 400\n");
	ck_assert_str_eq(edit_of(tcp, 1, 0),
	    "-e -t 10.0.0.100:554 -r 127.0.0.2:554 -i --tun-type gue "
	    "--tun-port 6080 --tun-nocsum -w 0\n");
	ck_assert_str_eq(edit_of(mark, 0, 65535),
	    "-e -f 1 -6 -r [fd00::1]:0 -m -w 65535 -x 9\n");
	rules_free(&rules);
}
END_TEST

START_TEST(thresholds_of_a_server_that_is_gone_are_an_error)
{
	static const char other[] = "TCP  10.0.0.100:554 wlc\n"
				    "  -> 127.0.0.1:554 0 0 0 0\n"
				    "UDP  10.0.0.100:554 wlc\n"
				    "  -> 127.0.0.2:554 0 0 0 0\n";
	struct rules rules = rules_of(saved);
	char error[SETTINGS_ERROR_MAX] = "";

	ck_assert_int_eq(rules_parse_thresholds(
			     other, strlen(other), &rules.services[0], error),
	    -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error, "tcp:10.0.0.100:554"));
	rules_free(&rules);
}
END_TEST

START_TEST(a_table_that_is_not_understood_is_none)
{
	static const char *const hostile[] = {
		"-A -t 10.0.0.100:554 -s wlc", /* cut */
		"-A -t 10.0.0.100:554\n",
		"-A -t 10.0.0.100 -s wlc\n",
		"-A -t 10.0.0.1000:554 -s wlc\n",
		"-A -t :554 -s wlc\n",
		"-A -f 0 -s wlc\n",
		"-A -f -1 -s wlc\n",
		"-A -f 99999999999999999999 -s wlc\n",
		"-A -s wlc\n",
		"-A\n",
		"-C\n",
		"-a -t 10.0.0.100:554 -r 127.0.0.1:554 -g -w 1\n", /* whose? */
		("-A -t 10.0.0.100:554 -s wlc\n"
		 "-a -t 10.0.0.101:554 -r 127.0.0.1:554 -g -w 1\n"),
		("-A -t 10.0.0.100:554 -s wlc\n"
		 "-a -t 10.0.0.100:554 -r 127.0.0.1:554 -g\n"),
		("-A -t 10.0.0.100:554 -s wlc\n"
		 "-a -t 10.0.0.100:554 -r 127.0.0.1:554 -w 1\n"),
		("-A -t 10.0.0.100:554 -s wlc\n"
		 "-a -t 10.0.0.100:554 -r 127.0.0.1:554 -g -w -1\n"),
		("-A -t 10.0.0.100:554 -s wlc\n"
		 "-a -t 10.0.0.100:554 -r 127.0.0.1:554 -g -w 4294967297\n"),
		("-A -t 10.0.0.100:554 -s wlc\n"
		 "-a -t 10.0.0.100:554 -r 127.0.0.1:554 -g -w 1 -w 2\n"),
		("-A -t 10.0.0.100:554 -s wlc\n"
		 "-a -t 10.0.0.100:554 -r node1:554 -g -w 1\n"),
		("-A -t 10.0.0.100:554 -s wlc\n"
		 "-a -t 10.0.0.100:554 -r 127.0.0.1:554 -g -w 1 `id`\n"),
		("-A -t 10.0.0.100:554 -s wlc\n"
		 "-a -t 10.0.0.100:554 -r 127.0.0.1:554 \"-g\" -w 1\n"),
		"-A -t 10.0.0.100:554 -s wlc # more\n",
		"\033[0m\n",
	};

	for (size_t i = 0; i < ARRAY_LENGTH(hostile); i++) {
		struct rules rules = { .count = 77 };
		char error[SETTINGS_ERROR_MAX] = "";

		ck_assert_msg(rules_parse(hostile[i], strlen(hostile[i]),
				  &rules, error) == -EBADMSG,
		    "%s", hostile[i]);
		ck_assert_uint_eq(rules.count, 77);
		ck_assert_ptr_nonnull(strstr(error, "not understood"));
	}
}
END_TEST

START_TEST(a_line_has_bounds)
{
	char text[8 * RULES_LINE_MAX], error[SETTINGS_ERROR_MAX];
	struct rules rules;
	size_t size;

	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(
	    rules_parse(text, sizeof(text), &rules, error), -EBADMSG);
	memset(text, 0, sizeof(text));
	text[sizeof(text) - 1] = '\n';
	ck_assert_int_eq(
	    rules_parse(text, sizeof(text), &rules, error), -EBADMSG);
	size =
	    (size_t)snprintf(text, sizeof(text), "-A -t 10.0.0.100:554 -s wlc");
	while (size < RULES_LINE_MAX / 2) /* many words */
		size +=
		    (size_t)snprintf(text + size, sizeof(text) - size, " -o");
	text[size++] = '\n';
	ck_assert_int_eq(rules_parse(text, size, &rules, error), -EBADMSG);
	ck_assert_int_eq(rules_parse("", 0, &rules, error), 0);
	ck_assert_uint_eq(rules.count, 0);
	rules_free(&rules);
}
END_TEST

START_TEST(a_service_has_one_name)
{
	char name[RULES_NAME_MAX];

	ck_assert(rules_name("tcp:192.0.2.100:554", name));
	ck_assert_str_eq(name, "tcp:192.0.2.100:554");
	ck_assert(rules_name("tcp:[2001:DB8:0:0::1]:554", name));
	ck_assert_str_eq(name, "tcp:[2001:db8::1]:554");
	ck_assert(rules_name("fwmark:17", name));
	ck_assert_str_eq(name, "fwmark:17");
	ck_assert(!rules_name("192.0.2.100:554", name));
	ck_assert(!rules_name("tcp:192.0.2.100", name));
	ck_assert(!rules_name("tcp::554", name));
	ck_assert(!rules_name("tcp:vip:554", name));
	ck_assert(!rules_name("fwmark:", name));
	ck_assert(!rules_name("fwmark:x", name));
	ck_assert(!rules_name("", name));
}
END_TEST

/* --- state -----------------------------------------------------------------
 */
static union sock_address
address_of(const char *text)
{
	union sock_address address;

	ck_assert_int_eq(sock_address_parse(text, &address), 0);
	return address;
}

START_TEST(what_is_kept_comes_back)
{
	union sock_address one = address_of("192.0.2.1:554");
	union sock_address other = address_of("[2001:db8::1]:554");
	struct state state = { .count = 0 }, again = { .count = 0 };
	char folder[] = "/tmp/check_balancer.XXXXXX", file[64];
	char error[SETTINGS_ERROR_MAX];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/state", folder);
	ck_assert_int_eq(state_read(file, &again, error), -ENOENT);
	state_note(&state, &one, GBIT);
	state_note(&state, &other, 2 * GBIT);
	ck_assert(state.changed);
	ck_assert_int_eq(state_write(file, &state), 0);
	ck_assert(!state.changed);
	state_note(&state, &one, GBIT);
	ck_assert(!state.changed);
	ck_assert_int_eq(state_read(file, &again, error), 0);
	sock_address_set_port(&one, 1); /* not looked at */
	ck_assert_uint_eq(state_capacity(&again, &one), GBIT);
	ck_assert_uint_eq(state_capacity(&again, &other), 2 * GBIT);
	ck_assert_uint_eq(state_largest(&again), 2 * GBIT);
	other = address_of("[2001:db8::2]:554");
	ck_assert_uint_eq(state_capacity(&again, &other), 0);
	state_free(&state);
	state_free(&again);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(state_write("/proc/none/state", &state), -ENOENT);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(a_state_that_is_not_whole_is_not_believed)
{
	static const char whole[] = "vodbalance 1\n"
				    "node 192.0.2.1 capacity_bps 1000000000\n"
				    "node 2001:db8::1 capacity_bps 5\n"
				    "end\n";
	static const char twice[] = "vodbalance 1\n"
				    "node 192.0.2.1 capacity_bps 1\n"
				    "node 192.0.2.1 capacity_bps 2\n"
				    "end\n";
	static const char *const garbage[] = { "x\n", "vodbalance 2\nend\n",
		"end\n", "vodbalance 1\nnode x capacity_bps 1\nend\n",
		"vodbalance 1\nnode 192.0.2.1 capacity_bps 0\nend\n",
		"vodbalance 1\nnode 192.0.2.1 capacity_bps -1\nend\n",
		"vodbalance 1\nnode 192.0.2.1 capacity_bps 1 2\nend\n",
		"vodbalance 1\nnode ::1 capacity_bps 10000000000000001\nend\n",
		"vodbalance 1\nnode 192.0.2.1\nend\n", twice,
		"vodbalance 1\nend\nend\n" };
	struct state state = { .count = 77 };
	char error[SETTINGS_ERROR_MAX];

	for (size_t size = 0; size < sizeof(whole) - 1; size++)
		ck_assert_int_eq(
		    state_parse(whole, size, &state, error), -EBADMSG);
	for (size_t i = 0; i < ARRAY_LENGTH(garbage); i++)
		ck_assert_msg(state_parse(garbage[i], strlen(garbage[i]),
				  &state, error) == -EBADMSG,
		    "%s", garbage[i]);
	ck_assert_uint_eq(state.count, 77);
	ck_assert_int_eq(
	    state_parse(whole, sizeof(whole) - 1, &state, error), 0);
	ck_assert_uint_eq(state.count, 2);
	state_free(&state);
}
END_TEST

/* --- a service from round to round -----------------------------------------
 */
#define NAME "tcp:10.0.0.100:554"
#define NODES_MAX 4

static struct config config;
static struct state known;
static struct service service;
static struct ask_agent agents[NODES_MAX];
static uint32_t table[NODES_MAX]; /* the kernel's weights */
static uint64_t now_us;

/* The table's first COUNT nodes are read. */
static void
read_table(size_t count, bool fresh)
{
	char text[2048] = "-A -t 10.0.0.100:554 -s wlc\n";
	struct rules rules;

	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "-a -t 10.0.0.100:554 -r 10.0.0.%zu:554 -g -w %u\n", i + 1,
		    table[i]);
	rules = rules_of(text);
	ck_assert_int_eq(
	    service_take(&service, &rules, &config, &known, fresh), 0);
	rules_free(&rules);
	ck_assert_uint_eq(service.count, count);
}

/* The rest of a round; what it writes reaches the table if WORKS. */
static size_t
weigh(bool works)
{
	struct ipvs_change changes[NODES_MAX];
	size_t count;

	now_us += US_PER_SECOND;
	service_hear(&service, agents, &known);
	service_weigh(&service, &config, now_us);
	count = service_changes(&service, changes);
	service_written(&service);
	for (size_t i = 0; i < count && works; i++) {
		unsigned which;

		ck_assert_int_eq(
		    sscanf(changes[i].server.name, "10.0.0.%u:", &which), 1);
		table[which - 1] = changes[i].weight;
	}
	return count;
}

static size_t
round_of(size_t count)
{
	read_table(count, true);
	return weigh(true);
}

static void
set_up(void)
{
	config = (struct config){ .interval_us = US_PER_SECOND,
		.session_us = 60 * US_PER_SECOND,
		.agent_port = 3333 };
	now_us = 1000 * US_PER_SECOND;
	for (size_t i = 0; i < NODES_MAX; i++) {
		table[i] = 100;
		agents[i] = (struct ask_agent){ .report = {
						    .state = LOAD_READY,
						    .capacity_bps = GBIT,
						    .committed_bps = GBIT / 2,
						    .sessions = 500,
						    .rtsp_ok = 1,
						} };
	}
	service_begin(&service, NAME);
	read_table(2, false);
	weigh(true);
	for (int i = 0; i < 100; i++)
		round_of(2);
}

static void
tear_down(void)
{
	service_end(&service);
	state_free(&known);
}

START_TEST(equal_nodes_have_equal_weights_that_rest)
{
	ck_assert_uint_eq(table[0], table[1]);
	ck_assert_uint_gt(table[0], 5000);
	ck_assert_uint_eq(round_of(2), 0);
	ck_assert_uint_eq(known.count, 2);
}
END_TEST

START_TEST(what_somebody_else_sets_is_left_alone)
{
	uint32_t before = table[0];

	table[0] = 17;
	agents[1].report.state = LOAD_DRAIN;
	for (int i = 0; i < 50; i++) {
		round_of(2);
		ck_assert_uint_eq(table[0], 17);
	}
	ck_assert(service.nodes[0].foreign);
	ck_assert_uint_eq(table[1], 0);
	table[0] = before; /* it is put back: ours again */
	round_of(2);
	ck_assert(!service.nodes[0].foreign);
}
END_TEST

START_TEST(a_node_that_others_hold_at_0_is_not_the_last_one)
{
	table[0] = 0;
	round_of(2);
	agents[1].report.state = LOAD_DRAIN;
	for (int i = 0; i < 20; i++)
		round_of(2);
	ck_assert_uint_eq(table[0], 0);
	ck_assert_uint_gt(table[1], 0);
}
END_TEST

START_TEST(own_insists)
{
	uint32_t before = table[0];

	config.own = true;
	table[0] = 17;
	ck_assert_uint_eq(round_of(2), 1);
	ck_assert_uint_eq(table[0], before);
	ck_assert(!service.nodes[0].foreign);
}
END_TEST

START_TEST(a_reload_forgives)
{
	table[0] = 17;
	round_of(2);
	ck_assert(service.nodes[0].foreign);
	service_reload(&service, &config);
	for (int i = 0; i < 10; i++)
		round_of(2);
	ck_assert_uint_gt(table[0], 5000);
}
END_TEST

START_TEST(a_reload_knows_what_was_just_written)
{
	agents[0].report.state = LOAD_DRAIN;
	ck_assert_uint_eq(round_of(2), 1);
	service_reload(&service, &config);
	round_of(2);
	ck_assert(!service.nodes[0].foreign);
	ck_assert_uint_eq(table[0], 0);
}
END_TEST

START_TEST(what_could_not_be_written_is_written_again)
{
	uint32_t before = table[0];

	agents[0].report.state = LOAD_DRAIN;
	for (int i = 0; i < 3; i++) {
		read_table(2, true);
		ck_assert_uint_eq(weigh(false), 1);
		ck_assert_uint_eq(table[0], before);
	}
	ck_assert(!service.nodes[0].foreign);
	ck_assert_uint_eq(round_of(2), 1);
	ck_assert_uint_eq(table[0], 0);
	ck_assert_uint_eq(round_of(2), 0);
}
END_TEST

START_TEST(a_server_that_appears_is_fresh_and_not_foreign)
{
	uint32_t full = table[0], weight;

	table[2] = 65535;
	agents[2].report.sessions = agents[2].report.committed_bps = 0;
	round_of(3);
	ck_assert(!service.nodes[2].foreign);
	weight = table[2];
	ck_assert_uint_lt(weight, full / 20);
	for (int i = 0; i < 600; i++)
		round_of(3);
	ck_assert_uint_gt(table[2], full * 3 / 4);
	/* gone and back again, as keepalived does it */
	round_of(2);
	table[2] = 1;
	round_of(3);
	ck_assert(!service.nodes[2].foreign);
	ck_assert_uint_lt(table[2], full / 20);
}
END_TEST

START_TEST(a_service_that_appears_is_not_foreign)
{
	struct rules none = { .count = 0 };

	ck_assert_int_eq(
	    service_take(&service, &none, &config, &known, true), 0);
	ck_assert(!service.found);
	ck_assert_uint_eq(weigh(true), 0);
	table[0] = table[1] = 1;
	for (int i = 0; i < 20; i++)
		round_of(2);
	ck_assert(service.found && !service.nodes[0].foreign);
	ck_assert_uint_gt(table[0], 5000);
}
END_TEST

START_TEST(silence_changes_nothing_for_long)
{
	uint32_t before = table[0];

	agents[0].trouble = "it does not answer in time";
	for (int i = 0; i < 100; i++)
		round_of(2);
	ck_assert_uint_eq(table[0], before); /* as configured: the same */
}
END_TEST

static void
configure(const char *address, uint64_t weight)
{
	struct config_node *node = &config.nodes[config.node_count++];
	char text[SOCK_TEXT_MAX];

	snprintf(text, sizeof(text), "%s:0", address);
	*node = (struct config_node){ .weight = weight };
	node->host = address_of(text);
}

START_TEST(configured_weights_are_parts)
{
	configure("10.0.0.1", 30);
	configure("10.0.0.2", 10);
	agents[1].report.capacity_bps = GBIT / 3;
	agents[1].report.committed_bps = GBIT / 6;
	agents[1].report.sessions = 167;
	service_reload(&service, &config);
	for (int i = 0; i < 100; i++)
		round_of(2);
	ck_assert_uint_ge(table[0], table[1] * 29 / 10);
	ck_assert_uint_le(table[0], table[1] * 31 / 10);
	/* it lies, and gains nothing */
	agents[1].report.capacity_bps = GBIT;
	for (int i = 0; i < 100; i++)
		round_of(2);
	ck_assert_uint_ge(table[0], table[1] * 29 / 10);
}
END_TEST

START_TEST(a_silent_node_goes_to_its_configured_weight)
{
	configure("10.0.0.1", 10);
	configure("10.0.0.2", 10);
	configure("10.0.0.3", 5);
	service_reload(&service, &config);
	table[2] = 1;
	agents[2].trouble = "no agent listens there";
	for (int i = 0; i < 100; i++)
		round_of(3);
	/* and slowly, for it is fresh */
	ck_assert_uint_gt(table[2], 1);
	ck_assert_uint_lt(table[2], table[0] * 6 / 10);
	for (int i = 0; i < 1000; i++)
		round_of(3);
	ck_assert_uint_gt(table[2], table[0] * 4 / 10);
	ck_assert_uint_lt(table[2], table[0] * 6 / 10);
}
END_TEST

START_TEST(rtsp_may_fail_once)
{
	agents[0].report.rtsp_ok = 0; /* an agent that has just begun */
	ck_assert_uint_eq(round_of(2), 0);
	agents[0].report.rtsp_ok = 1;
	ck_assert_uint_eq(round_of(2), 0);
	agents[0].report.rtsp_ok = 0;
	round_of(2);
	round_of(2);
	ck_assert_uint_eq(table[0], 0);
}
END_TEST

/* --- others ----------------------------------------------------------------
 */
START_TEST(keepalived_gets_weights_by_capacity)
{
	struct weight_report report = { .answer = WEIGHT_READY,
		.capacity_bps = GBIT };

	ck_assert_int_eq(misc_check_status(&report, GBIT), 2 + 253);
	ck_assert_int_eq(misc_check_status(&report, 0), 2 + 253);
	ck_assert_int_eq(misc_check_status(&report, 2 * GBIT), 2 + 127);
	ck_assert_int_eq(misc_check_status(&report, 1000 * GBIT), 2 + 1);
	report.pressure = 1;
	ck_assert_int_eq(misc_check_status(&report, GBIT), 2 + 25);
	report.answer = WEIGHT_DRAIN;
	ck_assert_int_eq(misc_check_status(&report, GBIT), 2);
	report.answer = WEIGHT_DOWN;
	ck_assert_int_eq(misc_check_status(&report, GBIT), MISC_CHECK_DOWN);
	report = (struct weight_report){ .answer = WEIGHT_READY };
	ck_assert_int_eq(misc_check_status(&report, GBIT), MISC_CHECK_KEEP);
}
END_TEST

START_TEST(agents_have_addresses)
{
	union sock_address address;
	char text[SOCK_TEXT_MAX];
	static const char *const right[][2] = {
		{ "192.0.2.1", "192.0.2.1:3333" },
		{ "192.0.2.1:7", "192.0.2.1:7" },
		{ "2001:db8::1", "[2001:db8::1]:3333" },
		{ "::1", "[::1]:3333" },
		{ "[2001:db8::1]", "[2001:db8::1]:3333" },
		{ "[2001:db8::1]:7", "[2001:db8::1]:7" },
	};
	static const char *const wrong[] = { "", ":7", "node", "192.0.2",
		"192.0.2.1:", "192.0.2.1:65536", "[2001:db8::1", "::1]:7" };

	config.agent_port = 3333;
	for (size_t i = 0; i < ARRAY_LENGTH(right); i++) {
		ck_assert(config_agent_address(&config, right[i][0], &address));
		ck_assert_str_eq(
		    sock_address_text(&address, true, text), right[i][1]);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
		ck_assert_msg(
		    !config_agent_address(&config, wrong[i], &address), "%s",
		    wrong[i]);
}
END_TEST

START_TEST(a_track_file_is_one_number)
{
	char folder[] = "/tmp/check_balancer.XXXXXX", path[256], text[32] = "";
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(
	    track_write(folder, "tcp:[fd00::1]:554", "[fd00::2]:554", 42), 0);
	snprintf(path, sizeof(path), "%s/%s", folder,
	    "tcp__fd00__1__554-_fd00__2__554");
	fd = open(path, O_RDONLY);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "42\n");
	close(fd);
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_eq(track_write(folder, NAME, "10.0.0.1:554", 1), -ENOENT);
}
END_TEST

#define AGENTS ((size_t)1000)

/* In a child of its own: answers, but not to each HANGS-th connection. */
static pid_t
agent_fork(int listener, unsigned hangs)
{
	const struct load_report report = {
		.percent = 50, .node = "n1", .capacity_bps = GBIT, .rtsp_ok = 1
	};
	char text[LOAD_REPORT_MAX];
	struct bytes_writer out = bytes_writer(text, sizeof(text));
	pid_t child = fork();

	if (child != 0)
		return child;
	fcntl(listener, F_SETFL, 0);
	load_format(&out, &report);
	for (unsigned i = 1;; i++) {
		int fd = accept(listener, NULL, NULL);

		if (hangs != 0 && i % hangs == 0)
			continue; /* it is left open */
		if (write(fd, text, out.at) != (ssize_t)out.at)
			_exit(1);
		close(fd);
	}
}

static void
all_asked(void *context)
{
	loop_stop(context, 0);
}

static size_t
ask_many(unsigned hangs, uint64_t limit_us)
{
	union sock_address address = address_of("127.0.0.1:0");
	int listener = sock_listen(&address, (int)AGENTS);
	socklen_t size = sizeof(address);
	struct ask_agent *many = calloc(AGENTS, sizeof(*many));
	size_t answers = 0;
	struct loop *loop;
	struct ask ask;
	pid_t child;

	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(getsockname(listener, &address.any, &size), 0);
	child = agent_fork(listener, hangs);
	ck_assert_int_eq(loop_new(&loop), 0);
	sock_raise_file_limit(2 * AGENTS);
	for (size_t i = 0; i < AGENTS; i++)
		many[i].address = address;
	ask_start(&ask, loop, many, AGENTS, limit_us, all_asked, loop);
	ck_assert_int_eq(loop_run(loop), 0);
	for (size_t i = 0; i < AGENTS; i++)
		answers += many[i].trouble == NULL &&
			   many[i].report.capacity_bps == GBIT;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ask_stop(&ask);
	loop_free(loop);
	close(listener);
	free(many);
	return answers;
}

START_TEST(a_thousand_agents_are_asked_side_by_side)
{
	ck_assert_uint_eq(ask_many(0, 20 * US_PER_SECOND), AGENTS);
}
END_TEST

START_TEST(who_hangs_keeps_nobody_waiting_for_long)
{
	size_t answers = ask_many(10, 2 * US_PER_SECOND);

	ck_assert_uint_le(answers, AGENTS - AGENTS / 10);
	ck_assert_uint_ge(answers, AGENTS * 8 / 10);
}
END_TEST

static int
shell(const char *script, const char *input, char *output, size_t room,
    size_t *size, char error[static SETTINGS_ERROR_MAX])
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };
	struct command command = { .words = argv,
		.input = input,
		.input_size = strlen(input),
		.limit_us = 10 * US_PER_SECOND };

	if (strncmp(script, "exec sleep", 10) == 0)
		command.limit_us = 50 * US_PER_MS;
	return command_run(&command, output, room, size, error);
}

START_TEST(a_command_has_bounds)
{
	char output[64], error[SETTINGS_ERROR_MAX];
	size_t size = 0;

	ck_assert_int_eq(
	    shell("cat", "some text", output, 64, &size, error), 0);
	ck_assert_uint_eq(size, 9);
	ck_assert_int_eq(memcmp(output, "some text", 9), 0);
	ck_assert_int_eq(
	    shell("cat", "some text", output, 8, &size, error), -EFBIG);
	ck_assert_int_eq(shell("echo no way >&2; echo; exit 3", "", output, 64,
			     &size, error),
	    -EIO);
	ck_assert_str_eq(error, "no way");
	ck_assert_int_eq(shell("exit 3", "", output, 64, &size, error), -EIO);
	ck_assert_str_eq(error, "exit status 3");
	ck_assert_int_eq(
	    shell("kill -9 $$", "", output, 64, &size, error), -EIO);
	ck_assert_str_eq(error, "killed by signal 9");
	ck_assert_int_eq(
	    shell("exec sleep 60", "", output, 64, &size, error), -ETIMEDOUT);
	ck_assert_int_eq(
	    shell("exec sleep 60 >&- 2>&-", "", output, 64, &size, error),
	    -ETIMEDOUT);
	ck_assert_int_eq(
	    shell("echo hm >&2", "not read", output, 64, &size, error), 0);
	ck_assert_str_eq(error, "hm");
	ck_assert_uint_eq(size, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("balancer");
	TCase *texts = tcase_create("texts"), *rounds = tcase_create("rounds");
	SRunner *runner;
	int failed;

	signal(SIGPIPE, SIG_IGN); /* as the program does */
	tcase_add_test(texts, rules_are_read_as_ipvsadm_saves_them);
	tcase_add_test(texts, an_edit_changes_the_weight_and_nothing_else);
	tcase_add_test(texts, thresholds_of_a_server_that_is_gone_are_an_error);
	tcase_add_test(texts, a_table_that_is_not_understood_is_none);
	tcase_add_test(texts, a_line_has_bounds);
	tcase_add_test(texts, a_service_has_one_name);
	tcase_add_test(texts, what_is_kept_comes_back);
	tcase_add_test(texts, a_state_that_is_not_whole_is_not_believed);
	tcase_add_test(texts, keepalived_gets_weights_by_capacity);
	tcase_add_test(texts, agents_have_addresses);
	tcase_add_test(texts, a_track_file_is_one_number);
	tcase_add_test(texts, a_command_has_bounds);
	tcase_add_test(texts, a_thousand_agents_are_asked_side_by_side);
	tcase_add_test(texts, who_hangs_keeps_nobody_waiting_for_long);
	tcase_set_timeout(texts, 60);
	suite_add_tcase(suite, texts);
	tcase_add_checked_fixture(rounds, set_up, tear_down);
	tcase_add_test(rounds, equal_nodes_have_equal_weights_that_rest);
	tcase_add_test(rounds, what_somebody_else_sets_is_left_alone);
	tcase_add_test(
	    rounds, a_node_that_others_hold_at_0_is_not_the_last_one);
	tcase_add_test(rounds, own_insists);
	tcase_add_test(rounds, a_reload_forgives);
	tcase_add_test(rounds, a_reload_knows_what_was_just_written);
	tcase_add_test(rounds, what_could_not_be_written_is_written_again);
	tcase_add_test(rounds, a_server_that_appears_is_fresh_and_not_foreign);
	tcase_add_test(rounds, a_service_that_appears_is_not_foreign);
	tcase_add_test(rounds, silence_changes_nothing_for_long);
	tcase_add_test(rounds, configured_weights_are_parts);
	tcase_add_test(rounds, a_silent_node_goes_to_its_configured_weight);
	tcase_add_test(rounds, rtsp_may_fail_once);
	suite_add_tcase(suite, rounds);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
