/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_playlist_load - play lists from files and from a web server on
 * loopback that does what web servers do.
 */
#include "player/playlist_load.h"

#include <arpa/inet.h>
#include <check.h>
#include <gst/gst.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "player/playlist_read.h"

#define LIST "<asx><entry><ref href='one.wmv'/></entry></asx>"
#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n"

/* For builds with sanitizers: what GLib and GStreamer keep is theirs, and told
 * only by stacks of libraries without frame pointers (t/playerlib/leaks). */
const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *
__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0:malloc_context_size=14";
}

const char *
__lsan_default_suppressions(void)
{
	return "leak:call_init\nleak:libgstsoup.so\n"
	       "leak:gst_structure_free\nleak:g_cancellable_source_new\n";
}

/* ---- the server ---- */

static int listener;
static char server[64]; /* http://127.0.0.1:PORT */

/* False: whoever asked has gone. */
static bool
put(int fd, const char *text)
{
	size_t length = strlen(text);

	return send(fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void
put_without_end(int fd)
{
	put(fd, OK "\r\n#EXTM3U\n");
	while (put(fd, "a.wmv\nb.wmv\nc.wmv\nd.wmv\ne.wmv\nf.wmv\ng.wmv\n"))
		;
}

static void
put_a_byte_at_a_time(int fd)
{
	put(fd, OK "\r\n<asx>");
	while (put(fd, " "))
		usleep(100 * 1000);
}

static void
put_nothing(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) > 0)
		;
}

