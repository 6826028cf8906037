/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodd: options and configuration, opens what needs privileges, becomes a
 * daemon, then the master.  Nothing here runs once the instance serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "base/program.h"
#include "base/sock.h"
#include "server/config.h"
#include "server/control.h"
#include "server/instance.h"
#include "server/master.h"
#include "server/privileges.h"
#include "server/resources.h"
#include "server/upgrade.h"
#include "table/table.h"

#define DEFAULT_FILE VODD_SYSCONFDIR "/vodd.conf"

struct options {
	struct program_options common;
	struct settings_list listen;
	const char *media_root, *workers; /* NULL: not given */
	const char *order;
};

static const char usage_text[] =
    "usage: vodd [-f] [-t] [-c FILE] [-r MEDIA_ROOT] [-l [ADDRESS]:PORT]...\n"
    "            [-w WORKERS] [-n INSTANCE] [-o NAME=VALUE]...\n"
    "            [-s stop|reload|upgrade|drain|undrain] [-V] [-h]\n"
    "\n"
    "  -f        stay in the foreground, log on stderr\n"
    "  -t        check the configuration and print what it means\n"
    "  -c FILE   configuration (default " DEFAULT_FILE ")\n"
    "  -r DIR    folder whose files are served\n"
    "  -l ADDR   listen there, as :8554, 192.0.2.1:554 or [::1]:8554\n"
    "  -w COUNT  worker processes (default: one per processor)\n"
    "  -n NAME   name of the instance (default vodd)\n"
    "  -o N=V    override a setting of the configuration\n"
    "  -s ORDER  tell the running instance: " CONTROL_ORDERS "\n"
    "  -V        print the version\n"
    "  -h        print this\n";

/* --- options
 * ------------------------------------------------------------------- */
static program_take take_option;

static const struct program program = {
	.name = "vodd",
	.usage = usage_text,
	.file = DEFAULT_FILE,
	.instance = "vodd",
	.letters = "r:l:w:s:",
	.take = take_option,
};

static int
add_listen(struct settings_list *listen, const char *text)
{
	union sock_address address;

	if (sock_address_parse(text, &address) != 0)
		return program_refuse(&program,
		    "-l %s: not a numeric address and port, such as :554, "
		    "192.0.2.1:554 or [::1]:8554",
		    text);
	if (listen->count == SETTINGS_LIST_MAX)
		return program_refuse(
		    &program, "more than %d times -l", SETTINGS_LIST_MAX);
	snprintf(
	    listen->text[listen->count++], sizeof(listen->text[0]), "%s", text);
	return PROGRAM_GOES_ON;
}

static int
take_option(void *context, int option, const char *value)
{
	struct options *options = context;

	switch (option) {
	case 'l':
		return add_listen(&options->listen, value);
	case 'r':
		options->media_root = program_path(value);
		break;
	case 'w':
		options->workers = value;
		break;
	default: /* 's' */
		options->order = value;
		break;
	}
	return PROGRAM_GOES_ON;
}

static void
set_by_option(struct options *options)
{
	char listen[sizeof(options->listen.text)] = "";
	size_t used = 0;

	program_set(&options->common, "media_root", options->media_root);
	program_set(&options->common, "workers", options->workers);
	for (unsigned i = 0; i < options->listen.count; i++)
		used += (size_t)snprintf(listen + used, sizeof(listen) - used,
		    "%s%s", i == 0 ? "" : ",", options->listen.text[i]);
	program_set(&options->common, "listen", used > 0 ? listen : NULL);
}

static int
read_options(int argc, char **argv, struct options *options)
{
	int result;

	*options = (struct options){ .order = NULL };
	result =
	    program_options(&program, argc, argv, options, &options->common);
	if (result != PROGRAM_GOES_ON)
		return result;
	if (options->order != NULL && !control_knows(options->order))
		return program_refuse(&program,
		    "-s %s: " CONTROL_ORDERS " is known", options->order);
	set_by_option(options);
	return PROGRAM_GOES_ON;
}

/* --- -t
 * ---------------------------------------------------------------------------
 */
static void
print_firewall(const struct config *config, uint32_t lanes)
{
	union sock_address address;

	printf("# ports to open in a firewall\n");
	for (unsigned i = 0; i < config->listen.count; i++)
		if (sock_address_parse(config->listen.text[i], &address) == 0)
			printf("#   TCP %u in (RTSP, on %s)\n",
			    sock_address_port(&address),
			    config->listen.text[i]);
	if (!config->udp)
		printf("#   UDP none: udp is false\n");
	else if (config->rtp_ports.last == 0)
		printf("#   UDP the kernel's choice, new ones at each start: "
		       "set rtp_ports to have a fixed range\n");
	else
		printf("#   UDP %u-%u out (RTP) and in (RTCP); %" PRIu32
		       " pairs are used\n",
		    config->rtp_ports.first, config->rtp_ports.last, lanes);
}

