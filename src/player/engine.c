/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine: GStreamer's playbin with our source, and what the viewer is told
 * about it.  What he wants (to play, to pause, a position) is kept apart from
 * what the pipeline is able to do at the moment.
 */
#include "player/engine.h"

#include <errno.h>
#include <gst/audio/streamvolume.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "player/captions.h"
#include "player/demuxer.h"
#include "player/sound.h"
#include "player/source.h"

#define DEFAULT_LATENCY_MS 200
#define DEFAULT_GIVE_UP_MS 30000
#define LOOK_MS 500 /* whether it is stuck */
#define CAPTIONS_MS 100 /* and whether captions are due */
#define UNDECODABLE "What the server sends cannot be decoded."
#define STUCK_US (5 * US_PER_SECOND)
#define FILE_WAIT_US (US_PER_SECOND / 10)

/* Bits of playbin's flags (GstPlayFlags is not in its headers). */
enum play_flag {
	PLAY_VIDEO = 1 << 0,
	PLAY_AUDIO = 1 << 1,
	PLAY_SOFT_VOLUME = 1 << 4,
	PLAY_NATIVE_AUDIO = 1 << 5,
	PLAY_NATIVE_VIDEO = 1 << 6,
};

/* What is told, but not from within a function of ours. */
struct news {
	enum {
		NEWS_STATE,
		NEWS_BUFFERED,
		NEWS_PICTURE,
		NEWS_INFORMATION,
		NEWS_NOTICE,
	} kind;
	enum engine_state state;
	enum engine_failure failure;
	unsigned percent;
	uint64_t position_us;
	char sentence[256];
};

struct engine {
	struct engine_options options;
	struct engine_events events;
	void *context;
	GstElement *playbin; /* owned */
	GstElement *video_sink, *audio_sink; /* playbin's */
	GstElement *source; /* owned; NULL: none, or not ours */
	guint bus_watch, teller, looker;
	GQueue news;
	char *url;
	enum engine_state state;
	bool wants_play; /* else to pause */
	bool has_arrived; /* something of the title did */
	bool has_prerolled, is_buffering, is_reconnecting;
	bool has_no_sound, has_lost_sound;
	const char *lacking; /* a sentence, to be said when it plays */
	atomic_bool has_media, has_picture; /* set by GStreamer's threads */
	unsigned percent;
	bool is_seeking, has_next_seek;
	uint64_t seek_us, next_seek_us;
	uint64_t start_us; /* where it begins, until it has prerolled */
	uint64_t last_us; /* where it ended */
	struct {
		uint64_t at_us, bytes;
		unsigned percent; /* the most since it buffers */
		uint64_t since_us; /* without times when nothing came */
		uint64_t looked_us, looked_bytes;
	} progress; /* when the position or percent were last more */
	struct failure breaking; /* it ends behind what is buffered */
	double volume;
	bool is_muted;
	bool has_chosen;
	struct asf_set chosen;
	struct engine_tags tags;
	struct captions *captions; /* owned */
	uint32_t script_ms; /* commands before are told */
	/* The longest that it stood still though the viewer wanted to play. */
	bool has_played;
	uint64_t stood_since_us, viewer_gap_us; /* 0: it does not stand */
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

/* ---- telling ---- */

static void
tell_one(struct engine *engine, const struct news *news)
{
	const struct engine_events *events = &engine->events;

	switch (news->kind) {
	case NEWS_STATE:
		if (events->state != NULL)
			events->state(engine->context, news->state,
			    news->failure, news->sentence);
		break;
	case NEWS_BUFFERED:
		if (events->buffered != NULL)
			events->buffered(engine->context, news->percent);
		break;
	case NEWS_PICTURE:
		if (events->picture != NULL)
			events->picture(engine->context, news->position_us);
		break;
	case NEWS_INFORMATION:
		if (events->information != NULL)
			events->information(engine->context);
		break;
	case NEWS_NOTICE:
		if (events->notice != NULL)
			events->notice(engine->context, news->sentence);
		break;
	}
}

static gboolean
tell(gpointer context)
{
	struct engine *engine = context;
	struct news *news = g_queue_pop_head(&engine->news);

	if (g_queue_is_empty(&engine->news))
		engine->teller = 0;
	if (news != NULL) {
		struct news copy = *news;
		bool goes_on = engine->teller != 0;

		/* It may free the engine. */
		g_free(news);
		tell_one(engine, &copy);
		return goes_on;
	}
	return G_SOURCE_REMOVE;
}

static struct news *
add_news(struct engine *engine)
{
	struct news *news = g_new0(struct news, 1);

	g_queue_push_tail(&engine->news, news);
	if (engine->teller == 0)
		engine->teller =
		    g_idle_add_full(G_PRIORITY_DEFAULT, tell, engine, NULL);
	return news;
}

static void
tell_information(struct engine *engine)
{
	add_news(engine)->kind = NEWS_INFORMATION;
}

static void
notice(struct engine *engine, const char *sentence)
{
	struct news *news = add_news(engine);

	news->kind = NEWS_NOTICE;
	g_strlcpy(news->sentence, sentence, sizeof(news->sentence));
}

/* The one function that assigns the state. */
static void
enter(struct engine *engine, enum engine_state state,
    enum engine_failure failure, const char *sentence)
{
	struct news *news;

