/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_rtsp - any bytes as a message, as the value of each header and as a
 * URL.  What is accepted must be what the contract says: inside the input, in
 * range, in order, and the same when it is written and read again.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "wire/rtsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_inside(struct rtsp_text text, struct rtsp_text whole)
{
	if (text.at == NULL || text.length == 0)
		return;
	assert(text.at >= whole.at);
	assert(text.at + text.length <= whole.at + whole.length);
}

static void
try_url(struct rtsp_text text)
{
	struct rtsp_url url;
	size_t length;

	if (!rtsp_parse_url(text, &url))
		return;
	length = strlen(url.path);
	assert(length < sizeof(url.path));
	assert(url.path[0] != '/' && strstr(url.path, "//") == NULL);
	assert(length == 0 || url.path[length - 1] != '/');
	for (size_t i = 0; i < length; i++)
		assert(
		    (unsigned char)url.path[i] >= 0x20 && url.path[i] != 0x7F);
	check_inside(url.host, text);
}

static void
try_transport(struct rtsp_text text, bool allow_udp, bool allow_tcp)
{
	struct rtsp_transport transport, again;
	bool malformed;
	char written[256];
	struct bytes_writer out = bytes_writer(written, sizeof(written));

	if (!rtsp_parse_transport(
		text, allow_udp, allow_tcp, &transport, &malformed))
		return;
	assert(!malformed);
	check_inside(transport.destination, text);
	rtsp_format_transport(&out, &transport);
	assert(!out.failed);
	assert(rtsp_parse_transport((struct rtsp_text){ written, out.at },
	    allow_udp, allow_tcp, &again, &malformed));
	assert(again.kind == transport.kind);
	if (transport.kind == RTSP_TRANSPORT_UDP) {
		assert(transport.has_client_port);
		assert(transport.client_port[0] != 0);
		assert(transport.client_port[0] <= transport.client_port[1]);
		assert(memcmp(again.client_port, transport.client_port,
			   sizeof(again.client_port)) == 0);
	} else if (transport.has_interleaved) {
		assert(
		    transport.interleaved[0] + 1 == transport.interleaved[1]);
		assert(again.interleaved[0] == transport.interleaved[0]);
	}
	assert(again.has_ssrc == transport.has_ssrc);
	assert(again.ssrc == transport.ssrc || !again.has_ssrc);
}

static void
try_range(struct rtsp_text text)
{
	struct rtsp_range range;

	if (rtsp_parse_range(text, &range) != RTSP_RANGE_OK)
		return;
	assert(range.has_start || range.start_us == 0);
	assert(range.start_us <= UINT64_C(1) << 53);
	assert(range.end_us <= UINT64_C(1) << 53);
	assert(!range.has_end || range.start_us <= range.end_us);
}

static void
try_rtp_info(struct rtsp_text text)
{
	struct rtsp_text rest = text;
	struct rtsp_rtp_info info;
	size_t entries = 0;

	while (rtsp_parse_rtp_info(&rest, &info)) {
		check_inside(info.url, text);
		check_inside(rest, text);
		assert(++entries <= text.length);
	}
}

static void
try_value(struct rtsp_text text)
{
	struct rtsp_text id;
	uint32_t timeout_s;
	uint64_t number;
	int64_t milli;

	try_transport(text, true, true);
	try_transport(text, true, false);
	try_transport(text, false, true);
	try_range(text);
	try_rtp_info(text);
	if (rtsp_parse_session(text, &id, &timeout_s)) {
		check_inside(id, text);
		assert(id.length >= 8 && id.length <= 128);
	}
	if (rtsp_parse_milli(text, &milli))
		assert(milli > -INT64_C(1000000000000) &&
		       milli < INT64_C(1000000000000));
	rtsp_parse_u64(text, &number);
}

static void
try_message(struct rtsp_text whole)
{
	struct rtsp_message message, cut;
	enum rtsp_result result = rtsp_parse(whole.at, whole.length, &message);

	if (result != RTSP_DONE && result != RTSP_BAD)
		return;
	check_inside(message.method_text, whole);
	check_inside(message.url, whole);
	check_inside(message.reason, whole);
	try_url(message.url);
	for (int i = 0; i < RTSP_HEADER_COUNT; i++) {
		check_inside(message.header[i], whole);
		if (message.header[i].at != NULL)
			try_value(message.header[i]);
	}
	assert(message.head_length <= whole.length);
	assert(message.head_length <= RTSP_HEAD_MAX);
	if (message.head_length > 0)
		assert(rtsp_parse(whole.at, message.head_length - 1, &cut) ==
		       RTSP_MORE);
	if (result == RTSP_DONE) {
		assert(message.head_length > 0);
		assert(message.is_reply || message.has_cseq);
		assert(message.is_reply ||
		       message.content_length <= RTSP_BODY_MAX);
		assert(message.version_major == 1);
	} else {
		assert(message.status == 400 || message.status == 413 ||
		       message.status == 414 || message.status == 505);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtsp_text whole = { (const char *)data, size };
	struct rtsp_frame frame;

	if (size == 0)
		whole.at = "";
	try_message(whole);
	rtsp_parse_frame(data, size, &frame);
	try_url(whole);
	try_value(whole);
	return 0;
}
