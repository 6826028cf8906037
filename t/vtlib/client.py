# SPDX-License-Identifier: BSD-2-Clause
"""
client - an RTSP client that does what a play says, well formed or not, and
keeps all that came back: replies, interleaved frames, datagrams.
"""

import base64
import re
import socket
import struct
import time

from vtlib import rtp
from vtlib.net import Relay, receive_datagram, udp_pair


class Trouble(Exception):
    """The server did what the play does not allow."""


class Reply:
    def __init__(self, start, headers, body, arrival):
        self.start, self.headers, self.body = start, headers, body
        self.arrival = arrival
        self.problem = None      # what cannot be understood of it
        words = start.split(" ", 2)
        self.status = int(words[1])
        self.reason = words[2] if len(words) > 2 else ""

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name):
        found = self.all(name)
        return found[0] if found else None


class Pair:
    """A client's RTP and RTCP socket."""

    def __init__(self, client, host):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.rtp, self.rtcp, self.port = udp_pair(family, host)
        self.client, self.relay = client, None
        self.flow = None
        self.strays = 0
        client.net.watch(self.rtp, lambda s: self.receive(s, False))
        client.net.watch(self.rtcp, lambda s: self.receive(s, True))

    def receive(self, sock, control):
        while True:
            got = receive_datagram(sock)
            if got is None:
                return
            data, source, arrival = got
            if self.flow is None:
                self.strays += 1
            elif control:
                self.client.heard_rtcp(self.flow, data, arrival)
            else:
                self.client.sources.add(source[:2])
                self.flow.received(data, arrival, len(self.client.replies))

    def close(self):
        for sock in (self.rtp, self.rtcp):
            self.client.net.unwatch(sock)
            sock.close()
        if self.relay is not None:
            self.relay.close()


