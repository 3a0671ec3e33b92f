"""Parallels HDD: an expanding image, or a folder of images that a descriptor puts together.

Source: QEMU, "docs/interop/parallels.txt" and "docs/interop/prl-xml.txt". A disk is a folder that
ends in .hdd; its DiskDescriptor.xml names the images. Old disks are one expanding image.
"""

from __future__ import annotations

from converters.disks.formats.parallels.descriptor import LARGEST, ROOT, Descriptor
from converters.disks.formats.parallels.disk import ParallelsDisk, open_described
from converters.disks.formats.parallels.expanding import MAGICS, Expanding
from converters.disks.gate import Gate
from converters.disks.registry import DiskFormat
from rehost.files import File, read_all

NEAR = 1024


def _described(file: File) -> bool:
    start = file.pread(0, NEAR)
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"<" + ROOT in start


def _recognise(file: File) -> bool:
    return file.pread(0, 16) in MAGICS or _described(file)


def _open(file: File, gate: Gate) -> Expanding | ParallelsDisk:
    if _described(file):
        descriptor = Descriptor.parse(read_all(file, LARGEST), file.name)
        return open_described(descriptor, gate, by=file.name)
    return Expanding(file)


FORMAT = DiskFormat(
    name="parallels",
    title="Parallels HDD",
    suffixes=(".hdd", ".hds"),
    recognise=_recognise,
    open=_open,
)
