/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settings - from text to values, each checked against its row.
 *
 * The file, the option -o and the defaults all become literals first, and a
 * literal becomes a value in one place, so that each is refused for the same
 * reasons and in the same words.  libconfig reads the syntax; what it would
 * take for another number than is written is found before it is asked.  What
 * a setting means, and whether two of them fit, is the programs' business.
 */
#include "base/settings.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

#define FILE_MAX ((size_t)1 << 20)
#define PLAIN_DIGITS_MAX 9 /* what fits an int whatever the digits are */
#define SHOWN_MAX 64 /* of a refused text */

/* ---- types ---- */

struct unit {
	const char *name;
	uint64_t factor;
};

/* The unit to print a value in is the last one that divides it. */
/* clang-format off */
static const struct unit rate_units[] = {
	{ "bit/s", 1 },
	{ "kbit/s", 1000 },
	{ "Mbit/s", 1000000 },
	{ "Gbit/s", 1000000000 },
	{ NULL, 0 },
};
static const struct unit size_units[] = {
	{ "bytes", 1 },
	{ "kB", 1000 },
	{ "MB", 1000000 },
	{ "GB", 1000000000 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "GiB", UINT64_C(1) << 30 },
	{ NULL, 0 },
};
static const struct unit time_units[] = {
	{ "us", 1 },
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "min", UINT64_C(60) * 1000000 },
	{ "h", UINT64_C(3600) * 1000000 },
	{ NULL, 0 },
};

static const struct {
	const char *noun;
	const char *right; /* what would be */
	const struct unit *units;
} types[] = {
	[SETTINGS_COUNT] = { "a count",
	    "write a whole number without quotes, such as 4000", NULL },
	[SETTINGS_RATE] = { "a bit rate",
	    "write \"8 Gbit/s\" or the like"
	    " (bit/s, kbit/s, Mbit/s, Gbit/s), or \"0\"", rate_units },
	[SETTINGS_SIZE] = { "a size",
	    "write \"2 MiB\" or the like"
	    " (bytes, KiB, MiB, GiB, kB, MB, GB), or \"0\"", size_units },
	[SETTINGS_TIME] = { "a time",
	    "write \"50 ms\" or the like"
	    " (us, ms, s, min, h), or \"0\"", time_units },
	[SETTINGS_BOOL] = { "a yes or no",
	    "write true or false without quotes", NULL },
	[SETTINGS_TEXT] = { "a text", "write it in double quotes", NULL },
	[SETTINGS_TEXT_LIST] = { "a text or list of texts",
	    "write \"a\" or ( \"a\", \"b\" )", NULL },
	[SETTINGS_RANGE] = { "a range",
	    "write \"FIRST-LAST\", the lower one first, or \"\"", NULL },
	[SETTINGS_CHOICE] = { "one of its choices", "write ", NULL },
	[SETTINGS_NUMBER] = { "a number",
	    "write it in decimal digits without quotes, such as 1.5", NULL },
	[SETTINGS_GROUPS] = { "a list of groups",
	    "write ( { NAME = VALUE; }, { NAME = VALUE; } ) in the file",
	    NULL },
};
/* clang-format on */

/* What stands in the file, before anybody knows whether it is right. */
struct literal {
	enum {
		LITERAL_INTEGER,
		LITERAL_FRACTION,
		LITERAL_BOOL,
		LITERAL_TEXT,
		LITERAL_TEXTS, /* a list */
		LITERAL_GROUPS, /* a list, too */
		LITERAL_OTHER, /* a group, a list of something else */
	} kind;
	int64_t integer;
	double fraction;
	bool truth;
	/* Borrowed; LITERAL_TEXT has one.  COUNT may exceed what is kept. */
	unsigned count;
	const char *texts[SETTINGS_LIST_MAX];
};

union value {
	uint64_t number;
	double fraction;
	bool truth;
	char text[SETTINGS_TEXT_MAX];
	struct settings_list list;
	struct settings_range range;
};

/* clang-format off */
static const size_t value_sizes[] = {
	[SETTINGS_COUNT]     = sizeof(uint64_t),
	[SETTINGS_RATE]      = sizeof(uint64_t),
	[SETTINGS_SIZE]      = sizeof(uint64_t),
	[SETTINGS_TIME]      = sizeof(uint64_t),
	[SETTINGS_BOOL]      = sizeof(bool),
	[SETTINGS_TEXT]      = SETTINGS_TEXT_MAX,
	[SETTINGS_TEXT_LIST] = sizeof(struct settings_list),
	[SETTINGS_RANGE]     = sizeof(struct settings_range),
	[SETTINGS_CHOICE]    = sizeof(uint64_t),
	[SETTINGS_NUMBER]    = sizeof(double),
	[SETTINGS_GROUPS]    = sizeof(uint64_t),
};
/* clang-format on */

enum verdict {
	VALUE_RIGHT,
	VALUE_WRONG, /* not of the type at all */
	VALUE_OUTSIDE, /* its limits */
	VALUE_UNEVEN, /* parts of the smallest unit */
	VALUE_TOO_LONG,
	VALUE_TOO_MANY,
	VALUE_EMPTY,
};

/* ---- numbers ---- */

struct decimal {
	uint64_t whole; /* UINT64_MAX when it is larger */
	unsigned whole_digits, fraction_digits; /* "1.05": 1, 2 */
	uint64_t fraction; /* "1.05": 5 */
};

static bool
is_digit(char letter)
{
	return letter >= '0' && letter <= '9';
}

static bool
is_letter(char letter)
{
	return (letter >= 'a' && letter <= 'z') ||
	       (letter >= 'A' && letter <= 'Z');
}

/*
 * The longest "12" or "12.345" at TEXT; where it ends, or NULL.  No leading
 * zeros: some read those as octal.
 */
