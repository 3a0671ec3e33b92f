"""Which rules tell, in better words, of what the schema refuses too.

A defect is reported once: the rule of the schema keeps silent where one of these told of the same
element. It asks them, so nothing is lost where they see no harm.
"""

from __future__ import annotations

from lxml import etree

from ovf.package import Package
from ovf.rule import Needs, all_rules
from ovf.violation import Violation
from rehost.report import Location, Severity
from rehost.tracked import local_name

ITEMS = frozenset(("Item", "EthernetPortItem", "StorageItem", "System"))
TELLERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("File", "id"): ("REF-001",),
    ("File", "href"): ("REF-002", "REF-003"),
    ("File", "size"): ("REF-016",),
    ("File", "chunkSize"): ("REF-016",),
    ("Disk", "diskId"): ("DSK-001",),
    ("Disk", "populatedSize"): ("DSK-009",),
    ("Disk", "capacity"): ("DSK-002",),
    ("Network", "name"): ("NET-002",),
    ("VirtualSystem", "id"): ("CNT-001",),
    ("VirtualSystemCollection", "id"): ("CNT-001",),
    ("Name", ""): ("CNT-003",),
    ("VirtualQuantity", ""): ("ITM-012",),
    ("Reservation", ""): ("ITM-012",),
    ("Limit", ""): ("ITM-012",),
    ("Weight", ""): ("ITM-012",),
    ("ResourceType", ""): ("ITM-003",),
    ("Envelope", "lang"): ("ENV-008",),
    ("Strings", "lang"): ("ENV-008",),
    ("Strings", ""): ("I18-003",),
    ("Section", ""): ("SEC-003",),
    ("Content", ""): ("SEC-003",),
}
"""Rules by the local names of an element and of its attribute; "" is the element itself."""


def told_elsewhere(package: Package, violation: Violation) -> bool:
    """Say whether a rule of its own tells of a violation."""
    subject = local_name(str(violation.element.tag)), local_name(violation.attribute)
    at = _around(package, violation.element)
    tellers = TELLERS.get(subject, ())
    return any(at & package.once(_places).get(teller, set()) for teller in tellers)


def _around(package: Package, element: etree._Element) -> set[Location]:
    """Return where an element stands, and where the item does that it is a property of."""
    near = {package.envelope.at(element)}
    parent = element.getparent()
    if parent is not None and local_name(str(parent.tag)) in ITEMS:
        near.add(package.envelope.at(parent))
    return near


def _places(package: Package) -> dict[str, set[Location]]:
    """Return where each rule that may tell does tell of something that is an error."""
    names = {name for tellers in TELLERS.values() for name in tellers}
    return {
        rule.id: {location for location, _ in rule.check(package)}
        for rule in all_rules()
        if rule.id in names
        and rule.needs is Needs.DESCRIPTOR
        and rule.severity is Severity.ERROR
        and package.envelope.version in rule.versions
    }
