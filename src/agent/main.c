/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodagent: options and configuration, opens its two ports, gives up root,
 * becomes a daemon, then answers until it is told to stop.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/config.h"
#include "agent/http.h"
#include "agent/load_port.h"
#include "base/base.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/program.h"
#include "base/sock.h"

#define DEFAULT_FILE VODD_SYSCONFDIR "/vodagent.conf"
#define BACKLOG 64

struct options {
	struct program_options common;
	const char *listen, *http; /* NULL: not given */
};

static const char usage_text[] =
    "usage: vodagent [-f] [-t] [-c FILE] [-n INSTANCE] [-l ADDRESS:PORT]\n"
    "                [-H ADDRESS:PORT] [-o NAME=VALUE]... [-p FILE] [-V] [-h]\n"
    "\n"
    "  -f        stay in the foreground, log on stderr\n"
    "  -t        check the configuration and print what it means\n"
    "  -c FILE   configuration (default " DEFAULT_FILE ")\n"
    "  -n NAME   instance of vodd (default vodd)\n"
    "  -l ADDR   answer load questions there (default :3333)\n"
    "  -H ADDR   /metrics and /status.json there (default :9554)\n"
    "  -o N=V    override a setting of the configuration\n"
    "  -p FILE   the daemon's process number goes there\n"
    "  -V        print the version\n"
    "  -h        print this\n";

/* --- options ----------------------------------------------------------------
 */
static program_take take_option;

static const struct program program = {
	.name = "vodagent",
	.usage = usage_text,
	.file = DEFAULT_FILE,
	.instance = "vodd",
	.detaches = true,
	.letters = "l:H:",
	.take = take_option,
};

static int
take_option(void *context, int option, const char *value)
{
	struct options *options = context;

	if (option == 'l')
		options->listen = value;
	else /* 'H' */
		options->http = value;
	return PROGRAM_GOES_ON;
}

static int
read_options(int argc, char **argv, struct options *options)
{
	int result;

	*options = (struct options){ .listen = NULL };
	result =
	    program_options(&program, argc, argv, options, &options->common);
	if (result != PROGRAM_GOES_ON)
		return result;
	program_set(&options->common, "listen", options->listen);
	program_set(&options->common, "http", options->http);
	return PROGRAM_GOES_ON;
}

/* --- -t ---------------------------------------------------------------------
 */
static int
run_test(const struct program_options *options, const struct config *config,
    const struct agent *agent)
{
	program_print(options, config_rows, config_row_count, config);
	printf("# instance %s\n", options->instance);
	printf("#   table      /vodd.%s\n", options->instance);
	printf("#   node       %s\n", agent->node);
	printf("#   interface  %s\n",
	    agent->interface[0] == '\0' ? "none" : agent->interface);
	printf("#   capacity   %.1f Mbit/s, %s\n",
	    (double)agent->capacity_bps / 1e6,
	    config->capacity_bps != 0 ? "as set" : "the link's speed");
	printf("# ports to open in a firewall\n");
	printf("#   TCP %u in, from directors\n",
	    sock_address_port(&config->listen_address));
	if (config->http_address.family != 0)
		printf("#   TCP %u in, from who collects metrics\n",
		    sock_address_port(&config->http_address));
	return 0;
}

/* --- start ------------------------------------------------------------------
 */
struct ports {
	int load, http; /* -1: none */
};

static int
port_open(
    const char *setting, const char *text, const union sock_address *address)
{
	int fd = sock_listen(address, BACKLOG);

	if (fd < 0)
		log_error("agent", "%s: cannot listen on %s: %s", setting, text,
		    strerror(-fd));
	return fd;
}

static int
ports_open(const struct config *config, struct ports *out)
{
	*out = (struct ports){ -1, -1 };
	out->load =
	    port_open("listen", config->listen, &config->listen_address);
	if (out->load < 0)
		return out->load;
	if (config->http_address.family == 0)
		return 0;
	out->http = port_open("http", config->http, &config->http_address);
	return MIN_OF(out->http, 0);
}

