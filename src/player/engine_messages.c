/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the pipeline says on its bus, what that means for a viewer, and what
 * becomes of what he wants.
 */
#include "player/engine_parts.h"

#include <string.h>

#include "base/base.h"
#include "player/source.h"
#include "player/tags.h"

/* ---- errors ---- */

static enum engine_failure
failure_of(enum failure_kind kind)
{
	return (enum engine_failure)kind;
}
_Static_assert((int)ENGINE_LOST == (int)FAILURE_LOST &&
		   (int)ENGINE_BAD_URL == (int)FAILURE_BAD_URL,
    "the same kinds");

#define PROTECTED "This title is protected; it cannot be played here."
#define NO_DECODER "A decoder for this title is not installed here."

static const struct {
	GQuark (*domain)(void);
	int code;
	enum engine_failure failure;
	const char *sentence;
} errors[] = {
	{ gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_FOUND,
	    ENGINE_NOT_FOUND, "There is no such title." },
	{ gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
	    ENGINE_NOT_ALLOWED, "You are not allowed to watch this title." },
	{ gst_resource_error_quark, GST_RESOURCE_ERROR_OPEN_READ,
	    ENGINE_NOT_ALLOWED, "This title cannot be opened for reading." },
	{ gst_stream_error_quark, GST_STREAM_ERROR_DECRYPT, ENGINE_CANNOT_PLAY,
	    PROTECTED },
	{ gst_stream_error_quark, GST_STREAM_ERROR_DECRYPT_NOKEY,
	    ENGINE_CANNOT_PLAY, PROTECTED },
	{ gst_stream_error_quark, GST_STREAM_ERROR_CODEC_NOT_FOUND,
	    ENGINE_CANNOT_PLAY, NO_DECODER },
	{ gst_core_error_quark, GST_CORE_ERROR_MISSING_PLUGIN,
	    ENGINE_CANNOT_PLAY, NO_DECODER },
};

static void
fail_of_error(struct engine *engine, const GError *error)
{
	struct failure failure;

	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (g_error_matches(
			error, errors[i].domain(), errors[i].code)) {
			engine_fail(
			    engine, errors[i].failure, errors[i].sentence);
			return;
		}
	failure_set(&failure, FAILURE_CANNOT_PLAY,
	    "This title cannot be played (%.200s).", error->message);
	engine_fail(engine, failure_of(failure.kind), failure.sentence);
}

/* The device that was found, which may have gone. */
static bool
is_of_sound(const struct engine *engine, GstMessage *message)
{
	return engine->options.audio_sink == NULL &&
	       gst_object_has_as_ancestor(GST_MESSAGE_SRC(message),
		   GST_OBJECT_CAST(engine->sinks.audio));
}

static void
on_error(struct engine *engine, GstMessage *message)
{
	const GstStructure *details = NULL;
	GError *error;
	int kind;

	if (is_of_sound(engine, message) && !engine_is_over(engine)) {
		engine_lose_sound(engine);
		return;
	}
	gst_message_parse_error(message, &error, NULL);
	gst_message_parse_error_details(message, &details);
	if (details != NULL &&
	    gst_structure_get_int(details, SOURCE_FAILURE_FIELD, &kind))
		engine_fail(engine, failure_of((enum failure_kind)kind),
		    error->message);
	else
		fail_of_error(engine, error);
	g_error_free(error);
}

/* ---- how far it is ---- */

static void
on_buffering(struct engine *engine, GstMessage *message)
{
	int percent;

	gst_message_parse_buffering(message, &percent);
	if ((unsigned)percent != engine->percent) {
		engine->percent = (unsigned)percent;
		news_buffered(engine->news, engine->percent);
	}
	if (engine->is_buffering == (percent < 100))
		return;
	engine->is_buffering = percent < 100;
	engine->progress.percent = 0;
	engine_pursue(engine);
}

static void
arrive(struct engine *engine)
{
	if (engine->has_arrived)
		return;
	engine->has_arrived = true;
	engine_pursue(engine);
}

/* Of the sinks, see sinks.h. */
static void
on_application(struct engine *engine, GstMessage *message)
{
	guint64 at;

	arrive(engine);
	if (!engine_is_over(engine) &&
	    gst_structure_get_uint64(
		gst_message_get_structure(message), "at", &at))
		news_picture(engine->news, at / GST_USECOND);
}

