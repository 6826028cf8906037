/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of clients with quirks.  What is done about a quirk is done where
 * it belongs; here is only who has which.
 */
#include "server/quirks.h"

#include <stddef.h>
#include <string.h>

#include "base/base.h"

/* The User-Agent begins so. */
static const struct {
	const char *name;
	uint32_t quirks;
} clients[] = {
	/* FFmpeg's libraries: ffplay, mpv, MPlayer and many others */
	{ "Lavf", QUIRK_RESYNC },
	/* 1.22 and all before; also before its version stood there */
	{ "GStreamer", QUIRK_ONE_FLOW | QUIRK_STOPS_AT_END },
};

uint32_t
quirks_of(const char *user_agent)
{
	for (size_t i = 0; i < ARRAY_LENGTH(clients); i++)
		if (strncmp(user_agent, clients[i].name,
			strlen(clients[i].name)) == 0)
			return clients[i].quirks;
	return 0;
}
