# SPDX-License-Identifier: BSD-2-Clause
"""
silent - a title one of whose streams begins late, or never does.
"""

import struct

from vtlib import asf

FILE_PROPERTIES_COUNT = 56  # from where the object begins
DATA_BYTES, DATA_COUNT = 16, 40


def without(data, stream, until_ms):
    """The file DATA without the payloads of STREAM that are sent before
    UNTIL_MS; without an index."""
    file = asf.File(data)
    others = set(file.streams) - {stream}
    packets = []
    for index in range(file.count):
        packet = file.packet(index)
        kept = packet.data
        if packet.send < until_ms:
            kept, _ = packet.sent(others)
        if kept is not None:
            packets.append(kept.ljust(file.packet_size, b"\0"))
    header = bytearray(file.header)
    struct.pack_into("<Q", header, header.index(asf.FILE_PROPERTIES) +
                     FILE_PROPERTIES_COUNT, len(packets))
    head = bytearray(file.data_head)
    body = b"".join(packets)
    struct.pack_into("<Q", head, DATA_BYTES, len(head) + len(body))
    struct.pack_into("<Q", head, DATA_COUNT, len(packets))
    return bytes(header + head) + body
