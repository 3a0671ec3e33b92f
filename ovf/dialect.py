"""Dialects: descriptors that mean OVF but spell it otherwise, read as if they were OVF 1.x.

A dialect recognises its own root and turns the tree into the standard's names, in place or under a
new root: elements keep their lines, so every rule and every message works on them as on any other.
What a dialect says that the standard has no name for stays as it is written, or as an extension.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from rehost.discovery import declared

TYPED = frozenset(("Section", "Content"))
"""Elements that OVF 0.9, drafts and oVirt call all sections and contents, each by its xsi:type."""
TYPE = re.compile(r"(?:(?P<prefix>[\w.-]+):)?(?P<name>[A-Za-z_]\w*)_Type", re.ASCII)
"""The xsi:type of one: the name of the standard's, and ``_Type``."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write OVF. ``recognise`` returns what messages call it, or None for others' trees.

    ``translate`` is called with a tree it recognised; it returns the root of what it made of it.
    """

    name: str
    recognise: Callable[[etree._Element], str | None]
    translate: Callable[[etree._Element], etree._Element]


def standardised(root: etree._Element) -> tuple[etree._Element, str | None]:
    """Turn a tree into the standard's names; return its root, and the dialect it was in, if any."""
    for dialect in declared("ovf.dialects", "DIALECT"):
        title: str | None = dialect.recognise(root)
        if title is not None:
            return dialect.translate(root), title
    return root, None
