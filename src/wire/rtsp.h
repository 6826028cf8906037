/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtsp - RTSP requests and replies, both directions: parse and format
 * (RFC 2326).
 *
 * Nothing is copied: a parsed message borrows from the bytes it was parsed
 * from.  A header value may contain folds (CR LF and blanks, RFC 2616 2.2);
 * the functions that take a value apart treat them as blanks.
 */
#ifndef WIRE_RTSP_H
#define WIRE_RTSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Start line and headers; more is 400, or 414 within the start line. */
#define RTSP_HEAD_MAX 16384
#define RTSP_URL_MAX 4096
#define RTSP_HEADERS_MAX 100
/*
 * Body of a request; more is 413.  A server skips bodies, it never holds one.
 * Of replies any length is parsed: the client has a limit of its own.
 */
#define RTSP_BODY_MAX 65536
/* Interleaved frame: '$', channel, length (RFC 2326 10.12). */
#define RTSP_FRAME_HEAD 4

struct rtsp_text {
	const char *at; /* not terminated */
	size_t length;
};
#define RTSP_TEXT(literal)                                                     \
	((struct rtsp_text){ (literal), sizeof(literal) - 1 })
bool rtsp_text_is(struct rtsp_text text, const char *other); /* with case */
bool rtsp_text_is_nocase(struct rtsp_text text, const char *other);
/* The length of the UTF-8 sequence that TEXT begins with; 0: none. */
size_t rtsp_utf8_bytes(const char *text, size_t size);

enum rtsp_method {
	RTSP_UNKNOWN, /* a token that is no method of ours: 501 */
	RTSP_OPTIONS,
	RTSP_DESCRIBE,
	RTSP_SETUP,
	RTSP_PLAY,
	RTSP_PAUSE,
	RTSP_TEARDOWN,
	RTSP_GET_PARAMETER,
	RTSP_SET_PARAMETER,
	RTSP_ANNOUNCE, /* known, not allowed here: 405 */
	RTSP_RECORD,
	RTSP_REDIRECT,
	RTSP_METHOD_COUNT
};
const char *rtsp_method_name(enum rtsp_method method);

enum rtsp_header { /* those that anybody looks at */
	RTSP_CSEQ,
	RTSP_SESSION,
	RTSP_TRANSPORT,
	RTSP_RANGE,
	RTSP_SPEED,
	RTSP_SCALE,
	RTSP_REQUIRE,
	RTSP_PROXY_REQUIRE,
	RTSP_ACCEPT,
	RTSP_CONTENT_LENGTH,
	RTSP_CONTENT_TYPE,
	RTSP_CONTENT_BASE,
	RTSP_USER_AGENT,
	RTSP_CONNECTION,
	RTSP_SUPPORTED,
	RTSP_BLOCKSIZE,
	RTSP_RTP_INFO,
	RTSP_SERVER,
	RTSP_PUBLIC,
	RTSP_LOCATION,
	RTSP_RETRY_AFTER,
	RTSP_HEADER_COUNT
};

/*
 * A parsed head.  A blank may stand in a request's URL: clients send the URL
 * as it was typed.  A header that is missing has header[].at == NULL.  Of a
 * repeated one the first counts, but: different values of Content-Length, CSeq
 * or Session in one head are RTSP_BAD.  Several Require lines: require_count
 * counts them, the first is in header[] (any one is enough for 551).
 */
struct rtsp_message {
	bool is_reply;
	enum rtsp_method method;
	struct rtsp_text method_text, url;
	unsigned status; /* reply: 100..599 */
	struct rtsp_text reason;
	unsigned version_major, version_minor;
	struct rtsp_text header[RTSP_HEADER_COUNT];
	unsigned require_count;
	uint32_t cseq; /* valid when has_cseq */
	bool has_cseq; /* a request without is RTSP_BAD, a reply is not */
	uint64_t content_length; /* 0 when missing; any u64 */
	size_t head_length; /* bytes up to and including the empty line */
};

enum rtsp_result {
	/* Not complete yet; with SIZE at RTSP_HEAD_MAX it is RTSP_BAD. */
	RTSP_MORE,
	RTSP_DONE,
	/* The bytes begin with '$': see rtsp_parse_frame. */
	RTSP_FRAME,
	/* OUT has what could be read; its status: 400, 413, 414 or 505. */
	RTSP_BAD,
};

