/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sock - makes sockets, with every option that the project wants, and says
 * what the kernel knows about them.
 *
 * What is sent and received is the callers' business, apart from messages
 * that carry descriptors.
 */
#include "base/sock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"

#define UDP_SEND_BUFFER (8 << 20)
#define SEQPACKET_BUFFER (4 << 20)
#define LOCAL_BACKLOG 8
#define PAIR_TRIES 200 /* of kernel-chosen ports whose neighbour is taken */
#define PROGRESS_TRIES 10000
#define KERNEL_FDS_MAX 253 /* SCM_MAX_FD: most that one message carries */

/* In a TCP header (RFC 9293 3.1). */
#define TCP_FLAGS_AT 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10
/* In an IPv4 header (RFC 791 3.1). */
#define IP_DESTINATION_AT 16

/* From a minute of silence on, four questions 15 s apart. */
#define KEEPALIVE_IDLE_SECONDS 60
#define KEEPALIVE_INTERVAL_SECONDS 15
#define KEEPALIVE_COUNT 4

static int
option_set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
		return -errno;
	return 0;
}

static bool
option_get(int fd, int name, int *out)
{
	socklen_t size = sizeof(*out);

	return getsockopt(fd, SOL_SOCKET, name, out, &size) == 0;
}

/* ---- addresses ---- */

socklen_t
sock_address_length(const union sock_address *address)
{
	switch (address->family) {
	case AF_INET:
		return sizeof(address->in4);
	case AF_INET6:
		return sizeof(address->in6);
	default:
		return sizeof(address->family);
	}
}

uint16_t
sock_address_port(const union sock_address *address)
{
	switch (address->family) {
	case AF_INET:
		return ntohs(address->in4.sin_port);
	case AF_INET6:
		return ntohs(address->in6.sin6_port);
	default:
		return 0;
	}
}

void
sock_address_set_port(union sock_address *address, uint16_t port)
{
	if (address->family == AF_INET)
		address->in4.sin_port = htons(port);
	else if (address->family == AF_INET6)
		address->in6.sin6_port = htons(port);
}

/* ::ffff:a.b.c.d as a.b.c.d; anything else as it is. */
static union sock_address
unmapped(const union sock_address *address)
{
	union sock_address plain = *address;

	if (address->family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr))
		return plain;
	memset(&plain, 0, sizeof(plain));
	plain.in4.sin_family = AF_INET;
	plain.in4.sin_port = address->in6.sin6_port;
	memcpy(&plain.in4.sin_addr, &address->in6.sin6_addr.s6_addr[12], 4);
	return plain;
}

bool
sock_address_same_host(const union sock_address *a, const union sock_address *b)
{
	union sock_address left = unmapped(a), right = unmapped(b);

	if (left.family != right.family)
		return false;
	switch (left.family) {
	case AF_INET:
		return left.in4.sin_addr.s_addr == right.in4.sin_addr.s_addr;
	case AF_INET6:
		return left.in6.sin6_scope_id == right.in6.sin6_scope_id &&
		       IN6_ARE_ADDR_EQUAL(
			   &left.in6.sin6_addr, &right.in6.sin6_addr);
	default:
		return false;
	}
}

/* Every bit of the result depends on every bit of VALUE. */
static uint64_t
mixed(uint64_t value)
{
	value ^= value >> 32;
	value *= UINT64_C(0xd6e8feb86659fd93);
	value ^= value >> 32;
	value *= UINT64_C(0xd6e8feb86659fd93);
	return value ^ value >> 32;
}

uint64_t
sock_address_hash(const union sock_address *address, uint64_t seed)
{
	union sock_address plain = unmapped(address);
	uint64_t host = 0;

	if (plain.family == AF_INET)
		host = plain.in4.sin_addr.s_addr;
	else if (plain.family == AF_INET6)
		memcpy(&host, &plain.in6.sin6_addr, sizeof(host));
	return mixed(mixed(host + seed) ^ (seed + plain.family));
}

