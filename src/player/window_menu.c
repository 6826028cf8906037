/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be done, as actions; the keys for them, which the help lists from
 * the same table; and the menu.
 */
#include <gst/tag/tag.h>
#include <string.h>

#include "base/base.h"
#include "player/window_parts.h"

#define STEP_US (10 * US_PER_SECOND)
#define VOLUME_STEP 0.05

/* ---- actions ---- */

static bool
is_loaded(const struct window *window)
{
	return window->state != ENGINE_STOPPED &&
	       window->state != ENGINE_FAILED;
}

static void
do_again(struct window *window)
{
	char *address = g_strdup(window->titles.address);

	if (window->titles.items != NULL)
		titles_start(window);
	else if (address != NULL)
		titles_open(window, address, 0);
	g_free(address);
}

static void
do_play(struct window *window)
{
	if (!is_loaded(window))
		do_again(window);
	else if (window->state == ENGINE_PAUSED ||
		 window->state == ENGINE_ENDED)
		engine_play(window->engine);
	else
		engine_pause(window->engine);
}

static void
do_stop(struct window *window)
{
	titles_stop(window);
}

static void
do_next(struct window *window)
{
	titles_move(window, 1);
}

static void
do_previous(struct window *window)
{
	titles_move(window, -1);
}

/*
 * It goes to a key frame, which may be as far away as that: then each step
 * leads on from where the last one was to go.  Up to a full second, because
 * an index tells the key frame before each of them.
 */
static void
do_forward(struct window *window)
{
	uint64_t duration_us = engine_duration_us(window->engine);
	uint64_t from_us =
	    MAX_OF(engine_position_us(window->engine), window->stepped_to_us);
	uint64_t to_us = from_us + STEP_US + US_PER_SECOND - 1;

	if (!is_loaded(window) || duration_us == 0)
		return;
	to_us = MIN_OF(to_us - to_us % US_PER_SECOND, duration_us);
	window_seek(window, to_us);
	window->stepped_to_us = to_us;
}

static void
do_back(struct window *window)
{
	uint64_t position_us = engine_position_us(window->engine);

	if (is_loaded(window))
		window_seek(
		    window, position_us > STEP_US ? position_us - STEP_US : 0);
}

static void
do_start(struct window *window)
{
	if (is_loaded(window))
		window_seek(window, 0);
}

static void
do_louder(struct window *window)
{
	controls_set_volume(
	    window, engine_volume(window->engine) + VOLUME_STEP);
}

static void
do_quieter(struct window *window)
{
	controls_set_volume(
	    window, engine_volume(window->engine) - VOLUME_STEP);
}

static void
do_leave(struct window *window)
{
	view_show_notice(window, "");
	if (window->is_full_screen)
		window_set_full_screen(window, false);
}

static void
do_menu(struct window *window)
{
	gtk_button_clicked(GTK_BUTTON(window->menu));
}

static void
do_forget(struct window *window)
{
	memory_forget_recent(window->memory);
	memory_write(window->memory);
	view_show_recent(window);
}

static void
do_close(struct window *window)
{
	gtk_widget_destroy(GTK_WIDGET(window->frame));
}

static void
do_about(struct window *window)
{
	gtk_show_about_dialog(window->frame, "program-name", "vodplay",
	    "version", PACKAGE_VERSION, "logo-icon-name", "vodplay", "comments",
	    "Plays titles of video on demand servers.", "license-type",
	    GTK_LICENSE_BSD, NULL);
}

static void
set_mute(struct window *window, bool mutes)
{
	static const char *const icons[] = { "audio-volume-high-symbolic",
		"audio-volume-muted-symbolic" };

	engine_set_muted(window->engine, mutes);
	gtk_button_set_image(GTK_BUTTON(window->controls.mute),
	    gtk_image_new_from_icon_name(icons[mutes], GTK_ICON_SIZE_BUTTON));
}

static void
set_details(struct window *window, bool shows)
{
	gtk_widget_set_visible(window->details.panel, shows);
	details_update(window);
}

static void
set_captions(struct window *window, bool shows)
{
	GtkLabel *caption = window->view.caption;

	window->shows_captions = shows;
	gtk_widget_set_visible(GTK_WIDGET(caption),
	    shows && gtk_label_get_text(caption)[0] != '\0');
}

