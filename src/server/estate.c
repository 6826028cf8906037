/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The items of an estate, one row of a table for each kind: written by walking
 * the estate, read by taking one after the other.  Who hands what to whom, and
 * what becomes of it, is decided elsewhere (orphan, heir, upgrade, crew).
 */
#include "server/estate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "server/process.h"

#define ESTATE_MAGIC UINT64_C(0x65746174736564ff) /* roughly "\377destate" */
/* Of one memfd: each lane's connections, and the little else there is. */
#define ITEMS_MAX (UINT32_C(1) << 21)

enum kind {
	SEED = 1,
	TABLE,
	SHARED_ROOT,
	LOG,
	LOCK,
	LISTENER,
	STATE,
	MEDIA_ROOT,
	RTP,
	RTCP,
	DOOR,
	CHANNEL,
	PROCESS,
	CONNECTION,
	END,
	KIND_COUNT
};

/* What a reader sees first; magic and version stay where they are for ever. */
struct header {
	uint64_t magic;
	uint32_t version;
	uint32_t item_bytes;
};

struct item {
	uint32_t kind;
	uint32_t lane;
	uint32_t record;
	int32_t fd; /* in a memfd; -1: none */
	uint64_t value;
};

static const struct header header = {
	.magic = ESTATE_MAGIC,
	.version = ESTATE_VERSION,
	.item_bytes = sizeof(struct item),
};

static const struct estate_lane no_lane = {
	.process = -1,
	.media_root = -1,
	.channel = -1,
	.door = -1,
	.pairs = { { .rtp = -1, .rtcp = -1 }, { .rtp = -1, .rtcp = -1 } },
};

void
estate_init(struct estate *estate)
{
	*estate = (struct estate){
		.table = -1, .media_root = -1, .log = -1, .lock = -1
	};
	for (size_t i = 0; i < ARRAY_LENGTH(estate->lanes); i++)
		estate->lanes[i] = no_lane;
}

void
estate_free(struct estate *estate)
{
	free(estate->connections);
	estate_init(estate);
}

bool
estate_is_alive(const struct estate *estate)
{
	for (size_t i = 0; i < ARRAY_LENGTH(estate->lanes); i++)
		if (estate->lanes[i].pid != 0)
			return true;
	return false;
}

