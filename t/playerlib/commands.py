# SPDX-License-Identifier: BSD-2-Clause
"""
commands - a title whose header has script commands.
"""

import struct

from vtlib import asf

SCRIPT = asf.guid("1EFB1A30-0B62-11D0-A39B-00A0C90348F6")
RESERVED = asf.guid("4B1ACBE3-100B-11D0-A39B-00A0C90348F6")
SIZE, COUNT = 16, 24     # of the header object
FILE_SIZE, PREROLL = 40, 80  # of the file properties


def text_of(words):
    return struct.pack("<H", len(words)) + words.encode("utf-16-le")


def put(data, at, form, change):
    value, = struct.unpack_from(form, data, at)
    struct.pack_into(form, data, at, value + change)


def added(data, commands):
    """The file DATA with COMMANDS, each (ms of the title, type, text)."""
    data = bytearray(data)
    properties = data.index(asf.FILE_PROPERTIES)
    preroll, = struct.unpack_from("<Q", data, properties + PREROLL)
    types = sorted({kind for _, kind, _ in commands})
    body = RESERVED + struct.pack("<HH", len(commands), len(types))
    body += b"".join(map(text_of, types))
    for at, kind, words in commands:
        body += struct.pack("<IH", preroll + at, types.index(kind))
        body += text_of(words)
    more = asf.an_object(SCRIPT, body)
    end, = struct.unpack_from("<Q", data, SIZE)
    put(data, SIZE, "<Q", len(more))
    put(data, COUNT, "<I", 1)
    put(data, properties + FILE_SIZE, "<Q", len(more))
    return bytes(data[:end] + more + data[end:])