static void
set_dark(struct window *window, bool dark)
{
	g_object_set(gtk_settings_get_default(),
	    "gtk-application-prefer-dark-theme", dark, NULL);
	memory_set_dark(window->memory, dark);
}

/* Either DO is there, or SET for what is on or off. */
/* clang-format off */
static const struct command {
	const char *name, *text; /* no text: not in the help */
	const char *keys[4];
	void (*act)(struct window *window);
	void (*set)(struct window *window, bool on);
	bool is_on; /* at first */
} commands[] = {
	{ "play", "Play or pause", { "space", "k", "AudioPlay" },
	  .act = do_play },
	{ "stop", "Stop", { "s", "AudioStop" }, .act = do_stop },
	{ "previous", "Previous title of the list", { "p", "AudioPrev" },
	  .act = do_previous },
	{ "next", "Next title of the list", { "n", "AudioNext" },
	  .act = do_next },
	{ "back", "10 seconds back", { "Left" }, .act = do_back },
	{ "forward", "10 seconds on", { "Right" }, .act = do_forward },
	{ "start", "To the beginning", { "Home" }, .act = do_start },
	{ "louder", "Louder", { "Up" }, .act = do_louder },
	{ "quieter", "Quieter", { "Down" }, .act = do_quieter },
	{ "mute", "Sound off or on", { "m" }, .set = set_mute },
	{ "fullscreen", "Full screen", { "f", "F11" },
	  .set = window_set_full_screen },
	{ "leave", "Leave full screen, close a notice", { "Escape" }, .act = do_leave },
	{ "captions", "Captions", { "c" }, .set = set_captions,
	  .is_on = true },
	{ "details", "Properties and statistics", { "i" },
	  .set = set_details },
	{ "open", "Open an address", { "<Primary>l", "<Primary>u" },
	  .act = open_ask },
	{ "open-file", "Open a file", { "<Primary>o" },
	  .act = open_ask_file },
	{ "paste", "Play what was copied", { "<Primary>v" },
	  .act = open_paste },
	{ "menu", "Menu", { "F10" }, .act = do_menu },
	{ "keys", "These keys", { "F1", "<Primary>question" },
	  .act = menu_show_keys },
	{ "close", "Close the window", { "<Primary>w", "<Primary>q" },
	  .act = do_close },
	{ "dark", NULL, { NULL }, .set = set_dark },
	{ "again", NULL, { NULL }, .act = do_again },
	{ "forget", NULL, { NULL }, .act = do_forget },
	{ "about", NULL, { NULL }, .act = do_about },
};
/* clang-format on */

static void
on_action(GSimpleAction *action, GVariant *parameter, struct window *window)
{
	const struct command *command =
	    g_object_get_data(G_OBJECT(action), "command");
	GVariant *state;
	bool on;

	(void)parameter;
	if (window->engine == NULL && command->act != do_close)
		return;
	if (command->set == NULL) {
		command->act(window);
		return;
	}
	state = g_action_get_state(G_ACTION(action));
	on = !g_variant_get_boolean(state);
	g_variant_unref(state);
	g_simple_action_set_state(action, g_variant_new_boolean(on));
	command->set(window, on);
}

static void
add_action(struct window *window, const struct command *command)
{
	char *name = g_strconcat("win.", command->name, NULL);
	GSimpleAction *action =
	    command->set == NULL
		? g_simple_action_new(command->name, NULL)
		: g_simple_action_new_stateful(command->name, NULL,
		      g_variant_new_boolean(command->is_on));

	g_object_set_data(
	    G_OBJECT(action), "command", (gpointer)(uintptr_t)command);
	g_signal_connect(action, "activate", G_CALLBACK(on_action), window);
	g_action_map_add_action(G_ACTION_MAP(window->frame), G_ACTION(action));
	gtk_application_set_accels_for_action(
	    window->application, name, command->keys);
	g_object_unref(action);
	g_free(name);
}

/* ---- tracks ---- */

static const char *const track_actions[] = {
	[ENGINE_AUDIO] = "audio",
	[ENGINE_VIDEO] = "video",
};

