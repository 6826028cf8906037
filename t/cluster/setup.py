#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
setup - setup-director and setup-realserver, on machines that nobody has
touched: a dry run changes nothing, a second run finds nothing to do, what is
made serves viewers, another set of nodes takes the place of the first, --undo
leaves nothing.  Then what vodbalance finds when the set-up is not right
(diagnose.py), and what two directors at once do (several.py).
"""

import os
import sys

sys.path.insert(0, os.environ["srcdir"] + "/contrib/labparts")

import cluster  # noqa: E402
import diagnose  # noqa: E402
import several  # noqa: E402
import viewers  # noqa: E402
from cluster import NODES, RTP_PORTS, VIP, run, shown  # noqa: E402

SCRIPTS = os.environ["srcdir"] + "/contrib/"


def state(place, conf=None):
    """All that the scripts may change."""
    parts = [run(*words, place=place) for words in (
        ("ipvsadm", "-Sn"), ("ipvsadm", "-L", "--timeout"),
        ("iptables-legacy", "-t", "mangle", "-S"),
        ("ip", "-4", "-o", "addr"),
        ("sysctl", "net.ipv4.vs.expire_nodest_conn",
         "net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce"))]
    if conf:
        with open(conf) as file:
            parts.append(file.read())
    return parts


def steps(place, script, before, words, undo, conf=None):
    """What each script must do; its words are printed if it fails."""
    dry = run(SCRIPTS + script, "--dry-run", *words, place=place)
    shown(dry and state(place, conf) == before,
          "%s --dry-run prints %d steps and changes nothing" % (
              script, len(dry.splitlines())))
    first = run(SCRIPTS + script, *words, place=place)
    again = run(SCRIPTS + script, *words, place=place)
    shown(first == dry and not again,
          "%s takes them, and a second time finds nothing to do" % script)
    after = state(place, conf)
    run(SCRIPTS + script, *undo, place=place)
    shown(state(place, conf) == before, "%s --undo leaves nothing" % script)
    run(SCRIPTS + script, *undo, place=place)
    shown(state(place, conf) == before, "nor does a second one")
    run(SCRIPTS + script, *words, place=place)
    cluster.check(state(place, conf) == after, "the third time is another")


def spread(crowd, lab, count):
    """Over how many nodes COUNT viewers are spread, by their numbers."""
    new = [crowd.add("sample.wmv", watched=True) for _ in range(count)]
    cluster.within(15, "all play", lambda: all(
        one.state == "playing" and one.watch.received for one in new))
    return sorted(sum(RTP_PORTS[name][0] <= one.server_port <=
                      RTP_PORTS[name][1] for one in new)
                  for name in NODES)


def sample():
    """etc/keepalived.conf is what the script writes."""
    path = cluster.FOLDER + "/sample.conf"
    run(SCRIPTS + "setup-director", "--keepalived", path, "--interface", "eth0",
        "192.0.2.100", "192.0.2.11=40000-40099", "192.0.2.12=40100-40199",
        place="d1")
    with open(path) as made, open(
            os.environ["srcdir"] + "/etc/keepalived.conf") as kept:
        shown(made.read() == kept.read(),
              "etc/keepalived.conf is what setup-director writes")


def set_up(lab):
    node, director = lab.nodes["n1"], lab.directors["d2"]
    # of the cluster that is up, d2 and n1 are not needed
    node.server.kill()
    run(SCRIPTS + "setup-realserver", "--undo", "--conf", node.conf, VIP,
        place="n1")
    steps("n1", "setup-realserver", state("n1", node.conf),
          ["--conf", node.conf, VIP, "%d-%d" % RTP_PORTS["n1"]],
          ["--conf", node.conf, "--undo", VIP], node.conf)
    node.start_server()
    cluster.within(15, "n1 is ready", node.ready)

    every = ["%s=%d-%d" % (NODES[name], *RTP_PORTS[name])
             for name in NODES]
    run(SCRIPTS + "setup-director", "--undo", VIP, place="d1")
    before = state(director.name)
    steps(director.name, "setup-director", before,
          ["--scheduler", "rr", VIP, *every], ["--undo", VIP])
    sample()
    crowd = viewers.Crowd()
    shown(spread(crowd, lab, 6) == [2, 2, 2],
          "6 viewers play through d2, 2 of each node")
    run(SCRIPTS + "setup-director", "--scheduler", "wlc", VIP, *every[1:],
        place="d2")
    rules = run("ipvsadm", "-Sn", place="d2")
    shown(NODES["n1"] not in rules and " -s wlc" in rules and
          len(rules.splitlines()) == 3 + 4,
          "with a node less and another scheduler: that node is out")
    shown(spread(crowd, lab, 4) == [0, 2, 2],
          "4 viewers play through d2, 2 of each node that is left")
    run(SCRIPTS + "setup-director", "--undo", VIP, place="d2")
    shown(state("d2") == before, "--undo leaves nothing")
    crowd.close()


def main():
    with cluster.Cluster(keepalived=False, balance=False) as lab:
        set_up(lab)
        lab.directors["d1"].set_up()
        run("ip", "neigh", "flush", "to", VIP, place="clients")
        diagnose.show(lab)
        several.show(lab)


if __name__ == "__main__":
    sys.exit(cluster.test(main))
