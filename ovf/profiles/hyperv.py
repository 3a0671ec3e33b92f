"""Hyper-V and System Center Virtual Machine Manager, which import no OVF.

Hyper-V imports its own configurations and disks only; SCVMM's import of OVA packages was removed
(MicrosoftDocs/Windows-Admin-Center-Ideas, issue 368, 2026-05). So the checks say what a conversion
has to do: convert with `rehost convert`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ovf.cim import ResourceType
from ovf.importers import hits, reading
from ovf.judging.profile import Hit, Profile, Sure, Target, check
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import summary

IDEAS = "MicrosoftDocs/Windows-Admin-Center-Ideas #368"
GENERATIONS = "Microsoft Learn, Should I create a generation 1 or 2 virtual machine in Hyper-V?"
VHD = re.compile(
    r"http://go\.microsoft\.com/fwlink/\?LinkId=137171"
    r"|http://technet\.microsoft\.com/.*(bb676673|hh831446)\.aspx(#\w+)?|.*/vhdspec\.mspx",
    re.IGNORECASE,
)
Found = Iterator[Hit]


@check("HPV-001", source=IDEAS, sure=Sure.ISSUE)
def no_import(package: Package, target: Target) -> Found:
    """The package is converted first: neither Hyper-V nor SCVMM imports OVF any more.

    Fix: convert it with `rehost convert`, or import the disks as VHDX and make the machine by hand.
    """
    yield Hit(package.envelope.at(package.envelope.root), "no OVF package is imported")


@check("HPV-002", severity=Severity.WARNING, source=GENERATIONS, sure=Sure.DOCUMENTATION)
def disk_is_no_vhd(package: Package, target: Target) -> Found:
    """The disks are VHD or VHDX.

    Others have to be converted.

    Fix: convert the disk with `rehost disk convert` to VHDX.
    """
    for disk in package.envelope.disks:
        form = (disk.format or "").strip()
        if disk.file_ref and not VHD.fullmatch(form):
            yield Hit(disk.at, f"disk is neither VHD nor VHDX ({summary(form)!r})")


@check("HPV-003", severity=Severity.WARNING, source=GENERATIONS, sure=Sure.DOCUMENTATION)
def no_such_device(package: Package, target: Target) -> Found:
    """A UEFI machine has no floppy drive and no IDE controller.

    UEFI is generation 2, which starts from SCSI only and has neither.

    Fix: put the disks on SCSI and leave the floppy drive out.
    """
    envelope = package.envelope
    uefi = any(value == "efi" for _, value in reading.firmware(envelope))
    for item in reading.devices(envelope, ResourceType.FLOPPY, ResourceType.IDE):
        if uefi:
            yield Hit(item.at, f"{item.label} is left out, for the machine starts by UEFI")


@check("HPV-004", severity=Severity.INFO, source=IDEAS, sure=Sure.ISSUE)
def memory_unit(package: Package, target: Target) -> Found:
    """Memory is in MiB.

    Who makes the machine by hand or by a script reads the quantity, and its unit if they look.

    Fix: write the quantity in MiB, with `byte * 2^20`.
    """
    for _, hit in hits.memory_in_mebibytes(package.envelope):
        yield Hit(hit.at, f"{hit.message} if nobody looks at the unit")


PROFILE = Profile(
    name="hyperv",
    title="Hyper-V and System Center Virtual Machine Manager",
    aliases=("hyper-v", "scvmm"),
    checks=(no_import, disk_is_no_vhd, no_such_device, memory_unit),
)
