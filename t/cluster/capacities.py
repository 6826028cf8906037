#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""capacities - nodes whose capacities are 1:1:2 are filled in proportion."""

import os
import sys
import time

sys.path.insert(0, os.environ["srcdir"] + "/contrib/labparts")

import cluster  # noqa: E402
import viewers  # noqa: E402
from cluster import shown  # noqa: E402

CAPACITIES = (8, 8, 16)     # Mbit/s
RATES = (60, 100, 200)      # kbit/s
VIEWERS = 220
COME_S = 22


def proportions(lab):
    """Whether both directors' weights are 1:1:2, nearly."""
    for director in lab.directors.values():
        n1, n2, n3 = director.weights().values()
        if abs(n1 / n2 - 1) > 0.1 or abs(n3 / n1 / 2 - 1) > 0.1:
            return None
    return n1, n2, n3


def main():
    with cluster.Cluster(capacities=CAPACITIES,
                         titles=[("%dk.asf" % rate, rate * 1000, 90)
                                 for rate in RATES]) as lab:
        weights = cluster.within(20, "weights are 1:1:2",
                                 lambda: proportions(lab))
        shown(True, "empty, the nodes have the weights %d %d %d" % weights)
        crowd = viewers.Crowd(seed=7)
        begin = time.monotonic()
        for i in range(VIEWERS):
            crowd.at(begin + COME_S * i / VIEWERS, lambda: crowd.add(
                "%dk.asf" % crowd.random.choice(RATES)))
        cluster.within(COME_S + 10, "all play",
                       lambda: crowd.playing() == VIEWERS)
        reports = {name: node.ask() for name, node in lab.nodes.items()}
        used = {name: int(one["committed_bps"]) / int(one["capacity_bps"])
                for name, one in reports.items()}
        mean = sum(used.values()) / len(used)
        shown(all(abs(one - mean) <= 0.1 * mean for one in used.values()),
              "of %s Mbit/s are used %s, by %s sessions" % (
                  " ".join(map(str, CAPACITIES)),
                  " ".join("%.3f" % one for one in used.values()),
                  " ".join(one["sessions"] for one in reports.values())))
        crowd.close()


if __name__ == "__main__":
    sys.exit(cluster.test(main))
