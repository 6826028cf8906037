/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine: GStreamer's playbin with our source, and what the viewer is told
 * about it.  What he wants (to play, to pause, a position) is kept apart from
 * what the pipeline is able to do at the moment; what that says is read in
 * engine_messages.c.
 */
#include "player/engine.h"

#include <errno.h>
#include <gst/audio/streamvolume.h>
#include <string.h>

#include "base/base.h"
#include "player/engine_parts.h"
#include "player/sound.h"
#include "player/source.h"
#include "player/tracks.h"

#define DEFAULT_LATENCY_MS 200
#define DEFAULT_GIVE_UP_MS 30000
#define CAPTIONS_MS 100 /* between two looks whether any are due */

/* Bits of playbin's flags (GstPlayFlags is not in its headers). */
enum play_flag {
	PLAY_VIDEO = 1 << 0,
	PLAY_AUDIO = 1 << 1,
	PLAY_SOFT_VOLUME = 1 << 4,
	PLAY_NATIVE_AUDIO = 1 << 5,
	PLAY_NATIVE_VIDEO = 1 << 6,
};

static const char *const state_names[ENGINE_STATE_COUNT] = {
	[ENGINE_STOPPED] = "stopped",
	[ENGINE_CONNECTING] = "connecting",
	[ENGINE_BUFFERING] = "buffering",
	[ENGINE_PLAYING] = "playing",
	[ENGINE_PAUSED] = "paused",
	[ENGINE_RECONNECTING] = "reconnecting",
	[ENGINE_ENDED] = "ended",
	[ENGINE_FAILED] = "failed",
};

const char *
engine_state_name(enum engine_state state)
{
	return state_names[state];
}

/* ---- what the pipeline is to do ---- */

/* The one function that assigns the state. */
void
engine_enter(struct engine *engine, enum engine_state state,
    enum engine_failure failure, const char *sentence)
{
	if (state == engine->state && failure == ENGINE_NO_FAILURE)
		return;
	engine->state = state;
	news_state(engine->news, state, failure, sentence);
}

static uint64_t
now_us(void)
{
	return (uint64_t)g_get_monotonic_time();
}

bool
engine_is_over(const struct engine *engine)
{
	return engine->state == ENGINE_STOPPED ||
	       engine->state == ENGINE_ENDED || engine->state == ENGINE_FAILED;
}

uint64_t
engine_viewer_gap_us(const struct engine *engine)
{
	if (engine->stood_since_us == 0)
		return engine->viewer_gap_us;
	return MAX_OF(engine->viewer_gap_us, now_us() - engine->stood_since_us);
}

/* It stands still from now on, or no longer. */
static void
stand(struct engine *engine, bool stands)
{
	if (!stands) {
		engine->viewer_gap_us = engine_viewer_gap_us(engine);
		engine->stood_since_us = 0;
	} else if (engine->has_played && engine->wants_play &&
		   !engine->is_seeking && engine->stood_since_us == 0) {
		engine->stood_since_us = now_us();
	}
}

void
engine_pursue(struct engine *engine)
{
	bool plays = engine->wants_play && engine->has_prerolled &&
		     !engine->is_buffering && !engine->is_seeking;

	if (engine_is_over(engine))
		return;
	if (plays && !engine->has_played &&
	    engine->options.audio_sink == NULL &&
	    sound_begin(engine->sinks.audio, &engine->is_silent))
		news_notice(engine->news,
		    "There is no sound device that works: the title plays "
		    "without sound.");
	gst_element_set_state(
	    engine->playbin, plays ? GST_STATE_PLAYING : GST_STATE_PAUSED);
	stand(engine, !plays && engine->wants_play);
	if (plays)
		engine->has_played = true;
	if (engine->is_reconnecting)
		return; /* told already */
	if (!engine->wants_play && engine->has_prerolled)
		engine_enter(engine, ENGINE_PAUSED, ENGINE_NO_FAILURE, "");
	else if (plays)
		engine_enter(engine, ENGINE_PLAYING, ENGINE_NO_FAILURE, "");
	else if (engine->has_arrived)
		engine_enter(engine, ENGINE_BUFFERING, ENGINE_NO_FAILURE, "");
}

void
engine_fail(
    struct engine *engine, enum engine_failure failure, const char *sentence)
{
	if (engine_is_over(engine))
		return;
	engine->last_us = engine_position_us(engine);
	engine_enter(engine, ENGINE_FAILED, failure, sentence);
	gst_element_set_state(engine->playbin, GST_STATE_NULL);
}