const char *
sock_address_text(const union sock_address *address, bool with_port,
    char text[static SOCK_TEXT_MAX])
{
	union sock_address plain = unmapped(address);
	char host[INET6_ADDRSTRLEN], scope[12] = "";
	unsigned port = sock_address_port(&plain);

	if (plain.family == AF_INET) {
		inet_ntop(AF_INET, &plain.in4.sin_addr, host, sizeof(host));
		if (with_port)
			snprintf(text, SOCK_TEXT_MAX, "%s:%u", host, port);
		else
			snprintf(text, SOCK_TEXT_MAX, "%s", host);
	} else if (plain.family == AF_INET6) {
		inet_ntop(AF_INET6, &plain.in6.sin6_addr, host, sizeof(host));
		if (plain.in6.sin6_scope_id != 0)
			snprintf(scope, sizeof(scope), "%%%u",
			    plain.in6.sin6_scope_id);
		if (with_port)
			snprintf(text, SOCK_TEXT_MAX, "[%s%s]:%u", host, scope,
			    port);
		else
			snprintf(text, SOCK_TEXT_MAX, "%s%s", host, scope);
	} else {
		snprintf(text, SOCK_TEXT_MAX, "none");
	}
	return text;
}

static bool
port_parse(const char *text, uint16_t *out)
{
	unsigned port = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		port = port * 10 + (unsigned)(*text - '0');
		if (port > UINT16_MAX)
			return false;
	}
	*out = (uint16_t)port;
	return true;
}

/* HOST may have a zone, "%2" or "%eth0", as link-local addresses need. */
static bool
host_parse(char *host, union sock_address *out)
{
	char *zone = strchr(host, '%');
	uint16_t number;

	if (inet_pton(AF_INET, host, &out->in4.sin_addr) == 1) {
		out->in4.sin_family = AF_INET;
		return true;
	}
	if (zone != NULL) {
		*zone++ = '\0';
		if (port_parse(zone, &number))
			out->in6.sin6_scope_id = number;
		else
			out->in6.sin6_scope_id = if_nametoindex(zone);
		if (out->in6.sin6_scope_id == 0)
			return false;
	}
	out->in6.sin6_family = AF_INET6;
	return inet_pton(AF_INET6, host, &out->in6.sin6_addr) == 1;
}

/* All addresses of the machine: both families where there are two. */
static void
any_address(union sock_address *out)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1) {
		out->in4.sin_family = AF_INET;
		out->in4.sin_addr.s_addr = htonl(INADDR_ANY);
		return;
	}
	close(fd);
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_addr = in6addr_any;
}

int
sock_address_parse(const char *text, union sock_address *out)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon == NULL ? 0 : (size_t)(colon - text);
	union sock_address address;
	char host[SOCK_TEXT_MAX];
	uint16_t port;

	memset(&address, 0, sizeof(address));
	if (!port_parse(colon == NULL ? text : colon + 1, &port) ||
	    length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	if (length == 0) {
		any_address(&address);
	} else if (host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = '\0';
		if (!host_parse(host + 1, &address))
			return -EINVAL;
	} else if (strchr(host, ':') != NULL || !host_parse(host, &address)) {
		return -EINVAL; /* IPv6 without brackets is ambiguous */
	}
	sock_address_set_port(&address, port);
	*out = address;
	return 0;
}

/* ---- TCP ---- */

static int
listener_prepare(int fd, const union sock_address *address, int backlog)
{
	int error;

	/* A restart need not wait for the connections of its predecessor. */
	if ((error = option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) != 0)
		return error;
	if (address->family == AF_INET6) {
		bool any = IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);

		error = option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !any);
		if (error != 0)
			return error;
	}
	if (bind(fd, &address->any, sock_address_length(address)) != 0 ||
	    listen(fd, backlog) != 0)
		return -errno;
	return 0;
}

int
sock_listen(const union sock_address *address, int backlog)
{
	int error, fd;

	fd = socket(
	    address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	if ((error = listener_prepare(fd, address, backlog)) != 0) {
		close(fd);
		return error;
	}
	return fd;
}

/* A classic filter sees a segment from its TCP header on (socket(7)). */
int
sock_listener_hold(int fd, bool hold)
{
	/* clang-format off */
	struct sock_filter drop_syn[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_AT),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TCP_SYN | TCP_ACK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TCP_SYN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	/* clang-format on */
	const struct sock_fprog program = { .len = ARRAY_LENGTH(drop_syn),
		.filter = drop_syn };

	if (!hold)
		return option_set(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		sizeof(program)) != 0)
		return -errno;
	return 0;
}

