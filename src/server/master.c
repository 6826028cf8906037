/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instance as a whole: its states, its signals, and what it says about
 * itself (status file, table header, service manager).  Single processes are
 * the crew's work, what changes in a reload that of reload; what clients say is
 * read by workers only.
 */
#include "server/master.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "server/crew.h"
#include "server/former.h"
#include "server/heir.h"
#include "server/process.h"
#include "server/reload.h"
#include "server/upgrade.h"
#include "table/table.h"

#define DRAIN_LOOK_US (100 * US_PER_MS)
/* The crew kills after 5 s; what the kernel does not end then is left. */
#define STOP_US (10 * US_PER_SECOND)
/* A heartbeat younger than this belongs to a living worker. */
#define FRESH_US (10 * US_PER_SECOND)

enum master_state {
	MASTER_STARTING,
	MASTER_SERVING,
	MASTER_DRAINING,
	MASTER_STOPPING,
	MASTER_STATE_COUNT
};
static const char *const state_names[MASTER_STATE_COUNT] = { "starting",
	"serving", "draining", "stopping" };

struct master {
	const struct master_birth *birth;
	struct reload_terms terms;
	enum master_state state;
	struct instance_status status;
	struct loop *loop;
	struct table *table;
	struct crew *crew;
	struct reload *reload;
	struct upgrade *upgrade;
	struct estate estate; /* what a predecessor left */
	struct former *former; /* its workers, if nobody can go on for them */
	bool has_predecessor, was_draining;
	bool reload_again, upgrade_again;
	struct master_drain {
		bool refuses; /* new sessions; until then they are served */
		bool quits; /* ends with the last session, or at ... */
		uint64_t refuse_at_us, quit_at_us;
		struct loop_timer timer;
	} drain;
	struct loop_timer watchdog, stop;
	uint64_t watchdog_us;
	int ready_pipe, result;
};

/* --- what it says about itself
 * ------------------------------------------------ */
static void
publish(struct master *master)
{
	int error;

	snprintf(master->status.state, sizeof(master->status.state), "%s",
	    state_names[master->state]);
	table_set_master(master->table, getpid(), master->status.generation,
	    master->state == MASTER_DRAINING);
	error = instance_write_status(master->birth->instance, &master->status);
	if (error != 0)
		log_warning("master", "cannot write file=%s: %s",
		    master->birth->instance->status_file, strerror(-error));
}

static void
master_enter(struct master *master, enum master_state state)
{
	master->state = state;
	publish(master);
}

static void PRINTF_LIKE(2, 3)
    complain(struct master *master, const char *format, ...)
{
	char text[SETTINGS_ERROR_MAX];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	log_error("master", "%s", text);
	if (master->ready_pipe == -1)
		return;
	(void)!write(master->ready_pipe, text, strlen(text));
	close(master->ready_pipe);
	master->ready_pipe = -1;
}

static void
say_ready(struct master *master)
{
	const struct instance *instance = master->birth->instance;
	uint32_t workers = config_lanes(&master->terms.config);

	log_info("master",
	    "serving instance=%s listen=\"%s\" workers=%u table=%s root=%s",
	    instance->name, master->status.listen, workers, instance->table,
	    master->terms.config.media_root);
	notify_ready(
	    "serving on %s with %u workers", master->status.listen, workers);
	if (master->ready_pipe == -1)
		return;
	(void)!write(master->ready_pipe, "R", 1);
	close(master->ready_pipe);
	master->ready_pipe = -1;
}

/* --- stop
 * ----------------------------------------------------------------------- */
static void
stop_late(void *context, uint64_t now_us)
{
	struct master *master = context;

	(void)now_us;
	log_error("master", "workers cannot be killed, left behind count=%u",
	    crew_alive(master->crew));
	loop_stop(master->loop, 1);
}

static void
end_when_alone(struct master *master)
{
	if (master->state == MASTER_STOPPING && crew_alive(master->crew) == 0 &&
	    (master->result != 0 || former_alive(master->former) == 0))
		loop_stop(master->loop, master->result);
}