static const char *
decimal_parse(const char *text, struct decimal *out)
{
	struct decimal decimal = { 0 };
	bool overflow = false;

	if (text[0] == '0' && is_digit(text[1]))
		return NULL;
	for (; is_digit(*text); text++, decimal.whole_digits++)
		overflow |=
		    __builtin_mul_overflow(decimal.whole, 10, &decimal.whole) ||
		    __builtin_add_overflow(
			decimal.whole, (uint64_t)(*text - '0'), &decimal.whole);
	if (decimal.whole_digits == 0)
		return NULL;
	if (overflow)
		decimal.whole = UINT64_MAX;
	if (*text == '.') {
		for (text++; is_digit(*text); text++)
			if (decimal.fraction_digits++ < PLAIN_DIGITS_MAX)
				decimal.fraction = decimal.fraction * 10 +
						   (uint64_t)(*text - '0');
		if (decimal.fraction_digits == 0 ||
		    decimal.fraction_digits > PLAIN_DIGITS_MAX)
			return NULL;
	}
	*out = decimal;
	return text;
}

static uint64_t
power_of_ten(unsigned exponent)
{
	uint64_t power = 1;

	while (exponent-- > 0)
		power *= 10;
	return power;
}

enum plain {
	PLAIN_RIGHT,
	PLAIN_LONG, /* more digits than libconfig reads */
	PLAIN_NOT, /* a number in decimal digits */
};

/* A number without quotes: "4000", "-1", "1.5". */
static enum plain
plain_parse(const char *text, struct literal *out)
{
	bool negative = *text == '-';
	struct decimal decimal;
	const char *end = decimal_parse(text + negative, &decimal);

	if (end == NULL || *end != '\0')
		return PLAIN_NOT;
	if (decimal.whole_digits > PLAIN_DIGITS_MAX)
		return PLAIN_LONG;
	*out = (struct literal){ .kind = decimal.fraction_digits > 0
					     ? LITERAL_FRACTION
					     : LITERAL_INTEGER,
		.integer = (int64_t)decimal.whole };
	out->fraction = (double)decimal.whole +
			(double)decimal.fraction /
			    (double)power_of_ten(decimal.fraction_digits);
	if (negative) {
		out->integer = -out->integer;
		out->fraction = -out->fraction;
	}
	return PLAIN_RIGHT;
}

/* "1.5 s", "50ms", "0" in the smallest of UNITS. */
static enum verdict
quantity_parse(const char *text, const struct unit *units, uint64_t *out)
{
	struct decimal decimal;
	const char *end = decimal_parse(text, &decimal);
	uint64_t number, part, power;

	if (end == NULL)
		return VALUE_WRONG;
	if (*end == '\0' && decimal.whole == 0 && decimal.fraction == 0) {
		*out = 0;
		return VALUE_RIGHT;
	}
	if (*end == ' ')
		end++;
	while (units->name != NULL && strcmp(units->name, end) != 0)
		units++;
	if (units->name == NULL)
		return VALUE_WRONG;
	/* Less than 10^9 times 3.6 * 10^9. */
	part = decimal.fraction * units->factor;
	power = power_of_ten(decimal.fraction_digits);
	if (part % power != 0)
		return VALUE_UNEVEN;
	if (decimal.whole == UINT64_MAX ||
	    __builtin_mul_overflow(decimal.whole, units->factor, &number) ||
	    __builtin_add_overflow(number, part / power, &number))
		return VALUE_OUTSIDE;
	*out = number;
	return VALUE_RIGHT;
}

/* In the largest unit of which it is a whole number. */
static void
quantity_format(
    uint64_t number, const struct unit *units, char *text, size_t size)
{
	const struct unit *best = units;

	if (units == NULL || number == 0) {
		snprintf(text, size, "%llu", (unsigned long long)number);
		return;
	}
	for (; units->name != NULL; units++)
		if (number % units->factor == 0 &&
		    units->factor >= best->factor)
			best = units;
	snprintf(text, size, "%llu %s",
	    (unsigned long long)(number / best->factor), best->name);
}

/* ---- from literals to values ---- */

static enum verdict
within(const struct settings_row *row, uint64_t number)
{
	if (number < row->least || number > row->most)
		return VALUE_OUTSIDE;
	return VALUE_RIGHT;
}

static enum verdict
text_take(const char *text, char *out, size_t size)
{
	if (strlen(text) >= size)
		return VALUE_TOO_LONG;
	strcpy(out, text);
	return VALUE_RIGHT;
}

/* One text that is empty is a list of none. */
static enum verdict
list_take(const struct literal *literal, struct settings_list *out)
{
	out->count = 0;
	if (literal->kind == LITERAL_TEXT && literal->texts[0][0] == '\0')
		return VALUE_RIGHT;
	if (literal->count > SETTINGS_LIST_MAX)
		return VALUE_TOO_MANY;
	for (unsigned i = 0; i < literal->count; i++) {
		if (literal->texts[i][0] == '\0')
			return VALUE_EMPTY;
		if (text_take(literal->texts[i], out->text[i],
			sizeof(out->text[i])) != VALUE_RIGHT)
			return VALUE_TOO_LONG;
	}
	out->count = literal->count;
	return VALUE_RIGHT;
}

static enum verdict
range_take(const struct settings_row *row, const char *text,
    struct settings_range *out)
{
	struct decimal first, last;

	*out = (struct settings_range){ 0 };
	if (*text == '\0')
		return VALUE_RIGHT;
	text = decimal_parse(text, &first);
	if (text == NULL || *text != '-' || first.fraction_digits > 0)
		return VALUE_WRONG;
	text = decimal_parse(text + 1, &last);
	if (text == NULL || *text != '\0' || last.fraction_digits > 0 ||
	    first.whole > last.whole)
		return VALUE_WRONG;
	if (last.whole > UINT16_MAX ||
	    within(row, first.whole) != VALUE_RIGHT ||
	    within(row, last.whole) != VALUE_RIGHT)
		return VALUE_OUTSIDE;
	out->first = (uint16_t)first.whole;
	out->last = (uint16_t)last.whole;
	return VALUE_RIGHT;
}

