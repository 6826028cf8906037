/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtsp - RTSP messages and the values of their headers, both directions.
 * It says what was written and whether it is well formed; what a method means,
 * which sessions exist and where media may be sent is decided above.
 */
#include "wire/rtsp.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define EMPTY_LINES_MAX 16
#define ALTERNATIVES_MAX 32
#define NPT_US_MAX (UINT64_C(1) << 53)
#define MILLI_DIGITS_MAX 9

/* clang-format off */
static const char *const method_names[RTSP_METHOD_COUNT] = {
	[RTSP_UNKNOWN]       = "UNKNOWN",
	[RTSP_OPTIONS]       = "OPTIONS",
	[RTSP_DESCRIBE]      = "DESCRIBE",
	[RTSP_SETUP]         = "SETUP",
	[RTSP_PLAY]          = "PLAY",
	[RTSP_PAUSE]         = "PAUSE",
	[RTSP_TEARDOWN]      = "TEARDOWN",
	[RTSP_GET_PARAMETER] = "GET_PARAMETER",
	[RTSP_SET_PARAMETER] = "SET_PARAMETER",
	[RTSP_ANNOUNCE]      = "ANNOUNCE",
	[RTSP_RECORD]        = "RECORD",
	[RTSP_REDIRECT]      = "REDIRECT",
};

static const char *const header_names[RTSP_HEADER_COUNT] = {
	[RTSP_CSEQ]           = "CSeq",
	[RTSP_SESSION]        = "Session",
	[RTSP_TRANSPORT]      = "Transport",
	[RTSP_RANGE]          = "Range",
	[RTSP_SPEED]          = "Speed",
	[RTSP_SCALE]          = "Scale",
	[RTSP_REQUIRE]        = "Require",
	[RTSP_PROXY_REQUIRE]  = "Proxy-Require",
	[RTSP_ACCEPT]         = "Accept",
	[RTSP_CONTENT_LENGTH] = "Content-Length",
	[RTSP_CONTENT_TYPE]   = "Content-Type",
	[RTSP_CONTENT_BASE]   = "Content-Base",
	[RTSP_USER_AGENT]     = "User-Agent",
	[RTSP_CONNECTION]     = "Connection",
	[RTSP_SUPPORTED]      = "Supported",
	[RTSP_BLOCKSIZE]      = "Blocksize",
	[RTSP_RTP_INFO]       = "RTP-Info",
	[RTSP_SERVER]         = "Server",
	[RTSP_PUBLIC]         = "Public",
	[RTSP_LOCATION]       = "Location",
	[RTSP_RETRY_AFTER]    = "Retry-After",
};