static void
master_stop(struct master *master, int result, const char *why)
{
	if (master->state == MASTER_STOPPING) {
		crew_kill(master->crew); /* told twice: no more patience */
		if (master->result == 0)
			former_kill(master->former);
		return;
	}
	log_info("master", "stopping: %s", why);
	master->result = result;
	reload_stop(master->reload);
	upgrade_stop(master->upgrade);
	loop_timer_clear(master->loop, &master->drain.timer);
	master_enter(master, MASTER_STOPPING);
	notify_stopping();
	crew_stop(master->crew);
	/* What could not even start ends nobody's sessions. */
	if (result == 0)
		former_stop(master->former);
	loop_timer_set(master->loop, &master->stop,
	    clock_monotonic_us() + STOP_US, stop_late, master);
	end_when_alone(master);
}

/* --- drain
 * ---------------------------------------------------------------------- */
static void look_at_drain(void *context, uint64_t now_us);

static void
look_again(struct master *master, uint64_t at_us)
{
	loop_timer_set(
	    master->loop, &master->drain.timer, at_us, look_at_drain, master);
}

static void
look_at_quit(struct master *master, uint64_t now_us)
{
	uint64_t left = table_counter_sum(master->table, TABLE_SESSIONS);

	if (left == 0 && master->drain.refuses) {
		master_stop(master, 0, "drained");
	} else if (now_us >= master->drain.quit_at_us) {
		log_warning("master",
		    "not drained in time, sessions end now sessions=%" PRIu64,
		    left);
		master_stop(master, 0, "drain took too long");
	} else {
		look_again(master, now_us + DRAIN_LOOK_US);
	}
}

static void
look_at_drain(void *context, uint64_t now_us)
{
	struct master *master = context;
	struct master_drain *drain = &master->drain;

	if (!drain->refuses && now_us >= drain->refuse_at_us) {
		log_info("master",
		    "draining: new sessions are refused sessions=%" PRIu64,
		    table_counter_sum(master->table, TABLE_SESSIONS));
		drain->refuses = true;
		crew_drain(master->crew, true);
	}
	if (drain->quits)
		look_at_quit(master, now_us);
	else if (!drain->refuses)
		look_again(master, drain->refuse_at_us);
}

static void
master_drain(struct master *master)
{
	uint64_t grace_us = master->terms.config.drain_grace_us;

	if (master->state != MASTER_SERVING)
		return;
	log_info("master",
	    "draining: new sessions are refused in %" PRIu64 " ms",
	    grace_us / US_PER_MS);
	master->drain.refuse_at_us = clock_monotonic_us() + grace_us;
	master_enter(master, MASTER_DRAINING);
	notify_status("draining");
	look_again(master, 0);
}

static void
master_undrain(struct master *master)
{
	if (master->state != MASTER_DRAINING)
		return;
	log_info("master", "draining no more: new sessions are served");
	loop_timer_clear(master->loop, &master->drain.timer);
	master->drain.refuses = master->drain.quits = false;
	crew_drain(master->crew, false);
	master_enter(master, MASTER_SERVING);
	notify_status("serving on %s", master->status.listen);
}

static void
master_quit(struct master *master)
{
	master_drain(master);
	if (master->state != MASTER_DRAINING || master->drain.quits)
		return;
	master->drain.quits = true;
	master->drain.quit_at_us =
	    clock_monotonic_us() + master->terms.config.drain_timeout_us;
	look_again(master, 0);
}

/* --- reload
 * --------------------------------------------------------------------- */
static void
begin_reload(struct master *master)
{
	master->status.reloads_begun++;
	notify_reloading();
	publish(master);
	reload_begin(master->reload);
}

static void
begin_upgrade(struct master *master)
{
	log_info(
	    "master", "upgrade to file=%s", master->birth->origin->program);
	master->status.reloads_begun++;
	notify_reloading();
	publish(master);
	upgrade_begin(master->upgrade);
}

/* Of a reload or an upgrade. */
static void
change_has_finished(
    struct master *master, enum instance_outcome outcome, const char *message)
{
	struct instance_status *status = &master->status;

