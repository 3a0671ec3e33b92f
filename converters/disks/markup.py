"""XML inside disk images, when it may come from anyone.

Expat reads it without network, entities or a tree; so memory stays bounded by what the caller
keeps, and time by depth and number of elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from rehost.errors import DamagedInputError, RefusedError

DEEPEST = 100
MOST_ELEMENTS = 20_000

Begun = Callable[[str, dict[str, str]], None]
Heard = Callable[[str], None]


def listen(content: bytes, where: str, *, start: Begun, end: Heard, text: Heard) -> None:
    """Call ``start`` and ``end`` with elements as they come, ``text`` with what is between."""
    parser = expat.ParserCreate()
    depth = count = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if count > MOST_ELEMENTS:
            raise RefusedError(
                f"the XML has too many elements (more than {MOST_ELEMENTS})", where=where
            )
        if depth > DEEPEST:
            raise RefusedError(
                f"the XML is nested too deeply (more than {DEEPEST} levels)", where=where
            )
        start(name, attributes)

    def finish(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name)

    def refuse(*declaration: object) -> NoReturn:
        raise RefusedError(
            f"the XML declares an entity ({declaration[0]!r}), which is not allowed", where=where
        )

    parser.StartElementHandler = begin
    parser.EndElementHandler = finish
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = refuse
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DamagedInputError(f"the XML is not well-formed ({error})", where=where) from None


def tree(content: bytes, where: str) -> Element:
    """Return the root of a small document."""
    builder = TreeBuilder()

    def begin(name: str, attributes: dict[str, str]) -> None:
        builder.start(name, attributes)

    def finish(name: str) -> None:
        builder.end(name)

    listen(content, where, start=begin, end=finish, text=builder.data)
    return builder.close()
