"""Names for files made from names of machines, which may hold anything."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 100
NAMELESS = "machine"


def file_name(name: str) -> str:
    """Return a name every file system and shell takes, as near to ``name`` as can be."""
    plain = re.sub(r"[^A-Za-z0-9._+]+", "-", name).strip("-.")
    return plain[:LONGEST].rstrip("-.") or NAMELESS


def unique(names: Iterable[str]) -> list[str]:
    """Return the names with a number behind those that occurred before."""
    taken: set[str] = set()
    found = []
    for name in names:
        candidate, number = name, 2
        while candidate.lower() in taken:
            candidate, number = f"{name}-{number}", number + 1
        taken.add(candidate.lower())
        found.append(candidate)
    return found
