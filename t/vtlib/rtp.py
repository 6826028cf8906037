# SPDX-License-Identifier: BSD-2-Clause
"""
rtp - RTP and RTCP as a client receives them (RFC 3550), with the payload
header of ASF packets.  A Flow is what comes to one destination: one source,
one sequence; it collects, and answers questions about what it collected.
"""

import struct

from vtlib import asf

SR, RR, SDES, BYE = 200, 201, 202, 203


class Fault(Exception):
    """A packet, or a row of packets, is not as it should be."""


class Rtp:
    """One RTP packet; ARRIVAL is wall-clock seconds, REPLIES how many RTSP
    replies had come before it on the same connection."""

    def __init__(self, data, arrival, replies):
        if len(data) < 12:
            raise Fault("RTP packet of %d bytes" % len(data))
        first, second, self.sequence, self.timestamp, self.ssrc = (
            struct.unpack_from("!BBHII", data))
        if first >> 6 != 2 or first & 0x1f:
            raise Fault("RTP header begins with %02x" % first)
        end = len(data)
        if first & 0x20:
            end -= data[-1]
            if data[-1] == 0 or end < 12:
                raise Fault("RTP padding of %d bytes" % data[-1])
        self.marker = bool(second & 0x80)
        self.kind = second & 0x7f
        self.payload = data[12:end]
        self.size = len(data)
        self.arrival, self.replies = arrival, replies
        self.number = 0  # extended sequence number, set by the flow


class Report:
    """A report block (RFC 3550 6.4.1)."""

    def __init__(self, data):
        (self.ssrc, word, self.highest, self.jitter, self.last,
         self.delay) = struct.unpack("!IIIIII", data)
        self.fraction, self.lost = word >> 24, word & 0xffffff


class Compound:
    """A compound RTCP packet: [(type, count, body)]."""

    def __init__(self, data, arrival):
        self.arrival, self.parts, self.size = arrival, [], len(data)
        at = 0
        while at < len(data):
            if len(data) - at < 4:
                raise Fault("RTCP: %d bytes left over" % (len(data) - at))
            first, kind, words = struct.unpack_from("!BBH", data, at)
            end = at + 4 + words * 4
            if first >> 6 != 2 or end > len(data):
                raise Fault("RTCP: a broken part at byte %d" % at)
            self.parts.append((kind, first & 0x1f, data[at + 4:end]))
            at = end
        if not self.parts or self.parts[0][0] not in (SR, RR):
            raise Fault("RTCP: the first part is no report (RFC 3550 6.1)")
        self.ssrc = struct.unpack_from("!I", self.parts[0][2])[0]

    def has(self, kind):
        return any(part[0] == kind for part in self.parts)

    def sender(self):
        """(ssrc, wall-clock seconds, RTP timestamp, packets, octets)"""
        for kind, _, body in self.parts:
            if kind == SR:
                ssrc, high, low, stamp, packets, octets = struct.unpack_from(
                    "!IIIIII", body)
                return (ssrc, high - 2208988800 + low / 2**32, stamp, packets,
                        octets)
        return None

    def name(self):
        """The CNAME, or None."""
        for kind, count, body in self.parts:
            if kind == SDES and count and len(body) > 6 and body[4] == 1:
                return body[6:6 + body[5]].decode("utf-8", "replace")
        return None


