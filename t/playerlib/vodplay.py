# SPDX-License-Identifier: BSD-2-Clause
"""
vodplay - one run of the head-less player: what it told, what it decoded.
"""

import json
import os
import subprocess
import threading
import time

from vtlib.net import patience
from vtlib.server import TROUBLE, program

VIDEO, AUDIO = 0, 1


# For builds with sanitizers.  GLib keeps some memory for ever, and is built
# without frame pointers: what is found of it (leaks) takes stacks that are
# unwound for each allocation, which costs more than all the rest.
GIVEN = os.environ.get("ASAN_OPTIONS", "handle_segv=0")
SANITIZERS = {"ASAN_OPTIONS": GIVEN + ":detect_leaks=0"}
if os.environ.get("PLAYER_LEAKS"):
    SANITIZERS = {
        "ASAN_OPTIONS":
            GIVEN + ":fast_unwind_on_malloc=0:malloc_context_size=8",
        "LSAN_OPTIONS": "print_suppressions=0:suppressions=" + os.path.join(
            os.path.dirname(os.path.abspath(__file__)), "leaks"),
    }


class Failed(Exception):
    pass


class Frame:
    def __init__(self, line):
        words = [word.strip() for word in line.split(",")]
        self.ms, self.duration = int(words[2]), int(words[3])
        self.bytes, self.hash = int(words[4]), words[5]


class Hashes:
    """What --frame-hashes wrote."""

    def __init__(self, path):
        self.frames = ([], [])
        self.format = ["", ""]
        with open(path) as file:
            for line in file:
                if line.startswith("#format ") and line[8:9] in "01":
                    kind, name = line[8:].split(":")
                    self.format[int(kind)] = name.strip()
                elif not line.startswith("#"):
                    self.frames[int(line[0])].append(Frame(line))


class Play:
    """Started at once; wait() brings the rest."""

    def __init__(self, url, *options, hashes=None, environment=None,
                 before=()):
        self.url, self.path = url, hashes
        words = [*before, program("vodplay"), "--no-window", "--json",
                 *options]
        if hashes:
            words += ["--frame-hashes", hashes]
        self.events, self.errors, self.seen = [], "", 0
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            words + ["--commands", url], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace",
            env=dict(os.environ, **SANITIZERS, **(environment or {})))
        self.changed = threading.Condition()
        self.threads = [threading.Thread(target=self.read_events),
                        threading.Thread(target=self.read_errors)]
        for thread in self.threads:
            thread.start()

    def read_events(self):
        for line in self.process.stdout:
            with self.changed:
                try:
                    self.events.append(json.loads(line))
                except ValueError:
                    self.errors += line
                self.changed.notify_all()

    def read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def tell(self, line):
        """A command; until() then looks at what comes behind it."""
        with self.changed:
            self.seen = len(self.events)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, wanted, seconds):
        """Until WANTED is true of an event."""
        end = time.monotonic() + seconds * patience()
        seen = self.seen
        with self.changed:
            while True:
                for event in self.events[seen:]:
                    if wanted(event):
                        return event
                seen = len(self.events)
                left = end - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    raise Failed("it did not come so far: %s" % self.told())
                self.changed.wait(min(left, 0.2))

    def until_position(self, ms, seconds=30):
        return self.until(lambda event: event.get("position_ms", 0) >= ms,
                          seconds)

    def until_state(self, name, seconds=30):
        return self.until(lambda event: event.get("state") == name, seconds)

    def wait(self, seconds):
        """It ends by itself; its exit status."""
        try:
            status = self.process.wait(seconds * patience())
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = None
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.begun
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()
        if TROUBLE.search(self.errors):
            raise Failed("a sanitizer: " + self.errors[:4000])
        if status is None:
            raise Failed("it did not end within %g s: %s" % (
                seconds, self.told()))
        if status < 0:
            raise Failed("it died by signal %d: %s" % (-status, self.told()))
        return status

    def played(self, seconds):
        """To the end, else Failed."""
        status = self.wait(seconds)
        if status != 0:
            raise Failed("exit %d: %s" % (status, self.told()))
        return self

    def told(self):
        return " ".join(
            event["state"] + (" (%s)" % event["reason"] if event["reason"]
                              else "")
            for event in self.events if event["event"] == "state") + (
            " " + self.errors.strip()[-500:])

    def states(self):
        return [event["state"] for event in self.events
                if event["event"] == "state"]

    def statistics(self):
        """The last ones."""
        return [event for event in self.events
                if event["event"] == "stats"][-1]

    def hashes(self):
        return Hashes(self.path)


def difference(wanted, got, whole):
    """A sentence, unless the frames of GOT are those of WANTED in a row, and
    all of them if WHOLE; else one may be cut short by its limit sooner."""
    for kind, name in enumerate(("pictures", "pieces of sound")):
        a, b = wanted.frames[kind], got.frames[kind]
        if wanted.format[kind] != got.format[kind]:
            return "%s are %s, and not %s" % (
                name, got.format[kind], wanted.format[kind])
        if abs(len(a) - len(b)) > len(b) * 0.1 + 2 or whole and (
                len(a) != len(b)):
            return "%d %s, and not %d" % (len(b), name, len(a))
        # The last piece of sound is cut at the end that a header tells.
        for at, (x, y) in enumerate(zip(a, b[:-1] if kind == AUDIO else b)):
            if (x.ms, x.hash) != (y.ms, y.hash):
                return "of %s number %d of %d is another (%d ms, %d ms)" % (
                    name, at, len(b), y.ms, x.ms)
    return None
