/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodbalance: options and configuration, gives up root, becomes a daemon, then
 * balances until it is told to stop.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "balancer/balancer.h"
#include "balancer/config.h"
#include "balancer/diagnose.h"
#include "balancer/misc_check.h"
#include "balancer/privileges.h"
#include "balancer/scenario.h"
#include "base/base.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/program.h"
#include "base/sock.h"

#define DEFAULT_FILE VODD_SYSCONFDIR "/vodbalance.conf"
#define FILES_BESIDE_CONNECTIONS 64

enum { DRY_RUN = 0x100, ONCE, EXPLAIN, JSON, MISC_CHECK, SIMULATE, DIAGNOSE };

struct options {
	struct program_options common;
	struct balancer_options balancer;
	char services[SETTINGS_LIST_MAX * RULES_NAME_MAX]; /* "a,b" */
	const char *interval, *misc_check, *simulate; /* NULL: not given */
	bool diagnose;
	const char *node; /* to be diagnosed; NULL: all */
};

static const char usage_text[] =
    "usage: vodbalance [-f] [-t] [-c FILE] [-s tcp:VIP:PORT|fwmark:N]...\n"
    "                  [-i INTERVAL] [-o NAME=VALUE]... [--dry-run] [--once]\n"
    "                  [--explain] [--json] [-p FILE] [-V] [-h]\n"
    "       vodbalance [-c FILE] [-o NAME=VALUE]... --misc-check NODE\n"
    "       vodbalance [-c FILE] [-s ...] [-o NAME=VALUE]... --diagnose "
    "[NODE]\n"
    "                  [--json]\n"
    "       vodbalance --simulate FILE\n"
    "\n"
    "  -f           stay in the foreground, log on stderr\n"
    "  -t           check the configuration and print what it means\n"
    "  -c FILE      configuration (default " DEFAULT_FILE ")\n"
    "  -s SERVICE   weigh this service; may be given several times\n"
    "  -i INTERVAL  ask so often (default \"1 s\")\n"
    "  -o N=V       override a setting of the configuration\n"
    "  -p FILE      the daemon's process number goes there\n"
    "  --dry-run    change nothing\n"
    "  --once       one round, then exit\n"
    "  --explain    print what nodes say and how their weights come about\n"
    "  --json       the same, a JSON object on each line\n"
    "  --misc-check NODE\n"
    "               ask one node and exit as keepalived's misc_dynamic wants\n"
    "  --diagnose [NODE]\n"
    "               which steps of the set-up are wrong, of NODE or of "
    "all\n"
    "  --simulate FILE\n"
    "               what policies would make of the cluster in FILE\n"
    "  -V           print the version\n"
    "  -h           print this\n";

/* --- options ---------------------------------------------------------------
 */
static const struct option words[] = {
	{ "dry-run", no_argument, NULL, DRY_RUN },
	{ "once", no_argument, NULL, ONCE },
	{ "explain", no_argument, NULL, EXPLAIN },
	{ "json", no_argument, NULL, JSON },
	{ "misc-check", required_argument, NULL, MISC_CHECK },
	{ "simulate", required_argument, NULL, SIMULATE },
	{ "diagnose", optional_argument, NULL, DIAGNOSE },
	{ NULL, 0, NULL, 0 },
};

static program_take take_option;

static const struct program program = {
	.name = "vodbalance",
	.usage = usage_text,
	.file = DEFAULT_FILE,
	.detaches = true,
	.letters = "s:i:",
	.words = words,
	.take = take_option,
};

static int
add_service(struct options *options, const char *service)
{
	size_t length = strlen(options->services);
	size_t room = sizeof(options->services) - length;

	if (snprintf(options->services + length, room, "%s%s",
		length == 0 ? "" : ",", service) >= (int)room)
		return program_refuse(&program, "too many services");
	return PROGRAM_GOES_ON;
}

static int
take_option(void *context, int option, const char *value)
{
	struct options *options = context;

	switch (option) {
	case 's':
		return add_service(options, value);
	case 'i':
		options->interval = value;
		break;
	case DRY_RUN:
		options->balancer.dry_run = true;
		break;
	case ONCE:
		options->balancer.once = true;
		break;
	case EXPLAIN:
		options->balancer.form = EXPLAIN_TEXT;
		break;
	case JSON:
		options->balancer.form = EXPLAIN_JSON;
		break;
	case MISC_CHECK:
		options->misc_check = value;
		break;
	case SIMULATE:
		options->simulate = value;
		break;
	default: /* DIAGNOSE */
		options->diagnose = true;
		options->node = value;
	}
	return PROGRAM_GOES_ON;
}

/* "--diagnose NODE" as "--diagnose=NODE", which getopt_long(3) wants. */
static void
node_join(int *argc, char **argv)
{
	for (int i = 1; i + 1 < *argc; i++) {
		char *joined;

		if (strcmp(argv[i], "--diagnose") != 0 || argv[i + 1][0] == '-')
			continue;
		if (asprintf(&joined, "--diagnose=%s", argv[i + 1]) == -1)
			abort();
		argv[i] = joined;
		memmove(&argv[i + 1], &argv[i + 2],
		    (size_t)(*argc - i - 1) * sizeof(argv[0]));
		--*argc;
		return;
	}
}

