"""Fixes of the System of virtual hardware: clause 8.1."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.edit.draft import Draft
from ovf.mending.fix import Done, fix
from ovf.outline import hardware_sections
from rehost.tracked import local_name, summary

VSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
NAME = "Virtual Hardware Family"
FIRST = "0"


def _systems(draft: Draft) -> Iterator[etree._Element]:
    for section in hardware_sections(draft.envelope):
        yield from draft.envelope.children(section.element, "System")


@fix("VHS-004")
def transports_apart(draft: Draft) -> Done:
    """Write single spaces between the transports."""
    for section in hardware_sections(draft.envelope):
        said = draft.envelope.attribute(section.element, "transport")
        right = " ".join((said or "").replace(",", " ").split())
        if said is not None and right and said != right:
            draft.set(section.element, "transport", right)
            yield section.element, f"transport: {summary(said)} -> {summary(right)}"


@fix("VHS-006")
def types_apart(draft: Draft) -> Done:
    """Write single spaces between the identifiers."""
    for system in _systems(draft):
        child = system.find("{*}VirtualSystemType")
        said = (child.text or "").strip() if child is not None else ""
        right = " ".join(said.replace(",", " ").split())
        if child is not None and said != right:
            draft.write(child, right)
            yield child, f"VirtualSystemType: {summary(said)} -> {summary(right)}"


@fix("VHS-007")
def systems_named(draft: Draft) -> Done:
    """Add what a System needs; one that has the older InstanceId gets it renamed."""
    for system in _systems(draft):
        older = system.find("{*}InstanceId")
        missing = {"ElementName": NAME, "InstanceID": FIRST}
        for child in system.iterchildren(etree.Element):
            missing.pop(local_name(str(child.tag)), None)
        if older is not None and "InstanceID" in missing:
            del missing["InstanceID"]
            draft.text.rename(older, "InstanceID")
            yield older, "System InstanceId is called InstanceID now"
        for name, text in sorted(missing.items()):
            _insert(draft, system, name, text)
            yield system, f"System has an {name} now ({text})"


def _insert(draft: Draft, system: etree._Element, name: str, text: str) -> None:
    made = etree.Element(f"{{{VSSD}}}{name}")
    made.text = text
    earlier = [child for child in draft.text.children(system) if local_name(str(child.tag)) < name]
    if earlier:
        draft.text.after(earlier[-1], made)
    else:
        draft.text.prepend(system, made)
