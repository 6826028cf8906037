/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both sides of the question.  Much of /proc is closed to a master that has
 * given up its rights: what cannot be had is left out.
 */
#include "server/trace.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "base/log.h"

/* Nobody sends it by habit. */
#define TRACE_SIGNAL SIGPROF
#define FRAMES_MAX 32
#define FILE_TEXT_MAX 1024

/* --- the worker
 * -------------------------------------------------------------------
 */
static const int *answer_channel;

/* The loop stands still, so nothing else is written meanwhile. */
static void
answer(int number)
{
	void *frames[FRAMES_MAX];
	int error = errno, count = backtrace(frames, FRAMES_MAX);

	(void)number;
	for (int i = 0; i < count; i++) {
		const struct fdstore_message message = {
			.kind = FDSTORE_TRACE,
			.connection = (uint32_t)i,
			.cookie = (uintptr_t)frames[i],
		};

		(void)sock_send_fds(
		    *answer_channel, &message, sizeof(message), NULL, 0);
	}
	errno = error;
}

void
trace_answer(const int *channel)
{
	const struct sigaction action = { .sa_handler = answer,
		.sa_flags = SA_RESTART };
	void *frame;

	answer_channel = channel;
	/* The first call loads a library. */
	(void)backtrace(&frame, 1);
	sigaction(TRACE_SIGNAL, &action, NULL);
}

/* --- the master
 * -------------------------------------------------------------------
 */
/* Of a thread; its lines as one, "": not for us. */
static const char *
read_task(pid_t pid, const char *tid, const char *name,
    char text[static FILE_TEXT_MAX])
{
	char path[300];
	ssize_t size = 0;
	int fd;

	snprintf(
	    path, sizeof(path), "/proc/%d/task/%s/%s", (int)pid, tid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1) {
		size = read(fd, text, FILE_TEXT_MAX - 1);
		close(fd);
	}
	text[MAX_OF(size, 0)] = '\0';
	for (char *at = text; (at = strchr(at, '\n')) != NULL;)
		*at = at[1] == '\0' ? '\0' : ' ';
	return text;
}

/* "PID (NAME) STATE", and NAME may hold anything (proc(5)). */
static int
read_state(pid_t pid, const char *tid)
{
	char text[FILE_TEXT_MAX];
	const char *end = strrchr(read_task(pid, tid, "stat", text), ')');

	return end != NULL && end[1] == ' ' ? end[2] : '?';
}

static void
log_thread(uint32_t lane, pid_t pid, const char *tid)
{
	static const char *const files[] = { "wchan", "syscall", "stack" };
	char name[FILE_TEXT_MAX], value[FILE_TEXT_MAX], more[LOG_LINE_MAX];
	size_t used = 0;

	more[0] = '\0';
	for (size_t i = 0; i < ARRAY_LENGTH(files) && used < sizeof(more);
	     i++) {
		read_task(pid, tid, files[i], value);
		/* Of another user's process the wait channel is said to be 0.
		 */
		if (value[0] == '\0' || strcmp(value, "0") == 0)
			continue;
		used += (size_t)snprintf(more + used, sizeof(more) - used,
		    " %s=\"%s\"", files[i], value);
	}
	log_error("master",
	    "worker hangs: thread lane=%u pid=%d tid=%s name=\"%s\" "
	    "state=%c%s",
	    lane, (int)pid, tid, read_task(pid, tid, "comm", name),
	    read_state(pid, tid), more);
}

void
trace_ask(uint32_t lane, pid_t pid)
{
	struct dirent *entry;
	char path[32];
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	if ((folder = opendir(path)) != NULL) {
		while ((entry = readdir(folder)) != NULL)
			if (entry->d_name[0] != '.')
				log_thread(lane, pid, entry->d_name);
		closedir(folder);
	}
	(void)syscall(SYS_tgkill, pid, pid, TRACE_SIGNAL);
}

void
trace_log(uint32_t lane, pid_t pid, const struct fdstore_message *message)
{
	void *address = (void *)(uintptr_t)message->cookie;
	char **names = backtrace_symbols(&address, 1);

	log_error("master",
	    "worker hangs: frame lane=%u pid=%d number=%u where=\"%s\"", lane,
	    (int)pid, message->connection,
	    names != NULL ? names[0] : "unknown");
	free(names);
}
