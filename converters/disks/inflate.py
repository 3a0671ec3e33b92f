"""Inflating one compressed unit, never further than it may be long.

Both functions return the first ``length`` bytes of a stream that unpacks to at most ``most``. One
that is damaged, is cut short or would unpack to more raises ValueError before it costs memory.
"""

from __future__ import annotations

import deflate


def inflate(stored: bytes | memoryview, length: int, *, most: int) -> bytes | bytearray:
    """Inflate a stream without a header; what lies behind its end is ignored."""
    try:
        plain = deflate.deflate_decompress(stored, most)
    except deflate.DeflateError:
        raise _damage(most) from None
    return plain if len(plain) <= length else plain[:length]


def inflate_zlib(stored: bytes | memoryview, length: int, *, most: int) -> bytes | bytearray:
    """Inflate a stream in zlib's wrapping, whose checksum is verified."""
    try:
        plain = deflate.zlib_decompress(stored, most)
    except deflate.DeflateError:
        raise _damage(most) from None
    return plain if len(plain) <= length else plain[:length]


def _damage(most: int) -> ValueError:
    return ValueError(f"it does not unpack to {most} bytes or fewer")
