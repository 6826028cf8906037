/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client - brings one title from a server: connects, talks, receives, and when
 * the connection or the server is lost begins anew at the same position.
 *
 * It has a thread of its own for all that; packets wait in a queue that
 * client_take() takes them from.  Functions may be called from any thread,
 * client_take() from one at a time.
 */
#ifndef PLAYER_CLIENT_H
#define PLAYER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "player/failure.h"
#include "player/prologue.h"

struct client; /* opaque */

enum client_state {
	CLIENT_CONNECTING,
	CLIENT_STREAMING,
	CLIENT_RECONNECTING,
	CLIENT_FAILED,
};

enum client_transport { CLIENT_AUTOMATIC, CLIENT_UDP, CLIENT_TCP };

struct client_options {
	const char *url; /* copied */
	enum client_transport transport; /* what the URL allows, or less */
	unsigned latency_ms; /* for packets that are missing */
	unsigned give_up_ms; /* tries so long to resume */
	unsigned buffer_ms; /* 0: by the title's preroll */
	uint64_t start_us; /* begins with the key frame there or before */
	struct asf_set streams; /* empty: one of each kind */
};

struct client_status {
	enum client_state state;
	struct failure failure; /* also why it reconnects */
	bool is_buffering;
	unsigned buffered_percent;
	bool has_ended; /* everything is in the queue */
	uint64_t duration_us; /* 0: not known */
	uint64_t bit_rate_bps; /* of the last second */
	uint64_t packets, bytes, lost, recovered, reordered, duplicates;
	uint64_t damaged, media_packets;
	unsigned jitter_us, reconnects;
	uint64_t buffered_us, network_gap_us;
	bool is_udp;
	char server[128], software[64];
};

/* Something in the status changed; called on the client's thread. */
typedef void client_changed(void *context);

/* Starts at once.  0 or -errno; free ends the thread and accepts NULL. */
int client_new(const struct client_options *options, client_changed *changed,
    void *context, struct client **out);
void client_free(struct client *client);

/* To the key frame there or before; what is in the queue is dropped. */
void client_seek(struct client *client, uint64_t position_us);

enum client_taken {
	CLIENT_PROLOGUE, /* first of all, once: client_prologue() */
	CLIENT_PACKET,
	CLIENT_END, /* of the title */
	CLIENT_FAILURE, /* client_status() says which */
	CLIENT_INTERRUPTED,
};
struct client_packet {
	struct client_packet *next;
	bool is_first; /* behind a seek */
	uint32_t send_ms;
	size_t size;
	uint8_t data[];
};
/* Waits for the next one.  *OUT is the caller's, who ends it with free(). */
enum client_taken client_take(
    struct client *client, struct client_packet **out);
/* Until it is set back, client_take() returns at once. */
void client_interrupt(struct client *client, bool on);
void client_await_interrupt(struct client *client);

/* NULL before the title was described; stays as it is until client_free(). */
const struct prologue *client_prologue(struct client *client);
struct asf_set client_streams(struct client *client); /* those that it takes */
void client_status(struct client *client, struct client_status *out);

#endif
