/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ARP, and as much of TCP as questions and short answers need on one segment:
 * one packet on its way at a time, sent again until it is confirmed.
 */
#include "balancer/diagnose_segment.h"

#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"

#define PACKET_MAX SEGMENT_RECEIVE_MAX
#define AGAIN_US (200 * US_PER_MS) /* what is not confirmed is sent again */
#define WINDOW 16384
#define HOPS 64
#define ARP_ROUNDS 2 /* one may get lost */

/* RFC 826, of IPv4 on Ethernet. */
struct arp_packet {
	struct arphdr head;
	struct ether_addr from_machine;
	struct in_addr from;
	struct ether_addr to_machine;
	struct in_addr to;
} __attribute__((__packed__));

/* --- the way there ---------------------------------------------------------
 */

/* Our address in direction of NODE, as the kernel chooses it. */
static int
own_address(const union sock_address *node, union sock_address *out)
{
	union sock_address peer = *node;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result;

	if (fd == -1)
		return -errno;
	sock_address_set_port(&peer, 9); /* nothing is sent */
	if (connect(fd, &peer.any, sock_address_length(&peer)) != 0)
		result = -errno;
	else
		result = sock_ends(fd, &peer, out);
	close(fd);
	return result;
}

static bool
entry_is(const struct ifaddrs *entry, const union sock_address *address)
{
	union sock_address one;

	memset(&one, 0, sizeof(one));
	if (entry->ifa_addr == NULL)
		return false;
	if (entry->ifa_addr->sa_family == AF_INET)
		memcpy(&one.in4, entry->ifa_addr, sizeof(one.in4));
	else if (entry->ifa_addr->sa_family == AF_INET6)
		memcpy(&one.in6, entry->ifa_addr, sizeof(one.in6));
	else
		return false;
	return sock_address_same_host(&one, address);
}

bool
segment_is_own(
    const union sock_address *address, char interface[static IF_NAMESIZE])
{
	struct ifaddrs *entries, *entry;

	if (getifaddrs(&entries) != 0)
		return false;
	for (entry = entries; entry != NULL; entry = entry->ifa_next) {
		if (!entry_is(entry, address))
			continue;
		snprintf(interface, IF_NAMESIZE, "%s", entry->ifa_name);
		break;
	}
	freeifaddrs(entries);
	return entry != NULL;
}

int
segment_open(struct segment *segment, const union sock_address *node)
{
	char interface[IF_NAMESIZE];
	union sock_address own;
	int result;

	*segment = (struct segment){ .arp = -1, .ip = -1 };
	if (node->family != AF_INET)
		return -EAFNOSUPPORT;
	if ((result = own_address(node, &own)) != 0)
		return result;
	segment->own = own.in4.sin_addr;
	if (!segment_is_own(&own, interface) ||
	    (segment->index = if_nametoindex(interface)) == 0)
		return -ENODEV;
	segment->arp = sock_packets(segment->index, ETH_P_ARP, NULL);
	if (segment->arp < 0)
		return segment->arp;
	segment->ip = sock_packets(segment->index, ETH_P_IP, &segment->own);
	if (segment->ip < 0) {
		result = segment->ip;
		segment_close(segment);
		return result;
	}
	return 0;
}

void
segment_close(struct segment *segment)
{
	if (segment->arp >= 0)
		close(segment->arp);
	if (segment->ip >= 0)
		close(segment->ip);
	segment->arp = segment->ip = -1;
}

static int
frame_send(int fd, const struct segment *segment, uint16_t type,
    const struct ether_addr *to, const void *data, size_t size)
{
	struct sockaddr_ll place = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(type),
		.sll_ifindex = (int)segment->index,
		.sll_halen = ETH_ALEN,
	};

	memcpy(place.sll_addr, to, ETH_ALEN);
	return sendto(fd, data, size, 0, (const struct sockaddr *)&place,
		   sizeof(place)) == (ssize_t)size
		   ? 0
		   : -errno;
}

/* What comes in until then, truncated to ROOM; -ETIMEDOUT. */
static ssize_t
frame_receive(int fd, void *data, size_t room, uint64_t until_us)
{
	for (;;) {
		struct pollfd polled = { fd, POLLIN, 0 };
		ssize_t count = recv(fd, data, room, 0);
		uint64_t now_us;

		if (count >= 0)
			return count;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if ((now_us = clock_monotonic_us()) >= until_us)
			return -ETIMEDOUT;
		(void)poll(&polled, 1,
		    (int)((until_us - now_us + US_PER_MS - 1) / US_PER_MS));
	}
}

