"""Inflating one compressed unit, never further than it may be long."""

from __future__ import annotations

from isal import isal_zlib


def inflate(stored: bytes | memoryview, length: int, *, window: int) -> bytes:
    """Return the first ``length`` bytes of a deflate stream; ``window`` is zlib's ``wbits``.

    What lies behind the stream is ignored, and a stream that would unpack to more is not followed,
    so a bomb costs no memory. A damaged stream raises ValueError.
    """
    return _inflate(stored, length, window)[0]


def inflate_whole(stored: bytes | memoryview, most: int, *, window: int) -> bytes:
    """Return a whole deflate stream of at most ``most`` bytes, its checksum verified.

    A stream that is damaged, is cut short or would unpack to more raises ValueError.
    """
    plain, ended = _inflate(stored, most + 1, window)
    if len(plain) > most:
        raise ValueError(f"it unpacks to more than {most} bytes")
    if not ended:
        raise ValueError("it is cut short")
    return plain


def _inflate(stored: bytes | memoryview, most: int, window: int) -> tuple[bytes, bool]:
    stream = isal_zlib.decompressobj(window)
    try:
        return stream.decompress(stored, most), stream.eof
    except isal_zlib.IsalError as error:  # type: ignore[misc]  # the stub declares an instance
        raise ValueError(str(error)) from None
