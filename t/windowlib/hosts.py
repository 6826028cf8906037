# SPDX-License-Identifier: BSD-2-Clause
"""
hosts - what is at the other end beside a real server: a relay that counts and
cuts, servers that refuse, files by HTTP.  On loopback, ports by the kernel.
"""

import functools
import http.server
import os
import re
import socket
import threading
import time


def listener(port=0):
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    found.listen(16)
    return found


def spawn(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


class Relay:
    """Between a player and a server's RTSP port; UDP goes past it."""

    def __init__(self, to):
        self.to, self.requests, self.pairs = to, [], []
        self.bytes_a_second = None  # that the player gets
        self.socket = listener()
        self.port = self.socket.getsockname()[1]
        spawn(self.accept, self.socket)

    def accept(self, socket_):
        while True:
            try:
                client = socket_.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            self.pairs.append((client, server))
            spawn(self.pass_on, client, server, True)
            spawn(self.pass_on, server, client, False)

    def pass_on(self, source, sink, is_client):
        while True:
            try:
                data = source.recv(4096)
                if is_client:
                    self.requests.append(data)
                elif self.bytes_a_second:
                    time.sleep(len(data) / self.bytes_a_second)
                sink.sendall(data)
            except OSError:
                data = b""
            if not data:
                for one in (source, sink):
                    try:
                        one.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                return

    def ranges(self, begin, header=b"Range"):
        """Or another header of PLAY, of the requests since; what goes on says
        none.  Over TCP reports stand between requests."""
        return [line for one in re.findall(
                    rb"PLAY rtsp.*?\r\n\r\n",
                    b"".join(self.requests[begin:]), re.DOTALL)
                for line in one.split(b"\r\n") if line.startswith(header)]

    def seeks(self, begin):
        return set(self.ranges(begin))

    def url(self, name):
        return "rtsp://127.0.0.1:%d/%s" % (self.port, name)

    def urls(self, method, begin=0):
        """What is asked for by METHOD, of the requests since."""
        return [one.split()[1] for one in self.requests[begin:]
                if one.startswith(method)]

    def count(self, method, begin=0):
        return len(self.urls(method, begin))

    def last(self, method, word):
        """The last request by METHOD has WORD in it."""
        found = [one for one in self.requests if one.startswith(method)]
        return found and word in found[-1].split(b"\r\n")[0]

    def cut(self):
        for pair in self.pairs:
            for one in pair:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs = []

    def listen(self, listens):
        if listens:
            self.socket = listener(self.port)
            spawn(self.accept, self.socket)
        else:
            self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()


class Answers:
    """Each path is a status; 0 closes."""

    def __init__(self):
        self.socket = listener()
        spawn(self.accept)

    def url(self, status):
        return "rtsp://127.0.0.1:%d/%d" % (
            self.socket.getsockname()[1], status)

    def accept(self):
        while True:
            spawn(self.answer, self.socket.accept()[0])

    def answer(self, client):
        data = b""
        while True:
            more = client.recv(65536)
            data += more
            while b"\r\n\r\n" in data:
                request, data = data.split(b"\r\n\r\n", 1)
                if not self.reply(client, request.decode("latin-1")):
                    more = b""
            if not more:
                client.close()
                return

    def reply(self, client, request):
        lines = request.split("\r\n")
        status = int(lines[0].split()[1].rsplit("/", 1)[-1] or 200)
        sequence = [line for line in lines if line.startswith("CSeq:")]
        if status == 0:
            return False
        if lines[0].startswith("OPTIONS"):
            status = 200
        client.sendall(("RTSP/1.0 %d Because\r\n%s\r\n\r\n" % (
            status, sequence[0])).encode())
        return True


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *ignored):
        pass


class Files:
    """A folder, by HTTP too."""

    def __init__(self, folder):
        self.folder = folder
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0),
            functools.partial(Handler, directory=folder))
        spawn(self.server.serve_forever)

    def url(self, name):
        return "http://127.0.0.1:%d/%s" % (
            self.server.server_address[1], name)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as out:
            out.write(text)
