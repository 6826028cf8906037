/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodsrc: the client as a GStreamer element.  Everything about servers is the
 * client's; here are GStreamer's ways: properties, seeks, messages, errors.
 */
#include "player/source.h"

#include <gst/base/gstpushsrc.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define DEFAULT_LATENCY_MS 200
#define DEFAULT_GIVE_UP_MS 30000

struct source {
	GstPushSrc parent;
	char *url;
	int transport;
	guint latency_ms, give_up_ms, buffer_ms;
	uint64_t start_us;
	struct asf_set streams;
	/* From start to stop; the object lock guards the pointer. */
	struct client *client;
	/* What was told last; by the client's thread or the streaming one. */
	GMutex telling;
	enum client_state told_state;
	unsigned told_percent;
	bool told_title;
	bool has_sought; /* GstBaseSrc did, to where it begins */
	bool has_begun; /* a packet was given out */
};

struct source_class {
	GstPushSrcClass parent;
};

/* As GObject's macros want them. */
typedef struct source VodSource;
typedef struct source_class VodSourceClass;

enum {
	PROPERTY_0,
	PROPERTY_LOCATION,
	PROPERTY_TRANSPORT,
	PROPERTY_LATENCY,
	PROPERTY_GIVE_UP,
	PROPERTY_BUFFER,
};

static GstStaticPadTemplate source_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-ms-asf"));

static void uri_handler_init(gpointer interface, gpointer data);
GType source_get_type(void);
G_DEFINE_TYPE_WITH_CODE(VodSource, source, GST_TYPE_PUSH_SRC,
    G_IMPLEMENT_INTERFACE(GST_TYPE_URI_HANDLER, uri_handler_init))

static inline struct source *
source_of(gpointer object)
{
	return object;
}

bool
source_is_ours(GstElement *element)
{
	return G_TYPE_CHECK_INSTANCE_TYPE(element, source_get_type());
}

/* ---- telling ---- */

static const char *const state_names[] = {
	[CLIENT_CONNECTING] = "connecting",
	[CLIENT_STREAMING] = "streaming",
	[CLIENT_RECONNECTING] = "reconnecting",
	[CLIENT_FAILED] = "failed",
};

