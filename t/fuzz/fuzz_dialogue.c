/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_dialogue - any bytes as what a server says to the player.
 */
#include <assert.h>
#include <string.h>

#include "base/base.h"
#include "player/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the player does next; false: it hangs up. */
static bool
go_on(struct dialogue *dialogue, enum dialogue_event event)
{
	struct dialogue_setup setup = { .udp = true,
		.tcp = true,
		.port = 5000,
		.streams = { { UINT64_MAX, UINT64_MAX } } };

	switch (event) {
	case DIALOGUE_DESCRIBED:
		assert(dialogue_description(dialogue)->stream_count > 0);
		dialogue_setup(dialogue, &setup);
		return dialogue_is_waiting(dialogue);
	case DIALOGUE_READY:
		dialogue_play(dialogue, true, US_PER_SECOND, 2000);
		return true;
	case DIALOGUE_PLAYING:
		dialogue_keep_alive(dialogue);
		dialogue_play(dialogue, true, 0, 1000);
		return true;
	case DIALOGUE_ALIVE:
		dialogue_pause(dialogue);
		return true;
	case DIALOGUE_FAILED:
		assert(dialogue_failure(dialogue)->kind != FAILURE_NONE);
		assert(dialogue_failure(dialogue)->sentence[0] != '\0');
		return false;
	case DIALOGUE_MORE:
	case DIALOGUE_REDIRECTED:
	case DIALOGUE_OVER:
		return false;
	default:
		return true;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dialogue *dialogue;
	struct dialogue_url url;
	struct rtsp_frame frame;
	const uint8_t *payload;
	size_t used, waiting;
	enum dialogue_event event;

	if (!dialogue_parse_url("rtsp://host/title", &url) ||
	    dialogue_new(&url, &dialogue) != 0)
		return 0;
	do {
		event = dialogue_take(
		    dialogue, data, size, &used, &frame, &payload);
		assert(used <= size);
		if (event == DIALOGUE_FRAME)
			assert(payload + frame.length <= data + size);
		data += used;
		size -= used;
		if (dialogue_output(dialogue, &waiting) != NULL)
			dialogue_sent(dialogue, waiting);
	} while (go_on(dialogue, event));
	dialogue_free(dialogue);
	return 0;
}
