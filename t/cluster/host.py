#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
host - contrib/lab --host brings up the cluster in this kernel, and nothing of
it is left behind, neither at its end nor when it is told to end.
"""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.environ["srcdir"] + "/contrib/labparts")

import cluster  # noqa: E402
from cluster import run, shown  # noqa: E402

LAB = [os.environ["srcdir"] + "/contrib/lab", "--host"]


def state():
    """What a lab changes, if it is not in namespaces of its own."""
    with open("/proc/mounts") as mounts:
        return [mounts.read(), run("ip", "netns", "list"),
                run("ip", "-o", "addr"), run("ipvsadm", "-Sn"),
                sorted(os.listdir("/dev/shm")), sorted(os.listdir("/run")),
                [line for line in run("ps", "ax", "-o", "args").splitlines()
                 if line.startswith((cluster.BUILD, "keepalived"))]]


def main():
    before = state()
    done = subprocess.run(LAB + ["run", "sh", "-c", (
        "ip netns exec d1 ipvsadm -Sn; ps ax; exit 5")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    shown(done.returncode == 5 and all(
        "-r %s:554 " % address in done.stdout
        for address in cluster.NODES.values()) and
        "vodbalance" in done.stdout,
        "a cluster was up, and its command's exit status is the lab's")
    shown(state() == before, "nothing of it is left")

    with open("/run/host.out", "w") as out:
        lab = subprocess.Popen(LAB + ["run", "sh", "-c", "echo up; sleep 60"],
                               stdout=out)

    def up():
        with open("/run/host.out") as text:
            return "up" in text.read()
    cluster.within(40, "a cluster is up", up)
    begin = time.monotonic()
    lab.send_signal(signal.SIGTERM)
    status = lab.wait()
    os.unlink("/run/host.out")
    shown(status == 143 and state() == before,
          "nor of one that was told to end after %.1f s" % (
              time.monotonic() - begin))


if __name__ == "__main__":
    sys.exit(cluster.test(main))
