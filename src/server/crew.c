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
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "server/notify.h"
#include "server/process.h"
#include "server/worker.h"

#define EARLY_DELAY_US (100 * US_PER_MS) /* doubles up to ... */
#define EARLY_DELAY_MAX_US (5 * US_PER_SECOND)
#define DEATHS_MAX 5 /* of a lane in ... */
#define DEATHS_WITHIN_US (5 * US_PER_SECOND)
#define OFTEN_DELAY_US US_PER_SECOND
/* Between an order to end and SIGKILL. */
#define RETIRE_US (5 * US_PER_SECOND)
#define KILLED_LOOK_US (100 * US_PER_MS)

struct crew_lane {
	struct crew *crew;
	uint32_t number;
	pid_t pid; /* 0: none */
	bool ready;
	bool told_to_end; /* by us; its death is no news */
	uint64_t forked_us;

	int channel; /* -1: none */
	struct loop_watch watch;
	bool wants_write;
	/* What is to be sent, in this order: GIVE.., GIVEN, then orders. */
	uint32_t give_cursor;
	bool given;
	unsigned orders; /* bit per enum fdstore_kind */

	unsigned early_deaths; /* in a row */
	uint64_t deaths_us[DEATHS_MAX]; /* ring, of those that were ready */
	unsigned death_at;
	struct loop_timer fork_timer, kill_timer;
};

struct crew {
	struct crew_birth birth;
	struct fdstore *store;
	uint64_t hash_seed;
	bool ending, draining;
	uint32_t log_level;
	int log_fd; /* -1: none */
	struct loop_timer watch_timer;
	uint64_t watched_us;
	uint32_t lane_count;
	struct crew_lane lanes[TABLE_LANES_MAX];
};

static void lane_fork(struct crew_lane *lane);
static void lane_ready(void *context, uint32_t events);

/* --- the child
 * ---------------------------------------------------------------- */
/*
 * What the terminal sends to the whole group (INT, QUIT, HUP) and what is meant
 * for the master only must not end a worker.
 */
