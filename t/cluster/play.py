#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
play - ffmpeg plays through the virtual address what it plays from disk; the
media comes from there and not through the director; RTCP and keep-alives reach
the node whose viewer sent them.
"""

import concurrent.futures
import os
import sys
import time

sys.path[:0] = [os.environ["srcdir"] + "/contrib/labparts",
                os.environ["srcdir"] + "/t"]

import cluster  # noqa: E402
import viewers  # noqa: E402
from clientslib import ffmpeg  # noqa: E402
from cluster import FOLDER, NODES, RTP_PORTS, VIP, check, shown  # noqa: E402

TITLE = "sample.wmv"
TRANSPORTS = "udp", "tcp"
VIEWERS = 18
TIMEOUT_S = 5       # session_timeout
LOST = 1000         # what the first viewer says that it lost


def plays(lab):
    director = lab.active()
    seen = {place: cluster.Sniffer(place) for place in (
        "clients", director.name)}
    before = {place: cluster.counters(place)
              for place in [director.name, *NODES]}
    wanted = ffmpeg.frames("%s/media/%s" % (FOLDER, TITLE))

    def frames(transport):
        with cluster.inside("clients"):
            return ffmpeg.frames("rtsp://%s/%s" % (VIP, TITLE),
                                 ["-rtsp_transport", transport])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for transport, got in zip(TRANSPORTS, pool.map(frames, TRANSPORTS)):
            shown(ffmpeg.difference(wanted, got) is None,
                  "ffmpeg over %s: %s frames, each as from disk" % (
                      transport, "+".join(str(len(one)) for one in got)))
    grown = {place: {name: cluster.counters(place)[name] - old[name]
                     for name in old} for place, old in before.items()}
    for one in seen.values():
        one.close()
    came = seen["clients"].count(lambda s, sp, d, dp: 40000 <= sp < 41000)
    shown(came > 0 and came == seen["clients"].count(
        lambda s, sp, d, dp: s == VIP and 40000 <= sp < 41000),
        "%d RTP and RTCP datagrams came to the viewer, all from %s" % (
            came, VIP))
    media = sum(grown[node]["tx_bytes"] for node in NODES)
    through = grown[director.name]
    passed = seen[director.name].count(
        lambda s, sp, d, dp: 40000 <= sp < 41000)
    shown(passed == 0 and through["tx_bytes"] < media / 20,
          "the nodes sent %d bytes; the director %d bytes and none of the "
          "datagrams" % (media, through["tx_bytes"]))


def sessions(lab):
    """Of all nodes: (node, session)."""
    return [(name, one) for name, node in lab.nodes.items()
            for one in node.stat("--sessions")["session_list"]]


def reaches(lab, crowd):
    """A third keeps its session by RTCP, a third by GET_PARAMETER, a third
    does nothing."""
    watched = [crowd.add("long.asf", watched=True, keep_alive=False)
               for _ in range(VIEWERS)]
    cluster.within(15, "all play", lambda: all(
        one.state == "playing" and one.watch.received for one in watched))
    by_rtcp, by_rtsp, idle = (watched[i::3] for i in range(3))
    shares = [sum(name == one for one, _ in sessions(lab)) for name in NODES]
    check(all(shares), "of %d viewers %s are on the nodes" % (VIEWERS, shares))
    seen = {name: cluster.Sniffer(name) for name in NODES}

    def tell():
        for at, one in enumerate(by_rtcp):
            one.watch.report(VIP, one.server_port, LOST + at)
        for one in by_rtsp:
            crowd.at(0, lambda one=one: one.send("GET_PARAMETER"))
    end = time.monotonic() + TIMEOUT_S + 4
    sent = 0
    while time.monotonic() < end:
        tell()
        sent += len(by_rtcp)
        time.sleep(1)
    told = sorted(one["packets_lost"] for _, one in sessions(lab)
                  if one["packets_lost"] >= LOST)
    shown(told == [LOST + at for at in range(len(by_rtcp))],
          "each of %d viewers' reports was taken by its own session" %
          len(by_rtcp))
    for one in seen.values():
        one.close()
    right = sum(seen[name].count(
        lambda s, sp, d, dp: d == VIP and first <= dp <= last)
        for name, (first, last) in RTP_PORTS.items())
    every = sum(seen[name].count(lambda s, sp, d, dp: d == VIP)
                for name in NODES)
    shown(right == every == sent,
          "%d of %d RTCP datagrams reached the node of their range" % (
              right, sent))
    silent = [one for one in watched
              if time.monotonic() - one.watch.last > 2]
    shown(silent == idle or set(silent) == set(idle),
          "kept: %d sessions by RTCP alone, %d by GET_PARAMETER; %d that did "
          "neither ended after %d s" % (
              len(by_rtcp), len(by_rtsp), len(idle), TIMEOUT_S))
    missing = sum(one.watch.missing for one in by_rtcp + by_rtsp)
    shown(missing == 0, "no packet of theirs is missing")


def main():
    with cluster.Cluster(vodd=('session_timeout = "%d s"' % TIMEOUT_S,),
                         balance=False,
                         titles=[("long.asf", 100000, 60)]) as lab:
        try:
            plays(lab)
        except ffmpeg.Failed as failed:
            raise cluster.Failed("ffmpeg: %s" % failed)
        crowd = viewers.Crowd()
        try:
            reaches(lab, crowd)
        finally:
            crowd.close()


if __name__ == "__main__":
    sys.exit(cluster.test(main))
