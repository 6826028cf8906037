#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
player - the node that serves vodplay loses its power: vodplay plays on from
another one, and shows the pictures that it shows from disk.  t/bench/kills
measures it.
"""

import os
import sys

sys.path[:0] = [os.environ["srcdir"] + "/contrib/labparts",
                os.environ["srcdir"] + "/t"]

import cluster  # noqa: E402
from cluster import shown  # noqa: E402
from playerlib import kills  # noqa: E402

AFTER_S = 1         # of playing: little is buffered then


def main():
    with cluster.Cluster(balance=False) as lab:
        disk = kills.Run(AFTER_S + kills.TAIL_S, kills.DISK)
        said = kills.kill(lab, AFTER_S)
        disk.end()
        shown(said["network_gap_ms"] < 5000 and said["picture_gap_ms"] < 3000,
              "%s dies, vodplay plays on from %s: network gap %.2f s, viewer "
              "gap %.2f s" % (said["victim"], said["heir"],
                              said["network_gap_ms"] / 1000,
                              said["picture_gap_ms"] / 1000))
        shown(said["pictures"] == disk.pictures,
              "each of %d pictures as from disk" % len(said["pictures"]))


if __name__ == "__main__":
    if not kills.is_built():
        print("skipped: vodplay is not built")
        sys.exit(77)
    sys.exit(cluster.test(main))
