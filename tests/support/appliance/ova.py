"""Packages by hand: tar archives and manifests with anything in them, right or wrong.

Spec: DSP0243 1.1.1, clauses 5.1 "OVF package structure" (manifest) and 5.3 "Distribution as a
single file" (USTAR, order of members).
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

TarFormat = Literal["ustar", "gnu", "pax"]
Spelling = Literal["vmware", "virtualbox", "virtualbox-4"]
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
SPELLINGS = {
    "vmware": "{algorithm}({name})= {digest}\n",
    "virtualbox": "{algorithm} ({name}) = {digest}\n",
    "virtualbox-4": "{algorithm} ({name})= {digest}\n",
}
"""How producers spell a manifest line; VirtualBox up to 4.2 did it differently from later ones."""

Content = bytes | Path
Member = tuple[str, Content] | tarfile.TarInfo


def write_tar(path: Path, members: Iterable[Member], *, format: TarFormat = "ustar") -> Path:  # noqa: A002 - the word of the trade
    """Write an archive of these members, in this order, and return its path.

    A member is a name with its bytes or the file they are in, or a ``TarInfo`` for what has no
    bytes: a link, a device, a folder. Names are taken as they are and may come twice.
    """
    with tarfile.open(path, "w", format=FORMATS[format]) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            if isinstance(content, Path):
                info.size = content.stat().st_size
                with content.open("rb") as file:
                    archive.addfile(info, file)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def special_member(name: str, kind: bytes, *, target: str = "") -> tarfile.TarInfo:
    """Return a member of any tar type, such as ``tarfile.SYMTYPE`` to ``target``."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def manifest_text(
    files: Iterable[tuple[str, Content]],
    *,
    algorithm: str = "SHA256",
    spelling: Spelling = "vmware",
) -> str:
    """Return a manifest of these files in the words of one producer."""
    return "".join(
        SPELLINGS[spelling].format(
            algorithm=algorithm, name=name, digest=digest_of(content, algorithm)
        )
        for name, content in files
    )


def digest_of(content: Content, algorithm: str) -> str:
    """Return the digest of some bytes, or of a file, in hexadecimal."""
    name = algorithm.lower().replace("-", "")
    if isinstance(content, bytes):
        return hashlib.new(name, content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()
