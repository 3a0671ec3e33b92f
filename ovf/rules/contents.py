"""Rules of what is in the disks' files: clauses 5.2 and 9.1, and what importers are known to do."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.contents.disks import DiskFile, contents
from ovf.contents.format_uris import declared_format
from ovf.contents.probe import NO_END, DiskFacts, StreamFacts
from ovf.judging.rule import Basis, Needs, rule
from ovf.outline import whole
from ovf.package import Package
from rehost.errors import (
    EnvironmentFailureError,
    UnsupportedInputError,
    UsageError,
)
from rehost.report import Location, Severity
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]
SECTOR = 512
NOT_LOOKED_INTO = (UnsupportedInputError, EnvironmentFailureError, UsageError)
LEAST_STREAM_VERSION = 2
ADAPTERS = frozenset(("ide", "buslogic", "lsilogic", "legacyesx"))
FACTOR = 2
LEAST_DIFFERENCE = 1 << 20


def _known(package: Package) -> Iterator[tuple[DiskFile, DiskFacts]]:
    for each in package.once(contents):
        if each.facts is not None:
            yield each, each.facts


def _streams(package: Package) -> Iterator[tuple[DiskFile, StreamFacts]]:
    for each, facts in _known(package):
        if facts.stream is not None:
            yield each, facts.stream


def _capacities(package: Package) -> Iterator[tuple[DiskFile, int, int]]:
    """Yield disks with the size the descriptor gives them, and their own."""
    for each, facts in _known(package):
        said = package.envelope.legible_capacity(each.disk)
        if said is not None and facts.virtual_size is not None:
            yield each, said, facts.virtual_size


@rule("DSK-012", clause="5.2", needs=Needs.DISKS)
def formats_are_true(package: Package) -> Found:
    """A disk's file is in the format that ovf:format says, and of that kind.

    Importers go by the URI: they refuse the file, or take its bytes for something else.

    Fix: correct ovf:format, or convert the disk with rehost disk convert.
    """
    for each, facts in _known(package):
        declared = declared_format(each.disk.format or "")
        if declared is not None and not declared.covers(facts.format, facts.variant):
            name = each.reference.href or ""
            yield (
                each.disk.at,
                f"ovf:format says {declared.label}, but {summary(name)!r} is {facts.label}",
            )


@rule("DSK-013", clause="9.1", needs=Needs.DISKS, basis=Basis.OWN)
def capacities_are_true(package: Package) -> Found:
    """A disk's ovf:capacity is the size of the disk in its file.

    ESXi is said to refuse a capacity that is too small; others cut the disk off or grow it.

    Fix: write the disk's own size into ovf:capacity.
    """
    for each, said, size in _capacities(package):
        if abs(said - size) >= SECTOR:
            yield each.disk.at, f"ovf:capacity is {said} bytes, but the disk has {size}"


@rule("DSK-014", clause="9.1", severity=Severity.WARNING, needs=Needs.DISKS, basis=Basis.OWN)
def streams_end_with_their_marker(package: Package) -> Found:
    """A streamOptimized VMDK ends with its end-of-stream marker.

    Whoever digests the file while parsing it stops at the marker, so that its digest is not the
    manifest's: the likely cause of "SHA digest does not match" in ovftool and Workstation.

    Fix: cut the file off behind the marker and write the manifest again; nothing is recompressed.
    """
    for each, stream in _streams(package):
        if stream.behind:
            yield Location(each.where, offset=stream.end), stream.trailing


@rule("DSK-020", clause="5.2", needs=Needs.DISKS, basis=Basis.OWN)
def disks_can_be_read(package: Package) -> Found:
    """A disk's file is a whole image, and names no file outside the package.

    An importer stops in the middle of it, or makes a machine that lacks data.

    Fix: fetch the package again; rehost disk check lists all that is lost.
    """
    for each in package.once(contents):
        error = each.error
        if error is not None and not isinstance(error, NOT_LOOKED_INTO):
            yield Location.named(error.where or each.where), error.what
        flaws = each.facts.flaws if each.facts else ()
        flaws += each.content.flaws if each.content else ()
        for flaw in dict.fromkeys(flaws):
            yield Location(flaw.where or each.where), flaw.what


@rule("DSK-021", clause="5.2", severity=Severity.INFO, needs=Needs.DISKS, basis=Basis.OWN)
def disks_were_looked_into(package: Package) -> Found:
    """Every disk is in a form that can be looked into.

    What is encrypted or of an unknown kind is taken at the descriptor's word here.

    Fix: look at it where it was made.
    """
    for each in package.once(contents):
        if isinstance(each.error, NOT_LOOKED_INTO):
            yield Location(each.error.where or each.where), each.error.what


@rule("DSK-022", clause="9.1", severity=Severity.WARNING, needs=Needs.DISKS, basis=Basis.OWN)
def capacities_are_exact(package: Package) -> Found:
    """A disk's ovf:capacity is exact to the byte.

    Disks are of whole sectors; a capacity that is not makes importers round it, each in its way.

    Fix: write the disk's own size into ovf:capacity.
    """
    for each, said, size in _capacities(package):
        if 0 < abs(said - size) < SECTOR:
            yield each.disk.at, f"ovf:capacity is {said} bytes, but the disk has {size}"


@rule("DSK-023", clause="9.1", severity=Severity.INFO, needs=Needs.DISKS, basis=Basis.OWN)
def populated_sizes_are_plausible(package: Package) -> Found:
    """A disk's ovf:populatedSize is about what its file holds, unpacked.

    Importers reserve this much on storage that grows with its content.

    Fix: write the size of what is stored, or leave ovf:populatedSize out.
    """
    for each, facts in _known(package):
        said, held = whole(each.disk.populated_size), facts.populated
        if held is None or said is None:
            continue
        far = abs(said - held) >= LEAST_DIFFERENCE
        if far and not held <= FACTOR * said <= FACTOR * FACTOR * held:
            yield each.disk.at, f"ovf:populatedSize is {said} bytes, but the file holds {held}"


@rule("DSK-024", clause="9.1", severity=Severity.WARNING, needs=Needs.DISKS, basis=Basis.OWN)
def streams_have_an_end(package: Package) -> Found:
    """A streamOptimized VMDK has an end-of-stream marker behind its last grain.

    Whoever reads the stream by its markers, as importers do that digest or convert it on its way,
    comes to the end of the file instead and cannot tell that it was not cut off. qemu-img writes no
    marker where the last grain fills the file; then all the data is there, and a sector of zeros
    behind it is all that is missing. Where the last grain is not whole, DSK-020 says so.

    Fix: put a sector of zeros behind the last grain and write the manifest again.
    """
    for each, stream in _streams(package):
        if stream.end is None:
            yield Location(each.where), NO_END


@rule("DSK-025", clause="9.1", severity=Severity.WARNING, needs=Needs.DISKS, basis=Basis.OWN)
def streams_are_of_a_current_version(package: Package) -> Found:
    """A streamOptimized VMDK has version 3 in its header, or at least 2.

    ESXi refuses version 1, as QEMU 2.1 to 2.5 wrote it: "sparse VMDK version too old".

    Fix: write it again with rehost disk convert.
    """
    for each, stream in _streams(package):
        if stream.version < LEAST_STREAM_VERSION:
            yield Location(each.where), f"the stream's header has version {stream.version}"


@rule("DSK-026", clause="9.1", severity=Severity.WARNING, needs=Needs.DISKS, basis=Basis.OWN)
def disks_are_in_order(package: Package) -> Found:
    """Nothing about a disk's file is strange.

    An image that was not closed, or whose two copies of a table differ, may be read in two ways.

    Fix: write it again with rehost disk convert.
    """
    for each, facts in _known(package):
        told = (*facts.oddities, *(each.content.oddities if each.content else ()))
        for oddity in told:
            yield Location(each.where), oddity


@rule("DSK-027", clause="9.1", severity=Severity.INFO, needs=Needs.DISKS, basis=Basis.OWN)
def adapter_types_are_vmwares(package: Package) -> Found:
    """A VMDK's ddb.adapterType is ide, buslogic, lsilogic or legacyESX.

    There is no other word for VMware's tools: a disk that says pvscsi runs, but cannot be extended
    (kiwi issue 1847). Which of them it is does not have to fit the controller the disk hangs on:
    VMware writes lsilogic whatever that is, VirtualBox ide for SATA, too, and importers make the
    disk anew on the controller of the descriptor.

    Fix: convert it with rehost disk convert -o adapter_type=lsilogic.
    """
    for each, facts in _known(package):
        if facts.adapter is not None and facts.adapter.lower() not in ADAPTERS:
            said = summary(facts.adapter)
            yield Location(each.where), f"the disk is said to be for an adapter {said!r}"
