"""Deployment configurations: what whoever deploys may choose between.

Spec: DSP0243 clause 9.8 (DeploymentOptionSection).
"""

from __future__ import annotations

from lxml import etree

from ovf.edit.draft import Draft
from ovf.judging.effective import configurations
from ovf.outline import items
from rehost.errors import UsageError

INFO = "The configurations to choose between"
CONFIGURATIONS = ("DeploymentOptionSection", "Configuration", "id")


def add_configuration(
    draft: Draft, identifier: str, label: str, description: str, *, default: bool = False
) -> None:
    """Add a configuration behind the others."""
    refuse_several(draft, identifier)
    if identifier in draft.listed(*CONFIGURATIONS):
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
    chosen = draft.entry(*CONFIGURATIONS, identifier)
    for element, _ in configurations(draft.envelope):
        draft.set(element, "default", "true" if element is chosen else None)
    draft.settle()


def remove_configuration(draft: Draft, identifier: str) -> None:
    """Remove a configuration, and the items and values that hold in no other."""
    draft.remove_entry(draft.entry(*CONFIGURATIONS, identifier))
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
    draft.entry(*CONFIGURATIONS, identifier)


def _listed(draft: Draft, element: etree._Element) -> list[str]:
    return (draft.envelope.attribute(element, "configuration") or "").split()
