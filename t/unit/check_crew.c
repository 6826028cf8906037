/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers as processes: replaced, given what their predecessors stored, held
 * back when they die too early or too often.  The processes are real; they run
 * the worker below, which does what a good one never does, on command.
 */
#include "server/crew.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "server/process.h"
#include "server/trace.h"
#include "server/worker.h"

#define LIMIT_US (20 * US_PER_SECOND)
#define EVENTS_MAX 32

/* Of those that are forked from now on. */
static enum {
	SERVES,
	DIES_UNPREPARED,
	IS_NEVER_PREPARED,
	PREPARES_LATE, /* when the lane is given to it */
	DIES_EARLY,
	DIES_READY,
	STORES, /* the one that is given something does not */
	STORES_AND_DIES, /* the one that is given something serves */
	HANGS,
	MOVES, /* a connection to lane 1, then serves; there it serves */
} behaviour;

/* What a worker dies of, and whether that is its own fault. */
static const struct {
	int signal;
	uint32_t fault;
} signals[] = {
	{ SIGSEGV, 1 },
	{ SIGBUS, 1 },
	{ SIGILL, 1 },
	{ SIGFPE, 1 },
	{ SIGABRT, 1 },
	{ SIGKILL, 0 },
	{ SIGTERM, 0 },
};

/* What the workers were told, in the order of their births; shared. */
#define BIRTHS_MAX 32
static struct {
	_Atomic unsigned births;
	struct {
		pid_t pid;
		_Atomic unsigned kinds; /* bit per enum fdstore_kind */
		uint32_t fault; /* of GIVEN */
	} of[BIRTHS_MAX];
} * told;

static int stored[2]; /* a pipe: what is stored is its writing end */

static struct loop *loop;
static struct crew *crew;
static struct table *table;
static struct config config;
static struct resources resources;
static struct privileges privileges;
static struct crew_birth birth_of_crew;
static char table_name[TABLE_NAME_MAX], log_file[64];

static struct {
	uint64_t at_us;
	enum crew_event event;
	pid_t pid;
	char how[64];
} events[EVENTS_MAX];
static unsigned event_count, wanted_count;
static struct loop_timer limit;

/* --- the worker
 * ---------------------------------------------------------------- */
static void
say(int channel, enum fdstore_kind kind, uint32_t connection, int fd)
{
	const struct fdstore_message message = {
		.kind = kind, .connection = connection, .cookie = 'c'
	};

	if (fdstore_send(channel, &message, fd) != 0)
		_exit(7);
}

/* The next word, noted; 0: none within 100 ms. */
static uint32_t
hear(const struct worker_birth *birth, unsigned number)
{
	struct pollfd channel = { .fd = birth->channel, .events = POLLIN };
	struct fdstore_message message;
	int fd, got;

	poll(&channel, 1, 100);
	got = fdstore_receive(birth->channel, &message, &fd);
	if (got == 0)
		_exit(9);
	if (got != 1)
		return 0;
	if (message.kind == FDSTORE_GIVE) {
		(void)!write(fd, &message.cookie, 1);
		close(fd);
	}
	if (message.kind == FDSTORE_GIVEN)
		told->of[number].fault = message.connection;
	told->of[number].kinds |= 1u << message.kind;
	return message.kind;
}

static bool
was_told(unsigned number, enum fdstore_kind kind)
{
	return (told->of[number].kinds & 1u << kind) != 0;
}

static int
serve(const struct worker_birth *birth, unsigned number)
{
	for (;;) {
		if (behaviour != HANGS)
			table_counter_set(birth->table, birth->lane,
			    TABLE_HEARTBEAT_US, clock_monotonic_us());
		switch (hear(birth, number)) {
		case FDSTORE_RETIRE:
		case FDSTORE_STOP:
		case FDSTORE_CLOSE:
			return 0;
		default:
			break;
		}
	}
}

