/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pid file, its lock, and the status file.  Sending signals to a master is
 * control's work; what the status says is the master's.
 */
#include "server/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

#define SYSTEM_FOLDER "/run/vodd"

/* --- the folder -------------------------------------------------------------
 */
/* The umask shall not close a folder that others look into. */
static void
make_folder(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0)
		(void)chmod(path, mode);
}

static bool
system_folder(bool create, char path[static INSTANCE_FILE_MAX])
{
	if (create && geteuid() == 0)
		make_folder(SYSTEM_FOLDER, 0755);
	snprintf(path, INSTANCE_FILE_MAX, "%s", SYSTEM_FOLDER);
	return access(path, W_OK | X_OK) == 0;
}

/* Nobody else may have made it, or be able to put files there. */
static bool
own_folder(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
	       status.st_uid == geteuid() && (status.st_mode & 022) == 0;
}

static bool
session_folder(bool create, char path[static INSTANCE_FILE_MAX])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime == NULL || runtime[0] != '/' || !own_folder(runtime) ||
	    strlen(runtime) > INSTANCE_FILE_MAX / 2)
		return false;
	snprintf(path, INSTANCE_FILE_MAX, "%s/vodd", runtime);
	if (create)
		make_folder(path, 0700);
	/* Where it is missing nothing runs, but it would run there. */
	return own_folder(path) || !create;
}

static bool
temporary_folder(bool create, char path[static INSTANCE_FILE_MAX])
{
	snprintf(
	    path, INSTANCE_FILE_MAX, "/tmp/vodd-%lu", (unsigned long)geteuid());
	if (create)
		make_folder(path, 0700);
	return own_folder(path) || (!create && access(path, F_OK) != 0);
}

int
instance_locate(const char *name, bool create, struct instance *out,
    char error[static SETTINGS_ERROR_MAX])
{
	char folder[INSTANCE_FILE_MAX] = "";

	if (!system_folder(create, folder) && !session_folder(create, folder) &&
	    !temporary_folder(create, folder)) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "no folder for the pid file: %s cannot be written, and %s "
		    "is not a folder of this user that is closed to others",
		    SYSTEM_FOLDER, folder);
		return -EACCES;
	}
	*out = (struct instance){ .lock = -1 };
	snprintf(out->name, sizeof(out->name), "%s", name);
	snprintf(out->table, sizeof(out->table), "/vodd.%s", out->name);
	snprintf(out->pid_file, sizeof(out->pid_file), "%.180s/%s.pid", folder,
	    out->name);
	snprintf(out->status_file, sizeof(out->status_file), "%.180s/%s.status",
	    folder, out->name);
	return 0;
}

/* --- the lock ---------------------------------------------------------------
 */
pid_t
instance_master(const struct instance *instance)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	pid_t master = 0;
	int fd;

	fd = open(
	    instance->pid_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		master = lock.l_pid > 0 ? lock.l_pid : -1;
	close(fd);
	return master;
}

/* Locked, and still what stands under that name: 1; other file: 0. */
static int
lock_file(int fd, const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat ours, named;

	if (fcntl(fd, F_SETLK, &lock) != 0)
		return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
	if (fstat(fd, &ours) != 0)
		return -errno;
	return stat(path, &named) == 0 && ours.st_dev == named.st_dev &&
	       ours.st_ino == named.st_ino;
}

/*
 * A master that ends removes its file first and its lock then, so the file
 * that was opened may be gone by the time it is locked.
 */
int
instance_claim(struct instance *instance)
{
	char text[32];
	int fd, result;

	do {
		fd = open(instance->pid_file,
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd == -1)
			return -errno;
		result = lock_file(fd, instance->pid_file);
		if (result != 1)
			close(fd);
	} while (result == 0);
	if (result < 0)
		return result;

	snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (fchmod(fd, 0644) != 0 || ftruncate(fd, 0) != 0 ||
	    pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text)) {
		result = errno != 0 ? -errno : -EIO;
		unlink(instance->pid_file);
		close(fd);
		return result;
	}
	instance->lock = fd;
	return 0;
}

