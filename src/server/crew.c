/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forks the workers, reads their channels into the descriptor store, watches
 * their heartbeats, reaps them and forks successors.  It never reads a byte
 * that came from a client, and what the instance as a whole does is the
 * master's decision.
 */
#include "server/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "base/notify.h"
#include "server/instance.h"
#include "server/process.h"
#include "server/trace.h"
#include "server/worker.h"

#define EARLY_DELAY_US (100 * US_PER_MS) /* doubles up to ... */
#define EARLY_DELAY_MAX_US (5 * US_PER_SECOND)
#define DEATHS_MAX 5 /* of a lane in ... */
#define DEATHS_WITHIN_US (5 * US_PER_SECOND)
#define OFTEN_DELAY_US US_PER_SECOND
/* From fork until a relief, or a spare, is prepared. */
#define RELIEF_US (5 * US_PER_SECOND)
/* A new worker has much to catch up with; then a spare is made. */
#define SPARE_US (200 * US_PER_MS)
#define SPARE_FAILED_US US_PER_SECOND /* doubles up to ... */
#define SPARE_FAILED_MAX_US (60 * US_PER_SECOND)
/* Between an order to end and SIGKILL. */
#define RETIRE_US (5 * US_PER_SECOND)
#define KILLED_LOOK_US (100 * US_PER_MS)
/* For one that hangs to say where it stands. */
#define TRACE_US (200 * US_PER_MS)
/* Who gives no sign of life for so long may have been killed by others. */
#define SILENT_US US_PER_SECOND
/* Beside what wait(2) says. */
#define STATUS_HANGS (-1)
#define STATUS_UNKNOWN (-2)

#define LANE_MEMBERS 3

struct crew_member { /* a process */
	struct crew_lane *lane;
	pid_t pid; /* 0: none */
	int process; /* its pidfd when it is no child of ours, else -1 */
	struct loop_watch process_watch;
	bool prepared, ready;
	bool told_to_end; /* by us; its death is no news */
	bool hangs; /* and is killed for it */
	uint64_t since_us; /* when it was forked, or the lane became its */

	int channel; /* -1: none */
	struct loop_watch watch;
	bool wants_write;
	/* What is to be sent, in this order: GIVE.., GIVEN, then orders. */
	struct fdstore_receiver receiver;
	bool given;
	unsigned orders; /* bit per enum fdstore_kind */
	struct loop_timer kill_timer;
};

struct crew_lane {
	struct crew *crew;
	uint32_t number;
	enum crew_state state;
	struct crew_member members[LANE_MEMBERS];
	/* These; the lane's records are the worker's. */
	struct crew_member *worker, *relief, *spare;
	bool fault; /* the last worker died by its own */

	unsigned early_deaths, spare_failures; /* in a row */
	uint64_t deaths_us[DEATHS_MAX]; /* ring, of those that were ready */
	unsigned death_at;
	struct loop_timer fork_timer, spare_timer;
};

struct crew {
	struct crew_birth birth;
	struct fdstore *store;
	uint64_t hash_seed;
	bool ending, draining;
	bool changing; /* what is born with may be taken back */
	uint32_t log_level;
	int log_fd; /* -1: none */
	uint32_t births;
	struct loop_timer watch_timer;
	uint64_t watched_us;
	struct crew_lane lanes[TABLE_LANES_MAX];
};

static void lane_fork(struct crew_lane *lane);
static void spare_in(struct crew_lane *lane, uint64_t delay_us);
static void spare_dismiss(struct crew_lane *lane);
static void lane_change_hands(struct crew_lane *lane);

/* --- the child
 * ---------------------------------------------------------------- */
/*
 * What the terminal sends to the whole group (INT, QUIT, HUP) and what is meant
 * for the master only must not end a worker.
 */
