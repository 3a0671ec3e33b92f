"""Writing a package: a descriptor and its files, into one .ova or into a folder.

Spec: DSP0243 clauses 5.1 (manifest), 5.3 (OVA: USTAR; descriptor, manifest, certificate, then the
files in the order of References) and 5.4 (a set of files). Digests come out of the copying itself.
The same contents always give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from rehost.errors import RefusedError, TransferError
from rehost.files import File, Held, LocalFile
from rehost.holes import Sparing
from rehost.outputs import Staging, staged, writing
from rehost.progress import SILENT, Progress
from rehost.tar import END, header, padding

STEP = 4 << 20
BLOCK = 4096
"""The block of file systems that share blocks between files."""
ZEROS = bytes(STEP)
PHASE = "writing"
DESCRIPTOR = ".ovf"


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a package under its name from the descriptor; opened whenever it is asked for."""

    name: str
    open: Callable[[], File]


def held(name: str, content: bytes) -> Member:
    """Return a member that is in memory."""
    return held_open(name, Held(content, name))


def held_open(name: str, file: File) -> Member:
    """Return a member that is open already."""
    return Member(name, lambda: file)


@dataclass(frozen=True, slots=True)
class Seal:
    """A manifest that is kept as it is, with its certificate if it has one; it has to be true.

    ``digests`` are the lower-case ones it lists, by name.
    """

    manifest: bytes
    certificate: bytes | None
    algorithm: str
    digests: dict[str, str]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a package holds. ``files`` are in the order of References.

    Without ``algorithm`` it gets no manifest; a ``seal`` is kept instead of making one.
    """

    descriptor: Member
    files: tuple[Member, ...]
    algorithm: str | None = "SHA256"
    seal: Seal | None = None

    @property
    def size(self) -> int:
        """The bytes of all its files."""
        return sum(member.open().size for member in self.members)

    @property
    def members(self) -> tuple[Member, ...]:
        """The descriptor, then the files."""
        return (self.descriptor, *self.files)

    @property
    def stem(self) -> str:
        """What manifest and certificate are named after."""
        return PurePosixPath(self.descriptor.name).stem


def write_archive(
    contents: Contents, path: Path, *, force: bool = False, progress: Progress = SILENT
) -> None:
    """Write an .ova; it appears whole or not at all. In it a descriptor is called ``.ovf``."""
    if not contents.descriptor.name.lower().endswith(DESCRIPTOR):
        named = Member(contents.stem + DESCRIPTOR, contents.descriptor.open)
        contents = replace(contents, descriptor=named)
    _refuse_twins(contents, path)
    with staged(path, force=force) as place, _created(place) as descriptor:
        progress.start(PHASE, contents.size)
        archive = _Archive(descriptor, path.name)
        digests = _Digests(contents)
        archive.add(contents.descriptor, digests, progress)
        manifest_at = archive.reserve(f"{contents.stem}.mf", digests.manifest_size)
        if contents.seal and contents.seal.certificate is not None:
            archive.add(held(f"{contents.stem}.cert", contents.seal.certificate), None, progress)
        for member in contents.files:
            archive.add(member, digests, progress)
        if manifest_at is not None:
            _write(descriptor, digests.manifest(), manifest_at)
        archive.close()


def write_folder(
    contents: Contents, folder: Path, *, force: bool = False, progress: Progress = SILENT
) -> list[str]:
    """Write a descriptor and its files into a folder; return the names written, in order.

    A file that lies there already, being the very one it would be copied from, stays.
    """
    _refuse_twins(contents, folder)
    written = []
    with Staging(folder, contents.descriptor.name, force=force) as staging:
        progress.start(PHASE, contents.size)
        digests = _Digests(contents)
        for member in contents.files:
            if _is_there(member, folder):
                _copy(member.open(), None, 0, digests.of(member), progress)
                continue
            with _created(staging.path(member.name)) as descriptor:
                _copy(member.open(), descriptor, 0, digests.of(member), progress)
            written.append(member.name)
        for member in (contents.descriptor, *_seals(contents, digests, progress)):
            with _created(staging.path(member.name)) as descriptor:
                _copy(member.open(), descriptor, 0, None, progress)
            written.append(member.name)
        staging.commit()
    for suffix in (".mf", ".cert"):
        if force and f"{contents.stem}{suffix}" not in written:
            with writing(folder):
                (folder / f"{contents.stem}{suffix}").unlink(missing_ok=True)
    return written


def _refuse_twins(contents: Contents, where: Path) -> None:
    own = [f"{contents.stem}.mf", f"{contents.stem}.cert"]
    names = Counter([member.name for member in contents.members] + own)
    for name, count in names.items():
        if count > 1:
            raise RefusedError(f"would hold the same name twice ({name!r})", where=str(where))


def _seals(contents: Contents, digests: _Digests, progress: Progress) -> Iterator[Member]:
    """Yield manifest and certificate, as far as the package gets them."""
    _copy(contents.descriptor.open(), None, 0, digests.of(contents.descriptor), progress)
    if digests.manifest_size:
        yield held(f"{contents.stem}.mf", digests.manifest())
    if contents.seal and contents.seal.certificate is not None:
        yield held(f"{contents.stem}.cert", contents.seal.certificate)


class _Digests:
    """The digests of a package as they are computed, and the manifest they make."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        seal = contents.seal
        self._algorithm = seal.algorithm if seal else contents.algorithm
        self._hashes: dict[str, hashlib._Hash] = {}

    @property
    def manifest_size(self) -> int:
        """The bytes of the manifest, known before any digest is; zero without one."""
        if self._contents.seal:
            return len(self._contents.seal.manifest)
        if self._algorithm is None:
            return 0
        digits = 2 * hashlib.new(self._algorithm, usedforsecurity=False).digest_size
        frame = len(_line(self._algorithm, "", "")) + digits
        return sum(frame + len(member.name.encode()) for member in self._contents.members)

    def of(self, member: Member) -> hashlib._Hash | None:
        """Return what a member's bytes are to be fed to."""
        if self._algorithm is None:
            return None
        self._hashes[member.name] = hashlib.new(self._algorithm, usedforsecurity=False)
        return self._hashes[member.name]

    def manifest(self) -> bytes:
        """Return the manifest of what was copied; a kept one has to agree with it."""
        seal = self._contents.seal
        found = {name: digest.hexdigest() for name, digest in self._hashes.items()}
        if seal is None:
            lines = (
                _line(self._algorithm or "", member.name, found[member.name])
                for member in self._contents.members
            )
            return "".join(lines).encode()
        for member in self._contents.members:
            digest = found[member.name]
            if (due := seal.digests.get(member.name, digest)) != digest:
                raise TransferError(
                    f"{seal.algorithm} digest differs from the manifest"
                    f" (is {digest}, should be {due})",
                    where=member.open().name,
                    hint="It was changed or damaged; fetch it again, or make the manifest anew.",
                )
        return seal.manifest


