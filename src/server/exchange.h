/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exchange - a request and its answer while the one is made from the other.
 */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "server/session.h"
#include "wire/rtsp.h"

struct play_seek;

/* A request and what answering it needs of its connection. */
struct exchange {
	struct lane *lane;
	const struct rtsp_message *request;
	uint32_t connection; /* record */
	const union sock_address *peer, *local;
	struct transport_link *link;
	/* The connection's sessions; SETUP adds one, TEARDOWN takes one. */
	struct session **sessions;
	unsigned *session_count;
	/* Called when a title is open or a search done; then answer again. */
	struct waiter *waiter;
	struct play_seek **seek; /* kept by the connection meanwhile */
	/* Results. */
	struct bytes_writer reply; /* the whole reply */
	struct session *changed; /* to be published with it; NULL: none */
	struct session *ended; /* to be released with it; NULL: none */
	unsigned status;
	/*
	 * Not answered here: the request names a session of another connection
	 * of this lane, resp. of another lane, with the right to it.
	 */
	struct session *joins;
	uint32_t elsewhere; /* lane, or TABLE_NONE */
};

/* "rtx" in a URL; no ASF stream has this number. */
#define EXCHANGE_RETRANSMISSION 0

/* What is known of a request beyond its head; found before it is answered. */
struct exchange_found {
	struct rtsp_url url; /* the path without the stream's part */
	bool names_stream;
	unsigned stream; /* or EXCHANGE_RETRANSMISSION */
	struct titles_entry *title;
	struct session *session;
};

/*
 * Start line, Server and CSeq of the reply; what was there before is gone.
 * REASON NULL: the phrase of RFC 2326.
 */
void exchange_begin(
    struct exchange *exchange, unsigned status, const char *reason);
void exchange_put_session(
    struct exchange *exchange, const struct session *session);
/* The empty line.  True, so that an answer can end with it. */
bool exchange_end(struct exchange *exchange);
/* A whole reply without anything else.  True. */
bool exchange_refuse(struct exchange *exchange, unsigned status);
bool exchange_refuse_with(
    struct exchange *exchange, unsigned status, const char *reason);
/* 503 with Retry-After, in words that a player can show.  True. */
bool exchange_refuse_for_now(struct exchange *exchange, const char *reason);
/* Why, when the machine has too little of something; the log says of what. */
#define EXCHANGE_SHORTAGE "This server is overloaded, please try again later"
void exchange_log_refused(const struct exchange *exchange, const char *area,
    const char *path, const char *reason);

#define EXCHANGE_URL_MAX (RTSP_URL_MAX + SOCK_TEXT_MAX + 16)
/*
 * The presentation's URL without a slash at its end, as the client wrote it;
 * a bare path gets our address.
 */
void exchange_base_url(const struct exchange *exchange,
    const struct exchange_found *found, char out[static EXCHANGE_URL_MAX]);

#endif
