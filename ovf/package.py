"""A package: a descriptor and the files it refers to, wherever they lie.

Spec: DSP0243 clause 5 (packages) and 7.1 (references: locations, sizes, compression, chunks). A
package is an OVA, an OVA inside gzip, a descriptor beside its files, or a folder that holds one
descriptor. Members of an archive are read in place; nothing is unpacked to disk.

A descriptor can name files only below its own folder or inside its own archive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes

from ovf.contents.probe import Probe, installed
from ovf.envelope import Envelope, Reference, number
from ovf.environment.medium import environment_on, is_medium
from ovf.parse import LARGEST
from ovf.storage import STAY_BESIDE, Folder, InArchive, Storage, refuse_elsewhere
from ovf.views import Views
from rehost.archive import Archive, looks_like_tar, read_archive
from rehost.errors import (
    DamagedInputError,
    InteropError,
    RefusedError,
    UnsupportedInputError,
    UsageError,
)
from rehost.files import (
    GZIP_MAGIC,
    File,
    Inflated,
    Joined,
    LocalFile,
    Reopened,
    is_folder,
    read_all,
)

ARCHIVE_SUFFIXES = (".ova", ".tar", ".box")
MOST_CHUNKS = 10_000
MOST_OPEN = 100
"""Chunks of one file that are open at once; a process may usually have 1024 files open."""
START = 1024
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\s)")
XML_STARTS = (b"<", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
OTHER_COMPRESSION = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"PK\3\4": "ZIP",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The descriptor as it is stored."""

    name: str
    content: bytes


