#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
clients - plays titles with ffmpeg and GStreamer: what they decode over the
network must be what they decode from disk, frame for frame.

usage: clients.py [--few] [-v] [NAME...]

Of each file in media/ and in the folder that VODD_TEST_MEDIA names which
ffmpeg can play from disk: ffmpeg over UDP and TCP, from the start and after a
seek; GStreamer over UDP and TCP from the start.  Titles of more than 10 s are
compared over 10 s.  --few: one sample with ffmpeg, for a few seconds.  NAME:
these files only.

Exit status: 0 passed, 1 failed, 77 a client is missing.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from clientslib import ffmpeg, gstreamer, landing, lossy  # noqa: E402
from clientslib.title import SECONDS, Title  # noqa: E402
from vtlib.net import patience  # noqa: E402
from vtlib.server import Server, Trouble, program  # noqa: E402

# Files that a client does not play as it does from disk, and why that is its
# own fault.  More than two of them are a failure.
DIFFERS = {
    ("GStreamer", "seattle.wmv"):
        "it does not decode it from disk either, and ends elsewhere each "
        "time: its base class for audio decoders gives up when the WMA Voice "
        "decoder returns more frames than it was given (\"Received decoded "
        "subframe, but no pending frame\")",
}
DIFFERS_MOST = 2
AT_ONCE = 12


class Failures:
    def __init__(self, verbose):
        self.lock = threading.Lock()
        self.verbose, self.begin = verbose, time.monotonic()
        self.all, self.passed = [], 0

    def say(self, text):
        with self.lock:
            print("%6.1f  %s" % (time.monotonic() - self.begin, text),
                  flush=True)

    def note(self, what, problem):
        with self.lock:
            if problem is None:
                self.passed += 1
            else:
                self.all.append("%s: %s" % (what, problem))
        if problem is not None or self.verbose:
            self.say("%s: %s" % (what, problem or "the same"))


def datagrams_dropped():
    """By all sockets of this machine, since their buffers were full."""
    total = 0
    for name, field in (("snmp", "Udp: "), ("snmp6", "Udp6RcvbufErrors")):
        try:
            text = open("/proc/net/" + name).read()
        except OSError:
            continue
        if name == "snmp6":
            match = re.search(field + r"\s+(\d+)", text)
            total += int(match.group(1)) if match else 0
            continue
        names, values = [line.split() for line in text.splitlines()
                         if line.startswith(field)]
        total += int(values[names.index("RcvbufErrors")])
    return total


def attempt(play):
    """What is wrong with it.  One that a busy machine took datagrams from says
    nothing about the server: it is repeated."""
    for _ in range(3):
        before = datagrams_dropped()
        try:
            problem = play()
        except (ffmpeg.Failed, gstreamer.Failed) as failed:
            problem = str(failed)
        if problem is None or datagrams_dropped() == before:
            break
    return problem