/* clang-format off */
static const struct {
	const char *path, *answer;
	void (*put)(int fd);
} pages[] = {
	{ "/x/list.asx", OK "Content-Length: 47\r\n\r\n" LIST, NULL },
	{ "/open.asx", OK "\r\n" LIST, NULL },
	{ "/long.asx", OK "Content-Length: 4000\r\n\r\n" LIST, NULL },
	{ "/short.asx", OK "Content-Length: 5\r\n\r\n" LIST, NULL },
	{ "/odd.asx", OK "Content-Length: -7\r\n\r\n" LIST, NULL },
	{ "/vast.asx", OK "Content-Length: 18446744073709551615\r\n\r\n" LIST,
	    NULL },
	{ "/cut.asx", "HTTP/1.1 200", NULL },
	{ "/bytes.asx", "\x16\x03\x01\r\n\r\n", NULL },
	{ "/empty.asx", OK "Content-Length: 0\r\n\r\n", NULL },
	{ "/page.asx", OK "\r\n<html>This is no list</html>", NULL },
	{ "/moved.asx", "HTTP/1.1 302 Found\r\nLocation: /x/list.asx\r\n"
	    "Content-Length: 0\r\n\r\n", NULL },
	{ "/loop.asx", "HTTP/1.1 302 Found\r\nLocation: /loop.asx\r\n"
	    "Content-Length: 0\r\n\r\n", NULL },
	{ "/local.asx", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n"
	    "Content-Length: 0\r\n\r\n", NULL },
	{ "/401.asx", "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", NULL },
	{ "/403.asx", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", NULL },
	{ "/500.asx", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", NULL },
	{ "/endless.m3u", NULL, put_without_end },
	{ "/slow.asx", NULL, put_a_byte_at_a_time },
	{ "/silent.asx", NULL, put_nothing },
};
/* clang-format on */

static void
answer(int fd, const char *request)
{
	const char *path = strchr(request, ' ');
	size_t length = path != NULL ? strcspn(path + 1, " ") : 0;

	for (size_t i = 0; i < ARRAY_LENGTH(pages) && length > 0; i++) {
		if (strlen(pages[i].path) != length ||
		    memcmp(pages[i].path, path + 1, length) != 0)
			continue;
		if (pages[i].put != NULL)
			pages[i].put(fd);
		else
			put(fd, pages[i].answer);
		return;
	}
	put(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void *
serve(void *context)
{
	char request[8192];
	size_t length = 0;
	ssize_t got;
	int fd = *(int *)context;

	free(context);
	while (length < sizeof(request) - 1) {
		got =
		    recv(fd, request + length, sizeof(request) - 1 - length, 0);
		if (got <= 0)
			break;
		length += (size_t)got;
		request[length] = '\0';
		if (strstr(request, "\r\n\r\n") == NULL)
			continue;
		answer(fd, request);
		break;
	}
	close(fd);
	return NULL;
}

static void *
accept_all(void *context)
{
	pthread_t thread;
	int *fd;

	(void)context;
	for (;;) {
		fd = malloc(sizeof(*fd));
		ck_assert_ptr_nonnull(fd);
		*fd = accept(listener, NULL, NULL);
		if (*fd == -1)
			abort();
		if (pthread_create(&thread, NULL, serve, fd) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

/* Each test is a process of its own, with a server of its own. */
static void
set_up(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);
	pthread_t thread;

	unsetenv("http_proxy");
	/* libproxy throws exceptions of C++, which clang's ASan cannot pass on
	 * in a program of C. */
	setenv("GIO_USE_PROXY_RESOLVER", "dummy", 1);
	gst_init(NULL, NULL);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
	    bind(listener, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(listen(listener, 64), 0);
	ck_assert_int_eq(
	    getsockname(listener, (struct sockaddr *)&address, &length), 0);
	snprintf(server, sizeof(server), "http://127.0.0.1:%u",
	    ntohs(address.sin_port));
	ck_assert_int_eq(pthread_create(&thread, NULL, accept_all, NULL), 0);
}

/* ---- what comes of it ---- */

static int count; /* how often it was told */
static char *sentence, *first; /* NULL, "" of several: the first one's URL */
static unsigned item_count;

static void
on_loaded(void *context, GPtrArray *items, const char *why)
{
	(void)context;
	count++;
	ck_assert((items == NULL) == (why != NULL));
	sentence = g_strdup(why);
	if (items == NULL)
		return;
	ck_assert_uint_gt(items->len, 0);
	item_count = items->len;
	first = g_strdup(((struct playlist_item *)items->pdata[0])->url);
	g_ptr_array_unref(items);
}

static gboolean
on_bound(gpointer context)
{
	(void)context;
	ck_abort_msg("nothing is told of it");
}

/* PATH on the server, or what begins with something else. */
static void
load(const char *path)
{
	char url[256];
	guint bound = g_timeout_add_seconds(15, on_bound, NULL);

	snprintf(url, sizeof(url), "%s%s",
	    strstr(path, "://") == NULL && strncmp(path, "/tmp", 4) != 0
		? server
		: "",
	    path);
	g_clear_pointer(&sentence, g_free);
	g_clear_pointer(&first, g_free);
	item_count = 0;
	count = 0;
	ck_assert_ptr_nonnull(playlist_load_start(url, on_loaded, NULL));
	ck_assert_int_eq(count, 0); /* later, never at once */
	while (count == 0)
		g_main_context_iteration(NULL, TRUE);
	g_source_remove(bound);
	while (g_main_context_iteration(NULL, FALSE))
		;
	ck_assert_int_eq(count, 1);
}

/* One item, of that address on the server. */
static void
expect_item(const char *path, const char *item)
{
	char url[256];

	load(path);
	ck_assert_msg(first != NULL, "%s: %s", path, sentence);
	snprintf(url, sizeof(url), "%s%s", server, item);
	ck_assert_str_eq(first, url);
	ck_assert_uint_eq(item_count, 1);
}

static void
expect_sentence(const char *path, const char *wanted)
{
	load(path);
	ck_assert_msg(sentence != NULL, "%s is a list", path);
	ck_assert_str_eq(sentence, wanted);
}

START_TEST(a_list_is_a_file_or_by_http)
{
	char path[] = "/tmp/check_playlist_load-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, LIST, strlen(LIST)), (int)strlen(LIST));
	close(fd);
	load(path);
	unlink(path);
	ck_assert_str_eq(first, "file:///tmp/one.wmv");
	expect_item("/x/list.asx", "/x/one.wmv");
	expect_item("/open.asx", "/one.wmv");
}
END_TEST

START_TEST(what_is_not_there_is_said)
{
	expect_sentence("/none.asx", "There is no such play list.");
	expect_sentence("/tmp/no such/list.asx", "There is no such play list.");
	expect_sentence(
	    "/401.asx", "You are not allowed to read this play list.");
	expect_sentence(
	    "/403.asx", "You are not allowed to read this play list.");
	expect_sentence("/page.asx", "This is not a play list.");
	expect_sentence("/empty.asx", "This is not a play list.");
	expect_sentence("http://127.0.0.1:1/x.asx",
	    "The server of this play list cannot be reached.");
	expect_sentence("gopher://127.0.0.1/x.asx",
	    "Play lists of this kind cannot be fetched here.");
	load("/500.asx");
	ck_assert_ptr_nonnull(sentence);
}
END_TEST

START_TEST(lengths_that_lie_lead_to_an_end)
{
	static const char *const paths[] = { "/long.asx", "/odd.asx",
		"/vast.asx", "/cut.asx", "/bytes.asx" };

	for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
		load(paths[i]); /* told once: all that is said of it */
	expect_sentence("/short.asx", "This is not a play list.");
}
END_TEST

START_TEST(entries_are_relative_to_where_a_redirect_leads)
{
	expect_item("/moved.asx", "/x/one.wmv");
}
END_TEST

START_TEST(redirects_lead_nowhere_else)
{
	load("/loop.asx");
	ck_assert_ptr_nonnull(sentence);
	load("/local.asx");
	ck_assert_ptr_nonnull(sentence);
}
END_TEST

START_TEST(of_what_never_ends_the_beginning_is_read)
{
	load("/endless.m3u");
	ck_assert_uint_eq(item_count, PLAYLIST_ENTRIES_MAX);
}
END_TEST

static void
on_given_up(void *context, GPtrArray *items, const char *why)
{
	(void)context;
	count++;
	ck_assert_ptr_null(items);
	ck_assert_str_eq(why, "The server of this play list does not answer.");
}

START_TEST(servers_that_are_slow_or_silent_are_given_up)
{
	static const char *const paths[] = { "/slow.asx", "/silent.asx" };
	guint bound = g_timeout_add_seconds(15, on_bound, NULL);
	char url[256];

	for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
		snprintf(url, sizeof(url), "%s%s", server, paths[i]);
		playlist_load_start(url, on_given_up, NULL);
	}
	while (count < (int)ARRAY_LENGTH(paths))
		g_main_context_iteration(NULL, TRUE);
	g_source_remove(bound);
}
END_TEST

START_TEST(what_is_stopped_is_not_told)
{
	static const char *const paths[] = { "/x/list.asx", "/slow.asx",
		"/endless.m3u", "/silent.asx", "/none.asx" };
	struct playlist_load *loads[ARRAY_LENGTH(paths)];
	char url[256];

	for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
		snprintf(url, sizeof(url), "%s%s", server, paths[i]);
		loads[i] = playlist_load_start(url, on_loaded, NULL);
		if (i % 2 == 0)
			usleep(50 * 1000); /* some have begun then */
	}
	for (size_t i = 0; i < ARRAY_LENGTH(paths); i++)
		playlist_load_stop(loads[i]);
	playlist_load_stop(playlist_load_start("foo://x", on_loaded, NULL));
	playlist_load_stop(NULL);
	while (g_main_context_iteration(NULL, FALSE))
		;
	ck_assert_int_eq(count, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("playlist_load");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, rules);
	tcase_add_checked_fixture(rules, set_up, NULL);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, a_list_is_a_file_or_by_http);
	tcase_add_test(rules, what_is_not_there_is_said);
	tcase_add_test(rules, lengths_that_lie_lead_to_an_end);
	tcase_add_test(rules, entries_are_relative_to_where_a_redirect_leads);
	tcase_add_test(rules, redirects_lead_nowhere_else);
	tcase_add_test(rules, of_what_never_ends_the_beginning_is_read);
	tcase_add_test(rules, servers_that_are_slow_or_silent_are_given_up);
	tcase_add_test(rules, what_is_stopped_is_not_told);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
