"""Finding the disk below a differencing VDI, which is known by its identifiers alone.

VirtualBox looks it up in its registry of media; here the files beside the disk are looked through.
Those in other formats, and broken ones, are none that could be meant.
"""

from __future__ import annotations

from converters.disks.formats.vdi import SIGNATURE, SIGNATURE_AT
from converters.disks.formats.vdi.header import NOTHING, Header
from converters.disks.formats.vdi.header import identifier_of as written
from converters.disks.gate import Gate, names_beside
from converters.disks.image import Image
from converters.disks.registry import open_below
from rehost.errors import DamagedInputError, InteropError, RefusedError
from rehost.files import File


def open_parent(file: File, header: Header, gate: Gate) -> tuple[Image, tuple[str, ...]]:
    """Open the disk below, and say what is odd if it was changed since."""
    if header.parent == NOTHING:
        raise DamagedInputError(
            "stores only differences, but does not name the disk below it", where=file.name
        )
    known = _with_identifier(file, header.parent, gate)
    said = header.parent_modification
    exact = {name: found for name, found in known.items() if said in {NOTHING, found}}
    name, *others = exact or known or [""]
    if others:
        raise RefusedError(
            f"has more than one disk beside it that could be below it ({name!r} and {others[0]!r})",
            where=file.name,
            hint="Move away the one that it was not made from.",
        )
    if not name:
        raise DamagedInputError(
            f"stores only differences to another VDI ({written(header.parent)}), "
            "which is not beside it",
            where=file.name,
            hint="Put the disk it was made from into the same folder, under any name.",
        )
    odd = (
        f"the disk below it was changed since (its modification is {written(known[name])}, "
        f"should be {written(said)})"
    )
    return open_below(name, gate, by=file.name, format="vdi"), () if name in exact else (odd,)


def _with_identifier(file: File, wanted: bytes, gate: Gate) -> dict[str, bytes]:
    """Return the VDIs beside ``file`` that have an identifier, and their modifications."""
    found = {}
    for name in names_beside(gate, by=file.name):
        header = _header_of(gate.open(name, by=file.name))
        if header is not None and header.identifier == wanted:
            found[name] = header.modification
    return found


def _header_of(file: File) -> Header | None:
    """Return the header of a sound VDI."""
    if file.pread(SIGNATURE_AT, len(SIGNATURE)) != SIGNATURE:
        return None
    try:
        return Header.read(file)
    except InteropError:
        return None
