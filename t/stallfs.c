/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stallfs SOURCE MOUNTPOINT: a file system that shows the files of SOURCE and
 * does with them what disks and networks do on bad days.  Beside a file NAME
 *
 *   NAME.stall   its reads wait until this is gone
 *   NAME.hang    everything that is asked of it does
 *   NAME.error   its reads fail, EIO
 *
 * Nothing is cached by the kernel.  What waits is not given up when the asker
 * is killed, as a dead server wouldn't either; it ends with this process.
 */
#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int source;

static bool
says(const char *path, const char *what)
{
	char name[PATH_MAX];

	if ((size_t)snprintf(name, sizeof(name), "%s.%s", path + 1, what) >=
	    sizeof(name))
		return false;
	return faccessat(source, name, F_OK, 0) == 0;
}

static void
wait_while(const char *path, const char *what)
{
	while (says(path, what))
		poll(NULL, 0, 2);
}

static int
get_attributes(const char *path, struct stat *out, struct fuse_file_info *file)
{
	(void)file;
	wait_while(path, "hang");
	if (fstatat(source, path[1] != '\0' ? path + 1 : ".", out,
		AT_SYMLINK_NOFOLLOW) == -1)
		return -errno;
	return 0;
}

static int
open_file(const char *path, struct fuse_file_info *file)
{
	int fd;

	wait_while(path, "hang");
	fd = openat(source, path + 1, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -errno;
	file->fh = (uint64_t)fd;
	file->direct_io = 1;
	return 0;
}

static int
read_file(const char *path, char *out, size_t size, off_t offset,
    struct fuse_file_info *file)
{
	ssize_t got;

	wait_while(path, "hang");
	wait_while(path, "stall");
	if (says(path, "error"))
		return -EIO;
	got = pread((int)file->fh, out, size, offset);
	return got == -1 ? -errno : (int)got;
}

/* Asked at each close(2), which waits for the answer. */
static int
flush_file(const char *path, struct fuse_file_info *file)
{
	(void)file;
	wait_while(path, "hang");
	return 0;
}

static int
release_file(const char *path, struct fuse_file_info *file)
{
	(void)path;
	close((int)file->fh);
	return 0;
}

static void *
begin(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->entry_timeout = 0;
	config->attr_timeout = 0;
	config->negative_timeout = 0;
	config->use_ino = 1;
	return NULL;
}

static const struct fuse_operations operations = {
	.init = begin,
	.getattr = get_attributes,
	.open = open_file,
	.read = read_file,
	.flush = flush_file,
	.release = release_file,
};

int
main(int argc, char **argv)
{
	/* Workers may run as another user; only root may let them in. */
	char *words[] = { argv[0], (char[]){ "-f" }, argv[argc - 1],
		(char[]){ "-oallow_other,default_permissions" }, NULL };

	if (argc != 3) {
		fputs("usage: stallfs SOURCE MOUNTPOINT\n", stderr);
		return 2;
	}
	source = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source == -1) {
		perror(argv[1]);
		return 1;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return fuse_main(getuid() == 0 ? 4 : 3, words, &operations, NULL);
}
