"""VMDK, the virtual disk of VMware: sparse, flat and split ones, streams, and those of ESX.

Source: VMware, "Virtual Disk Format 5.0"; libvmdk's description of the format. A disk is a list of
extents named by a descriptor, which is a file of its own or lies inside the only sparse extent.
"""

from __future__ import annotations

from converters.disks.formats.vmdk.options import OPTIONS
from converters.disks.formats.vmdk.recognition import recognise
from converters.disks.registry import DiskFormat
from rehost.discovery import later

FORMAT = DiskFormat(
    name="vmdk",
    title="VMware VMDK",
    suffixes=(".vmdk",),
    recognise=recognise,
    open=later(f"{__name__}.opening", "open_vmdk"),
    create=later(f"{__name__}.creating", "create"),
    options=OPTIONS,
    compresses=True,
    overlays=True,
    check=later(f"{__name__}.check", "check"),
)
