/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane - a lane for tests, in their own process: a table with a name of its
 * own, loop, readers, UDP pairs, titles and sender, all real; and RTSP clients
 * of it over TCP.  What only a worker has (listeners, sandbox, master) is not
 * there.  A failure of the set-up aborts, so that fuzz targets can use it too.
 */
#ifndef UNIT_LANE_H
#define UNIT_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/lane.h"
#include "server/sender.h"
#include "wire/rtsp.h"

/* How long anything that is waited for may take. */
#define TEST_LIMIT_US (20 * US_PER_SECOND)

struct test_lane {
	struct lane lane;
	struct config config; /* the defaults; may be changed at any time */
	struct sender *sender;
	struct loop_watch reader;
	struct loop_timer tick;
	int master; /* the other end of the lane's channel */
	char table_name[TABLE_NAME_MAX];
};

/* With ROOT, NULL: media/ of the source tree. */
void test_lane_begin(struct test_lane *test, const char *root);
/* Ends all connections and sessions, frees everything. */
void test_lane_end(struct test_lane *test);
/* One turn of the loop: at the first event, 10 ms later at most. */
void test_lane_turn(struct test_lane *test);
/* Turns until DONE says so; false: not within the limit. */
bool test_lane_until(
    struct test_lane *test, bool (*done)(void *context), void *context);
/* Turns, for so long. */
void test_lane_pass(struct test_lane *test, uint64_t us);
/* How many of the lane's records are in use. */
unsigned test_lane_used(const struct test_lane *test, enum table_kind kind);
/* An open title; the caller holds it.  Aborts when there is none. */
struct titles_entry *test_lane_title(struct test_lane *test, const char *path);

/* A folder for titles made by tests, below /tmp; removed with what is in it. */
void test_folder_make(char path[static 64]);
void test_folder_store(
    const char *path, const char *name, const void *data, size_t size);
void test_folder_remove(const char *path);

#define TEST_INPUT_BYTES (1024u * 1024)

struct test_client {
	struct test_lane *test;
	int fd;
	uint32_t record; /* of its connection */
	unsigned cseq; /* of the last request by test_client_ask() */
	char session[64]; /* sent with each request unless empty */
	uint64_t sent, received;
	bool ended; /* the server closed */
	unsigned frames; /* interleaved ones that came between replies */
	uint8_t *input; /* from the last reply on */
	size_t input_bytes;
	size_t reply_bytes; /* of the last reply, at INPUT */
	struct rtsp_message reply; /* the last one */
};

void test_client_open(
    struct test_client *client, struct test_lane *test, int family);
void test_client_close(struct test_client *client);
void test_client_send(
    struct test_client *client, const void *data, size_t size);
void test_client_text(struct test_client *client, const char *text);
/* Takes what is there, at once.  False: nothing. */
bool test_client_receive(struct test_client *client);
/* The status of the next reply; 0: the server closed, or the limit. */
unsigned test_client_reply(struct test_client *client);
/*
 * METHOD of rtsp://test/PATH ("*": of *) with HEADERS, lines that end in CR LF;
 * its status.  A Session in the reply becomes the client's.
 */
unsigned test_client_ask(struct test_client *client, const char *method,
    const char *path, const char *headers);
/* A header of the last reply, or its body. */
struct rtsp_text test_client_header(
    const struct test_client *client, const char *name);
struct rtsp_text test_client_body(const struct test_client *client);
/* What the table says of its connection. */
struct table_connection test_client_view(const struct test_client *client);
struct session *test_client_session(const struct test_client *client);

#endif
