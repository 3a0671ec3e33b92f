"""The children of an element in the order they will have, each with the text around it.

A chain, so that many of very many can be taken out or put in, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lxml import etree

BLANK = " \t\r\n"


@dataclass(slots=True, eq=False)
class Entry:
    """A child: what stands before it, itself, and what follows it in its line.

    The end of the chain is an entry without an element, before which stands what is left.
    """

    element: etree._Element | None
    lead: str
    tail: str = ""
    previous: Entry = field(init=False, repr=False)
    following: Entry = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.previous = self.following = self


class Siblings:
    """The children of one element."""

    def __init__(self, close: str = "") -> None:
        """Begin without any; ``close`` is what stands before the end tag."""
        self.end = Entry(None, close)
        self._by_element: dict[etree._Element, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        entry = self.end.following
        while entry is not self.end:
            yield entry
            entry = entry.following

    def __len__(self) -> int:
        return len(self._by_element)

    @property
    def first(self) -> Entry:
        """The first entry, which is the end where there are none."""
        return self.end.following

    def of(self, element: etree._Element) -> Entry | None:
        """Return the entry of a child, unless it is none or was removed."""
        return self._by_element.get(element)

    def put(self, entry: Entry, before: Entry) -> None:
        """Put an entry before another."""
        entry.previous, entry.following = before.previous, before
        before.previous.following = entry
        before.previous = entry
        if entry.element is not None:
            self._by_element[entry.element] = entry

    def remove(self, entry: Entry) -> None:
        """Take an entry out, leaving comments that stand around it."""
        entry.previous.following = entry.following
        entry.following.previous = entry.previous
        entry.following.lead = entry.lead.rstrip(BLANK) + entry.tail + entry.following.lead
        if entry.element is not None:
            del self._by_element[entry.element]

    def reorder(self, order: Sequence[etree._Element]) -> None:
        """Put all entries into another order."""
        entries = dict(self._by_element)
        if len(order) != len(entries) or set(order) != entries.keys():
            raise ValueError("an order has to name every child once")
        self.end.previous = self.end.following = self.end
        for element in order:
            self.put(entries[element], self.end)