static enum verdict
choice_take(const struct settings_row *row, const char *text, uint64_t *out)
{
	const char *const *choices = row->detail;

	for (uint64_t i = 0; choices[i] != NULL; i++) {
		if (strcmp(choices[i], text) == 0) {
			*out = i;
			return VALUE_RIGHT;
		}
	}
	return VALUE_WRONG;
}

static enum verdict
fraction_take(
    const struct settings_row *row, const struct literal *literal, double *out)
{
	double fraction = literal->kind == LITERAL_INTEGER
			      ? (double)literal->integer
			      : literal->fraction;

	/* This way round, so that what is no number is outside. */
	if (!(fraction >= (double)row->least && fraction <= (double)row->most))
		return VALUE_OUTSIDE;
	*out = fraction;
	return VALUE_RIGHT;
}

static enum verdict
quantity_take(const struct settings_row *row, const char *text, uint64_t *out)
{
	enum verdict verdict;

	verdict = quantity_parse(text, types[row->type].units, out);
	return verdict == VALUE_RIGHT ? within(row, *out) : verdict;
}

/* The types that are written as one text. */
static enum verdict
text_literal_take(
    const struct settings_row *row, const char *text, union value *out)
{
	switch (row->type) {
	case SETTINGS_RATE:
	case SETTINGS_SIZE:
	case SETTINGS_TIME:
		return quantity_take(row, text, &out->number);
	case SETTINGS_TEXT:
		return text_take(text, out->text, sizeof(out->text));
	case SETTINGS_RANGE:
		return range_take(row, text, &out->range);
	case SETTINGS_CHOICE:
		return choice_take(row, text, &out->number);
	default:
		return VALUE_WRONG;
	}
}

/* "" is no group. */
static enum verdict
none_take(const char *text, uint64_t *out)
{
	if (text[0] != '\0')
		return VALUE_WRONG;
	*out = 0;
	return VALUE_RIGHT;
}

static enum verdict
literal_take(const struct settings_row *row, const struct literal *literal,
    union value *out)
{
	switch (literal->kind) {
	case LITERAL_INTEGER:
		if (row->type == SETTINGS_NUMBER)
			return fraction_take(row, literal, &out->fraction);
		if (row->type != SETTINGS_COUNT)
			return VALUE_WRONG;
		if (literal->integer < 0)
			return VALUE_OUTSIDE;
		out->number = (uint64_t)literal->integer;
		return within(row, out->number);
	case LITERAL_FRACTION:
		if (row->type != SETTINGS_NUMBER)
			return VALUE_WRONG;
		return fraction_take(row, literal, &out->fraction);
	case LITERAL_BOOL:
		if (row->type != SETTINGS_BOOL)
			return VALUE_WRONG;
		out->truth = literal->truth;
		return VALUE_RIGHT;
	case LITERAL_TEXT:
		if (row->type == SETTINGS_TEXT_LIST)
			return list_take(literal, &out->list);
		if (row->type == SETTINGS_GROUPS)
			return none_take(literal->texts[0], &out->number);
		return text_literal_take(row, literal->texts[0], out);
	case LITERAL_TEXTS:
		if (row->type == SETTINGS_GROUPS && literal->count == 0)
			return none_take("", &out->number);
		if (row->type != SETTINGS_TEXT_LIST)
			return VALUE_WRONG;
		return list_take(literal, &out->list);
	case LITERAL_GROUPS:
		if (row->type != SETTINGS_GROUPS)
			return VALUE_WRONG;
		out->number = literal->count;
		return within(row, out->number);
	case LITERAL_OTHER:
		break;
	}
	return VALUE_WRONG;
}

/* Texts only as far as they go: the rest of the place is not theirs. */
static void
value_copy(const struct settings_row *row, const void *from, void *to)
{
	if (row->type == SETTINGS_TEXT)
		strcpy(to, from);
	else
		memcpy(to, from, value_sizes[row->type]);
}

static void
value_store(
    const struct settings_row *row, const union value *value, void *target)
{
	value_copy(row, value, (char *)target + row->offset);
}

static void
value_load(const struct settings_row *row, const void *target, union value *out)
{
	value_copy(row, (const char *)target + row->offset, out);
}

/* ---- what is wrong ---- */

/* TEXT in quotes, on one line, and not the whole of a long one. */
static void
text_show(const char *text, char out[static SHOWN_MAX + 8])
{
	size_t length = strnlen(text, SHOWN_MAX + 1), at = 0;

	out[at++] = '"';
	for (size_t i = 0; i < MIN_OF(length, SHOWN_MAX); i++) {
		out[at] = text[i];
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			out[at] = '?';
		at++;
	}
	strcpy(out + at, length > SHOWN_MAX ? "...\"" : "\"");
}

static void
literal_show(const struct literal *literal, char out[static SHOWN_MAX + 8])
{
	switch (literal->kind) {
	case LITERAL_INTEGER:
		snprintf(out, SHOWN_MAX, "%lld", (long long)literal->integer);
		break;
	case LITERAL_FRACTION:
		snprintf(out, SHOWN_MAX, "%g", literal->fraction);
		break;
	case LITERAL_BOOL:
		strcpy(out, literal->truth ? "true" : "false");
		break;
	case LITERAL_TEXT:
		text_show(literal->texts[0], out);
		break;
	case LITERAL_TEXTS:
		strcpy(out, "a list of texts");
		break;
	case LITERAL_GROUPS:
		strcpy(out, "a list of groups");
		break;
	case LITERAL_OTHER:
		strcpy(out, "a group, or a list of other things,");
		break;
	}
}

static void
limits_explain(const struct settings_row *row, const char *shown, char *why)
{
	const struct unit *units = types[row->type].units;
	const char *quote = units != NULL ? "\"" : "";
	char least[48], most[48];

	quantity_format(row->least, units, least, sizeof(least));
	quantity_format(row->most, units, most, sizeof(most));
	snprintf(why, SETTINGS_ERROR_MAX,
	    "%s is outside its limits; write %s%s%s to %s%s%s", shown, quote,
	    least, quote, quote, most, quote);
}

