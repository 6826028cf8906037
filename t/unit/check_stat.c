/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_stat - vodstat as scripts and people meet it: a table is made here, the
 * program is run on it, what it prints is read.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"
#include "table/table.h"

#define NOBODY 65534
#define OUTPUT_MAX 65536
#define ARGUMENTS_MAX 8

/* One instance for all tests: named after the process of main. */
static char instance[32];
static char name[TABLE_NAME_MAX];
static char program[1024];

static const struct table_limits limits = {
	.lanes = 3,
	.lane_sessions = 100,
	.lane_connections = 100,
	.lane_titles = 100,
	.max_bandwidth_bps = 8000000000,
	.max_sessions = 4000,
};

/* --- an instance -------------------------------------------------------------
 */

struct example {
	const char *id; /* 16 bytes */
	const char *host;
	uint16_t port;
	const char *title;
	enum table_session_state state;
	enum table_transport transport;
};

static const struct example examples[] = {
	{ "\x12\x34\xab\xcd............", "192.0.2.1", 4711, "a film.wmv",
	    TABLE_SESSION_PLAYING, TABLE_UDP },
	{ "\x00\x00\x00\x01............", "2001:db8::1", 554, "sub/b.asf",
	    TABLE_SESSION_PAUSED, TABLE_TCP },
	{ "\xff\xff\xff\xff............", "127.0.0.1", 1,
	    "\x1b]0;x\a\xff\xe2\x80\xae\xc3\xa9\\.wma", TABLE_SESSION_READY,
	    TABLE_UDP },
};

static union sock_address
address_of(const char *host, uint16_t port)
{
	union sock_address address = { 0 };

	if (inet_pton(AF_INET, host, &address.in4.sin_addr) == 1) {
		address.family = AF_INET;
		address.in4.sin_port = htons(port);
	} else {
		ck_assert_int_eq(
		    inet_pton(AF_INET6, host, &address.in6.sin6_addr), 1);
		address.family = AF_INET6;
		address.in6.sin6_port = htons(port);
	}
	return address;
}

/* COUNT is added to each of its numbers, so that they can be told apart. */
static void
session_add(struct table *table, uint32_t lane, const struct example *example,
    uint32_t count)
{
	struct table_title title = { .state = TABLE_USED };
	struct table_session hot = {
		.state = TABLE_USED,
		.session_state = example->state,
		.position_ms = 3600000 + count,
		.committed_bps = 1000 + count,
		.bytes_sent = 2000 + count,
		.packets_sent = 3000 + count,
		.packets_lost = 4000 + count,
	};
	struct table_session_cold cold = {
		.connection = TABLE_NONE,
		.transport = example->transport,
		.peer = address_of(example->host, example->port),
	};
	uint32_t record;

	ck_assert_int_eq(table_claim(table, lane, TABLE_TITLE, &record), 0);
	strcpy(title.path, example->title);
	table_publish(table, lane, TABLE_TITLE, record, &title);
	cold.title = record;
	memcpy(cold.id, example->id, sizeof(cold.id));
	ck_assert_int_eq(table_claim(table, lane, TABLE_SESSION, &record), 0);
	table_publish(table, lane, TABLE_SESSION_COLD, record, &cold);
	table_publish(table, lane, TABLE_SESSION, record, &hot);
}

/*
 * Lane 0: a worker with two sessions.  Lane 1: its worker died, one session is
 * left, one is half made, one is not set up.  Lane 2: an idle worker.
 */
