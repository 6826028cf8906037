/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_transport - rules of batches: which packets are segments of one
 * message, what arrives, and what happens to what the kernel refuses.  The
 * sockets are real, on loopback; packets are counted by who receives them.
 */
#include "server/transport.h"

#include <check.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

#define DATAGRAM_MOST 65536

static struct sock_pair pairs[2];
static struct transport *transport;
static struct transport_counts counts;

/* Who receives, as a client does: a pair, and what it was sent. */
struct receiver {
	struct sock_pair pair;
	union sock_address host, source;
};

static struct receiver one, other;
static union sock_address local;

static void
address(const char *text, union sock_address *out)
{
	ck_assert_int_eq(sock_address_parse(text, out), 0);
}

static void
receiver_open(struct receiver *receiver, int family)
{
	static const int size = 4 << 20;

	ck_assert_int_eq(sock_pair_open(family, 0, 0, &receiver->pair), 0);
	/* As an ordinary user as much as there may be. */
	(void)setsockopt(
	    receiver->pair.rtp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(receiver->pair.rtp, SOL_SOCKET, SO_RCVBUFFORCE, &size,
	    sizeof(size));
	address(
	    family == AF_INET6 ? "[::1]:0" : "127.0.0.1:0", &receiver->host);
}

static void
begin(void)
{
	ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &pairs[0]), 0);
	if (sock_pair_open(AF_INET6, 0, 0, &pairs[1]) != 0)
		pairs[1] = (struct sock_pair){ -1, -1, 0, 0 };
	ck_assert_int_eq(transport_new(pairs, true, &transport), 0);
	receiver_open(&one, AF_INET);
	receiver_open(&other, AF_INET);
	address("127.0.0.1:0", &local);
}

static void
end(void)
{
	transport_free(transport);
	sock_pair_close(&one.pair);
	sock_pair_close(&other.pair);
	sock_pair_close(&pairs[0]);
	if (pairs[1].family != 0)
		sock_pair_close(&pairs[1]);
}

/* --- the kernel's queue --------------------------------------------------- */

/* Loopback takes every datagram: what a slow link refuses ends here. */
static size_t room = SIZE_MAX;
static int full = EAGAIN;

int
sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	int sent;

	if (room == 0) {
		errno = full;
		return -1;
	}
	sent = (int)syscall(
	    SYS_sendmmsg, fd, messages, (unsigned)MIN_OF(count, room), flags);
	if (sent > 0)
		room -= (size_t)sent;
	return sent;
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t sent;

	if (room == 0) {
		errno = full;
		return -1;
	}
	sent = syscall(SYS_sendmsg, fd, message, flags);
	if (sent != -1)
		room--;
	return sent;
}

/* How often the kernel was waited for while there was no room. */
static unsigned waits;

int
poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	const struct timespec timeout = { .tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * 1000000L };

	if (room == 0) {
		ck_assert_int_le(timeout_ms, 1);
		waits++;
		return 0;
	}
	return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* --- sending -------------------------------------------------------------- */

/* Packet NUMBER: a head of 16 bytes, a body, and PADDING octets. */
struct made {
	uint8_t head[16], body[DATAGRAM_MOST];
	struct stream_item item;
};

static struct made *made[1024];
static unsigned made_count;

static const struct stream_item *
make(uint32_t body_bytes, uint8_t padding)
{
	struct made *new;

	ck_assert_uint_lt(made_count, ARRAY_LENGTH(made));
	if (made[made_count] == NULL)
		made[made_count] = malloc(sizeof(*new));
	new = made[made_count];
	memset(new->head, (int)(0x10 + made_count % 200), sizeof(new->head));
	memset(new->body, (int)(0x20 + made_count % 200), body_bytes);
	new->item = (struct stream_item){ .head = new->head,
		.head_bytes = sizeof(new->head),
		.body = new->body,
		.body_bytes = body_bytes,
		.padding = padding };
	made_count++;
	return &new->item;
}

static void
add(struct receiver *to, const struct stream_item *item)
{
	const struct transport_path path = {
		.peer = &to->host,
		.local = &local,
		.ports = { to->pair.port, (uint16_t)(to->pair.port + 1) },
		.owner = to,
	};

	ck_assert(transport_has_room(transport, to->host.family, 1));
	transport_add(transport, &path, item);
}

static unsigned failures;

