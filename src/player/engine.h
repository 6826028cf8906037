/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine - plays one URL: what the window and the head-less player both are
 * on top of.
 *
 * It runs on the thread's default GLib main context and calls back from there,
 * never from within one of the functions below.  It shows nothing by itself:
 * the video sink is given from outside.  Sentences are for the viewer, in
 * English, with a full stop.  Times are media time from the title's start.
 */
#ifndef PLAYER_ENGINE_H
#define PLAYER_ENGINE_H

#include <gst/gst.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine; /* opaque */

/* Playing begins by CONNECTING, BUFFERING and PLAYING or PAUSED, in this order.
 */
enum engine_state {
	ENGINE_STOPPED,
	ENGINE_CONNECTING, /* nothing of the title is there */
	ENGINE_BUFFERING, /* engine_buffered_percent() says how far */
	ENGINE_PLAYING,
	ENGINE_PAUSED, /* by the viewer; also while it buffers for him */
	ENGINE_RECONNECTING, /* what is buffered goes on meanwhile */
	ENGINE_ENDED, /* up to the title's end */
	ENGINE_FAILED,
	ENGINE_STATE_COUNT
};
/* "connecting" and so on, as in JSON. */
const char *engine_state_name(enum engine_state state);

/* Why it failed, for those who look at more than the sentence. */
enum engine_failure {
	ENGINE_NO_FAILURE,
	ENGINE_BAD_URL,
	ENGINE_NO_CONNECTION, /* nobody there, or no answer */
	ENGINE_NOT_FOUND,
	ENGINE_NOT_ALLOWED,
	ENGINE_SERVER_FULL,
	ENGINE_BAD_SERVER, /* it does not keep to the protocol */
	ENGINE_CANNOT_PLAY, /* the title's format */
	ENGINE_LOST, /* it played, and could not be resumed */
	ENGINE_FAILURE_COUNT
};

/* Any of them may be NULL. */
struct engine_events {
	/* REASON is a sentence when it failed or reconnects, else "". */
	void (*state)(void *context, enum engine_state state,
	    enum engine_failure failure, const char *reason);
	/* The percentage changed; state stays. */
	void (*buffered)(void *context, unsigned percent);
	/* The first picture is shown: while it is buffering, never before. */
	void (*picture)(void *context, uint64_t position_us);
	/* Tags, tracks or duration became known or changed. */
	void (*information)(void *context);
	/*
	 * A script command is due: TYPE "URL", "TEXT", "CAPTION" …, TEXT what
	 * it says.  Nothing is ever done about an URL but to show it.
	 */
	void (*script)(void *context, const char *type, const char *text);
	/* Something to be said once, that changes nothing: no sound device. */
	void (*notice)(void *context, const char *sentence);
};

enum engine_transport { ENGINE_AUTOMATIC, ENGINE_UDP, ENGINE_TCP };

struct engine_options {
	/* Taken (sunk); NULL: pictures are decoded and not shown. */
	GstElement *video_sink;
	/* Taken; NULL: the system's sound, or none when there is no device. */
	GstElement *audio_sink;
	/* Sinks get what the decoders give, nothing is converted. */
	bool native;
	enum engine_transport transport; /* of rtsp://; rtspu, rtspt have one */
	unsigned latency_ms; /* how long a packet is waited for; 0: 200 */
	unsigned give_up_ms; /* no longer tries to resume; 0: 30 s */
};

/* Initialises GStreamer.  0 or -errno; free accepts NULL. */
int engine_new(const struct engine_options *options,
    const struct engine_events *events, void *context, struct engine **out);
void engine_free(struct engine *engine);

/*
 * Whatever plays is stopped; then URL plays from its start, or from
 * POSITION_US. rtsp://, rtspu://, rtspt://, file:// or what else GStreamer has
 * a source for.
 */
void engine_open(struct engine *engine, const char *url, uint64_t position_us);
void engine_play(struct engine *engine); /* behind an end: from the start */
void engine_pause(struct engine *engine);
void engine_stop(struct engine *engine); /* ENGINE_STOPPED */
/*
 * To the key frame there or before.  While a seek is under way the last one
 * asked for is remembered, and done next.
 */
void engine_seek(struct engine *engine, uint64_t position_us);

enum engine_state engine_state(const struct engine *engine);
unsigned engine_buffered_percent(const struct engine *engine);
uint64_t engine_position_us(
    struct engine *engine); /* of a seek under way too */
uint64_t engine_duration_us(struct engine *engine); /* 0: not known */
bool engine_is_seekable(struct engine *engine);

/* As the ear hears it: 0.0 silent, 1.0 as it is. */
void engine_set_volume(struct engine *engine, double volume);
double engine_volume(const struct engine *engine);
void engine_set_muted(struct engine *engine, bool muted);
bool engine_is_muted(const struct engine *engine);

/* Tracks: one of each kind plays. */
enum engine_kind { ENGINE_AUDIO, ENGINE_VIDEO };
#define ENGINE_TRACKS_MAX 32
struct engine_track {
	enum engine_kind kind;
	unsigned number; /* names it in engine_choose() */
	bool chosen;
	char language[16]; /* "en", "" if not told */
	char codec[64]; /* "Windows Media Audio 9", "" if not told */
	uint64_t bit_rate_bps; /* 0: not told */
	unsigned width, height, channels, sample_rate_hz; /* 0: not told */
};
size_t engine_tracks(struct engine *engine,
    struct engine_track tracks[static ENGINE_TRACKS_MAX]);
void engine_choose(
    struct engine *engine, enum engine_kind kind, unsigned number);

struct engine_tags { /* UTF-8, "" if not told */
	char title[256], author[256], copyright[256], description[256];
};
void engine_tags(const struct engine *engine, struct engine_tags *out);

struct engine_statistics {
	bool has_network; /* else only the bit rate is told */
	uint64_t
	    bit_rate_bps; /* received in the last seconds; else the title's */
	uint64_t received_packets, received_bytes; /* RTP */
	uint64_t lost_packets; /* never came */
	uint64_t recovered_packets; /* came late or twice, but in time */
	uint64_t reordered_packets;
	uint64_t duplicate_packets;
	uint64_t damaged_packets; /* ASF packets dropped */
	uint64_t media_packets; /* ASF packets passed on */
	unsigned jitter_us;
	unsigned reconnects;
	uint64_t buffered_us; /* how long it goes on by itself */
	uint64_t network_gap_us; /* the longest without a packet */
	uint64_t viewer_gap_us; /* the longest that playing stood still */
	uint64_t frames_shown, frames_dropped;
	const char *transport; /* "UDP", "TCP", "file" */
	char server[128]; /* host:port, or "" */
	char software[64]; /* what it calls itself, or "" */
};
void engine_statistics(struct engine *engine, struct engine_statistics *out);

#endif
