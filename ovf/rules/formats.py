"""Rules of the URIs that say in which format a disk is: clause 5.2."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.contents.format_uris import declared_format
from ovf.judging.rule import Basis, rule
from ovf.package import Package
from ovf.uris import URI
from rehost.report import Location, Severity
from rehost.tracked import summary

MISSPELT = "/interfaces/interfaces/"
"""Of VMware's address, as in some packages; it is understood here, but by nobody else."""
Found = Iterator[tuple[Location, str]]


@rule("PKG-006", clause="5.2")
def formats_are_uris(package: Package) -> Found:
    """An ovf:format is a URI, that of the disk format's open specification.

    Importers compare it; a word of somebody's own tells them nothing.

    Fix: write the format's URI, for a VMDK the one that ends in vmdk.html#streamOptimized.
    """
    for disk in package.envelope.disks:
        said = (disk.format or "").strip()
        if said and not URI.fullmatch(said):
            yield disk.at, f"ovf:format is no URI ({summary(said)!r})"


@rule("PKG-007", clause="5.2", severity=Severity.WARNING, basis=Basis.OWN)
def formats_are_known(package: Package) -> Found:
    """An ovf:format is one of the URIs that importers know.

    They look a format up by its URI, to the letter, and refuse the disk of any other.

    Fix: write the URI as other packages have it.
    """
    for disk in package.envelope.disks:
        said = (disk.format or "").strip()
        if URI.fullmatch(said) and (declared_format(said) is None or MISSPELT in said):
            yield disk.at, f"ovf:format is unknown ({summary(said)!r})"