static void
failed(void *owner)
{
	(void)owner;
	failures++;
}

/* Sends all; what the transport counted meanwhile is in COUNTS. */
static void
flush(void)
{
	struct transport_counts before;

	failures = 0;
	transport_read_counts(transport, &before);
	transport_flush(transport, failed);
	transport_read_counts(transport, &counts);
	counts.packets -= before.packets;
	counts.bytes -= before.bytes;
	counts.messages -= before.messages;
	counts.calls -= before.calls;
	counts.errors -= before.errors;
	counts.put_off -= before.put_off;
}

static void
send_one(struct receiver *to, uint32_t body_bytes)
{
	add(to, make(body_bytes, 0));
}

/* --- receiving ------------------------------------------------------------ */

/* Bytes of the next datagram at FD, -1: none came. */
static ssize_t
receive(int fd, uint8_t *data, union sock_address *from)
{
	socklen_t length = sizeof(*from);

	return recvfrom(
	    fd, data, DATAGRAM_MOST, MSG_DONTWAIT, &from->any, &length);
}

/* What arrived is ITEM, byte for byte, with its padding. */
static void
check_arrived(struct receiver *at, const struct stream_item *item)
{
	static uint8_t data[DATAGRAM_MOST];
	int fd = item->rtcp ? at->pair.rtcp : at->pair.rtp;
	ssize_t got = receive(fd, data, &at->source);

	ck_assert_int_eq(got, (ssize_t)stream_item_bytes(item));
	ck_assert_mem_eq(data, item->head, item->head_bytes);
	if (item->body_bytes > 0)
		ck_assert_mem_eq(
		    data + item->head_bytes, item->body, item->body_bytes);
	for (unsigned i = 0; i < item->padding; i++)
		ck_assert_uint_eq(data[item->head_bytes + item->body_bytes + i],
		    i == item->padding - 1U ? item->padding : 0);
}

static void
check_nothing_more(struct receiver *at)
{
	static uint8_t data[DATAGRAM_MOST];

	ck_assert_int_eq(receive(at->pair.rtp, data, &at->source), -1);
	ck_assert_int_eq(receive(at->pair.rtcp, data, &at->source), -1);
}

/* All that was made since FROM, for one receiver, in order. */
static void
check_all_arrived(struct receiver *at, unsigned from)
{
	for (; from < made_count; from++)
		check_arrived(at, &made[from]->item);
	check_nothing_more(at);
}

/* --- what is one message -------------------------------------------------- */

START_TEST(packets_of_equal_size_are_one_message)
{
	for (unsigned i = 0; i < 5; i++)
		send_one(&one, 1000);
	flush();
	ck_assert_uint_eq(counts.messages, 1);
	ck_assert_uint_eq(counts.calls, 1);
	ck_assert_uint_eq(counts.packets, 5);
	ck_assert_uint_eq(counts.bytes, 5 * 1016);
	check_all_arrived(&one, 0);
	ck_assert_uint_eq(sock_address_port(&one.source), pairs[0].port);
}
END_TEST

START_TEST(a_shorter_packet_closes_its_message)
{
	send_one(&one, 1000);
	send_one(&one, 1000);
	send_one(&one, 999);
	send_one(&one, 999); /* equal to the last, but too late */
	send_one(&one, 999);
	flush();
	ck_assert_uint_eq(counts.messages, 2);
	check_all_arrived(&one, 0);
}
END_TEST

START_TEST(a_larger_packet_begins_a_message)
{
	send_one(&one, 500);
	send_one(&one, 501);
	send_one(&one, 502);
	flush();
	ck_assert_uint_eq(counts.messages, 3);
	check_all_arrived(&one, 0);
}
END_TEST

START_TEST(packets_of_others_in_between_begin_a_message)
{
	const struct stream_item *items[4];

	for (unsigned i = 0; i < 4; i++) {
		items[i] = make(1000, 0);
		add(i % 2 == 0 ? &one : &other, items[i]);
	}
	flush();
	ck_assert_uint_eq(counts.messages, 4);
	ck_assert_uint_eq(counts.calls, 1);
	for (unsigned i = 0; i < 4; i++)
		check_arrived(i % 2 == 0 ? &one : &other, items[i]);
	check_nothing_more(&one);
	check_nothing_more(&other);
}
END_TEST

