"""Zstandard, which Python has from 3.14 on and the package backports.zstd brings to older ones.

Source: RFC 8878. Whatever does not use it works without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from threading import local
from typing import Any

from rehost.errors import EnvironmentFailureError

BUILT_IN = "compression.zstd"
BACKPORT = "backports.zstd"
MOST_FRAMES = 64


def compressor(level: int) -> Callable[[memoryview], bytes]:
    """Return what makes one frame of a block, on any thread; each keeps tables of its own."""
    make = _library().ZstdCompressor
    own = local()

    def pack(block: memoryview) -> bytes:
        if not hasattr(own, "compressor"):
            own.compressor = make(level)
        # With the size in its header a frame is as small as can be, and unpacked at once.
        own.compressor.set_pledged_input_size(len(block))
        packed: bytes = own.compressor.compress(block, make.FLUSH_FRAME)
        return packed

    return pack


def unzstd(stored: bytes | memoryview, length: int, *, most: int) -> bytes:
    """Return the first ``length`` bytes of frames that unpack to at most ``most``.

    What lies behind them is ignored. Frames that are damaged, are cut short or would unpack to more
    raise ValueError before they cost memory.
    """
    zstd = _library()
    plain = b""
    for _ in range(MOST_FRAMES):
        unpacker = zstd.ZstdDecompressor()
        try:
            plain += unpacker.decompress(stored, most + 1 - len(plain))
        except zstd.ZstdError:
            raise ValueError("it is no sound zstd frame") from None
        if len(plain) >= length or not unpacker.eof:
            break
        stored = unpacker.unused_data
    if len(plain) > most or (len(plain) < most and not unpacker.eof):
        raise ValueError(f"it does not unpack to {most} bytes or fewer")
    return plain[:length]


def require_zstd() -> None:
    """Refuse to go on where there is no zstd."""
    _library()


@cache
def _library() -> Any:
    name = BUILT_IN if sys.version_info >= (3, 14) else BACKPORT
    try:
        return import_module(name)
    except ImportError:
        raise EnvironmentFailureError(
            f"zstd compression needs {BACKPORT}, or Python 3.14",
            hint="Install it: pip install rehost[zstd].",
        ) from None