int
sock_listener_waiting(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
		return -errno;
	/* Of one that listens this is the length of its queue. */
	return (int)info.tcpi_unacked;
}

static int
connection_prepare(int fd)
{
	/* clang-format off */
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY,   1 },
		{ SOL_SOCKET,  SO_KEEPALIVE,  1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE,  KEEPALIVE_IDLE_SECONDS },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS },
		{ IPPROTO_TCP, TCP_KEEPCNT,   KEEPALIVE_COUNT },
	};
	/* clang-format on */
	int error;

	for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
		error = option_set(
		    fd, options[i].level, options[i].name, options[i].value);
		if (error != 0)
			return error;
	}
	return 0;
}

int
sock_accept(int listener, union sock_address *peer, union sock_address *local)
{
	union sock_address near, far;
	socklen_t near_length = sizeof(near), far_length = sizeof(far);
	int error, fd;

	memset(&near, 0, sizeof(near));
	memset(&far, 0, sizeof(far));
	fd = accept4(
	    listener, &far.any, &far_length, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1)
		return -errno;
	if ((error = connection_prepare(fd)) != 0)
		goto fail;
	if (getsockname(fd, &near.any, &near_length) != 0) {
		error = -errno;
		goto fail;
	}
	*peer = unmapped(&far);
	*local = unmapped(&near);
	return fd;

fail:
	close(fd);
	return error;
}

int
sock_ends(int fd, union sock_address *peer, union sock_address *local)
{
	union sock_address near, far;
	socklen_t near_length = sizeof(near), far_length = sizeof(far);

	memset(&near, 0, sizeof(near));
	memset(&far, 0, sizeof(far));
	if (getsockname(fd, &near.any, &near_length) != 0 ||
	    getpeername(fd, &far.any, &far_length) != 0)
		return -errno;
	*peer = unmapped(&far);
	*local = unmapped(&near);
	return 0;
}

uint64_t
sock_cookie(int fd)
{
	uint64_t cookie;
	socklen_t length = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0)
		return 0;
	return cookie;
}

/*
 * tcpi_state, for which the header that knows the byte counts has no names.
 */
enum tcp_state {
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2,
	STATE_TIME_WAIT,
	STATE_CLOSE,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATE_LISTEN,
	STATE_CLOSING,
};

/* The peer's FIN is counted as a byte received. */
static uint64_t
fin_received(const struct tcp_info *info)
{
	switch (info->tcpi_state) {
	case STATE_CLOSE_WAIT:
	case STATE_LAST_ACK:
	case STATE_CLOSING:
	case STATE_TIME_WAIT:
		return 1;
	default:
		return 0;
	}
}

/* Our FIN is counted as a byte written. */
static uint64_t
fin_sent(const struct tcp_info *info)
{
	switch (info->tcpi_state) {
	case STATE_FIN_WAIT1:
	case STATE_FIN_WAIT2:
	case STATE_LAST_ACK:
	case STATE_CLOSING:
	case STATE_TIME_WAIT:
		return 1;
	default:
		return 0;
	}
}

static int
tcp_info_read(int fd, struct tcp_info *out)
{
	socklen_t length = sizeof(*out);

	memset(out, 0, sizeof(*out));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, out, &length) != 0)
		return -errno;
	/* Linux 4.1: the byte counts came last of what we need. */
	if (length < offsetof(struct tcp_info, tcpi_segs_out))
		return -EOPNOTSUPP;
	if (out->tcpi_state == STATE_CLOSE || out->tcpi_state == STATE_LISTEN)
		return -ENOTCONN;
	return 0;
}

/*
 * An acknowledgement or a segment that arrives between the questions would
 * be counted twice or not at all; then all are asked again.
 */