static void
post_title(struct source *source, const struct prologue *prologue)
{
	const struct asf_header *header = &prologue->header;
	GstTagList *tags = gst_tag_list_new_empty();
	const struct {
		const char *tag, *text;
	} texts[] = {
		{ GST_TAG_TITLE, header->title },
		{ GST_TAG_ARTIST, header->author },
		{ GST_TAG_COPYRIGHT, header->copyright },
		{ GST_TAG_DESCRIPTION, header->description },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		if (texts[i].text[0] != '\0' &&
		    g_utf8_validate(texts[i].text, -1, NULL))
			gst_tag_list_add(tags, GST_TAG_MERGE_REPLACE,
			    texts[i].tag, texts[i].text, NULL);
	gst_element_post_message(
	    GST_ELEMENT(source), gst_message_new_tag(GST_OBJECT(source), tags));
	gst_element_post_message(GST_ELEMENT(source),
	    gst_message_new_element(GST_OBJECT(source),
		gst_structure_new_empty(SOURCE_TITLE_MESSAGE)));
	gst_element_post_message(GST_ELEMENT(source),
	    gst_message_new_duration_changed(GST_OBJECT(source)));
}

static void
post_state(struct source *source, const struct client_status *status)
{
	gst_element_post_message(GST_ELEMENT(source),
	    gst_message_new_element(GST_OBJECT(source),
		gst_structure_new(SOURCE_STATE_MESSAGE, "state", G_TYPE_STRING,
		    state_names[status->state], "reason", G_TYPE_STRING,
		    status->failure.sentence, SOURCE_FAILURE_FIELD, G_TYPE_INT,
		    (int)status->failure.kind, NULL)));
}

static void
on_changed(void *context)
{
	struct source *source = context;
	const struct prologue *prologue;
	struct client_status status;

	/* CLIENT is set before anything can have changed, and stays. */
	g_mutex_lock(&source->telling);
	if (source->client == NULL) {
		g_mutex_unlock(&source->telling);
		return;
	}
	client_status(source->client, &status);
	prologue = client_prologue(source->client);
	if (!source->told_title && prologue != NULL) {
		source->told_title = true;
		post_title(source, prologue);
	}
	if (status.state != source->told_state) {
		source->told_state = status.state;
		post_state(source, &status);
	}
	if (prologue != NULL &&
	    status.buffered_percent != source->told_percent) {
		source->told_percent = status.buffered_percent;
		gst_element_post_message(GST_ELEMENT(source),
		    gst_message_new_buffering(
			GST_OBJECT(source), (gint)status.buffered_percent));
	}
	g_mutex_unlock(&source->telling);
}

/* ---- GstBaseSrc ---- */

static gboolean
source_start(GstBaseSrc *base)
{
	struct source *source = source_of(base);
	struct client_options options = {
		.url = source->url != NULL ? source->url : "",
		.transport = (enum client_transport)source->transport,
		.latency_ms = source->latency_ms,
		.give_up_ms = source->give_up_ms,
		.buffer_ms = source->buffer_ms,
		.start_us = source->start_us,
		.streams = source->streams,
	};
	struct client *client;

	source->told_title = source->has_sought = source->has_begun = false;
	source->told_state = CLIENT_CONNECTING;
	source->told_percent = 100;
	g_mutex_lock(&source->telling);
	if (client_new(&options, on_changed, source, &client) != 0) {
		g_mutex_unlock(&source->telling);
		GST_ELEMENT_ERROR(source, RESOURCE, FAILED,
		    ("There is not enough memory."), (NULL));
		return FALSE;
	}
	GST_OBJECT_LOCK(source);
	source->client = client;
	GST_OBJECT_UNLOCK(source);
	g_mutex_unlock(&source->telling);
	return TRUE;
}

static gboolean
source_stop(GstBaseSrc *base)
{
	struct source *source = source_of(base);
	struct client *client = source->client;

	/* Its thread may be telling something now. */
	g_mutex_lock(&source->telling);
	GST_OBJECT_LOCK(source);
	source->client = NULL;
	GST_OBJECT_UNLOCK(source);
	g_mutex_unlock(&source->telling);
	client_free(client);
	return TRUE;
}

static gboolean
source_unlock(GstBaseSrc *base)
{
	client_interrupt(source_of(base)->client, true);
	return TRUE;
}

static gboolean
source_unlock_stop(GstBaseSrc *base)
{
	client_interrupt(source_of(base)->client, false);
	return TRUE;
}

static gboolean
source_is_seekable(GstBaseSrc *base)
{
	(void)base;
	return TRUE;
}

/* GstBaseSrc also begins by one; for position 0, unless somebody was early. */
static gboolean
source_do_seek(GstBaseSrc *base, GstSegment *segment)
{
	struct source *source = source_of(base);
	bool is_beginning = !source->has_sought && segment->position == 0;

	if (segment->format != GST_FORMAT_TIME || segment->rate <= 0.0)
		return FALSE;
	source->has_sought = true;
	if (is_beginning)
		return TRUE;
	client_seek(source->client, segment->position / GST_USECOND);
	on_changed(source);
	segment->time = segment->start;
	return TRUE;
}

static gboolean
answer_duration(struct source *source, GstQuery *query)
{
	struct client_status status;
	GstFormat format;

	gst_query_parse_duration(query, &format, NULL);
	if (format != GST_FORMAT_TIME ||
	    !source_status(GST_ELEMENT(source), &status) ||
	    status.duration_us == 0)
		return FALSE;
	gst_query_set_duration(
	    query, GST_FORMAT_TIME, (gint64)(status.duration_us * GST_USECOND));
	return TRUE;
}

static gboolean
source_query(GstBaseSrc *base, GstQuery *query)
{
	if (GST_QUERY_TYPE(query) == GST_QUERY_DURATION)
		return answer_duration(source_of(base), query);
	return GST_BASE_SRC_CLASS(source_parent_class)->query(base, query);
}

/*
 * Of what has not begun there is no end to tell: decodebin would show its pads
 * while the pipeline, which learnt of the failure, is being taken down, and
 * hang (seen with GStreamer 1.22).
 */
static GstFlowReturn
fail(struct source *source, const struct failure *failure)
{
	GstStructure *details = gst_structure_new("details",
	    SOURCE_FAILURE_FIELD, G_TYPE_INT, (int)failure->kind, NULL);

	gst_element_message_full_with_details(GST_ELEMENT(source),
	    source->has_begun ? GST_MESSAGE_WARNING : GST_MESSAGE_ERROR,
	    GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
	    g_strdup(failure->sentence), NULL, __FILE__, __func__, __LINE__,
	    details);
	if (source->has_begun)
		return GST_FLOW_EOS;
	client_await_interrupt(source->client);
	return GST_FLOW_FLUSHING;
}

static GstFlowReturn
end(struct source *source)
{
	struct failure failure;

	if (source->has_begun)
		return GST_FLOW_EOS;
	failure_set(&failure, FAILURE_BAD_SERVER,
	    "The server sends nothing of this title.");
	return fail(source, &failure);
}

static GstBuffer *
buffer_of_prologue(const struct prologue *prologue)
{
	size_t size = prologue->size + prologue->header.packet_bytes;
	uint8_t *data = g_malloc(size);

	memcpy(data, prologue->bytes, prologue->size);
	prologue_mark(prologue, NULL, data + prologue->size);
	return gst_buffer_new_wrapped(data, size);
}

/* The buffer owns the packet. */
static GstBuffer *
buffer_of_packet(struct client_packet *packet)
{
	GstBuffer *buffer =
	    gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, packet->data,
		packet->size, 0, packet->size, packet, free);

	if (packet->is_first)
		GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
	return buffer;
}

