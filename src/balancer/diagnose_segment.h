/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diagnose_segment - the Ethernet segment that director and nodes share: who
 * answers for an address, and a connection to the virtual address at one node.
 *
 * A director that has the virtual address itself cannot connect to it anywhere
 * else, and one that has not is led to the one that has.  So such a connection
 * is made of packets of our own, which the node gets as it gets those that the
 * director hands on: addressed to the virtual address, in a frame to the node.
 * IPv4 only; CAP_NET_RAW to open it.
 */
#ifndef BALANCER_DIAGNOSE_SEGMENT_H
#define BALANCER_DIAGNOSE_SEGMENT_H

#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/sock.h"

struct segment {
	int arp, ip; /* descriptors, owned; -1: it is not open */
	unsigned index; /* of the interface */
	struct in_addr own; /* our address there */
};

/* Whether ADDRESS is one of this machine, and of which INTERFACE. */
bool segment_is_own(
    const union sock_address *address, char interface[static IF_NAMESIZE]);

/*
 * The segment that leads to NODE.  0, -EPERM, -EAFNOSUPPORT (IPv6), or another
 * -errno: there is no way there.
 */
int segment_open(struct segment *segment, const union sock_address *node);
void segment_close(struct segment *segment); /* accepts one not open */

struct segment_answer {
	struct in_addr address;
	struct ether_addr from;
};
/*
 * Asks by ARP who has ADDRESSES and hears answers for SEGMENT_ARP_US, each
 * machine's once.  How many are in OUT; or -errno.
 */
#define SEGMENT_ARP_US UINT64_C(200000)
ssize_t segment_ask(const struct segment *segment,
    const struct in_addr *addresses, size_t count, struct segment_answer *out,
    size_t room);

/* A connection, as a viewer's.  Plain values but for the descriptors. */
struct segment_link {
	const struct segment *segment; /* borrowed */
	struct ether_addr node;
	struct in_addr vip;
	uint16_t port, own_port; /* RTSP */
	uint16_t media_port; /* where we said that media is to go; 0: not yet */
	int reserved; /* a socket that keeps our port from others */
	uint32_t sent, received; /* TCP: what comes next */
	const void *waiting; /* borrowed; to be confirmed */
	size_t waiting_size;
	bool connected;
	bool refused; /* the node has the address, and nobody listens there */
	bool media; /* it came */
	struct in_addr media_from;
	uint16_t media_from_port;
};

/*
 * Connects to VIP (with its port) at NODE.  0, or -errno; ->refused says
 * whether the node answered at all.
 */
int segment_connect(struct segment_link *link, const struct segment *segment,
    const struct ether_addr *node, const union sock_address *vip,
    uint64_t until_us);
void segment_hang_up(struct segment_link *link);

/*
 * DATA, at most SEGMENT_SEND_MAX bytes and all that was sent before confirmed,
 * is borrowed until its answer is there.  0 or -errno.
 */
#define SEGMENT_SEND_MAX 1200
int segment_send(struct segment_link *link, const void *data, size_t size);
/*
 * What comes next, into SEGMENT_RECEIVE_MAX bytes; 0: the node ended it, or
 * -ETIMEDOUT.  Media that comes before is noted on the way.
 */
#define SEGMENT_RECEIVE_MAX 2048
ssize_t segment_receive(
    struct segment_link *link, void *data, uint64_t until_us);
/* Waits for the first of the media.  False: none came. */
bool segment_hear_media(struct segment_link *link, uint64_t until_us);

#endif
