/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sandbox - what a worker may still do once it serves: read below the media
 * root and talk to the sockets it has.
 */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

/*
 * Landlock (file access: reading below MEDIA_ROOT only) and seccomp (the system
 * calls a worker makes), as far as the kernel has them; before threads exist,
 * and for good. 0 or -errno.
 */
int sandbox_enter(int media_root);

#endif
