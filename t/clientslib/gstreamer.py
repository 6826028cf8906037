# SPDX-License-Identifier: BSD-2-Clause
"""
gstreamer - what it decodes, from disk or from the network: the raw bytes of
each stream, in files.
"""

import hashlib
import os
import re
import subprocess
import threading
import time

from clientslib.title import SECONDS

ELEMENTS = ("uridecodebin", "rtspsrc", "rtpasfdepay", "asfdemux", "avdec_wmv2",
            "avdec_wmav2", "filesink")
QUEUE = ["queue", "max-size-time=0", "max-size-bytes=0", "max-size-buffers=0"]
ENDED = re.compile(r"/GstIdentity:i(\d+): last-message = event .*type: eos ")
PASSED = re.compile(r"/GstIdentity:i(\d+): last-message = chain .*?"
                    r"\((\d+) bytes, .*? pts: ([\d:.]+|none),")
# A client's own start, and how far to decode from disk.
START = 2.0
BEYOND = SECONDS + 6.0


class Failed(Exception):
    pass


def missing():
    """What is not installed, or None."""
    try:
        for element in ELEMENTS:
            subprocess.run(["gst-inspect-1.0", "--exists", element],
                           check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        subprocess.run(["gst-launch-1.0", "--version"], check=True,
                       stdout=subprocess.DEVNULL)
    except FileNotFoundError as error:
        return error.filename
    except subprocess.CalledProcessError:
        return "element " + element
    return None


class Play:
    """One gst-launch, decoding each stream into a file."""

    def __init__(self, source, kinds, base, bound):
        self.kinds, self.base, self.bound = kinds, base, bound
        words = ["gst-launch-1.0", *source, "name=d"]
        for number, kind in enumerate(kinds):
            words += ["d.", "!", kind + "/x-raw", "!", *QUEUE, "!",
                      "identity", "name=i%d" % number, "silent=false", "!",
                      "filesink", "sync=false", "async=false",
                      "buffer-mode=unbuffered",
                      "location=" + self.output(number)]
        self.words = words

    def output(self, number):
        return "%s.%d" % (self.base, number)

    def sizes(self):
        return [os.path.getsize(self.output(number))
                if os.path.exists(self.output(number)) else 0
                for number in range(len(self.kinds))]

    def digest(self, number, size):
        """Of the first SIZE bytes."""
        summed = hashlib.md5()
        with open(self.output(number), "rb") as file:
            while size > 0:
                data = file.read(min(size, 1 << 20))
                if not data:
                    raise Failed("a file is %d bytes short" % size)
                summed.update(data)
                size -= len(data)
        return summed.hexdigest()

    def remove(self):
        for number in range(len(self.kinds)):
            if os.path.exists(self.output(number)):
                os.unlink(self.output(number))

    def start(self, verbose):
        words = self.words[:1] + (["-v"] if verbose else []) + self.words[1:]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True,
                                errors="replace")

    def from_disk(self, whole):
        """All of it, or for longer than is played over the network."""
        over, times = set(), [0.0] * len(self.kinds)
        self.need = [0] * len(self.kinds)  # bytes of the first SECONDS
        last = ""
        with self.start(True) as process:
            timer = threading.Timer(self.bound, process.kill)
            timer.start()
            for line in process.stdout:
                if line.startswith("ERROR"):
                    last = line.strip()
                match = ENDED.search(line)
                if match is not None:
                    over.add(int(match.group(1)))
                match = PASSED.search(line)
                if match is not None:
                    number = int(match.group(1))
                    if match.group(3) != "none":
                        times[number] = seconds(match.group(3))
                    if times[number] < SECONDS:
                        self.need[number] += int(match.group(2))
                    if times[number] >= BEYOND and not whole:
                        over.add(number)
                if len(over) == len(self.kinds):
                    # At its end it sometimes hangs, with all files written.
                    process.kill()
                    break
            timer.cancel()
        # It may end, having played all, before it has told of each stream.
        if len(over) < len(self.kinds) and process.returncode != 0:
            raise Failed(last or "did not end within %g s" % self.bound)

    def from_network(self, preroll):
        """To its end (None), or until SECONDS of the title must have come:
        some encoders send sound as late as PREROLL allows."""
        last = []
        whole = preroll is None
        enough = 0 if whole else SECONDS + START + preroll
        with self.start(False) as process:
            reader = threading.Thread(
                target=lambda: last.extend(
                    line.strip() for line in process.stdout
                    if line.startswith("ERROR")))
            reader.start()
            begin = time.monotonic()
            while process.poll() is None:
                took = time.monotonic() - begin
                if took > self.bound or (not whole and took > enough
                                         and all(self.sizes())):
                    break
                time.sleep(0.1)
            ended = process.poll()
            if ended is None:
                process.kill()
            reader.join()
        if ended is None and (whole or not all(self.sizes())):
            raise Failed("did not end within %g s, with %s" % (
                self.bound, self.sizes()))
        if ended not in (None, 0):
            raise Failed(last[0] if last else "exit %d" % ended)

    def must_fail(self):
        """What is wrong, if it does not."""
        try:
            self.from_network(None)
        except Failed as failed:
            return None if not any(self.sizes()) else str(failed)
        return "is decoded, which it is not from disk"


def is_same(here, a, there, b, whole):
    """Whether stream A of one play is stream B of the other."""
    sizes = here.sizes()[a], there.sizes()[b]
    size = min(sizes)
    if here.kinds[a] != there.kinds[b] or whole and sizes[0] != sizes[1]:
        return False
    if not whole and size < here.need[a] * 0.9:
        return False
    return here.digest(a, size) == there.digest(b, size)


def difference(here, there, whole):
    """A sentence, when what was decoded from disk and over the network is not
    the same.  Streams of one kind come in any order."""
    left = list(range(len(there.kinds)))
    for a in range(len(here.kinds)):
        for b in left:
            if is_same(here, a, there, b, whole):
                left.remove(b)
                break
        else:
            return "no stream is %s %d from disk: bytes from disk %s, over " \
                "the network %s" % (here.kinds[a], a,
                                    list(zip(here.kinds, here.sizes())),
                                    list(zip(there.kinds, there.sizes())))
    return None


def seconds(text):
    hours, minutes, rest = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def disk(path):
    return ["filesrc", "location=" + path, "!", "decodebin"]


def network(url, transport):
    # rtspu:// is RTP over UDP, rtspt:// interleaved.
    return ["uridecodebin", "uri=rtsp%s%s" % (transport[0], url[4:])]
