/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue that the default main context empties, one piece at a time.
 */
#include "player/news.h"

struct piece {
	enum {
		NEWS_STATE,
		NEWS_BUFFERED,
		NEWS_PICTURE,
		NEWS_INFORMATION,
		NEWS_SCRIPT,
		NEWS_NOTICE,
	} kind;
	enum engine_state state;
	enum engine_failure failure;
	unsigned percent;
	uint64_t position_us;
	char *type, *text; /* owned; NULL: none */
};

struct news {
	struct engine_events events;
	void *context;
	GQueue pieces; /* owned */
	guint teller; /* 0: there are none */
};

struct news *
news_new(const struct engine_events *events, void *context)
{
	struct news *news = g_new0(struct news, 1);

	news->events = *events;
	news->context = context;
	g_queue_init(&news->pieces);
	return news;
}

static void
piece_free(gpointer pointer)
{
	struct piece *piece = pointer;

	g_free(piece->type);
	g_free(piece->text);
	g_free(piece);
}

void
news_free(struct news *news)
{
	if (news == NULL)
		return;
	g_clear_handle_id(&news->teller, g_source_remove);
	g_queue_clear_full(&news->pieces, piece_free);
	g_free(news);
}

static void
tell_piece(const struct engine_events *events, void *context,
    const struct piece *piece)
{
	switch (piece->kind) {
	case NEWS_STATE:
		if (events->state != NULL)
			events->state(
			    context, piece->state, piece->failure, piece->text);
		break;
	case NEWS_BUFFERED:
		if (events->buffered != NULL)
			events->buffered(context, piece->percent);
		break;
	case NEWS_PICTURE:
		if (events->picture != NULL)
			events->picture(context, piece->position_us);
		break;
	case NEWS_INFORMATION:
		if (events->information != NULL)
			events->information(context);
		break;
	case NEWS_SCRIPT:
		if (events->script != NULL)
			events->script(context, piece->type, piece->text);
		break;
	case NEWS_NOTICE:
		if (events->notice != NULL)
			events->notice(context, piece->text);
		break;
	}
}

static gboolean
tell(gpointer context)
{
	struct news *news = context;
	struct engine_events events = news->events;
	struct piece *piece = g_queue_pop_head(&news->pieces);
	bool is_last = g_queue_is_empty(&news->pieces);

	if (is_last)
		news->teller = 0;
	tell_piece(&events, news->context, piece); /* it may free NEWS */
	piece_free(piece);
	return is_last ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void
add(struct news *news, const struct piece *piece)
{
	g_queue_push_tail(&news->pieces, g_memdup2(piece, sizeof(*piece)));
	if (news->teller == 0)
		news->teller =
		    g_idle_add_full(G_PRIORITY_DEFAULT, tell, news, NULL);
}

void
news_state(struct news *news, enum engine_state state,
    enum engine_failure failure, const char *sentence)
{
	add(news, &(struct piece){ .kind = NEWS_STATE,
		      .state = state,
		      .failure = failure,
		      .text = g_strdup(sentence) });
}

void
news_buffered(struct news *news, unsigned percent)
{
	add(news, &(struct piece){ .kind = NEWS_BUFFERED, .percent = percent });
}

void
news_picture(struct news *news, uint64_t position_us)
{
	add(news, &(struct piece){
		      .kind = NEWS_PICTURE, .position_us = position_us });
}

void
news_information(struct news *news)
{
	add(news, &(struct piece){ .kind = NEWS_INFORMATION });
}

void
news_script(void *news, const char *type, const char *text)
{
	add(news, &(struct piece){ .kind = NEWS_SCRIPT,
		      .type = g_strdup(type),
		      .text = g_strdup(text) });
}

void
news_notice(struct news *news, const char *sentence)
{
	add(news,
	    &(struct piece){ .kind = NEWS_NOTICE, .text = g_strdup(sentence) });
}
