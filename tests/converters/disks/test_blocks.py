"""Blocks of any size: each is unpacked once while its neighbours are held, and bounded."""

from __future__ import annotations

import zlib
from functools import partial
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from converters.disks.blocks import LARGEST_BLOCK, PART, Block, Blocks
from converters.disks.image import Packed, Run
from tests.support.images import MIB
from tests.support.models import Memory


class Counted:
    """Large blocks of one letter each, and how often each was unpacked."""

    def __init__(self, count: int, length: int) -> None:
        self.unpacked = [0] * count
        stored = [zlib.compress(bytes([65 + number]) * length) for number in range(count)]
        self.blocks = []
        at = 0
        for number, each in enumerate(stored):
            unpack = partial(self._unpack, number)
            self.blocks.append(Block(number * length, length, at, len(each), unpack))
            at += len(each)
        self.file = Memory(b"".join(stored), "blocks")

    def _unpack(self, number: int, stored: bytes | memoryview) -> bytes:
        self.unpacked[number] += 1
        return zlib.decompress(stored)


def plain(run: Run) -> bytes | bytearray:
    assert isinstance(run.source, Packed)
    return run.source.unpack(b"")


def test_parts_asked_for_in_turn_unpack_each_block_once() -> None:
    counted = Counted(3, 3 * MIB)
    blocks = Blocks(counted.file)
    runs = [list(blocks.runs(block, 0, 9 * MIB)) for block in counted.blocks]
    for parts in zip(*runs, strict=True):
        assert [bytes(plain(part)[:1]) for part in parts] == [b"A", b"B", b"C"]
    assert counted.unpacked == [1, 1, 1]


def test_no_more_than_the_largest_block_is_held() -> None:
    counted = Counted(3, LARGEST_BLOCK // 2)
    blocks = Blocks(counted.file)
    for number in (0, 1, 2, 1, 0):
        block = counted.blocks[number]
        assert plain(next(blocks.runs(block, block.start, block.start + 1))) == (
            bytes([65 + number]) * PART
        )
    assert counted.unpacked == [2, 1, 1]


@given(start=st.integers(0, 6 * MIB), length=st.integers(1, 3 * MIB))
def test_a_window_gets_the_parts_it_touches(start: int, length: int) -> None:
    block = Block(MIB, 5 * MIB + 512, 0, 100, bytes)
    stop = min(start + length, block.start + block.length)
    runs = list(Blocks(Memory(b"")).runs(block, start, stop)) if stop > block.start else []
    if runs:
        assert runs[0].start <= max(start, block.start)
        assert runs[-1].stop >= stop
        assert all(run.stop > start and run.start < stop for run in runs)
        assert all(left.stop == right.start for left, right in pairwise(runs))
