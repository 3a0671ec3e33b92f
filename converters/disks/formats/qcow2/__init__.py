"""qcow2, QEMU's own disk format.

Source: QEMU, "docs/interop/qcow2.txt".
"""

from __future__ import annotations

from converters.disks.formats.qcow2.growth import CLUSTER_SIZE
from converters.disks.formats.qcow2.header import MAGIC, Header
from converters.disks.formats.qcow2.reader import Qcow2Image
from converters.disks.formats.qcow2.writer import COMPRESSION_TYPE, create
from converters.disks.gate import Gate
from converters.disks.registry import DiskFormat, open_below
from rehost.errors import RefusedError
from rehost.files import File


def _open(file: File, gate: Gate) -> Qcow2Image:
    header = Header.read(file)
    if header.backing is None:
        return Qcow2Image(file, header, None)
    if header.backing_format is None:
        raise RefusedError(
            f"does not say which format its backing file has ({header.backing!r})",
            where=file.name,
            hint="A format is never guessed here; set it: qemu-img rebase -u -F FORMAT -b FILE.",
        )
    parent = open_below(header.backing, gate, by=file.name, format=header.backing_format)
    return Qcow2Image(file, header, parent)


FORMAT = DiskFormat(
    name="qcow2",
    title="QEMU qcow2",
    suffixes=(".qcow2",),
    recognise=lambda file: file.pread(0, 4) == MAGIC,
    open=_open,
    create=create,
    options=(CLUSTER_SIZE, COMPRESSION_TYPE),
    compresses=True,
)
