/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_title - rules of opening, reading and seeking.  Titles are built in a
 * folder of their own; seeking is compared with a look at every packet, there
 * and in each real file of media/ and of the folder VODD_TEST_MEDIA names.
 */
#include "media/title.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "asf_build.h"
#include "base/base.h"

#define PACKET 200u
#define PREROLL_MS 3000u
#define FRAME_MS 100u
#define PACKET_BPS UINT64_C(16000) /* of a packet a frame */

static char folder[64];
static int root = -1;

static void
make_folder(void)
{
	strcpy(folder, "/tmp/check_title.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ne(root, -1);
	ck_assert_int_eq(chmod(folder, 0755), 0);
}

static void
remove_folder(void)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
		if (unlinkat(root, entry->d_name, 0) == -1)
			unlinkat(root, entry->d_name, AT_REMOVEDIR);
	if (directory != NULL)
		closedir(directory);
	close(root);
	rmdir(folder);
}

static void
store(const char *name, const void *data, size_t size)
{
	int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	close(fd);
}

static int
cut_file(const char *name, off_t size)
{
	int fd = openat(root, name, O_WRONLY | O_CLOEXEC), result;

	result = fd != -1 ? ftruncate(fd, size) : -1;
	close(fd);
	return result;
}

/* How a built title looks. */
struct plan {
	unsigned packets, key_every; /* one frame a packet; 0: no key frame */
	bool video, audio;
	uint32_t flags;
	uint32_t base_ms; /* of all times */
	unsigned index_entries, index_wrong; /* all name this packet */
	enum {
		RIGHT,
		WRONG,
		LAGGING
	} index_is; /* lagging: the key frame before */
	uint64_t index_interval;
	unsigned broken_every; /* such packets do not parse; 0: none */
	unsigned late_every; /* such packets say that they are sent ... */
	uint32_t late_ms; /* ... then */
	uint64_t play_ms; /* in the header; 0: wrong on purpose */
};

static const struct plan usual = { .packets = 300,
	.key_every = 25,
	.video = true,
	.audio = true,
	.flags = 2 };

/* The index that the rule of ASF reference 6.1 wants. */
static void
put_index(struct build *build, const struct plan *plan)
{
	size_t began = build_begin(build, DISK_SIMPLE_INDEX);

	build_bytes(build, "0123456789abcdef", 16);
	build_number(build, plan->index_interval, 8);
	build_number(build, 1, 4);
	build_number(build, plan->index_entries, 4);
	for (unsigned i = 0; i < plan->index_entries; i++) {
		uint64_t at_ms = i * plan->index_interval / 10000, packet = 0;

		if (at_ms > plan->base_ms + PREROLL_MS)
			packet = (at_ms - plan->base_ms - PREROLL_MS) /
				 FRAME_MS / plan->key_every * plan->key_every;
		packet = MIN_OF(packet, (uint64_t)(plan->packets - 1) /
					    plan->key_every * plan->key_every);
		if (plan->index_is == WRONG)
			packet = plan->index_wrong;
		if (plan->index_is == LAGGING)
			packet -= MIN_OF(packet, plan->key_every);
		build_number(build, packet, 4);
		build_number(build, 1, 2);
	}
	build_end(build, began);
}

static struct build
build_title(const struct plan *plan)
{
	struct build_properties properties = { .packets = plan->packets,
		.play_100ns = plan->play_ms != 0 ? plan->play_ms * 10000
						 : UINT64_C(600000000),
		.preroll_ms = PREROLL_MS,
		.flags = plan->flags,
		.least = PACKET,
		.most = PACKET };
	struct build build = build_new();
	size_t began = build_header_begin(&build);

	build_file_properties(&build, &properties);
	if (plan->audio)
		build_audio(&build, 1);
	if (plan->video)
		build_video(&build, 2);
	build_end(&build, began);
	build_data_begin(&build,
	    plan->flags & 1 ? 50 : 50 + (uint64_t)plan->packets * PACKET,
	    plan->flags & 1 ? 0 : plan->packets);
	for (unsigned i = 0; i < plan->packets; i++) {
		bool key = plan->key_every != 0 && i % plan->key_every == 0;
		uint32_t send_ms = plan->base_ms + i * FRAME_MS;
		struct build_payload payloads[2];
		unsigned count = 0;
		size_t at = build.at;

		if (plan->audio)
			payloads[count++] = (struct build_payload){ 1, i, 0, 20,
				send_ms + PREROLL_MS, 20 };
		if (plan->video)
			payloads[count++] =
			    (struct build_payload){ key ? 0x82 : 2, i, 0, 60,
				    send_ms + PREROLL_MS, 60 };
		if (plan->late_every != 0 && i % plan->late_every == 1)
			send_ms = plan->late_ms;
		build_packet(
		    &build, PACKET, send_ms, FRAME_MS, payloads, count);
		if (plan->broken_every != 0 && i % plan->broken_every == 1)
			build.data[at] = 0xe2;
	}
	if (plan->index_entries != 0)
		put_index(&build, plan);
	return build;
}

