/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * info - what a file holds, for people or as JSON.
 *
 * What the server would believe comes from the title; the list of objects is
 * read here, once more and from the same descriptor, because nobody else wants
 * it.  Changes nothing.
 */
#include "prepare/info.h"

#include <endian.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "prepare/source.h"

#define OBJECTS_MOST 1024
#define HEADER_FRONT 30
#define EXTENSION_FRONT 46
#define INDEX_FRONT 56
#define TEXT_BYTES 320

struct object {
	char name[48]; /* or the GUID */
	unsigned level;
	uint64_t offset, bytes;
	bool simple_index;
	uint64_t interval_us;
	uint32_t entries;
};

struct report {
	const char *path;
	const struct title *title;
	struct object *objects;
	size_t count;
};

static void
name_object(const uint8_t guid[static 16], char out[static 48])
{
	const char *name = asf_guid_name(guid);

	if (name != NULL) {
		snprintf(out, 48, "%s", name);
		return;
	}
	snprintf(out, 48,
	    "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-"
	    "%02X%02X%02X%02X%02X%02X",
	    guid[3], guid[2], guid[1], guid[0], guid[5], guid[4], guid[7],
	    guid[6], guid[8], guid[9], guid[10], guid[11], guid[12], guid[13],
	    guid[14], guid[15]);
}

static uint64_t
load_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

static bool
read_at(int fd, uint8_t *into, size_t size, uint64_t offset)
{
	return pread(fd, into, size, (off_t)offset) == (ssize_t)size;
}

static void
look_into_index(int fd, struct object *object)
{
	uint8_t front[INDEX_FRONT];
	uint32_t entries;

	if (object->bytes < sizeof(front) ||
	    !read_at(fd, front, sizeof(front), object->offset))
		return;
	object->simple_index = true;
	object->interval_us = load_u64(front + 40) / 10;
	memcpy(&entries, front + 52, sizeof(entries));
	object->entries = (uint32_t)MIN_OF(
	    le32toh(entries), (object->bytes - sizeof(front)) / 6);
}

/*
 * The objects from OFFSET to END on one level; those of header and header
 * extension follow theirs.  Each turn goes on by 24 bytes or more.
 */
static void
list_objects(
    struct report *report, uint64_t offset, uint64_t end, unsigned level)
{
	int fd = title_fd(report->title);
	uint8_t front[ASF_OBJECT_BYTES];
	struct object *object;
	uint64_t inside;

	while (report->count < OBJECTS_MOST && end - offset >= sizeof(front) &&
	       read_at(fd, front, sizeof(front), offset)) {
		object = &report->objects[report->count++];
		*object = (struct object){ .level = level, .offset = offset };
		name_object(front, object->name);
		object->bytes = MIN_OF(load_u64(front + 16), end - offset);
		/* Its size may never have been filled in. */
		if (level == 0 && asf_object_kind(front) == ASF_OBJECT_DATA)
			object->bytes = title_data_end(report->title) - offset;
		if (object->bytes < sizeof(front))
			return;
		offset += object->bytes;
		inside = 0;
		if (level == 0 && strcmp(object->name, "Header") == 0)
			inside = HEADER_FRONT;
		else if (level == 1 &&
			 strcmp(object->name, "Header Extension") == 0)
			inside = EXTENSION_FRONT;
		else if (level == 0 &&
			 asf_object_kind(front) == ASF_OBJECT_SIMPLE_INDEX)
			look_into_index(fd, object);
		if (inside != 0 && object->bytes >= inside)
			list_objects(
			    report, object->offset + inside, offset, level + 1);
	}
}

static const char *
kind_text(enum asf_kind kind)
{
	switch (kind) {
	case ASF_AUDIO:
		return "audio";
	case ASF_VIDEO:
		return "video";
	case ASF_COMMAND:
		return "command";
	default:
		return "other";
	}
}

static void
codec_text(const struct asf_stream *stream, char out[static 32])
{
	static const struct {
		uint32_t tag;
		const char *name;
	} tags[] = { { 0x01, "PCM" }, { 0x0a, "WMA Voice" }, { 0x55, "MP3" },
		{ 0x160, "WMA 1" }, { 0x161, "WMA 2" },
		{ 0x162, "WMA Professional" }, { 0x163, "WMA Lossless" } };
	char letters[5] = { 0 };

	for (unsigned i = 0; i < ARRAY_LENGTH(tags); i++)
		if (stream->kind == ASF_AUDIO && stream->codec == tags[i].tag) {
			snprintf(out, 32, "%s", tags[i].name);
			return;
		}
	for (unsigned i = 0; i < 4; i++)
		letters[i] = (char)(stream->codec >> (8 * i) & 0x7f);
	if (stream->kind == ASF_VIDEO && letters[0] > ' ' && letters[1] > ' ' &&
	    letters[2] > ' ' && letters[3] > ' ')
		source_text(letters, out, 32);
	else if (stream->codec != 0)
		snprintf(out, 32, "0x%04" PRIx32, stream->codec);
	else
		out[0] = '\0';
}