	snprintf(status->message, sizeof(status->message), "%s", message);
	resources_listen_text(&master->birth->resources->shared, status->listen,
	    sizeof(status->listen));
	status->outcome = outcome;
	status->reloads_done = status->reloads_begun;
	if (outcome == INSTANCE_APPLIED || outcome == INSTANCE_FAILED)
		status->generation++;
	publish(master);
	notify_ready("%s on %s; last reload: %s", status->state, status->listen,
	    message);
	if (master->reload_again) {
		master->reload_again = false;
		begin_reload(master);
	} else if (master->upgrade_again) {
		master->upgrade_again = false;
		begin_upgrade(master);
	}
}

static void
reload_has_finished(
    void *context, enum instance_outcome outcome, const char *message)
{
	struct master *master = context;

	if (master->has_predecessor) {
		master->has_predecessor = false;
		say_ready(master);
		/* Workers are as they were, but nothing else is. */
		if (outcome == INSTANCE_REFUSED)
			outcome = INSTANCE_FAILED;
	}
	if (outcome == INSTANCE_REFUSED || outcome == INSTANCE_FAILED)
		log_error("master", "reload refused: %s", message);
	else
		log_info("master", "reloaded generation=%" PRIu64 ": %s",
		    master->status.generation + 1, message);
	change_has_finished(master, outcome, message);
}

static void
master_reload(struct master *master)
{
	if (master->state != MASTER_SERVING && master->state != MASTER_DRAINING)
		log_warning(
		    "master", "no reload while %s", state_names[master->state]);
	else if (reload_is_active(master->reload) ||
		 upgrade_is_active(master->upgrade))
		master->reload_again = true;
	else
		begin_reload(master);
}

/* --- upgrade
 * -------------------------------------------------------------------- */
static int
leave_estate(void *context, bool for_good, struct estate *out)
{
	struct master *master = context;

	if (!crew_is_settled(master->crew))
		return -EAGAIN;
	out->table = table_descriptor(master->table);
	out->lock = master->birth->instance->lock;
	out->log = log_descriptor();
	heir_leave_resources(master->birth->resources, out);
	/* The next program reads anew what this one was to read again. */
	if (for_good && master->reload_again) {
		master->status.reloads_begun++;
		publish(master);
	}
	return crew_leave(master->crew, out);
}

static void
upgrade_was_refused(void *context, const char *why)
{
	log_error("master", "upgrade refused: %s", why);
	change_has_finished(context, INSTANCE_REFUSED, why);
}

static void
refuse_upgrade(struct master *master, const char *why)
{
	master->status.reloads_begun++;
	upgrade_was_refused(master, why);
}

static void
master_upgrade(struct master *master)
{
	if ((master->state != MASTER_SERVING &&
		master->state != MASTER_DRAINING) ||
	    master->drain.quits)
		log_warning("master", "no upgrade while %s",
		    master->drain.quits ? "it ends"
					: state_names[master->state]);
	else if (reload_is_active(master->reload) ||
		 upgrade_is_active(master->upgrade))
		master->upgrade_again = true;
	else if (former_alive(master->former) > 0)
		refuse_upgrade(master,
		    "workers of the last one's table have not ended yet");
	else
		begin_upgrade(master);
}

/* --- what happens
 * ----------------------------------------------------------------- */
/* The crew serves beside them. */
static void
close_former(struct master *master)
{
	log_warning("master",
	    "the session table had another layout: its workers=%u go on with "
	    "it until their last connection ends",
	    former_alive(master->former));
	former_close(master->former);
	change_has_finished(master, INSTANCE_APPLIED,
	    "new workers with a session table of another layout; sessions of "
	    "before end with the old ones");
}

static void
former_emptied(void *context)
{
	end_when_alone(context);
}

