"""Azure, which imports disks but no OVF: fixed VHDs of whole MiB, as page blobs or managed disks.

Spec: Microsoft Learn, "Prepare a Windows VHD or VHDX to upload to Azure" and "Information for
community supported and non-endorsed distributions".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ovf.importers import hits
from ovf.judging.profile import Hit, Profile, Sure, Target, check
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import summary

PREPARE = "Microsoft Learn, Prepare a Windows VHD or VHDX to upload to Azure"
LINUX = "Microsoft Learn, Information for community supported and non-endorsed distributions"
FIXED = re.compile(
    r"http://go\.microsoft\.com/fwlink/\?LinkId=137171"
    r"|http://technet\.microsoft\.com/.*bb676673\.aspx(#monolithic_flat)?|.*/vhdspec\.mspx",
    re.IGNORECASE,
)
MIB = 1 << 20
Found = Iterator[Hit]


@check("AZU-001", source=PREPARE, sure=Sure.DOCUMENTATION)
def no_import(package: Package, target: Target) -> Found:
    """The package is taken apart first: Azure imports disks, and makes the machine anew.

    Fix: convert the disks with `rehost disk convert` to VHD with the option azure, upload them and
    make the machine from them; or move it from its host by Azure Migrate.
    """
    yield Hit(package.envelope.at(package.envelope.root), "no OVF package is imported")


@check("AZU-002", severity=Severity.WARNING, source=PREPARE, sure=Sure.DOCUMENTATION)
def disk_is_no_fixed_vhd(package: Package, target: Target) -> Found:
    """The disks are VHDs of a fixed size.

    Neither VHDX nor a dynamic VHD nor another vendor's disk can be uploaded.

    Fix: convert the disk with `rehost disk convert` to VHD with the option azure.
    """
    for disk in package.envelope.disks:
        form = (disk.format or "").strip()
        if disk.file_ref and not FIXED.fullmatch(form):
            yield Hit(disk.at, f"disk is no fixed VHD ({summary(form)!r})")


@check(
    "AZU-003",
    severity=Severity.WARNING,
    source=LINUX,
    sure=Sure.DOCUMENTATION,
)
def whole_mebibytes(package: Package, target: Target) -> Found:
    """The capacity of a disk is a whole number of MiB.

    Azure refuses a VHD of another size.

    Fix: round the size up when converting; `rehost disk convert` does with the option azure.
    """
    for disk in package.envelope.disks:
        capacity = package.envelope.legible_capacity(disk)
        if capacity is not None and capacity % MIB:
            yield Hit(disk.at, f"capacity is no whole number of MiB ({capacity} bytes)")


@check("AZU-004", severity=Severity.INFO, source=PREPARE, sure=Sure.DOCUMENTATION)
def memory_unit(package: Package, target: Target) -> Found:
    """The size of the machine is chosen anew, for memory and its unit are not read.

    Fix: choose a size with as much memory as the descriptor means, in its unit.
    """
    for _, hit in hits.memory_in_mebibytes(package.envelope):
        yield Hit(hit.at, f"{hit.message} if nobody looks at the unit")


@check("AZU-005", severity=Severity.WARNING, source=PREPARE, sure=Sure.DOCUMENTATION)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties.

    Fix: configure the guest by cloud-init or an extension.
    """
    return hits.properties(package.envelope)


PROFILE = Profile(
    name="azure",
    title="Microsoft Azure",
    checks=(no_import, disk_is_no_fixed_vhd, whole_mebibytes, memory_unit, properties),
)
