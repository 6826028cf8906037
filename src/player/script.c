/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Script commands.  What one means is the viewer's affair: a command to open a
 * page is shown to him, never obeyed.
 */
#include "player/script.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/bytes.h"
#include "media/asf.h"

#define TEXT_MOST 2048

/* Length in WCHARs, then so many; false: they are not there. */
static bool
take_text(struct bytes_reader *reader, struct script *out, uint32_t *at)
{
	size_t bytes = bytes_u16le(reader) * (size_t)2;
	const uint8_t *text = bytes_take(reader, bytes);
	size_t room = MIN_OF(sizeof(out->texts) - out->used, (size_t)TEXT_MOST);

	if (reader->failed || room < 4)
		return false;
	asf_text(text, bytes, out->texts + out->used, room);
	*at = (uint32_t)out->used;
	while (out->texts[out->used] != '\0')
		out->used++;
	out->used++;
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
	uint32_t types[SCRIPT_TYPES_MOST];
	unsigned commands, type_count;

	out->count = 0;
	out->used = 0;
	bytes_skip(&reader, 16);
	commands = bytes_u16le(&reader);
	type_count = bytes_u16le(&reader);
	if (type_count > SCRIPT_TYPES_MOST)
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
