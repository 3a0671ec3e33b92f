"""Backing files of formats that do not say which format those have.

A format is never guessed from content alone: what a guest wrote to a raw disk may look like any
format. Here the name must say it, by its suffix, and the content must agree.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from converters.disks.gate import Gate
from converters.disks.image import Image
from converters.disks.registry import format_of, formats, open_below
from rehost.errors import DamagedInputError, RefusedError
from rehost.files import File

LONGEST_NAME = 1023
QEMU_NAMES = {"vhd": "vpc"}
"""What QEMU calls formats that have another name here."""

OUR_NAMES = {theirs: ours for ours, theirs in QEMU_NAMES.items()}


def backing_name(file: File, at: int, size: int, what: str) -> str:
    """Read the name of a backing file, ``size`` bytes at ``at``; ``what`` is the format."""
    if size > LONGEST_NAME:
        raise DamagedInputError(
            f"the {what} backing file's name is too long ({size} bytes, at most {LONGEST_NAME})",
            where=file.name,
        )
    name = file.pread(at, size)
    if len(name) < size:
        raise DamagedInputError(
            f"the {what} backing file's name lies behind the end of the file (at {at})",
            where=file.name,
        )
    return name.decode("utf-8", "surrogateescape")


def open_by_suffix(name: str, gate: Gate, *, by: str) -> Image:
    """Open the image below ``by``, in the format that its name says and its content confirms."""
    suffix = PurePosixPath(name).suffix.lower()
    claimed = next((known for known in formats() if suffix in known.suffixes), None)
    if claimed is None:
        raise RefusedError(
            f"does not say which format its backing file has, nor does that file's name ({name!r})",
            where=by,
            hint="A format is never guessed here. Convert it where it was made: "
            "qemu-img convert -O qcow2.",
        )
    found = format_of(gate.open(name, by=by))
    if found.name != claimed.name:
        raise RefusedError(
            f"has a backing file whose name and content disagree on its format ({name!r} is in "
            f"{found.name}, its name says {claimed.name})",
            where=by,
            hint="A format is never guessed here. Convert it where it was made: "
            "qemu-img convert -O qcow2.",
        )
    return open_below(name, gate, by=by, format=claimed.name)
