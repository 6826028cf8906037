#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
utilisation - titles of very different bit rates, 300 viewers and more at once:
after three mean lengths each node's utilisation, its mean over a minute, is
within 10 % of all nodes' mean.

usage: utilisation.py [ours|rr|lc|wlc]

With another policy than ours (wlc with the weights of vodbalance) nothing is
judged: static weights, all the same, as the nodes' capacities are.
"""

import os
import random
import sys
import time

sys.path.insert(0, os.environ["srcdir"] + "/contrib/labparts")

import cluster  # noqa: E402
import viewers  # noqa: E402
from cluster import say, shown  # noqa: E402

RATES = (30, 30, 100, 100, 400)     # kbit/s
# s, most of them short: three mean lengths are waited for
LENGTHS = (20,) * 24 + (22, 40)
MEAN_S = sum(LENGTHS) / len(LENGTHS)
AT_ONCE = 380
COME_S = 16                         # until they are there
LEAST = 300
CAPACITY = 22                       # Mbit/s of each node
WATCHED = 20                        # one in so many
WINDOW_S = 60


def title(rate, length):
    return "%dk-%ds.asf" % (rate, length)


class Arrivals:
    """The same for each policy: who comes when, for what."""

    def __init__(self, crowd):
        self.crowd, self.random = crowd, random.Random(4)
        self.count, self.watched = 0, []
        self.due = 0.0

    def one(self, part=0.0):
        """One who has seen PART of the title already."""
        rate, length = (self.random.choice(RATES),
                        self.random.choice(LENGTHS))
        self.count += 1
        viewer = self.crowd.add(
            title(rate, length), length * (1 - part), length * part,
            watched=self.count % WATCHED == 0)
        if viewer.watch:
            self.watched.append(viewer)

    def next(self):
        """Whoever is late does not make the others late."""
        self.due += self.random.expovariate(AT_ONCE / MEAN_S)
        self.crowd.at(self.due, self.next)
        self.one()

    def start(self):
        """All at once would be too many: within some seconds, at random places
        of their titles, as if they had always been there."""
        begin = time.monotonic()
        for i in range(AT_ONCE):
            self.crowd.at(begin + i * COME_S / AT_ONCE,
                          lambda: self.one(self.random.random()))
        self.due = begin + COME_S / 2
        self.crowd.at(self.due, self.next)


def measure(lab, crowd):
    """Each node's mean utilisation, and the least and most sessions."""
    sums, took, sessions = dict.fromkeys(lab.nodes, 0.0), 0, []
    late = 0.0
    end = time.monotonic() + WINDOW_S
    while time.monotonic() < end:
        reports = {name: node.ask() for name, node in lab.nodes.items()}
        if all(reports.values()):
            took += 1
            sessions.append(sum(int(one["sessions_playing"])
                                for one in reports.values()))
            late = max(late, *(float(one["pressure"])
                               for one in reports.values()))
            for name, one in reports.items():
                sums[name] += int(one["committed_bps"]) / int(
                    one["capacity_bps"])
        time.sleep(1)
    cluster.check(took > WINDOW_S * 0.7, "agents answered %d times" % took)
    say("of a node's packets at most %.0f %% were late" % (100 * late))
    return {name: total / took for name, total in sums.items()}, sessions


def main():
    policy = sys.argv[1] if len(sys.argv) > 1 else "ours"
    ours = policy == "ours"
    with cluster.Cluster(
            capacities=(CAPACITY,) * 3, keepalived=False, balance=ours,
            session="21 s",
            scheduler="wlc" if ours else policy,
            titles=[(title(rate, length), rate * 1000, length)
                    for rate in set(RATES) for length in set(LENGTHS)]
            ) as lab:
        crowd = viewers.Crowd()
        arrivals = Arrivals(crowd)
        arrivals.start()
        say("%d viewers at once; %d s until it is measured" % (
            AT_ONCE, 3 * MEAN_S))
        time.sleep(3 * MEAN_S)
        say("measuring for %d s" % WINDOW_S)
        used, sessions = measure(lab, crowd)
        mean = sum(used.values()) / len(used)
        furthest = max(abs(one - mean) / mean for one in used.values())
        line = "%-4s  utilisation %s, furthest from the mean %.1f %%" % (
            policy, "  ".join("%s %.3f" % one for one in used.items()),
            100 * furthest)
        line += "; %d to %d sessions" % (min(sessions), max(sessions))
        missing = sum(one.watch.missing for one in arrivals.watched)
        received = sum(one.watch.received for one in arrivals.watched)
        say("%d viewers played to their end, %d failed; of %d packets of the "
            "watched ones %d are missing; answered within %.2f s (99 %%)" % (
                crowd.ended, len(crowd.failures), received + missing, missing,
                sorted(crowd.delays)[len(crowd.delays) * 99 // 100]))
        for why in crowd.failures[:5]:
            say(why)
        crowd.close()
        if ours:
            cluster.check(min(sessions) >= LEAST, "too few sessions: " + line)
            shown(furthest <= 0.10, line)
        else:
            say(line)


if __name__ == "__main__":
    sys.exit(cluster.test(main))
