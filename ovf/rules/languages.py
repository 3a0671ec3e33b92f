"""Rules of messages and their languages: clause 10."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.envelope import CONTENT
from ovf.judging.rule import VERSION_2, Basis, Needs, rule
from ovf.package import Package
from ovf.strings import bundles, messages_used
from rehost.report import Location, Severity
from rehost.tracked import local_name, summary

CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/"
ITEMS = frozenset(("System", "Item", "StorageItem", "EthernetPortItem"))
PRODUCT = frozenset(("ProductSection",))
OPTIONS = frozenset(("Property", "Configuration"))
LOCALIZABLE = {
    "Annotation": frozenset(("AnnotationSection",)),
    "Caption": ITEMS,
    "Category": PRODUCT,
    "Description": ITEMS
    | OPTIONS
    | PRODUCT
    | {"Network", "OperatingSystemSection", "ScaleOutSection", "PlacementGroupSection"},
    "ElementName": ITEMS,
    "Label": OPTIONS | PRODUCT,
    "License": frozenset(("EulaSection",)),
    "Name": CONTENT,
    "Product": PRODUCT,
    "Vendor": PRODUCT,
}
"""Elements with messages, by the elements they may stand in; an Info may have one anywhere."""
SHOWN = 5
Found = Iterator[tuple[Location, str]]


@rule("I18-001", clause="10", severity=Severity.WARNING)
def messages_where_there_are_any(package: Package) -> Found:
    """An ovf:msgid stands on the elements that clause 10 lists: names, descriptions and the like.

    Elsewhere nobody looks for it, and the text is shown in one language only.

    Fix: remove the attribute.
    """
    envelope = package.envelope
    for _, element in messages_used(envelope):
        tag, parent = etree.QName(element), element.getparent()
        ours = tag.namespace == envelope.namespace or (tag.namespace or "").startswith(CIM)
        if not ours or tag.localname == "Info" or parent is None:
            continue
        if local_name(str(parent.tag)) not in LOCALIZABLE.get(tag.localname, ()):
            where = local_name(str(parent.tag))
            yield envelope.at(element), f"ovf:msgid on {tag.localname} of {where} means nothing"


@rule("I18-002", clause="10", needs=Needs.FILES)
def messages_exist(package: Package) -> Found:
    """A message that an ovf:msgid names is in a bundle, or the element has a text of its own.

    Otherwise the user is shown nothing, or a licence is agreed to that nobody could read.

    Fix: add the Msg to the Strings, or a text to the element.
    """
    found = package.once(bundles)
    if any(bundle.messages is None for bundle in found):
        return
    known = {identifier for bundle in found for identifier, _ in bundle.messages or ()}
    for identifier, element in messages_used(package.envelope):
        if identifier not in known and not (element.text or "").strip():
            name = local_name(str(element.tag))
            at = package.envelope.at(element)
            yield at, f"{name} is empty, and no bundle has the message {summary(identifier)!r}"


@rule("I18-003", clause="10")
def bundles_stand_last(package: Package) -> Found:
    """Strings stand at the end of the Envelope.

    The schema wants them there, and importers that validate refuse the descriptor.

    Fix: move the element behind the VirtualSystem or VirtualSystemCollection.
    """
    envelope = package.envelope
    children = list(envelope.root.iterchildren(etree.Element))
    strings = f"{{{envelope.namespace}}}Strings"
    while children and str(children[-1].tag) == strings:
        children.pop()
    for child in children:
        if str(child.tag) == strings:
            after = local_name(str(children[-1].tag))
            yield envelope.at(child), f"Strings stands before {summary(after)}"


@rule("I18-004", clause="10")
def bundles_name_files(package: Package) -> Found:
    """The ovf:fileRef of Strings is the id of a File; REF-013 wants that File to come first.

    Without the file there are no messages.

    Fix: add the File, or correct the ovf:fileRef.
    """
    envelope = package.envelope
    for strings in envelope.sections("Strings"):
        name = envelope.attribute(strings, "fileRef")
        if name is not None and envelope.reference(name) is None:
            yield envelope.at(strings), f"no File has the id {summary(name)!r}"


@rule("I18-005", clause="10", needs=Needs.FILES)
def bundles_are_strings(package: Package) -> Found:
    """The file of a string bundle is an XML document of one Strings element, with no ovf:fileRef.

    Importers read it like the Strings of the descriptor, and no further.

    Fix: make Strings the root, in the namespace of the Envelope.
    """
    errors = (bundle.error for bundle in package.once(bundles) if bundle.error is not None)
    for error in dict.fromkeys(errors):
        yield Location.named(error.where), error.what


@rule("I18-006", clause="10", severity=Severity.WARNING, needs=Needs.FILES)
def messages_are_given_once(package: Package) -> Found:
    """A message is given once in a locale.

    Of several the last one counts, so that the others are read by nobody but who mends them.

    Fix: keep the one that is meant.
    """
    seen: dict[tuple[str | None, str], Location] = {}
    for bundle in package.once(bundles):
        for identifier, at in bundle.messages or ():
            first = seen.setdefault((bundle.locale, identifier), at)
            if first != at:
                language = summary(bundle.locale or "no locale")
                message = f"message {summary(identifier)!r} of {language} is given again"
                yield at, f"{message} (first in line {first.line})"


@rule(
    "I18-007",
    clause="10.3",
    severity=Severity.WARNING,
    basis=Basis.UNCONFIRMED,
    versions=VERSION_2,
)
def messages_name_files(package: Package) -> Found:
    """The ovf:fileRef of a message, as of a License in a file, is the id of a File.

    Without the file the user is shown nothing.

    Fix: add the File, or correct the ovf:fileRef.
    """
    envelope = package.envelope
    names = {"Info", "Msg", *LOCALIZABLE}
    for element in envelope.root.iter(*(f"{{{envelope.namespace}}}{name}" for name in names)):
        name = envelope.attribute(element, "fileRef")
        if name is not None and envelope.reference(name) is None:
            where = local_name(str(element.tag))
            yield (
                envelope.at(element),
                f"{where} is in a File that is not there ({summary(name)!r})",
            )


@rule("I18-008", clause="10", severity=Severity.INFO, needs=Needs.FILES, basis=Basis.OWN)
def locales_are_complete(package: Package) -> Found:
    """Each locale has all the messages that the descriptor refers to.

    Of a locale that lacks some the user sees two languages.

    Fix: translate the messages, or leave the locale out.
    """
    used = dict.fromkeys(identifier for identifier, _ in messages_used(package.envelope))
    given: dict[str, set[str]] = {}
    places: dict[str, Location] = {}
    for bundle in package.once(bundles):
        if bundle.locale is not None and bundle.messages is not None:
            given.setdefault(bundle.locale, set()).update(name for name, _ in bundle.messages)
            places.setdefault(bundle.locale, bundle.at)
    for locale, known in given.items():
        lacking = [identifier for identifier in used if identifier not in known]
        if lacking:
            listed = ", ".join(summary(identifier) for identifier in lacking[:SHOWN])
            more = ", ..." if len(lacking) > SHOWN else ""
            counts = f"{len(lacking)} of {len(used)} messages"
            yield places[locale], f"locale {summary(locale)} lacks {counts} ({listed}{more})"
