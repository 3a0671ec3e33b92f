"""VDI, the virtual disk of VirtualBox: one map of blocks, in any order.

Source: the layout as VirtualBox (src/VBox/Storage/VDICore.h) and QEMU (block/vdi.c) document it.
"""

from __future__ import annotations

from converters.disks.formats.vdi.check import check
from converters.disks.formats.vdi.header import SIGNATURE, SIGNATURE_AT, Header
from converters.disks.formats.vdi.parent import open_parent
from converters.disks.formats.vdi.reader import VdiImage
from converters.disks.formats.vdi.writer import SUBFORMAT, VdiWriter
from converters.disks.gate import Gate
from converters.disks.registry import DiskFormat
from rehost.files import File


def _open(file: File, gate: Gate) -> VdiImage:
    header = Header.read(file)
    parent, oddities = open_parent(file, header, gate) if header.differs else (None, ())
    return VdiImage(file, header, parent, oddities)


FORMAT = DiskFormat(
    name="vdi",
    title="VirtualBox VDI",
    suffixes=(".vdi",),
    recognise=lambda file: file.pread(SIGNATURE_AT, len(SIGNATURE)) == SIGNATURE,
    open=_open,
    create=VdiWriter,
    options=(SUBFORMAT,),
    overlays=True,
    check=check,
)