static void
crew_event(void *context, uint32_t lane, enum crew_event event, const char *how)
{
	struct master *master = context;

	if (master->state == MASTER_STARTING && event == CREW_DIED_EARLY) {
		complain(master,
		    "worker %u ended before it was ready (%s); see the log",
		    lane, how);
		master_stop(master, 1, "could not start");
		crew_kill(master->crew);
	} else if (master->state == MASTER_STARTING &&
		   crew_ready(master->crew) ==
		       config_lanes(&master->terms.config)) {
		master_enter(master, MASTER_SERVING);
		say_ready(master);
		if (master->former != NULL)
			close_former(master);
	}
	if (event == CREW_CLOSED)
		resources_close_lane(master->birth->resources, lane);
	reload_happened(master->reload, lane, event, how);
	end_when_alone(master);
}

static void
reopen_log(struct master *master)
{
	int error = log_reopen();

	if (error != 0) {
		log_error("master", "cannot reopen the log file=%s: %s",
		    master->terms.config.log_file, strerror(-error));
		return;
	}
	log_info("master", "log reopened");
	crew_log(master->crew, (uint32_t)master->terms.config.log_level,
	    log_descriptor());
}

static void
on_term(struct master *master)
{
	master_stop(master, 0, "told to");
}

static void
on_child(struct master *master)
{
	crew_reap(master->crew);
}

/* clang-format off */
static const struct {
	int signal; /* 0: SIGRTMIN and ... */
	int realtime;
	void (*action)(struct master *master);
} signals[] = {
	{ SIGTERM, 0, on_term },
	{ SIGINT,  0, on_term },
	{ SIGQUIT, 0, master_quit },
	{ SIGHUP,  0, master_reload },
	{ SIGUSR1, 0, reopen_log },
	{ SIGUSR2, 0, master_upgrade },
	{ SIGCHLD, 0, on_child },
	{ 0, INSTANCE_DRAIN,   master_drain },
	{ 0, INSTANCE_UNDRAIN, master_undrain },
};
/* clang-format on */

static int
signal_number(size_t row)
{
	return signals[row].signal != 0 ? signals[row].signal
					: SIGRTMIN + signals[row].realtime;
}

static void
on_signal(void *context, int signal)
{
	for (size_t i = 0; i < ARRAY_LENGTH(signals); i++)
		if (signal_number(i) == signal)
			signals[i].action(context);
}

static void
feed_watchdog(void *context, uint64_t now_us)
{
	struct master *master = context;

	notify_alive();
	loop_timer_set(master->loop, &master->watchdog,
	    now_us + master->watchdog_us, feed_watchdog, master);
}

static void
in_child(void *context)
{
	struct master *master = context;

	instance_forget(master->birth->instance);
	former_in_child(master->former);
	reload_in_child(master->reload);
	if (master->ready_pipe != -1)
		close(master->ready_pipe);
	master->ready_pipe = -1;
}

/* --- start
 * ------------------------------------------------------------------------- */
/*
 * The pid files of another user's instance, or of one with another
 * XDG_RUNTIME_DIR, lie elsewhere, but its table would be the same.
 */
static pid_t
table_owner(const char *name)
{
	uint64_t now_us = clock_monotonic_us(), beat_us = 0;
	struct table_info info;
	struct table *table;

	if (table_open(name, &table) != 0)
		return 0;
	table_info(table, &info);
	for (uint32_t i = 0; i < info.limits.lanes; i++)
		beat_us = MAX_OF(
		    beat_us, table_counter(table, i, TABLE_HEARTBEAT_US));
	table_close(table);
	if (info.master_pid <= 0 || info.master_pid == getpid() ||
	    process_is_dead(info.master_pid) || beat_us > now_us ||
	    now_us - beat_us > FRESH_US)
		return 0;
	return info.master_pid;
}

static int
claim(struct master *master)
{
	struct instance *instance = master->birth->instance;
	int error = instance_claim(instance);

	if (error == -EBUSY)
		complain(master, "instance %s is running already, pid %d",
		    instance->name, (int)instance_master(instance));
	else if (error != 0)
		complain(
		    master, "%s: %s", instance->pid_file, strerror(-error));
	return error;
}

