"""Rules of the files a package consists of: clauses 5.1 and 5.2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from ovf.judging.rule import EVERY_DIALECT, VERSION_2, Basis, Needs, rule
from ovf.package import Package
from rehost.archive import is_apple_double
from rehost.report import Location, Severity

SIGNS = (".mf", ".cert")
Found = Iterator[tuple[Location, str]]


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _ending(package: Package, suffix: str) -> list[str]:
    """Return the files of that extension beside the descriptor, as the storage spells them."""
    folder = _folder(package.descriptor.name) if package.archive is not None else ""
    names = (name for name in package.names() if _folder(name) == folder)
    return [name for name in names if name.lower().endswith(suffix)]


@rule("PKG-001", clause="5.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def one_descriptor(package: Package) -> Found:
    """A package has one descriptor, and its extension is .ovf.

    Importers find it by that extension, and take whichever of several they come upon.

    Fix: rename the descriptor, or leave the other out; each machine more can go into a collection.
    """
    suffix = PurePosixPath(package.descriptor.name).suffix
    if suffix != ".ovf":
        where = Location(package.written.label)
        yield where, f"descriptor is not named .ovf ({suffix!r})"
    for name in package.names() if package.archive is not None else ():
        if name.lower().endswith(".ovf") and name != package.descriptor.name:
            where = Location(package.where(name))
            yield where, f"is a descriptor beside {package.descriptor.name!r}"


@rule("PKG-002", clause="5.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def one_manifest_and_certificate(package: Package) -> Found:
    """A package has at most one manifest and at most one certificate.

    With several nobody can tell which digests and which signature count.

    Fix: keep the one that is named after the descriptor.
    """
    if package.archive is None:
        return
    for suffix, what in zip(SIGNS, ("manifest", "certificate"), strict=True):
        base = package.descriptor.name.rpartition(".")[0]
        found = sorted(_ending(package, suffix), key=lambda name: name != base + suffix)
        for name in found[1:]:
            yield Location(package.archive.where(name)), f"is a {what} beside {found[0]!r}"


@rule("PKG-003", clause="5.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def names_of_one_base(package: Package) -> Found:
    """Manifest and certificate have the descriptor's base name.

    Importers look for them under that name only, and take a package without them for unsigned. In
    a folder they are judged where it holds one descriptor.

    Fix: rename the file to the descriptor's name with .mf or .cert.
    """
    base = package.descriptor.name.rpartition(".")[0]
    if package.archive is None and len(_ending(package, ".ovf")) != 1:
        return
    for suffix in SIGNS:
        found = _ending(package, suffix)
        if base + suffix in found:
            continue
        for name in found:
            if name[: -len(suffix)] != base:
                where = Location(package.where(name.rpartition("/")[2]))
                yield where, f"is not named after {package.descriptor.name!r}"


@rule(
    "PKG-004",
    clause="5.1",
    severity=Severity.WARNING,
    needs=Needs.FILES,
    basis=Basis.UNCONFIRMED,
    versions=VERSION_2,
)
def signs_beside_the_descriptor(package: Package) -> Found:
    """Manifest and certificate lie beside the descriptor.

    In another folder nobody looks for them, and the package counts as unsigned.

    Fix: move the file into the descriptor's folder.
    """
    if package.archive is None:
        return
    referenced = {package.beside(file.href or "") for file in package.envelope.references}
    for name in package.names():
        astray = _folder(name) != _folder(package.descriptor.name) and name not in referenced
        if name.lower().endswith(SIGNS) and astray:
            yield (
                Location(package.archive.where(name)),
                "lies in another folder than the descriptor",
            )


@rule("PKG-005", clause="5.1", severity=Severity.INFO, needs=Needs.FILES, versions=EVERY_DIALECT)
def nothing_but_the_package(package: Package) -> Found:
    """An OVA holds the descriptor, manifest, certificate and referenced files, nothing else.

    Other files travel for nothing: no importer looks at them.

    Fix: leave the file out, or refer to it from the References.
    """
    if package.archive is None:
        return
    expected = set(package.expected_members())
    for member in package.archive.members:
        strange = member.name not in expected and not is_apple_double(member.name)
        if strange and not member.name.lower().endswith((".ovf", *SIGNS)):
            yield Location(package.archive.where(member.name)), "is referred to by nothing"