int
estate_add_connection(struct estate *estate, uint32_t lane, uint32_t record,
    uint64_t cookie, int fd)
{
	uint32_t count = estate->connection_count;
	struct estate_connection *grown;

	if ((count & (count - 1)) == 0) {
		grown = reallocarray(estate->connections,
		    count == 0 ? 1 : 2 * (size_t)count, sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		estate->connections = grown;
	}
	estate->connections[estate->connection_count++] =
	    (struct estate_connection){
		    .lane = lane, .record = record, .cookie = cookie, .fd = fd
	    };
	return 0;
}

/* --- walking ----------------------------------------------------------------
 */
typedef int item_action(void *context, const struct item *item);

static int
walk_lane(const struct estate *estate, uint32_t number, item_action *action,
    void *context)
{
	const struct estate_lane *lane = &estate->lanes[number];
	const struct item items[] = {
		{ .kind = MEDIA_ROOT, .fd = lane->media_root },
		{ .kind = RTP, .fd = lane->pairs[0].rtp },
		{ .kind = RTCP, .fd = lane->pairs[0].rtcp },
		{ .kind = RTP, .record = 1, .fd = lane->pairs[1].rtp },
		{ .kind = RTCP, .record = 1, .fd = lane->pairs[1].rtcp },
		{ .kind = DOOR, .fd = lane->door },
		{ .kind = CHANNEL,
		    .fd = lane->channel,
		    .value = (uint64_t)lane->pid },
		{ .kind = PROCESS, .fd = lane->process },
	};
	const struct item state = {
		.kind = STATE, .lane = number, .fd = -1, .value = lane->state
	};
	int error = lane->state == 0 ? 0 : action(context, &state);

	for (size_t i = 0; i < ARRAY_LENGTH(items) && error == 0; i++) {
		struct item item = items[i];

		item.lane = number;
		if (item.fd != -1)
			error = action(context, &item);
	}
	return error;
}

static int
walk_connections(
    const struct estate *estate, item_action *action, void *context)
{
	int error = 0;

	for (uint32_t i = 0; i < estate->connection_count && error == 0; i++) {
		const struct estate_connection *connection =
		    &estate->connections[i];
		const struct item item = {
			.kind = CONNECTION,
			.lane = connection->lane,
			.record = connection->record,
			.fd = connection->fd,
			.value = connection->cookie,
		};

		error = action(context, &item);
	}
	return error;
}

/* ACTION on each item that there is; stops at the first that is not 0. */
static int
walk(const struct estate *estate, item_action *action, void *context)
{
	const struct item items[] = {
		{ .kind = TABLE, .fd = estate->table },
		{ .kind = SHARED_ROOT, .fd = estate->media_root },
		{ .kind = LOG, .fd = estate->log },
		{ .kind = LOCK, .fd = estate->lock },
	};
	struct item item = {
		.kind = SEED, .fd = -1, .value = estate->hash_seed
	};
	int error = action(context, &item);

	for (size_t i = 0; i < ARRAY_LENGTH(items) && error == 0; i++)
		if (items[i].fd != -1)
			error = action(context, &items[i]);
	for (unsigned i = 0; i < estate->listener_count && error == 0; i++) {
		item = (struct item){ .kind = LISTENER,
			.fd = estate->listeners[i] };
		error = action(context, &item);
	}
	for (uint32_t i = 0; i < TABLE_LANES_MAX && error == 0; i++)
		error = walk_lane(estate, i, action, context);
	if (error == 0)
		error = walk_connections(estate, action, context);
	return error;
}

static int
close_item(void *context, const struct item *item)
{
	(void)context;
	if (item->fd != -1)
		close(item->fd);
	return 0;
}

void
estate_close(struct estate *estate)
{
	walk(estate, close_item, NULL);
	estate_free(estate);
}

static int
keep_item(void *context, const struct item *item)
{
	const bool *over_exec = context;

	if (item->fd != -1)
		fcntl(item->fd, F_SETFD, *over_exec ? 0 : FD_CLOEXEC);
	return 0;
}

void
estate_keep(const struct estate *estate, bool over_exec)
{
	walk(estate, keep_item, &over_exec);
}

/* --- taking ----------------------------------------------------------------
 */
static int
take_one(int *into, int fd)
{
	if (*into != -1)
		return -EEXIST;
	*into = fd;
	return 0;
}

static int
take_seed(struct estate *estate, const struct item *item)
{
	estate->hash_seed = item->value;
	return 0;
}

/* Its contents are table/'s to check. */
static int
take_table(struct estate *estate, const struct item *item)
{
	struct stat status;

	if (fstat(item->fd, &status) != 0 || !S_ISREG(status.st_mode) ||
	    status.st_uid != geteuid() ||
	    (fcntl(item->fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return -EBADMSG;
	return take_one(&estate->table, item->fd);
}

static int
take_file(int *into, mode_t type, int fd)
{
	struct stat status;

	if (fstat(fd, &status) != 0 || (status.st_mode & S_IFMT) != type)
		return -EBADMSG;
	return take_one(into, fd);
}

static int
take_shared_root(struct estate *estate, const struct item *item)
{
	return take_file(&estate->media_root, S_IFDIR, item->fd);
}

static int
take_state(struct estate *estate, const struct item *item)
{
	estate->lanes[item->lane].state = (unsigned)item->value;
	return 0;
}

static int
take_media_root(struct estate *estate, const struct item *item)
{
	return take_file(
	    &estate->lanes[item->lane].media_root, S_IFDIR, item->fd);
}

static int
take_log(struct estate *estate, const struct item *item)
{
	return take_file(&estate->log, S_IFREG, item->fd);
}

static int
take_lock(struct estate *estate, const struct item *item)
{
	return take_file(&estate->lock, S_IFREG, item->fd);
}

static int
take_listener(struct estate *estate, const struct item *item)
{
	if (sock_kind(item->fd) != SOCK_KIND_LISTENER)
		return -EBADMSG;
	if (estate->listener_count == SETTINGS_LIST_MAX)
		return -E2BIG;
	estate->listeners[estate->listener_count++] = item->fd;
	return 0;
}

static int
take_udp(struct estate *estate, const struct item *item)
{
	struct sock_pair *pair;
	union sock_address address;
	socklen_t length = sizeof(address);
	uint16_t port;

	if (item->record >= 2 || sock_kind(item->fd) != SOCK_KIND_UDP ||
	    getsockname(item->fd, &address.any, &length) != 0 ||
	    address.family != (item->record == 0 ? AF_INET : AF_INET6))
		return -EBADMSG;
	pair = &estate->lanes[item->lane].pairs[item->record];
	port = sock_address_port(&address) & 0xfffe;
	if (sock_address_port(&address) !=
	    (item->kind == RTP ? port : port + 1))
		return -EBADMSG;
	if (pair->family != 0 && pair->port != port)
		return -EBADMSG;
	pair->family = address.family;
	pair->port = port;
	return take_one(item->kind == RTP ? &pair->rtp : &pair->rtcp, item->fd);
}

static int
take_door(struct estate *estate, const struct item *item)
{
	if (sock_kind(item->fd) != SOCK_KIND_LOCAL_LISTENER)
		return -EBADMSG;
	return take_one(&estate->lanes[item->lane].door, item->fd);
}

static int
take_channel(struct estate *estate, const struct item *item)
{
	struct estate_lane *lane = &estate->lanes[item->lane];

	if (sock_kind(item->fd) != SOCK_KIND_CHANNEL || item->value == 0 ||
	    item->value > INT32_MAX || lane->channel != -1)
		return -EBADMSG;
	lane->channel = item->fd;
	lane->pid = (pid_t)item->value;
	return 0;
}

static int
take_process(struct estate *estate, const struct item *item)
{
	int error = process_signal(item->fd, 0);

	if (error != 0 && error != -ESRCH)
		return -EBADMSG;
	return take_one(&estate->lanes[item->lane].process, item->fd);
}

static int
take_connection(struct estate *estate, const struct item *item)
{
	if (sock_kind(item->fd) != SOCK_KIND_CONNECTION ||
	    sock_cookie(item->fd) != item->value)
		return -EBADMSG;
	return estate_add_connection(
	    estate, item->lane, item->record, item->value, item->fd);
}

/* clang-format off */
static const struct {
	const char *name;
	bool has_fd;
	int (*take)(struct estate *estate, const struct item *item);
} kinds[KIND_COUNT] = {
	[SEED]         = { "seed",              false, take_seed },
	[TABLE]        = { "table",             true,  take_table },
	[SHARED_ROOT]  = { "media root",        true,  take_shared_root },
	[LOG]          = { "log file",          true,  take_log },
	[LOCK]         = { "pid file",          true,  take_lock },
	[LISTENER]     = { "listener",          true,  take_listener },
	[STATE]        = { "state",             false, take_state },
	[MEDIA_ROOT]   = { "lane's media root", true,  take_media_root },
	[RTP]          = { "RTP socket",        true,  take_udp },
	[RTCP]         = { "RTCP socket",       true,  take_udp },
	[DOOR]         = { "door",              true,  take_door },
	[CHANNEL]      = { "channel",           true,  take_channel },
	[PROCESS]      = { "process",           true,  take_process },
	[CONNECTION]   = { "connection",        true,  take_connection },
	[END]          = { "end",               false, NULL },
};
/* clang-format on */

/* A pair has both its sockets. */
static bool
is_whole(const struct estate *estate)
{
	for (size_t i = 0; i < ARRAY_LENGTH(estate->lanes); i++)
		for (size_t k = 0; k < 2; k++) {
			const struct sock_pair *pair =
			    &estate->lanes[i].pairs[k];

			if ((pair->rtp == -1) != (pair->rtcp == -1))
				return false;
		}
	return estate->table != -1;
}

static bool
is_known(const struct item *item, struct estate *estate)
{
	if (item->kind >= KIND_COUNT || kinds[item->kind].name == NULL) {
		estate->fault = "an unknown item";
		return false;
	}
	estate->fault = kinds[item->kind].name;
	return item->lane < TABLE_LANES_MAX &&
	       kinds[item->kind].has_fd == (item->fd != -1);
}

/* Takes the item's descriptor.  1: that was the last one; 0 or -errno. */
static int
take(struct estate *estate, const struct item *item)
{
	int error = -EBADMSG;

	if (is_known(item, estate)) {
		if (item->kind == END)
			return is_whole(estate) ? 1 : -EBADMSG;
		error = kinds[item->kind].take(estate, item);
	}
	if (error != 0 && item->fd != -1)
		close(item->fd);
	return error;
}

/* 0, -EPROTO: another version, -EBADMSG: no estate at all. */
static int
check_header(const struct header *read, size_t size, struct estate *out)
{
	out->fault = "no header";
	if (size < sizeof(*read) || read->magic != header.magic)
		return -EBADMSG;
	out->fault = "another version";
	return read->version == header.version &&
		       read->item_bytes == header.item_bytes
		   ? 0
		   : -EPROTO;
}

/* --- in a memfd --------------------------------------------------------------
 */
static int
write_item(void *context, const struct item *item)
{
	const int *fd = context;

	return write(*fd, item, sizeof(*item)) == (ssize_t)sizeof(*item) ? 0
									 : -EIO;
}

int
estate_write(const struct estate *estate)
{
	const struct item end = { .kind = END, .fd = -1 };
	int fd = memfd_create("vodd estate", MFD_CLOEXEC);
	int error = 0;

	if (fd == -1)
		return -errno;
	if (write(fd, &header, sizeof(header)) != (ssize_t)sizeof(header))
		error = -EIO;
	if (error == 0)
		error = walk(estate, write_item, &fd);
	if (error == 0)
		error = write_item(&fd, &end);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

/* None that another item has named already, or that is not open at all. */
static int
take_kept(struct estate *estate, const struct item *item)
{
	int flags = item->fd == -1 ? 0 : fcntl(item->fd, F_GETFD);

	if (flags != 0) {
		estate->fault = "a descriptor that was not kept";
		return -EBADF;
	}
	if (item->fd != -1)
		fcntl(item->fd, F_SETFD, FD_CLOEXEC);
	return take(estate, item);
}

static int
look_at(struct estate *estate, const struct item *item)
{
	if (!is_known(item, estate))
		return -EBADMSG;
	if (item->kind == TABLE)
		estate->table = item->fd;
	return item->kind == END;
}

static int
read_items(int fd, struct estate *out,
    int (*use)(struct estate *estate, const struct item *item))
{
	struct header first;
	struct item item;
	off_t at = sizeof(first);
	ssize_t size = pread(fd, &first, sizeof(first), 0);
	int result;

	if (size < 0)
		return -errno;
	result = check_header(&first, (size_t)size, out);
	for (uint32_t i = 0; result == 0 && i < ITEMS_MAX; i++) {
		size = pread(fd, &item, sizeof(item), at);
		at += (off_t)sizeof(item);
		out->fault = "cut off";
		result =
		    size == (ssize_t)sizeof(item) ? use(out, &item) : -EBADMSG;
	}
	if (result == 1)
		out->fault = NULL;
	return result == 1 ? 0 : result == 0 ? -EBADMSG : result;
}

int
estate_read(int fd, struct estate *out)
{
	return read_items(fd, out, take_kept);
}

int
estate_look(int fd, struct estate *out)
{
	return read_items(fd, out, look_at);
}

/* --- over a channel ---------------------------------------------------------
 */
/* Who asks an orphan has a channel to it, and stores what it is told to. */
static bool
is_for_memfd(const struct item *item)
{
	return item->kind == CHANNEL || item->kind == PROCESS ||
	       item->kind == CONNECTION;
}

static int
send_item(void *context, const struct item *item)
{
	const int *channel = context;
	struct item sent = *item;

	if (is_for_memfd(item))
		return 0;
	sent.fd = -1;
	return sock_send_fds(
	    *channel, &sent, sizeof(sent), &item->fd, item->fd == -1 ? 0 : 1);
}

int
estate_send(const struct estate *estate, int channel)
{
	const struct item end = { .kind = END, .fd = -1 };
	int error = sock_send_fds(channel, &header, sizeof(header), NULL, 0);

	if (error == 0)
		error = walk(estate, send_item, &channel);
	if (error == 0)
		error = send_item(&channel, &end);
	return error;
}

static int
receive_header(int channel, struct estate *out)
{
	struct header received;
	size_t count = 0;
	ssize_t size = sock_receive_fds(
	    channel, &received, sizeof(received), NULL, 0, &count);

	out->fault = "a message that is no header";
	if (size <= 0)
		return size == 0 ? -ECONNRESET : (int)size;
	out->begun = true;
	return check_header(&received, (size_t)size, out);
}

static int
receive_item(int channel, struct estate *out)
{
	struct item item;
	size_t count = 0;
	int fd = -1;
	ssize_t size =
	    sock_receive_fds(channel, &item, sizeof(item), &fd, 1, &count);

	out->fault = "a message that is no item";
	if (size <= 0)
		return size == 0 ? -ECONNRESET : (int)size;
	if (size != (ssize_t)sizeof(item)) {
		if (count == 1)
			close(fd);
		return -EBADMSG;
	}
	item.fd = count == 1 ? fd : -1;
	if (is_for_memfd(&item))
		item.kind = KIND_COUNT;
	return take(out, &item);
}

int
estate_receive(int channel, struct estate *out)
{
	int result;

	do
		result = out->begun ? receive_item(channel, out)
				    : receive_header(channel, out);
	while (result == 0);
	if (result == 1)
		out->fault = NULL;
	else if (result == -ECONNRESET)
		out->fault = "it broke off";
	return result;
}

/* --- merging ----------------------------------------------------------------
 */
static bool
same_file(int a, int b)
{
	struct stat left, right;

	return fstat(a, &left) == 0 && fstat(b, &right) == 0 &&
	       left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

static void
merge_one(int *into, int *from)
{
	if (*into == -1) {
		*into = *from;
		*from = -1;
	}
}

static bool
has_listener(const struct estate *estate, int fd)
{
	for (unsigned i = 0; i < estate->listener_count; i++)
		if (sock_cookie(estate->listeners[i]) == sock_cookie(fd))
			return true;
	return false;
}

static void
merge_listeners(struct estate *whole, struct estate *part)
{
	unsigned left = 0;

	for (unsigned i = 0; i < part->listener_count; i++) {
		int fd = part->listeners[i];

		if (whole->listener_count == SETTINGS_LIST_MAX ||
		    has_listener(whole, fd))
			part->listeners[left++] = fd;
		else
			whole->listeners[whole->listener_count++] = fd;
	}
	part->listener_count = left;
}

bool
estate_merge(struct estate *whole, struct estate *part, uint32_t lane)
{
	if (whole->table != -1 && !same_file(whole->table, part->table))
		return false;
	if (whole->table == -1)
		whole->hash_seed = part->hash_seed;
	merge_one(&whole->table, &part->table);
	merge_listeners(whole, part);
	whole->lanes[lane] = part->lanes[lane];
	part->lanes[lane] = no_lane;
	estate_close(part); /* what WHOLE has from another lane */
	return true;
}
