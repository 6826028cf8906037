# SPDX-License-Identifier: BSD-2-Clause
"""
kills - in the lab's kernel: vodplay plays a title through the virtual address,
and the node that serves it loses its power.  That is the hardest death: nothing
is closed, nothing refused, packets just end.
"""

import os
import random
import time

import cluster
from cluster import BUILD, FOLDER, VIP
from playerlib import vodplay

TITLE = "lecture.wmv"   # 10 pictures a second
URL = "rtsp://%s/%s" % (VIP, TITLE)
DISK = "%s/media/%s" % (FOLDER, TITLE)
TAIL_S = 5              # played behind a kill
CROWD = 1.2             # other viewers, a second


def is_built():
    return os.path.exists(BUILD + "/vodplay")


def choose(random):
    """What other viewers watch."""
    return "others.asf", random.choice((5, 10, 20))


class Run:
    """One vodplay from the title's beginning."""

    def __init__(self, seconds, url=URL):
        self.pictures = None
        with cluster.inside("clients"):
            self.play = vodplay.Play(
                url, "--duration", "%g" % seconds,
                hashes="%s/hashes-%d" % (FOLDER, url == URL))

    def end(self):
        self.play.played(40)
        self.pictures = [(one.ms, one.hash) for one in
                         self.play.hashes().frames[vodplay.VIDEO]]
        return self.play.statistics()


def serving(lab, but=None):
    """The node that plays the title."""
    return next((
        name for name, node in lab.nodes.items() if name != but and any(
            one["title"] == TITLE and one["state"] == "playing"
            for one in node.stat("--sessions")["session_list"])), None)


def leaves(lab, victim, begin):
    """Until the active director has no such node any more."""
    cluster.within(5, "%s is out of the table" % victim,
                   lambda: victim not in lab.active().weights())
    return time.monotonic() - begin


def comes_back(lab, victim):
    node = lab.nodes[victim]
    node.plug()
    node.start()
    cluster.within(15, "%s is ready" % victim, node.ready)
    cluster.within(5, "%s is back" % victim, lambda: all(
        victim in one.weights() for one in lab.directors.values()))


def kill(lab, after):
    """AFTER seconds of playing: what vodplay says of it, what it decoded."""
    run = Run(after + TAIL_S)
    run.play.until_state("playing")
    time.sleep(after)
    victim = serving(lab)
    cluster.check(victim, "nobody serves vodplay")
    buffered = run.play.statistics()["buffered_ms"]
    begin = time.monotonic()
    lab.nodes[victim].die()
    gone = leaves(lab, victim, begin)
    heir = cluster.within(10, "vodplay goes on", lambda: serving(lab, victim))
    comes_back(lab, victim)
    said = run.end()
    cluster.check(said["reconnects"] > 0, "vodplay did not notice")
    return dict(said, victim=victim, heir=heir, gone=gone, buffered=buffered,
                pictures=run.pictures)


def moments(count, last):
    """Evenly spread up to LAST seconds, in no order."""
    every = [last * (at + 1) / count for at in range(count)]
    random.Random(1).shuffle(every)
    return every
