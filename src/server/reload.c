/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The course of a reload: what differs, what that needs, which lanes change
 * hands in which order, and what has come of it.  How one lane changes hands is
 * the crew's work.
 */
#include "server/reload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/log.h"
#include "base/sock.h"

/* Of one worker; the crew goes on trying. */
#define EARLY_DEATHS_MAX 3
/* Connections on their way to a listener that goes: at least, at most. */
#define LEAVE_US (300 * US_PER_MS)
#define LEAVE_MAX_US (3 * US_PER_SECOND)
#define LEAVE_LOOK_US (20 * US_PER_MS)

/* In this order: there are never fewer workers than there shall be. */
enum step {
	STEP_NONE,
	STEP_OPEN,
	STEP_REVIVE, /* relieve one that was closing */
	STEP_RELIEVE,
	STEP_CLOSE,
	STEP_COUNT
};

/* All that is replaced. */
struct force {
	struct reload_terms terms;
	struct resources_shared shared;
};

struct reload {
	struct reload_birth birth;
	bool active;
	bool proven; /* a worker has come up with it */
	bool unfinished; /* the last time some workers did not */
	const char *renew; /* why all are to be replaced; NULL: they are not */
	struct force before; /* while active */
	unsigned effects;
	enum step steps[TABLE_LANES_MAX];
	/* Where we are. */
	enum step step;
	uint32_t lane;
	unsigned early_deaths; /* of that lane */
	/* Until removed listeners are quiet. */
	struct loop_timer leave;
	uint64_t leave_at_us, leave_until_us;

	unsigned done[STEP_COUNT], failed;
	char changed[SETTINGS_ERROR_MAX], notes[SETTINGS_ERROR_MAX];
};

static void next_step(struct reload *reload);

/* --- what is said
 * -----------------------------------------------------------------
 */
/* Behind what is there, as far as there is room. */
static void PRINTF_LIKE(2, 3)
    append(char text[static SETTINGS_ERROR_MAX], const char *format, ...)
{
	size_t used = strlen(text);
	va_list list;

	va_start(list, format);
	vsnprintf(text + used, SETTINGS_ERROR_MAX - used, format, list);
	va_end(list);
}

static void
describe(const struct reload *reload, char text[static SETTINGS_ERROR_MAX])
{
	const unsigned *done = reload->done;

	text[0] = '\0';
	if (reload->effects == 0)
		append(text, "nothing to apply");
	else
		append(text, "applied, sessions go on: %s", reload->changed);
	if ((reload->effects & ~(unsigned)CONFIG_AT_ONCE) != 0)
		append(text, "; workers: %u new, %u replaced, %u closing",
		    done[STEP_OPEN] + done[STEP_REVIVE], done[STEP_RELIEVE],
		    done[STEP_CLOSE]);
	append(text, "%s", reload->notes);
}

static void
finish(struct reload *reload, enum instance_outcome outcome, const char *text)
{
	const struct reload_birth *birth = &reload->birth;

	resources_unshare(&reload->before.shared, &birth->resources->shared);
	reload->active = false;
	crew_change(birth->crew, false);
	birth->finished(birth->context, outcome, text);
}

/* --- in force, and back
 * -----------------------------------------------------------
 */
static bool
same_log(const struct config *a, const struct config *b)
{
	return a->log_target == b->log_target &&
	       strcmp(a->log_file, b->log_file) == 0;
}

/* Also what those processes write that stay. */
static int
move_log(struct crew *crew, const struct config *from, const struct config *to)
{
	int error;

	if (same_log(from, to))
		return 0;
	error = log_open((enum log_target)to->log_target, "vodd", to->log_file);
	if (error == 0)
		crew_log(crew, (uint32_t)to->log_level, log_descriptor());
	return error;
}

static void
put_in_force(struct reload *reload, const struct force *force)
{
	const struct reload_birth *birth = &reload->birth;
	const struct config *config = &force->terms.config;

	*birth->terms = force->terms;
	birth->resources->shared = force->shared;
	log_set_level((enum log_level)config->log_level);
	crew_log(birth->crew, (uint32_t)config->log_level, -1);
	table_set_maxima(
	    birth->table, config->max_bandwidth_bps, config->max_sessions);
}