static void
on_track(GSimpleAction *action, GVariant *number, struct window *window)
{
	const char *name = g_action_get_name(G_ACTION(action));
	enum engine_kind kind =
	    strcmp(name, "audio") == 0 ? ENGINE_AUDIO : ENGINE_VIDEO;

	g_simple_action_set_state(action, number);
	engine_choose(window->engine, kind, g_variant_get_uint32(number));
}

static void
add_track_action(struct window *window, enum engine_kind kind)
{
	GSimpleAction *action =
	    g_simple_action_new_stateful(track_actions[kind],
		G_VARIANT_TYPE_UINT32, g_variant_new_uint32(0));

	g_signal_connect(action, "activate", G_CALLBACK(on_track), window);
	g_action_map_add_action(G_ACTION_MAP(window->frame), G_ACTION(action));
	g_object_unref(action);
}

/* "English" for "en-us"; what is not known as it is. */
static void
append_language(GString *text, const char *code)
{
	char plain[16];
	const char *name;

	g_strlcpy(plain, code, sizeof(plain));
	plain[strcspn(plain, "-_")] = '\0';
	name = gst_tag_get_language_name(plain);
	if (name == NULL)
		name = code;
	/* Of "Spanish; Castilian" the first will do. */
	g_string_append_printf(text, ", %.*s", (int)strcspn(name, ";"), name);
}

/* ", English, Windows Media Audio 9, 128 kbit/s", of what is told. */
static void
describe(const struct engine_track *track, GString *text)
{
	if (track->language[0] != '\0')
		append_language(text, track->language);
	if (track->codec[0] != '\0')
		g_string_append_printf(text, ", %s", track->codec);
	if (track->width > 0)
		g_string_append_printf(
		    text, ", %u × %u", track->width, track->height);
	if (track->bit_rate_bps > 0)
		g_string_append_printf(text, ", %u kbit/s",
		    (unsigned)(track->bit_rate_bps / 1000));
}

/* Of the kind the one NUMBER, with that where nothing else tells it apart. */
static GString *
track_name(const struct engine_track *tracks, size_t count, size_t at,
    unsigned number)
{
	GString *text = g_string_new(NULL), *other = g_string_new(NULL);
	bool is_alone = true;

	describe(&tracks[at], text);
	for (size_t i = 0; i < count; i++) {
		if (i == at || tracks[i].kind != tracks[at].kind)
			continue;
		g_string_truncate(other, 0);
		describe(&tracks[i], other);
		is_alone = is_alone && !g_string_equal(text, other);
	}
	g_string_free(other, TRUE);
	if (!is_alone || text->len == 0)
		g_string_append_printf(text, ", Track %u", number);
	return g_string_erase(text, 0, 2);
}

static void
list_tracks(struct window *window, enum engine_kind kind, GMenu *menu,
    const struct engine_track *tracks, size_t count)
{
	unsigned listed = 0;

	g_menu_remove_all(menu);
	for (size_t i = 0; i < count; i++) {
		GMenuItem *item;
		GString *name;

		if (tracks[i].kind != kind)
			continue;
		name = track_name(tracks, count, i, ++listed);
		item = g_menu_item_new(name->str, NULL);
		g_menu_item_set_action_and_target(item,
		    kind == ENGINE_AUDIO ? "win.audio" : "win.video", "u",
		    tracks[i].number);
		g_menu_append_item(menu, item);
		if (tracks[i].chosen)
			g_action_group_change_action_state(
			    G_ACTION_GROUP(window->frame), track_actions[kind],
			    g_variant_new_uint32(tracks[i].number));
		g_object_unref(item);
		g_string_free(name, TRUE);
	}
	if (listed == 0)
		g_menu_append(menu, "None", "win.none");
}

/* ---- what can be done now ---- */

static void
enable(struct window *window, const char *name, bool is_enabled)
{
	GAction *action =
	    g_action_map_lookup_action(G_ACTION_MAP(window->frame), name);

	g_simple_action_set_enabled(G_SIMPLE_ACTION(action), is_enabled);
}

static void
set_state(struct window *window, const char *name, bool on)
{
	GAction *action =
	    g_action_map_lookup_action(G_ACTION_MAP(window->frame), name);

	g_simple_action_set_state(
	    G_SIMPLE_ACTION(action), g_variant_new_boolean(on));
}