/*
 * It begins in mid-title: asfdemux would have the viewer wait from the title's
 * beginning on.  What it sees first behind a segment is where that begins.
 */
static GstBuffer *
buffer_of_beginning(struct source *source, struct client_packet *packet)
{
	size_t size = packet->size;
	uint8_t *data = g_malloc(2 * size);
	GstSegment segment;

	gst_segment_init(&segment, GST_FORMAT_TIME);
	segment.start = segment.time = segment.position =
	    source->start_us * GST_USECOND;
	gst_base_src_new_segment(GST_BASE_SRC(source), &segment);
	prologue_mark(client_prologue(source->client), packet->data, data);
	memcpy(data + size, packet->data, size);
	free(packet);
	return gst_buffer_new_wrapped(data, 2 * size);
}

static GstFlowReturn
source_create(GstPushSrc *push, GstBuffer **out)
{
	struct source *source = source_of(push);
	struct client_packet *packet;
	struct client_status status;

	switch (client_take(source->client, &packet)) {
	case CLIENT_PROLOGUE:
		*out = buffer_of_prologue(client_prologue(source->client));
		return GST_FLOW_OK;
	case CLIENT_PACKET:
		*out = source->start_us != 0 && !source->has_begun
			   ? buffer_of_beginning(source, packet)
			   : buffer_of_packet(packet);
		source->has_begun = true;
		return GST_FLOW_OK;
	case CLIENT_END:
		return end(source);
	case CLIENT_INTERRUPTED:
		return GST_FLOW_FLUSHING;
	case CLIENT_FAILURE:
		/* The client's thread may not have come to it yet. */
		on_changed(source);
		break;
	}
	client_status(source->client, &status);
	return fail(source, &status.failure);
}

/* ---- GObject ---- */

static void
source_set_property(
    GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
	struct source *source = source_of(object);

	switch (id) {
	case PROPERTY_LOCATION:
		g_free(source->url);
		source->url = g_value_dup_string(value);
		break;
	case PROPERTY_TRANSPORT:
		source->transport = g_value_get_int(value);
		break;
	case PROPERTY_LATENCY:
		source->latency_ms = g_value_get_uint(value);
		break;
	case PROPERTY_GIVE_UP:
		source->give_up_ms = g_value_get_uint(value);
		break;
	case PROPERTY_BUFFER:
		source->buffer_ms = g_value_get_uint(value);
		break;
	default:
		G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
	}
}

static void
source_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
	struct source *source = source_of(object);

	switch (id) {
	case PROPERTY_LOCATION:
		g_value_set_string(value, source->url);
		break;
	case PROPERTY_TRANSPORT:
		g_value_set_int(value, source->transport);
		break;
	case PROPERTY_LATENCY:
		g_value_set_uint(value, source->latency_ms);
		break;
	case PROPERTY_GIVE_UP:
		g_value_set_uint(value, source->give_up_ms);
		break;
	case PROPERTY_BUFFER:
		g_value_set_uint(value, source->buffer_ms);
		break;
	default:
		G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
	}
}

static void
source_finalize(GObject *object)
{
	struct source *source = source_of(object);

	g_free(source->url);
	g_mutex_clear(&source->telling);
	G_OBJECT_CLASS(source_parent_class)->finalize(object);
}

static void
source_init(VodSource *source)
{
	source->latency_ms = DEFAULT_LATENCY_MS;
	source->give_up_ms = DEFAULT_GIVE_UP_MS;
	g_mutex_init(&source->telling);
	gst_base_src_set_format(GST_BASE_SRC(source), GST_FORMAT_TIME);
	gst_base_src_set_live(GST_BASE_SRC(source), FALSE);
	gst_base_src_set_do_timestamp(GST_BASE_SRC(source), FALSE);
}

