/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * captions - script commands and captions of the title that plays: those of
 * its header, and those that come as a stream of their own.  They are read
 * from what the demultiplexer gets, from whatever source, since it drops them.
 */
#ifndef PLAYER_CAPTIONS_H
#define PLAYER_CAPTIONS_H

#include <gst/gst.h>
#include <stdbool.h>

#include "player/prologue.h"

struct captions; /* opaque */

/* What the title's own server said of it, when it is not what passes; else
 * NULL.  Called on a streaming thread. */
typedef const struct prologue *captions_prologue(void *context);
typedef void captions_due(void *context, const char *type, const char *text);

struct captions *captions_new(captions_prologue *prologue, void *context);
void captions_free(struct captions *captions); /* accepts NULL */

/* DEMUXER is about to get a title. */
void captions_watch(struct captions *captions, GstElement *demuxer);
void captions_forget(struct captions *captions); /* no title any more */

/* False: none are in the title, as far as its header came. */
bool captions_may_come(struct captions *captions);

/* The title goes on at POSITION_US: what is before is not due any more. */
void captions_go_to(struct captions *captions, uint64_t position_us);
/* DUE is called for those that became due on the way to POSITION_US. */
void captions_tell(struct captions *captions, uint64_t position_us,
    captions_due *due, void *context);

#endif
