/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source - a file given by a person: opens it as a title, or says why not.
 *
 * The server opens titles beneath its media root.  Here the root is the folder
 * of the file, found by realpath(3): a person may name any file and follow any
 * link.  Not responsible for printing.
 */
#include "prepare/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* title_open() tells absent and forbidden alike: here a person may know. */
static const char *
absence(const char *path)
{
	struct stat status;

	if (stat(path, &status) == -1)
		return strerror(errno);
	if (!S_ISREG(status.st_mode))
		return "not a regular file";
	if (access(path, R_OK) == -1)
		return strerror(errno);
	return strerror(ENOENT);
}

const char *
source_open(const char *path, struct title **out)
{
	enum asf_result reason = ASF_OK;
	char *real = realpath(path, NULL), *slash;
	int folder, error;

	if (real == NULL)
		return strerror(errno);
	slash = strrchr(real, '/');
	*slash = '\0';
	folder =
	    open(*real != '\0' ? real : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	error =
	    folder != -1 ? title_open(folder, slash + 1, out, &reason) : -errno;
	if (folder != -1)
		close(folder);
	free(real);
	if (error == -EBADMSG)
		return asf_result_text(reason);
	if (error == -ENOENT)
		return absence(path);
	return error != 0 ? strerror(-error) : NULL;
}

/* Bytes of the character at TEXT, 0 when it is none to be shown. */
static size_t
character_bytes(const unsigned char *text)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t bytes = 0;
	uint32_t code;

	if (text[0] < 0x80)
		return text[0] >= 0x20 && text[0] != 0x7f ? 1 : 0;
	while (bytes < 8 && (text[0] << bytes & 0x80) != 0)
		bytes++;
	if (bytes < 2 || bytes > 4)
		return 0;
	code = text[0] & (0x7fu >> bytes);
	for (size_t i = 1; i < bytes; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3fu);
	}
	/* Overlong, beyond Unicode, a surrogate, C1, no character. */
	if (code < least[bytes] || code > 0x10ffff || code < 0xa0 ||
	    (code >= 0xd800 && code <= 0xdfff) || (code & 0xfffe) == 0xfffe)
		return 0;
	return bytes;
}

void
source_text(const char *text, char *out, size_t size)
{
	size_t used = 0, bytes;

	while (*text != '\0') {
		bytes = character_bytes((const unsigned char *)text);
		if (MAX_OF(bytes, 1u) >= size - used)
			break;
		if (bytes == 0)
			out[used++] = '?';
		memcpy(out + used, text, bytes);
		used += bytes;
		text += MAX_OF(bytes, 1u);
	}
	out[used] = '\0';
}
