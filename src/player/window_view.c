/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The picture, or instead of it a welcome or a sentence; and over it captions,
 * notices and the time under the pointer.
 */
#include <epoxy/gl.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "player/picture.h"
#include "player/script.h"
#include "player/window_parts.h"

#define NOTICE_MS 10000
#define CAPTION_HEIGHT 400 /* from where on letters grow with the picture */
/* Between them and the edge of the picture. */
#define CAPTION_GAP 12
#define NOTICE_GAP 8
#define POINTED_GAP 6

static GtkWidget *
add_class(GtkWidget *widget, const char *name)
{
	gtk_style_context_add_class(gtk_widget_get_style_context(widget), name);
	return widget;
}

/* ---- drawing ---- */

/*
 * For each picture GTK would paint all that lies under it first, from the
 * frame's background on, of which nothing is seen.
 */
static gboolean
on_draw(GtkWidget *frame, cairo_t *cr, const struct view *view)
{
	GtkWidget *overlay = GTK_WIDGET(view->overlay);
	GdkRectangle part, place = { 0 };

	if (!gtk_widget_is_drawable(view->picture) ||
	    gtk_stack_get_transition_running(view->pages) ||
	    !gdk_cairo_get_clip_rectangle(cr, &part))
		return GDK_EVENT_PROPAGATE;
	gtk_widget_translate_coordinates(
	    view->picture, frame, 0, 0, &place.x, &place.y);
	place.width = gtk_widget_get_allocated_width(view->picture);
	place.height = gtk_widget_get_allocated_height(view->picture);
	gdk_rectangle_union(&part, &place, &part);
	if (!gdk_rectangle_equal(&part, &place))
		return GDK_EVENT_PROPAGATE;
	gtk_widget_translate_coordinates(
	    overlay, frame, 0, 0, &place.x, &place.y);
	cairo_translate(cr, place.x, place.y);
	gtk_widget_draw(overlay, cr);
	return GDK_EVENT_STOP;
}

static void
redraw(void *context)
{
	struct view *view = context;

	gtk_widget_queue_draw(view->picture);
}

static gboolean
on_picture_draw(GtkWidget *picture, cairo_t *cr, struct window *window)
{
	struct view *view = &window->view;
	double scale = gtk_widget_get_scale_factor(picture);

	cairo_scale(cr, 1 / scale, 1 / scale);
	picture_draw(view->sink, cr,
	    (int)(gtk_widget_get_allocated_width(picture) * scale),
	    (int)(gtk_widget_get_allocated_height(picture) * scale));
	view->is_drawn = true;
	return GDK_EVENT_STOP;
}

/* What GTK drew comes after what was put there since it began. */
static void
on_painted(GdkFrameClock *clock, struct view *view)
{
	bool was_drawn = view->is_drawn;

	(void)clock;
	view->is_drawn = false;
	if (!was_drawn || !view->is_aimed)
		return;
	gdk_display_sync(gtk_widget_get_display(view->picture));
	picture_repeat(view->sink);
}

/* Where WIDGET is in the window, in pixels of the screen. */
static GdkRectangle
place_of(const struct window *window, GtkWidget *widget)
{
	int scale = gtk_widget_get_scale_factor(widget);
	GdkRectangle place = { 0 };

	gtk_widget_translate_coordinates(
	    widget, GTK_WIDGET(window->frame), 0, 0, &place.x, &place.y);
	place.x *= scale;
	place.y *= scale;
	place.width = gtk_widget_get_allocated_width(widget) * scale;
	place.height = gtk_widget_get_allocated_height(widget) * scale;
	return place;
}

/* False: the picture is seen through something. */
static bool
leave_out_what_is_over(const struct window *window, cairo_region_t *area)
{
	const struct view *view = &window->view;

	for (size_t i = 0; i < ARRAY_LENGTH(view->over); i++) {
		GtkWidget *widget = view->over[i];
		GdkRectangle place;

		if (!gtk_widget_get_mapped(widget) ||
		    !gtk_widget_is_ancestor(widget, GTK_WIDGET(view->overlay)))
			continue;
		if (i >= VIEW_OPAQUE)
			return false;
		place = place_of(window, widget);
		cairo_region_subtract_rectangle(area, &place);
	}
	return true;
}

/*
 * It goes past GTK, and round what lies over it, for as long as it is not seen
 * through any of that.
 */
