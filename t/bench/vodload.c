/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodload - many viewers at once, in one thread: starts sessions at a given
 * rate, plays, checks every packet, and prints what came as JSON.
 *
 * Connections that have not seen their first packet are waited for, so that
 * the start is measured exactly; all others, and the UDP ports, are read once
 * a millisecond, so that the load costs the machine little.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "port.h"
#include "sink.h"

#define TICK_US 1000
#define EVENTS_MAX 1024
#define TITLE_MAX 256
#define START_LIMIT_US 10000000
/* A session whose media ended this long before its time has stalled. */
#define STALL_MS 500
/* Gaps that end so long behind a mark are told. */
#define GAP_WINDOW_US 200000
/* A session that got nothing for so long has lost its server. */
#define GAP_LIMIT_US 5000000

struct options {
	size_t sessions, per_port;
	double rate, seconds, zipf;
	bool tcp, gro, random_start;
	const char *titles_file, *trace_file, *sink;
	unsigned seed;
	uint64_t repeats;
};

struct counts {
	uint64_t packets, bytes, bursts, at_us;
	double cpu_s;
};

struct load {
	struct options options;
	struct sockaddr_in server;
	char prefix[256]; /* rtsp://host:port/ */
	char (*titles)[TITLE_MAX];
	size_t title_count;
	double *weights; /* of titles, summed up */
	struct client *clients;
	struct port *ports;
	size_t port_count, started;
	int starting, playing; /* epoll instances */
	struct trace trace;
	uint64_t begin_us, steady_us, end_us; /* 0: not yet */
	uint64_t read_us, stall_us; /* last reading; longest time between two */
	uint64_t mark_us; /* gaps since then are to be told; 0: none */
	struct counts at_steady, at_end;
};

/* What a session was, at the end. */
struct tally {
	size_t playing, failed, complete_on_time, complete, on_time;
	uint64_t lost, reordered, duplicate, malformed, late;
	uint64_t repeats, repeated, repeats_most;
	uint64_t client_stall_us;
	double early_ms, late_ms;
	struct histogram start, lateness;
};

static double
cpu_s(void)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	return (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
}

/* Setting up. */

static void
usage(void)
{
	fputs("usage: vodload [OPTION]... rtsp://HOST:PORT/ [TITLE]...\n"
	      "       vodload --sink udp|tcp [-n SESSIONS] [--sockets N] "
	      "[--no-gro]\n"
	      "  -n, --sessions N    how many (1)\n"
	      "  -r, --rate R        starts per second (200)\n"
	      "  -d, --seconds S     play that long after the last start (10)\n"
	      "  -t, --tcp           interleaved instead of UDP\n"
	      "      --titles FILE   more titles, one a line\n"
	      "      --zipf S        choose titles by Zipf's law with exponent "
	      "S (0: evenly)\n"
	      "      --random        start at a random position\n"
	      "      --sockets N     sessions to a UDP port pair (64)\n"
	      "      --no-gro        take datagrams one by one\n"
	      "      --trace FILE    sizes of the first packets of the first "
	      "session\n"
	      "      --seed N        of all choices (1)\n"
	      "      --repeats N     what a session gets twice over UDP, in "
	      "order, is no\n"
	      "                      error so many times (0)\n"
	      "SIGUSR1: print how long it takes until each session has its "
	      "next packet,\n"
	      "and the longest time that each is without one\n",
	    stderr);
	exit(2);
}

