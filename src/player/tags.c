/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From GStreamer's lists.  A title's come in several, none of them whole.
 */
#include "player/tags.h"

#include <string.h>

#include "base/base.h"

bool
tags_copy(const GstTagList *list, const char *name, char *out, size_t size)
{
	const char *end;
	bool is_new;
	char *text;

	if (!gst_tag_list_get_string(list, name, &text))
		return false;
	/* What is too long ends with a whole character. */
	g_utf8_validate(text, (gssize)MIN_OF(strlen(text), size - 1), &end);
	text[end - text] = '\0';
	is_new = strcmp(text, out) != 0;
	g_strlcpy(out, text, size);
	g_free(text);
	return is_new;
}

bool
tags_update(struct engine_tags *tags, const GstTagList *list)
{
	const struct {
		const char *name;
		char *out;
	} texts[] = {
		{ GST_TAG_TITLE, tags->title },
		{ GST_TAG_ARTIST, tags->author },
		{ GST_TAG_COPYRIGHT, tags->copyright },
		{ GST_TAG_DESCRIPTION, tags->description },
	};
	bool is_new = false;

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		if (tags_copy(
			list, texts[i].name, texts[i].out, sizeof(tags->title)))
			is_new = true;
	return is_new;
}
