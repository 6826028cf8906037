# SPDX-License-Identifier: BSD-2-Clause
"""
several - two directors at once: a route of two ways spreads viewers over them,
and with the scheduler mh one takes over the other's connections, of which
nobody told it.  Part of setup.py.
"""

import re

import cluster
import viewers
from cluster import DIRECTORS, RTP_PORTS, RTSP_PORT, VIP, run, shown

VIEWERS = 24
ROUTE = "ip route replace %s/32" % VIP
# A connection that began elsewhere is one, too.
SLOPPY = "sysctl -q -w net.ipv4.vs.sloppy_tcp=%d"


def through(director):
    """The viewers whose connections a director has."""
    return set(re.findall(r"(?m)^TCP .*? (10\.64\.1\.\d+):\d+ ",
                          run("ipvsadm", "-Lnc", place=director)))


def routes(*directors):
    words = "".join(" nexthop via " + DIRECTORS[one] for one in directors)
    run(*(ROUTE + words).split(), place="clients")


def set_up(lab):
    for name, director in lab.directors.items():
        director.set_up()
        run("ipvsadm", "-E", "-t", "%s:%d" % (VIP, RTSP_PORT), "-s", "mh",
            place=name)
        run(*(SLOPPY % 1).split(), place=name)
    routes(*DIRECTORS)


def undo():
    run(*("ip route del %s/32" % VIP).split(), place="clients")
    for name in DIRECTORS:
        run(*(SLOPPY % 0).split(), place=name)
        run(cluster.SOURCE + "/contrib/setup-director", "--undo", VIP,
            place=name)


def show(lab):
    set_up(lab)
    crowd = viewers.Crowd()
    every = [crowd.add("sample.wmv", watched=True) for _ in range(VIEWERS)]
    cluster.within(15, "all play", lambda: all(
        one.state == "playing" and one.watch.received for one in every))
    shares = [sum(first <= one.server_port <= last for one in every)
              for first, last in RTP_PORTS.values()]
    first, second = map(through, DIRECTORS)
    shown(first and second and not first & second and all(shares),
          "a route of two ways: %d viewers through d1, %d through d2; %s on "
          "the nodes" % (len(first), len(second), " ".join(map(str, shares))))
    lab.directors["d1"].unplug()
    routes("d2")
    # in another order than they came, by which any scheduler might fit
    for one in crowd.random.sample(every, VIEWERS):
        crowd.at(0, lambda one=one: one.send("GET_PARAMETER"))
    cluster.within(6, "all are answered", lambda: all(
        one.state == "playing" and one.asked is None for one in every))
    shown(through("d2") >= first and
          not sum(one.watch.missing for one in every),
          "d1 is unplugged: d2 gives its %d viewers the nodes they were at, "
          "without being told, and answers come" % len(first))
    crowd.close()
    lab.directors["d1"].plug()
    undo()