def receiver_report(ssrc, flow_ssrc, fraction, lost, highest, jitter=0):
    block = struct.pack("!IIIIII", flow_ssrc,
                        (fraction & 0xff) << 24 | lost & 0xffffff, highest,
                        jitter, 0, 0)
    name = b"vtplay"
    items = bytes([1, len(name)]) + name
    items += bytes(4 - len(items) % 4)
    return (struct.pack("!BBHI", 0x81, RR, 7, ssrc) + block
            + struct.pack("!BBHI", 0x81, SDES, 1 + len(items) // 4, ssrc)
            + items)


def goodbye(ssrc):
    return (struct.pack("!BBHI", 0x80, RR, 1, ssrc)
            + struct.pack("!BBHI", 0x81, BYE, 1, ssrc))


class Fragmented:
    """One ASF packet as it was put together again."""

    def __init__(self, timestamp, key, location, data):
        self.timestamp, self.key = timestamp, key
        self.location, self.data = location, data


def payload_head(packet):
    """(key, whole, length or offset, relative, location, bytes) of it."""
    data = packet.payload
    if len(data) < 5:
        raise Fault("RTP payload of %d bytes" % len(data))
    word = struct.unpack_from("!I", data)[0]
    flags, value, at = word >> 24, word & 0xffffff, 4
    relative = location = None
    if flags & 0x07:
        raise Fault("reserved bits in the payload header: %02x" % flags)
    if flags & 0x20:
        relative = struct.unpack_from("!I", data, at)[0]
        at += 4
    if flags & 0x10:
        at += 4
    if flags & 0x08:
        location = struct.unpack_from("!I", data, at)[0]
        at += 4
    return bool(flags & 0x80), bool(flags & 0x40), value, relative, location, at


class Flow:
    """What comes to one destination."""

    def __init__(self, name):
        self.name = name
        self.channels = None  # (RTP, RTCP), interleaved
        self.pair = None    # sockets, over UDP
        self.source = None  # the SSRC that Transport told
        self.streams = []   # ASF stream numbers set up there
        self.carried = set()  # those that come there (Client.carriers)
        self.urls = []      # their control URLs
        self.packets = []
        self.reports = []   # Compound
        self.first = 0      # extended number with which the window begins
        self.info = None    # (seq, rtptime) as RTP-Info said
        self.faults = []
        self.since = 0.0    # when PLAY was sent
        self.said = 0.0     # when its answer came
        self.watched = None  # replies after which packets are forbidden

    # -- what comes in --

    def received(self, data, arrival, replies):
        try:
            packet = Rtp(data, arrival, replies)
        except Fault as fault:
            self.faults.append(str(fault))
            return
        if self.packets:
            last = self.packets[-1].number
            step = (packet.sequence - last + 0x8000 & 0xffff) - 0x8000
            packet.number = last + step
        else:
            packet.number = 0x10000 + packet.sequence
        self.packets.append(packet)

    def reported(self, data, arrival):
        try:
            self.reports.append(Compound(data, arrival))
        except Fault as fault:
            self.faults.append(str(fault))

    # -- windows: a PLAY begins one --

    def play_sent(self, now):
        self.since = now

    def begin(self, sequence=None, stamp=None, now=0.0):
        """A PLAY was answered: SEQUENCE and STAMP are those of RTP-Info."""
        self.info = None if sequence is None else (sequence, stamp)
        self.said = now
        if sequence is None:
            after = [one for one in self.packets if one.arrival >= self.since]
            self.first = (after[0].number if after else
                          self.packets[-1].number + 1 if self.packets else 0)
        elif self.packets:
            last = self.packets[-1].number
            step = (sequence - last + 0x8000 & 0xffff) - 0x8000
            self.first = last + step
        else:
            self.first = 0x10000 + sequence

    def window(self):
        return [one for one in self.packets if one.number >= self.first]

    # -- questions --

    def in_sequence(self):
        """Each packet is the next one, over all windows."""
        before = None
        for one in self.packets:
            if self.source is not None and one.ssrc != self.source:
                raise Fault("%s: SSRC %08x, Transport said %08x" % (
                    self.name, one.ssrc, self.source))
            if before is not None and one.number != before.number + 1:
                raise Fault("%s: sequence %d after %d" % (
                    self.name, one.sequence, before.sequence))
            before = one

    def one_source(self):
        found = {one.ssrc for one in self.packets}
        if len(found) > 1:
            raise Fault("%s: several SSRCs: %s" % (
                self.name, " ".join("%08x" % one for one in sorted(found))))

    def as_info(self):
        window = self.window()
        if self.info is None:
            raise Fault("%s: no RTP-Info told of it" % self.name)
        if not window:
            raise Fault("%s: no packet since PLAY" % self.name)
        got = (window[0].sequence, window[0].timestamp)
        # RFC 2326 12.33: the number of the first packet, but the timestamp
        # of the beginning, which may lie before this flow's first packet.
        if got[0] != self.info[0] or not 0 <= got[1] - self.info[1] < 5000:
            raise Fault("%s: begins with seq=%d rtptime=%d, RTP-Info said "
                        "seq=%d rtptime=%d" % ((self.name,) + got + self.info))

    def assembled(self):
        """The window's ASF packets; a cut one at the end is left out."""
        found, data, head = [], b"", None
        for packet in self.window():
            where = "%s: RTP packet %d" % (self.name, packet.sequence)
            if packet.kind != 96:
                raise Fault("%s: payload type %d" % (where, packet.kind))
            key, whole, value, relative, location, at = payload_head(packet)
            if relative not in (None, 0):
                raise Fault("%s: relative timestamp %d" % (where, relative))
            body = packet.payload[at:]
            now = (packet.timestamp, key, location)
            if whole:
                if data:
                    raise Fault("%s: whole, amid fragments" % where)
                if value != len(packet.payload):
                    raise Fault("%s: Length %d, header and packet are %d" % (
                        where, value, len(packet.payload)))
                if not packet.marker:
                    raise Fault("%s: whole, without M" % where)
                found.append(Fragmented(*now, body))
                continue
            if value != len(data):
                raise Fault("%s: Offset %d after %d bytes" % (
                    where, value, len(data)))
            if data and now != head:
                raise Fault("%s: timestamp, S or LocationId differ within "
                            "one packet" % where)
            data, head = data + body, now
            if packet.marker:
                found.append(Fragmented(*head, data))
                data = b""
        return found

    def ahead(self, speed):
        """Seconds by which the earliest packet came early, against the time
        at which PLAY was sent: the pace can have begun no sooner."""
        worst = 0.0
        window = self.window()
        for one in window:
            due = (one.timestamp - window[0].timestamp) / 1000.0 / speed
            worst = max(worst, due - (one.arrival - self.since))
        return worst

    def catch_up(self, times, stall, slack):
        """Behind a gap of STALL seconds at no more than TIMES the pace."""
        window = self.window()
        for i in range(1, len(window)):
            if window[i].arrival - window[i - 1].arrival >= stall:
                break
        else:
            raise Fault("%s: no gap of %.1f s" % (self.name, stall))
        start = window[i]
        for one in window[i:]:
            media = (one.timestamp - start.timestamp) / 1000.0
            passed = one.arrival - start.arrival
            if media > times * passed + slack:
                raise Fault("%s: %.3f s of media in %.3f s behind the gap" % (
                    self.name, media, passed))
        return window[-1].arrival - start.arrival

    def lateness(self):
        """How late the last packet is, against the first of the window."""
        window = self.window()
        media = (window[-1].timestamp - window[0].timestamp) / 1000.0
        return window[-1].arrival - window[0].arrival - media

    def goodbyes(self):
        return [one for one in self.reports if one.has(BYE)]


# Replicated data of a payload: of an object of a size that no object has.
NO_OBJECT = bytes.fromhex("08ffff0f00")


def is_filler(data, file):
    """Zeros, or payloads of no object: they bring a demultiplexer back into
    step behind a jump, and are skipped by all."""
    if not any(data):
        return len(data) == file.packet_size
    try:
        return all(data[first + 6:first + 11] == NO_OBJECT
                   for _, _, first, _ in asf.Packet(data).payloads)
    except (asf.Fault, IndexError):
        return False


def compare(flow, file, wanted, begin=None, complete=False):
    """The window's ASF packets against those of FILE; returns how many."""
    expected = file.sent(set(wanted))
    got = flow.assembled()
    for _ in range(2):
        if got and is_filler(got[0].data, file):
            got.pop(0)
    if not got:
        raise Fault("%s: no ASF packet since PLAY" % flow.name)
    start = None
    for at, (index, send, data, _) in enumerate(expected):
        if data == got[0].data and got[0].location in (None, index):
            start = at
            break
    if start is None:
        raise Fault("%s: the first ASF packet (%d bytes, timestamp %d) is "
                    "none of the file's" % (
                        flow.name, len(got[0].data), got[0].timestamp))
    allowed = begin if isinstance(begin, list) else [begin]
    if begin is not None and expected[start][0] not in allowed:
        raise Fault("%s: begins with packet %d, not with %s" % (
            flow.name, expected[start][0], begin))
    for at, one in enumerate(got):
        if start + at >= len(expected):
            raise Fault("%s: goes on behind the last packet" % flow.name)
        index, send, data, key = expected[start + at]
        where = "%s: packet %d of the file" % (flow.name, index)
        if one.data != data:
            differ = next((i for i, (a, b) in enumerate(zip(one.data, data))
                           if a != b), min(len(one.data), len(data)))
            raise Fault("%s: %d bytes instead of %d, differs from byte %d: "
                        "%s instead of %s" % (
                            where, len(one.data), len(data), differ,
                            one.data[differ:differ + 8].hex(" "),
                            data[differ:differ + 8].hex(" ")))
        if one.timestamp != send:
            raise Fault("%s: timestamp %d, send time %d" % (
                where, one.timestamp, send))
        if one.key != key:
            raise Fault("%s: S is %d" % (where, one.key))
        if one.location not in (None, index):
            raise Fault("%s: LocationId %d" % (where, one.location))
    if complete and start + len(got) != len(expected):
        raise Fault("%s: ends with packet %d of %d" % (
            flow.name, expected[start + len(got) - 1][0], file.count))
    return len(got)