static const struct {
	unsigned status;
	const char *phrase;
} reasons[] = { /* RFC 2326 7.1.1 */
	{ 100, "Continue" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 250, "Low on Storage Space" },
	{ 300, "Multiple Choices" },
	{ 301, "Moved Permanently" },
	{ 302, "Moved Temporarily" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 305, "Use Proxy" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Time-out" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Request Entity Too Large" },
	{ 414, "Request-URI Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 451, "Parameter Not Understood" },
	{ 452, "Conference Not Found" },
	{ 453, "Not Enough Bandwidth" },
	{ 454, "Session Not Found" },
	{ 455, "Method Not Valid in This State" },
	{ 456, "Header Field Not Valid for Resource" },
	{ 457, "Invalid Range" },
	{ 458, "Parameter Is Read-Only" },
	{ 459, "Aggregate Operation Not Allowed" },
	{ 460, "Only Aggregate Operation Allowed" },
	{ 461, "Unsupported Transport" },
	{ 462, "Destination Unreachable" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Time-out" },
	{ 505, "RTSP Version Not Supported" },
	{ 551, "Option Not Supported" },
};
/* clang-format on */

/* ---- characters and texts ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7F;
}

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* RFC 2616 2.2 */
static bool
is_token(char c)
{
	return is_letter(c) || is_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
rtsp_text_is(struct rtsp_text text, const char *other)
{
	size_t length = strlen(other);

	return text.length == length && memcmp(text.at, other, length) == 0;
}

static bool
begins_nocase(struct rtsp_text text, const char *prefix)
{
	size_t length = strlen(prefix);

	if (text.length < length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (lower(text.at[i]) != lower(prefix[i]))
			return false;
	return true;
}

bool
rtsp_text_is_nocase(struct rtsp_text text, const char *other)
{
	return text.length == strlen(other) && begins_nocase(text, other);
}

static struct rtsp_text
skip(struct rtsp_text text, size_t count)
{
	return (struct rtsp_text){ text.at + count, text.length - count };
}

static struct rtsp_text
trim(struct rtsp_text text)
{
	while (text.length > 0 && is_blank(text.at[0]))
		text = skip(text, 1);
	while (text.length > 0 && is_blank(text.at[text.length - 1]))
		text.length--;
	return text;
}

static bool
is_made_of(struct rtsp_text text, bool (*is)(char))
{
	for (size_t i = 0; i < text.length; i++)
		if (!is(text.at[i]))
			return false;
	return true;
}

/*
 * Cut the piece before SEPARATOR, which does not count inside quotes, off
 * REST.  False: REST is used up.
 */
static bool
take_piece(struct rtsp_text *rest, char separator, struct rtsp_text *piece)
{
	bool quoted = false;
	size_t at;

	if (rest->at == NULL)
		return false;
	for (at = 0; at < rest->length; at++) {
		if (rest->at[at] == '"')
			quoted = !quoted;
		else if (rest->at[at] == separator && !quoted)
			break;
	}
	*piece = trim((struct rtsp_text){ rest->at, at });
	if (at == rest->length)
		*rest = (struct rtsp_text){ NULL, 0 };
	else
		*rest = skip(*rest, at + 1);
	return true;
}

/* NAME [= VALUE]; quotes around the value are taken off.  False: no '='. */
static bool
split_parameter(
    struct rtsp_text piece, struct rtsp_text *name, struct rtsp_text *value)
{
	bool has_value = take_piece(&piece, '=', name) && piece.at != NULL;

	*value = has_value ? trim(piece) : (struct rtsp_text){ "", 0 };
	if (value->length >= 2 && value->at[0] == '"' &&
	    value->at[value->length - 1] == '"')
		*value = trim(
		    (struct rtsp_text){ value->at + 1, value->length - 2 });
	return has_value;
}

/* The digits that TEXT begins with.  False: none, or more than LIMIT. */
static bool
take_number(struct rtsp_text *text, uint64_t limit, uint64_t *out)
{
	uint64_t value = 0;
	size_t at;

	for (at = 0; at < text->length && is_digit(text->at[at]); at++) {
		uint64_t digit = (uint64_t)(text->at[at] - '0');

		if (value > limit / 10 || value * 10 > limit - digit)
			return false;
		value = value * 10 + digit;
	}
	if (at == 0)
		return false;
	*text = skip(*text, at);
	*out = value;
	return true;
}

static bool
take_char(struct rtsp_text *text, char c)
{
	if (text->length == 0 || text->at[0] != c)
		return false;
	*text = skip(*text, 1);
	return true;
}

/* The digits behind a point, in units of 1 / (10 * SCALE); more are cut off. */
static uint64_t
take_fraction(struct rtsp_text *text, uint64_t scale)
{
	uint64_t value = 0;

	for (; text->length > 0 && is_digit(text->at[0]); scale /= 10) {
		value += (uint64_t)(text->at[0] - '0') * scale;
		*text = skip(*text, 1);
	}
	return value;
}

/* Table 3-7 of the Unicode standard: no overlong forms, no surrogates. */
size_t
rtsp_utf8_bytes(const char *text, size_t size)
{
	const uint8_t *at = (const uint8_t *)text;
	uint8_t low = 0x80, high = 0xBF;
	size_t bytes;

	if (size == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xC2 || at[0] > 0xF4)
		return 0;
	bytes = at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
	if (size < bytes)
		return 0;
	if (at[0] == 0xE0)
		low = 0xA0;
	else if (at[0] == 0xED)
		high = 0x9F;
	else if (at[0] == 0xF0)
		low = 0x90;
	else if (at[0] == 0xF4)
		high = 0x8F;
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < bytes; i++)
		if (at[i] < 0x80 || at[i] > 0xBF)
			return 0;
	return bytes;
}

const char *
rtsp_method_name(enum rtsp_method method)
{
	return method_names[method < RTSP_METHOD_COUNT ? method : 0];
}

const char *
rtsp_reason(unsigned status)
{
	for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].phrase;
	return "Unknown";
}

/* ---- messages ---- */

/* The line at *AT without its end.  False: it has none before END. */
static bool
take_line(const char **at, const char *end, struct rtsp_text *line)
{
	const char *feed = memchr(*at, '\n', (size_t)(end - *at));

	if (feed == NULL)
		return false;
	*line = (struct rtsp_text){ *at, (size_t)(feed - *at) };
	if (line->length > 0 && line->at[line->length - 1] == '\r')
		line->length--;
	*at = feed + 1;
	return true;
}

/* A head while it is being parsed. */
struct head {
	struct rtsp_message *message;
	unsigned wrong; /* the status; 0: nothing so far */
	bool is_delimited; /* it is known where the message ends */
	struct rtsp_text name; /* of the header whose value may go on */
	struct rtsp_text value;
	unsigned header_count;
};

/* The first thing that is wrong is the answer. */
static void
note(struct head *head, unsigned status)
{
	if (head->wrong == 0)
		head->wrong = status;
}

/* "RTSP/1.0" */
static bool
parse_version(struct rtsp_text text, struct rtsp_message *message)
{
	uint64_t major, minor;

	if (!begins_nocase(text, "RTSP/"))
		return false;
	text = skip(text, strlen("RTSP/"));
	if (!take_number(&text, 999, &major) || !take_char(&text, '.') ||
	    !take_number(&text, 999, &minor) || text.length != 0)
		return false;
	message->version_major = (unsigned)major;
	message->version_minor = (unsigned)minor;
	return true;
}

/* Cut the word before the first blank off TEXT. */
static struct rtsp_text
take_word(struct rtsp_text *text)
{
	struct rtsp_text word = { text->at, 0 };

	while (word.length < text->length && !is_blank(text->at[word.length]))
		word.length++;
	*text = trim(skip(*text, word.length));
	return word;
}

static void
parse_request_line(struct rtsp_text line, struct head *head)
{
	struct rtsp_message *message = head->message;
	size_t url_length;

	message->method_text = take_word(&line);
	if (!is_made_of(message->method_text, is_token))
		note(head, RTSP_BAD_REQUEST);
	for (int i = RTSP_UNKNOWN + 1; i < RTSP_METHOD_COUNT; i++)
		if (rtsp_text_is(message->method_text, method_names[i]))
			message->method = (enum rtsp_method)i;

	/* The version is the last word; blanks before it are the URL's. */
	url_length = line.length;
	while (url_length > 0 && !is_blank(line.at[url_length - 1]))
		url_length--;
	if (!parse_version(skip(line, url_length), message)) {
		note(head, RTSP_BAD_REQUEST);
		url_length = line.length;
	}
	message->url = trim((struct rtsp_text){ line.at, url_length });
	if (message->url.length == 0)
		note(head, RTSP_BAD_REQUEST);
	else if (message->url.length > RTSP_URL_MAX)
		note(head, RTSP_URL_TOO_LONG);
}

static void
parse_status_line(struct rtsp_text line, struct head *head)
{
	struct rtsp_message *message = head->message;
	struct rtsp_text code;
	uint64_t status = 0;

	message->is_reply = true;
	if (!parse_version(take_word(&line), message))
		note(head, RTSP_BAD_REQUEST);
	code = take_word(&line);
	if (code.length != 3 || !rtsp_parse_u64(code, &status) ||
	    status < 100 || status > 599)
		note(head, RTSP_BAD_REQUEST);
	message->status = (unsigned)status;
	message->reason = line;
}

static void
parse_start_line(struct rtsp_text line, struct head *head)
{
	for (size_t i = 0; i < line.length; i++)
		if (is_control(line.at[i]))
			note(head, RTSP_BAD_REQUEST);
	line = trim(line);
	if (begins_nocase(line, "RTSP/"))
		parse_status_line(line, head);
	else
		parse_request_line(line, head);
	if (head->wrong == 0 && head->message->version_major != 1)
		note(head, RTSP_VERSION_NOT_SUPPORTED);
}

static bool
is_same(struct rtsp_text a, struct rtsp_text b)
{
	return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/* Take the header whose value just ended into the message. */
static void
finish_header(struct head *head)
{
	struct rtsp_text value = trim(head->value), *first;
	int i = 0;

	if (head->name.length == 0)
		return;
	while (i < RTSP_HEADER_COUNT &&
	       !rtsp_text_is_nocase(head->name, header_names[i]))
		i++;
	head->name.length = 0;
	if (i == RTSP_HEADER_COUNT)
		return;
	if (i == RTSP_REQUIRE)
		head->message->require_count++;

	first = &head->message->header[i];
	if (first->at == NULL) {
		*first = value;
	} else if (!is_same(*first, value)) {
		/* Two readers of such a head could disagree about it. */
		if (i == RTSP_CONTENT_LENGTH)
			head->is_delimited = false;
		if (i == RTSP_CONTENT_LENGTH || i == RTSP_CSEQ ||
		    i == RTSP_SESSION)
			note(head, RTSP_BAD_REQUEST);
	}
}

static void
parse_header_line(struct rtsp_text line, struct head *head)
{
	const char *colon;

	/* RFC 9110 5.5; a CR that is no line end is no blank either. */
	if (memchr(line.at, '\0', line.length) != NULL ||
	    memchr(line.at, '\r', line.length) != NULL)
		note(head, RTSP_BAD_REQUEST);

	if (line.at[0] == ' ' || line.at[0] == '\t') { /* a fold */
		if (head->name.length == 0)
			note(head, RTSP_BAD_REQUEST);
		else
			head->value.length =
			    (size_t)(line.at + line.length - head->value.at);
		return;
	}

	finish_header(head);
	if (++head->header_count > RTSP_HEADERS_MAX)
		note(head, RTSP_BAD_REQUEST);
	colon = memchr(line.at, ':', line.length);
	if (colon == NULL) {
		note(head, RTSP_BAD_REQUEST);
		return;
	}
	head->name =
	    trim((struct rtsp_text){ line.at, (size_t)(colon - line.at) });
	head->value = skip(line, (size_t)(colon + 1 - line.at));
	if (head->name.length == 0 || !is_made_of(head->name, is_token)) {
		note(head, RTSP_BAD_REQUEST);
		head->name.length = 0;
	}
}

/* What the headers say about the message itself. */
static void
judge_headers(struct head *head)
{
	struct rtsp_message *message = head->message;
	const struct rtsp_text *header = message->header;
	uint64_t number;

	if (header[RTSP_CSEQ].at == NULL) {
		if (!message->is_reply)
			note(head, RTSP_BAD_REQUEST);
	} else if (!rtsp_parse_u64(header[RTSP_CSEQ], &number) ||
		   number > UINT32_MAX) {
		note(head, RTSP_BAD_REQUEST);
	} else {
		message->cseq = (uint32_t)number;
		message->has_cseq = true;
	}

	if (header[RTSP_CONTENT_LENGTH].at == NULL)
		return;
	if (!rtsp_parse_u64(
		header[RTSP_CONTENT_LENGTH], &message->content_length)) {
		note(head, RTSP_BAD_REQUEST);
		head->is_delimited = false;
	} else if (message->content_length > RTSP_BODY_MAX &&
		   !message->is_reply) {
		note(head, RTSP_ENTITY_TOO_LARGE);
		head->is_delimited = false;
	}
}

static enum rtsp_result
refuse(struct rtsp_message *message, unsigned status)
{
	message->status = status;
	return RTSP_BAD;
}

/*
 * Find the head without its leading empty lines.  RTSP_DONE: it is all there;
 * *START is its first line, *END is behind the empty line that ends it.
 */
static enum rtsp_result
find_head(const char *data, size_t size, const char **start, const char **end,
    unsigned *status)
{
	const char *limit = data + MIN_OF(size, RTSP_HEAD_MAX);
	const char *at = data;
	struct rtsp_text line;
	size_t lines = 0;

	do {
		*start = at;
		if (at < limit && !is_one_of(*at, "\r\n") && !is_token(*at)) {
			*status = RTSP_BAD_REQUEST;
			return RTSP_BAD;
		}
		if (!take_line(&at, limit, &line))
			goto incomplete;
		if (++lines > EMPTY_LINES_MAX + 1) {
			*status = RTSP_BAD_REQUEST;
			return RTSP_BAD;
		}
	} while (line.length == 0);
	do {
		if (!take_line(&at, limit, &line))
			goto incomplete;
		lines++;
	} while (line.length != 0);
	*end = at;
	return RTSP_DONE;

incomplete:
	if (size < RTSP_HEAD_MAX)
		return RTSP_MORE;
	*status = at == *start ? RTSP_URL_TOO_LONG : RTSP_BAD_REQUEST;
	return RTSP_BAD;
}

enum rtsp_result
rtsp_parse(const void *data, size_t size, struct rtsp_message *out)
{
	struct head head = { .message = out, .is_delimited = true };
	const char *at = data, *end = NULL;
	enum rtsp_result result;
	struct rtsp_text line;
	unsigned status = 0;

	memset(out, 0, sizeof(*out));
	if (size == 0)
		return RTSP_MORE;
	if (at[0] == '$')
		return RTSP_FRAME;
	result = find_head(data, size, &at, &end, &status);
	if (result == RTSP_BAD)
		return refuse(out, status);
	if (result != RTSP_DONE)
		return result;

	take_line(&at, end, &line);
	parse_start_line(line, &head);
	while (take_line(&at, end, &line) && line.length > 0)
		parse_header_line(line, &head);
	finish_header(&head);
	judge_headers(&head);

	if (head.is_delimited)
		out->head_length = (size_t)(end - (const char *)data);
	return head.wrong == 0 ? RTSP_DONE : refuse(out, head.wrong);
}

enum rtsp_result
rtsp_parse_frame(const void *data, size_t size, struct rtsp_frame *out)
{
	struct bytes_reader reader = bytes_reader(data, size);
	struct rtsp_frame frame;

	if (size > 0 && bytes_u8(&reader) != '$')
		return RTSP_BAD;
	frame.channel = bytes_u8(&reader);
	frame.length = bytes_u16be(&reader);
	if (size < RTSP_FRAME_HEAD)
		return RTSP_MORE;
	*out = frame;
	return RTSP_DONE;
}

/* ---- URL ---- */

/* host[:port], [address][:port] */
static bool
is_host(struct rtsp_text host)
{
	const char *others = "-._~%";
	uint64_t port;

	if (host.length == 0)
		return false;
	if (take_char(&host, '[')) {
		while (host.length > 0 &&
		       (is_letter(host.at[0]) || is_digit(host.at[0]) ||
			   is_one_of(host.at[0], ":.%-_")))
			host = skip(host, 1);
		if (!take_char(&host, ']'))
			return false;
	} else {
		while (host.length > 0 &&
		       (is_letter(host.at[0]) || is_digit(host.at[0]) ||
			   is_one_of(host.at[0], others)))
			host = skip(host, 1);
	}
	if (host.length == 0)
		return true;
	if (!take_char(&host, ':'))
		return false;
	return host.length == 0 || /* RFC 3986 3.2.3 allows an empty port */
	       (take_number(&host, 65535, &port) && port > 0 &&
		   host.length == 0);
}

/* Take "rtsp://host" off URL.  False: there is no such thing. */
static bool
take_authority(struct rtsp_text *url, struct rtsp_text *host)
{
	static const char *const schemes[] = { "rtsp://", "rtspt://",
		"rtspu://" };
	struct rtsp_text authority;

	for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
		if (!begins_nocase(*url, schemes[i]))
			continue;
		authority = skip(*url, strlen(schemes[i]));
		*url = authority;
		while (url->length > 0 && url->at[0] != '/')
			*url = skip(*url, 1);
		authority.length -= url->length;
		/* A name and password are nothing to be repeated. */
		for (size_t at = authority.length; at > 0; at--) {
			if (authority.at[at - 1] == '@') {
				authority = skip(authority, at);
				break;
			}
		}
		*host = authority;
		return is_host(authority);
	}
	return false;
}

/* The next character of a path, decoded.  False: none that may be there. */
static bool
take_path_char(struct rtsp_text *path, char *out)
{
	int high, low;

	*out = path->at[0];
	if (*out == '%') {
		if (path->length < 3)
			return false;
		high = hex_value(path->at[1]);
		low = hex_value(path->at[2]);
		if (high < 0 || low < 0)
			return false;
		*out = (char)(high << 4 | low);
		*path = skip(*path, 2);
	}
	*path = skip(*path, 1);
	return !is_control(*out);
}

static bool
is_utf8(const char *text, size_t size)
{
	size_t bytes;

	for (; size > 0; text += bytes, size -= bytes) {
		bytes = rtsp_utf8_bytes(text, size);
		if (bytes == 0)
			return false;
	}
	return true;
}

static bool
parse_path(struct rtsp_text path, struct rtsp_url *out)
{
	size_t length = 0;
	bool after_slash = true;
	char c;

	while (path.length > 0) {
		if (!take_path_char(&path, &c))
			return false;
		if (c == '/' && after_slash)
			continue;
		after_slash = c == '/';
		if (length == sizeof(out->path) - 1) {
			if (c != '/')
				return false;
			out->trailing_slash = true; /* unless more follows */
			continue;
		}
		out->path[length++] = c;
	}
	if (length > 0 && out->path[length - 1] == '/') {
		length--;
		out->trailing_slash = true;
	}
	out->path[length] = '\0';
	return is_utf8(out->path, length);
}

bool
rtsp_parse_url(struct rtsp_text url, struct rtsp_url *out)
{
	struct rtsp_url result = { .host = { "", 0 } };

	if (rtsp_text_is(url, "*")) {
		result.asterisk = true;
		*out = result;
		return true;
	}
	for (size_t i = 0; i < url.length; i++)
		if (is_one_of(url.at[i], "?#"))
			url.length = i;
	if (url.length == 0)
		return false;
	if (url.at[0] != '/' && !take_authority(&url, &result.host))
		return false;
	/* "/" alone: nothing remains of it, but it was one. */
	result.trailing_slash = url.length > 0 && url.at[url.length - 1] == '/';
	if (!parse_path(url, &result))
		return false;
	*out = result;
	return true;
}

/* ---- Transport ---- */

/* "A-B", or A alone for A and the next one; in order, from MIN to MAX. */
static bool
parse_pair(struct rtsp_text value, uint64_t min, uint64_t max, uint64_t pair[2],
    bool *is_single)
{
	if (!take_number(&value, max, &pair[0]) || pair[0] < min)
		return false;
	*is_single = value.length == 0;
	if (*is_single)
		pair[1] = pair[0] + 1;
	else if (!take_char(&value, '-') ||
		 !take_number(&value, max, &pair[1]) || value.length != 0)
		return false;
	return pair[0] <= pair[1] && pair[1] <= max;
}

static bool
parse_ports(struct rtsp_text value, uint16_t out[2], bool *is_single)
{
	uint64_t pair[2];

	if (!parse_pair(value, 1, 65535, pair, is_single))
		return false;
	out[0] = (uint16_t)pair[0];
	out[1] = (uint16_t)pair[1];
	return true;
}

static bool
parse_channels(struct rtsp_text value, uint8_t out[2])
{
	uint64_t pair[2];
	bool is_single;

	if (!parse_pair(value, 0, 255, pair, &is_single) ||
	    pair[1] != pair[0] + 1)
		return false;
	out[0] = (uint8_t)pair[0];
	out[1] = (uint8_t)pair[1];
	return true;
}

/* 8 hexadecimal digits, or fewer; servers were seen to put blanks there. */
static bool
parse_ssrc(struct rtsp_text value, uint32_t *out)
{
	uint32_t ssrc = 0;

	if (value.length == 0 || value.length > 8)
		return false;
	for (size_t i = 0; i < value.length; i++) {
		int digit = hex_value(value.at[i]);

		if (digit < 0)
			return false;
		ssrc = ssrc << 4 | (uint32_t)digit;
	}
	*out = ssrc;
	return true;
}

static bool
mode_has_play(struct rtsp_text modes)
{
	struct rtsp_text mode;

	while (take_piece(&modes, ',', &mode))
		if (rtsp_text_is_nocase(mode, "PLAY"))
			return true;
	return false;
}

/* False: malformed.  *IS_FOREIGN: well formed, but nothing for us. */
static bool
parse_transport_parameter(
    struct rtsp_text piece, struct rtsp_transport *out, bool *is_foreign)
{
	struct rtsp_text name, value;
	bool is_single;

	split_parameter(piece, &name, &value);
	if (rtsp_text_is_nocase(name, "multicast")) {
		*is_foreign = true;
	} else if (rtsp_text_is_nocase(name, "client_port")) {
		out->has_client_port = true;
		return parse_ports(
		    value, out->client_port, &out->client_port_single);
	} else if (rtsp_text_is_nocase(name, "server_port")) {
		out->has_server_port = true;
		return parse_ports(value, out->server_port, &is_single);
	} else if (rtsp_text_is_nocase(name, "interleaved")) {
		out->has_interleaved = true;
		return parse_channels(value, out->interleaved);
	} else if (rtsp_text_is_nocase(name, "ssrc")) {
		out->has_ssrc = parse_ssrc(value, &out->ssrc);
	} else if (rtsp_text_is_nocase(name, "mode")) {
		out->mode_play = mode_has_play(value);
		if (!out->mode_play)
			*is_foreign = true;
	} else if (rtsp_text_is_nocase(name, "destination") ||
		   rtsp_text_is_nocase(name, "source")) {
		out->has_destination = true;
		out->destination = value;
	}
	return true;
}

static bool
is_protocol(struct rtsp_text text)
{
	bool has_slash = false;

	for (size_t i = 0; i < text.length; i++) {
		if (text.at[i] == '/')
			has_slash = true;
		else if (!is_token(text.at[i]))
			return false;
	}
	return has_slash;
}

/* One transport-spec.  False: malformed. */
static bool
parse_alternative(
    struct rtsp_text text, struct rtsp_transport *out, bool *is_foreign)
{
	struct rtsp_text piece;

	memset(out, 0, sizeof(*out));
	*is_foreign = false;
	if (!take_piece(&text, ';', &piece))
		return false;
	if (rtsp_text_is_nocase(piece, "RTP/AVP") ||
	    rtsp_text_is_nocase(piece, "RTP/AVP/UDP"))
		out->kind = RTSP_TRANSPORT_UDP;
	else if (rtsp_text_is_nocase(piece, "RTP/AVP/TCP"))
		out->kind = RTSP_TRANSPORT_TCP;
	else if (is_protocol(piece))
		*is_foreign = true;
	else
		return false;

	while (!*is_foreign && take_piece(&text, ';', &piece))
		if (!parse_transport_parameter(piece, out, is_foreign))
			return false;
	return *is_foreign || out->kind == RTSP_TRANSPORT_TCP ||
	       out->has_client_port;
}

bool
rtsp_parse_transport(struct rtsp_text value, bool allow_udp, bool allow_tcp,
    struct rtsp_transport *out, bool *malformed)
{
	struct rtsp_transport transport;
	struct rtsp_text alternative;
	bool is_foreign;

	*malformed = true;
	for (int i = 0; i < ALTERNATIVES_MAX; i++) {
		if (!take_piece(&value, ',', &alternative))
			return false;
		if (!parse_alternative(alternative, &transport, &is_foreign))
			continue;
		*malformed = false;
		if (is_foreign ||
		    !(transport.kind == RTSP_TRANSPORT_UDP ? allow_udp
							   : allow_tcp))
			continue;
		*out = transport;
		return true;
	}
	return false;
}

void
rtsp_format_transport(
    struct bytes_writer *out, const struct rtsp_transport *transport)
{
	bool is_tcp = transport->kind == RTSP_TRANSPORT_TCP;

	bytes_put_text(
	    out, is_tcp ? "RTP/AVP/TCP;unicast" : "RTP/AVP/UDP;unicast");
	if (is_tcp && transport->has_interleaved)
		bytes_printf(out, ";interleaved=%u-%u",
		    transport->interleaved[0], transport->interleaved[1]);
	if (!is_tcp && transport->has_server_port)
		bytes_printf(out, ";server_port=%u-%u",
		    transport->server_port[0], transport->server_port[1]);
	if (!is_tcp && transport->has_client_port) {
		bytes_printf(out, ";client_port=%u", transport->client_port[0]);
		if (!transport->client_port_single)
			bytes_printf(out, "-%u", transport->client_port[1]);
	}
	if (transport->has_ssrc)
		bytes_printf(out, ";ssrc=%08x", (unsigned)transport->ssrc);
	if (!is_tcp)
		bytes_put_text(out, ";mode=PLAY");
}

/* ---- other headers ---- */

static bool
is_session_char(char c)
{
	return is_letter(c) || is_digit(c) || is_one_of(c, "$-_.+");
}

bool
rtsp_parse_session(
    struct rtsp_text value, struct rtsp_text *id, uint32_t *timeout_s)
{
	struct rtsp_text first, piece, name, number;
	uint64_t seconds = 0;

	if (!take_piece(&value, ';', &first) || first.length < 8 ||
	    first.length > 128 || !is_made_of(first, is_session_char))
		return false;
	while (take_piece(&value, ';', &piece)) {
		split_parameter(piece, &name, &number);
		if (rtsp_text_is_nocase(name, "timeout") &&
		    (!rtsp_parse_u64(number, &seconds) || seconds > UINT32_MAX))
			seconds = 0;
	}
	*id = first;
	*timeout_s = (uint32_t)seconds;
	return true;
}

/* RFC 2326 3.6: "123.45" or "1:02:03.45". */
static bool
take_npt(struct rtsp_text *text, uint64_t *out)
{
	uint64_t hours, minutes, seconds, fraction = 0;

	if (!take_number(text, NPT_US_MAX / US_PER_SECOND, &seconds))
		return false;
	if (take_char(text, ':')) {
		hours = seconds;
		if (!take_number(text, 59, &minutes) || !take_char(text, ':') ||
		    !take_number(text, 59, &seconds))
			return false;
		seconds += hours * 3600 + minutes * 60;
	}
	if (take_char(text, '.'))
		fraction = take_fraction(text, US_PER_SECOND / 10);
	if (seconds > NPT_US_MAX / US_PER_SECOND)
		return false;
	*out = seconds * US_PER_SECOND + fraction;
	return *out <= NPT_US_MAX;
}

static bool
parse_npt_range(struct rtsp_text text, struct rtsp_range *out)
{
	bool is_suffix = text.length > 0 && text.at[0] == '-'; /* "-b": 0-b */

	if (begins_nocase(text, "now")) {
		text = skip(text, strlen("now"));
	} else {
		out->has_start = true;
		if (!is_suffix && !take_npt(&text, &out->start_us))
			return false;
	}
	text = trim(text);
	if (!take_char(&text, '-'))
		return false;
	text = trim(text);
	if (text.length == 0)
		return !is_suffix;
	out->has_end = true;
	return take_npt(&text, &out->end_us) && text.length == 0 &&
	       out->start_us <= out->end_us;
}

enum rtsp_range_kind
rtsp_parse_range(struct rtsp_text value, struct rtsp_range *out)
{
	struct rtsp_range range = { 0 };
	struct rtsp_text first, npt, unit;

	/* Of a list the first, without its parameters; what is behind '='. */
	if (!take_piece(&value, ',', &first) ||
	    !take_piece(&first, ';', &npt) || !take_piece(&npt, '=', &unit) ||
	    npt.at == NULL)
		return RTSP_RANGE_BAD;
	if (!rtsp_text_is_nocase(unit, "npt"))
		return RTSP_RANGE_OTHER;
	if (!parse_npt_range(trim(npt), &range))
		return RTSP_RANGE_BAD;
	*out = range;
	return RTSP_RANGE_OK;
}

/* Does TEXT go on with PREFIX at AT, behind blanks? */
static bool
begins_after_blanks(struct rtsp_text text, size_t at, const char *prefix)
{
	text = skip(text, at);
	while (text.length > 0 && is_blank(text.at[0]))
		text = skip(text, 1);
	return begins_nocase(text, prefix);
}

/* Where the first entry ends: at its text's end, or before ",url=". */
static size_t
rtp_info_entry_length(struct rtsp_text text)
{
	for (size_t at = 0; at < text.length; at++)
		if (text.at[at] == ',' &&
		    begins_after_blanks(text, at + 1, "url="))
			return at;
	return text.length;
}

/* Where the entry's URL ends: at the entry's end, or before a parameter. */
static size_t
rtp_info_url_length(struct rtsp_text entry)
{
	for (size_t at = 0; at < entry.length; at++)
		if (entry.at[at] == ';' &&
		    (begins_after_blanks(entry, at + 1, "seq=") ||
			begins_after_blanks(entry, at + 1, "rtptime=")))
			return at;
	return entry.length;
}

bool
rtsp_parse_rtp_info(struct rtsp_text *rest, struct rtsp_rtp_info *out)
{
	struct rtsp_text entry = *rest, piece, name, value;
	struct rtsp_rtp_info info = { 0 };
	size_t entry_length, url_length;
	uint64_t number;

	if (rest->at == NULL)
		return false;
	entry_length = rtp_info_entry_length(entry);
	entry.length = entry_length;
	if (!begins_nocase(trim(entry), "url="))
		return false;
	url_length = rtp_info_url_length(entry);
	split_parameter(
	    (struct rtsp_text){ entry.at, url_length }, &name, &info.url);
	entry = skip(entry, url_length);
	while (take_piece(&entry, ';', &piece)) {
		split_parameter(piece, &name, &value);
		if (!rtsp_parse_u64(value, &number) || number > UINT32_MAX)
			continue;
		if (rtsp_text_is_nocase(name, "rtptime")) {
			info.has_rtptime = true;
			info.rtptime = (uint32_t)number;
		} else if (rtsp_text_is_nocase(name, "seq") &&
			   number <= UINT16_MAX) {
			info.has_sequence = true;
			info.sequence = (uint16_t)number;
		}
	}

	if (entry_length == rest->length)
		*rest = (struct rtsp_text){ NULL, 0 };
	else
		*rest = skip(*rest, entry_length + 1);
	*out = info;
	return true;
}

bool
rtsp_parse_milli(struct rtsp_text value, int64_t *out)
{
	struct rtsp_text text = trim(value);
	bool is_negative = take_char(&text, '-');
	uint64_t whole, fraction = 0;

	if (!take_number(&text, UINT64_C(999999999), &whole))
		return false;
	if (take_char(&text, '.'))
		fraction = take_fraction(&text, 100);
	if (text.length != 0)
		return false;
	*out = (int64_t)(whole * 1000 + fraction);
	if (is_negative)
		*out = -*out;
	return true;
}

bool
rtsp_parse_u64(struct rtsp_text value, uint64_t *out)
{
	struct rtsp_text text = trim(value);
	uint64_t number;

	if (!take_number(&text, UINT64_MAX, &number) || text.length != 0)
		return false;
	*out = number;
	return true;
}

/* ---- formatting ---- */

/* What was put since FROM becomes one line, whatever it was. */
static void
end_line(struct bytes_writer *out, size_t from)
{
	for (size_t i = from; i < out->at; i++)
		if (is_control((char)out->data[i]))
			out->data[i] = ' ';
	bytes_put_text(out, "\r\n");
}

void
rtsp_format_status(
    struct bytes_writer *out, unsigned status, const char *reason)
{
	size_t from = out->at;

	bytes_printf(out, "RTSP/1.0 %u ", status);
	bytes_put_text(out, reason != NULL ? reason : rtsp_reason(status));
	end_line(out, from);
}

void
rtsp_format_request(
    struct bytes_writer *out, enum rtsp_method method, const char *url)
{
	size_t from = out->at;

	bytes_put_text(out, rtsp_method_name(method));
	bytes_put_text(out, " ");
	bytes_put_text(out, url);
	bytes_put_text(out, " RTSP/1.0");
	end_line(out, from);
}

void
rtsp_format_header(
    struct bytes_writer *out, const char *name, const char *format, ...)
{
	size_t from = out->at, room;
	va_list arguments;
	int length;

	bytes_put_text(out, name);
	bytes_put_text(out, ": ");
	if (out->failed)
		return;

	room = out->size - out->at;
	va_start(arguments, format);
	length =
	    vsnprintf((char *)out->data + out->at, room, format, arguments);
	va_end(arguments);
	/* The final NUL takes a byte that the line's end then needs. */
	if (length < 0 || (size_t)length >= room) {
		out->failed = true;
		return;
	}
	out->at += (size_t)length;
	end_line(out, from);
}

void
rtsp_format_end(struct bytes_writer *out)
{
	bytes_put_text(out, "\r\n");
}

const char *
rtsp_npt_text(uint64_t us, char text[static RTSP_NPT_MAX])
{
	snprintf(text, RTSP_NPT_MAX, "%" PRIu64 ".%03" PRIu64,
	    us / US_PER_SECOND, us % US_PER_SECOND / US_PER_MS);
	return text;
}
