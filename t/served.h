/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served - a real vodd and viewers of it, for tests that look at both sides of
 * a session: what the table says and what arrives.
 *
 * What goes wrong fails the libcheck test that called.
 */
#ifndef T_SERVED_H
#define T_SERVED_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "table/table.h"

/* No test waits longer than this for one thing. */
#define SERVED_PATIENCE_MS 20000

struct served {
	const char *program; /* beside vodd, in its place; NULL: vodd */
	const char *workers; /* NULL: one */
	pid_t master;
	uint16_t port;
	char folder[PATH_MAX]; /* of its log, and of media made for it */
	char media[PATH_MAX]; /* what it serves */
	char files[PATH_MAX]; /* where tests read the same; "": there */
	char log[PATH_MAX];
	char instance[40];
	struct table *table; /* opened for reading, as anybody may */
};

/* A folder of its own below BASE (NULL: $TMPDIR or /tmp), readable by all. */
void served_folder(struct served *served, const char *base);
/* DATA, or a shipped sample, as FOLDER/NAME. */
void served_write(
    struct served *served, const char *name, const void *data, size_t size);
/* A film: one stream of video, a frame in each packet. */
struct served_film {
	unsigned packets, packet_bytes, every_ms;
	unsigned frame_bytes, less; /* the first; each is LESS bytes smaller */
};
void served_write_film(
    struct served *served, const char *name, const struct served_film *film);
void served_copy(struct served *served, const char *shipped, const char *name);
void served_remove(const struct served *served, const char *name);
/*
 * Serves MEDIA; SETTINGS are NAME=VALUE, the last one NULL.
 * Returns when it accepts connections.
 */
void served_start(
    struct served *served, const char *media, const char *const settings[]);
/* TERM, and no longer than LIMIT_MS until it is gone. */
void served_stop_within(struct served *served, unsigned limit_ms);
/* The same, patiently; then the folder is removed. */
void served_end(struct served *served);
pid_t served_worker(const struct served *served);
/* Aborts the test, with the log. */
void served_fail(const struct served *served, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
/* How many lines of the log hold TEXT. */
unsigned served_log_lines(const struct served *served, const char *text);
void served_wait_log(const struct served *served, const char *text);

/* The worker stands still: SIGSTOP, until it has arrived; SIGCONT. */
void served_freeze(const struct served *served);
void served_thaw(const struct served *served);

/*
 * The worker stands still, traced.  False: this machine does not let us.  Then
 * it runs until READY, called at each of its system calls, says so; there it
 * stands until it is let go.
 */
bool served_trace(const struct served *served);
void served_run_until(
    const struct served *served, bool (*ready)(void *context), void *context);
void served_let_go(const struct served *served);

#define VIEWER_FLOWS 2

struct viewer_packet {
	uint8_t flow;
	bool rtcp;
	uint8_t *bytes; /* with its interleaved prefix, if any */
	size_t size;
	uint64_t offset; /* TCP: in all that the connection brought */
	uint64_t at_us; /* monotonic */
};

/* One connection and one session; flow N's RTP and RTCP are its own. */
struct viewer {
	struct served *served;
	char title[64];
	const char *agent; /* User-Agent of SETUP; NULL: none */
	bool tcp;
	int control;
	int sockets[VIEWER_FLOWS][2];
	uint16_t ports[VIEWER_FLOWS][2];
	unsigned sequence, replies;
	unsigned status; /* of the last reply */
	bool closed;
	char reply[4096], session[64];
	uint8_t *stream; /* everything that came over the connection */
	size_t stream_bytes, stream_room, parsed;
	struct viewer_packet *packets;
	size_t packet_count, packet_room;
};

enum viewer_transport { VIEWER_UDP, VIEWER_TCP, VIEWER_TCP_NARROW };

/* NARROW: little fits between the server and the viewer. */
void viewer_open(struct viewer *viewer, struct served *served,
    const char *title, enum viewer_transport transport);
void viewer_close(struct viewer *viewer);
/* STREAM 0: the aggregate.  HEADERS end with CRLF each. */
void viewer_send(struct viewer *viewer, const char *method, unsigned stream,
    const char *headers);
/* Send, wait for the reply, which must be STATUS. */
void viewer_ask(struct viewer *viewer, const char *method, unsigned stream,
    const char *headers, unsigned status);
void viewer_wait_reply(struct viewer *viewer, unsigned status);
void viewer_setup(struct viewer *viewer, unsigned stream, unsigned flow);
/* Another session on OTHER's connection. */
void viewer_forget_session(struct viewer *viewer);
/* What is there, or comes within TIMEOUT_MS.  False: nothing. */
bool viewer_take(struct viewer *viewer, int timeout_ms);
/* Until there are COUNT packets more than at the call. */
void viewer_take_packets(struct viewer *viewer, size_t count);
uint32_t viewer_record(const struct viewer *viewer);

#endif