void
engine_seek_now(struct engine *engine, uint64_t position_us)
{
	engine->is_seeking = true;
	engine->seek_us = position_us;
	captions_go_to(engine->captions, position_us);
	engine->stood_since_us = 0;
	if (gst_element_seek_simple(engine->playbin, GST_FORMAT_TIME,
		GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT,
		(gint64)(position_us * GST_USECOND)))
		return;
	engine->is_seeking = false;
	news_notice(engine->news, "This title cannot be moved about in.");
}

/* ---- while it plays ---- */

/* playbin made its source: if it is ours, it is told what it should know. */
static void
on_source_setup(GstElement *playbin, GstElement *source, gpointer context)
{
	struct engine *engine = context;
	const struct engine_options *options = &engine->options;

	(void)playbin;
	if (!source_is_ours(source))
		return;
	gst_object_replace(
	    (GstObject **)&engine->source, GST_OBJECT_CAST(source));
	g_object_set(source, "transport", (int)options->transport, "latency",
	    options->latency_ms != 0 ? options->latency_ms : DEFAULT_LATENCY_MS,
	    "give-up",
	    options->give_up_ms != 0 ? options->give_up_ms : DEFAULT_GIVE_UP_MS,
	    NULL);
	source_begin_at(source, engine->start_us);
	sinks_show_first(&engine->sinks, true);
	if (engine->has_chosen)
		source_choose(source, &engine->chosen);
}

static void
watch_progress(struct engine *engine, uint64_t position_us)
{
	bool plays = engine->state == ENGINE_PLAYING;
	bool waits = engine->has_prerolled && !plays && !engine->is_buffering;
	struct client_status status;
	struct progress_look look;

	if (engine_is_over(engine) || engine->source == NULL ||
	    !source_status(engine->source, &status))
		return;
	look = (struct progress_look){
		.now_us = now_us(),
		.position_us = position_us,
		.bytes = status.bytes,
		.wanted_bps = tracks_bps(engine->playbin, engine->source),
		.percent = engine->percent,
		.plays = plays,
		.waits = waits || engine->is_seeking || engine->is_reconnecting,
	};
	if (!progress_look(&engine->progress, &look))
		return;
	/* When there is enough, it may be on its way through the decoders. */
	if (engine->has_prerolled || engine->is_buffering ||
	    status.buffered_us == 0)
		engine_fail(engine, ENGINE_CANNOT_PLAY, ENGINE_UNDECODABLE);
}

/* What our source makes of a header has no commands in it. */
static const struct prologue *
find_prologue(void *context)
{
	struct engine *engine = context;

	return engine->source != NULL ? source_prologue(engine->source) : NULL;
}

static gboolean
on_look(gpointer context)
{
	struct engine *engine = context;
	uint64_t position_us = engine_position_us(engine);

	watch_progress(engine, position_us);
	if (engine->state == ENGINE_PLAYING)
		captions_tell(
		    engine->captions, position_us, news_script, engine->news);
	engine_look_later(engine);
	return G_SOURCE_REMOVE;
}

/* Each look wakes a processor that may sleep: no oftener than needed. */
void
engine_look_later(struct engine *engine)
{
	g_clear_handle_id(&engine->looker, g_source_remove);
	engine->looker = g_timeout_add(captions_may_come(engine->captions)
					   ? CAPTIONS_MS
					   : PROGRESS_LOOK_MS,
	    on_look, engine);
}

static void
on_element_setup(GstElement *playbin, GstElement *element, gpointer context)
{
	GstElementFactory *factory = gst_element_get_factory(element);
	struct engine *engine = context;

	(void)playbin;
	if (factory == NULL ||
	    strcmp(GST_OBJECT_NAME(factory), "asfdemux") != 0)
		return;
	captions_watch(engine->captions, element);
	demuxer_watch(element, engine->source == NULL, &engine->seen);
}

/* playbin takes the first of several pictures unless it is told before. */
static void
on_video_changed(GstElement *playbin, gpointer context)
{
	struct engine *engine = context;
	unsigned best = atomic_load(&engine->seen.best_video);
	int count;

	g_object_get(playbin, "n-video", &count, NULL);
	if (best == 0 || best != (unsigned)count - 1)
		return;
	tracks_choose(playbin, ENGINE_VIDEO, best);
	atomic_store(&engine->seen.best_video, 0); /* once */
}

/* ---- beginning and end ---- */

static int
use_sound(struct engine *engine, GstElement *sink)
{
	if (sink == NULL)
		return -ENOENT;
	sinks_set_audio(&engine->sinks, sink);
	return 0;
}