int
sock_progress(int fd, struct sock_progress *out)
{
	struct tcp_info before, after;
	int error, unread, unsent;

	if ((error = tcp_info_read(fd, &after)) != 0)
		return error;
	for (unsigned i = 0; i < PROGRESS_TRIES; i++) {
		before = after;
		if (ioctl(fd, SIOCOUTQ, &unsent) != 0 ||
		    ioctl(fd, SIOCINQ, &unread) != 0)
			return -errno;
		if ((error = tcp_info_read(fd, &after)) != 0)
			return error;
		if (before.tcpi_state != after.tcpi_state ||
		    before.tcpi_bytes_acked != after.tcpi_bytes_acked ||
		    before.tcpi_bytes_received != after.tcpi_bytes_received)
			continue;
		out->accepted = (uint64_t)after.tcpi_bytes_acked +
				(uint64_t)unsent - fin_sent(&after);
		out->consumed = (uint64_t)after.tcpi_bytes_received -
				(uint64_t)unread - fin_received(&after);
		return 0;
	}
	return -EBUSY;
}

/* ---- UDP ---- */

static int
udp_prepare(int fd, int family)
{
	int error;

	/* As far as it goes: neither refuses what is more than allowed. */
	if (option_set(fd, SOL_SOCKET, SO_SNDBUFFORCE, UDP_SEND_BUFFER) != 0 &&
	    (error = option_set(fd, SOL_SOCKET, SO_SNDBUF, UDP_SEND_BUFFER)) !=
		0)
		return error;
	if (family == AF_INET) {
		error = option_set(fd, IPPROTO_IP, IP_PKTINFO, 1);
		if (error != 0)
			return error;
		return option_set(
		    fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	}
	if ((error = option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) != 0)
		return error;
	error = option_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	if (error != 0)
		return error;
	return option_set(
	    fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
}

/* A UDP socket bound to *PORT; 0: to one that the kernel chooses. */
static int
udp_open(int family, uint16_t *port)
{
	union sock_address address;
	socklen_t length = sizeof(address);
	int error, fd;

	memset(&address, 0, sizeof(address)); /* the any-address of both */
	address.family = (sa_family_t)family;
	sock_address_set_port(&address, *port);
	fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	if ((error = udp_prepare(fd, family)) != 0)
		goto fail;
	if (bind(fd, &address.any, sock_address_length(&address)) != 0 ||
	    getsockname(fd, &address.any, &length) != 0) {
		error = -errno;
		goto fail;
	}
	*port = sock_address_port(&address);
	return fd;

fail:
	close(fd);
	return error;
}

/* The pair of which PORT is one half; 0: one half is the kernel's choice. */
static int
pair_try(int family, uint16_t port, struct sock_pair *out)
{
	int first, second;
	uint16_t other;

	if ((first = udp_open(family, &port)) < 0)
		return first;
	other = port ^ 1;
	if ((second = udp_open(family, &other)) < 0) {
		close(first);
		return second;
	}
	*out = (struct sock_pair){ .rtp = port % 2 == 0 ? first : second,
		.rtcp = port % 2 == 0 ? second : first,
		.port = MIN_OF(port, other),
		.family = family };
	return 0;
}

int
sock_pair_open(int family, uint16_t first, uint16_t last, struct sock_pair *out)
{
	int error = -EADDRINUSE;

	if ((family != AF_INET && family != AF_INET6) || first > last)
		return -EINVAL;
	if (last == 0) {
		for (unsigned i = 0; i < PAIR_TRIES; i++)
			if ((error = pair_try(family, 0, out)) != -EADDRINUSE)
				return error;
		return error;
	}
	/* PORT is wider than a port, so that 65534 + 2 ends the loop. */
	for (unsigned port = MAX_OF(first + first % 2U, 2U); port < last;
	     port += 2) {
		error = pair_try(family, (uint16_t)port, out);
		if (error != -EADDRINUSE)
			return error;
	}
	return error;
}

void
sock_pair_close(struct sock_pair *pair)
{
	/* One never opened is all zeros: 0 is somebody else's descriptor. */
	if (pair->family == 0)
		return;
	if (pair->rtp != -1)
		close(pair->rtp);
	if (pair->rtcp != -1)
		close(pair->rtcp);
	*pair = (struct sock_pair){ .rtp = -1, .rtcp = -1 };
}

/* ---- passing descriptors ---- */

union fds_control {
	struct cmsghdr header; /* for its alignment */
	char bytes[CMSG_SPACE(KERNEL_FDS_MAX * sizeof(int))];
};

/* As far as it goes. */
static void
seqpacket_prepare(int fd)
{
	if (option_set(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEQPACKET_BUFFER) != 0)
		option_set(fd, SOL_SOCKET, SO_SNDBUF, SEQPACKET_BUFFER);
}

int
sock_seqpacket_pair(int out[static 2])
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0, ends) != 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++)
		seqpacket_prepare(ends[i]);
	out[0] = ends[0];
	out[1] = ends[1];
	return 0;
}

