#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
node_dies - a node that is gone leaves the directors' tables within 3 s, and its
viewers can come back elsewhere; so too when only its server is gone.
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.environ["srcdir"] + "/contrib/labparts")

import cluster  # noqa: E402
import viewers  # noqa: E402
from cluster import check, shown  # noqa: E402

VIEWERS = 12
LEAVES_S = 3


def watch(crowd, count):
    new = [crowd.add("long.asf", watched=True) for _ in range(count)]
    cluster.within(15, "all play", lambda: all(
        one.state == "playing" and one.watch.received for one in new))
    return new


def of_node(lab, name, watched):
    """Those of the viewers that NAME serves."""
    first, last = cluster.RTP_PORTS[name]
    return [one for one in watched if first <= one.server_port <= last]


def leaves(lab, name, how):
    begin = time.monotonic()
    how()
    for director in lab.directors.values():
        cluster.within(
            LEAVES_S, "%s leaves the table of %s" % (name, director.name),
            lambda: name not in director.weights())
    return time.monotonic() - begin


def main():
    with cluster.Cluster(balance=False,
                         titles=[("long.asf", 100000, 120)]) as lab:
        crowd = viewers.Crowd()
        watched = watch(crowd, VIEWERS)
        check(all(of_node(lab, name, watched) for name in lab.nodes),
              "a node has no viewer")

        took = leaves(lab, "n2", lab.nodes["n2"].die)
        shown(True, "n2 loses its power: out of both tables after %.1f s" %
              took)
        lost = of_node(lab, "n2", watched)
        for one in lost:    # as players do that hear nothing any more
            crowd.at(0, lambda one=one: one.send("GET_PARAMETER"))
        cluster.within(5, "its viewers are told so", lambda: all(
            one.state == "failed" for one in lost))
        again = watch(crowd, len(lost))
        shown(not of_node(lab, "n2", again),
              "its %d viewers were reset when they asked, and play elsewhere"
              % len(lost))
        node = lab.nodes["n2"]
        node.plug()
        node.start()
        cluster.within(15, "n2 is ready", node.ready)
        cluster.within(5, "n2 is back", lambda: all(
            "n2" in one.weights() for one in lab.directors.values()))
        shown(True, "it comes back, and is in both tables again")

        took = leaves(lab, "n3", lambda: os.killpg(
            lab.nodes["n3"].server.process.pid, signal.SIGKILL))
        shown(True, "n3 loses its server: out of both tables after %.1f s" %
              took)
        lost = of_node(lab, "n3", watched + again)
        again = watch(crowd, len(lost))
        shown(not of_node(lab, "n3", again),
              "as many viewers as it had play elsewhere")
        others = [one for one in of_node(lab, "n1", watched)
                  if one.state == "playing"]
        check(others, "n1 has no viewer")
        missing = sum(one.watch.missing for one in others)
        pause = max(one.watch.pause for one in others)
        shown(missing == 0 and pause < 2,
              "n1's %d viewers miss nothing, their longest pause is %.2f s" % (
                  len(others), pause))
        crowd.close()


if __name__ == "__main__":
    sys.exit(cluster.test(main))
