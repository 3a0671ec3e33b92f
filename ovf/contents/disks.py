"""The disks of a package and what is in their files, as far as the probe can tell.

Spec: DSP0243 clauses 5.2 (formats), 7.1 (chunks, compression) and 9.1 (disks). A file that is
missing or lies outside the package is left to the rules of references.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ovf.contents.gate import PackageGate
from ovf.contents.probe import DiskContent, DiskFacts, Probe
from ovf.envelope import Reference, VirtualDisk
from ovf.package import Package, is_remote, name_of
from rehost.errors import InteropError
from rehost.files import File, Window

START = 128 << 10
"""Enough to recognise any format that begins with its name."""


@dataclass(frozen=True, slots=True)
class DiskFile:
    """A virtual disk and the file it is in.

    Either ``facts`` or ``error`` says how looking into it went; neither does where its start is all
    that was looked at and tells nothing. ``content`` is there when all of it was read.
    """

    disk: VirtualDisk
    reference: Reference
    where: str
    facts: DiskFacts | None = None
    error: InteropError | None = None
    content: DiskContent | None = None


def contents(package: Package) -> tuple[DiskFile, ...]:
    """Look at the headers and tables of every disk; of a compressed one only at its start."""
    return tuple(_looked_into(package, *each) for each in stored_disks(package))


def stored_disks(package: Package) -> Iterator[tuple[VirtualDisk, Reference]]:
    """Yield the disks that have a file in the package."""
    for disk in package.written.disks:
        reference = package.written.reference(disk.file_ref or "")
        if reference is None or is_remote(reference):
            continue
        try:
            package.stored_names(reference)
        except InteropError:
            continue
        yield disk, reference


def plain_file(package: Package, reference: Reference) -> File:
    """Return the bytes of a disk's file, whatever the size the References give it."""
    whole = reference if reference.chunk_size else replace(reference, size=None)
    return package.file_for(whole)


def disk_documents(package: Package) -> list[dict[str, str | int | None]]:
    """Return what is known of every disk, for JSON."""
    return [_document(each) for each in package.once(contents)]


def _document(each: DiskFile) -> dict[str, str | int | None]:
    facts, content = each.facts, each.content
    stream = facts.stream if facts else None
    return {
        "id": each.disk.id,
        "file": each.where,
        "format": facts.format if facts else None,
        "variant": facts.variant if facts else None,
        "virtual_size": facts.virtual_size if facts else None,
        "populated_size": facts.populated if facts else None,
        "adapter_type": facts.adapter if facts else None,
        "stream_version": stream.version if stream else None,
        "stream_end": stream.end if stream else None,
        "bytes_behind_end": stream.behind if stream else None,
        "digest": content.digest if content else None,
    }


def _looked_into(package: Package, disk: VirtualDisk, reference: Reference) -> DiskFile:
    found = DiskFile(disk, reference, package.where(name_of(reference)))
    probe = package.probe
    if probe is None:
        return found
    try:
        return replace(found, facts=_facts(probe, package, reference))
    except InteropError as error:
        return replace(found, error=error)


def _facts(probe: Probe, package: Package, reference: Reference) -> DiskFacts | None:
    file = plain_file(package, reference)
    if reference.compressed:
        return probe.recognise(Window(file, 0, len(file.pread(0, START)), file.name))
    return probe.look(file, PackageGate(package, name_of(reference)))