/* ---- by a name in the file system ---- */

/*
 * A long path goes by way of its folder's descriptor: an address holds 107
 * characters.  *FOLDER is closed when the address was used; -1: none.
 */
static int
local_address(const char *path, struct sockaddr_un *out, int *folder)
{
	const char *name = strrchr(path, '/');
	char text[PATH_MAX];
	int length;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*folder = -1;
	if (strlen(path) < sizeof(out->sun_path)) {
		strcpy(out->sun_path, path);
		return 0;
	}
	if (name == NULL || strlen(path) >= sizeof(text))
		return -ENAMETOOLONG;
	snprintf(text, sizeof(text), "%.*s", (int)(name - path), path);
	*folder = open(text, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*folder == -1)
		return -errno;
	length = snprintf(out->sun_path, sizeof(out->sun_path),
	    "/proc/self/fd/%d%s", *folder, name);
	if ((size_t)length < sizeof(out->sun_path))
		return 0;
	close(*folder);
	return -ENAMETOOLONG;
}

static int
local_open(
    const char *path, int (*use)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un address;
	int fd, folder, error;

	if ((error = local_address(path, &address, &folder)) != 0)
		return error;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The mode of the socket becomes that of its name. */
	if (fd == -1 || fchmod(fd, 0600) != 0 ||
	    use(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		error = -errno;
		if (fd != -1)
			close(fd);
		fd = error;
	} else {
		seqpacket_prepare(fd);
	}
	if (folder != -1)
		close(folder);
	return fd;
}

int
sock_local_listen(const char *path)
{
	int fd, error;

	if (unlink(path) != 0 && errno != ENOENT)
		return -errno;
	if ((fd = local_open(path, bind)) < 0)
		return fd;
	if ((error = sock_local_own(fd)) != 0) {
		unlink(path);
		close(fd);
		return error;
	}
	return fd;
}

/* The kernel notes who listens each time it is asked to (unix(7)). */
int
sock_local_own(int listener)
{
	return listen(listener, LOCAL_BACKLOG) == 0 ? 0 : -errno;
}

int
sock_local_connect(const char *path)
{
	return local_open(path, connect);
}

int
sock_local_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1)
		return -errno;
	seqpacket_prepare(fd);
	return fd;
}

int
sock_local_peer(int fd, struct sock_peer *out)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
		return -errno;
	*out = (struct sock_peer){ .pid = credentials.pid,
		.uid = credentials.uid };
	return 0;
}

/* Nothing comes before it is bound, so nothing by the filter. */
static int
packets_filter(int fd, const struct in_addr *to)
{
	struct sock_filter only_to[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_DESTINATION_AT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(to->s_addr), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = ARRAY_LENGTH(only_to),
		.filter = only_to };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		sizeof(program)) != 0)
		return -errno;
	return 0;
}

int
sock_packets(unsigned interface, uint16_t ether_type, const struct in_addr *to)
{
	const struct sockaddr_ll place = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ether_type),
		.sll_ifindex = (int)interface,
	};
	int fd =
	    socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int result;

	if (fd == -1)
		return -errno;
	result = to == NULL ? 0 : packets_filter(fd, to);
	if (result == 0 &&
	    bind(fd, (const struct sockaddr *)&place, sizeof(place)) != 0)
		result = -errno;
	if (result != 0) {
		close(fd);
		return result;
	}
	return fd;
}

