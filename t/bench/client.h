/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client - one viewer: the RTSP dialogue as FFmpeg speaks it, and what came.
 *
 * Over UDP all streams of an ASF title name one client port, as FFmpeg does,
 * and a port may be shared with other clients; over TCP each stream has
 * channels of its own.  One connection is one client.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "port.h"

#define CLIENT_STREAMS_MAX 4
#define CLIENT_URL_MAX 512

enum client_state {
	CLIENT_NEW,
	CLIENT_CONNECTING,
	CLIENT_OPTIONS, /* from here on: waits for the answer to it */
	CLIENT_DESCRIBE,
	CLIENT_SETUP_RTX,
	CLIENT_SETUP,
	CLIENT_PLAY,
	CLIENT_PLAYING,
	CLIENT_TEARDOWN,
	CLIENT_CLOSED,
	CLIENT_FAILED,
};

struct client_stream {
	char control[CLIENT_URL_MAX];
	uint32_t clock_hz;
	struct flow *flow; /* borrowed; one of the client's */
};

struct client {
	/* Set by the caller before client_start(). */
	char url[CLIENT_URL_MAX];
	struct port *port; /* borrowed; NULL: interleaved */
	double start_part; /* 0..1 of what can be played; < 0: from the start */
	double play_s; /* how long, at most: for start_part */

	int fd;
	enum client_state state;
	const char *failure; /* borrowed from the client; NULL: none */
	char failure_text[80];
	uint64_t started_us, asked_us; /* connect(); the last request */
	uint32_t cseq, timeout_s;
	char base[CLIENT_URL_MAX], session[160], rtx[CLIENT_URL_MAX];
	double duration_s;
	bool asf;
	unsigned stream_count, setup_at, flow_count;
	struct client_stream streams[CLIENT_STREAMS_MAX];
	struct flow flows[CLIENT_STREAMS_MAX];
	struct flow_session common;
	/* A reply being collected. */
	char *text;
	size_t text_bytes;
	/* An interleaved frame being taken: its 4 bytes, then the head. */
	uint8_t frame[4 + FLOW_HEAD_BYTES], frame_last;
	size_t frame_at;
};

/* Begins to connect; the fd is then to be watched for input and output. */
bool client_start(struct client *client, const struct sockaddr_in *to);
/* Connected: asks the first question. */
void client_connected(struct client *client);
/* Reads what is there; answers, asks, takes frames. */
void client_read(struct client *client);
void client_keep_alive(struct client *client, uint64_t now_us);
void client_teardown(struct client *client);
void client_close(struct client *client);
void client_fail(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool client_is_started(const struct client *client); /* has its first packet */
uint64_t client_first_packet_us(const struct client *client);

#endif