static struct title *
open_title(const char *name)
{
	struct title *title = NULL;
	enum asf_result reason;

	ck_assert_int_eq(title_open(root, name, &title, &reason), 0);
	return title;
}

static struct title *
title_of(const struct plan *plan)
{
	struct build build = build_title(plan);

	store("title.wmv", build.data, build.at);
	free(build.data);
	return open_title("title.wmv");
}

static struct asf_set
every_stream(void)
{
	return (struct asf_set){ { UINT64_MAX, UINT64_MAX } };
}

static void check_seeks_of(const struct plan *plan, bool index);

/* ---- opening ---- */

/* The play duration that clients are told, in ms. */
static uint64_t
play_ms_told(uint64_t play_ms)
{
	struct plan plan = usual;
	struct asf_header header;
	struct title *title;
	const uint8_t *told;
	size_t size;

	plan.play_ms = play_ms;
	title = title_of(&plan);
	told = title_sdp_header(title, &size);
	ck_assert_int_eq(asf_header_parse(told, size, &header), ASF_OK);
	title_close(title);
	return header.play_duration_us / US_PER_MS;
}

START_TEST(a_play_duration_that_is_nearly_right_is_told_as_it_stands)
{
	ck_assert_uint_eq(play_ms_told(33000), 33000);
	ck_assert_uint_eq(play_ms_told(32533), 32533);
	ck_assert_uint_eq(play_ms_told(33999), 33999);
	ck_assert_uint_eq(play_ms_told(32000), 33000);
	ck_assert_uint_eq(play_ms_told(34000), 33000);
	ck_assert_uint_eq(play_ms_told(60000), 33000);
	ck_assert_uint_eq(play_ms_told(1), 33000);
}
END_TEST

START_TEST(a_title_tells_what_its_packets_say)
{
	struct title *title = title_of(&usual);
	size_t size;

	ck_assert_uint_eq(title_packets(title), 300);
	ck_assert_uint_eq(title_packet_bytes(title), PACKET);
	/* the header says 57 s */
	ck_assert_uint_eq(title_duration_us(title), 30 * US_PER_SECOND);
	ck_assert_uint_eq(title_average_bps(title), PACKET_BPS);
	ck_assert_uint_eq(
	    title_stream_bps(title, 1) + title_stream_bps(title, 2),
	    PACKET_BPS);
	ck_assert(!title_has_index(title));
	ck_assert_ptr_nonnull(title_sdp_header(title, &size));
	ck_assert_uint_gt(size, 300);
	ck_assert_int_eq(title_check(title), 0);
	title_close(title);
	title_close(NULL);
}
END_TEST

START_TEST(streams_without_a_rate_share_what_is_left)
{
	struct plan plan = usual;
	struct title *title;

	plan.audio = false;
	title = title_of(&plan);
	ck_assert_uint_eq(title_stream_bps(title, 2), PACKET_BPS);
	ck_assert_uint_eq(title_stream_bps(title, 1), 0);
	ck_assert_uint_eq(title_stream_bps(title, 1000), 0);
	title_close(title);
}
END_TEST

