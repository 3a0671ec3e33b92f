"""Systematic mutations of a document: every element removed, moved, doubled, given a wrong type.

Each changes one thing in a copy of the tree, and says what in a few words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

FOREIGN = "{urn:elsewhere}Foreign"
WRONG = "not of this type"
TEXTS = (WRONG, "-1", "5", "70000")


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change: of which element in document order, and how."""

    number: int
    what: str
    change: Callable[[etree._Element], None]

    def of(self, root: etree._Element) -> etree._Element:
        """Return a changed copy of a document."""
        copy = deepcopy(root)
        self.change(list(copy.iter(etree.Element))[self.number])
        return copy


def mutations(root: etree._Element) -> Iterator[Mutation]:
    """Yield every mutation of a document."""
    for number, element in enumerate(root.iter(etree.Element)):
        for what, change in ELEMENTS.items():
            if len(list(element.iterancestors())) >= DEPTHS.get(what, 1):
                yield Mutation(number, what, change)
        for text in TEXTS:
            yield Mutation(number, f"text {text!r}", _text(text))
        yield Mutation(number, "a foreign first child", _foreign_first)
        yield Mutation(number, "a foreign last child", _foreign_last)
        for name in map(str, element.attrib):
            yield Mutation(number, f"without {name}", _without(name))
            yield Mutation(number, f"wrong {name}", _wrong(name, WRONG))
            yield Mutation(number, f"negative {name}", _wrong(name, "-1"))
            yield Mutation(number, f"{name} in no namespace", _bare(name))


def _parent(element: etree._Element) -> etree._Element:
    parent = element.getparent()
    assert parent is not None
    return parent


def _remove(element: etree._Element) -> None:
    _parent(element).remove(element)


def _double(element: etree._Element) -> None:
    element.addnext(deepcopy(element))


def _move_to_front(element: etree._Element) -> None:
    _parent(element).insert(0, element)


def _move_to_end(element: etree._Element) -> None:
    _parent(element).append(element)


def _move_out(element: etree._Element) -> None:
    _parent(element).addnext(element)


def _rename(element: etree._Element) -> None:
    element.tag = f"{element.tag}s"


def _text(text: str) -> Callable[[etree._Element], None]:
    def change(element: etree._Element) -> None:
        element.text = text

    return change


def _foreign_first(element: etree._Element) -> None:
    element.insert(0, etree.Element(FOREIGN))


def _foreign_last(element: etree._Element) -> None:
    element.append(etree.Element(FOREIGN))


def _without(name: str) -> Callable[[etree._Element], None]:
    return lambda element: element.attrib.__delitem__(name)


def _wrong(name: str, value: str) -> Callable[[etree._Element], None]:
    return lambda element: element.set(name, value)


def _bare(name: str) -> Callable[[etree._Element], None]:
    def change(element: etree._Element) -> None:
        value = element.attrib.pop(name)
        element.set(name.rpartition("}")[2], value)

    return change


ELEMENTS: dict[str, Callable[[etree._Element], None]] = {
    "removed": _remove,
    "doubled": _double,
    "moved to the front": _move_to_front,
    "moved to the end": _move_to_end,
    "moved out": _move_out,
    "renamed": _rename,
}
DEPTHS = {"moved out": 2}
"""How deep an element must lie for a change; others take any but the root."""