static int
create_table(struct master *master)
{
	const struct instance *instance = master->birth->instance;
	pid_t owner = table_owner(instance->table);
	struct table_limits limits;
	int error;

	if (owner != 0) {
		complain(master,
		    "table %s is in use by pid %d; -n names another instance",
		    instance->table, (int)owner);
		return -EBUSY;
	}
	resources_table_limits(&master->terms.config, &limits);
	error = table_create(instance->table, &limits,
	    master->terms.privileges.table_group, &master->table);
	if (error == -ENOSPC)
		complain(master,
		    "table %s: no space in /dev/shm; lower max_sessions",
		    instance->table);
	else if (error == -EPERM || error == -EACCES)
		complain(master,
		    "table %s: another user's; -n names another instance",
		    instance->table);
	else if (error != 0)
		complain(
		    master, "table %s: %s", instance->table, strerror(-error));
	return error;
}

/* A former table's workers may listen there, too. */
static int
open_anew(struct master *master)
{
	const struct config *config = &master->terms.config;
	struct resources *resources = master->birth->resources;
	struct resources_shared now = { .media_root = -1 };
	char text[SETTINGS_ERROR_MAX];
	int error;

	if (master->former != NULL)
		heir_take_shared(&master->estate, config, &now);
	error =
	    resources_open(config, config_lanes(config), &now, resources, text);
	if (error != 0) {
		complain(master, "%s", text);
		return error;
	}
	resources_unshare(&now, &resources->shared);
	return create_table(master);
}

/* As it was left; the reload that follows makes it as it is wanted. */
static int
open_what_was_left(struct master *master)
{
	struct resources *resources = master->birth->resources;
	struct estate *estate = &master->estate;
	struct config *config = &master->terms.config;
	char text[SETTINGS_ERROR_MAX];
	struct table_info info;
	int error = 0;

	estate->table = -1; /* the table's */
	heir_take_resources(estate, config, resources);
	heir_find_lost(estate, master->table);
	for (uint32_t i = 0; i < TABLE_LANES_MAX && error == 0; i++)
		if (estate->lanes[i].state != 0)
			error = resources_open_lane(config, i, resources, text);
	if (error != 0) {
		complain(master, "%s", text);
		return error;
	}
	table_info(master->table, &info);
	resources_fit_table(config, &info.limits, text);
	if (text[0] != '\0')
		log_warning("master", "%s", text);
	master->status.generation = info.generation;
	master->was_draining = info.draining != 0;
	return 0;
}

/* What exec left, or what orphans hold. */
static int
find_estate(struct master *master)
{
	const struct master_birth *birth = master->birth;
	struct instance_status before;
	int error;

	if (birth->estate == NULL) {
		error = heir_collect(birth->instance,
		    master->terms.config.stall_timeout_us, &master->estate);
		master->has_predecessor = estate_is_alive(&master->estate);
		return error;
	}
	master->estate = *birth->estate;
	master->has_predecessor = true;
	if (instance_read_status(birth->instance, &before) == 0) {
		master->status.reloads_begun = before.reloads_begun;
		master->status.generation = before.generation;
	}
	return 0;
}

static int
find_predecessor(struct master *master)
{
	int error = find_estate(master);

	if (error == 0 && master->has_predecessor)
		error = table_take(master->estate.table, &master->table);
	if (error == -EPROTO) {
		master->has_predecessor = false;
		error = former_new(&master->estate, &master->former);
	}
	if (error != 0)
		complain(master, "cannot take over: %s", strerror(-error));
	return error;
}

static int
open_loop(struct master *master)
{
	sigset_t set;
	int error;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LENGTH(signals); i++)
		sigaddset(&set, signal_number(i));
	if ((error = loop_new(&master->loop)) != 0)
		return error;
	signal(SIGPIPE, SIG_IGN);
	return loop_signals(master->loop, &set, on_signal, master);
}

static int
open_crew(struct master *master)
{
	const struct crew_birth birth = {
		.loop = master->loop,
		.config = &master->terms.config,
		.table = master->table,
		.resources = master->birth->resources,
		.privileges = &master->terms.privileges,
		.spares = true,
		.happened = crew_event,
		.in_child = in_child,
		.context = master,
	};

	return crew_new(&birth, &master->crew);
}

