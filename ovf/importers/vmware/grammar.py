"""VMware's checks of a descriptor's grammar: what stands twice or out of order.

What breaks the schema in other ways is passed over, or has a check or a rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.judging.profile import Hit, Sure, Target, check
from ovf.package import Package
from ovf.schema.verdict import violations
from ovf.schema.violation import Kind, Violation
from rehost.report import Severity
from rehost.tracked import local_name, summary

OFTEN = frozenset(("HostResource", "Connection"))
"""What an item may say more than once."""


def _misplaced(package: Package) -> Iterator[Violation]:
    return (found for found in package.once(violations) if found.kind is Kind.MISPLACED)


@check(
    "VMW-025",
    quote="Duplicate element '{name}'.",
    source="vSphere Automation API, Ovf ParseIssue.Category, ELEMENT_ILLEGAL; the words in"
    " github.com/vmware/terraform-provider-vsphere/issues/1521",
    sure=Sure.DOCUMENTATION,
)
def said_twice(package: Package, target: Target) -> Iterator[Hit]:
    """What the standard lets stand once stands once: an Info, a System, an item's ResourceType.

    VMware refuses a second one where only one is allowed.

    Fix: keep one of them.
    """
    for found in _misplaced(package):
        if _again(found.element):
            name = summary(local_name(str(found.element.tag)))
            parent = local_name(str(found.subject.tag))
            yield Hit(package.envelope.at(found.element), f"{parent} has another {name}", _as(name))


def _again(element: etree._Element) -> bool:
    before = element.itersiblings(element.tag, preceding=True)
    return local_name(str(element.tag)) not in OFTEN and next(before, None) is not None


@check(
    "VMW-026",
    severity=Severity.WARNING,
    quote="Unsupported element '{name}'.",
    source="github.com/home-assistant/operating-system/issues/660, ESXi 6.7",
    sure=Sure.ISSUE,
)
def out_of_order(package: Package, target: Target) -> Iterator[Hit]:
    """What an item says stands in the order of names.

    ESXi's own web client has refused an item whose Connection stood behind its Description; vCenter
    and ovftool take it.

    Fix: sort what the item says by name; `rehost validate --fix` does it.
    """
    for found in _misplaced(package):
        if local_name(str(found.subject.tag)) == "Item" and not _again(found.element):
            name = summary(local_name(str(found.element.tag)))
            yield Hit(package.envelope.at(found.element), found.message, _as(name))


def _as(name: str) -> dict[str, str]:
    return {"name": name}