/* The stream of the N-th simple index: ASF reference 6.1. */
static unsigned
index_stream(const struct asf_header *header, unsigned n)
{
	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (header->streams[i].there &&
		    header->streams[i].kind == ASF_VIDEO && n-- == 0)
			return i;
	return 0;
}

static uint64_t
declared_ms(const struct asf_header *header)
{
	uint64_t ms = header->play_duration_us / US_PER_MS;

	return ms > header->preroll_ms ? ms - header->preroll_ms : 0;
}

/* ---- JSON ---- */

static json_t *
clean_string(const char *text)
{
	char clean[TEXT_BYTES * 4];

	source_text(text, clean, sizeof(clean));
	return json_string(clean);
}

static json_t *
whole(uint64_t value)
{
	return json_integer((json_int_t)MIN_OF(value, (uint64_t)INT64_MAX));
}

static json_t *
json_stream(const struct title *title, unsigned number)
{
	const struct asf_stream *stream = &title_header(title)->streams[number];
	char codec[32];
	json_t *out;

	codec_text(stream, codec);
	out = json_pack("{si ss ss so so si sb sb}", "number", (int)number,
	    "kind", kind_text(stream->kind), "codec", codec, "declared_bps",
	    whole(stream->bit_rate_bps), "average_bps",
	    whole(title_stream_bps(title, number)), "language",
	    (int)stream->language, "hidden", stream->hidden, "encrypted",
	    stream->encrypted);
	if (stream->kind == ASF_VIDEO) {
		json_object_set_new(out, "width", json_integer(stream->width));
		json_object_set_new(
		    out, "height", json_integer(stream->height));
	} else if (stream->kind == ASF_AUDIO) {
		json_object_set_new(
		    out, "sample_rate", json_integer(stream->sample_rate));
		json_object_set_new(
		    out, "channels", json_integer(stream->channels));
	}
	return out;
}

static void
json_lists(const struct report *report, json_t *out)
{
	const struct asf_header *header = title_header(report->title);
	json_t *streams = json_array(), *indexes = json_array(),
	       *objects = json_array();
	unsigned simple = 0;

	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (header->streams[i].there)
			json_array_append_new(
			    streams, json_stream(report->title, i));
	for (size_t i = 0; i < report->count; i++) {
		const struct object *object = &report->objects[i];

		json_array_append_new(objects,
		    json_pack("{ss si so so}", "name", object->name, "level",
			(int)object->level, "offset", whole(object->offset),
			"bytes", whole(object->bytes)));
		if (object->simple_index)
			json_array_append_new(indexes,
			    json_pack("{si so so}", "stream",
				(int)index_stream(header, simple++), "entries",
				whole(object->entries), "interval_ms",
				whole(object->interval_us / US_PER_MS)));
	}
	json_object_set_new(out, "streams", streams);
	json_object_set_new(out, "indexes", indexes);
	json_object_set_new(out, "objects", objects);
}

