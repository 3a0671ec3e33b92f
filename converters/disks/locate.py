"""Where a disk named on the command line lies: a file, a device, a web server, or an archive there.

A member of an archive is named as messages name it, ``appliance.ova!disk1.vmdk``; a file that
really has such a name wins. What comes back is the file and the gate that says which others it may
name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from converters.disks.gate import ClosedGate, FolderGate, Gate, check_neighbours
from converters.disks.image import Image
from converters.disks.registry import NOTHING_MORE, RAW, Access, formats, open_image
from rehost.archive import BLOCK, Archive, is_apple_double, looks_like_tar, read_archive
from rehost.errors import DamagedInputError, UsageError
from rehost.files import GZIP_MAGIC, File, Inflated, LocalFile, Window, parts_beneath, read_all

MARK = "!"
URL = re.compile("https?://", re.IGNORECASE)
ARCHIVES = frozenset({".ova", ".tar", ".box"})
PACKED_ARCHIVES = (".ova.gz", ".tar.gz", ".tgz")
OPTICAL = ".iso"
DESCRIPTION = "DiskDescriptor.xml"
"""What a folder holds that is a disk of Parallels."""
MOST_LISTED = 10
LONGEST_PASSPHRASE = 4096


@dataclass(frozen=True, slots=True)
class Located:
    """A disk's file, and the gate of what it may name; ``file.name`` is for messages."""

    file: File
    gate: Gate


