/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lane for tests, and clients of it.  Nothing is judged here.
 */
#include "lane.h"

#undef NDEBUG
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "server/connection.h"
#include "server/titles.h"
#include "server/transport.h"

/* --- the lane ------------------------------------------------------------- */

static void
handle_outcome(struct session *session, enum sender_outcome outcome)
{
	if (outcome == SENDER_BYE)
		connection_say_bye(session);
	else if (outcome == SENDER_TOO_SLOW)
		connection_close(connection_of(session), SESSION_TOO_SLOW);
	else
		connection_close(
		    connection_of(session), SESSION_CONNECTION_CLOSED);
}

static void
after_turn(void *context, uint64_t now_us)
{
	struct test_lane *test = context;

	sender_run(test->sender, now_us);
	connection_resume_stalled(&test->lane);
	loop_stop(test->lane.loop, 0);
}

static void
collect(void *context, uint32_t events)
{
	struct test_lane *test = context;

	(void)events;
	reader_collect(test->lane.reader);
}

static void
ticked(void *context, uint64_t now_us)
{
	(void)context;
	(void)now_us;
}

static int
open_root(const char *root)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];

	if (root == NULL) {
		snprintf(path, sizeof(path), "%s/media",
		    srcdir != NULL ? srcdir : ".");
		root = path;
	}
	return open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void
make_table(struct test_lane *test)
{
	static const struct table_limits limits = { .lanes = 1,
		.lane_sessions = 64,
		.lane_connections = 64,
		.lane_titles = 64 };
	static unsigned made;

	snprintf(test->table_name, sizeof(test->table_name),
	    "/vodd.test-lane-%d-%u", (int)getpid(), made++);
	assert(table_create(test->table_name, &limits, (gid_t)-1,
		   &test->lane.table) == 0);
	/* The mapping stays; no name is left behind by whoever dies. */
	assert(table_unlink(test->table_name) == 0);
	assert(table_lane_open(test->lane.table, 0) == 0);
}

static void
make_parts(struct test_lane *test)
{
	struct lane *lane = &test->lane;

	lane->session_slots = table_capacity(lane->table, TABLE_SESSION);
	lane->connection_slots = table_capacity(lane->table, TABLE_CONNECTION);
	lane->sessions = calloc(lane->session_slots, sizeof(struct session *));
	lane->connections =
	    calloc(lane->connection_slots, sizeof(struct connection *));
	lane->input = malloc(LANE_INPUT_BYTES);
	lane->reply = malloc(TABLE_LARGE_OUTBOX_BYTES);
	assert(lane->sessions != NULL && lane->connections != NULL);
	assert(lane->input != NULL && lane->reply != NULL);
	assert(loop_new(&lane->loop) == 0);
	assert(transport_new(lane->pairs, test->config.udp_segmentation,
		   &lane->transport) == 0);
	assert(titles_new(lane, &lane->titles) == 0);
	assert(sender_new(lane, handle_outcome, &test->sender) == 0);
	assert(reader_new(2, 1 << 20, &lane->reader) == 0);
	assert(loop_add(lane->loop, &test->reader, reader_fd(lane->reader),
		   EPOLLIN, collect, test) == 0);
	loop_after(lane->loop, after_turn, test);
}

void
test_lane_begin(struct test_lane *test, const char *root)
{
	struct lane *lane = &test->lane;
	int channel[2];

	memset(test, 0, sizeof(*test));
	log_set_level(LOG_LEVEL_ERROR);
	settings_defaults(config_rows, config_row_count, &test->config);
	lane->config = &test->config;
	lane->media_root = open_root(root);
	assert(lane->media_root != -1);
	assert(sock_seqpacket_pair(channel) == 0);
	lane->channel = channel[0];
	test->master = channel[1];
	assert(sock_pair_open(AF_INET, 0, 0, &lane->pairs[0]) == 0);
	if (sock_pair_open(AF_INET6, 0, 0, &lane->pairs[1]) != 0)
		lane->pairs[1] = (struct sock_pair){ -1, -1, 0, 0 };
	make_table(test);
	make_parts(test);
}

static void
end_connections(struct lane *lane)
{
	for (uint32_t i = 0; i < lane->connection_slots; i++)
		if (lane->connections[i] != NULL)
			connection_close(lane->connections[i], SESSION_STOPPED);
}

static bool
is_idle(void *context)
{
	const struct lane *lane = context;
	uint32_t used = table_high_water(lane->table, 0, TABLE_TITLE);
	struct table_title title;

	titles_sweep(lane->titles, UINT64_MAX / 2);
	for (uint32_t i = 0; i < used; i++)
		if (table_read(lane->table, 0, TABLE_TITLE, i, &title) &&
		    title.state != TABLE_FREE)
			return false;
	return true;
}

