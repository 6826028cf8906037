/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodd: options and configuration, opens what needs privileges, becomes a
 * daemon, then the master.  Nothing here runs once the instance serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "base/sock.h"
#include "server/config.h"
#include "server/control.h"
#include "server/instance.h"
#include "server/master.h"
#include "server/privileges.h"
#include "server/resources.h"
#include "server/upgrade.h"
#include "table/table.h"

#define EXIT_USAGE 2
#define DEFAULT_FILE VODD_SYSCONFDIR "/vodd.conf"

struct options {
	struct config_source source;
	const char *instance, *order;
	bool test;
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
static int PRINTF_LIKE(1, 2) usage_error(const char *format, ...)
{
	va_list list;

	fputs("vodd: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputs("\nvodd: -h prints the options\n", stderr);
	return EXIT_USAGE;
}

static int
add_listen(struct config_source *source, const char *text)
{
	struct settings_list *listen = &source->listen;
	union sock_address address;

	if (sock_address_parse(text, &address) != 0)
		return usage_error(
		    "-l %s: not a numeric address and port, such as :554, "
		    "192.0.2.1:554 or [::1]:8554",
		    text);
	if (listen->count == SETTINGS_LIST_MAX)
		return usage_error("more than %d times -l", SETTINGS_LIST_MAX);
	snprintf(
	    listen->text[listen->count++], sizeof(listen->text[0]), "%s", text);
	return 0;
}

static int
add_override(struct config_source *source, const char *text)
{
	if (source->override_count == CONFIG_OVERRIDES_MAX)
		return usage_error(
		    "more than %d times -o", CONFIG_OVERRIDES_MAX);
	source->overrides[source->override_count++] = text;
	return 0;
}

/* A daemon leaves its folder, but looks there again. */
static const char *
absolute(const char *path)
{
	char folder[4096], *result;

	if (path[0] == '/' || getcwd(folder, sizeof(folder)) == NULL ||
	    asprintf(&result, "%s/%s", folder, path) == -1)
		return path;
	return result;
}

/* -1: go on; else the exit status. */
static int
take_option(struct options *options, int option, const char *value)
{
	struct config_source *source = &options->source;
	int result = 0;

	switch (option) {
	case 'f':
		source->foreground = true;
		break;
	case 't':
		options->test = true;
		break;
	case 'c':
		source->file = absolute(value);
		source->file_optional = false;
		break;
	case 'r':
		source->media_root = absolute(value);
		break;
	case 'l':
		result = add_listen(source, value);
		break;
	case 'w':
		source->workers = value;
		break;
	case 'n':
		options->instance = value;
		break;
	case 'o':
		result = add_override(source, value);
		break;
	case 's':
		options->order = value;
		break;
	case 'V':
		printf("vodd %s\n", PACKAGE_VERSION);
		return 0;
	case 'h':
		fputs(usage_text, stdout);
		return 0;
	case ':':
		return usage_error("-%c needs a value", optopt);
	default:
		return usage_error("unknown option -%c", optopt);
	}
	return result == 0 ? -1 : result;
}

static int
read_options(int argc, char **argv, struct options *options)
{
	int option, result;

	*options = (struct options){ .instance = "vodd",
		.source = { .file = DEFAULT_FILE, .file_optional = true } };
	while ((option = getopt(argc, argv, ":ftc:r:l:w:n:o:s:Vh")) != -1) {
		result = take_option(options, option, optarg);
		if (result != -1)
			return result;
	}
	if (optind < argc)
		return usage_error("unknown argument %s", argv[optind]);
	if (!instance_name_is_valid(options->instance))
		return usage_error(
		    "-n %s: a name has 1 to %d of A-Z a-z 0-9 _ -",
		    options->instance, INSTANCE_NAME_MAX);
	if (options->order != NULL && !control_knows(options->order))
		return usage_error(
		    "-s %s: " CONTROL_ORDERS " is known", options->order);
	return -1;
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
	printf("# instance %s\n", options->instance);
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
	    options->instance,
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

	printf("# %s\n", access(options->source.file, F_OK) == 0
			     ? options->source.file
			     : "no configuration file: defaults");
	settings_print(config_rows, config_row_count, config, stdout);
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

	if (instance_locate(options->instance, true, instance, error) != 0)
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
		.source = &options->source,
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
	if (!options->source.foreground)
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
	struct options options;
	struct instance instance;
	struct upgrade_origin origin;
	struct config config;
	bool asked;
	int result;

	fill_streams();
	upgrade_remember(argv, &origin);
	asked = upgrade_is_asked(&argc, argv);
	if ((result = read_options(argc, argv, &options)) != -1)
		return result;
	if (options.order != NULL) {
		if (instance_locate(
			options.instance, false, &instance, error) == 0)
			return control_run(&instance, options.order);
		fprintf(stderr, "vodd: %s\n", error);
		return 1;
	}
	if (config_load(&options.source, &config, error) != 0) {
		fprintf(stderr, "vodd: %s\n", error);
		return EXIT_USAGE;
	}
	if (asked)
		return run_upgrade_check(&config);
	if (options.test)
		return run_test(&options, &config);
	if (log_open(LOG_TO_STDERR, "vodd", NULL) != 0)
		return 1;
	return serve(&options, &config, &origin);
}
