"""Packing one unit by deflate or zstd, each level by the library that does it best.

isal is an order of magnitude faster than zlib where size matters less; libdeflate makes smaller
files than zlib's level 6 at several times its speed, but always uses the whole window of 32 KiB;
zlib-ng keeps to a smaller one. All of them release the GIL.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

import deflate
from isal import isal_zlib
from zlib_ng import zlib_ng

from converters.disks.writer import Level
from converters.disks.zstandard import compressor

Pack = Callable[[memoryview], bytes | bytearray]

WINDOW = 15
MOST_MEMORY = 9
LIBDEFLATE = {Level.DEFAULT: 5, Level.BEST: 9}
NEXT_GENERATION = 6
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
    if window == WINDOW:
        return partial(_libdeflate_bare, LIBDEFLATE[level])
    return partial(_zlib_ng, window) if level is Level.DEFAULT else partial(_zlib, window)


def zstd_packer(level: Level) -> Pack:
    """Return what packs a unit as one zstd frame."""
    return compressor(ZSTD[level])


def _isal(window: int, block: memoryview) -> bytes:
    return isal_zlib.compress(block, 1, window)


def _libdeflate(level: int, block: memoryview) -> bytes | bytearray:
    return deflate.zlib_compress(block, level)


def _libdeflate_bare(level: int, block: memoryview) -> bytes | bytearray:
    return deflate.deflate_compress(block, level)


def _zlib_ng(window: int, block: memoryview) -> bytes:
    packer = zlib_ng.compressobj(NEXT_GENERATION, zlib_ng.DEFLATED, -window, MOST_MEMORY)
    packed: bytes = packer.compress(block) + packer.flush()
    return packed


def _zlib(window: int, block: memoryview) -> bytes:
    packer = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, -window, MOST_MEMORY)
    return packer.compress(block) + packer.flush()
