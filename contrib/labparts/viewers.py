# SPDX-License-Identifier: BSD-2-Clause
"""
viewers - many viewers in one thread, at little cost: RTSP as it should be, RTP
over UDP to a port whose socket throws everything away before anybody is woken.
Some of them are watched: what they receive is read and looked at.

Must run in the lab; the viewers are in the namespace "clients".
"""

import ctypes
import heapq
import random
import re
import selectors
import socket
import struct
import threading
import time

import cluster

SO_ATTACH_FILTER = 26
UDP_GRO = 104
SO_RCVBUFFORCE = 33
PORT = 6000             # of all that are not watched
KEEP_ALIVE_S = 20
ANSWER_S = 8            # no answer for so long is a failure


def throw_away(sock):
    """Nothing is received, and nobody is told so by ICMP."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack(
        "HxxxxxxP", 1, ctypes.addressof(code)))
    sock.setsockopt(socket.SOL_UDP, UDP_GRO, 1)     # a batch at once


def udp_pair(address, port=0):
    """An even port and the one above it."""
    for _ in range(100):
        pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                for _ in range(2)]
        try:
            pair[0].bind((address, port))
            at = pair[0].getsockname()[1]
            if at % 2 == 0:
                pair[1].bind((address, at + 1))
                for one in pair:
                    one.setblocking(False)
                return pair
        except OSError:
            if port:
                raise
        for one in pair:
            one.close()
    raise cluster.Failed("no pair of UDP ports")


class Watch:
    """What a watched viewer receives."""

    def __init__(self, address):
        self.pair = udp_pair(address)
        self.pair[0].setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        self.port = self.pair[0].getsockname()[1]
        self.received, self.missing = 0, 0
        self.expected = None
        self.sources = set()    # addresses that sent it
        self.ssrc = 0
        self.last = None        # when the last packet came
        self.pause = 0.0        # the longest time between two
        self.bye = False

    def read(self):
        now = time.monotonic()
        while True:
            try:
                data, source = self.pair[0].recvfrom(65536)
            except OSError:
                break
            self.sources.add(source[0])
            number, self.ssrc = struct.unpack("!H4xI", data[2:12])
            if self.expected is not None:
                self.missing += (number - self.expected) & 0xffff
            self.expected = (number + 1) & 0xffff
            self.received += 1
            if self.last is not None:
                self.pause = max(self.pause, now - self.last)
            self.last = now
        while True:
            try:
                data = self.pair[1].recv(65536)
            except OSError:
                break
            # a compound packet ends with the BYE
            if any(data[at + 1] == 203 for at in range(0, len(data) - 3, 4)
                   if data[at] >> 6 == 2):
                self.bye = True

    def report(self, vip, server_port, lost=0):
        """A receiver report to where the server's RTCP comes from."""
        self.pair[1].sendto(struct.pack(
            "!BBHIIIIIII", 0x81, 201, 7, 1, self.ssrc, lost,
            self.expected or 0, 0, 0, 0), (vip, server_port + 1))

    def close(self):
        for one in self.pair:
            one.close()


class Viewer:
    """One session, from connect to the answer to TEARDOWN."""

    def __init__(self, crowd, title, address, seconds, position, watched,
                 keep_alive):
        self.crowd, self.title, self.address = crowd, title, address
        self.seconds, self.position = seconds, position
        self.keep_alive = keep_alive
        self.url = "rtsp://%s:%d/%s" % (cluster.VIP, cluster.RTSP_PORT, title)
        self.watch = Watch(address) if watched else None
        self.state = "connecting"   # describe setup play playing teardown
        self.failure = None
        self.text = b""
        self.cseq, self.session = 0, None
        self.controls, self.server_port = [], 0
        self.asked = self.began = time.monotonic()
        self.link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.link.setblocking(False)
        self.link.bind((address, 0))
        self.link.connect_ex((cluster.VIP, cluster.RTSP_PORT))

    def port(self):
        return self.watch.port if self.watch else PORT

    def ask(self, method, url, *headers):
        self.cseq += 1
        lines = ["%s %s RTSP/1.0" % (method, url), "CSeq: %d" % self.cseq,
                 "User-Agent: lab", *headers]
        if self.session:
            lines.append("Session: " + self.session)
        self.asked = time.monotonic()
        self.link.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def connected(self):
        error = self.link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "connect")
        self.state = "describe"
        self.ask("DESCRIBE", self.url, "Accept: application/sdp")

    def ready(self, events):
        """Something to do on the connection."""
        try:
            if self.state == "connecting":
                self.connected()
                self.crowd.selector.modify(
                    self.link, selectors.EVENT_READ, self)
                return
            more = self.link.recv(65536)
            if not more:
                raise OSError("the connection was closed")
            self.text += more
            while self.take_answer():
                pass
        except OSError as problem:
            if self.state == "teardown":
                self.end("ended")
            else:
                self.fail(str(problem))

    def take_answer(self):
        head, mark, rest = self.text.partition(b"\r\n\r\n")
        if not mark:
            return False
        head = head.decode("latin-1")
        size = re.search(r"(?im)^content-length: *(\d+)", head)
        size = int(size.group(1)) if size else 0
        if len(rest) < size:
            return False
        self.text = rest[size:]
        self.asked = None
        if not head.startswith("RTSP/1.0 200 "):
            self.fail("%s: %s" % (self.state, head.split("\r\n")[0]))
            return False
        self.answered(head, rest[:size].decode("latin-1"))
        return True

    def answered(self, head, body):
        found = re.search(r"(?im)^session: *([^;\s]+)", head)
        if found and not self.session:
            self.session = found.group(1)
        if self.state == "describe":
            base = re.search(r"(?im)^content-base: *(\S+)", head)
            base = base.group(1) if base else self.url + "/"
            self.controls = [
                control if control.startswith("rtsp:")
                else base.rstrip("/") + "/" + control
                for control in re.findall(r"(?m)^m=.*\n(?:[^m].*\n)*?"
                                          r"a=control:(\S+)", body)
                if not control.endswith("rtx")]
            self.state = "setup"
            self.set_up()
        elif self.state == "setup":
            port = re.search(r"(?i)server_port=(\d+)", head)
            self.server_port = int(port.group(1)) if port else 0
            self.set_up()
        elif self.state == "play":
            self.playing()
        elif self.state == "teardown":
            self.end("ended")

    def set_up(self):
        """The next stream, or all are."""
        if self.controls:
            port = self.port()
            self.ask("SETUP", self.controls.pop(0), "Transport: RTP/AVP;"
                     "unicast;client_port=%d-%d" % (port, port + 1))
        else:
            self.state = "play"
            self.ask("PLAY", self.url, "Range: npt=%.3f-" % self.position)

    def playing(self):
        self.state = "playing"
        now = time.monotonic()
        self.crowd.count_start(now - self.began)
        if self.seconds is not None:
            self.crowd.at(now + self.seconds, self.leave)
        if self.keep_alive:
            self.crowd.at(now + KEEP_ALIVE_S, self.stay)

    def stay(self):
        if self.state == "playing":
            self.crowd.at(time.monotonic() + KEEP_ALIVE_S, self.stay)
            self.send("GET_PARAMETER")

    def leave(self):
        if self.state == "playing":
            self.state = "teardown"
            self.send("TEARDOWN")

    def send(self, method):
        try:
            self.ask(method, self.url)
        except OSError as problem:
            self.fail(str(problem))

    def fail(self, why):
        self.failure = "%s (%s): %s" % (self.address, self.state, why)
        self.end("failed")

    def end(self, state):
        if self.state in ("ended", "failed"):
            return
        self.state = state
        self.crowd.forget(self)


