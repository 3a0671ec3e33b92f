"""Nutanix AHV, by the OVAs of Prism Central. Its importer is closed: little of it is confirmed.

Spec: Nutanix v4 API, vmm, OVAs (``diskFormat`` is VMDK or QCOW2); Prism Central Infrastructure
Guide, OVA Management.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

from ovf.importers import hits
from ovf.judging.profile import Hit, Profile, Sure, Target, check
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import summary

API = "Nutanix v4 API, vmm, OVAs"
GUIDE = "Prism Central Infrastructure Guide, OVA Management"
READ = re.compile(r".*/vmdk\.html(#\w+)?|.*qcow-image-format\.html", re.IGNORECASE)
Found = Iterator[Hit]


@check("NTX-001", source=API, sure=Sure.DOCUMENTATION)
def disk_format(package: Package, target: Target) -> Found:
    """The disks are VMDKs or qcow2.

    Prism Central writes these two into OVAs and names no others.

    Fix: convert the disk with `rehost disk convert` to a stream-optimized VMDK.
    """
    for disk in package.envelope.disks:
        form = (disk.format or "").strip()
        if disk.file_ref and not READ.fullmatch(form):
            yield Hit(disk.at, f"disk is of a format it does not name ({summary(form)!r})")


@check("NTX-002", source=GUIDE, sure=Sure.UNCONFIRMED)
def collection(package: Package, target: Target) -> Found:
    """The package is one machine.

    An OVA is deployed as one machine.

    Fix: export each machine by itself.
    """
    return hits.collection(package.envelope)


@check("NTX-003", severity=Severity.WARNING, source=GUIDE, sure=Sure.UNCONFIRMED)
def other_version(package: Package, target: Target) -> Found:
    """The descriptor is OVF 1.x.

    No mention of OVF 2 or of the drafts was found.

    Fix: export the machine as OVF 1.0.
    """
    return hits.other_version(package.envelope)


@check("NTX-004", severity=Severity.WARNING, source=GUIDE, sure=Sure.UNCONFIRMED)
def memory_unit(package: Package, target: Target) -> Found:
    """Memory is in MiB.

    Whether Prism Central looks at rasd:AllocationUnits is not known; importers that do not take
    every number for MiB.

    Fix: write the quantity in MiB, with `byte * 2^20`.
    """
    for _, hit in hits.memory_in_mebibytes(package.envelope):
        yield Hit(hit.at, f"{hit.message} if it does not look at the unit")


@check("NTX-005", severity=Severity.WARNING, source=GUIDE, sure=Sure.UNCONFIRMED)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties.

    Fix: configure the guest by cloud-init or Sysprep when deploying it.
    """
    return hits.properties(package.envelope)


PROFILE = Profile(
    name="nutanix",
    title="Nutanix AHV, by Prism Central",
    aliases=("ahv", "prism"),
    checks=(disk_format, collection, other_version, memory_unit, properties),
    enforces=MappingProxyType(dict.fromkeys(("REF-004", "MAN-004"), Severity.ERROR)),
    source=f"{Sure.UNCONFIRMED.value}: {GUIDE}",
)
