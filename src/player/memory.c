/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A GKeyFile: one group for the window, one for each recent title.  What it
 * holds is checked when it is read: anybody may have edited it.
 */
#include "player/memory.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "player/address.h"

#define GROUP "window"

struct recent {
	char *url, *title;
};

struct memory {
	char *path;
	double volume;
	bool is_dark;
	struct recent recent[MEMORY_RECENT_MAX];
	size_t recent_count;
};

static void
recent_clear(struct recent *recent)
{
	g_clear_pointer(&recent->url, g_free);
	g_clear_pointer(&recent->title, g_free);
}

static char *
read_text(GKeyFile *file, const char *group, const char *key)
{
	char *text = g_key_file_get_string(file, group, key, NULL);

	return text != NULL ? text : g_strdup("");
}

static bool
has_recent(const struct memory *memory, const char *url)
{
	for (size_t i = 0; i < memory->recent_count; i++)
		if (strcmp(memory->recent[i].url, url) == 0)
			return true;
	return false;
}

static void
read_recent(struct memory *memory, GKeyFile *file)
{
	char group[32];

	for (size_t i = 0; i < MEMORY_RECENT_MAX; i++) {
		struct recent recent;

		g_snprintf(group, sizeof(group), "recent %zu", i + 1);
		if (!g_key_file_has_key(file, group, "address", NULL))
			return;
		recent.url = read_text(file, group, "address");
		recent.title = read_text(file, group, "title");
		if (recent.url[0] == '\0' ||
		    strlen(recent.url) >= ADDRESS_MAX ||
		    has_recent(memory, recent.url))
			recent_clear(&recent);
		else
			memory->recent[memory->recent_count++] = recent;
	}
}

static double
read_volume(GKeyFile *file)
{
	GError *error = NULL;
	double volume = g_key_file_get_double(file, GROUP, "volume", &error);
	bool is_right = error == NULL && volume >= 0.0 && volume <= 1.0;

	g_clear_error(&error);
	return is_right ? volume : 1.0;
}

struct memory *
memory_new(void)
{
	struct memory *memory = g_new0(struct memory, 1);
	GKeyFile *file = g_key_file_new();

	memory->path =
	    g_build_filename(g_get_user_state_dir(), "vodplay", "window", NULL);
	memory->volume = 1.0;
	if (g_key_file_load_from_file(
		file, memory->path, G_KEY_FILE_NONE, NULL)) {
		memory->volume = read_volume(file);
		memory->is_dark =
		    g_key_file_get_boolean(file, GROUP, "dark", NULL);
		read_recent(memory, file);
	}
	g_key_file_free(file);
	return memory;
}

void
memory_free(struct memory *memory)
{
	if (memory == NULL)
		return;
	memory_forget_recent(memory);
	g_free(memory->path);
	g_free(memory);
}

int
memory_write(const struct memory *memory)
{
	GKeyFile *file = g_key_file_new();
	char *folder = g_path_get_dirname(memory->path);
	char group[32];
	char *text;
	gsize length;
	int error = 0;

	g_key_file_set_double(file, GROUP, "volume", memory->volume);
	g_key_file_set_boolean(file, GROUP, "dark", memory->is_dark);
	for (size_t i = 0; i < memory->recent_count; i++) {
		g_snprintf(group, sizeof(group), "recent %zu", i + 1);
		g_key_file_set_string(
		    file, group, "address", memory->recent[i].url);
		g_key_file_set_string(
		    file, group, "title", memory->recent[i].title);
	}
	text = g_key_file_to_data(file, &length, NULL);
	if (g_mkdir_with_parents(folder, 0700) != 0)
		error = -errno;
	else if (!g_file_set_contents_full(memory->path, text, (gssize)length,
		     G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL))
		error = -EIO;
	g_free(text);
	g_free(folder);
	g_key_file_free(file);
	return error;
}

double
memory_volume(const struct memory *memory)
{
	return memory->volume;
}

void
memory_set_volume(struct memory *memory, double volume)
{
	memory->volume = volume;
}

bool
memory_is_dark(const struct memory *memory)
{
	return memory->is_dark;
}

void
memory_set_dark(struct memory *memory, bool dark)
{
	memory->is_dark = dark;
}

const char *
memory_recent_url(const struct memory *memory, size_t number)
{
	return number < memory->recent_count ? memory->recent[number].url
					     : NULL;
}

const char *
memory_recent_title(const struct memory *memory, size_t number)
{
	return number < memory->recent_count ? memory->recent[number].title
					     : NULL;
}

void
memory_add_recent(struct memory *memory, const char *url, const char *title)
{
	struct recent new = { g_strdup(url), NULL };
	size_t place = 0;

	while (place < memory->recent_count &&
	       strcmp(memory->recent[place].url, url) != 0)
		place++;
	if (place == memory->recent_count &&
	    memory->recent_count < MEMORY_RECENT_MAX)
		memory->recent_count++;
	if (place == MEMORY_RECENT_MAX)
		place--; /* the eldest goes */
	new.title =
	    g_strdup(title[0] == '\0' && memory->recent[place].title != NULL &&
			     strcmp(memory->recent[place].url, url) == 0
			 ? memory->recent[place].title
			 : title);
	recent_clear(&memory->recent[place]);
	memmove(&memory->recent[1], &memory->recent[0],
	    place * sizeof(memory->recent[0]));
	memory->recent[0] = new;
}

void
memory_forget_recent(struct memory *memory)
{
	for (size_t i = 0; i < memory->recent_count; i++)
		recent_clear(&memory->recent[i]);
	memory->recent_count = 0;
}
