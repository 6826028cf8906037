/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One number in one file.  keepalived looks when a file is written or moved to
 * its name.
 */
#include "balancer/track.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
track_name(
    const char *service, const char *server, char out[static TRACK_NAME_MAX])
{
	snprintf(out, TRACK_NAME_MAX, "%.*s-%.*s", RULES_NAME_MAX - 2, service,
	    RULES_WORD_MAX - 1, server);
	for (char *at = out; *at != '\0'; at++) {
		if (strchr("/:[]%", *at) != NULL)
			*at = '_';
	}
}

int
track_write(const char *folder, const char *service, const char *server,
    uint32_t weight)
{
	char name[TRACK_NAME_MAX], file[PATH_MAX], draft[PATH_MAX + 8];
	char text[16];
	int length = snprintf(text, sizeof(text), "%u\n", weight);
	int fd, result = 0;

	track_name(service, server, name);
	if (snprintf(file, sizeof(file), "%s/%s", folder, name) >=
	    (int)sizeof(file))
		return -ENAMETOOLONG;
	snprintf(draft, sizeof(draft), "%s.new", file);
	fd = open(
	    draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd == -1)
		return -errno;
	if (write(fd, text, (size_t)length) != length)
		result = -EIO;
	if (close(fd) != 0 && result == 0)
		result = -errno;
	if (result == 0 && rename(draft, file) != 0)
		result = -errno;
	if (result != 0)
		unlink(draft);
	return result;
}
