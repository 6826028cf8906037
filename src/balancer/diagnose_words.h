/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diagnose_words - what findings say in the words of other programs.
 */
#ifndef BALANCER_DIAGNOSE_WORDS_H
#define BALANCER_DIAGNOSE_WORDS_H

#include <net/ethernet.h>

#include "base/base.h"

#define WORDS_MAX 320 /* with NUL */

/* Each returns TEXT. */
const char *words_make(char text[static WORDS_MAX], const char *format, ...)
    PRINTF_LIKE(2, 3);
/* "-t 192.0.2.100:554", as ipvsadm takes a service. */
const char *words_service(char text[static WORDS_MAX], const char *name);
/* "02:00:00:00:00:01" */
const char *words_machine(
    char text[static WORDS_MAX], const struct ether_addr *machine);

#endif
