#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
survives - a killed agent, killed balancers, a director without power: who
watches notices nothing, and who comes is served.  A node without power, or
without its server, leaves the directors' tables within 3 s, and its viewers can
come back elsewhere; vodplay does, and shows the pictures that it shows from
disk (t/bench/kills measures it).
"""

import os
import signal
import sys
import time

sys.path[:0] = [os.environ["srcdir"] + "/contrib/labparts",
                os.environ["srcdir"] + "/t"]

import cluster  # noqa: E402
import viewers  # noqa: E402
from cluster import check, say, shown  # noqa: E402
from playerlib import kills  # noqa: E402

VIEWERS = 12
PAUSE_S = 2         # a longer one would be noticed
TAKES_OVER_S = 8
LEAVES_S = 3
PLAYER_S = 1        # vodplay's node dies so early: little is buffered then


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
        return new

    def of(self, name):
        """Those that the node NAME serves."""
        first, last = cluster.RTP_PORTS[name]
        return [one for one in self.all if one.state == "playing" and
                first <= one.server_port <= last]

    def are_well(self, some=None):
        """Nothing is missing, nobody waits, and the server answers them."""
        some = self.all if some is None else some
        for one in some:
            self.crowd.at(0, lambda one=one: one.send("GET_PARAMETER"))
        cluster.within(6, "all are answered", lambda: all(
            one.state == "playing" and one.asked is None for one in some))
        missing = sum(one.watch.missing for one in some)
        pause = max(one.watch.pause for one in some)
        check(not missing and pause < PAUSE_S,
              "%d packets are missing, the longest pause is %.2f s" % (
                  missing, pause))
        return "%d viewers miss nothing, the longest pause is %.2f s" % (
            len(some), pause)


def weights(lab):
    return [one.weights() for one in lab.directors.values()]


def steady(before, after):
    """No weight is another by more than what sessions that come may do."""
    return all(abs(after[d][name] - old) <= 0.25 * old
               for d, table in enumerate(before)
               for name, old in table.items())


# --- what steers ----------------------------------------------------------

def daemons_die(lab, watched):
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
    return before


def director_dies(lab, watched, before):
    old = lab.active()
    new = next(one for one in lab.directors.values() if one is not old)
    time.sleep(2)       # of what came last the other one is told
    begin = time.monotonic()
    old.die()
    cluster.within(TAKES_OVER_S, "%s takes over" % new.name, new.has_vip)
    took = time.monotonic() - begin
    watched.come(6)
    shown(steady(before[1:], [new.weights()]), "the active director loses "
          "its power: the other one takes over after %.1f s, 6 new ones "
          "are served; %s" % (took, watched.are_well()))
    old.plug()
    old.start_keepalived()
    old.start_balancer()
    cluster.within(15, "%s has all nodes again" % old.name,
                   lambda: old.has_all(lab.nodes))
    check(lab.active() is new, "two directors are active, or another one")


# --- nodes ----------------------------------------------------------------

def leaves(lab, name, how):
    begin = time.monotonic()
    how()
    for director in lab.directors.values():
        cluster.within(
            LEAVES_S, "%s leaves the table of %s" % (name, director.name),
            lambda: name not in director.weights())
    return time.monotonic() - begin


def is_back(lab, name):
    cluster.within(15, name + " is ready", lab.nodes[name].ready)
    cluster.within(5, name + " is back", lambda: all(
        name in one.weights() for one in lab.directors.values()))


def node_dies(lab, watched):
    lost = watched.of("n2")
    took = leaves(lab, "n2", lab.nodes["n2"].die)
    shown(True, "n2 loses its power: out of both tables after %.1f s" % took)
    for one in lost:    # as players do that hear nothing any more
        watched.crowd.at(0, lambda one=one: one.send("GET_PARAMETER"))
    cluster.within(5, "its viewers are told so", lambda: all(
        one.state == "failed" for one in lost))
    watched.come(len(lost))
    shown(lost and not watched.of("n2"),
          "its %d viewers were reset when they asked, and play elsewhere" %
          len(lost))
    lab.nodes["n2"].plug()
    lab.nodes["n2"].start()
    is_back(lab, "n2")
    shown(True, "it comes back, and is in both tables again")


def server_dies(lab, watched):
    node, lost = lab.nodes["n3"], watched.of("n3")
    took = leaves(lab, "n3", lambda: os.killpg(
        node.server.process.pid, signal.SIGKILL))
    shown(True, "n3 loses its server: out of both tables after %.1f s" % took)
    again = watched.come(len(lost))
    shown(lost and not set(again) & set(watched.of("n3")),
          "as many viewers as it had play elsewhere")
    shown(watched.of("n1"), "of n1 " + watched.are_well(watched.of("n1")))
    node.server.process.wait()
    node.start_server()
    is_back(lab, "n3")


def vodplay_plays_on(lab):
    if not kills.is_built():
        say("left out: vodplay is not built")
        return
    disk = kills.Run(PLAYER_S + kills.TAIL_S, kills.DISK)
    said = kills.kill(lab, PLAYER_S)
    disk.end()
    shown(said["network_gap_ms"] < 5000 and said["picture_gap_ms"] < 3000,
          "%s dies, vodplay plays on from %s: network gap %.2f s, viewer "
          "gap %.2f s" % (said["victim"], said["heir"],
                          said["network_gap_ms"] / 1000,
                          said["picture_gap_ms"] / 1000))
    shown(said["pictures"] == disk.pictures,
          "each of %d pictures as from disk" % len(said["pictures"]))


def main():
    with cluster.Cluster(titles=[("long.asf", 100000, 150)]) as lab:
        cluster.within(20, "weights are equal", lambda: all(
            min(one.values()) > 5000 for one in weights(lab)))
        crowd = viewers.Crowd()
        watched = Watched(crowd)
        watched.come(VIEWERS)
        before = daemons_die(lab, watched)
        director_dies(lab, watched, before)
        node_dies(lab, watched)
        server_dies(lab, watched)
        crowd.close()
        vodplay_plays_on(lab)


if __name__ == "__main__":
    sys.exit(cluster.test(main))
