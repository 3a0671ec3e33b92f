"""Where an XVA goes on as it did before: headers that differ from the last ones by a number.

Reading and judging every header of a dense disk takes longer than telling that it is the one that
was expected. What is not expected is no error here, but left to those who read it in full.
"""

from __future__ import annotations

import re

from rehost.files import File

BLOCK = 512
NUMBERED = re.compile(rb"(.*/)([0-9]{8})(\..*)?", re.DOTALL)


class _Header:
    """A header that was judged, and those of the same file with other numbers in their names."""

    def __init__(self, block: bytes) -> None:
        found = NUMBERED.fullmatch(block[:100].rstrip(b"\0"))
        before, _, after = found.groups(b"") if found else (block[:100], b"", b"")
        self._before = before
        self._after = after.ljust(100 - len(before) - 8, b"\0") + block[100:148]
        self._tail = block[156:]
        self._sum = sum(self._before) + sum(self._after) + sum(self._tail) + 8 * 32

    def numbered(self, number: int) -> bytes:
        """Return the block as it is for a number."""
        digits = b"%08d" % number
        total = b"%06o\0 " % (self._sum + sum(digits))
        return b"".join((self._before, digits, self._after, total, self._tail))


class Repetition:
    """A chunk and its checksum, ``chunk_at`` and ``sum_at``, and those that follow ``behind``."""

    def __init__(self, file: File, chunk_at: int, sum_at: int, behind: int) -> None:
        self._file = file
        self._chunk = _Header(file.pread(chunk_at, BLOCK))
        self._sum = _Header(file.pread(sum_at, BLOCK))
        self._to_sum = sum_at - chunk_at
        self._behind = behind
        self.step = behind - chunk_at

    def count(self, number: int, most: int) -> int:
        """Return how many chunks follow like this one, the first of them with ``number``."""
        found, at = 0, self._behind
        header = self._file.pread(at, BLOCK)
        while found < most and header == self._chunk.numbered(number + found):
            behind = self._file.pread(at + self._to_sum, 3 * BLOCK)
            if behind[:BLOCK] != self._sum.numbered(number + found) or len(behind) < 2 * BLOCK:
                break
            header = behind[2 * BLOCK :]
            found, at = found + 1, at + self.step
        return found
