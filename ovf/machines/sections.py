"""The sections no machine has words for, reported one by one.

Spec: DSP0243 clauses 9.3 to 9.8 and 10. A product section becomes one loss for the product and one
for each property; every other section, with all it holds, is one loss. Values of properties that
are passwords are never repeated.
"""

from __future__ import annotations

import string
from collections.abc import Iterator

from lxml import etree

from ovf.machines.items import Reading
from ovf.ovirt.terms import OVIRT, SETTINGS
from ovf.package import name_of
from rehost.report import Loss
from rehost.tracked import UNKNOWN_TO_US, Tracked, content, label, local_name, summary

PRODUCT_WORDS = ("Product", "Vendor", "Version", "FullVersion")
ENVELOPE = ("References", "DiskSection", "NetworkSection", "DeploymentOptionSection", "Strings")
CONTENT = ("VirtualSystem", "VirtualSystemCollection", "Info", "Name")
LISTED = ("File", "Disk")
UNDERSTOOD = frozenset((*ENVELOPE, *CONTENT))


def sections_of(node: Tracked, reading: Reading) -> None:
    """Report the sections of a virtual system that its machine does not carry."""
    node.ignore("Info", "@required")
    for child in node.children("*"):
        if child.name in {"VirtualHardwareSection", "OperatingSystemSection"}:
            child.ignore("Info", "@id", "@required", "System/ElementName", "System/InstanceID")
            child.ignore("System/InstanceId", "System/Caption", "System/Description")
        elif not node.looked_at(child.element):
            _section(child.element, reading)
            node.take(child.element)


def around(reading: Reading, used: frozenset[str]) -> list[Loss]:
    """Return the losses of what stands around the machines: sections, options, unused files."""
    for parent in _collections(reading.envelope.root):
        for child in parent.iterchildren(etree.Element):
            if local_name(str(child.tag)) not in UNDERSTOOD:
                _section(child, reading)
    _beyond(reading)
    _options(reading)
    _unused(reading, used)
    return reading.losses


def _collections(root: etree._Element) -> Iterator[etree._Element]:
    yield root
    yield from root.iter("{*}VirtualSystemCollection")


def _section(section: etree._Element, reading: Reading) -> None:
    if local_name(str(section.tag)) == "ProductSection":
        _product(section, reading)
    elif str(section.tag) == SETTINGS:
        for setting in section.iterchildren(f"{{{OVIRT}}}*"):
            _section(setting, reading)
    else:
        said = None if len(section) else summary(section.text or "") or None
        reading.drop(f"{reading.place(section)} {label(section)}", said, UNKNOWN_TO_US)


def _product(section: etree._Element, reading: Reading) -> None:
    envelope = reading.envelope
    texts = (envelope.text(envelope.first(section, word)) for word in PRODUCT_WORDS)
    product = summary(", ".join(text for text in texts if text))
    reading.drop(f"{reading.place(section)} ProductSection", product or None, UNKNOWN_TO_US)
    for entry in envelope.children(section, "Property"):
        key = envelope.attribute(entry, "key") or ""
        value = envelope.value(entry)
        if envelope.flag(entry, "password") or not value:
            value = None
        what = f"{reading.place(entry)} Property '{summary(key)}'"
        why = "the guest would get it by the OVF environment, which is not carried"
        reading.drop(what, value and summary(value), why)


def _beyond(reading: Reading) -> None:
    """Report what files and disks say in attributes and elements of vendors and dialects."""
    envelope = reading.envelope
    ours = (f"{{{envelope.namespace}}}", "{http://www.w3.org/")
    letters = tuple(string.ascii_letters) if envelope.dialect is None else ()
    known = (*ours, *letters)
    for element in envelope.root.iter(*(f"{{{envelope.namespace}}}{name}" for name in LISTED)):
        for key, value in element.attrib.items():
            if not str(key).startswith(known):
                what = f"{reading.place(element)} {label(element)}/@{local_name(str(key))}"
                reading.drop(what, summary(str(value)) or None, UNKNOWN_TO_US)
        for child in element.iterchildren(etree.Element):
            what = f"{reading.place(child)} {label(child)}"
            reading.drop(what, content(child), UNKNOWN_TO_US)


def _options(reading: Reading) -> None:
    envelope = reading.envelope
    for section in envelope.sections("DeploymentOptionSection"):
        for option in envelope.children(section, "Configuration"):
            name = envelope.attribute(option, "id") or ""
            if name != envelope.default_configuration:
                what = f"{reading.place(option)} Configuration '{summary(name)}'"
                why = f"the default is '{summary(envelope.default_configuration or '')}'"
                reading.drop(what, None, why)


def _unused(reading: Reading, used: frozenset[str]) -> None:
    envelope = reading.envelope
    named = {
        envelope.attribute(element, "fileRef")
        for name in ("Strings", "Icon", "License")
        for element in envelope.every(name)
    }
    for file in envelope.references:
        if file.id not in named and f"file {file.id}" not in used:
            what = f"{envelope.file}:{file.at.line} File '{summary(name_of(file))}'"
            reading.drop(what, None, "no machine uses it as a disk or medium")
    for disk in envelope.disks:
        if f"disk {disk.id}" not in used:
            what = f"{envelope.file}:{disk.at.line} Disk '{summary(disk.id or '')}'"
            reading.drop(what, None, "no machine uses it")
