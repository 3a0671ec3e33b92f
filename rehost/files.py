"""Bytes at offsets: the one thing disk formats and packages read from.

A ``File`` has a size and is read at offsets, by any number of threads at once. A local file, a
stretch of another file (a member of a tar), several files one behind the other (chunks) and a
gzip stream are Files, so a VMDK inside an OVA is read where it lies.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from rehost.errors import DamagedInputError, EnvironmentFailureError, RefusedError, TransferError

INFLATE_STEP = 1 << 20
FIRST_SPACING = 4 << 20
MOST_CHECKPOINTS = 256
GZIP = 31
GZIP_MAGIC = b"\x1f\x8b"


class Stretch(NamedTuple):
    """Where bytes really lie: ``length`` bytes at ``offset`` of the local file ``fd``."""

    fd: int
    offset: int
    length: int


class File(Protocol):
    """Bytes that can be read at any offset. ``name`` is for messages."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def size(self) -> int:
        """The number of bytes in it."""

    def pread(self, offset: int, length: int) -> bytes:
        """Return the bytes at ``offset``: fewer than ``length`` only at the end of the file."""

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return where these bytes lie in local files, or None where they have to be computed."""


class LocalFile:
    """A regular file or block device of this computer, opened for reading only."""

    _fd = -1

    def __init__(self, path: Path, *, follow: bool = True) -> None:
        """Open ``path``; with ``follow`` off, a symbolic link in its last place is refused."""
        self.name = str(path)
        self.path = path
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
        try:
            self._fd = os.open(path, flags)
        except FileNotFoundError:
            raise DamagedInputError("no such file", where=self.name) from None
        except OSError as error:
            if error.errno == errno.ELOOP and not follow:
                raise RefusedError("is a symbolic link", where=self.name) from None
            raise EnvironmentFailureError(
                f"cannot be opened ({error.strerror})", where=self.name
            ) from error
        mode = os.fstat(self._fd).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            self.close()
            raise RefusedError("is neither a file nor a block device", where=self.name)
        try:
            self.size = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            self.close()
            raise RefusedError(f"has no size ({error.strerror})", where=self.name) from None

    def pread(self, offset: int, length: int) -> bytes:
        """Read, asking again where the kernel hands over less than it has."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        try:
            found = os.pread(self._fd, length, offset)
            while len(found) < length:
                more = os.pread(self._fd, length - len(found), offset + len(found))
                if not more:
                    break
                found += more
        except OSError as error:
            raise TransferError(
                f"cannot be read ({error.strerror})", where=f"{self.name} at {offset}"
            ) from error
        return found

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return the one stretch this is."""
        return [Stretch(self._fd, offset, length)]

    def fileno(self) -> int:
        """Return the descriptor, for SEEK_HOLE and for copying inside the kernel."""
        return self._fd

    def close(self) -> None:
        """Give the descriptor back; reading afterwards is a bug."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


class Held:
    """Bytes in memory, for what is small and made on the spot."""

    def __init__(self, content: bytes, name: str) -> None:
        self.content = content
        self.size = len(content)
        self.name = name

    def pread(self, offset: int, length: int) -> bytes:
        """Return a slice."""
        return self.content[offset : offset + length]

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return None: these bytes lie in no file."""
        return None


class Window:
    """A stretch of another file under a name of its own, such as a member of a tar."""

    def __init__(self, inner: File, offset: int, size: int, name: str) -> None:
        self.inner = inner
        self.offset = offset
        self.size = size
        self.name = name

    def pread(self, offset: int, length: int) -> bytes:
        """Read inside the window only."""
        length = min(length, self.size - offset)
        return b"" if length <= 0 else self.inner.pread(self.offset + offset, length)

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Ask the file around; what reaches behind the end of the window lies nowhere."""
        if offset + length > self.size:
            return None
        return self.inner.stretches(self.offset + offset, length)


class Joined:
    """Several files read as one, in order: the chunks of ``ovf:chunkSize``."""

    def __init__(self, parts: Sequence[File], name: str) -> None:
        self.parts = tuple(parts)
        self.name = name
        self._starts = [0]
        for part in self.parts:
            self._starts.append(self._starts[-1] + part.size)
        self.size = self._starts[-1]

    def _pieces(self, offset: int, length: int) -> list[tuple[File, int, int]]:
        pieces = []
        end = min(offset + length, self.size)
        while offset < end:
            number = bisect_right(self._starts, offset) - 1
            stop = min(end, self._starts[number + 1])
            pieces.append((self.parts[number], offset - self._starts[number], stop - offset))
            offset = stop
        return pieces

    def pread(self, offset: int, length: int) -> bytes:
        """Read across the seams."""
        return b"".join(part.pread(*place) for part, *place in self._pieces(offset, length))

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return the stretches of all parts touched, or None if one has none."""
        found: list[Stretch] = []
        for part, start, size in self._pieces(offset, length):
            inner = part.stretches(start, size)
            if inner is None:
                return None
            found += inner
        return found


class Reopened:
    """A file that is open only while it is read, for one of more than may be open at once."""

    def __init__(self, opened: Callable[[], File]) -> None:
        self._opened = opened
        found = opened()
        self.name, self.size = found.name, found.size

    def pread(self, offset: int, length: int) -> bytes:
        """Open it, and read."""
        return self._opened().pread(offset, length)

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return None: no local file stays open."""
        return None


class _Checkpoint(NamedTuple):
    plain: int
    packed: int
    state: zlib._Decompress