static struct table *
instance_start(void)
{
	struct table_session hot = {
		.state = TABLE_USED,
		.session_state = TABLE_SESSION_INIT,
	};
	struct table *table;
	uint32_t record;

	ck_assert_int_eq(table_create(name, &limits, (gid_t)-1, &table), 0);
	for (uint32_t lane = 0; lane < 3; lane++)
		ck_assert_int_eq(table_lane_open(table, lane), 0);
	table_set_master(table, getpid(), 5, false);
	table_lane_set_pid(table, 0, 1001);
	table_lane_set_pid(table, 2, 1003);
	session_add(table, 0, &examples[0], 0);
	session_add(table, 0, &examples[1], 1);
	ck_assert_int_eq(table_claim(table, 1, TABLE_SESSION, &record), 0);
	ck_assert_int_eq(table_claim(table, 1, TABLE_SESSION, &record), 0);
	table_publish(table, 1, TABLE_SESSION, record, &hot);
	session_add(table, 1, &examples[2], 2);
	for (uint32_t lane = 0; lane < 2; lane++) {
		table_counter_set(table, lane, TABLE_HEARTBEAT_US,
		    clock_monotonic_us() - 5 * US_PER_SECOND);
		table_counter_set(
		    table, lane, TABLE_COMMITTED_BPS, 1500000 + lane);
		table_counter_set(table, lane, TABLE_BYTES_SENT, 10000 + lane);
		table_counter_set(table, lane, TABLE_PACKETS_SENT, 10 + lane);
		table_counter_set(table, lane, TABLE_CONNECTIONS, 7);
	}
	return table;
}

static void
instance_stop(struct table *table)
{
	table_close(table);
	ck_assert_int_eq(table_unlink(name), 0);
}

/* --- running the program
 * ------------------------------------------------------ */

struct run {
	pid_t pid;
	int out, err; /* what it writes; -1: closed */
	int status;
	char output[OUTPUT_MAX], errors[OUTPUT_MAX];
};

/* The program where everybody may run it, however closed its folder is. */
static int
program_copy(void)
{
	int from = open(program, O_RDONLY | O_CLOEXEC);
	int copy = memfd_create("vodstat", MFD_CLOEXEC);
	ssize_t got;

	while ((got = sendfile(copy, from, NULL, 1 << 20)) > 0)
		;
	return got == 0 ? copy : -1;
}

static void
program_execute(int copy, const char *const arguments[])
{
	const char *list[ARGUMENTS_MAX + 2] = { "vodstat" };
	char *const *constant = (char *const *)(uintptr_t)list;

	for (size_t i = 0; arguments[i] != NULL; i++)
		list[i + 1] = arguments[i];
	setenv("LC_ALL", "C.UTF-8", 1);
	if (copy != -1)
		fexecve(copy, constant, environ);
	else
		execv(program, constant);
	_exit(127);
}

static void
become_nobody(void)
{
	if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 ||
	    setuid(NOBODY) != 0)
		_exit(126);
}

static struct run *
run_start(bool as_nobody, const char *const arguments[])
{
	struct run *run = calloc(1, sizeof(*run));
	int out[2], err[2], copy = -1;

	ck_assert_ptr_nonnull(run);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
	if ((run->pid = fork()) == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		if (as_nobody) {
			copy = program_copy();
			become_nobody();
		}
		program_execute(copy, arguments);
	}
	ck_assert_int_ne(run->pid, -1);
	close(out[1]);
	close(err[1]);
	run->out = out[0];
	run->err = err[0];
	return run;
}

static void
text_read(int fd, char text[static OUTPUT_MAX])
{
	size_t at = strlen(text);
	ssize_t got;

	while ((got = read(fd, text + at, OUTPUT_MAX - 1 - at)) > 0)
		at += (size_t)got;
	ck_assert_int_eq(got, 0);
	text[at] = '\0';
}

static struct run *
run_finish(struct run *run)
{
	if (run->out != -1) {
		text_read(run->out, run->output);
		close(run->out);
	}
	text_read(run->err, run->errors);
	close(run->err);
	ck_assert_int_eq(waitpid(run->pid, &run->status, 0), run->pid);
	ck_assert_msg(WIFEXITED(run->status), "vodstat died: %#x", run->status);
	run->status = WEXITSTATUS(run->status);
	ck_assert_msg(run->status < 126, "cannot run %s", program);
	return run;
}

#define ARGUMENTS(...) ((const char *[ARGUMENTS_MAX]){ __VA_ARGS__ })
#define RUN(...) run_finish(run_start(false, ARGUMENTS(__VA_ARGS__)))

