/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The panel over the picture: what the title is, and how it comes here.  Each
 * line is a row of a table; lines without a value are not shown.
 */
#include <string.h>

#include "base/base.h"
#include "player/window_parts.h"

struct facts {
	const struct window *window;
	struct engine_tags tags;
	struct engine_statistics statistics;
};

typedef void fact_format(const struct facts *facts, char *out, size_t size);

/* ---- values ---- */

static void
format_title(const struct facts *facts, char *out, size_t size)
{
	g_strlcpy(out, facts->tags.title, size);
}

static void
format_author(const struct facts *facts, char *out, size_t size)
{
	g_strlcpy(out, facts->tags.author, size);
}

static void
format_copyright(const struct facts *facts, char *out, size_t size)
{
	g_strlcpy(out, facts->tags.copyright, size);
}

static void
format_description(const struct facts *facts, char *out, size_t size)
{
	g_strlcpy(out, facts->tags.description, size);
}

static void
format_address(const struct facts *facts, char *out, size_t size)
{
	if (facts->window->titles.address != NULL)
		g_strlcpy(out, facts->window->titles.address, size);
}

static void
format_server(const struct facts *facts, char *out, size_t size)
{
	const struct engine_statistics *statistics = &facts->statistics;

	if (statistics->software[0] != '\0')
		g_snprintf(out, size, "%s (%s)", statistics->server,
		    statistics->software);
	else
		g_strlcpy(out, statistics->server, size);
}

static void
format_transport(const struct facts *facts, char *out, size_t size)
{
	g_strlcpy(out, facts->statistics.transport, size);
}

static void
format_rate(const struct facts *facts, char *out, size_t size)
{
	if (facts->statistics.has_network || facts->statistics.bit_rate_bps > 0)
		g_snprintf(out, size, "%.0f kbit/s",
		    (double)facts->statistics.bit_rate_bps / 1e3);
}

static void
format_buffer(const struct facts *facts, char *out, size_t size)
{
	if (facts->statistics.has_network)
		g_snprintf(out, size, "%.1f s",
		    (double)facts->statistics.buffered_us / 1e6);
}

static void
format_packets(
    const struct facts *facts, uint64_t count, char *out, size_t size)
{
	if (facts->statistics.has_network)
		g_snprintf(out, size, "%" G_GUINT64_FORMAT, count);
}

#define PACKETS(name)                                                          \
	static void format_##name(                                             \
	    const struct facts *facts, char *out, size_t size)                 \
	{                                                                      \
		format_packets(                                                \
		    facts, facts->statistics.name##_packets, out, size);       \
	}
PACKETS(received)
PACKETS(lost)
PACKETS(recovered)
PACKETS(reordered)
PACKETS(duplicate)
PACKETS(damaged)

static void
format_jitter(const struct facts *facts, char *out, size_t size)
{
	if (facts->statistics.has_network)
		g_snprintf(out, size, "%.1f ms",
		    (double)facts->statistics.jitter_us / 1e3);
}

static void
format_reconnects(const struct facts *facts, char *out, size_t size)
{
	format_packets(facts, facts->statistics.reconnects, out, size);
}

static void
format_gap(const struct facts *facts, char *out, size_t size)
{
	if (facts->statistics.has_network)
		g_snprintf(out, size, "%.1f s, seen %.1f s",
		    (double)facts->statistics.network_gap_us / 1e6,
		    (double)facts->statistics.viewer_gap_us / 1e6);
}

static void
format_pictures(const struct facts *facts, char *out, size_t size)
{
	const struct engine_statistics *statistics = &facts->statistics;

	if (statistics->frames_shown > 0)
		g_snprintf(out, size,
		    "%" G_GUINT64_FORMAT " shown, %" G_GUINT64_FORMAT
		    " left out",
		    statistics->frames_shown, statistics->frames_dropped);
}

static void
format_drawn(const struct facts *facts, char *out, size_t size)
{
	g_strlcpy(out, facts->window->view.drawn_by, size);
}

/* clang-format off */
static const struct {
	const char *name;
	fact_format *format;
} rows[] = {
	{ "Title",        format_title },
	{ "Author",       format_author },
	{ "Copyright",    format_copyright },
	{ "Description",  format_description },
	{ "Address",      format_address },
	{ "Server",       format_server },
	{ "Transport",    format_transport },
	{ "Bit rate",     format_rate },
	{ "Buffer",       format_buffer },
	{ "Received",     format_received },
	{ "Lost",         format_lost },
	{ "Recovered",    format_recovered },
	{ "Reordered",    format_reordered },
	{ "Duplicates",   format_duplicate },
	{ "Damaged",      format_damaged },
	{ "Jitter",       format_jitter },
	{ "Reconnects",   format_reconnects },
	{ "Longest gap",  format_gap },
	{ "Pictures",     format_pictures },
	{ "Drawn by",     format_drawn },
};
/* clang-format on */
_Static_assert(ARRAY_LENGTH(rows) == DETAILS_COUNT, "a label each");

/* ---- the panel ---- */

static void
show_row(struct details *details, size_t row, const char *text)
{
	GtkLabel *value = details->values[row];
	GtkWidget *name = g_object_get_data(G_OBJECT(value), "name");

	gtk_widget_set_visible(name, text[0] != '\0');
	gtk_widget_set_visible(GTK_WIDGET(value), text[0] != '\0');
	if (strcmp(gtk_label_get_text(value), text) != 0)
		gtk_label_set_text(value, text);
}

void
details_update(struct window *window)
{
	struct facts facts = { .window = window };
	char text[512];

	if (!gtk_widget_get_visible(window->details.panel))
		return;
	titles_tags(window, &facts.tags);
	engine_statistics(window->engine, &facts.statistics);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		text[0] = '\0';
		rows[i].format(&facts, text, sizeof(text));
		show_row(&window->details, i, text);
	}
}

