"""Reading an XML document so that nothing is lost silently.

A ``Tracked`` element remembers what its reader asked for. When the reader is done, ``rest`` says
everything it did not look at, as losses with file and line: ``need`` what must be there, ``said``
what may be, ``ignore`` what means nothing, and the remainder reports itself.

Paths are steps between slashes, the last of which may be an attribute: ``source/@file``. A step
without a prefix matches in any namespace, or in the document's own and its parent's where the
reader names these; ``vmw:Config`` matches in the namespace its reader bound to ``vmw`` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast

from lxml import etree

from rehost.errors import DamagedInputError
from rehost.report import Location, Loss, dropped

UNKNOWN_TO_US = "the neutral machine has no word for it"
LONGEST_SUMMARY = 120
REQUIRED = "required"
"""What says of an element only whether it may be ignored."""
WHOLE = "*"
TEXT = ""
TRUTHS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}

Seen = set[tuple[etree._Element, str]]
"""What was looked at: an element with ``TEXT``, an attribute's name, or ``WHOLE``."""


class Tracked:
    """An element of a document, and a share in the document's memory of what was read."""

    def __init__(
        self,
        element: etree._Element,
        file: str,
        *,
        path: str = "",
        namespaces: Mapping[str, str] = MappingProxyType({}),
        own: tuple[str, ...] = (),
        seen: Seen | None = None,
    ) -> None:
        """Track ``element``; ``namespaces`` binds the prefixes its reader uses.

        ``own`` is what the namespaces begin with in which a name without a prefix is meant, so that
        an extension of the same name is not taken for it; without any, all are.

        Losses call the document ``file``, errors ``path`` if that is longer.
        """
        self.element = element
        self.file = file
        self.path = path or file
        self._namespaces = namespaces
        self._own = own
        self._seen: Seen = set() if seen is None else seen

    @property
    def name(self) -> str:
        """The element's name without its namespace."""
        return local_name(str(self.element.tag))

    @property
    def at(self) -> Location:
        """Where the element begins, for errors."""
        return Location(self.path, line_of(self.element))

    @property
    def text(self) -> str | None:
        """The element's own text without surrounding white space; None when it is blank."""
        self._seen.add((self.element, TEXT))
        return (self.element.text or "").strip() or None

    def said(self, path: str) -> str | None:
        """Return the text or attribute at ``path``, or None where it is absent or blank."""
        steps, at, attribute = path.rpartition("@")
        found = self._first(steps.rstrip("/") if at else path)
        if found is None:
            return None
        return found._attribute(attribute) if at else found.text

    def need(self, path: str) -> str:
        """Return what is said at ``path``; a document without it is damaged."""
        found = self.said(path)
        if found is None:
            raise self.damaged(f"{label(self.element)} lacks {path}")
        return found

    def integer(self, path: str) -> int | None:
        """Return the whole number at ``path``, or None where nothing is said."""
        found = self.said(path)
        if found is None:
            return None
        if not (found.lstrip("+-").isascii() and found.lstrip("+-").isdigit()) or len(found) > 40:
            raise self.damaged(f"{path} is not a whole number ({summary(found)!r})")
        return int(found)

    def flag(self, path: str) -> bool | None:
        """Return the truth value at ``path`` in any common spelling, or None if nothing is said."""
        found = self.said(path)
        if found is None:
            return None
        if found.lower() not in TRUTHS:
            raise self.damaged(f"{path} is neither true nor false ({summary(found)!r})")
        return TRUTHS[found.lower()]

    def child(self, path: str) -> Tracked | None:
        """Return the first element at ``path``; more of them would be reported by ``rest``."""
        return self._first(path)

    def children(self, path: str) -> list[Tracked]:
        """Return every element at ``path``, in document order; ``*`` stands for any name."""
        return [self._with(element) for element in self._matches(path)]

    def ignore(self, *paths: str) -> None:
        """Count whatever lies at ``paths``, with everything in it, as looked at."""
        for path in paths:
            steps, at, attribute = path.rpartition("@")
            if at:
                for element in self._matches(steps.rstrip("/")):
                    self._with(element)._attribute(attribute)
            else:
                self._seen.update((element, WHOLE) for element in self._matches(path))

    def looked_at(self, element: etree._Element) -> bool:
        """Say whether anything of an element of this document was looked at."""
        return any((element, key) in self._seen for key in (TEXT, WHOLE, *map(str, element.attrib)))

    def take(self, element: etree._Element) -> None:
        """Count an element of this document, with everything in it, as looked at."""
        self._seen.add((element, WHOLE))

    def damaged(self, what: str, *, hint: str = "") -> DamagedInputError:
        """Return the error that says this element is broken, for the caller to raise."""
        return DamagedInputError(what, where=str(self.at), hint=hint)

    def rest(self, why: str = UNKNOWN_TO_US) -> list[Loss]:
        """Return one loss for each thing nobody looked at; an untouched element is one thing."""
        return [
            dropped(f"{self.file}:{line_of(element)} {what}", source, why)
            for element, what, source in self._unseen(self.element, self._touched())
        ]

    def _with(self, element: etree._Element) -> Tracked:
        return Tracked(
            element,
            self.file,
            path=self.path,
            namespaces=self._namespaces,
            own=self._own,
            seen=self._seen,
        )

    def _first(self, path: str) -> Tracked | None:
        return next((self._with(element) for element in self._matches(path)), None)

    def _matches(self, path: str) -> Iterator[etree._Element]:
        found = [self.element]
        for step in path.split("/") if path else ():
            prefix, _, name = step.rpartition(":")
            space = self._namespaces[prefix] if prefix else None
            found = [
                child
                for element in found
                for child in element.iterchildren(etree.Element)
                if name in {WHOLE, local_name(str(child.tag))}
                and space in {None, etree.QName(child).namespace}
                and (space or name == WHOLE or self._is_own(child, element))
            ]
        yield from found

    def _is_own(self, child: etree._Element, parent: etree._Element) -> bool:
        """Say whether a child is named by its document or its parent, not by an extension."""
        space = etree.QName(child).namespace
        return (
            not self._own
            or space in {None, etree.QName(parent).namespace}
            or (str(space).startswith(self._own))
        )

    def _attribute(self, name: str) -> str | None:
        prefix, _, name = name.rpartition(":")
        space = self._namespaces[prefix] if prefix else None
        tags = [etree.QName(str(key)) for key in self.element.attrib]
        named = [tag for tag in tags if tag.localname == name and space in {None, tag.namespace}]
        if not named:
            return None
        own = {None, etree.QName(self.element).namespace}
        tag = next((tag for tag in named if tag.namespace in own), named[0])
        self._seen.add((self.element, tag.text))
        return str(self.element.attrib[tag.text]).strip() or None

    def _touched(self) -> set[etree._Element]:
        touched: set[etree._Element] = {self.element}
        for element, _ in self._seen:
            above: etree._Element | None = element
            while above is not None and above not in touched:
                touched.add(above)
                above = above.getparent()
        return touched

    def _unseen(
        self, element: etree._Element, touched: set[etree._Element]
    ) -> Iterator[tuple[etree._Element, str, str | None]]:
        if (element, WHOLE) in self._seen:
            return
        if element not in touched:
            yield element, label(element), content(element)
            return
        for key, value in element.attrib.items():
            if (element, str(key)) not in self._seen:
                yield element, f"{label(element)}/@{local_name(str(key))}", summary(str(value))
        if (element.text or "").strip() and (element, TEXT) not in self._seen:
            yield element, label(element), summary(element.text or "")
        for child in element.iterchildren(etree.Element):
            yield from self._unseen(child, touched)


def local_name(tag: str) -> str:
    """Return the name in ``{namespace}name``."""
    return tag.rpartition("}")[2]


def label(element: etree._Element) -> str:
    """Return the element's name as its document spells it: ``vmw:Config``."""
    prefix = cast("str | None", element.prefix)
    name = local_name(str(element.tag))
    return summary(f"{prefix}:{name}" if prefix else name)


def line_of(element: etree._Element) -> int | None:
    """Return the line an element begins on; None when it came from no document."""
    line: object = element.sourceline
    return line if isinstance(line, int) else None


def content(element: etree._Element) -> str | None:
    """Return what an element says in one short line: its text, or else its attributes."""
    said = summary(element.text or "")
    said_by = {local_name(str(key)): str(value) for key, value in element.attrib.items()}
    pairs = (f"{name}={value}" for name, value in said_by.items() if name != REQUIRED)
    return said or summary(" ".join(pairs)) or None


def summary(text: str) -> str:
    """Return ``text`` on one line, cut where it is long."""
    line = " ".join(text[: 2 * LONGEST_SUMMARY].split())
    return line if len(line) <= LONGEST_SUMMARY else f"{line[: LONGEST_SUMMARY - 1]}…"