void
instance_release(struct instance *instance)
{
	if (instance->lock == -1)
		return;
	for (uint32_t lane = 0; lane < TABLE_LANES_MAX; lane++) {
		char door[INSTANCE_FILE_MAX];

		instance_door(instance, lane, door);
		unlink(door);
	}
	unlink(instance->status_file);
	unlink(instance->pid_file);
	instance_forget(instance);
}

void
instance_forget(struct instance *instance)
{
	if (instance->lock != -1)
		close(instance->lock);
	instance->lock = -1;
}

void
instance_door(const struct instance *instance, uint32_t lane,
    char path[static INSTANCE_FILE_MAX])
{
	const char *dot = strrchr(instance->pid_file, '.');

	snprintf(path, INSTANCE_FILE_MAX, "%.*s.lane-%lu",
	    (int)(dot - instance->pid_file), instance->pid_file,
	    (unsigned long)lane);
}

/* --- the status -------------------------------------------------------------
 */
static const char *const outcomes[INSTANCE_OUTCOME_COUNT] = { "none", "applied",
	"unchanged", "refused", "failed" };

static int
print_status(FILE *stream, const struct instance_status *status)
{
	fprintf(stream,
	    "pid %ld\nstate %s\nlisten %s\ngeneration %llu\n"
	    "reloads_begun %llu\nreloads_done %llu\noutcome %s\nmessage %s\n",
	    (long)getpid(), status->state, status->listen,
	    (unsigned long long)status->generation,
	    (unsigned long long)status->reloads_begun,
	    (unsigned long long)status->reloads_done, outcomes[status->outcome],
	    status->message);
	return ferror(stream) ? -EIO : 0;
}

int
instance_write_status(
    const struct instance *instance, const struct instance_status *status)
{
	char draft[INSTANCE_FILE_MAX + 8];
	FILE *stream;
	int result, fd;

	snprintf(draft, sizeof(draft), "%s.new", instance->status_file);
	fd = open(
	    draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd == -1)
		return -errno;
	if (fchmod(fd, 0644) != 0 || (stream = fdopen(fd, "w")) == NULL) {
		result = -errno;
		close(fd);
		return result;
	}
	result = print_status(stream, status);
	if (fclose(stream) != 0 && result == 0)
		result = -errno;
	if (result == 0 && rename(draft, instance->status_file) != 0)
		result = -errno;
	return result;
}

static void
take_line(const char *name, const char *value, struct instance_status *out)
{
	const struct {
		const char *name;
		uint64_t *number;
		char *text;
		size_t size;
	} fields[] = {
		{ "generation", &out->generation, NULL, 0 },
		{ "reloads_begun", &out->reloads_begun, NULL, 0 },
		{ "reloads_done", &out->reloads_done, NULL, 0 },
		{ "state", NULL, out->state, sizeof(out->state) },
		{ "message", NULL, out->message, sizeof(out->message) },
		{ "listen", NULL, out->listen, sizeof(out->listen) },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
		if (strcmp(name, fields[i].name) != 0)
			continue;
		if (fields[i].number != NULL)
			*fields[i].number = strtoull(value, NULL, 10);
		else
			snprintf(fields[i].text, fields[i].size, "%s", value);
	}
	for (int i = 0; i < INSTANCE_OUTCOME_COUNT; i++)
		if (strcmp(name, "outcome") == 0 &&
		    strcmp(value, outcomes[i]) == 0)
			out->outcome = (enum instance_outcome)i;
}

int
instance_read_status(
    const struct instance *instance, struct instance_status *out)
{
	char line[2048], *value;
	FILE *stream;

	if ((stream = fopen(instance->status_file, "re")) == NULL)
		return -errno;
	memset(out, 0, sizeof(*out));
	while (fgets(line, sizeof(line), stream) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if ((value = strchr(line, ' ')) == NULL)
			continue;
		*value++ = '\0';
		take_line(line, value, out);
	}
	fclose(stream);
	return 0;
}
