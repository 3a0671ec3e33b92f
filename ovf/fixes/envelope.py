"""Fixes of the envelope: clauses 6 and 7."""

from __future__ import annotations

import re

from lxml import etree

from ovf.edit.draft import Draft
from ovf.extensions import CONTENT
from ovf.mending.fix import Done, fix
from ovf.schema.judged_copy import place_in_envelope, takes_info
from ovf.schema.vocabulary import corrected
from rehost.tracked import local_name, summary

WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


@fix("ENV-003")
def version_left_out(draft: Draft) -> Done:
    """Remove the attribute, which means nothing since OVF 1.0."""
    envelope = draft.envelope
    said = (envelope.attribute(envelope.root, "version") or "").strip()
    if said and said.partition(".")[0] != envelope.version:
        draft.set(envelope.root, "version", None)
        yield envelope.root, f"Envelope states no version now (was {summary(said)})"


@fix("ENV-004")
def namespaces_corrected(draft: Draft) -> Done:
    """Correct the declarations of prefixes whose namespace is written otherwise."""
    for element in draft.envelope.root.iter(etree.Element):
        parent = element.getparent()
        known = {} if parent is None else parent.nsmap
        for prefix, namespace in element.nsmap.items():
            right = corrected(namespace) if namespace and prefix else None
            if right is not None and known.get(prefix) != namespace:
                draft.text.set(element, f"xmlns:{prefix}", right)
                yield element, f"namespace of {prefix}: {namespace} -> {right}"


@fix("CNT-003")
def infos_added(draft: Draft) -> Done:
    """Begin sections and contents with an Info; one that stands elsewhere is moved there."""
    for element in draft.envelope.root.iter(f"{{{draft.envelope.namespace}}}*"):
        children = draft.text.children(element)
        if not takes_info(element) or (children and local_name(str(children[0].tag)) == "Info"):
            continue
        name = local_name(str(element.tag))
        info = next((child for child in children if child.tag == draft.name("Info")), None)
        if info is not None:
            draft.text.reorder(element, [info, *(each for each in children if each is not info)])
            yield element, f"{name} begins with its Info now"
            continue
        text = _described(name)
        draft.text.prepend(element, draft.new("Info", text))
        yield element, f"{name} has an Info now ({text})"


def _described(name: str) -> str:
    """Return a name such as VirtualHardwareSection in words."""
    words = WORDS.sub(" ", name if name in CONTENT else name.removesuffix("Section"))
    return words[:1] + words[1:].lower()


@fix("ENV-005")
def envelope_sorted(draft: Draft) -> Done:
    """Put References first, then sections, the content and Strings; extensions are sections."""
    root = draft.envelope.root
    children = draft.text.children(root)
    ranks = {child: place_in_envelope(child) for child in children}
    right = sorted(children, key=lambda child: 1 if ranks[child] is None else ranks[child] or 0)
    if right != children:
        draft.text.reorder(root, right)
        names = (local_name(str(child.tag)) for child in right)
        yield root, f"Envelope is in order now ({', '.join(names)})"
