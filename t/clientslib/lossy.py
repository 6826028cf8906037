# SPDX-License-Identifier: BSD-2-Clause
"""
lossy - stands between a client and the server, passes RTSP on with the ports
exchanged, and RTP and RTCP but for one RTP packet in so many; and another one
in so many comes behind the next.
"""

import re
import selectors
import socket
import threading

HOST = "127.0.0.1"


def udp_socket():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((HOST, 0))
    return one


def udp_pair():
    """Neighbours, the first one even."""
    while True:
        first = udp_socket()
        port = first.getsockname()[1]
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if port % 2 == 0:
                second.bind((HOST, port + 1))
                return first, second
        except OSError:
            pass
        first.close()
        second.close()


class Lossy:
    """For one client that names one pair of ports for media."""

    def __init__(self, server_port, lose_each, swap_each=0):
        self.server = (HOST, server_port)
        self.lose_each, self.passed, self.lost = lose_each, 0, 0
        self.swap_each, self.swapped, self.held = swap_each, 0, None
        self.source_port = 0     # that the server sees
        self.media = udp_pair()
        self.client_ports, self.server_ports = None, None
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def close(self):
        self.stop.set()
        self.thread.join()
        for one in (self.listener, *self.media):
            one.close()

    def run(self):
        self.listener.settimeout(10)
        client = self.listener.accept()[0]
        server = socket.create_connection(self.server)
        self.source_port = server.getsockname()[1]
        selector = selectors.DefaultSelector()
        for one in (client, server, *self.media):
            selector.register(one, selectors.EVENT_READ)
        while not self.stop.is_set():
            for key, _ in selector.select(0.1):
                if key.fileobj in (client, server):
                    other = server if key.fileobj is client else client
                    if not self.rtsp(key.fileobj, other, other is server):
                        self.stop.set()
                else:
                    self.datagram(self.media.index(key.fileobj))
        client.close()
        server.close()
        selector.close()

    def rtsp(self, one, other, is_request):
        """Short messages on loopback: one comes in one piece."""
        try:
            data = one.recv(65536)
        except ConnectionError:
            return False
        mine = self.media[0].getsockname()[1]
        if is_request and b"/rtx" not in data.split(b"\r\n")[0]:
            named = re.search(rb"client_port=(\d+)", data)
            if named:
                port = int(named.group(1))
                self.client_ports = (port, port + 1)
                data = re.sub(rb"client_port=\d+(-\d+)?",
                              b"client_port=%d-%d" % (mine, mine + 1), data)
        elif b"client_port=%d" % mine in data:
            port = int(re.search(rb"server_port=(\d+)", data).group(1))
            self.server_ports = (port, port + 1)
            data = re.sub(rb"server_port=\d+-\d+",
                          b"server_port=%d-%d" % (mine, mine + 1), data)
            data = re.sub(rb"client_port=\d+-\d+", b"client_port=%d-%d" %
                          self.client_ports, data)
        other.sendall(data)
        return data != b""

    def datagram(self, at):
        data, source = self.media[at].recvfrom(65536)
        if self.server_ports is None:
            return
        if source[1] == self.client_ports[at]:
            self.media[at].sendto(data, (HOST, self.server_ports[at]))
            return
        if at == 0:
            self.passed += 1
            if self.passed % self.lose_each == 0:
                self.lost += 1
                return
            if self.swap_each and self.passed % self.swap_each == 1:
                self.held, data = data, self.held
                self.swapped += 1
                if data is None:
                    return
        self.media[at].sendto(data, (HOST, self.client_ports[at]))
        if at == 0 and self.held is not None:
            self.media[0].sendto(self.held, (HOST, self.client_ports[0]))
            self.held = None
