# SPDX-License-Identifier: BSD-2-Clause
"""
hostile - a server of one title over TCP that does everything right, but for
what a case makes of it.
"""

import base64
import os
import re
import socket
import struct
import threading
import time

SOUND = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
COMMANDS = bytes.fromhex("c0cfda59e659d011a3ac00a0c90348f6")
FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
SSRC = 0x11223344
SESSION = "a1b2c3d4e5f6"


class Title:
    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        self.header_bytes = struct.unpack_from("<Q", data, 16)[0]
        self.header = data[:self.header_bytes + 50]
        at = data.find(FILE_PROPERTIES)
        self.packet_bytes = struct.unpack_from("<I", data, at + 92)[0]
        begin = self.header_bytes + 50
        self.packets = [data[place:place + self.packet_bytes] for place in
                        range(begin, len(data) - self.packet_bytes + 1,
                              self.packet_bytes)]

    def sdp(self, header=None):
        coded = base64.b64encode(header or self.header).decode()
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=hostile\r\n"
            "c=IN IP4 0.0.0.0\r\na=maxps:%d\r\nt=0 0\r\n"
            "a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,%s\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"
            "a=control:stream=1\r\na=stream:1\r\na=range:npt=0.000-20.046\r\n"
            "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"
            "a=control:stream=2\r\na=stream:2\r\na=range:npt=0.000-20.046\r\n"
            % (self.packet_bytes, coded)).encode()


def send_ms(packet):
    at = 1 + (packet[0] & 0x0f) if packet[0] & 0x80 else 0
    flags = packet[at]
    at += 2
    for shift in (5, 1, 3):
        at += (0, 1, 2, 4)[flags >> shift & 3]
    return struct.unpack_from("<I", packet, at)[0]


def frame(channel, data):
    return b"$" + bytes([channel]) + struct.pack("!H", len(data)) + data


class Server:
    """One thread for each connection; cases override what they spoil."""

    def __init__(self, title):
        self.title = title
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.closing = threading.Event()
        self.connections = 0
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def url(self, scheme="rtspt"):
        return "%s://127.0.0.1:%d/title.wmv" % (scheme, self.port)

    def close(self):
        self.closing.set()
        self.listener.close()

    def accept(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(one,),
                             daemon=True).start()

    def serve(self, one):
        self.sequence = 100
        try:
            with one:
                self.converse(one)
        except OSError:
            pass

    def converse(self, one):
        data = b""
        while not self.closing.is_set():
            while b"\r\n\r\n" not in data:
                if data[:1] == b"$" and len(data) >= 4:
                    size = 4 + struct.unpack("!H", data[2:4])[0]
                    if len(data) >= size:
                        data = data[size:]
                        continue
                more = one.recv(65536)
                if not more:
                    return
                data += more
                while data[:1] == b"$" and len(data) >= 4 and len(
                        data) >= 4 + struct.unpack("!H", data[2:4])[0]:
                    data = data[4 + struct.unpack("!H", data[2:4])[0]:]
            head, data = data.split(b"\r\n\r\n", 1)
            method = head.split(b" ", 1)[0].decode()
            cseq = re.search(rb"(?i)\r\nCSeq: *(\d+)", head).group(1).decode()
            self.answer(one, method, cseq, head)

    # -- what cases override --

    def answer(self, one, method, cseq, head):
        getattr(self, "on_" + method.lower(), self.on_other)(one, cseq, head)

    def reply(self, one, cseq, headers=(), body=b"", status="200 OK"):
        lines = ["RTSP/1.0 " + status, "Server: WMServer/9 (hostile)"]
        if cseq is not None:
            lines.append("CSeq: " + cseq)
        lines += headers
        if body:
            lines.append("Content-Length: %d" % len(body))
        one.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def session(self):
        return "Session: %s;timeout=60" % SESSION

    def on_describe(self, one, cseq, head):
        self.reply(one, cseq, ["Content-Type: application/sdp"], self.sdp())

    def sdp(self):
        return self.title.sdp()

    def on_setup(self, one, cseq, head):
        if b"RTP/AVP/UDP" in head:
            ports = re.search(rb"client_port=(\d+)-(\d+)", head)
            self.reply(one, cseq, [
                self.session(), "Transport: RTP/AVP/UDP;unicast;"
                "server_port=9-10;client_port=%s-%s" % (
                    ports.group(1).decode(), ports.group(2).decode())])
        else:
            self.reply(one, cseq, [
                self.session(),
                "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"])

    def on_play(self, one, cseq, head):
        self.reply(one, cseq, [self.session(), "Range: npt=0.000-20.046"])
        self.media(one)

    def on_other(self, one, cseq, head):
        self.reply(one, cseq, [self.session()])

    def media(self, one):
        """Everything at once, and the end."""
        for packet in self.title.packets[:self.count()]:
            one.sendall(self.rtp(packet))
        self.bye(one)

    def count(self):
        return len(self.title.packets)

    def rtp(self, packet, **fields):
        return frame(0, self.datagram(packet, **fields))

    def datagram(self, packet, ssrc=SSRC, payload=None, marker=True):
        self.sequence = (self.sequence + 1) & 0xffff
        head = struct.pack("!BBHII", 0x80, 0x60 | (0x80 if marker else 0),
                           self.sequence, send_ms(packet), ssrc)
        if payload is None:
            payload = struct.pack("!I", 0x40000000 | len(packet) + 4) + packet
        return head + payload

    def bye(self, one, ssrc=SSRC):
        one.sendall(frame(1, struct.pack(
            "!BBHIBBHI", 0x80, 201, 1, ssrc, 0x81, 203, 1, ssrc)))

    def pause(self, seconds):
        self.closing.wait(seconds)
