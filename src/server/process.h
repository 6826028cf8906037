/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * process - what /proc tells about a process.
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

#endif
