# SPDX-License-Identifier: BSD-2-Clause
"""
ffmpeg - what it decodes, from disk or from the network: the hash of each frame,
per stream.
"""

import collections
import fractions
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


def decode(source, options=(), limit=(), bound=60):
    """Of each stream, (seconds, hash) of each frame."""
    out, _ = run(["ffmpeg", "-nostdin", "-loglevel", "error", *options, *limit,
                  "-i", source, "-map", "0:v?", "-map", "0:a?",
                  "-fps_mode", "passthrough", "-f", "framemd5", "-"], bound)
    found, units = collections.defaultdict(list), {}
    for line in out.splitlines():
        if line.startswith("#tb "):
            stream, unit = line[4:].split(": ")
            units[stream] = fractions.Fraction(unit)
        elif not line.startswith("#"):
            words = [word.strip() for word in line.split(",")]
            found[words[0]].append(
                (float(int(words[2]) * units[words[0]]), words[5]))
    return list(found.values())


def frames(source, options=(), limit=(), bound=60):
    """The hashes of the frames of each stream, in an order that does not
    depend on the streams' numbers."""
    return sorted([one for _, one in stream] for stream in decode(
        source, options, limit, bound))


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


def is_part(got, whole, at_end):
    """Whether the frames GOT stand in WHOLE, one behind the other, up to its
    end unless something else ended them.  Sound is cut exactly where ffmpeg
    seeks to, and at a limit: the first frame and the last ones may be parts."""
    middle = got[1:] if at_end else got[1:-2]
    if not middle:
        return True
    for at in range(len(whole) - len(middle) + 1):
        if whole[at:at + len(middle)] == middle:
            return not at_end or at + len(middle) == len(whole)
    return False


def seek_difference(begun, got, position, limit):
    """GOT is what was shown behind a seek.  It must be of what is decoded when
    one begins where the server began (BEGUN), all of it behind the position,
    and the server must not have begun behind it."""
    if min(stream[0][0] for stream in begun) > position + 0.1:
        return "begins behind the position"
    for stream in got:
        hashes = [one for _, one in stream]
        if not any(is_part(hashes, [one for _, one in other], limit is None)
                   for other in begun):
            return "%d frames are not those of the file in a row" % len(stream)
    until = float("inf") if limit is None else position + limit
    wanted = sorted(sum(position <= at < until for at, _ in stream)
                    for stream in begun)
    counts = sorted(len(stream) for stream in got)
    counts = [0] * (len(wanted) - len(counts)) + counts
    if any(abs(a - b) > 2 for a, b in zip(wanted, counts)):
        return "frames behind the position: %s, over the network %s" % (
            wanted, counts)
    return None


def first_frame(source, options, bound=30):
    """Seconds until the first picture or sound is decoded."""
    begin = time.monotonic()
    run(["ffmpeg", "-nostdin", "-loglevel", "error", *options, "-i", source,
         "-frames", "1", "-f", "null", "-"], bound)
    return time.monotonic() - begin
