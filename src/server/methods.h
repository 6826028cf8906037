/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * methods - the table of RTSP methods: what a request needs, and its answer
 * (RFC 2326 10; what clients need of it: wire reference 2, 4, 8).
 */
#ifndef SERVER_METHODS_H
#define SERVER_METHODS_H

#include "server/exchange.h"

/*
 * True: the reply stands in exchange->reply.  False: nothing has happened; it
 * is another's to answer (exchange->joins, exchange->elsewhere), or the answer
 * must wait, and exchange->waiter will be called.
 */
bool methods_answer(struct exchange *exchange);

#endif
