#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
masters - masters die one after the other, and no viewer's connection is lost.

usage: masters.py [--few] [--seed N]

Each second master is killed at any moment of its start, most of which it spends
taking over from the one that died before: lanes are then between two workers.
The next one has to find everybody all the same.  200 deaths; --few: 16.  Exit
status: 0 passed, 1 failed.
"""

import argparse
import os
import random
import shutil
import socket
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from vtlib.net import patience  # noqa: E402
from vtlib.server import Server, Trouble  # noqa: E402

VIEWERS = 40
# A start with its takeover is over by then, mostly.
MOMENTS_S = 0.03


class Viewer:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.settimeout(10 * patience())

    def ask(self):
        """Is it answered?"""
        answer = b""
        try:
            self.socket.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            while not answer.endswith(b"\r\n\r\n"):
                more = self.socket.recv(4096)
                if not more:
                    return False
                answer += more
        except OSError:
            return False
        return answer.startswith(b"RTSP/1.0 200")


def kill_master(server):
    server.orphans = sorted(set(server.orphans + server.worker_pids()))
    server.pids = []
    server.process.kill()
    server.process.wait()
    server.process = None


def storm(server, deaths):
    server.start()
    viewers = [Viewer(server.ports[0]) for _ in range(VIEWERS)]
    for one in viewers:
        if not one.ask():
            raise Trouble("not even at first there is an answer")
    for number in range(deaths):
        moment = random.random() * MOMENTS_S * patience()
        kill_master(server)
        server.launch()
        time.sleep(moment)
        kill_master(server)
        server.start()
        server.orphans = []
        lost = sum(not one.ask() for one in viewers)
        if lost:
            raise Trouble(
                "%d of %d viewers lost, by the master that was killed %.1f ms "
                "behind its start as number %d" % (
                    lost, VIEWERS, moment * 1000, number))
    print("%d viewers through %d pairs of deaths" % (VIEWERS, deaths))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--few", action="store_true")
    options.add_argument("--seed", type=int, default=time.time_ns() % 100000)
    options = options.parse_args()
    print("seed %d" % options.seed)
    random.seed(options.seed)
    folder = tempfile.mkdtemp(prefix="masters-")
    os.chmod(folder, 0o755)
    server = Server("s1", folder, lambda text: None)
    server.workers = "2"
    server.media = folder
    problem = None
    try:
        storm(server, 8 if options.few else 100)
        server.stop()
    except Trouble as trouble:
        problem = str(trouble)
        print("FAILED: %s; its log:\n%s" % (problem, server.log()))
    finally:
        server.end()
        shutil.rmtree(folder)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
