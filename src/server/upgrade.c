/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The check by a child, the exec, and the new program's side of both.  What an
 * estate is, and what a master makes of it, is told elsewhere.
 */
#include "server/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"
#include "server/process.h"
#include "server/resources.h"
#include "table/table.h"

#define ASK_OPTION "--check-upgrade"
#define ASK_US (10 * US_PER_SECOND)
/* Until all is quiet. */
#define WAIT_US (10 * US_PER_SECOND)
#define WAIT_LOOK_US (20 * US_PER_MS)
#define ESTATE_VARIABLE "VODD_ESTATE"
/* A line of one that could; without it the first one is the reason why not. */
#define POSSIBLE "upgrade: possible\n"

struct upgrade {
	struct upgrade_birth birth;
	bool active;
	bool possible; /* so it was answered */
	uint64_t until_us;
	int answer, process; /* -1: nobody is asked */
	struct loop_watch watch;
	struct loop_timer timer;
	size_t used;
	char text[2 * SETTINGS_ERROR_MAX];
};

/* --- where we come from ------------------------------------------------------
 */
static bool
is_running_program(const char *path)
{
	struct stat named, running;

	return stat(path, &named) == 0 &&
	       stat("/proc/self/exe", &running) == 0 &&
	       named.st_dev == running.st_dev && named.st_ino == running.st_ino;
}

/* As it was called, if that leads to it; found by PATH it did not. */
static void
find_program(const char *called, struct upgrade_origin *out)
{
	ssize_t size;

	if (called[0] == '/')
		snprintf(out->program, sizeof(out->program), "%s", called);
	else if (strchr(called, '/') != NULL)
		snprintf(out->program, sizeof(out->program), "%.2000s/%.2000s",
		    out->folder, called);
	if (is_running_program(out->program))
		return;
	size =
	    readlink("/proc/self/exe", out->program, sizeof(out->program) - 1);
	out->program[MAX_OF(size, 0)] = '\0';
}

void
upgrade_remember(char *const *arguments, struct upgrade_origin *out)
{
	*out = (struct upgrade_origin){ .arguments = arguments };
	if (getcwd(out->folder, sizeof(out->folder)) == NULL)
		strcpy(out->folder, "/");
	find_program(arguments[0], out);
}

static void take_step(void *context, uint64_t now_us);

/* --- asking ------------------------------------------------------------------
 */
static void
stop_asking(struct upgrade *upgrade)
{
	loop_timer_clear(upgrade->birth.loop, &upgrade->timer);
	loop_remove(upgrade->birth.loop, &upgrade->watch);
	if (upgrade->answer != -1)
		close(upgrade->answer);
	if (upgrade->process != -1)
		close(upgrade->process);
	upgrade->answer = upgrade->process = -1;
}

static void
refuse(struct upgrade *upgrade, const char *what, const char *why)
{
	char text[SETTINGS_ERROR_MAX];

	snprintf(text, sizeof(text), "%.200s: %.300s", what, why);
	upgrade_stop(upgrade);
	upgrade->birth.refused(upgrade->birth.context, text);
}

/* NULL: it could; else its first line, without the program's name. */
static const char *
fault_of(struct upgrade *upgrade)
{
	char *text = upgrade->text;
	const char *possible;

	text[upgrade->used] = '\0';
	possible = strstr(text, POSSIBLE);
	if (possible != NULL && (possible == text || possible[-1] == '\n'))
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, "vodd: ", 6) == 0)
		text += 6;
	return text[0] != '\0' ? text : "it ended without a word";
}

