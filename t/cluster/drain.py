#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
drain - a node that drains gets no viewer more, and is empty when its titles
end; one that does not any more is filled slowly; no viewer is refused.
"""

import os
import re
import sys
import time

sys.path.insert(0, os.environ["srcdir"] + "/contrib/labparts")

import cluster  # noqa: E402
import viewers  # noqa: E402
from cluster import check, shown  # noqa: E402

ARRIVALS = 3.0      # a second
LENGTH = 15         # s
SLOW = "10 s"       # the mean length that vodbalance is told


def weights(lab, name):
    return [one.weights()[name] for one in lab.directors.values()]


def first_weights(lab):
    """What each balancer gave n2 after 0; None as long as one did not."""
    found = [re.findall(r"node=%s:554 old=0 new=(\d+)" % re.escape(
        cluster.NODES["n2"]), one.balancer.log().rpartition('"drain"')[2])
        for one in lab.directors.values()]
    return all(found) and [int(one[-1]) for one in found]


def main():
    with cluster.Cluster(session=SLOW,
                         titles=[("short.asf", 100000, LENGTH)]) as lab:
        node = lab.nodes["n2"]
        # what is configured is 10,000 of each, when all are the same
        full = cluster.within(20, "weights are equal", lambda: max(
            weights(lab, "n2")) if min(sum((weights(lab, one)
                                            for one in lab.nodes), [])) > 5000
            else None)
        crowd = viewers.Crowd()
        watched = [crowd.add("short.asf", LENGTH, watched=True)
                   for _ in range(6)]
        crowd.arrive(ARRIVALS, lambda random: ("short.asf", LENGTH),
                     time.monotonic() + 150)
        cluster.within(20, "n2 has viewers", lambda: int(
            node.ask()["sessions"]) >= 10)

        begin = time.monotonic()
        node.order("drain")
        cluster.within(5, "n2 has weight 0",
                       lambda: weights(lab, "n2") == [0, 0])
        took = time.monotonic() - begin
        cluster.within(LENGTH + 10, "n2 is empty",
                       lambda: node.ask()["sessions"] == "0")
        shown(not crowd.failures,
              "n2 drains: weight 0 after %.1f s, empty after %.1f s, no viewer "
              "was refused" % (took, time.monotonic() - begin))
        check(not any(one.watch.missing for one in watched),
              "its viewers miss packets")

        node.order("undrain")
        begin = time.monotonic()
        first = cluster.within(10, "n2 gets a weight again",
                               lambda: first_weights(lab))
        shown(max(first) < full / 4,
              "n2 is back: its first weight is %s, of %d" % (
                  " and ".join(map(str, first)), full))
        half = cluster.within(60, "n2 has half of its weight", lambda: (
            min(weights(lab, "n2")) > full / 2 and
            time.monotonic() - begin))
        cluster.within(60, "n2 has its weight", lambda: min(
            weights(lab, "n2")) > full * 0.8)
        shown(half > 2 and not crowd.failures,
              "half of its weight after %.1f s, all of it after %.1f s; no "
              "viewer was refused" % (half, time.monotonic() - begin))
        crowd.close()


if __name__ == "__main__":
    sys.exit(cluster.test(main))
