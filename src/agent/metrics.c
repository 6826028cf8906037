/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints metrics by tables.  Base units: bytes, seconds, ratios.
 */
#include "agent/metrics.h"

#include <inttypes.h>

#include "base/base.h"

#define BITS_PER_BYTE 8.0

/*
 * OpenMetrics 1.0 names a counter without its "_total", the older format with
 * it.
 */
static void
head(FILE *out, bool open, const char *name, const char *type, const char *help)
{
	bool counter = type[0] == 'c';
	const char *suffix = counter && !open ? "_total" : "";

	fprintf(out, "# HELP vodd_%s%s %s\n# TYPE vodd_%s%s %s\n", name, suffix,
	    help, name, suffix, type);
}

static void
gauge(FILE *out, bool open, const char *name, const char *help, double value)
{
	head(out, open, name, "gauge", help);
	fprintf(out, "vodd_%s %.17g\n", name, value);
}

/* --- the node ------------------------------------------------------------- */
static void
print_report(FILE *out, bool open, const struct load_report *report)
{
	head(out, open, "state", "gauge",
	    "1 for the state that the node is in.");
	for (unsigned i = 0; i < LOAD_STATE_COUNT; i++)
		fprintf(out, "vodd_state{state=\"%s\"} %d\n",
		    load_state_name((enum load_state)i),
		    report->state == (enum load_state)i);
	gauge(out, open, "capacity_bytes_per_second", "What the node can send.",
	    (double)report->capacity_bps / BITS_PER_BYTE);
	gauge(out, open, "committed_bytes_per_second",
	    "What playing and paused sessions need.",
	    (double)report->committed_bps / BITS_PER_BYTE);
	gauge(out, open, "sessions_limit", "Sessions that there may be.",
	    (double)report->max_sessions);
	gauge(out, open, "pressure_ratio",
	    "Share of packets sent late over the last seconds.",
	    (double)report->pressure_percent / 100);
	gauge(out, open, "heartbeat_age_seconds",
	    "Since a worker was heard of.",
	    (double)report->heartbeat_age_ms / 1000);
	gauge(out, open, "rtsp_ok", "1 while the server answers OPTIONS.",
	    (double)report->rtsp_ok);
	gauge(out, open, "vip_on_lo", "1 while lo has the virtual address.",
	    (double)report->vip_on_lo);
}

/* --- the server ----------------------------------------------------------- */
/* clang-format off */
static const struct {
	const char *name, *help;
	enum table_counter counter;
} gauges[] = {
	{ "connections",    "RTSP connections.",        TABLE_CONNECTIONS },
	{ "titles_refused", "Titles refused since workers died over them.",
	    TABLE_TITLES_REFUSED },
}, counters[] = {
	{ "sent_bytes",     "Media sent, in bytes.",    TABLE_BYTES_SENT },
	{ "sent_packets",   "Media packets sent.",      TABLE_PACKETS_SENT },
	{ "late_packets",   "Media packets sent late.", TABLE_LATE_PACKETS },
	{ "send_errors",    "Packets that could not be sent.",
	    TABLE_SEND_ERRORS },
	{ "cold_reads",     "Reads that waited for the disk.",
	    TABLE_COLD_READS },
	{ "requests",       "RTSP requests.",           TABLE_REQUESTS },
	{ "sessions_begun", "Sessions that began.",     TABLE_SESSIONS_BEGUN },
	{ "sessions_ended", "Sessions that ended.",     TABLE_SESSIONS_ENDED },
};

static const struct {
	const char *name, *help;
} histograms[TABLE_HISTOGRAM_COUNT] = {
	[TABLE_REQUEST_DURATION] = { "request_duration_seconds",
		"From a whole request to its reply." },
	[TABLE_START_DELAY]      = { "start_delay_seconds",
		"From PLAY to the first packet." },
	[TABLE_LATENESS]         = { "lateness_seconds",
		"How late packets were sent." },
};
/* clang-format on */

/* Bucket i is < 2^i us, of times cut to whole us; there is no sum to tell. */
static void
print_histogram(FILE *out, bool open, const struct sums *sums, unsigned number)
{
	const char *name = histograms[number].name;
	uint64_t count = 0;

	head(out, open, name, "histogram", histograms[number].help);
	for (unsigned i = 0; i < TABLE_HISTOGRAM_BUCKETS; i++) {
		count += sums->histograms[number][i];
		if (i == TABLE_HISTOGRAM_BUCKETS - 1)
			fprintf(out,
			    "vodd_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name,
			    count);
		else
			fprintf(out,
			    "vodd_%s_bucket{le=\"%.6f\"} %" PRIu64 "\n", name,
			    (double)(UINT64_C(1) << i) / (double)US_PER_SECOND,
			    count);
	}
}

static void
print_sessions(FILE *out, bool open, const struct sums *sums)
{
	static const char *const states[] = {
		[TABLE_SESSION_READY] = "ready",
		[TABLE_SESSION_PLAYING] = "playing",
		[TABLE_SESSION_PAUSED] = "paused",
	};

	head(out, open, "sessions", "gauge", "Sessions by their state.");
	for (unsigned i = TABLE_SESSION_READY; i < ARRAY_LENGTH(states); i++)
		fprintf(out, "vodd_sessions{state=\"%s\"} %" PRIu64 "\n",
		    states[i], sums->by_state[i]);
}

static void
print_sums(FILE *out, bool open, const struct sums *sums)
{
	print_sessions(out, open, sums);
	gauge(out, open, "workers", "Worker processes.", sums->workers);
	gauge(out, open, "start_time_seconds",
	    "When the instance began, since 1970.",
	    (double)sums->info.started_wall_us / (double)US_PER_SECOND);
	for (size_t i = 0; i < ARRAY_LENGTH(gauges); i++)
		gauge(out, open, gauges[i].name, gauges[i].help,
		    (double)sums->counters[gauges[i].counter]);
	for (size_t i = 0; i < ARRAY_LENGTH(counters); i++) {
		head(out, open, counters[i].name, "counter", counters[i].help);
		fprintf(out, "vodd_%s_total %" PRIu64 "\n", counters[i].name,
		    sums->counters[counters[i].counter]);
	}
	head(out, open, "refused", "counter", "Sessions refused, by reason.");
	fprintf(out,
	    "vodd_refused_total{reason=\"bandwidth\"} %" PRIu64 "\n"
	    "vodd_refused_total{reason=\"sessions\"} %" PRIu64 "\n",
	    sums->counters[TABLE_REFUSED_BANDWIDTH],
	    sums->counters[TABLE_REFUSED_SESSIONS]);
	for (unsigned i = 0; i < TABLE_HISTOGRAM_COUNT; i++)
		print_histogram(out, open, sums, i);
}

void
metrics_print(FILE *out, bool open, const struct load_report *report,
    const struct sums *sums)
{
	print_report(out, open, report);
	if (sums != NULL)
		print_sums(out, open, sums);
	if (open)
		fputs("# EOF\n", out);
}
