/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dialog that asks for an address: typed, pasted, or one of before.  What
 * is wrong with it is said while it is typed, and only then can it be opened.
 */
#include <string.h>

#include "base/base.h"
#include "player/address.h"
#include "player/window_parts.h"

#define LIST_HEIGHT 180

struct open {
	struct window *window;
	GtkDialog *dialog;
	GtkEntry *entry;
	GtkLabel *sentence;
};

/* ---- the entry ---- */

/* A sentence only when there is something to say it of. */
static void
on_typed(GtkEditable *editable, struct open *open)
{
	const char *text = gtk_entry_get_text(open->entry);
	struct address address;

	(void)editable;
	address_parse(text, &address);
	gtk_dialog_set_response_sensitive(
	    open->dialog, GTK_RESPONSE_ACCEPT, address.kind != ADDRESS_BAD);
	gtk_label_set_text(open->sentence,
	    address.kind == ADDRESS_BAD && text[0] != '\0' ? address.sentence
							   : " ");
}

static void
on_paste(GtkEntry *entry, GtkEntryIconPosition place, const GdkEvent *event,
    gpointer context)
{
	(void)place;
	(void)event;
	(void)context;
	gtk_editable_select_region(GTK_EDITABLE(entry), 0, -1);
	gtk_editable_paste_clipboard(GTK_EDITABLE(entry));
}

/* What was copied is most likely what is to be opened. */
static void
offer_clipboard(struct open *open)
{
	GtkClipboard *clipboard = gtk_widget_get_clipboard(
	    GTK_WIDGET(open->entry), GDK_SELECTION_CLIPBOARD);
	char *text = gtk_clipboard_wait_for_text(clipboard);
	struct address address;

	if (text != NULL && strstr(text, "://") != NULL) {
		address_parse(text, &address);
		if (address.kind != ADDRESS_BAD)
			gtk_entry_set_text(open->entry, address.url);
	}
	g_free(text);
}

static void
complete(struct open *open)
{
	GtkListStore *store = gtk_list_store_new(1, G_TYPE_STRING);
	GtkEntryCompletion *completion = gtk_entry_completion_new();
	const char *url;

	for (size_t i = 0;
	     (url = memory_recent_url(open->window->memory, i)) != NULL; i++)
		gtk_list_store_insert_with_values(store, NULL, -1, 0, url, -1);
	gtk_entry_completion_set_model(completion, GTK_TREE_MODEL(store));
	gtk_entry_completion_set_text_column(completion, 0);
	gtk_entry_completion_set_popup_completion(completion, FALSE);
	gtk_entry_completion_set_inline_completion(completion, TRUE);
	gtk_entry_set_completion(open->entry, completion);
	g_object_unref(store);
	g_object_unref(completion);
}

static GtkWidget *
entry_new(struct open *open)
{
	GtkWidget *entry = gtk_entry_new();

	open->entry = GTK_ENTRY(entry);
	gtk_entry_set_placeholder_text(open->entry, "rtsp://server/title");
	gtk_entry_set_input_purpose(open->entry, GTK_INPUT_PURPOSE_URL);
	gtk_entry_set_activates_default(open->entry, TRUE);
	gtk_entry_set_icon_from_icon_name(
	    open->entry, GTK_ENTRY_ICON_SECONDARY, "edit-paste-symbolic");
	gtk_entry_set_icon_tooltip_text(
	    open->entry, GTK_ENTRY_ICON_SECONDARY, "Paste");
	atk_object_set_name(gtk_widget_get_accessible(entry), "Address");
	g_signal_connect(entry, "changed", G_CALLBACK(on_typed), open);
	g_signal_connect(entry, "icon-press", G_CALLBACK(on_paste), NULL);
	complete(open);
	return entry;
}

/* ---- recent titles ---- */

/* Meanwhile the title that plays may have become the first one of them. */
static void
on_row(GtkListBox *list, GtkListBoxRow *row, struct open *open)
{
	(void)list;
	gtk_entry_set_text(
	    open->entry, g_object_get_data(G_OBJECT(row), "url"));
	gtk_dialog_response(open->dialog, GTK_RESPONSE_ACCEPT);
}

