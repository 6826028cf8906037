/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words that the service manager knows; when to say them is the
 * programs' decision.
 */
#include "base/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/loop.h"

#define LINE_MAX_BYTES 512

static void
say(const char *text)
{
#ifdef HAVE_SYSTEMD
	(void)sd_notify(0, text);
#else
	(void)text;
#endif
}

void
notify_ready(const char *format, ...)
{
	char status[LINE_MAX_BYTES], text[LINE_MAX_BYTES + 64];
	va_list list;

	va_start(list, format);
	vsnprintf(status, sizeof(status), format, list);
	va_end(list);
	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", status);
	say(text);
}

void
notify_status(const char *format, ...)
{
	char status[LINE_MAX_BYTES], text[LINE_MAX_BYTES + 64];
	va_list list;

	va_start(list, format);
	vsnprintf(status, sizeof(status), format, list);
	va_end(list);
	snprintf(text, sizeof(text), "STATUS=%s", status);
	say(text);
}

void
notify_reloading(void)
{
	char text[LINE_MAX_BYTES];

	/* Type=notify-reload waits for a READY that is not older than this. */
	snprintf(text, sizeof(text),
	    "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading",
	    clock_monotonic_us());
	say(text);
}

void
notify_stopping(void)
{
	say("STOPPING=1\nSTATUS=stopping");
}

void
notify_alive(void)
{
	say("WATCHDOG=1");
}

uint64_t
notify_watchdog_us(void)
{
#ifdef HAVE_SYSTEMD
	uint64_t limit_us;

	if (sd_watchdog_enabled(0, &limit_us) > 0)
		return limit_us / 2;
#endif
	return 0;
}

void
notify_forget(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}
