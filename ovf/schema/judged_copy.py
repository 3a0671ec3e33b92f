"""A copy of a descriptor without what other rules tell of, so that its schema sees only the rest.

Extensions leave (the rules EXT judge them), misspelled namespaces are corrected (ENV-004), unknown
names of the DMTF's are corrected or leave (EXT-001), a missing Info is put in (CNT-003), and what
stands in the envelope is put in order (ENV-005, ENV-006). Each defect is so reported once, and one
that comes early hides none that comes late.
"""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

from ovf.envelope import CONTENT, Envelope
from ovf.extensions import is_foreign, is_of_dmtf, is_unknown
from ovf.foreign import VERSIONS
from ovf.schema.vocabulary import corrected, meant
from rehost.tracked import local_name

ENVELOPE = {version: namespace for namespace, version in VERSIONS.items()}
ORDER = {"References": 0, **dict.fromkeys(("Content", *CONTENT), 2), "Strings": 3}
"""Where the children of an envelope stand; sections are 1."""


def copy_for_schema(
    envelope: Envelope,
) -> tuple[etree._Element, dict[etree._Element, etree._Element]]:
    """Return a mended copy of the tree, and for each element of it the one it is a copy of."""
    copy = deepcopy(envelope.root)
    originals = dict(zip(copy.iter(), envelope.root.iter(), strict=True))
    for element in list(copy.iter(etree.Element)):
        _correct(element, envelope.version)
    for element in list(copy.iter(etree.Element)):
        parent = element.getparent()
        if parent is None:
            continue
        extends = is_foreign(element, envelope.version) and is_of_dmtf(parent, envelope.version)
        if extends or is_unknown(element, envelope.version):
            take_out(element)
    for element in list(copy.iter(f"{{{envelope.namespace}}}*")):
        if takes_info(element):
            _begin_with_info(element, envelope.namespace)
    _arrange(copy)
    return copy, originals


def place_in_envelope(element: etree._Element) -> int | None:
    """Return the rank of an element of the standard in an envelope; None for others."""
    name = local_name(str(element.tag))
    return 1 if name.endswith("Section") else ORDER.get(name)


def take_out(element: etree._Element) -> None:
    """Remove an element, its children first: lxml takes time by the square for a large branch.

    That text stood behind it is kept: a letter before all children is as wrong as the text was.
    """
    parent = element.getparent()
    if parent is not None:
        element[:] = []
        if (stray := (element.tail or "").strip()) and not (parent.text or "").strip():
            parent.text = stray[0]
        parent.remove(element)


def takes_info(element: etree._Element) -> bool:
    """Say whether an element is a section or a content, which begin with an Info."""
    name = local_name(str(element.tag))
    return name.endswith("Section") or name in CONTENT


def _correct(element: etree._Element, version: str) -> None:
    """Give an element the name it means, where that differs in letters only."""
    namespace = etree.QName(element).namespace
    right = corrected(namespace) if namespace else ENVELOPE.get(version)
    if right is not None:
        element.tag = f"{{{right}}}{local_name(str(element.tag))}"
    if is_unknown(element, version):
        element.tag = meant(str(element.tag), version) or element.tag


def _begin_with_info(element: etree._Element, namespace: str) -> None:
    first = next(element.iterchildren(etree.Element), None)
    if first is not None and local_name(str(first.tag)) == "Info":
        return
    found = element.find(f"{{{namespace}}}Info")
    element.insert(0, etree.Element(f"{{{namespace}}}Info") if found is None else found)


def _arrange(root: etree._Element) -> None:
    """Sort the children of an envelope; leave out what is surplus or belongs elsewhere."""
    placed = [(place_in_envelope(child), child) for child in root.iterchildren(etree.Element)]
    kept = []
    single = set()
    for rank, child in placed:
        if rank is None or rank in single:
            take_out(child)
            continue
        if rank in {0, 2}:
            single.add(rank)
        kept.append((rank, child))
    for _, child in sorted(kept, key=lambda pair: pair[0]):
        root.append(child)
