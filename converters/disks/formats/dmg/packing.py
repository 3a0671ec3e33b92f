"""What chunks are packed with: zlib, bzip2, LZMA, LZFSE, and Apple's own ADC.

Each function returns at most ``length`` bytes, or raises ValueError before a chunk that unpacks to
more costs memory.
"""

from __future__ import annotations

import bz2
import ctypes
import lzma
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from converters.disks.inflate import inflate_zlib
from rehost.errors import EnvironmentFailureError

LZMA_MEMORY = 128 << 20

Packed = bytes | memoryview
Plain = TypeVar("Plain", bytes, bytearray)


def unzlib(length: int, stored: Packed) -> bytes | bytearray:
    """Unpack a chunk of UDZO."""
    return inflate_zlib(stored, length, most=length)


def unbzip2(length: int, stored: Packed) -> bytes:
    """Unpack a chunk of UDBZ."""
    try:
        plain = bz2.BZ2Decompressor().decompress(stored, length + 1)
    except (OSError, EOFError):
        raise ValueError("it is no sound bzip2 stream") from None
    return _bounded(plain, length)


def unlzma(length: int, stored: Packed) -> bytes:
    """Unpack a chunk of ULMO: an xz stream, whose dictionary may take ``LZMA_MEMORY``."""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, LZMA_MEMORY)
    try:
        plain = unpacker.decompress(stored, length + 1)
    except (lzma.LZMAError, EOFError):
        raise ValueError("it is no sound xz stream") from None
    return _bounded(plain, length)


def unadc(length: int, stored: Packed) -> bytearray:
    """Unpack a chunk of UDCO: runs of plain bytes, and copies from what was unpacked before."""
    packed, plain, at = bytes(stored), bytearray(), 0
    while at < len(packed) and len(plain) < length:
        code = packed[at]
        count, operands = _adc_step(code)
        operand = packed[at + 1 : at + 1 + operands]
        if len(operand) < operands:
            raise ValueError("it ends inside a step")
        at += 1 + operands
        if code & 0x80:
            plain += operand
            continue
        distance = int.from_bytes(operand, "big") + 1
        if not code & 0x40:
            distance += (code & 3) << 8
        if distance > len(plain):
            raise ValueError("it copies from in front of its beginning")
        _repeat(plain, distance, count)
    return _bounded(plain, length)


def _adc_step(code: int) -> tuple[int, int]:
    """Return how many bytes a step makes, and how many follow its code."""
    if code & 0x80:
        return (code & 0x7F) + 1, (code & 0x7F) + 1
    return ((code & 0x3F) + 4, 2) if code & 0x40 else ((code >> 2) + 3, 1)


def _repeat(plain: bytearray, distance: int, count: int) -> None:
    """Append ``count`` bytes from ``distance`` before the end, which may be bytes just appended."""
    source = plain[-distance:]
    plain += (source * (count // distance + 1))[:count]


def _bounded(plain: Plain, length: int) -> Plain:
    if len(plain) > length:
        raise ValueError(f"it does not unpack to {length} bytes or fewer")
    return plain


def unlzfse(length: int, stored: Packed) -> bytearray:
    """Unpack a chunk of ULFO."""
    plain = bytearray(length + 1)
    room = (ctypes.c_char * len(plain)).from_buffer(plain)
    count = _lzfse()(room, len(plain), bytes(stored), len(stored), None)
    del room
    if not count and length:
        raise ValueError("it is no sound LZFSE stream")
    del plain[count:]
    return _bounded(plain, length)


def require_lzfse() -> None:
    """Refuse to go on where there is no LZFSE."""
    _lzfse()


@cache
def _lzfse() -> Any:
    """Return Apple's decoder, as the package ``lzfse`` brings it.

    The package's own ``decompress`` unpacks without bound, so its module is asked for the C
    function inside, which fills a buffer of a given size.
    """
    try:
        path = import_module("lzfse").__file__
        decode = ctypes.CDLL(str(path)).lzfse_decode_buffer
    except (ImportError, OSError, AttributeError):
        raise EnvironmentFailureError(
            "LZFSE compression needs the package lzfse",
            hint="Install it: pip install rehost[lzfse].",
        ) from None
    decode.restype = ctypes.c_size_t
    size = ctypes.c_size_t
    decode.argtypes = [ctypes.c_void_p, size, ctypes.c_char_p, size, ctypes.c_void_p]
    return decode
