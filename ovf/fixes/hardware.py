"""Fixes of the System of virtual hardware: clause 8.1."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.edit.draft import Draft
from ovf.edit.files import free_id
from ovf.judging.profile import Target
from ovf.mending.fix import Done, Places, fix, fix_for
from ovf.namespaces import VSSD
from ovf.outline import hardware_sections
from rehost.tracked import local_name, summary

NAME = "Virtual Hardware Family"
FIRST = "0"
BEHIND = ("Info", "System")


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


@fix("VHS-003")
def sections_numbered(draft: Draft) -> Done:
    """Give hardware sections ids of their own; nothing in a descriptor names them by those."""
    envelope = draft.envelope
    for system in envelope.systems:
        sections = list(envelope.children(system, "VirtualHardwareSection"))
        used = {envelope.attribute(section, "id") for section in sections}
        seen: set[str | None] = set()
        for section in sections if len(sections) > 1 else ():
            said = envelope.attribute(section, "id")
            if said in seen or (not said and envelope.version == "2"):
                right = free_id(used, f"{said or 'hardware'}-")
                used.add(right)
                draft.set(section, "id", right)
                before = f"{summary(said)} -> " if said else ""
                yield section, f"VirtualHardwareSection ovf:id: {before}{right}"
            seen.add(said or None)


@fix_for("XOA-002")
def systems_described(draft: Draft, _: Target, places: Places) -> Done:
    """Describe the System of the only hardware section by the machine's name."""
    envelope = draft.envelope
    for system in envelope.systems:
        sections = list(envelope.children(system, "VirtualHardwareSection"))
        if envelope.at(system) not in places or len(sections) != 1:
            continue
        name = envelope.text(envelope.first(system, "Name")) or envelope.attribute(system, "id")
        made = draft.new("System")
        said = {"ElementName": NAME, "InstanceID": FIRST, "VirtualSystemIdentifier": name}
        for key, text in said.items():
            etree.SubElement(made, f"{{{VSSD}}}{key}").text = text
        draft.put(sections[0], made, BEHIND)
        yield sections[0], f"hardware section has a System now ({summary(name or '')})"


def _insert(draft: Draft, system: etree._Element, name: str, text: str) -> None:
    made = etree.Element(f"{{{VSSD}}}{name}")
    made.text = text
    earlier = [child for child in draft.text.children(system) if local_name(str(child.tag)) < name]
    if earlier:
        draft.text.after(earlier[-1], made)
    else:
        draft.text.prepend(system, made)