static int
make_pipeline(struct engine *engine)
{
	const struct engine_options *options = &engine->options;
	GstElement *video = options->video_sink;
	int flags = PLAY_VIDEO | PLAY_AUDIO;
	GstBus *bus;

	engine->playbin = gst_element_factory_make("playbin", NULL);
	if (engine->playbin == NULL)
		return -ENOENT; /* gstreamer1.0-plugins-base is missing */
	gst_object_ref_sink(engine->playbin);
	engine->sinks.playbin = engine->playbin;
	if (video == NULL)
		video = sound_new_silent();
	if (video == NULL)
		return -ENOENT;
	flags |= options->native ? PLAY_NATIVE_AUDIO | PLAY_NATIVE_VIDEO
				 : PLAY_SOFT_VOLUME;
	g_object_set(engine->playbin, "flags", flags, NULL);
	sinks_set_video(&engine->sinks, video);
	g_signal_connect(engine->playbin, "source-setup",
	    G_CALLBACK(on_source_setup), engine);
	g_signal_connect(engine->playbin, "element-setup",
	    G_CALLBACK(on_element_setup), engine);
	g_signal_connect(engine->playbin, "video-changed",
	    G_CALLBACK(on_video_changed), engine);
	bus = gst_element_get_bus(engine->playbin);
	engine->bus_watch = gst_bus_add_watch(bus, engine_on_message, engine);
	gst_object_unref(bus);
	engine_look_later(engine);
	return use_sound(engine,
	    options->audio_sink != NULL ? options->audio_sink : sound_new());
}

int
engine_new(const struct engine_options *options,
    const struct engine_events *events, void *context, struct engine **out)
{
	struct engine *engine = g_new0(struct engine, 1);
	int error;

	gst_init(NULL, NULL);
	source_register(NULL, GST_RANK_PRIMARY + 100);
	engine->options = *options;
	engine->news = news_new(events, context);
	engine->volume = 1.0;
	engine->captions = captions_new(find_prologue, engine);
	error = make_pipeline(engine);
	if (error != 0) {
		engine_free(engine);
		return error;
	}
	*out = engine;
	return 0;
}

/* The pipeline is at rest, and forgets what it played. */
static void
rest(struct engine *engine)
{
	GstBus *bus = gst_element_get_bus(engine->playbin);

	gst_element_set_state(engine->playbin, GST_STATE_NULL);
	gst_bus_set_flushing(bus, TRUE); /* nothing of it is news now */
	gst_bus_set_flushing(bus, FALSE);
	gst_object_unref(bus);
	gst_object_replace((GstObject **)&engine->source, NULL);
	engine->has_arrived = false;
	engine->has_prerolled = engine->is_buffering = false;
	engine->is_reconnecting = engine->is_seeking = false;
	engine->has_next_seek = engine->has_played = false;
	engine->percent = 0;
	engine->lacking = NULL;
	atomic_store(&engine->seen.has_media, false);
	atomic_store(&engine->seen.best_video, 0);
	captions_forget(engine->captions);
	engine->stood_since_us = engine->start_us = engine->last_us = 0;
	engine->breaking.kind = FAILURE_NONE;
}

void
engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	if (engine->playbin != NULL) {
		rest(engine);
		if (engine->bus_watch != 0)
			g_source_remove(engine->bus_watch);
		gst_object_unref(engine->playbin);
	}
	g_clear_handle_id(&engine->looker, g_source_remove);
	news_free(engine->news);
	captions_free(engine->captions);
	g_free(engine->url);
	g_free(engine);
}

/* A path as a URI; else as it is. */
static char *
make_uri(const char *url)
{
	char *uri = NULL;

	if (!gst_uri_is_valid(url))
		uri = gst_filename_to_uri(url, NULL);
	return uri != NULL ? uri : g_strdup(url);
}

static void
begin(struct engine *engine, uint64_t position_us)
{
	char *uri = make_uri(engine->url);

	rest(engine);
	engine->start_us = position_us;
	sinks_show_first(&engine->sinks, position_us == 0);
	captions_go_to(engine->captions, position_us);
	progress_begin(&engine->progress, now_us());
	engine_enter(engine, ENGINE_CONNECTING, ENGINE_NO_FAILURE, "");
	if (!gst_uri_is_valid(uri)) {
		engine_fail(engine, ENGINE_BAD_URL,
		    "This is not the address of a title.");
		g_free(uri);
		return;
	}
	g_object_set(engine->playbin, "uri", uri, NULL);
	g_free(uri);
	engine_set_volume(engine, engine->volume);
	engine_set_muted(engine, engine->is_muted);
	gst_element_set_state(engine->playbin, GST_STATE_PAUSED);
}

void
engine_lose_sound(struct engine *engine)
{
	uint64_t position_us = engine_position_us(engine);

	rest(engine);
	if (engine->has_lost_sound)
		use_sound(engine, sound_new_silent());
	engine->has_lost_sound = true;
	begin(engine, position_us);
}