static void
child_signals(void)
{
	const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGUSR1,
		SIGUSR2, SIGRTMIN + INSTANCE_DRAIN,
		SIGRTMIN + INSTANCE_UNDRAIN };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LENGTH(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
member_let_go(struct crew_member *member)
{
	if (member->channel != -1)
		close(member->channel);
	if (member->process != -1)
		close(member->process);
	member->channel = member->process = -1;
}

/*
 * Everything that is not this lane's.  A channel of another lane kept open
 * here would hide from its worker that the master is gone.
 */
static void
child_close(struct crew *crew, uint32_t lane)
{
	crew->birth.in_child(crew->birth.context);
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		for (size_t k = 0; k < LANE_MEMBERS; k++)
			member_let_go(&crew->lanes[i].members[k]);
	fdstore_free(crew->store);
	crew->store = NULL;
	if (crew->log_fd != -1)
		close(crew->log_fd);
	resources_keep_lane(crew->birth.resources, lane);
	loop_free(crew->birth.loop);
	notify_forget();
}

static void
child_check_root(const struct worker_birth *birth)
{
	if (birth->lane == 0 && !birth->spare &&
	    faccessat(birth->media_root, ".", X_OK, AT_EACCESS) != 0)
		log_warning("worker",
		    "workers cannot enter the media root, nothing will be "
		    "found path=%s uid=%u: %s",
		    birth->config->media_root, (unsigned)geteuid(),
		    strerror(errno));
}

/*
 * Kept open a listener would not go when the master closes it: a worker that
 * accepts no more has none.
 */
static void
child_take_listeners(const struct crew_lane *lane, struct worker_birth *birth)
{
	const struct resources_shared *shared =
	    &lane->crew->birth.resources->shared;

	for (unsigned i = 0; i < shared->listener_count; i++)
		if (lane->state == CREW_CLOSING)
			close(shared->listeners[i].fd);
		else
			birth->listeners[birth->listener_count++] =
			    shared->listeners[i].fd;
}

static _Noreturn void
child_run(const struct crew_member *member, int channel)
{
	const struct rlimit no_core = { 0, 0 };
	struct crew *crew = member->lane->crew;
	uint32_t lane = member->lane->number;
	const struct resources *resources = crew->birth.resources;
	struct worker_birth birth = {
		.config = crew->birth.config,
		.table = crew->birth.table,
		.lane = lane,
		.media_root = resources->lanes[lane].media_root,
		.channel = channel,
		.door = resources->lanes[lane].door,
		.master = geteuid(),
		.spare = member == member->lane->spare,
		.hash_seed = crew->hash_seed,
	};
	int error;

	memcpy(birth.pairs, resources->lanes[lane].pairs, sizeof(birth.pairs));
	child_take_listeners(member->lane, &birth);
	child_close(crew, lane);
	setrlimit(RLIMIT_CORE, &no_core);

	error = privileges_drop(crew->birth.privileges);
	if (error != 0) {
		log_error("worker",
		    "cannot become user %s: %s (the master needs CAP_SETUID "
		    "and CAP_SETGID, or starts as that user)",
		    crew->birth.privileges->user, strerror(-error));
		_exit(1);
	}
	child_check_root(&birth);
	child_signals();
	exit(worker_run(&birth));
}

/* --- the channel
 * --------------------------------------------------------------- */
static void
member_want_write(struct crew_member *member, bool wanted)
{
	if (member->wants_write == wanted || !member->watch.added)
		return;
	member->wants_write = wanted;
	loop_modify(member->lane->crew->birth.loop, &member->watch,
	    wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int
member_send_order(struct crew_member *member, enum fdstore_kind kind)
{
	const struct crew *crew = member->lane->crew;
	const struct fdstore_message message = {
		.kind = kind,
		.connection = kind == FDSTORE_LOG ? crew->log_level : 0,
	};

	return fdstore_send(
	    member->channel, &message, kind == FDSTORE_LOG ? crew->log_fd : -1);
}

/* Those of its orders that are AMONG these bits. */
static int
member_send_orders(struct crew_member *member, unsigned among)
{
	static const enum fdstore_kind order[] = { FDSTORE_LOG, FDSTORE_DRAIN,
		FDSTORE_UNDRAIN, FDSTORE_CLOSE, FDSTORE_RETIRE, FDSTORE_STOP };
	int error = 0;

	for (size_t i = 0; error == 0 && i < ARRAY_LENGTH(order); i++) {
		if ((member->orders & among & 1u << order[i]) == 0)
			continue;
		error = member_send_order(member, order[i]);
		if (error == 0)
			member->orders &= ~(1u << order[i]);
	}
	return error;
}

/* To the lane's worker: what it has not got, then orders. */
static int
worker_flush(struct crew_member *worker)
{
	struct crew_lane *lane = worker->lane;
	struct fdstore *store = lane->crew->store;
	int error = 0;

	if (!worker->given) {
		error = fdstore_give(
		    store, lane->number, &worker->receiver, lane->fault);
		worker->given = error == 0;
	}
	if (error == 0)
		error =
		    fdstore_send_moved(store, lane->number, worker->channel);
	return error != 0 ? error : member_send_orders(worker, ~0u);
}

/*
 * A relief whose turn is about to come is given what there is, and only then
 * its predecessor is told to leave: at no time is the master the only one who
 * has the descriptors.  A predecessor that is not ready may still be telling us
 * what is to be stored.
 */
static int
relief_flush(struct crew_member *relief)
{
	struct crew_lane *lane = relief->lane;
	int error;

	if (!relief->prepared || !lane->worker->ready)
		return 0;
	error =
	    fdstore_supply(lane->crew->store, lane->number, &relief->receiver);
	if (error == 0)
		lane_change_hands(lane);
	return error;
}

/* The rest, when the lane is its; but a log file is not kept open for it. */
static int
spare_flush(struct crew_member *spare)
{
	return member_send_orders(spare, 1u << FDSTORE_LOG);
}

/* Send what can be sent now.  A dead worker's errors are seen by its death. */
static void
member_flush(struct crew_member *member)
{
	const struct crew_lane *lane = member->lane;
	int error;

	if (member->channel == -1)
		return;
	error = member == lane->worker	 ? worker_flush(member)
		: member == lane->relief ? relief_flush(member)
					 : spare_flush(member);
	member_want_write(member, error == -EAGAIN);
}

static void
lane_order(struct crew_lane *lane, enum fdstore_kind kind)
{
	if (lane->worker->pid == 0)
		return;
	lane->worker->orders |= 1u << kind;
	member_flush(lane->worker);
}

static void
member_is_prepared(struct crew_member *member)
{
	struct crew_lane *lane = member->lane;

	member->prepared = true;
	if (member == lane->spare) {
		lane->spare_failures = 0;
		loop_timer_clear(lane->crew->birth.loop, &member->kill_timer);
	}
	member_flush(member);
}

static void
member_is_ready(struct crew_member *member)
{
	struct crew_lane *lane = member->lane;
	struct crew *crew = lane->crew;

	if (member->ready)
		return;
	member->ready = true;
	lane->early_deaths = 0;
	log_debug("master", "worker is ready lane=%u pid=%d", lane->number,
	    (int)member->pid);
	crew->birth.happened(crew->birth.context, lane->number, CREW_READY, "");
	member_flush(lane->relief);
	spare_in(lane, SPARE_US);
}

/*
 * A connection that names another lane's session goes there; when that lane has
 * just become idle there is no such session, and the same worker says so.
 */
static void
member_moves(struct crew_member *member, const struct fdstore_message *message)
{
	struct crew_lane *lane = member->lane;
	struct crew *crew = lane->crew;
	uint32_t to = message->lane;

	if (to < TABLE_LANES_MAX && crew->lanes[to].state == CREW_IDLE)
		to = lane->number;
	if (fdstore_move(crew->store, lane->number, message->connection,
		message->cookie, to))
		member_flush(crew->lanes[to].worker);
}

static void
member_heard(
    struct crew_member *member, const struct fdstore_message *message, int fd)
{
	struct crew_lane *lane = member->lane;
	struct fdstore *store = lane->crew->store;

	switch (message->kind) {
	case FDSTORE_PUT:
		if (fdstore_put(store, lane->number, message->connection,
			message->cookie, fd) != 0)
			log_error("master",
			    "worker stored an unknown record lane=%u "
			    "connection=%u",
			    lane->number, message->connection);
		break;
	case FDSTORE_DROP:
		fdstore_drop(
		    store, lane->number, message->connection, message->cookie);
		break;
	case FDSTORE_MOVE:
		member_moves(member, message);
		break;
	case FDSTORE_PREPARED:
		member_is_prepared(member);
		break;
	case FDSTORE_READY:
		member_is_ready(member);
		break;
	case FDSTORE_TRACE:
		if (member->hangs)
			trace_log(lane->number, member->pid, message);
		break;
	default:
		if (fd != -1)
			close(fd);
	}
}

/* False: nothing more will come. */
static bool
member_read(struct crew_member *member)
{
	struct fdstore_message message;
	int fd, result;

	for (;;) {
		result = fdstore_receive(member->channel, &message, &fd);
		if (result == 1)
			member_heard(member, &message, fd);
		else if (result == -EBADMSG)
			log_error("master",
			    "worker sent a message that is none lane=%u",
			    member->lane->number);
		else
			return result == -EAGAIN;
	}
}

/* --- death
 * ---------------------------------------------------------------------- */
static void
describe_death(int status, char *text, size_t size)
{
	const char *name;

	if (status == STATUS_HANGS) {
		snprintf(text, size, "killed, a thread of it still hangs");
	} else if (status == STATUS_UNKNOWN) {
		snprintf(text, size, "no child of this master");
	} else if (WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		snprintf(text, size, "signal %s", name != NULL ? name : "?");
	} else {
		snprintf(text, size, "exit status %d", WEXITSTATUS(status));
	}
}

/* Else somebody killed it, or it ended orderly: nothing it served is to blame.
 */
static bool
is_own_fault(const struct crew_member *member, int status)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
		SIGABRT };

	if (member->hangs)
		return true;
	for (size_t i = 0; i < ARRAY_LENGTH(faults); i++)
		if (status >= 0 && WIFSIGNALED(status) &&
		    WTERMSIG(status) == faults[i])
			return true;
	return false;
}

static void
fork_again(void *context, uint64_t now_us)
{
	(void)now_us;
	lane_fork(context);
}

/* 0: at once. */
static uint64_t
successor_delay_us(struct crew_lane *lane, uint64_t now_us)
{
	uint64_t *oldest, delay_us;
	bool often;

	if (!lane->worker->ready) {
		delay_us = EARLY_DELAY_US << MIN_OF(lane->early_deaths, 6u);
		lane->early_deaths++;
		return MIN_OF(delay_us, EARLY_DELAY_MAX_US);
	}
	if (lane->worker->told_to_end)
		return 0;
	oldest = &lane->deaths_us[lane->death_at];
	often = *oldest != 0 && now_us - *oldest < DEATHS_WITHIN_US;
	*oldest = now_us;
	lane->death_at = (lane->death_at + 1) % DEATHS_MAX;
	if (often)
		log_error("master",
		    "workers die too often, the next one waits a second "
		    "lane=%u",
		    lane->number);
	return often ? OFTEN_DELAY_US : 0;
}

static void
log_death(const struct crew_member *member, const char *how)
{
	const struct crew_lane *lane = member->lane;

	if (member->told_to_end)
		log_debug("master",
		    "worker has ended lane=%u pid=%d how=\"%s\"", lane->number,
		    (int)member->pid, how);
	else
		log_error("master",
		    "worker died lane=%u pid=%d how=\"%s\" ready=%s "
		    "descriptors=%" PRIu32,
		    lane->number, (int)member->pid, how,
		    member->ready ? "yes" : "no",
		    fdstore_count(lane->crew->store, lane->number));
}

static void
member_forget(struct crew_member *member)
{
	struct loop *loop = member->lane->crew->birth.loop;

	loop_remove(loop, &member->watch);
	loop_remove(loop, &member->process_watch);
	member_let_go(member);
	loop_timer_clear(loop, &member->kill_timer);
	member->pid = 0;
	member->prepared = member->ready = false;
}

/* The turn of the relief, or of the spare, has come: the lane is its. */
static void
lane_hand_over(struct crew_lane *lane, struct crew_member **to)
{
	struct crew_member *next = *to;

	*to = lane->worker;
	lane->worker = next;
	loop_timer_clear(lane->crew->birth.loop, &next->kill_timer);
	next->since_us = clock_monotonic_us();
	next->receiver.next = 0; /* what has changed meanwhile */
	table_lane_set_pid(
	    lane->crew->birth.table, lane->number, (int32_t)next->pid);
	member_flush(next);
}

/* For its turn, prepared or not. */
static bool
is_waiting(const struct crew_member *member)
{
	return member->pid != 0 && !member->told_to_end;
}

static void
lane_succeed(struct crew_lane *lane, uint64_t delay_us)
{
	struct crew *crew = lane->crew;

	if (crew->ending)
		return;
	if (is_waiting(lane->relief))
		lane_hand_over(lane, &lane->relief);
	else if (delay_us == 0 && is_waiting(lane->spare))
		lane_hand_over(lane, &lane->spare);
	else if (delay_us == 0)
		lane_fork(lane);
	else
		loop_timer_set(crew->birth.loop, &lane->fork_timer,
		    clock_monotonic_us() + delay_us, fork_again, lane);
}

/*
 * What STATUS says of a worker that was told to close: its work is done.  Of no
 * child of ours the table says it.
 */
static bool
lane_is_empty(const struct crew_lane *lane, int status)
{
	const struct table *table = lane->crew->birth.table;
	bool done =
	    status == STATUS_UNKNOWN
		? table_counter(table, lane->number, TABLE_CONNECTIONS) == 0
		: status == 0;

	return lane->state == CREW_CLOSING && !lane->worker->told_to_end &&
	       done && !fdstore_has_moved(lane->crew->store, lane->number);
}

static void
worker_died(struct crew_lane *lane, int status)
{
	struct crew *crew = lane->crew;
	struct crew_member *worker = lane->worker;
	enum crew_event event;
	uint64_t delay_us = 0;
	char how[64];

	/* To its end: what it stored there is the successor's. */
	(void)member_read(worker);
	table_lane_set_pid(crew->birth.table, lane->number, 0);
	describe_death(status, how, sizeof(how));
	lane->fault = is_own_fault(worker, status);
	event = worker->ready ? CREW_DIED : CREW_DIED_EARLY;
	if (lane_is_empty(lane, status)) {
		event = CREW_CLOSED;
		log_info("master", "worker has closed lane=%u pid=%d",
		    lane->number, (int)worker->pid);
		lane->state = CREW_IDLE;
		fdstore_clear(crew->store, lane->number);
		spare_dismiss(lane);
	} else {
		log_death(worker, how);
		delay_us = successor_delay_us(lane, clock_monotonic_us());
	}
	member_forget(worker);
	if (lane->state != CREW_IDLE)
		lane_succeed(lane, delay_us);
	crew->birth.happened(crew->birth.context, lane->number, event, how);
}

static void
relief_died(struct crew_lane *lane, int status)
{
	struct crew *crew = lane->crew;
	char how[64];

	describe_death(status, how, sizeof(how));
	log_error("master", "relief died lane=%u pid=%d how=\"%s\"",
	    lane->number, (int)lane->relief->pid, how);
	member_forget(lane->relief);
	crew->birth.happened(
	    crew->birth.context, lane->number, CREW_RELIEF_DIED, how);
	spare_in(lane, SPARE_US);
}

static uint64_t
next_spare_delay_us(struct crew_lane *lane)
{
	uint64_t delay_us = SPARE_FAILED_US << MIN_OF(lane->spare_failures, 6u);

	lane->spare_failures++;
	return MIN_OF(delay_us, SPARE_FAILED_MAX_US);
}

/* Or was dismissed, and another one is wanted in its place. */
static void
spare_died(struct crew_lane *lane, int status)
{
	uint64_t delay_us = SPARE_US;
	char how[64];

	describe_death(status, how, sizeof(how));
	if (!lane->spare->told_to_end || lane->spare->hangs) {
		log_warning("master", "spare died lane=%u pid=%d how=\"%s\"",
		    lane->number, (int)lane->spare->pid, how);
		delay_us = next_spare_delay_us(lane);
	}
	member_forget(lane->spare);
	spare_in(lane, delay_us);
	lane->crew->birth.happened(
	    lane->crew->birth.context, lane->number, CREW_SPARE_DIED, how);
}

static void
member_died(struct crew_member *member, int status)
{
	struct crew_lane *lane = member->lane;

	if (member == lane->worker)
		worker_died(lane, status);
	else if (member == lane->relief)
		relief_died(lane, status);
	else
		spare_died(lane, status);
}

static struct crew_member *
member_of_pid(struct crew *crew, pid_t pid)
{
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		for (size_t k = 0; k < LANE_MEMBERS; k++)
			if (crew->lanes[i].members[k].pid == pid)
				return &crew->lanes[i].members[k];
	return NULL; /* one that was given up */
}

void
crew_reap(struct crew *crew)
{
	struct crew_member *member;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((member = member_of_pid(crew, pid)) != NULL)
			member_died(member, status);
}

/*
 * MEMBER has ended, and is treated so: it could be reaped, or a reader thread
 * in a stalled file system keeps it from that.
 */
static bool
is_gone(struct crew_member *member)
{
	pid_t pid = member->pid;

	crew_reap(member->lane->crew);
	if (member->pid != pid)
		return true;
	if (!process_is_dead(pid))
		return false;
	member_died(member, STATUS_HANGS);
	return true;
}

static void
look_at_killed(void *context, uint64_t now_us)
{
	struct crew_member *member = context;

	if (!is_gone(member))
		loop_timer_set(member->lane->crew->birth.loop,
		    &member->kill_timer, now_us + KILLED_LOOK_US,
		    look_at_killed, member);
}

static void
member_kill(struct crew_member *member)
{
	member->told_to_end = true;
	if (member->process != -1)
		process_signal(member->process, SIGKILL);
	else
		kill(member->pid, SIGKILL);
	loop_timer_set(member->lane->crew->birth.loop, &member->kill_timer,
	    clock_monotonic_us() + KILLED_LOOK_US, look_at_killed, member);
}

/* It was born with what the lane's next worker shall not have. */
static void
spare_dismiss(struct crew_lane *lane)
{
	if (is_waiting(lane->spare))
		member_kill(lane->spare);
}

static void
kill_hanging(void *context, uint64_t now_us)
{
	struct crew_member *member = context;

	(void)now_us;
	log_error("master", "worker killed lane=%u pid=%d",
	    member->lane->number, (int)member->pid);
	member_kill(member);
}

/* It is given a moment to say where it stands. */
static void
member_hangs(struct crew_member *member)
{
	member->hangs = member->told_to_end = true;
	trace_ask(member->lane->number, member->pid);
	loop_timer_set(member->lane->crew->birth.loop, &member->kill_timer,
	    clock_monotonic_us() + TRACE_US, kill_hanging, member);
}

static void
kill_late(void *context, uint64_t now_us)
{
	struct crew_member *member = context;

	(void)now_us;
	log_error("master", "%s lane=%u pid=%d",
	    member == member->lane->worker   ? "worker does not end"
	    : member == member->lane->relief ? "relief is not prepared in time"
					     : "spare is not prepared in time",
	    member->lane->number, (int)member->pid);
	member_hangs(member);
}

static void
kill_in(struct crew_member *member, uint64_t delay_us)
{
	loop_timer_set(member->lane->crew->birth.loop, &member->kill_timer,
	    clock_monotonic_us() + delay_us, kill_late, member);
}

/* --- life
 * ------------------------------------------------------------------------ */
/*
 * The worker says no more: while the kernel makes an end of it, the spare is
 * given what there is; what cannot be sent now follows when the lane is its.
 */
static void
lane_supply_spare(struct crew_lane *lane)
{
	if (!lane->worker->told_to_end && is_waiting(lane->spare))
		(void)fdstore_supply(
		    lane->crew->store, lane->number, &lane->spare->receiver);
}

static void
member_called(void *context, uint32_t events)
{
	struct crew_member *member = context;

	if ((events & (uint32_t)EPOLLOUT) != 0)
		member_flush(member);
	if ((events & ~(uint32_t)EPOLLOUT) == 0 || member_read(member))
		return;
	/* Mostly it is dying; one that only closed its channel is lost too. */
	loop_remove(member->lane->crew->birth.loop, &member->watch);
	if (member == member->lane->worker)
		lane_supply_spare(member->lane);
	if (member->told_to_end)
		member_kill(member); /* its last act; only to look after it */
	else if (!loop_timer_is_set(&member->kill_timer))
		kill_in(member, RETIRE_US);
}

static void
member_begin(struct crew_member *member, pid_t pid, int channel)
{
	struct crew_lane *lane = member->lane;
	struct crew *crew = lane->crew;

	member->pid = pid;
	member->channel = channel;
	member->prepared = member->ready = false;
	member->told_to_end = member->hangs = member->wants_write = false;
	member->since_us = clock_monotonic_us();
	member->receiver = (struct fdstore_receiver){ .channel = channel,
		.number = ++crew->births };
	member->given = false;
	member->orders =
	    (crew->draining ? 1u << FDSTORE_DRAIN : 0) |
	    (lane->state == CREW_CLOSING ? 1u << FDSTORE_CLOSE : 0);
	loop_add(crew->birth.loop, &member->watch, channel, EPOLLIN,
	    member_called, member);
}

static int
member_fork(struct crew_member *member)
{
	int ends[2], error;
	pid_t pid;

	if ((error = sock_seqpacket_pair(ends)) != 0)
		return error;
	fflush(NULL);
	if ((pid = fork()) == 0) {
		close(ends[0]);
		child_run(member, ends[1]);
	}
	error = -errno;
	close(ends[1]);
	if (pid == -1) {
		close(ends[0]);
		return error;
	}
	member_begin(member, pid, ends[0]);
	return 0;
}

static void
lane_fork(struct crew_lane *lane)
{
	struct crew *crew = lane->crew;
	int error;

	if (crew->ending)
		return;
	if ((error = member_fork(lane->worker)) != 0) {
		log_error("master", "cannot fork a worker lane=%u: %s",
		    lane->number, strerror(-error));
		loop_timer_set(crew->birth.loop, &lane->fork_timer,
		    clock_monotonic_us() + OFTEN_DELAY_US, fork_again, lane);
		return;
	}
	table_lane_set_pid(
	    crew->birth.table, lane->number, (int32_t)lane->worker->pid);
	member_flush(lane->worker);
}

/*
 * While who was told to leave has not ended there is a relief, or somebody is
 * forked, and then ready.
 */
static void
make_spare(void *context, uint64_t now_us)
{
	struct crew_lane *lane = context;
	int error;

	(void)now_us;
	if (lane->crew->ending || lane->crew->changing ||
	    !lane->worker->ready || lane->worker->told_to_end ||
	    lane->relief->pid != 0 || lane->spare->pid != 0)
		return;
	if ((error = member_fork(lane->spare)) == 0) {
		kill_in(lane->spare, RELIEF_US);
		return;
	}
	log_warning("master", "cannot fork a spare lane=%u: %s", lane->number,
	    strerror(-error));
	spare_in(lane, next_spare_delay_us(lane));
}

static void
spare_in(struct crew_lane *lane, uint64_t delay_us)
{
	if (lane->crew->birth.spares)
		loop_timer_set(lane->crew->birth.loop, &lane->spare_timer,
		    clock_monotonic_us() + delay_us, make_spare, lane);
}

/* The counters of a lane go on, so the last heartbeat may be a predecessor's.
 */
static void
lane_watch(struct crew_lane *lane, uint64_t now_us)
{
	const struct crew *crew = lane->crew;
	struct crew_member *worker = lane->worker;
	uint64_t beat_us;

	if (worker->pid == 0 || worker->told_to_end)
		return;
	beat_us =
	    table_counter(crew->birth.table, lane->number, TABLE_HEARTBEAT_US);
	beat_us = MAX_OF(beat_us, worker->since_us);
	if (now_us < beat_us + SILENT_US)
		return;
	if (is_gone(worker))
		return;
	if (now_us - beat_us <= crew->birth.config->stall_timeout_us)
		return;
	log_error("master", "worker hangs lane=%u pid=%d silent_ms=%" PRIu64,
	    lane->number, (int)worker->pid, (now_us - beat_us) / US_PER_MS);
	member_hangs(worker);
}

static void
watch_all(void *context, uint64_t now_us)
{
	struct crew *crew = context;
	uint64_t pause_us =
	    MIN_OF(crew->birth.config->stall_timeout_us / 5, US_PER_SECOND);
	uint64_t asked_us = clock_monotonic_us();

	(void)now_us;
	/* When we were stopped ourselves, so were they: give them a turn. */
	if (asked_us - crew->watched_us < 2 * pause_us + US_PER_SECOND)
		for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
			lane_watch(&crew->lanes[i], asked_us);
	crew->watched_us = asked_us;
	loop_timer_set(crew->birth.loop, &crew->watch_timer,
	    asked_us + pause_us, watch_all, crew);
}

/* --- the whole
 * -------------------------------------------------------------------- */
static void
lane_init(struct crew_lane *lane, struct crew *crew, uint32_t number)
{
	lane->crew = crew;
	lane->number = number;
	lane->worker = &lane->members[0];
	lane->relief = &lane->members[1];
	lane->spare = &lane->members[2];
	for (size_t k = 0; k < LANE_MEMBERS; k++) {
		lane->members[k].lane = lane;
		lane->members[k].channel = lane->members[k].process = -1;
	}
}

int
crew_new(const struct crew_birth *birth, struct crew **out)
{
	struct crew *crew;
	int error;

	if ((crew = calloc(1, sizeof(*crew))) == NULL)
		return -ENOMEM;
	crew->birth = *birth;
	crew->log_fd = -1;
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		lane_init(&crew->lanes[i], crew, i);
	error = fdstore_new(TABLE_LANES_MAX,
	    table_capacity(birth->table, TABLE_CONNECTION), &crew->store);
	if (error == 0 && getrandom(&crew->hash_seed, sizeof(crew->hash_seed),
			      0) != (ssize_t)sizeof(crew->hash_seed))
		error = -EIO;
	if (error != 0) {
		crew_free(crew);
		return error;
	}
	*out = crew;
	return 0;
}

static void
lane_free(struct crew_lane *lane)
{
	struct loop *loop = lane->crew->birth.loop;

	loop_timer_clear(loop, &lane->fork_timer);
	loop_timer_clear(loop, &lane->spare_timer);
	for (size_t k = 0; k < LANE_MEMBERS; k++)
		if (lane->members[k].channel != -1)
			member_forget(&lane->members[k]);
}

void
crew_free(struct crew *crew)
{
	if (crew == NULL)
		return;
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		lane_free(&crew->lanes[i]);
	loop_timer_clear(crew->birth.loop, &crew->watch_timer);
	if (crew->log_fd != -1)
		close(crew->log_fd);
	fdstore_free(crew->store);
	free(crew);
}

void
crew_start(struct crew *crew)
{
	crew->watched_us = clock_monotonic_us();
	loop_timer_set(crew->birth.loop, &crew->watch_timer, crew->watched_us,
	    watch_all, crew);
}

unsigned
crew_alive(const struct crew *crew)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		for (size_t k = 0; k < LANE_MEMBERS; k++)
			count += crew->lanes[i].members[k].pid != 0;
	return count;
}