	if (state == engine->state && failure == ENGINE_NO_FAILURE)
		return;
	engine->state = state;
	news = add_news(engine);
	news->kind = NEWS_STATE;
	news->state = state;
	news->failure = failure;
	g_strlcpy(news->sentence, sentence, sizeof(news->sentence));
}

/* ---- what the pipeline is to do ---- */

static uint64_t
now_us(void)
{
	return (uint64_t)g_get_monotonic_time();
}

static bool
is_over(const struct engine *engine)
{
	return engine->state == ENGINE_STOPPED ||
	       engine->state == ENGINE_ENDED || engine->state == ENGINE_FAILED;
}

/* It stands still from now on, or no longer. */
static void
stand(struct engine *engine, bool stands)
{
	if (!stands && engine->stood_since_us != 0) {
		engine->viewer_gap_us = MAX_OF(
		    engine->viewer_gap_us, now_us() - engine->stood_since_us);
		engine->stood_since_us = 0;
	} else if (stands && engine->has_played && engine->wants_play &&
		   !engine->is_seeking && engine->stood_since_us == 0) {
		engine->stood_since_us = now_us();
	}
}

/* What the viewer wants, as far as it can be. */
static void
pursue(struct engine *engine)
{
	bool plays = engine->wants_play && engine->has_prerolled &&
		     !engine->is_buffering && !engine->is_seeking;

	if (is_over(engine))
		return;
	if (plays && !engine->has_played)
		sound_begin(engine->audio_sink);
	gst_element_set_state(
	    engine->playbin, plays ? GST_STATE_PLAYING : GST_STATE_PAUSED);
	stand(engine, !plays && engine->wants_play);
	if (plays)
		engine->has_played = true;
	if (engine->is_reconnecting)
		return; /* told already */
	if (!engine->wants_play && engine->has_prerolled)
		enter(engine, ENGINE_PAUSED, ENGINE_NO_FAILURE, "");
	else if (plays)
		enter(engine, ENGINE_PLAYING, ENGINE_NO_FAILURE, "");
	else if (engine->has_arrived)
		enter(engine, ENGINE_BUFFERING, ENGINE_NO_FAILURE, "");
}

static void
fail(struct engine *engine, enum engine_failure failure, const char *sentence)
{
	if (is_over(engine))
		return;
	engine->last_us = engine_position_us(engine);
	enter(engine, ENGINE_FAILED, failure, sentence);
	gst_element_set_state(engine->playbin, GST_STATE_NULL);
}

static void
seek_now(struct engine *engine, uint64_t position_us)
{
	engine->is_seeking = true;
	engine->seek_us = position_us;
	engine->script_ms = (uint32_t)(position_us / US_PER_MS);
	engine->stood_since_us = 0;
	if (gst_element_seek_simple(engine->playbin, GST_FORMAT_TIME,
		GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT,
		(gint64)(position_us * GST_USECOND)))
		return;
	engine->is_seeking = false;
	notice(engine, "This title cannot be moved about in.");
}

/* ---- messages ---- */

static enum engine_failure
failure_of(enum failure_kind kind)
{
	return (enum engine_failure)kind;
}
_Static_assert((int)ENGINE_LOST == (int)FAILURE_LOST &&
		   (int)ENGINE_BAD_URL == (int)FAILURE_BAD_URL,
    "the same kinds");

static const struct {
	int code; /* of GStreamer's resource errors */
	enum engine_failure failure;
	const char *sentence;
} resource_errors[] = {
	{ GST_RESOURCE_ERROR_NOT_FOUND, ENGINE_NOT_FOUND,
	    "There is no such title." },
	{ GST_RESOURCE_ERROR_NOT_AUTHORIZED, ENGINE_NOT_ALLOWED,
	    "You are not allowed to watch this title." },
	{ GST_RESOURCE_ERROR_OPEN_READ, ENGINE_NOT_ALLOWED,
	    "This title cannot be opened for reading." },
};

static void
fail_of_error(struct engine *engine, const GError *error)
{
	char sentence[256];

	if (error->domain == GST_RESOURCE_ERROR)
		for (size_t i = 0; i < ARRAY_LENGTH(resource_errors); i++)
			if (resource_errors[i].code == error->code) {
				fail(engine, resource_errors[i].failure,
				    resource_errors[i].sentence);
				return;
			}
	if (error->domain == GST_STREAM_ERROR &&
	    (error->code == GST_STREAM_ERROR_DECRYPT ||
		error->code == GST_STREAM_ERROR_DECRYPT_NOKEY)) {
		fail(engine, ENGINE_CANNOT_PLAY,
		    "This title is protected; it cannot be played here.");
		return;
	}
	if (g_error_matches(
		error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN) ||
	    g_error_matches(
		error, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND)) {
		fail(engine, ENGINE_CANNOT_PLAY,
		    "A decoder for this title is not installed here.");
		return;
	}
	snprintf(sentence, sizeof(sentence),
	    "This title cannot be played (%.200s).", error->message);
	fail(engine, ENGINE_CANNOT_PLAY, sentence);
}

static void lose_sound(struct engine *engine);

/* The device that was found, which may have gone. */
static bool
is_of_sound(const struct engine *engine, GstMessage *message)
{
	return engine->options.audio_sink == NULL && !engine->has_lost_sound &&
	       gst_object_has_as_ancestor(GST_MESSAGE_SRC(message),
		   GST_OBJECT_CAST(engine->audio_sink));
}

static void
on_error(struct engine *engine, GstMessage *message)
{
	const GstStructure *details = NULL;
	GError *error;
	int kind;

	if (is_of_sound(engine, message) && !is_over(engine)) {
		lose_sound(engine);
		return;
	}
	gst_message_parse_error(message, &error, NULL);
	gst_message_parse_error_details(message, &details);
	if (details != NULL &&
	    gst_structure_get_int(details, SOURCE_FAILURE_FIELD, &kind))
		fail(engine, failure_of((enum failure_kind)kind),
		    error->message);
	else
		fail_of_error(engine, error);
	g_error_free(error);
}

static void
on_buffering(struct engine *engine, GstMessage *message)
{
	struct news *news;
	int percent;

	gst_message_parse_buffering(message, &percent);
	if ((unsigned)percent != engine->percent) {
		engine->percent = (unsigned)percent;
		news = add_news(engine);
		news->kind = NEWS_BUFFERED;
		news->percent = engine->percent;
	}
	if (engine->is_buffering == (percent < 100))
		return;
	engine->is_buffering = percent < 100;
	engine->progress.percent = 0;
	pursue(engine);
}

static void
on_arrived(struct engine *engine)
{
	if (engine->has_arrived)
		return;
	engine->has_arrived = true;
	pursue(engine);
}

static void
on_sink(struct engine *engine, const GstStructure *structure)
{
	struct news *news;
	guint64 at;

	on_arrived(engine);
	if (is_over(engine) || !gst_structure_get_uint64(structure, "at", &at))
		return;
	news = add_news(engine);
	news->kind = NEWS_PICTURE;
	news->position_us = at / GST_USECOND;
}

/* That the first picture is shown at once, or as something that is passed on
 * the way to where it begins. */
static void
show_first(struct engine *engine, bool shows)
{
	GObject *sink = G_OBJECT(engine->video_sink);

	atomic_store(&engine->has_picture, !shows);
	if (g_object_class_find_property(
		G_OBJECT_GET_CLASS(sink), "show-preroll-frame") != NULL)
		g_object_set(sink, "show-preroll-frame", shows, NULL);
}

static gboolean on_look(gpointer context);

/* Each look wakes a processor that may sleep: no oftener than needed. */
static void
look_later(struct engine *engine)
{
	g_clear_handle_id(&engine->looker, g_source_remove);
	engine->looker = g_timeout_add(
	    captions_may_come(engine->captions) ? CAPTIONS_MS : LOOK_MS,
	    on_look, engine);
}

static void
on_prerolled(struct engine *engine)
{
	uint64_t start_us = engine->start_us;

	engine->has_prerolled = true;
	engine->is_seeking = false;
	engine->start_us = 0;
	if (engine->lacking != NULL)
		notice(engine, engine->lacking);
	engine->lacking = NULL; /* said once */
	engine->progress.at_us = 0; /* it may be before where it was to go */
	if (engine->has_next_seek) {
		engine->has_next_seek = false;
		seek_now(engine, engine->next_seek_us);
	} else if (start_us != 0 && engine->source == NULL) {
		show_first(engine, true); /* ours began there */
		seek_now(engine, start_us);
	}
	pursue(engine);
	tell_information(engine);
	look_later(engine); /* its header is known by now */
}

/* Of the streams that play: the rest of the title goes on without. */
static void
on_missing(struct engine *engine, const GstStructure *structure)
{
	GstCaps *caps = NULL;
	const char *media;

	if (!gst_structure_get(structure, "detail", GST_TYPE_CAPS, &caps, NULL))
		return; /* not a decoder */
	media = gst_structure_get_name(gst_caps_get_structure(caps, 0));
	if (g_str_has_prefix(media, "video/"))
		engine->lacking = "A decoder for this title's pictures is not "
				  "installed here: it plays without them.";
	else if (g_str_has_prefix(media, "audio/"))
		engine->lacking = "A decoder for this title's sound is not "
				  "installed here: it plays without it.";
	gst_caps_unref(caps);
}

static void
on_source(struct engine *engine, const GstStructure *structure)
{
	const char *state = gst_structure_get_string(structure, "state");
	const char *reason = gst_structure_get_string(structure, "reason");
	int kind = FAILURE_NONE;

	if (gst_structure_has_name(structure, SOURCE_TITLE_MESSAGE)) {
		on_arrived(engine);
		tell_information(engine);
		return;
	}
	if (!gst_structure_has_name(structure, SOURCE_STATE_MESSAGE) ||
	    is_over(engine))
		return;
	gst_structure_get_int(structure, SOURCE_FAILURE_FIELD, &kind);
	if (strcmp(state, "failed") == 0) {
		failure_set(
		    &engine->breaking, (enum failure_kind)kind, "%s", reason);
		return;
	}
	engine->is_reconnecting = strcmp(state, "reconnecting") == 0;
	if (engine->is_reconnecting)
		enter(engine, ENGINE_RECONNECTING, ENGINE_NO_FAILURE, reason);
	else
		pursue(engine);
}

static void
copy_tag(const GstTagList *list, const char *name, char out[256], bool *changed)
{
	const char *end;
	char *text;

	if (!gst_tag_list_get_string(list, name, &text))
		return;
	/* What is too long ends with a whole character. */
	g_utf8_validate(text, (gssize)MIN_OF(strlen(text), (size_t)255), &end);
	text[end - text] = '\0';
	if (strcmp(text, out) != 0) {
		g_strlcpy(out, text, 256);
		*changed = true;
	}
	g_free(text);
}

static void
on_tags(struct engine *engine, GstMessage *message)
{
	bool changed = false;
	GstTagList *list;

	gst_message_parse_tag(message, &list);
	copy_tag(list, GST_TAG_TITLE, engine->tags.title, &changed);
	copy_tag(list, GST_TAG_ARTIST, engine->tags.author, &changed);
	copy_tag(list, GST_TAG_COPYRIGHT, engine->tags.copyright, &changed);
	copy_tag(list, GST_TAG_DESCRIPTION, engine->tags.description, &changed);
	gst_tag_list_unref(list);
	if (changed)
		tell_information(engine);
}

static void
on_end(struct engine *engine)
{
	engine->stood_since_us = 0;
	if (is_over(engine))
		return;
	if (engine->breaking.kind != FAILURE_NONE)
		fail(engine, failure_of(engine->breaking.kind),
		    engine->breaking.sentence);
	else if (engine->source != NULL && !atomic_load(&engine->has_media))
		fail(engine, ENGINE_CANNOT_PLAY, UNDECODABLE);
	else
		enter(engine, ENGINE_ENDED, ENGINE_NO_FAILURE, "");
}

static gboolean
on_message(GstBus *bus, GstMessage *message, gpointer context)
{
	struct engine *engine = context;
	bool is_whole =
	    GST_MESSAGE_SRC(message) == GST_OBJECT_CAST(engine->playbin);

	(void)bus;
	switch (GST_MESSAGE_TYPE(message)) {
	case GST_MESSAGE_ERROR:
		on_error(engine, message);
		break;
	case GST_MESSAGE_EOS:
		on_end(engine);
		break;
	case GST_MESSAGE_BUFFERING:
		on_buffering(engine, message);
		break;
	case GST_MESSAGE_APPLICATION:
		on_sink(engine, gst_message_get_structure(message));
		break;
	case GST_MESSAGE_ASYNC_DONE:
		if (is_whole && !is_over(engine))
			on_prerolled(engine);
		break;
	case GST_MESSAGE_TAG:
		on_tags(engine, message);
		break;
	case GST_MESSAGE_ELEMENT:
		if (gst_message_has_name(message, "missing-plugin"))
			on_missing(engine, gst_message_get_structure(message));
		else
			on_source(engine, gst_message_get_structure(message));
		break;
	case GST_MESSAGE_DURATION_CHANGED:
		tell_information(engine);
		break;
	case GST_MESSAGE_CLOCK_LOST:
		gst_element_set_state(engine->playbin, GST_STATE_PAUSED);
		pursue(engine);
		break;
	case GST_MESSAGE_LATENCY:
		gst_bin_recalculate_latency(GST_BIN(engine->playbin));
		break;
	default:
		break;
	}
	return G_SOURCE_CONTINUE;
}

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
	show_first(engine, true);
	if (engine->has_chosen)
		source_choose(source, &engine->chosen);
}

