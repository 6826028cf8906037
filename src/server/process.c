/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads /proc/PID/stat, opens pidfds; who asks decides what it means.
 */
#include "server/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool
process_is_dead(pid_t pid)
{
	char path[32], text[512], *state;
	FILE *stream;
	size_t size;

	if (kill(pid, 0) != 0 && errno == ESRCH)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((stream = fopen(path, "re")) == NULL)
		return false;
	size = fread(text, 1, sizeof(text) - 1, stream);
	fclose(stream);
	text[size] = '\0';
	/* "PID (NAME) STATE", and NAME may hold anything (proc(5)). */
	state = strrchr(text, ')');
	return state != NULL && (state[2] == 'Z' || state[2] == 'X');
}

int
process_open(pid_t pid)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0);

	return process == -1 ? -errno : process;
}

int
process_signal(int process, int signal)
{
	return syscall(SYS_pidfd_send_signal, process, signal, NULL, 0) == 0
		   ? 0
		   : -errno;
}

bool
process_has_ended(int process)
{
	struct pollfd end = { .fd = process, .events = POLLIN };

	return poll(&end, 1, 0) == 1;
}