unsigned
crew_ready(const struct crew *crew)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		count += crew->lanes[i].state == CREW_SERVED &&
			 crew->lanes[i].worker->ready;
	return count;
}

uint32_t
crew_descriptors(const struct crew *crew)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		count += fdstore_count(crew->store, i);
	return count;
}

/* --- lanes
 * ------------------------------------------------------------------------ */
enum crew_state
crew_state(const struct crew *crew, uint32_t lane)
{
	return crew->lanes[lane].state;
}

void
crew_open(struct crew *crew, uint32_t number)
{
	struct crew_lane *lane = &crew->lanes[number];

	lane->state = CREW_SERVED;
	lane->early_deaths = 0;
	lane_fork(lane);
}

static void
lane_end(struct crew_lane *lane, enum fdstore_kind kind)
{
	if (lane->worker->pid == 0)
		return;
	lane->worker->told_to_end = true;
	lane_order(lane, kind);
	kill_in(lane->worker, RETIRE_US);
}

/* From here on the worker's end is an ordinary one, to be succeeded. */
static void
lane_change_hands(struct crew_lane *lane)
{
	loop_timer_clear(lane->crew->birth.loop, &lane->relief->kill_timer);
	if (!lane->worker->told_to_end)
		lane_end(lane, FDSTORE_RETIRE);
}

