/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The window as a whole: made, told by the engine, ended.  What it shows of
 * the engine is asked from the engine each time; it keeps none of it.
 */
#include "player/window.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "player/window_parts.h"

#define HIDE_MS 3000
/* The smallest that everything fits in; the first size. */
#define LEAST_WIDTH 320
#define FIRST_WIDTH 854
#define FIRST_HEIGHT 600

/* ---- what is shown of the engine's state ---- */

static bool
is_active(const struct window *window)
{
	return window->state != ENGINE_STOPPED &&
	       window->state != ENGINE_FAILED && window->state != ENGINE_ENDED;
}

static void
inhibit(struct window *window, bool inhibits)
{
	if (inhibits && window->inhibited == 0) {
		window->inhibited = gtk_application_inhibit(window->application,
		    window->frame, GTK_APPLICATION_INHIBIT_IDLE, "It plays.");
	} else if (!inhibits && window->inhibited != 0) {
		gtk_application_uninhibit(
		    window->application, window->inhibited);
		window->inhibited = 0;
	}
}

/* As a file is called, not as an address spells it: "a b" for "a%20b". */
static char *
file_name(const char *address)
{
	char *path = strstr(address, "://") != NULL
			 ? g_uri_unescape_string(address, NULL)
			 : NULL;
	char *name;

	if (path != NULL && !g_utf8_validate(path, -1, NULL))
		g_clear_pointer(&path, g_free);
	name = g_path_get_basename(path != NULL ? path : address);
	g_free(path);
	return name;
}

/* The title's own name, else the list's, else its file's. */
static char *
title_name(const struct window *window, const struct engine_tags *tags)
{
	const char *address = window->titles.address;

	if (tags->title[0] != '\0')
		return g_strdup(tags->title);
	if (window->titles.called != NULL && window->titles.called[0] != '\0')
		return g_strdup(window->titles.called);
	return address != NULL ? file_name(address) : g_strdup("vodplay");
}

static void
show_name(struct window *window)
{
	struct engine_tags tags;
	char *name;

	titles_tags(window, &tags);
	name = title_name(window, &tags);
	gtk_header_bar_set_title(window->header, name);
	gtk_window_set_title(window->frame, name);
	gtk_header_bar_set_subtitle(
	    window->header, tags.author[0] != '\0'	? tags.author
			    : tags.copyright[0] != '\0' ? tags.copyright
							: NULL);
	g_free(name);
}

static void
show_page(struct window *window)
{
	if (titles_are_fetched(window)) {
		view_show_page(window, "picture");
	} else if (window->state == ENGINE_FAILED) {
		view_show_page(window, "message");
	} else if (window->state == ENGINE_STOPPED) {
		view_show_recent(window);
		view_show_page(window, "welcome");
	} else {
		view_show_page(window, "picture");
	}
}

void
window_say_state(struct window *window)
{
	show_page(window);
	show_name(window);
	controls_update(window);
	menu_update(window);
	inhibit(window, window->state == ENGINE_PLAYING);
}

void
window_fail(struct window *window, const char *sentence)
{
	gtk_label_set_text(window->view.message, sentence);
	window->state = ENGINE_FAILED;
	g_strlcpy(window->reason, sentence, sizeof(window->reason));
	window_say_state(window);
}

/* At once: it may be long until it closes. */
void
window_remember(struct window *window, const char *title)
{
	const char *address = window->titles.address;
	const char *last = memory_recent_url(window->memory, 0);
	bool is_known = g_strcmp0(address, last) == 0;

	memory_add_recent(window->memory, address, title);
	if (!is_known)
		memory_write(window->memory);
}

void
window_seek(struct window *window, uint64_t position_us)
{
	window->stepped_to_us = 0;
	view_show_caption(window, "CAPTION", "");
	engine_seek(window->engine, position_us);
}

/* A title of a play list is found through the list again. */
static void
remember(struct window *window)
{
	struct engine_tags tags;

	if (window->titles.items != NULL ||
	    (window->state != ENGINE_PLAYING && window->state != ENGINE_PAUSED))
		return;
	titles_tags(window, &tags);
	window_remember(window, tags.title);
}

