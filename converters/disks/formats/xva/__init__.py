"""XVA, the export of XenServer and XCP-ng, as a disk: a tar of chunks, read where it lies.

Where an export holds several disks, ``machine.xva!Ref:4`` is one of them. Exports that are packed
as a whole have to be unpacked first. Chunks are verified when they are read.

Source: xapi-project/xen-api, ocaml/xapi/stream_vdi.ml and export.ml.
"""

from __future__ import annotations

import re

from converters.disks.formats.xva.index import begins_xva
from converters.disks.formats.xva.reader import XvaImage, open_disk
from converters.disks.formats.xva.writer import CHECKSUM, XvaWriter
from converters.disks.gate import Gate
from converters.disks.registry import DiskFormat
from rehost.files import File

PART = re.compile(r"!([^!/]*)\Z")


def _open(file: File, gate: Gate) -> XvaImage:
    del gate
    named = PART.search(file.name)
    return open_disk(file, named[1] if named else None)


FORMAT = DiskFormat(
    name="xva",
    title="XenServer XVA",
    suffixes=(".xva",),
    recognise=begins_xva,
    open=_open,
    create=XvaWriter,
    options=(CHECKSUM,),
    holds_disks=True,
)
