/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is said to ipvsadm, and when; how it says it is rules' business.
 *
 * An edit sets a server's thresholds too, and the rules that ipvsadm saves are
 * without them: so they are asked for before each batch.
 */
#include "balancer/ipvs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/command.h"

int
ipvs_open(struct ipvs *ipvs, const char *program)
{
	ipvs->program = program;
	ipvs->text = malloc(RULES_TEXT_MAX);
	return ipvs->text == NULL ? -ENOMEM : 0;
}

void
ipvs_close(struct ipvs *ipvs)
{
	free(ipvs->text);
	ipvs->text = NULL;
}

/* Its words into ipvs->text. */
static int
ask(struct ipvs *ipvs, const char *const *words, size_t *size,
    char error[static SETTINGS_ERROR_MAX])
{
	char why[SETTINGS_ERROR_MAX];
	struct command command = { .words = words, .limit_us = IPVS_LIMIT_US };
	int result =
	    command_run(&command, ipvs->text, RULES_TEXT_MAX, size, why);

	if (result != 0)
		snprintf(error, SETTINGS_ERROR_MAX, "%.200s %s: %.200s",
		    ipvs->program, words[1], why);
	return result;
}

int
ipvs_read(
    struct ipvs *ipvs, struct rules *out, char error[static SETTINGS_ERROR_MAX])
{
	const char *words[] = { ipvs->program, "-Sn", NULL };
	size_t size;
	int result = ask(ipvs, words, &size, error);

	if (result != 0)
		return result;
	return rules_parse(ipvs->text, size, out, error);
}

/* --- writing ---------------------------------------------------------------
 */

/* Those of one service, which stand together: one list of their servers. */
static int
thresholds_read(struct ipvs *ipvs, size_t size, struct ipvs_change *changes,
    size_t count, char error[static SETTINGS_ERROR_MAX])
{
	struct rules_server *servers = calloc(count, sizeof(*servers));
	struct rules_service service = { .servers = servers, .count = count };
	int result;

	if (servers == NULL) {
		snprintf(error, SETTINGS_ERROR_MAX, "no memory");
		return -ENOMEM;
	}
	snprintf(service.name, sizeof(service.name), "%s", changes[0].service);
	for (size_t i = 0; i < count; i++)
		servers[i] = changes[i].server;
	result = rules_parse_thresholds(ipvs->text, size, &service, error);
	for (size_t i = 0; i < count; i++)
		changes[i].server = servers[i];
	free(servers);
	return result;
}

static int
all_thresholds_read(struct ipvs *ipvs, struct ipvs_change *changes,
    size_t count, char error[static SETTINGS_ERROR_MAX])
{
	const char *words[] = { ipvs->program, "-Ln", "--thresholds", NULL };
	size_t size, first = 0;
	int result = ask(ipvs, words, &size, error);

	for (size_t i = 1; result == 0 && i <= count; i++) {
		if (i < count &&
		    strcmp(changes[i].service, changes[first].service) == 0)
			continue;
		result = thresholds_read(
		    ipvs, size, &changes[first], i - first, error);
		first = i;
	}
	return result;
}

int
ipvs_write(struct ipvs *ipvs, struct ipvs_change *changes, size_t count,
    char error[static SETTINGS_ERROR_MAX])
{
	const char *words[] = { ipvs->program, "-R", NULL };
	struct bytes_writer out = bytes_writer(ipvs->text, RULES_TEXT_MAX);
	struct command command = { .words = words, .limit_us = IPVS_LIMIT_US };
	char why[SETTINGS_ERROR_MAX], nothing[1];
	size_t size;
	int result = all_thresholds_read(ipvs, changes, count, error);

	if (result != 0)
		return result;
	for (size_t i = 0; i < count; i++)
		rules_format_edit(&out, changes[i].service, &changes[i].server,
		    changes[i].weight);
	if (out.failed) {
		snprintf(error, SETTINGS_ERROR_MAX, "too many changes");
		return -E2BIG;
	}
	command.input = ipvs->text;
	command.input_size = out.at;
	result = command_run(&command, nothing, 0, &size, why);
	if (result == 0 && why[0] != '\0')
		result = -EIO; /* it goes on behind a line that fails */
	if (result != 0)
		snprintf(error, SETTINGS_ERROR_MAX, "%.200s -R: %.200s",
		    ipvs->program, why);
	return result;
}