/*
 * Parse the message that begins at DATA.  Leading empty lines (at most 16) are
 * part of its head.  Line ends are CR LF or LF.  When RTSP_BAD, out->status is
 * the answer and out->cseq is valid if has_cseq; the connection cannot go on,
 * except when out->head_length != 0 (then the head was delimited, and the
 * caller may skip head_length + content_length and go on; content_length is
 * then at most RTSP_BODY_MAX in a request).  What begins with no letter of a
 * method (TLS, a NUL) is RTSP_BAD at once; all else only when its head is
 * complete.  RTSP/1.x is parsed; another major version is RTSP_BAD with 505.
 */
enum rtsp_result rtsp_parse(
    const void *data, size_t size, struct rtsp_message *out);

struct rtsp_frame {
	uint8_t channel;
	uint16_t length; /* of the payload, behind the 4 bytes */
};
/* RTSP_MORE below 4 bytes, then RTSP_DONE; RTSP_BAD unless DATA[0] is '$'. */
enum rtsp_result rtsp_parse_frame(
    const void *data, size_t size, struct rtsp_frame *out);

/*
 * The path of a request URL: absolute (rtsp://host[:port]/path, rtspt, rtspu,
 * without regard to case) or a bare absolute path.  Query and fragment are cut
 * off.  %XX are decoded; a broken %, a control character (raw or as %XX) or one
 * outside UTF-8 is false.  Leading and repeated slashes are folded, no leading
 * slash in OUT; a trailing slash is cut and told in *TRAILING.  "." and ".."
 * are kept: the kernel judges them.  "*" gives "".  OUT holds a NUL-terminated
 * text.  HOST: host[:port] as written but for what stands before an @, empty if
 * none.  False: not a URL (400), or longer than OUT (the caller's 414).
 */
struct rtsp_url {
	char path[1024];
	struct rtsp_text host;
	bool trailing_slash, asterisk;
};
bool rtsp_parse_url(struct rtsp_text url, struct rtsp_url *out);

/*
 * Transport (RFC 2326 12.39).  Neither unicast nor multicast is taken as
 * unicast: section 10.12 itself leaves the word out.
 */
enum rtsp_transport_kind { RTSP_TRANSPORT_UDP, RTSP_TRANSPORT_TCP };
struct rtsp_transport {
	enum rtsp_transport_kind kind;
	bool has_client_port, has_server_port, has_interleaved, has_ssrc,
	    mode_play;
	/* A single client_port N means N and N + 1. */
	uint16_t client_port[2], server_port[2];
	bool client_port_single; /* as written; the answer echoes it so */
	uint8_t interleaved[2];
	uint32_t ssrc;
	bool has_destination; /* named a destination or source */
	struct rtsp_text destination; /* as written; never where to send */
};
/*
 * The first alternative that is unicast RTP/AVP over UDP (if allow_udp) or TCP
 * (if allow_tcp) and well formed, mode PLAY or none.  At most 32 alternatives
 * are looked at.  Ports are 1..65535 and in order (N, N+1 or any pair a <= b);
 * interleaved 0..254 + next.  UDP without client_port is malformed; TCP without
 * interleaved is not.  False: none (461).  *MALFORMED is true when there was no
 * well-formed alternative at all (400).
 */
bool rtsp_parse_transport(struct rtsp_text value, bool allow_udp,
    bool allow_tcp, struct rtsp_transport *out, bool *malformed);
/*
 * "RTP/AVP/UDP;unicast;server_port=S-T;client_port=C[-D];ssrc=0a1b2c3d;mode=PLAY"
 * or "RTP/AVP/TCP;unicast;interleaved=A-B;ssrc=0a1b2c3d", without what is not
 * had.
 */
void rtsp_format_transport(
    struct bytes_writer *out, const struct rtsp_transport *transport);

/*
 * Session: id[;timeout=N].  TIMEOUT_S is 0 when not given, or no number.
 * Ids are 8..128 of [A-Za-z0-9$_.+-].
 */
bool rtsp_parse_session(
    struct rtsp_text value, struct rtsp_text *id, uint32_t *timeout_s);

