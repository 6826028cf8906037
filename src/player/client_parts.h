/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What client.c (threads, queue, beginning anew), link.c (one connection) and
 * place.c (the way to a server) share; nobody else includes it.
 */
#ifndef PLAYER_CLIENT_PARTS_H
#define PLAYER_CLIENT_PARTS_H

#include <pthread.h>

#include "base/sock.h"
#include "player/assemble.h"
#include "player/client.h"
#include "player/dialogue.h"
#include "player/landing.h"
#include "player/queue.h"
#include "player/reorder.h"

#define ADDRESSES_MOST 8
#define SAME_TIME_MOST 64

/* How a connection ended. */
enum link_end {
	LINK_GOES_ON,
	LINK_STOPPED, /* the client is to end */
	LINK_LOST, /* to be tried anew; client->failure says why */
	LINK_TO_TCP, /* nothing comes over UDP: anew, at once */
	LINK_REDIRECTED, /* anew, to client->place, which is another now */
	LINK_FAILED, /* for good; client->failure */
};

/* A time in the title, and when it was there. */
struct client_point {
	uint64_t at_us, ms;
};

struct place {
	struct dialogue_url url;
	union sock_address addresses[ADDRESSES_MOST];
	unsigned address_count, address; /* 0: not looked up yet */
};

struct client {
	struct client_options options;
	client_changed *changed;
	void *context;
	pthread_t thread;
	bool has_thread;
	int wake; /* eventfd: the thread has something to look at */

	/* The thread's own. */
	struct place home, target; /* the viewer's; a redirect's */
	struct place *place; /* where it is tried: one of them */
	bool udp, tcp; /* allowed still */
	struct failure failure;
	struct assemble
	    *assemble; /* these three: NULL before it is described */
	struct reorder *reorder;
	struct landing *landing;
	uint64_t opened_us, lost_us; /* 0: not lost */
	uint64_t last_data_us;
	uint32_t packet_ms; /* the last one's send time */
	/* Where it has come to, by a packet or a report in a gap; and where no
	 * connection had come before. */
	struct client_point reached, advanced;
	uint64_t barren_us; /* since then, of servers that were there */
	bool had_data; /* a whole packet, ever */
	/* Where to begin anew: behind the packets of RESUME_MS that came. */
	bool has_resume, is_skipping;
	uint32_t resume_ms;
	uint64_t same_time[SAME_TIME_MOST]; /* hashes */
	unsigned same_time_count;
	uint32_t key_ms; /* presentation times: of one that began */
	uint32_t latest_ms; /* and of all that are whole */
	bool has_key;
	uint64_t start_us; /* to begin at, unless has_resume */
	uint64_t rate_since_us, rate_bytes;

	/* Under the mutex. */
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	bool stopping, interrupted, has_seek;
	bool is_idle; /* the thread waits for the queue to be emptied */
	uint64_t seek_us;
	bool is_described, told_prologue;
	struct asf_set streams;
	struct queue queue;
	struct client_status status;
	struct prologue prologue; /* written before is_described only */
};

/* link.c: connect, and go on until it ends. */
enum link_end link_run(struct client *client);

/*
 * place.c: a connection to client->place, and whom it is with; STEP_US for each
 * step, and none is left at UNTIL_US.  -1: client->failure says why, or the
 * client is stopping.
 */
int place_connect(struct client *client, uint64_t step_us, uint64_t until_us,
    union sock_address *peer);

/* client.c, for both */
uint64_t client_now_us(void);
bool client_is_stopping(struct client *client);
bool client_wants_seek(struct client *client);
uint64_t client_take_seek(struct client *client); /* the queue is empty then */
/* False: the title cannot be played, see client->failure. */
bool client_describe(
    struct client *client, const struct sdp_description *description);
void client_arrived(struct client *client, uint64_t now_us, size_t bytes);
void client_end(struct client *client); /* of the title */
/* The server is there, has nothing to send, and was not expected to have. */
void client_gap(struct client *client);
/* A report says that it has come PASSED_MS beyond the last packet.  True: it is
 * in a gap. */
bool client_reported(struct client *client, uint32_t passed_ms);
void client_set_state(struct client *client, enum client_state state);
/*
 * How long a server that answered PLAY may bring nothing that gets the title
 * on, before it is left for another one; 0: before it is given up.
 */
uint64_t client_patience_us(const struct client *client);
/* A connection to such a server was lost, behind SINCE_US without it. */
void client_was_barren(struct client *client, uint64_t since_us);
/* Numbers into the status. */
void client_count(struct client *client, bool is_udp);
uint32_t client_reserve_ms(struct client *client, bool *full);
bool client_plays(const struct client *client, enum asf_kind kind);
/* As far as times tell, which is half a second. */
bool client_has_all(struct client *client);

#endif
