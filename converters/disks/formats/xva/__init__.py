"""XVA, the export of XenServer and XCP-ng, as a disk: a tar of chunks, read where it lies.

Where an export holds several disks, ``machine.xva!Ref:4`` is one of them. Exports that are packed
as a whole have to be unpacked first. Chunks are verified when they are read.

Source: xapi-project/xen-api, ocaml/xapi/stream_vdi.ml and export.ml.
"""

from __future__ import annotations

from converters.disks.formats.xva.options import CHECKSUM
from converters.disks.registry import DiskFormat
from rehost.discovery import later
from rehost.files import File

BEGINNINGS = (b"ova.xml", b"Ref:")

_begins_xva = later(f"{__name__}.index", "begins_xva")


def _recognise(file: File) -> bool:
    start = file.pread(0, 16).removeprefix(b"./")
    return start.startswith(BEGINNINGS) and bool(_begins_xva(file))


FORMAT = DiskFormat(
    name="xva",
    title="XenServer XVA",
    suffixes=(".xva",),
    recognise=_recognise,
    open=later(f"{__name__}.reader", "open_xva"),
    create=later(f"{__name__}.writer", "XvaWriter"),
    options=(CHECKSUM,),
    holds_disks=True,
)
