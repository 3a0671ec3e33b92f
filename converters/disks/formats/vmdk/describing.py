"""The descriptor of a new VMDK, in the words VMware's own tools use.

Source: VMware, "Virtual Disk Format 5.0", section "The Descriptor File"; for the geometry, VMware's
knowledge base, article 1026254.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from converters.disks.formats.vmdk.options import ADAPTER_TYPE, HARDWARE_VERSION
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.registry import Base, Shape
from rehost.errors import UsageError

GIB = 1 << 30
SIZE = 20 * SECTOR
UNNAMED = "disk.vmdk"
LONGEST_NAME = 255
RESERVED = frozenset({"ffffffff", "fffffffe"})
UNSAYABLE = frozenset('"\r\n\0')

TEXT = """# Disk DescriptorFile
version=1
encoding="UTF-8"
CID={content_id}
parentCID={parent_id}
createType="{kind}"
{hint}
# Extent description
{extents}

# The Disk Data Base
#DDB

ddb.adapterType = "{adapter}"
ddb.geometry.cylinders = "{geometry.cylinders}"
ddb.geometry.heads = "{geometry.heads}"
ddb.geometry.sectors = "{geometry.sectors}"
ddb.longContentID = "{long_content_id}"
ddb.toolsInstallType = "4"
ddb.toolsVersion = "2147483647"
ddb.virtualHWVersion = "{hardware}"
"""


class Geometry(NamedTuple):
    """What a BIOS is told of the disk."""

    cylinders: int
    heads: int
    sectors: int


def describe(kind: str, shape: Shape, digest: bytes, extents: Sequence[str]) -> bytes:
    """Return the descriptor; ``digest``, of 16 bytes or more, stands for the disk's content."""
    long_content_id = digest[:16].hex()
    if long_content_id[-8:] in RESERVED:
        long_content_id = f"{long_content_id[:-8]}00000000"
    adapter = shape.option(ADAPTER_TYPE)
    base = shape.base
    return TEXT.format(
        kind=kind,
        content_id=long_content_id[-8:],
        long_content_id=long_content_id,
        parent_id=parent_id(base),
        hint=f'parentFileNameHint="{sayable(base.name)}"\n' if base else "",
        extents="\n".join(extents),
        adapter=adapter,
        geometry=geometry(shape.size, adapter),
        hardware=shape.option(HARDWARE_VERSION),
    ).encode()


def embedded(kind: str, shape: Shape, digest: bytes, output: Output) -> bytes:
    """Return the descriptor of a disk that lies in its only extent, with room behind it.

    It names its own file, for libvmdk looks the extent up by that; a stream has no name.
    """
    name = UNNAMED if output.sequential or not _plain(output.name) else output.name
    extent = f'RW {-(-shape.size // SECTOR)} SPARSE "{name}"'
    text = describe(kind, shape, digest, [extent])
    if len(text) > SIZE:
        raise UsageError(f"the descriptor does not fit ({len(text)} bytes, {SIZE} are there)")
    return text.ljust(SIZE, b"\0")


def _plain(name: str) -> bool:
    """Say whether a file's name can stand in the descriptor with nothing escaped, and is short."""
    return len(name.encode(errors="replace")) <= LONGEST_NAME and not UNSAYABLE & set(name)


def parent_id(base: Base | None) -> str:
    """Return the content identifier of the disk below, or what stands for none."""
    if base is None:
        return "ffffffff"
    if base.format != "vmdk":
        raise UsageError(
            f"a VMDK can only store differences to a VMDK (the base is {base.format})",
            where=base.name,
            hint="Convert the base to VMDK first, or write another format.",
        )
    said = base.image.facts.details
    return str(said.get("CID", "")).lower().rjust(8, "0")


def sayable(name: str) -> str:
    """Return a file's name, refusing one that a descriptor cannot hold."""
    if UNSAYABLE & set(name):
        raise UsageError(
            f"a VMDK cannot name such a file ({name!r})", hint="Choose a name without quotes."
        )
    return name


def geometry(size: int, adapter: str) -> Geometry:
    """Return the geometry VMware gives a disk: IDE has one of its own, SCSI goes by the size."""
    if adapter == "ide":
        heads, sectors, most = 16, 63, 16_383
    elif size < GIB:
        heads, sectors, most = 64, 32, 65_535
    elif size < 2 * GIB:
        heads, sectors, most = 128, 32, 65_535
    else:
        heads, sectors, most = 255, 63, 65_535
    return Geometry(min(size // (heads * sectors * SECTOR), most), heads, sectors)