/* Of the tracks that play; 0: not told. */
static uint64_t
wanted_bps(struct engine *engine)
{
	struct engine_track tracks[ENGINE_TRACKS_MAX];
	size_t count = engine_tracks(engine, tracks);
	uint64_t bps = 0;

	for (size_t i = 0; i < count; i++)
		if (tracks[i].chosen)
			bps += tracks[i].bit_rate_bps;
	return bps;
}

/*
 * A server that sends and sends while the title does not begin, or does not go
 * on, sends something else than was described.
 */
static void
watch_progress(struct engine *engine, uint64_t position_us)
{
	struct client_status status;
	bool plays = engine->state == ENGINE_PLAYING;
	bool waits = engine->has_prerolled && !plays && !engine->is_buffering;
	uint64_t passed_us;

	if (is_over(engine) || engine->source == NULL ||
	    !source_status(engine->source, &status))
		return;
	/* When nothing comes, our source knows why; and of a time in which
	 * nobody looked it is not known how much came when. */
	passed_us = now_us() - engine->progress.looked_us;
	if (status.bytes != engine->progress.looked_bytes)
		passed_us -= MIN_OF(passed_us, LOOK_MS * US_PER_MS);
	engine->progress.since_us += passed_us;
	engine->progress.looked_bytes = status.bytes;
	engine->progress.looked_us = now_us();
	if (waits || engine->is_seeking || engine->is_reconnecting ||
	    position_us > engine->progress.at_us ||
	    engine->percent > engine->progress.percent) {
		engine->progress.at_us = position_us;
		engine->progress.since_us = now_us();
		engine->progress.bytes = status.bytes;
		engine->progress.percent = engine->percent;
		return;
	}
	if (now_us() - engine->progress.since_us < STUCK_US)
		return;
	/* When there is enough, it may be on its way through the decoders. */
	if (!engine->has_prerolled && !engine->is_buffering &&
	    status.buffered_us > 0)
		return;
	if ((status.bytes - engine->progress.bytes) * 8 * US_PER_SECOND >=
	    wanted_bps(engine) * STUCK_US * (plays ? 8 : 1) / 2)
		fail(engine, ENGINE_CANNOT_PLAY, UNDECODABLE);
}

