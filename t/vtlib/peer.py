# SPDX-License-Identifier: BSD-2-Clause
"""
peer - a scripted RTSP server of a few lines, with which the tester tests
itself: it answers what it is told to, right or wrong.
"""

import re
import socket
import struct
import threading
import time

BYE = "80c90001 11fbf5b3 81cb0001 11fbf5b3"


class Peer:
    def __init__(self, name, say):
        self.name, self.say = name, say
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(4)
        self.port = self.listener.getsockname()[1]
        self.sock, self.input, self.cseq = None, b"", "0"
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.error = None
        self.thread = None

    def url(self):
        return "rtsp://127.0.0.1:%d" % self.port

    def start(self, steps):
        """STEPS: functions to be called one after the other."""
        def run():
            try:
                for step in steps:
                    step()
            except Exception as error:
                self.error = str(error)
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def end(self):
        for sock in (self.sock, self.listener, self.udp):
            if sock is not None:
                sock.close()

    # -- steps --

    def read(self):
        """One request; the first one comes with a connection."""
        if self.sock is None:
            self.listener.settimeout(10)
            self.sock, _ = self.listener.accept()
            self.sock.settimeout(10)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while b"\r\n\r\n" not in self.input:
            data = self.sock.recv(65536)
            if not data:
                raise ValueError("the client is gone")
            self.input += data
        head, self.input = self.input.split(b"\r\n\r\n", 1)
        text = head.decode("latin-1")
        found = re.search(r"(?im)^cseq: *(\d+)", text)
        self.cseq = found.group(1) if found else "0"
        length = re.search(r"(?im)^content-length: *(\d+)", text)
        self.input = self.input[int(length.group(1)) if length else 0:]
        self.say("%s has read %s" % (self.name, text.split("\r\n")[0]))

    def reply(self, status, headers, body):
        lines = ["RTSP/1.0 %s Phrase" % status]
        if not any(name.lower() == "cseq" for name, _ in headers):
            lines.append("CSeq: " + self.cseq)
        lines += ["%s: %s" % one for one in headers]
        if body:
            lines.append("Content-Length: %d" % len(body))
        self.sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
                          + (body or b""))

    def raw(self, data):
        self.sock.sendall(data)

    def put(self, where, data):
        """WHERE: a channel, or "udp:PORT"."""
        if where.startswith("udp:"):
            self.udp.sendto(data, ("127.0.0.1", int(where[4:])))
            return
        self.sock.sendall(b"$" + struct.pack("!BH", int(where), len(data))
                          + data)

    def bye(self, where):
        self.put(where, bytes.fromhex(BYE))

    def packets(self, where, file, first, last, options):
        """Packets FIRST..LAST of FILE as a server sends them; OPTIONS name
        what is done wrong."""
        wanted = set(file.streams)
        sequence = int(options.get("seq", 4587))
        start = time.monotonic()
        stamp = None
        for index in range(first, last + 1):
            packet = file.packet(index)
            data, key = packet.sent(wanted)
            if stamp is None:
                stamp = packet.send
            if str(index) == options.get("skip"):
                sequence += 1
                continue
            if str(index) == options.get("omit"):
                continue
            if str(index) == options.get("damage"):
                data = data[:-1] + bytes([data[-1] ^ 1])
            if "pace" in options:
                due = (packet.send - stamp) / 1000.0 - float(options["pace"])
                time.sleep(max(0.0, start + due - time.monotonic()))
            at, room = 0, int(options.get("room", 1400)) - 4
            while at < len(data):
                piece = data[at:at + room]
                whole = len(piece) == len(data)
                last_one = at + len(piece) == len(data)
                flags = (0x80 if key else 0) | (0x40 if whole else 0)
                value = len(piece) + 4 if whole else at
                if "short" in options and whole:
                    value -= 4
                head = struct.pack(
                    "!BBHII", 0x80, 96 | (0x80 if last_one else 0),
                    sequence & 0xffff, packet.send, 0x11fbf5b3)
                self.put(where, head + struct.pack(
                    "!I", flags << 24 | value) + piece)
                sequence += 1
                at += len(piece)
