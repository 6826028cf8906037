/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GStreamer's source of that address into a sink that keeps the bytes: files
 * and HTTP are one to us.
 */
#include "player/playlist_load.h"

#include <gst/gst.h>
#include <string.h>

#include "base/base.h"
#include "player/playlist_read.h"

#define GIVE_UP_MS 8000
#define ENOUGH "enough" /* message: no more is read than is looked at */

struct playlist_load {
	char *uri; /* owned */
	GstElement *pipeline; /* owned */
	GByteArray *bytes; /* the streaming thread's until its end */
	guint bus_watch, timeout;
	playlist_loaded_function *loaded;
	void *context;
};

/* ---- what was read ---- */

static void
item_free(gpointer pointer)
{
	struct playlist_item *item = pointer;

	g_free(item->url);
	g_free(item->title);
	g_free(item);
}

struct collected {
	const struct playlist_load *load;
	GPtrArray *items;
};

static void
collect(void *context, const struct playlist_entry *entry)
{
	struct collected *collected = context;
	struct playlist_item *item;
	char *base = NULL;
	char *url;

	if (entry->base[0] != '\0')
		base = g_uri_resolve_relative(collected->load->uri, entry->base,
		    G_URI_FLAGS_PARSE_RELAXED, NULL);
	url = g_uri_resolve_relative(base != NULL ? base : collected->load->uri,
	    entry->url, G_URI_FLAGS_PARSE_RELAXED, NULL);
	g_free(base);
	if (url == NULL)
		return;
	item = g_new0(struct playlist_item, 1);
	item->url = g_utf8_make_valid(url, -1);
	item->title = g_utf8_make_valid(entry->title, -1);
	item->is_alternative = entry->is_alternative;
	item->is_list = entry->is_list;
	g_ptr_array_add(collected->items, item);
	g_free(url);
}

/* Entries are relative to where redirects led, not to what was asked for. */
static void
follow_redirects(struct playlist_load *load)
{
	GstQuery *query = gst_query_new_uri();
	char *uri = NULL;

	if (gst_element_query(load->pipeline, query))
		gst_query_parse_uri_redirection(query, &uri);
	gst_query_unref(query);
	if (uri == NULL)
		return;
	g_free(load->uri);
	load->uri = uri;
}

/* Lists of Windows' may be UTF-16; all others are read as they are. */
static GPtrArray *
read_items(const struct playlist_load *load)
{
	const char *text = (const char *)load->bytes->data;
	gsize length = load->bytes->len;
	char *converted = NULL;
	struct collected collected = { load,
		g_ptr_array_new_with_free_func(item_free) };

	if (length >= 2 && memcmp(text, "\xff\xfe", 2) == 0) {
		converted = g_convert(text + 2, (gssize)((length - 2) & ~1ul),
		    "UTF-8", "UTF-16LE", NULL, &length, NULL);
		text = converted;
	}
	if (text != NULL)
		playlist_read(text, length, collect, &collected);
	g_free(converted);
	if (collected.items->len > 0)
		return collected.items;
	g_ptr_array_unref(collected.items);
	return NULL;
}

/* ---- the end ---- */

static void
end(struct playlist_load *load, const char *sentence)
{
	playlist_loaded_function *loaded = load->loaded;
	void *context = load->context;
	GPtrArray *items = NULL;

	if (sentence == NULL) {
		follow_redirects(load);
		gst_element_set_state(load->pipeline, GST_STATE_NULL);
		items = read_items(load);
		if (items == NULL)
			sentence = "This is not a play list.";
	}
	playlist_load_stop(load);
	loaded(context, items, sentence);
}

void
playlist_load_stop(struct playlist_load *load)
{
	if (load == NULL)
		return;
	if (load->bus_watch != 0)
		g_source_remove(load->bus_watch);
	if (load->timeout != 0)
		g_source_remove(load->timeout);
	if (load->pipeline != NULL) {
		gst_element_set_state(load->pipeline, GST_STATE_NULL);
		gst_object_unref(load->pipeline);
	}
	g_byte_array_unref(load->bytes);
	g_free(load->uri);
	g_free(load);
}