static int
open_reload(struct master *master)
{
	const struct reload_birth birth = {
		.options = master->birth->options,
		.loop = master->loop,
		.crew = master->crew,
		.table = master->table,
		.terms = &master->terms,
		.resources = master->birth->resources,
		.finished = reload_has_finished,
		.context = master,
	};

	return reload_new(&birth, &master->reload);
}

static int
open_upgrade(struct master *master)
{
	const struct upgrade_birth birth = {
		.loop = master->loop,
		.origin = master->birth->origin,
		.leave = leave_estate,
		.refused = upgrade_was_refused,
		.context = master,
	};

	return upgrade_new(&birth, &master->upgrade);
}

static int
master_open(struct master *master)
{
	int error;

	if (master->birth->estate == NULL && (error = claim(master)) != 0)
		return error;
	if ((error = find_predecessor(master)) != 0)
		return error;
	error = master->has_predecessor ? open_what_was_left(master)
					: open_anew(master);
	if (error != 0)
		return error;
	resources_listen_text(&master->birth->resources->shared,
	    master->status.listen, sizeof(master->status.listen));
	if ((error = privileges_limit_master(&master->terms.privileges)) != 0) {
		complain(
		    master, "cannot give up privileges: %s", strerror(-error));
		return error;
	}
	if ((error = open_loop(master)) != 0 ||
	    (error = open_crew(master)) != 0 ||
	    (error = open_reload(master)) != 0 ||
	    (error = open_upgrade(master)) != 0)
		complain(master, "%s", strerror(-error));
	return error;
}

/*
 * Workers that live on, if there are any, are somebody's to find: nothing that
 * leads to them is removed.
 */
static void
master_close(struct master *master)
{
	bool alive = estate_is_alive(&master->estate) ||
		     (master->crew != NULL && crew_alive(master->crew) > 0);

	upgrade_free(master->upgrade);
	reload_free(master->reload);
	former_close(master->former);
	former_free(master->former);
	crew_free(master->crew);
	loop_free(master->loop);
	estate_close(&master->estate);
	if (master->table != NULL && !alive)
		table_unlink(master->birth->instance->table);
	table_close(master->table);
	if (alive)
		instance_forget(master->birth->instance);
	else
		instance_release(master->birth->instance);
	if (master->ready_pipe != -1)
		close(master->ready_pipe);
}

static void
start_lanes(struct master *master)
{
	uint32_t count = config_lanes(&master->terms.config);

	former_begin(master->former, master->loop, former_emptied, master);
	estate_close(&master->estate);
	master_enter(master, MASTER_STARTING);
	for (uint32_t lane = 0; lane < count; lane++)
		crew_open(master->crew, lane);
}

/* They serve; they are relieved by workers of this program and master. */
static void
take_lanes_over(struct master *master)
{
	bool by_exec = master->birth->estate != NULL;

	if (!by_exec)
		master->status.reloads_begun++;
	master_enter(master, MASTER_SERVING); /* before there are children */
	crew_inherit(master->crew, &master->estate);
	estate_close(&master->estate);
	if (master->was_draining)
		master_drain(master); /* its grace begins anew */
	notify_reloading();
	reload_renew(master->reload, by_exec
					 ? "upgraded to vodd " PACKAGE_VERSION
					 : "taken over from a dead master");
}

int
master_run(const struct master_birth *birth)
{
	struct master *master;
	int result = 1;

	if ((master = calloc(1, sizeof(*master))) == NULL)
		return 1;
	master->birth = birth;
	master->terms = (struct reload_terms){ .asked = *birth->asked,
		.config = *birth->config,
		.privileges = *birth->privileges };
	master->ready_pipe = birth->ready_pipe;
	master->status.generation = 1;
	estate_init(&master->estate);

	if (master_open(master) == 0) {
		master->watchdog_us = notify_watchdog_us();
		if (master->watchdog_us != 0)
			feed_watchdog(master, clock_monotonic_us());
		crew_start(master->crew);
		if (master->has_predecessor)
			take_lanes_over(master);
		else
			start_lanes(master);
		result = loop_run(master->loop);
		log_info("master", "stopped");
	}
	master_close(master);
	free(master);
	return result < 0 ? 1 : result;
}