static void
read_answer(void *context, uint32_t events)
{
	struct upgrade *upgrade = context;
	size_t room = sizeof(upgrade->text) - 1 - upgrade->used;
	const char *fault;
	ssize_t size = room == 0 ? 0
				 : read(upgrade->answer,
				       upgrade->text + upgrade->used, room);

	(void)events;
	if (size > 0) {
		upgrade->used += (size_t)size;
		return;
	}
	if (size == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if ((fault = fault_of(upgrade)) != NULL) {
		refuse(upgrade, upgrade->birth.origin->program, fault);
		return;
	}
	stop_asking(upgrade);
	upgrade->possible = true;
	upgrade->until_us = clock_monotonic_us() + WAIT_US;
	take_step(upgrade, clock_monotonic_us());
}

static void
ask_too_long(void *context, uint64_t now_us)
{
	struct upgrade *upgrade = context;

	(void)now_us;
	process_signal(upgrade->process, SIGKILL);
	refuse(upgrade, upgrade->birth.origin->program,
	    "it did not answer within 10 s");
}

static void
set_estate_variable(int estate)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", estate);
	setenv(ESTATE_VARIABLE, number, 1);
}

/* What it prints to anybody, it prints to us. */
static _Noreturn void
run_check(const struct upgrade_origin *origin, int estate, int table, int said)
{
	const char *arguments[256] = { origin->arguments[0], ASK_OPTION };
	sigset_t none;

	for (size_t i = 1; i + 2 < ARRAY_LENGTH(arguments); i++)
		if ((arguments[i + 1] = origin->arguments[i]) == NULL)
			break;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	set_estate_variable(estate);
	if (chdir(origin->folder) != 0 || dup2(said, STDOUT_FILENO) == -1 ||
	    dup2(said, STDERR_FILENO) == -1 || fcntl(estate, F_SETFD, 0) != 0 ||
	    fcntl(table, F_SETFD, 0) != 0) {
		dprintf(said, "%s: %s\n", origin->folder, strerror(errno));
		_exit(1);
	}
	execv(origin->program, (char *const *)(const void *)arguments);
	dprintf(said, "cannot be run: %s\n", strerror(errno));
	_exit(1);
}

static int
fork_check(struct upgrade *upgrade, const struct estate *estate, int memfd)
{
	int ends[2], error = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	if ((pid = fork()) == 0)
		run_check(upgrade->birth.origin, memfd, estate->table, ends[1]);
	if (pid == -1)
		error = -errno;
	close(ends[1]);
	upgrade->answer = ends[0];
	if (error == 0)
		error = upgrade->process = process_open(pid);
	return MIN_OF(error, 0);
}

static int
ask(struct upgrade *upgrade, const struct estate *estate)
{
	struct loop *loop = upgrade->birth.loop;
	int memfd = estate_write(estate);
	int error;

	if (memfd < 0)
		return memfd;
	upgrade->used = 0;
	error = fork_check(upgrade, estate, memfd);
	close(memfd);
	if (error == 0)
		error = loop_add(loop, &upgrade->watch, upgrade->answer,
		    EPOLLIN, read_answer, upgrade);
	if (error == 0)
		loop_timer_set(loop, &upgrade->timer,
		    clock_monotonic_us() + ASK_US, ask_too_long, upgrade);
	else
		stop_asking(upgrade);
	return error;
}

/* --- going ------------------------------------------------------------------
 */
/* Returns only when it failed: -errno, and everything is as before. */
static int
go(const struct upgrade *upgrade, const struct estate *estate)
{
	const struct upgrade_origin *origin = upgrade->birth.origin;
	int memfd = estate_write(estate);
	int error;

	if (memfd < 0)
		return memfd;
	log_flush();
	set_estate_variable(memfd);
	estate_keep(estate, true);
	if (chdir(origin->folder) == 0 && fcntl(memfd, F_SETFD, 0) == 0)
		execv(origin->program, origin->arguments);
	error = -errno;
	estate_keep(estate, false);
	unsetenv(ESTATE_VARIABLE);
	close(memfd);
	return error;
}