static void
wrong_explain(const struct settings_row *row, const char *shown, char *why)
{
	const char *const *choices = row->detail;
	size_t at;

	at = (size_t)snprintf(why, SETTINGS_ERROR_MAX, "%s is not %s; %s",
	    shown, types[row->type].noun, types[row->type].right);
	if (row->type != SETTINGS_CHOICE)
		return;
	for (unsigned i = 0; choices[i] != NULL; i++)
		if (at < SETTINGS_ERROR_MAX)
			at +=
			    (size_t)snprintf(why + at, SETTINGS_ERROR_MAX - at,
				"%s\"%s\"", i == 0 ? "" : ", ", choices[i]);
}

static void
verdict_explain(const struct settings_row *row, const struct literal *literal,
    enum verdict verdict, char why[static SETTINGS_ERROR_MAX])
{
	char shown[SHOWN_MAX + 8];

	literal_show(literal, shown);
	switch (verdict) {
	case VALUE_RIGHT:
	case VALUE_WRONG:
		wrong_explain(row, shown, why);
		break;
	case VALUE_OUTSIDE:
		limits_explain(row, shown, why);
		break;
	case VALUE_UNEVEN:
		snprintf(why, SETTINGS_ERROR_MAX,
		    "%s is not a whole number of %s; write one that is", shown,
		    types[row->type].units[0].name);
		break;
	case VALUE_TOO_LONG:
		snprintf(why, SETTINGS_ERROR_MAX,
		    "the text is too long; write at most %zu bytes",
		    row->type == SETTINGS_TEXT
			? (size_t)SETTINGS_TEXT_MAX - 1
			: sizeof(((struct settings_list *)0)->text[0]) - 1);
		break;
	case VALUE_TOO_MANY:
		snprintf(why, SETTINGS_ERROR_MAX,
		    "too many texts; write at most %d", SETTINGS_LIST_MAX);
		break;
	case VALUE_EMPTY:
		snprintf(why, SETTINGS_ERROR_MAX,
		    "a text of the list is empty; leave it out");
		break;
	}
}

/* ---- rows ---- */

static const struct settings_row *
row_find(const struct settings_row *rows, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

#define NAME_MAX_COMPARED 48

/* Letters to change, add or drop to get from one name to the other. */
static unsigned
name_distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_COMPARED + 1];
	size_t length = strlen(b);

	if (strlen(a) > NAME_MAX_COMPARED || length > NAME_MAX_COMPARED)
		return NAME_MAX_COMPARED;
	for (unsigned i = 0; i <= length; i++)
		row[i] = i;
	for (; *a != '\0'; a++) {
		unsigned corner = row[0]++;

		for (size_t i = 1; i <= length; i++) {
			unsigned change = corner + (*a != b[i - 1]);

			corner = row[i];
			row[i] = MIN_OF(change, MIN_OF(row[i], row[i - 1]) + 1);
		}
	}
	return row[length];
}

static void
unknown_explain(const struct settings_row *rows, size_t count, const char *name,
    char why[static SETTINGS_ERROR_MAX])
{
	unsigned best = 4; /* more is another word */
	const char *similar = NULL;

	for (size_t i = 0; i < count; i++) {
		unsigned distance = name_distance(name, rows[i].name);

		if (distance < best) {
			best = distance;
			similar = rows[i].name;
		}
	}
	if (similar != NULL)
		snprintf(why, SETTINGS_ERROR_MAX,
		    "unknown setting; is \"%s\" meant?", similar);
	else
		snprintf(why, SETTINGS_ERROR_MAX,
		    "unknown setting; see the manual for those there are");
}

/* ---- the option, the defaults ---- */

/* Where both ends of TEXT are such: without them. */
static char *
ends_stripped(char *text, char first, char last)
{
	size_t length = strlen(text);

	if (length < 2 || text[0] != first || text[length - 1] != last)
		return text;
	text[length - 1] = '\0';
	return text + 1;
}

static char *
blanks_stripped(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length > 0 && strchr(" \t", text[length - 1]) != NULL)
		text[--length] = '\0';
	return text;
}

/* ( "a", "b" ), [ "a", "b" ] or a,b */
static void
list_read(char *text, struct literal *out)
{
	char *next, *stripped = blanks_stripped(text);

	/* [::1]:8554,[::1]:554 begins and ends so, too. */
	if (stripped[0] == '[' &&
	    stripped[1 + strspn(stripped + 1, " \t")] == '"')
		stripped = ends_stripped(stripped, '[', ']');
	stripped = blanks_stripped(ends_stripped(stripped, '(', ')'));
	out->kind = LITERAL_TEXTS;
	if (*stripped == '\0')
		return;
	for (; stripped != NULL; stripped = next) {
		if ((next = strchr(stripped, ',')) != NULL)
			*next++ = '\0';
		if (out->count < SETTINGS_LIST_MAX)
			out->texts[out->count] =
			    ends_stripped(blanks_stripped(stripped), '"', '"');
		out->count++;
	}
	/* "" alone is a list of none, as in the file. */
	if (out->count == 1)
		out->kind = LITERAL_TEXT;
}

/*
 * TEXT as in the file, but for the quotes; it is changed and borrowed.  Of a
 * number with too many digits there is no literal: false.
 */
static bool
literal_read(const struct settings_row *row, char *text, struct literal *out)
{
	*out = (struct literal){ .kind = LITERAL_TEXT, .count = 1 };
	out->texts[0] = text;
	switch (row->type) {
	case SETTINGS_COUNT:
	case SETTINGS_NUMBER:
		return plain_parse(text, out) != PLAIN_LONG;
	case SETTINGS_BOOL:
		out->truth = strcasecmp(text, "true") == 0;
		if (out->truth || strcasecmp(text, "false") == 0)
			out->kind = LITERAL_BOOL;
		return true;
	case SETTINGS_TEXT_LIST:
		out->count = 0;
		list_read(text, out);
		return true;
	default:
		out->texts[0] = ends_stripped(text, '"', '"');
		return true;
	}
}

