/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * describe - DESCRIBE: a title as SDP (wire reference 3).
 */
#ifndef SERVER_DESCRIBE_H
#define SERVER_DESCRIBE_H

#include "server/exchange.h"

/* FOUND->title is open. */
bool describe_answer(struct exchange *exchange, struct exchange_found *found);

#endif
