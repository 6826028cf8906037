/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One table of schemes; the rest is taking the text apart far enough to say
 * what is wrong with it before anybody waits for a server.
 */
#include "player/address.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/base.h"

/* mms was what RTSP replaced; its addresses name the same titles. */
/* clang-format off */
static const struct scheme {
	const char *name, *played_as;
	bool has_host;
} schemes[] = {
	{ "rtsp",  "rtsp",  true },
	{ "rtspt", "rtspt", true },
	{ "rtspu", "rtspu", true },
	{ "mms",   "rtsp",  true },
	{ "mmst",  "rtspt", true },
	{ "mmsu",  "rtspu", true },
	{ "http",  "http",  true },
	{ "https", "https", true },
	{ "file",  "file",  false },
};
/* clang-format on */

static const char *const list_endings[] = { ".asx", ".wax", ".wvx", ".m3u",
	".m3u8" };

static void
refuse(struct address *out, const char *sentence)
{
	out->kind = ADDRESS_BAD;
	out->sentence = sentence;
}

/* Without blanks around it, and without what cannot be in an address. */
static bool
copy(const char *text, char out[ADDRESS_MAX], const char **sentence)
{
	size_t length;

	text += strspn(text, " \t\r\n");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
		length--;
	*sentence = length == 0		    ? "Type the address of a title."
		    : length >= ADDRESS_MAX ? "This address is too long."
					    : NULL;
	for (size_t i = 0; *sentence == NULL && i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			*sentence = "This address holds something that "
				    "cannot be typed.";
	if (*sentence != NULL)
		return false;
	memcpy(out, text, length);
	out[length] = '\0';
	return true;
}

static const struct scheme *
scheme_find(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++)
		if (strlen(schemes[i].name) == length &&
		    strncasecmp(schemes[i].name, name, length) == 0)
			return &schemes[i];
	return NULL;
}

static bool
is_port(const char *text, const char *end)
{
	unsigned number = 0;

	if (end - text > 5)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = number * 10 + (unsigned)(*text - '0');
	}
	return number >= 1 && number <= 65535;
}

/* host, host:port, [v6]:port, with or without user@; ends at '/', '?', '#'. */
static const char *
check_host(const char *host)
{
	size_t length = strcspn(host, "/?#");
	const char *end = host + length;
	const char *at = memchr(host, '@', length);
	const char *port;

	if (at != NULL)
		host = at + 1;
	if (*host == '[') {
		port = memchr(host, ']', (size_t)(end - host));
		if (port == NULL || port == host + 1)
			return "An address in [ ] is not complete.";
		port++;
	} else {
		port = memchr(host, ':', (size_t)(end - host));
		if (port == NULL)
			port = end;
		if (port == host)
			return "The name of the server is missing.";
		if (memchr(host, ' ', (size_t)(port - host)) != NULL)
			return "The name of a server has no blanks.";
	}
	if (port == end || (*port == ':' && is_port(port + 1, end)))
		return NULL;
	return "The port is not a number from 1 to 65535.";
}

static bool
is_list(const char *url, bool has_query)
{
	size_t length = has_query ? strcspn(url, "?#") : strlen(url);

	for (size_t i = 0; i < ARRAY_LENGTH(list_endings); i++) {
		size_t ending = strlen(list_endings[i]);

		if (length > ending && strncasecmp(url + length - ending,
					   list_endings[i], ending) == 0)
			return true;
	}
	return false;
}

void
address_parse(const char *text, struct address *out)
{
	char typed[ADDRESS_MAX];
	const struct scheme *scheme;
	const char *colon, *rest, *sentence;

	*out = (struct address){ .kind = ADDRESS_TITLE };
	if (!copy(text, typed, &sentence)) {
		refuse(out, sentence);
		return;
	}
	colon = strstr(typed, "://");
	if (colon == NULL) {
		memcpy(out->url, typed, sizeof(typed));
		if (strchr("/.~", typed[0]) == NULL)
			refuse(out, "An address begins with rtsp://, or is "
				    "the path of a file.");
		else if (is_list(typed, false))
			out->kind = ADDRESS_LIST;
		return;
	}
	rest = colon + strlen("://");
	scheme = scheme_find(typed, (size_t)(colon - typed));
	if (scheme == NULL) {
		refuse(out, "Only rtsp://, rtspt://, rtspu://, http:// and "
			    "files can be played.");
		return;
	}
	sentence = scheme->has_host ? check_host(rest) : NULL;
	if (sentence == NULL &&
	    snprintf(out->url, sizeof(out->url), "%s://%s", scheme->played_as,
		rest) >= (int)sizeof(out->url))
		sentence = "This address is too long.";
	if (sentence != NULL)
		refuse(out, sentence);
	else if (is_list(out->url, true))
		out->kind = ADDRESS_LIST;
}