START_TEST(another_port_of_the_same_owner_begins_a_message)
{
	const struct transport_path path = {
		.peer = &one.host,
		.local = &local,
		.ports = { other.pair.port, (uint16_t)(other.pair.port + 1) },
		.owner = &one,
	};
	const struct stream_item *item;

	send_one(&one, 1000);
	item = make(1000, 0);
	transport_add(transport, &path, item);
	flush();
	ck_assert_uint_eq(counts.messages, 2);
	check_arrived(&one, &made[0]->item);
	check_arrived(&other, item);
}
END_TEST

START_TEST(a_message_has_64_segments_at_most)
{
	for (unsigned i = 0; i < 130; i++)
		send_one(&one, 100);
	flush();
	ck_assert_uint_eq(counts.messages, 3);
	ck_assert_uint_eq(counts.packets, 130);
	check_all_arrived(&one, 0);
}
END_TEST

START_TEST(a_message_fits_into_a_datagram)
{
	for (unsigned i = 0; i < 20; i++)
		send_one(&one, 8900); /* 6 of them are 53,496 bytes */
	flush();
	ck_assert_uint_eq(counts.messages, 4);
	ck_assert_uint_eq(failures, 0);
	check_all_arrived(&one, 0);
}
END_TEST

START_TEST(padding_is_sent_and_counts_itself)
{
	static const uint8_t lengths[] = { 0, 1, 2, 128, 254, 255 };

	for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++)
		add(&one, make(1000U - lengths[i], lengths[i]));
	flush();
	/* Equally long thanks to it. */
	ck_assert_uint_eq(counts.messages, 1);
	check_all_arrived(&one, 0);
}
END_TEST

START_TEST(reports_leave_by_the_socket_above)
{
	uint8_t report[40];
	const struct stream_item item = {
		.rtcp = true, .head = report, .head_bytes = sizeof(report)
	};

	memset(report, 7, sizeof(report));
	send_one(&one, 100);
	add(&one, &item);
	send_one(&one, 100);
	flush();
	ck_assert_uint_eq(counts.messages, 2);
	check_arrived(&one, &made[0]->item);
	check_arrived(&one, &made[1]->item);
	ck_assert_uint_eq(sock_address_port(&one.source), pairs[0].port);
	check_arrived(&one, &item);
	ck_assert_uint_eq(sock_address_port(&one.source), pairs[0].port + 1);
	check_nothing_more(&one);
}
END_TEST

START_TEST(a_goodbye_leaves_at_once_outside_of_the_batch)
{
	static uint8_t data[DATAGRAM_MOST];
	const struct transport_path path = { .peer = &one.host,
		.local = &local,
		.ports = { one.pair.port, (uint16_t)(one.pair.port + 1) } };

	send_one(&one, 100);
	ck_assert_int_eq(
	    transport_send_rtcp(transport, &path, "goodbye", 7), 0);
	ck_assert_int_eq(receive(one.pair.rtcp, data, &one.source), 7);
	ck_assert_mem_eq(data, "goodbye", 7);
	ck_assert_uint_eq(sock_address_port(&one.source), pairs[0].port + 1);
	check_nothing_more(&one);
	flush();
	check_all_arrived(&one, 0);
}
END_TEST

START_TEST(without_segmentation_the_same_datagrams_arrive)
{
	transport_free(transport);
	ck_assert_int_eq(transport_new(pairs, false, &transport), 0);
	for (unsigned i = 0; i < 7; i++)
		send_one(&one, i < 5 ? 1000 : 300);
	flush();
	ck_assert_uint_eq(counts.messages, 7);
	ck_assert_uint_eq(counts.calls, 1);
	ck_assert_uint_eq(counts.bytes, 5 * 1016 + 2 * 316);
	check_all_arrived(&one, 0);
}
END_TEST

/* Any sizes: what arrives is what was queued, in order. */
START_TEST(bytes_and_order_are_those_that_were_queued)
{
	unsigned state = 4711 + (unsigned)_i;
	const struct stream_item *items[100];
	bool to_one[100];

	for (unsigned i = 0; i < 100; i++) {
		uint8_t padding;

		state = state * 1103515245 + 12345;
		padding = state >> 24 & 1 ? (uint8_t)(state >> 16) : 0;
		items[i] =
		    make(1 + (state >> 8) % (state & 0x80 ? 1400 : 3), padding);
		to_one[i] = (state >> 28) < 11;
		add(to_one[i] ? &one : &other, items[i]);
	}
	flush();
	ck_assert_uint_eq(counts.packets, 100);
	ck_assert_uint_eq(failures, 0);
	for (unsigned i = 0; i < 100; i++)
		check_arrived(to_one[i] ? &one : &other, items[i]);
	check_nothing_more(&one);
	check_nothing_more(&other);
}
END_TEST

