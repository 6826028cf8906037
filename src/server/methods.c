/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The methods.  Each answer checks, does, and formats; it never writes to a
 * socket and never waits: what needs the disk is asked for, and the same
 * request is answered again when it is there.
 */
#include "server/methods.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "server/blame.h"
#include "server/describe.h"
#include "server/play.h"
#include "server/setup.h"

/* --- what a request is about ---------------------------------------------- */

/* "a/b.wmv/stream=2" and "a/b.wmv/rtx" name a stream of a/b.wmv. */
static void
split_stream(struct exchange_found *found)
{
	char *slash = strrchr(found->url.path, '/');
	struct rtsp_text number;
	uint64_t stream;

	if (slash == NULL)
		return;
	if (strcmp(slash + 1, "rtx") == 0) {
		found->stream = EXCHANGE_RETRANSMISSION;
	} else if (strncmp(slash + 1, "stream=", 7) == 0) {
		number = (struct rtsp_text){ slash + 8, strlen(slash + 8) };
		if (!rtsp_parse_u64(number, &stream) || stream == 0 ||
		    stream >= ASF_STREAMS)
			return;
		found->stream = (unsigned)stream;
	} else {
		return;
	}
	found->names_stream = true;
	*slash = '\0';
}

/*
 * 0: found, or found to be another connection's (exchange->joins) or another
 * lane's (exchange->elsewhere); otherwise the status to refuse with.
 */
static unsigned
find_session(struct exchange *exchange, struct exchange_found *found)
{
	struct rtsp_text header = exchange->request->header[RTSP_SESSION], id;
	struct session *session;
	uint32_t timeout_s;

	if (header.at == NULL)
		return 0;
	if (!rtsp_parse_session(header, &id, &timeout_s))
		return RTSP_SESSION_NOT_FOUND;
	session = session_find(exchange->lane, id);
	if (session == NULL) {
		exchange->elsewhere =
		    session_find_elsewhere(exchange->lane, id, exchange->peer);
		return exchange->elsewhere != TABLE_NONE
			   ? 0
			   : RTSP_SESSION_NOT_FOUND;
	}
	/* The right to it is not the right to be sent it. */
	if (!sock_address_same_host(&session->cold.peer, exchange->peer))
		return RTSP_SESSION_NOT_FOUND;
	if (session->cold.connection == exchange->connection)
		found->session = session;
	else
		exchange->joins = session;
	return 0;
}

/* clang-format off */
static const struct title_error {
	int error;
	unsigned status;
	const char *phrase; /* with 503: for now */
} title_errors[] = {
	{ ENOENT,  RTSP_NOT_FOUND, NULL },
	{ EBADMSG, RTSP_UNSUPPORTED_MEDIA_TYPE, NULL },
	{ EBUSY,   RTSP_SERVICE_UNAVAILABLE,
	    "This title is out of order, please try again later" },
	{ EUSERS,  RTSP_SERVICE_UNAVAILABLE,
	    "Too many titles are open, please try again later" },
	{ ENOSPC,  RTSP_SERVICE_UNAVAILABLE, EXCHANGE_SHORTAGE },
	{ ENOMEM,  RTSP_SERVICE_UNAVAILABLE, EXCHANGE_SHORTAGE },
	{ EMFILE,  RTSP_SERVICE_UNAVAILABLE, EXCHANGE_SHORTAGE },
	{ ENFILE,  RTSP_SERVICE_UNAVAILABLE, EXCHANGE_SHORTAGE },
	{ 0,       RTSP_INTERNAL_ERROR, NULL }, /* any other */
};
/* clang-format on */

static bool
refuse_title(struct exchange *exchange, const struct exchange_found *found,
    int error, const char *reason)
{
	const struct title_error *row = title_errors;

	while (row->error != 0 && row->error != -error)
		row++;
	exchange_log_refused(exchange, "title", found->url.path, reason);
	if (row->phrase == NULL)
		return exchange_refuse(exchange, row->status);
	if (strcmp(row->phrase, EXCHANGE_SHORTAGE) == 0)
		log_shortage("title", "titles cannot be opened: %s", reason);
	return exchange_refuse_for_now(exchange, row->phrase);
}

/* The title of the URL.  0, -EINPROGRESS: wait; other -errno: answered. */
static int
find_title(struct exchange *exchange, struct exchange_found *found)
{
	const char *reason = "";
	int error = titles_get(exchange->lane->titles, found->url.path,
	    exchange->waiter, &found->title, &reason);

	if (error != 0 && error != -EINPROGRESS)
		(void)refuse_title(exchange, found, error, reason);
	return error;
}