static void
on_prerolled(struct engine *engine, GstMessage *message)
{
	uint64_t start_us = engine->start_us;

	if (GST_MESSAGE_SRC(message) != GST_OBJECT_CAST(engine->playbin) ||
	    engine_is_over(engine))
		return;
	engine->has_prerolled = true;
	engine->is_seeking = false;
	engine->start_us = 0;
	if (engine->lacking != NULL)
		news_notice(engine->news, engine->lacking);
	engine->lacking = NULL; /* said once */
	/* It may be before where it was to go. */
	engine->progress.position_us = 0;
	if (engine->has_next_seek) {
		engine->has_next_seek = false;
		engine_seek_now(engine, engine->next_seek_us);
	} else if (start_us != 0 && engine->source == NULL) {
		/* Ours began there. */
		sinks_show_first(&engine->sinks, true);
		engine_seek_now(engine, start_us);
	}
	engine_pursue(engine);
	news_information(engine->news);
	engine_look_later(engine); /* its header is known by now */
}

static void
on_end(struct engine *engine, GstMessage *message)
{
	(void)message;
	engine->stood_since_us = 0;
	if (engine_is_over(engine))
		return;
	if (engine->breaking.kind != FAILURE_NONE)
		engine_fail(engine, failure_of(engine->breaking.kind),
		    engine->breaking.sentence);
	else if (engine->source != NULL && !atomic_load(&engine->seen.has_media))
		engine_fail(engine, ENGINE_CANNOT_PLAY, ENGINE_UNDECODABLE);
	else
		engine_enter(engine, ENGINE_ENDED, ENGINE_NO_FAILURE, "");
}

/* ---- what elements say ---- */

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
on_source_state(struct engine *engine, const GstStructure *structure)
{
	const char *state = gst_structure_get_string(structure, "state");
	const char *reason = gst_structure_get_string(structure, "reason");
	int kind = FAILURE_NONE;

	if (engine_is_over(engine))
		return;
	gst_structure_get_int(structure, SOURCE_FAILURE_FIELD, &kind);
	if (strcmp(state, "failed") == 0) {
		failure_set(
		    &engine->breaking, (enum failure_kind)kind, "%s", reason);
		return;
	}
	engine->is_reconnecting = strcmp(state, "reconnecting") == 0;
	if (engine->is_reconnecting)
		engine_enter(
		    engine, ENGINE_RECONNECTING, ENGINE_NO_FAILURE, reason);
	else
		engine_pursue(engine);
}

static void
on_element(struct engine *engine, GstMessage *message)
{
	const GstStructure *structure = gst_message_get_structure(message);

	if (gst_structure_has_name(structure, "missing-plugin")) {
		on_missing(engine, structure);
	} else if (gst_structure_has_name(structure, SOURCE_STATE_MESSAGE)) {
		on_source_state(engine, structure);
	} else if (gst_structure_has_name(structure, SOURCE_TITLE_MESSAGE)) {
		arrive(engine);
		news_information(engine->news);
	}
}

static void
on_tags(struct engine *engine, GstMessage *message)
{
	GstTagList *list;

	gst_message_parse_tag(message, &list);
	if (tags_update(&engine->tags, list))
		news_information(engine->news);
	gst_tag_list_unref(list);
}

static void
on_duration(struct engine *engine, GstMessage *message)
{
	(void)message;
	news_information(engine->news);
}

static void
on_clock_lost(struct engine *engine, GstMessage *message)
{
	(void)message;
	gst_element_set_state(engine->playbin, GST_STATE_PAUSED);
	engine_pursue(engine);
}

static void
on_latency(struct engine *engine, GstMessage *message)
{
	(void)message;
	gst_bin_recalculate_latency(GST_BIN(engine->playbin));
}

static const struct {
	GstMessageType type;
	void (*take)(struct engine *engine, GstMessage *message);
} messages[] = {
	{ GST_MESSAGE_ERROR, on_error },
	{ GST_MESSAGE_EOS, on_end },
	{ GST_MESSAGE_BUFFERING, on_buffering },
	{ GST_MESSAGE_APPLICATION, on_application },
	{ GST_MESSAGE_ASYNC_DONE, on_prerolled },
	{ GST_MESSAGE_TAG, on_tags },
	{ GST_MESSAGE_ELEMENT, on_element },
	{ GST_MESSAGE_DURATION_CHANGED, on_duration },
	{ GST_MESSAGE_CLOCK_LOST, on_clock_lost },
	{ GST_MESSAGE_LATENCY, on_latency },
};

gboolean
engine_on_message(GstBus *bus, GstMessage *message, gpointer context)
{
	(void)bus;
	for (size_t i = 0; i < ARRAY_LENGTH(messages); i++)
		if (messages[i].type == GST_MESSAGE_TYPE(message))
			messages[i].take(context, message);
	return G_SOURCE_CONTINUE;
}
