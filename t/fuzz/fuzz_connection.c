/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_connection - any bytes into a connection of a real lane, over TCP.  The
 * first byte says in how many pieces, another turn of the loop for each; a '~'
 * stands for the id of the first session there is.  What comes back must be
 * whole replies and frames, one behind the other; and when the client has gone
 * nothing of it is left.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "server/session.h"
#include "unit/asf_build.h"
#include "unit/lane.h"

#define PACKET 600
#define PACKETS 5
/* Of turns, until all is answered and the connection closed. */
#define TURNS_MAX 3000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct test_lane test;
static char folder[64];

static void
remove_folder(void)
{
	test_folder_remove(folder);
}

/* t.wmv: audio 1 and video 2, a twentieth of a second. */
static void
store_title(void)
{
	struct build_properties properties = { .packets = PACKETS,
		.preroll_ms = 100,
		.flags = 2,
		.least = PACKET,
		.most = PACKET };
	struct build build = build_new();
	size_t began = build_header_begin(&build);

	build_file_properties(&build, &properties);
	build_audio(&build, 1);
	build_video(&build, 2);
	build_end(&build, began);
	build_data_begin(&build, 50 + PACKETS * PACKET, PACKETS);
	for (unsigned i = 0; i < PACKETS; i++) {
		struct build_payload payloads[] = {
			{ 1, i, 0, 50, i * 10 + 100, 50 },
			{ 0x82, i, 0, 300, i * 10 + 100, 300 },
		};

		build_packet(&build, PACKET, i * 10, 10, payloads, 2);
	}
	test_folder_store(folder, "t.wmv", build.data, build.at);
	free(build.data);
}

static void
begin_once(void)
{
	static bool begun;

	if (begun)
		return;
	begun = true;
	test_folder_make(folder);
	atexit(remove_folder);
	store_title();
	test_lane_begin(&test, folder);
	titles_drop(test_lane_title(&test, "t.wmv"));
}

/* --- what comes back ------------------------------------------------------ */

/* Takes whole replies and frames off the input. */
static void
check_output(struct test_client *client)
{
	size_t at = 0, bytes;
	struct rtsp_frame frame;

	while (test_client_receive(client))
		;
	while (at < client->input_bytes) {
		const uint8_t *from = client->input + at;
		size_t left = client->input_bytes - at;
		struct rtsp_message reply;

		switch (rtsp_parse(from, left, &reply)) {
		case RTSP_DONE:
			assert(reply.is_reply);
			bytes = reply.head_length + reply.content_length;
			break;
		case RTSP_FRAME:
			if (rtsp_parse_frame(from, left, &frame) != RTSP_DONE)
				goto done;
			bytes = RTSP_FRAME_HEAD + (size_t)frame.length;
			break;
		case RTSP_MORE:
			goto done;
		default:
			abort();
		}
		if (bytes > left)
			break;
		at += bytes;
	}
done:
	client->input_bytes -= at;
	memmove(client->input, client->input + at, client->input_bytes);
}

static bool
is_open(const struct test_client *client)
{
	return test.lane.connections[client->record] != NULL;
}

static void
turn(struct test_client *client)
{
	struct table_connection view;

	test_lane_turn(&test);
	check_output(client);
	if (!is_open(client))
		return;
	view = test_client_view(client);
	assert(view.state == TABLE_USED);
	assert(
	    view.outbox_bytes <= (view.outbox_large ? TABLE_LARGE_OUTBOX_BYTES
						    : TABLE_OUTBOX_BYTES));
	assert(view.session_count <= TABLE_SESSIONS_PER_CONNECTION);
}

/* --- what goes in --------------------------------------------------------- */

static void
send_session_id(struct test_client *client)
{
	char id[SESSION_ID_CHARS + 1];

	for (unsigned i = 0; i < 3; i++)
		turn(client);
	for (uint32_t i = 0; i < test.lane.session_slots; i++) {
		if (test.lane.sessions[i] == NULL)
			continue;
		session_id_text(test.lane.sessions[i], id);
		test_client_text(client, id);
		return;
	}
}

static void
send_pieces(struct test_client *client, const uint8_t *data, size_t size,
    size_t piece_bytes)
{
	while (size > 0 && is_open(client)) {
		const uint8_t *id = memchr(data, '~', size);
		size_t piece = MIN_OF(size, piece_bytes);

		if (id == data) {
			send_session_id(client);
			data++;
			size--;
			continue;
		}
		if (id != NULL)
			piece = MIN_OF(piece, (size_t)(id - data));
		test_client_send(client, data, piece);
		turn(client);
		data += piece;
		size -= piece;
	}
}

static void
check_nothing_is_left(void)
{
	static const enum table_counter present[] = { TABLE_CONNECTIONS,
		TABLE_SESSIONS, TABLE_COMMITTED_BPS };
	const struct lane *lane = &test.lane;

	for (size_t i = 0; i < ARRAY_LENGTH(present); i++)
		assert(table_counter(lane->table, 0, present[i]) == 0);
	assert(table_counter(lane->table, 0, TABLE_SESSIONS_BEGUN) ==
	       table_counter(lane->table, 0, TABLE_SESSIONS_ENDED));
	assert(lane->due[0] == NULL && lane->due[1] == NULL);
	assert(lane->stalled == NULL && lane->large_owner == NULL);
	for (uint32_t i = 0; i < lane->session_slots; i++)
		assert(lane->sessions[i] == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct test_client client;

	if (size == 0)
		return 0;
	begin_once();
	test_client_open(&client, &test, AF_INET);
	send_pieces(&client, data + 1, size - 1,
	    data[0] == 0 ? size : MAX_OF(size / data[0], 1));
	shutdown(client.fd, SHUT_WR);
	for (unsigned i = 0; is_open(&client); i++) {
		assert(i < TURNS_MAX);
		turn(&client);
	}
	test_client_close(&client);
	check_nothing_is_left();
	return 0;
}