static void
tell_script(struct engine *engine, uint64_t position_us)
{
	uint32_t end_ms = (uint32_t)(position_us / US_PER_MS) + 1;

	if (engine->state != ENGINE_PLAYING || engine->events.script == NULL)
		return;
	captions_tell(engine->captions, engine->script_ms, end_ms,
	    engine->events.script, engine->context);
	engine->script_ms = MAX_OF(engine->script_ms, end_ms);
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
	tell_script(engine, position_us);
	look_later(engine);
	return G_SOURCE_REMOVE;
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
	/* Of a file sound is there in a moment; else there is time enough for
	 * it, and for its decoder, until what is wanted is buffered. */
	demuxer_watch(element, engine->source == NULL ? FILE_WAIT_US : 0,
	    &engine->has_media);
}

/*
 * A segment comes before what it is about.  Of titles that are not our
 * source's that is the first sign; this message is ahead of all that the sink
 * says of it.
 */
static GstPadProbeReturn
on_sink_event(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	struct engine *engine = context;

	(void)pad;
	if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_SEGMENT)
		gst_element_post_message(engine->playbin,
		    gst_message_new_application(GST_OBJECT(engine->playbin),
			gst_structure_new_empty("arrived")));
	return GST_PAD_PROBE_OK;
}

/* The first one is shown at once, played or not. */
static GstPadProbeReturn
on_picture(GstPad *pad, GstPadProbeInfo *info, gpointer context)
{
	GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
	guint64 at =
	    GST_BUFFER_PTS_IS_VALID(buffer) ? GST_BUFFER_PTS(buffer) : 0;
	struct engine *engine = context;

	(void)pad;
	if (!atomic_exchange(&engine->has_picture, true))
		gst_element_post_message(engine->playbin,
		    gst_message_new_application(GST_OBJECT(engine->playbin),
			gst_structure_new(
			    "picture", "at", G_TYPE_UINT64, at, NULL)));
	return GST_PAD_PROBE_OK;
}