static void
print_sizes(const struct options *options, const struct config *config)
{
	struct table_limits limits, one_lane;
	struct config fitted = *config;
	char note[SETTINGS_ERROR_MAX];

	(void)resources_fit(&fitted, note);
	resources_table_limits(&fitted, &limits);
	printf("# instance %s\n", options->common.instance);
	printf("#   workers      %" PRIu32 "\n", limits.lanes);
	printf("#   sessions     %" PRIu64 "\n", fitted.max_sessions);
	printf("#   connections  %" PRIu64 "\n", config_connections(&fitted));
	/* A lane may hold more than its share, so this is not all lanes full.
	 */
	one_lane = limits;
	one_lane.lanes = 1;
	one_lane.spare_lanes = 0;
	one_lane.lane_sessions = one_lane.lane_titles =
	    (uint32_t)fitted.max_sessions;
	one_lane.lane_connections = (uint32_t)config_connections(&fitted);
	printf("#   table        /vodd.%s, about %.1f MiB with all sessions\n",
	    options->common.instance,
	    (double)table_size(&one_lane) / (1024.0 * 1024.0));
	printf("#   read pool    %.1f MiB for all workers\n",
	    (double)(fitted.read_pool_bytes * limits.lanes) /
		(1024.0 * 1024.0));
	printf("#   descriptors  %" PRIu64 " of one process\n",
	    resources_descriptors(&fitted));
	if (note[0] != '\0')
		printf("#   %s\n", note);
}

static int
run_test(const struct options *options, const struct config *config)
{
	char warning[SETTINGS_ERROR_MAX], error[SETTINGS_ERROR_MAX];
	struct privileges privileges;
	int result = 0;

	program_print(&options->common, config_rows, config_row_count, config);
	print_sizes(options, config);
	print_firewall(config, config_lanes(config));
	fflush(stdout);
	if (access(config->media_root, X_OK) != 0) {
		fprintf(stderr, "vodd: media root %s: %s; -r names another\n",
		    config->media_root, strerror(errno));
		result = 1;
	}
	if (privileges_find(config->user, config->group, &privileges, warning,
		error) != 0) {
		fprintf(stderr, "vodd: %s\n", error);
		result = 1;
	} else if (warning[0] != '\0') {
		fprintf(stderr, "vodd: %s\n", warning);
	}
	return result;
}

/* --- start
 * ------------------------------------------------------------------------ */
/* The parent: what the daemon says is what happened. */
static _Noreturn void
wait_for_daemon(int pipe_end)
{
	char text[SETTINGS_ERROR_MAX + 1];
	size_t used = 0;
	ssize_t count;

	do {
		count = read(pipe_end, text + used, sizeof(text) - 1 - used);
		if (count > 0)
			used += (size_t)count;
	} while (count > 0 || (count == -1 && errno == EINTR));
	text[used] = '\0';
	if (strcmp(text, "R") == 0)
		_exit(0);
	fprintf(stderr, "vodd: %s\n",
	    used > 0 ? text : "ended while it started; see the log");
	_exit(1);
}

static int
no_streams(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1)
		return -errno;
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) == -1)
			return -errno;
	if (null > 2)
		close(null);
	return 0;
}

/*
 * Returns in the daemon, with *READY_PIPE set.  The second fork: a leader of a
 * session could get a terminal again.
 */
static int
become_daemon(int *ready_pipe)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	if ((pid = fork()) == -1)
		return -errno;
	if (pid != 0) {
		close(ends[1]);
		wait_for_daemon(ends[0]);
	}
	close(ends[0]);
	setsid();
	if ((pid = fork()) == -1)
		return -errno;
	if (pid != 0)
		_exit(0);
	if (chdir("/") != 0)
		return -errno;
	umask(022);
	*ready_pipe = ends[1];
	return 0;
}

/* Whoever starts us with a stream closed would have it be a socket of ours. */
static void
fill_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
}

static int
open_log(const struct config *config)
{
	return log_open(
	    (enum log_target)config->log_target, "vodd", config->log_file);
}

/* While stderr is still a person's. */
static int
prepare(const struct options *options, bool upgraded, struct config *config,
    struct instance *instance, struct privileges *privileges)
{
	char error[SETTINGS_ERROR_MAX], note[SETTINGS_ERROR_MAX];
	pid_t other;