/* Connections begin at those that go no more, or again. */
static unsigned
hold_removed(struct reload *reload, bool hold)
{
	const struct resources_shared *now = &reload->birth.resources->shared;
	const struct resources_shared *before = &reload->before.shared;
	unsigned removed = 0;

	for (unsigned i = 0; i < before->listener_count; i++) {
		int fd = before->listeners[i].fd;

		if (resources_has_listener(now, fd))
			continue;
		/* Where that cannot be had, some may be reset. */
		(void)sock_listener_hold(fd, hold);
		removed++;
	}
	return removed;
}

/* Everything is as it was, but for a lane that was just opened. */
static void
put_back(struct reload *reload)
{
	struct reload_birth *birth = &reload->birth;
	struct resources_shared gone = birth->resources->shared;

	hold_removed(reload, false);
	(void)move_log(
	    birth->crew, &birth->terms->config, &reload->before.terms.config);
	put_in_force(reload, &reload->before);
	resources_unshare(&gone, &reload->before.shared);
	for (uint32_t lane = 0; lane < TABLE_LANES_MAX; lane++)
		if (reload->steps[lane] == STEP_OPEN &&
		    crew_state(birth->crew, lane) == CREW_IDLE)
			resources_close_lane(birth->resources, lane);
}

/* --- which lanes
 * ------------------------------------------------------------------
 */
/*
 * Of the lanes in STATE as many as are WANTED take STEP, or none; those that
 * do not suit don't.  How many are still wanted.
 */
static uint32_t
choose_lanes(struct reload *reload, enum crew_state state, enum step step,
    uint32_t wanted)
{
	const struct reload_birth *birth = &reload->birth;

	for (uint32_t lane = 0; lane < TABLE_LANES_MAX && wanted > 0; lane++) {
		if (crew_state(birth->crew, lane) != state)
			continue;
		if (state != CREW_IDLE &&
		    !resources_lane_suits(
			birth->resources, lane, &birth->terms->config))
			continue;
		reload->steps[lane] = step;
		wanted--;
	}
	return wanted;
}

static int
open_lanes(struct reload *reload, char error[static SETTINGS_ERROR_MAX])
{
	const struct reload_birth *birth = &reload->birth;
	int result = 0;

	for (uint32_t lane = 0; lane < TABLE_LANES_MAX && result == 0; lane++) {
		if (reload->steps[lane] != STEP_OPEN)
			continue;
		result = table_grow(birth->table, lane + 1);
		if (result != 0)
			snprintf(error, SETTINGS_ERROR_MAX,
			    "workers: no memory in the table: %s",
			    strerror(-result));
		else
			result = resources_open_lane(&birth->terms->config,
			    lane, birth->resources, error);
	}
	return result;
}

/* Those that serve stay, if they suit; those that close may come back. */
static int
plan(struct reload *reload, char error[static SETTINGS_ERROR_MAX])
{
	const struct reload_birth *birth = &reload->birth;
	bool relieve = (reload->effects & CONFIG_WORKERS) != 0;
	uint32_t wanted = config_lanes(&birth->terms->config);

	for (uint32_t lane = 0; lane < TABLE_LANES_MAX; lane++)
		reload->steps[lane] =
		    crew_state(birth->crew, lane) == CREW_SERVED ? STEP_CLOSE
								 : STEP_NONE;
	wanted = choose_lanes(
	    reload, CREW_SERVED, relieve ? STEP_RELIEVE : STEP_NONE, wanted);
	wanted = choose_lanes(reload, CREW_CLOSING, STEP_REVIVE, wanted);
	wanted = choose_lanes(reload, CREW_IDLE, STEP_OPEN, wanted);
	if (wanted > 0) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "%" PRIu32 " more workers cannot be had before sessions of "
		    "earlier ones have ended: there are %d at most",
		    wanted, TABLE_LANES_MAX);
		return -ENOSPC;
	}
	return open_lanes(reload, error);
}

/* --- lane by lane
 * -----------------------------------------------------------------
 */
