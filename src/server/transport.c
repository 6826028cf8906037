/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transport: datagrams in batches, and what to do when the kernel refuses
 * one.  It doesn't know what is in them or when they are due.
 */
#include "server/transport.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* What one message may hold; below 65,507 with room for IP options. */
#define MESSAGE_BYTES_MAX 61440
/* How long full sockets are waited for, all told, in one turn. */
#define ROOM_WAIT_MS 2

struct message {
	void *owner;
	size_t bytes;
	uint16_t segment_bytes; /* 0: nothing in it yet */
	uint16_t segments;
	bool closed; /* its last segment is shorter: nothing may follow */
	uint16_t port;
	union sock_address to;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
			   CMSG_SPACE(sizeof(uint16_t))];
	} control;
};

/* One socket's messages: RTP or RTCP of one family. */
struct queue {
	int fd;
	size_t count, vector_count;
	struct mmsghdr headers[TRANSPORT_MESSAGES];
	struct message messages[TRANSPORT_MESSAGES];
	struct iovec vectors[TRANSPORT_VECTORS];
};

enum { QUEUE_RTP, QUEUE_RTCP, QUEUE_KINDS };

struct transport {
	bool segmentation;
	int patience_ms; /* left in this turn */
	struct transport_counts counts;
	uint8_t padding[RTP_PADDING_MAX + 1][RTP_PADDING_MAX + 1];
	struct queue *queues[2][QUEUE_KINDS]; /* by family: IPv4, IPv6 */
};

static size_t
family_index(int family)
{
	return family == AF_INET6;
}

int
transport_new(const struct sock_pair pairs[static 2], bool segmentation,
    struct transport **out)
{
	struct transport *transport;
	size_t family, kind;

	if ((transport = calloc(1, sizeof(*transport))) == NULL)
		return -ENOMEM;
	transport->segmentation = segmentation;
	transport->patience_ms = ROOM_WAIT_MS;
	/* RFC 3550 5.1: the last padding octet counts them all. */
	for (size_t n = 1; n <= RTP_PADDING_MAX; n++)
		transport->padding[n][n - 1] = (uint8_t)n;
	for (family = 0; family < 2; family++) {
		if (pairs[family].family == 0)
			continue;
		for (kind = 0; kind < QUEUE_KINDS; kind++) {
			struct queue *queue = calloc(1, sizeof(*queue));

			if (queue == NULL) {
				transport_free(transport);
				return -ENOMEM;
			}
			queue->fd = kind == QUEUE_RTP ? pairs[family].rtp
						      : pairs[family].rtcp;
			transport->queues[family][kind] = queue;
		}
	}
	*out = transport;
	return 0;
}

void
transport_free(struct transport *transport)
{
	if (transport == NULL)
		return;
	for (size_t family = 0; family < 2; family++)
		for (size_t kind = 0; kind < QUEUE_KINDS; kind++)
			free(transport->queues[family][kind]);
	free(transport);
}

void
transport_begin_turn(struct transport *transport)
{
	transport->patience_ms = ROOM_WAIT_MS;
}

void
transport_read_counts(
    const struct transport *transport, struct transport_counts *out)
{
	*out = transport->counts;
}

/* The address that the client connected to: behind direct routing the VIP. */
static size_t
put_source(struct msghdr *header, const union sock_address *local)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);

	if (local->family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_addr = local->in6.sin6_addr };

		control->cmsg_level = IPPROTO_IPV6;
		control->cmsg_type = IPV6_PKTINFO;
		control->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(control), &info, sizeof(info));
		return CMSG_SPACE(sizeof(info));
	}
	struct in_pktinfo info = { .ipi_spec_dst = local->in4.sin_addr };

	control->cmsg_level = IPPROTO_IP;
	control->cmsg_type = IP_PKTINFO;
	control->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(control), &info, sizeof(info));
	return CMSG_SPACE(sizeof(info));
}

static void
put_segment_size(struct msghdr *header, size_t at, uint16_t bytes)
{
	struct cmsghdr *control =
	    (struct cmsghdr *)(void *)((char *)header->msg_control + at);

	control->cmsg_level = SOL_UDP;
	control->cmsg_type = UDP_SEGMENT;
	control->cmsg_len = CMSG_LEN(sizeof(bytes));
	memcpy(CMSG_DATA(control), &bytes, sizeof(bytes));
}

static void
address_message(struct msghdr *header, struct message *message,
    const union sock_address *peer, const union sock_address *local,
    uint16_t port)
{
	message->to = *peer;
	message->port = port;
	sock_address_set_port(&message->to, port);
	memset(header, 0, sizeof(*header));
	header->msg_name = &message->to;
	header->msg_namelen = sock_address_length(&message->to);
	header->msg_control = message->control.bytes;
	header->msg_controllen = sizeof(message->control.bytes);
	header->msg_controllen = put_source(header, local);
}

