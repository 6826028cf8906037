# SPDX-License-Identifier: BSD-2-Clause
"""
net - one thread that receives for all clients, and the waiting for it.

Everything that arrives is stamped and filed under one lock; who waits is woken
by each arrival, so that no play sleeps and hopes.
"""

import os
import selectors
import socket
import struct
import threading
import time
import traceback

SO_TIMESTAMPNS = 35


def patience():
    """Bounds are multiplied by it: for builds and machines that are slow."""
    return float(os.environ.get("VT_PATIENCE", "1"))


class Net:
    def __init__(self):
        self.lock = threading.Condition()
        self.selector = selectors.DefaultSelector()
        self.wake_in, self.wake_out = socket.socketpair()
        self.wake_in.setblocking(False)
        self.todo = []
        self.broken = None
        self.selector.register(self.wake_in, selectors.EVENT_READ, None)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            ready = self.selector.select()
            with self.lock:
                for key, _ in ready:
                    if key.data is None:
                        self.wake_in.recv(4096)
                        continue
                    if key.fileobj.fileno() == -1:
                        continue
                    try:
                        key.data(key.fileobj)
                    except Exception:  # a defect of the tester
                        self.broken = traceback.format_exc()
                        self.drop(key.fileobj)
                while self.todo:
                    self.todo.pop(0)()
                self.lock.notify_all()

    def change(self, action):
        """Run ACTION on the selector's thread; wait until it is done.  The
        lock is not held by the caller."""
        done = threading.Event()

        def act():
            try:
                action()
            finally:
                done.set()
        with self.lock:
            self.todo.append(act)
        self.wake_out.send(b"x")
        if not done.wait(20):
            raise RuntimeError("the receiving thread hangs")

    def watch(self, sock, function):
        sock.setblocking(False)
        self.change(lambda: self.selector.register(
            sock, selectors.EVENT_READ, function))

    def unwatch(self, sock):
        def act():
            try:
                self.selector.unregister(sock)
            except (KeyError, ValueError):
                pass
        self.change(act)

    def drop(self, sock):
        """The same, from a function that WATCH was given."""
        try:
            self.selector.unregister(sock)
        except (KeyError, ValueError):
            pass

    def wait(self, true, seconds):
        """Until TRUE() or SECONDS are over; what it is then."""
        end = time.monotonic() + seconds * patience()
        with self.lock:
            while not true():
                if self.broken:
                    raise RuntimeError(self.broken)
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self.lock.wait(min(left, 0.5))
            return True

    def pass_time(self, seconds, true=lambda: False):
        """Let SECONDS go by, or less when TRUE() first; says which."""
        end = time.monotonic() + seconds
        with self.lock:
            while not true():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self.lock.wait(left)
            return True


def udp_socket(family, address):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind(address)
    return sock


def udp_pair(family, host):
    """Two sockets on an even port and the next; the kernel chooses."""
    for _ in range(200):
        one = udp_socket(family, (host, 0))
        port = one.getsockname()[1]
        if port % 2 == 0:
            try:
                return one, udp_socket(family, (host, port + 1)), port
            except OSError:
                pass
        one.close()
    raise OSError("no free pair of UDP ports")


def receive_datagram(sock):
    """(bytes, source, wall-clock seconds of arrival), or None."""
    try:
        data, ancillary, _, source = sock.recvmsg(65536, 256)
    except (BlockingIOError, ConnectionError):
        return None
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", value[:16])
            return data, source, seconds + nanoseconds / 1e9
    return data, source, time.time()


class Relay:
    """Passes datagrams between a server and a client's pair of ports, and
    loses one RTP packet in so many."""

    def __init__(self, net, pair, lose_each):
        self.net, self.lose_each, self.count = net, lose_each, 0
        self.lost = 0
        self.client = [one.getsockname() for one in pair[:2]]
        first, second, self.port = udp_pair(pair[0].family,
                                            self.client[0][0])
        self.socks = [first, second]
        self.server = [None, None]
        for at, sock in enumerate(self.socks):
            net.watch(sock, lambda s, at=at: self.pass_on(s, at))

    def pass_on(self, sock, at):
        while True:
            got = receive_datagram(sock)
            if got is None:
                return
            data, source, _ = got
            if source[:2] == self.client[at][:2]:
                if self.server[at] is not None:
                    sock.sendto(data, self.server[at])
                continue
            self.server[at] = source
            if at == 0:
                self.count += 1
                if self.count % self.lose_each == 0:
                    self.lost += 1
                    continue
            sock.sendto(data, self.client[at])

    def close(self):
        for sock in self.socks:
            self.net.unwatch(sock)
            sock.close()