static void
parse_options(int argc, char **argv, struct options *options)
{
	enum {
		TITLES = 256,
		ZIPF,
		RANDOM,
		SOCKETS,
		NO_GRO,
		TRACE,
		SEED,
		SINK,
		REPEATS
	};
	static const struct option names[] = {
		{ "sessions", required_argument, NULL, 'n' },
		{ "rate", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 'd' },
		{ "tcp", no_argument, NULL, 't' },
		{ "titles", required_argument, NULL, TITLES },
		{ "zipf", required_argument, NULL, ZIPF },
		{ "random", no_argument, NULL, RANDOM },
		{ "sockets", required_argument, NULL, SOCKETS },
		{ "no-gro", no_argument, NULL, NO_GRO },
		{ "trace", required_argument, NULL, TRACE },
		{ "seed", required_argument, NULL, SEED },
		{ "sink", required_argument, NULL, SINK },
		{ "repeats", required_argument, NULL, REPEATS },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*options = (struct options){ .sessions = 1,
		.per_port = 64,
		.rate = 200,
		.seconds = 10,
		.gro = true,
		.seed = 1 };
	while (
	    (option = getopt_long(argc, argv, "n:r:d:t", names, NULL)) != -1) {
		switch (option) {
		case 'n':
			options->sessions = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			options->rate = strtod(optarg, NULL);
			break;
		case 'd':
			options->seconds = strtod(optarg, NULL);
			break;
		case 't':
			options->tcp = true;
			break;
		case TITLES:
			options->titles_file = optarg;
			break;
		case ZIPF:
			options->zipf = strtod(optarg, NULL);
			break;
		case RANDOM:
			options->random_start = true;
			break;
		case SOCKETS:
			options->per_port = strtoul(optarg, NULL, 10);
			break;
		case NO_GRO:
			options->gro = false;
			break;
		case TRACE:
			options->trace_file = optarg;
			break;
		case SEED:
			options->seed = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case SINK:
			options->sink = optarg;
			break;
		case REPEATS:
			options->repeats = strtoull(optarg, NULL, 10);
			break;
		default:
			usage();
		}
	}
	if (options->sessions == 0 || options->per_port == 0 ||
	    options->per_port > PORT_FLOWS_MAX / CLIENT_STREAMS_MAX ||
	    options->rate <= 0)
		usage();
}

static void *
array(size_t count, size_t size)
{
	void *all = calloc(count, size);

	if (all == NULL)
		err(1, "memory");
	return all;
}

static void
find_server(struct load *load, const char *url)
{
	char host[128], port[16] = "554";
	struct addrinfo hint = { .ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int error;

	if (sscanf(url, "rtsp://%127[^:/]:%15[0-9]", host, port) < 1)
		usage();
	error = getaddrinfo(host, port, &hint, &found);
	if (error != 0)
		errx(1, "%s: %s", host, gai_strerror(error));
	memcpy(&load->server, found->ai_addr, sizeof(load->server));
	freeaddrinfo(found);
	snprintf(
	    load->prefix, sizeof(load->prefix), "rtsp://%s:%s/", host, port);
}

static void
add_title(struct load *load, const char *title)
{
	load->titles = realloc(
	    load->titles, (load->title_count + 1) * sizeof(load->titles[0]));
	if (load->titles == NULL)
		err(1, "memory");
	snprintf(load->titles[load->title_count++], TITLE_MAX, "%s", title);
}

static void
read_titles(struct load *load, int count, char **titles)
{
	const char *path = load->options.titles_file;
	char line[256];
	FILE *file;

	for (int i = 0; i < count; i++)
		add_title(load, titles[i]);
	if (path != NULL) {
		if ((file = fopen(path, "r")) == NULL)
			err(1, "%s", path);
		while (fgets(line, sizeof(line), file) != NULL) {
			line[strcspn(line, "\n")] = '\0';
			add_title(load, line);
		}
		fclose(file);
	}
	if (load->title_count == 0)
		usage();
	load->weights = array(load->title_count, sizeof(load->weights[0]));
	for (size_t i = 0; i < load->title_count; i++)
		load->weights[i] = (i > 0 ? load->weights[i - 1] : 0) +
				   pow((double)(i + 1), -load->options.zipf);
}

static const char *
choose_title(const struct load *load)
{
	double want = drand48() * load->weights[load->title_count - 1];
	size_t low = 0, high = load->title_count - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (load->weights[middle] > want)
			high = middle;
		else
			low = middle + 1;
	}
	return load->titles[low];
}

static void
prepare(struct load *load)
{
	const struct options *options = &load->options;
	size_t n = options->sessions;

	srand48((long)options->seed);
	load->clients = array(n, sizeof(load->clients[0]));
	load->port_count =
	    options->tcp ? 0 : (n + options->per_port - 1) / options->per_port;
	load->ports = array(load->port_count + 1, sizeof(load->ports[0]));
	for (size_t i = 0; i < load->port_count; i++)
		port_open(&load->ports[i], options->gro);
	for (size_t i = 0; i < n; i++) {
		struct client *client = &load->clients[i];

		client->fd = -1;
		snprintf(client->url, sizeof(client->url), "%s%s", load->prefix,
		    choose_title(load));
		client->port =
		    options->tcp ? NULL : &load->ports[i / options->per_port];
		client->start_part = options->random_start ? drand48() : -1;
		client->play_s =
		    options->seconds + 5 + (double)(n - i) / options->rate;
		if (i == 0 && options->trace_file != NULL)
			client->common.trace = &load->trace;
	}
	load->starting = epoll_create1(EPOLL_CLOEXEC);
	load->playing = epoll_create1(EPOLL_CLOEXEC);
	if (load->starting < 0 || load->playing < 0)
		err(1, "epoll");
}

static void
raise_limits(void)
{
	struct rlimit files;

	prctl(PR_SET_TIMERSLACK, 1000UL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max = 1 << 20;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
		getrlimit(RLIMIT_NOFILE, &files);
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* Running. */

static void
watch(int epoll, int operation, struct client *client, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = client };

	if (client->fd >= 0 &&
	    epoll_ctl(epoll, operation, client->fd, &event) != 0)
		err(1, "epoll_ctl");
}

static void
start_due(struct load *load, uint64_t now_us)
{
	while (load->started < load->options.sessions &&
	       (double)(now_us - load->begin_us) / 1e6 * load->options.rate >=
		   (double)load->started) {
		struct client *client = &load->clients[load->started++];

		if (client_start(client, &load->server))
			watch(load->starting, EPOLL_CTL_ADD, client, EPOLLOUT);
	}
}

static void
serve_starting(struct load *load, struct client *client)
{
	if (client->state == CLIENT_CONNECTING) {
		client_connected(client);
		watch(load->starting, EPOLL_CTL_MOD, client, EPOLLIN);
	} else {
		client_read(client);
	}
	/* Over UDP the first packet is seen by the tick. */
	if (client->fd >= 0 && client->state == CLIENT_PLAYING &&
	    (client->port != NULL || client_is_started(client))) {
		watch(load->starting, EPOLL_CTL_DEL, client, 0);
		watch(load->playing, EPOLL_CTL_ADD, client, EPOLLIN);
	}
}

static void
read_playing(struct load *load)
{
	struct epoll_event events[EVENTS_MAX];
	int count;

	for (size_t i = 0; i < load->port_count; i++)
		port_receive(&load->ports[i], false);
	do {
		count = epoll_wait(load->playing, events, EVENTS_MAX, 0);
		for (int i = 0; i < count; i++)
			client_read(events[i].data.ptr);
	} while (count == EVENTS_MAX);
}

static struct counts
count_all(const struct load *load, uint64_t now_us)
{
	struct counts counts = { .at_us = now_us, .cpu_s = cpu_s() };

	for (size_t i = 0; i < load->started; i++) {
		const struct client *client = &load->clients[i];

		for (unsigned f = 0; f < client->flow_count; f++) {
			counts.packets += client->flows[f].packets;
			counts.bytes += client->flows[f].bytes;
		}
		counts.bursts += client->common.bursts;
	}
	return counts;
}

static void
print_event(const char *name, const struct counts *counts)
{
	printf("{\"event\": \"%s\", \"packets\": %ju, \"bytes\": %ju}\n", name,
	    (uintmax_t)counts->packets, (uintmax_t)counts->bytes);
	fflush(stdout);
}

/* Gaps, as they are asked for by SIGUSR1. */

static volatile sig_atomic_t mark_asked;

static void
ask_mark(int signal)
{
	(void)signal;
	mark_asked = 1;
}

static void
set_mark(struct load *load, uint64_t now_us)
{
	mark_asked = 0;
	load->mark_us = now_us;
	for (size_t i = 0; i < load->started; i++) {
		struct flow_session *common = &load->clients[i].common;

		common->behind_us = common->gap_us = 0;
	}
}

static int
compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* The one in SORTED that PART of all are not above. */
static double
part_ms(const uint64_t *sorted, size_t count, double part)
{
	size_t rank = (size_t)ceil(part * (double)count);

	return count == 0 ? 0 : (double)sorted[rank > 0 ? rank - 1 : 0] / 1e3;
}

static void
print_gaps(const struct load *load, size_t missing)
{
	uint64_t *gaps_us = array(load->started, sizeof(*gaps_us));
	uint64_t last_us = load->mark_us;
	size_t count = 0;

	for (size_t i = 0; i < load->started; i++) {
		const struct flow_session *common = &load->clients[i].common;

		if (load->clients[i].state != CLIENT_PLAYING ||
		    common->behind_us == 0)
			continue;
		if (common->behind_us > last_us)
			last_us = common->behind_us;
		gaps_us[count++] = common->gap_us;
	}
	qsort(gaps_us, count, sizeof(*gaps_us), compare_times);
	printf("{\"event\": \"gaps\", \"mark_us\": %ju, \"sessions\": %zu, "
	       "\"missing\": %zu, "
	       "\"gap_p50_ms\": %.1f, \"gap_p99_ms\": %.1f, "
	       "\"gap_max_ms\": %.1f, \"last_ms\": %.1f}\n",
	    (uintmax_t)load->mark_us, count, missing,
	    part_ms(gaps_us, count, 0.5), part_ms(gaps_us, count, 0.99),
	    part_ms(gaps_us, count, 1),
	    (double)(last_us - load->mark_us) / 1e3);
	fflush(stdout);
	free(gaps_us);
}

/* When all have their packets, or it is in vain to wait. */
static void
look_at_mark(struct load *load, uint64_t now_us)
{
	size_t missing = 0;

	if (load->mark_us == 0 || now_us - load->mark_us < GAP_WINDOW_US)
		return;
	for (size_t i = 0; i < load->started; i++)
		missing += load->clients[i].state == CLIENT_PLAYING &&
			   load->clients[i].common.behind_us == 0;
	if (missing > 0 && now_us - load->mark_us < GAP_LIMIT_US)
		return;
	print_gaps(load, missing);
	load->mark_us = 0;
}

/* Every so often: who does not start, who must be kept alive, where we are. */
static void
look_around(struct load *load, uint64_t now_us)
{
	size_t waiting = load->options.sessions - load->started;

	look_at_mark(load, now_us);
	for (size_t i = 0; i < load->port_count; i++)
		port_drain_rtcp(&load->ports[i]);
	for (size_t i = 0; i < load->started; i++) {
		struct client *client = &load->clients[i];

		client_keep_alive(client, now_us);
		if (client->state >= CLIENT_CLOSED || client_is_started(client))
			continue;
		waiting++;
		if (now_us - client->started_us > START_LIMIT_US)
			client_fail(client, "state %d: no packet in time",
			    client->state);
	}
	if (waiting == 0 && load->steady_us == 0) {
		load->steady_us = now_us;
		load->end_us = now_us + (uint64_t)(load->options.seconds * 1e6);
		load->at_steady = count_all(load, now_us);
		load->stall_us = 0;
		print_event("steady", &load->at_steady);
	}
}

static void
run_until(struct load *load, bool (*is_over)(const struct load *, uint64_t))
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t tick_us = clock_us(), look_us = tick_us;

	for (uint64_t now_us = tick_us; !is_over(load, now_us);
	     now_us = clock_us()) {
		struct timespec wait = { 0, 0 };
		int count;

		start_due(load, now_us);
		if (now_us < tick_us)
			wait.tv_nsec = (long)(tick_us - now_us) * 1000;
		count = epoll_pwait2(
		    load->starting, events, EVENTS_MAX, &wait, NULL);
		for (int i = 0; i < count; i++)
			serve_starting(load, events[i].data.ptr);
		now_us = clock_us();
		if (mark_asked)
			set_mark(load, now_us);
		if (now_us < tick_us)
			continue;
		if (now_us - load->read_us > load->stall_us)
			load->stall_us = now_us - load->read_us;
		load->read_us = now_us;
		read_playing(load);
		tick_us = now_us + TICK_US;
		if (now_us >= look_us) {
			look_around(load, now_us);
			look_us = now_us + 50000;
		}
	}
}

static bool
is_measured(const struct load *load, uint64_t now_us)
{
	return load->end_us != 0 && now_us >= load->end_us;
}

static bool
is_closed(const struct load *load, uint64_t now_us)
{
	if (now_us > load->end_us + 3000000)
		return true;
	for (size_t i = 0; i < load->started; i++)
		if (load->clients[i].state < CLIENT_CLOSED)
			return false;
	return true;
}

/* Telling. */

static void
tally_client(struct tally *tally, const struct client *client, uint64_t allowed,
    uint64_t now_us)
{
	uint64_t bad = 0, packets = 0, late = 0, repeats = 0, repeated = 0;
	bool stalled = false;

	if (client->state != CLIENT_PLAYING || client->flow_count == 0) {
		tally->failed++;
		return;
	}
	tally->playing++;
	for (unsigned i = 0; i < client->flow_count; i++) {
		const struct flow *flow = &client->flows[i];
		double played_ms = (double)(now_us - flow->first_us) / 1000.0;

		bad += flow->lost + flow->malformed + flow->duplicate +
		       flow->again;
		repeats += flow->repeats;
		repeated += flow->repeated;
		packets += flow->packets;
		late += flow->late;
		stalled |=
		    !flow->started || played_ms - flow->media_ms > STALL_MS;
		tally->lost += flow->lost;
		tally->reordered += flow->reordered;
		tally->duplicate += flow->duplicate + flow->again;
		tally->malformed += flow->malformed;
		tally->early_ms = fmax(tally->early_ms, flow->early_ms);
		tally->late_ms = fmax(tally->late_ms, flow->late_ms);
	}
	if (repeats > (client->port != NULL ? allowed : 0))
		bad += repeated;
	tally->repeats += repeats;
	tally->repeated += repeated;
	if (repeats > tally->repeats_most)
		tally->repeats_most = repeats;
	late = stalled ? packets : late;
	tally->late += late;
	tally->complete += bad == 0 && packets > 0;
	tally->on_time += late * 100 <= packets;
	tally->complete_on_time += bad == 0 && late * 100 <= packets;
	histogram_add(
	    &tally->lateness, histogram_ms(&client->common.lateness, 0.99));
}

static void
tally_start(struct tally *tally, const struct client *client)
{
	uint64_t first_us = client_first_packet_us(client);

	if (first_us != 0)
		histogram_add(&tally->start,
		    (double)(first_us - client->started_us) / 1000.0);
}

static void
print_string(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++)
		putchar(
		    *text < ' ' || *text == '"' || *text == '\\' ? '?' : *text);
	putchar('"');
}

