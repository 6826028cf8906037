/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What follows from a session's records and the file, and whether it comes.
 */
#include "moment.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

void
moment_read(const struct viewer *viewer, struct moment *out)
{
	const struct table *table = viewer->served->table;
	uint32_t record = viewer_record(viewer);

	ck_assert(table_read(table, 0, TABLE_SESSION, record, &out->hot));
	ck_assert(table_read(table, 0, TABLE_SESSION_COLD, record, &out->cold));
	ck_assert(
	    table_read(table, 0, TABLE_TITLE, out->cold.title, &out->title));
	ck_assert(table_read(table, 0, TABLE_CONNECTION, out->cold.connection,
	    &out->connection));
	ck_assert_uint_eq(out->hot.state, TABLE_USED);
}

struct title *
moment_title(const struct served *served, const struct moment *moment)
{
	const struct title_identity *identity;
	int root =
	    open(served->files[0] != '\0' ? served->files : served->media,
		O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum asf_result reason;
	struct title *title;

	ck_assert_int_eq(
	    title_open(root, moment->title.path, &title, &reason), 0);
	close(root);
	identity = title_identity(title);
	ck_assert_uint_eq(identity->inode, moment->title.inode);
	ck_assert_uint_eq(identity->bytes, moment->title.bytes);
	ck_assert_uint_eq(
	    identity->change_time_us, moment->title.change_time_us);
	return title;
}

uint64_t
moment_boundary(const struct moment *moment)
{
	return MAX_OF(moment->hot.out_done,
	    moment->connection.out_done + moment->connection.outbox_bytes);
}

/* --- building ------------------------------------------------------------- */

static void
take_item(const struct stream_item *item, struct built *next)
{
	uint8_t *at;

	next->flow = item->flow;
	next->rtcp = item->rtcp;
	next->size = stream_item_bytes(item);
	free(next->bytes);
	at = next->bytes = malloc(next->size);
	ck_assert_ptr_nonnull(at);
	memcpy(at, item->head, item->head_bytes);
	at += item->head_bytes;
	if (item->body_bytes > 0)
		memcpy(at, item->body, item->body_bytes);
	if (item->padding > 0) { /* RFC 3550 5.1 */
		memset(at + item->body_bytes, 0, item->padding);
		next->bytes[next->size - 1] = item->padding;
	}
}

#define ITEMS_MAX 256 /* of one ASF packet */

void
moment_build(const struct served *served, const struct moment *moment,
    size_t limit, struct built_list *out)
{
	static uint8_t heads[ITEMS_MAX * STREAM_HEAD_MAX];
	static uint8_t copies[(TABLE_FLOWS_MAX + 1) *
			      (ASF_PACKET_MOST + ASF_REWRITE_ROOM)];
	static uint8_t room[STREAM_ROOM + ASF_PACKET_MOST];
	struct stream_item items[ITEMS_MAX];
	struct stream_output output = { .items = items,
		.heads = heads,
		.heads_size = sizeof(heads),
		.copies = copies,
		.copies_size = sizeof(copies) };
	struct table_session hot = moment->hot;
	struct title *title = moment_title(served, moment);
	uint32_t bytes = title_packet_bytes(title), send_ms;
	uint8_t *packet = room + STREAM_ROOM;

	ck_assert_uint_le(limit, BUILT_MAX);
	out->count = 0;
	while (out->count < limit && hot.packet < hot.end_packet) {
		ck_assert_int_eq(
		    title_read_packets(title, hot.packet, 1, packet, bytes), 1);
		ck_assert_int_eq(
		    asf_packet_send_time(packet, bytes, &send_ms), ASF_OK);
		stream_output_reset(&output);
		output.item_limit = MIN_OF(limit - out->count, ITEMS_MAX);
		(void)stream_emit(
		    &hot, &moment->cold, packet, bytes, send_ms, &output);
		for (size_t i = 0; i < output.item_count; i++)
			take_item(&items[i], &out->at[out->count++]);
	}
	title_close(title);
}

/* --- what arrives --------------------------------------------------------- */

static uint16_t
sequence_of(const uint8_t *packet)
{
	return (uint16_t)(packet[2] << 8 | packet[3]);
}

/* RTP by its sequence number, a report by its RTP timestamp. */
static bool
means_the_same(const struct built *wanted, const struct viewer_packet *packet)
{
	if (packet->flow != wanted->flow || packet->rtcp != wanted->rtcp)
		return false;
	if (!wanted->rtcp)
		return sequence_of(packet->bytes) == sequence_of(wanted->bytes);
	return packet->size == wanted->size &&
	       memcmp(packet->bytes + 16, wanted->bytes + 16, 4) == 0;
}

static const struct viewer_packet *
find_arrived(const struct viewer *viewer, const struct built *wanted)
{
	for (size_t i = viewer->packet_count; i-- > 0;)
		if (means_the_same(wanted, &viewer->packets[i]))
			return &viewer->packets[i];
	return NULL;
}

static void
expect_datagrams(struct viewer *viewer, const struct built_list *built)
{
	for (size_t i = 0; i < built->count; i++) {
		const struct built *wanted = &built->at[i];
		const struct viewer_packet *packet;

		while ((packet = find_arrived(viewer, wanted)) == NULL)
			viewer_take_packets(viewer, 1);
		ck_assert_uint_eq(packet->size, wanted->size);
		ck_assert_mem_eq(packet->bytes, wanted->bytes, packet->size);
	}
}

/* What was built follows what came, or repeats it: sent, not yet published. */
static void
expect_no_gap(const struct viewer *viewer, const struct moment *moment)
{
	for (unsigned flow = 0; flow < moment->hot.flow_count; flow++) {
		const struct viewer_packet *last = NULL;

		for (size_t i = 0; i < viewer->packet_count; i++)
			if (viewer->packets[i].flow == flow &&
			    !viewer->packets[i].rtcp)
				last = &viewer->packets[i];
		if (last == NULL)
			continue;
		ck_assert_int_le((int16_t)(moment->hot.flows[flow].sequence -
					   sequence_of(last->bytes)),
		    1);
	}
}

/* From the boundary that the record names, frame behind frame. */
static void
expect_frames(struct viewer *viewer, const struct moment *moment,
    const struct built_list *built)
{
	uint64_t at = moment_boundary(moment);

	for (size_t i = 0; i < built->count; i++) {
		const struct built *wanted = &built->at[i];

		while (viewer->stream_bytes < at + wanted->size)
			viewer_take_packets(viewer, 1);
		ck_assert_mem_eq(
		    viewer->stream + at, wanted->bytes, wanted->size);
		at += wanted->size;
	}
}

void
moment_expect(struct viewer *viewer, const struct moment *moment,
    const struct built_list *built)
{
	if (viewer->tcp)
		expect_frames(viewer, moment, built);
	else
		expect_datagrams(viewer, built);
}

void
moment_drain(struct viewer *viewer, const struct moment *moment)
{
	uint64_t until = viewer->tcp ? moment_boundary(moment) : 0;

	while (viewer->tcp && viewer->stream_bytes < until)
		ck_assert(viewer_take(viewer, SERVED_PATIENCE_MS));
	while (viewer_take(viewer, viewer->tcp ? 100 : 0) &&
	       !(viewer->tcp && viewer->stream_bytes > until))
		;
	if (!viewer->tcp)
		expect_no_gap(viewer, moment);
}