static void
long_explain(const char *number, char why[static SETTINGS_ERROR_MAX])
{
	snprintf(why, SETTINGS_ERROR_MAX,
	    "%.40s has more than %d digits; write a smaller number, or a text "
	    "with a unit where the setting is a rate, size or time",
	    number, PLAIN_DIGITS_MAX);
}

/* TEXT, changed, into VALUE; false: WHY not. */
static bool
value_read(const struct settings_row *row, char *text, union value *value,
    char why[static SETTINGS_ERROR_MAX])
{
	struct literal literal;
	enum verdict verdict;

	if (!literal_read(row, text, &literal)) {
		long_explain(text, why);
		return false;
	}
	verdict = literal_take(row, &literal, value);
	if (verdict != VALUE_RIGHT)
		verdict_explain(row, &literal, verdict, why);
	return verdict == VALUE_RIGHT;
}

void
settings_defaults(const struct settings_row *rows, size_t count, void *target)
{
	char text[SETTINGS_TEXT_MAX], why[SETTINGS_ERROR_MAX];
	union value value;
	bool right;

	for (size_t i = 0; i < count; i++) {
		assert(strlen(rows[i].default_text) < sizeof(text));
		strcpy(text, rows[i].default_text);
		right = value_read(&rows[i], text, &value, why);
		assert(right);
		value_store(&rows[i], &value, target);
	}
}

int
settings_override(const struct settings_row *rows, size_t count,
    const char *assignment, void *target, char error[static SETTINGS_ERROR_MAX])
{
	const struct settings_row *row;
	char why[SETTINGS_ERROR_MAX];
	union value value;
	char *name, *text;
	int result = -EINVAL;

	if ((name = strdup(assignment)) == NULL) {
		snprintf(error, SETTINGS_ERROR_MAX, "-o: out of memory");
		return -ENOMEM;
	}
	if ((text = strchr(name, '=')) == NULL) {
		snprintf(error, SETTINGS_ERROR_MAX,
		    "-o %.64s: no value; write NAME=VALUE", name);
		goto out;
	}
	*text++ = '\0';
	if ((row = row_find(rows, count, name)) == NULL)
		unknown_explain(rows, count, name, why);
	else if (value_read(row, text, &value, why))
		result = 0;
	if (result == 0)
		value_store(row, &value, target);
	else
		snprintf(
		    error, SETTINGS_ERROR_MAX, "-o %.64s: %.440s", name, why);
out:
	free(name);
	return result;
}

/* ---- the file ---- */

/* A file in the works; what went wrong stands in ERROR, which is borrowed. */
struct source {
	const struct settings_row *rows;
	size_t count;
	const char *file;
	char *error;

	char *text; /* owns */
	unsigned *seen; /* owns; the line that sets each row, 0: none */
	config_t config;
};

static int
source_refuse(
    struct source *source, unsigned line, const char *name, const char *why)
{
	int length;

	/* Of a long path the end says more. */
	length = snprintf(source->error, SETTINGS_ERROR_MAX, "%s:%u: ",
	    source->file +
		(strlen(source->file) > 150 ? strlen(source->file) - 150 : 0),
	    line);
	assert(length > 0 && length < SETTINGS_ERROR_MAX);
	snprintf(source->error + length, SETTINGS_ERROR_MAX - (size_t)length,
	    "%.64s%s%s", name, *name == '\0' ? "" : ": ", why);
	return -EINVAL;
}

static int
source_fail(struct source *source, int error, const char *why)
{
	snprintf(source->error, SETTINGS_ERROR_MAX, "%.400s: %s", source->file,
	    why != NULL ? why : strerror(-error));
	return error;
}

/* At most SIZE bytes of FD; how many, or -errno. */
static ssize_t
read_all(int fd, char *text, size_t size)
{
	size_t at = 0;

	while (at < size) {
		ssize_t length = read(fd, text + at, size - at);

		if (length == -1 && errno == EINTR)
			continue;
		if (length == -1)
			return -errno;
		if (length == 0)
			break;
		at += (size_t)length;
	}
	return (ssize_t)at;
}

static int
source_load(struct source *source, int fd)
{
	struct stat status;
	ssize_t length;

	if (fstat(fd, &status) != 0)
		return source_fail(source, -errno, NULL);
	if (S_ISDIR(status.st_mode))
		return source_fail(
		    source, -EISDIR, "is a folder, not a configuration file");
	if (!S_ISREG(status.st_mode))
		return source_fail(source, -EINVAL, "is not a regular file");
	if ((source->text = malloc(FILE_MAX + 2)) == NULL)
		return source_fail(source, -ENOMEM, NULL);
	/* Its size may change while it is read. */
	length = read_all(fd, source->text, FILE_MAX + 1);
	if (length < 0)
		return source_fail(source, (int)length, NULL);
	if ((size_t)length > FILE_MAX)
		return source_fail(source, -EFBIG, "is larger than 1 MiB");
	source->text[length] = '\0';
	if (strlen(source->text) != (size_t)length)
		return source_fail(source, -EINVAL,
		    "holds a NUL byte and cannot be a configuration file");
	return 0;
}