/* Hostile case 10: absent and forbidden look the same. */
START_TEST(nothing_but_a_regular_file_beneath_the_root_opens)
{
	static const char *const paths[] = { "", ".", "..", "absent", "/",
		"/etc/passwd", "../etc/passwd", "a/../../etc/passwd", "fifo",
		"directory", "directory/", "out", "loop", "in/title.wmv",
		"title.wmv/", "title.wmv/x", "directory/../../x" };
	struct build build = build_title(&usual);
	char longest[2000];
	enum asf_result reason;
	struct title *title = NULL;

	store("title.wmv", build.data, build.at);
	free(build.data);
	ck_assert_int_eq(mkfifoat(root, "fifo", 0666), 0);
	ck_assert_int_eq(mkdirat(root, "directory", 0777), 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", root, "out"), 0);
	ck_assert_int_eq(symlinkat("loop", root, "loop"), 0);
	ck_assert_int_eq(symlinkat(folder, root, "in"), 0);
	ck_assert_int_eq(symlinkat("title.wmv", root, "good"), 0);
	for (unsigned i = 0; i < ARRAY_LENGTH(paths); i++)
		ck_assert_msg(
		    title_open(root, paths[i], &title, &reason) == -ENOENT,
		    "%s", paths[i]);
	for (size_t length = 200; length < sizeof(longest); length += 99) {
		memset(longest, 'x', length);
		longest[length] = '\0';
		ck_assert_int_eq(
		    title_open(root, longest, &title, &reason), -ENOENT);
		for (size_t i = 1; i < length; i += 2)
			longest[i] = '/';
		ck_assert_int_eq(
		    title_open(root, longest, &title, &reason), -ENOENT);
	}
	ck_assert_ptr_null(title);
	title = open_title("good"); /* a link that stays inside */
	title_close(title);
}
END_TEST

START_TEST(a_forbidden_file_looks_absent)
{
	struct build build = build_title(&usual);
	enum asf_result reason;
	struct title *title = NULL;
	bool all_powerful = getuid() == 0;

	store("title.wmv", build.data, build.at);
	free(build.data);
	/* root may read everything: be somebody else */
	if (all_powerful)
		ck_assert_int_eq(seteuid(65534), 0);
	title = open_title("title.wmv");
	title_close(title);
	title = NULL;
	if (all_powerful)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(fchmodat(root, "title.wmv", 0, 0), 0);
	if (all_powerful)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(
	    title_open(root, "title.wmv", &title, &reason), -ENOENT);
	if (all_powerful)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

static enum asf_result
refusal(const void *data, size_t size)
{
	enum asf_result reason = ASF_OK;
	struct title *title = NULL;

	store("refused", data, size);
	ck_assert_int_eq(
	    title_open(root, "refused", &title, &reason), -EBADMSG);
	ck_assert_ptr_null(title);
	return reason;
}

START_TEST(what_cannot_be_served_is_refused_with_a_reason)
{
	struct build build = build_title(&usual);
	size_t header = build.data[16] + 256u * build.data[17];
	size_t sizes[] = { 30, 31, 100, header - 1 };

	ck_assert_int_eq(refusal("", 0), ASF_NOT_ASF);
	ck_assert_int_eq(refusal(build.data, 29), ASF_NOT_ASF);
	ck_assert_int_eq(
	    refusal("RIFF....WAVEfmt                 ", 32), ASF_NOT_ASF);
	for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++)
		ck_assert_int_eq(refusal(build.data, sizes[i]), ASF_TRUNCATED);
	for (size_t more = 0; more < 50 + PACKET; more += 10)
		ck_assert_int_eq(
		    refusal(build.data, header + more), ASF_NO_DATA);
	build_put_at(&build, 16, header + 1, 8);
	ck_assert_int_eq(refusal(build.data, build.at), ASF_NO_DATA);
	free(build.data);
}
END_TEST

START_TEST(a_broadcast_title_ends_with_its_file)
{
	struct plan plan = usual;
	struct title *title;

	plan.flags = 1;
	title = title_of(&plan);
	ck_assert_uint_eq(title_packets(title), 300);
	ck_assert_uint_eq(title_duration_us(title), 30 * US_PER_SECOND);
	title_close(title);
}
END_TEST

START_TEST(an_index_behind_open_data_ends_it)
{
	struct plan plan = usual;

	plan.flags = 1;
	plan.index_interval = 10000000;
	/* shorter than a packet, and many packets long */
	for (unsigned entries = 5; entries < 5000; entries *= 10) {
		struct title *title;

		plan.index_entries = entries;
		title = title_of(&plan);
		ck_assert_uint_eq(title_packets(title), 300);
		ck_assert_uint_eq(
		    title_data_end(title), title_packet_offset(title, 300));
		ck_assert(title_has_index(title));
		title_close(title);
	}
	check_seeks_of(&plan, true);
}
END_TEST

START_TEST(a_changed_file_is_noticed)
{
	struct title *title = title_of(&usual);
	struct timespec times[2] = { { 0, UTIME_OMIT }, { 1, 0 } };

	ck_assert_int_eq(linkat(root, "title.wmv", root, "other", 0), 0);
	ck_assert_int_eq(title_check(title), 0); /* the contents are the same */
	ck_assert_int_eq(unlinkat(root, "title.wmv", 0), 0);
	ck_assert_int_eq(title_check(title), 0);
	ck_assert_int_eq(utimensat(root, "other", times, 0), 0);
	ck_assert_int_eq(title_check(title), -ESTALE);
	title_close(title);

	title = open_title("other");
	ck_assert_int_eq(title_check(title), 0);
	ck_assert_int_eq(cut_file("other", 4000), 0);
	ck_assert_int_eq(title_check(title), -ESTALE);
	title_close(title);
}
END_TEST

/* ---- reading ---- */

START_TEST(packets_are_read_with_and_without_room_between)
{
	struct title *title = title_of(&usual);
	uint8_t plain[PACKET * 100], roomy[(PACKET + 56) * 100];
	uint32_t send_ms;
	int got;

	ck_assert_int_eq(
	    title_read_packets(title, 10, 100, plain, PACKET), 100);
	got = title_read_packets(title, 10, 100, roomy, PACKET + 56);
	ck_assert_int_eq(got, 64);
	for (int i = 0; i < got; i++)
		ck_assert_mem_eq(plain + (size_t)i * PACKET,
		    roomy + (size_t)i * (PACKET + 56), PACKET);
	ck_assert_int_eq(asf_packet_send_time(plain, PACKET, &send_ms), ASF_OK);
	ck_assert_uint_eq(send_ms, 1000);
	ck_assert_int_eq(title_send_ms(title, 299, &send_ms), 0);
	ck_assert_uint_eq(send_ms, 29900);
	/* no further than the end */
	ck_assert_int_eq(
	    title_read_packets(title, 290, 100, plain, PACKET), 10);
	ck_assert_int_eq(title_read_packets(title, 300, 1, plain, PACKET), 0);
	ck_assert_int_eq(title_read_packets(title, 0, 0, plain, PACKET), 0);
	title_close(title);
}
END_TEST

START_TEST(trying_reads_the_same_or_says_why_not)
{
	struct title *title = title_of(&usual);
	uint8_t waited[PACKET * 10], tried[PACKET * 10];
	int got;

	ck_assert_int_eq(title_read_packets(title, 5, 10, waited, PACKET), 10);
	got = title_try_packets(title, 5, 10, tried, PACKET);
	if (got == -EOPNOTSUPP) {
		ck_assert(!title_can_nowait(title));
	} else if (got != -EAGAIN) {
		ck_assert_int_gt(got, 0);
		ck_assert_mem_eq(waited, tried, (size_t)got * PACKET);
	}
	ck_assert_int_eq(title_try_packets(title, 300, 10, tried, PACKET), 0);
	title_close(title);
}
END_TEST

START_TEST(a_cut_file_gives_no_packet_that_is_not_whole)
{
	struct title *title = title_of(&usual);
	uint64_t end = title_packet_offset(title, 20);
	uint8_t packets[PACKET * 20];

	ck_assert_int_eq(cut_file("title.wmv", (off_t)end + 10), 0);
	ck_assert_int_eq(title_read_packets(title, 15, 20, packets, PACKET), 5);
	ck_assert_int_eq(
	    title_read_packets(title, 20, 1, packets, PACKET), -ESTALE);
	ck_assert_int_eq(
	    title_read_packets(title, 30, 1, packets, PACKET), -ESTALE);
	if (title_can_nowait(title))
		ck_assert_int_lt(
		    title_try_packets(title, 30, 1, packets, PACKET), 0);
	title_close(title);
}
END_TEST

/* ---- seeking ---- */

/* Every packet, looked at once. */
struct start {
	uint32_t packet, presentation_ms;
};
struct oracle {
	const struct title *title;
	uint32_t *send_ms;
	struct start *starts[ASF_STREAMS];
	uint32_t count[ASF_STREAMS];
};

static void
oracle_look(struct oracle *oracle, const struct title *title)
{
	uint32_t packets = title_packets(title), last_ms = 0;
	uint8_t *packet = malloc(title_packet_bytes(title));
	struct asf_packet parsed;

	memset(oracle, 0, sizeof(*oracle));
	oracle->title = title;
	oracle->send_ms = calloc(packets, sizeof(*oracle->send_ms));
	for (uint32_t i = 0; i < packets; i++) {
		ck_assert_int_eq(title_read_packets(title, i, 1, packet,
				     title_packet_bytes(title)),
		    1);
		if (asf_packet_send_time(packet, title_packet_bytes(title),
			&last_ms) != ASF_OK ||
		    last_ms > title_latest_send_ms(title))
			last_ms = i > 0 ? oracle->send_ms[i - 1] : 0;
		oracle->send_ms[i] = last_ms;
		if (asf_packet_parse(
			packet, title_packet_bytes(title), &parsed) != ASF_OK)
			continue;
		for (unsigned j = 0; j < parsed.payload_count; j++) {
			const struct asf_payload *p = &parsed.payloads[j];
			uint32_t *count = &oracle->count[p->stream];

			if (!p->key || !p->starts_object)
				continue;
			oracle->starts[p->stream] =
			    realloc(oracle->starts[p->stream],
				(*count + 1) * sizeof(struct start));
			oracle->starts[p->stream][(*count)++] =
			    (struct start){ i, p->presentation_ms };
		}
	}
	free(packet);
}

static void
oracle_free(struct oracle *oracle)
{
	for (unsigned i = 0; i < ASF_STREAMS; i++)
		free(oracle->starts[i]);
	free(oracle->send_ms);
}

static unsigned
lowest_video(const struct title *title)
{
	for (unsigned i = 1; i < ASF_STREAMS; i++)
		if (title_header(title)->streams[i].there &&
		    title_header(title)->streams[i].kind == ASF_VIDEO)
			return i;
	return 0;
}

/* The rule, word for word: the last key frame up to the time begins there. */
static uint32_t
oracle_packet(const struct oracle *oracle, uint64_t at_ms, unsigned stream)
{
	uint64_t until_ms = at_ms + title_header(oracle->title)->preroll_ms;
	uint32_t packet = 0;

	if (at_ms == 0)
		return 0;
	for (uint32_t i = 0; i < oracle->count[stream]; i++)
		if (oracle->starts[stream][i].presentation_ms <= until_ms)
			packet = oracle->starts[stream][i].packet;
	return packet;
}

static uint32_t
oracle_sent(const struct oracle *oracle, uint64_t at_ms)
{
	uint32_t packets = title_packets(oracle->title), packet = 0;

	for (uint32_t i = 0; i < packets; i++)
		if (oracle->send_ms[i] <= at_ms &&
		    (i == 0 || oracle->send_ms[i] > oracle->send_ms[i - 1]))
			packet = i;
	return packet;
}

static void
check_seeks(const struct title *title, const struct oracle *oracle,
    const char *name, unsigned count)
{
	uint64_t duration_us = title_duration_us(title), reached_us;
	unsigned stream = lowest_video(title);
	uint32_t packet, wanted;

	for (unsigned i = 0; i <= count; i++) {
		uint64_t at_us = duration_us * i / count, at_ms;

		at_ms = at_us / 1000;
		ck_assert_int_eq(title_seek(title, at_us, every_stream(),
				     &packet, &reached_us),
		    0);
		wanted = stream != 0 ? oracle_packet(oracle, at_ms, stream)
				     : oracle_sent(oracle, at_ms);
		ck_assert_msg(packet == wanted,
		    "%s at %llu ms: packet %u, should be %u", name,
		    (unsigned long long)at_ms, packet, wanted);
		ck_assert_msg(packet == 0 || reached_us <= at_us,
		    "%s at %llu us reached %llu", name,
		    (unsigned long long)at_us, (unsigned long long)reached_us);
	}
	/* beyond the end: as at the end */
	ck_assert_int_eq(
	    title_seek(title, UINT64_MAX, every_stream(), &packet, &reached_us),
	    0);
	wanted = stream != 0 ? oracle_packet(oracle, duration_us / 1000, stream)
			     : oracle_sent(oracle, duration_us / 1000);
	ck_assert_uint_eq(packet, wanted);
}

static void
check_seeks_of(const struct plan *plan, bool index)
{
	struct title *title = title_of(plan);
	struct oracle oracle;

	ck_assert(title_has_index(title) == index);
	oracle_look(&oracle, title);
	check_seeks(title, &oracle, "built", 317);
	oracle_free(&oracle);
	title_close(title);
}

START_TEST(seeking_without_an_index_finds_the_last_key_frame)
{
	struct plan plan = usual;

	check_seeks_of(&plan, false);
	plan.key_every = 1;
	check_seeks_of(&plan, false);
	plan.key_every = 299;
	check_seeks_of(&plan, false);
	plan.key_every = 0;
	check_seeks_of(&plan, false);
	plan.packets = 1;
	check_seeks_of(&plan, false);
}
END_TEST

START_TEST(seeking_with_an_index_finds_the_last_key_frame)
{
	struct plan plan = usual;

	plan.index_entries = 33;
	plan.index_interval = 10000000;
	check_seeks_of(&plan, true);
	plan.key_every = 60;
	check_seeks_of(&plan, true);
	plan.index_entries = 10; /* ends early */
	check_seeks_of(&plan, true);
	plan.index_interval = 70000;
	plan.index_entries = 3000;
	check_seeks_of(&plan, true);
}
END_TEST

/* ASF-2 and the trap of ASF reference 6.1. */
START_TEST(a_wrong_index_is_not_believed)
{
	static const unsigned wrong[] = { 0, 1, 29, 299, 300, 100000,
		0xffffffff };
	struct plan plan = usual;

	plan.index_entries = 40;
	plan.index_interval = 10000000;
	for (unsigned i = 0; i < ARRAY_LENGTH(wrong); i++) {
		plan.index_is = WRONG;
		plan.index_wrong = wrong[i];
		check_seeks_of(&plan, true);
	}
	plan.index_is = LAGGING;
	check_seeks_of(&plan, true);
	plan.index_is = RIGHT;
	plan.index_interval = 0;
	check_seeks_of(&plan, false);
	plan.index_interval = UINT64_MAX;
	check_seeks_of(&plan, true);
}
END_TEST

START_TEST(seeking_passes_over_broken_packets)
{
	struct plan plan = usual;

	plan.broken_every = 3;
	check_seeks_of(&plan, false);
	plan.index_entries = 33;
	plan.index_interval = 10000000;
	check_seeks_of(&plan, true);
}
END_TEST

/* Whoever falls upon them, and however many stand at the end. */
START_TEST(a_send_time_behind_the_end_is_that_of_the_packet_before)
{
	static const uint32_t late[] = { UINT32_MAX, 500000 };
	struct plan plan = usual;
	uint32_t send_ms;
	struct title *title;

	for (unsigned i = 0; i < ARRAY_LENGTH(late); i++) {
		plan.late_ms = late[i];
		plan.late_every = 3;
		plan.video = true;
		check_seeks_of(&plan, false);
		plan.video = false;
		check_seeks_of(&plan, false);
		plan.late_every = 298; /* the last, too */
		title = title_of(&plan);
		ck_assert_uint_le(title_latest_send_ms(title), 120000);
		ck_assert_int_eq(title_send_ms(title, 299, &send_ms), 0);
		ck_assert_uint_eq(send_ms, 298 * FRAME_MS);
		/* One packet each 100 ms. */
		ck_assert_uint_ge(title_average_bps(title), PACKET * 8 * 9);
		ck_assert_uint_le(title_average_bps(title), PACKET * 8 * 11);
		title_close(title);
	}
}
END_TEST

START_TEST(seeking_in_sound_finds_the_packet_sent_then)
{
	struct plan plan = usual;
	uint64_t reached_us;
	uint32_t packet;
	struct title *title;

	plan.video = false;
	check_seeks_of(&plan, false);
	title = title_of(&plan);
	ck_assert_int_eq(
	    title_seek(title, 12345678, every_stream(), &packet, &reached_us),
	    0);
	ck_assert_uint_eq(packet, 123);
	ck_assert_uint_eq(reached_us, 12300000);
	title_close(title);
}
END_TEST

START_TEST(without_video_wanted_every_packet_will_do)
{
	struct asf_set audio = { { 1 << 1, 0 } };
	struct title *title = title_of(&usual);
	uint64_t reached_us;
	uint32_t packet;

	ck_assert_int_eq(
	    title_seek(title, 12345678, audio, &packet, &reached_us), 0);
	ck_assert_uint_eq(packet, 123);
	ck_assert_int_eq(
	    title_seek(title, 12345678, every_stream(), &packet, &reached_us),
	    0);
	ck_assert_uint_eq(packet, 100);
	ck_assert_uint_eq(reached_us, 10000000);
	title_close(title);
}
END_TEST

START_TEST(a_range_ends_behind_all_that_must_be_seen)
{
	struct title *title = title_of(&usual);
	uint32_t packet;

	ck_assert_int_eq(title_end_packet(title, 0, &packet), 0);
	ck_assert_uint_eq(packet, 31);
	ck_assert_int_eq(title_end_packet(title, 10000000, &packet), 0);
	ck_assert_uint_eq(packet, 131);
	ck_assert_int_eq(title_end_packet(title, 29000000, &packet), 0);
	ck_assert_uint_eq(packet, 300);
	ck_assert_int_eq(title_end_packet(title, UINT64_MAX, &packet), 0);
	ck_assert_uint_eq(packet, 300);
	title_close(title);
}
END_TEST

/* ASF-7: times that are no times. */
START_TEST(wild_times_end_every_search)
{
	static const uint32_t bases[] = { 0xffffffff, 0xfffffff0, 0x80000000,
		36000000 };

	for (unsigned i = 0; i < ARRAY_LENGTH(bases); i++) {
		struct plan plan = usual;
		struct title *title;
		uint64_t reached_us;
		uint32_t packet;

		plan.base_ms = bases[i]; /* times wrap at some packet */
		title = title_of(&plan);
		for (uint64_t at_us = 1; at_us < UINT64_MAX / 4; at_us *= 3) {
			ck_assert_int_eq(
			    title_seek(title, at_us, every_stream(), &packet,
				&reached_us),
			    0);
			ck_assert_uint_lt(packet, 300);
			ck_assert_int_eq(
			    title_end_packet(title, at_us, &packet), 0);
			ck_assert_uint_le(packet, 300);
		}
		ck_assert_uint_gt(title_average_bps(title), 0);
		title_close(title);
	}
}
END_TEST

/* ---- real files ---- */

/* NAME of FROM into the folder; without what lies behind the data if CUT. */
static void
copy_file(int from, const char *name, bool cut)
{
	int fd = openat(from, name, O_RDONLY | O_CLOEXEC);
	uint64_t header = 0, data = 0;
	struct stat status;
	uint8_t *bytes;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fstat(fd, &status), 0);
	bytes = malloc((size_t)status.st_size);
	ck_assert_int_eq(
	    read(fd, bytes, (size_t)status.st_size), status.st_size);
	close(fd);
	memcpy(&header, bytes + 16, 8);
	memcpy(&data, bytes + header + 16, 8);
	store("copy", bytes,
	    cut && header + data < (uint64_t)status.st_size
		? (size_t)(header + data)
		: (size_t)status.st_size);
	free(bytes);
}

