"""Amazon EC2, by VM Import/Export (``aws ec2 import-image``), which looks at the disks of an OVA.

Spec: VM Import/Export User Guide, "Image formats" and "Limitations for resources being imported".
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

FORMATS = "VM Import/Export User Guide, Image formats"
LIMITS = "VM Import/Export User Guide, Limitations for resources being imported"
MOST_DISKS = 21
READ = re.compile(
    r".*/vmdk\.html#streamOptimized|http://go\.microsoft\.com/fwlink/\?LinkId=137171"
    r"|http://technet\.microsoft\.com/.*(bb676673|hh831446)\.aspx(#\w+)?"
    r"|http://en\.wikipedia\.org/wiki/Byte",
    re.IGNORECASE,
)
Found = Iterator[Hit]


@check("AWS-001", source=FORMATS, sure=Sure.DOCUMENTATION)
def disk_format(package: Package, target: Target) -> Found:
    """The disks are stream-optimized VMDKs, VHDs, VHDXs or raw.

    Other VMDKs are refused, too.

    Fix: convert the disk with `rehost disk convert` to a stream-optimized VMDK.
    """
    for disk in package.envelope.disks:
        form = (disk.format or "").strip()
        if disk.file_ref and not READ.fullmatch(form):
            yield Hit(disk.at, f"disk is of a format it does not read ({summary(form)!r})")


@check("AWS-002", source=LIMITS, sure=Sure.DOCUMENTATION)
def too_many_disks(package: Package, target: Target) -> Found:
    """A machine has at most 21 disks.

    The import of more fails; others can be imported as snapshots by themselves.

    Fix: leave the other disks out, and import them with `aws ec2 import-snapshot`.
    """
    for disk in package.envelope.disks[MOST_DISKS:]:
        yield Hit(disk.at, f"Disk {summary(disk.id or '')!r} is one too many")


@check("AWS-003", source=LIMITS, sure=Sure.DOCUMENTATION)
def delta_disk(package: Package, target: Target) -> Found:
    """No disk holds only the difference to another.

    Fix: export the machine without snapshots.
    """
    for disk in package.envelope.disks:
        if disk.parent_ref:
            yield Hit(disk.at, f"Disk {summary(disk.id or '')!r} is only a difference")


@check("AWS-004", source=FORMATS, sure=Sure.UNCONFIRMED)
def collection(package: Package, target: Target) -> Found:
    """The package is one machine.

    An import makes one image, of one machine.

    Fix: export each machine by itself.
    """
    return hits.collection(package.envelope)


@check("AWS-005", source=FORMATS, sure=Sure.UNCONFIRMED)
def packed_file(package: Package, target: Target) -> Found:
    """No file is compressed or in chunks.

    Neither is among the formats the guide names.

    Fix: unpack or join the file, and leave ovf:compression and ovf:chunkSize out.
    """
    yield from hits.compressed(package.envelope)
    yield from hits.chunks(package.envelope)


@check("AWS-006", severity=Severity.INFO, source=FORMATS, sure=Sure.UNCONFIRMED)
def memory_unit(package: Package, target: Target) -> Found:
    """The type of the instance is chosen anew, for memory and its unit are not read.

    Fix: choose a type with as much memory as the descriptor means, in its unit.
    """
    for _, hit in hits.memory_in_mebibytes(package.envelope):
        yield Hit(hit.at, f"{hit.message} if nobody looks at the unit")


@check("AWS-007", severity=Severity.WARNING, source=LIMITS, sure=Sure.DOCUMENTATION)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties, and gets its address by DHCP.

    Fix: configure the guest by user data, with cloud-init or EC2Launch in it.
    """
    return hits.properties(package.envelope)


PROFILE = Profile(
    name="aws",
    title="Amazon EC2, by VM Import",
    aliases=("ec2", "aws-import"),
    checks=(
        disk_format,
        too_many_disks,
        delta_disk,
        collection,
        packed_file,
        memory_unit,
        properties,
    ),
    enforces=MappingProxyType(dict.fromkeys(("REF-004", "DSK-005"), Severity.ERROR)),
    source=f"{Sure.UNCONFIRMED.value}: {FORMATS}",
)