/* Up to the end of one line, and not a byte more. */
static void
line_read(int fd, char line[static OUTPUT_MAX])
{
	size_t at = 0;

	do {
		ck_assert_uint_lt(at, OUTPUT_MAX - 1);
		ck_assert_int_eq(read(fd, &line[at], 1), 1);
	} while (line[at++] != '\n');
	line[at] = '\0';
}

static json_t *
json_of(const char *text)
{
	json_error_t error;
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(object != NULL, "no JSON: %s: %s", error.text, text);
	return object;
}

static json_int_t
number_in(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	ck_assert_msg(json_is_integer(value), "no number %s", member);
	return json_integer_value(value);
}

static const char *
text_in(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	ck_assert_msg(json_is_string(value), "no text %s", member);
	return json_string_value(value);
}

/* --- JSON
 * --------------------------------------------------------------------- */

START_TEST(json_says_what_the_table_says)
{
	struct table *table = instance_start();
	struct run *run = RUN("-n", instance, "--json");
	json_t *object = json_of(run->output);
	const json_t *states = json_object_get(object, "sessions_by_state");

	ck_assert_int_eq(run->status, 0);
	ck_assert_str_eq(run->errors, "");
	ck_assert_int_eq(number_in(object, "sessions"), 3);
	ck_assert_int_eq(number_in(states, "ready"), 1);
	ck_assert_int_eq(number_in(states, "playing"), 1);
	ck_assert_int_eq(number_in(states, "paused"), 1);
	ck_assert_uint_eq(json_object_size(states), 3);
	ck_assert_int_eq(number_in(object, "committed_bps"), 3000001);
	ck_assert_int_eq(number_in(object, "bytes_sent"), 20001);
	ck_assert_int_eq(number_in(object, "packets_sent"), 21);
	ck_assert_int_eq(number_in(object, "connections"), 14);
	ck_assert_str_eq(text_in(object, "instance"), instance);
	ck_assert_int_eq(number_in(object, "master_pid"), getpid());
	ck_assert(json_is_true(json_object_get(object, "master_running")));
	ck_assert_int_le(number_in(object, "uptime_s"), 60);
	ck_assert_int_eq(number_in(object, "generation"), 5);
	ck_assert_int_eq(number_in(object, "max_sessions"), 4000);
	ck_assert_int_eq(number_in(object, "max_bandwidth_bps"), 8000000000);
	ck_assert(json_is_false(json_object_get(object, "draining")));
	ck_assert_ptr_null(json_object_get(object, "session_list"));
	json_decref(object);
	free(run);
	instance_stop(table);
}
END_TEST

START_TEST(json_lists_the_workers_that_there_are)
{
	struct table *table = instance_start();
	struct run *run = RUN("--json", "-n", instance);
	json_t *object = json_of(run->output);
	const json_t *workers = json_object_get(object, "workers");
	const json_t *worker;

	ck_assert_uint_eq(json_array_size(workers), 2);
	worker = json_array_get(workers, 0);
	ck_assert_int_eq(number_in(worker, "pid"), 1001);
	ck_assert_int_eq(number_in(worker, "lane"), 0);
	ck_assert_int_eq(number_in(worker, "sessions"), 2);
	ck_assert_int_eq(number_in(worker, "connections"), 7);
	ck_assert_int_eq(number_in(worker, "committed_bps"), 1500000);
	ck_assert_int_ge(number_in(worker, "heartbeat_age_ms"), 5000);
	ck_assert_int_le(number_in(worker, "heartbeat_age_ms"), 60000);
	worker = json_array_get(workers, 1);
	ck_assert_int_eq(number_in(worker, "pid"), 1003);
	ck_assert_int_eq(number_in(worker, "lane"), 2);
	ck_assert_int_eq(number_in(worker, "sessions"), 0);
	/* Never heard of: as old as the instance. */
	ck_assert_int_le(number_in(worker, "heartbeat_age_ms"), 60000);
	json_decref(object);
	free(run);
	instance_stop(table);
}
END_TEST

