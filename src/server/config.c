/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's settings: what there is, within which limits, and what it takes
 * to change each in a running instance.  Reading the file is base/settings'
 * work; here are the table and the checks that need more than one value.
 */
#include "server/config.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "base/sock.h"
#include "table/table.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define MINUTE_US (60 * US_PER_SECOND)
#define HOUR_US (60 * MINUTE_US)
#define TBIT UINT64_C(1000000000000)

/*
 * payload_limit: an RTP packet of 1,448 bytes of payload is 1,488 bytes of
 * IPv4, which passes Ethernet and PPPoE, and holds the 1,444 byte ASF packets
 * that Windows encoders like whole.  IPv6 paths promise 1,280 bytes only
 * (RFC 8200 5).
 */
/* clang-format off */
#define ROW(name, type, field, text, ...) \
	{ name, type, offsetof(struct config, field), text, __VA_ARGS__ }
const struct settings_row config_rows[] = {
	ROW("media_root", SETTINGS_TEXT, media_root, "/srv/vodd", 0, 0, NULL,
	    "Folder whose files are served."),
	ROW("listen", SETTINGS_TEXT_LIST, listen, ":554", 0, 0, NULL,
	    "Addresses and TCP ports for RTSP."),
	ROW("rtp_ports", SETTINGS_RANGE, rtp_ports, "", 0, 65535, NULL,
	    "UDP ports that media is sent from; empty: the kernel's choice."),
	ROW("user", SETTINGS_TEXT, user, "vodd", 0, 0, NULL,
	    "User that workers run as when started by root."),
	ROW("group", SETTINGS_TEXT, group, "", 0, 0, NULL,
	    "Group that workers run as; empty: the user's own."),
	ROW("workers", SETTINGS_COUNT, workers, "0", 0, TABLE_LANES_MAX, NULL,
	    "Worker processes; 0: one per processor."),
	ROW("reader_threads", SETTINGS_COUNT, reader_threads, "4", 1, 64, NULL,
	    "Threads of a worker that wait for the disk."),
	ROW("read_pool", SETTINGS_SIZE, read_pool_bytes, "64 MiB",
	    MIB, 64 * GIB, NULL,
	    "Memory of a worker for media read ahead."),
	ROW("stall_timeout", SETTINGS_TIME, stall_timeout_us, "5 s",
	    US_PER_SECOND, 5 * MINUTE_US, NULL,
	    "A worker silent for longer is killed and replaced."),
	ROW("max_sessions", SETTINGS_COUNT, max_sessions, "4000",
	    1, 500000, NULL,
	    "Sessions of all workers together."),
	ROW("max_sessions_per_address", SETTINGS_COUNT,
	    max_sessions_per_address, "0", 0, 500000, NULL,
	    "Sessions of one viewer's address; 0: no limit."),
	ROW("max_connections", SETTINGS_COUNT, max_connections, "0",
	    0, 1000000, NULL,
	    "RTSP connections; 0: one and a half times max_sessions."),
	ROW("max_bandwidth", SETTINGS_RATE, max_bandwidth_bps, "0",
	    0, 100 * TBIT, NULL,
	    "Bit rate of all sessions together; 0: no limit."),
	ROW("max_speed", SETTINGS_NUMBER, max_speed, "4.0", 1, 16, NULL,
	    "Largest Speed that a viewer is given."),
	ROW("session_timeout", SETTINGS_TIME, session_timeout_us, "60 s",
	    5 * US_PER_SECOND, 60 * MINUTE_US, NULL,
	    "A session whose viewer is silent for longer is ended."),
	ROW("request_timeout", SETTINGS_TIME, request_timeout_us, "15 s",
	    US_PER_SECOND, 10 * MINUTE_US, NULL,
	    "Time for a connection to send a whole request."),
	ROW("write_timeout", SETTINGS_TIME, write_timeout_us, "10 s",
	    US_PER_SECOND, 10 * MINUTE_US, NULL,
	    "A TCP viewer that takes nothing for longer is ended."),
	ROW("drain_grace", SETTINGS_TIME, drain_grace_us, "10 s",
	    0, 10 * MINUTE_US, NULL,
	    "A server that drains takes new sessions for so long yet."),
	ROW("drain_timeout", SETTINGS_TIME, drain_timeout_us, "60 s",
	    0, 24 * HOUR_US, NULL,
	    "Sessions left so long after SIGQUIT are ended."),
	ROW("send_ahead", SETTINGS_TIME, send_ahead_us, "50 ms",
	    0, 2 * US_PER_SECOND, NULL,
	    "How much before its time a packet may be sent."),
	ROW("payload_limit", SETTINGS_SIZE, payload_limit_bytes, "1448 bytes",
	    512, 8948, NULL,
	    "Largest RTP payload over UDP and IPv4."),
	ROW("payload_limit_ipv6", SETTINGS_SIZE, payload_limit_ipv6_bytes,
	    "1200 bytes", 512, 8928, NULL,
	    "Largest RTP payload over UDP and IPv6."),
	ROW("udp", SETTINGS_BOOL, udp, "true", 0, 1, NULL,
	    "Offer RTP over UDP."),
	ROW("tcp", SETTINGS_BOOL, tcp, "true", 0, 1, NULL,
	    "Offer RTP interleaved with RTSP over TCP."),
	ROW("udp_segmentation", SETTINGS_BOOL, udp_segmentation, "true", 0, 1,
	    NULL, "Hand the kernel several datagrams as one message (GSO)."),
	ROW("log_level", SETTINGS_CHOICE, log_level, "info", 0, 3,
	    log_level_names,
	    "The least important level that is logged."),
	ROW("log_file", SETTINGS_TEXT, log_file, "", 0, 0, NULL,
	    "File that a daemon logs to; empty: syslog."),
};

