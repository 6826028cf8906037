/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * estate - what a master leaves to the next one, as descriptors: table and
 * listeners; by lane the media root, the UDP pairs, the door, and the channel
 * to the worker; and the stored connections.
 *
 * Written it is a row of items, each with one descriptor at most, in one of two
 * carriers: a memfd that outlives exec(2), where an item holds the number of
 * its descriptor, or a channel from an orphan, where the descriptor comes with
 * the item.  Whoever reads believes nothing: each descriptor is asked what it
 * is.
 */
#ifndef SERVER_ESTATE_H
#define SERVER_ESTATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/settings.h"
#include "base/sock.h"
#include "table/table.h"

/*
 * Another number: nobody but its writer can read it.  It stands for what is
 * said on a channel (fdstore.h), too, but not for the table.
 */
#define ESTATE_VERSION 1

enum estate_lane_state { /* bits */
	ESTATE_SERVED = 1, /* it has a worker, or waits for one */
	ESTATE_CLOSING = 2, /* until the last connection has ended */
	ESTATE_READY = 4, /* the worker has said so */
};

struct estate_lane {
	unsigned state;
	pid_t pid; /* of its worker; 0: none */
	int process; /* its pidfd when it is not our child, else -1 */
	int media_root, door, channel; /* -1: none */
	struct sock_pair pairs[2]; /* IPv4, IPv6; family 0: none */
};

struct estate_connection {
	uint32_t lane, record;
	uint64_t cookie;
	int fd;
};

struct estate { /* plain; -1: none */
	int table, log, lock;
	int media_root; /* of lanes that are opened */
	uint64_t hash_seed;
	unsigned listener_count;
	int listeners[SETTINGS_LIST_MAX];
	struct estate_lane lanes[TABLE_LANES_MAX];
	uint32_t connection_count;
	struct estate_connection *connections; /* owned */
	/* Of reading. */
	bool begun;
	const char *fault; /* what was wrong; NULL: nothing */
};

void estate_init(struct estate *estate);
/* Free it; the descriptors stay as they are. */
void estate_free(struct estate *estate);
/* The descriptors too. */
void estate_close(struct estate *estate);
/* Is there a lane with a worker? */
bool estate_is_alive(const struct estate *estate);
/* FD is ESTATE's then.  -ENOMEM. */
int estate_add_connection(struct estate *estate, uint32_t lane, uint32_t record,
    uint64_t cookie, int fd);

/*
 * To a fresh memfd, a descriptor or -errno.  The numbers in it are ours and
 * hold in a process that executes another program, if estate_keep() has told
 * them to stay: the descriptors, but not the memfd itself.
 */
int estate_write(const struct estate *estate);
void estate_keep(const struct estate *estate, bool over_exec);
/*
 * From a memfd at any position, into an initialised OUT; the descriptors are
 * OUT's then and close at the next exec.  -EPROTO: another version; other
 * -errno: no estate; OUT->fault says what was wrong, estate_close() it.
 */
int estate_read(int fd, struct estate *out);
/*
 * Could we read it?  As above, but no descriptor is looked at, and of OUT
 * nothing is filled but the table's number, which may be open or not.
 */
int estate_look(int fd, struct estate *out);

/* To a channel, without lanes' channels and connections.  0 or -errno. */
int estate_send(const struct estate *estate, int channel);
/*
 * What came over CHANNEL, into an initialised OUT.  1: it is whole, what comes
 * next is another's; -EAGAIN: go on when CHANNEL is readable; else as above.
 */
int estate_receive(int channel, struct estate *out);

/*
 * Put PART, which knows LANE, into WHOLE and leave PART empty.  False: it
 * belongs to another instance's table.
 */
bool estate_merge(struct estate *whole, struct estate *part, uint32_t lane);

#endif