	if (instance_locate(options->common.instance, true, instance, error) !=
	    0)
		goto fail;
	/* To look at our own lock would be to lose it (fcntl(2)). */
	if (!upgraded && (other = instance_master(instance)) != 0) {
		snprintf(error, sizeof(error),
		    "instance %s is running already, pid %d; -n names another",
		    instance->name, (int)other);
		goto fail;
	}
	if (privileges_find(
		config->user, config->group, privileges, note, error) != 0)
		goto fail;
	if (note[0] != '\0')
		log_warning("master", "%s", note);
	if (resources_fit(config, note) != 0) {
		snprintf(error, sizeof(error), "%s", note);
		goto fail;
	}
	if (note[0] != '\0')
		log_warning("master", "%s", note);
	return 0;

fail:
	log_error("master", "%s", error);
	return 1;
}

static int
start_daemon(const struct config *config, int *ready_pipe)
{
	int error;

	if ((error = become_daemon(ready_pipe)) != 0 ||
	    (error = open_log(config)) != 0 || (error = no_streams()) != 0)
		/* Whoever waits for the daemon prints it. */
		dprintf(*ready_pipe != -1 ? *ready_pipe : STDERR_FILENO,
		    "cannot become a daemon%s%s: %s",
		    config->log_file[0] != '\0' ? " with log file " : "",
		    config->log_file, strerror(-error));
	return error;
}

/* It is one already; a file that only root could open is kept. */
static int
stay_daemon(const struct config *config, struct estate *estate)
{
	int error = open_log(config);

	if (error != 0 && estate->log != -1 &&
	    config->log_target == LOG_TO_FILE) {
		log_resume(config->log_file, estate->log);
		estate->log = -1;
		error = 0;
	}
	umask(022);
	return error == 0 && chdir("/") != 0 ? -errno : error;
}

static int
serve(const struct options *options, const struct config *asked,
    const struct upgrade_origin *origin)
{
	struct config config = *asked;
	struct privileges privileges;
	struct resources resources;
	struct instance instance;
	struct estate estate;
	struct master_birth birth = {
		.options = &options->common,
		.asked = asked,
		.config = &config,
		.instance = &instance,
		.resources = &resources,
		.privileges = &privileges,
		.origin = origin,
		.ready_pipe = -1,
	};
	int left, error = 0, result;

	log_set_level((enum log_level)config.log_level);
	estate_init(&estate);
	if ((left = upgrade_inherit(&estate)) < 0) {
		log_error("master", "nothing can be read of what was left: %s",
		    estate.fault);
		return 1;
	}
	if (prepare(options, left == 1, &config, &instance, &privileges) != 0)
		return 1;
	if (left == 1) {
		birth.estate = &estate;
		instance.lock = estate.lock;
		estate.lock = -1;
	}
	if (!options->common.foreground)
		error = left == 1 ? stay_daemon(&config, &estate)
				  : start_daemon(&config, &birth.ready_pipe);
	if (error != 0)
		return 1;
	resources_init(&resources, &instance);
	result = master_run(&birth);
	resources_close(&resources);
	return result;
}

/* --- --check-upgrade, for programs only (upgrade.h)
 * ------------------------------------------------------------------------ */
static int
run_upgrade_check(const struct config *config)
{
	char warning[SETTINGS_ERROR_MAX], error[SETTINGS_ERROR_MAX];
	struct privileges privileges;

	if (privileges_find(config->user, config->group, &privileges, warning,
		error) == 0 &&
	    upgrade_answer(config, error) == 0)
		return 0;
	fprintf(stderr, "vodd: %s\n", error);
	return 1;
}

int
main(int argc, char **argv)
{
	char error[SETTINGS_ERROR_MAX];
	static struct options options; /* until the process ends */
	struct instance instance;
	struct upgrade_origin origin;
	struct config config;
	bool asked;
	int result;

	fill_streams();
	upgrade_remember(argv, &origin);
	asked = upgrade_is_asked(&argc, argv);
	if ((result = read_options(argc, argv, &options)) != PROGRAM_GOES_ON)
		return result;
	if (options.order != NULL) {
		if (instance_locate(
			options.common.instance, false, &instance, error) == 0)
			return control_run(&instance, options.order);
		fprintf(stderr, "vodd: %s\n", error);
		return 1;
	}
	if (config_load(&options.common, &config, error) != 0) {
		fprintf(stderr, "vodd: %s\n", error);
		return PROGRAM_USAGE;
	}
	if (asked)
		return run_upgrade_check(&config);
	if (options.common.test)
		return run_test(&options, &config);
	if (log_open(LOG_TO_STDERR, "vodd", NULL) != 0)
		return 1;
	return serve(&options, &config, &origin);
}
