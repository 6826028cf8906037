/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connection - one RTSP connection: bytes in, replies and interleaved frames
 * out, and the sessions that live on it.
 *
 * A request is peeked, answered, published, replied to, and only then taken
 * from the socket; a reply stands in the connection's outbox in the table
 * before its first byte is written (architecture, section 3).  So whoever
 * adopts the connection finds each request either done or still in the socket.
 */
#ifndef SERVER_CONNECTION_H
#define SERVER_CONNECTION_H

#include "server/session.h"

struct connection; /* opaque */

/*
 * Takes FD, an accepted socket; PEER and LOCAL are its ends.  Unless it fails:
 * -EUSERS: max_connections; -ENOSPC, -ENOMEM.
 */
int connection_open(struct lane *lane, int fd, const union sock_address *peer,
    const union sock_address *local);
/*
 * The same for a connection that another lane handed over: what it has not
 * answered is still in the socket.  FD is shut down and closed when it fails.
 */
int connection_take(struct lane *lane, int fd);
/*
 * What a predecessor left in RECORD goes on, with its sessions: FD, whose
 * socket has COOKIE, is taken.  connection_go_on() follows, when all are
 * adopted. -ENOENT: the record holds no such connection; -EPROTO: its bytes and
 * the records do not agree; FD is shut down and closed in any case of failure.
 */
int connection_adopt(
    struct lane *lane, uint32_t record, uint64_t cookie, int fd);
/* Media is due, requests are read: at once, or when the titles are open. */
void connection_go_on(struct connection *connection);
/* Forget it and its sessions; what stands in the table and with the master is
 * for who adopts it. */
void connection_leave(struct connection *connection);
/* Ends its sessions with CAUSE, frees it.  A reply that is being written is
 * lost. */
void connection_close(struct connection *connection, enum session_cause cause);

/* The connection of SESSION. */
struct connection *connection_of(const struct session *session);
/* Ends one session; the whole connection when half a frame of it went out. */
void connection_end_session(struct session *session, enum session_cause cause);
/* End of stream: BYE, by UDP or between frames. */
void connection_say_bye(struct session *session);

/*
 * The master has a duplicate, or cannot be told.  False: he is behind, and the
 * connection asks again.
 */
bool connection_store(struct connection *connection);
/* The master that had one is gone. */
void connection_lose_master(struct connection *connection);
/* Behind the sender: connections that waited for the end of a frame. */
void connection_resume_stalled(struct lane *lane);
/* Once a second: time limits of the connection and its sessions. */
void connection_sweep(struct connection *connection, uint64_t now_us);

#endif
