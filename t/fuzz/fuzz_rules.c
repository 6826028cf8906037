/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_rules - any bytes as what ipvsadm says, and as the file of states.  What
 * is written of rules that were read is one line, and reads as the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "balancer/rules.h"
#include "balancer/state.h"

#define EDIT_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The edit "-e NAME -r ..." as the rules "-A NAME -s wlc", "-a NAME -r ...". */
static void
read_again(const struct rules_service *service,
    const struct rules_server *server, uint32_t weight)
{
	char edit[EDIT_MAX], text[2 * EDIT_MAX], error[SETTINGS_ERROR_MAX];
	struct bytes_writer out = bytes_writer(edit, sizeof(edit) - 1);
	const struct rules_server *again;
	struct rules rules;
	int result, name;

	rules_format_edit(&out, service->name, server, weight);
	assert(!out.failed && memchr(edit, '\n', out.at) == edit + out.at - 1);
	edit[out.at] = '\0';
	name = (int)(strstr(edit, " -r ") - edit);
	result = snprintf(text, sizeof(text), "-A%.*s -s wlc\n-a%s", name - 2,
	    edit + 2, edit + 2);
	result = rules_parse(text, (size_t)result, &rules, error);
	assert(result == 0 && rules.count == 1 && rules.services[0].count == 1);
	again = &rules.services[0].servers[0];
	assert(strcmp(rules.services[0].name, service->name) == 0);
	assert(strcmp(again->name, server->name) == 0);
	assert(strcmp(again->options, server->options) == 0);
	assert(again->weight == weight);
	rules_free(&rules);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rules_server server = { .name = "127.0.0.1:554" };
	struct rules_service service = {
		.name = "tcp:10.0.0.100:554", .servers = &server, .count = 1
	};
	char error[SETTINGS_ERROR_MAX];
	struct state state;
	struct rules rules;

	if (rules_parse((const char *)data, size, &rules, error) == 0) {
		for (size_t i = 0; i < rules.count; i++) {
			const struct rules_service *one = &rules.services[i];

			for (size_t j = 0; j < one->count; j++)
				read_again(one, &one->servers[j], 7);
		}
		rules_free(&rules);
	}
	if (rules_parse_thresholds((const char *)data, size, &service, error) ==
	    0)
		assert(server.upper <= INT32_MAX && server.lower <= INT32_MAX);
	if (state_parse((const char *)data, size, &state, error) == 0)
		state_free(&state);
	return 0;
}
