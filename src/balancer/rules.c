/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of words.  Strict: a table that is not understood as a whole is none,
 * and nobody changes what he does not understand.
 */
#include "balancer/rules.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define WORDS_MAX 32

struct line {
	char text[RULES_LINE_MAX];
	const char *words[WORDS_MAX];
	size_t count;
};

/* --- lines and words -------------------------------------------------------
 */

/* What ipvsadm writes; nothing that it would take for more than a word. */
static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr(".:,/%_-[]()=>", c) != NULL);
}

static bool
line_split(const char *text, size_t length, struct line *line)
{
	char *rest = line->text, *word;

	line->count = 0;
	if (length >= sizeof(line->text))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] != ' ' && !is_plain(text[i]))
			return false;
	}
	memcpy(line->text, text, length);
	line->text[length] = '\0';
	while ((word = strsep(&rest, " ")) != NULL) {
		if (word[0] == '\0')
			continue;
		if (line->count == WORDS_MAX || strlen(word) >= RULES_WORD_MAX)
			return false;
		line->words[line->count++] = word;
	}
	return true;
}

/* Called for each line; false: it is not understood. */
typedef bool line_take(struct line *line, void *context);

static int
lines_read(const char *text, size_t size, line_take *take, void *context,
    char error[static SETTINGS_ERROR_MAX])
{
	const char *end = text + size;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((stop == NULL ? end : stop) - text);
		struct line line = { .count = 0 };

		if (stop == NULL || !line_split(text, length, &line) ||
		    !take(&line, context)) {
			int shown = (int)MIN_OF(length, 60);

			snprintf(error, SETTINGS_ERROR_MAX,
			    "not understood: '%.*s'", shown, text);
			return -EBADMSG;
		}
		text = stop + 1;
	}
	return 0;
}

static bool
number_parse(const char *text, uint32_t *out)
{
	uint64_t value = 0;

	if (text[0] == '\0' || strlen(text) > 10)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = 10 * value + (uint64_t)(*text - '0');
	}
	if (value > INT32_MAX)
		return false;
	*out = (uint32_t)value;
	return true;
}

/* --- names -----------------------------------------------------------------
 */
/* clang-format off */
static const struct kind {
	const char *prefix; /* of a name */
	const char *option, *behind; /* in a rule */
	const char *shown; /* in a list */
	bool is_mark;
} kinds[] = {
	{ "tcp:",     "-t",             NULL, "TCP",  false },
	{ "udp:",     "-u",             NULL, "UDP",  false },
	{ "sctp:",    "--sctp-service", NULL, "SCTP", false },
	{ "fwmark:",  "-f",             NULL, "FWM",  true },
	{ "fwmark6:", "-f",             "-6", "FWM",  true },
};
/* clang-format on */

static const struct kind *
kind_of_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) ==
		    0)
			return &kinds[i];
	}
	return NULL;
}

/* As ipvsadm writes it: no other spelling of the same. */
static bool
name_make(
    const struct kind *kind, const char *what, char out[static RULES_NAME_MAX])
{
	char text[SOCK_TEXT_MAX];
	union sock_address address;
	uint32_t mark;

	if (kind->is_mark) {
		if (!number_parse(what, &mark) || mark == 0)
			return false;
		snprintf(out, RULES_NAME_MAX, "%s%u", kind->prefix, mark);
		return true;
	}
	if (what[0] == ':' || strchr(what, ':') == NULL ||
	    sock_address_parse(what, &address) != 0)
		return false;
	snprintf(out, RULES_NAME_MAX, "%s%s", kind->prefix,
	    sock_address_text(&address, true, text));
	return true;
}

bool
rules_name(const char *text, char out[static RULES_NAME_MAX])
{
	const struct kind *kind = kind_of_name(text);

	return kind != NULL &&
	       name_make(kind, text + strlen(kind->prefix), out);
}

