/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_refusal - rules of connections that only get an answer.  Sockets are
 * real; this process is server and clients.
 */
#include "server/refusal.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/sock.h"

#define OPTIONS "OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n"
#define LONG_US (2 * REFUSAL_LIMIT_US)

static struct loop *loop;
static struct refusals *refusals;
static int listener;
static union sock_address address;
static struct rlimit files;

static size_t
open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static void
begin(void)
{
	socklen_t length = sizeof(address);

	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(refusals_new(loop, &refusals), 0);
	ck_assert_int_eq(sock_address_parse("127.0.0.1:0", &address), 0);
	listener = sock_listen(&address, 100);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(getsockname(listener, &address.any, &length), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
}

static void
end(void)
{
	refusals_free(refusals);
	loop_free(loop);
	close(listener);
}

/* No descriptor is left. */
static int used_up[256];
static size_t used_up_count;

static void
use_up_descriptors(void)
{
	struct rlimit tight = files;

	tight.rlim_cur = 128;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	while ((used_up[used_up_count] = dup(STDIN_FILENO)) != -1)
		used_up_count++;
}

static void
give_back_descriptors(void)
{
	while (used_up_count > 0)
		close(used_up[--used_up_count]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static int
client_open(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(
	    connect(fd, &address.any, sock_address_length(&address)), 0);
	return fd;
}

static void
client_send(int fd, const char *text)
{
	ck_assert_int_eq(
	    send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static int
accepted(void)
{
	union sock_address peer, local;
	int fd = sock_accept(listener, &peer, &local);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
stop(void *context, uint64_t now_us)
{
	(void)now_us;
	loop_stop(context, 0);
}

static void
pass(uint64_t us)
{
	struct loop_timer timer = { 0 };

	loop_timer_set(loop, &timer, clock_monotonic_us() + us, stop, loop);
	ck_assert_int_eq(loop_run(loop), 0);
}

/* All that comes until the server closes, within US. */
static const char *
everything(int fd, uint64_t us)
{
	static char text[4096];
	uint64_t until_us = clock_monotonic_us() + us;
	size_t size = 0;
	ssize_t got;

	do {
		pass(LOOP_TICK_US);
		got = recv(
		    fd, text + size, sizeof(text) - 1 - size, MSG_DONTWAIT);
		size += (size_t)MAX_OF(got, 0);
		ck_assert_uint_lt(clock_monotonic_us(), until_us);
	} while (got > 0 || (got == -1 && errno == EAGAIN));
	text[size] = '\0';
	close(fd);
	return text;
}

static void
expect_refused(int fd)
{
	const char *text = everything(fd, LONG_US);

	ck_assert_msg(
	    strncmp(text, "RTSP/1.0 503 Too many connections", 33) == 0, "%s",
	    text);
	ck_assert_ptr_nonnull(strstr(text, "\r\nCSeq: 7\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nRetry-After: 30\r\n"));
	ck_assert_str_eq(text + strlen(text) - 4, "\r\n\r\n");
	pass(LOOP_TICK_US); /* the server closes, too */
}

START_TEST(a_request_is_answered_and_the_connection_closed)
{
	size_t before = open_descriptors();
	int client = client_open();

	client_send(client, OPTIONS);
	refusals_take(refusals, accepted());
	expect_refused(client);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_request_in_pieces_is_waited_for)
{
	int client = client_open();

	refusals_take(refusals, accepted());
	for (const char *at = OPTIONS; *at != '\0'; at++) {
		client_send(client, (char[]){ *at, '\0' });
		pass(LOOP_TICK_US);
	}
	expect_refused(client);
}
END_TEST

START_TEST(what_follows_the_request_does_not_eat_the_answer)
{
	int client = client_open();

	for (unsigned i = 0; i < 20; i++)
		client_send(client, OPTIONS);
	refusals_take(refusals, accepted());
	pass(2 * LOOP_TICK_US);
	client_send(client, OPTIONS);
	expect_refused(client);
}
END_TEST

START_TEST(who_says_nothing_or_too_much_is_closed)
{
	static char header[8192];
	size_t before = open_descriptors();
	int silent = client_open(), loud, frame, garbage;

	refusals_take(refusals, accepted());
	loud = client_open();
	refusals_take(refusals, accepted());
	frame = client_open();
	refusals_take(refusals, accepted());
	garbage = client_open();
	refusals_take(refusals, accepted());
	memset(header, 'a', sizeof(header) - 1);
	client_send(loud, "OPTIONS * RTSP/1.0\r\nX: ");
	client_send(loud, header);
	client_send(frame, "$11abc");
	client_send(garbage, "one two three four five\r\n\r\n");
	ck_assert_str_eq(everything(loud, REFUSAL_LIMIT_US / 2), "");
	ck_assert_str_eq(everything(frame, REFUSAL_LIMIT_US / 2), "");
	ck_assert_ptr_nonnull(
	    strstr(everything(garbage, REFUSAL_LIMIT_US / 2), "RTSP/1.0 503 "));
	ck_assert_str_eq(everything(silent, LONG_US), "");
	pass(LOOP_TICK_US);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(those_beyond_the_places_are_closed_at_once)
{
	int clients[REFUSALS_MAX + 2];

	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
		ck_assert(refusals_full(refusals) == (i >= REFUSALS_MAX));
		clients[i] = client_open();
		refusals_take(refusals, accepted());
	}
	ck_assert_str_eq(
	    everything(clients[REFUSALS_MAX], REFUSAL_LIMIT_US / 2), "");
	ck_assert_str_eq(
	    everything(clients[REFUSALS_MAX + 1], REFUSAL_LIMIT_US / 2), "");
	for (unsigned i = 0; i < REFUSALS_MAX; i++)
		client_send(clients[i], OPTIONS);
	for (unsigned i = 0; i < REFUSALS_MAX; i++)
		expect_refused(clients[i]);
	ck_assert(!refusals_full(refusals));
}
END_TEST

START_TEST(without_descriptors_one_after_the_other_is_told)
{
	size_t before = open_descriptors();
	int clients[3 * REFUSALS_KEPT];

	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
		clients[i] = client_open();
		client_send(clients[i], OPTIONS);
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
		if (i >= REFUSALS_KEPT)
			expect_refused(clients[i - REFUSALS_KEPT]);
		use_up_descriptors();
		ck_assert(refusals_accept(refusals, listener));
		if (i == REFUSALS_KEPT - 1) /* all that were kept are in use */
			ck_assert(!refusals_accept(refusals, listener));
	}
	for (unsigned i = 2 * REFUSALS_KEPT; i < ARRAY_LENGTH(clients); i++)
		expect_refused(clients[i]);
	give_back_descriptors();
	/* Nobody is there any more; and none is lost. */
	ck_assert(!refusals_accept(refusals, listener));
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(those_who_are_being_refused_end_with_the_worker)
{
	int client = client_open();

	refusals_take(refusals, accepted());
	refusals_free(refusals);
	refusals = NULL;
	ck_assert_str_eq(everything(client, LONG_US), "");
	refusals_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("refusal");
	TCase *rules = tcase_create("refusal");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(rules, begin, end);
	tcase_set_timeout(rules, 30);
	tcase_add_test(rules, a_request_is_answered_and_the_connection_closed);
	tcase_add_test(rules, a_request_in_pieces_is_waited_for);
	tcase_add_test(rules, what_follows_the_request_does_not_eat_the_answer);
	tcase_add_test(rules, who_says_nothing_or_too_much_is_closed);
	tcase_add_test(rules, those_beyond_the_places_are_closed_at_once);
	tcase_add_test(rules, without_descriptors_one_after_the_other_is_told);
	tcase_add_test(rules, those_who_are_being_refused_end_with_the_worker);
	suite_add_tcase(suite, rules);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