START_TEST(a_batch_ends_where_its_room_does)
{
	unsigned count = 0;

	/* Sizes that never join: one message each. */
	while (transport_has_room(transport, AF_INET, 1)) {
		ck_assert_uint_lt(count, 1000);
		send_one(&one, 100 + count++);
	}
	ck_assert_uint_eq(count, TRANSPORT_MESSAGES);
	flush();
	ck_assert_uint_eq(counts.packets, count);
	ck_assert(transport_has_room(transport, AF_INET, count));
	check_all_arrived(&one, 0);
}
END_TEST

START_TEST(a_batch_ends_where_its_vectors_do)
{
	const struct stream_item *item = make(10, 5);
	unsigned count = 0;

	while (transport_has_room(transport, AF_INET, 1)) {
		ck_assert_uint_lt(count, TRANSPORT_VECTORS);
		add(&one, item);
		count++;
	}
	ck_assert_uint_ge(count, TRANSPORT_VECTORS / 3);
	flush();
	ck_assert_uint_eq(counts.packets, count);
	for (unsigned i = 0; i < count; i++)
		check_arrived(&one, item);
	check_nothing_more(&one);
}
END_TEST

/* --- addresses ------------------------------------------------------------ */

START_TEST(packets_come_from_the_address_that_the_client_connected_to)
{
	char text[SOCK_TEXT_MAX];
	const struct transport_path path = { .peer = &one.host,
		.local = &local,
		.ports = { one.pair.port, (uint16_t)(one.pair.port + 1) } };
	static uint8_t data[DATAGRAM_MOST];

	address("127.0.0.2:0", &local);
	send_one(&one, 1000);
	send_one(&one, 1000);
	flush();
	check_all_arrived(&one, 0);
	ck_assert_str_eq(
	    sock_address_text(&one.source, false, text), "127.0.0.2");
	ck_assert_int_eq(transport_send_rtcp(transport, &path, "bye", 3), 0);
	ck_assert_int_eq(receive(one.pair.rtcp, data, &one.source), 3);
	ck_assert_str_eq(
	    sock_address_text(&one.source, false, text), "127.0.0.2");
}
END_TEST

