"""Files before they are on any disk: a tree that becomes a cpio archive or a folder.

The cpio form is ``newc`` as the kernel's documentation describes it
(driver-api/early-userspace/buffer-format). Every entry is root's and of time zero.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

MAGIC = b"070701"
TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder, symbolic link (``content`` is where it points) or character device."""

    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Tree:
    """Entries by their path without a leading slash; folders come before what is in them."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def folder(self, *paths: str) -> None:
        """Add folders and those above them."""
        for path in paths:
            for place in reversed((PurePosixPath(path), *PurePosixPath(path).parents)):
                if place.name:
                    self.entries.setdefault(str(place), Entry(stat.S_IFDIR | 0o755))

    def file(self, path: str, content: bytes | str, *, executable: bool = False) -> None:
        """Add a file and the folders above it."""
        self.folder(str(PurePosixPath(path).parent))
        plain = content.encode() if isinstance(content, str) else content
        self.entries[path] = Entry(stat.S_IFREG | (0o755 if executable else 0o644), plain)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self.folder(str(PurePosixPath(path).parent))
        self.entries[path] = Entry(stat.S_IFLNK | 0o777, target.encode())

    def terminal(self, path: str, major: int, minor: int) -> None:
        """Add a character device."""
        self.folder(str(PurePosixPath(path).parent))
        self.entries[path] = Entry(stat.S_IFCHR | 0o600, device=(major, minor))

    def cpio(self) -> bytes:
        """Return the tree as a ``newc`` archive."""
        records = [*self.entries.items(), (TRAILER, Entry(0))]
        return b"".join(_record(number, *record) for number, record in enumerate(records, 1))

    def write(self, folder: Path) -> None:
        """Write the tree below ``folder``; devices are left out, for they need root."""
        folder.chmod(0o755)
        for path, entry in self.entries.items():
            place = folder / path
            if stat.S_ISDIR(entry.mode):
                place.mkdir(parents=True, exist_ok=True)
                place.chmod(stat.S_IMODE(entry.mode))
            elif stat.S_ISLNK(entry.mode):
                place.symlink_to(entry.content.decode())
            elif stat.S_ISREG(entry.mode):
                place.write_bytes(entry.content)
                place.chmod(stat.S_IMODE(entry.mode))
        for path in (*self.entries, "."):
            os.utime(folder / path, (0, 0), follow_symlinks=False)


def _record(number: int, path: str, entry: Entry) -> bytes:
    name = path.encode() + b"\0"
    links, times, owner = 1, 0, (0, 0)
    numbers = (
        *(number, entry.mode, *owner, links, times, len(entry.content)),
        *(0, 0, *entry.device, len(name), 0),
    )
    header = MAGIC + b"".join(b"%08x" % value for value in numbers)
    return _padded(header + name) + _padded(entry.content)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)