static void
show_play_button(struct window *window, bool pauses)
{
	GtkWidget *play = window->controls.play;

	gtk_button_set_image(GTK_BUTTON(play),
	    gtk_image_new_from_icon_name(pauses
					     ? "media-playback-pause-symbolic"
					     : "media-playback-start-symbolic",
		GTK_ICON_SIZE_BUTTON));
	widget_name(play, pauses ? "Pause" : "Play");
}

void
menu_update(struct window *window)
{
	struct engine_track tracks[ENGINE_TRACKS_MAX];
	GMenu *audio, *video;
	size_t count;

	show_play_button(window, is_loaded(window) &&
				     window->state != ENGINE_PAUSED &&
				     window->state != ENGINE_ENDED);
	enable(window, "play", window->titles.address != NULL);
	enable(window, "stop", is_loaded(window) || titles_are_fetched(window));
	enable(window, "next", titles_have(window, 1));
	enable(window, "previous", titles_have(window, -1));
	set_state(window, "fullscreen", window->is_full_screen);
	count = engine_tracks(window->engine, tracks);
	audio = g_object_get_data(G_OBJECT(window->frame), "audio");
	video = g_object_get_data(G_OBJECT(window->frame), "video");
	list_tracks(window, ENGINE_AUDIO, audio, tracks, count);
	list_tracks(window, ENGINE_VIDEO, video, tracks, count);
}

/* ---- the menu ---- */

struct entry {
	const char *text, *action;
};

static void
add_section(GMenu *menu, const struct entry *entries, size_t count)
{
	GMenu *section = g_menu_new();

	for (size_t i = 0; i < count; i++)
		g_menu_append(section, entries[i].text, entries[i].action);
	g_menu_append_section(menu, NULL, G_MENU_MODEL(section));
	g_object_unref(section);
}

static void
add_tracks(struct window *window, GMenu *menu)
{
	GMenu *section = g_menu_new();
	GMenu *audio = g_menu_new();
	GMenu *video = g_menu_new();

	g_menu_append_submenu(section, "Audio", G_MENU_MODEL(audio));
	g_menu_append_submenu(section, "Video", G_MENU_MODEL(video));
	g_menu_append_section(menu, NULL, G_MENU_MODEL(section));
	g_object_unref(section);
	g_object_set_data_full(
	    G_OBJECT(window->frame), "audio", audio, g_object_unref);
	g_object_set_data_full(
	    G_OBJECT(window->frame), "video", video, g_object_unref);
}

static GMenu *
menu_new(struct window *window)
{
	static const struct entry first[] = {
		{ "Open Address…", "win.open" },
		{ "Open File…", "win.open-file" },
		{ "Forget Recent Titles", "win.forget" },
	};
	static const struct entry second[] = {
		{ "Full Screen", "win.fullscreen" },
		{ "Captions", "win.captions" },
		{ "Properties and Statistics", "win.details" },
		{ "Dark Appearance", "win.dark" },
	};
	static const struct entry third[] = {
		{ "Keys", "win.keys" },
		{ "About vodplay", "win.about" },
		{ "Close", "win.close" },
	};
	GMenu *menu = g_menu_new();

	add_section(menu, first, ARRAY_LENGTH(first));
	add_tracks(window, menu);
	add_section(menu, second, ARRAY_LENGTH(second));
	add_section(menu, third, ARRAY_LENGTH(third));
	return menu;
}

/* A menu of its own window: a popover would be cut off by a small one. */
GtkWidget *
menu_button_new(struct window *window)
{
	GtkWidget *button = window->menu = gtk_menu_button_new();
	GMenuModel *menu = g_object_get_data(G_OBJECT(window->frame), "menu");

	gtk_button_set_image(GTK_BUTTON(button),
	    gtk_image_new_from_icon_name(
		"open-menu-symbolic", GTK_ICON_SIZE_BUTTON));
	gtk_menu_button_set_use_popover(GTK_MENU_BUTTON(button), FALSE);
	gtk_menu_button_set_menu_model(GTK_MENU_BUTTON(button), menu);
	widget_name(button, "Menu");
	return button;
}

