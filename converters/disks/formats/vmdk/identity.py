"""What identifies the content of a new VMDK whose bytes its writer does not see.

Source: VMware, "Virtual Disk Format 5.0", on the content identifier: it changes with the content.
"""

from __future__ import annotations

from hashlib import sha256

from converters.disks.formats.vmdk.describing import parent_id
from converters.disks.output import Output
from converters.disks.registry import Shape

SAMPLE = 1 << 20


class Content:
    """Which parts of the disk are stored, and the beginning of what is: that tells disks apart."""

    def __init__(self, shape: Shape) -> None:
        self._seen = sha256(shape.size.to_bytes(8, "little"))
        if shape.base is not None:
            self._seen.update(parent_id(shape.base).encode())
        self._first: tuple[Output, int] | None = None

    def add(self, start: int, length: int, output: Output, offset: int) -> None:
        """Note that a stretch of the disk lies at ``offset`` of a file."""
        self._seen.update(start.to_bytes(8, "little") + length.to_bytes(8, "little"))
        if self._first is None:
            self._first = (output, offset)

    def digest(self) -> bytes:
        """Return 32 bytes that stand for the content, when all of it is written."""
        if self._first is not None:
            output, offset = self._first
            self._seen.update(output.read(offset, SAMPLE))
        return self._seen.digest()