/* --- ARP -------------------------------------------------------------------
 */
static int
arp_send(const struct segment *segment, struct in_addr address)
{
	static const struct ether_addr everybody = { { 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff } };
	struct sockaddr_ll own;
	socklen_t size = sizeof(own);
	struct arp_packet packet = {
		.head = { htons(ARPHRD_ETHER), htons(ETH_P_IP), ETH_ALEN,
		    sizeof(struct in_addr), htons(ARPOP_REQUEST) },
		.from = segment->own,
		.to = address,
	};

	if (getsockname(segment->arp, (struct sockaddr *)&own, &size) != 0)
		return -errno;
	memcpy(&packet.from_machine, own.sll_addr, ETH_ALEN);
	return frame_send(segment->arp, segment, ETH_P_ARP, &everybody, &packet,
	    sizeof(packet));
}

static bool
is_wanted(struct in_addr address, const struct in_addr *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (addresses[i].s_addr == address.s_addr)
			return true;
	}
	return false;
}

static void
answer_note(const struct arp_packet *packet, struct segment_answer *answers,
    size_t *count, size_t room)
{
	const struct ether_addr *from = &packet->from_machine;

	for (size_t i = 0; i < *count; i++) {
		if (answers[i].address.s_addr == packet->from.s_addr &&
		    memcmp(&answers[i].from, from, sizeof(*from)) == 0)
			return;
	}
	if (*count < room)
		answers[(*count)++] =
		    (struct segment_answer){ packet->from, *from };
}

ssize_t
segment_ask(const struct segment *segment, const struct in_addr *addresses,
    size_t count, struct segment_answer *out, size_t room)
{
	size_t found = 0;

	for (int round = 0; round < ARP_ROUNDS; round++) {
		uint64_t until_us =
		    clock_monotonic_us() + SEGMENT_ARP_US / ARP_ROUNDS;
		struct arp_packet packet;
		ssize_t size;

		for (size_t i = 0; i < count; i++) {
			int result = arp_send(segment, addresses[i]);

			if (result != 0)
				return result;
		}
		while ((size = frame_receive(segment->arp, &packet,
			    sizeof(packet), until_us)) >= 0) {
			if (size == sizeof(packet) &&
			    packet.head.ar_op == htons(ARPOP_REPLY) &&
			    is_wanted(packet.from, addresses, count))
				answer_note(&packet, out, &found, room);
		}
		if (size != -ETIMEDOUT)
			return size;
	}
	return (ssize_t)found;
}

/* --- TCP -------------------------------------------------------------------
 */
struct tcp_packet { /* as we send it */
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t data[SEGMENT_SEND_MAX];
};
_Static_assert(offsetof(struct tcp_packet, data) == 40, "no room in between");

/* RFC 1071, on top of SUM. */
static uint32_t
sum_add(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	return sum;
}