def _line(algorithm: str, name: str, digest: str) -> str:
    return f"{algorithm}({name})= {digest}\n"


class _Archive:
    """A tar that is being written."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._at = 0

    def add(self, member: Member, digests: _Digests | None, progress: Progress) -> None:
        """Write a member and its header."""
        file = member.open()
        at = self._place(member.name, file.size)
        _copy(file, self._descriptor, at, digests.of(member) if digests else None, progress)

    def reserve(self, name: str, size: int) -> int | None:
        """Write the header of a member whose content comes later, and return its place."""
        return self._place(name, size) if size else None

    def close(self) -> None:
        """Write the end mark."""
        _write(self._descriptor, END, self._at)

    def _place(self, name: str, size: int) -> int:
        block = header(name, size, where=self._name)
        _write(self._descriptor, block, self._at)
        at = self._at + len(block)
        self._at = at + size + padding(size)
        return at


def _copy(
    file: File, into: int | None, at: int, digest: hashlib._Hash | None, progress: Progress
) -> None:
    """Copy a file and digest it in one pass, a few pieces of it in memory at a time."""
    with ThreadPoolExecutor(1) as hashing:
        fed: Future[None] | None = None
        sparing = Sparing(file)
        for offset, length in _steps(file.size, at):
            piece = sparing.pread(offset, length)
            if len(piece) != length:
                raise TransferError("became shorter while it was read", where=file.name)
            if fed is not None:
                fed.result()
            fed = hashing.submit(digest.update, piece) if digest else None
            if into is not None:
                _place(file, offset, piece, into, at + offset)
                progress.advance(len(piece))
        if into is not None:
            os.ftruncate(into, max(os.fstat(into).st_size, at + file.size))


def _steps(size: int, at: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length of each piece of a file; all but the first go to whole blocks.

    Blocks are shared if what is copied begins at a block on both sides: in a tar that is so behind
    the first piece of a member that lies as far from a block as it did in its source.
    """
    offset, length = 0, STEP - at % BLOCK
    while offset < size:
        yield offset, min(length, size - offset)
        offset, length = offset + length, STEP


def _place(file: File, offset: int, piece: bytes, into: int, at: int) -> None:
    """Put a piece where it belongs: as a hole, by the kernel sharing blocks, or by writing it."""
    if piece == ZEROS[: len(piece)]:
        return
    done = 0
    for stretch in file.stretches(offset, len(piece)) or ():
        copied = _copied(stretch.fd, stretch.offset, stretch.length, into, at + done)
        done += copied
        if copied < stretch.length:
            break
    _write(into, piece[done:], at + done)


def _copied(source: int, offset: int, length: int, into: int, at: int) -> int:
    """Return how many bytes the kernel copied by itself; none where it cannot between the two."""
    done = 0
    with suppress(OSError):
        while done < length:
            copied = os.copy_file_range(source, into, length - done, offset + done, at + done)
            if copied == 0:
                break
            done += copied
    return done


def _write(descriptor: int, content: bytes, at: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


@contextmanager
def _created(place: Path) -> Iterator[int]:
    """Make a file that is written at offsets."""
    with writing(place):
        descriptor = os.open(place, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _is_there(member: Member, folder: Path) -> bool:
    file = member.open()
    if not isinstance(file, LocalFile):
        return False
    try:
        there = (folder / member.name).lstat()
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(file.fileno()))
