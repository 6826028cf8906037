/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Networks, both families as one: an IPv4 address is its mapped IPv6 one, which
 * is also what a socket for both families says of its peer.
 */
#include "agent/allow.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static const char *const private_networks[] = { "127.0.0.0/8", "::1",
	"169.254.0.0/16", "fe80::/10", "10.0.0.0/8", "172.16.0.0/12",
	"192.168.0.0/16", "100.64.0.0/10", "fc00::/7" };
static const char *const any_networks[] = { "::/0" };

static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

static bool
parse_bits(const char *text, unsigned most, unsigned *out)
{
	unsigned bits = 0;

	if (text[0] == '\0' || strlen(text) > 3)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		bits = 10 * bits + (unsigned)(*text - '0');
	}
	*out = bits;
	return bits <= most;
}

bool
allow_parse_network(const char *text, struct allow_network *out)
{
	const char *slash = strchr(text, '/');
	size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
	char host[INET6_ADDRSTRLEN];
	unsigned before = 0; /* bits of the mapping */

	if (length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	if (inet_pton(AF_INET, host, out->address + sizeof(mapped)) == 1) {
		memcpy(out->address, mapped, sizeof(mapped));
		before = 8 * sizeof(mapped);
	} else if (inet_pton(AF_INET6, host, out->address) != 1) {
		return false;
	}
	out->bits = 128 - before;
	if (slash != NULL && !parse_bits(slash + 1, out->bits, &out->bits))
		return false;
	out->bits += before;
	return true;
}

static bool
add(const char *const *texts, size_t count, struct allow *out)
{
	for (size_t i = 0; i < count; i++) {
		if (out->count == ALLOW_MAX ||
		    !allow_parse_network(texts[i], &out->networks[out->count]))
			return false;
		out->count++;
	}
	return true;
}

const char *
allow_parse(const struct settings_list *list, struct allow *out)
{
	out->count = 0;
	for (unsigned i = 0; i < list->count; i++) {
		const char *text = list->text[i];
		bool good;

		if (strcmp(text, "private") == 0)
			good = add(private_networks,
			    ARRAY_LENGTH(private_networks), out);
		else if (strcmp(text, "any") == 0)
			good =
			    add(any_networks, ARRAY_LENGTH(any_networks), out);
		else
			good = add(&text, 1, out);
		if (!good)
			return text;
	}
	return NULL;
}

static bool
network_has(const struct allow_network *network, const uint8_t address[16])
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;
	unsigned mask = 0xffU << (8 - rest) & 0xffU;

	if (memcmp(network->address, address, whole) != 0)
		return false;
	return rest == 0 ||
	       ((unsigned)(network->address[whole] ^ address[whole]) & mask) ==
		   0;
}

bool
allow_has(const struct allow *allow, const union sock_address *peer)
{
	uint8_t address[16];

	if (peer->family == AF_INET6) {
		memcpy(address, &peer->in6.sin6_addr, sizeof(address));
	} else if (peer->family == AF_INET) {
		memcpy(address, mapped, sizeof(mapped));
		memcpy(address + sizeof(mapped), &peer->in4.sin_addr, 4);
	} else {
		return false;
	}
	for (unsigned i = 0; i < allow->count; i++)
		if (network_has(&allow->networks[i], address))
			return true;
	return false;
}