static void
watch_sink(struct engine *engine, GstElement *sink)
{
	GstPad *pad = gst_element_get_static_pad(sink, "sink");

	gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
	    on_sink_event, engine, NULL);
	if (sink == engine->video_sink)
		gst_pad_add_probe(
		    pad, GST_PAD_PROBE_TYPE_BUFFER, on_picture, engine, NULL);
	gst_object_unref(pad);
}

/* ---- beginning and end ---- */

/* NULL: what plays is not heard; it is said when it begins. */
static int
use_sound(struct engine *engine, GstElement *sink)
{
	engine->has_no_sound = sink == NULL;
	engine->audio_sink = sink != NULL ? sink : sound_new_silent();
	if (engine->audio_sink == NULL)
		return -ENOENT;
	g_object_set(engine->playbin, "audio-sink", engine->audio_sink, NULL);
	watch_sink(engine, engine->audio_sink);
	return 0;
}

static int
make_pipeline(struct engine *engine)
{
	const struct engine_options *options = &engine->options;
	int flags = PLAY_VIDEO | PLAY_AUDIO;
	GstBus *bus;

	engine->playbin = gst_element_factory_make("playbin", NULL);
	if (engine->playbin == NULL)
		return -ENOENT; /* gstreamer1.0-plugins-base is missing */
	gst_object_ref_sink(engine->playbin);
	engine->video_sink = options->video_sink != NULL ? options->video_sink
							 : sound_new_silent();
	if (engine->video_sink == NULL)
		return -ENOENT;
	flags |= options->native ? PLAY_NATIVE_AUDIO | PLAY_NATIVE_VIDEO
				 : PLAY_SOFT_VOLUME;
	g_object_set(engine->playbin, "flags", flags, "video-sink",
	    engine->video_sink, NULL);
	watch_sink(engine, engine->video_sink);
	g_signal_connect(engine->playbin, "source-setup",
	    G_CALLBACK(on_source_setup), engine);
	g_signal_connect(engine->playbin, "element-setup",
	    G_CALLBACK(on_element_setup), engine);
	bus = gst_element_get_bus(engine->playbin);
	engine->bus_watch = gst_bus_add_watch(bus, on_message, engine);
	gst_object_unref(bus);
	look_later(engine);
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
	engine->events = *events;
	engine->context = context;
	engine->volume = 1.0;
	engine->captions = captions_new(find_prologue, engine);
	g_queue_init(&engine->news);
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
	engine->percent = engine->script_ms = 0;
	engine->lacking = NULL;
	atomic_store(&engine->has_media, false);
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
	if (engine->teller != 0)
		g_source_remove(engine->teller);
	if (engine->looker != 0)
		g_source_remove(engine->looker);
	g_queue_clear_full(&engine->news, g_free);
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
	show_first(engine, position_us == 0);
	engine->script_ms = (uint32_t)(position_us / US_PER_MS);
	engine->progress.at_us = engine->progress.bytes = 0;
	engine->progress.percent = 0;
	engine->progress.since_us = engine->progress.looked_us = now_us();
	enter(engine, ENGINE_CONNECTING, ENGINE_NO_FAILURE, "");
	if (!gst_uri_is_valid(uri)) {
		fail(engine, ENGINE_BAD_URL,
		    "This is not the address of a title.");
		g_free(uri);
		return;
	}
	g_object_set(engine->playbin, "uri", uri, NULL);
	g_free(uri);
	gst_stream_volume_set_volume(GST_STREAM_VOLUME(engine->playbin),
	    GST_STREAM_VOLUME_FORMAT_CUBIC, engine->volume);
	gst_stream_volume_set_mute(
	    GST_STREAM_VOLUME(engine->playbin), engine->is_muted);
	gst_element_set_state(engine->playbin, GST_STATE_PAUSED);
	if (engine->has_no_sound) {
		engine->has_no_sound = false; /* said once */
		notice(engine, "There is no sound device that works: the "
			       "title plays without sound.");
	}
}

