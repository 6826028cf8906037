/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients of one answer each.  What an answer means for a weight is decided
 * elsewhere.
 */
#include "balancer/ask.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"

static void
agent_close(struct ask_agent *agent)
{
	if (agent->fd == -1)
		return;
	loop_remove(agent->ask->loop, &agent->watch);
	close(agent->fd);
	agent->fd = -1;
}

static void
agent_end(struct ask_agent *agent, const char *trouble)
{
	agent_close(agent);
	agent->trouble = trouble;
	agent->ask->ended++;
}

static const char *
connect_trouble(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "no agent listens there";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "no way there";
	case EMFILE:
	case ENFILE:
		return "too many files are open here";
	default:
		return "the connection failed";
	}
}

static void agent_begin(struct ask_agent *agent);

/* As many as may be side by side; then, perhaps, it is over. */
static void
go_on(struct ask *ask)
{
	while (
	    ask->begun < ask->count && ask->begun - ask->ended < ASK_PARALLEL)
		agent_begin(&ask->agents[ask->begun++]);
	if (ask->ended < ask->count)
		return;
	loop_timer_clear(ask->loop, &ask->timer);
	ask->done(ask->context);
}

static void
conclude(struct ask_agent *agent)
{
	if (load_parse(agent->text, agent->size, &agent->report) == LOAD_DONE)
		agent_end(agent, NULL);
	else
		agent_end(agent, agent->size == 0 ? "it says nothing to us"
						  : "its answer is no report");
}

static void
ready(void *context, uint32_t events)
{
	struct ask_agent *agent = context;
	struct ask *ask = agent->ask;
	ssize_t count = recv(agent->fd, agent->text + agent->size,
	    sizeof(agent->text) - agent->size, 0);

	(void)events; /* an error is told by recv() */
	if (count == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count >= 0)
		agent->connected = true;
	if (count > 0) {
		agent->size += (size_t)count;
		if (agent->size < sizeof(agent->text))
			return;
		agent_end(agent, "its answer is too long");
	} else if (count == 0) {
		conclude(agent);
	} else if (errno == ECONNREFUSED || errno == ECONNRESET) {
		agent->connected = true;
		agent_end(agent, errno == ECONNRESET
				     ? "it broke the connection off"
				     : connect_trouble(errno));
	} else {
		agent_end(agent, connect_trouble(errno));
	}
	go_on(ask);
}

static void
agent_begin(struct ask_agent *agent)
{
	agent->size = 0;
	agent->connected = false;
	agent->trouble = "it does not answer in time";
	agent->watch = (struct loop_watch){ .fd = -1 };
	agent->fd = sock_connect(&agent->address);
	if (agent->fd < 0) {
		int error = -agent->fd;

		agent->fd = -1;
		agent->connected = error == ECONNREFUSED;
		agent_end(agent, connect_trouble(error));
		return;
	}
	if (loop_add(agent->ask->loop, &agent->watch, agent->fd, EPOLLIN, ready,
		agent) != 0)
		agent_end(agent, "no memory");
}

/* A connection that was made and brought nothing shows that somebody is there.
 */
static bool
is_connected(const struct ask_agent *agent)
{
	union sock_address peer;
	socklen_t size = sizeof(peer);

	return getpeername(agent->fd, &peer.any, &size) == 0;
}

static void
expired(void *context, uint64_t now_us)
{
	struct ask *ask = context;

	(void)now_us;
	for (size_t i = 0; i < ask->begun; i++) {
		struct ask_agent *agent = &ask->agents[i];

		if (agent->fd == -1)
			continue;
		agent->connected = agent->connected || is_connected(agent);
		agent_end(agent, agent->trouble);
	}
	for (; ask->begun < ask->count; ask->begun++)
		agent_end(&ask->agents[ask->begun], "no time to ask it");
	go_on(ask);
}

void
ask_start(struct ask *ask, struct loop *loop, struct ask_agent *agents,
    size_t count, uint64_t limit_us, ask_done *done, void *context)
{
	*ask = (struct ask){
		.loop = loop,
		.agents = agents,
		.count = count,
		.done = done,
		.context = context,
	};
	for (size_t i = 0; i < count; i++) {
		agents[i].ask = ask;
		agents[i].fd = -1;
	}
	loop_timer_set(
	    loop, &ask->timer, clock_monotonic_us() + limit_us, expired, ask);
	go_on(ask);
}

void
ask_stop(struct ask *ask)
{
	if (ask->loop == NULL)
		return;
	loop_timer_clear(ask->loop, &ask->timer);
	for (size_t i = 0; i < ask->begun; i++)
		agent_close(&ask->agents[i]);
}

static void
one_done(void *context)
{
	loop_stop(context, 0);
}

int
ask_one(struct ask_agent *agent, uint64_t limit_us)
{
	struct ask ask;
	struct loop *loop;
	int result = loop_new(&loop);

	if (result != 0)
		return result;
	ask_start(&ask, loop, agent, 1, limit_us, one_done, loop);
	result = loop_run(loop);
	ask_stop(&ask);
	loop_free(loop);
	return result;
}
