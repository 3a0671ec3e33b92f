"""XVAs written and read by Python's own tarfile and hashlib, as xapi lays them out."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import xxhash

MIB = 1 << 20
EMPTY = b"<?xml version='1.0'?><value><struct/></value>"
Entry = tuple[str, bytes]


def sha1(content: bytes) -> bytes:
    """Return what a ``.checksum`` holds."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest().encode()


def chunks_of(ref: str, content: bytes, *, kind: str = "sha1", step: int = MIB) -> list[Entry]:
    """Return the members of a disk: chunks of zeros are left out, but not the first and last."""
    found: list[Entry] = []
    last = max(0, -(-len(content) // step) - 1)
    for number in range(last + 1):
        chunk = content[number * step : (number + 1) * step]
        if number not in {0, last} and not chunk.strip(b"\0"):
            continue
        name = f"{ref}/{number:08d}"
        found.append((name, chunk))
        if kind == "sha1":
            found.append((f"{name}.checksum", sha1(chunk)))
        elif kind == "xxhash":
            found.append((f"{name}.xxhash", xxhash.xxh64_hexdigest(chunk).upper().encode()))
    return found


def tar_of(entries: Iterable[Entry], *, head: bytes | None = EMPTY) -> bytes:
    """Return a tar of members, behind ``ova.xml``."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in [*([("ova.xml", head)] if head is not None else []), *entries]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def unpacked(path: Path, ref: str = "Ref:0") -> tuple[bytes, list[str]]:
    """Return the disk in an XVA as Python reads it, every chunk verified, and all names."""
    content = bytearray()
    with tarfile.open(path, "r:") as tar:
        members = {member.name: member for member in tar.getmembers()}
        for name in list(members):
            if not name.startswith(f"{ref}/") or "." in name:
                continue
            at = int(name.partition("/")[2]) * MIB
            file = tar.extractfile(members[name])
            assert file is not None
            chunk = file.read()
            [beside] = {f"{name}.checksum", f"{name}.xxhash"} & members.keys()
            stored = tar.extractfile(members[beside])
            assert stored is not None
            digits = stored.read()
            if beside.endswith("checksum"):
                assert digits == sha1(chunk)
            else:
                assert digits == xxhash.xxh64_hexdigest(chunk).upper().encode()
            content[len(content) :] = bytes(at - len(content))
            content += chunk
    return bytes(content), list(members)
