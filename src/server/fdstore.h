/*
 * fdstore - the descriptors the master keeps so that a session outlives its
 * worker, and the messages on the channel between master and worker.
 *
 * The channel is a SOCK_SEQPACKET pair; each message is one struct fdstore_message, with one
 * descriptor where said.  The master reads a dead worker's channel to its end
 * before it forks the successor.
 */
#ifndef SERVER_FDSTORE_H
#define SERVER_FDSTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sock.h"

enum fdstore_kind {
	FDSTORE_PUT = 1,  /* worker -> master, with a duplicate of the connection's descriptor */
	FDSTORE_DROP,	  /* worker -> master: that connection has ended */
	FDSTORE_READY,	  /* worker -> master: I serve */
	FDSTORE_GIVE,	  /* master -> successor, with the descriptor: a connection of your lane */
	FDSTORE_GIVEN,	  /* master -> successor: that was all */
	FDSTORE_STOP,	  /* master -> worker: say goodbye to clients and exit 0 */
	FDSTORE_RETIRE,   /* master -> worker: publish and exit 0, a successor follows (reload) */
	FDSTORE_DRAIN,	  /* master -> worker: no new sessions */
};
struct fdstore_message {
	uint32_t kind;
	uint32_t connection; /* record in the lane */
	uint64_t cookie;     /* SO_COOKIE */
};

struct fdstore; /* of all lanes; opaque */

int fdstore_new(uint32_t lanes, uint32_t connections_per_lane, struct fdstore **out);
void fdstore_free(struct fdstore *store);
/* Takes FD. */
void fdstore_put(struct fdstore *store, uint32_t lane, uint32_t connection, uint64_t cookie, int fd);
void fdstore_drop(struct fdstore *store, uint32_t lane, uint32_t connection, uint64_t cookie);
uint32_t fdstore_count(const struct fdstore *store, uint32_t lane);
/* Calls EACH for every stored descriptor of LANE. */
void fdstore_each(struct fdstore *store, uint32_t lane,
    void (*each)(void *context, uint32_t connection, uint64_t cookie, int fd), void *context);

/* Worker's side.  -EAGAIN: the master is behind, try again when the channel is writable. */
int fdstore_send(int channel, const struct fdstore_message *message, int fd); /* fd -1: none */
/* Both sides.  1: *OUT (and *FD, else -1), 0: the other end is gone, -EAGAIN. */
int fdstore_receive(int channel, struct fdstore_message *out, int *fd);

#endif