/*
 * Range: npt=… (RFC 2326 3.6, 12.29).  Forms: "a-b", "a-", "-b" (taken as 0-b),
 * "now-", seconds with fraction or h:mm:ss.fff.  ";time=" is ignored.  Only the
 * first range counts when several stand in a list.  RTSP_RANGE_OTHER: smpte,
 * clock, unknown unit (457).  RTSP_RANGE_BAD: nan, negative, overflow beyond
 * 2^53 us, end < start (457).
 */
enum rtsp_range_kind { RTSP_RANGE_OK, RTSP_RANGE_OTHER, RTSP_RANGE_BAD };
struct rtsp_range {
	bool has_start; /* false: "now-" */
	bool has_end;
	uint64_t start_us, end_us;
};
enum rtsp_range_kind rtsp_parse_range(
    struct rtsp_text value, struct rtsp_range *out);

/*
 * RTP-Info (RFC 2326 12.33), for clients.  Takes the first entry off *REST (at
 * first the header's value); false: none is left, or *REST begins with no
 * entry.  A URL may contain commas and semicolons, as titles do.
 */
struct rtsp_rtp_info {
	struct rtsp_text url;
	bool has_sequence, has_rtptime;
	uint16_t sequence;
	uint32_t rtptime;
};
bool rtsp_parse_rtp_info(struct rtsp_text *rest, struct rtsp_rtp_info *out);

/*
 * A decimal in thousandths: "1.5" -> 1500, "-1" -> -1000.  False: not a number
 * (nan, inf, 1e9), or more than nine digits before the point.  Further decimals
 * are cut off.
 */
bool rtsp_parse_milli(struct rtsp_text value, int64_t *out);
/* Digits only, no overflow. */
bool rtsp_parse_u64(struct rtsp_text value, uint64_t *out);

enum rtsp_status {
	RTSP_OK = 200,
	RTSP_MOVED_TEMPORARILY = 302,
	RTSP_BAD_REQUEST = 400,
	RTSP_UNAUTHORIZED = 401,
	RTSP_FORBIDDEN = 403,
	RTSP_NOT_FOUND = 404,
	RTSP_METHOD_NOT_ALLOWED = 405,
	RTSP_NOT_ACCEPTABLE = 406,
	RTSP_REQUEST_TIMEOUT = 408,
	RTSP_ENTITY_TOO_LARGE = 413,
	RTSP_URL_TOO_LONG = 414,
	RTSP_UNSUPPORTED_MEDIA_TYPE = 415,
	RTSP_PARAMETER_NOT_UNDERSTOOD = 451,
	RTSP_NOT_ENOUGH_BANDWIDTH = 453,
	RTSP_SESSION_NOT_FOUND = 454,
	RTSP_NOT_VALID_IN_STATE = 455,
	RTSP_INVALID_RANGE = 457,
	RTSP_AGGREGATE_NOT_ALLOWED = 459,
	RTSP_ONLY_AGGREGATE_ALLOWED = 460,
	RTSP_UNSUPPORTED_TRANSPORT = 461,
	RTSP_INTERNAL_ERROR = 500,
	RTSP_NOT_IMPLEMENTED = 501,
	RTSP_SERVICE_UNAVAILABLE = 503,
	RTSP_VERSION_NOT_SUPPORTED = 505,
	RTSP_OPTION_NOT_SUPPORTED = 551,
};
/* The phrase of RFC 2326 7.1.1, or "Unknown". */
const char *rtsp_reason(unsigned status);

/*
 * Formatting.  Start line first, then headers, then rtsp_format_end (empty
 * line), then the body, if any.  REASON may be NULL.  Control characters in
 * what is put into a line become blanks: no text can add a header.
 */
void rtsp_format_status(
    struct bytes_writer *out, unsigned status, const char *reason);
void rtsp_format_request(
    struct bytes_writer *out, enum rtsp_method method, const char *url);
void rtsp_format_header(struct bytes_writer *out, const char *name,
    const char *format, ...) PRINTF_LIKE(3, 4);
void rtsp_format_end(struct bytes_writer *out);
/* "12.345" for Range and SDP: seconds with three digits. */
#define RTSP_NPT_MAX 32
const char *rtsp_npt_text(uint64_t us, char text[static RTSP_NPT_MAX]);

#endif
