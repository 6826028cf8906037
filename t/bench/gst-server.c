/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gst-server - gst-rtsp-server as its own examples use it, a pipeline for each
 * session; nothing is tuned.  MP4 files, for what another server costs for the
 * same pictures; and ASF files, for whether the player plays from another one.
 */
#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <stdio.h>
#include <sys/resource.h>

#define MP4                                                                    \
	"qtdemux name=demux demux.video_0 ! queue ! mpeg4videoparse ! "        \
	"rtpmp4vpay name=pay0 pt=96 "                                          \
	"demux.audio_0 ! queue ! mpegaudioparse ! rtpmpapay name=pay1 pt=97"
#define ASF "asfparse ! rtpasfpay name=pay0"

static void
add_title(GstRTSPMountPoints *mounts, const char *path)
{
	GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
	gchar *name = g_path_get_basename(path);
	gchar *mount = g_strdup_printf("/%s", name);
	gchar *launch = g_strdup_printf("( filesrc location=\"%s\" ! %s )",
	    path, g_str_has_suffix(name, ".mp4") ? MP4 : ASF);

	gst_rtsp_media_factory_set_launch(factory, launch);
	gst_rtsp_mount_points_add_factory(mounts, mount, factory);
	g_free(launch);
	g_free(mount);
	g_free(name);
}

int
main(int argc, char **argv)
{
	struct rlimit files = { 1 << 20, 1 << 20 };
	GstRTSPMountPoints *mounts;
	GstRTSPServer *server;
	GMainLoop *loop;

	if (argc < 2) {
		fprintf(stderr, "usage: gst-server FILE...\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	gst_init(NULL, NULL);
	loop = g_main_loop_new(NULL, FALSE);
	server = gst_rtsp_server_new();
	gst_rtsp_server_set_address(server, "127.0.0.1");
	gst_rtsp_server_set_service(server, "0");
	gst_rtsp_server_set_backlog(server, 1024);
	mounts = gst_rtsp_server_get_mount_points(server);
	for (int i = 1; i < argc; i++)
		add_title(mounts, argv[i]);
	g_object_unref(mounts);
	if (gst_rtsp_server_attach(server, NULL) == 0) {
		fprintf(stderr, "gst-server: cannot listen\n");
		return 1;
	}
	printf("port %d\n", gst_rtsp_server_get_bound_port(server));
	fflush(stdout);
	g_main_loop_run(loop);
	return 0;
}