static int
json_print(json_t *out)
{
	int failed =
	    json_dumpf(out, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	json_decref(out);
	putchar('\n');
	if (failed != 0 || fflush(stdout) != 0) {
		fputs("vodasf: cannot write\n", stderr);
		return 1;
	}
	return 0;
}

static int
report_json(const struct report *report)
{
	const struct title *title = report->title;
	const struct asf_header *header = title_header(title);
	json_t *out = json_pack("{so sb so so so so so so so so so so so so "
				"so sb sb sb sb}",
	    "file", clean_string(report->path), "servable", true, "title",
	    clean_string(header->title), "author", clean_string(header->author),
	    "copyright", clean_string(header->copyright), "description",
	    clean_string(header->description), "file_bytes",
	    whole(title_identity(title)->bytes), "duration_ms",
	    whole(title_duration_us(title) / US_PER_MS), "declared_duration_ms",
	    whole(declared_ms(header)), "preroll_ms", whole(header->preroll_ms),
	    "packets", whole(title_packets(title)), "declared_packets",
	    whole(header->declared_packets), "packet_bytes",
	    whole(header->packet_bytes), "average_bps",
	    whole(title_average_bps(title)), "maximum_bps",
	    whole(header->maximum_bit_rate_bps), "broadcast", header->broadcast,
	    "seekable", header->seekable, "encrypted", header->encrypted,
	    "indexed", title_has_index(title));

	json_lists(report, out);
	return json_print(out);
}

/* ---- for people ---- */

static void
print_text(const char *name, const char *text)
{
	char clean[TEXT_BYTES];

	source_text(text, clean, sizeof(clean));
	if (clean[0] != '\0')
		printf("  %-12s %s\n", name, clean);
}

static void
print_stream(const struct title *title, unsigned number)
{
	const struct asf_stream *stream = &title_header(title)->streams[number];
	char codec[32];

	codec_text(stream, codec);
	printf("  stream %-5u %s %s", number, kind_text(stream->kind), codec);
	if (stream->kind == ASF_VIDEO)
		printf(" %" PRId32 "x%" PRId32, stream->width, stream->height);
	if (stream->kind == ASF_AUDIO)
		printf(" %" PRIu32 " Hz, %u channel%s", stream->sample_rate,
		    stream->channels, stream->channels == 1 ? "" : "s");
	printf(", %.1f kbit/s%s%s\n",
	    (double)title_stream_bps(title, number) / 1000,
	    stream->hidden ? ", hidden" : "",
	    stream->encrypted ? ", encrypted" : "");
}

static void
print_indexes(const struct report *report)
{
	unsigned simple = 0, stream;

	for (size_t i = 0; i < report->count; i++) {
		const struct object *object = &report->objects[i];

		if (!object->simple_index)
			continue;
		stream = index_stream(title_header(report->title), simple++);
		printf("  %-12s ", "index");
		if (stream == 0 || object->entries == 0)
			puts("empty");
		else
			printf("stream %u, %" PRIu32 " entries, one every "
			       "%.3f s\n",
			    stream, object->entries,
			    (double)object->interval_us / 1e6);
	}
	if (!title_has_index(report->title))
		printf("  %-12s none to seek by\n", "index");
}

static int
report_text(const struct report *report)
{
	const struct title *title = report->title;
	const struct asf_header *header = title_header(title);
	uint64_t bytes = title_identity(title)->bytes;

	printf("%s\n", report->path);
	print_text("title", header->title);
	print_text("author", header->author);
	print_text("copyright", header->copyright);
	print_text("description", header->description);
	printf("  %-12s %.3f s", "duration",
	    (double)title_duration_us(title) / 1e6);
	printf(header->broadcast ? ", not in the header\n"
				 : ", %.3f s in the header\n",
	    (double)declared_ms(header) / 1e3);
	printf("  %-12s %" PRIu32 " of %" PRIu32 " bytes", "packets",
	    title_packets(title), header->packet_bytes);
	if (header->declared_packets != 0 &&
	    header->declared_packets != title_packets(title))
		printf(", %" PRIu64 " in the header", header->declared_packets);
	printf("\n  %-12s %" PRIu64 " bytes", "file", bytes);
	if (!header->broadcast && header->declared_file_bytes != bytes)
		printf(
		    ", %" PRIu64 " in the header", header->declared_file_bytes);
	printf(
	    "\n  %-12s %.3f s\n", "preroll", (double)header->preroll_ms / 1e3);
	printf("  %-12s%s%s%s%s\n", "flags",
	    header->broadcast ? " broadcast" : "",
	    header->seekable ? " seekable" : "",
	    header->encrypted ? " encrypted" : "",
	    !header->broadcast && !header->seekable && !header->encrypted
		? " none"
		: "");
	printf("  %-12s %.1f kbit/s average, %.1f kbit/s at most\n", "bit rate",
	    (double)title_average_bps(title) / 1000,
	    (double)header->maximum_bit_rate_bps / 1000);
	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (header->streams[i].there)
			print_stream(title, i);
	print_indexes(report);
	puts("  objects");
	for (size_t i = 0; i < report->count; i++)
		printf("    %#010" PRIx64 " %10" PRIu64 " %*s%s\n",
		    report->objects[i].offset, report->objects[i].bytes,
		    (int)report->objects[i].level * 2, "",
		    report->objects[i].name);
	return fflush(stdout) == 0 ? 0 : 1;
}

int
info_run(const char *path, bool json)
{
	struct report report = { .path = path };
	struct title *title = NULL;
	const char *reason = source_open(path, &title);
	int status;

	if (reason != NULL) {
		if (json)
			json_print(
			    json_pack("{so sb ss}", "file", clean_string(path),
				"servable", false, "reason", reason));
		fprintf(
		    stderr, "vodasf: %s: cannot be served: %s\n", path, reason);
		return 1;
	}
	report.title = title;
	report.objects = calloc(OBJECTS_MOST, sizeof(*report.objects));
	if (report.objects == NULL) {
		fputs("vodasf: out of memory\n", stderr);
		title_close(title);
		return 1;
	}
	list_objects(&report, 0, title_identity(title)->bytes, 0);
	status = json ? report_json(&report) : report_text(&report);
	free(report.objects);
	title_close(title);
	return status;
}
