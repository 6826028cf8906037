#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
player - plays titles with vodplay: what it decodes over the network must be
what it, and ffmpeg, decode from disk, frame for frame, whatever happens
meanwhile.

usage: player.py [--few] [-v] [NAME...]

Of each file in media/ and in the folder that VODD_TEST_MEDIA names: over UDP
and TCP, from the start and after a seek, and from gst-rtsp-server.  And with
one of them: loss and another order, killed workers, a server that is gone, and
one that comes back.
--few: the samples only.  NAME: these files only.

Exit status: 0 passed, 1 failed, 77 something is missing.
"""

import argparse
import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from clientslib import lossy  # noqa: E402
from clientslib.title import Title  # noqa: E402
from playerlib import disk, hostile, nameless, silent, vodplay  # noqa: E402
from playerlib.vodplay import Failed, Play  # noqa: E402
from vtlib.net import patience  # noqa: E402
from vtlib.server import (  # noqa: E402
    Server, Trouble, program, sanitized)
from windowlib.hosts import Relay  # noqa: E402

AT_ONCE = 24
SECONDS = 6.0
SECONDS_FEW = 3.0
# It has all the time of the machine at first: who is waited for goes before it.
NICE = 5
# Decoded differently each time, from disk too (t/clients.py).
DIFFERS = {"seattle.wmv"}
PROTECTED = {"drm-truncated.wmv"}
SAMPLE = "sample.wmv"
NEVER_MS = 1 << 30


class Ending(hostile.Server):
    """It sends ten seconds ahead, of its first connection the last MISSING
    packets not, and then does as END says."""

    def __init__(self, path, missing, end):
        self.missing, self.end = missing, end
        self.begun = None
        super().__init__(hostile.Title(path))

    def on_play(self, one, cseq, head):
        self.reply(one, cseq, [self.session(), "Range: npt=0.000-20.046"])
        packets, end = self.title.packets, self.end
        if b"Range:" not in head:
            packets = []
        if self.missing and self.connections == 1:
            packets = packets[:-self.missing]
        elif self.missing:
            end = self.bye
        self.begun = self.begun or time.monotonic()
        for packet in packets:
            self.pause(self.begun + hostile.send_ms(packet) / 1000 - 10 -
                       time.monotonic())
            one.sendall(self.rtp(packet))
        end(one)

    def closes(self, one):
        raise OSError

    def dies(self, one):
        self.pause(60)

    def says_nothing(self, one):
        pass


class Front(hostile.Server):
    """Points each viewer to SERVER."""

    def __init__(self, server):
        self.server = server
        super().__init__(None)

    def url(self):
        return "rtsp://127.0.0.1:%d" % self.port

    def on_describe(self, one, cseq, head):
        self.reply(one, cseq, [
            "Location: %s/%s" % (self.server.url(), SAMPLE)],
            status="302 Moved")


class Run:
    def __init__(self, options):
        self.options = options
        self.seconds = SECONDS_FEW if options.few else SECONDS
        self.folder = tempfile.mkdtemp(prefix="player-")
        os.chmod(self.folder, 0o755)
        self.served = os.path.join(self.folder, "served")
        os.mkdir(self.served)
        os.chmod(self.served, 0o755)
        self.lock = threading.Lock()
        self.begun = time.monotonic()
        self.passed, self.failures, self.number = 0, [], 0
        self.servers = []
        self.foreign = None
        self.from_disk = {}

    # -- telling --

    def say(self, text):
        with self.lock:
            print("%6.1f  %s" % (time.monotonic() - self.begun, text),
                  flush=True)

    def one(self, what, play):
        try:
            problem = play()
        except (Failed, Trouble, OSError) as failed:
            problem = str(failed) or repr(failed)
        except Exception as broken:
            problem = "the test itself: %r" % broken
        with self.lock:
            if problem is None:
                self.passed += 1
            else:
                self.failures.append("%s: %s" % (what, problem))
        if problem is not None or self.options.verbose:
            self.say("%s: %s" % (what, problem or "right"))

    def path(self):
        with self.lock:
            self.number += 1
            return os.path.join(self.folder, "hashes-%d" % self.number)

    # -- servers and titles --

    def server(self, name, **settings):
        server = Server(name, self.folder, lambda text: None)
        server.media = self.served
        server.workers = 2
        server.settings = list(settings.items())
        self.servers.append(server)
        server.start()
        return server

    def start_foreign(self, titles):
        """gst-rtsp-server with the same titles, where there is one."""
        name = program("t/bench/gst-server")
        if name is None:
            self.say("gst-rtsp-server: skipped, t/bench/gst-server is not "
                     "built (package libgstrtspserver-1.0-dev)")
            return
        self.foreign = subprocess.Popen(
            [name] + [title.path for title in titles], text=True,
            stdout=subprocess.PIPE, env=dict(os.environ, **vodplay.SANITIZERS))
        self.foreign_port = int(self.foreign.stdout.readline().split()[1])

    def copy(self):
        sources = [os.path.join(os.environ.get(
            "srcdir", os.path.dirname(os.path.dirname(
                os.path.abspath(__file__)))), "media")]
        if os.environ.get("VODD_TEST_MEDIA") and not self.options.few:
            sources.append(os.environ["VODD_TEST_MEDIA"])
        for source in sources:
            for name in sorted(os.listdir(source)):
                if not os.path.isfile(os.path.join(source, name)) or (
                        self.options.names and
                        name not in self.options.names + [SAMPLE]):
                    continue
                path = os.path.join(self.served, name)
                shutil.copyfile(os.path.join(source, name), path)
                os.chmod(path, 0o644)
                yield path

    def look(self, pool):
        titles = [title for title in pool.map(
            lambda path: Title(path, "/" + os.path.basename(path)),
            list(self.copy())) if title.kinds]
        for title in titles:
            title.read(self.folder)
        return titles

    # -- one title --

    def decode(self, path, *options, bound=60):
        return Play(path, *options, hashes=self.path()).played(bound).hashes()

    def disk(self, path, *options):
        """What vodplay decodes from there; once."""
        with self.lock:
            lock, found = self.from_disk.setdefault(
                (path, options), (threading.Lock(), []))
        with lock:
            if not found:
                found.append(self.decode(path, *options))
        return found[0]

    def sample(self):
        """All of it."""
        return self.disk(os.path.join(self.served, SAMPLE))

    def limit(self):
        return ["--duration", "%g" % self.seconds]

    def from_start(self, title, url):
        play = Play(url + title.url, *self.limit(), hashes=self.path())
        if title.name in PROTECTED:
            if play.wait(20) == 1 and "protected" in play.told():
                return None
            return play.told()
        play.played(self.seconds + 40)
        if play.statistics()["lost"] or play.statistics()["damaged"]:
            return "lost %(lost)d, damaged %(damaged)d" % play.statistics()
        if title.name in DIFFERS:
            return None
        got = play.hashes()
        problem = disk.difference(
            title.whole, title.kinds, got, self.seconds)
        if problem is None and title.kinds.count("video") <= 1:
            problem = vodplay.difference(
                self.disk(title.whole, *self.limit()), got, False)
        return problem

    def after_seek(self, title, url):
        at = title.position
        play = Play(url + title.url, "--seek", "%g" % at, *self.limit(),
                    hashes=self.path())
        got = play.played(self.seconds + 40).hashes()
        first = min([frames[0].ms for frames in got.frames if frames],
                    default=None)
        if first is None:
            return "nothing is shown"
        if first > at * 1000 + 100:
            return "begins at %d ms, not before %g s" % (first, at)
        if not lasts(got.frames[1], min(self.seconds, title.end - at) / 3):
            return "sound has gaps, or ends early"
        # Of sound no decoder gives the same once it was elsewhere.
        return None if title.name in DIFFERS else disk.part_difference(
            title.whole, title.kinds, got)

    def plays_of(self, title):
        url = self.servers[0].url()
        for name, scheme in (("UDP", "rtspu"), ("TCP", "rtspt")):
            yield "%s over %s" % (title.name, name), (
                lambda there=scheme + url[4:]: self.from_start(title, there))
            if title.name not in PROTECTED and (
                    not self.options.few or title.name == SAMPLE):
                yield "%s over %s, seek to %g s" % (
                    title.name, name, title.position), (
                    lambda there=scheme + url[4:]:
                    self.after_seek(title, there))

        if self.foreign and title.kinds.count("video") <= 1 and (
                title.end > self.seconds or title.name == SAMPLE):
            yield "%s from gst-rtsp-server" % title.name, (
                lambda: self.from_start(
                    title, "rtsp://127.0.0.1:%d" % self.foreign_port))

    def all_from_foreign(self, scheme, is_cut):
        """To its end, but for the last RTP packet, which its payloader keeps
        unless it is full.  It cannot seek: what it has sent it sends again."""
        between = Relay(self.foreign_port)
        play = Play(scheme + between.url(SAMPLE)[4:], hashes=self.path())
        if is_cut:
            play.until_position(3000)
            between.cut()
        play.played(60)
        if (play.statistics()["reconnects"] > 0) != is_cut:
            return "%(reconnects)d reconnects" % play.statistics()
        missing = len(self.sample().frames[0]) - len(play.hashes().frames[0])
        if missing > 2:
            return "%d pictures are missing" % missing
        return vodplay.difference(self.sample(), play.hashes(), False)

    # -- what happens meanwhile --

    def loss(self):
        """One packet in fifty is lost, one in forty comes late."""
        server = self.servers[0]
        between = lossy.Lossy(server.ports[0], 50, 40)
        told = [0]

        def watch():
            while not between.stop.wait(0.1):
                told[0] = max([told[0]] + [
                    one["packets_lost"] for one in server.stat(
                        ["--sessions"])["session_list"]
                    if one["peer"].endswith(":%d" % between.source_port)])
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            play = Play("rtspu://127.0.0.1:%d/%s" % (between.port, SAMPLE),
                        "--duration", "8", hashes=self.path())
            play.played(40)
        finally:
            between.stop.set()
            watcher.join()
            between.close()
        counts = play.statistics()
        if between.lost < 5 or between.swapped < 5:
            return "the relay lost %d, swapped %d" % (
                between.lost, between.swapped)
        # The last ones may be on their way.
        if not between.lost - 2 <= counts["lost"] <= between.lost:
            return "%d lost, it says %d" % (between.lost, counts["lost"])
        if not between.swapped - 2 <= counts["reordered"] <= between.swapped:
            return "%d late, it says %d" % (
                between.swapped, counts["reordered"])
        if counts["recovered"] != counts["reordered"]:
            return "%(recovered)d of %(reordered)d recovered" % counts
        if not counts["lost"] / 3 <= told[0] <= between.lost + 1:
            return "%d lost, the server was told %d" % (
                between.lost, told[0])
        wanted = {frame.hash for frame in self.sample().frames[0]}
        good = sum(frame.hash in wanted for frame in play.hashes().frames[0])
        if good < 20:
            return "%d good pictures" % good
        return None

    def whole_sample(self, server, scheme, meanwhile, *options):
        """All of the sample is right, while MEANWHILE(play) happens."""
        play = Play(scheme + server.url()[4:] + "/" + SAMPLE, *options,
                    hashes=self.path())
        try:
            play.until_position(3000)
            meanwhile(play)
        except (Failed, Trouble):
            play.process.kill()
            play.wait(5)
            raise
        play.played(60)
        problem = vodplay.difference(self.sample(), play.hashes(), True)
        counts = play.statistics()
        self.say("sample over %s: network gap %d ms, viewer gap %d ms, %d "
                 "reconnects" % (counts["transport"],
                                 counts["network_gap_ms"],
                                 counts["viewer_gap_ms"],
                                 counts["reconnects"]))
        return problem, counts

    def killed_workers(self, scheme):
        server = self.server("kill-" + scheme)

        def kill(play):
            for _ in range(3):
                server.kill(server.worker_pids(), "KILL")
                time.sleep(1.5)
        problem, counts = self.whole_sample(server, scheme, kill)
        server.stop()
        return problem

    def comes_back(self, scheme, away):
        """All its processes are killed; after AWAY it is started again."""
        server = self.server("back-%s-%g" % (scheme, away))

        def kill(play):
            kill_all(server)
            time.sleep(away)
            server.start()
        problem, counts = self.whole_sample(server, scheme, kill)
        server.stop()
        if problem is None and counts["reconnects"] == 0:
            problem = "it did not reconnect"
        if problem is None and counts["viewer_gap_ms"] > 3000 * patience():
            problem = "stood still for %d ms" % counts["viewer_gap_ms"]
        return problem

    def moves(self):
        """Where it was pointed to is gone; whoever did points elsewhere."""
        servers = [self.server("node-%d" % number) for number in (1, 2)]
        front = Front(servers[0])

        def kill(play):
            front.server = servers[1]
            kill_all(servers[0])
        try:
            problem, counts = self.whole_sample(front, "rtsp", kill)
        finally:
            front.close()
        servers[1].stop()
        if problem is None and counts["server"] != "127.0.0.1:%d" % (
                servers[1].ports[0]):
            problem = "it is at %(server)s" % counts
        if problem is None and counts["reconnects"] != 1:
            problem = "%(reconnects)d reconnects" % counts
        if problem is None and counts["viewer_gap_ms"] > 500 * patience():
            problem = "stood still for %(viewer_gap_ms)d ms" % counts
        return problem

    def gone(self):
        """For good: what is buffered is played, then it says so."""
        server = self.server("gone")
        play = Play(server.url() + "/" + SAMPLE, "--give-up", "3")
        play.until_position(3000)
        kill_all(server)
        status = play.wait(20)
        last = [event for event in play.events if event["event"] == "state"]
        if status != 3 or last[-1]["state"] != "failed" or (
                not last[-1]["reason"]):
            return "exit %d, %s" % (status, play.told())
        if "reconnecting" not in play.states():
            return "it did not try again: %s" % play.told()
        if play.statistics()["position_ms"] < 5000:
            return "it did not play what it had"
        return None

    def long_sleep(self):
        """The player stands still for longer than the session may."""
        server = self.server("sleep", session_timeout="5 s",
                             write_timeout="2 s")

        def sleep(play):
            play.process.send_signal(signal.SIGSTOP)
            end = time.monotonic() + 20 * patience()
            while server.stat([])["sessions"] != 0:
                if time.monotonic() > end:
                    raise Failed("the session does not end")
                time.sleep(0.1)
            play.process.send_signal(signal.SIGCONT)
        problem, counts = self.whole_sample(server, "rtspu", sleep)
        server.stop()
        if problem is None and counts["reconnects"] == 0:
            problem = "it did not reconnect"
        return problem

    def moving_about(self):
        """Seeks while it plays: it goes on at once, with pictures that are in
        the file."""
        play = Play(self.servers[0].url() + "/" + SAMPLE, hashes=self.path())
        play.until_position(2000)
        for seconds in (15, 3, 12, 18):
            play.tell("seek %d" % seconds)
            play.until_state("playing", 10)
            play.seen = len(play.events)
            begun = time.monotonic()
            at = play.until(lambda event: "position_ms" in event, 5)
            after = play.until_position(at["position_ms"] + 900, 5)
            if not 0 < seconds * 1000 + 3000 - after["position_ms"] < 9000:
                raise Failed("is at %(position_ms)d ms" % after)
            if time.monotonic() - begun > 4 * patience():
                raise Failed("stands still behind a seek")
        play.played(20)
        whole = {frame.hash for frame in self.sample().frames[0]}
        got = play.hashes().frames[0]
        others = [frame.ms for frame in got if frame.hash not in whole]
        return "pictures that are not in the file, at %s ms" % others[:5] if (
            others) else None

    def begins_there(self, scheme):
        """In mid-title and near its end: one PLAY, and no standing still for
        what was before."""
        between = Relay(self.servers[0].ports[0])
        for seconds in (11, 18.5):
            before = len(between.requests)
            play = Play(scheme + between.url(SAMPLE)[4:], "--seek",
                        "%g" % seconds, hashes=self.path())
            play.played(20 - seconds + 10)
            first = play.hashes().frames[0][0].ms
            if not 0 < first <= seconds * 1000:
                return "%g s: begins at %d ms" % (seconds, first)
            asked = between.ranges(before)
            if asked != [b"Range: npt=%.3f-" % seconds]:
                return "asked for %s" % asked
        play = Play(between.url(SAMPLE), "--seek", "30")
        if play.wait(15) != 1 or "ends before" not in play.told():
            return "behind the end: " + play.told()
        return None

    def speeds(self):
        """A thin title is asked for faster, to begin as soon."""
        between = Relay(self.servers[0].ports[0])
        for name, speed in ((SAMPLE, b"2.000"), ("audio.wma", b"4.000")):
            before = len(between.requests)
            Play(between.url(name), "--duration", "0.1").played(20)
            asked = between.ranges(before, b"Speed")
            if asked != [b"Speed: " + speed]:
                return "%s: asked for %s" % (name, asked)
        return None

    def in_order(self, url, seconds):
        """Connecting, buffering, the first picture, playing; and no picture of
        elsewhere."""
        play = Play(url, "--duration", "0.5", "--seek", str(seconds))
        play.played(20)
        told = [event for event in play.events
                if event["event"] in ("state", "picture")][:4]
        words = [event.get("state", "picture") for event in told]
        if words != ["connecting", "buffering", "picture", "playing"]:
            return "first " + ", ".join(words)
        at = told[2]["position_ms"]
        if not -100 < seconds * 1000 - at < 5000 or seconds and not at:
            return "the first picture is that of %d ms" % at
        times = [event["time_ms"] for event in told]
        return None if times == sorted(times) else "at %s ms" % times

    def silent(self, kind, until_ms):
        """A stream begins in mid-title, or never comes: the other plays."""
        name = "silent-%d-%d.wmv" % (kind, until_ms)
        with open(os.path.join(self.served, SAMPLE), "rb") as file:
            data = silent.without(file.read(), kind + 1, until_ms)
        with open(os.path.join(self.served, name), "wb") as file:
            file.write(data)
        got = Play(self.servers[0].url() + "/" + name, "--duration", "8",
                   hashes=self.path()).played(30).hashes().frames
        other = [frame.hash for frame in got[1 - kind]]
        if len(other) < 100 or other != [
                frame.hash for frame in
                self.sample().frames[1 - kind][:len(other)]]:
            return "what it has, %d frames, is not the title's" % len(other)
        begins = [frame.ms for frame in got[kind][:1]] or [NEVER_MS]
        return None if 0 <= begins[0] - until_ms < 3000 else (
            "begins at %d ms" % begins[0])

    def long_pause(self):
        """The viewer pauses; meanwhile the server is another one."""
        server = self.server("pause", session_timeout="5 s")

        def pause(play):
            play.tell("pause")
            play.until_state("paused", 5)
            time.sleep(7)  # longer than a session may be silent
            if server.stat([])["sessions"] != 1:
                raise Failed("the session was not kept alive")
            kill_all(server)
            server.start()
            play.tell("play")
        problem, counts = self.whole_sample(server, "rtsp", pause)
        server.stop()
        if problem is None and counts["reconnects"] == 0:
            problem = "it did not reconnect"
        return problem

    def interval(self, scheme):
        """Sound and pictures, twelve seconds of nothing, and some more."""
        server = self.server("interval-%s" % scheme)
        name = "interval.wmv"
        path = os.path.join(self.served, name)
        with self.lock:
            if not os.path.exists(path):
                late = "PTS+gte(T\\,2)*12/TB"
                disk.run(["-f", "lavfi", "-i", "testsrc=r=10:s=320x240:d=4",
                          "-f", "lavfi", "-i", "sine=d=4",
                          "-vf", "setpts=" + late, "-af", "asetpts=" + late,
                          "-fps_mode", "passthrough",
                          "-c:v", "wmv2", "-c:a", "wmav2", path])
        play = Play(scheme + server.url()[4:] + "/" + name,
                    hashes=self.path())
        got = play.played(30).hashes()
        server.stop()
        counts = play.statistics()
        times = [frame.ms for frame in got.frames[0]]
        if len(times) != 40 or max(
                b - a for a, b in zip(times, times[1:])) < 12000:
            return "pictures at %s ms" % times
        if counts["reconnects"] > 0:
            return "%(reconnects)d reconnects" % counts
        return disk.difference(path, ["video", "audio"], got, 16)

    def slides(self, scheme, away=None):
        """A picture each nine seconds, and nothing in between; AWAY: and the
        server is killed there."""
        server = self.server("slides-%s-%s" % (scheme, away))
        name = "slides.wmv"
        path = os.path.join(self.served, name)
        with self.lock:
            if not os.path.exists(path):
                disk.run(["-f", "lavfi", "-i", "testsrc=r=1/9:s=320x240:d=27",
                          "-c:v", "wmv2", path])
        play = Play(scheme + server.url()[4:] + "/" + name,
                    hashes=self.path())
        if away is not None:
            # before the last one is sent, though it were sent ever so fast
            play.until_position(1000)
            kill_all(server)
            time.sleep(away)
            server.start()
        got = play.played(40).hashes()
        server.stop()
        counts = play.statistics()
        if [frame.ms for frame in got.frames[0]] != [0, 9000, 18000]:
            return "pictures at %s ms" % [frame.ms for frame in got.frames[0]]
        if (counts["reconnects"] > 0) != (away is not None):
            return "%(reconnects)d reconnects" % counts
        if counts["viewer_gap_ms"] > 500 * patience():
            return "stood still for %(viewer_gap_ms)d ms" % counts
        return disk.difference(path, ["video"], got, 27)

    def tcp_by_itself(self):
        """A server without UDP is asked for TCP."""
        server = self.server("tcp", udp="false")
        play = Play(server.url() + "/" + SAMPLE, "--duration", "1")
        play.played(20)
        server.stop()
        if play.statistics()["transport"] != "TCP":
            return "over " + play.statistics()["transport"]
        return None

    def ends(self, missing, end):
        """Nothing is left out because it looks like the end."""
        server = Ending(os.path.join(self.served, SAMPLE), missing,
                        lambda one: getattr(server, end)(one))
        try:
            play = Play(server.url(), hashes=self.path()).played(40)
        finally:
            server.close()
        if "failed" in play.states():
            return play.told()
        return vodplay.difference(self.sample(), play.hashes(), True)

    def exits(self):
        server = self.servers[0].url()
        for words, status in (((server + "/none.wmv",), 1),
                              (("rtsp://127.0.0.1:1/x",), 1),
                              (("nothing://at/all",), 1),
                              (("/no/such/file.wmv",), 1)):
            play = Play(*words)
            if play.wait(15) != status or not play.events[-2]["reason"]:
                return "%s: %s" % (words, play.told())
            if play.states().count("failed") != 1:
                return "%s: %s" % (words, play.told())
        return None

    def nobody_knows_names(self):
        """The name server says nothing: nor does it hold the viewer."""
        if not nameless.can_be():
            self.say("names: skipped, namespaces are not allowed here")
            return None
        before = nameless.before(self.folder)
        play = Play("rtsp://nobody.test/x", before=before)
        if play.wait(15) != 1 or "in time" not in play.told():
            return play.told()
        if play.events[-1]["time_ms"] > 10000 * patience():
            return "only after %(time_ms)d ms" % play.events[-1]
        play = Play("rtsp://nobody.test/x", before=before)
        play.until_state("connecting")
        play.tell("quit")
        play.wait(2)
        return None

    # -- the program's other uses --

    def command_lines(self):
        """What is wrong with them is said at once; nothing plays."""
        sample = os.path.join(self.served, SAMPLE)
        file = os.path.join(sample, "below")
        for words, status in (([], 2), (["--seek", "soon", sample], 2),
                              (["--duration", "-1", sample], 2),
                              ([sample, sample], 2), (["--loud", sample], 2),
                              (["--frames-to", file, sample], 1),
                              (["--frame-hashes", file, sample], 1)):
            done = subprocess.run(
                [program("vodplay"), "--no-window", "--json", *words],
                env=dict(os.environ, **vodplay.SANITIZERS), text=True,
                capture_output=True, timeout=10 * patience())
            if done.returncode != status or done.stdout or not done.stderr:
                return "%s: exit %d, %s %s" % (
                    words, done.returncode, done.stdout, done.stderr)
        return None

    def decoders(self):
        """Without one of them the rest plays, and it is said; not without
        both."""
        for lacking, sentence, status in (
                (("wmv2",), "pictures", 0), (("wmav2",), "sound", 0),
                (("wmv2", "wmav2"), None, 1)):
            play = Play(os.path.join(self.served, SAMPLE), "--duration", "1",
                        environment={"GST_PLUGIN_FEATURE_RANK": ",".join(
                            "avdec_%s:NONE" % name for name in lacking)})
            ended = play.wait(15)
            said = [event["reason"] for event in play.events
                    if event["event"] == "notice"]
            if ended != status or len(said) != (sentence is not None) or (
                    said and sentence not in said[0]):
                return "%s: exit %d, %s, %s" % (
                    lacking, ended, said, play.told())
        return None

    def best(self):
        """Of several pictures those with the highest bit rate, of a file
        too."""
        for rates in ((60, 400), (400, 60)):
            path = self.path() + ".wmv"
            disk.run(["-f", "lavfi", "-i", "testsrc2=r=10:s=320x240:d=3",
                      "-f", "lavfi", "-i", "sine=d=3", "-map", "0:v", "-map",
                      "0:v", "-map", "1:a", "-c:v", "wmv2", "-b:v:0",
                      "%dk" % rates[0], "-b:v:1", "%dk" % rates[1], "-c:a",
                      "wmav2", path])
            disk.tell_rates(path, [rate * 1000 for rate in rates])
            got = Play(path, hashes=self.path()).played(20).hashes()
            wanted = disk.pictures(path, rates.index(400), "yuv420p")
            hashes = [frame.hash for frame in got.frames[0]]
            if len(wanted) != 30 or hashes != wanted:
                return "%s: %d of %d pictures, %d alike" % (
                    rates, len(hashes), len(wanted),
                    sum(a == b for a, b in zip(hashes, wanted)))
        return None

    def written(self):
        """Pictures as files are the title's, in a folder that is made."""
        sample = os.path.join(self.served, SAMPLE)
        folder = os.path.join(self.folder, "pictures", "of it")
        got = Play(sample, "--seek", "5", "--duration", "1", "--frames-to",
                   folder, hashes=self.path()).played(20).hashes().frames[0]
        names = ["%06d.png" % (at + 1) for at in range(len(got))]
        if not names or sorted(os.listdir(folder)) != names:
            return "%d pictures, %s" % (len(got), os.listdir(folder))
        whole = [frame.hash for frame in self.sample().frames[0]]
        for at in (0, len(got) - 1):
            number = whole.index(got[at].hash)
            a = disk.pixels(os.path.join(folder, names[at]), 0)
            b = disk.pixels(sample, number)
            off = sum(abs(x - y) for x, y in zip(a, b)) / max(1, len(b))
            if len(a) != len(b) or off > 3:
                return "%s is not picture %d: %d bytes, %d, off by %g" % (
                    names[at], number, len(a), len(b), off)
        return None

    def plugin(self):
        """The source by itself, in somebody else's pipeline."""
        launch = shutil.which("gst-launch-1.0")
        place = os.path.dirname(program("vodplay"))
        if launch is None or not os.path.exists(
                os.path.join(place, "libgstvodsrc.so")) or sanitized():
            self.say("plugin: skipped, gst-launch-1.0 or the plugin is missing"
                     " (package gstreamer1.0-tools)")
            return None
        out = self.path()
        done = subprocess.run(
            [launch, "-q", "vodsrc", "location=%s/%s" % (
                self.servers[0].url(), SAMPLE), "!", "decodebin", "!",
             "video/x-raw", "!", "filesink", "location=" + out],
            env=dict(os.environ, GST_PLUGIN_PATH=place, GST_REGISTRY=os.path.
                     join(self.folder, "registry")),
            text=True, capture_output=True, timeout=40 * patience())
        if done.returncode != 0:
            return "exit %d: %s" % (done.returncode, done.stderr[-500:])
        wanted = disk.run(["-i", os.path.join(self.served, SAMPLE), "-an",
                           "-fps_mode", "passthrough", "-f", "rawvideo", "-"])
        with open(out, "rb") as file:
            same = file.read() == wanted
        os.unlink(out)
        return None if same else "its pictures are others"

    def meanwhile(self):
        if self.foreign:
            for scheme, is_cut in (("rtspu", False), ("rtspt", False),
                                   ("rtspu", True)):
                yield "all of gst-rtsp-server's, %s%s" % (
                    scheme, ", lost in between" * is_cut), (
                    lambda scheme=scheme, is_cut=is_cut:
                    self.all_from_foreign(scheme, is_cut))
        yield "moving about", self.moving_about
        for scheme in ("rtspu", "rtspt"):
            yield "begins in mid-title, " + scheme, (
                lambda scheme=scheme: self.begins_there(scheme))
        for url in ("rtspu" + self.servers[0].url()[4:] + "/" + SAMPLE,
                    "rtspt" + self.servers[0].url()[4:] + "/" + SAMPLE,
                    os.path.join(self.served, SAMPLE)):
            for seconds in (0, 12):
                yield "order of states, %s, %d s" % (
                    url.split(":")[0], seconds), (
                    lambda url=url, seconds=seconds:
                    self.in_order(url, seconds))
        yield "speed to begin with", self.speeds
        yield "a long pause", self.long_pause
        yield "sound begins late", lambda: self.silent(1, 6000)
        yield "sound never comes", lambda: self.silent(1, NEVER_MS)
        yield "pictures never come", lambda: self.silent(0, NEVER_MS)
        for missing, end in ((6, "closes"), (6, "dies"), (0, "closes"),
                             (0, "says_nothing")):
            yield "without the last %d packets it %s" % (missing, end), (
                lambda missing=missing, end=end: self.ends(missing, end))
        yield "loss", self.loss
        yield "ends that are told", self.exits
        yield "names that nobody knows", self.nobody_knows_names
        yield "command lines", self.command_lines
        yield "decoders that are missing", self.decoders
        yield "the best of several pictures", self.best
        yield "pictures as files", self.written
        yield "source as a plugin", self.plugin
        yield "UDP is refused", self.tcp_by_itself
        yield "server gone", self.gone
        yield "server gone that it was pointed to", self.moves
        yield "server comes back, TCP", lambda: self.comes_back("rtspt", 0.5)
        yield "workers killed, UDP", lambda: self.killed_workers("rtspu")
        yield "player sleeps", self.long_sleep
        if not self.options.few:
            yield "server comes back, UDP", (
                lambda: self.comes_back("rtspu", 2))
            yield "workers killed, TCP", lambda: self.killed_workers("rtspt")
            yield "interval, UDP", lambda: self.interval("rtspu")
            yield "interval, TCP", lambda: self.interval("rtspt")
            yield "slides, UDP", lambda: self.slides("rtspu")
            yield "slides, TCP", lambda: self.slides("rtspt")
            yield "slides, killed in between", (
                lambda: self.slides("rtsp", 1.5))

    def perform(self):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            titles = self.look(pool)
            self.server("vodd")
            self.start_foreign(titles)
            jobs = list(self.meanwhile())
            # What takes longest begins first.
            titles.sort(key=lambda title: -title.end)
            for title in titles:
                if not self.options.names or (
                        title.name in self.options.names):
                    jobs += self.plays_of(title)
            for job in [pool.submit(self.one, *job) for job in jobs]:
                job.result()
        self.say("%d titles, %d plays" % (len(titles), len(jobs)))
        self.servers[0].stop()


def lasts(frames, seconds):
    """In order, without a hole, and so long; or there is none."""
    steps = [b.ms - a.ms for a, b in zip(frames, frames[1:])]
    return not frames or not steps or min(steps) >= -5 and (
        max(steps) <= 1500 and
        frames[-1].ms - frames[0].ms >= seconds * 1000 - 100)


def kill_all(server):
    """The node is dead: nobody hands anything over."""
    pids = server.worker_pids() + [server.process.pid]
    for pid in reversed(pids):
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    server.process = None
    server.pids = []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--few", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if program("vodplay") is None:
        print("skipped: vodplay is not built")
        return 77
    for name in ("ffmpeg", "ffprobe"):
        if shutil.which(name) is None:
            print("skipped: %s is missing" % name)
            return 77
    os.umask(0o022)
    os.nice(NICE)
    run = Run(options)
    try:
        run.perform()
    finally:
        for server in run.servers:
            server.end()
        if run.foreign:
            run.foreign.kill()
            run.foreign.communicate()
        shutil.rmtree(run.folder)
    if run.failures:
        print("\n%d FAILED, %d passed:" % (len(run.failures), run.passed))
        for line in sorted(run.failures):
            print("  " + line)
        return 1
    print("ok: %d passed" % run.passed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