class Crowd:
    """All viewers, and the thread that acts for them.  Everything of a viewer
    happens in that thread; others ask it by at() and read what it counts."""

    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.lock = threading.Lock()
        self.timers, self.order = [], 0
        self.viewers = []       # that are not over
        self.started = self.ended = 0
        self.failures = []
        self.delays = []        # seconds from connect to the answer to PLAY
        self.turn = 0
        with cluster.inside("clients"):
            self.sink = udp_pair("0.0.0.0", PORT)
        for one in self.sink:
            throw_away(one)
        self.stopped = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    # -- from any thread --

    def at(self, when, action):
        with self.lock:
            self.order += 1
            heapq.heappush(self.timers, (when, self.order, action))

    def add(self, title, seconds=None, position=0, watched=False,
            address=None, keep_alive=True):
        """A viewer that leaves after SECONDS; in its thread, soon."""
        if address is None:
            address = cluster.CLIENTS[self.turn % len(cluster.CLIENTS)]
            self.turn += 1
        made = []
        done = threading.Event()

        def make():
            with cluster.inside("clients"):
                viewer = Viewer(self, title, address, seconds, position,
                                watched, keep_alive)
            made.append(viewer)
            self.viewers.append(viewer)
            self.selector.register(
                viewer.link, selectors.EVENT_WRITE, viewer)
            if viewer.watch:
                for one in viewer.watch.pair:
                    self.selector.register(
                        one, selectors.EVENT_READ, viewer.watch)
            done.set()
        if threading.current_thread() is self.thread:
            make()
        else:
            self.at(0, make)
            done.wait()
        return made[0]

    def arrive(self, rate, choose, until):
        """RATE viewers a second, at random moments, until then; CHOOSE says
        (title, seconds)."""
        due = time.monotonic()

        def one():
            nonlocal due
            due += self.random.expovariate(rate)
            if due < until:
                self.at(due, one)
            title, seconds = choose(self.random)
            self.add(title, seconds)
        self.at(due, one)

    def playing(self):
        return sum(one.state == "playing" for one in list(self.viewers))

    def close(self):
        self.stopped = True
        self.thread.join()
        for viewer in list(self.viewers):
            viewer.link.close()
        for one in self.sink:
            one.close()

    # -- in its thread --

    def count_start(self, seconds):
        self.started += 1
        self.delays.append(seconds)

    def forget(self, viewer):
        self.viewers.remove(viewer)
        socks = [viewer.link] + (viewer.watch.pair if viewer.watch else [])
        for sock in socks:
            if sock.fileno() >= 0:
                self.selector.unregister(sock)
                sock.close()
        if viewer.state == "failed":
            self.failures.append(viewer.failure)
        else:
            self.ended += 1

    def due(self):
        """What is to be done now; the seconds until the next."""
        while True:
            now = time.monotonic()
            with self.lock:
                if not self.timers:
                    return 0.05
                if self.timers[0][0] > now:
                    return min(0.05, self.timers[0][0] - now)
                action = heapq.heappop(self.timers)[2]
            action()

    def look_around(self):
        """Who gets no answer has failed."""
        now = time.monotonic()
        for viewer in list(self.viewers):
            if viewer.asked and now - viewer.asked > ANSWER_S:
                viewer.fail("no answer")

    def run(self):
        looked = 0
        while not self.stopped:
            for key, events in self.selector.select(self.due()):
                if isinstance(key.data, Watch):
                    key.data.read()
                else:
                    key.data.ready(events)
            if time.monotonic() - looked > 0.5:
                looked = time.monotonic()
                self.look_around()
