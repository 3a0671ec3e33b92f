"""Rules of the References: clauses 5.3 and 7.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from ovf.envelope import Reference
from ovf.package import Package, is_remote, leads_out, name_of
from ovf.rule import EVERY_DIALECT, Basis, Needs, rule
from rehost.errors import InteropError, RefusedError
from rehost.files import GZIP_MAGIC
from rehost.report import Location, Severity
from rehost.tracked import summary

NOT_IN_A_URL = re.compile(r"%(?![0-9A-Fa-f]{2})|[^!-~]|[\"<>\\^`{|}]")
HOST_RESOURCE = re.compile(r"(?:ovf:)?/{1,2}file/(.+)")
Found = Iterator[tuple[Location, str]]


def _whole_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


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


@rule("REF-004", clause="7.1, 5.4", needs=Needs.FILES, versions=EVERY_DIALECT)
def files_exist(package: Package) -> Found:
    """Every file the References name is in the package.

    A package without one of its disks cannot be imported.

    Fix: add the file, or correct the ovf:href.
    """
    for file in package.written.references:
        if not (file.href or "").strip() or is_remote(file):
            continue
        try:
            package.stored_names(file)
        except RefusedError:
            continue
        except InteropError as error:
            yield Location.named(error.where), error.what


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


@rule("REF-006", clause="7.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def sizes_agree(package: Package) -> Found:
    """An ovf:size is the number of bytes the file has as it is stored.

    Importers reserve space and judge completeness by it.

    Fix: correct ovf:size, or fetch the file again.
    """
    for file in package.written.references:
        if file.size is None:
            continue
        if not _whole_number(file.size.strip()):
            yield file.at, f"ovf:size is not a whole number ({summary(file.size)!r})"
            continue
        stored = _stored_size(package, file)
        if stored is not None and stored != int(file.size):
            yield file.at, f"ovf:size is {file.size}, but the file has {stored} bytes"


def _stored_size(package: Package, file: Reference) -> int | None:
    if is_remote(file):
        return None
    try:
        return package.stored_file(file).size
    except InteropError:
        return None


@rule("REF-008", clause="7.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def compression_is_true(package: Package) -> Found:
    """A file is compressed if and only if ovf:compression says gzip.

    An importer that trusts the attribute writes a compressed disk as it is, or fails to unpack it.

    Fix: correct ovf:compression: gzip, or identity.
    """
    for file in package.written.references:
        if file.compression not in {"", "identity", "gzip"}:
            yield file.at, f"ovf:compression is unknown ({summary(file.compression)!r})"
            continue
        start = _start(package, file)
        if start is not None and file.compressed != start.startswith(GZIP_MAGIC):
            is_so = "not compressed" if file.compressed else "compressed with gzip"
            if file.compressed or not name_of(file).endswith(".gz"):
                yield file.at, f"file is {is_so}, which ovf:compression does not say"


def _start(package: Package, file: Reference) -> bytes | None:
    if is_remote(file):
        return None
    try:
        return package.stored_file(file).pread(0, 2)
    except InteropError:
        return None


@rule("REF-011", clause="7.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def chunks_are_whole(package: Package) -> Found:
    """All chunks of a file but the last have exactly ovf:chunkSize bytes.

    A chunk of another size means that bytes are missing in the middle of a disk.

    Fix: fetch the chunk again, or correct ovf:chunkSize.
    """
    for file in package.written.references:
        if not file.chunk_size:
            continue
        if not _whole_number(file.chunk_size.strip()) or int(file.chunk_size) == 0:
            yield file.at, f"ovf:chunkSize is no size ({summary(file.chunk_size)!r})"
            continue
        try:
            names = package.stored_names(file)
            parts = [package.member(name) for name in names]
        except InteropError:
            continue
        wrong = [part for part in parts[:-1] if part.size != int(file.chunk_size)]
        wrong += [part for part in parts[-1:] if part.size > int(file.chunk_size)]
        for part in wrong:
            yield Location(part.name), f"chunk has {part.size} bytes, not {file.chunk_size}"


@rule("REF-014", clause="7.1", severity=Severity.WARNING)
def files_are_used(package: Package) -> Found:
    """Every File is referred to by a disk, a drive, an icon, a licence or a string bundle.

    Others travel for nothing, and some importers complain.

    Fix: leave the File out, or attach it.
    """
    envelope = package.envelope
    used = {disk.file_ref for disk in envelope.disks}
    for element in envelope.root.iter("{*}HostResource", "{*}Strings", "{*}Icon", "{*}License"):
        used.add(envelope.attribute(element, "fileRef"))
        if found := HOST_RESOURCE.fullmatch((element.text or "").strip()):
            used.add(found[1])
    for file in envelope.references:
        if file.id and file.id not in used:
            yield file.at, f"nothing refers to File {summary(file.id)!r}"


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
