/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_playlist - any bytes as a play list.  What it names is whole and within
 * the limits, and can be asked for as an address.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "player/address.h"
#include "player/playlist_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_entry(void *context, const struct playlist_entry *entry)
{
	struct address address;
	int *count = context;

	++*count;
	assert(entry->url[0] != '\0');
	assert(strlen(entry->url) < PLAYLIST_URL_MAX);
	assert(strlen(entry->base) < PLAYLIST_URL_MAX);
	assert(strlen(entry->title) < PLAYLIST_TITLE_MAX);
	address_parse(entry->url, &address);
	assert((address.kind == ADDRESS_BAD) == (address.sentence != NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int count = 0;
	int result =
	    playlist_read((const char *)data, size, check_entry, &count);

	assert(result < 0 ? count == 0 : count == result);
	assert(count <= PLAYLIST_ENTRIES_MAX);
	return 0;
}
