"""Rules of the envelope's form: clauses 6 and 7, and the schema of the envelope."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.extensions import is_foreign, is_unknown, standard_part
from ovf.judging.rule import Basis, rule
from ovf.package import Package
from ovf.schema.judged_copy import place_in_envelope
from ovf.schema.second_opinion import MOST_EXPLAINED, explanation
from ovf.schema.tellers import told_elsewhere
from ovf.schema.verdict import violations
from ovf.schema.vocabulary import corrected, spelled
from rehost.report import Location
from rehost.tracked import local_name, summary

Found = Iterator[tuple[Location, str]]


@rule("ENV-004", clause="6", basis=Basis.SCHEMA)
def namespaces_as_written(package: Package) -> Found:
    """The namespaces of the standard are written exactly as it has them.

    Another spelling is another namespace: importers see elements they do not know. VirtualBox
    writes those of OVF 2.x with .xsd behind.

    Fix: write the namespace as the message says.
    """
    envelope = package.envelope
    seen: set[str] = set()
    for element in envelope.once(standard_part):
        for namespace in (_namespace(str(element.tag)), *_of_attributes(element)):
            if namespace in seen:
                continue
            seen.add(namespace)
            right = corrected(namespace) if namespace else envelope.namespace
            if right is not None:
                found = summary(namespace) or "none"
                yield envelope.at(element), f"namespace is {found}, not {right}"


def _of_attributes(element: etree._Element) -> list[str]:
    """Return the namespaces of an element's attributes; many have none, rightly."""
    return [_namespace(str(name)) for name in element.attrib if str(name).startswith("{")]


def _namespace(name: str) -> str:
    return name[1:].partition("}")[0] if name.startswith("{") else ""


@rule("ENV-005", clause="7", basis=Basis.SCHEMA)
def order_of_the_envelope(package: Package) -> Found:
    """An envelope holds References, then sections, then one content; Strings end it (I18-003).

    Importers that read as they go, or validate, refuse another order.

    Fix: put the element in its place.
    """
    envelope = package.envelope
    last, last_name = 0, ""
    seen: set[str] = set()
    for child in envelope.root.iterchildren(etree.Element):
        if is_foreign(child, envelope.version) or is_unknown(child, envelope.version):
            continue
        if local_name(str(child.tag)) == "Strings":
            continue
        name, rank = local_name(str(child.tag)), place_in_envelope(child)
        if rank is None:
            yield envelope.at(child), f"{spelled(str(child.tag))} may not stand in Envelope"
        elif name == "References" and name in seen:
            yield envelope.at(child), "References stands in Envelope again"
        elif rank < last:
            yield envelope.at(child), f"{name} stands behind {last_name}"
        else:
            last, last_name = rank, name
        seen.add(name)
    if "References" not in seen:
        yield envelope.at(envelope.root), "Envelope has no References"


@rule("ENV-007", clause="7", basis=Basis.SCHEMA)
def valid(package: Package) -> Found:
    """A descriptor is valid against the schema of its version.

    Importers that validate refuse it, others guess. Extensions are judged apart, by the rules of
    extensions; what a rule of its own tells of is not told again.

    Fix: write the element as the message says.
    """
    envelope = package.envelope
    if envelope.dialect is not None:
        return
    for number, violation in enumerate(package.once(violations)):
        if not told_elsewhere(package, violation):
            message = violation.message
            if package.explains and number < MOST_EXPLAINED:
                message += f", {explanation(package, violation)}"
            yield envelope.at(violation.element), message
