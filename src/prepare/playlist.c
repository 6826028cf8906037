/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * playlist - a list of everything in a folder that can be served.
 *
 * What can be served is what title_open() opens beneath the folder, as the
 * server does; here are the walk, the order, and the two formats with their
 * escapes.
 */
#include "prepare/playlist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "media/title.h"
#include "prepare/progress.h"
#include "prepare/source.h"

#define DEPTH_MOST 64
#define PATH_BYTES 1024 /* more than title_open() takes */
#define TEXT_BYTES 512

struct paths {
	char **items;
	size_t count, room;
	bool failed; /* no memory */
};

static bool
paths_make_room(struct paths *paths)
{
	size_t room = paths->room != 0 ? paths->room * 2 : 256;
	char **items;

	if (paths->count < paths->room)
		return true;
	items = reallocarray(paths->items, room, sizeof(*items));
	if (items == NULL)
		return false;
	paths->items = items;
	paths->room = room;
	return true;
}

static void
paths_add(struct paths *paths, const char *path)
{
	paths->failed = !paths_make_room(paths) ||
			(paths->items[paths->count] = strdup(path)) == NULL;
	paths->count += !paths->failed;
}

static void
paths_free(struct paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->items[i]);
	free(paths->items);
}

static int
paths_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
leave_out(const char *path, const char *why)
{
	char clean[PATH_BYTES];

	source_text(path, clean, sizeof(clean));
	fprintf(stderr, "vodasf: %s: left out: %s\n", clean, why);
}

/*
 * Folders that are links are left out, so that the walk ends; files that are
 * links are for title_open() to judge.
 */
static void
walk(int folder, const char *under, unsigned depth, struct paths *paths)
{
	DIR *directory = fdopendir(folder);
	char path[PATH_BYTES];
	struct dirent *entry;
	struct stat status;
	int inner;

	if (directory == NULL) {
		close(folder);
		return;
	}
	while (!paths->failed && (entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s%s", under,
			entry->d_name) >= (int)sizeof(path) - 1)
			continue;
		if (fstatat(dirfd(directory), entry->d_name, &status,
			AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		if (!S_ISDIR(status.st_mode)) {
			paths_add(paths, path);
			continue;
		}
		inner = openat(dirfd(directory), entry->d_name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner == -1 || depth == DEPTH_MOST) {
			leave_out(
			    path, inner == -1 ? strerror(errno) : "too deep");
			if (inner != -1)
				close(inner);
			continue;
		}
		strcat(path, "/");
		walk(inner, path, depth + 1, paths);
	}
	closedir(directory);
}

/* ---- escapes ---- */

/* RFC 3986 2.3; '/' parts the segments. */
static void
print_url(const char *base, const char *path)
{
	fputs(base, stdout);
	if (base[strlen(base) - 1] != '/')
		putchar('/');
	for (; *path != '\0'; path++) {
		unsigned char c = (unsigned char)*path;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || strchr("-._~/", c) != NULL)
			putchar(c);
		else
			printf("%%%02X", c);
	}
}

static void
print_xml(const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", stdout);
			break;
		case '<':
			fputs("&lt;", stdout);
			break;
		case '>':
			fputs("&gt;", stdout);
			break;
		case '"':
			fputs("&quot;", stdout);
			break;
		case '\'':
			fputs("&#39;", stdout);
			break;
		default:
			putchar(*text);
		}
	}
}

/* The title, or the file's name without its folders and ending. */
static void
title_text(const struct title *title, const char *path, char *out)
{
	const char *name = strrchr(path, '/');
	char *dot;

	source_text(title_header(title)->title, out, TEXT_BYTES);
	if (out[0] != '\0')
		return;
	source_text(name != NULL ? name + 1 : path, out, TEXT_BYTES);
	dot = strrchr(out, '.');
	if (dot != NULL && dot != out)
		*dot = '\0';
}

/* ---- formats ---- */

static void
print_element(const char *indent, const char *name, const char *text)
{
	char clean[TEXT_BYTES];

	source_text(text, clean, sizeof(clean));
	if (clean[0] == '\0')
		return;
	printf("%s<%s>", indent, name);
	print_xml(clean);
	printf("</%s>\n", name);
}

static void
print_asx_entry(const struct title *title, const char *path, const char *base)
{
	const struct asf_header *header = title_header(title);
	uint64_t ms = title_duration_us(title) / US_PER_MS;
	char text[TEXT_BYTES];

	title_text(title, path, text);
	puts("  <ENTRY>");
	print_element("    ", "TITLE", text);
	print_element("    ", "AUTHOR", header->author);
	print_element("    ", "COPYRIGHT", header->copyright);
	printf("    <DURATION VALUE=\"%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64
	       ".%03" PRIu64 "\"/>\n",
	    ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
	fputs("    <REF HREF=\"", stdout);
	print_url(base, path);
	puts("\"/>\n  </ENTRY>");
}

static void
print_m3u_entry(const struct title *title, const char *path, const char *base)
{
	char text[TEXT_BYTES], author[TEXT_BYTES];

	title_text(title, path, text);
	source_text(title_header(title)->author, author, sizeof(author));
	printf("#EXTINF:%" PRIu64 ",%s%s%s\n",
	    (title_duration_us(title) + US_PER_SECOND / 2) / US_PER_SECOND,
	    author, author[0] != '\0' ? " - " : "", text);
	print_url(base, path);
	putchar('\n');
}

static size_t
print_list(int root, const struct paths *paths, const char *base, bool m3u)
{
	struct progress progress;
	enum asf_result reason;
	struct title *title;
	size_t printed = 0;

	progress_start(&progress, "looking at files");
	for (size_t i = 0; i < paths->count; i++) {
		progress_tell(&progress, i, paths->count);
		if (title_open(root, paths->items[i], &title, &reason) != 0)
			continue;
		if (printed++ == 0)
			puts(m3u ? "#EXTM3U"
				 : "<ASX VERSION=\"3.0\">\n"
				   "  <PARAM NAME=\"Encoding\" "
				   "VALUE=\"UTF-8\"/>");
		if (m3u)
			print_m3u_entry(title, paths->items[i], base);
		else
			print_asx_entry(title, paths->items[i], base);
		title_close(title);
	}
	progress_stop(&progress);
	if (printed != 0 && !m3u)
		puts("</ASX>");
	return printed;
}

int
playlist_run(const char *folder, const char *base, bool m3u)
{
	struct paths paths = { 0 };
	size_t printed = 0;
	int root, top;

	root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	top = root != -1 ? dup(root) : -1;
	if (top == -1) {
		fprintf(stderr, "vodasf: %s: %s\n", folder, strerror(errno));
		return 1;
	}
	walk(top, "", 0, &paths);
	if (paths.failed) {
		fputs("vodasf: out of memory\n", stderr);
	} else {
		if (paths.count != 0)
			qsort(paths.items, paths.count, sizeof(*paths.items),
			    paths_compare);
		printed = print_list(root, &paths, base, m3u);
		if (printed == 0)
			fprintf(stderr,
			    "vodasf: %s: nothing in it can be served\n",
			    folder);
	}
	paths_free(&paths);
	close(root);
	if (fflush(stdout) != 0) {
		fprintf(stderr, "vodasf: cannot write: %s\n", strerror(errno));
		return 1;
	}
	return printed != 0 ? 0 : 1;
}