START_TEST(json_lists_the_sessions_when_asked)
{
	static const struct {
		const char *id, *peer, *title, *state, *transport;
	} wanted[] = {
		{ "1234abcd", "192.0.2.1:4711", "a film.wmv", "playing",
		    "udp" },
		{ "00000001", "[2001:db8::1]:554", "sub/b.asf", "paused",
		    "tcp" },
		{ "ffffffff", "127.0.0.1:1",
		    "\x1b]0;x\a\xef\xbf\xbd\xe2\x80\xae\xc3\xa9\\.wma", "ready",
		    "udp" },
	};
	struct table *table = instance_start();
	struct run *run = RUN("--sessions", "--json", "-n", instance);
	json_t *object = json_of(run->output);
	const json_t *list = json_object_get(object, "session_list");

	ck_assert_uint_eq(json_array_size(list), ARRAY_LENGTH(wanted));
	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
		const json_t *session = json_array_get(list, i);
		json_int_t count = (json_int_t)i;

		ck_assert_str_eq(text_in(session, "id"), wanted[i].id);
		ck_assert_str_eq(text_in(session, "peer"), wanted[i].peer);
		ck_assert_str_eq(text_in(session, "title"), wanted[i].title);
		ck_assert_str_eq(text_in(session, "state"), wanted[i].state);
		ck_assert_str_eq(
		    text_in(session, "transport"), wanted[i].transport);
		ck_assert_int_eq(
		    number_in(session, "position_ms"), 3600000 + count);
		ck_assert_int_eq(
		    number_in(session, "committed_bps"), 1000 + count);
		ck_assert_int_eq(
		    number_in(session, "bytes_sent"), 2000 + count);
		ck_assert_int_eq(
		    number_in(session, "packets_sent"), 3000 + count);
		ck_assert_int_eq(
		    number_in(session, "packets_lost"), 4000 + count);
	}
	json_decref(object);
	free(run);
	instance_stop(table);
}
END_TEST

/* --- for people
 * ---------------------------------------------------------------- */

static void
assert_no_control(const char *text)
{
	for (; *text != '\0'; text++)
		ck_assert_msg(*text == '\n' || ((unsigned char)*text >= ' ' &&
						   *text != '\x7f'),
		    "control character %#x", (unsigned)*text);
}

START_TEST(the_table_has_units_and_nothing_that_a_terminal_obeys)
{
	static const char *const wanted[] = {
		"3 of 4000: 1 playing, 1 paused, 1 ready\n",
		"committed  3.00 Mbit/s of 8.00 Gbit/s\n",
		"sent       20.0 kB in 21 packets\n",
		"192.0.2.1:4711 ",
		"[2001:db8::1]:554 ",
		"1:00:00",
		" a film.wmv\n",
		" \\x1b]0;x\\x07\\xff\\xe2\\x80\\xae\xc3\xa9\\x5c.wma\n",
	};
	struct table *table = instance_start();
	struct run *run = RUN("-n", instance, "--sessions");

	ck_assert_int_eq(run->status, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++)
		ck_assert_msg(strstr(run->output, wanted[i]) != NULL,
		    "no '%s' in:\n%s", wanted[i], run->output);
	assert_no_control(run->output);
	free(run);
	run = RUN("-n", instance);
	ck_assert_ptr_null(strstr(run->output, "192.0.2.1"));
	free(run);
	instance_stop(table);
}
END_TEST

START_TEST(a_master_that_is_gone_is_told)
{
	struct table *table = instance_start();
	pid_t gone = fork();
	struct run *run;

	if (gone == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(gone, NULL, 0), gone);
	table_set_master(table, gone, 1, true);
	run = RUN("-n", instance);
	ck_assert_ptr_nonnull(strstr(run->output, "(not running)"));
	ck_assert_ptr_nonnull(strstr(run->output, ", draining\n"));
	free(run);
	instance_stop(table);
}
END_TEST

/* --- errors
 * --------------------------------------------------------------------- */

