/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * index - a copy of a file with a simple index and a true header.
 *
 * The packets are copied as they are; only where a recording does not begin
 * at 0 their times are moved there.  Responsible for OUT being whole or not
 * there at all; keys does the looking.
 */
#include "prepare/index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/bytes.h"
#include "prepare/keys.h"
#include "prepare/progress.h"
#include "prepare/source.h"

#define CHUNK_BYTES (512u * 1024)
/* Send times that begin later than this were cut out of something longer. */
#define BASE_LEAST_MS 1000
#define FLAG_BROADCAST 1u
#define FLAG_SEEKABLE 2u

struct copy {
	const struct title *title;
	struct keys_table keys;
	uint32_t base_ms;
	uint64_t play_100ns, play_ms; /* preroll included */
	uint64_t others_at, others_bytes; /* objects kept behind the data */
	uint8_t *rest; /* what is whole of a last packet that was cut; owned */
	uint32_t packets; /* with the rest */
	struct {
		uint32_t first; /* packet; UINT32_MAX: nothing is torn */
		unsigned stream;
		uint32_t object, bytes;
	} torn;
	int fd;
};

static void
store_number(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
load_number(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = bytes; i-- > 0;)
		value = value << 8 | at[i];
	return value;
}

/* Somebody wants the work to end: nothing half-done may stay behind. */
static bool
interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 ||
		   sigismember(&pending, SIGTERM) == 1 ||
		   sigismember(&pending, SIGHUP) == 1);
}

static int
write_all(int fd, const void *data, size_t size)
{
	const uint8_t *from = data;
	ssize_t put;

	while (size > 0) {
		put = write(fd, from, size);
		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return -errno;
		from += put;
		size -= (size_t)put;
	}
	return 0;
}