/* The words of a rule behind -A or -a; *AT is moved behind the name. */
static bool
name_take(const struct line *line, size_t *at, char out[static RULES_NAME_MAX])
{
	const char *option, *what;

	if (*at + 2 > line->count)
		return false;
	option = line->words[(*at)++];
	what = line->words[(*at)++];
	for (size_t i = ARRAY_LENGTH(kinds); i-- > 0;) {
		const struct kind *kind = &kinds[i];

		if (strcmp(option, kind->option) != 0)
			continue;
		if (kind->behind != NULL) {
			if (*at == line->count ||
			    strcmp(line->words[*at], kind->behind) != 0)
				continue;
			(*at)++;
		}
		return name_make(kind, what, out);
	}
	return false;
}

/* --- ipvsadm -S -n ---------------------------------------------------------
 */
struct parser {
	struct rules rules;
	size_t servers;
	int error; /* other than what is not understood */
};

/* One more behind ITEMS, whose room doubles; NULL: no memory. */
static void *
grown(void *items, size_t count, size_t size)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return items;
	return reallocarray(items, count == 0 ? 1 : 2 * count, size);
}

static bool
service_add(struct parser *parser, const struct rules_service *service)
{
	struct rules *rules = &parser->rules;
	struct rules_service *services;

	if (rules->count == RULES_SERVICES_MAX) {
		parser->error = -E2BIG;
		return false;
	}
	services = grown(rules->services, rules->count, sizeof(*services));
	if (services == NULL) {
		parser->error = -ENOMEM;
		return false;
	}
	rules->services = services;
	services[rules->count++] = *service;
	return true;
}

/* "-A -t 192.0.2.100:554 -s wlc -p 300 ..." */
static bool
service_take(struct parser *parser, const struct line *line)
{
	struct rules_service service = { .persistent = false };
	size_t at = 1;

	if (!name_take(line, &at, service.name))
		return false;
	for (; at < line->count; at++) {
		if (strcmp(line->words[at], "-p") == 0)
			service.persistent = true;
		if (strcmp(line->words[at], "-s") == 0 && at + 1 < line->count)
			snprintf(service.scheduler, sizeof(service.scheduler),
			    "%s", line->words[at + 1]);
	}
	return service.scheduler[0] != '\0' && service_add(parser, &service);
}

static bool
server_add(struct parser *parser, const struct rules_server *server)
{
	struct rules *rules = &parser->rules;
	struct rules_service *service = &rules->services[rules->count - 1];
	struct rules_server *servers;

	if (parser->servers == RULES_SERVERS_MAX) {
		parser->error = -E2BIG;
		return false;
	}
	servers = grown(service->servers, service->count, sizeof(*servers));
	if (servers == NULL) {
		parser->error = -ENOMEM;
		return false;
	}
	service->servers = servers;
	servers[service->count++] = *server;
	parser->servers++;
	return true;
}

static bool
option_keep(struct rules_server *server, const char *word)
{
	size_t length = strlen(server->options);
	size_t room = sizeof(server->options) - length;
	int count = snprintf(server->options + length, room, "%s%s",
	    length == 0 ? "" : " ", word);

	return count > 0 && (size_t)count < room;
}

/* "-a -t 192.0.2.100:554 -r 192.0.2.11:554 -g -w 100" */
static bool
server_take(struct parser *parser, const struct line *line)
{
	const struct rules *rules = &parser->rules;
	struct rules_server server = { .weight = 0 };
	char name[RULES_NAME_MAX];
	bool weighed = false;
	size_t at = 1;

	if (!name_take(line, &at, name) || rules->count == 0 ||
	    strcmp(name, rules->services[rules->count - 1].name) != 0 ||
	    at + 2 > line->count || strcmp(line->words[at], "-r") != 0)
		return false;
	snprintf(server.name, sizeof(server.name), "%s", line->words[at + 1]);
	if (server.name[0] == ':' || strchr(server.name, ':') == NULL ||
	    sock_address_parse(server.name, &server.address) != 0)
		return false;
	for (at += 2; at < line->count; at++) {
		if (strcmp(line->words[at], "-w") != 0) {
			if (!option_keep(&server, line->words[at]))
				return false;
			continue;
		}
		if (weighed || ++at == line->count ||
		    !number_parse(line->words[at], &server.weight))
			return false;
		weighed = true;
	}
	return weighed && server.options[0] != '\0' &&
	       server_add(parser, &server);
}

