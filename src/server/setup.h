/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * setup - SETUP: admission, transport, and where each stream goes (RFC 2326
 * 10.4, wire reference 4).
 */
#ifndef SERVER_SETUP_H
#define SERVER_SETUP_H

#include "server/exchange.h"

/* FOUND->title is open; FOUND->session is NULL for a new session. */
bool setup_answer(struct exchange *exchange, struct exchange_found *found);
/* SESSION leaves the exchange's connection. */
void setup_forget(struct exchange *exchange, struct session *session);

#endif