static void
print_result(const struct load *load, const struct tally *tally)
{
	const struct counts *from = &load->at_steady, *to = &load->at_end;
	double seconds = (double)(to->at_us - from->at_us) / 1e6;
	uint64_t drops = 0, strays = 0;

	for (size_t i = 0; i < load->port_count; i++) {
		drops += port_drops(&load->ports[i]);
		strays += load->ports[i].strays;
	}
	printf("{\"event\": \"result\", \"sessions\": %zu, \"playing\": %zu, "
	       "\"failed\": %zu, \"complete\": %zu, \"on_time\": %zu, "
	       "\"complete_on_time\": %zu",
	    load->options.sessions, tally->playing, tally->failed,
	    tally->complete, tally->on_time, tally->complete_on_time);
	printf(", \"start_p50_ms\": %.1f, \"start_p99_ms\": %.1f, "
	       "\"lateness_p99_ms\": {\"p50\": %.1f, \"p99\": %.1f, "
	       "\"max\": %.1f}, \"latest_ms\": %.1f, \"earliest_ms\": %.1f",
	    histogram_ms(&tally->start, 0.5), histogram_ms(&tally->start, 0.99),
	    histogram_ms(&tally->lateness, 0.5),
	    histogram_ms(&tally->lateness, 0.99),
	    histogram_ms(&tally->lateness, 1), tally->late_ms, tally->early_ms);
	printf(", \"packets\": %ju, \"bytes\": %ju, \"lost\": %ju, "
	       "\"late\": %ju, \"reordered\": %ju, \"duplicate\": %ju, "
	       "\"repeats\": %ju, \"repeats_most\": %ju, \"repeated\": %ju, "
	       "\"malformed\": %ju, \"strays\": %ju, \"client_drops\": %ju, "
	       "\"client_stall_ms\": %.1f",
	    (uintmax_t)to->packets, (uintmax_t)to->bytes,
	    (uintmax_t)tally->lost, (uintmax_t)tally->late,
	    (uintmax_t)tally->reordered, (uintmax_t)tally->duplicate,
	    (uintmax_t)tally->repeats, (uintmax_t)tally->repeats_most,
	    (uintmax_t)tally->repeated, (uintmax_t)tally->malformed,
	    (uintmax_t)strays, (uintmax_t)drops,
	    (double)tally->client_stall_us / 1000.0);
	printf(", \"steady\": {\"seconds\": %.3f, \"packets\": %ju, "
	       "\"bytes\": %ju, \"bursts\": %ju, \"client_cpu_s\": %.4f}",
	    seconds, (uintmax_t)(to->packets - from->packets),
	    (uintmax_t)(to->bytes - from->bytes),
	    (uintmax_t)(to->bursts - from->bursts), to->cpu_s - from->cpu_s);
	printf(", \"failures\": [");
	for (size_t i = 0, told = 0; i < load->started && told < 5; i++) {
		if (load->clients[i].failure == NULL)
			continue;
		if (told++ > 0)
			printf(", ");
		print_string(load->clients[i].failure);
	}
	printf("]}\n");
}

