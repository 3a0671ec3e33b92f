"""Inflating one compressed unit, never further than it may be long."""

from __future__ import annotations

from isal import isal_zlib


def inflate(stored: bytes | memoryview, length: int, *, window: int) -> bytes:
    """Return the first ``length`` bytes of a deflate stream; ``window`` is zlib's ``wbits``.

    What lies behind the stream is ignored, and a stream that would unpack to more is not followed,
    so a bomb costs no memory. A damaged stream raises ValueError.
    """
    try:
        plain: bytes = isal_zlib.decompressobj(window).decompress(stored, length)
    except isal_zlib.IsalError as error:  # type: ignore[misc]  # the stub declares an instance
        raise ValueError(str(error)) from None
    return plain
