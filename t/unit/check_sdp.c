/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_sdp - descriptions: the lines that players need, in their order, and
 * what is left of a description that somebody else wrote.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "wire/sdp.h"

#define SESSION "v=0\r\na=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,"
#define STREAM                                                                 \
	"m=audio 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"                \
	"a=control:audio\r\na=stream:2\r\n"

static const uint8_t header[] = { 0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF,
	0x11, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C };

static struct sdp_description
clip(void)
{
	return (struct sdp_description){ .session_id = 200710060441230578,
		.title = "clip",
		.address = "192.0.2.1",
		.control = "rtsp://192.0.2.1:8554/clip.asf/",
		.bit_rate_bps = 363001,
		.packet_bytes = 3200,
		.has_duration = true,
		.duration_us = 30046000,
		.asf_header = header,
		.asf_header_bytes = sizeof(header),
		.stream_count = 2,
		.streams = { { SDP_AUDIO, 2, 64000, "audio" },
		    { SDP_VIDEO, 1, 300000, "video" } } };
}

static char text[2 * SDP_MAX];

static const char *
format(const struct sdp_description *description)
{
	struct bytes_writer out = bytes_writer(text, sizeof(text) - 1);

	sdp_format(&out, description);
	ck_assert(!out.failed);
	text[out.at] = '\0';
	return text;
}

static bool
parse(const char *string, struct sdp_description *out)
{
	static uint8_t decoded[SDP_ASF_HEADER_MAX];

	return sdp_parse(string, strlen(string), decoded, sizeof(decoded), out);
}

START_TEST(a_description_has_the_lines_of_windows_media)
{
	struct sdp_description description = clip();

	ck_assert_str_eq(format(&description),
	    "v=0\r\n"
	    "o=- 200710060441230578 200710060441230578 IN IP4 192.0.2.1\r\n"
	    "s=clip\r\n"
	    "c=IN IP4 0.0.0.0\r\n"
	    "b=AS:364\r\n"
	    "a=maxps:3200\r\n"
	    "t=0 0\r\n"
	    "a=control:rtsp://192.0.2.1:8554/clip.asf/\r\n"
	    "a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,"
	    "MCaydY5mzxGm2QCqAGLObA==\r\n"
	    "m=audio 0 RTP/AVP 96\r\n"
	    "b=AS:64\r\n"
	    "a=rtpmap:96 x-asf-pf/1000\r\n"
	    "a=control:audio\r\n"
	    "a=stream:2\r\n"
	    "a=range:npt=0.000-30.046\r\n"
	    "m=application 0 RTP/AVP 96\r\n"
	    "a=rtpmap:96 x-wms-rtx/1000\r\n"
	    "a=control:rtx\r\n"
	    "a=stream:65536\r\n"
	    "m=video 0 RTP/AVP 96\r\n"
	    "b=AS:300\r\n"
	    "a=rtpmap:96 x-asf-pf/1000\r\n"
	    "a=control:video\r\n"
	    "a=stream:1\r\n"
	    "a=range:npt=0.000-30.046\r\n");
}
END_TEST

START_TEST(what_is_not_known_has_no_line)
{
	struct sdp_description description = { .address = "2001:db8::1",
		.packet_bytes = 1400,
		.stream_count = 1,
		.streams = { { SDP_AUDIO, 1, 0, "stream=1" } } };

	ck_assert_str_eq(format(&description), "v=0\r\n"
					       "o=- 0 0 IN IP6 2001:db8::1\r\n"
					       "s=-\r\n"
					       "c=IN IP6 ::\r\n"
					       "a=maxps:1400\r\n"
					       "t=0 0\r\n"
					       "m=audio 0 RTP/AVP 96\r\n"
					       "a=rtpmap:96 x-asf-pf/1000\r\n"
					       "a=control:stream=1\r\n"
					       "a=stream:1\r\n"
					       "m=application 0 RTP/AVP 96\r\n"
					       "a=rtpmap:96 x-wms-rtx/1000\r\n"
					       "a=control:rtx\r\n"
					       "a=stream:65536\r\n");
}
END_TEST

