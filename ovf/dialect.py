"""Dialects: descriptors that mean OVF but spell it otherwise, read as if they were OVF 1.x.

A dialect recognises its own root and turns the tree into the standard's names, in place: elements
keep their lines, so every rule and every message works on them as on any other. What a dialect says
that the standard has no name for stays as it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from rehost.discovery import declared


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write OVF. ``recognise`` returns what messages call it, or None for others' trees.

    ``translate`` is called with a tree it recognised, and changes it.
    """

    name: str
    recognise: Callable[[etree._Element], str | None]
    translate: Callable[[etree._Element], None]


def standardised(root: etree._Element) -> str | None:
    """Turn a tree into the standard's names; return which dialect it was in, if in one."""
    for dialect in declared("ovf.dialects", "DIALECT"):
        title: str | None = dialect.recognise(root)
        if title is not None:
            dialect.translate(root)
            return title
    return None