static uint16_t
sum_end(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int
tcp_send(
    struct segment_link *link, uint8_t flags, const void *data, size_t size)
{
	struct tcp_packet packet = {
		.ip = {
			.version = 4,
			.ihl = sizeof(packet.ip) / 4,
			.tot_len = htons((uint16_t)(40 + size)),
			.frag_off = htons(IP_DF),
			.ttl = HOPS,
			.protocol = IPPROTO_TCP,
			.saddr = link->segment->own.s_addr,
			.daddr = link->vip.s_addr,
		},
		.tcp = {
			.th_sport = htons(link->own_port),
			.th_dport = htons(link->port),
			.th_seq = htonl(link->sent),
			.th_ack = htonl((flags & TH_ACK) ? link->received : 0),
			.th_off = sizeof(packet.tcp) / 4,
			.th_flags = flags,
			.th_win = htons(WINDOW),
		},
	};
	uint32_t sum = IPPROTO_TCP + (uint32_t)(sizeof(packet.tcp) + size);

	if (size > 0)
		memcpy(packet.data, data, size);
	packet.ip.check = sum_end(sum_add(0, &packet.ip, sizeof(packet.ip)));
	sum = sum_add(sum, &packet.ip.saddr, sizeof(packet.ip.saddr));
	sum = sum_add(sum, &packet.ip.daddr, sizeof(packet.ip.daddr));
	packet.tcp.th_sum =
	    sum_end(sum_add(sum, &packet.tcp, sizeof(packet.tcp) + size));
	return frame_send(link->segment->ip, link->segment, ETH_P_IP,
	    &link->node, &packet, 40 + size);
}

struct heard { /* a TCP packet of this connection */
	uint8_t flags;
	uint32_t at, confirms;
	const uint8_t *data;
	size_t size;
};

static bool
tcp_parse(const struct segment_link *link, const struct iphdr *ip,
    const uint8_t *at, size_t size, struct heard *out)
{
	struct tcphdr tcp;
	size_t head;

	if (ip->saddr != link->vip.s_addr || size < sizeof(tcp))
		return false;
	memcpy(&tcp, at, sizeof(tcp));
	head = (size_t)4 * tcp.th_off;
	if (tcp.th_sport != htons(link->port) ||
	    tcp.th_dport != htons(link->own_port) || head < sizeof(tcp) ||
	    head > size)
		return false;
	*out = (struct heard){
		.flags = tcp.th_flags,
		.at = ntohl(tcp.th_seq),
		.confirms = ntohl(tcp.th_ack),
		.data = at + head,
		.size = size - head,
	};
	return true;
}

static void
media_note(struct segment_link *link, const struct iphdr *ip, const uint8_t *at,
    size_t size)
{
	struct udphdr udp;

	if (link->media || link->media_port == 0 || size < sizeof(udp))
		return;
	memcpy(&udp, at, sizeof(udp));
	if (udp.uh_dport != htons(link->media_port))
		return;
	link->media = true;
	link->media_from.s_addr = ip->saddr;
	link->media_from_port = ntohs(udp.uh_sport);
}

/* True if it is one of this connection, in OUT; media is noted. */
static bool
packet_take(struct segment_link *link, const uint8_t *packet, size_t size,
    struct heard *out)
{
	size_t head, total;
	struct iphdr ip;

	if (size < sizeof(ip))
		return false;
	memcpy(&ip, packet, sizeof(ip));
	head = (size_t)4 * ip.ihl;
	total = MIN_OF(ntohs(ip.tot_len), size);
	if (head < sizeof(ip) || head > total ||
	    (ntohs(ip.frag_off) & IP_OFFMASK) != 0)
		return false;
	if (ip.protocol == IPPROTO_UDP)
		media_note(link, &ip, packet + head, total - head);
	return ip.protocol == IPPROTO_TCP &&
	       tcp_parse(link, &ip, packet + head, total - head, out);
}

/* The next packet of the connection, which lies in BUFFER.  0 or -errno. */
static int
tcp_hear(struct segment_link *link, uint8_t buffer[static PACKET_MAX],
    struct heard *out, uint64_t until_us)
{
	ssize_t count;

	do {
		count = frame_receive(
		    link->segment->ip, buffer, PACKET_MAX, until_us);
		if (count < 0)
			return (int)count;
	} while (!packet_take(link, buffer, (size_t)count, out));
	return 0;
}

/* --- a connection ----------------------------------------------------------
 */

/* From then on the kernel gives our port to nobody else. */
static int
port_reserve(struct segment_link *link)
{
	union sock_address own = { .in4 = { .sin_family = AF_INET,
				       .sin_addr = link->segment->own } };
	socklen_t size = sizeof(own);

	link->reserved = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->reserved == -1 ||
	    bind(link->reserved, &own.any, sizeof(own.in4)) != 0 ||
	    getsockname(link->reserved, &own.any, &size) != 0)
		return -errno;
	link->own_port = sock_address_port(&own);
	return 0;
}

/* 0: it is connected; -ECONNREFUSED; -EAGAIN: that was no answer. */
static int
connect_take(struct segment_link *link, const struct heard *heard)
{
	if (heard->confirms != link->sent + 1)
		return -EAGAIN;
	if ((heard->flags & TH_RST) != 0) {
		link->refused = true;
		return -ECONNREFUSED;
	}
	if ((heard->flags & (TH_SYN | TH_ACK)) != (TH_SYN | TH_ACK))
		return -EAGAIN;
	link->connected = true;
	link->sent++;
	link->received = heard->at + 1;
	return tcp_send(link, TH_ACK, NULL, 0);
}

