# SPDX-License-Identifier: BSD-2-Clause
"""
ffmpeg - what it decodes, from disk or from the network: the hash of each frame,
per stream.
"""

import collections
import subprocess
import time


class Failed(Exception):
    pass


def run(words, bound):
    """Output and errors of a client; it gets BOUND seconds."""
    with subprocess.Popen(words, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace") as process:
        try:
            out, errors = process.communicate(timeout=bound)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed("did not end within %g s" % bound)
    if process.returncode != 0:
        last = errors.strip().splitlines()[-1:] or [""]
        raise Failed("exit %d: %s" % (process.returncode, last[0]))
    return out, errors


def frames(source, options=(), limit=(), bound=60):
    """The hashes of the frames of each stream, in an order that does not
    depend on the streams' numbers."""
    out, _ = run(["ffmpeg", "-nostdin", "-loglevel", "error", *options, *limit,
                  "-i", source, "-map", "0:v?", "-map", "0:a?",
                  "-fps_mode", "passthrough", "-f", "framemd5", "-"], bound)
    found = collections.defaultdict(list)
    for line in out.splitlines():
        if not line.startswith("#"):
            words = [word.strip() for word in line.split(",")]
            found[words[0]].append(words[5])
    return sorted(found.values())


def difference(wanted, got):
    """A sentence, when they are not the same."""
    if wanted == got:
        return None
    if [len(one) for one in wanted] != [len(one) for one in got]:
        return "frames from disk %s, over the network %s" % (
            [len(one) for one in wanted], [len(one) for one in got])
    for number, (a, b) in enumerate(zip(wanted, got)):
        for at, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return "stream %d of %d: frame %d of %d is another" % (
                    number, len(wanted), at, len(a))
    return "not the same"


def first_frame(source, options, bound=30):
    """Seconds until the first picture or sound is decoded."""
    begin = time.monotonic()
    run(["ffmpeg", "-nostdin", "-loglevel", "error", *options, "-i", source,
         "-frames", "1", "-f", "null", "-"], bound)
    return time.monotonic() - begin