static GtkWidget *
label_new(const char *text, float align)
{
	GtkWidget *label = gtk_label_new(text);

	gtk_label_set_xalign(GTK_LABEL(label), align);
	gtk_label_set_yalign(GTK_LABEL(label), 0.0f);
	gtk_widget_set_no_show_all(label, TRUE);
	return label;
}

static void
add_row(GtkGrid *grid, struct details *details, size_t row)
{
	GtkWidget *name = label_new(rows[row].name, 1.0f);
	GtkWidget *value = label_new("", 0.0f);

	gtk_style_context_add_class(
	    gtk_widget_get_style_context(name), "dim-label");
	gtk_label_set_line_wrap(GTK_LABEL(value), TRUE);
	gtk_label_set_line_wrap_mode(GTK_LABEL(value), PANGO_WRAP_WORD_CHAR);
	gtk_label_set_max_width_chars(GTK_LABEL(value), 36);
	g_object_set_data(G_OBJECT(value), "name", name);
	atk_object_add_relationship(gtk_widget_get_accessible(value),
	    ATK_RELATION_LABELLED_BY, gtk_widget_get_accessible(name));
	details->values[row] = GTK_LABEL(value);
	gtk_grid_attach(grid, name, 0, (int)row, 1, 1);
	gtk_grid_attach(grid, value, 1, (int)row, 1, 1);
}

void
details_make(struct window *window)
{
	GtkWidget *grid = gtk_grid_new();
	GtkWidget *panel = gtk_scrolled_window_new(NULL, NULL);
	GtkScrolledWindow *scrolled = GTK_SCROLLED_WINDOW(panel);

	window->details.panel = panel;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		add_row(GTK_GRID(grid), &window->details, i);
	gtk_grid_set_column_spacing(GTK_GRID(grid), 10);
	gtk_widget_show(grid);
	gtk_container_add(GTK_CONTAINER(panel), grid);
	gtk_scrolled_window_set_propagate_natural_width(scrolled, TRUE);
	gtk_scrolled_window_set_propagate_natural_height(scrolled, TRUE);
	gtk_style_context_add_class(
	    gtk_widget_get_style_context(panel), "details");
	gtk_style_context_add_class(gtk_widget_get_style_context(panel), "osd");
	gtk_widget_set_halign(panel, GTK_ALIGN_START);
	gtk_widget_set_valign(panel, GTK_ALIGN_FILL);
	gtk_widget_set_no_show_all(panel, TRUE);
	gtk_overlay_add_overlay(window->view.overlay, panel);
}
