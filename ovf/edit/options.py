"""Deployment configurations: what whoever deploys may choose between.

Spec: DSP0243 clause 9.8 (DeploymentOptionSection).
"""

from __future__ import annotations

from lxml import etree

from ovf.edit.draft import Draft
from ovf.outline import items
from rehost.errors import UsageError

INFO = "The configurations to choose between"
MAKE = "Make it with `rehost ovf add configuration`."


def add_configuration(
    draft: Draft, identifier: str, label: str, description: str, *, default: bool = False
) -> None:
    """Add a configuration behind the others."""
    refuse_several(draft, identifier)
    if identifier in _known(draft):
        raise UsageError(
            f"there is a configuration {identifier!r} already", where=draft.envelope.label
        )
    made = draft.new("Configuration", id=identifier)
    made.extend((draft.new("Label", label), draft.new("Description", description)))
    draft.list_in("DeploymentOptionSection", INFO, made)
    if default:
        set_default_configuration(draft, identifier)


def set_default_configuration(draft: Draft, identifier: str) -> None:
    """Mark a configuration as the one that is taken unless another is chosen."""
    known = _known(draft)
    refuse_unknown(draft, identifier)
    for name, element in known.items():
        draft.set(element, "default", "true" if name == identifier else None)
    draft.settle()


def remove_configuration(draft: Draft, identifier: str) -> None:
    """Remove a configuration, and the items and values that hold in no other."""
    refuse_unknown(draft, identifier)
    known = _known(draft)
    element = known[identifier]
    section = element.getparent()
    last = len(known) == 1 and section is not None
    draft.text.remove(section if last and section is not None else element)
    for item in items(draft.envelope):
        if identifier in item.configurations:
            rest = [each for each in _listed(draft, item.element) if each != identifier]
            if rest:
                draft.set(item.element, "configuration", " ".join(rest))
            else:
                draft.text.remove(item.element)
    for value in draft.envelope.root.iter(draft.name("Value")):
        if draft.envelope.attribute(value, "configuration") == identifier:
            draft.text.remove(value)
    draft.settle()


def _known(draft: Draft) -> dict[str, etree._Element]:
    return {
        draft.envelope.attribute(each, "id") or "": each
        for section in draft.envelope.sections("DeploymentOptionSection")
        for each in draft.envelope.children(section, "Configuration")
    }


def refuse_several(draft: Draft, identifier: str) -> None:
    """Refuse an id that items could not name, for what they name is a list."""
    if len(identifier.split()) != 1:
        raise UsageError(
            f"no item can be for a configuration of the id {identifier!r}",
            where=draft.envelope.label,
            hint="Give it an id without spaces.",
        )


def refuse_unknown(draft: Draft, identifier: str) -> None:
    """Refuse a configuration that the package does not have."""
    known = _known(draft)
    if identifier not in known:
        raise UsageError(
            f"has no configuration {identifier!r}",
            where=draft.envelope.label,
            hint=f"There are {', '.join(map(repr, known))}." if known else MAKE,
        )


def _listed(draft: Draft, element: etree._Element) -> list[str]:
    return (draft.envelope.attribute(element, "configuration") or "").split()
