/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lane: what a worker finds when it is born, and its word to the master.
 */
#include "server/lane.h"

#include <stdlib.h>
#include <sys/random.h>

const struct sock_pair *
lane_pair(const struct lane *lane, int family)
{
	const struct sock_pair *pair = &lane->pairs[family == AF_INET6];

	return pair->family == family ? pair : NULL;
}

void
lane_random(void *out, size_t size)
{
	uint8_t *at = out;

	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);

		if (got > 0) {
			at += got;
			size -= (size_t)got;
		}
	}
}

/* Without a master nobody has to know. */
static bool
tell(struct lane *lane, const struct fdstore_message *message)
{
	return lane->orphan || fdstore_send(lane->channel, message, -1) == 0;
}

void
lane_tell_dropped(struct lane *lane, uint32_t connection, uint64_t cookie)
{
	struct fdstore_message message = {
		.kind = FDSTORE_DROP, .connection = connection, .cookie = cookie
	};
	struct lane_drop *drop;

	lane_tell_again(lane); /* in order: those that wait go first */
	if (lane->drops == NULL && tell(lane, &message))
		return;
	if ((drop = malloc(sizeof(*drop))) == NULL)
		return; /* the master finds out by the cookie */
	*drop = (struct lane_drop){ .message = message };
	*(lane->drops == NULL ? &lane->drops : lane->drops_end) = drop;
	lane->drops_end = &drop->next;
}

void
lane_tell_again(struct lane *lane)
{
	struct lane_drop *drop;

	while ((drop = lane->drops) != NULL && tell(lane, &drop->message)) {
		lane->drops = drop->next;
		free(drop);
	}
}