void
test_lane_end(struct test_lane *test)
{
	struct lane *lane = &test->lane;
	struct lane_drop *drop;

	end_connections(lane);
	/* Whoever runs on a reader thread comes back: nothing leaks. */
	assert(test_lane_until(test, is_idle, lane));
	while ((drop = lane->drops) != NULL) {
		lane->drops = drop->next;
		free(drop);
	}
	reader_free(lane->reader);
	sender_free(test->sender);
	titles_free(lane->titles);
	transport_free(lane->transport);
	loop_free(lane->loop);
	free(lane->sessions);
	free(lane->connections);
	free(lane->input);
	free(lane->reply);
	table_close(lane->table);
	sock_pair_close(&lane->pairs[0]);
	if (lane->pairs[1].family != 0)
		sock_pair_close(&lane->pairs[1]);
	close(lane->media_root);
	close(lane->channel);
	close(test->master);
}

void
test_lane_turn(struct test_lane *test)
{
	struct loop *loop = test->lane.loop;

	loop_timer_set(loop, &test->tick, 0, ticked, test);
	assert(loop_run(loop) == 0);
}

bool
test_lane_until(
    struct test_lane *test, bool (*done)(void *context), void *context)
{
	uint64_t limit_us = clock_monotonic_us() + TEST_LIMIT_US;

	while (!done(context)) {
		if (clock_monotonic_us() > limit_us)
			return false;
		test_lane_turn(test);
	}
	return true;
}

void
test_lane_pass(struct test_lane *test, uint64_t us)
{
	uint64_t end_us = clock_monotonic_us() + us;

	while (clock_monotonic_us() < end_us)
		test_lane_turn(test);
}

unsigned
test_lane_used(const struct test_lane *test, enum table_kind kind)
{
	uint64_t view[sizeof(struct table_title) / sizeof(uint64_t) + 1];
	struct table *table = test->lane.table;
	unsigned used = 0;

	for (uint32_t i = 0; i < table_high_water(table, 0, kind); i++) {
		assert(table_read(table, 0, kind, i, view));
		used += (uint32_t)view[0] != TABLE_FREE;
	}
	return used;
}

struct wanted_title {
	struct test_lane *test;
	const char *path;
	struct titles_entry *entry;
};

static bool
get_title(void *context)
{
	struct wanted_title *wanted = context;
	const char *reason = "";
	int error = titles_get(wanted->test->lane.titles, wanted->path, NULL,
	    &wanted->entry, &reason);

	assert(error == 0 || error == -EINPROGRESS);
	return error == 0;
}

struct titles_entry *
test_lane_title(struct test_lane *test, const char *path)
{
	struct wanted_title wanted = { test, path, NULL };

	assert(test_lane_until(test, get_title, &wanted));
	titles_hold(wanted.entry);
	return wanted.entry;
}

/* --- folders -------------------------------------------------------------- */

void
test_folder_make(char path[static 64])
{
	strcpy(path, "/tmp/vodd-test.XXXXXX");
	assert(mkdtemp(path) != NULL);
}

void
test_folder_store(
    const char *path, const char *name, const void *data, size_t size)
{
	char whole[4096];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/%s", path, name);
	file = fopen(whole, "wb");
	assert(file != NULL);
	assert(fwrite(data, 1, size, file) == size);
	assert(fclose(file) == 0);
}

void
test_folder_remove(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	assert(folder != NULL);
	while ((entry = readdir(folder)) != NULL)
		(void)unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
	rmdir(path);
}

/* --- clients -------------------------------------------------------------- */

static int
connect_pair(int family, int *accepted, union sock_address *peer,
    union sock_address *local)
{
	union sock_address address;
	socklen_t length;
	int listener, fd;

	assert(
	    sock_address_parse(
		family == AF_INET6 ? "[::1]:0" : "127.0.0.1:0", &address) == 0);
	listener = sock_listen(&address, 1);
	assert(listener >= 0);
	length = sizeof(address);
	assert(getsockname(listener, &address.any, &length) == 0);
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(fd != -1);
	assert(connect(fd, &address.any, sock_address_length(&address)) == 0);
	/* Or the second piece waits until the first is acknowledged. */
	assert(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
		   sizeof(int)) == 0);
	*accepted = sock_accept(listener, peer, local);
	assert(*accepted >= 0);
	close(listener);
	return fd;
}

static uint32_t
open_record(const struct lane *lane, const struct connection *before[])
{
	for (uint32_t i = 0; i < lane->connection_slots; i++)
		if (lane->connections[i] != NULL &&
		    lane->connections[i] != before[i])
			return i;
	return TABLE_NONE;
}

void
test_client_open(struct test_client *client, struct test_lane *test, int family)
{
	struct lane *lane = &test->lane;
	const struct connection *before[64];
	union sock_address peer, local;
	int accepted;

	assert(lane->connection_slots <= ARRAY_LENGTH(before));
	memcpy(before, lane->connections,
	    lane->connection_slots * sizeof(before[0]));
	*client = (struct test_client){ .test = test };
	client->input = malloc(TEST_INPUT_BYTES);
	assert(client->input != NULL);
	client->fd = connect_pair(family, &accepted, &peer, &local);
	assert(connection_open(lane, accepted, &peer, &local) == 0);
	client->record = open_record(lane, before);
	assert(client->record != TABLE_NONE);
}