/* A pair opens without it, but there is no address to send from. */
static bool
has_ipv6(void)
{
	union sock_address host;
	int fd;

	address("[::1]:0", &host);
	fd = sock_listen(&host, 1);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

START_TEST(ipv6_is_served_by_a_pair_of_its_own)
{
	char text[SOCK_TEXT_MAX];
	struct receiver six;

	if (!has_ipv6())
		return;
	receiver_open(&six, AF_INET6);
	address("[::1]:0", &local);
	for (unsigned i = 0; i < 3; i++)
		send_one(&six, 1000);
	flush();
	ck_assert_uint_eq(counts.messages, 1);
	check_all_arrived(&six, 0);
	ck_assert_str_eq(sock_address_text(&six.source, false, text), "::1");
	ck_assert_uint_eq(sock_address_port(&six.source), pairs[1].port);
	sock_pair_close(&six.pair);
}
END_TEST

/* --- what the kernel refuses ---------------------------------------------- */

START_TEST(what_there_is_no_room_for_fails_and_nothing_else)
{
	static const int errors[] = { EAGAIN, ENOBUFS, ENOMEM };
	unsigned from = (unsigned)_i / 3;

	full = errors[_i % 3];
	room = from;
	for (unsigned i = 0; i < 9; i++)
		send_one(&one, 1000 + i); /* a message each */
	flush();
	ck_assert_uint_eq(counts.packets, from);
	ck_assert_uint_eq(counts.errors, 0);
	ck_assert_uint_eq(failures, 9 - from);
	ck_assert_uint_eq(counts.put_off, 9 - from);
	if (from < 9)
		ck_assert_int_eq(counts.put_off_error, full);
	for (unsigned i = 0; i < from; i++)
		check_arrived(&one, &made[i]->item);
	check_nothing_more(&one);
	/* The batch is empty again: those who failed queue anew. */
	room = SIZE_MAX;
	flush();
	ck_assert_uint_eq(counts.calls, 0);
	for (unsigned i = from; i < 9; i++)
		add(&one, &made[i]->item);
	flush();
	ck_assert_uint_eq(counts.packets, 9 - from);
	for (unsigned i = from; i < 9; i++)
		check_arrived(&one, &made[i]->item);
}
END_TEST

/* With many batches in a turn, each of which finds it full. */
START_TEST(a_full_socket_is_waited_for_once_in_a_turn)
{
	for (unsigned turn = 1; turn <= 3; turn++) {
		transport_begin_turn(transport);
		room = 0;
		for (unsigned i = 0; i < 20; i++) {
			send_one(&one, 1000);
			flush();
			ck_assert_uint_eq(failures, 1);
		}
		ck_assert_uint_ge(waits, turn);
		ck_assert_uint_le(waits, 2 * turn);
	}
}
END_TEST

/* A socket without checksums refuses segments: EINVAL, or EIO. */
static void
forbid_segments(int fd)
{
	static const int on = 1;

	ck_assert_int_eq(
	    setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
}

START_TEST(refused_segments_are_sent_one_by_one_from_then_on)
{
	forbid_segments(pairs[0].rtp);
	for (unsigned i = 0; i < 6; i++)
		send_one(i < 3 ? &one : &other, 1000);
	flush();
	ck_assert_uint_eq(counts.packets, 6);
	ck_assert_uint_eq(counts.errors, 0);
	ck_assert_uint_eq(failures, 0);
	for (unsigned i = 0; i < 6; i++)
		check_arrived(i < 3 ? &one : &other, &made[i]->item);
	check_nothing_more(&one);
	check_nothing_more(&other);
	/* It isn't tried again. */
	for (unsigned i = 0; i < 3; i++)
		send_one(&one, 1000);
	flush();
	ck_assert_uint_eq(counts.messages, 3);
	ck_assert_uint_eq(counts.calls, 1);
	check_all_arrived(&one, 6);
}
END_TEST

START_TEST(what_there_is_no_room_for_fails_while_falling_back_too)
{
	forbid_segments(pairs[0].rtp);
	room = 4; /* one and a third message of three */
	for (unsigned i = 0; i < 9; i++)
		send_one(i / 3 % 2 == 0 ? &one : &other, 1000);
	flush();
	ck_assert_uint_eq(counts.errors, 0);
	ck_assert_uint_eq(counts.packets, 3);
	ck_assert_uint_eq(failures, 2);
	for (unsigned i = 0; i < 3; i++)
		check_arrived(&one, &made[i]->item);
	check_nothing_more(&one);
}
END_TEST

START_TEST(a_packet_that_no_network_takes_is_skipped_and_counted)
{
	send_one(&one, 1000);
	send_one(&one, 65520); /* with its head longer than IP allows */
	send_one(&one, 900);
	flush();
	ck_assert_uint_eq(counts.errors, 1);
	ck_assert_uint_eq(counts.packets, 2);
	ck_assert_uint_eq(failures, 0);
	check_arrived(&one, &made[0]->item);
	check_arrived(&one, &made[2]->item);
	check_nothing_more(&one);
}
END_TEST

/* The answer to an earlier datagram says nothing about the next. */
START_TEST(a_refused_connection_of_the_past_is_tried_once_more)
{
	union sock_address closed;
	struct sock_pair gone;
	struct pollfd pending = { .fd = pairs[0].rtp, .events = POLLIN };

	ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &gone), 0);
	address("127.0.0.1:0", &closed);
	sock_address_set_port(&closed, gone.port);
	sock_pair_close(&gone);
	ck_assert_int_eq(
	    connect(pairs[0].rtp, &closed.any, sock_address_length(&closed)),
	    0);
	ck_assert_int_eq(send(pairs[0].rtp, "x", 1, 0), 1);
	ck_assert_int_eq(poll(&pending, 1, 5000), 1);
	ck_assert_int_ne(pending.revents & POLLERR, 0);
	send_one(&one, 1000);
	send_one(&one, 1000);
	flush();
	ck_assert_uint_eq(counts.calls, 2);
	ck_assert_uint_eq(counts.errors, 0);
	ck_assert_uint_eq(failures, 0);
	check_all_arrived(&one, 0);
}
END_TEST