START_TEST(no_instance_is_exit_3_and_names_it)
{
	struct run *run = RUN("-n", "there-is-none");

	ck_assert_int_eq(run->status, 3);
	ck_assert_str_eq(run->output, "");
	ck_assert_ptr_nonnull(strstr(run->errors, "'there-is-none'"));
	ck_assert_ptr_nonnull(strstr(run->errors, "vodd -n there-is-none"));
	free(run);
	run = RUN("-n", "there-is-none", "--json", "--watch");
	ck_assert_int_eq(run->status, 3);
	free(run);
}
END_TEST

START_TEST(wrong_usage_is_exit_2)
{
	static const char *const cases[][4] = {
		{ "--what" },
		{ "-n" },
		{ "-n", "" },
		{ "-n", "a/b" },
		{ "-n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaa" },
		{ "--watch=x" },
		{ "--watch", "0" },
		{ "--watch", "1e9" },
		{ "--watch=nan" },
		{ "left over" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct run *run = run_finish(run_start(false, cases[i]));

		ck_assert_msg(run->status == 2, "case %zu: %d, %s", i,
		    run->status, run->errors);
		ck_assert_str_ne(run->errors, "");
		ck_assert_str_eq(run->output, "");
		free(run);
	}
}
END_TEST

START_TEST(version_and_help_are_exit_0)
{
	struct run *run = RUN("-V");

	ck_assert_int_eq(run->status, 0);
	ck_assert_str_eq(run->output, "vodstat " PACKAGE_VERSION "\n");
	free(run);
	run = RUN("--help");
	ck_assert_int_eq(run->status, 0);
	ck_assert_ptr_nonnull(strstr(run->output, "--sessions"));
	free(run);
}
END_TEST

START_TEST(who_may_not_read_is_told_of_the_group)
{
	struct table *table;
	struct run *run;

	if (geteuid() != 0) {
		puts("skipped: who_may_not_read_is_told_of_the_group: "
		     "not root");
		return;
	}
	table = instance_start();
	run = run_finish(run_start(true, ARGUMENTS("-n", instance)));
	ck_assert_int_eq(run->status, 1);
	ck_assert_str_eq(run->output, "");
	ck_assert_ptr_nonnull(strstr(run->errors, "group vodd"));
	free(run);
	instance_stop(table);
}
END_TEST

START_TEST(a_table_of_another_layout_is_exit_1)
{
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	struct run *run;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(ftruncate(fd, 100000), 0);
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	close(fd);
	run = RUN("-n", instance);
	ck_assert_int_eq(run->status, 1);
	ck_assert_ptr_nonnull(strstr(run->errors, instance));
	free(run);
	ck_assert_int_eq(table_unlink(name), 0);
}
END_TEST

/* --- watching
 * -------------------------------------------------------------------- */

START_TEST(a_watch_prints_an_object_a_line_until_it_is_interrupted)
{
	struct table *table = instance_start();
	struct run *run = run_start(false, ARGUMENTS("-n", instance, "--json",
					       "--sessions", "--watch", "0.1"));

	for (int i = 0; i < 3; i++) {
		json_t *object;

		table_counter_set(
		    table, 0, TABLE_PACKETS_SENT, 100 * (uint64_t)i);
		line_read(run->out, run->output);
		object = json_of(run->output);
		ck_assert_int_eq(number_in(object, "sessions"), 3);
		json_decref(object);
	}
	kill(run->pid, SIGINT);
	ck_assert_int_eq(run_finish(run)->status, 0);
	ck_assert_str_eq(run->errors, "");
	free(run);
	instance_stop(table);
}
END_TEST

START_TEST(a_watch_ends_quietly_when_nobody_reads)
{
	struct table *table = instance_start();
	struct run *run =
	    run_start(false, ARGUMENTS("-n", instance, "--watch=0.1"));

	line_read(run->out, run->output);
	close(run->out);
	run->out = -1;
	ck_assert_int_eq(run_finish(run)->status, 0);
	ck_assert_str_eq(run->errors, "");
	free(run);
	instance_stop(table);
}
END_TEST

START_TEST(a_watch_ends_with_its_instance)
{
	struct table *table = instance_start();
	struct run *run = run_start(
	    false, ARGUMENTS("-n", instance, "--json", "--watch", "0.1"));

	line_read(run->out, run->output);
	instance_stop(table);
	ck_assert_int_eq(run_finish(run)->status, 3);
	ck_assert_ptr_nonnull(strstr(run->errors, instance));
	free(run);
}
END_TEST

/* Reads until WANTED was seen; false: the program ended before. */
static bool
screen_shows(int fd, const char *wanted, char text[static OUTPUT_MAX])
{
	size_t at = 0;

	text[0] = '\0';
	while (strstr(text, wanted) == NULL) {
		ssize_t got;

		if (at >= OUTPUT_MAX - 1)
			return false;
		got = read(fd, text + at, OUTPUT_MAX - 1 - at);
		if (got <= 0)
			return false;
		at += (size_t)got;
		text[at] = '\0';
	}
	return true;
}

START_TEST(on_a_terminal_the_watch_stays_on_the_screen)
{
	struct table *table = instance_start();
	struct winsize size = { .ws_row = 24, .ws_col = 100 };
	char text[OUTPUT_MAX];
	int screen, status;
	pid_t pid;

	for (uint32_t i = 0; i < 50; i++)
		session_add(table, 2, &examples[0], i);
	pid = forkpty(&screen, NULL, NULL, &size);
	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		program_execute(-1,
		    ARGUMENTS("-n", instance, "--sessions", "--watch", "60"));

	ck_assert(screen_shows(screen, "\033[J", text));
	/* 24 rows: 4 head, 2 + 2 workers, 2 titles, "more", the cursor. */
	ck_assert_msg(
	    strstr(text, "... 41 more") != NULL, "no rest in:\n%s", text);
	ck_assert_ptr_null(strstr(text, "\033[2J"));
	/* A new size is drawn at once, not in a minute. */
	size.ws_row = 100;
	ck_assert_int_eq(ioctl(screen, TIOCSWINSZ, &size), 0);
	ck_assert(screen_shows(screen, "\033[J", text));
	ck_assert_ptr_null(strstr(text, " more"));

	ck_assert_int_eq(write(screen, "\003", 1), 1); /* Ctrl-C */
	screen_shows(screen, "never", text);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "ended with %#x", status);
	close(screen);
	instance_stop(table);
}
END_TEST

