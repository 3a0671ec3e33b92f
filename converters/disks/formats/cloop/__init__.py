"""cloop, the compressed loop device of Knoppix: blocks in zlib's wrapping, one behind the other.

Source: the format as the cloop module's version 2 documents it, which its tools still write. All
integers are big-endian. It begins with a shell script of 128 bytes, which says the version.
"""

from __future__ import annotations

from converters.disks.registry import DiskFormat
from rehost.discovery import later
from rehost.files import File

SCRIPT = b"#!/bin/sh\n#V"
MODULE = b"cloop"
SCRIPT_SIZE = 128


def _recognise(file: File) -> bool:
    """Tell a cloop from other shell scripts: its own names the module."""
    start = file.pread(0, SCRIPT_SIZE)
    return start.startswith(SCRIPT) and MODULE in start


FORMAT = DiskFormat(
    name="cloop",
    title="cloop, compressed loop",
    suffixes=(".cloop",),
    recognise=_recognise,
    open=later(f"{__name__}.reader", "open_cloop"),
)