int
worker_run(const struct worker_birth *birth)
{
	unsigned number = told->births++;

	told->of[number].pid = getpid();
	/* A sanitizer would end us orderly. */
	for (size_t i = 0; i < ARRAY_LENGTH(signals); i++)
		signal(signals[i].signal, SIG_DFL);
	trace_answer(&birth->channel);
	if (behaviour == DIES_UNPREPARED)
		return 1;
	if (behaviour != IS_NEVER_PREPARED && behaviour != PREPARES_LATE)
		say(birth->channel, FDSTORE_PREPARED, 0, -1);
	while (!was_told(number, FDSTORE_GIVEN))
		hear(birth, number);
	if (table_lane_open(birth->table, birth->lane) != 0)
		return 8;
	if (behaviour == DIES_EARLY)
		return 1;
	say(birth->channel, FDSTORE_READY, 0, -1);
	if (behaviour == DIES_READY)
		return 1;
	if (behaviour == STORES && !was_told(number, FDSTORE_GIVE))
		say(birth->channel, FDSTORE_PUT, 3, stored[1]);
	if (behaviour == STORES_AND_DIES && !was_told(number, FDSTORE_GIVE)) {
		say(birth->channel, FDSTORE_PUT, 3, stored[1]);
		say(birth->channel, FDSTORE_PUT, 4, stored[1]);
		say(birth->channel, FDSTORE_DROP, 4, -1);
		raise(SIGKILL);
	}
	if (behaviour == MOVES && birth->lane == 0) {
		const struct fdstore_message move = {
			.kind = FDSTORE_MOVE,
			.connection = 3,
			.cookie = 'c',
			.lane = 1,
		};

		say(birth->channel, FDSTORE_PUT, 3, stored[1]);
		if (fdstore_send(birth->channel, &move, -1) != 0)
			_exit(7);
		told->of[number].kinds |= 1u << FDSTORE_MOVE;
	}
	return serve(birth, number);
}

/* --- the master's part
 * ---------------------------------------------------------- */
static void
happened(void *context, uint32_t lane, enum crew_event event, const char *how)
{
	(void)context;
	ck_assert_uint_lt(event_count, EVENTS_MAX);
	events[event_count].event = event;
	events[event_count].at_us = clock_monotonic_us();
	events[event_count].pid = table_lane_pid(table, lane);
	snprintf(events[event_count].how, sizeof(events[0].how), "%s", how);
	if (++event_count == wanted_count)
		loop_stop(loop, 0);
}

static void
child_died(void *context, int signal)
{
	(void)context;
	(void)signal;
	crew_reap(crew);
}

static void
too_long(void *context, uint64_t now_us)
{
	(void)context;
	(void)now_us;
	loop_stop(loop, 1);
}

/* Until COUNT events have happened since the beginning. */
static void
await(unsigned count)
{
	wanted_count = count;
	if (event_count >= count)
		return;
	loop_timer_set(
	    loop, &limit, clock_monotonic_us() + LIMIT_US, too_long, NULL);
	ck_assert_msg(
	    loop_run(loop) == 0, "only %u events happened", event_count);
	loop_timer_clear(loop, &limit);
}

static void
in_child(void *context)
{
	(void)context;
}

