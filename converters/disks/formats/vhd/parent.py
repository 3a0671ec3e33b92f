"""Finding the disk below a differencing VHD, which is named in several ways.

Only the relative name is followed, through the gate. Where nothing lies there, as when a chain was
moved into one folder, the last part of the other names is looked for beside the disk.
"""

from __future__ import annotations

import re

from converters.disks.formats.vhd.footer import identifier_of
from converters.disks.formats.vhd.header import ABSOLUTE, RELATIVE, Header
from converters.disks.gate import Gate
from converters.disks.image import Image
from converters.disks.registry import open_below
from rehost.errors import DamagedInputError, RefusedError
from rehost.files import File


def open_parent(file: File, header: Header, gate: Gate) -> Image:
    """Open the disk below, refusing one that is not the very disk this one was made from."""
    name = _findable(file, _names(file, header), gate)
    parent = open_below(name, gate, by=file.name, format="vhd")
    wanted, found = identifier_of(header.parent_identifier), parent.facts.details["identifier"]
    if wanted != found:
        raise DamagedInputError(
            f"the disk below it is not the one it was made from ({name!r} is {found}, "
            f"should be {wanted})",
            where=file.name,
            hint="Put the disk it was made from beside it, under the same name.",
        )
    return parent


def _names(file: File, header: Header) -> list[str]:
    """Return the names to try, the relative one first."""
    located = header.names(file)
    relative = located.get(RELATIVE, "")
    others = (relative, header.parent_name, located.get(ABSOLUTE, ""))
    names = [relative, *(re.split(r"[\\/]", other)[-1] for other in others)]
    return list(dict.fromkeys(name for name in names if name))


def _findable(file: File, names: list[str], gate: Gate) -> str:
    """Return the first name under which the gate has a file."""
    first: DamagedInputError | RefusedError | None = None
    for name in names:
        try:
            gate.open(name, by=file.name)
        except (DamagedInputError, RefusedError) as error:
            first = first or error
        else:
            return name
    raise first or DamagedInputError(
        "stores only differences, but does not name the disk below it", where=file.name
    )
