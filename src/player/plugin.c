/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vodsrc as a plugin, for whatever else is built on GStreamer.  It has no rank:
 * who wants it names it.
 *
 * What asfdemux does to seeks is put right in engine.c (on_segment()), not
 * here: in other programs the picture stands still behind a seek for as long
 * as the title played before it.
 */
#include <gst/gst.h>

#include "player/source.h"

static gboolean
plugin_init(GstPlugin *plugin)
{
	return source_register(plugin, GST_RANK_NONE);
}

/* The macro casts its texts' const away. */
#pragma GCC diagnostic ignored "-Wcast-qual"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, vodsrc,
    "Video on demand: ASF over RTSP", plugin_init, PACKAGE_VERSION, "BSD",
    PACKAGE_NAME, "https://www.rfc-editor.org/rfc/rfc2326")
