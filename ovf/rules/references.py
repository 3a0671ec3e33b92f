"""Rules of the References as they are written: clause 7.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from ovf.envelope import Reference
from ovf.judging.rule import EVERY_DIALECT, Basis, rule
from ovf.package import Package, is_remote, leads_out, name_of
from ovf.searching import files_in_use
from rehost.report import Location, Severity
from rehost.tracked import summary

NOT_IN_A_URL = re.compile(r"%(?![0-9A-Fa-f]{2})|[^!-~]|[\"<>\\^`{|}]")
SCHEMES = frozenset(("http", "https", "file"))
Found = Iterator[tuple[Location, str]]


@rule("REF-001", clause="7.1", versions=EVERY_DIALECT)
def file_ids(package: Package) -> Found:
    """Each File has an ovf:id, and no two have the same.

    Disks refer to files by it.

    Fix: give every File an id of its own.
    """
    seen: set[str] = set()
    for file in package.written.references:
        if not file.id:
            yield file.at, f"File has no ovf:id (href {summary(file.href or '')!r})"
        elif file.id in seen:
            yield file.at, f"File id {summary(file.id)!r} is used again"
        seen.add(file.id or "")


@rule("REF-002", clause="7.1", versions=EVERY_DIALECT)
def file_locations(package: Package) -> Found:
    """Each File has an ovf:href.

    Without it nobody can find the file.

    Fix: name the file in ovf:href.
    """
    for file in package.written.references:
        if not (file.href or "").strip():
            yield file.at, f"File {summary(file.id or '')!r} has no ovf:href"


@rule("REF-003", clause="7.1", versions=EVERY_DIALECT)
def locations_are_urls(package: Package) -> Found:
    """An ovf:href is a URL, so spaces and characters beyond ASCII are percent-encoded.

    Some importers decode the name, others do not; only an encoded one means the same to all.

    Fix: percent-encode the name, or give the file a plainer one.
    """
    for file in package.written.references:
        href = file.href or ""
        if found := NOT_IN_A_URL.search(href):
            yield file.at, f"ovf:href is no URL ({summary(href)!r} has {found[0]!r})"


@rule("REF-005", clause="7.1", versions=EVERY_DIALECT)
def files_named_once(package: Package) -> Found:
    """No two File elements name the same file.

    A disk imported twice from one file is a mistake more often than a wish.

    Fix: refer to one File from both places.
    """
    seen: dict[str, Reference] = {}
    for file in package.written.references:
        if not (file.href or "").strip():
            continue
        name = str(PurePosixPath(name_of(file)))
        first = seen.setdefault(name, file)
        if first is not file:
            yield file.at, f"names the same file as line {first.at.line} ({summary(name)!r})"


@rule("REF-009", clause="7.1", severity=Severity.INFO, versions=EVERY_DIALECT)
def compression_is_said(package: Package) -> Found:
    """An ovf:compression is gzip or identity, or left out.

    The empty word is the schema's default, but the text has no such compression.

    Fix: remove the attribute.
    """
    envelope = package.written
    for section in envelope.sections("References"):
        for file in envelope.children(section, "File"):
            said = envelope.attribute(file, "compression")
            if said is not None and not said.strip():
                yield envelope.at(file), "ovf:compression is empty"


@rule("REF-013", clause="7.1, 10")
def bundles_come_first(package: Package) -> Found:
    """Files with string bundles come first in the References.

    An importer that streams the package needs the words before it asks anybody about the rest.

    Fix: move the File of the bundle before all others, in the archive too.
    """
    envelope = package.envelope
    bundles = {envelope.attribute(strings, "fileRef") for strings in envelope.sections("Strings")}
    other: Reference | None = None
    for file in envelope.references:
        if file.id is None or file.id not in bundles:
            other = other or file
        elif other is not None:
            message = f"File {summary(file.id)!r} of a string bundle comes after other files"
            yield file.at, message


@rule("REF-014", clause="7.1", severity=Severity.WARNING, basis=Basis.OWN)
def files_are_used(package: Package) -> Found:
    """Every File is referred to: by a disk, a drive, an icon, a licence, a string bundle or else.

    Others travel for nothing, and some importers complain.

    Fix: leave the File out, or attach it.
    """
    used = files_in_use(package.envelope.root)
    for file in package.envelope.references:
        if file.id and file.id not in used:
            yield file.at, f"nothing refers to File {summary(file.id)!r}"


@rule("REF-015", clause="7.1", severity=Severity.WARNING, versions=EVERY_DIALECT)
def schemes_are_common(package: Package) -> Found:
    """A URL in an ovf:href is of http, https or file.

    Importers need not know any other.

    Fix: put the file into the package, or on a web server.
    """
    for file in package.written.references:
        scheme = (file.href or "").partition(":")[0].strip()
        if is_remote(file) and scheme.lower() not in SCHEMES:
            yield file.at, f"ovf:href is a URL of {summary(scheme)!r}"


@rule(
    "PKG-024",
    clause="7.1",
    severity=Severity.WARNING,
    basis=Basis.OWN,
    versions=EVERY_DIALECT,
)
def inside_the_folder(package: Package) -> Found:
    """An ovf:href leads to a file below the descriptor, never by ``..`` or from the root.

    A package that names other files of the computer it is imported on is an attack more often than
    not; converting does not follow it. The standard forbids it in archives only: PKG-017.

    Fix: move the file into the package and name it there; if it is not yours, do not import it.
    """
    if package.archive is None:
        for file in package.written.references:
            if leads_out(file):
                yield file.at, f"ovf:href leads out of the package ({summary(name_of(file))!r})"
