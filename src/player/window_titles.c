/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is played: a title, or one after the other of a play list.
 */
#include <string.h>

#include "player/address.h"
#include "player/window_parts.h"

#define DEPTH_MAX 5 /* lists that name lists */

static void open_at_depth(
    struct window *window, const char *address, unsigned depth);

static struct playlist_item *
item_at(const struct titles *titles, guint number)
{
	return g_ptr_array_index(titles->items, number);
}

/* By BY titles, alternatives left out: its number, or -1. */
static int
find(const struct titles *titles, int by)
{
	int at = (int)titles->at;

	if (titles->items == NULL)
		return -1;
	do
		at += by;
	while (at >= 0 && at < (int)titles->items->len &&
	       item_at(titles, (guint)at)->is_alternative);
	return at >= 0 && at < (int)titles->items->len ? at : -1;
}

static void
play(struct window *window, const char *address, const char *called)
{
	struct titles *titles = &window->titles;
	char *kept_address = g_strdup(address);
	char *kept_called = g_strdup(called);

	g_free(titles->address);
	g_free(titles->called);
	titles->address = kept_address;
	titles->called = kept_called;
	titles_start(window);
}

void
titles_start(struct window *window)
{
	struct titles *titles = &window->titles;
	uint64_t position_us = titles->position_us;

	titles->position_us = 0; /* of the first only */
	if (titles->address == NULL)
		return;
	titles->is_opened = true;
	engine_open(window->engine, titles->address, position_us);
}

void
titles_stop(struct window *window)
{
	playlist_load_stop(window->titles.load);
	window->titles.load = NULL;
	window->state = ENGINE_STOPPED;
	engine_stop(window->engine);
	window_say_state(window);
}

void
titles_tags(const struct window *window, struct engine_tags *out)
{
	*out = (struct engine_tags){ 0 };
	if (window->titles.is_opened)
		engine_tags(window->engine, out);
}

bool
titles_are_fetched(const struct window *window)
{
	return window->titles.load != NULL;
}

/* The one that AT says; it may be a list again. */
static void
play_item(struct window *window)
{
	struct titles *titles = &window->titles;
	const struct playlist_item *item = item_at(titles, titles->at);
	struct address address;

	address_parse(item->url, &address);
	if (item->is_list || address.kind == ADDRESS_LIST)
		open_at_depth(window, item->url, titles->depth + 1);
	else if (address.kind != ADDRESS_BAD)
		play(window, address.url, item->title);
	else if (!titles_fall_back(window))
		window_fail(window, address.sentence);
}

bool
titles_have(const struct window *window, int by)
{
	return find(&window->titles, by) >= 0;
}

bool
titles_move(struct window *window, int by)
{
	int at = find(&window->titles, by);

	if (at < 0)
		return false;
	window->titles.at = (guint)at;
	play_item(window);
	return true;
}

bool
titles_fall_back(struct window *window)
{
	struct titles *titles = &window->titles;

	if (titles->items == NULL || titles->at + 1 == titles->items->len ||
	    !item_at(titles, titles->at + 1)->is_alternative)
		return false;
	titles->at++;
	play_item(window);
	return true;
}

static void
on_loaded(void *context, GPtrArray *items, const char *sentence)
{
	struct window *window = context;
	struct titles *titles = &window->titles;

	titles->load = NULL;
	if (items == NULL) {
		window_fail(window, sentence);
		return;
	}
	if (titles->depth == 0)
		window_remember(window, "");
	g_clear_pointer(&titles->items, g_ptr_array_unref);
	titles->items = items;
	titles->at = 0;
	play_item(window);
}

static void
open_at_depth(struct window *window, const char *address, unsigned depth)
{
	struct titles *titles = &window->titles;

	playlist_load_stop(titles->load);
	titles->load = NULL;
	titles->depth = depth;
	titles->is_opened = false;
	if (depth > DEPTH_MAX) {
		window_fail(window, "This play list leads from list to list.");
		return;
	}
	titles->load = playlist_load_start(address, on_loaded, window);
	window_say_state(window);
}

/* A file is found again by its address from any folder. */
static char *
full_address(const char *text)
{
	if (text[0] == '\0' || strstr(text, "://") != NULL)
		return g_strdup(text);
	if (g_str_has_prefix(text, "~/"))
		return g_build_filename(g_get_home_dir(), text + 2, NULL);
	return g_canonicalize_filename(text, NULL);
}

void
titles_open(struct window *window, const char *text, uint64_t position_us)
{
	struct titles *titles = &window->titles;
	char *full = full_address(text);
	struct address address;

	address_parse(full, &address);
	titles_clear(window);
	engine_stop(window->engine);
	titles->address = full;
	titles->position_us = position_us;
	if (address.kind == ADDRESS_BAD) {
		window_fail(window, address.sentence);
	} else if (address.kind == ADDRESS_LIST) {
		open_at_depth(window, address.url, 0);
	} else {
		play(window, address.url, "");
	}
}

void
titles_clear(struct window *window)
{
	struct titles *titles = &window->titles;

	playlist_load_stop(titles->load);
	g_clear_pointer(&titles->items, g_ptr_array_unref);
	g_clear_pointer(&titles->address, g_free);
	g_clear_pointer(&titles->called, g_free);
	*titles = (struct titles){ 0 };
}