/* On from here without it. */
static void
lose_sound(struct engine *engine)
{
	uint64_t position_us = engine_position_us(engine);

	rest(engine);
	engine->has_lost_sound = true;
	use_sound(engine, NULL);
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
	if (is_over(engine))
		begin(engine, 0);
	else
		pursue(engine);
}

void
engine_pause(struct engine *engine)
{
	engine->wants_play = false;
	pursue(engine);
}

void
engine_stop(struct engine *engine)
{
	rest(engine);
	enter(engine, ENGINE_STOPPED, ENGINE_NO_FAILURE, "");
}

void
engine_seek(struct engine *engine, uint64_t position_us)
{
	if (engine->state == ENGINE_ENDED) {
		/* The pipeline is still there: it goes on from there. */
		enter(engine, ENGINE_BUFFERING, ENGINE_NO_FAILURE, "");
	}
	if (is_over(engine))
		return;
	if (engine->is_seeking || !engine->has_prerolled) {
		engine->has_next_seek = true;
		engine->next_seek_us = position_us;
		return;
	}
	seek_now(engine, position_us);
	pursue(engine);
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

/* One that has ended tells the title's end. */
static uint64_t
played_us(struct engine *engine)
{
	GstElement *const sinks[] = { engine->video_sink, engine->audio_sink };
	gint64 position, least = -1;

	for (size_t i = 0; i < ARRAY_LENGTH(sinks); i++)
		if (gst_element_query_position(
			sinks[i], GST_FORMAT_TIME, &position) &&
		    position >= 0 && (least < 0 || position < least))
			least = position;
	return least < 0 ? 0 : (uint64_t)least / GST_USECOND;
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
	return engine->has_prerolled ? played_us(engine) : 0;
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

/* Of an ASF header; kinds and numbers are its own. */
static void
describe_stream(const struct prologue *prologue, unsigned number,
    struct asf_set chosen, struct engine_track *out)
{
	const struct asf_stream *stream = &prologue->header.streams[number];

	*out = (struct engine_track){
		.kind = stream->kind == ASF_AUDIO ? ENGINE_AUDIO : ENGINE_VIDEO,
		.number = number,
		.chosen = asf_set_has(chosen, number),
		.bit_rate_bps = stream->bit_rate_bps,
		.channels = stream->channels,
		.sample_rate_hz = stream->sample_rate,
		.width = (unsigned)abs(stream->width),
		.height = (unsigned)abs(stream->height),
	};
	g_strlcpy(
	    out->language, prologue->languages[number], sizeof(out->language));
}

static size_t
tracks_of_source(struct engine *engine, struct engine_track *tracks)
{
	const struct prologue *prologue = source_prologue(engine->source);
	struct asf_set chosen = source_chosen(engine->source);
	size_t count = 0;

	if (prologue == NULL)
		return 0;
	for (unsigned i = 1; i < ASF_STREAMS && count < ENGINE_TRACKS_MAX;
	     i++) {
		const struct asf_stream *stream = &prologue->header.streams[i];

		if (stream->there &&
		    (stream->kind == ASF_AUDIO || stream->kind == ASF_VIDEO))
			describe_stream(prologue, i, chosen, &tracks[count++]);
	}
	return count;
}

/* Of playbin's; numbers count from 0 within the kind. */
static void
describe_track(struct engine *engine, enum engine_kind kind, int number,
    struct engine_track *out)
{
	GstTagList *tags = NULL;
	char *text;
	guint rate;

	g_signal_emit_by_name(engine->playbin,
	    kind == ENGINE_AUDIO ? "get-audio-tags" : "get-video-tags", number,
	    &tags);
	*out =
	    (struct engine_track){ .kind = kind, .number = (unsigned)number };
	if (tags == NULL)
		return;
	if (gst_tag_list_get_string(tags, GST_TAG_LANGUAGE_CODE, &text)) {
		g_strlcpy(out->language, text, sizeof(out->language));
		g_free(text);
	}
	if (gst_tag_list_get_string(tags,
		kind == ENGINE_AUDIO ? GST_TAG_AUDIO_CODEC
				     : GST_TAG_VIDEO_CODEC,
		&text)) {
		g_strlcpy(out->codec, text, sizeof(out->codec));
		g_free(text);
	}
	if (gst_tag_list_get_uint(tags, GST_TAG_BITRATE, &rate))
		out->bit_rate_bps = rate;
	gst_tag_list_unref(tags);
}

static const struct {
	const char *count, *current;
} track_properties[] = {
	[ENGINE_AUDIO] = { "n-audio", "current-audio" },
	[ENGINE_VIDEO] = { "n-video", "current-video" },
};

static size_t
tracks_of_playbin(struct engine *engine, struct engine_track *tracks)
{
	size_t count = 0;

	for (unsigned kind = 0; kind < ARRAY_LENGTH(track_properties); kind++) {
		int number, current;

		g_object_get(engine->playbin, track_properties[kind].count,
		    &number, track_properties[kind].current, &current, NULL);
		for (int i = 0; i < number && count < ENGINE_TRACKS_MAX; i++) {
			describe_track(
			    engine, (enum engine_kind)kind, i, &tracks[count]);
			tracks[count++].chosen = i == current;
		}
	}
	return count;
}

size_t
engine_tracks(
    struct engine *engine, struct engine_track tracks[static ENGINE_TRACKS_MAX])
{
	return engine->source != NULL ? tracks_of_source(engine, tracks)
				      : tracks_of_playbin(engine, tracks);
}

/* A server sends what was set up: it is asked anew, and plays on from here. */
static void
choose_of_source(struct engine *engine, enum engine_kind kind, unsigned number)
{
	struct engine_track tracks[ENGINE_TRACKS_MAX];
	size_t count = tracks_of_source(engine, tracks);
	uint64_t position_us = engine_position_us(engine);
	struct asf_set chosen = { { 0 } };

	for (size_t i = 0; i < count; i++)
		if (tracks[i].kind == kind ? tracks[i].number == number
					   : tracks[i].chosen)
			asf_set_add(&chosen, tracks[i].number);
	engine->chosen = chosen;
	engine->has_chosen = true;
	begin(engine, position_us);
}

void
engine_choose(struct engine *engine, enum engine_kind kind, unsigned number)
{
	if (is_over(engine))
		return;
	if (engine->source != NULL)
		choose_of_source(engine, kind, number);
	else
		g_object_set(engine->playbin, track_properties[kind].current,
		    (int)number, NULL);
	tell_information(engine);
}

/* ---- statistics ---- */

static void
count_frames(struct engine *engine, struct engine_statistics *out)
{
	GstStructure *stats = NULL;
	guint64 count;

	if (g_object_class_find_property(
		G_OBJECT_GET_CLASS(engine->video_sink), "stats") == NULL)
		return;
	g_object_get(engine->video_sink, "stats", &stats, NULL);
	if (stats == NULL)
		return;
	if (gst_structure_get_uint64(stats, "rendered", &count))
		out->frames_shown = count;
	if (gst_structure_get_uint64(stats, "dropped", &count))
		out->frames_dropped = count;
	gst_structure_free(stats);
}

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
	struct engine_track tracks[ENGINE_TRACKS_MAX];
	struct client_status status;
	size_t count;

	*out = (struct engine_statistics){ .transport = "file" };
	out->viewer_gap_us = engine->viewer_gap_us;
	if (engine->stood_since_us != 0)
		out->viewer_gap_us = MAX_OF(
		    out->viewer_gap_us, now_us() - engine->stood_since_us);
	count_frames(engine, out);
	if (engine->source != NULL && source_status(engine->source, &status)) {
		copy_status(&status, out);
		return;
	}
	count = engine_tracks(engine, tracks);
	for (size_t i = 0; i < count; i++)
		if (tracks[i].chosen)
			out->bit_rate_bps += tracks[i].bit_rate_bps;
}
