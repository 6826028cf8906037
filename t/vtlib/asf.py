# SPDX-License-Identifier: BSD-2-Clause
"""
asf - small ASF files made to order, and what a file's packets must look like
on the wire.

The writer makes files whose every byte follows from its arguments, so that a
play can be short and still know what it must receive.  The reader cuts padding
and takes streams out of packets by the rules of the format on its own; it is
the second opinion that the server's packets are compared with.
"""

import random
import struct


def guid(text):
    a, b, c, d, e = text.split("-")
    return (struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16))
            + bytes.fromhex(d + e))


HEADER = guid("75B22630-668E-11CF-A6D9-00AA0062CE6C")
DATA = guid("75B22636-668E-11CF-A6D9-00AA0062CE6C")
SIMPLE_INDEX = guid("33000890-E5B1-11CF-89F4-00A0C90349CB")
FILE_PROPERTIES = guid("8CABDCA1-A947-11CF-8EE4-00C00C205365")
STREAM_PROPERTIES = guid("B7DC0791-A9B7-11CF-8EE6-00C00C205365")
HEADER_EXTENSION = guid("5FBF03B5-A92E-11CF-8EE3-00C00C205365")
EXTENSION_RESERVED = guid("ABD3D211-A9BA-11CF-8EE6-00C00C205365")
CONTENT_DESCRIPTION = guid("75B22633-668E-11CF-A6D9-00AA0062CE6C")
BITRATES = guid("7BF875CE-468D-11D1-8D82-006097C9A2B2")
PADDING = guid("1806D474-CADF-4509-A4BA-9AABCB96AAE8")
ENCRYPTION = guid("2211B3FB-BD23-11D2-B4B7-00A0C955FC6E")
AUDIO = guid("F8699E40-5B4D-11CF-A8FD-00805F5C442B")
VIDEO = guid("BC19EFC0-5B4D-11CF-A8FD-00805F5C442B")
COMMAND = guid("59DACFC0-59E6-11D0-A3AC-00A0C90348F6")
NO_CORRECTION = guid("20FB5700-5B55-11CF-A8FD-00805F5C442B")

DATA_HEAD = 50
PAYLOAD_HEAD = 17  # number, object, offset, replicated length, 8, length
PACKET_HEAD = 12   # 82 00 00, flags, properties, send time, duration, count


class Fault(Exception):
    """What is wrong with a file or a packet."""


def an_object(name, body):
    return name + struct.pack("<Q", 24 + len(body)) + body


# --- writing ---------------------------------------------------------------


class Options:
    """What a made file is like; set by the words of a `file` statement."""

    def __init__(self):
        self.seconds = 3.0
        self.packet = 1400      # bytes
        self.rate = 300000      # bit/s, all streams
        self.keys = 1.0         # seconds between key frames
        self.frames = 10        # video frames a second
        self.streams = "av"     # stream 1, 2 ...: a audio, v video
        self.preroll = 1000     # ms
        self.index = True
        self.fixed = 0          # smallest padding put into each packet
        self.title = ""
        self.broadcast = False
        self.drm = False
        self.header = 0         # bytes of a padding object in the header
        self.comment = 0        # bytes of description in the header
        self.minimum = None     # minimum packet size, when it shall differ
        self.seed = 1


def stream_properties(number, kind):
    if kind == "v":
        bitmap = struct.pack("<IiiHH4sIiiII", 44, 160, 120, 1, 24, b"WMV2",
                             57600, 0, 0, 0, 0) + bytes(4)
        special = struct.pack("<IIBH", 160, 120, 2, len(bitmap)) + bitmap
        name = VIDEO
    else:
        special = struct.pack("<HHIIHHH", 0x161, 1, 16000, 2000, 640, 16,
                              10) + bytes(10)
        name = AUDIO
    return an_object(STREAM_PROPERTIES, name + NO_CORRECTION
                     + struct.pack("<QIIHI", 0, len(special), 0, number, 0)
                     + special)


