/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bar below the picture.  While the viewer drags, the seek bar is his: one
 * seek is done when he lets go.
 */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "player/window_parts.h"

#define VOLUME_WIDTH 90

/* Nothing is laid out anew for a text that stays. */
static void
label_set(GtkLabel *label, const char *text)
{
	if (strcmp(gtk_label_get_text(label), text) != 0)
		gtk_label_set_text(label, text);
}

void
window_format_time(uint64_t time_us, char out[static 16])
{
	unsigned seconds =
	    (unsigned)MIN_OF(time_us / US_PER_SECOND, 999 * 3600);

	if (seconds >= 3600)
		g_snprintf(out, 16, "%u:%02u:%02u", seconds / 3600,
		    seconds / 60 % 60, seconds % 60);
	else
		g_snprintf(out, 16, "%u:%02u", seconds / 60, seconds % 60);
}

/* ---- the state line ---- */

static void
format_rate(struct window *window, char *out, size_t size)
{
	struct engine_statistics statistics;

	engine_statistics(window->engine, &statistics);
	if (statistics.bit_rate_bps == 0)
		g_snprintf(out, size, "Playing");
	else if (statistics.bit_rate_bps < 1000 * 1000)
		g_snprintf(out, size, "Playing %u kbit/s",
		    (unsigned)((statistics.bit_rate_bps + 500) / 1000));
	else
		g_snprintf(out, size, "Playing %.1f Mbit/s",
		    (double)statistics.bit_rate_bps / 1e6);
}

static void
format_state(struct window *window, char *out, size_t size)
{
	static const char *const words[ENGINE_STATE_COUNT] = {
		[ENGINE_STOPPED] = "Stopped",
		[ENGINE_CONNECTING] = "Connecting",
		[ENGINE_PAUSED] = "Paused",
		[ENGINE_RECONNECTING] = "Reconnecting…",
		[ENGINE_ENDED] = "Ended",
		[ENGINE_FAILED] = "Cannot play",
	};

	if (titles_are_fetched(window))
		g_snprintf(out, size, "Fetching the play list");
	else if (window->state == ENGINE_PLAYING)
		format_rate(window, out, size);
	else if (window->state == ENGINE_BUFFERING)
		g_snprintf(out, size, "Buffering %u %%",
		    engine_buffered_percent(window->engine));
	else
		g_strlcpy(out, words[window->state], size);
}

static void
show_state(struct window *window)
{
	bool waits = titles_are_fetched(window) ||
		     window->state == ENGINE_CONNECTING ||
		     window->state == ENGINE_BUFFERING ||
		     window->state == ENGINE_RECONNECTING;
	char text[64];

	format_state(window, text, sizeof(text));
	label_set(window->controls.state, text);
	g_object_set(
	    window->view.spinner, "active", waits, "visible", waits, NULL);
}

/* ---- seeking ---- */

/* Moved by a pixel or more: each time everything is laid out anew. */
static void
show_position(GtkRange *seek, double position, double duration)
{
	GtkAdjustment *adjustment = gtk_range_get_adjustment(seek);
	int width = gtk_widget_get_allocated_width(GTK_WIDGET(seek));
	double apart = fabs(gtk_adjustment_get_value(adjustment) - position);

	gtk_adjustment_set_upper(adjustment, duration);
	if (apart * width >= duration)
		gtk_adjustment_set_value(adjustment, position);
}

static void
show_times(struct window *window)
{
	struct controls *controls = &window->controls;
	uint64_t duration_us = engine_duration_us(window->engine);
	uint64_t position_us = engine_position_us(window->engine);
	char text[16];

	gtk_widget_set_sensitive(GTK_WIDGET(controls->seek),
	    duration_us > 0 && window->state != ENGINE_STOPPED &&
		window->state != ENGINE_FAILED);
	window_format_time(duration_us, text);
	label_set(controls->total, duration_us > 0 ? text : "–:––");
	if (controls->is_dragging)
		return;
	show_position(controls->seek, (double)position_us / 1e6,
	    (double)MAX_OF(duration_us, US_PER_SECOND) / 1e6);
	window_format_time(position_us, text);
	label_set(controls->elapsed, text);
}

void
controls_update(struct window *window)
{
	if (window->engine == NULL)
		return;
	show_state(window);
	show_times(window);
}

static void
seek_to(struct window *window, double seconds)
{
	window_seek(window, (uint64_t)(MAX_OF(seconds, 0.0) * 1e6 + 0.5));
}

static gboolean
on_seek_value(
    GtkRange *seek, GtkScrollType scroll, double value, struct window *window)
{
	GtkAdjustment *adjustment = gtk_range_get_adjustment(seek);
	char text[16];

	(void)scroll;
	value = CLAMP(value, 0.0, gtk_adjustment_get_upper(adjustment));
	if (!window->controls.is_dragging) {
		seek_to(window, value); /* by a key, or a wheel */
		return GDK_EVENT_PROPAGATE;
	}
	window_format_time((uint64_t)(value * 1e6), text);
	label_set(window->controls.elapsed, text);
	return GDK_EVENT_PROPAGATE;
}

