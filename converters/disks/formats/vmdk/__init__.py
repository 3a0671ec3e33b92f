"""VMDK, the virtual disk of VMware: sparse, flat and split ones, streams, and those of ESX.

Source: VMware, "Virtual Disk Format 5.0"; libvmdk's description of the format. A disk is a list of
extents named by a descriptor, which is a file of its own or lies inside the only sparse extent.
"""

from __future__ import annotations

from converters.disks.formats.vmdk.check import check
from converters.disks.formats.vmdk.creating import OPTIONS, create
from converters.disks.formats.vmdk.opening import open_vmdk, recognise
from converters.disks.registry import DiskFormat

FORMAT = DiskFormat(
    name="vmdk",
    title="VMware VMDK",
    suffixes=(".vmdk",),
    recognise=recognise,
    open=open_vmdk,
    create=create,
    options=OPTIONS,
    compresses=True,
    overlays=True,
    check=check,
)