static struct message *
message_new(
    struct queue *queue, const struct transport_path *path, uint16_t port)
{
	struct msghdr *header = &queue->headers[queue->count].msg_hdr;
	struct message *message = &queue->messages[queue->count];

	address_message(header, message, path->peer, path->local, port);
	header->msg_iov = &queue->vectors[queue->vector_count];
	message->owner = path->owner;
	message->bytes = 0;
	message->segment_bytes = 0;
	message->segments = 0;
	message->closed = false;
	queue->count++;
	return message;
}

/* May ITEM of BYTES be the next segment of the last message? */
static bool
fits(const struct transport *transport, const struct queue *queue,
    const struct transport_path *path, uint16_t port, size_t bytes)
{
	const struct message *last;

	if (queue->count == 0 || !transport->segmentation)
		return false;
	last = &queue->messages[queue->count - 1];
	return last->owner == path->owner && last->port == port &&
	       !last->closed && last->segments < TRANSPORT_SEGMENTS &&
	       bytes <= last->segment_bytes &&
	       last->bytes + bytes <= MESSAGE_BYTES_MAX;
}

static void
put_vector(struct queue *queue, const void *data, size_t size)
{
	struct msghdr *header = &queue->headers[queue->count - 1].msg_hdr;

	queue->vectors[queue->vector_count++] =
	    (struct iovec){ (void *)(uintptr_t)data, size };
	header->msg_iovlen++;
}

bool
transport_has_room(const struct transport *transport, int family, size_t items)
{
	struct queue *const *queues = transport->queues[family_index(family)];

	for (size_t kind = 0; kind < QUEUE_KINDS; kind++)
		if (TRANSPORT_MESSAGES - queues[kind]->count < items ||
		    TRANSPORT_VECTORS - queues[kind]->vector_count < 3 * items)
			return false;
	return true;
}

void
transport_add(struct transport *transport, const struct transport_path *path,
    const struct stream_item *item)
{
	struct queue *queue = transport->queues[family_index(
	    path->peer->family)][item->rtcp ? QUEUE_RTCP : QUEUE_RTP];
	uint16_t port = item->rtcp ? path->ports.rtcp : path->ports.rtp;
	size_t bytes = stream_item_bytes(item);
	struct message *message;

	if (fits(transport, queue, path, port, bytes)) {
		message = &queue->messages[queue->count - 1];
	} else {
		assert(queue->count < TRANSPORT_MESSAGES);
		message = message_new(queue, path, port);
		message->segment_bytes = (uint16_t)bytes;
	}
	if (item->head + item->head_bytes == item->body) {
		put_vector(
		    queue, item->head, item->head_bytes + item->body_bytes);
	} else {
		put_vector(queue, item->head, item->head_bytes);
		if (item->body_bytes != 0)
			put_vector(queue, item->body, item->body_bytes);
	}
	if (item->padding != 0)
		put_vector(
		    queue, transport->padding[item->padding], item->padding);
	message->segments++;
	message->bytes += bytes;
	message->closed = bytes < message->segment_bytes;
}

static void
finish_messages(struct queue *queue)
{
	for (size_t i = 0; i < queue->count; i++) {
		struct msghdr *header = &queue->headers[i].msg_hdr;
		const struct message *message = &queue->messages[i];

		if (message->segments < 2)
			continue;
		put_segment_size(
		    header, header->msg_controllen, message->segment_bytes);
		header->msg_controllen += CMSG_SPACE(sizeof(uint16_t));
	}
}

/* The vectors of one segment of a message: the next BYTES bytes of it. */
static size_t
take_segment(const struct iovec *vectors, size_t left, size_t bytes)
{
	size_t count = 0;

	for (; count < left && bytes > 0; count++)
		bytes -= MIN_OF(bytes, vectors[count].iov_len);
	return count;
}

/* A message that was refused with GSO, as one datagram per segment. */
static int
send_plain(const struct queue *queue, size_t i)
{
	const struct message *message = &queue->messages[i];
	struct msghdr header = queue->headers[i].msg_hdr;
	struct iovec *vectors = header.msg_iov;
	size_t left = header.msg_iovlen;

	header.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
	while (left > 0) {
		header.msg_iov = vectors;
		header.msg_iovlen =
		    take_segment(vectors, left, message->segment_bytes);
		if (sendmsg(queue->fd, &header, MSG_DONTWAIT) == -1)
			return -errno;
		vectors += header.msg_iovlen;
		left -= header.msg_iovlen;
	}
	return 0;
}

static bool
wait_for_room(struct transport *transport, int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	if (transport->patience_ms == 0)
		return false;
	transport->patience_ms--;
	return poll(&room, 1, 1) == 1;
}

