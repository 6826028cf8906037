/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * show - one short dialogue with a doomed server of its own: always the same
 * requests, each when the same packets have come, so that two shows differ in
 * pace only.
 */
#ifndef T_SHOW_H
#define T_SHOW_H

#include "doomed.h"
#include "pieces.h"

enum show_kind {
	/* Interleaved: two sessions, pipelined and halved requests, receiver
	 * reports, seeks, end of stream, a last reply. */
	SHOW_TCP,
	/* One session, one destination. */
	SHOW_UDP,
	/* Interleaved: two sessions whose frames end where the socket is full.
	 */
	SHOW_NARROW,
	/* UDP; requests come by a connection to another worker. */
	SHOW_ELSEWHERE,
	/* UDP; has a plan of its own: requests wait for who adopts late. */
	SHOW_LATE,
	SHOW_COUNT
};

struct show {
	struct served served;
	struct viewer viewer;
	struct dying_plan *plan;
	enum show_kind kind;
	const char *title;
	int aside; /* another control connection than the viewer's; -1: none */
	char sessions[2][64];
	char said[4096]; /* and not sent yet */
	size_t said_bytes;
	size_t before_play; /* packets */
	unsigned opened; /* descriptors of the master before */
};

/* Before the first show, behind the last. */
void show_make_titles(void);
void show_remove_titles(void);

/* A server that serves; nothing is planned yet. */
void show_begin(struct show *show, enum show_kind kind);
/* All that is to come has come, else the test fails. */
void show_perform(struct show *show);
void show_cut(const struct show *show, struct pieces *out);
/* Also that nothing is left of it, and that nothing else went wrong. */
void show_end(struct show *show);

#endif
