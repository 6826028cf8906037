# SPDX-License-Identifier: BSD-2-Clause
"""
disk - what ffmpeg decodes of a file, to be compared with what vodplay did.
"""

import functools
import struct
import subprocess
import uuid

from playerlib.vodplay import VIDEO
from vtlib.net import patience

PIXELS = {"I420": "yuv420p", "Y42B": "yuv422p", "BGR": "bgr24",
          "RGB": "rgb24", "BGRx": "bgr0", "RGB16": "rgb565le",
          "RGB15": "rgb555le"}


BIT_RATES = uuid.UUID("7bf875ce-468d-11d1-8d82-006097c9a2b2").bytes_le


def tell_rates(path, rates):
    """To the header a Stream Bitrate Properties Object, which ffmpeg leaves
    out: RATES of streams 1, 2 and so on."""
    with open(path, "rb") as file:
        data = file.read()
    told = struct.pack("<H", len(rates)) + b"".join(
        struct.pack("<HI", number, rate)
        for number, rate in enumerate(rates, 1))
    told = BIT_RATES + struct.pack("<Q", 24 + len(told)) + told
    size, count = struct.unpack_from("<QI", data, 16)
    with open(path, "wb") as file:
        file.write(data[:16] + struct.pack("<QI", size + len(told), count + 1)
                   + data[28:size] + told + data[size:])


def run(words):
    done = subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", *words],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60 * patience())
    return done.stdout


@functools.lru_cache(None)
def pictures(path, number, pixels, seconds=None):
    """The hash of each."""
    limit = [] if seconds is None else ["-t", "%g" % seconds]
    out = run(["-i", path, *limit, "-map", "0:v:%d" % number,
               "-fps_mode", "passthrough", "-pix_fmt", pixels,
               "-f", "framemd5", "-"]).decode()
    return [line.split(",")[-1].strip() for line in out.splitlines()
            if line and not line.startswith("#")]


def pixels(path, number):
    """Of one picture, red, green and blue."""
    return run(["-i", path, "-map", "0:v:0", "-vf", "select=eq(n\\,%d)" %
                number, "-frames:v", "1", "-pix_fmt", "rgb24", "-f",
                "rawvideo", "-"])


def difference(path, kinds, got, seconds):
    """A sentence, unless the pictures are those of one of the file's streams,
    from its beginning.  (Of sound GStreamer gives more at the beginning, and
    in other pieces.)"""
    hashes = [frame.hash for frame in got.frames[VIDEO]]
    count = kinds.count("video")
    if bool(count) != bool(hashes):
        return "%d pictures of %d streams" % (len(hashes), count)
    if count and not any(
            pictures(path, number, PIXELS[got.format[VIDEO]],
                     seconds + 2)[:len(hashes)] == hashes
            for number in range(count)):
        return "the %d pictures are not ffmpeg's" % len(hashes)
    return None


def part_difference(path, kinds, got):
    """The same for what was played from somewhere within."""
    hashes = [frame.hash for frame in got.frames[VIDEO]]
    for number in range(kinds.count("video")):
        whole = pictures(path, number, PIXELS[got.format[VIDEO]])
        for at in range(len(whole) - len(hashes) + 1):
            if whole[at:at + len(hashes)] == hashes:
                return None
    return "the %d pictures are not ffmpeg's in a row" % len(hashes) if (
        "video" in kinds) else None
