/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exchange: how replies begin and end.  Which reply it is, is decided by
 * those who answer.
 */
#include "server/exchange.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"

/* Clients play x-asf-pf from servers of this name only (wire reference 2). */
#define SERVER_NAME "WMServer/9.1.1.5001 (vodd/" PACKAGE_VERSION ")"
/* When a client that is refused for now may come back. */
#define RETRY_AFTER_S 30

void
exchange_begin(struct exchange *exchange, unsigned status, const char *reason)
{
	struct bytes_writer *out = &exchange->reply;

	exchange->status = status;
	out->at = 0;
	out->failed = false;
	rtsp_format_status(out, status, reason);
	rtsp_format_header(out, "Server", "%s", SERVER_NAME);
	if (exchange->request->has_cseq)
		rtsp_format_header(
		    out, "CSeq", "%" PRIu32, exchange->request->cseq);
}

void
exchange_put_session(struct exchange *exchange, const struct session *session)
{
	char id[SESSION_ID_CHARS + 1];

	session_id_text(session, id);
	/* No blank before the parameter: FFmpeg compares the text. */
	rtsp_format_header(&exchange->reply, "Session", "%s;timeout=%" PRIu64,
	    id, exchange->lane->config->session_timeout_us / US_PER_SECOND);
}

bool
exchange_end(struct exchange *exchange)
{
	rtsp_format_end(&exchange->reply);
	return true;
}

bool
exchange_refuse_with(
    struct exchange *exchange, unsigned status, const char *reason)
{
	exchange_begin(exchange, status, reason);
	return exchange_end(exchange);
}

bool
exchange_refuse(struct exchange *exchange, unsigned status)
{
	return exchange_refuse_with(exchange, status, NULL);
}

bool
exchange_refuse_for_now(struct exchange *exchange, const char *reason)
{
	exchange_begin(exchange, RTSP_SERVICE_UNAVAILABLE, reason);
	rtsp_format_header(
	    &exchange->reply, "Retry-After", "%d", RETRY_AFTER_S);
	return exchange_end(exchange);
}

void
exchange_log_refused(const struct exchange *exchange, const char *area,
    const char *path, const char *reason)
{
	char peer[SOCK_TEXT_MAX];

	log_info(area, "refused peer=%s method=%s title=\"%s\" reason=\"%s\"",
	    sock_address_text(exchange->peer, true, peer),
	    rtsp_method_name(exchange->request->method),
	    LOG_TEXT(path, strlen(path)), reason);
}

/*
 * The presentation's URL without a slash at its end, as the client wrote it;
 * a bare path gets our address.
 */
void
exchange_base_url(const struct exchange *exchange,
    const struct exchange_found *found, char out[static EXCHANGE_URL_MAX])
{
	struct rtsp_text url = exchange->request->url;
	struct bytes_writer writer = bytes_writer(out, EXCHANGE_URL_MAX - 1);
	char local[SOCK_TEXT_MAX];
	size_t length = 0;

	while (length < url.length && url.at[length] != '?' &&
	       url.at[length] != '#')
		length++;
	while (length > 0 && url.at[length - 1] == '/')
		length--;
	if (found->names_stream)
		while (length > 0 && url.at[--length] != '/')
			;
	if (found->url.host.at == NULL || found->url.host.length == 0) {
		bytes_put_text(&writer, "rtsp://");
		bytes_put_text(
		    &writer, sock_address_text(exchange->local, true, local));
	}
	bytes_put(&writer, url.at, length);
	out[writer.failed ? 0 : writer.at] = '\0';
}