enum sock_kind
sock_kind(int fd)
{
	int domain, type, listens;
	bool internet;

	if (!option_get(fd, SO_DOMAIN, &domain) ||
	    !option_get(fd, SO_TYPE, &type) ||
	    !option_get(fd, SO_ACCEPTCONN, &listens))
		return SOCK_KIND_NONE;
	internet = domain == AF_INET || domain == AF_INET6;
	if (internet && type == SOCK_STREAM)
		return listens ? SOCK_KIND_LISTENER : SOCK_KIND_CONNECTION;
	if (internet && type == SOCK_DGRAM)
		return SOCK_KIND_UDP;
	if (domain == AF_UNIX && type == SOCK_SEQPACKET)
		return listens ? SOCK_KIND_LOCAL_LISTENER : SOCK_KIND_CHANNEL;
	return SOCK_KIND_NONE;
}

int
sock_send_fds(
    int fd, const void *data, size_t size, const int *fds, size_t fd_count)
{
	union fds_control control;
	struct iovec part = { .iov_len = size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t sent;

	/* A message without bytes would look like the end at the peer. */
	if (size == 0 || fd_count > SOCK_FDS_MAX)
		return -EINVAL;
	memcpy(&part.iov_base, &data, sizeof(data)); /* it is only read */
	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
	}
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent == -1 && errno == EINTR);
	if (sent == -1)
		return -errno;
	return (size_t)sent == size ? 0 : -EMSGSIZE;
}

/* All descriptors that came with MESSAGE; how many. */
static size_t
fds_collect(struct msghdr *message, int fds[static KERNEL_FDS_MAX])
{
	struct cmsghdr *header;
	size_t count = 0;

	for (header = CMSG_FIRSTHDR(message); header != NULL;
	     header = CMSG_NXTHDR(message, header)) {
		size_t size = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_level != SOL_SOCKET ||
		    header->cmsg_type != SCM_RIGHTS)
			continue;
		/* The buffer holds no more than the kernel ever sends. */
		assert(count + size / sizeof(int) <= KERNEL_FDS_MAX);
		memcpy(fds + count, CMSG_DATA(header), size);
		count += size / sizeof(int);
	}
	return count;
}

static void
fds_close(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

ssize_t
sock_receive_fds(int fd, void *data, size_t size, int *fds, size_t fds_size,
    size_t *fd_count)
{
	union fds_control control;
	struct iovec part = { .iov_base = data, .iov_len = size };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	int received[KERNEL_FDS_MAX];
	ssize_t length;
	size_t count;

	do
		length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (length == -1 && errno == EINTR);
	if (length == -1)
		return -errno;
	count = fds_collect(&message, received);
	/* There was room for all: what the kernel cut it could not open. */
	if ((message.msg_flags & MSG_CTRUNC) != 0) {
		fds_close(received, count);
		return -EMFILE;
	}
	if ((message.msg_flags & MSG_TRUNC) != 0 || count > fds_size) {
		fds_close(received, count);
		return -EMSGSIZE;
	}
	if (length == 0) {
		fds_close(received, count);
		count = 0;
	}
	if (count > 0)
		memcpy(fds, received, count * sizeof(int));
	*fd_count = count;
	return length;
}

/* ---- clients ---- */

int
sock_connect(const union sock_address *address)
{
	int fd = socket(address->family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	int error;

	if (fd == -1)
		return -errno;
	option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (connect(fd, &address->any, sock_address_length(address)) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

void
sock_receive_buffer(int fd, int bytes)
{
	if (option_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes) != 0)
		option_set(fd, SOL_SOCKET, SO_RCVBUF, bytes);
}

/* ---- limits ---- */

uint64_t
sock_raise_file_limit(uint64_t wanted)
{
	struct rlimit limit, raised;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	if (limit.rlim_cur >= wanted)
		return limit.rlim_cur;
	raised.rlim_cur = wanted;
	raised.rlim_max = MAX_OF(limit.rlim_max, (rlim_t)wanted);
	if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
		return wanted;
	raised.rlim_cur = MIN_OF(limit.rlim_max, (rlim_t)wanted);
	raised.rlim_max = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
		return raised.rlim_cur;
	return limit.rlim_cur;
}
