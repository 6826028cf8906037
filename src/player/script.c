/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Script commands.  What one means is the viewer's affair: a command to open a
 * page is shown to him, never obeyed.
 */
#include "player/script.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base.h"
#include "base/bytes.h"
#include "media/asf.h"

#define TYPES_MOST 64
#define TEXT_MOST 2048

/* Where it begins; what there is no room for is cut off. */
static uint32_t
put_text(struct script *script, const uint8_t *text, size_t bytes)
{
	size_t at = script->used;

	asf_text(text, bytes, script->texts + at,
	    MIN_OF(sizeof(script->texts) - at, (size_t)TEXT_MOST));
	script->used += strlen(script->texts + at) + 1;
	return (uint32_t)at;
}

/* Length in WCHARs, then so many; false: they are not there. */
static bool
take_text(struct bytes_reader *reader, struct script *out, uint32_t *at)
{
	size_t bytes = bytes_u16le(reader) * (size_t)2;
	const uint8_t *text = bytes_take(reader, bytes);

	if (reader->failed || sizeof(out->texts) - out->used < 4)
		return false;
	*at = put_text(out, text, bytes);
	return true;
}

static int
compare(const void *a, const void *b)
{
	const struct script_command *left = a, *right = b;

	if (left->at_ms != right->at_ms)
		return left->at_ms < right->at_ms ? -1 : 1;
	return left->text < right->text ? -1 : left->text > right->text;
}

void
script_parse(
    const uint8_t *body, size_t size, uint32_t preroll_ms, struct script *out)
{
	struct bytes_reader reader = bytes_reader(body, size);
	uint32_t types[TYPES_MOST];
	unsigned commands, type_count;

	out->count = 0;
	out->used = 0;
	bytes_skip(&reader, 16);
	commands = bytes_u16le(&reader);
	type_count = bytes_u16le(&reader);
	if (type_count > TYPES_MOST)
		return;
	for (unsigned i = 0; i < type_count; i++)
		if (!take_text(&reader, out, &types[i]))
			return;
	for (; commands > 0 && out->count < SCRIPT_COMMANDS_MOST; commands--) {
		struct script_command *command = &out->commands[out->count];
		uint32_t at_ms = bytes_u32le(&reader);
		unsigned type = bytes_u16le(&reader);

		if (!take_text(&reader, out, &command->text))
			break;
		if (type >= type_count)
			continue;
		command->type = types[type];
		command->at_ms = at_ms > preroll_ms ? at_ms - preroll_ms : 0;
		out->count++;
	}
	qsort(out->commands, out->count, sizeof(out->commands[0]), compare);
}

unsigned
script_find(const struct script *script, uint32_t at_ms)
{
	unsigned low = 0, high = script->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (script->commands[middle].at_ms < at_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Behind the NUL that ends what begins at AT, or SIZE. */
static size_t
behind_nul(const uint8_t *body, size_t size, size_t at)
{
	while (at + 2 <= size && (body[at] != 0 || body[at + 1] != 0))
		at += 2;
	return at + 2 <= size ? at + 2 : size;
}

static bool
is_there(const struct script *script, const struct script_command *command)
{
	for (unsigned i = script_find(script, command->at_ms);
	     i < script->count && script->commands[i].at_ms == command->at_ms;
	     i++)
		if (strcmp(script->texts + script->commands[i].type,
			script->texts + command->type) == 0 &&
		    strcmp(script->texts + script->commands[i].text,
			script->texts + command->text) == 0)
			return true;
	return false;
}

void
script_add(
    struct script *script, uint32_t at_ms, const uint8_t *body, size_t size)
{
	size_t text_at = behind_nul(body, size, 0);
	struct script_command command = { .at_ms = at_ms };
	size_t used;
	unsigned place;

	if (script->count == SCRIPT_COMMANDS_MOST ||
	    sizeof(script->texts) - script->used < (size_t)2 * TEXT_MOST)
		script->used = script->count = 0;
	used = script->used;
	command.type = put_text(script, body, text_at);
	command.text = put_text(
	    script, body + text_at, behind_nul(body, size, text_at) - text_at);
	if (is_there(script, &command)) {
		script->used = used;
		return;
	}
	place = script_find(script, at_ms);
	while (place < script->count && script->commands[place].at_ms == at_ms)
		place++;
	memmove(&script->commands[place + 1], &script->commands[place],
	    (script->count - place) * sizeof(command));
	script->commands[place] = command;
	script->count++;
}

static const struct {
	const char *mark, *text;
} marks[] = {
	{ "<br>", "\n" },
	{ "<br/>", "\n" },
	{ "<p>", "\n" },
	{ "&lt;", "<" },
	{ "&gt;", ">" },
	{ "&amp;", "&" },
	{ "&quot;", "\"" },
	{ "&nbsp;", " " },
};

void
script_plain(char *text)
{
	char *out = text;

	while (*text != '\0') {
		size_t i = 0, mark = 0;
		char *end;

		while (i < ARRAY_LENGTH(marks) &&
		       strncasecmp(text, marks[i].mark,
			   mark = strlen(marks[i].mark)) != 0)
			i++;
		if (i < ARRAY_LENGTH(marks)) {
			*out++ = marks[i].text[0];
			text += mark;
		} else if (*text == '<' &&
			   (text[1] == '/' ||
			       isalpha((unsigned char)text[1])) &&
			   (end = strchr(text, '>')) != NULL) {
			text = end + 1;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}
