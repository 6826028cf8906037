/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ASX looks like XML and never was: names in any case, attributes without
 * quotes, & as it is, elements that are not closed.  So tags are looked for,
 * and nothing more is asked of the text.
 */
#include "player/playlist_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base.h"

struct piece {
	const char *at;
	size_t length;
};

struct reader {
	playlist_entry_function *entry;
	void *context;
	int count;
	char base[PLAYLIST_URL_MAX];
	char title[PLAYLIST_TITLE_MAX];
	bool is_alternative;
};

/* ---- text ---- */

static bool
is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static struct piece
trim(struct piece piece)
{
	while (piece.length > 0 && is_blank(piece.at[0])) {
		piece.at++;
		piece.length--;
	}
	while (piece.length > 0 && is_blank(piece.at[piece.length - 1]))
		piece.length--;
	return piece;
}

static bool
begins_with(struct piece piece, const char *word)
{
	size_t length = strlen(word);

	return piece.length >= length &&
	       strncasecmp(piece.at, word, length) == 0;
}

static bool
is_word(struct piece piece, const char *word)
{
	return piece.length == strlen(word) && begins_with(piece, word);
}

static struct piece
skip(struct piece piece, size_t length)
{
	return (struct piece){ piece.at + length, piece.length - length };
}

/* The piece up to BYTE, which is left out; *REST begins behind it. */
static struct piece
take_until(struct piece piece, char byte, struct piece *rest)
{
	const char *end = memchr(piece.at, byte, piece.length);
	size_t length = end != NULL ? (size_t)(end - piece.at) : piece.length;

	*rest = skip(piece, end != NULL ? length + 1 : length);
	return (struct piece){ piece.at, length };
}

/* Up to a blank or END. */
static struct piece
take_word(struct piece piece, char end, struct piece *rest)
{
	size_t length = 0;

	while (length < piece.length && piece.at[length] != end &&
	       !is_blank(piece.at[length]))
		length++;
	*rest = skip(piece, length);
	return (struct piece){ piece.at, length };
}

/* An address is told whole or not at all. */
static bool
copy_url(struct piece piece, char out[PLAYLIST_URL_MAX])
{
	if (piece.length == 0 || piece.length >= PLAYLIST_URL_MAX)
		return false;
	for (size_t i = 0; i < piece.length; i++)
		if ((unsigned char)piece.at[i] < ' ')
			return false;
	memcpy(out, piece.at, piece.length);
	out[piece.length] = '\0';
	return true;
}

/* A title's blanks and control bytes become one blank each; it may be cut. */
static void
copy_title(struct piece piece, char out[PLAYLIST_TITLE_MAX])
{
	size_t at = 0;

	for (size_t i = 0; i < piece.length; i++) {
		char byte = piece.at[i];

		if ((unsigned char)byte < ' ')
			byte = ' ';
		if (byte == ' ' && (at == 0 || out[at - 1] == ' '))
			continue;
		if (at + 1 == PLAYLIST_TITLE_MAX)
			break;
		out[at++] = byte;
	}
	out[at] = '\0';
}

static void
tell(struct reader *reader, struct piece url, bool is_list)
{
	char text[PLAYLIST_URL_MAX];
	struct playlist_entry entry = { .url = text,
		.base = reader->base,
		.title = reader->title,
		.is_alternative = reader->is_alternative,
		.is_list = is_list };

	if (reader->count == PLAYLIST_ENTRIES_MAX || !copy_url(url, text))
		return;
	reader->count++;
	reader->entry(reader->context, &entry);
}

/* ---- ASX ---- */

/* clang-format off */
static const struct {
	const char *name;
	char byte;
} entities[] = {
	{ "amp;", '&' }, { "lt;", '<' }, { "gt;", '>' }, { "quot;", '"' },
	{ "apos;", '\'' },
};
/* clang-format on */

/* Behind an '&': what it stands for; *LENGTH is 0 when it stands for itself. */
static char
entity(struct piece piece, size_t *length)
{
	*length = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(entities); i++)
		if (begins_with(piece, entities[i].name)) {
			*length = strlen(entities[i].name);
			return entities[i].byte;
		}
	return '&';
}

/* Into OUT, which is as long as the piece can be; cut if need be. */
static struct piece
decode(struct piece piece, char *out, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < piece.length && at < size; i++) {
		size_t length = 0;

		out[at] = piece.at[i];
		if (piece.at[i] == '&')
			out[at] = entity(skip(piece, i + 1), &length);
		at++;
		i += length;
	}
	return (struct piece){ out, at };
}

/* The next attribute of a tag: false when there is none. */
static bool
take_attribute(struct piece *tag, struct piece *name, struct piece *value)
{
	struct piece rest = trim(*tag);

	if (rest.length == 0)
		return false;
	*name = take_word(rest, '=', &rest);
	*value = (struct piece){ rest.at, 0 };
	rest = trim(rest);
	if (rest.length > 0 && rest.at[0] == '=') {
		rest = trim(skip(rest, 1));
		if (rest.length > 0 &&
		    (rest.at[0] == '"' || rest.at[0] == '\''))
			*value = take_until(skip(rest, 1), rest.at[0], &rest);
		else
			*value = take_word(rest, ' ', &rest);
	}
	*tag = rest;
	return true;
}