class Inflated:
    """The plain bytes of a gzip stream, at any offset, without unpacking it to disk.

    Reading forwards costs one pass. Reading backwards resumes from the nearest of at most
    ``MOST_CHECKPOINTS`` saved states, whose spacing doubles as the stream grows, so memory stays
    bounded (each state holds a 32 KiB window). The size is known after the first whole pass.
    """

    def __init__(self, inner: File, name: str) -> None:
        self.inner = inner
        self.name = name
        self._lock = threading.Lock()
        self._spacing = FIRST_SPACING
        self._checkpoints = [_Checkpoint(0, 0, zlib.decompressobj(GZIP))]
        self._at = _Checkpoint(0, 0, zlib.decompressobj(GZIP))
        self._recent = (0, b"")
        self._size: int | None = None

    @property
    def size(self) -> int:
        """The number of plain bytes, found by reading to the end the first time."""
        if self._size is None:
            with self._lock:
                while self._size is None:
                    self._step()
        return self._size

    def pread(self, offset: int, length: int) -> bytes:
        """Read, going on from the last place or the nearest checkpoint before ``offset``."""
        found = bytearray()
        with self._lock:
            while len(found) < length:
                at = offset + len(found)
                start, plain = self._recent
                if not start <= at < start + len(plain):
                    if self._size is not None and at >= self._size:
                        break
                    self._seek(at)
                    self._step()
                else:
                    found += plain[at - start : at - start + length - len(found)]
        return bytes(found)

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return None: these bytes lie nowhere."""
        return None

    def _seek(self, offset: int) -> None:
        best = max(
            (point for point in self._checkpoints if point.plain <= offset), key=lambda p: p.plain
        )
        if not best.plain <= self._at.plain <= offset:
            self._at = best._replace(state=best.state.copy())

    def _step(self) -> None:
        """Inflate the next stretch into ``_recent``, leaving a checkpoint now and then."""
        start, packed_at, state = self._at
        packed = self.inner.pread(packed_at, INFLATE_STEP >> 2)
        try:
            plain = state.decompress(packed, INFLATE_STEP)
        except zlib.error as error:
            raise DamagedInputError(
                f"gzip stream is damaged ({error})", where=f"{self.name} at {packed_at}"
            ) from error
        # At its end a stream may show what is left in both places, so only one may be counted.
        packed_at += len(packed) - len(state.unused_data if state.eof else state.unconsumed_tail)
        if state.eof and self.inner.pread(packed_at, 2) == GZIP_MAGIC:
            state = zlib.decompressobj(GZIP)
        elif state.eof:
            self._size = start + len(plain)
        elif not packed and not plain:
            raise DamagedInputError(
                "gzip stream ends early",
                where=f"{self.name} at {packed_at}",
                hint="The file is cut short; copy it again.",
            )
        self._recent = (start, plain)
        self._at = _Checkpoint(start + len(plain), packed_at, state)
        self._remember()

    def _remember(self) -> None:
        if self._at.plain < self._checkpoints[-1].plain + self._spacing or self._at.state.eof:
            return
        self._checkpoints.append(self._at._replace(state=self._at.state.copy()))
        if len(self._checkpoints) > MOST_CHECKPOINTS:
            self._checkpoints = self._checkpoints[::2]
            self._spacing *= 2


def read_all(file: File, most: int) -> bytes:
    """Return the whole of a small file, refusing one larger than ``most`` bytes."""
    found = file.pread(0, most + 1)
    if len(found) > most:
        raise RefusedError(f"is too large (at most {most} bytes are read)", where=file.name)
    return found


def parts_beneath(name: str, *, by: str) -> list[str]:
    """Split a name from an untrusted document ``by``, refusing one that leads out of its folder.

    Steps that lead nowhere are left out.
    """
    parts = name.replace("\\", "/").split("/")
    if not name or "\0" in name or not parts[0] or ".." in parts or ":" in parts[0]:
        raise RefusedError(
            f"names a file outside its own folder ({name!r})",
            where=by,
            hint="A package may only use files beside it; do not trust this one.",
        )
    return [part for part in parts if part not in {"", "."}]


def is_folder(path: Path) -> bool:
    """Say whether a folder is there; what cannot be looked up is none, and says why when opened."""
    try:
        return path.is_dir()
    except OSError:
        return False


def open_beneath(folder: Path, name: str, *, by: str) -> LocalFile:
    """Open ``name`` below ``folder`` for an untrusted document ``by`` which names it.

    Names that lead outside, symbolic links at any step, and anything but a regular file are
    refused.
    """
    path = folder
    for part in parts_beneath(name, by=by):
        path = path / part
        mode = _mode(path, name, by)
        if mode is None:
            raise DamagedInputError(f"names a file that does not exist ({name!r})", where=by)
        if stat.S_ISLNK(mode):
            raise RefusedError(
                f"names a symbolic link ({name!r})",
                where=by,
                hint="Replace the link by the file it stands for, if you trust it.",
            )
    if not path.is_file():
        raise RefusedError(f"names something that is not a file ({name!r})", where=by)
    return LocalFile(path, follow=False)


def _mode(path: Path, name: str, by: str) -> int | None:
    """Return what lies at ``path``, a link not followed, or nothing if nothing does."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError, UnicodeEncodeError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise DamagedInputError(
                f"names a file by too long a name ({len(name)} characters)", where=by
            ) from None
        raise EnvironmentFailureError(
            f"names a file that cannot be looked up ({name!r}: {error.strerror})", where=by
        ) from error
