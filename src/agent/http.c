/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two pages, made when they are asked for.  libmicrohttpd speaks HTTP; it has
 * no threads here, but an epoll descriptor that the loop waits for.
 */
#include "agent/http.h"

#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/allow.h"
#include "agent/metrics.h"
#include "base/base.h"

#define RUN_MOST_US US_PER_SECOND

struct http {
	struct agent *agent;
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_watch watch;
	struct loop_timer timer;
};

/* --- pages ------------------------------------------------------------------
 */
struct page {
	char *text; /* malloc()ed; NULL: there is no memory */
	const char *type;
};

static json_t *
number(uint64_t value)
{
	return json_integer((json_int_t)MIN_OF(value, (uint64_t)INT64_MAX));
}

static void
status_make(struct agent *agent, const char *accept, struct page *out)
{
	const struct load_report *report = agent_report(agent);
	json_t *object;

	(void)accept;
	/* What could not be made is NULL, and so is the whole then. */
	object = json_pack(
	    "{ss ss ss ss ss so so so so so so sf sf so sb so so sb}",
	    "version", PACKAGE_VERSION, "instance", agent->instance, "node",
	    report->node, "state", load_state_name(report->state), "reason",
	    report->reason, "percent", number(report->percent), "capacity_bps",
	    number(report->capacity_bps), "committed_bps",
	    number(report->committed_bps), "sessions", number(report->sessions),
	    "sessions_playing", number(report->sessions_playing),
	    "max_sessions", number(report->max_sessions), "pressure",
	    (double)report->pressure_percent / 100, "load1",
	    (double)report->load1_percent / 100, "heartbeat_age_ms",
	    number(report->heartbeat_age_ms), "vip_on_lo",
	    report->vip_on_lo != 0, "arp_ignore", number(report->arp_ignore),
	    "arp_announce", number(report->arp_announce), "rtsp_ok",
	    report->rtsp_ok != 0);
	if (object != NULL)
		out->text =
		    json_dumps(object, JSON_PRESERVE_ORDER | JSON_INDENT(2));
	json_decref(object);
	out->type = "application/json";
}

static void
metrics_make(struct agent *agent, const char *accept, struct page *out)
{
	const struct load_report *report = agent_report(agent);
	bool open = accept != NULL &&
		    strstr(accept, "application/openmetrics-text") != NULL;
	size_t size;
	FILE *memory = open_memstream(&out->text, &size);

	out->type = open ? METRICS_OPEN_TYPE : METRICS_TYPE;
	if (memory == NULL)
		return;
	metrics_print(memory, open, report, agent->found ? &agent->sums : NULL);
	if (fclose(memory) != 0) {
		free(out->text);
		out->text = NULL;
	}
}

static const struct {
	const char *path;
	void (*make)(struct agent *, const char *accept, struct page *);
} pages[] = {
	{ "/metrics", metrics_make },
	{ "/status.json", status_make },
};

/* --- HTTP ------------------------------------------------------------------
 */
static enum MHD_Result
reply(struct MHD_Connection *connection, unsigned status, char *text,
    enum MHD_ResponseMemoryMode mode, const char *type)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(strlen(text), text, mode);
	enum MHD_Result result;

	if (response == NULL) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(
	    response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(
		    response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
reply_error(struct MHD_Connection *connection, unsigned status)
{
	static char not_found[] = "There are /metrics and /status.json.\n";
	static char not_allowed[] = "GET or HEAD.\n";

	return reply(connection, status,
	    status == MHD_HTTP_NOT_FOUND ? not_found : not_allowed,
	    MHD_RESPMEM_PERSISTENT, "text/plain");
}

static enum MHD_Result
answer(void *context, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload,
    size_t *upload_size, void **state)
{
	struct http *http = context;
	struct page page = { 0 };

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return reply_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED);
	for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
		if (strcmp(url, pages[i].path) != 0)
			continue;
		pages[i].make(http->agent,
		    MHD_lookup_connection_value(
			connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT),
		    &page);
		if (page.text == NULL)
			return MHD_NO; /* closes it */
		return reply(connection, MHD_HTTP_OK, page.text,
		    MHD_RESPMEM_MUST_FREE, page.type);
	}
	return reply_error(connection, MHD_HTTP_NOT_FOUND);
}

static enum MHD_Result
may_ask(void *context, const struct sockaddr *peer, socklen_t size)
{
	const struct http *http = context;
	union sock_address address;

	memset(&address, 0, sizeof(address));
	memcpy(&address, peer, MIN_OF(size, sizeof(address)));
	return allow_has(&http->agent->config->allowed, &address) ? MHD_YES
								  : MHD_NO;
}

/* Also what became ready without an event: a timeout, a rest to be read. */
static void
run(void *context, uint64_t now_us)
{
	struct http *http = context;
	uint64_t wait_us = RUN_MOST_US;
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(http->daemon);
	if (MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES)
		wait_us = MIN_OF(wait_ms * US_PER_MS, RUN_MOST_US);
	loop_timer_set(http->loop, &http->timer, now_us + wait_us, run, http);
}

static void
ready(void *context, uint32_t events)
{
	struct http *http = context;

	(void)events;
	run(http, loop_now_us(http->loop));
}

int
http_open(
    struct agent *agent, struct loop *loop, int listener, struct http **out)
{
	struct http *http = calloc(1, sizeof(*http));
	const union MHD_DaemonInfo *info;
	int error = -EIO;

	if (http == NULL) {
		close(listener);
		return -ENOMEM;
	}
	http->agent = agent;
	http->loop = loop;
	http->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, may_ask, http, answer,
	    http, MHD_OPTION_LISTEN_SOCKET, listener,
	    MHD_OPTION_CONNECTION_LIMIT, HTTP_CLIENTS,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, HTTP_CLIENTS_OF_ONE,
	    MHD_OPTION_CONNECTION_TIMEOUT, HTTP_LIMIT_S, MHD_OPTION_END);
	if (http->daemon == NULL) {
		close(listener);
		goto fail;
	}
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL)
		goto fail;
	error =
	    loop_add(loop, &http->watch, info->epoll_fd, EPOLLIN, ready, http);
	if (error != 0)
		goto fail;
	run(http, clock_monotonic_us());
	*out = http;
	return 0;

fail:
	http_close(http);
	return error;
}

void
http_close(struct http *http)
{
	if (http == NULL)
		return;
	loop_timer_clear(http->loop, &http->timer);
	loop_remove(http->loop, &http->watch);
	if (http->daemon != NULL)
		MHD_stop_daemon(http->daemon); /* closes the listener */
	free(http);
}
