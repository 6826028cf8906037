#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
player-hostile - servers that do wrong: vodplay plays what is right of it, or
ends with one sentence within ten seconds, and never crashes.

usage: player-hostile.py [-v] [CASE...]

Exit status: 0 passed, 1 failed, 77 vodplay is not built.
"""

import argparse
import concurrent.futures
import functools
import os
import random
import re
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from playerlib.hostile import (  # noqa: E402
    COMMANDS, SESSION, SOUND, SSRC, Server, Title, frame, send_ms)
from playerlib.vodplay import Failed, Play  # noqa: E402
from vtlib.net import patience  # noqa: E402
from vtlib.server import program  # noqa: E402

# Most of them wait, and seconds are counted: but where leaks are looked for,
# since each allocation's stack is unwound then, which takes all the processors.
LEAKS = bool(os.environ.get("PLAYER_LEAKS"))
AT_ONCE = 4 if LEAKS else 12
BOUND = 10 * (patience() if LEAKS else 1)
# Where nobody is there any more: behind what a case takes till then.  All others
# end by themselves long before vodplay's own 30 seconds.
DEAD = "--give-up", "2"

PLAYS, FAILS, EITHER = "plays", "fails", "either"
cases = []


def case(outcome, *arguments, scheme="rtspt"):
    """A class as one case, or one for each tuple of ARGUMENTS."""
    def add(one):
        for words in arguments or ((),):
            name = one.__name__ + "".join(" %s" % (word,) for word in words)
            cases.append((name, one, words, outcome, scheme))
        return one
    return add


class Spoiled(Server):
    options = "--duration", "2"
    says = ""   # of its sentence

    def __init__(self, title, *words):
        self.words = words
        super().__init__(title)

    def meanwhile(self, play):
        pass

    def complaint(self):
        """What the player did that no server should bear; None: nothing."""


@case(PLAYS)
class all_is_right(Spoiled):
    pass


# -- descriptions --

@case(FAILS)
class sdp_of_a_megabyte(Spoiled):
    def sdp(self):
        return self.title.sdp() + b"a=x:" + b"y" * (1 << 20) + b"\r\n"


@case(PLAYS)
class sdp_of_a_quarter_megabyte(Spoiled):
    def sdp(self):
        return self.title.sdp() + b"a=x:" + b"y" * (1 << 18) + b"\r\n"


@case(EITHER)
class sdp_with_a_thousand_streams(Spoiled):
    def sdp(self):
        return self.title.sdp() + b"".join(
            b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n"
            b"a=control:stream=%d\r\na=stream:%d\r\n" % (n, n % 127 + 1)
            for n in range(1000))


@case(PLAYS)
class sdp_with_a_thousand_other_lines(Spoiled):
    def sdp(self):
        return self.title.sdp() + b"m=application 0 RTP/AVP 96\r\n" * 1000


@case(FAILS)
class sdp_of_broken_base64(Spoiled):
    def sdp(self):
        return self.title.sdp().replace(b"base64,MCay", b"base64,M*ay")


@case(FAILS)
class sdp_without_a_header(Spoiled):
    def sdp(self):
        return b"\r\n".join(line for line in self.title.sdp().split(b"\r\n")
                            if b"pgmpu" not in line)


@case(FAILS, (b"",), (b"v=0\r\n",), (b"\0" * 5000,), (b"v=0\r\n" * 9999,))
class sdp_that_is_none(Spoiled):
    def sdp(self):
        return self.words[0]


def patched(header, at, data):
    return header[:at] + data + header[at + len(data):]


@case(FAILS, (0,), (29,), (1 << 32,), (1 << 63,), ((1 << 64) - 1,))
class header_whose_size_lies(Spoiled):
    def sdp(self):
        return self.title.sdp(patched(
            self.title.header, 16, struct.pack("<Q", self.words[0])))


@case(EITHER, *((at, size) for at in (0, 1, 2, 3) for size in (
    0, 23, 24, 1 << 16, 1 << 63)))
class object_whose_size_lies(Spoiled):
    """ASF-1, ASF-4."""

    def sdp(self):
        number, size = self.words
        at = 30
        for _ in range(number):
            at += struct.unpack_from("<Q", self.title.header, at + 16)[0]
        return self.title.sdp(patched(
            self.title.header, at + 16, struct.pack("<Q", size)))


@case(FAILS, (0, 0), (1, 1), (31, 31), (65537, 65537), (100, 1444),
      (0xffffffff, 0xffffffff))
class packet_sizes(Spoiled):
    """ASF-3."""

    def sdp(self):
        at = self.title.header.find(bytes.fromhex(
            "a1dcab8c47a9cf118ee400c00c205365"))
        return self.title.sdp(patched(
            self.title.header, at + 92, struct.pack("<II", *self.words)))


@case(EITHER, *((seed,) for seed in range(6)))
class header_with_noise(Spoiled):
    def sdp(self):
        noise = random.Random(self.words[0])
        header = bytearray(self.title.header)
        for _ in range(12):
            header[noise.randrange(30, len(header) - 50)] = (
                noise.randrange(256))
        return self.title.sdp(bytes(header))


# -- answers --

@case(PLAYS)
class answers_without_a_number(Spoiled):
    def reply(self, one, cseq, headers=(), body=b"", status="200 OK"):
        super().reply(one, None, headers, body, status)


@case(FAILS)
class answers_with_another_number(Spoiled):
    def reply(self, one, cseq, headers=(), body=b"", status="200 OK"):
        super().reply(one, "4711", headers, body, status)


@case(FAILS)
class answer_of_64_kib(Spoiled):
    def on_describe(self, one, cseq, head):
        self.reply(one, cseq, ["X-%d: %s" % (n, "x" * 1000)
                               for n in range(64)], self.sdp())


@case(FAILS, (1,), (20,), (200,), (700,), (2000,))
class answer_that_is_cut(Spoiled):
    def on_describe(self, one, cseq, head):
        keep = one.sendall

        class Cut:
            def sendall(self, data):
                keep(data[:cut])
        cut = self.words[0]
        super().on_describe(Cut(), cseq, head)
        one.close()


@case(FAILS)
class answer_that_is_not_RTSP(Spoiled):
    def on_describe(self, one, cseq, head):
        one.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(range(256)) * 9)


@case(FAILS, ("404 Not Found",), ("401 Unauthorized",), ("453 Full",),
      ("503 Full",), ("500 x\x1b[31m",), ("600 No",), ("299 What",))
class refusals(Spoiled):
    def on_describe(self, one, cseq, head):
        self.reply(one, cseq, status=self.words[0])


@case(FAILS)
class redirects_without_end(Spoiled):
    def on_describe(self, one, cseq, head):
        self.reply(one, cseq, ["Location: " + self.url("rtsp")],
                   status="302 Moved")


@case(FAILS, ("",), ("http://127.0.0.1/",), ("x" * 3000,))
class redirects_to_nowhere(Spoiled):
    def on_describe(self, one, cseq, head):
        self.reply(one, cseq, ["Location: " + self.words[0]],
                   status="302 Moved")


@case(FAILS)
class silence(Spoiled):
    def converse(self, one):
        self.pause(60)


@case(FAILS)
class a_byte_a_second(Spoiled):
    def on_describe(self, one, cseq, head):
        for byte in b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n" * 99:
            one.sendall(bytes([byte]))
            self.pause(1)


@case(FAILS)
class a_description_at_a_byte_a_second(Spoiled):
    def on_describe(self, one, cseq, head):
        self.reply(one, cseq, ["Content-Type: application/sdp",
                               "Content-Length: 5000"])
        for byte in self.sdp():
            one.sendall(bytes([byte]))
            self.pause(1)


@case(FAILS)
class redirects_that_take_their_time(Spoiled):
    def on_describe(self, one, cseq, head):
        self.pause(3)
        self.reply(one, cseq, ["Location: " + self.url("rtsp")],
                   status="302 Moved")


@case(FAILS)
class answers_that_take_their_time(Spoiled):
    def answer(self, one, method, cseq, head):
        self.pause(2.5)
        super().answer(one, method, cseq, head)


@case(FAILS)
class length_without_end(Spoiled):
    def on_describe(self, one, cseq, head):
        self.reply(one, cseq, ["Content-Length: 99999999999999999999"])


# -- sessions and media --

@case(FAILS)
class session_that_changes(Spoiled):
    def on_setup(self, one, cseq, head):
        self.number = getattr(self, "number", 0) + 1
        super().on_setup(one, cseq, head)

    def session(self):
        return "Session: %s%d" % (SESSION, getattr(self, "number", 0))


@case(FAILS)
class session_that_changes_at_play(Spoiled):
    def on_play(self, one, cseq, head):
        self.reply(one, cseq, ["Session: 123456789", "Range: npt=0-"])
        self.media(one)


@case(FAILS, scheme="rtsp")
class nothing_over_udp_or_tcp(Spoiled):
    def media(self, one):
        pass


@case(PLAYS, scheme="rtsp")
class nothing_over_udp(Spoiled):
    def on_setup(self, one, cseq, head):
        self.over_udp = b"RTP/AVP/UDP" in head
        super().on_setup(one, cseq, head)

    def media(self, one):
        if not self.over_udp:
            super().media(one)


@case(PLAYS)
class source_that_changes(Spoiled):
    def media(self, one):
        for number, packet in enumerate(self.title.packets):
            one.sendall(self.rtp(packet, ssrc=SSRC + (number > 300)))
        self.bye(one, SSRC + 1)


@case(EITHER, (0,), (3,), (0xffff,))
class frame_whose_length_lies(Spoiled):
    def media(self, one):
        for number, packet in enumerate(self.title.packets):
            data = self.rtp(packet)
            if number == 200:
                data = data[:2] + struct.pack("!H", self.words[0]) + data[4:]
            one.sendall(data)
        self.bye(one)


@case(PLAYS)
class frames_of_other_channels(Spoiled):
    def media(self, one):
        for packet in self.title.packets:
            one.sendall(frame(7, os.urandom(100)) + self.rtp(packet) +
                        frame(0, b"") + frame(0, b"\x80") +
                        frame(1, os.urandom(30)))
        self.bye(one)


def payloads(packet):
    """ASF-6: headers that lie about what follows."""
    half = len(packet) // 2
    yield struct.pack("!I", 0x40ffffff) + packet
    yield struct.pack("!I", 0x40000000) + packet
    yield struct.pack("!I", 0x40000005) + packet
    yield struct.pack("!I", 0x00ffffff) + packet
    yield struct.pack("!I", half) + packet[half:]
    yield struct.pack("!I", 0) + packet[:half]
    yield struct.pack("!I", 0xff000000)
    yield b"\x40\0"
    yield b""
    yield struct.pack("!I", 0x40000000 | 4 + half) + packet[:half]


@case(PLAYS)
class payload_headers_that_lie(Spoiled):
    def media(self, one):
        for number, packet in enumerate(self.title.packets):
            lies = list(payloads(packet))
            if number % 10 == 5:
                lie = lies[number // 10 % len(lies)]
                one.sendall(self.rtp(packet, payload=lie))
            one.sendall(self.rtp(packet))
        self.bye(one)


@case(EITHER)
class fragments_that_never_end(Spoiled):
    def media(self, one):
        packet = self.title.packets[0]
        for number in range(20000):
            one.sendall(self.rtp(packet, marker=False, payload=struct.pack(
                "!I", number * 100 & 0xffffff) + packet[:100]))


@case(PLAYS)
class twice_and_in_disorder(Spoiled):
    def media(self, one):
        """Over TCP nothing waits for what is late: it is lost."""
        frames = [self.rtp(packet) for packet in self.title.packets]
        for number in range(0, len(frames) - 1, 50):
            frames[number], frames[number + 1] = (
                frames[number + 1], frames[number])
        for data in frames:
            one.sendall(data * 2)
        self.bye(one)


@case(EITHER, *((seed,) for seed in range(6)))
class packets_with_noise(Spoiled):
    """ASF-7, ASF-8."""

    def media(self, one):
        noise = random.Random(self.words[0])
        for packet in self.title.packets:
            packet = bytearray(packet)
            if noise.randrange(3) == 0:
                for _ in range(4):
                    packet[noise.randrange(64)] = noise.randrange(256)
            try:
                one.sendall(self.rtp(bytes(packet)))
            except (struct.error, IndexError):
                pass
        self.bye(one)


@case(EITHER, (0,), (0xffffffff,), (0x7fffffff,))
class send_times(Spoiled):
    """ASF-7."""

    def media(self, one):
        for number, packet in enumerate(self.title.packets):
            at = 3 + 2 + sum((0, 1, 2, 4)[packet[3] >> shift & 3]
                             for shift in (5, 1, 3))
            time_ms = self.words[0] if number % 2 else 0xffffffff - number
            one.sendall(self.rtp(patched(
                packet, at, struct.pack("<I", time_ms))))
        self.bye(one)


@case(EITHER, *((bits,) for bits in range(0, 128, 9)))
class length_types(Spoiled):
    """ASF-8; of some the send times are minutes ahead."""
    pauses = 0

    def on_pause(self, one, cseq, head):
        self.pauses += 1
        self.on_other(one, cseq, head)

    def complaint(self):
        if self.pauses > 10:
            return "it asked for %d pauses" % self.pauses

    def media(self, one):
        for number, packet in enumerate(self.title.packets[:400]):
            if number > 20:
                packet = patched(packet, 3, bytes([self.words[0]]))
            try:
                one.sendall(self.rtp(packet))
            except (struct.error, IndexError):
                pass
        self.bye(one)


@case(FAILS)
class only_damaged_packets(Spoiled):
    def media(self, one):
        for packet in self.title.packets:
            one.sendall(self.rtp(b"\xff" * len(packet)))
        self.bye(one)


@case(FAILS)
class packets_of_another_title(Spoiled):
    """Its streams have other numbers than those described."""

    def sdp(self):
        header, at = self.title.header, 0
        stream = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
        while (at := header.find(stream, at + 1)) != -1:
            header = patched(header, at + 72, bytes([header[at + 72] + 10]))
        return self.title.sdp(header).replace(
            b"a=stream:", b"a=stream:1")


@case(FAILS)
class the_end_at_once(Spoiled):
    def media(self, one):
        self.bye(one)


@case(EITHER)
class requests_to_the_client(Spoiled):
    def media(self, one):
        for number, packet in enumerate(self.title.packets):
            one.sendall(self.rtp(packet))
            if number % 20 == 0:
                one.sendall(b"SET_PARAMETER rtsp://x/ RTSP/1.0\r\nCSeq: 9\r\n"
                            b"Content-Length: 3\r\n\r\nabc"
                            b"ANNOUNCE rtsp://x/ RTSP/1.0\r\nCSeq: 10\r\n\r\n")
        self.bye(one)


@case(FAILS)
class garbage_in_between(Spoiled):
    options = ()

    def media(self, one):
        for packet in self.title.packets[:60]:
            one.sendall(self.rtp(packet))
        one.sendall(os.urandom(1).replace(b"$", b"x") + b"\xff" * 70000)
        self.pause(60)


@case(FAILS)
class the_same_again_and_again(Spoiled):
    """Each connection is lost behind the same second."""
    options = ()

    def media(self, one):
        for packet in self.title.packets[:60]:
            one.sendall(self.rtp(packet))
        raise OSError


@case(FAILS)
class the_same_and_no_end(Spoiled):
    """The second connection has the beginning for ever."""
    options = ()

    def media(self, one):
        while True:
            for packet in self.title.packets[:60]:
                one.sendall(self.rtp(packet))
            if self.connections == 1:
                raise OSError
            self.pause(0.1)


@case(FAILS, ("453 Full",), ("503 Full",))
class refusals_in_mid_play(Spoiled):
    """That may be otherwise in a moment, or on another node."""
    options = DEAD
    says = "is full"

    def on_play(self, one, cseq, head):
        if self.connections > 1:
            self.reply(one, cseq, status=self.words[0])
            return
        super().on_play(one, cseq, head)

    def media(self, one):
        for packet in self.title.packets[:60]:
            one.sendall(self.rtp(packet))
        raise OSError


@case(FAILS)
class nobody_answers_any_more(Spoiled):
    """As on a node that hangs, which others may soon stand in for."""
    options = DEAD

    def converse(self, one):
        if self.connections > 1:
            self.pause(60)
        super().converse(one)

    def media(self, one):
        for packet in self.title.packets[:60]:
            one.sendall(self.rtp(packet))
        raise OSError


class Pointing(Spoiled):
    """Has the beginning; whoever comes again is pointed to OTHER."""

    def on_describe(self, one, cseq, head):
        if self.is_lost():
            self.reply(one, cseq, ["Location: " + self.other()],
                       status="302 Moved")
        else:
            super().on_describe(one, cseq, head)

    def is_lost(self):
        return self.connections > 1

    def media(self, one):
        if self.connections > 1:
            super().media(one)
        for packet in self.title.packets[:60]:
            one.sendall(self.rtp(packet))
        raise OSError


@case(FAILS)
class redirects_without_end_in_mid_play(Pointing):
    options = ()
    says = "without end"

    def other(self):
        return self.url("rtsp")


@case(PLAYS)
class redirects_to_a_dead_node(Pointing):
    """More often than one try may be pointed somewhere else, until there is
    somebody."""
    options = "--duration", "20"

    def is_lost(self):
        return 1 < self.connections < 9

    def other(self):
        return "rtsp://127.0.0.1:1/title.wmv"


@case(PLAYS)
class busy_for_some_seconds(Spoiled):
    """What a cluster may have for who lost his node: nodes that are full, one
    that dies in its turn, and one that sends."""
    options = "--duration", "20"

    def on_describe(self, one, cseq, head):
        if 1 < self.connections < 6:
            self.reply(one, cseq, status="503 Full")
        else:
            super().on_describe(one, cseq, head)

    def on_play(self, one, cseq, head):
        if 6 < self.connections < 12:
            self.reply(one, cseq, status="453 Full")
        else:
            super().on_play(one, cseq, head)

    def media(self, one):
        if self.connections in (6, 12):
            raise OSError
        packets = self.title.packets
        for packet in packets[:60 if self.connections == 1 else None]:
            one.sendall(self.rtp(packet))
        if self.connections == 1:
            raise OSError
        self.bye(one)


class Beside(Spoiled):
    """Goes on sending while it answers; each connection has the beginning."""
    options = ()

    def media(self, one):
        for packet in self.title.packets[:60]:
            self.send(one, packet)
        threading.Thread(target=self.run, args=(one,), daemon=True).start()

    def run(self, one):
        try:
            number = 60
            while not self.closing.is_set():
                self.beside(one, number)
                number += 1
                self.pause(0.02)
        except OSError:
            pass

    def send(self, one, packet):
        one.sendall(self.rtp(packet))

    def beside(self, one, number):
        """Every 20 ms, NUMBER from 60 on."""


@case(FAILS)
class silence_in_mid_play(Beside):
    """What it is asked it answers."""


class Pictures(Beside):
    """What may be apart for as long as the title is; between them are reports
    of what time it is."""

    def sdp(self):
        header = self.title.header.replace(SOUND, COMMANDS)
        assert header != self.title.header
        return self.title.sdp(header)

    def report(self, one, ms):
        last_ms = send_ms(self.title.packets[59])
        one.sendall(frame(1, struct.pack("!BBHIQIII", 0x80, 200, 6, SSRC,
                                         time.time_ns(), last_ms + ms, 0, 0)))


@case(FAILS)
class silence_of_pictures_alone(Pictures):
    """The same; nothing tells that it goes on."""


@case(FAILS)
class reports_of_one_time(Pictures):
    def beside(self, one, number):
        self.report(one, 1000)
        self.pause(0.3)


@case(FAILS)
class reports_of_a_time_that_crawls(Pictures):
    def beside(self, one, number):
        self.report(one, 1000 + number)
        self.pause(0.3)


@case(FAILS)
class reports_of_a_time_behind_the_end(Pictures):
    def beside(self, one, number):
        self.report(one, number * 1000)
        self.pause(0.3)


@case(FAILS)
class reports_that_begin_anew(Pictures):
    """With each connection, which is lost then."""

    def beside(self, one, number):
        self.report(one, 500 * (number - 59))
        self.pause(0.5)
        if number == 61:
            one.close()


@case(PLAYS)
class reports_between_pictures(Pictures):
    """As they should be, with the longest that is allowed between them."""
    options = "--duration", "10"

    def beside(self, one, number):
        if number > 61:
            for packet in self.title.packets[60:]:
                one.sendall(self.rtp(packet))
            self.bye(one)
            raise OSError
        self.pause(5)
        self.report(one, 5000 * (number - 59))


@case(FAILS, scheme="rtspu")
class silence_over_udp_in_mid_play(Beside):
    def on_setup(self, one, cseq, head):
        ports = re.search(rb"client_port=(\d+)", head)
        self.client_port = int(ports.group(1)) if ports else 0
        super().on_setup(one, cseq, head)

    def send(self, one, packet):
        self.pause(0.001)
        self.udp.sendto(self.datagram(packet),
                        ("127.0.0.1", self.client_port))

    def run(self, one):
        pass

    @functools.cached_property
    def udp(self):
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@case(FAILS, scheme="rtsp")
class nothing_at_all_behind_a_loss(silence_over_udp_in_mid_play):
    """Over UDP, and then not over TCP."""

    def send(self, one, packet):
        if self.connections == 1:
            super().send(one, packet)


@case(FAILS)
class damage_from_then_on(Beside):
    def beside(self, one, number):
        one.sendall(self.rtp(b"\xff" * len(self.title.packets[0])))


@case(FAILS)
class the_beginning_again_and_again(Beside):
    def beside(self, one, number):
        one.sendall(self.rtp(self.title.packets[number % 60]))


@case(FAILS)
class one_fragment_again_and_again(Beside):
    def beside(self, one, number):
        packet = self.title.packets[60]
        one.sendall(self.rtp(packet, marker=False, payload=struct.pack(
            "!I", 0) + packet[:500]))


@case(FAILS)
class a_frame_at_a_byte_a_second(Beside):
    def beside(self, one, number):
        one.sendall(self.rtp(self.title.packets[60])[number - 60:][:1])
        self.pause(1)


@case(PLAYS)
class silent_when_asked(Spoiled):
    """To send slower, as it has sent fast; then nothing comes any more."""
    options = "--duration", "20"

    def on_play(self, one, cseq, head):
        if b"Range:" not in head:
            self.pause(60)
        self.reply(one, cseq, [self.session(), "Speed: 2.000"])
        self.media(one)

    def bye(self, one):
        if self.connections > 1:
            super().bye(one)


@case(PLAYS)
class slow_to_seek(Spoiled):
    """The only connection there will be, and it has been open for long."""
    options = "--duration", "20"

    def on_describe(self, one, cseq, head):
        if self.connections > 1:
            self.reply(one, cseq, status="404 Not Found")
        else:
            super().on_describe(one, cseq, head)

    def on_play(self, one, cseq, head):
        self.pause(0.4)
        super().on_play(one, cseq, head)

    def meanwhile(self, play):
        play.until_position(6500)
        play.tell("seek 6")


def perform(title, name, kind, words, outcome, scheme):
    """What is wrong, or None; and the play."""
    server = kind(title, *words)
    try:
        play = Play(server.url(scheme), *server.options)
        server.meanwhile(play)
        status = play.wait(BOUND + 8)
        failed = [event for event in play.events
                  if event.get("state") == "failed"]
        if status == 0:
            if outcome == FAILS:
                return "it plays", play
        elif status not in (1, 3):
            return "exit %d" % status, play
        elif outcome == PLAYS:
            return "it does not play", play
        elif len(failed) != 1 or not failed[0]["reason"].endswith("."):
            return "no sentence", play
        elif server.says not in failed[0]["reason"]:
            return "it does not say why", play
        elif failed[0]["time_ms"] > BOUND * 1000:
            return "only after %d ms" % failed[0]["time_ms"], play
        return server.complaint(), play
    finally:
        server.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if program("vodplay") is None:
        print("skipped: vodplay is not built")
        return 77
    title = Title(os.path.join(os.environ.get(
        "srcdir", os.path.dirname(os.path.dirname(
            os.path.abspath(__file__)))), "media", "sample.wmv"))
    title.packets = title.packets[:400]
    failures, slowest, begun = [], (0, ""), time.monotonic()

    def one(case_):
        try:
            problem, play = perform(title, *case_)
            return case_[0], problem, play.told(), play.events[-1]["time_ms"]
        except Failed as failed:
            return case_[0], str(failed), "", 0
    chosen = [case_ for case_ in cases if not options.names or any(
        word in case_[0] for word in options.names)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for name, problem, told, ms in pool.map(one, chosen):
            if options.verbose or problem is not None:
                print("%6.1f  %s: %s%s" % (
                    ms / 1000, name[:60], problem or "right", ": " + told),
                    flush=True)
            if "failed" in told:
                slowest = max(slowest, (ms, name[:60]))
            if problem is not None:
                failures.append("%s: %s" % (name[:60], problem))
    passed = len(chosen) - len(failures)
    if failures:
        print("\n%d FAILED, %d passed:" % (len(failures), passed))
        for line in failures:
            print("  " + line)
        return 1
    print("ok: %d passed in %.0f s, the last sentence after %.1f s: %s" % (
        passed, time.monotonic() - begun, slowest[0] / 1000, slowest[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