static int
handshake(struct segment_link *link, uint64_t until_us)
{
	uint8_t buffer[PACKET_MAX];
	struct heard heard;
	int result;

	do {
		uint64_t again_us = clock_monotonic_us() + AGAIN_US;

		if ((result = tcp_send(link, TH_SYN, NULL, 0)) != 0)
			return result;
		do {
			result = tcp_hear(
			    link, buffer, &heard, MIN_OF(again_us, until_us));
			if (result == 0)
				result = connect_take(link, &heard);
		} while (result == -EAGAIN);
	} while (result == -ETIMEDOUT && clock_monotonic_us() < until_us);
	return result;
}

int
segment_connect(struct segment_link *link, const struct segment *segment,
    const struct ether_addr *node, const union sock_address *vip,
    uint64_t until_us)
{
	int result;

	*link = (struct segment_link){
		.segment = segment,
		.node = *node,
		.vip = vip->in4.sin_addr,
		.port = sock_address_port(vip),
		.reserved = -1,
		.sent = (uint32_t)clock_monotonic_us(), /* RFC 9293 3.4.1 */
	};
	result = port_reserve(link);
	return result == 0 ? handshake(link, until_us) : result;
}

void
segment_hang_up(struct segment_link *link)
{
	if (link->connected)
		(void)tcp_send(link, TH_RST | TH_ACK, NULL, 0);
	if (link->reserved != -1)
		close(link->reserved);
	link->reserved = -1;
}

static int
send_again(struct segment_link *link)
{
	int result;

	link->sent -= (uint32_t)link->waiting_size;
	result =
	    tcp_send(link, TH_PUSH | TH_ACK, link->waiting, link->waiting_size);
	link->sent += (uint32_t)link->waiting_size;
	return result;
}

int
segment_send(struct segment_link *link, const void *data, size_t size)
{
	assert(size <= SEGMENT_SEND_MAX);
	link->waiting = data;
	link->waiting_size = size;
	link->sent += (uint32_t)size;
	return send_again(link);
}

/* The bytes that are new, 0 at the end; -EAGAIN: there are none. */
static ssize_t
data_take(struct segment_link *link, const struct heard *heard, void *data)
{
	if ((heard->flags & TH_ACK) != 0 && heard->confirms == link->sent)
		link->waiting_size = 0;
	if ((heard->flags & TH_RST) != 0)
		return 0;
	if (heard->at == link->received && heard->size > 0) {
		memcpy(data, heard->data, heard->size);
		link->received += (uint32_t)heard->size;
		(void)tcp_send(link, TH_ACK, NULL, 0);
		return (ssize_t)heard->size;
	}
	if (heard->at == link->received && (heard->flags & TH_FIN) != 0)
		return 0;
	if (heard->size >
	    0) /* it did not hear that we had it, or some is lost */
		(void)tcp_send(link, TH_ACK, NULL, 0);
	return -EAGAIN;
}

ssize_t
segment_receive(struct segment_link *link, void *data, uint64_t until_us)
{
	uint8_t buffer[PACKET_MAX];
	struct heard heard;
	ssize_t result;

	for (;;) {
		uint64_t again_us = clock_monotonic_us() + AGAIN_US;

		do {
			result = tcp_hear(
			    link, buffer, &heard, MIN_OF(again_us, until_us));
			if (result == 0)
				result = data_take(link, &heard, data);
		} while (result == -EAGAIN);
		if (result != -ETIMEDOUT || clock_monotonic_us() >= until_us)
			return result;
		if (link->waiting_size > 0 && (result = send_again(link)) != 0)
			return result;
	}
}

bool
segment_hear_media(struct segment_link *link, uint64_t until_us)
{
	uint8_t buffer[PACKET_MAX];
	ssize_t count = 0;

	while (!link->media && count >= 0) {
		struct heard heard;

		count = frame_receive(
		    link->segment->ip, buffer, sizeof(buffer), until_us);
		if (count > 0)
			(void)packet_take(link, buffer, (size_t)count, &heard);
	}
	return link->media;
}
