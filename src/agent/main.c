/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodagent: options and configuration, opens its two ports, gives up root,
 * becomes a daemon, then answers until it is told to stop.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "agent/agent.h"
#include "agent/config.h"
#include "agent/http.h"
#include "agent/load_port.h"
#include "base/base.h"
#include "base/log.h"
#include "base/sock.h"

#define EXIT_USAGE 2
#define DEFAULT_FILE VODD_SYSCONFDIR "/vodagent.conf"
#define BACKLOG 64

struct options {
	struct config_source source;
	const char *instance;
	bool foreground, test;
};

static const char usage_text[] =
    "usage: vodagent [-f] [-t] [-c FILE] [-n INSTANCE] [-l ADDRESS:PORT]\n"
    "                [-H ADDRESS:PORT] [-o NAME=VALUE]... [-V] [-h]\n"
    "\n"
    "  -f        stay in the foreground, log on stderr\n"
    "  -t        check the configuration and print what it means\n"
    "  -c FILE   configuration (default " DEFAULT_FILE ")\n"
    "  -n NAME   instance of vodd (default vodd)\n"
    "  -l ADDR   answer load questions there (default :3333)\n"
    "  -H ADDR   /metrics and /status.json there (default :9554)\n"
    "  -o N=V    override a setting of the configuration\n"
    "  -V        print the version\n"
    "  -h        print this\n";

/* --- options ----------------------------------------------------------------
 */
static int PRINTF_LIKE(1, 2) usage_error(const char *format, ...)
{
	va_list list;

	fputs("vodagent: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputs("\nvodagent: -h prints the options\n", stderr);
	return EXIT_USAGE;
}

static int
add_override(struct config_source *source, const char *text)
{
	if (source->override_count == CONFIG_OVERRIDES_MAX)
		return usage_error(
		    "more than %d times -o", CONFIG_OVERRIDES_MAX);
	source->overrides[source->override_count++] = text;
	return -1;
}

/* -1: go on; else the exit status. */
static int
take_option(struct options *options, int option, const char *value)
{
	struct config_source *source = &options->source;

	switch (option) {
	case 'f':
		options->foreground = true;
		return -1;
	case 't':
		options->test = true;
		return -1;
	case 'c':
		source->file = value;
		source->file_optional = false;
		return -1;
	case 'n':
		options->instance = value;
		return -1;
	case 'l':
		source->listen = value;
		return -1;
	case 'H':
		source->http = value;
		return -1;
	case 'o':
		return add_override(source, value);
	case 'V':
		printf("vodagent %s\n", PACKAGE_VERSION);
		return 0;
	case 'h':
		fputs(usage_text, stdout);
		return 0;
	case ':':
		return usage_error("-%c needs a value", optopt);
	default:
		return usage_error("unknown option -%c", optopt);
	}
}

static bool
name_is_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length < TABLE_NAME_MAX &&
	       name[strspn(name,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789_-")] == '\0';
}

static int
read_options(int argc, char **argv, struct options *options)
{
	int option, result;

	*options = (struct options){ .instance = "vodd",
		.source = { .file = DEFAULT_FILE, .file_optional = true } };
	while ((option = getopt(argc, argv, ":ftc:n:l:H:o:Vh")) != -1) {
		result = take_option(options, option, optarg);
		if (result != -1)
			return result;
	}
	if (optind < argc)
		return usage_error("unknown argument %s", argv[optind]);
	if (!name_is_valid(options->instance))
		return usage_error(
		    "-n %s: no name of an instance", options->instance);
	return -1;
}

/* --- -t ---------------------------------------------------------------------
 */
static int
run_test(const struct options *options, const struct config *config,
    const struct agent *agent)
{
	printf("# %s\n", access(options->source.file, F_OK) == 0
			     ? options->source.file
			     : "no configuration file: defaults");
	settings_print(config_rows, config_row_count, config, stdout);
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
tell_manager(const char *text)
{
#ifdef HAVE_SYSTEMD
	(void)sd_notify(0, text);
#else
	(void)text;
#endif
}

static void
tell_alive(void)
{
	tell_manager("WATCHDOG=1");
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
	agent->ticked = tell_alive;
	agent_start(agent, loop);
	result = load_port_open(agent, loop, ports->load, &load);
	if (result == 0 && ports->http != -1)
		result = http_open(agent, loop, ports->http, &http);
	if (result != 0)
		goto stop;
	tell_manager("READY=1");
	result = loop_run(loop);
	tell_manager("STOPPING=1");
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
serve(const struct options *options, const struct config *config,
    struct agent *agent)
{
	struct ports ports;

	log_set_level((enum log_level)config->log_level);
	signal(SIGPIPE, SIG_IGN);
	if (ports_open(config, &ports) != 0 || give_up_root(config->user) != 0)
		return 1;
	if (!options->foreground) {
		/* Whatever can be refused has been, on stderr. */
		if (log_open(LOG_TO_SYSLOG, "vodagent", NULL) != 0 ||
		    daemon(0, 0) != 0) {
			fprintf(stderr,
			    "vodagent: cannot become a daemon: %s\n",
			    strerror(errno));
			return 1;
		}
	}
	return answer_all(agent, &ports);
}

int
main(int argc, char **argv)
{
	char error[SETTINGS_ERROR_MAX];
	struct options options;
	struct config config;
	struct agent agent;
	int result;

	if ((result = read_options(argc, argv, &options)) != -1)
		return result;
	if (config_load(&options.source, &config, error) != 0 ||
	    agent_init(&agent, &config, options.instance, error) != 0) {
		fprintf(stderr, "vodagent: %s\n", error);
		return EXIT_USAGE;
	}
	if (options.test)
		return run_test(&options, &config, &agent);
	if (log_open(LOG_TO_STDERR, "vodagent", NULL) != 0)
		return 1;
	return serve(&options, &config, &agent);
}