static void
aim(struct window *window)
{
	struct view *view = &window->view;
	GdkRectangle place = { 0 };
	cairo_region_t *area;

	if (view->sink == NULL)
		return;
	if (gtk_widget_get_mapped(view->picture))
		place = place_of(window, view->picture);
	area = cairo_region_create_rectangle(&place);
	view->is_aimed =
	    place.width != 0 && leave_out_what_is_over(window, area);
	picture_aim(view->sink, view->is_aimed ? &place : NULL, area);
	cairo_region_destroy(area);
}

static void
watch(struct window *window, GtkWidget *widget)
{
	static const char *const changes[] = { "map", "unmap",
		"size-allocate" };

	for (size_t i = 0; i < ARRAY_LENGTH(changes); i++)
		g_signal_connect_swapped(
		    widget, changes[i], G_CALLBACK(aim), window);
}

/* All that may come or go over the picture, or move it. */
static void
watch_over(struct window *window)
{
	struct view *view = &window->view;
	/* First what hides the picture: vodplay.css. */
	GtkWidget *const over[] = { GTK_WIDGET(view->caption),
		GTK_WIDGET(view->pointed), GTK_WIDGET(view->notice),
		window->details.panel, GTK_WIDGET(view->spinner),
		window->controls.bar };

	_Static_assert(sizeof(over) == sizeof(view->over), "each of them");
	memcpy(view->over, over, sizeof(over));
	for (size_t i = 0; i < ARRAY_LENGTH(over); i++)
		watch(window, over[i]);
	watch(window, view->picture);
	watch(window, GTK_WIDGET(view->overlay));
}

/* ---- the sink ---- */

/*
 * OpenGL by hardware: by software it costs more than doing without.  It is
 * asked for a window that is never shown: GDK draws all of a window by OpenGL
 * that once had a context.
 */
static bool
has_gl(void)
{
	GdkWindowAttr attributes = { .wclass = GDK_INPUT_OUTPUT,
		.window_type = GDK_WINDOW_TOPLEVEL,
		.width = 1,
		.height = 1 };
	GdkWindow *window = gdk_window_new(NULL, &attributes, 0);
	GError *error = NULL;
	GdkGLContext *context = gdk_window_create_gl_context(window, &error);
	const char *renderer = NULL;

	if (context != NULL && gdk_gl_context_realize(context, &error)) {
		gdk_gl_context_make_current(context);
		renderer = (const char *)glGetString(GL_RENDERER);
		if (renderer != NULL &&
		    (strstr(renderer, "llvmpipe") != NULL ||
			strstr(renderer, "softpipe") != NULL))
			renderer = NULL;
		gdk_gl_context_clear_current();
	}
	g_clear_object(&context);
	g_clear_error(&error);
	gdk_window_destroy(window);
	return renderer != NULL;
}

/* WIDGET, which a sink draws into, becomes the view's picture. */
static void
take_picture(struct view *view, GtkWidget *widget)
{
	view->picture = widget;
	atk_object_set_name(gtk_widget_get_accessible(widget), "Picture");
	gtk_widget_show(widget);
	gtk_stack_add_named(view->pages, widget, "picture");
}

static GstElement *
make_gl_sink(struct view *view)
{
	GstElement *sink = gst_element_factory_make("gtkglsink", NULL);
	GstElement *bin = gst_element_factory_make("glsinkbin", NULL);
	GtkWidget *widget;

	if (sink == NULL || bin == NULL) {
		gst_clear_object(&sink);
		gst_clear_object(&bin);
		return NULL;
	}
	g_object_get(sink, "widget", &widget, NULL);
	take_picture(view, widget);
	g_object_unref(widget); /* the stack's */
	g_object_set(bin, "sink", sink, NULL);
	if (gst_element_set_state(bin, GST_STATE_READY) !=
	    GST_STATE_CHANGE_FAILURE)
		return bin;
	gst_element_set_state(bin, GST_STATE_NULL);
	gtk_widget_destroy(view->picture);
	gst_object_unref(gst_object_ref_sink(bin));
	return NULL;
}

static GstElement *
make_own_sink(struct window *window)
{
	struct view *view = &window->view;
	GtkWidget *area = gtk_drawing_area_new();

	gtk_widget_set_has_window(area, FALSE);
	take_picture(view, area);
	view->sink = gst_object_ref_sink(picture_new(
	    gtk_widget_get_window(GTK_WIDGET(window->frame)), redraw, view));
	g_signal_connect(window->frame, "draw", G_CALLBACK(on_draw), view);
	g_signal_connect(area, "draw", G_CALLBACK(on_picture_draw), window);
	g_signal_connect(gtk_widget_get_frame_clock(GTK_WIDGET(window->frame)),
	    "after-paint", G_CALLBACK(on_painted), view);
	watch_over(window);
	return view->sink;
}

