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

    def streams(self, sizes):
        return sorted((kind, size, self.digest(number, size))
                      for number, (kind, size)
                      in enumerate(zip(self.kinds, sizes)))

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
        """(kind, bytes, digest) of each stream: of all, or of the buffers that
        begin in the first SECONDS."""
        have = [0] * len(self.kinds)
        over, ended = set(), set()
        last = ""
        with self.start(True) as process:
            timer = threading.Timer(self.bound, process.kill)
            timer.start()
            for line in process.stdout:
                if line.startswith("ERROR"):
                    last = line.strip()
                match = ENDED.search(line)
                if match is not None:
                    ended.add(int(match.group(1)))
                match = PASSED.search(line)
                if match is not None:
                    number = int(match.group(1))
                    if not whole and seconds(match.group(3)) >= SECONDS:
                        over.add(number)
                    elif number not in over:
                        have[number] += int(match.group(2))
                if len(over | ended) == len(self.kinds):
                    # It sometimes hangs here, with all its files written.
                    process.kill()
                    break
            timer.cancel()
        if len(over | ended) < len(self.kinds):
            raise Failed(last or "did not end within %g s" % self.bound)
        for number in ended - over:
            have[number] = self.sizes()[number]
        return self.streams(have)

    def from_network(self, wanted, whole):
        """The same; it ends by itself, or has what is WANTED."""
        last = []
        with self.start(False) as process:
            reader = threading.Thread(
                target=lambda: last.extend(
                    line.strip() for line in process.stdout
                    if line.startswith("ERROR")))
            reader.start()
            end = time.monotonic() + self.bound
            while (process.poll() is None and time.monotonic() < end
                   and (whole or not self.has(wanted))):
                time.sleep(0.1)
            ended = process.poll()
            if ended is None:
                process.kill()
            reader.join()
        if ended is None and (whole or not self.has(wanted)):
            raise Failed("did not end within %g s, with %s" % (
                self.bound, self.sizes()))
        if ended not in (None, 0):
            raise Failed(last[0] if last else "exit %d" % ended)
        if whole:
            return self.streams(self.sizes())
        return self.match(wanted)

    def has(self, wanted):
        need = sorted((kind, size) for kind, size, _ in wanted)
        have = sorted(zip(self.kinds, self.sizes()))
        return all(a[1] <= b[1] for a, b in zip(need, have))

    def match(self, wanted):
        """Streams of one kind come in any order: each beginning that is wanted
        is looked for in all of them."""
        left = list(range(len(self.kinds)))
        found = []
        for kind, size, digest in wanted:
            for number in left:
                if (self.kinds[number] == kind and self.sizes()[number] >= size
                        and self.digest(number, size) == digest):
                    left.remove(number)
                    found.append((kind, size, digest))
                    break
        return found + [(self.kinds[number], self.sizes()[number], "another")
                        for number in left]


def seconds(text):
    if text == "none":
        return 0.0
    hours, minutes, rest = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def disk(path):
    return ["filesrc", "location=" + path, "!", "decodebin"]


def network(url, transport):
    # rtspu:// is RTP over UDP, rtspt:// interleaved.
    return ["uridecodebin", "uri=rtsp%s%s" % (transport[0], url[4:])]


def difference(wanted, got):
    if sorted(wanted) == sorted(got):
        return None
    return "bytes from disk %s, over the network %s" % (
        [(kind, size) for kind, size, _ in sorted(wanted)],
        [(kind, size) for kind, size, _ in sorted(got)])