/* A tag's address, decoded into OUT. */
static bool
find_href(struct piece attributes, char *out, struct piece *href)
{
	struct piece name, value;

	while (take_attribute(&attributes, &name, &value))
		if (is_word(name, "href")) {
			if (value.length >= PLAYLIST_URL_MAX)
				return false;
			*href = trim(decode(value, out, PLAYLIST_URL_MAX));
			return true;
		}
	return false;
}

static void
read_reference(struct reader *reader, struct piece attributes, bool is_list)
{
	char text[PLAYLIST_URL_MAX];
	struct piece href;

	if (find_href(attributes, text, &href))
		tell(reader, href, is_list);
}

/* <TITLE>, <REF> and so on; REST is the text behind the tag. */
static void
read_tag(struct reader *reader, struct piece name, struct piece attributes,
    struct piece rest)
{
	char text[PLAYLIST_URL_MAX];
	struct piece piece;

	if (is_word(name, "entry")) {
		reader->title[0] = '\0';
		reader->is_alternative = false;
	} else if (is_word(name, "ref")) {
		read_reference(reader, attributes, false);
		reader->is_alternative = true;
	} else if (is_word(name, "entryref")) {
		reader->title[0] = '\0';
		reader->is_alternative = false;
		read_reference(reader, attributes, true);
	} else if (is_word(name, "base")) {
		if (find_href(attributes, text, &piece))
			copy_url(piece, reader->base);
	} else if (is_word(name, "title")) {
		piece = take_until(rest, '<', &rest);
		copy_title(
		    trim(decode(piece, text, sizeof(text))), reader->title);
	}
}

/* A tag ends at the first '>' that is not in quotes. */
static struct piece
take_tag(struct piece text, struct piece *rest)
{
	char quote = '\0';

	for (size_t i = 0; i < text.length; i++) {
		if (quote != '\0') {
			if (text.at[i] == quote)
				quote = '\0';
		} else if (text.at[i] == '>') {
			*rest = skip(text, i + 1);
			return (struct piece){ text.at, i };
		} else if (i > 0 && text.at[i - 1] == '=' &&
			   (text.at[i] == '"' || text.at[i] == '\'')) {
			quote = text.at[i];
		}
	}
	/* A quote that never ends: as if there were none. */
	return take_until(text, '>', rest);
}

static void
read_asx(struct reader *reader, struct piece text)
{
	struct piece tag, name;

	for (;;) {
		take_until(text, '<', &text);
		if (text.length == 0)
			return;
		if (begins_with(text, "!--")) {
			const char *end =
			    memmem(text.at, text.length, "-->", 3);

			if (end == NULL)
				return;
			text = skip(text, (size_t)(end - text.at) + 3);
			continue;
		}
		tag = take_tag(text, &text);
		if (tag.length > 0 && tag.at[tag.length - 1] == '/')
			tag.length--;
		name = take_word(tag, ' ', &tag);
		read_tag(reader, name, tag, text);
	}
}

/* ---- lines ---- */

/* [Reference] and Ref1=http://…, Ref2=: the second is an alternative. */
static void
read_references(struct reader *reader, struct piece text)
{
	struct piece line, key;

	while (text.length > 0) {
		line = trim(take_until(text, '\n', &text));
		if (!begins_with(line, "ref"))
			continue;
		key = take_until(line, '=', &line);
		if (line.length == 0 || key.length < 4 || key.at[3] < '0' ||
		    key.at[3] > '9')
			continue;
		tell(reader, trim(line), false);
		reader->is_alternative = true;
	}
}

static void
read_m3u(struct reader *reader, struct piece text)
{
	struct piece line;

	while (text.length > 0) {
		line = trim(take_until(text, '\n', &text));
		if (begins_with(line, "#EXTINF:")) {
			take_until(line, ',', &line);
			copy_title(line, reader->title);
		} else if (line.length > 0 && line.at[0] != '#') {
			tell(reader, line, false);
			reader->title[0] = '\0';
		}
	}
}

/* A list without a mark of its kind is one only if all of it can be read. */
static bool
is_plain(struct piece text)
{
	for (size_t i = 0; i < text.length; i++)
		if ((unsigned char)text.at[i] < ' ' && !is_blank(text.at[i]))
			return false;
	return text.length > 0 && text.at[0] != '<';
}

/* Of XML: what stands before <asx … is no element. */
static bool
is_asx(struct piece text)
{
	while (text.length > 0) {
		take_until(text, '<', &text);
		if (begins_with(text, "asx"))
			return true;
		if (text.length == 0 ||
		    (text.at[0] != '?' && text.at[0] != '!'))
			return false;
	}
	return false;
}

int
playlist_read(const char *text, size_t length, playlist_entry_function *entry,
    void *context)
{
	struct reader reader = { .entry = entry, .context = context };
	struct piece piece = { text, MIN_OF(length, PLAYLIST_BYTES_MAX) };

	if (begins_with(piece, "\xef\xbb\xbf"))
		piece = skip(piece, 3);
	piece = trim(piece);
	if (begins_with(piece, "<") && is_asx(piece))
		read_asx(&reader, piece);
	else if (begins_with(piece, "[Reference]"))
		read_references(&reader, piece);
	else if (is_plain(piece))
		read_m3u(&reader, piece);
	else
		return -EBADMSG;
	return reader.count;
}