int
crew_relieve(struct crew *crew, uint32_t number)
{
	struct crew_lane *lane = &crew->lanes[number];
	enum crew_state before = lane->state;
	int error;

	if (lane->relief->pid != 0)
		return -EBUSY;
	lane->state = CREW_SERVED;
	if (lane->worker->pid == 0) {
		loop_timer_clear(crew->birth.loop, &lane->fork_timer);
		lane_fork(lane);
		return 0;
	}
	if ((error = member_fork(lane->relief)) != 0) {
		lane->state = before;
		return error;
	}
	kill_in(lane->relief, RELIEF_US);
	spare_dismiss(lane);
	return 0;
}

bool
crew_is_relieving(const struct crew *crew, uint32_t lane)
{
	return crew->lanes[lane].relief->pid != 0;
}

void
crew_change(struct crew *crew, bool changing)
{
	crew->changing = changing;
	for (uint32_t i = 0; i < TABLE_LANES_MAX && !changing; i++)
		if (crew->lanes[i].state != CREW_IDLE)
			spare_in(&crew->lanes[i], SPARE_US);
}

void
crew_close(struct crew *crew, uint32_t lane)
{
	crew->lanes[lane].state = CREW_CLOSING;
	spare_dismiss(&crew->lanes[lane]); /* it has the listeners open */
	lane_order(&crew->lanes[lane], FDSTORE_CLOSE);
}