static unsigned
check_real_file(int from, const char *name)
{
	struct title *title;
	struct oracle oracle;
	enum asf_result reason;
	unsigned checked = 0;

	if (title_open(from, name, &title, &reason) != 0)
		return 0;
	oracle_look(&oracle, title);
	check_seeks(title, &oracle, name, 97);
	checked++;
	if (title_has_index(title)) {
		title_close(title);
		copy_file(from, name, true);
		title = open_title("copy");
		ck_assert(!title_has_index(title));
		oracle.title = title;
		check_seeks(title, &oracle, name, 97);
	}
	oracle_free(&oracle);
	title_close(title);
	return checked;
}

static void
check_real_folder(const char *path, unsigned least)
{
	int from =
	    path != NULL ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *directory = from != -1 ? opendir(path) : NULL;
	struct dirent *entry;
	unsigned checked = 0;

	ck_assert_msg(from != -1 && directory != NULL, "%s", path);
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_type == DT_REG || entry->d_type == DT_LNK ||
		    entry->d_type == DT_UNKNOWN)
			checked += check_real_file(from, entry->d_name);
	closedir(directory);
	close(from);
	ck_assert_uint_ge(checked, least);
}

START_TEST(seeks_in_the_samples_agree_with_a_look_at_every_packet)
{
	const char *source = getenv("srcdir");
	char path[4096];

	snprintf(path, sizeof(path), "%s/media", source != NULL ? source : ".");
	check_real_folder(path, 4);
}
END_TEST

