/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rules - the virtual services and their real servers as ipvsadm writes and
 * reads them: text only.
 *
 * A service is named "tcp:192.0.2.100:554", "udp:...", "sctp:...", "fwmark:1"
 * or, of IPv6, "fwmark6:1".  Everything that is said of a real server but its
 * weight is kept as it is said, so that an edit leaves it as it was.
 */
#ifndef BALANCER_RULES_H
#define BALANCER_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/settings.h"
#include "base/sock.h"

#define RULES_NAME_MAX 80 /* with NUL, as the others */
#define RULES_WORD_MAX 64
#define RULES_OPTIONS_MAX 96
#define RULES_LINE_MAX 320
#define RULES_SERVERS_MAX 16384 /* of all services */
#define RULES_SERVICES_MAX 16384
#define RULES_TEXT_MAX ((size_t)8 << 20)

struct rules_server {
	char name[RULES_WORD_MAX]; /* "192.0.2.11:554", "[2001:db8::1]:554" */
	union sock_address address;
	uint32_t weight;
	uint32_t upper, lower; /* thresholds; 0: none, or not read yet */
	char options[RULES_OPTIONS_MAX]; /* "-g" and whatever else */
};

struct rules_service {
	char name[RULES_NAME_MAX];
	char scheduler[RULES_WORD_MAX];
	bool persistent;
	struct rules_server *servers; /* owned */
	size_t count;
};

struct rules { /* zeroes are an empty one */
	struct rules_service *services; /* owned */
	size_t count;
};

/*
 * Is TEXT a service, as "tcp:192.0.2.100:554" or "fwmark:1"?  OUT gets the name
 * as it stands in struct rules_service.
 */
bool rules_name(const char *text, char out[static RULES_NAME_MAX]);

/*
 * What "ipvsadm -S -n" says.  0; or, OUT untouched, -EBADMSG with a line that
 * is not understood in ERROR, -E2BIG or -ENOMEM.
 */
int rules_parse(const char *text, size_t size, struct rules *out,
    char error[static SETTINGS_ERROR_MAX]);
/*
 * What "ipvsadm -L -n --thresholds" says, into SERVICE's servers.  0 or
 * -EBADMSG: a line is not understood, or a server is not in it.
 */
int rules_parse_thresholds(const char *text, size_t size,
    struct rules_service *service, char error[static SETTINGS_ERROR_MAX]);
void rules_free(struct rules *rules);

/* NULL: it is not among them. */
const struct rules_service *rules_find(
    const struct rules *rules, const char *name);

/* The line for "ipvsadm -R" that gives SERVER this weight and nothing else. */
void rules_format_edit(struct bytes_writer *out, const char *service,
    const struct rules_server *server, uint32_t weight);

#endif