static GtkWidget *
row_new(const char *title, const char *url)
{
	GtkWidget *row = gtk_list_box_row_new();
	GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);
	const char *const texts[] = { title, url };

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		GtkWidget *label;

		if (texts[i][0] == '\0')
			continue;
		label = gtk_label_new(texts[i]);
		gtk_label_set_ellipsize(
		    GTK_LABEL(label), PANGO_ELLIPSIZE_MIDDLE);
		gtk_label_set_xalign(GTK_LABEL(label), 0.0f);
		if (i == 1)
			gtk_style_context_add_class(
			    gtk_widget_get_style_context(label), "dim-label");
		gtk_container_add(GTK_CONTAINER(box), label);
	}
	gtk_container_add(GTK_CONTAINER(row), box);
	atk_object_set_name(gtk_widget_get_accessible(row), url);
	g_object_set_data_full(G_OBJECT(row), "url", g_strdup(url), g_free);
	return row;
}

static GtkWidget *
list_new(struct open *open)
{
	const struct memory *memory = open->window->memory;
	GtkWidget *scrolled = gtk_scrolled_window_new(NULL, NULL);
	GtkWidget *list = gtk_list_box_new();
	const char *url;

	for (size_t i = 0; (url = memory_recent_url(memory, i)) != NULL; i++)
		gtk_list_box_insert(GTK_LIST_BOX(list),
		    row_new(memory_recent_title(memory, i), url), -1);
	gtk_list_box_set_selection_mode(GTK_LIST_BOX(list), GTK_SELECTION_NONE);
	atk_object_set_name(gtk_widget_get_accessible(list), "Recent titles");
	g_signal_connect(list, "row-activated", G_CALLBACK(on_row), open);
	gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scrolled),
	    GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
	gtk_scrolled_window_set_propagate_natural_height(
	    GTK_SCROLLED_WINDOW(scrolled), TRUE);
	gtk_scrolled_window_set_max_content_height(
	    GTK_SCROLLED_WINDOW(scrolled), LIST_HEIGHT);
	gtk_container_add(GTK_CONTAINER(scrolled), list);
	return scrolled;
}

/* ---- the dialog ---- */

static void
on_response(GtkDialog *dialog, int response, struct open *open)
{
	struct window *window = open->window;
	char *text = g_strdup(gtk_entry_get_text(open->entry));
	struct address address;

	address_parse(text, &address);
	if (response == GTK_RESPONSE_ACCEPT && address.kind == ADDRESS_BAD) {
		g_free(text);
		return;
	}
	gtk_widget_destroy(GTK_WIDGET(dialog));
	if (response == GTK_RESPONSE_ACCEPT)
		titles_open(window, address.url, 0);
	g_free(text);
}

static void
fill(struct open *open)
{
	GtkWidget *content = gtk_dialog_get_content_area(open->dialog);
	GtkWidget *column = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
	GtkWidget *label =
	    gtk_label_new_with_mnemonic("_Address of a title or play list");
	GtkWidget *entry = entry_new(open);

	open->sentence = GTK_LABEL(gtk_label_new(" "));
	gtk_label_set_line_wrap(open->sentence, TRUE);
	gtk_label_set_xalign(open->sentence, 0.0f);
	gtk_label_set_xalign(GTK_LABEL(label), 0.0f);
	gtk_label_set_mnemonic_widget(GTK_LABEL(label), entry);
	gtk_style_context_add_class(
	    gtk_widget_get_style_context(column), "ask");
	gtk_style_context_add_class(
	    gtk_widget_get_style_context(GTK_WIDGET(open->sentence)),
	    "sentence");
	gtk_container_add(GTK_CONTAINER(column), label);
	gtk_container_add(GTK_CONTAINER(column), entry);
	gtk_container_add(GTK_CONTAINER(column), GTK_WIDGET(open->sentence));
	if (memory_recent_url(open->window->memory, 0) != NULL)
		gtk_box_pack_start(
		    GTK_BOX(column), list_new(open), TRUE, TRUE, 0);
	gtk_box_pack_start(GTK_BOX(content), column, TRUE, TRUE, 0);
}

void
open_ask(struct window *window)
{
	GtkWidget *dialog = gtk_dialog_new_with_buttons("Open Address",
	    window->frame,
	    GTK_DIALOG_MODAL | GTK_DIALOG_DESTROY_WITH_PARENT |
		GTK_DIALOG_USE_HEADER_BAR,
	    "_Cancel", GTK_RESPONSE_CANCEL, "_Open", GTK_RESPONSE_ACCEPT, NULL);
	struct open *open = g_new0(struct open, 1);

	open->window = window;
	open->dialog = GTK_DIALOG(dialog);
	g_object_set_data_full(G_OBJECT(dialog), "open", open, g_free);
	gtk_dialog_set_default_response(open->dialog, GTK_RESPONSE_ACCEPT);
	gtk_window_set_default_size(GTK_WINDOW(dialog), 480, -1);
	fill(open);
	on_typed(NULL, open);
	g_signal_connect(dialog, "response", G_CALLBACK(on_response), open);
	gtk_widget_show_all(dialog);
	offer_clipboard(open);
	gtk_widget_grab_focus(GTK_WIDGET(open->entry));
}