void
test_client_close(struct test_client *client)
{
	if (client->fd != -1)
		close(client->fd);
	client->fd = -1;
	free(client->input);
	client->input = NULL;
}

void
test_client_send(struct test_client *client, const void *data, size_t size)
{
	const uint8_t *at = data;
	ssize_t sent;

	while (size > 0) {
		sent = send(client->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent == -1 && errno == EAGAIN) {
			test_lane_turn(client->test);
			continue;
		}
		if (sent == -1) /* closed: the reply says why */
			return;
		client->sent += (uint64_t)sent;
		at += sent;
		size -= (size_t)sent;
	}
}

void
test_client_text(struct test_client *client, const char *text)
{
	test_client_send(client, text, strlen(text));
}

bool
test_client_receive(struct test_client *client)
{
	size_t room = TEST_INPUT_BYTES - client->input_bytes;
	ssize_t got;

	if (client->ended || room == 0)
		return false;
	got = recv(client->fd, client->input + client->input_bytes, room,
	    MSG_DONTWAIT);
	if (got == -1 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		client->ended = true;
		return false;
	}
	client->input_bytes += (size_t)got;
	client->received += (uint64_t)got;
	return true;
}

static void
drop_input(struct test_client *client, size_t bytes)
{
	client->input_bytes -= bytes;
	memmove(client->input, client->input + bytes, client->input_bytes);
}

/* The reply at the beginning of the input; frames before it are dropped. */
static bool
find_reply(struct test_client *client)
{
	struct rtsp_message *reply = &client->reply;
	struct rtsp_frame frame;
	size_t bytes;

	for (;;) {
		switch (rtsp_parse(client->input, client->input_bytes, reply)) {
		case RTSP_DONE:
			bytes = reply->head_length + reply->content_length;
			if (client->input_bytes < bytes)
				return false;
			client->reply_bytes = bytes;
			return true;
		case RTSP_FRAME:
			break;
		default:
			return false;
		}
		if (rtsp_parse_frame(client->input, client->input_bytes,
			&frame) != RTSP_DONE ||
		    client->input_bytes <
			RTSP_FRAME_HEAD + (size_t)frame.length)
			return false;
		drop_input(client, RTSP_FRAME_HEAD + (size_t)frame.length);
		client->frames++;
	}
}

static bool
has_reply(void *context)
{
	struct test_client *client = context;

	while (test_client_receive(client))
		;
	return find_reply(client) || client->ended;
}

unsigned
test_client_reply(struct test_client *client)
{
	drop_input(client, client->reply_bytes);
	client->reply_bytes = 0;
	client->reply.status = 0;
	if (!test_lane_until(client->test, has_reply, client) ||
	    client->reply_bytes == 0)
		return 0;
	return client->reply.status;
}

static void
learn_session(struct test_client *client)
{
	struct rtsp_text value = client->reply.header[RTSP_SESSION], id;
	uint32_t timeout_s;

	if (value.at == NULL || !rtsp_parse_session(value, &id, &timeout_s))
		return;
	snprintf(client->session, sizeof(client->session), "%.*s",
	    (int)id.length, id.at);
}

unsigned
test_client_ask(struct test_client *client, const char *method,
    const char *path, const char *headers)
{
	bool asterisk = strcmp(path, "*") == 0;
	char text[8192];
	unsigned status;
	int length;

	length = snprintf(text, sizeof(text),
	    "%s %s%s RTSP/1.0\r\nCSeq: %u\r\n%s%s%s%s\r\n", method,
	    asterisk ? "" : "rtsp://test/", path, ++client->cseq,
	    client->session[0] != '\0' ? "Session: " : "", client->session,
	    client->session[0] != '\0' ? "\r\n" : "", headers);
	assert(length > 0 && (size_t)length < sizeof(text));
	test_client_text(client, text);
	status = test_client_reply(client);
	learn_session(client);
	return status;
}

struct rtsp_text
test_client_header(const struct test_client *client, const char *name)
{
	const char *head = (const char *)client->input;
	size_t length = strlen(name);
	const char *at = head, *end = head + client->reply.head_length, *line;

	for (; (line = memchr(at, '\n', (size_t)(end - at))) != NULL;
	     at = line + 1) {
		if ((size_t)(line - at) <= length + 2 ||
		    strncasecmp(at, name, length) != 0 || at[length] != ':')
			continue;
		at += length + 2;
		return (struct rtsp_text){ at, (size_t)(line - at - 1) };
	}
	return (struct rtsp_text){ NULL, 0 };
}

struct rtsp_text
test_client_body(const struct test_client *client)
{
	return (struct rtsp_text){ (const char *)client->input +
				       client->reply.head_length,
		client->reply.content_length };
}

struct table_connection
test_client_view(const struct test_client *client)
{
	struct table_connection view;

	assert(table_read(client->test->lane.table, 0, TABLE_CONNECTION,
	    client->record, &view));
	return view;
}

struct session *
test_client_session(const struct test_client *client)
{
	const struct lane *lane = &client->test->lane;
	struct rtsp_text id = { client->session, strlen(client->session) };

	return session_find(lane, id);
}
