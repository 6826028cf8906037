/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bare - the cheapest sender of the same bytes: what the kernel alone costs.
 *
 * Constant bytes go to N destinations at a given rate, so many packets to a
 * message: UDP as sendmmsg with GSO, TCP as writev of interleaved frames.
 * It reads no file, speaks no protocol and keeps nothing but a schedule.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#define SIZES_MAX 4096
#define RUN_MAX 40 /* packets to a GSO message: below 64 KiB */
#define BATCH 512
#define N_MAX 65536

struct run { /* one sendmsg (packets of one size, a smaller last) or writev */
	uint16_t segment;
	size_t packets, bytes, iovs;
	struct iovec iov[2 * RUN_MAX];
	_Alignas(struct cmsghdr) char gso[CMSG_SPACE(sizeof(uint16_t))];
};

static uint16_t sizes[SIZES_MAX];
static uint8_t payload[65536], frame[65536][4];
static struct run runs[SIZES_MAX];
static size_t
    message[SIZES_MAX + 1]; /* its first run; the next one's ends it */
static size_t size_count, run_count, message_count;
static uint64_t packets, bytes, failed;
static struct sockaddr_in to[N_MAX];
static int fds[N_MAX];

static double
clock_s(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
add_packet(struct run *run, uint16_t size, int tcp)
{
	struct cmsghdr *cmsg = (struct cmsghdr *)run->gso;

	frame[size][0] = '$';
	frame[size][2] = (uint8_t)(size >> 8);
	frame[size][3] = (uint8_t)size;
	if (tcp)
		run->iov[run->iovs++] = (struct iovec){ frame[size], 4 };
	else
		run->iovs = 0;
	run->iov[run->iovs++] =
	    (struct iovec){ payload, tcp ? size : run->bytes + size };
	if (run->packets++ == 0) {
		run->segment = size;
		*cmsg = (struct cmsghdr){ CMSG_LEN(2), SOL_UDP, UDP_SEGMENT };
		memcpy(CMSG_DATA(cmsg), &size, 2);
	}
	run->bytes += size;
}

/* Cut the sizes into messages of PER packets on average. */
static void
cut_messages(double per, int tcp)
{
	for (size_t at = 0; at < size_count;) {
		double end = per * (double)(message_count + 1);
		struct run *run = NULL;

		do {
			if (run == NULL || run->packets == RUN_MAX ||
			    (!tcp && (sizes[at] > run->segment ||
					 run->bytes % run->segment != 0)))
				run = &runs[run_count++];
			add_packet(run, sizes[at++], tcp);
		} while (at < size_count && (double)at + 1 <= end + 1e-9);
		message[++message_count] = run_count;
	}
}

/* Messages K to END of all; K goes to destination K modulo N. */
static void
send_udp(uint64_t k, uint64_t end, uint64_t n)
{
	static struct mmsghdr headers[BATCH + SIZES_MAX];
	unsigned fill = 0;

	for (; k < end; k++) {
		const size_t *of = &message[(k / n + k % n) % message_count];

		for (size_t r = of[0]; r < of[1]; r++) {
			headers[fill++].msg_hdr = (struct msghdr){ &to[k % n],
				sizeof(to[0]), runs[r].iov, 1, runs[r].gso,
				runs[r].packets > 1 ? sizeof(runs[r].gso) : 0,
				0 };
			packets += runs[r].packets;
			bytes += runs[r].bytes;
		}
		if (fill < BATCH && k + 1 < end)
			continue;
		for (unsigned at = 0; at < fill;) {
			int sent = sendmmsg(fds[0], headers + at, fill - at, 0);
			failed += sent < 0;
			at += sent < 0 ? 1 : (unsigned)sent;
		}
		fill = 0;
	}
}

static void
send_tcp(uint64_t k, uint64_t end, uint64_t n)
{
	for (; k < end; k++) {
		const size_t *of = &message[(k / n + k % n) % message_count];

		for (size_t r = of[0]; r < of[1]; r++) {
			ssize_t sent =
			    writev(fds[k % n], runs[r].iov, (int)runs[r].iovs);

			failed += sent < 0; /* the reader is behind */
			packets += sent < 0 ? 0 : runs[r].packets;
			bytes += sent < 0 ? 0 : runs[r].bytes;
		}
	}
}

int
main(int argc, char **argv)
{
	int size = 8 << 20, one = 1;
	FILE *file;

	if (argc < 9 || (file = fopen(argv[5], "r")) == NULL)
		errx(2, "usage: bare udp|tcp N PACKETS_PER_S PER_MESSAGE"
			" SIZES_FILE SECONDS TICK_MS PORT...");
	while (fscanf(file, "%hu", &sizes[size_count]) == 1)
		size_count += size_count + 1 < SIZES_MAX;
	int tcp = argv[1][0] == 't';
	uint64_t n = strtoul(argv[2], NULL, 10) % N_MAX, done = 0;
	cut_messages(atof(argv[4]), tcp);
	if (n == 0 || message_count == 0)
		errx(2, "nothing to send");

	for (size_t i = 0; i < n; i++) {
		int port = atoi(argv[8 + i % (size_t)(argc - 8)]);

		to[i].sin_family = AF_INET;
		to[i].sin_port = htons((uint16_t)port);
		to[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (!tcp && i > 0)
			continue;
		fds[i] = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
		setsockopt(fds[i], SOL_TCP, TCP_NODELAY, &one, 4);
		if (tcp && connect(fds[i], (void *)&to[i], sizeof(*to)) != 0)
			err(1, "connection %zu", i);
		fcntl(fds[i], F_SETFL, tcp ? O_NONBLOCK : 0);
	}
	if (!tcp)
		setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, 4);

	/* Seconds between a message and the next, to whichever destination. */
	double gap = (double)size_count / (double)message_count /
		     (atof(argv[3]) * (double)n);
	double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
	double start = clock_s(CLOCK_MONOTONIC), at = start, took;
	while ((took = clock_s(CLOCK_MONOTONIC) - start) < atof(argv[6])) {
		uint64_t due = (uint64_t)(took / gap);

		if (tcp)
			send_tcp(done, due, n);
		else
			send_udp(done, due, n);
		done = due;
		at += atof(argv[7]) / 1e3;
		struct timespec until = { (time_t)at, 0 };
		until.tv_nsec = (long)((at - (double)until.tv_sec) * 1e9);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"packets\": %lu, \"bytes\": %lu, \"messages\": %lu, "
	       "\"failed\": %lu, \"seconds\": %.6f, \"cpu_s\": %.6f}\n",
	    packets, bytes, done, failed, took, cpu);
	return 0;
}
