/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the client counted, what the sinks did, and what the engine saw of both.
 */
#include "player/engine_parts.h"

#include "player/source.h"
#include "player/tracks.h"

static void
copy_status(const struct client_status *status, struct engine_statistics *out)
{
	out->has_network = true;
	out->bit_rate_bps = status->bit_rate_bps;
	out->received_packets = status->packets;
	out->received_bytes = status->bytes;
	out->lost_packets = status->lost;
	out->recovered_packets = status->recovered;
	out->reordered_packets = status->reordered;
	out->duplicate_packets = status->duplicates;
	out->damaged_packets = status->damaged;
	out->media_packets = status->media_packets;
	out->jitter_us = status->jitter_us;
	out->reconnects = status->reconnects;
	out->buffered_us = status->buffered_us;
	out->network_gap_us = status->network_gap_us;
	out->transport = status->is_udp ? "UDP" : "TCP";
	g_strlcpy(out->server, status->server, sizeof(out->server));
	g_strlcpy(out->software, status->software, sizeof(out->software));
}

void
engine_statistics(struct engine *engine, struct engine_statistics *out)
{
	struct client_status status;

	*out = (struct engine_statistics){ .transport = "file" };
	out->viewer_gap_us = engine_viewer_gap_us(engine);
	sinks_count_frames(
	    &engine->sinks, &out->frames_shown, &out->frames_dropped);
	if (engine->source != NULL && source_status(engine->source, &status))
		copy_status(&status, out);
	else
		out->bit_rate_bps = tracks_bps(engine->playbin, engine->source);
}