/* --- from master to master
 * ------------------------------------------------------- */
static void
process_ended(void *context, uint32_t events)
{
	(void)events;
	member_died(context, STATUS_UNKNOWN);
}

static void
lane_inherit(struct crew_lane *lane, struct estate_lane *left)
{
	struct crew_member *worker = lane->worker;

	lane->state =
	    (left->state & ESTATE_CLOSING) != 0 ? CREW_CLOSING : CREW_SERVED;
	if (left->pid == 0) {
		lane_fork(lane);
		return;
	}
	worker->process = left->process;
	member_begin(worker, left->pid, left->channel);
	if (worker->process != -1)
		loop_add(lane->crew->birth.loop, &worker->process_watch,
		    worker->process, EPOLLIN, process_ended, worker);
	worker->given = true;
	worker->ready = (left->state & ESTATE_READY) != 0;
	spare_in(lane, SPARE_US);
	left->pid = 0;
	left->channel = left->process = -1;
}

void
crew_inherit(struct crew *crew, struct estate *estate)
{
	crew->hash_seed = estate->hash_seed;
	for (uint32_t i = 0; i < estate->connection_count; i++) {
		const struct estate_connection *connection =
		    &estate->connections[i];

		(void)fdstore_put(crew->store, connection->lane,
		    connection->record, connection->cookie, connection->fd);
	}
	estate->connection_count = 0;
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		if (estate->lanes[i].state != 0)
			lane_inherit(&crew->lanes[i], &estate->lanes[i]);
}

