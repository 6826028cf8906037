#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
survives - a killed agent, killed balancers, a director without power: who
watches notices nothing, and who comes is served.
"""

import os
import sys
import time

sys.path.insert(0, os.environ["srcdir"] + "/contrib/labparts")

import cluster  # noqa: E402
import viewers  # noqa: E402
from cluster import check, shown  # noqa: E402

VIEWERS = 12
PAUSE_S = 2         # a longer one would be noticed
TAKES_OVER_S = 8


class Watched:
    def __init__(self, crowd):
        self.crowd, self.all = crowd, []

    def come(self, count):
        """They do, and are served."""
        new = [self.crowd.add("long.asf", watched=True)
               for _ in range(count)]
        self.all += new
        cluster.within(15, "new viewers play", lambda: all(
            one.state == "playing" and one.watch.received for one in new))

    def are_well(self):
        """Nothing is missing, nobody waits, and the server answers them."""
        for one in self.all:
            self.crowd.at(0, lambda one=one: one.send("GET_PARAMETER"))
        cluster.within(6, "all are answered", lambda: all(
            one.state == "playing" and one.asked is None
            for one in self.all))
        missing = sum(one.watch.missing for one in self.all)
        pause = max(one.watch.pause for one in self.all)
        check(not missing and pause < PAUSE_S,
              "%d packets are missing, the longest pause is %.2f s" % (
                  missing, pause))
        return "%d viewers miss nothing, the longest pause is %.2f s" % (
            len(self.all), pause)


def weights(lab):
    return [one.weights() for one in lab.directors.values()]


def steady(before, after):
    """No weight is another by more than what sessions that come may do."""
    return all(abs(after[d][name] - old) <= 0.25 * old
               for d, table in enumerate(before)
               for name, old in table.items())


def main():
    with cluster.Cluster(titles=[("long.asf", 100000, 150)]) as lab:
        cluster.within(20, "weights are equal", lambda: all(
            min(one.values()) > 5000 for one in weights(lab)))
        crowd = viewers.Crowd()
        watched = Watched(crowd)
        watched.come(VIEWERS)
        before = weights(lab)

        lab.nodes["n1"].agent.kill()
        time.sleep(5)       # it is asked some times in vain
        watched.come(6)
        shown(steady(before, weights(lab)), "n1's agent is killed: weights "
              "stay, 6 new ones are served; " + watched.are_well())
        lab.nodes["n1"].start_agent()
        cluster.within(5, "the agent is back", lab.nodes["n1"].ready)

        before = weights(lab)
        for director in lab.directors.values():
            director.balancer.kill()
        time.sleep(3)
        watched.come(6)
        shown(before == weights(lab), "both balancers are killed: weights "
              "stay, 6 new ones are served; " + watched.are_well())
        for director in lab.directors.values():
            director.start_balancer()

        old = lab.active()
        new = next(one for one in lab.directors.values() if one is not old)
        time.sleep(2)       # of what came last the other one is told
        begin = time.monotonic()
        old.unplug()
        for one in (old.keepalived, old.balancer):
            one.kill()
        cluster.within(TAKES_OVER_S, "%s takes over" % new.name, new.has_vip)
        took = time.monotonic() - begin
        watched.come(6)
        shown(steady(before[1:], [new.weights()]), "the active director loses "
              "its power: the other one takes over after %.1f s, 6 new ones "
              "are served; %s" % (took, watched.are_well()))
        crowd.close()


if __name__ == "__main__":
    sys.exit(cluster.test(main))