void
engine_open(struct engine *engine, const char *url, uint64_t position_us)
{
	g_free(engine->url);
	engine->url = g_strdup(url);
	engine->wants_play = true;
	engine->has_chosen = false;
	engine->viewer_gap_us = 0;
	if (engine->has_lost_sound) { /* it may be back */
		engine->has_lost_sound = false;
		rest(engine);
		use_sound(engine, sound_new());
	}
	memset(&engine->tags, 0, sizeof(engine->tags));
	begin(engine, position_us);
}

void
engine_play(struct engine *engine)
{
	engine->wants_play = true;
	if (engine->url == NULL)
		return;
	if (engine_is_over(engine))
		begin(engine, 0);
	else
		engine_pursue(engine);
}

void
engine_pause(struct engine *engine)
{
	engine->wants_play = false;
	engine_pursue(engine);
}

void
engine_stop(struct engine *engine)
{
	rest(engine);
	engine_enter(engine, ENGINE_STOPPED, ENGINE_NO_FAILURE, "");
}

void
engine_seek(struct engine *engine, uint64_t position_us)
{
	if (engine->state == ENGINE_ENDED) {
		/* The pipeline is still there: it goes on from there. */
		engine_enter(engine, ENGINE_BUFFERING, ENGINE_NO_FAILURE, "");
	}
	if (engine_is_over(engine))
		return;
	if (engine->is_seeking || !engine->has_prerolled) {
		engine->has_next_seek = true;
		engine->next_seek_us = position_us;
		return;
	}
	engine_seek_now(engine, position_us);
	engine_pursue(engine);
}

/* ---- what is asked of it ---- */

enum engine_state
engine_state(const struct engine *engine)
{
	return engine->state;
}

unsigned
engine_buffered_percent(const struct engine *engine)
{
	return engine->percent;
}

uint64_t
engine_position_us(struct engine *engine)
{
	if (engine->state == ENGINE_FAILED)
		return engine->last_us;
	if (engine->has_next_seek)
		return engine->next_seek_us;
	if (engine->is_seeking)
		return engine->seek_us;
	if (engine->start_us != 0)
		return engine->start_us;
	return engine->has_prerolled ? sinks_position_us(&engine->sinks) : 0;
}

uint64_t
engine_duration_us(struct engine *engine)
{
	struct client_status status;
	gint64 duration;

	if (engine->source != NULL)
		return source_status(engine->source, &status)
			   ? status.duration_us
			   : 0;
	if (!gst_element_query_duration(
		engine->playbin, GST_FORMAT_TIME, &duration) ||
	    duration < 0)
		return 0;
	return (uint64_t)duration / GST_USECOND;
}

bool
engine_is_seekable(struct engine *engine)
{
	GstQuery *query = gst_query_new_seeking(GST_FORMAT_TIME);
	gboolean seekable = FALSE;

	if (gst_element_query(engine->playbin, query))
		gst_query_parse_seeking(query, NULL, &seekable, NULL, NULL);
	gst_query_unref(query);
	return seekable;
}

void
engine_set_volume(struct engine *engine, double volume)
{
	engine->volume = CLAMP(volume, 0.0, 1.0);
	gst_stream_volume_set_volume(GST_STREAM_VOLUME(engine->playbin),
	    GST_STREAM_VOLUME_FORMAT_CUBIC, engine->volume);
}

double
engine_volume(const struct engine *engine)
{
	return engine->volume;
}

void
engine_set_muted(struct engine *engine, bool muted)
{
	engine->is_muted = muted;
	gst_stream_volume_set_mute(GST_STREAM_VOLUME(engine->playbin), muted);
}

bool
engine_is_muted(const struct engine *engine)
{
	return engine->is_muted;
}

void
engine_tags(const struct engine *engine, struct engine_tags *out)
{
	*out = engine->tags;
}

/* ---- tracks ---- */

size_t
engine_tracks(
    struct engine *engine, struct engine_track tracks[static ENGINE_TRACKS_MAX])
{
	return tracks_list(engine->playbin, engine->source, tracks);
}

void
engine_choose(struct engine *engine, enum engine_kind kind, unsigned number)
{
	if (engine_is_over(engine))
		return;
	if (engine->source != NULL) {
		/* A server is asked anew, and the title plays on from here. */
		engine->chosen = tracks_with(engine->source, kind, number);
		engine->has_chosen = true;
		begin(engine, engine_position_us(engine));
	} else {
		tracks_choose(engine->playbin, kind, number);
	}
	news_information(engine->news);
}