static void
child_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE,
		SIGUSR1, SIGUSR2 };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LENGTH(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Everything that is not this lane's.  A channel of another lane kept open
 * here would hide from its worker that the master is gone.
 */
static void
child_close(struct crew *crew, uint32_t lane)
{
	crew->birth.in_child(crew->birth.context);
	for (uint32_t i = 0; i < crew->lane_count; i++)
		if (crew->lanes[i].channel != -1)
			close(crew->lanes[i].channel);
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
	if (birth->lane == 0 &&
	    faccessat(birth->media_root, ".", X_OK, AT_EACCESS) != 0)
		log_warning("worker",
		    "workers cannot enter the media root, nothing will be "
		    "found path=%s uid=%u: %s",
		    birth->config->media_root, (unsigned)geteuid(),
		    strerror(errno));
}

static _Noreturn void
child_run(struct crew *crew, uint32_t lane, int channel)
{
	const struct rlimit no_core = { 0, 0 };
	const struct resources *resources = crew->birth.resources;
	struct worker_birth birth = {
		.config = crew->birth.config,
		.table = crew->birth.table,
		.lane = lane,
		.media_root = resources->media_root,
		.channel = channel,
		.listener_count = resources->listener_count,
		.hash_seed = crew->hash_seed,
	};
	char name[16];
	int error;

	memcpy(birth.pairs, resources->pairs[lane], sizeof(birth.pairs));
	for (unsigned i = 0; i < birth.listener_count; i++)
		birth.listeners[i] = resources->listeners[i];
	child_close(crew, lane);
	snprintf(name, sizeof(name), "vodd worker %u", lane);
	prctl(PR_SET_NAME, name, 0, 0, 0);
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
lane_want_write(struct crew_lane *lane, bool wanted)
{
	if (lane->wants_write == wanted || !lane->watch.added)
		return;
	lane->wants_write = wanted;
	loop_modify(lane->crew->birth.loop, &lane->watch,
	    wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int
lane_send_order(struct crew_lane *lane, enum fdstore_kind kind)
{
	const struct crew *crew = lane->crew;
	const struct fdstore_message message = {
		.kind = kind,
		.connection = kind == FDSTORE_LOG ? crew->log_level : 0,
	};

	return fdstore_send(
	    lane->channel, &message, kind == FDSTORE_LOG ? crew->log_fd : -1);
}

/* Send what can be sent now.  A dead worker's errors are seen by its death. */
static void
lane_flush(struct crew_lane *lane)
{
	static const enum fdstore_kind order[] = { FDSTORE_LOG, FDSTORE_DRAIN,
		FDSTORE_RETIRE, FDSTORE_STOP };
	int error = 0;

	if (lane->channel == -1)
		return;
	if (!lane->given) {
		error = fdstore_give(lane->crew->store, lane->number,
		    lane->channel, &lane->give_cursor);
		lane->given = error == 0;
	}
	for (size_t i = 0; error == 0 && i < ARRAY_LENGTH(order); i++) {
		if ((lane->orders & 1u << order[i]) == 0)
			continue;
		error = lane_send_order(lane, order[i]);
		if (error == 0)
			lane->orders &= ~(1u << order[i]);
	}
	lane_want_write(lane, error == -EAGAIN);
}

static void
lane_order(struct crew_lane *lane, enum fdstore_kind kind)
{
	if (lane->pid == 0)
		return;
	lane->orders |= 1u << kind;
	lane_flush(lane);
}

static void
lane_heard(
    struct crew_lane *lane, const struct fdstore_message *message, int fd)
{
	struct crew *crew = lane->crew;

	switch (message->kind) {
	case FDSTORE_PUT:
		if (fdstore_put(crew->store, lane->number, message->connection,
			message->cookie, fd) != 0)
			log_error("master",
			    "worker stored an unknown record lane=%u "
			    "connection=%u",
			    lane->number, message->connection);
		break;
	case FDSTORE_DROP:
		fdstore_drop(crew->store, lane->number, message->connection,
		    message->cookie);
		break;
	case FDSTORE_READY:
		if (lane->ready)
			break;
		lane->ready = true;
		lane->early_deaths = 0;
		log_debug("master", "worker is ready lane=%u pid=%d",
		    lane->number, (int)lane->pid);
		crew->birth.happened(
		    crew->birth.context, lane->number, CREW_READY, "");
		break;
	default:
		if (fd != -1)
			close(fd);
	}
}

/* False: nothing more will come. */
static bool
lane_read(struct crew_lane *lane)
{
	struct fdstore_message message;
	int fd, result;

	for (;;) {
		result = fdstore_receive(lane->channel, &message, &fd);
		if (result == 1)
			lane_heard(lane, &message, fd);
		else if (result == -EBADMSG)
			log_error("master",
			    "worker sent a message that is none lane=%u",
			    lane->number);
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

	if (status == -1) {
		snprintf(text, size, "killed, a thread of it still hangs");
	} else if (WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		snprintf(text, size, "signal %s", name != NULL ? name : "?");
	} else {
		snprintf(text, size, "exit status %d", WEXITSTATUS(status));
	}
}

static void
fork_again(void *context, uint64_t now_us)
{
	(void)now_us;
	lane_fork(context);
}

/* 0: at once. */
static uint64_t
successor_delay_us(struct crew_lane *lane, bool was_ready, uint64_t now_us)
{
	uint64_t *oldest;
	bool often;

	if (!was_ready)
		return MIN_OF(EARLY_DELAY_US << MIN_OF(lane->early_deaths, 6u),
		    EARLY_DELAY_MAX_US);
	if (lane->told_to_end)
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
log_death(const struct crew_lane *lane, const char *how)
{
	if (lane->told_to_end)
		log_debug("master",
		    "worker has ended lane=%u pid=%d how=\"%s\"", lane->number,
		    (int)lane->pid, how);
	else
		log_error("master",
		    "worker died lane=%u pid=%d how=\"%s\" ready=%s "
		    "descriptors=%" PRIu32,
		    lane->number, (int)lane->pid, how,
		    lane->ready ? "yes" : "no",
		    fdstore_count(lane->crew->store, lane->number));
}

static void
lane_died(struct crew_lane *lane, int status)
{
	struct crew *crew = lane->crew;
	bool was_ready;
	uint64_t delay_us;
	char how[64];

	/* To its end: what it stored there is the successor's. */
	(void)lane_read(lane);
	was_ready = lane->ready;
	loop_remove(crew->birth.loop, &lane->watch);
	close(lane->channel);
	lane->channel = -1;
	loop_timer_clear(crew->birth.loop, &lane->kill_timer);
	table_lane_set_pid(crew->birth.table, lane->number, 0);

	describe_death(status, how, sizeof(how));
	log_death(lane, how);
	delay_us = successor_delay_us(lane, was_ready, clock_monotonic_us());
	if (!was_ready)
		lane->early_deaths++;
	lane->pid = 0;
	lane->ready = false;
	if (!crew->ending) {
		if (delay_us == 0)
			lane_fork(lane);
		else
			loop_timer_set(crew->birth.loop, &lane->fork_timer,
			    clock_monotonic_us() + delay_us, fork_again, lane);
	}
	crew->birth.happened(crew->birth.context, lane->number,
	    was_ready ? CREW_DIED : CREW_DIED_EARLY, how);
}

void
crew_reap(struct crew *crew)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (uint32_t i = 0; i < crew->lane_count; i++) {
			if (crew->lanes[i].pid != pid)
				continue;
			lane_died(&crew->lanes[i], status);
			break;
		}
	}
}

static void
look_at_killed(void *context, uint64_t now_us)
{
	struct crew_lane *lane = context;

	crew_reap(lane->crew);
	/* A successor's timer is another one. */
	if (lane->pid == 0 || loop_timer_is_set(&lane->kill_timer) ||
	    !lane->told_to_end)
		return;
	/* A reader thread in a stalled file system keeps it from being reaped.
	 */
	if (process_is_dead(lane->pid))
		lane_died(lane, -1);
	else
		loop_timer_set(lane->crew->birth.loop, &lane->kill_timer,
		    now_us + KILLED_LOOK_US, look_at_killed, lane);
}

static void
lane_kill(struct crew_lane *lane)
{
	lane->told_to_end = true;
	kill(lane->pid, SIGKILL);
	loop_timer_set(lane->crew->birth.loop, &lane->kill_timer,
	    clock_monotonic_us() + KILLED_LOOK_US, look_at_killed, lane);
}

static void
kill_late(void *context, uint64_t now_us)
{
	struct crew_lane *lane = context;

	(void)now_us;
	log_error("master", "worker does not end, killed lane=%u pid=%d",
	    lane->number, (int)lane->pid);
	lane_kill(lane);
}

/* --- life
 * ------------------------------------------------------------------------ */
static void
lane_ready(void *context, uint32_t events)
{
	struct crew_lane *lane = context;

	if ((events & (uint32_t)EPOLLOUT) != 0)
		lane_flush(lane);
	if ((events & ~(uint32_t)EPOLLOUT) == 0 || lane_read(lane))
		return;
	/* Mostly it is dying; one that only closed its channel is lost too. */
	loop_remove(lane->crew->birth.loop, &lane->watch);
	if (lane->told_to_end)
		lane_kill(lane); /* its last act; only to look after it */
	else if (!loop_timer_is_set(&lane->kill_timer))
		loop_timer_set(lane->crew->birth.loop, &lane->kill_timer,
		    clock_monotonic_us() + RETIRE_US, kill_late, lane);
}

static void
fork_later(struct crew_lane *lane, int error)
{
	log_error("master", "cannot fork a worker lane=%u: %s", lane->number,
	    strerror(error));
	loop_timer_set(lane->crew->birth.loop, &lane->fork_timer,
	    clock_monotonic_us() + OFTEN_DELAY_US, fork_again, lane);
}

static void
lane_begin(struct crew_lane *lane, pid_t pid, int channel)
{
	struct crew *crew = lane->crew;

	lane->pid = pid;
	lane->channel = channel;
	lane->ready = lane->told_to_end = lane->wants_write = false;
	lane->forked_us = clock_monotonic_us();
	lane->give_cursor = 0;
	lane->given = false;
	lane->orders = crew->draining ? 1u << FDSTORE_DRAIN : 0;
	table_lane_set_pid(crew->birth.table, lane->number, pid);
	loop_add(
	    crew->birth.loop, &lane->watch, channel, EPOLLIN, lane_ready, lane);
	lane_flush(lane);
}

static void
lane_fork(struct crew_lane *lane)
{
	int ends[2], error;
	pid_t pid;

	if (lane->crew->ending)
		return;
	if ((error = sock_seqpacket_pair(ends)) != 0) {
		fork_later(lane, -error);
		return;
	}
	fflush(NULL);
	if ((pid = fork()) == 0) {
		close(ends[0]);
		child_run(lane->crew, lane->number, ends[1]);
	}
	error = errno;
	close(ends[1]);
	if (pid == -1) {
		close(ends[0]);
		fork_later(lane, error);
		return;
	}
	lane_begin(lane, pid, ends[0]);
}

/* The counters of a lane go on, so the last heartbeat may be a predecessor's.
 */
static void
lane_watch(struct crew_lane *lane, uint64_t now_us)
{
	const struct crew *crew = lane->crew;
	uint64_t beat_us;

	if (lane->pid == 0 || lane->told_to_end)
		return;
	beat_us =
	    table_counter(crew->birth.table, lane->number, TABLE_HEARTBEAT_US);
	beat_us = MAX_OF(beat_us, lane->forked_us);
	if (now_us < beat_us ||
	    now_us - beat_us <= crew->birth.config->stall_timeout_us)
		return;
	log_error("master",
	    "worker hangs, killed lane=%u pid=%d silent_ms=%" PRIu64,
	    lane->number, (int)lane->pid, (now_us - beat_us) / US_PER_MS);
	lane_kill(lane);
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
		for (uint32_t i = 0; i < crew->lane_count; i++)
			lane_watch(&crew->lanes[i], asked_us);
	crew->watched_us = asked_us;
	loop_timer_set(crew->birth.loop, &crew->watch_timer,
	    asked_us + pause_us, watch_all, crew);
}

/* --- the whole
 * -------------------------------------------------------------------- */
int
crew_new(const struct crew_birth *birth, struct crew **out)
{
	struct table_limits limits;
	struct crew *crew;
	int error;

	if ((crew = calloc(1, sizeof(*crew))) == NULL)
		return -ENOMEM;
	crew->birth = *birth;
	crew->log_fd = -1;
	crew->lane_count = birth->resources->lane_count;
	for (uint32_t i = 0; i < crew->lane_count; i++) {
		crew->lanes[i].crew = crew;
		crew->lanes[i].number = i;
		crew->lanes[i].channel = -1;
	}
	resources_table_limits(birth->config, &limits);
	error = fdstore_new(
	    crew->lane_count, limits.lane_connections, &crew->store);
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

void
crew_free(struct crew *crew)
{
	if (crew == NULL)
		return;
	for (uint32_t i = 0; i < crew->lane_count; i++) {
		struct crew_lane *lane = &crew->lanes[i];

		loop_timer_clear(crew->birth.loop, &lane->fork_timer);
		loop_timer_clear(crew->birth.loop, &lane->kill_timer);
		loop_remove(crew->birth.loop, &lane->watch);
		if (lane->channel != -1)
			close(lane->channel);
	}
	loop_timer_clear(crew->birth.loop, &crew->watch_timer);
	if (crew->log_fd != -1)
		close(crew->log_fd);
	fdstore_free(crew->store);
	free(crew);
}

void
crew_start(struct crew *crew)
{
	for (uint32_t i = 0; i < crew->lane_count; i++)
		lane_fork(&crew->lanes[i]);
	crew->watched_us = clock_monotonic_us();
	loop_timer_set(crew->birth.loop, &crew->watch_timer, crew->watched_us,
	    watch_all, crew);
}

unsigned
crew_alive(const struct crew *crew)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < crew->lane_count; i++)
		count += crew->lanes[i].pid != 0;
	return count;
}

unsigned
crew_ready(const struct crew *crew)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < crew->lane_count; i++)
		count += crew->lanes[i].ready;
	return count;
}

uint32_t
crew_descriptors(const struct crew *crew)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < crew->lane_count; i++)
		count += fdstore_count(crew->store, i);
	return count;
}