static int
read_options(int argc, char **argv, struct options *options)
{
	int result;

	node_join(&argc, argv);
	*options = (struct options){ .interval = NULL };
	result =
	    program_options(&program, argc, argv, options, &options->common);
	if (result != PROGRAM_GOES_ON)
		return result;
	program_set(&options->common, "services",
	    options->services[0] == '\0' ? NULL : options->services);
	program_set(&options->common, "interval", options->interval);
	return PROGRAM_GOES_ON;
}

/* --- serving ---------------------------------------------------------------
 */
struct serving {
	const struct settings_source *source;
	struct loop *loop;
	struct balancer balancer;
	struct config configs[2]; /* the one in force, and the next */
	unsigned current;
};

/* The log tells why; -EINVAL. */
static int
services_missing(const struct config *config)
{
	if (config->services.count > 0)
		return 0;
	log_error("config", "services: name what is to be weighed, as "
			    "tcp:192.0.2.100:554 (or -s)");
	return -EINVAL;
}

static void
reload(struct serving *serving)
{
	struct config *next = &serving->configs[1 - serving->current];
	char error[SETTINGS_ERROR_MAX];

	notify_reloading();
	if (config_load(serving->source, next, error) != 0) {
		log_error("config", "refused, the old one stays: %s", error);
	} else if (services_missing(next) == 0) {
		serving->current = 1 - serving->current;
		log_set_level((enum log_level)next->log_level);
		balancer_reload(&serving->balancer, next);
		log_info("config", "reloaded");
	}
	notify_ready("balancing");
}

static void
signalled(void *context, int signal)
{
	struct serving *serving = context;

	if (signal == SIGHUP)
		reload(serving);
	else
		loop_stop(serving->loop, 0);
}

static int
signals_take(struct serving *serving)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	return loop_signals(serving->loop, &signals, signalled, serving);
}

static int
balance(struct serving *serving, const struct balancer_options *options)
{
	const struct config *config = &serving->configs[0];
	int result;

	log_info("balancer", "starts services=%u interval_ms=%ju%s",
	    config->services.count, (uintmax_t)(config->interval_us / 1000),
	    options->dry_run ? " dry-run" : "");
	if ((result = loop_new(&serving->loop)) != 0)
		goto done;
	if ((result = signals_take(serving)) != 0)
		goto done;
	result =
	    balancer_start(&serving->balancer, config, options, serving->loop);
	if (result == 0) {
		notify_ready("balancing");
		result = loop_run(serving->loop);
		notify_stopping();
	}
	balancer_stop(&serving->balancer);
	if (result == 0 && !options->once)
		log_info("balancer", "ends, weights stay as they are");

done:
	loop_free(serving->loop);
	if (result < 0 && !options->once)
		log_error("balancer", "cannot go on: %s", strerror(-result));
	log_flush();
	return result == 0 ? 0 : 1;
}

static int
serve(struct options *options, struct serving *serving)
{
	const struct config *config = &serving->configs[0];
	const struct balancer_options *balancer = &options->balancer;
	bool foreground = options->common.foreground || balancer->once ||
			  balancer->form != EXPLAIN_NOTHING;
	char error[SETTINGS_ERROR_MAX];

	log_set_level((enum log_level)config->log_level);
	if (services_missing(config) != 0)
		return PROGRAM_USAGE;
	if (program_prepare(&program, &options->common) != 0)
		return 1;
	if (privileges_limit(config->user, config->state, error) != 0) {
		log_error("balancer", "%s", error);
		return 1;
	}
	sock_raise_file_limit(ASK_PARALLEL + FILES_BESIDE_CONNECTIONS);
	if (!foreground && program_detach(&program, &options->common) != 0)
		return 1;
	return balance(serving, balancer);
}

int
main(int argc, char **argv)
{
	static struct options options;
	static struct serving serving;
	struct config *config = &serving.configs[0];
	char error[SETTINGS_ERROR_MAX];
	int result;

	signal(SIGPIPE, SIG_IGN);
	if ((result = read_options(argc, argv, &options)) != PROGRAM_GOES_ON)
		return result;
	if (options.simulate != NULL)
		return scenario_run(options.simulate);
	serving.source = &options.common.settings;
	if (config_load(serving.source, config, error) != 0) {
		fprintf(stderr, "vodbalance: %s\n", error);
		return PROGRAM_USAGE;
	}
	if (log_open(LOG_TO_STDERR, "vodbalance", NULL) != 0)
		return 1;
	if (options.common.test) {
		program_print(
		    &options.common, config_rows, config_row_count, config);
		return services_missing(config) == 0 ? 0 : PROGRAM_USAGE;
	}
	if (options.misc_check != NULL)
		return misc_check_run(config, options.misc_check);
	if (options.diagnose)
		return diagnose_run(config, options.node,
		    options.balancer.form == EXPLAIN_JSON);
	return serve(&options, &serving);
}
