"""Finding the disk below a differencing VHD, which is named in several ways.

Only the relative name is followed, through the gate. Where nothing lies there, as when a chain was
moved into one folder, the last part of the other names is looked for beside the disk.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote
from uuid import UUID

from converters.disks.formats.vhd.footer import identifier_of
from converters.disks.formats.vhd.header import (
    ABSOLUTE,
    LONGEST_PARENT_NAME,
    MACINTOSH,
    RELATIVE,
    Header,
    Link,
)
from converters.disks.gate import Gate
from converters.disks.image import Image
from converters.disks.registry import Base, open_below
from rehost.errors import DamagedInputError, RefusedError, UsageError
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


def link(base: Base) -> Link:
    """Return how a new disk names the one below it: as Windows does, and as XenServer."""
    if base.format != "vhd":
        raise UsageError(
            f"a VHD stores differences to a VHD only (the base {base.name!r} is {base.format})",
            hint="Convert the base to VHD first.",
        )
    path = PurePosixPath(base.name)
    if len(_windows(path.name)) > LONGEST_PARENT_NAME * 2:
        raise UsageError(
            f"the base has too long a name for a VHD ({len(path.name)} characters, "
            f"at most {LONGEST_PARENT_NAME})"
        )
    details = base.image.facts.details
    return Link(
        identifier=UUID(str(details["identifier"])).bytes,
        timestamp=int(str(details["timestamp"])),
        name=path.name,
        locators=_locators(path),
    )


def _locators(path: PurePosixPath) -> dict[bytes, bytes]:
    """Return the names of each kind; a path from the root is none that could be relative."""
    windows = str(path).replace("/", "\\")
    mac = path if path.is_absolute() or path.parts[0] == ".." else f"./{path}"
    address = f"file://{quote(str(mac), errors='surrogateescape')}".encode()
    if path.is_absolute():
        return {ABSOLUTE: _windows(windows), MACINTOSH: address}
    relative = windows if path.parts[0] == ".." else f".\\{windows}"
    return {RELATIVE: _windows(relative), MACINTOSH: address}


def _windows(name: str) -> bytes:
    return name.encode("utf-16-le", "surrogatepass")