struct bequest {
	struct estate *estate;
	uint32_t lane;
	int error;
};

static void
leave_connection(void *context, uint32_t connection, uint64_t cookie, int fd)
{
	struct bequest *bequest = context;

	if (bequest->error == 0)
		bequest->error = estate_add_connection(
		    bequest->estate, bequest->lane, connection, cookie, fd);
}

bool
crew_is_settled(const struct crew *crew)
{
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++) {
		const struct crew_lane *lane = &crew->lanes[i];
		const struct crew_member *worker = lane->worker;

		if (lane->relief->pid != 0 ||
		    fdstore_has_moved(crew->store, i) ||
		    (lane->state != CREW_IDLE &&
			(!worker->ready || !worker->watch.added ||
			    !worker->given || worker->told_to_end ||
			    worker->orders != 0)))
			return false;
	}
	return true;
}

int
crew_leave(const struct crew *crew, struct estate *out)
{
	struct bequest bequest = { .estate = out };

	out->hash_seed = crew->hash_seed;
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++) {
		const struct crew_lane *lane = &crew->lanes[i];
		struct estate_lane *left = &out->lanes[i];

		bequest.lane = i;
		fdstore_each(crew->store, i, leave_connection, &bequest);
		if (lane->state == CREW_IDLE)
			continue;
		left->state =
		    ESTATE_SERVED | ESTATE_READY |
		    (lane->state == CREW_CLOSING ? ESTATE_CLOSING : 0u);
		left->pid = lane->worker->pid;
		left->channel = lane->worker->channel;
		left->process = lane->worker->process;
	}
	return bequest.error;
}

