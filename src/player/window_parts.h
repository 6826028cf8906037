/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * window_parts - what the window's files share.  window.c makes and frees it
 * all and is told by the engine; the others each own some of the widgets:
 *
 *   window_view      the picture, and what lies over it
 *   window_controls  the bar below: buttons, seek bar, volume, state line
 *   window_details   the panel with properties and statistics
 *   window_titles    what is played: a title, or one of a play list
 *   window_menu      actions, their keys, the menu and the help on keys
 *   window_open      the dialog that asks for an address
 */
#ifndef PLAYER_WINDOW_PARTS_H
#define PLAYER_WINDOW_PARTS_H

#include <gtk/gtk.h>

#include "player/engine.h"
#include "player/memory.h"
#include "player/playlist_load.h"
#include "player/window.h"

#define WINDOW_RESOURCES "/vodplay/"

#define VIEW_OPAQUE 4 /* of what lies over the picture */
struct view {
	GtkOverlay *overlay;
	GtkStack *pages; /* "welcome", "picture", "message" */
	GtkWidget *picture;
	GstElement *sink; /* owned; NULL: not ours, it draws by itself */
	/* What may lie over the picture; the opaque ones first. */
	GtkWidget *over[6];
	bool is_aimed; /* the sink draws past GTK */
	bool is_drawn; /* by GTK, and not yet seen */
	GtkBox *recent; /* of the welcome page */
	GtkLabel *message;
	GtkSpinner *spinner;
	GtkLabel *caption, *notice, *pointed; /* the time under the pointer */
	guint notice_end; /* source */
	const char *drawn_by; /* for the details */
};

struct controls {
	GtkWidget *bar;
	GtkRevealer *over; /* it is in here while the screen is full */
	GtkWidget *play, *next, *previous, *mute, *full;
	GtkRange *seek, *volume;
	GtkLabel *elapsed, *total, *state;
	bool is_dragging;
	guint hide; /* source */
};

#define DETAILS_COUNT 20
struct details {
	GtkWidget *panel;
	GtkLabel *values[DETAILS_COUNT];
};

struct titles {
	GPtrArray *items; /* of struct playlist_item; NULL: a single title */
	guint at;
	struct playlist_load *load; /* under way, or NULL */
	unsigned depth; /* lists that led to lists */
	char *address; /* that plays, or that was tried */
	char *called; /* by the list, "" if not told */
	bool is_opened; /* the engine has the address */
	uint64_t position_us; /* where the next one begins */
};

struct window {
	const struct window_options *options;
	GtkApplication *application;
	GtkWindow *frame;
	GtkBox *column; /* the view, and the controls below */
	GtkHeaderBar *header;
	GtkWidget *menu; /* its button */
	struct engine *engine;
	struct memory *memory;
	enum engine_state state;
	char reason[256];
	guint inhibited; /* cookie */
	guint tick; /* source */
	bool is_full_screen, shows_captions;
	bool goes_by_tab; /* from button to button */
	uint64_t stepped_to_us; /* by seeks forward, one after the other */
	struct view view;
	struct controls controls;
	struct details details;
	struct titles titles;
};

/* window.c */
void window_say_state(struct window *window);
void window_fail(struct window *window, const char *sentence);
/* What plays, or the list it is of, among the recent titles. */
void window_remember(struct window *window, const char *title);
void window_set_full_screen(struct window *window, bool full);
void window_seek(struct window *window, uint64_t position_us);
void window_show_controls(struct window *window); /* for some seconds */

/* window_view.c */
void view_make(struct window *window);
void view_end(struct window *window); /* the engine is freed */
/* The window is realized. */
GstElement *view_make_sink(struct window *window);
void view_show_page(struct window *window, const char *name);
void view_show_recent(struct window *window);
/* For some seconds, over all else; "" hides it. */
void view_show_notice(struct window *window, const char *sentence);
void view_show_caption(
    struct window *window, const char *type, const char *text);
/* So far from the bottom, for what is below it. */
void view_lift_caption(struct window *window, int height);
/* At X of the view's width; "" hides it. */
void view_show_pointed(struct window *window, int x, const char *time);

/* window_controls.c */
void controls_make(struct window *window);
void controls_update(struct window *window); /* times, buffer, state */
void controls_move(struct window *window, bool over_picture);
void controls_set_volume(struct window *window, double volume);
void window_format_time(uint64_t time_us, char out[static 16]);

/* window_details.c */
void details_make(struct window *window);
void details_update(struct window *window);

/* window_titles.c */
/* TEXT as it is typed, or a path on the command line. */
void titles_open(struct window *window, const char *text, uint64_t position_us);
void titles_start(struct window *window); /* once more from its start */
void titles_stop(struct window *window);
/* Nothing while it is not known, or it is a list. */
void titles_tags(const struct window *window, struct engine_tags *out);
bool titles_are_fetched(const struct window *window); /* a play list is */
bool titles_move(struct window *window, int by); /* false: there is none */
bool titles_have(const struct window *window, int by);
/* It cannot be played: true when an alternative is tried. */
bool titles_fall_back(struct window *window);
void titles_clear(struct window *window);

/* window_menu.c */
void menu_make(struct window *window);
GtkWidget *menu_button_new(struct window *window);
void menu_update(struct window *window); /* tracks, what can be done now */
void menu_popup(struct window *window, const GdkEvent *event);
void menu_show_keys(struct window *window);

/* window_open.c */
void open_ask(struct window *window);
void open_ask_file(struct window *window);
void open_paste(struct window *window); /* what was copied */
void open_take_drops(struct window *window); /* files and addresses */

/* A name for those who do not see it, and its tooltip. */
void widget_name(GtkWidget *widget, const char *name);

#endif
