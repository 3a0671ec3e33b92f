"""Opening a VMDK: from whichever of its files is named to extents and to the disk below.

Only names that the descriptor gives are opened, and only through the gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from converters.disks.formats.vmdk import cowd, header, sesparse
from converters.disks.formats.vmdk.descriptor import LARGEST, Descriptor, Extent
from converters.disks.formats.vmdk.image import FlatExtent, Opened, VmdkImage, ZeroExtent
from converters.disks.formats.vmdk.recognition import (
    COWD_MAGIC,
    SESPARSE_MAGIC,
    SPARSE_MAGIC,
    recognise,
)
from converters.disks.formats.vmdk.sparse import SparseExtent
from converters.disks.gate import Gate
from converters.disks.image import LARGEST_DISK, SECTOR, Image
from converters.disks.registry import open_below
from rehost.errors import DamagedInputError, RefusedError, UnsupportedInputError
from rehost.files import File, read_all

READABLE = frozenset(
    kind.lower()
    for kind in (
        "monolithicSparse",
        "monolithicFlat",
        "twoGbMaxExtentSparse",
        "twoGbMaxExtentFlat",
        "2GbMaxExtentSparse",
        "2GbMaxExtentFlat",
        "streamOptimized",
        "vmfs",
        "vmfsPreallocated",
        "vmfsEagerZeroedThick",
        "vmfsThin",
        "vmfsSparse",
        "seSparse",
        "custom",
    )
)
DEVICES = frozenset(
    kind.lower()
    for kind in (
        "fullDevice",
        "partitionedDevice",
        "vmfsRaw",
        "vmfsRDM",
        "vmfsRDMP",
        "vmfsRawDeviceMap",
        "vmfsPassthroughRawDeviceMap",
    )
)
DEVICE_KINDS = frozenset({"VMFSRDM", "VMFSRAW"})
DEVICE_NAME = re.compile(r"/dev/|[\\/]{2}[.?][\\/]", re.IGNORECASE)

FLAT_KINDS = frozenset({"FLAT", "VMFS"})
EXTENT_MAGICS = (COWD_MAGIC, SESPARSE_MAGIC)


def open_vmdk(file: File, gate: Gate) -> VmdkImage:
    """Open the disk that ``file`` describes or holds."""
    descriptor, holds_all = descriptor_of(file)
    parent = _parent(descriptor, file, gate)
    return VmdkImage(descriptor, extents_of(descriptor, file, gate, holds_all=holds_all), parent)


def descriptor_of(file: File) -> tuple[Descriptor, bool]:
    """Return the descriptor in a file, and whether the file itself is the disk's only extent."""
    head = file.pread(0, SECTOR)
    if not recognise(file):
        raise DamagedInputError(f"is no VMDK (it begins {head[:4]!r})", where=file.name)
    if head.startswith(EXTENT_MAGICS):
        raise _only_an_extent(file)
    holds_all = False
    if head.startswith(SPARSE_MAGIC):
        first = header.Header.parse(head, file.name)
        embedded = first.descriptor(file)
        if not embedded.strip(b"\0"):
            raise _only_an_extent(file)
        descriptor = Descriptor.parse(embedded, file.name)
        kinds = [each.kind for each in descriptor.extents]
        holds_all = kinds == ["SPARSE"] and first.capacity > 0
    else:
        descriptor = Descriptor.parse(read_all(file, LARGEST), file.name)
    _check(descriptor, file.name)
    if (size := sum(extent.sectors for extent in descriptor.extents) * SECTOR) > LARGEST_DISK:
        raise DamagedInputError(
            f"the VMDK's capacity is impossible ({size // SECTOR} sectors)", where=file.name
        )
    return descriptor, holds_all


def extents_of(descriptor: Descriptor, file: File, gate: Gate, *, holds_all: bool) -> list[Opened]:
    """Open the extents a descriptor names, through the gate, or the one that ``file`` is."""
    if holds_all:
        return [SparseExtent(file)]
    return [_open_extent(extent, descriptor, file.name, gate) for extent in descriptor.extents]


