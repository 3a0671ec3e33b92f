"""Descriptors that use OVF's name, but are neither of the standard nor in a dialect that is read.

Spec: DSP0243 clause 6, table 1, for the namespaces of OVF 1.x and 2.x.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from ovf.namespaces import OVF_10, OVF_20
from rehost.report import Location
from rehost.tracked import line_of, summary

VERSIONS = {
    OVF_10: "1",
    OVF_20: "2",
}
FOREIGN = "0"
"""What stands for a version where the descriptor is in none of the standard's."""
ENVIRONMENT = "environment"
"""What stands for a version where the document is no descriptor but what a guest is told."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """What an envelope is instead of OVF 1.x or 2.x, and what its owner can do about it."""

    what: str
    hint: str
    at: Location


def foreign(root: etree._Element, label: str) -> Foreign | None:
    """Return what an envelope is if it is not of the standard."""
    at = Location(label, line_of(root))
    namespace = etree.QName(root).namespace
    if namespace not in VERSIONS:
        what = f"is in no known OVF namespace ({summary(namespace or 'none')})"
        return Foreign(what, f"OVF 1.x is {next(iter(VERSIONS))}.", at)
    return None
