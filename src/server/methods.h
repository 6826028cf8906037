/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * methods - the table of RTSP methods: what a request needs, and its answer
 * (RFC 2326 10; what clients need of it: wire reference 2, 4, 8).
 */
#ifndef SERVER_METHODS_H
#define SERVER_METHODS_H

#include "server/exchange.h"

/*
 * False: the answer must wait; nothing has happened, and exchange->waiter will
 * be called.  True: the reply stands in exchange->reply.
 */
bool methods_answer(struct exchange *exchange);

#endif
