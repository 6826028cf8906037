/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child with three pipes.  What its words mean is not known here.
 */
#include "balancer/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"

#define COMPLAINT_MAX 256

enum { IN, OUT, ERR, PIPES };

struct child {
	pid_t pid;
	int ours[PIPES], theirs[PIPES]; /* -1: closed */
	uint64_t until_us;
	const char *input;
	size_t input_left;
	char *output;
	size_t room, size;
	bool too_long; /* it said more than there is room for */
	char complaint[COMPLAINT_MAX];
	size_t complaint_size;
};

static void
pipe_close(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static int
pipes_open(struct child *child)
{
	for (int i = 0; i < PIPES; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) != 0)
			return -errno;
		child->ours[i] = ends[i == IN ? 1 : 0];
		child->theirs[i] = ends[i == IN ? 0 : 1];
		if (fcntl(child->ours[i], F_SETFL, O_NONBLOCK) != 0)
			return -errno;
	}
	return 0;
}

/* With signals as a program expects them, not as our loop has them. */
static int
spawn(struct child *child, const char *const *words)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		    locale[] = "LC_ALL=C";
	char *environment[] = { path, locale, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, piped;
	int error;

	sigemptyset(&none);
	sigemptyset(&piped);
	sigaddset(&piped, SIGPIPE);
	if ((error = posix_spawnattr_init(&attributes)) != 0)
		return -error;
	if ((error = posix_spawn_file_actions_init(&actions)) != 0) {
		posix_spawnattr_destroy(&attributes);
		return -error;
	}
	posix_spawnattr_setflags(
	    &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &piped);
	for (int i = 0; i < PIPES && error == 0; i++)
		error = posix_spawn_file_actions_adddup2(
		    &actions, child->theirs[i], i);
	if (error == 0)
		error = posix_spawn(&child->pid, words[0], &actions,
		    &attributes, (char *const *)(uintptr_t)words, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	for (int i = 0; i < PIPES; i++)
		pipe_close(&child->theirs[i]);
	return -error;
}

/* --- talking to it ---------------------------------------------------------
 */
static void
feed(struct child *child)
{
	ssize_t count = write(child->ours[IN], child->input, child->input_left);

	if (count == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count > 0) {
		child->input += count;
		child->input_left -= (size_t)count;
	}
	if (count == -1 || child->input_left == 0)
		pipe_close(&child->ours[IN]);
}

/* What does not fit is read nevertheless: it is to come to its end. */
static void
hear(int *fd, char *text, size_t room, size_t *size, bool *too_long)
{
	char rest[4096];
	bool full = *size == room;
	ssize_t count = full ? read(*fd, rest, sizeof(rest))
			     : read(*fd, text + *size, room - *size);

	if (count == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0)
		pipe_close(fd);
	else if (full)
		*too_long = true;
	else
		*size += (size_t)count;
}

static int
left_ms(const struct child *child)
{
	uint64_t now_us = clock_monotonic_us();

	if (now_us >= child->until_us)
		return 0;
	return (int)((child->until_us - now_us) / US_PER_MS + 1);
}

static int
talk(struct child *child)
{
	bool ignored;

	if (child->input_left == 0)
		pipe_close(&child->ours[IN]);
	while (child->ours[OUT] != -1 || child->ours[ERR] != -1) {
		struct pollfd polled[PIPES] = {
			[IN] = { child->ours[IN], POLLOUT, 0 },
			[OUT] = { child->ours[OUT], POLLIN, 0 },
			[ERR] = { child->ours[ERR], POLLIN, 0 },
		};
		int count = poll(polled, PIPES, left_ms(child));

		if (count == -1 && errno != EINTR)
			return -errno;
		if (count <= 0 && left_ms(child) == 0)
			return -ETIMEDOUT;
		if (polled[IN].revents != 0)
			feed(child);
		if (polled[OUT].revents != 0)
			hear(&child->ours[OUT], child->output, child->room,
			    &child->size, &child->too_long);
		if (polled[ERR].revents != 0)
			hear(&child->ours[ERR], child->complaint,
			    sizeof(child->complaint) - 1,
			    &child->complaint_size, &ignored);
	}
	return 0;
}

/* Its end: 0 or -ETIMEDOUT; then it is killed. */
static int
reap(struct child *child, int result, int *status)
{
	int process = (int)syscall(SYS_pidfd_open, child->pid, 0);
	struct pollfd polled = { process, POLLIN, 0 };

	if (result == 0 && process != -1) {
		int count;

		while ((count = poll(&polled, 1, left_ms(child))) == -1 &&
		       errno == EINTR)
			;
		if (count == 0)
			result = -ETIMEDOUT;
	}
	if (process != -1)
		close(process);
	if (result != 0)
		kill(child->pid, SIGKILL);
	while (waitpid(child->pid, status, 0) == -1 && errno == EINTR)
		;
	return result;
}

/* --- what came of it -------------------------------------------------------
 */
static int
complain(const struct child *child, int status,
    char error[static SETTINGS_ERROR_MAX])
{
	size_t length = strcspn(child->complaint, "\n");

	for (size_t i = 0; i < length; i++) {
		char c = child->complaint[i];

		error[i] = '?';
		if (c >= ' ' && c <= '~')
			error[i] = c;
	}
	error[length] = '\0';
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (length > 0)
		return -EIO;
	if (WIFSIGNALED(status))
		snprintf(error, SETTINGS_ERROR_MAX, "killed by signal %d",
		    WTERMSIG(status));
	else
		snprintf(error, SETTINGS_ERROR_MAX, "exit status %d",
		    WEXITSTATUS(status));
	return -EIO;
}

int
command_run(const struct command *command, char *output, size_t room,
    size_t *size, char error[static SETTINGS_ERROR_MAX])
{
	struct child child = {
		.ours = { -1, -1, -1 },
		.theirs = { -1, -1, -1 },
		.until_us = clock_monotonic_us() + command->limit_us,
		.input = command->input,
		.input_left = command->input_size,
		.output = output,
		.room = room,
	};
	int status = 0, result;

	if ((result = pipes_open(&child)) == 0 &&
	    (result = spawn(&child, command->words)) == 0)
		result = reap(&child, talk(&child), &status);
	for (int i = 0; i < PIPES; i++) {
		pipe_close(&child.ours[i]);
		pipe_close(&child.theirs[i]);
	}
	if (result != 0) {
		snprintf(error, SETTINGS_ERROR_MAX, "%s", strerror(-result));
		return result;
	}
	if (child.too_long) {
		snprintf(error, SETTINGS_ERROR_MAX, "it says too much");
		return -EFBIG;
	}
	if ((result = complain(&child, status, error)) == 0)
		*size = child.size;
	return result;
}
