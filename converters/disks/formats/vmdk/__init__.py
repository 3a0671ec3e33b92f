"""VMDK, the virtual disk of VMware: sparse, flat and split ones, streams, and those of ESX.

Source: VMware, "Virtual Disk Format 5.0"; libvmdk's description of the format. A disk is a list of
extents named by a descriptor, which is a file of its own or lies inside the only sparse extent.
"""

from __future__ import annotations

from converters.disks.formats.vmdk.describing import ADAPTER_TYPE, HARDWARE_VERSION
from converters.disks.formats.vmdk.growing import SparseWriter
from converters.disks.formats.vmdk.opening import open_vmdk, recognise
from converters.disks.formats.vmdk.stream import StreamWriter
from converters.disks.options import Option
from converters.disks.output import Output
from converters.disks.registry import DiskFormat, Shape

STREAM, SPARSE = "streamOptimized", "monolithicSparse"
SUBFORMAT = Option("subformat", (STREAM, SPARSE), "kind of VMDK")


def _create(output: Output, shape: Shape) -> StreamWriter | SparseWriter:
    """Lay out a new VMDK of the kind that is asked for."""
    if shape.option(SUBFORMAT) == SPARSE:
        return SparseWriter(output, shape)
    return StreamWriter(output, shape)


FORMAT = DiskFormat(
    name="vmdk",
    title="VMware VMDK",
    suffixes=(".vmdk",),
    recognise=recognise,
    open=open_vmdk,
    create=_create,
    options=(SUBFORMAT, ADAPTER_TYPE, HARDWARE_VERSION),
    compresses=True,
)