START_TEST(no_title_can_add_a_line)
{
	struct sdp_description description = clip();

	strcpy(description.title, "a\r\nb=AS:1\x7f\xC3\xA9");
	ck_assert_ptr_nonnull(
	    strstr(format(&description), "\r\ns=a  b=AS:1 \xC3\xA9\r\nc="));
	/* A name that fills its room has no final zero to rely on. */
	memset(description.title, 't', sizeof(description.title));
	ck_assert_ptr_nonnull(strstr(format(&description), "ttt\r\nc="));
}
END_TEST

START_TEST(the_largest_description_fits_and_its_header_line_too)
{
	static uint8_t large[SDP_ASF_HEADER_MAX + 1];
	struct sdp_description description = clip();
	const char *line;
	struct bytes_writer out;

	description.session_id = description.bit_rate_bps = UINT64_MAX;
	description.duration_us = UINT64_MAX;
	description.packet_bytes = UINT32_MAX;
	memset(description.title, 't', sizeof(description.title));
	memset(description.address, ':', sizeof(description.address));
	memset(description.control, 'c', sizeof(description.control));
	description.asf_header = large;
	description.asf_header_bytes = SDP_ASF_HEADER_MAX;
	description.stream_count = SDP_STREAMS_MAX;
	for (unsigned i = 0; i < SDP_STREAMS_MAX; i++) {
		struct sdp_stream *stream = &description.streams[i];

		stream->media = SDP_APPLICATION;
		stream->number = UINT32_MAX;
		stream->bit_rate_bps = UINT64_MAX;
		memset(stream->control, 's', SDP_CONTROL_SHORT - 1);
	}
	format(&description);
	ck_assert_uint_le(strlen(text), SDP_MAX);
	line = strstr(text, "a=pgmpu:");
	ck_assert_ptr_nonnull(line);
	ck_assert_uint_le(strcspn(line, "\r") - strlen("a="), 16383);

	description.asf_header_bytes++;
	out = bytes_writer(text, sizeof(text));
	sdp_format(&out, &description);
	ck_assert(out.failed);
}
END_TEST

START_TEST(a_description_survives_being_written_and_read)
{
	struct sdp_description in = clip(), out;

	ck_assert(parse(format(&in), &out));
	ck_assert_uint_eq(out.session_id, in.session_id);
	ck_assert_str_eq(out.title, in.title);
	ck_assert_str_eq(out.address, in.address);
	ck_assert_str_eq(out.control, in.control);
	ck_assert_uint_eq(out.bit_rate_bps, 364000);
	ck_assert_uint_eq(out.packet_bytes, 3200);
	ck_assert(out.has_duration);
	ck_assert_uint_eq(out.duration_us, in.duration_us);
	ck_assert_uint_eq(out.asf_header_bytes, sizeof(header));
	ck_assert_mem_eq(out.asf_header, header, sizeof(header));
	ck_assert_uint_eq(out.media_count, 3);
	ck_assert_uint_eq(out.stream_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(out.streams[i].media, in.streams[i].media);
		ck_assert_uint_eq(out.streams[i].number, in.streams[i].number);
		ck_assert_uint_eq(
		    out.streams[i].bit_rate_bps, in.streams[i].bit_rate_bps);
		ck_assert_str_eq(out.streams[i].control, in.streams[i].control);
	}
}
END_TEST

START_TEST(every_length_of_header_survives)
{
	static uint8_t bytes[64];
	struct sdp_description in = clip(), out;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(255 - i * 4);
	in.asf_header = bytes;
	for (size_t size = 1; size <= sizeof(bytes); size++) {
		in.asf_header_bytes = size;
		ck_assert(parse(format(&in), &out));
		ck_assert_uint_eq(out.asf_header_bytes, size);
		ck_assert_mem_eq(out.asf_header, bytes, size);
	}
}
END_TEST