/* -EINPROGRESS: something will happen; 0: that was all; else it failed. */
static int
begin_step(struct reload *reload, char error[static SETTINGS_ERROR_MAX])
{
	const struct reload_birth *birth = &reload->birth;
	int result;

	reload->early_deaths = 0;
	if (reload->step == STEP_CLOSE) {
		crew_close(birth->crew, reload->lane);
		reload->done[STEP_CLOSE]++;
		return 0;
	}
	if (reload->step == STEP_OPEN) {
		crew_open(birth->crew, reload->lane);
		return -EINPROGRESS;
	}
	/* UDP may be new to it; one that was closing may just have closed. */
	result = resources_open_lane(
	    &birth->terms->config, reload->lane, birth->resources, error);
	if (result != 0)
		return result;
	result = crew_relieve(birth->crew, reload->lane);
	if (result == 0)
		return -EINPROGRESS;
	snprintf(error, SETTINGS_ERROR_MAX, "%s", strerror(-result));
	return result;
}

/* False: not even the first worker came up, it is over. */
static bool
step_failed(struct reload *reload, const char *how)
{
	struct reload_birth *birth = &reload->birth;
	char text[SETTINGS_ERROR_MAX];

	if (reload->proven) {
		reload->failed++;
		return true;
	}
	put_back(reload);
	if (reload->step == STEP_OPEN || reload->step == STEP_REVIVE)
		crew_close(birth->crew, reload->lane);
	snprintf(text, sizeof(text),
	    "no worker comes up with it (%.200s), see the log", how);
	finish(reload, INSTANCE_REFUSED, text);
	return false;
}

static void
all_done(struct reload *reload)
{
	char text[SETTINGS_ERROR_MAX];

	if (reload->failed != 0)
		append(reload->notes,
		    "; %u workers did not come up with it, see the log",
		    reload->failed);
	describe(reload, text);
	reload->unfinished = reload->failed != 0;
	reload->renew = NULL;
	finish(reload, reload->failed == 0 ? INSTANCE_APPLIED : INSTANCE_FAILED,
	    text);
}

static void
next_step(struct reload *reload)
{
	char error[SETTINGS_ERROR_MAX];
	int result;

	for (;;) {
		if (++reload->lane == TABLE_LANES_MAX) {
			reload->lane = 0;
			reload->step++;
		}
		if (reload->step == STEP_COUNT) {
			all_done(reload);
			return;
		}
		if (reload->steps[reload->lane] != reload->step)
			continue;
		result = begin_step(reload, error);
		if (result == -EINPROGRESS ||
		    (result != 0 && !step_failed(reload, error)))
			return;
	}
}

void
reload_happened(struct reload *reload, uint32_t lane, enum crew_event event,
    const char *how)
{
	bool begun = reload->active && reload->step != STEP_NONE;

	if (!begun || lane != reload->lane)
		return;
	if (event == CREW_RELIEF_DIED) {
		if (step_failed(reload, how))
			next_step(reload);
		return;
	}
	/* Else it is about the one that is to be relieved. */
	if (crew_is_relieving(reload->birth.crew, lane))
		return;
	if (event == CREW_READY) {
		reload->proven = true;
		reload->done[reload->step]++;
		next_step(reload);
	} else if (event == CREW_DIED_EARLY &&
		   ++reload->early_deaths == EARLY_DEATHS_MAX &&
		   step_failed(reload, how)) {
		next_step(reload);
	}
}

/* --- listeners that go
 * ------------------------------------------------------------
 */
static bool
are_quiet(const struct reload *reload)
{
	const struct resources_shared *now = &reload->birth.resources->shared;
	const struct resources_shared *before = &reload->before.shared;

	for (unsigned i = 0; i < before->listener_count; i++)
		if (!resources_has_listener(now, before->listeners[i].fd) &&
		    sock_listener_waiting(before->listeners[i].fd) > 0)
			return false;
	return true;
}

static void
begin_steps(struct reload *reload)
{
	reload->step = STEP_OPEN;
	reload->lane = UINT32_MAX; /* one below the first */
	next_step(reload);
}

/* The workers still accept: who has come to the door is let in. */
static void
look_at_removed(void *context, uint64_t now_us)
{
	struct reload *reload = context;

	if (now_us < reload->leave_until_us &&
	    (now_us < reload->leave_at_us || !are_quiet(reload)))
		loop_timer_set(reload->birth.loop, &reload->leave,
		    now_us + LEAVE_LOOK_US, look_at_removed, reload);
	else
		begin_steps(reload);
}

/* --- the beginning
 * ----------------------------------------------------------------
 */