static void
write_trace(const struct load *load)
{
	FILE *file = fopen(load->options.trace_file, "w");

	if (file == NULL)
		err(1, "%s", load->options.trace_file);
	for (size_t i = 0; i < load->trace.count; i++)
		fprintf(file, "%u\n", load->trace.sizes[i]);
	if (fclose(file) != 0)
		err(1, "%s", load->options.trace_file);
}

static int
run(struct load *load)
{
	struct tally tally = { .playing = 0 };
	uint64_t now_us;

	signal(SIGUSR1, ask_mark);
	load->begin_us = load->read_us = clock_us();
	run_until(load, is_measured);
	now_us = clock_us();
	tally.client_stall_us = load->stall_us;
	load->at_end = count_all(load, now_us);
	print_event("end", &load->at_end);
	for (size_t i = 0; i < load->started; i++) {
		tally_client(
		    &tally, &load->clients[i], load->options.repeats, now_us);
		tally_start(&tally, &load->clients[i]);
	}
	for (size_t i = 0; i < load->started; i++)
		client_teardown(&load->clients[i]);
	run_until(load, is_closed);
	print_result(load, &tally);
	if (load->options.trace_file != NULL)
		write_trace(load);
	return tally.failed == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	static struct load load;

	parse_options(argc, argv, &load.options);
	raise_limits();
	if (load.options.sink != NULL && strcmp(load.options.sink, "tcp") == 0)
		return sink_tcp();
	if (load.options.sink != NULL)
		return sink_udp(
		    (load.options.sessions + load.options.per_port - 1) /
			load.options.per_port,
		    load.options.gro);
	if (optind >= argc)
		usage();
	find_server(&load, argv[optind]);
	read_titles(&load, argc - optind - 1, argv + optind + 1);
	prepare(&load);
	return run(&load);
}
