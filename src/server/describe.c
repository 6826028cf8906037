/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DESCRIBE: what of a title clients are told, and in which order.
 */
#include "server/describe.h"

#include <string.h>

#include "wire/sdp.h"

static bool
accepts_sdp(struct rtsp_text accept)
{
	static const char *const types[] = { "application/sdp", "application/*",
		"*/*" };

	if (accept.at == NULL)
		return true;
	for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
		if (memmem(accept.at, accept.length, types[i],
			strlen(types[i])) != NULL)
			return true;
	return false;
}

static void
describe_stream(struct sdp_description *sdp, const struct title *title,
    unsigned number, const struct asf_stream *stream)
{
	struct sdp_stream *out;

	if (!stream->there || sdp->stream_count == SDP_STREAMS_MAX ||
	    (stream->kind != ASF_AUDIO && stream->kind != ASF_VIDEO))
		return;
	out = &sdp->streams[sdp->stream_count++];
	out->media = stream->kind == ASF_AUDIO ? SDP_AUDIO : SDP_VIDEO;
	out->number = number;
	out->bit_rate_bps = title_stream_bps(title, number);
	snprintf(out->control, sizeof(out->control), "stream=%u", number);
	sdp->bit_rate_bps += out->bit_rate_bps;
}

static void
describe(const struct exchange *exchange, const struct title *title,
    const char *base, struct sdp_description *sdp)
{
	const struct asf_header *header = title_header(title);
	const struct title_identity *identity = title_identity(title);
	char address[SOCK_TEXT_MAX];

	/* Streams are large, mostly none's, and set whole when there is one. */
	memset(sdp, 0, offsetof(struct sdp_description, streams));
	sdp->session_id = identity->inode ^ identity->change_time_us;
	snprintf(sdp->title, sizeof(sdp->title), "%s", header->title);
	snprintf(sdp->address, sizeof(sdp->address), "%.63s",
	    sock_address_text(exchange->local, false, address));
	if (snprintf(sdp->control, sizeof(sdp->control), "%s/", base) >=
	    (int)sizeof(sdp->control))
		sdp->control[0] = '\0'; /* none is better than another one */
	sdp->packet_bytes = title_packet_bytes(title);
	sdp->has_duration = true;
	sdp->duration_us = title_duration_us(title);
	sdp->asf_header = title_sdp_header(title, &sdp->asf_header_bytes);
	for (unsigned number = 1; number < ASF_STREAMS; number++)
		describe_stream(sdp, title, number, &header->streams[number]);
}

bool
describe_answer(struct exchange *exchange, struct exchange_found *found)
{
	struct bytes_writer *out = &exchange->reply;
	struct sdp_description sdp;
	char base[EXCHANGE_URL_MAX];
	uint8_t body[SDP_MAX];
	struct bytes_writer text = bytes_writer(body, sizeof(body));

	if (!accepts_sdp(exchange->request->header[RTSP_ACCEPT]))
		return exchange_refuse(exchange, RTSP_NOT_ACCEPTABLE);
	exchange_base_url(exchange, found, base);
	describe(exchange, titles_title(found->title), base, &sdp);
	sdp_format(&text, &sdp);
	if (text.failed)
		return exchange_refuse(exchange, RTSP_INTERNAL_ERROR);
	exchange_begin(exchange, RTSP_OK, NULL);
	rtsp_format_header(out, "Content-Type", "application/sdp");
	rtsp_format_header(out, "Content-Base", "%s/", base);
	rtsp_format_header(out, "Content-Length", "%zu", text.at);
	rtsp_format_end(out);
	bytes_put(out, body, text.at);
	return true;
}
