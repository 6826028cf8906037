#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
demo - what the cluster does when viewers come and nodes go: two minutes, a line
every five seconds, and lab.svg of what the agents said.

usage: demo.py [SECONDS]    all of it in so many seconds, in a hurry
"""

import json
import os
import subprocess
import sys
import threading
import time

import cluster
import picture
import viewers
from cluster import BUILD, VIP, say

SECONDS = 120
CAPACITIES = (10, 10, 20)
RATES = (30, 100, 400)      # kbit/s
LENGTHS = (20, 30, 40)      # s, in so long a demo
ARRIVALS = 3.5              # a second


class Record:
    """What the agents and the active director said, each second."""

    def __init__(self, lab):
        self.lab, self.begin = lab, time.monotonic()
        names = list(lab.nodes)
        self.weight, self.sessions, self.rate = (
            {name: [] for name in names} for _ in range(3))
        self.events = []

    def now(self):
        return time.monotonic() - self.begin

    def take(self):
        director = self.lab.active()
        weights = director.weights() if director else {}
        at = self.now()
        for name, node in self.lab.nodes.items():
            report = node.ask()
            self.weight[name].append((at, weights.get(name)))
            self.sessions[name].append(
                (at, report and int(report["sessions"])))
            self.rate[name].append(
                (at, report and int(report["committed_bps"]) / 1e6))

    def event(self, words):
        self.events.append((self.now(), words))
        say("%5.0f s  --- %s" % (self.now(), words))

    def line(self):
        def last(points):
            return points[-1][1]
        say("%5.0f s  %s" % (self.now(), "   ".join(
            "%s weight %5s sessions %3s %5s Mbit/s" % (
                name, *("-" if value is None else value for value in (
                    last(self.weight[name]), last(self.sessions[name]))),
                "-" if last(self.rate[name]) is None
                else "%.2f" % last(self.rate[name]))
            for name in self.lab.nodes)))

    def draw(self):
        return picture.draw(
            "One virtual address, three nodes of %s Mbit/s" %
            ", ".join(map(str, CAPACITIES)),
            [("weight at the active director", self.weight),
             ("sessions", self.sessions),
             ("committed_bps, Mbit/s", self.rate)],
            self.events, self.now())


def title(rate, length):
    return "%dk-%ds.asf" % (rate, length)


def lengths(seconds):
    return [round(one * seconds / SECONDS) for one in LENGTHS]


def chooser(seconds):
    def choose(random):
        rate, length = random.choice(RATES), random.choice(lengths(seconds))
        return title(rate, length), length
    return choose


class Player:
    """A real player beside the light ones: vodplay where it was built, which
    loses its node and plays on; else ffmpeg, for 4 s."""

    def __init__(self):
        self.vodplay = self.told = None
        program = BUILD + "/vodplay"
        url = "rtsp://%s/lecture.wmv" % VIP
        if os.path.exists(program):
            say("vodplay plays %s" % url)
            with cluster.inside("clients"):
                self.vodplay = subprocess.Popen(
                    (program, "--no-window", "--json", url),
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    text=True)
            threading.Thread(target=self.listen, daemon=True).start()
            return
        say("ffmpeg plays %s for 4 s" % url)
        cluster.run("ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport",
                    "udp", "-i", url, "-t", "4", "-f", "null", "-",
                    place="clients")

    def listen(self):
        for line in self.vodplay.stdout:
            event = json.loads(line)
            if event["event"] == "state":
                say("         vodplay: %s %s" % (
                    event["state"], event["reason"]))
            elif event["event"] == "stats":
                self.told = event

    def node(self, lab):
        """The name of vodplay's; without it any will do."""
        if self.vodplay is None:
            return "n3"
        return cluster.within(10, "vodplay plays", lambda: next((
            name for name, node in lab.nodes.items()
            if node.stat("--sessions")["session_list"]), None))

    def end(self):
        if self.vodplay is None:
            return
        self.vodplay.terminate()
        self.vodplay.wait()
        say("vodplay showed %(pictures)d pictures; the longest time without a "
            "packet was %(network_gap_ms)d ms, without a new picture "
            "%(picture_gap_ms)d ms" % self.told)


def perform(lab, crowd, victim, seconds):
    record, pace = Record(lab), seconds / SECONDS
    nodes, directors = lab.nodes, lab.directors
    script = [
        (25, "n2 drains", lambda: nodes["n2"].order("drain")),
        (50, "n2 is back", lambda: nodes["n2"].order("undrain")),
        (75, victim + " loses its power", lambda: nodes[victim].die()),
        (90, victim + " is back", lambda: (nodes[victim].plug(),
                                           nodes[victim].start())),
        (100, "d1 is unplugged", lambda: directors["d1"].unplug()),
    ]
    crowd.arrive(ARRIVALS, chooser(seconds), time.monotonic() + seconds)
    record.event("viewers come, %g a second" % ARRIVALS)
    shown = 0
    while record.now() < seconds:
        while script and record.now() >= pace * script[0][0]:
            _, words, act = script.pop(0)
            record.event(words)
            act()
        record.take()
        if record.now() >= shown:
            record.line()
            shown += 5 * pace
        time.sleep(max(0, 1 - record.now() % 1))
    record.line()
    return record


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    say("bringing up clients, d1, d2, n1, n2, n3")
    with cluster.Cluster(capacities=CAPACITIES) as lab:
        for rate in RATES:
            for length in lengths(seconds):
                lab.make_title(title(rate, length), rate * 1000, length)
        crowd = viewers.Crowd()
        player = Player()
        victim = player.node(lab)
        record = perform(lab, crowd, victim, seconds)
        player.end()
        with open("lab.svg", "w") as out:
            out.write(record.draw())
        say("%d viewers came and %d of them left satisfied so far; %d did not: "
            "they were on %s, or came to it before it was out of the tables"
            % (crowd.started, crowd.ended, len(crowd.failures), victim))
        say("lab.svg is written")
        crowd.close()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except cluster.Failed as failed:
        say("lab: %s" % failed)
        sys.exit(1)