class Run:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="clients-")
        os.chmod(self.folder, 0o755)
        self.failures = Failures(options.verbose)
        self.server = Server("vodd", self.folder, lambda text: None)
        self.served = os.path.join(self.folder, "served")
        self.titles = []
        self.seen = 0

    # -- what is played --

    def copy(self):
        """Into a folder of our own: workers need not be allowed to read the
        source tree.  Pairs of path and place below the root."""
        sources = [("samples", os.path.join(os.environ.get(
            "srcdir", os.path.dirname(os.path.dirname(
                os.path.abspath(__file__)))), "media"))]
        if os.environ.get("VODD_TEST_MEDIA") and not self.options.few:
            sources.append(("given", os.environ["VODD_TEST_MEDIA"]))
        for place, source in sources:
            os.makedirs(os.path.join(self.served, place))
            os.chmod(os.path.join(self.served, place), 0o755)
            for name in sorted(os.listdir(source)):
                if self.options.names and name not in self.options.names:
                    continue
                if not os.path.isfile(os.path.join(source, name)):
                    continue
                path = os.path.join(self.served, place, name)
                shutil.copyfile(os.path.join(source, name), path)
                os.chmod(path, 0o644)
                yield path, place + "/" + name
        os.chmod(self.served, 0o755)

    def look(self, pool):
        found = list(self.copy())
        self.server.media = self.served
        self.server.workers = 2
        self.server.start()
        self.titles = [title for title in pool.map(
            lambda one: Title(one[0], self.server.url() + "/" + one[1]), found)
            if title.kinds]
        if self.options.few:
            self.titles = [title for title in self.titles
                           if title.name == "sample.wmv"]
        for title in self.titles:
            title.read(self.folder)
        # What takes longest begins first.
        self.titles.sort(key=lambda title: -title.end)

    # -- plays --

    def ffmpeg_after_seek(self, title, transport):
        at = title.position
        limit = SECONDS if title.is_long() else None
        got = ffmpeg.decode(
            title.url, ["-rtsp_transport", transport, "-ss", "%g" % at],
            title.limit(), (title.end + 30) * patience())
        problem = "nothing of the file is sent first"
        base = os.path.join(self.folder, "from-%s-%d-" % (
            transport, self.titles.index(title)))
        for path in landing.files_from(
                title.whole, landing.first_send_time(title.url, at), base):
            # Over the network it counts from 0, not from the first frame.
            problem = ffmpeg.seek_difference(
                ffmpeg.decode(path, ["-copyts"]), got, at, limit)
            if problem is None:
                break
        return problem

    def ffmpeg_plays(self, title):
        """Pairs: what it is, and the function that does it."""
        limit = ["-t", "3"] if self.options.few else title.limit()
        wanted = []

        def play(transport, lock=threading.Lock()):
            with lock:  # decoded from disk once
                if not wanted:
                    wanted.append(ffmpeg.frames(title.whole, (), limit))
            if not wanted[0]:
                return "nothing is decoded from disk"
            got = ffmpeg.frames(
                title.url, ["-rtsp_transport", transport], limit,
                (30 if limit else title.end + 20) * patience())
            return ffmpeg.difference(wanted[0], got)
        for transport in ("udp", "tcp"):
            yield ("ffmpeg over %s from the start" % transport,
                   lambda transport=transport: attempt(
                       lambda: play(transport)))
            if not self.options.few and (
                    "ffmpeg over %s after a seek" % transport,
                    title.name) not in DIFFERS:
                yield ("ffmpeg over %s after a seek to %g s" % (
                    transport, title.position),
                    lambda transport=transport: attempt(
                        lambda: self.ffmpeg_after_seek(title, transport)))

    def gstreamer_plays(self, title):
        if self.options.few or ("GStreamer", title.name) in DIFFERS:
            return
        base = os.path.join(self.folder, "gst-%d-" % self.titles.index(title))
        whole = not title.is_long()
        here = gstreamer.Play(gstreamer.disk(title.whole), title.kinds,
                              base + "disk", 60 * patience())
        state = {"left": 2, "decoded": False}
        lock = threading.Lock()

        def compare(transport):
            with lock:
                if not state["decoded"]:
                    try:
                        here.from_disk(whole)
                    except gstreamer.Failed as failed:
                        # What it cannot decode at all it must not here.
                        if any(here.sizes()):
                            raise
                        state["refused"] = str(failed)
                    state["decoded"] = True
            there = gstreamer.Play(
                gstreamer.network(title.url, transport), title.kinds,
                base + transport,
                (title.end if whole else gstreamer.SECONDS) * patience() + 20)
            try:
                if "refused" in state:
                    return there.must_fail()
                there.from_network(None if whole else title.preroll)
                return gstreamer.difference(here, there, whole)
            finally:
                there.remove()

        def play(transport):
            try:
                return attempt(lambda: compare(transport))
            finally:
                with lock:
                    state["left"] -= 1
                    if state["left"] == 0:
                        here.remove()
        for transport in ("udp", "tcp"):
            yield ("GStreamer over %s" % transport,
                   lambda transport=transport: play(transport))

    def play_all(self, pool, plays_of):
        jobs = []
        for title in self.titles:
            for what, play in plays_of(title):
                jobs.append((title.name + ": " + what, pool.submit(
                    self.one, title.name + ": " + what, play)))
        for what, job in jobs:
            try:
                job.result()
            except Exception as broken:
                self.failures.note(what, "the test itself: %r" % broken)
        return len(jobs)

    def one(self, what, play):
        self.failures.note(what, play())

    # -- and beside them --

    def listed(self):
        """The list of files that clients differ on is short."""
        if len({name for _, name in DIFFERS}) > DIFFERS_MOST:
            self.failures.note("the list", "more than %d files" % DIFFERS_MOST)
        for client, name in DIFFERS:
            if name in {title.name for title in self.titles}:
                self.failures.say("left out: %s with %s: %s" % (
                    name, client, DIFFERS[client, name]))

    def refusals(self):
        """What cannot be served: the client is told, the log says why."""
        with open(self.titles[0].path, "rb") as file:
            good = file.read()
        header = int.from_bytes(good[16:24], "little")
        at = good.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
        uneven = good[:at + 92] + b"\x01\x01\0\0" + good[at + 96:]
        bad = {"empty.wmv": b"", "text.wmv": b"This is no ASF file.\n" * 99,
               "cut.wmv": good[:header // 2], "header.wmv": good[:header + 50],
               "uneven.wmv": uneven}
        for name, data in bad.items():
            path = os.path.join(self.served, name)
            with open(path, "wb") as out:
                out.write(data)
            os.chmod(path, 0o644)
            try:
                ffmpeg.frames(self.server.url() + "/" + name,
                              ["-rtsp_transport", "tcp"], bound=20)
                problem = "is played"
            except ffmpeg.Failed as failed:
                said = re.search(r'\n[^\n]*%s[^\n]*reason=[^\n]+' % name,
                                 "\n" + self.server.log())
                problem = None if said else "no reason in the log"
                if re.search(r"did not end", str(failed)):
                    problem = str(failed)
            self.failures.note("refused: " + name, problem)

    def loss(self):
        """One RTP packet in twenty is lost; ffmpeg tells the server."""
        title = next(one for one in self.titles if one.name == "sample.wmv")
        between = lossy.Lossy(self.server.ports[0], 20)
        url = title.url.replace(":%d/" % self.server.ports[0],
                                ":%d/" % between.port)
        most = [0]

        def watch():
            while not between.stop.wait(0.1):
                told = self.server.stat(["--sessions"])
                most[0] = max([most[0]] + [
                    one["packets_lost"] for one in told["session_list"]
                    if one["title"].endswith("sample.wmv")])
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            ffmpeg.frames(url, ["-rtsp_transport", "udp"], ["-t", "8"], 30)
            problem = None
        except ffmpeg.Failed as failed:
            problem = str(failed)
        between.stop.set()
        watcher.join()
        between.close()
        if problem is None and between.lost < 5:
            problem = "%d of %d packets were lost" % (
                between.lost, between.passed)
        if problem is None and not (
                between.lost / 3 <= most[0] <= between.lost + 1):
            problem = "packets_lost became %d, %d were" % (
                most[0], between.lost)
        self.failures.say("%d of %d packets lost, packets_lost %d" % (
            between.lost, between.passed, most[0]))
        self.failures.note("packets_lost with ffmpeg and loss", problem)

    def startup(self):
        """Told, not judged: most of it is ffmpeg's own look at the stream."""
        title = next(one for one in self.titles if one.name == "sample.wmv")
        for transport in ("udp", "tcp"):
            took = [ffmpeg.first_frame(title.url, [
                "-rtsp_transport", transport, *options])
                for options in ((), ("-analyzeduration", "100000"))]
            self.failures.say(
                "ffmpeg over %s: first frame after %.2f s, with a short look "
                "at the stream (-analyzeduration 100000) %.2f s" % (
                    transport, *took))

    def perform(self):
        pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        without = None if self.options.few else gstreamer.missing()
        self.look(pool)
        if not self.titles:
            self.failures.note("titles", "there are none")
            return None
        names = [title.name for title in self.titles]
        self.failures.say("%d titles" % len(names))
        if "sample.wmv" in names and not self.options.few:
            self.startup()
        aside = [pool.submit(self.loss)] if "sample.wmv" in names else []
        if not self.options.few:
            aside.append(pool.submit(self.refusals))
        count = self.play_all(pool, self.ffmpeg_plays)
        self.failures.say("%d plays with ffmpeg" % count)
        if self.options.few:
            pass
        elif without is None:
            count = self.play_all(pool, self.gstreamer_plays)
            self.failures.say("%d plays with GStreamer" % count)
            self.listed()
        for job in aside:
            job.result()
        return without


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--few", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    for name in ("ffmpeg", "ffprobe"):
        if shutil.which(name) is None:
            print("skipped: %s is missing" % name)
            return 77
    if program("vodd") is None or program("vodstat") is None:
        print("vodd or vodstat is not built: set VODD_BUILDDIR")
        return 1
    os.umask(0o022)
    run = Run(options)
    try:
        without = run.perform()
        run.server.stop()
    except Trouble as trouble:
        run.failures.note("the server", str(trouble))
        without = None
    finally:
        run.server.end()
        log = run.server.log()
        shutil.rmtree(run.folder)
    if run.failures.all:
        print("\n%d FAILED, %d passed:" % (
            len(run.failures.all), run.failures.passed))
        for line in sorted(run.failures.all):
            print("  " + line)
        print("the server's last lines:")
        for line in log.splitlines()[-20:]:
            print("  " + line)
        return 1
    print("ok: %d passed" % run.failures.passed)
    if without is not None:
        print("skipped: GStreamer, %s is missing" % without)
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
