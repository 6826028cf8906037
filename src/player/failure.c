/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sentences for viewers.  They say what is the matter and what can be done, in
 * words of people who watch films.
 */
#include "player/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/rtsp.h"

/* clang-format off */
static const struct {
	unsigned status;
	enum failure_kind kind;
	const char *sentence;
} sentences[] = {
	{ 401, FAILURE_NOT_ALLOWED, "You are not allowed to watch this title." },
	{ 403, FAILURE_NOT_ALLOWED, "You are not allowed to watch this title." },
	{ 404, FAILURE_NOT_FOUND,   "The server has no such title." },
	{ 407, FAILURE_NOT_ALLOWED, "You are not allowed to watch this title." },
	{ 410, FAILURE_NOT_FOUND,   "The server no longer has this title." },
	{ 406, FAILURE_CANNOT_PLAY, "The server does not offer this title in a format that can be played here." },
	{ 415, FAILURE_CANNOT_PLAY, "This title has a format that the server cannot send." },
	{ 453, FAILURE_SERVER_FULL, "The server is full: there is not enough bandwidth left.  Please try again later." },
	{ 457, FAILURE_CANNOT_PLAY, "This title ends before the position that it was to begin at." },
	{ 461, FAILURE_CANNOT_PLAY, "The server does not offer this way of transport." },
	{ 503, FAILURE_SERVER_FULL, "The server is full.  Please try again later." },
};
/* clang-format on */

/* What a server says is shown, but never as more than one line of text. */
static void
make_harmless(char *text)
{
	size_t at = 0, length = strlen(text), bytes;

	while (at < length) {
		bytes = rtsp_utf8_bytes(text + at, length - at);
		if (bytes == 0)
			text[at] = '?';
		else if ((unsigned char)text[at] < 0x20 || text[at] == 0x7F)
			text[at] = ' ';
		at += MAX_OF(bytes, (size_t)1);
	}
}

void
failure_set(
    struct failure *failure, enum failure_kind kind, const char *format, ...)
{
	va_list arguments;

	failure->kind = kind;
	va_start(arguments, format);
	vsnprintf(
	    failure->sentence, sizeof(failure->sentence), format, arguments);
	va_end(arguments);
	make_harmless(failure->sentence);
}

void
failure_of_status(struct failure *failure, unsigned status, const char *reason,
    size_t reason_length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(sentences); i++)
		if (sentences[i].status == status) {
			failure_set(failure, sentences[i].kind, "%s",
			    sentences[i].sentence);
			return;
		}
	failure_set(failure,
	    status >= 500 ? FAILURE_BAD_SERVER : FAILURE_CANNOT_PLAY,
	    "The server refuses to play this title (%u %.*s).", status,
	    (int)MIN_OF(reason_length, (size_t)100), reason);
}
