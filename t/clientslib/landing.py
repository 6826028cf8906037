# SPDX-License-Identifier: BSD-2-Clause
"""
landing - where in the file a server begins after a seek, and a file that begins
there: decoded from disk it has the frames that a client must show.
"""

import os
import re
import socket
import struct
from urllib.parse import urlsplit

from clientslib.title import FILE_PROPERTIES


class Dialogue:
    def __init__(self, url):
        self.url, self.cseq, self.session = url, 0, None
        place = urlsplit(url)
        self.sock = socket.create_connection((place.hostname, place.port), 10)
        self.data = b""

    def ask(self, method, url, *headers):
        self.cseq += 1
        lines = ["%s %s RTSP/1.0" % (method, url), "CSeq: %d" % self.cseq]
        lines += headers
        if self.session:
            lines.append("Session: " + self.session)
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = self.head()
        if " 200 " not in head.split("\r\n")[0]:
            raise OSError("%s: %s" % (method, head.split("\r\n")[0]))
        size = re.search(r"(?i)\r\nContent-Length: *(\d+)", head)
        return head, self.take(int(size.group(1)) if size else 0).decode(
            "utf-8", "replace")

    def take(self, size):
        while len(self.data) < size:
            more = self.sock.recv(65536)
            if not more:
                raise OSError("the server closed the connection")
            self.data += more
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def head(self):
        while True:
            if self.take(1) == b"$":  # media of before
                self.take(struct.unpack("!H", self.take(3)[1:])[0])
                continue
            head = b"R"
            while not head.endswith(b"\r\n\r\n"):
                head += self.take(1)
            return head.decode("latin-1")


def first_send_time(url, at):
    """The Send Time of the packet with which a play at AT begins."""
    talk = Dialogue(url)
    with talk.sock:
        head, sdp = talk.ask("DESCRIBE", url, "Accept: application/sdp")
        base = re.search(r"(?i)Content-Base: *(\S+)", head).group(1)
        channel = 0
        for media in sdp.split("\r\nm=")[1:]:
            if not media.startswith(("audio", "video")):
                continue
            control = re.search(r"a=control:(\S+)", media).group(1)
            head, _ = talk.ask(
                "SETUP", base + control, "Transport: RTP/AVP/TCP;unicast;"
                "interleaved=%d-%d" % (channel, channel + 1))
            talk.session = re.search(r"Session: *([^;\s]+)", head).group(1)
            channel += 2
        head, _ = talk.ask("PLAY", base, "Range: npt=%s-" % at)
        return int(re.search(r"rtptime=(\d+)", head).group(1))


def send_time(packet):
    """As little of a data packet as is needed for it."""
    at = 1 + (packet[0] & 0x0f) if packet[0] & 0x80 else 0
    flags = packet[at]
    at += 2
    for shift in (5, 1, 3):  # packet length, sequence, padding length
        at += (0, 1, 2, 4)[flags >> shift & 3]
    return struct.unpack_from("<I", packet, at)[0]


def files_from(path, send_ms, base):
    """For each packet that is sent then: a copy of the file that begins with
    it."""
    with open(path, "rb") as file:
        data = file.read()
    header = struct.unpack_from("<Q", data, 16)[0] + 50
    at = data.find(FILE_PROPERTIES, 0, header)
    size = struct.unpack_from("<I", data, at + 92)[0]
    declared = struct.unpack_from("<Q", data, header - 34)[0]
    end = len(data)
    if 50 < declared <= end - header + 50:
        end = header - 50 + declared
    for number, place in enumerate(range(header, end - size + 1, size)):
        if send_time(data[place:place + size]) != send_ms:
            continue
        name = "%s%d" % (base, number)
        with open(name, "wb") as out:
            out.write(data[:header - 34])
            out.write(struct.pack("<Q", 50 + end - place))
            out.write(data[header - 26:header - 10])
            out.write(struct.pack("<Q", (end - place) // size))
            out.write(data[header - 2:header])
            out.write(data[place:end])
        try:
            yield name
        finally:
            os.unlink(name)
