/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides whether a node is ready, drains or is down, and says why.
 */
#include "agent/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

void
pressure_update(struct pressure *pressure, const struct sums *sums)
{
	uint64_t sent, late, elapsed_us;
	double ratio = 0, weight;

	if (sums == NULL) {
		*pressure = (struct pressure){ 0 };
		return;
	}
	sent = sums->counters[TABLE_PACKETS_SENT];
	late = sums->counters[TABLE_LATE_PACKETS];
	/* Of another table, when counters have gone back. */
	if (pressure->at_us != 0 && sums->taken_us > pressure->at_us &&
	    sent >= pressure->sent && late >= pressure->late) {
		elapsed_us = sums->taken_us - pressure->at_us;
		if (sent > pressure->sent)
			ratio = (double)(late - pressure->late) /
				(double)(sent - pressure->sent);
		weight = (double)elapsed_us /
			 (double)(elapsed_us + PRESSURE_SMOOTH_US);
		pressure->ratio +=
		    (MIN_OF(ratio, 1) - pressure->ratio) * weight;
	}
	pressure->at_us = sums->taken_us;
	pressure->sent = sent;
	pressure->late = late;
}

/* NULL: the server is there. */
static const char *
fault_of(const struct report_input *input)
{
	const struct sums *sums = input->sums;

	if (sums == NULL) {
		switch (input->error) {
		case -ENOENT:
			return "no server runs here";
		case -EPROTO:
			return "the session table is of another version of "
			       "vodd";
		case -EACCES:
			return "may not read the session table";
		default:
			return strerror(-input->error);
		}
	}
	if (sums->workers == 0)
		return "the server has no workers";
	if (sums->heartbeat_age_us > input->heartbeat_limit_us)
		return "no worker is alive";
	return NULL;
}

static void
sums_put(const struct sums *sums, struct load_report *out)
{
	out->committed_bps = sums->counters[TABLE_COMMITTED_BPS];
	out->sessions = sums->sessions;
	out->sessions_playing = sums->by_state[TABLE_SESSION_PLAYING];
	out->max_sessions = sums->info.limits.max_sessions;
	out->heartbeat_age_ms = sums->heartbeat_age_us / US_PER_MS;
}

void
report_make(const struct report_input *input, struct load_report *out)
{
	const char *fault = fault_of(input);

	memset(out, 0, sizeof(*out));
	snprintf(out->node, sizeof(out->node), "%s", input->node);
	out->capacity_bps = input->capacity_bps;
	out->pressure_percent = (uint64_t)(input->pressure * 100 + 0.5);
	out->load1_percent = input->host->load1_percent;
	out->vip_on_lo = input->host->vip_on_lo;
	out->arp_ignore = input->host->arp_ignore;
	out->arp_announce = input->host->arp_announce;
	out->rtsp_ok = input->rtsp_ok;
	if (input->sums != NULL)
		sums_put(input->sums, out);
	if (fault != NULL) {
		out->state = LOAD_DOWN;
		snprintf(out->reason, sizeof(out->reason), "%s", fault);
	} else if (input->sums->info.draining != 0) {
		out->state = LOAD_DRAIN;
	} else {
		out->state = LOAD_READY;
		out->says_up = input->say_up;
		out->percent = load_percent(out->capacity_bps,
		    out->committed_bps, out->pressure_percent);
	}
}
