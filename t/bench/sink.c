/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports and connections whose bytes are counted and forgotten.  They are read
 * once a millisecond, as those of clients that play are.
 */
#include "sink.h"

#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "port.h"

#define EVENTS_MAX 1024
#define PORTS_MAX 512

static bool
wait_tick(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	return poll(&input, 1, 1) <= 0 || read(STDIN_FILENO, &byte, 1) > 0;
}

static void
print_result(uint64_t packets, uint64_t bytes, uint64_t drops)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("{\"packets\": %ju, \"bytes\": %ju, \"drops\": %ju, "
	       "\"cpu_s\": %.6f}\n",
	    (uintmax_t)packets, (uintmax_t)bytes, (uintmax_t)drops,
	    (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
}

int
sink_udp(size_t count, bool gro)
{
	static struct port ports[PORTS_MAX];
	uint64_t packets = 0, bytes = 0, drops = 0;

	if (count > PORTS_MAX)
		errx(2, "at most %d ports", PORTS_MAX);
	printf("{\"ports\": [");
	for (size_t i = 0; i < count; i++) {
		port_open(&ports[i], gro);
		printf("%s%u", i > 0 ? ", " : "", ports[i].number);
	}
	printf("]}\n");
	fflush(stdout);
	while (wait_tick())
		for (size_t i = 0; i < count; i++)
			port_receive(&ports[i], true);
	for (size_t i = 0; i < count; i++) {
		packets += ports[i].packets;
		bytes += ports[i].bytes;
		drops += port_drops(&ports[i]);
	}
	print_result(packets, bytes, drops);
	return 0;
}

static int
listen_any(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
	    listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		err(1, "listen");
	*port = ntohs(address.sin_port);
	return fd;
}

static void
accept_all(int listener, int epoll)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
			err(1, "epoll_ctl");
	}
}

static uint64_t
read_all(int epoll)
{
	static struct epoll_event events[EVENTS_MAX];
	static uint8_t data[1 << 18];
	uint64_t bytes = 0;
	int count;

	do {
		count = epoll_wait(epoll, events, EVENTS_MAX, 0);
		for (int i = 0; i < count; i++) {
			ssize_t got =
			    recv(events[i].data.fd, data, sizeof(data), 0);

			if (got <= 0)
				close(events[i].data.fd);
			else
				bytes += (uint64_t)got;
		}
	} while (count == EVENTS_MAX);
	return bytes;
}

int
sink_tcp(void)
{
	uint64_t bytes = 0;
	uint16_t port;
	int listener = listen_any(&port), epoll = epoll_create1(0);

	printf("{\"ports\": [%u]}\n", port);
	fflush(stdout);
	while (wait_tick()) {
		accept_all(listener, epoll);
		bytes += read_all(epoll);
	}
	print_result(0, bytes, 0);
	return 0;
}
