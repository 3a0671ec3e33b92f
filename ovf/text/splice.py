"""Changing a descriptor in its own text, so that whatever is not changed stays byte for byte.

A ``Manuscript`` is a document as it is written. Changes name elements of its tree and wait until
``content`` splices them into the text: encoding, mark, declaration, quotes, comments and white
space of everything else are kept, and what is new imitates its surroundings: the prefixes, the
indentation, the ends of lines.

Spec: "Extensible Markup Language (XML) 1.0", fifth edition. DSP0243 clause 7.3 wants what a
consumer does not understand to survive.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from lxml import etree

from ovf.parse import decoded, encoding_of, parse
from ovf.text.fragment import Layout, escaped_text, written
from ovf.text.siblings import Entry, Siblings
from ovf.text.spans import spans
from ovf.text.tags import StartTag
from rehost.errors import UnsupportedInputError

UNIT = "  "
SAME_LINE = re.compile(r"(?>[ \t]*<!--.*?-->)+(?=[ \t]*(?:[\r\n]|\Z))", re.DOTALL)


@dataclass(slots=True)
class _Changes:
    """What is to happen to one element."""

    attributes: dict[str, str | None] = field(default_factory=dict)
    name: str | None = None
    text: str | None = None
    children: Siblings | None = None


class Manuscript:
    """A document as it is written, and the changes to it that are still to be made."""

    def __init__(self, content: bytes, where: str) -> None:
        self.root = parse(content, where)
        self._original = content
        self._where = where
        self._text = decoded(content, where).encode()
        self._elements = list(self.root.iter(etree.Element))
        self._spans = dict(zip(self._elements, spans(self._text), strict=True))
        self._changes: dict[etree._Element, _Changes] = {}
        self._touched: set[etree._Element] = set()
        self._homes: dict[etree._Element, etree._Element] = {}
        self._leads: dict[etree._Element, str] = {}

    @property
    def changed(self) -> bool:
        """Say whether there are changes to be made."""
        return bool(self._changes)

    def set(self, element: etree._Element, name: str, value: str) -> None:
        """Give an attribute a value; ``name`` is ``{namespace}local``, or ``xmlns:prefix``."""
        self._change(element).attributes[name] = value

    def unset(self, element: etree._Element, name: str) -> None:
        """Remove an attribute, if the element has it."""
        self._change(element).attributes[name] = None

    def rename(self, element: etree._Element, name: str) -> None:
        """Give an element another name: in its own namespace, or as ``{namespace}local``."""
        self._change(element).name = name

    def declarations(self, element: etree._Element) -> dict[str, str]:
        """Return the namespaces an element of the document itself declares, by attributes."""
        span = self._spans[element]
        return StartTag(self._slice(span.start, span.opened), element.nsmap).declarations

    def write(self, element: etree._Element, text: str) -> None:
        """Make ``text`` all there is in an element."""
        self._change(element).text = text

    def append(self, parent: etree._Element, new: etree._Element) -> None:
        """Put a new element behind all children of ``parent``."""
        self._put(parent, new, self._children(parent).end)

    def prepend(self, parent: etree._Element, new: etree._Element) -> None:
        """Put a new element before all children of ``parent``."""
        self._put(parent, new, self._children(parent).first)

    def before(self, sibling: etree._Element, new: etree._Element) -> None:
        """Put a new element directly before another, which may be new itself."""
        parent, entry = self._place(sibling)
        self._put(parent, new, entry)

    def after(self, sibling: etree._Element, new: etree._Element) -> None:
        """Put a new element directly behind another, which may be new itself."""
        parent, entry = self._place(sibling)
        self._put(parent, new, entry.following)

    def remove(self, element: etree._Element) -> None:
        """Remove an element with the white space that sets it off; comments about it stay."""
        parent, entry = self._place(element)
        self._children(parent).remove(entry)

    def reorder(self, parent: etree._Element, order: Sequence[etree._Element]) -> None:
        """Put the children of an element, all of them, into another order."""
        self._children(parent).reorder(order)

    def children(self, parent: etree._Element) -> list[etree._Element]:
        """Return the child elements as they will be, new ones among them."""
        changes = self._changes.get(parent)
        known = changes.children if changes else None
        if known is None:
            return list(parent.iterchildren(etree.Element))
        return [entry.element for entry in known if entry.element is not None]

    def content(self) -> bytes:
        """Return the document with all changes made; without any, the very bytes it came from."""
        if not self._changes:
            return self._original
        encoding = encoding_of(self._original, self._where)
        if encoding.mark + self._text.decode().encode(encoding.codec) != self._original:
            raise UnsupportedInputError(
                f"cannot be changed without a loss in its encoding ({encoding.codec})",
                where=self._where,
                hint="Save it as UTF-8.",
            )
        span = self._spans[self.root]
        before, after = self._slice(0, span.start), self._slice(span.end, len(self._text))
        text = before + self._render(self.root) + after
        return encoding.mark + text.encode(encoding.codec, "xmlcharrefreplace")

    def again(self) -> Manuscript:
        """Return the changed document, parsed; the elements of this one mean nothing to it."""
        return Manuscript(self.content(), self._where)

    def _change(self, element: etree._Element) -> _Changes:
        if element not in self._spans:
            raise ValueError("only an element of the document can be changed")
        if element not in self._changes:
            self._changes[element] = _Changes()
            self._touched |= {element, *element.iterancestors()}
        return self._changes[element]

    def _children(self, parent: etree._Element) -> Siblings:
        changes = self._change(parent)
        if changes.children is None:
            changes.children = self._as_written(parent)
        return changes.children

    def _as_written(self, parent: etree._Element) -> Siblings:
        span = self._spans[parent]
        found = Siblings()
        at = span.opened
        for child in parent.iterchildren(etree.Element):
            place = self._spans[child]
            lead = self._gap(at, place.start, found)
            found.put(Entry(child, lead), found.end)
            at = place.end
        found.end.lead = self._gap(at, span.closing, found)
        return found

    def _gap(self, start: int, end: int, before: Siblings) -> str:
        """Return what stands before a child or an end, less what belongs to the child before."""
        gap = self._slice(start, end)
        if len(before):
            before.end.previous.tail, gap = _parted(gap)
        return gap

    def _place(self, sibling: etree._Element) -> tuple[etree._Element, Entry]:
        """Return the parent of an element, new or old, and its entry among the children."""
        parent = sibling.getparent() if sibling in self._spans else self._homes.get(sibling)
        entry = None if parent is None else self._children(parent).of(sibling)
        if parent is None or entry is None:
            raise ValueError("only an element of the document has a place in it")
        return parent, entry

    def _put(self, parent: etree._Element, new: etree._Element, before: Entry) -> None:
        if new in self._spans or new in self._homes or new.getparent() is not None:
            raise ValueError("only an element that is nowhere yet can be put in")
        children = self._children(parent)
        if not len(children) and not children.end.lead:
            children.end.lead = self._line(parent)
        children.put(Entry(new, self._lead(parent)), before)
        self._homes[new] = parent

    def _lead(self, parent: etree._Element) -> str:
        """Return the line end and indentation that a new child of an element gets."""
        if parent not in self._leads:
            self._leads[parent] = self._usual_lead(parent)
        return self._leads[parent]

    def _usual_lead(self, parent: etree._Element) -> str:
        leads = Counter(self._indent(child) for child in parent.iterchildren(etree.Element))
        if leads:
            return max(leads, key=lambda lead: (leads[lead], lead))
        line = self._line(parent)
        return line + self._unit if line else ""

    def _indent(self, child: etree._Element) -> str:
        """Return the line end and the white space that stand directly before an element."""
        older = next(child.itersiblings(etree.Element, preceding=True), None)
        parent = child.getparent()
        if parent is None:
            return ""
        begin = self._spans[parent].opened if older is None else self._spans[older].end
        return _indentation(self._slice(begin, self._spans[child].start))

    def _line(self, element: etree._Element) -> str:
        """Return the line end and indentation of an element that begins a line, else nothing."""
        if element is not self.root:
            indent = self._indent(element)
            return indent if indent.strip(" \t") else ""
        leads = (self._indent(child).rstrip(" \t") for child in element.iterchildren(etree.Element))
        return next((lead for lead in leads if lead), "")

    @property
    def _unit(self) -> str:
        """The indentation of a level: what the children of the root have."""
        first = next(self.root.iterchildren(etree.Element), None)
        line = "" if first is None else self._line(first)
        return line.lstrip("\r\n") if line else UNIT

    def _layout(self, parent: etree._Element, new: etree._Element) -> Layout:
        """Return how a new child is set: like one of its name, each of which may fill one line."""
        for sibling in parent.iterchildren(str(new.tag)):
            span = self._spans[sibling]
            if span.children and b"\n" not in self._text[span.start : span.end]:
                return Layout("", "")
        line, lead = self._line(parent), self._lead(parent)
        if line and lead.startswith(line):
            return Layout(lead, lead[len(line) :])
        return Layout(lead if lead.strip(" \t") else "", self._unit)

    def _slice(self, start: int, end: int) -> str:
        return self._text[start:end].decode()

    def _render(self, element: etree._Element) -> str:
        span = self._spans[element]
        if element not in self._touched:
            return self._slice(span.start, span.end)
        changes = self._changes.get(element) or _Changes()
        tag = StartTag(self._slice(span.start, span.opened), element.nsmap)
        for name, value in changes.attributes.items():
            tag.change(name, value)
        if changes.name is not None:
            tag.rename(changes.name)
        content = self._content(element, changes)
        if span.opened == span.end:
            return tag.opened() + content + f"</{tag.name}>" if content else tag.text
        end = self._slice(span.closing, span.end) if changes.name is None else f"</{tag.name}>"
        return tag.text + content + end

    def _content(self, element: etree._Element, changes: _Changes) -> str:
        if changes.text is not None:
            return escaped_text(changes.text)
        children = changes.children
        if children is None:
            children = self._as_written(element)
        shown = (
            entry.lead + self._shown(element, entry.element) + entry.tail
            for entry in children
            if entry.element is not None
        )
        return "".join(shown) + children.end.lead

    def _shown(self, parent: etree._Element, child: etree._Element) -> str:
        if child in self._spans:
            return self._render(child)
        namespace = etree.QName(child).namespace
        family = (*parent.iterchildren(etree.Element), parent)
        like = next(
            (each.prefix for each in family if etree.QName(each).namespace == namespace), None
        )
        return written(child, parent.nsmap, self._layout(parent, child), like)


def _parted(gap: str) -> tuple[str, str]:
    """Part what follows an element in its line from what stands before the next one."""
    found = SAME_LINE.match(gap)
    end = found.end() if found else 0
    return gap[:end], gap[end:]


def _indentation(gap: str) -> str:
    bare = gap.rstrip(" \t")
    end = next((end for end in ("\r\n", "\n", "\r") if bare.endswith(end)), "")
    return gap[len(bare) - len(end) :]