/* --- OPTIONS, parameters -------------------------------------------------- */

static void put_public(struct bytes_writer *out, const char *header);

static bool
answer_options(struct exchange *exchange, struct exchange_found *found)
{
	exchange_begin(exchange, RTSP_OK, NULL);
	put_public(&exchange->reply, "Public");
	if (found->session != NULL)
		exchange_put_session(exchange, found->session);
	return exchange_end(exchange);
}

/* Without a body it keeps a session alive (RFC 2326 10.8). */
static bool
answer_get_parameter(struct exchange *exchange, struct exchange_found *found)
{
	if (exchange->request->content_length > 0)
		return exchange_refuse(exchange, RTSP_PARAMETER_NOT_UNDERSTOOD);
	exchange_begin(exchange, RTSP_OK, NULL);
	if (found->session != NULL)
		exchange_put_session(exchange, found->session);
	return exchange_end(exchange);
}

/* Logs of Windows Media Player are taken and not read (wire reference 14). */
static bool
answer_set_parameter(struct exchange *exchange, struct exchange_found *found)
{
	static const char known[] = "application/x-wms-";
	struct rtsp_text type = exchange->request->header[RTSP_CONTENT_TYPE];

	if (exchange->request->content_length > 0 &&
	    (type.length < sizeof(known) - 1 ||
		strncasecmp(type.at, known, sizeof(known) - 1) != 0))
		return exchange_refuse(exchange, RTSP_PARAMETER_NOT_UNDERSTOOD);
	exchange_begin(exchange, RTSP_OK, NULL);
	if (found->session != NULL)
		exchange_put_session(exchange, found->session);
	return exchange_end(exchange);
}

/* --- PAUSE, TEARDOWN ------------------------------------------------------ */

static bool
answer_pause(struct exchange *exchange, struct exchange_found *found)
{
	session_pause(found->session);
	session_enter(found->session, TABLE_SESSION_PAUSED);
	exchange->changed = found->session;
	exchange_begin(exchange, RTSP_OK, NULL);
	exchange_put_session(exchange, found->session);
	return exchange_end(exchange);
}

/* Of one stream: the session goes on with the others (RFC 2326 10.7). */
static bool
teardown_stream(struct exchange *exchange, struct exchange_found *found)
{
	struct session *session = found->session;

	if (found->stream == EXCHANGE_RETRANSMISSION)
		session->cold.has_rtx = 0;
	else if (session_has_stream(session, found->stream))
		session_remove_stream(session, found->stream);
	else
		return exchange_refuse(exchange, RTSP_NOT_FOUND);
	session->hot.item = 0; /* items are counted anew */
	if (session->hot.committed_bps != 0) /* less than it has */
		(void)session_reserve_rate(session, session->hot.speed_milli);
	exchange->changed = session;
	exchange_begin(exchange, RTSP_OK, NULL);
	exchange_put_session(exchange, session);
	return exchange_end(exchange);
}

static bool
is_last_stream(const struct exchange_found *found)
{
	const struct session *session = found->session;
	unsigned others = session_stream_count(session) + session->cold.has_rtx;

	return others == 1 &&
	       (found->stream == EXCHANGE_RETRANSMISSION
		       ? session->cold.has_rtx == 1
		       : session_has_stream(session, found->stream));
}

static bool
answer_teardown(struct exchange *exchange, struct exchange_found *found)
{
	if (found->names_stream && !is_last_stream(found))
		return teardown_stream(exchange, found);
	setup_forget(exchange, found->session);
	session_pause(found->session);
	exchange->ended = found->session;
	return exchange_refuse(exchange, RTSP_OK);
}

/* --- the table ------------------------------------------------------------ */

enum needs { NOTHING, TITLE, SESSION };

/* Every method we answer; the Public header is printed from this table. */
/* clang-format off */
static const struct method {
	enum needs needs; /* found before it is called */
	bool (*answer)(struct exchange *exchange, struct exchange_found *found);
} methods[RTSP_METHOD_COUNT] = {
	[RTSP_OPTIONS]       = { NOTHING, answer_options },
	[RTSP_DESCRIBE]      = { TITLE,   describe_answer },
	[RTSP_SETUP]         = { TITLE,   setup_answer },
	[RTSP_PLAY]          = { SESSION, play_answer },
	[RTSP_PAUSE]         = { SESSION, answer_pause },
	[RTSP_TEARDOWN]      = { SESSION, answer_teardown },
	[RTSP_GET_PARAMETER] = { NOTHING, answer_get_parameter },
	[RTSP_SET_PARAMETER] = { NOTHING, answer_set_parameter },
};
/* clang-format on */

