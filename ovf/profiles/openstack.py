"""OpenStack: the image service takes one disk out of an OVA, and leaves the machine behind.

Spec: glance, glance/async_/flows/ovf_process.py, of the import task, which only administrators may
use.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from ovf.importers import hits
from ovf.judging.profile import Hit, Profile, Sure, Target, check
from ovf.judging.rule import Needs
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import summary

FLOW = "glance, glance/async_/flows/ovf_process.py"
Found = Iterator[Hit]


@check(
    "OSK-001",
    source=FLOW,
    sure=Sure.CODE,
    quote="Currently, OVA packages containing multiple disk are not supported.",
)
def one_disk(package: Package, target: Target) -> Found:
    """The package has one disk.

    Fix: upload each disk as an image of its own.
    """
    for disk in package.envelope.disks[1:]:
        yield Hit(disk.at, f"Disk {summary(disk.id or '')!r} is one too many")


@check("OSK-002", source=FLOW, sure=Sure.CODE)
def disk_has_a_file(package: Package, target: Target) -> Found:
    """That disk has a File.

    Glance ends with an error of its own where there is no Disk, no fileRef or no File of that id.

    Fix: add the File, or upload the disk by itself.
    """
    envelope = package.envelope
    if not envelope.disks:
        yield Hit(envelope.at(envelope.root), "there is no Disk")
    for disk in envelope.disks[:1]:
        if not disk.file_ref or envelope.reference(disk.file_ref) is None:
            yield Hit(disk.at, f"Disk {summary(disk.id or '')!r} has no file")


@check(
    "OSK-003",
    source=FLOW,
    sure=Sure.CODE,
    needs=Needs.FILES,
    quote="Could not find OVF file in OVA archive file.",
)
def archive(package: Package, target: Target) -> Found:
    """The package is an .ova.

    Fix: pack it with `rehost ovf pack`.
    """
    if package.archive is None:
        yield Hit(Location(str(package.path)), "package is no archive")


@check("OSK-004", severity=Severity.WARNING, source=FLOW, sure=Sure.CODE)
def packed_file(package: Package, target: Target) -> Found:
    """The disk's file is not compressed or in chunks.

    It becomes the image as it is stored, or the first chunk of it is not found.

    Fix: unpack or join the file, and leave ovf:compression and ovf:chunkSize out.
    """
    yield from hits.compressed(package.envelope)
    yield from hits.chunks(package.envelope)


@check("OSK-005", severity=Severity.WARNING, source=FLOW, sure=Sure.CODE)
def machine_is_left_behind(package: Package, target: Target) -> Found:
    """Nothing but the disk is needed.

    Processors, memory in whatever unit, adapters and firmware are not read: they come from the
    flavour and the image's properties, such as hw_firmware_type and hw_disk_bus.

    Fix: choose a flavour of that size and set the image's properties.
    """
    for system in package.envelope.systems:
        yield Hit(package.envelope.at(system), "machine is left behind, only its disk is taken")


PROFILE = Profile(
    name="openstack",
    title="OpenStack Glance",
    aliases=("glance",),
    checks=(one_disk, disk_has_a_file, archive, packed_file, machine_is_left_behind),
    enforces=MappingProxyType({"REF-004": Severity.ERROR, "PKG-021": Severity.ERROR}),
    source=f"{Sure.CODE.value}: {FLOW}",
)