static int
source_open(struct source *source)
{
	int error, fd;

	/* Not to wait for the writer of a pipe, before it is refused. */
	fd = open(source->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return source_fail(source, -errno, NULL);
	error = source_load(source, fd);
	close(fd);
	return error;
}

/* ---- what libconfig must not see ---- */

struct scan {
	struct source *source;
	const char *at;
	unsigned line;
	unsigned depth; /* of brackets that are open */
	char name[65]; /* the last one before AT */
};

/* Moves behind COUNT characters, none of which is the end. */
static void
scan_advance(struct scan *scan, size_t count)
{
	for (; count > 0; count--)
		scan->line += *scan->at++ == '\n';
}

static int
scan_comment(struct scan *scan)
{
	const char *end = strstr(scan->at + 2, "*/");

	if (end == NULL)
		return source_refuse(scan->source, scan->line, "",
		    "the comment that begins here has no end");
	scan_advance(scan, (size_t)(end + 2 - scan->at));
	return 0;
}

static int
scan_text(struct scan *scan)
{
	unsigned line = scan->line;

	for (scan_advance(scan, 1); *scan->at != '"'; scan_advance(scan, 1)) {
		if (*scan->at == '\\') {
			if (strncmp(scan->at, "\\x00", 4) == 0)
				return source_refuse(scan->source, scan->line,
				    scan->name, "a text cannot hold \\x00");
			scan_advance(scan, 1);
		}
		if (*scan->at == '\0')
			return source_refuse(scan->source, line, scan->name,
			    "the text that begins here has no closing quote");
	}
	scan_advance(scan, 1);
	return 0;
}

/* libconfig refuses what stands twice, too, but cannot say what. */
static int
scan_seen(struct scan *scan)
{
	struct source *source = scan->source;
	const struct settings_row *row;
	char why[SETTINGS_ERROR_MAX];
	unsigned *seen;

	row = row_find(source->rows, source->count, scan->name);
	if (row == NULL || scan->depth > 0)
		return 0;
	seen = &source->seen[row - source->rows];
	if (*seen == 0) {
		*seen = scan->line;
		return 0;
	}
	snprintf(why, sizeof(why),
	    "is a duplicate of the one in line %u; remove one of them", *seen);
	return source_refuse(source, scan->line, scan->name, why);
}

static int
scan_name(struct scan *scan)
{
	size_t length = 0, kept;

	while (is_letter(scan->at[length]) || is_digit(scan->at[length]) ||
	       (scan->at[length] != '\0' &&
		   strchr("-_*", scan->at[length]) != NULL))
		length++;
	kept = MIN_OF(length, sizeof(scan->name) - 1);
	memcpy(scan->name, scan->at, kept);
	scan->name[kept] = '\0';
	scan->at += length;
	return scan_seen(scan);
}

/*
 * libconfig 1.5 wraps what does not fit an int and its successors know more
 * bases; so nothing but a few decimal digits gets to it.
 */
static int
scan_number(struct scan *scan)
{
	char number[64], why[SETTINGS_ERROR_MAX];
	struct literal literal;
	size_t length = 0, kept;
	enum plain plain;

	while (is_letter(scan->at[length]) || is_digit(scan->at[length]) ||
	       (scan->at[length] != '\0' &&
		   strchr("+-._", scan->at[length]) != NULL))
		length++;
	kept = MIN_OF(length, sizeof(number) - 1);
	memcpy(number, scan->at, kept);
	number[kept] = '\0';
	plain = plain_parse(number, &literal);
	if (plain == PLAIN_RIGHT && kept == length) {
		scan->at += length;
		return 0;
	}
	if (plain == PLAIN_NOT)
		snprintf(why, sizeof(why),
		    "%s is not a number in decimal digits; write it as 4000 "
		    "or 1.5, and a text in quotes",
		    number);
	else
		long_explain(number, why);
	return source_refuse(scan->source, scan->line, scan->name, why);
}

static void
scan_other(struct scan *scan)
{
	if (strchr("({[", *scan->at) != NULL)
		scan->depth++;
	else if (strchr(")}]", *scan->at) != NULL && scan->depth > 0)
		scan->depth--;
	scan_advance(scan, 1);
}

static int
scan_next(struct scan *scan)
{
	char letter = *scan->at;

	if (letter == '#' || (letter == '/' && scan->at[1] == '/'))
		scan->at += strcspn(scan->at, "\n");
	else if (letter == '/' && scan->at[1] == '*')
		return scan_comment(scan);
	else if (letter == '"')
		return scan_text(scan);
	else if (letter == '@')
		return source_refuse(scan->source, scan->line, "",
		    "@include is not possible; write the settings here");
	else if (is_letter(letter) || letter == '*')
		return scan_name(scan);
	else if (is_digit(letter) || strchr("+-.", letter) != NULL)
		return scan_number(scan);
	else
		scan_other(scan);
	return 0;
}

static int
source_scan(struct source *source)
{
	struct scan scan = { .source = source, .at = source->text, .line = 1 };
	int error;

	source->seen = calloc(source->count, sizeof(source->seen[0]));
	if (source->seen == NULL)
		return source_fail(source, -ENOMEM, NULL);
	while (*scan.at != '\0')
		if ((error = scan_next(&scan)) != 0)
			return error;
	return 0;
}

/* ---- what libconfig saw ---- */

/* All of a list are texts, or all are groups; an empty one has no texts. */
static void
list_convert(const config_setting_t *setting, struct literal *out)
{
	int count = config_setting_length(setting), groups = 0, texts = 0;

	for (int i = 0; i < count; i++) {
		config_setting_t *element =
		    config_setting_get_elem(setting, (unsigned)i);
		int type = config_setting_type(element);

		groups += type == CONFIG_TYPE_GROUP;
		if (type != CONFIG_TYPE_STRING)
			continue;
		if (texts < SETTINGS_LIST_MAX)
			out->texts[texts] = config_setting_get_string(element);
		texts++;
	}
	out->count = (unsigned)count;
	if (texts == count)
		out->kind = LITERAL_TEXTS;
	else if (groups == count)
		out->kind = LITERAL_GROUPS;
}

static void
literal_convert(const config_setting_t *setting, struct literal *out)
{
	*out = (struct literal){ .kind = LITERAL_OTHER };
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
		out->kind = LITERAL_INTEGER;
		out->integer = config_setting_get_int(setting);
		break;
	case CONFIG_TYPE_FLOAT:
		out->kind = LITERAL_FRACTION;
		out->fraction = config_setting_get_float(setting);
		break;
	case CONFIG_TYPE_BOOL:
		out->kind = LITERAL_BOOL;
		out->truth = config_setting_get_bool(setting) != 0;
		break;
	case CONFIG_TYPE_STRING:
		out->kind = LITERAL_TEXT;
		out->count = 1;
		out->texts[0] = config_setting_get_string(setting);
		break;
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		list_convert(setting, out);
		break;
	default:
		break;
	}
}