/* Ask, then go; each when all is quiet. */
static void
take_step(void *context, uint64_t now_us)
{
	struct upgrade *upgrade = context;
	struct estate estate;
	int error;

	estate_init(&estate);
	error = upgrade->birth.leave(
	    upgrade->birth.context, upgrade->possible, &estate);
	if (error == 0)
		error = upgrade->possible ? go(upgrade, &estate)
					  : ask(upgrade, &estate);
	estate_free(&estate);
	if (error == -EAGAIN && now_us < upgrade->until_us)
		loop_timer_set(upgrade->birth.loop, &upgrade->timer,
		    now_us + WAIT_LOOK_US, take_step, upgrade);
	else if (error == -EAGAIN)
		refuse(upgrade, "not now",
		    "workers are being replaced, see the log");
	else if (error != 0)
		refuse(
		    upgrade, upgrade->birth.origin->program, strerror(-error));
}

void
upgrade_begin(struct upgrade *upgrade)
{
	uint64_t now_us = clock_monotonic_us();

	upgrade->active = true;
	upgrade->possible = false;
	upgrade->until_us = now_us + WAIT_US;
	take_step(upgrade, now_us);
}

bool
upgrade_is_active(const struct upgrade *upgrade)
{
	return upgrade->active;
}

void
upgrade_stop(struct upgrade *upgrade)
{
	stop_asking(upgrade);
	upgrade->active = false;
}

int
upgrade_new(const struct upgrade_birth *birth, struct upgrade **out)
{
	struct upgrade *upgrade = calloc(1, sizeof(*upgrade));

	if (upgrade == NULL)
		return -ENOMEM;
	upgrade->birth = *birth;
	upgrade->answer = upgrade->process = -1;
	*out = upgrade;
	return 0;
}

void
upgrade_free(struct upgrade *upgrade)
{
	if (upgrade == NULL)
		return;
	stop_asking(upgrade);
	free(upgrade);
}

/* --- the new program
 * ----------------------------------------------------------
 */
bool
upgrade_is_asked(int *count, char **arguments)
{
	if (*count < 2 || strcmp(arguments[1], ASK_OPTION) != 0)
		return false;
	memmove(&arguments[1], &arguments[2],
	    (size_t)(*count - 1) * sizeof(arguments[0]));
	--*count;
	return true;
}

/* The memfd, which was told to us once; -1: none. */
static int
estate_descriptor(void)
{
	const char *text = getenv(ESTATE_VARIABLE);
	int fd = -1;

	if (text == NULL || sscanf(text, "%d", &fd) != 1 || fd <= STDERR_FILENO)
		fd = -1;
	unsetenv(ESTATE_VARIABLE);
	return fd;
}

/* Workers with a table that we cannot read end in time, beside ours. */
static int
check_table(
    const struct config *config, int fd, char error[static SETTINGS_ERROR_MAX])
{
	struct table *table;
	int result = table_take(fd, &table);

	if (result == -EPROTO)
		return resources_try_ports(config, error);
	if (result != 0)
		snprintf(error, SETTINGS_ERROR_MAX, "session table: %s",
		    strerror(-result));
	else
		table_close(table);
	return result;
}

int
upgrade_answer(
    const struct config *config, char error[static SETTINGS_ERROR_MAX])
{
	struct estate estate;
	int fd = estate_descriptor(), result;

	estate_init(&estate);
	result = fd == -1 ? -EBADF : estate_look(fd, &estate);
	if (result != 0) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "cannot read what the running instance leaves: %s",
		    estate.fault != NULL ? estate.fault : strerror(-result));
		return result;
	}
	if ((result = check_table(config, estate.table, error)) != 0)
		return result;
	fputs(POSSIBLE, stdout);
	return fflush(stdout) == 0 ? 0 : -EIO;
}

int
upgrade_inherit(struct estate *out)
{
	int fd = estate_descriptor(), result;

	if (fd == -1)
		return 0;
	result = estate_read(fd, out);
	close(fd);
	return result == 0 ? 1 : result;
}
