/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The head-less player: the engine with sinks that show nothing, and words for
 * what it tells.
 */
#include "player/headless.h"

#include <glib-unix.h>
#include <jansson.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "player/engine.h"
#include "player/frames.h"
#include "wire/rtsp.h"

#define LOOK_MS 50
#define STATISTICS_MS 1000

struct headless {
	const struct headless_options *options;
	struct engine *engine;
	struct frames *frames;
	GMainLoop *loop;
	uint64_t begun_us;
	enum headless_exit exit;
};

/* ---- words ---- */

static uint64_t
passed_us(const struct headless *headless)
{
	return (uint64_t)g_get_monotonic_time() - headless->begun_us;
}

/* Takes EVENT. */
static void
print(const struct headless *headless, const char *name, json_t *event)
{
	if (event == NULL)
		return;
	json_object_set_new(event, "event", json_string(name));
	json_object_set_new(event, "time_ms",
	    json_integer((json_int_t)(passed_us(headless) / US_PER_MS)));
	json_dumpf(event, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(event);
}

static void
print_statistics(struct headless *headless)
{
	struct frames_counts frames = frames_counts(headless->frames);
	struct engine_statistics all;
	json_t *event = json_object();

	engine_statistics(headless->engine, &all);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "position_ms",
		    engine_position_us(headless->engine) / US_PER_MS },
		{ "duration_ms",
		    engine_duration_us(headless->engine) / US_PER_MS },
		{ "bit_rate_bps", all.bit_rate_bps },
		{ "buffered_ms", all.buffered_us / US_PER_MS },
		{ "packets", all.received_packets },
		{ "bytes", all.received_bytes },
		{ "lost", all.lost_packets },
		{ "recovered", all.recovered_packets },
		{ "reordered", all.reordered_packets },
		{ "duplicates", all.duplicate_packets },
		{ "damaged", all.damaged_packets },
		{ "media_packets", all.media_packets },
		{ "jitter_us", all.jitter_us },
		{ "reconnects", all.reconnects },
		{ "network_gap_ms", all.network_gap_us / US_PER_MS },
		{ "viewer_gap_ms", all.viewer_gap_us / US_PER_MS },
		{ "pictures", frames.pictures },
		{ "picture_gap_ms", frames.picture_gap_us / US_PER_MS },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
		json_object_set_new(event, numbers[i].name,
		    json_integer((json_int_t)numbers[i].value));
	json_object_set_new(event, "transport", json_string(all.transport));
	json_object_set_new(event, "server", json_string(all.server));
	json_object_set_new(event, "software", json_string(all.software));
	print(headless, "stats", event);
}

static void
say(const struct headless *headless, const char *what, const char *reason)
{
	printf("%7.3f  %s%s%s\n", (double)passed_us(headless) / 1e6, what,
	    reason[0] != '\0' ? ": " : "", reason);
	fflush(stdout);
}

/* ---- what happens ---- */

static bool
has_played(const struct headless *headless)
{
	struct frames_counts counts = frames_counts(headless->frames);

	return counts.pictures + counts.sounds > 0;
}

static void
end(struct headless *headless, enum headless_exit how)
{
	headless->exit = how;
	g_main_loop_quit(headless->loop);
}

static void
on_state(void *context, enum engine_state state, enum engine_failure failure,
    const char *reason)
{
	struct headless *headless = context;
	const char *name = engine_state_name(state);

	(void)failure;
	if (headless->options->json)
		print(headless, "state",
		    json_pack("{s:s s:s}", "state", name, "reason", reason));
	else
		say(headless, name, reason);
	if (state == ENGINE_ENDED)
		end(headless, HEADLESS_PLAYED);
	else if (state == ENGINE_FAILED)
		end(headless, has_played(headless) ? HEADLESS_BROKE_OFF
						   : HEADLESS_NOT_PLAYED);
}

static void
on_picture(void *context, uint64_t position_us)
{
	struct headless *headless = context;

	if (headless->options->json)
		print(headless, "picture",
		    json_pack("{s:I}", "position_ms",
			(json_int_t)(position_us / US_PER_MS)));
	else
		say(headless, "picture", "");
}

static void
on_notice(void *context, const char *sentence)
{
	struct headless *headless = context;

	if (headless->options->json)
		print(
		    headless, "notice", json_pack("{s:s}", "reason", sentence));
	else
		say(headless, "notice", sentence);
}

static void
on_script(void *context, const char *type, const char *text)
{
	struct headless *headless = context;

	if (headless->options->json)
		print(headless, "script",
		    json_pack("{s:s s:s}", "type", type, "text", text));
	else
		say(headless, type, text);
}

static gboolean
on_look(gpointer context)
{
	struct headless *headless = context;
	struct frames_counts counts = frames_counts(headless->frames);

	/* Sinks keep time: all that was to be shown before is out. */
	if (headless->options->has_duration && has_played(headless) &&
	    engine_state(headless->engine) == ENGINE_PLAYING &&
	    engine_position_us(headless->engine) >
		counts.first_us + headless->options->duration_us)
		end(headless, HEADLESS_PLAYED);
	return G_SOURCE_CONTINUE;
}

