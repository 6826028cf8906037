/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * failure - why a title does not play: what kind of reason, and one sentence
 * for the viewer.
 */
#ifndef PLAYER_FAILURE_H
#define PLAYER_FAILURE_H

#include "base/base.h"

/* The same as enum engine_failure, without GStreamer. */
enum failure_kind {
	FAILURE_NONE,
	FAILURE_BAD_URL,
	FAILURE_NO_CONNECTION,
	FAILURE_NOT_FOUND,
	FAILURE_NOT_ALLOWED,
	FAILURE_SERVER_FULL,
	FAILURE_BAD_SERVER,
	FAILURE_CANNOT_PLAY,
	FAILURE_LOST,
};

struct failure {
	enum failure_kind kind;
	char sentence[256];
};

void failure_set(struct failure *failure, enum failure_kind kind,
    const char *format, ...) PRINTF_LIKE(3, 4);
/* Of a status that RTSP or HTTP refuses with; REASON may say more. */
void failure_of_status(struct failure *failure, unsigned status,
    const char *reason, size_t reason_length);

#endif