class Package(Views):
    """An OVF package that is open for reading.

    ``schemas`` is a folder of the DMTF's schemas to judge the descriptor by, instead of rehost's;
    ``explains`` says whether what breaks the schema is explained, which takes half a second.
    ``described`` is the package that an environment document is of, where it is one, and
    ``on_medium`` says that the document is a file on an ISO 9660 image.
    """

    schemas: Path | None = None
    explains: bool = False
    described: Package | None = None
    on_medium: bool = False

    def __init__(self, path: Path, storage: Storage, descriptor: Descriptor) -> None:
        super().__init__()
        self.path = path
        self.descriptor = descriptor
        self._storage = storage

    @classmethod
    def open(cls, path: Path, *, tolerant: bool = False) -> Package:
        """Open an .ova, a compressed .ova, an .ovf or a folder with one descriptor in it.

        A ``tolerant`` opening is for who only judges: of an archive with members that are refused
        or with several descriptors it gives the members that are left and the first descriptor. It
        also opens an environment document on an ISO 9660 image.
        """
        refuse_elsewhere(path)
        if is_folder(path):
            path = _only_descriptor(path)
        return cls.read(path, LocalFile(path), tolerant=tolerant)

    @classmethod
    def read(cls, path: Path, file: File, *, tolerant: bool = False) -> Package:
        """Read a package out of a file that is open, and lies at ``path`` or is called so."""
        start = file.pread(0, START)
        if start.startswith(GZIP_MAGIC):
            inflated = Inflated(file, str(path))
            _refuse_inside_gzip(inflated.pread(0, START), file.name)
            return cls._from_archive(path, inflated, tolerant=tolerant)
        if looks_like_tar(start) or path.suffix.lower() in ARCHIVE_SUFFIXES:
            _refuse_compression(start, file.name)
            return cls._from_archive(path, file, tolerant=tolerant)
        if path.suffix.lower() == ".ovf" or start.lstrip().startswith(XML_STARTS):
            descriptor = Descriptor(path.name, read_all(file, LARGEST))
            return cls(path, Folder(path.parent), descriptor)
        if tolerant and is_medium(file):
            found = cls(path, Folder(path.parent), Descriptor(*environment_on(file)))
            found.on_medium = True
            return found
        _refuse_compression(start, file.name)
        raise DamagedInputError("is neither an OVF descriptor nor an OVA", where=file.name)

    @classmethod
    def _from_archive(cls, path: Path, file: File, *, tolerant: bool) -> Package:
        archive = read_archive(file, tolerant=tolerant)
        storage = InArchive(archive)
        descriptors = [name for name in storage.names() if name.lower().endswith(".ovf")]
        shallow = min((name.count("/") for name in descriptors), default=0)
        descriptors = [name for name in descriptors if name.count("/") == shallow]
        if not descriptors:
            missing = DamagedInputError("holds no OVF descriptor", where=file.name)
            raise next(iter(archive.unsafe), missing)
        if len(descriptors) > 1 and not tolerant:
            listed = ", ".join(descriptors[:5])
            raise DamagedInputError(
                f"holds {len(descriptors)} descriptors ({listed})",
                where=file.name,
                hint="A package has one; unpack it and name the descriptor you mean.",
            )
        member = storage.find(descriptors[0], file.name)
        if member is None:
            raise DamagedInputError("holds no OVF descriptor", where=file.name)
        return cls(path, storage, Descriptor(descriptors[0], read_all(member, LARGEST)))

    @property
    def archive(self) -> Archive | None:
        """The tar the package is in, if it is in one."""
        return self._storage.archive

    @cached_property
    def written(self) -> Envelope:
        """The descriptor, parsed, in whatever dialect it is written: for who only judges it."""
        content, name = self.descriptor.content, self.descriptor.name
        return Envelope.as_written(content, file=name, label=self.where(self._own_name))

    @cached_property
    def envelope(self) -> Envelope:
        """The descriptor, parsed, if it is OVF 1.x or 2.x."""
        return self.written.standard()

    @cached_property
    def manifest_names(self) -> tuple[str, ...]:
        """The manifest, by the descriptor's base name, or all there are in the archive."""
        return self._siblings(".mf")

    @property
    def manifest_name(self) -> str | None:
        """The one manifest; several that are named after others leave it in doubt."""
        found = self.manifest_names
        if len(found) > 1:
            listed = ", ".join(found[:5])
            raise DamagedInputError(
                f"holds {len(found)} manifests, none of them named after the descriptor ({listed})",
                where=str(self.path),
                hint="Keep the one that is this package's, named like the descriptor.",
            )
        return found[0] if found else None

    @cached_property
    def certificate_name(self) -> str | None:
        """The certificate, found like the manifest; None also where several leave it in doubt."""
        found = self._siblings(".cert")
        return found[0] if len(found) == 1 else None

    @cached_property
    def probe(self) -> Probe | None:
        """Who looks into its disks: the one that is installed, unless another is assigned."""
        return installed()

    @cached_property
    def files(self) -> tuple[Reference, ...]:
        """The references, of several to one file the first: no file is looked at twice."""
        first: dict[str, Reference] = {}
        for reference in self.written.references:
            first.setdefault(name_of(reference), reference)
        return tuple(first.values())

    def signs(self) -> list[str]:
        """Return the manifest and the certificate, as an archive spells their names."""
        certificate = () if self.certificate_name is None else (self.certificate_name,)
        return [self.beside(name) for name in (*self.manifest_names, *certificate)]

    def expected_members(self) -> list[str]:
        """Return the members an archive should hold, in the standard's order, that are there."""
        names: list[str] = []
        for reference in self.files:
            with suppress(InteropError):
                names += map(self.member_name, self.stored_names(reference))
        return list(dict.fromkeys((self.descriptor.name, *self.signs(), *names)))

    def names(self) -> tuple[str, ...]:
        """Return the files there are: an archive's members, or the files beside the descriptor."""
        return self._names

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return self._storage.names()

    def where(self, name: str) -> str:
        """Return what messages call one of its files: ``x.ova!disk.vmdk``."""
        if name == self.descriptor.name and self.on_medium:
            return str(self.path)
        return self._storage.where(self.beside(name))

    def beside(self, name: str) -> str:
        """Return a name that is relative to the descriptor as the storage spells it."""
        folder = self.descriptor.name.rpartition("/")[0]
        return f"{folder}/{name.removeprefix('./')}" if folder and name[:1] != "/" else name

    def member_name(self, name: str) -> str:
        """Return what an archive calls the file of a name that is relative to the descriptor."""
        return str(PurePosixPath(self.beside(name)))

    def find(self, name: str, *, by: str = "") -> File | None:
        """Open a file by its name from the descriptor, or return None where there is none."""
        return self._storage.find(self.beside(name), by or str(self.path))

    def stored(self, name: str) -> File | None:
        """Open a file by its name in the storage."""
        return self._storage.find(name, str(self.path))

    def member(self, name: str, *, by: str = "") -> File:
        """Open a stored file by its name; one that is not there means a damaged package."""
        found = self.find(name, by=by)
        if found is None:
            raise _missing(name, by or str(self.path))
        return found

    def described_by(self, content: bytes) -> Package:
        """Return the same package as it would be under a changed descriptor."""
        return Package(self.path, self._storage, Descriptor(self.descriptor.name, content))

    def twin(self) -> Package:
        """Return the same package for another thread, which then seeks on its own."""
        return self.reached(lambda storage: storage.twin())

    def reached(self, through: Callable[[Storage], Storage]) -> Package:
        """Return the same package with its files reached through another storage."""
        found = Package(self.path, through(self._storage), self.descriptor)
        found.probe = self.probe
        return found

    def stored_names(self, reference: Reference) -> tuple[str, ...]:
        """Return the names a reference is stored under: one, or that of every chunk."""
        href, where = _relative(reference), str(reference.at)
        for name in dict.fromkeys((percent_decoded(href), href)):
            if reference.chunk_size:
                chunks = tuple(self._chunk_names(name, reference))
                if chunks:
                    return chunks
            if self.find(name, by=where) is not None:
                return (name,)
        raise _missing(percent_decoded(href), where)

    def stored_file(self, reference: Reference) -> File:
        """Return the bytes of a reference as they are stored, its chunks joined."""
        where = str(reference.at)
        names = self.stored_names(reference)
        parts = [self._part(name, where, len(names)) for name in names]
        if not reference.chunk_size:
            return parts[0]
        chunk_size = number(reference.chunk_size, "ovf:chunkSize", reference.at)
        for name, part in zip(names[:-1], parts[:-1], strict=True):
            if part.size != chunk_size:
                raise DamagedInputError(
                    f"chunk is not of its size (is {part.size} bytes, should be {chunk_size})",
                    where=self.where(name),
                    hint="Copy or download it again.",
                )
        return Joined(parts, self.where(names[0]).removesuffix(".000000000"))

    def _part(self, name: str, by: str, parts: int) -> File:
        """Open one of several parts; too many to be open at once are opened as they are read."""
        if parts <= MOST_OPEN or self.archive is not None:
            return self.member(name, by=by)
        return Reopened(partial(self.member, name, by=by))

    def file_for(self, reference: Reference) -> File:
        """Return the bytes a reference stands for: chunks joined, compression undone."""
        stored = self.stored_file(reference)
        if reference.compressed and reference.compression.lower() != "gzip":
            raise UnsupportedInputError(
                f"file is compressed in a way that is not read ({reference.compression!r})",
                where=str(reference.at),
            )
        if reference.compressed:
            return Inflated(stored, stored.name)
        if reference.size:
            stated = number(reference.size, "ovf:size", reference.at)
            if stored.size != stated:
                raise DamagedInputError(
                    f"is {stored.size} bytes, but {self.descriptor.name}:{reference.at.line}"
                    f" says {stated}",
                    where=stored.name,
                    hint="Copy or download it again, or correct ovf:size.",
                )
        return stored

    def file_named(self, name: str) -> File:
        """Return the bytes behind a name that a machine's disk or medium bears."""
        for reference in self.envelope.references:
            if name_of(reference) == name:
                return self.file_for(reference)
        return self.member(name)

    def _chunk_names(self, name: str, reference: Reference) -> Iterator[str]:
        """Yield the chunks there are; with a size stated, those there must be."""
        chunk_size = number(reference.chunk_size or "", "ovf:chunkSize", reference.at)
        if chunk_size == 0:
            raise DamagedInputError("ovf:chunkSize is zero", where=str(reference.at))
        least = 0
        if reference.size:
            least = -(-number(reference.size, "ovf:size", reference.at) // chunk_size)
        for count in range(MOST_CHUNKS + 1):
            chunk = f"{name}.{count:09}"
            if self.find(chunk, by=str(reference.at)) is None:
                if 0 < count < least:
                    raise _missing(chunk, str(reference.at))
                return
            if count == MOST_CHUNKS:
                raise RefusedError(
                    f"file is in too many chunks (at most {MOST_CHUNKS} are read)",
                    where=str(reference.at),
                )
            yield chunk

    @property
    def _own_name(self) -> str:
        return self.descriptor.name.rpartition("/")[2]

    def _siblings(self, suffix: str) -> tuple[str, ...]:
        """Return the file named after the descriptor, or in an archive all of that suffix."""
        base = PurePosixPath(self._own_name).stem
        if self.find(base + suffix) is not None:
            return (base + suffix,)
        folder = self.beside("")
        below = [name[len(folder) :] for name in self.names() if name.startswith(folder)]
        found = [name for name in below if "/" not in name and name.lower().endswith(suffix)]
        named = [name for name in found if name[: -len(suffix)] == base]
        return tuple(named[:1] or found if self.archive is not None else named[:1])


def _only_descriptor(folder: Path) -> Path:
    found = [name for name in Folder(folder).names() if name.lower().endswith(".ovf")]
    if not found:
        raise DamagedInputError("holds no OVF descriptor", where=str(folder))
    if len(found) > 1:
        listed = ", ".join(found[:5])
        raise UsageError(
            f"holds {len(found)} descriptors ({listed})",
            where=str(folder),
            hint="Name the one you mean.",
        )
    return folder / found[0]


def _refuse_compression(start: bytes, where: str) -> None:
    for magic, name in OTHER_COMPRESSION.items():
        if start.startswith(magic):
            raise UnsupportedInputError(
                f"is compressed with {name}", where=where, hint="Unpack it first."
            )


def _refuse_inside_gzip(start: bytes, where: str) -> None:
    """Refuse a descriptor inside gzip: only an OVA is read that way."""
    if not looks_like_tar(start) and start.lstrip().startswith(XML_STARTS):
        raise UnsupportedInputError(
            "is a descriptor compressed with gzip",
            where=where,
            hint="Unpack it first, with gunzip; beside it must lie the files it names.",
        )


def name_of(reference: Reference) -> str:
    """Return the name of a referenced file as the machine model gives it: decoded, unchecked."""
    return percent_decoded((reference.href or "").strip()).removeprefix("./")


def is_remote(reference: Reference) -> bool:
    """Say whether the file is to be fetched from elsewhere, by http for example."""
    scheme = SCHEME.match((reference.href or "").strip())
    return scheme is not None and len(scheme[1]) > 1 and scheme[1].lower() != "file"


def leads_out(reference: Reference) -> bool:
    """Say whether the file is neither below the descriptor's folder nor to be fetched."""
    return not is_remote(reference) and outside(name_of(reference))


def outside(name: str) -> bool:
    """Say whether a name leads out of the descriptor's folder, on this system or another."""
    parts = name.replace("\\", "/").split("/")
    rooted = len(parts) > 1 and not parts[0]
    return rooted or ":" in parts[0] or ".." in parts


def _relative(reference: Reference) -> str:
    """Return an href that stays inside the package, refusing all others."""
    where = str(reference.at)
    href = (reference.href or "").strip()
    if not href:
        raise DamagedInputError("File has no ovf:href", where=where)
    if href.lower().startswith("file:"):
        raise RefusedError(
            f"names a file outside its own folder ({href!r})", where=where, hint=STAY_BESIDE
        )
    if is_remote(reference):
        raise UnsupportedInputError(
            f"file is not in the package ({href!r})",
            where=where,
            hint="Download it beside the descriptor and name it in ovf:href.",
        )
    return href


def percent_decoded(href: str) -> str:
    """Return the name that an href gives; one that is not UTF-8 stays as it is."""
    try:
        return unquote_to_bytes(href).decode()
    except UnicodeDecodeError:
        return href


def _missing(name: str, by: str) -> DamagedInputError:
    return DamagedInputError(
        f"names a file that is not in the package ({name!r})",
        where=by,
        hint="Put the file beside the descriptor, or fetch the package again.",
    )