GstElement *
view_make_sink(struct window *window)
{
	struct view *view = &window->view;
	GstElement *sink = NULL;

	view->drawn_by = "OpenGL";
	if (has_gl())
		sink = make_gl_sink(view);
	if (sink != NULL)
		return sink;
	view->drawn_by = "the processor";
	fputs("vodplay: no OpenGL by hardware here, pictures are drawn "
	      "without it\n",
	    stderr);
	return make_own_sink(window);
}

/* ---- pages ---- */

static GtkWidget *
action_button(const char *text, const char *action)
{
	GtkWidget *button = gtk_button_new_with_label(text);

	gtk_actionable_set_action_name(GTK_ACTIONABLE(button), action);
	gtk_widget_set_halign(button, GTK_ALIGN_CENTER);
	return button;
}

static GtkLabel *
wrapped_label(const char *text)
{
	GtkLabel *label = GTK_LABEL(gtk_label_new(text));

	gtk_label_set_line_wrap(label, TRUE);
	gtk_label_set_line_wrap_mode(label, PANGO_WRAP_WORD_CHAR);
	gtk_label_set_justify(label, GTK_JUSTIFY_CENTER);
	return label;
}

/* A page is a column in the middle, and can be scrolled when it is small. */
static GtkWidget *
page_new(struct view *view, const char *name)
{
	GtkWidget *scrolled = gtk_scrolled_window_new(NULL, NULL);
	GtkWidget *page = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12);

	gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scrolled),
	    GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
	gtk_widget_set_valign(page, GTK_ALIGN_CENTER);
	add_class(page, "page");
	gtk_container_add(GTK_CONTAINER(scrolled), page);
	gtk_stack_add_named(view->pages, scrolled, name);
	return page;
}

static void
add(GtkWidget *page, GtkWidget *widget)
{
	gtk_box_pack_start(GTK_BOX(page), widget, FALSE, FALSE, 0);
}

static void
make_welcome(struct view *view)
{
	GtkWidget *page = page_new(view, "welcome");
	GtkWidget *image =
	    gtk_image_new_from_icon_name("vodplay", GTK_ICON_SIZE_DIALOG);
	GtkWidget *buttons = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);
	GtkWidget *recent = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);

	gtk_image_set_pixel_size(GTK_IMAGE(image), 64);
	gtk_widget_set_halign(buttons, GTK_ALIGN_CENTER);
	gtk_container_add(GTK_CONTAINER(buttons),
	    add_class(action_button("Open Address…", "win.open"),
		"suggested-action"));
	gtk_container_add(GTK_CONTAINER(buttons),
	    action_button("Open File…", "win.open-file"));
	add(page, image);
	add(page, buttons);
	add(page, recent);
	view->recent = GTK_BOX(recent);
}

static void
make_message(struct view *view)
{
	GtkWidget *page = page_new(view, "message");
	GtkWidget *buttons = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);

	view->message = wrapped_label("");
	add_class(GTK_WIDGET(view->message), "sentence");
	gtk_widget_set_halign(buttons, GTK_ALIGN_CENTER);
	gtk_container_add(
	    GTK_CONTAINER(buttons), action_button("Try Again", "win.again"));
	gtk_container_add(
	    GTK_CONTAINER(buttons), action_button("Open Another…", "win.open"));
	add(page, gtk_image_new_from_icon_name(
		      "dialog-warning-symbolic", GTK_ICON_SIZE_DIALOG));
	add(page, GTK_WIDGET(view->message));
	add(page, buttons);
}

void
view_show_page(struct window *window, const char *name)
{
	gtk_stack_set_visible_child_name(window->view.pages, name);
}

static void
on_recent(GtkButton *button, struct window *window)
{
	char *url = g_strdup(g_object_get_data(G_OBJECT(button), "url"));

	titles_open(window, url, 0);
	g_free(url);
}

