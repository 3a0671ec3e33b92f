"""Packing one unit by deflate or zstd, each level by the library that does it best.

isal is an order of magnitude faster than zlib where size matters less; libdeflate makes smaller
files than zlib's level 6 at several times its speed, but always uses the whole window of 32 KiB.
All of them release the GIL.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

import deflate
from isal import isal_zlib

from converters.disks.writer import Level
from converters.disks.zstandard import compressor

Pack = Callable[[memoryview], bytes | bytearray]

WINDOW = 15
MOST_MEMORY = 9
LIBDEFLATE = {Level.DEFAULT: 5, Level.BEST: 9}
ZLIB = {Level.DEFAULT: 5, Level.BEST: 9}
ZSTD = {Level.FAST: 1, Level.DEFAULT: 3, Level.BEST: 12}


def zlib_packer(level: Level) -> Pack:
    """Return what packs a unit in zlib's wrapping, whose last four bytes are an Adler-32."""
    if level is Level.FAST:
        return partial(_isal, WINDOW)
    return partial(_libdeflate, LIBDEFLATE[level])


def deflate_packer(level: Level, window: int) -> Pack:
    """Return what packs a unit without a wrapping, looking back 2^``window`` bytes at most."""
    if level is Level.FAST:
        return partial(_isal, -window)
    return partial(_zlib, ZLIB[level], window)


def zstd_packer(level: Level) -> Pack:
    """Return what packs a unit as one zstd frame."""
    return compressor(ZSTD[level])


def _isal(window: int, block: memoryview) -> bytes:
    return isal_zlib.compress(block, 1, window)


def _libdeflate(level: int, block: memoryview) -> bytes | bytearray:
    return deflate.zlib_compress(block, level)


def _zlib(level: int, window: int, block: memoryview) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -window, MOST_MEMORY)
    return packer.compress(block) + packer.flush()
