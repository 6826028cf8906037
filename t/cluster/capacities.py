#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
capacities - nodes whose capacities are 1:1:2 are filled in proportion by us;
HAProxy understands our agents, and keepalived takes weights from vodbalance
--misc-check by misc_dynamic.
"""

import csv
import os
import re
import shutil
import socket
import sys
import time

sys.path.insert(0, os.environ["srcdir"] + "/contrib/labparts")

import cluster  # noqa: E402
import viewers  # noqa: E402
from cluster import BUILD, FOLDER, NODES, SOURCE, say, shown  # noqa: E402

CAPACITIES = (8, 8, 16)     # Mbit/s
RATES = (60, 100, 200)      # kbit/s
VIEWERS = 220
COME_S = 22
STAY = 30                   # of them, for the others


def proportions(lab):
    """Whether both directors' weights are 1:1:2, nearly."""
    for director in lab.directors.values():
        n1, n2, n3 = director.weights().values()
        if abs(n1 / n2 - 1) > 0.1 or abs(n3 / n1 / 2 - 1) > 0.1:
            return None
    return n1, n2, n3


def fills(lab, crowd):
    weights = cluster.within(20, "weights are 1:1:2",
                             lambda: proportions(lab))
    shown(True, "empty, the nodes have the weights %d %d %d" % weights)
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


def go(crowd):
    """Most of them, so that nothing is busy any more."""
    for one in list(crowd.viewers)[STAY:]:
        crowd.at(0, one.leave)
    cluster.within(15, "%d stay" % STAY,
                   lambda: len(crowd.viewers) == STAY)


class HAProxy:
    """On d2, with agent-check as its manual has it."""

    def __init__(self):
        self.stats = FOLDER + "/haproxy.stats"
        conf = FOLDER + "/haproxy.conf"
        with open(conf, "w") as out:
            out.write("global\n stats socket %s mode 600\n"
                      "defaults\n mode tcp\n timeout connect 2s\n"
                      " timeout client 1m\n timeout server 1m\n"
                      "backend vodd\n balance leastconn\n" % self.stats)
            for name, address in NODES.items():
                out.write(" server %s %s:554 weight 100 check inter 1s "
                          "agent-check agent-port 3333 agent-inter 1s\n" % (
                              name, address))
        self.process = cluster.Process("d2", "haproxy", (
            self.program(), "-db", "-f", conf))

    @staticmethod
    def program():
        return shutil.which("haproxy", path=os.pathsep.join([
            os.environ["PATH"], SOURCE + "/build/unpacked/usr/sbin"]))

    def servers(self):
        """name -> (status, weight)."""
        with socket.socket(socket.AF_UNIX) as link:
            try:
                link.connect(self.stats)
            except OSError:
                return {}
            link.sendall(b"show stat\n")
            text = b""
            while True:
                more = link.recv(65536)
                if not more:
                    break
                text += more
        rows = csv.DictReader(text.decode().lstrip("# ").splitlines())
        return {row["svname"]: (row["status"], int(row["weight"]))
                for row in rows if row["svname"] in NODES}


def reads_agent(lab):
    haproxy = HAProxy()

    def percent():
        return {name: int(re.fullmatch(r"ready (\d+)% up", node.ask()["line"])
                          .group(1)) for name, node in lab.nodes.items()}

    def weights():
        return {name: weight for name, (status, weight)
                in haproxy.servers().items() if status == "UP"}
    cluster.check(max(percent().values()) < 99, "the nodes have no load")
    cluster.within(15, "HAProxy has the agents' weights",
                   lambda: weights() == percent())
    shown(True, "HAProxy's weights are what the agents say: %s %%" %
          " ".join(map(str, weights().values())))
    lab.nodes["n2"].order("drain")
    cluster.within(5, "HAProxy sees n2 drain", lambda: "DRAIN" in
                   haproxy.servers()["n2"][0] or
                   haproxy.servers()["n2"][1] == 0)
    lab.nodes["n3"].server.kill()
    cluster.within(8, "HAProxy sees n3 down", lambda: haproxy.servers()[
        "n3"][0].startswith("DOWN"))
    servers = haproxy.servers()
    shown(servers["n1"][0] == "UP", "and one that drains, and one that is "
          "down: %s" % " ".join(one[0] for one in servers.values()))
    lab.nodes["n2"].order("undrain")
    lab.nodes["n3"].start_server()
    cluster.within(8, "HAProxy takes both back", lambda: all(
        status == "UP" for status, _ in haproxy.servers().values()))
    haproxy.process.kill()
    cluster.within(8, "all nodes are ready", lambda: all(
        node.ready() for node in lab.nodes.values()))
    shown(True, "it takes both back")


def takes_weights(lab):
    """keepalived of d2 asks vodbalance, instead of looking at the port."""
    director = lab.directors["d2"]
    director.balancer.kill()
    director.keepalived.stop()
    path = director.folder + "/keepalived.conf"
    with open(path) as file:
        text = file.read()
    text = text.replace("global_defs {", "global_defs {\n    script_user root")
    text, count = re.subn(
        r"(real_server (\S+) .*\n.*\n)[^}]*}", r"""\1
        MISC_CHECK {
            misc_path "%s -c %s/vodbalance.conf --misc-check \2"
            misc_timeout 3
            misc_dynamic
        }""" % (BUILD + "/vodbalance", director.folder), text)
    cluster.check(count == len(NODES), "keepalived.conf has other servers")
    with open(path, "w") as out:
        out.write(text)
    director.start_keepalived()

    def weights(wanted):
        return list(director.weights().values()) == wanted
    cluster.within(12, "weights by misc_dynamic", lambda: weights(
        [126, 126, 253]) or weights([127, 127, 253]))
    shown(True, "keepalived's weights by misc_dynamic are the capacities': "
          "%s" % " ".join(map(str, director.weights().values())))
    lab.nodes["n2"].order("drain")
    cluster.within(6, "keepalived gives n2 the weight 0",
                   lambda: director.weights().get("n2") == 0)
    lab.nodes["n3"].server.kill()
    cluster.within(8, "keepalived takes n3 out",
                   lambda: "n3" not in director.weights())
    shown(True, "one that drains has 0, one that is down is out: %s" %
          director.weights())


def main():
    with cluster.Cluster(capacities=CAPACITIES, vodagent=("say_up = true",),
                         titles=[("%dk.asf" % rate, rate * 1000, 120)
                                 for rate in RATES]) as lab:
        crowd = viewers.Crowd(seed=7)
        fills(lab, crowd)
        go(crowd)
        if HAProxy.program():
            reads_agent(lab)
        else:
            say("left out: haproxy is not here")
        takes_weights(lab)
        crowd.close()


if __name__ == "__main__":
    sys.exit(cluster.test(main))
