"""Which attributes of the standard's an element may carry, as its schemas declare them.

Spec: DSP0243 clause 7.3 (``ovf:required``, on whatever may be left out) and 10.3 (messages of OVF
2.x that are in files). The schemas let any attribute pass on nearly any element, so that a
validator finds nothing wrong with one of the standard's on another element than its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from lxml import etree

from ovf.namespaces import XSI_TYPE
from ovf.schema.vocabulary import OF_ENVELOPES, XS, schemas, vocabulary
from rehost.tracked import local_name

ANYWHERE = frozenset(("required", "msgid"))
"""Attributes that are nowhere out of place here: where messages may be, rule I18-001 judges."""

Places = dict[tuple[str, str], frozenset[str]]
"""Attributes by the names of an element's parent and its own; where any will do that is empty."""

Parts = dict[tuple[str, str], etree._Element]
"""What stands at the top of the schemas, by tag and name."""


def is_misplaced(element: etree._Element, attribute: str, version: str) -> bool:
    """Say whether ``attribute``, of the envelope's namespace, is one that the element has not.

    An element whose type is not known may carry whatever the standard has for any.
    """
    name, kind = local_name(attribute), etree.QName(element)
    if attribute not in vocabulary(version).attributes:
        return True
    if name in ANYWHERE or XSI_TYPE in element.attrib:
        return False
    if kind.namespace != etree.QName(attribute).namespace:
        return (kind.namespace or "") in vocabulary(version).namespaces
    parent, places = element.getparent(), carried(version)
    above = "" if parent is None else local_name(str(parent.tag))
    known = places.get((above, kind.localname), places.get(("", kind.localname)))
    return known is not None and name not in known


@cache
def carried(version: str) -> Places:
    """Return the attributes of OVF 1.x or 2.x by elements; ``version`` is "1" or "2"."""
    parts = {
        (str(part.tag), str(part.get("name"))): part
        for file, _, root in schemas(f"{OF_ENVELOPES}{version}.xsd")
        if file.startswith(OF_ENVELOPES)
        for part in root.iterchildren(f"{XS}*")
    }
    found: Places = {}
    for (tag, _), part in parts.items():
        if tag == f"{XS}element":
            _enter("", part, parts, found)
    if version == "2":
        found = {place: _with_file(names) for place, names in found.items()}
    return found


def _enter(above: str, declaration: etree._Element, parts: Parts, found: Places) -> None:
    """Note an element and all that it may hold."""
    name = str(declaration.get("name"))
    if (above, name) in found:
        return
    inside = list(_inside(declaration, parts))
    attributes = (each for each in inside if each.tag == f"{XS}attribute")
    names = (str(each.get("name") or each.get("ref")) for each in attributes)
    found[above, name] = frozenset(each for each in names if ":" not in each)
    for each in inside:
        if each.tag == f"{XS}element" and each.get("name"):
            _enter(name, each, parts, found)


def _inside(node: etree._Element, parts: Parts) -> Iterator[etree._Element]:
    """Yield the attributes and elements of a declaration, those of its type and groups included."""
    named = (
        (f"{XS}complexType", node.get("type") or node.get("base")),
        (str(node.tag), node.get("ref")),
    )
    for key in named:
        if key[1] and (part := parts.get((key[0], key[1]))) is not None:
            yield from _inside(part, parts)
    for child in node.iterchildren(f"{XS}*"):
        if child.tag in {f"{XS}attribute", f"{XS}element"}:
            yield child
        else:
            yield from _inside(child, parts)


def _with_file(names: frozenset[str]) -> frozenset[str]:
    return names | {"fileRef"} if "msgid" in names else names
