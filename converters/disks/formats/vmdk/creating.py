"""Which kinds of VMDK are written, and which settings each of them takes."""

from __future__ import annotations

from converters.disks.formats.vmdk.describing import ADAPTER_TYPE, HARDWARE_VERSION
from converters.disks.formats.vmdk.flat import FlatWriter
from converters.disks.formats.vmdk.growing import (
    GRAIN_SIZE,
    ZEROED_GRAIN,
    SparseWriter,
    SplitSparseWriter,
)
from converters.disks.formats.vmdk.redolog import RedoLogWriter
from converters.disks.formats.vmdk.stream import FOOTED, FootedStreamWriter, StreamWriter
from converters.disks.options import Option
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Level, PackedWriter, Writer
from rehost.errors import UsageError

STREAM, SPARSE, SPLIT, REDO_LOG = (
    "streamOptimized",
    SparseWriter.KIND,
    SplitSparseWriter.KIND,
    RedoLogWriter.KIND,
)
FLAT = (*FlatWriter.SINGLE, FlatWriter.SPLIT)
SUBFORMAT = Option(
    "subformat",
    (STREAM, SPARSE, SPLIT, *FLAT, REDO_LOG),
    "kind of VMDK; of one that stores only differences, monolithicSparse",
)
TAKEN = {
    GRAIN_SIZE.name: (SPARSE, SPLIT),
    ZEROED_GRAIN.name: (SPARSE, SPLIT),
    FOOTED.name: (STREAM,),
}
"""Settings that only some kinds take."""

OPTIONS = (SUBFORMAT, ADAPTER_TYPE, HARDWARE_VERSION, GRAIN_SIZE, ZEROED_GRAIN, FOOTED)
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
