# SPDX-License-Identifier: BSD-2-Clause
"""
title - a file as the test sees it: where it is served, what ffmpeg finds in it
on disk, how long it is.
"""

import os
import struct
import subprocess

FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
# What is longer is compared over so much.
SECONDS = 10.0


class Title:
    def __init__(self, path, url):
        self.path, self.url = path, url
        self.name = os.path.basename(path)
        self.kinds = kinds_of(path)
        self.whole = path        # the same without a packet that is cut
        self.preroll = 0.0       # seconds
        self.end = last_time(path) if self.kinds else 0.0
        self.position = self.middle() if self.kinds else 0.0

    def is_long(self):
        return self.end > SECONDS

    def limit(self):
        """Options that end a play of a long title."""
        return ["-t", "%g" % SECONDS] if self.is_long() else []

    def middle(self):
        """Where to seek: what follows is as long as the rest allows."""
        at = max(min(self.end * 0.55, self.end - SECONDS), self.end / 2)
        return round(at, 2)

    def read(self, folder):
        """What ffmpeg does not tell.  And a server leaves out the packet in
        which a file breaks off, ffmpeg on disk does not: let it decode a copy
        that ends before."""
        with open(self.path, "rb") as file:
            data = file.read()
        header = struct.unpack_from("<Q", data, 16)[0]
        at = data.find(FILE_PROPERTIES, 0, header)
        self.preroll = struct.unpack_from("<Q", data, at + 80)[0] / 1000.0
        packet = struct.unpack_from("<I", data, at + 92)[0]
        declared = struct.unpack_from("<Q", data, header + 16)[0]
        if 50 < declared and header + declared <= len(data):
            return
        rest = (len(data) - header - 50) % packet
        if rest == 0:
            return
        self.whole = os.path.join(folder, "whole-" + self.name)
        with open(self.whole, "wb") as out:
            out.write(data[:len(data) - rest])


def ffprobe(path, *entries):
    done = subprocess.run(
        ["ffprobe", "-v", "quiet", "-f", "asf", "-show_entries"]
        + list(entries) + ["-of", "csv=p=0", path],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return [line.strip(",") for line in done.stdout.split()]


def kinds_of(path):
    """video and audio, one for each stream; none: ffmpeg cannot play it."""
    return [kind for kind in ffprobe(path, "stream=codec_type")
            if kind in ("audio", "video")]


def key_times(path):
    """Of the pictures."""
    found = []
    for line in ffprobe(path, "packet=codec_type,pts_time,dts_time,flags"):
        kind, *times, flags = line.split(",")[:4]
        times = [float(one) for one in times if one != "N/A"]
        if kind == "video" and "K" in flags and times:
            found.append(times[0])
    return sorted(found)


def last_time(path):
    """Of all packets, since headers lie."""
    times = [float(one) for line in ffprobe(path, "packet=pts_time,dts_time")
             for one in line.split(",") if one and one != "N/A"]
    return max(times, default=0.0)
