"""Rules of what is said of a guest: annotation, licence, operating system, installation.

Clauses 9.4, 9.6, 9.9 and 9.10.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf import cim
from ovf.judging.rule import Basis, rule
from ovf.machines.guests import family, is_64_bit
from ovf.namespaces import VBOX, VMW
from ovf.outline import whole
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]
SHORT = 1 << 16


@rule("ANN-001", clause="9.4", basis=Basis.SCHEMA)
def annotations_say_something(package: Package) -> Found:
    """An AnnotationSection has one Annotation.

    Without it there is nothing to show.

    Fix: add <Annotation>, or leave the section out.
    """
    yield from _single(package, "AnnotationSection", "Annotation")


@rule("EUL-001", clause="9.6", basis=Basis.SCHEMA)
def licences_say_something(package: Package) -> Found:
    """A EulaSection has one License, with the text or a reference to it.

    It has to be shown and accepted when the package is deployed; nobody can accept nothing.

    Fix: put the text into <License>, or leave the section out.
    """
    yield from _single(package, "EulaSection", "License")
    envelope = package.envelope
    for section in package.envelope.every("EulaSection"):
        for text in envelope.children(section, "License"):
            referring = envelope.attribute(text, "msgid") or envelope.attribute(text, "fileRef")
            if not referring and not (text.text or "").strip():
                yield envelope.at(text), "License is empty"


def _single(package: Package, name: str, child: str) -> Found:
    envelope = package.envelope
    for section in package.envelope.every(name):
        count = sum(1 for _ in envelope.children(section, child))
        if count != 1:
            yield envelope.at(section), f"{name} has {count or 'no'} {child}{'s' if count else ''}"


@rule("OSS-001", clause="9.9")
def systems_are_known(package: Package) -> Found:
    """The ovf:id of an OperatingSystemSection is a number of CIM_OperatingSystem.OSType.

    Importers choose the devices by it.

    Fix: use the number of the guest's system, or 1, other; vendors' own words go beside it.
    """
    envelope = package.envelope
    for section in package.envelope.every("OperatingSystemSection"):
        text = envelope.attribute(section, "id")
        number = whole(text, below=SHORT)
        if text is None:
            yield envelope.at(section), "OperatingSystemSection has no ovf:id"
        elif number is None or number > max(cim.OPERATING_SYSTEMS):
            yield envelope.at(section), f"ovf:id is no operating system of CIM ({summary(text)!r})"


@rule("OSS-002", clause="9.9", severity=Severity.WARNING, basis=Basis.OWN)
def systems_agree(package: Package) -> Found:
    """The ovf:id, vmw:osType and vbox:OSType of a guest are of one family and width.

    Each importer goes by another, and makes another machine.

    Fix: correct the one that is wrong.
    """
    envelope = package.envelope
    for section in package.envelope.every("OperatingSystemSection"):
        number = whole(envelope.attribute(section, "id"), below=SHORT)
        name = cim.operating_system(number) or ""
        ours = family(name)
        for attribute, word in _vendors(section) if ours else ():
            theirs = family(word)
            narrow = is_64_bit(name) and not is_64_bit(word)
            if theirs and (narrow or theirs != ours):
                yield envelope.at(section), f"ovf:id is {name}, but {attribute} {summary(word)!r}"


def _vendors(section: etree._Element) -> Iterator[tuple[str, str]]:
    if word := section.get(f"{{{VMW}}}osType"):
        yield "vmw:osType", str(word)
    if word := section.findtext(f"{{{VBOX}}}OSType"):
        yield "vbox:OSType", word


@rule("INS-001", clause="9.10", basis=Basis.SCHEMA)
def installation_delays(package: Package) -> Found:
    """The ovf:initialBootStopDelay of an InstallSection is a number of seconds below 65536.

    OVF 1.0 lets it be left out, which is to wait without end; from OVF 1.1.1 on the schema
    demands it, here of OVF 2.x alone, for 1.0 and 1.1 have one namespace.

    Fix: write ovf:initialBootStopDelay="0", or the seconds the guest may take.
    """
    envelope = package.envelope
    for section in package.envelope.every("InstallSection"):
        text = envelope.attribute(section, "initialBootStopDelay")
        if text is None and envelope.version == "2":
            yield envelope.at(section), "InstallSection has no ovf:initialBootStopDelay"
        elif text is not None and whole(text, below=SHORT) is None:
            yield (
                envelope.at(section),
                (f"ovf:initialBootStopDelay is no number of seconds ({summary(text)!r})"),
            )