/* ---- what the engine tells ---- */

static void
on_state(void *context, enum engine_state state, enum engine_failure failure,
    const char *reason)
{
	struct window *window = context;

	(void)failure;
	window->state = state;
	if (state == ENGINE_CONNECTING)
		window->stepped_to_us = 0;
	g_strlcpy(window->reason, reason, sizeof(window->reason));
	if (state == ENGINE_FAILED && titles_fall_back(window))
		return;
	if (state == ENGINE_ENDED && titles_move(window, 1))
		return;
	if (state == ENGINE_FAILED) {
		window_fail(window, reason);
		return;
	}
	if (state == ENGINE_CONNECTING || state == ENGINE_STOPPED)
		view_show_caption(window, "CAPTION", "");
	remember(window);
	window_say_state(window);
}

static void
on_buffered(void *context, unsigned percent)
{
	(void)percent;
	controls_update(context);
}

static void
on_information(void *context)
{
	struct window *window = context;

	remember(window);
	show_name(window);
	menu_update(window);
	controls_update(window);
	details_update(window);
}

static void
on_script(void *context, const char *type, const char *text)
{
	view_show_caption(context, type, text);
}

static void
on_notice(void *context, const char *sentence)
{
	view_show_notice(context, sentence);
}

static gboolean on_tick(gpointer context);

/* When other seconds are to be shown, and no oftener: GTK draws all of the bar
 * each time. */
static void
tick_later(struct window *window)
{
	uint64_t left_us = US_PER_SECOND;

	/* Else it may stand still, just before another second. */
	if (window->state == ENGINE_PLAYING)
		left_us -= engine_position_us(window->engine) % US_PER_SECOND;
	window->tick =
	    g_timeout_add((guint)(left_us / US_PER_MS) + 1, on_tick, window);
}

static gboolean
on_tick(gpointer context)
{
	struct window *window = context;

	if (is_active(window))
		controls_update(window);
	details_update(window);
	tick_later(window);
	return G_SOURCE_REMOVE;
}

/* ---- full screen ---- */

static void
set_cursor(struct window *window, const char *name)
{
	GdkWindow *place = gtk_widget_get_window(GTK_WIDGET(window->frame));
	GdkCursor *cursor =
	    gdk_cursor_new_from_name(gdk_window_get_display(place), name);

	gdk_window_set_cursor(place, cursor);
	g_clear_object(&cursor);
}

/* With the screen full they are over the picture, and captions above them. */
static void
reveal_controls(struct window *window, bool shows)
{
	const struct controls *controls = &window->controls;
	int height = 0;

	gtk_revealer_set_reveal_child(controls->over, shows);
	if (shows && window->is_full_screen)
		gtk_widget_get_preferred_height(controls->bar, NULL, &height);
	view_lift_caption(window, height);
}

static gboolean
hide_controls(gpointer context)
{
	struct window *window = context;
	struct controls *controls = &window->controls;

	/* Not while it is used, by pointer or by keys. */
	if (controls->is_dragging || window->goes_by_tab)
		return G_SOURCE_CONTINUE;
	controls->hide = 0;
	reveal_controls(window, false);
	set_cursor(window, "none");
	return G_SOURCE_REMOVE;
}

void
window_show_controls(struct window *window)
{
	struct controls *controls = &window->controls;

	if (controls->hide != 0)
		g_source_remove(controls->hide);
	controls->hide = 0;
	reveal_controls(window, true);
	set_cursor(window, "default");
	if (window->is_full_screen)
		controls->hide = g_timeout_add(HIDE_MS, hide_controls, window);
}

void
window_set_full_screen(struct window *window, bool full)
{
	if (full)
		gtk_window_fullscreen(window->frame);
	else
		gtk_window_unfullscreen(window->frame);
}

