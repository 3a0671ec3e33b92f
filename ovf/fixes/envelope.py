"""Fixes of the envelope: clauses 6 and 7."""

from __future__ import annotations

import re

from lxml import etree

from ovf.edit.draft import Draft
from ovf.envelope import CONTENT, XML_LANG
from ovf.extensions import (
    HOLDERS,
    Extension,
    extensions,
    is_allowed,
    is_open,
    is_unknown,
    standard_part,
)
from ovf.mending.fix import Done, fix
from ovf.rules.roots import LANGUAGE
from ovf.schema.judged_copy import place_in_envelope, takes_info
from ovf.schema.vocabulary import corrected, meant, spelled
from rehost.tracked import label, local_name, summary

FIRST = ("References", "Info", "Name")
"""What stands before any extension in an element that holds sections."""
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


@fix("ENV-008")
def languages_hyphenated(draft: Draft) -> Done:
    """Write hyphens for underscores in language tags."""
    for element in draft.envelope.root.iter(etree.Element):
        said = str(element.get(XML_LANG) or "")
        right = said.replace("_", "-")
        if right != said and LANGUAGE.fullmatch(right):
            draft.text.set(element, XML_LANG, right)
            yield element, f"xml:lang of {local_name(str(element.tag))}: {said} -> {right}"


@fix("EXT-001")
def names_in_their_letters(draft: Draft) -> Done:
    """Spell elements as the standard does where only upper and lower case differ."""
    version = draft.envelope.version
    for element in draft.envelope.once(standard_part):
        tag = str(element.tag)
        right = meant(tag, version) if is_unknown(element, version) else None
        if right is not None:
            draft.text.rename(element, right)
            yield element, f"{spelled(tag)} is called {spelled(right)} now"


@fix("EXT-006")
def extensions_explained(draft: Draft) -> Done:
    """Begin sections of vendors with an Info, which says what they are called."""
    for extension in draft.envelope.once(extensions):
        element = extension.element
        children = draft.text.children(element)
        if extension.is_section and is_allowed(extension) and not _is_info(children[:1]):
            text = _described(local_name(str(element.tag)))
            draft.text.prepend(element, draft.new("Info", text))
            yield element, f"{summary(label(element))} has an Info now ({text})"


@fix("EXT-005")
def extensions_behind_the_standard(draft: Draft) -> Done:
    """Move extensions behind the last child of an open type, or behind Info and Name."""
    moved: dict[etree._Element, list[Extension]] = {}
    for extension in draft.envelope.once(extensions):
        if not is_allowed(extension):
            moved.setdefault(extension.parent, []).append(extension)
    for parent, found in moved.items():
        others = [each.element for each in found]
        rest = [child for child in draft.text.children(parent) if child not in others]
        place = _place_in(parent, rest)
        if place is not None:
            draft.text.reorder(parent, [*rest[:place], *others, *rest[place:]])
            for each in found:
                name = summary(label(each.element))
                yield each.element, f"{name} is in its place in {label(parent)} now"


def _place_in(parent: etree._Element, rest: list[etree._Element]) -> int | None:
    """Return behind how many of the others extensions may stand, None where they may nowhere."""
    names = [local_name(str(child.tag)) for child in rest]
    if local_name(str(parent.tag)) not in HOLDERS:
        return len(rest) if is_open(parent) else None
    content = next((place for place, name in enumerate(names) if name in CONTENT), len(names))
    first = max((names.index(name) + 1 for name in FIRST if name in names), default=0)
    return max(first, content)


def _is_info(children: list[etree._Element]) -> bool:
    return any(local_name(str(child.tag)) == "Info" for child in children)
