"""Reading a disk inside gzip in one pass, although its size is known only at its end.

A gzip stream ends with its size, but for multiples of 4 GiB (RFC 1952, ISIZE), and the descriptor
has the size of the disk. What they make likely is taken for the size until the end is reached.
"""

from __future__ import annotations

from rehost.files import File, Inflated, Stretch

WRAPS_AT = 1 << 32
LENGTH = 4
GROWTH = 1000
FRAME = 64 << 10
"""Packing makes nothing longer than by a thousandth and this, the names in its header included."""


class Foretold:
    """The plain bytes of a gzip stream, of a size that may turn out to be another."""

    def __init__(self, inner: Inflated, size: int) -> None:
        self.name = inner.name
        self.size = size
        self._inner = inner

    @property
    def is_true(self) -> bool:
        """Whether the size is the real one; unpacks what has not been unpacked yet."""
        return self._inner.size == self.size

    def pread(self, offset: int, length: int) -> bytes:
        """Unpack up to there."""
        return self._inner.pread(offset, length)

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return None: these bytes lie nowhere."""
        del offset, length
        return None


def foretold(inner: Inflated, capacity: int | None) -> Foretold:
    """Take a gzip stream to be as long as its end and the disk's ``capacity`` make likely."""
    packed: File = inner.inner
    low = int.from_bytes(packed.pread(max(0, packed.size - LENGTH), LENGTH), "little")
    if capacity is not None and capacity % WRAPS_AT == low:
        return Foretold(inner, capacity)
    least = packed.size - packed.size // GROWTH - FRAME
    wraps = max(0, -(-(least - low) // WRAPS_AT))
    return Foretold(inner, low + wraps * WRAPS_AT)
