/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notify - tells a service manager how the program is (sd_notify(3)).
 *
 * Without one, or built without libsystemd, nothing happens.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

#include "base/base.h"

void notify_ready(const char *format, ...) PRINTF_LIKE(1, 2);
void notify_status(const char *format, ...) PRINTF_LIKE(1, 2);
void notify_reloading(void);
void notify_stopping(void);
void notify_alive(void);

/* Say notify_alive() at least this often; 0: nobody asks for it. */
uint64_t notify_watchdog_us(void);
/* In a child: it never speaks for the program. */
void notify_forget(void);

#endif
