/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dialogue - the client's half of an RTSP connection (RFC 2326): what to ask
 * next, and what the answers mean.
 *
 * No I/O and no clock.  Bytes that came are given to dialogue_take(), one event
 * at a time; bytes to be sent stand in dialogue_output().  One request is under
 * way at a time, keep-alive aside.
 */
#ifndef PLAYER_DIALOGUE_H
#define PLAYER_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/asf.h"
#include "player/failure.h"
#include "wire/rtsp.h"
#include "wire/sdp.h"

#define DIALOGUE_BODY_MAX (512 * 1024)
/* What has to be kept of what came, at most; or a whole frame. */
#define DIALOGUE_INPUT_MAX (RTSP_HEAD_MAX + DIALOGUE_BODY_MAX)
#define DIALOGUE_HEADER_MAX (256 * 1024)
/* An address, with NUL.  A title is refused that has longer ones. */
#define DIALOGUE_URL_MAX 1200

/* rtsp://, rtspu:// (UDP only), rtspt:// (TCP only). */
struct dialogue_url {
	char host[256]; /* without brackets */
	uint16_t port;
	bool udp, tcp; /* allowed */
	char request[DIALOGUE_URL_MAX]; /* as it is asked for */
};
/* False: not such a URL. */
bool dialogue_parse_url(const char *text, struct dialogue_url *out);

enum dialogue_event {
	DIALOGUE_MORE, /* more bytes are needed */
	DIALOGUE_PROGRESS, /* something was taken; there may be output */
	DIALOGUE_DESCRIBED, /* dialogue_description(); then dialogue_setup() */
	DIALOGUE_READY, /* all is set up; then dialogue_play() */
	DIALOGUE_PLAYING, /* dialogue_play_answer() */
	DIALOGUE_PAUSED,
	DIALOGUE_ALIVE, /* an answer to keep-alive */
	DIALOGUE_FRAME, /* interleaved */
	DIALOGUE_OVER, /* TEARDOWN was answered */
	DIALOGUE_REDIRECTED, /* dialogue_location() */
	DIALOGUE_FAILED, /* dialogue_failure(); not of any use any more */
};

struct dialogue; /* opaque */

/* URL is copied.  0 or -errno; free accepts NULL.  Begins with DESCRIBE. */
int dialogue_new(const struct dialogue_url *url, struct dialogue **out);
void dialogue_free(struct dialogue *dialogue);

/*
 * DATA: all that came and was not taken yet.  *USED are to be dropped then.
 * FRAME and *PAYLOAD are valid for DIALOGUE_FRAME, and point into DATA.
 */
enum dialogue_event dialogue_take(struct dialogue *dialogue,
    const uint8_t *data, size_t size, size_t *used, struct rtsp_frame *frame,
    const uint8_t **payload);

/* What is to be sent; NULL when there is nothing. */
const uint8_t *dialogue_output(const struct dialogue *dialogue, size_t *size);
void dialogue_sent(struct dialogue *dialogue, size_t size);
/* As a frame on CHANNEL, between messages.  Dropped when there is no room. */
void dialogue_put_frame(struct dialogue *dialogue, uint8_t channel,
    const uint8_t *data, size_t size);
/* Is a request, other than keep-alive, under way? */
bool dialogue_is_waiting(const struct dialogue *dialogue);

const struct sdp_description *dialogue_description(
    const struct dialogue *dialogue);
/*
 * All streams go to one destination: PORT and the next one over UDP, channels
 * 0 and 1 over TCP.  A 461 changes from UDP to TCP if both are allowed.
 */
struct dialogue_setup {
	struct asf_set streams;
	bool udp, tcp; /* allowed */
	uint16_t port;
};
void dialogue_setup(
    struct dialogue *dialogue, const struct dialogue_setup *setup);
/* What came of it. */
struct dialogue_transport {
	bool is_udp;
	uint16_t server_port[2]; /* 0: not told */
	uint8_t channel[2];
	unsigned timeout_s;
};
const struct dialogue_transport *dialogue_transport(
    const struct dialogue *dialogue);

/*
 * HAS_START: from there, behind a PAUSE when it plays; else it goes on.
 * SPEED_MILLI above 1000 is asked for, and given up when it is refused.
 */
void dialogue_play(struct dialogue *dialogue, bool has_start, uint64_t start_us,
    unsigned speed_milli);
struct dialogue_play_answer {
	bool has_start;
	uint64_t start_us;
	bool has_sequence; /* of the first packet */
	uint16_t sequence;
	unsigned speed_milli; /* 1000 when it was not told */
};
const struct dialogue_play_answer *dialogue_play_answer(
    const struct dialogue *dialogue);
void dialogue_pause(struct dialogue *dialogue);
void dialogue_keep_alive(struct dialogue *dialogue);
void dialogue_teardown(struct dialogue *dialogue);

const char *dialogue_location(const struct dialogue *dialogue);
const char *dialogue_software(const struct dialogue *dialogue); /* Server: */
const struct failure *dialogue_failure(const struct dialogue *dialogue);
/* That it was refused with; 0: it failed otherwise. */
unsigned dialogue_status(const struct dialogue *dialogue);

#endif