static void
on_file(GtkNativeDialog *dialog, int response, struct window *window)
{
	char *url = gtk_file_chooser_get_uri(GTK_FILE_CHOOSER(dialog));

	if (response == GTK_RESPONSE_ACCEPT && url != NULL)
		titles_open(window, url, 0);
	g_free(url);
	g_object_unref(dialog);
}

static void
add_filter(GtkFileChooser *chooser, const char *name, const char *const *globs)
{
	GtkFileFilter *filter = gtk_file_filter_new();

	gtk_file_filter_set_name(filter, name);
	for (; *globs != NULL; globs++)
		gtk_file_filter_add_pattern(filter, *globs);
	gtk_file_chooser_add_filter(chooser, filter);
}

void
open_ask_file(struct window *window)
{
	const char *folder = g_get_user_special_dir(G_USER_DIRECTORY_VIDEOS);
	GtkFileChooserNative *dialog = gtk_file_chooser_native_new("Open File",
	    window->frame, GTK_FILE_CHOOSER_ACTION_OPEN, "_Open", "_Cancel");

	add_filter(GTK_FILE_CHOOSER(dialog), "Titles and play lists",
	    (const char *const[]){ "*.[Aa][Ss][FfXx]", "*.[Ww][MmVvAa][VvAaXx]",
		"*.[Mm]3[Uu]", "*.[Mm]3[Uu]8", NULL });
	add_filter(GTK_FILE_CHOOSER(dialog), "All files",
	    (const char *const[]){ "*", NULL });
	gtk_file_chooser_set_current_folder(GTK_FILE_CHOOSER(dialog),
	    folder != NULL ? folder : g_get_home_dir());
	gtk_native_dialog_set_modal(GTK_NATIVE_DIALOG(dialog), TRUE);
	g_signal_connect(dialog, "response", G_CALLBACK(on_file), window);
	gtk_native_dialog_show(GTK_NATIVE_DIALOG(dialog));
}

/* ---- without a dialog ---- */

/* False: it is not an address. */
static bool
open_text(struct window *window, const char *text)
{
	struct address address;

	if (text == NULL)
		return false;
	address_parse(text, &address);
	if (address.kind == ADDRESS_BAD)
		return false;
	titles_open(window, address.url, 0);
	return true;
}

static void
on_copied(GtkClipboard *clipboard, const char *text, gpointer context)
{
	struct window *window = context;

	(void)clipboard;
	if (window->engine != NULL && !open_text(window, text))
		view_show_notice(
		    window, "What was copied is not the address of a title.");
}

void
open_paste(struct window *window)
{
	gtk_clipboard_request_text(
	    gtk_widget_get_clipboard(
		GTK_WIDGET(window->frame), GDK_SELECTION_CLIPBOARD),
	    on_copied, window);
}

static void
on_dropped(GtkWidget *frame, GdkDragContext *drag, int x, int y,
    GtkSelectionData *data, guint kind, guint time, struct window *window)
{
	char **uris = gtk_selection_data_get_uris(data);
	char *text = uris != NULL ? g_strdup(uris[0])
				  : (char *)gtk_selection_data_get_text(data);

	(void)frame;
	(void)drag;
	(void)x;
	(void)y;
	(void)kind;
	(void)time;
	if (window->engine != NULL && !open_text(window, text))
		view_show_notice(window,
		    "What was dropped is not a title, nor its address.");
	g_strfreev(uris);
	g_free(text);
}

void
open_take_drops(struct window *window)
{
	GtkWidget *frame = GTK_WIDGET(window->frame);

	gtk_drag_dest_set(
	    frame, GTK_DEST_DEFAULT_ALL, NULL, 0, GDK_ACTION_COPY);
	gtk_drag_dest_add_uri_targets(frame);
	gtk_drag_dest_add_text_targets(frame);
	g_signal_connect(
	    frame, "drag-data-received", G_CALLBACK(on_dropped), window);
}
