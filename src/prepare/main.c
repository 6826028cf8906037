/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodasf: inspect and prepare files.  Here are the options and the help; info,
 * index and playlist do what is asked.
 */
#include <getopt.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "prepare/index.h"
#include "prepare/info.h"
#include "prepare/playlist.h"

enum exit_status { EXIT_OK, EXIT_OTHER, EXIT_USAGE };

static void
usage_print(FILE *out)
{
	fputs("usage: vodasf info [--json] FILE\n"
	      "       vodasf index [-f] FILE -o OUT\n"
	      "       vodasf playlist DIR --base rtsp://HOST/ [--m3u]\n"
	      "       vodasf -V | --help\n",
	    out);
}

static int
usage_wrong(void)
{
	usage_print(stderr);
	return EXIT_USAGE;
}

static void
help_print(void)
{
	usage_print(stdout);
	fputs("\nInspect and prepare ASF files (.asf .wmv .wma) for vodd.\n\n"
	      "  info       what the file holds; exit status 1 and the reason\n"
	      "             when it could not be served\n"
	      "    --json       as one JSON object, see vodasf(1)\n"
	      "  index      a copy with an index to seek by and a true header\n"
	      "    -o, --output OUT   where to\n"
	      "    -f, --force        replace OUT\n"
	      "  playlist   an .asx of everything in DIR that can be served\n"
	      "    --base URL   where DIR is served: rtsp://HOST/\n"
	      "    --m3u        an extended .m3u instead\n\n"
	      "Exit status: 0; 1 for errors; 2 for wrong usage.\n",
	    stdout);
}

static int
run_info(int argc, char **argv)
{
	static const struct option names[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option != 'j')
			return usage_wrong();
		json = true;
	}
	if (optind + 1 != argc)
		return usage_wrong();
	return info_run(argv[optind], json);
}

static int
run_index(int argc, char **argv)
{
	static const struct option names[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	const char *out = NULL;
	bool force = false;
	int option;

	while ((option = getopt_long(argc, argv, "o:f", names, NULL)) != -1) {
		switch (option) {
		case 'o':
			out = optarg;
			break;
		case 'f':
			force = true;
			break;
		default:
			return usage_wrong();
		}
	}
	if (optind + 1 != argc || out == NULL || *out == '\0')
		return usage_wrong();
	return index_run(argv[optind], out, force);
}

/* rtsp://HOST, and the schemes that players have for a transport. */
static bool
base_is_good(const char *base)
{
	static const char *const schemes[] = { "rtsp://", "rtspt://",
		"rtspu://" };

	for (unsigned i = 0; i < ARRAY_LENGTH(schemes); i++) {
		size_t length = strlen(schemes[i]);

		if (strncmp(base, schemes[i], length) == 0)
			return base[length] != '\0' && base[length] != '/' &&
			       strpbrk(base, " \"<>\\^`{|}\r\n\t") == NULL;
	}
	return false;
}

static int
run_playlist(int argc, char **argv)
{
	static const struct option names[] = {
		{ "base", required_argument, NULL, 'b' },
		{ "m3u", no_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	const char *base = NULL;
	bool m3u = false;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'b':
			base = optarg;
			break;
		case 'm':
			m3u = true;
			break;
		default:
			return usage_wrong();
		}
	}
	if (optind + 1 != argc || base == NULL)
		return usage_wrong();
	if (!base_is_good(base)) {
		fprintf(stderr, "vodasf: --base takes rtsp://HOST/, not '%s'\n",
		    base);
		return EXIT_USAGE;
	}
	return playlist_run(argv[optind], base, m3u);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{ "info", run_info },
		{ "index", run_index },
		{ "playlist", run_playlist },
	};

	setlocale(LC_CTYPE, "");
	if (argc < 2)
		return usage_wrong();
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
		puts("vodasf " PACKAGE_VERSION);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
		help_print();
		return EXIT_OK;
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "vodasf: what is '%s'?\n", argv[1]);
	return usage_wrong();
}
