"""What of the package is in a drive, as the item's HostResource names it.

Spec: DSP0243 clause 8.3: ``ovf:/disk/<diskId>`` or ``ovf:/file/<id>``. VirtualBox leaves out the
scheme, others double the slash or leave it out; all of it is read, here and for everybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EXACT = "ovf:/"
SCHEME = "ovf:"
LOOSE = re.compile(r"(?:ovf:)?/{0,2}(disk|file)/(.+)")


@dataclass(frozen=True, slots=True)
class Backing:
    """A Disk by its diskId, or a File by its id; ``kind`` is "disk" or "file"."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{EXACT}{self.kind}/{self.id}"


def backing_of(resource: str | None) -> Backing | None:
    """Return what a HostResource names; None where it names nothing of a package."""
    found = LOOSE.fullmatch((resource or "").strip())
    return Backing(found[1], found[2]) if found else None


def is_of_package(resource: str) -> bool:
    """Say whether a HostResource is meant to name something of the package, readable or not."""
    return backing_of(resource) is not None or resource.lower().startswith(SCHEME)