void
menu_popup(struct window *window, const GdkEvent *event)
{
	GMenuModel *model = g_object_get_data(G_OBJECT(window->frame), "menu");
	GtkWidget *menu = gtk_menu_new_from_model(model);

	gtk_menu_attach_to_widget(
	    GTK_MENU(menu), GTK_WIDGET(window->view.overlay), NULL);
	g_signal_connect(
	    menu, "selection-done", G_CALLBACK(gtk_widget_destroy), NULL);
	gtk_menu_popup_at_pointer(GTK_MENU(menu), event);
}

void
menu_make(struct window *window)
{
	gboolean is_dark;

	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
		add_action(window, &commands[i]);
	add_track_action(window, ENGINE_AUDIO);
	add_track_action(window, ENGINE_VIDEO);
	g_object_set_data_full(
	    G_OBJECT(window->frame), "menu", menu_new(window), g_object_unref);
	if (memory_is_dark(window->memory))
		set_dark(window, true);
	g_object_get(gtk_settings_get_default(),
	    "gtk-application-prefer-dark-theme", &is_dark, NULL);
	set_state(window, "dark", is_dark);
}

/* ---- the help on keys ---- */

static char *
describe_keys(const struct command *command)
{
	GString *text = g_string_new(NULL);
	GdkModifierType modifiers;
	guint key;

	for (size_t i = 0; command->keys[i] != NULL; i++) {
		char *label;

		if (g_str_has_prefix(command->keys[i], "Audio"))
			continue; /* it says so itself */
		gtk_accelerator_parse(command->keys[i], &key, &modifiers);
		label = gtk_accelerator_get_label(key, modifiers);
		g_string_append_printf(
		    text, "%s%s", text->len > 0 ? ", " : "", label);
		g_free(label);
	}
	return g_string_free(text, FALSE);
}

static void
add_keys(GtkGrid *grid, const struct command *command, int row)
{
	char *keys = describe_keys(command);
	GtkWidget *name = gtk_label_new(keys);
	GtkWidget *text = gtk_label_new(command->text);

	gtk_label_set_xalign(GTK_LABEL(name), 1.0f);
	gtk_label_set_xalign(GTK_LABEL(text), 0.0f);
	gtk_style_context_add_class(
	    gtk_widget_get_style_context(name), "dim-label");
	gtk_grid_attach(grid, name, 0, row, 1, 1);
	gtk_grid_attach(grid, text, 1, row, 1, 1);
	g_free(keys);
}

void
menu_show_keys(struct window *window)
{
	GtkWidget *dialog = gtk_dialog_new_with_buttons("Keys", window->frame,
	    GTK_DIALOG_MODAL | GTK_DIALOG_DESTROY_WITH_PARENT |
		GTK_DIALOG_USE_HEADER_BAR,
	    NULL, NULL);
	GtkWidget *content = gtk_dialog_get_content_area(GTK_DIALOG(dialog));
	GtkWidget *scrolled = gtk_scrolled_window_new(NULL, NULL);
	GtkWidget *grid = gtk_grid_new();

	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
		if (commands[i].text != NULL)
			add_keys(GTK_GRID(grid), &commands[i], (int)i);
	gtk_grid_set_column_spacing(GTK_GRID(grid), 18);
	gtk_grid_set_row_spacing(GTK_GRID(grid), 4);
	gtk_style_context_add_class(gtk_widget_get_style_context(grid), "keys");
	gtk_scrolled_window_set_propagate_natural_width(
	    GTK_SCROLLED_WINDOW(scrolled), TRUE);
	gtk_scrolled_window_set_propagate_natural_height(
	    GTK_SCROLLED_WINDOW(scrolled), TRUE);
	gtk_scrolled_window_set_max_content_height(
	    GTK_SCROLLED_WINDOW(scrolled), 480);
	gtk_container_add(GTK_CONTAINER(scrolled), grid);
	gtk_box_pack_start(GTK_BOX(content), scrolled, TRUE, TRUE, 0);
	g_signal_connect(
	    dialog, "response", G_CALLBACK(gtk_widget_destroy), NULL);
	gtk_widget_show_all(dialog);
}
