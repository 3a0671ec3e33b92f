"""Parallels HDD: an expanding image, or a folder of images that a descriptor puts together.

Source: QEMU, "docs/interop/parallels.txt" and "docs/interop/prl-xml.txt". A disk is a folder that
ends in .hdd; its DiskDescriptor.xml names the images. Old disks are one expanding image.
"""

from __future__ import annotations

from converters.disks.registry import DiskFormat
from rehost.discovery import later
from rehost.files import File

OLD = b"WithoutFreeSpace"
EXTENDED = b"WithouFreSpacExt"
MAGICS = (OLD, EXTENDED)
ROOT = b"Parallels_disk_image"
NEAR = 1024


def is_descriptor(file: File) -> bool:
    """Say whether a file is the document that names the images of a disk."""
    start = file.pread(0, NEAR)
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"<" + ROOT in start


def _recognise(file: File) -> bool:
    return file.pread(0, 16) in MAGICS or is_descriptor(file)


FORMAT = DiskFormat(
    name="parallels",
    title="Parallels HDD",
    suffixes=(".hdd", ".hds"),
    recognise=_recognise,
    open=later(f"{__name__}.opening", "open_parallels"),
)