static gboolean
on_seek_press(
    GtkWidget *seek, const GdkEventButton *event, struct window *window)
{
	(void)seek;
	if (event->button == GDK_BUTTON_PRIMARY)
		window->controls.is_dragging = true;
	return GDK_EVENT_PROPAGATE;
}

static gboolean
on_seek_release(
    GtkWidget *seek, const GdkEventButton *event, struct window *window)
{
	if (event->button != GDK_BUTTON_PRIMARY ||
	    !window->controls.is_dragging)
		return GDK_EVENT_PROPAGATE;
	window->controls.is_dragging = false;
	seek_to(window, gtk_range_get_value(GTK_RANGE(seek)));
	return GDK_EVENT_PROPAGATE;
}

/* The time that a click at X would seek to. */
static double
time_at(GtkRange *seek, double x)
{
	GtkAdjustment *adjustment = gtk_range_get_adjustment(seek);
	GdkRectangle place;
	int start, end;
	double width;

	gtk_range_get_range_rect(seek, &place);
	gtk_range_get_slider_range(seek, &start, &end);
	width = MAX_OF(place.width - (end - start), 1);
	x = (x - place.x - (end - start) / 2.0) / width;
	return CLAMP(x, 0.0, 1.0) * gtk_adjustment_get_upper(adjustment);
}

static gboolean
on_seek_motion(GtkWidget *seek, const GdkEvent *event, struct window *window)
{
	double at = 0.0;
	char text[16];
	int x = 0;

	if (!gtk_widget_is_sensitive(seek))
		return GDK_EVENT_PROPAGATE;
	gdk_event_get_coords(event, &at, NULL);
	window_format_time(
	    (uint64_t)(time_at(GTK_RANGE(seek), at) * 1e6), text);
	gtk_widget_translate_coordinates(
	    seek, GTK_WIDGET(window->view.overlay), (int)at, 0, &x, NULL);
	view_show_pointed(window, x, text);
	return GDK_EVENT_PROPAGATE;
}

static gboolean
on_seek_leave(GtkWidget *seek, const GdkEvent *event, struct window *window)
{
	(void)seek;
	(void)event;
	view_show_pointed(window, 0, "");
	return GDK_EVENT_PROPAGATE;
}

/* ---- volume ---- */

static void
on_volume(GtkRange *volume, struct window *window)
{
	double value = gtk_range_get_value(volume);

	if (window->engine == NULL)
		return;
	engine_set_volume(window->engine, value);
	if (engine_is_muted(window->engine))
		g_action_group_activate_action(
		    G_ACTION_GROUP(window->frame), "mute", NULL);
}

void
controls_set_volume(struct window *window, double volume)
{
	gtk_range_set_value(window->controls.volume, CLAMP(volume, 0.0, 1.0));
}

/* ---- what it is made of ---- */

static GtkWidget *
button_new(
    GtkWidget *button, const char *icon, const char *name, const char *action)
{
	gtk_button_set_image(GTK_BUTTON(button),
	    gtk_image_new_from_icon_name(icon, GTK_ICON_SIZE_BUTTON));
	gtk_button_set_relief(GTK_BUTTON(button), GTK_RELIEF_NONE);
	gtk_widget_set_focus_on_click(button, FALSE);
	widget_name(button, name);
	gtk_actionable_set_action_name(GTK_ACTIONABLE(button), action);
	return button;
}

static GtkWidget *
scale_new(double upper, double step, const char *name)
{
	GtkWidget *scale = gtk_scale_new_with_range(
	    GTK_ORIENTATION_HORIZONTAL, 0.0, upper, step);

	gtk_scale_set_draw_value(GTK_SCALE(scale), FALSE);
	gtk_range_set_increments(GTK_RANGE(scale), step, step); /* wheel too */
	gtk_widget_set_focus_on_click(scale, FALSE);
	atk_object_set_name(gtk_widget_get_accessible(scale), name);
	return scale;
}

static GtkLabel *
time_new(void)
{
	GtkWidget *label = gtk_label_new("0:00");

	gtk_style_context_add_class(
	    gtk_widget_get_style_context(label), "time");
	gtk_label_set_width_chars(GTK_LABEL(label), 5);
	return GTK_LABEL(label);
}