/* Reading the table takes the group of the server's user, and nothing else. */
static int
give_up_root(const char *user)
{
	const struct passwd *entry;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	if (geteuid() != 0 || strcmp(user, "root") == 0)
		return 0;
	if ((entry = getpwnam(user)) == NULL) {
		log_error("agent",
		    "user: there is no user %s; to make it: systemd-sysusers, "
		    "or useradd --system --user-group --home-dir / --shell "
		    "/usr/sbin/nologin %s",
		    user, user);
		return -ENOENT;
	}
	if (initgroups(entry->pw_name, entry->pw_gid) != 0 ||
	    setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
	    setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0) {
		log_error("agent", "user: cannot become %s: %s", user,
		    strerror(errno));
		return -EPERM;
	}
	return 0;
}

static const char *
bound_text(int fd, char text[static SOCK_TEXT_MAX])
{
	union sock_address address;
	socklen_t size = sizeof(address);

	memset(&address, 0, sizeof(address));
	if (fd == -1 || getsockname(fd, &address.any, &size) != 0)
		return "none";
	return sock_address_text(&address, true, text);
}

static void
signalled(void *context, int signal)
{
	(void)signal;
	loop_stop(context, 0);
}

static int
signals_take(struct loop *loop)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	return loop_signals(loop, &signals, signalled, loop);
}

/* PORTS are taken. */
static int
answer_all(struct agent *agent, const struct ports *ports)
{
	char load_text[SOCK_TEXT_MAX], http_text[SOCK_TEXT_MAX];
	struct load_port *load = NULL;
	struct http *http = NULL;
	struct loop *loop = NULL;
	int result;

	log_info("agent",
	    "starts instance=%s node=%s capacity_bps=%ju load=%s "
	    "http=%s",
	    agent->instance, agent->node, (uintmax_t)agent->capacity_bps,
	    bound_text(ports->load, load_text),
	    bound_text(ports->http, http_text));
	if ((result = loop_new(&loop)) != 0 ||
	    (result = signals_take(loop)) != 0)
		goto done;
	agent->ticked = notify_alive;
	agent_start(agent, loop);
	result = load_port_open(agent, loop, ports->load, &load);
	if (result == 0 && ports->http != -1)
		result = http_open(agent, loop, ports->http, &http);
	if (result != 0)
		goto stop;
	notify_ready("answering");
	result = loop_run(loop);
	notify_stopping();
	if (result == 0)
		log_info("agent", "ends");

stop:
	http_close(http);
	load_port_close(load);
	agent_stop(agent);
done:
	loop_free(loop);
	if (result < 0)
		log_error("agent", "cannot go on: %s", strerror(-result));
	log_flush();
	return result == 0 ? 0 : 1;
}

static int
serve(struct program_options *options, const struct config *config,
    struct agent *agent)
{
	struct ports ports;

	log_set_level((enum log_level)config->log_level);
	signal(SIGPIPE, SIG_IGN);
	if (ports_open(config, &ports) != 0 ||
	    program_prepare(&program, options) != 0 ||
	    give_up_root(config->user) != 0)
		return 1;
	if (!options->foreground && program_detach(&program, options) != 0)
		return 1;
	return answer_all(agent, &ports);
}

int
main(int argc, char **argv)
{
	char error[SETTINGS_ERROR_MAX];
	static struct options options; /* until the process ends */
	struct config config;
	struct agent agent;
	int result;

	if ((result = read_options(argc, argv, &options)) != PROGRAM_GOES_ON)
		return result;
	if (config_load(&options.common.settings, &config, error) != 0 ||
	    agent_init(&agent, &config, options.common.instance, error) != 0) {
		fprintf(stderr, "vodagent: %s\n", error);
		return PROGRAM_USAGE;
	}
	if (options.common.test)
		return run_test(&options.common, &config, &agent);
	if (log_open(LOG_TO_STDERR, "vodagent", NULL) != 0)
		return 1;
	return serve(&options.common, &config, &agent);
}
