/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodplay: options, then the player that was asked for.
 */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "player/headless.h"
#include "player/window.h"
#include "wire/rtsp.h"

enum option_code {
	OPTION_NO_WINDOW = 256,
	OPTION_JSON,
	OPTION_COMMANDS,
	OPTION_FULL_SCREEN,
	OPTION_SEEK,
	OPTION_DURATION,
	OPTION_FRAMES_TO,
	OPTION_FRAME_HASHES,
	OPTION_LATENCY,
	OPTION_GIVE_UP,
	OPTION_HELP,
	OPTION_VERSION,
};

/* clang-format off */
static const struct option_text {
	struct option option;
	const char *argument, *text;
} options[] = {
	{ { "no-window", no_argument, NULL, OPTION_NO_WINDOW },
	  "", "play without display and sound" },
	{ { "json", no_argument, NULL, OPTION_JSON },
	  "", "tell what happens as JSON, an object a line" },
	{ { "commands", no_argument, NULL, OPTION_COMMANDS },
	  "", "read pause, play, seek SECONDS, quit from stdin" },
	{ { "full-screen", no_argument, NULL, OPTION_FULL_SCREEN },
	  "", "begin with the screen full" },
	{ { "seek", required_argument, NULL, OPTION_SEEK },
	  " SECONDS", "begin there" },
	{ { "duration", required_argument, NULL, OPTION_DURATION },
	  " SECONDS", "end after so much media" },
	{ { "frames-to", required_argument, NULL, OPTION_FRAMES_TO },
	  " FOLDER", "write each picture there, as 000001.png and so on" },
	{ { "frame-hashes", required_argument, NULL, OPTION_FRAME_HASHES },
	  " FILE", "write a hash of each picture and piece of sound" },
	{ { "latency", required_argument, NULL, OPTION_LATENCY },
	  " SECONDS", "wait so long for a packet that is missing (0.2)" },
	{ { "give-up", required_argument, NULL, OPTION_GIVE_UP },
	  " SECONDS", "try so long to restore a connection (30)" },
	{ { "help", no_argument, NULL, OPTION_HELP }, "", "this text" },
	{ { "version", no_argument, NULL, OPTION_VERSION }, "", "the version" },
};
/* clang-format on */
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static void
print_usage(FILE *out)
{
	char name[64];

	fputs("usage: vodplay [OPTION]... [ADDRESS]\n"
	      "       vodplay --no-window [OPTION]... URL\n",
	    out);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		snprintf(name, sizeof(name), "--%s%s", options[i].option.name,
		    options[i].argument);
		fprintf(out, "  %-22s  %s\n", name, options[i].text);
	}
}

/* Seconds with decimals, as in RTSP. */
static bool
parse_seconds(const char *text, uint64_t *out_us)
{
	int64_t milli;

	if (!rtsp_parse_milli(
		(struct rtsp_text){ text, strlen(text) }, &milli) ||
	    milli < 0)
		return false;
	*out_us = (uint64_t)milli * US_PER_MS;
	return true;
}

/* What is not for the head-less player. */
struct choice {
	bool no_window, full_screen;
};

/* False: no such value. */
static bool
take_option(int option, const char *value, struct headless_options *out,
    struct choice *choice)
{
	uint64_t us = 0;

	switch (option) {
	case OPTION_NO_WINDOW:
		choice->no_window = true;
		return true;
	case OPTION_FULL_SCREEN:
		choice->full_screen = true;
		return true;
	case OPTION_JSON:
		out->json = true;
		return true;
	case OPTION_COMMANDS:
		out->commands = true;
		return true;
	case OPTION_FRAMES_TO:
		out->frames_to = value;
		return true;
	case OPTION_FRAME_HASHES:
		out->frame_hashes = value;
		return true;
	case OPTION_SEEK:
		return parse_seconds(value, &out->seek_us);
	case OPTION_DURATION:
		out->has_duration = true;
		return parse_seconds(value, &out->duration_us);
	case OPTION_LATENCY:
		if (!parse_seconds(value, &us) || us > 10 * US_PER_SECOND)
			return false;
		out->latency_ms = (unsigned)(us / US_PER_MS);
		return true;
	case OPTION_GIVE_UP:
		if (!parse_seconds(value, &us) || us > 3600 * US_PER_SECOND)
			return false;
		out->give_up_ms = (unsigned)(us / US_PER_MS);
		return true;
	default:
		return false;
	}
}

static int
play_in_window(const struct headless_options *asked, bool full_screen)
{
#ifdef HAVE_WINDOW
	const struct window_options window = { .address = asked->url,
		.seek_us = asked->seek_us,
		.latency_ms = asked->latency_ms,
		.give_up_ms = asked->give_up_ms,
		.full_screen = full_screen };

	if (window_run(&window) == 0)
		return 0;
	fputs("vodplay: there is no display to show a window on; "
	      "--no-window plays without\n",
	    stderr);
#else
	(void)asked;
	(void)full_screen;
	fputs("vodplay: it was built without GTK 3 and has no window; "
	      "--no-window plays without\n",
	    stderr);
#endif
	return HEADLESS_NOT_PLAYED;
}

int
main(int argc, char *argv[])
{
	struct option longs[OPTION_COUNT + 1] = { 0 };
	struct headless_options headless = { 0 };
	struct choice choice = { 0 };
	int option;

	setlocale(LC_ALL, "");
	for (size_t i = 0; i < OPTION_COUNT; i++)
		longs[i] = options[i].option;
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option == OPTION_HELP) {
			print_usage(stdout);
			return 0;
		}
		if (option == OPTION_VERSION) {
			puts("vodplay " PACKAGE_VERSION);
			return 0;
		}
		if (option != '?' &&
		    take_option(option, optarg, &headless, &choice))
			continue;
		if (option != '?')
			fprintf(stderr, "vodplay: no such value: %s\n", optarg);
		print_usage(stderr);
		return HEADLESS_USAGE;
	}
	if (optind + 1 < argc || (choice.no_window && optind == argc)) {
		print_usage(stderr);
		return HEADLESS_USAGE;
	}
	headless.url = argv[optind]; /* NULL at the end */
	if (!choice.no_window)
		return play_in_window(&headless, choice.full_screen);
	return (int)headless_run(&headless);
}
