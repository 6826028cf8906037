/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * play - PLAY: from where, to where, how fast, and whether there is bit rate
 * left (RFC 2326 10.5, wire reference 8).
 */
#ifndef SERVER_PLAY_H
#define SERVER_PLAY_H

#include "server/exchange.h"

/* FOUND->session is there, in a state that allows PLAY.  False: it waits. */
bool play_answer(struct exchange *exchange, struct exchange_found *found);
/* The request is gone while its search runs.  Accepts NULL. */
void play_seek_abandon(struct play_seek *seek);

#endif