static const struct {
	int code; /* of GStreamer's resource errors */
	const char *sentence;
} errors[] = {
	{ GST_RESOURCE_ERROR_NOT_FOUND, "There is no such play list." },
	{ GST_RESOURCE_ERROR_NOT_AUTHORIZED,
	    "You are not allowed to read this play list." },
	{ GST_RESOURCE_ERROR_OPEN_READ, "This play list cannot be read." },
};

static const char *
sentence_of(GstMessage *message)
{
	const char *sentence = "The server of this play list cannot be "
			       "reached.";
	GError *error;

	gst_message_parse_error(message, &error, NULL);
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++)
		if (g_error_matches(error, GST_RESOURCE_ERROR, errors[i].code))
			sentence = errors[i].sentence;
	g_error_free(error);
	return sentence;
}

/* ---- what happens ---- */

static void
on_bytes(GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer context)
{
	struct playlist_load *load = context;
	gsize room = PLAYLIST_BYTES_MAX - load->bytes->len;
	GstMapInfo map;

	(void)pad;
	if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
		g_byte_array_append(
		    load->bytes, map.data, (guint)MIN_OF(map.size, room));
		gst_buffer_unmap(buffer, &map);
	}
	if (load->bytes->len == PLAYLIST_BYTES_MAX)
		gst_element_post_message(
		    sink, gst_message_new_application(GST_OBJECT(sink),
			      gst_structure_new_empty(ENOUGH)));
}

static gboolean
on_message(GstBus *bus, GstMessage *message, gpointer context)
{
	struct playlist_load *load = context;

	(void)bus;
	switch (GST_MESSAGE_TYPE(message)) {
	case GST_MESSAGE_ERROR:
		end(load, sentence_of(message));
		return G_SOURCE_CONTINUE; /* it is removed already */
	case GST_MESSAGE_EOS:
	case GST_MESSAGE_APPLICATION:
		end(load, NULL);
		return G_SOURCE_CONTINUE;
	default:
		return G_SOURCE_CONTINUE;
	}
}

static gboolean
on_timeout(gpointer context)
{
	struct playlist_load *load = context;

	load->timeout = 0;
	end(load, load->pipeline == NULL
		      ? "Play lists of this kind cannot be fetched here."
		      : "The server of this play list does not answer.");
	return G_SOURCE_REMOVE;
}

/* ---- the beginning ---- */

static bool
make_pipeline(struct playlist_load *load)
{
	GstElement *source =
	    gst_element_make_from_uri(GST_URI_SRC, load->uri, NULL, NULL);
	GstElement *sink = gst_element_factory_make("fakesink", NULL);
	GstBus *bus;

	load->pipeline = gst_object_ref_sink(gst_pipeline_new(NULL));
	if (source != NULL)
		gst_bin_add(GST_BIN(load->pipeline), source);
	if (sink != NULL)
		gst_bin_add(GST_BIN(load->pipeline), sink);
	if (source == NULL || sink == NULL || !gst_element_link(source, sink))
		return false;
	g_object_set(sink, "signal-handoffs", TRUE, "sync", FALSE, NULL);
	g_signal_connect(sink, "handoff", G_CALLBACK(on_bytes), load);
	bus = gst_element_get_bus(load->pipeline);
	load->bus_watch = gst_bus_add_watch(bus, on_message, load);
	gst_object_unref(bus);
	gst_element_set_state(load->pipeline, GST_STATE_PLAYING);
	return true;
}

struct playlist_load *
playlist_load_start(
    const char *url, playlist_loaded_function *loaded, void *context)
{
	struct playlist_load *load = g_new0(struct playlist_load, 1);

	load->loaded = loaded;
	load->context = context;
	load->bytes = g_byte_array_new();
	load->uri = gst_uri_is_valid(url) ? g_strdup(url)
					  : gst_filename_to_uri(url, NULL);
	if (load->uri == NULL || !make_pipeline(load)) {
		gst_clear_object(&load->pipeline);
		load->timeout = g_timeout_add(0, on_timeout, load);
		return load;
	}
	load->timeout = g_timeout_add(GIVE_UP_MS, on_timeout, load);
	return load;
}
