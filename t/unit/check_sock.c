/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_sock - the rules of base/sock.
 */
#include "base/sock.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

#define WAIT_MS 10000

static bool
has_ipv6(void)
{
	union sock_address address;
	int fd;

	ck_assert_int_eq(sock_address_parse("[::1]:0", &address), 0);
	if ((fd = sock_listen(&address, 1)) < 0)
		return false;
	close(fd);
	return true;
}

static void
wait_for(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	ck_assert_int_eq(poll(&poll_fd, 1, WAIT_MS), 1);
}

static int
option_get(int fd, int level, int name)
{
	socklen_t length = sizeof(int);
	int value = -1;

	ck_assert_int_eq(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static void
expect_own_and_ready(int fd)
{
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* ---- addresses ---- */

static const char *const round_trips[] = {
	"192.0.2.1:554",
	"0.0.0.0:0",
	"255.255.255.255:65535",
	"[2001:db8::1]:554",
	"[::]:8554",
	"[fe80::1%3]:554",
};

START_TEST(addresses_are_printed_as_they_were_read)
{
	union sock_address address;
	char text[SOCK_TEXT_MAX], host[SOCK_TEXT_MAX], *end;

	ck_assert_int_eq(sock_address_parse(round_trips[_i], &address), 0);
	ck_assert_str_eq(
	    sock_address_text(&address, true, text), round_trips[_i]);

	strcpy(host, round_trips[_i] + (round_trips[_i][0] == '['));
	end = strrchr(host, ':');
	*(end[-1] == ']' ? end - 1 : end) = '\0';
	ck_assert_str_eq(sock_address_text(&address, false, text), host);
}
END_TEST

/* Three of them are longer than any address. */
#define LONG "111111111111111111111111111111"

static const char *const refused[] = {
	"",
	":",
	"localhost:554",
	"192.0.2.1",
	"192.0.2.1:",
	"192.0.2.1:65536",
	"192.0.2.1:99999999999",
	"192.0.2.1:-1",
	"192.0.2.1: 554",
	"192.0.2.1:554 ",
	"192.0.2:554",
	"192.0.2.256:554",
	"0x7f000001:554",
	"2001:db8::1:554",
	"::1",
	"[::1]",
	"[::1]554",
	"[::1:554",
	"[]:554",
	"[:554",
	"[::1%]:554",
	"[::1%no-such-if]:554",
	"[::g]:554",
	"554x",
	LONG LONG LONG ":554",
};

START_TEST(what_is_no_numeric_address_is_refused)
{
	union sock_address address = { .family = AF_UNIX };

	ck_assert_int_eq(sock_address_parse(refused[_i], &address), -EINVAL);
	ck_assert_uint_eq(address.family, AF_UNIX);
}
END_TEST

START_TEST(a_port_alone_means_all_addresses)
{
	union sock_address address;
	char text[SOCK_TEXT_MAX];
	const char *any = has_ipv6() ? "::" : "0.0.0.0";

	ck_assert_int_eq(sock_address_parse(":8554", &address), 0);
	ck_assert_uint_eq(sock_address_port(&address), 8554);
	ck_assert_int_eq(sock_address_parse("554", &address), 0);
	ck_assert_uint_eq(sock_address_port(&address), 554);
	if (address.family == AF_INET6)
		any = "::";
	ck_assert_str_eq(sock_address_text(&address, false, text), any);
}
END_TEST

static union sock_address
parsed(const char *text)
{
	union sock_address address;

	ck_assert_int_eq(sock_address_parse(text, &address), 0);
	return address;
}

START_TEST(hosts_are_compared_without_their_ports)
{
	union sock_address a = parsed("192.0.2.1:1"), b = parsed("192.0.2.1:2");
	union sock_address c = parsed("192.0.2.2:1");
	union sock_address mapped = parsed("[::ffff:192.0.2.1]:3");
	union sock_address d = parsed("[2001:db8::1]:1");
	union sock_address e = parsed("[2001:db8::2]:1"), none = { 0 };
	char text[SOCK_TEXT_MAX];

	ck_assert(sock_address_same_host(&a, &b));
	ck_assert(sock_address_same_host(&a, &mapped));
	ck_assert(!sock_address_same_host(&a, &c));
	ck_assert(!sock_address_same_host(&a, &d));
	ck_assert(sock_address_same_host(&d, &d));
	ck_assert(!sock_address_same_host(&d, &e));
	ck_assert(!sock_address_same_host(&none, &none));
	ck_assert_str_eq(sock_address_text(&mapped, true, text), "192.0.2.1:3");
	ck_assert_str_eq(sock_address_text(&none, true, text), "none");
}
END_TEST

START_TEST(hashes_tell_hosts_and_ipv6_networks_apart)
{
	union sock_address a = parsed("192.0.2.1:1"), b = parsed("192.0.2.1:2");
	union sock_address c = parsed("192.0.2.2:1");
	union sock_address mapped = parsed("[::ffff:192.0.2.1]:3");
	union sock_address d = parsed("[2001:db8::1]:1");
	union sock_address e = parsed("[2001:db8::ffff:2]:1");
	union sock_address f = parsed("[2001:db8:0:1::1]:1");

	ck_assert_uint_eq(sock_address_hash(&a, 9), sock_address_hash(&b, 9));
	ck_assert_uint_eq(
	    sock_address_hash(&a, 9), sock_address_hash(&mapped, 9));
	ck_assert_uint_ne(sock_address_hash(&a, 9), sock_address_hash(&c, 9));
	ck_assert_uint_ne(sock_address_hash(&a, 9), sock_address_hash(&a, 8));
	ck_assert_uint_eq(sock_address_hash(&d, 9), sock_address_hash(&e, 9));
	ck_assert_uint_ne(sock_address_hash(&d, 9), sock_address_hash(&f, 9));
}
END_TEST

/* ---- TCP ---- */

/* A listener on TEXT, whose port 0 is replaced by what it got. */
static int
listener_open(const char *text, union sock_address *out)
{
	socklen_t length = sizeof(*out);
	int fd;

	*out = parsed(text);
	fd = sock_listen(out, 8);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockname(fd, &out->any, &length), 0);
	return fd;
}

static int
connect_to(const char *host, uint16_t port)
{
	char text[SOCK_TEXT_MAX + 8];
	union sock_address address;
	int fd;

	snprintf(text, sizeof(text), "%s:%u", host, port);
	address = parsed(text);
	fd = socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(
	    connect(fd, &address.any, sock_address_length(&address)), 0);
	return fd;
}

START_TEST(a_second_listener_on_a_port_is_refused)
{
	union sock_address address;
	int fd = listener_open("127.0.0.1:0", &address);

	expect_own_and_ready(fd);
	ck_assert_int_eq(option_get(fd, SOL_SOCKET, SO_REUSEPORT), 0);
	ck_assert_int_eq(sock_listen(&address, 8), -EADDRINUSE);
	close(fd);
}
END_TEST

START_TEST(a_port_is_free_again_when_its_connections_linger)
{
	union sock_address address, peer, local;
	int listener = listener_open("127.0.0.1:0", &address);
	int client = connect_to("127.0.0.1", sock_address_port(&address));
	int server;
	char byte;

	wait_for(listener, POLLIN);
	server = sock_accept(listener, &peer, &local);
	close(listener);
	close(server); /* first: this end goes to TIME_WAIT */
	ck_assert_int_eq(read(client, &byte, 1), 0);
	close(client);
	listener = sock_listen(&address, 8);
	ck_assert_int_ge(listener, 0);
	close(listener);
}
END_TEST

START_TEST(an_accepted_connection_knows_both_ends)
{
	union sock_address address, peer, local, wanted;
	int listener = listener_open("127.0.0.1:0", &address);
	socklen_t length = sizeof(wanted);
	char text[SOCK_TEXT_MAX], wanted_text[SOCK_TEXT_MAX];
	int client, server;

	ck_assert_int_eq(sock_accept(listener, &peer, &local), -EAGAIN);
	client = connect_to("127.0.0.1", sock_address_port(&address));
	wait_for(listener, POLLIN);
	server = sock_accept(listener, &peer, &local);
	ck_assert_int_ge(server, 0);
	expect_own_and_ready(server);
	ck_assert_int_eq(getsockname(client, &wanted.any, &length), 0);
	ck_assert_str_eq(sock_address_text(&peer, true, text),
	    sock_address_text(&wanted, true, wanted_text));
	ck_assert_str_eq(sock_address_text(&local, true, text),
	    sock_address_text(&address, true, wanted_text));
	ck_assert_int_eq(option_get(server, IPPROTO_TCP, TCP_NODELAY), 1);
	ck_assert_int_eq(option_get(server, SOL_SOCKET, SO_KEEPALIVE), 1);

	ck_assert_uint_ne(sock_cookie(server), 0);
	ck_assert_uint_ne(sock_cookie(server), sock_cookie(client));
	ck_assert_uint_eq(sock_cookie(listener), sock_cookie(listener));
	ck_assert_uint_eq(sock_cookie(-1), 0);
	close(client);
	close(server);
	close(listener);
}
END_TEST

START_TEST(a_listener_on_all_addresses_takes_both_families)
{
	static const char *const hosts[] = { "127.0.0.1", "[::1]" };
	static const sa_family_t families[] = { AF_INET, AF_INET6 };
	union sock_address address, peer, local;
	int listener = listener_open(":0", &address);

	for (size_t i = 0; i < (has_ipv6() ? 2 : 1); i++) {
		int client, server;

		client = connect_to(hosts[i], sock_address_port(&address));
		wait_for(listener, POLLIN);
		server = sock_accept(listener, &peer, &local);
		ck_assert_int_ge(server, 0);
		ck_assert_uint_eq(peer.family, families[i]);
		ck_assert_uint_eq(local.family, families[i]);
		close(client);
		close(server);
	}
	close(listener);
}
END_TEST

/* Both ends of a TCP connection over the loopback. */
/* Begun, not waited for. */
static int
begin_to_connect(const union sock_address *address)
{
	int fd = socket(address->family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ne(fd, -1);
	if (connect(fd, &address->any, sock_address_length(address)) != 0)
		ck_assert_int_eq(errno, EINPROGRESS);
	return fd;
}

static bool
is_connected(int fd, int limit_ms)
{
	struct pollfd done = { .fd = fd, .events = POLLOUT };

	return poll(&done, 1, limit_ms) == 1 &&
	       option_get(fd, SOL_SOCKET, SO_ERROR) == 0;
}

START_TEST(a_held_listener_lets_in_who_had_come_and_nobody_else)
{
	union sock_address address, peer, local;
	int listener = listener_open("127.0.0.1:0", &address);
	int early = begin_to_connect(&address), late, server, error;

	ck_assert(is_connected(early, 5000));
	ck_assert_int_eq(sock_listener_waiting(listener), 1);
	error = sock_listener_hold(listener, true);
	if (error == -EPERM && geteuid() != 0) {
		puts("this kernel keeps filters for root");
		close(early);
		close(listener);
		return;
	}
	ck_assert_int_eq(error, 0);
	late = begin_to_connect(&address);
	ck_assert(!is_connected(late, 200));
	ck_assert_int_eq(sock_listener_waiting(listener), 1);
	ck_assert_int_ge(server = sock_accept(listener, &peer, &local), 0);
	ck_assert_int_eq(sock_listener_waiting(listener), 0);
	/* It asks again after a second. */
	ck_assert_int_eq(sock_listener_hold(listener, false), 0);
	ck_assert(is_connected(late, 10000));
	close(server);
	close(late);
	close(early);
	close(listener);
}
END_TEST

static void
connection_open(int *client, int *server)
{
	union sock_address address, peer, local;
	int listener = listener_open("127.0.0.1:0", &address);

	*client = connect_to("127.0.0.1", sock_address_port(&address));
	wait_for(listener, POLLIN);
	*server = sock_accept(listener, &peer, &local);
	ck_assert_int_ge(*server, 0);
	close(listener);
}

static void
expect_progress(int fd, uint64_t accepted, uint64_t consumed)
{
	struct sock_progress progress;

	ck_assert_int_eq(sock_progress(fd, &progress), 0);
	ck_assert_uint_eq(progress.accepted, accepted);
	ck_assert_uint_eq(progress.consumed, consumed);
}

START_TEST(progress_counts_what_was_taken_and_given)
{
	static char bytes[1 << 16];
	int client, server;
	uint64_t accepted = 0;
	ssize_t sent;

	connection_open(&client, &server);
	expect_progress(server, 0, 0);
	ck_assert_int_eq(send(client, bytes, 1000, 0), 1000);
	wait_for(server, POLLIN);
	expect_progress(server, 0, 0);
	ck_assert_int_eq(recv(server, bytes, 300, 0), 300);
	expect_progress(server, 0, 300);
	ck_assert_int_eq(recv(server, bytes, 700, MSG_PEEK), 700);
	expect_progress(server, 0, 300);
	ck_assert_int_eq(recv(server, NULL, 50, MSG_TRUNC), 50);
	expect_progress(server, 0, 350);

	/* Nobody reads: some is acknowledged, some waits in the kernel. */
	while ((sent = send(server, bytes, sizeof(bytes), 0)) > 0)
		accepted += (uint64_t)sent;
	ck_assert_int_eq(errno, EAGAIN);
	expect_progress(server, accepted, 350);
	close(client);
	close(server);
}
END_TEST

START_TEST(progress_does_not_count_the_ends_of_a_connection)
{
	struct sock_progress progress;
	int client, server;
	char byte;

	connection_open(&client, &server);
	ck_assert_int_eq(send(client, "abc", 3, 0), 3);
	ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
	wait_for(server, POLLRDHUP);
	expect_progress(server, 0, 0);
	ck_assert_int_eq(recv(server, &byte, 1, 0), 1);
	expect_progress(server, 0, 1);
	ck_assert_int_eq(send(server, "12345", 5, 0), 5);
	expect_progress(server, 5, 1);
	close(client);
	close(server);

	connection_open(&client, &server);
	ck_assert_int_eq(send(server, "12345", 5, 0), 5);
	ck_assert_int_eq(shutdown(server, SHUT_WR), 0);
	expect_progress(server, 5, 0);
	wait_for(client, POLLRDHUP);
	expect_progress(server, 5, 0);
	close(client);
	close(server);

	ck_assert_int_ne(sock_progress(-1, &progress), 0);
}
END_TEST

/* ---- UDP ---- */

static const int families[] = { AF_INET, AF_INET6 };

static uint16_t
bound_port(int fd)
{
	union sock_address address;
	socklen_t length = sizeof(address);

	ck_assert_int_eq(getsockname(fd, &address.any, &length), 0);
	return sock_address_port(&address);
}

START_TEST(a_pair_is_an_even_port_and_the_one_above)
{
	int family = families[_i];
	struct sock_pair pair;

	if (family == AF_INET6 && !has_ipv6())
		return;
	ck_assert_int_eq(sock_pair_open(family, 0, 0, &pair), 0);
	ck_assert_int_eq(pair.family, family);
	ck_assert_uint_eq(pair.port % 2, 0);
	ck_assert_uint_eq(bound_port(pair.rtp), pair.port);
	ck_assert_uint_eq(bound_port(pair.rtcp), pair.port + 1U);
	expect_own_and_ready(pair.rtp);
	expect_own_and_ready(pair.rtcp);
	if (family == AF_INET) {
		ck_assert_int_eq(
		    option_get(pair.rtp, IPPROTO_IP, IP_PKTINFO), 1);
		ck_assert_int_eq(
		    option_get(pair.rtp, IPPROTO_IP, IP_MTU_DISCOVER),
		    IP_PMTUDISC_OMIT);
		ck_assert_int_eq(
		    option_get(pair.rtp, IPPROTO_IP, IP_RECVERR), 0);
	} else {
		ck_assert_int_eq(
		    option_get(pair.rtp, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		ck_assert_int_eq(
		    option_get(pair.rtp, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
		ck_assert_int_eq(
		    option_get(pair.rtp, IPPROTO_IPV6, IPV6_MTU_DISCOVER),
		    IPV6_PMTUDISC_OMIT);
	}
	sock_pair_close(&pair);
	ck_assert_int_eq(pair.rtp, -1);
	sock_pair_close(&pair);
}
END_TEST

/* Opens the only pair of a range around ports that were free a moment ago. */
static int
narrow_range_open(struct sock_pair *out)
{
	int error = -EADDRINUSE;

	/* Another process may be faster to get them: then others. */
	for (unsigned i = 0; i < 20 && error == -EADDRINUSE; i++) {
		struct sock_pair room;
		uint16_t port;

		ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &room), 0);
		port = room.port;
		sock_pair_close(&room);
		error = sock_pair_open(
		    AF_INET, (uint16_t)(port - 1), (uint16_t)(port + 2), out);
	}
	return error;
}

START_TEST(a_range_is_kept_and_used_up)
{
	struct sock_pair pair, second = { 0 };
	uint16_t port;

	ck_assert_int_eq(narrow_range_open(&pair), 0);
	port = pair.port;
	ck_assert_int_eq(sock_pair_open(AF_INET, (uint16_t)(port - 1),
			     (uint16_t)(port + 2), &second),
	    -EADDRINUSE);
	sock_pair_close(&second);
	/* Too narrow for a pair; the wrong way round; no such family. */
	ck_assert_int_eq(
	    sock_pair_open(AF_INET, port, port, &second), -EADDRINUSE);
	ck_assert_int_eq(sock_pair_open(AF_INET, 2, 1, &second), -EINVAL);
	ck_assert_int_eq(sock_pair_open(AF_UNIX, 0, 0, &second), -EINVAL);
	sock_pair_close(&pair);
}
END_TEST

START_TEST(both_families_may_have_the_same_ports)
{
	struct sock_pair pair4, pair6;
	int error = -EADDRINUSE;

	if (!has_ipv6())
		return;
	/* Somebody else may have the IPv6 ports: then others. */
	for (unsigned i = 0; i < 20 && error == -EADDRINUSE; i++) {
		ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &pair4), 0);
		error = sock_pair_open(
		    AF_INET6, pair4.port, (uint16_t)(pair4.port + 1), &pair6);
		sock_pair_close(&pair4);
	}
	ck_assert_int_eq(error, 0);
	sock_pair_close(&pair6);
}
END_TEST

/* ---- passing descriptors ---- */

static size_t
open_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

START_TEST(descriptors_arrive_with_their_message)
{
	int ends[2], fds[3], got[SOCK_FDS_MAX], pipe_ends[2];
	size_t count = 99;
	char text[16];

	ck_assert_int_eq(sock_seqpacket_pair(ends), 0);
	expect_own_and_ready(ends[0]);
	expect_own_and_ready(ends[1]);
	ck_assert_int_eq(pipe(pipe_ends), 0);
	fds[0] = pipe_ends[1];
	fds[1] = fds[2] = pipe_ends[0];
	ck_assert_int_eq(sock_send_fds(ends[0], "three", 5, fds, 3), 0);
	ck_assert_int_eq(sock_send_fds(ends[0], "none", 4, NULL, 0), 0);

	ck_assert_int_eq(sock_receive_fds(ends[1], text, sizeof(text), got,
			     ARRAY_LENGTH(got), &count),
	    5);
	ck_assert_mem_eq(text, "three", 5);
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(write(got[0], "x", 1), 1);
	ck_assert_int_eq(read(pipe_ends[0], text, 1), 1);

	ck_assert_int_eq(
	    sock_receive_fds(ends[1], text, sizeof(text), NULL, 0, &count), 4);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(
	    sock_receive_fds(ends[1], text, sizeof(text), NULL, 0, &count),
	    -EAGAIN);
	close(ends[0]);
	ck_assert_int_eq(
	    sock_receive_fds(ends[1], text, sizeof(text), NULL, 0, &count), 0);
	ck_assert_int_eq(sock_send_fds(ends[1], "x", 1, NULL, 0), -EPIPE);
}
END_TEST

START_TEST(the_most_descriptors_fit_one_message)
{
	int ends[2], fds[SOCK_FDS_MAX + 1], got[SOCK_FDS_MAX];
	size_t count = 0;
	char byte;

	ck_assert_uint_ge(sock_raise_file_limit(1024), 1024);
	ck_assert_int_eq(sock_seqpacket_pair(ends), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
		fds[i] = 0;
	ck_assert_int_eq(
	    sock_send_fds(ends[0], "x", 1, fds, SOCK_FDS_MAX + 1), -EINVAL);
	ck_assert_int_eq(sock_send_fds(ends[0], "", 0, fds, 1), -EINVAL);
	ck_assert_int_eq(sock_send_fds(ends[0], "x", 1, fds, SOCK_FDS_MAX), 0);
	ck_assert_int_eq(
	    sock_receive_fds(ends[1], &byte, 1, got, SOCK_FDS_MAX, &count), 1);
	ck_assert_uint_eq(count, SOCK_FDS_MAX);
}
END_TEST

START_TEST(a_full_socket_says_so_and_sends_nothing)
{
	static char bytes[4096];
	unsigned sent = 0, received = 0;
	int ends[2], error;
	size_t count;

	ck_assert_int_eq(sock_seqpacket_pair(ends), 0);
	while ((error = sock_send_fds(
		    ends[0], bytes, sizeof(bytes), NULL, 0)) == 0)
		sent++;
	ck_assert_int_eq(error, -EAGAIN);
	ck_assert_uint_ge(sent, 16);
	while (sock_receive_fds(
		   ends[1], bytes, sizeof(bytes), NULL, 0, &count) > 0)
		received++;
	ck_assert_uint_eq(received, sent);
}
END_TEST

START_TEST(a_message_that_was_cut_leaves_no_descriptor_open)
{
	int ends[2], fds[5] = { 0 }, got[5];
	struct rlimit limit, tight;
	size_t before, count;
	char text[4];

	ck_assert_int_eq(sock_seqpacket_pair(ends), 0);
	before = open_descriptors();

	/* Fewer places than descriptors. */
	ck_assert_int_eq(sock_send_fds(ends[0], "x", 1, fds, 5), 0);
	ck_assert_int_eq(
	    sock_receive_fds(ends[1], text, sizeof(text), got, 4, &count),
	    -EMSGSIZE);
	ck_assert_uint_eq(open_descriptors(), before);

	/* Fewer bytes than the message. */
	ck_assert_int_eq(sock_send_fds(ends[0], "12345", 5, fds, 5), 0);
	ck_assert_int_eq(
	    sock_receive_fds(ends[1], text, sizeof(text), got, 5, &count),
	    -EMSGSIZE);
	ck_assert_uint_eq(open_descriptors(), before);

	/* The process may not have so many: the kernel cuts (MSG_CTRUNC). */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(sock_send_fds(ends[0], "x", 1, fds, 5), 0);
	tight = limit;
	tight.rlim_cur = (rlim_t)MAX_OF(ends[0], ends[1]) + 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	ck_assert_int_eq(
	    sock_receive_fds(ends[1], text, sizeof(text), got, 5, &count),
	    -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* ---- by a name in the file system ---- */

static char local_folder[64];

static void
make_folder(void)
{
	snprintf(local_folder, sizeof(local_folder), "/tmp/check-sock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(local_folder));
}

static void
remove_folder(const char *path)
{
	unlink(path);
	rmdir(local_folder);
}

/* What a child that listens there anew says by its exit status. */
static pid_t
other_owner(int listener)
{
	int done[2];
	char byte = 'd';
	pid_t pid;

	ck_assert_int_eq(pipe(done), 0);
	ck_assert_int_ne(pid = fork(), -1);
	if (pid == 0) {
		if (sock_local_own(listener) != 0)
			_exit(1);
		(void)!write(done[1], &byte, 1);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(done[0], &byte, 1), 1);
	close(done[0]);
	close(done[1]);
	return pid;
}

START_TEST(who_connects_is_told_who_listened_last)
{
	int listener, first, second, accepted;
	struct sock_peer peer;
	struct stat status;
	char path[128];
	pid_t pid;

	make_folder();
	snprintf(path, sizeof(path), "%s/door", local_folder);
	ck_assert_int_eq(sock_local_connect(path), -ENOENT);
	ck_assert_int_ge(listener = sock_local_listen(path), 0);
	expect_own_and_ready(listener);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_eq(status.st_mode, S_IFSOCK | 0600);
	ck_assert_int_ge(first = sock_local_connect(path), 0);
	ck_assert_int_eq(sock_local_peer(first, &peer), 0);
	ck_assert_int_eq(peer.pid, getpid());
	ck_assert_uint_eq(peer.uid, geteuid());

	pid = other_owner(listener);
	ck_assert_int_ge(second = sock_local_connect(path), 0);
	ck_assert_int_eq(sock_local_peer(second, &peer), 0);
	ck_assert_int_eq(peer.pid, pid);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);

	ck_assert_int_ge(accepted = sock_local_accept(listener), 0);
	expect_own_and_ready(accepted);
	ck_assert_int_eq(sock_local_peer(accepted, &peer), 0);
	ck_assert_int_eq(peer.pid, getpid());
	close(listener);
	ck_assert_int_eq(sock_local_connect(path), -ECONNREFUSED);
	/* What stands there is replaced. */
	ck_assert_int_ge(listener = sock_local_listen(path), 0);
	remove_folder(path);
}
END_TEST

START_TEST(a_path_longer_than_an_address_will_do)
{
	char path[256], long_folder[200];
	int listener;

	make_folder();
	snprintf(
	    long_folder, sizeof(long_folder), "%s/%0120d", local_folder, 0);
	ck_assert_int_eq(mkdir(long_folder, 0700), 0);
	snprintf(path, sizeof(path), "%s/door", long_folder);
	ck_assert_int_ge(listener = sock_local_listen(path), 0);
	ck_assert_int_ge(sock_local_connect(path), 0);
	ck_assert_int_ge(sock_local_accept(listener), 0);
	unlink(path);
	rmdir(long_folder);
	remove_folder(path);
}
END_TEST

START_TEST(every_kind_of_socket_is_told_from_the_others)
{
	union sock_address address;
	struct sock_pair pair;
	int ends[2], pipe_ends[2], listener;

	ck_assert_int_eq(sock_address_parse("127.0.0.1:0", &address), 0);
	ck_assert_int_ge(listener = sock_listen(&address, 1), 0);
	ck_assert_int_eq(sock_kind(listener), SOCK_KIND_LISTENER);
	ck_assert_int_eq(
	    sock_kind(socket(AF_INET, SOCK_STREAM, 0)), SOCK_KIND_CONNECTION);
	ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &pair), 0);
	ck_assert_int_eq(sock_kind(pair.rtp), SOCK_KIND_UDP);
	ck_assert_int_eq(sock_seqpacket_pair(ends), 0);
	ck_assert_int_eq(sock_kind(ends[0]), SOCK_KIND_CHANNEL);
	ck_assert_int_eq(
	    sock_kind(socket(AF_UNIX, SOCK_STREAM, 0)), SOCK_KIND_NONE);
	ck_assert_int_eq(
	    sock_kind(socket(AF_UNIX, SOCK_DGRAM, 0)), SOCK_KIND_NONE);
	ck_assert_int_eq(pipe(pipe_ends), 0);
	ck_assert_int_eq(sock_kind(pipe_ends[0]), SOCK_KIND_NONE);
	ck_assert_int_eq(sock_kind(-1), SOCK_KIND_NONE);
}
END_TEST

/* A datagram to that address of loopback. */
static void
datagram_send(const char *to)
{
	union sock_address address;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(sock_address_parse(to, &address), 0);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(
	    sendto(fd, "x", 1, 0, &address.any, sock_address_length(&address)),
	    1);
	close(fd);
}

START_TEST(packets_are_those_to_one_address)
{
	struct in_addr to = { .s_addr = htonl(0x7f4d0009) }, is;
	int fd = sock_packets(if_nametoindex("lo"), ETH_P_IP, &to);
	uint8_t packet[64];

	if (fd == -EPERM)
		return; /* without CAP_NET_RAW */
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	datagram_send("127.77.0.8:9");
	datagram_send("127.77.0.9:9");
	wait_for(fd, POLLIN);
	ck_assert_int_ge(recv(fd, packet, sizeof(packet), 0), 28);
	memcpy(&is, packet + 16, sizeof(is)); /* RFC 791 3.1 */
	ck_assert_uint_eq(is.s_addr, to.s_addr);
	ck_assert_int_eq(recv(fd, packet, sizeof(packet), 0), -1);
	close(fd);
}
END_TEST

START_TEST(the_file_limit_is_raised_as_far_as_allowed)
{
	struct rlimit limit;
	uint64_t hard;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	hard = limit.rlim_max;
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(sock_raise_file_limit(100), 100);
	ck_assert_uint_eq(sock_raise_file_limit(50), 100);
	ck_assert_uint_ge(sock_raise_file_limit(UINT64_C(1) << 40), hard);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_ge(limit.rlim_cur, hard);
}
END_TEST

static TCase *
address_tests(void)
{
	TCase *tests = tcase_create("addresses");

	tcase_add_loop_test(tests, addresses_are_printed_as_they_were_read, 0,
	    (int)ARRAY_LENGTH(round_trips));
	tcase_add_loop_test(tests, what_is_no_numeric_address_is_refused, 0,
	    (int)ARRAY_LENGTH(refused));
	tcase_add_test(tests, a_port_alone_means_all_addresses);
	tcase_add_test(tests, hosts_are_compared_without_their_ports);
	tcase_add_test(tests, hashes_tell_hosts_and_ipv6_networks_apart);
	return tests;
}

static TCase *
tcp_tests(void)
{
	TCase *tests = tcase_create("tcp");

	tcase_add_test(tests, a_second_listener_on_a_port_is_refused);
	tcase_add_test(tests, a_port_is_free_again_when_its_connections_linger);
	tcase_add_test(tests, an_accepted_connection_knows_both_ends);
	tcase_add_test(tests, a_listener_on_all_addresses_takes_both_families);
	tcase_add_test(
	    tests, a_held_listener_lets_in_who_had_come_and_nobody_else);
	tcase_add_test(tests, progress_counts_what_was_taken_and_given);
	tcase_add_test(tests, progress_does_not_count_the_ends_of_a_connection);
	return tests;
}

static TCase *
udp_tests(void)
{
	TCase *tests = tcase_create("udp");

	tcase_add_loop_test(tests, a_pair_is_an_even_port_and_the_one_above, 0,
	    (int)ARRAY_LENGTH(families));
	tcase_add_test(tests, a_range_is_kept_and_used_up);
	tcase_add_test(tests, both_families_may_have_the_same_ports);
	return tests;
}

static TCase *
descriptor_tests(void)
{
	TCase *tests = tcase_create("descriptors");

	tcase_add_test(tests, descriptors_arrive_with_their_message);
	tcase_add_test(tests, the_most_descriptors_fit_one_message);
	tcase_add_test(tests, a_full_socket_says_so_and_sends_nothing);
	tcase_add_test(tests, a_message_that_was_cut_leaves_no_descriptor_open);
	tcase_add_test(tests, who_connects_is_told_who_listened_last);
	tcase_add_test(tests, a_path_longer_than_an_address_will_do);
	tcase_add_test(tests, every_kind_of_socket_is_told_from_the_others);
	tcase_add_test(tests, packets_are_those_to_one_address);
	tcase_add_test(tests, the_file_limit_is_raised_as_far_as_allowed);
	return tests;
}

int
main(void)
{
	Suite *suite = suite_create("sock");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, address_tests());
	suite_add_tcase(suite, tcp_tests());
	suite_add_tcase(suite, udp_tests());
	suite_add_tcase(suite, descriptor_tests());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
