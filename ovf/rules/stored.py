"""Rules of referenced files as they are stored: clause 7.1, sizes, compression and chunks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ovf.envelope import Reference
from ovf.judging.rule import EVERY_DIALECT, Basis, Needs, rule
from ovf.outline import whole
from ovf.package import Package, is_remote, name_of
from rehost.errors import InteropError, RefusedError
from rehost.files import GZIP_MAGIC
from rehost.report import Location, Severity
from rehost.tracked import summary

GZIP = 31
"""What zlib calls gzip, as a window size."""
START = 4096
Found = Iterator[tuple[Location, str]]


@rule("REF-004", clause="7.1, 5.4", needs=Needs.FILES, versions=EVERY_DIALECT)
def files_exist(package: Package) -> Found:
    """Every file the References name is in the package.

    A package without one of its disks cannot be imported.

    Fix: add the file, or correct the ovf:href.
    """
    for file in package.files:
        if not (file.href or "").strip() or is_remote(file):
            continue
        try:
            package.stored_names(file)
        except RefusedError:
            continue
        except InteropError as error:
            yield Location.named(error.where), error.what


@rule("REF-006", clause="7.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def sizes_agree(package: Package) -> Found:
    """An ovf:size is the number of bytes the file has as it is stored.

    Importers reserve space and judge completeness by it.

    Fix: correct ovf:size, or fetch the file again.
    """
    for file in package.files:
        said = whole(file.size)
        stored = None if said is None else _stored_size(package, file)
        if stored is not None and stored != said:
            yield file.at, f"ovf:size is {file.size}, but the file has {stored} bytes"


def _stored_size(package: Package, file: Reference) -> int | None:
    if is_remote(file):
        return None
    try:
        return package.stored_file(file).size
    except InteropError:
        return None


@rule("REF-016", clause="7.1", versions=EVERY_DIALECT)
def sizes_are_numbers(package: Package) -> Found:
    """An ovf:size and an ovf:chunkSize are whole numbers: bytes, without a unit.

    An importer that cannot read the number refuses the package, or takes it for nothing.

    Fix: write digits only.
    """
    for file in package.written.references:
        for name, text in (("ovf:size", file.size), ("ovf:chunkSize", file.chunk_size)):
            if text is not None and whole(text) is None:
                yield file.at, f"{name} is not a whole number ({summary(text)!r})"


@rule("REF-008", clause="7.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def compression_is_true(package: Package) -> Found:
    """A file is compressed if and only if ovf:compression says gzip.

    An importer that trusts the attribute writes a compressed disk as it is, or fails to unpack it.

    Fix: correct ovf:compression: gzip, or identity.
    """
    for file in package.files:
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
    for file in package.files:
        size = whole(file.chunk_size)
        if size is None:
            continue
        if size == 0:
            yield file.at, "ovf:chunkSize is zero"
            continue
        try:
            members = map(package.member, package.stored_names(file))
            parts = [(part.name, part.size) for part in members]
        except InteropError:
            continue
        wrong = [part for part in parts[:-1] if part[1] != size]
        wrong += [part for part in parts[-1:] if part[1] > size]
        for name, found in wrong:
            yield Location(name), f"chunk has {found} bytes, not {size}"


@rule(
    "REF-007",
    clause="7.1",
    severity=Severity.INFO,
    basis=Basis.OWN,
    versions=EVERY_DIALECT,
)
def sizes_are_stated(package: Package) -> Found:
    """Each File has an ovf:size.

    The standard lets it be left out, as VirtualBox does, but importers show progress and reserve
    space by it.

    Fix: add ovf:size, the bytes of the file as it is stored.
    """
    for file in package.written.references:
        if file.size is None and not is_remote(file):
            yield file.at, f"File {summary(file.id or '')!r} has no ovf:size"


@rule("REF-010", clause="7.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def chunks_are_numbered(package: Package) -> Found:
    """A file with ovf:chunkSize is in chunks: its name, a dot and nine digits from 000000000 on.

    An importer puts together what it finds by counting, and stops at the first gap.

    Fix: name the chunks so, or remove ovf:chunkSize from a file that is whole.
    """
    numbered = package.once(_numbered)
    for file in package.files:
        if not file.chunk_size or not (file.href or "").strip() or is_remote(file):
            continue
        name = name_of(file)
        try:
            stored = package.stored_names(file)
        except InteropError:
            stored = ()
        if stored == (name,):
            yield file.at, f"ovf:chunkSize is given for a file in one piece ({summary(name)!r})"
        counted = {package.beside(chunk) for chunk in stored}
        for other in numbered.get(package.beside(name), ()):
            if other not in counted:
                yield file.at, f"chunk is out of the sequence ({summary(other)!r})"


def _numbered(package: Package) -> dict[str, list[str]]:
    """Return the files whose names end in a dot and digits, by what stands before."""
    found: dict[str, list[str]] = {}
    for name in package.names():
        base, dot, digits = name.rpartition(".")
        if dot and digits.isascii() and digits.isdigit():
            found.setdefault(base, []).append(name)
    return found


@rule("REF-012", clause="7.1", needs=Needs.FILES, versions=EVERY_DIALECT)
def compressed_then_cut(package: Package) -> Found:
    """A file that is compressed and in chunks is compressed first, and then cut.

    Chunks that were compressed one by one have other sizes, and importers stop after the first.

    Fix: compress the whole file with gzip, and split what comes out.
    """
    for file in package.files:
        if not file.chunk_size or not file.compressed or is_remote(file):
            continue
        try:
            parts = map(package.member, package.stored_names(file)[1:])
            packed = [part.name for part in parts if _begins_gzip(part.pread(0, START))]
        except InteropError:
            continue
        for name in packed:
            yield Location(name), "chunk is compressed by itself"


def _begins_gzip(start: bytes) -> bool:
    if not start.startswith(GZIP_MAGIC):
        return False
    try:
        return bool(zlib.decompressobj(GZIP).decompress(start, 1))
    except zlib.error:
        return False