static void
install_properties(GObjectClass *class)
{
	static const GParamFlags flags =
	    G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;

	g_object_class_install_property(class, PROPERTY_LOCATION,
	    g_param_spec_string("location", "Location",
		"rtsp://, rtspu:// (UDP only) or rtspt:// (TCP only)", NULL,
		flags));
	g_object_class_install_property(class, PROPERTY_TRANSPORT,
	    g_param_spec_int("transport", "Transport",
		"0: UDP, and TCP when nothing comes; 1: UDP; 2: TCP",
		CLIENT_AUTOMATIC, CLIENT_TCP, CLIENT_AUTOMATIC, flags));
	g_object_class_install_property(class, PROPERTY_LATENCY,
	    g_param_spec_uint("latency", "Latency",
		"Milliseconds that a missing packet is waited for", 0, 10000,
		DEFAULT_LATENCY_MS, flags));
	g_object_class_install_property(class, PROPERTY_GIVE_UP,
	    g_param_spec_uint("give-up", "Give up",
		"Milliseconds that a lost server is tried again", 0,
		24 * 3600 * 1000, DEFAULT_GIVE_UP_MS, flags));
	g_object_class_install_property(class, PROPERTY_BUFFER,
	    g_param_spec_uint("buffer", "Buffer",
		"Milliseconds of media to have before it plays; 0: by the "
		"title's preroll",
		0, 60000, 0, flags));
}

static void
source_class_init(VodSourceClass *class)
{
	GObjectClass *object_class = G_OBJECT_CLASS(class);
	GstElementClass *element_class = GST_ELEMENT_CLASS(class);
	GstBaseSrcClass *base_class = GST_BASE_SRC_CLASS(class);

	object_class->set_property = source_set_property;
	object_class->get_property = source_get_property;
	object_class->finalize = source_finalize;
	install_properties(object_class);
	gst_element_class_add_static_pad_template(
	    element_class, &source_template);
	gst_element_class_set_static_metadata(element_class,
	    "Video on demand source", "Source/Network",
	    "Receives ASF over RTSP, and goes on when a server is lost",
	    PACKAGE_NAME);
	base_class->start = source_start;
	base_class->stop = source_stop;
	base_class->unlock = source_unlock;
	base_class->unlock_stop = source_unlock_stop;
	base_class->is_seekable = source_is_seekable;
	base_class->do_seek = source_do_seek;
	base_class->query = source_query;
	GST_PUSH_SRC_CLASS(class)->create = source_create;
}

/* ---- GstURIHandler ---- */

static GstURIType
uri_get_type(GType type)
{
	(void)type;
	return GST_URI_SRC;
}

static const gchar *const *
uri_get_protocols(GType type)
{
	static const gchar *const protocols[] = { "rtsp", "rtspu", "rtspt",
		NULL };

	(void)type;
	return protocols;
}

static gchar *
uri_get_uri(GstURIHandler *handler)
{
	return g_strdup(source_of(handler)->url);
}

static gboolean
uri_set_uri(GstURIHandler *handler, const gchar *uri, GError **error)
{
	struct source *source = source_of(handler);

	if (source->client != NULL) {
		g_set_error(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
		    "It is playing.");
		return FALSE;
	}
	g_free(source->url);
	source->url = g_strdup(uri);
	return TRUE;
}

static void
uri_handler_init(gpointer pointer, gpointer data)
{
	GstURIHandlerInterface *interface = pointer;

	(void)data;
	interface->get_type = uri_get_type;
	interface->get_protocols = uri_get_protocols;
	interface->get_uri = uri_get_uri;
	interface->set_uri = uri_set_uri;
}

/* ---- for vodplay ---- */

bool
source_register(GstPlugin *plugin, unsigned rank)
{
	return gst_element_register(
	    plugin, SOURCE_NAME, rank, source_get_type());
}

bool
source_status(GstElement *element, struct client_status *out)
{
	struct source *source = source_of(element);
	bool has_client;

	GST_OBJECT_LOCK(source);
	has_client = source->client != NULL;
	if (has_client)
		client_status(source->client, out);
	GST_OBJECT_UNLOCK(source);
	return has_client;
}

const struct prologue *
source_prologue(GstElement *element)
{
	struct source *source = source_of(element);
	const struct prologue *prologue = NULL;

	GST_OBJECT_LOCK(source);
	if (source->client != NULL)
		prologue = client_prologue(source->client);
	GST_OBJECT_UNLOCK(source);
	return prologue;
}

void
source_choose(GstElement *element, const struct asf_set *streams)
{
	source_of(element)->streams = *streams;
}

void
source_begin_at(GstElement *element, uint64_t position_us)
{
	source_of(element)->start_us = position_us;
}

struct asf_set
source_chosen(GstElement *element)
{
	struct source *source = source_of(element);
	struct asf_set streams = { { 0 } };

	GST_OBJECT_LOCK(source);
	if (source->client != NULL)
		streams = client_streams(source->client);
	GST_OBJECT_UNLOCK(source);
	return streams;
}