static int
read_all(int fd, void *into, size_t size, uint64_t offset)
{
	uint8_t *to = into;
	ssize_t got;

	while (size > 0) {
		got = pread(fd, to, size, (off_t)offset);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0 ? -ESTALE : -errno;
		to += got;
		size -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

/* ---- times that begin at 0 ---- */

static void
move_number(uint8_t *at, unsigned bytes, uint32_t by)
{
	uint64_t value = load_number(at, bytes);

	store_number(at, value > by ? value - by : 0, bytes);
}

static unsigned
field_bytes(unsigned type)
{
	return (1u << (type & 3)) >> 1;
}

/* ASF reference 5.3: where the field "offset into media object" stands. */
static uint8_t *
offset_field(uint8_t *packet, const struct asf_packet *parsed,
    const struct asf_payload *payload)
{
	return packet + payload->at + 1 +
	       field_bytes(parsed->property_flags >> 4);
}

/* Object size, then presentation time. */
static uint8_t *
replicated_data(uint8_t *packet, const struct asf_packet *parsed,
    const struct asf_payload *payload)
{
	return offset_field(packet, parsed, payload) +
	       field_bytes(parsed->property_flags >> 2) +
	       field_bytes(parsed->property_flags);
}

static void
move_packet(uint8_t *packet, const struct asf_packet *parsed, uint32_t by_ms)
{
	move_number(packet + parsed->after_lengths_at, 4, by_ms);
	for (unsigned i = 0; i < parsed->payload_count; i++) {
		const struct asf_payload *payload = &parsed->payloads[i];

		if (payload->compressed) /* 5.4: the offset is the time */
			move_number(offset_field(packet, parsed, payload),
			    field_bytes(parsed->property_flags >> 2), by_ms);
		else if (payload->has_time)
			move_number(
			    replicated_data(packet, parsed, payload) + 4, 4,
			    by_ms);
	}
}

/* Pieces of the torn object say how long it really is. */
static void
mend_packet(
    uint8_t *packet, const struct asf_packet *parsed, const struct copy *copy)
{
	for (unsigned i = 0; i < parsed->payload_count; i++) {
		const struct asf_payload *payload = &parsed->payloads[i];

		if (payload->stream == copy->torn.stream &&
		    payload->object_number == copy->torn.object &&
		    payload->object_bytes != 0)
			store_number(replicated_data(packet, parsed, payload),
			    copy->torn.bytes, 4);
	}
}

static void
change_packet(const struct copy *copy, uint32_t number, uint8_t *packet)
{
	struct asf_packet parsed;

	if ((copy->base_ms == 0 && number < copy->torn.first) ||
	    asf_packet_parse(
		packet, title_packet_bytes(copy->title), &parsed) != ASF_OK)
		return;
	if (copy->base_ms != 0)
		move_packet(packet, &parsed, copy->base_ms);
	if (number >= copy->torn.first)
		mend_packet(packet, &parsed, copy);
}

/* ---- the parts of the copy ---- */

static int
put_header(const struct copy *copy)
{
	const struct asf_header *header = title_header(copy->title);
	size_t size = (size_t)header->header_bytes, at;
	uint64_t data_bytes = ASF_DATA_HEADER_BYTES +
			      (uint64_t)copy->packets * header->packet_bytes;
	uint64_t file_bytes =
	    size + data_bytes + copy->others_bytes +
	    copy->keys.count * keys_index_bytes(copy->play_ms);
	uint8_t *bytes = malloc(size + ASF_DATA_HEADER_BYTES), *properties;
	uint64_t flags;
	int error;

	if (bytes == NULL)
		return -ENOMEM;
	error = read_all(
	    title_fd(copy->title), bytes, size + ASF_DATA_HEADER_BYTES, 0);
	at = error == 0 ? asf_file_properties_at(bytes, size) : 0;
	if (at == 0) {
		free(bytes);
		return error != 0 ? error : -ESTALE;
	}
	properties = bytes + at;
	store_number(properties + 40, file_bytes, 8);
	store_number(properties + 56, copy->packets, 8);
	store_number(properties + 64, copy->play_100ns, 8);
	store_number(properties + 72,
	    (uint64_t)(copy->keys.end_send_ms - copy->base_ms) * 10000, 8);
	flags = load_number(properties + 88, 4);
	store_number(properties + 88,
	    (flags & ~(uint64_t)FLAG_BROADCAST) | FLAG_SEEKABLE, 4);
	store_number(bytes + size + 16, data_bytes, 8);
	store_number(bytes + size + 40, copy->packets, 8);
	error = write_all(copy->fd, bytes, size + ASF_DATA_HEADER_BYTES);
	free(bytes);
	return error;
}

static int
put_packets(const struct copy *copy)
{
	uint32_t bytes = title_packet_bytes(copy->title);
	uint32_t room = MAX_OF(CHUNK_BYTES / bytes, 1u);
	uint32_t all = title_packets(copy->title);
	uint8_t *buffer = malloc((size_t)room * bytes);
	struct progress progress;
	int error = buffer != NULL ? 0 : -ENOMEM, got;

	progress_start(&progress, "copying");
	for (uint32_t at = 0; at < all && error == 0; at += (uint32_t)got) {
		progress_tell(&progress, at, all);
		got = title_read_packets(copy->title, at, room, buffer, bytes);
		if (got <= 0 || interrupted()) {
			error = got < 0 ? got : got == 0 ? -EIO : -EINTR;
			break;
		}
		for (int i = 0; i < got; i++)
			change_packet(
			    copy, at + (uint32_t)i, buffer + (size_t)i * bytes);
		error = write_all(copy->fd, buffer, (size_t)got * bytes);
	}
	progress_stop(&progress);
	free(buffer);
	if (error == 0 && copy->rest != NULL) {
		change_packet(copy, all, copy->rest);
		error = write_all(copy->fd, copy->rest, bytes);
	}
	return error;
}

/*
 * The objects behind the data but for simple indexes, which are made anew.
 * PUT: write them; else only count.  Those of time are no longer right when
 * the times were moved.
 */
static int
other_objects(const struct copy *copy, bool put, uint64_t *out_bytes)
{
	uint64_t end = title_identity(copy->title)->bytes, size;
	uint64_t at = copy->others_at;
	uint8_t front[ASF_OBJECT_BYTES], *bytes;
	int fd = title_fd(copy->title), error = 0;

	*out_bytes = 0;
	while (at != 0 && copy->base_ms == 0 && error == 0 &&
	       end - at >= sizeof(front)) {
		error = read_all(fd, front, sizeof(front), at);
		size = load_number(front + 16, 8);
		if (error != 0 || size < sizeof(front) || size > end - at)
			break;
		at += size;
		if (asf_object_kind(front) == ASF_OBJECT_SIMPLE_INDEX)
			continue;
		*out_bytes += size;
		if (!put)
			continue;
		bytes = malloc((size_t)size);
		if (bytes == NULL)
			return -ENOMEM;
		error = read_all(fd, bytes, (size_t)size, at - size);
		if (error == 0)
			error = write_all(copy->fd, bytes, (size_t)size);
		free(bytes);
	}
	return error;
}

static int
put_indexes(const struct copy *copy)
{
	size_t size = keys_index_bytes(copy->play_ms);
	uint8_t *bytes = malloc(size);
	struct bytes_writer writer;
	int error = bytes != NULL ? 0 : -ENOMEM;

	for (unsigned i = 0; i < copy->keys.count && error == 0; i++) {
		writer = bytes_writer(bytes, size);
		keys_index_put(&writer, &copy->keys.streams[i],
		    title_header(copy->title)->file_id, copy->base_ms,
		    copy->play_ms);
		error = write_all(copy->fd, bytes, writer.at);
	}
	free(bytes);
	return error;
}

/*
 * The payload in which the recording breaks off ends there, and so does its
 * object.  False: nothing of it can be kept.
 */
static bool
end_payload(struct copy *copy, uint8_t *cut, uint32_t there,
    const struct asf_packet *parsed, struct asf_payload *payload)
{
	unsigned length_bytes =
	    parsed->multiple ? field_bytes(parsed->payload_length_type >> 6)
			     : 0;
	uint32_t bytes;

	if (there <= payload->data_at || payload->object_bytes == 0)
		return false;
	bytes = there - payload->data_at;
	store_number(
	    cut + payload->data_at - length_bytes, bytes, length_bytes);
	payload->data_bytes = (uint16_t)bytes;
	payload->bytes_total = (uint16_t)(there - payload->at);
	copy->torn.stream = payload->stream;
	copy->torn.object = payload->object_number;
	copy->torn.bytes = payload->object_offset + bytes;
	copy->torn.first = copy->packets;
	if (payload->object_offset != 0 &&
	    copy->keys.begun[payload->stream].object == payload->object_number)
		copy->torn.first = copy->keys.begun[payload->stream].packet;
	return true;
}

/*
 * A recording that was broken off may end inside a packet.  Its payloads
 * become a packet of their own, with an explicit length and the rest of it
 * padding, since players show them, too, even the last torn picture.
 */
static int
keep_rest(struct copy *copy, uint8_t *cut, uint32_t there)
{
	uint32_t bytes = title_packet_bytes(copy->title);
	struct asf_set all = { { UINT64_MAX, UINT64_MAX } };
	struct asf_packet parsed;
	unsigned whole = 0;
	bool key;

	if (asf_packet_parse(cut, bytes, &parsed) != ASF_OK)
		return 0;
	while (whole < parsed.payload_count &&
	       (uint32_t)parsed.payloads[whole].at +
		       parsed.payloads[whole].bytes_total <=
		   there)
		whole++;
	if (whole < parsed.payload_count &&
	    end_payload(copy, cut, there, &parsed, &parsed.payloads[whole]))
		whole++;
	if (whole == 0)
		return 0;
	parsed.dropped = true; /* whatever was behind is padding now */
	parsed.payload_count = whole;
	copy->rest = calloc(1, bytes + ASF_REWRITE_ROOM);
	if (copy->rest == NULL)
		return -ENOMEM;
	asf_packet_copy(cut, bytes, &parsed, all, copy->rest, &key);
	return keys_add_packet(&copy->keys, copy->packets++, &parsed);
}

/* What lies behind the whole packets: the rest of one, and objects. */
static int
look_behind(struct copy *copy)
{
	uint64_t at = title_packet_offset(copy->title, copy->packets);
	uint64_t end = title_data_end(copy->title);
	uint32_t bytes = title_packet_bytes(copy->title);
	uint8_t *cut;
	int error;

	if (end < title_identity(copy->title)->bytes)
		copy->others_at = end;
	if (end <= at || end - at >= bytes)
		return 0;
	cut = calloc(1, bytes);
	if (cut == NULL)
		return -ENOMEM;
	error = read_all(title_fd(copy->title), cut, (size_t)(end - at), at);
	if (error == 0)
		error = keep_rest(copy, cut, (uint32_t)(end - at));
	free(cut);
	return error;
}

static int
prepare(struct copy *copy)
{
	const struct asf_header *header = title_header(copy->title);
	uint64_t base_us, play_us;
	uint64_t last_us;
	int error = keys_scan(copy->title, &copy->keys);

	copy->packets = title_packets(copy->title);
	if (error == 0)
		error = look_behind(copy);
	if (error != 0)
		return error;
	if (copy->keys.first_send_ms >= BASE_LEAST_MS)
		copy->base_ms = copy->keys.first_send_ms;
	base_us = copy->base_ms * US_PER_MS;
	play_us = title_duration_us(copy->title);
	play_us += header->preroll_ms * US_PER_MS;
	last_us = copy->keys.last_ms * US_PER_MS;
	play_us = MAX_OF(play_us, last_us);
	play_us = play_us > base_us ? play_us - base_us : 0;
	copy->play_100ns = play_us * 10;
	copy->play_ms = play_us / US_PER_MS;
	return other_objects(copy, false, &copy->others_bytes);
}

static int
put_all(struct copy *copy)
{
	uint64_t bytes;
	int error = put_header(copy);

	if (error == 0)
		error = put_packets(copy);
	if (error == 0)
		error = other_objects(copy, true, &bytes);
	if (error == 0)
		error = put_indexes(copy);
	if (error == 0)
		error = title_check(copy->title);
	if (error == 0 && fsync(copy->fd) == -1)
		error = -errno;
	return error;
}

/* ---- OUT ---- */

static int
move_into_place(const char *temporary, const char *out, bool force)
{
	if (force)
		return rename(temporary, out) == -1 ? -errno : 0;
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, out, RENAME_NOREPLACE) ==
	    0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without that: link(2) does not replace either. */
	if (link(temporary, out) == -1)
		return -errno;
	unlink(temporary);
	return 0;
}

static int
write_out(struct copy *copy, const char *out, bool force)
{
	struct stat status;
	char *temporary;
	int error;

	if (asprintf(&temporary, "%s.XXXXXX", out) == -1)
		return -ENOMEM;
	copy->fd = mkostemp(temporary, O_CLOEXEC);
	if (copy->fd == -1) {
		error = -errno;
		free(temporary);
		return error;
	}
	error = put_all(copy);
	if (error == 0 && fstat(title_fd(copy->title), &status) == 0 &&
	    fchmod(copy->fd, status.st_mode & 0777) == -1)
		error = -errno;
	if (close(copy->fd) == -1 && error == 0)
		error = -errno;
	if (error == 0)
		error = move_into_place(temporary, out, force);
	if (error != 0)
		unlink(temporary);
	free(temporary);
	return error;
}

static bool
out_is_free(const char *out, bool force)
{
	struct stat status;

	if (lstat(out, &status) == -1)
		return true; /* other reasons show when it is made */
	if (!S_ISREG(status.st_mode))
		fprintf(stderr, "vodasf: %s: is not a regular file\n", out);
	else if (!force)
		fprintf(stderr,
		    "vodasf: %s: is there already (-f replaces "
		    "it)\n",
		    out);
	return S_ISREG(status.st_mode) && force;
}

static void
tell(const struct copy *copy, const char *out)
{
	uint32_t preroll_ms;
	size_t keys = 0;

	for (unsigned i = 0; i < copy->keys.count; i++)
		keys += copy->keys.streams[i].count;
	preroll_ms = title_header(copy->title)->preroll_ms;
	printf("%s: %" PRIu32 " packets, %.3f s, ", out, copy->packets,
	    copy->play_ms > preroll_ms
		? (double)(copy->play_ms - preroll_ms) / 1e3
		: 0.0);
	if (copy->keys.count == 0)
		puts("no video: true header, no index needed");
	else
		printf("%zu key frames in the index\n", keys);
	if (copy->keys.unreadable != 0)
		fprintf(stderr,
		    "vodasf: %" PRIu32 " packets are broken; they "
		    "were copied as they are\n",
		    copy->keys.unreadable);
}

int
index_run(const char *file, const char *out, bool force)
{
	struct copy copy = { .fd = -1, .torn.first = UINT32_MAX };
	struct title *title = NULL;
	const char *reason;
	sigset_t ends;
	int error;

	if (!out_is_free(out, force))
		return 1;
	reason = source_open(file, &title);
	if (reason != NULL) {
		fprintf(
		    stderr, "vodasf: %s: cannot be served: %s\n", file, reason);
		return 1;
	}
	/* Held back, not handled: they end the program behind the clean-up. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	copy.title = title;
	error = prepare(&copy);
	if (error == 0)
		error = write_out(&copy, out, force);
	if (error == 0)
		tell(&copy, out);
	else if (error == -ESTALE)
		fprintf(
		    stderr, "vodasf: %s: changed while it was read\n", file);
	else if (error != -EINTR)
		fprintf(stderr, "vodasf: %s: %s\n", out, strerror(-error));
	free(copy.rest);
	keys_free(&copy.keys);
	title_close(title);
	sigprocmask(SIG_UNBLOCK, &ends, NULL);
	return error == 0 ? 0 : 1;
}
