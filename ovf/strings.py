"""The string bundles of a package: messages in other languages, in the descriptor or beside it.

Spec: DSP0243 clause 10. A ``Strings`` element holds messages of one locale, or names by
``ovf:fileRef`` the file whose root is such an element.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from ovf.envelope import XML_LANG, Envelope, Reference
from ovf.package import Package, name_of
from ovf.parse import LARGEST, parse
from ovf.searching import elements
from rehost.errors import DamagedInputError, InteropError, RefusedError
from rehost.files import read_all
from rehost.report import Location
from rehost.tracked import line_of, local_name, summary

MOST_MESSAGES = 500_000
MESSAGES = etree.XPath("//*[@*[local-name() = 'msgid']]")

Messages = tuple[tuple[str, Location], ...]
"""Identifiers of messages, each with where it is given."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One ``Strings`` element of the envelope, with the messages of its file where it names one.

    ``locale`` is None where it names none. ``messages`` is None where the file is not there or no
    bundle; what is wrong with one that is there is its ``error``.
    """

    at: Location
    locale: str | None
    messages: Messages | None
    error: InteropError | None = None


@dataclass(frozen=True, slots=True)
class _External:
    """What the file of a bundle holds; its messages are None where it is not there or no bundle."""

    messages: Messages | None = None
    locale: str | None = None
    error: InteropError | None = None


def bundles(package: Package) -> tuple[Bundle, ...]:
    """Return the bundles in the order of their elements, each file read once.

    Messages that several elements bring into one locale from one file are those of the first.
    """
    envelope = package.envelope
    found: list[Bundle] = []
    files: dict[str, _External] = {}
    told: set[tuple[str, str | None]] = set()
    count = 0
    for strings in envelope.sections("Strings"):
        at, locale = envelope.at(strings), strings.get(XML_LANG)
        identifier = envelope.attribute(strings, "fileRef")
        if identifier is None:
            messages = tuple(_messages(envelope, strings, envelope.label))
            found.append(Bundle(at, locale, messages))
            continue
        reference = envelope.reference(identifier)
        name = "" if reference is None else name_of(reference)
        if name not in files:
            files[name] = _External() if reference is None else _external(package, reference)
        read = files[name]
        place = (name, locale or read.locale)
        told_before = place in told and read.messages is not None
        found.append(Bundle(at, place[1], () if told_before else read.messages, read.error))
        told.add(place)
        count += len(found[-1].messages or ())
        if count > MOST_MESSAGES:
            raise RefusedError(
                f"has too many messages in string bundles (at most {MOST_MESSAGES} are read)",
                where=str(at),
            )
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


def _external(package: Package, reference: Reference) -> _External:
    """Read the bundle in a File, if it is there; what is none is an error."""
    envelope = package.envelope
    try:
        file = package.file_for(reference)
        label = package.where(package.stored_names(reference)[0])
    except InteropError:
        return _External()
    try:
        root = parse(read_all(file, LARGEST), file.name)
        _check_bundle(envelope, root, file.name)
    except InteropError as error:
        return _External(error=error)
    return _External(tuple(_messages(envelope, root, label)), root.get(XML_LANG))


def _check_bundle(envelope: Envelope, root: etree._Element, label: str) -> None:
    tag = etree.QName(root)
    where = f"{label}:{line_of(root)}"
    if tag.localname != "Strings" or tag.namespace != envelope.namespace:
        what = f"is no string bundle (its root is {summary(str(root.tag))})"
        raise DamagedInputError(what, where=where)
    if envelope.attribute(root, "fileRef") is not None:
        raise DamagedInputError("names another file by ovf:fileRef", where=where)