/* --- all of them
 * ------------------------------------------------------------------ */
void
crew_drain(struct crew *crew, bool draining)
{
	const enum fdstore_kind now =
	    draining ? FDSTORE_DRAIN : FDSTORE_UNDRAIN;
	const enum fdstore_kind before =
	    draining ? FDSTORE_UNDRAIN : FDSTORE_DRAIN;

	crew->draining = draining;
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++) {
		struct crew_lane *lane = &crew->lanes[i];

		for (size_t k = 0; k < LANE_MEMBERS; k++)
			lane->members[k].orders &= ~(1u << before);
		lane->relief->orders |= 1u << now;
		lane->spare->orders |= 1u << now;
		lane_order(lane, now);
	}
}

void
crew_log(struct crew *crew, uint32_t level, int fd)
{
	crew->log_level = level;
	if (fd != -1) {
		if (crew->log_fd != -1)
			close(crew->log_fd);
		crew->log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++) {
		struct crew_lane *lane = &crew->lanes[i];

		lane->relief->orders |= 1u << FDSTORE_LOG;
		lane->spare->orders |= 1u << FDSTORE_LOG;
		member_flush(lane->spare);
		lane_order(lane, FDSTORE_LOG);
	}
}

void
crew_stop(struct crew *crew)
{
	crew->ending = true;
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++) {
		/* A relief has nobody to say goodbye to. */
		if (crew->lanes[i].relief->pid != 0)
			member_kill(crew->lanes[i].relief);
		spare_dismiss(&crew->lanes[i]);
		lane_end(&crew->lanes[i], FDSTORE_STOP);
	}
}

void
crew_kill(struct crew *crew)
{
	crew->ending = true;
	for (uint32_t i = 0; i < TABLE_LANES_MAX; i++)
		for (size_t k = 0; k < LANE_MEMBERS; k++)
			if (crew->lanes[i].members[k].pid != 0)
				member_kill(&crew->lanes[i].members[k]);
}
