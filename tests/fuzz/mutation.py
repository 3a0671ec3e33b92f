"""Changes to an input that parsers of binary tables trip over, without knowing how one is laid out.

Most hit what is not zero: headers and tables rather than the emptiness between.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

import numpy as np
import numpy.typing as npt

LARGEST = 1 << 20
NUMBERS = (
    *(0, 1, 2, 3, 7, 8, 9, 16, 31, 63, 64, 255, 511, 512, 513, 4095, 4096, 65535, 65536),
    *(0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFFE, 1 << 32, 1 << 40, 1 << 55),
    *((1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 512, (1 << 56) - 512),
)
Places = npt.NDArray[np.intp]
LAYOUTS = ("<Q", ">Q", "<I", ">I", "<H", ">H", "B")
HEAD = 512


def mutated(content: bytes, others: Sequence[bytes], pick: Random) -> bytes:
    """Return an input with one to six changes; ``others`` are inputs to take parts of."""
    found = bytearray(content)
    busy = _busy(content)
    for _ in range(pick.choice((1, 1, 2, 2, 3, 4, 6))):
        if not found:
            found += b"\0"
        _change(found, busy, others, pick)
    return bytes(found[:LARGEST])


def _busy(content: bytes) -> Places:
    """Return which words are not zero."""
    words = np.frombuffer(content[: min(len(content), LARGEST) & ~3], dtype="<u4")
    return np.flatnonzero(words)


def _place(found: bytearray, busy: Places, pick: Random) -> int:
    kind = pick.random()
    if kind < 0.4:
        at = pick.randrange(min(HEAD, len(found)))
    elif kind < 0.9 and len(busy):
        at = 4 * int(busy[pick.randrange(len(busy))]) + pick.choice((0, 0, 0, 4, 8, -4, 1))
    else:
        at = pick.randrange(len(found))
    at &= ~pick.choice((0, 0, 3, 7))
    return min(max(at, 0), len(found) - 1)


def _change(found: bytearray, busy: Places, others: Sequence[bytes], pick: Random) -> None:
    at = _place(found, busy, pick)
    kind = pick.randrange(10)
    if kind < 4:
        _number(found, at, pick)
    elif kind < 6:
        found[at] ^= 1 << pick.randrange(8)
    elif kind == 6:
        length = pick.choice((4, 8, 16, 64, 512))
        source = _place(found, busy, pick)
        found[at : at + length] = found[source : source + length]
    elif kind == 7:
        del found[at if pick.random() < 0.5 else pick.randrange(len(found)) :]
    elif kind == 8:
        length = pick.choice((1, 2, 4, 8, 60))
        if pick.random() < 0.5:
            del found[at : at + length]
        else:
            found[at:at] = found[at : at + length]
    else:
        other = pick.choice(others)
        start, length = pick.randrange(len(other) or 1), pick.choice((8, 64, 512, 4096))
        found[at : at + length] = other[start : start + length]


def _number(found: bytearray, at: int, pick: Random) -> None:
    """Put an interesting number, or one near that which is there."""
    layout = struct.Struct(pick.choice(LAYOUTS))
    if at + layout.size > len(found):
        return
    bits = 8 * layout.size
    value = pick.choice(NUMBERS)
    if pick.random() < 0.4:
        [value] = layout.unpack_from(found, at)
        value += pick.choice((1, -1, 2, 512, -512, value, 1 << pick.randrange(bits)))
    layout.pack_into(found, at, value & ((1 << bits) - 1))
