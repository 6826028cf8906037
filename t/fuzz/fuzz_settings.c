/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_settings - any bytes as a configuration file, and as an option.  What
 * is refused changes nothing and says so in one line; what is accepted is
 * within its limits, can be printed, and reads then as it did before.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "base/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig 1.5 forgets the text it was reading at a syntax error. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

struct target {
	uint64_t count, rate, size, time, choice;
	bool truth;
	char text[SETTINGS_TEXT_MAX];
	struct settings_list list;
	struct settings_range range;
	double number;
};

#define AT(field) offsetof(struct target, field)

static const char *const choices[] = { "error", "info", NULL };

/* clang-format off */
static const struct settings_row rows[] = {
	{ "count", SETTINGS_COUNT, AT(count), "40", 1, 4000, NULL, "" },
	{ "rate", SETTINGS_RATE, AT(rate), "0", 0, 1000000000, NULL, "" },
	{ "size", SETTINGS_SIZE, AT(size), "1 MiB", 1, UINT64_MAX, NULL, "" },
	{ "time", SETTINGS_TIME, AT(time), "60 s", 1, 3600000000, NULL, "" },
	{ "truth", SETTINGS_BOOL, AT(truth), "true", 0, 1, NULL, "" },
	{ "text", SETTINGS_TEXT, AT(text), "", 0, 0, NULL, "" },
	{ "list", SETTINGS_TEXT_LIST, AT(list), "", 0, 0, NULL, "" },
	{ "range", SETTINGS_RANGE, AT(range), "", 1024, 65535, NULL, "" },
	{ "choice", SETTINGS_CHOICE, AT(choice), "info", 0, 1, choices, "" },
	{ "number", SETTINGS_NUMBER, AT(number), "2", 1, 16, NULL, "" },
};
/* clang-format on */

static int
read_bytes(const void *data, size_t size, struct target *target)
{
	char error[SETTINGS_ERROR_MAX] = "", file[64];
	int fd = memfd_create("settings", MFD_CLOEXEC), result;

	assert(fd != -1);
	assert(write(fd, data, size) == (ssize_t)size);
	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	result = settings_read(rows, ARRAY_LENGTH(rows), file, target, error);
	close(fd);
	if (result != 0) {
		assert(strncmp(error, file, strlen(file)) == 0);
		assert(strchr(error, '\n') == NULL);
		assert(memchr(error, '\0', sizeof(error)) != NULL);
	}
	return result;
}

static void
check_limits(const struct target *target)
{
	assert(target->count >= 1 && target->count <= 4000);
	assert(target->rate <= 1000000000);
	assert(target->size >= 1);
	assert(target->time >= 1 && target->time <= 3600000000);
	assert(memchr(target->text, '\0', sizeof(target->text)) != NULL);
	assert(target->list.count <= SETTINGS_LIST_MAX);
	for (unsigned i = 0; i < target->list.count; i++)
		assert(target->list.text[i][0] != '\0');
	assert(target->range.last == 0 ||
	       (target->range.first >= 1024 &&
		   target->range.first <= target->range.last));
	assert(target->choice <= 1);
	assert(target->number >= 1 && target->number <= 16);
}

static char *
print(const struct target *target, size_t *size)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, size);

	assert(stream != NULL);
	settings_print(rows, ARRAY_LENGTH(rows), target, stream);
	fclose(stream);
	return text;
}

static void
check_printed(const struct target *target)
{
	struct target again;
	char *first, *second;
	size_t first_size, second_size;

	settings_defaults(rows, ARRAY_LENGTH(rows), &again);
	first = print(target, &first_size);
	assert(read_bytes(first, first_size, &again) == 0);
	second = print(&again, &second_size);
	assert(strcmp(first, second) == 0);
	free(first);
	free(second);
}

/* With what comes before a NUL, as a command line has it. */
static int
override(const uint8_t *data, size_t size, struct target *target)
{
	char error[SETTINGS_ERROR_MAX] = "";
	char *text = strndup((const char *)data, size);
	int result;

	assert(text != NULL);
	result =
	    settings_override(rows, ARRAY_LENGTH(rows), text, target, error);
	assert(result == 0 || strncmp(error, "-o ", 3) == 0);
	free(text);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct target usual; /* without rubbish between its fields */
	struct target target;

	settings_defaults(rows, ARRAY_LENGTH(rows), &usual);
	memcpy(&target, &usual, sizeof(target));
	if (read_bytes(data, size, &target) != 0)
		assert(memcmp(&target, &usual, sizeof(target)) == 0);
	check_limits(&target);
	check_printed(&target);

	memcpy(&target, &usual, sizeof(target));
	if (size > 0 && override(data, size, &target) != 0)
		assert(memcmp(&target, &usual, sizeof(target)) == 0);
	check_limits(&target);
	check_printed(&target);
	return 0;
}