/* What CONFIGURATION and machine say, into OUT. */
static int
find_terms(struct reload *reload, struct reload_terms *out,
    char error[static SETTINGS_ERROR_MAX])
{
	const struct reload_birth *birth = &reload->birth;
	char text[SETTINGS_ERROR_MAX];
	struct table_info info;
	int result;

	if ((result = config_load(birth->options, &out->asked, error)) != 0)
		return result;
	reload->effects = config_compare(&birth->terms->asked, &out->asked,
	    reload->changed, sizeof(reload->changed));
	if (reload->unfinished || reload->renew != NULL)
		reload->effects |= CONFIG_WORKERS;
	if (reload->renew != NULL)
		snprintf(reload->changed, sizeof(reload->changed), "%s",
		    reload->renew);
	out->config = out->asked;
	if ((result = resources_fit(&out->config, text)) != 0) {
		snprintf(error, SETTINGS_ERROR_MAX, "%s", text);
		return result;
	}
	if (text[0] != '\0')
		append(reload->notes, "; %s", text);
	table_info(birth->table, &info);
	resources_fit_table(&out->config, &info.limits, text);
	if (text[0] != '\0')
		append(reload->notes, "; %s", text);
	result = privileges_find(
	    out->config.user, out->config.group, &out->privileges, text, error);
	if (out->privileges.uid != birth->terms->privileges.uid &&
	    text[0] != '\0')
		append(reload->notes, "; %s", text);
	return result;
}

static int
change(struct reload *reload, char error[static SETTINGS_ERROR_MAX])
{
	struct reload_birth *birth = &reload->birth;
	struct force next;
	int result;

	if ((result = find_terms(reload, &next.terms, error)) != 0 ||
	    reload->effects == 0)
		return result;
	result = resources_share(
	    &next.terms.config, &reload->before.shared, &next.shared, error);
	if (result != 0)
		return result;
	result =
	    move_log(birth->crew, &birth->terms->config, &next.terms.config);
	if (result != 0) {
		snprintf(error, SETTINGS_ERROR_MAX, "log_file %.200s: %s",
		    next.terms.config.log_file, strerror(-result));
		resources_unshare(&next.shared, &reload->before.shared);
		return result;
	}
	put_in_force(reload, &next);
	if ((result = plan(reload, error)) != 0)
		put_back(reload);
	return result;
}

void
reload_begin(struct reload *reload)
{
	const struct reload_birth birth = reload->birth;
	char text[SETTINGS_ERROR_MAX];
	uint64_t now_us = clock_monotonic_us();

	*reload = (struct reload){ .birth = birth,
		.active = true,
		.unfinished = reload->unfinished,
		.renew = reload->renew };
	reload->before = (struct force){ .terms = *birth.terms,
		.shared = birth.resources->shared };
	crew_change(birth.crew, true);
	if (change(reload, text) != 0) {
		finish(reload, INSTANCE_REFUSED, text);
		return;
	}
	if (reload->effects == 0) {
		describe(reload, text);
		finish(reload, INSTANCE_UNCHANGED, text);
		return;
	}
	if (hold_removed(reload, true) == 0) {
		begin_steps(reload);
		return;
	}
	reload->leave_at_us = now_us + LEAVE_US;
	reload->leave_until_us = now_us + LEAVE_MAX_US;
	loop_timer_set(
	    birth.loop, &reload->leave, now_us, look_at_removed, reload);
}

void
reload_renew(struct reload *reload, const char *why)
{
	reload->renew = why;
	reload_begin(reload);
}

/* --- the whole
 * --------------------------------------------------------------------
 */
int
reload_new(const struct reload_birth *birth, struct reload **out)
{
	struct reload *reload = calloc(1, sizeof(*reload));

	if (reload == NULL)
		return -ENOMEM;
	reload->birth = *birth;
	*out = reload;
	return 0;
}

void
reload_free(struct reload *reload)
{
	if (reload == NULL)
		return;
	reload_stop(reload);
	free(reload);
}

bool
reload_is_active(const struct reload *reload)
{
	return reload->active;
}

void
reload_stop(struct reload *reload)
{
	if (!reload->active)
		return;
	loop_timer_clear(reload->birth.loop, &reload->leave);
	resources_unshare(
	    &reload->before.shared, &reload->birth.resources->shared);
	reload->active = false;
}

void
reload_in_child(struct reload *reload)
{
	if (reload->active)
		resources_unshare(
		    &reload->before.shared, &reload->birth.resources->shared);
}
