/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads /proc, /sys and the addresses of lo.  Judges nothing.
 */
#include "agent/host.h"

#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/allow.h"
#include "base/base.h"

#define MBIT UINT64_C(1000000)
/* Of include/uapi/linux/route.h, as /proc prints them. */
#define ROUTE_UP 0x0001U
#define ROUTE_REJECT 0x0200U

static FILE *PRINTF_LIKE(2, 3)
    open_below(const char *root, const char *format, ...)
{
	char path[PATH_MAX];
	size_t used;
	va_list list;

	used = (size_t)snprintf(path, sizeof(path), "%s", root);
	if (used >= sizeof(path))
		return NULL;
	va_start(list, format);
	vsnprintf(path + used, sizeof(path) - used, format, list);
	va_end(list);
	return fopen(path, "re");
}

/* --- the link to the viewers ----------------------------------------------
 */
struct route {
	char interface[IF_NAMESIZE];
	unsigned metric;
	bool found;
};

static void
route_consider(
    struct route *best, const char *interface, unsigned flags, unsigned metric)
{
	if ((flags & ROUTE_UP) == 0 || (flags & ROUTE_REJECT) != 0 ||
	    (best->found && best->metric <= metric))
		return;
	best->found = true;
	best->metric = metric;
	snprintf(best->interface, sizeof(best->interface), "%s", interface);
}

static void
routes_read(const char *root, struct route *best)
{
	char line[512], name[IF_NAMESIZE];
	unsigned destination, flags, metric, mask;
	FILE *file = open_below(root, "/proc/net/route");

	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "%15s %x %*x %x %*d %*u %u %x", name,
			&destination, &flags, &metric, &mask) == 5 &&
		    destination == 0 && mask == 0)
			route_consider(best, name, flags, metric);
	fclose(file);
}

static void
routes_read_ipv6(const char *root, struct route *best)
{
	char line[512], destination[33], name[IF_NAMESIZE];
	unsigned bits, flags, metric;
	FILE *file = open_below(root, "/proc/net/ipv6_route");

	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "%32s %x %*s %*x %*s %x %*x %*x %x %15s",
			destination, &bits, &metric, &flags, name) == 5 &&
		    bits == 0 && strspn(destination, "0") == 32)
			route_consider(best, name, flags, metric);
	fclose(file);
}

int
host_route_interface(const char *root, char out[static IF_NAMESIZE])
{
	struct route best = { .found = false };

	routes_read(root, &best);
	if (!best.found)
		routes_read_ipv6(root, &best);
	if (!best.found)
		return -ENOENT;
	memcpy(out, best.interface, IF_NAMESIZE);
	return 0;
}

int
host_link_bps(const char *root, const char *interface, uint64_t *out)
{
	FILE *file = open_below(root, "/sys/class/net/%s/speed", interface);
	int mbit, count;

	if (file == NULL)
		return -ENODATA;
	count = fscanf(file, "%9d", &mbit); /* -1: not known */
	fclose(file);
	if (count != 1 || mbit <= 0)
		return -ENODATA;
	*out = (uint64_t)mbit * MBIT;
	return 0;
}

/* --- direct routing ---------------------------------------------------------
 */
static unsigned
arp_of(const char *root, const char *interface, const char *name)
{
	FILE *file =
	    open_below(root, "/proc/sys/net/ipv4/conf/%s/%s", interface, name);
	unsigned value = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%9u", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static uint64_t
arp_read(const char *root, const char *interface, const char *name)
{
	unsigned all = arp_of(root, "all", name);
	unsigned own = interface[0] == '\0' ? 0 : arp_of(root, interface, name);

	return MAX_OF(all, own);
}

/* An address of lo that is one of ALLOW, or, with WANTED false, none of it. */
static bool
lo_has(const struct ifaddrs *entries, const struct allow *allow, bool wanted)
{
	for (; entries != NULL; entries = entries->ifa_next) {
		union sock_address address;

		if (entries->ifa_addr == NULL ||
		    strcmp(entries->ifa_name, "lo") != 0)
			continue;
		memset(&address, 0, sizeof(address));
		if (entries->ifa_addr->sa_family == AF_INET)
			memcpy(&address.in4, entries->ifa_addr,
			    sizeof(address.in4));
		else if (entries->ifa_addr->sa_family == AF_INET6)
			memcpy(&address.in6, entries->ifa_addr,
			    sizeof(address.in6));
		else
			continue;
		if (allow_has(allow, &address) == wanted)
			return true;
	}
	return false;
}

/* Loopback's own addresses: 127.0.0.0/8 and ::1. */
static const struct allow loopback = { .count = 2,
	.networks = {
	    { { [10] = 0xff, 0xff, 127 }, 104 }, { { [15] = 1 }, 128 } } };

static bool
vips_are_there(const struct settings_list *vips)
{
	struct allow vip = { .count = 1 };
	struct ifaddrs *entries;
	bool there = true, named = false;

	if (getifaddrs(&entries) != 0)
		return false;
	for (unsigned i = 0; i < vips->count; i++) {
		if (vips->text[i][0] == '\0')
			continue;
		named = true;
		there = there &&
			allow_parse_network(vips->text[i], &vip.networks[0]) &&
			lo_has(entries, &vip, true);
	}
	if (!named)
		there = lo_has(entries, &loopback, false);
	freeifaddrs(entries);
	return there;
}

static uint64_t
load1_read(const char *root)
{
	FILE *file = open_below(root, "/proc/loadavg");
	unsigned whole = 0, hundredths = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%9u.%2u", &whole, &hundredths) != 2)
		whole = hundredths = 0;
	fclose(file);
	return (uint64_t)whole * 100 + hundredths;
}

void
host_read(const char *root, const char *interface,
    const struct settings_list *vips, struct host *out)
{
	*out = (struct host){
		.load1_percent = load1_read(root),
		.arp_ignore = arp_read(root, interface, "arp_ignore"),
		.arp_announce = arp_read(root, interface, "arp_announce"),
		.vip_on_lo = vips_are_there(vips),
	};
}
