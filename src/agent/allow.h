/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * allow - which addresses may ask.
 */
#ifndef AGENT_ALLOW_H
#define AGENT_ALLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/settings.h"
#include "base/sock.h"

struct allow_network {
	uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2) */
	unsigned bits; /* of these that count */
};

#define ALLOW_MAX 32
struct allow {
	unsigned count;
	struct allow_network networks[ALLOW_MAX];
};

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32". */
bool allow_parse_network(const char *text, struct allow_network *out);
/*
 * Those, "private" (loopback, link-local, RFC 1918, RFC 6598, RFC 4193) and
 * "any".  NULL, or the text that is wrong (LIST's).
 */
const char *allow_parse(const struct settings_list *list, struct allow *out);
bool allow_has(const struct allow *allow, const union sock_address *peer);

#endif
