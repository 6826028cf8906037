/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report - the table and the host, summed into one load report.  Arithmetic
 * only: nothing is opened, asked or waited for.
 */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/host.h"
#include "agent/sums.h"
#include "wire/load.h"

/*
 * The share of packets that were sent late, over the last seconds: each look
 * counts as much as its time is long against PRESSURE_SMOOTH_US.
 */
#define PRESSURE_SMOOTH_US UINT64_C(5000000)
struct pressure { /* zero-initialised */
	uint64_t at_us, sent, late; /* of the last look; at_us 0: none */
	double ratio; /* 0..1 */
};
/* SUMS may be NULL: there is no server, the past is forgotten. */
void pressure_update(struct pressure *pressure, const struct sums *sums);

struct report_input {
	const struct sums *sums; /* NULL: ... */
	int error; /* ... and why, as sums_take() says */
	const struct host *host;
	const char *node;
	uint64_t capacity_bps, heartbeat_limit_us;
	double pressure;
	bool rtsp_ok, say_up;
};
void report_make(const struct report_input *input, struct load_report *out);

#endif
