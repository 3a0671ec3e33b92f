"""Results that appear whole or not at all.

Files are written into a staging folder beside their final names, synced, and renamed when all is
well. The folder is locked while its run lives: a second run at the same place is refused, and what
a killed run left is removed by the next one, unless that one means to go on from there. Nothing in
a staging folder is ever a result.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from rehost.errors import EnvironmentFailureError, RefusedError, UsageError

STAGING = ".rehost-partial"
LOCK = "lock"
LONGEST_NAME = 255


class Staging:
    """A set of files that come into ``folder`` together, in the order they were named.

    Use it as a context: leaving it without ``commit`` removes everything it wrote, unless it is to
    be gone on with (``resume``).
    """

    def __init__(
        self, folder: Path, name: str, *, force: bool = False, resume: bool = False
    ) -> None:
        """Stage files for ``folder``; ``name`` tells this set from others being made there."""
        self.folder = folder
        self._place = folder / _staging_name(name)
        self._force = force
        self._resume = resume
        self._committed = False
        self._names: list[str] = []
        self._made_folder: Path | None = None
        self._lock = -1

    def __enter__(self) -> Self:
        with writing(self.folder):
            self._made_folder = _make_folders(self.folder)
            self._lock = self._locked()
            for left in self._place.iterdir():
                if left.name != LOCK and not self._resume:
                    _remove(left)
        return self

    def _locked(self) -> int:
        """Lock the staging folder, making it anew where its last run is just removing it."""
        lock = self._place / LOCK
        while True:
            with suppress(FileExistsError):
                self._place.mkdir(parents=True)
            try:
                descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue
            if not _flocked(descriptor):
                os.close(descriptor)
                raise RefusedError(
                    "another run is writing here",
                    where=str(self.folder),
                    hint="Wait until it ends.",
                )
            if _same_file(descriptor, lock):
                return descriptor
            os.close(descriptor)

    def aside(self, name: str) -> Path:
        """Return a place for what helps to make the set and never appears."""
        return self._place / name

    def path(self, name: str, *, before: str | None = None) -> Path:
        """Return where to write the file that will be ``folder / name``.

        It appears after those named so far, or just ``before`` one of them. A name may have folders
        in it, which are made, but never one that leads elsewhere.
        """
        parts = name.split("/")
        if any(part in {"", ".", ".."} or "\0" in part for part in parts) or parts[0] == LOCK:
            raise RefusedError(f"is no name for an output ({name!r})", where=str(self.folder))
        self._refuse_links(parts[:-1])
        self._refuse_taken(name)
        if name in self._names:
            raise RefusedError("would be written twice", where=str(self.folder / name))
        self._names.insert(self._names.index(before) if before else len(self._names), name)
        place = self._place / name
        if len(parts) > 1:
            with writing(place):
                place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def commit(self) -> None:
        """Make every file durable, then give each its final name; the last named comes last."""
        with writing(self.folder):
            for name in self._names:
                _sync(self._place / name)
            for name in self._names:
                self._refuse_taken(name)
            for name in self._names:
                with writing(self.folder / name):
                    if "/" in name:
                        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (self._place / name).replace(self.folder / name)
            for folder in {(self.folder / name).parent for name in self._names} | {self.folder}:
                _sync(folder)
        self._made_folder = None
        self._committed = True

    def _refuse_links(self, folders: list[str]) -> None:
        place = self.folder
        for part in folders:
            place /= part
            if place.is_symlink():
                raise RefusedError(
                    "is a symbolic link, through which nothing is written",
                    where=str(place),
                    hint="Remove the link, or name another output.",
                )

    def _refuse_taken(self, name: str) -> None:
        if not self._force and os.path.lexists(self.folder / name):
            raise RefusedError(
                "exists already",
                where=str(self.folder / name),
                hint="Name another output, or pass --force to replace it.",
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._resume and not self._committed:
            os.close(self._lock)
            return
        shutil.rmtree(self._place, ignore_errors=True)
        os.close(self._lock)
        if self._made_folder is not None:
            _remove_empty(self.folder, self._made_folder)


@contextmanager
def staged(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield where to write one file that appears as ``path`` if the block ends well."""
    with Staging(path.parent, path.name, force=force) as staging:
        yield staging.path(path.name)
        staging.commit()


def refuse_clashes(written: Sequence[Path], read: Iterable[Path] = ()) -> None:
    """Refuse outputs that are one file, and such as would replace what is read to make them."""
    for number, path in enumerate(written):
        if any(_one_place(path, other) for other in written[:number]):
            raise UsageError(
                "is named for two outputs",
                where=str(path),
                hint="Give each a name of its own.",
            )
    for source in read:
        for path in written:
            if _one_place(path, source):
                raise RefusedError(
                    "would replace what is read", where=str(path), hint="Name another output."
                )


def _one_place(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one.resolve() == other.resolve()


@contextmanager
def writing(where: Path) -> Iterator[None]:
    """Turn the system's refusals to write into errors that name the place."""
    try:
        yield
    except OSError as error:
        hint = ""
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            hint = "Free some space, or write to another disk; nothing was left behind."
        raise EnvironmentFailureError(
            f"cannot be written ({error.strerror})", where=str(_final(where)), hint=hint
        ) from error


def _final(path: Path) -> Path:
    """Return the name a staged file will have, for it is the one the user knows."""
    for folder in path.parents:
        if folder.name.startswith(STAGING):
            return folder.parent / path.relative_to(folder)
    return path


def _make_folders(folder: Path) -> Path | None:
    """Make a folder and its parents; return the topmost one made, if any was."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[-1] if missing else None


def _remove(left: Path) -> None:
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left)
    else:
        left.unlink()


def _remove_empty(folder: Path, topmost: Path) -> None:
    for place in (folder, *folder.parents):
        try:
            place.rmdir()
        except OSError:
            return
        if place == topmost:
            return


def _staging_name(name: str) -> str:
    """Return the staging folder's name, which must not be longer than a file's may be."""
    full = f"{STAGING}-{name}"
    if len(os.fsencode(full)) <= LONGEST_NAME:
        return full
    return f"{STAGING}-{sha256(os.fsencode(name)).hexdigest()}"


def _flocked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