def _only_an_extent(file: File) -> DamagedInputError:
    return DamagedInputError(
        "is one extent of a VMDK, not the disk",
        where=file.name,
        hint="Name the small descriptor file that lists the extents.",
    )


def _check(descriptor: Descriptor, where: str) -> None:
    kind = descriptor.create_type
    device = next((each for each in descriptor.extents if _is_device(each)), None)
    if kind.lower() in DEVICES or device:
        name = (device or descriptor.extents[0]).name
        of = f" of {name!r}" if name else ""
        raise UnsupportedInputError(
            f"is a VMDK that stands for a physical disk and holds none of it ({kind}{of})",
            where=where,
            hint="Make an image of that disk itself, where it is attached.",
        )
    if kind.lower() not in READABLE:
        raise UnsupportedInputError(
            f"is a VMDK of a type that is not read ({kind or 'none given'})",
            where=where,
            hint="Clone it to a self-contained disk where it was made.",
        )


def _is_device(extent: Extent) -> bool:
    return extent.kind in DEVICE_KINDS or bool(DEVICE_NAME.match(extent.name or ""))


def _open_extent(extent: Extent, descriptor: Descriptor, by: str, gate: Gate) -> Opened:
    size = extent.sectors * SECTOR
    if extent.access == "NOACCESS":
        raise UnsupportedInputError("the VMDK has an extent that must not be read", where=by)
    if extent.kind == "ZERO":
        return ZeroExtent(size)
    if extent.name is None:
        raise DamagedInputError(f"a {extent.kind} extent names no file", where=by)
    if extent.kind not in {"SPARSE", "VMFSSPARSE", "SESPARSE", *FLAT_KINDS}:
        raise UnsupportedInputError(
            f"the VMDK has an extent of a kind that is not read ({extent.kind})", where=by
        )
    names = (extent.name, *descriptor.spellings(extent.name))
    file = gate.open(_found(names, by, gate), by=by)
    if extent.kind in FLAT_KINDS:
        return FlatExtent(file, extent.offset * SECTOR, size)
    sparse = _sparse(extent.kind, file)
    if sparse.size != size:
        raise DamagedInputError(
            f"the descriptor and the extent {extent.name!r} disagree on its size "
            f"({size} and {sparse.size} bytes)",
            where=by,
        )
    return sparse


def _sparse(kind: str, file: File) -> Opened:
    """Open an extent of grains; both kinds of sparse extent go by both names in old descriptors."""
    if kind == "SESPARSE":
        return sesparse.SeSparseExtent(file)
    if file.pread(0, len(COWD_MAGIC)) == COWD_MAGIC:
        return cowd.CowdExtent(file)
    return SparseExtent(file)


def _parent(descriptor: Descriptor, file: File, gate: Gate) -> Image | None:
    """Open the disk below, refusing one whose content is not what this one was made from.

    Where the hint leads nowhere, as when a chain was moved into one folder, its last part is
    looked for beside the disk.
    """
    if not descriptor.has_parent:
        return None
    hint = descriptor.said("parentFileNameHint")
    if not hint:
        raise DamagedInputError(
            "stores only differences, but does not name the disk below it", where=file.name
        )
    last = re.split(r"[\\/]", hint)[-1] or hint
    spellings = [*descriptor.spellings(hint), last, *descriptor.spellings(last)]
    parent = open_below(
        _found((hint, *spellings), file.name, gate), gate, by=file.name, format="vmdk"
    )
    wanted = descriptor.parent_content_id
    found = parent.descriptor.content_id if isinstance(parent, VmdkImage) else ""
    if wanted != found:
        raise DamagedInputError(
            f"the disk below it has changed since it was made ({hint!r} has CID "
            f"{found or 'none'}, should be {wanted})",
            where=file.name,
            hint="Put back the disk it was made from; what is read from another is worthless.",
        )
    return parent


def _found(names: Iterable[str], by: str, gate: Gate) -> str:
    """Return the first of several names under which the gate has a file."""
    first: DamagedInputError | RefusedError | None = None
    for name in dict.fromkeys(names):
        try:
            gate.open(name, by=by)
        except (DamagedInputError, RefusedError) as error:
            first = first or error
        else:
            return name
    raise first or DamagedInputError("names no file", where=by)
