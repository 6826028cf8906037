/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay - feeds files to a fuzz target where there is no libFuzzer: those and
 * the folders named as arguments, without any the target's own corpus.  What
 * it finds it shows by dying; exit status 1 when there was nothing to feed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long fed;

/* A buffer of exactly the size, so that a sanitizer sees one byte too many. */
static int
feed_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(size > 0 ? size : 1);
	int error = 0;

	if (file == NULL || data == NULL ||
	    fread(data, 1, size, file) != size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		error = -EIO;
	} else {
		LLVMFuzzerTestOneInput(data, size);
		fed++;
	}
	free(data);
	if (file != NULL)
		fclose(file);
	return error;
}

static int feed(const char *path);

static int
feed_folder(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);
	int error = 0;
	char name[4096];

	if (count == -1) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -EIO;
	}
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && feed(name) != 0)
			error = -EIO;
		free(entries[i]);
	}
	free(entries);
	return error;
}

static int
feed(const char *path)
{
	struct stat status;

	if (stat(path, &status) == -1) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -EIO;
	}
	if (S_ISDIR(status.st_mode))
		return feed_folder(path);
	return feed_file(path, (size_t)status.st_size);
}

/* fuzz_X replays t/fuzz/corpus/X below the source tree that make check names.
 */
static int
feed_own_corpus(void)
{
	const char *srcdir = getenv("srcdir");
	const char *target = strstr(program_invocation_short_name, "fuzz_");
	char path[4096];

	if (target == NULL) {
		fputs("replay: the program's name is not fuzz_X\n", stderr);
		return -EINVAL;
	}
	snprintf(path, sizeof(path), "%s/t/fuzz/corpus/%s",
	    srcdir != NULL ? srcdir : ".", target + strlen("fuzz_"));
	return feed(path);
}

int
main(int argc, char **argv)
{
	int error = argc == 1 ? feed_own_corpus() : 0;

	for (int i = 1; i < argc; i++)
		if (feed(argv[i]) != 0)
			error = -EIO;
	printf("%s: %lu inputs\n", program_invocation_short_name, fed);
	return error == 0 && fed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
