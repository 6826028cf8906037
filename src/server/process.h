/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * process - another process: what /proc tells about it, and a hold on it by
 * which it can be watched and signalled though it is no child.
 */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * No instruction of its first thread runs again: it is gone, or a zombie that
 * nobody has waited for, or is kept from ending by another thread that hangs
 * in the kernel.
 */
bool process_is_dead(pid_t pid);

/*
 * A pidfd (readable when the process has ended), for the caller to close, or
 * -errno.  Of somebody else's process the caller knows that it lived behind
 * this.
 */
int process_open(pid_t pid);
int process_signal(int process, int signal); /* 0 or -errno */
bool process_has_ended(int process); /* also one that nobody waited for */

#endif
