/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdstore - the descriptors the master keeps so that a session outlives its
 * worker, and the messages on the channel between master and worker.
 *
 * The channel is a SOCK_SEQPACKET pair; each message is one struct
 * fdstore_message, with one descriptor where said.  The master reads a dead
 * worker's channel to its end before a successor is given anything.
 */
#ifndef SERVER_FDSTORE_H
#define SERVER_FDSTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sock.h"

enum fdstore_kind {
	/* worker -> master */
	FDSTORE_PUT = 1, /* with a duplicate of the connection's descriptor */
	FDSTORE_DROP, /* that connection has ended */
	FDSTORE_MOVE, /* that connection is for `lane`: TAKE goes there */
	FDSTORE_PREPARED, /* I can serve; nothing is adopted yet */
	FDSTORE_READY, /* I serve */
	FDSTORE_TRACE, /* where I hang: address `cookie`, callers in order of
			  `connection` (trace.h) */
	/*
	 * master -> worker.  The lane's records are the predecessor's until
	 * GIVEN, so a relief is born, says PREPARED and waits while the
	 * predecessor still serves.  It is given what there is before that one
	 * is told to leave, so that it can go on should the master die between
	 * the two; the rest follows.
	 */
	FDSTORE_GIVE, /* with the descriptor: a connection of your lane */
	FDSTORE_GIVEN, /* that was all: adopt.  `connection`: was it the
			  predecessor's fault that he died? */
	FDSTORE_TAKE, /* with the descriptor: a connection that another lane
			 moved; PUT it */
	FDSTORE_STOP, /* say goodbye to clients and exit 0 */
	FDSTORE_RETIRE, /* publish and exit 0, a successor adopts */
	FDSTORE_CLOSE, /* accept no more, exit 0 behind the last connection */
	FDSTORE_DRAIN, /* no new sessions */
	FDSTORE_UNDRAIN, /* new sessions again */
	FDSTORE_LOG, /* log at the level in `connection`; with a descriptor:
			the log file was opened anew, write there */
};
struct fdstore_message {
	uint32_t kind;
	uint32_t connection; /* record in the lane */
	uint64_t cookie; /* SO_COOKIE */
	uint32_t lane; /* MOVE only */
	uint32_t reserved;
};

struct fdstore; /* of all lanes; opaque */

int fdstore_new(
    uint32_t lanes, uint32_t connections_per_lane, struct fdstore **out);
void fdstore_free(struct fdstore *store); /* accepts NULL; closes all */

/*
 * Takes FD, also when it fails.  What stood there before is closed.  -ERANGE:
 * no such lane or record.
 */
int fdstore_put(struct fdstore *store, uint32_t lane, uint32_t connection,
    uint64_t cookie, int fd);
/* Closes it; false: there is none with this cookie, nothing was done. */
bool fdstore_drop(
    struct fdstore *store, uint32_t lane, uint32_t connection, uint64_t cookie);
/*
 * The descriptor waits for lane TO, without a record there until the same
 * cookie is put.  False: there is none with this cookie, or no such lane, and
 * it stays where it was.
 */
bool fdstore_move(struct fdstore *store, uint32_t lane, uint32_t connection,
    uint64_t cookie, uint32_t to);
/*
 * Send TAKE for what waits for LANE and was not sent since fdstore_give():
 * 0, or as that.  What two workers have not put is closed.
 */
int fdstore_send_moved(struct fdstore *store, uint32_t lane, int channel);
bool fdstore_has_moved(const struct fdstore *store, uint32_t lane);
void fdstore_clear(struct fdstore *store, uint32_t lane); /* closes all */
uint32_t fdstore_count(const struct fdstore *store, uint32_t lane);
/* Calls EACH for every stored descriptor of LANE. */
void fdstore_each(struct fdstore *store, uint32_t lane,
    void (*each)(void *context, uint32_t connection, uint64_t cookie, int fd),
    void *context);
/* Whom descriptors are given to, and how far. */
struct fdstore_receiver {
	int channel;
	uint32_t number; /* not 0; another one for each process */
	uint32_t next; /* record; 0 at first, and to begin anew */
};
/*
 * Send GIVE for the descriptors of LANE that TO has not been sent, from record
 * TO->next on.  0: all sent; -EAGAIN: go on when the channel is writable; other
 * -errno: the worker is gone.
 */
int fdstore_supply(
    struct fdstore *store, uint32_t lane, struct fdstore_receiver *to);
/* The same, then GIVEN with FAULT. */
int fdstore_give(struct fdstore *store, uint32_t lane,
    struct fdstore_receiver *to, bool fault);

/*
 * FD -1: none; it stays the caller's.  -EAGAIN: the other end is behind, or the
 * kernel short of something (logged); try again when the channel is writable.
 */
int fdstore_send(int channel, const struct fdstore_message *message, int fd);
/*
 * 1: *OUT, and *FD for the caller, else -1.  0: the other end is gone, nothing
 * more comes.  -EAGAIN: nothing now.  -EBADMSG: it was no message of ours, and
 * is gone; try again.  A message for whose descriptor there is none left is
 * skipped, and logged: that connection ends with its worker.
 */
int fdstore_receive(int channel, struct fdstore_message *out, int *fd);

#endif
