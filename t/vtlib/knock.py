# SPDX-License-Identifier: BSD-2-Clause
"""
knock - new connections at a steady rate, each of which must be answered.

One thread opens them, asks OPTIONS and closes; what was refused, reset, cut or
not answered in time is counted by its reason.
"""

import collections
import selectors
import socket
import threading
import time

from vtlib.net import patience

REQUEST = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
LIMIT_S = 5


class Knock:
    def __init__(self, address, rate, may_refuse):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.family, self.address, self.rate = family, address, rate
        self.may_refuse = may_refuse
        self.open = {}           # socket: (begun, received)
        self.answered = 0
        self.failed = collections.Counter()
        self.slowest = 0.0
        self.ending = threading.Event()
        self.selector = selectors.DefaultSelector()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def end(self):
        """Until the last one is answered or given up."""
        self.ending.set()
        self.thread.join()

    def run(self):
        at = time.monotonic()
        while not self.ending.is_set() or self.open:
            now = time.monotonic()
            while not self.ending.is_set() and at <= now:
                self.begin()
                at += 1 / self.rate
            for key, events in self.selector.select(1 / self.rate):
                self.look(key.fileobj, events)
            self.give_up()

    def begin(self):
        sock = socket.socket(self.family)
        sock.setblocking(False)
        self.open[sock] = (time.monotonic(), b"")
        sock.connect_ex(self.address)
        self.selector.register(sock, selectors.EVENT_WRITE)

    def look(self, sock, events):
        begun, received = self.open[sock]
        try:
            if events & selectors.EVENT_WRITE:
                sock.sendall(REQUEST)
                self.selector.modify(sock, selectors.EVENT_READ)
                return
            data = sock.recv(4096)
        except OSError as error:
            fine = self.may_refuse and isinstance(
                error, ConnectionRefusedError)
            self.drop(sock, None if fine else error.strerror)
            return
        received += data
        self.open[sock] = (begun, received)
        if received.endswith(b"\r\n\r\n"):
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.drop(sock, None if received.startswith(b"RTSP/1.0 200")
                      else received.split(b"\r\n")[0].decode())
        elif not data:
            self.drop(sock, "closed without an answer")

    def drop(self, sock, fault):
        if fault is None:
            self.answered += 1
        else:
            self.failed[fault] += 1
        self.selector.unregister(sock)
        sock.close()
        del self.open[sock]

    def give_up(self):
        late = time.monotonic() - LIMIT_S * patience()
        for sock in [sock for sock, (begun, _) in self.open.items()
                     if begun < late]:
            self.drop(sock, "silent for %d s" % LIMIT_S)

    def fault(self):
        """A sentence, or None."""
        if not self.failed:
            return None
        return "of %d connections %s" % (
            self.answered + sum(self.failed.values()), ", ".join(
                "%d: %s" % (number, text)
                for text, number in self.failed.items()))
