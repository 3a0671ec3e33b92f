"""The parent of a differencing VHDX: found by its relative path, known by its DataWriteGuid.

Source: [MS-VHDX], section "Parent Locator".
"""

from __future__ import annotations

from pathlib import PurePosixPath

from converters.disks.gate import Gate
from converters.disks.image import Image
from converters.disks.registry import Base, open_below
from rehost.errors import DamagedInputError, RefusedError, UsageError

RELATIVE, ABSOLUTE = "relative_path", "absolute_win32_path"
LINKAGES = ("parent_linkage", "parent_linkage2")
LONGEST_PATH = 32_000


def open_parent(locator: dict[str, str] | None, where: str, gate: Gate) -> Image | None:
    """Open the parent of a differencing disk, which must not have changed since."""
    if locator is None:
        return None
    if not (name := locator.get(RELATIVE)):
        raise RefusedError(
            "does not name its parent by a relative path",
            where=where,
            hint="Put the parent beside it, then set its path: Set-VHD -ParentPath.",
        )
    parent = open_below(name, gate, by=where, format="vhdx")
    found = str(parent.facts.details["dataWriteGuid"])
    linked = [locator[key] for key in LINKAGES if locator.get(key)]
    if found not in {link.strip("{}").lower() for link in linked}:
        raise DamagedInputError(
            f"its parent {name!r} was changed, or is another one (it has {found}, "
            f"should have {' or '.join(linked) or 'one that is not said'})",
            where=where,
            hint="Find the parent as it was when this disk was made.",
        )
    return parent


def locator_to(base: Base) -> dict[str, str]:
    """Return how a new disk names its base; an absolute name is of use beside a relative one."""
    if base.format != "vhdx":
        raise UsageError(
            f"a VHDX stores differences to a VHDX only (the base {base.name!r} is {base.format})",
            hint="Convert the base to VHDX first.",
        )
    if len(base.name) > LONGEST_PATH:
        raise UsageError(f"the base has too long a name for a VHDX ({len(base.name)} characters)")
    path = PurePosixPath(base.name)
    found = {LINKAGES[0]: f"{{{base.image.facts.details['dataWriteGuid']}}}"}
    if path.is_absolute():
        return {**found, RELATIVE: f".\\{path.name}", ABSOLUTE: str(path).replace("/", "\\")}
    windows = str(path).replace("/", "\\")
    return {**found, RELATIVE: windows if path.parts[0] == ".." else f".\\{windows}"}