static gboolean
on_window_state(
    GtkWidget *frame, const GdkEventWindowState *event, struct window *window)
{
	bool full =
	    (event->new_window_state & GDK_WINDOW_STATE_FULLSCREEN) != 0;

	(void)frame;
	if (full == window->is_full_screen)
		return GDK_EVENT_PROPAGATE;
	window->is_full_screen = full;
	controls_move(window, full);
	menu_update(window);
	window_show_controls(window);
	return GDK_EVENT_PROPAGATE;
}

static gboolean
on_motion(GtkWidget *frame, const GdkEvent *event, struct window *window)
{
	(void)frame;
	(void)event;
	if (window->is_full_screen)
		window_show_controls(window);
	return GDK_EVENT_PROPAGATE;
}

/*
 * Space plays and pauses, whatever has the focus.  But who goes from button to
 * button with Tab presses them by keys, until the pointer is used or Escape.
 */
static gboolean
on_key(GtkWidget *frame, GdkEventKey *event, struct window *window)
{
	GtkWidget *focus = gtk_window_get_focus(window->frame);

	(void)frame;
	if (window->is_full_screen)
		window_show_controls(window);
	if (event->keyval == GDK_KEY_Tab ||
	    event->keyval == GDK_KEY_ISO_Left_Tab)
		window->goes_by_tab = true;
	if (event->keyval == GDK_KEY_Escape)
		window->goes_by_tab = false;
	if (!window->goes_by_tab ||
	    (event->state & gtk_accelerator_get_default_mod_mask()) != 0 ||
	    !(GTK_IS_BUTTON(focus) || GTK_IS_RANGE(focus)))
		return GDK_EVENT_PROPAGATE;
	if (gtk_window_propagate_key_event(window->frame, event))
		return GDK_EVENT_STOP;
	/* Buttons leave that to the window, where our keys come first. */
	return event->keyval == GDK_KEY_space &&
	       gtk_window_activate_focus(window->frame);
}

static gboolean
on_press(GtkWidget *frame, const GdkEvent *event, struct window *window)
{
	(void)frame;
	(void)event;
	window->goes_by_tab = false;
	return GDK_EVENT_PROPAGATE;
}

/* ---- from beginning to end ---- */

void
widget_name(GtkWidget *widget, const char *name)
{
	atk_object_set_name(gtk_widget_get_accessible(widget), name);
	gtk_widget_set_tooltip_text(widget, name);
}

