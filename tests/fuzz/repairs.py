"""Checksums made true again, so that what is behind them is tried with changed bytes, too."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache

from lxml import etree

from converters.disks.formats.vhdx.checksum import checksum_of
from tests.support.vhds import checksummed
from tests.support.vhdxs import BAT, HEADERS, KIB, LOG, METADATA, MIB, REGIONS

TAR_BLOCK = 512
SECTOR = 512
ENTRY = 4096
FRAME = struct.Struct("<II")


def vhd(content: bytes) -> bytes:
    """Repair the footer, its copy and the dynamic disk's header."""
    found = bytearray(content)
    for at in {0, len(found) - SECTOR}:
        if found[at : at + 8] == b"conectix" and at + SECTOR <= len(found):
            found[at : at + SECTOR] = checksummed(bytes(found[at : at + SECTOR]), 64)
    at = found.find(b"cxsparse")
    if 0 <= at <= len(found) - 1024:
        found[at : at + 1024] = checksummed(bytes(found[at : at + 1024]), 36)
    return bytes(found)


def tar(content: bytes) -> bytes:
    """Repair every header that can be one."""
    found = bytearray(content)
    for at in range(0, len(found) - TAR_BLOCK + 1, TAR_BLOCK):
        if found[at + 257 : at + 262] == b"ustar":
            found[at + 148 : at + 156] = b" " * 8
            total = sum(found[at : at + TAR_BLOCK])
            found[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(found)


def manifest(content: bytes) -> bytes:
    """Repair the digest of the lines before the last."""
    head, mark, _ = content.rpartition(b'{"whole"')
    if not mark:
        return content
    whole = hashlib.sha256(head).hexdigest()
    return head + json.dumps({"whole": whole}, separators=(",", ":")).encode() + b"\n"


def journal(content: bytes) -> bytes:
    """Repair the checksum of each frame."""
    found, at = bytearray(content), 0
    while at + FRAME.size <= len(found):
        length = FRAME.unpack_from(found, at)[0]
        payload = found[at + FRAME.size : at + FRAME.size + length]
        FRAME.pack_into(found, at, length, zlib.crc32(payload))
        at += FRAME.size + length
    return bytes(found)


quick_sum = lru_cache(maxsize=64)(checksum_of)
"""The checksum of a structure; most of those of one input are those of the one before."""


def _summed(raw: bytes) -> bytes:
    return raw[:4] + struct.pack("<I", quick_sum(raw)) + raw[8:]


# A VHDX has MiB of nothing between its structures. As an input it is only these parts of it.
VHDX_PARTS = (
    *((0, 128), *((at, 512) for at in HEADERS), *((at, 512) for at in REGIONS)),
    *((LOG * MIB, 3 * ENTRY), (METADATA * MIB, 512), (METADATA * MIB + 64 * KIB, 512)),
    *((BAT * MIB, 256), ((BAT + 1) * MIB, 512)),
)
VHDX_SIZE = (BAT + 3) * MIB


class Scattered:
    """A file that holds parts and nothing between them; a File."""

    name = "fuzzed"
    size = VHDX_SIZE

    def __init__(self, parts: Mapping[int, bytes]) -> None:
        self._parts = parts

    def pread(self, offset: int, length: int) -> bytes:
        """Return what lies there, zeros between the parts."""
        length = max(0, min(length, self.size - offset))
        found = bytearray(length)
        for at, part in self._parts.items():
            first, last = max(at, offset), min(at + len(part), offset + length)
            if first < last:
                found[first - offset : last - offset] = part[first - at : last - at]
        return bytes(found)

    def stretches(self, offset: int, length: int) -> None:
        """Return None: it is no file."""
        del offset, length


def vhdx_parts(content: bytes) -> bytes:
    """Return the parts of a VHDX, one behind the other, which is what an input is."""
    return b"".join(content[at : at + size].ljust(size, b"\0") for at, size in VHDX_PARTS)


def vhdx(content: bytes, *, repair: bool) -> Scattered:
    """Return the VHDX that an input stands for, with checksums repaired or as they are."""
    parts, place = {}, 0
    for at, size in VHDX_PARTS:
        parts[at] = content[place : place + size]
        place += size
    if not repair:
        return Scattered(parts)
    for at in HEADERS:
        parts[at] = _summed(parts[at].ljust(4 * KIB, b"\0"))
    for at in REGIONS:
        parts[at] = _summed(parts[at].ljust(64 * KIB, b"\0"))
    log, at = bytearray(parts[LOG * MIB]), 0
    while at + ENTRY <= len(log):
        length = struct.unpack_from("<I", log, at + 8)[0]
        if log[at : at + 4] == b"loge" and ENTRY <= length <= len(log) - at:
            log[at : at + length] = _summed(bytes(log[at : at + length]))
        at += ENTRY
    parts[LOG * MIB] = bytes(log)
    return Scattered(parts)


def xml(content: bytes) -> bytes:
    """Make a document well-formed, by leaving out what is not."""
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        return content
    return content if root is None else etree.tostring(root)