static void
put_off(struct transport *transport, const struct queue *queue, size_t i,
    int error, void (*failed)(void *owner))
{
	transport->counts.put_off++;
	transport->counts.put_off_error = error;
	failed(queue->messages[i].owner);
}

enum verdict { RETRY_LATER, TRY_AGAIN, WITHOUT_GSO, SKIP };

static enum verdict
judge(int error, bool segmented, bool tried)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return RETRY_LATER;
	case EINTR:
		return TRY_AGAIN;
	case ECONNREFUSED:
	case EHOSTUNREACH: /* an answer to an earlier datagram */
		return tried ? SKIP : TRY_AGAIN;
	case EIO:
	case EMSGSIZE:
	case EINVAL:
		return segmented ? WITHOUT_GSO : SKIP;
	default:
		return SKIP;
	}
}

static void
count_sent(struct transport *transport, const struct queue *queue, size_t from,
    size_t to)
{
	for (size_t i = from; i < to; i++) {
		transport->counts.packets += queue->messages[i].segments;
		transport->counts.bytes += queue->messages[i].bytes;
	}
	transport->counts.messages += to - from;
}

/* Message I was refused.  The first message not dealt with yet. */
static size_t
handle_refusal(struct transport *transport, struct queue *queue, size_t i,
    enum verdict verdict, void (*failed)(void *owner))
{
	int error;

	if (verdict == TRY_AGAIN)
		return i;
	if (verdict == WITHOUT_GSO) {
		transport->segmentation = false;
		error = send_plain(queue, i);
		if (error == 0)
			count_sent(transport, queue, i, i + 1);
		else if (judge(-error, false, true) == RETRY_LATER)
			put_off(transport, queue, i, -error, failed);
		else
			transport->counts.errors++;
		return i + 1;
	}
	transport->counts.errors++;
	return i + 1;
}

static void
flush_queue(struct transport *transport, struct queue *queue,
    void (*failed)(void *owner))
{
	size_t done = 0, tried = SIZE_MAX;
	int error = 0;

	finish_messages(queue);
	while (done < queue->count) {
		enum verdict verdict;
		int sent = sendmmsg(queue->fd, &queue->headers[done],
		    (unsigned)(queue->count - done), MSG_DONTWAIT);

		transport->counts.calls++;
		if (sent > 0) {
			count_sent(transport, queue, done, done + (size_t)sent);
			done += (size_t)sent;
			continue;
		}
		error = errno;
		verdict = judge(
		    error, queue->messages[done].segments > 1, tried == done);
		if (verdict == RETRY_LATER) {
			if (wait_for_room(transport, queue->fd))
				continue;
			break;
		}
		tried = done;
		done = handle_refusal(transport, queue, done, verdict, failed);
	}
	for (; done < queue->count; done++)
		put_off(transport, queue, done, error, failed);
	queue->count = 0;
	queue->vector_count = 0;
}

void
transport_flush(struct transport *transport, void (*failed)(void *owner))
{
	for (size_t family = 0; family < 2; family++) {
		for (size_t kind = 0; kind < QUEUE_KINDS; kind++) {
			struct queue *queue = transport->queues[family][kind];

			if (queue != NULL && queue->count > 0)
				flush_queue(transport, queue, failed);
		}
	}
}

int
transport_send_rtcp(struct transport *transport,
    const struct transport_path *path, const void *data, size_t size)
{
	const struct queue *queue =
	    transport->queues[family_index(path->peer->family)][QUEUE_RTCP];
	struct iovec vector = { (void *)(uintptr_t)data, size };
	struct message message;
	struct msghdr header;

	address_message(
	    &header, &message, path->peer, path->local, path->ports.rtcp);
	header.msg_iov = &vector;
	header.msg_iovlen = 1;
	return sendmsg(queue->fd, &header, MSG_DONTWAIT) == -1 ? -errno : 0;
}

size_t
transport_frames(const struct stream_item *items, size_t count, size_t skip,
    struct iovec *vectors, size_t vector_limit)
{
	size_t filled = 0;

	for (size_t i = 0; i < count; i++) {
		const struct iovec parts[2] = {
			{ (void *)(uintptr_t)items[i].head,
			    items[i].head_bytes },
			{ (void *)(uintptr_t)items[i].body,
			    items[i].body_bytes },
		};

		for (size_t part = 0; part < 2; part++) {
			size_t cut = MIN_OF(skip, parts[part].iov_len);

			skip -= cut;
			if (cut == parts[part].iov_len)
				continue;
			if (filled == vector_limit)
				return filled;
			vectors[filled++] = (struct iovec){
				(char *)parts[part].iov_base + cut,
				parts[part].iov_len - cut,
			};
		}
	}
	return filled;
}
