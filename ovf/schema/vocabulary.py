"""The names the standard defines, read from its schemas: what is not among them is an extension.

Spec: DSP0243 clause 7.3 (extensions are in namespaces of their own) and table 1 (namespaces). The
schemas are those in ``schemas/ovf``, so that a name is written down once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lxml import etree

from ovf.foreign import VERSIONS
from ovf.namespaces import CIM, SETTING_PREFIXES

OWN_SCHEMAS = Path(__file__).parents[2] / "schemas" / "ovf"
PREFIXES = {
    "http://www.w3.org/XML/1998/namespace": "xml",
    "http://www.w3.org/2000/09/xmldsig#": "ds",
    "http://www.w3.org/2001/04/xmlenc#": "xenc",
    "http://www.w3.org/2009/xmlenc11#": "xenc11",
    "http://schemas.dmtf.org/wbem/wscim/1/common": "cim",
    "http://schemas.dmtf.org/ovf/environment/1": "ovfenv",
    f"{CIM}BootConfigSetting": "bootc",
    f"{CIM}BootSourceSetting": "boots",
    **SETTING_PREFIXES,
}
"""The prefixes the standard gives namespaces other than the envelope's own."""
XS = "{http://www.w3.org/2001/XMLSchema}"
OF_ENVELOPES = "envelope-"
"""What the names of the schemas of descriptors begin with; others are of what these bring in."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Elements and attributes as ``{namespace}name``, and the namespaces they are in."""

    namespaces: frozenset[str]
    elements: frozenset[str]
    attributes: frozenset[str]


@cache
def vocabulary(version: str) -> Vocabulary:
    """Return the names of OVF 1.x or 2.x; ``version`` is "1" or "2"."""
    elements: set[str] = set()
    attributes: set[str] = set()
    for namespace, declaration in _declarations(f"{OF_ENVELOPES}{version}.xsd"):
        names = elements if declaration.tag == f"{XS}element" else attributes
        names.add(f"{{{namespace}}}{declaration.get('name')}")
    namespaces = frozenset(name[1:].partition("}")[0] for name in elements)
    return Vocabulary(namespaces, frozenset(elements), frozenset(attributes))


def _declarations(file: str) -> Iterator[tuple[str, etree._Element]]:
    """Yield (namespace, declaration) of a schema and all it brings in."""
    for _, namespace, root in schemas(file):
        for declaration in root.iter(f"{XS}element", f"{XS}attribute"):
            if declaration.get("name"):
                yield namespace, declaration


def schemas(
    file: str, including: str = "", seen: set[tuple[str, str]] | None = None
) -> Iterator[tuple[str, str, etree._Element]]:
    """Yield (file, namespace, root) of a schema and of all it brings in, each once.

    ``including`` is the namespace a schema without one of its own is included into.
    """
    seen = set() if seen is None else seen
    root = etree.parse(str(OWN_SCHEMAS / file), etree.XMLParser(no_network=True)).getroot()
    namespace = root.get("targetNamespace", including)
    if (file, namespace) in seen:
        return
    seen.add((file, namespace))
    yield file, namespace, root
    for reference in root.iterchildren(f"{XS}include", f"{XS}import"):
        yield from schemas(str(reference.get("schemaLocation")), namespace, seen)


def spelled(name: str) -> str:
    """Return ``{namespace}name`` with the standard's prefix; without one where it has none."""
    namespace, _, local = name.rpartition("}")
    prefix = PREFIXES.get(namespace[1:])
    return f"{prefix}:{local}" if prefix else local


def meant(name: str, version: str) -> str | None:
    """Return the element of the standard that a name is, but for upper and lower case."""
    return _by_letters(version).get(name.lower())


@cache
def _by_letters(version: str) -> dict[str, str]:
    return {name.lower(): name for name in sorted(vocabulary(version).elements)}


def corrected(namespace: str) -> str | None:
    """Return the namespace of the standard that one with another spelling means.

    None for a namespace that is right, or is no misspelling of any.
    """
    known = (*VERSIONS, *PREFIXES)
    if namespace in known:
        return None
    plain = _plain(namespace)
    return next((right for right in known if _plain(right) == plain), None)


def _plain(namespace: str) -> str:
    return namespace.strip().lower().removesuffix(".xsd").rstrip("/")