static GtkWidget *
recent_button(struct window *window, size_t number)
{
	const char *url = memory_recent_url(window->memory, number);
	const char *title = memory_recent_title(window->memory, number);
	const char *name = title[0] != '\0' ? title : url;
	GtkWidget *label = gtk_label_new(name);
	GtkWidget *button = gtk_button_new();

	gtk_label_set_ellipsize(GTK_LABEL(label), PANGO_ELLIPSIZE_MIDDLE);
	gtk_label_set_max_width_chars(GTK_LABEL(label), 48);
	gtk_container_add(GTK_CONTAINER(button), label);
	gtk_button_set_relief(GTK_BUTTON(button), GTK_RELIEF_NONE);
	gtk_widget_set_halign(button, GTK_ALIGN_CENTER);
	widget_name(button, name);
	gtk_widget_set_tooltip_text(button, url);
	g_object_set_data_full(G_OBJECT(button), "url", g_strdup(url), g_free);
	g_signal_connect(button, "clicked", G_CALLBACK(on_recent), window);
	return button;
}

#define WELCOME_RECENT 6

void
view_show_recent(struct window *window)
{
	GtkBox *box = window->view.recent;

	gtk_container_foreach(
	    GTK_CONTAINER(box), (GtkCallback)(void *)gtk_widget_destroy, NULL);
	if (memory_recent_url(window->memory, 0) != NULL)
		gtk_box_pack_start(box,
		    add_class(gtk_label_new("Recent titles"), "heading"), FALSE,
		    FALSE, 6);
	for (size_t i = 0; i < WELCOME_RECENT; i++)
		if (memory_recent_url(window->memory, i) != NULL)
			gtk_box_pack_start(
			    box, recent_button(window, i), FALSE, FALSE, 0);
	gtk_widget_show_all(GTK_WIDGET(box));
}

/* ---- over the picture ---- */

static gboolean
end_notice(gpointer context)
{
	struct view *view = context;

	view->notice_end = 0;
	gtk_widget_hide(GTK_WIDGET(view->notice));
	return G_SOURCE_REMOVE;
}

void
view_show_notice(struct window *window, const char *sentence)
{
	struct view *view = &window->view;

	g_clear_handle_id(&view->notice_end, g_source_remove);
	gtk_label_set_text(view->notice, sentence);
	gtk_widget_set_visible(GTK_WIDGET(view->notice), sentence[0] != '\0');
	if (sentence[0] != '\0')
		view->notice_end = g_timeout_add(NOTICE_MS, end_notice, view);
}

static void
size_caption(struct view *view)
{
	int height = gtk_widget_get_allocated_height(GTK_WIDGET(view->overlay));
	PangoAttrList *attributes = pango_attr_list_new();

	pango_attr_list_insert(attributes,
	    pango_attr_scale_new(
		(double)MAX_OF(height, CAPTION_HEIGHT) / CAPTION_HEIGHT));
	gtk_label_set_attributes(view->caption, attributes);
	pango_attr_list_unref(attributes);
}

/* What a link leads to is for the viewer to decide: it is shown only. */
void
view_show_caption(struct window *window, const char *type, const char *text)
{
	GtkWidget *caption = GTK_WIDGET(window->view.caption);
	char *shown = g_ascii_strcasecmp(type, "URL") == 0
			  ? g_strdup_printf("Link: %s", text)
			  : g_strdup(text);

	script_plain(shown);
	g_strstrip(shown);
	size_caption(&window->view);
	gtk_label_set_text(window->view.caption, shown);
	gtk_widget_set_visible(caption,
	    window->shows_captions && text[0] != '\0' && shown[0] != '\0');
	g_free(shown);
}

void
view_lift_caption(struct window *window, int height)
{
	gtk_widget_set_margin_bottom(
	    GTK_WIDGET(window->view.caption), CAPTION_GAP + height);
}

void
view_show_pointed(struct window *window, int x, const char *time)
{
	GtkWidget *pointed = GTK_WIDGET(window->view.pointed);
	GtkWidget *over = GTK_WIDGET(window->controls.over);
	int width, room;

	gtk_label_set_text(window->view.pointed, time);
	gtk_widget_set_visible(pointed, time[0] != '\0');
	gtk_widget_get_preferred_width(pointed, NULL, &width);
	room = gtk_widget_get_allocated_width(GTK_WIDGET(window->view.overlay));
	gtk_widget_set_margin_start(
	    pointed, CLAMP(x - width / 2, 0, MAX_OF(room - width, 0)));
	gtk_widget_set_margin_bottom(pointed,
	    POINTED_GAP + (window->is_full_screen
				  ? gtk_widget_get_allocated_height(over)
				  : 0));
}

