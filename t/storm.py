#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
storm - a worker dies every second, and no viewer loses a packet.

usage: storm.py [--few] [--seed N]

Half of the viewers (t/bench/vodload) take UDP, half take TCP; a worker chosen
at random is killed once a second, now and then by a signal that says it was
its own fault.  Nothing may be lost, come in disorder or twice but for the tick
that was not published yet; and sessions, descriptors and shared memory are as
many behind the storm as before it.

1,000 viewers for 60 s; --few: 60 for 5 s.  Exit status: 0 passed, 1 failed.
"""

import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from vtlib import asf  # noqa: E402
from vtlib.net import patience  # noqa: E402
from vtlib.server import Server, Trouble, program  # noqa: E402

TITLE = "storm.wmv"
RATE_BPS = 200000
SIGNALS = ["KILL"] * 8 + ["SEGV", "ABRT"]
# What viewers still play for when the storm is over, to be looked at.
CALM_S = 4
TRANSPORTS = {"udp": [], "tcp": ["--tcp"]}


class Load:
    """vodload, and the events that it tells."""

    def __init__(self, server, transport, sessions, seconds):
        self.transport, self.sessions = transport, sessions
        self.events = {}
        self.process = subprocess.Popen(
            [program("t/bench/vodload"), "-n", str(sessions), "-d",
             str(seconds), "-r", "100", "--repeats", str(1 << 30),
             *TRANSPORTS[transport], server.url() + "/", TITLE],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def wait(self, name):
        while name not in self.events:
            line = self.process.stdout.readline()
            if not line:
                raise Trouble("vodload %s ended early" % self.transport)
            event = json.loads(line)
            self.events[event["event"]] = event
        return self.events[name]

    def end(self):
        self.process.kill()
        self.process.wait()


def shared_memory(server):
    """Bytes that the table takes, not those it may take."""
    status = os.stat("/dev/shm/vodd." + server.instance)
    return status.st_blocks * 512


def look(server):
    """What must be as it was; by lane, since workers are others now."""
    told = server.stat([])
    workers = {}
    for worker in told["workers"]:
        links = server.links(worker["pid"])
        workers[worker["lane"]] = {
            "sessions": worker["sessions"],
            "connections": worker["connections"],
            "committed_bps": worker["committed_bps"],
            "descriptors": len(links)}
    return {"sessions": told["sessions"], "playing":
            told["sessions_by_state"]["playing"],
            "master": len(server.links(server.process.pid)),
            "shared memory": shared_memory(server), "workers": workers}


def wait_until(what, seconds, same):
    """Until what WHAT returns is SAME, or time is up; the last of it."""
    end = time.monotonic() + seconds * patience()
    got = what()
    while got != same and time.monotonic() < end:
        time.sleep(0.02)
        got = what()
    return got


class Storm:
    def __init__(self, options):
        self.sessions, self.seconds, workers = (
            (60, 5, 2) if options.few else (1000, 60, 4))
        self.random = random.Random(options.seed)
        self.folder = tempfile.mkdtemp(prefix="storm-")
        os.chmod(self.folder, 0o755)
        self.server = Server("storm", self.folder, lambda text: None)
        self.server.workers = workers
        self.deaths = collections.Counter()  # by lane
        self.problems = []

    def expect(self, true, text):
        if not true:
            self.problems.append(text)

    def make_title(self):
        options = asf.Options()
        options.seconds = self.seconds + 60 * patience()
        options.rate = RATE_BPS
        self.server.write_media(TITLE, asf.make(options))

    def look_steady(self, idle):
        """All play, and the master has each connection's descriptor, which
        may be on its way to it yet."""
        want = (self.sessions, idle["master"] + self.sessions)

        def held(seen):
            return seen["playing"], seen["master"]
        got = wait_until(lambda: held(look(self.server)), 5, want)
        self.expect(got == want, "playing, descriptors of the master: %s "
                    "instead of %s" % (got, want))
        return look(self.server)

    def kill_one(self):
        worker = self.random.choice(self.server.stat([])["workers"])
        if not worker["pid"]:
            return  # its successor waits: it died too often
        os.kill(worker["pid"],
                getattr(signal, "SIG" + self.random.choice(SIGNALS)))
        self.deaths[worker["lane"]] += 1

    def rage(self):
        begin = time.monotonic()
        for second in range(self.seconds):
            time.sleep(max(0, begin + second - time.monotonic()))
            self.kill_one()

    def judge(self, load):
        """What this half of the viewers got."""
        result, name = load.wait("result"), load.transport
        for what in ("failed", "lost", "malformed", "duplicate", "reordered",
                     "strays"):
            self.expect(result[what] == 0, "%s: %s %s %s" % (
                name, result[what], what, result["failures"]))
        self.expect(result["client_drops"] == 0,
                    "%s: vodload itself had no room for %d datagrams" % (
                        name, result["client_drops"]))
        for what in ("playing", "complete"):
            self.expect(result[what] == load.sessions, "%s: %d of %d %s" % (
                name, result[what], load.sessions, what))
        most = max(self.deaths.values()) if name == "udp" else 0
        self.expect(result["repeats_most"] <= most,
                    "%s: a session got a tick again %d times, its worker died "
                    "%d times at most" % (name, result["repeats_most"], most))
        return result

    def judge_log(self):
        log = self.server.log()
        deaths = log.count("worker died lane=")
        self.expect(deaths == sum(self.deaths.values()), "%d were killed, "
                    "%d died" % (sum(self.deaths.values()), deaths))
        for text in ("cause=worker-died", "over-it", "not adopted"):
            self.expect(text not in log, "in the log: " + text)

    def run(self):
        self.make_title()
        self.server.start()
        self.server.await_spares()
        idle = look(self.server)
        loads = [Load(self.server, transport, self.sessions // 2,
                      self.seconds + CALM_S) for transport in TRANSPORTS]
        try:
            for load in loads:
                load.wait("steady")
            before = self.look_steady(idle)
            self.rage()
            behind = wait_until(lambda: look(self.server), 2, before)
            self.expect(behind == before,
                        "before %s\nbehind %s" % (before, behind))
            results = [self.judge(load) for load in loads]
        finally:
            for load in loads:
                load.end()
        end = wait_until(lambda: look(self.server)["sessions"], 5, 0)
        self.expect(end == 0, "%d sessions are left" % end)
        self.expect_idle(idle)
        self.judge_log()
        self.server.pids = self.server.worker_pids()
        self.server.stop()
        return results

    def expect_idle(self, idle):
        """As before the first viewer; but what was allocated of the table
        stays, and workers keep titles open for a while."""
        def rest(seen):
            return (seen["master"], {lane: (one["sessions"],
                                            one["connections"],
                                            one["committed_bps"])
                                     for lane, one in seen["workers"].items()})
        now = wait_until(lambda: rest(look(self.server)), 5, rest(idle))
        self.expect(now == rest(idle), "idle %s\nbehind %s" % (
            rest(idle), now))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--few", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    storm = Storm(parser.parse_args())
    try:
        for result in storm.run():
            print(json.dumps(result))
    except Trouble as trouble:
        storm.problems.append(str(trouble))
    finally:
        storm.server.end()
    if storm.problems:
        print(storm.server.log()[-4000:])
    shutil.rmtree(storm.folder, ignore_errors=True)
    print("%d workers died by lane %s" % (
        sum(storm.deaths.values()), dict(storm.deaths)))
    for problem in storm.problems:
        print("FAILED: " + problem)
    return 1 if storm.problems else 0


if __name__ == "__main__":
    sys.exit(main())
