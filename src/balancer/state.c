/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small file, written anew as a whole: what is not whole is not believed.
 */
#include "balancer/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "wire/load.h"

#define HEAD "vodbalance 1"
#define END "end"
#define LINE_MAX_BYTES 160

/* --- what is known ---------------------------------------------------------
 */
void
state_free(struct state *state)
{
	free(state->nodes);
	*state = (struct state){ .count = 0 };
}

static struct state_node *
find(const struct state *state, const union sock_address *host)
{
	for (size_t i = 0; i < state->count; i++) {
		if (sock_address_same_host(&state->nodes[i].host, host))
			return &state->nodes[i];
	}
	return NULL;
}

uint64_t
state_capacity(const struct state *state, const union sock_address *host)
{
	const struct state_node *node = find(state, host);

	return node == NULL ? 0 : node->capacity_bps;
}

uint64_t
state_largest(const struct state *state)
{
	uint64_t largest = 0;

	for (size_t i = 0; i < state->count; i++)
		largest = MAX_OF(largest, state->nodes[i].capacity_bps);
	return largest;
}

static struct state_node *
append(struct state *state, const union sock_address *host)
{
	struct state_node *nodes;
	size_t count = state->count;

	if (count == STATE_NODES_MAX)
		return NULL;
	if (state->nodes == NULL || (count & (count - 1)) == 0) {
		nodes = reallocarray(
		    state->nodes, count == 0 ? 1 : 2 * count, sizeof(*nodes));
		if (nodes == NULL)
			return NULL;
		state->nodes = nodes;
	}
	nodes = &state->nodes[state->count++];
	*nodes = (struct state_node){ .host = *host };
	sock_address_set_port(&nodes->host, 0);
	return nodes;
}

void
state_note(
    struct state *state, const union sock_address *host, uint64_t capacity_bps)
{
	struct state_node *node = find(state, host);

	if (node == NULL)
		node = append(state, host);
	if (node == NULL || node->capacity_bps == capacity_bps)
		return;
	node->capacity_bps = capacity_bps;
	state->changed = true;
}

/* --- reading ---------------------------------------------------------------
 */
static bool
number_parse(const char *text, uint64_t most, uint64_t *out)
{
	uint64_t value = 0;

	if (text[0] == '\0' || strlen(text) > 18)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = 10 * value + (uint64_t)(*text - '0');
	}
	*out = value;
	return value > 0 && value <= most;
}

/* "node 192.0.2.11 capacity_bps 1000000000" */
static bool
node_take(struct state *state, char *line, int *error)
{
	char *rest = line, address[SOCK_TEXT_MAX + 4];
	const char *noun = strsep(&rest, " "), *host = strsep(&rest, " ");
	const char *name = strsep(&rest, " ");
	union sock_address parsed;
	struct state_node *node;
	uint64_t capacity_bps;

	if (rest == NULL || strcmp(noun, "node") != 0 ||
	    strcmp(name, "capacity_bps") != 0 ||
	    strlen(host) >= SOCK_TEXT_MAX || host[0] == '\0' ||
	    !number_parse(rest, LOAD_BPS_MAX, &capacity_bps))
		return false;
	snprintf(address, sizeof(address),
	    strchr(host, ':') == NULL ? "%s:0" : "[%s]:0", host);
	if (sock_address_parse(address, &parsed) != 0 ||
	    find(state, &parsed) != NULL)
		return false;
	if ((node = append(state, &parsed)) == NULL) {
		*error = -ENOMEM;
		return false;
	}
	node->capacity_bps = capacity_bps;
	return true;
}

/* The line from *AT on, which is moved behind it; false: there is none. */
static bool
line_take(const char **at, const char *end, char line[static LINE_MAX_BYTES])
{
	const char *stop = memchr(*at, '\n', (size_t)(end - *at));
	size_t length;

	if (stop == NULL)
		return false;
	length = (size_t)(stop - *at);
	if (length >= LINE_MAX_BYTES)
		return false;
	memcpy(line, *at, length);
	line[length] = '\0';
	*at = stop + 1;
	return true;
}

int
state_parse(const char *text, size_t size, struct state *out,
    char error[static SETTINGS_ERROR_MAX])
{
	const char *at = text, *end = text + size;
	struct state state = { .count = 0 };
	char line[LINE_MAX_BYTES];
	int result = -EBADMSG;
	unsigned number = 1;
	bool right;

	right = line_take(&at, end, line) && strcmp(line, HEAD) == 0;
	while (right) {
		number++;
		right = line_take(&at, end, line);
		if (!right || strcmp(line, END) == 0)
			break;
		right = node_take(&state, line, &result);
	}
	if (right && at == end) {
		*out = state;
		return 0;
	}
	state_free(&state);
	snprintf(error, SETTINGS_ERROR_MAX, "line %u is not what is written",
	    number + (right ? 1 : 0));
	return result;
}

static ssize_t
read_all(int fd, char *text, size_t room)
{
	size_t size = 0;

	while (size < room) {
		ssize_t count = read(fd, text + size, room - size);

		if (count == -1 && errno == EINTR)
			continue;
		if (count == -1)
			return -errno;
		if (count == 0)
			break;
		size += (size_t)count;
	}
	return (ssize_t)size;
}

int
state_read(
    const char *file, struct state *out, char error[static SETTINGS_ERROR_MAX])
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	ssize_t size = -ENOMEM;
	int result;

	if (fd == -1)
		size = -errno;
	else if ((text = malloc(STATE_FILE_MAX)) != NULL)
		size = read_all(fd, text, STATE_FILE_MAX);
	if (text != NULL && size >= 0) {
		result = state_parse(text, (size_t)size, out, error);
	} else {
		result = (int)size;
		snprintf(error, SETTINGS_ERROR_MAX, "%s", strerror(-result));
	}
	if (fd != -1)
		close(fd);
	free(text);
	return result;
}

/* --- writing ---------------------------------------------------------------
 */
static int
print(FILE *stream, const struct state *state)
{
	char text[SOCK_TEXT_MAX];

	fprintf(stream, HEAD "\n");
	for (size_t i = 0; i < state->count; i++)
		fprintf(stream, "node %s capacity_bps %" PRIu64 "\n",
		    sock_address_text(&state->nodes[i].host, false, text),
		    state->nodes[i].capacity_bps);
	fprintf(stream, END "\n");
	if (fflush(stream) != 0 || fsync(fileno(stream)) != 0)
		return -errno;
	return 0;
}

int
state_write(const char *file, struct state *state)
{
	char draft[PATH_MAX];
	FILE *stream;
	int fd, result;

	if (snprintf(draft, sizeof(draft), "%s.new", file) >=
	    (int)sizeof(draft))
		return -ENAMETOOLONG;
	fd = open(
	    draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd == -1)
		return -errno;
	if ((stream = fdopen(fd, "w")) == NULL) {
		result = -errno;
		close(fd);
		return result;
	}
	result = print(stream, state);
	if (fclose(stream) != 0 && result == 0)
		result = -errno;
	if (result == 0 && rename(draft, file) != 0)
		result = -errno;
	if (result == 0)
		state->changed = false;
	else
		unlink(draft);
	return result;
}