class Client:
    def __init__(self, name, net, say):
        self.name, self.net, self.say = name, net, say
        self.sock = None
        self.host, self.port = "", 0
        self.source = None       # address to connect from
        self.receive_buffer = 0
        self.cseq = 0
        self.session = None
        self.agent = "vtplay"
        self.pairs, self.flows = [], []
        self.sources = set()     # where RTP over UDP came from
        self.reset_input()
        self.reply = None        # the one last expected
        self.sdp = []            # lines
        self.base = None
        self.numbers = {}        # control URL -> stream number
        self.asked = {}          # CSeq -> (method, url)
        self.cut = None
        self.ignore_replies = False
        self.reading = True
        self.play_sent = 0.0

    def reset_input(self):
        self.input = b""
        self.replies = []
        self.taken = 0           # replies expected so far
        self.requests = []       # from the server
        self.garbage = None
        self.ended = None        # "closed" or "reset"
        self.frames = 0
        self.strays = []         # channels of frames nobody set up
        self.expect_cseq = []

    # -- the connection --

    def connect(self, host, port):
        self.reset_input()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        if self.receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                            self.receive_buffer)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(10)
        if self.source:
            sock.bind((self.source, 0))
        sock.connect((host, port))
        self.sock, self.host, self.port = sock, host, port
        self.say("%s connects to %s port %d" % (self.name, host, port))
        self.net.watch(sock, self.receive)

    def local(self):
        return self.sock.getsockname()

    def close(self, reset=False):
        if self.sock is None:
            return
        self.net.unwatch(self.sock)
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        self.sock.close()
        self.sock = None
        self.say("%s %s" % (self.name, "resets" if reset else "closes"))

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)
        self.say("%s closes its side" % self.name)

    def read(self, on):
        if on and not self.reading:
            self.net.watch(self.sock, self.receive)
        elif not on and self.reading:
            self.net.unwatch(self.sock)
        self.reading = on

    def end(self):
        self.close()
        for pair in self.pairs:
            pair.close()
        self.pairs = []

    # -- input --

    def receive(self, sock):
        try:
            data = sock.recv(262144)
        except BlockingIOError:
            return
        except ConnectionError:
            data = None
        if not data:
            self.ended = "reset" if data is None else "closed"
            self.say("%s: the server %s" % (self.name, self.ended))
            self.net.drop(sock)
            return
        self.input += data
        while self.garbage is None and self.take():
            pass

    def take(self):
        data = self.input
        if not data:
            return False
        if data[:1] == b"$":
            if len(data) < 4:
                return False
            channel, length = data[1], data[2] << 8 | data[3]
            if len(data) < 4 + length:
                return False
            self.input = data[4 + length:]
            self.frame(channel, data[4:4 + length])
            return True
        end = data.find(b"\r\n\r\n")
        if end == -1:
            head = data[:8]
            if not (b"RTSP/1.0".startswith(head)
                    or re.match(rb"[A-Z_]+( |$)", head)):
                self.garbage = data[:40]
            return False
        lines = data[:end].decode("latin-1").split("\r\n")
        headers = []
        for line in lines[1:]:
            match = re.fullmatch(r"([!#-'*+.0-9A-Z^-z|~-]+): ?(.*)", line)
            if match is None:
                self.garbage = line.encode("latin-1")
                return False
            headers.append((match.group(1), match.group(2)))
        size = 0
        for header, value in headers:
            if header.lower() == "content-length":
                size = int(value)
        if len(data) < end + 4 + size:
            return False
        body = data[end + 4:end + 4 + size]
        self.input = data[end + 4 + size:]
        if re.match(r"RTSP/1\.0 [1-5]\d\d( |$)", lines[0]):
            reply = Reply(lines[0], headers, body.decode("utf-8", "replace"),
                          time.time())
            self.replies.append(reply)
            # At once: what comes next on the connection depends on it.
            asked = self.asked.pop(reply.get("CSeq"), None)
            if asked is not None and reply.status == 200:
                try:
                    self.learn(reply, *asked)
                except (Trouble, ValueError) as problem:
                    reply.problem = str(problem)
            self.say("%s < %s" % (self.name, " | ".join(lines)))
        elif re.match(r"[A-Z_]+ \S+ RTSP/1\.0$", lines[0]):
            self.requests.append(lines)
            self.say("%s < request %s" % (self.name, lines[0]))
        else:
            self.garbage = lines[0].encode("latin-1")
        return True

    def frame(self, channel, data):
        self.frames += 1
        for flow in self.flows:
            if flow.channels and channel == flow.channels[0]:
                flow.received(data, time.time(), len(self.replies))
                return
            if flow.channels and channel == flow.channels[1]:
                self.heard_rtcp(flow, data, time.time())
                return
        self.strays.append(channel)

    def heard_rtcp(self, flow, data, arrival):
        flow.reported(data, arrival)
        if data[1:2] != b"\xc8":
            self.say("%s < RTCP %s on %s" % (
                self.name, data[:32].hex(" ", 4), flow.name))

    # -- output --

    def write(self, data):
        """All of DATA, in pieces if the play said so."""
        if self.sock is None:
            raise Trouble("not connected")
        if self.cut is None:
            pieces = [data]
        elif self.cut == "every-byte":
            pieces = [data[i:i + 1] for i in range(len(data))]
        elif self.cut < 0:
            pieces = [data[:-self.cut]]
        else:
            pieces = [data[:self.cut], data[self.cut:]]
        self.sock.settimeout(20)
        try:
            for at, piece in enumerate(pieces):
                if not piece:
                    continue
                if at and len(pieces) == 2:
                    time.sleep(0.002)  # so that the pieces arrive apart
                self.sock.sendall(piece)
        except ConnectionError:
            self.say("%s: cannot send any more" % self.name)
        except socket.timeout:
            raise Trouble("the server does not take what is sent")
        finally:
            self.sock.setblocking(False)

    def send(self, method, url, version, headers, body):
        lines, names = [], {n.lower() for n, _ in headers}
        if "cseq" not in names:
            self.cseq += 1
            lines.append("CSeq: %d" % self.cseq)
            self.expect_cseq.append(self.cseq)
        else:
            said = [v for n, v in headers if n.lower() == "cseq"]
            number = int(said[0]) if said[0].isdigit() else -1
            self.expect_cseq.append(
                number if 0 <= number < 2**32 else None)
        if "user-agent" not in names:
            lines.append("User-Agent: " + self.agent)
        if "session" not in names and self.session:
            lines.append("Session: " + self.session)
        if body is not None and "content-length" not in names:
            lines.append("Content-Length: %d" % len(body))
        for header, value in headers:
            if value != "none":
                lines.append("%s: %s" % (header, value))
        text = "%s %s %s\r\n%s\r\n\r\n" % (
            method, url, version, "\r\n".join(lines))
        shown = text.strip().replace("\r\n", " | ")
        if len(shown) > 600:
            shown = shown[:600] + " ... (%d characters)" % len(text)
        self.say("%s > %s" % (self.name, shown))
        with self.net.lock:
            self.asked[str(self.expect_cseq[-1])] = (method, url)
        if method == "PLAY":
            self.play_sent = time.time()
            for flow in self.flows:
                flow.play_sent(self.play_sent)
        self.write(text.encode("latin-1") + (body or b""))

    # -- replies --

    def next_reply(self, seconds=8.0):
        self.net.wait(lambda: len(self.replies) > self.taken or self.ended
                      or self.garbage, seconds)
        with self.net.lock:
            if len(self.replies) > self.taken:
                self.reply = self.replies[self.taken]
                self.taken += 1
            elif self.garbage is not None:
                raise Trouble("what came is no RTSP: %r" % self.garbage)
            elif self.ended:
                raise Trouble("no reply: the server %s the connection" %
                              self.ended)
            else:
                raise Trouble("no reply within %g s" % seconds)
        return self.reply

    def expect(self, statuses, reason=None, any_cseq=False):
        reply = self.next_reply()
        wanted = self.expect_cseq.pop(0) if self.expect_cseq else None
        if str(reply.status) not in statuses:
            raise Trouble("answered %d %s" % (reply.status, reply.reason))
        if wanted is not None and not any_cseq and reply.get("CSeq") != str(wanted):
            raise Trouble("CSeq is %s, the request had %d" % (
                reply.get("CSeq"), wanted))
        if reason is not None and not re.search(reason, reply.reason):
            raise Trouble("the phrase is \"%s\"" % reply.reason)
        if reply.problem is not None:
            raise Trouble(reply.problem)
        return reply

    def learn(self, reply, method, url):
        """What later requests and checks need of a good reply."""
        if method == "DESCRIBE":
            self.learn_sdp(reply, url)
        elif method == "SETUP":
            said = (reply.get("Session") or "").split(";")[0].strip()
            if said and self.session is None:
                self.session = said
            self.learn_transport(reply.get("Transport") or "", url)
        elif method == "PLAY":
            info = self.rtp_info(reply)
            for flow in self.flows:
                said = [info[u] for one in self.flows
                        if one is flow or one.source == flow.source is not None
                        for u in one.urls if u in info]
                if len(set(said)) > 1:
                    raise Trouble("RTP-Info differs within one flow")
                flow.begin(*(said[0] if said else (None, None)),
                           now=reply.arrival)
                flow.watched = None
        elif method in ("PAUSE", "TEARDOWN"):
            below = url.rstrip("/") + "/"
            for flow in self.flows:
                if flow.urls and all(one == url or one.startswith(below)
                                     for one in flow.urls):
                    flow.watched = (len(self.replies), reply.arrival)
                elif method == "TEARDOWN" and url in flow.urls:
                    flow.urls.remove(url)
                    if self.numbers.get(url) in flow.streams:
                        flow.streams.remove(self.numbers[url])

    def learn_sdp(self, reply, url):
        self.base = reply.get("Content-Base") or url
        self.sdp = reply.body.split("\r\n")
        self.numbers = {}
        control = None
        for line in self.sdp:
            if line.startswith("m="):
                control = None
            elif line.startswith("a=control:"):
                control = self.absolute(line[10:])
            elif line.startswith("a=stream:") and control:
                self.numbers[control] = int(line[9:])

    def absolute(self, control):
        if control.lower().startswith("rtsp:"):
            return control
        return self.base.rstrip("/") + "/" + control

    def carriers(self):
        """The flows that carry something.  Where Transport told the same SSRC
        for several destinations, the first one gets what is for all."""
        found = {}
        for flow in self.flows:
            if flow.urls and flow.streams != [65536]:
                found.setdefault(flow.source or id(flow), []).append(flow)
        for flows in found.values():
            flows[0].carried = {n for flow in flows for n in flow.streams
                                if n != 65536}
        return [flows[0] for flows in found.values()]

    def learn_transport(self, transport, url):
        ports = re.search(r"client_port=(\d+)(?:-(\d+))?", transport)
        channels = re.search(r"interleaved=(\d+)-(\d+)", transport)
        flow = self.flow_at(ports, channels)
        if flow is None:
            return
        server = re.search(r"server_port=(\d+)-(\d+)", transport)
        if server and flow.pair and flow.pair.relay:
            flow.pair.relay.server = [(self.host, int(server.group(1))),
                                      (self.host, int(server.group(2)))]
        for other in self.flows:
            if url in other.urls:
                other.urls.remove(url)
                if url in self.numbers and other is not flow:
                    other.streams.remove(self.numbers[url])
        flow.urls.append(url)
        source = re.search(r"ssrc=([0-9A-Fa-f]+)", transport)
        if source and not url.endswith("/rtx"):
            flow.source = int(source.group(1), 16)
        number = self.numbers.get(url)
        if number is not None and number not in flow.streams:
            flow.streams.append(number)
        for one in self.flows:
            if not one.urls and not one.packets and one.pair:
                one.pair.flow = None
        self.flows = [one for one in self.flows if one.urls or one.packets]

    def flow_at(self, ports, channels):
        if channels:
            pair = (int(channels.group(1)), int(channels.group(2)))
            for flow in self.flows:
                if flow.channels == pair:
                    return flow
            flow = rtp.Flow("%s channel %d" % (self.name, pair[0]))
            flow.channels = pair
        elif ports:
            port = int(ports.group(1))
            pair = next((p for p in self.pairs if p.port == port or (
                p.relay and p.relay.port == port)), None)
            if pair is None:
                return None
            if pair.flow is not None:
                if pair.flow not in self.flows:
                    self.flows.append(pair.flow)
                return pair.flow
            flow = rtp.Flow("%s port %d" % (self.name, port))
            flow.pair, pair.flow = pair, flow
        else:
            return None
        self.flows.append(flow)
        return flow

    def rtp_info(self, reply):
        found = {}
        value = reply.get("RTP-Info")
        for entry in (value or "").split(","):
            if not entry.strip():
                continue
            match = re.fullmatch(
                r"\s*url=([^;,]+);seq=(\d+);rtptime=(\d+)\s*", entry)
            if match is None:
                raise Trouble("RTP-Info: cannot read \"%s\"" % entry)
            found[match.group(1)] = (int(match.group(2)), int(match.group(3)))
        return found

    # -- several steps in one --

    def ports(self, index):
        """The RTP port of the client's pair INDEX, opened when first asked
        for."""
        host = self.sock.getsockname()[0] if self.sock else "127.0.0.1"
        while len(self.pairs) <= index:
            self.pairs.append(Pair(self, host))
        return self.pairs[index]

    def relay(self, lose_each):
        """Put a relay before the first pair."""
        pair = self.ports(0)
        pair.relay = Relay(self.net, (pair.rtp, pair.rtcp), lose_each)
        return pair.relay

    def open(self, url, how, streams, rtx):
        """DESCRIBE, and a SETUP of each stream (or of STREAMS)."""
        self.send("DESCRIBE", url, "RTSP/1.0",
                  [("Accept", "application/sdp")], None)
        self.expect(["200"])
        at = 0
        for control, number in sorted(self.numbers.items(),
                                      key=lambda one: one[1]):
            if number == 65536 and not rtx:
                continue
            if streams and number != 65536 and number not in streams:
                continue
            if how == "tcp":
                transport = "RTP/AVP/TCP;unicast;interleaved=%d-%d" % (
                    at * 2, at * 2 + 1)
            else:
                pair = self.ports(0 if how == "shared" and number != 65536
                                  else at)
                port = pair.relay.port if pair.relay else pair.port
                transport = "RTP/AVP;unicast;client_port=%d-%d" % (
                    port, port + 1)
            at += 1
            self.send("SETUP", control, "RTSP/1.0",
                      [("Transport", transport)], None)
            self.expect(["200"])

    def report(self, lost=None, fraction=None):
        """A receiver report for each flow, of what was received."""
        for flow in self.flows:
            with self.net.lock:
                if not flow.packets:
                    continue
                highest = flow.packets[-1].number
                first = flow.packets[0].number
                missing = highest - first + 1 - len(flow.packets)
                source = flow.packets[-1].ssrc
            cumulative = missing if lost is None else lost
            share = fraction
            if share is None:
                share = cumulative * 256 // max(1, highest - first + 1)
            data = rtp.receiver_report(0x76747079, source, share, cumulative,
                                       highest - 0x10000)
            self.send_rtcp(flow, data)

    def send_rtcp(self, flow, data):
        if flow.channels:
            self.write(b"$" + struct.pack("!BH", flow.channels[1], len(data))
                       + data)
            return
        if flow.pair.relay:
            flow.pair.rtcp.sendto(data, (
                flow.pair.relay.client[1][0], flow.pair.relay.port + 1))
            return
        flow.pair.rtcp.sendto(data, (self.host, self.server_port() + 1))

    def server_port(self):
        for reply in reversed(self.replies):
            found = re.search(r"server_port=(\d+)",
                              reply.get("Transport") or "")
            if found:
                return int(found.group(1))
        raise Trouble("no server_port in any reply")

    # -- the SDP --

    def sdp_part(self, part):
        """Lines of "session" or of a media section by stream number."""
        at = [i for i, line in enumerate(self.sdp) if line.startswith("m=")]
        if part == "all":
            return self.sdp
        if part == "session":
            return self.sdp[:at[0]] if at else self.sdp
        for first, end in zip(at, at[1:] + [len(self.sdp)]):
            lines = self.sdp[first:end]
            if "a=stream:%s" % part in lines:
                return lines
        raise Trouble("no media section with a=stream:%s" % part)

    def sdp_asf_header(self):
        prefix = ("a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,")
        found = [one for one in self.sdp_part("session")
                 if one.startswith(prefix)]
        if len(found) != 1:
            raise Trouble("%d lines a=pgmpu before the first m=" % len(found))
        if len(found[0]) - 2 > 16383:
            raise Trouble("a=pgmpu has %d characters" % (len(found[0]) - 2))
        return base64.b64decode(found[0][len(prefix):], validate=True)