static void
load_style(void)
{
	GtkCssProvider *style = gtk_css_provider_new();

	gtk_css_provider_load_from_resource(
	    style, WINDOW_RESOURCES "vodplay.css");
	gtk_style_context_add_provider_for_screen(gdk_screen_get_default(),
	    GTK_STYLE_PROVIDER(style), GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
	g_object_unref(style);
	gtk_icon_theme_add_resource_path(
	    gtk_icon_theme_get_default(), WINDOW_RESOURCES "icons");
	gtk_window_set_default_icon_name("vodplay");
}

static GtkWidget *
header_button(const char *icon, const char *name, const char *action)
{
	GtkWidget *button =
	    gtk_button_new_from_icon_name(icon, GTK_ICON_SIZE_BUTTON);

	widget_name(button, name);
	gtk_actionable_set_action_name(GTK_ACTIONABLE(button), action);
	return button;
}

static void
make_frame(struct window *window)
{
	GtkWidget *frame = gtk_application_window_new(window->application);

	window->frame = GTK_WINDOW(frame);
	window->header = GTK_HEADER_BAR(gtk_header_bar_new());
	window->column = GTK_BOX(gtk_box_new(GTK_ORIENTATION_VERTICAL, 0));
	gtk_header_bar_set_show_close_button(window->header, TRUE);
	gtk_header_bar_set_has_subtitle(window->header, TRUE);
	gtk_window_set_titlebar(window->frame, GTK_WIDGET(window->header));
	gtk_window_set_default_size(window->frame, FIRST_WIDTH, FIRST_HEIGHT);
	gtk_widget_set_size_request(frame, LEAST_WIDTH, -1);
	gtk_container_add(GTK_CONTAINER(frame), GTK_WIDGET(window->column));
	gtk_widget_add_events(frame, GDK_POINTER_MOTION_MASK);
	g_signal_connect(
	    frame, "window-state-event", G_CALLBACK(on_window_state), window);
	g_signal_connect(
	    frame, "motion-notify-event", G_CALLBACK(on_motion), window);
	g_signal_connect(frame, "key-press-event", G_CALLBACK(on_key), window);
	g_signal_connect(
	    frame, "button-press-event", G_CALLBACK(on_press), window);
	open_take_drops(window);
}

static int
make_engine(struct window *window)
{
	static const struct engine_events events = { .state = on_state,
		.buffered = on_buffered,
		.information = on_information,
		.script = on_script,
		.notice = on_notice };
	struct engine_options options = {
		.latency_ms = window->options->latency_ms,
		.give_up_ms = window->options->give_up_ms,
	};
	int error;

	options.video_sink = view_make_sink(window);
	error = engine_new(&options, &events, window, &window->engine);
	if (error == 0)
		controls_set_volume(window, memory_volume(window->memory));
	return error;
}

static void
make(struct window *window)
{
	load_style();
	window->memory = memory_new();
	window->shows_captions = true;
	make_frame(window);
	menu_make(window);
	gtk_header_bar_pack_start(
	    window->header, header_button("document-open-symbolic",
				"Open an address", "win.open"));
	gtk_header_bar_pack_end(window->header, menu_button_new(window));
	gtk_header_bar_pack_end(
	    window->header, header_button("help-about-symbolic",
				"Properties and statistics", "win.details"));
	view_make(window);
	details_make(window);
	controls_make(window);
	gtk_overlay_reorder_overlay(window->view.overlay,
	    GTK_WIDGET(window->view.notice), -1); /* above all of them */
	gtk_widget_show_all(GTK_WIDGET(window->column));
	gtk_widget_show_all(GTK_WIDGET(window->header));
	gtk_widget_realize(GTK_WIDGET(window->frame));
}

/* The engine goes first: its sink draws into the window. */
static void
on_destroy(GtkWidget *frame, struct window *window)
{
	(void)frame;
	g_clear_handle_id(&window->tick, g_source_remove);
	g_clear_handle_id(&window->controls.hide, g_source_remove);
	titles_clear(window);
	if (window->engine != NULL)
		memory_set_volume(
		    window->memory, engine_volume(window->engine));
	engine_free(window->engine);
	window->engine = NULL;
	view_end(window);
	memory_write(window->memory);
	memory_free(window->memory);
	window->memory = NULL;
}

static void
on_activate(GtkApplication *application, struct window *window)
{
	int error;

	(void)application;
	make(window);
	error = make_engine(window);
	g_signal_connect(
	    window->frame, "destroy", G_CALLBACK(on_destroy), window);
	gtk_widget_show(GTK_WIDGET(window->frame));
	gtk_window_set_focus(window->frame, NULL);
	if (error != 0) {
		gtk_label_set_text(window->view.message,
		    "GStreamer's base plugins are missing here: nothing can "
		    "be played.");
		view_show_page(window, "message");
		return;
	}
	window_say_state(window);
	tick_later(window);
	if (window->options->full_screen)
		window_set_full_screen(window, true);
	if (window->options->address != NULL)
		titles_open(
		    window, window->options->address, window->options->seek_us);
}

int
window_run(const struct window_options *options)
{
	struct window window = { .options = options };
	int error;

	if (!gtk_init_check(NULL, NULL))
		return -ENOTTY;
	gst_init(NULL, NULL);
	window.application =
	    gtk_application_new(NULL, G_APPLICATION_NON_UNIQUE);
	g_signal_connect(
	    window.application, "activate", G_CALLBACK(on_activate), &window);
	error = g_application_run(G_APPLICATION(window.application), 0, NULL);
	g_object_unref(window.application);
	return error == 0 ? 0 : -EIO;
}
