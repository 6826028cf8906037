/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP sockets that take much at little cost: recvmmsg, UDP_GRO, a large
 * receive buffer.  Does not know sessions.
 */
#include "port.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define DATAGRAM_MAX 65536
#define BUFFER_BYTES (32 << 20)

struct batch {
	struct mmsghdr headers[BATCH];
	struct iovec iovs[BATCH];
	struct control {
		_Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(int))];
	} control[BATCH];
	struct sockaddr_in from[BATCH];
	uint8_t bytes[BATCH][DATAGRAM_MAX];
};

uint64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int
udp_bind(uint16_t number)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(number) };
	int size = BUFFER_BYTES;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) !=
	    0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static uint16_t
udp_number(int fd)
{
	struct sockaddr_in address = { .sin_port = 0 };
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		err(1, "getsockname");
	return ntohs(address.sin_port);
}

void
port_open(struct port *port, bool gro)
{
	int on = gro;

	for (unsigned tries = 0; tries < 1000; tries++) {
		port->rtp = udp_bind(0);
		if (port->rtp < 0)
			break;
		port->number = udp_number(port->rtp);
		if (port->number % 2 == 0) {
			port->rtcp = udp_bind((uint16_t)(port->number + 1));
			if (port->rtcp >= 0) {
				setsockopt(port->rtp, SOL_UDP, UDP_GRO, &on,
				    sizeof(on));
				return;
			}
		}
		close(port->rtp);
	}
	err(1, "no pair of UDP ports");
}

/* An SSRC need not be another one from another port of the server's. */
static struct flow **
find(struct port *port, uint32_t ssrc, uint16_t from)
{
	size_t mask = 2 * PORT_FLOWS_MAX - 1;
	size_t at = ssrc * 2654435761U >> 16;

	for (; port->flows[at & mask] != NULL; at++)
		if (port->flows[at & mask]->ssrc == ssrc &&
		    (port->flows[at & mask]->from == from ||
			port->flows[at & mask]->from == 0))
			break;
	return &port->flows[at & mask];
}

bool
port_add(struct port *port, struct flow *flow)
{
	struct flow **place = find(port, flow->ssrc, flow->from);

	if (*place != NULL || port->flow_count >= PORT_FLOWS_MAX)
		return false;
	*place = flow;
	port->flow_count++;
	return true;
}

static void
take(struct port *port, uint16_t from, const uint8_t *data, size_t size,
    uint64_t now_us)
{
	struct flow *flow;

	if (size < 12) {
		port->strays++;
		return;
	}
	flow = *find(port, flow_ssrc(data), from);
	if (flow == NULL && port->alone != NULL) {
		flow = port->alone;
		if (!flow->started) /* the answer to SETUP did not say it */
			flow->ssrc = flow_ssrc(data);
		if (flow->ssrc != flow_ssrc(data))
			flow = NULL;
	}
	if (flow == NULL)
		port->strays++;
	else
		flow_take(flow, data, size, data[size - 1], now_us);
}

/* The kernel says the size of the datagrams that it glued together. */
static size_t
segment_size(struct msghdr *header, size_t size)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(header, cmsg)) {
		int segment;

		if (cmsg->cmsg_level != SOL_UDP || cmsg->cmsg_type != UDP_GRO)
			continue;
		memcpy(&segment, CMSG_DATA(cmsg), sizeof(segment));
		if (segment > 0)
			return (size_t)segment;
	}
	return size;
}

static int
receive_batch(int fd, struct batch *batch)
{
	for (size_t i = 0; i < BATCH; i++) {
		batch->iovs[i] =
		    (struct iovec){ batch->bytes[i], DATAGRAM_MAX };
		batch->headers[i].msg_hdr = (struct msghdr){
			.msg_name = &batch->from[i],
			.msg_namelen = sizeof(batch->from[i]),
			.msg_iov = &batch->iovs[i],
			.msg_iovlen = 1,
			.msg_control = batch->control[i].bytes,
			.msg_controllen = sizeof(batch->control[i].bytes),
		};
	}
	return recvmmsg(fd, batch->headers, BATCH, MSG_DONTWAIT, NULL);
}

void
port_receive(struct port *port, bool count_only)
{
	static struct batch batch;
	int count;

	do {
		uint64_t now_us;

		count = receive_batch(port->rtp, &batch);
		now_us = clock_us();
		for (int i = 0; i < count; i++) {
			const uint8_t *data = batch.bytes[i];
			uint16_t from = ntohs(batch.from[i].sin_port);
			size_t size = batch.headers[i].msg_len;
			size_t step =
			    segment_size(&batch.headers[i].msg_hdr, size);

			for (size_t at = 0; at < size; at += step) {
				size_t part =
				    size - at < step ? size - at : step;

				port->packets++;
				port->bytes += part;
				if (!count_only)
					take(port, from, data + at, part,
					    now_us);
			}
		}
	} while (count == BATCH);
}

void
port_drain_rtcp(struct port *port)
{
	uint8_t byte;

	while (recv(port->rtcp, &byte, sizeof(byte), MSG_DONTWAIT) >= 0)
		;
}

uint64_t
port_drops(const struct port *port)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(port->rtp, SOL_SOCKET, SO_MEMINFO, info, &size) != 0)
		return 0;
	return info[SK_MEMINFO_DROPS];
}