static void
put_public(struct bytes_writer *out, const char *header)
{
	const char *separator = "";

	bytes_printf(out, "%s: ", header);
	for (int method = 0; method < RTSP_METHOD_COUNT; method++) {
		if (methods[method].answer == NULL)
			continue;
		bytes_printf(out, "%s%s", separator,
		    rtsp_method_name((enum rtsp_method)method));
		separator = ", ";
	}
	bytes_put_text(out, "\r\n");
}

static bool
refuse_method(struct exchange *exchange)
{
	if (exchange->request->method == RTSP_UNKNOWN)
		return exchange_refuse(exchange, RTSP_NOT_IMPLEMENTED);
	exchange_begin(exchange, RTSP_METHOD_NOT_ALLOWED, NULL);
	put_public(&exchange->reply, "Allow");
	return exchange_end(exchange);
}

static bool
refuse_option(struct exchange *exchange, struct rtsp_text option)
{
	exchange_begin(exchange, RTSP_OPTION_NOT_SUPPORTED, NULL);
	if (option.length < 256 &&
	    memchr(option.at, '\n', option.length) == NULL)
		rtsp_format_header(&exchange->reply, "Unsupported", "%.*s",
		    (int)option.length, option.at);
	return exchange_end(exchange);
}

/* PLAY and PAUSE of one stream among several (RFC 2326 11.3.8). */
static unsigned
check_aggregate(
    const struct exchange *exchange, const struct exchange_found *found)
{
	if (exchange->request->method == RTSP_TEARDOWN || !found->names_stream)
		return 0;
	if (!session_has_stream(found->session, found->stream))
		return RTSP_NOT_FOUND;
	return session_stream_count(found->session) > 1
		   ? RTSP_ONLY_AGGREGATE_ALLOWED
		   : 0;
}

static unsigned
check_session(
    const struct exchange *exchange, const struct exchange_found *found)
{
	if (found->session == NULL)
		return RTSP_SESSION_NOT_FOUND;
	if (!found->url.asterisk &&
	    strcmp(titles_path(found->session->title), found->url.path) != 0)
		return RTSP_NOT_FOUND;
	if (session_next_state(found->session, exchange->request->method) == -1)
		return RTSP_NOT_VALID_IN_STATE;
	return check_aggregate(exchange, found);
}

/* The record of the title that is about to be worked on. */
static uint32_t
title_of(const struct exchange_found *found)
{
	if (found->session != NULL)
		return found->session->cold.title;
	return found->title != NULL ? titles_record(found->title) : TABLE_NONE;
}

/* The title or session that the method needs, then its answer. */
static bool
answer_found(struct exchange *exchange, const struct method *method,
    struct exchange_found *found)
{
	unsigned status = find_session(exchange, found);

	if (status != 0)
		return exchange_refuse(exchange, status);
	if (exchange->joins != NULL || exchange->elsewhere != TABLE_NONE)
		return false;
	if (method->needs == TITLE) {
		int error = find_title(exchange, found);

		if (error != 0)
			return error != -EINPROGRESS;
	}
	if (method->needs == SESSION)
		status = check_session(exchange, found);
	if (status != 0)
		return exchange_refuse(exchange, status);
	blame_mark(exchange->lane, exchange->connection, title_of(found));
	return method->answer(exchange, found);
}

bool
methods_answer(struct exchange *exchange)
{
	const struct rtsp_message *request = exchange->request;
	const struct method *method = &methods[request->method];
	struct exchange_found found = { 0 };

	if (!request->has_cseq)
		return exchange_refuse(exchange, RTSP_BAD_REQUEST);
	if (method->answer == NULL)
		return refuse_method(exchange);
	if (request->header[RTSP_REQUIRE].at != NULL)
		return refuse_option(exchange, request->header[RTSP_REQUIRE]);
	if (request->header[RTSP_PROXY_REQUIRE].at != NULL)
		return refuse_option(
		    exchange, request->header[RTSP_PROXY_REQUIRE]);
	if (!rtsp_parse_url(request->url, &found.url))
		return exchange_refuse(
		    exchange, request->url.length < sizeof(found.url.path)
				  ? RTSP_BAD_REQUEST
				  : RTSP_URL_TOO_LONG);
	split_stream(&found);
	return answer_found(exchange, method, &found);
}