static void
open_crew(void)
{
	const struct table_limits limits = { .lanes = 2,
		.lane_sessions = 8,
		.lane_connections = 8,
		.lane_titles = 8 };
	sigset_t set;

	snprintf(log_file, sizeof(log_file), "/tmp/check-crew-%d.log",
	    (int)getpid());
	ck_assert_int_eq(log_open(LOG_TO_FILE, "check", log_file), 0);
	log_set_level(LOG_LEVEL_ERROR);
	event_count = 0;
	settings_defaults(config_rows, config_row_count, &config);
	config.workers = 1;
	config.stall_timeout_us = US_PER_SECOND;
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(told, MAP_FAILED);
	resources_init(&resources, NULL);
	snprintf(table_name, sizeof(table_name), "/vodd.check-crew-%d",
	    (int)getpid());
	ck_assert_int_eq(
	    table_create(table_name, &limits, (gid_t)-1, &table), 0);
	ck_assert_int_eq(loop_new(&loop), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	ck_assert_int_eq(loop_signals(loop, &set, child_died, NULL), 0);
	ck_assert_int_eq(pipe2(stored, O_CLOEXEC | O_NONBLOCK), 0);
	birth_of_crew = (struct crew_birth){ .loop = loop,
		.config = &config,
		.table = table,
		.resources = &resources,
		.privileges = &privileges,
		.happened = happened,
		.in_child = in_child };
	ck_assert_int_eq(crew_new(&birth_of_crew, &crew), 0);
}

static void
close_crew(void)
{
	crew_kill(crew);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	crew_free(crew);
	loop_free(loop);
	table_unlink(table_name);
	table_close(table);
	munmap(told, sizeof(*told));
	unlink(log_file);
	for (int i = 0; i < 2; i++)
		if (stored[i] != -1)
			close(stored[i]);
}

static void
begin(void)
{
	crew_start(crew);
	crew_open(crew, 0);
}

/* One turn of the loop. */
static void
spin(void)
{
	loop_timer_set(loop, &limit, 0, too_long, NULL);
	loop_run(loop);
}

/* Until the worker born as NUMBER was told KIND. */
static void
await_told(unsigned number, enum fdstore_kind kind)
{
	uint64_t until_us = clock_monotonic_us() + LIMIT_US;

	while (!was_told(number, kind) && clock_monotonic_us() < until_us)
		spin();
	ck_assert(was_told(number, kind));
}

static void
assert_event(unsigned number, enum crew_event event, const char *how)
{
	ck_assert_int_eq(events[number].event, event);
	ck_assert_str_eq(events[number].how, how);
}

/* --- the rules
 * ------------------------------------------------------------------- */
START_TEST(a_killed_worker_is_replaced)
{
	pid_t first;

	behaviour = SERVES;
	begin();
	await(1);
	ck_assert_int_eq(events[0].event, CREW_READY);
	first = events[0].pid;
	ck_assert_int_ne(first, 0);
	kill(first, SIGKILL);
	await(3);
	ck_assert_int_eq(events[1].event, CREW_DIED);
	ck_assert_str_eq(events[1].how, "signal KILL");
	ck_assert_int_eq(events[2].event, CREW_READY);
	ck_assert_int_ne(events[2].pid, first);
	ck_assert_uint_eq(crew_alive(crew), 1);
	ck_assert_uint_eq(crew_ready(crew), 1);
}
END_TEST

START_TEST(one_that_dies_early_is_tried_more_and_more_slowly)
{
	behaviour = DIES_EARLY;
	begin();
	await(4);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(events[i].event, CREW_DIED_EARLY);
	for (unsigned i = 1; i < 4; i++)
		ck_assert_uint_ge(events[i].at_us - events[i - 1].at_us,
		    (50 * US_PER_MS) << i);
	/* 0.7 s, if the machine is quick. */
	ck_assert_uint_le(events[3].at_us - events[0].at_us, 3 * US_PER_SECOND);
}
END_TEST

START_TEST(the_sixth_death_in_five_seconds_costs_a_second)
{
	behaviour = DIES_READY;
	begin();
	await(13); /* ready, died, six times; ready */
	ck_assert_int_eq(events[11].event, CREW_DIED);
	ck_assert_int_eq(events[12].event, CREW_READY);
	ck_assert_uint_ge(
	    events[12].at_us - events[11].at_us, US_PER_SECOND - LOOP_TICK_US);
}
END_TEST

START_TEST(the_successor_is_given_what_the_dead_one_stored)
{
	char byte = 0;

	behaviour = STORES_AND_DIES;
	begin();
	await(3);
	ck_assert_int_eq(events[1].event, CREW_DIED);
	ck_assert_uint_eq(crew_descriptors(crew), 1);
	close(stored[1]);
	stored[1] = -1;
	ck_assert_int_eq(
	    poll(
		&(struct pollfd){ .fd = stored[0], .events = POLLIN }, 1, 5000),
	    1);
	ck_assert_int_eq(read(stored[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'c');
}
END_TEST

/* How often the log has both texts in a line. */
static unsigned
log_lines(const char *text, const char *other)
{
	FILE *stream = fopen(log_file, "r");
	unsigned count = 0;
	char line[LOG_LINE_MAX];

	ck_assert_ptr_nonnull(stream);
	while (fgets(line, sizeof(line), stream) != NULL)
		count +=
		    strstr(line, text) != NULL && strstr(line, other) != NULL;
	fclose(stream);
	return count;
}

START_TEST(a_successor_is_told_whether_the_fault_was_its_predecessors)
{
	behaviour = SERVES;
	begin();
	await(1);
	kill(events[0].pid, signals[_i].signal);
	await(3);
	ck_assert_uint_eq(told->of[0].fault, 0);
	ck_assert_uint_eq(told->of[1].fault, signals[_i].fault);
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	await(5);
	ck_assert_uint_eq(told->of[2].fault, 0);
}
END_TEST

START_TEST(one_that_hangs_says_where_and_is_killed_and_replaced)
{
	behaviour = HANGS;
	begin();
	await(1);
	behaviour = SERVES;
	await(3);
	ck_assert_int_eq(events[1].event, CREW_DIED);
	ck_assert_str_eq(events[1].how, "signal KILL");
	ck_assert_uint_ge(
	    events[1].at_us - events[0].at_us, US_PER_SECOND * 9 / 10);
	ck_assert_int_eq(events[2].event, CREW_READY);
	ck_assert_uint_eq(told->of[1].fault, 1);
	ck_assert_uint_ge(log_lines("worker hangs: thread", "state="), 1);
	ck_assert_uint_ge(log_lines("worker hangs: frame", "number=3"), 1);
}
END_TEST

START_TEST(a_relief_takes_over_when_the_worker_has_left)
{
	behaviour = SERVES;
	begin();
	await(1);
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	ck_assert(crew_is_relieving(crew, 0));
	ck_assert_uint_eq(crew_alive(crew), 2);
	await(3);
	ck_assert(!crew_is_relieving(crew, 0));
	assert_event(1, CREW_DIED, "exit status 0");
	assert_event(2, CREW_READY, "");
	ck_assert(was_told(0, FDSTORE_RETIRE));
	ck_assert_int_eq(events[0].pid, told->of[0].pid);
	ck_assert_int_eq(events[2].pid, told->of[1].pid);
	ck_assert_uint_eq(crew_alive(crew), 1);
}
END_TEST

START_TEST(a_relief_that_dies_changes_nothing)
{
	behaviour = SERVES;
	begin();
	await(1);
	behaviour = DIES_UNPREPARED;
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	await(2);
	assert_event(1, CREW_RELIEF_DIED, "exit status 1");
	ck_assert_int_eq(events[1].pid, events[0].pid);
	ck_assert(!was_told(0, FDSTORE_RETIRE));
	ck_assert_uint_eq(crew_alive(crew), 1);
	ck_assert_uint_eq(crew_ready(crew), 1);
}
END_TEST

START_TEST(a_relief_that_is_not_prepared_in_time_is_killed)
{
	behaviour = SERVES;
	begin();
	await(1);
	behaviour = IS_NEVER_PREPARED;
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	ck_assert_int_eq(crew_relieve(crew, 0), -EBUSY);
	await(2);
	assert_event(1, CREW_RELIEF_DIED, "signal KILL");
	ck_assert(!was_told(0, FDSTORE_RETIRE));
	ck_assert(!was_told(1, FDSTORE_GIVEN));
	ck_assert_uint_eq(crew_ready(crew), 1);
}
END_TEST

START_TEST(a_relief_takes_over_at_once_from_one_that_dies)
{
	behaviour = SERVES;
	begin();
	await(1);
	behaviour = PREPARES_LATE;
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	kill(events[0].pid, SIGKILL);
	await(3);
	assert_event(1, CREW_DIED, "signal KILL");
	assert_event(2, CREW_READY, "");
	ck_assert_int_eq(events[2].pid, told->of[1].pid);
	ck_assert_uint_eq(told->births, 2);
}
END_TEST

START_TEST(a_lane_that_closes_is_left_by_its_worker_for_good)
{
	behaviour = SERVES;
	begin();
	await(1);
	crew_close(crew, 0);
	ck_assert_int_eq(crew_state(crew, 0), CREW_CLOSING);
	await(2);
	assert_event(1, CREW_CLOSED, "exit status 0");
	ck_assert_int_eq(crew_state(crew, 0), CREW_IDLE);
	ck_assert_uint_eq(crew_alive(crew), 0);
	ck_assert_int_eq(table_lane_pid(table, 0), 0);
	crew_open(crew, 0);
	await(3);
	assert_event(2, CREW_READY, "");
}
END_TEST

START_TEST(who_dies_while_it_closes_has_a_successor_that_closes)
{
	behaviour = SERVES;
	begin();
	await(1);
	kill(events[0].pid, SIGSTOP);
	crew_close(crew, 0);
	kill(events[0].pid, SIGKILL);
	await(4);
	assert_event(1, CREW_DIED, "signal KILL");
	assert_event(2, CREW_READY, "");
	assert_event(3, CREW_CLOSED, "exit status 0");
	ck_assert(was_told(1, FDSTORE_CLOSE));
}
END_TEST

START_TEST(one_that_closes_comes_back_by_a_relief)
{
	behaviour = SERVES;
	begin();
	await(1);
	kill(events[0].pid, SIGSTOP);
	crew_close(crew, 0);
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	kill(events[0].pid, SIGCONT);
	await(3);
	assert_event(1, CREW_DIED, "exit status 0");
	assert_event(2, CREW_READY, "");
	ck_assert_int_eq(crew_state(crew, 0), CREW_SERVED);
	ck_assert(!was_told(1, FDSTORE_CLOSE));
}
END_TEST

START_TEST(successors_know_whether_the_server_drains)
{
	behaviour = SERVES;
	begin();
	await(1);
	crew_drain(crew, true);
	await_told(0, FDSTORE_DRAIN);
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	await(3);
	await_told(1, FDSTORE_DRAIN);
	crew_drain(crew, false);
	await_told(1, FDSTORE_UNDRAIN);
	kill(events[2].pid, SIGKILL);
	await(5);
	ck_assert(!was_told(2, FDSTORE_DRAIN));
}
END_TEST

START_TEST(a_connection_for_an_idle_lane_comes_back)
{
	behaviour = MOVES;
	begin();
	await(1);
	await_told(0, FDSTORE_TAKE);
}
END_TEST

START_TEST(a_lane_is_not_closed_while_a_connection_is_on_its_way)
{
	behaviour = SERVES;
	crew_start(crew);
	crew_open(crew, 1);
	await(1);
	kill(told->of[0].pid, SIGSTOP);
	crew_close(crew, 1);
	behaviour = MOVES;
	crew_open(crew, 0);
	await(2);
	/* It reads CLOSE first, and is gone when TAKE would be read. */
	await_told(1, FDSTORE_MOVE);
	spin();
	kill(told->of[0].pid, SIGCONT);
	await(3);
	ck_assert_int_eq(events[2].event, CREW_DIED);
	await_told(2, FDSTORE_TAKE);
}
END_TEST

/* Another crew takes all that there is; the old one knows nothing any more. */
static void
change_crews(void)
{
	struct estate estate;

	estate_init(&estate);
	ck_assert(crew_is_settled(crew));
	ck_assert_int_eq(crew_leave(crew, &estate), 0);
	ck_assert_int_eq(estate.lanes[0].pid, events[0].pid);
	ck_assert_int_eq(estate.lanes[0].process, -1);
	ck_assert_uint_eq(estate.lanes[0].state, ESTATE_SERVED | ESTATE_READY);
	estate.lanes[0].channel = dup(estate.lanes[0].channel);
	for (uint32_t i = 0; i < estate.connection_count; i++)
		estate.connections[i].fd = dup(estate.connections[i].fd);
	crew_free(crew);
	ck_assert_int_eq(crew_new(&birth_of_crew, &crew), 0);
	crew_start(crew);
	crew_inherit(crew, &estate);
	ck_assert_int_eq(estate.lanes[0].channel, -1);
	ck_assert_uint_eq(estate.connection_count, 0);
	estate_free(&estate);
}

static void
await_descriptors(unsigned count)
{
	for (unsigned i = 0; i < 5000 && crew_descriptors(crew) != count; i++) {
		spin();
		usleep(1000);
	}
	ck_assert_uint_eq(crew_descriptors(crew), count);
}

START_TEST(what_one_crew_leaves_another_goes_on_with)
{
	behaviour = STORES;
	begin();
	await(1);
	await_descriptors(1);
	change_crews();
	ck_assert_uint_eq(crew_alive(crew), 1);
	ck_assert_uint_eq(crew_ready(crew), 1);
	ck_assert_uint_eq(crew_descriptors(crew), 1);
	kill(events[0].pid, SIGKILL);
	await(3);
	assert_event(1, CREW_DIED, "signal KILL");
	assert_event(2, CREW_READY, "");
	ck_assert(was_told(1, FDSTORE_GIVE));
}
END_TEST

START_TEST(a_lane_that_closes_is_left_closing)
{
	struct estate estate;

	behaviour = SERVES;
	begin();
	await(1);
	crew_close(crew, 0);
	estate_init(&estate);
	ck_assert_int_eq(crew_leave(crew, &estate), 0);
	ck_assert_uint_eq(estate.lanes[0].state,
	    ESTATE_SERVED | ESTATE_READY | ESTATE_CLOSING);
	estate_free(&estate);
	await(2);
	assert_event(1, CREW_CLOSED, "exit status 0");
	ck_assert_int_eq(crew_leave(crew, &estate), 0);
	ck_assert_uint_eq(estate.lanes[0].state, 0);
	estate_free(&estate);
}
END_TEST

START_TEST(a_lane_in_other_hands_is_not_settled)
{
	behaviour = SERVES;
	begin();
	ck_assert(!crew_is_settled(crew));
	await(1);
	ck_assert(crew_is_settled(crew));
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	ck_assert(!crew_is_settled(crew));
	await(3);
	ck_assert(crew_is_settled(crew));
}
END_TEST

/* It has something to store, and takes its time. */
static _Noreturn void
be_orphan(int channel)
{
	const struct worker_birth birth = {
		.table = table, .lane = 0, .channel = channel
	};
	unsigned number = told->births++;

	if (table_lane_open(table, 0) != 0)
		_exit(8);
	told->of[number].pid = getpid();
	while (told->births == number + 1) /* until there is a relief */
		hear(&birth, number);
	for (unsigned i = 0; i < 3; i++)
		if (hear(&birth, number) == FDSTORE_RETIRE)
			_exit(6);
	say(channel, FDSTORE_PUT, 5, stored[1]);
	say(channel, FDSTORE_READY, 0, -1);
	_exit(serve(&birth, number));
}

/* No child of ours. */
static pid_t
orphan(int *channel)
{
	int ends[2], report[2];
	pid_t pid;

	ck_assert_int_eq(sock_seqpacket_pair(ends), 0);
	ck_assert_int_eq(pipe(report), 0);
	ck_assert_int_ne(pid = fork(), -1);
	if (pid == 0) {
		pid = fork();
		if (pid == 0) {
			close(ends[0]);
			be_orphan(ends[1]);
		}
		_exit(write(report[1], &pid, sizeof(pid)) != sizeof(pid));
	}
	close(ends[1]);
	ck_assert_int_eq(read(report[0], &pid, sizeof(pid)), sizeof(pid));
	close(report[0]);
	close(report[1]);
	for (unsigned i = 0; i < 5000 && told->of[0].pid == 0; i++)
		usleep(1000);
	ck_assert_int_eq(told->of[0].pid, pid);
	*channel = ends[0];
	return pid;
}

static void
inherit_orphan(void)
{
	struct estate estate;
	struct estate_lane *lane = &estate.lanes[0];

	estate_init(&estate);
	lane->state = ESTATE_SERVED;
	lane->pid = orphan(&lane->channel);
	lane->process = process_open(lane->pid);
	ck_assert_int_ge(lane->process, 0);
	crew_start(crew);
	crew_inherit(crew, &estate);
	estate_free(&estate);
}

START_TEST(an_orphan_is_relieved_when_it_has_stored_all)
{
	behaviour = SERVES;
	inherit_orphan();
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	await(3);
	assert_event(0, CREW_READY, "");
	assert_event(1, CREW_DIED, "no child of this master");
	assert_event(2, CREW_READY, "");
	ck_assert(was_told(0, FDSTORE_RETIRE));
	ck_assert(was_told(1, FDSTORE_GIVE));
}
END_TEST

START_TEST(an_orphan_that_dies_has_a_successor)
{
	behaviour = SERVES;
	inherit_orphan();
	kill(told->of[0].pid, SIGKILL);
	await(2);
	assert_event(0, CREW_DIED_EARLY, "no child of this master");
	assert_event(1, CREW_READY, "");
}
END_TEST

START_TEST(an_orphan_that_hangs_is_killed)
{
	behaviour = HANGS;
	inherit_orphan();
	behaviour = SERVES;
	await(2);
	assert_event(0, CREW_DIED_EARLY, "no child of this master");
	assert_event(1, CREW_READY, "");
}
END_TEST

/* --- spares
 * ---------------------------------------------------------------------- */
/* From now on; a worker that serves has one. */
static void
begin_with_spares(void)
{
	birth_of_crew.spares = true;
	crew_free(crew);
	ck_assert_int_eq(crew_new(&birth_of_crew, &crew), 0);
	behaviour = SERVES;
	begin();
	await(1);
}

/* Until COUNT processes were born since the beginning. */
static void
await_births(unsigned count)
{
	uint64_t until_us = clock_monotonic_us() + LIMIT_US;

	while (told->births < count && clock_monotonic_us() < until_us)
		spin();
	ck_assert_uint_eq(told->births, count);
}

START_TEST(a_spare_takes_over_at_once_from_one_that_dies)
{
	begin_with_spares();
	await_births(2);
	ck_assert_uint_eq(crew_alive(crew), 2);
	ck_assert_uint_eq(crew_ready(crew), 1);
	ck_assert_int_eq(table_lane_pid(table, 0), told->of[0].pid);
	kill(told->of[0].pid, SIGSEGV);
	await(3);
	assert_event(1, CREW_DIED, "signal SEGV");
	assert_event(2, CREW_READY, "");
	ck_assert_uint_eq(told->births, 2);
	ck_assert_int_eq(events[2].pid, told->of[1].pid);
	ck_assert_uint_eq(told->of[1].fault, 1);
	/* And so does the next one. */
	await_births(3);
	kill(told->of[1].pid, SIGKILL);
	await(5);
	ck_assert_int_eq(events[4].pid, told->of[2].pid);
	ck_assert_uint_eq(told->of[2].fault, 0);
}
END_TEST

START_TEST(a_spare_is_given_what_the_dead_one_stored)
{
	begin_with_spares();
	behaviour = STORES;
	await_births(2);
	kill(told->of[0].pid, SIGKILL); /* it stored nothing, the spare will */
	await_descriptors(1);
	await_births(3);
	kill(told->of[1].pid, SIGKILL);
	await_told(2, FDSTORE_GIVE);
}
END_TEST

START_TEST(a_spare_that_dies_is_replaced)
{
	begin_with_spares();
	await_births(2);
	kill(told->of[1].pid, SIGKILL);
	await(2);
	assert_event(1, CREW_SPARE_DIED, "signal KILL");
	ck_assert_int_eq(events[1].pid, told->of[0].pid);
	await_births(3);
	kill(told->of[0].pid, SIGKILL);
	await(4);
	ck_assert_int_eq(events[3].pid, told->of[2].pid);
}
END_TEST

START_TEST(spares_that_cannot_be_are_tried_more_and_more_slowly)
{
	begin_with_spares();
	behaviour = DIES_UNPREPARED;
	await(4);
	for (unsigned i = 1; i < 4; i++)
		assert_event(i, CREW_SPARE_DIED, "exit status 1");
	for (unsigned i = 1; i < 3; i++)
		ck_assert_uint_ge(events[i + 1].at_us - events[i].at_us,
		    (US_PER_SECOND / 2) << i);
	ck_assert_uint_eq(crew_ready(crew), 1);
}
END_TEST

START_TEST(a_spare_that_is_not_prepared_in_time_is_killed)
{
	begin_with_spares();
	behaviour = IS_NEVER_PREPARED;
	await(2);
	assert_event(1, CREW_SPARE_DIED, "signal KILL");
	ck_assert(!was_told(1, FDSTORE_GIVEN));
}
END_TEST

START_TEST(a_spare_goes_with_the_worker_that_is_relieved)
{
	begin_with_spares();
	await_births(2);
	crew_change(crew, true);
	ck_assert_int_eq(crew_relieve(crew, 0), 0);
	await(4); /* the spare, and the worker, in any order; ready */
	ck_assert_int_eq(events[3].event, CREW_READY);
	ck_assert_int_eq(events[3].pid, told->of[2].pid);
	ck_assert(!was_told(1, FDSTORE_GIVEN));
	ck_assert_uint_eq(crew_alive(crew), 1);
	crew_change(crew, false);
	await_births(4);
	kill(told->of[2].pid, SIGKILL);
	await(6);
	ck_assert_int_eq(events[5].pid, told->of[3].pid);
}
END_TEST

START_TEST(no_spare_is_made_while_what_it_is_born_with_changes)
{
	begin_with_spares();
	crew_change(crew, true);
	for (unsigned i = 0; i < 50; i++) /* ticks */
		spin();
	ck_assert_uint_eq(told->births, 1);
	crew_change(crew, false);
	await_births(2);
}
END_TEST

START_TEST(a_lane_that_closes_has_a_spare_until_it_is_idle)
{
	begin_with_spares();
	await_births(2);
	kill(told->of[0].pid, SIGSTOP);
	crew_close(crew, 0);
	await(2);
	assert_event(1, CREW_SPARE_DIED, "signal KILL"); /* it would accept */
	await_births(3);
	ck_assert_uint_eq(crew_alive(crew), 2);
	kill(told->of[0].pid, SIGCONT);
	await(4);
	assert_event(2, CREW_CLOSED, "exit status 0");
	assert_event(3, CREW_SPARE_DIED, "signal KILL");
	ck_assert_uint_eq(crew_alive(crew), 0);
}
END_TEST

START_TEST(a_spare_follows_the_log_at_once_and_the_rest_when_it_serves)
{
	begin_with_spares();
	await_births(2);
	crew_log(crew, LOG_LEVEL_ERROR, stored[1]);
	crew_drain(crew, true);
	await_told(0, FDSTORE_DRAIN);
	await_told(1, FDSTORE_LOG);
	ck_assert(!was_told(1, FDSTORE_DRAIN));
	kill(told->of[0].pid, SIGKILL);
	await_told(1, FDSTORE_DRAIN);
}
END_TEST

START_TEST(told_to_stop_no_spare_is_left)
{
	begin_with_spares();
	await_births(2);
	crew_stop(crew);
	await(3);
	ck_assert_uint_eq(crew_alive(crew), 0);
}
END_TEST

START_TEST(told_to_stop_nobody_is_replaced)
{
	behaviour = SERVES;
	begin();
	await(1);
	crew_stop(crew);
	await(2);
	ck_assert_str_eq(events[1].how, "exit status 0");
	ck_assert_uint_eq(crew_alive(crew), 0);
	ck_assert_int_eq(table_lane_pid(table, 0), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("crew");
	TCase *cases = tcase_create("crew");
	SRunner *runner;
	int failed;

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, open_crew, close_crew);
	tcase_add_test(cases, a_killed_worker_is_replaced);
	tcase_add_test(
	    cases, one_that_dies_early_is_tried_more_and_more_slowly);
	tcase_add_test(cases, the_sixth_death_in_five_seconds_costs_a_second);
	tcase_add_test(cases, the_successor_is_given_what_the_dead_one_stored);
	tcase_add_test(
	    cases, one_that_hangs_says_where_and_is_killed_and_replaced);
	tcase_add_loop_test(cases,
	    a_successor_is_told_whether_the_fault_was_its_predecessors, 0,
	    ARRAY_LENGTH(signals));
	tcase_add_test(cases, a_relief_takes_over_when_the_worker_has_left);
	tcase_add_test(cases, a_relief_that_dies_changes_nothing);
	tcase_add_test(cases, a_relief_that_is_not_prepared_in_time_is_killed);
	tcase_add_test(cases, a_relief_takes_over_at_once_from_one_that_dies);
	tcase_add_test(
	    cases, a_lane_that_closes_is_left_by_its_worker_for_good);
	tcase_add_test(
	    cases, who_dies_while_it_closes_has_a_successor_that_closes);
	tcase_add_test(cases, one_that_closes_comes_back_by_a_relief);
	tcase_add_test(cases, successors_know_whether_the_server_drains);
	tcase_add_test(cases, a_connection_for_an_idle_lane_comes_back);
	tcase_add_test(
	    cases, a_lane_is_not_closed_while_a_connection_is_on_its_way);
	tcase_add_test(cases, what_one_crew_leaves_another_goes_on_with);
	tcase_add_test(cases, a_lane_that_closes_is_left_closing);
	tcase_add_test(cases, a_lane_in_other_hands_is_not_settled);
	tcase_add_test(cases, an_orphan_is_relieved_when_it_has_stored_all);
	tcase_add_test(cases, an_orphan_that_dies_has_a_successor);
	tcase_add_test(cases, an_orphan_that_hangs_is_killed);
	tcase_add_test(cases, a_spare_takes_over_at_once_from_one_that_dies);
	tcase_add_test(cases, a_spare_is_given_what_the_dead_one_stored);
	tcase_add_test(cases, a_spare_that_dies_is_replaced);
	tcase_add_test(
	    cases, spares_that_cannot_be_are_tried_more_and_more_slowly);
	tcase_add_test(cases, a_spare_that_is_not_prepared_in_time_is_killed);
	tcase_add_test(cases, a_spare_goes_with_the_worker_that_is_relieved);
	tcase_add_test(
	    cases, no_spare_is_made_while_what_it_is_born_with_changes);
	tcase_add_test(cases, a_lane_that_closes_has_a_spare_until_it_is_idle);
	tcase_add_test(
	    cases, a_spare_follows_the_log_at_once_and_the_rest_when_it_serves);
	tcase_add_test(cases, told_to_stop_no_spare_is_left);
	tcase_add_test(cases, told_to_stop_nobody_is_replaced);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