def media_objects(options):
    """(time ms, stream, key, number, bytes) in the order of their times."""
    seconds = options.seconds
    videos = options.streams.count("v")
    audios = options.streams.count("a")
    rate = options.rate / 8 / max(1, videos * 4 + audios)
    found = []
    for at, kind in enumerate(options.streams):
        number = at + 1
        source = random.Random(options.seed * 1000 + number)
        step = 1000.0 / options.frames if kind == "v" else 100.0
        weight = 4 if kind == "v" else 1
        each = rate * weight * step / 1000.0 * 0.93
        count = max(1, int(seconds * 1000 / step))
        between = max(1, int(round(options.keys * 1000 / step)))
        for i in range(count):
            key = kind == "v" and i % between == 0
            size = each
            if kind == "v" and between > 1:
                size = each * 2 if key else each * (between - 2) / (between - 1)
            size = max(8, int(size * (0.8 + 0.4 * source.random())))
            found.append((int(i * step), number, key, i & 0xff,
                          source.randbytes(size)))
    found.sort(key=lambda one: (one[0], one[1]))
    return found


class Packer:
    """Puts payloads into packets of one size."""

    def __init__(self, options):
        self.options = options
        self.packets = []   # (send ms, [payloads])
        self.payloads = []
        self.room = 0
        self.send = 0
        self.keys = []      # (presentation ms, packet)
        self.begin(0)

    def begin(self, send):
        self.payloads = []
        self.send = send
        self.room = (self.options.packet - PACKET_HEAD - 1
                     - self.options.fixed)

    def close(self, following):
        if self.payloads:
            self.packets.append((self.send, following, self.payloads))
        self.begin(following)

    def add(self, time, stream, key, number, data):
        offset = 0
        while offset < len(data):
            if self.room < PAYLOAD_HEAD + 16 or len(self.payloads) == 63:
                self.close(time)
            if not self.payloads:
                self.send = time
            if key and offset == 0:
                self.keys.append((time + self.options.preroll,
                                  len(self.packets)))
            piece = data[offset:offset + self.room - PAYLOAD_HEAD]
            self.payloads.append((stream | (0x80 if key else 0), number,
                                  offset, len(data),
                                  time + self.options.preroll, piece))
            self.room -= PAYLOAD_HEAD + len(piece)
            offset += len(piece)

    def written(self, send, following, payloads):
        """One packet, single or multiple payload form, padded."""
        multiple = len(payloads) > 1
        body = b"" if not multiple else bytes([0x80 | len(payloads)])
        for stream, number, offset, size, time, piece in payloads:
            body += struct.pack("<BBIBII", stream, number, offset, 8, size,
                                time)
            if multiple:
                body += struct.pack("<H", len(piece))
            body += piece
        rest = self.options.packet - 11 - len(body)
        if rest == 0:
            kind, field = 0x00, b""
        elif rest <= 256:
            kind, field = 0x08, bytes([rest - 1])
        else:
            kind, field = 0x10, struct.pack("<H", rest - 2)
        padding = rest - len(field)
        head = bytes([0x82, 0, 0, kind | (1 if multiple else 0), 0x5d])
        times = struct.pack("<IH", send, min(0xffff, following - send))
        packet = head + field + times + body + b"\xee" * padding
        assert len(packet) == self.options.packet
        return packet