static void
add_over(struct view *view, GtkWidget *widget, GtkAlign across, GtkAlign down)
{
	gtk_widget_set_halign(widget, across);
	gtk_widget_set_valign(widget, down);
	gtk_overlay_add_overlay(view->overlay, widget);
	/* What lies there is looked through by the pointer. */
	gtk_overlay_set_overlay_pass_through(view->overlay, widget, TRUE);
}

static GtkLabel *
hidden_label(
    struct view *view, const char *class, GtkAlign across, GtkAlign down)
{
	GtkLabel *label = wrapped_label("");

	add_class(GTK_WIDGET(label), class);
	gtk_widget_set_no_show_all(GTK_WIDGET(label), TRUE);
	add_over(view, GTK_WIDGET(label), across, down);
	return label;
}

static void
make_over(struct view *view)
{
	GtkWidget *spinner = gtk_spinner_new();

	view->caption = hidden_label(
	    view, "caption", GTK_ALIGN_CENTER, GTK_ALIGN_END);
	g_object_set(view->caption, "margin", CAPTION_GAP, NULL);
	view->pointed = hidden_label(
	    view, "pointed", GTK_ALIGN_START, GTK_ALIGN_END);
	view->spinner = GTK_SPINNER(spinner);
	gtk_widget_set_size_request(spinner, 48, 48);
	gtk_widget_set_no_show_all(spinner, TRUE);
	add_class(spinner, "waiting");
	add_over(view, spinner, GTK_ALIGN_CENTER, GTK_ALIGN_CENTER);
	view->notice = hidden_label(
	    view, "notice", GTK_ALIGN_CENTER, GTK_ALIGN_START);
	g_object_set(view->notice, "margin", NOTICE_GAP, NULL);
}

static gboolean
on_press(GtkWidget *overlay, const GdkEventButton *event, struct window *window)
{
	(void)overlay;
	if (strcmp(gtk_stack_get_visible_child_name(window->view.pages),
		"picture") != 0)
		return GDK_EVENT_PROPAGATE;
	if (event->type == GDK_2BUTTON_PRESS &&
	    event->button == GDK_BUTTON_PRIMARY) {
		window_set_full_screen(window, !window->is_full_screen);
		return GDK_EVENT_STOP;
	}
	if (event->type == GDK_BUTTON_PRESS &&
	    event->button == GDK_BUTTON_SECONDARY) {
		menu_popup(window, (const GdkEvent *)event);
		return GDK_EVENT_STOP;
	}
	return GDK_EVENT_PROPAGATE;
}

/* Louder or quieter. */
static gboolean
on_scroll(GtkWidget *pages, const GdkEventScroll *event, struct window *window)
{
	(void)pages;
	if (strcmp(gtk_stack_get_visible_child_name(window->view.pages),
		"picture") != 0 ||
	    (event->direction != GDK_SCROLL_UP &&
		event->direction != GDK_SCROLL_DOWN))
		return GDK_EVENT_PROPAGATE;
	if (window->is_full_screen)
		window_show_controls(window);
	g_action_group_activate_action(G_ACTION_GROUP(window->frame),
	    event->direction == GDK_SCROLL_UP ? "louder" : "quieter", NULL);
	return GDK_EVENT_STOP;
}

void
view_make(struct window *window)
{
	struct view *view = &window->view;

	view->overlay = GTK_OVERLAY(gtk_overlay_new());
	view->pages = GTK_STACK(gtk_stack_new());
	gtk_stack_set_homogeneous(view->pages, FALSE);
	gtk_container_add(
	    GTK_CONTAINER(view->overlay), GTK_WIDGET(view->pages));
	gtk_box_pack_start(
	    window->column, GTK_WIDGET(view->overlay), TRUE, TRUE, 0);
	gtk_widget_add_events(
	    GTK_WIDGET(view->pages), GDK_BUTTON_PRESS_MASK | GDK_SCROLL_MASK);
	g_signal_connect(
	    view->pages, "button-press-event", G_CALLBACK(on_press), window);
	g_signal_connect(
	    view->pages, "scroll-event", G_CALLBACK(on_scroll), window);
	make_welcome(view);
	make_message(view);
	make_over(view);
}

/* Before what is drawn on goes. */
void
view_end(struct window *window)
{
	struct view *view = &window->view;

	g_clear_handle_id(&view->notice_end, g_source_remove);
	view->is_aimed = false;
	gst_clear_object(&view->sink);
}
