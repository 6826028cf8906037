/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * methods - the table of RTSP methods: what a request needs, and its answer
 * (RFC 2326 10; what clients need of it: wire reference 2, 4, 8).
 */
#ifndef SERVER_METHODS_H
#define SERVER_METHODS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "server/session.h"

struct methods_seek; /* a search for the packet to begin with, on a reader
			thread */

/* A request and what answering it needs of its connection. */
struct methods_exchange {
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
	struct methods_seek **seek; /* kept by the connection meanwhile */
	/* Results. */
	struct bytes_writer reply; /* the whole reply */
	struct session *changed; /* to be published with it; NULL: none */
	unsigned status;
};

/*
 * False: the answer must wait; nothing has happened, and the waiter will be
 * called. True: the reply stands in exchange->reply.
 */
bool methods_answer(struct methods_exchange *exchange);

/* A reply to what could not be parsed: request->status, CSeq if there is one.
 */
void methods_refuse(struct methods_exchange *exchange, unsigned status);

/* The connection ends while a search runs. */
void methods_seek_abandon(struct methods_seek *seek); /* accepts NULL */

#endif