START_TEST(other_writers_are_understood)
{
	/* A session-level range, bare line feeds, streams of other kinds. */
	const char *other =
	    "v=0\no=x\ns=t\n"
	    "a=range:npt=3.000-33.046\n"
	    "a=PGMPU:data:application/vnd.ms.wms-hdr.asfv1;BASE64,MCay\n"
	    "m=video 0 RTP/AVP 97\na=rtpmap:97 H264/90000\n"
	    "a=control:h\na=stream:4\n"
	    "m=application 0 RTP/AVP 96\n"
	    "a=rtpmap:96 X-ASF-PF/1000\nb=X-AV:9\nb=AS:x\n"
	    "a=control:rtsp://h/a/stream=3\na=stream:3";
	struct sdp_description out;

	ck_assert(parse(other, &out));
	ck_assert_uint_eq(out.session_id, 0);
	ck_assert_str_eq(out.address, "");
	ck_assert_uint_eq(out.duration_us, 33046000);
	ck_assert_uint_eq(out.asf_header_bytes, 3);
	ck_assert_uint_eq(out.media_count, 2);
	ck_assert_uint_eq(out.stream_count, 1);
	ck_assert_int_eq(out.streams[0].media, SDP_APPLICATION);
	ck_assert_uint_eq(out.streams[0].number, 3);
	ck_assert_uint_eq(out.streams[0].bit_rate_bps, 0);
	ck_assert_str_eq(out.streams[0].control, "rtsp://h/a/stream=3");

	ck_assert(sdp_parse(other, strlen(other), NULL, 0, &out));
	ck_assert_ptr_null(out.asf_header);
	ck_assert(parse("v=0\r\n" STREAM, &out));
	ck_assert_ptr_null(out.asf_header);
	ck_assert(!out.has_duration);
}
END_TEST

/* As gst-rtsp-server describes what rtpasfpay makes. */
START_TEST(a_header_may_stand_in_a_format)
{
	static const char front[] =
	    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\na=control:*\r\n"
	    "a=range:npt=0-\r\nm=application 0 RTP/AVP 96\r\n"
	    "a=rtpmap:96 X-ASF-PF/1000\r\na=control:stream=0\r\n";
	static const char *const right[] = { "96 maxps=1444;config=MCay",
		"96 config=MCa=", "96 CONFIG=MCay;;maxps=",
		"96 a; ;  config=" };
	static const char *const wrong[] = { "96 config=M", "96 config=MC ay",
		"96 x;config=MC-y;config=MCay" };
	static const char *const nothing[] = { "", "96", "config=MCay",
		"96 maxps=1444", "96 config", "96 xconfig=MCay", "96 ;" };
	static const size_t bytes[] = { 3, 2, 3, 0 };
	struct sdp_description out;
	char string[512];

	for (size_t i = 0; i < ARRAY_LENGTH(right); i++) {
		snprintf(
		    string, sizeof(string), "%sa=fmtp:%s", front, right[i]);
		ck_assert_msg(parse(string, &out), "\"%s\"", right[i]);
		ck_assert_uint_eq(out.stream_count, 1);
		ck_assert_uint_eq(out.streams[0].number, 0);
		ck_assert_str_eq(out.streams[0].control, "stream=0");
		ck_assert_ptr_nonnull(out.asf_header);
		ck_assert_uint_eq(out.asf_header_bytes, bytes[i]);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		snprintf(
		    string, sizeof(string), "%sa=fmtp:%s", front, wrong[i]);
		ck_assert_msg(!parse(string, &out), "\"%s\"", wrong[i]);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(nothing); i++) {
		snprintf(
		    string, sizeof(string), "%sa=fmtp:%s", front, nothing[i]);
		ck_assert_msg(parse(string, &out), "\"%s\"", nothing[i]);
		ck_assert_ptr_null(out.asf_header);
	}

	/* Of other formats it is something else; and the first one counts. */
	ck_assert(parse("v=0\nm=video 0 RTP/AVP 97\n"
			"a=rtpmap:97 MP4V-ES/90000\na=fmtp:97 config=0-0\n"
			"m=audio 0 RTP/AVP 96\na=rtpmap:96 x-asf-pf/1000\n"
			"a=fmtp:96 config=MCay\na=control:a\n",
	    &out));
	ck_assert_uint_eq(out.asf_header_bytes, 3);
	ck_assert(parse(
	    SESSION "MCaydY5m\r\n" STREAM "a=fmtp:96 config=MCay\r\n", &out));
	ck_assert_uint_eq(out.asf_header_bytes, 6);
}
END_TEST