static GtkWidget *
make_times(struct window *window)
{
	struct controls *controls = &window->controls;
	GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);
	GtkWidget *seek = scale_new(1.0, 10.0, "Position");

	controls->seek = GTK_RANGE(seek);
	controls->elapsed = time_new();
	controls->total = time_new();
	gtk_widget_add_events(seek, GDK_POINTER_MOTION_MASK |
					GDK_ENTER_NOTIFY_MASK |
					GDK_LEAVE_NOTIFY_MASK);
	g_signal_connect(
	    seek, "change-value", G_CALLBACK(on_seek_value), window);
	g_signal_connect(
	    seek, "button-press-event", G_CALLBACK(on_seek_press), window);
	g_signal_connect(
	    seek, "button-release-event", G_CALLBACK(on_seek_release), window);
	g_signal_connect(
	    seek, "motion-notify-event", G_CALLBACK(on_seek_motion), window);
	g_signal_connect(
	    seek, "enter-notify-event", G_CALLBACK(on_seek_motion), window);
	g_signal_connect(
	    seek, "leave-notify-event", G_CALLBACK(on_seek_leave), window);
	gtk_box_pack_start(
	    GTK_BOX(row), GTK_WIDGET(controls->elapsed), FALSE, FALSE, 0);
	gtk_box_pack_start(GTK_BOX(row), seek, TRUE, TRUE, 0);
	gtk_box_pack_start(
	    GTK_BOX(row), GTK_WIDGET(controls->total), FALSE, FALSE, 0);
	return row;
}

static GtkWidget *
make_state(struct window *window)
{
	GtkWidget *state = gtk_label_new("");

	window->controls.state = GTK_LABEL(state);
	gtk_label_set_ellipsize(GTK_LABEL(state), PANGO_ELLIPSIZE_END);
	gtk_label_set_xalign(GTK_LABEL(state), 0.0f);
	gtk_style_context_add_class(
	    gtk_widget_get_style_context(state), "state");
	return state;
}

static void
add(GtkWidget *row, GtkWidget *widget)
{
	gtk_box_pack_start(GTK_BOX(row), widget, FALSE, FALSE, 0);
}

static GtkWidget *
make_buttons(struct window *window)
{
	struct controls *controls = &window->controls;
	GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 2);
	GtkWidget *volume = scale_new(1.0, 0.05, "Volume");

	controls->volume = GTK_RANGE(volume);
	gtk_widget_set_size_request(volume, VOLUME_WIDTH, -1);
	gtk_range_set_value(controls->volume, 1.0);
	g_signal_connect(
	    volume, "value-changed", G_CALLBACK(on_volume), window);
	controls->previous = button_new(gtk_button_new(),
	    "media-skip-backward-symbolic", "Previous title", "win.previous");
	controls->play = button_new(gtk_button_new(),
	    "media-playback-start-symbolic", "Play", "win.play");
	controls->next = button_new(gtk_button_new(),
	    "media-skip-forward-symbolic", "Next title", "win.next");
	controls->mute = button_new(gtk_toggle_button_new(),
	    "audio-volume-high-symbolic", "Mute", "win.mute");
	controls->full = button_new(gtk_toggle_button_new(),
	    "view-fullscreen-symbolic", "Full screen", "win.fullscreen");
	add(row, controls->play);
	add(row, button_new(gtk_button_new(), "media-playback-stop-symbolic",
		     "Stop", "win.stop"));
	add(row, controls->previous);
	add(row, controls->next);
	gtk_box_pack_start(GTK_BOX(row), make_state(window), TRUE, TRUE, 6);
	add(row, controls->mute);
	add(row, volume);
	add(row, controls->full);
	return row;
}

void
controls_make(struct window *window)
{
	struct controls *controls = &window->controls;
	GtkWidget *bar = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);
	GtkWidget *over = gtk_revealer_new();

	controls->bar = bar;
	controls->over = GTK_REVEALER(over);
	gtk_style_context_add_class(
	    gtk_widget_get_style_context(bar), "controls");
	gtk_box_pack_start(GTK_BOX(bar), make_times(window), FALSE, FALSE, 0);
	gtk_box_pack_start(GTK_BOX(bar), make_buttons(window), FALSE, FALSE, 0);
	gtk_box_pack_end(window->column, bar, FALSE, FALSE, 0);
	gtk_widget_set_valign(over, GTK_ALIGN_END);
	gtk_revealer_set_transition_type(
	    controls->over, GTK_REVEALER_TRANSITION_TYPE_CROSSFADE);
	gtk_overlay_add_overlay(window->view.overlay, over);
}

void
controls_move(struct window *window, bool over_picture)
{
	struct controls *controls = &window->controls;
	GtkStyleContext *style = gtk_widget_get_style_context(controls->bar);
	GtkWidget *parent = gtk_widget_get_parent(controls->bar);

	view_show_pointed(window, 0, "");
	gtk_button_set_image(GTK_BUTTON(controls->full),
	    gtk_image_new_from_icon_name(over_picture
					     ? "view-restore-symbolic"
					     : "view-fullscreen-symbolic",
		GTK_ICON_SIZE_BUTTON));
	g_object_ref(controls->bar);
	gtk_container_remove(GTK_CONTAINER(parent), controls->bar);
	if (over_picture) {
		gtk_style_context_add_class(style, "osd");
		gtk_container_add(GTK_CONTAINER(controls->over), controls->bar);
	} else {
		gtk_style_context_remove_class(style, "osd");
		gtk_box_pack_end(
		    window->column, controls->bar, FALSE, FALSE, 0);
	}
	g_object_unref(controls->bar);
}