class ArchiveGate:
    """Lets a member of an archive name other members of it, from its own folder downwards."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._members = {member.name: member for member in archive.members}

    def open(self, name: str, *, by: str) -> File:
        """Return the window of another member."""
        parts = [part for part in parts_beneath(name, by=by) if part not in {"", "."}]
        beside = PurePosixPath(by.removeprefix(self._archive.where(""))).parent
        found = self._members.get(str(beside.joinpath(*parts)))
        if found is None:
            raise DamagedInputError(f"names a file that does not exist ({name!r})", where=by)
        return self._archive.window(found)

    def beside(self, by: str) -> list[str]:
        """Return the names of the members in the folder of ``by``."""
        folder = PurePosixPath(by.removeprefix(self._archive.where(""))).parent
        paths = map(PurePosixPath, self._members)
        found = [path.name for path in paths if path.parent == folder]
        check_neighbours(len(found), by)
        return sorted(found)


class SiteGate:
    """Lets a file of a web server name others there, in its own folder and below."""

    def __init__(self, url: str) -> None:
        from rehost.ranges import Address

        parts = urlsplit(url)
        self._netloc = parts.netloc
        self._folder = Address.parse(url).name.rpartition("/")[0] + "/"

    def open(self, name: str, *, by: str) -> File:
        """Open what lies at a relative name; the server may not send us to another one."""
        from rehost.remote import RemoteFile

        path = "/".join(quote(part) for part in parts_beneath(name, by=by) if part not in {"", "."})
        beside = by.rpartition("/")[0] + "/"
        inside = beside.startswith(self._folder)
        url = urljoin(beside if inside else self._folder, path)
        url = urlsplit(url)._replace(netloc=self._netloc).geturl()
        return RemoteFile(url, roam=False)


def located(source: str) -> Located:
    """Find what SOURCE names: a path, a URL, or ``ARCHIVE!MEMBER``.

    An archive that holds one disk may stand for it.
    """
    if URL.match(source):
        return _remote(source)
    path = Path(source)
    if path.is_dir() and (described := path / DESCRIPTION).is_file():
        return Located(LocalFile(described), FolderGate(path))
    if os.path.lexists(path):
        return _whole(LocalFile(path), FolderGate(path.parent), is_device=path.is_block_device())
    for at in reversed([at for at, letter in enumerate(source) if letter == MARK]):
        if os.path.isfile(source[:at]):  # noqa: PTH113 - a path may be one that Path refuses
            return _member(LocalFile(Path(source[:at])), source[at + 1 :])
    raise UsageError("no such file", where=source)


def _remote(url: str) -> Located:
    """Find a file of a web server, or a member of an archive there."""
    from rehost.remote import RemoteFile

    for at in (found.start() for found in re.finditer(MARK, url)):
        if PurePath(urlsplit(url[:at]).path).suffix.lower() in ARCHIVES:
            return _member(RemoteFile(url[:at]), url[at + 1 :])
    return _whole(RemoteFile(url), SiteGate(url), is_device=False)


def open_source(
    source: str,
    *,
    format: str | None = None,  # noqa: A002
    access: Access = NOTHING_MORE,
) -> Image:
    """Open the image that SOURCE names; its format is recognised unless it is named."""
    found = located(source)
    return open_image(found.file, found.gate, format=format, access=access)


def access_of(asked: Mapping[str, Any]) -> Access:
    """Return what the options ``--snapshot`` and ``--passphrase-file`` say."""
    path, snapshot = asked.get("passphrase_file"), asked.get("snapshot")
    if path is None:
        return Access(snapshot)
    lines = read_all(LocalFile(path), LONGEST_PASSPHRASE).splitlines() or [b""]
    return Access(snapshot, lines[0].decode("utf-8", "surrogateescape"))


def _whole(file: File, gate: Gate, *, is_device: bool) -> Located:
    """Return a file itself, or the one disk in it if it is an archive."""
    if is_device or not _is_archive(file):
        return Located(file, gate)
    archive = _archive(file)
    disks = [member.name for member in archive.members if _is_disk(archive, member.name)]
    if len(disks) > 1:
        disks = [name for name in disks if PurePath(name).suffix.lower() != OPTICAL] or disks
    if len(disks) == 1:
        return _in(archive, disks[0])
    raise UsageError(
        "holds several disks" if disks else "holds no file that is named like a disk",
        where=file.name,
        hint=_choice(archive, disks or [member.name for member in archive.members]),
    )


def _member(file: File, name: str) -> Located:
    """Return a member of an archive by its name, or a disk of a format that is an archive."""
    if any(known.holds_disks and known.recognise(file) for known in formats()):
        return Located(Window(file, 0, file.size, f"{file.name}{MARK}{name}"), ClosedGate())
    archive = _archive(file)
    plain = "/".join(part for part in name.split("/") if part not in {"", "."})
    names = [member.name for member in archive.members]
    if plain not in names:
        raise UsageError(
            f"has no member of that name ({name!r})", where=file.name, hint=_choice(archive, names)
        )
    return _in(archive, plain)


def _in(archive: Archive, name: str) -> Located:
    [member] = [each for each in archive.members if each.name == name]
    return Located(archive.window(member), ArchiveGate(archive))


def _archive(file: File) -> Archive:
    if file.pread(0, len(GZIP_MAGIC)) == GZIP_MAGIC:
        file = Inflated(file, file.name)
    return read_archive(file)


def _is_archive(file: File) -> bool:
    """Say whether a file is an archive by its name or, where that means no disk, its content."""
    name = PurePath(file.name)
    suffix = name.suffix.lower()
    if suffix in ARCHIVES or name.name.lower().endswith(PACKED_ARCHIVES):
        return True
    return suffix not in _suffixes() and looks_like_tar(file.pread(0, BLOCK))


def _is_disk(archive: Archive, name: str) -> bool:
    """Say whether a member is a disk by its suffix; where it has none, by its content."""
    suffix = PurePath(name).suffix.lower()
    if suffix or is_apple_double(name):
        return suffix in _suffixes() and not is_apple_double(name)
    window = _in(archive, name).file
    return any(known.recognise(window) for known in formats() if known.name != RAW)


def _suffixes() -> frozenset[str]:
    return frozenset(suffix for known in formats() for suffix in known.suffixes)


def _choice(archive: Archive, names: list[str]) -> str:
    """Say which members could be named."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    listed = ", ".join(archive.where(name) for name in names[:MOST_LISTED])
    return f"Name one of its members: {listed}{more}."