int
main(void)
{
	const char *folder = getenv("builddir");
	Suite *suite = suite_create("stat");
	TCase *tests = tcase_create("vodstat");
	SRunner *runner;
	int failed;

	snprintf(program, sizeof(program), "%s/vodstat",
	    folder != NULL ? folder : ".");
	snprintf(instance, sizeof(instance), "check-stat-%d", (int)getpid());
	snprintf(name, sizeof(name), "/vodd.%s", instance);
	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, json_says_what_the_table_says);
	tcase_add_test(tests, json_lists_the_workers_that_there_are);
	tcase_add_test(tests, json_lists_the_sessions_when_asked);
	tcase_add_test(
	    tests, the_table_has_units_and_nothing_that_a_terminal_obeys);
	tcase_add_test(tests, a_master_that_is_gone_is_told);
	tcase_add_test(tests, no_instance_is_exit_3_and_names_it);
	tcase_add_test(tests, wrong_usage_is_exit_2);
	tcase_add_test(tests, version_and_help_are_exit_0);
	tcase_add_test(tests, who_may_not_read_is_told_of_the_group);
	tcase_add_test(tests, a_table_of_another_layout_is_exit_1);
	tcase_add_test(
	    tests, a_watch_prints_an_object_a_line_until_it_is_interrupted);
	tcase_add_test(tests, a_watch_ends_quietly_when_nobody_reads);
	tcase_add_test(tests, a_watch_ends_with_its_instance);
	tcase_add_test(tests, on_a_terminal_the_watch_stays_on_the_screen);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	table_unlink(name);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
