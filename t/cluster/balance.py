#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
balance - what t/balance.py shows, with this kernel's table; then the user that
the balancer becomes, and a real vodagent beside a real vodd.

Runs as root in a kernel with IPVS whose table may be changed.

Exit status: 0 passed, 1 failed, 77 there is no IPVS here.
"""

import os
import pwd
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir))

import balance  # noqa: E402
from balance import NAME, SERVICE, Cluster, check, say, within  # noqa: E402
from vtlib.server import Server, program  # noqa: E402

IPVSADM = "/sbin/ipvsadm"


def ipvsadm(*words):
    done = subprocess.run([IPVSADM] + " ".join(words).split(),
                          capture_output=True, text=True, timeout=20)
    if done.returncode != 0 or done.stderr:
        raise OSError("ipvsadm %s: %s" % (" ".join(words), done.stderr))
    return done.stdout


class Kernel:
    """The table of t/balance.py's Recorder, for real."""

    program = IPVSADM

    def set(self, server, weight):
        saved = ipvsadm("-Sn")
        if "-A " + NAME not in saved:
            ipvsadm("-A", NAME, "-s wlc")
        if weight is None:
            ipvsadm("-d", NAME, "-r", server)
            return
        word = "-e" if "-a %s -r %s " % (NAME, server) in saved else "-a"
        ipvsadm(word, NAME, "-r", server, "-g -w %d" % weight)

    def weights(self):
        return {server: int(weight) for server, weight in re.findall(
            r"^-a %s -r (\S+) -g -w (\d+)$" % re.escape(NAME), ipvsadm("-Sn"),
            re.M)}

    def set_thresholds(self, server, upper, lower):
        ipvsadm("-e", NAME, "-r", server, "-g -w %d -x %d -y %d" % (
            self.weights()[server], upper, lower))

    def thresholds(self, server):
        match = re.search(r"-> %s +(\d+) +(\d+) " % re.escape(server),
                          ipvsadm("-Ln --thresholds"))
        return int(match.group(1)), int(match.group(2))

    def drop(self):
        ipvsadm("-D", NAME)


def as_another_user(cluster):
    """Root it becomes a user with nothing but CAP_NET_ADMIN."""
    user = pwd.getpwnam("nobody")
    os.chmod(cluster.folder, 0o777)
    os.unlink(cluster.balancer.state)
    cluster.start("-o", "user=nobody")
    within(5, "it writes its state",
           lambda: os.path.exists(cluster.balancer.state))
    with open("/proc/%d/status" % cluster.balancer.process.pid) as status:
        text = status.read()
    ids = re.search(r"^Uid:\t(\d+)\t(\d+)\t(\d+)", text, re.M).groups()
    check(set(ids) == {str(user.pw_uid)}, "it is user %s" % (ids,))
    for name in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        check("Cap%s:\t%016x\n" % (name, 1 << 12) in text, text)
    cluster.agents[0].values["state"] = "drain"
    within(5, "0 by drain", lambda: cluster.weight(1) == 0)
    cluster.agents[0].values["state"] = "ready"
    within(10, "ready again", lambda: cluster.weight(1) > 9000)
    cluster.balancer.end()
    say("ok: another user, with CAP_NET_ADMIN only")


def asks_a_real_agent(cluster):
    server = Server("vodd", cluster.folder, lambda text: None)
    server.media = os.path.join(balance.SOURCE, "media")
    agent = None
    try:
        server.start()
        cluster.agents[1].end()
        agent = subprocess.Popen(
            [program("vodagent"), "-f", "-n", server.instance, "-l",
             "127.0.0.2:%d" % cluster.port, "-H", "127.0.0.2:0", "-o",
             "capacity=500 Mbit/s", "-o", "user=root", "-o",
             "rtsp=127.0.0.1:%d" % server.ports[0]],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        cluster.start()
        within(20, "half the capacity", lambda: (
            4000 < cluster.weight(2) < 6000))
        subprocess.run([program("vodd"), "-n", server.instance, "-s",
                        "drain"], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        within(10, "0 by drain", lambda: cluster.weight(2) == 0)
        subprocess.run([program("vodd"), "-n", server.instance, "-s",
                        "undrain"], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        within(20, "ready again", lambda: cluster.weight(2) > 4000)
        cluster.balancer.end()
    finally:
        if agent:
            agent.kill()
            agent.wait()
        server.end()
    say("ok: a real vodagent and vodd: capacity, drain, undrain")


def main():
    try:
        saved = ipvsadm("-Sn")
    except OSError as problem:
        print("skipped: %s" % problem)
        return 77
    check(NAME not in saved, "%s is there already" % SERVICE)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        cluster = Cluster(folder, Kernel())
        try:
            return balance.show(cluster, (
                balance.begins, balance.follows, balance.never_all,
                balance.withstands, balance.respects,
                balance.keeps_thresholds, balance.survives_the_table,
                balance.files, balance.reloads, balance.tells,
                balance.checks, balance.ends, as_another_user,
                asks_a_real_agent))
        finally:
            if NAME in ipvsadm("-Sn"):
                cluster.table.drop()


if __name__ == "__main__":
    sys.exit(main())
