"""The string bundles of a package: messages in other languages, in the descriptor or beside it.

Spec: DSP0243 clause 10. A ``Strings`` element holds messages of one locale, or names by
``ovf:fileRef`` the file whose root is such an element.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from ovf.envelope import XML_LANG, Envelope
from ovf.package import Package
from ovf.parse import LARGEST, parse
from ovf.searching import elements
from rehost.errors import DamagedInputError, InteropError
from rehost.files import read_all
from rehost.report import Location
from rehost.tracked import line_of, local_name, summary

MESSAGES = etree.XPath("//*[@*[local-name() = 'msgid']]")


@dataclass(frozen=True, slots=True)
class Bundle:
    """One ``Strings`` element of the envelope, with the messages of its file where it names one.

    ``locale`` is None where it names none. ``messages`` is None where the file is not there or no
    bundle; what is wrong with one that is there is its ``error``.
    """

    at: Location
    locale: str | None
    messages: tuple[tuple[str, Location], ...] | None
    error: InteropError | None = None


def bundles(package: Package) -> tuple[Bundle, ...]:
    """Return the bundles in the order of their elements, each file read once."""
    envelope = package.envelope
    found: list[Bundle] = []
    files: dict[str, etree._Element | InteropError | None] = {}
    for strings in envelope.sections("Strings"):
        at, locale = envelope.at(strings), strings.get(XML_LANG)
        name = envelope.attribute(strings, "fileRef")
        if name is None:
            found.append(Bundle(at, locale, tuple(_messages(envelope, strings, envelope.label))))
            continue
        if name not in files:
            files[name] = _external(package, name)
        root = files[name]
        if root is None or isinstance(root, InteropError):
            found.append(Bundle(at, locale, None, root))
            continue
        label, locale = _label(package, name), locale or root.get(XML_LANG)
        found.append(Bundle(at, locale, tuple(_messages(envelope, root, label))))
    return tuple(found)


def messages_used(envelope: Envelope) -> Iterator[tuple[str, etree._Element]]:
    """Yield the identifiers of messages that elements refer to, with these elements."""
    for element in elements(MESSAGES, envelope.root):
        identifier = envelope.attribute(element, "msgid")
        if identifier and local_name(str(element.tag)) != "Msg":
            yield identifier, element


def _messages(
    envelope: Envelope, strings: etree._Element, label: str
) -> Iterator[tuple[str, Location]]:
    for message in envelope.children(strings, "Msg"):
        if identifier := envelope.attribute(message, "msgid"):
            yield identifier, Location(label, line_of(message))


def _label(package: Package, name: str) -> str:
    reference = package.envelope.reference(name)
    return package.where(package.stored_names(reference)[0]) if reference else ""


def _external(package: Package, name: str) -> etree._Element | InteropError | None:
    """Read the bundle in the File of that id, if it is there; what is none is an error."""
    reference = package.envelope.reference(name)
    try:
        file = package.file_for(reference) if reference is not None else None
    except InteropError:
        return None
    if file is None:
        return None
    try:
        root = parse(read_all(file, LARGEST), file.name)
        _check_bundle(package.envelope, root, file.name)
    except InteropError as error:
        return error
    return root


def _check_bundle(envelope: Envelope, root: etree._Element, label: str) -> None:
    tag = etree.QName(root)
    where = f"{label}:{line_of(root)}"
    if tag.localname != "Strings" or tag.namespace != envelope.namespace:
        what = f"is no string bundle (its root is {summary(str(root.tag))})"
        raise DamagedInputError(what, where=where)
    if envelope.attribute(root, "fileRef") is not None:
        raise DamagedInputError("names another file by ovf:fileRef", where=where)
