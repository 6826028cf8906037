/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * moment - a session as another process sees it, and the packets that follow
 * from it: built from its records and the file alone, compared with what the
 * viewer gets.
 */
#ifndef T_MOMENT_H
#define T_MOMENT_H

#include "media/title.h"
#include "served.h"
#include "server/stream.h"

struct moment {
	struct table_session hot;
	struct table_session_cold cold;
	struct table_title title;
	struct table_connection connection;
};

/* One datagram or frame. */
struct built {
	unsigned flow;
	bool rtcp;
	size_t size;
	uint8_t *bytes;
};

#define BUILT_MAX 4096
struct built_list { /* zero-initialised */
	struct built at[BUILT_MAX];
	size_t count;
};

/* The session of VIEWER as the table shows it now. */
void moment_read(const struct viewer *viewer, struct moment *out);
/* The file that the record names, which is the one that was opened. */
struct title *moment_title(
    const struct served *served, const struct moment *moment);
/*
 * Where the session's next frame begins in what the connection carries: where
 * its own last one ended, or behind the replies that followed it.
 */
uint64_t moment_boundary(const struct moment *moment);

/* The next LIMIT packets and reports, fewer at the end. */
void moment_build(const struct served *served, const struct moment *moment,
    size_t limit, struct built_list *out);
/* They come, byte for byte; nothing lies between what came and them. */
void moment_expect(struct viewer *viewer, const struct moment *moment,
    const struct built_list *built);
/*
 * The worker stands still: what it has sent arrives.  Over TCP up to the
 * boundary, and one byte more if there is one.
 */
void moment_drain(struct viewer *viewer, const struct moment *moment);

#endif