static gboolean
on_second(gpointer context)
{
	struct headless *headless = context;

	if (headless->options->json)
		print_statistics(headless);
	return G_SOURCE_CONTINUE;
}

static gboolean
on_signal(gpointer context)
{
	end(context, HEADLESS_BROKE_OFF);
	return G_SOURCE_CONTINUE;
}

static void
seek(struct headless *headless, const char *argument)
{
	int64_t milli;

	if (rtsp_parse_milli(
		(struct rtsp_text){ argument, strlen(argument) }, &milli) &&
	    milli >= 0)
		engine_seek(headless->engine, (uint64_t)milli * US_PER_MS);
	else
		on_notice(headless, "Seek to which second?");
}

static void
obey(struct headless *headless, char *line)
{
	char *argument = line + strcspn(line, " ");

	if (*argument != '\0')
		*argument++ = '\0';
	if (strcmp(line, "pause") == 0)
		engine_pause(headless->engine);
	else if (strcmp(line, "play") == 0)
		engine_play(headless->engine);
	else if (strcmp(line, "seek") == 0)
		seek(headless, argument);
	else if (strcmp(line, "quit") == 0)
		end(headless, HEADLESS_PLAYED);
	else
		on_notice(headless,
		    "Commands are pause, play, seek SECONDS and quit.");
}

static gboolean
on_command(GIOChannel *channel, GIOCondition condition, gpointer context)
{
	gsize end_at;
	char *line;

	(void)condition;
	if (g_io_channel_read_line(channel, &line, NULL, &end_at, NULL) !=
	    G_IO_STATUS_NORMAL)
		return G_SOURCE_REMOVE; /* no more come */
	line[end_at] = '\0';
	obey(context, line);
	g_free(line);
	return G_SOURCE_CONTINUE;
}

static void
listen_to_commands(struct headless *headless)
{
	GIOChannel *channel = g_io_channel_unix_new(STDIN_FILENO);

	g_io_add_watch(channel, G_IO_IN | G_IO_HUP, on_command, headless);
	g_io_channel_unref(channel);
}

/* ---- from beginning to end ---- */

static bool
make_frames(struct headless *headless)
{
	const struct headless_options *options = headless->options;
	int error = frames_new(
	    options->frames_to, options->frame_hashes, &headless->frames);

	if (error != 0)
		fprintf(stderr,
		    "vodplay: pictures or hashes cannot be written "
		    "there: %s\n",
		    strerror(-error));
	return error == 0;
}

/* False: it was said why not. */
static bool
make(struct headless *headless)
{
	static const struct engine_events events = { .state = on_state,
		.picture = on_picture,
		.notice = on_notice,
		.script = on_script };
	const struct headless_options *options = headless->options;
	struct engine_options engine = { .native = true,
		.latency_ms = options->latency_ms,
		.give_up_ms = options->give_up_ms };
	int error;

	if (!make_frames(headless))
		return false;
	if (options->has_duration)
		frames_limit(headless->frames, options->duration_us);
	engine.video_sink = frames_video_sink(headless->frames);
	engine.audio_sink = frames_audio_sink(headless->frames);
	error = engine_new(&engine, &events, headless, &headless->engine);
	if (error != 0)
		fputs("vodplay: GStreamer's base plugins are missing here\n",
		    stderr);
	return error == 0;
}

static void
play(struct headless *headless)
{
	headless->begun_us = (uint64_t)g_get_monotonic_time();
	engine_open(headless->engine, headless->options->url,
	    headless->options->seek_us);
	g_timeout_add(LOOK_MS, on_look, headless);
	g_timeout_add(STATISTICS_MS, on_second, headless);
	g_unix_signal_add(SIGINT, on_signal, headless);
	g_unix_signal_add(SIGTERM, on_signal, headless);
	if (headless->options->commands)
		listen_to_commands(headless);
	g_main_loop_run(headless->loop);
	if (headless->options->json)
		print_statistics(headless);
}

enum headless_exit
headless_run(const struct headless_options *options)
{
	struct headless headless = { .options = options,
		.exit = HEADLESS_NOT_PLAYED };
	int error;

	gst_init(NULL, NULL);
	setlocale(LC_NUMERIC, "C");
	headless.loop = g_main_loop_new(NULL, FALSE);
	if (make(&headless))
		play(&headless);
	engine_free(headless.engine);
	g_main_loop_unref(headless.loop);
	error = frames_free(headless.frames);
	if (error != 0) {
		fprintf(stderr,
		    "vodplay: not all pictures and hashes were written: %s\n",
		    strerror(-error));
		return HEADLESS_NOT_PLAYED;
	}
	return headless.exit;
}
