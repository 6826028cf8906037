/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connection_parts - what the files of connection share; nobody else's.
 */
#ifndef SERVER_CONNECTION_PARTS_H
#define SERVER_CONNECTION_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/session.h"
#include "wire/rtsp.h"

struct play_seek;

enum connection_phase {
	CONNECTION_ADOPTED, /* its titles may not be open yet */
	CONNECTION_OPEN,
	CONNECTION_LAST_REPLY, /* close when the outbox is empty */
	CONNECTION_LINGERING, /* write side shut, input is thrown away */
};

struct connection {
	struct lane *lane;
	uint32_t record;
	struct table_connection view; /* as published */
	int fd;
	enum connection_phase phase;
	struct loop_watch watch;
	struct loop_timer timer;
	struct transport_link link;
	uint64_t consumed; /* input taken from the socket */
	uint32_t outbox_sent; /* of view.outbox_bytes */
	bool waiting; /* the request waits for the disk */
	bool partial; /* the request is not all there */
	bool input_ended; /* the client has shut its side */
	bool stored; /* the master has a duplicate */
	bool stalled; /* in the lane's list: waits for the sender */
	struct connection *stalled_next;
	struct waiter waiter;
	struct play_seek *seek;
	uint64_t last_request_us, request_begun_us, linger_us;
	uint64_t waiting_since_us;
	struct session *sessions[TABLE_SESSIONS_PER_CONNECTION];
	unsigned session_count;
};

/* --- connection.c --------------------------------------------------------- */
/* Phase and bytes are the caller's. */
struct connection *connection_new(struct lane *lane, uint32_t record, int fd);
/* Into the loop, and the lane's list. */
int connection_watch(struct connection *connection);
/* The view's list of sessions, made anew, and at a boundary where it is. */
void connection_write_view(struct connection *connection);
void connection_publish(struct connection *connection);
/* The connection together with CHANGE of one of its sessions. */
void connection_publish_with(
    struct connection *connection, struct table_change change);
void connection_remove_session(
    struct connection *connection, const struct session *session);
/* Its record; all else is forgotten.  Its socket was closed, or is another's.
 */
void connection_release(struct connection *connection);
/* Forgets it; its record stays. */
void connection_forget(struct connection *connection);
void connection_begin_lingering(struct connection *connection);

/* --- connection_out.c ----------------------------------------------------- */
void connection_announce_writer(struct transport_link *link, uint32_t session);
void connection_wake_sessions(struct connection *connection);
/* SIZE bytes of REPLY into the outbox; not yet published. */
void connection_fill_outbox(
    struct connection *connection, const uint8_t *reply, size_t size);
/* False: there is more to write, or the connection is gone (*GONE). */
bool connection_write_outbox(struct connection *connection, bool *gone);

/* --- connection_in.c ------------------------------------------------------ */
/* Whatever can be done now; the connection may be gone behind it. */
void connection_process(struct connection *connection);
void connection_ready(void *context, uint32_t events);
/* Its waiter waits: it is processed when that is called. */
void connection_wait_for(struct connection *connection);
void connection_wait_over(struct waiter *waiter);
/* It is processed in the next tick. */
void connection_retry_later(struct connection *connection);
void connection_refuse_request(struct connection *connection,
    const struct rtsp_message *request, unsigned status);
struct session *connection_session_of_channel(
    const struct connection *connection, unsigned channel);

/* --- connection_join.c ---------------------------------------------------- */
/*
 * The request names SESSION of another connection of this lane: it lives on
 * this one from now on.  True: go on; false: wait.
 */
bool connection_join(struct connection *connection,
    const struct rtsp_message *request, struct session *session);
/*
 * The request names a session of lane TO: the connection goes there, unless it
 * carries sessions of its own.  True: it was refused; false: it is gone, or the
 * master has to be waited for.
 */
bool connection_hand_over(struct connection *connection,
    const struct rtsp_message *request, uint32_t to);

/* --- connection_adopt.c --------------------------------------------------- */
/* False: a title is being opened, or the connection is gone (*GONE). */
bool connection_finish_adoption(struct connection *connection, bool *gone);

#endif
