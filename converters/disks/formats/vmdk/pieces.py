"""The files of a VMDK that is split, and what they are called.

Source: VMware, "Virtual Disk Format 5.0", section "The Descriptor File"; the size of a piece, a
little less than two gigabytes, is the one VMware's tools use.
"""

from __future__ import annotations

from pathlib import PurePath

from converters.disks.formats.vmdk.describing import sayable
from converters.disks.image import SECTOR
from rehost.errors import UsageError

PIECE = 4_192_256 * SECTOR
MOST_PIECES = 512
"""All of them are open while they are written."""


def sizes(size: int) -> list[int]:
    """Return how many bytes of the disk each piece stands for."""
    return [min(PIECE, size - at) for at in range(0, size, PIECE)]


def piece_names(name: str, letter: str, size: int) -> list[str]:
    """Return the names of the pieces of a disk: "disk-s001.vmdk" and so on."""
    count = len(sizes(size))
    if count > MOST_PIECES:
        raise UsageError(
            f"a VMDK in pieces of two gigabytes holds {MOST_PIECES * PIECE} bytes at most "
            f"(the disk has {size})",
            hint="Pass -o subformat=monolithicSparse or monolithicFlat.",
        )
    return [beside(name, f"-{letter}{number:03d}") for number in range(1, count + 1)]


def beside(name: str, ending: str) -> str:
    """Return the name of a file of the disk ``name``: "disk-flat.vmdk" for "disk.vmdk"."""
    path = PurePath(name)
    return sayable(f"{path.stem}{ending}{path.suffix or '.vmdk'}")