START_TEST(what_is_no_description_is_refused)
{
	static const char *const wrong[] = { "", "v=0\r\n",
		"\r\nv=0\r\n" STREAM, STREAM,
		"o=- 1 1 IN IP4 h\r\nv=0\r\n" STREAM,
		/* no control, a number of nobody's */
		"v=0\r\nm=audio 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"
		"a=stream:1\r\n",
		"v=0\r\nm=audio 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"
		"a=control:a\r\na=stream:128\r\n",
		/* another clock, no stream at all */
		"v=0\r\nm=audio 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/90000\r\n"
		"a=control:a\r\na=stream:1\r\n",
		"v=0\r\na=rtpmap:96 x-asf-pf/1000\r\na=control:a\r\n"
		"a=stream:1\r\n",
		"v=0\r\na=control:a\tb\r\n" STREAM };
	struct sdp_description out = { .packet_bytes = 77 };

	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
		ck_assert_msg(
		    !parse(wrong[i], &out), "%zu is a description", i);
	ck_assert_uint_eq(out.packet_bytes, 77);
}
END_TEST

START_TEST(broken_base64_is_refused)
{
	static const char *const right[] = { "MCay", "MCa=", "MCa",
		"MA==", "MA", "" };
	static const char *const wrong[] = { "M", "MCayd",
		"M===", "MC==ay==", "MC ay", "MC-y", "MC\xC3\xA9", "=MCay",
		"MCay\r" };
	struct sdp_description out;
	char string[512];

	for (size_t i = 0; i < ARRAY_LENGTH(right); i++) {
		snprintf(
		    string, sizeof(string), SESSION "%s\r\n" STREAM, right[i]);
		ck_assert_msg(parse(string, &out), "\"%s\"", right[i]);
		ck_assert_uint_eq(
		    out.asf_header_bytes, strcspn(right[i], "=") * 3 / 4);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		snprintf(
		    string, sizeof(string), SESSION "%s\r\n" STREAM, wrong[i]);
		ck_assert_msg(!parse(string, &out), "\"%s\"", wrong[i]);
	}
}
END_TEST

START_TEST(a_header_longer_than_the_buffer_is_refused)
{
	const char *string = SESSION "MCaydY5m\r\n" STREAM; /* 6 bytes */
	struct sdp_description out;
	uint8_t room[6];

	ck_assert(sdp_parse(string, strlen(string), room, 6, &out));
	ck_assert(!sdp_parse(string, strlen(string), room, 5, &out));
	ck_assert(!sdp_parse(string, strlen(string), room, 0, &out));
}
END_TEST