def make(options):
    """The bytes of a file."""
    packer = Packer(options)
    last = 0
    for one in media_objects(options):
        # A packet of its own for what begins a second later, as writers do.
        if packer.payloads and one[0] - packer.send >= 500:
            packer.close(one[0])
        packer.add(*one)
        last = one[0]
    packer.close(last + 100)
    packets = b"".join(packer.written(*one) for one in packer.packets)
    count = len(packer.packets)

    file_id = random.Random(options.seed).randbytes(16)
    play = int(options.seconds * 1e7) + options.preroll * 10000
    flags = 1 if options.broadcast else 2
    index = b""
    if options.index and "v" in options.streams:
        entries = b""
        for i in range(int(play / 1e7) + 1):
            fit = [p for t, p in packer.keys if t <= i * 1000]
            entries += struct.pack("<IH", fit[-1] if fit else 0, 1)
        index = an_object(SIMPLE_INDEX, file_id + struct.pack(
            "<QII", 10000000, 1, len(entries) // 6) + entries)

    def header(total):
        said = (0, 0, options.preroll * 10000, 0) if options.broadcast else (
            total, count, play, packer.packets[-1][0] * 10000)
        least = options.packet if options.minimum is None else options.minimum
        objects = [an_object(FILE_PROPERTIES, file_id + struct.pack(
            "<QQQQQQIIII", said[0], 128166372000000000, said[1], said[2],
            said[3], options.preroll, flags, least, options.packet,
            options.rate))]
        objects += [stream_properties(i + 1, kind)
                    for i, kind in enumerate(options.streams)]
        objects.append(an_object(HEADER_EXTENSION, EXTENSION_RESERVED
                                 + struct.pack("<HI", 6, 0)))
        weights = [4 if kind == "v" else 1 for kind in options.streams]
        rates = b"".join(
            struct.pack("<HI", i + 1, options.rate * w // sum(weights))
            for i, w in enumerate(weights))
        objects.append(an_object(BITRATES, struct.pack(
            "<H", len(weights)) + rates))
        title = (options.title + "\0").encode("utf-16-le")
        comment = ("x" * (options.comment // 2)).encode("utf-16-le")
        objects.append(an_object(CONTENT_DESCRIPTION, struct.pack(
            "<HHHHH", len(title), 0, 0, len(comment), 0) + title + comment))
        if options.header:
            objects.append(an_object(PADDING, bytes(options.header)))
        if options.drm:
            objects.append(an_object(ENCRYPTION, struct.pack("<I", 4) + b"drm!"))
        body = struct.pack("<IBB", len(objects), 1, 2) + b"".join(objects)
        return an_object(HEADER, body)

    size = 50 if options.broadcast else DATA_HEAD + len(packets)
    data = DATA + struct.pack("<Q", size) + file_id + struct.pack(
        "<QH", 0 if options.broadcast else count, 0x0101) + packets
    total = len(header(0)) + len(data) + len(index)
    return header(total) + data + index


# --- reading ---------------------------------------------------------------


def number(data, at, kind):
    size = (0, 1, 2, 4)[kind]
    if at + size > len(data):
        raise Fault("a field runs out of the packet")
    return int.from_bytes(data[at:at + size], "little"), at + size


class Packet:
    """One data packet, taken apart."""

    def __init__(self, data):
        self.data = data
        at = 0
        if data[0] & 0x80:
            at = 1 + (data[0] & 0x0f)
        self.flags_at = at
        self.flags, self.properties = data[at], data[at + 1]
        flags, properties = self.flags, self.properties
        at += 2
        self.lengths_at = at
        length, at = number(data, at, flags >> 5 & 3)
        self.sequence_at = at
        _, at = number(data, at, flags >> 1 & 3)
        self.padding_at = at
        padding, at = number(data, at, flags >> 3 & 3)
        self.times_at = at
        self.send = int.from_bytes(data[at:at + 4], "little")
        at += 6
        end = (length if flags >> 5 & 3 else len(data)) - padding
        self.multiple = bool(flags & 1)
        count, self.length_kind = 1, 0
        self.payloads_at = at
        if self.multiple:
            count, self.length_kind = data[at] & 0x3f, data[at] >> 6
            at += 1
        self.payloads = []  # (stream, key, first byte, last byte + 1)
        for _ in range(count):
            first = at
            stream = data[at] & 0x7f
            key = bool(data[at] & 0x80)
            at += 1
            _, at = number(data, at, properties >> 4 & 3)
            _, at = number(data, at, properties >> 2 & 3)
            replicated, at = number(data, at, properties & 3)
            at += replicated
            size = end - at
            if self.multiple:
                size, at = number(data, at, self.length_kind)
            at += size
            if at > end:
                raise Fault("a payload runs out of the packet")
            self.payloads.append((stream, key, first, at))
        self.end = at

    def sent(self, wanted):
        """The packet for a flow of the streams WANTED: (bytes, key)."""
        mine = [one for one in self.payloads if one[0] in wanted]
        if not mine:
            return None, False
        key = any(one[1] for one in mine)
        data = self.data
        if len(mine) == len(self.payloads) and self.end == len(data):
            return data, key
        flags = self.flags & ~0x78 | 0x40
        head = data[:self.flags_at] + bytes([flags, self.properties])
        rest = data[self.sequence_at:self.padding_at]
        rest += data[self.times_at:self.times_at + 6]
        if self.multiple:
            rest += bytes([self.length_kind << 6 | len(mine)])
        for _, _, first, end in mine:
            rest += data[first:end]
        size = len(head) + 2 + len(rest)
        return head + struct.pack("<H", size) + rest, key


class File:
    """A file as the plays look at it."""

    def __init__(self, data):
        if data[:16] != HEADER:
            raise Fault("not ASF")
        size = struct.unpack_from("<Q", data, 16)[0]
        self.header = data[:size]
        at = 30
        self.streams, self.packet_size, self.preroll = [], 0, 0
        self.commands = set()  # captions and the like: in the first flow
        self.play = 0
        self.broadcast = False
        while at + 24 <= size:
            name = data[at:at + 16]
            length = struct.unpack_from("<Q", data, at + 16)[0]
            if length < 24:
                raise Fault("object of %d bytes" % length)
            if name == FILE_PROPERTIES:
                self.play, _, self.preroll = struct.unpack_from(
                    "<QQQ", data, at + 64)
                self.packet_size = struct.unpack_from("<I", data, at + 96)[0]
                self.broadcast = bool(data[at + 88] & 1)
            elif name == STREAM_PROPERTIES:
                self.streams.append(data[at + 72] & 0x7f)
                if data[at + 24:at + 40] == COMMAND:
                    self.commands.add(self.streams[-1])
            at += length
        if data[size:size + 16] != DATA:
            raise Fault("no Data Object behind the header")
        length = struct.unpack_from("<Q", data, size + 16)[0]
        self.data_head = data[size:size + DATA_HEAD]
        first = size + DATA_HEAD
        room = len(data) - first
        if length > DATA_HEAD and not self.broadcast:
            room = min(room, length - DATA_HEAD)
        self.count = room // self.packet_size
        self.body = data[first:first + self.count * self.packet_size]

    def packet(self, index):
        at = index * self.packet_size
        return Packet(self.body[at:at + self.packet_size])

    def sent(self, wanted):
        """[(packet, send ms, bytes, key)] for a flow of streams WANTED."""
        found = []
        for index in range(self.count):
            packet = self.packet(index)
            data, key = packet.sent(wanted)
            if data is not None:
                found.append((index, packet.send, data, key))
        return found

    def key_packets(self, stream):
        """[(presentation ms without preroll, packet)] of key frame starts."""
        found = []
        for index in range(self.count):
            packet = self.packet(index)
            for one, key, first, _ in packet.payloads:
                offset, size, time = struct.unpack_from(
                    "<I x II", packet.data, first + 2)
                if one == stream and key and offset == 0:
                    found.append((time - self.preroll, index))
        return found


# --- the tester's own test -------------------------------------------------


def check():
    """The worked examples of the format and wire descriptions."""
    # Padding of one byte length and of two (wire, 7.2).
    packet = bytes.fromhex("820000095df62e0000000000")
    packet += b"\x81" + struct.pack("<BBIBIIH", 0x81, 1, 0, 8, 2700, 0, 2924)
    packet += bytes(2924)
    packet += bytes(3200 - len(packet))
    out, key = Packet(packet).sent({1})
    assert out[:13] == bytes.fromhex("820000415d8b0b2e0000000000"), out[:13]
    assert len(out) == 2955 and key
    # One stream out of two (wire, 7.3).
    packet = bytes.fromhex("820000015d000000002e0082")
    packet += bytes.fromhex("020100000000 08 73010000 00000000 7301".replace(
        " ", "")) + bytes(371)
    packet += bytes.fromhex("810100000000 08 172f0000 00000000 df0a".replace(
        " ", "")) + bytes(2783)
    assert len(packet) == 3200, len(packet)
    out, key = Packet(packet).sent({1})
    assert len(out) == 2814 and key
    assert out[:14] == bytes.fromhex("820000415dfe0a000000002e0081")
    out, key = Packet(packet).sent({2})
    assert len(out) == 402 and not key
    assert out[:14] == bytes.fromhex("820000415d9201000000002e0081")
    assert Packet(packet).sent({1, 2})[0] is packet
    assert Packet(packet).sent({3})[0] is None
    # What the writer makes, the reader understands.
    options = Options()
    options.seconds, options.packet = 2.0, 700
    made = File(make(options))
    assert made.streams == [1, 2] and made.packet_size == 700
    sends = [made.packet(i).send for i in range(made.count)]
    assert sends == sorted(sends) and sends[0] == 0 and made.count > 50
    assert [t for t, _ in made.key_packets(2)] == [0, 1000]
    forms = {made.packet(i).multiple for i in range(made.count)}
    assert forms == {True, False}
    whole = made.sent({1, 2})
    assert len(whole) == made.count
    assert sum(len(b) for _, _, b, _ in made.sent({1})) < sum(
        len(b) for _, _, b, _ in whole) / 2
