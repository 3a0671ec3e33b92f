"""VMDK, the virtual disk of VMware: monolithic, split, flat and stream-optimized.

Source: VMware, "Virtual Disk Format 5.0"; libvmdk's description of the format. A disk is a list of
extents named by a descriptor, which is a file of its own or lies inside the only sparse extent.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Protocol

from converters.disks.formats.vmdk.describing import ADAPTER_TYPE, HARDWARE_VERSION
from converters.disks.formats.vmdk.descriptor import LARGEST, SIGNATURE, Descriptor, Extent
from converters.disks.formats.vmdk.growing import SparseWriter
from converters.disks.formats.vmdk.sparse import MAGIC, SparseExtent
from converters.disks.formats.vmdk.stream import StreamWriter
from converters.disks.gate import Gate
from converters.disks.holes import stored_runs
from converters.disks.image import LARGEST_DISK, PARENT, SECTOR, ZERO, Facts, Run, Source
from converters.disks.options import Option
from converters.disks.output import Output
from converters.disks.registry import DiskFormat, Shape
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File, read_all

ESX_MAGIC = b"COWD"
STREAM, SPARSE = "streamOptimized", "monolithicSparse"
SUBFORMAT = Option("subformat", (STREAM, SPARSE), "kind of VMDK")
READABLE = frozenset(
    {
        "monolithicSparse",
        "monolithicFlat",
        "twoGbMaxExtentSparse",
        "twoGbMaxExtentFlat",
        "streamOptimized",
        "vmfs",
        "custom",
    }
)


class _Extent(Protocol):
    @property
    def size(self) -> int: ...

    def runs(self, start: int, stop: int) -> Iterator[Run]: ...


class FlatExtent:
    """An extent that stores every sector, at ``offset`` of a file."""

    def __init__(self, file: File, offset: int, size: int) -> None:
        if offset + size > file.size:
            raise DamagedInputError(
                f"the flat extent is cut short ({file.size} bytes, should be {offset + size})",
                where=file.name,
                hint="Copy the file again.",
            )
        self._file = file
        self._offset = offset
        self.size = size

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the data of the file and its holes."""
        for run in stored_runs(self._file, self._offset + start, self._offset + stop):
            yield run._replace(start=run.start - self._offset)


class ZeroExtent:
    """An extent that stores nothing and reads as zeros."""

    def __init__(self, size: int) -> None:
        self.size = size

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield zeros."""
        yield Run(start, stop - start, ZERO)


class VmdkImage:
    """A disk made of extents, one behind the other."""

    parent = None

    def __init__(self, extents: list[_Extent], facts: Facts) -> None:
        self._extents = extents
        self._starts = [0]
        for extent in extents:
            self._starts.append(self._starts[-1] + extent.size)
        self.size = self._starts[-1]
        self.facts = facts

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the runs of each extent touched; what no extent stores is zero."""
        while start < stop:
            number = bisect_right(self._starts, start) - 1
            begin, end = self._starts[number], min(self._starts[number + 1], stop)
            for run in self._extents[number].runs(start - begin, end - begin):
                source: Source = ZERO if run.source is PARENT else run.source
                yield Run(begin + run.start, run.length, source)
            start = end


def _open(file: File, gate: Gate) -> VmdkImage:
    head = file.pread(0, SECTOR)
    if head[:4] == ESX_MAGIC:
        raise UnsupportedInputError(
            "is a sparse extent of an ESX snapshot, which is not read",
            where=file.name,
            hint="Consolidate the snapshots where it was made, then export again.",
        )
    if not _recognise(file):
        raise DamagedInputError(f"is no VMDK (it begins {head[:4]!r})", where=file.name)
    if head[:4] != MAGIC:
        return _open_described(file, gate, Descriptor.parse(read_all(file, LARGEST), file.name))
    extent = SparseExtent(file)
    embedded = extent.descriptor()
    if not embedded.strip(b"\0"):
        raise DamagedInputError(
            "is one extent of a split VMDK, not the disk",
            where=file.name,
            hint="Name the small descriptor file that lists the extents.",
        )
    descriptor = Descriptor.parse(embedded, file.name)
    if [each.kind for each in descriptor.extents] != ["SPARSE"]:
        return _open_described(file, gate, descriptor)
    _check(descriptor, file.name)
    return VmdkImage([extent], _facts(descriptor, file, extent))


def _create(output: Output, shape: Shape) -> StreamWriter | SparseWriter:
    """Lay out a new VMDK of the kind that is asked for."""
    if shape.option(SUBFORMAT) == SPARSE:
        return SparseWriter(output, shape)
    return StreamWriter(output, shape)


def _open_described(file: File, gate: Gate, descriptor: Descriptor) -> VmdkImage:
    """Open the extents a descriptor names, through the gate."""
    _check(descriptor, file.name)
    if (size := sum(extent.sectors for extent in descriptor.extents) * SECTOR) > LARGEST_DISK:
        raise DamagedInputError(
            f"the VMDK's capacity is impossible ({size // SECTOR} sectors)", where=file.name
        )
    extents = [_open_extent(extent, file.name, gate) for extent in descriptor.extents]
    return VmdkImage(extents, _facts(descriptor, file, None))


def _open_extent(extent: Extent, by: str, gate: Gate) -> _Extent:
    size = extent.sectors * SECTOR
    if extent.access == "NOACCESS":
        raise UnsupportedInputError("the VMDK has an extent that must not be read", where=by)
    if extent.kind == "ZERO":
        return ZeroExtent(size)
    if extent.name is None:
        raise DamagedInputError(f"a {extent.kind} extent names no file", where=by)
    if extent.kind in {"FLAT", "VMFS"}:
        return FlatExtent(gate.open(extent.name, by=by), extent.offset * SECTOR, size)
    if extent.kind != "SPARSE":
        raise UnsupportedInputError(
            f"the VMDK has an extent of a kind that is not read ({extent.kind})", where=by
        )
    sparse = SparseExtent(gate.open(extent.name, by=by))
    if sparse.size != size:
        raise DamagedInputError(
            f"the descriptor and the extent {extent.name!r} disagree on its size "
            f"({size} and {sparse.size} bytes)",
            where=by,
        )
    return sparse


def _check(descriptor: Descriptor, where: str) -> None:
    if descriptor.create_type not in READABLE:
        raise UnsupportedInputError(
            f"is a VMDK of a type that is not read ({descriptor.create_type or 'none given'})",
            where=where,
            hint="Clone it to a self-contained disk where it was made.",
        )
    if descriptor.has_parent:
        raise UnsupportedInputError(
            f"is a delta disk (its parent is {descriptor.entries.get('parentFileNameHint')!r})",
            where=where,
            hint="Consolidate the snapshots where it was made, then export again.",
        )


def _facts(descriptor: Descriptor, file: File, extent: SparseExtent | None) -> Facts:
    details: dict[str, object] = dict(descriptor.entries)
    if extent is not None:
        details["headerVersion"] = extent.header.version
        details["grainSectors"] = extent.header.grain
    return Facts("vmdk", descriptor.create_type, details)


def _recognise(file: File) -> bool:
    head = file.pread(0, SECTOR)
    return head[:4] in {MAGIC, ESX_MAGIC} or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(
        SIGNATURE
    )


FORMAT = DiskFormat(
    name="vmdk",
    title="VMware VMDK",
    suffixes=(".vmdk",),
    recognise=_recognise,
    open=_open,
    create=_create,
    options=(SUBFORMAT, ADAPTER_TYPE, HARDWARE_VERSION),
    compresses=True,
)
