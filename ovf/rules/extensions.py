"""Rules of extensions: clauses 7.3 and 7.4."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.extensions import (
    Extension,
    extensions,
    is_allowed,
    is_of_other_version,
    is_unknown,
    standard_part,
)
from ovf.foreign import VERSIONS
from ovf.judging.conformance import Level, is_published, level
from ovf.judging.rule import Basis, rule
from ovf.package import Package
from ovf.schema.attributes import is_misplaced
from ovf.schema.vocabulary import meant, spelled
from rehost.report import Location, Severity
from rehost.tracked import label, local_name, summary

Found = Iterator[tuple[Location, str]]
ITEMS = frozenset(("Item", "EthernetPortItem", "StorageItem"))
BOOTING = frozenset(("VirtualHardwareSection", "OperatingSystemSection", "Disk", "File", *ITEMS))
"""What a machine is made of before it starts."""


def _of(package: Package) -> Iterator[Extension]:
    """Yield the extensions in namespaces of vendors."""
    envelope = package.envelope
    for extension in envelope.once(extensions):
        if not is_of_other_version(extension.element, envelope.version):
            yield extension


@rule("EXT-001", clause="7.3")
def namespaces_of_their_own(package: Package) -> Found:
    """Extensions are in namespaces of their own, never in those of the standard.

    That holds for an attribute that the standard gives to another element, too. A later version of
    it may give the name another meaning, and the schema refuses elements it does not know today.

    Fix: correct the name, or move the extension to a namespace of its vendor's.
    """
    envelope = package.envelope
    if envelope.dialect is not None:
        return
    for element in envelope.once(standard_part):
        if is_unknown(element, envelope.version):
            right = meant(str(element.tag), envelope.version)
            name = spelled(str(element.tag))
            hint = f", {spelled(right)} is" if right else ""
            yield envelope.at(element), f"{name} is not defined in OVF {envelope.version}.x{hint}"
        for name in map(str, element.attrib):
            ours = name.startswith(f"{{{envelope.namespace}}}") and not _is_version(element, name)
            if ours and is_misplaced(element, name, envelope.version):
                what = f"attribute ovf:{local_name(name)} of {label(element)}"
                yield envelope.at(element), f"{what} is not defined in OVF {envelope.version}.x"


def _is_version(element: etree._Element, attribute: str) -> bool:
    """Say whether an attribute is the version some write at the envelope; ENV-003 judges it."""
    return element.getparent() is None and local_name(attribute) == "version"


@rule("EXT-002", clause="7.3", severity=Severity.WARNING)
def optional_extensions(package: Package) -> Found:
    """An extension is optional: ovf:required is "false" on it.

    Left out, ovf:required is true, and an importer that does not know the extension has to refuse
    the package.

    Fix: add ovf:required="false" where the machine works without it.
    """
    for extension in _of(package):
        parent = local_name(str(extension.parent.tag))
        of_section = parent.endswith("Section") and not extension.is_section
        if extension.required and not of_section and parent not in ITEMS:
            at = package.envelope.at(extension.element)
            yield at, f"{label(extension.element)} is an extension that every importer must know"


@rule("EXT-003", clause="7.3", severity=Severity.WARNING)
def sections_stay_understood(package: Package) -> Found:
    """What extends a section of the standard is optional.

    An importer that does not know one required child has to treat the whole section as unknown, and
    so to refuse the package, unless the section is optional itself.

    Fix: add ovf:required="false" to the extension where the machine works without it.
    """
    for extension in _of(package):
        parent = local_name(str(extension.parent.tag))
        if extension.required and parent.endswith("Section") and not extension.is_section:
            yield (
                package.envelope.at(extension.element),
                f"{label(extension.element)} makes {parent} unknown to importers that do not"
                " know it",
            )


@rule("EXT-004", clause="7.3", severity=Severity.INFO)
def attributes_are_hints(package: Package) -> Found:
    """A machine works without what attributes of vendors say.

    Importers pass over attributes they do not know, so what they say of disks, items and the guest
    does not reach other hypervisors.

    Fix: say it by an element of the standard too, where there is one.
    """
    envelope = package.envelope
    seen: set[str] = set()
    for element in envelope.once(standard_part):
        if local_name(str(element.tag)) not in BOOTING:
            continue
        for name in map(str, element.attrib):
            namespace = name[1:].partition("}")[0] if name.startswith("{") else ""
            if namespace and not _is_common(namespace) and name not in seen:
                seen.add(name)
                prefix = _prefix(element, namespace)
                what = f"attribute {prefix}{local_name(name)} of {label(element)}"
                yield envelope.at(element), f"{what} is a vendor's"


def _is_common(namespace: str) -> bool:
    return namespace in VERSIONS or namespace.startswith("http://www.w3.org/")


def _prefix(element: etree._Element, namespace: str) -> str:
    found = next((key for key, value in element.nsmap.items() if value == namespace and key), "")
    return summary(f"{found}:") if found else ""


@rule("EXT-005", clause="7.3", basis=Basis.SCHEMA)
def extensions_in_their_place(package: Package) -> Found:
    """An extension stands where a section could, or behind the last child of an open type.

    Elsewhere the schema has no room for it, and importers that validate refuse the descriptor.

    Fix: move it behind the standard's elements, or into a section of its own.
    """
    for extension in _of(package):
        if not is_allowed(extension):
            name, parent = label(extension.element), label(extension.parent)
            at = package.envelope.at(extension.element)
            yield at, f"{name} may not stand here in {parent}"


@rule("EXT-006", clause="7.3")
def sections_explain_themselves(package: Package) -> Found:
    """A section that is an extension begins with an Info element too.

    It is what an importer shows when it passes over a section it does not know.

    Fix: add <Info>, in the namespace of the envelope, as the first child.
    """
    for extension in _of(package):
        if extension.is_section and is_allowed(extension):
            first = next(extension.element.iterchildren(etree.Element), None)
            if first is None or local_name(str(first.tag)) != "Info":
                at = package.envelope.at(extension.element)
                yield at, f"{label(extension.element)} does not begin with Info"


@rule("CNF-001", clause="7.4", severity=Severity.INFO)
def conformance(package: Package) -> Found:
    """A descriptor of conformance level 1 has no extensions.

    At level 2 all extensions are optional; at level 3 some are required, which limits where the
    package can go.

    Fix: leave out the extensions that importers need not know.
    """
    envelope = package.envelope
    found = envelope.once(level)
    if found is not Level.STANDARD:
        yield envelope.at(envelope.root), f"conformance level is {found.value} ({found.words})"


@rule("CNF-002", clause="7.4", severity=Severity.WARNING)
def required_extensions_are_published(package: Package) -> Found:
    """What a required extension means is published in an open XML schema.

    Without one, nobody else can learn to import the package.

    Fix: make the extension optional, or publish its schema.
    """
    seen: set[str] = set()
    for extension in _of(package):
        namespace = etree.QName(extension.element).namespace or ""
        if extension.required and not is_published(namespace) and namespace not in seen:
            seen.add(namespace)
            at = package.envelope.at(extension.element)
            name = summary(namespace)
            yield at, f"no schema is known of the namespace of a required extension ({name})"


@rule("S2-001", clause="7.3", severity=Severity.WARNING, versions=frozenset("1"), basis=Basis.OWN)
def sections_of_later_versions(package: Package) -> Found:
    """A descriptor of OVF 1.x has no sections of OVF 2.x.

    There they are extensions like any other, which importers of OVF 1.x do not know.

    Fix: write the descriptor in OVF 2.x, or make sure that ovf:required="false" is on the section.
    """
    envelope = package.envelope
    for element in envelope.once(standard_part):
        if is_of_other_version(element, envelope.version):
            yield envelope.at(element), f"{label(element)} is of OVF 2.x"