static int setting_take(struct source *source, const struct settings_row *rows,
    size_t count, const config_setting_t *setting, void *target);

static void *
group_at(const struct settings_groups *groups, void *target, int which)
{
	return (char *)target + groups->offset + (size_t)which * groups->size;
}

/* The groups of SETTING, which are not too many; as setting_take(). */
static int
groups_take(struct source *source, const struct settings_groups *groups,
    const config_setting_t *setting, void *target)
{
	int result = 0;

	for (int i = 0; i < config_setting_length(setting); i++) {
		const config_setting_t *group =
		    config_setting_get_elem(setting, (unsigned)i);
		void *to = target == NULL ? NULL : group_at(groups, target, i);

		if (to != NULL)
			settings_defaults(groups->rows, groups->count, to);
		for (int j = 0; j < config_setting_length(group); j++) {
			result = setting_take(source, groups->rows,
			    groups->count,
			    config_setting_get_elem(group, (unsigned)j), to);
			if (result != 0)
				return result;
		}
	}
	return 0;
}

/* Checks SETTING; stores it too when TARGET is not NULL. */
static int
setting_take(struct source *source, const struct settings_row *rows,
    size_t count, const config_setting_t *setting, void *target)
{
	const char *name = config_setting_name(setting);
	unsigned line = config_setting_source_line(setting);
	const struct settings_row *row;
	char why[SETTINGS_ERROR_MAX];
	struct literal literal;
	enum verdict verdict;
	union value value;

	if ((row = row_find(rows, count, name)) == NULL) {
		unknown_explain(rows, count, name, why);
		return source_refuse(source, line, name, why);
	}
	literal_convert(setting, &literal);
	verdict = literal_take(row, &literal, &value);
	if (verdict != VALUE_RIGHT) {
		verdict_explain(row, &literal, verdict, why);
		return source_refuse(source, line, name, why);
	}
	if (target != NULL)
		value_store(row, &value, target);
	if (literal.kind == LITERAL_GROUPS)
		return groups_take(source, row->detail, setting, target);
	return 0;
}

static int
source_parse(struct source *source)
{
	char why[128];

	if (config_read_string(&source->config, source->text) == CONFIG_TRUE)
		return 0;
	snprintf(why, sizeof(why), "%s; settings are written NAME = VALUE;",
	    config_error_text(&source->config));
	return source_refuse(source,
	    (unsigned)MAX_OF(config_error_line(&source->config), 1), "", why);
}

/* All are checked before the first is stored. */
static int
source_take(struct source *source, void *target)
{
	config_setting_t *root = config_root_setting(&source->config);
	int count = config_setting_length(root), error;

	for (int i = 0; i < 2 * count; i++) {
		error = setting_take(source, source->rows, source->count,
		    config_setting_get_elem(root, (unsigned)(i % count)),
		    i < count ? NULL : target);
		if (error != 0)
			return error;
	}
	return 0;
}

int
settings_read(const struct settings_row *rows, size_t count, const char *file,
    void *target, char error[static SETTINGS_ERROR_MAX])
{
	struct source source = {
		.rows = rows, .count = count, .file = file, .error = error
	};
	int result;

	config_init(&source.config);
	if ((result = source_open(&source)) == 0 &&
	    (result = source_scan(&source)) == 0 &&
	    (result = source_parse(&source)) == 0)
		result = source_take(&source, target);
	config_destroy(&source.config);
	free(source.seen);
	free(source.text);
	return result;
}

/* ---- all sources ---- */

int
settings_load(const struct settings_row *rows, size_t count,
    const struct settings_source *source, void *target,
    char error[static SETTINGS_ERROR_MAX])
{
	int result;

	settings_defaults(rows, count, target);
	result = settings_read(rows, count, source->file, target, error);
	if (result == -ENOENT && source->file_optional)
		result = 0;
	for (unsigned i = 0; result == 0 && i < source->override_count; i++)
		result = settings_override(
		    rows, count, source->overrides[i], target, error);
	return result;
}

static bool
is_overridden(const struct settings_source *source, const char *name)
{
	size_t length = strlen(name);

	for (unsigned i = 0; i < source->override_count; i++)
		if (strncmp(source->overrides[i], name, length) == 0 &&
		    source->overrides[i][length] == '=')
			return true;
	return false;
}

/* The first line of FILE that sets NAME; 0: none. */
static unsigned
line_of(const char *file, const char *name)
{
	size_t length = strlen(name);
	unsigned line = 0, found = 0;
	char text[256];
	FILE *stream;

	if ((stream = fopen(file, "re")) == NULL)
		return 0;
	while (found == 0 && fgets(text, sizeof(text), stream) != NULL) {
		const char *at = text + strspn(text, " \t");

		line++;
		if (strncmp(at, name, length) == 0 &&
		    strchr(" \t=:\n", at[length]) != NULL)
			found = line;
	}
	fclose(stream);
	return found;
}

int
settings_blame(const struct settings_source *source, const char *name,
    const char *what, char error[static SETTINGS_ERROR_MAX])
{
	unsigned line = 0;

	if (!is_overridden(source, name))
		line = line_of(source->file, name);
	if (line != 0)
		snprintf(error, SETTINGS_ERROR_MAX, "%s:%u: %s: %s",
		    source->file, line, name, what);
	else
		snprintf(error, SETTINGS_ERROR_MAX, "%s: %s", name, what);
	return -EINVAL;
}

/* ---- comparing ---- */

