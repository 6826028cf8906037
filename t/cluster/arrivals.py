#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
arrivals - 2,000 viewers of a simulated cluster come to this kernel's wlc, in the
same order, and leave when they left there: at least 99 of 100 are given to the
same node.  Once with weights that stay, once with those of the law.

What a connection is to the kernel is told by nobody's clock: those that are
closed count until the end, here (tcpfin) as there (120 s, which are not over).

Runs as root in a kernel with IPVS whose table may be changed.

Exit status: 0 passed, 1 failed, 77 there is no IPVS here.
"""

import os
import resource
import socket
import subprocess
import sys

VIP = "127.0.9.100"
# A port for each: connections that are closed still count, and the kernel
# knows a server again by its address.
PORTS = {"static": 5541, "vodbalance": 5542}
NODES = ["127.0.9.%d" % n for n in (1, 2, 3, 4)]
COUNT = 2000
SAME = 0.99
LONG = 100000  # seconds


def ipvsadm(*words):
    done = subprocess.run(["/sbin/ipvsadm"] + " ".join(words).split(),
                          capture_output=True, text=True, timeout=20)
    if done.returncode != 0 or done.stderr:
        raise OSError("ipvsadm %s: %s" % (" ".join(words), done.stderr))
    return done.stdout


def name(port):
    return "-t %s:%d" % (VIP, port)


class Replay:
    def __init__(self, port):
        self.port, self.name = port, name(port)
        self.listeners = []
        # by the node that the simulation gave them to, the oldest first
        self.clients = [[] for _ in NODES]
        self.servers = []  # open until the end
        self.same = self.arrivals = 0

    def begin(self):
        for node in NODES:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((node, self.port))
            listener.listen(16)
            listener.setblocking(False)
            self.listeners.append(listener)
        ipvsadm("-A", self.name, "-s wlc")
        # the kernel puts the newest first, where equals are decided
        for node in reversed(NODES):
            ipvsadm("-a", self.name, "-r %s:%d -m -w 1" % (
                node, self.port))

    def weight(self, node, weight):
        ipvsadm("-e", self.name, "-r %s:%d -m -w %d" % (
            NODES[node], self.port, weight))

    def arrival(self, expected):
        client = socket.create_connection((VIP, self.port), 10)
        self.clients[expected].append(client)
        self.arrivals += 1
        for node, listener in enumerate(self.listeners):
            try:
                self.servers.append(listener.accept()[0])
            except BlockingIOError:
                continue
            self.same += node == expected
            return
        raise OSError("nobody accepts")

    def end(self, node):
        self.clients[node].pop(0).close()

    def finish(self):
        ipvsadm("-D", self.name)
        for sockets in self.clients + [self.servers, self.listeners]:
            for one in sockets:
                one.close()


def replay(policy):
    program = os.path.join(os.environ["builddir"], "t/cluster/arrivals")
    events = subprocess.run([program, policy, str(COUNT)], check=True,
                            stdout=subprocess.PIPE, text=True,
                            timeout=60).stdout.splitlines()
    run = Replay(PORTS[policy])
    try:
        run.begin()
        for event in events:
            word, *numbers = event.split()
            getattr(run, word)(*map(int, numbers))
        weights = sum(event.startswith("weight") for event in events)
        print("%s: %d of %d are given to the same node, %d weights set, "
              "%d ended" % (policy, run.same, run.arrivals, weights,
                            sum(event.startswith("end") for event in events)),
              flush=True)
        return run.arrivals == COUNT and run.same >= SAME * COUNT
    finally:
        run.finish()


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (3 * COUNT, 3 * COUNT))
    try:
        ipvsadm("--set 0 %d 0" % LONG)
        saved = ipvsadm("-Sn")
    except OSError as problem:
        print("skipped: %s" % problem)
        return 77
    if any(name(port) in saved for port in PORTS.values()):
        print("FAILED: a service of ours is there already")
        return 1
    results = [replay(policy) for policy in PORTS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
