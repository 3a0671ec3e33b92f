"""How far a descriptor keeps to the standard: its conformance level, which nothing states.

Spec: DSP0243 clause 7.4. Elements of the other version's namespace count as extensions.
"""

from __future__ import annotations

from enum import Enum

from lxml import etree

from ovf.envelope import Envelope
from ovf.extensions import extensions
from ovf.namespaces import VMW

PUBLISHED = frozenset((VMW, "http://www.vmware.com/vcloud/v1", "http://www.vmware.com/vcloud/v1.5"))
"""Namespaces whose owner publishes a schema; VMware does with the API of vCloud Director."""
SHARED = ("http://schemas.dmtf.org/", "http://www.w3.org/")
"""Where the namespaces begin that belong to everybody."""


class Level(Enum):
    """A conformance level and what it says of the extensions."""

    STANDARD = 1
    OPTIONAL = 2
    REQUIRED = 3

    @property
    def words(self) -> str:
        """What a descriptor of this level has."""
        return {1: "no extensions", 2: "optional extensions", 3: "required extensions"}[self.value]


def level(envelope: Envelope) -> Level:
    """Return a descriptor's conformance level."""
    found = envelope.once(extensions)
    if any(extension.required for extension in found):
        return Level.REQUIRED
    if found or any(map(_has_attributes_of_vendors, envelope.root.iter(etree.Element))):
        return Level.OPTIONAL
    return Level.STANDARD


def is_published(namespace: str) -> bool:
    """Say whether the XML schema of a namespace is known to be public."""
    return namespace in PUBLISHED or namespace.startswith("http://schemas.dmtf.org/")


def _has_attributes_of_vendors(element: etree._Element) -> bool:
    return any(
        name.startswith("{") and not name[1:].startswith(SHARED)
        for name in map(str, element.attrib)
    )