static void
lane_end(struct crew_lane *lane, enum fdstore_kind kind)
{
	if (lane->pid == 0)
		return;
	lane->told_to_end = true;
	lane_order(lane, kind);
	loop_timer_set(lane->crew->birth.loop, &lane->kill_timer,
	    clock_monotonic_us() + RETIRE_US, kill_late, lane);
}

void
crew_replace(struct crew *crew, uint32_t lane)
{
	lane_end(&crew->lanes[lane], FDSTORE_RETIRE);
}

void
crew_drain(struct crew *crew)
{
	crew->draining = true;
	for (uint32_t i = 0; i < crew->lane_count; i++)
		lane_order(&crew->lanes[i], FDSTORE_DRAIN);
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
	for (uint32_t i = 0; i < crew->lane_count; i++)
		lane_order(&crew->lanes[i], FDSTORE_LOG);
}

void
crew_stop(struct crew *crew)
{
	crew->ending = true;
	for (uint32_t i = 0; i < crew->lane_count; i++)
		lane_end(&crew->lanes[i], FDSTORE_STOP);
}

void
crew_kill(struct crew *crew)
{
	crew->ending = true;
	for (uint32_t i = 0; i < crew->lane_count; i++)
		if (crew->lanes[i].pid != 0)
			lane_kill(&crew->lanes[i]);
}