static bool
rule_take(struct line *line, void *context)
{
	if (line->count == 0)
		return true;
	if (strcmp(line->words[0], "-A") == 0)
		return service_take(context, line);
	if (strcmp(line->words[0], "-a") == 0)
		return server_take(context, line);
	return false;
}

int
rules_parse(const char *text, size_t size, struct rules *out,
    char error[static SETTINGS_ERROR_MAX])
{
	struct parser parser = { .error = 0 };
	int result = lines_read(text, size, rule_take, &parser, error);

	if (result != 0) {
		rules_free(&parser.rules);
		if (parser.error == 0)
			return result;
		snprintf(error, SETTINGS_ERROR_MAX, "%s",
		    parser.error == -E2BIG ? "too many rules" : "no memory");
		return parser.error;
	}
	*out = parser.rules;
	return 0;
}

void
rules_free(struct rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		free(rules->services[i].servers);
	free(rules->services);
	*rules = (struct rules){ .count = 0 };
}

const struct rules_service *
rules_find(const struct rules *rules, const char *name)
{
	for (size_t i = 0; i < rules->count; i++) {
		if (strcmp(rules->services[i].name, name) == 0)
			return &rules->services[i];
	}
	return NULL;
}

/* --- ipvsadm -L -n --thresholds --------------------------------------------
 */
struct list {
	struct rules_service *service;
	bool inside; /* the lines are this service's */
	size_t found;
};

/* "TCP  192.0.2.100:554 wlc", "FWM  1 IPv6 wlc" */
static bool
list_service(struct list *list, const struct line *line)
{
	char name[RULES_NAME_MAX];
	bool is_ipv6 = line->count > 2 && strcmp(line->words[2], "IPv6") == 0;

	list->inside = false;
	if (line->count < 2)
		return false;
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		const struct kind *kind = &kinds[i];

		if (strcmp(line->words[0], kind->shown) != 0 ||
		    (kind->is_mark && is_ipv6 != (kind->behind != NULL)))
			continue;
		if (!name_make(kind, line->words[1], name))
			return false;
		list->inside = strcmp(name, list->service->name) == 0;
		return true;
	}
	return true; /* the heading */
}

/* "-> 192.0.2.11:554 0 0 3 7" */
static bool
list_server(struct list *list, const struct line *line)
{
	uint32_t upper, lower;

	if (!list->inside || strcmp(line->words[1], "RemoteAddress:Port") == 0)
		return true;
	if (line->count != 6 || !number_parse(line->words[2], &upper) ||
	    !number_parse(line->words[3], &lower))
		return false;
	for (size_t i = 0; i < list->service->count; i++) {
		struct rules_server *server = &list->service->servers[i];

		if (strcmp(server->name, line->words[1]) != 0)
			continue;
		server->upper = upper;
		server->lower = lower;
		list->found++;
	}
	return true;
}

static bool
list_take(struct line *line, void *context)
{
	if (line->count == 0)
		return true;
	if (strcmp(line->words[0], "->") == 0 && line->count > 1)
		return list_server(context, line);
	return list_service(context, line);
}

int
rules_parse_thresholds(const char *text, size_t size,
    struct rules_service *service, char error[static SETTINGS_ERROR_MAX])
{
	struct list list = { .service = service };
	int result = lines_read(text, size, list_take, &list, error);

	if (result == 0 && list.found != service->count) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "%s: its servers are being changed", service->name);
		result = -EBADMSG;
	}
	return result;
}

/* --- edits -----------------------------------------------------------------
 */
void
rules_format_edit(struct bytes_writer *out, const char *service,
    const struct rules_server *server, uint32_t weight)
{
	const struct kind *kind = kind_of_name(service);

	assert(kind != NULL);
	bytes_printf(out, "-e %s %s%s%s -r %s %s -w %u", kind->option,
	    service + strlen(kind->prefix), kind->behind == NULL ? "" : " ",
	    kind->behind == NULL ? "" : kind->behind, server->name,
	    server->options, weight);
	if (server->upper != 0)
		bytes_printf(out, " -x %u", server->upper);
	if (server->lower != 0)
		bytes_printf(out, " -y %u", server->lower);
	bytes_put_u8(out, '\n');
}