/* What is not here is in force when the workers have been relieved. */
static const struct {
	const char *name;
	enum config_effect effect;
} effects[] = {
	{ "workers",       CONFIG_NUMBER },
	{ "drain_grace",   CONFIG_AT_ONCE },
	{ "drain_timeout", CONFIG_AT_ONCE },
	{ "log_level",     CONFIG_AT_ONCE },
	{ "stall_timeout", CONFIG_AT_ONCE },
};
/* clang-format on */
const size_t config_row_count = ARRAY_LENGTH(config_rows);

uint32_t
config_lanes(const struct config *config)
{
	cpu_set_t set;
	long count;

	if (config->workers != 0)
		return (uint32_t)config->workers;
	count = sched_getaffinity(0, sizeof(set), &set) == 0
		    ? CPU_COUNT(&set)
		    : sysconf(_SC_NPROCESSORS_ONLN);
	return (uint32_t)MIN_OF(MAX_OF(count, 1), TABLE_LANES_MAX);
}

uint64_t
config_connections(const struct config *config)
{
	return config->max_connections != 0
		   ? config->max_connections
		   : config->max_sessions + (config->max_sessions + 1) / 2;
}

enum config_effect
config_effect(size_t row)
{
	for (size_t i = 0; i < ARRAY_LENGTH(effects); i++)
		if (strcmp(effects[i].name, config_rows[row].name) == 0)
			return effects[i].effect;
	return CONFIG_WORKERS;
}

unsigned
config_compare(const struct config *a, const struct config *b, char *names,
    size_t names_size)
{
	unsigned found = 0;
	size_t used = 0;

	names[0] = '\0';
	for (size_t i = 0; i < config_row_count; i++) {
		if (settings_same(&config_rows[i], a, b))
			continue;
		found |= config_effect(i);
		if (used >= names_size)
			continue;
		used += (size_t)snprintf(names + used, names_size - used,
		    "%s%s", used == 0 ? "" : ", ", config_rows[i].name);
	}
	return found;
}

/* --- checks that need more than a row --------------------------------------
 */
static const char *
listen_fault(const struct settings_list *listen)
{
	union sock_address address;

	if (listen->count == 0)
		return "at least one address is needed, such as \":554\"";
	for (unsigned i = 0; i < listen->count; i++) {
		if (sock_address_parse(listen->text[i], &address) != 0)
			return "not a numeric address and port, such as "
			       "\":554\", \"192.0.2.1:554\" or \"[::1]:8554\"";
		/* Port 0 is another port each time. */
		for (unsigned k = 0; k < i && sock_address_port(&address) != 0;
		     k++)
			if (strcmp(listen->text[i], listen->text[k]) == 0)
				return "the same address twice";
	}
	return NULL;
}

static const char *
ports_fault(const struct config *config)
{
	unsigned first = config->rtp_ports.first, last = config->rtp_ports.last;
	unsigned even = first + first % 2;

	if (last == 0)
		return NULL;
	/* A pair is an even port and the one above it. */
	if (even > last || (last + 1 - even) / 2 < config_lanes(config))
		return "too few ports: each worker needs an even one and the "
		       "one above it";
	return NULL;
}

static const char *
root_fault(const char *media_root)
{
	if (media_root[0] == '\0')
		return "must not be empty (-r names it too)";
	return media_root[0] != '/' ? "must be an absolute path" : NULL;
}

static int
config_check(const struct settings_source *source, const struct config *config,
    char error[static SETTINGS_ERROR_MAX])
{
	const struct {
		const char *name, *fault; /* NULL: none */
	} checks[] = {
		{ "media_root", root_fault(config->media_root) },
		{ "listen", listen_fault(&config->listen) },
		{ "rtp_ports", ports_fault(config) },
		{ "user",
		    config->user[0] == '\0' ? "must not be empty" : NULL },
		{ "tcp", !config->udp && !config->tcp
			     ? "udp and tcp are both false: nothing could be "
			       "sent"
			     : NULL },
		{ "log_file",
		    config->log_file[0] != '\0' && config->log_file[0] != '/'
			? "must be an absolute path"
			: NULL },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(checks); i++)
		if (checks[i].fault != NULL)
			return settings_blame(
			    source, checks[i].name, checks[i].fault, error);
	return 0;
}

int
config_load(const struct program_options *options, struct config *out,
    char error[static SETTINGS_ERROR_MAX])
{
	struct config config;
	int result;

	memset(&config, 0, sizeof(config));
	result = settings_load(
	    config_rows, config_row_count, &options->settings, &config, error);
	if (result == 0)
		result = config_check(&options->settings, &config, error);
	if (result != 0)
		return result;
	config.log_target = options->foreground		 ? LOG_TO_STDERR
			    : config.log_file[0] != '\0' ? LOG_TO_FILE
							 : LOG_TO_SYSLOG;
	*out = config;
	return 0;
}
