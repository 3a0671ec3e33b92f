"""Which kinds of VMDK are written, and which settings each of them takes."""

from __future__ import annotations

from converters.disks.formats.vmdk.flat import FlatWriter
from converters.disks.formats.vmdk.growing import (
    SparseWriter,
    SplitSparseWriter,
)
from converters.disks.formats.vmdk.options import (
    FLAT,
    FOOTED,
    GRAIN_SIZE,
    REDO_LOG,
    SPARSE,
    SPLIT,
    STREAM,
    SUBFORMAT,
    ZEROED_GRAIN,
)
from converters.disks.formats.vmdk.redolog import RedoLogWriter
from converters.disks.formats.vmdk.stream import FootedStreamWriter, StreamWriter
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Level, PackedWriter, Writer
from rehost.errors import UsageError

TAKEN = {
    GRAIN_SIZE.name: (SPARSE, SPLIT),
    ZEROED_GRAIN.name: (SPARSE, SPLIT),
    FOOTED.name: (STREAM,),
}
"""Settings that only some kinds take."""

LARGEST = 62 << 40


def create(output: Output, shape: Shape) -> Writer | PackedWriter:
    """Lay out a new VMDK of the kind that is asked for."""
    kind = shape.options.get(SUBFORMAT.name, SPARSE if shape.base else STREAM)
    _check(kind, shape)
    if kind == STREAM:
        footed = output.sequential or shape.option(FOOTED) == "on"
        return FootedStreamWriter(output, shape) if footed else StreamWriter(output, shape)
    if kind == SPARSE:
        return SparseWriter(output, shape)
    if kind == SPLIT:
        return SplitSparseWriter(output, shape)
    if kind == REDO_LOG:
        return RedoLogWriter(output, shape)
    return FlatWriter(output, shape, kind)


def _check(kind: str, shape: Shape) -> None:
    if not shape.size:
        raise UsageError("a VMDK cannot be empty (the disk has 0 bytes)")
    if shape.size > LARGEST:
        raise UsageError(f"a VMDK holds 62 TiB at most (the disk has {shape.size} bytes)")
    if kind == STREAM and shape.level is Level.NONE:
        raise UsageError(
            f"a {kind} VMDK is always compressed",
            hint="Pass another level, or -o subformat=monolithicSparse.",
        )
    if kind != STREAM and shape.level not in {None, Level.NONE}:
        raise UsageError(
            f"a {kind} VMDK is never compressed",
            hint="Pass no level, or -o subformat=streamOptimized.",
        )
    if kind in FLAT and shape.base:
        raise UsageError(
            f"a {kind} VMDK cannot store only differences",
            hint="Pass -o subformat=monolithicSparse.",
        )
    for name in shape.options:
        if kind not in TAKEN.get(name, (kind,)):
            raise UsageError(
                f"a {kind} VMDK takes no option {name}",
                hint=f"It is for {' and '.join(TAKEN[name])}.",
            )
