/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * title - one file being served: opens it, measures it, reads its packets and
 * finds where to start for a time.
 *
 * Responsible for every byte read from a media file, and for never trusting
 * one of them further than asf checked it.  Not responsible for threads (who
 * waits for the disk is the caller's affair), nor for pace.  Nothing here
 * changes after title_open() but one remembered answer of the kernel.
 */
#include "media/title.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base.h"

#define PATH_MOST 896
#define OPEN_TRIES 8
#define IOVECS_MOST 64
/* Indexes lie behind the data; a file with more objects there is no file. */
#define TOP_OBJECTS_MOST 64
#define INDEX_BYTES_MOST (56 + 6u * (1u << 20))
/* An index behind data without a size is looked for in this much. */
#define OPEN_END_BYTES (UINT64_C(8) * 1024 * 1024)
/* The end of a title is looked for in this much of it. */
#define TAIL_PACKETS 64
#define TAIL_BYTES (512u * 1024)
/* The last packet is not believed to be sent so long after the one before. */
#define LAST_GAP_MS 60000u
/* Packets may be sent so long after what a title says is its end. */
#define LATEST_ROOM_MS 60000u
/* A packet that cannot be read has the time of one of these before it. */
#define STEPS_BACK 64
#define SCAN_CHUNK_BYTES (128u * 1024)
#define SCAN_BYTES_MOST (64u * 1024 * 1024)
#define SCAN_PACKETS_MOST 65536u
/* An object said to last longer is not believed. */
#define OBJECT_US_MOST (2 * US_PER_SECOND)
/* A header's play duration within this of what the packets say is kept. */
#define PLAY_OFF_US_MOST US_PER_SECOND

struct title_index {
	unsigned stream;
	struct asf_index index;
};

struct title {
	int fd;
	struct asf_header header;
	struct title_identity identity;
	uint64_t data_at, data_end; /* of the first packet, behind the last */
	uint32_t packets;
	uint64_t duration_us, average_bps;
	uint32_t latest_send_ms; /* no packet is sent later */
	uint64_t stream_bps[ASF_STREAMS];
	uint8_t *sdp_header;
	size_t sdp_header_bytes;
	struct title_index *indexes;
	unsigned index_count;
	uint64_t mark;
	_Atomic bool cannot_nowait;
};

/* ---- opening ---- */

static int
open_beneath(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	size_t length = strlen(path);
	int fd = -1;

	if (length == 0 || length > PATH_MOST)
		return -ENOENT;
	/* EAGAIN: a folder on the way was renamed meanwhile, openat2(2). */
	for (int i = 0; i < OPEN_TRIES; i++) {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd != -1 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd != -1 ? fd : -errno;
}

/* Whoever asks must not learn whether a file is absent or forbidden. */
static int
error_told(int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
	case -ELOOP:
	case -EXDEV:
	case -ENOTDIR:
	case -EISDIR:
	case -ENAMETOOLONG:
	case -ENXIO:
	case -ENODEV:
		return -ENOENT;
	default:
		return error;
	}
}

static struct title_identity
identity_of(const struct stat *status)
{
	return (struct title_identity){
		.device = status->st_dev,
		.inode = status->st_ino,
		.bytes = (uint64_t)status->st_size,
		.change_time_us =
		    (uint64_t)status->st_mtim.tv_sec * US_PER_SECOND +
		    (uint64_t)status->st_mtim.tv_nsec / 1000,
	};
}

/* All of SIZE bytes, -ESTALE at the end of the file, or -errno. */
static int
read_at(int fd, void *into, size_t size, uint64_t offset)
{
	uint8_t *to = into;
	ssize_t got;

	while (size > 0) {
		got = pread(fd, to, size, (off_t)offset);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return -errno;
		if (got == 0)
			return -ESTALE;
		to += got;
		size -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

static int
refuse(enum asf_result why, enum asf_result *reason)
{
	*reason = why;
	return -EBADMSG;
}

/*
 * A recording whose Data Object was never given a size may still have an index
 * behind its packets (FFmpeg writes such files into pipes).  It begins where a
 * packet would; no packet begins with its GUID.
 */
static int
find_open_end(struct title *title)
{
	uint64_t bytes = title->header.packet_bytes, at;
	uint64_t boundaries = title->packets, back = 0;
	uint8_t guid[16];
	int error;

	/* A last piece shorter than a packet may be the index, too. */
	if (title->data_at + boundaries * bytes + sizeof(guid) >
	    title->identity.bytes)
		back = 1;
	for (; back <= boundaries && back * bytes <= OPEN_END_BYTES; back++) {
		at = title->data_at + (boundaries - back) * bytes;
		error = read_at(title->fd, guid, sizeof(guid), at);
		if (error != 0)
			return error;
		if (asf_object_kind(guid) == ASF_OBJECT_SIMPLE_INDEX ||
		    asf_object_kind(guid) == ASF_OBJECT_INDEX) {
			title->packets = (uint32_t)(boundaries - back);
			title->data_end = at;
			return 0;
		}
	}
	return 0;
}

/* What the header says, and how many packets there are. */
static int
take_header(struct title *title, const uint8_t *bytes, size_t size,
    enum asf_result *reason)
{
	uint64_t file_bytes = title->identity.bytes, packets, data_size;
	struct bytes_reader data =
	    bytes_reader(bytes + size, ASF_DATA_HEADER_BYTES);
	enum asf_result result;
	int error;

	result = asf_header_parse(bytes, size, &title->header);
	if (result == ASF_OK)
		result = asf_data_parse(
		    data.data, &title->header, file_bytes, &packets);
	if (result != ASF_OK)
		return refuse(result, reason);
	title->packets = (uint32_t)packets;
	title->data_at = size + ASF_DATA_HEADER_BYTES;
	bytes_skip(&data, 16);
	data_size = bytes_u64le(&data);
	title->data_end = file_bytes;
	if (data_size > ASF_DATA_HEADER_BYTES) {
		title->data_end = size + MIN_OF(data_size, file_bytes - size);
		return 0;
	}
	error = find_open_end(title);
	if (error == 0 && title->packets == 0)
		return refuse(ASF_NO_DATA, reason);
	return error;
}

/* The bytes of header and Data Object's head; *OUT is the caller's. */
static int
read_header(const struct title *title, uint8_t **out, size_t *out_size,
    enum asf_result *reason)
{
	uint8_t first[30] = { 0 }, *bytes;
	enum asf_result result;
	uint64_t size;
	int error;

	if (title->identity.bytes < sizeof(first))
		return refuse(ASF_NOT_ASF, reason);
	error = read_at(title->fd, first, sizeof(first), 0);
	if (error != 0)
		return error;
	result = asf_header_size(first, &size);
	if (result != ASF_OK)
		return refuse(result, reason);
	if (size > title->identity.bytes)
		return refuse(ASF_TRUNCATED, reason);
	if (size + ASF_DATA_HEADER_BYTES > title->identity.bytes)
		return refuse(ASF_NO_DATA, reason);
	bytes = malloc((size_t)size + ASF_DATA_HEADER_BYTES);
	if (bytes == NULL)
		return -ENOMEM;
	error =
	    read_at(title->fd, bytes, (size_t)size + ASF_DATA_HEADER_BYTES, 0);
	if (error != 0) {
		free(bytes);
		return error;
	}
	*out = bytes;
	*out_size = (size_t)size;
	return 0;
}

/* ---- indexes ---- */

static unsigned
lowest_video(const struct title *title, unsigned from)
{
	for (unsigned i = from; i < ASF_STREAMS; i++)
		if (title->header.streams[i].there &&
		    title->header.streams[i].kind == ASF_VIDEO)
			return i;
	return 0;
}

/* An index that cannot be read or makes no sense is none. */
static void
take_index(struct title *title, unsigned stream, uint64_t offset, uint64_t size)
{
	struct asf_index index;
	uint8_t *bytes;

	size = MIN_OF(size, INDEX_BYTES_MOST);
	bytes = malloc((size_t)size);
	if (bytes == NULL)
		return;
	if (read_at(title->fd, bytes, (size_t)size, offset) == 0 &&
	    asf_index_parse(bytes, (size_t)size, &index) == ASF_OK &&
	    index.count != 0) {
		title->indexes[title->index_count].stream = stream;
		title->indexes[title->index_count++].index = index;
	}
	free(bytes);
}

/*
 * The objects behind the data.  The n-th Simple Index belongs to the video
 * stream with the n-th lowest number: the object itself names none.
 */
static int
read_indexes(struct title *title)
{
	uint64_t offset = title->data_end, size, left;
	uint8_t head[ASF_OBJECT_BYTES];
	unsigned stream = lowest_video(title, 1);
	int error;

	if (stream == 0)
		return 0;
	title->indexes =
	    calloc(title->header.video_count, sizeof(*title->indexes));
	if (title->indexes == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < TOP_OBJECTS_MOST && stream != 0; i++) {
		left = title->identity.bytes - offset;
		if (left < sizeof(head))
			return 0;
		error = read_at(title->fd, head, sizeof(head), offset);
		if (error != 0)
			return error;
		memcpy(&size, head + 16, sizeof(size));
		size = le64toh(size);
		if (size < ASF_OBJECT_BYTES)
			return 0;
		size = MIN_OF(size, left);
		if (asf_object_kind(head) == ASF_OBJECT_SIMPLE_INDEX) {
			take_index(title, stream, offset, size);
			stream = lowest_video(title, stream + 1);
		}
		offset += size;
	}
	return 0;
}

static const struct asf_index *
index_of(const struct title *title, unsigned stream)
{
	for (unsigned i = 0; i < title->index_count; i++)
		if (title->indexes[i].stream == stream)
			return &title->indexes[i].index;
	return NULL;
}

/* ---- what the last packets say (ASF reference 5.6) ---- */

struct tail {
	uint64_t first_send_ms, end_send_ms; /* last packet's duration in it */
	uint64_t end_us; /* media time */
	bool timed[ASF_STREAMS];
	uint32_t last_ms[ASF_STREAMS], gap_ms[ASF_STREAMS];
};

static uint64_t
media_us(const struct title *title, uint32_t presentation_ms)
{
	if (presentation_ms <= title->header.preroll_ms)
		return 0;
	return (uint64_t)(presentation_ms - title->header.preroll_ms) *
	       US_PER_MS;
}

/* The time of a payload's last object: compressed ones hold several. */
static uint32_t
payload_last_ms(const uint8_t *packet, const struct asf_payload *payload)
{
	const uint8_t *data = packet + payload->data_at;
	uint64_t at_ms = payload->presentation_ms;
	uint32_t at = 0;

	if (!payload->compressed)
		return payload->presentation_ms;
	while (at < payload->data_bytes) {
		at += 1u + data[at];
		if (at < payload->data_bytes)
			at_ms += payload->step_ms;
	}
	return (uint32_t)MIN_OF(at_ms, UINT32_MAX);
}

static void
tail_add(const struct title *title, const uint8_t *packet,
    const struct asf_packet *parsed, struct tail *tail)
{
	uint64_t end_ms = (uint64_t)parsed->send_ms + parsed->duration_ms;
	uint32_t last_ms;

	tail->end_send_ms = MAX_OF(tail->end_send_ms, end_ms);
	for (unsigned i = 0; i < parsed->payload_count; i++) {
		const struct asf_payload *payload = &parsed->payloads[i];
		unsigned stream = payload->stream;

		if (!title->header.streams[stream].there || !payload->has_time)
			continue;
		last_ms = payload_last_ms(packet, payload);
		if (tail->timed[stream] && last_ms > tail->last_ms[stream])
			tail->gap_ms[stream] = last_ms - tail->last_ms[stream];
		if (!tail->timed[stream] || last_ms > tail->last_ms[stream])
			tail->last_ms[stream] = last_ms;
		tail->timed[stream] = true;
	}
}

/* How long the last object of a stream lasts: as told, else as the one
 * before. */
static uint64_t
last_object_us(
    const struct title *title, const struct tail *tail, unsigned stream)
{
	uint64_t us = title->header.streams[stream].frame_time_us;

	if (us == 0 || us > OBJECT_US_MOST)
		us = tail->gap_ms[stream] * US_PER_MS;
	return us <= OBJECT_US_MOST ? us : 0;
}

/* Sending ends later than showing in many files: only where no
 * presentation time is told it says something about the length. */
static void
tail_end(const struct title *title, struct tail *tail)
{
	uint64_t end_us;

	for (unsigned i = 0; i < ASF_STREAMS; i++) {
		if (!tail->timed[i])
			continue;
		end_us = media_us(title, tail->last_ms[i]) +
			 last_object_us(title, tail, i);
		tail->end_us = MAX_OF(tail->end_us, end_us);
	}
	if (tail->end_us == 0)
		tail->end_us = tail->end_send_ms * US_PER_MS;
}

/* What the header says, 0 if nothing. */
static uint64_t
told_duration_us(const struct title *title)
{
	uint64_t preroll_us = title->header.preroll_ms * US_PER_MS;

	return title->header.play_duration_us > preroll_us
		   ? title->header.play_duration_us - preroll_us
		   : 0;
}

/*
 * Packets come in the order of their send times.  One that is wrong must not
 * hold up a stream for days: none is sent much later than the last, or than
 * the header tells.
 */
static uint32_t
latest_send_ms(const struct title *title, const uint8_t *tail, uint32_t count)
{
	uint32_t bytes = title->header.packet_bytes, send_ms;
	uint32_t last_ms = 0, before_ms = 0, seen = 0;
	uint64_t latest_ms = title->header.play_duration_us / US_PER_MS;

	for (uint32_t i = 0; i < count; i++) {
		if (asf_packet_send_time(
			tail + (size_t)i * bytes, bytes, &send_ms) != ASF_OK)
			continue;
		before_ms = seen++ == 0 ? send_ms : last_ms;
		last_ms = send_ms;
	}
	if (last_ms > before_ms && last_ms - before_ms > LAST_GAP_MS)
		last_ms = before_ms;
	latest_ms = MAX_OF(latest_ms, last_ms) + LATEST_ROOM_MS;
	return (uint32_t)MIN_OF(latest_ms, UINT32_MAX);
}

static int
read_tail(
    struct title *title, uint8_t *buffer, uint32_t room, struct tail *tail)
{
	uint32_t count = MIN_OF(room, title->packets);
	uint32_t bytes = title->header.packet_bytes, send_ms;
	struct asf_packet parsed;
	const uint8_t *packet;
	int got;

	memset(tail, 0, sizeof(*tail));
	got = title_read_packets(
	    title, title->packets - count, count, buffer, bytes);
	if (got < 0)
		return got;
	title->latest_send_ms = latest_send_ms(title, buffer, (uint32_t)got);
	for (uint32_t i = 0; i < (uint32_t)got; i++) {
		packet = buffer + (size_t)i * bytes;
		if (asf_packet_parse(packet, bytes, &parsed) == ASF_OK &&
		    parsed.send_ms <= title->latest_send_ms)
			tail_add(title, packet, &parsed, tail);
	}
	tail_end(title, tail);
	got = title_send_ms(title, 0, &send_ms);
	tail->first_send_ms = send_ms;
	return got;
}

/* Data bytes over the time they are sent in; at least something. */
static uint64_t
average_of(const struct title *title, const struct tail *tail)
{
	uint64_t bits =
	    (uint64_t)title->packets * title->header.packet_bytes * 8;
	uint64_t ms = 0;

	if (tail->end_send_ms > tail->first_send_ms)
		ms = tail->end_send_ms - tail->first_send_ms;
	if (ms == 0)
		ms = title->duration_us / US_PER_MS;
	if (ms == 0)
		return MAX_OF(title->header.maximum_bit_rate_bps, 1u);
	return MAX_OF(bits / ms * 1000 + bits % ms * 1000 / ms, 1u);
}

/*
 * What the header says of each stream, capped by what the file holds; streams
 * without a rate share the rest.  Rates that together do not reach the true
 * one (there are headers with 16 byte/s for real audio) are raised to it.
 */
static void
share_rates(struct title *title)
{
	const struct asf_stream *streams = title->header.streams;
	uint64_t total = title->average_bps, sum = 0, rest;
	unsigned unknown = 0;

	for (unsigned i = 0; i < ASF_STREAMS; i++) {
		if (!streams[i].there)
			continue;
		title->stream_bps[i] = MIN_OF(streams[i].bit_rate_bps, total);
		unknown += title->stream_bps[i] == 0;
		sum += title->stream_bps[i];
	}
	rest = total > sum ? total - sum : 0;
	for (unsigned i = 0; i < ASF_STREAMS; i++) {
		if (!streams[i].there)
			continue;
		if (unknown == 0 && rest != 0)
			title->stream_bps[i] +=
			    rest * title->stream_bps[i] / sum;
		else if (title->stream_bps[i] == 0)
			title->stream_bps[i] = rest / unknown;
	}
}

static int
measure(struct title *title)
{
	uint32_t room = TAIL_BYTES / title->header.packet_bytes;
	struct tail tail;
	uint8_t *buffer;
	int error;

	room = MIN_OF(MAX_OF(room, 1u), TAIL_PACKETS);
	buffer = malloc((size_t)room * title->header.packet_bytes);
	if (buffer == NULL)
		return -ENOMEM;
	error = read_tail(title, buffer, room, &tail);
	free(buffer);
	if (error != 0)
		return error;
	/*
	 * What the header tells is believed as far as packets are sent: where
	 * the last object stays on the screen for long, the packets' own times
	 * end with its beginning.
	 */
	title->duration_us = MAX_OF(tail.end_us,
	    MIN_OF(tail.end_send_ms * US_PER_MS, told_duration_us(title)));
	title->average_bps = average_of(title, &tail);
	share_rates(title);
	return 0;
}

/* ---- open and close ---- */

/*
 * Play duration for the copy of the header; 0: as it stands.  GStreamer cuts
 * the last samples there, so it shall be the file's own; one that is off by
 * more than encoders are would cut more, or show a wrong length.
 */
static uint64_t
play_duration_to_tell(const struct title *title)
{
	uint64_t own_us = title->header.play_duration_us;
	uint64_t true_us =
	    title->duration_us + title->header.preroll_ms * US_PER_MS;
	uint64_t off_us = MAX_OF(own_us, true_us) - MIN_OF(own_us, true_us);

	return off_us < PLAY_OFF_US_MOST ? 0 : true_us;
}

static int
make_sdp_header(struct title *title, const uint8_t *bytes, size_t size,
    enum asf_result *reason)
{
	uint8_t *copy = malloc(TITLE_SDP_HEADER_MOST), *smaller;
	size_t used;

	if (copy == NULL)
		return -ENOMEM;
	title->sdp_header = copy;
	used = asf_header_copy(bytes, size, bytes + size, title->packets,
	    play_duration_to_tell(title), copy, TITLE_SDP_HEADER_MOST);
	if (used == 0)
		return refuse(ASF_HEADER_TOO_LARGE, reason);
	title->sdp_header_bytes = used;
	smaller = realloc(copy, used);
	if (smaller != NULL)
		title->sdp_header = smaller;
	return 0;
}

static int
open_file(struct title *title, int media_root, const char *path)
{
	struct stat status;

	title->fd = open_beneath(media_root, path);
	if (title->fd < 0)
		return error_told(title->fd);
	if (fstat(title->fd, &status) == -1)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENOENT;
	title->identity = identity_of(&status);
	return 0;
}

static int
load(struct title *title, enum asf_result *reason)
{
	uint8_t *bytes;
	size_t size;
	int error;

	error = read_header(title, &bytes, &size, reason);
	if (error != 0)
		return error;
	error = take_header(title, bytes, size, reason);
	if (error != 0)
		goto done;
	error = read_indexes(title);
	if (error != 0)
		goto done;
	error = measure(title);
	if (error != 0)
		goto done;
	error = make_sdp_header(title, bytes, size, reason);
done:
	free(bytes);
	return error;
}

int
title_open(int media_root, const char *path, struct title **out,
    enum asf_result *reason)
{
	struct title *title;
	int error;

	*reason = ASF_OK;
	title = calloc(1, sizeof(*title));
	if (title == NULL)
		return -ENOMEM;
	error = open_file(title, media_root, path);
	if (error == 0)
		error = load(title, reason);
	if (error != 0) {
		title_close(title);
		return error;
	}
	*out = title;
	return 0;
}

void
title_close(struct title *title)
{
	if (title == NULL)
		return;
	if (title->fd >= 0)
		close(title->fd);
	for (unsigned i = 0; i < title->index_count; i++)
		asf_index_free(&title->indexes[i].index);
	free(title->indexes);
	free(title->sdp_header);
	free(title);
}

const struct asf_header *
title_header(const struct title *title)
{
	return &title->header;
}

const struct title_identity *
title_identity(const struct title *title)
{
	return &title->identity;
}

int
title_check(const struct title *title)
{
	struct title_identity now;
	struct stat status;

	if (fstat(title->fd, &status) == -1)
		return -ESTALE;
	now = identity_of(&status);
	return now.bytes == title->identity.bytes &&
		       now.change_time_us == title->identity.change_time_us
		   ? 0
		   : -ESTALE;
}

uint32_t
title_packets(const struct title *title)
{
	return title->packets;
}

uint32_t
title_packet_bytes(const struct title *title)
{
	return title->header.packet_bytes;
}

uint64_t
title_duration_us(const struct title *title)
{
	return title->duration_us;
}

uint64_t
title_average_bps(const struct title *title)
{
	return title->average_bps;
}

uint64_t
title_stream_bps(const struct title *title, unsigned stream)
{
	return stream < ASF_STREAMS ? title->stream_bps[stream] : 0;
}

uint32_t
title_latest_send_ms(const struct title *title)
{
	return title->latest_send_ms;
}

const uint8_t *
title_sdp_header(const struct title *title, size_t *size)
{
	*size = title->sdp_header_bytes;
	return title->sdp_header;
}

bool
title_has_index(const struct title *title)
{
	return title->index_count != 0;
}

int
title_fd(const struct title *title)
{
	return title->fd;
}

void
title_set_mark(struct title *title, uint64_t mark)
{
	title->mark = mark;
}

uint64_t
title_mark(const struct title *title)
{
	return title->mark;
}

uint64_t
title_data_end(const struct title *title)
{
	return title->data_end;
}

uint64_t
title_packet_offset(const struct title *title, uint32_t packet)
{
	return title->data_at + (uint64_t)packet * title->header.packet_bytes;
}

/* ---- reading packets ---- */

/*
 * One preadv2() of up to COUNT packets.  Bytes read, or -errno; *COUNT
 * becomes what was asked for.
 */
static ssize_t
read_some(const struct title *title, uint32_t first, uint32_t *count,
    uint8_t *into, size_t stride, int flags)
{
	size_t bytes = title->header.packet_bytes;
	struct iovec vectors[IOVECS_MOST];
	int used = 1;
	ssize_t got;

	*count = MIN_OF(*count, title->packets - first);
	if (stride == bytes) {
		*count = (uint32_t)MIN_OF(*count, INT32_MAX / bytes);
		vectors[0] = (struct iovec){ into, *count * bytes };
	} else {
		*count = MIN_OF(*count, IOVECS_MOST);
		for (used = 0; used < (int)*count; used++)
			vectors[used] =
			    (struct iovec){ into + (size_t)used * stride,
				    bytes };
	}
	do
		got = preadv2(title->fd, vectors, used,
		    (off_t)title_packet_offset(title, first), flags);
	while (got == -1 && errno == EINTR);
	return got == -1 ? -errno : got;
}

int
title_try_packets(const struct title *title, uint32_t first, uint32_t count,
    uint8_t *into, size_t stride)
{
	ssize_t got;

	if (first >= title->packets || count == 0)
		return 0;
	if (!title_can_nowait(title))
		return -EOPNOTSUPP;
	got = read_some(title, first, &count, into, stride, RWF_NOWAIT);
	if (got == -EOPNOTSUPP) {
		/* The one thing that is learned later; only ever set. */
		atomic_store_explicit(
		    &((struct title *)(uintptr_t)title)->cannot_nowait, true,
		    memory_order_relaxed);
		return -EOPNOTSUPP;
	}
	if (got == -EAGAIN)
		return -EAGAIN;
	if (got < 0)
		return -EIO;
	if (got == 0)
		return -ESTALE;
	/* Part of a packet: the rest of it is not in the page cache. */
	count = (uint32_t)got / title->header.packet_bytes;
	return count != 0 ? (int)count : -EAGAIN;
}

bool
title_can_nowait(const struct title *title)
{
	return !atomic_load_explicit(
	    &title->cannot_nowait, memory_order_relaxed);
}

int
title_read_packets(const struct title *title, uint32_t first, uint32_t count,
    uint8_t *into, size_t stride)
{
	size_t bytes = title->header.packet_bytes;
	uint32_t asked = count;
	ssize_t got;
	int error;

	if (first >= title->packets || count == 0)
		return 0;
	got = read_some(title, first, &asked, into, stride, 0);
	if (got < 0)
		return -EIO;
	if (got == 0)
		return -ESTALE;
	count = (uint32_t)got / (uint32_t)bytes;
	if (count != 0)
		return (int)count;
	/* A file system may give less than it has: the rest of the first. */
	error = read_at(title->fd, into + got, bytes - (size_t)got,
	    title_packet_offset(title, first) + (uint64_t)got);
	if (error != 0)
		return error == -ESTALE ? -ESTALE : -EIO;
	return 1;
}

/* ---- seeking (ASF reference 6) ---- */

int
title_send_ms(const struct title *title, uint32_t packet, uint32_t *out_ms)
{
	uint8_t first[ASF_SEND_TIME_BYTES];
	size_t size = MIN_OF(sizeof(first), title->header.packet_bytes);
	int error;

	packet = MIN_OF(packet, title->packets - 1);
	for (unsigned i = 0; i < STEPS_BACK; i++) {
		error = read_at(
		    title->fd, first, size, title_packet_offset(title, packet));
		if (error != 0)
			return -EIO;
		if (asf_packet_send_time(first, size, out_ms) == ASF_OK &&
		    *out_ms <= title->latest_send_ms)
			return 0;
		if (packet-- == 0)
			break;
	}
	*out_ms = 0;
	return 0;
}

/* How many packets have a send time up to AT_MS: they come in order. */
static int
packets_sent_by(const struct title *title, uint64_t at_ms, uint32_t *out)
{
	uint32_t low = 0, high = title->packets, middle, send_ms;
	int error;

	while (low < high) {
		middle = low + (high - low) / 2;
		error = title_send_ms(title, middle, &send_ms);
		if (error != 0)
			return error;
		if (send_ms <= at_ms)
			low = middle + 1;
		else
			high = middle;
	}
	*out = low;
	return 0;
}

/* A search for the last key frame start up to a presentation time. */
struct scan {
	const struct title *title;
	unsigned stream;
	uint64_t until_ms; /* preroll included */
	uint8_t *buffer;
	uint32_t room; /* packets in the buffer */
	uint32_t packets_left; /* of what one seek may look at */
	bool found;
	uint32_t packet, found_ms;
};

static int
scan_begin(struct scan *scan, const struct title *title, unsigned stream,
    uint64_t until_ms)
{
	uint32_t bytes = title->header.packet_bytes;

	*scan = (struct scan){
		.title = title,
		.stream = stream,
		.until_ms = until_ms,
		.room = MAX_OF(SCAN_CHUNK_BYTES / bytes, 1u),
		.packets_left =
		    MIN_OF(SCAN_BYTES_MOST / bytes, SCAN_PACKETS_MOST),
	};
	scan->buffer = malloc((size_t)scan->room * bytes);
	return scan->buffer != NULL ? 0 : -ENOMEM;
}

static void
scan_packet(struct scan *scan, uint32_t number, const uint8_t *packet)
{
	struct asf_packet parsed;

	if (asf_packet_parse(
		packet, scan->title->header.packet_bytes, &parsed) != ASF_OK)
		return;
	for (unsigned i = 0; i < parsed.payload_count; i++) {
		const struct asf_payload *payload = &parsed.payloads[i];

		if (payload->stream != scan->stream || !payload->key ||
		    !payload->starts_object ||
		    payload->presentation_ms > scan->until_ms)
			continue;
		scan->found = true;
		scan->packet = number;
		scan->found_ms = payload->presentation_ms;
	}
}

/* Packets FROM up to, not with, TO; stops early when the cap is used up. */
static int
scan_packets(struct scan *scan, uint32_t from, uint32_t to)
{
	uint32_t bytes = scan->title->header.packet_bytes, count;
	int got;

	while (from < to && scan->packets_left > 0) {
		count = MIN_OF(to - from, scan->room);
		count = MIN_OF(count, scan->packets_left);
		got = title_read_packets(
		    scan->title, from, count, scan->buffer, bytes);
		if (got <= 0)
			return -EIO;
		for (uint32_t i = 0; i < (uint32_t)got; i++)
			scan_packet(
			    scan, from + i, scan->buffer + (size_t)i * bytes);
		from += (uint32_t)got;
		scan->packets_left -= (uint32_t)got;
	}
	return 0;
}

/* Whether a key frame of the interval that ends with ENTRY begins where it
 * says. */
static int
entry_is_right(const struct scan *seek, const struct asf_index *index,
    uint32_t entry, bool *out)
{
	struct scan scan = *seek;
	int error;

	*out = false;
	if (index->packets[entry] >= scan.title->packets)
		return 0;
	scan.found = false;
	scan.until_ms = entry * index->interval_us / US_PER_MS;
	error = scan_packets(
	    &scan, index->packets[entry], index->packets[entry] + 1);
	*out = scan.found &&
	       scan.found_ms * US_PER_MS > (entry - 1) * index->interval_us;
	return error;
}

/*
 * By the index.  Entry i names the packet where the last key frame up to
 * i * interval begins, so between the packets of two entries lies every key
 * frame of that interval.  What is found is believed when all entries since
 * then agree with it and the next other one keeps to the rule.
 */
static int
seek_by_index(struct scan *scan, const struct asf_index *index)
{
	uint64_t entry = scan->until_ms * US_PER_MS / index->interval_us, since;
	uint32_t from, to, next;
	bool right;
	int error;

	if (entry + 1 >= index->count)
		return 0;
	from = index->packets[entry];
	to = index->packets[entry + 1];
	if (from > to || to >= scan->title->packets ||
	    to - from > scan->packets_left / 4)
		return 0;
	next = (uint32_t)entry + 1;
	while (next < index->count && index->packets[next] == from)
		next++;
	if (next == index->count)
		return 0;
	error = entry_is_right(scan, index, next, &right);
	if (error != 0 || !right)
		return error;
	error = scan_packets(scan, from, to + 1);
	if (error != 0 || !scan->found)
		return error;
	since = (scan->found_ms * US_PER_MS + index->interval_us - 1) /
		index->interval_us;
	if (since <= entry && index->packets[since] != scan->packet)
		scan->found = false;
	return 0;
}

/* Without an index, or against it: ASF reference 6.2. */
static int
seek_by_search(struct scan *scan)
{
	uint64_t preroll_ms = scan->title->header.preroll_ms;
	uint32_t low, high, step = 64;
	int error;

	error = packets_sent_by(scan->title, scan->until_ms, &high);
	if (error == 0)
		error = packets_sent_by(scan->title,
		    scan->until_ms > preroll_ms ? scan->until_ms - preroll_ms
						: 0,
		    &low);
	if (error != 0)
		return error;
	low -= low > 0;
	error = scan_packets(scan, low, high);
	while (
	    error == 0 && !scan->found && low > 0 && scan->packets_left > 0) {
		high = low;
		low -= MIN_OF(low, step);
		step = MIN_OF(step * 2, SCAN_PACKETS_MOST);
		error = scan_packets(scan, low, high);
	}
	return error;
}

/*
 * The packet that is sent at AT_MS; of several with the same send time the
 * first, since an object may begin in it.
 */
static int
seek_sent(const struct title *title, uint64_t at_ms, uint32_t *out_packet,
    uint64_t *reached_us)
{
	uint32_t count, send_ms;
	int error;

	error = packets_sent_by(title, at_ms, &count);
	if (error != 0)
		return error;
	count -= count > 0;
	error = title_send_ms(title, count, &send_ms);
	if (error != 0)
		return error;
	if (send_ms <= at_ms) {
		count = 0;
		if (send_ms > 0)
			error = packets_sent_by(title, send_ms - 1, &count);
		if (error != 0)
			return error;
	}
	*out_packet = count;
	*reached_us = send_ms * US_PER_MS;
	return 0;
}

static int
seek_key(const struct title *title, unsigned stream, uint64_t at_ms,
    uint32_t *out_packet, uint64_t *reached_us)
{
	const struct asf_index *index = index_of(title, stream);
	struct scan scan;
	int error;

	error =
	    scan_begin(&scan, title, stream, at_ms + title->header.preroll_ms);
	if (error != 0)
		return error;
	if (index != NULL)
		error = seek_by_index(&scan, index);
	if (error == 0 && !scan.found)
		error = seek_by_search(&scan);
	free(scan.buffer);
	if (error != 0)
		return error;
	if (!scan.found) /* the very first, or the cap was used up */
		return seek_sent(title, scan.packets_left > 0 ? 0 : at_ms,
		    out_packet, reached_us);
	*out_packet = scan.packet;
	*reached_us = media_us(title, scan.found_ms);
	return 0;
}

int
title_seek(const struct title *title, uint64_t at_us, struct asf_set wanted,
    uint32_t *out_packet, uint64_t *reached_us)
{
	uint64_t at_ms = MIN_OF(at_us, title->duration_us) / US_PER_MS;
	unsigned stream = lowest_video(title, 1);

	while (stream != 0 && !asf_set_has(wanted, stream))
		stream = lowest_video(title, stream + 1);
	/* From the start nothing is left out, be it before a key frame. */
	if (stream == 0 || at_ms == 0)
		return seek_sent(title, at_ms, out_packet, reached_us);
	return seek_key(title, stream, at_ms, out_packet, reached_us);
}

int
title_end_packet(
    const struct title *title, uint64_t at_us, uint32_t *out_packet)
{
	if (at_us >= title->duration_us) {
		*out_packet = title->packets;
		return 0;
	}
	return packets_sent_by(
	    title, at_us / US_PER_MS + title->header.preroll_ms, out_packet);
}
