"""Builders of packages for the rules of files: a whole signed one, with one thing changed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from tests.ovf.builders import pack, signed_off, with_disk
from tests.ovf.contents.disk_cases import stream

Build = Callable[[Path], Path]
"""Writes a package into a folder and returns its path."""

DISK = stream(65536)
DESCRIPTOR = with_disk("disk.vmdk", f'ovf:size="{len(DISK)}"').encode()
WHOLE = {"web.ovf": DESCRIPTOR, "disk.vmdk": DISK}
SIGNED = signed_off(WHOLE)
SHA1 = "a1" * 20


def ova(**changes: bytes | None) -> Callable[[Path], Path]:
    """Return a builder of a signed OVA with some members changed, added, or left out."""
    members = {**SIGNED, **{name.replace("__", "."): value for name, value in changes.items()}}
    return archive({name: value for name, value in members.items() if value is not None})


def archive(members: dict[str, bytes], name: str = "x.ova") -> Callable[[Path], Path]:
    return lambda folder: pack(folder / name, members)


def in_form(form: int) -> Callable[[Path], Path]:
    return lambda folder: pack(folder / "x.ova", SIGNED, form=form)


def compressed(folder: Path) -> Path:
    path = folder / "x.ova"
    path.write_bytes(gzip.compress(pack(folder / "plain", SIGNED).read_bytes()))
    return path


def with_href(href: str, more: str = "") -> Callable[[Path], Path]:
    return archive({"web.ovf": with_disk(href, more).encode()})


def chunked(*sizes: int) -> Callable[[Path], Path]:
    chunks = {f"disk.vmdk.{n:09}": bytes(size) for n, size in enumerate(sizes)}
    return archive({"web.ovf": with_disk("disk.vmdk", 'ovf:chunkSize="10"').encode(), **chunks})


def listing(text: str) -> Callable[[Path], Path]:
    return ova(web__mf=text.encode())