static bool
list_same(const struct settings_list *a, const struct settings_list *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (strcmp(a->text[i], b->text[i]) != 0)
			return false;
	return true;
}

static bool
value_same(
    const struct settings_row *row, const union value *a, const union value *b)
{
	switch (row->type) {
	case SETTINGS_BOOL:
		return a->truth == b->truth;
	case SETTINGS_TEXT:
		return strcmp(a->text, b->text) == 0;
	case SETTINGS_TEXT_LIST:
		return list_same(&a->list, &b->list);
	case SETTINGS_RANGE:
		return a->range.first == b->range.first &&
		       a->range.last == b->range.last;
	case SETTINGS_NUMBER:
		return !(a->fraction < b->fraction) &&
		       !(a->fraction > b->fraction);
	default:
		return a->number == b->number;
	}
}

static bool
groups_same(const struct settings_groups *groups, uint64_t count, const void *a,
    const void *b)
{
	for (uint64_t i = 0; i < count; i++) {
		size_t at = groups->offset + i * groups->size;

		for (size_t j = 0; j < groups->count; j++) {
			if (!settings_same(&groups->rows[j],
				(const char *)a + at, (const char *)b + at))
				return false;
		}
	}
	return true;
}

bool
settings_same(const struct settings_row *row, const void *a, const void *b)
{
	union value left, right;

	value_load(row, a, &left);
	value_load(row, b, &right);
	return value_same(row, &left, &right) &&
	       (row->type != SETTINGS_GROUPS ||
		   groups_same(row->detail, left.number, a, b));
}

/* ---- printing ---- */

static void
text_print(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < ' ' || *text == 0x7f)
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void
list_print(const struct settings_list *list, FILE *out)
{
	if (list->count <= 1) {
		text_print(list->count == 0 ? "" : list->text[0], out);
		return;
	}
	for (unsigned i = 0; i < list->count; i++) {
		fputs(i == 0 ? "( " : ", ", out);
		text_print(list->text[i], out);
	}
	fputs(" )", out);
}

/* Digit by digit: printf(3) follows the locale, the file does not. */
static void
fraction_print(double fraction, FILE *out)
{
	uint64_t parts = (uint64_t)(fraction * 1e9 + 0.5);
	char digits[16];
	size_t length;

	snprintf(digits, sizeof(digits), "%09u",
	    (unsigned)(parts % UINT64_C(1000000000)));
	for (length = 9; length > 1 && digits[length - 1] == '0'; length--)
		;
	fprintf(out, "%llu.%.*s",
	    (unsigned long long)(parts / UINT64_C(1000000000)), (int)length,
	    digits);
}

static void
number_print(const struct settings_row *row, uint64_t number, FILE *out)
{
	const char *const *choices = row->detail;
	char text[48];

	if (row->type == SETTINGS_CHOICE) {
		text_print(choices[number], out);
		return;
	}
	quantity_format(number, types[row->type].units, text, sizeof(text));
	if (row->type == SETTINGS_COUNT)
		fputs(text, out);
	else
		text_print(text, out);
}

static void value_print(const struct settings_row *row,
    const union value *value, const void *target, FILE *out);

static void
groups_print(const struct settings_groups *groups, uint64_t count,
    const void *target, FILE *out)
{
	for (uint64_t i = 0; i < count; i++) {
		const char *group =
		    (const char *)target + groups->offset + i * groups->size;

		fputs(i == 0 ? "( {" : ",\n  {", out);
		for (size_t j = 0; j < groups->count; j++) {
			union value value;

			value_load(&groups->rows[j], group, &value);
			fprintf(out, " %s = ", groups->rows[j].name);
			value_print(&groups->rows[j], &value, group, out);
			fputc(';', out);
		}
		fputs(" }", out);
	}
	fputs(count == 0 ? "( )" : " )", out);
}

static void
value_print(const struct settings_row *row, const union value *value,
    const void *target, FILE *out)
{
	switch (row->type) {
	case SETTINGS_COUNT:
	case SETTINGS_RATE:
	case SETTINGS_SIZE:
	case SETTINGS_TIME:
	case SETTINGS_CHOICE:
		number_print(row, value->number, out);
		break;
	case SETTINGS_BOOL:
		fputs(value->truth ? "true" : "false", out);
		break;
	case SETTINGS_TEXT:
		text_print(value->text, out);
		break;
	case SETTINGS_TEXT_LIST:
		list_print(&value->list, out);
		break;
	case SETTINGS_RANGE:
		if (value->range.last == 0)
			fputs("\"\"", out);
		else
			fprintf(out, "\"%u-%u\"", value->range.first,
			    value->range.last);
		break;
	case SETTINGS_NUMBER:
		fraction_print(value->fraction, out);
		break;
	case SETTINGS_GROUPS:
		groups_print(row->detail, value->number, target, out);
		break;
	}
}

/* The words of the table: it says "60 s" where we would say "1 min". */
static void
default_print(const struct settings_row *row, FILE *out)
{
	if (row->type == SETTINGS_COUNT || row->type == SETTINGS_BOOL ||
	    row->type == SETTINGS_NUMBER)
		fputs(row->default_text, out);
	else
		text_print(row->default_text, out);
}

void
settings_print(const struct settings_row *rows, size_t count,
    const void *target, FILE *out)
{
	char text[SETTINGS_TEXT_MAX], why[SETTINGS_ERROR_MAX];
	union value value, usual;
	bool right;

	for (size_t i = 0; i < count; i++) {
		value_load(&rows[i], target, &value);
		strcpy(text, rows[i].default_text);
		right = value_read(&rows[i], text, &usual, why);
		assert(right);
		fprintf(out, "# %s\n%s = ", rows[i].help, rows[i].name);
		if (value_same(&rows[i], &value, &usual)) {
			default_print(&rows[i], out);
			fputs(";\n", out);
			continue;
		}
		value_print(&rows[i], &value, target, out);
		fputs("; # default: ", out);
		default_print(&rows[i], out);
		fputc('\n', out);
	}
}
