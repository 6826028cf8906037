/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_load - any bytes as a load report; what is one is written as it was.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "wire/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[LOAD_REPORT_MAX];
	struct bytes_writer out = bytes_writer(again, sizeof(again));
	struct load_report report;

	if (load_parse(data, size, &report) != LOAD_DONE)
		return 0;
	assert(report.state < LOAD_STATE_COUNT);
	assert(strnlen(report.node, LOAD_NODE_MAX) < LOAD_NODE_MAX);
	assert(strnlen(report.reason, LOAD_REASON_MAX) < LOAD_REASON_MAX);
	load_format(&out, &report);
	assert(!out.failed && out.at == size);
	assert(memcmp(again, data, size) == 0);
	return 0;
}
