/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load reports: one table says which lines there are, for both directions.
 * What the numbers mean, and where they come from, is not known here.
 */
#include "wire/load.h"

#include <inttypes.h>
#include <string.h>

#include "base/base.h"

enum line_type {
	LINE_VERSION,
	LINE_NODE,
	LINE_STATE,
	LINE_COUNT,
	LINE_HUNDREDTHS, /* 1.23, held as 123 */
};

/* clang-format off */
#define COUNT(name, most) \
	{ #name, LINE_COUNT, offsetof(struct load_report, name), most }
#define HUNDREDTHS(name, most) \
	{ #name, LINE_HUNDREDTHS, \
	  offsetof(struct load_report, name##_percent), most }
static const struct line {
	const char *name;
	enum line_type type;
	size_t offset; /* of a number in struct load_report */
	uint64_t most;
} lines[] = {
	{ "version", LINE_VERSION, 0, 0 },
	{ "node",    LINE_NODE,    0, 0 },
	{ "state",   LINE_STATE,   0, 0 },
	COUNT(capacity_bps,     LOAD_BPS_MAX),
	COUNT(committed_bps,    LOAD_BPS_MAX),
	COUNT(sessions,         LOAD_COUNT_MAX),
	COUNT(sessions_playing, LOAD_COUNT_MAX),
	COUNT(max_sessions,     LOAD_COUNT_MAX),
	HUNDREDTHS(pressure,    100),
	HUNDREDTHS(load1,       LOAD_COUNT_MAX),
	COUNT(heartbeat_age_ms, LOAD_COUNT_MAX),
	COUNT(vip_on_lo,        1),
	COUNT(arp_ignore,       8),
	COUNT(arp_announce,     2),
	COUNT(rtsp_ok,          1),
};

static const char *const state_names[LOAD_STATE_COUNT] = {
	[LOAD_READY] = "ready",
	[LOAD_DRAIN] = "drain",
	[LOAD_DOWN]  = "down",
};
/* clang-format on */

const char *
load_state_name(enum load_state state)
{
	return state_names[state];
}

unsigned
load_percent(
    uint64_t capacity_bps, uint64_t committed_bps, uint64_t pressure_percent)
{
	uint64_t free_bps, percent;

	capacity_bps = MIN_OF(capacity_bps, LOAD_BPS_MAX);
	if (committed_bps >= capacity_bps || pressure_percent >= 100)
		return 1;
	free_bps = capacity_bps - committed_bps;
	percent = free_bps * (100 - pressure_percent) / capacity_bps;
	return (unsigned)MAX_OF(percent, 1);
}

/* --- format ---------------------------------------------------------------
 */
static bool
is_node_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

static bool
is_reason_character(char c)
{
	return c >= ' ' && c <= '~';
}

static void
put_text(struct bytes_writer *out, const char *text, size_t size,
    bool (*allowed)(char))
{
	size_t length = strnlen(text, size - 1);

	for (size_t i = 0; i < length; i++)
		bytes_put_u8(out, (uint8_t)(allowed(text[i]) ? text[i] : '_'));
	if (length == 0)
		bytes_put_u8(out, '-');
}

static void
put_value(struct bytes_writer *out, const struct line *line,
    const struct load_report *report)
{
	uint64_t value = 0;

	if (line->most != 0) {
		memcpy(
		    &value, (const char *)report + line->offset, sizeof(value));
		value = MIN_OF(value, line->most);
	}
	switch (line->type) {
	case LINE_VERSION:
		bytes_printf(out, "%d", LOAD_VERSION);
		break;
	case LINE_NODE:
		put_text(
		    out, report->node, sizeof(report->node), is_node_character);
		break;
	case LINE_STATE:
		bytes_put_text(out, load_state_name(report->state));
		break;
	case LINE_COUNT:
		bytes_printf(out, "%" PRIu64, value);
		break;
	case LINE_HUNDREDTHS:
		bytes_printf(out, "%" PRIu64 ".%02u", value / 100,
		    (unsigned)(value % 100));
		break;
	}
}

void
load_format(struct bytes_writer *out, const struct load_report *report)
{
	unsigned percent = MIN_OF(MAX_OF(report->percent, 1), 100);

	bytes_put_text(out, load_state_name(report->state));
	if (report->state == LOAD_READY)
		bytes_printf(
		    out, " %u%%%s", percent, report->says_up ? " up" : "");
	if (report->state == LOAD_DOWN) {
		bytes_put_text(out, " #");
		put_text(out, report->reason, sizeof(report->reason),
		    is_reason_character);
	}
	bytes_put_u8(out, '\n');
	for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
		bytes_put_text(out, lines[i].name);
		bytes_put_u8(out, ' ');
		put_value(out, &lines[i], report);
		bytes_put_u8(out, '\n');
	}
	bytes_put_text(out, "end\n");
}

/* --- parse ----------------------------------------------------------------
 */
struct text {
	const char *at; /* not terminated */
	size_t length;
};

static bool
text_is(struct text text, const char *other)
{
	return text.length == strlen(other) &&
	       memcmp(text.at, other, text.length) == 0;
}

/* Takes PREFIX off TEXT. */
static bool
skip(struct text *text, const char *prefix)
{
	size_t length = strlen(prefix);

	if (text->length < length || memcmp(text->at, prefix, length) != 0)
		return false;
	text->at += length;
	text->length -= length;
	return true;
}

/* Decimal as it is written, so without a leading 0; LENGTH digits at most. */
static bool
take_number(struct text *text, uint64_t most, uint64_t *out)
{
	uint64_t value = 0;
	size_t digits = 0;

	while (digits < text->length && text->at[digits] >= '0' &&
	       text->at[digits] <= '9') {
		value = value * 10 + (uint64_t)(text->at[digits] - '0');
		digits++;
		if (value > most || (digits == 2 && text->at[0] == '0'))
			return false;
	}
	text->at += digits;
	text->length -= digits;
	*out = value;
	return digits > 0;
}

static bool
parse_hundredths(struct text text, uint64_t most, uint64_t *out)
{
	uint64_t whole;
	unsigned rest;

	if (!take_number(&text, most / 100, &whole) || text.length != 3 ||
	    text.at[0] != '.' || text.at[1] < '0' || text.at[1] > '9' ||
	    text.at[2] < '0' || text.at[2] > '9')
		return false;
	rest = (unsigned)(text.at[1] - '0') * 10 + (unsigned)(text.at[2] - '0');
	*out = whole * 100 + rest;
	return *out <= most;
}

static bool
parse_text(struct text text, bool (*allowed)(char), char *out, size_t size)
{
	if (text.length == 0 || text.length >= size)
		return false;
	for (size_t i = 0; i < text.length; i++)
		if (!allowed(text.at[i]))
			return false;
	memcpy(out, text.at, text.length);
	out[text.length] = '\0';
	return true;
}

static bool
parse_value(
    const struct line *line, struct text value, struct load_report *report)
{
	uint64_t number = 0;
	bool good = false;

	switch (line->type) {
	case LINE_VERSION:
		return take_number(&value, LOAD_VERSION, &number) &&
		       number == LOAD_VERSION && value.length == 0;
	case LINE_NODE:
		return parse_text(value, is_node_character, report->node,
		    sizeof(report->node));
	case LINE_STATE: /* says what the first line said */
		return text_is(value, load_state_name(report->state));
	case LINE_COUNT:
		good = take_number(&value, line->most, &number) &&
		       value.length == 0;
		break;
	case LINE_HUNDREDTHS:
		good = parse_hundredths(value, line->most, &number);
		break;
	}
	if (good)
		memcpy((char *)report + line->offset, &number, sizeof(number));
	return good;
}

static bool
parse_first(struct text text, struct load_report *report)
{
	uint64_t percent;

	if (skip(&text, "ready ")) {
		report->state = LOAD_READY;
		if (!take_number(&text, 100, &percent) || percent == 0)
			return false;
		report->percent = (unsigned)percent;
		report->says_up = text_is(text, "% up");
		return report->says_up || text_is(text, "%");
	}
	if (skip(&text, "down #")) {
		report->state = LOAD_DOWN;
		return parse_text(text, is_reason_character, report->reason,
		    sizeof(report->reason));
	}
	report->state = LOAD_DRAIN;
	return text_is(text, "drain");
}

/* False: no whole line is left. */
static bool
take_line(struct text *rest, struct text *out)
{
	const char *end;

	if (rest->length == 0 ||
	    (end = memchr(rest->at, '\n', rest->length)) == NULL)
		return false;
	*out = (struct text){ rest->at, (size_t)(end - rest->at) };
	rest->at += out->length + 1;
	rest->length -= out->length + 1;
	return true;
}

enum load_result
load_parse(const void *data, size_t size, struct load_report *out)
{
	struct text rest = { data, size }, line;
	struct load_report report;

	if (size > LOAD_REPORT_MAX)
		return LOAD_BAD;
	memset(&report, 0, sizeof(report));
	if (!take_line(&rest, &line))
		return LOAD_MORE;
	if (!parse_first(line, &report))
		return LOAD_BAD;
	for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
		if (!take_line(&rest, &line))
			return LOAD_MORE;
		if (!skip(&line, lines[i].name) || !skip(&line, " ") ||
		    !parse_value(&lines[i], line, &report))
			return LOAD_BAD;
	}
	if (!take_line(&rest, &line))
		return LOAD_MORE;
	if (!text_is(line, "end") || rest.length != 0)
		return LOAD_BAD;
	*out = report;
	return LOAD_DONE;
}
