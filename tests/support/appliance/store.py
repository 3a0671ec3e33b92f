"""The cache of built things: made once, whole or not at all, by one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / ".cache" / "appliance"


@cache
def source_digest() -> str:
    """Return a digest of the builders themselves: when they change, so does what they build."""
    digest = hashlib.sha256()
    for path in sorted((*HERE.glob("*.py"), *HERE.glob("guest/*"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def built(folder: Path, name: str, make: Callable[[Path], None], *inputs: str) -> Path:
    """Return the file ``name`` made from ``inputs``, calling ``make`` where there is none yet.

    ``make`` gets the path to write. The file lies in a folder named after the inputs, and keeps its
    own name there.
    """
    key = hashlib.sha256("\0".join((source_digest(), name, *inputs)).encode()).hexdigest()[:16]
    path = folder / key / name
    if path.exists():
        return path
    with locked(folder):
        if path.exists():
            return path
        with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as scratch:
            make(Path(scratch) / name)
            path.parent.mkdir(exist_ok=True)
            (Path(scratch) / name).rename(path)
    return path


def built_folder(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder ``name`` of downloads, calling ``make`` to fill it the first time."""
    path = folder / name
    if path.is_dir():
        return path
    with locked(folder, name):
        if not path.is_dir():
            scratch = Path(tempfile.mkdtemp(dir=folder, prefix="making-"))
            try:
                make(scratch)
                scratch.rename(path)
            except BaseException:
                shutil.rmtree(scratch)
                raise
    return path


@contextmanager
def locked(folder: Path, name: str = "build") -> Iterator[None]:
    """Hold ``folder`` against other processes that would build the same."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