/* --- frames --------------------------------------------------------------- */

START_TEST(frames_are_the_items_without_what_is_skipped)
{
	struct stream_item items[5];
	static uint8_t whole[2048], got[2048];
	struct iovec vectors[16];
	size_t size = 0;

	for (unsigned i = 0; i < 5; i++) {
		items[i] = *make(i == 2 ? 0 : 30 + i, 0);
		memcpy(whole + size, items[i].head, items[i].head_bytes);
		size += items[i].head_bytes;
		memcpy(whole + size, items[i].body, items[i].body_bytes);
		size += items[i].body_bytes;
	}
	for (size_t skip = 0; skip <= size; skip++) {
		size_t count = transport_frames(
		    items, 5, skip, vectors, ARRAY_LENGTH(vectors));
		size_t at = 0;

		for (size_t i = 0; i < count; i++) {
			ck_assert_uint_gt(vectors[i].iov_len, 0);
			memcpy(
			    got + at, vectors[i].iov_base, vectors[i].iov_len);
			at += vectors[i].iov_len;
		}
		ck_assert_uint_eq(at, size - skip);
		ck_assert_mem_eq(got, whole + skip, at);
	}
}
END_TEST

START_TEST(frames_end_where_the_vectors_do)
{
	struct stream_item items[3];
	struct iovec vectors[6];

	for (unsigned i = 0; i < 3; i++)
		items[i] = *make(30, 0);
	for (size_t limit = 0; limit <= 6; limit++)
		ck_assert_uint_eq(
		    transport_frames(items, 3, 0, vectors, limit), limit);
	ck_assert_uint_eq(transport_frames(items, 0, 0, vectors, 6), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("transport");
	TCase *messages = tcase_create("messages");
	TCase *addresses = tcase_create("addresses");
	TCase *refused = tcase_create("refused");
	TCase *frames = tcase_create("frames");
	TCase *cases[] = { messages, addresses, refused, frames };
	SRunner *runner;
	int failed_count;

	tcase_add_test(messages, packets_of_equal_size_are_one_message);
	tcase_add_test(messages, a_shorter_packet_closes_its_message);
	tcase_add_test(messages, a_larger_packet_begins_a_message);
	tcase_add_test(messages, packets_of_others_in_between_begin_a_message);
	tcase_add_test(
	    messages, another_port_of_the_same_owner_begins_a_message);
	tcase_add_test(messages, a_message_has_64_segments_at_most);
	tcase_add_test(messages, a_message_fits_into_a_datagram);
	tcase_add_test(messages, padding_is_sent_and_counts_itself);
	tcase_add_test(messages, reports_leave_by_the_socket_above);
	tcase_add_test(messages, a_goodbye_leaves_at_once_outside_of_the_batch);
	tcase_add_test(
	    messages, without_segmentation_the_same_datagrams_arrive);
	tcase_add_loop_test(
	    messages, bytes_and_order_are_those_that_were_queued, 0, 20);
	tcase_add_test(messages, a_batch_ends_where_its_room_does);
	tcase_add_test(messages, a_batch_ends_where_its_vectors_do);
	tcase_add_test(addresses,
	    packets_come_from_the_address_that_the_client_connected_to);
	tcase_add_test(addresses, ipv6_is_served_by_a_pair_of_its_own);
	tcase_add_loop_test(
	    refused, what_there_is_no_room_for_fails_and_nothing_else, 0, 30);
	tcase_add_test(refused, a_full_socket_is_waited_for_once_in_a_turn);
	tcase_add_test(
	    refused, refused_segments_are_sent_one_by_one_from_then_on);
	tcase_add_test(
	    refused, what_there_is_no_room_for_fails_while_falling_back_too);
	tcase_add_test(
	    refused, a_packet_that_no_network_takes_is_skipped_and_counted);
	tcase_add_test(
	    refused, a_refused_connection_of_the_past_is_tried_once_more);
	tcase_add_test(frames, frames_are_the_items_without_what_is_skipped);
	tcase_add_test(frames, frames_end_where_the_vectors_do);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		tcase_add_checked_fixture(cases[i], begin, end);
		suite_add_tcase(suite, cases[i]);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed_count = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