START_TEST(texts_are_cut_or_refused_by_their_use)
{
	struct sdp_description out;
	char string[4096], long_text[1400];

	/* A title is cut at a whole character; é is two bytes. */
	long_text[0] = 'x';
	for (size_t i = 1; i < 601; i += 2)
		memcpy(long_text + i, "\xC3\xA9", 2);
	long_text[601] = '\0';
	snprintf(string, sizeof(string), "v=0\ns=%s\n" STREAM, long_text);
	ck_assert(parse(string, &out));
	ck_assert_uint_eq(strlen(out.title), 255);
	long_text[1] = '\0';
	snprintf(string, sizeof(string), "v=0\ns=xx%s\n" STREAM,
	    "\xC3\xA9\xC3\x01\xff");
	ck_assert(parse(string, &out));
	ck_assert_str_eq(out.title, "xx\xC3\xA9? ?");

	/* Half a URL leads elsewhere. */
	memset(long_text, 'c', sizeof(long_text));
	snprintf(string, sizeof(string), "v=0\na=control:%.*s\n" STREAM,
	    (int)sizeof(out.control) - 1, long_text);
	ck_assert(parse(string, &out));
	snprintf(string, sizeof(string), "v=0\na=control:%.*s\n" STREAM,
	    (int)sizeof(out.control), long_text);
	ck_assert(!parse(string, &out));
	snprintf(string, sizeof(string), "v=0\n" STREAM "a=control:%.*s\n",
	    SDP_CONTROL_MAX - 1, long_text);
	ck_assert(parse(string, &out));
	ck_assert_uint_eq(strlen(out.streams[0].control), SDP_CONTROL_MAX - 1);
	snprintf(string, sizeof(string), "v=0\n" STREAM "a=control:%.*s\n",
	    SDP_CONTROL_MAX, long_text);
	ck_assert(!parse(string, &out));
}
END_TEST

START_TEST(of_streams_with_one_number_the_first_counts)
{
	struct sdp_description out;

	ck_assert(parse("v=0\n" STREAM
			"m=video 0 RTP/AVP 96\na=rtpmap:96 x-asf-pf/1000\n"
			"a=control:again\na=stream:2\n",
	    &out));
	ck_assert_uint_eq(out.stream_count, 1);
	ck_assert_str_eq(out.streams[0].control, "audio");
}
END_TEST

START_TEST(a_megabyte_of_anything_is_borne)
{
	static const char *const fillers[] = { "m=", "m=audio 0 RTP/AVP 96\n",
		"a=", "a=control:", "=", "\n", "\r", "s=\xff", "v=0\n",
		"m=a\na=stream:1\na=rtpmap:96 x-asf-pf/1000\na=control:a\n" };
	size_t size = 1000 * 1000;
	char *large = malloc(size);
	uint8_t decoded[64];
	struct sdp_description out;

	ck_assert_ptr_nonnull(large);
	for (size_t i = 0; i < ARRAY_LENGTH(fillers); i++) {
		size_t length = strlen(fillers[i]);
		bool is_right = i == ARRAY_LENGTH(fillers) - 1;

		memcpy(large, "v=0\n", 4);
		for (size_t at = 4; at < size; at++)
			large[at] = fillers[i][(at - 4) % length];
		ck_assert_int_eq(
		    sdp_parse(large, size, decoded, sizeof(decoded), &out),
		    is_right);
	}
	ck_assert_uint_eq(out.stream_count, 1);
	ck_assert_uint_gt(out.media_count, 15000);
	free(large);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sdp");
	TCase *both = tcase_create("both directions");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, both);
	tcase_add_test(both, a_description_has_the_lines_of_windows_media);
	tcase_add_test(both, what_is_not_known_has_no_line);
	tcase_add_test(both, no_title_can_add_a_line);
	tcase_add_test(
	    both, the_largest_description_fits_and_its_header_line_too);
	tcase_add_test(both, a_description_survives_being_written_and_read);
	tcase_add_test(both, every_length_of_header_survives);
	tcase_add_test(both, other_writers_are_understood);
	tcase_add_test(both, a_header_may_stand_in_a_format);
	tcase_add_test(both, what_is_no_description_is_refused);
	tcase_add_test(both, broken_base64_is_refused);
	tcase_add_test(both, a_header_longer_than_the_buffer_is_refused);
	tcase_add_test(both, texts_are_cut_or_refused_by_their_use);
	tcase_add_test(both, of_streams_with_one_number_the_first_counts);
	tcase_add_test(both, a_megabyte_of_anything_is_borne);

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
