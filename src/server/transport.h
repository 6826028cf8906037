/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transport - where packets go: UDP in batches of many sessions, or frames
 * interleaved on a connection.
 *
 * UDP goes out through the lane's one unconnected pair per family: one
 * sendmmsg carries the messages of many sessions, and neighbouring packets of
 * one session that are equally long are one message with UDP_SEGMENT (GSO).
 */
#ifndef SERVER_TRANSPORT_H
#define SERVER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/sock.h"
#include "server/stream.h"

/* Messages of one sendmmsg, segments of one message. */
#define TRANSPORT_MESSAGES 128
#define TRANSPORT_SEGMENTS 64
#define TRANSPORT_VECTORS (TRANSPORT_MESSAGES * 24)

struct transport; /* opaque: queues, owned by the worker */

/*
 * The interleaved side of a connection: what its sessions need to write frames.
 * Owned by the connection.  `written` counts every byte the socket took since
 * the connection was made; a session's record says where its next frame begins,
 * so half a frame is a difference, never a buffer.
 */
struct transport_link {
	int fd;
	uint64_t written;
	uint64_t
	    progress_us; /* when the socket last took something, or was empty */
	bool full; /* it takes no more until EPOLLOUT */
	bool outbox; /* a reply is being written: no media before its end */
	void *writer; /* whose frame is half written; NULL: at a boundary */
	/* The session record whose frames the table says follow the boundary,
	 * and what says it: at a boundary, before the first of them. */
	uint32_t announced;
	void (*announce)(struct transport_link *link, uint32_t session);
};

struct transport_counts { /* since transport_new() */
	uint64_t packets, bytes, messages, calls, errors;
	uint64_t put_off; /* messages that the kernel had no room for ... */
	int put_off_error; /* ... the last time because of this: EAGAIN, ... */
};

/* PAIRS (IPv4, IPv6) are borrowed.  SEGMENTATION false: never GSO.  0 or
 * -ENOMEM. */
int transport_new(const struct sock_pair pairs[static 2], bool segmentation,
    struct transport **out);
void transport_free(struct transport *transport); /* accepts NULL */

struct transport_path {
	const union sock_address
	    *peer; /* the host; its port is not looked at */
	const union sock_address *local; /* the source address */
	struct table_destination ports;
	void *owner;
};

/* Room for so many items to FAMILY, whatever they are? */
bool transport_has_room(
    const struct transport *transport, int family, size_t items);
/*
 * Queue one item; head, body and the addresses are borrowed until the flush.
 * The caller asked transport_has_room() before.
 */
void transport_add(struct transport *transport,
    const struct transport_path *path, const struct stream_item *item);

/* A full socket may be waited for again: 2 ms, all told, until the next. */
void transport_begin_turn(struct transport *transport);
/*
 * Send what is queued.  What the kernel has no room for is not sent: FAILED is
 * called for its owner, who sends it again later.  What it refuses for good is
 * counted and skipped.
 */
void transport_flush(struct transport *transport, void (*failed)(void *owner));

/* One datagram from the RTCP socket at once, outside of any batch (BYE).  0 or
 * -errno. */
int transport_send_rtcp(struct transport *transport,
    const struct transport_path *path, const void *data, size_t size);

void transport_read_counts(
    const struct transport *transport, struct transport_counts *out);

/*
 * Frames for a connection: ITEMS without their first SKIP bytes, as vectors.
 * How many of VECTORS were filled; stops when they are full.
 */
size_t transport_frames(const struct stream_item *items, size_t count,
    size_t skip, struct iovec *vectors, size_t vector_limit);

#endif
