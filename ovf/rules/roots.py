"""Rules of the descriptor as a document: its root, version and language, clauses 6 and 7."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ovf.envelope import XML_LANG
from ovf.judging.rule import EVERY_DIALECT, Basis, rule
from ovf.package import Package
from ovf.searching import elements
from rehost.report import Location, Severity
from rehost.tracked import local_name, summary

LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
SPOKEN = etree.XPath("//*[@xml:lang]")
Found = Iterator[tuple[Location, str]]


@rule("ENV-001", clause="6", versions=EVERY_DIALECT)
def root_is_an_envelope(package: Package) -> Found:
    """A descriptor is an XML document whose root is Envelope.

    Nothing else is a package's descriptor, whatever its file is called.

    Fix: choose another file, or put its content into an Envelope.
    """
    envelope = package.written
    if not envelope.is_envelope:
        tag = summary(str(envelope.root.tag))
        yield envelope.at(envelope.root), f"is no OVF descriptor (its root is {tag})"


@rule("ENV-002", clause="6", versions=EVERY_DIALECT)
def namespace_is_known(package: Package) -> Found:
    """The namespace is http://schemas.dmtf.org/ovf/envelope/1, or /2 for OVF 2, to the letter.

    It says which version a descriptor is. VMware's and VirtualBox's importers still read the drafts
    from before the standard, OVF 0.9 and that of 1.0, few others do; oVirt's dialect, whose
    namespace ends in a slash, is read by what belongs to oVirt. The other rules judge these as if
    they had the standard's names. Of what is in any other namespace only the files are judged.

    Fix: restate a dialect as OVF 1.x, `rehost ovf restate --to 1`, or export the machine anew.
    """
    envelope = package.written
    if envelope.is_envelope and envelope.foreign is not None:
        yield envelope.foreign.at, envelope.foreign.what
    elif envelope.dialect is not None:
        yield envelope.at(envelope.root), f"is written in {envelope.dialect}"


@rule("ENV-003", clause="7", severity=Severity.INFO)
def version_is_the_namespace(package: Package) -> Found:
    """An ovf:version on the Envelope says no other version than the namespace.

    Since OVF 1.0 the attribute means nothing, but it misleads who reads the file.

    Fix: remove ovf:version.
    """
    envelope = package.envelope
    said = (envelope.attribute(envelope.root, "version") or "").strip()
    if said and said.partition(".")[0] != envelope.version and envelope.dialect is None:
        message = f"ovf:version is {summary(said)!r}, but the namespace is of {envelope.version}.x"
        yield envelope.at(envelope.root), message


@rule("ENV-008", clause="7", basis=Basis.SCHEMA)
def languages_are_tags(package: Package) -> Found:
    """An xml:lang is a language tag, as en-US; without one the Envelope is in en-US.

    A message in a language nobody can name is shown to nobody. Declared since OVF 1.1.

    Fix: write the tag with hyphens, as in RFC 5646.
    """
    for element in elements(SPOKEN, package.envelope.root):
        language = str(element.get(XML_LANG))
        if not LANGUAGE.fullmatch(language):
            name = local_name(str(element.tag))
            where = package.envelope.at(element)
            yield where, f"xml:lang of {name} is no language tag ({summary(language)!r})"
