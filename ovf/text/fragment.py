"""A new element as text, in the manner of the document it comes into.

Spec: "Extensible Markup Language (XML) 1.0", fifth edition, clauses 2.4 and 3.3.3 (what has to be
escaped); "Namespaces in XML 1.0" for prefixes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from ovf.namespaces import OVF_10, OVF_20, SETTING_PREFIXES, VMW
from rehost.errors import UsageError
from rehost.tracked import summary

Scope = Mapping[str | None, str]

XML = "http://www.w3.org/XML/1998/namespace"
PREFIXES = {OVF_10: "ovf", OVF_20: "ovf", **SETTING_PREFIXES, VMW: "vmw"}
UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
IN_VALUE = str.maketrans({"&": "&amp;", "<": "&lt;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
QUOTES = {'"': "&quot;", "'": "&apos;"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a document sets its elements: ``line`` before each, one ``unit`` more at each level.

    An empty ``line`` sets everything in one line.
    """

    line: str
    unit: str

    @property
    def deeper(self) -> Layout:
        """The layout of the children."""
        return Layout(self.line + self.unit if self.line else "", self.unit)


def escaped_text(text: str) -> str:
    """Return a text as it stands between tags."""
    return fit(text).translate(IN_TEXT)


def escaped_value(value: str, quote: str) -> str:
    """Return an attribute's value as it stands between these quotes."""
    return fit(value).translate(IN_VALUE).replace(quote, QUOTES[quote])


def attribute_prefix(namespace: str, scope: Scope) -> str | None:
    """Return a prefix bound to a namespace; the default one does not hold for attributes."""
    if namespace == XML:
        return "xml"
    return next((prefix for prefix, uri in scope.items() if prefix and uri == namespace), None)


def free_prefix(namespace: str, scope: Scope) -> str:
    """Return a prefix that can be bound to a namespace: its usual one, if that is not taken."""
    wanted = PREFIXES.get(namespace, "ns")
    number, prefix = 1, wanted
    while prefix in scope:
        number += 1
        prefix = f"{wanted}{number}"
    return prefix


def written(element: etree._Element, scope: Scope, layout: Layout, like: str | None = None) -> str:
    """Return a new element as text; ``like`` is the prefix its neighbours of one namespace have.

    Prefixes are those of ``scope``; what is not bound there is declared in the element itself.
    Text between children is kept, and then nothing is put on lines of its own.
    """
    writer = _Tag(dict(scope))
    name = writer.element_name(str(element.tag), like)
    attributes = [
        f' {writer.attribute_name(str(key))}="{escaped_value(str(value), chr(34))}"'
        for key, value in element.attrib.items()
    ]
    start = f"<{name}{writer.declarations}{''.join(attributes)}"
    deeper = layout.deeper
    own = name.rpartition(":")[0] if ":" in name else None
    children = [
        deeper.line + written(child, writer.scope, deeper, own)
        for child in element.iterchildren(etree.Element)
    ]
    if children and _is_mixed(element):
        return f"{start}>{_mixed(element, writer.scope, own)}</{name}>"
    if children:
        return f"{start}>{''.join(children)}{layout.line}</{name}>"
    text = escaped_text(element.text or "")
    return f"{start}>{text}</{name}>" if text else f"{start}/>"


def _is_mixed(element: etree._Element) -> bool:
    """Say whether there is text between the children of an element that is more than layout."""
    texts = (element.text, *(child.tail for child in element))
    return any(text and text.strip() for text in texts)


def _mixed(element: etree._Element, scope: Scope, prefix: str | None) -> str:
    """Return what is in an element of text and children, comments left out."""
    found = [escaped_text(element.text or "")]
    for child in element:
        if isinstance(child.tag, str):
            found.append(written(child, scope, Layout("", ""), prefix))
        found.append(escaped_text(child.tail or ""))
    return "".join(found)


class _Tag:
    """Finds the names of one start tag, and gathers the declarations they need."""

    def __init__(self, scope: dict[str | None, str]) -> None:
        self.scope = scope
        self.declarations = ""

    def element_name(self, tag: str, like: str | None) -> str:
        namespace, local = _split(tag)
        if self.scope.get(like, "") == namespace:
            return f"{like}:{local}" if like else local
        if self.scope.get(None, "") == namespace:
            return local
        if not namespace:
            self._declare(None, "")
            return local
        return f"{self._prefix(namespace)}:{local}"

    def attribute_name(self, key: str) -> str:
        namespace, local = _split(key)
        return f"{self._prefix(namespace)}:{local}" if namespace else local

    def _prefix(self, namespace: str) -> str:
        prefix = attribute_prefix(namespace, self.scope)
        if prefix is None:
            prefix = free_prefix(namespace, self.scope)
            self._declare(prefix, namespace)
        return prefix

    def _declare(self, prefix: str | None, namespace: str) -> None:
        self.scope[prefix] = namespace
        name = f"xmlns:{prefix}" if prefix else "xmlns"
        self.declarations += f' {name}="{escaped_value(namespace, chr(34))}"'


def _split(name: str) -> tuple[str, str]:
    namespace, brace, local = name.removeprefix("{").partition("}")
    return (namespace, local) if brace else ("", name)


def fit(text: str) -> str:
    """Return a text that may come from anywhere, refusing what no XML document can hold."""
    if found := UNFIT.search(text):
        raise UsageError(
            f"a text holds a character that XML cannot carry ({found[0]!r} in {summary(text)!r})",
            hint="Leave it out.",
        )
    return text
