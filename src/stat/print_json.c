/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot as a JSON object.  Scripts rely on its names: they are documented
 * in vodstat(1), are never changed, and new ones only join.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "stat/print.h"

static json_t *
number(uint64_t value)
{
	return json_integer((json_int_t)MIN_OF(value, (uint64_t)INT64_MAX));
}

/* Bytes of the UTF-8 sequence (RFC 3629 4) at TEXT; 0: it is none. */
static size_t
utf8_length(const unsigned char *text)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < length; i++) {
		if (text[i] < low || text[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

/* File names are bytes: those that are no UTF-8 become U+FFFD. */
static json_t *
text_of_bytes(const char *bytes)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const unsigned char *from = (const unsigned char *)bytes;
	char text[3 * TABLE_PATH_MAX + 4];
	size_t at = 0;

	while (*from != '\0' && at + 4 < sizeof(text)) {
		size_t length = utf8_length(from);

		if (length == 0) {
			memcpy(text + at, replacement, 3);
			at += 3;
			from++;
			continue;
		}
		memcpy(text + at, from, length);
		at += length;
		from += length;
	}
	return json_stringn(text, at);
}

/* Takes VALUE; *ARRAY is NULL from the first failure on. */
static void
array_add(json_t **array, json_t *value)
{
	if (json_array_append_new(*array, value) == 0)
		return;
	json_decref(*array);
	*array = NULL;
}

static json_t *
states_object(const struct snapshot *snapshot)
{
	return json_pack("{so so so}", "ready",
	    number(snapshot->by_state[TABLE_SESSION_READY]), "playing",
	    number(snapshot->by_state[TABLE_SESSION_PLAYING]), "paused",
	    number(snapshot->by_state[TABLE_SESSION_PAUSED]));
}

static json_t *
workers_array(const struct snapshot *snapshot)
{
	json_t *array = json_array();

	for (size_t i = 0; i < snapshot->worker_count; i++) {
		const struct snapshot_worker *worker = &snapshot->workers[i];

		array_add(&array,
		    json_pack("{so si so so so so so so}", "lane",
			number(worker->lane), "pid", worker->pid, "sessions",
			number(worker->sessions), "heartbeat_age_ms",
			number(worker->heartbeat_age_ms), "connections",
			number(worker->connections), "committed_bps",
			number(worker->committed_bps), "bytes_sent",
			number(worker->bytes_sent), "packets_sent",
			number(worker->packets_sent)));
	}
	return array;
}

static json_t *
session_object(const struct snapshot_session *session)
{
	return json_pack("{ss ss so ss ss so so so so so so}", "id",
	    session->id, "peer", session->peer, "title",
	    text_of_bytes(session->title), "state",
	    snapshot_state_name(session->state), "transport",
	    snapshot_transport_name(session->transport), "position_ms",
	    number(session->position_ms), "bytes_sent",
	    number(session->bytes_sent), "packets_sent",
	    number(session->packets_sent), "packets_lost",
	    number(session->packets_lost), "committed_bps",
	    number(session->committed_bps), "lane", number(session->lane));
}

static json_t *
sessions_array(const struct snapshot *snapshot)
{
	json_t *array = json_array();

	for (size_t i = 0; i < snapshot->session_length; i++)
		array_add(&array, session_object(&snapshot->sessions[i]));
	return array;
}

static json_t *
instance_object(const struct snapshot *snapshot, const char *instance)
{
	const struct table_info *info = &snapshot->info;

	return json_pack("{ss ss si sb so so so so}", "version",
	    PACKAGE_VERSION, "instance", instance, "master_pid",
	    info->master_pid, "master_running", snapshot->master_running,
	    "uptime_s", number(snapshot->uptime_s), "generation",
	    number(info->generation), "max_sessions",
	    number(info->limits.max_sessions), "max_bandwidth_bps",
	    number(info->limits.max_bandwidth_bps));
}

int
print_json(
    const struct snapshot *snapshot, const struct print_view *view, FILE *out)
{
	size_t flags = JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII;
	json_t *object = instance_object(snapshot, view->instance);
	int error;

	/* What could not be made is NULL, and is told by the one behind it. */
	error = json_object_set_new(
	    object, "draining", json_boolean(snapshot->info.draining != 0));
	error |= json_object_set_new(
	    object, "sessions", number(snapshot->session_count));
	error |= json_object_set_new(
	    object, "sessions_by_state", states_object(snapshot));
	error |= json_object_set_new(
	    object, "connections", number(snapshot->connections));
	error |= json_object_set_new(
	    object, "committed_bps", number(snapshot->committed_bps));
	error |= json_object_set_new(
	    object, "bytes_sent", number(snapshot->bytes_sent));
	error |= json_object_set_new(
	    object, "packets_sent", number(snapshot->packets_sent));
	error |=
	    json_object_set_new(object, "workers", workers_array(snapshot));
	if (view->sessions)
		error |= json_object_set_new(
		    object, "session_list", sessions_array(snapshot));
	flags |= view->one_line ? JSON_COMPACT : JSON_INDENT(2);
	if (error == 0)
		error = json_dumpf(object, out, flags);
	json_decref(object);
	if (error != 0)
		return -ENOMEM;
	fputc('\n', out);
	return 0;
}