START_TEST(seeks_in_real_files_agree_with_a_look_at_every_packet)
{
	check_real_folder(getenv("VODD_TEST_MEDIA"), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("title");
	SRunner *runner = srunner_create(suite);
	TCase *files = tcase_create("open"), *packets = tcase_create("read"),
	      *seek = tcase_create("seek"), *real = tcase_create("real");
	TCase *const cases[] = { files, packets, seek, real };
	int failed;

	for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
		suite_add_tcase(suite, cases[i]);
		tcase_add_checked_fixture(cases[i], make_folder, remove_folder);
		tcase_set_timeout(cases[i], 60);
	}
	tcase_add_test(files, a_title_tells_what_its_packets_say);
	tcase_add_test(
	    files, a_play_duration_that_is_nearly_right_is_told_as_it_stands);
	tcase_add_test(files, streams_without_a_rate_share_what_is_left);
	tcase_add_test(
	    files, nothing_but_a_regular_file_beneath_the_root_opens);
	tcase_add_test(files, a_forbidden_file_looks_absent);
	tcase_add_test(files, what_cannot_be_served_is_refused_with_a_reason);
	tcase_add_test(files, a_broadcast_title_ends_with_its_file);
	tcase_add_test(files, an_index_behind_open_data_ends_it);
	tcase_add_test(files, a_changed_file_is_noticed);
	tcase_add_test(packets, packets_are_read_with_and_without_room_between);
	tcase_add_test(packets, trying_reads_the_same_or_says_why_not);
	tcase_add_test(packets, a_cut_file_gives_no_packet_that_is_not_whole);
	tcase_add_test(seek, seeking_without_an_index_finds_the_last_key_frame);
	tcase_add_test(seek, seeking_with_an_index_finds_the_last_key_frame);
	tcase_add_test(seek, a_wrong_index_is_not_believed);
	tcase_add_test(seek, seeking_passes_over_broken_packets);
	tcase_add_test(
	    seek, a_send_time_behind_the_end_is_that_of_the_packet_before);
	tcase_add_test(seek, seeking_in_sound_finds_the_packet_sent_then);
	tcase_add_test(seek, without_video_wanted_every_packet_will_do);
	tcase_add_test(seek, a_range_ends_behind_all_that_must_be_seen);
	tcase_add_test(seek, wild_times_end_every_search);
	tcase_add_test(
	    real, seeks_in_the_samples_agree_with_a_look_at_every_packet);
	if (getenv("VODD_TEST_MEDIA") != NULL)
		tcase_add_test(real,
		    seeks_in_real_files_agree_with_a_look_at_every_packet);
	else
		puts("check_title: VODD_TEST_MEDIA is not set: "
		     "seeks in real files are skipped");

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
